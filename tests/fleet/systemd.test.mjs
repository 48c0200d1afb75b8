// The fleet as a service: the units as systemd judges them, and what guard and service manager say to each other. The manager is systemd's own
// systemd-socket-activate, and where it has to start the service again, tests/harness/manager.py: process 1 of a test machine is mostly another.
import { test, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, ROOT, BIN, NODES, newDir, run, until, alive } from '../harness/fleet.mjs';

const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
const dir = newDir();
const units = path.join(dir, 'units');
const f = await Fleet.make();
const config = path.join(f.var, 'metafed.conf');
const guard = [path.join(BIN, 'metafed-meta'), '--config', config];
const started = [];
after(async () => {
  for (const p of started) if (p.exitCode === null) p.kill('SIGTERM');
  await f.stop();
  rmSync(dir, { recursive: true, force: true });
});

// As make install writes them, with executables and pages that are there.
function install() {
  mkdirSync(path.join(units, 'man/man8'), { recursive: true });
  mkdirSync(path.join(units, 'man/man5'), { recursive: true });
  writeFileSync(path.join(units, 'man/man8/metafed-meta.8'), readFileSync(path.join(ROOT, 'services/meta/metafed-meta.8')));
  writeFileSync(path.join(units, 'man/man5/metafed.conf.5'), readFileSync(path.join(ROOT, 'services/meta/metafed.conf.5.in')));
  mkdirSync(path.join(units, 'libexec/metafed'), { recursive: true });
  writeFileSync(path.join(units, 'libexec/metafed/init-var'), '#!/bin/sh\n');
  chmodSync(path.join(units, 'libexec/metafed/init-var'), 0o755);
  for (const unit of ['metafed.service', 'metafed.socket', 'metafed.slice'])
    writeFileSync(path.join(units, unit), readFileSync(path.join(ROOT, 'deploy/systemd', unit), 'utf8').replaceAll('@bindir@', BIN).replaceAll('@libexecdir@', path.join(units, 'libexec')));
}

function init() {
  f.configure('[guard]\n');      // makes VAR and the user
  const r = run(path.join(ROOT, 'scripts/init-var'), [f.var, String(f.port), process.getuid() === 0 ? 'metafed' : '']);
  assert.equal(r.status, 0, r.stderr);
}

// A manager that runs the guard; said() are the lines that it has heard.
function manage(command, args) {
  const p = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  p.stdout.on('data', (d) => { text += d; });
  started.push(p);
  return { p, said: () => text.split('\n').slice(0, -1), tell: (word) => p.stdin.write(`${word}\n`), done: new Promise((resolve) => { p.on('exit', resolve); }) };
}

test('systemd finds nothing wrong with the units', { skip: !has('systemd-analyze') }, () => {
  install();
  if (spawnSync('id', ['metafed']).status !== 0) f.configure('');
  const r = run('systemd-analyze', ['verify', ...readdirSync(units).filter((n) => n.startsWith('metafed.')).map((n) => path.join(units, n))],
    { env: { MANPATH: path.join(units, 'man'), SYSTEMD_LOG_LEVEL: 'warning' } });
  assert.equal(r.status, 0, r.stderr);
  assert.doesNotMatch(r.stderr, /metafed/);
});

test('the service is exposed by less than 2.0', { skip: !has('systemd-analyze') }, (t) => {
  install();
  const r = run('systemd-analyze', ['security', '--offline=yes', '--threshold=20', '--no-pager', path.join(units, 'metafed.service')]);
  assert.equal(r.status, 0, r.stdout);
  t.diagnostic(r.stdout.split('\n').find((l) => l.includes('Overall')));
});

test('a reload, a stop and the time limits of the unit fit the guard', () => {
  const unit = readFileSync(path.join(ROOT, 'deploy/systemd/metafed.service'), 'utf8');
  const value = (key) => unit.match(new RegExp(`^${key}=(.*)$`, 'm'))?.[1];
  const orderly = Number(readFileSync(path.join(ROOT, 'services/meta/stop.c'), 'utf8').match(/#define ORDERLY +\((\d+) \* SEC\)/)[1]);
  assert.ok(Number(value('TimeoutStopSec')) > orderly);
  assert.equal(value('ExecReload'), "/bin/sh -c 'kill -HUP $MAINPID'");
  assert.equal(value('KillMode'), 'process');
});

test('the first connection starts the fleet, and is answered', { skip: !has('systemd-socket-activate') }, async () => {
  init();
  const m = manage('systemd-socket-activate', ['-l', `127.0.0.1:${f.port}`, ...guard]);
  const connected = () => run('sh', ['-c', `grep -q ':${f.port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A' /proc/net/tcp`]).status === 0;
  await until(connected, 'it listens');
  assert.equal(f.processes().filter((p) => p.cmd.includes('metafed-sql')).length, 0);
  const r = await f.call('GET', '/livez', { token: null, agent: false });
  assert.equal(r.status, 200);
  assert.equal(readFileSync(path.join(f.var, 'run/listen'), 'utf8').trim(), `127.0.0.1:${f.port}`);
  run(guard[0], ['--config', config, '--stop']);
  await m.done;
});

test('a restart of the service refuses and loses no connection', async (t) => {
  const m = manage('python3', [path.join(ROOT, 'tests/harness/manager.py'), String(f.port), ...guard]);
  await until(() => m.said().includes('READY=1'), 'READY=1', 60_000);
  assert.ok(m.said().includes(`STATUS=${NODES.length + 3} of ${NODES.length + 3} processes READY`), m.said().join('\n'));
  await f.login();
  const load = f.load(50, 8, () => ['GET', '/livez', { token: null, agent: false }]);
  await until(() => m.said().includes('WATCHDOG=1'), 'the watchdog hears of it', 5000);
  m.tell('restart');
  await until(() => m.said().filter((l) => l === 'READY=1').length === 2, 'READY=1 again', 60_000);
  assert.ok(m.said().includes('STOPPING=1'));
  const results = await load;
  assert.deepEqual(results.filter((r) => r.status !== 200).map((r) => r.error ?? r.status), []);
  t.diagnostic(`${results.length} connections over a restart: 0 refused; the longest waited ${Math.round(Math.max(...results.map((r) => r.ms)))} ms`);
  await f.login();
  const pids = Object.fromEntries(Object.entries(await f.nodes()).map(([name, n]) => [name, n.pid]));

  m.tell('kill');      // the guard alone, as nothing but a manager replaces it
  await until(() => m.said().filter((l) => l === 'READY=1').length === 3, 'READY=1 of the third', 60_000);
  const now = await f.nodes();
  for (const name of NODES) assert.equal(now[name].pid, pids[name], `${name} was adopted`);

  const sql = pids.sql;
  f.kill(sql);
  await until(() => m.said().some((l) => /^STATUS=\d+ of \d+ processes READY; sql: /.test(l)), 'the status names who is away');
  await f.back('sql', sql);
  m.tell('stop');
  assert.equal(await m.done, 0);
  assert.ok(!alive(pids.rest));
});

test('a socket that strangers can reach is refused like any other', async () => {
  const r = run('python3', ['-c', `
import os, socket, sys
s = socket.create_server(("0.0.0.0", 0))
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[1], sys.argv[1:])`, ...guard], { timeout: 20_000 });
  assert.equal(r.status, 1, r.stdout + r.stderr);
  assert.match(r.stderr, /reachable from outside/);
});

// Logs in the journal: a fleet with log_to = stderr, whose standard error is a journald's, as under a systemd unit. The journald is
// Debian's, in a namespace of its own, without systemd; `journalctl` gives back each line as it was.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { BIN, Fleet, NODES, run, until } from '../harness/fleet.mjs';
import { valid } from '../harness/log_lines.mjs';

const JOURNALD = '/lib/systemd/systemd-journald';
const name = `metafed-${process.pid}`;
const dir = `/run/systemd/journal.${name}`;
const skip = process.getuid() !== 0 || !existsSync(JOURNALD) ? 'needs root and systemd-journald' : existsSync('/run/systemd/system') ? 'systemd runs here: its journal is not for tests' : false;
let f, journald, guard;

const journal = (...args) => run('journalctl', [`--namespace=${name}`, '--no-pager', '-q', ...args]).stdout.split('\n').filter(Boolean);

test.after(async () => {
  guard?.kill('SIGTERM');
  if (guard) await until(() => guard.exitCode !== null, 'the end of the fleet', 30_000).catch(() => { });
  await f?.stop();
  if (journald) { journald.kill('SIGKILL'); await new Promise((resolve) => { journald.once('exit', resolve); }); }
  rmSync(dir, { recursive: true, force: true });
  for (const of of ['/run/log/journal', '/var/log/journal']) for (const m of existsSync(of) ? readdirSync(of) : []) if (m.endsWith(`.${name}`)) rmSync(path.join(of, m), { recursive: true });
});

test('all that a fleet logs is in the journal, by one name, each line as it was', { skip }, async () => {
  f = await Fleet.start();
  f.down();      // made; from here on as a unit starts it
  f.configure('[api]\naccess_log = all\n[guard]\nlog_to = stderr\n');
  journald = spawn(JOURNALD, [name], { stdio: 'ignore' });
  await until(() => existsSync(`${dir}/stdout`), 'journald');
  // What systemd says before it hands the socket to a process: identifier, unit, priority, level prefix, three kinds of forwarding.
  const socket = await new Promise((resolve, reject) => { const s = connect(`${dir}/stdout`, () => resolve(s)); s.once('error', reject); });
  await new Promise((resolve) => { socket.write('metafed\n\n6\n0\n0\n0\n0\n', resolve); });
  guard = spawn(path.join(BIN, 'metafed-meta'), ['--config', path.join(f.var, 'metafed.conf')], { stdio: ['ignore', socket, socket] });
  socket.destroy();
  await f.login(30_000);
  await f.load(100, 2, (i) => ['GET', `/v1/tasks?limit=1&q=${i}`, {}]);
  await f.nodes();
  guard.kill('SIGTERM');
  await until(() => guard.exitCode !== null, 'the end of the fleet', 60_000);
  let lines = [];
  await until(() => (lines = journal('-t', 'metafed', '-o', 'cat').filter((l) => l.startsWith('{"time"')).map((l) => JSON.parse(l))).some((l) => l.node === 'guard' && l.event === 'stopped'), 'the last line in the journal');
  const next = new Map();
  for (const l of lines) {
    const id = `${l.node} ${l.generation}`;
    assert.ok(valid(l), JSON.stringify(l));
    assert.equal(l.seq, next.get(id) ?? 1, id);
    next.set(id, l.seq + 1);
  }
  assert.deepEqual([...new Set(lines.map((l) => l.node))].sort(), [...NODES, 'guard', 'supervisor'].sort());
  assert.ok(lines.filter((l) => l.event === 'request').length >= 200);
  // Filters of the journal's own, and of the lines.
  const rest = journal('-t', 'metafed', '-o', 'cat', '--grep', '"node":"rest"');
  assert.ok(rest.length > 0 && rest.every((l) => JSON.parse(l).node === 'rest'));
});

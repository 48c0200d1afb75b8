// What ten thousand idle sessions cost.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, NODES, ROOT, sleep, until } from '../harness/fleet.mjs';

const SESSIONS = 10_000;
let f;
before(async () => { f = await Fleet.start({ conf: '[api]\nlimit = off\n' }); });
after(async () => { await f?.stop(); });

test(`${SESSIONS} idle sessions, each authenticated, and the whole fleet with them need less than 200 MB`, async () => {
  const nodes = await f.nodes();
  const resident = (name) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${nodes[name].pid}/status`, 'utf8'))[1]) / 1024;
  const all = () => NODES.reduce((sum, n) => sum + resident(n), 0);
  const open = async () => Number(/^metafed_sessions{[^}]*} (\d+)/m.exec((await f.call('GET', '/metrics', { token: null })).text)?.[1]);
  const before = { all: all(), api: resident('api') }, begin = Date.now();
  const file = path.join(f.dir, 'session-token');
  writeFileSync(file, f.token, { mode: 0o600 });
  const clients = spawn(process.execPath, [path.join(ROOT, 'tests/harness/idle_sessions.mjs'), f.port, file, SESSIONS], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    assert.equal(await new Promise((resolve) => { clients.stdout.once('data', (d) => resolve(String(d).trim())); clients.once('exit', (code) => resolve(`exit ${code}`)); }), 'open');
    const ms = Date.now() - begin;
    assert.equal(await open(), SESSIONS);
    await sleep(1000);
    const grown = { all: all() - before.all, api: resident('api') - before.api };
    console.log(`# measured ${SESSIONS} idle sessions: ${grown.all.toFixed(1)} MB more in the fleet, ${grown.api.toFixed(1)} MB of them in api (${(grown.api * 1024 / SESSIONS).toFixed(1)} KiB each), ${all().toFixed(1)} MB resident in all; opened in ${ms} ms`);
    assert.ok(all() < 200, `${all()} MB resident`);
    assert.equal(clients.exitCode, null, 'none was closed');
    assert.equal((await f.call('GET', '/v1/tasks?limit=1')).status, 200);
    clients.stdin.end();
    await until(async () => await open() === 0, 'no session');
  } finally { clients.kill('SIGKILL'); }
});

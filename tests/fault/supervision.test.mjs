// The supervisors themselves are killed: a new one adopts, no node restarts, none runs twice, no connection is refused.
import { test, before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { Fleet, NODES, ROOT, alive, failures, sleep, run, until } from '../harness/fleet.mjs';

let f;
// A short back-off, so that a crash loop reaches its end within the test.
before(async () => { f = await Fleet.start({ conf: '[guard]\nrestart_cap = 100ms\n' }); });
after(async () => { await f?.stop(); });

const pids = (nodes) => Object.fromEntries(NODES.map((n) => [n, nodes[n].pid]));

async function sameNodes(before) {
  assert.deepEqual(pids(await f.nodes()), before);
  const mine = f.processes().filter((p) => /metafed-(?!meta)/.test(p.cmd));
  assert.equal(mine.length, 12, `none runs twice: ${mine.map((p) => p.cmd).join('\n')}`);
}

test('kill -9 of the supervisor: a new one adopts', async () => {
  const nodes = await f.nodes();
  const load = f.load(100, 2, () => ['GET', '/v1/tasks?limit=1', {}]);
  await sleep(300);
  f.kill(nodes.supervisor.pid);
  await f.back('supervisor', nodes.supervisor.pid);
  assert.deepEqual(failures(await load), []);
  await sameNodes(pids(nodes));
});

test('kill -9 of guard and supervisor: the next start adopts, nothing restarts', async () => {
  const nodes = await f.nodes();
  const load = f.load(100, 3, () => ['GET', '/livez', { token: null, agent: false }]);
  await sleep(300);
  f.kill(nodes.guard.pid);
  f.kill(nodes.supervisor.pid);
  await until(() => !alive(nodes.guard.pid) && !alive(nodes.supervisor.pid), 'both are gone');
  f.up();
  assert.deepEqual(failures(await load), [], 'no connection was refused');
  await sameNodes(pids(nodes));
  await f.back('guard', nodes.guard.pid);
  const after = await f.nodes();
  assert.notEqual(after.guard.pid, nodes.guard.pid);
  const pid = after.rest.pid;
  f.kill(pid);
  await f.back('rest', pid);
});

test('a second start beside a running one changes nothing', async () => {
  const before = pids(await f.nodes());
  run(path.join(ROOT, 'scripts/run'), ['--detach', '--var', f.var, '--port', String(f.port)]);
  await sameNodes(before);
});

test('a node that crashes at once again and again is given up, the rest runs on; restart brings it back', async () => {
  let pid = await f.pid('websocket');
  await until(async () => {
    const n = (await f.nodes()).websocket;
    if (n.state === 'FAILED') return true;
    if (n.pid > 0 && alive(n.pid)) { f.signal(n.pid, 'SIGKILL'); pid = n.pid; }
    await sleep(40);
    return false;
  }, 'it is given up');
  assert.equal((await f.call('GET', '/v1/tasks?limit=1')).status, 200);
  assert.equal(f.cli('restart', 'websocket').status, 0);
  await f.back('websocket', pid);
});

// Each has a fleet of its own, and mostly waits.
describe('nobody is left to supervise', { concurrency: 2 }, () => {
  test('guard and supervisor gone for good: the fleet says so, and in the end nothing is left', async () => {
    const g = await Fleet.start({ conf: 'life_grace = 3s\n' });
    try {
      const nodes = await g.nodes();
      g.kill(nodes.guard.pid);
      g.kill(nodes.supervisor.pid);
      g.kill(nodes.cache.pid);
      await until(async () => (await g.nodes()).cache.state === 'STOPPED', 'the death of cache is seen');
      const seen = await g.nodes();
      for (const name of ['guard', 'supervisor', 'cache']) assert.deepEqual([seen[name].state, seen[name].pid], ['STOPPED', 0], name);
      for (const name of ['sql', 'postgres']) assert.equal(seen[name].state, 'READY', name);
      g.kill(nodes.meta.pid);       // and nothing of that executable is left: whoever leaves last ends the servers
      await until(() => g.processes().length === 0, 'everybody leaves', 60_000);
    } finally {
      await g.stop();
    }
  });

  test('both killed while starting: the next start finds what runs and brings up the rest, none twice', async () => {
    const g = await Fleet.make();
    const child = spawn(path.join(ROOT, 'scripts/run'), ['--detach', '--var', g.var, '--port', String(g.port)], { env: { ...process.env, METAFED_NO_BUILD: '1' }, stdio: 'ignore' });
    const done = new Promise((resolve) => child.on('exit', resolve));
    for (let i = 0; i < 2000; i++) {
      const metas = g.processes().filter((p) => /metafed-meta/.test(p.cmd));
      const nodes = g.processes().filter((p) => /metafed-(?!meta)/.test(p.cmd));
      if (nodes.length >= 2) { for (const m of metas) if (!/orchestrator/.test(m.cmd)) try { process.kill(m.pid, 'SIGKILL'); } catch { /* gone */ } break; }
      await sleep(5);
    }
    await done;
    try {
      g.up();
      await g.login();
      await until(async () => { const n = await g.nodes(); return NODES.every((name) => n[name].state === 'READY'); }, 'all are READY');
      assert.equal(g.processes().filter((p) => /metafed-(?!meta)/.test(p.cmd)).length, 12);
    } finally {
      await g.stop();
    }
  });
});

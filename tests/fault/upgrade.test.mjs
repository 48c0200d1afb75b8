// Every executable of a fleet is replaced under load, one after the other, guard and supervisor included: no request fails,
// no connection is refused, nothing acknowledged is lost. A bad one stops the upgrade, and the fleet serves on.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, renameSync, writeFileSync, chmodSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import net from 'node:net';
import path from 'node:path';
import { BIN, Fleet, NODES, failures, mixed, newDir, run, sleep, until } from '../harness/fleet.mjs';
import { allSteps } from '../harness/steps.mjs';

const STEPS = [...NODES, 'guard', 'supervisor'];
const dir = newDir();
const bin = path.join(dir, 'bin');
let f;
let builds = 0;

// The same code as another build: its build id differs.
function build(node, at = path.join(bin, `.new-${node}`)) {
  const id = path.join(dir, 'id');
  const note = Buffer.alloc(36);
  note.writeUInt32LE(4, 0);
  note.writeUInt32LE(20, 4);
  note.writeUInt32LE(3, 8);       // NT_GNU_BUILD_ID
  note.write('GNU\0', 12);
  note.writeUInt32BE(++builds, 16);
  writeFileSync(id, note);
  const r = run('objcopy', ['--update-section', `.note.gnu.build-id=${id}`, path.join(BIN, `metafed-${node}`), at]);
  assert.equal(r.status, 0, r.stderr);
  chmodSync(at, 0o755);
  return builds.toString(16).padStart(8, '0');
}
// As a package manager does: the new file is renamed over the old one.
function replace(node) {
  const id = build(node);
  renameSync(path.join(bin, `.new-${node}`), path.join(bin, `metafed-${node}`));
  return id;
}
function replaceBy(node, script) {
  const at = path.join(bin, `.new-${node}`);
  writeFileSync(at, script, { mode: 0o755 });
  renameSync(at, path.join(bin, `metafed-${node}`));
}
const idOf = (file) => run('readelf', ['-n', file]).stdout.match(/Build ID: ([0-9a-f]{8})/)?.[1];
const executable = (name) => `metafed-${['guard', 'supervisor'].includes(name) ? 'meta' : name}`;
const running = async () => { const n = await f.nodes(); return Object.fromEntries(STEPS.map((s) => [s, idOf(`/proc/${n[s].pid}/exe`)])); };
const pids = async () => { const n = await f.nodes(); return Object.fromEntries(STEPS.map((s) => [s, n[s].pid])); };

async function upgrade(order = {}) {
  const r = await f.call('POST', '/v1/upgrade', { body: order });
  assert.equal(r.status, 202, r.text);
  return r.json.state === 'running' ? ended() : r.json;
}
async function ended(limit = 90_000) {
  let last;
  await until(async () => {
    try { last = (await f.call('GET', '/v1/upgrade')).json; } catch { /* it may be api's turn */ }
    return last && last.state !== 'running' && last.state !== undefined;
  }, 'the upgrade ends', limit);
  return last;
}

// Connections that come at any moment; one that is refused is a fault.
function knocking() {
  const errors = [];
  let on = true;
  const done = (async () => {
    while (on) {
      await new Promise((resolve) => {
        const s = net.connect(f.port, '127.0.0.1', () => { s.end(); resolve(); });
        s.on('error', (e) => { errors.push(e.code); resolve(); });
      });
      await sleep(5);
    }
    return errors;
  })();
  return () => { on = false; return done; };
}

// Until `work` is over.
async function underLoad(work) {
  const ids = [];
  const results = [];
  let over = false;
  const stop = knocking();
  const seed = Date.now() % 1e6;
  for (let i = 0; i < 5; i++) ids.push((await f.call('POST', '/v1/tasks', { body: { title: `base ${i}` } })).json.id);
  // As clients do that keep their connections: one that was idle for drain_idle (500 ms) may be closed just when it is used; no other is.
  const make = mixed(ids, seed);
  const repeatable = (i) => { const [method, p, o] = make(i); return [method, p, { ...o, again: 450, headers: method === 'POST' ? { 'idempotency-key': `"${randomUUID()}"` } : {} }]; };
  const load = (async () => { while (!over) results.push(...await f.load(60, 1, repeatable)); })();
  const bus = (async () => {
    const out = [];
    while (!over) {
      const said = await new Promise((resolve) => {
        const p = spawn(path.join(BIN, 'metafed'), ['--var', f.var, '--json', 'task', 'list', '--limit', '1'], { env: { ...process.env, METAFED_TOKEN_FILE: path.join(f.dir, 'token') } });
        let text = '';
        p.stderr.on('data', (d) => { text += d; });
        p.on('exit', (status) => resolve(status === 0 ? '' : `${status}: ${text}`));
      });
      if (said) out.push(said);
      await sleep(300);
    }
    return out;
  })();
  let said;
  try { said = await work(); } finally { over = true; if (said === undefined) await stop(); }
  await load;
  const refused = await stop();
  assert.deepEqual(await bus, [], 'over the bus');
  assert.deepEqual(failures(results), []);
  assert.deepEqual(refused, [], 'no connection is refused');
  const made = results.filter((r) => r.status === 201).map((r) => r.json.id);
  assert.equal(new Set(made).size, made.length, 'no id twice');
  for (const id of made) assert.equal((await f.call('GET', `/v1/tasks/${id}`)).status, 200, `acknowledged task ${id} is there`);
  return said;
}

before(async () => {
  mkdirSync(bin);
  chmodSync(bin, 0o777);
  for (const n of [...NODES.map((x) => `metafed-${x}`), 'metafed']) cpSync(path.join(BIN, n), path.join(bin, n));
  f = await Fleet.start({ bin, conf: '[meta]\nupgrade_settle = 200ms\n' });
});
after(async () => {
  await f?.stop();
  if (!process.env.METAFED_KEEP) rmSync(dir, { recursive: true, force: true });
});

test('nothing has changed: nothing is done; a dry run changes nothing', async () => {
  const was = await pids();
  const none = await upgrade();
  assert.equal(none.state, 'done');
  assert.deepEqual(none.steps.map((s) => s.state), STEPS.map(() => 'unchanged'));
  const id = replace('sql');
  const r = f.cli('upgrade', '--dry-run', '--json');
  assert.equal(r.status, 0, r.stderr);
  const plan = JSON.parse(r.stdout);
  assert.equal(plan.state, 'planned');
  assert.deepEqual(plan.steps.filter((s) => s.state === 'waiting').map((s) => [s.node, s.to]), [['sql', `1.0.0+${id}`]]);
  assert.deepEqual(await pids(), was);
  assert.equal((await f.call('GET', '/v1/upgrade')).json.state, 'none');
  assert.equal(existsSync(path.join(f.var, 'run/upgrade.json')), false);
  assert.equal((await f.call('POST', '/v1/upgrade', { body: { nodes: ['postgres'] } })).status, 422);
});

test('all thirteen, guard and supervisor, under load: no request fails, none is lost', async () => {
  const want = {};
  for (const n of NODES) want[n] = replace(n);
  want.guard = want.supervisor = want.meta;
  const was = await pids();
  const said = await underLoad(() => upgrade());
  assert.equal(said.state, 'done', JSON.stringify(said));
  assert.deepEqual(said.steps.map((s) => s.state), STEPS.map(() => 'done'));
  const order = said.steps.map((s) => s.node);
  assert.deepEqual(order.slice(-4), ['api', 'meta', 'guard', 'supervisor']);
  assert.deepEqual(order.slice(-6, -4).sort(), ['auth', 'database']);
  assert.deepEqual(await running(), want);
  const now = await pids();
  for (const s of STEPS) (s === 'guard' ? assert.equal : assert.notEqual)(now[s], was[s], s);
});

test('kill -9 of meta in the middle: the next one goes on with the upgrade', async () => {
  const want = { sql: replace('sql'), jwt: replace('jwt'), rest: replace('rest') };
  const first = await f.call('POST', '/v1/upgrade', { body: {} });
  assert.equal(first.json.state, 'running');
  assert.equal((await f.call('POST', '/v1/upgrade', { body: {} })).status, 409, 'one at a time');
  await until(async () => (await f.call('GET', '/v1/upgrade')).json.steps.some((s) => s.state === 'done'), 'a step is done');
  f.kill(await f.pid('meta'));
  const said = await ended();
  assert.equal(said.state, 'done', JSON.stringify(said));
  assert.equal(said.id, first.json.id);
  const now = await running();
  for (const n of Object.keys(want)) assert.equal(now[n], want[n], n);
});

const DEATHS = ['meta.upgrade.step_written', 'meta.upgrade.ordered', 'meta.upgrade.step_done', 'meta.upgrade.guard_ordered'];
test('no step of an upgrade is left out', () => assert.deepEqual(allSteps().map((s) => s.step).filter((s) => s.startsWith('meta.upgrade.')), [...DEATHS].sort()));
for (const step of DEATHS) {
  test(`meta dies at ${step}: the next one goes on`, async () => {
    const node = step.endsWith('guard_ordered') ? 'meta' : 'cache';
    const id = replace(node);
    const nodes = node === 'meta' ? ['guard'] : ['cache'];
    await f.faults('meta', `@${step}: kill`);
    const pid = await f.pid('meta');
    await f.call('POST', '/v1/upgrade', { body: { nodes } });
    await f.back('meta', pid);
    const said = await ended();
    assert.equal(said.state, 'done', JSON.stringify(said));
    const now = await running();
    assert.equal(now[nodes[0]], id);
  });
}

test('kill -9 of the supervisor in the middle: it goes on', async () => {
  replace('oauth'); replace('rbac'); replace('websocket');
  const first = await f.call('POST', '/v1/upgrade', { body: { nodes: ['oauth', 'rbac', 'websocket'] } });
  assert.equal(first.json.state, 'running');
  await until(async () => (await f.call('GET', '/v1/upgrade')).json.steps.some((s) => s.state === 'done'), 'a step is done');
  f.kill(await f.pid('supervisor'));
  assert.equal((await ended()).state, 'done');
});

test('one that is no program, or refuses its configuration, is refused before anything is touched', async () => {
  const was = await pids();
  replace('nosql');
  replaceBy('cache', '#!/bin/sh\nexit 0\n');
  const r = f.cli('upgrade');
  assert.equal(r.status, 1, r.stdout + r.stderr);
  assert.match(r.stderr, /cache: .*no program of this machine/);
  assert.match(r.stderr, /say `metafed upgrade` again/);
  assert.deepEqual(await pids(), was);
  replace('cache');
  assert.equal((await upgrade()).state, 'done');
});

for (const [node, what] of [['sql', 'agent'], ['database', 'domain'], ['meta', 'orchestrator']]) {
  test(`a new ${node} that passes its check and dies at once: the upgrade stops, the ${what} of before serves on`, async () => {
    const good = path.join(dir, 'good');
    cpSync(path.join(bin, executable(node)), good);
    const id = build(node);
    // It starts only when it is asked about itself: what it has beyond that is gone.
    const c = path.join(dir, 'broken.c');
    writeFileSync(c, `#include <string.h>
#include <stdlib.h>
#include <unistd.h>
__asm__(".pushsection .note.metafed,\\"a\\",%note\\n.balign 4\\n.long 8,14,1\\n.asciz \\"metafed\\"\\n.long 1,1\\n.asciz \\"1.0.1\\"\\n.balign 4\\n.popsection");
int main(int n, char **v) { for (int i = 1; i < n; i++) if (strcmp(v[i], "--check") == 0) return 0; return 9; }
`);
    const r = run('gcc', ['-O1', '-Wl,--build-id=sha1', '-o', path.join(bin, '.broken'), c]);
    assert.equal(r.status, 0, r.stderr);
    renameSync(path.join(bin, '.broken'), path.join(bin, executable(node)));
    const was = await pids();
    const said = await upgrade({ nodes: [node] });
    assert.equal(said.state, 'failed', JSON.stringify(said));
    assert.match(said.error, new RegExp(`^${node}: the new executable did not start`));
    assert.equal(said.steps[0].state, 'failed');
    assert.equal((await f.call('POST', '/v1/tasks', { body: { title: 'still' } })).status, 201);
    const now = await f.nodes();
    assert.equal(now[node].state, 'READY');
    assert.notEqual(now[node].pid, was[node]);
    renameSync(path.join(bin, `.new-${node}`), path.join(bin, executable(node)));
    const again = await upgrade({ nodes: [node] });
    assert.equal(again.state, 'done', JSON.stringify(again));
    assert.equal((await running())[node], id);
  });
}

test('kill -9 of the guard in the middle: the nodes are upgraded, and it is said that a new guard is needed', async () => {
  const id = replace('graphql');
  const meta = replace('meta');
  const first = await f.call('POST', '/v1/upgrade', { body: {} });
  assert.equal(first.json.state, 'running');
  f.kill(await f.pid('guard'));
  const said = await ended();
  assert.equal(said.state, 'failed');
  assert.match(said.error, /^guard: the guard is gone: start metafed again.* New by now: graphql, meta; as before: guard, supervisor/);
  f.up();
  await until(async () => (await f.nodes()).guard.state === 'READY', 'a new guard');
  assert.equal((await upgrade()).state, 'done');
  const now = await running();
  assert.deepEqual([now.graphql, now.meta, now.guard, now.supervisor], [id, meta, meta, meta]);
});

test('with one that stands by, who leads upgrades, the other one first, the next leader goes on, and nobody is renewed twice', async () => {
  const alone = f;
  f = await Fleet.start({ bin, conf: '[guard]\nstandbys = 1\n[meta]\nupgrade_settle = 200ms\n' });
  try {
    const leads = async () => Object.values(await f.nodes()).find((n) => n.leads)?.name;
    let first;
    await until(async () => { first = await leads(); return first; }, 'somebody leads');
    const nodes = ['cache', 'jwt', 'sql', 'meta', 'meta-2'], other = first === 'meta' ? 'meta-2' : 'meta';
    const want = Object.fromEntries(nodes.filter((n) => n !== 'meta-2').map((n) => [n, replace(n)]));
    want['meta-2'] = want.meta;
    const was = await f.nodes();
    const said = await f.call('POST', '/v1/upgrade', { body: { nodes } });
    assert.equal(said.json.state, 'running');
    assert.deepEqual(said.json.steps.map((s) => s.node).slice(-2), [other, first]);
    f.kill(was[other].pid);   // who stands by comes back in the middle of it
    let last;
    await until(async () => {
      try { last = (await f.call('GET', '/v1/upgrade')).json; } catch { return false; }
      assert.notEqual(last?.state, 'none', 'each leader knows of it');
      return ['done', 'failed'].includes(last?.state);
    }, 'the upgrade ends', 60_000);
    assert.equal(last.state, 'done', JSON.stringify(last));
    assert.equal(last.id, said.json.id);
    const now = await f.nodes();
    for (const n of nodes) assert.equal(idOf(`/proc/${now[n].pid}/exe`), want[n], n);
    for (const n of ['cache', 'jwt', 'sql']) assert.equal(now[n].generation, was[n].generation + 1, n);
  } finally {
    await f.stop();
    f = alone;
  }
});

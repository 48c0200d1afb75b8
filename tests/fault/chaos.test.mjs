// Chaos as a tool: each experiment does what it says, within its limits, and ends by itself.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { Fleet, alive, failures, newDir, run, sleep, until } from '../harness/fleet.mjs';

const cannot = (...cmd) => { const r = run(cmd[0], cmd.slice(1)); return r.status === 0 ? false : `${cmd.join(' ')}: ${r.stderr.trim()}`; };
let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const begin = (action, target, for_ms, more = {}) => f.call('POST', '/v1/chaos', { body: { action, target, for_ms, ...more } });
const started = async (...a) => { const r = await begin(...a); assert.equal(r.status, 201, r.text); assert.equal(r.json.state, 'running'); return r.json; };
const state = async (id) => (await f.call('GET', '/v1/chaos')).json.items.find((x) => x.id === id)?.state;
const ended = (x, limit = 8000) => until(async () => await state(x.id) === 'ended', `${x.action} has ended`, limit);
const whole = () => until(async () => Object.values(await f.nodes()).every((n) => n.state === 'READY'), 'the fleet is whole');
const create = () => f.call('POST', '/v1/tasks', { body: { title: 'meanwhile' } });

test('a killed agent: no request fails, it comes back, the experiment ends by itself', async () => {
  const pid = await f.pid('sql');
  const load = f.load(100, 2, () => ['POST', '/v1/tasks', { body: { title: 'meanwhile' } }]);
  await sleep(300);
  const x = await started('kill', 'sql', 500);
  assert.equal(x.by, f.admin().username);
  await until(() => !alive(pid), 'it is dead');
  await f.back('sql', pid);
  await ended(x);
  assert.deepEqual(failures(await load).map((r) => r.text ?? r.error), []);
});

test('a stopped agent goes on when the time is over', async () => {
  const pid = await f.pid('nosql');
  const x = await started('stop', 'nosql', 1500);
  await until(() => /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')), 'it is stopped', 1400);
  await ended(x);
  await until(() => /\) [SR] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')), 'it runs again');
  await whole();
});

test('delays, losses and a partition are felt and over, and an end on demand is one at once', async () => {
  const own = async () => { const r = await f.call('POST', '/v1/requests', { body: { task_id: `t-${Math.random()}`, requirements: { auth: { require_permission: 'task.read' } } } }); assert.equal(r.status, 200, r.text); return r.ms; };
  await own();
  const slow = await started('delay', 'auth', 60_000, { delay_ms: 150 });
  assert.ok(await own() >= 150);
  assert.equal((await f.call('DELETE', `/v1/chaos/${slow.id}`)).status, 204);
  assert.equal(await state(slow.id), 'ended');
  await until(async () => await own() < 100, 'it is fast again');
  const lossy = await started('drop', 'nosql', 400, { probability: 0.5, seed: 7 });
  await ended(lossy);
  const failing = await started('error', 'sql', 60_000, { probability: 0.3, seed: 7 });
  for (let i = 0; i < 10; i++) assert.equal((await create()).status, 201);      // tried again at once
  assert.equal((await f.call('DELETE', `/v1/chaos/${failing.id}`)).status, 204);
  const cut = await started('partition', 'sql', 500, { peer: 'database' });
  assert.equal((await create()).status, 201);
  await ended(cut);
  const r = await f.call('POST', '/v1/requests', { body: { task_id: 'after the partition', requirements: { database: { operation: 'create', model: 'task', data: { title: 'x' } } } } });
  assert.equal(r.status, 200, r.text);
  await until(async () => (await f.call('POST', '/v1/requests', { body: { task_id: `p-${Math.random()}`, requirements: { database: { operation: 'create', model: 'task', data: { title: 'x' } } } } })).json.agents_used.includes('sql'), 'sql is reached again');
});

test('who does not hear that it is over is hurt until its time is, and counts as that', async () => {
  const cut = await started('partition', 'sql', 8000, { peer: 'meta' });
  const end = await f.call('DELETE', `/v1/chaos/${cut.id}`);
  assert.equal(end.status, 503, end.text);
  assert.equal(await state(cut.id), 'running');
  assert.equal((await begin('delay', 'cache', 1000)).json.reason, 'BLAST_RADIUS');
  await ended(cut, 20_000);
  let next;
  await until(async () => (next = await begin('delay', 'sql', 60_000, { delay_ms: 1 })).status === 201, 'sql hears meta again');
  await until(async () => (await f.call('DELETE', `/v1/chaos/${next.json.id}`)).status === 204, 'it has ended on demand');
});

test('a wall clock that goes wrong by an hour refuses nobody for good', async () => {
  const x = await started('clock_step', 'cache', 400, { step_ms: -3_600_000 });
  assert.equal((await create()).status, 201);
  await ended(x);
  // What a node logs takes a moment to the file.
  const last = () => f.logged('cache').at(-1).time;
  await until(() => Date.now() - Date.parse(last()) < 60_000, 'its clock is right again');
});

test('a store that is taken away comes back, though the orchestrator died meanwhile', async () => {
  const pid = await f.pid('redis-cache');
  await started('store_down', 'redis-cache', 60_000);
  await until(() => !alive(pid), 'the cache has gone');
  assert.ok(existsSync(path.join(f.var, 'run/chaos')));
  assert.equal((await create()).status, 201);
  const meta = await f.pid('meta');
  f.kill(meta);
  await f.back('redis-cache', pid);
  await until(() => !existsSync(path.join(f.var, 'run/chaos')), 'the note of it is gone');
  await f.back('meta', meta);
  await whole();
});

test('what goes on at a node is in the list of the next orchestrator, counts, and can be ended', async () => {
  await whole();
  const x = await started('delay', 'auth', 60_000, { delay_ms: 30 });
  const meta = await f.pid('meta');
  f.kill(meta);
  await f.back('meta', meta);
  const now = (await f.call('GET', '/v1/chaos')).json.items.find((one) => one.id === x.id);
  assert.equal(now?.state, 'running');
  assert.equal(now.by, x.by);
  assert.ok(Math.abs(Date.parse(now.ends_at) - Date.parse(x.ends_at)) < 1000, now.ends_at);
  await whole();
  assert.equal((await begin('delay', 'jwt', 1000, { delay_ms: 1 })).json.reason, 'BLAST_RADIUS');
  await until(async () => (await f.call('DELETE', `/v1/chaos/${x.id}`)).status === 204, 'it has ended on demand');
  assert.equal(await state(x.id), 'ended');
  assert.ok(!existsSync(path.join(f.var, 'run/chaos')));
});

test('a store comes back, though orchestrator and supervisor died meanwhile, and the next two as well', async () => {
  await whole();
  await until(async () => (await begin('store_down', 'postgres', 60_000)).status === 201, 'it has begun');
  for (let i = 0; i < 2; i++) {
    const n = await f.nodes();
    for (const name of ['meta', 'supervisor']) f.signal(n[name].pid, 'SIGKILL');
    await f.back('meta', n.meta.pid);
  }
  await until(async () => (await f.nodes()).postgres.state === 'READY', 'the store is back', 30_000);
  await until(async () => (await create()).status === 201, 'it is written to', 30_000);
});

test('a store that nothing could bring back is not taken away', async () => {
  const pid = await f.pid('redis-cache'), note = path.join(f.var, 'run/chaos.new');
  mkdirSync(note);
  const r = await begin('store_down', 'redis-cache', 1000);
  rmdirSync(note);
  assert.equal(r.status, 503, r.text);
  assert.ok(alive(pid));
  assert.equal(await f.pid('redis-cache'), pid);
});

test('what would hurt too much is refused, and a dry run does nothing', async () => {
  const refused = async (status, ...a) => { const r = await begin(...a); assert.equal(r.status, status, r.text); return r.json; };
  assert.equal((await refused(422, 'kill', 'sql', 10)).status, 422);
  await refused(404, 'kill', 'nobody', 1000);
  await refused(422, 'kill', 'supervisor', 1000);
  const pid = await f.pid('sql');
  const dry = await begin('kill', 'sql', 1000, { dry_run: true });
  assert.equal(dry.status, 201, dry.text);
  assert.equal(dry.json.state, 'planned');
  assert.deepEqual(dry.json.effects, ['sql is killed, once (SIGKILL)']);
  assert.equal(await f.pid('sql'), pid);
  const x = await started('delay', 'cache', 60_000, { delay_ms: 1 });
  const second = await begin('kill', 'sql', 1000);
  assert.equal(second.status, 409, second.text);
  assert.equal(second.json.reason, 'BLAST_RADIUS');
  assert.equal((await f.call('DELETE', `/v1/chaos/${x.id}`)).status, 204);
  const third = await started('kill', 'sql', 200);
  await f.back('sql', pid);
  await ended(third);
  if (statSync(f.var).dev === statSync('/').dev) for (const dry_run of [false, true]) assert.match((await begin('disk_full', 'sql', 1000, { dry_run })).json.detail, /file system of its own/);
  assert.doesNotMatch((await f.call('DELETE', '/v1/chaos/nosuch')).json.detail, /node/);
});

test('the orchestrator is killed once, after its answer', async () => {
  await until(async () => (await f.call('GET', '/v1/chaos')).json.items.every((x) => x.state !== 'running'), 'none runs');
  await whole();
  const before = (await f.nodes()).meta;
  const x = await started('kill', 'meta', 300);
  await f.back('meta', before.pid);
  await sleep(500);
  const after = (await f.nodes()).meta;
  assert.equal(after.generation, before.generation + 1);
  assert.equal(await state(x.id), undefined);
});

test('the command line asks before it harms', async () => {
  await until(async () => (await f.call('GET', '/v1/chaos')).json.items.every((x) => x.state !== 'running'), 'none runs');
  await whole();
  const asked = f.cli('chaos', 'kill', 'rest', '--for', '200');
  assert.equal(asked.status, 2);
  assert.match(asked.stderr, /--yes/);
  const dry = f.cli('chaos', 'kill', 'rest', '--for', '200', '--dry-run');
  assert.equal(dry.status, 0, dry.stderr);
  assert.match(dry.stdout, /^Nothing was done.*\n +rest is killed/);
  for (const wrong of [['kill', 'rest'], ['kill', 'rest', '--for', '5s']]) {
    const r = f.cli('chaos', ...wrong, '--yes');
    assert.equal(r.status, 2);
    assert.match(r.stderr, /--for MS/);
  }
  const pid = await f.pid('rest');
  const done = f.cli('chaos', 'kill', 'rest', '--for', '200', '--yes');
  assert.equal(done.status, 0, done.stderr);
  await f.back('rest', pid);
  const list = f.cli('chaos', 'list');
  assert.match(list.stdout, /kill +rest +(running|ended)/);
});

test('a full disk: what is acknowledged is kept, and there is room again at the end', { skip: cannot('sh', '-c', 'd=$(mktemp -d) && mount -t tmpfs -o size=1m tmpfs $d && umount $d && rmdir $d') }, async () => {
  const dir = newDir(), kept = [];
  assert.equal(run('sh', ['-c', `mkdir -p ${dir}/v && mount -t tmpfs -o size=600m,mode=755 tmpfs ${dir}/v`]).status, 0);
  const g = await Fleet.make({ dir });
  try {
    g.configure('');
    g.up();
    await g.login();
    const r = await g.call('POST', '/v1/chaos', { body: { action: 'disk_full', target: 'postgres', for_ms: 1500 } });
    assert.equal(r.status, 201, r.text);
    assert.match(r.json.effects[0], /MiB of .* are taken/);
    const over = Date.now() + 1200;
    while (Date.now() < over) {
      const c = await g.call('POST', '/v1/tasks', { body: { title: 'on a full disk' }, timeout: 5000 }).catch(() => null);
      if (c?.status === 201) kept.push(c.json.id);
      else await sleep(20);
    }
    await until(async () => (await g.call('GET', '/v1/chaos').catch(() => ({}))).json?.items[0].state === 'ended', 'it has ended', 20_000);
    await until(async () => (await g.call('POST', '/v1/tasks', { body: { title: 'room again' }, timeout: 5000 }).catch(() => ({}))).status === 201, 'there is room again', 30_000);
    for (const id of kept) assert.equal((await g.call('GET', `/v1/tasks/${id}`)).status, 200, id);
    // The same room is somebody else's, too.
    assert.equal(run('sh', ['-c', `mkdir ${dir}/theirs && mount --bind ${dir}/v ${dir}/theirs`]).status, 0);
    let shared;
    await until(async () => {
      shared = await g.call('POST', '/v1/chaos', { body: { action: 'disk_full', target: 'postgres', for_ms: 1500, dry_run: true } });
      return /file system of its own/.test(shared.json.detail ?? '');
    }, 'it is refused for that', 20_000);
    assert.equal(shared.status, 409, shared.text);
  } finally {
    run('umount', [`${dir}/theirs`]);
    g.agent?.destroy();
    g.down();
    run('umount', ['-l', `${dir}/v`]);
    run('rm', ['-rf', dir]);
  }
});

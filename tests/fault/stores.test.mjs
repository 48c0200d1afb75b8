// The stores die and return: the fleet recovers by itself, nothing acknowledged is lost, nothing is doubled.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, alive, failures, mixed, sleep, until } from '../harness/fleet.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
console.log(`# measured seed ${seed}`);
let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

async function allTasks(label) {
  const out = [];
  let cursor = '';
  do {
    const r = await f.call('GET', `/v1/tasks?limit=1000&label=${encodeURIComponent(label)}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    assert.equal(r.status, 200, r.text);
    out.push(...r.json.items);
    cursor = r.json.next_cursor;
  } while (cursor);
  return out;
}

test('kill -9 of PostgreSQL, twice: back by itself within 2 s, no acknowledged task lost, none doubled', async () => {
  const ids = [];
  const load = f.load(150, 6, mixed(ids, `pg${seed}`));
  for (let k = 0; k < 2; k++) {
    await sleep(1200);
    const pid = await f.pid('postgres');
    const began = Date.now();
    f.kill(pid);
    for (;;) {
      const r = await f.call('POST', '/v1/tasks', { body: { title: 'is it back' } }).catch(() => ({ status: 0 }));
      if (r.status === 201) break;
      assert.ok(Date.now() - began < 5000, 'PostgreSQL is back');
      await sleep(20);
    }
    console.log(`# measured writes again ${Date.now() - began} ms after kill -9 of PostgreSQL`);
  }
  const results = await load;
  const bad = failures(results);
  for (const b of bad) assert.equal(b.status, 503, JSON.stringify(b));
  const made = results.filter((r) => r.status === 201).map((r) => r.json.id);
  const there = await allTasks(`seed=pg${seed}`);
  const thereIds = new Set(there.map((t) => t.id));
  for (const id of made) assert.ok(thereIds.has(id), `acknowledged ${id}`);
  const titles = there.map((t) => t.title);
  assert.equal(new Set(titles).size, titles.length, 'none doubled');
  console.log(`# measured ${made.length} acknowledged, ${there.length} there, ${bad.length} of ${results.length} refused with 503`);
});

test('a planned restart of PostgreSQL fails no request while it takes less than a second', async () => {
  const { id } = (await f.call('POST', '/v1/tasks', { body: { title: 'there' } })).json;
  const load = f.load(100, 4, (i) => (i % 2 ? ['GET', `/v1/tasks/${id}`, {}] : ['POST', '/v1/tasks', { body: { title: `planned ${i}` } }]));
  await sleep(300);
  const began = performance.now();
  const r = await f.call('POST', '/v1/fleet/postgres:restart');
  const took = performance.now() - began;
  assert.equal(r.status, 202, r.text);
  const bad = failures(await load);
  console.log(`# measured ${bad.length} requests failed in a planned restart of PostgreSQL of ${Math.round(took)} ms`);
  if (took < 1000) assert.deepEqual(bad, []);
  for (const b of bad) assert.equal(b.status, 503, JSON.stringify(b));
});

test('kill -9 of a PostgreSQL that was adopted: the next one starts at once, whoever reaps the old one', async () => {
  const before = await f.nodes();
  f.kill(before.guard.pid);
  f.kill(before.supervisor.pid);
  await until(() => !alive(before.guard.pid) && !alive(before.supervisor.pid), 'both are gone');
  f.up();
  await f.back('guard', before.guard.pid);
  const pid = await f.pid('postgres');
  assert.equal(pid, before.postgres.pid, 'adopted');
  f.kill(pid);
  await f.back('postgres', pid);
  assert.doesNotMatch(readFileSync(path.join(f.var, 'log/postgres.log'), 'utf8'), /lock file .* already exists/);
});

test('SIGSTOP of PostgreSQL: it is replaced, what fails meanwhile is a clear 503, nothing acknowledged is lost', async () => {
  const ids = [];
  const pid = await f.pid('postgres');
  const load = f.load(100, 7, mixed(ids, `stop${seed}`));
  await sleep(1000);
  const all = [pid, ...f.children(pid)];
  for (const p of all) f.signal(p, 'SIGSTOP');
  const results = await load;
  await f.back('postgres', pid);
  const bad = failures(results);
  for (const b of bad) {
    assert.equal(b.status, 503, JSON.stringify(b));
    assert.match(b.code, /^(STORE_DOWN|OUTCOME_UNKNOWN)$/, JSON.stringify(b));
  }
  await until(async () => (await f.call('POST', '/v1/tasks', { body: { title: 'goes on' } })).status === 201, 'writes again');
  const there = new Set((await allTasks(`seed=stop${seed}`)).map((t) => t.id));
  for (const r of results) if (r.status === 201) assert.ok(there.has(r.json.id), `acknowledged ${r.json.id}`);
  console.log(`# measured ${bad.length} of ${results.length} refused, ${bad.filter((b) => b.ms < 500).length} of them in under 500 ms`);
});

for (const [store, agent] of [['redis-docs', 'nosql'], ['redis-cache', 'cache']]) {
  test(`kill -9 of ${store}: no request of a client fails, and it is back`, async () => {
    const ids = [];
    for (let i = 0; i < 5; i++) ids.push((await f.call('POST', '/v1/tasks', { body: { title: `r ${i}` } })).json.id);
    const pid = await f.pid(store), { generation } = (await f.nodes())[agent];
    const load = f.load(100, 3, mixed(ids, `${store}${seed}`));
    await sleep(600);
    f.kill(pid);
    const ms = await f.back(store, pid, 5000);
    assert.deepEqual(failures(await load), []);
    assert.ok(ms < 2000, `${ms} ms`);
    const r = await f.call('POST', '/v1/requests', { body: { task_id: `${store}-${seed}`, requirements: { database: { operation: 'read', model: 'task', id: ids[0], consistency: 'eventual' }, auth: { require_permission: 'task.read' } } } });
    assert.equal(r.json.success, true, r.text);
    assert.equal((await f.nodes())[agent].generation, generation, `${agent} lived on`);
  });
}

test('a raw update repeated after its answer was lost has one effect', async () => {
  const t = (await f.call('POST', '/v1/tasks', { body: { title: 'once' } })).json;
  const body = { task_id: `once-${seed}`, requirements: { database: { operation: 'update', model: 'task', id: t.id, data: { title: 'twice' } }, auth: { require_permission: 'task.update' } } };
  const one = await f.call('POST', '/v1/requests', { body });
  const pid = await f.pid('meta');
  f.kill(pid);                      // forgets what it answered
  await f.back('meta', pid);
  const two = await f.call('POST', '/v1/requests', { body });
  assert.equal(one.json.success && two.json.success, true, two.text);
  assert.equal((await f.call('GET', `/v1/tasks/${t.id}`)).json.version, 2);
});

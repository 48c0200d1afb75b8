// How old an answer may be: consistency, sessions and ages over REST, GraphQL and the command line.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet } from '../harness/fleet.mjs';

let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const create = async (title) => {
  const r = await f.call('POST', '/v1/tasks', { body: { title } });
  assert.equal(r.status, 201, r.text);
  return r;
};
const get = async (path, headers) => {
  const r = await f.call('GET', path, { headers });
  assert.equal(r.status, 200, r.text);
  return r;
};
const age = (r) => Number(r.headers['metafed-age'] ?? 0);
// Until it comes from the cache: a list is kept once its namespace is quiet.
async function cached(path) {
  for (let i = 0; i < 200; i++) {
    const r = await get(path);
    if (age(r) > 0) return r;
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.fail(`${path} never came from the cache`);
}

test('a read that may be old says how old it is, a strong one is not', async () => {
  const { json: { id } } = await create('one');
  const r = await cached(`/v1/tasks/${id}?consistency=eventual`);
  assert.equal(r.json.title, 'one');
  assert.equal(r.headers['age'], String(Math.floor((age(r) - 1) / 1000)));
  assert.equal(age(await get(`/v1/tasks/${id}`)), 0);
  assert.equal(age(await get(`/v1/tasks/${id}?consistency=strong`)), 0);
  await new Promise((done) => setTimeout(done, 30));
  assert.ok(age(await get(`/v1/tasks/${id}?consistency=bounded&max_age_ms=20`)) <= 20);
});

test('a write is seen by whatever reads after it', async () => {
  const { json: { id } } = await create('0');
  for (let i = 1; i < 10; i++) {
    await cached(`/v1/tasks/${id}?consistency=eventual`);
    const w = await f.call('PATCH', `/v1/tasks/${id}`, { body: { title: String(i) } });
    assert.equal(w.status, 200, w.text);
    assert.equal((await get(`/v1/tasks/${id}?consistency=eventual`)).json.title, String(i));
  }
});

test('a list that may be old shows every acknowledged write, too', async () => {
  await create('listed');
  const path = '/v1/tasks?consistency=eventual&limit=1000';
  const before_ = (await cached(path)).json.items.length;
  const { json: { id } } = await create('more');
  assert.equal((await get(path)).json.items.length, before_ + 1);
  await cached(path);
  assert.equal((await f.call('DELETE', `/v1/tasks/${id}`)).status, 204);
  assert.equal((await get(path)).json.items.length, before_);
});

test('a session sees nothing from before it', async () => {
  const { json: { id } } = await create('seen');
  await cached(`/v1/tasks/${id}?consistency=eventual`);
  const w = await create('mine');
  const session = w.headers['metafed-session'];
  assert.ok(session);
  const r = await get(`/v1/tasks/${id}?consistency=eventual`, { 'metafed-session': session });
  assert.equal(age(r), 0);
  assert.ok(r.headers['metafed-session']);
  const bad = await f.call('GET', `/v1/tasks/${id}`, { headers: { 'metafed-session': 'never said' } });
  assert.equal(bad.status, 422, bad.text);
});

test('what is no consistency is refused', async () => {
  for (const q of ['consistency=sometimes', 'consistency=bounded', 'consistency=bounded&max_age_ms=0', 'consistency=bounded&max_age_ms=x'])
    assert.equal((await f.call('GET', `/v1/tasks?${q}`)).status, 422, q);
  assert.equal((await f.call('GET', '/v1/users?consistency=eventual')).status, 422);
});

test('GraphQL says the same in the same headers', async () => {
  const gql = (query, headers) => f.call('POST', '/graphql', { body: { query }, headers });
  const w = await gql('mutation { createTask(input: { title: "g" }) { taskId } }');
  const id = w.json.data.createTask.taskId, session = w.headers['metafed-session'];
  assert.ok(session);
  const read = `{ task(id: "${id}", consistency: EVENTUAL) { title } }`;
  let r;
  for (let i = 0; i < 100 && (r === undefined || age(r) === 0); i++) r = await gql(read);
  assert.ok(age(r) > 0);
  const later = (await gql('mutation { createTask(input: { title: "h" }) { taskId } }')).headers['metafed-session'];
  assert.equal(age(await gql(read, { 'metafed-session': later })), 0);
  assert.equal((await gql(`{ task(id: "0199f0c0-1234-7abc-8def-0123456789ab", consistency: EVENTUAL) { title } }`)).json.data.task, null);
});

test('a request may ask for the plan instead', async () => {
  const ask = (database) => f.call('POST', '/v1/requests', { body: { task_id: crypto.randomUUID(), requirements: { database: { ...database, explain: true } } } });
  const r = await ask({ operation: 'query', model: 'task', consistency: 'eventual', limit: 7 });
  assert.equal(r.status, 200, r.text);
  const plan = r.json.result;
  assert.equal(plan.store, 'postgresql');
  assert.equal(plan.agent, 'sql');
  assert.deepEqual(plan.consistency.read_from, ['primary', 'replica', 'cache']);
  assert.equal(plan.pushed_down.limit, 7);
  assert.ok(plan.statement, r.text);
});

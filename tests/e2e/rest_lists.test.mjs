// Lists over HTTP: sorted pages that stay right while rows change, bounds of times, sparse fields, filters of every collection.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet } from '../harness/fleet.mjs';

let f;
const PRIORITIES = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'];
const made = [];
before(async () => {
  f = await Fleet.start();
  for (let i = 0; i < 60; i++) {
    const r = await f.call('POST', '/v1/tasks', { body: { title: `t${i}`, priority: PRIORITIES[(i * 7) % 4], type: `type${i % 3}`, labels: ['lists'] } });
    assert.equal(r.status, 201, r.text);
    made.push(r.json);
  }
});
after(async () => { await f?.stop(); });

const get = async (p) => { const r = await f.call('GET', p); assert.equal(r.status, 200, r.text); return r.json; };
async function pages(query, limit = 7, between = async () => {}) {
  const all = [];
  for (let cursor = ''; ;) {
    const page = await get(`/v1/tasks?label=lists&limit=${limit}&${query}${cursor}`);
    all.push(...page.items);
    if (page.next_cursor === null) return all;
    cursor = `&cursor=${page.next_cursor}`;
    await between();
  }
}
const compare = (keys) => (a, b) => {
  let way = 1;
  for (const key of keys.split(',')) {
    way = key[0] === '-' ? -1 : 1;
    const value = (t) => (key.endsWith('priority') ? PRIORITIES.indexOf(t.priority) : t[key.replace('-', '')]);
    if (value(a) !== value(b)) return (value(a) < value(b) ? -1 : 1) * way;
  }
  return (a.id < b.id ? -1 : 1) * way;
};

for (const sort of ['created_at', '-created_at', 'priority', '-priority,created_at', 'type,-priority', '-type,-priority,-updated_at', 'state,type'])
  test(`sort=${sort} gives each task once, in that order, over all pages`, async () => {
    const all = await pages(`sort=${sort}`);
    assert.deepEqual(all.map((t) => t.title), [...made].sort(compare(sort)).map((t) => t.title));
  });

test('pages stay right while rows are deleted and created', async () => {
  const extra = [];
  for (let i = 0; i < 20; i++) extra.push((await f.call('POST', '/v1/tasks', { body: { title: `extra${i}`, priority: 'HIGH', labels: ['lists'] } })).json.id);
  const all = await pages('sort=-priority,created_at', 9, async () => {
    await f.call('DELETE', `/v1/tasks/${extra.pop()}`);
    extra.unshift((await f.call('POST', '/v1/tasks', { body: { title: `late${extra.length}`, priority: 'LOW', labels: ['lists'] } })).json.id);
  });
  assert.equal(new Set(all.map((t) => t.id)).size, all.length);
  for (const t of made) assert.ok(all.some((x) => x.id === t.id), t.title);
  for (const id of extra) await f.call('DELETE', `/v1/tasks/${id}`);
});

test('a cursor is of its query: another sort, filter or bound refuses it, and so does a made-up one', async () => {
  const { next_cursor: cursor } = await get('/v1/tasks?label=lists&limit=5&sort=priority');
  for (const q of [`sort=-priority&cursor=${cursor}`, `cursor=${cursor}`, `sort=priority&state=QUEUED&cursor=${cursor}`, 'sort=priority&cursor=AAAA'])
    assert.equal((await f.call('GET', `/v1/tasks?label=lists&${q}`)).status, 422, q);
  for (let i = 0; i < cursor.length; i += 3) {
    const forged = cursor.slice(0, i) + (cursor[i] === 'A' ? 'B' : 'A') + cursor.slice(i + 1);
    const { status } = await f.call('GET', `/v1/tasks?label=lists&limit=5&sort=priority&cursor=${forged}`);
    assert.ok(status === 422 || status === 200, `${status}`);
  }
});

test('bounds of times leave their own moment out', async () => {
  const at = made[30].created_at;
  assert.equal((await pages(`created_after=${at}`)).length, 29);
  assert.equal((await pages(`created_before=${at}&sort=-created_at`)).length, 30);
  assert.equal((await pages(`created_after=${made[9].created_at}&updated_before=${made[20].created_at}`)).length, 10);
  const bad = await f.call('GET', '/v1/tasks?created_after=yesterday');
  assert.equal(bad.status, 422);
  assert.deepEqual(bad.json.errors.map((e) => e.parameter), ['created_after']);
});

test('users and roles are sorted and bounded too', async () => {
  for (const username of ['carla', 'anna', 'berta']) await f.call('POST', '/v1/users', { body: { username, password: 'correct horse battery' } });
  const names = (await get('/v1/users?sort=username&limit=2')).items.map((u) => u.username);
  assert.deepEqual(names, ['admin', 'anna']);
  const { next_cursor } = await get('/v1/users?sort=username&limit=2');
  assert.deepEqual((await get(`/v1/users?sort=username&limit=2&cursor=${next_cursor}`)).items.map((u) => u.username), ['berta', 'carla']);
  assert.equal((await get(`/v1/users?created_after=${new Date(Date.now() + 60_000).toISOString()}`)).items.length, 0);
  assert.ok((await get('/v1/roles?sort=-created_at')).items.length > 2);
  assert.equal((await f.call('GET', '/v1/users?sort=password_hash')).status, 422);
});

test('the fleet is filtered too', async () => {
  // From now on api has two breakers towards each agent.
  const asked = await f.call('POST', '/v1/requests', { body: { task_id: 'two-ways', requirements: { api: { method: 'GET', endpoint: '/tasks' }, database: { operation: 'query', model: 'task', limit: 1 } } } });
  assert.equal(asked.status, 200, asked.text);
  const agents = await get('/v1/fleet?domain=database&level=2');
  assert.deepEqual(agents.nodes.map((n) => n.name).sort(), ['cache', 'nosql', 'sql']);
  assert.equal((await get('/v1/fleet?name=meta&state=READY')).nodes.length, 1);
  const { text } = await f.call('GET', '/v1/fleet');
  assert.equal(text.split('"mf.Rest -> rest"').length, 3, `once of api, once of meta, which exports traces by it: ${text}`);
  assert.equal((await get('/v1/fleet?name=api')).nodes[0].breakers['mf.Rest -> rest'], 'closed');
  for (const q of ['state=ready', 'level=3', 'name=a b', 'fields=id', 'sort=name']) assert.equal((await f.call('GET', `/v1/fleet?${q.replace(' ', '%20')}`)).status, 422, q);
});

test('fields keeps what was asked for, and the id', async () => {
  const page = await get('/v1/tasks?label=lists&limit=2&fields=title,state');
  for (const t of page.items) assert.deepEqual(Object.keys(t).sort(), ['id', 'state', 'title']);
  assert.ok(page.next_cursor);
  const one = await f.call('GET', `/v1/tasks/${made[0].id}?fields=version`);
  assert.deepEqual(one.json, { id: made[0].id, version: 1 });
  assert.equal(one.headers.etag, '"1"');
  assert.equal((await f.call('GET', `/v1/tasks/${made[0].id}?fields=version`, { headers: { 'if-none-match': '"1"' } })).status, 304);
  for (const q of ['fields=', 'fields=colour', 'fields=title,', 'fields=title&fields=state', 'sort=colour', 'sort=', 'colour=red'].map((x) => `/v1/tasks?${x}`).concat(`/v1/tasks/${made[0].id}?limit=1`, '/v1/users?fields=password_hash', '/v1/fleet?fields=id')) {
    const r = await f.call('GET', q);
    assert.equal(r.status, 422, q);
  }
});

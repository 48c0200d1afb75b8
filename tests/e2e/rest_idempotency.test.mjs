// Idempotency-Key over HTTP: done once, answered again; another body, a request under way and a bad key are refused.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Fleet, until } from '../harness/fleet.mjs';

let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const keyed = (method, p, key, body, more = {}) => f.call(method, p, { body, ...more, headers: { 'idempotency-key': key, ...more.headers } });
const fresh = () => `"${randomUUID()}"`;
const same = (again, first) => {
  assert.equal(again.status, first.status, again.text);
  assert.equal(again.text, first.text);
  for (const h of ['etag', 'location', 'content-type']) assert.equal(again.headers[h], first.headers[h]);
  assert.equal(first.headers['idempotency-replayed'], undefined);
  assert.equal(again.headers['idempotency-replayed'], 'true');
};
const count = async (label) => (await f.call('GET', `/v1/tasks?label=${label}`)).json.items.length;

test('the same request again gets the first answer, whatever the spacing and order of its body', async () => {
  const key = fresh();
  const first = await keyed('POST', '/v1/tasks', key, '{"title":"once","labels":["once"]}');
  assert.equal(first.status, 201, first.text);
  same(await keyed('POST', '/v1/tasks', key, '{ "labels": ["once"],  "title": "once" }'), first);
  assert.equal(await count('once'), 1);
  same(await keyed('POST', '/v1/tasks', `${key};v=1`, { title: 'once', labels: ['once'] }), first);
});

test('another body under the key is refused, and a refusal is answered again', async () => {
  const key = fresh();
  const wrong = await keyed('POST', '/v1/tasks', key, { title: '' });
  assert.equal(wrong.status, 422);
  same(await keyed('POST', '/v1/tasks', key, { title: '' }), wrong);
  const other = await keyed('POST', '/v1/tasks', key, { title: 'right' });
  assert.equal(other.status, 422);
  assert.equal(other.json.reason, 'IDEMPOTENCY_KEY_REUSED');
});

test('what is no string of a structured field is a bad request', async () => {
  for (const key of ['bare', '7', '""', '"open', '"a" b', `"${'k'.repeat(256)}"`, '"a";', '("a")', '"\\x"'])
    assert.equal((await keyed('POST', '/v1/tasks', key, { title: 'no' })).status, 400, key);
  assert.equal((await keyed('GET', '/v1/tasks', 'bare')).status, 200);
});

test('keys are of their principal', async () => {
  const key = fresh();
  await f.call('POST', '/v1/users', { body: { username: 'ina', password: 'correct horse battery', roles: ['user'] } });
  const token = (await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'ina', password: 'correct horse battery' } })).json.access_token;
  const mine = await keyed('POST', '/v1/tasks', key, { title: 'mine' });
  const hers = await keyed('POST', '/v1/tasks', key, { title: 'hers' }, { token });
  assert.equal(hers.status, 201, hers.text);
  assert.notEqual(mine.json.id, hers.json.id);
  assert.equal((await keyed('POST', '/v1/tasks', key, { title: 'mine' }, { token: null })).status, 401);
  assert.equal((await keyed('POST', '/v1/users', fresh(), { username: 'x' }, { token })).status, 403);
});

test('an answer is given again only to whom its permission has not been taken away since', async () => {
  await f.call('POST', '/v1/roles', { body: { id: 'maker', permissions: ['task.create', 'task.read'] } });
  await f.call('POST', '/v1/users', { body: { username: 'mia', password: 'correct horse battery', roles: ['maker'] } });
  const token = (await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'mia', password: 'correct horse battery' } })).json.access_token;
  const raw = { task_id: 'keyed', requirements: { database: { operation: 'create', model: 'task', data: { title: 'raw' } } } };
  const both = { task_id: 'keyed-both', requirements: { database: { operation: 'transaction', model: 'task', data: [{ operation: 'create', model: 'task', data: { title: 'one of one' } }] } } };
  const keys = [fresh(), fresh()], bodies = [raw, both];
  const ask = (i) => keyed('POST', '/v1/requests', keys[i], bodies[i], { token });
  for (const i of [0, 1]) {
    const first = await ask(i);
    assert.equal(first.status, 200, first.text);
    same(await ask(i), first);
  }
  assert.equal((await f.call('PATCH', '/v1/roles/maker', { body: { permissions: ['task.read'] } })).status, 200);
  await until(async () => (await f.call('POST', '/v1/tasks', { body: { title: 'no' }, token })).status === 403, 'the permission is gone');
  for (const i of [0, 1]) assert.equal((await ask(i)).status, 403);
});

test('a hundred at once of one key make one task: each is answered the same, or told to come again', async () => {
  const key = fresh();
  const all = await Promise.all(Array.from({ length: 100 }, () => keyed('POST', '/v1/tasks', key, { title: 'many', labels: ['many'] })));
  assert.ok(all.some((r) => r.status === 201));
  for (const r of all) {
    assert.ok(r.status === 201 || r.json.reason === 'IDEMPOTENCY_KEY_IN_USE', r.text);
    if (r.status === 409) assert.equal(r.headers['retry-after'], '1');
  }
  assert.equal(new Set(all.filter((r) => r.status === 201).map((r) => r.text)).size, 1);
  assert.equal(await count('many'), 1);
});

test('patches, deletes, bulks, users and raw requests have keys too', async () => {
  const { json: { id } } = await f.call('POST', '/v1/tasks', { body: { title: 'kept' } });
  let key = fresh();
  const patched = await keyed('PATCH', `/v1/tasks/${id}`, key, { priority: 'LOW' }, { headers: { 'if-match': '"1"' } });
  assert.equal(patched.headers.etag, '"2"', patched.text);
  same(await keyed('PATCH', `/v1/tasks/${id}`, key, { priority: 'LOW' }, { headers: { 'if-match': '"1"' } }), patched);
  assert.equal((await keyed('PATCH', `/v1/tasks/${id}`, key, { priority: 'LOW' })).status, 422);
  key = fresh();
  const gone = await keyed('DELETE', `/v1/tasks/${id}`, key);
  assert.equal(gone.status, 204);
  same(await keyed('DELETE', `/v1/tasks/${id}`, key), gone);
  key = fresh();
  const bulk = await keyed('POST', '/v1/tasks:bulk', key, { tasks: [{ title: 'a', labels: ['bulk'] }, {}] });
  assert.deepEqual(bulk.json.items.map((i) => i.status), [201, 422]);
  same(await keyed('POST', '/v1/tasks:bulk', key, { tasks: [{ title: 'a', labels: ['bulk'] }, {}] }), bulk);
  assert.equal(await count('bulk'), 1);
  key = fresh();
  const user = await keyed('POST', '/v1/users', key, { username: 'kim', password: 'correct horse battery' });
  assert.equal(user.status, 201, user.text);
  same(await keyed('POST', '/v1/users', key, { username: 'kim', password: 'correct horse battery' }), user);
  key = fresh();
  const request = { task_id: 't1', requirements: { database: { operation: 'create', model: 'task', data: { title: 'raw' } } } };
  const raw = await keyed('POST', '/v1/requests', key, request);
  assert.equal(raw.status, 200, raw.text);
  same(await keyed('POST', '/v1/requests', key, request), raw);
});

test('an answer too large to keep is made again, and nothing twice', async () => {
  const key = fresh();
  const tasks = Array.from({ length: 1000 }, (_, i) => ({ title: `t${i}`, labels: ['large'], description: 'x'.repeat(300) }));
  const first = await keyed('POST', '/v1/tasks:bulk', key, { tasks });
  const again = await keyed('POST', '/v1/tasks:bulk', key, { tasks });
  assert.equal(again.text, first.text);
  assert.equal((await f.call('GET', '/v1/tasks?label=large&limit=1000')).json.items.length, 1000);
});

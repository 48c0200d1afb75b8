// What database makes of an operation: members of a bulk in both stores, and plans that are shown instead of being run.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Fleet } from '../harness/fleet.mjs';

let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const ask = (database) => f.call('POST', '/v1/requests', { body: { task_id: randomUUID(), requirements: { database } } });
const done = async (database) => {
  const r = await ask(database);
  assert.equal(r.status, 200, r.text);
  return r.json.result;
};
const read = (model, id) => ask({ operation: 'read', model, id });

test('members of a bulk go each to its store, and each has its own outcome, in order', async () => {
  const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()];
  const { items } = await done({ operation: 'bulk', data: [
    { operation: 'create', model: 'task', id: a, data: { title: 'in PostgreSQL' } },
    { operation: 'create', model: 'doc.notes', id: b, data: { text: 'in Redis' } },
    { operation: 'update', model: 'task', id: c, data: { title: 'not there' } },
    { operation: 'update', model: 'task', id: a, data: { title: 'after the first' } },
  ] });
  assert.equal(items.length, 4);
  assert.equal(items[0].version, 1);
  assert.equal(items[1].version, 1);
  assert.equal(items[2].problem.code, 'NOT_FOUND');
  assert.equal(items[3].data.title, 'after the first');
  assert.equal((await read('task', a)).json.result.title, 'after the first');
  assert.equal((await read('doc.notes', b)).json.result.data.text, 'in Redis');
});

test('a plan says where, from what, and what it makes old; nothing is run', async () => {
  const id = randomUUID();
  const create = await done({ operation: 'create', model: 'task', id, data: { title: 'x' }, explain: true });
  assert.deepEqual([create.operation, create.store, create.agent, create.stand_in], ['create', 'postgresql', 'sql', 'nosql']);
  assert.deepEqual(create.cache.makes_old, ['lists', 'absent']);
  assert.ok(create.statement);
  assert.equal((await read('task', id)).status, 404);

  const doc = await done({ operation: 'create', model: 'doc.notes', id, data: { text: 'x' }, explain: true });
  assert.deepEqual([doc.store, doc.agent, doc.stand_in], ['redis', 'nosql', null]);
  assert.equal((await read('doc.notes', id)).status, 404);

  const one = await done({ operation: 'read', model: 'task', id, consistency: 'bounded', max_age_ms: 500, explain: true });
  assert.deepEqual(one.consistency, { level: 'bounded', means: 'at most max_age_ms old', max_age_ms: 500, read_from: ['primary', 'replica', 'cache'] });
  assert.ok(one.cache.used && one.cache.key && one.cache.ttl_ms > one.cache.soft_ms);
  const strong = await done({ operation: 'read', model: 'task', id, explain: true });
  assert.deepEqual([strong.cache.used, strong.cache.because], [false, 'consistency']);
  assert.equal((await done({ operation: 'read', model: 'user', id, consistency: 'eventual', explain: true })).cache.because, 'model');

  const both = await done({ operation: 'transaction', explain: true, data: [
    { operation: 'create', model: 'task', id, data: { title: 'x' } }, { operation: 'create', model: 'doc.notes', id, data: { text: 'x' } }] });
  assert.equal(both.store, 'both');
  assert.deepEqual(both.members.map((m) => m.store), ['postgresql', 'redis']);
  assert.equal((await read('task', id)).status, 404);
});

test('nothing that is explained is run, whatever the operation and the model', async () => {
  const task = (await f.call('POST', '/v1/tasks', { body: { title: 'stays' } })).json.id, doc = randomUUID(), upload = randomUUID();
  const blob = (await f.call('POST', '/v1/blobs', { body: Buffer.from('stays'), headers: { 'content-type': 'text/plain' } })).json.id;
  await done({ operation: 'create', model: 'doc.kept', id: doc, data: { text: 'stays' } });
  await done({ operation: 'create', model: 'blob', id: upload, data: { length: 10 } });
  await done({ operation: 'append', model: 'stream.kept', data: { n: 1 } });
  const ids = { task, 'doc.kept': doc, blob, stream: '', role: 'admin' };
  const rows = `select table_name, md5(query_to_xml(format('select * from %I' || case table_name when 'operations' then ' where op_id not in (select left(op_id, 36) from operations where model = ''audit'') and model <> ''audit''' else '' end || ' order by 1', table_name), true, true, '')::text) from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE' and table_name not in ('sessions', 'revocations', 'idempotency', 'audit') and table_name !~ '^traces' order by 1`;
  const seen = async () => JSON.stringify([f.sql(rows), (await read('doc.kept', doc)).json.result, (await ask({ operation: 'query', model: 'doc.kept' })).json.result,
    (await ask({ operation: 'query', model: 'collection' })).json.result, (await ask({ operation: 'query', model: 'stream.kept' })).json.result]);
  const data = { task: { title: 'x' }, 'doc.kept': { text: 'x' }, 'doc.none': { text: 'x' }, collection: {}, 'stream.kept': { n: 2 }, 'consumer.kept': {}, blob: { length: 5 }, user: { username: 'x' }, role: { permissions: [] },
    backup: {}, restore: {}, migration: {}, group: { roles: [] }, grant: { subject_kind: 'everyone', subject: '*', permissions: ['task.read'] }, policy: { yaml: 'roles: {}' },
    client: { name: 'x' }, provider: { name: 'x', issuer: 'https://x.example', client_id: 'x' }, api_key: { name: 'x' }, signing_key: {}, session: {}, factor: {}, consent: {}, identity: {},
    'my.api_key': { name: 'x' }, 'my.factor': { kind: 'totp' }, 'my.session': {}, 'my.password': { current: f.admin().password, password: 'another pass phrase' } };
  const before = await seen();
  assert.match(before, /stays/);
  assert.ok(JSON.parse(before)[0].length > 10);
  for (const [model, d] of Object.entries(data))
    for (const operation of ['create', 'read', 'update', 'delete', 'query', 'bulk_create', 'append', 'trim'])
      for (const id of new Set([randomUUID(), ids[model] ?? 'kept', upload])) {
        const r = await ask({ operation, model, id: ['query', 'bulk_create'].includes(operation) ? undefined : id, data: operation === 'bulk_create' ? [{ id, ...d }] : ['read', 'delete', 'query'].includes(operation) ? undefined : d, explain: true });
        assert.ok(r.status < 500 || r.status === 501, `${operation} ${model}: ${r.text}`);
        if (r.status === 200) assert.equal(r.json.result?.operation, operation, `${operation} ${model} was run: ${r.text}`);
      }
  for (const operation of ['bulk', 'transaction'])
    for (const models of [['task'], ['doc.kept'], ['task', 'doc.kept'], ['blob'], ['collection'], ['stream.kept']])
      for (const member of ['create', 'update', 'delete'])
        await ask({ operation, data: models.map((model) => ({ operation: member, model, id: member === 'create' ? randomUUID() : ids[model] ?? 'kept', data: member === 'delete' ? undefined : data[model] })), explain: true });
  assert.equal(await seen(), before);
});

test('who may read tasks may not see plans', async () => {
  await f.call('POST', '/v1/users', { body: { username: 'vera', password: 'correct horse battery', roles: ['viewer'] } });
  const { json: { access_token: token } } = await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'vera', password: 'correct horse battery' } });
  const q = (explain) => f.call('POST', '/v1/requests', { token, body: { task_id: randomUUID(), requirements: { database: { operation: 'query', model: 'task', explain } } } });
  assert.equal((await q(false)).status, 200);
  assert.equal((await q(true)).status, 403);
});

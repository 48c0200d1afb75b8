// Event streams through the front door: POST /v1/requests and the command line.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { closeSync, openSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { BIN, Fleet } from '../harness/fleet.mjs';

let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const ask = async (database, task_id = randomUUID()) => {
  const r = await f.call('POST', '/v1/requests', { body: { task_id, requirements: { database } } });
  return { http: r.status, ...r.json };
};
const ok = async (database, id) => {
  const r = await ask(database, id);
  assert.ok(r.success, JSON.stringify(r));
  return r.result;
};

test('events go in, come out in order, and the same request again appends nothing', async () => {
  const id = randomUUID();
  assert.deepEqual(await ok({ operation: 'append', model: 'stream.orders', data: ['a', { n: 1 }] }, id), { first: 1, last: 2 });
  assert.deepEqual(await ok({ operation: 'append', model: 'stream.orders', data: ['a', { n: 1 }] }, id), { first: 1, last: 2 });
  await ok({ operation: 'append', model: 'stream.orders', data: 3 });
  const page = await ok({ operation: 'query', model: 'stream.orders', limit: 2 });
  assert.deepEqual(page.items.map((e) => [e.position, e.data]), [[1, 'a'], [2, { n: 1 }]]);
  assert.ok(Math.abs(Date.parse(page.items[0].at) - Date.now()) < 60_000);
  const next = await ok({ operation: 'query', model: 'stream.orders', cursor: page.next_cursor });
  assert.deepEqual(next.items.map((e) => e.data), [3]);
  assert.equal(next.next_cursor, null);
});

test('64 writers at once get positions without gap or double, in an order that all readers see', async () => {
  const answers = await Promise.all(Array.from({ length: 64 }, (_, i) => ok({ operation: 'append', model: 'stream.race', data: [i, i] })));
  assert.deepEqual(answers.map((a) => a.first).sort((a, b) => a - b), Array.from({ length: 64 }, (_, i) => 2 * i + 1));
  const { items } = await ok({ operation: 'query', model: 'stream.race', limit: 1000 });
  for (const [i, a] of answers.entries()) assert.deepEqual([items[a.first - 1].data, items[a.last - 1].data], [i, i]);
});

test('a trim stops at the slowest consumer, and who was passed by force is told of the gap', async () => {
  await ok({ operation: 'append', model: 'stream.trim', data: [1, 2, 3, 4, 5] });
  await ok({ operation: 'create', model: 'consumer.trim', id: 'slow', data: { start: 'first' } });
  assert.equal((await ok({ operation: 'trim', model: 'stream.trim', filters: { keep: 1 } })).held_by, 'slow');
  await ok({ operation: 'update', model: 'consumer.trim', id: 'slow', data: { position: 2 } });
  assert.equal((await ok({ operation: 'trim', model: 'stream.trim', filters: { keep: 1 } })).first, 3);
  assert.equal((await ok({ operation: 'trim', model: 'stream.trim', filters: { keep: 1, force: 'true' } })).first, 5);
  const page = await ok({ operation: 'query', model: 'stream.trim', filters: { consumer: 'slow' } });
  assert.equal(page.gap, true);
  assert.deepEqual(page.items.map((e) => e.position), [5]);
  const back = await ask({ operation: 'update', model: 'consumer.trim', id: 'slow', data: { position: 1 } });
  assert.deepEqual([back.http, back.reason], [409, 'BACKWARDS']);
});

test('nothing of an append reaches a reader without the permission', async () => {
  const r = await f.call('POST', '/v1/requests', { token: null, body: { task_id: randomUUID(), requirements: { database: { operation: 'query', model: 'stream.orders' } } } });
  assert.equal(r.status, 401, r.text);
  assert.equal(r.json.response?.result ?? null, null);
});

test('the command line appends, reads, follows and trims', () => {
  const cli = (...args) => f.cli(...args);
  const lines = (r) => { assert.equal(r.status, 0, r.stderr); return r.stdout.trim().split('\n').filter(Boolean); };
  lines(cli('stream', 'append', 'shop', '{"sold":1}', 'words', '[1,2]'));
  assert.equal(cli('stream', 'append', 'shop', '4', '--if-last', '9').status, 5);
  lines(cli('stream', 'append', 'shop', '4', '--if-last', '3'));
  assert.deepEqual(lines(cli('--json', 'stream', 'read', 'shop')).map((l) => JSON.parse(l).data), [{ sold: 1 }, 'words', [1, 2], 4]);
  assert.deepEqual(lines(cli('--json', 'stream', 'read', 'shop', '--reverse', '--limit', '1', '--all')).map((l) => JSON.parse(l).position), [4, 3, 2, 1]);
  lines(cli('stream', 'consumer', 'shop', 'add', 'billing', 'first'));
  const full = openSync('/dev/full', 'w'); // what could not be written was not read by anybody
  const lost = spawnSync(path.join(BIN, 'metafed'), ['--var', f.var, 'stream', 'follow', 'shop', '--consumer', 'billing', '--until-end'],
    { env: { ...process.env, METAFED_TOKEN_FILE: path.join(f.dir, 'token') }, stdio: ['ignore', full, 'pipe'] });
  closeSync(full);
  assert.equal(lost.status, 1, String(lost.stderr));
  assert.match(String(lost.stderr), /standard output: No space left/);
  assert.equal(lines(cli('stream', 'follow', 'shop', '--consumer', 'billing', '--until-end')).length, 4);
  assert.equal(lines(cli('stream', 'follow', 'shop', '--consumer', 'billing', '--until-end')).length, 0);
  assert.match(cli('stream', 'consumer', 'shop', 'list').stdout, /billing +4 +0 +false/);
  assert.equal(JSON.parse(cli('--json', 'stream', 'trim', 'shop', '--keep', '1').stdout).first, 4);
  assert.equal(cli('stream', 'show', 'nothing').status, 4);
  assert.equal(cli('stream', 'rm', 'shop').status, 5);
  assert.equal(cli('stream', 'rm', 'shop', '--force').status, 0);
});

test('a permission is needed to append, another to read', async () => {
  const role = await f.call('POST', '/v1/roles', { body: { id: 'stream_reader', permissions: ['stream.read'] } });
  assert.equal(role.status, 201, role.text);
  const r = await f.call('POST', '/v1/users', { body: { username: 'looker', password: 'only looks at it 1', roles: ['stream_reader'] } });
  assert.equal(r.status, 201, r.text);
  const login = await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'looker', password: 'only looks at it 1' } });
  const as = (database) => f.call('POST', '/v1/requests', { token: login.json.access_token, body: { task_id: randomUUID(), requirements: { database } } });
  const append = await as({ operation: 'append', model: 'stream.orders', data: 1 });
  assert.equal(append.status, 403, append.text);
  const query = await as({ operation: 'query', model: 'stream.orders' });
  assert.equal(query.status, 200, query.text);
});

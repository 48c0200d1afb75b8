// Bulk creates over HTTP: an object, an array, lines; each member has its own answer, in order.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet } from '../harness/fleet.mjs';

let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const ID = '0199f0c0-1234-7abc-8def-0123456789ab';
const lines = (text, headers = {}) => f.call('POST', '/v1/tasks:bulk', { body: text, headers: { 'content-type': 'application/x-ndjson', ...headers } });
const items = (r) => r.text.trimEnd().split('\n').map((l) => JSON.parse(l));

test('an array alone is answered as an object, with places in the array', async () => {
  const r = await f.call('POST', '/v1/tasks:bulk', { body: [{ title: 'a' }, { title: '' }, 7] });
  assert.equal(r.status, 200, r.text);
  assert.deepEqual(r.json.items.map((i) => i.status), [201, 422, 422]);
  assert.deepEqual(r.json.items.slice(1).map((i) => i.error.errors[0].pointer), ['#/1/title', '#/2']);
  assert.equal((await f.call('GET', `/v1/tasks/${r.json.items[0].task.id}`)).json.title, 'a');
});

test('lines are answered in lines, in order; a bad one hinders no other', async () => {
  const r = await lines(`{"title":"one"}\r\n\n{"title":\n{"id":"${ID}","title":"three"}\n[]\n{"title":"","priority":9}\n{"title":"last"}`, { accept: 'application/x-ndjson' });
  assert.equal(r.status, 200, r.text);
  assert.equal(r.headers['content-type'], 'application/x-ndjson');
  assert.ok(r.text.endsWith('\n'));
  const all = items(r);
  assert.deepEqual(all.map((i) => i.status), [201, 400, 201, 422, 422, 201]);
  assert.equal(all[1].error.reason, 'BAD_JSON');
  assert.equal(all[2].task.id, ID);
  assert.deepEqual(all[4].error.errors.map((e) => e.pointer).sort(), ['#/priority', '#/title']);
  assert.deepEqual((await lines(`{"id":"${ID}","title":"three"}\n{"id":"${ID}","title":"other"}\n`).then(items)).map((i) => i.status), [200, 409]);
});

test('a thousand lines are taken, one more and none are refused, and whole refusals are problems', async () => {
  const many = (n) => Array.from({ length: n }, (_, i) => `{"title":"line ${i}"}\n`).join('');
  const all = items(await lines(many(1000)));
  assert.equal(all.length, 1000);
  all.forEach((i, k) => assert.equal(i.task?.title, `line ${k}`));
  for (const bad of [many(1001), '\n\n']) {
    const r = await lines(bad);
    assert.equal(r.status, 422, r.text);
    assert.equal(r.headers['content-type'], 'application/problem+json');
  }
  assert.equal((await f.call('POST', '/v1/tasks', { body: '{"title":"x"}', headers: { 'content-type': 'application/x-ndjson' } })).status, 415);
  assert.equal((await f.call('POST', '/v1/tasks:bulk', { body: [] })).status, 422);
});

// Large values at each step of an effect: sql is killed there, and still what was put is what comes back, once.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import { Fleet } from '../harness/fleet.mjs';
import { CONF, allSteps } from '../harness/steps.mjs';

let f;
before(async () => { f = await Fleet.start({ conf: CONF }); });
after(async () => { await f?.stop(); });

const idOf = (b) => `sha256:${createHash('sha256').update(b).digest('hex')}`;

// Of unknown length, so that the end is a step of its own.
const put = (body) => new Promise((resolve, reject) => {
  const q = http.request({ host: '127.0.0.1', port: f.port, agent: false, method: 'POST', path: '/v1/blobs', headers: { authorization: `Bearer ${f.token}`, 'transfer-encoding': 'chunked' } }, async (r) => {
    let text = '';
    for await (const c of r) text += c;
    resolve({ status: r.statusCode, text, json: JSON.parse(text) });
  });
  q.on('error', reject);
  for (let at = 0; at < body.length; at += 100_000) q.write(body.subarray(at, at + 100_000));
  q.end();
});
const get = async (id) => {
  const r = await fetch(`${f.url}/v1/blobs/${id}`, { headers: { authorization: `Bearer ${f.token}` } });
  return Buffer.from(await r.arrayBuffer());
};

async function putLarge(step) {
  const body = randomBytes(700_000);
  if (step.includes('.spill.')) {
    const text = body.toString('hex').slice(0, 400_000);
    const r = await f.call('POST', '/v1/tasks', { body: { title: 'large', payload: { text } } });
    assert.equal(r.status, 201, r.text);
    assert.equal(JSON.parse(await get(r.json.payload.$blob.id)).text, text);
    return;
  }
  const r = await put(body);
  assert.equal(r.status, 201, r.text);
  assert.equal(r.json.id, idOf(body));
  assert.ok((await get(r.json.id)).equals(body));
  const listed = (await f.call('GET', '/v1/blobs?limit=1000')).json.items.filter((b) => b.id === r.json.id);
  assert.equal(listed.length, 1);
}

for (const { node, step } of allSteps().filter(({ step }) => /^sql\.(blob|spill)\./.test(step))) {
  test(`kill -9 at ${step}: what was put is there, once`, async () => {
    const pid = await f.pid(node);
    await f.faults(node, `@${step}: kill`);
    // Right after the death before, its stand-in may have the first ones.
    for (let i = 0; i < 20 && await f.pid(node) === pid; i++) await putLarge(step);
    await f.back(node, pid);      // it was reached
  });
}

// One action on all tasks that match, while the agent that does it dies in the middle: another one goes on, and every task is
// changed once.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, alive, until } from '../harness/fleet.mjs';
import { CONF, allSteps } from '../harness/steps.mjs';

const N = 60;
let f;
before(async () => { f = await Fleet.start({ conf: CONF }); });
after(async () => { await f?.stop(); });

const filter = { label: ['apply=yes'] };
const all = async () => (await f.call('GET', '/v1/tasks?label=apply=yes&limit=200')).json.items;

for (const { step } of allSteps().filter((s) => s.step.startsWith('rest.apply.'))) {
  test(`rest is killed at ${step}: every task is changed, and once`, async () => {
    const tasks = Array.from({ length: N }, (_, i) => ({ title: `t${i}`, labels: { apply: 'yes' } }));
    assert.equal((await f.call('POST', '/v1/tasks:bulk', { body: { tasks } })).status, 200);
    const pid = await f.pid('rest');
    await f.faults('rest', `@${step}: kill=20`);
    const body = { filter, action: 'update', changes: { priority: 'HIGH' }, expected: N };
    const headers = { 'idempotency-key': '"apply-once"' };
    let r;
    await until(async () => (r = await f.call('POST', '/v1/tasks:apply', { body, headers })).status !== 503, 'it is answered');
    assert.equal(r.status, 200, r.text);
    assert.ok(!alive(pid), 'it died on the way');
    assert.deepEqual(r.json.failed, []);
    assert.equal(r.json.more, false, r.text);
    const items = await all();
    assert.equal(items.length, N);
    for (const t of items) assert.deepEqual([t.version, t.priority], [2, 'HIGH'], JSON.stringify(t));
    const again = await f.call('POST', '/v1/tasks:apply', { body, headers });
    assert.equal(again.status, 200, again.text);
    assert.deepEqual((await all()).map((t) => t.version), items.map(() => 2));
  });
}

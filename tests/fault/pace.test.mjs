// An agent that lives and answers, only late: within a second its requests go to a stand-in, and they come back when it is well.
// Alone: what is late is told by what is usual.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, failures, until } from '../harness/fleet.mjs';

let f, n = 0;
before(async () => { f = await Fleet.start({ conf: '[api]\naccess_log = all\n' }); });
after(async () => { await f?.stop(); });

// As load, each result with the agent that answered: the access log knows it, by the name that the client gives itself.
async function load(rate, seconds, [method, p, opts]) {
  const mine = `load-${++n}-`;
  const results = await f.load(rate, seconds, (i) => [method, p, { ...opts, headers: { 'user-agent': mine + i } }]);
  const lines = () => f.logged('api', `"${mine}`);
  await until(() => lines().length === results.length, 'every request in the access log');
  const agents = new Map(lines().map((l) => [l.user_agent, l.agent]));
  return results.map((r) => ({ ...r, agent: agents.get(mine + r.i) }));
}

for (const [agent, standin, method, request] of [
  ['rest', 'graphql', 'Rest.Handle', ['GET', '/v1/tasks?limit=1', {}]],
  ['graphql', 'rest', 'Graphql.Handle', ['POST', '/graphql', { body: { query: '{ __typename }' } }]],
]) {
  test(`${agent} late by 300 ms: ${standin} answers within a second, ${agent} again when it is over`, async () => {
    const share = (some, name) => some.filter((r) => r.agent === name).length / some.length;
    assert.equal(share(await load(50, 0.5, request), agent), 1);
    const fault = await f.call('POST', `/v1/fleet/${agent}:faults`, { body: { spec: `${method}:delay=300`, for_ms: 4000 } });
    assert.equal(fault.status, 200, fault.text);
    const results = await load(50, 3, request);
    assert.deepEqual(failures(results), []);
    const first = results.findIndex((r, i) => results.slice(i, i + 10).every((x) => x.agent === standin));
    const later = results.filter((r) => r.at >= 1000);
    assert.ok(share(later, standin) >= 0.75, `${share(later, standin)} of ${later.length}`);
    assert.ok(share(later, agent) > 0, 'and some still ask how it fares');
    console.log(`# measured ${agent}: left after ${Math.round(results[first].at)} ms, asked for ${later.filter((r) => r.agent === agent).length} of ${later.length}`);
    await until(async () => share(await load(50, 0.5, request), agent) === 1, `${agent} is back`);
  });
}

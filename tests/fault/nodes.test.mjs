// kill -9 and SIGSTOP of each node, under load. Each test prints its seed.
// Alone: it takes times under load.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, AGENTS, alive, failures, mixed, sleep, until } from '../harness/fleet.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
console.log(`# measured seed ${seed}`);
const ids = [];
let f;
before(async () => {
  f = await Fleet.start();
  for (let i = 0; i < 20; i++) ids.push((await f.call('POST', '/v1/tasks', { body: { title: `base ${i}` } })).json.id);
});
after(async () => { await f?.stop(); });

async function acknowledgedAreThere(results) {
  const made = results.filter((r) => r.status === 201).map((r) => r.json.id);
  assert.equal(new Set(made).size, made.length, 'no id twice');
  for (const id of made) {
    const r = await f.call('GET', `/v1/tasks/${id}`);
    assert.equal(r.status, 200, `acknowledged task ${id} is there`);
  }
}

for (const agent of AGENTS) {
  test(`kill -9 of ${agent} under 200 requests/s fails no request`, async () => {
    const pid = await f.pid(agent);
    const load = f.load(200, 1.8, mixed(ids, seed));
    const logins = f.load(4, 1.8, () => ['POST', '/v1/auth/login', { body: f.admin(), token: null }]);
    await sleep(400 + seed % 200);
    f.kill(pid);
    const back = f.back(agent, pid);
    const results = [...await load, ...await logins];
    assert.deepEqual(failures(results), []);
    console.log(`# measured ${agent}: READY again after ${await back} ms, slowest request ${Math.round(Math.max(...results.map((r) => r.ms)))} ms`);
    await acknowledgedAreThere(results);
  });
}

// The same mix in GraphQL: one of them is the specialist, the others its stand-ins.
function asked(i) {
  const post = (query, variables) => ['POST', '/graphql', { body: { query, variables } }];
  if (i % 4 === 0) return post('mutation($t: String!) { createTask(input: {title: $t}) { taskId } }', { t: `graphql ${seed} ${i}` });
  if (i % 4 === 3) return post('{ tasks(first: 5) { edges { node { taskId title } } } }');
  return post('query($id: ID!) { task(id: $id) { taskId title state } }', { id: ids[i % ids.length] });
}

for (const agent of ['graphql', 'rest', 'websocket']) {
  test(`kill -9 of ${agent} under 150 GraphQL requests/s fails no request`, async () => {
    const pid = await f.pid(agent);
    const load = f.load(150, 1.8, asked);
    await sleep(400 + seed % 200);
    f.kill(pid);
    const back = f.back(agent, pid);
    const results = await load;
    assert.deepEqual(failures(results), []);
    for (const r of results) assert.ok(r.json.data && !r.json.errors, r.text);
    const made = results.filter((r) => r.json.data.createTask).map((r) => r.json.data.createTask.taskId);
    assert.equal(new Set(made).size, made.length, 'no id twice');
    for (const id of made) assert.equal((await f.call('GET', `/v1/tasks/${id}`)).status, 200, `acknowledged task ${id} is there`);
    assert.ok(made.length > 50);
    console.log(`# measured ${agent}: READY again after ${await back} ms, slowest GraphQL request ${Math.round(Math.max(...results.map((r) => r.ms)))} ms`);
  });
}

for (const node of ['database', 'auth', 'meta']) {
  test(`kill -9 of ${node}: READY again in under 1 s, failures only as 503 with Retry-After, nothing acknowledged is lost`, async () => {
    const pid = await f.pid(node);
    const load = f.load(200, 2.5, mixed(ids, seed));
    const alone = f.load(50, 2.5, () => ['GET', '/livez', { token: null }]);
    await sleep(400 + seed % 200);
    f.kill(pid);
    const ms = await f.back(node, pid);
    const results = await load;
    const bad = failures(results);
    for (const b of bad) assert.equal(b.status, 503, JSON.stringify(b));
    for (const r of results) if (r.status === 503) assert.ok(Number(r.headers['retry-after']) >= 1);
    assert.deepEqual(failures(await alone), [], 'what needs no other node is answered meanwhile');
    assert.ok(ms < 1000, `${ms} ms`);
    console.log(`# measured ${node}: READY again after ${ms} ms, ${bad.length} of ${results.length} refused`);
    await acknowledgedAreThere(results);
  });
}

test('kill -9 of api: open connections may be cut, new ones wait in the backlog, none is refused', async () => {
  const pid = await f.pid('api');
  const load = f.load(200, 3, () => ['GET', '/livez', { token: null, agent: false }]);
  await sleep(1000);
  f.kill(pid);
  const results = await load;
  const refused = results.filter((r) => r.error && /ECONNREFUSED/.test(r.error));
  assert.deepEqual(refused, []);
  const cut = results.filter((r) => r.status === 0);
  assert.ok(cut.length <= 10, `${cut.length} cut: only what was open at that moment`);
  for (const r of cut) assert.match(r.error, /ECONNRESET|socket hang up|EPIPE/);
  await f.back('api', pid);
  console.log(`# measured api: ${cut.length} of ${results.length} cut`);
});

for (const node of ['rest', 'sql', 'jwt', 'database', 'meta', 'api']) {
  test(`SIGSTOP of ${node} for 10 s: detected, replaced, no lasting effect`, async () => {
    const pid = await f.pid(node);
    f.kill(pid, 'SIGSTOP');
    const ms = await f.back(node, pid, 9_500);
    await until(() => !alive(pid), 'the stopped one is gone', 2000);
    try { f.kill(pid, 'SIGCONT'); } catch { /* gone */ }
    const results = await f.load(100, 1, mixed(ids, seed));
    assert.deepEqual(failures(results), []);
    console.log(`# measured ${node}: replaced ${ms} ms after SIGSTOP`);
  });
}

// A log-out is in force everywhere within a second of its answer, also where the agent that verifies next stood still meanwhile, heard
// nothing of it, and where the one that knew is dead.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, sleep } from '../harness/fleet.mjs';

let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const login = async () => (await f.call('POST', '/v1/auth/login', { token: null, body: f.admin() })).json;
const ask = async (token) => (await f.call('GET', '/v1/tasks?limit=1', { token })).status;
const logout = async (s) => {
  const r = await f.call('POST', '/v1/auth/logout', { token: null, body: { refresh_token: s.refresh_token } });
  assert.ok(r.status < 300, r.text);
};

// Before the second is over 200 is still allowed; afterwards never again, and not everything may be 503.
async function refusedFrom(token, since, what) {
  const seen = { 200: 0, 401: 0, 503: 0 };
  while (Date.now() < since + 2000) {
    const began = Date.now(), status = await ask(token);
    if (status === 200 && began > since + 1000) assert.fail(`${what}: accepted ${began - since} ms after the log-out`);
    assert.ok(status in seen, `${what}: ${status}`);
    seen[status]++;
    await sleep(10);
  }
  assert.ok(seen[401] > 10, `${what}: ${JSON.stringify(seen)}`);
  console.log(`# measured ${what}: ${JSON.stringify(seen)}`);
}

for (const [stopped, killed] of [['jwt', null], ['jwt', 'oauth'], ['oauth', 'jwt']]) {
  test(`${stopped} stands still during a log-out and goes on${killed ? `, ${killed} is killed then` : ''}: the token is refused`, async () => {
    const one = await login(), other = await login();
    const nodes = await f.nodes();
    for (let i = 0; i < 5; i++) assert.equal(await ask(one.access_token), 200);
    f.signal(nodes[stopped].pid, 'SIGSTOP');
    try {
      await logout(one);
    } finally {
      f.signal(nodes[stopped].pid, 'SIGCONT');
    }
    const since = Date.now();
    if (killed) f.kill(nodes[killed].pid);
    await refusedFrom(one.access_token, since, `${stopped} stopped, ${killed ?? 'nobody'} killed`);
    if (killed) await f.back(killed, nodes[killed].pid);
    assert.equal(await ask(other.access_token), 200, 'another session goes on');
  });
}

// Each verification is answered by whoever is there; neither is told by an event that comes in time.
test('while jwt and oauth are killed in turn, no log-out is forgotten', async () => {
  const ended = [];
  for (let round = 0; round < 4; round++) {
    const s = await login();
    assert.equal(await ask(s.access_token), 200);
    await logout(s);
    ended.push(s.access_token);
    const victim = round % 2 ? 'oauth' : 'jwt', { pid } = (await f.nodes())[victim];
    f.kill(pid);
    for (const token of ended) {
      const status = await ask(token);
      assert.ok(status === 401 || status === 503, `round ${round}: ${status}`);
    }
    await f.back(victim, pid);
  }
});

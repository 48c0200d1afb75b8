// kill -9 and SIGSTOP of each process of the auth domain under load: who is right is let in, or told to come again; who is wrong is
// never let in, whoever is gone. Each run prints its seed.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, alive, sleep, until } from '../harness/fleet.mjs';

const PASSWORD = 'correct horse battery staple';
const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
console.log(`# measured seed ${seed}`);
let f, task, right, wrong;

const ok = (r, status) => { assert.equal(r.status, status, r.text); return r.json; };
const login = async (username) => ok(await f.call('POST', '/v1/auth/login', { token: null, body: { username, password: PASSWORD } }), 200);
const key = async (body) => ok(await f.call('POST', '/v1/me/api-keys', { body }), 201);
const part = (token, i, change) => token.split('.').map((p, at) => (at === i ? change(p) : p)).join('.');

before(async () => {
  f = await Fleet.start({ conf: '[api]\nlimit = off\n' });
  task = ok(await f.call('POST', '/v1/tasks', { body: { title: 'the one' } }), 201);
  for (const [username, roles] of [['vera', ['viewer']], ['nobody', []]]) ok(await f.call('POST', '/v1/users', { body: { username, password: PASSWORD, roles } }), 201);
  const vera = await login('vera'), out = await login('vera'), soon = Date.now() + 1000;
  ok(await f.call('POST', '/v1/auth/logout', { token: null, body: { refresh_token: out.refresh_token } }), 204);
  const gone = await key({ name: 'deleted' }), old = await key({ name: 'expired', expires_at: new Date(soon).toISOString() }), kept = await key({ name: 'kept', scopes: ['task.read'] });
  ok(await f.call('DELETE', `/v1/me/api-keys/${gone.id}`), 204);
  right = { 'a viewer': vera.access_token, 'the admin': f.token, 'a key': kept.key };
  wrong = {
    'logged out': out.access_token, 'a deleted key': gone.key, 'an expired key': old.key, 'no permission': (await login('nobody')).access_token,
    'another signature': part(vera.access_token, 2, (p) => (p[0] === 'A' ? 'B' : 'A') + p.slice(1)),
    'no signature': `${Buffer.from('{"alg":"none"}').toString('base64url')}.${f.token.split('.')[1]}.`,
    'another claim': part(vera.access_token, 1, (p) => Buffer.from(Buffer.from(p, 'base64url').toString().replace('viewer', 'admin_')).toString('base64url')),
    'a key of nobody': `mfk_${'A'.repeat(70)}`,
  };
  await sleep(Math.max(0, soon + 50 - Date.now()));
});
after(async () => { await f?.stop(); });

// Each of them goes on asking, one after the other, until told to end.
function crowd() {
  const seen = { right: 0, wrong: 0, later: [], slowest: 0, bad: [] };
  let over = false;
  const going = [];
  const go = (name, ask, judge) => going.push((async () => {
    while (!over) {
      const r = await ask().catch((e) => ({ status: 0, text: String(e), headers: {} }));
      seen.slowest = Math.max(seen.slowest, r.ms ?? 0);
      if ([503, 504].includes(r.status)) {
        seen.later.push(name);
        if (r.status === 503 && !(Number(r.headers['retry-after']) >= 1)) seen.bad.push(`${name}: 503 without Retry-After`);
        await sleep(20);
      } else if (judge(r)) {
        seen.bad.push(`${name}: ${r.status} ${r.text.slice(0, 200)}`);
      }
      await sleep(5);
    }
  })());
  const read = (token) => () => f.call('GET', `/v1/tasks/${task.id}`, { token });
  for (const [name, token] of Object.entries(right)) for (let i = 0; i < 3; i++) go(name, read(token), (r) => { seen.right++; return r.status !== 200; });
  for (const [name, token] of Object.entries(wrong)) go(name, read(token), (r) => { seen.wrong++; return r.status !== 401 && r.status !== 403; });
  // Log-ins, refreshes, and log-outs: what was logged out is out, whatever was killed meanwhile.
  let session = null, out = null;
  go('a session', async () => {
    if (session === null) {
      const r = await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'vera', password: PASSWORD } });
      if (r.status === 200) session = { ...r.json, refreshed: 0 };
      return r;
    }
    if (out !== null && Date.now() > out.at + 1000) {
      const r = await read(out.token)();
      if (r.status === 401) out = null;
      return r.status === 200 ? { ...r, status: 299, text: 'let in after a log-out' } : { ...r, status: r.status === 401 ? 200 : r.status };
    }
    const leave = session.refreshed >= 3 && out === null;
    const r = await f.call('POST', leave ? '/v1/auth/logout' : '/v1/auth/refresh', { token: null, body: { refresh_token: session.refresh_token } });
    if (leave && r.status === 204) { out = { token: session.access_token, at: Date.now() }; session = null; }
    if (!leave && r.status === 200) session = { ...r.json, refreshed: session.refreshed + 1 };
    return r;
  }, (r) => ![200, 204, 429].includes(r.status));
  return { seen, end: async () => { over = true; await Promise.all(going); return seen; } };
}

// What the test before has left behind is over: auth gets all of its work.
async function calm() {
  let nodes;
  await until(async () => { try { nodes = await f.nodes(); } catch { return false; } return Object.values(nodes).every((n) => n.state === 'READY'); }, 'all is well');
  await until(async () => { for (let i = 0; i < 20; i++) if ((await f.call('GET', `/v1/tasks/${task.id}`)).status !== 200) return false; return true; }, 'all are answered');
  return nodes;
}

async function under(node, act, { refuses }) {
  const { pid } = (await calm())[node], asking = crowd();
  const more = (of) => asking.seen.right > of.right + 50 && asking.seen.wrong > of.wrong + 50;
  let before, back, ms;
  try {
    await sleep(500 + seed % 200);
    before = { ...asking.seen };
    act(pid);
    ms = await f.back(node, pid, 9_500);
    back = { ...asking.seen };
    // It goes on as before, on both sides.
    await until(() => more(before) && more(back), 'all go on asking', 20_000).catch(() => {});
  } finally {
    await asking.end();
  }
  const { seen } = asking;
  assert.deepEqual(seen.bad, []);
  if (!refuses) assert.deepEqual(seen.later.filter((name) => !(name in wrong)), []);
  assert.ok(more(before) && more(back), JSON.stringify([before.right, back.right, seen.right, before.wrong, back.wrong, seen.wrong]));
  assert.equal(alive(pid), false);
  console.log(`# measured ${node}: back after ${ms} ms; ${seen.right} let in, ${seen.wrong} refused, ${seen.later.length} told to come again, slowest ${Math.round(seen.slowest)} ms`);
}

for (const node of ['jwt', 'oauth', 'rbac']) {
  test(`kill -9 of ${node}: nobody who is right is refused, nobody who is wrong is let in`, () => under(node, (pid) => f.kill(pid), { refuses: false }));
}
test('kill -9 of auth: who is right waits or is told to come again, nobody who is wrong is let in', () => under('auth', (pid) => f.kill(pid), { refuses: true }));

for (const node of ['jwt', 'oauth', 'rbac', 'auth']) {
  test(`SIGSTOP of ${node}: it is replaced; meanwhile who is right is let in or told to come again, nobody who is wrong is let in`, () => under(node, (pid) => f.kill(pid, 'SIGSTOP'), { refuses: true }));
}

test('kill -9 of all four at once: the same', async () => {
  const nodes = await calm(), asking = crowd();
  try {
    await sleep(300);
    for (const node of ['jwt', 'oauth', 'rbac', 'auth']) f.kill(nodes[node].pid);
    for (const node of ['jwt', 'oauth', 'rbac', 'auth']) await f.back(node, nodes[node].pid);
    const { right: was } = asking.seen;
    await until(() => asking.seen.right > was + 100, 'all go on asking', 20_000);
  } finally {
    await asking.end();
  }
  assert.deepEqual(asking.seen.bad, []);
});

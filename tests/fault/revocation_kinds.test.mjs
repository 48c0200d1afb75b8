// Whatever takes a permission away is seen by the next request, in under a second from its answer: also where auth stood still around it,
// and where no event of jwt, oauth and rbac arrives.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, sleep } from '../harness/fleet.mjs';
import { ok, person, session } from '../harness/accounts.mjs';

let f, n = 0;
before(async () => { f = await Fleet.start({ conf: '[api]\nlimit = off\n' }); });
after(async () => { await f?.stop(); });

const made = async (p, body, token) => ok(await f.call('POST', p, { body, token }), p).json;
const ask = async (token) => (await f.call('GET', '/v1/tasks?limit=1', { token })).status;
// Somebody, his credential, and how it is taken from him. An answer that was lost may have been given: 404 and 409 are as good then.
const change = async (method, p, body, token) => {
  for (const end = Date.now() + 20_000; ; await sleep(50)) {
    const r = await f.call(method, p, { body, token, headers: body && method === 'PATCH' ? { 'content-type': 'application/merge-patch+json' } : {} });
    if (r.status < 300 || ([401, 404].includes(r.status) && method !== 'PATCH')) return;
    assert.ok([503, 504].includes(r.status) && Date.now() < end, `${method} ${p}: ${r.status} ${r.text}`);
  }
};
const kinds = {
  'log-out': [401, async (name) => {
    await person(f, name);
    const s = await session(f, name);
    return [s.access_token, () => change('POST', '/v1/auth/logout', { refresh_token: s.refresh_token }, null)];
  }],
  'user disabled': [401, async (name) => {
    const u = await person(f, name), s = await session(f, name);
    return [s.access_token, () => change('PATCH', `/v1/users/${u.id}`, { disabled: true })];
  }],
  'role changed': [403, async (name) => {
    await made('/v1/roles', { id: name, permissions: ['task.read'] });
    await person(f, name, [name]);
    return [(await session(f, name)).access_token, () => change('PATCH', `/v1/roles/${name}`, { permissions: [] })];
  }],
  'group changed': [403, async (name) => {
    await made('/v1/groups', { id: name, roles: ['viewer'] });
    const u = await person(f, name, []);
    await change('PATCH', `/v1/users/${u.id}`, { groups: [name] });
    return [(await session(f, name)).access_token, () => change('PATCH', `/v1/groups/${name}`, { roles: [] })];
  }],
  'grant deleted': [403, async (name) => {
    const u = await person(f, name, []);
    const g = await made('/v1/grants', { subject_kind: 'user', subject: u.id, permissions: ['task.read'] });
    return [(await session(f, name)).access_token, () => change('DELETE', `/v1/grants/${g.id}`)];
  }],
  'session deleted': [401, async (name) => {
    await person(f, name);
    const { access_token } = await session(f, name);
    const { items } = (await f.call('GET', '/v1/me/sessions', { token: access_token })).json;
    return [access_token, () => change('DELETE', `/v1/sessions/${items[0].id}`)];
  }],
  'API key deleted': [401, async (name) => {
    await person(f, name);
    const { access_token } = await session(f, name);
    const key = await made('/v1/me/api-keys', { name }, access_token);
    return [key.key, () => change('DELETE', `/v1/me/api-keys/${key.id}`, undefined, access_token)];
  }],
};

// All of them side by side. `around` does the changes, with whatever happens meanwhile; each is looked at from its own answer on.
async function all(what, around) {
  const subjects = [];
  for (const [kind, [refusal, make]] of Object.entries(kinds)) {
    const [token, take] = await make(`m${++n}`);
    subjects.push({ kind, refusal, token, take });
  }
  for (const s of subjects) for (let i = 0; i < 3; i++) assert.equal(await ask(s.token), 200, `${what}, ${s.kind}: before`);
  let slowest = 0;
  await around(() => Promise.all(subjects.map(async (s) => {
    await s.take();
    const since = Date.now();
    for (let refused = 0; refused < 5; await sleep(20)) {
      const began = Date.now(), status = await ask(s.token);
      assert.ok([200, 503, 504, s.refusal].includes(status), `${what}, ${s.kind}: ${status}`);
      assert.ok(status !== 200 || (refused === 0 && began < since + 1000), `${what}, ${s.kind}: let in ${began - since} ms after it was answered`);
      assert.ok(Date.now() < since + 15_000, `${what}, ${s.kind}: nobody could say for long`);
      if (status === s.refusal && refused++ === 0) slowest = Math.max(slowest, Date.now() - since);
    }
  })));
  console.log(`# measured ${what}: all refused ${slowest} ms after the answers`);
}

test('each is seen by the next request', () => all('as it is', (go) => go()));

test('auth stands still for three seconds around it: the same, from its answer on', () => all('auth stopped', async (go) => {
  const pid = await f.pid('auth');
  f.signal(pid, 'SIGSTOP');
  const going = go();
  await Promise.race([sleep(3000), going.catch(() => {})]);
  f.signal(pid, 'SIGCONT');      // or it was replaced by then
  await going;
}));

test('no event of jwt, oauth and rbac arrives: the same', async () => {
  const nodes = ['jwt', 'oauth', 'rbac'];
  for (const node of nodes) await f.faults(node, 'Node.Events: drop=1', 60_000);
  await all('no events', (go) => go());
  for (const node of nodes) await f.faults(node, '', 1000);
});

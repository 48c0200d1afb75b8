// Accounts over HTTP, as their owners and administrators handle them: second factors, API keys, sessions, one's own password, service
// accounts. Codes are made by node's own HMAC, not by ours.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, until } from '../harness/fleet.mjs';
import * as accounts from '../harness/accounts.mjs';
import { PASSWORD, find, ok, totp } from '../harness/accounts.mjs';
import { Session } from './session.mjs';

let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const login = (...who) => accounts.login(f, ...who);
const session = (username) => accounts.session(f, username);
const person = (...who) => accounts.person(f, ...who);
const store = (...what) => accounts.store(f, ...what);

test('a second factor is enrolled with an authenticator program, asked for, used once, and replaced by recovery codes', async () => {
  await person('vera');
  const { access_token: token } = await session('vera');
  const begun = ok(await store(token, 'create', 'my.factor', { data: { kind: 'totp' } }));
  const [id, secret, uri, codes] = ['id', 'secret', 'uri', 'recovery_codes'].map((k) => find(begun.json, k));
  assert.match(uri, new RegExp(`^otpauth://totp/metafed:vera\\?secret=${secret}&issuer=metafed`));
  assert.equal(codes.length, 10);
  assert.equal((await login('vera')).status, 200);            // not confirmed yet
  assert.equal((await store(token, 'update', 'my.factor', { id, data: { code: '000000' } })).status, 422);
  ok(await store(token, 'update', 'my.factor', { id, data: { code: totp(secret, -1) } }), 'confirm');

  const without = await login('vera');
  assert.deepEqual([without.status, without.json.reason], [401, 'SECOND_FACTOR']);
  assert.equal((await login('vera', 'a wrong password')).json.reason, 'BAD_CREDENTIALS');
  assert.equal((await login('vera', PASSWORD, '123 456')).json.reason, 'BAD_OTP');
  // Many at once with one code: one has it. (A code of the present step, or of the next one if a step began meanwhile.)
  const code = totp(secret);
  const all = await Promise.all(Array.from({ length: 5 }, () => login('vera', PASSWORD, code)));
  assert.deepEqual(all.map((r) => r.status).sort(), [200, 401, 401, 401, 401]);
  const twice = await Promise.all(Array.from({ length: 3 }, () => login('vera', PASSWORD, codes[0])));
  assert.deepEqual(twice.map((r) => r.status).sort(), [200, 401, 401]);

  const list = ok(await store(token, 'query', 'my.factor'));
  assert.doesNotMatch(list.text, new RegExp(`${secret}|v1\\.|secret`));
  assert.equal((await store(token, 'delete', 'my.factor', { id })).status, 422);
  ok(await store(token, 'delete', 'my.factor', { id, data: { code: codes[1] } }), 'delete');
  assert.equal((await login('vera')).status, 200);
});

test('an administrator resets a factor that was lost, and reads no secret of it', async () => {
  const user = await person('lena');
  const { access_token: token } = await session('lena');
  const begun = ok(await store(token, 'create', 'my.factor', { data: { kind: 'totp' } }));
  const id = find(begun.json, 'id'), secret = find(begun.json, 'secret');
  ok(await store(token, 'update', 'my.factor', { id, data: { code: totp(secret) } }));
  const list = ok(await store(undefined, 'query', 'factor', { filters: { user_id: user.id } }));
  assert.match(list.text, new RegExp(id));
  assert.doesNotMatch(list.text, new RegExp(`${secret}|v1\\.`));
  assert.equal((await store(token, 'query', 'factor')).status, 403);
  ok(await store(undefined, 'delete', 'factor', { id }));
  assert.equal((await login('lena')).status, 200);
});

test('an API key works at once, within its scopes, and is refused within a second of its removal', async () => {
  await person('karl', ['user']);
  const { access_token: token } = await session('karl');
  const made = ok(await store(token, 'create', 'my.api_key', { data: { name: 'ci', scopes: ['task.read'] } }));
  const key = find(made.json, 'key'), id = find(made.json, 'id');
  assert.match(key, /^mfk_[A-Za-z0-9_-]{70}$/);
  assert.equal((await f.call('GET', '/v1/tasks', { token: key })).status, 200);
  assert.equal((await f.call('POST', '/v1/tasks', { token: key, body: { title: 'no' } })).status, 403);
  assert.equal((await store(key, 'create', 'my.api_key', { data: { name: 'more' } })).status, 403);
  assert.equal((await store(key, 'update', 'my.password', { id: 'password', data: { current: PASSWORD, password: 'another one of mine' } })).status, 403);
  const list = ok(await store(token, 'query', 'my.api_key'));
  assert.match(list.text, new RegExp(id));
  assert.ok(!list.text.includes(key.slice(10)));
  ok(await store(token, 'delete', 'my.api_key', { id }));
  const answered = performance.now();
  let status, ms;      // from the answer to when the one that was refused began
  do {
    ms = performance.now() - answered;
    status = (await f.call('GET', '/v1/tasks', { token: key })).status;
  } while (status === 200 && ms < 5000);
  assert.equal(status, 401);
  assert.ok(ms < 1000, `${ms} ms`);
  assert.equal((await f.call('GET', '/v1/tasks', { token: `${key.slice(0, -1)}${key.at(-1) === 'A' ? 'B' : 'A'}` })).status, 401);
});

test('a service account has keys and no log-in', async () => {
  const robot = ok(await f.call('POST', '/v1/users', { body: { username: 'robot', kind: 'service', roles: ['user'] } })).json;
  const made = ok(await store(undefined, 'create', 'api_key', { data: { name: 'deploy', user_id: robot.id } }));
  const task = ok(await f.call('POST', '/v1/tasks', { token: find(made.json, 'key'), body: { title: 'by robot' } })).json;
  assert.equal(task.created_by, robot.id);
  assert.equal((await login('robot')).status, 401);
  assert.equal((await f.call('PATCH', `/v1/users/${robot.id}`, { body: { password: PASSWORD } })).status, 422);
  assert.equal((await f.call('DELETE', `/v1/users/${robot.id}`)).status, 204);
  assert.equal((await f.call('GET', '/v1/tasks', { token: find(made.json, 'key') })).status, 401);
});

test('one sees one\'s sessions and ends one of them', async () => {
  await person('sina');
  const here = await session('sina'), there = await session('sina');
  const list = ok(await store(here.access_token, 'query', 'my.session'));
  const items = find(list.json, 'items');
  assert.equal(items.length, 2);
  assert.deepEqual(items.map((s) => s.current).sort(), [false, true]);
  assert.ok(items.every((s) => s.client_address && s.created_at && s.methods[0] === 'pwd'), list.text);
  ok(await store(here.access_token, 'delete', 'my.session', { id: items.find((s) => !s.current).id }));
  assert.equal((await f.call('GET', '/v1/tasks', { token: there.access_token })).status, 401);
  assert.equal((await f.call('GET', '/v1/tasks', { token: here.access_token })).status, 200);
});

test('logging out everywhere is seen within a second by REST, GraphQL and an open session', async () => {
  await person('olga', ['user']);
  const here = await session('olga'), there = await session('olga');
  const ws = await Session.open(f, { token: there.access_token });
  ws.say({ type: 'subscribe', id: 's', topic: 'tasks' });
  await ws.next({ type: 'subscribed' });
  const graphql = () => f.call('POST', '/graphql', { token: there.access_token, body: { query: '{ tasks(first: 1) { edges { node { id } } } }' } });
  assert.ok(!(await graphql()).json.errors);
  ok(await store(here.access_token, 'delete', 'my.session', { id: '*' }));
  const began = performance.now();
  const rest = await f.call('GET', '/v1/tasks', { token: there.access_token });
  const gql = await graphql();
  ws.say({ type: 'submit', id: 'x', api: { method: 'GET', endpoint: '/tasks' } });
  // It answers that the credential does not count, or is closed before it can.
  const answer = await Promise.any([ws.next({ id: 'x' }), ws.closed]);
  const ms = performance.now() - began;
  assert.equal(rest.status, 401);
  assert.ok(gql.status === 401 || gql.json.errors?.[0]?.extensions?.code === 'UNAUTHENTICATED', gql.text);
  assert.ok(answer.type === 'error' || answer.code === 4401, JSON.stringify(answer));
  assert.ok(ms < 1000, `seen after ${ms} ms`);
  await until(() => ws.end, 'the session is dropped');
  console.log(`# REST, GraphQL and a session refused ${ms.toFixed(0)} ms after the answer; the session was dropped after ${(performance.now() - began).toFixed(0)} ms`);
  assert.equal((await f.call('POST', '/v1/auth/refresh', { token: null, body: { refresh_token: here.refresh_token } })).status, 401);
});

test('one\'s own password is changed by who knows it; the rules say what is wrong', async () => {
  await person('paula');
  const here = await session('paula'), there = await session('paula');
  const change = (current, password) => store(here.access_token, 'update', 'my.password', { id: 'password', data: { current, password } });
  for (const [password, words] of [['short', /10 characters/], ['qwertyuiop', /many people/], ['for paula alone', /user name/], ['aaaaaaaaaaaaaa', /repeats/], ['abcdefghijklmn', /sequence/]]) {
    const r = await change(PASSWORD, password);
    assert.equal(r.status, 422, r.text);
    assert.match(r.text, words);
  }
  assert.equal((await change('not mine at all', 'a new one of mine')).status, 422);
  ok(await change(PASSWORD, 'a new one of mine'));
  assert.equal((await f.call('POST', '/v1/auth/refresh', { token: null, body: { refresh_token: there.refresh_token } })).status, 401);
  const fresh = ok(await f.call('POST', '/v1/auth/refresh', { token: null, body: { refresh_token: here.refresh_token } })).json;
  assert.equal((await f.call('GET', '/v1/tasks', { token: fresh.access_token })).status, 200);
  assert.equal((await login('paula')).status, 401);
  assert.equal((await login('paula', 'a new one of mine')).status, 200);
});

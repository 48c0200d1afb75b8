// graphql-transport-ws at /graphql: the graphql-ws client as a user would use it, npm ws for every code that closes, and what
// subscriptions to tasks and to the fleet hear.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { createClient } from 'graphql-ws';
import { Fleet, until } from '../harness/fleet.mjs';
import { Gw, RawSession } from './session.mjs';

const PASSWORD = 'correct horse battery';
const EVENTS = 'subscription($after: String, $filter: TaskEventFilter) { taskEvents(after: $after, filter: $filter) { position kind taskId state } }';
let f, silent;
before(async () => {
  f = await Fleet.start({ conf: '[api]\nlimit = off\n' });
  silent = nobodyBegins();
});
after(async () => { await f?.stop(); });

const client = (opts = {}) => createClient({ url: `ws://127.0.0.1:${f.port}/graphql`, webSocketImpl: WebSocket, connectionParams: () => ({ authorization: `Bearer ${f.token}` }), retryAttempts: 0, ...opts });
const once = (c, query, variables) => new Promise((resolve, reject) => {
  const results = [];
  c.subscribe({ query, variables }, { next: (r) => results.push(r), error: reject, complete: () => resolve(results) });
});
const create = async (title, more) => {
  const r = await f.call('POST', '/v1/tasks', { body: { title, ...more } });
  assert.equal(r.status, 201, r.text);
  return r.json.id;
};
async function somebody(username, ...roles) {
  const user = await f.call('POST', '/v1/users', { body: { username, password: PASSWORD, roles } });
  assert.equal(user.status, 201, user.text);
  const r = await f.call('POST', '/v1/auth/login', { token: null, body: { username, password: PASSWORD } });
  assert.equal(r.status, 200, r.text);
  return { id: user.json.id, token: r.json.access_token };
}

// --- the client library ---

test('queries, mutations and subscriptions share a connection of the graphql-ws client', async () => {
  const c = client(), heard = [];
  const stop = c.subscribe({ query: 'subscription { taskEvents(filter: { kinds: [CREATED, DELETED] }) { kind task { title } taskId } }' },
    { next: (r) => heard.push(r.data.taskEvents), error: assert.fail, complete: () => heard.push('complete') });
  const [made] = await once(c, 'mutation($t: String!) { createTask(input: { title: $t }) { taskId id version } }', { t: 'over a socket' });
  const { taskId } = made.data.createTask;
  assert.deepEqual(await once(c, 'query($id: ID!) { task(id: $id) { title } }', { id: taskId }), [{ data: { task: { title: 'over a socket' } } }]);
  assert.equal((await f.call('GET', `/v1/tasks/${taskId}`)).json.title, 'over a socket');
  assert.deepEqual((await once(c, '{ viewer { name roles } }'))[0].data.viewer, { name: 'admin', roles: ['admin'] });
  await once(c, 'mutation($id: ID!, $p: TaskPatch!) { updateTask(id: $id, patch: $p) { version } }', { id: taskId, p: { title: 'changed' } });
  await once(c, 'mutation($id: ID!) { deleteTask(id: $id) }', { id: taskId });
  await until(() => heard.length === 2, 'both events');
  assert.deepEqual(heard.map((e) => [e.kind, e.taskId]), [['CREATED', taskId], ['DELETED', taskId]]);
  assert.equal(heard[1].task, null);
  stop();
  await until(() => heard.length === 3, 'the end');
  await c.dispose();
});

test('errors before anything runs are an error; errors of fields are part of the result', async () => {
  const c = client();
  for (const [query, reason] of [['{', 'GRAPHQL_PARSE_FAILED'], ['{ nope }', 'GRAPHQL_VALIDATION_FAILED'], ['subscription { nope }', 'GRAPHQL_VALIDATION_FAILED'],
    ['query A { __typename } query B { __typename }', 'GRAPHQL_NO_OPERATION'], ['subscription { taskEvents(filter: { state: NOPE }) { kind } }', 'GRAPHQL_VALIDATION_FAILED']]) {
    await assert.rejects(once(c, query), (errors) => {
      assert.equal(errors[0].extensions.reason, reason, JSON.stringify(errors));
      assert.equal(errors[0].extensions.code, 'INVALID_ARGUMENT');
      return true;
    });
  }
  const [partial] = await once(c, '{ tasks(first: 0) { nodes { id } } }');
  assert.deepEqual(partial.data, { tasks: null });
  assert.equal(partial.errors[0].path[0], 'tasks');
  await c.dispose();
});

test('an async iterator of the client resumes behind the position it has seen', async () => {
  const c = client(), ids = [];
  const first = c.iterate({ query: EVENTS });
  const got = first.next();
  await once(c, '{ __typename }');
  for (let i = 0; i < 5; i++) ids.push(await create(`resume ${i}`));
  const { value } = await got;
  assert.equal(value.data.taskEvents.taskId, ids[0]);
  await first.return();
  await c.dispose();
  const again = client(), rest = again.iterate({ query: EVENTS, variables: { after: value.data.taskEvents.position } });
  for (const id of ids.slice(1)) assert.equal((await rest.next()).value.data.taskEvents.taskId, id);
  await rest.return();
  await again.dispose();
});

test('without a credential the connection is anonymous, as a request is', async () => {
  const c = client({ connectionParams: undefined });
  assert.deepEqual(await once(c, '{ viewer { name } health { status } }'), [{ data: { viewer: null, health: { status: 'OK' } } }]);
  const [login] = await once(c, 'mutation($u: String!, $p: String!) { login(username: $u, password: $p) { accessToken tokenType } }',
    { u: f.admin().username, p: f.admin().password });
  assert.equal(login.data.login.tokenType, 'Bearer');
  await assert.rejects(once(c, EVENTS), (e) => e[0].extensions.code === 'UNAUTHENTICATED');
  await c.dispose();
});

// --- what subscriptions hear ---

test('filters, variables, fragments and directives hold for each event', async () => {
  const s = await Gw.open(f);
  await s.subscribe('high', `subscription S($f: TaskEventFilter!, $v: Boolean!) { taskEvents(filter: $f) { ...E version @include(if: $v) } }
    fragment E on TaskEvent { id: taskId priority type at }`, { f: { priority: 'HIGH', kinds: ['CREATED'] }, v: false });
  await s.subscribe('all', EVENTS);
  const low = await create('low', { priority: 'LOW' }), high = await create('high', { priority: 'HIGH', type: 'special' });
  const event = await s.heard('high');
  assert.deepEqual(Object.keys(event.data.taskEvents), ['id', 'priority', 'type', 'at']);
  assert.equal(event.data.taskEvents.id, high);
  assert.equal(event.data.taskEvents.type, 'special');
  assert.match(event.data.taskEvents.at, /^\d{4}-.*Z$/);
  assert.equal((await s.heard('all')).data.taskEvents.taskId, low);
  assert.equal((await s.heard('all')).data.taskEvents.taskId, high);
  await s.subscribe('one', 'subscription($id: ID) { taskEvents(filter: { taskId: $id }) { kind version } }', { id: low });
  for (const id of [high, low]) assert.equal((await f.call('PATCH', `/v1/tasks/${id}`, { body: { title: 'x' }, headers: { 'content-type': 'application/merge-patch+json' } })).status, 200);
  assert.deepEqual((await s.heard('one')).data.taskEvents, { kind: 'UPDATED', version: 2 });
  s.say({ id: 'one', type: 'complete' }).say({ id: 'never', type: 'complete' });
  await s.subscribe('one', EVENTS);
  await s.close();
});

test('the fleet is heard of, and a subscription to it resumes', async () => {
  const s = await Gw.open(f);
  await s.subscribe('f', 'subscription { fleetEvents(filter: { name: "cache" }) { name state pid generation position at } }');
  const pid = await f.pid('cache'), states = [];
  f.kill(pid);
  await f.back('cache', pid);
  for (let e; e?.state !== 'READY';) states.push(e = (await s.heard('f')).data.fleetEvents);
  assert.ok(states.every((e) => e.name === 'cache'));
  assert.notEqual(states.at(-1).pid, pid);
  await s.subscribe('g', 'subscription($a: String) { fleetEvents(after: $a, filter: { name: "cache" }) { state position } }', { a: states[0].position });
  for (const e of states.slice(1)) assert.deepEqual((await s.heard('g')).data.fleetEvents, { state: e.state, position: e.position });
  await s.close();
});

test('positions of no log, and events that are not kept any more, are errors', async () => {
  const s = await Gw.open(f);
  s.say({ id: 'x', type: 'subscribe', payload: { query: EVENTS, variables: { after: 'nonsense' } } });
  assert.equal((await s.next({ type: 'error', id: 'x' })).payload[0].extensions.code, 'INVALID_ARGUMENT');
  s.say({ id: 'y', type: 'subscribe', payload: { query: 'subscription { fleetEvents(after: "9999.1") { name } }' } });
  assert.equal((await s.next({ type: 'error', id: 'y' })).payload[0].extensions.reason, 'EVENTS_LOST');
  await s.close();
});

test('who takes nothing for a while has missed nothing', async () => {
  const s = await Gw.open(f), n = 3000;
  await s.subscribe('s', 'subscription { taskEvents { taskId position kind namespace type priority createdBy at } }');
  s.ws._socket.pause();
  const ids = [];
  for (let i = 0; i < n; i += 1000) {
    const r = await f.call('POST', '/v1/tasks:bulk', { body: { tasks: Array.from({ length: 1000 }, (u, k) => ({ title: `slow ${i + k}` })) } });
    assert.equal(r.status, 200, r.text.slice(0, 300));
    ids.push(...r.json.items.map((x) => x.task.id));
  }
  s.ws._socket.resume();
  const heard = [];
  while (heard.length < n) heard.push((await s.heard('s')).data.taskEvents.taskId);
  assert.equal(new Set(heard).size, n, 'nothing twice');
  assert.deepEqual([...heard].sort(), ids.sort(), 'nothing lost');
  await s.close();
});

// --- rights ---

test('the permissions are those of everywhere', async () => {
  const { token } = await somebody('gw-viewer', 'viewer'), s = await Gw.open(f, { payload: { Authorization: `Bearer ${token}` } });
  s.say({ id: 'm', type: 'subscribe', payload: { query: 'mutation { createTask(input: { title: "x" }) { id } }' } });
  assert.equal((await s.heard('m')).errors[0].extensions.code, 'PERMISSION_DENIED');
  await s.next({ type: 'complete', id: 'm' });
  await s.subscribe('s', EVENTS);
  const id = await create('seen by a viewer');
  assert.equal((await s.heard('s')).data.taskEvents.taskId, id);
  await s.close();
  const nobody = await somebody('gw-nobody'), t = await Gw.open(f, { payload: { authorization: `Bearer ${nobody.token}` } });
  t.say({ id: 's', type: 'subscribe', payload: { query: EVENTS } });
  assert.equal((await t.next({ type: 'error', id: 's' })).payload[0].extensions.code, 'PERMISSION_DENIED');
  await t.close();
});

test('a token that counts no more ends the connection with 4403', async () => {
  const u = await somebody('gw-gone', 'user'), s = await Gw.open(f, { payload: { authorization: `Bearer ${u.token}` } });
  await s.subscribe('s', EVENTS);
  await create('heard');
  await s.heard('s');
  assert.equal((await f.call('PATCH', `/v1/users/${u.id}`, { body: { disabled: true }, headers: { 'content-type': 'application/merge-patch+json' } })).status, 200);
  await until(async () => (await f.call('GET', '/v1/tasks?limit=1', { token: u.token })).status === 401, 'the token is refused');
  await until(async () => { await create('a confirmation counts for 500 ms'); return s.end; }, 'the end');
  assert.equal(s.end.code, 4403);
});

// --- every code that closes ---

const closes = async (code, reason, opts, ...messages) => {
  const s = await Gw.open(f, opts);
  for (const m of messages) s.say(m);
  const end = await s.closed;
  assert.equal(end.code, code, end.reason);
  if (reason instanceof RegExp) assert.match(end.reason, reason);
  else assert.equal(end.reason, reason);
};
const NOBODY = { payload: null };
const typename = { type: 'subscribe', id: '1', payload: { query: '{ __typename }' } };

test('4400: what is no message', async () => {
  for (const m of ['', 'x', '[]', '{}', { type: 'start' }, { type: 'connection_ack' }, { type: 'ping', payload: 7 }, { type: 'subscribe', id: '', payload: { query: '{a}' } },
    { type: 'subscribe', id: '1', payload: { query: 7 } }, { type: 'complete' }]) await closes(4400, /^Invalid message: /, undefined, m);
});

test('4401: an operation before the acknowledgement', () => closes(4401, 'Unauthorized', NOBODY, typename));

test('4403: a credential that is none, in connection_init or in the handshake', async () => {
  for (const authorization of ['Bearer nonsense', 'Basic YTpi', f.token]) await closes(4403, 'Forbidden', NOBODY, { type: 'connection_init', payload: { authorization } });
  await closes(4403, 'Forbidden', { payload: null, headers: { authorization: 'Bearer nonsense' } }, { type: 'connection_init' });
  const s = await Gw.open(f, { payload: {}, headers: { authorization: `Bearer ${f.token}` } });
  await s.subscribe('s', EVENTS);
  await s.close();
});

test('4406: who does not offer graphql-transport-ws, the older graphql-ws included', async () => {
  await closes(4406, 'Subprotocol not acceptable', { protocols: [], payload: null });
  // npm ws gives up when its subprotocol is not agreed to: in bytes.
  for (const offer of ['graphql-ws', 'graphql-ws, chat']) {
    const s = await RawSession.open(f, { path: '/graphql', token: null, more: `Sec-WebSocket-Protocol: ${offer}\r\n` });
    assert.equal(s.answer.status, 101);
    assert.equal(s.answer.headers['sec-websocket-protocol'], undefined);
    assert.equal(await s.ends(true), 4406);
  }
  const both = await Gw.open(f, { protocols: ['graphql-ws', 'graphql-transport-ws'] });
  assert.equal(both.ws.protocol, 'graphql-transport-ws');
  await both.close();
});

// It waits beside all that comes before.
async function nobodyBegins() {
  const s = await Gw.open(f, NOBODY), begin = performance.now();
  s.say({ type: 'ping' });
  const end = await s.closed;
  return { end, ms: performance.now() - begin };
}
test('4408: nobody begins within ten seconds', async () => {
  const { end, ms } = await silent;
  assert.equal(end.code, 4408, end.reason);
  assert.equal(end.reason, 'Connection initialisation timeout');
  assert.ok(ms >= 9_900, `${ms} ms`);
});

test('4409: an id that is in use, of whatever kind', async () => {
  const s = { type: 'subscribe', id: 'a', payload: { query: EVENTS } };
  await closes(4409, 'Subscriber for a already exists', undefined, s, s);
  await closes(4409, 'Subscriber for a already exists', undefined, s, { ...typename, id: 'a' });
});

test('4429: a second connection_init', () => closes(4429, 'Too many initialisation requests', undefined, { type: 'connection_init' }));

test('a ping is answered with its payload, before the connection is acknowledged too', async () => {
  const s = await Gw.open(f, NOBODY);
  s.say({ type: 'pong' }).say({ type: 'ping' }).say({ type: 'ping', payload: { x: [1] } });
  assert.deepEqual(await s.next({ type: 'pong' }), { type: 'pong' });
  assert.deepEqual(await s.next({ type: 'pong' }), { type: 'pong', payload: { x: [1] } });
  await s.close();
});

test('/graphql stays a resource of HTTP: an upgrade to something else is nothing to it', async () => {
  const r = await f.call('POST', '/graphql', { body: { query: '{ __typename }' }, headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAoAAAAAIAAAAA' } });
  assert.equal(r.status, 200);
  assert.deepEqual(r.json, { data: { __typename: 'Query' } });
});

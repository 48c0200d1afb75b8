// metafed.v1 over WebSockets, with npm ws as a client would use it; and RFC 6455 in bytes, for what no client says.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, until } from '../harness/fleet.mjs';
import { Raw, ask } from '../harness/http_raw.mjs';
import { Session, RawSession, frame, closing, TEXT, BINARY, CLOSE, PING, PONG } from './session.mjs';

const PASSWORD = 'correct horse battery';
let f, silent;
before(async () => {
  f = await Fleet.start({ conf: '[api]\nlimit = off\nping_time = 2s\nbody_time = 2s\naccess_log = all\ncors_origins = https://app.example\n' });
  silent = nobodySays();
});
// It waits beside all that comes before its test.
async function nobodySays() {
  const s = await Session.open(f, { token: null });
  return { goodbye: await s.next({ type: 'goodbye' }, 60_000), closed: await s.closed };
}
after(async () => { await f?.stop(); });

const made = async (p, body) => {
  const r = await f.call('POST', p, { body });
  assert.equal(r.status, 201, r.text);
  return r.json;
};
async function somebody(username, ...roles) {
  const user = await made('/v1/users', { username, password: PASSWORD, roles });
  const r = await f.call('POST', '/v1/auth/login', { token: null, body: { username, password: PASSWORD } });
  assert.equal(r.status, 200, r.text);
  return { ...user, token: r.json.access_token };
}
const sessionLines = () => f.logged('api', '"session"').filter((l) => 'protocol' in l);

// --- who it is ---

test('a session says hello, and who it is once it knows, from a message or from the handshake', async () => {
  const s = await Session.open(f);
  assert.equal(s.ws.protocol, 'metafed.v1');
  assert.equal(s.hello.protocol, 'metafed.v1');
  assert.match(s.hello.session, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  assert.equal(s.who.principal.name, 'admin');
  assert.deepEqual(s.who.principal.roles, ['admin']);
  assert.ok(Date.parse(s.who.expires_at) > Date.now());
  assert.deepEqual(await s.ask({ type: 'ping', id: 'p' }), { type: 'pong', id: 'p' });
  assert.equal((await s.ask({ type: 'auth', token: f.token, id: 'again' })).type, 'authenticated');
  assert.equal((await s.close()).code, 1000);
  const h = await Session.open(f, { header: true });
  assert.equal(h.who.principal.name, 'admin');
  await h.close();
  await until(() => sessionLines().some((l) => l.session === s.hello.session), 'a line of the session in the log');
  const line = sessionLines().find((l) => l.session === s.hello.session);
  assert.equal(line.code, 1000);
  assert.equal(line.principal, 'admin');
  assert.equal(line.messages_in, 3);
  assert.doesNotMatch(readFileSync(path.join(f.var, 'log/api.log'), 'utf8'), new RegExp(f.token.split('.')[2]), 'no token in the log');
});

test('who offers no protocol speaks metafed.v1; who offers only others is refused', async () => {
  const s = await Session.open(f, { protocols: [] });
  assert.equal(s.ws.protocol, '');
  assert.equal(s.hello.protocol, 'metafed.v1');
  await s.close();
  const both = await Session.open(f, { protocols: ['chat', 'metafed.v1'] });
  assert.equal(both.ws.protocol, 'metafed.v1');
  await both.close();
  await assert.rejects(Session.open(f, { protocols: ['chat'] }), { status: 400 });
});

test('before it is known who it is nothing is done; a bad token ends the session with 4401', async () => {
  const s = await Session.open(f, { token: null });
  for (const m of [{ type: 'submit', api: { method: 'GET', endpoint: '/tasks' } }, { type: 'subscribe', topic: 'tasks' }]) {
    const a = await s.ask(m);
    assert.equal(a.type, 'error');
    assert.equal(a.error.status, 401);
    assert.equal(a.error.reason, 'AUTH_REQUIRED');
  }
  s.say({ type: 'auth', token: 'nonsense', id: 'a' });
  const e = await s.next({ id: 'a' });
  const http = await f.call('GET', '/v1/tasks', { token: 'nonsense' });
  assert.equal(e.error.status, 401);
  assert.equal(e.error.reason, http.json.reason);
  assert.equal((await s.closed).code, 4401);
  const h = await RawSession.open(f, { token: 'nonsense' });
  assert.equal(h.answer.status, 101);
  assert.equal(await h.ends(), 4401);
});

test('a session is one principal\'s from its beginning to its end', async () => {
  const s = await Session.open(f), other = await somebody('otto', 'user');
  const a = await s.ask({ type: 'auth', token: other.token });
  assert.equal(a.error.status, 403);
  assert.equal(a.error.reason, 'OTHER_PRINCIPAL');
  assert.equal((await s.submit('GET', '/users?limit=1')).type, 'result');
  await s.close();
});

// --- submit ---

test('each kind of operation is done as over HTTP', async () => {
  const s = await Session.open(f);
  const c = await s.submit('POST', '/tasks', { title: 'over a socket', labels: ['ws'] });
  assert.equal(c.type, 'result', JSON.stringify(c));
  assert.equal(c.status, 201);
  assert.equal(c.headers.Location, `/v1/tasks/${c.data.id}`);
  assert.equal(c.headers.ETag, '"1"');
  const http = await f.call('GET', `/v1/tasks/${c.data.id}`);
  assert.deepEqual(http.json, c.data);
  const r = await s.submit('GET', `/tasks/${c.data.id}`);
  assert.deepEqual([r.status, r.headers.ETag, r.data], [200, '"1"', http.json]);
  assert.equal((await s.submit('GET', `/tasks/${c.data.id}`, undefined, { 'if-none-match': '"1"' })).status, 304);
  const u = await s.submit('PATCH', `/tasks/${c.data.id}`, { title: 'another' }, { 'if-match': '"1"' });
  assert.deepEqual([u.status, u.headers.ETag, u.data.title], [200, '"2"', 'another']);
  const l = await s.submit('GET', '/tasks?label=ws&limit=5&fields=id,title');
  assert.deepEqual(l.data.items, [{ id: c.data.id, title: 'another' }]);
  const b = await s.submit('POST', '/tasks:bulk', { tasks: [{ title: 'one' }, { title: '' }] });
  assert.deepEqual([b.status, b.data.items.map((i) => i.status)], [200, [201, 422]]);
  const d = await s.submit('DELETE', `/tasks/${c.data.id}`);
  assert.deepEqual([d.status, d.data], [204, undefined]);
  assert.equal((await s.submit('GET', '/fleet')).data.nodes.length, 13);
  const raw = await s.ask({ type: 'submit', request: { task_id: 'raw-1', requirements: { database: { operation: 'create', model: 'task', data: { title: 'raw' } } } } });
  assert.equal(raw.type, 'result', JSON.stringify(raw));
  assert.equal(raw.data.success, true);
  await s.close();
});

test('an Idempotency-Key makes a submit safe to say again, in another session and over HTTP', async () => {
  const headers = { 'idempotency-key': '"ws-1"' }, body = { title: 'once' };
  const s = await Session.open(f);
  const first = await s.submit('POST', '/tasks', body, headers);
  await s.close();
  const t = await Session.open(f);
  const second = await t.submit('POST', '/tasks', body, headers);
  assert.equal(second.data.id, first.data.id);
  assert.equal(second.headers['Idempotency-Replayed'], 'true');
  assert.equal((await f.call('POST', '/v1/tasks', { body, headers })).json.id, first.data.id);
  const other = await t.submit('POST', '/tasks', { title: 'other' }, headers);
  assert.equal(other.error.status, 422);
  await t.close();
});

test('errors are those of HTTP', async () => {
  const s = await Session.open(f), v = await somebody('vito', 'viewer'), sv = await Session.open(f, { token: v.token });
  const task = await made('/v1/tasks', { title: 'here' });
  for (const [who, token, method, p, body, headers] of [
    [s, f.token, 'GET', '/tasks/0199f0c0-1234-7abc-8def-0123456789ff'],
    [s, f.token, 'POST', '/tasks', { title: '' }],
    [s, f.token, 'POST', '/tasks', { title: 'x', priority: 'SOON', more: 1 }],
    [s, f.token, 'GET', '/tasks?limit=0&nonsense=1'],
    [s, f.token, 'PATCH', `/tasks/${task.id}`, { title: 'y' }, { 'if-match': '"9"' }],
    [s, f.token, 'PUT', '/tasks', {}],
    [s, f.token, 'GET', '/nothing'],
    [sv, v.token, 'POST', '/tasks', { title: 'no' }],
    [sv, v.token, 'GET', '/users'],
  ]) {
    const a = await who.submit(method, p, body, headers);
    const h = await f.call(method, `/v1${p}`, { token, body, headers: { ...headers, ...(method === 'PATCH' && { 'content-type': 'application/merge-patch+json' }) } });
    assert.equal(a.type, 'error', `${method} ${p}: ${JSON.stringify(a)}`);
    const { trace_id: one, ...ours } = a.error, { trace_id: two, ...theirs } = h.json;
    assert.deepEqual(ours, theirs, `${method} ${p}`);
    assert.ok(one && two && one !== two);
  }
  await s.close();
  await sv.close();
});

test('what is no message is refused by name, and the session goes on', async () => {
  const s = await Session.open(f);
  for (const [m, where] of [
    ['{', null], ['[]', ''], ['1', ''], [{ type: 'nonsense', id: 'x' }, '/type'], [{ id: 'x' }, '/type'], [{ type: 'ping', id: '' }, '/id'], [{ type: 'ping', id: 'x'.repeat(65) }, '/id'], [{ type: 'ping', id: 7 }, '/id'],
    [{ type: 'ping', more: 1 }, ''], [{ type: 'submit', id: 'x' }, ''], [{ type: 'submit', id: 'x', api: {}, request: {} }, ''], [{ type: 'submit', api: { method: 'GET', endpoint: '/tasks' } }, '/id'],
    [{ type: 'submit', id: 'x', api: { method: 'GET', endpoint: 'tasks' } }, '/api/endpoint'], [{ type: 'submit', id: 'x', api: { method: 'GET', endpoint: '/tasks', headers: { authorization: 'Bearer x' } } }, '/api/headers'],
    [{ type: 'submit', id: 'x', api: { method: 'GET', endpoint: '/tasks', bode: {} } }, '/api'],
    [{ type: 'subscribe', id: 'x', topic: 'users' }, '/topic'], [{ type: 'subscribe', id: 'x', topic: 'tasks', window: 0 }, '/window'], [{ type: 'subscribe', id: 'x', topic: 'tasks', filter: { title: 'x' } }, '/filter'],
    [{ type: 'subscribe', id: 'x', topic: 'fleet', filter: { state: 7 } }, '/filter/state'], [{ type: 'subscribe', id: 'x', topic: 'fleet', after: 'nonsense' }, '/after'], [{ type: 'auth' }, '/token'], [{ type: 'ack', id: 'x' }, '/position'],
  ]) {
    s.say(m);
    const a = await s.next({ type: 'error' });
    const what = `${JSON.stringify(m)}: ${JSON.stringify(a)}`;
    assert.equal(a.error.code, 'INVALID_ARGUMENT', what);
    if (where === null) assert.equal(a.error.reason, 'BAD_JSON', what);
    else assert.ok(a.error.errors.some((e) => (e.pointer ?? e.field) === where || (e.pointer ?? e.field) === `#${where}`), what);
  }
  assert.equal((await s.ask({ type: 'ping' })).type, 'pong');
  await s.close();
});

test('submits run side by side, each with its id; one that is not wanted any more is cancelled', async () => {
  const s = await Session.open(f);
  const all = await Promise.all(Array.from({ length: 200 }, (_, i) => s.submit('POST', '/tasks', { title: `side by side ${i}`, labels: ['beside'] })));
  assert.ok(all.every((a, i) => a.status === 201 && a.data.title === `side by side ${i}`));
  assert.equal((await s.ask({ type: 'cancel', id: 'nothing' })).error.reason, 'NOTHING_UNDER_WAY');
  // One message's length from being over before it is cancelled: what is said is either the result or that it was.
  s.say({ type: 'submit', id: 'c', api: { method: 'GET', endpoint: '/tasks?limit=100' } }).say({ type: 'cancel', id: 'c' });
  const first = await s.next({ id: 'c' });
  if (first.type === 'result') assert.equal((await s.next({ id: 'c' })).error.reason, 'NOTHING_UNDER_WAY');
  else assert.equal(first.type, 'cancelled');
  assert.equal((await s.ask({ type: 'ping' })).type, 'pong');
  s.say({ type: 'submit', id: 'd', api: { method: 'GET', endpoint: '/tasks?limit=1' } }).say({ type: 'submit', id: 'd', api: { method: 'GET', endpoint: '/tasks?limit=1' } });
  const two = [await s.next({ id: 'd' }), await s.next({ id: 'd' })];
  assert.ok(two.some((m) => m.type === 'result'));
  await s.close();
});

// --- events ---

test('events of tasks come in order, each once, with what a filter may ask for', async () => {
  const s = await Session.open(f);
  const sub = await s.ask({ type: 'subscribe', id: 'all', topic: 'tasks' });
  assert.equal(sub.type, 'subscribed');
  assert.ok(sub.position);
  assert.equal((await s.next({ type: 'caught_up', id: 'all' })).position, sub.position);
  await s.ask({ type: 'subscribe', id: 'high', topic: 'tasks', filter: { priority: ['HIGH', 'CRITICAL'], kind: 'task.created', namespace: 'default' } });
  const t = await made('/v1/tasks', { title: 'seen' });
  await f.call('PATCH', `/v1/tasks/${t.id}`, { body: { title: 'seen again' }, headers: { 'content-type': 'application/merge-patch+json' } });
  assert.equal((await f.call('DELETE', `/v1/tasks/${t.id}`)).status, 204);
  const high = await made('/v1/tasks', { title: 'urgent', priority: 'HIGH' });
  const seen = [];
  for (let i = 0; i < 4; i++) seen.push(await s.next({ type: 'event', subscription: 'all' }));
  assert.deepEqual(seen.map((e) => [e.event, e.data.id, e.data.version]), [['task.created', t.id, 1], ['task.updated', t.id, 2], ['task.deleted', t.id, seen[2].data.version], ['task.created', high.id, 1]]);
  assert.equal(seen[0].data.type, t.type);
  assert.equal(seen[0].data.created_by, s.who.principal.id);
  assert.ok(Math.abs(Date.parse(seen[0].at) - Date.now()) < 60_000);
  assert.equal((await s.next({ type: 'event', subscription: 'high' })).data.id, high.id);
  assert.equal(s.messages.length, 1, JSON.stringify(s.messages)); // caught_up of the second one
  assert.deepEqual(await s.ask({ type: 'unsubscribe', id: 'all' }), { type: 'unsubscribed', id: 'all' });
  assert.equal((await s.ask({ type: 'unsubscribe', id: 'all' })).error.reason, 'NO_SUBSCRIPTION');
  const more = await made('/v1/tasks', { title: 'only high', priority: 'CRITICAL' });
  assert.equal((await s.next({ type: 'event' })).data.id, more.id);
  assert.equal(s.messages.filter((m) => m.type === 'event').length, 0);
  await s.close();
});

test('after a position everything since then comes, once', async () => {
  const s = await Session.open(f);
  const { position } = await s.ask({ type: 'subscribe', id: 'a', topic: 'tasks' });
  const ids = [];
  for (let i = 0; i < 20; i++) ids.push((await made('/v1/tasks', { title: `resume ${i}` })).id);
  let last = position;
  for (let i = 0; i < 7; i++) last = (await s.next({ type: 'event' })).position;
  await s.drop();
  const t = await Session.open(f);
  await t.ask({ type: 'subscribe', id: 'b', topic: 'tasks', after: last });
  for (const id of ids.slice(7)) assert.equal((await t.next({ type: 'event' })).data.id, id);
  await t.next({ type: 'caught_up', id: 'b' });
  await t.ask({ type: 'subscribe', id: 'c', topic: 'tasks', after: position });
  for (const id of ids) assert.equal((await t.next({ type: 'event', subscription: 'c' })).data.id, id);
  assert.equal(t.messages.filter((m) => m.type === 'event').length, 0);
  await t.close();
});

test('with a window no more events come than are acknowledged', async () => {
  const s = await Session.open(f);
  await s.ask({ type: 'subscribe', id: 'w', topic: 'tasks', window: 3 });
  for (let i = 0; i < 10; i++) await made('/v1/tasks', { title: `window ${i}` });
  const got = [];
  for (let i = 0; i < 3; i++) got.push(await s.next({ type: 'event' }));
  assert.equal((await s.ask({ type: 'ping' })).type, 'pong');
  assert.equal(s.messages.filter((m) => m.type === 'event').length, 0);
  s.say({ type: 'ack', id: 'w', position: got[1].position });
  for (let i = 0; i < 2; i++) got.push(await s.next({ type: 'event' }));
  assert.equal((await s.ask({ type: 'ping' })).type, 'pong');
  assert.equal(s.messages.filter((m) => m.type === 'event').length, 0);
  while (got.length < 10) {
    s.say({ type: 'ack', id: 'w', position: got.at(-1).position });
    got.push(await s.next({ type: 'event' }));
  }
  assert.equal(new Set(got.map((e) => e.data.id)).size, 10);
  assert.equal((await s.ask({ type: 'ack', id: 'none', position: 'x' })).error.reason, 'NO_SUBSCRIPTION');
  await s.close();
});

test('a position that the log has left behind is a gap, one that is none ends the subscription', async () => {
  const s = await Session.open(f);
  const after = (await s.ask({ type: 'subscribe', id: 'now', topic: 'tasks' })).position.replace(/^[^-]+/, '00000000'); // of another log
  await s.ask({ type: 'subscribe', id: 'g', topic: 'tasks', after });
  assert.equal((await s.next({ type: 'gap', id: 'g' })).position, after);
  const t = await made('/v1/tasks', { title: 'after the gap' });
  await s.next((m) => m.type === 'event' && m.data.id === t.id);
  await s.ask({ type: 'subscribe', id: 'f', topic: 'fleet', after: '7777777.1' });
  await s.next({ type: 'gap', id: 'f' });
  assert.equal((await s.ask({ type: 'subscribe', id: 'n', topic: 'tasks', after: 'nonsense' })).error.reason, 'BAD_POSITION');
  assert.equal((await s.ask({ type: 'unsubscribe', id: 'n' })).error.reason, 'NO_SUBSCRIPTION');
  await s.close();
});

test('events of the fleet say what becomes of a node', async () => {
  const s = await Session.open(f);
  await s.ask({ type: 'subscribe', id: 'f', topic: 'fleet', filter: { name: 'nosql' } });
  const pid = await f.pid('nosql');
  f.kill(pid);
  for (;;) {
    const e = await s.next({ type: 'event', subscription: 'f' });
    assert.equal(e.event, 'fleet.node');
    assert.equal(e.data.name, 'nosql');
    if (e.data.state === 'READY' && e.data.pid !== pid) break;
  }
  await s.close();
});

test('each topic asks for its permission', async () => {
  await made('/v1/roles', { id: 'clerk', permissions: ['task.read'] });
  await made('/v1/roles', { id: 'blind', permissions: ['task.create'] });
  const v = await somebody('viola', 'clerk'), b = await somebody('blanche', 'blind');
  const s = await Session.open(f, { token: v.token }), t = await Session.open(f, { token: b.token });
  assert.equal((await s.ask({ type: 'subscribe', topic: 'tasks' })).type, 'subscribed');
  for (const [who, topic] of [[s, 'fleet'], [t, 'tasks'], [t, 'fleet']]) {
    const a = await who.ask({ type: 'subscribe', topic });
    assert.equal(a.error?.status, 403, JSON.stringify(a));
  }
  await s.close();
  await t.close();
});

test('a revoked token hears nothing more and is closed with 4401', async () => {
  const u = await somebody('rita', 'user'), s = await Session.open(f, { token: u.token });
  await s.ask({ type: 'subscribe', id: 'a', topic: 'tasks' });
  await made('/v1/tasks', { title: 'heard' });
  await s.next({ type: 'event' });
  assert.equal((await f.call('PATCH', `/v1/users/${u.id}`, { body: { disabled: true }, headers: { 'content-type': 'application/merge-patch+json' } })).status, 200);
  await until(async () => (await f.call('GET', '/v1/tasks?limit=1', { token: u.token })).status === 401, 'the token is refused');
  for (;;) { // as over HTTP: a confirmation counts for 500 ms
    await made('/v1/tasks', { title: 'not heard' });
    if (await Promise.race([s.closed, new Promise((r) => setTimeout(r, 100))])) break;
  }
  assert.equal((await s.closed).code, 4401);
  assert.ok(s.messages.some((m) => m.type === 'goodbye'));
  await assert.rejects(Session.open(f, { token: u.token }), /4401/);
});

test('at most 32 subscriptions, whose windows are at most 1024 events', async () => {
  const s = await Session.open(f);
  for (let i = 0; i < 4; i++) assert.equal((await s.ask({ type: 'subscribe', id: `w${i}`, topic: 'tasks', window: 256 })).type, 'subscribed');
  assert.equal((await s.ask({ type: 'subscribe', topic: 'tasks', window: 1 })).error.reason, 'TOO_MANY_SUBSCRIPTIONS');
  for (let i = 4; i < 32; i++) assert.equal((await s.ask({ type: 'subscribe', id: `w${i}`, topic: 'tasks' })).type, 'subscribed');
  const a = await s.ask({ type: 'subscribe', topic: 'tasks' });
  assert.deepEqual([a.error.status, a.error.reason], [429, 'TOO_MANY_SUBSCRIPTIONS']);
  s.say({ type: 'subscribe', id: 'w0', topic: 'tasks' });
  assert.equal((await s.next({ type: 'error', id: 'w0' })).error.reason, 'ID_IN_USE');
  await s.close();
});

// --- the handshake ---

const HEAD = 'GET /v1/ws HTTP/1.1\r\nHost: h\r\n', UP = 'Connection: Upgrade\r\nUpgrade: websocket\r\n', KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n', V = 'Sec-WebSocket-Version: 13\r\n';
const shake = async (bytes) => (await ask(f.port, `${bytes}\r\n`, { interim: true }))[0];

test('RFC 6455 4.2.2: the accept is made of the key; no extension is agreed to', async () => {
  const r = await Raw.to(f.port);
  r.say(`${HEAD}${UP}${KEY}${V}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n`);
  const a = await r.answer();
  assert.equal(a.status, 101);
  assert.equal(a.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  assert.equal(a.headers.upgrade, 'websocket');
  assert.match(a.headers.connection, /upgrade/i);
  for (const h of ['sec-websocket-extensions', 'sec-websocket-protocol']) assert.equal(a.headers[h], undefined);
  r.drop();
});

test('RFC 6455 4.2.1: what is no opening handshake is refused, with what would be one', async () => {
  for (const [status, bytes] of [
    [426, HEAD], [426, `${HEAD}Upgrade: h2c\r\nConnection: Upgrade\r\n${KEY}${V}`], [400, `${HEAD}Upgrade: websocket\r\n${KEY}${V}`], [426, `${HEAD}${UP}${KEY}`], [426, `${HEAD}${UP}${KEY}Sec-WebSocket-Version: 8\r\n`],
    [400, `${HEAD}${UP}${V}`], [400, `${HEAD}${UP}${V}Sec-WebSocket-Key: c2hvcnQ=\r\n`], [400, `${HEAD}${UP}${V}${KEY}${KEY}`], [400, `${HEAD}${UP}${KEY}${V}Sec-WebSocket-Protocol: chat\r\n`],
    [400, `${HEAD.replace('1.1', '1.0')}${UP}${KEY}${V}`], [405, `${HEAD.replace('GET', 'POST')}${UP}${KEY}${V}Content-Length: 0\r\n`],
  ]) {
    const a = await shake(bytes);
    assert.equal(a?.status, status, `${bytes}\n${a?.body}`);
    assert.equal(a.headers['content-type'], 'application/problem+json');
    if (status === 426) assert.deepEqual([a.headers.upgrade, a.headers['sec-websocket-version'], JSON.parse(a.body).title], ['websocket', '13', 'Upgrade Required']);
  }
});

test('a page connects from our own host or an origin that is named, no other', async () => {
  for (const [origin, status] of [['http://h', 101], ['https://app.example', 101], ['https://evil.example', 403], ['null', 403], ['https://app.example.evil.example', 403], ['http://h:81', 403]])
    assert.equal((await shake(`${HEAD}${UP}${KEY}${V}Origin: ${origin}\r\n`))?.status, status, origin);
  const s = await Session.open(f, { headers: { origin: 'https://app.example' } });
  await s.close();
});

// --- frames ---

const PINGS = JSON.stringify({ type: 'ping', id: 'x' });
const heard = async (s) => { for (;;) { const m = await s.next(TEXT); if (!m || m.json.type === 'pong') return m?.json.id; } };

test('RFC 6455 5.4: a message may come in fragments, with control frames in between, and bytes one by one', async () => {
  const s = await RawSession.open(f);
  s.say(frame(TEXT, PINGS.slice(0, 5), { fin: false }), frame(PING, 'between'), frame(0, PINGS.slice(5, 6), { fin: false }), frame(0, '', { fin: false }), frame(PONG, 'unasked'), frame(0, PINGS.slice(6)));
  const p = await s.next(PONG);
  assert.equal(p.text, 'between');
  assert.equal(await heard(s), 'x');
  for (const b of frame(TEXT, PINGS)) { s.say(Buffer.from([b])); await new Promise(setImmediate); }
  assert.equal(await heard(s), 'x');
  s.say(frame(TEXT, PINGS), frame(TEXT, PINGS), frame(TEXT, PINGS));
  for (let i = 0; i < 3; i++) assert.equal(await heard(s), 'x');
  s.say(frame(PING, 'p'.repeat(125)));
  assert.equal((await s.next(PONG)).text, 'p'.repeat(125));
  s.say(frame(TEXT, JSON.stringify({ type: 'ping', id: 'é€😀' })));
  assert.equal(await heard(s), 'é€😀');
  s.say(frame(CLOSE, closing(1000, 'bye')));
  assert.equal(await s.ends(), 1000);
});

test('RFC 6455 5, 7.4, 8.1: what breaks the protocol ends the connection, with the code that says so', async () => {
  const text = frame(TEXT, PINGS, { fin: false });
  for (const [what, code, ...bytes] of [
    ['an unmasked frame', 1002, frame(TEXT, PINGS, { mask: false })], ['an unmasked ping', 1002, frame(PING, '', { mask: false })],
    ['RSV1', 1002, frame(TEXT, PINGS, { rsv: 4 })], ['RSV2', 1002, frame(TEXT, PINGS, { rsv: 2 })], ['RSV3', 1002, frame(PING, '', { rsv: 1 })],
    ['opcode 3', 1002, frame(3, '')], ['opcode 15', 1002, frame(15, '')], ['a continuation of nothing', 1002, frame(0, PINGS)], ['a text amid a text', 1002, text, frame(TEXT, PINGS)],
    ['a ping in pieces', 1002, frame(PING, '', { fin: false })], ['a ping of 126 bytes', 1002, frame(PING, 'p'.repeat(126))], ['a length in a longer form', 1002, frame(TEXT, PINGS, { wide: 2 })], ['a length in the longest form', 1002, frame(TEXT, PINGS, { wide: 8 })],
    ['a length with the top bit', 1002, Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])],
    ['a binary message', 1003, frame(BINARY, PINGS)],
    ['no UTF-8', 1007, frame(TEXT, Buffer.from([0x22, 0xff, 0x22]))], ['half a character at the end', 1007, frame(TEXT, Buffer.from([0x22, 0xc3]))], ['a surrogate', 1007, frame(TEXT, Buffer.from([0xed, 0xa0, 0x80]))], ['an overlong slash', 1007, frame(TEXT, Buffer.from([0xc0, 0xaf]))],
    ['no UTF-8, before the message ends', 1007, frame(TEXT, Buffer.from([0x22, 0xff]), { fin: false })],
    ['more than 1 MiB, said before it comes', 1009, frame(TEXT, 'x', { length: (1 << 20) + 1 })], ['more than 1 MiB in fragments', 1009, frame(TEXT, `"${'x'.repeat(1 << 20)}`, { fin: false }).subarray(0), frame(0, 'xx')],
    ['a Close of one byte', 1002, frame(CLOSE, 'x')], ['a Close with 1005', 1002, frame(CLOSE, closing(1005))], ['a Close with 1006', 1002, frame(CLOSE, closing(1006))], ['a Close with 999', 1002, frame(CLOSE, closing(999))], ['a Close with 5000', 1002, frame(CLOSE, closing(5000))],
    ['a Close whose reason is no UTF-8', 1007, frame(CLOSE, Buffer.from([3, 232, 0xff]))],
    ['a Close with 1001', 1001, frame(CLOSE, closing(1001))], ['a Close with 4999', 4999, frame(CLOSE, closing(4999))],
  ]) {
    const s = await RawSession.open(f);
    for (let m; (m = await s.next(TEXT)) && m.json.type !== 'authenticated';);
    s.say(...bytes);
    assert.equal(await s.ends(), code, what);
  }
  const s = await RawSession.open(f);
  s.say(frame(CLOSE));
  const c = await s.next(CLOSE);
  assert.equal(c.payload.length === 0 || c.code === 1000, true, 'a Close without a code');
  assert.ok(await s.raw.closes());
});

test('who has not said who it is may say 16 KiB at a time; known, a mebibyte', async () => {
  const s = await RawSession.open(f, { token: null });
  s.say(frame(TEXT, 'x'.repeat((16 << 10) + 1)));
  assert.equal(await s.ends(), 1009);
  const t = await Session.open(f);
  const a = await t.submit('POST', '/tasks', { title: 'large', payload: { text: 'x'.repeat(60_000) } });
  assert.equal(a.status, 201, JSON.stringify(a).slice(0, 300));
  t.say(`{"type":"ping","id":"${'x'.repeat((1 << 20) - 100)}"}`);
  assert.equal((await t.next({ type: 'error' })).error.errors?.length, 1);
  t.say('x'.repeat((1 << 20) + 1));
  assert.equal((await t.closed).code, 1009);
});

test('npm ws with permessage-deflate asked for is served without it', async () => {
  const ws = new WebSocket(`ws://127.0.0.1:${f.port}/v1/ws`, 'metafed.v1', { perMessageDeflate: true });
  await new Promise((resolve, reject) => { ws.once('message', resolve); ws.once('error', reject); });
  assert.equal(ws.extensions, '');
  ws.terminate();
});

// --- time, and the end ---

test('a silent client is asked with a ping and cut after twice that; a message that does not get whole ends with 1008', async () => {
  const [silent, slow, live] = await Promise.all([RawSession.open(f), RawSession.open(f), Session.open(f)]);
  const bytes = frame(TEXT, `"${'x'.repeat(1000)}"`);
  let at = 0;
  const drip = setInterval(() => slow.say(bytes.subarray(at, ++at)), 200);
  try {
    assert.ok(await silent.next(PING), 'a ping');
    assert.equal(await slow.ends(), 1008);
    assert.equal(await silent.next(CLOSE), null);
    assert.ok(await silent.raw.closes());
    assert.equal(live.end, undefined); // ws answers pings
    assert.equal((await live.ask({ type: 'ping' })).type, 'pong');
  } finally { clearInterval(drip); }
  await live.close();
});

test('nobody said who it is within 10 s: 4408', async () => {
  const { goodbye, closed } = await silent;
  assert.equal(goodbye.reason, 'AUTH_TIMEOUT');
  assert.equal(closed.code, 4408);
});

test('a drained edge answers what was said, then says 1001; the client resumes at the next one', async () => {
  const s = await Session.open(f);
  const { position } = await s.ask({ type: 'subscribe', id: 'd', topic: 'tasks' });
  const said = Array.from({ length: 20 }, (_, i) => s.submit('POST', '/tasks', { title: `drained ${i}` }));
  await said[0];
  f.kill(await f.pid('api'), 'SIGTERM');
  const done = (await Promise.allSettled(said)).filter((r) => r.status === 'fulfilled');
  assert.equal((await s.closed).code, 1001);
  assert.ok(s.messages.some((m) => m.type === 'goodbye'));
  let t;
  await until(async () => (t = await Session.open(f).catch(() => null)), 'another session');
  await t.ask({ type: 'subscribe', id: 'd', topic: 'tasks', after: position });
  for (let i = 0; i < done.length; i++) await t.next((m) => m.type === 'event' && m.subscription === 'd');
  await t.close();
});

// GET /v1/events: server-sent events, with npm eventsource as a page would use them, and as bytes.
import { test, before, after, afterEach } from 'node:test';
import assert from 'node:assert/strict';
import { EventSource } from 'eventsource';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, sleep, until } from '../harness/fleet.mjs';
import { Raw, ask } from '../harness/http_raw.mjs';
import { Stream } from './stream.mjs';

const PASSWORD = 'correct horse battery';
let f;
before(async () => { f = await Fleet.start({ conf: '[api]\nlimit = off\nping_time = 300ms\nsend_time = 2s\nsession_queue = 16k\nconnections = 40\naccess_log = all\ncors_origins = https://app.example\n' }); });
after(async () => { await f?.stop(); });
afterEach(() => Stream.closeAll());

const created = async (title, more = {}) => {
  const r = await f.call('POST', '/v1/tasks', { body: { title, ...more } });
  assert.equal(r.status, 201, r.text);
  return r.json;
};
async function somebody(username, permissions) {
  assert.equal((await f.call('POST', '/v1/roles', { body: { id: `role-of-${username}`, permissions } })).status, 201);
  const u = await f.call('POST', '/v1/users', { body: { username, password: PASSWORD, roles: [`role-of-${username}`] } });
  assert.equal(u.status, 201, u.text);
  const r = await f.call('POST', '/v1/auth/login', { token: null, body: { username, password: PASSWORD } });
  return { id: u.json.id, role: `role-of-${username}`, token: r.json.access_token };
}
const isTask = (e) => e.event.startsWith('task.');
const sessions = async () => Number(/^metafed_sessions(?:{[^}]*})? ([0-9]+)/m.exec((await f.call('GET', '/metrics', { token: null })).text)?.[1]);
const log = () => readFileSync(path.join(f.var, 'log/api.log'), 'utf8');

test('a stream says where it begins, then what happens to tasks, in order', async () => {
  const s = await Stream.open(f);
  assert.equal(s.status, 200, s.text);
  assert.equal(s.headers['content-type'], 'text/event-stream');
  assert.equal(s.headers['cache-control'], 'no-store');
  assert.equal(s.headers['x-content-type-options'], 'nosniff');
  assert.equal(s.headers['content-encoding'], undefined);
  const first = await s.next();
  assert.equal(first.event, 'subscribed');
  assert.deepEqual(first.data, { topics: ['tasks'] });
  assert.equal(s.retry, 1000);
  assert.equal((await s.next()).event, 'caught_up');
  const t = await created('seen');
  await f.call('PATCH', `/v1/tasks/${t.id}`, { body: { title: 'again' }, headers: { 'content-type': 'application/merge-patch+json' } });
  await f.call('DELETE', `/v1/tasks/${t.id}`);
  const got = [await s.next(), await s.next(), await s.next()];
  assert.deepEqual(got.map((e) => [e.event, e.data.data.id]), [['task.created', t.id], ['task.updated', t.id], ['task.deleted', t.id]]);
  assert.equal(new Set([first, ...got].map((e) => e.id)).size, 4);
  assert.ok(Math.abs(Date.parse(got[0].data.at) - Date.now()) < 60_000);
  await until(() => s.comments >= 2, 'comments that keep it alive');
  s.close();
  const lines = () => f.logged('api', '"/v1/events"').filter((l) => l.event === 'request');
  await until(() => lines().some((l) => l.status === 200), 'its line in the access log');
  const line = lines().at(-1);
  assert.equal(line.principal, 'admin');
  assert.ok(line.bytes > 500, JSON.stringify(line));
  assert.ok(!log().includes(f.token.split('.')[2]), 'no token in the log');
});

test('npm eventsource hears, comes back after the edge was killed, and misses nothing', async () => {
  const url = `${f.url}/v1/events?namespace=default&kind=task.created`;
  const es = new EventSource(url, { fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, authorization: `Bearer ${f.token}` } }) });
  const ids = [], heard = [];
  let opens = 0;
  es.addEventListener('open', () => { opens++; });
  es.addEventListener('task.created', (e) => heard.push(JSON.parse(e.data).data.id));
  try {
    await new Promise((resolve) => es.addEventListener('subscribed', resolve, { once: true }));
    for (let i = 0; i < 5; i++) ids.push((await created(`heard ${i}`)).id);
    await until(() => heard.length === 5, 'five events');
    f.kill(await f.pid('api'));
    for (let i = 0; i < 5;) try { ids.push((await created(`not heard ${i}`)).id); i++; } catch { await sleep(50); }
    await until(() => heard.length >= 10 && opens >= 2, () => `ten events, there are ${heard.length}`);
    for (let i = 0; i < 3; i++) ids.push((await created(`heard again ${i}`)).id);
    await until(() => heard.length >= 13, 'thirteen events');
    assert.deepEqual(heard, ids);
  } finally { es.close(); }
});

test('Last-Event-ID resumes behind that event, and counts more than after', async () => {
  const s = await Stream.open(f), ids = [];
  const { id: begin } = await s.next('subscribed');
  for (let i = 0; i < 12; i++) ids.push((await created(`resume ${i}`)).id);
  for (let i = 0; i < 4; i++) await s.next(isTask);
  const fifth = await s.next(isTask);
  s.close();
  const byHeader = await Stream.open(f, { last: fifth.id, query: `?after=${begin}` }), byQuery = await Stream.open(f, { query: `?after=${begin}` });
  for (const id of ids.slice(5)) assert.equal((await byHeader.next(isTask)).data.data.id, id);
  for (const id of ids) assert.equal((await byQuery.next(isTask)).data.data.id, id);
  await byHeader.next('caught_up');
  await byQuery.next('caught_up');
  assert.ok(![...byHeader.events, ...byQuery.events].some(isTask));
  byHeader.close();
  byQuery.close();
});

test('both topics in one stream, and its id resumes both', async () => {
  const s = await Stream.open(f, { query: '?topics=fleet,tasks&name=nosql&priority=CRITICAL' });
  const first = await s.next();
  assert.equal(first.event, 'subscribed');
  assert.deepEqual(first.data.topics.sort(), ['fleet', 'tasks']);
  assert.match(first.id, /^\d+\.\d+,[^,]+$/);
  await created('not wanted');
  const t = await created('wanted', { priority: 'CRITICAL' });
  const e = await s.next(isTask);
  assert.equal(e.data.data.id, t.id);
  s.close();
  const pid = await f.pid('nosql');
  f.kill(pid);
  const u = await created('meanwhile', { priority: 'CRITICAL' });
  await f.back('nosql', pid);
  const r = await Stream.open(f, { query: '?topics=fleet,tasks&name=nosql&priority=CRITICAL', last: e.id });
  assert.equal((await r.next(isTask)).data.data.id, u.id);
  for (;;) {
    const n = await r.next('fleet.node');
    assert.equal(n.data.data.name, 'nosql');
    if (n.data.data.state === 'READY' && n.data.data.pid !== pid) break;
  }
  assert.ok(!r.events.some(isTask));
  r.close();
});

test('a log that has moved on is a gap', async () => {
  const now = await Stream.open(f), { id } = await now.next('subscribed');
  const s = await Stream.open(f, { last: id.replace(/^[^-]+/, '00000000') }); // of another log
  assert.equal((await s.next('gap')).data.topic, 'tasks');
  const t = await created('behind the gap');
  assert.equal((await s.next((e) => e.data?.data?.id === t.id)).event, 'task.created');
  s.close();
  const g = await Stream.open(f, { query: '?topics=fleet&after=7777777.1' });
  await g.next('gap');
  g.close();
});

test('what is wrong with the request is said as everywhere', async () => {
  for (const [status, how, pointer] of [
    [401, { token: null }], [401, { token: 'nonsense' }], [401, { token: null, headers: { authorization: 'Basic eDp5' } }],
    [422, { query: '?topics=users' }, 'topics'], [422, { query: '?topics=tasks,tasks' }, 'topics'], [422, { query: '?colour=red' }, 'colour'], [422, { query: '?name=sql' }, 'name'], [422, { query: '?topics=fleet&namespace=x' }, 'namespace'],
    [422, { last: 'x-1-1,1.1' }, 'Last-Event-ID'], [422, { query: '?topics=fleet&after=nonsense' }, 'after'], [422, { query: '?topics=tasks&topics=fleet' }, 'topics'],
    [422, { last: 'nonsense' }], [422, { query: '?topics=%zz' }, 'query'], [406, { headers: { accept: 'application/json' } }], [406, { headers: { accept: 'text/event-stream;q=0, */*' } }],
  ]) {
    const s = await Stream.open(f, how), what = `${JSON.stringify(how)}: ${s.status} ${s.text}`;
    assert.equal(s.status, status, what);
    assert.equal(s.headers['content-type'], 'application/problem+json', what);
    assert.equal(s.json.status, status);
    if (status === 401) assert.match(s.headers['www-authenticate'], /^Bearer/);
    if (pointer) assert.ok(JSON.stringify(s.json.errors).includes(pointer), what);
  }
  for (const accept of ['text/event-stream', 'text/*', '*/*', 'application/json;q=0.5, text/event-stream']) {
    const s = await Stream.open(f, { headers: { accept } });
    assert.equal(s.status, 200, accept);
    s.close();
  }
});

test('HEAD says what GET would; other methods are refused; a session subscribes instead', async () => {
  const h = await Stream.open(f, { method: 'HEAD' });
  assert.equal(h.status, 200);
  assert.equal(h.headers['content-type'], 'text/event-stream');
  assert.equal(h.headers['content-length'], undefined);
  assert.equal(await h.closed, true);
  assert.equal((await Stream.open(f, { method: 'HEAD', token: null })).status, 401);
  const p = await f.call('POST', '/v1/events', { body: {} });
  assert.equal(p.status, 405);
  assert.equal(p.headers.allow, 'GET, HEAD, OPTIONS');
  assert.equal((await f.call('OPTIONS', '/v1/events')).status, 204);
});

test('RFC 9112 7.1: the stream comes in chunks and is the connection\'s last answer; to HTTP/1.0 it comes as it is', async () => {
  for (const version of ['1.1', '1.0']) {
    const r = await Raw.to(f.port);
    r.say(`GET /v1/events HTTP/${version}\r\nHost: h\r\nAuthorization: Bearer ${f.token}\r\n\r\n`);
    await r.until(() => r.bytes.includes('caught_up'), 10_000);
    const head = r.bytes.toString().split('\r\n\r\n')[0].toLowerCase(), body = r.bytes.toString().split('\r\n\r\n').slice(1).join('\r\n\r\n');
    assert.match(head, /^http\/1\.1 200/);
    assert.equal(/transfer-encoding: chunked/.test(head), version === '1.1', head);
    assert.match(head, /connection: close/);
    assert.match(body, version === '1.1' ? /^[0-9A-F]+\r\nretry: 1000\n\n/ : /^retry: 1000\n\n/);
    r.drop();
  }
});

test('each topic asks for its permission, from beginning to end', async () => {
  const clerk = await somebody('clara', ['task.read']), blind = await somebody('bruno', ['task.create']);
  assert.equal((await Stream.open(f, { token: blind.token })).status, 403);
  assert.equal((await Stream.open(f, { token: clerk.token, query: '?topics=tasks,fleet' })).status, 403);
  const s = await Stream.open(f, { token: clerk.token });
  await created('heard');
  await s.next(isTask);
  assert.equal((await f.call('PATCH', `/v1/roles/${clerk.role}`, { body: { permissions: ['task.create'] }, headers: { 'content-type': 'application/merge-patch+json' } })).status, 200);
  await until(async () => { await created('not heard'); return s.over; }, 'its end');
  assert.equal((await s.next('goodbye')).data.reason.length > 0, true);
  assert.equal(await s.closed, true, 'ended as a stream ends');
  assert.equal((await Stream.open(f, { token: clerk.token })).status, 403);
});

test('a revoked token ends the stream', async () => {
  const u = await somebody('ruth', ['task.read']), s = await Stream.open(f, { token: u.token });
  await s.next('subscribed');
  assert.equal((await f.call('PATCH', `/v1/users/${u.id}`, { body: { disabled: true }, headers: { 'content-type': 'application/merge-patch+json' } })).status, 200);
  await until(async () => { await created('not heard'); return s.over; }, 'its end');
  await s.next('goodbye');
  assert.equal((await Stream.open(f, { token: u.token })).status, 401);
});

test('a reader that takes nothing is cut after send_time, and comes back to what it has missed', async () => {
  const slow = await Stream.open(f);
  const { id } = await slow.next('subscribed');
  slow.response.pause();
  let n = 0, cut = false;
  const gone = () => Number(/^metafed_streams_cut_total(?:{[^}]*node="api"[^}]*})? ([0-9]+)/m.exec(f.metrics ?? '')?.[1] ?? 0);
  await until(async () => {
    const r = await f.call('POST', '/v1/tasks:bulk', { body: Array.from({ length: 500 }, () => ({ title: `slow ${n}`, type: 'x'.repeat(100) })) });
    if (r.status === 200) n += 500;
    f.metrics = (await f.call('GET', '/metrics', { token: null })).text;
    return (cut = gone() > 0);
  }, 'that it is cut', 60_000);
  assert.ok(cut);
  slow.close();
  const s = await Stream.open(f, { last: id });
  for (let i = 0; i < n; i++) await s.next(isTask);
  s.close();
});

test('streams take half of the connections, no more', async () => {
  const all = [];
  await until(async () => await sessions() === 0, 'the end of those before');
  try {
    for (let i = 0; i < 25; i++) all.push(await Stream.open(f));
    const refused = all.filter((s) => s.status !== 200);
    assert.equal(all.length - refused.length, 20);
    assert.ok(refused.every((s) => s.status === 503 && s.json.reason === 'TOO_MANY_STREAMS' && s.headers['retry-after']));
    assert.equal((await f.call('GET', '/v1/tasks?limit=1')).status, 200);
  } finally { for (const s of all) s.close(); }
  await until(async () => { const s = await Stream.open(f); s.close(); return s.status === 200; }, 'room again');
});

test('a client that leaves is noticed; a page of a named origin may read', async () => {
  await until(async () => await sessions() === 0, 'no session');
  const s = await Stream.open(f, { headers: { origin: 'https://app.example' } });
  assert.equal(s.headers['access-control-allow-origin'], 'https://app.example');
  await until(async () => await sessions() === 1, 'a session');
  s.close();
  await until(async () => await sessions() === 0, 'none again');
  const [p] = await ask(f.port, 'OPTIONS /v1/events HTTP/1.1\r\nHost: h\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: last-event-id, authorization\r\n\r\n');
  assert.match(p.headers['access-control-allow-headers'], /Last-Event-ID/);
});

test('a drained edge says goodbye and ends the stream whole', async () => {
  const s = await Stream.open(f);
  const { id } = await s.next('subscribed');
  f.kill(await f.pid('api'), 'SIGTERM');
  assert.equal((await s.next('goodbye')).data.reason, 'GOING_AWAY');
  assert.equal(await s.closed, true);
  let r;
  await until(async () => (r = await Stream.open(f, { last: id }).catch(() => null))?.status === 200, 'another stream');
  r.close();
});

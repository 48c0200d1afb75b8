// What a dashboard asks of the fleet: calls between nodes, settings, counts, histories, one action on all that a filter matches.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, NODES, run, until } from '../harness/fleet.mjs';
import path from 'node:path';

const SECRET = 'planted-hunter2-planted';
const NONE = '0199f0c0-1234-7abc-8def-0123456789ff';
let f;

before(async () => { f = await Fleet.start({ conf: `[sql]\npg_replicas = host=/nonexistent password=${SECRET}\npg_slow = 7s\n[oauth]\nlog_level = info\n` }); });
after(() => f?.stop());

const made = async (body) => { const r = await f.call('POST', '/v1/tasks', { body }); assert.equal(r.status, 201, r.text); return r.json; };
const many = async (n, label) => {
  const made = [];
  for (let at = 0; at < n; at += 1000) {
    const r = await f.call('POST', '/v1/tasks:bulk', { body: { tasks: Array.from({ length: Math.min(1000, n - at) }, (u, i) => ({ title: `${label} ${at + i}`, labels: { of: label } })) } });
    assert.equal(r.status, 200, r.text);
    made.push(...r.json.items.map((i) => i.task));
  }
  return made;
};
const apply = (body, headers) => f.call('POST', '/v1/tasks:apply', { body, headers });
const get = async (p) => { const r = await f.call('GET', p); assert.equal(r.status, 200, r.text); return r.json; };
const cli = (...args) => run(path.join(f.bin, 'metafed'), ['--var', f.var, '--token-file', f.tokenFile?.() ?? path.join(f.dir, 'token'), ...args]);

test('the fleet says of each node what it does, and between whom calls go', async () => {
  for (let i = 0; i < 30; i++) await made({ title: `load ${i}` });
  let fleet;
  const busy = ['api', 'rest', 'meta', 'database', 'sql'];      // what was asked half a second ago may be told
  await until(async () => (fleet = await get('/v1/fleet')).nodes.every((n) => n.calls_per_s > (busy.includes(n.name) ? 0 : -1)), 'all nodes answer');
  const of = (name) => fleet.nodes.find((n) => n.name === name);
  assert.deepEqual(fleet.nodes.map((n) => n.name).toSorted(), NODES.toSorted());
  for (const n of fleet.nodes) {
    assert.equal(n.log_level, 'info', n.name);
    assert.equal(n.restarts_in_window, n.restarts);
    assert.ok(n.window_s > 0 && n.cpu_percent >= 0 && n.cpu_percent < 400 && n.errors_per_s >= 0, JSON.stringify(n));
  }
  for (const name of busy) {
    assert.ok(of(name).calls_per_s > 0, name);
    assert.ok(of(name).p50_ms > 0 && of(name).p99_ms >= of(name).p50_ms, JSON.stringify(of(name)));
  }
  assert.equal(fleet.journal_entries, 0);
  const { window_s, items } = await get('/v1/fleet/calls');
  assert.equal(window_s, 10);
  const edge = (from, to) => items.find((i) => i.from === from && i.to === to && i.per_s > 0);
  for (const [from, to] of [['api', 'rest'], ['rest', 'meta'], ['meta', 'database'], ['database', 'sql']]) {
    const e = edge(from, to);
    assert.ok(e, `${from} -> ${to}`);
    assert.ok(e.p50_ms > 0 && e.p99_ms >= e.p50_ms && e.errors_per_s >= 0 && e.breaker === 'closed', JSON.stringify(e));
  }
  assert.equal(items.filter((i) => i.service === 'Node').length, 0);      // who looks is not looked at
});

test('a method that nobody knows is no error of the fleet', async () => {
  for (let i = 0; i < 5; i++) assert.equal((await f.call('PROPFIND', '/v1/tasks')).status, 501);
  const page = (await f.call('GET', '/metrics', { token: null })).text;
  assert.match(page, /^metafed_http_requests_total\{[^}]*status="501"\} [1-9]/m);
  let api;
  await until(async () => (api = (await get('/v1/fleet')).nodes.find((n) => n.name === 'api')).calls_per_s > 0, 'api says what it serves');
  assert.equal(api.errors_per_s, 0);
});

test('a node that is gone shows as such, and calls to its stand-in begin', async () => {
  const gone = (await get('/v1/fleet')).nodes.find((n) => n.name === 'rest');
  process.kill(gone.pid, 'SIGKILL');
  await made({ title: 'meanwhile' });
  await until(async () => (await get('/v1/fleet')).nodes.some((n) => n.name === 'rest' && n.state === 'READY' && n.pid !== gone.pid && n.restarts_in_window === gone.restarts_in_window + 1), 'rest is back');
});

test('settings say what is in force and where it was said, and no secret leaves its node', async () => {
  const { items, unanswered } = await get('/v1/settings');
  assert.deepEqual(unanswered, []);
  assert.deepEqual([...new Set(items.map((i) => i.node))].toSorted(), NODES.toSorted());
  const of = (node, key) => items.find((i) => i.node === node && i.key === key);
  assert.deepEqual({ ...of('sql', 'pg_slow'), help: '' }, { node: 'sql', key: 'pg_slow', value: '7s', default: '1s', source: 'file', needs_restart: true, help: '' });
  assert.equal(of('sql', 'pg_short_conns').source, 'default');
  assert.equal(of('sql', 'pg_short_conns').value, of('sql', 'pg_short_conns').default);
  assert.deepEqual([of('sql', 'pg_replicas').value, of('sql', 'pg_replicas').default, of('sql', 'pg_replicas').secret], [null, null, true]);
  assert.equal((await get('/v1/settings?node=sql')).items.filter((i) => i.node !== 'sql').length, 0);
  assert.equal((await f.call('GET', '/v1/settings?node=nobody')).status, 404);
  const told = cli('settings', 'sql', '--changed').stdout;
  assert.ok(told.includes(` ${of('sql', 'pg_password_file').value} `), told);      // no value is cut
});

test('tasks are counted by state, also with filters', async () => {
  await many(7, 'counted');
  const before = await get('/v1/tasks:count');
  assert.deepEqual(await get('/v1/tasks:count?label=of%3Dcounted'), { by_state: { QUEUED: 7 }, count: 7, more: false });
  assert.deepEqual(await get('/v1/tasks:count?label=of%3Dnothing'), { by_state: {}, count: 0, more: false });
  assert.deepEqual(await get('/v1/tasks:count?q=counted'), { by_state: { QUEUED: 7 }, count: 7, more: false });
  assert.equal(before.count, Object.values(before.by_state).reduce((a, b) => a + b, 0));
  assert.equal((await f.call('GET', '/v1/tasks:count?limit=1')).status, 422);
});

test('the history of a task is what the log of events has of it', async () => {
  const t = await made({ title: 'with a past', priority: 'LOW' });
  for (const [body] of [[{ state: 'RUNNING' }], [{ title: 'another' }], [{ priority: 'HIGH', type: 'x' }]])
    assert.equal((await f.call('PATCH', `/v1/tasks/${t.id}`, { body, headers: { 'content-type': 'application/merge-patch+json' } })).status, 200);
  const all = await get(`/v1/tasks/${t.id}/history`);
  assert.deepEqual(all.items.map((e) => [e.event, e.version, e.changes]), [
    ['task.updated', 4, { type: { from: t.type, to: 'x' }, priority: { from: 'LOW', to: 'HIGH' } }],
    ['task.updated', 3, {}],
    ['task.updated', 2, { state: { from: 'QUEUED', to: 'RUNNING' } }],
    ['task.created', 1, {}],
  ]);
  assert.equal(all.complete, true);
  assert.equal(all.items[3].created_by, t.created_by);
  const first = await get(`/v1/tasks/${t.id}/history?limit=3`), rest = await get(`/v1/tasks/${t.id}/history?cursor=${first.next_cursor}`);
  assert.deepEqual([...first.items, ...rest.items], all.items);
  assert.equal((await f.call('DELETE', `/v1/tasks/${t.id}`)).status, 204);
  assert.deepEqual((await get(`/v1/tasks/${t.id}/history`)).items.map((e) => e.event)[0], 'task.deleted');
  assert.equal((await f.call('GET', `/v1/tasks/${NONE}/history`)).status, 404);
  assert.equal((await f.call('GET', `/v1/tasks/${t.id}/history?cursor=abc`)).status, 422);
});

test('an action on all that match: previewed, refused when there are more, done, told what failed', async () => {
  const tasks = await many(1203, 'applied');
  const filter = { label: 'of=applied', state: 'QUEUED' }, changes = { priority: 'CRITICAL' };
  const preview = await apply({ filter, action: 'update', changes, dry_run: true });
  assert.equal(preview.status, 200, preview.text);
  assert.deepEqual([preview.json.matched, preview.json.sample.length, preview.json.done, preview.json.more], [1203, 5, 0, false]);
  assert.equal((await apply({ filter, action: 'update', changes })).status, 422);
  const refused = await apply({ filter, action: 'update', changes, expected: 1202 });
  assert.deepEqual([refused.status, refused.json.reason], [409, 'MORE_THAN_EXPECTED']);
  assert.equal((await get('/v1/tasks:count?label=of%3Dapplied&priority=CRITICAL')).count, 0);
  const done = await apply({ filter, action: 'update', changes, expected: 1203 });
  assert.equal(done.status, 200, done.text);
  assert.deepEqual({ ...done.json, failed: done.json.failed.length }, { matched: 1203, sample: [], done: 1203, failed: 0, more: false, cursor: null });
  assert.equal((await get('/v1/tasks:count?label=of%3Dapplied&priority=CRITICAL')).count, 1203);
  const history = await get(`/v1/tasks/${tasks[600].id}/history`);
  assert.deepEqual(history.items[0].changes, { priority: { from: 'MEDIUM', to: 'CRITICAL' } });   // an update like any other
});

test('a key makes it happen once; a repeat gets the first answer', async () => {
  const [t] = await many(5, 'once');
  const body = { filter: { label: ['of=once'] }, action: 'update', changes: { title: 'changed' }, expected: 5 }, headers = { 'idempotency-key': '"apply once"' };
  const first = await apply(body, headers), again = await apply(body, headers);
  assert.deepEqual(again.json, first.json);
  assert.equal(again.headers['idempotency-replayed'], 'true');
  assert.equal((await get(`/v1/tasks/${t.id}`)).version, 2);
});

test('no more than was expected is touched, and a cursor goes on where it stopped', async () => {
  await many(20, 'paged');
  const filter = { label: ['of=paged'] };
  const whole = await apply({ filter, action: 'delete', dry_run: true });
  assert.equal(whole.json.matched, 20);
  const deleted = await apply({ filter, action: 'delete', expected: 20 });
  assert.deepEqual([deleted.json.done, deleted.json.more, deleted.json.failed], [20, false, []]);
  assert.equal((await get('/v1/tasks:count?label=of%3Dpaged')).count, 0);
});

test('what is wrong with the filter or the changes is said in its place', async () => {
  for (const [body, pointer] of [
    [{ filter: { state: 'NOWHERE' }, action: 'delete', dry_run: true }, '#/filter/state'],
    [{ filter: {}, action: 'update', dry_run: true }, '#/changes'],
    [{ filter: {}, action: 'update', changes: { priority: 'SOON' }, dry_run: true }, '#/changes/priority'],
    [{ filter: {}, action: 'delete', changes: {}, dry_run: true }, '#/changes'],
    [{ filter: { colour: 'red' }, action: 'delete', dry_run: true }, '#/filter/colour'],
    [{ filter: {}, action: 'delete' }, '#/expected'],
  ]) {
    const r = await apply(body);
    assert.equal(r.status, 422, r.text);
    assert.equal(r.json.errors[0].pointer, pointer, r.text);
  }
});

test('the action needs its permission, a preview too', async () => {
  assert.equal((await f.call('POST', '/v1/users', { body: { username: 'vera', password: 'correct horse battery', roles: ['viewer'] } })).status, 201);
  const { json } = await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'vera', password: 'correct horse battery' } });
  const as = (body) => f.call('POST', '/v1/tasks:apply', { body, token: json.access_token });
  for (const body of [{ filter: {}, action: 'delete', dry_run: true }, { filter: {}, action: 'update', changes: { title: 'x' }, expected: 1e6 }])
    assert.equal((await as(body)).status, 403);
  assert.equal((await f.call('GET', '/v1/settings', { token: json.access_token })).status, 403);
  assert.equal((await f.call('GET', '/v1/tasks:count', { token: json.access_token })).status, 200);
});

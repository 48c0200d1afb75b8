// The whole path: every operation of a client through three levels, on real stores.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, BIN, NODES, run } from '../harness/fleet.mjs';

let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const problem = (r, status, code) => {
  assert.equal(r.status, status, r.text);
  assert.match(r.headers['content-type'], /^application\/problem\+json/);
  assert.equal(r.json.status, status);
  if (code) assert.equal(r.json.code ?? r.json.reason, code, r.text);
};

test('the fleet lists exactly the thirteen, all READY, and meta is the orchestrator', async () => {
  const r = await f.call('GET', '/v1/fleet');
  assert.equal(r.status, 200);
  assert.deepEqual(r.json.nodes.map((n) => n.name).sort(), [...NODES].sort());
  for (const n of r.json.nodes) {
    assert.equal(n.state, 'READY', n.name);
    for (const k of ['level', 'domain', 'pid', 'generation', 'restarts', 'uptime', 'breakers', 'in_flight', 'rss']) assert.ok(k in n, `${n.name}.${k}`);
    assert.ok(n.rss > 1e6, `${n.name} has memory`);
  }
  const apart = (r.json.apart ?? []).map((n) => n.name);
  for (const n of r.json.apart) assert.ok(n.generation >= 1, `${n.name} has a generation`);
  for (const name of ['guard', 'supervisor', 'postgres', 'redis-docs', 'redis-cache']) assert.ok(apart.includes(name), `${name} stands apart`);
});

test('health pages answer', async () => {
  for (const p of ['/livez', '/readyz', '/health']) assert.equal((await f.call('GET', p, { token: null })).status, 200, p);
});

test('metrics of all nodes are one page of Prometheus text', async () => {
  const r = await f.call('GET', '/metrics', { token: null });
  assert.equal(r.status, 200);
  assert.match(r.headers['content-type'], /^text\/plain; version=0\.0\.4/);
  const up = new Set([...r.text.matchAll(/^metafed_up\{node="([a-z]+)"\} 1$/gm)].map((m) => m[1]));
  assert.deepEqual([...up].sort(), [...NODES].sort());
  const types = [...r.text.matchAll(/^# TYPE (\S+)/gm)].map((m) => m[1]);
  assert.equal(types.length, new Set(types).size, 'one TYPE line per family');
});

test('admin.json is readable by its owner only', () => {
  assert.equal(statSync(path.join(f.var, 'admin.json')).mode & 0o777, 0o600);
});

test('log-in answers a pair of tokens; a wrong password does not', async () => {
  const t = f.tokens;
  assert.equal(t.token_type, 'Bearer');
  assert.equal(t.expires_in, 3600);
  assert.ok(t.refresh_token.length >= 32);
  problem(await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'admin', password: 'wrong' } }), 401);
  problem(await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'nobody', password: 'wrong' } }), 401);
  problem(await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'admin' } }), 422);
});

test('refresh rotates; a retry gives the same pair; a token whose successor was used ends the session', async () => {
  const refresh = (token) => f.call('POST', '/v1/auth/refresh', { token: null, body: { refresh_token: token } });
  const first = (await f.call('POST', '/v1/auth/login', { token: null, body: f.admin() })).json;
  const second = await refresh(first.refresh_token);
  assert.equal(second.status, 200, second.text);
  assert.notEqual(second.json.refresh_token, first.refresh_token);
  assert.equal((await refresh(first.refresh_token)).json.refresh_token, second.json.refresh_token);
  const third = await refresh(second.json.refresh_token);
  assert.equal(third.status, 200, third.text);
  problem(await refresh(first.refresh_token), 401);
  problem(await refresh(third.json.refresh_token), 401);
  problem(await f.call('GET', '/v1/tasks', { token: third.json.access_token }), 401);
});

test('a task lives: create, read, list, update, delete', async () => {
  const made = await f.call('POST', '/v1/tasks', { body: { title: 'Paint the fence', type: 'manual', priority: 2, labels: { area: 'garden' }, payload: { n: [1, 2.5, 'ü'] } } });
  assert.equal(made.status, 201, made.text);
  const t = made.json;
  assert.match(t.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(made.headers.location, `/v1/tasks/${t.id}`);
  assert.equal(made.headers.etag, '"1"');
  assert.equal(t.priority, 'HIGH');
  assert.equal(t.version, 1);
  assert.deepEqual(t.payload, { n: [1, 2.5, 'ü'] });
  assert.match(t.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);

  const read = await f.call('GET', `/v1/tasks/${t.id}`);
  assert.equal(read.status, 200);
  assert.deepEqual(read.json, t);
  assert.equal((await f.call('GET', `/v1/tasks/${t.id}`, { headers: { 'if-none-match': '"1"' } })).status, 304);
  const head = await f.call('HEAD', `/v1/tasks/${t.id}`);
  assert.equal(head.status, 200);
  assert.equal(head.text, '');

  const patched = await f.call('PATCH', `/v1/tasks/${t.id}`, { body: { title: 'Paint the gate', payload: { n: null, m: 1 } }, headers: { 'if-match': '"1"', 'content-type': 'application/merge-patch+json' } });
  assert.equal(patched.status, 200, patched.text);
  assert.equal(patched.json.title, 'Paint the gate');
  assert.equal(patched.json.version, 2);
  assert.deepEqual(patched.json.payload, { m: 1 });
  problem(await f.call('PATCH', `/v1/tasks/${t.id}`, { body: { title: 'x' }, headers: { 'if-match': '"1"' } }), 412);
  assert.equal((await f.call('PATCH', `/v1/tasks/${t.id}`, { body: { priority: 'LOW' } })).json.priority, 'LOW');

  problem(await f.call('DELETE', `/v1/tasks/${t.id}`, { headers: { 'if-match': '"1"' } }), 412);
  assert.equal((await f.call('DELETE', `/v1/tasks/${t.id}`)).status, 204);
  problem(await f.call('GET', `/v1/tasks/${t.id}`), 404);
  problem(await f.call('DELETE', `/v1/tasks/${t.id}`), 404);
});

test('lists page by cursor without a gap or a double while rows are added', async () => {
  const label = `page${Date.now()}`;
  const want = new Set();
  for (let i = 0; i < 25; i++) want.add((await f.call('POST', '/v1/tasks', { body: { title: `p${i}`, priority: i % 2 ? 'HIGH' : 'LOW', type: 'echo', labels: { run: label } } })).json.id);
  const seen = [];
  let cursor = '';
  do {
    const r = await f.call('GET', `/v1/tasks?limit=10&label=run%3D${label}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    assert.equal(r.status, 200, r.text);
    assert.ok(r.json.items.length <= 10);
    seen.push(...r.json.items.map((t) => t.id));
    if (cursor === '') await f.call('POST', '/v1/tasks', { body: { title: 'between', labels: { run: 'other' } } });
    cursor = r.json.next_cursor;
  } while (cursor);
  assert.deepEqual(new Set(seen), want);
  assert.equal(seen.length, 25);
  const high = await f.call('GET', `/v1/tasks?limit=100&priority=HIGH&type=echo&state=QUEUED&label=run%3D${label}`);
  assert.equal(high.json.items.length, 12);
  problem(await f.call('GET', '/v1/tasks?limit=0'), 422);
  problem(await f.call('GET', '/v1/tasks?cursor=rubbish'), 422);
});

test('a bulk create answers for each item on its own', async () => {
  const r = await f.call('POST', '/v1/tasks:bulk', { body: { tasks: [{ title: 'one' }, { title: '' }, { title: 'three', priority: 9 }, { title: 'four' }] } });
  assert.equal(r.status, 200, r.text);
  assert.deepEqual(r.json.items.map((i) => i.status), [201, 422, 422, 201]);
  assert.equal(r.json.items[3].task.title, 'four');
  assert.deepEqual(r.json.items.map((i) => i.error?.errors.map((e) => e.pointer)), [undefined, ['#/tasks/1/title'], ['#/tasks/2/priority'], undefined]);
  assert.equal((await f.call('GET', `/v1/tasks/${r.json.items[0].task.id}`)).status, 200);
});

test('wrong requests get the right refusal', async () => {
  problem(await f.call('POST', '/v1/tasks', { body: '{"title": ' }), 400);
  const wrong = await f.call('POST', '/v1/tasks', { body: { title: 7, colour: 'red' } });
  problem(wrong, 422);
  assert.ok(wrong.json.errors.length >= 1 && wrong.json.errors.every((e) => e.pointer !== undefined && e.detail), wrong.text);
  problem(await f.call('POST', '/v1/tasks', { body: '[]' }), 422);
  problem(await f.call('POST', '/v1/tasks', { body: 'title=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } }), 415);
  problem(await f.call('GET', '/v1/nothing'), 404);
  const put = await f.call('PUT', '/v1/tasks', { body: {} });
  problem(put, 405);
  assert.match(put.headers.allow, /GET.*POST|POST.*GET/);
  problem(await f.call('POST', '/v1/tasks', { body: { title: 'x'.repeat(2 << 20) } }), 413);
});

test('without a token 401, with a bad one 401, without the permission 403', async () => {
  const none = await f.call('GET', '/v1/tasks', { token: null });
  problem(none, 401);
  assert.match(none.headers['www-authenticate'], /^Bearer/);
  const [h, p, s] = f.token.split('.');
  const b64 = (o) => Buffer.from(JSON.stringify(o)).toString('base64url');
  const claims = JSON.parse(Buffer.from(p, 'base64url'));
  const header = JSON.parse(Buffer.from(h, 'base64url'));
  const bad = {
    'no token at all': 'x',
    'a flipped signature': `${h}.${p}.${s.slice(0, -4)}${s.at(-4) === 'A' ? 'B' : 'A'}${s.slice(-3)}`,
    'other claims': `${h}.${b64({ ...claims, exp: claims.exp + 1 })}.${s}`,
    'alg none': `${b64({ alg: 'none', typ: header.typ })}.${p}.`,
    'HS256 confusion': `${b64({ ...header, alg: 'HS256' })}.${p}.${s}`,
    'another key id': `${b64({ ...header, kid: 'nobody' })}.${p}.${s}`,
    'a fourth part': `${f.token}.x`,
  };
  for (const [what, token] of Object.entries(bad)) {
    const r = await f.call('GET', '/v1/tasks', { token });
    problem(r, 401);
    assert.doesNotMatch(r.text, /signature|kid|alg/i, `${what}: the answer tells nothing`);
  }
});

test('a viewer may read and no more: 403 names the permission and nothing else', async () => {
  const sql = "INSERT INTO users (id, username, password_hash, roles, created_at, updated_at) SELECT gen_random_uuid(), 'eve', password_hash, '[\"viewer\"]', now(), now() FROM users WHERE username = 'admin'";
  const r = run('psql', ['-h', path.join(f.var, 'run/stores'), '-U', 'metafed', '-d', 'metafed', '-c', sql], { env: { PGPASSWORD: readFileSync(path.join(f.var, 'secrets/pg-password'), 'utf8').trim() } });
  assert.equal(r.status, 0, r.stderr);
  const token = (await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'eve', password: f.admin().password } })).json.access_token;
  assert.equal((await f.call('GET', '/v1/tasks', { token })).status, 200);
  const made = await f.call('POST', '/v1/tasks', { token, body: { title: 'no' } });
  problem(made, 403);
  assert.match(made.json.detail, /task\.create/);
  problem(await f.call('POST', '/v1/fleet/sql:restart', { token }), 403);
  problem(await f.call('POST', '/v1/fleet/sql:faults', { token, body: { spec: '' } }), 403);
  const raw = await f.call('POST', '/v1/requests', { token, body: { task_id: `eve ${Date.now()}`, requirements: { database: { operation: 'create', model: 'task', data: { title: 'no' } }, auth: { require_permission: 'task.read' } } } });
  assert.ok(raw.status !== 200 || raw.json.success === false, 'a weaker permission does not stand for the operation\'s own');
  const query = (model, as) => f.call('POST', '/v1/requests', { token: as, body: { task_id: `${model} ${Date.now()}`, requirements: { database: { operation: 'query', model }, auth: {} } } });
  for (const model of ['session', 'factor', 'audit', 'signing_key']) {
    const x = await query(model, token);
    assert.equal(x.status, 403, `${model} is not for a viewer: ${x.text}`);
  }
  for (const model of ['revocation', 'auth_state']) {
    const x = await query(model);
    assert.ok(x.status !== 200 || x.json.success === false, `${model} is not for clients`);
  }
});

test('a raw request carries its trace of exactly three levels', async () => {
  const id = `complete ${Date.now()}`;
  const r = await f.call('POST', '/v1/requests', { body: { task_id: id, priority: 'HIGH', deadline_ms: 30000, requirements: { api: { method: 'POST', endpoint: '/tasks' }, database: { operation: 'create', model: 'task', data: { title: 'complete task workflow' } }, auth: { require_permission: 'task.create' } } } });
  assert.equal(r.status, 200, r.text);
  const x = r.json;
  assert.equal(x.success, true, r.text);
  assert.equal(x.task_id, id);
  assert.ok(r.ms < 1000, `${r.ms} ms`);
  assert.deepEqual(x.execution_trace.map((l) => l.level), [0, 1, 2]);
  assert.ok(x.execution_trace[0].hops.every((h) => h.node === 'meta'));
  assert.deepEqual([...new Set(x.execution_trace[1].hops.map((h) => h.node))].sort(), ['api', 'auth', 'database']);
  assert.ok(new Set(x.execution_trace[2].hops.map((h) => h.node)).size >= 3, JSON.stringify(x.execution_trace[2]));
  for (const h of x.execution_trace.flatMap((l) => l.hops)) for (const k of ['node', 'attempt', 'start_us', 'duration_us']) assert.ok(k in h, `${k} in ${JSON.stringify(h)}`);
  assert.ok(x.agents_used.length >= 3);
  const again = await f.call('POST', '/v1/requests', { body: { task_id: id, requirements: { database: { operation: 'create', model: 'task', data: { title: 'complete task workflow' } }, auth: { require_permission: 'task.create' } } } });
  assert.equal(again.json.result.id, x.result.id, 'the same task_id again returns the first result');
});

test('the same raw task again makes nothing twice, also after meta has died in between', async () => {
  const requirements = { api: { method: 'POST', endpoint: '/tasks:bulk', data: { tasks: [{ title: 'raw one', labels: { raw: 'twice' } }, { title: 'raw two', labels: { raw: 'twice' } }] } } };
  const send = async () => {
    const r = await f.call('POST', '/v1/requests', { body: { task_id: 'raw-twice', requirements } });
    assert.equal(r.status, 200, r.text);
    assert.equal(r.json.success, true, r.text);
    return r.json.result;
  };
  const first = await send();
  const meta = await f.pid('meta');
  f.kill(meta);
  await f.back('meta', meta);
  const again = await send();
  assert.deepEqual(again.items.map((i) => i.data.id), first.items.map((i) => i.data.id));
  assert.equal((await f.call('GET', '/v1/tasks?label=raw%3Dtwice')).json.items.length, 2);
});

test('a cycle of dependencies is refused and named', async () => {
  const r = await f.call('POST', '/v1/requests', { body: { task_id: 'cycle', requirements: { api: { method: 'GET', endpoint: '/tasks' }, database: { operation: 'query', model: 'task' } }, depends_on: [{ domain: 'api', on: 'database' }, { domain: 'database', on: 'api' }] } });
  const text = r.status === 200 ? JSON.stringify(r.json.problem) : r.text;
  assert.ok(r.status === 422 || r.status === 400 || (r.status === 200 && r.json.success === false), r.text);
  assert.match(text, /cycle/i);
});

test('a request is explained instead of run, to who may see the fleet', async () => {
  const request = { task_id: 'explained', priority: 'HIGH', requirements: { api: { method: 'POST', endpoint: '/tasks' }, database: { operation: 'create', model: 'task', data: { title: 'not run' } } } };
  const r = await f.call('POST', '/v1/requests:explain', { body: request });
  assert.equal(r.status, 200, r.text);
  assert.deepEqual(r.json.permissions, ['task.create']);
  assert.deepEqual(r.json.stages.map((s) => s.steps.map((p) => p.step)), [['FORM', 'GATE'], ['STORE'], ['FORMAT']]);
  assert.deepEqual(r.json.stages[1].steps[0].agents.map((a) => [a.node, a.state]), [['cache', 'READY'], ['nosql', 'READY'], ['sql', 'READY']]);
  assert.equal((await f.call('GET', '/v1/tasks?q=%22not+run%22')).json.items.length, 0);
  assert.equal((await f.call('POST', '/v1/requests:explain', { body: request, token: null })).status, 401);
  const file = path.join(f.dir, 'explained.json');
  writeFileSync(file, JSON.stringify(request));
  const c = f.cli('explain', 'request', file);
  assert.equal(c.status, 0, c.stderr);
  assert.match(c.stdout, /^task explained: HIGH, .*\nscore 66 = .*\nnow: begin .*\nneeds permission task\.create\nstage 1\n/);
});

test('a planned restart fails no request', async () => {
  const before = await f.pid('rest');
  const load = f.load(200, 2, () => ['GET', '/v1/tasks?limit=1', {}]);
  const r = f.cli('restart', 'rest');
  assert.equal(r.status, 0, r.stderr);
  const bad = (await load).filter((x) => x.status !== 200);
  assert.deepEqual(bad.map((b) => b.status), []);
  assert.notEqual(await f.pid('rest'), before);
});

test('a restart is answered in one shape, whoever carries the request, over the bus and over HTTP', async () => {
  const keys = ['generation', 'node', 'pid', 'state', 'took_ms'];
  const url = (...args) => run(path.join(BIN, 'metafed'), ['--url', f.url, ...args], { input: `${f.admin().password}\n`, env: { METAFED_TOKEN_FILE: path.join(f.dir, 'url-token') } });
  assert.equal(url('login', 'admin', '--password-stdin').status, 0);
  for (const [way, node] of [[(...a) => f.cli(...a), 'sql'], [(...a) => f.cli(...a), 'rest'], [url, 'sql'], [url, 'rest'], [url, 'api'], [url, 'meta']]) {
    const before = await f.pid(node);
    const r = way('--json', 'restart', node);
    assert.equal(r.status, 0, `${node}: ${r.stderr}`);
    const said = JSON.parse(r.stdout);
    assert.deepEqual(Object.keys(said).sort(), keys, r.stdout);
    assert.equal(said.state, 'READY');
    assert.notEqual(said.pid, before, node);
    await f.back(node, before);     // also over connections that api closed
  }
  const raw = await f.call('POST', '/v1/fleet/rest:restart');
  assert.equal(raw.status, 202, raw.text);    // it goes only now
  assert.deepEqual(Object.keys(raw.json).sort(), keys, raw.text);
  await f.back('rest', raw.json.pid);
});

test('the command line: add, get, list, update, rm, fleet, logs, exit codes', () => {
  const added = f.cli('--json', 'task', 'add', 'From the command line', '--priority', 'LOW', '--label', 'a=b');
  assert.equal(added.status, 0, added.stderr);
  const t = JSON.parse(added.stdout);
  assert.equal(f.cli('task', 'get', t.id).status, 0);
  assert.equal(JSON.parse(f.cli('--json', 'task', 'update', t.id, 'title=Renamed').stdout).title, 'Renamed');
  assert.equal(f.cli('task', 'update', t.id, 'title=x', '--if-version', '1').status, 5);
  assert.match(f.cli('task', 'list', '--label', 'a=b').stdout, /Renamed/);
  assert.equal(f.cli('task', 'rm', t.id).status, 0);
  assert.equal(f.cli('task', 'get', t.id).status, 4);
  assert.equal(f.cli('task', 'add').status, 2);
  assert.match(f.cli('fleet').stdout, /websocket .*READY/);
  assert.equal(f.cli('logs', '-n', '5', 'sql').status, 0);
});

// Who may do what, by every face: each operation of the document, each field of GraphQL's schema, each model with each operation of a raw
// request, asked for by each kind of principal. What is expected stands here, in tables of their own: nothing of it is read from the product.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildSchema, getNamedType, isEnumType, isInputObjectType, isLeafType, isListType, isNonNullType } from 'graphql';
import { Fleet, ROOT } from '../harness/fleet.mjs';

const doc = JSON.parse(readFileSync(path.join(ROOT, 'services/api/rest/openapi.json'), 'utf8'));
const schema = buildSchema(readFileSync(path.join(ROOT, 'services/api/graphql/schema.graphql'), 'utf8'));
const PASSWORD = 'correct horse battery staple';
const NONE = '0199f0c0-1234-7abc-8def-0123456789ff';

// --- the expectation ---

const ROLES = {
  admin: ['*'],
  operator: ['fleet.read', 'settings.read', 'trace.read', 'node.restart', 'fault.inject', 'crash.read', 'task.*', 'doc.*', 'collection.*', 'stream.*', 'blob.*', 'store.explain', 'session.read', 'audit.read'],
  user: ['task.*', 'doc.*', 'stream.*', 'blob.*', 'fleet.read', 'trace.read'],
  viewer: ['task.read', 'doc.read', 'stream.read', 'blob.read', 'fleet.read', 'trace.read'],
  clerk: ['user.*', 'role.*', 'group.*', 'grant.*', 'client.*', 'policy.*', 'api_key.*', 'session.*', 'factor.*', 'consent.*', 'identity.*', 'provider.*'],
};
const covers = (patterns, permission) => patterns.some((p) => p === '*' || p === permission || (p.endsWith('.*') && permission.startsWith(p.slice(0, -1))));

const ANYBODY = Symbol('no credential is needed'), ONESELF = Symbol('any credential that is not limited'), WHO = Symbol('any credential');
const crud = (at, model, name = model) => ({ [`POST ${at}`]: `${name}.create`, [`GET ${at}`]: `${name}.read`, [`GET ${at}/{id}`]: `${name}.read`, [`PATCH ${at}/{id}`]: `${name}.update`, [`DELETE ${at}/{id}`]: `${name}.delete` });
const seen = (at, model) => ({ [`GET ${at}`]: `${model}.read`, [`GET ${at}/{id}`]: `${model}.read`, [`DELETE ${at}/{id}`]: `${model}.delete` });
const REST = {
  'POST /v1/auth/login': ANYBODY, 'POST /v1/auth/refresh': ANYBODY, 'POST /v1/auth/logout': ANYBODY, 'GET /health': ANYBODY,
  ...crud('/v1/tasks', 'task'), 'POST /v1/tasks:bulk': 'task.create', 'POST /v1/tasks:apply': 'task.update', 'GET /v1/tasks:count': 'task.read', 'GET /v1/tasks/{id}/history': 'task.read',
  ...crud('/v1/users', 'user'), ...crud('/v1/roles', 'role'), ...crud('/v1/groups', 'group'), ...crud('/v1/grants', 'grant'), ...crud('/v1/clients', 'client'),
  'POST /v1/api-keys': 'api_key.create', ...seen('/v1/api-keys', 'api_key'), ...crud('/v1/providers', 'provider'),
  ...seen('/v1/sessions', 'session'), ...seen('/v1/factors', 'factor'), ...seen('/v1/identities', 'identity'), ...seen('/v1/consents', 'consent'),
  'GET /v1/audit': 'audit.read', 'GET /v1/signing-keys': 'signing_key.read', 'POST /v1/signing-keys': 'signing_key.rotate',
  'GET /v1/policy': 'policy.read', 'PUT /v1/policy': 'policy.write', 'GET /v1/decisions': 'policy.read',
  'POST /v1/blobs': 'blob.create', 'GET /v1/blobs': 'blob.read', 'PUT /v1/blobs/{id}': 'blob.create', 'GET /v1/blobs/{id}': 'blob.read', 'DELETE /v1/blobs/{id}': 'blob.delete',
  'POST /v1/blobs/uploads': 'blob.create', 'GET /v1/blobs/uploads/{id}': 'blob.read', 'PATCH /v1/blobs/uploads/{id}': 'blob.create', 'DELETE /v1/blobs/uploads/{id}': 'blob.delete',
  'POST /v1/requests': 'task.read', 'GET /v1/events': 'task.read',
  'GET /v1/fleet': 'fleet.read', 'GET /v1/fleet/calls': 'fleet.read', 'GET /v1/settings': 'settings.read', 'POST /v1/fleet/{id}:restart': 'node.restart', 'POST /v1/fleet/{id}:faults': 'fault.inject', 'POST /v1/fleet/{id}:log-level': 'node.log_level',
  'POST /v1/requests:explain': 'fleet.read', 'GET /v1/errors': 'fleet.read', 'GET /v1/reliability': 'fleet.read', 'GET /v1/crashes': 'crash.read', 'GET /v1/crashes/{id}': 'crash.read',
  'GET /v1/traces': 'trace.read', 'GET /v1/traces/{id}': 'trace.read',
  'POST /v1/upgrade': 'node.restart', 'GET /v1/upgrade': 'fleet.read', 'POST /v1/chaos': 'fault.inject', 'GET /v1/chaos': 'fault.inject', 'DELETE /v1/chaos/{id}': 'fault.inject',
  'GET /v1/me': WHO, 'POST /v1/me/password': ONESELF, 'GET /v1/me/sessions': ONESELF, 'DELETE /v1/me/sessions/{id}': ONESELF,
  'POST /v1/me/api-keys': ONESELF, 'GET /v1/me/api-keys': ONESELF, 'DELETE /v1/me/api-keys/{id}': ONESELF,
  'POST /v1/me/factors': ONESELF, 'GET /v1/me/factors': ONESELF, 'PATCH /v1/me/factors/{id}': ONESELF, 'POST /v1/me/factors/{id}:remove': ONESELF,
  'GET /v1/me/consents': ONESELF, 'DELETE /v1/me/consents/{id}': ONESELF, 'GET /v1/me/identities': ONESELF, 'DELETE /v1/me/identities/{id}': ONESELF,
};
const four = (family, create = `${family}.create`, read = `${family}.read`, update = `${family}.update`, remove = `${family}.delete`) => ({ create, read, query: read, update, delete: remove });
const MODELS = {
  task: four('task'), user: four('user'), role: four('role'), group: four('group'), grant: four('grant'), client: four('client'), api_key: four('api_key'), provider: four('provider'),
  session: four('session', 'session.delete', 'session.read', 'session.delete'), factor: four('factor', 'factor.delete', 'factor.read', 'factor.delete'),
  consent: four('consent', 'consent.delete', 'consent.read', 'consent.delete'), identity: four('identity', 'identity.create', 'identity.read', 'identity.delete'),
  signing_key: four('signing_key', 'signing_key.rotate', 'signing_key.read', 'signing_key.rotate', 'signing_key.rotate'),
  policy: four('policy', 'policy.write', 'policy.read', 'policy.write', 'policy.write'), decision: four('policy', 'policy.read', 'policy.read', 'policy.read', 'policy.read'),
  audit: four('audit', 'audit.read', 'audit.read', 'audit.read', 'audit.read'),
  'my.session': four('', ONESELF, ONESELF, ONESELF, ONESELF), 'my.api_key': four('', ONESELF, ONESELF, ONESELF, ONESELF), 'my.factor': four('', ONESELF, ONESELF, ONESELF, ONESELF),
  'my.password': four('', ONESELF, ONESELF, ONESELF, ONESELF), 'my.consent': four('', ONESELF, ONESELF, ONESELF, ONESELF), 'my.identity': four('', ONESELF, ONESELF, ONESELF, ONESELF),
  'doc.notes': four('doc'), collection: four('collection'), 'stream.orders': { append: 'stream.append', read: 'stream.read', query: 'stream.read', trim: 'stream.trim' },
  'consumer.orders': four('', 'stream.consume', 'stream.read', 'stream.consume', 'stream.consume'), blob: four('blob', 'blob.create', 'blob.read', 'blob.create'),
  backup: four('', 'store.backup', 'store.backup', 'store.backup', 'store.backup'), restore: four('', 'store.restore', 'store.restore', 'store.restore', 'store.restore'),
  migration: four('', 'store.migrate', 'store.migrate', 'store.migrate', 'store.migrate'),
};
const NOBODYS = ['revocation', 'auth_state', 'idempotency', 'policy_change', 'checkpoint', 'decision_count', 'my', 'my.', 'nothing', ''];   // no request may name these
const DANGEROUS = ['backup', 'restore'];        // who may is not let: it would be done
const GRAPHQL = {
  task: 'task.read', tasks: 'task.read', user: 'user.read', users: 'user.read', role: 'role.read', roles: 'role.read', blob: 'blob.read', blobs: 'blob.read', fleet: 'fleet.read', health: ANYBODY, viewer: ANYBODY,
  node: 'task.read', nodes: 'task.read', login: ANYBODY, refresh: ANYBODY, logout: ANYBODY,
  createTask: 'task.create', createTasks: 'task.create', updateTask: 'task.update', deleteTask: 'task.delete',
  createUser: 'user.create', updateUser: 'user.update', deleteUser: 'user.delete', createRole: 'role.create', updateRole: 'role.update', deleteRole: 'role.delete', deleteBlob: 'blob.delete',
  execute: ANYBODY, restartNode: 'node.restart', setFaults: 'fault.inject', setLogLevel: 'node.log_level',
};

// --- the fleet and who asks ---

let f, people;
const made = async (p, body) => { const r = await f.call('POST', p, { body }); assert.equal(r.status, 201, `${p}: ${r.text}`); return r.json; };
const login = async (username) => (await f.call('POST', '/v1/auth/login', { token: null, body: { username, password: PASSWORD } })).json.access_token;

before(async () => {
  f = await Fleet.start({ conf: '[api]\nlimit = off\n' });
  people = { anonymous: { token: null, may: [], who: false }, admin: { token: f.token, may: ROLES.admin, who: true } };
  await made('/v1/roles', { id: 'clerk', permissions: ROLES.clerk });
  for (const role of ['operator', 'user', 'viewer', 'clerk']) {
    const user = await made('/v1/users', { username: `the-${role}`, password: PASSWORD, roles: [role] });
    people[role] = { token: await login(user.username), may: ROLES[role], who: true, id: user.id };
  }
  const key = await f.call('POST', '/v1/me/api-keys', { body: { name: 'limited', scopes: ['task.read'] } });
  if (key.status === 201) people['limited key of the admin'] = { token: key.json.key, may: ['task.read'], who: true, limited: true };
  const service = await f.call('POST', '/v1/users', { body: { username: 'robot', kind: 'service', roles: ['viewer'] } });
  const robot = service.status === 201 ? await f.call('POST', '/v1/api-keys', { body: { user_id: service.json.id, name: 'robot' } }) : service;
  if (robot.status === 201 && robot.json.key) people['service account'] = { token: robot.json.key, may: ROLES.viewer, who: true, id: service.json.id };
});
after(() => f?.stop());

const allowed = (who, needs) => needs === ANYBODY || (needs === WHO ? who.who : needs === ONESELF ? who.who && !who.limited : covers(who.may, needs));
const REFUSALS = { UNAUTHENTICATED: ['NO_CREDENTIAL', 'TOKEN_INVALID', 'TOKEN_EXPIRED', ''], PERMISSION_DENIED: ['PERMISSION', 'SCOPE', ''] };
// Refused at the door; what is refused behind it (BEYOND_OWN, a wrong password) was let in.
const atTheDoor = ({ code, reason }) => (REFUSALS[code] ?? []).includes(reason ?? '');
const differences = [];
let asked = 0;
function compare(what, name, who, refused, answer) {
  asked++;
  if (refused === allowed(who, what.needs)) differences.push(`${name} by ${what.who}: ${refused ? 'refused' : 'let in'}: ${JSON.stringify(answer).slice(0, 200)}`);
}
function verdicts() {
  const found = differences.splice(0);
  assert.deepEqual(found, []);
}

// --- REST ---

const resolve = (v) => (v?.$ref ? v.$ref.slice(2).split('/').reduce((at, k) => at[k], doc) : v);
const ids = { Node: 'cache', BlobId: `sha256:${'0'.repeat(64)}` };
function requestOf(method, p, op) {
  const named = (op.parameters ?? []).find((x) => resolve(x).in === 'path');
  const id = p.startsWith('/v1/fleet') ? ids.Node : /blobs\/\{/.test(p) ? ids.BlobId : p.startsWith('/v1/crashes') ? 'cache-99999' : p.startsWith('/v1/traces') ? '0'.repeat(31) + '1' : /roles|groups|clients|providers/.test(p) ? 'nobody-has-this' : NONE;
  const content = Object.entries(resolve(op.requestBody)?.content ?? {})[0];
  const query = p === '/v1/decisions' ? '?user=admin&permission=task.read' : '';
  let body = content?.[1].example, type = content?.[0];
  if (p.startsWith('/v1/blobs') && ['POST', 'PUT', 'PATCH'].includes(method)) [body, type] = ['x', p.includes('/uploads') ? 'application/offset+octet-stream' : 'text/plain'];
  if (p === '/v1/requests') body = { task_id: 'matrix', requirements: { database: { operation: 'read', model: 'task', id: NONE } } };
  if (p === '/v1/tasks:bulk') body = { tasks: [{ title: 'of the matrix' }] }, type = 'application/json';
  if (p.endsWith(':faults')) body = { spec: '' };
  const headers = p.startsWith('/v1/blobs/uploads') ? { 'tus-resumable': '1.0.0', 'upload-length': '1', 'upload-offset': '0' } : {};
  return { at: (named ? p.replace('{id}', id) : p) + query, body, headers: { ...headers, ...(body === undefined ? {} : { 'content-type': type ?? 'application/json' }) } };
}

// Of a stream the head is enough.
const headOf = (at, token) => new Promise((done, failed) => {
  const q = http.get({ port: f.port, host: '127.0.0.1', path: at, headers: { accept: 'text/event-stream', ...(token ? { authorization: `Bearer ${token}` } : {}) } }, (r) => {
    if (r.statusCode === 200) { q.destroy(); done({ status: 200, json: {} }); return; }
    let text = '';
    r.on('data', (d) => { text += d; }).on('end', () => done({ status: r.statusCode, json: JSON.parse(text) }));
  }).on('error', (e) => { if (!q.destroyed) failed(e); });
});

test('each operation of the document is in the table, and nothing else is', () => {
  const there = Object.entries(doc.paths).flatMap(([p, item]) => Object.keys(item).map((m) => `${m.toUpperCase()} ${p}`));
  assert.deepEqual(there.toSorted(), Object.keys(REST).toSorted());
});

test('each operation of the document lets in who has its permission, and nobody else', async () => {
  for (const [p, item] of Object.entries(doc.paths))
    for (const [m, op] of Object.entries(item)) {
      const method = m.toUpperCase(), needs = REST[`${method} ${p}`], { at, body, headers } = requestOf(method, p, op);
      if (needs === ANYBODY) continue;
      for (const [who, person] of Object.entries(people)) {
        if (p.endsWith('/password') && who === 'admin') continue;        // a wrong password counts against him
        const r = p === '/v1/events' ? await headOf(at, person.token) : await f.call(method, at, { body, headers, token: person.token });
        const problem = r.json?.response?.problem ?? r.json ?? {};
        compare({ needs, who }, `${method} ${p}`, person, r.status >= 400 && atTheDoor(problem), [r.status, problem.reason, problem.detail]);
      }
    }
  verdicts();
});

// --- raw requests ---

test('each model with each operation lets in who has its permission, and nobody else', async () => {
  for (const [model, operations] of Object.entries(MODELS))
    for (const [operation, needs] of Object.entries(operations))
      for (const [who, person] of Object.entries(people)) {
        if (DANGEROUS.includes(model) && allowed(person, needs)) continue;
        const id = operation === 'query' || operation === 'append' || operation === 'trim' ? undefined : /role|group|client|provider|collection/.test(model) ? 'nobody-has-this' : NONE;
        const data = ['create', 'update', 'append'].includes(operation) ? { nothing: true } : undefined;
        const r = await f.call('POST', '/v1/requests', { token: person.token, body: { task_id: `matrix ${asked}`, requirements: { database: { operation, model, ...(id && { id }), ...(data && { data }) } } } });
        const problem = r.json.problem ?? r.json;
        compare({ needs, who }, `${operation} ${model}`, person, (r.status !== 200 || !r.json.success) && atTheDoor(problem), [r.status, problem.reason, problem.detail]);
      }
  verdicts();
  assert.ok(asked > 700, `${asked} verdicts`);
});

test('what the auth domain keeps for itself is named by nobody', async () => {
  for (const model of NOBODYS)
    for (const operation of ['create', 'read', 'query', 'update', 'delete']) {
      const r = await f.call('POST', '/v1/requests', { body: { task_id: 'x', requirements: { database: { operation, model, ...(operation === 'query' ? {} : { id: NONE }), ...(['create', 'update'].includes(operation) ? { data: {} } : {}) } } } });
      assert.ok(r.status >= 400 && r.status < 500, `${operation} ${model}: ${r.text}`);
    }
});

test('a request asks for no less than it does, whatever it says that it needs', async () => {
  const { token } = people.viewer;
  for (const auth of [{ require_permission: 'task.read' }, { require_permission: '' }, {}]) {
    const r = await f.call('POST', '/v1/requests', { token, body: { task_id: 'less', requirements: { auth, database: { operation: 'create', model: 'user', data: { username: 'smuggled', roles: ['admin'] } } } } });
    assert.ok(r.status >= 400, r.text);
  }
  const members = [{ operation: 'create', model: 'task', data: { title: 'x' } }];
  const r = await f.call('POST', '/v1/requests', { token, body: { task_id: 'inside', requirements: { auth: { require_permission: 'task.read' }, database: { operation: 'transaction', model: 'task', data: members } } } });
  assert.ok(r.status >= 400, r.text);
});

// --- GraphQL ---

// A value for each type, so that what is asked for is well-formed.
function literal(type, name) {
  if (isNonNullType(type)) return literal(type.ofType, name);
  if (isListType(type)) return `[${literal(type.ofType, name)}]`;
  if (isEnumType(type)) return type.getValues()[0].name;
  if (isInputObjectType(type)) return `{ ${Object.values(type.getFields()).filter((x) => isNonNullType(x.type)).map((x) => `${x.name}: ${literal(x.type, x.name)}`).join(', ')} }`;
  if (name === 'node' || name === 'name') return '"cache"';
  if (name === 'spec') return '""';
  if (name === 'blob') return `"${ids.BlobId}"`;
  return { Int: '1', Boolean: 'true', Float: '1.5', ID: `"${NONE}"`, String: '"x"', DateTime: '"2026-11-21T09:30:00Z"', JSON: '{}' }[type.name] ?? '"x"';
}
function documentOf(root, field) {
  const args = field.args.filter((a) => isNonNullType(a.type) && a.defaultValue === undefined).map((a) => `${a.name}: ${literal(a.type, /blob/i.test(field.name) ? 'blob' : a.name)}`);
  return `${root} { ${field.name}${args.length ? `(${args.join(', ')})` : ''}${isLeafType(getNamedType(field.type)) ? '' : ' { __typename }'} }`;
}

test('each field of Query and Mutation lets in who has its permission, and nobody else', async () => {
  const roots = [['query', schema.getQueryType()], ['mutation', schema.getMutationType()]];
  for (const [root, type] of roots)
    for (const field of Object.values(type.getFields())) {
      const needs = GRAPHQL[field.name];
      assert.ok(needs !== undefined, `${field.name} is not in the table`);
      if (needs === ANYBODY || ['node', 'nodes'].includes(field.name)) continue;     // nodes: by the type of each id
      for (const [who, person] of Object.entries(people)) {
        if (['restartNode'].includes(field.name) && allowed(person, needs)) continue;
        const r = await f.call('POST', '/graphql', { token: person.token, body: { query: documentOf(root, field) }, headers: { accept: 'application/graphql-response+json' } });
        const x = r.json.errors?.[0]?.extensions ?? {};
        assert.ok(r.status === 200 || r.status === 294, `${field.name}: ${r.text}`);
        compare({ needs, who }, field.name, person, atTheDoor(x), r.json.errors?.[0] ?? r.json.data);
      }
    }
  verdicts();
});

test('an object by its global id is as hidden as by its own field', async () => {
  const roles = await f.call('GET', '/v1/roles');
  const id = Buffer.from(`Role:${roles.json.items[0].id}`).toString('base64');
  const r = await f.call('POST', '/graphql', { token: people.viewer.token, body: { query: 'query($i: ID!) { node(id: $i) { id } }', variables: { i: id } } });
  assert.equal(r.json.data.node, null);
  assert.equal(r.json.errors[0].extensions.code, 'PERMISSION_DENIED');
});

// --- nobody makes himself more than he is ---

test('whoever may write accounts, roles, grants and policies gives nobody what he does not have himself', async () => {
  const admin = (await f.call('GET', '/v1/users?username=admin')).json.items[0], adminSession = (await f.call('GET', '/v1/me')).json.session_id;
  const { token, id } = people.clerk;
  const everything = 'policy: 1\nroles:\n- {id: clerk, permissions: ["*"]}\n', granted = `policy: 1\ngrants:\n- {id: ${NONE}, subject_kind: user, subject: ${id}, roles: [admin]}\n`;
  const attempts = [
    ['PATCH', `/v1/users/${id}`, { roles: ['admin'] }], ['PATCH', `/v1/users/${id}`, { roles: ['clerk', 'admin'] }], ['PATCH', `/v1/users/${id}`, { kind: 'service' }],
    ['PATCH', `/v1/users/${admin.id}`, { password: 'chosen by the clerk himself' }], ['PATCH', `/v1/users/${admin.id}`, { disabled: true }], ['PATCH', `/v1/users/${admin.id}`, { email: 'clerk@example.org' }], ['DELETE', `/v1/users/${admin.id}`],
    ['POST', '/v1/users', { username: 'puppet', password: PASSWORD, roles: ['admin'] }], ['POST', '/v1/users', { username: 'puppet', kind: 'service', roles: ['admin'] }],
    ['PATCH', '/v1/roles/clerk', { permissions: ['*'] }], ['PATCH', '/v1/roles/clerk', { inherits: ['admin'] }], ['POST', '/v1/roles', { id: 'god', permissions: ['*'] }], ['POST', '/v1/roles', { id: 'god', permissions: ['node.restart'] }], ['PATCH', '/v1/roles/admin', { permissions: [] }],
    ['POST', '/v1/groups', { id: 'gods', roles: ['admin'] }],
    ...[{ permissions: ['*'] }, { permissions: ['node.log_level'] }, { roles: ['admin'] }].flatMap((what) => [
      ['POST', '/v1/grants', { subject_kind: 'user', subject: id, ...what }], ['POST', '/v1/grants', { subject_kind: 'role', subject: 'clerk', ...what }], ['POST', '/v1/grants', { subject_kind: 'everyone', subject: '*', ...what }],
    ]),
    ['POST', '/v1/clients', { name: 'puppet', trusted: true, scopes: ['*'], grant_types: ['authorization_code'], redirect_uris: ['https://clerk.example/back'] }],
    ['POST', '/v1/clients', { name: 'puppet', user_id: admin.id, grant_types: ['client_credentials'], auth_method: 'client_secret_basic' }],
    ['POST', '/v1/api-keys', { user_id: admin.id, name: 'stolen' }],
    ['POST', '/v1/providers', { id: 'mine', name: 'Mine', issuer: 'https://clerk.example', client_id: 'x', create_users: true, roles: ['admin'] }], ['POST', '/v1/providers', { id: 'mine', name: 'Mine', issuer: 'https://clerk.example', client_id: 'x' }],
    ['PUT', '/v1/policy', { yaml: everything }], ['PUT', '/v1/policy', { yaml: everything, mode: 'replace' }], ['PUT', '/v1/policy', { yaml: granted }],
    ['DELETE', `/v1/sessions/${adminSession}`], ['DELETE', `/v1/me/sessions/${adminSession}`], ['DELETE', `/v1/me/api-keys/${NONE}`],
  ];
  for (const [method, p, body] of attempts) {
    const r = await f.call(method, p, { token, body });
    assert.ok(r.status >= 400 && r.status < 500, `${method} ${p} ${JSON.stringify(body)}: ${r.status} ${r.text}`);
  }
  for (const again of [token, await login('the-clerk')]) {
    assert.equal((await f.call('POST', '/v1/fleet/cache:log-level', { token: again, body: { level: 'info' } })).status, 403);
    assert.equal((await f.call('POST', '/v1/tasks', { token: again, body: { title: 'x' } })).status, 403);
  }
  assert.equal((await f.call('GET', '/v1/me')).status, 200, 'the session of the admin is as it was');
});

test('whoever has no such permission changes nothing of himself or others', async () => {
  for (const who of ['viewer', 'user', 'operator', ...['service account', 'limited key of the admin'].filter((w) => people[w])]) {
    const { token, id = NONE } = people[who];
    for (const [method, p, body] of [
      ['PATCH', `/v1/users/${id}`, { roles: ['admin'] }], ['PATCH', `/v1/users/${id}`, { groups: ['admins'] }], ['PATCH', `/v1/users/${id}`, { kind: 'person' }],
      ['POST', '/v1/grants', { subject_kind: 'user', subject: id, permissions: ['*'] }], ['POST', '/v1/groups', { id: 'mine', roles: ['admin'] }], ['PATCH', `/v1/roles/${who.split(' ')[0]}`, { permissions: ['*'] }],
      ['PUT', '/v1/policy', { yaml: 'policy: 1\nroles: []\n', mode: 'replace' }], ['POST', '/v1/clients', { name: 'mine', trusted: true }], ['POST', '/v1/signing-keys', {}],
      ['POST', '/v1/api-keys', { user_id: id, name: 'mine' }],
    ]) {
      const r = await f.call(method, p, { token, body });
      assert.ok(r.status === 403 || r.status === 422, `${method} ${p} by ${who}: ${r.status} ${r.text}`);
    }
  }
});

test('a limited key makes itself no unlimited one', async (t) => {
  const limited = people['limited key of the admin'];
  if (!limited) { t.skip('API keys are not there yet'); return; }
  for (const [method, p, body] of [['POST', '/v1/me/api-keys', { name: 'more' }], ['POST', '/v1/me/password', { current: 'x', password: PASSWORD }], ['GET', '/v1/me/sessions'], ['POST', '/v1/me/factors', {}], ['DELETE', `/v1/me/api-keys/${NONE}`]])
    assert.equal((await f.call(method, p, { token: limited.token, body })).status, 403, `${method} ${p}`);
});

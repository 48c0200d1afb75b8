// One model, two faces: whoever asks for the same thing over REST and GraphQL gets the same answer or the same refusal (code,
// reason, violations), for every operation of /v1 and for each of some principals.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildSchema } from 'graphql';
import { Fleet, ROOT } from '../harness/fleet.mjs';

const PASSWORD = 'correct horse battery';
const NONE = '0199f0c0-1234-7abc-8def-0123456789ab';
let f, tokens, task, admin, blob;

const login = async (username) => (await f.call('POST', '/v1/auth/login', { token: null, body: { username, password: PASSWORD } })).json.access_token;
const made = async (p, body, token) => {
  const r = await f.call('POST', p, { body, token });
  assert.equal(r.status, 201, r.text);
  return r.json;
};

before(async () => {
  f = await Fleet.start({ conf: '[api]\nlimit_roles = admin=off, counted=8/0.01\n' });
  await made('/v1/roles', { id: 'clerk', permissions: ['user.*', 'role.*', 'task.read'] });
  for (const [username, role] of [['vera', 'viewer'], ['ursula', 'user'], ['carl', 'clerk']]) await made('/v1/users', { username, password: PASSWORD, roles: [role] });
  tokens = { admin: f.token, viewer: await login('vera'), user: await login('ursula'), clerk: await login('carl'), nobody: null, forged: `${f.token.slice(0, -4)}AAAA` };
  task = await made('/v1/tasks', { title: 'there', labels: { a: 'b' }, payload: { camelCase: 1, snake_case: { x_y: [2] } } });
  admin = (await f.call('GET', '/v1/users?username=admin')).json.items[0];
  blob = (await f.call('POST', '/v1/blobs', { body: Buffer.from('{}'), headers: { 'content-type': 'application/json' } })).json;
});
after(() => f?.stop());

const gql = (query, variables, token) => f.call('POST', '/graphql', { body: { query, variables }, headers: { accept: 'application/graphql-response+json' }, token });

// What REST calls created_at is createdAt, and where it has the id of a thing GraphQL has a global one.
const camel = (s) => s.replace(/_([a-z])/g, (m, c) => c.toUpperCase());
const here = (field) => ({ limit: 'first', cursor: 'after', label: 'labels' })[field] ?? camel(field);
const inPointer = (p) => p.startsWith('#/tasks') ? p.replace('#/tasks', '#/input') : camel(p);
const refusal = ({ code, reason, errors }) => ({ refused: [code, reason ?? '', (errors ?? []).map((e) => `${e.pointer ?? e.parameter} ${e.detail}`)] });

async function overRest([method, p, body, headers], token) {
  const r = await f.call(method, p, { body, headers, token });
  if (r.status < 400) return { json: r.json };
  return refusal({ ...r.json, errors: r.json.errors?.map((e) => ({ ...e, ...(e.pointer ? { pointer: inPointer(e.pointer) } : { parameter: here(e.parameter) }) })) });
}
async function overGraphql([document, variables], token) {
  const r = await gql(document, variables, token);
  if (r.status === 200) return { json: Object.values(r.json.data)[0] };
  assert.equal(r.status, 294, r.text);
  const [{ extensions: x }] = r.json.errors;
  assert.match(x.trace_id, /^[0-9a-f]{32}$/);
  assert.deepEqual(Object.values(r.json.data), [null], r.text);
  return refusal(x);
}

// Each operation in both languages. None changes anything: what would work asks for a version that is not there.
const stale = { 'if-match': '"999"' };
const operations = () => [
  ['list of tasks', ['GET', '/v1/tasks'], ['{ tasks { nodes { id } } }']],
  ['a cursor of nothing', ['GET', '/v1/tasks?cursor=AAAA'], ['{ tasks(after: "AAAA") { nodes { id } } }']],
  ['tasks by words', ['GET', '/v1/tasks?q=there&sort=relevance'], ['{ tasks(filter: { q: "there" }, sort: [{ by: RELEVANCE }]) { nodes { id } } }']],
  ['tasks by attributes', ['GET', '/v1/tasks?payload=/camelCase=1&payload=/snake_case/x_y=2'], ['{ tasks(filter: { payload: ["/camelCase=1", "/snake_case/x_y=2"] }) { nodes { id } } }']],
  ['tasks by no attribute', ['GET', '/v1/tasks?payload=/a~2=1'], ['{ tasks(filter: { payload: ["/a~2=1"] }) { nodes { id } } }']],
  ['relevance of nothing', ['GET', '/v1/tasks?sort=relevance'], ['{ tasks(sort: [{ by: RELEVANCE }]) { nodes { id } } }']],
  ['too large a page', ['GET', '/v1/tasks?limit=5000'], ['{ tasks(first: 5000) { nodes { id } } }']],
  ['too many orders', ['GET', '/v1/users?sort=username,-created_at,updated_at,username,created_at'], ['{ users(sort: [{ by: USERNAME }, { by: CREATED_AT, direction: DESC }, { by: UPDATED_AT }, { by: USERNAME }, { by: CREATED_AT }]) { nodes { id } } }']],
  ['too many labels', ['GET', `/v1/tasks?${Array.from({ length: 20 }, (u, i) => `label=l${i}`).join('&')}`], ['query($l: [String!]) { tasks(filter: { labels: $l }) { nodes { id } } }', { l: Array.from({ length: 2000 }, (u, i) => `l${i}`) }]],
  ['a task without a title', ['POST', '/v1/tasks', { title: '' }], ['mutation { createTask(input: { title: "" }) { id } }']],
  ['list of users', ['GET', '/v1/users'], ['{ users { nodes { id } } }']],
  ['list of roles', ['GET', '/v1/roles'], ['{ roles { nodes { id } } }']],
  ['one task', ['GET', `/v1/tasks/${task.id}`], ['query($i: ID!) { task(id: $i) { id } }', { i: task.id }]],
  ['one task, which may be old', ['GET', `/v1/tasks/${task.id}?consistency=eventual`], ['query($i: ID!) { task(id: $i, consistency: EVENTUAL) { id } }', { i: task.id }]],
  ['one task, which may be so old', ['GET', `/v1/tasks/${task.id}?consistency=bounded&max_age_ms=5000`], ['query($i: ID!) { task(id: $i, consistency: BOUNDED, maxAgeMs: 5000) { id } }', { i: task.id }]],
  ['one task, bounded by nothing', ['GET', `/v1/tasks/${task.id}?consistency=bounded`], ['query($i: ID!) { task(id: $i, consistency: BOUNDED) { id } }', { i: task.id }]],
  ['one task of no age', ['GET', `/v1/tasks/${task.id}?consistency=bounded&max_age_ms=0`], ['query($i: ID!) { task(id: $i, consistency: BOUNDED, maxAgeMs: 0) { id } }', { i: task.id }]],
  ['tasks that may be old', ['GET', '/v1/tasks?consistency=eventual'], ['{ tasks(consistency: EVENTUAL) { nodes { id } } }']],
  ['tasks bounded by nothing', ['GET', '/v1/tasks?consistency=bounded'], ['{ tasks(consistency: BOUNDED) { nodes { id } } }']],
  ['one user', ['GET', `/v1/users/${admin.id}`], ['query($i: ID!) { user(id: $i) { id } }', { i: admin.id }]],
  ['one role', ['GET', '/v1/roles/viewer'], ['{ role(id: "viewer") { id } }']],
  ['update a task, stale', ['PATCH', `/v1/tasks/${task.id}`, { title: 'x' }, stale], ['mutation($i: ID!) { updateTask(id: $i, patch: { title: "x" }, ifVersion: 999) { id } }', { i: task.id }]],
  ['delete a task, stale', ['DELETE', `/v1/tasks/${task.id}`, undefined, stale], ['mutation($i: ID!) { deleteTask(id: $i, ifVersion: 999) }', { i: task.id }]],
  ['update a task that is not there', ['PATCH', `/v1/tasks/${NONE}`, { title: 'x' }], [`mutation { updateTask(id: "${NONE}", patch: { title: "x" }) { id } }`]],
  ['delete a task that is not there', ['DELETE', `/v1/tasks/${NONE}`], [`mutation { deleteTask(id: "${NONE}") }`]],
  ['create the same task with another title', ['POST', '/v1/tasks', { id: task.id, title: 'other' }], [`mutation { createTask(input: { id: "${task.id}", title: "other" }) { id } }`]],
  ['create no tasks at once', ['POST', '/v1/tasks:bulk', { tasks: [] }], ['mutation { createTasks(input: []) { status } }']],
  ['create a user of a name that is taken', ['POST', '/v1/users', { username: 'vera', password: PASSWORD }], [`mutation { createUser(input: { username: "vera", password: "${PASSWORD}" }) { id } }`]],
  ['create a user who may everything', ['POST', '/v1/users', { username: 'vera', roles: ['admin'] }], ['mutation { createUser(input: { username: "vera", roles: ["admin"] }) { id } }']],
  ['update a user, stale', ['PATCH', `/v1/users/${admin.id}`, { disabled: false }, stale], [`mutation { updateUser(id: "${admin.id}", patch: { disabled: false }, ifVersion: 999) { id } }`]],
  ['update a user who is not there', ['PATCH', `/v1/users/${NONE}`, { roles: [] }], [`mutation { updateUser(id: "${NONE}", patch: { roles: [] }) { id } }`]],
  ['delete the admin', ['DELETE', `/v1/users/${admin.id}`], [`mutation { deleteUser(id: "${admin.id}") }`]],
  ['create the same role with other permissions', ['POST', '/v1/roles', { id: 'clerk', permissions: [] }], ['mutation { createRole(input: { id: "clerk", permissions: [] }) { id } }']],
  ['create a role that may everything', ['POST', '/v1/roles', { id: 'clerk', permissions: ['*'] }], ['mutation { createRole(input: { id: "clerk", permissions: ["*"] }) { id } }']],
  ['update the role admin', ['PATCH', '/v1/roles/admin', { permissions: [] }], ['mutation { updateRole(id: "admin", patch: { permissions: [] }) { id } }']],
  ['delete a role that is not there', ['DELETE', '/v1/roles/none'], ['mutation { deleteRole(id: "none") }']],
  ['list of blobs', ['GET', '/v1/blobs'], ['{ blobs { nodes { id } } }']],
  ['too large a page of blobs', ['GET', '/v1/blobs?limit=5000'], ['{ blobs(first: 5000) { nodes { id } } }']],
  ['blobs behind none', ['GET', '/v1/blobs?cursor=AAAA'], ['{ blobs(after: "AAAA") { nodes { id } } }']],
  ['what is known of a blob', ['GET', `/v1/blobs/${blob.id}`], ['query($i: ID!) { blob(id: $i) { id } }', { i: blob.id }]],
  ['delete a blob that is not there', ['DELETE', `/v1/blobs/sha256:${'0'.repeat(64)}`], [`mutation { deleteBlob(id: "sha256:${'0'.repeat(64)}") }`]],
  ['delete what can be no blob', ['DELETE', '/v1/blobs/sha256:0'], ['mutation { deleteBlob(id: "sha256:0") }']],
  ['the fleet', ['GET', '/v1/fleet'], ['{ fleet { mode } }']],
  ['restart a node that is none', ['POST', '/v1/fleet/none:restart'], ['mutation { restartNode(name: "none") { pid } }']],
  ['faults of a node that is none', ['POST', '/v1/fleet/none:faults', { spec: '' }], ['mutation { setFaults(node: "none", spec: "") { node } }']],
  ['log level of a node that is none', ['POST', '/v1/fleet/none:log-level', { level: 'info' }], ['mutation { setLogLevel(node: "none", level: INFO) { node } }']],
  ['a request as it is', ['POST', '/v1/requests', { task_id: `parity ${process.pid}`, requirements: { database: { operation: 'read', model: 'task', id: NONE }, auth: { require_permission: 'task.read' } } }],
    ['mutation($t: String!, $i: String!) { execute(request: { taskId: $t, requirements: { database: { operation: "read", model: "task", id: $i }, auth: { requirePermission: "task.read" } } }) { status } }', { t: `parity ${process.pid}`, i: NONE }]],
  ['health', ['GET', '/health'], ['{ health { status } }']],
];
// Guesses are counted by address: one each.
const guesses = [
  ['log in with a wrong password', ['POST', '/v1/auth/login', { username: 'nobody at all', password: 'wrong' }], ['mutation { login(username: "nobody at all", password: "wrong") { accessToken } }']],
  ['refresh what is no token', ['POST', '/v1/auth/refresh', { refresh_token: 'wrong' }], ['mutation { refresh(refreshToken: "wrong") { accessToken } }']],
  ['log out what is no token', ['POST', '/v1/auth/logout', { refresh_token: 'wrong' }], ['mutation { logout(refreshToken: "wrong") }']],
];

test('no operation of REST is missing', () => {
  const { paths } = JSON.parse(readFileSync(path.join(ROOT, 'services/api/rest/openapi.json'), 'utf8'));
  const known = [...operations(), ...guesses].map(([, [method, p]]) => `${method} ${p.split('?')[0]}`);
  const streams = ['/v1/events', '/v1/ws'];    // those are subscriptions here
  const bytes = (p, method) => p.startsWith('/v1/blobs/uploads') || (p.startsWith('/v1/blobs') && ['post', 'put'].includes(method));      // bytes go over HTTP alone
  // These are asked for as `execute` has them: their models are reached by a request as it is.
  const ofAuth = (p) => /^\/v1\/(groups|grants|clients|sessions|consents|api-keys|factors|providers|identities|audit|signing-keys|policy|decisions|me)\b/.test(p);
  // So are these, as operations of level 0; what is only explained is no request.
  const ofLevel0 = (p) => /^\/v1\/(fleet\/calls|settings|errors|reliability|crashes|traces|upgrade|chaos|requests:explain)\b/.test(p);
  // What is many requests in one, and what is of no object, is of HTTP alone.
  const ofHttp = ['/v1/tasks:apply', '/v1/tasks:count', '/v1/tasks/{id}/history'];
  for (const [p, item] of Object.entries(paths).filter(([p]) => !streams.includes(p) && !ofHttp.includes(p) && !ofAuth(p) && !ofLevel0(p)))
    for (const method of Object.keys(item).filter((m) => ['get', 'post', 'patch', 'put', 'delete'].includes(m) && !bytes(p, m))) {
      const like = new RegExp(`^${method.toUpperCase()} ${p.replace(/\{\w+\}/g, '(sha256:)?[^/:]+')}$`);
      assert.ok(known.some((k) => like.test(k)), `${method} ${p} is not in the table`);
    }
});

test('every operation has the same verdict for everybody over REST and GraphQL', async () => {
  const differ = [], seen = new Set();
  const compare = async ([name, rest, document], who) => {
    const a = await overRest(rest, tokens[who]), b = await overGraphql(document, tokens[who]);
    if (JSON.stringify(a.refused) !== JSON.stringify(b.refused)) differ.push({ name, who, rest: a, graphql: b });
    seen.add(a.refused?.[1]).add(a.refused?.[0]);
  };
  for (const operation of operations()) for (const who of Object.keys(tokens)) await compare(operation, who);
  for (const guess of guesses) await compare(guess, 'nobody');
  assert.deepEqual(differ, []);
  // The table is worth something only when it meets what can go wrong.
  for (const reason of [undefined, 'NOT_FOUND', 'PERMISSION_DENIED', 'UNAUTHENTICATED', 'ALREADY_EXISTS', 'VERSION_CONFLICT', 'ID_TAKEN', 'BEYOND_OWN', 'OWN_ACCOUNT', 'ROLE_FIXED', 'BAD_CREDENTIALS', 'VALIDATION'])
    assert.ok(seen.has(reason), `${reason} never came: ${[...seen]}`);
});

test('what is wrong with a body is said in the same words of the same fields', async () => {
  const cases = [
    ['/v1/tasks', { title: '', type: 'no token', priority: 'HIGH' }, 'mutation($b: CreateTaskInput!) { createTask(input: $b) { id } }'],
    ['/v1/tasks', { title: 'x', labels: { a: 1 } }, 'mutation($b: CreateTaskInput!) { createTask(input: $b) { id } }'],
    ['/v1/users', { username: 'a b', password: PASSWORD }, 'mutation($b: CreateUserInput!) { createUser(input: $b) { id } }'],
    ['/v1/users', { username: 'x', password: 'short' }, 'mutation($b: CreateUserInput!) { createUser(input: $b) { id } }'],
    ['/v1/users', { username: 'x', roles: ['none'] }, 'mutation($b: CreateUserInput!) { createUser(input: $b) { id } }'],
    ['/v1/roles', { id: 'no name' }, 'mutation($b: CreateRoleInput!) { createRole(input: $b) { id } }'],
    ['/v1/roles', { id: 'x', permissions: ['no permission'] }, 'mutation($b: CreateRoleInput!) { createRole(input: $b) { id } }'],
  ];
  for (const [p, body, document] of cases) {
    const a = await overRest(['POST', p, body], f.token), b = await overGraphql([document, { b: body }], f.token);
    assert.equal(a.refused?.[1], 'VALIDATION', JSON.stringify([body, a]));
    assert.deepEqual(b, a);
  }
});

test('each field of REST\'s representations is one of GraphQL\'s, with the same value', async () => {
  const schema = buildSchema(readFileSync(path.join(ROOT, 'services/api/graphql/schema.graphql'), 'utf8'));
  const own = { Task: 'taskId', User: 'userId', Role: 'name' };
  for (const [type, p, field] of [['Task', '/v1/tasks', 'tasks'], ['User', '/v1/users', 'users'], ['Role', '/v1/roles', 'roles']]) {
    const { items } = (await f.call('GET', p)).json;
    assert.ok(items.length > 0);
    const names = Object.keys(items[0]);
    for (const n of names) assert.ok(n === 'id' || schema.getType(type).getFields()[camel(n)], `${type}.${camel(n)} is missing`);
    const r = await gql(`{ ${field} { nodes { id ${own[type]} ${names.filter((n) => n !== 'id').map(camel).join(' ')} } } }`);
    assert.equal(r.status, 200, r.text);
    const want = items.map((item) => Object.fromEntries([['id', Buffer.from(`${type}:${item.id}`).toString('base64')], [own[type], item.id],
      ...names.filter((n) => n !== 'id').map((n) => [camel(n), item[n]])]));
    assert.deepEqual(Object.values(r.json.data)[0].nodes, want);
  }
});

test('what the document of REST describes GraphQL\'s schema has, too', () => {
  const { components: { schemas } } = JSON.parse(readFileSync(path.join(ROOT, 'services/api/rest/openapi.json'), 'utf8'));
  const schema = buildSchema(readFileSync(path.join(ROOT, 'services/api/graphql/schema.graphql'), 'utf8'));
  const same = { TaskCreate: 'CreateTaskInput', TaskPatch: 'TaskPatch', UserCreate: 'CreateUserInput', UserPatch: 'UserPatch', RoleCreate: 'CreateRoleInput', RolePatch: 'RolePatch',
    Task: 'Task', User: 'User', Role: 'Role', Tokens: 'Tokens', TaskResponse: 'TaskResponse', Hop: 'Hop', Node: 'FleetNode', Fleet: 'Fleet', Restarted: 'RestartedNode',
    FaultsSet: 'FaultsSet', LogLevelSet: 'LogLevelSet', Health: 'Health', Blob: 'Blob' };
  for (const [name, type] of Object.entries(same)) {
    const fields = schema.getType(type).getFields();
    assert.ok(schemas[name]?.properties, `no schema ${name}`);
    for (const p of Object.keys(schemas[name].properties)) assert.ok(fields[camel(p)], `${name}.${p} is not in ${type}`);
  }
});

test('filters, orders and cursors of users and roles are those of REST', async () => {
  const id = (x) => x.id ?? x.userId ?? x.name;
  const lists = [
    ['/v1/users?username=vera', '{ users(filter: { username: "vera" }) { nodes { userId } } }'],
    ['/v1/users?disabled=false&sort=-username', '{ users(filter: { disabled: false }, sort: [{ by: USERNAME, direction: DESC }]) { nodes { userId } } }'],
    ['/v1/users?disabled=true', '{ users(filter: { disabled: true }) { nodes { userId } } }'],
    ['/v1/users?created_before=2000-01-01T00:00:00Z', '{ users(filter: { createdBefore: "2000-01-01T00:00:00Z" }) { nodes { userId } } }'],
    ['/v1/roles?sort=-created_at,updated_at', '{ roles(sort: [{ by: CREATED_AT, direction: DESC }, { by: UPDATED_AT }]) { nodes { name } } }'],
    ['/v1/roles?updated_after=2000-01-01T00:00:00Z', '{ roles(filter: { updatedAfter: "2000-01-01T00:00:00Z" }) { nodes { name } } }'],
  ];
  for (const [p, document] of lists) {
    const rest = (await f.call('GET', p)).json.items.map(id);
    const r = await gql(document);
    assert.equal(r.status, 200, r.text);
    assert.deepEqual(Object.values(r.json.data)[0].nodes.map(id), rest, p);
  }
  const first = (await gql('{ users(first: 2, sort: [{ by: USERNAME }]) { edges { cursor } pageInfo { hasNextPage endCursor } } }')).json.data.users;
  const next = (await f.call('GET', '/v1/users?limit=2&sort=username')).json;
  assert.equal(first.pageInfo.endCursor, next.next_cursor);
  assert.equal(first.pageInfo.hasNextPage, true);
  const rest = (await f.call('GET', `/v1/users?limit=2&sort=username&cursor=${next.next_cursor}`)).json.items;
  const there = (await gql('query($c: String) { users(first: 2, after: $c, sort: [{ by: USERNAME }]) { nodes { username } } }', { c: next.next_cursor })).json.data.users;
  assert.deepEqual(there.nodes.map((u) => u.username), rest.map((u) => u.username));
  const other = await gql('query($c: String) { roles(after: $c) { nodes { name } } }', { c: next.next_cursor });
  assert.equal(other.json.errors[0].extensions.reason, 'VALIDATION');
});

test('connections and global ids are as Relay\'s specifications have them', async () => {
  const schema = buildSchema(readFileSync(path.join(ROOT, 'services/api/graphql/schema.graphql'), 'utf8'));
  const type = (t, f) => String(schema.getType(t).getFields()[f].type);
  const connections = Object.keys(schema.getTypeMap()).filter((t) => t.endsWith('Connection'));
  assert.deepEqual(connections.sort(), ['BlobConnection', 'RoleConnection', 'TaskConnection', 'UserConnection']);
  for (const c of connections) {
    const of = c.replace('Connection', ''), field = schema.getQueryType().getFields()[`${of.toLowerCase()}s`];
    assert.deepEqual([type(c, 'edges'), type(c, 'nodes'), type(c, 'pageInfo')], [`[${of}Edge!]!`, `[${of}!]!`, 'PageInfo!']);
    assert.deepEqual([type(`${of}Edge`, 'node'), type(`${of}Edge`, 'cursor')], [`${of}!`, 'String!']);
    assert.deepEqual(field.args.slice(0, 2).map((a) => `${a.name}: ${a.type}`), ['first: Int!', 'after: String']);
    if (!field.args.some((a) => a.name === 'filter')) continue;
    const empty = (await gql(`{ ${field.name}(first: 1, filter: { createdBefore: "2000-01-01T00:00:00Z" }) { edges { cursor } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`)).json.data[field.name];
    assert.deepEqual(empty, { edges: [], nodes: [], pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null } });
  }
  assert.deepEqual(['hasNextPage', 'hasPreviousPage', 'startCursor', 'endCursor'].map((f) => type('PageInfo', f)), ['Boolean!', 'Boolean!', 'String', 'String']);
  // Whatever is a Node is found again by its id, alone and among others, in their order.
  const some = (await gql('{ tasks(first: 1) { nodes { id __typename } } users(first: 1) { nodes { id __typename } } roles(first: 1) { nodes { id __typename } } fleet { nodes { id __typename } } }')).json.data;
  const things = [some.fleet.nodes[3], some.roles.nodes[0], some.tasks.nodes[0], some.users.nodes[0]];
  assert.deepEqual(things.map((t) => t.__typename).sort(), schema.getPossibleTypes(schema.getType('Node')).map((t) => t.name).sort());
  for (const t of things) assert.deepEqual((await gql('query($i: ID!) { node(id: $i) { id __typename } }', { i: t.id })).json.data.node, t);
  const many = await gql('query($i: [ID!]!) { nodes(ids: $i) { id __typename } }', { i: [...things.map((t) => t.id), 'nothing', things[0].id] });
  assert.deepEqual([many.status, many.json.data.nodes], [200, [...things, null, things[0]]]);
});

test('a user and a role live through GraphQL as through REST', async () => {
  const role = (await gql('mutation { createRole(input: { id: "auditor", permissions: ["user.read"], inherits: ["viewer"] }) { id name version permissions inherits } }')).json.data.createRole;
  assert.deepEqual(role, { id: Buffer.from('Role:auditor').toString('base64'), name: 'auditor', version: 1, permissions: ['user.read'], inherits: ['viewer'] });
  assert.equal((await gql('mutation { createRole(input: { id: "auditor", permissions: ["user.read"], inherits: ["viewer"] }) { version } }')).json.data.createRole.version, 1);
  const user = (await gql('mutation($p: String!) { createUser(input: { username: "ada", password: $p, roles: ["auditor"] }) { id userId roles roleDetails { name permissions } } }', { p: PASSWORD })).json.data.createUser;
  assert.deepEqual(user.roleDetails, [{ name: 'auditor', permissions: ['user.read'] }]);
  const token = await login('ada');
  assert.equal((await gql('query($i: ID!) { node(id: $i) { ... on User { username } } }', { i: user.id }, token)).json.data.node.username, 'ada');
  const no = await gql('query($i: ID!) { user(id: $i) { username roleDetails { name } } }', { i: user.id }, token);
  assert.deepEqual([no.status, no.json.errors[0].path, no.json.errors[0].extensions.code], [294, ['user', 'roleDetails', 0], 'PERMISSION_DENIED']);
  assert.equal((await f.call('GET', '/v1/roles/auditor', { token })).json.code, 'PERMISSION_DENIED');
  const changed = (await gql('mutation($i: ID!) { updateUser(id: $i, patch: { roles: ["viewer"] }, ifVersion: 1) { version roles } }', { i: user.userId })).json.data.updateUser;
  assert.deepEqual(changed, { version: 2, roles: ['viewer'] });
  assert.equal((await gql('{ users { nodes { id } } }', {}, token)).json.errors[0].extensions.code, 'UNAUTHENTICATED');
  assert.equal((await gql('mutation($i: ID!) { deleteUser(id: $i) }', { i: user.id })).json.data.deleteUser, user.id);
  assert.equal((await gql('mutation { deleteRole(id: "auditor", ifVersion: 1) }')).json.data.deleteRole, role.id);
  assert.equal((await gql('{ role(id: "auditor") { id } }')).json.data.role, null);
  assert.equal((await f.call('GET', `/v1/users/${user.userId}`)).status, 404);
});

test('what is known of blobs is the same over both, page by page, and a blob is deleted over both', async () => {
  for (const text of ['a', 'b', 'c']) await f.call('POST', '/v1/blobs', { body: Buffer.from(text), headers: { 'content-type': 'text/plain' } });
  const { items } = (await f.call('GET', '/v1/blobs')).json;
  const all = (await gql('{ blobs { nodes { id size mediaType createdBy createdAt creator { username } url } } }')).json.data.blobs.nodes;
  assert.deepEqual(all, items.map((b) => ({ id: b.id, size: b.size, mediaType: b.media_type, createdBy: b.created_by, createdAt: b.created_at, creator: { username: 'admin' }, url: `/v1/blobs/${b.id}` })));
  const seen = [];
  for (let after = null, more = true; more;) {
    const r = await gql('query($a: String) { blobs(first: 2, after: $a) { edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }', { a: after });
    assert.equal(r.status, 200, r.text);
    const page = r.json.data.blobs;
    seen.push(...page.edges.map((e) => e.node.id));
    ({ endCursor: after, hasNextPage: more } = page.pageInfo);
  }
  assert.deepEqual(seen, items.map((b) => b.id));
  const one = (await gql('query($i: ID!) { blob(id: $i) { id size url } }', { i: items[0].id })).json.data.blob;
  assert.deepEqual(one, { id: items[0].id, size: items[0].size, url: all[0].url });
  assert.equal((await f.call('GET', one.url)).status, 200);
  const gone = items.find((b) => b.id !== blob.id).id;
  assert.equal((await gql('mutation($i: ID!) { deleteBlob(id: $i) }', { i: gone })).json.data.deleteBlob, gone);
  for (const id of [gone, 'no id']) assert.deepEqual((await gql('query($i: ID!) { blob(id: $i) { id } }', { i: id })).json, { data: { blob: null } });
  assert.equal((await f.call('GET', `/v1/blobs/${gone}`)).status, 404);
});

test('a field that is nearly full is told over both, and a task sent again with a large payload is the same', async () => {
  const document = 'mutation($b: CreateTaskInput!) { createTask(input: $b) { taskId payload } }', sizes = [];
  for (const n of [200_000, 300_000]) {
    const body = { id: n === 200_000 ? '0199f0c0-1234-7abc-8def-0123456789c0' : '0199f0c0-1234-7abc-8def-0123456789c1', title: 'large', payload: { text: 'x'.repeat(n) } };
    const a = await gql(document, { b: body }), b = await f.call('POST', '/v1/tasks', { body });
    assert.equal(a.status, 200, a.text.slice(0, 500));
    assert.deepEqual(a.json.extensions, { warnings: [`"payload";size=${n + 11};limit=262144`] });
    assert.equal(b.status, 200, b.text.slice(0, 500));
    assert.deepEqual(b.json.payload, a.json.data.createTask.payload);
    sizes.push(b.json.payload.$blob?.size);
    assert.equal((await f.call('POST', '/v1/tasks', { body: { ...body, payload: { text: 'y'.repeat(n) } } })).status, 409);
  }
  assert.deepEqual(sizes, [undefined, 300_011]);
  assert.equal((await gql('{ tasks(first: 1) { nodes { id } } }')).json.extensions, undefined);
});

test('a request as it is has its trace, and is the same request again over REST', async () => {
  const taskId = `executed ${process.pid}`;
  const document = `mutation($t: String!, $d: JSON) { execute(request: { taskId: $t, priority: HIGH, requirements: {
    database: { operation: "create", model: "task", data: $d }, auth: { requirePermission: "task.create" } }, dependsOn: [{ domain: "database", on: "auth" }], deadlineMs: 20000 }) {
    taskId status success partialSuccess successfulDomains agentsUsed result version rowsAffected problem { code } executionTrace { level hops { node method attempt startUs durationUs outcome code reason } } } }`;
  const a = (await gql(document, { t: taskId, d: { title: 'by request', labels: { some_label: 'x' } } })).json.data.execute;
  assert.deepEqual([a.taskId, a.status, a.success, a.version, a.rowsAffected, a.problem], [taskId, 'OK', true, 1, 1, null]);
  assert.deepEqual(a.executionTrace.map((t) => t.level), [0, 1, 2]);
  assert.ok(a.executionTrace[2].hops.some((h) => h.node === 'sql' && h.outcome === 'ok' && h.durationUs > 0));
  assert.deepEqual(a.result.labels, { some_label: 'x' });
  const b = (await f.call('POST', '/v1/requests', { body: { task_id: taskId, priority: 'HIGH', requirements: { database: { operation: 'create', model: 'task', data: { title: 'by request', labels: { some_label: 'x' } } }, auth: { require_permission: 'task.create' } }, depends_on: [{ domain: 'database', on: 'auth' }], deadline_ms: 20000 } })).json;
  assert.equal(b.result.id, a.result.id);
});

test('faults and log levels are set as over REST', async () => {
  const set = (await gql('mutation { setLogLevel(node: "cache", level: WARN) { node level } setFaults(node: "cache", spec: "Cache.*: delay=1:50%", seed: 7, forMs: 1000) { node faults } }')).json;
  assert.deepEqual(set.data.setLogLevel, { node: 'cache', level: 'WARN' });
  assert.deepEqual(set.data.setFaults.node, 'cache');
  assert.equal((await f.call('POST', '/v1/fleet/cache:faults', { body: { spec: '' } })).json.faults, '');
});

test('requests of a principal count wherever he comes in', async () => {
  await made('/v1/roles', { id: 'counted', permissions: ['task.read'] });
  for (const username of ['paul', 'petra']) await made('/v1/users', { username, password: PASSWORD, roles: ['counted'] });
  const [paul, petra] = [await login('paul'), await login('petra')];
  const left = (r) => Number(/;r=(\d+)/.exec(r.headers.ratelimit)[1]);
  const ask = (token) => gql('{ viewer { name } }', undefined, token);
  // Whose the credential is the edge learns from the first answer.
  assert.equal((await ask(paul)).status, 200);
  assert.equal(left(await ask(paul)), 7);
  assert.equal(left(await f.call('GET', '/v1/tasks?limit=1', { token: paul })), 6);
  assert.equal(left(await gql('{ tasks(first: 1) { nodes { id } } }', undefined, paul)), 5);
  let last;
  for (let i = 0; i < 6; i++) last = await ask(paul);
  assert.equal(last.status, 429);
  assert.ok(Number(last.headers['retry-after']) > 0);
  assert.equal((await f.call('GET', '/v1/tasks?limit=1', { token: paul })).status, 429);
  assert.equal((await ask(petra)).status, 200);
  assert.equal(left(await ask(petra)), 7);
});

// contract_narrow: the document as a tester needs it that makes up values: that of the API, with the values narrowed to what there is
// in one fleet. A log-in needs an account that is there, a path an id, a role permissions that exist; no schema can say so. What an
// answer must be is left as it is.
// Not made up, and left to other tests: actions on all that match, conditions, cursors, sessions, attributes and keys (their values come from an answer, or are structured fields),
// lists of roles, what does harm or upgrades, crashes, traces and experiments by their ids, resources of the auth domain beside users and roles (rest_auth.test.mjs), what a raw request asks of api and meta and its depends_on, lines, bytes (blobs and uploads), and the 200 of a create that is repeated.

const QUERY_AT_ONCE = 3; // every subset of the optional parameters is tried: lists come apart into documents of so many
const LEFT_OUT = ['cursor', 'payload', 'If-Match', 'If-None-Match', 'Idempotency-Key', 'Metafed-Session'];

const one = (...values) => ({ type: 'string', enum: values });
const only = (properties, ...required) => ({ type: 'object', properties, required, additionalProperties: false });

// They need accounts, secrets and each other in ways that no schema says.
const ofAuth = (path) => /^\/v1\/(groups|grants|clients|sessions|consents|api-keys|factors|providers|identities|audit|signing-keys|policy|decisions|me)\b/.test(path);

export function narrow(openapi, world) {
  const doc = structuredClone(openapi);
  narrowSchemas(doc.components.schemas, world);
  for (const [path, item] of Object.entries(doc.paths)) {
    if (endless(item) || path.startsWith('/v1/blobs') || ofAuth(path) || /^\/v1\/(crashes|chaos|traces)\/\{id\}$/.test(path)) delete doc.paths[path];
    else for (const op of Object.values(item)) narrowOperation(doc, op, world);
  }
  for (const path of ['/v1/upgrade', '/v1/chaos', '/v1/tasks:apply']) delete doc.paths[path].post;
  for (const path of ['/v1/errors', '/v1/settings']) doc.paths[path].get.parameters.find((x) => x.name === 'node').schema = { type: 'string', enum: ['sql', 'meta'] };  // one that is there
  doc.paths['/v1/traces'].get.parameters = doc.paths['/v1/traces'].get.parameters.filter((x) => x.name !== 'route');  // for the tester a pattern that begins with / is none
  for (const r of Object.values(doc.components.responses)) withoutExamples(r.content);
  return apart(doc);
}

function narrowSchemas(s, world) {
  const fresh = { type: 'string', pattern: '^[a-z]{64}$' }; // names that are made up meet nobody else's
  s.Login.properties = { username: one(world.admin.username), password: one(world.admin.password) };
  for (const given of [s.UserCreate, s.UserPatch]) {
    given.properties.username = fresh;
    delete given.properties.roles; // the tester repeats itself in lists, whatever uniqueItems says
    for (const name of ['groups', 'email', 'kind', 'password']) delete given.properties[name]; // they must be there, be an address, fit a password, not be expected
  }
  for (const given of [s.RoleCreate, s.RolePatch]) {
    given.properties.permissions = { type: 'array', items: { type: 'string', pattern: '^[a-z]{12}[.][*]$' } };
    delete given.properties.inherits;
  }
  s.RoleCreate.properties.id = fresh;
  s.Faults.properties.spec = one('');
  const request = s.TaskRequest.properties, { limit } = request.requirements.properties.database.properties;
  request.task_id = { type: 'string', pattern: '^[a-z]{128}$' };
  request.requirements = only({
    database: only({ operation: one('query'), model: one('task'), limit, sort: one('-priority') }, 'operation', 'model'),
    auth: only({ require_permission: one('task.read') }),
  }, 'database');
  delete request.depends_on;
}

function narrowOperation(doc, op, world) {
  const body = op.requestBody?.content ?? {}, token = world.tokens[op.operationId];
  op.parameters = (op.parameters ?? []).map((p) => structuredClone(resolve(doc, p))).filter((p) => !LEFT_OUT.includes(p.name));
  for (const p of op.parameters) {
    if (p.in === 'path') p.schema = one(world.ids[op.operationId]);
    if (p.name === 'sort') p.schema = one('-created_at', 'updated_at,-created_at');
    if (p.name === 'fields') p.schema = one('id,version', 'created_at');
    if (p.name === 'consistency') p.schema = one('strong', 'eventual'); // bounded needs another parameter
    delete p.example;
  }
  if (token) body['application/json'].schema = { ...doc.components.schemas.RefreshToken, properties: { refresh_token: one(token) } };
  withoutExamples(body);
  for (const type of Object.keys(body).slice(1)) delete body[type]; // the tester sends the first
  if (op.responses['201']) delete op.responses['200'];
  delete op.responses['304'];
  for (const r of Object.values(op.responses)) {
    withoutExamples(r.content);
    delete r.content?.['application/x-ndjson'];
  }
}

// They name what is not there.
function withoutExamples(content) {
  for (const media of Object.values(content ?? {})) { delete media.example; delete media.examples; }
}

// A stream never ends: its tests are its own.
const endless = (item) => item.get?.responses['200']?.content?.['text/event-stream'] !== undefined;
const resolve = (doc, v) => (v.$ref ? v.$ref.slice(2).split('/').reduce((at, k) => at[k], doc) : v);

// One document with all but the lists, and the lists in as many as it takes.
function apart(doc) {
  const rest = structuredClone(doc), docs = [rest];
  for (const [path, item] of Object.entries(doc.paths)) {
    const query = (item.get?.parameters ?? []).filter((p) => p.in === 'query');
    if (query.length <= QUERY_AT_ONCE) continue;
    delete rest.paths[path].get;
    for (let i = 0; i * QUERY_AT_ONCE < query.length; i++) {
      docs[i + 1] ??= { ...structuredClone(doc), paths: {} };
      docs[i + 1].paths[path] = { get: { ...item.get, parameters: query.slice(i * QUERY_AT_ONCE, (i + 1) * QUERY_AT_ONCE) } };
    }
  }
  return docs;
}

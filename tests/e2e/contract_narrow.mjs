// contract_narrow: the document as a tester needs it that makes up values: everything of openapi.json, with the values narrowed
// to what there is in one fleet. A log-in needs an account that is there, a path an id, a role permissions that exist; no schema
// can say so. Nothing is taken from what an answer must be, and no rule of a request is dropped, only its room.
// What is left to other tests: conditions, cursors and keys (their values come from an answer, or are structured fields), and the 200 of a create that is repeated.

const METHODS = ['get', 'post', 'patch', 'delete'];
const QUERY_AT_ONCE = 3; // every subset of the optional parameters is tried: lists come apart into documents of so many

const one = (...values) => ({ type: 'string', enum: values });

export function narrow(openapi, world) {
  const doc = structuredClone(openapi);
  const s = doc.components.schemas;
  const fresh = { type: 'string', pattern: '^[a-z]{64}$' }; // names that are made up meet nobody else's
  const permissions = { type: 'array', items: { type: 'string', pattern: '^[a-z]{12}[.][*]$' } };
  s.Login.properties = { username: one(world.admin.username), password: one(world.admin.password) };
  for (const given of [s.UserCreate, s.UserPatch]) given.properties.username = fresh;
  for (const given of [s.RoleCreate, s.RolePatch]) given.properties.permissions = permissions;
  s.RoleCreate.properties.id = fresh;
  // The tester repeats itself in lists, whatever uniqueItems says, and no list of roles is long enough for that.
  for (const given of [s.UserCreate, s.UserPatch]) delete given.properties.roles;
  for (const given of [s.RoleCreate, s.RolePatch]) delete given.properties.inherits;
  s.Faults.properties.spec = one('');
  const request = s.TaskRequest.properties;
  request.requirements.properties = { database: {
    type: 'object',
    properties: { operation: one('query'), model: one('task'), limit: { type: 'integer', minimum: 0, maximum: 1000 }, sort: one('-priority') },
    required: ['operation', 'model'],
    additionalProperties: false,
  }, auth: { type: 'object', properties: { require_permission: one('task.read') }, additionalProperties: false } };
  request.requirements.required = ['database'];
  delete request.depends_on;
  request.task_id = { type: 'string', pattern: '^[a-z]{128}$' };

  for (const [path, item] of Object.entries(doc.paths)) {
    if (endless(item)) { delete doc.paths[path]; continue; }
    for (const method of METHODS.filter((m) => item[m])) {
      const op = item[method];
      op.parameters = (op.parameters ?? []).map((p) => structuredClone(resolve(doc, p)))
        .filter((p) => !['cursor', 'If-Match', 'If-None-Match', 'Idempotency-Key'].includes(p.name));
      for (const p of op.parameters) {
        if (p.in === 'path') Object.assign(p, { schema: one(world.ids[op.operationId]), example: undefined });
        if (p.name === 'sort') p.schema = one('-created_at', 'updated_at,-created_at');
        if (p.name === 'fields') p.schema = one('id,version', 'created_at');
        delete p.example;
      }
      if (world.tokens[op.operationId]) {
        const media = op.requestBody.content['application/json'];
        media.schema = { ...s.RefreshToken, properties: { refresh_token: one(world.tokens[op.operationId]) } };
        delete media.example;
      }
      for (const media of Object.values(op.requestBody?.content ?? {})) { delete media.example; delete media.examples; }
      // A tester sends the first type that it finds; lines and the plain type of a patch have tests of their own.
      const types = Object.keys(op.requestBody?.content ?? {});
      for (const t of types.slice(1)) delete op.requestBody.content[t];
      for (const [status, r] of Object.entries(op.responses)) {
        if (status === '304' || (status === '200' && op.responses['201'])) { delete op.responses[status]; continue; }
        if (r.content?.['application/x-ndjson']) delete r.content['application/x-ndjson'];
        for (const media of Object.values(r.content ?? {})) delete media.example;
      }
    }
  }
  for (const r of Object.values(doc.components.responses)) for (const media of Object.values(r.content ?? {})) delete media.example;
  return apart(doc);
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

// Injection: hostile text through every parameter, header and field of every operation of the API, over REST, GraphQL and raw requests,
// for every model. Each attempt has a marker of its own. What shows that nothing was found:
//  - PostgreSQL, which writes down every statement, never saw a marker within the text of one: only as a parameter;
//  - Redis, watched by MONITOR, never saw one as a command, within a script, or in a key that is not the fleet's;
//  - no answer is a 5xx, waits for a sleep that was asked for, or talks like a store's parser;
//  - what was stored is read back as it was given; the rows of others are as they were.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, ROOT, run, sleep, until } from '../harness/fleet.mjs';

const TEXTS = [
  (m) => `'; DROP TABLE tasks; -- ${m}`,
  (m) => `' OR '1'='1' /*${m}*/`,
  (m) => `$1::text || pg_sleep(5) -- ${m}`,
  (m) => `x') UNION SELECT password_hash, '${m}' FROM users --`,
  (m) => `\\'; SELECT pg_sleep(5); --${m}`,
  (m) => `${m}' :* & !('`,
  (m) => `{"$where":"${m}"}`,
  (m) => `"]] redis.call('FLUSHALL') --[[${m}`,
  (m) => `x\r\n*1\r\n$8\r\nFLUSHALL\r\n${m}`,
  (m) => `}${m}{a}:d:*`,
  (m) => `../../../etc/passwd%00${m}`,
  (m) => `%s%n%x${m}%d`,
  (m) => `\${jndi:ldap://127.0.0.1/${m}}{{7*7}}`,
  (m) => `<script>${m}</script>`,
];
const TALK = /syntax error at|unterminated quoted|SQLSTATE|PG::|invalid input syntax|WRONGTYPE|ERR |user_script|NOAUTH|stack traceback|root:x:0/i;

let f, n = 0, doc, canary, victim, redis = [], watched = [];
const marks = [];
const attack = (make) => { const m = `mfinj${String(++n).padStart(5, '0')}z`; marks.push(m); return make(m); };

before(async () => {
  f = await Fleet.start({ conf: '[api]\nlimit = 1000000/1000000\nlimit_roles = admin=off\n' });
  appendFileSync(path.join(f.var, 'pg/postgresql.conf'), "\nlog_statement = 'all'\nlog_min_error_statement = panic\n");
  process.kill(Number(readFileSync(path.join(f.var, 'pg/postmaster.pid'), 'utf8').split('\n')[0]), 'SIGHUP');
  for (const name of ['redis-docs', 'redis-cache']) {
    const p = spawn('redis-cli', ['-s', path.join(f.var, `run/stores/${name}.sock`), 'MONITOR'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    p.stdout.on('data', (d) => { text += d; });
    redis.push(p);
    watched.push(() => text);
    await until(() => text.startsWith('OK'), `${name} is watched`);
  }
  doc = JSON.parse(readFileSync(path.join(ROOT, 'services/api/rest/openapi.json'), 'utf8'));
  canary = (await f.call('POST', '/v1/tasks', { body: { title: 'canary', labels: { canary: 'yes' }, payload: { a: [1, 'x'] } } })).json;
  victim = (await f.call('POST', '/v1/tasks', { body: { title: 'victim' } })).json;
  assert.ok(canary.id && victim.id);
});
after(async () => {
  for (const p of redis) p.kill();
  await f?.stop();
});

async function send(method, p, opts = {}) {
  const r = await f.call(method, p, opts);
  assert.ok(r.status < 500 || r.status === 501, `${method} ${p} ${JSON.stringify(opts.body)}: ${r.status} ${r.text}`);
  assert.ok(r.ms < 4500, `${method} ${p} ${JSON.stringify(opts.body)} took ${r.ms} ms`);
  assert.doesNotMatch(r.text ?? '', TALK, `${method} ${p} ${JSON.stringify(opts.body)}`);
  return r;
}
async function all(attempts, width = 16) {
  const queue = [...attempts];
  await Promise.all(Array.from({ length: width }, async () => { while (queue.length) await queue.shift()(); }));
}

const resolve = (s) => s?.$ref ? resolve(s.$ref.slice(2).split('/').reduce((at, k) => at[k], doc)) : s;
// A value that fits a schema, with `text` wherever one can stand; at: the path of the one place that is hostile.
function places(schema, at = [], depth = 0) {
  const s = resolve(schema);
  if (!s || depth > 4) return [];
  const list = [];
  for (const k of ['oneOf', 'anyOf', 'allOf']) for (const one of s[k] ?? []) list.push(...places(one, at, depth + 1));
  const types = [s.type].flat();
  if (types.includes('object') || s.properties) {
    for (const [k, v] of Object.entries(s.properties ?? {})) list.push(...places(v, [...at, k], depth + 1));
    list.push([...at, null]);                               // the name of a member
  } else if (types.includes('array')) list.push(...places(s.items ?? {}, [...at, 0], depth + 1));
  else if (at.length) list.push(at);
  return list;
}
function put(value, at, text) {
  const [k, ...rest] = at;
  if (k === null) return { ...value, [text]: text };
  if (k === 0) return [rest.length ? put({}, rest, text) : text];
  return { ...value, [k]: rest.length ? put(value?.[k] ?? {}, rest, text) : text };
}

const EXAMPLES = {
  '/v1/tasks': { title: 't' }, '/v1/tasks:bulk': { tasks: [{ title: 't' }] }, '/v1/users': { username: 'nobody', password: 'a long password' }, '/v1/roles': { id: 'r', permissions: [] },
  '/v1/auth/login': { username: 'nobody', password: 'x' }, '/v1/auth/refresh': { refresh_token: 'x' }, '/v1/auth/logout': { refresh_token: 'x' },
};
// what would change the fleet for the tests after it, or hold its answer for as long as a stream lasts
const LEFT = (p, method) => p === '/v1/events' || (/fleet/.test(p) && method === 'post');

test('every parameter and body member of every operation in the OpenAPI document', async () => {
  const attempts = [];
  for (const [p, item] of Object.entries(doc.paths)) for (const method of ['get', 'post', 'put', 'patch', 'delete', 'head']) {
    const op = item[method];
    if (!op || LEFT(p, method)) continue;
    const parameters = [...(item.parameters ?? []), ...(op.parameters ?? [])].map(resolve), M = method.toUpperCase();
    const real = (name, text) => p.replace(/\{(\w+)\}/g, (u, k) => encodeURIComponent(k === name ? text : victim.id));
    for (const make of TEXTS) {
      for (const x of parameters) attempts.push(() => {
        const text = attack(make), query = x.in === 'query' ? `?${x.name}=${encodeURIComponent(text)}` : '';
        const headers = x.in === 'header' ? { [x.name]: Buffer.from(text.replace(/[\r\n\0]/g, ' ')).toString('latin1') } : {};
        return send(M, real(x.in === 'path' ? x.name : '', text) + query, { headers, ...(op.requestBody ? { body: EXAMPLES[p] ?? {} } : {}) });
      });
      attempts.push(() => send(M, `${real('', '')}?${encodeURIComponent(attack(make))}=x`));
      const schema = op.requestBody?.content?.['application/json']?.schema ?? op.requestBody?.content?.['application/merge-patch+json']?.schema;
      const type = op.requestBody?.content?.['application/merge-patch+json'] ? { 'content-type': 'application/merge-patch+json' } : {};
      for (const at of schema ? places(schema) : []) attempts.push(() => send(M, real('', ''), { headers: type, body: put(EXAMPLES[p] ?? {}, at, attack(make)) }));
    }
  }
  assert.ok(attempts.length > 1500, `${attempts.length} attempts`);
  await all(attempts);
});

const MODELS = ['task', 'doc.inj', 'collection', 'stream.inj', 'consumer.inj', 'blob', 'user', 'role'];
const OPERATIONS = ['create', 'read', 'query', 'update', 'delete', 'bulk_create', 'transaction', 'bulk', 'append', 'trim'];
const FIELDS = ['model', 'id', 'cursor', 'sort', 'consistency', 'namespace', 'session', 'isolation'];

test('every field of raw requests, for every model and operation', async () => {
  const attempts = [];
  const reached = new Set();
  const ask = async (database) => {
    const r = await send('POST', '/v1/requests', { body: { task_id: randomUUID(), requirements: { database } } });
    if (r.json.status !== undefined || r.json.response?.execution_trace?.[2]?.hops.some((h) => /Sql|Nosql|Cache/.test(h.method))) reached.add(`${database.model.split('.')[0]} ${database.operation}`);
  };
  const base = (model, operation) => ({ model, operation, id: victim.id, ...(/create|update|append/.test(operation) ? { data: { title: 'x' } } : {}) });
  let turn = 0;
  // each place with three of the texts: with all of them on the next ones
  for (const model of MODELS) for (const operation of OPERATIONS) for (let i = 0; i < 3; i++) {
    const make = (m) => TEXTS[turn++ % TEXTS.length](m);
    for (const field of FIELDS) attempts.push(() => {
      const text = attack(make).slice(0, 60);
      return ask({ ...base(model, operation), [field]: field === 'model' && /\./.test(model) ? `${model.split('.')[0]}.${text}`.slice(0, 64) : text });
    });
    attempts.push(() => ask({ ...base(model, operation), data: { [attack(make)]: attack(make), title: attack(make) } }));
    attempts.push(() => ask({ ...base(model, operation), data: [{ operation: 'update', model, id: attack(make), data: { [attack(make)]: 1 } }] }));
    attempts.push(() => ask({ ...base(model, operation), filters: { [attack(make)]: attack(make) } }));
    if (operation === 'query') {
      attempts.push(() => ask({ ...base(model, operation), where: { [attack(make)]: attack(make) } }));
      attempts.push(() => ask({ ...base(model, operation), where: { '/a': { eq: attack(make) } }, fields: [attack(make), '/a'] }));
      attempts.push(() => ask({ ...base(model, operation), where: { or: [{ '/a': { prefix: attack(make) } }, { [`/${attack(make)}`]: { gt: 1 } }] } }));
      for (const k of ['q', 'payload', 'label', 'id', 'state', 'created_by', 'after', 'before']) attempts.push(() => ask({ ...base(model, operation), filters: { [k]: attack(make) } }));
      attempts.push(() => ask({ ...base(model, operation), explain: true, filters: { q: attack(make) } }));
    }
    if (operation === 'update') attempts.push(() => ask({ ...base(model, operation), data: { $set: { [attack(make)]: attack(make) }, $inc: { [`/${attack(make)}`]: 1 } } }));
    if (model === 'collection') attempts.push(() => ask({ ...base(model, operation), id: 'injected', data: { indexes: [{ name: attack(make), fields: [attack(make)] }], schema: { [attack(make)]: attack(make), pattern: attack(make) } } }));
  }
  await all(attempts);
  for (const what of ['task create', 'task read', 'task query', 'task update', 'task delete', 'doc create', 'doc query', 'stream append']) assert.ok(reached.has(what), `${what} reached a store; those did: ${[...reached].sort()}`);
});

test('every variable of GraphQL, and text in its documents', async () => {
  const attempts = [];
  for (const make of TEXTS) {
    const gql = (query, variables) => send('POST', '/graphql', { body: { query, variables } });
    for (const field of ['q', 'type', 'createdBy', 'createdAfter']) attempts.push(() => gql(`query($v: ${field === 'createdAfter' ? 'DateTime' : 'String'}) { tasks(filter: { ${field}: $v }) { nodes { id } } }`, { v: attack(make) }));
    attempts.push(() => gql('query($v: [String!]) { tasks(filter: { labels: $v, payload: $v }) { nodes { id } } }', { v: [attack(make)] }));
    attempts.push(() => gql('query($v: String) { tasks(after: $v) { nodes { id } } }', { v: attack(make) }));
    attempts.push(() => gql('query($v: ID!) { node(id: $v) { id } }', { v: attack(make) }));
    attempts.push(() => gql('mutation($v: String!, $j: JSON) { createTask(input: { title: $v, description: $v, labels: $j, payload: $j }) { id } }', { v: attack(make), j: { [attack(make)]: attack(make) } }));
    attempts.push(() => gql(`{ tasks(filter: { type: ${JSON.stringify(attack(make))} }) { nodes { id } } }`));
    attempts.push(() => gql(`{ ${attack(make)} }`));
  }
  await all(attempts);
});

test('hostile text is stored and read back as it is', async () => {
  for (const make of TEXTS) {
    const text = attack(make), body = { title: text, description: text, labels: { [text]: text }, payload: { [text]: [text] } };
    const made = await send('POST', '/v1/tasks', { body });
    assert.equal(made.status, 201, made.text);
    const { json } = await send('GET', `/v1/tasks/${made.json.id}`);
    for (const [k, v] of Object.entries(body)) assert.deepEqual(json[k], v);
    if (/[=\r]/.test(text)) continue;                      // NAME=VALUE ends the name at the first one; a query has no control characters
    assert.deepEqual((await send('GET', `/v1/tasks?label=${encodeURIComponent(`${text}=${text}`)}`)).json.items.map((t) => t.id).filter((id) => id === made.json.id), [made.json.id]);
  }
});

test('nothing was found by any of it', async () => {
  const schema = () => f.sql("SELECT string_agg(c.relname || ':' || c.relkind::text, ',' ORDER BY c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'")[0][0];
  assert.deepEqual((await f.call('GET', `/v1/tasks/${canary.id}`)).json, canary);
  assert.match(schema(), /tasks:r/);
  assert.deepEqual(f.sql("SELECT username FROM users WHERE roles ? 'admin'"), [['admin']]);
  assert.equal(n, marks.length);
  const log = path.join(f.var, 'log/postgres.log');
  f.sql("SELECT 'mfinj-planted'");                          // would it be seen?
  await until(() => /execute/.test(readFileSync(log, 'utf8')), 'statements are written down');
  // a statement and what follows of it on lines of its own, without its parameters
  let text = true, statements = 0, planted = 0, given = 0;
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    if (/ (LOG|DETAIL|ERROR|HINT|CONTEXT|STATEMENT|WARNING|NOTICE|FATAL):  /.test(line)) text = / LOG: {2}(execute|statement)/.test(line);
    given += /mfinj\d{5}z/.test(line);
    if (!text) continue;
    statements++;
    planted += line.includes('mfinj-planted');
    assert.doesNotMatch(line, /mfinj\d{5}z/, 'within a statement');
  }
  assert.equal(planted, 1);
  assert.ok(statements > 300 && given > 100, `${statements} statements, ${given} lines of parameters that were hostile`);
  await sleep(200);
  let commands = 0;
  for (const seen of watched) for (const line of seen().split('\n').slice(1)) {
    const words = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((m) => m[1]);
    if (words.length === 0) continue;
    commands++;
    const script = /^(eval|evalsha|script|function|fcall)$/i.test(words[0]);
    assert.doesNotMatch(words[0], /mfinj|flushall/i, line);
    if (script && !/sha|fcall/i.test(words[0])) assert.doesNotMatch(words[1], /mfinj/, 'within a script');
    const keys = script ? words.slice(3, 3 + Number(words[2])) : /lua\]/.test(line) || /^(get|set|mget|del)$/i.test(words[0]) ? words.slice(1, 2) : [];
    for (const key of keys) assert.match(key, /^mf(:|-restore$)/, line);   // the mark of a restore, that nosql looks at by itself
  }
  assert.ok(commands > 100, `${commands} commands`);
});

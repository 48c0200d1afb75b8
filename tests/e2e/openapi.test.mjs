// The document of the API: clean in the eyes of its linters, still what v1 was, and true: what a fleet answers is what it says.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { Fleet, ROOT, run } from '../harness/fleet.mjs';
import { breaks } from './openapi_compare.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const file = path.join(ROOT, 'services/api/rest/openapi.json');
const doc = JSON.parse(readFileSync(file, 'utf8'));
const frozen = JSON.parse(readFileSync(path.join(ROOT, 'tests/data/openapi-v1.json'), 'utf8'));
const npx = (...args) => run('npx', ['--no-install', ...args], { cwd: here });

test('spectral has nothing to say', () => {
  const r = npx('spectral', 'lint', '--fail-severity', 'hint', '-r', path.join(ROOT, 'tests/data/spectral.yaml'), file);
  assert.equal(r.status, 0, r.stdout + r.stderr);
});

test('redocly has nothing to say', () => {
  const r = npx('redocly', 'lint', '--format', 'json', file);
  assert.equal(r.status, 0, r.stdout + r.stderr);
  assert.deepEqual(JSON.parse(r.stdout.slice(r.stdout.indexOf('{'))).totals, { errors: 0, warnings: 0, ignored: 0 }, r.stdout);
});

test('a client of v1 as it was is still served', () => {
  assert.deepEqual(breaks(frozen, doc), []);
});

test('what would break a client is found', () => {
  const broken = (change) => { const d = structuredClone(frozen); change(d); return breaks(frozen, d); };
  const schemas = (d) => d.components.schemas;
  const param = (d, name) => d.paths['/v1/tasks'].get.parameters.find((p) => p.name === name);
  for (const [what, change] of Object.entries({
    'a path': (d) => { delete d.paths['/v1/tasks/{id}']; },
    'a method': (d) => { delete d.paths['/v1/tasks'].post; },
    'a filter': (d) => { d.paths['/v1/tasks'].get.parameters.pop(); },
    'a new required parameter': (d) => { d.paths['/v1/tasks'].get.parameters.push({ name: 'x', in: 'query', required: true, schema: {} }); },
    'a lower limit': (d) => { d.components.parameters.Limit.schema.maximum = 10; },
    'a status': (d) => { delete d.paths['/v1/tasks'].post.responses['200']; },
    'a field of an answer': (d) => { delete schemas(d).Task.properties.title; },
    'a field that may be missing now': (d) => { schemas(d).Node.required.pop(); },
    'a field of a request': (d) => { delete schemas(d).TaskCreate.properties.payload; },
    'a new required field': (d) => { schemas(d).TaskCreate.required.push('payload'); },
    'a shorter title': (d) => { schemas(d).TaskCreate.properties.title = { type: 'string', minLength: 1, maxLength: 10 }; },
    'a new value in an answer': (d) => { schemas(d).Node.properties.state.enum.push('LOST'); },
    'a wider type in an answer': (d) => { schemas(d).Task.properties.namespace = { type: ['string', 'null'] }; },
    'a media type': (d) => { delete d.paths['/v1/tasks/{id}'].patch.requestBody.content['application/json']; },
    'a value that could be sent': (d) => { schemas(d).LogLevel.properties.level.enum.shift(); },
    'a value that a filter took': (d) => { param(d, 'state').schema = { type: 'string', enum: ['QUEUED'] }; },
    'one value instead of any': (d) => { schemas(d).TaskCreate.properties.type = { type: 'string', const: 'x' }; },
    'a filter that has become required': (d) => { param(d, 'state').required = true; },
    'a list that is written in another way': (d) => { param(d, 'label').explode = false; },
    'a required field deep in a request': (d) => { schemas(d).TaskCreate.properties.labels = { type: 'object', required: ['team'] }; },
    'a field of each item of an answer': (d) => { delete schemas(d).TaskView.properties.state; },
    'a field of an error': (d) => { delete schemas(d).Problem.properties.reason; },
    'an error that may lack its code': (d) => { schemas(d).Problem.required = []; },
    'fields beyond those that are named': (d) => { schemas(d).TaskCreate.properties.payload = { additionalProperties: false }; },
    'a value of a map in an answer': (d) => { schemas(d).Health.properties.domains.additionalProperties.enum.push('lost'); },
    'a header of an answer': (d) => { delete d.paths['/v1/tasks'].post.responses['201'].headers.Location; },
    'a credential where none was needed': (d) => { delete d.paths['/health'].get.security; },
  })) assert.notDeepEqual(broken(change), [], what);
  const optional = structuredClone(frozen);
  delete optional.paths['/v1/tasks'].post.requestBody.required;
  assert.deepEqual(breaks(optional, frozen), ['POST /v1/tasks body: has become required']);
  assert.deepEqual(breaks(frozen, optional), []);
  assert.deepEqual(broken((d) => { d.paths['/v1/more'] = { get: {} }; schemas(d).Task.properties.more = {}; schemas(d).TaskCreate.properties.more = {}; }), []);
});

// --- a fleet ---
let f;
const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema(doc, 'doc');
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const resolve = (v) => (v?.$ref ? v.$ref.slice(2).split('/').reduce((at, k) => at[k], doc) : v);
const escape = (key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));

// Calls an operation by its id, holds the answer against what the document says of it.
async function call(id, { status, params = {}, ...opts } = {}) {
  const [p, method] = Object.entries(doc.paths).flatMap(([k, item]) => Object.keys(item).map((m) => [k, m])).find(([k, m]) => doc.paths[k][m].operationId === id);
  const r = await f.call(method.toUpperCase(), p.replace('{id}', params.id) + (params.query ?? ''), opts);
  assert.equal(r.status, status, `${id}: ${r.text}`);
  let at = `/paths/${escape(p)}/${method}/responses/${doc.paths[p][method].responses[r.status] ? r.status : 'default'}`;
  const said = doc.paths[p][method].responses[r.status] ?? doc.paths[p][method].responses.default;
  if (said.$ref) at = said.$ref.slice(1);
  for (const h of Object.keys(resolve(said).headers ?? {}))
    if (h === 'ETag' || h === 'Location' || h === 'WWW-Authenticate') assert.ok(r.headers[h.toLowerCase()], `${id}: no ${h}`);
  const type = r.headers['content-type'];
  if (!type) { assert.equal(resolve(said).content, undefined, `${id}: no body`); return r; }
  assert.ok(resolve(said).content?.[type], `${id}: ${r.status} ${type} is not in the document`);
  const check = ajv.getSchema(`doc#${at}/content/${escape(type)}/schema`);
  assert.ok(check(r.json), `${id}: ${JSON.stringify(check.errors)} ${r.text.slice(0, 600)}`);
  return r;
}

const example = (id) => {
  const op = Object.values(doc.paths).flatMap((item) => Object.values(item)).find((o) => o.operationId === id);
  return Object.values(op.requestBody.content)[0].example;
};

test('the document and the page come from the fleet itself, and the page asks nobody else', async () => {
  f.agent.destroy();      // the linters may have taken longer than an idle connection lives
  const d = await f.call('GET', '/openapi.json', { token: null });
  assert.equal(d.status, 200);
  assert.deepEqual(d.json, doc);
  assert.equal((await f.call('GET', '/openapi.json', { token: null, headers: { 'if-none-match': d.headers.etag } })).status, 304);
  const page = await f.call('GET', '/docs', { token: null, headers: { accept: 'text/html' } });
  assert.equal(page.status, 200);
  assert.match(page.headers['content-type'], /^text\/html/);
  assert.match(page.headers['content-security-policy'], /default-src 'none'; script-src 'self'/);
  const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((m) => m[1]);
  assert.deepEqual([...new Set(links)].sort(), ['/docs/docs.css', '/docs/docs.js', '/openapi.json']);
  for (const l of links) assert.equal((await f.call('GET', l, { token: null })).status, 200, l);
  assert.doesNotMatch(page.text, /<script>|<style|style=|\son\w+=/);
  assert.equal((await f.call('POST', '/docs', { token: null, body: {} })).status, 405);
});

test('every operation on tasks, users and roles answers as the document says, with its own examples', async () => {
  for (const [n, missing] of [['Task', '0199f0c0-1234-7abc-8def-0123456789ff'], ['User', '0199f0c0-1234-7abc-8def-0123456789ff'], ['Role', 'nobody']]) {
    const made = (await call(`create${n}`, { status: 201, body: example(`create${n}`) }));
    const id = made.json.id;
    await call(`list${n}s`, { status: 200, params: { query: '?limit=1' } });
    await call(`read${n}`, { status: 200, params: { id } });
    await call(`read${n}`, { status: 304, params: { id }, headers: { 'if-none-match': made.headers.etag } });
    await call(`update${n}`, { status: 200, params: { id }, body: example(`update${n}`), headers: { 'content-type': 'application/merge-patch+json' } });
    await call(`update${n}`, { status: 412, params: { id }, body: example(`update${n}`), headers: { 'if-match': '"1"' } });
    await call(`create${n}`, { status: 422, body: {} });
    await call(`create${n}`, { status: 400, body: '{' });
    await call(`create${n}`, { status: 401, body: example(`create${n}`), token: null });
    await call(`list${n}s`, { status: 422, params: { query: '?limit=0' } });
    await call(`delete${n}`, { status: 204, params: { id } });
    await call(`read${n}`, { status: 404, params: { id: missing } });
  }
  await call('bulkCreateTasks', { status: 200, body: { tasks: [{ title: 'one' }, { title: '' }] } });
  await call('bulkCreateTasks', { status: 422, body: { tasks: [] } });
});

test('every other operation answers as the document says', async () => {
  await call('login', { status: 200, token: null, body: f.admin() }).then(async (r) => {
    const again = await call('refresh', { status: 200, token: null, body: { refresh_token: r.json.refresh_token } });
    await call('logout', { status: 204, token: null, body: { refresh_token: again.json.refresh_token } });
  });
  await call('login', { status: 401, token: null, body: { username: 'nobody', password: 'wrong horse' } });
  await call('execute', { status: 200, body: example('execute') });
  await call('execute', { status: 422, body: { task_id: 't' } });
  await call('readFleet', { status: 200 });
  await call('readHealth', { status: 200, token: null });
  await call('setLogLevel', { status: 200, params: { id: 'cache' }, body: { level: 'info' } });
  await call('setFaults', { status: 200, params: { id: 'cache' }, body: example('setFaults') });
  await call('setFaults', { status: 200, params: { id: 'cache' }, body: { spec: '', for_ms: 10 } });
  await call('restartNode', { status: 202, params: { id: 'cache' } });
  await call('restartNode', { status: 404, params: { id: 'nobody' } });
});

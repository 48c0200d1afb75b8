// GraphQL with the clients that people have: plain fetch, and graphql-request with what its manual shows (GET, errorPolicy,
// rawRequest, typed documents, middleware, abort), against a fleet as it comes.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { parse } from 'graphql';
import { ClientError, GraphQLClient, gql, rawRequest, request } from 'graphql-request';
import { Fleet, sleep } from '../harness/fleet.mjs';

let fleet, url, headers, client;

before(async () => {
  fleet = await Fleet.start({ conf: '[graphql]\ndocuments_register = yes\n' });
  url = `${fleet.url}/graphql`;
  headers = { authorization: `Bearer ${fleet.token}` };
  client = new GraphQLClient(url, { headers });
});
after(() => fleet?.stop());

const TASK = gql`fragment Whole on Task { id taskId title priority state version labels }`;
const create = (title) => client.request(gql`mutation($t: String!) { createTask(input: { title: $t }) { ...Whole } } ${TASK}`, { t: title }).then((d) => d.createTask);
const post = (body, more = {}) => fetch(url, { method: 'POST', body: JSON.stringify(body), ...more,
  headers: { ...headers, 'content-type': 'application/json', accept: 'application/graphql-response+json, application/json;q=0.9', ...more.headers } });

test('fetch, as the specification of GraphQL over HTTP has it', async () => {
  const task = await create('by fetch');
  const r = await post({ query: 'query($i: ID!) { task(id: $i) { title } }', variables: { i: task.id } });
  assert.equal(r.status, 200);
  assert.ok(r.ok);
  assert.equal(r.headers.get('content-type'), 'application/graphql-response+json; charset=utf-8');
  assert.equal(r.headers.get('cache-control'), 'private, no-cache');
  assert.deepEqual(await r.json(), { data: { task: { title: 'by fetch' } } });
  const got = await fetch(`${url}?${new URLSearchParams({ query: 'query($i: ID!) { task(id: $i) { title } }', variables: JSON.stringify({ i: task.id }) })}`, { headers });
  assert.deepEqual([got.status, await got.json()], [200, { data: { task: { title: 'by fetch' } } }]);
  // A client tells a partial answer by its status alone.
  const partial = await post({ query: '{ health { status } tasks(first: 0) { nodes { id } } }' });
  assert.deepEqual([partial.status, partial.ok], [294, true]);
  const { data, errors } = await partial.json();
  assert.deepEqual([data.health.status, data.tasks, errors.length, errors[0].path], ['OK', null, 1, ['tasks']]);
  assert.equal((await post({ query: '{ nope }' })).status, 422);
  assert.equal((await fetch(url, { method: 'POST', headers, body: '{"query":"{__typename}"}' })).status, 415);    // fetch says text/plain
});

test('fetch of a large answer is compressed, and is the same', async () => {
  const query = '{ __schema { types { name description fields { name description } } } }';
  const r = await post({ query }, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(r.headers.get('content-encoding'), 'gzip');
  assert.deepEqual(await r.json(), await (await post({ query }, { headers: { 'accept-encoding': 'identity' } })).json());
  // Where tokens are, nothing is compressed or kept.
  const secret = await post({ query: `mutation { logout(refreshToken: "x") } # ${'x'.repeat(2000)}` }, { headers: { 'accept-encoding': 'gzip' } });
  assert.deepEqual([secret.headers.get('cache-control'), secret.headers.get('content-encoding')], ['no-store', null]);
});

test('requests with several operations run the one that is named', async () => {
  const query = 'query A { __typename } mutation B($t: String!) { createTask(input: { title: $t }) { title } }';
  assert.deepEqual(await (await post({ query, operationName: 'A' })).json(), { data: { __typename: 'Query' } });
  assert.deepEqual(await (await post({ query, operationName: 'B', variables: { t: 'b' } })).json(), { data: { createTask: { title: 'b' } } });
});

test('what clients send in a list, which the specification does not know, is refused clearly', async () => {
  const r = await post([{ query: '{ __typename }' }]);
  assert.equal(r.status, 400);
  assert.match((await r.json()).errors[0].message, /must be a JSON object/);
});

test('automatic persisted queries: the hash first, then both, then the hash', async () => {
  const query = '{ health { status } }';
  const extensions = { persistedQuery: { version: 1, sha256Hash: createHash('sha256').update(query).digest('hex') } };
  const first = await (await post({ extensions }, { headers: { accept: 'application/json' } })).json();
  assert.equal(first.errors[0].message, 'PersistedQueryNotFound');
  const want = { data: { health: { status: 'OK' } } };
  assert.deepEqual(await (await post({ query, extensions })).json(), want);
  assert.deepEqual(await (await post({ extensions })).json(), want);
  const q = new URLSearchParams({ extensions: JSON.stringify(extensions) });
  assert.deepEqual(await (await fetch(`${url}?${q}`, { headers })).json(), want);
  const wrong = { persistedQuery: { version: 1, sha256Hash: '0'.repeat(64) } };
  assert.equal((await (await post({ query, extensions: wrong })).json()).errors[0].extensions.reason, 'PERSISTED_DOCUMENT_MISMATCH');
});

test('graphql-request: fragments, variables, and a typed document', async () => {
  const made = await create('typed');
  const document = parse(`query Task($id: ID!) { task(id: $id) { ...Whole } } ${TASK}`);
  assert.deepEqual((await client.request(document, { id: made.id })).task, made);
  assert.deepEqual((await request(url, document, { id: made.taskId }, headers)).task, made);
});

test('graphql-request: queries with GET, and mutations, for which it takes POST', async () => {
  const by = new GraphQLClient(url, { headers, method: 'GET', jsonSerializer: JSON });
  assert.equal((await by.request(gql`query($n: Int!) { tasks(first: $n) { nodes { id } } }`, { n: 1 })).tasks.nodes.length, 1);
  assert.equal((await by.request(gql`mutation { logout(refreshToken: "x") }`)).logout, true);
});

test('graphql-request: failures are ClientErrors with our codes, partial answers are what its errorPolicy says', async () => {
  const half = gql`{ health { status } task(id: "0199f0c0-1234-7abc-8def-0123456789ab") { id } tasks(first: 0) { nodes { id } } }`;
  await assert.rejects(client.request(half), (e) => e instanceof ClientError && e.response.data.health.status === 'OK' && e.response.errors[0].extensions.reason === 'VALIDATION');
  const all = new GraphQLClient(url, { headers, errorPolicy: 'all' });
  const { data, errors, status, headers: got } = await all.rawRequest(half);
  assert.deepEqual([data.health, data.task, data.tasks, errors.length], [{ status: 'OK' }, null, null, 1]);
  assert.ok(status === 200 || status === 294);
  assert.match(got.get('content-type'), /json/);
  assert.equal((await new GraphQLClient(url, { headers, errorPolicy: 'ignore' }).request(half)).health.status, 'OK');
  for (const [document, reason] of [['{ nope }', 'GRAPHQL_VALIDATION_FAILED'], ['{', 'GRAPHQL_PARSE_FAILED'], ['query($i: ID!) { task(id: $i) { id } }', 'GRAPHQL_BAD_VARIABLES']])
    await assert.rejects(rawRequest(url, document, {}, headers), (e) => e instanceof ClientError && e.response.errors[0].extensions.reason === reason);
  const out = new GraphQLClient(url, { headers: { authorization: 'Bearer nonsense' } });
  await assert.rejects(out.request('{ viewer { name } }'), (e) => e.response.errors[0].extensions.code === 'UNAUTHENTICATED');
});

test('graphql-request: a token that is fetched for each request, by middleware', async () => {
  let token = null, asked = 0;
  const by = new GraphQLClient(url, {
    requestMiddleware: async (q) => { asked++; return token ? { ...q, headers: { ...Object.fromEntries(new Headers(q.headers)), authorization: `Bearer ${token}` } } : q; },
  });
  assert.equal((await by.request('{ viewer { name } }')).viewer, null);
  const { username, password } = fleet.admin();
  token = (await by.request(gql`mutation($u: String!, $p: String!) { login(username: $u, password: $p) { accessToken } }`, { u: username, p: password })).login.accessToken;
  assert.equal((await by.request('{ viewer { name } }')).viewer.name, 'admin');
  assert.equal(asked, 3);
});

test('graphql-request: what is aborted ends at once, and the fleet goes on', async () => {
  await fleet.call('POST', '/v1/fleet/sql:faults', { body: { spec: 'Sql.Read: delay=3000', for_ms: 4000 } });
  const controller = new AbortController();
  const waits = client.request({ document: '{ tasks { nodes { id } } }', signal: controller.signal });
  const began = performance.now();
  setTimeout(() => controller.abort(), 100);
  await assert.rejects(waits, (e) => e.name === 'AbortError');
  assert.ok(performance.now() - began < 2500);
  await fleet.call('POST', '/v1/fleet/sql:faults', { body: { spec: '' } });
  for (let i = 0; ; i++) {
    try { await client.request('{ tasks { nodes { id } } }'); break; } catch (e) { if (i > 50) throw e; await sleep(100); }
  }
});

test('mutations of one request come one after the other: the second sees what the first did', async () => {
  const names = Array.from({ length: 10 }, (u, i) => `a${i}`);
  const made = await create('counted');
  const document = `mutation($i: ID!) { ${names.map((n, i) => `${n}: updateTask(id: $i, patch: { description: "${i}" }, ifVersion: ${i + 1}) { version description }`).join(' ')} }`;
  const d = await client.request(document, { i: made.id });
  assert.deepEqual(names.map((n) => d[n]), names.map((n, i) => ({ version: i + 2, description: String(i) })));
  const broken = await client.request({ document: `mutation($i: ID!) { a: updateTask(id: $i, patch: { title: "" }) { id } b: updateTask(id: $i, patch: { title: "b" }) { title } c: deleteTask(id: $i) }`, variables: { i: made.id } }).catch((e) => e.response);
  assert.deepEqual([broken.data.a, broken.data.b.title, broken.data.c, broken.errors.length], [null, 'b', made.id, 1]);
});

// Documents as a client sees them: declared, written, found over HTTP and by the command line; and JSON Schema against ajv,
// on random schemas and values. METAFED_SEED repeats a run.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import Ajv from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { randomInt } from 'node:crypto';
import { Fleet, until } from '../harness/fleet.mjs';

let f, n = 0;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

async function ask(database, most = 499) {
  const r = await f.call('POST', '/v1/requests', { body: { task_id: `documents-${n++}`, requirements: { database } } });
  assert.ok(r.status <= most, r.text);
  return r.status === 200 ? r.json : { success: false, problem: r.json };
}
async function done(database) {
  const r = await ask(database);
  assert.equal(r.success, true, JSON.stringify(r));
  return r.result;
}
const code = (r) => r.problem?.code ?? 'OK';

test('a collection is declared, filled in bulk, and asked by its indexes', async () => {
  await done({ operation: 'create', model: 'collection', id: 'orders', data: {
    schema: { type: 'object', required: ['state'], properties: { state: { enum: ['open', 'done'] }, n: { type: 'integer' } } },
    indexes: [{ name: 'by_state', fields: ['/state', '/n'] }, { name: 'code', fields: ['/code'], unique: true }] } });
  const members = [...Array(90).keys()].map((i) => ({ operation: 'create', model: 'doc.orders', id: `o${i}`, data: { state: i % 3 ? 'open' : 'done', n: 90 - i, code: `c${i % 80}` } }));
  const bulk = await done({ operation: 'bulk', model: 'doc.orders', data: members });
  assert.equal(bulk.items.filter((i) => i.problem).length, 10);
  assert.equal(bulk.items[85].problem.reason, 'UNIQUE');
  const found = [];
  for (let cursor; ;) {
    const page = await done({ operation: 'query', model: 'doc.orders', where: { '/state': 'open', '/n': { gt: 30 } }, sort: '-/n', fields: ['/n'], limit: 7, ...(cursor && { cursor }) });
    found.push(...page.items.map((i) => i.data));
    if (!(cursor = page.next_cursor)) break;
  }
  assert.deepEqual(found, [...Array(60).keys()].filter((i) => i % 3).map((i) => ({ n: 90 - i })));
  const plan = await done({ operation: 'query', model: 'doc.orders', where: { '/state': 'open', '/n': { gt: 30 } }, sort: '-/n', explain: true });
  assert.match(JSON.stringify(plan), /"by_state"/);
});

test('an update by operators is atomic, a wrong one says where it is wrong', async () => {
  await done({ operation: 'create', model: 'doc.counters', id: 'd', data: { n: 0 } });
  await Promise.all([...Array(30)].map(() => done({ operation: 'update', model: 'doc.counters', id: 'd', data: { $inc: { '/n': 1 }, $addToSet: { '/tags': 'x' } } })));
  assert.deepEqual((await done({ operation: 'read', model: 'doc.counters', id: 'd' })).data, { n: 30, tags: ['x'] });
  const bad = await ask({ operation: 'update', model: 'doc.counters', id: 'd', data: { $inc: { '/tags': 1 } } });
  assert.equal(code(bad), 'INVALID_ARGUMENT');
  assert.match(JSON.stringify(bad.problem), /\$inc/);
  assert.equal(code(await ask({ operation: 'update', model: 'doc.counters', id: 'd', data: { n: 1 }, if_version: 2 })), 'ABORTED');
});

test('a document has its life', async () => {
  await done({ operation: 'create', model: 'doc.short', id: 'a', data: {}, ttl_ms: 100 });
  await until(async () => code(await ask({ operation: 'read', model: 'doc.short', id: 'a' })) === 'NOT_FOUND', 'the document goes');
});

test('the command line does all of it', async () => {
  const cli = (...args) => f.cli(...args);
  let r = cli('collection', 'add', 'books', '{"indexes":[{"name":"by_year","fields":["/year"]}]}');
  assert.equal(r.status, 0, r.stderr);
  for (const [id, year] of [['a', 1999], ['b', 2005], ['c', 2020]]) assert.equal(cli('doc', 'add', 'books', id, JSON.stringify({ year })).status, 0);
  r = cli('doc', 'find', 'books', '{"/year":{"ge":2000}}', '--sort', '-/year', '--all');
  assert.deepEqual(r.stdout.trim().split('\n').map((l) => JSON.parse(l).id), ['c', 'b']);
  assert.match(cli('doc', 'find', 'books', '{"/year":1999}', '--explain').stdout, /by_year/);
  assert.equal(cli('doc', 'update', 'books', 'a', '{"$inc":{"/year":1}}', '--if-version', '1').status, 0);
  assert.equal(cli('doc', 'update', 'books', 'a', '{}', '--if-version', '1').status, 5);
  assert.match(cli('doc', 'get', 'books', 'a').stdout, /2000/);
  r = cli('collection', 'check', 'books');
  assert.equal(r.status, 0, r.stderr);
  assert.match(r.stdout, /"documents": 3/);
  assert.equal(cli('doc', 'rm', 'books', 'a').status, 0);
  assert.equal(cli('doc', 'get', 'books', 'a').status, 4);
  assert.equal(cli('collection', 'rm', 'books').status, 5);
  assert.equal(cli('collection', 'rm', 'books', '--drop').status, 0);
  assert.equal(cli('collection', 'show', 'books').status, 4);
});

// Each step lies on the one way from a declaration to a drop; what was killed there goes on with it.
for (const step of ['declare.registered', 'declare.durable', 'index.built', 'expire.durable', 'drop.marked', 'drop.durable'])
  test(`killed at nosql.${step}, nosql goes on where it was`, async () => {
    const id = `k-${step}`, model = `doc.${id}`, pid = await f.pid('nosql');
    const settled = async (database, accepted = []) => {
      let r;
      await until(async () => { r = await ask(database, 599); return r.success || accepted.includes(code(r)); }, JSON.stringify(database), 30_000);
      return r.result;
    };
    await settled({ operation: 'bulk', model, data: [...Array(20).keys()].map((i) => ({ operation: 'create', model, id: `d${i}`, data: { i } })) });
    await f.faults('nosql', `@nosql.${step}: kill`);
    await settled({ operation: 'create', model: 'collection', id, data: { indexes: [{ name: 'i', fields: ['/i'], unique: true }] } });
    await until(async () => /"ready"/.test(JSON.stringify(await ask({ operation: 'read', model: 'collection', id }, 599))), 'the index is built', 30_000);
    await settled({ operation: 'create', model, id: 'short', data: { i: 99 }, ttl_ms: 50 }, ['ALREADY_EXISTS']);
    await until(async () => (await ask({ operation: 'read', model: 'collection', id }, 599)).result?.documents === 20, 'what is over is thrown away', 30_000);
    const check = await settled({ operation: 'update', model: 'collection', id, data: { check: true } });
    assert.deepEqual([check.documents, check.missing, check.entries, check.strays], [20, 0, 20, 0]);
    await settled({ operation: 'delete', model: 'collection', id, filters: { drop: 'true' } }, ['NOT_FOUND']);
    await until(async () => code(await ask({ operation: 'read', model, id: 'd1' }, 599)) === 'NOT_FOUND', 'its documents are gone', 30_000);
    assert.notEqual(await f.pid('nosql'), pid, 'the step was reached');
  });

// --- JSON Schema against ajv ---

const seed = Number(process.env.METAFED_SEED ?? randomInt(1e9));
let state = seed;
const pick = (k) => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return Math.floor(state / 2 ** 32 * k); };
const one = (list) => list[pick(list.length)];

const STRINGS = ['', 'a', 'ab', 'abc', 'é', 'éé', '2026-11-21', '2026-11-21T01:02:03Z', '12:00:00Z', 'a@b.example', 'host.example', '127.0.0.1', '::1', 'https://a.example/b?c#d', '/a/b', '7', 'x-1', 'P1DT2H', '0199f0c0-1234-7abc-8def-0123456789ab'];
const PATTERNS = ['^a', 'b$', '^[a-c]+$', '\\d', '^\\w*$', '^.$', '^..$', '[^a]', '^(?:a|ab)c?$', '^\\S{2,3}$', '-\\d+', '^[\\w.]+@'];
const FORMATS = ['date', 'date-time', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid', 'json-pointer'];
const NAMES = ['a', 'b', 'ab', 'x-1'];

function value(depth = 3) {
  switch (pick(depth > 0 ? 9 : 6)) {
    case 0: return null;
    case 1: return one([true, false]);
    case 2: return one([0, 1, 2, 3, -1, 10, 1.5, 2.5, 1e10]);
    case 3: return one([0, 1, 2, 3]);
    case 4: case 5: return one(STRINGS);
    case 6: case 7: return [...Array(pick(4))].map(() => value(depth - 1));
    default: return Object.fromEntries([...Array(pick(4))].map(() => [one(NAMES), value(depth - 1)]));
  }
}
const small = () => pick(4);
const schemas = (depth) => [...Array(1 + pick(2))].map(() => schema(depth - 1));
const KEYWORDS = {
  type: () => one(['null', 'boolean', 'integer', 'number', 'string', 'array', 'object', ['string', 'null'], ['integer', 'array', 'object']]),
  enum: () => [value(1), value(1), value(0)], const: () => value(1),
  minimum: small, maximum: small, exclusiveMinimum: small, exclusiveMaximum: small, multipleOf: () => one([1, 2, 0.5, 2.5]),
  minLength: small, maxLength: small, pattern: () => one(PATTERNS), format: () => one(FORMATS),
  minItems: small, maxItems: small, uniqueItems: () => one([true, false]), minProperties: small, maxProperties: small,
  items: (d) => schema(d - 1), prefixItems: schemas, contains: (d) => schema(d - 1), minContains: small, maxContains: small,
  properties: (d) => Object.fromEntries([...Array(1 + pick(3))].map(() => [one(NAMES), schema(d - 1)])),
  patternProperties: (d) => ({ [one(['^a', 'b$', '\\d'])]: schema(d - 1) }),
  additionalProperties: (d) => schema(d - 1), propertyNames: (d) => schema(d - 1), required: () => [one(NAMES)],
  dependentRequired: () => ({ [one(NAMES)]: [one(NAMES)] }), dependentSchemas: (d) => ({ [one(NAMES)]: schema(d - 1) }),
  if: (d) => schema(d - 1), then: (d) => schema(d - 1), else: (d) => schema(d - 1), not: (d) => schema(d - 1),
  allOf: schemas, anyOf: schemas, oneOf: schemas, $ref: () => one(['#/$defs/x', '#/$defs/y', '#/$defs/z%2F~1']),
};
function schema(depth) {
  if (depth <= 0 || pick(12) === 0) return one([true, {}, false, { type: one(['integer', 'string', 'object']) }]);
  const out = {};
  for (let i = 1 + pick(4); i > 0; i--) {
    const key = one(Object.keys(KEYWORDS));
    out[key] = KEYWORDS[key](depth);
  }
  // ajv takes [] for an array that contains something, where prefixItems stands beside it
  if (out.prefixItems) delete out.contains;
  return out;
}

test('a schema accepts what ajv accepts, and nothing else', async () => {
  const ajv = new Ajv({ strict: false, allErrors: false });
  formats(ajv, { mode: 'full', formats: FORMATS });
  let accepted = 0, refused = 0;
  for (let i = 0; i < 120; i++) {
    const inner = schema(4), $defs = { x: { type: one(['integer', 'string']) }, y: { minimum: 2, maxLength: 2 }, 'z//': { properties: { a: { $ref: '#/$defs/x' } } } };
    const whole = { properties: { v: inner }, $defs }, id = `s${i}`;
    const declared = await ask({ operation: 'create', model: 'collection', id, data: { schema: whole } });
    assert.equal(declared.success, true, `METAFED_SEED=${seed} ${JSON.stringify(whole)} ${JSON.stringify(declared.problem)}`);
    const validate = ajv.compile(whole), docs = [...Array(40)].map(() => ({ v: value() }));
    const bulk = await done({ operation: 'bulk', model: `doc.${id}`, data: docs.map((data, k) => ({ operation: 'create', model: `doc.${id}`, id: `d${k}`, data })) });
    docs.forEach((d, k) => {
      let ok;
      try { ok = validate(d); } catch (e) { // the code that ajv 8 generates writes, for some schemas, into what it has not made
        if (e instanceof TypeError) return;
        throw e;
      }
      assert.equal(!bulk.items[k].problem, ok, `METAFED_SEED=${seed} ${JSON.stringify(whole)} ${JSON.stringify(d)} ${JSON.stringify(bulk.items[k].problem)}`);
      if (ok) accepted++; else refused++;
    });
  }
  assert.ok(accepted > 300 && refused > 300, `${accepted} accepted, ${refused} refused`);
});

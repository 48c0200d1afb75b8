// The counterpart of tests/bench/graphql.c: graphql-js on the same documents, schema, variables and data. Prints both and
// their ratio. The first argument is the C program; graphql comes from tests/e2e (npm ci).
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../e2e/package.json', import.meta.url));
const { buildSchema, parse, validate, execute } = require('graphql');
const program = process.argv[2];
const SPAN_MS = 300;

function c(...args) {
  const r = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (r.status !== 0) throw new Error(`${program} ${args}: ${r.stderr}`);
  return r.stdout;
}

const { sdl, variables, documents } = JSON.parse(c('documents'));
const schema = buildSchema(sdl);
const pets = [['Dog', 'd1', 'Rex', 10], ['Dog', 'd2', 'Ben', 20], ['Dog', 'd3', 'Tim', 30], ['Cat', 'c1', 'Mia', 3], ['Human', 'h1', 'Ann', 0]]
  .map(([type, id, name, volume]) => ({ type, id, name, volume }));
const [d1, d2, d3, cat, human] = pets;
const echo = (s, { v }) => (typeof v === 'object' && v !== null ? JSON.stringify(v) : v);
const name = (p, { surname }) => (surname ? `${p.name} of the Hill` : p.name);

// The same resolvers as gqlbed.c has; the others read a property that is not there.
const resolvers = {
  Query: { dog: () => d1, first: (s, { first }) => Array.from({ length: first ?? 3 }, (u, i) => pets[i % 3]), cat: () => cat, pet: () => d1,
    being: () => human, human: () => human, catOrDog: () => cat, arguments: () => ({}), box: () => ({}) },
  Dog: { name, barkVolume: (p) => p.volume, owner: () => human, mother: (p) => (p === d1 ? d2 : d3), friends: () => [d2, cat] },
  Cat: { name, meowVolume: (p) => p.volume, owner: () => human },
  Human: { name, pets: () => [d2, cat] },
  Arguments: { required: (s, { x, y }) => x + y, optional: (s, { x, y }) => x + y, int: (s, { v }) => v, float: (s, { v }) => v, string: (s, { v }) => v,
    enum: (s, { v }) => v, strings: (s, { v }) => v, matrix: echo, where: echo, by: echo },
};
for (const [type, fields] of Object.entries(resolvers))
  for (const [field, resolve] of Object.entries(fields)) schema.getType(type).getFields()[field].resolve = resolve;
for (const type of ['Node', 'Being', 'Pet', 'CatOrDog', 'DogOrHuman']) schema.getType(type).resolveType = (p) => p.type;

function nsPer(what) {
  for (let i = 0; i < 300; i++) what();
  const begin = performance.now();
  let n = 0, now = begin;
  while (now - begin < SPAN_MS) {
    for (let i = 0; i < 20; i++, n++) what();
    now = performance.now();
  }
  return (now - begin) * 1e6 / n;
}

const ours = c().trim().split('\n').map((line) => JSON.parse(line));
const rows = [];
for (const [i, { name: document, text }] of documents.entries()) {
  const doc = parse(text);
  const run = () => JSON.stringify(execute({ schema, document: doc, variableValues: variables }));
  const bytes = Buffer.byteLength(run());
  const js = {
    parse: nsPer(() => parse(text)),
    validate: nsPer(() => { if (validate(schema, doc).length) throw new Error(document); }),
    execute: nsPer(run),
  };
  for (const step of ['parse', 'validate', 'execute'])
    rows.push({ document, step, 'ns here': ours[i][step], 'ns graphql-js': Math.round(js[step]), times: (js[step] / ours[i][step]).toFixed(1),
      bytes: step === 'execute' ? `${ours[i].bytes} / ${bytes}` : '' });
}
console.table(rows);

// The counterpart of tests/bench/graphql.c: graphql-js on the same documents, schema, variables and data. Prints both and
// their ratio. The first argument is the C program; graphql comes from tests/e2e (npm ci).
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { addPets } from '../harness/pets.mjs';

const require = createRequire(new URL('../e2e/package.json', import.meta.url));
const { buildSchema, parse, validate, execute } = require('graphql');
const program = process.argv[2];
const SPAN_MS = 60, SPANS = 7;    // of one measurement; of them the best counts, as in graphql.c

function c(...args) {
  const r = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (r.status !== 0) throw new Error(`${program} ${args}: ${r.stderr}`);
  return r.stdout;
}

const { sdl, variables, documents } = JSON.parse(c('documents'));
const schema = addPets(buildSchema(sdl));
function nsPer(what) {
  let best = Infinity;
  for (let i = 0; i < 300; i++) what();
  for (let span = 0; span < SPANS; span++) {
    const begin = performance.now();
    let n = 0, now = begin;
    while (now - begin < SPAN_MS) {
      for (let i = 0; i < 20; i++, n++) what();
      now = performance.now();
    }
    best = Math.min(best, (now - begin) * 1e6 / n);
  }
  return best;
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

// kill -9 at every named step of a write: of the node itself, and, while it stands at the step, of what is beside it. Nothing
// acknowledged is lost, nothing is done twice, nothing is half done, no read is older than it may be.
// In brief: each step once by its own death, and a few pairs by lot. METAFED_WHOLE=1 (make soak): every pair.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { Fleet } from '../harness/fleet.mjs';
import { random } from '../harness/simulate.mjs';
import { CONF, VICTIMS, allSteps, inject, row, startAt } from '../harness/steps.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
const whole = process.env.METAFED_WHOLE === '1';
console.log(`# measured seed ${seed}`);
const only = process.env.METAFED_STEP && new RegExp(process.env.METAFED_STEP);
const steps = allSteps().filter((s) => !row(s.step).elsewhere && (!only || only.test(s.step)));
const r = random(seed);
// A collector that takes all: traces that nobody wants are sent nowhere, and the step of sending them is met once in a minute.
const collector = createServer((q, answer) => q.resume().on('end', () => answer.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()));
let f;
before(async () => {
  await new Promise((done) => collector.listen(0, '127.0.0.1', done));
  f = await Fleet.start({ conf: `${CONF}[rest]\notlp_endpoint = http://127.0.0.1:${collector.address().port}\n` });
});
after(async () => {
  await f?.stop();
  collector.closeAllConnections();
  collector.close();
});

const reached = new Set();

async function go(what) {
  const seeded = { ...what, seed: Math.floor(r() * 1e9) };
  const done = row(what.step).start ? await startAt(seeded) : await inject(f, seeded);
  if (!done.reached) return;
  reached.add(what.step);
  console.log(`# measured ${done.text}`);
}

test('each node names its steps', () => {
  assert.ok(steps.length > 0);
  if (!only) for (const node of ['api', 'rest', 'meta', 'database', 'cache', 'sql', 'nosql']) assert.ok(steps.some((s) => s.node === node), node);
});

test('a step that no node has is refused, and the refusal names it', async () => {
  const a = await f.call('POST', '/v1/fleet/sql:faults', { body: { spec: '@sql.no.such: kill', for_ms: 1000 } });
  assert.equal(a.status, 422, a.text);
  assert.match(a.text, /this program has no step/);
});

for (const s of steps) {
  test(`${s.node} is killed at ${s.step}`, () => go(s));
  if (whole && !row(s.step).start) test(`${s.node} is killed at ${s.step}, the third time it gets there`, () => go({ ...s, nth: 3 }));
}

const pairs = steps.filter((s) => !row(s.step).start).flatMap((s) => VICTIMS.filter((v) => v !== s.node).map((victim) => ({ ...s, victim })));
// By lot, but all victims come up.
const some = VICTIMS.flatMap((v) => {
  const mine = pairs.filter((p) => p.victim === v);
  return mine.length ? [mine[Math.floor(r() * mine.length)]] : [];
});
for (const p of whole ? pairs : some) test(`${p.victim} is killed while ${p.node} stands at ${p.step}`, () => go(p));

// What leads to a step is a row of ROWS (harness/steps.mjs): a new step without one fails here.
test('no step was left out', () => {
  assert.deepEqual([...new Set(steps.map((s) => s.step))].filter((s) => !reached.has(s)), []);
});

// Requests/s, latency and CPU of each face at 64 connections: this fleet beside one tuned Node process on the same PostgreSQL, alternated
// in one run. CPU is of all processes of a side, the stores included. Both are warm before anything counts: Node's compiler needs some
// 20 000 requests, measured cold it looks three times as slow. That both do the same is checked: equal answers, as many rows as answers.
import assert from 'node:assert';
import { parseArgs } from 'node:util';
import { Fleet, sleep } from '../../harness/fleet.mjs';
import { faces } from './faces.mjs';
import { FleetSide, NodeSide } from './sides.mjs';

const WARM_SECONDS = 3, WARM_ROUNDS = 12;
const { values: opt } = parseArgs({ options: { face: { type: 'string', multiple: true, default: Object.keys(faces) }, rounds: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '5' }, warm: { type: 'string', default: '25000' }, json: { type: 'boolean', default: false } } });
const rounds = Number(opt.rounds), seconds = Number(opt.seconds), warmUnits = Number(opt.warm);
const usage = 'bench-http [--face rest|graphql|ws]... [--rounds N] [--seconds N] [--warm UNITS] [--json]';
if (![rounds, seconds].every((n) => Number.isInteger(n) && n > 0) || !(warmUnits >= 0) || !opt.face.every((name) => faces[name])) {
  console.error(usage);
  process.exit(2);
}
const say = (text) => process.stderr.write(`${text}\n`);
const median = (a) => a.sort((x, y) => x - y)[Math.floor(a.length / 2)];

// As it would be but for ids and times, which are each side's own, and for sessions, which the peers don't have.
const same = (answer) => JSON.parse(JSON.stringify(answer), (key, v) => (key === 'Metafed-Session' ? undefined : /^(id|taskId|trace_id|position|Location|at|(created|updated)(_a|A)t)$/.test(key) ? typeof v : v));

async function compare(face, work, sides) {
  const answers = [];
  for (const side of sides) answers.push(await face.ask(side, work.request(side.id)));
  assert.deepStrictEqual(same(answers[0]), same(answers[1]), `${work.name}: the answers differ`);
}

// One measurement; in `rows` what it left there.
async function measure(work, side, time) {
  const before = side.rows();
  const r = await work.load(side, work.request(side.id), time);
  const rows = side.rows() - before, least = Math.round(r.n * work.made);
  if (rows < least || rows > least + work.open) throw new Error(`${work.name}, ${side.name}: ${r.n} answers and ${rows} rows`);
  return { ...r, rows, per_second: r.n / r.seconds, cpu_us: r.cpu_us / r.n, load_us: r.load_us / r.n };
}

// Runs until enough was done; on a machine too slow for that it says so.
async function warm(work, side) {
  let n = 0;
  for (let i = 0; i < WARM_ROUNDS && n < warmUnits; i++) n += (await measure(work, side, WARM_SECONDS)).n;
  if (n < warmUnits) say(`${work.name}, ${side.name}: only ${n} to warm up, the machine is busy; don't trust these figures`);
}

async function compareWork(name, face, work, sides) {
  await compare(face, work, sides);
  for (const side of sides) await warm(work, side);
  const runs = new Map(sides.map((side) => [side, []]));
  for (let i = 0; i < rounds; i++) {
    for (const side of i % 2 ? sides.toReversed() : sides) {
      const r = await measure(work, side, seconds);
      runs.get(side).push(r);
      say(`${name} ${work.name}, ${side.name}: ${r.per_second.toFixed(0)}/s, CPU ${r.cpu_us.toFixed(1)} us, ${r.rows} rows, errors ${r.errors}`);
      await sleep(300);
    }
  }
  const [fleet, node] = sides.map((side) => {
    const mid = (key) => median(runs.get(side).map((r) => r[key])), sum = (key) => runs.get(side).reduce((s, r) => s + r[key], 0);
    return { per_second: mid('per_second'), p50_ms: mid('p50_ms'), p99_ms: mid('p99_ms'), cpu_us: mid('cpu_us'), load_us: mid('load_us'), n: sum('n'), rows: sum('rows'), errors: sum('errors') };
  });
  return { face: name, work: work.name, fleet, node, ratio: Object.fromEntries(['per_second', 'p50_ms', 'p99_ms', 'cpu_us'].map((key) => [key, fleet[key] / node[key]])) };
}

function table(results) {
  const row = (...cells) => cells.map((c, i) => (i < 2 ? String(c).padEnd(i ? 21 : 8) : String(c).padStart(9))).join(' ');
  const cells = (s) => [s.per_second.toFixed(0), s.p50_ms.toFixed(2), s.p99_ms.toFixed(2), s.cpu_us.toFixed(1)];
  console.log(row('face', '', 'fleet/s', 'p50 ms', 'p99 ms', 'CPU us', 'Node/s', 'p50 ms', 'p99 ms', 'CPU us', 'x /s', 'x p99', 'x CPU', 'errors'));
  for (const r of results) {
    const x = [r.ratio.per_second, r.ratio.p99_ms, r.ratio.cpu_us].map((v) => v.toFixed(2));
    console.log(row(r.face, r.work, ...cells(r.fleet), ...cells(r.node), ...x, `${r.fleet.errors} ${r.node.errors}`));
  }
}

const f = await Fleet.start(), results = [];
try {
  for (const name of new Set(opt.face)) {
    const face = faces[name], sides = [new FleetSide(f), await NodeSide.start(f, face.peer)];
    try {
      for (const side of sides) side.id = face.idOf(await face.ask(side, face.works[0].request()));
      for (const work of face.works) results.push(await compareWork(name, face, work, sides));
    } finally {
      for (const side of sides) await side.stop();
    }
  }
} finally {
  await f.stop();
}
if (opt.json) console.log(JSON.stringify(results, null, 1));
else table(results);
process.exit(results.some((r) => r.fleet.errors + r.node.errors) ? 1 : 0);

// What traces cost of a whole request: CPU of a fleet as it is by default beside one that keeps none (no sample, nothing is slow),
// alternated in one run, the same requests over HTTP.
//   node tests/bench/traces.mjs [--rounds N] [--seconds N]
import { parseArgs } from 'node:util';
import { Fleet, sleep } from '../harness/fleet.mjs';
import { FleetSide } from './http/sides.mjs';
import { faces } from './http/faces.mjs';

const { values: opt } = parseArgs({ options: { rounds: { type: 'string', default: '9' }, seconds: { type: 'string', default: '4' } } });
const rounds = Number(opt.rounds), seconds = Number(opt.seconds);
const median = (a) => a.sort((x, y) => x - y)[Math.floor(a.length / 2)];

const fleets = [await Fleet.start(), await Fleet.start({ conf: 'trace_sample = 0\ntrace_slow = 10m\n' })];
try {
  const sides = fleets.map((f, i) => Object.assign(new FleetSide(f), { name: i ? 'none kept' : 'as by default' }));
  for (const side of sides) side.id = faces.rest.idOf(await faces.rest.ask(side, faces.rest.works[0].request()));
  for (const work of faces.rest.works) {
    for (const side of sides) await work.load(side, work.request(side.id), 3 * seconds);      // warm
    const runs = new Map(sides.map((side) => [side, []]));
    for (let i = 0; i < rounds; i++)
      for (const side of i % 2 ? sides.toReversed() : sides) {
        const r = await work.load(side, work.request(side.id), seconds);
        runs.get(side).push(r.cpu_us / r.n);
        await sleep(300);
      }
    const [mine, without] = sides.map((side) => runs.get(side)), pairs = median(mine.map((x, i) => x / without[i]));
    const a = median(mine), b = median(without);
    console.log(`${work.name.padEnd(18)} CPU ${a.toFixed(2)} us ${sides[0].name}, ${b.toFixed(2)} us ${sides[1].name}: ${(a / b).toFixed(3)} (median of pairs ${pairs.toFixed(3)})`);
  }
} finally {
  for (const f of fleets) await f.stop();
}

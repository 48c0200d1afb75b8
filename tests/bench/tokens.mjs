// Verifications of one ES256 access token per second, and CPU each: Jwt.Verify in its process (bench/tokens.c: request and answer packed,
// revocations confirmed) beside npm's jose in Node (jwtVerify with the imported key, issuer, audience and type), alternated in one run.
//   node tests/bench/tokens.mjs build/bin/bench/tokens [--rounds N] [--each N]
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const require = createRequire(new URL('../e2e/package.json', import.meta.url));
const { importJWK, jwtVerify } = await import(pathToFileURL(require.resolve('jose')));
const { values: opt, positionals: [program] } = parseArgs({ allowPositionals: true, options: { rounds: { type: 'string', default: '5' }, each: { type: 'string', default: '4000' } } });
const rounds = Number(opt.rounds), each = Number(opt.each);
const median = (a) => a.sort((x, y) => x - y)[Math.floor(a.length / 2)];

const ours = spawn(program, ['--pipe'], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: ours.stdout })[Symbol.asyncIterator]();
// What it logs at its start comes first.
const answer = async () => { for (;;) { const v = JSON.parse((await lines.next()).value); if (!v.event) return v; } };
const { token, jwks } = await answer();
const key = await importJWK(jwks.keys[0], 'ES256');
const check = { issuer: 'metafed', audience: 'metafed', typ: 'at+jwt', algorithms: ['ES256'] };

async function byJose(n) {
  const began = process.hrtime.bigint(), cpu = process.cpuUsage();
  for (let i = 0; i < n; i += 64) await Promise.all(Array.from({ length: Math.min(64, n - i) }, () => jwtVerify(token, key, check)));
  const used = process.cpuUsage(cpu);
  return { us: Number(process.hrtime.bigint() - began) / 1000, cpu_us: used.user + used.system };
}
async function byUs(n) {
  ours.stdin.write(`${n}\n`);
  return answer();
}

const sides = { 'Jwt.Verify': byUs, jose: byJose }, runs = { 'Jwt.Verify': [], jose: [] };
for (const side of Object.values(sides)) await side(each / 4);      // warm
for (let round = 0; round < rounds; round++) for (const [name, side] of Object.entries(sides)) runs[name].push(await side(each));
ours.stdin.end();
const at = Object.fromEntries(Object.entries(runs).map(([name, r]) => [name, { rate: median(r.map((x) => each * 1e6 / x.us)), cpu: median(r.map((x) => x.cpu_us / each)) }]));
for (const [name, x] of Object.entries(at)) console.log(`${name.padEnd(12)} ${x.rate.toFixed(0).padStart(7)}/s   ${x.cpu.toFixed(1).padStart(6)} us CPU each, ${(1e6 / x.cpu).toFixed(0)} in a second of CPU`);
console.log(`ratio        ${(at.jose.cpu / at['Jwt.Verify'].cpu).toFixed(2)} by CPU`);

// POST /v1/tasks and GET /v1/tasks/ID at 64 connections: this fleet beside one tuned Node process on the same PostgreSQL,
// alternated in one run. Requests/s and latency by wrk; CPU per request from /proc over all processes, the stores included.
// Both are warm before anything counts: Node's compiler needs some 20 000 requests, measured cold it looks three times as slow.
// Counterpart and load generator are sessions of their own, as the nodes are: a scheduler that shares by session treats all alike.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync, readdirSync } from 'node:fs';
import { createPublicKey } from 'node:crypto';
import path from 'node:path';
import { Fleet, ROOT, freePort, sleep } from '../../harness/fleet.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3), SECONDS = Number(process.env.BENCH_SECONDS ?? 5), CONNECTIONS = 64;
const WARM_REQUESTS = 25_000, WARM_ROUNDS = 12;
const here = path.join(ROOT, 'tests/bench/http');
const f = await Fleet.start();
const port = await freePort();
const keyDir = path.join(f.var, 'secrets/signing');
const pem = readdirSync(keyDir).map((n) => readFileSync(path.join(keyDir, n), 'utf8')).find((t) => t.includes('PRIVATE KEY'));
const keyFile = path.join(f.dir, 'public.pem');
writeFileSync(keyFile, createPublicKey(pem).export({ type: 'spki', format: 'pem' }));
const node = spawn(process.execPath, [process.env.BENCH_SERVER ?? path.join(here, 'server.mjs')], { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, NODE_ENV: 'production',
  BENCH_PORT: String(port), BENCH_KEY: keyFile, BENCH_SOCKET: path.join(f.var, 'run/stores'), BENCH_PASSWORD_FILE: path.join(f.var, 'secrets/pg-password') } });
await new Promise((resolve, reject) => { node.once('message', resolve); node.once('exit', (c) => reject(new Error(`counterpart ended: ${c}`))); });

const body = JSON.stringify({ title: 'Measure the fleet', type: 'manual', priority: 'HIGH', labels: { area: 'bench' }, payload: { n: 1, text: 'x'.repeat(60) } });
const script = (method, p) => {
  const file = path.join(f.dir, `${method}.lua`);
  writeFileSync(file, `wrk.method = "${method}"\nwrk.headers["Authorization"] = "Bearer ${f.token}"\n${method === 'POST' ? `wrk.headers["Content-Type"] = "application/json"\nwrk.body = [[${body}]]\n` : ''}
done = function(s, l, r) io.write(string.format("RESULT %d %d %f %f %f\\n", s.requests, s.errors.status + s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout, l:percentile(50), l:percentile(99), s.duration)) end\n`);
  return [file, p];
};

const ticks = (pids) => pids.reduce((sum, pid) => { try { const s = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' '); return sum + Number(s[11]) + Number(s[12]) + Number(s[13]) + Number(s[14]); } catch { return sum; } }, 0);
const children = (pid) => readdirSync('/proc').filter((p) => /^\d+$/.test(p)).filter((p) => { try { return readFileSync(`/proc/${p}/stat`, 'utf8').split(') ')[1].split(' ')[1] === String(pid); } catch { return false; } });
async function pids(ours) {
  const nodes = await f.nodes();
  const pg = [nodes.postgres.pid, ...children(nodes.postgres.pid)];
  return ours ? [...Object.values(nodes).map((n) => n.pid).filter(Boolean), ...pg].filter((v, i, a) => a.findIndex((x) => String(x) === String(v)) === i) : [node.pid, ...pg];
}

async function measure(ours, method, p, seconds) {
  const [file] = script(method, p);
  const ps = await pids(ours);
  const before = ticks(ps);
  const r = spawnSync('setsid', ['-w', 'wrk', '-t', '1', '-c', String(CONNECTIONS), '-d', `${seconds}s`, '-s', file, `http://127.0.0.1:${ours ? f.port : port}${p}`], { encoding: 'utf8' });
  const m = /RESULT (\d+) (\d+) (\S+) (\S+) (\S+)/.exec(r.stdout ?? '');
  if (!m) throw new Error(`wrk: ${r.error ?? r.stdout + r.stderr}`);
  const cpu = (ticks(ps) - before) * 10_000;
  const n = Number(m[1]);
  return { n, rps: n / (Number(m[5]) / 1e6), errors: Number(m[2]), p50: Number(m[3]) / 1000, p99: Number(m[4]) / 1000, cpu: cpu / n };
}

// Runs until enough requests were made; on a machine too slow for that it says so.
async function warm(ours, method, p) {
  let n = 0;
  for (let i = 0; i < WARM_ROUNDS && n < WARM_REQUESTS; i++) n += (await measure(ours, method, p, 3)).n;
  if (n < WARM_REQUESTS) console.log(`${method} ${ours ? 'fleet' : 'counterpart'}: only ${n} requests to warm up, the machine is busy; don't trust these figures`);
}

const median = (a) => a.sort((x, y) => x - y)[Math.floor(a.length / 2)];
let failed = false;
try {
  const id = (await f.call('POST', '/v1/tasks', { body })).json.id;
  const other = await fetch(`http://127.0.0.1:${port}/v1/tasks`, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${f.token}` }, body });
  if (other.status !== 201) throw new Error(`counterpart: ${other.status} ${await other.text()}`);
  const otherId = (await other.json()).id;
  for (const [name, method, ourPath, theirPath] of [['POST /v1/tasks', 'POST', '/v1/tasks', '/v1/tasks'], ['GET /v1/tasks/ID', 'GET', `/v1/tasks/${id}`, `/v1/tasks/${otherId}`]]) {
    await warm(true, method, ourPath);
    await warm(false, method, theirPath);
    const runs = { true: [], false: [] };
    for (let i = 0; i < ROUNDS; i++) for (const ours of i % 2 ? [false, true] : [true, false]) { runs[ours].push(await measure(ours, method, ours ? ourPath : theirPath, SECONDS)); await sleep(300); }
    const mid = (ours, k) => median(runs[ours].map((r) => r[k]));
    for (const ours of [true, false]) console.log(`${name.padEnd(18)} ${(ours ? 'fleet of 13' : 'one Node process').padEnd(17)} ${mid(ours, 'rps').toFixed(0).padStart(7)}/s  p50 ${mid(ours, 'p50').toFixed(2)} ms  p99 ${mid(ours, 'p99').toFixed(2)} ms  ${mid(ours, 'cpu').toFixed(0)} us CPU per request  errors ${runs[ours].reduce((s, r) => s + r.errors, 0)}`);
    console.log(`${name.padEnd(18)} ratio: ${(mid(true, 'rps') / mid(false, 'rps')).toFixed(2)}x requests/s, p99 ${(mid(true, 'p99') / mid(false, 'p99')).toFixed(2)}x, CPU ${(mid(true, 'cpu') / mid(false, 'cpu')).toFixed(2)}x`);
  }
} catch (e) { failed = true; console.error(e); } finally {
  node.removeAllListeners('exit');
  node.kill();
  await f.stop();
}
process.exit(failed ? 1 : 0);

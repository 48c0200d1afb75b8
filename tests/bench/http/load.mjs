// The load: wrk for requests, tests/bench/ws.c for sessions. Each resolves with what was done (n), how long it took, latencies, what went
// wrong, the CPU time of the side that was asked and of the generator.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { BIN } from '../../harness/fleet.mjs';
import { loadCpu } from './sides.mjs';

export const CONNECTIONS = 64, LISTENERS = 1000;

// A session of its own for the scheduler.
function start(args, env) {
  const child = spawn('setsid', ['-w', ...args], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  child.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.ended = once(child, 'exit').then(([code]) => code);
  return child;
}

async function line(child) {
  const { value, done } = await child.lines.next();
  if (done) throw new Error(`${child.spawnargs[2]} ended: ${await child.ended}`);
  return value;
}

function script(side, { method, body }) {
  const file = path.join(side.f.dir, `${side.name}.lua`);
  writeFileSync(file, `wrk.method = "${method}"
wrk.headers["Authorization"] = "Bearer ${side.f.token}"
wrk.headers["Accept"] = "application/graphql-response+json, application/json"
${body ? `wrk.headers["Content-Type"] = "application/json"\nwrk.body = [[${body}]]` : ''}
done = function(s, l) io.write(string.format("RESULT %d %d %f %f %f\\n", s.requests,
  s.errors.status + s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout, l:percentile(50), l:percentile(99), s.duration)) end\n`);
  return file;
}

// Requests over 64 connections, one under way in each.
export async function requests(side, request, seconds) {
  const before = await side.cpu(), own = loadCpu();
  const child = start(['wrk', '-t', '1', '-c', String(CONNECTIONS), '-d', `${seconds}s`, '-s', script(side, request), side.url + request.path]);
  let text;
  do text = await line(child); while (!text.startsWith('RESULT'));
  if (await child.ended !== 0) throw new Error('wrk failed');
  const [n, errors, p50, p99, us] = text.split(' ').slice(1).map(Number);
  return { n, errors, seconds: us / 1e6, p50_ms: p50 / 1000, p99_ms: p99 / 1000, cpu_us: await side.cpu() - before, load_us: loadCpu() - own };
}

// Neither handshakes nor farewells count: ws waits before the first and after the last message. The fleet knows a credential's role, which
// is free of the limit for one address, by a request that it has answered of late: cpu() makes one.
async function sessions(side, mode, n, message, seconds) {
  const own = loadCpu();
  await side.cpu();
  const child = start([path.join(BIN, 'bench/ws'), mode, String(side.port), String(n), String(seconds), message], { BENCH_TOKEN: side.f.token });
  if (await line(child) !== 'ready') throw new Error('ws is not ready');
  const before = await side.cpu();
  child.stdin.write('go\n');
  const r = JSON.parse(await line(child)), after = await side.cpu();
  child.stdin.end();
  if (await child.ended !== 0) throw new Error('ws failed');
  const lost = r.created * (mode === 'fanout' ? n : 1) - r.events;
  return { ...r, errors: r.refused + lost, p50_ms: r.p50_us / 1000, p99_ms: r.p99_us / 1000, cpu_us: after - before, load_us: loadCpu() - own };
}

// 64 sessions, one submit under way in each, and one more that hears of every task that was made.
export async function submits(side, { message }, seconds) {
  const r = await sessions(side, 'calls', CONNECTIONS, message, seconds);
  return { ...r, n: r.answered };
}

// One session writes, 1000 hear of it; the next write comes when all have.
export async function deliveries(side, { message }, seconds) {
  const r = await sessions(side, 'fanout', LISTENERS, message, seconds);
  return { ...r, n: r.events };
}

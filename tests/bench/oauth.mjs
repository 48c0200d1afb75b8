// Client credentials per second and CPU each: POST /oauth/token with client_secret_post, an ES256 token of one scope, over 32
// connections: this fleet beside npm's oidc-provider, alternated in one run.
//   node tests/bench/oauth.mjs [--rounds N] [--seconds N]        (scripts/bench-oauth)
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Fleet, ROOT, freePort, run, sleep } from '../harness/fleet.mjs';
import { client, store } from '../harness/oauth_setup.mjs';
import { cpuOf } from './http/sides.mjs';

const { values: opt } = parseArgs({ options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '5' } } });
const rounds = Number(opt.rounds), seconds = Number(opt.seconds);
const median = (a) => a.sort((x, y) => x - y)[Math.floor(a.length / 2)];

const f = await Fleet.start({ conf: '[api]\nlimit = off\n' });
const port = await freePort(), secret = randomBytes(32).toString('base64url');
let peer;
try {
  const robot = await store(f, { operation: 'create', model: 'user', data: { username: 'robot', kind: 'service', roles: ['viewer'] } });
  const made = await client(f, 'bench', { auth_method: 'client_secret_post', redirect_uris: [], grant_types: ['client_credentials'], scopes: ['task.read'], user_id: robot.id });
  peer = spawn(process.execPath, [path.join(ROOT, 'tests/bench/oauth_peer.mjs')], { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production', BENCH_PORT: String(port), BENCH_SECRET: secret } });
  await once(peer, 'message');

  const nodes = await f.nodes();
  const fleet = [...Object.values(nodes).map((n) => n.pid).filter(Boolean), ...f.children(nodes.postgres.pid)];
  const sides = [
    { name: 'fleet', url: `${f.url}/oauth/token`, secret: made.client_secret, pids: [...new Set(fleet)] },
    { name: 'oidc-provider', url: `http://127.0.0.1:${port}/token`, secret, pids: [peer.pid] },
  ];
  for (const side of sides) {
    const r = await fetch(side.url, { method: 'POST', body: new URLSearchParams(form(side)) });
    const t = await r.json();
    if (r.status !== 200 || t.scope !== 'task.read' || t.access_token.split('.').length !== 3) throw new Error(`${side.name}: ${r.status} ${JSON.stringify(t)}`);
    side.runs = [];
    load(side, seconds);      // warm
  }
  for (let i = 0; i < rounds; i++) for (const side of i % 2 ? sides.toReversed() : sides) { side.runs.push(load(side, seconds)); await sleep(300); }
  const [a, b] = sides.map((side) => ({ name: side.name, per_second: median(side.runs.map((r) => r.per_second)), cpu_us: median(side.runs.map((r) => r.cpu_us)),
    p99_ms: median(side.runs.map((r) => r.p99_ms)), errors: side.runs.reduce((n, r) => n + r.errors, 0) }));
  for (const s of [a, b]) console.log(`${s.name.padEnd(14)} ${s.per_second.toFixed(0).padStart(7)}/s  CPU ${s.cpu_us.toFixed(0).padStart(6)} us  p99 ${s.p99_ms.toFixed(1).padStart(6)} ms  errors ${s.errors}`);
  console.log(`ratio          ${(a.per_second / b.per_second).toFixed(2)} /s, ${(a.cpu_us / b.cpu_us).toFixed(2)} CPU`);
  process.exitCode = a.errors + b.errors ? 1 : 0;
} finally {
  peer?.kill();
  await f.stop();
}

function form(side) { return { grant_type: 'client_credentials', client_id: 'bench', client_secret: side.secret, scope: 'task.read' }; }

function load(side, time) {
  const script = path.join(f.dir, 'token.lua');
  writeFileSync(script, `wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.body = "${new URLSearchParams(form(side))}"
done = function(s, l) io.write(string.format("RESULT %d %d %f %f\\n", s.requests,
  s.errors.status + s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout, l:percentile(99), s.duration)) end\n`);
  const before = side.pids.reduce((n, pid) => n + cpuOf(pid), 0);
  const r = run('setsid', ['-w', 'wrk', '-t', '1', '-c', '32', '-d', `${time}s`, '-s', script, side.url]);
  const [n, errors, p99, us] = /RESULT (.*)/.exec(r.stdout)[1].split(' ').map(Number);
  return { per_second: n / (us / 1e6), cpu_us: (side.pids.reduce((sum, pid) => sum + cpuOf(pid), 0) - before) / n, p99_ms: p99 / 1000, errors };
}

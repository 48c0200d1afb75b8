// Log-ins per second and CPU each, over HTTP with the default cost of a password, beside what the hash alone takes (password.c, two
// threads), alternated in one run.
//   node tests/bench/logins.mjs BIN/bench/password [--rounds N] [--seconds N]
import path from 'node:path';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Fleet, run, sleep } from '../harness/fleet.mjs';
import { cpuOf } from './http/sides.mjs';

const { values: opt, positionals: [bare] } = parseArgs({ allowPositionals: true,
  options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '5' } } });
const median = (a) => a.sort((x, y) => x - y)[Math.floor(a.length / 2)];

// The generator leaves with log-ins under way at the end of each round: they count as failures.
const f = await Fleet.start({ conf: '[api]\nlimit = off\n[auth]\nlogin_failures = 1000000\n[jwt]\npassword_ops = 2\npassword_memory = 64m\n[oauth]\npassword_ops = 2\npassword_memory = 64m\n' });
try {
  const { username, password } = f.admin(), script = path.join(f.dir, 'login.lua');
  writeFileSync(script, `wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[${JSON.stringify({ username, password })}]]
done = function(s, l) io.write(string.format("RESULT %d %d %f\\n", s.requests,
  s.errors.status + s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout, s.duration)) end\n`);
  const nodes = await f.nodes();
  const pids = [...new Set([...Object.values(nodes).map((n) => n.pid).filter(Boolean), ...f.children(nodes.postgres.pid)])];
  const cpu = () => pids.reduce((n, pid) => n + cpuOf(pid), 0);
  const logins = () => {
    const before = cpu();
    const r = run('setsid', ['-w', 'wrk', '-t', '1', '-c', '8', '-d', `${opt.seconds}s`, '--timeout', '10s', '-s', script, `${f.url}/v1/auth/login`]);
    const [n, errors, us] = /RESULT (.*)/.exec(r.stdout)[1].split(' ').map(Number);
    return { per_second: n / (us / 1e6), cpu_us: (cpu() - before) / n, errors };
  };
  const sides = { 'log-ins': [], 'hash alone': [] };
  logins();                                                // warm
  for (let i = 0; i < Number(opt.rounds); i++) {
    sides['log-ins'].push(logins());
    await sleep(300);
    sides['hash alone'].push(JSON.parse(run(bare, ['40']).stdout));
  }
  const [a, b] = Object.entries(sides).map(([name, runs]) => {
    const m = { per_second: median(runs.map((r) => r.per_second)), cpu_us: median(runs.map((r) => r.cpu_us)) };
    console.log(`${name.padEnd(12)} ${m.per_second.toFixed(1).padStart(7)}/s  CPU ${(m.cpu_us / 1000).toFixed(1).padStart(6)} ms`);
    return m;
  });
  const errors = sides['log-ins'].reduce((n, r) => n + r.errors, 0);
  console.log(`ratio        ${(a.per_second / b.per_second).toFixed(2)} /s, ${(a.cpu_us / b.cpu_us).toFixed(2)} CPU, ${errors} errors`);
  process.exitCode = errors ? 1 : 0;
} finally {
  await f.stop();
}

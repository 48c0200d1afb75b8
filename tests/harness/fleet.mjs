// fleet: a real fleet of its own for a test: private stores, a directory under /tmp, a free port. Ends what it started.
// load(): an open-loop load generator, so that a slow fleet can't slow its own measurement down.
import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, existsSync, renameSync, statSync, chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import http from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { badLines } from './log_lines.mjs';
import { body, leaks } from './secrets.mjs';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const BIN = process.env.METAFED_BIN ?? path.join(ROOT, 'build/bin');
export const NODES = ['meta', 'api', 'database', 'auth', 'rest', 'graphql', 'websocket', 'sql', 'nosql', 'cache', 'jwt', 'oauth', 'rbac'];
export const AGENTS = NODES.slice(4);
export { sleep };

const listens = (port) => new Promise((resolve) => {
  const s = createServer();
  s.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => s.close(() => resolve(true)));
});
const given = new Set();
// Files that run at the same time (scripts/run-node-tests) take each its own share of the ports.
const [slot, slots] = (process.env.METAFED_SLOT ?? '0/1').split('/').map(Number);

// Below the ports that the kernel takes for connections: nobody gets it before the fleet does. The one behind it is free
// too and given to nobody: a bus over tcp takes it for its events.
export async function freePort() {
  for (;;) {
    const port = 20000 + 2 * (slots * randomInt(Math.floor(6000 / slots)) + slot);
    if (given.has(port) || !await listens(port) || !await listens(port + 1)) continue;
    given.add(port);
    return port;
  }
}

export function newDir() {
  const dir = mkdtempSync('/tmp/mf-');
  if (process.env.METAFED_TEST_DIRS) appendFileSync(process.env.METAFED_TEST_DIRS, `${dir}\n`);      // scripts/run-node-tests
  chmodSync(dir, 0o755);      // the fleet's user must be able to enter
  return dir;
}

export function run(cmd, args, opts = {}) {
  return spawnSync(cmd, args, { encoding: 'utf8', timeout: 120_000, maxBuffer: 1 << 28, ...opts, env: { ...process.env, METAFED_NO_BUILD: '1', ...opts.env } });
}

const ppid = (pid) => { try { return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')[1]); } catch { return 0; } };
export const alive = (pid) => { try { return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8')); } catch { return false; } };

// Waits for a condition, not for a time.
export async function until(condition, what, limit = 15_000) {
  for (const end = Date.now() + limit; !await condition(); await sleep(20)) {
    if (Date.now() > end) throw new Error(`${what}: not within ${limit} ms`);
  }
}

export class Fleet {
  // bin: a directory of other executables.
  static async make({ dir = newDir(), port, bin = BIN } = {}) {
    const f = new Fleet();
    Object.assign(f, { dir, bin, var: path.join(dir, 'v'), port: port ?? await freePort() });
    f.url = `http://127.0.0.1:${f.port}`;
    f.agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
    return f;
  }

  static async start({ conf = '', ...o } = {}) {
    const f = await Fleet.make(o);
    if (conf) f.configure(conf);
    f.up();
    await f.login();
    return f;
  }

  // Lines for VAR/local.conf, which the configuration includes.
  configure(conf) {
    run('install', ['-d', '-m', '755', this.var]);
    if (process.getuid() === 0) run('sh', ['-c', `id metafed >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin metafed; chown metafed: ${this.var}`]);
    const file = path.join(this.var, 'local.conf');
    writeFileSync(`${file}.new`, conf);
    renameSync(`${file}.new`, file);      // whoever starts at this moment reads the one or the other
  }

  // As up(), for a test that does something meanwhile.
  upLater() {
    return new Promise((resolve, reject) => {
      const p = spawn(path.join(ROOT, 'scripts/run'), ['--detach', '--var', this.var, '--port', String(this.port)],
        { stdio: 'ignore', timeout: 120_000, env: { ...process.env, METAFED_NO_BUILD: '1', METAFED_BIN: this.bin } });
      p.on('exit', (status) => (status === 0 ? resolve() : reject(new Error(`run --detach: status ${status}\n${this.logs()}`))));
    });
  }

  up() {
    const r = run(path.join(ROOT, 'scripts/run'), ['--detach', '--var', this.var, '--port', String(this.port)], { env: { METAFED_BIN: this.bin } });
    if (r.status !== 0) throw new Error(`run --detach: status ${r.status}\n${r.stdout}${r.stderr}\n${this.logs()}`);
  }

  // Ends it and keeps what it has; up() starts it again.
  down() { return run(path.join(ROOT, 'scripts/stop'), ['--var', this.var], { env: { METAFED_BIN: this.bin ?? BIN } }); }

  // Afterwards nothing is left of it, and what it wrote is as it must be: lines of logs by their schema, no secret in anything.
  async stop() {
    const metrics = await this.call('GET', '/metrics', { token: null, timeout: 5_000 }).then((m) => m.text, () => '');
    this.agent?.destroy();
    const r = this.down();
    const left = [...this.processes(), ...this.inMemory()];
    const bad = existsSync(this.var) ? [...badLines(this.var), ...leaks(this.var, { metrics }).map((l) => `a secret: ${l}`)] : [];
    if (process.env.METAFED_KEEP) process.stderr.write(`kept: ${this.dir}\n`);
    else rmSync(this.dir, { recursive: true, force: true });
    if (r.status !== 0 || left.length) throw new Error(`stop: status ${r.status} ${r.stderr}, left: ${JSON.stringify(left)}`);
    if (bad.length) throw new Error(`logs: ${bad.length} findings\n${bad.slice(0, 20).join('\n')}`);
  }

  // Every process that names our directory on its command line or in its environment.
  processes() {
    return readdirSync('/proc').filter((p) => /^\d+$/.test(p)).map((p) => {
      try { return { pid: Number(p), cmd: readFileSync(`/proc/${p}/cmdline`, 'utf8').replaceAll('\0', ' '), env: readFileSync(`/proc/${p}/environ`, 'utf8').split('\0') }; } catch { return null; }
    }).filter((p) => p && p.pid !== process.pid && (p.cmd.includes(this.var) || p.env.includes(`METAFED_VAR=${this.var}`)) && alive(p.pid))
      .map(({ pid, cmd }) => ({ pid, cmd }));
  }

  // What its processes have left in shared memory (common/node/crash.c names it).
  inMemory() {
    if (!existsSync(this.var)) return [];
    let h = (2166136261 ^ statSync(this.var).uid) >>> 0;
    for (const b of Buffer.from(this.var)) h = Math.imul(h ^ b, 16777619) >>> 0;
    return readdirSync('/dev/shm').filter((n) => n.startsWith(`metafed-${h.toString(16).padStart(8, '0')}-`));
  }

  logs(node) {
    const dir = path.join(this.var, 'log');
    if (!existsSync(dir)) return '';
    return readdirSync(dir).filter((n) => !node || n === `${node}.log`)
      .map((n) => `--- ${n}\n${readFileSync(path.join(dir, n), 'utf8').split('\n').slice(-15).join('\n')}`).join('\n');
  }

  // What a node has logged, of the lines with this text: objects. The log takes a moment to its file, the last line may be there in part.
  logged(node, text = '') {
    const file = path.join(this.var, 'log', `${node}.log`);
    if (!existsSync(file)) return [];
    return readFileSync(file, 'utf8').split('\n').slice(0, -1).filter((l) => l.startsWith('{') && l.includes(text)).map((l) => JSON.parse(l));
  }

  admin() { return JSON.parse(readFileSync(path.join(this.var, 'admin.json'), 'utf8')); }

  async login(limit = 15_000) {
    const end = Date.now() + limit;
    for (;;) {
      try {
        const r = await this.call('POST', '/v1/auth/login', { body: this.admin(), token: null });
        if (r.status === 200) { this.tokens = r.json; this.token = r.json.access_token; return r.json; }
        if (Date.now() > end) throw new Error(`login: ${r.status} ${r.text}`);
      } catch (e) { if (Date.now() > end) throw new Error(`login: ${e.message}\n${this.logs()}`); }
      await sleep(50);
    }
  }

  // body: an object (sent as JSON), a string or Buffer (sent as it is). Resolves with {status, headers, text, json, ms}.
  // again: in ms; what may be repeated is, once, when its kept connection was closed after it had been idle for so long (RFC 9112, 9.3.1).
  call(method, p, { body, headers = {}, token = this.token, timeout = 40_000, agent = this.agent, again = Infinity } = {}) {
    const begin = performance.now();
    const data = body === undefined ? undefined : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const h = { ...headers };
    if (data !== undefined) { h['content-type'] ??= 'application/json'; h['content-length'] = Buffer.byteLength(data); }
    if (token) h.authorization ??= `Bearer ${token}`;
    return new Promise((resolve, reject) => {
      let socket, idle = 0;
      const q = http.request({ host: '127.0.0.1', port: this.port, method, path: p, headers: h, agent, timeout }, (r) => {
        const parts = [];
        r.on('data', (d) => parts.push(d));
        r.on('error', reject);
        r.on('end', () => {
          socket.idleSince = performance.now();
          const text = Buffer.concat(parts).toString();
          let json;
          try { json = JSON.parse(text); } catch { /* not JSON */ }
          resolve({ status: r.statusCode, headers: r.headers, text, json, ms: performance.now() - begin });
        });
      });
      q.on('timeout', () => q.destroy(new Error('time-out of the test client')));
      q.on('socket', (s) => { socket = s; idle = begin - (s.idleSince ?? begin); });
      q.on('error', (e) => {
        if (idle >= again && q.reusedSocket && e.code === 'ECONNRESET') resolve(this.call(method, p, { body, headers, token, timeout, agent: false }));
        else reject(e);
      });
      q.end(data);
    });
  }

  async nodes() {
    const r = await this.call('GET', '/v1/fleet');
    if (r.status !== 200) throw new Error(`fleet: ${r.status} ${r.text}`);
    return Object.fromEntries([...r.json.nodes, ...(r.json.apart ?? [])].map((n) => [n.name, n]));
  }

  async pid(name) { return (await this.nodes())[name].pid; }

  kill(pid, signal = 'SIGKILL') { process.kill(pid, signal); }

  // As kill, of a process that may have gone.
  signal(pid, signal) { try { process.kill(pid, signal); } catch (e) { if (e.code !== 'ESRCH') throw e; } }

  children(pid) {
    return readdirSync('/proc').filter((p) => /^\d+$/.test(p) && ppid(p) === pid).map(Number);
  }

  // Waits until `name` is READY with another pid than before; returns the milliseconds it took.
  async back(name, oldPid, limit = 10_000) {
    const begin = Date.now();
    for (;;) {
      try {
        const n = (await this.nodes())[name];
        if (n && n.state === 'READY' && n.pid !== oldPid) return Date.now() - begin;
      } catch { /* not yet */ }
      if (Date.now() - begin > limit) throw new Error(`${name} is not back after ${limit} ms\n${this.logs()}`);
      await sleep(10);
    }
  }

  // Every process that works in the directory of a private store: all of PostgreSQL, its back ends too.
  storeProcesses(store) {
    return readdirSync('/proc').filter((p) => /^\d+$/.test(p) && alive(p)).filter((p) => {
      try { return readlinkSync(`/proc/${p}/cwd`).startsWith(path.join(this.var, store)); } catch { return false; }
    }).map(Number);
  }

  password(user = 'metafed') { return readFileSync(path.join(this.var, 'secrets', user === 'metafed' ? 'pg-password' : 'pg-admin-password'), 'utf8').trim(); }

  // Past the fleet: what PostgreSQL itself has. Rows of texts.
  sql(statement, user = 'metafed') {
    const ask = () => run('psql', ['-h', path.join(this.var, 'run/stores'), '-U', user, '-d', 'metafed', '-AtX', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-c', statement],
      { env: { PGPASSWORD: this.password(user) } });
    let r = ask();
    // One that was killed before may not have started yet: nothing was done then.
    for (const end = Date.now() + 15_000; /^psql: error: connection to server .*(not yet accepting|starting up|shutting down|No such file|refused)/s.test(r.stderr) && Date.now() < end; r = ask()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    if (r.status !== 0) throw new Error(`psql: ${r.stderr}`);
    return r.stdout.split('\n').filter(Boolean).map((l) => l.split('\t'));
  }

  async faults(node, spec, for_ms = 30_000) {
    const r = await this.call('POST', `/v1/fleet/${node}:faults`, { body: { spec, seed: 1, for_ms } });
    if (r.status !== 200) throw new Error(`faults of ${node}: ${r.status} ${r.text}`);
  }

  cli(...args) {
    args.forEach(body);      // password=..., and JSON
    return run(path.join(BIN, 'metafed'), ['--var', this.var, ...args], { env: { METAFED_TOKEN_FILE: path.join(this.dir, 'token') } });
  }

  // `rate` requests a second for `seconds`, begun on the clock whatever the answers do. make(i) -> [method, path, opts].
  async load(rate, seconds, make) {
    const results = [];
    const pending = [];
    const begin = performance.now();
    const n = Math.round(rate * seconds);
    for (let i = 0; i < n; i++) {
      const at = begin + i * 1000 / rate;
      const wait = at - performance.now();
      if (wait > 1) await sleep(wait);
      const [method, p, opts] = make(i);
      const began = performance.now();
      pending.push(this.call(method, p, opts).then(
        (r) => results.push({ i, at: began - begin, status: r.status, ms: performance.now() - began, json: r.json, headers: r.headers, text: r.text }),
        (e) => results.push({ i, at: began - begin, status: 0, ms: performance.now() - began, error: e.message })));
    }
    await Promise.all(pending);
    return results.sort((a, b) => a.i - b.i);
  }
}

export const failures = (results, ok = (r) => r.status >= 200 && r.status < 300) => results.filter((r) => !ok(r))
  .map((r) => ({ i: r.i, at: Math.round(r.at), ms: Math.round(r.ms), status: r.status, error: r.error, code: r.json?.reason ?? r.json?.code, detail: r.json?.detail }));

// A mix of what clients do: creates, reads, lists. ids collects what was acknowledged.
export function mixed(ids, seed) {
  return (i) => {
    if (i % 4 === 0 || ids.length === 0) return ['POST', '/v1/tasks', { body: { title: `load ${seed} ${i}`, labels: { seed: String(seed) } } }];
    if (i % 4 === 3) return ['GET', '/v1/tasks?limit=5', {}];
    return ['GET', `/v1/tasks/${ids[i % ids.length]}`, {}];
  };
}

// The two sides of a comparison, on the same PostgreSQL: this fleet, and one tuned Node process (peer_*.mjs). Each knows its port, its
// table, and the processes whose CPU time counts: all of its own and PostgreSQL's. The counterpart is a session of its own, as the
// nodes are: a scheduler that shares by session treats all alike.
import { spawn } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT, freePort, run } from '../../harness/fleet.mjs';

const TICK_US = 10_000;
export const PEERS = process.env.BENCH_PEERS ?? path.join(ROOT, 'tests/bench/http');

// state ppid ... utime stime cutime cstime; null: it is gone.
function stat(pid) {
  try { return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' '); } catch { return null; }
}

// Of a process, and of its children that have ended: a back end that goes leaves its time with the postmaster.
export function cpuOf(pid) {
  const s = stat(pid);
  return s ? [11, 12, 13, 14].reduce((sum, i) => sum + Number(s[i]), 0) * TICK_US : 0;
}

// What the load generators that have ended took.
export function loadCpu() {
  const s = stat(process.pid);
  return (Number(s[13]) + Number(s[14])) * TICK_US;
}

class Side {
  constructor(f, name, port, table) { Object.assign(this, { f, name, port, table, url: `http://127.0.0.1:${port}` }); }

  async postgres() {
    const { pid } = (await this.f.nodes()).postgres;
    return [pid, ...this.f.children(pid)];
  }

  async cpu() { return [...new Set(await this.pids())].reduce((sum, pid) => sum + cpuOf(pid), 0); }

  rows() {
    const r = run('psql', ['-h', path.join(this.f.var, 'run/stores'), '-U', 'metafed', '-d', 'metafed', '-Atc', `SELECT count(*) FROM ${this.table}`],
      { env: { PGPASSWORD: password(this.f) } });
    if (r.status !== 0) throw new Error(`psql: ${r.stderr}`);
    return Number(r.stdout);
  }

  // The answer to one request.
  async ask({ method, path: p, body }) {
    const headers = { authorization: `Bearer ${this.f.token}`, accept: 'application/graphql-response+json, application/json', ...(body ? { 'content-type': 'application/json' } : {}) };
    const r = await fetch(this.url + p, { method, headers, body });
    if (!r.ok) throw new Error(`${this.name}: ${r.status} ${await r.text()}`);
    return r.json();
  }

  async stop() {}
}

const password = (f) => readFileSync(path.join(f.var, 'secrets/pg-password'), 'utf8').trim();

export class FleetSide extends Side {
  constructor(f) { super(f, 'fleet', f.port, 'tasks'); }

  async pids() {
    return [...Object.values(await this.f.nodes()).map((n) => n.pid).filter(Boolean), ...await this.postgres()];
  }
}

export class NodeSide extends Side {
  static async start(f, program) {
    const side = new NodeSide(f, 'Node', await freePort(), 'bench_tasks');
    const { keys: [jwk] } = await (await fetch(`${f.url}/.well-known/jwks.json`)).json();   // a new fleet has one
    const key = path.join(f.dir, 'public.pem');
    writeFileSync(key, createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }));
    side.process = spawn(process.execPath, [path.join(PEERS, program)], { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env,
      NODE_ENV: 'production', BENCH_PORT: String(side.port), BENCH_KEY: key, BENCH_SOCKET: path.join(f.var, 'run/stores'),
      BENCH_PASSWORD_FILE: path.join(f.var, 'secrets/pg-password'), BENCH_SCHEMA: path.join(ROOT, 'services/api/graphql/schema.graphql') } });
    await new Promise((resolve, reject) => {
      side.process.once('message', resolve);
      side.process.once('exit', (code) => reject(new Error(`${program} ended: ${code}`)));
    });
    return side;
  }

  async pids() { return [this.process.pid, ...await this.postgres()]; }

  async stop() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => { this.process.once('exit', resolve); });
    this.process.kill();
    await ended;
  }
}

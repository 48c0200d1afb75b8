// commits: clients that write a task, a document that is new and one that all fight for, in one transaction each, through a live
// fleet in which things are killed; the transaction is all there or not at all, once, whoever looks and whenever.
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { random } from './simulate.mjs';
import { run, sleep, until } from './fleet.mjs';

const HOT = 2;

export class Commits {
  constructor(fleet, { seed, clients = 6, think = 4, limit = 6000 } = {}) {
    Object.assign(this, { fleet, seed, clients, think, limit, random: random(seed) });
    this.name = `x${seed}-${randomUUID().slice(0, 8)}`;
    this.hot = Array.from({ length: HOT }, () => randomUUID());
    this.ops = [];          // {body, task, doc, hot, outcome: 'yes' 'no' 'open'}
    this.problems = [];
    this.good = 0;
  }

  start() {
    this.running = true;
    this.workers = this.prepare().then(() => Promise.all(Array.from({ length: this.clients }, (_, i) => (i % 3 === 2 ? this.reader() : this.writer()))));
    this.workers.catch(() => {});
    return this;
  }

  async prepare() {
    for (const id of this.hot) {
      await until(async () => (await this.post(`${this.name}-${id}`, { operation: 'create', model: 'doc.hot', id, data: { by: '' } })).status === 200, 'a document is there', 20_000);
    }
  }

  async stop() {
    this.running = false;
    await this.workers;
  }

  async writes(n, limit = 20_000) {
    const end = this.good + n;
    await until(() => this.good >= end, `${n} more transactions are acknowledged (now ${this.good})`, limit);
  }

  async post(task_id, database) {
    const r = await this.fleet.call('POST', '/v1/requests', { body: { task_id, requirements: { database } }, timeout: this.limit }).catch((e) => ({ status: 0, text: e.message }));
    r.answer = r.json?.response ?? r.json;
    r.reason = r.answer?.problem?.reason ?? r.json?.reason ?? '';
    if (r.status === 200 && !r.answer?.success) r.status = r.answer?.problem?.status ?? 0;
    return r;
  }

  async writer() {
    while (this.running) {
      const op = { n: this.ops.length, task: randomUUID(), doc: randomUUID(), hot: this.hot[Math.floor(this.random() * HOT)], outcome: 'open' };
      this.ops.push(op);
      const members = [
        { operation: 'create', model: 'task', id: op.task, data: { title: `${this.name}.${op.n}` } },
        { operation: 'create', model: 'doc.own', id: op.doc, data: { by: `${this.name}.${op.n}` } },
        { operation: 'update', model: 'doc.hot', id: op.hot, data: { by: op.task } },
      ];
      // One that can't be: by what is in Redis, or by what is in PostgreSQL.
      const x = this.random();
      op.doomed = x < 0.2;
      if (x < 0.1) members[2].if_version = 1_000_000;
      else if (x < 0.2) members.push({ operation: 'delete', model: 'task', id: randomUUID() });
      if (this.random() < 0.5) members.reverse();
      op.body = [`${this.name}.${op.n}`, { operation: 'transaction', model: 'task', data: members }];
      const r = await this.post(...op.body);
      this.told(op, r);
      // Who does not know asks again, now and then.
      if (op.outcome === 'open' && this.random() < 0.5) this.told(op, await this.post(...op.body));
      await sleep(this.random() * this.think);
    }
  }

  told(op, r) {
    if (r.status === 200 && op.doomed) this.problems.push(`operation ${op.n} can't be, and was acknowledged`);
    if (r.status === 200) {
      op.outcome = 'yes';
      this.good++;
    } else if (r.status >= 400 && r.status < 500 && r.status !== 429 && r.status !== 408 && r.reason !== 'IDEMPOTENCY_KEY_IN_USE') {
      if (!op.doomed && !['STAGED', 'GIVEN_UP', 'VERSION_CONFLICT'].includes(r.reason)) this.problems.push(`operation ${op.n}: ${r.status} ${r.text}`);
      if (op.outcome !== 'open') this.problems.push(`operation ${op.n}: ${op.outcome}, then ${r.status} ${r.reason}`);
      op.outcome = 'no';
    }
    op.said = `${r.status} ${r.reason}`;
  }

  // What one store shows, the other one shows to whoever looks after that.
  async reader() {
    while (this.running) {
      const op = this.ops[Math.max(0, this.ops.length - 1 - Math.floor(this.random() * 8))];
      if (op) {
        const looks = [['task', op.task], ['doc.own', op.doc]];
        if (this.random() < 0.5) looks.reverse();
        const [a, b] = [await this.look(...looks[0]), await this.look(...looks[1])];
        if (a === 'there' && b === 'absent') this.problems.push(`operation ${op.n}: its ${looks[0][0]} is there, its ${looks[1][0]} is not, asked for later`);
      }
      await sleep(this.random() * this.think);
    }
  }

  async look(model, id) {
    const r = await this.post(randomUUID(), { operation: 'read', model, id });
    return r.status === 200 ? 'there' : r.status === 404 ? 'absent' : 'unknown';
  }

  // Past the fleet: what is left of transactions in Redis.
  redis(...args) {
    const r = run('redis-cli', ['-s', path.join(this.fleet.var, 'run/stores/redis-docs.sock'), ...args]);
    if (r.status !== 0) throw new Error(`redis-cli: ${r.stderr}`);
    return r.stdout.split('\n').filter(Boolean);
  }

  // Two documents as a `database` leaves them that was killed: one committed and not published, one undecided.
  leave() {
    const ids = { committed: randomUUID(), undecided: randomUUID() };
    for (const [state, id] of Object.entries(ids)) {
      const transaction = randomUUID();
      if (state === 'committed') this.fleet.sql(`INSERT INTO decisions (id, committed) VALUES ('${transaction}', true)`);
      this.redis('EVAL', `redis.call('SADD', 'mf:staging', 'doc.left') redis.call('HSET', KEYS[1], ARGV[2], ARGV[1])
        redis.call('ZADD', KEYS[2], 0, ARGV[1])
        redis.call('HSET', KEYS[3], 'docs', cmsgpack.pack({{ARGV[2], '', 'put', '1:{}', '', '0'}}), 'answer', '', 'record', '', 'until', '0')`,
      '3', 'mf:{doc.left}:held', 'mf:{doc.left}:tx', `mf:{doc.left}:tx:${transaction}`, transaction, id);
    }
    return ids;
  }

  // After stop(). Who was told yes or no finds it so; who was not told, asks again and is told the truth.
  async check() {
    await until(() => { try { return this.redis('--scan', '--pattern', 'mf:*:tx*').length === 0; } catch { return false; } },
      `nothing is staged any more (${this.problems.slice(0, 3).join('; ')})`, 40_000).catch((e) => this.problems.push(e.message));
    const list = this.ops.map((o) => `'${o.task}'`).join() || "'00000000-0000-0000-0000-000000000000'";
    const tasks = new Set(this.fleet.sql(`SELECT id FROM tasks WHERE id IN (${list})`).map(([id]) => id));
    for (const op of this.ops) {
      const task = tasks.has(op.task), doc = this.redis('EXISTS', `mf:{doc.own}:d:${op.doc}`)[0] === '1';
      if (task !== doc) this.problems.push(`operation ${op.n} (${op.said}) is torn: task ${task}, document ${doc}`);
      if (op.outcome === 'yes' && !task) this.problems.push(`operation ${op.n} was acknowledged and is not there`);
      if (op.outcome === 'no' && task) this.problems.push(`operation ${op.n} was refused (${op.said}) and is there`);
      op.there = task;
    }
    for (const op of this.ops.filter((o) => !o.doomed && (o.outcome === 'open' || o.n % 7 === 0))) await this.again(op);
    for (const hot of this.hot) {
      const r = await this.post(randomUUID(), { operation: 'read', model: 'doc.hot', id: hot });
      const writes = this.ops.filter((o) => o.hot === hot && o.there).length;
      if (r.answer?.result?.version !== 1 + writes) this.problems.push(`document ${hot} has version ${r.answer?.result?.version} after ${writes} writes`);
    }
    if (this.problems.length) throw new Error(`seed ${this.seed}: ${this.problems.length} problems\n${this.problems.slice(0, 8).join('\n')}`);
  }

  // The same request: is done now, or was done once.
  async again(op) {
    let r;
    await until(async () => (r = await this.post(...op.body)).status === 200 || ![0, 409, 429, 500, 503, 504].includes(r.status), `operation ${op.n} is answered`, 20_000)
      .catch((e) => this.problems.push(`${e.message}: ${r.status} ${r.text}`));
    if (r.status !== 200) this.problems.push(`operation ${op.n} again: ${r.status} ${r.text}`);
    op.there = true;
  }

  get counts() {
    const n = (o) => this.ops.filter((x) => x.outcome === o).length;
    return `${this.ops.length} transactions, ${n('no')} refused, ${n('open')} unknown`;
  }
}

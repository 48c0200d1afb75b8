// workload: clients that create, change, delete and read a few tasks through a live fleet, all of it recorded in a History;
// at the end what the fleet still says, and what PostgreSQL itself has, is held against it.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import path from 'node:path';
import { History, line } from './history.mjs';
import { random } from './simulate.mjs';
import { sleep, until } from './fleet.mjs';

const RETRY_MS = 20_000;        // how long a client with an Idempotency-Key asks again
const BOUND_MS = 300;

export class Workload {
  constructor(fleet, { seed, clients = 8, keys = 5, kinds = FLOWS.mixed, think = 4, limit = 6000, pad = 0, trims = false, keyed = true } = {}) {
    Object.assign(this, { fleet, seed, clients, kinds, think, limit, pad, trims, keyed });
    this.history = new History();
    this.random = random(seed);
    this.name = `w${seed}-${randomUUID().slice(0, 8)}`;
    this.slots = Array(keys).fill(null);      // the key that lives in each, if any
    this.versions = new Map();                // last one heard of
    this.tokens = 0;
    this.good = 0;                            // writes that were acknowledged
    this.bad = 0;
  }

  start() {
    this.running = true;
    this.workers = Array.from({ length: this.clients }, (_, i) => this.client(`c${i}`, this.keyed && i % 2 === 1));
    return this;
  }

  // One after the other, with a little time between: `again` is one who asks until he knows.
  async client(name, again) {
    while (this.running) {
      await this.one(name, again);
      await sleep(this.random() * this.think);
    }
  }

  async stop() {
    this.running = false;
    await Promise.all(this.workers);
  }

  // Waits for so many more acknowledged writes.
  async writes(n, limit = 20_000) {
    const end = this.good + n;
    await until(() => this.good >= end, `${n} more writes are acknowledged`, limit);
  }

  newKey() { return randomUUID(); }

  // What does not compress.
  padding() { return randomBytes(this.pad / 2).toString('hex'); }

  token() { return `${this.name}.${this.tokens++}`; }

  async one(client, again) {
    const slot = Math.floor(this.random() * this.slots.length), key = this.slots[slot];
    if (!key) {
      this.slots[slot] = this.newKey();
      return this.create(client, again, this.slots[slot], slot);
    }
    let x = this.random() * Object.values(this.kinds).reduce((a, b) => a + b, 0);
    const kind = Object.keys(this.kinds).find((k) => (x -= this.kinds[k]) < 0);
    if (kind === 'delete') this.slots[slot] = null;
    return this[kind](client, again, key);
  }

  create(client, again, key) {
    const value = this.token();
    return this.write('create', { client, key, value, session: client }, again, 'POST', '/v1/tasks', { id: key, ...this.body(value) });
  }

  update(client, again, key) {
    const value = this.token(), known = this.versions.get(key);
    const if_version = known && this.random() < 0.3 ? known : undefined;
    return this.write('update', { client, key, value, if_version, session: client }, again, 'PATCH', `/v1/tasks/${key}`, this.body(value));
  }

  body(title) { return this.pad ? { title, description: this.padding() } : { title }; }

  delete(client, again, key) { return this.write('delete', { client, key, session: client }, again, 'DELETE', `/v1/tasks/${key}`); }

  async write(kind, o, again, method, url, body) {
    const op = this.history.begin(kind, o), headers = {};
    if (o.if_version) headers['if-match'] = `"${o.if_version}"`;
    if (again) headers['idempotency-key'] = `"${this.name}-${op.n}"`;
    const r = await this.ask(again, method, url, { body, headers });
    if (r.status >= 200 && r.status < 300) {
      this.good++;
      if (r.json?.version) this.versions.set(o.key, r.json.version);
      // A create that is repeated answers what the task has become.
      this.history.ok(op, r.json?.version && !(kind === 'create' && r.json.version > 1) ? { version: r.json.version } : {});
    } else if (r.status === 0 || r.status >= 500 || r.status === 429) {
      this.bad++;
      this.history.unknown(op, `${r.status} ${r.json?.reason ?? ''}`);
    } else {
      this.history.fail(op, r.status === 412 ? 'conflict' : r.status === 404 ? 'missing' : kind === 'create' && r.status === 409 ? 'exists' : `${r.status}`);
    }
  }

  // With a key for it a request is sent again until its answer says what became of it.
  async ask(again, method, url, o) {
    for (const end = Date.now() + RETRY_MS; ;) {
      const r = await this.fleet.call(method, url, { ...o, timeout: this.limit }).catch((e) => ({ status: 0, error: e.message }));
      const open = r.status === 0 || r.status >= 500 || r.status === 429 || r.json?.reason === 'IDEMPOTENCY_KEY_IN_USE';
      if (!again || !open || Date.now() > end || !this.running) return open && r.status === 409 ? { ...r, status: 0 } : r;
      await sleep(20);
    }
  }

  async read(client, again, key) {
    const op = this.history.begin('read', { client, key, session: client });
    if (await this.look(op, key)) this.versions.set(key, op.result?.version);
  }

  // False: it could not be read.
  async look(op, key) {
    if (isDocument(key)) {
      const r = await this.request({ operation: 'read', model: 'doc.proof', id: key });
      const answer = r.json?.response ?? r.json;
      if (r.status === 200 && answer?.success) this.history.ok(op, { version: answer.result.version, value: answer.result.data.value });
      else if (r.status === 404) this.history.ok(op, null);
      else return false;
      return true;
    }
    const r = await this.fleet.call('GET', `/v1/tasks/${key}`, { timeout: this.limit }).catch(() => ({ status: 0 }));
    if (r.status === 200) this.history.ok(op, { version: r.json.version, value: r.json.title });
    else if (r.status === 404) this.history.ok(op, null);
    else return false;
    return true;
  }

  // Through the cache, which may be old, but shows nobody what was before his own write.
  async bounded(client, again, key) {
    const op = this.history.begin('read', { client, key, bound: BOUND_MS, session: client, own: true });
    const r = await this.request({ operation: 'read', model: 'task', id: key, consistency: 'bounded', max_age_ms: BOUND_MS });
    const answer = r.json?.response ?? r.json;
    if (r.status === 200 && answer?.success) this.history.ok(op, { version: answer.result.version, value: answer.result.title });
    else if (r.status === 404) this.history.ok(op, null);
    else this.history.unknown(op, `${r.status} ${answer?.problem?.reason || r.json?.reason || answer?.problem?.code || ''}`);
  }

  async bulk(client) {
    const made = [0, 1, 2].map(() => ({ id: randomUUID(), title: this.token() }));
    const ops = made.map((m) => this.history.begin('create', { client, key: m.id, value: m.title }));
    const r = await this.fleet.call('POST', '/v1/tasks:bulk', { body: made, timeout: this.limit }).catch(() => ({ status: 0 }));
    ops.forEach((op, i) => {
      const item = r.status === 200 ? r.json.items[i] : { status: r.status, error: r.json }, { status } = item;
      if (status === 201 || status === 200) this.history.ok(op, { version: 1 });
      else if (status === 0 || status >= 500 || status === 429) this.history.unknown(op, `${status} ${item.error?.reason ?? ''}`);
      else this.history.fail(op, `${status}`);
    });
    if (r.status === 200) this.good++; else this.bad++;
  }

  // Two new tasks, or none.
  async transaction(client) {
    const members = [0, 1].map(() => ({ kind: 'create', key: randomUUID(), value: this.token() }));
    const op = this.history.begin('transaction', { client, members });
    this.told(op, await this.request({ operation: 'transaction', model: 'task', data: members.map((m) => ({ operation: 'create', model: 'task', id: m.key, data: { title: m.value } })) }));
    if (op.outcome === 'ok') op.result = [{ version: 1 }, { version: 1 }];
  }

  request(database) {
    return this.fleet.call('POST', '/v1/requests', { body: { task_id: this.token(), requirements: { database } }, timeout: this.limit }).catch(() => ({ status: 0 }));
  }

  // What can be said of an answer of POST /v1/requests about a change: as write() does.
  told(op, r, version) {
    const answer = r.json?.response ?? r.json, reason = answer?.problem?.reason ?? r.json?.reason;
    if (r.status === 200 && answer?.success) {
      this.good++;
      this.history.ok(op, version === undefined ? {} : { version: version(answer.result) });
    } else if (r.status >= 400 && r.status < 500 && r.status !== 429 && r.status !== 408) {
      this.history.fail(op, r.status === 404 ? 'missing' : reason === 'VERSION_CONFLICT' ? 'conflict' : reason === 'ALREADY_EXISTS' || reason === 'ID_TAKEN' ? 'exists' : `${r.status} ${reason}`);
    } else {
      this.bad++;
      this.history.unknown(op, `${r.status} ${reason ?? ''}`);
    }
  }

  // After stop(), in quiet: each key is read once more; what can't be read now is a problem of its own. Then PostgreSQL's
  // own rows and log. Throws what is not legal, with the history saved.
  async check() {
    const h = this.history, final = new Map();
    for (const key of h.byKey().keys()) {
      const op = h.begin('read', { client: 'end', key });
      await until(() => this.look(op, key), `${key} can be read at the end`);
      if (!isDocument(key)) final.set(key, op.result && { version: op.result.version });
    }
    const list = [...final.keys()].map((k) => `'${k}'`).join() || 'NULL';
    const rows = this.fleet.sql(`SELECT id, title FROM tasks WHERE id IN (${list}) OR title LIKE '${this.name}.%'`).map(([key, value]) => ({ key, value }));
    const events = this.fleet.sql(`SELECT task_id, kind, version FROM events WHERE task_id IN (${list}) ORDER BY xid, seq`)
      .map(([key, kind, version]) => ({ key, kind: kind.replace('task.', ''), version: Number(version) }));
    this.verdict([...h.check(), ...h.checkEvents(events, final), ...h.checkRows(rows, (key) => final.has(key))]);
  }

  verdict(problems) {
    if (problems.length === 0) return;
    const file = path.join(mkdtempSync('/tmp/mf-history-'), 'history.jsonl');
    this.history.save(file);
    throw new Error(`seed ${this.seed}: ${problems.length} problems, history in ${file}\n${problems.slice(0, 5).join('\n\n')}`);
  }

  get counts() {
    const n = (outcome) => this.history.ops.filter((o) => o.outcome === outcome).length;
    return `${this.history.ops.length} operations, ${n('unknown')} unknown`;
  }
}

const isDocument = (key) => key.startsWith('d-');

// The same of documents in Redis.
export class Documents extends Workload {
  constructor(fleet, o) { super(fleet, { kinds: { update: 8, read: 8, delete: 2 }, ...o }); }

  newKey() { return `d-${randomUUID()}`; }

  async change(kind, o, database) {
    const op = this.history.begin(kind, o);
    const r = await this.request({ operation: kind, model: 'doc.proof', id: o.key, ...database });
    this.told(op, r, kind === 'delete' ? undefined : (result) => result.version);
    if (op.outcome === 'ok' && op.result.version) this.versions.set(o.key, op.result.version);
  }

  create(client, again, key) {
    const value = this.token();
    return this.change('create', { client, key, value }, { data: this.content(value) });
  }

  update(client, again, key) {
    const value = this.token(), known = this.versions.get(key), if_version = known && this.random() < 0.3 ? known : undefined;
    return this.change('update', { client, key, value, if_version }, { data: this.content(value), if_version });
  }

  content(value) { return this.pad ? { value, pad: this.padding() } : { value }; }

  delete(client, again, key) { return this.change('delete', { client, key }, {}); }
}

// Ids are made at the edge, as they must be while PostgreSQL is away: a create whose answer is lost is one of no known key.
export class Edge extends Workload {
  constructor(fleet, o) { super(fleet, { kinds: { update: 1 }, keyed: false, keys: 120, ...o }); }

  async create(client, again, key, slot) {
    const op = this.history.begin('create', { client, key, value: this.token() });
    this.slots[slot] = null;
    const r = await this.ask(false, 'POST', '/v1/tasks', { body: { title: op.value } });
    if (r.status !== 201) {
      this.bad++;
      return;
    }
    this.good++;
    this.history.ok(op, { version: r.json.version });
    this.slots[slot] = op.key = r.json.id;
    this.versions.set(op.key, r.json.version);
  }
}

// Transactions over both stores: a task and a document that are only ever made and changed together, and read apart.
export class Both extends Workload {
  constructor(fleet, o) { super(fleet, { kinds: { update: 8, read: 8, stale: 2 }, ...o }); }

  newKey() { return randomUUID(); }

  async both(kind, client, key, o = {}) {
    const members = [{ kind, key, value: this.token() }, { kind, key: `d-${key}`, value: this.token(), ...o }];
    const op = this.history.begin('transaction', { client, members });
    this.told(op, await this.request({ operation: 'transaction', model: 'task', data: [
      { operation: kind, model: 'task', id: key, data: { title: members[0].value } },
      { operation: kind, model: 'doc.proof', id: members[1].key, data: { value: members[1].value }, if_version: o.if_version },
    ] }));
    if (op.outcome === 'ok') op.result = members.map(() => (kind === 'create' ? { version: 1 } : {}));
  }

  create(client, again, key) { return this.both('create', client, key); }

  update(client, again, key) { return this.both('update', client, key); }

  // One that is refused, most of the time.
  stale(client, again, key) { return this.both('update', client, key, { if_version: 1 }); }

  async read(client, again, key) {
    const one = this.random() < 0.5 ? key : `d-${key}`;
    await this.look(this.history.begin('read', { client, key: one, session: client }), one);
  }
}

// Appends to a stream, and, when `trims`, now and then what is old goes.
export class Streams extends Workload {
  constructor(fleet, o) {
    super(fleet, { kinds: { append: 1 }, ...o });
    this.subject = `stream.${this.name.replaceAll('.', '-')}`;
  }

  async one(client) {
    if (this.trims && this.random() < 0.1) {
      await this.request({ operation: 'trim', model: this.subject, filters: { keep: '20' } });
      return;
    }
    const op = this.history.begin('append', { client, key: this.subject, value: this.token() });
    const r = await this.request({ operation: 'append', model: this.subject, data: { value: op.value } });
    this.told(op, r, (result) => result.last);
  }

  // Positions without gaps, what was acknowledged where it was said, nothing twice, nothing that was refused, and nobody
  // before him who had his answer when it was asked for.
  async check() {
    const items = new Map(), problems = [];
    let cursor = '';
    do {
      let answer;
      await until(async () => {
        const r = await this.request({ operation: 'query', model: this.subject, limit: 500, ...(cursor && { cursor }) });
        answer = r.json?.response ?? r.json;
        return r.status === 200 && answer?.success;
      }, 'the stream can be read at the end');
      for (const i of answer.result.items) items.set(i.position, i.data.value);
      cursor = answer.result.next_cursor;
    } while (cursor);
    const positions = [...items.keys()], first = positions[0] ?? 1, at = new Map([...items].map(([p, v]) => [v, p]));
    if (!this.trims && first !== 1) problems.push(`it begins at ${first}`);
    positions.forEach((p, i) => { if (p !== first + i) problems.push(`position ${p} where ${first + i} is next`); });
    if (at.size !== items.size) problems.push('something is there twice');
    const appends = this.history.ops.filter((o) => o.kind === 'append');
    for (const op of appends) {
      if (op.outcome === 'fail' && at.has(op.value)) problems.push(`there, though it was refused: ${line(op)}`);
      if (op.outcome === 'ok' && op.result.version >= first && items.get(op.result.version) !== op.value) problems.push(`not where it was said to be: ${line(op)}`);
    }
    const byAnswer = appends.filter((o) => o.outcome === 'ok').sort((a, b) => a.answered - b.answered);
    for (const op of appends.filter((o) => at.has(o.value))) {
      const late = byAnswer.find((o) => o.answered >= op.asked) === undefined ? byAnswer.at(-1) : byAnswer[byAnswer.findIndex((o) => o.answered >= op.asked) - 1];
      if (late && late.result.version > at.get(op.value)) problems.push(`before one that was answered when it was asked for: ${line(late)}; ${line(op)}`);
    }
    this.verdict(problems);
  }
}

// Shares of the kinds of operations.
export const FLOWS = {
  mixed: { update: 8, read: 6, bounded: 6, delete: 1, bulk: 1, transaction: 1 },
  cached: { update: 3, bounded: 12 },
  writes: { update: 8, read: 1, delete: 1, transaction: 2 },
};

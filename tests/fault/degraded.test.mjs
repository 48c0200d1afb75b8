// PostgreSQL is away: creates and updates go on, marked, out of the journal; when it is back all of them are there, in order,
// exactly once, whoever is killed at whichever step meanwhile. Checked row by row and by the log of events.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { BIN, Fleet, alive, freePort, newDir, run, sleep, until } from '../harness/fleet.mjs';
import { PgCut } from '../harness/pg_cut.mjs';
import { random } from '../harness/simulate.mjs';
import { CONF, allSteps, crash } from '../harness/steps.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
const whole = process.env.METAFED_WHOLE === '1';
const only = process.env.METAFED_STEP && new RegExp(process.env.METAFED_STEP);
console.log(`# measured seed ${seed}`);
const r = random(seed);

const merge = { 'content-type': 'application/merge-patch+json' };
const get = (f, id) => f.call('GET', `/v1/tasks/${id}`);
const patch = (f, id, body, headers = {}) => f.call('PATCH', `/v1/tasks/${id}`, { body, headers: { ...merge, ...headers } });

let f, way;
before(async () => {
  const dir = newDir(), port = await freePort();
  way = new PgCut(port, path.relative(process.cwd(), path.join(dir, 'v/run/stores/.s.PGSQL.5432')));
  // So long a large value waits for its store.
  f = await Fleet.start({ dir, conf: `${CONF}${way.conf()}[api]\nrequest_time = 5s\n` });
});
after(async () => { way?.stop(); await f?.stop(); });

// In normal mode lists are answered, and whole.
const isNormal = async () => {
  const a = await f.call('GET', '/v1/tasks?limit=1').catch(() => ({ status: 0 }));
  return a.status === 200 && a.headers['metafed-degraded'] === undefined;
};

// A read that goes into the cache: what is known of a task when PostgreSQL is gone.
async function known(id) {
  await until(async () => {
    const a = await f.call('GET', `/v1/tasks/${id}`, { headers: { 'metafed-consistency': 'eventual' } });
    const b = await f.call('POST', '/v1/requests', { body: { task_id: `${id}-${Date.now()}-${Math.random()}`, requirements: { database: { operation: 'read', model: 'task', id, consistency: 'eventual' }, auth: { require_permission: 'task.read' } } } });
    return a.status === 200 && b.status === 200 && b.json.success;
  }, 'a read that may come from the cache');
}

// Clients that make tasks, change and delete them, one step after the other. What a task is at the end: its last answer; after a
// failure also what the failed step would have made of it.
class Clients {
  constructor(label) { Object.assign(this, { label, tasks: [], acked: 0, degraded: 0, refused: 0, going: true }); }

  start(n = 6) {
    this.all = Array.from({ length: n }, (_, i) => this.#one(i).catch((e) => { this.wrong ??= e; this.going = false; }));
    return this;
  }

  async #step(t, fn) {
    const a = await fn().catch(() => ({ status: 0, headers: {} }));
    if (a.status >= 200 && a.status < 300) {
      this.acked++;
      if (a.headers['metafed-degraded']) this.degraded++;
      t.last = a.status === 204 ? null : a.json;
      t.versions++;
      if (a.status === 204) t.deleted = true;
      return true;
    }
    assert.ok([0, 503, 504, 429].includes(a.status), `${a.status} ${a.text}`);
    this.refused++;
    t.sure = false;
    return false;
  }

  async #one(i) {
    for (let k = 0; this.going; k++) {
      const title = `${this.label} ${i} ${k}`;
      const t = { title, versions: 0, sure: true };
      this.tasks.push(t);
      if (!await this.#step(t, () => f.call('POST', '/v1/tasks', { body: { title, payload: { k, s: 'é' }, labels: { of: this.label } } }))) {
        await sleep(20);
        continue;
      }
      t.id = t.last.id;
      for (let v = 2; v <= 3; v++) {
        if (!await this.#step(t, () => patch(f, t.id, { description: `v${v}`, payload: { v } }, { 'if-match': `"${t.last.version}"` }))) break;
        assert.equal(t.last.version, v);
      }
      if (t.sure && k % 4 === 3) await this.#step(t, () => f.call('DELETE', `/v1/tasks/${t.id}`));
      await sleep(5);
    }
  }

  async writes(n) {
    const had = this.acked;
    await until(() => this.wrong || this.acked >= had + n, `${n} more writes`, 30_000);
    if (this.wrong) throw this.wrong;
  }

  async stop() { this.going = false; await Promise.all(this.all); }

  check() {
    if (this.wrong) throw this.wrong;
    const at = (c) => `to_char(${c} at time zone 'UTC','YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
    const rows = new Map(f.sql(`select title,id,version,coalesce(description,''),${at('created_at')},${at('updated_at')},payload::text from tasks where labels->>'of'='${this.label}'`).map((x) => [x[1], x]));
    const events = new Map();
    for (const [id, kind, version] of f.sql('select task_id,kind,version from events order by xid,seq')) {
      if (!events.has(id)) events.set(id, []);
      events.get(id).push(`${kind} ${version}`);
    }
    const titles = [...rows.values()].map((x) => x[0]);
    assert.equal(new Set(titles).size, titles.length, 'none is doubled');
    for (const t of this.tasks.filter((x) => x.id)) {
      const row = rows.get(t.id), log = events.get(t.id) ?? [];
      const wanted = Array.from({ length: log.length }, (_, i) => (i === 0 ? 'task.created 1' : `${log[i].split(' ')[0]} ${i + 1}`));
      assert.deepEqual(log, wanted, `each event of ${t.id} once, in order`);
      if (t.sure) assert.equal(log.length, t.versions, `${t.title}: ${log}`);
      if (t.deleted) {
        assert.equal(row, undefined, `${t.title} was deleted`);
        continue;
      }
      if (!row) assert.ok(!t.sure && log.at(-1)?.startsWith('task.deleted'), `${t.title} is there`);
      else if (t.sure) assert.deepEqual([row[1], Number(row[2]), row[3], row[4], row[5], JSON.parse(row[6])], [t.id, t.last.version, t.last.description ?? '', t.last.created_at, t.last.updated_at, t.last.payload], t.title);
      else assert.ok(Number(row[2]) >= t.last.version, `${t.title}: what was acknowledged is not undone`);
    }
    assert.deepEqual(f.sql('select * from replay_refused'), []);
  }

  get counts() { return `${this.acked} acknowledged, ${this.degraded} of them degraded, ${this.refused} refused`; }
}

// What goes at the moment of the cut may be 503 OUTCOME_UNKNOWN: nobody knows whether it was stored. What comes after it is not.
async function cutOff() {
  await way.cut();
  const a = await f.call('POST', '/v1/tasks', { body: { title: 'at the cut' } });
  assert.ok(a.headers['metafed-degraded'] === 'true' || a.json.reason === 'OUTCOME_UNKNOWN', a.text);
}

test('creates are answered 201 and marked, what is known can be read and changed, the rest is a clear 503', async () => {
  const there = (await f.call('POST', '/v1/tasks', { body: { title: 'known' } })).json;
  const other = (await f.call('POST', '/v1/tasks', { body: { title: 'not known' } })).json;
  await known(there.id);
  const { username, password } = f.admin();
  const login = run(path.join(BIN, 'metafed'), ['--var', f.var, 'login', username, '--password-stdin'], { input: password, env: { METAFED_TOKEN_FILE: path.join(f.dir, 'token') } });
  assert.equal(login.status, 0, login.stderr);
  await cutOff();
  const made = await f.call('POST', '/v1/tasks', { body: { title: 'made' } });
  assert.equal(made.status, 201, made.text);
  assert.equal(made.headers['metafed-degraded'], 'true');
  assert.equal(made.json.version, 1);
  const soon = await f.call('POST', '/v1/tasks', { body: { title: 'made soon' } });
  assert.equal(soon.status, 201);
  assert.ok(soon.ms < 500, `${soon.ms} ms`);
  const again = await patch(f, made.json.id, { title: 'made and changed' }, { 'if-match': '"1"' });
  assert.equal(again.status, 200, again.text);
  assert.equal(again.headers['metafed-degraded'], 'true');
  const read = await get(f, there.id);
  assert.equal(read.status, 200, read.text);
  assert.equal(read.headers['metafed-degraded'], 'true');
  const changed = await patch(f, there.id, { priority: 'HIGH' });
  assert.equal(changed.status, 200, changed.text);
  assert.equal(changed.json.version, 2);
  assert.equal((await get(f, there.id)).json.priority, 'HIGH');
  assert.equal((await patch(f, there.id, { title: 'x' }, { 'if-match': '"1"' })).status, 412);
  for (const a of [await get(f, other.id), await patch(f, other.id, { title: 'x' }), await f.call('GET', '/v1/tasks'), await f.call('DELETE', `/v1/tasks/${other.id}`)]) {
    assert.equal(a.status, 503, a.text);
    assert.ok(Number(a.headers['retry-after']) >= 1);
  }
  const keyed = await f.call('POST', '/v1/tasks', { body: { title: 'keyed' }, headers: { 'idempotency-key': '"k1"' } });
  assert.equal(keyed.status, 503, keyed.text);
  let health;
  await until(async () => (health = await f.call('GET', '/v1/health', { token: null })).json.stores === 'degraded', 'it is known to all');
  assert.deepEqual([health.json.status, health.json.stores], ['degraded', 'degraded'], health.text);
  assert.equal((await f.call('GET', '/v1/fleet')).json.stores, 'degraded');
  assert.match(f.cli('fleet').stdout, /PostgreSQL is away/);
  const q = await f.call('POST', '/graphql', { body: { query: 'mutation { createTask(input: {title: "by graphql"}) { version } }' } });
  assert.equal(q.headers['metafed-degraded'], 'true', q.text);
  const g = await f.call('POST', '/graphql', { body: { query: '{ health { status stores } fleet { stores } }' } });
  assert.deepEqual(g.json.data, { health: { status: 'DEGRADED', stores: 'DEGRADED' }, fleet: { stores: 'DEGRADED' } }, g.text);
  const bulk = await f.call('POST', '/v1/tasks:bulk', { body: [{ title: 'b1' }, { title: '' }] });
  assert.ok([200, 207].includes(bulk.status), bulk.text);
  await way.mend();
  await until(isNormal, 'normal again');
  await until(async () => (await f.call('GET', '/v1/health')).json.stores === 'normal', 'health says so');
  assert.deepEqual((await get(f, made.json.id)).json, again.json);
  assert.deepEqual((await get(f, there.id)).json, changed.json);
  assert.equal((await get(f, other.id)).json.version, 1);
  assert.deepEqual(f.sql('select count(*) from replay_refused'), [['0']]);
});

test('large values are in PostgreSQL alone: without it they are a clear 503, and so is a payload that would be one', async () => {
  const media = { 'content-type': 'text/plain' }, large = { title: 'large', payload: { text: 'x'.repeat(300_000) } };
  const { id } = (await f.call('POST', '/v1/blobs', { body: Buffer.from('there'), headers: media })).json;
  await cutOff();
  const small = await f.call('POST', '/v1/tasks', { body: { title: 'small' } });
  assert.equal(small.headers['metafed-degraded'], 'true', small.text);
  const answers = await Promise.all([f.call('POST', '/v1/tasks', { body: large }), f.call('GET', `/v1/blobs/${id}`), f.call('GET', '/v1/blobs'), f.call('DELETE', `/v1/blobs/${id}`),
    f.call('POST', '/v1/blobs', { body: Buffer.from('new'), headers: media })]);
  for (const a of answers) {
    assert.equal(a.status, 503, a.text);
    assert.equal(a.json.reason, 'STORE_DOWN', a.text);
    assert.ok(Number(a.headers['retry-after']) >= 1);
  }
  const { items } = (await f.call('POST', '/v1/tasks:bulk', { body: { tasks: [{ title: 'small, too' }, large] } })).json;
  assert.deepEqual(items.map((i) => i.status), [201, 503]);
  await way.mend();
  await until(isNormal, 'normal again');
  assert.equal((await f.call('POST', '/v1/tasks', { body: large })).status, 201);
  assert.equal((await f.call('GET', `/v1/blobs/${id}`)).status, 200);
});

test('a token works for the whole of a longer outage; who has none gets nothing', async () => {
  await cutOff();
  const until_ms = Date.now() + 8000;
  while (Date.now() < until_ms) {
    const a = await f.call('POST', '/v1/tasks', { body: { title: 'long' } });
    assert.equal(a.status, 201, a.text);
    assert.equal((await f.call('POST', '/v1/tasks', { body: { title: 'nobody' }, token: null })).status, 401);
    assert.equal((await f.call('POST', '/v1/tasks', { body: { title: 'forged' }, token: `${f.token}x` })).status, 401);
    await sleep(250);
  }
  await way.mend();
  await until(isNormal, 'normal again');
});

test('under load: away and back three times, and killed on top of it', async () => {
  const c = new Clients(`load${seed}`).start(8);
  await c.writes(30);
  for (let i = 0; i < 3; i++) {
    await way.cut();
    await c.writes(60);
    if (i > 0) await crash(f, 'postgres');
    await way.mend();
    await until(isNormal, 'normal again', 30_000);
    await c.writes(30);
  }
  await c.stop();
  c.check();
  assert.ok(c.degraded >= 100, c.counts);
  console.log(`# measured under load: ${c.counts}`);
});

// One outage with clients at work; `during` is done when it has begun.
async function outage(label, during) {
  const c = new Clients(label).start(4);
  try {
    await c.writes(8);
    await way.cut();
    await during(c);
    await way.mend();
    await until(isNormal, 'normal again', 30_000);
    await c.writes(8);
  } finally {
    await way.mend();
    await c.stop();
  }
  c.check();
  return c;
}

for (const victim of ['database', 'nosql', 'sql', 'redis-docs', 'redis-cache', 'meta']) {
  test(`kill -9 of ${victim} while PostgreSQL is away, and again while it comes back`, async () => {
    const pids = [await f.pid(victim)];
    const c = await outage(`${victim}${seed}`, async (clients) => {
      await clients.writes(20);
      await crash(f, victim, pids[0]);
      await f.back(victim, pids[0], 20_000);
      pids.push(await f.pid(victim));
      await clients.writes(20);
      await way.mend();
      await crash(f, victim, pids[1]);
    });
    console.log(`# measured ${victim} killed twice: ${c.counts}`);
  });
}

const steps = allSteps().filter((s) => /^(nosql\.(journal|mode)|database\.(mode|journal|replay)|sql\.replay)\./.test(s.step) && (!only || only.test(s.step)));

// False: another one has done it, the stand-in or the store.
async function tryAt({ node, step, victim }, label) {
  const pid = await f.pid(node), other = victim && await f.pid(victim);
  const stopped = () => { try { return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') T'); } catch { return false; } };
  const reached = () => !alive(pid) || stopped();
  const beside = async () => {
    if (!victim) return;
    await crash(f, victim, other);
    await sleep(30);
    f.signal(pid, 'SIGCONT');
  };
  let seen = false, over = false;
  await f.faults(node, `@${step}: ${victim ? 'stop' : 'kill'}`).catch(() => {});
  const c = await outage(label, async (clients) => {
    const watch = until(() => reached() || over, step, 40_000).then(async () => { if (reached()) { seen = true; await beside(); } });
    await clients.writes(15).catch(() => {});
    await way.mend();
    await Promise.race([watch, until(isNormal, 'normal again', 30_000).then(() => sleep(500)).catch(() => {})]);
    over = true;
    await watch;
  });
  return seen && c;
}

async function at(what, n) {
  const { node, step, victim } = what;
  let c = false;
  for (let tries = 0; !c && tries < 4; tries++) c = await tryAt(what, `step${n}.${tries}-${seed}`);
  assert.ok(c, `${step} is reached`);
  console.log(`# measured ${victim ? `${victim} killed while ${node} stood` : `${node} killed`} at ${step}: ${c.counts}`);
}

test('all of its steps are named', () => {
  if (!only) for (const node of ['database', 'nosql', 'sql']) assert.ok(steps.filter((s) => s.node === node).length >= 4, node);
});

for (const [n, s] of steps.entries()) test(`${s.node} is killed at ${s.step}`, () => at(s, n));

const VICTIMS = ['database', 'sql', 'nosql', 'redis-docs', 'postgres'];
const pairs = steps.flatMap((s) => VICTIMS.filter((v) => v !== s.node).map((victim) => ({ ...s, victim })));
const some = whole ? pairs : VICTIMS.map((v) => pairs.filter((p) => p.victim === v)).filter((p) => p.length).map((p) => p[Math.floor(r() * p.length)]);
for (const [n, p] of some.entries()) test(`${p.victim} is killed while ${p.node} stands at ${p.step}`, () => at(p, 1000 + n));

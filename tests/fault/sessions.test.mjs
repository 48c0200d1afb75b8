// Sessions over WebSockets and streams of events while what carries them is killed or stopped: no event lost or doubled, no
// submit lost. What was submitted is counted by its events: each task that was acknowledged is heard of once.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, sleep, until } from '../harness/fleet.mjs';
import { Session } from '../e2e/session.mjs';
import { Stream } from '../e2e/stream.mjs';
import { CONF } from '../harness/steps.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e9);
const SESSIONS = 6, KILLS = 4, LIMIT = 60_000;
let state = seed;
const random = (n) => { state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff; return state % n; };

let f, run = 0;
before(async () => { f = await Fleet.start({ conf: CONF }); });
after(async () => { await f?.stop(); });

// A client that never gives up: it subscribes (again) after the last event that it dealt with, and says a submit again, with the
// same key, until it is answered.
class Client {
  constructor(f, name) { Object.assign(this, { f, name, heard: [], done: [], position: undefined, reconnects: -1, again: 0 }); }

  async #connected() {
    while (!this.session || this.session.end) {
      try {
        const s = await Session.open(this.f);
        const sub = await s.ask({ type: 'subscribe', id: 'all', topic: 'tasks', ...(this.position && { after: this.position }) });
        assert.equal(sub.type, 'subscribed', JSON.stringify(sub));
        this.position ??= sub.position;
        this.session = s;
        this.reconnects++;
        this.#listen(s);
      } catch (e) {
        if (e instanceof assert.AssertionError) throw e;
        await sleep(50);
      }
    }
    return this.session;
  }

  async #listen(s) {
    for (;;) {
      const m = await s.next((e) => e.type === 'event' || e.type === 'gap', 600_000).catch(() => null);
      if (!m) return;
      assert.equal(m.type, 'event', 'a gap');
      if (m.event === 'task.created') this.heard.push(m.data.id);
      this.position = m.position;
    }
  }

  async start() { await this.#connected(); }

  async submit(i) {
    const key = `"${seed}-${this.name}-${i}"`;
    for (const end = Date.now() + LIMIT; ; this.again++) {
      const s = await this.#connected();
      const a = await s.submit('POST', '/tasks', { title: `${this.name} ${i}`, labels: [`s${seed}`] }, { 'idempotency-key': key }, 20_000).catch((e) => ({ type: 'none', error: { detail: e.message } }));
      if (a.type === 'result') { this.done.push(a.data.id); return; }
      assert.ok(a.type === 'none' || a.error.status >= 500 || a.error.reason === 'IDEMPOTENCY_KEY_IN_USE', JSON.stringify(a));
      assert.ok(Date.now() < end, `${key}: not answered, last ${JSON.stringify(a)}`);
      await sleep(50);
    }
  }

  async keepConnected() { await this.#connected(); }
  async close() { await this.session?.close(); }
}

// `harm` is done while clients submit and listen; resolves when it is over. Then everything must have been heard by everybody.
async function survive(harm) {
  run++;
  const clients = Array.from({ length: SESSIONS }, (_, i) => new Client(f, `r${run}c${i}`));
  await Promise.all(clients.map((c) => c.start()));
  const stream = await Stream.open(f), streamed = [];
  let last = (await stream.next('subscribed')).id, current = stream, over = false;
  const streaming = (async () => {
    while (!over) {
      const e = await current.next((x) => x.event === 'task.created' || x.event === 'gap', 300).catch(() => null);
      if (e) { assert.notEqual(e.event, 'gap'); streamed.push(e.data.data.id); last = e.id; }
      else if (current.over) { const s = await Stream.open(f, { last }).catch(() => null); if (s?.status === 200) current = s; else { s?.close(); await sleep(50); } }
    }
  })();
  let harmed = false;
  const working = Promise.all(clients.map(async (c) => { for (let i = 0; !harmed || i < 20; i++) { await c.submit(i); await sleep(random(60)); } }));
  try {
    await harm();
    harmed = true;
    await working;
    const all = clients.flatMap((c) => c.done).sort();
    const heardAll = () => [...clients.map((c) => c.heard), streamed].every((h) => h.length >= all.length);
    await until(async () => { for (const c of clients) await c.keepConnected(); return heardAll(); }, 'all has been heard', LIMIT).catch(() => {});
    await sleep(200); // would something come twice?
    assert.equal(new Set(all).size, all.length);
    for (const [name, heard] of [...clients.map((c) => [c.name, c.heard]), ['stream', streamed]]) {
      assert.deepEqual(all.filter((id) => !heard.includes(id)), [], `${name}: not heard`);
      assert.equal(new Set(heard).size, heard.length, `${name}: heard twice`);
      assert.deepEqual([...heard].sort(), all, `${name}: heard of what nobody submitted, or twice`);
    }
    assert.ok(clients.every((c) => JSON.stringify(c.heard) === JSON.stringify(streamed)), 'in the same order');
    return { clients, tasks: all.length, reconnects: clients.reduce((n, c) => n + c.reconnects, 0), again: clients.reduce((n, c) => n + c.again, 0) };
  } finally {
    over = harmed = true;
    await streaming.catch(() => {});
    current.close();
    await Promise.all(clients.map((c) => c.close()));
  }
}

async function killed(name) {
  const pid = await f.pid(name);
  f.signal(pid, 'SIGKILL');
  await f.back(name, pid, 30_000);
}
const measured = (what, r) => console.log(`# measured ${what}: ${r.tasks} tasks, ${r.reconnects} sessions broken, ${r.again} submits said again`);

test(`each API agent is killed: no session breaks, nothing is lost or doubled (seed ${seed})`, async () => {
  const r = await survive(async () => {
    for (let i = 0; i < KILLS; i++) for (const name of ['websocket', 'graphql', 'rest']) { await sleep(random(150)); await killed(name); }
  });
  measured('agents killed', r);
  assert.equal(r.reconnects, 0);
  assert.equal(r.again, 0, 'no submit failed');
});

test('two agents die at once: the third takes the turns', async () => {
  const r = await survive(async () => {
    for (const two of [['websocket', 'graphql'], ['websocket', 'rest'], ['graphql', 'rest']]) { await sleep(random(100)); await Promise.all(two.map((n) => killed(n))); }
  });
  measured('two agents at once', r);
  assert.equal(r.reconnects, 0);
});

test(`an agent stands still (SIGSTOP): its turns are taken by another (seed ${seed})`, async () => {
  const r = await survive(async () => {
    for (const name of ['websocket', 'graphql']) {
      const pid = await f.pid(name);
      f.signal(pid, 'SIGSTOP');
      try { await f.back(name, pid, 60_000); } finally { f.signal(pid, 'SIGCONT'); }
    }
  });
  measured('agents stopped', r);
  assert.equal(r.reconnects, 0);
});

test(`meta, database and sql are killed: events go on (seed ${seed})`, async () => {
  const r = await survive(async () => { for (let i = 0; i < 2; i++) for (const name of ['meta', 'database', 'sql', 'auth']) { await sleep(random(150)); await killed(name); } });
  measured('meta, database, sql, auth killed', r);
  assert.equal(r.reconnects, 0);
});

test(`the edge is killed: clients come back, nothing is lost or doubled (seed ${seed})`, async () => {
  f.configure(`${CONF}[api]\nrequest_time = 3s\n`); // so long a key is claimed by whom nobody answers any more
  await killed('api');
  const r = await survive(async () => { for (let i = 0; i < KILLS; i++) { await sleep(200 + random(300)); await killed('api'); } });
  measured('api killed', r);
  assert.ok(r.reconnects >= KILLS, `${r.reconnects}`);
});

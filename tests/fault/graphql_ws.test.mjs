// kill -9 under graphql-transport-ws: of each agent while subscriptions are live and operations under way, which nobody may
// notice; of what is below them; and of api, which ends the connection, after which a client resumes. Each test prints its seed.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, sleep, until } from '../harness/fleet.mjs';
import { Gw } from '../e2e/session.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
console.log(`# measured seed ${seed}`);
const EVENTS = 'subscription($after: String) { taskEvents(after: $after, filter: { kinds: [CREATED] }) { position taskId task { title } } }';
let f;
before(async () => { f = await Fleet.start({ conf: '[api]\nlimit = off\n' }); });
after(async () => { await f?.stop(); });

// Every event that comes to a subscription; `positions` are those of the log.
async function listen(s, id, heard) {
  for (;;) {
    const m = await s.next((x) => x.id === id, 60_000).catch(() => null);
    if (!m) return;
    assert.equal(m.type, 'next', JSON.stringify(m));
    assert.equal(m.payload.errors, undefined, JSON.stringify(m));
    heard.push(m.payload.data.taskEvents);
  }
}

function exactly(heard, made) {
  const ids = heard.map((e) => e.taskId);
  assert.equal(new Set(ids).size, ids.length, 'no event twice');
  assert.deepEqual(ids.toSorted(), made.toSorted(), 'no event lost');
}

for (const agent of ['websocket', 'graphql', 'rest']) {
  test(`kill -9 of ${agent}: subscriptions and operations of a connection go on, no event is lost or doubled`, async () => {
    const s = await Gw.open(f), heard = [[], []], made = [], stop = { at: performance.now() + 4000 };
    for (const i of [0, 1]) {
      await s.subscribe(`s${i}`, EVENTS);
      void listen(s, `s${i}`, heard[i]);
    }
    const overSocket = async (n) => {
      for (let i = 0; performance.now() < stop.at; i++) {
        const id = `m${n}.${i}`, title = `${agent} ${n} ${i}`;
        s.say({ id, type: 'subscribe', payload: { query: 'mutation($t: String!) { createTask(input: { title: $t }) { taskId } }', variables: { t: title } } });
        const { data, errors } = await s.heard(id);
        assert.equal(errors, undefined, JSON.stringify(errors));
        made.push(data.createTask.taskId);
        await s.next({ type: 'complete', id });
      }
    };
    let kills = 0;
    const killer = async () => {
      for (await sleep(500 + seed % 200); performance.now() < stop.at - 1000; kills++) {
        const pid = await f.pid(agent);
        f.kill(pid);
        await f.back(agent, pid);
        await sleep(200 + seed % 100);
      }
    };
    const load = f.load(100, 4, (i) => ['POST', '/v1/tasks', { body: { title: `${agent} over HTTP ${i}` } }]);
    await Promise.all([killer(), ...[0, 1, 2, 3].map(overSocket)]);
    for (const r of await load) {
      assert.equal(r.status, 201, r.text);
      made.push(r.json.id);
    }
    assert.ok(kills > 0);
    for (const h of heard) await until(() => h.length >= made.length, 'every event', 60_000);
    for (const h of heard) {
      exactly(h, made);
      for (const e of h) assert.ok(e.task.title, 'what is asked for beyond the event is there');
    }
    assert.equal(s.end, undefined, 'the connection is what it was');
    await s.close();
    console.log(`# measured ${agent}: ${kills} kills, ${made.length} events to each of two subscriptions`);
  });
}

// n tasks, one after the other, each once whatever dies; `each` is called after every hundredth.
async function make(n, what, each) {
  const made = [];
  for (let i = 0; i < n; i++) {
    const key = { 'idempotency-key': `"gw-${what}-${seed}-${i}"` };
    for (let r; r?.status !== 201;) {
      r = await f.call('POST', '/v1/tasks', { body: { title: `${what} ${i}` }, headers: key }).catch(() => null);
      if (r?.status === 201) made.push(r.json.id);
      else await sleep(20);
    }
    if (i % 100 === 50) await each();
  }
  return made;
}
async function killed(node) {
  const pid = await f.pid(node);
  f.kill(pid);
  await f.back(node, pid);
}

test('kill -9 of what the events come from, and of who judges: they wait, and come once', async () => {
  const s = await Gw.open(f), heard = [], nodes = ['sql', 'database', 'meta', 'auth', 'rbac'];
  await s.subscribe('s', EVENTS.replace('task { title }', ''));
  void listen(s, 's', heard);
  const made = await make(100 * nodes.length, 'below', () => killed(nodes.pop()));
  await until(() => heard.length >= made.length, 'every event', 60_000);
  exactly(heard, made);
  assert.equal(s.end, undefined, 'the connection is what it was');
  await s.close();
});

test('kill -9 of api: the connection ends, and a client that resumes has missed nothing', async () => {
  const heard = [], n = 600;
  let s = await Gw.open(f), done = false, kills = 0;
  await s.subscribe('s', EVENTS);
  const client = async () => {
    for (;;) {
      await listen(s, 's', heard);
      if (done) return;
      for (s = null; !s; await sleep(20)) s = await Gw.open(f).catch(() => null);
      s.say({ id: 's', type: 'subscribe', payload: { query: EVENTS, variables: { after: heard.at(-1).position } } });
    }
  };
  const listening = client();
  const made = await make(n, 'api', async () => {
    if (kills++ % 2) return;
    await until(() => heard.length !== 0, 'a first event');
    await killed('api');
  });
  await until(() => heard.length >= n, 'every event', 60_000);
  done = true;
  await s.close();
  await listening;
  exactly(heard, made);
  for (const e of heard) assert.ok(e.task.title);
});

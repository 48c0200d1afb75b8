// Creates with an Idempotency-Key, sent again until they are answered, while what carries them is killed: each is there once.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, sleep } from '../harness/fleet.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e9);
const CLIENTS = 16, LIMIT = 120_000;

// api among them: then the connection is gone, and the next try has an operation id of its own, so that it must wait until the
// claim of the one before has run out, and take it over.
for (const [victims, n] of [[['rest', 'meta', 'sql'], 200], [['api', 'api', 'rest', 'sql'], 150]])
test(`${n} keyed creates are done once each while ${[...new Set(victims)].join(', ')} are killed (seed ${seed})`, async () => {
  const N = n;
  let state = seed;
  const random = (n) => { state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff; return state % n; };
  const f = await Fleet.start({ conf: '[api]\nrequest_time = 3s\n' });
  try {
    const answers = [], tries = [];
    let next = 0, kills = 0;
    const end = Date.now() + LIMIT;
    const create = async (i) => {
      const key = `"${seed}-${i}"`;
      for (tries[i] = 1; ; tries[i]++) {
        const r = await f.call('POST', '/v1/tasks', { body: { title: `keyed ${i}`, labels: [`s${seed}`] }, headers: { 'idempotency-key': key } }).catch((e) => ({ status: 0, text: e.message }));
        if (r.status === 201) { answers[i] = r; return; }
        assert.ok(r.status === 0 || r.status >= 500 || r.json?.reason === 'IDEMPOTENCY_KEY_IN_USE', `${i}: ${r.status} ${r.text}`);
        assert.ok(Date.now() < end, `${i}: not answered, last ${r.status} ${r.text}`);
        await sleep(50);
      }
    };
    const client = async () => { while (next < N) { const i = next++; await create(i); await sleep(random(200)); } };
    const killer = async () => {
      while (next < N) {
        await sleep(50 + random(200));
        const pid = await f.pid(victims[random(victims.length)]).catch(() => 0);
        if (!pid) continue;
        try { f.kill(pid); kills++; } catch { /* it has just ended */ }
      }
    };
    await Promise.all([killer(), ...Array.from({ length: CLIENTS }, client)]);
    console.log(`# measured ${kills} kills, ${tries.reduce((a, b) => a + b) - N} requests sent again, ${answers.filter((r) => r.headers['idempotency-replayed']).length} answers replayed`);
    assert.ok(kills > 0);

    await f.login();
    const stored = [];
    for (let cursor = ''; ;) {
      const page = await f.call('GET', `/v1/tasks?label=s${seed}&limit=100${cursor}`);
      assert.equal(page.status, 200, page.text);
      stored.push(...page.json.items);
      if (!page.json.next_cursor) break;
      cursor = `&cursor=${page.json.next_cursor}`;
    }
    assert.equal(stored.length, N);
    assert.equal(new Set(stored.map((t) => t.title)).size, N);
    for (let i = 0; i < N; i++) assert.equal(stored.find((t) => t.title === `keyed ${i}`).id, answers[i].json.id);
    for (let i = 0; i < N; i += 10) {
      await create(i);
      assert.equal(answers[i].json.title, `keyed ${i}`);
      assert.equal(answers[i].json.id, stored.find((t) => t.title === `keyed ${i}`).id);
    }
  } finally { await f.stop(); }
});

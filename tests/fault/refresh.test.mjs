// Refresh while the agents of PostgreSQL die: the client can only send its token again, and must not lose its session by it.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, sleep } from '../harness/fleet.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
console.log(`# measured seed ${seed}`);
let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

// All of them together are faster than one address may be.
async function refresh(token) {
  for (;;) {
    const r = await f.call('POST', '/v1/auth/refresh', { token: null, body: { refresh_token: token } });
    if (r.status !== 429) return r;
    await sleep(Math.max(20, r.json.retry_after_ms));
  }
}

test('kill -9 of sql and nosql during refreshes: whoever retries keeps his session, and a token used long ago still ends it', async () => {
  const sessions = await Promise.all(Array.from({ length: 8 }, async () => {
    const { refresh_token } = (await f.call('POST', '/v1/auth/login', { token: null, body: f.admin() })).json;
    return { first: refresh_token, token: refresh_token, refreshed: 0, refused: 0 };
  }));
  let over = false;
  const run = async (s) => {
    while (!over) {
      const r = await refresh(s.token);
      if (r.status === 200) { s.token = r.json.refresh_token; s.refreshed++; continue; }
      assert.equal(r.status, 503, `${s.refreshed} refreshes, then ${r.text}`);
      s.refused++;
      await sleep(20);
    }
  };
  const running = Promise.all(sessions.map(run));
  for (let round = 0; round < 4; round++) {
    const n = await f.nodes();
    await sleep(100 + (seed * 7 + round * 31) % 100);
    f.kill(n.sql.pid);
    f.kill(n.nosql.pid);
    await Promise.all([f.back('sql', n.sql.pid), f.back('nosql', n.nosql.pid)]);
  }
  const end = Date.now() + 30_000;
  while (sessions.some((s) => s.refreshed < 10) && Date.now() < end) await sleep(20);
  over = true;
  await running;
  for (const s of sessions) {
    const r = await refresh(s.token);
    assert.equal(r.status, 200, r.text);
    assert.ok(s.refreshed >= 10, `${s.refreshed} refreshes`);
    const old = await refresh(s.first);
    assert.equal(old.json.reason, 'REFRESH_REUSED', old.text);
    assert.equal((await refresh(r.json.refresh_token)).status, 401);
  }
  console.log(`# measured ${sessions.reduce((n, s) => n + s.refreshed, 0)} refreshes, ${sessions.reduce((n, s) => n + s.refused, 0)} told to come again`);
});

// Credential stuffing at speed: thousands of log-ins over many accounts from one address. Whoever is in already notices nothing, his
// tokens are verified each time (nothing is kept), and what is remembered of it all is bounded.
// Alone: it loads the machine as much as it can, and takes times.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { Fleet, failures } from '../harness/fleet.mjs';
import { ok, person, session } from '../harness/accounts.mjs';

const SECONDS = 3, P99_MS = 1000, MORE_MB = 160;      // of Argon2id's memory, most of it
let f, tokens;
before(async () => {
  f = await Fleet.start({ conf: '[api]\nlimit = off\n[meta]\ngrant_ttl = 0\n' });
  tokens = [f.token];
  for (const name of ['vera', 'otto']) {
    await person(f, name);
    tokens.push((await session(f, name)).access_token);
  }
});
after(async () => { await f?.stop(); });

const memory = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

test('no valid token fails, its verification is not slow, and memory is bounded', async () => {
  const nodes = await f.nodes(), pids = { auth: nodes.auth.pid, jwt: nodes.jwt.pid };
  const before = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, memory(pid)]));
  const guess = (i) => ['POST', '/v1/auth/login', { token: null, body: { username: ['admin', 'vera', 'otto', `user${i}`, `user${i % 200}`][i % 5], password: `leaked ${i}` } }];
  const stuffing = f.load(700, SECONDS, guess);
  const agent = new http.Agent({ keepAlive: true });      // they don't wait for the sockets of others
  const valid = await f.load(40, SECONDS, (i) => ['GET', '/v1/tasks?limit=1', { token: tokens[i % tokens.length], agent }]);
  agent.destroy();
  const tried = await stuffing;
  assert.deepEqual(failures(valid), []);
  const p99 = valid.map((r) => r.ms).sort((a, b) => a - b)[Math.floor(valid.length * 0.99)];
  const said = {};
  const count = (r) => { said[r.json?.reason ?? r.status] = (said[r.json?.reason ?? r.status] ?? 0) + 1; };
  tried.forEach(count);
  // Where a hash takes long, fewer were answered than one address may have failures.
  for (let i = 0; i < 100 && !said.LOGIN_LIMIT; i++) count(await f.call(...guess(i)));
  assert.deepEqual(failures(tried, (r) => [401, 403, 429, 503].includes(r.status)), []);      // 503: hashes of others took its time
  assert.ok(tried.filter((r) => r.status === 503).length < 64, JSON.stringify(said));
  assert.ok(said.LOGIN_LIMIT > 0 && said.LOGIN_LIMIT + said.LOGIN_BUSY > 1000, JSON.stringify(said));
  assert.ok(p99 < P99_MS, `p99 of valid verifications: ${p99} ms`);
  for (const [name, pid] of Object.entries(pids)) assert.ok(memory(pid) < before[name] + MORE_MB, `${name}: ${before[name]} MB, then ${memory(pid)} MB`);
  assert.deepEqual(await f.nodes().then((now) => [now.auth.pid, now.jwt.pid]), [pids.auth, pids.jwt], 'nobody was restarted');
  ok(await f.call('GET', '/v1/me', { token: tokens[1] }));
  console.log(`# measured ${tried.length} log-ins ${JSON.stringify(said)}, p99 of valid verifications ${Math.round(p99)} ms, auth ${Math.round(before.auth)} to ${Math.round(memory(pids.auth))} MB, jwt ${Math.round(before.jwt)} to ${Math.round(memory(pids.jwt))} MB`);
});

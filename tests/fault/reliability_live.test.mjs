// metafed reliability run --live: a fleet that is in use is measured, hurt only where that was asked for and only by its own chaos, and
// left as it was, however the measurement ends.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Fleet, run, until } from '../harness/fleet.mjs';

let f, theirs;
before(async () => {
  f = await Fleet.start();
  theirs = (await f.call('POST', '/v1/tasks', { body: { title: 'somebody else\'s' } })).json;
});
after(async () => { await f?.stop(); });

function live(...args) {
  const p = spawn(path.join(f.bin, 'metafed'), ['--var', f.var, '--json', 'reliability', 'run', '--live', '--seed', '7', ...args], { env: { ...process.env, METAFED_VAR: undefined, METAFED_URL: undefined, METAFED_TOKEN_FILE: path.join(f.dir, 'token') } });
  p.out = ''; p.err = '';
  p.stdout.on('data', (d) => { p.out += d; });
  p.stderr.on('data', (d) => { p.err += d; });
  p.ended = new Promise((resolve) => p.on('close', (status, signal) => resolve({ status, signal })));
  return p;
}

const experiments = async () => (await f.call('GET', '/v1/chaos')).json.items;
const ours = async (space, model) => {
  const r = await f.call('POST', '/v1/requests', { body: { task_id: randomUUID(), requirements: { database: { operation: 'query', model, namespace: space, limit: 5 } } } });
  assert.equal(r.status, 200, r.text);
  assert.ok(r.json.success, r.text);
  return r.json.result.items;
};

// Nobody is hurt any more, nothing of the measurement is there, what others have is.
async function untouched(p) {
  const space = /namespace (reliability-[0-9a-f]{8})/.exec(p.err)?.[1];
  assert.ok(space, p.err);
  assert.deepEqual((await experiments()).filter((x) => x.state === 'running'), []);
  for (const model of ['task', 'doc.reliability']) assert.deepEqual(await ours(space, model), [], model);
  const listed = await f.call('GET', '/v1/tasks');
  assert.deepEqual(listed.json.items, [theirs]);
}

const whole = () => until(async () => Object.values(await f.nodes()).every((n) => n.state === 'READY') && (await experiments()).every((x) => x.state === 'ended'), 'the fleet is whole', 30_000);

test('without faults nobody is hurt, and what a fleet in use does not tell is named', async () => {
  const before = await f.nodes();
  const p = live('--scenarios', '100', '--load', '100');
  assert.equal((await p.ended).status, 0, p.err);
  const d = JSON.parse(p.out);
  assert.equal(d.settings.fleet, 'live');
  assert.equal(d.settings.tries, null);
  assert.equal(d.federation.requests, 100);
  assert.equal(d.federation.success, 100, JSON.stringify(d.failures));
  assert.ok(d.federation.p50_ms > 0);
  assert.deepEqual([d.baseline, d.theory, d.mcnemar, d.comparison, d.correlated], [null, null, null, null, null]);
  assert.deepEqual([d.experiments, d.shapes, d.best, d.timelines], [[], [], [], []]);
  const named = d.not_measured.map((n) => n.what);
  for (const what of ['baseline', 'theory', 'shapes', 'timeline', 'active', 'recovery', 'correlated']) assert.ok(named.includes(what), what);
  assert.deepEqual(await experiments(), []);
  assert.deepEqual(Object.entries(await f.nodes()).map(([n, v]) => [n, v.generation]), Object.entries(before).map(([n, v]) => [n, v.generation]));
  await untouched(p);
});

test('faults are experiments of the fleet, within its limits, over at the end', { timeout: 120_000 }, async () => {
  const before = await f.nodes(), html = path.join(f.dir, 'live.html');
  const p = live('--scenarios', '400', '--load', '100', '--parts', 'active,recovery', '--rates', '0.1,0.05,0.05', '--html', html);
  assert.equal((await p.ended).status, 0, p.err);
  const d = JSON.parse(p.out);
  assert.equal(d.federation.requests, 400);
  assert.ok(d.federation.success + d.federation.partial > 300, p.err);
  assert.equal(d.settings.rates.agent, 0.1);
  assert.deepEqual(d.experiments.map((x) => [x.action, x.target, x.probability]), [['error', 'rest', 0.1], ['error', 'sql', 0.1], ['error', 'jwt', 0.1], ['error', 'nosql', 0.1], ['error', 'api', 0.05], ['error', 'database', 0.05], ['error', 'auth', 0.05], ['error', 'meta', 0.05]]);
  const took_place = d.experiments.filter((x) => x.refused === '');
  assert.ok(took_place.length >= 4, JSON.stringify(d.experiments));
  for (const x of took_place) {
    assert.ok(x.until_s > x.from_s && x.until_s - x.from_s < 5, JSON.stringify(x));
    assert.equal(x.success + x.partial + x.failed, x.requests);
  }
  for (const level of d.by_level) assert.equal(level.injected, null);
  for (const of of ['agent', 'orchestrator', 'meta']) assert.ok(d.recovery_ms[of] > 0, `${of}: ${p.err}`);
  assert.equal(d.recoveries.length + d.not_measured.filter((n) => n.what === 'recovery').length, 9);
  assert.match(readFileSync(html, 'utf8'), /<h2>Not measured<\/h2>/);
  rmSync(html);
  await untouched(p);
  await whole();
  // Each of them once and no more.
  const killed = d.recoveries.map((r) => r.node).sort(), now = await f.nodes();
  assert.deepEqual(Object.keys(now).filter((n) => now[n].generation !== before[n].generation).sort(), killed);
  for (const n of killed) assert.equal(now[n].generation, before[n].generation + 1, n);
});

// Whose processes these are, by depth: the command, the keeper, the one that measures.
const childOf = (pid) => Number(readdirSync(`/proc/${pid}/task`).flatMap((t) => readFileSync(`/proc/${pid}/task/${t}/children`, 'utf8').trim().split(' '))[0]);

test('one that is interrupted or killed leaves nothing behind', { timeout: 120_000 }, async (t) => {
  for (const [signal, who, depth] of [['SIGINT', 'the command', 0], ['SIGTERM', 'the command', 0], ['SIGKILL', 'the command', 0], ['SIGKILL', 'the keeper', 1], ['SIGKILL', 'the one that measures', 2]]) {
    await t.test(`${signal} of ${who}`, async () => {
      await whole();
      const p = live('--scenarios', '5000', '--load', '100', '--parts', 'active', '--rates', '0.05,0,0');
      await until(async () => (await experiments()).filter((x) => x.state === 'running').length === 3, `experiments: ${p.err}`);
      let pid = p.pid;
      for (let i = 0; i < depth; i++) pid = childOf(pid);
      process.kill(pid, signal);
      const { status } = await p.ended;
      assert.equal(status, signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : depth === 0 ? null : 6, p.err);
      assert.equal(p.out, '');
      await untouched(p);
    });
  }
});

test('who outlives nobody is outlived by a time limit', async () => {
  const p = live('--scenarios', '100', '--load', '100', '--parts', 'active', '--rates', '0.05,0,0');
  await until(async () => (await experiments()).some((x) => x.state === 'running'), 'an experiment');
  const keeper = childOf(p.pid), measuring = childOf(keeper);
  for (const pid of [p.pid, keeper, measuring]) process.kill(pid, 'SIGSTOP');
  for (const pid of [p.pid, keeper, measuring]) process.kill(pid, 'SIGKILL');
  await p.ended;
  await whole();
});

test('what may not, or can\'t be on such a fleet, is refused before anything is done', async () => {
  for (const args of [['--parts', 'shapes,quiet'], ['--parts', 'recovery'], ['--tries', '2'], ['--url', f.url]]) {
    const p = live(...args);
    assert.equal((await p.ended).status, 2, args.join(' '));
    assert.equal(p.out, '');
  }
  const busy = await f.call('POST', '/v1/chaos', { body: { action: 'delay', target: 'cache', for_ms: 60_000, delay_ms: 1 } });
  assert.equal(busy.status, 201, busy.text);
  const second = live('--rates', '0.1,0,0');
  assert.equal((await second.ended).status, 5, second.err);
  assert.match(second.err, /an experiment runs already/);
  assert.equal((await f.call('DELETE', `/v1/chaos/${busy.json.id}`)).status, 204);
});

test('who may not do harm does none, and needs no more for a measurement without', async () => {
  const password = 'a long word for people who look', env = { METAFED_TOKEN_FILE: path.join(f.dir, 'token') };
  const made = await f.call('POST', '/v1/users', { body: { username: 'careful', password, roles: ['user'] } });
  assert.equal(made.status, 201, made.text);
  const login = run(path.join(f.bin, 'metafed'), ['--var', f.var, 'login', 'careful', '--password-stdin'], { input: `${password}\n`, env });
  assert.equal(login.status, 0, login.stderr);
  const harm = live('--rates', '0.1,0,0');
  assert.equal((await harm.ended).status, 3, harm.err);
  assert.match(harm.err, /fault\.inject|permission/i);
  assert.doesNotMatch(harm.err, /namespace/);
  const quiet = live('--scenarios', '100', '--load', '100');
  assert.equal((await quiet.ended).status, 0, quiet.err);
  assert.equal(JSON.parse(quiet.out).federation.success, 100);
  await untouched(quiet);
});

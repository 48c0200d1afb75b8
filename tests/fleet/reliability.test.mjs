// metafed reliability run, short: what it says adds up, the fleet does what theory expects of it, and nothing of it stays.
// Alone: it takes times under load.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { BIN, alive, until } from '../harness/fleet.mjs';

const SCENARIOS = 200;
const SURE = 1e-4 / 2;      // of each tail: 99.99 %

// Exact, as a normal approximation is too narrow on the side of the rare: the chance of at most k of n.
function atMost(k, n, p) {
  let term = (1 - p) ** n, sum = k < 0 ? 0 : term;
  for (let i = 1; i <= k; i++) sum += term *= (n - i + 1) / i * p / (1 - p);
  return sum;
}
const plausible = (k, n, p) => atMost(k, n, p) > SURE && 1 - atMost(k - 1, n, p) > SURE;

function newTmp() {
  const dir = mkdtempSync('/tmp/mf-rel-');
  chmodSync(dir, 0o755);
  return dir;
}

// Everybody who has this directory in its command line or its environment.
const processesOf = (dir) => readdirSync('/proc').filter((p) => /^\d+$/.test(p) && Number(p) !== process.pid).filter((p) => {
  try { return (readFileSync(`/proc/${p}/cmdline`, 'utf8') + readFileSync(`/proc/${p}/environ`, 'utf8')).includes(dir) && alive(p); } catch { return false; }
});

function start(tmp, ...args) {
  const p = spawn(path.join(BIN, 'metafed'), ['--json', 'reliability', 'run', '--seed', '11', ...args], { env: { ...process.env, TMPDIR: tmp, METAFED_KEEP: undefined } });
  p.out = ''; p.err = '';
  p.stdout.on('data', (d) => { p.out += d; });
  p.stderr.on('data', (d) => { p.err += d; });
  p.ended = new Promise((resolve) => p.on('close', (status, signal) => resolve({ status, signal })));
  return p;
}

function adds_up(s, n) {
  assert.equal(s.requests, n);
  assert.equal(s.success + s.partial + s.failed, n);
  assert.ok(Math.abs(s.reliability - s.success / n) < 1e-9);
  assert.ok(Math.abs(s.weighted - (s.success + 0.7 * s.partial) / n) < 1e-9);
  assert.ok(s.ci99[0] <= s.reliability && s.reliability <= s.ci99[1]);
  assert.ok(s.p50_ms > 0 && s.p50_ms <= s.p99_ms);
  assert.ok(s.cascades >= 0 && s.cascades <= s.failed + s.partial);
}

test('a short measurement agrees with theory, adds up, and leaves nothing', { timeout: 180_000 }, async () => {
  const tmp = newTmp();
  const p = start(tmp, '--scenarios', String(SCENARIOS), '--parts', 'theory,active,recovery');
  const { status } = await p.ended;
  assert.equal(status, 0, p.err);
  const d = JSON.parse(p.out);      // JSON and nothing else

  assert.deepEqual(Object.keys(d).slice(0, 8), ['scenarios', 'seed', 'settings', 'federation', 'baseline', 'theory', 'mcnemar', 'recovery_ms']);
  for (const s of [d.federation, d.baseline]) assert.deepEqual(Object.keys(s).slice(0, 8), ['success', 'partial', 'failed', 'cascades', 'reliability', 'ci99', 'p50_ms', 'p99_ms']);
  for (const [o, ...keys] of [[d.theory, 'value', 'inside_ci99'], [d.mcnemar, 'b', 'c', 'p'], [d.recovery_ms, 'agent', 'orchestrator']]) assert.deepEqual(Object.keys(o).slice(0, keys.length), keys);
  assert.match(p.err, /scenarios at/);      // how far it is goes there
  assert.equal(d.scenarios, SCENARIOS);
  assert.equal(d.seed, 11);
  adds_up(d.federation, SCENARIOS);
  adds_up(d.baseline, SCENARIOS);
  assert.equal(d.federation.cascades, 0, JSON.stringify(d.failures));

  const expected = (1 - 0.05 ** 2) * ((1 - 0.08 ** 2) * (1 - 0.12 ** 3)) ** 3;
  assert.ok(Math.abs(d.theory.value - expected) < 1e-9, `${d.theory.value}`);
  // The seed decides what is drawn, the order of arrival who meets it: so 99.99 %, as at any other seed.
  assert.ok(plausible(SCENARIOS - d.federation.success, SCENARIOS, 1 - expected), `${d.federation.success}, expected ${expected * SCENARIOS}`);
  assert.deepEqual(d.by_level.map((l) => [l.level, l.injected]), [['meta', 0.05], ['orchestrator', 0.08], ['agent', 0.12]]);
  for (const l of d.by_level) {
    assert.ok(plausible(l.failed, l.tries, l.injected), `${l.level}: ${l.failed} of ${l.tries} tries`);
    assert.ok(Math.abs(l.rate - l.failed / l.tries) < 1e-9);
  }
  assert.ok(d.federation.reliability > d.baseline.reliability);
  assert.equal(d.mcnemar.b + d.mcnemar.c + d.mcnemar.both + d.mcnemar.neither, SCENARIOS);

  const active = d.runs.find((r) => r.kind === 'independent faults, as it is by default');
  adds_up(active.federation, SCENARIOS);
  assert.equal(active.federation.cascades, 0);
  assert.ok(active.federation.failed + active.federation.partial <= 1);      // one in ten thousand is what is promised

  for (const of of ['agent', 'orchestrator', 'meta']) {
    assert.ok(d.recovery_ms[of] > 0, of);
  }
  // One that crashes at its last requests has none left to be served.
  const again = d.recoveries.filter((r) => r.of === 'baseline').length;
  assert.ok(again <= d.baseline.restarts + active.baseline.restarts);
  assert.ok(again > 0 ? d.recovery_ms.baseline > 0 : d.recovery_ms.baseline === null);
  assert.deepEqual(readdirSync(tmp), []);
  assert.deepEqual(processesOf(tmp), []);
  rmSync(tmp, { recursive: true });
});

// Whose processes these are, by depth: the command, the keeper, the one that measures.
const childOf = (pid) => Number(readdirSync(`/proc/${pid}/task`).flatMap((t) => readFileSync(`/proc/${pid}/task/${t}/children`, 'utf8').trim().split(' '))[0]);

test('a measurement that is ended by a signal leaves nothing either', { timeout: 120_000, concurrency: 2 }, (t) =>
  Promise.all([['SIGTERM', 'the command', 0], ['SIGKILL', 'the command', 0], ['SIGKILL', 'the keeper', 1], ['SIGKILL', 'the one that measures', 2]].map(([signal, who, depth]) =>
    t.test(`${signal} of ${who}`, async () => {
      const tmp = newTmp();
      const p = start(tmp, '--scenarios', '5000', '--parts', 'theory');
      await until(() => p.err.includes('scenarios at'), 'a load', 60_000);
      assert.ok(processesOf(tmp).length > 13);
      let pid = p.pid;
      for (let i = 0; i < depth; i++) pid = childOf(pid);
      process.kill(pid, signal);
      const { status } = await p.ended;
      await until(() => processesOf(tmp).length === 0, 'the end of everybody', 30_000);
      assert.equal(p.out, '');
      assert.equal(status, signal === 'SIGTERM' ? 128 + 15 : depth === 0 ? null : 6);
      assert.deepEqual(readdirSync(tmp), []);
      rmSync(tmp, { recursive: true });
    }))));

test('one that is ended while its stores are made leaves nothing', { timeout: 60_000 }, async () => {
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    const tmp = newTmp();
    const p = start(tmp, '--parts', 'theory');
    await until(() => readdirSync(tmp).some((d) => existsSync(path.join(tmp, d, 'v/pg'))), 'the directory of PostgreSQL');
    p.kill(signal);
    await p.ended;
    await until(() => processesOf(tmp).length === 0, 'the end of everybody', 30_000);
    assert.deepEqual(readdirSync(tmp), []);
    rmSync(tmp, { recursive: true });
  }
});

test('what is no option, or no such number, is told and starts nothing', async () => {
  const tmp = newTmp();
  for (const args of [['--rates', '0.1,0.2'], ['--scenarios', '7'], ['--parts', 'quiet'], ['--parts', 'theory,x'], ['--tries', '11'], ['--html'], ['--html', '-'], ['--scenarios', '1000000', '--load', '10']]) {
    const p = start(tmp, ...args);
    assert.equal((await p.ended).status, 2, args.join(' '));
    assert.notEqual(p.err, '');
    assert.equal(p.out, '');
  }
  rmSync(tmp, { recursive: true });
});

// Two-phase commit: kill -9 at every step of it, of the process that is there and of what is beside it. All or nothing in both
// stores, once, and nothing stays staged. METAFED_WHOLE=1 (make soak): every pair.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Commits } from '../harness/commits.mjs';
import { Fleet, sleep, until } from '../harness/fleet.mjs';
import { random } from '../harness/simulate.mjs';
import { CONF, allSteps, inject } from '../harness/steps.mjs';
import { Transfers } from '../harness/transfers.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
const whole = process.env.METAFED_WHOLE === '1';
console.log(`# measured seed ${seed}`);
const only = process.env.METAFED_STEP && new RegExp(process.env.METAFED_STEP);
const r = random(seed);
const MINE = /^(database\.(commit|met|janitor)|nosql\.(stage|settle)|sql\.(transact|decide))\./;
// What only comes when something was left.
const LEFT = /^(database\.met|sql\.decide)\./;
const VICTIMS = ['database', 'nosql', 'sql', 'postgres', 'redis-docs'];
const steps = allSteps().filter((s) => MINE.test(s.step) && (!only || only.test(s.step)));
let f;
before(async () => { f = await Fleet.start({ conf: CONF }); });
after(async () => { await f?.stop(); });

const unreached = new Set();

async function go(what) {
  const done = await inject(f, { ...what, seed: Math.floor(r() * 1e9), how: { work: Commits, first: LEFT.test(what.step) ? 'postgres' : undefined } });
  if (done.reached) console.log(`# measured ${done.text}`);
  else unreached.add(what.step);
}

// What only a `database` comes to that finds what the one before it has left: killed there, until the configuration says no more.
const AFTER = /^database\.(janitor\.|met\.forced)/;
async function killAfter(step) {
  const w = new Commits(f, { seed: Math.floor(r() * 1e9) }).start();
  const deaths = () => readFileSync(path.join(f.var, 'log/database.log'), 'utf8').split('\n').filter((l) => l.includes('"step_reached"') && l.includes(`"${step}"`)).length;
  let left;
  try {
    await w.writes(5);
    f.configure(`${CONF}[database]\nfaults = @${step}: kill\n`);
    // The one that runs may look before it is killed: then there is nothing left for the next one.
    for (let tries = 4; tries > 0 && deaths() === 0; tries--) {
      const pid = await f.pid('database').catch(() => 0);
      if (step.includes('janitor')) {
        left = w.leave();
        if (pid) f.signal(pid, 'SIGKILL');
      } else {
        await f.faults('database', '@database.commit.staged: kill').catch(() => {});
      }
      await until(() => deaths() > 0, '', 3000).catch(() => {});
    }
    assert.ok(deaths() > 0, `${step} is reached`);
  } finally {
    f.configure(CONF);
    const pid = await f.pid('database').catch(() => 0);
    if (pid) f.signal(pid, 'SIGKILL');
    await w.writes(10).finally(() => w.stop());
  }
  await w.check();
  if (left) assert.deepEqual([left.committed, left.undecided].map((id) => w.redis('EXISTS', `mf:{doc.left}:d:${id}`)[0]), ['1', '0']);
  console.log(`# measured database killed ${deaths()} times at ${step}: ${w.counts}`);
}

for (const s of steps) test(`${s.node} is killed at ${s.step}`, () => (AFTER.test(s.step) ? killAfter(s.step) : go(s)));

const pairs = steps.filter((s) => !AFTER.test(s.step)).flatMap((s) => VICTIMS.filter((v) => v !== s.node).map((victim) => ({ ...s, victim })));
const some = VICTIMS.flatMap((v) => {
  const mine = pairs.filter((p) => p.victim === v);
  return mine.length ? [mine[Math.floor(r() * mine.length)]] : [];
});
for (const p of whole || only ? pairs : some) test(`${p.victim} is killed while ${p.node} stands at ${p.step}`, () => go(p));

test('what accounts in both stores have together never changes, while agents and servers are killed', async () => {
  const t = new Transfers(f, { seed: Math.floor(r() * 1e9) });
  const text = await t.run(whole ? 60_000 : 6000, async () => {
    for (let i = 0; i < (whole ? 30 : 3); i++) {
      await sleep(1000 + r() * 800);
      const victim = VICTIMS[Math.floor(r() * VICTIMS.length)];
      const pid = await f.pid(victim).catch(() => 0);
      if (pid) f.signal(pid, 'SIGKILL');
    }
  });
  console.log(`# measured ${text}`);
});

test('no step was left out', () => {
  if (unreached.size) console.log(`# measured not reached: ${[...unreached].join(' ')}`);
  if (whole) assert.deepEqual([...unreached], []);
});

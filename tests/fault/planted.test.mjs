// The checker is no good unless it finds what is wrong in the live fleet: each planted bug (tests/planted) within a minute,
// and nothing in the same run without it.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { BIN, Fleet, freePort, newDir, until } from '../harness/fleet.mjs';
import { PgCut } from '../harness/pg_cut.mjs';
import { CONF, crash } from '../harness/steps.mjs';
import { Edge, FLOWS, Workload } from '../harness/workload.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
const LIMIT = 60_000;
console.log(`# measured seed ${seed}`);

// A round: some work, something done to the fleet, some work, the verdict.
const PLANTED = [
  { node: 'database', bug: 'skipped_invalidation', kinds: FLOWS.cached, what: /session c\d+ went back/ },
  { node: 'sql', bug: 'early_acknowledgement', kinds: FLOWS.writes, disturb: (f) => crash(f, 'postgres'), what: /no legal order|lost|went back|no such event/ },
  { node: 'sql', bug: 'replayed_twice', work: Edge, cut: true, disturb: away, what: /by its events|its events say|no such event|no legal order/ },
];

// PostgreSQL is away for a while: writes go to the journal, and come back from it.
async function away(f, w, way) {
  await way.cut();
  await w.writes(40);
  await way.mend();
  await until(async () => {
    const r = await f.call('POST', '/v1/tasks', { body: { title: 'is it back' } });
    return r.status === 201 && r.headers['metafed-degraded'] === undefined;
  }, 'the mode is normal again', 30_000);
}

// The executables of the tree, but for one. Copies: they look for each other where they lie themselves.
function binWith({ node, bug }, dir) {
  const planted = path.join(BIN, 'planted', `${node}-${bug}`), bin = path.join(dir, 'bin');
  assert.ok(existsSync(planted), `${planted} is built by: make ${path.relative(process.cwd(), planted)}`);
  mkdirSync(bin);
  chmodSync(bin, 0o755);
  for (const n of readdirSync(BIN).filter((f) => f.startsWith('metafed'))) copyFileSync(n === `metafed-${node}` ? planted : path.join(BIN, n), path.join(bin, n));
  return bin;
}

async function round(f, p, n, way) {
  const w = new (p.work ?? Workload)(f, { seed: seed + n, ...(p.kinds && { kinds: p.kinds }) }).start();
  await w.writes(60);
  await p.disturb?.(f, w, way);
  await w.writes(20);
  await w.stop();
  await w.check();
}

async function rounds(p, bin, dir, done) {
  const way = p.cut && new PgCut(await freePort(), path.relative(process.cwd(), path.join(dir, 'v/run/stores/.s.PGSQL.5432')));
  let f, n = 0;
  try {
    f = await Fleet.start({ conf: CONF + (way ? way.conf() : ''), dir, bin });
    while (!done(n)) await round(f, p, n++, way);
  } finally {
    if (way) way.stop();
    await f?.stop();
  }
}

for (const p of PLANTED) {
  let needed = 2;
  test(`found: ${p.bug} in ${p.node}`, async () => {
    const dir = newDir(), began = Date.now();
    let n = 0;
    await assert.rejects(rounds(p, binWith(p, dir), dir, (i) => { n = i; return Date.now() - began > LIMIT; }), p.what);
    needed = n + 1;
    console.log(`# measured ${p.bug}: found in round ${needed}, after ${Date.now() - began} ms`);
  });
  test(`nothing is found where it is not: ${p.bug}`, async () => {
    await rounds(p, BIN, newDir(), (n) => n > needed);
  });
}

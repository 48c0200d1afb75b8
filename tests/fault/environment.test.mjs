// What the world does to the stores: no room on the disk, cut and slow connections, clocks that step, back ends that are
// killed, sessions that hold our rows, no connection left. What is refused is refused clearly, nothing acknowledged is lost,
// and it goes on by itself when the world is well again. What needs root, a mount or a network of one's own is skipped, and
// says so, where that is not to be had.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BIN, Fleet, NODES, ROOT, newDir, run, sleep, until } from '../harness/fleet.mjs';
import { CONF } from '../harness/steps.mjs';
import { Documents, Workload } from '../harness/workload.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
console.log(`# measured seed ${seed}`);
const root = process.getuid() === 0;

// Why it can't be tried here, or false.
const cannot = (...command) => {
  if (!root) return 'needs root';
  const r = run(command[0], command.slice(1));
  return r.status === 0 ? false : `${command.join(' ')}: ${(r.stderr ?? String(r.error)).trim()}`;
};

// Every refusal says what it is: 503 with its reason (in the answer to a request of /v1/requests: beside its 200), or that
// the time was over. A client with an Idempotency-Key that stops asking may hear last that the one before is under way.
function clear(w, also = /^$/) {
  const said = {};
  for (const op of w.history.ops.filter((o) => o.outcome === 'unknown' && o.why)) said[op.why] = (said[op.why] ?? 0) + 1;
  console.log(`# measured refusals: ${JSON.stringify(said)}`);
  for (const why of Object.keys(said)) if (!also.test(why)) assert.match(why, /^((200|503) [A-Z_]+|504 ?.*|429 [A-Z_]+|0 IDEMPOTENCY_KEY_IN_USE)$/);
}

test('back ends of PostgreSQL and a store at their limits', async (t) => {
  const f = await Fleet.start({ conf: CONF });
  const sessions = [];
  // A session of somebody else's, which does `sql` and stays.
  const session = (sql) => {
    const p = spawn('psql', ['-h', path.join(f.var, 'run/stores'), '-U', 'metafed', '-d', 'metafed', '-qAtX'],
      { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, PGPASSWORD: f.password() } });
    p.stdin.write(`${sql};\nSELECT 'ready';\n`);
    p.ready = new Promise((resolve) => { p.stdout.on('data', (d) => { if (String(d).includes('ready')) resolve(true); }); p.on('exit', () => resolve(false)); });
    sessions.push(p);
    return p;
  };
  const leave = async () => { for (const p of sessions.splice(0)) { p.stdin.end('\\q\n'); await new Promise((done) => (p.exitCode === null ? p.on('exit', done) : done())); } };
  try {
    await t.test('all back ends are terminated, over and over: nothing is lost, nothing done twice', async () => {
      const w = new Workload(f, { seed }).start();
      for (let i = 0; i < 8; i++) {
        await w.writes(15);
        f.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'metafed' AND pid <> pg_backend_pid()");
      }
      await w.writes(20);
      await w.stop();
      await w.check();
      clear(w);
      console.log(`# measured back ends terminated 8 times: ${w.counts}`);
    });

    await t.test('a session that is idle in its transaction holds our rows: those wait or are refused, the others go on', async () => {
      const w = new Workload(f, { seed: seed + 1, keys: 10, limit: 8000 }).start();
      await w.writes(40);
      const held = w.slots.filter(Boolean).slice(0, 3);
      const p = session(`BEGIN; SELECT id FROM tasks WHERE id IN (${held.map((k) => `'${k}'`)}) FOR UPDATE`);
      assert.ok(await p.ready, 'holds them');
      const good = w.good;
      await sleep(2500);
      const meanwhile = w.good - good;
      await leave();
      await w.writes(20);
      await w.stop();
      await w.check();
      clear(w);
      console.log(`# measured ${meanwhile} writes of other rows while three were held for 2.5 s; ${w.counts}`);
      assert.ok(meanwhile > 0, 'others go on');
    });

    await t.test('no connection is left: refusals are clear, and it goes on when there is one again', async () => {
      const w = new Workload(f, { seed: seed + 2, limit: 40_000 }).start();
      await w.writes(20);
      for (let i = 0; i < 90; i++) session('SELECT 1');
      await Promise.all(sessions.map((p) => p.ready));
      const others = sessions.filter((p) => p.exitCode === null).length;
      // Our own must log in again, and find none.
      f.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'metafed' AND application_name NOT LIKE 'psql%'", 'postgres');
      for (let i = 0; i < 90; i++) session('SELECT 1');
      const bad = w.bad;
      await sleep(1500);
      const refused = w.bad - bad;
      await leave();
      await w.writes(20);
      await w.stop();
      clear(w);
      await w.check();
      console.log(`# measured ${others} other sessions held all connections: ${refused} writes refused meanwhile; ${w.counts}`);
    });
  } finally {
    await leave();
    await f.stop();
  }
});

test('no room on the disk', { skip: cannot('sh', '-c', 'd=$(mktemp -d) && mount -t tmpfs -o size=1m tmpfs $d && umount $d && rmdir $d') }, async (t) => {
  const f = await Fleet.start({ conf: CONF });
  const mounts = [];
  // What the store has moves into a file system of `mb` megabytes; the fleet is down meanwhile.
  const small = (store, mb) => {
    const at = path.join(f.var, store), old = `${at}.was`;
    const r = run('sh', ['-ec', `mv ${at} ${old}; mkdir -m 700 ${at}; mount -t tmpfs -o size=${mb}m,mode=700 tmpfs ${at}; chown metafed: ${at}; cp -a ${old}/. ${at}/; rm -rf ${old}`]);
    assert.equal(r.status, 0, r.stderr);
    mounts.push(at);
  };
  const fill = (store) => run('sh', ['-c', `dd if=/dev/zero of=${path.join(f.var, store, 'filler')} bs=64k 2>/dev/null; true`]);
  const empty = (store) => rmSync(path.join(f.var, store, 'filler'));
  try {
    f.down();
    small('pg', 160);
    small('redis-docs', 8);
    f.up();
    await f.login();
    for (const [store, Work, pad] of [['pg', Workload, 20_000], ['redis-docs', Documents, 4000]]) {
      await t.test(`of ${store}: refusals are clear, nothing acknowledged is lost, and it goes on when there is room`, async () => {
        const w = new Work(f, { seed: seed + 3, pad, limit: 40_000 }).start();
        await w.writes(20);
        fill(store);
        const bad = w.bad;
        await until(() => w.bad >= bad + 8, 'the disk is full', 30_000);
        await sleep(500);
        const refused = w.bad - bad, began = Date.now();
        empty(store);
        await w.writes(20, 30_000);
        const took = Date.now() - began;
        await w.stop();
        clear(w);
        await w.check();
        console.log(`# measured ${store} full: ${refused} writes refused, goes on ${took} ms after there was room; ${w.counts}`);
      });
    }
  } finally {
    f.down();
    for (const at of mounts) run('umount', ['-l', at]);
    await f.stop();
  }
});

// The stores stand behind a link of their own; the fleet speaks TCP to them over it.
const NET = `mf${process.pid}`, LINK = `mfv${process.pid}`, SUBNET = `10.${200 + (process.pid >> 6) % 50}.${(process.pid >> 2) % 250}`, HERE = `${SUBNET}.1`, THERE = `${SUBNET}.2`;
const network = (command) => run('sh', ['-ec', command]);
const noNetwork = cannot('sh', '-ec', `ip netns add ${NET}; ip link add ${LINK} type veth peer name ${LINK}p; ip link set ${LINK}p netns ${NET}; ip link del ${LINK}; ip netns del ${NET}`);

test('the way to the stores is slow, or cut', { skip: noNetwork }, async (t) => {
  const f = await Fleet.make();
  const sock = (name) => path.join(f.var, 'run/stores', name);
  const made = network(`ip netns add ${NET}; ip link add ${LINK} type veth peer name ${LINK}p; ip link set ${LINK}p netns ${NET}
    ip addr add ${HERE}/30 dev ${LINK}; ip link set ${LINK} up; ip netns exec ${NET} ip addr add ${THERE}/30 dev ${LINK}p
    ip netns exec ${NET} ip link set ${LINK}p up; ip netns exec ${NET} ip link set lo up`);
  assert.equal(made.status, 0, made.stderr);
  const forward = spawn('ip', ['netns', 'exec', NET, process.execPath, path.join(ROOT, 'tests/harness/forward.mjs'), THERE,
    `5432:${sock('.s.PGSQL.5432')}`, `6379:${sock('redis-docs.sock')}`, `6380:${sock('redis-cache.sock')}`], { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise((resolve) => forward.stdout.once('data', resolve));
  try {
    const pg = `pg = host=${THERE} port=5432 dbname=metafed user=metafed\n`;
    f.configure(`${CONF}[sql]\n${pg}[nosql]\n${pg}redis_docs = tcp:${THERE}:6379\n[cache]\nredis_cache = tcp:${THERE}:6380\n`);
    f.up();
    await f.login();

    await t.test('60 ms there and back: slower, and nothing else', async () => {
      forward.stdin.write('30\n');
      const w = new Workload(f, { seed: seed + 10, limit: 40_000 }).start();
      await w.writes(80, 40_000);
      await w.stop();
      forward.stdin.write('0\n');
      clear(w);
      await w.check();
      console.log(`# measured 60 ms to the stores: ${w.counts}`);
    });

    for (const ms of [700, 4000]) {
      await t.test(`cut for ${ms} ms: what is refused is refused clearly, and it goes on by itself`, async () => {
        const w = new Workload(f, { seed: seed + ms, limit: 40_000 }).start();
        await w.writes(30);
        assert.equal(network(`ip link set ${LINK} down`).status, 0);
        await sleep(ms);
        assert.equal(network(`ip link set ${LINK} up`).status, 0);
        const began = Date.now();
        await w.writes(30, 40_000);
        const took = Date.now() - began;
        await w.stop();
        clear(w);
        await w.check();
        console.log(`# measured cut for ${ms} ms: goes on ${took} ms after; ${w.counts}`);
      });
    }
  } finally {
    f.down();
    forward.stdin.end();
    await new Promise((done) => forward.on('exit', done));
    await f.stop();
    network(`ip link del ${LINK}; ip netns del ${NET}`);
  }
});

// Each node but meta under libfaketime, with a file of its own that says by how much its clock is off.
const FAKETIME = ['/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1', '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1'].find(existsSync);

test('clocks step', { skip: FAKETIME ? false : 'libfaketime is not installed (scripts/setup --test)' }, async (t) => {
  const dir = newDir(), bin = path.join(dir, 'bin'), clocks = path.join(dir, 'clocks');
  for (const d of [bin, clocks]) { mkdirSync(d); chmodSync(d, 0o755); }
  const step = (node, by) => { writeFileSync(path.join(clocks, `${node}.new`), `${by}\n`, { mode: 0o644 }); renameSync(path.join(clocks, `${node}.new`), path.join(clocks, node)); };
  for (const name of readdirSync(BIN).filter((n) => n.startsWith('metafed'))) {
    const node = name.replace('metafed-', '');
    if (!NODES.includes(node) || node === 'meta') { copyFileSync(path.join(BIN, name), path.join(bin, name)); continue; }
    step(node, '+0');
    copyFileSync(path.join(BIN, name), path.join(bin, `real-${node}`));
    writeFileSync(path.join(bin, name), `#!/bin/sh\nLD_PRELOAD=${FAKETIME} FAKETIME_TIMESTAMP_FILE=${clocks}/${node} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 exec ${bin}/real-${node} "$@"\n`, { mode: 0o755 });
  }
  const f = await Fleet.start({ conf: CONF, dir, bin });
  try {
    for (const node of ['database', 'cache', 'sql', 'rest', 'auth', 'jwt', 'rbac', 'api']) {
      for (const by of ['+3h', '-3h']) {
        await t.test(`of ${node} by ${by}, and back: no read is too old, nothing is lost, who may still may`, async () => {
          const w = new Workload(f, { seed: seed + 20, kinds: { update: 4, bounded: 10, read: 4, delete: 1 } }).start();
          await w.writes(10);
          try {
            step(node, by);
            // By the clock of who verifies them all tokens are over, or not of today: what was verified lately still holds.
            const { good, bad } = w;
            await until(() => w.good >= good + 20 || (node === 'jwt' && w.bad >= bad + 20), 'it goes on');
          } finally {
            step(node, '+0');
          }
          await w.writes(10);
          await w.stop();
          const refused = w.history.ops.filter((o) => o.outcome === 'fail' && /^(401|403)/.test(o.why)).length;
          clear(w, node === 'jwt' ? /^401/ : undefined);
          await w.check();
          console.log(`# measured the clock of ${node} ${by}: ${w.counts}, ${refused} refused as 401 or 403`);
        });
      }
    }
  } finally {
    await f.stop();
    for (const name of readdirSync('/dev/shm')) { // nodes leave at once, without the destructors that would remove these
      const pid = name.match(/faketime_(?:shm|sem)_(\d+)$/)?.[1];
      if (pid && !existsSync(`/proc/${pid}`)) rmSync(path.join('/dev/shm', name), { force: true });
    }
  }
});

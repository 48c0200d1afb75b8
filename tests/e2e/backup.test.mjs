// Backup and restore of everything, by comparison: what comes back is what was there, of one moment, whoever is killed meanwhile.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync, statSync, existsSync, copyFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, BIN, run, until } from '../harness/fleet.mjs';

let f;      // of whom the backup is
let g;      // who gets it
let file;   // the backup
let cut;    // what was in the stores at its moment
before(async () => { [f, g] = await Promise.all([Fleet.start(), Fleet.start()]); file = path.join(f.dir, 'all.backup'); });
after(async () => { await f?.stop(); await g?.stop(); });

// --- what is in the stores ---

const TABLES = `SELECT c.relname FROM pg_class c WHERE c.relnamespace='public'::regnamespace AND c.relkind IN ('r','p') AND NOT c.relispartition
  AND c.relname !~ '^(events|traces|policy_|audit$)' AND c.relname NOT IN ('schema_migrations','replay','leader') ORDER BY 1`;
// A fleet audits what it does, in its own time; the log is in no backup, so neither are the operations that write it looked at.
const OF_AUDIT = `WHERE split_part(t.op_id, '/', 1) NOT IN (SELECT split_part(o.op_id, '/', 1) FROM operations o WHERE o.model = 'audit')`;
function rows(fleet) {
  const all = Object.fromEntries(fleet.sql(TABLES).map(([t]) => [t, []]));
  const selects = Object.keys(all).map((t) => `SELECT '${t}', to_json(t::text)::text FROM public."${t}" t ${t === 'operations' ? OF_AUDIT : ''}`);
  for (const [t, row] of fleet.sql(`${selects.join(' UNION ALL ')} ORDER BY 1, 2`)) all[t].push(JSON.parse(row));
  return all;
}

function redis(fleet, ...args) {
  const password = path.join(fleet.var, 'secrets/redis-docs-password');
  const r = run('redis-cli', ['-s', path.join(fleet.var, 'run/stores/redis-docs.sock'), '--no-auth-warning', ...args],
    existsSync(password) ? { env: { REDISCLI_AUTH: readFileSync(password, 'utf8').trim() } } : {});
  assert.equal(r.status, 0, r.stderr);
  return r.stdout.trim();
}
const DUMP = `local out = {} for _, k in ipairs(redis.call('KEYS', 'mf*')) do
  if string.sub(k, 1, 13) ~= 'mf:{journal}:' then out[#out+1] = k .. ' ' .. redis.sha1hex(redis.call('DUMP', k)) .. ' ' .. redis.call('PEXPIRETIME', k) end end
  table.sort(out) return out`;
const keys = (fleet) => redis(fleet, 'EVAL', DUMP, '0').split('\n').filter(Boolean);

// --- what is done to it ---

const ask = async (fleet, database) => {
  const r = await fleet.call('POST', '/v1/requests', { body: { task_id: randomUUID(), requirements: { database } } });
  assert.equal(r.status, 200, r.text);
  return r.json.result;
};
async function fill(fleet) {
  const tasks = Array.from({ length: 300 }, (_, i) => ({ title: `task ${i} \u00e4\u{1F600}`, labels: { n: String(i % 7) }, payload: { i, text: 'x'.repeat(i * 10) } }));
  for (let i = 0; i < 300; i += 100) await ask(fleet, { operation: 'bulk_create', model: 'task', data: tasks.slice(i, i + 100) });
  await fleet.call('POST', '/v1/roles', { body: { id: 'packer', permissions: ['task.read', 'stream.read'] } });
  await fleet.call('POST', '/v1/users', { body: { username: 'petra', password: 'a long pass phrase', roles: ['packer'] } });
  for (let i = 0; i < 200; i++) await ask(fleet, { operation: 'create', model: 'doc.orders', id: `o${i}`, data: { i, pad: 'y'.repeat(i * 20) } });
  for (let i = 0; i < 20; i++) await ask(fleet, { operation: 'update', model: 'doc.orders', id: `o${i}`, data: { seen: true } });
  await ask(fleet, { operation: 'append', model: 'stream.sales', data: Array.from({ length: 100 }, (_, i) => ({ i })) });
  await ask(fleet, { operation: 'create', model: 'consumer.sales', id: 'billing', data: { start: 40 } });
  // a key that is larger than a piece, of bytes that can't be compressed
  for (let i = 0; i < 16; i++) await ask(fleet, { operation: 'append', model: 'stream.large', data: randomBytes(100_000).toString('base64') });
  const blob = await fleet.call('POST', '/v1/blobs', { body: randomBytes(2_000_000), headers: { 'content-type': 'application/octet-stream' } });
  assert.equal(blob.status, 201, blob.text);
}

const mf = (fleet, ...args) => fleet.cli(...args);

test('a backup of a fleet at rest is what is there, in a file of mode 0600', async () => {
  await fill(f);
  const r = mf(f, '--json', 'backup', file);
  assert.equal(r.status, 0, r.stderr);
  assert.match(r.stderr, /password hashes in the clear/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.ok(!existsSync(`${file}.partial`));
  cut = { rows: rows(f), keys: keys(f) };
  assert.equal(JSON.parse(r.stdout).sections['sql/tasks'].rows, cut.rows.tasks.length);
  assert.equal(JSON.parse(r.stdout).sections.nosql.rows, cut.keys.length);
  const v = mf(f, 'backup', file, '--verify');
  assert.equal(v.status, 0, v.stderr);
});

test('restored into an empty fleet, all rows and keys are the same', async () => {
  const events = await g.call('GET', '/v1/tasks?limit=1');
  assert.equal(events.json.items.length, 0);
  const r = mf(g, 'restore', file);
  assert.equal(r.status, 0, r.stderr + g.logs('database') + g.logs('sql') + g.logs('nosql'));
  assert.deepEqual(keys(g), cut.keys);
  const have = rows(g);
  for (const [t, want] of Object.entries(cut.rows)) assert.deepEqual(t === 'decisions' ? have[t].filter((x) => want.includes(x)) : have[t], want, t);
  assert.equal(redis(g, 'EXISTS', 'mf-restore'), '0');
});

test('and it serves them: to those who could log in before, with the same permissions', async () => {
  const login = async (body) => g.call('POST', '/v1/auth/login', { token: null, body });
  let r;
  await until(async () => { r = await login(f.admin()); return r.status === 200; }, 'the administrator of the backup can log in');
  g.token = r.json.access_token;
  const tasks = await g.call('GET', '/v1/tasks?limit=1000');
  assert.equal(tasks.status, 200, tasks.text);
  assert.equal(tasks.json.items.length, 300);
  assert.equal((await ask(g, { operation: 'read', model: 'doc.orders', id: 'o7' })).version, 2);
  assert.equal((await ask(g, { operation: 'read', model: 'consumer.sales', id: 'billing' })).lag, 60);
  assert.equal((await ask(g, { operation: 'append', model: 'stream.sales', data: 1 })).first, 101);
  assert.equal((await g.call('POST', '/v1/tasks', { body: { title: 'new' } })).status, 201);
});

// --- under load ---

const cli = (fleet, args, env = {}) => new Promise((resolve) => {
  const p = spawn(path.join(BIN, 'metafed'), ['--var', fleet.var, ...args], { env: { ...process.env, METAFED_TOKEN_FILE: path.join(fleet.dir, 'token'), ...env } });
  const out = { stdout: '', stderr: '' };
  for (const s of ['stdout', 'stderr']) p[s].on('data', (d) => { out[s] += d; });
  p.on('close', (status) => resolve({ status, ...out }));
});

// Each pair is a task and a document, written by one transaction over both stores, with the same number.
const pairId = (i) => `00000000-0000-7000-8000-${String(i).padStart(12, '0')}`;
async function writers(fleet, state) {
  await Promise.all(Array.from({ length: 8 }, async (_, w) => {
    for (let n = 1; !state.stop; n++) {
      const i = w * 10_000 + (n % 25), first = !state.known.has(i);
      const r = await fleet.call('POST', '/v1/requests', { body: { task_id: randomUUID(), requirements: { database: { operation: 'transaction', data: [
        { operation: first ? 'create' : 'update', model: 'task', id: pairId(i), data: { ...(first ? { title: `pair ${i}` } : {}), payload: { n } } },
        { operation: first ? 'create' : 'update', model: 'doc.pairs', id: pairId(i), data: { n } }] } } } });
      if (r.status === 200) { state.known.add(i); state.done++; } else state.errors.push(r.text.slice(0, 300));
      await fleet.call('POST', '/v1/requests', { body: { task_id: randomUUID(), requirements: { database: { operation: 'append', model: 'stream.load', data: { w, n } } } } });
    }
  }));
}

test('under load, with transactions over both stores, each copy is of one moment', async () => {
  const state = { stop: false, known: new Set(), done: 0, errors: [] };
  const files = [1, 2, 3].map((i) => path.join(f.dir, `loaded${i}.backup`));
  const load = writers(f, state);
  for (const one of files) {
    const done = state.done;
    await until(() => state.done > done + 50, 'writes are under way');
    const r = await cli(f, ['--json', 'backup', one]);
    assert.equal(r.status, 0, r.stderr);
  }
  state.stop = true;
  await load;
  assert.deepEqual(state.errors.slice(0, 2), [], 'no write failed by it');
  for (const one of files) {
    const r = await cli(f, ['restore', one, '--replace']);
    assert.equal(r.status, 0, r.stderr);
    assert.ok(await pairsAgree(state.known) > 20);
    const { items } = await ask(f, { operation: 'query', model: 'stream.load', limit: 1000 });
    const { last } = await ask(f, { operation: 'read', model: 'stream.load' });
    assert.deepEqual(items.map((e) => e.position), Array.from({ length: Math.min(last, 1000) }, (_, k) => k + 1));
  }
});

// How many there are: of each both parts, with the same number, or none.
async function pairsAgree(ids) {
  let both = 0;
  for (const i of ids) {
    const task = await f.call('GET', `/v1/tasks/${pairId(i)}`);
    const doc = await f.call('POST', '/v1/requests', { body: { task_id: randomUUID(), requirements: { database: { operation: 'read', model: 'doc.pairs', id: pairId(i) } } } });
    assert.equal(task.status, doc.status, `pair ${i}: ${task.text} ${doc.text}`);
    if (task.status !== 200) continue;
    both++;
    assert.equal(task.json.payload.n, doc.json.result.data.n, `pair ${i}`);
  }
  return both;
}

test('over HTTP it is the same, and who is not logged in gets nothing', async () => {
  const env = { METAFED_TOKEN_FILE: path.join(f.dir, 'http-token') }, out = path.join(f.dir, 'http.backup');
  const http = (args, input) => run(path.join(BIN, 'metafed'), ['--url', f.url, ...args], { env, input });
  assert.equal(http(['backup', out]).status, 3);
  assert.ok(!existsSync(out));
  assert.equal(http(['login', f.admin().username, '--password-stdin'], `${f.admin().password}\n`).status, 0);
  assert.equal((await f.call('POST', '/v1/tasks', { body: { title: 'an event' } })).status, 201);
  const before = state(f);
  const [[newest]] = f.sql('SELECT max(xid::text::bigint) FROM events');
  const r = http(['backup', out]);
  assert.equal(r.status, 0, r.stderr);
  const back = http(['restore', out, '--replace']);
  assert.equal(back.status, 0, back.stderr);
  assert.deepEqual(state(f), before);
  const [[gone]] = f.sql('SELECT xid FROM events_gone');
  assert.ok(Number(gone) > Number(newest), `readers of events are told of a gap: ${gone} is not behind ${newest}`);
});

// --- files that are wrong ---

test('damaged, cut, foreign, locked files and fleets that have something are refused, and nothing is changed', () => {
  const key = path.join(f.dir, 'key'), locked = path.join(f.dir, 'locked.backup'), bad = path.join(f.dir, 'bad.backup');
  writeFileSync(key, Buffer.alloc(32, 7));
  assert.equal(mf(f, 'backup', locked, '--key-file', key).status, 0);
  assert.ok(!readFileSync(locked).includes('password_hash'));
  const before = [rows(f), keys(f)];
  const refused = (why, ...args) => { const r = mf(f, 'restore', ...args); assert.equal(r.status, 1, r.stdout); assert.match(r.stderr, why); };
  refused(/--key-file/, locked, '--replace');
  writeFileSync(path.join(f.dir, 'key2'), Buffer.alloc(32, 8));
  refused(/key/, locked, '--replace', '--key-file', path.join(f.dir, 'key2'));
  const whole = readFileSync(file), changed = (at, n) => { const b = Buffer.from(whole); b[at] ^= n; return b; };
  for (const [content, why] of [[whole.subarray(0, whole.length - 1), /cut off/], [whole.subarray(0, 5000), /cut off/], [Buffer.alloc(0), /no backup/],
    [changed(whole.length >> 1, 1), /damaged/], [changed(20, 1), /damaged/], [Buffer.concat([whole, Buffer.from('x')]), /follows/], [changed(8, 2), /version 3/]]) {
    writeFileSync(bad, content);
    refused(why, bad, '--replace');
    assert.equal(mf(f, 'backup', '--verify', bad).status, 1);
  }
  const r = mf(f, 'restore', file);
  assert.equal(r.status, 5, r.stderr);
  assert.match(r.stderr, /shall be replaced.*: say --replace$/m);
  assert.deepEqual([rows(f), keys(f)], before);
  const ok = mf(f, 'restore', locked, '--key-file', key, '--replace');
  assert.equal(ok.status, 0, ok.stderr);
});

test('a backup needs its own permission, a restore the same migrations', async () => {
  const login = await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'petra', password: 'a long pass phrase' } });
  assert.equal(login.status, 200, login.text);
  for (const model of ['backup', 'restore']) {
    const r = await f.call('POST', '/v1/requests', { token: login.json.access_token, body: { task_id: randomUUID(), requirements: { database: { operation: 'create', model, id: randomUUID(), data: { migrations: '' } } } } });
    assert.equal(r.status, 403, r.text);
  }
  const r = await f.call('POST', '/v1/requests', { body: { task_id: randomUUID(), requirements: { database: { operation: 'create', model: 'restore', id: randomUUID(), data: { migrations: '1:abc', replace: true } } } } });
  assert.deepEqual([r.status, r.json.reason], [409, 'OTHER_SCHEMA'], r.text);
});

test('who comes second, or ends what he never began, takes nothing from the restore under way', async () => {
  const database = (what) => f.call('POST', '/v1/requests', { body: { task_id: randomUUID(), requirements: { database: what } } });
  const [first, second] = [randomUUID(), randomUUID()], backup = randomUUID();
  const { sql: { migrations } } = await ask(f, { operation: 'create', model: 'backup', id: backup });
  await ask(f, { operation: 'delete', model: 'backup', id: backup });
  const data = { migrations, replace: true };
  await ask(f, { operation: 'create', model: 'restore', id: first, data });
  redis(f, 'SET', 'mfr:mf:gathered', '1');
  const r = await database({ operation: 'create', model: 'restore', id: second, data });
  assert.deepEqual([r.status, r.json.reason], [409, 'BUSY'], r.text);
  await database({ operation: 'delete', model: 'restore', id: second });
  assert.equal(redis(f, 'EXISTS', 'mfr:mf:gathered'), '1');
  await ask(f, { operation: 'delete', model: 'restore', id: first });
  assert.equal(redis(f, 'EXISTS', 'mfr:mf:gathered'), '0');
});

test('before it is known whether a restore was cut short, no backup begins and none is given up', async () => {
  const [database, nosql] = [await f.pid('database'), await f.pid('nosql')];
  const say = (operation, model) => f.call('POST', '/v1/requests', { body: { task_id: randomUUID(), requirements: { database: { operation, model, id: randomUUID() } } } });
  f.signal(nosql, 'SIGSTOP');
  try {
    f.signal(database, 'SIGKILL');
    await f.back('database', database);
    for (const [operation, model] of [['create', 'backup'], ['delete', 'restore']]) {
      let r, why;
      await until(async () => { r = await say(operation, model); why = r.json?.problem?.reason ?? r.json?.reason; return why !== 'NO_MEMBER'; }, 'database answers');
      assert.equal(why, 'RESTORING', r.text);
    }
  } finally {
    f.signal(nosql, 'SIGCONT');
  }
  await until(async () => (await say('delete', 'restore')).json.success, 'it is known');
});

// --- kill -9 ---

const settled = (r) => Object.fromEntries(Object.entries(r).filter(([t]) => !['decisions', 'sessions', 'revocations', 'operations', 'idempotency'].includes(t)));
const state = (fleet) => ({ rows: settled(rows(fleet)), keys: keys(fleet) });

// All there are, as the programs say.
const steps = (flow) => ['database', 'sql', 'nosql'].flatMap((node) => run(path.join(BIN, `metafed-${node}`), ['--steps']).stdout.split('\n')
  .map((l) => l.trim()).filter((step) => step.startsWith(`${node}.${flow}.`)).map((step) => [node, step]));

test('each node names its steps', () => assert.deepEqual([steps('backup').length, steps('restore').length], [6, 10]));

for (const [node, step] of steps('backup')) {
  test(`kill -9 at ${step}: a backup is whole or there is none, and writes go on`, async () => {
    const out = path.join(f.dir, `${step}.backup`), pid = await f.pid(node);
    await f.faults(node, `@${step}: kill`);
    const r = await cli(f, ['backup', out]);
    await f.back(node, pid);
    if (r.status === 0) assert.equal(mf(f, 'backup', '--verify', out).status, 0);
    else assert.ok(!existsSync(out), r.stderr);
    const id = randomUUID();
    await until(async () => (await f.call('POST', '/v1/requests', { body: { task_id: id, requirements: { database: { operation: 'create', model: 'doc.orders', id, data: {} } } } })).status === 200, 'a write succeeds');
    const again = await cli(f, ['backup', out]);
    assert.equal(again.status, 0, again.stderr);
  });
}

for (const [node, step] of steps('restore')) {
  test(`kill -9 at ${step}: all is as in the backup, or as it was`, async () => {
    const id = randomUUID(), pid = await f.pid(node);
    await ask(f, { operation: 'create', model: 'doc.orders', id, data: { marker: step } });
    assert.equal((await f.call('POST', '/v1/tasks', { body: { title: step } })).status, 201);
    const before = state(f);
    await f.faults(node, `@${step}: kill`);
    const r = await cli(f, ['restore', file, '--replace']);
    await f.back(node, pid);
    await until(async () => (await f.call('GET', '/v1/tasks?limit=1')).status === 200 && redis(f, 'EXISTS', 'mf-restore') === '0', 'the fleet serves again');
    const now = state(f), whole = { rows: settled(cut.rows), keys: cut.keys };
    const restored = now.rows.tasks.length === whole.rows.tasks.length;
    assert.equal(restored, r.status === 0, r.stderr);
    if (restored) assert.deepEqual(now, whole);
    else assert.deepEqual({ rows: now.rows, keys: now.keys.filter((k) => !k.startsWith('mfr:')) }, before);
  });
}

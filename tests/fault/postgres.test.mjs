// What PostgreSQL does to a fleet, and operators to PostgreSQL: kill -9 in the middle of migrations, back ends killed in a loop,
// forgotten transactions, a server that would lie about the disk.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, failures, sleep, until } from '../harness/fleet.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
console.log(`# measured seed ${seed}`);
let f;
before(async () => {
  // Each life of those who migrate gets so far and no further: the first ones die with the schema half made.
  const faults = 'faults = @sql.migration.chosen: kill=5\n';
  f = await Fleet.start({ conf: `[sql]\n${faults}[nosql]\n${faults}` });
});
after(async () => { await f?.stop(); });

const request = (database, token = f.token) => f.call('POST', '/v1/requests', { token, body: { task_id: randomUUID(), requirements: { database } } });

// A session of psql's own, with what it has done so far.
function session(...statements) {
  const p = spawn('psql', ['-h', path.join(f.var, 'run/stores'), '-U', 'metafed', '-d', 'metafed', '-qAtX'],
    { stdio: ['pipe', 'ignore', 'ignore'], env: { ...process.env, PGPASSWORD: readFileSync(path.join(f.var, 'secrets/pg-password'), 'utf8').trim() } });
  p.stdin.write(`${statements.join(';\n')};\n`);
  return { end: (last) => new Promise((resolve) => { p.on('exit', resolve); p.stdin.end(`${last};\n`); }) };
}

test('kill -9 in the middle of the migrations: the next life goes on where they stopped', async () => {
  const { sql, nosql } = await f.nodes();
  assert.ok(sql.restarts + nosql.restarts > 0, 'somebody died on the way');
  const rows = f.sql('SELECT number FROM schema_migrations ORDER BY number').map((r) => Number(r[0]));
  assert.deepEqual(rows, rows.map((_, i) => i + 1), 'each once, without a gap');
});

test('migrations are told by the command line, with a dry run; not without the permission', async () => {
  const r = await request({ operation: 'query', model: 'migration', filters: { dry_run: 'true' } });
  assert.equal(r.status, 200, r.text);
  const { items, dry_run: dry } = r.json.result;
  assert.ok(items.length >= 11 && items.every((m) => m.state === 'applied' && m.checksum === m.applied_checksum));
  assert.deepEqual(dry, { ok: true, tried: [] });
  const told = f.cli('database', 'migrations', '--dry-run');
  assert.equal(told.status, 0, told.stderr);
  assert.match(told.stdout, /11 +partitions +applied/);
  assert.match(told.stderr, /0 would be applied/);
  const out = await request({ operation: 'query', model: 'migration' }, null);
  assert.ok(out.status === 401 || out.status === 403 || out.json?.success === false, out.text);
});

test('a transaction takes its isolation; another word is refused; explain runs nothing', async () => {
  const id = randomUUID();
  const member = { operation: 'create', model: 'task', id, data: { title: 'isolated' } };
  const bad = await request({ operation: 'transaction', isolation: 'chaos', data: [member] });
  assert.equal(bad.json?.success ?? false, false, bad.text);
  const plan = await request({ operation: 'transaction', isolation: 'serializable', explain: true, data: [member] });
  assert.equal(plan.json.success, true, plan.text);
  assert.match(JSON.stringify(plan.json.result), /INSERT INTO tasks/);
  assert.equal((await f.call('GET', `/v1/tasks/${id}`)).status, 404, 'nothing ran');
  const good = await request({ operation: 'transaction', isolation: 'serializable', data: [member] });
  assert.equal(good.json.success, true, good.text);
  assert.equal((await f.call('GET', `/v1/tasks/${id}`)).status, 200);
});

test('back ends killed in a loop: nothing acknowledged is lost, nothing is doubled', async () => {
  const load = f.load(150, 4, (i) => ['POST', '/v1/tasks', { body: { title: `shot ${seed} ${i}` } }]);
  for (let k = 0; k < 12; k++) {
    await sleep(250);
    f.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'metafed%' AND random() < 0.6");
  }
  const results = await load;
  const bad = failures(results);
  for (const b of bad) assert.equal(b.status, 503, JSON.stringify(b));
  const made = results.filter((r) => r.status === 201).map((r) => r.json.id);
  const there = f.sql(`SELECT id, title FROM tasks WHERE title LIKE 'shot ${seed} %'`);
  const ids = new Set(there.map((r) => r[0]));
  for (const id of made) assert.ok(ids.has(id), `acknowledged ${id}`);
  assert.equal(new Set(there.map((r) => r[1])).size, there.length, 'none doubled');
  console.log(`# measured ${made.length} acknowledged, ${bad.length} of ${results.length} refused with 503, under killed back ends`);
});

test('a transaction that somebody forgot holds up only who wants its row', async () => {
  const { id } = (await f.call('POST', '/v1/tasks', { body: { title: 'held' } })).json;
  const other = session('BEGIN', `SELECT FROM tasks WHERE id = '${id}' FOR UPDATE`);
  await until(() => f.sql("SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'").length > 0, 'the session holds the row');
  const change = f.call('PATCH', `/v1/tasks/${id}`, { body: { title: 'changed' }, headers: { 'content-type': 'application/merge-patch+json' } });
  const results = await f.load(100, 2, (i) => ['POST', '/v1/tasks', { body: { title: `beside ${i}` } }]);
  assert.deepEqual(failures(results), []);
  const r = await change;
  assert.ok([409, 503, 504].includes(r.status), `${r.status} ${r.text}`);
  await other.end('COMMIT');
  const again = await f.call('PATCH', `/v1/tasks/${id}`, { body: { title: 'changed' }, headers: { 'content-type': 'application/merge-patch+json' } });
  assert.equal(again.status, 200, again.text);
});

test('a server that would lie about the disk is refused until it is put right', async () => {
  const pid = await f.pid('postgres');
  const file = path.join(readlinkSync(`/proc/${pid}/cwd`), 'postgresql.auto.conf');
  const was = readFileSync(file);
  appendFileSync(file, "fsync = off\n");
  f.kill(pid, 'SIGHUP');
  await until(() => f.sql('SHOW fsync')[0][0] === 'off', 'fsync is off');
  f.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'metafed%'");
  await until(() => /fsync is off/.test(readFileSync(path.join(f.var, 'log/sql.log'), 'utf8')), 'sql says why');
  const r = await f.call('POST', '/v1/tasks', { body: { title: 'on no disk' } });
  assert.ok(r.status === 503 || r.headers['metafed-degraded'] === 'true', `${r.status} ${r.text}`);
  writeFileSync(file, was);
  f.kill(pid, 'SIGHUP');
  await until(async () => (await f.call('POST', '/v1/tasks', { body: { title: 'again' } })).status === 201, 'writes go again');
});

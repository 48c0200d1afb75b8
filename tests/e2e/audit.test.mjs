// The audit log: every kind of act is in it, who can write the database can't change it unseen, and what was exported proves
// itself. Tampering is done in PostgreSQL, past the fleet.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, run, until, BIN } from '../harness/fleet.mjs';

let f;
const metafed = (input, ...args) => run(path.join(BIN, 'metafed'), ['--var', f.var, ...args], { input, env: { METAFED_TOKEN_FILE: path.join(f.dir, 'token') } });
const verify = (...args) => { const r = metafed('', 'audit', 'verify', '--json', ...args); return { status: r.status, ...(r.stdout ? JSON.parse(r.stdout) : {}), stderr: r.stderr }; };
const search = (...args) => { const r = metafed('', 'audit', 'search', '--json', ...args); assert.equal(r.status, 0, r.stderr); return JSON.parse(r.stdout); };
const events = (...args) => search(...args).map((row) => row.record.event);
const quote = (s) => `'${String(s).replaceAll("'", "''")}'`;
const number = (row) => Number(row.id);

before(async () => {
  f = await Fleet.start({ conf: '[auth]\naudit_checkpoint = 20\naudit_checkpoint_after = 1s\n' });
  const admin = f.admin();
  const r = metafed(`${admin.password}\n`, 'login', 'admin', '--password-stdin');
  assert.equal(r.status, 0, r.stderr);
});
after(async () => { await f?.stop(); });

test('each kind of act is recorded, with who, what and how it ended, and no secret', async () => {
  const admin = f.admin();
  const password = 'a password that nobody else has';
  const made = await f.call('POST', '/v1/users', { body: { username: 'vera', password, roles: ['viewer'] } });
  assert.equal(made.status, 201, made.text);
  assert.equal((await f.call('POST', '/v1/auth/login', { body: { username: 'vera', password: 'wrong' }, token: null })).status, 401);
  const vera = (await f.call('POST', '/v1/auth/login', { body: { username: 'vera', password }, token: null })).json;
  assert.equal((await f.call('POST', '/v1/tasks', { body: { title: 'not hers' }, token: vera.access_token })).status, 403);
  assert.equal((await f.call('GET', '/v1/tasks', { token: vera.access_token })).status, 200);
  assert.equal((await f.call('GET', '/v1/tasks', { token: 'no.token.atall' })).status, 401);
  await f.call('POST', '/v1/auth/logout', { body: { refresh_token: vera.refresh_token }, token: null });
  assert.equal((await f.call('POST', '/v1/auth/refresh', { body: { refresh_token: vera.refresh_token }, token: null })).status, 401);
  assert.equal((await f.call('POST', '/v1/users', { body: { username: 'vera', password, roles: [] } })).status, 409);

  const id = made.json.id;
  const login = events('--kind', 'login', '--subject', id);
  assert.deepEqual(login.map((e) => e.outcome), ['ok', 'refused']);      // the newest first
  assert.equal(login[0].actor, id);
  assert.equal(login[1].cause, 'BAD_CREDENTIALS');
  assert.equal(login[1].name, 'vera');
  for (const e of login) { assert.equal(e.agent, 'jwt'); assert.equal(e.policy, 'allow'); assert.ok(e.risk >= 0 && e.risk < 50, `${e.risk}`); assert.equal(e.address, '127.0.0.1'); }
  assert.match(login[1].reasons, /new_network 15/);
  assert.equal(events('--kind', 'logout')[0].outcome, 'ok');
  assert.deepEqual(events('--kind', 'refresh', '--outcome', 'refused').map((e) => e.cause), ['TOKEN_INVALID']);
  const writes = events('--kind', 'write', '--oldest-first').filter((e) => e.model === 'user');
  assert.deepEqual(writes.map((e) => e.outcome), ['begun', 'ok', 'begun', 'refused']);
  for (const e of writes) { assert.equal(e.operation, 'create'); assert.equal(e.name, 'admin'); }
  const refused = events('--kind', 'check', '--outcome', 'refused').map((e) => e.cause);
  assert.ok(refused.includes('PERMISSION') && refused.includes('TOKEN_INVALID'), String(refused));
  assert.ok(events('--kind', 'elevated').some((e) => e.permission === 'audit.read' && e.name === 'admin'));
  await until(() => events('--kind', 'decisions', '--actor', id).some((e) => e.counts['task.read'] === 1), 'counts of what was permitted', 15_000);
  const all = JSON.stringify(search('--all'));
  for (const secret of [password, admin.password, vera.refresh_token, vera.access_token.split('.')[2]]) assert.ok(!all.includes(secret), 'a secret is in the log');
});

test('a whole log verifies, from the fleet and from a file; an end that was kept elsewhere is still there', () => {
  const r = verify();
  assert.equal(r.status, 0, r.stderr);
  assert.ok(r.ok && r.first === 1 && r.checkpoints > 0 && r.signed_upto > 0 && r.records === r.last, JSON.stringify(r));
  const file = path.join(f.dir, 'log.jsonl'), keys = path.join(f.dir, 'jwks.json');
  assert.equal(metafed('', 'audit', 'export', '-o', file).status, 0);
  assert.equal(verify(file).status, 0);
  assert.equal(verify('--head', `${r.last}:${r.hash}`).status, 0);
  assert.equal(verify('--head', `${r.last}:${'0'.repeat(64)}`).status, 1);
  assert.equal(verify('--head', `${r.last + 100000}:${r.hash}`).status, 1);
  assert.equal(metafed('', 'audit', 'search').status, 0);
  writeFileSync(keys, '{"keys":[]}');
  assert.equal(verify(file, '--keys', keys).status, 1);     // signed, but by nobody whom we know
});

// In PostgreSQL as its superuser. `undo` leaves the log as it was.
async function tampered(what, bad, todo, undo) {
  f.sql(todo, 'postgres');
  const r = verify();
  assert.equal(r.status, 1, `${what}: not found`);
  if (bad) assert.equal(r.bad, bad, `${what}: ${r.problem}`);
  if (undo) {
    f.sql(undo, 'postgres');
    assert.equal(verify().status, 0, `${what}: undone`);
  }
}

test('whatever is done to the stored log is found, with the first number that is wrong', async () => {
  const rows = search('--oldest-first', '--all');
  const victim = rows.find((row) => row.kind === 'login' && row.outcome === 'refused' && row.subject);
  const n = number(victim), id = quote(victim.id);
  const text = f.sql(`SELECT record::text FROM audit WHERE id=${id}`)[0][0];

  await tampered('a changed record', n, `UPDATE audit SET record=${quote(text.replace('BAD_CREDENTIALS', 'GOOD'))}::json WHERE id=${id}`,
    `UPDATE audit SET record=${quote(text)}::json WHERE id=${id}`);
  await tampered('a changed record with its hash', n + 1, (() => {
    const changed = text.replace('BAD_CREDENTIALS', 'GOOD');
    return `UPDATE audit SET record=${quote(changed)}::json, hash=${quote(createHash('sha256').update(changed).digest('hex'))} WHERE id=${id}`;
  })(), `UPDATE audit SET record=${quote(text)}::json, hash=${quote(victim.hash)} WHERE id=${id}`);
  await tampered('a changed column', n, `UPDATE audit SET outcome='ok' WHERE id=${id}`, `UPDATE audit SET outcome='refused' WHERE id=${id}`);
  await tampered('a record removed in the middle', n, `CREATE TABLE taken AS SELECT * FROM audit WHERE id=${id}; DELETE FROM audit WHERE id=${id}`,
    `INSERT INTO audit SELECT * FROM taken; DROP TABLE taken`);
  const next = quote(String(n + 1).padStart(16, '0'));
  const swap = `UPDATE audit SET id='x' WHERE id=${id}; UPDATE audit SET id=${id} WHERE id=${next}; UPDATE audit SET id=${next} WHERE id='x'`;
  await tampered('two records reordered', n, swap, swap);
  await tampered('the beginning removed', 1, `CREATE TABLE taken AS SELECT * FROM audit WHERE id<${id}; DELETE FROM audit WHERE id<${id}`,
    `INSERT INTO audit SELECT * FROM taken; DROP TABLE taken`);
  await tampered('a record put before', 1, `INSERT INTO audit SELECT '0000000000000000',kind,outcome,actor,subject,address,record,hash,version,created_at,updated_at FROM audit WHERE id=${id}`,
    `DELETE FROM audit WHERE id='0000000000000000'`);
});

// As who has the database but not the key would: everything fits but the signatures.
function hashAnew(rows, from) {
  const canonical = (v) => (v && typeof v === 'object' ? `{${Object.keys(v).sort().map((k) => `${JSON.stringify(k)}:${canonical(v[k])}`).join(',')}}` : JSON.stringify(v));
  let previous = rows[from].record.previous;
  rows[from].record.event.detail = 'nothing happened here';
  for (const row of rows.slice(from)) {
    row.record.previous = previous;
    row.record.number = Number(row.id);
    row.hash = previous = createHash('sha256').update(canonical(row.record)).digest('hex');
  }
  return rows;
}

test('a log that was hashed anew, or had something put into it, lacks signatures', () => {
  const file = path.join(f.dir, 'log.jsonl'), other = path.join(f.dir, 'other.jsonl');
  assert.equal(metafed('', 'audit', 'export', '-o', file).status, 0);
  const read = () => readFileSync(file, 'utf8').trim().split('\n').map((l) => JSON.parse(l));
  const write = (rows) => { writeFileSync(other, rows.map((r) => `${JSON.stringify(r)}\n`).join('')); return verify(other); };
  const whole = write(read());
  assert.equal(whole.status, 0, whole.stderr);
  const k = read().findIndex((row) => row.kind === 'login' && row.outcome === 'refused' && row.subject);
  const seal = read().findIndex((row, i) => i > k && row.kind === 'checkpoint');
  const anew = write(hashAnew(read(), k));
  assert.equal(anew.status, 1);
  assert.equal(anew.bad, seal + 1, anew.problem);
  const inserted = read();
  inserted.splice(k, 0, structuredClone(inserted[k]));
  inserted.slice(k + 1).forEach((row) => { row.id = String(Number(row.id) + 1).padStart(16, '0'); });
  const more = write(hashAnew(inserted, k));
  assert.equal(more.status, 1);
  assert.equal(more.bad, seal + 2, more.problem);
  const unsigned = hashAnew(read(), k).filter((row, i) => i < k || row.kind !== 'checkpoint');
  unsigned.forEach((row, i) => { row.id = String(i + 1).padStart(16, '0'); });
  const none = write(hashAnew(unsigned, k));
  assert.ok(none.status === 1 || none.signed_upto < k, JSON.stringify(none));   // it says how far it is signed
  const bare = read().filter((row) => row.kind !== 'checkpoint');
  bare.forEach((row, i) => { row.id = String(i + 1).padStart(16, '0'); });
  const nobody = write(hashAnew(bare, 0));
  assert.equal(nobody.status, 1);
  assert.match(nobody.problem, /signed by nobody/);
});

test('an end that was cut off is missed, by who wrote it and by the one after him', async () => {
  const last = verify().last;
  f.sql(`DELETE FROM audit WHERE id::bigint>${last - 3}`, 'postgres');
  const live = verify();
  assert.equal(live.status, 1);
  assert.equal(live.bad, last - 2, live.problem);
  const pid = await f.pid('auth');       // whoever comes after him has only VAR/audit.head
  f.kill(pid, 'SIGSTOP');
  f.sql(`DELETE FROM audit WHERE id::bigint>${last - 3}`, 'postgres');
  f.kill(pid);
  await until(() => verify().status === 1 && events('--kind', 'rewound').length === 1, 'the loss is recorded');
  assert.equal(verify().bad, last - 2);      // and the gap stays to be seen
  await until(() => f.logged('auth', '"audit_rewound"').length > 0, 'it is in the log of auth, too');
});

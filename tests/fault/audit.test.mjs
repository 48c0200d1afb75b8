// The audit log while whoever writes it, signs it or keeps it is killed under log-ins and changes: what was answered is in it, nothing
// is in it twice, no number is missing, and every checkpoint fits.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { BIN, Fleet, alive, run, sleep, until } from '../harness/fleet.mjs';
import { CONF } from '../harness/steps.mjs';

const AUTH = '[jwt]\npassword_ops = 1\npassword_memory = 8m\n[auth]\naudit_checkpoint = 7\naudit_checkpoint_after = 300ms\n';
const PASSWORD = 'a password for all of them';
let f, users;
const metafed = (input, ...args) => run(path.join(BIN, 'metafed'), ['--var', f.var, ...args], { input, env: { METAFED_TOKEN_FILE: path.join(f.dir, 'token') } });

before(async () => {
  f = await Fleet.start({ conf: CONF + AUTH });
  users = await Promise.all(['ada', 'bob', 'eve'].map(async (username) => {
    const r = await f.call('POST', '/v1/users', { body: { username, password: PASSWORD, roles: ['viewer'] } });
    assert.equal(r.status, 201, r.text);
    return r.json.id;
  }));
  assert.equal(metafed(`${f.admin().password}\n`, 'login', 'admin', '--password-stdin').status, 0);
});
after(async () => { await f?.stop(); });

// Log-ins and changes until stop(); counts what was answered.
function work() {
  const w = { ok: 0, refused: 0, changes: 0, answered: 0, over: false };
  const each = async (turn) => { while (!w.over) { await turn().catch(() => {}); await sleep(10); } };
  const login = async (username, password) => (await f.call('POST', '/v1/auth/login', { body: { username, password }, token: null, timeout: 15_000 })).status;
  const all = [
    each(async () => { if (await login('ada', PASSWORD) === 200) { w.ok++; w.answered++; } }),
    each(async () => { if (await login('eve', 'wrong') === 401) { w.refused++; w.answered++; } await sleep(200); }),
    each(async () => { if ((await f.call('PATCH', `/v1/users/${users[1]}`, { body: { display_name: `Bob ${w.changes}` }, headers: { 'content-type': 'application/merge-patch+json' }, timeout: 15_000 })).status === 200) { w.changes++; w.answered++; } }),
    each(async () => { await f.call('GET', '/v1/tasks', { token: 'none.at.all', timeout: 15_000 }); await sleep(50); }),
  ];
  w.more = (n) => { const from = w.answered; return until(() => w.answered >= from + n, `${n} more answers`, 30_000); };
  w.stop = async () => { w.over = true; await Promise.all(all); };
  return w;
}

function check(w, what) {
  const r = metafed('', 'audit', 'verify', '--json');
  assert.equal(r.status, 0, `${what}: ${r.stderr}`);
  const rows = JSON.parse(metafed('', 'audit', 'search', '--json', '--all').stdout);
  const events = rows.map((row) => row.record.event);
  assert.equal(new Set(events.map((e) => e.id)).size, events.length, `${what}: an event is there twice`);
  const count = (kind, outcome, subject) => events.filter((e) => e.kind === kind && e.outcome === outcome && e.subject === subject).length;
  assert.ok(count('login', 'ok', users[0]) >= w.ok, `${what}: ${w.ok} log-ins were answered`);
  assert.ok(count('login', 'refused', users[2]) >= w.refused, `${what}: ${w.refused} refusals were answered`);
  assert.ok(count('write', 'ok', users[1]) + count('write', 'begun', users[1]) >= w.changes, `${what}: ${w.changes} changes were answered`);
  assert.ok(count('write', 'begun', users[1]) >= count('write', 'ok', users[1]));
}

test('killed at each step of the log, and with what it needs, nothing answered is missing', async (t) => {
  const w = work();
  await w.more(5);
  for (const step of ['auth.audit.sent', 'auth.audit.appended', 'auth.write.begun', 'auth.write.done']) {
    for (const nth of [1, 4]) {
      const pid = await f.pid('auth');
      await f.faults('auth', `@${step}: kill=${nth}`).catch(() => {});    // its own answer may meet the step
      await until(() => !alive(pid), `${step} is reached`, 20_000);
      await f.back('auth', pid);
      await w.more(5);
    }
    t.diagnostic(`${step}: ${w.ok} log-ins, ${w.refused} refusals, ${w.changes} changes`);
  }
  for (const name of ['jwt', 'sql', 'database', 'postgres']) {
    const pid = await f.pid(name);
    f.kill(pid);
    await f.back(name, pid, 30_000);
    await w.more(10);
  }
  await w.stop();
  check(w, 'in the end');
});

test('what is refused while nothing can be written is in a file, and in the log later, also over a kill', async () => {
  const recorded = () => JSON.parse(metafed('', 'audit', 'search', '--json', '--all', '--kind', 'check', '--outcome', 'refused').stdout || '[]').length;
  const before = recorded();
  const pid = await f.pid('auth');
  let sent = 0;
  await f.faults('auth', '@auth.audit.spooled: kill');
  await f.faults('database', 'Database.Write: error=1,status=UNAVAILABLE');
  await until(async () => {
    await f.call('GET', '/v1/tasks', { token: `none.at.all${sent++}`, timeout: 15_000 }).catch(() => {});
    return !alive(pid);
  }, 'the spool is written', 30_000);
  await f.faults('database', '');
  await f.login();
  await until(() => recorded() > before, 'what was in the file is in the log', 20_000);
  check({ ok: 0, refused: 0, changes: 0 }, 'after the spool');
});

test('killed while it throws away what is old, it goes on, and the log is whole from where it begins', async () => {
  f.configure(`${CONF}${AUTH}audit_keep = 2s\n`);
  const first = () => JSON.parse(metafed('', 'audit', 'search', '--json', '--oldest-first', '--limit', '1').stdout || '[{"id":"1"}]')[0];
  for (const step of ['auth.audit.permitted', 'auth.audit.dropped']) {
    const pid = await f.pid('auth');
    f.signal(pid, 'SIGHUP');
    await f.faults('auth', `@${step}: kill`).catch(() => {});
    const w = work();
    await until(() => !alive(pid), `${step} is reached`, 30_000);
    await f.back('auth', pid);
    await w.more(5);
    await w.stop();
    const r = metafed('', 'audit', 'verify', '--json');
    assert.equal(r.status, 0, `${step}: ${r.stderr}`);
  }
  assert.ok(Number(first().id) > 1);
});

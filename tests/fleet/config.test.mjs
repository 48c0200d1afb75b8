// What an operator does with the configuration of a fleet: edits, reloads, misspells.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, BIN, NODES, run, until } from '../harness/fleet.mjs';

let f;

// A short back-off, so that a node that can't start is given up within the test.
const GUARD = '[guard]\nrestart_cap = 100ms\n';
before(async () => { f = await Fleet.start({ conf: `${GUARD}[api]\naccess_log = errors\n` }); });
after(() => f?.stop());

const log = (node) => readFileSync(path.join(f.var, 'log', `${node}.log`), 'utf8');
const count = (node, text) => log(node).split(text).length - 1;

const reload = async () => process.kill((await f.nodes()).guard.pid, 'SIGHUP');
const reloaded = () => NODES.map((n) => count(n, '"event":"reloaded"'));

test('an edit of local.conf is read at SIGHUP to the guard, by all nodes', async () => {
  f.configure(`${GUARD}[api]\naccess_log = all\n`);
  await reload();
  await until(() => reloaded().every((n) => n === 1), 'all reload');
  await f.call('GET', '/v1/tasks?limit=1');
  await until(() => count('api', '"event":"request"') > 0, 'requests are logged');
});

test('one bad part at SIGHUP: the log of the guard names part, key and line, and no node reads anything', async () => {
  const before = reloaded();
  const refused = async (conf, why) => {
    const said = log('guard').length;
    f.configure(conf);
    await reload();
    await until(() => why.test(log('guard').slice(said)), `the guard says ${why}`);
    assert.match(log('guard').slice(said), /"level":"error".*"event":"reload_refused"/);
  };
  await refused('[api]\naccess_lgo = errors\n[sql]\npg_short_conns = 3\n', /local\.conf:2: \[api\]: access_lgo: no such key/);
  await refused('[cache]\ndrain = soon\n', /local\.conf:2: \[cache\]: drain: .{1,3}soon.{1,3}: must be a duration/);
  await refused('[guard]\nrestart_max = many\n', /local\.conf:2: \[guard\]: restart_max: .*whole number/);
  assert.deepEqual(reloaded(), before, 'nobody has read it');
  const logged = count('api', '"event":"request"');
  await f.call('GET', '/v1/tasks?limit=1');
  await until(() => count('api', '"event":"request"') > logged, 'requests are logged on');
});

test('what is changed in [guard] is said to wait for the next start', async () => {
  const before = reloaded();
  f.configure(`${GUARD}restart_window = 50s\n[api]\naccess_log = all\n`);
  await reload();
  await until(() => reloaded().every((n, i) => n === before[i] + 1), 'all reload');
  await until(() => /"event":"config_needs_restart","part":"guard","key":"restart_window"/.test(log('guard')), 'it is said');
});

test('a node that could not start again is not restarted, and the reason is told', async () => {
  const pid = await f.pid('cache');
  f.configure('[cache]\nredis_cach = x\n');
  const r = run(path.join(BIN, 'metafed'), ['--var', f.var, 'restart', 'cache']);
  assert.equal(r.status, 5, r.stderr);
  assert.match(r.stderr, /not restarted.*local\.conf:2: \[cache\]: redis_cach: no such key; is redis_cache meant\?/);
  assert.equal(await f.pid('cache'), pid);
  const other = run(path.join(BIN, 'metafed'), ['--var', f.var, 'restart', 'rbac']);
  assert.equal(other.status, 0, other.stderr);
});

test('a node that was given up shows why: how it ended, and its last words', async () => {
  f.configure('[guard]\nrestart_max = 10\n[cache]\nredis_cach = x\n');
  process.kill(await f.pid('cache'), 'SIGKILL');
  await until(async () => (await f.nodes()).cache.state === 'FAILED', 'it is given up', 60_000);
  assert.match((await f.nodes()).cache.reason, /^exit status 1: .*local\.conf:4: \[cache\]: redis_cach: no such key/);
  assert.match(run(path.join(BIN, 'metafed'), ['--var', f.var, 'fleet']).stdout, /cache is FAILED: exit status 1: /);
  f.configure('');
  const r = run(path.join(BIN, 'metafed'), ['--var', f.var, 'restart', 'cache']);
  assert.equal(r.status, 0, r.stderr);
  assert.equal((await f.nodes()).cache.reason, undefined);
});

test('a misspelt part, key or variable is told before anything starts, with what may have been meant', () => {
  const check = (conf, env) => {
    f.configure(conf);
    return run(path.join(BIN, 'metafed-meta'), ['--config', path.join(f.var, 'metafed.conf'), '--check'], { env });
  };
  const wrong = (conf, why) => {
    const r = check(conf);
    assert.equal(r.status, 1, r.stderr);
    assert.match(r.stderr, why);
  };
  wrong('[sqll]\npg_short_conns = 2\n', /local\.conf:1: \[sqll\]: no such part; there are meta api/);
  wrong('pg_short_conns = 2\n', /local\.conf:1: pg_short_conns: .*\[sql\] \[nosql\]/);
  wrong('[websocket]\n\naccess_log = all\n', /metafed-websocket: .*local\.conf:3: \[websocket\]: access_log: no such key/);
  wrong('slots = 5\n', /below \[meta\]/);
  const r = check('', { METAFED_SQL_PG_SHORT_CONN: '2' });
  assert.equal(r.status, 0, r.stderr);
  assert.match(r.stderr, /METAFED_SQL_PG_SHORT_CONN sets nothing; is METAFED_SQL_PG_SHORT_CONNS meant\?/);
});

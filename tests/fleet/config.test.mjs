// What an operator does with the configuration of a fleet: edits, reloads, misspells.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, BIN, run, until } from '../harness/fleet.mjs';

let f;

before(async () => { f = await Fleet.start({ conf: '[api]\naccess_log = errors\n' }); });
after(() => f?.stop());

const log = (node) => readFileSync(path.join(f.var, 'log', `${node}.log`), 'utf8');
const count = (node, text) => log(node).split(text).length - 1;

test('an edit of local.conf is read at SIGHUP to the guard; a bad one changes nothing', async () => {
  const guard = (await f.nodes()).guard.pid;
  f.configure('[api]\naccess_log = all\n');
  process.kill(guard, 'SIGHUP');
  await until(() => count('api', '"event":"reloaded"') === 1, 'api reloads');
  await f.call('GET', '/v1/tasks?limit=1');
  await until(() => count('api', '"event":"request"') > 0, 'requests are logged');
  f.configure('[api]\naccess_lgo = all\n');
  process.kill(guard, 'SIGHUP');
  await until(() => count('api', 'local.conf:2: access_lgo: no such key') === 1, 'the error names the file');
  const logged = count('api', '"event":"request"');
  await f.call('GET', '/v1/tasks?limit=1');
  await until(() => count('api', '"event":"request"') > logged, 'requests are logged on');
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
  wrong('[websocket]\n\naccess_log = all\n', /metafed-websocket: .*local\.conf:3: access_log: no such key/);
  wrong('slots = 5\n', /below \[meta\]/);
  const r = check('', { METAFED_SQL_PG_SHORT_CONN: '2' });
  assert.equal(r.status, 0, r.stderr);
  assert.match(r.stderr, /METAFED_SQL_PG_SHORT_CONN sets nothing; is METAFED_SQL_PG_SHORT_CONNS meant\?/);
});

// What an operator does with the configuration of a fleet: edits, reloads, misspells.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, until } from '../harness/fleet.mjs';

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

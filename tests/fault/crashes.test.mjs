// What is left of a process that ends badly, whichever way: `metafed crashes` shows it. And processes that take too much,
// or have grown old, are replaced.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { Fleet, failures, mixed, sleep, until } from '../harness/fleet.mjs';

let f;
before(async () => {
  f = await Fleet.start({ conf: '[websocket]\nfiles_max = 3000\nrestart = transient\n[graphql]\nrecycle_after = 5s\n' });
});
after(async () => { await f?.stop(); });

const items = async (node) => (await f.call('GET', `/v1/crashes?node=${node}`)).json.items;

// The record of the crash of this process; the whole of it.
async function crash(node, pid) {
  let id;
  await until(async () => { id = (await items(node)).find((c) => c.pid === pid)?.id; return id; }, `a record of ${node} ${pid}`);
  const r = await f.call('GET', `/v1/crashes/${id}`);
  assert.equal(r.status, 200, r.text);
  return r.json;
}

async function ends(node, how, limit) {
  const { pid } = (await f.nodes())[node];
  await how(pid);
  await f.back(node, pid, limit);
  const c = await crash(node, pid);
  assert.equal(c.node, node);
  assert.match(c.id, new RegExp(`^${node}-\\d+$`));
  assert.ok(c.log.length > 0, 'the end of its log, and of nobody else\'s');
  assert.ok(c.log.every((l) => !l.startsWith('{') || l.includes(`"generation":${c.generation},`)), JSON.stringify(c.log));
  assert.ok(c.uptime > 0 && c.core === null);
  return c;
}

test('SIGSEGV under load: the signal, its sender, a backtrace with names, the last calls', async () => {
  const load = f.load(60, 2, mixed([], 1));
  await sleep(500);
  const c = await ends('rest', (pid) => f.kill(pid, 'SIGSEGV'));
  assert.match(c.how, /^signal 11 /);
  assert.equal(c.sender, process.pid);
  assert.ok(c.backtrace.some((l) => /metafed-rest\(main\+0x/.test(l)), c.backtrace.join('\n'));
  assert.ok(c.calls.some((l) => /^Rest\.|^Agent\.|^[A-Z]\w+\.\w+ from api, call \d+/.test(l)), c.calls.join('\n'));
  await load;
});

test('an abort inside a method: the backtrace says where, the calls say in what', async () => {
  const c = await ends('jwt', async () => {
    await f.faults('jwt', 'Jwt.*: crash=1.0');
    await f.call('POST', '/v1/auth/login', { body: f.admin(), token: null });
  });
  assert.match(c.how, /^signal 6 /);
  assert.ok(c.backtrace.some((l) => /abort/.test(l)), c.backtrace.join('\n'));
  assert.match(c.calls.at(-1), /^Jwt\.\w+ from \w+, call \d+, .*running$/);
  assert.ok(c.log.some((l) => l.includes('fault_crash')));
});

test('SIGKILL: nothing can be said by itself, but what it served is known', async () => {
  const load = f.load(60, 2, mixed([], 2));
  await sleep(500);
  const c = await ends('sql', (pid) => f.kill(pid));
  assert.match(c.how, /^signal 9 /);
  assert.deepEqual(c.backtrace, []);
  assert.ok(c.calls.some((l) => /^Sql\.\w+ from database/.test(l)), c.calls.join('\n'));
  await load;
});

test('one that is stopped is killed as hung, and kept as such', async () => {
  const c = await ends('oauth', (pid) => f.kill(pid, 'SIGSTOP'), 15_000);
  assert.match(c.how, /^killed: no sign of life/);
});

test('the orchestrator itself: the next one makes the record', async () => {
  const c = await ends('meta', (pid) => f.kill(pid, 'SIGBUS'));
  assert.match(c.how, /^signal 7 /);
  assert.ok(c.backtrace.some((l) => /metafed-meta\(/.test(l)));
});

test('metafed crashes: the table, one of them, and of a node', async () => {
  writeFileSync(`${f.dir}/password`, f.admin().password);
  const login = f.cli('login', f.admin().username, '--password-file', `${f.dir}/password`);
  const shown = f.cli('crashes');
  assert.equal(shown.status, 0, `${shown.stderr} ${login.stderr}`);
  for (const node of ['rest', 'jwt', 'sql', 'oauth', 'meta']) assert.match(shown.stdout, new RegExp(`^${node}-\\d+ `, 'm'));
  const { items: [c] } = JSON.parse(f.cli('--json', 'crashes', '--node', 'rest').stdout);
  const whole = f.cli('crashes', c.id).stdout;
  for (const words of ['signal 11', 'Backtrace', 'main+0x', 'Calls that it served', 'The end of its log']) assert.ok(whole.includes(words), whole);
  assert.equal(f.cli('crashes', 'rest-99999').status, 4);
});

test('limits are what the fleet shows, and a transient node that ends well stays away', async () => {
  const { websocket, rest } = await f.nodes();
  assert.equal(websocket.limits.files_max, 3000);
  assert.equal(rest.limits.memory_max, 2 ** 31);
  assert.ok(rest.limits.files > 5 && rest.limits.files < 1000);
  f.kill(websocket.pid, 'SIGTERM');
  await until(async () => (await f.nodes()).websocket.state === 'STOPPED', 'it stays away');
  assert.equal(f.cli('restart', 'websocket').status, 0);
  await f.back('websocket', websocket.pid);
  assert.deepEqual(await items('websocket'), []);
});

test('a node that is old is renewed, and no request fails', async () => {
  const { pid, generation } = (await f.nodes()).graphql;
  const results = [];
  let over = false;
  const load = (async () => { while (!over) results.push(...await f.load(50, 1, mixed([], 3))); })();
  await until(async () => (await f.nodes()).graphql.generation > generation, 'a new one', 14_000).finally(() => { over = true; });
  await f.back('graphql', pid);
  await load;
  assert.deepEqual(failures(results), []);
  assert.deepEqual(await items('graphql'), [], 'it was asked to go');
});

test('more memory than memory_max: killed, said, and in the end given up', async () => {
  const g = await Fleet.start({ conf: '[guard]\nrestart_cap = 100ms\n[rbac]\nmemory_max = 3m\nrestart_max = 2\n' });
  try {
    await until(async () => (await g.nodes()).rbac.state === 'FAILED', 'its budget is used up', 30_000);
    const r = await g.call('GET', '/v1/crashes?node=rbac');
    assert.ok(r.json.items.length >= 2, r.text);
    assert.match(r.json.items[0].how, /memory_max/);
    assert.match((await g.nodes()).rbac.reason, /memory_max/);
  } finally {
    await g.stop();
  }
});

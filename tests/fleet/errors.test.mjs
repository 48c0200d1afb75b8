// What fails in a fleet is known as patterns and figures: where, how, how often, also where a stand-in masked it.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { BIN, Fleet, failures, run, until } from '../harness/fleet.mjs';

let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const patterns = async (query = '') => {
  const r = await f.call('GET', `/v1/errors${query}`);
  assert.equal(r.status, 200, r.text);
  return r.json.items;
};
const window = async (name = '1h') => {
  const r = await f.call('GET', `/v1/reliability?window=${name}`);
  assert.equal(r.status, 200, r.text);
  assert.equal(r.json.windows.length, 1);
  return r.json.windows[0];
};
// What sql itself says that it answered with this code.
const answered = async (code) => {
  const r = await f.call('GET', '/metrics');
  return r.text.split('\n').filter((l) => l.startsWith('metafed_bus_served_total{node="sql"') && l.includes(`code="${code}"`))
    .reduce((sum, l) => sum + Number(l.split(' ').at(-1)), 0);
};

test('failures that a stand-in masked are counted one by one, and fail no request', async () => {
  const was = await answered('UNAVAILABLE');
  await f.faults('sql', 'Sql.Write: error=0.25,status=UNAVAILABLE', 20_000);
  const made = await f.load(40, 2, (i) => ['POST', '/v1/tasks', { body: { title: `t ${i}` } }]);
  assert.deepEqual(failures(made), []);
  await f.faults('sql', '', 1000);
  const injected = await answered('UNAVAILABLE') - was;
  assert.ok(injected > 0);
  let p;
  await until(async () => {
    p = (await patterns('?node=sql&window=1h')).find((x) => x.cause === 'FAULT_INJECTED');
    return p?.count === injected;
  }, 'all of them in the pattern');
  assert.equal(p.method, 'Sql.Write');
  assert.equal(p.status, 'UNAVAILABLE');
  assert.equal(p.message, 'injected fault');
  assert.equal(p.in_1h, injected);
  assert.ok(Date.parse(p.first_at) <= Date.parse(p.last_at) && Date.parse(p.last_at) <= Date.now() + 1000);
  assert.deepEqual(await patterns('?node=sql&status=INTERNAL'), []);
});

test('the figures name who failed, who took over, and that no request did', async () => {
  const w = await window();
  assert.ok(w.success >= 80);
  assert.equal(w.failed, 0);
  assert.equal(w.reliability, 1);
  assert.ok(w.ci99[0] > 0.85 && w.ci99[1] === 1);
  assert.ok(w.p50_ms > 0 && w.p99_ms >= w.p50_ms);
  assert.ok(w.domains.database.calls >= 80 && w.domains.database.failed === 0);
  const over = w.failovers.find((x) => x.from === 'sql' && x.to === 'nosql');
  assert.ok(over?.count > 0, JSON.stringify(w.failovers));
  assert.ok(w.agents.sql.failed >= (await patterns('?node=sql')).find((x) => x.cause === 'FAULT_INJECTED').count);
  assert.ok(w.agents.sql.calls > w.agents.sql.failed);
  const page = (await f.call('GET', '/metrics')).text;
  assert.match(page, /metafed_meta_failovers_total\{node="meta",from="sql",to="nosql"\} [1-9]/);
  assert.match(page, /metafed_meta_reliability_ratio\{node="meta",window="1h"\} 1\n/);
  assert.match(page, /metafed_meta_agent_calls_total\{node="meta",agent="sql",outcome="failed"\} [1-9]/);
});

test('a process that died is a pattern, and what a client gets wrong is none', async () => {
  assert.equal((await f.call('GET', '/v1/tasks/0199f0c0-1234-7abc-8def-0123456789ff')).status, 404);
  const pid = await f.pid('cache');
  f.kill(pid);
  await until(async () => (await patterns('?node=cache')).some((x) => x.cause === 'PROCESS_DIED'), 'the death of cache');
  await f.back('cache', pid);
  assert.ok((await patterns()).every((x) => x.status !== 'NOT_FOUND'));
  const w = await window();
  assert.ok(w.refused >= 1);
  assert.equal(w.failed, 0);
});

test('the commands say the same', async () => {
  const admin = f.admin();
  assert.equal(run(path.join(BIN, 'metafed'), ['--var', f.var, 'login', admin.username, '--password-stdin'],
    { input: `${admin.password}\n`, env: { METAFED_TOKEN_FILE: path.join(f.dir, 'token') } }).status, 0);
  const errors = f.cli('errors', '--node', 'sql');
  assert.equal(errors.status, 0, errors.stderr);
  assert.match(errors.stdout, /^NODE +METHOD/);
  assert.match(errors.stdout, /sql +Sql\.Write +UNAVAILABLE +FAULT_INJECTED +\d/);
  assert.ok(JSON.parse(f.cli('--json', 'errors', '--window', '24h', '--limit', '1').stdout).items.length === 1);
  assert.equal(f.cli('errors', 'nonsense').status, 2);
  assert.equal(f.cli('errors', '--node', 'nobody').status, 4);
  assert.match(f.cli('errors', '--node', 'sql', '--status', 'unavailable').stdout, /FAULT_INJECTED/);
  assert.equal(f.cli('errors', '--window', '2m').status, 1);
  const show = f.cli('reliability', 'show', '--window', '1h');
  assert.equal(show.status, 0, show.stderr);
  assert.match(show.stdout, /^LAST 1h: \d+ requests\n/);
  assert.match(show.stdout, /failover sql -> nosql: \d+/);
  assert.equal(JSON.parse(f.cli('--json', 'reliability', 'show').stdout).windows.length, 3);
});

test('another orchestrator begins anew, and answers at once', async () => {
  const pid = await f.pid('meta');
  f.kill(pid);
  await f.back('meta', pid);
  assert.ok((await patterns('?node=sql')).every((x) => x.cause !== 'FAULT_INJECTED'));
  const w = await window('24h');
  assert.ok(w.requests < 80);
});

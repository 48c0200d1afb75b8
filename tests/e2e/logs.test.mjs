// Logs: what can be logged is in the catalogue; lines are as the schema says; `metafed logs` finds them again, over files that were
// turned over; a level for a time outlives its process and ends by itself; a secret in what a fleet wrote is found.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { rmSync } from 'node:fs';
import { BIN, Fleet, NODES, newDir, run, sleep, until } from '../harness/fleet.mjs';
import { badLines, logFiles, valid } from '../harness/log_lines.mjs';
import { eventsOfCatalogue, eventsOfSources, row } from '../harness/log_events.mjs';
import { body, header, leaks, secret } from '../harness/secrets.mjs';

let f;
test.before(async () => { f = await Fleet.start({ conf: 'log_file_bytes = 64k\nlog_budget = 4m\n[api]\naccess_log = all\n[guard]\nlog_file_bytes = 64k\nlog_budget = 4m\n' }); });
test.after(async () => { await f.stop(); });

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const logs = (...args) => {
  const r = run(path.join(BIN, 'metafed'), ['--var', f.var, 'logs', ...args]);
  assert.equal(r.status, 0, r.stderr);
  return r.stdout.split('\n').filter(Boolean);
};
const lines = (...args) => logs('--json', ...args).map((l) => JSON.parse(l));
const all = (node) => logFiles(f.var, node).flatMap((x) => readFileSync(x, 'utf8').split('\n').filter(Boolean));

test('every event that the sources can log is in the catalogue, as it is, and named as events are', () => {
  const catalogue = eventsOfCatalogue();
  const sources = eventsOfSources();
  const reserved = new Set(['time', 'level', 'node', 'generation', 'trace', 'event', 'seq', 'cut', 'suppressed']);
  assert.ok(sources.size > 200, 'they are found');
  const wrong = [...sources].filter(([name, e]) => catalogue.get(name)?.line !== row(name, e, catalogue.get(name)?.means)).map(([name]) => name);
  assert.deepEqual([wrong, [...catalogue.keys()].filter((name) => !sources.has(name))], [[], []], 'run `node tests/harness/log_events.mjs`, then say in deploy/logging/EVENTS.md what is new');
  for (const [name, e] of sources) {
    assert.match(name, /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
    for (const k of e.fields) assert.ok(/^[a-z][a-z0-9_]{0,47}$/.test(k) && !reserved.has(k), `${name}: field ${k}`);
    if (['error', 'fatal'].some((l) => e.levels.has(l))) assert.match(catalogue.get(name).means, /\S/, `${name}: what does it mean?`);
  }
});

test('the schema takes a line, and none that is not whole', () => {
  const good = { time: '2026-11-22T07:00:00.000001Z', level: 'info', node: 'sql', generation: 3, event: 'ready', pid: 7, seq: 1 };
  assert.ok(valid(good));
  for (const k of ['time', 'level', 'node', 'generation', 'event', 'seq']) assert.ok(!valid({ ...good, [k]: undefined }), `without ${k}`);
  for (const bad of [{ level: 'WARN' }, { time: '2026-11-22 07:00:00' }, { trace: 'abc' }, { event: 'Ready' }, { seq: 0 }, { seq: '1' }, { nested: {} }, { list: [1] }, { Caps: 1 }, { suppressed: 0 }]) assert.ok(!valid({ ...good, ...bad }), JSON.stringify(bad));
});

test('files are turned over, stay within the budget, and no line is missing', async () => {
  await f.load(400, 6, (i) => ['GET', `/v1/tasks?limit=1&q=${i}`, { headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` } }]);
  await until(() => logFiles(f.var, 'api').length > 5, 'old files');
  const bytes = readdirSync(path.join(f.var, 'log')).reduce((n, x) => n + statSync(path.join(f.var, 'log', x)).blocks * 512, 0);
  assert.ok(bytes <= 4 << 20, `${bytes} bytes`);
  assert.deepEqual(badLines(f.var), []);
});

test('logs: by node, level, trace, event, field and time', async () => {
  const since = new Date().toISOString();
  await f.call('GET', '/v1/tasks/none', { headers: { traceparent: '00-00000000000000000000000000000abc-00f067aa0ba902b7-01' } });
  await until(() => lines('--trace', '00000000000000000000000000000abc').length > 0, 'the line of that request');
  assert.deepEqual(lines('--trace', '00000000000000000000000000000abc').map((l) => [l.node, l.event, l.path]), [['api', 'request', '/v1/tasks/none']]);
  assert.ok(lines('--since', since).length >= 1 && lines('--since', since).every((l) => l.time >= since));
  assert.equal(lines('--until', '2020-01-01T00:00:00Z').length, 0);
  assert.ok(lines('--since', '1h').length > 1000);
  assert.deepEqual(lines('--node', 'api', '--event', 'request', '--field', 'status=404', '--field', 'method=GET', '--since', since).map((l) => l.path), ['/v1/tasks/none']);
  assert.deepEqual([...new Set(lines('-n', '1000000', '--node', 'sql', 'guard').map((l) => l.node))].sort(), ['guard', 'sql']);
  assert.ok(lines('--level', 'warn', '--since', '1h').every((l) => ['warn', 'error', 'fatal'].includes(l.level)));
  assert.deepEqual([...new Set(lines('--event', 'ready', '--since', '1h').map((l) => l.node))].sort(), [...NODES].sort());
});

test('logs: all of them, in their order, from the begin and from the end alike', () => {
  for (const args of [['--since', '1h'], ['-n', '1000000']]) {
    const got = lines(...args, '--node', 'api');
    assert.deepEqual(got, all('api').map((l) => JSON.parse(l)), args.join(' '));
  }
  const merged = lines('--since', '1h');
  assert.ok(merged.every((l, i) => i === 0 || l.time >= merged[i - 1].time), 'merged by time');
  const at = merged[Math.floor(merged.length / 2)].time;
  assert.deepEqual([...lines('--since', '1h', '--until', at), ...lines('--since', at)].length, lines('--since', '1h').length);
  assert.deepEqual(lines('-n', '7'), merged.slice(-7).length === 7 ? lines('--since', '1h').slice(-7) : []);
});

test('logs: a compressed file is read like any other', () => {
  const [oldest] = logFiles(f.var, 'api');
  const text = readFileSync(oldest);
  const before = lines('--since', '1h', '--node', 'api').length;
  writeFileSync(`${oldest}.gz`, gzipSync(text));
  run('touch', ['-r', oldest, `${oldest}.gz`]);
  rmSync(oldest);
  assert.equal(lines('--since', '1h', '--node', 'api').length, before);
  assert.equal(lines('-n', '1000000', '--node', 'api').length, before);
  writeFileSync(oldest, gunzipSync(readFileSync(`${oldest}.gz`)));
  run('touch', ['-r', `${oldest}.gz`, oldest]);
  rmSync(`${oldest}.gz`);
  const pipe = path.join(f.var, 'log/api.log.1.gz');      // no file, and it would never end
  run('mkfifo', [pipe]);
  assert.equal(lines('--since', '1h', '--node', 'api').length, before);
  rmSync(pipe);
});

test('logs: people get a line each, without colours where there is no terminal, and what stores say too', () => {
  const [line] = logs('-n', '1', '--event', 'ready', 'sql');
  assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} info  sql        ready generation=\d+ .*seq=\d+$/);
  assert.ok(logs('-n', '1000', 'postgres').some((l) => /^postgres +\d{4}-.* LOG: /.test(l)));
  assert.ok(!logs('--since', '1h').join('').includes('\u001b'));
  for (const [args, status] of [[['--level', 'loud'], 2], [['--since', 'yesterday'], 2], [['--field', 'x'], 2], [['-n', 'x'], 2], [['nobody'], 4]])
    assert.equal(run(path.join(BIN, 'metafed'), ['--var', f.var, 'logs', ...args]).status, status, args.join(' '));
});

test('logs -f: each line once, in order, over files that are turned over', async () => {
  const p = spawn(path.join(BIN, 'metafed'), ['--var', f.var, 'logs', '--json', '-f', '-n', '3', '--node', 'api'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  p.stdout.on('data', (d) => { text += d; });
  await until(() => text.split('\n').length > 3, 'the last three');
  const files = logFiles(f.var, 'api').at(-2);
  await f.load(300, 3, (i) => ['GET', `/v1/tasks?limit=1&q=${i}`, {}]);
  assert.notEqual(logFiles(f.var, 'api').at(-2), files, 'a file was turned over');
  const last = JSON.parse(all('api').at(-1)).seq;
  await until(() => text.includes(`"seq":${last}}\n`), `number ${last}`);
  p.kill();
  const seqs = text.split('\n').filter(Boolean).map((l) => JSON.parse(l).seq);
  assert.deepEqual(seqs, seqs.map((_, i) => seqs[0] + i));
});

test('a level for a time is in force at once, outlives the process, and ends by itself', async () => {
  const debug = () => lines('--since', '1h', '--node', 'rest', '--level', 'debug').filter((l) => l.level === 'debug').length;
  const r = f.cli('log-level', 'rest', 'debug', '--for', '4s');
  assert.equal(r.status, 0, r.stderr);
  assert.match(r.stdout, /^rest logs debug and above for 4 s, also when it starts anew\.\n$/);
  const began = Date.now();
  const pid = await f.pid('rest');
  f.kill(pid);
  await f.back('rest', pid);
  await until(() => debug() > 0, 'lines of debug');
  assert.ok(Date.now() - began < 4000, 'in time');
  await sleep(4100 - (Date.now() - began));
  const had = debug();
  const other = await f.pid('rest');
  f.kill(other);
  await f.back('rest', other);
  await f.call('GET', '/v1/tasks?limit=1');
  assert.equal(debug(), had);
  assert.equal(f.cli('log-level', 'cache', 'loud').status, 2);
  assert.equal(f.cli('log-level', 'nobody', 'info').status, 4);
  assert.equal(f.cli('log-level', 'meta', 'info', '--for', '8d').status, 2);
  const bad = await f.call('POST', '/v1/fleet/cache:log-level', { body: { level: 'info', for_ms: -1 } });
  assert.equal(bad.status, 422, bad.text);
});

test('a secret in what a fleet wrote is found, whatever its form', () => {
  const dir = newDir();
  run('mkdir', ['-p', path.join(dir, 'log'), path.join(dir, 'run'), path.join(dir, 'crash')]);
  const word = `hunter2 "quoted" ü/${Math.random()}`;
  body(JSON.stringify({ user: { password: word }, nothing: 'a text that is none', code: 'NOT_FOUND_AT_ALL', key: 'pg_short_connections' }));
  header('Authorization', 'Bearer mfk_planted_0123456789abcdef');
  header('Set-Cookie', '__Host-session=plantedcookie0123456789; Path=/');
  header('Location', 'https://client.test/back?state=shown-to-all-of-us&code=plantedcode0123456789');
  secret('x'.repeat(20) + 'planted_long_one'.repeat(10));
  assert.deepEqual(leaks(dir), []);
  const forms = { plain: word, percent: encodeURIComponent(word), json: JSON.stringify(word), base64: Buffer.from(`u:${word}`).toString('base64'), base64url: Buffer.from(`${word}`).toString('base64url'),
    bearer: 'got mfk_planted_0123456789abcdef here', cookie: 'plantedcookie0123456789', code: 'plantedcode0123456789', cut: 'x'.repeat(20) + 'planted_long_one'.repeat(2) };
  for (const [name, text] of Object.entries(forms)) {
    for (const place of ['log/sql.log', 'log/sql.log.000001', 'run/upgrade.json', 'crash/sql-1.json']) {
      writeFileSync(path.join(dir, place), `before\n{"event":"x","text":"${text}"}\n`);
      const found = leaks(dir);
      assert.equal(found.length, 1, `${name} in ${place}: ${found}`);
      assert.match(found[0], new RegExp(`^${place}:2: `));
      rmSync(path.join(dir, place));
    }
    assert.equal(leaks(dir, { metrics: `# HELP\n${text}\n` }).length, 1, `${name} on the page of metrics`);
  }
  appendFileSync(path.join(dir, 'log/sql.log'), '{"event":"x","text":"a text that is none NOT_FOUND_AT_ALL pg_short_connections shown-to-all-of-us"}\n');
  assert.deepEqual(leaks(dir), []);
  rmSync(dir, { recursive: true });
});

// Logs shipped by rsyslog as deploy/logging/rsyslog has it, into a PostgreSQL of its own: thirteen nodes under load, files that are
// turned over, the store gone and back, rsyslogd ended and killed. Every line arrives, as it was, once; what is no line stays apart.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync, chownSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Fleet, NODES, ROOT, newDir, run, sleep, until } from '../harness/fleet.mjs';
import { logFiles, logNames } from '../harness/log_lines.mjs';

const LOGGING = path.join(ROOT, 'deploy/logging');
const UNIT_END = /^KillSignal=(\w+)$/m.exec(readFileSync(path.join(LOGGING, 'rsyslog/metafed-logs.service'), 'utf8'))[1];
const dir = newDir();
const bin = readFileSync(path.join(ROOT, 'scripts/lib.sh'), 'utf8') && readdirSync('/usr/lib/postgresql').map((v) => `/usr/lib/postgresql/${v}/bin`).filter((b) => existsSync(`${b}/initdb`)).at(-1);
const asPg = (...args) => (process.getuid() === 0 ? run('runuser', ['-u', 'postgres', '--', ...args]) : run(args[0], args.slice(1)));
const good = (r, what) => { assert.equal(r.status, 0, `${what}: ${r.stdout}${r.stderr}`); return r; };

const store = {
  data: path.join(dir, 'pg'),
  make() {
    mkdirSync(this.data, { mode: 0o700 });
    if (process.getuid() === 0) {
      const uid = Number(run('id', ['-u', 'postgres']).stdout);
      chownSync(this.data, uid, uid);
    }
    good(asPg(`${bin}/initdb`, '-D', this.data, '-A', 'trust', '-U', 'postgres', '--no-sync'), 'initdb');
  },
  start() { good(asPg(`${bin}/pg_ctl`, '-D', this.data, '-w', '-l', path.join(this.data, 'log'), '-o', `-c listen_addresses= -k ${this.data}`, 'start'), 'start of the store'); },
  stop(mode) { good(asPg(`${bin}/pg_ctl`, '-D', this.data, '-w', '-m', mode, 'stop'), 'stop of the store'); },
  ask(statement, db = 'logs') {
    return good(asPg('psql', '-h', this.data, '-U', 'postgres', '-d', db, '-AtX', '-v', 'ON_ERROR_STOP=1', '-c', statement), statement).stdout.split('\n').filter(Boolean);
  },
  count() { return Number(this.ask('SELECT count(*) FROM metafed_log')[0]); },
};

const shipper = {
  configure(log) {
    mkdirSync(path.join(dir, 'spool'));
    const conf = readFileSync(path.join(LOGGING, 'rsyslog/metafed.conf'), 'utf8')
      .replace('/var/lib/metafed-logs', path.join(dir, 'spool'))
      .replace('/usr/share/metafed/logging', LOGGING)
      .replace('postgresql://metafed_logs@localhost/logs', `postgresql://metafed_logs@/logs?host=${store.data}`)
      .replace('/var/log/metafed-bad.log', path.join(dir, 'bad.log'))
      .replaceAll('/var/lib/metafed/log', log);
    writeFileSync(path.join(dir, 'rsyslog.conf'), conf);
    const r = run('rsyslogd', ['-N1', '-f', path.join(dir, 'rsyslog.conf')]);
    assert.equal(r.status, 0, r.stderr);
    assert.doesNotMatch(r.stderr, /error|warning/i);
  },
  start() {
    this.p = spawn('rsyslogd', ['-n', '-f', path.join(dir, 'rsyslog.conf'), '-i', path.join(dir, 'rsyslogd.pid')], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.p.stderr.on('data', (d) => { this.said = (this.said ?? '') + d; });
  },
  async end(signal) {
    if (this.p.exitCode !== null || this.p.signalCode !== null) return;
    const gone = new Promise((resolve) => { this.p.once('exit', resolve); });
    this.p.kill(signal);
    await gone;
  },
};

const lines = (f) => logNames(f.var).flatMap((n) => logFiles(f.var, n)).flatMap((file) => readFileSync(file, 'utf8').split('\n').filter((l) => l.startsWith('{"time"')));
const oldFiles = (f) => readdirSync(path.join(f.var, 'log')).filter((n) => /\.log\.\d{6}$/.test(n)).length;
const key = (v) => `${v.node} ${v.generation} ${v.seq}`;

let f;
test.after(async () => {
  await shipper.end('SIGKILL').catch(() => { });
  if (existsSync(path.join(store.data, 'postmaster.pid'))) store.stop('immediate');
  await f?.stop();
  run('rm', ['-rf', dir]);
});

test('what thirteen nodes log arrives whatever is killed: each line, as it was, once', async () => {
  store.make();
  store.start();
  store.ask('CREATE DATABASE logs', 'postgres');
  good(asPg('psql', '-h', store.data, '-U', 'postgres', '-d', 'logs', '-X', '-v', 'ON_ERROR_STOP=1', '-q', '-f', path.join(LOGGING, 'rsyslog/schema.sql')), 'schema.sql');
  f = await Fleet.start({ conf: 'log_file_bytes = 64k\nlog_budget = 64m\n[api]\naccess_log = all\n[guard]\nlog_file_bytes = 64k\nlog_budget = 64m\n' });
  shipper.configure(path.join(f.var, 'log'));
  shipper.start();
  const ask = (n) => f.load(150, n, (i) => (i % 5 ? ['GET', `/v1/tasks?limit=1&q=${i}`, {}] : ['POST', '/v1/tasks', { body: { title: `line ${i} 'quoted' "too" \\ ü` } }]));
  await ask(1);
  await until(() => store.count() > 150, 'the first lines');

  store.stop('fast');
  const before = oldFiles(f);
  await ask(2);      // the store is away: nothing waits for it but the files
  appendFileSync(path.join(f.var, 'log/redis-cache.log'), 'half a line {"of": nobody\n{"time":"2026-01-01T00:00:00.000000Z","level":"info"}\n{"time":"","node":"x","event":"y","seq":"z"}\n{"node":"\\u0000","event":"y","seq":1}\n');
  appendFileSync(path.join(f.var, 'log/redis-cache.log'), Buffer.from('{"time":"","node":"x","event":"y","seq":"\xff\xed\xa0\x80"}\n', 'latin1'));
  await shipper.end(UNIT_END);
  shipper.start();
  await ask(1);
  await shipper.end('SIGKILL');
  await f.call('POST', '/v1/fleet/rest:restart', {});
  await ask(1);
  assert.ok(oldFiles(f) > before, 'a file was turned over while nobody read');
  shipper.start();
  store.start();
  await until(() => store.count() > 300, 'lines after the return of the store', 30_000);

  const killed = await f.pid('sql');
  f.kill(killed);
  await f.back('sql', killed);
  const busy = ask(2);
  await sleep(700);
  await shipper.end('SIGKILL');
  shipper.start();
  await sleep(500);
  store.stop('immediate');
  store.start();
  await busy;
  await shipper.end(UNIT_END);
  await ask(1);
  shipper.start();
  await f.down();

  const sent = lines(f).filter((l) => l.includes('"seq":'));
  await until(() => store.count() >= sent.length, 'all lines in the store', 60_000).catch((e) => {
    const there = new Set(store.ask("SELECT node || ' ' || generation || ' ' || seq FROM metafed_log"));
    const missing = sent.map((l) => key(JSON.parse(l))).filter((k) => !there.has(k));
    throw new Error(`${e.message}: ${missing.length} of ${sent.length} are not, ${missing.join(', ')}\n${shipper.said ?? ''}`);
  });
  const stored = new Map(store.ask('SELECT line FROM metafed_log').map((l) => JSON.parse(l)).map((v) => [key(v), v]));
  for (const l of sent) assert.deepEqual(stored.get(key(JSON.parse(l))), JSON.parse(l));
  assert.equal(stored.size, sent.length);
  assert.deepEqual(new Set(store.ask('SELECT DISTINCT node FROM metafed_log')), new Set([...NODES, 'guard', 'supervisor']));
  assert.deepEqual(store.ask('SELECT * FROM metafed_log_gaps'), []);
  console.log(`# measured: ${sent.length} lines of ${new Set([...stored.values()].map((v) => v.node)).size} processes, ${oldFiles(f)} old files`);
});

test('what is no line of a log is apart, with the name of its file', () => {
  const bad = readFileSync(path.join(dir, 'bad.log'), 'utf8');
  assert.match(bad, /\/log\/redis-cache\.log half a line \{"of": nobody\n/);
  assert.match(bad, /\/log\/redis-cache\.log \{"time":"2026-01-01T00:00:00.000000Z","level":"info"\}\n/);
  assert.match(bad, /\/log\/redis-cache\.log \{"node":"\\u0000"/);
  assert.doesNotMatch(bad, /"level":"\w+","node":"/);
  assert.match(bad, /\/log\/postgres\.log .*LOG: /);
  // What looked like one, and the columns could not take: PostgreSQL kept it, and went on.
  assert.deepEqual(store.ask("SELECT DISTINCT line COLLATE \"C\" FROM metafed_log_bad ORDER BY 1"),
    ['{"time":"","node":"x","event":"y","seq":"    "}', '{"time":"","node":"x","event":"y","seq":"z"}']);
});

test('a node, a trace, a time are found by an index', () => {
  const plan = (where) => store.ask(`SET enable_seqscan = off; EXPLAIN SELECT line FROM metafed_log WHERE ${where}`).join('\n');
  assert.match(plan("node = 'sql' ORDER BY generation, seq"), /metafed_log_pkey/);
  assert.match(plan("trace = '4bf92f3577b34da6a3ce929d0e0e4736'"), /metafed_log_trace/);
  assert.match(plan("time BETWEEN '2026-11-22T10:00' AND '2026-11-22T10:05'"), /metafed_log_time/);
  const [trace] = store.ask("SELECT trace FROM metafed_log WHERE event = 'request' LIMIT 1");
  assert.ok(store.ask(`SELECT line FROM metafed_log WHERE trace = '${trace}'`).length >= 1);
});

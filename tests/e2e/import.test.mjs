// The main job on real input: issues of real projects come in by the command line, nothing twice, bad rows by line.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync, readdirSync, existsSync } from 'node:fs';
import path from 'node:path';
import { Fleet, BIN, ROOT, run, newDir } from '../harness/fleet.mjs';

const data = process.env.METAFED_TEST_DATA && path.join(process.env.METAFED_TEST_DATA, 'tasks/gpt2sp');
let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

test('4,460 real issues come in, and a second time nothing twice', { skip: data && existsSync(data) ? false : 'METAFED_TEST_DATA is not set' }, () => {
  let rows = 0;
  for (const round of ['created', 'present']) {
    let sum = 0;
    for (const file of readdirSync(data).filter((n) => n.endsWith('.csv'))) {
      const r = f.cli('--json', 'task', 'import', path.join(data, file), '--map', 'label=split_mark');
      assert.equal(r.status, 0, `${file}: ${r.stderr}`);
      const x = JSON.parse(r.stdout);
      assert.equal(x[round], x.rows, `${file}: ${r.stdout}`);
      sum += x.rows;
    }
    rows = sum;
    assert.equal(rows, 4460);
  }
  const list = f.cli('--json', 'task', 'list', '--all', '--limit', '1000');
  const { items } = JSON.parse(list.stdout);
  assert.equal(items.length, 4460);
  assert.equal(new Set(items.map((t) => t.id)).size, 4460);
  const one = items.find((t) => t.payload?.issuekey === 'BAM-65');
  assert.match(one.description, /waiting for mchai's lock/);

  // What is found is what has the words, by a reading of our own.
  const words = (t) => new Set(`${t.title} ${t.description ?? ''}`.toLowerCase().match(/[a-z0-9]+/g));
  const found = (...args) => JSON.parse(f.cli('--json', 'task', 'list', '--all', '--limit', '500', ...args).stdout).items;
  for (const [q, holds] of [
    ['forum subscription', (w) => w.has('forum') && w.has('subscription')],
    ['timeout -maven', (w) => w.has('timeout') && !w.has('maven')],
    ['subversion or mercurial', (w) => w.has('subversion') || w.has('mercurial')],
    ['authenticat*', (w) => [...w].some((x) => x.startsWith('authenticat'))],
  ]) {
    const expected = items.filter((t) => holds(words(t))).map((t) => t.id), got = found('--q', q).map((t) => t.id);
    assert.ok(got.length > 2, q);
    // PostgreSQL takes hosts, paths and words-with-hyphens as words of their own: one in twenty may be read in another way
    const both = got.filter((id) => expected.includes(id)).length;
    assert.ok(both >= 0.95 * got.length && both >= 0.9 * expected.length, `${q}: ${got.length} found, ${expected.length} expected, ${both} in common`);
    assert.deepEqual(found('--q', q, '--sort', 'relevance').map((t) => t.id).sort(), [...got].sort(), q);
  }
  assert.deepEqual(found('--payload', '/issuekey=BAM-65').map((t) => t.id), [one.id]);
  assert.match(found('--q', 'subversion plugin', '--sort', 'relevance')[0].title, /subversion|plugin/i);
});

test('all tasks are one JSON object, however many pages there are, and an empty one when there are none', () => {
  for (const title of ['one', 'two', 'three']) assert.equal(f.cli('task', 'add', title, '--label', 'pages=yes').status, 0);
  const list = (label) => JSON.parse(f.cli('--json', 'task', 'list', '--all', '--limit', '2', '--label', label).stdout);
  assert.deepEqual(list('pages=yes').items.map((t) => t.title).sort(), ['one', 'three', 'two']);
  assert.deepEqual(list('pages=no'), { items: [] });
  assert.equal(f.cli('--json', 'task', 'list', '--all', '--limit', '0').status, 1);
});

test('a bad row is reported with its line and the rest is imported', () => {
  const file = path.join(f.dir, 'bad.csv');
  writeFileSync(file, 'key,title,priority\nA-1,"two\nlines",HIGH\nA-2,,LOW\nA-3,fine,7\nA-4,a"b,LOW\nA-5,good,LOW\nA-6,too,many,fields\n');
  const r = f.cli('--json', 'task', 'import', file);
  assert.equal(r.status, 7, r.stderr);
  assert.deepEqual(JSON.parse(r.stdout), { rows: 6, created: 2, present: 0, bad: 4, complete: true });
  assert.match(r.stderr, /bad\.csv:5: priority: /);
  for (const line of [4, 5, 6, 8]) assert.match(r.stderr, new RegExp(`bad\\.csv:${line}: `), `line ${line} in ${r.stderr}`);
});

test('over HTTP the command line needs a log-in, and keeps it', () => {
  const env = { METAFED_TOKEN_FILE: path.join(f.dir, 'http-token') };
  const mf = (args, input) => run(path.join(BIN, 'metafed'), ['--url', f.url, ...args], { env, input });
  assert.equal(mf(['task', 'list']).status, 3);
  assert.equal(mf(['login', 'admin', '--password-stdin'], 'wrong\n').status, 3);
  assert.equal(mf(['login', 'admin', '--password-stdin'], `${f.admin().password}\n`).status, 0);
  assert.equal(mf(['task', 'list', '--limit', '1']).status, 0);
  assert.equal(mf(['task', 'import', path.join(ROOT, 'scripts/sample-tasks.csv')]).status, 0);
  assert.equal(run(path.join(BIN, 'metafed'), ['--url', 'http://127.0.0.1:1', 'fleet'], { env }).status, 6);
});

test('scripts/run refuses a path that no socket fits into, and a port that is none', () => {
  const long = path.join(newDir(), 'x'.repeat(100));
  const r = run(path.join(ROOT, 'scripts/run'), ['--detach', '--var', long]);
  assert.notEqual(r.status, 0);
  assert.match(r.stderr, /too long/);
  assert.notEqual(run(path.join(ROOT, 'scripts/run'), ['--detach', '--port', 'x']).status, 0);
});

test('no secret stands in any log or on any command line', () => {
  const secrets = [f.admin().password, f.token, f.tokens.refresh_token];
  const logs = run('sh', ['-c', `cat ${f.var}/log/*`], { maxBuffer: 1 << 28 }).stdout;
  const cmds = f.processes().map((p) => p.cmd).join('\n');
  for (const s of secrets) {
    assert.ok(!logs.includes(s), 'in a log');
    assert.ok(!cmds.includes(s), 'on a command line');
  }
});

test('the example of the typed client submits a task and prints its path', () => {
  const r = run(path.join(BIN, 'examples/submit'), [f.var, 'From the typed client']);
  assert.equal(r.status, 0, r.stderr);
  assert.equal(JSON.parse(r.stdout.split('\n')[0]).title, 'From the typed client');
  assert.match(r.stdout, /level 2 +sql +Sql\.Write/);
});

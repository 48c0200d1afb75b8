// What the command line and the scripts say of themselves; no fleet is needed for it. And what runs these tests.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { BIN, Fleet, ROOT, alive, newDir, run } from '../harness/fleet.mjs';

const metafed = (...args) => run(path.join(BIN, 'metafed'), args, { timeout: 10_000, env: { METAFED_URL: undefined } });

test('each command has its own help', () => {
  const all = metafed('--help').stdout;
  assert.deepEqual(all.split('\n').filter((l) => l.length > 79 || /^[^ :]+$/.test(l)), [], 'no line is broken');
  for (const [, name] of all.matchAll(/^ {2}(\w+) /gm)) {
    const r = metafed(name, '--help');
    assert.equal(r.status, 0, name);
    assert.match(r.stdout, new RegExp(`^Usage: metafed ${name} `));
    assert.ok(r.stdout.length < all.length / 2, name);
  }
  const add = metafed('task', 'add', '--help').stdout;
  assert.match(add, /^Usage: metafed task add TITLE .*\n +\[--description TEXT\]\n\n/);
  assert.doesNotMatch(add, /task list/);
  assert.equal(metafed('tsak', '--help').status, 2);
});

test('an address without a scheme is told, with what may have been meant', () => {
  const r = metafed('--url', 'localhost:8080', 'task', 'list');
  assert.equal(r.status, 2);
  assert.match(r.stderr, /--url localhost:8080: must begin with http:\/\/ or https:\/\/; is http:\/\/localhost:8080 meant\?/);
});

test('logs are not to be had over HTTP, which is said', () => {
  const r = metafed('--url', 'http://127.0.0.1:1', 'logs');
  assert.equal(r.status, 2);
  assert.match(r.stderr, /files of a local fleet: say --var DIR/);
});

test('logs follow no symbolic link, and say which file they left out', () => {
  const var_ = newDir();
  const log = path.join(var_, 'log');
  mkdirSync(log);
  const line = (n) => `{"time":"2026-11-22T00:00:0${n}.000000Z","level":"info","node":"sql","event":"e${n}"}\n`;
  writeFileSync(path.join(var_, 'secret'), line(1));
  writeFileSync(path.join(var_, 'secret.gz'), gzipSync(line(2)));
  writeFileSync(path.join(log, 'sql.log'), line(3));
  symlinkSync('../secret', path.join(log, 'sql.log.000001'));
  symlinkSync('../secret.gz', path.join(log, 'sql.log.000002.gz'));
  symlinkSync('../secret', path.join(log, 'rest.log'));
  for (const how of [['-n', '10'], ['--since', '2026-11-21T00:00:00Z']]) {
    const r = metafed('--var', var_, '--json', 'logs', ...how);
    assert.deepEqual([r.status, r.stdout], [0, line(3)], r.stderr);
    for (const name of ['sql.log.000001', 'sql.log.000002.gz', 'rest.log']) {
      assert.equal(r.stderr.split(`${path.join(log, name)}: left out: is a symbolic link`).length, 2, r.stderr);
    }
  }
  renameSync(log, path.join(var_, 'elsewhere'));
  symlinkSync('elsewhere', log);
  const r = metafed('--var', var_, 'logs');
  assert.deepEqual([r.status, r.stdout], [4, '']);
  assert.match(r.stderr, /\/log: is a symbolic link/);
  rmSync(var_, { recursive: true });
});

test('errors of a status that is none are refused, with those that there are', () => {
  const r = metafed('errors', '--status', 'nope');
  assert.equal(r.status, 2);
  assert.match(r.stderr, /--status NOPE: is none of CANCELLED, .*\bUNAVAILABLE\b.*, UNAUTHENTICATED\n/);
  assert.notEqual(metafed('--url', 'http://127.0.0.1:1', 'errors', '--status', 'unknown').status, 2);
});

test('completion knows nodes and stores', () => {
  const words = (...line) => run('bash', ['-c', `${metafed('completion', 'bash').stdout}
COMP_WORDS=(${line.join(' ')} ''); COMP_CWORD=${line.length}; _metafed; echo "\${COMPREPLY[@]}"`]).stdout.trim().split(' ');
  assert.ok(words('metafed', 'restart').includes('redis-docs'));
  assert.ok(words('metafed', 'logs').includes('supervisor'));
  assert.deepEqual(words('metafed', 'chaos', 'store_down'), ['postgres', 'redis-docs', 'redis-cache']);
  assert.ok(words('metafed', 'chaos', 'partition', 'sql', '--peer').includes('meta-2'));
  assert.ok(words('metafed', 'task').includes('import'));
  assert.deepEqual(words('metafed', 'stream', 'consumer', 'orders'), ['add', 'move', 'list', 'rm']);
  assert.deepEqual(words('metafed', '--var', '/tmp', 'blob'), ['put', 'get', 'list', 'rm']);
});

test('completion offers the options that the help of a command names', () => {
  const options = (...line) => run('bash', ['-c', `${metafed('completion', 'bash').stdout}
COMP_WORDS=(${path.join(BIN, 'metafed')} ${line.join(' ')} --); COMP_CWORD=${line.length + 1}; _metafed; echo "\${COMPREPLY[@]}"`]).stdout.trim().split(' ')
    .filter((o) => !['--help', '--json', '--token-file', '--url', '--var', '--version'].includes(o));
  assert.deepEqual(options('blob', 'put'), ['--resume', '--type']);
  assert.deepEqual(options('restore', 'file'), ['--cancel', '--key-file', '--replace']);
  assert.deepEqual(options('--var', '/tmp', 'stream', 'follow', 'orders'), ['--after', '--consumer', '--until-end']);
});

test('help says how a command is used, and what is no command or option is named', () => {
  assert.equal(metafed('help').stdout, metafed('--help').stdout);
  assert.equal(metafed('help', 'chaos').stdout, metafed('chaos', '--help').stdout);
  for (const word of metafed('chaos').stderr.match(/ACTION is ([^;]+);/)[1].match(/\w+_?\w+/g).filter((w) => w !== 'or'))
    assert.match(metafed('help', 'chaos').stdout, new RegExp(`\\b${word}\\b`), word);
  assert.match(metafed('help', 'task', 'rm').stdout, /^Usage: metafed task rm ID/);
  assert.equal(metafed('help', 'nonsense').status, 2);
  assert.match(metafed('--nonsense').stderr, /--nonsense: is no option/);
  assert.match(metafed('errors', '--nonsense').stderr, /^metafed errors: unrecognized option/);
  assert.match(metafed('logs', '--nonsense').stderr, /usage: metafed logs/);
});

test('crashes of a fleet that is down are read from its directory', () => {
  const var_ = newDir();
  assert.equal(metafed('--var', var_, 'crashes').status, 6);
  mkdirSync(path.join(var_, 'crash'));
  for (const n of [1, 2, 3]) writeFileSync(path.join(var_, `crash/sql-${n}.json`), JSON.stringify({ id: `sql-${n}`, node: 'sql', at: `2026-11-22T00:00:0${n}Z`, how: 'signal 11' }));
  const ids = (...a) => JSON.parse(run(path.join(BIN, 'metafed'), ['--json', 'crashes', ...a], { env: { METAFED_VAR: var_ } }).stdout).items.map((c) => c.id);
  assert.deepEqual(ids(), ['sql-3', 'sql-2', 'sql-1']);
  assert.deepEqual(ids('--limit', '1'), ['sql-3']);
  assert.deepEqual(ids('--node', 'rest'), []);
  assert.equal(metafed('--var', var_, 'crashes', 'sql-4').status, 4);
  writeFileSync(path.join(var_, 'crash/meta-3.json'), JSON.stringify({ id: 'meta-3', node: 'meta', generation: 3, pid: 1, at: '2026-11-22T00:00:04Z', how: 'signal 6' }));
  const both = metafed('--var', var_, 'crashes', 'meta-3');
  assert.match(both.stdout, /^meta-3: signal 6\nmeta, generation 3, at /);
  assert.match(both.stderr, /meta-3 is the name of a process, too: .* crashes --node meta-3\n/);
  assert.doesNotMatch(metafed('--var', var_, 'crashes', 'sql-3').stderr, /process/);
  const none = metafed('--var', var_, 'crashes', 'meta-2');
  assert.equal(none.status, 4);
  assert.match(none.stderr, /crashes --node meta-2\n/);
  rmSync(var_, { recursive: true });
});

test('a script goes by its options, not by what the environment says to the command line', () => {
  const r = run('bash', ['-c', `. ${path.join(ROOT, 'scripts/lib.sh')}; echo "\${METAFED_VAR-}\${METAFED_CONFIG-}\${METAFED_URL-}"`], { env: { METAFED_VAR: '/a', METAFED_CONFIG: '/b', METAFED_URL: 'http://c' } });
  assert.deepEqual([r.status, r.stdout], [0, '\n'], r.stderr);
});

test('scripts/run names the dashboard only where there is one', async () => {
  const has = (port) => new Promise((done) => {
    execFile('bash', ['-c', `. ${path.join(ROOT, 'scripts/lib.sh')}; has_ui http://127.0.0.1:${port}`], (e) => done(e?.code ?? 0));
  });
  let status;
  const asked = [];
  const server = createServer((q, r) => { asked.push(q.url); r.writeHead(status).end('x'); }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  for (const [says, want] of [[200, 0], [404, 1]]) {
    status = says;
    assert.equal(await has(port), want, `${says}`);
  }
  assert.deepEqual(asked, ['/ui/', '/ui/']);
  server.close();
  await once(server, 'close');
  assert.equal(await has(port), 1);
  const script = readFileSync(path.join(ROOT, 'scripts/run'), 'utf8');
  assert.match(script, /! has_ui "\$url" \|\| dashboard=\$url\/ui$/m);
  assert.equal(script.split('$url/ui').length, 2, 'it is named nowhere else');
});

test('lint takes the generated headers of the build that it is told', () => {
  const dir = newDir();
  mkdirSync(path.join(dir, 'bin'));
  for (const tool of ['gcc', 'clang-tidy', 'cppcheck', 'clang-format-14'])
    writeFileSync(path.join(dir, 'bin', tool), `#!/bin/sh\necho "${tool} $*" >>${dir}/called\n`, { mode: 0o755 });
  const lint = (build) => {
    const r = run(path.join(ROOT, 'scripts/run-lint'), ['common/base/status.c'], { env: { PATH: `${dir}/bin:${process.env.PATH}`, BUILD: build } });
    assert.equal(r.status, 0, r.stdout + r.stderr);
    const called = readFileSync(path.join(dir, 'called'), 'utf8').split('\n');
    rmSync(path.join(dir, 'called'));
    return (tool) => called.find((l) => l.startsWith(tool));
  };
  const there = lint(path.join(dir, 'asan')), here = lint('build');
  for (const tool of ['gcc', 'cppcheck']) {
    assert.ok(there(tool).includes(` -I${dir}/asan/gen `), there(tool));
    assert.ok(here(tool).includes(` -I${ROOT}/build/gen `), here(tool));
  }
  assert.ok(there('clang-tidy').includes(` -p ${dir}/asan/lint `));
  assert.ok(readFileSync(path.join(dir, 'asan/lint/compile_flags.txt'), 'utf8').includes(`-I${dir}/asan/gen\n`));
  rmSync(dir, { recursive: true });
});

test('the version is the same wherever it is said', () => {
  const version = /^VERSION := (.*)$/m.exec(readFileSync(path.join(ROOT, 'Makefile'), 'utf8'))[1];
  assert.equal(JSON.parse(readFileSync(path.join(ROOT, 'services/api/rest/openapi.json'), 'utf8')).info.version, version);
  for (const f of ['services/cli/metafed.1', 'docker-compose.yml', 'deploy/docker/README.md']) {
    for (const [, said] of readFileSync(path.join(ROOT, f), 'utf8').matchAll(/metafed[ :](\d+\.\d+\.\d+)/g)) assert.equal(said, version, f);
  }
});

test('every script says what it is for before it does anything', () => {
  for (const name of ['run', 'stop', 'test']) {
    const r = run(path.join(ROOT, 'scripts', name), ['--help'], { timeout: 10_000 });
    assert.equal(r.status, 0, name);
    assert.match(r.stdout, new RegExp(`^${name}: `));
    assert.equal(run(path.join(ROOT, 'scripts', name), ['--nonsense'], { timeout: 10_000 }).status, 1, name);
  }
});

test('a file of tests that is killed at its time limit leaves nothing running', async (t) => {
  const dir = newDir(), said = path.join(dir, 'said'), file = path.join(dir, 'hangs.test.mjs');
  writeFileSync(file, `import { test } from 'node:test';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { Fleet } from '${path.join(ROOT, 'tests/harness/fleet.mjs')}';
test('hangs', async () => {
  const alone = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  const f = await Fleet.make();
  writeFileSync('${said}', JSON.stringify({ pid: alone.pid, dir: f.dir, var: f.var }));
  f.up();
  setInterval(() => {}, 1000);
  await new Promise(() => {});
});
`);
  const outside = spawn('sleep', ['600'], { stdio: 'ignore' });
  t.after(() => outside.kill());
  const r = run(path.join(ROOT, 'scripts/run-node-tests'), [file], { env: { METAFED_TEST_LIMIT: '10', NODE_TEST_CONTEXT: undefined, TEST_JOBS: '1', METAFED_BIN: BIN } });
  assert.notEqual(r.status, 0);
  const its = JSON.parse(readFileSync(said, 'utf8'));
  assert.match(r.stdout, /^it left \d+ processes running, which were ended; its directories: /m);
  assert.ok(r.stdout.includes(its.dir), r.stdout);
  assert.equal(alive(its.pid), false);
  assert.equal(alive(outside.pid), true);
  assert.deepEqual(Object.assign(await Fleet.make({ dir: its.dir }), its).processes(), []);
  rmSync(its.dir, { recursive: true });
  rmSync(dir, { recursive: true });
});

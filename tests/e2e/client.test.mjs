// The C client library as a stranger meets it: installed into a directory of its own, found by pkg-config, its examples compiled as
// their first lines say; then run against a fleet, beside the client in plain Python, which knows only proto/README.md.
import { test, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Fleet, ROOT, BIN, newDir, run, until } from '../harness/fleet.mjs';

const dir = newDir();
const prefix = path.join(dir, 'usr');
const env = { PKG_CONFIG_PATH: path.join(prefix, 'lib/pkgconfig'), LD_LIBRARY_PATH: path.join(prefix, 'lib') };
const examples = path.join(prefix, 'share/doc/metafed/examples');
const f = await Fleet.start();
after(async () => { await f.stop(); run('rm', ['-rf', dir]); });

const good = (r, what) => { assert.equal(r.status, 0, `${what}: ${r.stdout}${r.stderr}`); return r.stdout; };
const program = (name) => path.join(dir, name);
const build = (name, ...flags) => good(run('sh', ['-ec',
  `cc -Wall -Wextra -Werror -Wpedantic -std=c11 -o ${program(flags.length ? `${name}-static` : name)} ${examples}/${name}.c ` +
  `$(pkg-config --cflags metafed) $(pkg-config ${flags.length ? '--static ' : ''}--libs metafed${flags.length ? " | sed 's/-lmetafed /-l:libmetafed.a /'" : ''})`], { env }), name);
// As an administrator of the fleet would run it.
const use = (name, args, input = readFileSync(path.join(f.var, 'admin.json'))) => run(program(name), args, { env, input });

test('make install puts a library where pkg-config finds it', () => {
  good(run('make', ['-s', '-C', ROOT, `BUILD=${path.dirname(BIN)}`, 'install', `PREFIX=${prefix}`], { timeout: 600_000 }), 'make install');
  for (const name of ['submit', 'calls', 'poll']) build(name);
  assert.match(good(run('pkg-config', ['--modversion', 'metafed'], { env }), 'version'), /^\d+\.\d+\.\d+\n$/);
  assert.match(good(run('readelf', ['-d', program('submit')]), 'needed'), /NEEDED.*\[libmetafed\.so\.1\]/);
});

test('the examples link statically too, and then need no library of ours', () => {
  build('calls', 'static');
  assert.doesNotMatch(good(run('readelf', ['-d', program('calls-static')]), 'needed'), /libmetafed/);
});

test('exported is what the header declares, by the shared library and by the static one', () => {
  const declared = [...readFileSync(path.join(prefix, 'include/metafed/client.h'), 'utf8').matchAll(/\b(metafed_[a-z_]+)\(/g)].map((m) => m[1]);
  const wanted = [...new Set(declared)].filter((n) => !n.endsWith('_fn')).sort();
  const names = (...args) => good(run('nm', args), 'nm').split('\n').map((l) => l.match(/ [TDBRVW] ([\w]+)/)?.[1]).filter(Boolean).sort();
  const header = wanted.filter((n) => n !== 'metafed_execute');      // of methods.h, in an example at the top
  assert.deepEqual(names('-D', '--defined-only', path.join(prefix, 'lib/libmetafed.so.1')), header);
  assert.deepEqual(names('-g', '--defined-only', path.join(prefix, 'lib/libmetafed.a')), header);
});

test('the public headers bring no other of ours along, and C++ takes them', () => {
  const seen = good(run('sh', ['-c', `printf '#include <metafed/methods.h>\\n' | cc $(pkg-config --cflags metafed) -xc -M -`], { env }), 'cc -M');
  const ours = [...seen.matchAll(/\S*metafed\/(\S+)/g)].map((m) => m[1]).sort();
  assert.deepEqual(ours, ['client.h', 'methods.h', ...readdirSync(path.join(prefix, 'include/metafed/proto')).sort().map((n) => `proto/${n}`)]);
  assert.deepEqual(ours.filter((n) => /(sql|jwt|auth|database)\.pb-c\.h/.test(n)), []);
  if (spawnSync('c++', ['--version']).status !== 0) return;
  good(run('sh', ['-c', `printf '#include <metafed/client.h>\\n' | c++ -Wall -Werror $(pkg-config --cflags metafed) -xc++ -fsyntax-only -`], { env }), 'c++');
});

test('submit makes a task and shows the path that it took', async () => {
  const out = good(use('submit', [f.var, 'By a stranger'], ''), 'submit');
  const task = JSON.parse(out.split('\n')[0]);
  assert.equal((await f.call('GET', `/v1/tasks/${task.id}`)).json.title, 'By a stranger');
  for (const level of ['level 0  meta', 'level 1  database', 'level 2  sql']) assert.ok(out.includes(level), out);
});

test('each way a call can end is the same for the C library and for plain Python', () => {
  const c = good(use('calls', [f.var]), 'calls');
  assert.equal(good(run('python3', [path.join(examples, 'client.py'), f.var], { env, input: readFileSync(path.join(f.var, 'admin.json')) }), 'client.py'), c);
  assert.equal(good(use('calls-static', [f.var]), 'calls-static'), c);
  const ended = Object.fromEntries(c.trim().split('\n').map((l) => l.split(/ (.*)/)));
  for (const what of ['login', 'submit', 'read', 'list', 'afterwards']) assert.equal(ended[what], 'OK', c);
  assert.match(ended.missing, /^NOT_FOUND/);
  assert.match(ended.anonymous, /^(UNAUTHENTICATED|PERMISSION_DENIED)/);
  assert.match(ended.stranger, /^UNAUTHENTICATED/);
  assert.match(ended.refused, /^UNAUTHENTICATED/);
  assert.match(ended.late, /^DEADLINE_EXCEEDED/);
  assert.equal(ended.unknown, 'UNIMPLEMENTED NO_METHOD');
  assert.match(ended.cancelled, /^CANCELLED/);
});

test('a program with a loop of its own has many calls under way at once', () => {
  assert.equal(good(use('poll', [f.var, '500'], ''), 'poll'), '500 done, 0 failed\n');
});

test('calls of a library survive the node that they are at', async () => {
  const before = await f.pid('meta');
  const p = run('sh', ['-c', `(sleep 0.2; kill -9 ${before}) & exec ${program('poll')} ${f.var} 20000`], { env });
  assert.equal(p.stdout, '20000 done, 0 failed\n', p.stderr);
  await f.back('meta', before);
});

test('a place without a fleet is said at once, a fleet that does not answer at the first call', () => {
  const none = use('poll', [path.join(dir, 'nothing'), '1'], '');
  assert.equal(none.status, 2);
  assert.match(none.stderr, /no fleet there/);
  const silent = path.join(dir, 'silent');
  run('mkdir', ['-p', silent]);
  assert.match(use('poll', [silent, '1'], '').stdout, /0 done, 1 failed/);
});

test('what is no message of the protocol is hung up on, and the node goes on', async () => {
  const sock = path.join(f.var, 'run/bus/meta.sock');
  const ends = (bytes) => new Promise((resolve) => {
    const s = net.connect(sock, () => s.write(Buffer.from(bytes, 'hex')));
    s.on('data', () => {}).on('error', () => {}).on('close', resolve);
  });
  await ends('474554202f20');                                            // GET /
  await ends('0053500000310000');                                        // a rep, as it is one itself
  await ends('0053500000300000' + '02' + '0000000000000004' + '80000001');
  await ends('0053500000300000' + '01' + 'ffffffffffffffff');
  await ends('0053500000300000' + '01' + '0000000000000005' + '0000000100');   // no request id
  assert.equal(good(use('poll', [f.var, '10'], ''), 'poll'), '10 done, 0 failed\n');
});

test('make uninstall leaves nothing of it', async () => {
  good(run('make', ['-s', '-C', ROOT, `BUILD=${path.dirname(BIN)}`, 'uninstall', `PREFIX=${prefix}`]), 'make uninstall');
  await until(() => !existsSync(prefix) || readdirSync(prefix).length === 0, 'the prefix is empty');
});

// make install and uninstall: what is there, that it runs from where it is, that it goes again without a trace; the manual pages.
import { test, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, ROOT, BIN, NODES, newDir, run } from '../harness/fleet.mjs';

const dir = newDir();
const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
const make = (target, ...args) => {
  const r = run('make', ['-s', '-C', ROOT, `BUILD=${path.dirname(BIN)}`, target, ...args], { timeout: 600_000 });
  assert.equal(r.status, 0, `make ${target} ${args}: ${r.stdout}${r.stderr}`);
};
after(() => rmSync(dir, { recursive: true, force: true }));

// All that is below it: names, kinds, modes, sizes.
function tree(at, below = '') {
  return readdirSync(path.join(at, below)).sort().flatMap((name) => {
    const p = path.join(below, name);
    const s = lstatSync(path.join(at, p));
    const line = `${p} ${s.mode.toString(8)} ${s.isDirectory() ? '' : s.size}`;
    return s.isDirectory() ? [line, ...tree(at, p)] : [line];
  });
}

const prefix = path.join(dir, 'opt/metafed');

test('uninstall takes away what install has put, and nothing else; twice, in two places', () => {
  const other = path.join(dir, 'root');
  mkdirSync(path.join(dir, 'opt/metafed/share/man/man1'), { recursive: true, mode: 0o755 });      // of others
  writeFileSync(path.join(prefix, 'share/man/man1/other.1'), 'another page\n');
  mkdirSync(other);
  const debian = [`DESTDIR=${other}`, 'PREFIX=/usr', 'libdir=/usr/lib/x86_64-linux-gnu', 'bindir=/usr/sbin'];
  const before = tree(dir);
  for (const args of [[`PREFIX=${prefix}`], debian]) {
    make('install', ...args);
    const once = tree(dir);
    assert.notDeepEqual(once, before);
    make('install', ...args);      // over itself
    assert.deepEqual(tree(dir), once);
    make('uninstall', ...args);
    assert.deepEqual(tree(dir), before);
  }
});

test('each thing goes where the directory variables say', () => {
  make('install', `DESTDIR=${path.join(dir, 'root')}`, 'PREFIX=/usr', 'libdir=/usr/lib/here', 'includedir=/usr/include/here', 'mandir=/usr/man');
  const there = tree(path.join(dir, 'root')).map((l) => l.split(' ')[0]);
  for (const name of ['usr/bin/metafed', 'usr/bin/metafed-sql', 'usr/libexec/metafed/init-var', 'usr/lib/here/libmetafed.so.1', 'usr/lib/here/libmetafed.a',
    'usr/lib/here/pkgconfig/metafed.pc', 'usr/include/here/metafed/client.h', 'usr/include/here/metafed/proto/meta.pb-c.h', 'usr/man/man1/metafed.1', 'usr/man/man3/metafed_fd.3',
    'usr/man/man5/metafed.conf.5', 'usr/man/man7/metafed-protocol.7', 'usr/man/man8/metafed-meta.8', 'usr/share/bash-completion/completions/metafed',
    'usr/share/doc/metafed/PROTOCOL.md', 'usr/share/doc/metafed/examples/client.py', 'usr/share/metafed/proto/meta.proto', 'usr/lib/systemd/system/metafed.service'])
    assert.ok(there.includes(name), name);
  for (const name of there.filter((n) => /\.(service|pc|[1-8])$/.test(n))) {
    const p = path.join(dir, 'root', name);
    if (!lstatSync(p).isSymbolicLink()) assert.doesNotMatch(readFileSync(p, 'utf8'), /@[a-zA-Z]+@/, name);
  }
  rmSync(path.join(dir, 'root'), { recursive: true });
});

test('an installed fleet needs nothing of the tree that it was built from', async () => {
  make('install', `PREFIX=${prefix}`);
  const f = await Fleet.make({ dir: newDir(), bin: path.join(prefix, 'bin') });
  try {
    f.configure('');
    const user = process.getuid() === 0 ? 'metafed' : '';
    const r = run(path.join(prefix, 'libexec/metafed/init-var'), [f.var, String(f.port), user], { cwd: '/' });
    assert.equal(r.status, 0, r.stderr);
    const s = run(path.join(prefix, 'bin/metafed-meta'), ['--config', path.join(f.var, 'metafed.conf'), '--detach'], { cwd: '/' });
    assert.equal(s.status, 0, s.stderr);
    await f.login();
    assert.equal(run(path.join(prefix, 'bin/metafed'), ['--var', f.var, 'task', 'add', 'installed'], { cwd: '/', env: { METAFED_TOKEN_FILE: path.join(f.dir, 't') } }).status, 0);
    const ours = f.processes().filter((p) => p.cmd.includes('metafed-'));
    assert.ok(ours.length >= NODES.length);
    for (const p of ours) {
      assert.ok(readlinkSync(`/proc/${p.pid}/exe`).startsWith(prefix), p.cmd);
      assert.doesNotMatch(readFileSync(`/proc/${p.pid}/maps`, 'utf8'), new RegExp(`${path.dirname(BIN)}/`));
    }
  } finally { await f.stop(); }
});

test('the manual has every key of every program, with its default', () => {
  const page = readFileSync(path.join(prefix, 'share/man/man5/metafed.conf.5'), 'utf8').replaceAll('\\-', '-').replaceAll('\\e', '\\');
  const asked = NODES.map((n) => [path.join(BIN, `metafed-${n}`), ...(n === 'meta' ? ['--role=orchestrator'] : []), '--print-config']);
  asked.push([path.join(BIN, 'metafed-meta'), '--var', '/tmp', '--print-config']);
  const keys = new Set(asked.flatMap(([program, ...args]) => {
    const r = run(program, args, { cwd: '/' });
    assert.equal(r.status, 0, r.stderr);
    return r.stdout.split(/^\[/m)[0].split('\n').map((l) => l.match(/^([a-z]\w*) =/)?.[1]).filter(Boolean);
  }));
  assert.ok(keys.size > 100);
  assert.deepEqual([...keys].filter((k) => !page.includes(`\n.BR ${k} `) && !page.includes(`\n.BR ${k}\n`)), []);
});

test('groff and mandoc find nothing wrong with the pages', () => {
  const pages = ['man1', 'man3', 'man5', 'man7', 'man8'].flatMap((s) => readdirSync(path.join(prefix, 'share/man', s)).filter((n) => n.startsWith('metafed'))
    .map((n) => path.join(prefix, 'share/man', s, n))).filter((p) => !lstatSync(p).isSymbolicLink());
  assert.ok(pages.length >= 11);
  for (const page of pages) {
    const r = run('groff', ['-ww', '-t', '-mandoc', '-Tutf8', '-Z', page]);
    assert.equal(r.stderr, '', page);
    if (has('man')) assert.equal(run('man', ['--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', page], { env: { MANWIDTH: '80', LC_ALL: 'C.UTF-8' } }).stderr, '', page);
  }
  if (!has('mandoc')) return;
  const r = run('mandoc', ['-Tlint', '-Wwarning', ...pages]);
  assert.equal(r.stdout, '');
});

test('a page of the library says each function of its header, with its arguments', () => {
  const text = (p) => readFileSync(p, 'utf8').replace(/\\[-&]/g, (m) => m[1].replace('&', '')).replace(/^\.(nf|fi|BI?|PP).?/gm, '').replaceAll('"', '').replace(/\s+/g, '');
  const pages = readdirSync(path.join(ROOT, 'common/client/man')).map((n) => text(path.join(ROOT, 'common/client/man', n))).join('\n');
  for (const header of ['client.h', 'methods.h']) {
    const source = readFileSync(path.join(ROOT, 'common/metafed', header), 'utf8').replace(/\/\*[^]*?\*\//g, '').replace(/METAFED_(API|MUST)|static inline/g, '');
    const declared = [...source.matchAll(/^\s*((?:const |struct |enum )*[\w ]+\**\s*\*?)\s*(metafed_\w+)\(([^;{]*?)\)\s*(?:;|\n\{)/gm)].filter((m) => !m[0].includes('return') && !m[2].endsWith('_fn'));
    assert.equal(declared.length, header === 'client.h' ? readFileSync(path.join(ROOT, 'common/client/metafed.map'), 'utf8').match(/^\tmetafed_/gm).length : 4);
    for (const [, type, name, args] of declared)
      assert.ok(pages.includes(`${type}${name}(${args})`.replace(/\s+/g, '')), `${type}${name}(${args})`);
  }
});

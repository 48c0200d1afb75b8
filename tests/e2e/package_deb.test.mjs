// The Debian packages as files: what they say and what is in them. Installed, used, upgraded and purged they are by `make check-deb`.
// Alone: it runs make, as client.test.mjs does, and both would build the same files.
import { test, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { ROOT, BIN, newDir, run } from '../harness/fleet.mjs';

const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
const skip = !has('dpkg-deb') || !has('dpkg-shlibdeps');
const dir = newDir();
const build = path.dirname(BIN);
const packages = {};
after(() => rmSync(dir, { recursive: true, force: true }));

const field = (deb, name) => run('dpkg-deb', ['-f', deb, name]).stdout.trim();
const contents = (deb) => run('dpkg-deb', ['-c', deb]).stdout.trim().split('\n').map((l) => {
  const [mode, owner, , , , name, , target] = l.split(/ +/);
  return { mode, owner, name: name.replace(/^\./, ''), target };
});

test('make deb makes three packages, as anybody and without a network', { skip }, () => {
  const r = run('make', ['-s', '-C', ROOT, `BUILD=${build}`, 'deb'], { timeout: 600_000 });
  assert.equal(r.status, 0, r.stdout + r.stderr);
  for (const file of r.stdout.trim().split('\n')) packages[path.basename(file).split('_')[0]] = file;
  assert.deepEqual(Object.keys(packages).sort(), ['libmetafed-dev', 'libmetafed1', 'metafed']);
  const version = run(path.join(BIN, 'metafed'), ['--version']).stdout.match(/\d+\.\d+\.\d+/)[0];
  for (const deb of Object.values(packages)) assert.equal(field(deb, 'Version'), version);
});

test('they depend on what the programs link to, and on each other', { skip }, () => {
  const depends = field(packages.metafed, 'Depends');
  for (const p of ['libc6 (>= ', 'libpq5', 'libuv1', 'libsodium23', 'libprotobuf-c1', 'postgresql', 'redis-server', 'adduser']) assert.ok(depends.includes(p), `${p}: ${depends}`);
  assert.doesNotMatch(depends, /\$\{/);
  assert.match(field(packages.libmetafed1, 'Depends'), /libprotobuf-c1/);
  assert.ok(field(packages['libmetafed-dev'], 'Depends').includes(`libmetafed1 (= ${field(packages.libmetafed1, 'Version')})`));
});

test('everything is root\'s, no directory is writable by others, and nothing is in two packages', { skip }, () => {
  const seen = new Map();
  for (const [name, deb] of Object.entries(packages)) {
    for (const f of contents(deb)) {
      assert.equal(f.owner, 'root/root', f.name);
      assert.match(f.mode, /^(l.*|.r[-w]x?.*r.[-x]r.[-x])$/, f.name);
      assert.equal(f.mode[8] === 'w' && f.mode[0] !== 'l', false, f.name);
      if (f.mode[0] === 'd') continue;
      assert.ok(!seen.has(f.name), `${f.name}: ${name} and ${seen.get(f.name)}`);
      seen.set(f.name, name);
    }
  }
  for (const [name, where] of Object.entries({ '/usr/bin/metafed': 'metafed', '/usr/bin/metafed-sql': 'metafed', '/lib/systemd/system/metafed.service': 'metafed', '/etc/metafed/metafed.conf': 'metafed',
    '/usr/include/metafed/client.h': 'libmetafed-dev', '/usr/share/man/man3/metafed_open.3.gz': 'libmetafed-dev' })) assert.equal(seen.get(name), where, name);
  assert.deepEqual([...seen.keys()].filter((n) => n.startsWith('/usr/local') || n.startsWith('/var') || n.startsWith('/home')), []);
});

test('sums are right, the configuration is a conffile, scripts are shell that parses and end well where there is no systemd', { skip }, () => {
  for (const [name, deb] of Object.entries(packages)) {
    const at = path.join(dir, name);
    mkdirSync(at, { recursive: true });
    assert.equal(run('dpkg-deb', ['-R', deb, at]).status, 0);
    assert.equal(run('md5sum', ['-c', '--quiet', 'DEBIAN/md5sums'], { cwd: at }).status, 0);
    for (const script of ['preinst', 'postinst', 'prerm', 'postrm']) {
      const file = path.join(at, 'DEBIAN', script);
      if (run('test', ['-e', file]).status !== 0) continue;
      assert.equal(run('sh', ['-n', file]).status, 0, `${name}.${script}`);
      assert.ok((statSync(file).mode & 0o111) !== 0);
    }
  }
  assert.equal(readFileSync(path.join(dir, 'metafed/DEBIAN/conffiles'), 'utf8'), '/etc/metafed/metafed.conf\n');
  assert.match(readFileSync(path.join(dir, 'libmetafed1/DEBIAN/shlibs'), 'utf8'), /^libmetafed 1 libmetafed1 \(>= /);
  const unit = readFileSync(path.join(dir, 'metafed/lib/systemd/system/metafed.service'), 'utf8');
  for (const [, program] of unit.matchAll(/^Exec\w+=(\/usr\S+)/gm)) statSync(path.join(dir, 'metafed', program));
});

test('lintian finds no error', { skip: skip || !has('lintian') }, () => {
  const r = run('lintian', ['--fail-on', 'error', '--tag-display-limit', '0', ...Object.values(packages)]);
  assert.equal(r.status, 0, r.stdout);
});

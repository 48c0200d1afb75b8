// metafed top in a real terminal (a pseudo one, tests/harness/terminal.py, read by xterm's own parser) over a real fleet.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import xterm from '@xterm/headless';
import { BIN, Fleet, NODES, ROOT, alive, until } from '../harness/fleet.mjs';

let f, env;
before(async () => {
  f = await Fleet.start();
  env = { ...process.env, METAFED_TOKEN_FILE: path.join(f.dir, 'token'), TERM: 'xterm-256color', LANG: 'C.UTF-8' };
  for (const k of ['METAFED_URL', 'METAFED_VAR', 'NO_COLOR', 'LC_ALL']) delete env[k];
  const { username, password } = f.admin();
  const r = spawnSync(path.join(BIN, 'metafed'), ['--var', f.var, 'login', username, '--password-stdin'], { input: `${password}\n`, encoding: 'utf8', env });
  assert.equal(r.status, 0, r.stderr);
});
const open = [];
after(() => { for (const p of open) p.kill(); return f?.stop(); });

class Terminal {
  constructor({ rows = 24, cols = 80, args = [], more = {} } = {}) {
    this.term = new xterm.Terminal({ rows, cols, allowProposedApi: true });
    this.raw = '';
    this.p = spawn('python3', [path.join(ROOT, 'tests/harness/terminal.py'), String(rows), String(cols), path.join(BIN, 'metafed'), ...(args.length ? args : ['--var', f.var]), 'top'], { env: { ...env, ...more } });
    open.push(this.p);
    this.ended = new Promise((resolve) => {
      createInterface({ input: this.p.stdout }).on('line', (l) => {
        const m = JSON.parse(l);
        if (m.out === undefined) { resolve(m); return; }
        const bytes = Buffer.from(m.out, 'base64');
        this.raw += bytes.toString('latin1');
        this.term.write(bytes);
      });
      this.p.stderr.on('data', (d) => { this.raw += d; });
    });
  }
  say(o) { this.p.stdin.write(`${JSON.stringify(o)}\n`); }
  type(keys) { this.say({ keys }); }
  size(rows, cols) { this.term.resize(cols, rows); this.say({ rows, cols }); }
  lines() { const b = this.term.buffer.active; return Array.from({ length: this.term.rows }, (u, i) => b.getLine(b.viewportY + i)?.translateToString(true) ?? ''); }
  row(name) { return this.lines().find((l) => l.trim().split(/\s+/)[0] === name); }
  async shows(what, limit = 15_000) {
    try { await until(() => (typeof what === 'function' ? what(this.lines()) : this.lines().some((l) => what.test(l))), String(what), limit); }
    catch (e) { throw new Error(`${e.message}\n${this.lines().join('\n')}`); }
  }
  async quit() { this.type('q'); return this.ended; }
}
// As it was: its settings, the other screen left, the cursor shown.
const sane = ({ same }, t) => { assert.equal(same, true); assert.match(t.raw.slice(t.raw.lastIndexOf('\x1b[?1049l')), /^\x1b\[\?1049l/); assert.ok(t.raw.lastIndexOf('\x1b[?25h') > t.raw.lastIndexOf('\x1b[?25l')); };

test('it shows the fleet, follows what becomes of it, and leaves the terminal as it was', async () => {
  const t = new Terminal();
  await t.shows((lines) => NODES.every((n) => lines.some((l) => l.trim().startsWith(`${n} `) && l.includes('READY'))));
  await t.shows(/^metafed .* fleet normal {2}stores normal {2}journal 0/);
  await t.shows(/^requests [\d.]+\/s {2}p50 .* p99 .* errors /);
  const pid = await f.pid('rest');
  f.kill(pid);
  await t.shows(() => / READY +\S+ +\S+ +\S+ +1 /.test(t.row('rest') ?? ''));       // restarts in the window
  sane(await t.quit(), t);
});

test('a node is restarted by a key, after yes', async () => {
  const t = new Terminal();
  await t.shows(/cache +READY/);
  const pid = await f.pid('cache');
  t.type('/cache\r');
  await t.shows((lines) => lines.filter((l) => l.includes('READY')).length <= 2);
  t.type('r');
  await t.shows(/^Restart \S*cache\? .* y or n/);
  t.type('n');
  await t.shows(/^Nothing was done/);
  assert.equal(await f.pid('cache'), pid);
  t.type('r');
  await t.shows(/^Restart cache\?/);
  t.type('y');
  await t.shows(/^Restarted cache: READY/);
  assert.notEqual(await f.pid('cache'), pid);
  assert.equal((await t.quit()).status, 0);
});

test('it takes the size of its terminal, and what somebody stored is no order to it', async () => {
  const made = await f.call('POST', '/v1/tasks', { body: { title: 'x\u001b]0;owned\u0007\u009b2J漢字' } });
  assert.equal(made.status, 201, made.text);
  const t = new Terminal();
  await t.shows(/meta +READY/);
  t.type('3');
  await t.shows(/x \]0;owned +2J漢字/);
  t.type('\r');
  await t.shows(/task.created/);
  assert.ok(!t.raw.includes('owned\x07') && !t.raw.includes('\x1b]0;') && !t.raw.includes('\xc2\x9b'));
  t.type('q1');
  t.size(50, 120);
  await t.shows((lines) => lines.length === 50 && /^q quit/.test(lines[49]) && lines.some((l) => /supervisor +READY/.test(l)));
  t.size(12, 60);
  await t.shows((lines) => lines.length === 12 && /^q quit/.test(lines[11]));
  t.type('G');
  await t.shows(/^supervisor +READY/);
  t.type('?');
  await t.shows(/^ r +restart the node/);
  t.type('??q');
  t.type('q');
  sane(await t.ended, t);
});

test('signals end it as they end any program, and the terminal is as it was', async () => {
  for (const signal of [15, 2, 1]) {
    const t = new Terminal();
    await t.shows(/meta +READY/);
    t.say({ signal });
    const end = await t.ended;
    assert.equal(end.status, -signal);
    sane(end, t);
  }
});

test('a terminal without colours, and none at all', async () => {
  const t = new Terminal({ more: { TERM: 'vt100' } });
  await t.shows(/meta +READY/);
  assert.ok(!/\x1b\[[0-9;]*3[1-7]m/.test(t.raw));
  assert.equal((await t.quit()).same, true);
  const once = spawnSync(path.join(BIN, 'metafed'), ['--var', f.var, 'top', '--once'], { encoding: 'utf8', env });
  assert.equal(once.status, 0, once.stderr);
  assert.equal(once.stdout.split('\n').length, 25);
  for (const n of NODES) assert.match(once.stdout, new RegExp(`^ *${n} +READY`, 'm'));
  assert.ok(!once.stdout.includes('\x1b'));
  const pipe = spawnSync(path.join(BIN, 'metafed'), ['--var', f.var, 'top'], { encoding: 'utf8', env });
  assert.equal(pipe.status, 2);
  assert.match(pipe.stderr, /--once/);
});

test('the log of a node is followed and left again', async () => {
  const t = new Terminal();
  await t.shows(/meta +READY/);
  t.type('l');
  await t.shows(/The log of meta; Ctrl-C comes back|^\S+ info +meta /);
  t.type('\x03');
  await t.shows(/^ *api +READY/);
  sane(await t.quit(), t);
});

test('over HTTP it outlives the fleet, and says how old what it shows is', async () => {
  const { username, password } = f.admin();
  assert.equal(spawnSync(path.join(BIN, 'metafed'), ['--url', f.url, 'login', username, '--password-stdin'], { input: `${password}\n`, env }).status, 0);
  const t = new Terminal({ args: ['--url', f.url] });
  await t.shows(/meta +READY/);
  f.down();
  await t.shows(/STALE \d+ s/);
  await t.shows(/^no answer from http/);
  assert.match(t.row('meta'), /READY/);           // as it was last known
  t.type('l');
  await t.shows(/not --url/);
  f.up();
  await t.shows((lines) => !lines[0].includes('STALE') && /fleet normal/.test(lines[0]), 30_000);
  const pid = t.p.pid;
  sane(await t.quit(), t);
  await until(() => !alive(pid), 'the driver is gone');
});

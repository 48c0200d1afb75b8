// The fleet as containers run it: no supervisor, the bus over TCP with a key per node, heartbeats to meta. The test is the
// runtime: it starts again what exits. Stores, signing keys and administrator are those of a supervised fleet beside it.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync, readFileSync, openSync, chownSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Fleet, BIN, NODES, freePort, sleep, run, failures } from '../harness/fleet.mjs';

const root = process.getuid() === 0;
const ids = {};
const procs = {};
let host, f, dir, ports, running = true;

function conf(node) {
  const peers = NODES.map((n) => `${n}=tcp://127.0.0.1:${ports[n]}`).join(',');
  return `var = ${dir}/${node}
bus_listen = tcp://127.0.0.1:${ports[node]}
bus_peers = ${peers}
bus_key_file = ${dir}/keys/${node}.key
bus_trust_file = ${dir}/keys/trust
heartbeat = yes
[api]
listen = 127.0.0.1:${f.port}
[sql]
pg = host=${host.var}/run/stores dbname=metafed user=metafed
pg_password_file = ${host.var}/secrets/pg-password
[nosql]
pg = host=${host.var}/run/stores dbname=metafed user=metafed
pg_password_file = ${host.var}/secrets/pg-password
redis_docs = unix:${host.var}/run/stores/redis-docs.sock
[cache]
redis_cache = unix:${host.var}/run/stores/redis-cache.sock
[jwt]
signing_dir = ${host.var}/secrets/signing
admin_file = ${host.var}/admin.json
[oauth]
signing_dir = ${host.var}/secrets/signing
admin_file = ${host.var}/admin.json
`;
}

function start(node) {
  const log = openSync(path.join(dir, `${node}.log`), 'a');
  const p = spawn(path.join(BIN, `metafed-${node}`), [...(node === 'meta' ? ['--role=orchestrator'] : []), '--config', path.join(dir, `${node}.conf`)],
    { stdio: ['ignore', log, log], env: { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' }, ...ids });
  procs[node] = p;
  p.on('exit', () => { if (running && procs[node] === p) setTimeout(() => running && start(node), 100); });
}

async function ready(limit = 60_000) {
  const end = Date.now() + limit;
  for (;;) {
    let n = {};
    try { n = await f.nodes(); } catch { /* not yet */ }
    if (NODES.every((name) => n[name]?.state === 'READY')) return n;
    if (Date.now() > end) assert.fail(`not READY: ${JSON.stringify(Object.values(n).map((x) => [x.name, x.state]))}\n${NODES.map((x) => `${x}: ${readFileSync(path.join(dir, `${x}.log`), 'utf8').split('\n').slice(-4).join('\n')}`).join('\n')}`);
    await sleep(100);
  }
}

before(async () => {
  host = await Fleet.start();
  dir = path.join(host.dir, 'tcp');
  mkdirSync(dir, { mode: 0o755 });
  assert.equal(run(path.join(BIN, 'metafed'), ['keys', 'init', `${dir}/keys`, ...NODES, 'stranger']).status, 0);
  if (root) {
    ids.uid = Number(execFileSync('id', ['-u', 'metafed'], { encoding: 'utf8' }));
    ids.gid = Number(execFileSync('id', ['-g', 'metafed'], { encoding: 'utf8' }));
    for (const p of [dir, `${dir}/keys`, ...readdirSync(`${dir}/keys`).map((n) => `${dir}/keys/${n}`)]) chownSync(p, ids.uid, ids.gid);
  }
  f = new Fleet();
  Object.assign(f, { dir, var: host.var, port: await freePort(), agent: host.agent });
  ports = {};
  for (const n of NODES) ports[n] = await freePort();
  for (const n of NODES) {
    mkdirSync(path.join(dir, n), { mode: 0o700 });
    if (root) chownSync(path.join(dir, n), ids.uid, ids.gid);
    writeFileSync(path.join(dir, `${n}.conf`), conf(n));
    start(n);
  }
  await f.login(60_000);
});
after(async () => {
  running = false;
  for (const p of Object.values(procs)) p.kill('SIGKILL');
  await host?.stop();
});

test('all thirteen report READY by heartbeat, and the path works over sealed links', async () => {
  await ready();
  const made = await f.call('POST', '/v1/tasks', { body: { title: 'over tcp' } });
  assert.equal(made.status, 201, made.text);
  assert.equal((await f.call('GET', `/v1/tasks/${made.json.id}`)).json.title, 'over tcp');
});

test('kill -9 of an agent: its stand-in answers, the runtime starts it again', async () => {
  const load = f.load(100, 2, () => ['GET', '/v1/tasks?limit=1', {}]);
  await sleep(500);
  procs.rest.kill('SIGKILL');
  assert.deepEqual(failures(await load), []);
  await ready();
});

test('a node that hangs is isolated and seen; going on, it is asked to exit and comes back new', async () => {
  const before = (await f.nodes()).graphql;
  procs.graphql.kill('SIGSTOP');
  const end = Date.now() + 30_000;
  while ((await f.nodes()).graphql.state === 'READY') {
    assert.ok(Date.now() < end, 'its silence is noticed');
    await sleep(100);
  }
  assert.deepEqual(failures(await f.load(50, 1, () => ['GET', '/v1/tasks?limit=1', {}])), []);
  procs.graphql.kill('SIGCONT');
  const back = await ready();
  assert.notEqual(back.graphql.generation, before.generation);
});

test('a host that froze for a while: nobody is isolated, nobody restarts', async () => {
  const generations = async () => Object.fromEntries(Object.entries(await ready()).map(([name, n]) => [name, n.generation]));
  const before = await generations();
  for (const p of Object.values(procs)) p.kill('SIGSTOP');
  await sleep(4000);      // a beat may be missing for 3 s
  for (const p of Object.values(procs)) p.kill('SIGCONT');
  await f.call('GET', '/livez', { token: null });
  await sleep(1500);      // some looks for missing beats
  assert.deepEqual(await generations(), before);
});

// metafed in a node's container: the same configuration, the same key, no --url.
const within = (node, cmd, args, env = {}) => run(path.join(BIN, cmd), args,
  { ...ids, env: { METAFED_CONFIG: path.join(dir, `${node}.conf`), METAFED_TOKEN_FILE: path.join(dir, 'cli-token'), ...env } });

test('the command line speaks to a fleet over tcp, as its configuration and its key say', () => {
  const admin = { METAFED_ADMIN_FILE: path.join(host.var, 'admin.json') };
  const made = within('rest', 'metafed', ['--json', 'task', 'add', 'from within'], admin);
  assert.equal(made.status, 0, made.stderr);
  const got = within('sql', 'metafed', ['--json', 'task', 'get', JSON.parse(made.stdout).id]);
  assert.equal(got.status, 0, got.stderr);      // the log-in was kept
  assert.equal(JSON.parse(got.stdout).title, 'from within');
  assert.match(within('rest', 'metafed', ['fleet']).stdout, /websocket/);
});

test('a client with a key of its own gets in by the front doors, and there its credential decides', () => {
  const own = path.join(dir, 'own');
  mkdirSync(own);
  writeFileSync(path.join(own, 'metafed.conf'), conf('rest').replace('rest.key', 'stranger.key').replace(/^var = .*$/m, ''));
  writeFileSync(path.join(own, 'admin.json'), readFileSync(path.join(host.var, 'admin.json')));
  const r = within('none', 'examples/submit', [own, 'From a client of its own']);
  assert.equal(r.status, 0, r.stderr);
  assert.equal(JSON.parse(r.stdout.split('\n')[0]).title, 'From a client of its own');
  const list = within('none', 'metafed', ['--var', own, '--json', 'task', 'list', '--limit', '1']);
  assert.equal(list.status, 0, list.stderr);
  assert.equal(JSON.parse(list.stdout).items.length, 1);
  const nameless = within('none', 'metafed', ['--var', own, 'task', 'list'],
    { METAFED_ADMIN_FILE: '/nowhere', METAFED_TOKEN_FILE: path.join(dir, 'no-token') });
  assert.equal(nameless.status, 3, nameless.stderr);
  const nobody = within('none', 'metafed', ['--var', own, 'task', 'list'], { METAFED_BUS_PEERS: 'tcp://127.0.0.1:1' });
  assert.equal(nobody.status, 6);
  assert.match(nobody.stderr, /no answer over tcp:\/\/127\.0\.0\.1:1/);
  const keyless = within('none', 'metafed', ['--var', own, 'task', 'list'], { METAFED_BUS_KEY_FILE: '/nowhere' });
  assert.equal(keyless.status, 6);
  assert.match(keyless.stderr, /\/nowhere: No such file/);
});

test('guesses of a client with a key of its own are counted under that key, whatever address he claims', async () => {
  const own = path.join(dir, 'own');
  const guess = () => run(path.join(BIN, 'metafed'), ['--var', own, 'login', 'nobody-of-this-name', '--password-stdin'],
    { ...ids, input: 'guessed\n', env: { METAFED_TOKEN_FILE: path.join(dir, 'no-token') } });
  let last;
  for (let i = 0; i < 13; i++) last = guess();
  assert.equal(last.status, 6, last.stderr);      // 429
  assert.match(readFileSync(path.join(dir, 'auth.log'), 'utf8'), /"event":"login_limited".*"address":"key:stranger"/);
});

test('a node without its key, or with another node\'s, does not start', () => {
  const other = path.join(dir, 'other.conf');
  for (const [key, why] of [['', /key/], [`${dir}/keys/stranger.key`, /stranger/], [`${dir}/keys/none.key`, /none\.key/]]) {
    writeFileSync(other, conf('sql').replace(/bus_key_file = .*/, `bus_key_file = ${key}`));
    const r = run(path.join(BIN, 'metafed-sql'), ['--config', other], { timeout: 5000, ...ids });
    assert.equal(r.status, 1, r.stderr);
    assert.match(r.stderr, why);
  }
});

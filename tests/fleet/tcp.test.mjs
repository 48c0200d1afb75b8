// The fleet as containers run it: no supervisor, the bus over TCP with a key per node, heartbeats to meta. The test is the
// runtime: it starts again what exits. Stores, signing keys and administrator are those of a supervised fleet beside it.
// Alone: it takes the time without a leader.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync, readFileSync, openSync, chownSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Fleet, BIN, NODES, freePort, sleep, run, failures, until } from '../harness/fleet.mjs';
import { Writers } from '../harness/writers.mjs';

const root = process.getuid() === 0;
const METAS = ['meta', 'meta-2', 'meta-3'], ALL = [...NODES, 'meta-2', 'meta-3'];
const ids = {};
const procs = {};
const held = new Set();      // nodes that the runtime does not start again
let host, f, dir, ports, standbys = 0, running = true;

function conf(node) {
  const peers = ALL.map((n) => `${n}=tcp://127.0.0.1:${ports[n]}`).join(',');
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
  const log = openSync(path.join(dir, `${node}.log`), 'a'), meta = METAS.includes(node);
  const env = { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', METAFED_STANDBYS: String(standbys), ...(meta ? { METAFED_NODE: node } : {}) };
  const p = spawn(path.join(BIN, `metafed-${meta ? 'meta' : node}`), [...(meta ? ['--role=orchestrator'] : []), '--config', path.join(dir, `${node}.conf`)], { stdio: ['ignore', log, log], env, ...ids });
  procs[node] = p;
  p.on('exit', () => { if (running && procs[node] === p && !held.has(node)) setTimeout(() => running && start(node), 100); });
}

async function ready(names = NODES, limit = 60_000) {
  const end = Date.now() + limit;
  for (;;) {
    let n = {};
    try { n = await f.nodes(); } catch { /* not yet */ }
    if (names.every((name) => n[name]?.state === 'READY')) return n;
    if (Date.now() > end) assert.fail(`not READY: ${JSON.stringify(Object.values(n).map((x) => [x.name, x.state]))}\n${names.map((x) => `${x}: ${readFileSync(path.join(dir, `${x}.log`), 'utf8').split('\n').slice(-4).join('\n')}`).join('\n')}`);
    await sleep(100);
  }
}

before(async () => {
  host = await Fleet.start();
  dir = path.join(host.dir, 'tcp');
  mkdirSync(dir, { mode: 0o755 });
  assert.equal(run(path.join(BIN, 'metafed'), ['keys', 'init', `${dir}/keys`, ...ALL, 'stranger']).status, 0);
  if (root) {
    ids.uid = Number(execFileSync('id', ['-u', 'metafed'], { encoding: 'utf8' }));
    ids.gid = Number(execFileSync('id', ['-g', 'metafed'], { encoding: 'utf8' }));
    for (const p of [dir, `${dir}/keys`, ...readdirSync(`${dir}/keys`).map((n) => `${dir}/keys/${n}`)]) chownSync(p, ids.uid, ids.gid);
  }
  f = new Fleet();
  Object.assign(f, { dir, var: host.var, port: await freePort(), agent: host.agent });
  ports = {};
  for (const n of ALL) ports[n] = await freePort();
  for (const n of ALL) {
    mkdirSync(path.join(dir, n), { mode: 0o700 });
    if (root) chownSync(path.join(dir, n), ids.uid, ids.gid);
    writeFileSync(path.join(dir, `${n}.conf`), conf(n));
  }
  NODES.forEach(start);
  await f.login(60_000);
});
after(async () => {
  running = false;
  Writers.end();
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
  async function without(names, what) {
  for (const n of names) { held.add(n); procs[n].kill('SIGTERM'); }
  await what();
  for (const n of names) { held.delete(n); start(n); }
}
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
  const alone = within('meta-2', 'metafed-meta', ['--role=orchestrator', '--config', path.join(dir, 'meta-2.conf')], { METAFED_NODE: 'meta-2' });
  assert.equal(alone.status, 1, 'nobody would call it');
  assert.match(alone.stderr, /METAFED_STANDBYS/);
});

// --- orchestrators that stand by: two containers more, and METAFED_STANDBYS for all ---

const leader = async () => Object.values(await f.nodes()).find((n) => n.leads);
const leads = (test, what) => until(async () => { try { const l = await leader(); return l && test(l.name); } catch { return false; } }, what);
async function without(names, what) {
  for (const n of names) { held.add(n); procs[n].kill('SIGTERM'); }
  await what();
  for (const n of names) { held.delete(n); start(n); }
}
const generations = async () => Object.fromEntries(Object.values(await ready(ALL)).map((n) => [n.name, n.generation]));

test('with two that stand by, one leads; all of them are seen, and the command line finds who leads', async () => {
  running = false;
  await Promise.all(Object.values(procs).map((p) => new Promise((resolve) => { p.once('exit', resolve); p.kill('SIGTERM'); })));
  standbys = 2;
  running = true;
  ALL.forEach(start);
  await f.login(60_000);
  const nodes = await ready(ALL);
  assert.equal(METAS.filter((m) => nodes[m].leads).length, 1);
  for (let i = 0; i < 2; i++) {
    const l = await leader();
    const list = within('rest', 'metafed', ['--json', 'fleet'], { METAFED_STANDBYS: '2' });
    assert.equal(list.status, 0, list.stderr);
    assert.deepEqual(JSON.parse(list.stdout).nodes.concat(JSON.parse(list.stdout).apart).filter((n) => n.leads).map((n) => n.name), [l.name]);
    if (i === 0) await without([l.name], () => leads((n) => n !== l.name, 'who is asked to end hands over'));
  }
});

test('kill -9 of the leader, which is not started again: another one leads in less than two seconds, nobody restarts', async () => {
  const before = await generations(), old = (await leader()).name, w = new Writers(f, 4);
  await w.start();
  held.add(old);
  const at = performance.now();
  procs[old].kill('SIGKILL');
  await w.more();
  const gap = w.gap(at);
  console.log(`# measured take-over over tcp after kill -9: ${gap} ms`);
  assert.ok(gap < 2000, `${gap} ms`);
  await ready(ALL.filter((n) => n !== old));      // by heartbeats to the new one
  await w.check();
  held.delete(old);
  start(old);
  const after = await generations();
  for (const n of ALL) if (n !== old) assert.equal(after[n], before[n], n);
});

test('a leader that is stopped is replaced; when it leads again it restarts nobody for its own silence', async () => {
  const before = await generations(), old = (await leader()).name, w = new Writers(f, 4);
  await w.start();
  const at = performance.now();
  procs[old].kill('SIGSTOP');
  await w.more();
  const gap = w.gap(at);
  console.log(`# measured take-over over tcp after SIGSTOP: ${gap} ms`);
  assert.ok(gap < 2000, `${gap} ms`);
  procs[old].kill('SIGCONT');
  await sleep(4000);      // a beat may be missing for 3 s, and all of them go to another one
  await without(METAS.filter((n) => n !== old), async () => {
    await leads((n) => n === old, `${old} leads again`);
    await sleep(1500);      // some looks for missing beats
  });
  const after = await generations();
  for (const n of NODES) if (!METAS.includes(n)) assert.equal(after[n], before[n], n);
  await w.check();
});

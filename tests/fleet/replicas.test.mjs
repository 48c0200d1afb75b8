// Several processes of one name, over tcp: hosts are network namespaces, each process has an address of its own as a pod has, names
// are resolved by a small DNS server here, which does what a headless service does. The test is the runtime: it starts again what ends.
// Stores, signing keys and administrator are those of a supervised fleet beside it.
// Alone: it counts who gets how much of a load.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync, readFileSync, readdirSync, openSync, chownSync, rmSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { Fleet, BIN, NODES, sleep, run, failures, until } from '../harness/fleet.mjs';

const skip = process.getuid() === 0 ? false : 'network namespaces need root';
const MANY = ['api', 'rest', 'graphql', 'websocket', 'sql'];
const TOKEN = 'a-token-to-read-metrics-with';
const id = process.pid % 10000, subnet = `10.${200 + id % 50}.${id % 250}`, bridge = `mfb${id}`;
const hosts = { a: { ns: `mf${id}a` }, b: { ns: `mf${id}b` }, c: { ns: `mf${id}c` } };
const names = new Map();      // what DNS answers: name -> addresses
const places = [];            // { node, instance, host, address }
const procs = new Map();      // instance -> process
const held = new Set();       // instances that the runtime does not start again
const ids = {};
let host, f, dir, dns, running = true, last = 10;

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });

// Answers A questions, with no time to live; a name that has no address is none.
function serveNames(address) {
  return new Promise((resolve, reject) => {
    const s = createSocket('udp4');
    s.on('message', (q, from) => {
      const labels = [];
      let at = 12;
      for (; q[at]; at += q[at] + 1) labels.push(q.toString('latin1', at + 1, at + 1 + q[at]));
      const type = q.readUInt16BE(at + 1), all = names.get(labels.join('.').toLowerCase());
      const rows = type === 1 ? all ?? [] : [], head = Buffer.from(q.subarray(0, at + 5));
      head.writeUInt16BE(all?.length ? 0x8580 : 0x8583, 2);
      head.writeUInt16BE(1, 4);
      head.writeUInt16BE(rows.length, 6);
      head.writeUInt32BE(0, 8);
      s.send(Buffer.concat([head, ...rows.map((a) => Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...a.split('.').map(Number)]))]), from.port, from.address);
    });
    s.once('error', reject).bind(53, address, () => resolve(s));
  });
}

function makeHosts() {
  ip('link', 'add', bridge, 'type', 'bridge');
  ip('addr', 'add', `${subnet}.1/24`, 'dev', bridge);
  ip('link', 'set', bridge, 'up');
  for (const h of Object.values(hosts)) {
    ip('netns', 'add', h.ns);
    ip('link', 'add', `${h.ns}o`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', h.ns);
    ip('link', 'set', `${h.ns}o`, 'master', bridge, 'up');
    ip('-n', h.ns, 'link', 'set', 'lo', 'up');
    ip('-n', h.ns, 'link', 'set', 'eth0', 'up');
    mkdirSync(`/etc/netns/${h.ns}`, { recursive: true });
    writeFileSync(`/etc/netns/${h.ns}/resolv.conf`, `nameserver ${subnet}.1\noptions timeout:1 attempts:1\n`);
  }
}
const cable = (h, state) => ip('link', 'set', `${hosts[h].ns}o`, state);

function place(node, h, instance = `${node}-${h}`) {
  const p = { node, instance, host: h, address: `${subnet}.${last++}` };
  ip('-n', hosts[h].ns, 'addr', 'add', `${p.address}/24`, 'dev', 'eth0');
  places.push(p);
  writeFileSync(path.join(dir, `${instance}.conf`), `var = ${dir}/${instance}
bus_listen = tcp://${p.address}:7700
bus_peers = tcp://%s:7700
bus_key_file = ${dir}/keys/${node}.key
bus_trust_file = ${dir}/keys/trust
heartbeat = yes
[api]
listen = ${p.address}:8080
behind_proxy = yes
metrics_token_file = ${dir}/keys/metrics-token
[sql]
pg = host=${host.var}/run/stores dbname=metafed user=metafed
pg_password_file = ${host.var}/secrets/pg-password
pg_short_conns = 4
pg_long_conns = 2
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
`);
  mkdirSync(path.join(dir, instance), { mode: 0o700 });
  chownSync(path.join(dir, instance), ids.uid, ids.gid);
  return p;
}
const announce = (p) => names.set(p.node, [...names.get(p.node) ?? [], p.address]);
const withdraw = (p) => names.set(p.node, names.get(p.node).filter((a) => a !== p.address));

function start(p) {
  const log = openSync(path.join(dir, `${p.instance}.log`), 'a');
  const child = spawn('ip', ['netns', 'exec', hosts[p.host].ns, 'setpriv', '--reuid', ids.uid, '--regid', ids.gid, '--clear-groups',
    path.join(BIN, `metafed-${p.node}`), ...(p.node === 'meta' ? ['--role=orchestrator'] : []), '--config', path.join(dir, `${p.instance}.conf`)],
  { stdio: ['ignore', log, log], env: { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', ...(MANY.includes(p.node) ? { METAFED_INSTANCE: p.instance } : {}) } });
  procs.set(p.instance, child);
  child.on('exit', () => { if (running && procs.get(p.instance) === child && !held.has(p.instance)) setTimeout(() => running && start(p), 100); });
}

// Requests go to one of the processes of api, as a balancer before them would send them.
function gate(p) {
  const g = new Fleet();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
  agent.createConnection = () => net.connect(8080, p.address);
  return Object.assign(g, { dir, var: host.var, port: 8080, agent });
}

const rows = async () => Object.values(await f.nodes());
const ofName = (all, node) => all.filter((r) => r.instance?.startsWith(`${node}-`) && r.domain !== 'store');
async function settled(wanted, what, limit = 30_000) {
  let seen;
  await until(async () => {
    try { seen = await rows(); } catch { return false; }
    return NODES.every((n) => seen.some((r) => r.name === n && r.state === 'READY')) &&
      MANY.every((n) => JSON.stringify(ofName(seen, n).filter((r) => r.state === 'READY').map((r) => r.instance).sort()) === JSON.stringify(wanted(n)));
  }, () => `${what}: ${JSON.stringify(seen?.map((r) => [r.name, r.instance, r.state]))}`, limit);
  return seen;
}

// How many calls of a service each process of a name has served.
async function served(node, service) {
  const page = (await f.call('GET', '/metrics', { token: TOKEN })).text, out = {};
  for (const m of page.matchAll(/^metafed_bus_served_total\{([^}]*)\} (\S+)/gm)) {
    const l = Object.fromEntries([...m[1].matchAll(/(\w+)="([^"]*)"/g)].map((x) => [x[1], x[2]]));
    if (l.node === node && l.service === service) out[l.replica ?? l.node] = (out[l.replica ?? l.node] ?? 0) + Number(m[2]);
  }
  return out;
}
async function shares(node, service, work) {
  const old = await served(node, service);
  await work();
  const now = await served(node, service);
  return Object.fromEntries(Object.entries(now).map(([k, v]) => [k, v - (old[k] ?? 0)]));
}
const work = (i) => i % 4 === 0 ? ['POST', '/v1/tasks', { body: { title: `of many ${i}` } }] : ['GET', '/v1/tasks?limit=2', {}];

before(async () => {
  if (skip) return;
  host = await Fleet.start();
  dir = path.join(host.dir, 'tcp');
  mkdirSync(dir, { mode: 0o755 });
  assert.equal(run(path.join(BIN, 'metafed'), ['keys', 'init', `${dir}/keys`, ...NODES]).status, 0);
  writeFileSync(`${dir}/keys/metrics-token`, TOKEN, { mode: 0o600 });
  ids.uid = Number(execFileSync('id', ['-u', 'metafed'], { encoding: 'utf8' }));
  ids.gid = Number(execFileSync('id', ['-g', 'metafed'], { encoding: 'utf8' }));
  for (const p of [dir, `${dir}/keys`, ...readdirSync(`${dir}/keys`).map((n) => `${dir}/keys/${n}`)]) chownSync(p, ids.uid, ids.gid);
  makeHosts();
  dns = await serveNames(`${subnet}.1`);
  for (const n of NODES) announce(place(n, 'a'));
  for (const n of MANY) announce(place(n, 'b'));
  places.forEach(start);
  f = gate(places.find((p) => p.instance === 'api-a'));
  await f.login(60_000);
});
after(async () => {
  if (skip) return;
  running = false;
  for (const p of procs.values()) p.kill('SIGKILL');
  f?.agent.destroy();
  dns?.close();
  for (const h of Object.values(hosts)) {
    run('ip', ['netns', 'del', h.ns]);
    rmSync(`/etc/netns/${h.ns}`, { recursive: true, force: true });
  }
  run('ip', ['link', 'del', bridge]);
  await host?.stop();
});

test('two of each that may be many are found by name, and each is shown', { skip }, async () => {
  const all = await settled((n) => [`${n}-a`, `${n}-b`], 'two of each');
  for (const n of MANY) assert.equal(all.filter((r) => r.name === n).length, 1, `${n}: one row has the name`);
  assert.equal(all.length, NODES.length + MANY.length);
});

test('a load is shared out, whichever api it comes through', { skip }, async () => {
  const other = Object.assign(gate(places.find((p) => p.instance === 'api-b')), { token: f.token });
  for (const [node, service] of [['rest', 'mf.Rest'], ['sql', 'mf.Sql']]) {
    const share = await shares(node, service, async () => {
      const all = await Promise.all([f.load(60, 2, work), other.load(60, 2, work)]);
      assert.deepEqual(failures(all.flat()), []);
    });
    const [a, b] = [`${node}-a`, `${node}-b`].map((k) => share[k] ?? 0);
    console.log(`# measured share of ${node}: ${a} and ${b}`);
    // Who is slow for a while, on a busy machine, gets less.
    assert.ok(Math.min(a, b) > (a + b) / 10, JSON.stringify(share));
  }
  other.agent.destroy();
});

test('kill -9 of one of two: no request fails, the other does its work, and it comes back', { skip }, async () => {
  for (const instance of ['rest-b', 'sql-b', 'rest-a', 'sql-a']) {
    const load = f.load(100, 2, work);
    await sleep(500);
    procs.get(instance).kill('SIGKILL');
    assert.deepEqual(failures(await load), [], instance);
    await settled((n) => [`${n}-a`, `${n}-b`], `${instance} is back`);
  }
});

test('what was written through one is read through the other, and a retry does nothing twice', { skip }, async () => {
  const other = Object.assign(gate(places.find((p) => p.instance === 'api-b')), { token: f.token });
  for (let i = 0; i < 20; i++) {
    const key = `"replicas-${i}"`, body = { title: `once ${i}` };
    const made = await f.call('POST', '/v1/tasks', { body, headers: { 'idempotency-key': key } });
    assert.equal(made.status, 201, made.text);
    assert.equal((await other.call('POST', '/v1/tasks', { body, headers: { 'idempotency-key': key } })).json.id, made.json.id);
    const changed = await other.call('PATCH', `/v1/tasks/${made.json.id}`, { body: { title: `twice ${i}` }, headers: { 'if-match': made.headers.etag, 'content-type': 'application/merge-patch+json' } });
    assert.equal(changed.status, 200, changed.text);
    assert.equal((await f.call('GET', `/v1/tasks/${made.json.id}`)).json.title, `twice ${i}`);
  }
  other.agent.destroy();
});

test('a token that is revoked through one api is refused by all of them within a second', { skip }, async () => {
  const other = gate(places.find((p) => p.instance === 'api-b'));
  const own = Object.assign(gate(places.find((p) => p.instance === 'api-a')), {});
  const { access_token: token, refresh_token } = await own.login();
  const ask = (g) => g.call('GET', '/v1/tasks?limit=1', { token });
  assert.deepEqual([(await ask(f)).status, (await ask(other)).status], [200, 200]);
  assert.ok([200, 204].includes((await own.call('POST', '/v1/auth/logout', { body: { refresh_token }, token })).status));
  const end = Date.now() + 1000;
  while (Date.now() < end && ((await ask(f)).status !== 401 || (await ask(other)).status !== 401)) await sleep(20);
  for (let i = 0; i < 20; i++) assert.deepEqual([(await ask(f)).status, (await ask(other)).status], [401, 401]);
  for (const g of [own, other]) g.agent.destroy();
});

test('a third one joins, gets its share, and leaves as it is asked to: no request fails, its row goes', { skip }, async () => {
  const open = () => readdirSync(`/proc/${procs.get('api-a').pid}/fd`).length;
  const files = open(), third = [place('rest', 'c'), place('sql', 'c')];
  for (const p of third) { start(p); announce(p); }
  await settled((n) => third.some((p) => p.node === n) ? [`${n}-a`, `${n}-b`, `${n}-c`] : [`${n}-a`, `${n}-b`], 'three');
  await until(async () => (await shares('rest', 'mf.Rest', async () => assert.deepEqual(failures(await f.load(100, 1, work)), [])))['rest-c'] > 10, 'the third has a share', 20_000);
  const load = f.load(100, 8, work);
  await sleep(500);
  for (const p of third) {
    held.add(p.instance);
    withdraw(p);
    procs.get(p.instance).kill('SIGTERM');
  }
  assert.deepEqual(failures(await load), []);
  const all = await settled((n) => [`${n}-a`, `${n}-b`], 'two again');
  await until(async () => (await rows()).length === NODES.length + MANY.length, 'the rows of those that left are gone', 15_000);
  assert.ok(third.every((p) => procs.get(p.instance).exitCode === 0), 'they drained');
  assert.equal(ofName(all, 'rest').length, 2);
  await until(() => open() <= files + 4, () => `descriptors of api: ${files} before, ${open()} now`, 15_000);
});

test('a host that is cut off: its processes are passed over, requests go on, and it is back when the cable is', { skip }, async () => {
  await f.load(50, 1, work);
  cable('b', 'down');
  const results = await f.load(50, 8, work);
  assert.deepEqual(failures(results), []);
  const slowest = Math.round(Math.max(...results.map((r) => r.ms)));
  console.log(`# measured slowest request while a host was cut off: ${slowest} ms`);
  assert.ok(slowest < 8000, `${slowest} ms`);
  assert.deepEqual(failures(await f.load(50, 2, work)).concat((await rows()).filter((r) => r.instance?.endsWith('-b') && r.state === 'READY')), []);
  cable('b', 'up');
  await settled((n) => [`${n}-a`, `${n}-b`], 'both again', 60_000);
});

// deploy/kubernetes: what the overlays become is what the API has, and what our own rules ask for. The table of calls, of which the
// network policies are made, is what a running fleet does. No cluster; a real API server: scripts/check-kube.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, BIN, NODES, ROOT, run } from '../harness/fleet.mjs';
import { render, read, unfit, weak, reach, workloads, podOf, component } from '../harness/kube.mjs';

const OVERLAYS = ['overlays/small', 'overlays/production', 'overlays/standin-stores'];
const DIR = path.join(ROOT, 'deploy/kubernetes');
const docs = Object.fromEntries(OVERLAYS.map((o) => [o, render(o)]));
const MANY = ['api', 'rest', 'graphql', 'websocket', 'sql'];
const calls = new Map(readFileSync(path.join(DIR, 'calls'), 'utf8').split('\n').filter((l) => l && l[0] !== '#').map((l) => l.split(/ +/)).map(([a, ...b]) => [a, b]));

for (const o of OVERLAYS) {
  test(`${o}: every field is known, none is missing`, () => assert.deepEqual(docs[o].flatMap(unfit), []));
  test(`${o}: each container is restricted, each workload probed, bounded and behind a policy of its own`, () => assert.deepEqual(weak(docs[o]), []));
  test(`${o}: each of the thirteen is there once, and names of one kind are apart`, () => {
    const names = docs[o].map((d) => `${d.kind} ${d.metadata.name}`);
    assert.deepEqual(names.filter((n, i) => names.indexOf(n) !== i), []);
    assert.deepEqual(workloads(docs[o]).map(component).filter((c) => NODES.includes(c)).sort(), [...NODES].sort());
  });
}

// --- the checker itself: each thing that it must find, planted into good manifests ---

const planted = (kind, name, spoil) => {
  const all = structuredClone(docs['overlays/production']);
  spoil(all.find((d) => d.kind === kind && d.metadata.name === name));
  return all;
};
const container = (d) => podOf(d).containers[0];
const BAD = [
  ['an unknown field deep inside', unfit, (d) => { container(d).securityContext.capabilities.dropp = ['ALL']; }, /dropp: unknown field/],
  ['an unknown field at the top', unfit, (d) => { d.spec.replica = 1; }, /replica: unknown field/],
  ['a field that is missing', unfit, (d) => { delete d.spec.selector; }, /selector/],
  ['a container without a name', unfit, (d) => { delete container(d).name; }, /name/],
  ['a wrong type', unfit, (d) => { d.spec.minReadySeconds = 'soon'; }, /minReadySeconds/],
  ['a privileged container', weak, (d) => { container(d).securityContext.privileged = true; }, /may become more/],
  ['one that may escalate', weak, (d) => { delete container(d).securityContext.allowPrivilegeEscalation; }, /may become more/],
  ['one that keeps a capability', weak, (d) => { container(d).securityContext.capabilities.drop = ['NET_RAW']; }, /keeps capabilities/],
  ['one that can write to its image', weak, (d) => { container(d).securityContext.readOnlyRootFilesystem = false; }, /write to its image/],
  ['a user that may be root', weak, (d) => { delete podOf(d).securityContext.runAsNonRoot; }, /run as root/],
  ['no seccomp profile', weak, (d) => { delete podOf(d).securityContext.seccompProfile; }, /seccomp/],
  ['a volume of the host', weak, (d) => { podOf(d).volumes.push({ name: 'h', hostPath: { path: '/' } }); }, /hostPath/],
  ['a network of the host', weak, (d) => { podOf(d).hostNetwork = true; }, /hostNetwork/],
  ['an image by no version', weak, (d) => { container(d).image = 'metafed:latest'; }, /not pinned/],
  ['no limit of memory', weak, (d) => { delete container(d).resources.limits.memory; }, /no limits of memory/],
  ['no probe', weak, (d) => { delete container(d).livenessProbe; }, /no livenessProbe/],
  ['a liveness that depends on others', weak, (d) => { container(d).livenessProbe = { httpGet: { path: '/readyz', port: 'http' } }; }, /depends on others/],
  ['a probe of two kinds', weak, (d) => { container(d).livenessProbe.httpGet = { path: '/livez', port: 'http' }; }, /in one way/],
  ['a token of the API', weak, (d) => { delete podOf(d).automountServiceAccountToken; }, /token of the API/],
  ['another node\'s key', weak, (d) => { podOf(d).volumes.push({ name: 'k', secret: { secretName: 'metafed-key-sql' } }); }, /has the secret metafed-key-sql/],
  ['the password of the store', weak, (d) => { container(d).env.push({ name: 'P', valueFrom: { secretKeyRef: { name: 'metafed-pg', key: 'x' } } }); }, /has the secret metafed-pg/],
  ['a volume that is mounted and not there', weak, (d) => { container(d).volumeMounts.push({ name: 'x', mountPath: '/x' }); }, /no volume of it/],
];
for (const [what, judge, spoil, found] of BAD)
  test(`the checker finds ${what}`, () => {
    const all = planted('Deployment', 'rest', spoil);
    assert.match((judge === unfit ? all.flatMap(unfit) : weak(all)).join('\n'), found);
  });
test('the checker finds a workload without a disruption budget or a policy, and a Service that leads nowhere', () => {
  const without = (kind, name) => weak(docs['overlays/production'].filter((d) => d.kind !== kind || d.metadata.name !== name)).join('\n');
  assert.match(without('PodDisruptionBudget', 'rest'), /no disruption budget/);
  assert.match(without('NetworkPolicy', 'rest'), /no network policy/);
  assert.match(without('NetworkPolicy', 'default'), /denies by default/);
  assert.match(without('Deployment', 'rest'), /Service rest: leads nowhere/);
});

// --- rendering ---

// Names of generated ConfigMaps end with a hash there; lists that the API takes as sets have another order.
const plain = (x) => Array.isArray(x) ? x.map(plain).sort((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
  : x !== null && typeof x === 'object' ? Object.fromEntries(Object.keys(x).sort().map((k) => [k, plain(x[k])]))
    : typeof x === 'string' ? x.replace(/^(metafed-(?:conf|env))-[a-z0-9]{10}$/, '$1') : x;
const kustomize = (() => {
  const r = spawnSync('kubectl', ['version', '--client', '-o', 'json'], { encoding: 'utf8' });
  try { return Number(/^v(\d+)/.exec(JSON.parse(r.stdout).kustomizeVersion)[1]) >= 5; } catch { return false; }
})();
test('our own rendering is kubectl\'s, where there is one with kustomize 5', { skip: !kustomize && 'no kubectl with kustomize 5' }, () => {
  for (const o of OVERLAYS) {
    const r = spawnSync('kubectl', ['kustomize', path.join(DIR, o)], { encoding: 'utf8', maxBuffer: 1 << 24 });
    assert.equal(r.status, 0, r.stderr);
    assert.equal(r.stderr, '', 'no warning either');
    assert.deepEqual(plain(read(r.stdout)), plain(docs[o]), o);
  }
  console.log(`# measured: compared with kubectl: ${kustomize ? 'yes' : 'no, there is none'}`);
});

test('what the image sets in its environment is what metafed.conf has here, too', () => {
  const image = Object.fromEntries([...readFileSync(path.join(ROOT, 'deploy/docker/Dockerfile'), 'utf8').matchAll(/\b(METAFED_[A-Z_]+)=(\S+)/g)].map((m) => m.slice(1)));
  const conf = [...readFileSync(path.join(DIR, 'base/metafed.conf'), 'utf8').matchAll(/^([a-z_]+) = (.+)$/gm)];
  for (const o of OVERLAYS) {
    const env = { ...image, ...docs[o].find((d) => d.kind === 'ConfigMap' && d.metadata.name === 'metafed-env').data };
    const overridden = conf.filter(([, key, value]) => (env[`METAFED_${key.toUpperCase()}`] ?? value) !== value);
    assert.deepEqual(overridden.map((m) => m[0]), [], o);
  }
  assert.ok('METAFED_VAR' in image && 'METAFED_ADMIN_FILE' in image, 'it sets some');
});

// --- scaling ---

test('only what may be many is scaled, and no further than a caller can know', () => {
  const group = Number(/#define GROUP_MOST\s+(\d+)/.exec(readFileSync(path.join(ROOT, 'common/bus/inside.h'), 'utf8'))[1]);
  const table = [...readFileSync(path.join(ROOT, 'common/node/fleet.c'), 'utf8').matchAll(/\{ "([a-z]+)", \d, "[a-z]+", (true|false) \}/g)];
  assert.equal(table.length, 13);
  assert.deepEqual(table.filter((m) => m[2] === 'true').map((m) => m[1]).sort(), [...MANY].sort());
  for (const o of OVERLAYS) {
    const scaled = docs[o].filter((d) => d.kind === 'HorizontalPodAutoscaler');
    for (const h of scaled) {
      assert.ok(MANY.includes(h.spec.scaleTargetRef.name), h.metadata.name);
      assert.ok(h.spec.maxReplicas <= group && h.spec.minReplicas >= 2, h.metadata.name);
    }
    for (const d of workloads(docs[o]).filter((x) => x.kind !== 'CronJob')) {
      if (MANY.includes(component(d))) {
        assert.equal(d.kind, 'Deployment');
        assert.equal(d.spec.strategy.rollingUpdate.maxUnavailable, 0, d.metadata.name);
        assert.ok(container(d).env.some((e) => e.name === 'METAFED_INSTANCE'), `${d.metadata.name} says which one it is`);
      } else {
        assert.equal(d.kind, 'StatefulSet', `${d.metadata.name}: there are never two of it`);
        assert.ok(d.spec.replicas === 1 || component(d) === 'meta', d.metadata.name);
      }
    }
  }
});
test('who ends has time for it: grace is longer than draining and the pause before it', () => {
  for (const d of OVERLAYS.flatMap((o) => workloads(docs[o])).filter((x) => NODES.includes(component(x)))) {
    const pause = Number(container(d).lifecycle?.preStop?.exec?.command[1] ?? 0);
    assert.ok(podOf(d).terminationGracePeriodSeconds > 10 + pause + 5, d.metadata.name);
  }
});

// --- settings and secrets ---

test('each node takes its settings from what is mounted, and needs nothing else', () => {
  const conf = docs['overlays/standin-stores'].find((d) => d.metadata.name === 'metafed-conf').data['metafed.conf'];
  const dir = mkdtempSync('/tmp/mf-kube-');
  try {
    const file = path.join(dir, 'metafed.conf');
    assert.equal(run('sh', ['-c', `cat >${file}`], { input: conf }).status, 0);
    for (const n of NODES) {
      const r = run(path.join(BIN, `metafed-${n}`), [...(n === 'meta' ? ['--role=orchestrator'] : []), '--check', '--config', file], { env: {} });
      assert.equal(r.status, 0, `${n}: ${r.stderr}`);
    }
  } finally { rmSync(dir, { recursive: true }); }
});
test('kube-secrets makes each secret that the manifests name, for its owner alone, keeps what is there, and rotates what it is told', () => {
  const dir = mkdtempSync('/tmp/mf-kube-'), own = path.join(dir, 'secrets');
  const make = (...args) => {
    const r = run(path.join(ROOT, 'scripts/kube-secrets'), [own, ...args], { env: { METAFED: path.join(BIN, 'metafed') } });
    assert.equal(r.status, 0, r.stderr);
    return read(r.stdout);
  };
  const data = (all, name) => all.find((d) => d.metadata.name === name).data;
  const text = (all, name, key) => Buffer.from(data(all, name)[key], 'base64').toString();
  try {
    const first = make('--backup', 'backup'), named = new Set();
    for (const d of OVERLAYS.flatMap((o) => workloads(docs[o])))
      for (const v of podOf(d).volumes) for (const s of [v.secret?.secretName, ...(v.projected?.sources ?? []).map((x) => x.secret?.name)]) if (s) named.add(s);
    assert.deepEqual(first.flatMap(unfit), []);
    assert.deepEqual(first.filter((d) => d.kind === 'Secret').map((d) => d.metadata.name).sort(), [...named].sort());
    for (const n of NODES.filter((x) => x !== 'meta')) assert.match(text(first, `metafed-key-${n}`, 'node.key'), new RegExp(`^name ${n}$`, 'm'));
    assert.deepEqual(['meta-0', 'meta-1', 'meta-2'].map((k) => /^name (.*)$/m.exec(text(first, 'metafed-key-meta', `${k}.key`))[1]), ['meta', 'meta-2', 'meta-3']);
    assert.match(text(first, 'metafed-seal', 'seal.key'), /^[0-9a-f]{64}$/);
    assert.ok(readdirSync(own).every((f) => (statSync(path.join(own, f)).mode & 0o077) === 0), 'nobody else reads them');
    assert.deepEqual(make('--backup', 'backup'), first, 'again: the same');
    const next = make('--backup', 'backup', '--rotate', 'rest', '--rotate', 'pg');
    const changed = first.map((d) => d.metadata.name).filter((n) => JSON.stringify(data(first, n)) !== JSON.stringify(data(next, n)));
    assert.deepEqual(changed.sort(), ['metafed-key-rest', 'metafed-pg', 'metafed-trust']);
    assert.equal(data(next, 'metafed-trust').trust.match(/^rest /gm).length, 1);
  } finally { rmSync(dir, { recursive: true }); }
});

test('kube-upgrade takes each workload once, agents before domains before meta, waits for each, and stops at one that fails', () => {
  const dir = mkdtempSync('/tmp/mf-kube-'), log = path.join(dir, 'log');
  const upgrade = (failing, ...args) => {
    writeFileSync(path.join(dir, 'kubectl'), `#!/bin/sh\nprintf '%s\\n' "$*" >>${log}\ncase "$*" in *"status ${failing}"*) exit 1 ;; esac\n`, { mode: 0o755 });
    writeFileSync(log, '');
    const r = run(path.join(ROOT, 'scripts/kube-upgrade'), args, { env: { PATH: `${dir}:${process.env.PATH}` } });
    return { ...r, lines: readFileSync(log, 'utf8').trim().split('\n') };
  };
  try {
    const all = upgrade('none', 'registry.example.com/metafed:1.1.0');
    assert.equal(all.status, 0, all.stderr);
    const set = all.lines.filter((l) => l.includes('set image')).map((l) => l.split(' ')[4]);
    assert.deepEqual([...set].sort(), workloads(docs['overlays/small']).map((d) => `${d.kind.toLowerCase()}/${d.metadata.name}`).sort());
    const level = (w) => w === 'statefulset/meta' ? 0 : /\/(api|database|auth)$/.test(w) ? 1 : 2;
    assert.deepEqual(set.map(level), set.map(level).sort((a, b) => b - a));
    assert.deepEqual(all.lines.map((l) => l.includes('rollout status')), set.flatMap(() => [false, true]), 'one after the other');
    assert.match(all.lines[0], /node=registry.example.com\/metafed:1.1.0 secrets=registry.example.com\/metafed:1.1.0/);
    const stopped = upgrade('deployment/sql', '--restart');
    assert.notEqual(stopped.status, 0);
    assert.match(stopped.lines.at(-1), /status deployment\/sql/);
  } finally { rmSync(dir, { recursive: true }); }
});

// --- the network: policies, table and truth ---

test('network.yaml is what kube-network makes of the table', () => {
  assert.equal(run(path.join(ROOT, 'scripts/kube-network'), []).stdout, readFileSync(path.join(DIR, 'base/network.yaml'), 'utf8'));
});
test('the policies let through what the table has, and nothing else', () => {
  const stores = { postgres: 5432, 'redis-docs': 6379, 'redis-cache': 6379 };
  const wanted = new Set();
  for (const [from, to] of calls)
    for (const n of to.flatMap((x) => x === 'all' ? [...calls.keys()] : [x]))
      for (const port of stores[n] ? [stores[n]] : [7700, 7701]) wanted.add(`${from} -> ${n}:${port}`);
  assert.deepEqual([...reach(docs['overlays/standin-stores'])].sort(), [...wanted].sort());
  const backup = [...reach(docs['overlays/production'])].filter((e) => e.includes('backup'));
  assert.deepEqual(backup, ['backup -> api:8080']);
});

let f;
before(async () => { f = await Fleet.start(); await f.login(); });
after(async () => { await f?.stop(); });

test('the table is what a running fleet does: every member of every target is in it, and nobody is in it for nothing', async () => {
  await f.call('POST', '/v1/tasks', { body: { title: 'once through all' } });
  const page = (await f.call('GET', '/metrics', { token: null })).text, seen = new Set();
  for (const m of page.matchAll(/^metafed_bus_breaker_state\{([^}]*)\}/gm)) {
    const l = Object.fromEntries([...m[1].matchAll(/(\w+)="([^"]*)"/g)].map((x) => [x[1], x[2]]));
    seen.add(`${l.node} -> ${l.member}`);
  }
  const all = [...calls].filter(([, to]) => to.includes('all')).map(([from]) => from);
  assert.deepEqual(all, ['api', 'meta'], 'who asks every node (mf.Node has no breaker to be seen)');
  const stores = ['postgres', 'redis-docs', 'redis-cache'];
  const table = new Set([...calls].flatMap(([from, to]) => to.filter((n) => n !== 'all' && !stores.includes(n)).map((n) => `${from} -> ${n}`)));
  // Everybody's heartbeats go to meta, but not where a supervisor is, as here; api asks other processes of its own name for their metrics.
  const beats = new Set(NODES.map((n) => `${n} -> meta`));
  assert.deepEqual([...seen].filter((e) => !table.has(e)), []);
  assert.deepEqual([...table].filter((e) => !seen.has(e) && !beats.has(e) && e !== 'api -> api'), []);
});

test('the job of the night makes a sealed backup that verifies, with an account that may nothing else', async () => {
  const dir = mkdtempSync('/tmp/mf-kube-');
  const [, , script] = podOf(docs['overlays/production'].find((d) => d.kind === 'CronJob')).containers[0].command;
  try {
    for (const d of ['backups', 'secrets']) mkdirSync(path.join(dir, d), { mode: 0o700 });
    for (const [k, v] of [['username', 'backup'], ['password', 'a-long-one-for-the-night'], ['key', 'ab'.repeat(32)]]) writeFileSync(path.join(dir, 'secrets', k), v, { mode: 0o600 });
    for (const args of [['login', 'admin', '--password-stdin'], ['role', 'add', 'backup', 'permissions=["store.backup"]'],
      ['user', 'add', 'backup', 'roles=["backup"]', `password=@${dir}/secrets/password`]]) {
      const r = run(path.join(BIN, 'metafed'), ['--url', f.url, ...args], { input: `${f.admin().password}\n`, env: { METAFED_TOKEN_FILE: path.join(dir, 'admin-token') } });
      assert.equal(r.status, 0, `${args}: ${r.stderr}`);
    }
    const r = run('bash', ['-ec', script.replaceAll('http://metafed', f.url).replaceAll('/backups', `${dir}/backups`).replaceAll('/secrets', `${dir}/secrets`)],
      { env: { PATH: `${BIN}:${process.env.PATH}`, METAFED_TOKEN_FILE: path.join(dir, 'token') } });
    assert.equal(r.status, 0, r.stderr);
    const made = readdirSync(path.join(dir, 'backups'));
    assert.equal(made.length, 1);
    assert.match(made[0], /^\d{8}T\d{6}Z\.backup$/);
    assert.ok(!readFileSync(path.join(dir, 'backups', made[0])).includes('once through all'), 'sealed');
  } finally { rmSync(dir, { recursive: true }); }
});

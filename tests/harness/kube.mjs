// kube: renders deploy/kubernetes and judges what comes out, without a cluster.
//
// render(): the part of kustomize that these manifests use; where there is a kubectl, the test compares the two. unfit(): is it what the
// API has? Required fields and types are the models' own validators; a field that those never read is one that the API does not know.
// weak(): our own rules.
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { ROOT } from './fleet.mjs';

const require = createRequire(path.join(ROOT, 'tests/e2e/'));
const YAML = require('yaml');

// --- render ---

const load = (text) => YAML.parseAllDocuments(text, { merge: true }).map((d) => {
  if (d.errors.length) throw d.errors[0];
  return d.toJS();
}).filter((d) => d !== null);
const yaml = (file) => load(readFileSync(file, 'utf8'));
const copy = (x) => structuredClone(x);
const isMap = (x) => x !== null && typeof x === 'object' && !Array.isArray(x);
const same = (regex, text) => regex === undefined || new RegExp(`^(?:${regex})$`).test(text);

// By what the entries of a list are told apart when one is laid over another; other lists are replaced.
const KEYS = { containers: 'name', initContainers: 'name', env: 'name', volumes: 'name', volumeMounts: 'mountPath', ports: 'containerPort', topologySpreadConstraints: 'topologyKey' };

function lay(over, under, field) {
  if (isMap(over) && isMap(under)) {
    const out = copy(under);
    for (const [k, v] of Object.entries(over)) {
      if (v === null) delete out[k];
      else out[k] = k in out ? lay(v, out[k], k) : copy(v);
    }
    return out;
  }
  const key = KEYS[field];
  if (!Array.isArray(over) || !Array.isArray(under) || key === undefined) return copy(over);
  const rest = under.filter((u) => !over.some((o) => o[key] === u[key]));
  return [...over.map((o) => { const u = under.find((x) => x[key] === o[key]); return u ? lay(o, u) : copy(o); }), ...copy(rest)];
}

function edit(doc, ops) {
  for (const { op, path: p, value } of ops) {
    const keys = p.split('/').slice(1).map((k) => k.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop(), at = keys.reduce((o, k) => o?.[k], doc);
    if (at === undefined || (op !== 'add' && !(last in at))) throw new Error(`${doc.kind} ${doc.metadata.name}: ${op} ${p}: is not there`);
    if (op === 'remove') delete at[last]; else at[last] = copy(value);
  }
}

function patch(docs, p, dir) {
  const [what] = p.path ? yaml(path.join(dir, p.path)) : load(p.patch);
  const hit = docs.filter((d) => same(p.target.kind, d.kind) && same(p.target.name, d.metadata.name));
  if (hit.length === 0) throw new Error(`${dir}: a patch meets nothing: ${JSON.stringify(p.target)}`);
  for (const d of hit) {
    if (Array.isArray(what)) edit(d, what);
    else Object.assign(d, lay({ ...what, kind: d.kind, apiVersion: d.apiVersion, metadata: { ...what.metadata, name: d.metadata.name } }, d));
  }
}

const templates = (d) => [d.spec?.template?.spec, d.spec?.jobTemplate?.spec?.template?.spec].filter(Boolean);
const containers = (spec) => [...(spec.initContainers ?? []), ...(spec.containers ?? [])];

function kustomize(dir, docs) {
  const [k] = yaml(path.join(dir, 'kustomization.yaml'));
  for (const r of k.resources ?? []) {
    const p = path.join(dir, r);
    docs.push(...(statSync(p).isDirectory() ? kustomize(p, []) : yaml(p)));
  }
  for (const g of k.configMapGenerator ?? []) {
    const data = Object.fromEntries([...(g.files ?? []).map((f) => [f, readFileSync(path.join(dir, f), 'utf8')]),
      ...(g.literals ?? []).map((l) => [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)])]);
    const old = docs.find((d) => d.kind === 'ConfigMap' && d.metadata.name === g.name);
    if (g.behavior === 'merge') Object.assign(old.data, data);
    else docs.push({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: g.name }, data });
  }
  for (const c of k.components ?? []) kustomize(path.join(dir, c), docs);
  for (const p of k.patches ?? []) patch(docs, p, dir);
  for (const i of k.images ?? [])
    for (const c of docs.flatMap(templates).flatMap(containers)) if (c.image === i.name) c.image += `:${i.newTag}`;
  if (k.namespace) for (const d of docs) if (d.kind !== 'Namespace') d.metadata.namespace = k.namespace;
  return docs;
}
export const render = (overlay) => kustomize(path.join(ROOT, 'deploy/kubernetes', overlay), []);
export const read = load;

// --- does the API know it? ---

const models = Object.fromEntries(['v1', 'apps/v1', 'batch/v1', 'autoscaling/v2', 'policy/v1', 'networking.k8s.io/v1']
  .map((v) => [v, require(`kubernetes-models/${v}`)]));

// A view of v that notes in `read` which members of it were looked at.
function watched(v, noted) {
  const seen = new Set(), inner = new Map();
  noted.set(v, seen);
  return new Proxy(v, { get(t, k) {
    if (typeof k === 'string') seen.add(k);
    if (t[k] === null || typeof t[k] !== 'object') return t[k];
    if (!inner.has(k)) inner.set(k, watched(t[k], noted));
    return inner.get(k);
  } });
}

export function unfit(doc) {
  const Model = models[doc.apiVersion]?.[doc.kind], noted = new Map(), out = [];
  if (!Model) return [`${doc.apiVersion} ${doc.kind}: no such kind`];
  const at = `${doc.kind} ${doc.metadata?.name}`;
  try { Model.prototype.validate.call(watched(doc, noted)); } catch (e) { out.push(`${at}: ${e.message}`); }
  const walk = (v, p) => {
    if (v === null || typeof v !== 'object') return;
    for (const k of Object.keys(v)) {
      if (!noted.get(v)?.has(k)) out.push(`${at}: ${p}/${k}: unknown field`);
      else walk(v[k], `${p}/${k}`);
    }
  };
  walk(doc, '');
  return out;
}

// --- our own rules ---

const WORKLOADS = ['Deployment', 'StatefulSet', 'CronJob'];
export const component = (d) => (d.spec.template ?? d.spec.jobTemplate.spec.template).metadata.labels['app.kubernetes.io/component'];
export const workloads = (docs) => docs.filter((d) => WORKLOADS.includes(d.kind));
export const podOf = (d) => templates(d)[0];
export const selects = (selector, labels) => Object.entries(selector?.matchLabels ?? {}).every(([k, v]) => labels[k] === v) &&
  (selector?.matchExpressions ?? []).every((e) => e.operator === 'In' && e.values.includes(labels[e.key]));
const VOLUMES = ['configMap', 'emptyDir', 'projected', 'secret', 'persistentVolumeClaim'];
// Who may have which secret; keys of the bus each for its own node.
const SECRETS = { 'metafed-pg': ['sql', 'nosql', 'postgres'], 'metafed-seal': ['jwt', 'oauth'], 'metafed-admin': ['jwt', 'oauth'], 'metafed-metrics': ['api'], 'metafed-backup': ['backup'] };
const secretsOf = (spec) => (spec.volumes ?? []).flatMap((v) => [v.secret?.secretName, ...(v.projected?.sources ?? []).map((s) => s.secret?.name)])
  .concat(containers(spec).flatMap((c) => [...(c.env ?? []).map((e) => e.valueFrom?.secretKeyRef?.name), ...(c.envFrom ?? []).map((e) => e.secretRef?.name)])).filter(Boolean);

function weakContainer(c, spec, say) {
  const s = c.securityContext ?? {};
  if (s.privileged || s.allowPrivilegeEscalation !== false) say(c, 'may become more than it is');
  if (JSON.stringify(s.capabilities) !== '{"drop":["ALL"]}') say(c, 'keeps capabilities');
  if (s.readOnlyRootFilesystem !== true) say(c, 'can write to its image');
  if (!(s.runAsNonRoot ?? spec.securityContext?.runAsNonRoot)) say(c, 'may run as root');
  if ((s.seccompProfile ?? spec.securityContext?.seccompProfile)?.type !== 'RuntimeDefault') say(c, 'has no seccomp profile');
  if (!/^[^:@]+:[A-Za-z0-9._-]+$/.test(c.image) || /:latest$/.test(c.image)) say(c, `image ${c.image} is not pinned`);
  for (const r of ['requests', 'limits'])
    for (const k of ['cpu', 'memory']) if (!c.resources?.[r]?.[k]) say(c, `has no ${r} of ${k}`);
  if ((c.ports ?? []).some((p) => p.hostPort)) say(c, 'takes a port of the host');
}

function weakProbes(d, spec, say) {
  if (d.kind === 'CronJob') return;
  const [c] = spec.containers;
  for (const name of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
    const p = c[name];
    if (!p) say(c, `has no ${name}`);
    else if (['exec', 'httpGet', 'tcpSocket', 'grpc'].filter((k) => p[k]).length !== 1) say(c, `${name}: must ask in one way`);
    if (name !== 'readinessProbe' && p?.httpGet?.path && p.httpGet.path !== '/livez') say(c, `${name}: depends on others`);
  }
}

// What an unmounted, unknown or foreign thing would only show in a cluster.
function weakReferences(d, spec, docs, say) {
  const claims = new Set([...docs.filter((x) => x.kind === 'PersistentVolumeClaim').map((x) => x.metadata.name)]);
  const volumes = new Set([...(spec.volumes ?? []), ...(d.spec.volumeClaimTemplates ?? []).map((t) => t.metadata)].map((v) => v.name));
  const configs = new Set(docs.filter((x) => x.kind === 'ConfigMap').map((x) => x.metadata.name).concat('metafed-trust'));
  for (const v of spec.volumes ?? []) {
    const kind = Object.keys(v).find((k) => k !== 'name');
    if (!VOLUMES.includes(kind)) say({ name: v.name }, `volume of kind ${kind}`);
    if (kind === 'persistentVolumeClaim' && !claims.has(v.persistentVolumeClaim.claimName)) say({ name: v.name }, 'no such claim');
    if (kind === 'configMap' && !configs.has(v.configMap.name)) say({ name: v.name }, 'no such ConfigMap');
  }
  for (const c of containers(spec))
    for (const m of c.volumeMounts ?? []) if (!volumes.has(m.name)) say(c, `mounts ${m.name}, which is no volume of it`);
  if (!docs.some((x) => x.kind === 'ServiceAccount' && x.metadata.name === spec.serviceAccountName && x.automountServiceAccountToken === false))
    say({ name: '' }, 'no service account of its own without a token');
}

export function weak(docs) {
  const out = [];
  for (const d of workloads(docs)) {
    const spec = podOf(d), labels = (d.spec.template ?? d.spec.jobTemplate.spec.template).metadata.labels, me = component(d);
    const say = (c, what) => out.push(`${d.kind} ${d.metadata.name}/${c.name}: ${what}`);
    for (const c of containers(spec)) weakContainer(c, spec, say);
    weakProbes(d, spec, say);
    weakReferences(d, spec, docs, say);
    for (const k of ['hostNetwork', 'hostPID', 'hostIPC']) if (spec[k]) say({ name: '' }, k);
    if (spec.automountServiceAccountToken !== false) say({ name: '' }, 'has a token of the API');
    if (d.kind !== 'CronJob' && !docs.some((x) => x.kind === 'PodDisruptionBudget' && selects(x.spec.selector, labels))) say({ name: '' }, 'has no disruption budget');
    if (!docs.some((x) => x.kind === 'NetworkPolicy' && Object.keys(x.spec.podSelector).length && selects(x.spec.podSelector, labels))) say({ name: '' }, 'has no network policy');
    for (const s of secretsOf(spec))
      if (!(SECRETS[s] ?? [s.replace('metafed-key-', '')]).includes(me)) say({ name: '' }, `has the secret ${s}`);
    if (d.kind !== 'CronJob' && !selects(d.spec.selector, labels)) say({ name: '' }, 'does not select its own pods');
  }
  if (!docs.some((d) => d.kind === 'NetworkPolicy' && Object.keys(d.spec.podSelector).length === 0 && d.spec.policyTypes.length === 2)) out.push('nothing denies by default');
  for (const s of docs.filter((d) => d.kind === 'Service')) {
    const to = workloads(docs).filter((d) => selects({ matchLabels: { ...s.spec.selector, 'statefulset.kubernetes.io/pod-name': undefined } }, { ...d.spec.template?.metadata.labels }));
    const ports = to.flatMap((d) => podOf(d).containers.flatMap((c) => c.ports ?? []).map((p) => p.name));
    if (to.length === 0 || s.spec.ports.some((p) => !ports.includes(p.targetPort))) out.push(`Service ${s.metadata.name}: leads nowhere`);
  }
  for (const d of docs) if (['Secret', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'].includes(d.kind)) out.push(`${d.kind} ${d.metadata.name}: does not belong here`);
  return out;
}

// --- who may reach whom, as the policies have it ---

export function reach(docs) {
  const policies = docs.filter((d) => d.kind === 'NetworkPolicy');
  const pods = workloads(docs).map((d) => [component(d), (d.spec.template ?? d.spec.jobTemplate.spec.template).metadata.labels]);
  const may = (mine, theirs, direction, port) => policies.some((p) => selects(p.spec.podSelector, mine) &&
    (p.spec[direction] ?? []).some((rule) => (rule.ports ?? [{ port }]).some((x) => x.port === port && (x.protocol ?? 'TCP') === 'TCP') &&
      (rule[direction === 'ingress' ? 'from' : 'to'] ?? []).some((peer) => peer.podSelector && !peer.namespaceSelector && selects(peer.podSelector, theirs))));
  const edges = new Set();
  for (const [a, from] of pods)
    for (const [b, to] of pods)
      for (const port of [7700, 7701, 8080, 5432, 6379]) {
        const out = may(from, to, 'egress', port), into = may(to, from, 'ingress', port);
        if (out && into) edges.add(`${a} -> ${b}:${port}`);
        if (out !== into) edges.add(`${a} -> ${b}:${port} (${out ? 'not let in' : 'not let out'})`);
      }
  return edges;
}

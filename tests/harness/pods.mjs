// pods: an overlay as podman 4.3 can play it, for scripts/check-kube --podman.
//
//     node tests/harness/pods.mjs OVERLAY SECRETS DIR
//
// SECRETS is what scripts/kube-secrets has printed. Each workload becomes DIR/POD.json: a Pod with the name and the labels that its
// controller would give it, and the ConfigMaps that it reads; DIR/claims.json has the claims. Prints for each pod its name and those of the
// Services that lead to it. What podman does not know is said with what it knows, all else is the overlay's own:
//
//     Secrets, projections      a ConfigMap with all that is in them: 4.3 leaves Secrets in base64
//     restarted always          restarted when it fails: with 4.3 that is said of init containers, too
//     a template of a claim     the claim
//     the user of the pod       the user of each container
//     an emptyDir               what it is: a directory of the host for this pod alone, open to its users (DIR/POD-NAME)
//     ports                     none: containers listen anyway, and 4.3 publishes each on all addresses of the host
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { render, read, podOf } from './kube.mjs';

const [overlay, secrets, dir] = process.argv.slice(2);
const docs = [...render(overlay), ...read(readFileSync(secrets, 'utf8'))];

function find(kind, name) {
  const d = docs.find((x) => x.kind === kind && x.metadata.name === name);
  if (d === undefined) throw new Error(`${kind} ${name}: is not there`);
  return d;
}

// What is in a Secret, and in all sources of a projected volume, by file name.
const plain = (name) => Object.fromEntries(Object.entries(find('Secret', name).data).map(([k, v]) => [k, Buffer.from(v, 'base64').toString()]));
const projected = (sources) => Object.assign({}, ...sources.map(({ secret, configMap }) => secret ? plain(secret.name) : find('ConfigMap', configMap.name).data));

// VOLUME as podman has it; what it reads is added to PARTS.
function known({ name, ...v }, pod, parts) {
  if (v.emptyDir) {
    const at = path.resolve(dir, `${pod}-${name}`);
    mkdirSync(at);
    chmodSync(at, 0o777);
    return { name, hostPath: { path: at, type: 'Directory' } };
  }
  if (v.projected || v.secret) {
    const data = v.secret ? plain(v.secret.secretName) : projected(v.projected.sources);
    parts.push({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `${pod}-${name}` }, data });
    return { name, configMap: { name: `${pod}-${name}` } };
  }
  if (v.configMap) parts.push(find('ConfigMap', v.configMap.name));
  return { name, ...v };
}

const write = (name, parts) => writeFileSync(path.join(dir, `${name}.json`), parts.map((p) => JSON.stringify(p)).join('\n---\n'), { mode: 0o600 });
const claims = docs.filter((d) => d.kind === 'PersistentVolumeClaim');

function play(workload) {
  const pod = `${workload.metadata.name}-0`, { template, volumeClaimTemplates = [] } = workload.spec;
  const labels = { ...template.metadata.labels, 'statefulset.kubernetes.io/pod-name': pod };
  const spec = structuredClone(podOf(workload)), parts = [];
  spec.volumes = spec.volumes.map((v) => known(v, pod, parts));
  for (const { metadata, spec: claim } of volumeClaimTemplates) {
    const claimName = `${metadata.name}-${pod}`;
    claims.push({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: claimName }, spec: claim });
    spec.volumes.push({ name: metadata.name, persistentVolumeClaim: { claimName } });
  }
  const { runAsUser, runAsGroup } = spec.securityContext;
  for (const c of [...spec.initContainers ?? [], ...spec.containers]) {
    c.securityContext = { runAsUser, runAsGroup, ...c.securityContext };
    delete c.ports;
    for (const from of c.envFrom ?? []) parts.push(find('ConfigMap', from.configMapRef.name));
  }
  spec.restartPolicy = 'OnFailure';
  parts.push({ apiVersion: 'v1', kind: 'Pod', metadata: { name: pod, labels }, spec });
  write(pod, parts);
  const leads = (s) => Object.entries(s.spec.selector).every(([k, v]) => labels[k] === v);
  return [pod, ...docs.filter((d) => d.kind === 'Service' && leads(d)).map((s) => s.metadata.name)].join(' ');
}

for (const d of docs) if (['Deployment', 'StatefulSet'].includes(d.kind)) console.log(play(d));
write('claims', claims);

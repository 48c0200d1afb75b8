// steps: every named place of every node (base/step.h), and what happens there: the node is killed at it, or stands still at
// it while something else on the way of a write is killed. After each the history of the clients must be legal.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { BIN, Fleet, NODES, alive, run, sleep, until } from './fleet.mjs';
import { Documents, Streams, Workload } from './workload.mjs';

// What leads to a step, where the mixed work does not by itself. The first row whose pattern fits decides.
//	work	who does the work
//	first	a server that is killed while the step is waited for, again and again, so that it happens
//	faults	what else goes wrong meanwhile: node -> fault language
//	after	a step of the same node at which it is killed before: what it leaves leads there
//	elsewhere	the test that has the fleet for it
//	start	the step lies in the start of these, and whoever comes first does the work: startAt() below, not inject()
const ROWS = [
  { step: /^sql\.outcome\.unknown$/, first: 'postgres' },
  { step: /^database\.epoch\.changed$/, first: 'redis-cache' },
  { step: /^sql\.migration\./, start: ['sql', 'nosql'] },
  { step: /^nosql\.(create|update|delete|write)\./, work: Documents },
  { step: /^nosql\.(declare|index|drop|expire)\./, elsewhere: 'e2e/documents.test.mjs' },
  { step: /^nosql\.stream\./, work: Streams },
  { step: /^nosql\.trim\./, work: Streams, trims: true },
  { step: /^(database\.(commit|janitor|met)|nosql\.(stage|settle)|sql\.(transact|decide))\./, elsewhere: 'commit.test.mjs' },
  { step: /^(nosql\.(journal|mode)|database\.(mode|journal|replay)|sql\.replay)\./, elsewhere: 'degraded.test.mjs' },
  { step: /^(database|sql|nosql)\.(backup|restore)\./, elsewhere: 'e2e/backup.test.mjs' },
  { step: /^jwt\.(rotate|takeover)\./, elsewhere: 'rotation.test.mjs' },
  { step: /^jwt\.account\./, elsewhere: 'accounts.test.mjs' },
  { step: /^oauth\.(factor|browser)\./, elsewhere: 'pages.test.mjs' },
  { step: /^oauth\.(client|flow|token)\./, elsewhere: 'e2e/oauth.test.mjs' },
  { step: /^oauth\.outside\./, elsewhere: 'e2e/outside.test.mjs' },
  { step: /^sql\.(blob|spill)\./, elsewhere: 'blobs.test.mjs' },
  { step: /^(meta|sql|database)\.lead\./, elsewhere: 'standby.test.mjs' },
  { step: /^meta\.upgrade\./, elsewhere: 'upgrade.test.mjs' },
  { step: /^rest\.apply\./, elsewhere: 'apply.test.mjs' },
  { step: /^auth\.(audit|write)\./, elsewhere: 'audit.test.mjs' },
  { step: /./ },
];
export const row = (step) => ROWS.find((r) => r.step.test(step));
// Where nodes die so often, the supervisor shall not give up on them.
export const CONF = '[guard]\nrestart_max = 32\nrestart_window = 1s\nrestart_healthy = 50ms\nrestart_base = 10ms\n';

// Where a step of these nodes lies on the way of a write, these are beside it.
export const VICTIMS = ['api', 'rest', 'meta', 'database', 'sql', 'nosql', 'cache', 'auth', 'jwt', 'rbac', 'postgres', 'redis-docs', 'redis-cache'];

// {node, step}: all there are, as the programs themselves say. Those that a stand-in has from its link are its owner's.
export function allSteps() {
  return NODES.flatMap((node) => {
    const r = run(path.join(BIN, `metafed-${node}`), [...(node === 'meta' ? ['--role=orchestrator'] : []), '--steps']);
    if (r.status !== 0) throw new Error(`metafed-${node} --steps: ${r.stderr}`);
    return [...new Set(r.stdout.split('\n').filter((s) => s.startsWith(`${node}.`)))].sort().map((step) => ({ node, step }));
  });
}

// kill -9: of a node, of a server, of PostgreSQL with all its back ends at once. `pid`: where nobody can be asked for it.
export async function crash(f, victim, pid) {
  pid ??= await f.pid(victim);
  if (victim === 'postgres') for (const p of f.storeProcesses('pg')) f.signal(p, 'SIGKILL');
  f.signal(pid, 'SIGKILL');
}

const stopped = (pid) => { try { return /\) T/.test(readFileSync(`/proc/${pid}/stat`, 'utf8')); } catch { return false; } };

async function dieAt(f, node, step) {
  const pid = await f.pid(node);
  await f.faults(node, `@${step}: kill`);
  await until(() => !alive(pid), `${step} is reached`);
  await f.back(node, pid);
}

// One injection: `victim` undefined: the node itself dies at the step; else the node stands still at it, the victim dies, the
// node goes on. how: instead of the row. Resolves with a line about it; throws what is wrong. reached: false when nothing came there.
export async function inject(f, { node, step, victim, nth = 1, seed, how = row(step) }) {
  const { work = Workload, first, after, faults = {}, ...o } = how;
  const w = new work(f, { seed, ...o }).start(), began = Date.now();
  let reached = false, pid;
  try {
    await w.writes(5);
    if (after) await dieAt(f, node, after);
    for (const [other, spec] of Object.entries(faults)) if (other !== node) await f.faults(other, spec);
    const nodes = await f.nodes();
    pid = nodes[node].pid;
    // Its own answer may be the first to meet the step: not waited for.
    let refused;
    const armed = f.faults(node, `@${step}: ${victim ? 'stop' : 'kill'}=${nth}${faults[node] ? `; ${faults[node]}` : ''}`).catch((e) => { if (e.message.startsWith('faults')) refused = e; });
    const there = () => refused || !alive(pid) || (victim && stopped(pid));
    if (first) await Promise.race([armed, sleep(1000)]);
    for (let tries = first ? 8 : 1; tries > 0 && !there(); tries--) {
      if (first) await crash(f, first);
      await until(there, `${step} is reached`, first ? 600 : 4000).catch(() => {});
      if (!there() && first) await w.writes(10);
    }
    reached = there();
    if (refused) throw refused;
    if (reached && victim) {
      await crash(f, victim, nodes[victim].pid);
      await sleep(30);
      f.signal(pid, 'SIGCONT');
    }
    for (const other of reached ? Object.keys(faults) : [node, ...Object.keys(faults)]) await f.faults(other, '');
    await w.writes(10);
  } finally {
    if (pid) f.signal(pid, 'SIGCONT');
    await w.stop();
  }
  await w.check();
  return { reached, text: `${victim ? `${victim} killed while ${node} stood` : `${node} killed`} at ${step}${nth > 1 ? ` (${nth})` : ''}: ${w.counts}, ${Date.now() - began} ms` };
}

// A fleet whose nodes die at the step when they start, until the configuration is changed: then they start as any other, and
// what they do at their start has been done once.
export async function startAt({ step, seed }) {
  const nodes = row(step).start;
  const f = await Fleet.make(), began = Date.now();
  try {
    f.configure(CONF + nodes.map((n) => `[${n}]\nfaults = @${step}: kill\n`).join(''));
    const up = f.upLater();
    const died = (n) => { try { return readFileSync(path.join(f.var, 'log', `${n}.log`), 'utf8').includes('"step_reached"'); } catch { return false; } };
    await until(() => nodes.some(died), `${step} is reached`, 20_000);
    f.configure(CONF);
    await up;
    await f.login();
    const w = new Workload(f, { seed }).start();
    await w.writes(30);
    await w.stop();
    await w.check();
    return { reached: true, text: `${nodes.filter(died)} killed at ${step} at the start: ${w.counts}, ${Date.now() - began} ms` };
  } finally {
    await f.stop();
  }
}

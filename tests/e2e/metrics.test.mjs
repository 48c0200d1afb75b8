// Metrics as an operator has them: Debian's prometheus scrapes a fleet, evaluates deploy/prometheus, and answers what the dashboard
// asks. What the code counts, what the README lists and what rules and dashboard use are held against each other.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { Fleet, NODES, ROOT, freePort, run, sleep, until } from '../harness/fleet.mjs';

const HERE = path.join(ROOT, 'deploy/prometheus');
const SERIES_MOST = 6000;      // samples of a page of a fleet in which every part has been used
const text = (f) => readFileSync(path.join(HERE, f), 'utf8');
const OPENMETRICS = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

// --- what there is, by four witnesses ---

function sources(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((d) => {
    const p = path.join(dir, d.name);
    if (d.isDirectory()) return d.name === 'node_modules' ? [] : sources(p);
    return d.name.endsWith('.c') ? [p] : [];
  });
}

// Every family that the code can make: name -> { kind, help }.
function families() {
  const all = new Map([['metafed_up', { kind: 'gauge', help: 'Whether the node answered this scrape.' }]]);
  const made = /METRIC_(COUNTER|GAUGE|HISTOGRAM),\s*"([a-z0-9_]+)",\s*((?:"(?:[^"\\]|\\.)*"\s*)+)/g;
  for (const f of [...sources(path.join(ROOT, 'common')), ...sources(path.join(ROOT, 'services'))]) {
    for (const [, kind, name, help] of readFileSync(f, 'utf8').matchAll(made)) {
      const is = { kind: kind.toLowerCase(), help: [...help.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((m) => m[1]).join('') };
      if (all.has(name)) assert.deepEqual(all.get(name), is, `${name} is made in two ways, again in ${f}`);
      all.set(name, is);
    }
  }
  return all;
}

// The table of the README: name -> { kind, labels, help }.
function documented() {
  const rows = [...text('README.md').matchAll(/^\| `([a-z0-9_]+)` \| (counter|gauge|histogram) \|([^|]*)\| (.*) \|$/gm)];
  assert.equal(new Set(rows.map((r) => r[1])).size, rows.length, 'a family stands twice in the README');
  return new Map(rows.map(([, name, kind, labels, help]) => [name, { kind, labels: labels.trim() === '' ? [] : labels.trim().split(', '), help }]));
}

// A page as a strict reader of either format sees it.
function parse(page, open) {
  const found = new Map(), seen = new Set();
  const lines = page.split('\n');
  assert.equal(lines.pop(), '', 'the last line has its end');
  if (open) assert.equal(lines.pop(), '# EOF');
  let family;
  for (const line of lines) {
    const head = /^# (HELP|TYPE|UNIT) ([a-zA-Z_:][a-zA-Z0-9_:]*) ?(.*)$/.exec(line);
    if (head?.[1] === 'HELP') {
      assert.ok(!found.has(head[2]), `${head[2]} begins twice`);
      family = { name: head[2], help: head[3], labels: new Set(), samples: 0 };
      found.set(head[2], family);
    } else if (head) {
      assert.equal(head[2], family.name, line);
      family[head[1].toLowerCase()] = head[3];
      if (head[1] === 'UNIT') assert.ok(family.name.endsWith(`_${head[3]}`), line);
    } else {
      const s = /^([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\} (NaN|[+-]Inf|-?[0-9.]+(?:e[+-]?\d+)?)(?: # (\{trace_id="[0-9a-f]{32}"\} [0-9.e+-]+ \d+\.\d{3}))?$/.exec(line);
      assert.ok(s, `no sample: ${line}`);
      const [, name, labels, value, exemplar] = s;
      const ends = { counter: open ? ['_total'] : [''], gauge: [''], histogram: ['_bucket', '_sum', '_count'] }[family.type];
      assert.ok(ends.some((e) => name === family.name + e), `${name} below ${family.name}`);
      assert.ok(!seen.has(name + labels), `twice: ${name}{${labels}}`);
      assert.ok(!exemplar || (open && name.endsWith('_bucket')), line);
      assert.ok(family.type === 'gauge' || Number(value) >= 0, line);
      seen.add(name + labels);
      for (const [, l] of labels.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="/g)) if (!['node', 'replica', 'le'].includes(l)) family.labels.add(l);
      family.samples++;
      if (exemplar) family.exemplar = exemplar;
    }
  }
  return { found, samples: seen.size };
}

// Names of metrics in an expression: whatever is no label, function, keyword or text.
function used(expr) {
  const plain = expr.replace(/"(?:[^"\\]|\\.)*"/g, '').replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, '').replace(/\{[^}]*\}/g, '');
  return [...plain.matchAll(/\b(metafed_[a-z0-9_]+|process_[a-z0-9_]+)\b/g)].map((m) => m[1]);
}
const familyOf = (name, all) => (all.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''));
const panels = () => JSON.parse(text('grafana.json')).panels.flatMap((p) => [p, ...(p.panels ?? [])]);
const expressions = () => panels().flatMap((p) => (p.targets ?? []).map((t) => t.expr));
const rules = () => [...`${text('recording.yml')}\n${text('alerts.yml')}`.matchAll(/^ +expr: (?:\|\n((?: {10,}.*\n)+)|(.*))/gm)].map((m) => m[1] ?? m[2]);

test('the rules are sound, and each alert comes when it should and not when it should not', () => {
  for (const args of [['check', 'config', path.join(HERE, 'prometheus.yml')], ['check', 'rules', path.join(HERE, 'recording.yml'), path.join(HERE, 'alerts.yml')],
    ['test', 'rules', ...readdirSync(path.join(HERE, 'tests')).map((f) => path.join(HERE, 'tests', f))]]) {
    const r = run('promtool', args);
    assert.equal(r.status, 0, `promtool ${args.join(' ')}\n${r.stdout}${r.stderr}`);
  }
  const tests = readdirSync(path.join(HERE, 'tests')).map((f) => text(`tests/${f}`)).join('\n');
  const headings = new Set([...text('README.md').matchAll(/^#+ (.*)$/gm)].map((m) => m[1].toLowerCase().replace(/ /g, '-')));
  const alerts = text('alerts.yml').split(/^ {6}- alert: /m).slice(1);
  for (const a of alerts) {
    const name = a.split('\n')[0];
    for (const part of ['severity: (page|ticket)', 'summary: "', 'description: "']) assert.match(a, new RegExp(part), `${name}: ${part}`);
    const link = /runbook_url: "deploy\/prometheus\/README\.md#([^"]+)"/.exec(a)?.[1];
    assert.ok(headings.has(link), `${name}: README.md has no section ${link}`);
    for (const outcome of ['value: [1-9]', '\\[\\]']) {
      assert.match(tests, new RegExp(`ALERTS\\{alertname="${name}".*\\n +exp_samples: .*${outcome}`), `${name}: a test with ${outcome}`);
    }
  }
});

test('rules, dashboard and README name what the code counts, and the README all of it', () => {
  const all = families(), doc = documented();
  assert.deepEqual([...doc.keys()].sort(), [...all.keys()].sort());
  for (const [name, is] of all) assert.deepEqual({ kind: doc.get(name).kind, help: doc.get(name).help }, { kind: is.kind, help: is.help.replaceAll('|', '\\|') }, name);
  for (const expr of [...expressions(), ...rules()]) for (const name of used(expr)) if (!expr.includes(`job_instance:${name}`)) assert.ok(all.has(familyOf(name, all)), `${name} in ${expr}`);
  const recorded = new Set([...text('recording.yml').matchAll(/record: (\S+)/g)].map((m) => m[1]));
  for (const expr of [...expressions(), ...rules()]) for (const [name] of expr.matchAll(/job_instance:[a-zA-Z0-9_:]+/g)) assert.ok(recorded.has(name), name);
});

test('the dashboard is one that Grafana can import', () => {
  const d = JSON.parse(text('grafana.json'));
  assert.ok(d.schemaVersion >= 39 && d.title && d.uid && d.id === undefined);
  assert.deepEqual(d.templating.list.map((v) => v.name), ['datasource', 'instance', 'node']);
  const ids = panels().map((p) => p.id);
  assert.equal(new Set(ids).size, ids.length);
  for (const p of panels()) {
    assert.ok(p.title && p.gridPos.x + p.gridPos.w <= 24, p.title);
    if (p.type === 'row') continue;
    assert.equal(p.datasource.uid, '${datasource}', p.title);
    assert.ok(p.targets.length > 0 && p.targets.every((t) => t.expr && t.legendFormat), p.title);
    assert.equal(new Set(p.targets.map((t) => t.refId)).size, p.targets.length, p.title);
  }
  assert.ok(panels().some((p) => p.targets?.some((t) => t.exemplar)));
});

// --- a fleet and a real Prometheus ---

let f, prometheus;

before(async () => {
  f = await Fleet.start({ conf: 'trace_sample = 1\n' });
});

after(async () => {
  await prometheus?.stop();
  await f?.stop();
});

const scrape = async (accept) => {
  const r = await f.call('GET', '/metrics', { token: null, headers: accept ? { accept } : {} });
  assert.equal(r.status, 200);
  return r;
};

// Something of every kind, so that what is counted of it is there.
async function use() {
  const ids = [];
  for (let i = 0; i < 20; i++) ids.push((await f.call('POST', '/v1/tasks', { body: { title: `task ${i}` } })).json.id);
  for (const id of ids) await f.call('GET', `/v1/tasks/${id}`);
  for (const p of ['/v1/tasks', '/v1/users', '/v1/me', '/v1/fleet', '/v1/audit', '/health', '/openapi.json', '/v1/none', '/nowhere', '/livez', '/readyz']) await f.call('GET', p);
  await f.call('POST', '/graphql', { body: { query: '{ tasks(first: 1) { edges { node { id } } } }' } });
  await f.call('DELETE', `/v1/tasks/${ids[0]}`);
  await f.call('POST', '/v1/auth/login', { body: { username: 'nobody', password: 'wrong' }, token: null });
}

test('a page is lint-free in both formats, has all nodes, and does not grow with what clients ask for', async () => {
  await use();
  const all = families(), doc = documented(), plain = await scrape();
  assert.match(plain.headers['content-type'], /^text\/plain; version=0\.0\.4/);
  const lint = run('promtool', ['check', 'metrics'], { input: plain.text });
  assert.equal(lint.status, 0, lint.stdout + lint.stderr);
  assert.equal((lint.stdout + lint.stderr).trim(), '');
  const { found } = parse(plain.text, false);
  for (const [name, is] of found) {
    assert.ok(all.has(name), `${name} is not found in the code`);
    assert.equal(is.type, all.get(name).kind, name);
    for (const l of is.labels) assert.ok(doc.get(name).labels.includes(l), `${name} has the label ${l}, which the README does not say`);
    if (is.samples) for (const l of doc.get(name).labels) assert.ok(is.labels.has(l), `${name} has no label ${l}`);
  }
  for (const n of NODES) assert.match(plain.text, new RegExp(`^metafed_up\\{node="${n}"\\} 1$`, 'm'));
  for (const n of NODES) for (const m of ['process_cpu_seconds_total', 'process_open_fds', 'process_start_time_seconds', 'metafed_build_info']) assert.match(plain.text, new RegExp(`^${m}\\{node="${n}"`, 'm'));
  const open = await scrape(OPENMETRICS);
  assert.match(open.headers['content-type'], /^application\/openmetrics-text; version=1\.0\.0/);
  parse(open.text, true);
  // A client can't make series: neither by paths nor by methods nor by names.
  await use();
  const first = parse((await scrape()).text, false).samples;
  for (let i = 0; i < 50; i++) {
    await f.call('GET', `/v1/tasks/${i}-${Math.random()}`);
    await f.call('GET', `/made/up/${i}`);
    await f.call('GET', `/v1/made-up-${i}`);
  }
  await use();
  const then = parse((await scrape()).text, false).samples;
  assert.ok(then < SERIES_MOST, `${then} samples`);
  assert.ok(then < first + 200, `${first} samples became ${then}`);
});

class Prometheus {
  static async start() {
    const p = new Prometheus(), dir = path.join(f.dir, 'prometheus');
    mkdirSync(path.join(dir, 'data'), { recursive: true });
    for (const file of ['recording.yml', 'alerts.yml']) copyFileSync(path.join(HERE, file), path.join(dir, file));
    writeFileSync(path.join(dir, 'prometheus.yml'), text('prometheus.yml').replace('127.0.0.1:8080', `127.0.0.1:${f.port}`).replaceAll(/_interval: 15s/g, '_interval: 1s').replace('scrape_timeout: 5s', 'scrape_interval: 1s\n    scrape_timeout: 1s'));
    p.port = await freePort();
    p.process = spawn('prometheus', [`--config.file=${dir}/prometheus.yml`, `--storage.tsdb.path=${dir}/data`, `--web.listen-address=127.0.0.1:${p.port}`,
      '--enable-feature=exemplar-storage', '--log.level=warn'], { stdio: ['ignore', 'ignore', 'pipe'] });
    p.log = '';
    p.process.stderr.on('data', (d) => { p.log += d; });
    p.ended = new Promise((resolve) => p.process.on('exit', resolve));
    await until(() => p.get('/-/ready').then(() => true, () => false), 'prometheus is ready');
    return p;
  }

  async get(where) {
    const r = await fetch(`http://127.0.0.1:${this.port}${where}`);
    if (!r.ok) throw new Error(`${where}: ${r.status} ${await r.text()}`);
    return r;
  }

  async api(what, parameters) { return (await (await this.get(`/api/v1/${what}?${new URLSearchParams(parameters)}`)).json()).data; }

  // The values of an instant query.
  async query(query) { return (await this.api('query', { query })).result.map((s) => Number(s.value[1])); }

  async sees(query, what = query) {
    await until(async () => { await sleep(200); return (await this.query(query)).length > 0; }, `prometheus sees ${what}`, 20_000);
  }

  async stop() {
    process.kill(this.process.pid, 'SIGTERM');
    await this.ended;
  }
}

test('Prometheus scrapes it, and sees who was killed, who hangs, and which traces were slow', async () => {
  prometheus = await Prometheus.start();
  await prometheus.sees('count(metafed_up == 1) == 13', 'thirteen nodes');
  const killed = await f.pid('rbac');
  f.kill(killed);
  await f.back('rbac', killed);
  await prometheus.sees('metafed_process_exits_total{process="rbac"} >= 1', 'the end of rbac');
  await prometheus.sees('changes(process_start_time_seconds{node="rbac"}[1m]) >= 1', 'its new start');
  // From a bucket to the very request: its trace is kept.
  await use();
  const exemplars = async () => (await prometheus.api('query_exemplars', { query: 'metafed_http_request_seconds_bucket{route="tasks"}', start: Date.now() / 1000 - 60, end: Date.now() / 1000 + 1 })).flatMap((s) => s.exemplars);
  await until(async () => { await sleep(200); return (await exemplars()).length > 0; }, 'prometheus has an exemplar', 20_000);
  const { labels: { trace_id: trace }, value } = (await exemplars())[0];
  let kept;
  await until(async () => { kept = await f.call('GET', `/v1/traces/${trace}`); await sleep(200); return kept.status === 200; }, `the trace ${trace} is there`);
  assert.match(kept.json.name, / \/v1\/tasks/);
  assert.ok(Math.abs(kept.json.duration_us / 1e6 - Number(value)) < 1e-6, `${kept.json.duration_us} us, ${value} s`);
  // Who hangs is silent for this page; the others are on it, within the second that he is given.
  const hung = await f.pid('cache');
  f.kill(hung, 'SIGSTOP');
  const r = await scrape();
  assert.ok(r.ms < 2000, `${r.ms} ms`);
  assert.match(r.text, /^metafed_up\{node="cache"\} 0$/m);
  assert.equal([...r.text.matchAll(/^metafed_up\{.*\} 1$/gm)].length, 12);
  await f.back('cache', hung, 20_000);
});

test('what the dashboard asks is answered, and the rules are evaluated without an error', async () => {
  await use();
  await prometheus.sees('job_instance:metafed_http_requests:rate5m > 0', 'what the rules record');
  const expand = (e) => e.replaceAll('$__rate_interval', '1m').replaceAll('"$instance"', '".+"').replaceAll('"$node"', '".*"');
  const empty = [];
  for (const e of expressions()) if ((await prometheus.api('query', { query: expand(e) })).result.length === 0) empty.push(e);
  // No stand-by, no certificate, nobody refused: the rest has data.
  assert.ok(empty.length < 12, `without data:\n${empty.join('\n')}`);
  const groups = (await prometheus.api('rules', {})).groups;
  const loaded = groups.flatMap((g) => g.rules);
  assert.equal(loaded.length, rules().length);
  for (const x of loaded) assert.ok(x.health === 'ok' || (x.health === 'unknown' && !x.lastError), `${x.name}: ${x.health} ${x.lastError}`);
  assert.deepEqual(prometheus.log.split('\n').filter((l) => /level=(error|warn)/.test(l)), []);
});

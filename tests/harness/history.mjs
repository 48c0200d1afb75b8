// history: what clients asked and were told, and whether any order of it is legal.
//
// A History records operations: who, on which key, what, with which argument; when it was asked and when it was answered
// (one monotonic clock); and how it ended: ok, fail (surely without effect; `why` is an observation and is checked too) or
// unknown (it may take effect at any later moment, or never). check() looks, key by key, for an order in which
//
//   - a key is a versioned register: create makes version 1, update (blind, or if_version) adds one, delete ends it for good;
//   - each operation takes effect at one moment between its question and its answer (linearizability; the search of Wing and
//     Gong with Lowe's memory of what was tried), and answers what the register then holds;
//   - a bounded read may instead show what was current at most `bound` ms before it was asked;
//   - a session reads what it wrote, and never goes back (a read that is `own`: only what it wrote).
//
// Beside it: the events of the log (each version once, in order, in agreement with the answers and with the end), rows (one
// for each acknowledged id, none for one that surely failed, none twice) and transactions (all of it or nothing).
// What is not legal is reported with the first answer that is impossible and the few operations around it.
// `node tests/harness/history.mjs FILE` checks a saved history again.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const STEPS_MOST = 5_000_000;       // of the search for one key: beyond it the verdict is "undecided", which is no pass
const NEVER = Infinity;
const NONE = { at: 'none', version: 0, value: null }, GONE = { at: 'gone', version: 0, value: null };

export class History {
  constructor(now = () => performance.now()) {
    this.now = now;
    this.ops = [];
  }

  // kind: create, update, delete, read, transaction. o: client, key, value, if_version, bound, session, own, members.
  begin(kind, o) {
    const op = { n: this.ops.length, kind, ...o, asked: this.now(), answered: NEVER, outcome: 'unknown' };
    this.ops.push(op);
    return op;
  }

  // result: {version, value}, or null: there is no such key.
  ok(op, result = {}) { Object.assign(op, { outcome: 'ok', answered: this.now(), result }); }

  // why: conflict (the version is another), missing (no such key), exists; anything else observes nothing.
  fail(op, why = '') { Object.assign(op, { outcome: 'fail', answered: this.now(), why }); }

  unknown(op, why = '') { Object.assign(op, { outcome: 'unknown', answered: NEVER, why }); }

  save(file) {
    writeFileSync(file, this.ops.map((op) => JSON.stringify(op, (k, v) => (v === Infinity ? 'never' : v))).join('\n') + '\n');
  }

  static load(file) {
    const h = new History();
    h.ops = readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line, (k, v) => (v === 'never' ? Infinity : v)));
    return h;
  }

  // Problems, as texts: none when all is legal. recreate: a deleted key may be made again.
  check(opts = {}) {
    const problems = [];
    for (const [key, ops] of this.byKey()) {
      const found = checkKey(key, ops, opts);
      if (found) problems.push(found);
    }
    return problems.concat(this.sessions(), this.torn(opts));
  }

  // A transaction stands in the history of each of its keys as an operation of its own kind.
  byKey() {
    const keys = new Map();
    const add = (op) => {
      if (!keys.has(op.key)) keys.set(op.key, []);
      keys.get(op.key).push(op);
    };
    for (const op of this.ops) {
      if (op.kind !== 'transaction') { add(op); continue; }
      op.members.forEach((m, i) => add({ ...op, ...m, members: undefined, result: op.result?.[i] ?? (op.outcome === 'ok' ? {} : undefined), why: '' }));
    }
    return keys;
  }

  // What a session saw or wrote of a key bounds from below what it may be shown later. Absence is before everything or
  // after everything: after a version it can only be after, and then somebody must have deleted.
  sessions() {
    const problems = [], seen = new Map(), deletes = new Map();
    for (const op of this.ops) if (op.kind === 'delete' && op.outcome !== 'fail') deletes.set(op.key, Math.min(deletes.get(op.key) ?? NEVER, op.asked));
    const rank = (op, before) => {
      if (op.kind === 'delete') return NEVER;
      if (op.kind === 'read' && op.result === null) return before > 0 ? NEVER : 0;
      return op.result.version ?? 0;
    };
    for (const op of this.ops.filter((o) => o.session && o.outcome === 'ok' && o.kind !== 'transaction').sort((x, y) => x.asked - y.asked)) {
      const at = `${op.session} ${op.key}`;
      const all = seen.get(at) ?? [];
      const before = all.filter((s) => s.op.answered < op.asked && !(op.own && s.op.kind === 'read')).reduce((best, s) => (s.rank >= (best?.rank ?? 0) ? s : best), undefined);
      const mine = rank(op, before?.rank ?? 0);
      const unmade = mine === NEVER && op.kind === 'read' && !(deletes.get(op.key) < op.answered);
      if (before && op.kind === 'read' && (mine < before.rank || unmade)) problems.push(`session ${op.session} went back:\n  ${line(before.op)}\n> ${line(op)}`);
      if (!op.own) all.push({ op, rank: mine });
      seen.set(at, all);
    }
    return problems;
  }

  // A transaction of unknown outcome whose one part must have taken effect, and another can't have.
  torn(opts) {
    const problems = [], keys = this.byKey();
    for (const t of this.ops.filter((o) => o.kind === 'transaction' && o.outcome === 'unknown')) {
      const must = [], cannot = [];
      for (const m of t.members) {
        const ops = keys.get(m.key);
        if (!legal(m.key, ops.filter((o) => o.n !== t.n), opts)) must.push(m);
        else if (!legal(m.key, ops.map((o) => (o.n === t.n ? { ...o, outcome: 'must' } : o)), opts)) cannot.push(m);
      }
      if (must.length && cannot.length) problems.push(`torn transaction ${line(t)}\n  took effect: ${must.map((m) => m.key)}\n  did not: ${cannot.map((m) => m.key)}`);
    }
    return problems;
  }

  // events: [{key, version, kind: 'created'|'updated'|'deleted'}] in the order of the log, all of the keys here.
  // final: Map key -> {version} or null; other keys than these are looked past.
  checkEvents(events, final) {
    const problems = [], byKey = new Map();
    for (const e of events) {
      const had = byKey.get(e.key) ?? [];
      const want = had.length + 1, last = had.at(-1);
      if (e.version !== want) problems.push(`event ${e.kind} ${e.key} has version ${e.version} where ${want} is next${e.version < want ? ': doubled or out of order' : ': one is lost'}`);
      if ((e.kind === 'created') !== (had.length === 0)) problems.push(`event ${e.kind} ${e.key} is the ${want}. of its key`);
      if (last?.kind === 'deleted') problems.push(`event ${e.kind} ${e.key} ${e.version} comes after the key was deleted`);
      byKey.set(e.key, [...had, e]);
    }
    for (const [key, ops] of this.byKey()) {
      if (final && !final.has(key)) continue;
      const log = byKey.get(key) ?? [], last = log.at(-1);
      for (const op of ops.filter((o) => o.outcome === 'ok' && o.kind !== 'read' && o.result?.version)) {
        const e = log[op.result.version - 1];
        if (op.kind !== 'delete' && e?.kind !== `${op.kind}d`) problems.push(`acknowledged, and no such event: ${line(op)}`);
      }
      for (const kind of ['create', 'update', 'delete']) {
        const n = log.filter((e) => e.kind === `${kind}d`).length;
        const most = ops.filter((o) => o.kind === kind && o.outcome !== 'fail').length;
        if (n > most) problems.push(`${key} was ${kind}d ${n} times by its events, and at most ${most} were asked for`);
      }
      if (ops.some((o) => o.outcome === 'ok' && o.kind === 'delete') && last?.kind !== 'deleted') problems.push(`${key} was deleted, and its last event is ${last?.kind ?? 'none'}`);
      if (!final) continue;
      const end = final.get(key);
      const told = last === undefined || last.kind === 'deleted' ? null : last.version;
      if ((end?.version ?? null) !== told) problems.push(`${key} ends as ${end ? `version ${end.version}` : 'absent'}; its events say ${told === null ? 'absent' : `version ${told}`}`);
    }
    return problems;
  }

  // rows: [{key, value}], each as often as it is there; `of`: which keys have rows at all.
  checkRows(rows, of = () => true) {
    const problems = [], there = new Map(), values = new Map();
    for (const r of rows) {
      there.set(r.key, (there.get(r.key) ?? 0) + 1);
      const same = values.get(r.value);
      if (same !== undefined && same !== r.key) problems.push(`made twice: ${r.value} is ${same} and ${r.key}`);
      values.set(r.value, r.key);
    }
    for (const [key, n] of there) if (n > 1) problems.push(`${key} is there ${n} times`);
    for (const [key, ops] of this.byKey()) {
      if (!of(key)) continue;
      const made = ops.filter((o) => o.kind === 'create');
      const deleted = ops.some((o) => o.kind === 'delete' && o.outcome !== 'fail');
      if (made.some((o) => o.outcome === 'ok') && !deleted && !there.has(key)) problems.push(`lost: ${line(made.find((o) => o.outcome === 'ok'))}`);
      if (made.length && made.every((o) => o.outcome === 'fail' && o.why !== 'exists') && there.has(key)) problems.push(`there, though it surely failed: ${line(made[0])}`);
    }
    return problems;
  }
}

// --- one key ---

const writes = (op) => op.kind !== 'read';

// The state after the operation, or undefined: it can't have ended so here.
function step(s, op, recreate) {
  const there = s.at === 'there';
  if (op.outcome === 'fail') {
    // A condition on what is not there is not met either (RFC 9110, 13.1.1).
    if (op.why === 'conflict') return there && s.version === op.if_version ? undefined : s;
    if (op.why === 'missing') return there ? undefined : s;
    return s.at === 'none' ? undefined : s;     // exists
  }
  const told = op.outcome === 'ok' ? op.result : undefined;
  switch (op.kind) {
    case 'read':
      if (told === null) return there ? undefined : s;
      return there && told.version === s.version && (told.value === undefined || told.value === s.value) ? s : undefined;
    case 'create':
      if (there || (s.at === 'gone' && !recreate) || (told?.version ?? 1) !== 1) return undefined;
      return { at: 'there', version: 1, value: op.value };
    case 'update':
      if (!there || (op.if_version && op.if_version !== s.version) || (told?.version ?? s.version + 1) !== s.version + 1) return undefined;
      return { at: 'there', version: s.version + 1, value: op.value };
    default:    // delete
      return there && (!op.if_version || op.if_version === s.version) ? GONE : undefined;
  }
}

// What says something: a read that failed does not, nor does a write that surely had no effect for another reason.
function telling(op) {
  if (op.outcome === 'fail') return ['conflict', 'missing', 'exists'].includes(op.why);
  return op.outcome === 'ok' || writes(op);
}

// Depth first over what may come next: not asked after something else was answered. Reads that fit are taken at once, for
// they change nothing; writes that were answered come before those of which nothing is known. Undefined: no order is legal.
// `deepest` is told how far it went.
class Search {
  constructor(ops, { recreate = false } = {}) {
    this.recreate = recreate;
    const all = ops.filter(telling).map((op) => ({ op, from: op.kind === 'read' && op.bound ? op.asked - op.bound : op.asked, to: op.answered }));
    const byFrom = (a, b) => a.from - b.from;
    this.known = all.filter((e) => e.op.outcome !== 'unknown').sort(byFrom);
    this.unknown = all.filter((e) => e.op.outcome === 'unknown').sort(byFrom);
    // Whose version is told took that step: nothing unknown can have.
    this.claimed = new Set(this.known.filter((e) => writes(e.op) && e.op.outcome === 'ok' && e.op.kind !== 'delete' && e.op.result?.version).map((e) => e.op.result.version));
    this.next = Int32Array.from(this.known, (_, i) => i + 1);
    this.prev = Int32Array.from(this.known, (_, i) => i - 1);
    this.first = 0;
    this.count = 0;
    this.used = new Set();
    this.deepest = { n: -1 };
  }

  lift(i) {
    const p = this.prev[i], x = this.next[i];
    if (p < 0) this.first = x; else this.next[p] = x;
    if (x < this.known.length) this.prev[x] = p;
    this.count++;
  }

  unlift(i) {
    const p = this.prev[i], x = this.next[i];
    if (p < 0) this.first = i; else this.next[p] = i;
    if (x < this.known.length) this.prev[x] = i;
    this.count--;
  }

  // Those that may be next, known ones by number, unknown ones as ~number.
  candidates() {
    const out = [];
    let limit = NEVER;
    for (let i = this.first; i < this.known.length && this.known[i].from <= limit; i = this.next[i]) {
      out.push(i);
      if (this.known[i].to < limit) limit = this.known[i].to;
    }
    for (let i = 0; i < this.unknown.length && this.unknown[i].from <= limit; i++) if (!this.used.has(i)) out.push(~i);
    return out;
  }

  after(s, c) {
    if (c >= 0) return step(s, this.known[c].op, this.recreate);
    const { op } = this.unknown[~c];
    return op.kind !== 'delete' && this.claimed.has(s.version + 1) ? undefined : step(s, op, this.recreate);
  }

  // All that was taken: everything before the first that was not, the few behind it, the unknown ones.
  mark(s) {
    const behind = [];
    for (let i = this.first; behind.length < this.count - this.first; i = this.next[i]) {
      for (let j = i + 1; j < this.next[i]; j++) behind.push(j);
    }
    return `${this.first}|${behind}|${[...this.used].sort((a, b) => a - b)}|${s.at}|${s.version}|${s.value}`;
  }

  // Reads that fit here are done; returns them.
  readAll(s) {
    const done = [];
    for (let more = true; more;) {
      more = false;
      for (const c of this.candidates()) {
        if (c < 0 || !(this.known[c].op.kind === 'read' || this.known[c].op.outcome === 'fail') || this.after(s, c) === undefined) continue;
        this.lift(c);
        done.push(c);
        more = true;
      }
    }
    return done;
  }

  run() {
    const tried = new Set(), frames = [];
    let s = NONE, steps = 0;
    const enter = (chosen) => {
      const reads = this.readAll(s);
      if (this.count > this.deepest.n) this.deepest = { n: this.count, state: s, next: this.candidates().map((c) => (c >= 0 ? this.known[c] : this.unknown[~c]).op) };
      const mark = this.mark(s);
      const seen = tried.has(mark);
      tried.add(mark);
      frames.push({ chosen, state: s, reads, options: seen ? [] : this.candidates(), at: 0 });
    };
    enter(undefined);
    while (this.count < this.known.length) {
      if (++steps > STEPS_MOST) return 'undecided';
      const f = frames.at(-1);
      let moved = false;
      while (f.at < f.options.length && !moved) {
        const c = f.options[f.at++], to = this.after(f.state, c);
        if (to === undefined) continue;
        if (c >= 0) this.lift(c); else this.used.add(~c);
        s = to;
        enter(c);
        moved = true;
      }
      if (moved) continue;
      frames.pop();
      for (const r of f.reads.reverse()) this.unlift(r);
      if (f.chosen === undefined) return 'illegal';
      if (f.chosen >= 0) this.unlift(f.chosen); else this.used.delete(~f.chosen);
    }
    return 'legal';
  }
}

function legal(key, ops, opts) {
  const verdict = new Search(ops, opts).run();
  if (verdict === 'undecided') throw new Error(`history of ${key}: undecided after ${STEPS_MOST} steps`);
  return verdict === 'legal';
}

// As it was known when the k-th answer had come: what was answered later is unknown, what was asked later is not there.
function prefix(ops, k) {
  const answers = ops.filter((o) => o.answered < NEVER).sort((a, b) => a.answered - b.answered);
  const end = answers[k - 1].answered;
  return ops.filter((o) => o.asked <= end).map((o) => (o.answered <= end ? o : { ...o, outcome: 'unknown', answered: NEVER }));
}

// A history up to a moment is legal when the whole is: so the first impossible answer is found by halving.
function checkKey(key, ops, opts) {
  if (legal(key, ops, opts)) return undefined;
  let low = 0, high = ops.filter((o) => o.answered < NEVER).length;      // legal up to low, not up to high
  while (high - low > 1) {
    const mid = (low + high) >> 1;
    if (legal(key, prefix(ops, mid), opts)) low = mid; else high = mid;
  }
  const cut = high > 0 ? prefix(ops, high) : ops;
  const search = new Search(cut, opts);
  search.run();
  const culprit = cut.filter((o) => o.answered < NEVER).sort((a, b) => b.answered - a.answered)[0];
  const { state, next } = search.deepest;
  const around = new Set(next.concat(culprit));
  // and the write that made what it was compared with
  const before = cut.filter((o) => o.outcome === 'ok' && writes(o) && !around.has(o) && o.answered <= (culprit?.asked ?? NEVER)).sort((a, b) => b.answered - a.answered)[0];
  if (before) around.add(before);
  return `key ${key}: no legal order from here on; the register held ${state.at === 'there' ? `version ${state.version}, ${state.value}` : state.at}\n`
    + [...around].filter(Boolean).sort((a, b) => a.asked - b.asked).map((o) => `${o === culprit ? '> ' : '  '}${line(o)}`).join('\n');
}

const ms = (t) => (t === NEVER ? '…' : t.toFixed(1));

export function line(op) {
  const what = op.kind === 'transaction' ? op.members.map((m) => `${m.kind} ${m.key}`).join(', ') : op.key;
  const arg = [op.value, op.if_version && `if version ${op.if_version}`, op.bound && `at most ${op.bound} ms old`].filter(Boolean).join(', ');
  const told = op.outcome !== 'ok' ? [op.outcome, op.why].filter(Boolean).join(' ')
    : op.result === null ? 'absent' : `ok${op.result.version ? ` version ${op.result.version}` : ''}${op.kind === 'read' ? ` ${op.result.value}` : ''}`;
  return `${ms(op.asked)}–${ms(op.answered)} ${op.client ?? ''} ${op.kind} ${what}${arg && ` (${arg})`} -> ${told}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const h = History.load(process.argv[2]);
  const problems = h.check();
  console.log(problems.length ? problems.join('\n\n') : `${h.ops.length} operations, legal`);
  process.exitCode = problems.length ? 1 : 0;
}

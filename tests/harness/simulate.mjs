// simulate: histories as a store makes them, without a store: many clients on one register per key, effects at a moment
// between question and answer, lost answers, a cache with an age. With `bug`, one wrong thing is planted: what the checker
// must find. All of it follows from the seed.
import { History } from './history.mjs';

// mulberry32
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const LONG = 10;        // ms that an operation lasts at most
const BOUND = 50;

class Store {
  constructor() {
    this.keys = new Map();      // key -> [{at, version, value}], version 0: none yet or gone
    this.events = [];
  }

  states(key) {
    if (!this.keys.has(key)) this.keys.set(key, [{ at: -Infinity, version: 0, value: null }]);
    return this.keys.get(key);
  }

  now(key) { return this.states(key).at(-1); }

  gone(key) { return this.now(key).version === 0 && this.states(key).length > 1; }

  put(key, at, version, value, kind) {
    this.states(key).push({ at, version, value });
    this.events.push({ key, kind, version: kind === 'deleted' ? this.states(key).at(-2).version + 1 : version });
  }

  // One operation at one moment; what it answers: {ok} or {fail}.
  apply(op, at) {
    const s = this.now(op.key);
    if (op.kind === 'read') return { ok: s.version ? { version: s.version, value: s.value } : null };
    if (op.kind === 'create') {
      if (s.version || this.gone(op.key)) return { fail: 'exists' };
      this.put(op.key, at, 1, op.value, 'created');
      return { ok: { version: 1 } };
    }
    if (!s.version) return { fail: 'missing' };
    if (op.if_version && op.if_version !== s.version) return { fail: 'conflict' };
    if (op.kind === 'delete') {
      this.put(op.key, at, 0, null, 'deleted');
      return { ok: {} };
    }
    this.put(op.key, at, s.version + 1, op.value, 'updated');
    return { ok: { version: s.version + 1 } };
  }
}

// What one client does next.
function choose(r, names, i, client, store, known) {
  const key = names[Math.floor(r() * names.length)], x = r();
  if (!known.has(key) || x < 0.05) return { kind: 'create', key, value: `v${i}`, client };
  if (x < 0.07) return { kind: 'delete', key, client };
  if (x < 0.45) return { kind: 'update', key, value: `v${i}`, client, if_version: r() < 0.3 ? Math.max(1, store.now(key).version - (r() < 0.2 ? 1 : 0)) : undefined };
  if (x < 0.6) return { kind: 'read', key, client, bound: BOUND };
  return { kind: 'read', key, client, session: client };
}

export function simulate({ seed, keys, ops, clients, bug, after = ops / 2 }) {
  const r = random(seed), h = new History(), store = new Store(), known = new Set(), free = Array(clients).fill(0);
  // Keys are made as they are wanted, so that there are some to delete; a deleted one is followed by a new one.
  const names = Array.from({ length: keys }, (_, i) => `k${i}`);
  const plan = [];
  let planted = false, pairs = 0, held;     // held: what "reordered" has answered, and does later
  for (let i = 0; i < ops; i++) {
    const c = free.indexOf(Math.min(...free)), asked = free[c] + r(), took = r() * LONG, at = asked + r() * took;
    free[c] = asked + took;
    plan.push({ i, client: `c${c}`, asked, at, answered: asked + took });
  }
  plan.sort((a, b) => a.at - b.at);
  const say = (op, p, told, lost) => {
    h.now = () => p.answered;
    if (lost) h.unknown(op); else if (told.fail !== undefined) h.fail(op, told.fail); else h.ok(op, told.ok);
  };
  for (const p of plan) {
    const armed = bug && !planted && p.i >= after;
    const { client, ...what } = choose(r, names, p.i, p.client, store, known);
    let op;
    h.now = () => p.asked;
    if (r() < 0.02 || (armed && bug === 'torn')) {
      const members = [0, 1].map((n) => ({ kind: 'create', key: `p${pairs}.${n}`, value: `v${p.i}.${n}` }));
      pairs++;
      op = h.begin('transaction', { client, members });
      const tear = armed && bug === 'torn';
      const done = tear || r() < 0.9 ? members.slice(0, tear ? 1 : 2).map((m) => store.apply(m, p.at).ok) : undefined;
      say(op, p, done ? { ok: tear ? [{ version: 1 }, { version: 1 }] : done } : { fail: '' }, !tear && r() < 0.1);
      planted ||= tear;
      continue;
    }
    op = h.begin(what.kind, { client, ...what });
    // Where something is planted every answer arrives: else what is unknown could explain it.
    const target = bug && op.key.startsWith('k0');
    const state = store.now(op.key), lost = r() < 0.03 && !target;
    if (op.bound) {
      const old = store.states(op.key).filter((s) => s.at <= p.asked - r() * BOUND).at(-1);
      say(op, p, { ok: old.version ? { version: old.version, value: old.value } : null }, lost);
      continue;
    }
    const plain = target && op.kind === 'update' && !op.if_version && state.version > 0;
    if (armed && bug === 'lost' && plain) {
      say(op, p, { ok: { version: state.version + 1 } });
      planted = true;
      continue;
    }
    if (armed && (bug === 'stale' || bug === 'session') && op.kind === 'read') {
      const old = store.states(op.key).filter((s) => s.version && s.version < state.version && store.states(op.key).some((n) => n.version === s.version + 1 && n.at < p.asked - (bug === 'session' ? 0 : LONG))).at(-1);
      const saw = h.ops.some((o) => o.session === op.session && o.key === op.key && o.outcome === 'ok' && o.answered < op.asked && (o.result?.version ?? 0) > (old?.version ?? Infinity));
      if (old && state.version && (bug === 'stale' || saw)) {
        if (bug === 'session') op.bound = 1e9;
        say(op, p, { ok: { version: old.version, value: old.value } });
        planted = true;
        continue;
      }
    }
    if (armed && bug === 'resurrected' && op.kind === 'read') {
      const key = [...store.keys.keys()].find((k) => k.startsWith('k0') && store.gone(k) && store.now(k).at < p.asked - LONG);
      if (key) {
        const last = store.states(key).at(-2);
        op.key = key;
        say(op, p, { ok: { version: last.version, value: last.value } });
        planted = true;
        continue;
      }
    }
    if (armed && bug === 'reordered' && plain && !held) {      // told now, done later
      held = op;
      say(op, p, { ok: { version: state.version + 1 } });
      continue;
    }
    const done = lost && r() < 0.5 ? undefined : store.apply(op, p.at);
    if (armed && bug === 'doubled' && plain && done) {
      store.apply({ ...op, if_version: undefined }, p.at);
      planted = true;
    }
    if (held && op.kind === 'update' && op.key === held.key && done?.ok) {
      store.apply({ ...held, if_version: undefined }, p.at);
      held = undefined;
      planted = true;
    }
    if (op.kind === 'create' && done?.ok) known.add(op.key);
    if (op.kind === 'delete' && done?.ok) names[names.indexOf(op.key)] = `${op.key}'`;
    say(op, p, done ?? {}, lost);
  }
  finish(h, store, Math.max(...free) + LONG);
  return { history: h, ...disturb(store, bug, r, planted || held !== undefined) };
}

// When all is quiet each key is read once more.
function finish(h, store, at) {
  for (const key of store.keys.keys()) {
    h.now = () => at;
    const op = h.begin('read', { client: 'end', key });
    h.now = () => at + 1;
    h.ok(op, store.apply(op, at).ok);
  }
}

// The log and the rows as they are left, with what `bug` does to them.
function disturb(store, bug, r, planted) {
  const events = [...store.events], rows = [], final = new Map();
  for (const key of store.keys.keys()) {
    const s = store.now(key);
    final.set(key, s.version ? { version: s.version } : null);
    if (s.version) rows.push({ key, value: s.value });
  }
  const some = events.findIndex((e, i) => i > events.length / 3 && e.kind === 'updated' && events.slice(i + 1).some((n) => n.key === e.key));
  const next = events.findIndex((e, i) => i > some && e.key === events[some]?.key);
  if (bug === 'lost event') events.splice(some, 1);
  else if (bug === 'doubled event') events.splice(next, 0, events[some]);
  else if (bug === 'swapped events') [events[some], events[next]] = [events[next], events[some]];
  else if (bug === 'lost row') rows.splice(rows.findIndex((row) => row.key.startsWith('k0')), 1);
  else if (bug === 'doubled row') rows.push({ key: 'another', value: rows[0].value });
  else return { events, rows, final, planted };
  return { events, rows, final, planted: some >= 0 };
}

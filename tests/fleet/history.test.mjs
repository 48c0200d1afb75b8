// The history checker itself: what is legal passes, what is not is found. No fleet.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { History } from '../harness/history.mjs';
import { simulate, random } from '../harness/simulate.mjs';

const seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
console.log(`# measured seed ${seed}`);

// A history by hand: [asked, answered, kind, {..}, result | 'unknown' | ['fail', why]] on key k.
function history(...rows) {
  const h = new History();
  for (const [asked, answered, kind, o, end] of rows) {
    h.now = () => asked;
    const op = h.begin(kind, { client: 'c', key: 'k', ...o });
    h.now = () => answered;
    if (end === 'unknown') h.unknown(op); else if (Array.isArray(end) && end[0] === 'fail') h.fail(op, end[1]); else h.ok(op, end);
  }
  return h;
}
const created = [0, 1, 'create', { value: 'a' }, { version: 1 }];
const read = (asked, answered, version, value, o = {}) => [asked, answered, 'read', o, version && { version, value }];
const legal = (...rows) => assert.deepEqual(history(...rows).check(), []);
const illegal = (what, ...rows) => assert.match(history(...rows).check().join('\n'), what);

test('reads see what was written before they were asked', () => {
  legal(created, read(2, 3, 1, 'a'), [4, 5, 'update', { value: 'b' }, { version: 2 }], read(6, 7, 2, 'b'));
  illegal(/> 6.0–7.0 .*version 1 a/, created, [4, 5, 'update', { value: 'b' }, { version: 2 }], read(6, 7, 1, 'a'));
  illegal(/absent/, created, read(2, 3, null));
  illegal(/x/, created, read(2, 3, 1, 'x'));
});

test('of two at the same time either may come first, but all must agree which', () => {
  const two = [created, [2, 6, 'update', { value: 'b' }, { version: 2 }], [2, 6, 'update', { value: 'c' }, { version: 3 }]];
  legal(...two, read(7, 8, 3, 'c'));
  legal(...two, read(3, 4, 2, 'b'), read(4, 5, 3, 'c'));
  legal(...two, read(3, 5, 1, 'a'));
  illegal(/key k/, ...two, read(7, 8, 3, 'b'));
  illegal(/key k/, ...two, read(3, 4, 2, 'b'), read(4.5, 5, 1, 'a'));
});

test('what is unknown may have taken effect at any later time, or never, but only once', () => {
  const lost = [2, 3, 'update', { value: 'b' }, 'unknown'];
  legal(created, lost, read(4, 5, 1, 'a'));
  legal(created, lost, read(4, 5, 2, 'b'));
  legal(created, lost, read(4, 5, 1, 'a'), read(6, 7, 2, 'b'));
  legal(created, lost, read(4, 5, 1, 'a'), [6, 7, 'update', { value: 'c' }, { version: 2 }], read(8, 9, 3, 'b'));
  illegal(/key k/, created, lost, read(4, 5, 2, 'b'), read(6, 7, 1, 'a'));
  illegal(/key k/, created, lost, read(4, 5, 3, 'b'));
  illegal(/key k/, created, read(1.1, 1.5, 2, 'b'), lost);
});

test('if_version is met or refused, and a refusal is an answer too', () => {
  legal(created, [2, 3, 'update', { value: 'b', if_version: 1 }, { version: 2 }], [4, 5, 'update', { value: 'c', if_version: 1 }, ['fail', 'conflict']]);
  legal(created, [2, 3, 'delete', {}, {}], [4, 5, 'update', { value: 'c', if_version: 1 }, ['fail', 'conflict']]);
  illegal(/conflict/, created, [2, 3, 'update', { value: 'b', if_version: 1 }, ['fail', 'conflict']]);
  illegal(/key k/, created, [2, 3, 'update', { value: 'b', if_version: 2 }, { version: 2 }]);
  illegal(/missing/, created, [2, 3, 'delete', {}, ['fail', 'missing']]);
  illegal(/exists/, [2, 3, 'create', { value: 'b' }, ['fail', 'exists']], read(4, 5, null));
});

test('what is deleted stays so', () => {
  const gone = [2, 3, 'delete', {}, {}];
  legal(created, gone, read(4, 5, null), [6, 7, 'create', { value: 'b' }, ['fail', 'exists']]);
  illegal(/key k/, created, gone, read(4, 5, 1, 'a'));
  illegal(/key k/, created, gone, [4, 5, 'delete', {}, {}]);
  illegal(/key k/, created, gone, [4, 5, 'create', { value: 'b' }, { version: 1 }]);
  assert.deepEqual(history(created, gone, [4, 5, 'create', { value: 'b' }, { version: 1 }]).check({ recreate: true }), []);
});

test('a bounded read may be old, but not older than its bound', () => {
  const two = [created, [10, 11, 'update', { value: 'b' }, { version: 2 }]];
  legal(...two, read(14, 15, 1, 'a', { bound: 5 }));
  illegal(/at most 2 ms old/, ...two, read(14, 15, 1, 'a', { bound: 2 }));
  illegal(/key k/, ...two, read(14, 15, 3, 'c', { bound: 5 }));
});

test('a session reads what it wrote and never goes back', () => {
  const s = { session: 's', bound: 100 }, two = [created, [10, 11, 'update', { value: 'b', session: 's' }, { version: 2 }]];
  legal(...two, read(14, 15, 1, 'a', { bound: 100 }));
  illegal(/session s went back/, ...two, read(14, 15, 1, 'a', s));
  illegal(/session s went back/, ...two, read(14, 15, null, '', s));
  legal(...two, [12, 13, 'delete', {}, {}], read(14, 15, null, '', s));
  illegal(/session s went back/, ...two, [12, 13, 'delete', { session: 's' }, {}], read(14, 15, 2, 'b', s));
  const other = { session: 't', bound: 100 };
  illegal(/session t went back/, ...two, read(12, 13, 2, 'b', other), read(14, 15, 1, 'a', other));
  legal(...two, read(12, 15, 2, 'b', other), read(14, 16, 1, 'a', other));
  legal(...two, read(12, 13, 2, 'b', other), read(14, 15, 1, 'a', { ...other, own: true }));
  illegal(/session s went back/, ...two, read(14, 15, 1, 'a', { ...s, own: true }));
});

test('a transaction is done whole or not at all', () => {
  const pair = (end) => [0, 1, 'transaction', { key: undefined, members: [{ kind: 'create', key: 'x', value: 't' }, { kind: 'create', key: 'y', value: 't' }] }, end];
  const see = (key, there) => [2, 3, 'read', { key }, there ? { version: 1, value: 't' } : null];
  legal(pair([{ version: 1 }, { version: 1 }]), see('x', true), see('y', true));
  legal(pair('unknown'), see('x', false), see('y', false));
  legal(pair('unknown'), see('x', true), see('y', true));
  legal(pair('unknown'), see('x', true));
  illegal(/key y/, pair([{ version: 1 }, { version: 1 }]), see('x', true), see('y', false));
  illegal(/key x/, pair(['fail', '']), see('x', true), see('y', false));
  // Later it may still come, unless the end is known: then a delete that found nothing says so.
  const end = [4, 5, 'create', { key: 'y', value: 'z' }, { version: 1 }];
  illegal(/torn transaction/, pair('unknown'), see('x', true), end);
});

test('events: each version once, in order, in agreement with answers and end', () => {
  const h = history(created, [2, 3, 'update', { value: 'b' }, { version: 2 }], [4, 5, 'update', { value: 'c' }, 'unknown']);
  const e = (version, kind = 'updated') => ({ key: 'k', version, kind });
  const at = (v) => new Map([['k', v && { version: v }]]);
  assert.deepEqual(h.checkEvents([e(1, 'created'), e(2)], at(2)), []);
  assert.deepEqual(h.checkEvents([e(1, 'created'), e(2), e(3)], at(3)), []);
  assert.match(h.checkEvents([e(1, 'created'), e(3)], at(3)).join(), /one is lost/);
  assert.match(h.checkEvents([e(1, 'created'), e(2), e(2)], at(2)).join(), /doubled/);
  assert.match(h.checkEvents([e(2), e(1, 'created')], at(2)).join(), /has version 2 where 1 is next/);
  assert.match(h.checkEvents([e(1, 'created')], at(1)).join(), /acknowledged, and no such event/);
  assert.match(h.checkEvents([e(1, 'created'), e(2)], at(3)).join(), /ends as version 3/);
  assert.match(h.checkEvents([e(1, 'created'), e(2), e(3, 'deleted'), e(4)], at(4)).join(), /after the key was deleted/);
});

test('rows: one for each acknowledged id, none for what surely failed, none twice', () => {
  const h = history(created, [2, 3, 'create', { key: 'no', value: 'n' }, ['fail', 'invalid']], [2, 3, 'create', { key: 'q', value: 'q' }, 'unknown']);
  const row = (key, value) => ({ key, value });
  assert.deepEqual(h.checkRows([row('k', 'a')]), []);
  assert.deepEqual(h.checkRows([row('k', 'a'), row('q', 'q')]), []);
  assert.match(h.checkRows([]).join(), /lost: .*create k/);
  assert.match(h.checkRows([row('k', 'a'), row('k', 'a')]).join(), /2 times/);
  assert.match(h.checkRows([row('k', 'a'), row('no', 'n')]).join(), /surely failed/);
  assert.match(h.checkRows([row('k', 'a'), row('z', 'a')]).join(), /made twice/);
});

test('the report is small and names the first answer that is impossible', () => {
  const { history: h } = simulate({ seed, keys: 1, ops: 2000, clients: 8, bug: 'stale', after: 1500 });
  const [problem, ...others] = h.check();
  assert.ok(problem, 'found');
  for (const o of others) assert.match(o, /^session /);       // the same read, seen from its session
  assert.match(problem, /^key .*no legal order/);
  assert.match(problem, /\n> .* read /);
  assert.ok(problem.split('\n').length <= 24, problem);
});

test('a saved history is checked as the live one', () => {
  const { history: h } = simulate({ seed, keys: 5, ops: 500, clients: 8 });
  const file = `/tmp/mf-history-${process.pid}`;
  h.save(file);
  const again = History.load(file);
  assert.deepEqual(again.ops, JSON.parse(JSON.stringify(h.ops), (k, v) => (k === 'answered' && v === null ? Infinity : v)));
  assert.deepEqual(again.check(), []);
});

test('histories that a correct store makes are legal, whatever the luck: 300 of them', () => {
  const r = random(seed);
  for (let i = 0; i < 300; i++) {
    const one = Math.floor(r() * 2 ** 31);
    const { history: h, events, rows, final } = simulate({ seed: one, keys: 1 + i % 7, ops: 150, clients: 1 + i % 9 });
    const problems = [...h.check(), ...h.checkEvents(events, final), ...h.checkRows(rows)];
    assert.deepEqual(problems, [], `seed ${one}`);
  }
});

for (const bug of ['lost', 'doubled', 'stale', 'reordered', 'torn', 'resurrected', 'lost event', 'doubled event', 'swapped events', 'lost row', 'doubled row', 'session']) {
  test(`planted in the simulator, and found: ${bug}, in 40 of 40`, () => {
    const r = random(seed + 1);
    for (let n = 0, tries = 0; n < 40; tries++) {
      const one = Math.floor(r() * 2 ** 31);
      const { history: h, events, rows, final, planted } = simulate({ seed: one, keys: 3, ops: 400, clients: 6, bug });
      assert.ok(tries < 400, 'there is a chance to plant it');
      if (!planted) continue;
      n++;
      const problems = [...h.check(), ...h.checkEvents(events, final), ...h.checkRows(rows)];
      assert.notEqual(problems.length, 0, `seed ${one}`);
    }
  });
}

test('100,000 operations over 1,000 keys take seconds', () => {
  const { history: h, events, rows, final } = simulate({ seed, keys: 1000, ops: 100_000, clients: 64 });
  const begin = performance.now();
  assert.deepEqual([...h.check(), ...h.checkEvents(events, final), ...h.checkRows(rows)], []);
  const took = performance.now() - begin;
  console.log(`# measured ${h.ops.length} operations checked in ${Math.round(took)} ms`);
  assert.ok(took < 20_000, `${took} ms`);
});

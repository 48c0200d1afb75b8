// What the command line says while PostgreSQL is away, and of a raw request that came to nothing: to people, on standard error.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { Fleet, freePort, newDir, run, until, BIN } from '../harness/fleet.mjs';
import { PgCut } from '../harness/pg_cut.mjs';
import { CONF } from '../harness/steps.mjs';

let f, way;
before(async () => {
  const dir = newDir(), port = await freePort();
  way = new PgCut(port, path.relative(process.cwd(), path.join(dir, 'v/run/stores/.s.PGSQL.5432')));
  f = await Fleet.start({ dir, conf: `${CONF}${way.conf()}` });
});
after(async () => { way?.stop(); await f?.stop(); });

const request = (id, database, ...options) => run(path.join(BIN, 'metafed'), [...options, '--var', f.var, 'request', '-'], { input: JSON.stringify({ task_id: id, requirements: { database } }) });

test('a request shows the way it took and what came of it', () => {
  const r = request('shown', { operation: 'transaction', data: [{ operation: 'create', model: 'task', data: { title: 'both' } }, { operation: 'create', model: 'doc.notes', id: 'both', data: { n: 1 } }] });
  assert.equal(r.status, 0, r.stderr);
  assert.match(r.stdout, /^task shown: success\n/);
  const items = JSON.parse(r.stdout.slice(r.stdout.indexOf('result\n') + 7)).items;
  assert.deepEqual([items[0].data.title, items[1].data.data], ['both', { n: 1 }]);
  assert.equal(r.stderr, '');
});

test('what is refused is named by its place', () => {
  const one = request('bad-1', { operation: 'create', model: 'task', data: { titel: 'x' } });
  assert.equal(one.status, 1);
  assert.match(one.stderr, /^metafed: \/titel: there is no such field \(status 422\)\n/);
  const list = f.cli('task', 'list', '--payload', 'team=7');
  assert.equal(list.status, 1);
  assert.match(list.stderr, /payload: must be a JSON Pointer, = and a value/);
});

test('what a store would pass over is refused, not done without', () => {
  const id = JSON.parse(f.cli('--json', 'task', 'add', 'stays').stdout).id;
  const doc = (extra) => ({ operation: 'create', model: 'doc.vain', data: {}, ...extra });
  const cases = [
    [{ operation: 'query', model: 'task', where: { '/state': 'none' } }, /where: is of lists of documents only/],
    [{ operation: 'delete', model: 'task', id, where: { '/state': 'none' } }, /where: is of lists of documents only/],
    [{ operation: 'delete', model: 'task', id, filters: { state: 'FAILED' } }, /filters: are of lists only/],
    [{ operation: 'delete', model: 'doc.vain', id: 'x', filters: { n: '1' } }, /filters: are of lists only/],
    [{ operation: 'update', model: 'task', id, data: { title: 'gone' }, ttl_ms: 5 }, /ttl_ms: is of creates and updates of documents only/],
    [{ operation: 'transaction', data: [doc({ tll: 5 })] }, /data\/0\/tll: there is no such field of a member/],
    [{ operation: 'bulk', data: [doc(), doc({ where: { '/a': 1 } })] }, /data\/1\/where: there is no such field of a member/],
    [{ operation: 'transaction', data: [{ operation: 'create', model: 'task', data: { title: 'x' }, ttl_ms: 5 }] }, /data\/0\/ttl_ms: is of creates and updates of documents only/],
    [{ operation: 'transaction', data: [doc({ ttl_ms: '5' })] }, /data\/0\/ttl_ms: must be an integer/],
  ];
  cases.forEach(([database, words], i) => {
    const r = request(`vain-${i}`, database);
    assert.equal(r.status, 1, JSON.stringify(database));
    assert.match(r.stderr, words);
  });
  assert.match(f.cli('task', 'get', id).stdout, /title +stays/);
});

test('a member of a transaction has a life of its own', async () => {
  const r = request('lives', { operation: 'transaction', data: [{ operation: 'create', model: 'doc.lives', id: 'short', data: {}, ttl_ms: 60 }, { operation: 'create', model: 'doc.lives', id: 'long', data: {} }, { operation: 'create', model: 'task', data: { title: 'both stores' } }] });
  assert.equal(r.status, 0, r.stderr);
  await until(() => f.cli('doc', 'get', 'lives', 'short').status === 4, 'its life is over');
  assert.equal(f.cli('doc', 'get', 'lives', 'long').status, 0);
});

test('PostgreSQL is away: answers are marked, and hops that failed are not called ok', async () => {
  await way.cut();
  let add;
  await until(() => { add = f.cli('--json', 'task', 'add', 'waits'); return add.status === 0 && add.stderr !== ''; }, 'a degraded create');
  assert.match(add.stderr, /^degraded: PostgreSQL is away.*\n$/);
  assert.equal(JSON.parse(add.stdout).title, 'waits');
  const r = request('away', { operation: 'query', model: 'task' });
  assert.equal(r.status, 6, 'nothing of it was done: somebody was let in only');
  assert.match(r.stderr, /^metafed: PostgreSQL is not available/);
  assert.match(r.stdout, /Database\.Read .* failed: STORE_DOWN\n/);
  assert.match(f.cli('fleet').stdout, /The stores are degraded/);
  await way.mend();
  await until(() => { const l = f.cli('task', 'list', '--q', 'waits'); return l.status === 0 && l.stderr === '' && /waits/.test(l.stdout); }, 'what waited is listed');
});

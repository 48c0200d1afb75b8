// Clients that misbehave, deadlines, injected faults.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { Fleet, NODES, failures, sleep, until } from '../harness/fleet.mjs';

let seed = Number(process.env.METAFED_SEED ?? Date.now() % 1e6);
console.log(`# measured seed ${seed}`);
const rnd = (n) => { seed = (seed * 1103515245 + 12345) & 0x7fffffff; return seed % n; };
let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const raw = (text, wait = 500) => new Promise((resolve) => {
  const s = net.connect(f.port, '127.0.0.1');
  let out = '';
  const t = setTimeout(() => { s.destroy(); resolve(out); }, wait);
  s.on('data', (d) => { out += d.toString('latin1'); });
  s.on('error', () => {});
  s.on('close', () => { clearTimeout(t); resolve(out); });
  s.write(text, 'latin1', () => s.end());
});

test('a thousand malformed requests: refused (4xx, 501, 505) or closed, nothing crashes', async () => {
  const before = await f.nodes();
  const good = `POST /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${f.token}\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"title":"value"}`;
  const hand = ['GET / HTTP/1.1\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', '\0\0\0\0\r\n\r\n', 'GET / HTTP/9.9\r\nHost: a\r\n\r\n',
    'POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello', 'POST /v1/tasks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
    'POST /v1/tasks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n', 'GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n', 'GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n', 'GET http://a b/ HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n', `GET /${'a'.repeat(20000)} HTTP/1.1\r\nHost: a\r\n\r\n`, `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(5000)}\r\n`];
  let refused = 0, closed = 0;
  for (let i = 0; i < 1000; i += 20) {
    const batch = await Promise.all(Array.from({ length: 20 }, (_, k) => {
      const n = i + k;
      if (n < hand.length) return raw(hand[n]);
      const b = Buffer.from(good, 'latin1');
      for (let m = 1 + rnd(4); m > 0; m--) b[rnd(b.length)] = rnd(256);
      return raw(b.subarray(0, n % 3 === 0 ? rnd(b.length) : b.length).toString('latin1'));
    }));
    for (const [k, out] of batch.entries()) {
      const status = Number(/^HTTP\/1\.[01] (\d\d\d)/.exec(out)?.[1] ?? 0);
      if (status === 0) closed++;
      else if ((status >= 400 && status < 500) || status === 501 || status === 505) refused++;
      else assert.ok(status === 201 || (i + k >= hand.length && status < 500), `${i + k}: ${out.slice(0, 200)}`);
    }
  }
  const after = await f.nodes();
  for (const n of NODES) assert.equal(after[n].pid, before[n].pid, `${n} did not restart`);
  console.log(`# measured 1000 malformed: ${refused} refused, ${closed} closed`);
});

test('malformed JSON bodies get 400 or 422 and never more', async () => {
  const bodies = ['', '{', '[', 'null', '1e999', '{"title":"\\ud800"}', `${'['.repeat(100000)}`, '{"title":"a","title":"b"}', '{"title":"\\u0000"}', '{"title":"a"} x', '\xff\xfe', '{"title":{"$ne":1}}', '{"title":"a","priority":1e99}', '{"title":"a","labels":[1]}', '{"id":"../x","title":"a"}'];
  for (const body of bodies) {
    const r = await f.call('POST', '/v1/tasks', { body: Buffer.from(body, 'latin1') });
    assert.ok([400, 422].includes(r.status), `${JSON.stringify(body.slice(0, 40))}: ${r.status} ${r.text}`);
  }
});

test('a request with 50 ms left never holds anything longer', async () => {
  const body = (i) => ({ task_id: `short-${i}-${Date.now()}`, deadline_ms: 50, requirements: { database: { operation: 'query', model: 'task' }, auth: { require_permission: 'task.read' } } });
  const set = async (spec) => {
    for (const node of ['sql', 'nosql']) {      // the stand-in too: else it answers in time
      const r = await f.call('POST', `/v1/fleet/${node}:faults`, { body: { spec, seed: 1, for_ms: 4000 } });
      assert.equal(r.status, 200, r.text);
    }
  };
  await set('mf.Sql.Read:delay=5000');
  for (let i = 0; i < 5; i++) {
    const x = await f.call('POST', '/v1/requests', { body: body(i) });
    assert.ok(x.ms < 250, `${x.ms} ms`);
    // Where a permission had to be read again, the problem comes first and holds the response.
    assert.equal((x.json.response ?? x.json).success, false, x.text);
  }
  await set('');
  // The delay that was asked for would hold them for 5 s.
  let held;
  await until(async () => { const nodes = await f.nodes(); held = ['meta', 'database', 'sql'].map((n) => nodes[n].in_flight); return held.every((n) => n <= 1); }, 'nothing is held', 1000).catch(() => {});
  assert.ok(held.every((n) => n <= 1), `meta, database, sql hold ${held}`);
});

test('a client that goes away cancels the work behind it', async () => {
  const set = async (spec) => {
    for (const node of ['sql', 'nosql']) await f.call('POST', `/v1/fleet/${node}:faults`, { body: { spec, seed: 1, for_ms: 6000 } });
  };
  await set('mf.Sql.Read:delay=5000');
  const sockets = Array.from({ length: 10 }, () => {
    const s = net.connect(f.port, '127.0.0.1');
    s.on('error', () => {});
    s.write(`GET /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${f.token}\r\n\r\n`);
    return s;
  });
  let busy = 0;
  await until(async () => (busy = (await f.nodes()).database.in_flight) >= 10, 'all are under way', 3000).catch(() => {});
  for (const s of sockets) s.destroy();
  // Uncancelled they would be held for the 5 s of the delay. jwt, oauth and rbac read their own rows now and then: up to three.
  const own = 3;
  const begin = Date.now();
  let left = busy;
  while (left > own && Date.now() - begin < 3000) {
    await sleep(100);
    left = (await f.nodes()).database.in_flight;
  }
  await set('');
  assert.ok(busy >= 10, `${busy} were under way`);
  assert.ok(left <= own, `${left} still held`);
});

test('injected errors in one agent are made good by its stand-in', async () => {
  const r = await f.call('POST', '/v1/fleet/rest:faults', { body: { spec: 'mf.Rest.Handle:error=0.3,status=UNAVAILABLE', seed: 42, for_ms: 3000 } });
  assert.ok(r.status < 300, r.text);
  const results = await f.load(100, 2, () => ['GET', '/v1/tasks?limit=1', {}]);
  assert.deepEqual(failures(results), []);
});

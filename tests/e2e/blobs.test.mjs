// Large values through the public door: whole bodies and resumable uploads (tus, with the client of npm), ranges, wrong digests,
// slow readers; no process holds a body in memory.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { Readable } from 'node:stream';
import * as tus from 'tus-js-client';
import { BIN, Fleet, run, sleep, until } from '../harness/fleet.mjs';

const MIB = 1 << 20;
let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const sha = (b) => createHash('sha256').update(b).digest();
const idOf = (b) => `sha256:${sha(b).toString('hex')}`;
const digestOf = (b) => `sha-256=:${sha(b).toString('base64')}:`;
const rssMiB = (node) => {
  const pid = f.processes().find((p) => p.cmd.includes(`metafed-${node}`)).pid;
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
};
const put = (body, headers = {}) => f.call('POST', '/v1/blobs', { body, headers: { 'content-type': 'application/octet-stream', ...headers } });

// A request whose body is a stream, and whose answer is one.
function stream(method, target, { body, headers = {}, token = f.token } = {}) {
  return new Promise((resolve, reject) => {
    const q = http.request({ host: '127.0.0.1', port: f.port, method, path: target, agent: false, headers: { authorization: `Bearer ${token}`, ...headers } }, resolve);
    q.on('error', reject);
    if (body) body.pipe(q); else q.end();
  });
}
const text = async (r) => { let s = ''; for await (const c of r) s += c; return s; };
const bytes = async (r) => { const all = []; for await (const c of r) all.push(c); return Buffer.concat(all); };

// n bytes that are made as they are read, and their digest.
function noise(n) {
  const block = randomBytes(MIB), hash = createHash('sha256');
  let left = n;
  const r = new Readable({
    read() {
      if (left === 0) return void this.push(null);
      block.writeUInt32LE(left >>> 0);
      const piece = Buffer.from(block.subarray(0, Math.min(left, MIB)));
      left -= piece.length;
      hash.update(piece);
      this.push(piece);
    },
  });
  return { r, digest: () => hash.digest('hex') };
}

test('what is put comes back, under the name of its digest', async () => {
  for (const n of [0, 1, 262143, 262144, 262145, 700_000]) {
    const body = randomBytes(n);
    const r = await put(body, { 'content-type': 'image/png', 'repr-digest': digestOf(body) });
    assert.equal(r.status, 201, r.text);
    assert.equal(r.json.id, idOf(body));
    assert.equal(r.json.size, n);
    assert.equal(r.headers.location, `/v1/blobs/${r.json.id}`);
    const got = await stream('GET', r.headers.location);
    assert.equal(got.statusCode, 200);
    assert.equal(got.headers['content-type'], 'image/png');
    assert.equal(got.headers['content-length'], String(n));
    assert.equal(got.headers['content-disposition'], 'attachment');
    assert.equal(got.headers['x-content-type-options'], 'nosniff');
    assert.equal(got.headers['repr-digest'], digestOf(body));
    assert.deepEqual(await bytes(got), body);
    const head = await stream('HEAD', r.headers.location);
    assert.equal(head.headers['content-length'], String(n));
    assert.equal((await f.call('GET', r.headers.location, { headers: { 'if-none-match': r.headers.etag } })).status, 304);
  }
});

test('200 MB go in and out, and neither api nor rest nor sql grows by more than a few pieces', async () => {
  await put(randomBytes(3 * MIB));      // what is taken once is there
  const before = Object.fromEntries(['api', 'rest', 'meta', 'database', 'sql'].map((n) => [n, rssMiB(n)]));
  const most = { ...before };
  const watch = setInterval(() => { for (const n in most) most[n] = Math.max(most[n], rssMiB(n)); }, 100);
  const n = 200_000_000, { r, digest } = noise(n);
  const a = await stream('POST', '/v1/blobs', { body: r });       // chunked
  const said = JSON.parse(await text(a));
  assert.equal(a.statusCode, 201);
  assert.equal(said.id, `sha256:${digest()}`);
  assert.equal(said.size, n);
  const hash = createHash('sha256');
  let got = 0;
  for await (const c of await stream('GET', `/v1/blobs/${said.id}`)) { hash.update(c); got += c.length; }
  clearInterval(watch);
  assert.equal(got, n);
  assert.equal(`sha256:${hash.digest('hex')}`, said.id);
  for (const node in most) {
    console.log(`# ${node}: ${before[node].toFixed(1)} MiB before, ${most[node].toFixed(1)} MiB at most`);
    assert.ok(most[node] - before[node] < 32, `${node} grew from ${before[node]} to ${most[node]} MiB`);
  }
});

test('ranges: one is given, what is no range is passed over, what is not there is 416', async () => {
  const body = randomBytes(600_000), { location } = (await put(body)).headers;
  for (const [range, from, to] of [['bytes=0-0', 0, 1], ['bytes=262143-262145', 262143, 262146], ['bytes=599999-', 599999, 600000], ['bytes=-10', 599990, 600000], ['bytes=5-9999999', 5, 600000], ['bytes=-700000', 0, 600000]]) {
    const r = await stream('GET', location, { headers: { range } });
    assert.equal(r.statusCode, 206, range);
    assert.equal(r.headers['content-range'], `bytes ${from}-${to - 1}/600000`);
    assert.deepEqual(await bytes(r), body.subarray(from, to), range);
  }
  for (const range of ['bytes=600000-', 'bytes=-0', 'bytes=700000-700001']) {
    const r = await f.call('GET', location, { headers: { range } });
    assert.equal(r.status, 416, range);
    assert.equal(r.headers['content-range'], 'bytes */600000');
  }
  for (const range of ['bytes=5-2', 'bytes=0-1,3-4', 'items=0-1', 'bytes=x-1', 'bytes=']) {
    const r = await stream('GET', location, { headers: { range } });
    assert.equal(r.statusCode, 200, range);
    r.destroy();
  }
  const other = await stream('GET', location, { headers: { range: 'bytes=0-1', 'if-range': '"other"' } });
  assert.equal(other.statusCode, 200);
  other.destroy();
  assert.equal((await stream('GET', location, { headers: { range: 'bytes=0-1', 'if-range': other.headers.etag } })).statusCode, 206);
});

test('bytes with another digest are refused, and nobody sees them', async () => {
  const body = randomBytes(300_000), other = randomBytes(10);
  for (const headers of [{ 'repr-digest': digestOf(other) }, { 'content-digest': digestOf(other) }]) {
    const r = await put(body, headers);
    assert.equal(r.status, 422, r.text);
    assert.equal(r.json.reason, 'DIGEST_MISMATCH');
  }
  assert.equal((await put(body, { 'repr-digest': 'sha-256=:AAAA:' })).status, 400);
  const named = await f.call('PUT', `/v1/blobs/${idOf(other)}`, { body, headers: { 'content-type': 'a/b' } });
  assert.equal(named.status, 422, named.text);
  assert.equal((await f.call('GET', `/v1/blobs/${idOf(body)}`)).status, 404);
  assert.equal((await f.call('PUT', `/v1/blobs/${idOf(body)}`, { body, headers: { 'content-type': 'a/b' } })).status, 201);
  assert.equal((await f.call('GET', '/v1/blobs/sha256:abc')).status, 404);
});

test('who may not is told before his bytes are taken', async () => {
  const body = randomBytes(20 * MIB);
  const r = await new Promise((resolve, reject) => {
    const q = http.request({ host: '127.0.0.1', port: f.port, agent: false, method: 'POST', path: '/v1/blobs', headers: { authorization: 'Bearer nobody', 'content-length': body.length, expect: '100-continue' } }, resolve);
    q.on('continue', () => reject(new Error('his bytes are wanted'))).on('error', reject);
    q.flushHeaders();
  });
  assert.equal(r.statusCode, 401);
  r.destroy();
  const anonymous = await f.call('GET', `/v1/blobs/${idOf(body)}`, { token: null });
  assert.equal(anonymous.status, 401);
});

test('equal bytes that come at once are stored once, listed once, and deleted once', async () => {
  const body = randomBytes(900_000);
  const all = await Promise.all(Array.from({ length: 8 }, () => put(body)));
  assert.deepEqual(all.map((r) => r.status), Array(8).fill(201));
  assert.equal(new Set(all.map((r) => r.text)).size, 1);
  let n = 0, cursor;
  do {
    const page = (await f.call('GET', `/v1/blobs?limit=3${cursor ? `&cursor=${cursor}` : ''}`)).json;
    n += page.items.filter((b) => b.id === idOf(body)).length;
    cursor = page.next_cursor;
  } while (cursor);
  assert.equal(n, 1);
  assert.equal((await f.call('DELETE', `/v1/blobs/${idOf(body)}`)).status, 204);
  assert.equal((await f.call('DELETE', `/v1/blobs/${idOf(body)}`)).status, 404);
});

test('a blob that a task refers to is not deleted', async () => {
  const { json } = await put(randomBytes(1000));
  const task = await f.call('POST', '/v1/tasks', { body: { title: 'large', payload: { $blob: { id: json.id, size: json.size } } } });
  assert.equal(task.status, 201, task.text);
  const no = await f.call('DELETE', `/v1/blobs/${json.id}`);
  assert.equal(no.status, 409, no.text);
  assert.equal(no.json.reason, 'BLOB_IN_USE');
  assert.equal((await f.call('DELETE', `/v1/tasks/${task.json.id}`)).status, 204);
  assert.equal((await f.call('DELETE', `/v1/blobs/${json.id}`)).status, 204);
});

test('a payload beyond half of its limit is taken with a warning, one beyond the limit is kept as a blob', async () => {
  const task = (n) => ({ title: 'large', payload: { text: 'x'.repeat(n) } });
  const small = await f.call('POST', '/v1/tasks', { body: task(1000) });
  assert.equal(small.headers['metafed-warning'], undefined);
  const half = await f.call('POST', '/v1/tasks', { body: task(200_000) });
  assert.equal(half.status, 201, half.text);
  assert.equal(half.headers['metafed-warning'], '"payload";size=200011;limit=262144');
  assert.equal(half.json.payload.text.length, 200_000);
  const large = await f.call('POST', '/v1/tasks', { body: task(500_000) });
  assert.equal(large.status, 201, large.text);
  assert.equal(large.headers['metafed-warning'], '"payload";size=500011;limit=262144');
  const { id, size } = large.json.payload.$blob, got = await bytes(await stream('GET', `/v1/blobs/${id}`));
  assert.equal(got.length, size);
  assert.equal(idOf(got), id);
  assert.equal(JSON.parse(got).text.length, 500_000);
  assert.equal((await f.call('DELETE', `/v1/blobs/${id}`)).status, 409);
  assert.deepEqual((await f.call('GET', `/v1/tasks/${large.json.id}`)).json.payload, large.json.payload);
  const patched = await f.call('PATCH', `/v1/tasks/${small.json.id}`, { body: { payload: { more: 'y'.repeat(150_000) } } });
  assert.match(patched.headers['metafed-warning'], /^"payload"/);
  assert.equal((await f.call('PATCH', `/v1/tasks/${small.json.id}`, { body: { payload: { more: 'y'.repeat(300_000) } } })).status, 422);
  const words = await f.call('POST', '/v1/tasks', { body: { title: 'words', description: 'y'.repeat(60_000) } });
  assert.equal(words.headers['metafed-warning'], '"description";size=60000;limit=100000');
});

// --- tus ---

const tusUpload = (body, options = {}) => new Promise((resolve, reject) => {
  const u = new tus.Upload(body, {
    endpoint: `${f.url}/v1/blobs/uploads`, headers: { authorization: `Bearer ${f.token}` }, retryDelays: [0, 100, 500, 1000],
    metadata: { filename: 'a.bin', filetype: 'application/x-test' }, onError: reject, onSuccess: () => resolve(u), ...options,
  });
  u.start();
});
const raw = (method, target, headers = {}, body) => f.call(method, target, { body, headers: { 'tus-resumable': '1.0.0', ...headers } });
const offsetType = { 'content-type': 'application/offset+octet-stream' };

test('the tus client of npm brings a file, whole, in chunks, and with its creation', async () => {
  const body = randomBytes(2_500_000);
  for (const options of [{}, { chunkSize: 300_001 }, { chunkSize: 1_000_000, uploadDataDuringCreation: true }]) {
    const u = await tusUpload(body, options);
    const head = await raw('HEAD', new URL(u.url).pathname);
    assert.equal(head.headers['metafed-blob'], idOf(body));
    assert.equal(head.headers['upload-offset'], '2500000');
  }
  const got = await stream('GET', `/v1/blobs/${idOf(body)}`);
  assert.equal(got.headers['content-type'], 'application/x-test');
  assert.deepEqual(await bytes(got), body);
});

test('an upload that was cut goes on where it stopped', async () => {
  const body = randomBytes(4 * MIB);
  const { headers: { location } } = await raw('POST', '/v1/blobs/uploads', { 'upload-length': String(body.length) });
  const s = net.connect(f.port, '127.0.0.1');
  s.on('error', () => {});
  s.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${f.token}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n`
    + `Content-Type: application/offset+octet-stream\r\nContent-Length: ${body.length}\r\n\r\n`);
  s.write(body.subarray(0, 2.5 * MIB));
  let offset = 0;
  const look = async () => (offset = Number((await raw('HEAD', location)).headers['upload-offset']));
  await until(async () => await look() >= 2 * MIB, 'the upload has grown');
  s.destroy();
  await sleep(50);
  await look();
  const wrong = await raw('PATCH', location, { 'upload-offset': '5', ...offsetType }, body.subarray(5, 10));
  assert.equal(wrong.status, 409, wrong.text);
  const rest = await raw('PATCH', location, { 'upload-offset': String(offset), ...offsetType }, body.subarray(offset));
  assert.equal(rest.status, 204, rest.text);
  assert.equal(rest.headers['metafed-blob'], idOf(body));
});

test('tus: versions, checksums, types, and an upload that is given up', async () => {
  const options = await f.call('OPTIONS', '/v1/blobs/uploads');
  assert.equal(options.status, 204);
  assert.match(options.headers['tus-extension'], /creation.*termination/);
  assert.equal((await f.call('POST', '/v1/blobs/uploads', { headers: { 'upload-length': '1', 'tus-resumable': '0.2.0' } })).status, 412);
  assert.equal((await raw('POST', '/v1/blobs/uploads')).status, 400);
  assert.equal((await raw('POST', '/v1/blobs/uploads', { 'upload-length': '1', 'upload-metadata': 'a b c' })).status, 400);
  assert.equal((await raw('POST', '/v1/blobs/uploads', { 'upload-length': String(2 ** 40) })).status, 413);
  const made = await raw('POST', '/v1/blobs/uploads', { 'upload-length': '10' });
  assert.equal(made.status, 201, made.text);
  assert.ok(Date.parse(made.headers['upload-expires']) > Date.now());
  const { location } = made.headers, data = randomBytes(5), at = { 'upload-offset': '0' };
  assert.equal((await raw('PATCH', location, { ...at, 'content-type': 'text/plain' }, data)).status, 415);
  assert.equal((await raw('PATCH', location, { ...at, ...offsetType, 'upload-checksum': `sha1 ${sha(data).toString('base64')}` }, data)).status, 400);
  assert.equal((await raw('PATCH', location, { ...at, ...offsetType, 'upload-checksum': `sha256 ${sha(Buffer.from('x')).toString('base64')}` }, data)).status, 460);
  const sha1 = createHash('sha1').update(data).digest('base64');
  assert.equal((await raw('PATCH', location, { ...at, ...offsetType, 'upload-checksum': `sha1 ${sha1}` }, data)).status, 204);
  assert.equal((await raw('HEAD', location)).headers['upload-offset'], '5');
  assert.equal((await raw('DELETE', location)).status, 204);
  assert.equal((await raw('HEAD', location)).status, 404);
  const empty = await raw('POST', '/v1/blobs/uploads', { 'upload-length': '0' });
  assert.equal(empty.headers['metafed-blob'], idOf(Buffer.alloc(0)));
});

test('a reader that takes nothing for long holds nobody up, and gets the rest when he reads on', async () => {
  const body = randomBytes(8 * MIB), { location } = (await put(body)).headers;
  const slow = await stream('GET', location), first = await new Promise((resolve) => slow.once('readable', () => resolve(slow.read(1000))));
  assert.deepEqual((await bytes(await stream('GET', location))), body);
  await sleep(1000);
  assert.deepEqual(Buffer.concat([first, await bytes(slow)]), body);
});

// --- what dies on the way ---

test('kill -9 of rest, sql, meta, database, and of PostgreSQL, breaks neither an upload nor a download', async () => {
  const n = 40 * MIB, { r, digest } = noise(n);
  let taken = 0;
  const source = Readable.from((async function* () { for await (const c of r) { taken += c.length; yield c; await sleep(25); } })());
  const upload = stream('POST', '/v1/blobs', { body: source });
  for (const [i, v] of ['rest', 'sql', 'database', 'meta', 'postgres'].entries()) {
    await until(() => taken > (i + 1) * 6 * MIB, `piece before ${v}`, 60_000);
    f.kill(await f.pid(v));
  }
  const a = await upload, said = JSON.parse(await text(a));
  assert.equal(a.statusCode, 201, JSON.stringify(said));
  assert.equal(said.id, `sha256:${digest()}`);
  const hash = createHash('sha256');
  let got = 0, next = 0;
  for await (const c of await stream('GET', `/v1/blobs/${said.id}`)) {
    hash.update(c);
    got += c.length;
    if (got > (next + 1) * 7 * MIB && next < 5) f.kill(await f.pid(['rest', 'sql', 'database', 'meta', 'postgres'][next++]));
    await sleep(2);
  }
  assert.equal(got, n);
  assert.equal(`sha256:${hash.digest('hex')}`, said.id);
});

test('the command line puts, gets, goes on with what is there in part, lists and deletes', async () => {
  const body = randomBytes(1_300_000), id = idOf(body), file = path.join(f.dir, 'blob'), out = path.join(f.dir, 'out');
  const metafed = (...args) => run(path.join(BIN, 'metafed'), ['--url', f.url, '--token-file', path.join(f.dir, 'token'), 'blob', ...args], { encoding: 'latin1' });
  const login = run(path.join(BIN, 'metafed'), ['--url', f.url, '--token-file', path.join(f.dir, 'token'), 'login', 'admin', '--password-stdin'], { input: f.admin().password });
  assert.equal(login.status, 0, login.stderr);
  writeFileSync(file, body);
  const stored = metafed('put', file, '--type', 'image/png');
  assert.equal(stored.stdout, `${id}\n`, stored.stderr);
  assert.match(metafed('list').stdout, new RegExp(`${id} +1\\.\\d MB`));
  assert.ok(Buffer.from(metafed('get', id).stdout, 'latin1').equals(body));
  writeFileSync(`${out}.part`, body.subarray(0, 500_001));
  assert.equal(metafed('get', id, '-o', out).status, 0);
  assert.deepEqual(readFileSync(out), body);
  writeFileSync(`${out}.part`, Buffer.alloc(10));
  const wrong = metafed('get', id, '-o', out);
  assert.equal(wrong.status, 1);
  assert.match(wrong.stderr, /another digest/);
  assert.match(metafed('rm', id).stdout, /^Deleted sha256:/);
  assert.equal(metafed('get', id).status, 4);
  assert.equal(metafed('delete', id).status, 4, 'the older name');
});

test('who breaks an upload off is told how it goes on', async () => {
  const file = path.join(f.dir, 'broken'), body = Buffer.alloc(48 * MIB, 'so much');
  writeFileSync(file, body);
  const args = ['--var', f.var, 'blob', 'put', file];
  const put = spawn(path.join(BIN, 'metafed'), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const said = text(put.stderr);
  await until(() => Number(/rchar: (\d+)/.exec(readFileSync(`/proc/${put.pid}/io`, 'utf8'))[1]) > 4 * MIB, 'some pieces are on their way');
  put.kill('SIGINT');
  const upload = /the upload can go on: metafed blob put \S+ --resume (\S+)/.exec(await said)?.[1];
  assert.ok(upload, 'told');
  const on = run(path.join(BIN, 'metafed'), [...args, '--resume', upload]);
  assert.equal(on.stdout, `${idOf(body)}\n`, on.stderr);
});

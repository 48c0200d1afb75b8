// http_raw: HTTP as bytes. What is sent is exactly what a test wrote; what comes back is taken apart strictly, so that an
// answer that two clients could read differently fails the test that asked for it.
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import assert from 'node:assert/strict';

export class Raw {
  static async to(port, { tls, from } = {}) {
    const r = new Raw();
    r.bytes = Buffer.alloc(0);
    r.closed = false;
    r.socket = tls ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...tls })
      : connectTcp({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true });
    r.socket.on('data', (d) => { r.bytes = Buffer.concat([r.bytes, d]); r.wake?.(); });
    r.socket.on('error', (e) => { r.error = e; r.closed = true; r.wake?.(); });
    r.socket.on('end', () => { r.closed = true; r.wake?.(); });
    r.socket.on('close', () => { r.closed = true; r.wake?.(); });
    await new Promise((resolve, reject) => { r.socket.once(tls ? 'secureConnect' : 'connect', resolve); r.socket.once('error', reject); });
    return r;
  }

  say(bytes) { if (!this.socket.destroyed) this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes); return this; }
  finish() { this.socket.end(); return this; } // the sending side only
  drop() { this.socket.destroy(); }

  async until(done, ms) {
    const end = Date.now() + ms;
    while (!done()) {
      const left = end - Date.now();
      if (left <= 0) return false;
      await new Promise((resolve) => { const t = setTimeout(resolve, left); this.wake = () => { clearTimeout(t); resolve(); }; });
    }
    return true;
  }

  // The next answer, or null: none came. `head`: to a HEAD.
  async answer({ head = false, ms = 10_000 } = {}) {
    let a = null;
    await this.until(() => { a = parse(this.bytes, head, this.closed); return a || this.closed; }, ms);
    if (a) this.bytes = this.bytes.subarray(a.length);
    return a;
  }

  // True when the server closes within ms; what it says before that stays in `bytes`.
  async closes(ms = 10_000) { await this.until(() => this.closed, ms); return this.closed; }
  // Nothing more is said for ms, and the connection stays.
  async quiet(ms = 100) { const n = this.bytes.length; await this.until(() => this.closed || this.bytes.length !== n, ms); return !this.closed && this.bytes.length === n; }
}

// One answer at the beginning of `bytes`; null: not all of it is there. Throws where RFC 9112 is broken.
function parse(bytes, head, closed) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [line, ...fields] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const m = /^HTTP\/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e]*)$/.exec(line);
  assert.ok(m, `status line: ${line}`);
  const a = { status: Number(m[1]), reason: m[2], fields: [], headers: {}, body: '', length: end + 4 };
  for (const f of fields) {
    const h = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/.exec(f);
    assert.ok(h, `field line: ${f}`);
    const name = h[1].toLowerCase();
    assert.ok(!(name in a.headers) || name === 'vary', `${name} stands twice`);
    a.fields.push([h[1], h[2]]);
    a.headers[name] = h[2];
  }
  const { 'content-length': length, 'transfer-encoding': coding } = a.headers;
  assert.ok(length === undefined || coding === undefined, 'Content-Length and Transfer-Encoding');
  if (a.status < 200 || a.status === 204) assert.ok(length === undefined && coding === undefined, `${a.status} with a length`);
  if (head || a.status < 200 || a.status === 204 || a.status === 304) return a;
  assert.equal(coding, undefined, 'chunks');
  assert.match(length ?? '(none)', /^[0-9]+$/, 'Content-Length');
  if (bytes.length < a.length + Number(length)) { assert.ok(!closed, 'the answer is cut off'); return null; }
  a.content = bytes.subarray(a.length, a.length + Number(length));
  a.body = a.content.toString();
  a.length += Number(length);
  try { a.json = JSON.parse(a.body); } catch { /* no JSON */ }
  return a;
}

// One connection, these bytes, the answers to them: [{...}, ...], with .closed: the server closed within `ms` after the last.
export async function ask(port, bytes, { answers = 1, head = false, ms = 10_000, close = false, ...how } = {}) {
  const r = await Raw.to(port, how);
  r.say(bytes);
  const got = [];
  while (got.length < answers) {
    const a = await r.answer({ head, ms });
    if (!a) break;
    if (a.status >= 200 || how.interim) got.push(a);
  }
  got.closed = close ? await r.closes(ms) : r.closed;
  got.rest = r.bytes.toString('latin1');
  r.drop();
  return got;
}

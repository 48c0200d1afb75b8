// session: a client of metafed.v1 as a user would write one, over npm ws; and frames as bytes, for what no client says.
import WebSocket from 'ws';
import { randomBytes } from 'node:crypto';
import { Raw } from '../harness/http_raw.mjs';

export class Session {
  // header: the token goes with the handshake; token null: nobody says who it is.
  static async open(f, { token = f.token, header = false, protocols = ['metafed.v1'], headers = {}, localAddress } = {}) {
    const s = await this.connect(f, '/v1/ws', protocols, { localAddress, headers: { ...(header && { authorization: `Bearer ${token}` }), ...headers } });
    s.hello = await s.next({ type: 'hello' });
    if (token && !header) s.say({ type: 'auth', token });
    if (token) s.who = await s.next({ type: 'authenticated' });
    return s;
  }

  // Any protocol of JSON messages with a type.
  static async connect(f, p, protocols, opts) {
    const s = new this();
    s.messages = [];  // not taken yet
    s.waiting = [];
    s.n = 0;
    s.ws = new WebSocket(`ws://127.0.0.1:${f.port}${p}`, protocols, opts);
    s.ws.on('message', (data, binary) => { if (binary) s.ws.terminate(); else s.#take(JSON.parse(data)); });
    s.closed = new Promise((resolve) => s.ws.on('close', (code, reason) => { s.end = { code, reason: reason.toString() }; resolve(s.end); s.#wake(); }));
    await new Promise((resolve, reject) => {
      s.ws.once('open', resolve);
      s.ws.once('error', reject);
      s.ws.once('unexpected-response', (q, r) => { q.destroy(); reject(Object.assign(new Error(`handshake: ${r.statusCode}`), { status: r.statusCode })); });
    });
    s.ws.on('error', () => {});
    return s;
  }

  #take(m) { this.messages.push(m); this.#wake(); }

  #wake() {
    for (const w of [...this.waiting]) {
      const i = this.messages.findIndex(w.fits);
      if (i < 0 && !this.end) continue;
      this.waiting.splice(this.waiting.indexOf(w), 1);
      clearTimeout(w.timer);
      if (i < 0) w.reject(new Error(`closed with ${this.end.code} ${this.end.reason}`));
      else w.resolve(this.messages.splice(i, 1)[0]);
    }
  }

  say(m) { this.ws.send(typeof m === 'string' ? m : JSON.stringify(m)); return this; }

  // The first message, not taken yet, that has these members (or that this function takes).
  next(like, limit = 15_000) {
    const fits = typeof like === 'function' ? like : (m) => Object.entries(like).every(([k, v]) => m[k] === v);
    return new Promise((resolve, reject) => {
      const w = { fits, resolve, reject };
      w.timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(w), 1);
        reject(new Error(`nothing like ${typeof like === 'function' ? like : JSON.stringify(like)} within ${limit} ms; there is ${JSON.stringify(this.messages).slice(0, 1000)}`));
      }, limit);
      this.waiting.push(w);
      this.#wake();
    });
  }

  // Sent, and what answers it: result, error, or whatever else has its id.
  async ask(m, limit) {
    const id = m.id ?? `m${++this.n}`;
    this.say({ ...m, id });
    return this.next((a) => a.id === id, limit);
  }

  submit(method, endpoint, data, headers, limit) { return this.ask({ type: 'submit', api: { method, endpoint, ...(data !== undefined && { data }), ...(headers && { headers }) } }, limit); }

  async close(code = 1000) { this.ws.close(code); return this.closed; }
  drop() { this.ws.terminate(); return this.closed; }
}

// Events of one subscription from now (or `after`) on, in the order in which they come.
export async function* events(s, id) {
  for (;;) yield await s.next((m) => m.type === 'event' && m.subscription === id, 60_000);
}

// A client of graphql-transport-ws in messages. payload null: no connection_init.
export class Gw extends Session {
  static async open(f, { payload = { authorization: `Bearer ${f.token}` }, protocols = ['graphql-transport-ws'], headers } = {}) {
    const s = await this.connect(f, '/graphql', protocols, { headers });
    if (payload !== null) {
      s.say({ type: 'connection_init', payload });
      s.ack = await s.next({ type: 'connection_ack' });
    }
    return s;
  }

  // Resolves when it listens: what is said behind it is answered behind it.
  async subscribe(id, query, variables) {
    this.say({ id, type: 'subscribe', payload: { query, variables } });
    this.say({ type: 'ping', payload: { id } });
    await this.next((m) => m.type === 'pong' && m.payload.id === id);
    return this;
  }

  async heard(id) { return (await this.next({ type: 'next', id })).payload; }
}

// --- bytes ---
export const TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10;

// One frame of a client's. first: the whole first byte; length: what it says instead of the truth.
export function frame(opcode, payload = '', { fin = true, rsv = 0, mask = true, first = (fin ? 0x80 : 0) | rsv << 4 | opcode, wide = 0, length } = {}) {
  const p = Buffer.from(payload), n = length ?? p.length, key = randomBytes(4), flag = mask ? 0x80 : 0;
  const head = wide === 8 || n > 0xffff ? Buffer.alloc(10) : wide === 2 || n > 125 ? Buffer.alloc(4) : Buffer.alloc(2);
  head[0] = first;
  head[1] = flag | (head.length === 10 ? 127 : head.length === 4 ? 126 : n);
  if (head.length === 4) head.writeUInt16BE(n, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(n), 2);
  return Buffer.concat(mask ? [head, key, p.map((b, i) => b ^ key[i % 4])] : [head, p]);
}
export const closing = (code, reason = '') => { const p = Buffer.alloc(2 + Buffer.byteLength(reason)); p.writeUInt16BE(code); p.write(reason, 2); return p; };

export class RawSession {
  static async open(f, { path = '/v1/ws', more = '', token = f.token } = {}) {
    const s = new RawSession();
    s.raw = await Raw.to(f.port);
    s.raw.say(`GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n`
      + `${token ? `Authorization: Bearer ${token}\r\n` : ''}${more}\r\n`);
    s.answer = await s.raw.answer();
    return s;
  }

  say(...frames) { this.raw.say(Buffer.concat(frames)); return this; }

  // The next frame of the server's: {opcode, fin, payload, code, json}; null: there is none any more.
  async frame(ms = 15_000) {
    let f = null;
    await this.raw.until(() => { f = parse(this.raw.bytes); return f || this.raw.closed; }, ms);
    if (f) this.raw.bytes = this.raw.bytes.subarray(f.length);
    return f;
  }

  async next(opcode) {
    for (;;) {
      const f = await this.frame();
      if (!f || f.opcode === opcode) return f;
    }
  }

  // With which code it ends; null: without one. Answered, it ends at once, and else when the server has waited for that.
  async ends(answered = false) {
    const f = await this.next(CLOSE);
    if (f && answered) this.say(frame(CLOSE, closing(f.code)));
    const closed = await this.raw.closes();
    this.raw.drop();
    return f && closed ? f.code : null;
  }
}

function parse(b) {
  if (b.length < 2) return null;
  if (b[1] & 0x80) throw new Error('a server that masks');
  if (b[0] & 0x70) throw new Error('reserved bits');
  const short = b[1] & 0x7f, at = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (b.length < at) return null;
  const n = short === 126 ? b.readUInt16BE(2) : short === 127 ? Number(b.readBigUInt64BE(2)) : short;
  if (b.length < at + n) return null;
  const payload = b.subarray(at, at + n), f = { fin: b[0] >> 7, opcode: b[0] & 15, payload, text: payload.toString(), length: at + n };
  if (f.opcode === CLOSE && n >= 2) { f.code = payload.readUInt16BE(0); f.reason = payload.subarray(2).toString(); }
  if (f.opcode === TEXT) f.json = JSON.parse(f.text);
  return f;
}

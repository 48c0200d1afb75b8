// accounts: what a test does with accounts by POST /v1/requests, and an authenticator program of its own.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';

export const PASSWORD = 'correct horse battery';
let n = 0;

export const ok = (r, what = '') => { assert.ok(r.status >= 200 && r.status < 300, `${what} ${r.status} ${r.text}`); return r; };
export const login = (f, username, password = PASSWORD, otp) => f.call('POST', '/v1/auth/login', { token: null, body: { username, password, ...(otp && { otp }) } });
export const session = async (f, username) => ok(await login(f, username)).json;
export const person = async (f, username, roles = ['viewer']) => ok(await f.call('POST', '/v1/users', { body: { username, password: PASSWORD, roles } })).json;
// token undefined: the administrator's.
export const store = (f, token, operation, model, more = {}) => f.call('POST', '/v1/requests', { token, body: { task_id: `accounts ${n++}`, requirements: { database: { operation, model, ...more }, auth: {} } } });

const unbase32 = (text) => {
  let bits = '';
  for (const c of text) bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0');
  return Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
};
// RFC 6238, of so many steps from now.
export const totp = (secret, step = 0) => {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + step));
  const mac = createHmac('sha1', unbase32(secret)).update(counter).digest();
  return String((mac.readUInt32BE(mac.at(-1) & 15) & 0x7fffffff) % 1e6).padStart(6, '0');
};
// The first member of that name, wherever an answer has it.
export const find = (v, key) => {
  if (v && typeof v === 'object') {
    if (key in v) return v[key];
    for (const x of Object.values(v)) { const y = find(x, key); if (y !== undefined) return y; }
  }
  return undefined;
};

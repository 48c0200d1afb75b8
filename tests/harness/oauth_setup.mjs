// oauth_setup: people and clients for tests of the authorization server.
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { totp } from './browser_login.mjs';

// Of a fleet whose tests log in dozens of times: passwords cost little, and requests are not limited.
export const CONF = '[api]\nlimit = off\n[jwt]\npassword_ops = 1\npassword_memory = 8m\n';
export const PASSWORD = 'correct horse battery staple';
export const CALLBACK = 'https://client.example/callback';
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

// One operation on a model; its result.
export async function store(f, database, token = f.token) {
  const r = await f.call('POST', '/v1/requests', { token, body: { task_id: randomUUID(), requirements: { database: { id: randomUUID(), ...database } } } });
  assert.ok(r.status < 300, `${database.operation} ${database.model}: ${r.status} ${r.text}`);
  return r.json.result;
}

export async function person(f, username, data = {}) {
  return store(f, { operation: 'create', model: 'user', data: { username, password: PASSWORD, roles: ['user'], ...data } });
}

// A second factor for a person: { code(), recovery: [...] }. code() is good once: the next one's half minute is too far ahead.
export async function factor(f, username) {
  const login = await f.call('POST', '/v1/auth/login', { token: null, body: { username, password: PASSWORD } });
  assert.equal(login.status, 200, login.text);
  const token = login.json.access_token;
  const made = await store(f, { operation: 'create', model: 'my.factor', data: { kind: 'totp', password: PASSWORD } }, token);
  let step = 0;                       // the code of the next half minute is taken, too: nobody has to wait for it
  const code = () => totp(made.secret, step++);
  await store(f, { operation: 'update', model: 'my.factor', id: made.id, data: { code: code() } }, token);
  return { code, secret: made.secret, recovery: made.recovery_codes };
}

export async function client(f, id, data = {}) {
  return store(f, { operation: 'create', model: 'client', id, data: {
    name: id, auth_method: 'none', redirect_uris: [CALLBACK], grant_types: ['authorization_code', 'refresh_token'],
    scopes: ['openid', 'profile', 'task.read', 'task.create'], ...data } });
}

// The address of an authorization request, with its PKCE verifier: { url, verifier, state }.
export function request(f, client_id, params = {}) {
  const verifier = randomBytes(32).toString('base64url'), state = randomBytes(8).toString('hex');
  const q = new URLSearchParams({ response_type: 'code', client_id, redirect_uri: CALLBACK, scope: 'task.read', state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256', ...params });
  return { url: `${f.url}/oauth/authorize?${q}`, verifier, state: q.get('state') };
}

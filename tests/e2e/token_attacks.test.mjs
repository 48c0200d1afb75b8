// Attacks on access tokens over HTTP, with npm jose as the second implementation: what we sign it verifies, what it signs with our key we
// take, and everything that is wrong with a token is one answer.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createHash, createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import * as jose from 'jose';
import { Fleet, run } from '../harness/fleet.mjs';

const NO = 'TOKEN_INVALID', OLD = 'TOKEN_EXPIRED';
const P256 = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
const b64 = (v) => Buffer.from(Buffer.isBuffer(v) || typeof v === 'string' ? v : JSON.stringify(v)).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);
const bytes32 = (n) => Buffer.from(n.toString(16).padStart(64, '0'), 'hex');
let f, key, publicKey, publicPem, jwk, kid, jwks;

// The fleet takes this key over at its first start and signs with it: so the test has it too.
before(async () => {
  f = await Fleet.make();
  const dir = path.join(f.var, 'secrets/signing');
  f.configure('');
  run('install', ['-d', '-m', '700', path.join(f.var, 'secrets'), dir]);
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' });
  ({ publicKey } = pair);
  key = createPrivateKey(pem);
  publicPem = publicKey.export({ type: 'spki', format: 'pem' });
  jwk = publicKey.export({ format: 'jwk' });
  kid = await jose.calculateJwkThumbprint(jwk);
  writeFileSync(path.join(dir, 'es256-1.pem'), pem, { mode: 0o600 });
  if (process.getuid() === 0) run('chown', ['-R', 'metafed:', path.join(f.var, 'secrets')]);
  f.up();
  await f.login();
  jwks = jose.createRemoteJWKSet(new URL(`${f.url}/.well-known/jwks.json`));
});
after(async () => { await f?.stop(); });

const claims = (more = {}) => ({
  iss: 'metafed', aud: 'metafed', sub: randomUUID(), name: 'eve', iat: now() - 5, nbf: now() - 5, exp: now() + 300, jti: randomUUID(),
  sid: randomUUID(), ver: 1, roles: ['admin'], perms: ['*'], ...more,
});
const header = (more = {}) => ({ alg: 'ES256', typ: 'at+jwt', kid, ...more });
const es256 = (text) => sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
// Signed with our very key, whatever header and payload say.
const signed = (h = header(), c = claims(), signature = es256) => {
  const text = `${b64(h)}.${b64(c)}`;
  return `${text}.${b64(signature(text))}`;
};
const ask = (token, headers) => f.call('GET', '/v1/tasks?limit=1', { token: headers ? null : token, headers });

async function refused(token, what, reason = NO) {
  const r = await ask(token);
  assert.equal(r.status, 401, `${what}: ${r.status} ${r.text}`);
  assert.equal(r.json.reason, reason, `${what}: ${r.text}`);
  return r.json.detail;
}

test('what we sign jose verifies with our JWKS', async () => {
  const { payload, protectedHeader } = await jose.jwtVerify(f.token, jwks, { issuer: 'metafed', audience: 'metafed', typ: 'at+jwt', algorithms: ['ES256'] });
  assert.equal(protectedHeader.kid, kid);
  for (const name of ['sub', 'jti', 'sid', 'ver', 'roles', 'perms', 'auth_time', 'amr']) assert.notEqual(payload[name], undefined, name);
  assert.deepEqual(payload.amr, ['pwd']);
  const { keys } = (await f.call('GET', '/.well-known/jwks.json', { token: null })).json;
  for (const k of keys) assert.deepEqual(['d', 'p', 'q', 'k'].filter((m) => m in k), []);
});

test('what jose signs with our key we take, and claims of before and of today alike', async () => {
  const make = (c) => new jose.SignJWT(c).setProtectedHeader(header()).sign(key);
  assert.equal((await ask(await make(claims()))).status, 200);
  assert.equal((await ask(await make(claims({ client_id: 'c', sid: undefined, scope: 'task.read', limited: true })))).status, 200);
  assert.equal((await ask(await make(claims({ client_id: 'c', scope: 'user.read', limited: true })))).status, 403, 'beyond its scopes');
  assert.equal((await ask(await make(claims({ aud: ['other', 'metafed'] })))).status, 200);
  await refused(await make(claims({ sid: undefined })), 'neither a session nor a client');
});

test('no algorithm, another one, and ours with another key', async () => {
  for (const alg of ['none', 'None', 'NONE', 'nOnE', 'n0ne', '', ' ES256', 'es256', 'ES384', 'PS256', 'ES256K', 'RS1', null, 7, ['ES256']]) {
    await refused(`${b64(header({ alg }))}.${b64(claims())}.`, `alg ${alg}, no signature`);
    await refused(signed(header({ alg })), `alg ${alg}, signed`);
  }
  const hmac = (secret) => new jose.SignJWT(claims()).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid }).sign(Buffer.from(secret));
  for (const secret of [publicPem, publicPem.trim(), publicKey.export({ type: 'spki', format: 'der' }), jwk.x, JSON.stringify(jwk)]) await refused(await hmac(secret), 'HS256 with the public key');
  for (const [alg, kind, o] of [['ES256', 'ec', { namedCurve: 'P-256' }], ['EdDSA', 'ed25519', {}], ['RS256', 'rsa', { modulusLength: 2048 }], ['RS256', 'rsa', { modulusLength: 1024 }]]) {
    const other = generateKeyPairSync(kind, o).privateKey;
    const text = `${b64(header({ alg }))}.${b64(claims())}`;
    await refused(`${text}.${b64(sign(kind === 'ed25519' ? null : 'sha256', Buffer.from(text), { key: other, dsaEncoding: 'ieee-p1363' }))}`, `${alg} by a stranger`);
  }
});

test('a key that the token brings along, or says where to find', async () => {
  const { privateKey, publicKey: theirs } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const own = theirs.export({ format: 'jwk' });
  for (const more of [{ jwk: own }, { jku: `${f.url}/.well-known/jwks.json` }, { jku: 'https://evil.example/jwks' }, { x5u: 'https://evil.example/cert' }, { x5c: ['AAAA'] }, { x5t: 'AAAA' }]) {
    const sign_ = (text) => sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    await refused(signed(header({ ...more, kid: undefined }), claims(), sign_), JSON.stringify(more));
    await refused(signed(header({ ...more, kid: await jose.calculateJwkThumbprint(own) }), claims(), sign_), JSON.stringify(more));
    await refused(signed(header(more)), `${JSON.stringify(more)}, signed with our key`);
  }
  for (const more of [{ crit: ['exp'] }, { crit: [] }, { b64: false, crit: ['b64'] }, { b64: true }, { zip: 'DEF' }, { cty: 'JWT' }, { nonce: 'x' }]) await refused(signed(header(more)), JSON.stringify(more));
});

test('a key id that is a path, a query, a NUL or too long', async () => {
  const ids = ['../../../../dev/null', '/etc/passwd', 'es256-1.key', 'es256-1', '../seal.key', "' OR '1'='1", `${kid}' --`, `${kid}\u0000`, `\u0000${kid}`, kid.toUpperCase(), kid.slice(0, -1), `${kid}=`,
    `${kid} `, '', '*', '%s%s%s%n', '${jndi:ldap://evil.example}', 'k'.repeat(300), 'k'.repeat(6000), 7, null, {}, [kid]];
  for (const id of ids) await refused(signed(header({ kid: id })), `kid ${JSON.stringify(id)?.slice(0, 40)}`);
  await refused(signed(header({ kid: undefined })), 'no kid');
});

test('claims: another issuer, audience, type or time, and duplicate members', async () => {
  for (const more of [{ iss: 'evil' }, { iss: ['metafed'] }, { iss: undefined }, { aud: 'other' }, { aud: [] }, { aud: undefined }, { sub: 'admin' }, { sub: undefined }, { jti: '' }, { ver: 0 }, { roles: 'admin' }, { perms: { '*': 1 } }]) {
    await refused(signed(header(), claims(more)), JSON.stringify(more));
  }
  for (const typ of ['JWT', 'id_token', 'dpop+jwt', 'refresh', 'logout+jwt', 'audit-checkpoint+jwt', 'AT+JWT', undefined]) await refused(signed(header({ typ })), `typ ${typ}`);
  await refused(signed(header(), claims({ nbf: now() + 120 })), 'not yet');
  await refused(signed(header(), claims({ iat: now() + 120 })), 'from the future');
  await refused(signed(header(), claims({ exp: now() - 1 })), 'expired', OLD);
  await refused(signed(header(), claims({ exp: String(now() + 300) })), 'an end that is a text');
  await refused(signed(header(), claims({ exp: undefined })), 'without an end');
  await refused(signed(header(), claims({ exp: 1e30 })), 'an end beyond numbers');
  const twice = (v, member) => JSON.stringify(v).replace(/}$/, `,${member}}`);
  await refused(signed(header(), twice(claims(), '"exp":9999999999')), 'exp twice');
  await refused(signed(header(), twice(claims(), '"\\u0065xp":9999999999')), 'exp twice, once escaped');
  await refused(signed(twice(header(), '"alg":"ES256"')), 'alg twice');
  await refused(signed(header(), `${JSON.stringify(claims())}x`), 'something behind it');
  await refused(signed(header(), '[]'), 'no object');
});

test('signatures: cut, flipped, empty, of zeros, beyond the order, in DER', async () => {
  const good = signed(), [h, p, s] = good.split('.');
  assert.equal((await ask(good)).status, 200);
  const raw = Buffer.from(s, 'base64url');
  for (const n of [0, 1, 31, 32, 63]) await refused(`${h}.${p}.${b64(raw.subarray(0, n))}`, `${n} bytes of it`);
  await refused(`${h}.${p}.${b64(Buffer.concat([raw, Buffer.alloc(1)]))}`, 'a byte more');
  for (let i = 0; i < 64; i += 9) { const flipped = Buffer.from(raw); flipped[i] ^= 1; await refused(`${h}.${p}.${b64(flipped)}`, `bit of byte ${i}`); }
  const r = raw.subarray(0, 32), t = raw.subarray(32);
  for (const [a, b] of [[0n, 0n], [0n, 1n], [1n, 0n], [P256, P256], [P256, 1n], [1n, P256], [P256 - 1n, 0n]]) await refused(`${h}.${p}.${b64(Buffer.concat([bytes32(a), bytes32(b)]))}`, `r=${a} s=${b}`);
  await refused(`${h}.${p}.${b64(Buffer.concat([r, bytes32(P256)]))}`, 's is the order');
  await refused(`${h}.${p}.${b64(Buffer.concat([bytes32(0n), t]))}`, 'r is 0');
  await refused(signed(header(), claims(), (text) => sign('sha256', Buffer.from(text), { key, dsaEncoding: 'der' })), 'DER');
});

test('spellings of base64url that are not the one', async () => {
  const [h, p, s] = signed().split('.');
  const bad = [`${h}.${p}.${s}=`, `${h}=.${p}.${s}`, `${h}.${p}.${s}==`, `${h}.${p}.${s}\n`.trimEnd() + '%0A', `${h}.${p}.${s.slice(0, -1)}${s.endsWith('A') ? 'B' : String.fromCharCode(s.charCodeAt(s.length - 1) + 1)}`,
    `${h}.${p}.${s}.`, `.${h}.${p}.${s}`, `${h}..${s}`, `${h}.${p}`, h, '..', '...', `${h}.${p}.${s}.${s}.${s}`, `${Buffer.from(h, 'base64url').toString('base64')}.${p}.${s}+`];
  for (const t of bad) {
    const r = await ask(t);
    assert.equal(r.status, 401, `${t.slice(-20)}: ${r.text}`);
  }
  // The last character of 64 bytes carries 4 spare bits: other values of them are no second spelling.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', last = alphabet.indexOf(s.at(-1));
  assert.equal(last % 16, 0);
  for (let spare = 1; spare < 16; spare++) await refused(`${h}.${p}.${s.slice(0, -1)}${alphabet[last + spare]}`, `spare bits ${spare}`);
});

test('outsiders learn nothing from the difference', async () => {
  const answers = new Set();
  for (const t of ['x', signed(header({ kid: 'x' })), signed(header(), claims({ aud: 'other' })), signed(header({ typ: 'JWT' })), signed(header(), claims(), () => Buffer.alloc(64)), 'a'.repeat(7000)]) answers.add(await refused(t, 'one text'));
  assert.equal(answers.size, 1);
});

// --- tokens that are bound to a key (RFC 9449) ---

const holder = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const bound = async () => signed(header(), claims({ cnf: { jkt: await jose.calculateJwkThumbprint(holder.publicKey.export({ format: 'jwk' })) } }));
const proof = (token, more = {}, head = {}, by = holder) => new jose.SignJWT({
  jti: randomUUID(), htm: 'GET', htu: `${f.url}/v1/tasks`, iat: now(), ath: createHash('sha256').update(token).digest('base64url'), ...more,
}).setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: by.publicKey.export({ format: 'jwk' }), ...head }).sign(by.privateKey);

test('a bound token counts with a proof of its key, once, and as Bearer not at all', async () => {
  const token = await bound(), one = await proof(token);
  const dpop = (p, t = token) => ask(null, { authorization: `DPoP ${t}`, dpop: p });
  assert.equal((await dpop(one)).status, 200);
  assert.equal((await dpop(one)).json.reason, 'PROOF_REPLAYED');
  assert.equal((await dpop(await proof(token))).status, 200);
  await refused(token, 'as Bearer');
  assert.equal((await ask(null, { authorization: `Bearer ${token}`, dpop: await proof(token) })).status, 401);
  assert.equal((await ask(null, { authorization: `DPoP ${token}` })).status, 401);
  assert.equal((await dpop(await proof(f.token), f.token)).status, 401, 'a proof beside a token that is not bound');
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  for (const [p, what] of [
    [await proof(token, {}, {}, stranger), 'another key'],
    [await proof(token, {}, { jwk: stranger.publicKey.export({ format: 'jwk' }) }), 'signed with another key than it has'],
    [await proof(token, { htm: 'POST' }), 'another method'],
    [await proof(token, { htu: `${f.url}/v1/users` }), 'another path'],
    [await proof(token, { htu: 'https://evil.example/v1/tasks' }), 'another host'],
    [await proof(token, { iat: now() - 120 }), 'old'],
    [await proof(token, { iat: now() + 120 }), 'of the future'],
    [await proof('another'), 'the hash of another token'],
    [await proof(token, { ath: undefined }), 'no hash'],
    [await proof(token, {}, { typ: 'JWT' }), 'another type'],
    ['x', 'no JWT'],
  ]) {
    const r = await dpop(p);
    assert.equal(r.status, 401, `${what}: ${r.text}`);
    assert.equal(r.json.reason, 'PROOF_INVALID', `${what}: ${r.text}`);
    assert.match(String(r.headers['www-authenticate']), /DPoP .*invalid_dpop_proof/);
  }
});

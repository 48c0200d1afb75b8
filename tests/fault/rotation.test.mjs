// Signing keys: those of an older version are taken over sealed, old ones go, new ones are made; jwt and oauth, which look after
// the same directory, are killed at every step of it. Whatever is left works, and nobody is logged out by it.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { generateKeyPairSync, createHash, randomUUID, sign } from 'node:crypto';
import { readFileSync, readdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Fleet, run, sleep, until } from '../harness/fleet.mjs';
import { CONF } from '../harness/steps.mjs';

const DAY = 86_400;
const KEYS = 'key_publish_ahead = 2s\n';
let f, dir, up;
const b64 = (v) => Buffer.from(typeof v === 'string' ? v : JSON.stringify(v)).toString('base64url');
const conf = (faults = '') => CONF + ['jwt', 'oauth'].map((n) => `[${n}]\n${KEYS}${faults && `faults = ${faults}\n`}`).join('');
const files = (ending) => readdirSync(dir).filter((n) => n.endsWith(ending)).sort();
const reached = (step) => ['jwt', 'oauth'].some((n) => {
  try { return readFileSync(path.join(f.var, 'log', `${n}.log`), 'utf8').includes(`"step":"${step}"`); } catch { return false; }
});

// In one step: somebody is always just starting.
function configure(text) {
  const file = path.join(f.var, 'local.conf');
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

// A key as the version before left it: PKCS#8 in the open, mode 0600.
function plain(name, days) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const file = path.join(dir, name), when = Date.now() / 1000 - days * DAY;
  const { x, y } = publicKey.export({ format: 'jwk' });
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  utimesSync(file, when, when);
  return { privateKey, kid: createHash('sha256').update(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`).digest('base64url') };
}

// A token that the version before has issued: without the claims of today.
function tokenOf({ privateKey, kid }) {
  const now = Math.floor(Date.now() / 1000);
  const text = `${b64({ alg: 'ES256', typ: 'at+jwt', kid })}.${b64({
    iss: 'metafed', aud: 'metafed', sub: randomUUID(), name: 'before', iat: now - 60, nbf: now - 60, exp: now + 3000, jti: 'j',
    sid: randomUUID(), ver: 1, roles: ['admin'], perms: ['*'],
  })}`;
  return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const read = (token) => f.call('GET', '/v1/tasks?limit=1', { token });
const kidOf = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url')).kid;
const listed = async () => (await f.call('GET', '/v1/signing-keys')).json.items;

before(async () => {
  f = await Fleet.make();
  dir = path.join(f.var, 'secrets/signing');
  f.configure(conf());
  run('install', ['-d', '-m', '700', path.join(f.var, 'secrets'), dir]);
});
after(async () => { await f?.stop(); });

test('plain keys of an older version are taken over, a retired one goes and the next is made, killed at every step', async () => {
  const gone = plain('es256-1.pem', 100), old = plain('es256-2.pem', 40);
  if (process.getuid() === 0) run('chown', ['-R', 'metafed:', path.join(f.var, 'secrets')]);
  const before = tokenOf(old), retired = tokenOf(gone);
  // Who dies at the first step finds the same at the next start; what comes after it happens once, and whoever gets there dies.
  const [sealed, ...once] = ['takeover.key_sealed', 'takeover.plain_removed', 'rotate.key_removed', 'rotate.key_made'].map((s) => `jwt.${s}`);
  for (const [armed, met] of [[[sealed, ...once], [sealed]], [once, once]]) {
    configure(conf(armed.map((s) => `@${s}: kill`).join('; ')));
    up ??= f.upLater();
    for (const s of met) await until(() => reached(s), `${s} is reached`, 20_000);
  }
  configure(conf());
  await up;
  await f.login();
  assert.equal((await read(before)).status, 200, 'issued before, and still good');
  assert.equal((await read(retired)).status, 401, 'nothing that this key has signed can be good any more');
  assert.deepEqual(files('.pem'), []);
  for (const name of files('.key')) assert.match(readFileSync(path.join(dir, name), 'utf8'), /^v1\./);
  // Two agents and a kill: one next key, not two.
  assert.deepEqual(files('.key'), ['es256-2.key', 'es256-3.key']);
  await until(async () => (await listed()).some((k) => k.state === 'signing' && k.id !== old.kid), 'the new key signs');
  assert.deepEqual((await listed()).map((k) => k.state), ['signing', 'verifying']);
  assert.notEqual(kidOf((await f.login()).access_token), old.kid);
});

test('rotated by hand while both agents are killed: one next key, which signs when everybody has it, and all tokens stay good', async () => {
  const tokens = [f.token];
  const first = f.tokens.refresh_token;
  let over = false;
  const bad = [];
  const watch = (async () => {
    for (; !over; await sleep(10)) for (const t of tokens) {
      const r = await read(t);
      if (r.status !== 200 && r.status !== 503) bad.push(r.text);
    }
  })();
  try {
    await rotate(tokens, first);
  } finally {
    over = true;
    await watch;
  }
  assert.deepEqual(bad, []);
});

async function rotate(tokens, first) {
  const { jwt, oauth } = await f.nodes();
  await f.faults('jwt', '@jwt.rotate.key_made: kill');
  const made = await f.call('POST', '/v1/signing-keys', { body: {} });
  assert.equal(made.status, 201, made.text);
  await f.back('jwt', jwt.pid);
  f.kill(oauth.pid);
  await f.back('oauth', oauth.pid);
  const again = await f.call('POST', '/v1/signing-keys', { body: {} });
  assert.equal(again.status, 201, again.text);
  const kid = made.json.id ?? (await listed())[0].id;
  await until(async () => (await listed()).find((k) => k.id === kid)?.state === 'signing', 'it signs');
  assert.equal(files('.key').length, 3);
  tokens.push((await f.login()).access_token);
  assert.equal(kidOf(tokens[1]), kid);
  const refreshed = await f.call('POST', '/v1/auth/refresh', { token: null, body: { refresh_token: first } });
  assert.equal(refreshed.status, 200, refreshed.text);
  assert.equal(kidOf(refreshed.json.access_token), kid);
  const jwks = (await f.call('GET', '/.well-known/jwks.json', { token: null })).json;
  assert.ok(jwks.keys.some((k) => k.kid === kid));
  assert.ok(jwks.keys.every((k) => k.d === undefined));
}

test('a sealing key that others can read stops the agents, with what to do, until it is mended', async () => {
  f.down();
  const seal = path.join(f.var, 'secrets/seal.key');
  run('chmod', ['644', seal]);
  const later = f.upLater();
  await until(() => ['jwt', 'oauth'].every((n) => /not_started.*seal\.key: must be a file of mode 0600/.test(readFileSync(path.join(f.var, 'log', `${n}.log`), 'utf8'))), 'both say why');
  run('chmod', ['600', seal]);
  await later;
  await f.login();
  assert.equal((await read(f.token)).status, 200);
});

// The resources of the auth domain over REST, and what they do to sessions that are open: groups, grants, keys, second factors, one's own account.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { Fleet, run, until } from '../harness/fleet.mjs';
import { Session } from './session.mjs';
import path from 'node:path';
import { readFileSync, writeFileSync } from 'node:fs';

const PASSWORD = 'correct horse battery staple';
let f;
before(async () => { f = await Fleet.start({ conf: '[api]\nlimit = off\n' }); });
after(async () => { await f?.stop(); });

const ok = (r, status) => { assert.equal(r.status, status, r.text); return r; };
const made = async (p, body, o) => ok(await f.call('POST', p, { body, ...o }), 201).json;
const login = async (username, more) => ok(await f.call('POST', '/v1/auth/login', { token: null, body: { username, password: PASSWORD, ...more } }), 200).json;
async function person(name, roles = ['user'], more) {
  const user = await made('/v1/users', { username: name, password: PASSWORD, roles, ...more });
  const tokens = await login(name);
  return { ...user, token: tokens.access_token, refresh: tokens.refresh_token };
}
const as = (token) => ({ token });
// Decisions are kept for moments: what was changed is seen in under a second.
const becomes = (status, ask) => until(async () => (await ask()).status === status, `a ${status}`, 1000);

// --- who one is ---

test('one\'s own account needs a credential and no permission', async () => {
  const ada = await person('ada', ['viewer']);
  const me = ok(await f.call('GET', '/v1/me', as(ada.token)), 200).json;
  assert.deepEqual([me.id, me.name, me.kind, me.roles, me.limited], [ada.id, 'ada', 'person', ['viewer'], false]);
  for (const p of ['sessions', 'api-keys', 'factors', 'consents', 'identities']) ok(await f.call('GET', `/v1/me/${p}`, as(ada.token)), 200);
  const nobody = ok(await f.call('GET', '/v1/me', as(null)), 401);
  assert.match(nobody.headers['www-authenticate'], /^Bearer realm="metafed", DPoP realm="metafed", algs="/);
  const forged = ok(await f.call('GET', '/v1/me', as(`${ada.token.slice(0, -4)}AAAA`)), 401);
  assert.match(forged.headers['www-authenticate'], /Bearer realm="metafed", error="invalid_token", DPoP/);
});

test('a token in an address is refused everywhere, however it is written', async () => {
  for (const p of ['/v1/me', '/v1/tasks', '/graphql', '/oauth/userinfo', '/v1/events', '/'])
    for (const name of ['access_token', '%61ccess_token']) {
      const r = await f.call('GET', `${p}?a=b&${name}=${f.token}`, as(null));
      assert.equal(r.status, 400, `${p}: ${r.text}`);
      assert.doesNotMatch(r.text, new RegExp(f.token));
    }
});

test('a bound token without a proof, two schemes at once, or another scheme is a bad credential', async () => {
  for (const authorization of [`DPoP ${f.token}`, `Basic ${f.token}`, `Bearer ${f.token}, DPoP ${f.token}`, 'Bearer', 'DPoP '])
    ok(await f.call('GET', '/v1/tasks', { token: null, headers: { authorization } }), 401);
  ok(await f.call('GET', '/v1/tasks', { token: null, headers: { authorization: `DPoP ${f.token}`, dpop: 'a.b.c' } }), 401);
});

// --- groups and grants ---

test('a group gives its roles to whoever is in it, until it does not any more', async () => {
  const bob = await person('bob', []);
  const ask = () => f.call('GET', '/v1/tasks', as(bob.token));
  ok(await ask(), 403);
  await made('/v1/groups', { id: 'support', roles: ['viewer'], description: 'all of them' });
  ok(await f.call('PATCH', `/v1/users/${bob.id}`, { body: { groups: ['support'] } }), 200);
  bob.token = (await login('bob')).access_token;
  await becomes(200, ask);
  ok(await f.call('PATCH', '/v1/groups/support', { body: { roles: [] } }), 200);
  await becomes(403, ask);
  assert.ok((await f.call('GET', '/v1/groups')).json.items.some((g) => g.id === 'support'));
});

test('a grant for one object is for that one alone, and a deny of one object holds for it alone', async () => {
  const eve = await person('eve', []), [one, other] = [await made('/v1/tasks', { title: 'one' }), await made('/v1/tasks', { title: 'other' })];
  const read = (t) => f.call('GET', `/v1/tasks/${t.id}`, as(eve.token));
  ok(await read(one), 403);
  const grant = await made('/v1/grants', { subject_kind: 'user', subject: eve.id, permissions: ['task.read'], resource: `task/${one.id}` });
  await becomes(200, () => read(one));
  for (let i = 0; i < 3; i++) ok(await read(other), 403);
  ok(await f.call('GET', '/v1/tasks', as(eve.token)), 403);
  ok(await f.call('DELETE', `/v1/grants/${grant.id}`), 204);
  await becomes(403, () => read(one));

  const mia = await person('mia', ['user']);
  ok(await f.call('GET', `/v1/tasks/${one.id}`, as(mia.token)), 200);
  await made('/v1/grants', { effect: 'deny', subject_kind: 'user', subject: mia.id, permissions: ['task.delete'], resource: `task/${one.id}` });
  await becomes(403, () => f.call('DELETE', `/v1/tasks/${one.id}`, { token: mia.token, headers: { 'if-match': '"99"' } }));
  ok(await f.call('DELETE', `/v1/tasks/${other.id}`, { token: mia.token, headers: { 'if-match': '"99"' } }), 412);
  // What names many at once is not the way round it.
  const many = await f.call('POST', '/v1/requests', { token: mia.token, body: { task_id: randomUUID(), requirements: { database: { operation: 'transaction', model: 'task', data: [{ operation: 'delete', model: 'task', id: one.id }] } } } });
  assert.equal(many.json.problem?.code ?? many.json.code, 'PERMISSION_DENIED', many.text);
});

test('a decision is explained, and a policy is tried before it is taken', async () => {
  const d = ok(await f.call('GET', '/v1/decisions?user=admin&permission=task.delete'), 200).json.items[0];
  assert.equal(d.allowed, true);
  assert.match(d.rule.text, /\*/);
  const policy = ok(await f.call('GET', '/v1/policy'), 200).json;
  assert.match(policy.yaml, /viewer/);
  const yaml = 'policy: 1\nroles:\n- {id: tried, permissions: [task.read]}\n';
  assert.equal(ok(await f.call('PUT', '/v1/policy', { body: { yaml, dry_run: true } }), 200).json.dry_run, true);
  ok(await f.call('GET', '/v1/roles/tried'), 404);
  ok(await f.call('PUT', '/v1/policy', { body: { yaml } }), 200);
  ok(await f.call('GET', '/v1/roles/tried'), 200);
});

// --- keys ---

test('an API key is shown once, kept nowhere, limited by its scopes, and gone when it is deleted', async () => {
  const key = `"${randomUUID()}"`, body = { name: 'nightly', scopes: ['task.read'] };
  const first = ok(await f.call('POST', '/v1/me/api-keys', { body, headers: { 'idempotency-key': key } }), 201);
  assert.match(first.headers['cache-control'], /no-store/);
  assert.match(first.json.key, /^mfk_/);
  assert.equal(first.headers.location, `/v1/me/api-keys/${first.json.id}`);
  const again = await f.call('POST', '/v1/me/api-keys', { body, headers: { 'idempotency-key': key } });
  assert.equal(again.headers['idempotency-replayed'], undefined);
  assert.notEqual(again.json.key, first.json.key);
  assert.doesNotMatch((await f.call('GET', '/v1/me/api-keys')).text, /mfk_/);
  assert.ok(!JSON.stringify(f.sql('SELECT response::text FROM idempotency')).includes('mfk_'), 'no answer is kept');
  ok(await f.call('GET', '/v1/tasks', as(first.json.key)), 200);
  const refused = ok(await f.call('POST', '/v1/tasks', { token: first.json.key, body: { title: 'x' } }), 403);
  assert.equal(refused.json.reason, 'SCOPE');
  assert.match(refused.headers['www-authenticate'], /error="insufficient_scope", scope="task.create"/);
  ok(await f.call('GET', '/v1/me/sessions', as(first.json.key)), 403);
  ok(await f.call('DELETE', `/v1/me/api-keys/${first.json.id}`), 204);
  await becomes(401, () => f.call('GET', '/v1/tasks', as(first.json.key)));
});

test('a raw request that makes a key is not to be stored', async () => {
  const body = { task_id: `key ${randomUUID()}`, requirements: { database: { operation: 'create', model: 'my.api_key', data: { name: 'raw' } } } };
  const a = ok(await f.call('POST', '/v1/requests', { body }), 200);
  assert.match(a.headers['cache-control'], /no-store/);
  assert.match(a.json.result.key, /^mfk_/);
});

test('signing keys are listed and rotated, and nobody is logged out by it', async () => {
  const before = ok(await f.call('GET', '/v1/signing-keys'), 200).json.items;
  const next = await made('/v1/signing-keys', {});
  assert.ok(!before.some((k) => k.id === next.id));
  ok(await f.call('GET', '/v1/me'), 200);
});

// --- second factor and password ---

const base32 = (text) => Buffer.from([...text].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('').match(/.{8}/g).map((b) => parseInt(b, 2)));
function totp(secret, at = Date.now()) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const h = createHmac('sha1', base32(secret)).update(counter).digest(), o = h[19] & 15;
  return String((h.readUInt32BE(o) & 0x7fffffff) % 1e6).padStart(6, '0');
}

test('a second factor is begun, confirmed, asked for, and removed by who has it', async () => {
  const otto = await person('otto');
  const factor = await made('/v1/me/factors', { kind: 'totp' }, as(otto.token));
  assert.match(factor.secret, /^[A-Z2-7]+$/);
  ok(await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'otto', password: PASSWORD } }), 200);   // not confirmed: it counts for nothing
  ok(await f.call('PATCH', `/v1/me/factors/${factor.id}`, { token: otto.token, body: { code: totp(factor.secret) } }), 200);
  const half = ok(await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'otto', password: PASSWORD } }), 401);
  assert.equal(half.json.reason, 'SECOND_FACTOR');
  const recovery = await login('otto', { otp: factor.recovery_codes[0] });
  assert.ok(ok(await f.call('GET', '/v1/me', as(recovery.access_token)), 200).json.methods.length >= 2);
  ok(await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'otto', password: PASSWORD, otp: factor.recovery_codes[0] } }), 401);
  assert.doesNotMatch((await f.call('GET', '/v1/factors')).text, new RegExp(factor.secret));
  ok(await f.call('POST', `/v1/me/factors/${factor.id}:remove`, { token: recovery.access_token, body: { code: factor.recovery_codes[1] } }), 204);
  await login('otto');
});

test('a password is changed by who knows it; his other sessions are ended', async () => {
  const pia = await person('pia'), other = await login('pia');
  assert.ok((await f.call('POST', '/v1/me/password', { token: pia.token, body: { current: 'not it at all', password: 'a new one altogether' } })).status >= 400);
  ok(await f.call('POST', '/v1/me/password', { token: pia.token, body: { current: PASSWORD, password: 'a new one altogether' } }), 204);
  await becomes(401, () => f.call('GET', '/v1/me', as(other.access_token)));
  ok(await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'pia', password: 'a new one altogether' } }), 200);
});

// --- sessions ---

test('one sees one\'s sessions, ends them, and nobody else\'s', async () => {
  const sam = await person('sam'), second = await login('sam'), tom = await person('tom');
  const list = ok(await f.call('GET', '/v1/me/sessions', as(sam.token)), 200).json.items;
  assert.equal(list.length, 2);
  const other = list.find((s) => !s.current);
  ok(await f.call('DELETE', `/v1/me/sessions/${other.id}`, as(tom.token)), 404);
  ok(await f.call('DELETE', `/v1/me/sessions/${other.id}`, as(sam.token)), 204);
  await becomes(401, () => f.call('GET', '/v1/me', as(second.access_token)));
  ok(await f.call('GET', '/v1/me', as(sam.token)), 200);
});

const closes = async (s, code, act) => {
  const begin = performance.now();
  await act();
  assert.equal((await s.closed).code, code);
  const ms = performance.now() - begin;
  assert.ok(ms < 1000 || process.env.METAFED_SLOW, `after ${ms} ms`);
};

test('a session that is open and says nothing is closed in under a second when its credential is revoked', async () => {
  const una = await person('una'), key = await made('/v1/me/api-keys', { name: 'open' }, as(una.token)), bystander = await Session.open(f);
  const [byToken, byKey] = [await Session.open(f, { token: una.token }), await Session.open(f, { token: key.key })];
  await closes(byKey, 4401, () => f.call('DELETE', `/v1/me/api-keys/${key.id}`, as(una.token)));
  assert.equal(byToken.end, undefined);
  await closes(byToken, 4401, async () => ok(await f.call('POST', '/v1/auth/logout', { token: null, body: { refresh_token: una.refresh } }), 204));
  const vic = await person('vic'), disabled = await Session.open(f, { token: vic.token });
  await closes(disabled, 4401, async () => ok(await f.call('PATCH', `/v1/users/${vic.id}`, { body: { disabled: true } }), 200));
  bystander.say({ type: 'ping', id: 'still' });
  await bystander.next({ type: 'pong', id: 'still' });
  bystander.ws.terminate();
});

// --- clients, providers, the log ---

test('clients and providers are written by administrators, and their secrets are not read again', async () => {
  const client = await made('/v1/clients', { name: 'Reports', auth_method: 'client_secret_basic', redirect_uris: ['https://reports.example/back'], grant_types: ['authorization_code', 'refresh_token'], scopes: ['openid', 'task.read'] });
  assert.ok(client.client_secret.length >= 32);
  const read = ok(await f.call('GET', `/v1/clients/${client.id}`), 200);
  assert.doesNotMatch(read.text, /secret"/);
  const { items } = ok(await f.call('GET', '/v1/clients?fields=created_by'), 200).json;
  assert.equal(items.find((c) => c.id === client.id).created_by, ok(await f.call('GET', '/v1/me'), 200).json.id, 'who made it');
  assert.match(read.headers['cache-control'], /no-store/);
  const provider = await made('/v1/providers', { id: 'works', name: 'Works', issuer: 'https://id.example', client_id: 'c', client_secret: 'told to nobody' });
  assert.ok(!JSON.stringify(provider).includes('told to nobody'));
  ok(await f.call('DELETE', '/v1/providers/works'), 204);
  ok(await f.call('DELETE', `/v1/clients/${client.id}`), 204);
});

test('the audit log is read by who may', async () => {
  const { items } = ok(await f.call('GET', '/v1/audit?limit=5'), 200).json;
  assert.ok(items.length > 0);
});

// --- the command line ---

test('the command line does the same: one table of commands', () => {
  const cli = (...args) => run(path.join(process.env.METAFED_BIN ?? f.bin, 'metafed'), ['--var', f.var, '--token-file', path.join(f.dir, 'tokens'), ...args], { input: `${PASSWORD}\n` });
  const fine = (...args) => { const r = cli(...args); assert.equal(r.status, 0, `${args.join(' ')}: ${r.stdout}${r.stderr}`); return r.stdout; };
  assert.match(fine('whoami'), /name +admin/);
  fine('user', 'add', 'clio', 'password=-', 'roles=["viewer"]');
  assert.match(fine('user', 'list', 'username=clio'), /clio/);
  const { items: [clio] } = JSON.parse(fine('user', 'list', 'username=clio', '--json'));
  assert.match(fine('user', 'update', clio.id, 'roles=["user"]'), /\["user"\]/);
  fine('group', 'add', 'muses', 'roles=["viewer"]');
  assert.match(fine('group', 'update', 'muses', 'description=123456'), /description +123456/, 'digits are a text: as codes and passwords are');
  assert.match(fine('grant', 'add', 'subject_kind=group', 'subject=muses', 'permissions=["task.update"]'), /allow/);
  assert.match(fine('policy', 'explain', 'clio', 'task.delete'), /allowed +true/);
  assert.match(fine('policy', 'export'), /muses/);
  assert.match(fine('api-key', 'add', 'nightly', 'scopes=["task.read"]', '--mine'), /mfk_/);
  assert.match(fine('session', 'list', '--mine'), /^[0-9a-f-]{36} +true +\d{4}-\d\d-\d\d \d\d:\d\dZ +\d{4}-\d\d-\d\d \d\d:\d\dZ /m);
  assert.equal(cli('session', 'show', '--mine', clio.id).status, 2);
  const other = cli('key', 'rotate', 'EdDSA');
  assert.equal(other.status, 5, other.stdout);
  assert.match(other.stderr, /new keys are ES256/, 'a key of another algorithm is not the answer');
  assert.match(fine('key', 'rotate', 'ES256'), /alg +ES256/);
  assert.match(fine('key', 'list'), /ES256/);
  const policy = path.join(f.dir, 'policy.yaml');
  writeFileSync(policy, fine('policy', 'export'));
  assert.match(fine('policy', 'import', policy, '--dry-run'), /^roles +\[\]$/m, 'what changes nothing gives nobody anything');
  fine('user', 'rm', clio.id);
  assert.equal(cli('user', 'show', clio.id).status, 4);
  assert.equal(cli('user', 'rm', '../tasks').status, 2);
  assert.equal(cli('role', 'rm', 'x', 'y').status, 2);
});

test('whose log-in has ended is nobody on the command line, and not the administrator', async () => {
  await made('/v1/users', { username: 'thalia', password: PASSWORD, roles: ['viewer'] });
  const cli = (...args) => run(path.join(process.env.METAFED_BIN ?? f.bin, 'metafed'), ['--var', f.var, '--token-file', path.join(f.dir, 'thalia'), ...args], { input: `${PASSWORD}\n` });
  assert.match(cli('whoami').stdout, /name +admin/, 'nobody has logged in there');
  assert.equal(cli('login', 'thalia', '--password-stdin').status, 0);
  const { items: [session] } = JSON.parse(cli('session', 'list', '--mine', '--json').stdout);
  ok(await f.call('DELETE', `/v1/sessions/${session.id}`), 204);
  const after = cli('whoami');
  assert.equal(after.status, 3, after.stdout);
  assert.match(after.stderr, /metafed login comes first/);
});

test('a log-out on the command line ends the session and forgets its tokens', async () => {
  await made('/v1/users', { username: 'erato', password: PASSWORD, roles: ['viewer'] });
  const file = path.join(f.dir, 'erato'), kept = () => JSON.parse(readFileSync(file, 'utf8'));
  const cli = (...args) => run(path.join(process.env.METAFED_BIN ?? f.bin, 'metafed'), ['--var', f.var, '--token-file', file, ...args], { input: `${PASSWORD}\n` });
  assert.equal(cli('logout').status, 3, 'nobody has logged in there');
  assert.equal(cli('login', 'erato', '--password-stdin').status, 0);
  const [{ access_token: token, refresh_token: refresh }] = Object.values(kept());
  const out = cli('logout');
  assert.equal(out.status, 0, out.stderr);
  assert.deepEqual(kept(), {});
  ok(await f.call('GET', '/v1/me', { token }), 401);
  ok(await f.call('POST', '/v1/auth/refresh', { token: null, body: { refresh_token: refresh } }), 401);
  assert.equal(cli('logout').status, 3);
});

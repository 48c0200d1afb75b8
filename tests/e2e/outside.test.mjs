// Log-in by outside OpenID providers: oidc-provider from npm as an honest one, and a crooked one of our own for the attacks.
// Both run in this process, on the loopback.
import { test, before, after, beforeEach } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Provider } from 'oidc-provider';
import * as jose from 'jose';
import { Fleet, alive, newDir, run, until } from '../harness/fleet.mjs';
import { Browser, heading } from '../harness/browser_login.mjs';
import { factor, person } from '../harness/oauth_setup.mjs';
import { CONF, allSteps } from '../harness/steps.mjs';
import { Crooked } from './crooked.mjs';

let f, crooked, honest, vouched;
const accounts = new Map();         // of the honest provider: subject -> claims
let current;                        // who is at its log-in page

async function startHonest() {
  const server = http.createServer();
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'metafed', client_secret: 'a secret: with % and &', redirect_uris: [`${f.url}/oauth/callback/honest`], grant_types: ['authorization_code'] }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, i) => `/interaction/${i.uid}` },
    cookies: { keys: ['not a secret'] },
    pkce: { required: () => true },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...accounts.get(id) }) }),
    loadExistingGrant: async (ctx) => {
      const grant = new provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  });
  const serve = provider.callback();
  server.on('request', async (q, r) => {
    if (!q.url.startsWith('/interaction/')) return serve(q, r);
    if (current === undefined) return provider.interactionFinished(q, r, { error: 'access_denied' });
    return provider.interactionFinished(q, r, { login: { accountId: current } });
  });
  return { issuer, stop: () => { server.closeAllConnections(); return new Promise((resolve) => { server.close(resolve); }); } };
}

// Of localhost, signed by itself: { key, cert, file }.
function certificate(dir, name, host = 'localhost') {
  const [key, file] = [path.join(dir, `${name}-key.pem`), path.join(dir, `${name}.pem`)];
  const r = run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1', '-subj', `/CN=${host}`,
    '-addext', `subjectAltName=DNS:${host}`, '-keyout', key, '-out', file]);
  assert.equal(r.status, 0, r.stderr);
  return { key: readFileSync(key), cert: readFileSync(file), file };
}

async function ask(database, token = f.token) {
  const r = await f.call('POST', '/v1/requests', { token, body: { task_id: randomUUID(), requirements: { database } } });
  return { status: r.status, result: r.json?.result, problem: r.json?.problem ?? r.json, text: r.text };
}

async function must(database, token) {
  const r = await ask(database, token);
  assert.equal(r.status, 200, r.text);
  return r.result;
}

const create = (model, id, data) => must({ operation: 'create', model, id, data });
const change = (id, data) => must({ operation: 'update', model: 'provider', id, data });
const user = async (username) => (await must({ operation: 'query', model: 'user', filters: { username } })).items[0];
const isSignedIn = async (browser) => /You are signed in/.test((await browser.get('/oauth/logout')).text);

async function makeUser(username, data = {}) {
  const id = randomUUID();
  await create('user', id, { username, password: 'a long enough one: 7Qx', roles: ['user'], ...data });
  return id;
}

before(async () => {
  const dir = newDir();
  vouched = certificate(dir, 'vouched');
  f = await Fleet.start({ dir, conf: `${CONF}[oauth]\noutside_ca = ${vouched.file}\n[jwt]\noutside_ca = ${vouched.file}\n` });
  honest = await startHonest();
  crooked = await Crooked.start();
  await create('provider', 'honest', { name: 'Honest & Sons', issuer: honest.issuer, client_id: 'metafed', client_secret: 'a secret: with % and &',
    scopes: ['openid', 'email', 'profile'], create_users: true, roles: ['viewer'] });
  await create('provider', 'crooked', { name: 'Crooked', issuer: crooked.issuer, client_id: 'metafed', create_users: true });
});
after(async () => { await f?.stop(); await honest?.stop(); await crooked?.stop(); });
beforeEach(() => {
  if (crooked) Object.assign(crooked, { claims: () => ({}), header: {}, made: undefined, signer: undefined });
  crooked?.answers.clear();
});

// Through the honest provider: the page at which our browser ends.
async function throughHonest(browser, path = '/oauth/outside/honest') {
  const leave = await browser.get(path);
  if (!leave.left) return leave;
  const there = new Browser(honest.issuer);
  const back = await there.get(leave.left);
  assert.ok(back.left, `${back.status} ${back.text}`);
  return browser.get(back.left);
}

// Through the crooked one: changes of what the browser brings back.
async function throughCrooked(browser, changes = {}, id = 'crooked', provider = crooked) {
  const leave = await browser.get(`/oauth/outside/${id}`);
  if (!leave.left) return leave;
  const url = new URL(leave.left);
  const back = { code: provider.code(url), state: url.searchParams.get('state'), iss: provider.issuer, ...changes };
  return browser.get(`/oauth/callback/${id}?${new URLSearchParams(Object.entries(back).filter(([, v]) => v !== undefined))}`);
}

test('a provider is written by who may do everything, and its secret is never read back', async () => {
  const id = `p${Date.now()}`;
  const data = { name: 'Another', issuer: 'https://id.example', client_id: 'c', client_secret: 'very secret' };
  assert.equal((await create('provider', id, data)).client_secret, undefined);
  const [read, list] = [await must({ operation: 'read', model: 'provider', id }), await must({ operation: 'query', model: 'provider' })];
  assert.equal(read.issuer, data.issuer);
  assert.doesNotMatch(JSON.stringify([read, list]), /client_secret|very secret/);
  assert.doesNotMatch(JSON.stringify(f.sql(`SELECT client_secret FROM providers WHERE id='${id}'`)), /very secret/);
  for (const issuer of ['http://id.example', 'ftp://id.example', 'https://u:p@id.example', 'http://10.0.0.1', 'https://id.example/?x=1', 'id']) {
    const r = await ask({ operation: 'update', model: 'provider', id, data: { issuer } });
    assert.equal(r.problem?.code ?? r.problem?.status, 'INVALID_ARGUMENT', r.text);
  }
  // Who may write providers, but not everything, could otherwise become anybody.
  await create('role', 'providers', { permissions: ['provider.*'] });
  await makeUser('providers', { roles: ['providers'] });
  const { json } = await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'providers', password: 'a long enough one: 7Qx' } });
  for (const q of [{ operation: 'create', model: 'provider', id: 'mine', data }, { operation: 'update', model: 'provider', id, data: { trust_email: true } }, { operation: 'delete', model: 'provider', id }]) {
    const r = await ask(q, json.access_token);
    assert.match(r.text, /BEYOND_OWN/);
  }
  await must({ operation: 'delete', model: 'provider', id });
});

test('who logs in at the provider for the first time gets an account with its roles, and the same one again', async () => {
  accounts.set('sub-1', { email: 'First.User@honest.example', email_verified: true, name: 'First User', preferred_username: 'First.User' });
  current = 'sub-1';
  const browser = new Browser(f.url);
  const page = await throughHonest(browser);
  assert.equal(page.status, 200, page.text);
  assert.ok(await isSignedIn(browser));
  const made = await user('first.user');
  assert.deepEqual([made.roles, made.display_name, made.email, made.email_verified], [['viewer'], 'First User', 'First.User@honest.example', false]);
  await throughHonest(new Browser(f.url));
  const identities = f.sql(`SELECT user_id, provider, subject FROM identities WHERE user_id='${made.id}'`);
  assert.deepEqual(identities, [[made.id, 'honest', 'sub-1']]);
  // How he proved himself stands in his session.
  assert.match(f.sql(`SELECT methods FROM sessions WHERE user_id='${made.id}' AND kind='browser'`)[0][0], /fed/);
});

test('a name that is taken gets something behind it, and two who come at once are one user', async () => {
  accounts.set('sub-2', { preferred_username: 'admin' });
  current = 'sub-2';
  const pages = await Promise.all([throughHonest(new Browser(f.url)), throughHonest(new Browser(f.url)), throughHonest(new Browser(f.url))]);
  assert.deepEqual(pages.map((p) => p.status), [200, 200, 200]);
  const rows = f.sql("SELECT u.username, u.roles FROM identities i JOIN users u ON u.id=i.user_id WHERE i.subject='sub-2'");
  assert.equal(rows.length, 1);
  assert.match(rows[0][0], /^admin-[0-9a-f]{8}$/);
  assert.equal(rows[0][1], '["viewer"]');
  assert.equal(f.sql("SELECT count(*) FROM users WHERE username LIKE 'admin-%'")[0][0], '1');
});

test('an e-mail address leads to an account only when both sides have verified it and the provider is trusted with it', async () => {
  const id = await makeUser('erin', { email: 'erin@honest.example', email_verified: true });
  await change('honest', { create_users: false });
  current = 'sub-erin';
  const identities = () => f.sql(`SELECT count(*) FROM identities WHERE user_id='${id}'`)[0][0];
  const refused = async () => {
    const browser = new Browser(f.url);
    const page = await throughHonest(browser);
    assert.equal(page.status, 403, page.text);
    assert.match(heading(page.text), /belongs to nobody/);
    assert.ok(!await isSignedIn(browser));
    assert.equal(identities(), '0');
  };
  accounts.set(current, { email: 'erin@honest.example', email_verified: true });
  await refused();                                   // not trusted
  await change('honest', { trust_email: true });
  accounts.set(current, { email: 'erin@honest.example', email_verified: false });
  await refused();                                   // not verified there
  accounts.set(current, { email: 'erin@honest.example', email_verified: true });
  await must({ operation: 'update', model: 'user', id, data: { email_verified: false } });
  await refused();                                   // not verified here
  await must({ operation: 'update', model: 'user', id, data: { email_verified: true } });
  const twin = await makeUser('erin2', { email: 'erin@honest.example', email_verified: true });
  await refused();                                   // whose?
  await must({ operation: 'delete', model: 'user', id: twin });
  const browser = new Browser(f.url);
  assert.equal((await throughHonest(browser)).status, 200);
  assert.ok(await isSignedIn(browser));
  assert.equal(identities(), '1');
  // A disabled account stays closed, whoever vouches.
  await must({ operation: 'update', model: 'user', id, data: { disabled: true } });
  const closed = new Browser(f.url);
  assert.equal((await throughHonest(closed)).status, 403);
  assert.ok(!await isSignedIn(closed));
  await change('honest', { create_users: true, trust_email: false });
});

test('who is signed in links an account after a question; it logs him in until he unlinks it', async () => {
  const id = await makeUser('linda');
  const browser = new Browser(f.url);
  const page = await browser.login({ username: 'linda', password: 'a long enough one: 7Qx' });
  assert.match(page.text, /You are signed in/);
  accounts.set('sub-linda', {});
  current = 'sub-linda';
  // A stranger's page can't do it: the form is needed.
  assert.equal((await browser.request('POST', '/oauth/outside/honest', { form: {} })).status, 403);
  const question = await browser.get('/oauth/outside/honest?link=1');
  assert.match(question.text, /Honest &amp; Sons/);
  assert.match(question.headers.get('content-security-policy'), new RegExp(`form-action 'self' ${honest.issuer}`));
  const leave = await browser.submit(question);
  assert.equal(new URL(leave.left).searchParams.get('prompt'), 'login');
  const there = new Browser(honest.issuer);
  const linked = await browser.get((await there.get(leave.left)).left);
  assert.equal(heading(linked.text), 'Linked', linked.text);
  const other = new Browser(f.url);
  await throughHonest(other);
  assert.match((await other.get('/oauth/logout')).text, /linda/);
  // Nobody else gets it.
  await makeUser('lars');
  const lars = new Browser(f.url);
  await lars.login({ username: 'lars', password: 'a long enough one: 7Qx' });
  const taken = await lars.submit(await lars.get('/oauth/outside/honest?link=1'));
  assert.equal((await lars.get((await new Browser(honest.issuer).get(taken.left)).left)).status, 409);
  // Nobody is signed in: nothing to link.
  assert.equal((await new Browser(f.url).get('/oauth/outside/honest?link=1')).status, 403);

  const { json } = await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'linda', password: 'a long enough one: 7Qx' } });
  const mine = (await must({ operation: 'query', model: 'my.identity' }, json.access_token)).items;
  assert.deepEqual(mine.map((i) => [i.user_id, i.provider, i.subject, i.account]), [[id, 'honest', 'sub-linda', undefined]]);
  const foreign = (await must({ operation: 'query', model: 'identity' })).items.find((i) => i.user_id !== id);
  for (const operation of ['read', 'delete']) assert.match((await ask({ operation, model: 'my.identity', id: foreign.id }, json.access_token)).text, /NOT_FOUND/);
  assert.match((await ask({ operation: 'create', model: 'my.identity', id: randomUUID(), data: {} }, json.access_token)).text, /INVALID_ARGUMENT/);
  await must({ operation: 'delete', model: 'my.identity', id: mine[0].id }, json.access_token);
  await change('honest', { create_users: false });
  assert.equal((await throughHonest(new Browser(f.url))).status, 403);
  await change('honest', { create_users: true });
});

test('who has a second factor is asked for it after the provider, too', async () => {
  const dora = await person(f, 'dora', { email: 'dora@honest.example', email_verified: true });
  const { code } = await factor(f, 'dora');
  accounts.set('sub-dora', { email: 'dora@honest.example', email_verified: true });
  current = 'sub-dora';
  await change('honest', { trust_email: true });
  const browser = new Browser(f.url);
  const page = await throughHonest(browser);
  assert.equal(new URL(page.url).pathname, '/oauth/factor');
  assert.ok(!await isSignedIn(browser));
  assert.notEqual((await browser.submit(page, { otp: '000000' })).status, 200);
  assert.ok(!await isSignedIn(browser));
  assert.equal((await browser.submit(page, { otp: code() })).status, 200);
  assert.ok(await isSignedIn(browser));
  assert.deepEqual(JSON.parse(f.sql(`SELECT methods FROM sessions WHERE user_id='${dora.id}' AND kind='browser'`)[0][0]).slice(0, 2), ['fed', 'otp']);
  await change('honest', { trust_email: false });
});

test('who says no at the provider comes back to a page that says so', async () => {
  current = undefined;
  const page = await throughHonest(new Browser(f.url));
  assert.equal(page.status, 403);
  assert.equal(heading(page.text), 'You were not logged in');
});

test('an ID token with any defect logs nobody in', async (t) => {
  const good = new Browser(f.url);
  assert.equal((await throughCrooked(good)).status, 200);
  assert.ok(await isSignedIn(good));
  const now = Math.floor(Date.now() / 1000);
  const other = await jose.generateKeyPair('ES256');
  const unsecured = (nonce) => new jose.UnsecuredJWT({ iss: crooked.issuer, sub: 'admin', aud: 'metafed', exp: now + 300, iat: now, nonce }).encode();
  const hmac = (nonce) => new jose.SignJWT({ iss: crooked.issuer, sub: 'admin', aud: 'metafed', exp: now + 300, iat: now, nonce })
    .setProtectedHeader({ alg: 'HS256', kid: crooked.jwk.kid }).sign(new TextEncoder().encode(JSON.stringify(crooked.jwk)));
  const defects = {
    'another issuer': { claims: () => ({ iss: 'https://other.example' }) },
    'another audience': { claims: () => ({ aud: 'them' }) },
    'an audience beside us without azp': { claims: () => ({ aud: ['metafed', 'them'] }) },
    'another azp': { claims: () => ({ azp: 'them' }) },
    'it has expired': { claims: () => ({ exp: now - 1 }) },
    'it was made in the future': { claims: () => ({ iat: now + 3600, exp: now + 7200 }) },
    'it was made long ago': { claims: () => ({ iat: now - 3600 }) },
    'another nonce': { claims: () => ({ nonce: 'another' }) },
    'no nonce': { claims: () => ({ nonce: undefined }) },
    'no subject': { claims: () => ({ sub: undefined }) },
    'another access token': { claims: () => ({ at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' }) },
    'another key under the same id': { signer: other.privateKey },
    'its own key in the header': { signer: other.privateKey, header: { kid: 'mine', jwk: await jose.exportJWK(other.publicKey) } },
    'alg none': { made: unsecured },
    'the public key as a secret': { made: hmac },
    'no token at all': { made: () => 'x' },
  };
  for (const [what, how] of Object.entries(defects)) {
    await t.test(what, async () => {
      Object.assign(crooked, { claims: () => ({}), header: {}, made: undefined, signer: undefined }, how);
      const browser = new Browser(f.url);
      const page = await throughCrooked(browser);
      assert.equal(page.status, 403, page.text);
      assert.ok(!await isSignedIn(browser));
    });
  }
});

test('a code counts for the browser, the provider and the log-in that it was made for', async () => {
  const fails = async (changes, status, browser = new Browser(f.url)) => {
    const n = crooked.count('/token');
    const page = await throughCrooked(browser, changes);
    assert.equal(page.status, status, page.text);
    assert.ok(!await isSignedIn(browser));
    return crooked.count('/token') - n;
  };
  // Mix-up (RFC 9207): the code never leaves for the token endpoint.
  assert.equal(await fails({ iss: honest.issuer }, 403), 0);
  assert.equal(await fails({ iss: undefined }, 403), 0);
  assert.equal(await fails({ state: undefined }, 400), 0);
  assert.equal(await fails({ state: 'v1.AAAA' }, 400), 0);
  assert.equal(await fails({ code: undefined }, 403), 0);
  assert.equal(await fails({ code: 'of nobody' }, 403), 1);
  // Another browser's state: whoever sends somebody a link to his own log-in logs nobody in.
  const victim = new Browser(f.url);
  await victim.get('/oauth/logout');
  const leave = new URL((await new Browser(f.url).get('/oauth/outside/crooked')).left);
  const page = await victim.get(`/oauth/callback/crooked?${new URLSearchParams({ code: crooked.code(leave), state: leave.searchParams.get('state'), iss: crooked.issuer })}`);
  assert.equal(page.status, 400, page.text);
  assert.ok(!await isSignedIn(victim));
  // A state of one provider is none for another.
  const browser = new Browser(f.url);
  const url = new URL((await browser.get('/oauth/outside/crooked')).left);
  assert.equal((await browser.get(`/oauth/callback/honest?${new URLSearchParams({ code: 'x', state: url.searchParams.get('state'), iss: honest.issuer })}`)).status, 400);
  // What is asked for: PKCE, a nonce, and each time others.
  const again = new URL((await browser.get('/oauth/outside/crooked')).left);
  for (const name of ['state', 'nonce', 'code_challenge']) assert.notEqual(url.searchParams.get(name), again.searchParams.get(name));
  assert.equal(url.searchParams.get('code_challenge_method'), 'S256');
  assert.equal((await browser.get('/oauth/outside/nobody')).status, 404);
});

test('keys that the provider has changed are fetched once for all, invented ones no more than that', async () => {
  const turning = await Crooked.start('RS256');
  await create('provider', 'turning', { name: 'Turning', issuer: turning.issuer, client_id: 'metafed', create_users: true });
  const through = () => throughCrooked(new Browser(f.url), {}, 'turning', turning);
  assert.equal((await through()).status, 200);
  await turning.rotate();
  const before = turning.count('/jwks');
  assert.deepEqual((await Promise.all([1, 2, 3, 4].map(through))).map((p) => p.status), [200, 200, 200, 200]);
  const fetched = turning.count('/jwks') - before;
  assert.ok(fetched <= 2, `${fetched} fetches`);        // one, and one of jwt where it stood in
  turning.header = { kid: 'invented' };
  const begin = Date.now();
  for (let i = 0; i < 5; i++) assert.equal((await through()).status, 403);
  assert.ok(turning.count('/jwks') - before <= 2 * (2 + (Date.now() - begin) / 5000));
  assert.ok(turning.count('/.well-known/openid-configuration') <= 2);
  await turning.stop();
});

test('a provider that fails is a page with a way on, and nothing of the fleet fails with it', async (t) => {
  const cases = {
    'it breaks off': (q) => q.socket.destroy(),
    'it answers 500': (q, r) => { r.statusCode = 500; r.end(); },
    'it redirects': (q, r) => { r.writeHead(302, { location: `${f.url}/v1/tasks` }); r.end(); },
    'it answers without end': (q, r) => { r.setHeader('content-type', 'application/json'); const more = () => { while (r.writable && !r.destroyed && r.write('x'.repeat(65536))); if (!r.destroyed) r.once('drain', more); }; more(); },
    'it does not answer': () => {},
  };
  for (const [what, answer] of Object.entries(cases)) {
    await t.test(what, async () => {
      crooked.answers.set('/token', answer);
      const begin = Date.now();
      const browser = new Browser(f.url);
      const page = await throughCrooked(browser);
      assert.equal(page.status, 503, page.text);
      assert.ok(page.headers.get('retry-after'));
      assert.equal(heading(page.text), 'The other provider does not answer');
      assert.ok(Date.now() - begin < 7000);
      assert.equal((await f.call('GET', '/v1/tasks')).status, 200);
      crooked.answers.clear();
      assert.equal((await throughCrooked(browser)).status, 200);
    });
  }
  await t.test('it is not there, and then it is', async () => {
    const later = await Crooked.start();
    await create('provider', 'later', { name: 'Later', issuer: later.issuer, client_id: 'metafed', create_users: true });
    const port = later.server.address().port;
    await later.stop();
    const page = await new Browser(f.url).get('/oauth/outside/later');
    assert.equal(page.status, 503, page.text);
    await new Promise((resolve) => { later.server.listen(port, '127.0.0.1', resolve); });
    assert.ok((await new Browser(f.url).get('/oauth/outside/later')).left);
    await later.stop();
  });
  await t.test('its discovery document is of another', async () => {
    const p = await Crooked.start();
    p.meta = { issuer: crooked.issuer };
    await create('provider', 'liar', { name: 'Liar', issuer: p.issuer, client_id: 'metafed', create_users: true });
    assert.equal((await new Browser(f.url).get('/oauth/outside/liar')).status, 503);
    await p.stop();
  });
});

// The first log-in by name leads through the steps of a new user, that of an address through those of a link.
for (const { step } of allSteps().filter((s) => /^oauth\.outside\./.test(s.step))) {
  for (const once of [false, true]) {
    test(`killed at ${step}, a code ${once ? 'counts once' : 'counts again'}: one user, one identity`, async () => {
      const sub = `${step}-${once}`, email = `${sub}@crooked.example`;
      const links = step.endsWith('identity_stored');
      if (links) await makeUser(`l${Date.now()}`, { email, email_verified: true });
      await must({ operation: 'update', model: 'provider', id: 'crooked', data: { trust_email: true } });
      Object.assign(crooked, { claims: () => ({ sub, email, email_verified: true }), once });
      const pid = await f.pid('oauth'), browser = new Browser(f.url);
      await f.faults('oauth', `@${step}: kill`);
      const page = await throughCrooked(browser);
      await until(() => !alive(pid), `${step} is reached`);
      // A provider that takes a code once says no to the stand-in: the browser begins again.
      assert.equal(page.status, once ? 403 : 200, page.text);
      if (once) assert.equal((await throughCrooked(browser)).status, 200);
      assert.ok(await isSignedIn(browser));
      const rows = f.sql(`SELECT i.user_id FROM identities i JOIN users u ON u.id=i.user_id WHERE i.subject='${sub}'`);
      assert.equal(rows.length, 1);
      assert.equal(f.sql(`SELECT count(*) FROM users WHERE email='${email}'`)[0][0], '1');
      assert.equal(f.sql(`SELECT count(*) FROM sessions WHERE user_id='${rows[0][0]}'`)[0][0], '1');
      await must({ operation: 'update', model: 'provider', id: 'crooked', data: { trust_email: false } });
      crooked.once = false;
      await f.back('oauth', pid);
    });
  }
}

test('over TLS a provider is asked when its certificate is vouched for and its name is the one that was asked', async () => {
  for (const [id, tls, status] of [['vouched', vouched, 200], ['unknown', certificate(f.dir, 'unknown'), 503]]) {
    const provider = await Crooked.start('ES256', tls);
    await create('provider', id, { name: id, issuer: provider.issuer, client_id: 'metafed', create_users: true });
    assert.equal((await throughCrooked(new Browser(f.url), {}, id, provider)).status, status);
    const asked = provider.asked.length;
    assert.equal(asked > 0, status === 200);
    // The same certificate under a name that it is not of: not a byte is sent.
    const issuer = provider.issuer.replace('localhost', '127.0.0.1');
    provider.meta = { issuer };
    await must({ operation: 'update', model: 'provider', id, data: { issuer } });
    assert.equal((await new Browser(f.url).get(`/oauth/outside/${id}`)).status, 503);
    assert.equal(provider.asked.length, asked);
    await provider.stop();
  }
});

test('what one agent began the other finishes', async () => {
  const browser = new Browser(f.url);
  const leave = new URL((await browser.get('/oauth/outside/crooked')).left);
  const nodes = await f.nodes();
  f.kill(nodes.oauth.pid);
  const page = await browser.get(`/oauth/callback/crooked?${new URLSearchParams({ code: crooked.code(leave), state: leave.searchParams.get('state'), iss: crooked.issuer })}`);
  assert.equal(page.status, 200, page.text);
  assert.ok(await isSignedIn(browser));
  await until(async () => (await f.nodes()).oauth.state === 'READY', 'oauth is back');
});

test('a provider that is disabled or gone logs nobody in, and no secret stands in a log', async () => {
  await change('crooked', { disabled: true });
  assert.equal((await new Browser(f.url).get('/oauth/outside/crooked')).status, 404);
  await change('crooked', { disabled: false });
  // Another issuer under the same id: none of the old identities count.
  const other = await Crooked.start();
  await change('crooked', { issuer: other.issuer, create_users: false });
  const browser = new Browser(f.url);
  const url = new URL((await browser.get('/oauth/outside/crooked')).left);
  const page = await browser.get(`/oauth/callback/crooked?${new URLSearchParams({ code: other.code(url), state: url.searchParams.get('state'), iss: other.issuer })}`);
  assert.equal(page.status, 403, page.text);
  await other.stop();
  for (const node of ['oauth', 'jwt', 'auth']) assert.doesNotMatch(f.logs(node), /a secret: with|code-\d|"level":"error"/);
});

// The authorization server as npm's oauth4webapi sees it: every grant, every way to authenticate, proofs of possession, pushed
// requests, devices, introspection, revocation, registration. And what happens to a code when its node is killed.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import * as oauth from 'oauth4webapi';
import * as jose from 'jose';
import { Fleet, until } from '../harness/fleet.mjs';
import { Browser } from '../harness/browser_login.mjs';
import { CALLBACK, DEVICE_GRANT, PASSWORD, client, person, store } from '../harness/oauth_setup.mjs';

const http = { [oauth.allowInsecureRequests]: true };
const who = { username: 'alice', password: PASSWORD };
let f, as;

before(async () => {
  f = await Fleet.start({ conf: '[jwt]\ndevice_interval = 1s\n[oauth]\ndevice_interval = 1s\n' });
  await person(f, 'alice');
  await client(f, 'app', { grant_types: ['authorization_code', 'refresh_token', DEVICE_GRANT], scopes: ['task.read', 'task.create'] });
  await client(f, 'other', {});
  as = await oauth.processDiscoveryResponse(new URL(f.url), await oauth.discoveryRequest(new URL(f.url), { algorithm: 'oauth2', ...http }));
});
after(async () => { await f?.stop(); });

const bearer = (token) => f.call('GET', '/v1/tasks', { token });

// To the code, by PAR: what validateAuthResponse made of the answer, and the verifier.
async function authorize(c, { auth = oauth.None(), params = {}, browser = new Browser(f.url), user = who, ...more } = {}) {
  const verifier = oauth.generateRandomCodeVerifier(), state = oauth.generateRandomState();
  const q = new URLSearchParams({ response_type: 'code', client_id: c.client_id, redirect_uri: CALLBACK, scope: 'task.read', state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...params });
  const pushed = await oauth.processPushedAuthorizationResponse(as, c, await oauth.pushedAuthorizationRequest(as, c, auth, q, { ...http, ...more }));
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({ client_id: c.client_id, request_uri: pushed.request_uri });
  const back = await browser.authorize(url.href, user);
  assert.ok(back instanceof URL, `${back.status} ${back.text}`);
  return { answer: oauth.validateAuthResponse(as, c, back, state), verifier, back, browser };
}

const exchange = (c, { answer, verifier }, auth = oauth.None(), o = {}) =>
  oauth.authorizationCodeGrantRequest(as, c, auth, answer, CALLBACK, verifier, { ...http, ...o });

test('a pushed request, a code, tokens bound to a key, their refresh, their end', async () => {
  const c = { client_id: 'app' };
  const DPoP = oauth.DPoP(c, await oauth.generateKeyPair('ES256'));
  const flow = await authorize(c, { DPoP });
  const first = await oauth.processAuthorizationCodeResponse(as, c, await exchange(c, flow, oauth.None(), { DPoP }));
  assert.equal(first.token_type, 'dpop');
  assert.equal(first.scope, 'task.read');
  assert.equal(jose.decodeJwt(first.access_token).iss, f.url);

  const use = await oauth.protectedResourceRequest(first.access_token, 'GET', new URL(`${f.url}/v1/tasks`), undefined, undefined, { DPoP, ...http });
  assert.equal(use.status, 200);
  assert.equal((await bearer(first.access_token)).status, 401);       // stolen without its key

  const stranger = oauth.DPoP(c, await oauth.generateKeyPair('ES256'));
  const refused = await oauth.refreshTokenGrantRequest(as, c, oauth.None(), first.refresh_token, { DPoP: stranger, ...http });
  assert.equal(refused.status, 400);
  assert.equal((await refused.json()).error, 'invalid_grant');

  const second = await oauth.processRefreshTokenResponse(as, c, await oauth.refreshTokenGrantRequest(as, c, oauth.None(), first.refresh_token, { DPoP, ...http }));
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal(second.token_type, 'dpop');
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, c, oauth.None(), second.refresh_token, http));
  const ended = await oauth.refreshTokenGrantRequest(as, c, oauth.None(), second.refresh_token, { DPoP, ...http });
  assert.equal((await ended.json()).error, 'invalid_grant');
});

test('a code that is replayed ends the session that it began, within a second everywhere', async () => {
  const c = { client_id: 'app' };
  const flow = await authorize(c);
  const tokens = await oauth.processAuthorizationCodeResponse(as, c, await exchange(c, flow));
  assert.equal((await bearer(tokens.access_token)).status, 200);
  const again = await exchange(c, flow);
  assert.equal(again.status, 400);
  assert.equal((await again.json()).error, 'invalid_grant');
  const began = performance.now();
  await until(async () => (await bearer(tokens.access_token)).status === 401, 'the token is refused', 5000);
  const ms = performance.now() - began;
  assert.ok(ms < 1000, `refused after ${ms} ms`);
});

test('the scope of a token is its end: nothing beyond it, whatever the user may', async () => {
  const c = { client_id: 'app' };
  const tokens = await oauth.processAuthorizationCodeResponse(as, c, await exchange(c, await authorize(c)));
  assert.equal((await bearer(tokens.access_token)).status, 200);
  const no = await f.call('POST', '/v1/tasks', { token: tokens.access_token, body: { title: 'no' } });
  assert.equal(no.status, 403, no.text);
});

test('an answer of another server is not taken: the issuer is in it', async () => {
  const c = { client_id: 'app' };
  const flow = await authorize(c);
  assert.equal(flow.back.searchParams.get('iss'), as.issuer);
  const mixed = new URL(flow.back);
  mixed.searchParams.set('iss', 'https://evil.example');
  assert.throws(() => oauth.validateAuthResponse(as, c, mixed, oauth.skipStateCheck));
});

test('a device gets its tokens when its user has said yes', async () => {
  const c = { client_id: 'app' };
  const device = await oauth.processDeviceAuthorizationResponse(as, c, await oauth.deviceAuthorizationRequest(as, c, oauth.None(), { scope: 'task.read' }, http));
  const poll = () => oauth.deviceCodeGrantRequest(as, c, oauth.None(), device.device_code, http);
  assert.equal((await (await poll()).json()).error, 'authorization_pending');
  const page = await new Browser(f.url).authorize(device.verification_uri_complete, who);
  assert.equal(page.status, 200, page.text);
  await sleep(device.interval * 1000);
  const tokens = await oauth.processDeviceCodeResponse(as, c, await poll());
  assert.equal((await bearer(tokens.access_token)).status, 200);
});

test('a client acts for its service account: by secret in a header, in the body, by a key of its own', async () => {
  const robot = await store(f, { operation: 'create', model: 'user', data: { username: 'robot', kind: 'service', roles: ['user'] } });
  const machine = { redirect_uris: [], grant_types: ['client_credentials'], scopes: ['task.read'], user_id: robot.id };
  const basic = await client(f, 'm-basic', { ...machine, auth_method: 'client_secret_basic' });
  const post = await client(f, 'm-post', { ...machine, auth_method: 'client_secret_post' });
  const pair = await oauth.generateKeyPair('ES256');
  const jwk = { ...await crypto.subtle.exportKey('jwk', pair.publicKey), kid: 'k1' };
  await client(f, 'm-key', { ...machine, auth_method: 'private_key_jwt', jwks: { keys: [{ kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y, kid: jwk.kid }] } });
  const ways = {
    'm-basic': oauth.ClientSecretBasic(basic.client_secret),
    'm-post': oauth.ClientSecretPost(post.client_secret),
    'm-key': oauth.PrivateKeyJwt({ key: pair.privateKey, kid: 'k1' }),
  };
  for (const [client_id, auth] of Object.entries(ways)) {
    const c = { client_id };
    const t = await oauth.processClientCredentialsResponse(as, c, await oauth.clientCredentialsGrantRequest(as, c, auth, {}, http));
    assert.equal(t.refresh_token, undefined);
    assert.equal((await bearer(t.access_token)).status, 200);
    assert.equal(jose.decodeJwt(t.access_token).sub, robot.id);
  }
  // The same assertion twice, and one of a key that is not the client's.
  const assertion = await new jose.SignJWT({}).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).setIssuer('m-key').setSubject('m-key')
    .setAudience(as.issuer).setJti('once').setIssuedAt().setExpirationTime('1m').sign(pair.privateKey);
  const send = (client_assertion) => fetch(as.token_endpoint, { method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion }) });
  assert.equal((await send(assertion)).status, 200);
  assert.equal((await send(assertion)).status, 401);
  const stranger = await oauth.generateKeyPair('ES256');
  const forged = await new jose.SignJWT({}).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).setIssuer('m-key').setSubject('m-key')
    .setAudience(as.issuer).setJti('forged').setExpirationTime('1m').sign(stranger.privateKey);
  assert.equal((await send(forged)).status, 401);
  const elsewhere = await new jose.SignJWT({}).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).setIssuer('m-key').setSubject('m-key')
    .setAudience('https://other.example').setJti('elsewhere').setExpirationTime('1m').sign(pair.privateKey);
  assert.equal((await send(elsewhere)).status, 401);
});

test('introspection tells a client of its own tokens, a resource server of all, nobody of none', async () => {
  const c = { client_id: 'app' };
  const tokens = await oauth.processAuthorizationCodeResponse(as, c, await exchange(c, await authorize(c)));
  const api = await client(f, 'api', { auth_method: 'client_secret_basic', scopes: ['token.introspect'] });
  const nosy = await client(f, 'nosy', { auth_method: 'client_secret_basic' });
  const look = async (id, secret, token) => {
    const me = { client_id: id };
    return oauth.processIntrospectionResponse(as, me, await oauth.introspectionRequest(as, me, oauth.ClientSecretBasic(secret), token, http));
  };
  const seen = await look('api', api.client_secret, tokens.access_token);
  assert.deepEqual([seen.active, seen.client_id, seen.scope, seen.username, seen.iss], [true, 'app', 'task.read', 'alice', as.issuer]);
  assert.equal((await look('api', api.client_secret, tokens.refresh_token)).active, true);
  assert.deepEqual(await look('nosy', nosy.client_secret, tokens.access_token), { active: false });
  assert.deepEqual(await look('api', api.client_secret, 'none'), { active: false });
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, c, oauth.None(), tokens.access_token, http));
  assert.deepEqual(await look('api', api.client_secret, tokens.access_token), { active: false });
  assert.deepEqual(await look('api', api.client_secret, tokens.refresh_token), { active: false });
});

test('a client registers itself with a token that may, uses what it got, and goes', async () => {
  const metadata = { client_name: 'Registered', redirect_uris: [CALLBACK], grant_types: ['authorization_code', 'refresh_token'], scope: 'task.read', token_endpoint_auth_method: 'client_secret_basic' };
  const c = await oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(as, metadata, { initialAccessToken: f.token, ...http }));
  const flow = await authorize(c, { auth: oauth.ClientSecretBasic(c.client_secret) });
  const tokens = await oauth.processAuthorizationCodeResponse(as, c, await exchange(c, flow, oauth.ClientSecretBasic(c.client_secret)));
  assert.equal((await bearer(tokens.access_token)).status, 200);
  const own = { authorization: `Bearer ${c.registration_access_token}` };
  const shown = await (await fetch(c.registration_client_uri, { headers: own })).json();
  assert.deepEqual([shown.client_id, shown.client_name, shown.client_secret], [c.client_id, 'Registered', undefined]);
  assert.equal((await fetch(c.registration_client_uri, { method: 'DELETE', headers: own })).status, 204);
  await until(async () => (await bearer(tokens.access_token)).status === 401, 'the token is refused', 5000);
  assert.equal((await fetch(c.registration_client_uri, { headers: own })).status, 401);
});

test('who takes a consent back ends what it gave, and is asked again', async () => {
  const user = { username: 'carol', password: PASSWORD };      // a replayed code has made the other one a risk
  await person(f, 'carol');
  const web = await client(f, 'consented', { auth_method: 'client_secret_basic' });
  const me = { client_id: 'consented' }, auth = oauth.ClientSecretBasic(web.client_secret);
  const flow = await authorize(me, { auth, user });
  const tokens = await oauth.processAuthorizationCodeResponse(as, me, await exchange(me, flow, auth));
  const silent = await authorize(me, { auth, browser: flow.browser, params: { prompt: 'none' } });
  assert.ok(silent.answer.get('code'));
  const login = await f.call('POST', '/v1/auth/login', { token: null, body: user });
  assert.equal(login.status, 200, login.text);
  const mine = (await store(f, { operation: 'query', model: 'my.consent' }, login.json.access_token)).items.filter((x) => x.client_id === 'consented');
  assert.equal(mine.length, 1);
  await store(f, { operation: 'delete', model: 'my.consent', id: mine[0].id }, login.json.access_token);
  await until(async () => (await bearer(tokens.access_token)).status === 401, 'the token is refused', 5000);
  await assert.rejects(authorize(me, { auth, browser: flow.browser, params: { prompt: 'none' } }), (e) => e.error === 'consent_required');
});

test('what a client was allowed is not allowed to another one that is made under its id', async () => {
  const user = { username: 'grace', password: PASSWORD }, c = { client_id: 'phoenix' };
  await person(f, 'grace');
  await client(f, 'phoenix');
  const { browser } = await authorize(c, { user });
  assert.ok((await authorize(c, { browser, params: { prompt: 'none' } })).answer.get('code'));
  await store(f, { operation: 'delete', model: 'client', id: 'phoenix' });
  await client(f, 'phoenix');
  await assert.rejects(authorize(c, { browser, params: { prompt: 'none' } }), (e) => e.error === 'consent_required');
  assert.ok((await authorize(c, { browser, user })).answer.get('code'));
});

test('while oauth is gone its stand-in takes the code that it gave, once', async () => {
  const c = { client_id: 'app' };
  const flow = await authorize(c);
  f.kill(await f.pid('oauth'));
  const r = await exchange(c, flow);
  const tokens = await oauth.processAuthorizationCodeResponse(as, c, r);
  assert.equal((await bearer(tokens.access_token)).status, 200);
  const again = await exchange(c, flow);
  assert.equal((await again.json()).error, 'invalid_grant');
});

// Each of these leaves something half done; whoever goes on finds it, and the client notices nothing.
async function dyingAt(step, work) {
  const pid = await f.pid('oauth');
  await f.faults('oauth', `@${step}: kill`, 20_000);
  const r = await work();
  await f.back('oauth', pid);
  return r;
}

for (const step of ['oauth.token.issued', 'oauth.token.taken']) {
  test(`killed at ${step}: the code gives its one session all the same`, async () => {
    const c = { client_id: 'other' }, user = { username: `dave-${step.at(-1)}`, password: PASSWORD };
    const { id } = await person(f, user.username);
    const flow = await authorize(c, { user });
    const tokens = await oauth.processAuthorizationCodeResponse(as, c, await dyingAt(step, () => exchange(c, flow)));
    assert.equal((await bearer(tokens.access_token)).status, 200);
    const sessions = (await store(f, { operation: 'query', model: 'session', filters: { user_id: id } })).items.filter((s) => s.client_id === 'other');
    assert.equal(sessions.length, 1);
    assert.equal((await (await exchange(c, flow)).json()).error, 'invalid_grant');
  });
}

for (const step of ['oauth.flow.code_made', 'oauth.flow.ended']) {
  test(`killed at ${step}, before the redirect: one code comes`, async () => {
    const c = { client_id: 'other' }, user = { username: `erin-${step.at(-1)}`, password: PASSWORD };
    await person(f, user.username);
    const flow = await dyingAt(step, () => authorize(c, { user }));
    assert.equal((await exchange(c, flow)).status, 200);
  });
}

test('killed when a client was deleted: its tokens end all the same', async () => {
  await client(f, 'doomed');
  const c = { client_id: 'doomed' }, user = { username: 'frank', password: PASSWORD };
  await person(f, 'frank');
  const tokens = await oauth.processAuthorizationCodeResponse(as, c, await exchange(c, await authorize(c, { user })));
  await dyingAt('oauth.client.written', () => store(f, { operation: 'delete', model: 'client', id: 'doomed' }));
  await until(async () => (await bearer(tokens.access_token)).status === 401, 'the token is refused', 5000);
});

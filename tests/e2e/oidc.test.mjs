// The OpenID provider as npm's openid-client sees it, and jose: what it discovers, what it gets, what it must not get.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import * as oidc from 'openid-client';
import * as jose from 'jose';
import { Fleet } from '../harness/fleet.mjs';
import { Browser, forms, heading } from '../harness/browser_login.mjs';
import { CALLBACK, PASSWORD, client, factor, person, request } from '../harness/oauth_setup.mjs';

const LEFT = 'https://client.example/bye';
let f, config, alice;

before(async () => {
  f = await Fleet.start();
  alice = await person(f, 'alice', { display_name: 'Alice Liddell', email: 'alice@wonder.example', email_verified: true });
  await client(f, 'rp', { scopes: ['openid', 'profile', 'email', 'task.read', 'task.create'], logout_uris: [LEFT] });
  await client(f, 'other', { scopes: ['openid', 'task.read'], logout_uris: ['https://other.example/bye'] });
  config = await discover('rp');
});
after(async () => { await f?.stop(); });

async function discover(id) {
  const c = await oidc.discovery(new URL(f.url), id, {}, oidc.None(), { execute: [oidc.allowInsecureRequests] });
  oidc.enableNonRepudiationChecks(c);      // it verifies signatures, too
  return c;
}

const credentials = { username: 'alice', password: PASSWORD };

// The whole flow of a relying party: tokens, and what the browser came back with.
async function logIn({ browser = new Browser(f.url), as = config, scope = 'openid profile email', who = credentials, options, ...more } = {}) {
  const verifier = oidc.randomPKCECodeVerifier(), nonce = oidc.randomNonce(), state = oidc.randomState();
  const url = oidc.buildAuthorizationUrl(as, { redirect_uri: CALLBACK, scope, nonce, state, code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...more });
  const back = await browser.authorize(url.href, who);
  assert.ok(back instanceof URL, `${back.status} ${back.text}`);
  const tokens = await oidc.authorizationCodeGrant(as, back, { pkceCodeVerifier: verifier, expectedNonce: nonce, expectedState: state, idTokenExpected: true, maxAge: more.max_age }, undefined, options);
  return { tokens, nonce, back, browser };
}

const userinfo = (token, o = {}) => fetch(`${f.url}/oauth/userinfo`, { headers: token ? { authorization: `Bearer ${token}` } : {}, ...o });

test('discovery says what is there, like RFC 8414 does', async () => {
  const m = config.serverMetadata();
  assert.equal(m.issuer, f.url);
  const plain = await (await fetch(`${f.url}/.well-known/oauth-authorization-server`)).json();
  for (const [k, v] of Object.entries(plain)) assert.deepEqual(m[k], v, k);
  assert.equal(m.userinfo_endpoint, `${f.url}/oauth/userinfo`);
  assert.equal(m.end_session_endpoint, `${f.url}/oauth/logout`);
  assert.deepEqual(m.subject_types_supported, ['public']);
  assert.deepEqual(m.id_token_signing_alg_values_supported, ['ES256']);
  assert.ok(m.scopes_supported.includes('openid'));
});

test('an ID token says who logged in, how and when, and only userinfo says more', async () => {
  const begin = Math.floor(Date.now() / 1000);
  const { tokens, nonce } = await logIn({ max_age: 600 });
  const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  const { payload: c, protectedHeader: h } = await jose.jwtVerify(tokens.id_token, keys, { issuer: f.url, audience: 'rp', typ: 'JWT' });
  assert.equal(h.alg, 'ES256');
  assert.deepEqual([c.sub, c.azp, c.nonce, c.amr, c.acr], [alice.id, 'rp', nonce, ['pwd'], '1']);
  assert.ok(c.auth_time >= begin - 1 && c.auth_time <= c.iat && c.exp - c.iat <= 600);
  assert.match(c.sid, /^[0-9a-f-]{36}$/);
  assert.ok(c.at_hash);
  for (const name of ['email', 'name', 'preferred_username', 'roles', 'perms']) assert.equal(c[name], undefined);

  const all = await oidc.fetchUserInfo(config, tokens.access_token, c.sub);
  assert.equal(typeof all.updated_at, 'number');
  delete all.updated_at;
  assert.deepEqual(all, { sub: alice.id, name: 'Alice Liddell', preferred_username: 'alice', email: 'alice@wonder.example', email_verified: true });
  const less = await logIn({ scope: 'openid' });
  assert.deepEqual(await oidc.fetchUserInfo(config, less.tokens.access_token, alice.id), { sub: alice.id });

  const again = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal((await oidc.fetchUserInfo(config, again.access_token, alice.id)).name, 'Alice Liddell');
  if (again.id_token) {
    const renewed = jose.decodeJwt(again.id_token);
    assert.deepEqual([renewed.sub, renewed.auth_time, renewed.aud], [c.sub, c.auth_time, c.aud]);
  }
});

test('the second factor stands in the ID token', async () => {
  await person(f, 'bob');
  const { code } = await factor(f, 'bob');
  const { tokens } = await logIn({ who: { username: 'bob', password: PASSWORD, otp: code }, scope: 'openid' });
  const { amr, acr } = tokens.claims();
  assert.deepEqual([amr.includes('pwd'), amr.includes('otp'), acr], [true, true, '2']);
});

test('userinfo is for access tokens with the scope openid, and tells each refusal as RFC 6750 has it', async () => {
  const { tokens } = await logIn();
  for (const method of ['GET', 'POST']) assert.equal((await userinfo(tokens.access_token, { method })).status, 200);
  const nothing = await userinfo();
  assert.equal(nothing.status, 401);
  assert.match(nothing.headers.get('www-authenticate'), /^Bearer realm="oauth", DPoP algs=/);
  assert.doesNotMatch(nothing.headers.get('www-authenticate'), /error/);
  for (const token of [tokens.id_token, tokens.refresh_token, 'x', `${tokens.access_token.slice(0, -4)}AAAA`]) {
    const r = await userinfo(token);
    assert.equal(r.status, 401, await r.text());
    assert.match(r.headers.get('www-authenticate'), /^Bearer .*error="invalid_token"/);
  }
  // A token without openid, and one of a first-party log-in.
  const { url, verifier } = request(f, 'rp', { scope: 'task.read' });
  const back = await new Browser(f.url).authorize(url, credentials);
  const plain = await (await fetch(`${f.url}/oauth/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'authorization_code', client_id: 'rp',
    code: back.searchParams.get('code'), redirect_uri: CALLBACK, code_verifier: verifier }) })).json();
  assert.equal(plain.id_token, undefined);
  for (const token of [plain.access_token, f.token]) {
    const r = await userinfo(token);
    assert.equal(r.status, 403, await r.text());
    assert.match(r.headers.get('www-authenticate'), /error="insufficient_scope", scope="openid"/);
  }
  assert.ok((await fetch(`${f.url}/oauth/userinfo?access_token=${tokens.access_token}`)).status >= 400);
  // An ID token opens nothing else either.
  assert.equal((await f.call('GET', '/v1/tasks', { token: tokens.id_token })).status, 401);
  // Who is disabled is nobody any more.
  const eve = await person(f, 'eve');
  const hers = (await logIn({ who: { username: 'eve', password: PASSWORD } })).tokens;
  await f.call('POST', '/v1/requests', { body: { task_id: 'disable-eve', requirements: { database: { operation: 'update', model: 'user', id: eve.id, data: { disabled: true } } } } });
  assert.equal((await userinfo(hers.access_token)).status, 401);
});

test('prompts and ages are what Core says', async () => {
  const error = async (browser, params) => {
    const back = await browser.authorize(request(f, 'rp', { scope: 'openid', ...params }).url, credentials);
    return back instanceof URL ? back.searchParams.get('error') ?? 'code' : new URL(back.url).pathname;
  };
  assert.equal(await error(new Browser(f.url), { prompt: 'none' }), 'login_required');
  const { browser } = await logIn({ scope: 'openid' });
  assert.equal(await error(browser, { prompt: 'none', redirect_uri: CALLBACK }), 'code');
  assert.equal(await error(browser, { prompt: 'none', scope: 'openid task.create' }), 'consent_required');
  assert.equal(await error(browser, { prompt: 'none login' }), 'invalid_request');
  const first = async (params) => new URL((await browser.get(request(f, 'rp', { scope: 'openid', ...params }).url)).url).pathname;
  assert.equal(await first({ prompt: 'login' }), '/oauth/login');
  assert.equal(await first({ prompt: 'select_account' }), '/oauth/login');
  assert.equal(await first({ max_age: '0' }), '/oauth/login');
  assert.equal(await first({ prompt: 'consent' }), '/oauth/consent');
  const page = await new Browser(f.url).get(request(f, 'rp', { scope: 'openid', login_hint: 'al"ice' }).url);
  assert.equal(forms(page.text)[0].fields.username, 'al"ice');
  // prompt=login is a new log-in: another auth_time.
  const before = (await logIn({ browser, scope: 'openid' })).tokens.claims().auth_time;
  await new Promise((resolve) => { setTimeout(resolve, 1100); });
  assert.ok((await logIn({ browser, scope: 'openid', prompt: 'login' })).tokens.claims().auth_time > before);
});

test('a token that is bound to a key is good with its proofs alone, at userinfo too', async () => {
  const as = await discover('rp');
  const DPoP = oidc.getDPoPHandle(as, await oidc.randomDPoPKeyPair('ES256'));
  const { tokens } = await logIn({ as, options: { DPoP } });
  assert.equal(tokens.token_type.toLowerCase(), 'dpop');
  assert.equal((await oidc.fetchUserInfo(as, tokens.access_token, alice.id, { DPoP })).sub, alice.id);
  assert.equal((await userinfo(tokens.access_token)).status, 401);
  const thief = oidc.getDPoPHandle(as, await oidc.randomDPoPKeyPair('ES256'));
  await assert.rejects(oidc.fetchUserInfo(as, tokens.access_token, alice.id, { DPoP: thief }));
  const again = await oidc.refreshTokenGrant(as, tokens.refresh_token, undefined, { DPoP });
  assert.equal((await oidc.fetchUserInfo(as, again.access_token, alice.id, { DPoP })).sub, alice.id);
});

test('a client logs its user out: at once with the ID token of this log-in, after a question without', async () => {
  const isSignedIn = async (browser) => /You are signed in/.test((await browser.get('/oauth/logout')).text);
  const { tokens, browser } = await logIn({ scope: 'openid' });
  const url = (p) => oidc.buildEndSessionUrl(config, p).href;
  // Nowhere that is not registered, for nobody who is not known, with no other's token.
  const refused = [
    url({ id_token_hint: tokens.id_token, post_logout_redirect_uri: 'https://evil.example/' }),
    url({ id_token_hint: tokens.id_token, post_logout_redirect_uri: `${LEFT}/x` }),
    url({ id_token_hint: tokens.access_token, post_logout_redirect_uri: LEFT }),
    url({ id_token_hint: `${tokens.id_token.slice(0, -4)}AAAA`, post_logout_redirect_uri: LEFT }),
    `${f.url}/oauth/logout?${new URLSearchParams({ client_id: 'other', id_token_hint: tokens.id_token })}`,
    `${f.url}/oauth/logout?${new URLSearchParams({ post_logout_redirect_uri: LEFT })}`,
    `${f.url}/oauth/logout?${new URLSearchParams({ client_id: 'nobody', post_logout_redirect_uri: LEFT })}`,
  ];
  for (const u of refused) assert.equal((await browser.get(u)).status, 400, u);
  assert.ok(await isSignedIn(browser));
  // Without a hint, and with the hint of another log-in, somebody has to say yes.
  const elsewhere = (await logIn({ scope: 'openid' })).tokens.id_token;
  for (const u of [`${f.url}/oauth/logout?${new URLSearchParams({ client_id: 'rp', post_logout_redirect_uri: LEFT, state: 'a b' })}`, url({ id_token_hint: elsewhere, post_logout_redirect_uri: LEFT, state: 'a b' })]) {
    const page = await browser.get(u);
    assert.equal(heading(page.text), 'Sign out?');
    assert.ok(await isSignedIn(browser));
    const form = forms(page.text)[0];
    assert.equal((await browser.request('POST', '/oauth/logout', { form: { ...form.fields, csrf: 'x' } })).status, 403);
    const out = await browser.submit(page);
    assert.equal(out.left, `${LEFT}?state=a%20b`);
    assert.ok(!await isSignedIn(browser));
    await browser.login(credentials);
  }
  const fresh = await logIn({ browser, scope: 'openid' });
  const gone = await browser.get(url({ id_token_hint: fresh.tokens.id_token, post_logout_redirect_uri: LEFT, state: 's' }));
  assert.equal(gone.left, `${LEFT}?state=s`);
  assert.ok(!await isSignedIn(browser));
  // Nobody is signed in any more: it goes on all the same. A form of another site comes again with GET.
  assert.equal((await browser.get(url({ id_token_hint: fresh.tokens.id_token, post_logout_redirect_uri: LEFT }))).left, LEFT);
  const post = await browser.request('POST', '/oauth/logout', { form: { id_token_hint: fresh.tokens.id_token, post_logout_redirect_uri: LEFT }, headers: { origin: 'https://client.example', 'sec-fetch-site': 'cross-site', cookie: '' } });
  assert.equal(post.status, 303);
  assert.equal(new URL(post.location).pathname, '/oauth/logout');
});

// The pages of the authorization server as an attacker sends requests to them: forms of others, flows of others, markup in
// every text, sessions that were there before. By plain fetch; browser.test.mjs has a real browser.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, until } from '../harness/fleet.mjs';
import { Browser, forms, title, problem } from '../harness/browser_login.mjs';
import { CONF, PASSWORD, CALLBACK, DEVICE_GRANT, client, factor, person, request, store } from '../harness/oauth_setup.mjs';

const EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>\'&lt;';
let f, ann;
before(async () => {
  f = await Fleet.start({ conf: `${CONF}[auth]\nlogin_failures = 5\n` });
  ann = await person(f, 'ann');
  await person(f, 'bob');
  await client(f, 'app');
  await client(f, 'evil', { name: EVIL });
  await client(f, 'tv', { grant_types: [DEVICE_GRANT] });
});
after(async () => { await f?.stop(); });

const credentials = { username: 'ann', password: PASSWORD };
const loginPage = async (browser, id = 'app', params = {}) => {
  const page = await browser.get(request(f, id, params).url);
  assert.equal(page.status, 200, page.text);
  assert.equal(new URL(page.url).pathname, '/oauth/login');
  return page;
};
const consentPage = async (browser, id = 'app', params = {}) => {
  const page = await browser.submit(await loginPage(browser, id, params), credentials);
  assert.equal(new URL(page.url).pathname, '/oauth/consent', page.text);
  return page;
};
// A form as it is, sent otherwise.
const send = (browser, page, { fields = {}, headers = {} } = {}) => {
  const form = forms(page.text)[0];
  return browser.request('POST', form.action, { form: { ...form.fields, ...credentials, answer: 'allow', ...fields },
    headers: { origin: f.url, 'sec-fetch-site': 'same-origin', ...headers } });
};
const refusedForm = (r) => {
  assert.equal(r.status, 403, r.text);
  assert.match(title(r.text), /can't be used/);
  assert.ok(!r.headers.getSetCookie().some((c) => c.includes('mf_session=')), 'nobody was signed in');
};

test('every page forbids frames, scripts and storing, and cookies are for us alone', async () => {
  const browser = new Browser(f.url);
  const pages = [await loginPage(browser), await browser.get('/oauth/logout'), await browser.get('/oauth/device'), await browser.get('/oauth/error'),
    await browser.get('/oauth/factor?login=x'), await browser.get('/oauth/consent?flow=x')];
  for (const r of pages) {
    const policy = r.headers.get('content-security-policy');
    for (const part of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "style-src 'self'", "form-action 'self'"]) assert.ok(policy.includes(part), policy);
    assert.ok(!/unsafe|script-src|\*/.test(policy), policy);
    assert.equal(r.headers.get('x-frame-options'), 'DENY');
    assert.equal(r.headers.get('cache-control'), 'no-store');
    assert.equal(r.headers.get('referrer-policy'), 'same-origin');
    assert.equal(r.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.equal(r.headers.get('x-content-type-options'), 'nosniff');
    assert.ok(!/<script|javascript:|https?:\/\//i.test(r.text.replace(/http:\/\/www\.w3\.org\S*/g, '')), r.text);
  }
  await browser.login(credentials);
  assert.deepEqual([...browser.cookies.keys()].sort(), ['mf_mark', 'mf_session']);
  for (const line of browser.set) assert.match(line, /^mf_(mark|session)=[\w-]+; Path=\/; HttpOnly; SameSite=Lax$/);
  const css = await browser.get('/oauth/pages.css');
  assert.match(css.headers.get('content-type'), /^text\/css/);
});

test('a form without its token, or with the token of something else, does nothing', async () => {
  const browser = new Browser(f.url), other = new Browser(f.url);
  const page = await loginPage(browser), again = await loginPage(browser), theirs = await loginPage(other);
  const token = (p) => forms(p.text)[0].fields.csrf;
  refusedForm(await send(browser, page, { fields: { csrf: '' } }));
  refusedForm(await send(browser, page, { fields: { csrf: 'A'.repeat(48) } }));
  refusedForm(await send(browser, page, { fields: { csrf: token(again) } }));          // another flow
  refusedForm(await send(browser, page, { fields: { csrf: token(theirs) } }));         // another browser
  refusedForm(await send(browser, page, { fields: { csrf: token(await browser.get('/oauth/login')) } }));
  refusedForm(await send(new Browser(f.url), page));                                   // no cookie
  const r = await browser.request('POST', '/oauth/login', { headers: { 'content-type': 'application/json' } });
  assert.equal(r.status, 403, r.text);
  assert.equal((await send(browser, page)).status, 303, 'the flow is as it was');
});

test('a form of another site does nothing, by whichever header the browser tells', async () => {
  const browser = new Browser(f.url);
  const page = await loginPage(browser);
  for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'https://evil.example' }, { origin: 'null' },
    { origin: `${f.url}.evil.example` }, { origin: f.url.replace('http:', 'https:') }]) refusedForm(await send(browser, page, { headers }));
  assert.equal((await send(browser, page)).status, 303);
});

test('consent, log-out and device have tokens of their own, bound to who is signed in', async () => {
  const browser = new Browser(f.url), other = new Browser(f.url);
  const page = await consentPage(browser), theirs = await consentPage(other);
  const [consent, logout] = forms(page.text);
  refusedForm(await send(browser, page, { fields: { csrf: logout.fields.csrf } }));
  refusedForm(await send(browser, page, { fields: { csrf: forms(theirs.text)[0].fields.csrf } }));
  refusedForm(await send(browser, page, { fields: { csrf: '' } }));
  // the same mark, but somebody else signed in: what he sees can't be answered for the first one
  const mark = browser.cookies.get('mf_mark');
  refusedForm(await send(browser, page, { headers: { cookie: `mf_mark=${mark}; mf_session=${other.cookies.get('mf_session')}` } }));
  refusedForm(await send(browser, page, { headers: { cookie: `mf_mark=${mark}` } }));
  const out = await browser.request('POST', '/oauth/logout', { form: { csrf: consent.fields.csrf, flow: consent.fields.flow } });
  assert.equal(out.status, 403);
  const device = await browser.request('POST', '/oauth/device', { form: { csrf: consent.fields.csrf, code: 'BCDF-GHJK', answer: 'allow' } });
  assert.equal(device.status, 403);
  const r = await send(browser, page);
  assert.equal(r.status, 303, r.text);
  assert.ok(r.location.startsWith(`${CALLBACK}?code=`), r.location);
});

test('a flow that was begun in one browser is finished in no other', async () => {
  const attacker = new Browser(f.url), victim = new Browser(f.url);
  const page = await loginPage(attacker);
  const r = await victim.get(page.url);
  assert.equal(r.status, 403, r.text);
  assert.match(title(r.text), /another browser/);
  await victim.login(credentials);
  const flow = new URL(page.url).searchParams.get('flow');
  assert.equal((await victim.get(`/oauth/consent?flow=${flow}`)).status, 403);
  const signed = forms((await victim.get('/oauth/logout')).text)[0];
  assert.equal((await victim.request('POST', '/oauth/consent', { form: { ...signed.fields, flow, answer: 'allow' } })).status, 403);
  assert.equal((await new Browser(f.url).get(page.url)).status, 403, 'a deep link without a cookie');
  assert.equal((await attacker.get(page.url)).status, 200);
  for (const id of ['', 'x', '../login', flow.replace(/.$/, (c) => (c === '0' ? '1' : '0')), `${flow}%00`, 'https://evil.example'])
    assert.ok((await attacker.get(`/oauth/consent?flow=${id}`)).status >= 400, id);
});

test('no text that somebody chose becomes markup', async () => {
  const browser = new Browser(f.url);
  const clean = (r, where) => assert.ok(!/<script|<img|onerror=alert\(2\)>(?!&)/i.test(r.text), `${where}: ${r.text}`);
  const login = await loginPage(browser, 'evil', { login_hint: EVIL, state: EVIL });
  clean(login, 'client name, login hint');
  assert.equal(forms(login.text)[0].fields.username, EVIL);
  const wrong = await browser.submit(login, { username: EVIL, password: EVIL });
  assert.equal(wrong.status, 422);
  clean(wrong, 'user name');
  assert.equal(forms(wrong.text)[0].fields.username, EVIL);
  const consent = await browser.submit(wrong, credentials);
  clean(consent, 'consent');
  const back = await send(browser, consent);
  assert.equal(new URL(back.location).searchParams.get('state'), EVIL);
  assert.equal(new URL(back.location).origin, 'https://client.example');
  for (const p of [`/oauth/device?user_code=${encodeURIComponent(EVIL)}`, `/oauth/login?code=${encodeURIComponent(EVIL)}`, `/oauth/error?error=${encodeURIComponent(EVIL)}`,
    `/oauth/factor?login=${encodeURIComponent(EVIL)}`, `/oauth/logout?post_logout_redirect_uri=${encodeURIComponent(EVIL)}`, `/oauth/${encodeURIComponent(EVIL)}`,
    `/oauth/authorize?client_id=${encodeURIComponent(EVIL)}&redirect_uri=${encodeURIComponent(EVIL)}&scope=${encodeURIComponent(EVIL)}`])
    clean(await browser.get(p), p);
});

test('a wrong name and a wrong password read the same; the name stays, the password does not', async () => {
  const texts = [];
  for (const username of ['bob', 'nobody-of-that-name']) {
    const browser = new Browser(f.url);
    const r = await browser.submit(await loginPage(browser), { username, password: 'wrong wrong wrong' });
    assert.equal(r.status, 422);
    assert.match(title(r.text), /^Error: /);
    assert.equal(forms(r.text)[0].fields.username, username);
    assert.equal(forms(r.text)[0].fields.password, '');
    assert.ok(!r.text.includes('wrong wrong wrong'));
    texts.push(r.text.replaceAll(username, 'NAME').replace(/value="[\w-]{36,48}"/g, ''));
  }
  assert.equal(texts[0], texts[1]);
  const empty = await new Browser(f.url).login({ username: 'ann', password: '' });
  assert.equal(empty.status, 422);
  assert.match(problem(empty.text), /Enter/);
});

test('who tries too often is told how long to wait', async () => {
  const browser = new Browser(f.url);
  let r = await browser.get('/oauth/login');
  await until(async () => { r = await browser.submit(r, { username: 'carl', password: 'wrong wrong wrong' }); return r.status === 429; }, 'the limit');
  assert.ok(Number(r.headers.get('retry-after')) >= 1);
  assert.match(problem(r.text), /Wait \d+ (seconds|minutes)/);
});

test('what a browser held before signs nobody in: each log-in is a new session, and ends the one before', async () => {
  const browser = new Browser(f.url), attacker = new Browser(f.url);
  await attacker.login({ username: 'bob', password: PASSWORD });
  browser.cookies.set('mf_session', attacker.cookies.get('mf_session'));
  browser.cookies.set('mf_mark', attacker.cookies.get('mf_mark'));
  const planted = browser.cookies.get('mf_session');
  await browser.login(credentials);
  const first = browser.cookies.get('mf_session');
  assert.notEqual(first, planted);
  assert.match((await browser.get('/oauth/logout')).text, /<bdi>ann<\/bdi>/);
  await until(async () => /signed out/.test(title((await attacker.get('/oauth/logout')).text)), 'the end of the session before');
  for (const value of ['', 'x', first.slice(1), `${first.slice(0, -1)}${first.endsWith('A') ? 'B' : 'A'}`, first.slice(0, 64), f.tokens.refresh_token, f.token]) {
    const b = new Browser(f.url);
    b.cookies.set('mf_session', value);
    assert.match(title((await b.get('/oauth/logout')).text), /signed out/);
  }
  // nor is the cookie good for anything but the pages
  for (const body of [{ refresh_token: first }, { refresh_token: first.slice(0, 64) }])
    assert.equal((await f.call('POST', '/v1/auth/refresh', { token: null, body })).status, 401);
  assert.equal((await f.call('GET', '/v1/tasks', { token: first.slice(0, 64) })).status, 401);
});

test('a session ends with a log-out, here and everywhere, and with another password', async () => {
  const out = async (browser) => /signed out/.test(title((await browser.get('/oauth/logout')).text));
  const browser = new Browser(f.url);
  await browser.login(credentials);
  const stolen = new Map(browser.cookies);
  const page = await browser.submit(await browser.get('/oauth/logout'));
  assert.match(title(page.text), /signed out/);
  assert.ok(!browser.cookies.has('mf_session'));
  browser.cookies = stolen;
  assert.ok(await out(browser), 'a copy of the cookie is of no use');

  const dora = await person(f, 'dora');
  const [one, two] = [new Browser(f.url), new Browser(f.url)];
  for (const b of [one, two]) await b.login({ username: 'dora', password: PASSWORD });
  assert.ok(!await out(one));
  const r = await f.call('PATCH', `/v1/users/${dora.id}`, { body: { password: `${PASSWORD} anew` } });
  assert.equal(r.status, 200, r.text);
  assert.ok(await out(one) && await out(two));
  for (const b of [one, two]) await b.login({ username: 'dora', password: `${PASSWORD} anew` });
  const { access_token } = (await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'dora', password: `${PASSWORD} anew` } })).json;
  assert.ok(!await out(one) && !await out(two));
  await store(f, { operation: 'delete', model: 'my.session', id: '*' }, access_token);
  assert.ok(await out(one) && await out(two), 'logged out everywhere');
});

test('a consent is remembered, asked for again when told so, and a refusal reaches the client', async () => {
  const eve = await person(f, 'eve');
  const browser = new Browser(f.url);
  const ask = (params) => browser.authorize(request(f, 'app', { scope: 'task.read', ...params }).url, { username: 'eve', password: PASSWORD });
  assert.ok((await ask()).searchParams.get('code'));
  const again = await browser.get(request(f, 'app').url);
  assert.ok(again.left?.startsWith(`${CALLBACK}?code=`), 'nobody is asked twice');
  const more = await browser.get(request(f, 'app', { scope: 'task.read task.create' }).url);
  assert.equal(new URL(more.url).pathname, '/oauth/consent', 'more than was allowed is asked for');
  assert.match(more.text, /See tasks/);
  assert.match(more.text, /Create tasks/);
  const told = await browser.get(request(f, 'app', { prompt: 'consent' }).url);
  assert.equal(new URL(told.url).pathname, '/oauth/consent');
  const no = await browser.submit(told, { answer: 'deny' });
  assert.equal(new URL(no.left).searchParams.get('error'), 'access_denied');
  assert.equal((await browser.get(told.url)).status, 400, 'the flow is over');
  const relogin = await browser.get(request(f, 'app', { prompt: 'login' }).url);
  assert.equal(new URL(relogin.url).pathname, '/oauth/login');
  const flow = new URL(relogin.url).searchParams.get('flow');
  const around = await browser.get(`/oauth/consent?flow=${flow}`);
  assert.equal(new URL(around.url).pathname, '/oauth/login', 'nobody gets around the log-in that was asked for');
  const told_of = (what) => f.sql(`SELECT count(*) FROM audit WHERE subject = '${eve.id}' AND record::text LIKE '%consent%' AND record::text LIKE '%${what}%task.read%'`)[0][0] !== '0';
  await until(() => told_of('allowed') && told_of('denied'), 'the audit log has both answers');
});

test('the second factor: its own page, no password on the way, five tries, once', async () => {
  await person(f, 'fay');
  const { code, recovery } = await factor(f, 'fay');
  const mine = { username: 'fay', password: PASSWORD };
  const begin = async (browser) => {
    const page = await browser.submit(await loginPage(browser), mine);
    assert.equal(new URL(page.url).pathname, '/oauth/factor', page.text);
    assert.ok(!page.text.includes(PASSWORD) && !page.url.includes(PASSWORD));
    assert.ok(!browser.cookies.has('mf_session'), 'not signed in yet');
    return page;
  };
  const browser = new Browser(f.url);
  const page = await begin(browser);
  assert.equal((await new Browser(f.url).get(page.url)).status, 400, 'not in another browser');
  const wrong = await browser.submit(page, { otp: '000000' });
  assert.equal(wrong.status, 422);
  assert.match(problem(wrong.text), /wrong/);
  const right = await browser.submit(wrong, { otp: code() });
  assert.equal(new URL(right.url).pathname, '/oauth/consent', right.text);
  assert.ok(browser.cookies.has('mf_session'));
  refusedForm(await send(browser, page, { fields: { otp: recovery[2] } }));
  const again = await send(browser, page, { fields: { otp: recovery[2] }, headers: { cookie: `mf_mark=${browser.cookies.get('mf_mark')}` } });
  assert.equal(again.status, 400, 'a ticket is good for one log-in');

  const second = new Browser(f.url);
  const choice = await begin(second);
  const other = await second.get(`${choice.url}&recovery=1`);
  const used = await second.submit(other, { otp: recovery[0] });
  assert.equal(new URL(used.url).pathname, '/oauth/consent', used.text);

  const third = new Browser(f.url);
  const start = await begin(third);
  let p = start;
  assert.equal((await third.submit(p, { otp: recovery[0] })).status, 422, 'a recovery code is good once');
  for (let i = 0; i < 3; i++) assert.equal((await third.submit(p, { otp: '000000' })).status, 422);
  p = await third.submit(p, { otp: '000000' });
  assert.equal(p.status, 400, 'after five tries it is over');
  assert.equal((await third.submit(start, { otp: recovery[1] })).status, 400, 'for the right code, too');
});

test('a device is connected by who is signed in and says so to the code that he sees', async () => {
  const begin = async () => {
    const r = await f.call('POST', '/oauth/device_authorization', { token: null, body: new URLSearchParams({ client_id: 'tv', scope: 'task.read' }).toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    assert.equal(r.status, 200, r.text);
    return r.json;
  };
  const token = async ({ device_code }) => (await f.call('POST', '/oauth/token', { token: null, body: new URLSearchParams({ client_id: 'tv', grant_type: DEVICE_GRANT, device_code }).toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' } })).json;
  const [yes, no] = [await begin(), await begin()];
  const browser = new Browser(f.url);
  const entry = await browser.get('/oauth/device');
  const login = await browser.submit(entry, { user_code: yes.user_code.toLowerCase().replace('-', ' ') });
  assert.equal(new URL(login.url).pathname, '/oauth/login', 'nobody tries codes who is not signed in');
  const question = await browser.submit(login, credentials);
  assert.equal(new URL(question.url).pathname, '/oauth/device');
  assert.ok(question.text.includes(yes.user_code) && question.text.includes('<bdi>tv</bdi>'), question.text);
  assert.match(title((await browser.submit(question, { answer: 'allow' })).text), /connected/);
  assert.ok((await token(yes)).access_token);
  const link = await browser.get(no.verification_uri_complete);
  assert.match(title(link.text), /Connect this device/, 'a link alone connects nothing');
  assert.match(title((await browser.submit(link, { answer: 'deny' })).text), /refused/);
  assert.equal((await token(no)).error, 'access_denied');
  const late = await browser.submit(link, { answer: 'allow' });
  assert.equal(late.status, 422);
  const wrong = await browser.get('/oauth/device?user_code=BCDF-GHJK');
  assert.equal(wrong.status, 422);
  assert.match(problem(wrong.text), /wrong/);
  let r;
  for (let i = 0; i < 20 && r?.status !== 429; i++) r = await browser.get('/oauth/device?user_code=BCDF-GHJK');
  assert.equal(r.status, 429, 'wrong codes are limited');
});

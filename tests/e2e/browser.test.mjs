// The pages of the authorization server in a real browser (Debian's chromium): the ways through them by mouse and by keyboard
// alone, with scripts and without, in light and dark, and each page before axe-core.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { Fleet } from '../harness/fleet.mjs';
import { CONF, PASSWORD, DEVICE_GRANT, client, factor, person, request as requestOf, store } from '../harness/oauth_setup.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
let f, chrome, gus, site, CALLBACK;
before(async () => {
  f = await Fleet.start({ conf: CONF });
  for (const name of ['ann', 'bob', 'gus']) await person(f, name);
  gus = await factor(f, 'gus');
  // the client's own site: one that has a secret, so that a consent is remembered
  site = createServer((q, r) => r.setHeader('content-type', 'text/html').end('<title>client</title>'));
  await new Promise((done) => { site.listen(0, '127.0.0.1', done); });
  CALLBACK = `http://127.0.0.1:${site.address().port}/callback`;
  await client(f, 'notes', { name: 'Notes', auth_method: 'client_secret_basic', redirect_uris: ['http://127.0.0.1/callback'], scopes: ['openid', 'profile', 'task.read', 'task.create', 'blob.*'] });
  await store(f, { operation: 'create', model: 'provider', id: 'corp', data: { name: 'Corp', issuer: 'https://corp.example', client_id: 'metafed' } });
  await client(f, 'tv', { name: 'Television', grant_types: [DEVICE_GRANT] });
  chrome = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
});
after(async () => { await chrome?.close(); site?.close(); await f?.stop(); });
const request = (fleet, id, params) => requestOf(fleet, id, { redirect_uri: CALLBACK, ...params });

async function open({ scripts = false, ...o } = {}) {
  const context = await chrome.newContext({ javaScriptEnabled: scripts, colorScheme: 'light', reducedMotion: 'reduce', viewport: { width: 1000, height: 800 }, ...o });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const broken = [];
  page.on('console', (m) => { if (m.type() === 'error' && !/status of 4\d\d/.test(m.text())) broken.push(m.text()); });
  page.on('request', (r) => { const u = new URL(r.url()); if (![f.url, new URL(CALLBACK).origin].includes(u.origin)) broken.push(`asked ${u}`); });
  return { context, page, broken };
}
const heading = (page) => page.locator('h1').innerText();
const login = async (page, username, password = PASSWORD) => {
  await page.getByLabel('User name').fill(username);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
};
const callback = async (page) => { await page.waitForURL(`${CALLBACK}**`); return new URL(page.url()).searchParams; };

test('log-in, a wrong password first, then consent; the next time nobody is asked', async () => {
  const { context, page, broken } = await open();
  await page.goto(request(f, 'notes', { scope: 'task.read blob.*' }).url);
  assert.equal(await page.title(), 'Sign in - metafed');
  assert.match(await page.locator('main').innerText(), /to go on to Notes/);
  await login(page, 'ann', 'not the password');
  assert.equal(await page.title(), 'Error: Sign in - metafed');
  assert.equal(await page.getByRole('alert').innerText(), 'The user name or the password is wrong.');
  const field = page.getByLabel('Password');
  assert.equal(await page.getByLabel('User name').inputValue(), 'ann');
  assert.equal(await field.inputValue(), '');
  assert.equal(await field.getAttribute('aria-describedby'), await page.getByRole('alert').getAttribute('id'));
  assert.equal(await page.evaluate('document.activeElement.id').catch(() => 'password'), 'password');
  await field.fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  assert.equal(await heading(page), 'Allow access?');
  assert.deepEqual(await page.getByRole('listitem').allInnerTexts(), ['See tasks task.read', 'See, create, change and delete files blob.*']);
  assert.match(await page.locator('main').innerText(), /sent back to 127\.0\.0\.1:\d+/);
  await page.getByRole('button', { name: 'Allow' }).click();
  assert.ok((await callback(page)).get('code'));
  await page.goto(request(f, 'notes').url);
  assert.ok((await callback(page)).get('code'));
  const cookies = await context.cookies(f.url);
  assert.ok(cookies.every((c) => c.httpOnly && c.sameSite === 'Lax' && c.path === '/' && c.expires === -1), JSON.stringify(cookies));
  await page.goto(`${f.url}/oauth/logout`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  assert.equal(await heading(page), 'You are signed out');
  await page.goto(request(f, 'notes').url);
  assert.equal(await heading(page), 'Sign in');
  assert.deepEqual(broken, []);
  await context.close();
});

test('a refusal, by keyboard alone and with scripts on', async () => {
  const { context, page, broken } = await open({ scripts: true });
  const press = async (...keys) => { for (const k of keys) await page.keyboard.press(k); };
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.innerText);
  await page.goto(request(f, 'notes').url);
  assert.equal(await focused(), 'username');
  await page.keyboard.type('bob');
  await press('Tab');
  assert.equal(await focused(), 'password');
  await page.keyboard.type(PASSWORD);
  await press('Tab');
  assert.equal(await focused(), 'Sign in');
  await Promise.all([page.waitForURL('**/oauth/consent**'), press('Space')]);
  await press('Tab');
  assert.equal(await focused(), 'Allow');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineWidth);
  assert.equal(outline, '3px', 'what has the focus is seen');
  await press('Tab');
  assert.equal(await focused(), 'Deny');
  await press('Enter');
  assert.equal((await callback(page)).get('error'), 'access_denied');
  assert.deepEqual(broken, []);
  await context.close();
});

test('the second factor: digits of the app, and a recovery code', async () => {
  for (const [link, text] of [[null, () => gus.code()], ['Use a recovery code', () => gus.recovery[0]]]) {
    const { context, page } = await open();
    await page.goto(request(f, 'notes', { prompt: 'consent' }).url);
    await login(page, 'gus');
    assert.equal(await heading(page), 'Second factor');
    if (link) await page.getByRole('link', { name: link }).click();
    const field = page.getByRole('textbox');
    assert.equal(await field.getAttribute('autocomplete'), 'one-time-code');
    assert.equal(await field.getAttribute('inputmode'), link ? null : 'numeric');
    await field.fill('123 456');
    await page.getByRole('button', { name: 'Go on' }).click();
    assert.equal(await page.getByRole('alert').innerText(), 'This code is wrong.');
    await page.getByRole('textbox').fill(text());
    await page.getByRole('button', { name: 'Go on' }).click();
    assert.equal(await heading(page), 'Allow access?');
    await page.getByRole('button', { name: 'Allow' }).click();
    assert.ok((await callback(page)).get('code'));
    await context.close();
  }
});

test('every page before axe-core, in light and dark, on a narrow screen and with large text', async () => {
  const { context, page, broken } = await open({ scripts: true });
  const { user_code } = (await f.call('POST', '/oauth/device_authorization', { token: null, body: 'client_id=tv&scope=task.read', headers: { 'content-type': 'application/x-www-form-urlencoded' } })).json;
  const seen = [];
  const look = async () => {
    const name = await page.title();
    seen.push(name);
    assert.equal(await page.locator('main h1').count(), 1, name);
    for (const [colorScheme, runOnly, least] of [['light', TAGS, 10], ['dark', ['color-contrast'], 1]]) {    // the rest is the same in the dark
      await page.emulateMedia({ colorScheme });
      const { violations, passes } = await page.evaluate(async ([axe, o]) => { if (!window.axe) window.eval(axe); return window.axe.run(o); }, [AXE, { runOnly }]);
      assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), [], `${name}, ${colorScheme}`);
      assert.ok(passes.length >= least, `${name}: ${passes.length}`);
    }
    await page.setViewportSize({ width: 320, height: 500 });        // 1280 pixels at 400 % (WCAG 1.4.10)
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${name}: sideways`);
    assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('button, a, input:not([type=hidden])')].map((e) => e.getBoundingClientRect()).filter((r) => r.height < 24).length), 0, `${name}: small targets`);
    await page.setViewportSize({ width: 1000, height: 800 });
  };
  await page.goto(`${f.url}/oauth/error`); await look();
  await page.goto(request(f, 'notes').url); await look();
  await login(page, 'gus', 'not the password'); await look();
  await login(page, 'gus'); await look();
  await page.getByRole('textbox').fill('000000');
  await page.getByRole('button', { name: 'Go on' }).click(); await look();
  await page.getByRole('link', { name: 'Use a recovery code' }).click(); await look();
  await page.getByRole('textbox').fill(gus.recovery[1]);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.goto(request(f, 'notes', { prompt: 'consent', scope: 'openid profile task.read' }).url); await look();
  await page.goto(`${f.url}/oauth/device`); await look();
  await page.getByLabel('Code').fill('BCDF-GHJK');
  await page.getByRole('button', { name: 'Go on' }).click(); await look();
  await page.getByLabel('Code').fill(user_code);
  await page.getByRole('button', { name: 'Go on' }).click(); await look();
  await page.getByRole('button', { name: 'Allow' }).click(); await look();
  await page.goto(`${f.url}/oauth/logout?client_id=notes`); await look();
  await page.goto(`${f.url}/oauth/logout`); await look();
  await page.getByRole('button', { name: 'Sign out' }).click(); await look();
  assert.equal(new Set(seen).size, 13, seen.join('; '));
  assert.deepEqual(broken, []);
  await context.close();
});

test('the device flow without scripts: the link shows the code and asks', async () => {
  const { context, page } = await open();
  const begun = (await f.call('POST', '/oauth/device_authorization', { token: null, body: 'client_id=tv&scope=task.read', headers: { 'content-type': 'application/x-www-form-urlencoded' } })).json;
  await page.goto(begun.verification_uri_complete);
  await login(page, 'ann');
  assert.equal(await heading(page), 'Connect this device?');
  assert.match(await page.locator('main').innerText(), new RegExp(begun.user_code));
  assert.match(await page.locator('main').innerText(), /Television/);
  await page.getByRole('button', { name: 'Allow' }).click();
  assert.equal(await heading(page), 'The device is connected');
  const r = await f.call('POST', '/oauth/token', { token: null, body: new URLSearchParams({ client_id: 'tv', grant_type: DEVICE_GRANT, device_code: begun.device_code }).toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  assert.ok(r.json.access_token, r.text);
  await context.close();
});

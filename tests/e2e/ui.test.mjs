// The dashboard in Debian's chromium, in front of a real fleet: its log-in and whom else it would serve, every page that registers
// itself (axe-core in light and dark, on a phone, by keyboard, without an error in the console), what it shows while
// processes die, and how quick it is with 100,000 tasks. SHOTS=DIR keeps a picture of each page.
// Alone: it measures times, and so does lighthouse.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { browser, settled, shot, signIn, visit } from './dashboard.mjs';
import { Fleet, ROOT, freePort, run, sleep, until } from '../harness/fleet.mjs';
import { Browser } from '../harness/browser_login.mjs';
import { CONF, PASSWORD, person } from '../harness/oauth_setup.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
let f, chrome, debugging;
before(async () => {
  f = await Fleet.start({ conf: CONF });
  await person(f, 'vera', { roles: ['viewer'] });
  for (const name of ['otto', 'anna']) await person(f, name, { roles: ['admin'] });
  for (let i = 0; i < 30; i++) await f.call('POST', '/v1/tasks', { body: { title: `task ${i}`, type: ['report', 'mail'][i % 2], priority: ['LOW', 'MEDIUM', 'HIGH'][i % 3], labels: { team: 'a' } } });
  await f.call('GET', '/v1/tasks/0199f0c0-1234-7abc-8def-0123456789ab');
  debugging = await freePort();
  chrome = await browser(`--remote-debugging-port=${debugging}`);
});
after(async () => { await chrome?.close(); await f?.stop(); });

const text = async (p, o = {}) => { const r = await fetch(`${f.url}${p}`, { redirect: 'manual', ...o }); return { status: r.status, headers: r.headers, text: await r.text() }; };
const pkce = () => { const verifier = randomBytes(32).toString('base64url'); return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }; };
const authorize = (params, base = f.url) => `${base}/oauth/authorize?${new URLSearchParams({ response_type: 'code', client_id: 'metafed-ui', redirect_uri: `${f.url}/ui/`,
  scope: 'openid', state: 's', code_challenge: pkce().challenge, code_challenge_method: 'S256', ...params })}`;
const token = (form) => fetch(`${f.url}/oauth/token`, { method: 'POST', body: new URLSearchParams({ client_id: 'metafed-ui', ...form }) });

test('the built-in client goes nowhere but home, with PKCE alone, and is nobody else\'s', async () => {
  const port = new URL(f.url).port;
  for (const redirect_uri of ['https://evil.example/ui/', `${f.url}/ui`, `${f.url}/ui/x`, `${f.url}/ui/?a=b`, `${f.url}/`, f.url.replace(port, '1'), `${f.url.replace(port, '1')}/ui/`, `http://localhost:${port}/ui/`]) {
    const r = await text(new URL(authorize({ redirect_uri })).pathname + new URL(authorize({ redirect_uri })).search);
    assert.equal(r.status, 400, redirect_uri);
    assert.equal(r.headers.get('location'), null, redirect_uri);
  }
  const sent = async (params) => new URL((await new Browser(f.url).request('GET', authorize(params))).location).searchParams.get('error');
  assert.equal(await sent({ code_challenge: '' }), 'invalid_request');
  assert.equal(await sent({ code_challenge_method: 'plain' }), 'invalid_request');
  assert.equal(await sent({ scope: 'openid task.read' }), 'invalid_scope');
  assert.equal(await sent({ response_type: 'token' }), 'unsupported_response_type');
  assert.equal(await sent({ prompt: 'none' }), 'login_required');
  for (const form of [{ grant_type: 'client_credentials' }, { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: 'x' }])
    assert.equal((await (await token(form)).json()).error, 'unauthorized_client');
  for (const [method, p, body] of [['POST', '/v1/clients', { id: 'metafed-ui', name: 'mine', auth_method: 'none', redirect_uris: ['https://evil.example/'], grant_types: ['authorization_code'], scopes: ['task.read'] }],
    ['PATCH', '/v1/clients/metafed-ui', { redirect_uris: ['https://evil.example/'] }]])
    assert.ok([404, 422].includes((await f.call(method, p, { body, headers: method === 'PATCH' ? { 'content-type': 'application/merge-patch+json' } : {} })).status), method);
});

test('its code is good once and with its verifier; its token is a log-in of one\'s own', async () => {
  const { verifier, challenge } = pkce();
  const browser = new Browser(f.url);
  const back = await browser.authorize(authorize({ code_challenge: challenge }), { username: 'anna', password: PASSWORD });
  const q = new URL(back.url).searchParams;
  assert.equal(new URL(back.url).pathname, '/ui/');
  assert.equal(q.get('iss'), f.url);
  assert.equal((await token({ grant_type: 'authorization_code', code: q.get('code'), redirect_uri: `${f.url}/ui/`, code_verifier: pkce().verifier })).status, 400);
  const first = await token({ grant_type: 'authorization_code', code: q.get('code'), redirect_uri: `${f.url}/ui/`, code_verifier: verifier });
  const tokens = await first.json();
  assert.equal(first.status, 200, JSON.stringify(tokens));
  const me = await f.call('GET', '/v1/me', { token: tokens.access_token });
  assert.deepEqual([me.json.name, me.json.limited, me.json.client_id], ['anna', false, 'metafed-ui']);
  assert.equal((await f.call('GET', '/v1/me/sessions', { token: tokens.access_token })).status, 200);
  // A second time it takes back what it gave.
  assert.equal((await token({ grant_type: 'authorization_code', code: q.get('code'), redirect_uri: `${f.url}/ui/`, code_verifier: verifier })).status, 400);
  await until(async () => (await f.call('GET', '/v1/me', { token: tokens.access_token })).status === 401, 'the token is taken back');
});

test('every address below /ui is the page, its files stay for good, and nothing of it may run inline', async () => {
  const home = await text('/ui/');
  for (const p of ['/ui', '/ui/tasks/0199f0c0', '/ui/index.html', '/ui/../ui/x'].map((x) => x.replace('/ui/../', '/')))
    assert.deepEqual([(await text(p)).status, (await text(p)).text === home.text], [200, true], p);
  const policy = home.headers.get('content-security-policy');
  assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.doesNotMatch(policy, /unsafe|\*/);
  assert.equal(home.headers.get('cache-control'), 'no-cache');
  assert.doesNotMatch(home.text, /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?:\/\//);
  const again = await text('/ui/', { headers: { 'if-none-match': home.headers.get('etag') } });
  assert.deepEqual([again.status, again.text], [304, '']);
  const files = [...home.text.matchAll(/(?:src|href)="(\/ui\/[^"]+)"/g)].map((m) => m[1]);
  assert.ok(files.length >= 3, files);
  for (const p of files) {
    const raw = await f.call('GET', p, { headers: { 'accept-encoding': 'identity' } }), zipped = await f.call('GET', p, { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(raw.status, 200, p);
    assert.equal(zipped.headers['content-encoding'], 'gzip', p);
    assert.match(zipped.headers.vary, /accept-encoding/i);
    assert.notEqual(raw.headers.etag, zipped.headers.etag);
    assert.equal((await text(p)).text, raw.text, p);
    assert.equal(raw.headers['cache-control'], p.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache');
    assert.equal((await f.call('GET', p, { headers: { 'accept-encoding': 'gzip', 'if-none-match': zipped.headers.etag } })).status, 304);
  }
  assert.equal((await text('/ui/assets/gone-0123.js')).status, 404);
  assert.equal((await text('/ui/', { method: 'POST' })).status, 405);
  assert.equal((await text('/uix')).status, 404);
});

test('its types hold', { skip: !existsSync(path.join(ROOT, 'services/api/ui/node_modules/.bin/tsc')) && 'scripts/setup --test installs the compiler' }, () => {
  const r = run('node_modules/.bin/tsc', ['--noEmit'], { cwd: path.join(ROOT, 'services/api/ui') });
  assert.equal(r.status, 0, r.stdout);
});

const open = (username = 'otto', o = {}) => signIn(chrome, f, username, o);
const places = (page) => page.locator('nav[aria-label=Pages] .sections a').evaluateAll((all) => all.map((a) => new URL(a.href).pathname));
const nameOf = (p) => p.replace(/^\/ui\/?/, '').replaceAll('/', '_') || 'fleet';

// What is wrong with it, in words.
const LOOKS = [['light', TAGS, 10], ['dark', ['color-contrast'], 1]];     // the rest is the same in the dark
async function inaccessible(page, name, looks = LOOKS) {
  const wrong = [];
  for (const [colorScheme, runOnly, least] of looks) {
    await page.emulateMedia({ colorScheme });
    await shot(page, `${name}-${colorScheme}`);
    const { violations, passes } = await page.evaluate(async (o) => window.axe.run(document, o), { runOnly });
    wrong.push(...violations.map((v) => `${name}, ${colorScheme}: ${v.id}: ${v.nodes.map((n) => n.html.slice(0, 200)).join(' ')}`));
    if (passes.length < least) wrong.push(`${name}: axe-core looked at ${passes.length} rules`);
  }
  return wrong;
}

test('each page before axe-core, in light and dark, and on a phone', async () => {
  const { context, page, broken } = await open('otto', { bypassCSP: true });      // axe is ours to bring in
  await context.addInitScript(AXE);
  await page.reload();
  await settled(page);
  const all = await places(page), wrong = [];
  assert.ok(all.length >= 15, all.join());
  for (const p of all) {
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1400, height: 900 });
    await page.goto(`${f.url}${p}`);
    await settled(page);
    if (await page.locator('main h1').count() !== 1 || !/ - metafed$/.test(await page.title())) wrong.push(`${p}: its title`);
    wrong.push(...await inaccessible(page, nameOf(p)));
    await page.setViewportSize({ width: 360, height: 740 });
    await settled(page);
    if (await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)) wrong.push(`${p}: sideways`);
    if (await page.locator('main .table').evaluateAll((all) => all.some((t) => t.scrollWidth > t.clientWidth))) wrong.push(`${p}: a column is out of sight`);
    wrong.push(...await inaccessible(page, `${nameOf(p)}-phone`, LOOKS.slice(0, 1)));
  }
  await page.goto(`${f.url}/ui/no/such/page`);
  assert.equal(await page.locator('main h1').innerText(), 'Nothing here');
  assert.deepEqual([...wrong, ...broken], []);
  await context.close();
});

test('a reload is signed in without a word, no token is kept anywhere, and a log-out ends it in every tab', async () => {
  const { context, page, broken } = await open('otto', { to: '/ui/?tab=table' });
  assert.equal(new URL(page.url()).search, '?tab=table', 'back to where one wanted to go');
  assert.doesNotMatch(await page.getByRole('grid', { name: 'Nodes' }).innerText(), /(^|\s)0 µs/, 'nothing was measured of who was not called');
  await page.reload();
  await settled(page);
  assert.equal(new URL(page.url()).search, '?tab=table');
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
  assert.doesNotMatch(kept, /eyJ|verifier|code=/);
  // A token that is refused is renewed once, and nothing is seen of it.
  let refused = 0;
  await page.route('**/v1/fleet', (r) => (refused++ === 0 ? r.fulfill({ status: 401, json: {} }) : r.continue()));
  const renewal = page.waitForRequest((r) => r.url().endsWith('/oauth/token') && /grant_type=refresh_token/.test(r.postData()));
  await renewal;
  await until(() => refused > 2, 'asked again');
  assert.equal(await page.locator('.age:not(:empty), .error-box').count(), 0);
  broken.splice(0, broken.length, ...broken.filter((b) => !/status of 401/.test(b)));
  const other = await context.newPage();
  await other.goto(`${f.url}/ui/`);
  await settled(other);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
  await other.getByRole('button', { name: 'Sign in' }).waitFor();
  await page.reload();
  await page.getByLabel('Password').waitFor();
  assert.deepEqual(broken, []);
  await context.close();
});

test('the map by keyboard alone: a node, its neighbours, its details, and closed again', async () => {
  const { context, page, broken } = await open();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), 'To the page');
  await page.locator('[data-node=api]').focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.evaluate(() => document.activeElement.dataset.node), 'database');
  await page.keyboard.press('ArrowDown');
  const at = await page.evaluate(() => document.activeElement.dataset.node);
  assert.ok(['sql', 'nosql', 'cache'].includes(at), at);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: at, level: 2 }).waitFor();
  assert.equal(new URL(page.url()).searchParams.get('node'), at);
  await shot(page, 'fleet-detail');
  await page.getByRole('button', { name: 'Close the details' }).press('Enter');
  await until(async () => await page.getByRole('heading', { name: at, level: 2 }).count() === 0, 'closed');
  assert.deepEqual(broken, []);
  await context.close();
});

test('a node that is killed is there again as another process; one is restarted, and its log level set, from here', async () => {
  const { context, page, broken } = await open();
  const cell = page.locator('[data-node=cache]');
  const pid = await f.pid('cache');
  f.kill(pid);
  await f.back('cache', pid);
  await cell.click();
  await until(async () => await cell.getAttribute('data-state') === 'READY', 'READY again');
  await until(async () => (await page.locator('.facts').innerText()).includes(String(await f.pid('cache'))), 'the new process is shown');
  assert.match(await cell.innerText(), /↻/, 'its restart is shown');

  const before = await f.pid('rbac');
  await page.locator('[data-node=rbac]').click();
  await page.getByText('metafed restart rbac', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Restart rbac', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(`pid ${before}`).waitFor();
  await shot(page, 'fleet-restart');
  await page.keyboard.press('Escape');
  await until(async () => await dialog.count() === 0, 'Escape closes it');
  assert.equal(await f.pid('rbac'), before);
  await page.getByRole('button', { name: 'Restart rbac', exact: true }).click();
  await dialog.getByRole('button', { name: 'Restart rbac' }).click();
  await page.getByText('rbac was restarted').waitFor();
  await f.back('rbac', before);
  await page.getByLabel('Log level').selectOption('debug');
  await page.getByRole('button', { name: 'Set', exact: true }).click();
  await page.getByText('rbac logs from debug on').waitFor();
  assert.deepEqual(broken, []);
  await context.close();
});

test('the edge dies while one looks: the page keeps what it has, says so, and is live again by itself', async () => {
  const { context, page } = await open();
  const live = page.locator('.account .connection');
  await until(async () => await live.innerText() === 'live', 'live');
  const pid = await f.pid('api');
  f.kill(pid);
  await until(async () => await live.innerText() !== 'live', 'not live');
  assert.equal(await page.locator('[data-node]').count() > 12, true, 'what was there is still shown');
  await f.back('api', pid);
  await until(async () => await live.innerText() === 'live', 'live again');
  await until(async () => await page.locator('.age:not(:empty), .error-box').count() === 0, 'no error is left');
  await until(async () => /↻/.test(await page.locator('[data-node=api]').innerText()), 'its restart is shown');
  await context.close();
});

test('a hidden tab asks for nothing, and at once when it is seen again', async () => {
  const { context, page, asked, broken } = await open();
  const hide = (hidden) => page.evaluate((h) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => h });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  const live = page.locator('.account .connection');
  await until(async () => await live.innerText() === 'live', 'live');
  await hide(true);
  assert.equal(await live.innerText(), 'paused');
  await sleep(500);                       // what was under way
  asked.length = 0;
  await sleep(7000);                      // two readings would have been due
  assert.deepEqual(asked.map((r) => r.url()), []);
  await hide(false);
  await until(() => asked.some((r) => r.url().endsWith('/v1/fleet')), 'read again', 3000);
  await until(async () => await live.innerText() === 'live', 'live again');
  assert.deepEqual(broken, []);
  await context.close();
});

test('who may only look sees no action anywhere', async () => {
  const { context, page, broken } = await open('vera');
  const all = await places(page);
  assert.ok(all.includes('/ui/'));
  for (const p of all) {
    await page.goto(`${f.url}${p}`);
    await settled(page);
    assert.equal(await page.locator('main [data-action]').count(), 0, p);
  }
  await page.goto(`${f.url}/ui/?node=sql`);
  await page.getByRole('heading', { name: 'sql', level: 2 }).waitFor();
  assert.equal(await page.getByText('metafed restart').count(), 0);
  assert.deepEqual(broken, []);
  await context.close();
});

// The best of three: what else runs on the machine only ever makes it worse.
// A page that is read anew every 3 s is never quiet for the 5 s that lighthouse waits for: 10 s have all that it measures.
test('lighthouse: 95 at least', async () => {
  const { default: lighthouse } = await import('lighthouse');
  const { context, page } = await open();
  const cookie = (await context.cookies(f.url)).map((c) => `${c.name}=${c.value}`).join('; ');
  await context.close();
  let wrong;
  for (let i = 0; i < 3 && wrong?.length !== 0; i++) {
    const { lhr } = await lighthouse(`${f.url}/ui/`, { port: debugging, output: 'json', logLevel: 'error', extraHeaders: { cookie },
      onlyCategories: ['performance', 'accessibility', 'best-practices'], formFactor: 'desktop', throttlingMethod: 'provided', maxWaitForLoad: 10_000,
      screenEmulation: { mobile: false, width: 1350, height: 940, deviceScaleFactor: 1, disabled: false } });
    const short = Object.values(lhr.audits).filter((a) => a.score !== null && a.score < 0.9 && a.scoreDisplayMode !== 'informative').map((a) => `${a.id} ${a.score} ${a.displayValue ?? ''}`);
    assert.match(lhr.finalDisplayedUrl, /\/ui\/$/);
    wrong = Object.values(lhr.categories).filter((c) => c.score < 0.95).map((c) => `${c.id} ${c.score}: ${short.join('; ')}`);
  }
  assert.deepEqual(wrong, []);
});

// Many tasks. They come last: nothing of the above is measured beside what the store has to do with them.
const MANY = 100_000;
let shown;      // one tab for these
test('with 100,000 tasks the first rows are there in less than a second, by whichever filter', async (t) => {
  f.sql(`INSERT INTO tasks (id, namespace, title, type, priority, state, labels, payload, created_at, updated_at)
    SELECT gen_random_uuid(), 'default', 'task '||n, 'bulk', 1 + n % 4, (ARRAY['QUEUED','RUNNING','COMPLETED','FAILED'])[1 + n % 4], '{"team":"a"}', '{"n":1}', now() - n * interval '1 second', now()
    FROM generate_series(1, ${MANY} - (SELECT count(*) FROM tasks)) n`);
  f.sql('ANALYZE tasks');
  shown = await open('otto', { to: '/ui/account' });
  const { page } = shown, took = [];
  await page.evaluate(() => { window.slow = []; new PerformanceObserver((l) => l.getEntries().forEach((e) => window.slow.push(e.duration))).observe({ type: 'longtask' }); });
  // Milliseconds from the change of the address until a row of the table can be seen.
  const firstRow = (to) => page.evaluate(async (p) => {
    const begun = performance.now();
    history.pushState(null, '', p);
    dispatchEvent(new PopStateEvent('popstate'));
    while (!document.querySelector('main .tbody .tr')) await new Promise(requestAnimationFrame);
    return performance.now() - begun;
  }, to);
  for (const query of ['', '?state=FAILED', '?sort=-priority', '?q=task', '?label=team%3Da&payload=%2Fn%3D1']) {
    await visit(page, '/ui/account');
    took.push(Math.round(await firstRow(`/ui/tasks${query}`)));
  }
  t.diagnostic(`measured: first rows after ${took.join(', ')} ms`);
  assert.ok(Math.max(...took) < 1000, `${took}`);
  await visit(page, '/ui/tasks');
  await page.getByText('100,000 tasks').waitFor();
});

test('pages come as one scrolls, and scrolling is no long work', async (t) => {
  const { page, broken } = shown;
  await visit(page, '/ui/account');
  await visit(page, '/ui/tasks');
  await page.evaluate(() => { window.slow.length = 0; });
  const table = page.getByRole('grid', { name: 'Tasks' });
  const count = async () => Number((await page.locator('.pager').innerText()).match(/[\d,]+/)[0].replaceAll(',', ''));
  while (await count() < 5000) {
    const before = await count();
    await table.evaluate((e) => { e.scrollTop = e.scrollHeight; });
    await until(async () => await count() > before, 'the next page comes');
  }
  assert.ok(await page.locator('.tbody .tr').count() < 150, 'only what is seen is in the document');
  for (let y = 0; y < 40; y++) await table.evaluate((e, to) => { e.scrollTop = to; }, y * 3000);
  const slow = await page.evaluate(() => window.slow);
  t.diagnostic(`measured: ${slow.length} long tasks, ${slow.map(Math.round).join(', ')} ms`);
  assert.ok(Math.max(0, ...slow) < 150, `${slow}`);
  await shot(page, 'tasks-many');
  assert.deepEqual(broken, []);
});

test('a hundred thousand tasks are walked as quickly as a hundred, and only those that are seen are in the page', async () => {
  const { context, page, broken } = shown;
  const [one] = (await f.call('GET', '/v1/tasks?limit=1')).json.items;
  // All in one answer, which is made where it is read: some 30 MB need not be carried into the browser.
  await page.evaluate(({ task, n }) => {
    const asked = window.fetch;
    window.fetch = (url, o) => (!String(url).startsWith('/v1/tasks?') ? asked(url, o)
      : Promise.resolve(Response.json({ items: Array.from({ length: n }, (_, i) => ({ ...task, id: `0199f0c0-1234-7abc-8def-${String(i).padStart(12, '0')}`, title: `task ${i}` })), next_cursor: null })));
  }, { task: one, n: MANY });
  await visit(page, '/ui/account');
  await visit(page, '/ui/tasks');
  const grid = page.getByRole('grid');
  await grid.waitFor();
  assert.equal(await grid.getAttribute('aria-rowcount'), '100001');
  assert.ok(await grid.getByRole('row').count() < 150);
  await page.locator('[aria-rowindex="2"]').focus();
  await page.keyboard.press('End');
  await page.locator('[aria-rowindex="100001"]').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-rowindex')), '100001');
  await page.keyboard.press('Home');
  await until(() => page.evaluate(() => document.activeElement.getAttribute('aria-rowindex') === '2'), 'the first row');
  const took = await grid.evaluate(async (g) => {
    const all = [];
    for (let i = 1; i <= 40; i++) {
      const begin = performance.now();
      g.scrollTop = (g.scrollHeight * i) / 40;
      await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
      all.push(performance.now() - begin);
    }
    return all.sort((x, y) => x - y)[20];
  });
  assert.ok(took < 200, `a jump takes ${took} ms`);
  assert.deepEqual(broken, []);
  await context.close();
});

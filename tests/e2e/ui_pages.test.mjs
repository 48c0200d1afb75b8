// The pages of the dashboard at work, in Debian's chromium in front of a real fleet: each action is really done and looked at
// over the API, who may not do it does not see it, and what fails says so and mends. SHOTS=DIR keeps pictures.
// ui.test.mjs has the frame, the log-in, and axe-core on all pages as one comes to them.
import { test, before, beforeEach, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { browser, settled, shot, signIn, visit } from './dashboard.mjs';
import { Fleet, until } from '../harness/fleet.mjs';
import { totp } from '../harness/browser_login.mjs';
import { CONF, PASSWORD, person } from '../harness/oauth_setup.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const REPORT = fileURLToPath(new URL('../data/reliability.json', import.meta.url));
const MARKUP = '<img src=x onerror=alert(1)>"&amp;';
let f, chrome, otto, page;
before(async () => {
  f = await Fleet.start({ conf: CONF });
  await person(f, 'vera', { roles: ['viewer'] });
  await person(f, 'otto', { roles: ['admin'] });
  const tasks = Array.from({ length: 12 }, (_, i) => ({ title: `report ${i}`, type: 'report', priority: 'LOW', state: i % 2 ? 'QUEUED' : 'COMPLETED', labels: { team: i < 3 ? 'red' : 'blue' }, payload: { team: { id: i } } }));
  assert.equal((await f.call('POST', '/v1/tasks:bulk', { body: { tasks } })).status, 200);
  chrome = await browser();
  otto = await signIn(chrome, f, 'otto');
  page = otto.page;
});
beforeEach(() => otto?.broken.splice(0));
after(async () => { await chrome?.close(); await f?.stop(); });

const clean = (known) => assert.deepEqual(otto.broken.splice(0).filter((b) => !known?.test(b)), []);
const list = async (filter) => (await f.call('GET', `/v1/tasks?limit=1000&${filter}`)).json.items;
const task = async (id) => (await f.call('GET', `/v1/tasks/${id}`)).json;
const create = async (body) => { const r = await f.call('POST', '/v1/tasks', { body }); assert.equal(r.status, 201, r.text); return r.json; };
const patch = (p, body) => f.call('PATCH', p, { body, headers: { 'content-type': 'application/merge-patch+json' } });
const button = (name, at = page) => at.getByRole('button', { name, exact: true });
const dialog = () => page.getByRole('dialog');
const row = (text) => page.getByRole('row').filter({ hasText: text });
const field = (name, at = page) => at.getByLabel(name, { exact: true });
const idOf = () => decodeURIComponent(new URL(page.url()).pathname.split('/')[3]);

test('tasks: filters stand in the address, and a link to it shows the same', async () => {
  await visit(page, '/ui/tasks');
  await row('report 0').waitFor();
  assert.equal(await page.getByRole('row').count(), 13);
  await field('State').selectOption('QUEUED');
  await field('Labels').fill('team=red');
  await until(async () => await page.getByRole('row').count() === 2, 'one is queued and red');
  assert.deepEqual(Object.fromEntries(new URL(page.url()).searchParams), { state: 'QUEUED', label: 'team=red' });
  await page.getByText('metafed task list --state QUEUED --label team=red --sort -created_at').waitFor();
  await page.goto(page.url());
  await row('report 1').first().waitFor();
  assert.equal(await page.getByRole('row').count(), 2);
  assert.equal(await field('Labels').inputValue(), 'team=red');
  await button('Clear').click();
  await field('Words').pressSequentially('report ');
  await until(() => new URL(page.url()).searchParams.get('q') === 'report', 'it is asked for');
  await field('Words').pressSequentially('3');
  await until(() => new URL(page.url()).searchParams.get('q') === 'report 3', 'the blank has stayed');
  await button('Clear').click();
  await button('More filters').click();
  await field('Payload').fill('/team/id=7');
  await until(async () => await page.getByRole('row').count() === 2, 'one has this payload');
  await row('report 7').waitFor();
  await field('Payload').fill('nothing');
  await page.locator('main').getByRole('alert').getByText('payload').first().waitFor();
  await button('Clear').click();
  await row('report 3').waitFor();
  await shot(page, 'tasks');
  clean(/status of 422/);
});

test('tasks: one is made, shown with its numbers as they are, changed, and deleted', async () => {
  await visit(page, '/ui/tasks');
  await button('New task').click();
  await field('Title', dialog()).fill(MARKUP);
  await field('Labels', dialog()).fill('team=green\nurgent');
  await field('Payload', dialog()).fill('{"big": 9007199254740993');
  await button('Create', dialog()).click();
  await dialog().getByText(/Payload is no JSON/).waitFor();
  await field('Payload', dialog()).fill('{"big": 9007199254740993, "list": []}');
  await dialog().getByText(/^metafed task add/).waitFor();
  await shot(page, 'tasks-new');
  await button('Create', dialog()).click();
  await page.getByRole('heading', { level: 1, name: MARKUP }).waitFor();
  const id = idOf(), made = await f.call('GET', `/v1/tasks/${id}`);
  assert.match(made.text, /"big":\s*9007199254740993\b/);
  assert.deepEqual(made.json.labels, { team: 'green', urgent: '' });
  assert.match(await field('Payload as JSON').innerText(), /"big": 9007199254740993,/);
  await page.getByRole('tab', { name: 'JSON' }).click();
  assert.match(await field('The task as JSON').innerText(), /"big": 9007199254740993,/);
  await button('Edit').click();
  await field('Payload', dialog()).fill('{"big": 9007199254740995, "list": []}');
  await field('Labels', dialog()).fill('team=green');
  await field('State', dialog()).selectOption('RUNNING');
  await button('Save', dialog()).click();
  await dialog().waitFor({ state: 'detached' });
  const changed = await f.call('GET', `/v1/tasks/${id}`);
  assert.match(changed.text, /"big":\s*9007199254740995\b/);
  assert.deepEqual([changed.json.state, changed.json.labels, changed.json.version], ['RUNNING', { team: 'green' }, 2]);
  await page.getByRole('tab', { name: 'History' }).click();
  await page.getByText(/state QUEUED → RUNNING/).waitFor();
  await shot(page, 'task');
  await button('Delete').click();
  await button('Delete', dialog()).click();
  await page.getByRole('heading', { level: 1, name: 'Tasks' }).waitFor();
  assert.equal((await f.call('GET', `/v1/tasks/${id}`)).status, 404);
  clean();
});

test('tasks: who changes one that somebody else has changed sees both and says which counts', async () => {
  const { id } = await create({ title: 'ours', priority: 'LOW', description: 'first' });
  await visit(page, `/ui/tasks/${id}`);
  await button('Edit').click();
  await field('Title', dialog()).fill('mine');
  assert.equal((await patch(`/v1/tasks/${id}`, { title: 'theirs', priority: 'HIGH' })).status, 200);
  await button('Save', dialog()).click();
  await dialog().getByText('Somebody else changed it while you did.').waitFor();
  const conflict = await dialog().getByRole('table').innerText();
  for (const said of ['ours', 'theirs', 'mine', 'LOW', 'HIGH']) assert.match(conflict, new RegExp(said));
  await shot(page, 'task-conflict');
  assert.equal((await task(id)).title, 'theirs', 'nothing was stored');
  await button('Put my changes onto theirs', dialog()).click();
  assert.equal(await field('Title', dialog()).inputValue(), 'mine');
  assert.equal(await field('Priority', dialog()).inputValue(), 'HIGH');
  await button('Save', dialog()).click();
  await page.getByRole('heading', { level: 1, name: 'mine' }).waitFor();
  const t = await task(id);
  assert.deepEqual([t.title, t.priority, t.version], ['mine', 'HIGH', 3]);
  clean(/status of 412/);
});

test('tasks: rows follow events; what is new waits, what is gone says so', async () => {
  const mine = await create({ title: 'a live one', type: 'live' }), other = await create({ title: 'another one', type: 'live' });
  await visit(page, '/ui/tasks?type=live');
  await row('a live one').getByText('QUEUED').waitFor();
  await until(async () => await page.getByText('live', { exact: true }).first().count() === 1, 'the connection is there');
  await until(async () => { await patch(`/v1/tasks/${mine.id}`, { priority: 'HIGH' }); await patch(`/v1/tasks/${mine.id}`, { state: 'FAILED' }); return await row('a live one').getByText('FAILED').count() === 1; }, 'the row follows');
  await f.call('DELETE', `/v1/tasks/${other.id}`);
  await row('another one').getByText('deleted').waitFor();
  await create({ title: 'something else', type: 'other' });
  await create({ title: 'a new one', type: 'live' });
  await button('Show 1 new').click();
  await row('a new one').waitFor();
  assert.equal(await row('another one').count(), 0);
  clean();
});

test('tasks: those that were selected are changed, each at the version that was seen', async () => {
  await visit(page, '/ui/tasks?type=report&sort=created_at');
  const [first, second] = await list('type=report&sort=created_at');
  await row('report').first().waitFor();
  for (const t of [first, second]) await row(t.title).first().getByRole('checkbox').check();
  await page.getByText('2 selected').waitFor();
  await button('Change …').click();
  await field('Priority', dialog()).selectOption('CRITICAL');
  await field('Labels', dialog()).fill('seen=yes\n-team');
  await patch(`/v1/tasks/${second.id}`, { priority: 'HIGH' });       // somebody else is faster with this one
  await button('Change 2', dialog()).click();
  await dialog().getByText('1 of 2 done, 1 not').waitFor();
  await dialog().getByText(second.id).first().waitFor();
  await shot(page, 'bulk-part');
  await button('Close', dialog().locator('footer')).click();
  const [a, b] = [await task(first.id), await task(second.id)];
  assert.deepEqual([a.priority, a.labels], ['CRITICAL', { seen: 'yes' }]);
  assert.equal(b.priority, 'HIGH');
  clean(/status of 412/);
});

test('tasks: all that match are counted before, refused when there are more by then, and done', async () => {
  for (let i = 0; i < 8; i++) await create({ title: `old ${i}`, type: 'old' });
  await visit(page, '/ui/tasks?type=old');
  await row('old 0').waitFor();
  await button('All that match').click();
  await button('Delete …').click();
  await dialog().getByText('8 tasks').waitFor();
  assert.equal(await dialog().getByRole('listitem').count(), 6, 'five of them, and how many more');
  await shot(page, 'bulk-preview');
  await create({ title: 'old 8', type: 'old' });
  await button('Delete 8', dialog()).click();
  await dialog().getByText('MORE_THAN_EXPECTED').waitFor();
  assert.equal((await list('type=old')).length, 9, 'none was touched');
  await button('Delete 9', dialog()).click();
  await dialog().waitFor({ state: 'detached' });
  await page.getByText('No task matches these filters.').waitFor();
  assert.equal((await list('type=old')).length, 0);
  assert.equal((await list('type=report')).length, 12, 'others stay');
  clean(/status of 409/);
});

test('a viewer sees what he may see, and nothing to press', async () => {
  const vera = await signIn(chrome, f, 'vera', { to: '/ui/tasks' });
  const at = vera.page;
  await at.getByRole('row').nth(1).waitFor();
  const places = await at.locator('nav[aria-label=Pages] .sections a').evaluateAll((all) => all.map((a) => new URL(a.href).pathname));
  assert.ok(places.includes('/ui/tasks') && places.includes('/ui/errors') && places.includes('/ui/account'), places);
  for (const p of ['users', 'roles', 'groups', 'grants', 'keys', 'clients', 'sessions', 'audit', 'crashes', 'chaos', 'upgrade', 'settings', 'decisions']) assert.ok(!places.includes(`/ui/${p}`), p);
  const [{ id }] = await list('type=report');
  for (const p of [...places.filter((p) => p !== '/ui/account'), `/ui/tasks/${id}`, '/ui/requests/try']) {
    await visit(at, p);
    assert.equal(await at.locator('[data-action], main .button.danger, main input[type=checkbox]').count(), 0, p);
    for (const name of [/^New /, /^Edit$/, /^Change …/, /^Delete/, /^Start/, /^End/]) assert.equal(await at.getByRole('button', { name }).count(), 0, `${p} ${name}`);
  }
  const before = vera.asked.length;
  await visit(at, '/ui/users');
  await until(async () => await at.locator('main h1').count() === 1, 'it says why');
  assert.deepEqual(vera.asked.slice(before).filter((r) => r.url().includes('/v1/users')), [], 'nothing is asked that would be refused');
  assert.deepEqual(vera.broken, []);
  await vera.context.close();
});

test('what fails says so, keeps what was there with its age, and mends', async () => {
  await visit(page, '/ui/tasks?type=report');
  await row('report 0').first().waitFor();
  await page.route('**/v1/tasks?**', (r) => r.fulfill({ status: 503, contentType: 'application/problem+json', headers: { 'retry-after': '1' },
    body: '{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"the store is away","code":"UNAVAILABLE","reason":"STORE_AWAY"}' }));
  await page.getByRole('columnheader').getByRole('button', { name: 'Priority' }).click();
  await page.getByText('the store is away').first().waitFor();
  await shot(page, 'unavailable');
  await page.unroute('**/v1/tasks?**');
  await button('Try again').first().click();
  await row('report 0').first().waitFor();
  // What was there stays, with its age.
  await visit(page, '/ui/reliability');
  await page.getByText('Last minute').waitFor();
  await otto.context.setOffline(true);
  await page.locator('main').getByText(/as it was .*(ago|just now)/).waitFor();
  await page.getByText('Last minute').waitFor();
  await otto.context.setOffline(false);
  await until(async () => !/as it was/.test(await page.locator('main').innerText()), 'it is fresh again');
  clean(/status of 503|ERR_INTERNET_DISCONNECTED|WebSocket/);
});

test('requests: one is explained, sent, and shown call by call', async () => {
  await visit(page, '/ui/requests/try');
  await button('Explain, run nothing').click();
  await page.getByText('begins at once').waitFor();
  assert.ok(await page.getByRole('heading', { name: /^Stage / }).count() >= 1);
  await button('Send').click();
  const spans = page.getByRole('table', { name: 'Spans of the trace' });
  await spans.waitFor();
  for (const said of [/database/, /auth/, /sql|nosql/]) assert.match(await spans.innerText(), said);
  await spans.getByRole('button').first().click();
  await page.getByText('Began after').waitFor();
  await shot(page, 'request');
  await field('TaskRequest').fill('{"task_id": "x"');
  await page.getByText(/is no JSON/).waitFor();
  assert.ok(await button('Send').isDisabled());
  await field('TaskRequest').fill('{"task_id": "x", "requirements": {"database": {"operation": "read", "model": "task", "id": "0199f0c0-1234-7abc-8def-0123456789ab"}}}');
  await button('Send').click();
  await page.locator('.error-box').getByText(/NOT_FOUND/).first().waitFor();
  clean(/status of 404/);
});

test('requests: what was kept is listed, filtered and shown as a waterfall over the levels', async () => {
  await visit(page, '/ui/requests');
  const made = await f.call('POST', '/v1/tasks', { body: { title: 'traced' }, headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } });
  assert.equal(made.status, 201, made.text);
  const sent = await f.call('POST', '/v1/requests', { body: { task_id: 'kept', requirements: { database: { operation: 'query', model: 'task', limit: 1 }, auth: { require_permission: 'task.read' } } } });
  assert.equal(sent.status, 200, sent.text);
  const kept = async (name) => { if (await row(name).count()) return true; await button('Reload').click(); return false; };
  await until(() => kept('POST /v1/tasks'), 'it was asked to be kept');
  await field('Route').fill('/v1/requests');
  await until(async () => await row('POST /v1/tasks').count() === 0, 'it is not of this route');
  await until(() => kept('asked for'), 'raw requests are kept');
  await shot(page, 'traces');
  await page.route('**/v1/traces?**', async (r) => { const response = await r.fetch(); await r.fulfill({ response, json: { ...await response.json(), degraded: true } }); });
  await button('Reload').click();
  await page.getByRole('status').getByText('PostgreSQL is away').waitFor();
  await page.unroute('**/v1/traces?**');
  await button('Reload').click();
  await until(async () => await page.getByText('PostgreSQL is away').count() === 0, 'it is said no more');
  await row('asked for').first().click();
  const spans = page.getByRole('table', { name: 'Spans of the trace' });
  await spans.waitFor();
  for (const said of [/api/, /meta/, /database/, /sql|nosql/]) assert.match(await spans.innerText(), said);
  await page.getByText(/^metafed trace show [0-9a-f]{32}$/).waitFor();
  await shot(page, 'trace');
  // from a task to the request that made it
  await visit(page, `/ui/tasks/${made.json.id}`);
  await page.getByRole('link', { name: '0af7651916cd43dd8448eb211c80319c' }).click();
  await until(async () => { if (await spans.count()) return true; const again = button('Try again'); if (await again.count()) await again.click(); return false; }, 'its trace is shown');
  clean(/status of 404/);
});

test('errors: a new pattern appears by itself, with what comes with it', async () => {
  await visit(page, '/ui/errors');
  const set = await f.call('POST', '/v1/fleet/sql:faults', { body: { spec: 'Sql.Read:error=1', for_ms: 60_000 } });
  assert.equal(set.status, 200, set.text);
  const [{ id }] = await list('type=report');
  await until(async () => { await f.call('GET', `/v1/tasks/${id}`); return await row('Sql.Read').count() > 0; }, 'the pattern is there', 20_000);
  await f.call('POST', '/v1/fleet/sql:faults', { body: { spec: '' } });
  await row('Sql.Read').first().click();
  await page.getByText('Fingerprint').waitFor();
  assert.match(page.url(), /\/ui\/errors\/[0-9a-f]{16}/);
  await shot(page, 'errors');
  await field('Status').selectOption('ABORTED');
  await page.getByText('No failures match these filters.').waitFor();
  await page.getByText(/^The pattern [0-9a-f]{16} is not among these/).waitFor();
  clean();
});

test('crashes: one is told with its backtrace, its calls and the end of its log', async () => {
  await visit(page, '/ui/crashes');
  const pid = await f.pid('cache');
  f.kill(pid, 'SIGSEGV');
  await f.back('cache', pid);
  await until(async () => { await visit(page, '/ui/crashes'); return await row('cache').count() > 0; }, 'it is listed');
  await row('cache').first().click();
  await page.getByRole('heading', { name: 'Backtrace' }).waitFor();
  await page.getByText(/Segmentation fault/).first().waitFor();
  assert.match(await field('Backtrace').innerText(), /\S/);
  await shot(page, 'crash');
  clean();
});

test('audit: refused log-ins are found, and a record is shown', async () => {
  await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'vera', password: 'not her password' } });
  await visit(page, '/ui/audit?kind=login&outcome=refused');
  await until(async () => { if (await row('refused').count()) return true; await button('Reload').click(); return false; }, 'the record is there');
  await page.getByText('metafed audit search --kind login --outcome refused').waitFor();
  await row('refused').first().click();
  await dialog().getByText('127.0.0.1').first().waitFor();
  assert.match(await field('The record as JSON', dialog()).innerText(), /"outcome"|"kind"|\{/);
  await shot(page, 'audit');
  await page.keyboard.press('Escape');
  await dialog().waitFor({ state: 'detached' });
  clean();
});

test('reliability: figures as they run, and a measurement from a file, which is sent nowhere', async () => {
  await visit(page, '/ui/reliability?tab=report');
  const file = field('File');
  await file.setInputFiles({ name: 'other.json', mimeType: 'application/json', buffer: Buffer.from('{"runs": []}') });
  await page.getByText(/This is no measurement/).waitFor();
  const before = otto.asked.length;
  await file.setInputFiles(REPORT);
  await page.getByRole('heading', { name: path.basename(REPORT) }).waitFor();
  const report = JSON.parse(readFileSync(REPORT, 'utf8'));
  await page.getByText(`${(report.federation.reliability * 100).toFixed(2)} %`).first().waitFor();
  assert.ok(await page.locator('.plot svg[role=img]').count() >= 5);
  const posted = otto.asked.slice(before).filter((r) => r.method() !== 'GET');
  assert.deepEqual(posted.map((r) => r.url()), []);
  await shot(page, 'reliability');
  clean();
});

test('settings: by node, by words, and no secret among them', async () => {
  await visit(page, '/ui/settings');
  await field('Find').fill('pg_short');
  await until(async () => await page.getByRole('row').count() < 6, 'few match');
  await row('pg_short_conns').first().waitFor();
  await field('Find').fill('');
  await field('Node').selectOption('jwt');
  await field('From').selectOption('file');
  await row('password_memory').getByText('8m').first().click();
  await dialog().getByText('a restart of the node').or(dialog().getByText('a reload')).waitFor();
  await button('Close', dialog().locator('footer')).click();
  await shot(page, 'settings');
  clean();
});

test('chaos: what it would do first, then with the target\'s name, and ended by hand', async () => {
  await visit(page, '/ui/chaos');
  await button('New experiment …').click();
  await field('What', dialog()).selectOption('delay');
  await field('To whom', dialog()).fill('nobody');
  await button('See what it would do', dialog()).click();
  await dialog().getByRole('alert').waitFor();
  await field('To whom', dialog()).fill('cache');
  await field('For, seconds', dialog()).fill('60');
  await until(async () => { await button('See what it would do', dialog()).click(); await dialog().locator('button[aria-busy=true]').waitFor({ state: 'detached' }); return await button('Start', dialog()).count() === 1; }, 'the fleet is whole');
  await page.getByText('metafed chaos delay cache --for 60000 --delay 200 --probability 1').waitFor();
  assert.deepEqual((await f.call('GET', '/v1/chaos')).json.items, [], 'nothing was done yet');
  assert.ok(await button('Start', dialog()).isDisabled());
  await dialog().getByLabel(/Say the target/).fill('cache');
  await shot(page, 'chaos-start');
  await button('Start', dialog()).click();
  await page.getByRole('heading', { name: 'delay cache' }).waitFor();
  assert.equal((await f.call('GET', '/v1/chaos')).json.items[0].state, 'running');
  await shot(page, 'chaos');
  await button('End it now').click();
  await row('delay cache').getByText('ended', { exact: true }).click();
  await dialog().getByText('What it did').waitFor();
  await button('Close', dialog().locator('footer')).click();
  assert.equal((await f.call('GET', '/v1/chaos')).json.items[0].state, 'ended');
  clean(/status of 4\d\d/);
});

test('upgrade: what would start anew; nothing, as nothing has changed', async () => {
  await visit(page, '/ui/upgrade');
  await button('See what it would do …').click();
  await dialog().getByText(/No node would start anew/).waitFor();
  assert.ok(await button('Start 0 anew', dialog()).isDisabled());
  await button('Cancel', dialog()).click();
  clean();
});

test('access: a role, a group, a user and a grant are made, changed and deleted', async () => {
  await visit(page, '/ui/roles');
  await button('New role').click();
  await field('Name', dialog()).fill('auditor');
  await field('Permissions', dialog()).fill('audit.read\nuser.read');
  await button('Create', dialog()).click();
  await page.getByRole('heading', { level: 1, name: 'auditor' }).waitFor();
  assert.deepEqual((await f.call('GET', '/v1/roles/auditor')).json.permissions, ['audit.read', 'user.read']);
  await visit(page, '/ui/groups');
  await button('New group').click();
  await field('Name', dialog()).fill('support');
  await field('Roles', dialog()).fill('auditor');
  await button('Create', dialog()).click();
  await page.getByRole('heading', { level: 1, name: 'support' }).waitFor();
  await visit(page, '/ui/users');
  await button('New user').click();
  await field('User name', dialog()).fill('nina');
  await field('Password', dialog()).fill('short');
  await field('Groups', dialog()).fill('support');
  assert.match(await dialog().locator('.command').innerText(), /metafed user add nina .*password=-/);
  await button('Create', dialog()).click();
  await dialog().locator('.wrong').first().waitFor();
  await field('Password', dialog()).fill(PASSWORD);
  await button('Create', dialog()).click();
  await page.getByRole('heading', { level: 1, name: 'nina' }).waitFor();
  const id = idOf();
  assert.deepEqual((await f.call('GET', `/v1/users/${id}`)).json.groups, ['support']);
  await shot(page, 'user');
  await button('Edit').click();
  await field('Display name', dialog()).fill(MARKUP);
  await button('Save', dialog()).click();
  await page.getByText(MARKUP).first().waitFor();
  await visit(page, '/ui/grants');
  await button('New grant').click();
  await field('Effect', dialog()).selectOption('deny');
  await field('Called', dialog()).fill(id);
  await field('Permissions', dialog()).fill('user.read');
  await button('Create', dialog()).click();
  await button('Edit').waitFor();
  await visit(page, '/ui/decisions?user=nina&permission=user.read');
  await page.getByText('not allowed').waitFor();
  await page.getByRole('link', { name: 'grant', exact: true }).waitFor();
  await shot(page, 'decision');
  await field('Permission').fill('audit.read');
  await page.getByText('allowed', { exact: true }).waitFor();
  for (const [p, url] of [[`/ui/users/${id}`, `/v1/users/${id}`], ['/ui/groups/support', '/v1/groups/support'], ['/ui/roles/auditor', '/v1/roles/auditor']]) {
    await visit(page, p);
    await button('Delete').click();
    await button('Delete', dialog()).click();
    await dialog().waitFor({ state: 'detached' });
    assert.equal((await f.call('GET', url)).status, 404, url);
  }
  clean(/status of (422|404)/);
});

test('access: keys and secrets are shown once, and a session is ended', async () => {
  const vera = (await f.call('GET', '/v1/users?username=vera')).json.items[0];
  const robot = await person(f, 'robot', { kind: 'service', password: undefined, roles: ['viewer'] });
  await visit(page, '/ui/keys');
  await button('New API key').click();
  await field('Of the user (id)', dialog()).fill(robot.id);
  await field('Name', dialog()).fill('nightly');
  await field('Scopes', dialog()).fill('task.read');
  await button('Create', dialog()).click();
  const key = await dialog().locator('.secret').innerText();
  await shot(page, 'key-once');
  assert.equal((await f.call('GET', '/v1/tasks?limit=1', { token: key })).status, 200);
  await button('I have kept it', dialog()).click();
  await page.getByRole('heading', { level: 1, name: 'nightly' }).waitFor();
  assert.ok(!(await page.locator('body').innerText()).includes(key), 'once');
  await button('Delete').click();
  await button('Delete', dialog()).click();
  await page.getByRole('heading', { level: 1, name: 'API keys' }).waitFor();
  assert.equal((await f.call('GET', '/v1/tasks?limit=1', { token: key })).status, 401);
  await visit(page, '/ui/clients');
  await button('New client').click();
  await field('Name', dialog()).fill('Notes');
  await field('Proves itself by', dialog()).selectOption('client_secret_basic');
  await field('Redirect URIs', dialog()).fill('https://notes.example/back');
  await button('Create', dialog()).click();
  const secret = await dialog().locator('.secret').innerText();
  await button('I have kept it', dialog()).click();
  await page.getByRole('heading', { level: 1, name: 'Notes' }).waitFor();
  await button('New secret').click();
  await button('New secret', dialog()).click();
  const other = await page.locator('.secret').innerText();
  assert.notEqual(other, secret);
  await button('I have kept it').click();
  const login = await f.call('POST', '/v1/auth/login', { token: null, body: { username: 'vera', password: PASSWORD } });
  await visit(page, `/ui/users/${vera.id}`);
  await page.getByRole('heading', { name: 'Sessions' }).waitFor();
  const ends = page.getByRole('button', { name: /^End / });
  await until(async () => await ends.count() > 0, 'sessions are listed');
  for (let left = await ends.count(); left > 0; left--) {
    await ends.first().click();
    await button('End', dialog()).click();
    await dialog().waitFor({ state: 'detached' });
    await until(async () => await ends.count() < left, 'it is gone');
  }
  await until(async () => (await f.call('GET', '/v1/tasks?limit=1', { token: login.json.access_token })).status === 401, 'the session is over');
  clean();
});

test('one\'s own account: a key of one\'s own, without any permission for it', async () => {
  const vera = await signIn(chrome, f, 'vera', { to: '/ui/account' });
  const at = vera.page;
  await button('New API key', at).click();
  await field('Name', at.getByRole('dialog')).fill('mine');
  await button('Create', at.getByRole('dialog')).click();
  const key = await at.locator('.secret').innerText();
  await button('I have kept it', at).click();
  assert.equal((await f.call('GET', '/v1/me', { token: key })).json.name, 'vera');
  await at.getByRole('region', { name: 'Your API keys' }).getByText('not limited').waitFor();
  await at.getByRole('button', { name: /^Delete / }).click();
  await button('Delete', at.getByRole('dialog')).click();
  await until(async () => (await f.call('GET', '/v1/me', { token: key })).status === 401, 'the key is gone');
  assert.deepEqual(vera.broken, []);
  await vera.context.close();
});

test('one\'s own account: a second factor is enrolled with what is shown once, confirmed by a code, asked for, and removed', async () => {
  await person(f, 'tilda');
  const tilda = await signIn(chrome, f, 'tilda', { to: '/ui/account' });
  const at = tilda.page, open = at.getByRole('dialog'), login = (more) => f.call('POST', '/v1/auth/login', { token: null, body: { username: 'tilda', password: PASSWORD, ...more } });
  await at.getByText('metafed factor add kind=totp --mine', { exact: true }).waitFor();
  await button('Add a second factor', at).click();
  await button('Go on', open).click();
  await open.getByRole('heading', { name: 'Recovery codes' }).waitFor();
  const [secret, uri, codes] = await open.locator('.secret').allInnerTexts();
  assert.match(uri, new RegExp(`^otpauth://totp/metafed:tilda\\?secret=${secret}&issuer=metafed`));
  assert.equal(await open.getByRole('link', { name: /authenticator/ }).getAttribute('href'), uri);
  const recovery = codes.split('\n');
  assert.equal(new Set(recovery).size, 10);
  await open.getByText(/^metafed factor update [0-9a-f-]{36} code=- --mine$/).waitFor();
  await shot(at, 'factor-once');
  const wrong = String((Number(totp(secret)) + 1) % 1_000_000).padStart(6, '0');
  await open.getByLabel(/^Code/).fill(wrong);
  assert.ok(await button('Confirm', open).isDisabled(), 'first the recovery codes are kept');
  await open.getByRole('checkbox').check();
  await button('Confirm', open).click();
  await open.locator('.field .wrong').getByText('is not what the program shows now').waitFor();
  assert.equal((await login()).status, 200, 'nothing asks for it yet');
  await open.getByLabel(/^Code/).fill(totp(secret));
  await button('Confirm', open).click();
  await at.getByText('confirmed', { exact: true }).waitFor();
  const kept = await at.evaluate(() => document.body.innerText + JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  for (const once of [secret, recovery[3]]) assert.ok(!kept.includes(once), 'shown once');
  assert.equal((await login()).json.reason, 'SECOND_FACTOR');
  assert.equal((await login({ otp: recovery[0] })).status, 200);
  await visit(at, '/ui/tasks');
  await visit(at, '/ui/account');
  await at.locator('.facts > div').filter({ hasText: 'Recovery codes left' }).getByText('9', { exact: true }).waitFor();
  await at.getByText(/^metafed factor rm [0-9a-f-]{36} password=- --mine$/).waitFor();
  await button('Remove', at).click();
  await field('Or your password', open).fill(PASSWORD);
  await button('Cancel', open).click();
  await button('Remove', at).click();
  assert.equal(await field('Or your password', open).inputValue(), '', 'a proof goes with its dialog');
  await button('Remove', open).click();
  await open.getByRole('alert').waitFor();
  await open.getByLabel(/^Code/).fill(totp(secret, 1));
  await button('Remove', open).click();
  await button('Add a second factor', at).waitFor();
  assert.equal((await login()).status, 200, 'the password is all again');
  assert.deepEqual(tilda.broken.filter((b) => !/status of 422/.test(b)), []);
  await tilda.context.close();
});

test('one\'s own account: a new password, and this session goes on', async () => {
  await person(f, 'pia');
  const pia = await signIn(chrome, f, 'pia', { to: '/ui/account' });
  const at = pia.page, open = at.getByRole('dialog'), login = (password) => f.call('POST', '/v1/auth/login', { token: null, body: { username: 'pia', password } });
  const other = (await login(PASSWORD)).json.access_token;
  await button('Change your password', at).click();
  await field('Your password', open).fill('not hers at all');
  await field('New password', open).fill('another staple altogether');
  await button('Change', open).click();
  await open.locator('.field .wrong').first().waitFor();
  await field('Your password', open).fill(PASSWORD);
  await button('Change', open).click();
  await open.waitFor({ state: 'detached' });
  assert.deepEqual([(await login(PASSWORD)).status, (await login('another staple altogether')).status], [401, 200]);
  await until(async () => (await f.call('GET', '/v1/me', { token: other })).status === 401, 'other sessions have ended');
  await visit(at, '/ui/tasks');
  await button('New task', at).waitFor();
  assert.equal(await at.locator('.error-box, .age:not(:empty)').count(), 0);
  assert.deepEqual(pia.broken.filter((b) => !/status of (401|422)/.test(b)), []);
  await pia.context.close();
});

test('what opens from a page is accessible, too: one of each kind, and the dialogs', async () => {
  const { context, page: at, broken } = await signIn(chrome, f, 'otto', { bypassCSP: true });      // axe is ours to bring in
  const findings = [];
  const look = async (name) => {
    await at.evaluate((axe) => { if (!window.axe) window.eval(axe); }, AXE);
    for (const [colorScheme, runOnly] of [['light', TAGS], ['dark', ['color-contrast']]]) {
      await at.emulateMedia({ colorScheme });
      const { violations, passes } = await at.evaluate((o) => window.axe.run(document, o), { runOnly });
      if (colorScheme === 'light') assert.ok(passes.length >= 10, `${name}: ${passes.length}`);      // of contrast in a dialog axe is never sure
      findings.push(...violations.map((v) => `${name}, ${colorScheme}: ${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(' ')}`));
    }
    await shot(at, `axe-${name}`);
    await at.emulateMedia({ colorScheme: 'light' });
  };
  const opened = async (name, ...buttons) => {
    for (const b of buttons) await button(b, at).first().click();
    await at.getByRole('dialog').waitFor();
    await look(name);
    await at.keyboard.press('Escape');
    await at.getByRole('dialog').waitFor({ state: 'detached' });
  };
  const [{ id }] = await list('type=report'), [vera] = (await f.call('GET', '/v1/users?username=vera')).json.items;
  const [{ trace_id: trace }] = (await f.call('GET', '/v1/traces?limit=1')).json.items, [crash] = (await f.call('GET', '/v1/crashes')).json.items;
  for (const [name, to] of [['task', `/ui/tasks/${id}`], ['history', `/ui/tasks/${id}?tab=history`], ['trace', `/ui/requests/${trace}`], ['crash', `/ui/crashes/${crash.id}`], ['user', `/ui/users/${vera.id}`],
    ['role', '/ui/roles/viewer'], ['decision', '/ui/decisions?user=vera&permission=task.read'], ['error', `/ui/errors/${(await f.call('GET', '/v1/errors')).json.items[0].fingerprint}`]]) {
    await visit(at, to);
    await look(name);
  }
  await visit(at, '/ui/requests/try');
  await button('Send', at).click();
  await at.getByRole('table', { name: 'Spans of the trace' }).waitFor();
  await look('answer');
  await button('Explain, run nothing', at).click();
  await at.getByText('Stage 1').waitFor();
  await look('strategy');
  await visit(at, '/ui/reliability?tab=report');
  await field('File', at).setInputFiles(REPORT);
  await at.getByRole('heading', { name: path.basename(REPORT) }).waitFor();
  await look('report');
  await visit(at, '/ui/tasks?type=report');
  await at.getByRole('row').nth(1).waitFor();
  await opened('new-task', 'New task');
  await opened('bulk', 'All that match', 'Change …');
  await visit(at, '/ui/chaos');
  await opened('experiment', 'New experiment …');
  await visit(at, '/ui/audit');
  await at.getByRole('row').nth(1).click();
  await opened('record');
  await visit(at, '/ui/settings');
  await at.getByRole('row').nth(1).click();
  await opened('setting');
  await visit(at, '/ui/account');
  await button('Add a second factor', at).click();
  await button('Go on', at).click();
  await at.getByRole('heading', { name: 'Recovery codes' }).waitFor();
  await opened('factor');
  assert.deepEqual(findings, []);
  assert.deepEqual(broken, []);
  await context.close();
});

test('each page on a phone of 320 pixels: nothing goes sideways, and it is walked by keyboard', async () => {
  await page.setViewportSize({ width: 320, height: 640 });
  const [{ id }] = await list('type=report');
  const places = await page.locator('nav[aria-label=Pages] .sections a').evaluateAll((all) => all.map((a) => new URL(a.href).pathname));
  const [{ trace_id: trace }] = (await f.call('GET', '/v1/traces?limit=1')).json.items;
  for (const p of [...places, `/ui/tasks/${id}`, `/ui/requests/${trace}`, '/ui/requests/try', '/ui/decisions?user=vera&permission=task.read']) {
    await visit(page, p);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${p}: sideways`);
    const [least, most] = await page.locator('main').evaluate((m) => [...m.querySelectorAll('.wf-bar')].reduce(([a, b], e) => { const r = e.getBoundingClientRect(); return [Math.min(a, r.left), Math.max(b, r.right)]; }, [0, 0]));
    assert.ok(least >= 0 && most <= 320 && (most > 0 || !p.endsWith(trace)), `${p}: a bar is out of sight`);
    await shot(page, `phone-${p.replace(/^\/ui\/?/, '').replace(/[/?].*/, '-one') || 'fleet'}`);
  }
  // From far down a list to the beginning of what was opened.
  await visit(page, '/ui/tasks');
  await row('report').last().click();
  await page.getByRole('tab', { name: 'Payload' }).waitFor();
  assert.equal(await page.evaluate(() => scrollY), 0);
  await page.setViewportSize({ width: 1400, height: 900 });
  await visit(page, '/ui/tasks?type=report&sort=created_at');
  await page.getByRole('row').nth(1).focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Space');
  await page.getByText('1 selected').waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('tab', { name: 'Payload' }).focus();
  await page.keyboard.press('ArrowRight');
  await page.getByRole('heading', { name: 'History' }).waitFor();
  await settled(page);
  clean();
});

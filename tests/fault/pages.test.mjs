// A browser signs in while the authorization server is killed at each step of it: the stand-in goes on with the same request,
// and there is one session, one try, one code used.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, until, alive } from '../harness/fleet.mjs';
import { Browser, title } from '../harness/browser_login.mjs';
import { CONF, PASSWORD, factor, person } from '../harness/oauth_setup.mjs';
import { CONF as STEPS_CONF, allSteps } from '../harness/steps.mjs';

let f, hal, codes;
before(async () => {
  f = await Fleet.start({ conf: `${STEPS_CONF}${CONF}` });
  hal = await person(f, 'hal');
  codes = (await factor(f, 'hal')).recovery;
});
after(async () => { await f?.stop(); });

const sessions = () => Number(f.sql(`SELECT count(*) FROM sessions WHERE user_id = '${hal.id}' AND kind = 'browser'`)[0][0]);
const tries = () => f.sql("SELECT max((data->>'tries')::int) FROM auth_states WHERE kind = 'login' AND data->>'proved' IS NOT NULL")[0][0];
const signed = async (browser) => /signed in/.test(title((await browser.get('/oauth/logout')).text));
const signIn = async (otp) => {
  const browser = new Browser(f.url);
  const page = await browser.login({ username: 'hal', password: PASSWORD, otp });
  return { browser, page };
};

for (const { step } of allSteps().filter((s) => /^oauth\.(factor|browser)\./.test(s.step))) {
  test(`killed at ${step}: the browser is signed in, once`, async () => {
    const pid = await f.pid('oauth'), before = sessions();
    await f.faults('oauth', `@${step}: kill`);
    const { browser, page } = await signIn(codes.shift());
    assert.match(title(page.text), /signed in/, page.text);
    await until(() => !alive(pid), `${step} is reached`);
    assert.ok(await signed(browser));
    assert.equal(sessions(), before + 1);
    assert.equal(tries(), '1');
    await f.back('oauth', pid);
  });
}

test('with both token agents stopped a browser waits for them or is told so; it is not signed out', async () => {
  const { browser } = await signIn(codes.shift());
  const pids = await Promise.all(['jwt', 'oauth'].map((n) => f.pid(n)));
  for (const p of pids) f.kill(p, 'SIGSTOP');
  const r = await browser.get('/oauth/logout');
  for (const p of pids) f.signal(p, 'SIGCONT');
  assert.ok(r.status === 503 || /signed in/.test(title(r.text)), `${r.status} ${r.text}`);
  assert.ok(browser.cookies.has('mf_session'));
  await until(() => signed(browser), 'the pages are back');
});

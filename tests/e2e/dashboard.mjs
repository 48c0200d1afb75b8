// dashboard: a page of /ui in a real browser, with somebody signed in, and what went wrong in it.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { PASSWORD } from '../harness/oauth_setup.mjs';
import { until } from '../harness/fleet.mjs';

const SHOTS = process.env.SHOTS;

export const browser = (...more) => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', ...more] });

// Somebody's tab: `broken` is what the console complained of, `asked` each request. What a test breaks on purpose it takes out again.
export async function signIn(chrome, fleet, username, { to = '/ui/', ...o } = {}) {
  const context = await chrome.newContext({ colorScheme: 'light', reducedMotion: 'reduce', viewport: { width: 1400, height: 900 }, ...o });
  const page = await context.newPage();
  const broken = [], asked = [];
  page.setDefaultTimeout(15_000);
  page.on('console', (m) => { if (m.type() === 'error') broken.push(`${m.text()} ${m.location().url}`); });
  page.on('pageerror', (e) => broken.push(String(e)));
  page.on('request', (r) => { asked.push(r); if (new URL(r.url()).origin !== fleet.url) broken.push(`asked ${r.url()}`); });
  await page.goto(`${fleet.url}${to}`);
  await page.getByLabel('User name').fill(username);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('nav[aria-label=Pages]').waitFor({ state: 'attached' });
  await settled(page);
  return { context, page, broken, asked };
}

export async function settled(page) {
  await page.locator('main h1, main .error-box').first().waitFor();
  await until(async () => await page.locator('main .loading').count() === 0, 'nothing loads any more');
}

// To another page as a link would lead there, without loading anew.
export async function visit(page, to) {
  await page.evaluate((p) => { history.pushState(null, '', p); dispatchEvent(new PopStateEvent('popstate')); }, to);
  await settled(page);
}

// A picture for people, where one is asked for.
export async function shot(page, name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SHOTS, `${name}.png`) });
}

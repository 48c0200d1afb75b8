// The page of a stored measurement (tests/data/reliability.json, written by tests/unit/reports.c) in a real browser: it asks
// for nothing, is whole in light and dark, on a wide and on a narrow screen, and satisfies axe-core.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const FIXTURE = fileURLToPath(new URL('../data/reliability.json', import.meta.url));
const METAFED = join(process.env.METAFED_BIN ?? fileURLToPath(new URL('../../build/bin', import.meta.url)), 'metafed');
const metafed = (...args) => execFileSync(METAFED, args, { encoding: 'utf8', timeout: 60_000 });
let dir, file, chrome;
before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'metafed-page-'));
  file = join(dir, 'page.html');
  metafed('reliability', 'report', FIXTURE, '--html', file);
  chrome = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
});
after(async () => { await chrome?.close(); if (dir) rmSync(dir, { recursive: true, force: true }); });

async function open(o) {
  const context = await chrome.newContext({ bypassCSP: true, ...o });    // axe is put into it; the page itself has no script
  const page = await context.newPage();
  const broken = [];
  page.on('console', (m) => { if (m.type() === 'error') broken.push(m.text()); });
  page.on('request', (r) => { if (!r.url().startsWith('file:') || !r.url().endsWith('page.html')) broken.push(`asked ${r.url()}`); });
  await page.goto(pathToFileURL(file).href);
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${o.colorScheme}-${o.viewport.width}.png`), fullPage: true });
  return { context, page, broken };
}

for (const colorScheme of ['light', 'dark']) for (const width of [1280, 320]) {
  test(`the page in ${colorScheme}, ${width} pixels wide`, async () => {
    const { context, page, broken } = await open({ colorScheme, viewport: { width, height: 800 } });
    assert.equal(await page.title(), 'Reliability of a metafed fleet');
    assert.equal(await page.locator('svg').count(), 8);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'sideways');
    const outside = await page.evaluate(() => [...document.querySelectorAll('svg text')].filter((t) => {
      const a = t.getBoundingClientRect(), b = t.ownerSVGElement.getBoundingClientRect();
      return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1;
    }).map((t) => t.textContent));
    assert.deepEqual(outside, [], 'text beyond its picture');
    const over = await page.evaluate(() => [...document.querySelectorAll('svg')].flatMap((s) => {
      const boxes = [...s.querySelectorAll('text')].map((t) => [t.textContent, t.getBoundingClientRect()]);
      return boxes.flatMap(([t, a], i) => boxes.slice(i + 1).filter(([, b]) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1).map(([u]) => `${t} / ${u}`));
    }));
    assert.deepEqual(over, [], 'text over text');
    const { violations, passes } = await page.evaluate(async ([axe, o]) => { window.eval(axe); return window.axe.run(o); }, [AXE, { runOnly: TAGS }]);
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), []);
    assert.ok(passes.length >= 15, `${passes.length}`);
    assert.deepEqual(broken, []);
    await context.close();
  });
}

test('a stored measurement on the terminal, and as JSON again', () => {
  const table = metafed('reliability', 'report', FIXTURE);
  assert.match(table, /2000 scenarios, seed 42/);
  assert.match(table, /improvement factor +1\.\d+ \(the reference says 1\.14\)/);
  assert.deepEqual(JSON.parse(metafed('reliability', 'report', FIXTURE, '--json')), JSON.parse(readFileSync(FIXTURE, 'utf8')));
});

test('a measurement compared with itself shows no difference', () => {
  const { rows } = JSON.parse(metafed('reliability', 'compare', FIXTURE, FIXTURE, '--json'));
  assert.ok(rows.length > 20, `${rows.length}`);
  assert.ok(rows.every((r) => r.difference === 0 && r.significant === false));
});

// The document as a contract: specmatic makes up requests from it, right ones and wrong ones (generative tests), and holds what a
// fleet answers against it. Right requests must get what is promised, wrong ones a 4xx of the form that is promised.
// The release in the lock file has its own (free) licence until 2027-12-14: by then it needs a newer one.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fleet, ROOT, run } from '../harness/fleet.mjs';
import { narrow } from './contract_narrow.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const doc = JSON.parse(readFileSync(path.join(ROOT, 'services/api/rest/openapi.json'), 'utf8'));
let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

const made = async (p, body) => { const r = await f.call('POST', p, { body }); assert.equal(r.status, 201, r.text); return r.json.id; };

// What the requests may name.
async function world() {
  const ids = { restartNode: 'cache', setFaults: 'cache', setLogLevel: 'cache' };
  for (const what of ['read', 'update', 'delete']) {
    ids[`${what}Task`] = await made('/v1/tasks', { title: what });
    ids[`${what}User`] = await made('/v1/users', { username: `contract-${what}` });
    ids[`${what}Role`] = await made('/v1/roles', { id: `contract-${what}` });
  }
  ids.readTaskHistory = ids.readTask;
  const { json } = await f.call('POST', '/v1/auth/login', { body: f.admin(), token: null });
  return { ids, admin: f.admin(), tokens: { refresh: json.refresh_token } };
}

function specmatic(docs) {
  const dir = mkdtempSync('/tmp/mf-contract-');
  try {
    docs.forEach((d, i) => writeFileSync(path.join(dir, `${i}.json`), JSON.stringify(d)));
    writeFileSync(path.join(dir, 'specmatic.yaml'), `version: 2\ncontracts:\n  - provides:\n${docs.map((_, i) => `      - ${i}.json\n`).join('')}`);
    const r = run(path.join(here, 'node_modules/.bin/specmatic'), ['test', `--testBaseURL=${f.url}`],
      { cwd: dir, timeout: 280_000, env: { bearer: f.token, SPECMATIC_GENERATIVE_TESTS: 'true', SPECMATIC_DISABLE_TELEMETRY: 'true', MAX_TEST_REQUEST_COMBINATIONS: '5' } });
    const sums = /Tests run: (\d+), Successes: (\d+), Failures: (\d+), WIP: \d+, Errors: (\d+)/.exec(r.stdout);
    assert.ok(sums, `${r.error ?? ''} ${r.stderr}\n${r.stdout.slice(-3000)}`);
    const [tests, , failures, errors] = sums.slice(1).map(Number);
    // Each finding with its request and its answer.
    const findings = r.stdout.split('--------------------\n').filter((t) => / has FAILED/.test(t)).map((t) => t.slice(0, 3000).replace(/Bearer \S+/, 'Bearer ...'));
    return { tests, failures: failures + errors, findings };
  } finally { rmSync(dir, { recursive: true, force: true }); }
}

test('a contract tester that makes up requests has no finding', { timeout: 300_000 }, async () => {
  const r = specmatic(narrow(doc, await world()));
  assert.equal(r.failures, 0, r.findings.slice(0, 10).join('\n'));
  assert.ok(r.tests > 400, `${r.tests} tests`);
});

test('it finds an answer that is not as promised, and a wrong request that is taken', { timeout: 120_000 }, async () => {
  const lie = structuredClone(doc);
  lie.paths = { '/health': lie.paths['/health'], '/v1/auth/logout': lie.paths['/v1/auth/logout'] };
  lie.components.schemas.Health.required.push('colour');
  lie.components.schemas.RefreshToken.properties.refresh_token.minLength = 5;
  const r = specmatic([lie]);
  assert.ok(r.findings.some((t) => /\/health/.test(t)), r.findings.join('\n'));
  assert.ok(r.findings.some((t) => /minLength '5'/.test(t)), r.findings.join('\n'));
});

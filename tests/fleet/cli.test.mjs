// What the command line and the scripts say of themselves; no fleet is needed for it.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { BIN, ROOT, run } from '../harness/fleet.mjs';

const metafed = (...args) => run(path.join(BIN, 'metafed'), args, { timeout: 10_000, env: { METAFED_URL: undefined } });

test('each command has its own help', () => {
  const all = metafed('--help').stdout;
  for (const [, name] of all.matchAll(/^ {2}(\w+) /gm)) {
    const r = metafed(name, '--help');
    assert.equal(r.status, 0, name);
    assert.match(r.stdout, new RegExp(`^Usage: metafed ${name} `));
    assert.ok(r.stdout.length < all.length / 2, name);
  }
  const add = metafed('task', 'add', '--help').stdout;
  assert.match(add, /^Usage: metafed task add TITLE .*\n +\[--description TEXT\]\n\n/);
  assert.doesNotMatch(add, /task list/);
  assert.equal(metafed('tsak', '--help').status, 2);
});

test('an address without a scheme is told, with what may have been meant', () => {
  const r = metafed('--url', 'localhost:8080', 'task', 'list');
  assert.equal(r.status, 2);
  assert.match(r.stderr, /--url localhost:8080: must begin with http:\/\/ or https:\/\/; is http:\/\/localhost:8080 meant\?/);
});

test('logs are not to be had over HTTP, which is said', () => {
  const r = metafed('--url', 'http://127.0.0.1:1', 'logs');
  assert.equal(r.status, 2);
  assert.match(r.stderr, /files of a local fleet: say --var DIR/);
});

test('completion knows nodes and stores', () => {
  const words = (...line) => run('bash', ['-c', `${metafed('completion', 'bash').stdout}
COMP_WORDS=(${line.join(' ')} ''); COMP_CWORD=${line.length}; _metafed; echo "\${COMPREPLY[@]}"`]).stdout.trim().split(' ');
  assert.ok(words('metafed', 'restart').includes('redis-docs'));
  assert.ok(words('metafed', 'logs').includes('supervisor'));
  assert.ok(words('metafed', 'task').includes('import'));
});

test('the version is the same wherever it is said', () => {
  const version = /^VERSION := (.*)$/m.exec(readFileSync(path.join(ROOT, 'Makefile'), 'utf8'))[1];
  assert.equal(JSON.parse(readFileSync(path.join(ROOT, 'services/api/rest/openapi.json'), 'utf8')).info.version, version);
  for (const f of ['services/cli/metafed.1', 'docker-compose.yml', 'deploy/docker/README.md']) {
    for (const [, said] of readFileSync(path.join(ROOT, f), 'utf8').matchAll(/metafed[ :](\d+\.\d+\.\d+)/g)) assert.equal(said, version, f);
  }
});

test('every script says what it is for before it does anything', () => {
  for (const name of ['run', 'stop', 'test']) {
    const r = run(path.join(ROOT, 'scripts', name), ['--help'], { timeout: 10_000 });
    assert.equal(r.status, 0, name);
    assert.match(r.stdout, new RegExp(`^${name}: `));
    assert.equal(run(path.join(ROOT, 'scripts', name), ['--nonsense'], { timeout: 10_000 }).status, 1, name);
  }
});

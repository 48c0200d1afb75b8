// The authorization server's paths through the edge, whatever stands behind them: methods, types, sizes, CORS, and failures in OAuth's words.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { Fleet } from '../harness/fleet.mjs';

let fleet;
before(async () => { fleet = await Fleet.start({ conf: '[api]\ncors_origins = https://app.example\n' }); });
after(async () => { await fleet?.stop(); });

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const ask = (method, path, o = {}) => fleet.call(method, path, { token: null, ...o });

// With the header lines as they are, as often as they are given.
function raw(method, path, lines) {
  return new Promise((resolve, reject) => {
    const q = http.request({ port: fleet.port, host: '127.0.0.1', method, path, setHost: false, headers: ['Host', `127.0.0.1:${fleet.port}`, ...lines] }, (r) => {
      let text = '';
      r.on('data', (d) => { text += d; }).on('end', () => resolve({ status: r.statusCode, headers: r.headers, text }));
    });
    q.on('error', reject).end();
  });
}

function isOAuthError(r, status) {
  assert.equal(r.status, status, r.text);
  assert.match(r.headers['content-type'], /^application\/json/);
  assert.match(r.headers['cache-control'], /no-store/);
  assert.equal(r.headers['content-encoding'], undefined);
  const e = JSON.parse(r.text);
  assert.match(e.error, /^[a-z_]+$/);
  if (e.error_description !== undefined) assert.match(e.error_description, /^[\x20\x21\x23-\x5B\x5D-\x7E]*$/);
  assert.equal(e.type, undefined, 'no problem details');
}

test('a method that an endpoint does not have is refused in OAuth words, and OPTIONS names those it has', async () => {
  const r = await ask('DELETE', '/oauth/token');
  isOAuthError(r, 405);
  assert.equal(r.headers.allow, 'POST, OPTIONS');
  const o = await ask('OPTIONS', '/oauth/token');
  assert.deepEqual([o.status, o.headers.allow], [204, 'POST, OPTIONS']);
  assert.equal((await ask('OPTIONS', '/oauth/authorize')).headers.allow, 'GET, HEAD, POST, OPTIONS');
});

test('a body is a form or JSON, of 64 KiB at most, however its path is written', async () => {
  for (const path of ['/oauth/token', '/%6Fauth/token']) {
    isOAuthError(await ask('POST', path, { body: 'x', headers: { 'content-type': 'text/plain' } }), 415);
    isOAuthError(await ask('POST', path, { body: `a=${'x'.repeat(65536)}`, headers: FORM }), 413);
  }
  isOAuthError(await ask('POST', '/oauth/token', { body: 'x'.repeat(2 << 20), headers: FORM }), 413);
});

test('who wants HTML gets a page that loads nothing', async () => {
  const r = await ask('DELETE', '/oauth/login', { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
  assert.equal(r.status, 405);
  assert.match(r.headers['content-type'], /^text\/html/);
  assert.match(r.headers['content-security-policy'], /default-src 'none'/);
  assert.match(r.text, /<html lang="en">.*<title>.*<h1>/s);
});

test('two headers DPoP, two Cookies or no Host are refused', async () => {
  for (const name of ['DPoP', 'Cookie']) isOAuthError(await raw('GET', '/oauth/userinfo', [name, 'a', name, 'b']), 400);
  isOAuthError(await ask('GET', '/oauth/userinfo', { headers: { host: '$(x)' } }), 400);
});

test('pages of cors_origins may read the token endpoint, anybody the metadata, nobody the log-in page', async () => {
  const preflight = (path, origin) => ask('OPTIONS', path, { headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'dpop' } });
  const token = await preflight('/oauth/token', 'https://app.example');
  assert.equal(token.status, 204);
  assert.equal(token.headers['access-control-allow-origin'], 'https://app.example');
  assert.match(token.headers['access-control-allow-headers'], /DPoP/);
  assert.equal(token.headers['access-control-allow-credentials'], undefined);
  assert.equal((await preflight('/oauth/token', 'https://evil.example')).headers['access-control-allow-origin'], undefined);
  assert.equal((await preflight('/oauth/login', 'https://app.example')).headers['access-control-allow-origin'], undefined);
  assert.equal((await preflight('/oauth/authorize', 'https://app.example')).headers['access-control-allow-origin'], undefined);
  for (const path of ['/oauth/jwks', '/.well-known/jwks.json', '/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']) {
    assert.equal((await ask('GET', path, { headers: { origin: 'https://evil.example' } })).headers['access-control-allow-origin'], '*', path);
  }
});

test('no answer there is problem details, and HEAD has the status of GET', async () => {
  for (const path of ['/oauth/token', '/oauth/nothing', '/oauth/authorize', '/oauth/userinfo', '/.well-known/jwks.json']) {
    const get = await ask('GET', path), head = await ask('HEAD', path);
    assert.doesNotMatch(get.headers['content-type'] ?? '', /problem/, path);
    assert.equal(head.status, get.status, path);
    assert.equal(head.text, '', path);
  }
});

// TLS at the edge: metafed-api alone, with a certificate of its own making and with one that is replaced while it runs.
import { test, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { BIN, freePort, newDir, sleep } from '../harness/fleet.mjs';
import { Raw, ask } from '../harness/http_raw.mjs';

const dir = newDir();
const running = [];
after(() => { for (const a of running) a.child.kill('SIGKILL'); rmSync(dir, { recursive: true, force: true }); });

const GET = 'GET /livez HTTP/1.1\r\nHost: h\r\n\r\n';

async function api(name, sets, { listen = '127.0.0.1' } = {}) {
  const home = path.join(dir, name);
  mkdirSync(path.join(home, 'run/bus'), { recursive: true, mode: 0o700 });
  const a = { port: await freePort(), home, log: '' };
  const args = [`var=${home}`, `listen=${listen}:${a.port}`, ...sets].flatMap((s) => ['--set', s]);
  a.child = spawn(path.join(BIN, 'metafed-api'), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  a.child.stderr.on('data', (d) => { a.log += d; });
  a.ended = new Promise((resolve) => { a.child.on('exit', (code) => { a.code = code; resolve(code); }); });
  a.said = async (text, ms = 10_000) => {
    for (const end = Date.now() + ms; !a.log.includes(text); await sleep(5)) assert.ok(Date.now() < end && a.code === undefined, `no "${text}" in\n${a.log}`);
  };
  running.push(a);
  return a;
}
const up = async (...how) => { const a = await api(...how); await a.said('"event":"listening"'); return a; };
const pem = (a) => path.join(a.home, 'self-signed.pem');
const shown = async (a) => { const r = await Raw.to(a.port, { tls: {} }); const c = r.socket.getPeerX509Certificate(); r.drop(); return c; };
// A certificate and key to be somebody's own: made by another trial.
async function own(name) {
  const a = await up(name, ['tls_self_signed=true']);
  a.child.kill();
  await a.ended;
  return pem(a);
}
async function refused(a, how, code) {
  await assert.rejects(Raw.to(a.port, { tls: how }), (e) => { assert.match(e.code ?? '', code, e.message); return true; });
}

test('a trial makes its own certificate: P-256, 90 days, for this machine, in a file that nobody else can read', async () => {
  const a = await up('trial', ['tls_self_signed=true']);
  assert.equal(statSync(pem(a)).mode & 0o777, 0o600);
  const text = readFileSync(pem(a), 'utf8'), c = new X509Certificate(text);
  assert.match(text, /BEGIN (EC )?PRIVATE KEY/);
  assert.equal(c.publicKey.asymmetricKeyDetails.namedCurve, 'prime256v1');
  assert.equal(Math.round((new Date(c.validTo) - Date.now()) / 86_400_000), 90);
  assert.match(c.subjectAltName, /DNS:localhost.*IP Address:127\.0\.0\.1.*IP Address:0:0:0:0:0:0:0:1/);
  assert.equal(c.ca, false);
  assert.ok(c.verify(c.publicKey));
  const r = await new Promise((resolve, reject) => { https.get({ host: '127.0.0.1', port: a.port, path: '/livez', ca: text, agent: false }, resolve).on('error', reject); });
  assert.equal(r.statusCode, 200); // verified: name, chain and times
  r.destroy();
  a.child.kill();
  assert.equal(await a.ended, 0);
  const again = await up('trial', ['tls_self_signed=true']);
  assert.equal((await shown(again)).fingerprint256, c.fingerprint256); // kept, not made at each start
});

test('one that others could have read, or that is none, is made anew', async () => {
  const a = await up('spoilt', ['tls_self_signed=true']), first = (await shown(a)).fingerprint256;
  a.child.kill();
  await a.ended;
  writeFileSync(pem(a), 'nonsense');
  const b = await up('spoilt', ['tls_self_signed=true']);
  assert.notEqual((await shown(b)).fingerprint256, first);
});

test('TLS 1.2 and 1.3 are spoken, older versions and ciphers without forward secrecy or authentication are not', async () => {
  const a = await up('versions', ['tls_self_signed=true']);
  for (const v of ['TLSv1.2', 'TLSv1.3']) {
    const r = await Raw.to(a.port, { tls: { minVersion: v, maxVersion: v, ALPNProtocols: ['h2', 'http/1.1'] } });
    assert.equal(r.socket.getProtocol(), v);
    assert.equal(r.socket.alpnProtocol, 'http/1.1');
    assert.match(r.socket.getCipher().name, /GCM|CHACHA20/);
    assert.equal((await r.say(GET).answer()).status, 200);
    r.drop();
  }
  for (const v of ['TLSv1', 'TLSv1.1']) await refused(a, { minVersion: v, maxVersion: v, ciphers: 'DEFAULT@SECLEVEL=0' }, /PROTOCOL_VERSION|NO_PROTOCOLS|ECONNRESET/);
  for (const ciphers of ['AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES128-SHA256', 'DHE-RSA-AES128-GCM-SHA256'])
    await refused(a, { maxVersion: 'TLSv1.2', ciphers: `${ciphers}:@SECLEVEL=0` }, /HANDSHAKE_FAILURE|NO_CIPHER|ECONNRESET|INSUFFICIENT/);
  assert.equal((await ask(a.port, GET, { tls: {} }))[0].status, 200);
});

test('an own certificate is replaced at SIGHUP: new handshakes see the new one, what is open goes on', async () => {
  const [first, second] = [await own('first'), await own('second')], file = path.join(dir, 'own.pem');
  copyFileSync(first, file);
  const a = await up('own', [`tls_cert=${file}`, `tls_key=${file}`]);
  assert.equal((await shown(a)).fingerprint256, new X509Certificate(readFileSync(first)).fingerprint256);
  const open = await Raw.to(a.port, { tls: {} });
  assert.equal((await open.say(GET).answer()).status, 200);
  copyFileSync(second, file);
  a.child.kill('SIGHUP');
  await a.said('"event":"reloaded"');
  assert.equal((await shown(a)).fingerprint256, new X509Certificate(readFileSync(second)).fingerprint256);
  assert.equal((await open.say(GET).answer()).status, 200);
  open.drop();
});

test('what can\'t be shown is not taken: the one before stays', async () => {
  const [first, second] = [await own('third'), await own('fourth')], [cert, key] = [path.join(dir, 'cert.pem'), path.join(dir, 'key.pem')];
  copyFileSync(first, cert);
  copyFileSync(first, key);
  const a = await up('stays', [`tls_cert=${cert}`, `tls_key=${key}`]), was = (await shown(a)).fingerprint256;
  const spoil = [() => writeFileSync(cert, 'nonsense'), () => copyFileSync(second, cert), () => rmSync(cert), () => { copyFileSync(first, cert); writeFileSync(key, ''); }];
  for (const [i, way] of spoil.entries()) {
    way();
    a.log = '';
    a.child.kill('SIGHUP');
    await a.said('"event":"tls_not_reloaded"');
    await a.said('"event":"reloaded"');
    assert.equal((await shown(a)).fingerprint256, was, `way ${i}`);
  }
});

test('a start with a key that is another\'s is refused with the reason', async () => {
  const a = await api('mismatch', [`tls_cert=${await own('fifth')}`, `tls_key=${await own('sixth')}`]);
  assert.equal(await a.ended, 1);
  assert.match(a.log, /is not the key of the first certificate/);
});

test('HSTS is said with an own certificate, never without TLS or in a trial', async () => {
  const file = await own('hsts');
  const of = async (sets, how) => { const a = await up(`hsts${sets.length}${sets[0] ?? ''}`.replaceAll(/\W/g, ''), sets); return (await ask(a.port, GET, how))[0].headers['strict-transport-security']; };
  assert.equal(await of([`tls_cert=${file}`, `tls_key=${file}`], { tls: {} }), 'max-age=31536000');
  assert.equal(await of([`tls_cert=${file}`, `tls_key=${file}`, 'hsts=0'], { tls: {} }), undefined);
  assert.equal(await of(['tls_self_signed=true'], { tls: {} }), undefined);
  assert.equal(await of([]), undefined);
});

test('with TLS the listener may be beyond loopback', async () => {
  await up('public', ['tls_self_signed=true'], { listen: '0.0.0.0' });
});

test('who speaks no TLS, or does not finish his handshake, is cut and harms nobody', async () => {
  const a = await up('plain', ['tls_self_signed=true', 'head_time=300ms']);
  for (const bytes of [GET, '\x16\x03\x01\x02\x00\x01\x00', '', '\x80\x2e\x01\x00\x02', '\0'.repeat(500)]) {
    const r = await Raw.to(a.port);
    r.say(bytes);
    assert.ok(await r.closes(), JSON.stringify(bytes));
    r.drop();
  }
  assert.equal((await ask(a.port, GET, { tls: {} }))[0].status, 200);
});

test('a drain says goodbye over TLS too', async () => {
  const a = await up('drain', ['tls_self_signed=true', 'drain_idle=5s']);
  const idle = await Raw.to(a.port, { tls: {} });
  assert.equal((await idle.say(GET).answer()).status, 200);
  a.child.kill();
  let last;
  while (last?.headers.connection !== 'close') { // the signal is on its way
    last = await idle.say(GET).answer();
    assert.equal(last?.status, 200);
  }
  assert.ok(await idle.closes());
  assert.equal(idle.error, undefined);
  assert.equal(await a.ended, 0);
});

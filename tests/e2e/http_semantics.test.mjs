// RFC 9110 (and the statuses of 6585), sentence by sentence: methods, fields, conditions, negotiation, statuses. Each test
// has the section and the sentence for a name; where the RFC leaves a choice, the name says which one is ours.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet } from '../harness/fleet.mjs';
import { Raw, ask } from '../harness/http_raw.mjs';

let f, auth, id, path, etag;
before(async () => {
  f = await Fleet.start({ conf: '[api]\nlimit = off\n' });
  auth = `Authorization: Bearer ${f.token}\r\n`;
  ({ id } = await make('the task of the conditions'));
  path = `/v1/tasks/${id}`;
});
after(async () => { await f?.stop(); });

const one = async (bytes, how) => (await ask(f.port, bytes, how))[0];
const status = async (bytes, how) => (await one(bytes, how))?.status;
const request = (method, target, more = '', body, version = 'HTTP/1.1') =>
  `${method} ${target} ${version}\r\nHost: h\r\n${more}${body === undefined ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`}\r\n${body ?? ''}`;
const asAdmin = (method, target, more = '', body) => request(method, target, auth + more, body);
const task = (title) => JSON.stringify({ title });
async function make(title) {
  const a = await one(asAdmin('POST', '/v1/tasks', '', task(title)));
  assert.equal(a.status, 201, a.body);
  etag = a.headers.etag;
  return a.json;
}
const problem = (a, expected) => {
  assert.equal(a?.status, expected, a?.body);
  assert.equal(a.headers['content-type'], 'application/problem+json');
  assert.equal(a.json.status, expected);
  assert.ok(a.json.title && a.json.code, a.body);
};

// --- 2, 4, 5: versions, identifiers, fields ---

test('2.5: a higher minor version of a known major version SHOULD be processed as the highest that is known', async () => {
  assert.equal(await status(request('GET', '/livez', '', undefined, 'HTTP/1.2')), 200);
  assert.equal(await status(request('GET', '/livez', '', undefined, 'HTTP/1.9')), 200);
});

test('15.6.6: another major version: 505', async () => {
  for (const v of ['HTTP/2.0', 'HTTP/3.0', 'HTTP/0.9']) assert.equal(await status(request('GET', '/livez', '', undefined, v)), 505, v);
});

test('4.2.3: characters other than the reserved ones are equivalent to their percent-encoded octets', async () => {
  assert.equal(await status(request('GET', '/%6civez')), 200);
  assert.equal(await status(request('GET', '/%6Civez')), 200);
});

test('4.2.3: ... but an encoded slash or dot segment that another might resolve names nothing', async () => {
  for (const t of ['/v1%2ftasks', '/v1/../livez', '/v1/./tasks', '/%2e%2e/livez', '/livez/.', '/%', '/%4', '/%zz', '/%00', '/a%0d%0ab']) problem(await one(asAdmin('GET', t)), 400);
});

test('5.1: field names are case-insensitive', async () => {
  assert.equal(await status(`GET ${path} HTTP/1.1\r\nhOST: h\r\naUTHORIZATION: Bearer ${f.token}\r\n\r\n`), 200);
});

test('5.3: a singleton that stands more than once is an error of the sender: 400', async () => {
  for (const name of ['Authorization', 'Content-Type', 'Idempotency-Key', 'If-Match']) problem(await one(request('GET', '/livez', `${name}: a\r\n${name}: b\r\n`)), 400);
});

test('5.4: a field section larger than the server wishes to process MUST be answered with a 4xx (431, RFC 6585)', async () => {
  assert.equal(await status(request('GET', '/livez', `X: ${'a'.repeat(40_000)}\r\n`)), 431);
  assert.equal(await status(request('GET', '/livez', 'X: y\r\n'.repeat(8_000))), 431);
});

test('5.5: CR, LF, or NUL within a field value: the recipient MUST reject the message (or replace each by SP)', async () => {
  for (const c of ['\0', '\r', '\n', '\x01', '\x7f', '\x1b']) assert.equal(await status(request('GET', '/livez', `X: a${c}b\r\n`)), 400, JSON.stringify(c));
});

test('5.5: obs-text in a field value is opaque data', async () => {
  assert.equal(await status(request('GET', '/livez', 'X: \xe4\xff\r\n')), 200);
});

test('5.6.1: a recipient MUST parse and ignore a reasonable number of empty list elements', async () => {
  assert.equal(await status(asAdmin('GET', path, 'Accept: , ,application/json,,\r\n')), 200);
  assert.equal(await status(asAdmin('GET', path, `If-None-Match: , ${etag},\r\n`)), 304);
});

// --- 6: message ---

test('6.6.1: an origin server with a clock MUST generate a Date header field in all 2xx, 3xx and 4xx responses', async () => {
  const answers = [await one(request('GET', '/livez')), await one(asAdmin('GET', path, `If-None-Match: ${etag}\r\n`)), await one(request('GET', '/nothing')),
    await one('GET /livez HTTP/1.1\r\n\r\n'), await one(asAdmin('POST', '/v1/tasks', '', task('dated'))), await one(request('GET', path))];
  assert.deepEqual(answers.map((a) => a.status), [200, 304, 404, 400, 201, 401]);
  for (const a of answers) {
    assert.match(a.headers.date, /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/);
    assert.ok(Math.abs(Date.parse(a.headers.date) - Date.now()) < 60_000, a.headers.date);
  }
});

test('10.2.4: an origin server MAY generate a Server header field: ours tells nothing of itself', async () => {
  assert.equal((await one(request('GET', '/livez'))).headers.server, undefined);
});

// --- 7: routing ---

test('7.6.1: connection options are case-insensitive and what they nominate is for this connection only', async () => {
  const got = await ask(f.port, request('GET', '/livez', 'Connection: X-Hop, CLOSE\r\nX-Hop: y\r\n'), { close: true });
  assert.equal(got[0].status, 200);
  assert.ok(got.closed);
});

test('7.8: a server MAY ignore a received Upgrade header field: where there is nothing to upgrade to, we do', async () => {
  for (const to of ['h2c', 'TLS/1.2', 'websocket']) {
    const a = await one(request('GET', '/livez', `Connection: Upgrade\r\nUpgrade: ${to}\r\n`));
    assert.equal(a.status, 200, to);
    assert.equal(a.headers.upgrade, undefined);
  }
});

// --- 8: representation ---

test('8.3: the media type is compared without its parameters and without case', async () => {
  const body = task('media types');
  for (const type of ['application/json; charset=utf-8', 'Application/JSON', 'application/json ;x=y'])
    assert.equal(await status(`POST /v1/tasks HTTP/1.1\r\nHost: h\r\n${auth}Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`), 201, type);
});

test('8.4: a content coding that is not acceptable in a request: 415, and (12.5.3) Accept-Encoding says what is', async () => {
  for (const coding of ['gzip', 'br', 'gzip, identity', 'x']) {
    const a = await one(asAdmin('POST', '/v1/tasks', `Content-Encoding: ${coding}\r\n`, task('coded')));
    problem(a, 415);
    assert.equal(a.headers['accept-encoding'], 'identity');
  }
});

test('8.6: a server MUST NOT send Content-Length in a 204, and what it sends in answer to HEAD is that of the GET', async () => {
  const made = await make('to be deleted');
  const gone = await one(asAdmin('DELETE', `/v1/tasks/${made.id}`));
  assert.equal(gone.status, 204);
  assert.equal(gone.headers['content-length'], undefined);
  const get = await one(asAdmin('GET', path)), head = await one(asAdmin('HEAD', path), { head: true });
  assert.equal(head.headers['content-length'], get.headers['content-length']);
});

// --- 9: methods ---

test('9.1: the method token is case-sensitive, and what is not known SHOULD be answered with 501', async () => {
  for (const m of ['get', 'Get', 'BREW', 'PROPFIND', 'TRACE']) problem(await one(request(m, '/livez')), 501);
});

test('9.1: known but not allowed for the target: 405, with (15.5.6) an Allow that MUST be there', async () => {
  for (const [m, t, allow] of [['PUT', '/v1/tasks', /^POST, GET, HEAD, OPTIONS$/], ['DELETE', '/livez', /^GET, HEAD, OPTIONS$/], ['POST', '/', /GET/], ['PATCH', '/metrics', /GET/],
    ['POST', path, /GET.*PATCH.*DELETE/], ['GET', '/v1/auth/login', /^POST, OPTIONS$/]]) {
    const a = await one(asAdmin(m, t, '', ['PUT', 'POST', 'PATCH'].includes(m) ? '{}' : undefined));
    problem(a, 405);
    assert.match(a.headers.allow, allow, `${m} ${t}`);
  }
});

test('9.3.1: content in a GET has no defined semantics: it is read past', async () => {
  const got = await ask(f.port, asAdmin('GET', path, '', '{"title":"no"}') + asAdmin('GET', path), { answers: 2 });
  assert.deepEqual(got.map((a) => a.status), [200, 200]);
  assert.equal(got[0].json.title, 'the task of the conditions');
});

test('9.3.2: HEAD is identical to GET except that the server MUST NOT send content, and SHOULD send the same fields', async () => {
  for (const t of ['/livez', '/readyz', '/', '/nothing', '/health', path, '/v1/tasks?limit=1', `/v1/tasks/${id}x`, '/v1/nothing']) {
    const [g, h] = [await one(asAdmin('GET', t)), await one(asAdmin('HEAD', t), { head: true })];
    const names = (a) => a.fields.map(([n]) => n.toLowerCase()).filter((n) => n !== 'date').sort();
    assert.equal(h.status, g.status, t);
    assert.deepEqual(names(h), names(g), t);
    if (g.status === 200) assert.equal(h.headers['content-length'], g.headers['content-length'], t);
  }
  const got = await ask(f.port, asAdmin('HEAD', path) + asAdmin('HEAD', path), { answers: 2, head: true });
  assert.equal(got.length, 2); // nothing stood between them
});

test('9.3.7: a successful response to OPTIONS SHOULD say what is allowed', async () => {
  for (const [t, allow] of [['*', /GET/], ['/livez', /^GET, HEAD, OPTIONS$/], ['/v1/tasks', /POST.*GET/], [path, /PATCH/]]) {
    const a = await one(request('OPTIONS', t));
    assert.equal(a.status, 204, t);
    assert.match(a.headers.allow, allow);
  }
});

// --- 10: Expect ---

test('10.1.1: a 100-continue expectation is met by 100 (Continue), and a server that sends it MUST ultimately send a final status', async () => {
  const r = await Raw.to(f.port);
  const body = task('expected');
  r.say(`POST /v1/tasks HTTP/1.1\r\nHost: h\r\n${auth}Expect: 100-Continue\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`);
  assert.equal((await r.answer()).status, 100);
  r.say(body);
  assert.equal((await r.answer()).status, 201);
  r.drop();
});

test('10.1.1: ... or at once by a final status, if that can be determined from the head alone', async () => {
  const expect = (more) => `POST /v1/tasks HTTP/1.1\r\nHost: h\r\n${more}Expect: 100-continue\r\n`;
  for (const [head, expected] of [[expect('Content-Type: application/json\r\nContent-Length: 3000000\r\n'), 413], [expect('Content-Type: text/plain\r\nContent-Length: 5\r\n'), 415],
    [expect('Content-Type: application/json\r\nAccept: text/html\r\nContent-Length: 5\r\n'), 406]]) {
    const got = await ask(f.port, `${head}\r\n`, { close: true, interim: true });
    assert.equal(got[0].status, expected);
    assert.ok(got.closed, 'SHOULD close or read on'); // what would follow can't be known
  }
});

test('10.1.1: a server MAY omit the 100 if it has already received content', async () => {
  const a = await one(asAdmin('POST', '/v1/tasks', 'Expect: 100-continue\r\n', task('impatient')), { interim: true });
  assert.equal(a.status, 201);
});

test('10.1.1: a 100-continue expectation in an HTTP/1.0 request MUST be ignored', async () => {
  const r = await Raw.to(f.port);
  const body = task('expected by HTTP/1.0');
  r.say(`POST /v1/tasks HTTP/1.0\r\nHost: h\r\n${auth}Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`);
  assert.ok(await r.quiet(200));
  r.say(body);
  assert.equal((await r.answer()).status, 201);
  r.drop();
});

test('10.1.1: any other expectation MAY be answered with 417: we do', async () => {
  problem(await one(request('GET', '/livez', 'Expect: tea\r\n')), 417);
});

// --- 11: authentication ---

test('11.6.1: a server generating a 401 MUST send a WWW-Authenticate with at least one challenge', async () => {
  for (const more of ['', 'Authorization: Bearer nonsense\r\n', 'Authorization: Basic eDp5\r\n', 'Authorization: Bearer\r\n', 'Authorization: bearer a b\r\n']) {
    const a = await one(request('GET', path, more));
    problem(a, 401);
    assert.match(a.headers['www-authenticate'], /^Bearer realm="/);
  }
});

test('11.1: the authentication scheme is case-insensitive', async () => {
  assert.equal(await status(request('GET', path, `Authorization: bEARER ${f.token}\r\n`)), 200);
});

// --- 12: negotiation ---

test('12.5.1: the most specific range that matches decides, whatever the order', async () => {
  for (const [accept, expected] of [['*/*', 200], ['application/*', 200], ['text/html, application/json;q=0.1', 200], ['application/json;q=0, */*', 200], ['text/html', 406],
    ['application/json;q=0, application/problem+json;q=0, */*', 406], ['*/*;q=0', 406], ['application/jsonx', 406], ['', 200]])
    assert.equal(await status(asAdmin('GET', path, `Accept: ${accept}\r\n`)), expected, accept);
});

test('15.5.7: a 406 SHOULD say what there is', async () => {
  const a = await one(asAdmin('GET', path, 'Accept: text/html\r\n'));
  problem(a, 406);
  assert.match(a.json.detail, /application\/json/);
});

// --- 13: conditions ---

test('13.1.1: If-Match: the strong comparison decides, and 412 is the answer when it is false', async () => {
  const t = await make('if-match'), at = `/v1/tasks/${t.id}`, tag = etag;
  const patch = (m) => one(asAdmin('PATCH', at, `If-Match: ${m}\r\n`, '{"title":"changed"}'));
  problem(await patch('"999"'), 412);
  problem(await patch(`W/${tag}`), 412);
  assert.equal((await patch(tag)).status, 200);
  problem(await patch(tag), 412); // it is another version now
  assert.equal((await patch('*')).status, 200);
});

test('13.1.2: If-None-Match: the weak comparison; 304 to GET and HEAD when one matches', async () => {
  for (const m of [etag0(), `W/${etag0()}`, `"x", ${etag0()}`, '*']) {
    const a = await one(asAdmin('GET', path, `If-None-Match: ${m}\r\n`));
    assert.equal(a.status, 304, m);
    assert.equal((await one(asAdmin('HEAD', path, `If-None-Match: ${m}\r\n`), { head: true })).status, 304, m);
  }
  for (const m of ['"x"', '"999"']) assert.equal(await status(asAdmin('GET', path, `If-None-Match: ${m}\r\n`)), 200, m);
});

test('15.4.5: a 304 MUST have the Date, ETag and Vary that a 200 would have had, and no content', async () => {
  const full = await one(asAdmin('GET', path)), not = await one(asAdmin('GET', path, `If-None-Match: ${etag0()}\r\n`));
  assert.equal(not.headers.etag, full.headers.etag);
  assert.equal(not.headers.vary, full.headers.vary);
  assert.ok(not.headers.date);
  const got = await ask(f.port, asAdmin('GET', path, `If-None-Match: ${etag0()}\r\n`) + asAdmin('GET', path), { answers: 2 });
  assert.deepEqual(got.map((a) => a.status), [304, 200]);
});

test('13.1.3: a recipient MUST ignore If-Modified-Since if the resource has no modification date', async () => {
  assert.equal(await status(asAdmin('GET', path, 'If-Modified-Since: Fri, 31 Dec 2999 23:59:59 GMT\r\n')), 200);
});

test('13.1.4: ... and If-Unmodified-Since', async () => {
  assert.equal(await status(asAdmin('GET', path, 'If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n')), 200);
});

test('13.2.1: a server MUST ignore conditions when the answer without them would not be 2xx or 412', async () => {
  for (const more of ['If-None-Match: *\r\n', 'If-Match: "1"\r\n']) {
    problem(await one(asAdmin('GET', '/v1/tasks/0199f0c0-1234-7abc-8def-0123456789ab', more)), 404);
    problem(await one(request('GET', path, more)), 401);
  }
});

test('13.2.1: ... and with methods that select no representation', async () => {
  assert.equal(await status(request('OPTIONS', path, 'If-Match: "999"\r\n')), 204);
});

// --- 14, 15: ranges, statuses ---

test('14.2: a server MAY ignore the Range header field: we do, and never say 206', async () => {
  for (const range of ['bytes=0-1', 'bytes=-5', 'bytes=0-0,2-3', 'lines=1-2', 'bytes=9-1']) {
    const a = await one(asAdmin('GET', path, `Range: ${range}\r\n`));
    assert.equal(a.status, 200);
    assert.equal(a.headers['content-range'], undefined);
  }
});

test('15.3.2: a 201 names the resource that was made by Location', async () => {
  const a = await one(asAdmin('POST', '/v1/tasks', '', task('created')));
  assert.equal(a.status, 201);
  assert.equal(a.headers.location, `/v1/tasks/${a.json.id}`);
  assert.equal(await status(asAdmin('GET', a.headers.location)), 200);
});

test('15.5.12: 411: content is announced, its length is not', async () => {
  const a = await one(`POST /v1/tasks HTTP/1.1\r\nHost: h\r\n${auth}Content-Type: application/json\r\n\r\n`);
  problem(a, 411);
});

test('15.5.14: 413: the content is larger than the server is willing to process', async () => {
  problem(await one(asAdmin('POST', '/v1/tasks', '', ' '.repeat(1_100_000))), 413);
  problem(await one(`POST /v1/tasks HTTP/1.1\r\nHost: h\r\n${auth}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n10c8e0\r\n${' '.repeat(1_100_000)}\r\n0\r\n\r\n`), 413);
});

test('15.5.15: 414: the target is longer than the server is willing to interpret', async () => {
  problem(await one(request('GET', `/livez?${'x'.repeat(8_300)}`)), 414);
});

test('15.5.16: 415: the Accept (RFC 5789: Accept-Patch) response field can be used to say what would have been taken', async () => {
  const say = (m, t, type) => one(`${m} ${t} HTTP/1.1\r\nHost: h\r\n${auth}Content-Type: ${type}\r\nContent-Length: 2\r\n\r\n{}`);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'json', '']) {
    const a = await say('POST', '/v1/tasks', type);
    problem(a, 415);
    assert.equal(a.headers.accept, 'application/json');
  }
  const a = await say('PATCH', path, 'application/json-patch+json');
  problem(a, 415);
  assert.match(a.headers['accept-patch'], /application\/merge-patch\+json/);
});

test('15.6.4: the problem document is the same whoever refuses: the edge, an agent, or level 0', async () => {
  for (const [bytes, expected] of [[request('GET', '/nothing'), 404], [asAdmin('GET', '/v1/nothing'), 404], [asAdmin('POST', '/v1/tasks', '', '{'), 400], [asAdmin('POST', '/v1/tasks', '', '{}'), 422],
    [request('GET', path), 401]]) problem(await one(bytes), expected);
});

function etag0() { return '"1"'; }

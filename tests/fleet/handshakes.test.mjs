// Who has no limit has none when he opens sessions either, from one address and with a credential that was never in a request.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { Fleet } from '../harness/fleet.mjs';

const CAPACITY = 20, SESSIONS = 200;
let f;
before(async () => { f = await Fleet.start({ conf: `[api]\nlimit = ${CAPACITY}/0.01\n` }); });
after(async () => { await f?.stop(); });

// A text frame, masked with nothing.
const frame = (text) => Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);

// What the server says until it is clear whether he is let in; until its pong where he says something, at once or when he is.
function session(token, says = 'nothing') {
  return new Promise((resolve, reject) => {
    const s = connect({ port: Number(f.port), host: '127.0.0.1', localAddress: '127.0.0.9' });
    const ends = says === 'nothing' ? /"authenticated"|"error"|^HTTP\/1.1 4/ : /"pong"|"error"|^HTTP\/1.1 4/;
    let text = '', said = says !== 'later';
    s.on('error', reject);
    s.on('data', (d) => {
      if (ends.test(text += d.toString('latin1'))) { resolve(text); s.destroy(); }
      if (!said && /"authenticated"/.test(text)) said = s.write(frame('{"type":"ping"}'));
    });
    s.write('GET /v1/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
      + `Sec-WebSocket-Protocol: metafed.v1\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    if (says === 'at once') s.write(frame('{"type":"ping"}'));
    s.setTimeout(20_000, () => s.destroy(new Error(`silent after ${text.slice(0, 200)}`)));
  });
}

test(`an administrator opens ${SESSIONS} sessions one after the other where ${CAPACITY} requests are allowed`, async () => {
  const { access_token: fresh } = await f.login();
  for (let i = 0; i < SESSIONS; i++) assert.match(await session(fresh), /"authenticated"/, `session ${i}`);
});

for (const says of ['later', 'at once']) {
  test(`and is answered in each of them what he says ${says}`, async () => {
    for (let i = 0; i < SESSIONS; i++) assert.match(await session(f.token, says), /"pong"/, `session ${i}`);
  });
}

test('a forged credential has what its address has', async () => {
  const answers = [];
  for (let i = 0; i <= CAPACITY; i++) answers.push(await session(`forged-${i}`));
  assert.match(answers.at(-1), /^HTTP\/1.1 429 /);
});

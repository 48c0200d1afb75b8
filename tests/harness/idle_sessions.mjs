// idle_sessions PORT TOKEN_FILE N: opens N sessions, from several addresses as many clients are, says "open" when each knows who
// it is, and keeps them until its input ends.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const [port, file, n] = process.argv.slice(2);
const token = readFileSync(file, 'utf8').trim(), TOGETHER = 200;

function session(i) {
  return new Promise((resolve) => {
    const s = connect({ port: Number(port), host: '127.0.0.1', localAddress: `127.0.0.${2 + i % 8}` });
    let text = '';
    s.on('error', (e) => { console.error(e.message); process.exit(1); });
    s.on('close', () => { console.error(`closed: ${text.slice(0, 300)}`); process.exit(1); });
    s.on('data', (d) => { if ((text += d.toString('latin1')).includes('"authenticated"')) { text = ''; resolve(); } });
    s.write('GET /v1/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
      + `Sec-WebSocket-Protocol: metafed.v1\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  });
}

for (let i = 0; i < Number(n); i += TOGETHER) await Promise.all(Array.from({ length: Math.min(TOGETHER, n - i) }, (_, k) => session(i + k)));
console.log('open');
process.stdin.on('end', () => process.exit(0)).resume();

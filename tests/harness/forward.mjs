// forward: a TCP port for each server behind a unix socket, for a network of its own: forward.mjs HOST PORT:SOCKET...
// A line on standard input is the delay of each piece from then on, in ms. Ends with its standard input.
import net from 'node:net';
import { createInterface } from 'node:readline';

const [host, ...pairs] = process.argv.slice(2);
let delay = 0;

// In order: what came first leaves first, whatever the delay has become. One timer for all that waits: timers of different
// lengths fire in the order of their ends only to the millisecond.
function pass(from, to) {
  const waiting = [];
  let last = 0;
  const leave = () => {
    while (waiting.length && waiting[0].at <= performance.now()) {
      const { piece } = waiting.shift();
      if (piece) to.write(piece); else to.destroy();
    }
    if (waiting.length) setTimeout(leave, waiting[0].at - performance.now());
  };
  const enter = (piece) => {
    last = Math.max(last, performance.now() + delay);
    waiting.push({ at: last, piece });
    if (waiting.length === 1) leave();
  };
  from.on('data', enter);
  from.on('close', () => enter(null));
  from.on('error', () => {});
}

await Promise.all(pairs.map((pair) => {
  const [port, socket] = [pair.slice(0, pair.indexOf(':')), pair.slice(pair.indexOf(':') + 1)];
  return new Promise((resolve) => net.createServer({ noDelay: true }, (client) => {
    const server = net.connect(socket);
    pass(client, server);
    pass(server, client);
  }).listen(Number(port), host, resolve));
}));
console.log('ready');
createInterface({ input: process.stdin }).on('line', (l) => { delay = Number(l); }).on('close', () => process.exit(0));

// pg_cut: a way to a fleet's private PostgreSQL that can be cut and mended: for the fleet it is away, though nobody starts it
// anew. A process of its own, because starting a fleet blocks this one. Commands come by standard input, one letter each.
import net from 'node:net';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , port, socket] = process.argv;
  const pairs = new Set();
  let cut = false;
  net.createServer((a) => {
    if (cut) { a.destroy(); return; }
    const b = net.connect(socket);
    const end = () => { a.destroy(); b.destroy(); pairs.delete(end); };
    pairs.add(end);
    for (const s of [a, b]) s.on('error', end).on('close', end);
    a.pipe(b);
    b.pipe(a);
  }).listen(Number(port), '127.0.0.1');
  process.stdin.on('data', (d) => {
    for (const c of d.toString()) {
      cut = c === 'c';
      if (cut) for (const end of [...pairs]) end();
      process.stdout.write('.');
    }
  }).on('end', () => process.exit(0));
}

export class PgCut {
  constructor(port, socket) {
    this.port = port;
    this.child = spawn(process.execPath, [fileURLToPath(import.meta.url), String(port), socket], { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  #say(letter) {
    return new Promise((resolve) => { this.child.stdout.once('data', resolve); this.child.stdin.write(letter); });
  }

  cut() { return this.#say('c'); }
  mend() { return this.#say('m'); }
  stop() { this.child.kill(); }

  // Lines of a fleet's configuration: sql and its stand-in take this way.
  conf() {
    const pg = `pg = host=127.0.0.1 port=${this.port} dbname=metafed user=metafed\n`;
    return `[sql]\n${pg}pg_password_file = secrets/pg-password\n[nosql]\n${pg}pg_password_file = secrets/pg-password\n`;
  }
}

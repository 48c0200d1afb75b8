// secrets: nothing that is one may stand in a log, a run file, a record of a crash or on the page of metrics.
// Whatever a test sends or receives over HTTP is looked at (node:http, fetch), and what is secret by the name of its field or
// header is kept; at the end of a fleet all that it wrote is searched for all of them: as they are, and in the forms in which they
// travel (percent, JSON, base64). What is told to others by a test's own sockets came from one of these answers.
import { spawnSync } from 'node:child_process';
import http from 'node:http';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const kept = new Set();
const MOST = 64 << 10;      // of a body: larger ones are data
// By name alone; then those that are a secret only if they look like one: {"code": "NOT_FOUND"} is none, nor {"key": "pg_short_conns"}.
const ALWAYS = new Set(['password', 'oldpassword', 'newpassword', 'currentpassword', 'clientsecret', 'accesstoken', 'refreshtoken', 'idtoken',
  'registrationaccesstoken', 'codeverifier', 'recoverycodes', 'devicecode', 'usercode', 'clientassertion', 'secret', 'apikey', 'csrf', 'ticket']);
const PERHAPS = new Set(['code', 'key', 'token', 'otp', 'assertion', 'subjecttoken']);
const looksSecret = (s) => s.length >= 16 && /\d/.test(s) && /[A-Za-z]/.test(s) && !/[\s/]/.test(s);

export function secret(value) {
  // Shorter ones (codes of six digits, words) stand anywhere by chance.
  if (typeof value === 'string' && value.length >= 10 && value.length <= MOST && !value.includes('\n')) kept.add(value);
}

function field(name, value) {
  const plain = name.replaceAll(/[_-]/g, '').toLowerCase();
  if (Array.isArray(value)) return value.forEach((v) => field(name, v));
  if (value !== null && typeof value === 'object') return Object.entries(value).forEach(([k, v]) => field(k, v));
  if (typeof value !== 'string') return undefined;
  if (value.startsWith('otpauth:')) secret(new URL(value).searchParams.get('secret'));
  if (ALWAYS.has(plain) || (PERHAPS.has(plain) && looksSecret(value))) secret(value);
  return undefined;
}

function form(text) {
  for (const [k, v] of new URLSearchParams(text)) field(k, v);
}

// What goes or comes as a body: JSON, lines of JSON, or a form.
export function body(text) {
  if (text.length > MOST) return;
  const begin = text.trimStart()[0];
  if (begin !== '{' && begin !== '[') return void (/^[\w.~%+-]+=/.test(text) && form(text));
  try { return field('', JSON.parse(text)); } catch { /* then lines of it */ }
  for (const line of text.split('\n')) try { field('', JSON.parse(line)); } catch { /* none */ }
}

export function header(name, value) {
  for (const v of [value].flat()) {
    if (typeof v !== 'string') continue;
    switch (name.toLowerCase()) {
      case 'authorization': {
        const [kind, credential = ''] = v.split(' ');
        secret(credential);
        if (kind.toLowerCase() === 'basic') secret(decodeURIComponent(Buffer.from(credential, 'base64').toString().split(':').slice(1).join(':').replaceAll('%', '%25')));
        break;
      }
      case 'dpop': secret(v); break;
      case 'cookie': v.split(/; */).forEach((c) => secret(c.slice(c.indexOf('=') + 1))); break;
      case 'set-cookie': secret(v.split(';')[0].split('=').slice(1).join('=')); break;
      case 'location': form(v.split(/[?#]/).slice(1).join('&')); break;
      default:
    }
  }
}

const listen = (module) => {
  const request = module.request;
  module.request = (...args) => {
    const q = request(...args);
    const sent = [];
    const hear = (chunk) => { if (typeof chunk === 'string' || Buffer.isBuffer(chunk)) sent.push(Buffer.from(chunk)); };
    for (const verb of ['write', 'end']) {
      const was = q[verb];
      q[verb] = (...a) => {
        hear(a[0]);
        if (verb === 'end') {
          for (const [k, v] of Object.entries(q.getHeaders())) header(k, v);
          form(q.path.split('?')[1] ?? '');
          if (sent.length) body(Buffer.concat(sent).toString());
        }
        return was.apply(q, a);
      };
    }
    q.prependListener('response', (r) => {
      const came = [];
      let n = 0;
      const push = r.push;
      for (const [k, v] of Object.entries(r.headers)) header(k, v);
      r.push = (chunk, ...rest) => {
        if (chunk !== null && (n += chunk.length) <= MOST) came.push(Buffer.from(chunk));
        else if (chunk === null && n <= MOST) body(Buffer.concat(came).toString());
        return push.call(r, chunk, ...rest);
      };
    });
    return q;
  };
};
listen(http);
listen(https);
syncBuiltinESMExports();

const fetched = globalThis.fetch;
globalThis.fetch = async (input, init = {}) => {
  for (const [k, v] of new Headers(init.headers ?? input.headers)) header(k, v);
  form(String(input.url ?? input).split('?')[1] ?? '');
  if (init.body instanceof URLSearchParams || typeof init.body === 'string') body(String(init.body));
  const r = await fetched(input, init);
  for (const [k, v] of r.headers) header(k, v);
  if (/json|x-www-form/.test(r.headers.get('content-type') ?? '')) r.clone().text().then(body, () => { });
  return r;
};

// As base64 from each of the three places where it may begin in a group: what does not depend on its neighbours.
function inBase64(s) {
  const of = Buffer.from(s);
  return [0, 1, 2].flatMap((before) => {
    const all = Buffer.concat([Buffer.alloc(before), of]).toString('base64');
    const sure = all.slice(Math.ceil(before * 8 / 6), Math.floor((before + of.length) * 8 / 6));
    return [sure, sure.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

function forms(s) {
  const parts = [s];
  if (s.length > 64) parts.push(s.slice(-32));
  if (s.length > 64 && !s.startsWith('eyJ')) parts.push(s.slice(0, 32));      // tokens begin alike
  return [...parts, encodeURIComponent(s), JSON.stringify(s).slice(1, -1), ...inBase64(s)].filter((f) => f.length >= 10);
}

const below = (dir) => (existsSync(dir) ? readdirSync(dir, { withFileTypes: true, recursive: true }).filter((e) => e.isFile()).map((e) => path.join(e.parentPath ?? e.path, e.name)) : []);

// What the fleet in VAR has by itself, and the command line beside it.
function ofFleet(dir) {
  try { field('', JSON.parse(readFileSync(path.join(dir, 'admin.json'), 'utf8'))); } catch { /* none was made */ }
  try { body(readFileSync(path.join(dir, '../token'), 'utf8')); } catch { /* not used */ }
  for (const f of below(path.join(dir, 'secrets')))
    if (statSync(f).size <= MOST) readFileSync(f, 'latin1').split(/[\s"]+/).filter((w) => /^[\w+/=.-]{16,}$/.test(w)).forEach(secret);
}

// Where one of them stands in what the fleet in `dir` wrote, or in `more` (texts by name): lines for people.
export function leaks(dir, more = {}) {
  ofFleet(dir);
  if (!kept.size) return [];
  const scratch = mkdtempSync('/tmp/mf-secrets-');
  try {
    const of = new Map([...kept].flatMap((s) => forms(s).map((f) => [f, s])));
    writeFileSync(path.join(scratch, 'patterns'), [...of.keys()].join('\n'), { mode: 0o600 });
    for (const [name, text] of Object.entries(more)) writeFileSync(path.join(scratch, name), text);
    const files = [...['log', 'run', 'crash'].flatMap((d) => below(path.join(dir, d))), ...Object.keys(more).map((n) => path.join(scratch, n))];
    const r = spawnSync('grep', ['-a', '-F', '-H', '-n', '-o', '-f', path.join(scratch, 'patterns'), '--', ...files], { encoding: 'utf8', maxBuffer: 1 << 26, env: { ...process.env, LC_ALL: 'C' } });
    if (r.status > 1) throw new Error(`grep: ${r.stderr}`);
    return [...new Set(r.stdout.split('\n').filter(Boolean).map((l) => {
      const [, file, line, found] = /^(.*?):(\d+):(.*)$/.exec(l);
      return `${path.relative(dir, file)}:${line}: ${found.slice(0, 6)}... (${found.length} characters)`;
    }))];
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

export const secretsKept = () => kept.size;

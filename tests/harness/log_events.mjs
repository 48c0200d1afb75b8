// log_events: every event that the sources can log, with its levels and fields, to hold the catalogue (deploy/logging/EVENTS.md) to it.
//   node tests/harness/log_events.mjs      writes the catalogue anew; what an event means is kept, of a new one it is to be written
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const CATALOGUE = path.join(ROOT, 'deploy/logging/EVENTS.md');
const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'];
// Names that are chosen from a table beside the call.
const CHOSEN = { 'common/bus/target.c': { level: 'warn', call: 'events[is]', names: /static const char \*const events\[\] = \{([^}]*)\}/ } };

const sources = ['common', 'services'].flatMap((d) => readdirSync(path.join(ROOT, d), { withFileTypes: true, recursive: true })
  .filter((e) => e.isFile() && /\.[ch]$/.test(e.name)).map((e) => path.join(e.parentPath ?? e.path, e.name)))
  .filter((f) => !f.includes('node_modules')).map((f) => path.relative(ROOT, f)).sort();

// The arguments of a call that begins at `at`, up to its closing bracket.
function argumentsAt(text, at) {
  let depth = 0, quoted = false;
  for (let i = at; i < text.length; i++) {
    if (quoted) { if (text[i] === '\\') i++; else if (text[i] === '"') quoted = false; } else if (text[i] === '"') quoted = true;
    else if (text[i] === '(') depth++;
    else if (text[i] === ')' && depth-- === 0) return text.slice(at, i);
  }
  return '';
}

// name -> {levels, fields, files}
export function eventsOfSources() {
  const events = new Map();
  const add = (name, level, fields, file) => {
    const e = events.get(name) ?? { levels: new Set(), fields: new Set(), files: new Set() };
    events.set(name, e);
    e.levels.add(level);
    e.files.add(file);
    fields.forEach((k) => e.fields.add(k));
  };
  for (const file of sources) {
    const text = readFileSync(path.join(ROOT, file), 'utf8').replaceAll(/\/\*.*?\*\//gs, ' ');
    for (const m of text.matchAll(/\b(?:log_(debug|info|warn|error)|SAY|log_write|line_start)\s*\(/g)) {
      const all = argumentsAt(text, m.index + m[0].length);
      const level = m[1] ?? /\bLOG_(DEBUG|INFO|WARN|ERROR|FATAL)\b/.exec(all)?.[1].toLowerCase();
      if (!level) continue;       // a definition
      const head = m[1] ? all : all.slice(all.indexOf('LOG_') + 4);
      const named = head.split(/\bL_(?:STR|INT|NUM|BOOL)\s*\(|\(const struct log_field/)[0];
      const fields = [...all.matchAll(/\bL_(?:STR|INT|NUM|BOOL)\s*\(\s*"([^"]*)"/g)].map((x) => x[1]);
      const chosen = CHOSEN[file] && named.includes(CHOSEN[file].call) ? CHOSEN[file].names.exec(text)[1] : named;
      for (const [, name] of chosen.matchAll(/"([^"]*)"/g)) add(name, level, fields, file);
    }
  }
  add('fatal', 'fatal', ['message'], 'common/base/log.c');      // log.h: fatal(), panic()
  add('panic', 'fatal', ['message', 'line', 'file'], 'common/base/log.c');
  add('lines_lost', 'warn', ['lines', 'error'], 'common/base/log.c');
  return new Map([...events].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const who = (file) => (file.startsWith('services/') ? path.dirname(file).split('/').at(-1) : 'all');
export function row(name, e, means) {
  return `| \`${name}\` | ${LEVELS.filter((l) => e.levels.has(l)).join(', ')} | ${[...new Set([...e.files].map(who))].sort().join(', ')} | ${[...e.fields].map((k) => `\`${k}\``).join(' ')} | ${means} |`;
}

// name -> its line, and what it means
export function eventsOfCatalogue() {
  const text = existsSync(CATALOGUE) ? readFileSync(CATALOGUE, 'utf8') : '';
  return new Map([...text.matchAll(/^\| `([^`]+)` \|.*\| (.*) \|$/gm)].map((m) => [m[1], { line: m[0], means: m[2] }]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const known = eventsOfCatalogue();
  const text = existsSync(CATALOGUE) ? readFileSync(CATALOGUE, 'utf8') : '';
  const head = text.slice(0, text.indexOf('| --- |')).split('\n').slice(0, -2).join('\n');
  const rows = [...eventsOfSources()].map(([name, e]) => row(name, e, known.get(name)?.means ?? ''));
  writeFileSync(CATALOGUE, `${head}\n| event | level | who | fields | |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}\n`);
}

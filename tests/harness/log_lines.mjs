// log_lines: every line that a process of the fleet wrote is as deploy/logging/log.schema.json says, and they are numbered without a gap.
import { createRequire } from 'node:module';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const { default: Ajv } = createRequire(path.join(ROOT, 'tests/e2e/package.json'))('ajv/dist/2020.js');
export const SCHEMA = path.join(ROOT, 'deploy/logging/log.schema.json');
export const valid = new Ajv({ allowUnionTypes: true }).compile(JSON.parse(readFileSync(SCHEMA, 'utf8')));
const STORES = /^(postgres|redis-docs|redis-cache)\.log/;
// What is said before there is a log, and what a sanitizer says.
const PLAIN = /^(metafed(-[a-z]+)?: |\s*$|=+|\s+#|\s*(SUMMARY|AddressSanitizer|UndefinedBehavior|Direct leak|Indirect leak|==\d+)|.*runtime error:)/;

// The log files of one name, the oldest first.
export function logFiles(dir, name) {
  const log = path.join(dir, 'log');
  if (!existsSync(log)) return [];
  const old = readdirSync(log).filter((f) => f.startsWith(`${name}.log.`) && /^\d{6}$/.test(f.slice(name.length + 5))).sort();
  return [...old, ...(existsSync(path.join(log, `${name}.log`)) ? [`${name}.log`] : [])].map((f) => path.join(log, f));
}

export function logNames(dir) {
  const log = path.join(dir, 'log');
  return existsSync(log) ? readdirSync(log).filter((f) => f.endsWith('.log') && !STORES.test(f)).map((f) => f.slice(0, -4)) : [];
}

// What is wrong with them: lines for people.
export function badLines(dir) {
  const bad = [];
  for (const name of logNames(dir)) {
    const lines = logFiles(dir, name).flatMap((f) => readFileSync(f, 'utf8').split('\n').slice(0, -1));
    let generation, seq, torn;
    for (const [i, line] of lines.entries()) {
      const at = `${name}: ${line.slice(0, 300)}`;
      if (!line.startsWith('{')) { if (!PLAIN.test(line)) bad.push(`no line of a log: ${at}`); continue; }
      let v;
      try { v = JSON.parse(line); } catch { torn = [i, at]; continue; }      // of one that was killed: the next is another's
      if (torn && v.generation === generation) bad.push(`no JSON: ${torn[1]}`);
      torn = undefined;
      if (!valid(v)) bad.push(`${valid.errors.map((e) => `${e.instancePath} ${e.message}`).join(', ')}: ${at}`);
      if (v.node !== name) bad.push(`of another: ${at}`);
      if (v.generation === generation && v.seq !== seq + 1) bad.push(`after number ${seq}: ${at}`);
      if (v.generation !== generation && v.seq !== 1 && generation !== undefined) bad.push(`does not begin with number 1: ${at}`);
      ({ generation, seq } = v);
    }
  }
  return bad;
}

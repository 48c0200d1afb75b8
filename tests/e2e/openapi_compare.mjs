// openapi_compare: what of an older document a newer one breaks, as a list of sentences; empty: a client of the old one is still served.
//   node tests/e2e/openapi_compare.mjs OLD NEW     exits 1 when there is any
// Broken: a path, method, parameter, media type, success status or field of an answer (of an error too) that is gone; a parameter, body
// or field that has become required of a client; a value that a client may send and is no longer taken; a value in an answer that was
// not there.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const BOUNDS = [['minimum', true], ['exclusiveMinimum', true], ['minLength', true], ['minItems', true], ['minProperties', true],
  ['maximum', false], ['exclusiveMaximum', false], ['maxLength', false], ['maxItems', false], ['maxProperties', false]];
const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];

export function breaks(old, next) {
  const found = [];
  const say = (at, what) => found.push(`${at}: ${what}`);
  const of = (doc, v) => {
    while (v?.$ref) v = v.$ref.slice(2).split('/').reduce((at, key) => at?.[key.replaceAll('~1', '/').replaceAll('~0', '~')], doc);
    return v;
  };
  const values = (s) => s.enum ?? (s.const === undefined ? undefined : [s.const]);
  const types = (s) => (s.type === undefined ? null : [].concat(s.type));

  // The schemas that a value may have, alternatives taken apart.
  const alternatives = (doc, s) => (s?.oneOf ?? s?.anyOf ?? [s]).map((one) => of(doc, one));

  // `wide` takes all that `narrow` has; a sent value must stay taken, an answered one must have been possible before.
  function covers(at, wide, wideDoc, narrow, narrowDoc, sent, seen) {
    const w = of(wideDoc, wide), n = of(narrowDoc, narrow);
    const key = `${JSON.stringify(wide)} ${JSON.stringify(narrow)}`;
    if (w === undefined || n === undefined || seen.has(key)) return;
    const deeper = new Set(seen).add(key);
    const ws = alternatives(wideDoc, w), ns = alternatives(narrowDoc, n);
    if (ws.length > 1 || ns.length > 1) {
      for (const one of ns) if (!ws.some((other) => fits(other, wideDoc, one, narrowDoc, sent, deeper))) say(at, `${sent ? 'is no longer taken' : 'is new in an answer'}: ${JSON.stringify(one).slice(0, 80)}`);
      return;
    }
    const wt = types(w), nt = types(n);
    if (wt) for (const t of nt ?? ['any']) if (!wt.includes(t) && !(t === 'integer' && wt.includes('number'))) say(at, `type ${t} ${sent ? 'is no longer taken' : 'is new in an answer'}`);
    if (values(w)) for (const v of values(n) ?? ['any']) if (!values(w).includes(v)) say(at, `value ${JSON.stringify(v)} ${sent ? 'is no longer taken' : 'is new in an answer'}`);
    if (sent) {
      for (const [k, least] of BOUNDS) {
        if (w[k] !== undefined && (n[k] === undefined || (least ? w[k] > n[k] : w[k] < n[k]))) say(at, `${k} is stricter: ${n[k]} was, ${w[k]} is`);
      }
      for (const k of ['pattern', 'format', 'multipleOf', 'uniqueItems']) if (w[k] !== undefined && w[k] !== n[k]) say(at, `${k} is another`);
      if (w.additionalProperties === false && n.additionalProperties !== false) say(at, 'other fields are no longer taken');
    }
    const [wa, na] = [w.additionalProperties, n.additionalProperties];
    if (typeof wa === 'object' && typeof na === 'object') covers(`${at}/*`, wa, wideDoc, na, narrowDoc, sent, deeper);
    if (w.items && n.items) covers(`${at}[]`, w.items, wideDoc, n.items, narrowDoc, sent, deeper);
    const [before, after] = sent ? [n, w] : [w, n];
    const [beforeDoc, afterDoc] = sent ? [narrowDoc, wideDoc] : [wideDoc, narrowDoc];
    for (const [name, p] of Object.entries(before.properties ?? {})) {
      const q = after.properties?.[name];
      if (q !== undefined) covers(`${at}/${name}`, sent ? q : p, sent ? afterDoc : beforeDoc, sent ? p : q, sent ? beforeDoc : afterDoc, sent, deeper);
      else if (!sent || after.additionalProperties === false) say(`${at}/${name}`, 'is gone');
    }
    for (const name of (sent ? after.required : before.required) ?? []) {
      const also = (sent ? before.required : after.required) ?? [];
      if (!also.includes(name)) say(`${at}/${name}`, sent ? 'has become required' : 'is no longer sure to be there');
    }
  }
  function fits(wide, wideDoc, narrow, narrowDoc, sent, seen) {
    const n = found.length;
    covers('', wide, wideDoc, narrow, narrowDoc, sent, seen);
    return found.splice(n).length === 0;
  }

  function content(at, a, b, sent) {
    for (const [type, media] of Object.entries(a?.content ?? {})) {
      const now = b?.content?.[type];
      if (!now) say(`${at} ${type}`, 'is gone');
      else if (media.schema && now.schema) covers(`${at} ${type} #`, ...(sent ? [now.schema, next, media.schema, old] : [media.schema, old, now.schema, next]), sent, new Set());
    }
  }

  for (const [path, item] of Object.entries(old.paths)) {
    for (const method of METHODS.filter((m) => item[m])) {
      const at = `${method.toUpperCase()} ${path}`, a = item[method], b = next.paths[path]?.[method];
      if (!b) { say(at, 'is gone'); continue; }
      const before = (a.parameters ?? []).map((p) => of(old, p)), after = (b.parameters ?? []).map((p) => of(next, p));
      const same = (x) => (y) => x.name === y.name && x.in === y.in;
      for (const p of before) {
        const q = after.find(same(p));
        const list = (x) => `${x.style} ${x.explode} ${of(x === p ? old : next, x.schema)?.type}`;
        if (!q) say(`${at} ?${p.name}`, 'is gone');
        else if (list(p) !== list(q) && /array|object/.test(list(p))) say(`${at} ?${p.name}`, 'is written in another way');
        else covers(`${at} ?${p.name}`, q.schema, next, p.schema, old, true, new Set());
      }
      for (const q of after) if (q.required && !before.find(same(q))?.required) say(`${at} ?${q.name}`, 'has become required');
      const body = of(next, b.requestBody), was = of(old, a.requestBody);
      if (body?.required && !was?.required) say(`${at} body`, 'has become required');
      content(`${at} body`, was, body, true);
      for (const [status, r] of Object.entries(a.responses)) {
        const now = of(next, b.responses[status] ?? (status >= '400' ? b.responses.default : undefined)); // what failed may fail otherwise
        if (!now) say(`${at} ${status}`, 'is gone');
        else {
          content(`${at} ${status}`, of(old, r), now, false);
          for (const h of Object.keys(of(old, r).headers ?? {})) if (!now.headers?.[h]) say(`${at} ${status} ${h}`, 'is gone');
        }
      }
      if ((a.security ?? old.security).length === 0 && (b.security ?? next.security).length !== 0) say(at, 'needs a credential now');
    }
  }
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const all = breaks(...process.argv.slice(2, 4).map((f) => JSON.parse(readFileSync(f, 'utf8'))));
  for (const one of all) console.log(one);
  process.exit(all.length ? 1 : 0);
}

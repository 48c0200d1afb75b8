// Documents made at random from a schema, some left as they are, some broken: our validation and that of graphql-js must
// come to the same verdict on each. GQL_SEED and GQL_DOCUMENTS repeat or extend a run.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { buildSchema, buildClientSchema, execute, getIntrospectionQuery, lexicographicSortSchema, parse, printSchema, validate, visit, isLeafType, isListType, isNonNullType, isEnumType, isInputObjectType,
  isAbstractType, isObjectType, isInterfaceType, getNamedType } from 'graphql';
import { BIN } from '../harness/fleet.mjs';
import { addPets } from '../harness/pets.mjs';

const seed = Number(process.env.GQL_SEED ?? 20260921);
const count = Number(process.env.GQL_DOCUMENTS ?? 600);
const program = path.join(BIN, 'bench/graphql');
const ours = (mode, input) => {
  const r = spawnSync(program, [mode], { input, encoding: 'utf8', maxBuffer: 1 << 28, timeout: 60_000 });
  assert.equal(r.status, 0, r.stderr);
  return r.stdout;
};
const { sdl, documents } = JSON.parse(ours('documents'));
const schema = addPets(buildSchema(sdl));

// mulberry32
function generator(state) {
  const next = () => {
    state = (state + 0x6D2B79F5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n) => Math.floor(next() * n);
  return { below, chance: (p) => next() < p, pick: (list) => list[below(list.length)] };
}

class Document {
  constructor(r) { this.r = r; this.fragments = []; this.variables = new Map(); this.given = {}; this.aliases = 0; }

  value(type, depth = 0) {
    const { r } = this;
    if (isNonNullType(type)) return this.value(type.ofType, depth);
    if (depth === 0 && r.chance(0.25)) return this.variable(type);
    if (r.chance(0.05)) return 'null';
    if (isListType(type)) return r.chance(0.2) ? this.value(type.ofType, depth + 1) : `[${Array.from({ length: r.below(3) }, () => this.required(type.ofType, depth + 1)).join(', ')}]`;
    if (isEnumType(type)) return r.pick(type.getValues()).name;
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields());
      if (type.isOneOf) { const f = r.pick(fields); return `{${f.name}: ${this.required(f.type, depth + 1)}}`; }
      const given = fields.filter((f) => isNonNullType(f.type) && f.defaultValue === undefined || (depth < 3 && r.chance(0.4)));
      return `{${given.map((f) => `${f.name}: ${isNonNullType(f.type) ? this.required(f.type, depth + 1) : this.value(f.type, depth + 1)}`).join(', ')}}`;
    }
    return { Int: r.pick(['0', '7', '-3']), Float: r.pick(['1.5', '2', '1e3']), String: r.pick(['"a"', '"""b"""']), Boolean: r.pick(['true', 'false']),
      ID: r.pick(['1', '"x"']), DateTime: '"2026-01-02T03:04:05Z"', Any: r.pick(['1', '"x"', '{a: [1, E]}', 'null']) }[type.name];
  }

  required(type, depth) {
    for (;;) { const v = this.value(isNonNullType(type) ? type.ofType : type, depth); if (v !== 'null' || !isNonNullType(type)) return v; }
  }

  variable(type) {
    const name = `v${this.variables.size}`;
    this.variables.set(name, `${type}!`);
    this.given[name] = this.json(type);
    return `$${name}`;
  }

  // A value of this type that is not null, as a client sends it.
  json(type, depth = 0) {
    const { r } = this;
    if (isNonNullType(type)) return this.json(type.ofType, depth);
    if (isListType(type)) return r.chance(0.2) ? this.json(type.ofType, depth) : Array.from({ length: r.below(3) }, () => this.json(type.ofType, depth));
    if (isEnumType(type)) return r.pick(type.getValues()).name;
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields());
      const given = type.isOneOf ? [r.pick(fields)] : fields.filter((f) => isNonNullType(f.type) && f.defaultValue === undefined || (depth < 3 && r.chance(0.4)));
      return Object.fromEntries(given.map((f) => [f.name, !type.isOneOf && !isNonNullType(f.type) && r.chance(0.2) ? null : this.json(f.type, depth + 1)]));
    }
    return { Int: r.pick([0, 7, -3]), Float: r.pick([1.5, 2]), String: r.pick(['a', 'ä']), Boolean: r.chance(0.5), ID: r.pick(['x', 1, 'd2']), DateTime: '2026-01-02T03:04:05Z', Any: { a: [1, 'E', null] } }[type.name];
  }

  args(field) {
    const given = field.args.filter((a) => (isNonNullType(a.type) && a.defaultValue === undefined) || this.r.chance(0.4))
      .map((a) => `${a.name}: ${isNonNullType(a.type) ? this.required(a.type) : this.value(a.type)}`);
    return given.length ? `(${given.join(', ')})` : '';
  }

  directives() {
    if (this.r.chance(0.9)) return '';
    return this.r.pick([' @skip(if: false)', ' @include(if: true)', ' @onField', ' @twice(n: 1) @twice(n: 2)']);
  }

  selection(type, depth) {
    const { r } = this;
    const fields = isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()).filter((f) => depth > 0 || isLeafType(getNamedType(f.type))) : [];
    const out = [];
    for (let n = 1 + r.below(3); n > 0 || out.length === 0; n--) {
      const what = r.below(10);
      if (what < 7 && fields.length) {
        const f = r.pick(fields), named = getNamedType(f.type);
        const alias = r.chance(0.7) ? `a${r.chance(0.85) ? this.aliases++ : r.below(3)}: ` : '';
        out.push(`${alias}${f.name}${this.args(f)}${this.directives()}${isLeafType(named) ? '' : ` ${this.selection(named, depth - 1)}`}`);
      } else if (what < 9 && depth > 0) {
        const on = this.narrow(type);
        if (r.chance(0.5)) out.push(`... on ${on} ${this.selection(on, depth - 1)}`);
        else out.push(`...${this.fragment(on, depth - 1)}`);
      } else out.push('__typename');
    }
    return `{ ${out.join(' ')} }`;
  }

  narrow(type) {
    if (isAbstractType(type)) return this.r.pick([type, ...schema.getPossibleTypes(type)]);
    return this.r.pick([type, ...Object.values(schema.getTypeMap()).filter((t) => isAbstractType(t) && schema.isSubType(t, type))]);
  }

  fragment(on, depth) {
    const known = this.fragments.filter((f) => f.on === on && f.text);
    if (known.length && this.r.chance(0.5)) return this.r.pick(known).name;
    const f = { name: `F${this.fragments.length}`, on };
    this.fragments.push(f);
    f.text = `fragment ${f.name} on ${on} ${this.selection(on, depth)}`;
    return f.name;
  }

  text() {
    const { r } = this;
    const root = r.chance(0.9) ? schema.getQueryType() : schema.getMutationType();
    const body = this.selection(root, 1 + r.below(4));
    const vars = [...this.variables].map(([n, t]) => `$${n}: ${t.replace(/!!$/, '!')}`).join(', ');
    return [`${root === schema.getQueryType() ? 'query' : 'mutation'} Q${vars ? `(${vars})` : ''} ${body}`, ...this.fragments.map((f) => f.text)].join('\n');
  }
}

// One change to the text, somewhere: mostly it makes a valid document invalid.
const words = [...new Set(Object.values(schema.getTypeMap()).flatMap((t) => [t.name, ...Object.keys(t.getFields?.() ?? {})]).filter((n) => !n.startsWith('__')))];
function mutated(r, text) {
  const tokens = text.match(/"""[^]*?"""|"[^"]*"|\.\.\.|[A-Za-z_]\w*|-?\d[\d.e]*|\S/g);
  const at = r.below(tokens.length), other = r.below(tokens.length);
  switch (r.below(8)) {
    case 0: tokens.splice(at, 1); break;
    case 1: tokens.splice(at, 0, tokens[at]); break;
    case 2: tokens[at] = tokens[other]; break;
    case 3: case 4: { const i = tokens.findIndex((t, k) => k >= at && /^[a-z]\w*$/.test(t)); if (i >= 0) tokens[i] = r.pick(words); break; }
    case 5: { const i = tokens.findIndex((t, k) => k >= at && /^\d/.test(t)); if (i >= 0) tokens[i] = r.pick(['"s"', 'null', '1.5', 'E', '[1]', '{a: 1}', '$v0', '$nope']); break; }
    case 6: { const i = tokens.findIndex((t, k) => k >= at && /^[A-Z]\w*$/.test(t)); if (i >= 0) tokens[i] = r.pick(words); break; }
    default: tokens.splice(at, 0, r.pick(['!', '{', '}', '(', '@onField', '@nope', '@skip', '$v0', '...F0', '__typename', 'x: id'])); break;
  }
  return tokens.join(' ');
}

function verdict(text) {
  let doc;
  try { doc = parse(text); } catch (e) { return e.message; }
  const errors = validate(schema, doc);
  return errors.length ? errors[0].message : 'valid';
}

const r = generator(seed);
const texts = Array.from({ length: count }, () => {
  const text = new Document(r).text();
  return r.chance(0.45) ? text : mutated(r, text);
});
const input = texts.map((t) => `${JSON.stringify(t)}\n`).join('');

test('validation comes to the same verdict as graphql-js', () => {
  const said = ours('judge', input).trim().split('\n');
  const differ = [], verdicts = { valid: 0, invalid: 0 };
  for (const [i, text] of texts.entries()) {
    const theirs = verdict(text);
    verdicts[theirs === 'valid' ? 'valid' : 'invalid']++;
    if ((theirs === 'valid') !== (said[i] === 'valid')) differ.push({ text, ours: said[i], theirs });
  }
  assert.equal(said.length, count);
  assert.deepEqual(differ, [], `seed ${seed}`);
  assert.ok(verdicts.valid > count / 5 && verdicts.invalid > count / 5, `one-sided: ${JSON.stringify(verdicts)}`);
  console.log(`# measured ${count} documents of seed ${seed}: ${verdicts.valid} valid, ${verdicts.invalid} invalid, no difference`);
});

test('what we print is the same document to graphql-js', () => {
  // Block strings are printed as plain ones.
  const plain = (text) => JSON.stringify(visit(parse(text, { noLocation: true }), { StringValue: (n) => ({ ...n, block: false }) }));
  const printed = ours('print', input).trim().split('\n').map((line) => JSON.parse(line));
  let n = 0;
  for (const [i, text] of texts.entries()) {
    if (printed[i] === null) continue;
    n++;
    assert.equal(plain(printed[i]), plain(text), text);
  }
  assert.ok(n > count / 2);
});

const answers = (list) => ours('run', list.map((q) => `${JSON.stringify(q)}\n`).join('')).trim().split('\n').map((line) => JSON.parse(line));
// What failed; not what failed within something that is null already: that may or may not have been found out.
const places = ({ data, errors = [] }) => {
  const isThere = (p) => { let v = data; for (const step of p.slice(0, -1)) v = v?.[step]; return v != null; };
  return JSON.stringify([...new Set(errors.filter((e) => isThere(e.path)).map((e) => JSON.stringify(e.path)))].sort());
};

test('valid documents have the same answer as of graphql-js, to the order of its keys', async () => {
  const differ = [], list = [];
  while (list.length < count / 2) {
    const d = new Document(r), query = d.text();
    if (verdict(query) === 'valid') list.push({ query, variables: d.given });
  }
  const said = answers(list);
  let failed = 0;
  for (const [i, { query, variables }] of list.entries()) {
    const theirs = JSON.parse(JSON.stringify(await execute({ schema, document: parse(query), variableValues: variables })));
    const same = JSON.stringify(said[i].data) === JSON.stringify(theirs.data) && places(said[i]) === places(theirs) && !said[i].errors === !theirs.errors;
    if (!same) differ.push({ query, variables, ours: said[i], theirs });
    failed += theirs.errors !== undefined;
  }
  assert.deepEqual(differ.slice(0, 3), [], `${differ.length} of seed ${seed}`);
  assert.ok(failed > list.length / 20 && failed < list.length * 0.9, `${failed} of ${list.length} have errors`);
  console.log(`# measured ${list.length} documents of seed ${seed}: the same answers, ${failed} with errors`);
});

test('introspection says of a schema with everything in it what graphql-js reads in its text', () => {
  const options = { inputValueDeprecation: true, specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, oneOf: true };
  const [{ data }] = answers([{ query: getIntrospectionQuery(options) }]);
  const sorted = (s) => printSchema(lexicographicSortSchema(s));
  assert.equal(sorted(buildClientSchema(data)), sorted(buildSchema(sdl)));
  for (const part of ['@oneOf', '@specifiedBy', '@deprecated', 'repeatable', 'implements Being & Node & Pet', '= BROWN', 'union']) assert.ok(sorted(buildClientSchema(data)).includes(part), part);
});

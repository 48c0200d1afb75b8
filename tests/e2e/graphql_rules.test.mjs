// Every rule of validation by name, as graphql-js lists them: documents that break that rule alone, and ones that come close.
// graphql-js says that they do; our engine must say the same. Then what type systems must be, in the same way.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { buildSchema, parse, specifiedRules, validate, validateSchema } from 'graphql';
import { BIN } from '../harness/fleet.mjs';

const program = path.join(BIN, 'bench/graphql');
const ours = (mode, texts = []) => {
  const r = spawnSync(program, [mode], { input: texts.map((t) => `${JSON.stringify(t)}\n`).join(''), encoding: 'utf8', maxBuffer: 1 << 28, timeout: 60_000 });
  assert.equal(r.status, 0, r.stderr);
  return r.stdout.trim();
};
const schema = buildSchema(JSON.parse(ours('documents')).sdl);

// rule: [documents that break it, documents that don't]
const documents = {
  ExecutableDefinitions: [['{ dog { id } } type Cow { name: String }', 'query Q { dog { id } } extend type Dog { colour: String }', '{ dog { id } } schema { query: Query }'], ['query A { dog { id } } query B { ...F } fragment F on Query { dog { id } }']],
  UniqueOperationNames: [['query A { dog { id } } query A { cat { id } }', 'query A { dog { id } } mutation A { note(text: "x") { name } }'], ['query A { ...B } fragment B on Query { dog { id } }', 'query A { dog { id } } query B { dog { id } }']],
  LoneAnonymousOperation: [['{ dog { id } } { cat { id } }', '{ dog { id } } query A { cat { id } }', 'mutation { note(text: "x") { name } } query A { dog { id } }'], ['{ ...F } fragment F on Query { dog { id } }']],
  SingleFieldSubscriptions: [['subscription { barked { id } slept { id } }', 'subscription A { ...F } fragment F on Subscription { barked { id } slept { id } }', 'subscription { __typename }', 'subscription { barked { id } __typename }', 'subscription { a: barked { id } b: barked { id } }'],
    ['subscription { barked { id name } }', 'subscription { ...F } fragment F on Subscription { barked { id } ...G } fragment G on Subscription { barked { name } }']],
  KnownTypeNames: [['query($x: Nope) { dog(id: $x) { id } }', '{ pet { ... on Nope { name } } }', '{ pet { ...F } } fragment F on Nope { name }'], ['query($x: ID) { dog(id: $x) { ... on Pet { name } } }']],
  FragmentsOnCompositeTypes: [['{ dog { ... on Boolean { barks } } }', '{ dog { ...F } } fragment F on Colour { name }', '{ dog { ...F } } fragment F on Where { colour }'], ['{ catOrDog { ... on CatOrDog { __typename } ... on Being { name } } }']],
  VariablesAreInputTypes: [['query($x: Dog) { dog { id } }', 'query($x: [[CatOrDog!]]!) { dog { id } }', 'query($x: Pet) { dog { id } }'], ['query($x: Where, $y: [String]) { arguments { where(v: $x) strings(v: $y) } }']],
  ScalarLeafs: [['{ dog }', '{ dog { barkVolume { x } } }', '{ dogs(ids: []) }', '{ dog { colours { x } } }', '{ human { pets } }'], ['{ dog { barkVolume } arguments { any(v: 1) } }']],
  FieldsOnCorrectType: [['{ dog { nope } }', '{ catOrDog { name } }', '{ pet { nickname } }', '{ dog { nope: nickName } }', '{ dog { ... { nope } } }', '{ dog { __schema { types { name } } } }', 'mutation { __type(name: "Dog") { name } }'], ['{ catOrDog { __typename ... on Dog { nickname } } __schema { types { name } } __type(name: "Dog") { name } }']],
  UniqueFragmentNames: [['{ dog { ...F } } fragment F on Dog { id } fragment F on Dog { name }'], ['query F { dog { ...F } } fragment F on Dog { id }']],
  KnownFragmentNames: [['{ dog { ...Nope } }', '{ dog { ...F } } fragment F on Dog { ...Nope }'], ['{ dog { ...on Dog { id } } }']],
  NoUnusedFragments: [['{ dog { id } } fragment F on Dog { id }', '{ dog { id } } fragment F on Dog { ...G } fragment G on Dog { id }'], ['query A { dog { id } } query B { dog { ...F } } fragment F on Dog { ...G } fragment G on Dog { id }']],
  PossibleFragmentSpreads: [['{ dog { ... on Cat { meowVolume } } }', '{ human { ...F } } fragment F on Pet { owner { name } }', '{ catOrDog { ... on Human { name } } }', '{ dog { ...F } } fragment F on Box { value }'], ['{ pet { ... on Node { id } ... on CatOrDog { __typename } ... on Dog { ... on Being { ... on DogOrHuman { __typename } } } } }']],
  NoFragmentCycles: [['{ dog { ...F } } fragment F on Dog { ...F }', '{ dog { ...A } } fragment A on Dog { mother { ...B } } fragment B on Dog { ... on Pet { ...C } } fragment C on Pet { ... on Dog { ...A } }'], ['{ dog { ...A ...B } } fragment A on Dog { ...C } fragment B on Dog { ...C ...C } fragment C on Dog { id }']],
  UniqueVariableNames: [['query($x: ID, $x: ID) { dog(id: $x) { id } }', 'query($x: ID, $x: Int) { dog(id: $x) { id } }'], ['query A($x: ID) { dog(id: $x) { id } } query B($x: Int) { first(first: $x) { id } }']],
  NoUndefinedVariables: [['{ dog(id: $x) { id } }', 'query A($x: ID) { ...F } query B { ...F } fragment F on Query { dog(id: $x) { id } }', 'query { dog @include(if: $x) { id } }', '{ arguments { where(v: { near: { x: $x } }) } }'], ['query($x: ID, $y: Boolean!) { ...F } fragment F on Query { dog(id: $x) { id @skip(if: $y) } }']],
  NoUnusedVariables: [['query($x: ID) { dog { id } }', 'query A($x: ID) { dog { id } } query B($x: ID) { dog(id: $x) { id } }'], ['query($x: Int!) { arguments { where(v: { near: { x: $x } }) } }']],
  KnownDirectives: [['{ dog @nope { id } }', '{ dog @onQuery { id } }', 'query @onField { dog { id } }', '{ dog { ...F @onField } } fragment F on Dog { id }', 'query($x: ID @onField) { dog(id: $x) { id } }', '{ dog { ...F } } fragment F on Dog @twice(n: 1) { id }', '{ dog @deprecated { id } }'], ['query @onQuery { dog @onField { ...F @twice(n: 1) } } fragment F on Dog { id }', 'query($x: ID @onVariable(because: "b")) { dog(id: $x) { id } }']],
  UniqueDirectivesPerLocation: [['{ dog @onField @onField { id } }', '{ dog @skip(if: true) @skip(if: false) { id } }', 'query @onQuery @onQuery { dog { id } }'], ['{ dog @twice(n: 1) @twice(n: 2) @skip(if: true) @include(if: true) { id @onField } }']],
  KnownArgumentNames: [['{ dog { name(first: true) } }', '{ dog @skip(if: true, unless: false) { id } }', '{ dog { doesKnow(command: SIT, nope: 1) } }', '{ pet { name(Surname: true) } }'], ['{ dog { isAt(x: 1, y: 2, old: 3) name(surname: true) } }']],
  UniqueArgumentNames: [['{ dog(id: 1, id: 2) { id } }', '{ dog @twice(n: 1, n: 2) { id } }'], ['{ dog { isAt(x: 1, y: 1) a: isAt(x: 1) } }']],
  ValuesOfCorrectType: [['{ arguments { int(v: "3") } }', '{ arguments { int(v: 3000000000) } }', '{ arguments { int(v: 1.0) } }', '{ arguments { float(v: "1") } }', '{ arguments { string(v: 1) } }', '{ arguments { boolean(v: 1) } }', '{ arguments { id(v: 1.5) } }', '{ arguments { enum(v: "TAN") } }', '{ arguments { enum(v: PURPLE) } }', '{ arguments { strings(v: ["a", 1]) } }',
    '{ arguments { required(x: null, y: 1) } }', '{ arguments { where(v: { near: { note: "n" } }) } }', '{ arguments { where(v: { nope: 1 }) } }', '{ arguments { where(v: []) } }', '{ arguments { nonNullStrings(v: [null]) } }', '{ arguments { matrix(v: [[1], ["2"]]) } }', '{ arguments { by(v: {}) } }', '{ arguments { by(v: { name: "x", id: 1 }) } }', '{ arguments { by(v: { name: null }) } }',
    'query($x: Int = "1") { first(first: $x) { id } }', 'query($x: Where = { limits: [null] }) { arguments { where(v: $x) } }', '{ dog @skip(if: "yes") { id } }', '{ arguments { int(v: { a: 1 }) } }'],
  ['{ arguments { int(v: null) float(v: 3) id(v: 3) string(v: """b""") strings(v: "one") matrix(v: [1, null]) where(v: { limits: 3, not: { near: { x: 1 } } }) by(v: { id: 3 }) any(v: { a: [E, 1.5, null] }) nonNullDefault } }', 'query($x: String!) { arguments { by(v: { name: $x }) } }']],
  ProvidedRequiredArguments: [['{ dogs { id } }', '{ arguments { required(x: 1) } }', '{ dog @skip { id } }', '{ dog @twice { id } }', '{ arguments { by } }'], ['{ arguments { nonNullDefault optional required(x: 1, y: 2) } }']],
  VariablesInAllowedPosition: [['query($x: Int) { arguments { required(x: $x, y: 1) } }', 'query($x: String) { first(first: $x) { id } }', 'query($x: [ID]!) { dogs(ids: $x) { id } }', 'query($x: Boolean) { dog @skip(if: $x) { id } }', 'query($x: Int = null) { arguments { required(x: $x, y: 1) } }', 'query($x: [Int]) { arguments { int(v: $x) } }', 'query($x: Int) { arguments { strings(v: $x) } }', 'query($x: Int) { ...F } fragment F on Query { arguments { where(v: { near: { x: $x } }) } }'],
    ['query($x: Int = 1) { arguments { required(x: $x, y: 1) nonNullDefault(v: $x) int(v: $x) } }', 'query($x: Int) { arguments { nonNullDefault(v: $x) } }', 'query($x: [ID!]!) { dogs(ids: $x) { id } }', 'query($x: String!) { arguments { strings(v: [$x]) } }']],
  OverlappingFieldsCanBeMerged: [['{ dog { x: name x: nickname } }', '{ dog { x: isAt(x: 1) x: isAt(x: 2) } }', '{ dog { name name(surname: true) } }', '{ pet { ... on Dog { x: barkVolume } ... on Cat { x: name } } }', '{ boxes { ... on IntBox { scalar } ... on StringBox { scalar } } }', '{ boxes { ... on IntBox { d: deep { scalar } } ... on StringBox { d: deep { scalar } } } }', '{ dog { ...A ...B } } fragment A on Dog { x: name } fragment B on Dog { x: nickname }', '{ box { other { value } other { value: __typename } } }', '{ a: dog { id } a: cat { id } }', '{ box { list { x: value } list: same { x: value } } }'],
    ['{ dog { name name isAt(x: 1, y: 2) isAt(y: 2, x: 1) } }', '{ pet { ... on Dog { x: nickname } ... on Cat { x: nickname } } }', '{ boxes { ... on IntBox { deep { unrelated } } ... on StringBox { deep { unrelated } } } }', '{ pet { ... on Dog { volume: barkVolume } ... on Cat { volume: meowVolume } } }']],
  UniqueInputFieldNames: [['{ arguments { where(v: { colour: TAN, colour: TAN }) } }', '{ arguments { where(v: { near: { x: 1, x: 1 } }) } }', '{ arguments { any(v: { a: 1, a: 2 }) } }'], ['{ arguments { where(v: { near: { x: 1 }, not: { near: { x: 1 } } }) } }']],
  MaxIntrospectionDepth: [[`{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }`, '{ __type(name: "Dog") { fields { type { fields { type { fields { type { name } } } } } } } }', '{ __schema { ...S } } fragment S on __Schema { types { ...T } } fragment T on __Type { interfaces { interfaces { interfaces { name } } } }'], ['{ __schema { types { fields { type { fields { type { name } } } } } } }']],
};

test('every rule of graphql-js has documents here', () => {
  assert.deepEqual(specifiedRules.map((r) => r.name.replace(/Rule$/, '')).sort(), Object.keys(documents).sort());
});

for (const [name, [broken, fine]] of Object.entries(documents))
  test(name, () => {
    const rule = specifiedRules.find((r) => r.name === `${name}Rule`);
    for (const text of broken) assert.ok(validate(schema, parse(text), [rule]).length > 0, `graphql-js takes ${text}`);
    for (const text of fine) assert.deepEqual(validate(schema, parse(text)).map((e) => e.message), [], text);
    const said = ours('judge', [...broken, ...fine]).split('\n');
    assert.equal(said.length, broken.length + fine.length);
    for (const [i, text] of broken.entries()) assert.notEqual(said[i], 'valid', text);
    for (const [i, text] of fine.entries()) assert.equal(said[broken.length + i], 'valid', text);
  });

// What the edition of September 2025 says beyond graphql-js 16.
test('the variable of a oneOf field can\'t be null', () => {
  const said = ours('judge', ['query($x: String) { arguments { by(v: { name: $x }) } }', 'query($x: String!) { arguments { by(v: { name: $x }) } }']).split('\n');
  assert.deepEqual(said.map((s) => s === 'valid'), [false, true]);
});

test('a subscription\'s root field is under no condition', () => {
  const said = ours('judge', ['subscription($b: Boolean!) { barked @skip(if: $b) { id } }', 'subscription { barked @include(if: true) { id } }', 'subscription { ... @skip(if: false) { barked { id } } }',
    'subscription { barked { id @skip(if: true) name } }']).split('\n');
  assert.deepEqual(said.map((s) => s === 'valid'), [false, false, false, true]);
});

// The rules of type systems: what each schema adds to this one, broken and not.
const base = 'type Query { a: String } ';
const schemas = {
  'a schema is defined once and names object types': [['schema { query: Query } schema { query: Query }', 'schema { query: Query query: Query }', 'schema { query: Query mutation: In } input In { a: Int }'],
    ['schema { query: Query mutation: M } type M { a: Int }']],
  'names are unique': [['type Query { b: Int }', 'type A { a: Int a: Int }', 'enum E { A A }', 'input I { a: Int a: Int }', 'type A { a(x: Int, x: Int): Int }', 'directive @d on FIELD directive @d on QUERY', 'directive @d(a: Int, a: Int) on FIELD', 'type A { a: Int } extend type A { a: Int }', 'union U = Query | Query', 'interface I { a: Int } type A implements I & I { a: Int }'],
    ['type A { a: Int } extend type A { b: Int }', 'enum E { A } extend enum E { B }']],
  'names of the language are its own': [['type __A { a: Int }', 'type A { __a: Int }', 'input I { __a: Int }', 'directive @__d on FIELD', 'enum E { true }', 'type A { a(__x: Int): Int }'], ['type _A { _a: Int }']],
  'types and directives are known and stand where they may': [['type A { a: Nope }', 'input I { a: Query }', 'type A { a: In } input In { a: Int }', 'type A { a(x: Query): Int }', 'union U = In input In { a: Int }', 'type A implements Nope { a: Int }', 'type A @nope { a: Int }', 'type A { a: Int @oneOf }', 'type A @deprecated { a: Int }', 'input I @oneOf @oneOf { a: Int }', 'scalar S @specifiedBy', 'type A { a: Int @deprecated(why: "x") }', 'type A { a: Int @deprecated(reason: 1) }', 'extend type Nope { a: Int }', 'extend input Query { a: Int }'],
    ['scalar S @specifiedBy(url: "https://example.com") type A { a(x: Int @deprecated): Int @deprecated(reason: "r") }']],
  'types have members': [['type A', 'enum E', 'input I', 'interface I', 'union U'], ['type A extend type A { a: Int }']],
  'objects are what their interfaces say': [['interface I { a: Int } type A implements I { b: Int }', 'interface I { a: Int } type A implements I { a: String }', 'interface I { a: Int! } type A implements I { a: Int }', 'interface I { a(x: Int): Int } type A implements I { a: Int }', 'interface I { a(x: Int): Int } type A implements I { a(x: Int!): Int }', 'interface I { a: Int } type A implements I { a(x: Int!): Int }',
    'interface I { a: Int } interface J implements I { a: Int } type A implements J { a: Int }', 'interface I implements I { a: Int }', 'interface I implements J { a: Int } interface J implements I { a: Int }', 'type A implements Query { a: String }'],
  ['interface I { a: [I] } type A implements I { a(x: Int): [A!]! }', 'interface I { a: Int } interface J implements I { a: Int } type A implements I & J { a: Int }']],
  'input objects can be written': [['input I { a: I! }', 'input I { a: J! } input J { b: I! }', 'input I { a: Int! @deprecated }', 'type A { a(x: Int! @deprecated): Int }'], ['input I { a: I b: [I!]! }', 'input I { a: Int! = 1 @deprecated }']],
  'a oneOf can be chosen from': [['input I @oneOf { a: Int! }', 'input I @oneOf { a: Int = 1 }'], ['input I @oneOf { a: Int b: [String!] }']],
};

for (const [name, [broken, fine]] of Object.entries(schemas))
  test(`schema: ${name}`, () => {
    const theirs = (text) => { try { return validateSchema(buildSchema(base + text)).map((e) => e.message); } catch (e) { return [e.message]; } };
    for (const text of broken) assert.ok(theirs(text).length > 0, `graphql-js takes ${text}`);
    for (const text of fine) assert.deepEqual(theirs(text), [], text);
    const said = ours('schema', [...broken, ...fine].map((text) => base + text)).split('\n');
    assert.equal(said.length, broken.length + fine.length, said.join('\n'));
    for (const [i, text] of broken.entries()) assert.notEqual(said[i], 'valid', text);
    for (const [i, text] of fine.entries()) assert.equal(said[broken.length + i], 'valid', text);
  });

test('schema: no type is the root of two operations, though graphql-js 16 lets it be', () => {
  assert.notEqual(ours('schema', [`${base}schema { query: Query mutation: Query }`]), 'valid');
});

// The pets of harness/gqlbed.c for graphql-js: the same schema, data and resolvers, so that both engines can be asked the same.
const pets = [['Dog', 'd1', 'Rex', 10], ['Dog', 'd2', 'Ben', 20], ['Dog', 'd3', 'Tim', 30], ['Cat', 'c1', 'Mia', 3], ['Human', 'h1', 'Ann', 0]]
  .map(([type, id, name, volume]) => ({ type, id, name, volume }));
const [d1, d2, d3, cat, human] = pets;
const echo = (s, { v }) => v ?? null;
const asText = (s, { v }) => (typeof v === 'object' && v !== null ? JSON.stringify(v) : v ?? null);
const id = (p) => p.id, nothing = () => null, box = () => ({});
const name = (p, { surname }) => (surname ? `${p.name} of the Hill` : p.name);
const broken = () => { throw new Error('the kennel is closed'); };
const dogOf = (key) => pets.find((p) => p.id === key) ?? (() => { throw new Error('there is no such dog'); })();
const orError = (f) => { try { return f(); } catch (e) { return e; } };
const sum = (s, { x, y }) => x + y;

// What is not here reads a property that is not there.
const resolvers = {
  Query: { dog: (s, { id: key }) => (key == null ? d1 : dogOf(key)), dogs: (s, { ids }) => ids.map((key) => orError(() => dogOf(key))),
    first: (s, { first }) => Array.from({ length: Math.max(first ?? 3, 0) }, (u, i) => pets[i % 3]), cat: () => cat, pet: () => d1, being: () => human,
    human: () => human, catOrDog: () => cat, dogOrHuman: () => d1, arguments: box, box, must: box, slow: async () => 'at last',
    wrongEnum: () => 'PURPLE', wrongInt: () => 'PURPLE', wrongType: () => human, list: () => [1, null, 3] },
  Dog: { id, name, barkVolume: (p) => p.volume, owner: () => human, mother: (p) => (p === d1 ? d2 : d3), friends: () => [d2, cat],
    nickname: nothing, slowName: async (p) => p.name, broken, brokenNow: broken },
  Cat: { id, name, meowVolume: (p) => p.volume, owner: () => human, nickname: nothing },
  Human: { name, pets: () => [d2, cat] },
  Box: { other: box, same: nothing },
  Arguments: { required: sum, optional: sum, int: echo, float: echo, string: echo, boolean: echo, id: echo, enum: echo, strings: echo, nonNullStrings: echo,
    matrix: asText, where: asText, wheres: asText, by: asText, any: echo, time: echo, nonNullDefault: echo },
  Mutation: { note: () => human, slowNote: async () => human, refuse: broken },
};

export function addPets(schema) {
  for (const [type, fields] of Object.entries(resolvers))
    for (const [field, resolve] of Object.entries(fields)) schema.getType(type).getFields()[field].resolve = resolve;
  for (const type of ['Node', 'Being', 'Pet', 'CatOrDog', 'DogOrHuman']) schema.getType(type).resolveType = (p) => p.type;
  return schema;
}

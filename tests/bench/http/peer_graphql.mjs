// The counterpart of GraphQL: graphql-http on node:http, over the fleet's own schema. A document is parsed, validated and compiled
// (graphql-jit; BENCH_JIT=no: executed by graphql-js) once, then kept, as a tuned service does. No limits of depth, aliases or cost.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import Ajv from 'ajv';
import { GraphQLError, buildSchema, execute, parse, validate } from 'graphql';
import { compileQuery } from 'graphql-jit';
import { createHandler } from 'graphql-http/lib/use/http';
import { claims, create, newTask, port, read, ready, refusal } from './peer_work.mjs';

const KEPT = 1000;
const schema = buildSchema(readFileSync(process.env.BENCH_SCHEMA, 'utf8'));
const valid = new Ajv().compile(newTask);
const refuse = (message, code) => { throw new GraphQLError(message, { extensions: { code } }); };
const allowed = (who, permission) => { const no = refusal(who, permission); if (no) refuse('not allowed', no === 401 ? 'UNAUTHENTICATED' : 'PERMISSION_DENIED'); };
const global = (id) => Buffer.from(`Task:${id}`).toString('base64');
const local = (id) => (id.startsWith('VGFzazo') ? Buffer.from(id, 'base64').toString().slice(5) : id);
const show = (t) => t && { ...t, id: global(t.id), taskId: t.id, createdBy: t.created_by, createdAt: t.created_at, updatedAt: t.updated_at };

schema.getQueryType().getFields().task.resolve = async (source, { id }, who) => {
  allowed(who, 'task.read');
  return show(await read(local(id)));
};
schema.getMutationType().getFields().createTask.resolve = async (source, { input }, who) => {
  allowed(who, 'task.create');
  if (!valid(input)) refuse(valid.errors[0].message, 'INVALID_ARGUMENT');
  return show(await create(who, input));
};
schema.getType('Node').resolveType = () => 'Task';

const documents = new Map();
function prepare(query, operationName) {
  const key = `${operationName ?? ''}\n${query}`;
  let d = documents.get(key);
  if (d) return d;
  const document = parse(query), errors = validate(schema, document);
  if (errors.length) return errors;
  const compiled = process.env.BENCH_JIT === 'no' ? null : compileQuery(schema, document, operationName);
  if (compiled && !('query' in compiled)) return compiled.errors;
  d = { document, run: compiled ? (args) => compiled.query(undefined, args.contextValue, args.variableValues ?? {}) : execute };
  if (documents.size < KEPT) documents.set(key, d);
  return d;
}

const handler = createHandler({
  onSubscribe({ headers }, { query, operationName, variables }) {
    try {
      const d = prepare(query, operationName);
      return Array.isArray(d) ? d : { schema, document: d.document, run: d.run, operationName, variableValues: variables, contextValue: claims(headers.authorization) };
    } catch (e) { return [e]; }
  },
  execute: (args) => args.run(args),
});
createServer((request, response) => (request.url.startsWith('/graphql') ? handler(request, response) : response.writeHead(404).end()))
  .listen({ port, host: '127.0.0.1', backlog: 511 }, ready);

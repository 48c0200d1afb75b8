// The counterpart of REST: Fastify, its schemas compiled, no logging, keep-alive.
import Fastify from 'fastify';
import { claims, create, newTask, port, read, ready, refusal, task } from './peer_work.mjs';

const app = Fastify({ logger: false, keepAliveTimeout: 60_000 });
app.post('/v1/tasks', { schema: { body: newTask, response: { 201: task } } }, async (request, reply) => {
  const who = claims(request.headers.authorization), no = refusal(who, 'task.create');
  if (no) return reply.code(no).send();
  const t = await create(who, request.body);
  return reply.code(201).header('location', `/v1/tasks/${t.id}`).header('etag', '"1"').send(t);
});
app.get('/v1/tasks/:id', { schema: { response: { 200: task } } }, async (request, reply) => {
  const no = refusal(claims(request.headers.authorization), 'task.read');
  if (no) return reply.code(no).send();
  const t = await read(request.params.id);
  return t ? reply.header('etag', `"${t.version}"`).send(t) : reply.code(404).send();
});
await app.listen({ port, host: '127.0.0.1' });
ready();

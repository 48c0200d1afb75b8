// The counterpart: one tuned Node process doing the same work as POST /v1/tasks and GET /v1/tasks/ID: verify the ES256 token,
// check the permission, validate by schema, one durable insert or one read by key, the same JSON. Named prepared statements,
// a pool sized for the machine, no logging, schema-compiled serialisation, keep-alive, verified tokens kept (BENCH_JWT_CACHE=no: each
// verified anew), random bytes fetched in bulk: what its documentation advises.
import Fastify from 'fastify';
import pg from 'pg';
import { createVerifier } from 'fast-jwt';
import { readFileSync } from 'node:fs';
import { randomFillSync } from 'node:crypto';

const { BENCH_PORT, BENCH_KEY, BENCH_SOCKET, BENCH_PASSWORD_FILE, BENCH_POOL = '16', BENCH_JWT_CACHE = 'yes' } = process.env;
const password = readFileSync(BENCH_PASSWORD_FILE, 'utf8').trim();
const pool = new pg.Pool({ host: BENCH_SOCKET, user: 'metafed', database: 'metafed', password, max: Number(BENCH_POOL) });
await pool.query(`CREATE TABLE IF NOT EXISTS bench_tasks (id uuid PRIMARY KEY, namespace text NOT NULL, title text NOT NULL,
  type text NOT NULL, priority smallint NOT NULL, state text NOT NULL, labels jsonb NOT NULL, payload jsonb,
  version bigint NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)`);
await pool.query('CREATE INDEX IF NOT EXISTS bench_tasks_labels ON bench_tasks USING gin (labels)');
await pool.query('CREATE INDEX IF NOT EXISTS bench_tasks_state ON bench_tasks (namespace, state, priority, id)');
const verify = createVerifier({ key: readFileSync(BENCH_KEY), algorithms: ['ES256'], cache: BENCH_JWT_CACHE === 'yes', cacheKeyBuilder: (token) => token });

const task = { type: 'object', properties: { id: { type: 'string' }, namespace: { type: 'string' }, title: { type: 'string' }, type: { type: 'string' },
  priority: { type: 'string' }, state: { type: 'string' }, labels: { type: 'object', additionalProperties: { type: 'string' } }, payload: {}, version: { type: 'integer' },
  created_at: { type: 'string' }, updated_at: { type: 'string' } } };
const body = { type: 'object', required: ['title'], additionalProperties: false, properties: { title: { type: 'string', minLength: 1, maxLength: 1000 },
  type: { type: 'string', pattern: '^[a-z0-9_.-]+$' }, priority: { enum: ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW', 1, 2, 3, 4] },
  labels: { type: 'object', additionalProperties: { type: 'string' } }, payload: {} } };
const names = [, 'CRITICAL', 'HIGH', 'MEDIUM', 'LOW'];

const random = Buffer.alloc(16 * 256);
let used = random.length;
function uuid7() {
  if (used === random.length) { randomFillSync(random); used = 0; }
  const b = random.subarray(used, used += 16);
  b.writeUIntBE(Date.now(), 0, 6);
  b[6] = 0x70 | (b[6] & 15);
  b[8] = 0x80 | (b[8] & 63);
  const h = b.toString('hex');
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
}

function may(request, permission) {
  const h = request.headers.authorization;
  if (!h?.startsWith('Bearer ')) return 401;
  try {
    const perms = verify(h.slice(7)).perms ?? ['*'];
    return perms.some((p) => p === '*' || p === permission || (p.endsWith('.*') && permission.startsWith(p.slice(0, -1)))) ? 0 : 403;
  } catch { return 401; }
}
const show = (r) => ({ ...r, priority: names[r.priority], version: Number(r.version), created_at: r.created_at.toISOString(), updated_at: r.updated_at.toISOString() });

const app = Fastify({ logger: false, keepAliveTimeout: 60_000 });
app.post('/v1/tasks', { schema: { body, response: { 201: task } } }, async (request, reply) => {
  const no = may(request, 'task.create');
  if (no) return reply.code(no).send();
  const t = request.body, id = uuid7();
  const priority = typeof t.priority === 'number' ? t.priority : Math.max(names.indexOf(t.priority ?? 'MEDIUM'), 1);
  const r = await pool.query({ name: 'insert', text: `INSERT INTO bench_tasks VALUES ($1, 'default', $2, $3, $4, 'QUEUED', $5, $6, 1, now(), now())
    RETURNING id, namespace, title, type, priority, state, labels, payload, version, created_at, updated_at`,
    values: [id, t.title, t.type ?? 'manual', priority, JSON.stringify(t.labels ?? {}), t.payload === undefined ? null : JSON.stringify(t.payload)] });
  return reply.code(201).header('location', `/v1/tasks/${id}`).header('etag', '"1"').send(show(r.rows[0]));
});
app.get('/v1/tasks/:id', { schema: { response: { 200: task } } }, async (request, reply) => {
  const no = may(request, 'task.read');
  if (no) return reply.code(no).send();
  const r = await pool.query({ name: 'read', text: `SELECT id, namespace, title, type, priority, state, labels, payload, version, created_at, updated_at
    FROM bench_tasks WHERE id = $1`, values: [request.params.id] });
  if (r.rows.length === 0) return reply.code(404).send();
  return reply.header('etag', `"${r.rows[0].version}"`).send(show(r.rows[0]));
});
await app.listen({ port: Number(BENCH_PORT), host: '127.0.0.1' });
process.send?.('ready');

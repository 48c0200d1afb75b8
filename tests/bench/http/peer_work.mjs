// What the three counterparts share: one tuned Node process that does the work of POST and GET /v1/tasks. Verify the ES256 token,
// check the permission, validate by schema, one durable insert or one read by key. Named prepared statements, a pool sized for the
// machine, verified tokens kept (BENCH_JWT_CACHE=no: each verified anew), random bytes fetched in bulk: what the documentation of
// each package advises. It keeps no log of events, no idempotency key, no second process.
import pg from 'pg';
import { createVerifier } from 'fast-jwt';
import { readFileSync } from 'node:fs';
import { randomFillSync } from 'node:crypto';

const { BENCH_KEY, BENCH_SOCKET, BENCH_PASSWORD_FILE, BENCH_POOL = '16', BENCH_JWT_CACHE = 'yes' } = process.env;
const password = readFileSync(BENCH_PASSWORD_FILE, 'utf8').trim();
const pool = new pg.Pool({ host: BENCH_SOCKET, user: 'metafed', database: 'metafed', password, max: Number(BENCH_POOL) });
await pool.query(`CREATE TABLE IF NOT EXISTS bench_tasks (id uuid PRIMARY KEY, namespace text NOT NULL, title text NOT NULL, description text,
  type text NOT NULL, priority smallint NOT NULL, state text NOT NULL, labels jsonb NOT NULL, payload jsonb, created_by text, trace_id text,
  version bigint NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)`);
await pool.query('CREATE INDEX IF NOT EXISTS bench_tasks_labels ON bench_tasks USING gin (labels)');
await pool.query('CREATE INDEX IF NOT EXISTS bench_tasks_state ON bench_tasks (namespace, state, priority, id)');
const verify = createVerifier({ key: readFileSync(BENCH_KEY), algorithms: ['ES256'], cache: BENCH_JWT_CACHE === 'yes', cacheKeyBuilder: (token) => token });

const nullable = { type: 'string', nullable: true };
export const task = { type: 'object', properties: { id: { type: 'string' }, namespace: { type: 'string' }, title: { type: 'string' }, description: nullable, type: { type: 'string' },
  priority: { type: 'string' }, state: { type: 'string' }, labels: { type: 'object', additionalProperties: { type: 'string' } }, payload: {}, created_by: nullable,
  trace_id: { type: 'string' }, version: { type: 'integer' }, created_at: { type: 'string' }, updated_at: { type: 'string' } } };
export const newTask = { type: 'object', required: ['title'], additionalProperties: false, properties: { title: { type: 'string', minLength: 1, maxLength: 1000 },
  description: { type: 'string' }, type: { type: 'string', pattern: '^[a-z0-9_.-]+$' }, priority: { enum: ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW', 1, 2, 3, 4] },
  labels: { type: 'object', additionalProperties: { type: 'string' } }, payload: {} } };
const priorities = [, 'CRITICAL', 'HIGH', 'MEDIUM', 'LOW'];
const columns = 'id, namespace, title, description, type, priority, state, labels, payload, created_by, trace_id, version, created_at, updated_at';

const random = Buffer.alloc(16 * 256);
let used = random.length;
function next16() {
  if (used === random.length) { randomFillSync(random); used = 0; }
  return random.subarray(used, used += 16);
}
export function uuid7() {
  const b = next16();
  b.writeUIntBE(Date.now(), 0, 6);
  b[6] = 0x70 | (b[6] & 15);
  b[8] = 0x80 | (b[8] & 63);
  const h = b.toString('hex');
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
}

// The claims of an Authorization header; null: none that counts.
export function claims(header) {
  if (!header?.startsWith('Bearer ')) return null;
  try { return verify(header.slice(7)); } catch { return null; }
}

// 0, or the status that says no.
export function refusal(who, permission) {
  if (!who) return 401;
  return (who.perms ?? ['*']).some((p) => p === '*' || p === permission || (p.endsWith('.*') && permission.startsWith(p.slice(0, -1)))) ? 0 : 403;
}

const show = (r) => ({ ...r, priority: priorities[r.priority], version: Number(r.version), created_at: r.created_at.toISOString(), updated_at: r.updated_at.toISOString() });

export async function create(who, t) {
  const priority = typeof t.priority === 'number' ? t.priority : Math.max(priorities.indexOf(t.priority ?? 'MEDIUM'), 1);
  const r = await pool.query({ name: 'insert', text: `INSERT INTO bench_tasks (${columns}) VALUES ($1, 'default', $2, $3, $4, $5, 'QUEUED', $6, $7, $8, $9, 1, now(), now()) RETURNING ${columns}`,
    values: [uuid7(), t.title, t.description ?? null, t.type ?? 'manual', priority, JSON.stringify(t.labels ?? {}), t.payload === undefined ? null : JSON.stringify(t.payload), who.sub, next16().toString('hex')] });
  return show(r.rows[0]);
}

// Null: there is none.
export async function read(id) {
  const r = await pool.query({ name: 'read', text: `SELECT ${columns} FROM bench_tasks WHERE id = $1`, values: [id] });
  return r.rows.length === 0 ? null : show(r.rows[0]);
}

export const port = Number(process.env.BENCH_PORT);
export const ready = () => process.send?.('ready');

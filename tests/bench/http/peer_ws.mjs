// The counterpart of WebSocket: ws, speaking as much of metafed.v1 as is measured. Events go to all sessions of this process after the
// commit, from memory, the message made once. What that lacks beside the fleet: no log, so an event between commit and send is lost
// with the process, and whoever was away can't ask for what he missed; no other process hears of it; no window and no end to what is
// queued for a slow client; the permission is asked once, when the subscription begins; no ping, no limit of idleness.
import { createServer } from 'node:http';
import Ajv from 'ajv';
import stringify from 'fast-json-stringify';
import { WebSocketServer } from 'ws';
import { claims, create, newTask, port, read, ready, refusal, task, uuid7 } from './peer_work.mjs';

const valid = new Ajv().compile(newTask), text = stringify(task);
const listeners = new Map();    // session -> id of its subscription
let position = 0;

function tell(t) {
  const event = { id: t.id, namespace: t.namespace, version: t.version, state: t.state, type: t.type, priority: t.priority, created_by: t.created_by };
  const rest = `"position":"${++position}","event":"task.created","at":"${t.created_at}","data":${JSON.stringify(event)}}`;
  const made = new Map();
  for (const [ws, id] of listeners) {
    let message = made.get(id);
    if (!message) made.set(id, message = Buffer.from(`{"type":"event","subscription":${JSON.stringify(id)},${rest}`));
    ws.send(message, { binary: false });
  }
}

async function submit(who, { method, endpoint, data }) {
  const reading = /^\/tasks\/([0-9a-f-]{36})$/.exec(endpoint);
  if (method === 'POST' && endpoint === '/tasks') {
    const no = refusal(who, 'task.create') || (valid(data) ? 0 : 400);
    if (no) return `"status":${no}`;
    const t = await create(who, data);
    tell(t);
    return `"status":201,"headers":{"Location":"/v1/tasks/${t.id}","ETag":"\\"1\\""},"data":${text(t)}`;
  }
  if (method === 'GET' && reading) {
    const no = refusal(who, 'task.read');
    if (no) return `"status":${no}`;
    const t = await read(reading[1]);
    return t ? `"status":200,"headers":{"ETag":"\\"${t.version}\\""},"data":${text(t)}` : '"status":404';
  }
  return '"status":404';
}

async function hear(ws, who, data) {
  const m = JSON.parse(data), id = JSON.stringify(m.id);
  if (m.type === 'submit') {
    ws.send(`{"type":"result","id":${id},${await submit(who, m.api)}}`);
  } else if (m.type === 'subscribe' && m.topic === 'tasks' && !refusal(who, 'task.read')) {
    listeners.set(ws, m.id);
    for (const type of ['subscribed', 'caught_up']) ws.send(`{"type":"${type}","id":${id},"position":"${position}"}`);
  } else {
    ws.close(1008);
  }
}

const server = createServer();
new WebSocketServer({ server, path: '/v1/ws', perMessageDeflate: false, maxPayload: 1 << 20, handleProtocols: (p) => p.has('metafed.v1') && 'metafed.v1' })
  .on('connection', (ws, request) => {
    const who = claims(request.headers.authorization);
    ws.on('error', () => ws.terminate()).on('close', () => listeners.delete(ws));
    if (!who) { ws.close(4401); return; }
    ws.send(JSON.stringify({ type: 'hello', protocol: 'metafed.v1', session: uuid7(), subscriptions_most: 1 }));
    ws.send(JSON.stringify({ type: 'authenticated', principal: { id: who.sub, name: who.name, roles: who.roles }, expires_at: new Date(who.exp * 1000).toISOString() }));
    ws.on('message', (data) => hear(ws, who, data).catch((e) => { console.error(e); ws.close(1011); }));
  });
server.listen({ port, host: '127.0.0.1', backlog: 511 }, ready);

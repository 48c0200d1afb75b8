// Sessions and streams of events through TLS: wss and https, where libmicrohttpd goes on encrypting for a WebSocket.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import https from 'node:https';
import WebSocket from 'ws';
import { Fleet, freePort, newDir, sleep, until } from '../harness/fleet.mjs';

let f, token;
const agent = new https.Agent({ rejectUnauthorized: false, keepAlive: true });
const call = (method, path, body, headers = {}) => new Promise((resolve, reject) => {
  const data = body && JSON.stringify(body);
  const q = https.request({ host: '127.0.0.1', port: f.port, method, path, agent, headers: { ...(token && { authorization: `Bearer ${token}` }), ...(data && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(data) }), ...headers } }, (r) => {
    let text = '';
    r.on('data', (d) => { text += d; }).on('end', () => resolve({ status: r.statusCode, text, json: text.startsWith('{') ? JSON.parse(text) : null }));
  });
  q.on('error', reject).end(data);
});

before(async () => {
  f = new Fleet();
  f.dir = newDir();
  f.var = `${f.dir}/v`;
  f.port = await freePort();
  f.configure('[guard]\ntls = yes\n[api]\ntls_self_signed = true\nlimit = off\nping_time = 500ms\nsessions = 20\nconnections = 40\n');
  f.up();
  let r;
  await until(async () => (r = await call('POST', '/v1/auth/login', f.admin()).catch(() => null))?.status === 200, 'a log-in');
  token = r.json.access_token;
});
after(async () => { agent.destroy(); await f?.stop(); });

const connections = async () => Number(/^metafed_http_connections{[^}]*node="api"[^}]*} (\d+)/m.exec((await call('GET', '/metrics')).text)?.[1]);

async function wss() {
  const ws = new WebSocket(`wss://127.0.0.1:${f.port}/v1/ws`, 'metafed.v1', { rejectUnauthorized: false, headers: { authorization: `Bearer ${token}` } });
  ws.got = [];
  ws.on('message', (d) => ws.got.push(JSON.parse(d)));
  ws.on('close', (code) => { ws.code = code; });
  await new Promise((resolve, reject) => { ws.once('open', resolve); ws.once('error', reject); });
  ws.hears = (fits, what = String(fits)) => until(() => ws.got.some(fits), what);
  await ws.hears((m) => m.type === 'authenticated');
  return ws;
}

test('a session over wss submits, hears, answers pings, and gives its connection back', async () => {
  const before = await connections(), ws = await wss();
  ws.send(JSON.stringify({ type: 'subscribe', id: 'a', topic: 'tasks' }));
  await ws.hears((m) => m.type === 'subscribed');
  ws.send(JSON.stringify({ type: 'submit', id: 's', api: { method: 'POST', endpoint: '/tasks', data: { title: 'secret', description: 'x'.repeat(60_000) } } }));
  await ws.hears((m) => m.id === 's' && m.status === 201);
  await ws.hears((m) => m.type === 'event');
  await sleep(1500); // three pings
  assert.equal(ws.code, undefined);
  ws.close(1000);
  await until(() => ws.code === 1000, 'its close');
  const dropped = await wss();
  dropped.terminate();
  await until(async () => await connections() === before, 'the connections given back');
});

test('a stream over https begins, goes on and ends', async () => {
  let text = '';
  const before = await connections();
  const q = https.request({ host: '127.0.0.1', port: f.port, path: '/v1/events', rejectUnauthorized: false, agent: false, headers: { authorization: `Bearer ${token}` } }, (r) => r.on('data', (d) => { text += d; }).on('error', () => {}));
  q.on('error', () => {}).end();
  await until(() => text.includes('event: caught_up'), 'its beginning');
  for (let i = 0; i < 3; i++) {
    const r = await call('POST', '/v1/tasks', { title: `seen ${i}` });
    await until(() => text.includes(r.json.id), 'the event');
  }
  await until(() => text.includes('\n:\n'), 'a comment');
  q.destroy();
  await until(async () => await connections() === before, 'the connection given back');
});

test('a drained edge ends both over TLS too', async () => {
  const ws = await wss();
  f.kill(JSON.parse((await call('GET', '/v1/fleet')).text).nodes.find((n) => n.name === 'api').pid, 'SIGTERM');
  await until(() => ws.code !== undefined, 'its end');
  assert.equal(ws.code, 1001);
  assert.ok(ws.got.some((m) => m.type === 'goodbye'));
});

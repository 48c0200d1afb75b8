// What is measured of each face. request(id): one to make a task, or to read the one of that id; made: rows for each unit of work; open:
// how many more may stand there, of requests that were under way at the end.
import { createRequire } from 'node:module';
import path from 'node:path';
import { CONNECTIONS, LISTENERS, deliveries, requests, submits } from './load.mjs';
import { PEERS } from './sides.mjs';

const task = { title: 'Measure the fleet', type: 'manual', priority: 'HIGH', labels: { area: 'bench' }, payload: { n: 1, text: 'x'.repeat(60) } };
const fields = 'id taskId namespace title description type priority state labels payload createdBy version createdAt updatedAt';
const graphql = (query, variables) => ({ method: 'POST', path: '/graphql', body: JSON.stringify({ query, variables }) });
const submit = (api) => ({ message: JSON.stringify({ type: 'submit', id: '1', api }) });
const askHttp = (side, request) => side.ask(request);

// One session: the answer, and the event of what was made.
function askSession(side, { message }) {
  const require = createRequire(path.join(PEERS, 'package.json')), WebSocket = require('ws');
  const ws = new WebSocket(`ws://127.0.0.1:${side.port}/v1/ws`, 'metafed.v1', { perMessageDeflate: false, headers: { authorization: `Bearer ${side.f.token}` } });
  const heard = {};
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`${side.name}: no answer of a session: ${JSON.stringify(heard)}`)), 10_000);
    ws.on('error', reject);
    ws.on('message', (data) => {
      const m = JSON.parse(data);
      heard[m.type] = m;
      if (m.type === 'authenticated') ws.send('{"type":"subscribe","id":"s","topic":"tasks"}');
      if (m.type === 'caught_up') ws.send(message);
      if (heard.error || (heard.result && (heard.event || !message.includes('POST')))) {
        clearTimeout(limit);
        ws.close();
        resolve({ result: heard.result, event: heard.event, error: heard.error, data: heard.result?.data });
      }
    });
  });
}

export const faces = {
  rest: { peer: 'peer_rest.mjs', ask: askHttp, idOf: (m) => m.id, works: [
    { name: 'POST /v1/tasks', load: requests, made: 1, open: CONNECTIONS, request: () => ({ method: 'POST', path: '/v1/tasks', body: JSON.stringify(task) }) },
    { name: 'GET /v1/tasks/ID', load: requests, made: 0, open: 0, request: (id) => ({ method: 'GET', path: `/v1/tasks/${id}` }) },
  ] },
  graphql: { peer: 'peer_graphql.mjs', ask: askHttp, idOf: (m) => m.data.createTask.taskId, works: [
    { name: 'mutation createTask', load: requests, made: 1, open: CONNECTIONS,
      request: () => graphql(`mutation Make($input: CreateTaskInput!) { createTask(input: $input) { ${fields} } }`, { input: task }) },
    { name: 'query task', load: requests, made: 0, open: 0, request: (id) => graphql(`query Read($id: ID!) { task(id: $id) { ${fields} } }`, { id }) },
  ] },
  ws: { peer: 'peer_ws.mjs', ask: askSession, idOf: (m) => m.data.id, works: [
    { name: 'submit POST /tasks', load: submits, made: 1, open: 0, request: () => submit({ method: 'POST', endpoint: '/tasks', data: task }) },
    { name: 'submit GET /tasks/ID', load: submits, made: 0, open: 0, request: (id) => submit({ method: 'GET', endpoint: `/tasks/${id}` }) },
    { name: `event to ${LISTENERS}`, load: deliveries, made: 1 / LISTENERS, open: 0, request: () => submit({ method: 'POST', endpoint: '/tasks', data: task }) },
  ] },
};

// transfers: money goes from task to document and back, an account at a time, each transfer one transaction under the versions
// that its client read. What all accounts have together never changes, in any state that a reader can prove to be one: all
// versions were the same before it read the last one and after it read the first one.
import { randomUUID } from 'node:crypto';
import { random } from './simulate.mjs';
import { sleep, until } from './fleet.mjs';

const BEGIN = 100;

export class Transfers {
  constructor(fleet, { seed, clients = 3, think = 10, limit = 6000 } = {}) {
    Object.assign(this, { fleet, seed, clients, think, limit, random: random(seed), done: 0, refused: 0, unknown: 0, states: 0, problems: [] });
    this.accounts = ['task', 'task', 'doc.left', 'doc.right'].map((model) => ({ model, id: randomUUID() }));
  }

  async post(database, task_id = randomUUID()) {
    const r = await this.fleet.call('POST', '/v1/requests', { body: { task_id, requirements: { database } }, timeout: this.limit }).catch(() => ({ status: 0 }));
    r.answer = r.json?.response ?? r.json;
    if (r.status === 200 && !r.answer?.success) r.status = r.answer?.problem?.status ?? 0;      // partial success: who it is was found out
    return r;
  }

  data(a, n) { return a.model === 'task' ? { payload: { n } } : { n }; }

  async open() {
    for (const a of this.accounts) {
      const data = { ...this.data(a, BEGIN), ...(a.model === 'task' && { title: 'account' }) };
      await until(async () => (await this.post({ operation: 'create', model: a.model, id: a.id, data })).status === 200, 'an account is opened');
    }
  }

  // {n, version}, or nothing.
  async read(a) {
    const r = await this.post({ operation: 'read', model: a.model, id: a.id }), x = r.answer?.result;
    if (r.status !== 200) return undefined;
    return { version: x.version, n: a.model === 'task' ? x.payload.n : x.data.n };
  }

  async transfer() {
    const i = Math.floor(this.random() * this.accounts.length), j = (i + 1 + Math.floor(this.random() * (this.accounts.length - 1))) % this.accounts.length;
    const pair = [this.accounts[i], this.accounts[j]], x = await this.read(pair[0]), y = await this.read(pair[1]);
    if (!x || !y) return;
    const sum = 1 + Math.floor(this.random() * 20), body = {
      operation: 'transaction', model: 'task',
      data: [[pair[0], x, -sum], [pair[1], y, sum]].map(([a, had, by]) => ({ operation: 'update', model: a.model, id: a.id, if_version: had.version, data: this.data(a, had.n + by) })),
    };
    const id = randomUUID();
    let r = await this.post(body, id);
    if (r.status === 0 || r.status >= 500) r = await this.post(body, id);
    if (r.status === 200) this.done++;
    else if (r.status === 409 || r.status === 412) this.refused++;
    else if (r.status === 0 || r.status >= 500 || r.status === 429) this.unknown++;
    else this.problems.push(`${r.status} ${r.text}`);
  }

  async all() {
    const out = [];
    for (const a of this.accounts) out.push(await this.read(a));
    return out.includes(undefined) ? undefined : out;
  }

  // Twice the same versions: between the two it was so.
  async look() {
    const one = await this.all(), two = one && await this.all();
    if (!two || one.some((x, i) => x.version !== two[i].version)) return false;
    const total = one.reduce((s, x) => s + x.n, 0);
    this.states++;
    if (total !== BEGIN * this.accounts.length) this.problems.push(`together ${total}: ${JSON.stringify(one)}`);
    return true;
  }

  async run(ms, meanwhile = async () => {}) {
    await this.open();
    const end = Date.now() + ms, repeat = async (what) => { while (Date.now() < end) { await what(); await sleep(this.random() * this.think); } };
    await Promise.all([...Array.from({ length: this.clients }, () => repeat(() => this.transfer())), repeat(() => this.look()), meanwhile()]);
    await until(() => this.look(), 'all accounts are read at the end', 20_000);
    if (this.done === 0) this.problems.push('no transfer was done');
    if (this.problems.length) throw new Error(`seed ${this.seed}: ${this.problems.length} problems\n${this.problems.slice(0, 8).join('\n')}`);
    return `${this.done} transfers, ${this.refused} refused, ${this.unknown} unknown, ${this.states} whole states seen`;
  }
}

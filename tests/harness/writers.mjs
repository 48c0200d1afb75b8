// Clients that write without a pause, and know what was acknowledged to them: that nothing is lost, nothing done twice, and
// how long nobody got through.
import assert from 'node:assert/strict';
import { sleep, until } from './fleet.mjs';

// Each writer has a task of its own and changes it again and again, each change under one key until it is acknowledged: the
// version of the task counts what was done.
const all = [];
export class Writers {
  constructor(f, n) { this.f = f; this.n = n; this.acks = []; this.tasks = []; all.push(this); }
  static end() { for (const w of all) w.over = true; }
  async start() {
    this.tasks = await Promise.all(Array.from({ length: this.n }, async (_, i) => {
      const r = await this.f.call('POST', '/v1/tasks', { body: { title: `writer ${i}` } });
      assert.equal(r.status, 201, r.text);
      return { id: r.json.id, done: 0 };
    }));
    this.running = this.tasks.map((t, i) => this.write(t, i));
    await until(() => this.tasks.every((t) => t.done > 0), 'all write');
  }
  async write(t, i) {
    while (!this.over) {
      const key = `"${t.id}-${t.done}"`;
      while (!this.over) {
        const r = await this.f.call('PATCH', `/v1/tasks/${t.id}`, { body: { title: `writer ${i} ${t.done}` }, headers: { 'idempotency-key': key, 'content-type': 'application/merge-patch+json' }, timeout: 10_000 }).catch(() => null);
        if (r?.status === 200) { t.done++; this.acks.push(performance.now()); break; }
        if (r && r.status < 500 && r.status !== 429) throw new Error(`${r.status} ${r.text}`);
        await sleep(10);
      }
    }
  }
  // The longest time without any acknowledgement since `from`.
  gap(from) {
    const at = [from, ...this.acks.filter((a) => a > from).sort((a, b) => a - b)];
    return Math.round(Math.max(...at.slice(1).map((a, i) => a - at[i])));
  }
  async more() {
    const had = this.tasks.map((t) => t.done);
    await until(() => this.tasks.every((t, i) => t.done > had[i] + 1), 'all write on');
  }
  async check() {
    this.over = true;
    await Promise.all(this.running);
    for (const t of this.tasks) {
      const r = await this.f.call('GET', `/v1/tasks/${t.id}`);
      assert.equal(r.status, 200, r.text);
      assert.equal(r.json.version, 1 + t.done, 'each change once');
      assert.match(r.json.title, new RegExp(` ${t.done - 1}$`));
    }
  }
}

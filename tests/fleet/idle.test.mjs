// What a fleet costs while nobody asks it anything.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Fleet, NODES, sleep } from '../harness/fleet.mjs';

let f;
before(async () => { f = await Fleet.start(); });
after(async () => { await f?.stop(); });

test('idle, the thirteen use less than 1 % of a core and less than 150 MB', async () => {
  await sleep(1500);
  const nodes = await f.nodes();
  const ticks = () => NODES.reduce((sum, n) => { const s = readFileSync(`/proc/${nodes[n].pid}/stat`, 'utf8').split(') ')[1].split(' '); return sum + Number(s[11]) + Number(s[12]); }, 0);
  const begin = ticks(), t = Date.now();
  await sleep(10_000);
  const share = (ticks() - begin) / 100 / ((Date.now() - t) / 1000) * 100;
  const rss = NODES.reduce((sum, n) => sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${nodes[n].pid}/status`, 'utf8'))[1]) / 1024, 0);
  console.log(`# measured idle: ${share.toFixed(2)} % of a core, ${rss.toFixed(1)} MB resident`);
  assert.ok(share < 1, `${share} %`);
  assert.ok(rss < 150, `${rss} MB`);
});

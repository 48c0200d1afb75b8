// The token agent is killed between two effects of a change of an account; the stand-in goes on with the same operation. What is shown
// once is shown all the same, what is used once is used once, and nothing that was removed counts.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Fleet, alive, until } from '../harness/fleet.mjs';
import { PASSWORD, find, login, ok, person, session, store, totp } from '../harness/accounts.mjs';
import { CONF, allSteps } from '../harness/steps.mjs';

let f, vera, token;
before(async () => {
  f = await Fleet.start({ conf: `${CONF}[api]\nlimit = off\n` });
  vera = await person(f, 'vera');
  token = (await session(f, 'vera')).access_token;
});
after(async () => { await f?.stop(); });

const rows = (table) => Number(f.sql(`SELECT count(*) FROM ${table} WHERE user_id = '${vera.id}'`)[0][0]);
const enrol = async () => {
  const begun = ok(await store(f, token, 'create', 'my.factor', { data: { kind: 'totp' } }), 'enrol').json;
  const id = find(begun, 'id'), secret = find(begun, 'secret'), codes = find(begun, 'recovery_codes');
  ok(await store(f, token, 'update', 'my.factor', { id, data: { code: totp(secret) } }), 'confirm');
  return { id, secret, codes };
};

// What leads to each step, and what must be true after it.
const ways = {
  'jwt.account.factor_stored': async (arm) => {
    await arm();
    const { id, codes } = await enrol();
    assert.equal(rows('factors'), 1);
    ok(await login(f, 'vera', PASSWORD, codes[0]), 'the recovery codes that were shown are those that count');
    ok(await store(f, token, 'delete', 'my.factor', { id, data: { code: codes[1] } }));
  },
  'jwt.account.code_used': async (arm) => {
    const { id, codes } = await enrol();
    await arm();
    ok(await login(f, 'vera', PASSWORD, codes[0]));
    assert.equal((await login(f, 'vera', PASSWORD, codes[0])).json.reason, 'BAD_OTP');
    assert.equal(f.sql(`SELECT jsonb_array_length(recovery) FROM factors WHERE id = '${id}'`)[0][0], '9');
    ok(await store(f, token, 'delete', 'my.factor', { id, data: { password: PASSWORD } }));
  },
  'jwt.account.key_stored': async (arm) => {
    await arm();
    const made = ok(await store(f, token, 'create', 'my.api_key', { data: { name: 'k' } })).json;
    assert.equal((await f.call('GET', '/v1/tasks', { token: find(made, 'key') })).status, 200);
    assert.equal(rows('api_keys'), 1);
    ok(await store(f, token, 'delete', 'my.api_key', { id: find(made, 'id') }));
  },
  'jwt.account.key_removed': async (arm) => {
    const made = ok(await store(f, token, 'create', 'my.api_key', { data: { name: 'k' } })).json, key = find(made, 'key');
    assert.equal((await f.call('GET', '/v1/tasks', { token: key })).status, 200);
    await arm();
    ok(await store(f, token, 'delete', 'my.api_key', { id: find(made, 'id') }));
    assert.equal((await f.call('GET', '/v1/tasks', { token: key })).status, 401);
    assert.equal(rows('api_keys'), 0);
  },
  'jwt.account.changed': async (arm) => {
    await arm();
    const other = await session(f, 'vera');
    ok(await store(f, other.access_token, 'delete', 'my.session', { id: '*' }));
    for (const t of [token, other.access_token]) assert.equal((await f.call('GET', '/v1/tasks', { token: t })).status, 401);
    assert.equal((await f.call('POST', '/v1/auth/refresh', { token: null, body: { refresh_token: other.refresh_token } })).status, 401);
    token = (await session(f, 'vera')).access_token;
  },
};

for (const { step } of allSteps().filter((s) => /^jwt\.account\./.test(s.step))) {
  test(`killed at ${step}: it is done, once`, async () => {
    const way = ways[step];
    assert.ok(way, 'there is a way that leads to it');
    const pid = await f.pid('jwt');
    // Who was killed a moment ago is not asked first at once: what goes by the stand-in must be right as well.
    await until(async () => { await way(() => f.faults('jwt', `@${step}: kill`)); return !alive(pid); }, `${step} is reached`);
    await f.back('jwt', pid);
  });
}

/* document_scripts: see document_scripts.h. */
#include "database/nosql/document_scripts.h"

const char document_read_script[] =
    DOCUMENT_LUA "local d = live(ARGV[2])\n"
		 "return {d, d and redis.call('ZSCORE', p .. 'ttl', ARGV[2]),\n"
		 "  redis.call('HGET', p .. 'held', ARGV[2])}\n";

/* The result is looked for first: a repeated operation must find it, whatever came after it. What is there but
 * not alive has had its time. */
const char document_write_script[] =
    DOCUMENT_LUA "local done = redis.call('GET', KEYS[2])\n"
		 "if done then return {'done', done} end\n"
		 "local id, want = ARGV[3], ARGV[4]\n"
		 "local old = held(id) or stale(ARGV[2])\n"
		 "if old then return old end\n"
		 "local have = live(id)\n"
		 "if want == '' and have then return {'have', have} end\n"
		 "if want ~= '' then\n"
		 "  if not have then return {'none'} end\n"
		 "  if have ~= want then return {'have', have} end\n"
		 "end\n"
		 "old = taken(id, ARGV, 8, #ARGV, {})\n"
		 "if old then return old end\n"
		 "if not have and redis.call('EXISTS', KEYS[1]) == 1 then erase(id) end\n"
		 "put(id, ARGV[5], ARGV[6], ARGV, 8, #ARGV)\n"
		 "if ARGV[7] ~= '0' then redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[7]) end\n"
		 "return {'ok'}\n";

const char document_delete_script[] =
    DOCUMENT_LUA "local done = redis.call('GET', KEYS[2])\n"
		 "if done then return {'done', done} end\n"
		 "local old = held(ARGV[2])\n"
		 "if old then return old end\n"
		 "local have = live(ARGV[2])\n"
		 "if not have then return {'none'} end\n"
		 "if ARGV[3] ~= '0' and string.match(have, '^(%d+):') ~= ARGV[3] then\n"
		 "  return {'have', have}\n"
		 "end\n"
		 "erase(ARGV[2])\n"
		 "redis.call('SET', KEYS[2], have, 'PX', ARGV[4])\n"
		 "return {'ok', have}\n";

/* Documents whose time is over are passed over; the clock is read once, and only where some can be. */
const char document_slice_script[] = DOCUMENT_LUA
    "local old = stale(ARGV[2])\n"
    "if old then return old end\n"
    "local left, bytes, seen, last, over = tonumber(ARGV[5]), tonumber(ARGV[6]), 0, '', '1'\n"
    "local t = redis.call('EXISTS', p .. 'ttl') == 1 and now()\n"
    "local out = {}\n"
    "for r = 7, #ARGV, 2 do\n"
    "  local ms\n"
    "  if ARGV[4] == '1' then\n"
    "    ms = redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[r+1], ARGV[r], 'LIMIT', 0, left)\n"
    "  else\n"
    "    ms = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[r], ARGV[r+1], 'LIMIT', 0, left)\n"
    "  end\n"
    "  for _, m in ipairs(ms) do\n"
    "    local id = ARGV[3] == '' and m or owner(m)\n"
    "    local d = redis.call('GET', p .. 'd:' .. id)\n"
    "    local at = d and t and redis.call('ZSCORE', p .. 'ttl', id)\n"
    "    if d and not (at and tonumber(at) <= t) then\n"
    "      out[#out+1] = m; out[#out+1] = d\n"
    "      bytes = bytes - #d\n"
    "    end\n"
    "    seen = seen + 1; left = left - 1; last = m\n"
    "    if bytes <= 0 then break end\n"
    "  end\n"
    "  if left == 0 or bytes <= 0 then over = '0'; break end\n"
    "end\n"
    "local tx = redis.call('ZRANGE', p .. 'tx', 0, 999)\n"
    "return {'ok', seen, last, over, tx, unpack(out)}\n";

const char document_count_script[] = DOCUMENT_LUA
    "local old = stale(ARGV[2])\n"
    "if old then return old end\n"
    "local n, key = 0, ARGV[3] == '' and p .. 'ids' or p .. 'x:' .. ARGV[3]\n"
    "for r = 4, #ARGV, 2 do n = n + redis.call('ZLEXCOUNT', key, ARGV[r], ARGV[r+1]) end\n"
    "return {'ok', n, redis.call('ZCARD', p .. 'ids')}\n";

/* What is staged has its entries by the declaration as it was: so it is settled first. */
const char collection_declare_script[] =
    DOCUMENT_LUA "local old = stale(ARGV[2]) or staging()\n"
		 "if old then return old end\n"
		 "local kept = redis.call('ZCARD', p .. 'ids') == 0 and ARGV[5] or ARGV[4]\n"
		 "redis.call('HSET', KEYS[1], 'epoch', ARGV[3], 'kept', kept)\n"
		 "for i = 6, #ARGV do redis.call('UNLINK', p .. 'x:' .. ARGV[i]) end\n"
		 "return {'ok', kept}\n";

const char collection_read_script[] =
    DOCUMENT_LUA "return {redis.call('HGET', KEYS[1], 'kept'), redis.call('ZCARD', p .. 'ids')}\n";

const char collection_drop_script[] = DOCUMENT_LUA
    "if redis.call('EXISTS', KEYS[2]) == 1 then return {'done'} end\n"
    "local old = stale(ARGV[2]) or staging()\n"
    "if old then return old end\n"
    "if ARGV[3] ~= '0' then\n"
    "  for _, id in ipairs(redis.call('ZRANGE', p .. 'ids', 0, ARGV[3] - 1)) do erase(id) end\n"
    "end\n"
    "local left = redis.call('ZCARD', p .. 'ids')\n"
    "if left == 0 then\n"
    "  for i = 5, #ARGV do redis.call('UNLINK', p .. 'x:' .. ARGV[i]) end\n"
    "  redis.call('DEL', KEYS[1], p .. 'ttl')\n"
    "  if ARGV[4] ~= '0' then redis.call('SET', KEYS[2], '', 'PX', ARGV[4]) end\n"
    "end\n"
    "return {'ok', left}\n";

const char collection_index_script[] = DOCUMENT_LUA
    "local old = stale(ARGV[2])\n"
    "if old then return old end\n"
    "local out, i = {'ok', 0}, 4\n"
    "while i <= #ARGV do\n"
    "  local id, from, to = ARGV[i], i + 3, i + 2 + ARGV[i+2]\n"
    "  if redis.call('GET', p .. 'd:' .. id) == ARGV[i+1] then\n"
    "    local had, list, whole = redis.call('GET', p .. 'k:' .. id), {}, true\n"
    "    had = had and cmsgpack.unpack(had) or {}\n"
    "    for k = 1, #had, 2 do list[had[k]] = had[k+1] end\n"
    "    for k = from, to, 3 do\n"
    "      local slot, key = ARGV[k], ARGV[k+2]\n"
    "      whole = whole and list[slot] == key and\n"
    "          redis.call('ZSCORE', p .. 'x:' .. slot, member(key, id))\n"
    "      local other = ARGV[k+1] == '1' and holder(slot, key, id, {})\n"
    "      if other then out[#out+1] = slot; out[#out+1] = id; out[#out+1] = other end\n"
    "    end\n"
    "    if not whole then\n"
    "      out[2] = out[2] + 1\n"
    "      if ARGV[3] == '1' then enter(id, ARGV, from, to) end\n"
    "    end\n"
    "  end\n"
    "  i = to + 1\n"
    "end\n"
    "return out\n";

const char collection_strays_script[] = DOCUMENT_LUA
    "local old = stale(ARGV[2])\n"
    "if old then return old end\n"
    "local ms = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[4], '+', 'LIMIT', 0, ARGV[5])\n"
    "local strays = 0\n"
    "for _, m in ipairs(ms) do\n"
    "  local id, key = owner(m)\n"
    "  local had = redis.call('EXISTS', p .. 'd:' .. id) == 1 and\n"
    "      redis.call('GET', p .. 'k:' .. id)\n"
    "  had = had and cmsgpack.unpack(had) or {}\n"
    "  local found = false\n"
    "  for i = 1, #had, 2 do found = found or had[i] == ARGV[3] and had[i+1] == key end\n"
    "  if not found then\n"
    "    strays = strays + 1\n"
    "    if ARGV[6] == '1' then redis.call('ZREM', KEYS[1], m) end\n"
    "  end\n"
    "end\n"
    "return {'ok', #ms, strays, ms[#ms] or ''}\n";

const char collection_expire_script[] = DOCUMENT_LUA
    "local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now(), 'LIMIT', 0, ARGV[2])\n"
    "for _, id in ipairs(gone) do erase(id) end\n"
    "local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')\n"
    "return {#gone, next[2] or false, redis.call('EXISTS', p .. 'tx')}\n";

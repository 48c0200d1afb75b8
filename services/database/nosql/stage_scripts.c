/* stage_scripts: see stage_scripts.h. */
#include "database/nosql/stage_scripts.h"

#include "database/nosql/document_scripts.h"

/* Documents as stage_take_script has them: {id, was there, "put", "anew", "erase" or "", new one, life, -, entries}.
 * "anew": erased and made again, nothing of the old one stays. "": left as it is, its unique keys are not free.
 * A life that goes on ("@" before its end) is put back where its document was swept up meanwhile. */
#define STAGE_LUA                                                                                  \
	DOCUMENT_LUA                                                                               \
	"local function publish(docs)\n"                                                           \
	"  for _, d in ipairs(docs) do\n"                                                          \
	"    if d[3] == 'erase' or d[3] == 'anew' or\n"                                            \
	"        d[2] == '' and redis.call('EXISTS', p .. 'd:' .. d[1]) == 1\n"                    \
	"    then erase(d[1]) end\n"                                                               \
	"  end\n"                                                                                  \
	"  for _, d in ipairs(docs) do\n"                                                          \
	"    if d[3] == 'put' or d[3] == 'anew' then\n"                                            \
	"      local ends = string.match(d[5], '^@(.*)')\n"                                        \
	"      put(d[1], d[4], ends and '' or d[5], d, 7, #d)\n"                                   \
	"      if ends then redis.call('ZADD', p .. 'ttl', ends, d[1]) end\n"                      \
	"    end\n"                                                                                \
	"  end\n"                                                                                  \
	"end\n"                                                                                    \
	"local function record(operation, answer, till)\n"                                         \
	"  if operation == '' then return end\n"                                                   \
	"  redis.call('SET', p .. 'tr:' .. operation, answer, 'PXAT', till)\n"                     \
	"end\n"

/* Who holds a document may be about to change it: nothing is refused for what it is now. */
const char stage_look_script[] = DOCUMENT_LUA
    "local done = redis.call('GET', KEYS[1])\n"
    "if done then return {'DONE', done} end\n"
    "local mine = ARGV[3] ~= '' and redis.call('HGET', p .. 'tx:' .. ARGV[3], 'answer')\n"
    "if mine then return {'STAGED', mine} end\n"
    "for i = 4, #ARGV do\n"
    "  local t = held(ARGV[i])\n"
    "  if t then return t end\n"
    "end\n"
    "local old = stale(ARGV[2])\n"
    "if old then return old end\n"
    "local out = {'ok'}\n"
    "for i = 4, #ARGV do out[#out+1] = live(ARGV[i]) end\n"
    "return out\n";

const char stage_take_script[] =
    STAGE_LUA "local done = ARGV[4] ~= '' and redis.call('GET', KEYS[1])\n"
	      "if done then return {'DONE', done} end\n"
	      "local own = p .. 'tx:' .. ARGV[3]\n"
	      "local mine = ARGV[3] ~= '' and redis.call('HGET', own, 'answer')\n"
	      "if mine then return {'STAGED', mine} end\n"
	      "local docs, ids, i = {}, {}, 7\n"
	      "while i <= #ARGV do\n"
	      "  local d, last = {}, i + 5 + 3 * ARGV[i+5]\n"
	      "  for k = i, last do d[#d+1] = ARGV[k] end\n"
	      "  docs[#docs+1] = d\n"
	      "  ids[d[1]] = d[3] ~= ''\n"
	      "  local t = held(d[1])\n"
	      "  if t then return t end\n"
	      "  i = last + 1\n"
	      "end\n"
	      "local old = stale(ARGV[2])\n"
	      "if old then return old end\n"
	      "for _, d in ipairs(docs) do\n"
	      "  local have = live(d[1])\n"
	      "  if (have and '=' .. have or '') ~= d[2] then return {'CHANGED'} end\n"
	      "end\n"
	      /* of each other, too */
	      "local wanted = {}\n"
	      "for _, d in ipairs(docs) do\n"
	      "  local t = taken(d[1], d, 7, #d, ids)\n"
	      "  if t then return t end\n"
	      "  for k = 7, #d, 3 do\n"
	      "    local x = d[k] .. d[k+2]\n"
	      "    if d[k+1] == '1' then\n"
	      "      if wanted[x] then return {'taken', d[k], wanted[x]} end\n"
	      "      wanted[x] = d[1]\n"
	      "    end\n"
	      "  end\n"
	      "end\n"
	      "if ARGV[3] == '' then\n"
	      "  publish(docs)\n"
	      "  record(ARGV[4], ARGV[5], ARGV[6])\n"
	      "  return {'ok'}\n"
	      "end\n"
	      "for _, d in ipairs(docs) do\n"
	      "  local ends = d[3] == 'put' and d[5] == '' and d[2] ~= '' and\n"
	      "      redis.call('ZSCORE', p .. 'ttl', d[1])\n"
	      "  if ends then d[5] = '@' .. ends end\n"
	      "  if d[2] ~= '' then d[2] = '=' end\n"
	      "  redis.call('HSET', p .. 'held', d[1], ARGV[3])\n"
	      "end\n"
	      "for x, id in pairs(wanted) do redis.call('HSET', p .. 'rs', x, id) end\n"
	      "redis.call('ZADD', p .. 'tx', now(), ARGV[3])\n"
	      "redis.call('HSET', own, 'docs', cmsgpack.pack(docs), 'answer', ARGV[5],\n"
	      "  'record', ARGV[4], 'until', ARGV[6])\n"
	      "return {'ok'}\n";

/* What lost its record, by damage, holds nothing any more. */
const char stage_settle_script[] =
    STAGE_LUA "local own = redis.call('HMGET', KEYS[1], 'docs', 'answer', 'record', 'until')\n"
	      "if not own[1] then\n"
	      "  local h = redis.call('HGETALL', p .. 'held')\n"
	      "  for i = 1, #h, 2 do\n"
	      "    if h[i+1] == ARGV[2] then redis.call('HDEL', p .. 'held', h[i]) end\n"
	      "  end\n"
	      "  redis.call('ZREM', p .. 'tx', ARGV[2])\n"
	      "  return 0\n"
	      "end\n"
	      "local docs = cmsgpack.unpack(own[1])\n"
	      "if ARGV[3] == 'commit' then\n"
	      "  publish(docs)\n"
	      "  record(own[3], own[2], own[4])\n"
	      "end\n"
	      "for _, d in ipairs(docs) do\n"
	      "  redis.call('HDEL', p .. 'held', d[1])\n"
	      "  for k = 7, #d, 3 do\n"
	      "    if d[k+1] == '1' then redis.call('HDEL', p .. 'rs', d[k] .. d[k+2]) end\n"
	      "  end\n"
	      "end\n"
	      "redis.call('ZREM', p .. 'tx', ARGV[2])\n"
	      "redis.call('DEL', KEYS[1])\n"
	      "return #docs\n";

const char stage_list_script[] =
    "local now = redis.call('TIME')\n"
    "local out = redis.call('ZRANGE', KEYS[1], 0, 99, 'WITHSCORES')\n"
    "out[#out+1] = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))\n"
    "return out\n";

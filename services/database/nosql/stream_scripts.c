/* stream_scripts: see stream_scripts.h.
 *
 * A stream is a Redis stream whose entry of position N has the id "N-0": positions have no gaps, so
 * that a length is a difference and a time is found by bisection. An entry holds its time `t` (us,
 * never less than the one before it), `b`, the bytes of all data up to its own since the stream
 * began, and its data `d`. The head knows the last position ever given: a trimmed or deleted stream
 * goes on behind it. Numbers are doubles, exact to 2^53. */
#include "database/nosql/stream_scripts.h"

#define TRIM_MOST      "100000" /* events of one call: some 10 ms of the server */
#define CONSUMERS_MOST "1000"

#define PRELUDE                                                                                    \
	"local s, m, c, op = KEYS[1], KEYS[2], KEYS[3], KEYS[4]\n"                                 \
	"local function int(n) return string.format('%.0f', n) end\n"                              \
	"local function head()\n"                                                                  \
	"  local h = redis.call('HMGET', m, 'last', 'total', 'at', 'gone')\n"                      \
	"  return tonumber(h[1] or 0), tonumber(h[2] or 0), tonumber(h[3] or 0),\n"                \
	"    redis.call('EXISTS', m) == 1 and not h[4]\n"                                          \
	"end\n"                                                                                    \
	"local function entry(p)\n"                                                                \
	"  return redis.call('XRANGE', s, int(p), int(p))[1][2]\n"                                 \
	"end\n"                                                                                    \
	"local function first_of(last)\n"                                                          \
	"  local e = redis.call('XRANGE', s, '-', '+', 'COUNT', 1)[1]\n"                           \
	"  if not e then return last + 1 end\n"                                                    \
	"  return tonumber(string.match(e[1], '^%d+')), e[2]\n"                                    \
	"end\n"                                                                                    \
	"local function now(at)\n"                                                                 \
	"  local t = redis.call('TIME')\n"                                                         \
	"  return math.max(tonumber(t[1]) * 1000000 + tonumber(t[2]), at)\n"                       \
	"end\n"                                                                                    \
	"local function at_or_after(t, low, high)\n"                                               \
	"  while low <= high do\n"                                                                 \
	"    local mid = math.floor((low + high) / 2)\n"                                           \
	"    if tonumber(entry(mid)[2]) < t then low = mid + 1 else high = mid - 1 end\n"          \
	"  end\n"                                                                                  \
	"  return low\n"                                                                           \
	"end\n"                                                                                    \
	"local function slowest()\n"                                                               \
	"  local all, low, who = redis.call('HGETALL', c), nil, nil\n"                             \
	"  for i = 1, #all, 2 do\n"                                                                \
	"    local p = tonumber(string.match(all[i+1], '^%d+'))\n"                                 \
	"    if not low or p < low then low, who = p, all[i] end\n"                                \
	"  end\n"                                                                                  \
	"  return low, who\n"                                                                      \
	"end\n"                                                                                    \
	"local function cut(first, before, force)\n"                                               \
	"  local want, who = before, ''\n"                                                         \
	"  if before > first and not force then\n"                                                 \
	"    local low, name = slowest()\n"                                                        \
	"    if low and low + 1 < before then before, want, who = low + 1, low + 1, name end\n"    \
	"  end\n"                                                                                  \
	"  if before <= first then return first, false, who end\n"                                 \
	"  before = math.min(before, first + " TRIM_MOST ")\n"                                     \
	"  redis.call('XTRIM', s, 'MINID', '=', int(before))\n"                                    \
	"  return before, before < want, who\n"                                                    \
	"end\n"                                                                                    \
	"local function retain(last, at)\n"                                                        \
	"  local h = redis.call('HMGET', m, 'max_length', 'max_age_ms', 'force')\n"                \
	"  if not h[1] and not h[2] then return end\n"                                             \
	"  local first, e = first_of(last)\n"                                                      \
	"  local before = first\n"                                                                 \
	"  if h[1] then before = math.max(before, last + 1 - tonumber(h[1])) end\n"                \
	"  if h[2] and e then\n"                                                                   \
	"    local old = at - tonumber(h[2]) * 1000\n"                                             \
	"    if tonumber(e[2]) < old then before = at_or_after(old, before, last) end\n"           \
	"  end\n"                                                                                  \
	"  cut(first, before, h[3] == '1')\n"                                                      \
	"end\n"                                                                                    \
	"local function keep(result)\n"                                                            \
	"  redis.call('SET', op, result, 'PX', ARGV[1])\n"                                         \
	"  return {'ok', result}\n"                                                                \
	"end\n"                                                                                    \
	"local function stat(last, total, rows)\n"                                                 \
	"  local first, e = first_of(last)\n"                                                      \
	"  local h = redis.call('HMGET', m, 'max_length', 'max_age_ms', 'force')\n"                \
	"  return table.concat({int(last), rows, int(first), int(last),\n"                         \
	"    e and int(total - tonumber(e[4]) + #e[6]) or '0', redis.call('HLEN', c),\n"           \
	"    h[1] or '', h[2] or '', h[3] or '0'}, ':')\n"                                         \
	"end\n"

#define CONSUMER                                                                                   \
	"local function fields(name, have, rows, last)\n"                                          \
	"  local p, v, start, t = string.match(have, '^(%d+):(%d+):(%w+):(%d+)$')\n"               \
	"  return table.concat({v, rows, name, p, int(last), int((first_of(last))), start, t},\n"  \
	"    ':')\n"                                                                               \
	"end\n"

#define REPEATED                                                                                   \
	"local done = redis.call('GET', op)\n"                                                     \
	"if done then return {'repeated', done} end\n"

#define EXPECTED                                                                                   \
	"if ARGV[2] ~= '' and tonumber(ARGV[2]) ~= last then return {'version', int(last)} end\n"

const char stream_append_script[] = PRELUDE REPEATED
    "local last, total, at = head()\n" EXPECTED "at = now(at)\n"
    "local from = last + 1\n"
    "for i = 3, #ARGV do\n"
    "  last, total = last + 1, total + #ARGV[i]\n"
    "  redis.call('XADD', s, int(last) .. '-0', 't', int(at), 'b', int(total), 'd', ARGV[i])\n"
    "end\n"
    "redis.call('HSET', m, 'last', int(last), 'total', int(total), 'at', int(at))\n"
    "redis.call('HDEL', m, 'gone')\n"
    "retain(last, at)\n"
    "return keep(table.concat({int(last), int(last - from + 1), int(from), int(last)}, ':'))\n";

const char stream_stat_script[] = PRELUDE "local last, total, _, there = head()\n"
					  "if not there then return {'missing'} end\n"
					  "return {'ok', stat(last, total, '0')}\n";

const char stream_retain_script[] =
    PRELUDE REPEATED "local last, total, at = head()\n" EXPECTED
		     "for i, name in ipairs({'max_length', 'max_age_ms', 'force'}) do\n"
		     "  local v = ARGV[i+2]\n"
		     "  if v == '0' then redis.call('HDEL', m, name)\n"
		     "  elseif v ~= '' then redis.call('HSET', m, name, v) end\n"
		     "end\n"
		     "redis.call('HSET', m, 'last', int(last))\n"
		     "redis.call('HDEL', m, 'gone')\n"
		     "retain(last, now(at))\n"
		     "return keep(stat(last, total, '1'))\n";

const char stream_trim_script[] = PRELUDE REPEATED
    "local last, _, _, there = head()\n"
    "if not there then return {'missing'} end\n"
    "local first = first_of(last)\n"
    "local before = first\n"
    "if ARGV[2] ~= '' then before = math.max(before, tonumber(ARGV[2])) end\n"
    "if ARGV[3] ~= '' then before = math.max(before, last + 1 - tonumber(ARGV[3])) end\n"
    "if ARGV[4] ~= '' then before = math.max(before, at_or_after(tonumber(ARGV[4]), first, last))\n"
    "end\n"
    "local left, more, who = cut(first, math.min(before, last + 1), ARGV[5] == '1')\n"
    "return keep(table.concat({int(last), int(left - first), int(left), int(last),\n"
    "  more and '1' or '0', who}, ':'))\n";

const char stream_delete_script[] = PRELUDE REPEATED
    "local last, total, at, there = head()\n"
    "if not there then return {'missing'} end\n" EXPECTED
    "if ARGV[3] ~= '1' and redis.call('EXISTS', c) == 1 then return {'consumers'} end\n"
    "redis.call('UNLINK', s, c, m)\n"
    "redis.call('HSET', m, 'last', int(last), 'total', int(total), 'at', int(at), 'gone', '1')\n"
    "return keep(table.concat({int(last), '1', int(last)}, ':'))\n";

const char stream_range_script[] = PRELUDE
    "local last = head()\n"
    "local first = first_of(last)\n"
    "local low, high, gap, back = first, last, 0, ARGV[8] == '1'\n"
    "local function behind(p)\n"
    "  if p + 1 < first then gap = 1 end\n"
    "  low = math.max(low, p + 1)\n"
    "end\n"
    "if ARGV[7] ~= '' then\n"
    "  local have = redis.call('HGET', c, ARGV[7])\n"
    "  if not have then return {'no_consumer'} end\n"
    "  behind(tonumber(string.match(have, '^%d+')))\n"
    "end\n"
    "if ARGV[3] ~= '' then behind(tonumber(ARGV[3])) end\n"
    "if ARGV[4] ~= '' then high = math.min(high, tonumber(ARGV[4]) - 1) end\n"
    "if ARGV[5] ~= '' then low = math.max(low, at_or_after(tonumber(ARGV[5]), first, last)) end\n"
    "if ARGV[6] ~= '' then\n"
    "  high = math.min(high, at_or_after(tonumber(ARGV[6]), first, last) - 1)\n"
    "end\n"
    "if ARGV[2] ~= '' then\n"
    "  if back then high = math.min(high, tonumber(ARGV[2]) - 1)\n"
    "  else\n"
    "    gap = 0\n"
    "    behind(tonumber(ARGV[2]))\n"
    "  end\n"
    "end\n"
    "local out, n, size = {'ok', int(last), gap, 0}, 0, 0\n"
    "local limit, most = tonumber(ARGV[9]), tonumber(ARGV[10])\n"
    "while low <= high and n < limit do\n"
    "  local count = math.min(limit - n, 32)\n"
    "  local page = back and redis.call('XREVRANGE', s, int(high), int(low), 'COUNT', count)\n"
    "    or redis.call('XRANGE', s, int(low), int(high), 'COUNT', count)\n"
    "  for _, e in ipairs(page) do\n"
    "    local p, d = tonumber(string.match(e[1], '^%d+')), e[2][6]\n"
    "    size = size + #d\n"
    "    if n > 0 and size > most then limit = n break end\n"
    "    n = n + 1\n"
    "    out[#out+1], out[#out+2], out[#out+3] = int(p), e[2][2], d\n"
    "    if back then high = p - 1 else low = p + 1 end\n"
    "  end\n"
    "end\n"
    "if low <= high then out[4] = 1 end\n"
    "return out\n";

const char consumer_create_script[] = PRELUDE CONSUMER
    "local last, _, at = head()\n"
    "local have = redis.call('HGET', c, ARGV[2])\n"
    "if have then\n"
    "  if string.match(have, '^%d+:%d+:(%w+):') ~= ARGV[3] then return {'exists'} end\n"
    "  return {'repeated', fields(ARGV[2], have, 1, last)}\n"
    "end\n"
    "if redis.call('HLEN', c) >= " CONSUMERS_MOST " then return {'full'} end\n"
    "local p = tonumber(ARGV[3])\n"
    "if ARGV[3] == 'first' then p = first_of(last) - 1 elseif ARGV[3] == 'last' then p = last end\n"
    "if p > last then return {'beyond', int(last)} end\n"
    "have = table.concat({int(p), '1', ARGV[3], int(now(0))}, ':')\n"
    "redis.call('HSET', c, ARGV[2], have)\n"
    "return {'ok', fields(ARGV[2], have, 1, last)}\n";

const char consumer_read_script[] =
    PRELUDE CONSUMER "local last = head()\n"
		     "local have = redis.call('HGET', c, ARGV[2])\n"
		     "if not have then return {'no_consumer'} end\n"
		     "return {'ok', fields(ARGV[2], have, 0, last)}\n";

const char consumer_update_script[] = PRELUDE CONSUMER REPEATED
    "local last = head()\n"
    "local have = redis.call('HGET', c, ARGV[2])\n"
    "if not have then return {'no_consumer'} end\n"
    "local p, v, start = string.match(have, '^(%d+):(%d+):(%w+):')\n"
    "local to = tonumber(ARGV[3])\n"
    "if ARGV[4] ~= '0' and v ~= ARGV[4] then return {'version', v} end\n"
    "if to > last then return {'beyond', int(last)} end\n"
    "if to < tonumber(p) and ARGV[5] ~= '1' then return {'backwards', p} end\n"
    "have = table.concat({int(to), int(tonumber(v) + 1), start, int(now(0))}, ':')\n"
    "redis.call('HSET', c, ARGV[2], have)\n"
    "return keep(fields(ARGV[2], have, 1, last))\n";

const char consumer_delete_script[] =
    PRELUDE CONSUMER REPEATED "local last = head()\n"
			      "local have = redis.call('HGET', c, ARGV[2])\n"
			      "if not have then return {'no_consumer'} end\n"
			      "local v = string.match(have, '^%d+:(%d+)')\n"
			      "if ARGV[3] ~= '0' and v ~= ARGV[3] then return {'version', v} end\n"
			      "redis.call('HDEL', c, ARGV[2])\n"
			      "return keep(fields(ARGV[2], have, 1, last))\n";

const char consumer_list_script[] =
    PRELUDE CONSUMER "local last = head()\n"
		     "local names = redis.call('HKEYS', c)\n"
		     "table.sort(names)\n"
		     "local out = {'ok'}\n"
		     "for _, name in ipairs(names) do\n"
		     "  if name > ARGV[2] and #out <= tonumber(ARGV[3]) then\n"
		     "    out[#out+1] = fields(name, redis.call('HGET', c, name), 0, last)\n"
		     "  end\n"
		     "end\n"
		     "return out\n";

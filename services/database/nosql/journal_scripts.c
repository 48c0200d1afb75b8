/* journal_scripts: what Redis runs for the journal. KEYS of all: mode, log, o, ops. A script answers
 * one word when it refuses: "mode" (another epoch, or another journal), "changed" (what it was made from
 * is not what is there), "full". */
#include "database/nosql/journal_int.h"

const char *const journal_keys[JOURNAL_KEYS] = {
	"mf:{journal}:mode",
	"mf:{journal}:log",
	"mf:{journal}:o",
	"mf:{journal}:ops",
};

#define SAY                                                                                        \
	"local m = redis.call('HMGET', KEYS[1], 'mode', 'epoch', 'journal', 'bytes', 'last',"      \
	" 'since')\n"                                                                              \
	"local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]\n"                   \
	"return {m[1], m[2], m[3], tostring(redis.call('XLEN', KEYS[2])), m[4], m[5],"             \
	" first and first[2][4] or '0', m[6]}\n"

/* ARGV: mode, epoch to change or 0, least, id for a new journal, now. Back to normal only when nothing
 * waits, which then is forgotten. */
const char script_mode[] =
    "local e = redis.call('HGET', KEYS[1], 'epoch')\n"
    "local least = tonumber(ARGV[3])\n"
    "if not e then\n"
    "  e = string.format('%.0f', math.max(1, least))\n"
    "  redis.call('HSET', KEYS[1], 'mode', '0', 'epoch', e, 'journal', ARGV[4],"
    " 'bytes', '0', 'last', '0', 'since', ARGV[5])\n"
    "elseif ARGV[2] == '0' and least > tonumber(e) then\n"
    "  redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', least))\n"
    "elseif ARGV[2] == e and not (ARGV[1] == '0' and redis.call('XLEN', KEYS[2]) > 0) then\n"
    "  redis.call('HSET', KEYS[1], 'mode', ARGV[1], 'since', ARGV[5], 'epoch',"
    " string.format('%.0f', math.max(tonumber(e) + 1, least)))\n"
    "  if ARGV[1] == '0' then\n"
    "    redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4])\n"
    "    redis.call('HSET', KEYS[1], 'bytes', '0')\n"
    "  end\n"
    "end\n" SAY;

/* ARGV: epoch, most entries, most bytes, entry, now, number of changes, of operations; for each change
 * id, version expected or 0, state; for each operation id, what it did. Answers the entry's number. */
const char script_append[] =
    "local m = redis.call('HMGET', KEYS[1], 'epoch', 'mode', 'bytes')\n"
    "if m[1] ~= ARGV[1] or m[2] == '0' then return 'mode' end\n"
    "local changes, operations = tonumber(ARGV[6]), tonumber(ARGV[7])\n"
    "for i = 0, changes - 1 do\n"
    "  local have = redis.call('HGET', KEYS[3], ARGV[8 + 3 * i])\n"
    "  if (have and string.match(have, '^%d+') or '0') ~= ARGV[9 + 3 * i] then return 'changed' "
    "end\n"
    "end\n"
    "local at = 8 + 3 * changes\n"
    "for i = 0, operations - 1 do\n"
    "  if redis.call('HEXISTS', KEYS[4], ARGV[at + 2 * i]) == 1 then return 'changed' end\n"
    "end\n"
    "if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[2]) or"
    " tonumber(m[3]) + #ARGV[4] > tonumber(ARGV[3]) then return 'full' end\n"
    "local n = redis.call('HINCRBY', KEYS[1], 'last', 1)\n"
    "redis.call('HINCRBY', KEYS[1], 'bytes', #ARGV[4])\n"
    "redis.call('XADD', KEYS[2], string.format('%.0f-0', n), 'e', ARGV[4], 't', ARGV[5])\n"
    "for i = 0, changes - 1 do\n"
    "  redis.call('HSET', KEYS[3], ARGV[8 + 3 * i], ARGV[10 + 3 * i])\n"
    "end\n"
    "for i = 0, operations - 1 do\n"
    "  redis.call('HSET', KEYS[4], ARGV[at + 2 * i], ARGV[at + 1 + 2 * i])\n"
    "end\n"
    "return n\n";

/* ARGV: epoch, number of ids, ids, operations. Answers the state of each id, then what each operation
 * did. What another mode has forgotten is not taken for unknown. */
const char script_look[] =
    "local m = redis.call('HMGET', KEYS[1], 'epoch', 'mode')\n"
    "if m[1] ~= ARGV[1] or m[2] == '0' then return 'mode' end\n"
    "local out, n = {}, tonumber(ARGV[2])\n"
    "for i = 3, #ARGV do\n"
    "  out[#out + 1] = redis.call('HGET', KEYS[i <= n + 2 and 3 or 4], ARGV[i])\n"
    "end\n"
    "return out\n";

/* ARGV: id. Answers the epoch and the state. */
const char script_get[] = "return {redis.call('HGET', KEYS[1], 'epoch'),"
			  " redis.call('HGET', KEYS[3], ARGV[1])}\n";

/* ARGV: journal, number after which to begin, most entries, most bytes. Answers the newest number, then
 * number, entry, number, entry, ... */
const char script_after[] =
    "local m = redis.call('HMGET', KEYS[1], 'journal', 'last')\n"
    "if m[1] ~= ARGV[1] then return 'mode' end\n"
    "local out, bytes, after = {m[2]}, 0, tonumber(ARGV[2])\n"
    "local most, room = tonumber(ARGV[3]), tonumber(ARGV[4])\n"
    "while #out < 2 * most do\n"
    "  local some = redis.call('XRANGE', KEYS[2], string.format('%.0f-0', after + 1), '+',"
    " 'COUNT', 16)\n"
    "  if #some == 0 then return out end\n"
    "  for _, x in ipairs(some) do\n"
    "    local e = x[2][2]\n"
    "    bytes = bytes + #e\n"
    "    if #out > 1 and (bytes > room or #out > 2 * most) then return out end\n"
    "    after = tonumber(string.match(x[1], '^%d+'))\n"
    "    out[#out + 1] = string.format('%.0f', after)\n"
    "    out[#out + 1] = e\n"
    "  end\n"
    "end\n"
    "return out\n";

/* ARGV: journal, number up to which. */
const char script_trim[] =
    "if redis.call('HGET', KEYS[1], 'journal') ~= ARGV[1] then return 'mode' end\n"
    "local upto = tonumber(ARGV[2])\n"
    "while true do\n"
    "  local some = redis.call('XRANGE', KEYS[2], '-', string.format('%.0f-0', upto),"
    " 'COUNT', 100)\n"
    "  if #some == 0 then break end\n"
    "  local bytes = 0\n"
    "  for _, x in ipairs(some) do\n"
    "    bytes = bytes + #x[2][2]\n"
    "    redis.call('XDEL', KEYS[2], x[1])\n"
    "  end\n"
    "  redis.call('HINCRBY', KEYS[1], 'bytes', -bytes)\n"
    "end\n" SAY;

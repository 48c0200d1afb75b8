/* document_scripts: the Lua functions of documents. What one of them sees and changes, it sees and changes at
 * once, and that is one entry of the append-only file.
 *
 * All keys of a collection share the hash tag {doc.NAME} behind "mf:" and so a node of a cluster. P is
 * "mf:{doc.NAME}:", always the first argument; texts of clients come as arguments, never as script.
 *
 *	P d:ID     <version>:<JSON>          P ids     sorted set of ids, all scores 0
 *	P k:ID     its entries in indexes    P x:SLOT  an index: KEY ID NUL length of ID, all scores 0
 *	P ttl      sorted set of ids by end  P op:...  result of an operation, kept a while
 *	P def      hash: epoch, kept (JSON)      P held, P tx...  stage.h
 *	P rs       hash: SLOT KEY -> id, of documents that are staged
 *
 * k:ID says what to take out of which index, whatever the declaration was when it came in. */
#ifndef NOSQL_DOCUMENT_SCRIPTS_H
#define NOSQL_DOCUMENT_SCRIPTS_H

/* What the others are built on; for scripts of other files too, which have P as ARGV[1].
 *
 * live(id)          the document as kept, unless its time is over; false
 * taken(id, v, from, to, mine)  of the entries in v[from..to] (slot, "1" for unique, key, ...): the first unique
 *                   one that another document has, or that is reserved for one, as {'taken', slot, its id};
 *                   nil: none. Those in `mine` don't count. {'HELD', transaction} when one holds that
 *                   document: the key is his or free, by what is decided
 * enter(id, v, from, to)  makes those its entries, instead of the ones it had
 * put(id, d, life, v, from, to)  document, life in ms from now or '' (as it is), entries
 * erase(id)         document, entries, all but results of operations
 * stale(epoch)      {'stale', kept} unless that is the epoch of the declaration
 * held(id)          {'HELD', transaction} if one holds the document (stage.h); nil
 * staging()         the same, if one holds any document of the collection */
#define DOCUMENT_LUA                                                                               \
	"local p = ARGV[1]\n"                                                                      \
	"local function now()\n"                                                                   \
	"  local t = redis.call('TIME')\n"                                                         \
	"  return t[1] * 1000 + math.floor(t[2] / 1000)\n"                                         \
	"end\n"                                                                                    \
	"local function live(id)\n"                                                                \
	"  local d = redis.call('GET', p .. 'd:' .. id)\n"                                         \
	"  local at = d and redis.call('ZSCORE', p .. 'ttl', id)\n"                                \
	"  if at and tonumber(at) <= now() then return false end\n"                                \
	"  return d\n"                                                                             \
	"end\n"                                                                                    \
	"local function member(key, id)\n"                                                         \
	"  return key .. id .. '\\0' .. string.char(#id)\n"                                        \
	"end\n"                                                                                    \
	"local function owner(m)\n"                                                                \
	"  local n = string.byte(m, -1)\n"                                                         \
	"  return string.sub(m, -2 - n, -3), string.sub(m, 1, -3 - n)\n"                           \
	"end\n"                                                                                    \
	"local function strip(id, keep)\n"                                                         \
	"  local had = redis.call('GET', p .. 'k:' .. id)\n"                                       \
	"  had = had and cmsgpack.unpack(had) or {}\n"                                             \
	"  for i = 1, #had, 2 do\n"                                                                \
	"    if keep[had[i]] ~= had[i+1] then\n"                                                   \
	"      redis.call('ZREM', p .. 'x:' .. had[i], member(had[i+1], id))\n"                    \
	"    end\n"                                                                                \
	"  end\n"                                                                                  \
	"end\n"                                                                                    \
	"local function enter(id, v, from, to)\n"                                                  \
	"  local keep, list = {}, {}\n"                                                            \
	"  for i = from, to, 3 do\n"                                                               \
	"    keep[v[i]] = v[i+2]\n"                                                                \
	"    list[#list+1] = v[i]; list[#list+1] = v[i+2]\n"                                       \
	"  end\n"                                                                                  \
	"  strip(id, keep)\n"                                                                      \
	"  for i = 1, #list, 2 do\n"                                                               \
	"    redis.call('ZADD', p .. 'x:' .. list[i], 0, member(list[i+1], id))\n"                 \
	"  end\n"                                                                                  \
	"  if #list > 0 then redis.call('SET', p .. 'k:' .. id, cmsgpack.pack(list))\n"            \
	"  else redis.call('DEL', p .. 'k:' .. id) end\n"                                          \
	"end\n"                                                                                    \
	"local function put(id, d, life, v, from, to)\n"                                           \
	"  redis.call('SET', p .. 'd:' .. id, d)\n"                                                \
	"  local new = redis.call('ZADD', p .. 'ids', 0, id) == 1\n"                               \
	"  if life ~= '' then redis.call('ZADD', p .. 'ttl', now() + life, id)\n"                  \
	"  elseif new then redis.call('ZREM', p .. 'ttl', id) end\n"                               \
	"  enter(id, v, from, to)\n"                                                               \
	"end\n"                                                                                    \
	"local function erase(id)\n"                                                               \
	"  strip(id, {})\n"                                                                        \
	"  redis.call('DEL', p .. 'd:' .. id, p .. 'k:' .. id)\n"                                  \
	"  redis.call('ZREM', p .. 'ids', id)\n"                                                   \
	"  redis.call('ZREM', p .. 'ttl', id)\n"                                                   \
	"end\n"                                                                                    \
	"local function holder(slot, key, id, mine)\n"                                             \
	"  local x, at = p .. 'x:' .. slot, '[' .. key\n"                                          \
	"  local r = redis.call('HGET', p .. 'rs', slot .. key)\n"                                 \
	"  if r and r ~= id then return r end\n"                                                   \
	"  while true do\n"                                                                        \
	"    local m = redis.call('ZRANGEBYLEX', x, at, '+', 'LIMIT', 0, 1)[1]\n"                  \
	"    if not m or string.sub(m, 1, #key) ~= key then return nil end\n"                      \
	"    local other = owner(m)\n"                                                             \
	"    if other ~= id and not mine[other] then\n"                                            \
	"      if live(other) then return other end\n"                                             \
	"      erase(other)\n"                                                                     \
	"      redis.call('ZREM', x, m)\n"                                                         \
	"    end\n"                                                                                \
	"    at = '(' .. m\n"                                                                      \
	"  end\n"                                                                                  \
	"end\n"                                                                                    \
	"local function held(id)\n"                                                                \
	"  local t = redis.call('HGET', p .. 'held', id)\n"                                        \
	"  if t then return {'HELD', t} end\n"                                                     \
	"end\n"                                                                                    \
	"local function taken(id, v, from, to, mine)\n"                                            \
	"  for i = from, to, 3 do\n"                                                               \
	"    local other = v[i+1] == '1' and holder(v[i], v[i+2], id, mine)\n"                     \
	"    if other then return held(other) or {'taken', v[i], other} end\n"                     \
	"  end\n"                                                                                  \
	"end\n"                                                                                    \
	"local function stale(epoch)\n"                                                            \
	"  local d = redis.call('HMGET', p .. 'def', 'epoch', 'kept')\n"                           \
	"  if (d[1] or '0') ~= epoch then return {'stale', d[2]} end\n"                            \
	"end\n"                                                                                    \
	"local function staging()\n"                                                               \
	"  local t = redis.call('ZRANGE', p .. 'tx', 0, 0)[1]\n"                                   \
	"  if t then return {'HELD', t} end\n"                                                     \
	"end\n"

/* KEYS: document. 2: id. The document or nil, when its time ends (ms since 1970) or nil, the transaction that
 * holds it or nil. */
extern const char document_read_script[];
/* KEYS: document, result. 2: epoch, 3: id, 4: "" (there is none yet) or the document as it must be kept now,
 * "?" (what is there?), 5: new one as kept, 6: life in ms from now or "" (as it is), 7: life of the result in ms
 * or 0, 8...: entries. Answers {'ok'}, {'done', result}, {'have', document}, {'none'}, {'taken', ...},
 * {'HELD', ...} or {'stale', ...}. */
extern const char document_write_script[];
/* KEYS: document, result. 2: id, 3: version or 0, 4: life of the result. {'ok', document}, {'done', document},
 * {'have', document}, {'none'}, {'HELD', ...}. */
extern const char document_delete_script[];
/* KEYS: ids or an index. 2: epoch, 3: slot or "" (ids), 4: "1" goes backwards, 5: documents, 6: bytes at most,
 * 7...: ranges, each from and to as ZRANGEBYLEX takes them, none overlaps another. {'ok', looked at, last
 * member or "", "1" when no more is there, member, document, ...} or {'stale', ...}. */
extern const char document_slice_script[];
/* 2: epoch, 3: slot, 4...: ranges. {'ok', entries in them, documents in all}. */
extern const char document_count_script[];

/* KEYS: def. 2: expected epoch, 3: new epoch, 4: kept with indexes that are to be built, 5: the same as there is
 * nothing to build from, 6...: slots that go. {'ok', kept} or {'stale', kept}. */
extern const char collection_declare_script[];
/* KEYS: def. {kept, documents}. */
extern const char collection_read_script[];
/* KEYS: def, result. 2: epoch, 3: documents at most (0: none), 4: life of the result or 0, 5...: slots. Documents
 * go; when none is left, all else goes too. {'ok', what is left}, {'done'} or {'stale', ...}. */
extern const char collection_drop_script[];
/* KEYS: def. 2: epoch, 3: "1" enters, "0" only looks, 4...: id, document as it must be kept, 3 x number of entries,
 * entries. {'ok', documents whose entries were not so, slot, id, other, ...: whose key another one has}. */
extern const char collection_index_script[];
/* KEYS: index. 2: epoch, 3: slot, 4: from, 5: entries at most, 6: "1" takes away. {'ok', looked at, without a
 * document, last member}. */
extern const char collection_strays_script[];
/* KEYS: ttl. 2: documents at most. {gone, end of the next in ms or nil, 1: something is staged}. */
extern const char collection_expire_script[];

#endif

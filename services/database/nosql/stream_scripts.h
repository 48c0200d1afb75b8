/* stream_scripts: the Lua functions of streams, one for each operation: what they see and change,
 * they see and change at once, and it is one entry of the append-only file.
 *
 * KEYS of all: the stream, its head (a hash), its consumers (a hash), the operation's result.
 * ARGV[1]: life of the result in ms; the others stand above each function. Answer: a word (see
 * words[] in streams.c), then "version:rows:field:field..." or what stands above the function. */
#ifndef DATABASE_NOSQL_STREAM_SCRIPTS_H
#define DATABASE_NOSQL_STREAM_SCRIPTS_H

/* 2: expected last position or "", 3...: events. Fields: first and last position given. */
extern const char stream_append_script[];
/* Fields: first, last, bytes, consumers, max_length, max_age_ms ("": none), force. */
extern const char stream_stat_script[];
/* 2: expected last position or "", 3: max_length, 4: max_age_ms, 5: force; each "" (as it is) or a
 * number, 0: none. Fields as of stat. */
extern const char stream_retain_script[];
/* 2: before position, 3: keep so many, 4: older than this time; each may be "". 5: "1" forces.
 * Fields: first, last, whether more is left to trim, who held it ("": nobody). */
extern const char stream_trim_script[];
/* 2: expected last position or "", 3: "1" forces. Fields: last. */
extern const char stream_delete_script[];
/* 2: cursor, 3: after, 4: before, 5: since, 6: until, 7: consumer; each may be "". 8: "1" goes
 * backwards, 9: limit, 10: bytes. Answers the word, last, gap, whether more is there, then position,
 * time and data of each event. */
extern const char stream_range_script[];

/* 2: name, 3: start: first, last or a position. Fields of one: name, position, last, first, start,
 * time. */
extern const char consumer_create_script[];
extern const char consumer_read_script[]; /* 2: name */
/* 2: name, 3: position, 4: expected version or 0, 5: "1" may go backwards */
extern const char consumer_update_script[];
extern const char consumer_delete_script[]; /* 2: name, 3: expected version or 0 */
/* 2: name after which, 3: limit. Answers the word, then "version:rows:fields" of each. */
extern const char consumer_list_script[];

#endif

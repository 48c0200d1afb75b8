/* traces: what is kept of requests, written in batches and looked for by what it was. A record is its
 * sender's, packed; its columns are what a question may name. They are thrown away by the day
 * (upkeep.c, migration 0015), and not all stored when they are too many (traces_room.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"
#include "database/sql/store.h"
#include "proto/trace.pb-c.h"

#define ITEMS_MOST 64
#define FIND_FEW   100u
#define FIND_MOST  1001u     /* a page of 1000, and whether there is another */
#define FIND_BYTES "1048576" /* and what one more takes: an answer has them as hex, too */
#define NODES_MOST 16        /* of one trace */
#define ROW_BYTES  512       /* beside its record: columns and indexes */

/* A batch that is to be stored. */
struct keeping {
	struct call *call;
	const Mf__TraceBatch *q;
	size_t kept, bytes, refused[2]; /* failed ones: [1] */
};

#define COLUMNS                                                                                    \
	"id uuid,trace_id text,at timestamptz,duration_us bigint,failed boolean,nodes text[],"     \
	"method text,route text,"

#define FIND                                                                                       \
	"SELECT encode(record,'hex'),n FROM (SELECT id,record,count(*) OVER () AS n,"              \
	"sum(octet_length(record)) OVER (ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING "       \
	"AND 1 PRECEDING) AS above FROM (SELECT id,record FROM traces WHERE "
#define BOUNDED                                                                                    \
	"id<$1::uuid AND id>=mf_uuid_at($2::timestamptz) AND at>=$2::timestamptz AND "             \
	"at<$3::timestamptz "
#define CHOSEN                                                                                     \
	"AND duration_us>=$4::bigint AND duration_us<=$5::bigint "                                 \
	"AND ($6::text IS NULL OR $6=ANY(nodes)) AND ($7::text IS NULL OR method=$7) "             \
	"AND ($8::text IS NULL OR route=$8) "
#define NEWEST                                                                                     \
	"ORDER BY id DESC LIMIT $9::int) p) q WHERE coalesce(above,0)<" FIND_BYTES                 \
	" ORDER BY id DESC"

static const char keep_all[] =
    "INSERT INTO traces SELECT id,trace_id,at,duration_us,failed,nodes,method,route,"
    "decode(record,'hex') FROM jsonb_to_recordset($1::jsonb) AS x(" COLUMNS "record text) "
    "ON CONFLICT (id) DO NOTHING";
static const char size_of_all[] = "SELECT " TRACES_BYTES;
static const char find_all[] = FIND BOUNDED CHOSEN NEWEST;
static const char find_failed[] = FIND BOUNDED CHOSEN "AND failed " NEWEST;
static const char find_fine[] = FIND BOUNDED CHOSEN "AND NOT failed " NEWEST;
static const char find_one[] = FIND "trace_id=$10 AND " BOUNDED CHOSEN NEWEST;

static void keep(struct call *c, const void *q);
static void on_size(const struct pg_reply *r, void *ctx);
static void store(struct keeping *k);
static bool take_item(struct keeping *k, struct jw *w, const ProtobufCBinaryData *item);
static void write_item(struct jw *w, const Mf__Trace *m);
static void write_nodes(struct jw *w, const Mf__Trace *m);
static void on_kept(const struct pg_reply *r, void *ctx);
static void kept(struct keeping *k);
static void find(struct call *c, const void *q);
static void on_found(const struct pg_reply *r, void *ctx);

void
sql_keep_traces(Mf__Sql_Service *s, const Mf__TraceBatch *q, Mf__TraceKept_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	hold_call(ctx, keep, q);
}

void
sql_find_traces(
    Mf__Sql_Service *s, const Mf__TraceQuery *q, Mf__TraceBatch_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	hold_call(ctx, find, q);
}

static void
keep(struct call *c, const void *batch)
{
	struct keeping *k = ARENA_NEW(call_arena(c), struct keeping);

	*k = (struct keeping){ .call = c, .q = batch };
	if (k->q->n_items == 0 || k->q->n_items > ITEMS_MOST)
		call_fail(c, ST_INVALID_ARGUMENT, "items: must be 1 to %d", ITEMS_MOST);
	else if (traces_room_known())
		store(k);
	else
		pg_read(sql_pool(), c, size_of_all, 0, NULL, on_size, k);
}

/* Somebody may hold a day that has nothing to do with this: then it is as it was. */
static void
on_size(const struct pg_reply *r, void *ctx)
{
	struct keeping *k = ctx;

	if (!pg_ok(r) && pg_status(r) == ST_UNAVAILABLE) {
		pg_fail_call(k->call, r);
		return;
	}
	if (pg_ok(r))
		traces_room_is(strtoll(pg_value(r, 0, 0), NULL, 10), false);
	store(k);
}

static void
store(struct keeping *k)
{
	const char *json;
	struct jw w;

	jw_start(&w, call_arena(k->call), 4096);
	jw_array(&w, NULL);
	for (size_t i = 0; i < k->q->n_items; i++)
		if (!take_item(k, &w, &k->q->items[i])) {
			call_fail(k->call, ST_INVALID_ARGUMENT, "items/%zu: is no trace", i);
			return;
		}
	jw_close(&w, ']');
	json = jw_text(&w, NULL);
	if (k->kept > 0)
		pg_query(sql_pool(), k->call, keep_all, 1, &json, on_kept, k);
	else
		kept(k);
}

/* Into the array, or counted as refused; false: it is none. */
static bool
take_item(struct keeping *k, struct jw *w, const ProtobufCBinaryData *item)
{
	struct arena *a = call_arena(k->call);
	const Mf__Trace *m = mf__trace__unpack(arena_allocator(a), item->len, item->data);
	char *hex;

	if (m == NULL || !uuid_ok(m->id) || strlen(m->trace_id) != 32 || m->at > INT64_MAX ||
	    m->duration_us > INT64_MAX)
		return false;
	if (!traces_room_for(m->failed)) {
		k->refused[m->failed ? 1 : 0]++;
		return true;
	}
	hex = arena_alloc(a, 2 * item->len + 1);
	jw_object(w, NULL);
	write_item(w, m);
	jw_strn(w, "record", hex, str_hex(item->data, item->len, hex));
	jw_close(w, '}');
	k->kept++;
	k->bytes += item->len + ROW_BYTES;
	return true;
}

static void
write_item(struct jw *w, const Mf__Trace *m)
{
	jw_str(w, "id", m->id);
	jw_str(w, "trace_id", m->trace_id);
	jw_time(w, "at", (int64_t)m->at);
	jw_int(w, "duration_us", (int64_t)m->duration_us);
	jw_bool(w, "failed", m->failed);
	write_nodes(w, m);
	jw_str(w, "method", m->http_method);
	jw_str(w, "route", m->route);
}

/* Each once. */
static void
write_nodes(struct jw *w, const Mf__Trace *m)
{
	const char *seen[NODES_MOST] = { m->entry };
	size_t n = 1, at;

	jw_array(w, "nodes");
	jw_str(w, NULL, m->entry);
	for (size_t i = 0; i < m->n_hops && n < NODES_MOST; i++) {
		for (at = 0; at < n && strcmp(seen[at], m->hops[i]->node) != 0; at++)
			;
		if (at < n)
			continue;
		seen[n++] = m->hops[i]->node;
		jw_str(w, NULL, m->hops[i]->node);
	}
	jw_close(w, ']');
}

static void
on_kept(const struct pg_reply *r, void *ctx)
{
	struct keeping *k = ctx;

	if (!pg_ok(r)) {
		pg_fail_call(k->call, r);
		return;
	}
	traces_room_took(k->bytes);
	kept(k);
}

/* What was refused is counted when it is answered: a batch that fails comes again. */
static void
kept(struct keeping *k)
{
	Mf__TraceKept out = MF__TRACE_KEPT__INIT;

	for (int failed = 0; failed <= 1; failed++) {
		traces_room_refused(k->refused[failed], failed == 1);
		out.refused += (uint32_t)k->refused[failed];
	}
	call_reply(k->call, &out.base);
}

static void
find(struct call *c, const void *query)
{
	const Mf__TraceQuery *q = query;
	struct arena *a = call_arena(c);
	uint32_t most = q->limit == 0 ? FIND_FEW : q->limit;
	char since[TIME_RFC3339_LEN], until[TIME_RFC3339_LEN] = "infinity";
	uint64_t max_us = q->max_us != 0 && q->max_us < INT64_MAX ? q->max_us : INT64_MAX;
	const char *text = q->trace_id[0] != '\0' ? find_one
	                   : q->failed            ? find_failed
	                   : q->fine              ? find_fine
	                                          : find_all;

	if ((q->before[0] != '\0' && !uuid_ok(q->before)) || q->since > INT64_MAX / 2 ||
	    q->until > INT64_MAX / 2 || q->min_us > INT64_MAX) {
		call_fail(c, ST_INVALID_ARGUMENT, "before, since, until, min_us: is none");
		return;
	}
	time_rfc3339((int64_t)q->since, since);
	if (q->until != 0)
		time_rfc3339((int64_t)q->until, until);
	pg_read(sql_pool(), c, text, text == find_one ? 10 : 9,
	    (const char *[]){
		q->before[0] != '\0' ? q->before : "ffffffff-ffff-ffff-ffff-ffffffffffff", since,
		until, arena_printf(a, "%llu", (unsigned long long)q->min_us),
		arena_printf(a, "%llu", (unsigned long long)max_us),
		q->node[0] != '\0' ? q->node : NULL, q->method[0] != '\0' ? q->method : NULL,
		q->route[0] != '\0' ? q->route : NULL,
		arena_printf(a, "%u", most < FIND_MOST ? most : FIND_MOST), q->trace_id },
	    on_found, c);
}

static void
on_found(const struct pg_reply *r, void *ctx)
{
	struct call *c = ctx;
	Mf__TraceBatch out = MF__TRACE_BATCH__INIT;

	if (!pg_ok(r)) {
		pg_fail_call(c, r);
		return;
	}
	out.items = ARENA_ARRAY(call_arena(c), ProtobufCBinaryData, (size_t)pg_rows(r) + 1);
	for (int i = 0; i < pg_rows(r); i++) {
		struct str hex = { pg_value(r, i, 0), pg_length(r, i, 0) };
		uint8_t *p = arena_alloc(call_arena(c), hex.n / 2 + 1);

		if (str_unhex(hex, p, hex.n / 2))
			out.items[out.n_items++] = (ProtobufCBinaryData){ hex.n / 2, p };
	}
	out.more = pg_rows(r) > 0 && strtoll(pg_value(r, 0, 1), NULL, 10) > pg_rows(r);
	call_reply(c, &out.base);
}

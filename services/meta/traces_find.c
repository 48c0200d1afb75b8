/* traces_find: the search among what is kept of requests: in PostgreSQL, and in the ring what is not known
 * to be there yet. While PostgreSQL is away the ring alone answers, and the answer says so. Called by
 * own. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/json.h"
#include "base/time.h"
#include "meta/meta.h"
#include "meta/own.h"
#include "meta/traces.h"
#include "node/node.h"
#include "proto/database.pb-c.h"

#define LIMIT      100
#define LIMIT_MOST 1000
#define SAME_MOST  32 /* records of one trace: requests that a client made within one of its own */
#define PAGE_BYTES (2u << 20) /* of an answer, and what one more takes: a message takes 4 MiB */

struct finding {
	struct own_ask *o;
	Mf__TraceQuery q;
	bool one;
	bool degraded;       /* what is stored could not be asked */
	uint64_t from;       /* what waited when the store was asked: it may be stored since */
	const char *down_to; /* of what is stored, older ones were left out; NULL: none */
	size_t n;
	Mf__Trace **found; /* the newest first */
};

static bool read_arguments(struct finding *x);
static bool
read_number(struct finding *x, const json_t *v, const char *key, uint64_t most, uint64_t *out);
static bool read_time(struct finding *x, const json_t *v, const char *key, uint64_t *out);
static bool trace_id_ok(const char *id);
static void ask(struct finding *x);
static void on_found(const Mf__TraceBatch *m, void *ctx);
static void add(struct finding *x, const void *record, size_t n);
static bool matches(const Mf__TraceQuery *q, const Mf__Trace *m);
static bool has_node(const Mf__Trace *m, const char *node);
static int newest_first(const void *a, const void *b);
static void tell_list(struct finding *x);
static void tell_one(struct finding *x);
static void write_head(struct jw *w, const Mf__Trace *m, uint64_t end);
static void write_spans(struct jw *w, const Mf__Trace *m, uint64_t from);
static void write_span(struct jw *w, const Mf__Hop *h, int64_t start_us);
static int level_of(const char *node);
static bool refuse(struct finding *x, const char *what);

void
own_traces(struct own_ask *o)
{
	struct finding *x = ARENA_NEW(call_arena(o->c), struct finding);

	x->o = o;
	mf__trace_query__init(&x->q);
	x->q.limit = LIMIT;
	if (read_arguments(x))
		ask(x);
}

void
own_trace(struct own_ask *o)
{
	struct finding *x = ARENA_NEW(call_arena(o->c), struct finding);

	x->o = o;
	x->one = true;
	mf__trace_query__init(&x->q);
	x->q.trace_id = o->q->node;
	x->q.limit = SAME_MOST;
	if (trace_id_ok(o->q->node))
		ask(x);
	else
		own_fail(o, ST_NOT_FOUND, "", "a trace has an id of 32 hex digits in lower case");
}

/* False: refused already. Of a query all values are texts. */
static bool
read_arguments(struct finding *x)
{
	static const struct {
		const char *key;
		size_t at;
	} texts[] = {
		{ "node", offsetof(Mf__TraceQuery, node) },
		{ "method", offsetof(Mf__TraceQuery, method) },
		{ "route", offsetof(Mf__TraceQuery, route) },
		{ "trace_id", offsetof(Mf__TraceQuery, trace_id) },
		{ "cursor", offsetof(Mf__TraceQuery, before) },
	};
	const json_t *v = own_arguments(x->o);
	const char *status = json_string_value(json_object_get(v, "status"));
	uint64_t limit = LIMIT;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *s = json_string_value(json_object_get(v, texts[i].key));

		if (s != NULL)
			*(const char **)(void *)((char *)&x->q + texts[i].at) = s;
	}
	if (status != NULL) {
		x->q.failed = strcmp(status, "error") == 0;
		x->q.fine = strcmp(status, "ok") == 0;
		if (!x->q.failed && !x->q.fine)
			return refuse(x, "meta/data/status: must be error or ok");
	}
	if (x->q.trace_id[0] != '\0' && !trace_id_ok(x->q.trace_id))
		return refuse(x, "meta/data/trace_id: must be 32 hex digits in lower case");
	if (x->q.before[0] != '\0' && !uuid_ok(x->q.before))
		return refuse(x, "meta/data/cursor: is none that a page said");
	if (!read_number(x, v, "min_ms", UINT32_MAX, &x->q.min_us) ||
	    !read_number(x, v, "max_ms", UINT32_MAX, &x->q.max_us) ||
	    !read_number(x, v, "limit", LIMIT_MOST, &limit) ||
	    !read_time(x, v, "since", &x->q.since) || !read_time(x, v, "until", &x->q.until))
		return false;
	if (limit == 0)
		return refuse(x, "meta/data/limit: must be 1 to 1000");
	x->q.limit = (uint32_t)limit;
	x->q.min_us *= MS;
	x->q.max_us *= MS;
	return true;
}

/* Absent: as it is. */
static bool
read_number(struct finding *x, const json_t *v, const char *key, uint64_t most, uint64_t *out)
{
	const json_t *n = json_object_get(v, key);

	if (n == NULL)
		return true;
	if (json_is_integer(n) && json_integer_value(n) >= 0 &&
	    (uint64_t)json_integer_value(n) <= most) {
		*out = (uint64_t)json_integer_value(n);
		return true;
	}
	if (json_is_string(n) && str_u64(str_of(json_string_value(n)), most, out))
		return true;
	return refuse(x, arena_printf(call_arena(x->o->c), "meta/data/%s: must be 0 to %llu", key,
			     (unsigned long long)most));
}

static bool
read_time(struct finding *x, const json_t *v, const char *key, uint64_t *out)
{
	const char *s = json_string_value(json_object_get(v, key));
	int64_t us;

	if (s == NULL)
		return true;
	if (!time_parse_rfc3339(str_of(s), &us) || us < 0)
		return refuse(x, arena_printf(call_arena(x->o->c),
				     "meta/data/%s: must be a time as in RFC 3339", key));
	*out = (uint64_t)us;
	return true;
}

static bool
trace_id_ok(const char *id)
{
	return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32;
}

static void
ask(struct finding *x)
{
	struct own_ask *o = x->o;
	Mf__TraceQuery q = x->q;

	q.limit++; /* one more: is there another page? */
	x->from = traces_mark(o->meta->traces);
	o->rpc = rpc_new(o->c, o->meta->database,
	    &(const struct rpc_opts){ .limit_us = (o->deadline - loop_now(o->meta->loop)) / 2 });
	mf__database__find_traces(&o->rpc->service, &q, on_found, x);
}

/* One that is stored while it is still among those that wait comes from both. */
static void
on_found(const Mf__TraceBatch *m, void *ctx)
{
	struct finding *x = ctx;
	struct arena *a = call_arena(x->o->c);
	const struct trace_kept **kept;
	size_t n;

	if (m == NULL && !status_is_fault(rpc_failure(x->o->rpc)->status)) {
		x->o->failure = rpc_failure(x->o->rpc);
		own_finish(x->o);
		return;
	}
	x->degraded = m == NULL;
	n = traces_kept(x->o->meta->traces, x->degraded ? 0 : x->from, a, &kept);
	x->found = ARENA_ARRAY(a, Mf__Trace *, n + (m != NULL ? m->n_items : 0) + 1);
	for (size_t i = 0; m != NULL && i < m->n_items; i++)
		add(x, m->items[i].data, m->items[i].len);
	if (m != NULL && m->more && x->n > 0)
		x->down_to = x->found[x->n - 1]->id;
	for (size_t i = 0; i < n; i++)
		add(x, kept[i]->record, kept[i]->n);
	qsort(x->found, x->n, sizeof(Mf__Trace *), newest_first);
	for (size_t i = 1; i < x->n;)
		if (strcmp(x->found[i]->id, x->found[i - 1]->id) == 0)
			memmove(&x->found[i], &x->found[i + 1], (--x->n - i) * sizeof(Mf__Trace *));
		else
			i++;
	if (x->one)
		tell_one(x);
	else
		tell_list(x);
}

static void
add(struct finding *x, const void *record, size_t n)
{
	Mf__Trace *m = mf__trace__unpack(arena_allocator(call_arena(x->o->c)), n, record);

	if (m != NULL && matches(&x->q, m))
		x->found[x->n++] = m;
}

/* As services/database/sql/traces.c asks. */
static bool
matches(const Mf__TraceQuery *q, const Mf__Trace *m)
{
	return (q->trace_id[0] == '\0' || strcmp(q->trace_id, m->trace_id) == 0) &&
	       (q->before[0] == '\0' || strcmp(m->id, q->before) < 0) &&
	       (!q->failed || m->failed) && (!q->fine || !m->failed) &&
	       m->duration_us >= q->min_us && (q->max_us == 0 || m->duration_us <= q->max_us) &&
	       m->at >= q->since && (q->until == 0 || m->at < q->until) &&
	       (q->method[0] == '\0' || strcmp(q->method, m->http_method) == 0) &&
	       (q->route[0] == '\0' || strcmp(q->route, m->route) == 0) &&
	       (q->node[0] == '\0' || has_node(m, q->node));
}

static bool
has_node(const Mf__Trace *m, const char *node)
{
	for (size_t i = 0; i < m->n_hops; i++)
		if (strcmp(m->hops[i]->node, node) == 0)
			return true;
	return strcmp(m->entry, node) == 0;
}

static int
newest_first(const void *a, const void *b)
{
	return strcmp((*(Mf__Trace *const *)b)->id, (*(Mf__Trace *const *)a)->id);
}

/* A page may be shorter than its limit. What waits and is older than what the store left out comes
 * with that. */
static void
tell_list(struct finding *x)
{
	struct own_ask *o = x->o;
	size_t n = 0;
	struct jw w;

	while (x->down_to != NULL && strcmp(x->found[x->n - 1]->id, x->down_to) < 0)
		x->n--;
	jw_start(&w, call_arena(o->c), 64 + 320 * (x->n < x->q.limit ? x->n : x->q.limit));
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (; n < x->n && n < x->q.limit && w.n < PAGE_BYTES; n++) {
		jw_object(&w, NULL);
		write_head(&w, x->found[n], x->found[n]->at + x->found[n]->duration_us);
		jw_int(&w, "spans", (int64_t)x->found[n]->n_hops + 1);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_str(&w, "next_cursor", n < x->n ? x->found[n - 1]->id : x->down_to);
	jw_bool(&w, "degraded", x->degraded);
	jw_close(&w, '}');
	o->result.data = (uint8_t *)jw_text(&w, &o->result.len);
	own_finish(o);
}

/* Requests that were made within the same trace stand beside each other; the head is the first one's,
 * with an error if any has one. Of thousands of spans the later ones are left out. */
static void
tell_one(struct finding *x)
{
	struct own_ask *o = x->o;
	Mf__Trace head;
	uint64_t end = 0;
	struct jw w;

	if (x->n == 0) {
		own_fail(o, x->degraded ? ST_UNAVAILABLE : ST_NOT_FOUND,
		    x->degraded ? "STORE_DOWN" : "",
		    x->degraded ? "what is stored of traces can't be read at the moment"
				: "nothing is kept of this trace: those of errors and slow "
				  "requests are, those whose traceparent has the flag 01, and "
				  "a share of the others");
		return;
	}
	head = *x->found[x->n - 1];
	for (size_t i = 0; i < x->n; i++) {
		const Mf__Trace *m = x->found[i];

		if (m->at < head.at)
			head = *m;
		if (m->at + m->duration_us > end)
			end = m->at + m->duration_us;
	}
	for (size_t i = 0; i < x->n; i++)
		head.failed |= x->found[i]->failed;
	jw_start(&w, call_arena(o->c), 512 + 256 * (head.n_hops + 1));
	jw_object(&w, NULL);
	write_head(&w, &head, end);
	jw_array(&w, "spans");
	for (size_t i = x->n; i-- > 0 && w.n < PAGE_BYTES;)
		write_spans(&w, x->found[i], head.at);
	jw_close(&w, ']');
	jw_close(&w, '}');
	o->result.data = (uint8_t *)jw_text(&w, &o->result.len);
	own_finish(o);
}

static void
write_head(struct jw *w, const Mf__Trace *m, uint64_t end)
{
	static const char *const whys[] = { "", "error", "slow", "asked", "sampled" };

	jw_str(w, "trace_id", m->trace_id);
	jw_time(w, "at", (int64_t)m->at);
	jw_int(w, "duration_us", (int64_t)(end - m->at));
	jw_str(w, "status", m->failed ? "error" : "ok");
	jw_str(w, "code", status_name((enum status)m->code));
	jw_str(w, "reason", m->reason);
	jw_str(w, "name", m->name);
	jw_str(w, "entry", m->entry);
	jw_str(w, "method", m->http_method);
	jw_str(w, "route", m->route);
	jw_int(w, "http_status", m->http_status);
	jw_str(w, "why", (size_t)m->why < sizeof(whys) / sizeof(whys[0]) ? whys[m->why] : "");
}

static void
write_spans(struct jw *w, const Mf__Trace *m, uint64_t from)
{
	Mf__Hop root = MF__HOP__INIT;
	int64_t offset = (int64_t)(m->at - from);

	root.node = m->entry;
	root.method = m->name;
	root.attempt = 1;
	root.span_id = m->span_id;
	root.parent_id = m->parent_id;
	root.duration_us = m->duration_us;
	root.code = m->code;
	root.reason = m->reason;
	write_span(w, &root, offset);
	for (size_t i = 0; i < m->n_hops && w->n < PAGE_BYTES; i++)
		write_span(w, m->hops[i], offset + (int64_t)m->hops[i]->start_us);
}

static void
write_span(struct jw *w, const Mf__Hop *h, int64_t start_us)
{
	char id[17], parent[17];

	snprintf(id, sizeof(id), "%016llx", (unsigned long long)h->span_id);
	snprintf(parent, sizeof(parent), "%016llx", (unsigned long long)h->parent_id);
	jw_object(w, NULL);
	jw_str(w, "span_id", id);
	jw_str(w, "parent_id", h->parent_id != 0 ? parent : NULL);
	jw_str(w, "node", h->node);
	jw_int(w, "level", level_of(h->node));
	jw_str(w, "method", h->method);
	jw_int(w, "attempt", h->attempt);
	jw_int(w, "start_us", start_us);
	jw_int(w, "duration_us", (int64_t)h->duration_us);
	jw_str(w, "code", status_name((enum status)h->code));
	jw_str(w, "reason", h->reason);
	jw_close(w, '}');
}

static int
level_of(const char *node)
{
	const struct fleet_name *f = fleet_name_find(node);

	return f != NULL ? f->level : -1;
}

static bool
refuse(struct finding *x, const char *what)
{
	own_fail(x->o, ST_INVALID_ARGUMENT, "VALIDATION", what);
	return false;
}

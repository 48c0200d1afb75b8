/* brief: of tasks that match a filter, no more than is asked for: their ids, how many they are; and what
 * happened to one. For whoever pages through many, or only counts: no task is rendered for it.
 *
 * Counts and histories go by the long lane: a count walks what matches, a history the log of events, which
 * has no index by task (an index would cost each write, for what people look at now and then). Both end
 * with their call. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "database/sql/filter.h"
#include "database/sql/render.h"
#include "database/sql/store.h"
#include "database/sql/text.h"

#define COUNT_MOST    1000000u /* beyond: more */
#define COUNT_STATES  64
#define HISTORY_LEAST 100

struct brief {
	struct call *call;
	struct filter filter;
	const char *params[QUERY_PARAMS_MOST];
	uint32_t limit; /* of a history */
};

static bool take_filter(struct brief *, const struct model *, const Mf__StoreOp *);
static void ids(struct brief *, const Mf__StoreOp *);
static void on_ids(const struct pg_reply *, void *);
static void count(struct brief *, const Mf__StoreOp *);
static void on_count(const struct pg_reply *, void *);
static void history(struct brief *, const Mf__StoreOp *);
static void on_history(const struct pg_reply *, void *);
static void write_event(struct jw *, const struct pg_reply *, int);
static void
write_change(struct jw *, const char *, const struct pg_reply *, int, int, int, bool is_priority);
static const char *priority_name(const char *);
static void reply(struct brief *, struct jw *);

static const struct {
	const char *want;
	enum filter_want filter;
	void (*start)(struct brief *, const Mf__StoreOp *);
} wants[] = {
	{ "ids", WANT_IDS, ids },
	{ "count", WANT_COUNT, count },
	{ "history", WANT_OBJECTS, history },
};

void
brief_query(struct call *c, const struct model *m, const Mf__StoreOp *op)
{
	struct brief *b = ARENA_NEW(call_arena(c), struct brief);

	b->call = c;
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		if (strcmp(wants[i].want, op->want) != 0)
			continue;
		if (strcmp(m->name, "task") != 0 || op->explain)
			break;
		if (wants[i].filter == WANT_OBJECTS || take_filter(b, m, op)) {
			b->filter.want = wants[i].filter;
			wants[i].start(b, op);
		}
		return;
	}
	call_fail(c, ST_INVALID_ARGUMENT, "want: is none that this can be asked for");
}

/* The order is that of ids: what changes meanwhile does not move. */
static bool
take_filter(struct brief *b, const struct model *m, const Mf__StoreOp *op)
{
	struct complaints e = { .arena = call_arena(b->call) };
	bool fine = filter_read(call_arena(b->call), m, op, &b->filter, &e);

	if (fine && (b->filter.n_sorts != 0 || b->filter.ranked))
		complain(&e, "sort", "is of lists only");
	if (e.n > 0)
		sql_refuse(b->call, &e);
	return e.n == 0;
}

static void
ids(struct brief *b, const Mf__StoreOp *op)
{
	struct arena *a = call_arena(b->call);
	size_t n = text_query_params(a, &b->filter, b->params, QUERY_PARAMS_MOST);

	(void)op;
	if (filter_is_rare(&b->filter))
		pg_query_long(sql_pool(), b->call, text_query(a, &b->filter), (int)n, b->params,
		    NULL, on_ids, b);
	else
		pg_read(
		    sql_pool(), b->call, text_query(a, &b->filter), (int)n, b->params, on_ids, b);
}

static void
on_ids(const struct pg_reply *r, void *ctx)
{
	struct brief *b = ctx;
	int n = pg_rows(r) > (int)b->filter.limit ? (int)b->filter.limit : pg_rows(r);
	struct row last = { .model = b->filter.model };
	struct jw w;

	if (!pg_ok(r)) {
		pg_fail_call(b->call, r);
		return;
	}
	jw_start(&w, call_arena(b->call), 64 + 64 * (size_t)n);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (int i = 0; i < n; i++) {
		jw_object(&w, NULL);
		jw_str(&w, "id", pg_value(r, i, 0));
		jw_int(&w, "version", strtoll(pg_value(r, i, 1), NULL, 10));
		last.values[0] = pg_value(r, i, 0);
		jw_str(&w, "cursor", filter_cursor(w.a, &b->filter, &last, (uint32_t)i + 1));
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_str(&w, "next_cursor",
	    pg_rows(r) > n ? filter_cursor(w.a, &b->filter, &last, (uint32_t)n) : NULL);
	jw_close(&w, '}');
	reply(b, &w);
}

static void
count(struct brief *b, const Mf__StoreOp *op)
{
	struct arena *a = call_arena(b->call);
	size_t n;

	(void)op;
	b->filter.limit = COUNT_MOST;
	n = text_query_params(a, &b->filter, b->params, QUERY_PARAMS_MOST);
	pg_query_long(sql_pool(), b->call, text_query(a, &b->filter), (int)n, b->params,
	    &(const struct pg_most){ .rows = COUNT_STATES, .bytes = 65536 }, on_count, b);
}

/* The statement looks one further. */
static void
on_count(const struct pg_reply *r, void *ctx)
{
	struct brief *b = ctx;
	uint64_t sum = 0;
	struct jw w;

	if (!pg_ok(r)) {
		pg_fail_call(b->call, r);
		return;
	}
	jw_start(&w, call_arena(b->call), 256);
	jw_object(&w, NULL);
	jw_object(&w, "by_state");
	for (int i = 0; i < pg_rows(r); i++) {
		uint64_t n = strtoull(pg_value(r, i, 1), NULL, 10);

		jw_int(&w, pg_value(r, i, 0), (int64_t)n);
		sum += n;
	}
	jw_close(&w, '}');
	jw_int(&w, "count", (int64_t)sum);
	jw_bool(&w, "more", sum > COUNT_MOST);
	jw_close(&w, '}');
	reply(b, &w);
}

/* One row at least: whether the task is there, and whether the log has its beginning, with the first
 * event or none beside it. A cursor is the version behind which it goes on. */
static void
history(struct brief *b, const Mf__StoreOp *op)
{
	static const char text[] =
	    "SELECT e.kind,e.version,e.state,e.type,e.priority,e.created_by,e.at,"
	    "e.state_before,e.type_before,e.priority_before,e.whole,"
	    "EXISTS(SELECT FROM tasks WHERE id=$1::uuid AND namespace=$2) "
	    "FROM (SELECT 1) one LEFT JOIN (SELECT * FROM (SELECT kind,version,state,type,priority,"
	    "created_by,(extract(epoch FROM at)*1000000)::bigint AS at,"
	    "lag(state) OVER w AS state_before,lag(type) OVER w AS type_before,"
	    "lag(priority) OVER w AS priority_before,"
	    "bool_or(kind='task.created') OVER () AS whole "
	    "FROM events WHERE task_id=$1::uuid AND namespace=$2 "
	    "WINDOW w AS (ORDER BY version)) all_of_it "
	    "WHERE version<$3::bigint ORDER BY version DESC LIMIT $4::int) e ON true "
	    "ORDER BY e.version DESC";
	struct complaints e = { .arena = call_arena(b->call) };
	const char *ns = op->namespace_;
	uint64_t before = INT64_MAX;

	b->limit = op->limit != 0 ? op->limit : HISTORY_LEAST;
	if (b->limit > LIMIT_MOST)
		complain(&e, "limit", "must be 1 to %d", LIMIT_MOST);
	if (op->cursor[0] != '\0' && !str_u64(str_of(op->cursor), INT64_MAX, &before))
		complain(&e, "cursor", "is not a cursor of this query");
	if (op->n_filters > 0 || op->sort[0] != '\0')
		complain(
		    &e, op->sort[0] != '\0' ? "sort" : op->filters[0]->key, "is of lists only");
	(void)intake_namespace(&ns, &e);
	(void)intake_id(model_find("task"), op->id, &e);
	if (e.n > 0) {
		sql_refuse(b->call, &e);
		return;
	}
	b->params[0] = op->id;
	b->params[1] = ns;
	b->params[2] = arena_printf(e.arena, "%llu", (unsigned long long)before);
	b->params[3] = arena_printf(e.arena, "%u", b->limit + 1);
	pg_query_long(sql_pool(), b->call, text, 4, b->params, NULL, on_history, b);
}

enum {
	KIND,
	VERSION,
	STATE,
	TYPE,
	PRIORITY_AT,
	CREATED_BY,
	AT,
	STATE_BEFORE,
	TYPE_BEFORE,
	PRIORITY_BEFORE,
	WHOLE,
	EXISTS
};

static void
on_history(const struct pg_reply *r, void *ctx)
{
	struct brief *b = ctx;
	int n = pg_rows(r) > (int)b->limit ? (int)b->limit : pg_rows(r);
	struct jw w;

	if (!pg_ok(r)) {
		pg_fail_call(b->call, r);
		return;
	}
	if (n == 1 && pg_null(r, 0, KIND)) {
		n = 0;
		if (pg_value(r, 0, EXISTS)[0] != 't') {
			call_fail(b->call, ST_NOT_FOUND, "there is no such task");
			return;
		}
	}
	jw_start(&w, call_arena(b->call), 64 + 256 * (size_t)n);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (int i = 0; i < n; i++)
		write_event(&w, r, i);
	jw_close(&w, ']');
	jw_bool(&w, "complete", n > 0 && pg_value(r, 0, WHOLE)[0] == 't');
	jw_str(&w, "next_cursor", pg_rows(r) > n && n > 0 ? pg_value(r, n - 1, VERSION) : NULL);
	jw_close(&w, '}');
	reply(b, &w);
}

static void
write_event(struct jw *w, const struct pg_reply *r, int i)
{
	jw_object(w, NULL);
	jw_str(w, "event", pg_value(r, i, KIND));
	jw_time(w, "at", strtoll(pg_value(r, i, AT), NULL, 10));
	jw_int(w, "version", strtoll(pg_value(r, i, VERSION), NULL, 10));
	jw_str(w, "state", pg_value(r, i, STATE));
	jw_str(w, "type", pg_value(r, i, TYPE));
	jw_str(w, "priority", priority_name(pg_value(r, i, PRIORITY_AT)));
	jw_str(w, "created_by", pg_null(r, i, CREATED_BY) ? NULL : pg_value(r, i, CREATED_BY));
	jw_object(w, "changes");
	if (!pg_null(r, i, STATE_BEFORE)) {
		write_change(w, "state", r, i, STATE_BEFORE, STATE, false);
		write_change(w, "type", r, i, TYPE_BEFORE, TYPE, false);
		write_change(w, "priority", r, i, PRIORITY_BEFORE, PRIORITY_AT, true);
	}
	jw_close(w, '}');
	jw_close(w, '}');
}

static void
write_change(struct jw *w, const char *field, const struct pg_reply *r, int i, int before,
    int after, bool is_priority)
{
	const char *from = pg_value(r, i, before), *to = pg_value(r, i, after);

	if (strcmp(from, to) == 0)
		return;
	jw_object(w, field);
	jw_str(w, "from", is_priority ? priority_name(from) : from);
	jw_str(w, "to", is_priority ? priority_name(to) : to);
	jw_close(w, '}');
}

static const char *
priority_name(const char *stored)
{
	return stored[0] >= '1' && stored[0] <= '4' ? task_priorities[stored[0] - '0'] : stored;
}

static void
reply(struct brief *b, struct jw *w)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;

	m.data.data = (uint8_t *)jw_text(w, &m.data.len);
	call_reply(b->call, &m.base);
}

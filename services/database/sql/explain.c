/* explain: how the statements of an operation would be run, as PostgreSQL plans them for these very
 * parameters; none of them is. Handlers come here with what they would have sent. Values are not
 * answered: some are secret. */
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "database/sql/store.h"
#include "database/sql/text.h"

#define PLAN_BYTES (1u << 20) /* of all plans of an answer */

struct explaining {
	struct call *call;
	const char *lane;
	size_t n, at, rows, bytes;
	const struct pg_statement *statements;
	struct jw w;
};

static void next(struct explaining *x);
static void on_plan(const struct pg_reply *r, void *ctx);
static void add_types(struct explaining *x, const struct pg_statement *s);
static struct str type_of(const char *text, int param);
static size_t times_of(const struct explaining *x);
static void finish(struct explaining *x);

void
sql_explain(struct call *c, const char *lane, size_t n, const struct pg_statement *s)
{
	struct arena *a = call_arena(c);
	struct explaining *x = ARENA_NEW(a, struct explaining);

	*x = (struct explaining){ .call = c, .lane = lane, .n = n, .statements = s };
	jw_start(&x->w, a, 2048);
	jw_object(&x->w, NULL);
	jw_str(&x->w, "store", "postgres");
	jw_str(&x->w, "lane", lane);
	jw_array(&x->w, "statements");
	next(x);
}

void
sql_explain_merged(struct call *c, const char *text, int n, const char *const *values)
{
	struct arena *a = call_arena(c);
	struct pg_statement *s = ARENA_NEW(a, struct pg_statement);
	const char **arrays = ARENA_ARRAY(a, const char *, (size_t)n);

	for (int i = 0; i < n; i++)
		arrays[i] = values[i] != NULL ? text_array(a, &values[i], 1) : "{NULL}";
	*s = (struct pg_statement){ text, n, arrays };
	sql_explain(c, "short", 1, s);
}

/* One after the other; the same text is planned once, with the parameters of its first. */
static void
next(struct explaining *x)
{
	const struct pg_statement *s;
	const char *text;

	while (x->at < x->n && times_of(x) == 0)
		x->at++;
	if (x->at == x->n) {
		finish(x);
		return;
	}
	s = &x->statements[x->at];
	text = arena_printf(call_arena(x->call), "EXPLAIN (FORMAT JSON) %s", s->text);
	pg_query_long(sql_pool(), x->call, text, s->n, s->params,
	    &(const struct pg_most){ .rows = 1, .bytes = PLAN_BYTES }, on_plan, x);
}

/* Of the statement in hand; 0: it has been answered. */
static size_t
times_of(const struct explaining *x)
{
	size_t times = 0;

	for (size_t i = 0; i < x->n; i++)
		if (x->statements[i].text == x->statements[x->at].text) {
			if (i < x->at)
				return 0;
			times++;
		}
	return times;
}

static void
on_plan(const struct pg_reply *r, void *ctx)
{
	struct explaining *x = ctx;
	const struct pg_statement *s = &x->statements[x->at];

	if (!pg_ok(r)) {
		pg_fail_call(x->call, r);
		return;
	}
	if ((x->bytes += pg_length(r, 0, 0)) > PLAN_BYTES) {
		call_fail_because(x->call, ST_RESOURCE_EXHAUSTED, "TOO_LARGE", 0,
		    "the plans have more than %u bytes", PLAN_BYTES);
		return;
	}
	jw_object(&x->w, NULL);
	jw_str(&x->w, "statement", s->text);
	jw_int(&x->w, "times", (int64_t)times_of(x));
	add_types(x, s);
	jw_raw(&x->w, "plan", pg_value(r, 0, 0), pg_length(r, 0, 0));
	jw_close(&x->w, '}');
	x->at++;
	next(x);
}

static void
add_types(struct explaining *x, const struct pg_statement *s)
{
	jw_array(&x->w, "parameters");
	for (int i = 1; i <= s->n; i++) {
		struct str t = type_of(s->text, i);

		jw_strn(&x->w, NULL, t.p, t.n);
	}
	jw_close(&x->w, ']');
}

/* Our statements say the type of each parameter that is not text: $3::bigint. */
static struct str
type_of(const char *text, int param)
{
	char mark[16];
	const char *p = text;
	int n = snprintf(mark, sizeof(mark), "$%d::", param);

	if ((p = strstr(p, mark)) == NULL)
		return str_of("text");
	p += n;
	return (struct str){ p, strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_[]") };
}

static void
finish(struct explaining *x)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;

	jw_close(&x->w, ']');
	jw_close(&x->w, '}');
	m.data.data = (uint8_t *)jw_text(&x->w, &m.data.len);
	call_reply(x->call, &m.base);
}

/* sse_read: see sse.h. Parameters have been held against the document of the API, as those of every
 * other resource; here is what it can't say: which filter belongs to which topic, and what a
 * position is. */
#include "api/live/sse.h"

#include <string.h>

#include "api/live/selection.h"
#include "api/ops/ops.h"
#include "api/rest/contract.h"

#define FILTER_MOST 2048 /* bytes: it stands in the session's state */

struct reading {
	struct arena *a;
	const struct param *params;
	size_t n_params;
	struct sse_wish *out;
	struct failure *f;
};

static void read_topics(struct reading *);
static void add_topic(struct reading *, const char *);
static void read_filters(struct reading *);
static void read_filter(struct reading *, size_t);
static bool has_fact(const struct source *, const char *);
static void read_position(struct reading *, const char *, const char *);
static const char *value_of(const struct reading *, const char *);

bool
sse_read(struct arena *a, const Mf__HttpRequest *q, struct sse_wish *out, struct failure *f)
{
	struct reading r = { .a = a, .out = out, .f = f };
	struct param *params;

	*out = (struct sse_wish){ .n = 0 };
	*f = (struct failure){ .status = ST_OK, .message = "", .reason = "" };
	if ((out->credential = ops_bearer(a, ops_header(q, "authorization"))) == NULL) {
		*f = ops_bad_credential;
		return false;
	}
	if (!query_parse(a, q->query, &params, &r.n_params, f) ||
	    !contract_query(a, route_of(OP_EVENTS), params, r.n_params, f))
		return false;
	for (size_t i = 0; i < q->n_headers; i++)
		(void)contract_header(
		    a, route_of(OP_EVENTS), q->headers[i]->key, q->headers[i]->value, f);
	if (f->status != ST_OK) {
		f->reason = "BAD_REQUEST";
		return false;
	}
	r.params = params;
	read_topics(&r);
	read_filters(&r);
	/* Who comes back has the address of his first time: the header is newer. */
	if (ops_header(q, "last-event-id")[0] != '\0')
		read_position(&r, "Last-Event-ID", ops_header(q, "last-event-id"));
	else
		read_position(&r, "after", value_of(&r, "after"));
	return f->status == ST_OK;
}

const char *
sse_position(struct arena *a, size_t n, Mf__LiveSubscription *const *all,
    const Mf__LiveSubscription *s, const char *position)
{
	const char *text = "";

	for (size_t i = 0; i < n; i++)
		text = arena_printf(a, "%s%s%s", text, i == 0 ? "" : ",",
		    all[i] == s ? position : all[i]->position);
	return text;
}

static void
read_topics(struct reading *r)
{
	const char *topics = value_of(r, "topics");
	struct str rest = str_of(topics[0] == '\0' ? "tasks" : topics), one;

	while (rest.n != 0) {
		str_cut(rest, ',', &one, &rest);
		add_topic(r, arena_strndup(r->a, one.p, one.n));
	}
}

static void
add_topic(struct reading *r, const char *name)
{
	struct sse_wish *w = r->out;
	const struct source *s = source_find(name);
	Mf__LiveSubscription *sub = ARENA_NEW(r->a, Mf__LiveSubscription);

	for (size_t i = 0; i < w->n; i++)
		if (w->sources[i] == s)
			s = NULL;
	if (s == NULL || w->n == SSE_TOPICS_MOST) {
		failure_violation(r->a, r->f, "topics", "must be tasks, fleet, or both");
		return;
	}
	mf__live_subscription__init(sub);
	sub->id = sub->topic = (char *)s->topic;
	w->sources[w->n] = s;
	w->subscriptions[w->n++] = sub;
}

static void
read_filters(struct reading *r)
{
	for (size_t i = 0; i < r->n_params; i++) {
		const char *name = r->params[i].name;
		bool used = strcmp(name, "topics") == 0 || strcmp(name, "after") == 0;

		for (size_t k = 0; k < r->out->n; k++)
			used = used || has_fact(r->out->sources[k], name);
		if (!used)
			failure_violation(r->a, r->f, name, "is nothing that these events have");
	}
	for (size_t k = 0; k < r->out->n; k++)
		read_filter(r, k);
}

/* {"state":["a","b"]} of state=a&state=b: as metafed.v1 has it. */
static void
read_filter(struct reading *r, size_t topic)
{
	const struct source *s = r->out->sources[topic];
	Mf__LiveSubscription *sub = r->out->subscriptions[topic];
	json_t *filter = json_object();

	for (size_t i = 0; i < r->n_params; i++) {
		const struct param *p = &r->params[i];
		json_t *list = json_object_get(filter, p->name);

		if (!has_fact(s, p->name))
			continue;
		if (list == NULL)
			json_object_set_new(filter, p->name, list = json_array());
		json_array_append_new(list, json_string(p->value));
	}
	if (json_object_size(filter) != 0 && selection_read(r->a, s, filter, r->f) != NULL) {
		struct jw w;

		jw_start(&w, r->a, 256);
		jw_json(&w, NULL, filter);
		sub->filter.data = (uint8_t *)jw_text(&w, &sub->filter.len);
		if (sub->filter.len > FILTER_MOST)
			failure_violation(
			    r->a, r->f, "", "has filters of more than %d bytes", FILTER_MOST);
	}
	json_decref(filter);
}

static bool
has_fact(const struct source *s, const char *name)
{
	for (size_t i = 0; s->facts[i] != NULL; i++)
		if (strcmp(s->facts[i], name) == 0)
			return true;
	return false;
}

/* As it stood in an `id:`. A topic whose position was not known then begins now. */
static void
read_position(struct reading *r, const char *where, const char *text)
{
	struct str rest = str_of(text), one;
	size_t commas = 0;

	for (const char *p = text; *p != '\0'; p++)
		commas += *p == ',';
	if (text[0] == '\0')
		return;
	if (commas + 1 != r->out->n) {
		failure_violation(
		    r->a, r->f, where, "must be the id of an event of a stream of these topics");
		return;
	}
	for (size_t i = 0; i < r->out->n; i++) {
		str_cut(rest, ',', &one, &rest);
		if (one.n != 0 && !r->out->sources[i]->position_ok(one))
			failure_violation(r->a, r->f, where, "must be the id that an event had");
		else
			r->out->subscriptions[i]->position = arena_strndup(r->a, one.p, one.n);
	}
}

static const char *
value_of(const struct reading *r, const char *name)
{
	for (size_t i = 0; i < r->n_params; i++)
		if (strcmp(r->params[i].name, name) == 0)
			return r->params[i].value;
	return "";
}

/* errors: the error patterns as people and programs ask for them. Called by own. */
#include <stdio.h>

#include "base/json.h"
#include "base/time.h"
#include "meta/fleet_state.h"
#include "meta/meta.h"
#include "meta/own.h"
#include "meta/patterns.h"
#include "node/node.h"

#define LIMIT      100
#define LIMIT_MOST 1000

static bool read_arguments(struct own_ask *, struct pattern_filter *, size_t *);
static void write_pattern(struct jw *, const struct patterns *, const struct pattern *, int64_t);

void
own_errors(struct own_ask *o)
{
	struct patterns *p = o->meta->patterns;
	const struct pattern *found[PATTERNS_MOST];
	int64_t now = loop_now(o->meta->loop);
	struct pattern_filter f = { .window = WINDOWS };
	size_t limit = LIMIT, n;
	struct jw w;

	if (!read_arguments(o, &f, &limit))
		return;
	n = patterns_list(p, &f, now, found, limit < PATTERNS_MOST ? limit : PATTERNS_MOST);
	if (n == 0 && f.node != NULL && fleet_name_find(f.node) == NULL &&
	    fleet_state_find(o->meta->fleet, f.node) == NULL) {
		own_fail(o, ST_NOT_FOUND, "",
		    arena_printf(call_arena(o->c), "there is no process %s in this fleet", f.node));
		return;
	}
	jw_start(&w, call_arena(o->c), 64 + 512 * n);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (size_t i = 0; i < n; i++)
		write_pattern(&w, p, found[i], time_wall_us() - now);
	jw_close(&w, ']');
	jw_close(&w, '}');
	o->result.data = (uint8_t *)jw_text(&w, &o->result.len);
	own_finish(o);
}

/* False: refused already. Of a query all values are texts. */
static bool
read_arguments(struct own_ask *o, struct pattern_filter *f, size_t *limit)
{
	const json_t *v = own_arguments(o), *most = json_object_get(v, "limit");
	const char *window = json_string_value(json_object_get(v, "window"));
	uint64_t n = json_is_integer(most) && json_integer_value(most) > 0
	                 ? (uint64_t)json_integer_value(most)
	                 : 0;

	f->node = json_string_value(json_object_get(v, "node"));
	f->status = json_string_value(json_object_get(v, "status"));
	if (window != NULL && (f->window = window_find(window)) == WINDOWS) {
		own_fail(o, ST_INVALID_ARGUMENT, "VALIDATION",
		    "meta/data/window: must be 1m, 1h or 24h");
		return false;
	}
	if (json_is_string(most) && !str_u64(str_of(json_string_value(most)), LIMIT_MOST, &n))
		n = 0;
	if (most != NULL && (n == 0 || n > LIMIT_MOST)) {
		own_fail(
		    o, ST_INVALID_ARGUMENT, "VALIDATION", "meta/data/limit: must be 1 to 1000");
		return false;
	}
	if (most != NULL)
		*limit = n;
	return true;
}

/* `wall`: what to add to a time of ours. */
static void
write_pattern(struct jw *w, const struct patterns *all, const struct pattern *p, int64_t wall)
{
	char fingerprint[17];

	jw_object(w, NULL);
	snprintf(fingerprint, sizeof(fingerprint), "%016llx", (unsigned long long)p->fingerprint);
	jw_str(w, "fingerprint", fingerprint);
	jw_str(w, "node", p->node);
	jw_str(w, "method", p->method);
	jw_str(w, "status", status_name(p->status));
	jw_str(w, "cause", p->cause);
	jw_str(w, "message", p->message);
	jw_int(w, "count", (int64_t)p->count);
	jw_num(w, "rate", (double)pattern_within(p, WINDOW_1M) / 60);
	jw_time(w, "first_at", p->first_us + wall);
	jw_time(w, "last_at", p->last_us + wall);
	jw_int(w, "in_1m", (int64_t)pattern_within(p, WINDOW_1M));
	jw_int(w, "in_1h", (int64_t)pattern_within(p, WINDOW_1H));
	jw_int(w, "in_24h", (int64_t)pattern_within(p, WINDOW_24H));
	jw_array(w, "with");
	for (size_t i = 0; i < COMPANIONS_MOST; i++) {
		double share = pattern_share(all, p, &p->with[i]);

		if (share == 0)
			continue;
		jw_object(w, NULL);
		snprintf(fingerprint, sizeof(fingerprint), "%016llx",
		    (unsigned long long)p->with[i].fingerprint);
		jw_str(w, "fingerprint", fingerprint);
		jw_num(w, "share", share);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
}

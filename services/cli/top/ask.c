/* ask: see model.h. What has to be asked for a screen: of the fleet always, of the rest what is shown. */
#include <string.h>

#include "cli/cli.h"
#include "cli/top/model.h"

#define COUNT_EVERY 5 /* turns: a count walks the tasks */
#define TASKS_EVERY 2

size_t
questions_of(
    struct arena *a, const struct state *st, unsigned turn, struct question out[QUESTIONS_MOST])
{
	const char *id = st->detail ? st->chosen : "";
	bool plain = id[0] != '\0' && strpbrk(id, "/?#% ") == NULL;
	size_t n = 0;

	out[n++] = (struct question){ TOPIC_FLEET, "/v1/fleet", "" };
	out[n++] = (struct question){ TOPIC_RELIABILITY, "/v1/reliability", "window=1m" };
	if (turn % COUNT_EVERY == 0)
		out[n++] = (struct question){ TOPIC_COUNTS, "/v1/tasks:count", "" };
	if (st->tab == TAB_CALLS || (st->tab == TAB_NODES && st->detail))
		out[n++] = (struct question){ TOPIC_CALLS, "/v1/fleet/calls", "" };
	if (st->tab == TAB_TASKS && turn % TASKS_EVERY == 0)
		out[n++] = (struct question){
			TOPIC_TASKS, "/v1/tasks",
			"limit=200&sort=-created_at&fields=id,state,priority,type,created_at,title"
		};
	if (st->tab == TAB_ERRORS)
		out[n++] = (struct question){ TOPIC_ERRORS, "/v1/errors", "limit=200&window=1h" };
	if (st->tab == TAB_TRACES && turn % TASKS_EVERY == 0)
		out[n++] = (struct question){ TOPIC_TRACES, "/v1/traces", "limit=200" };
	if (st->tab == TAB_TASKS && plain) {
		out[n++] = (struct question){ TOPIC_TASK, arena_printf(a, "/v1/tasks/%s", id), "" };
		out[n++] = (struct question){ TOPIC_HISTORY,
			arena_printf(a, "/v1/tasks/%s/history", id), "" };
	}
	if (st->tab == TAB_TRACES && plain)
		out[n++] =
		    (struct question){ TOPIC_TRACE, arena_printf(a, "/v1/traces/%s", id), "" };
	return n;
}

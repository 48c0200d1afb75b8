/* supervise: see supervise.h. A table, and the few words that its texts may be. */
#include "node/supervise.h"

#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "base/time.h"
#include "node/node.h"

#define MEMORY_LEAST (1 << 20) /* a number without its unit would end each process at once */

#define AT(field) offsetof(struct supervise, field)

static bool one_of(const char *word, const char *const *words);

/* clang-format off: a table */
const struct config_key supervise_keys[] = {
	{ .name = "restart",
	    .type = CONFIG_STR,
	    .offset = AT(restart),
	    .def = "permanent",
	    .restart = true,
	    .help = "permanent: always; transient: after an abnormal end only; temporary: never" },
	{ .name = "strategy",
	    .type = CONFIG_STR,
	    .offset = AT(strategy),
	    .def = "one_for_one",
	    .restart = true,
	    .help = "one_for_one, or rest_for_one: whoever starts after it is restarted with it" },
	{ .name = "after",
	    .type = CONFIG_STR,
	    .offset = AT(after),
	    .def = "",
	    .restart = true,
	    .help = "nodes that it starts after, by commas, besides meta and the private servers" },
	{ .name = "restart_max",
	    .type = CONFIG_INT,
	    .offset = AT(restart_max),
	    .def = "10",
	    .min = 1,
	    .max = SUPERVISE_RESTARTS_MOST,
	    .restart = true,
	    .help = "more restarts in the window and the node is FAILED" },
	{ .name = "restart_window",
	    .type = CONFIG_DURATION,
	    .offset = AT(restart_window_us),
	    .def = "60s",
	    .min = 100 * MS,
	    .max = 24 * 3600 * SEC,
	    .restart = true,
	    .help = "window in which restart_max counts" },
	{ .name = "restart_base",
	    .type = CONFIG_DURATION,
	    .offset = AT(restart_base_us),
	    .def = "50ms",
	    .min = MS,
	    .max = 60 * SEC,
	    .restart = true,
	    .help = "first back-off of a node that died before it was READY; doubled each time" },
	{ .name = "restart_cap",
	    .type = CONFIG_DURATION,
	    .offset = AT(restart_cap_us),
	    .def = "5s",
	    .min = MS,
	    .max = 3600 * SEC,
	    .restart = true,
	    .help = "longest back-off" },
	{ .name = "restart_healthy",
	    .type = CONFIG_DURATION,
	    .offset = AT(restart_healthy_us),
	    .def = "1s",
	    .min = MS,
	    .max = 3600 * SEC,
	    .restart = true,
	    .help = "READY for so long: started again at once" },
	{ .name = "ready_limit",
	    .type = CONFIG_DURATION,
	    .offset = AT(ready_limit_us),
	    .def = "15s",
	    .min = 100 * MS,
	    .max = 3600 * SEC,
	    .restart = true,
	    .help = "a node that is not READY after so long is killed" },
	{ .name = "kill_after",
	    .type = CONFIG_DURATION,
	    .offset = AT(kill_after_us),
	    .def = "15s",
	    .min = 100 * MS,
	    .max = 3600 * SEC,
	    .restart = true,
	    .help = "a node that was asked to go and is still there after so long is killed" },
	{ .name = "memory_max",
	    .type = CONFIG_BYTES,
	    .offset = AT(memory_max),
	    .def = "2g",
	    .max = INT64_C(1) << 50,
	    .restart = true,
	    .help =
		"more resident memory than this and the node is killed and started again; 0: any" },
	{ .name = "files_max",
	    .type = CONFIG_INT,
	    .offset = AT(files_max),
	    .def = "65536",
	    .max = 1 << 30,
	    .restart = true,
	    .help =
		"descriptors that it may have, at most what the guard may; 0: those of the guard" },
	{ .name = "recycle_rss",
	    .type = CONFIG_BYTES,
	    .offset = AT(recycle_rss),
	    .def = "0",
	    .max = INT64_C(1) << 50,
	    .restart = true,
	    .help =
		"more resident memory than this and the node is renewed as by `metafed restart`; "
		"0: never" },
	{ .name = "recycle_after",
	    .type = CONFIG_DURATION,
	    .offset = AT(recycle_after_us),
	    .def = "0",
	    .max = 3650 * 86400 * SEC,
	    .restart = true,
	    .help = "the node is renewed at this age, or up to a tenth later; 0: never" },
	{ .name = "cores",
	    .type = CONFIG_BOOL,
	    .offset = AT(cores),
	    .def = "no",
	    .restart = true,
	    .help = "leave a core file when it crashes: it holds what the process had in memory" },
	{ .name = NULL },
};
/* clang-format on */

bool
supervise_check(const struct supervise *s, const char *node, char *err, size_t n)
{
	static const char *const restarts[] = { "permanent", "transient", "temporary", NULL };
	static const char *const strategies[] = { "one_for_one", "rest_for_one", NULL };
	static const char *const keepers[] = { "jwt", "oauth", "sql", NULL };
	struct str rest = str_of(s->after), name;

	if (!one_of(s->restart, restarts)) {
		snprintf(err, n, "[%s] restart: \"%s\": must be permanent, transient or temporary",
		    node, s->restart);
		return false;
	}
	if (!one_of(s->strategy, strategies)) {
		snprintf(err, n, "[%s] strategy: \"%s\": must be one_for_one or rest_for_one", node,
		    s->strategy);
		return false;
	}
	if (s->cores && one_of(node, keepers)) {
		snprintf(err, n, "[%s] cores: a core file of this node would hold keys", node);
		return false;
	}
	if (s->memory_max != 0 && s->memory_max < MEMORY_LEAST) {
		snprintf(err, n, "[%s] memory_max: must be 1m or more, nobody runs in less; 0: any",
		    node);
		return false;
	}
	if (s->memory_max != 0 && s->recycle_rss >= s->memory_max) {
		snprintf(err, n, "[%s] recycle_rss: must be less than memory_max", node);
		return false;
	}
	while (rest.n > 0) {
		char text[24] = "";

		str_cut(rest, ',', &name, &rest);
		name = str_trim(name);
		snprintf(text, sizeof(text), "%.*s", (int)name.n, name.p);
		if (fleet_name_find(text) != NULL && strcmp(text, node) != 0)
			continue;
		snprintf(err, n, "[%s] after: \"%.*s\" is no other node of the fleet", node,
		    (int)name.n, name.p);
		return false;
	}
	return true;
}

static bool
one_of(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

/* configure: a client reads of a fleet's configuration what tells it where the fleet is, and nothing
 * else: a file that a node would refuse must not keep an operator out. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "client/inside.h"

#define KEYS 16

static void choose_keys(struct config_key out[KEYS]);
static const char *find_file(struct arena *a, const struct client_opts *o);
static const char *not_ours(void *ctx, struct arena *a, const char *key);

const char *const client_rest_members[] = { "rest", "graphql", "websocket", NULL };

bool
client_configure(struct arena *a, const struct client_opts *o, struct node_config *out, char *err,
    size_t err_size)
{
	struct config_key keys[KEYS];
	const struct config_key *const tables[] = { keys };
	void *const outs[] = { out };
	const struct config_source src = {
		.file = find_file(a, o), .node = "client", .env = environ, .foreign = not_ours
	};
	char dir[PATH_MAX];

	choose_keys(keys);
	*out = (struct node_config){ .log_level = "error", .faults = "" };
	if (!config_load(a, tables, outs, 1, &src, err, err_size))
		return false;
	out->bus_listen = ""; /* nobody calls us */
	if (o->var != NULL)
		out->var = o->var;
	if (realpath(out->var, dir) != NULL) {
		out->var = arena_strdup(a, dir);
	} else if (out->bus_peers[0] == '\0' && out->bus_dir[0] == '\0') {
		snprintf(err, err_size, "%s: no fleet there", out->var);
		return false;
	}
	return true;
}

/* No environment tells a program of somebody's how many orchestrators stand by; their sockets do. */
const char *const *
client_meta_members(const struct node_config *c)
{
	static const char *members[4] = { "meta" };
	size_t n = 1;
	char path[PATH_MAX];

	if (c->bus_peers[0] != '\0')
		return fleet_meta();
	for (int i = 2; i <= 3; i++) {
		const char *name = i == 2 ? "meta-2" : "meta-3";

		if (c->bus_dir[0] != '\0')
			snprintf(path, sizeof(path), "%s/%s.sock", c->bus_dir, name);
		else
			snprintf(path, sizeof(path), "%s/run/bus/%s.sock", c->var, name);
		if (access(path, F_OK) == 0)
			members[n++] = name;
	}
	members[n] = NULL;
	return members;
}

/* Of those that every node has. */
static void
choose_keys(struct config_key out[KEYS])
{
	static const char *const names[] = { "var", "bus_dir", "bus_peers", "bus_key_file",
		"bus_trust_file", "retry_budget", "retry_tries", "breakers" };
	size_t n = 0;

	for (const struct config_key *k = node_keys; k->name != NULL; k++)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strcmp(k->name, names[i]) == 0)
				out[n++] = *k;
	out[n] = (struct config_key){ .name = NULL };
}

/* NULL: there is none. */
static const char *
find_file(struct arena *a, const struct client_opts *o)
{
	const char *env = getenv("METAFED_CONFIG"), *var = o->var;
	const char *own;

	if (o->config != NULL)
		return o->config;
	if (var == NULL && env != NULL && env[0] != '\0')
		return env;
	if (var == NULL)
		var = getenv("METAFED_VAR") ?: "var";
	own = arena_printf(a, "%s/metafed.conf", var);
	return access(own, R_OK) == 0 ? own : NULL;
}

static const char *
not_ours(void *ctx, struct arena *a, const char *key)
{
	(void)ctx, (void)a, (void)key;
	return NULL;
}

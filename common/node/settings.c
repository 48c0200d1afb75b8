/* settings: the keys that every node has, and one complete configuration as a value of its own.
 *
 * A reload builds a second one beside the first; nothing of the old is touched until the new one is
 * complete. The common part of the file may hold only keys that each node knows: a typo is an error
 * in every node. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "node/inside.h"

#define ARENA_CAP (4u << 20)

#define KEY(field, kind, text, ...)                                                                \
	{                                                                                          \
		.name = #field, .type = kind, .offset = offsetof(struct node_config, field),       \
		.def = text, __VA_ARGS__                                                           \
	}
#define KEY_US(field, text, least, most, ...)                                                      \
	{                                                                                          \
		.name = #field, .type = CONFIG_DURATION,                                           \
		.offset = offsetof(struct node_config, field##_us), .def = text, .min = least,     \
		.max = most, __VA_ARGS__                                                           \
	}

const struct config_key node_keys[] = {
	KEY(var, CONFIG_PATH, "var", .restart = true,
	    .help = "directory of run files, sockets and secrets"),
	KEY(log_level, CONFIG_STR, "info", .help = "debug, info, warn or error"),
	KEY_US(drain, "10s", 0, 600 * SEC,
	    .help = "how long calls in flight may take to finish when the node stops"),
	KEY_US(life_grace, "30s", 0, 3600 * SEC,
	    .help = "how long to serve on without guard and supervisor"),
	KEY(bus_dir, CONFIG_PATH, "", .restart = true,
	    .help = "directory of the bus sockets; empty: VAR/run/bus"),
	KEY(bus_listen, CONFIG_STR, "", .restart = true,
	    .help = "empty: a socket in bus_dir; else tcp://0.0.0.0:7700"),
	KEY(bus_peers, CONFIG_STR, "", .restart = true,
	    .help =
		"where the others are: tcp://%s:7700 with %s for the name, or name=url,name=url"),
	KEY(bus_key_file, CONFIG_PATH, "", .restart = true, .help = "tcp: this node's X25519 key"),
	KEY(bus_trust_file, CONFIG_PATH, "", .restart = true,
	    .help = "tcp: the public keys of all nodes"),
	KEY(faults, CONFIG_STR, "", .restart = true,
	    .help = "faults to inject from the start; empty: none"),
	KEY(faults_seed, CONFIG_INT, "1", .restart = true, .help = "seed of the injected faults"),
	KEY(retry_budget, CONFIG_NUM, "0.3", .max = 1, .restart = true,
	    .help = "share of first tries that may be followed by retries"),
	KEY(heartbeat, CONFIG_BOOL, "false", .restart = true,
	    .help = "without a supervisor: report to meta over the bus"),
	KEY_US(watchdog, "5s", 0, 600 * SEC, .restart = true,
	    .help = "with heartbeat: a loop that has not turned for so long ends the process; "
		    "0: never"),
	{ .name = NULL },
};

extern char **environ;

static const char *foreign(void *ctx, struct arena *a, const char *key);
static void check_variable(const struct node *n, const struct config_key *const *tables,
    size_t n_tables, const char *variable);
static size_t tables_of(const struct node *n, const struct settings *s,
    const struct config_key *tables[2], void *outs[2]);
static bool complete(const struct node *n, struct settings *s, char *err, size_t err_size);
static const char *text_at(const char *p);

struct settings *
settings_load(const struct node *n, char *err, size_t err_size)
{
	const struct config_source source = { .file = n->options.file,
		.node = n->def->name,
		.sets = n->options.sets,
		.env = environ,
		.foreign = foreign,
		.part = fleet_part };
	struct arena *a = arena_new(ARENA_CAP);
	struct settings *s = ARENA_NEW(a, struct settings);
	const struct config_key *tables[2];
	void *outs[2];
	size_t n_tables;

	s->arena = a;
	if (n->def->config_size > 0)
		s->own = arena_zalloc(a, n->def->config_size);
	n_tables = tables_of(n, s, tables, outs);
	if (!config_load(a, tables, outs, n_tables, &source, err, err_size) ||
	    !complete(n, s, err, err_size))
		settings_free(&s);
	return s;
}

void
settings_free(struct settings **s)
{
	struct arena *a = *s == NULL ? NULL : (*s)->arena;

	*s = NULL;
	arena_free(&a);
}

void
settings_print(const struct node *n, const struct settings *s)
{
	const struct config_key *tables[2];
	void *outs[2];

	config_print(stdout, tables, outs, tables_of(n, s, tables, outs));
}

void
settings_print_keys(const struct node *n)
{
	size_t n_name = strlen(n->def->name);

	for (const struct config_key *k = n->def->keys; k != NULL && k->name != NULL; k++) {
		if (strchr(k->name, '/') == NULL)
			puts(k->name);
		else if (strncmp(k->name, n->def->name, n_name) == 0 && k->name[n_name] == '/')
			puts(k->name + n_name + 1); /* the others read it there */
	}
}

void
settings_warn(const struct node *n)
{
	const struct config_key *tables[2];
	void *outs[2];
	size_t n_tables = tables_of(n, n->now, tables, outs);
	char prefix[64];

	config_env_name(prefix, sizeof(prefix), n->def->name, "");
	for (char *const *e = environ; *e != NULL; e++)
		if (strncmp(*e, prefix, strlen(prefix)) == 0)
			check_variable(n, tables, n_tables, *e);
}

static void
check_variable(const struct node *n, const struct config_key *const *tables, size_t n_tables,
    const char *variable)
{
	struct arena *a = arena_new(ARENA_CAP);
	struct config_near near = { NULL, 0 };
	const char *name = arena_strndup(a, variable, strcspn(variable, "="));
	bool known = false;

	for (size_t t = 0; t < n_tables; t++) {
		for (const struct config_key *k = tables[t]; k->name != NULL; k++) {
			char offered[128];

			config_env_name(offered, sizeof(offered), n->def->name, k->name);
			known |= strcmp(name, offered) == 0;
			config_near(&near, name, arena_strdup(a, offered));
		}
	}
	if (!known)
		log_warn("unknown_variable", L_STR("name", name), L_STR("meant", near.best));
	arena_free(&a);
}

/* What cannot change while the node runs stays as it is, with a warning: the new settings say what
 * is true. */
void
settings_keep(const struct node *n, const struct settings *old, struct settings *fresh)
{
	const struct config_key *tables[2];
	void *was[2], *is[2];
	size_t n_tables = tables_of(n, old, tables, was);

	tables_of(n, fresh, tables, is);
	for (size_t t = 0; t < n_tables; t++) {
		for (const struct config_key *k = tables[t]; k->name != NULL; k++) {
			char *from = (char *)was[t] + k->offset, *to = (char *)is[t] + k->offset;

			if (!k->restart || !config_differs(k, from, to))
				continue;
			log_warn("config_needs_restart", L_STR("key", k->name));
			if (k->type == CONFIG_STR || k->type == CONFIG_PATH)
				*(const char **)(void *)to =
				    arena_strdup(fresh->arena, text_at(from));
			else
				memcpy(to, from, config_size(k));
		}
	}
}

/* The common part holds what all nodes have, so that a typo is an error in each of them. */
static const char *
foreign(void *ctx, struct arena *a, const char *key)
{
	struct config_near near = { NULL, 0 };

	(void)ctx;
	for (const struct config_key *k = node_keys; k->name != NULL; k++)
		config_near(&near, key, k->name);
	if (near.best != NULL)
		return arena_printf(a, "no such key; is %s meant?", near.best);
	return "no key of all nodes; what one node has stands below its [name]";
}

static size_t
tables_of(const struct node *n, const struct settings *s, const struct config_key *tables[2],
    void *outs[2])
{
	tables[0] = node_keys;
	outs[0] = (void *)(uintptr_t)&s->common;
	tables[1] = n->def->keys;
	outs[1] = s->own;
	return n->def->keys == NULL ? 1 : 2;
}

/* What a table can't say. */
static bool
complete(const struct node *n, struct settings *s, char *err, size_t err_size)
{
	enum log_level level;

	if (!log_level_from_name(s->common.log_level, &level)) {
		snprintf(err, err_size, "log_level: \"%s\": must be debug, info, warn or error",
		    s->common.log_level);
		return false;
	}
	if (s->common.bus_dir[0] == '\0')
		s->common.bus_dir = arena_printf(s->arena, "%s/run/bus", s->common.var);
	return n->def->check == NULL || n->def->check(s->own, err, err_size);
}

static const char *
text_at(const char *p)
{
	return *(const char *const *)(const void *)p;
}

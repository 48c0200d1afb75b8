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
#include "base/log_file.h"
#include "base/str.h"
#include "base/time.h"
#include "node/inside.h"

#define ARENA_CAP (4u << 20)
#define TABLES    3 /* of all nodes, of their supervision, its own */

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
	KEY(log_file_bytes, CONFIG_BYTES, "8m", .min = LOG_FILE_SMALLEST, .max = INT64_C(1) << 40,
	    .restart = true, .help = "a log file of this size becomes an old one"),
	KEY(log_budget, CONFIG_BYTES, "512m", .min = LOG_FILE_SMALLEST * LOG_FILES_LEAST,
	    .max = INT64_C(1) << 50, .restart = true,
	    .help = "VAR/log takes no more: of the old files of all processes the oldest go"),
	KEY_US(drain, "10s", 0, 600 * SEC,
	    .help = "how long calls in flight may take to finish when the node stops"),
	KEY_US(life_grace, "30s", 0, 3600 * SEC,
	    .help = "how long to serve on without guard and supervisor"),
	KEY(bus_dir, CONFIG_PATH, "", .restart = true,
	    .help = "directory of the bus sockets; empty: VAR/run/bus"),
	KEY(bus_listen, CONFIG_STR, "", .restart = true,
	    .help = "empty: a socket in bus_dir; else tcp://0.0.0.0:7700"),
	KEY(bus_peers, CONFIG_STR, "", .restart = true,
	    .help = "where the others are: tcp://%s:7700 with %s for the name, or "
		    "name=url,name=url; one "
		    "name several times, or a host with several addresses: several processes"),
	KEY(instance, CONFIG_STR, "", .restart = true,
	    .help = "tcp: which of several processes of this name it is; empty: the only one"),
	KEY(bus_key_file, CONFIG_PATH, "", .restart = true, .help = "tcp: this node's X25519 key"),
	KEY(bus_trust_file, CONFIG_PATH, "", .restart = true,
	    .help = "tcp: the public keys of all nodes"),
	KEY(faults, CONFIG_STR, "", .restart = true,
	    .help = "faults to inject from the start; empty: none"),
	KEY(faults_seed, CONFIG_INT, "1", .restart = true, .help = "seed of the injected faults"),
	KEY(retry_budget, CONFIG_NUM, "0.3", .max = 1, .restart = true,
	    .help = "share of first tries that may be followed by retries"),
	KEY(retry_tries, CONFIG_INT, "5", .min = 1, .max = 10, .restart = true,
	    .help = "most tries of one call on one hop, the first included"),
	KEY(breakers, CONFIG_STR, "active", .restart = true,
	    .help = "active, or observe: they count and tell, but errors never open one"),
	KEY_US(trace_slow, "250ms", 0, 600 * SEC,
	    .help = "a request that took longer has its trace kept; 0: none for that"),
	KEY(trace_sample, CONFIG_NUM, "0.01", .max = 1,
	    .help = "share of the other requests of which it is kept"),
	KEY(trace_rate, CONFIG_NUM, "50", .max = 10000,
	    .help = "traces that are kept in a second at most, of what enters at one node"),
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
    const struct config_key *tables[TABLES], void *outs[TABLES]);
static bool complete(const struct node *n, struct settings *s, char *err, size_t err_size);
static bool instance_ok(const char *s);
static const char *text_at(const char *p);
static bool tells_secret(const char *text);

struct settings *
settings_load(const struct node *n, char *err, size_t err_size)
{
	struct arena *a = arena_new(ARENA_CAP);
	struct settings *s = ARENA_NEW(a, struct settings);
	const struct config_source source = { .file = n->options.file,
		.node = n->def->name,
		.sets = n->options.sets,
		.env = environ,
		.foreign = foreign,
		.part = fleet_part,
		.from = &s->from };
	const struct config_key *tables[TABLES];
	void *outs[TABLES];
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
	const struct config_key *tables[TABLES];
	void *outs[TABLES];

	config_print(stdout, tables, outs, tables_of(n, s, tables, outs));
}

size_t
node_settings(const struct node *n, struct arena *a, struct node_setting **out)
{
	const struct config_key *tables[TABLES];
	void *outs[TABLES];
	size_t n_tables = tables_of(n, n->now, tables, outs), most = 0, at = 0;

	for (size_t t = 0; t < n_tables; t++)
		for (const struct config_key *k = tables[t]; k->name != NULL; k++)
			most++;
	*out = ARENA_ARRAY(a, struct node_setting, most + 1);
	for (size_t t = 0; t < n_tables; t++) {
		for (const struct config_key *k = tables[t]; k->name != NULL; k++) {
			struct node_setting *s = &(*out)[at];

			s->key = k;
			s->from = n->now->from[at++];
			if (!k->secret)
				s->value = config_text(a, k, (const char *)outs[t] + k->offset);
			if (s->value != NULL && tells_secret(s->value))
				s->value = NULL;
		}
	}
	return at;
}

int64_t
node_restart_window(const struct node *n)
{
	return n->now->supervise.restart_window_us;
}

/* A password has no place in any of these keys; where somebody wrote one all the same, in a conninfo or
 * an address, it goes no further. */
static bool
tells_secret(const char *text)
{
	const char *at, *end = strstr(text, "://");

	for (const char *p = text; (at = strcasestr(p, "pass")) != NULL; p = at + 4) {
		const char *rest =
		    at + 4 +
		    strspn(at + 4, "wordWORDphrasePHASE_"); /* password, passphrase, passwd */

		if (rest[strspn(rest, " \t")] == '=')
			return true;
	}
	for (; end != NULL; end = strstr(end + 3, "://")) { /* user:password@ */
		const char *user = end + 3, *until = user + strcspn(user, "/?# ,;");
		const char *colon = memchr(user, ':', (size_t)(until - user));

		if (user[strcspn(user, "? ,;")] == '?') /* a key may stand in a query */
			return true;
		if (colon != NULL && memchr(colon, '@', (size_t)(until - colon)) != NULL)
			return true;
	}
	return false;
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
	const struct config_key *tables[TABLES];
	void *outs[TABLES];
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
	const struct config_key *tables[TABLES];
	void *was[TABLES], *is[TABLES];
	size_t n_tables = tables_of(n, old, tables, was), at = 0;

	tables_of(n, fresh, tables, is);
	for (size_t t = 0; t < n_tables; t++) {
		for (const struct config_key *k = tables[t]; k->name != NULL; k++, at++) {
			char *from = (char *)was[t] + k->offset, *to = (char *)is[t] + k->offset;

			if (!k->restart || !config_differs(k, from, to))
				continue;
			log_warn("config_needs_restart", L_STR("key", k->name));
			fresh->from[at] = old->from[at];
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
	for (const struct config_key *k = supervise_keys; k->name != NULL; k++)
		config_near(&near, key, k->name);
	if (near.best != NULL)
		return arena_printf(a, "no such key; is %s meant?", near.best);
	return "no key of all nodes; what one node has stands below its [name]";
}

static size_t
tables_of(const struct node *n, const struct settings *s, const struct config_key *tables[TABLES],
    void *outs[TABLES])
{
	tables[0] = node_keys;
	outs[0] = (void *)(uintptr_t)&s->common;
	tables[1] = supervise_keys;
	outs[1] = (void *)(uintptr_t)&s->supervise;
	tables[2] = n->def->keys;
	outs[2] = s->own;
	return n->def->keys == NULL ? 2 : 3;
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
	if (strcmp(s->common.breakers, "active") != 0 &&
	    strcmp(s->common.breakers, "observe") != 0) {
		snprintf(err, err_size, "breakers: \"%s\": must be active or observe",
		    s->common.breakers);
		return false;
	}
	if (!log_file_check(s->common.log_file_bytes, s->common.log_budget, err, err_size))
		return false;
	if (!instance_ok(s->common.instance)) {
		snprintf(err, err_size,
		    "instance: \"%s\": must be 1 to 63 of a-z, 0-9 and '-', or empty",
		    s->common.instance);
		return false;
	}
	if (s->common.bus_dir[0] == '\0')
		s->common.bus_dir = arena_printf(s->arena, "%s/run/bus", s->common.var);
	return supervise_check(&s->supervise, n->def->name, err, err_size) &&
	       (n->def->check == NULL || n->def->check(s->own, err, err_size));
}

static bool
instance_ok(const char *s)
{
	return strlen(s) < 64 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

static const char *
text_at(const char *p)
{
	return *(const char *const *)(const void *)p;
}

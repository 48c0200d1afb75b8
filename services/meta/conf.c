/* conf: see conf.h. */
#include "meta/conf.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "base/log_file.h"
#include "base/time.h"
#include "meta/fleet.h"
#include "meta/public.h"
#include "node/contract.h"
#include "node/node.h"

#define AT(field) offsetof(struct conf, field)
#define KEYS_EACH 24 /* of supervise_keys, with its end */
#define TABLES    (2 + FLEET_SLOTS)
/* the longest name of a socket below VAR */
#define LONGEST_SOCKET "/run/stores/.s.PGSQL.5432.lock"

/* clang-format off: a table */
const struct config_key conf_keys[] = {
	{ .name = "var",
	    .type = CONFIG_PATH,
	    .offset = AT(var_key),
	    .def = "",
	    .help = "directory of run files, sockets, logs and private stores" },
	{ .name = "listen",
	    .type = CONFIG_STR,
	    .offset = AT(listen),
	    .def = "127.0.0.1:8080",
	    .help = "public HTTP address; beyond loopback only with tls or behind_proxy" },
	{ .name = "behind_proxy",
	    .type = CONFIG_BOOL,
	    .offset = AT(behind_proxy),
	    .def = "no",
	    .help = "a proxy in front of us terminates TLS" },
	{ .name = "tls",
	    .type = CONFIG_BOOL,
	    .offset = AT(tls),
	    .def = "no",
	    .help = "api speaks TLS itself (its tls_cert or tls_self_signed), and refuses to start "
		    "otherwise" },
	{ .name = "stores",
	    .type = CONFIG_STR,
	    .offset = AT(stores),
	    .def = "",
	    .help = "private servers below VAR that are supervised too: "
		    "postgres,redis-docs,redis-cache; empty: none" },
	{ .name = "standbys",
	    .type = CONFIG_INT,
	    .offset = AT(standbys),
	    .def = "0",
	    .min = 0,
	    .max = 2,
	    .help = "orchestrators that stand by for meta: meta-2, meta-3" },
	{ .name = "pg_bin",
	    .type = CONFIG_PATH,
	    .offset = AT(pg_bin),
	    .def = "/usr/lib/postgresql/15/bin",
	    .help = "directory of the executable postgres" },
	{ .name = "redis_server",
	    .type = CONFIG_PATH,
	    .offset = AT(redis_server),
	    .def = "/usr/bin/redis-server",
	    .help = "the executable of Redis" },
	{ .name = "user",
	    .type = CONFIG_STR,
	    .offset = AT(user),
	    .def = "",
	    .help = "whom the whole fleet runs as when root starts it" },
	{ .name = "exe_dir",
	    .type = CONFIG_PATH,
	    .offset = AT(exe_dir),
	    .def = "",
	    .help = "directory of the nodes' executables; empty: where this one lies" },
	{ .name = "log_level",
	    .type = CONFIG_STR,
	    .offset = AT(log_level),
	    .def = "info",
	    .help = "debug, info, warn or error" },
	{ .name = "log_to",
	    .type = CONFIG_STR,
	    .offset = AT(log_to),
	    .def = "files",
	    .help = "files: VAR/log/NAME.log; stderr: all of the fleet to the guard's standard "
		    "error (the journal)" },
	{ .name = "log_file_bytes",
	    .type = CONFIG_BYTES,
	    .offset = AT(log_file_bytes),
	    .def = "8m",
	    .min = LOG_FILE_SMALLEST,
	    .max = INT64_C(1) << 40,
	    .help = "a log file of this size becomes an old one" },
	{ .name = "log_budget",
	    .type = CONFIG_BYTES,
	    .offset = AT(log_budget),
	    .def = "512m",
	    .min = LOG_FILE_SMALLEST * LOG_FILES_LEAST,
	    .max = INT64_C(1) << 50,
	    .help = "VAR/log takes no more: of the old files of all processes the oldest go" },
	{ .name = "start_limit",
	    .type = CONFIG_DURATION,
	    .offset = AT(start_limit_us),
	    .def = "60s",
	    .min = SEC,
	    .max = 3600 * SEC,
	    .help = "--detach gives up when not everybody is READY after so long" },
	{ .name = NULL },
};
/* clang-format on */

static bool load_keys(struct conf *s, const struct conf_options *o, char *err, size_t n);
static size_t
tables_of(struct arena *a, struct conf *s, const struct config_key *tables[], void *outs[]);
static const struct config_key *keys_of(struct arena *a, const char *node);
static bool check_supervision(struct conf *s, char *err, size_t n);
static uint32_t names(const char *list);
static bool find_file(char out[CONF_PATH], const struct conf_options *o, char *err, size_t n);
static const char *any_key(void *ctx, struct arena *a, const char *key);
static bool resolve_var(struct conf *s, const struct conf_options *o, char *err, size_t n);
static bool check_user(struct conf *s, char *err, size_t n);
static bool check_log(struct conf *s, char *err, size_t n);
static bool check_executables(struct conf *s, char *err, size_t n);
static bool check_stores(struct conf *s, char *err, size_t n);
static bool check_store(const struct conf *s, int slot, char *err, size_t n);
static bool executable(const char *dir, const char *name, char *err, size_t n);

bool
conf_load(struct conf *s, const struct conf_options *o, char *err, size_t n)
{
	memset(s, 0, sizeof(*s));
	if (load_keys(s, o, err, n) && resolve_var(s, o, err, n) && check_user(s, err, n) &&
	    check_log(s, err, n) && check_supervision(s, err, n) &&
	    public_check(s->listen, s->tls || s->behind_proxy, err, n) &&
	    check_executables(s, err, n) && check_stores(s, err, n))
		return true;
	conf_free(s);
	return false;
}

bool
conf_find_var(struct conf *s, const struct conf_options *o, char *err, size_t n)
{
	memset(s, 0, sizeof(*s));
	if ((o->var != NULL || load_keys(s, o, err, n)) && resolve_var(s, o, err, n))
		return true;
	conf_free(s);
	return false;
}

void
conf_free(struct conf *s)
{
	arena_free(&s->texts);
}

void
conf_say_changed(const struct conf *s)
{
	const struct conf_options o = { .config = s->config, .var = s->var, .sets = s->sets };
	const struct config_key *tables[TABLES];
	void *outs[TABLES];
	size_t n_tables;
	struct conf fresh;
	char err[512];

	if (!conf_load(&fresh, &o, err, sizeof(err))) {
		log_warn("config_unread", L_STR("error", err)); /* changed since it was checked */
		return;
	}
	n_tables = tables_of(fresh.texts, &fresh, tables, outs);
	for (size_t t = 0; t < n_tables; t++) {
		const char *was = (const char *)s + ((char *)outs[t] - (char *)&fresh);

		for (const struct config_key *k = tables[t]; k->name != NULL; k++)
			if (config_differs(k, was + k->offset, (const char *)outs[t] + k->offset))
				log_warn("config_needs_restart", L_STR("part", "guard"),
				    L_STR("key", k->name));
	}
	conf_free(&fresh);
}

void
conf_print(const struct conf *s, FILE *f)
{
	const struct config_key *tables[TABLES], *own;
	struct conf copy = *s;
	void *outs[TABLES];
	size_t n = tables_of(s->texts, &copy, tables, outs);

	for (size_t t = 2; t < n; t++) { /* of a node only what is otherwise than for all */
		struct config_key *said = ARENA_ARRAY(s->texts, struct config_key, KEYS_EACH),
				  *k = said;

		for (own = tables[t]; own->name != NULL; own++)
			if (config_differs(own, (char *)outs[t] + own->offset,
				(const char *)&s->all + own->offset))
				*k++ = *own;
		*k = *own;
		tables[t] = said;
	}
	config_print(f, tables, outs, n);
}

struct restart_policy
conf_policy(const struct conf *s, int slot)
{
	const struct supervise *of = &s->of[slot];

	return (struct restart_policy){ .base_us = of->restart_base_us,
		.cap_us = of->restart_cap_us,
		.healthy_us = of->restart_healthy_us,
		.window_us = of->restart_window_us,
		.max = (uint32_t)of->restart_max,
		.kind = strcmp(of->restart, "transient") == 0   ? RESTART_TRANSIENT
		        : strcmp(of->restart, "temporary") == 0 ? RESTART_TEMPORARY
		                                                : RESTART_PERMANENT };
}

bool
conf_has(const struct conf *s, int slot)
{
	if (fleet_table[slot].store)
		return (s->stores_of_ours & SLOT_BIT(slot)) != 0;
	return fleet_table[slot].standby <= (unsigned)s->standbys;
}

const char *
conf_path(const struct conf *s, const char *fmt, ...)
{
	static char ring[8][CONF_PATH];
	static unsigned next;
	char *at = ring[next++ % 8];
	va_list ap;
	int n = snprintf(at, CONF_PATH, "%s/", s->var);

	va_start(ap, fmt);
	n += vsnprintf(at + n, CONF_PATH - (size_t)n, fmt, ap);
	va_end(ap);
	must(n < CONF_PATH);
	return at;
}

static bool
load_keys(struct conf *s, const struct conf_options *o, char *err, size_t n)
{
	const struct config_key *tables[TABLES];
	void *outs[TABLES];
	size_t n_tables;
	struct config_source src = { .node = "guard",
		.sets = o->sets,
		.env = environ,
		.foreign = any_key,
		.part = fleet_part };
	char file[CONF_PATH];

	s->texts = arena_new(4 << 20); /* files of up to 1 MiB */
	s->sets = o->sets;
	if (!find_file(file, o, err, n))
		return false;
	src.file = file[0] == '\0' ? NULL : file;
	n_tables = tables_of(s->texts, s, tables, outs);
	if (!config_load(s->texts, tables, outs, n_tables, &src, err, n))
		return false;
	for (int i = 0; i < FLEET_SLOTS; i++)
		s->of[i] = s->all;
	if (!config_load(s->texts, tables, outs, n_tables, &src, err, n))
		return false;
	for (int i = 0; i < FLEET_SLOTS; i++)
		if (fleet_table[i].standby != 0)
			s->of[i] = s->of[SLOT_META];
	memcpy(s->config, file, sizeof(file));
	return true;
}

/* Ours, those of all, those of each node: what its part does not say is what stands in its struct
 * before it is read. */
static size_t
tables_of(struct arena *a, struct conf *s, const struct config_key *tables[], void *outs[])
{
	size_t n = 0;

	tables[n] = conf_keys;
	outs[n++] = s;
	tables[n] = supervise_keys;
	outs[n++] = &s->all;
	for (int i = 0; i < FLEET_SLOTS; i++) {
		if (fleet_name_find(fleet_table[i].name) == NULL || fleet_table[i].standby != 0)
			continue;
		tables[n] = keys_of(a, fleet_table[i].name);
		outs[n++] = &s->of[i];
	}
	return n;
}

static const struct config_key *
keys_of(struct arena *a, const char *node)
{
	struct config_key *keys = ARENA_ARRAY(a, struct config_key, KEYS_EACH);
	size_t n = 0;

	for (const struct config_key *k = supervise_keys; k->name != NULL; k++) {
		must(n < KEYS_EACH - 1);
		keys[n] = *k;
		keys[n].name = arena_printf(a, "%s/%s", node, k->name);
		keys[n++].def = NULL;
	}
	keys[n] = (struct config_key){ .name = NULL };
	return keys;
}

/* And who starts after whom, through others as well: nobody may wait for himself. */
static bool
check_supervision(struct conf *s, char *err, size_t n)
{
	if (s->all.cores) {
		snprintf(err, n, "[guard] cores: is said for each node by itself, not for all");
		return false;
	}
	for (int i = 0; i < FLEET_SLOTS; i++) {
		if (fleet_table[i].standby != 0)
			s->of[i] = s->of[SLOT_META]; /* what stands by for it is as it is */
		if (!fleet_table[i].store &&
		    !supervise_check(&s->of[i], fleet_table[i].name, err, n))
			return false;
		s->after[i] = fleet_table[i].after | names(s->of[i].after);
	}
	for (int step = 0; step < FLEET_SLOTS; step++)
		for (int i = 0; i < FLEET_SLOTS; i++)
			for (int k = 0; k < FLEET_SLOTS; k++)
				s->after[i] |= (s->after[i] & SLOT_BIT(k)) != 0 ? s->after[k] : 0;
	for (int i = 0; i < FLEET_SLOTS; i++) {
		if ((s->after[i] & SLOT_BIT(i)) == 0)
			continue;
		snprintf(err, n, "[%s] after: %s would start after itself", fleet_table[i].name,
		    fleet_table[i].name);
		return false;
	}
	return true;
}

/* SLOT_BITs; the names have been checked. */
static uint32_t
names(const char *list)
{
	struct str rest = str_of(list), name;
	uint32_t bits = 0;

	while (rest.n > 0) {
		str_cut(rest, ',', &name, &rest);
		name = str_trim(name);
		for (int i = 0; i < FLEET_SLOTS; i++)
			if (str_eq(name, fleet_table[i].name))
				bits |= SLOT_BIT(i);
	}
	return bits;
}

/* "": there is none. */
static bool
find_file(char out[CONF_PATH], const struct conf_options *o, char *err, size_t n)
{
	const char *from_env = getenv("METAFED_CONFIG"), *file = o->config;
	char path[PATH_MAX], whole[PATH_MAX];

	out[0] = '\0';
	if (file == NULL && from_env != NULL && from_env[0] != '\0')
		file = from_env;
	if (file == NULL) {
		snprintf(path, sizeof(path), "%s/metafed.conf", o->var != NULL ? o->var : "var");
		if (access(path, F_OK) != 0)
			return true;
		file = path;
	}
	if (realpath(file, whole) == NULL || strlen(whole) >= CONF_PATH) {
		snprintf(err, n, "configuration %s: %s", file,
		    strlen(file) >= CONF_PATH ? "path too long" : strerror(errno));
		return false;
	}
	memcpy(out, whole, strlen(whole) + 1);
	return true;
}

/* Keys before the first part may belong to any node; each node checks its own. */
static const char *
any_key(void *ctx, struct arena *a, const char *key)
{
	(void)ctx, (void)a, (void)key;
	return NULL;
}

/* The directory may not exist yet; its parent must. */
static bool
resolve_var(struct conf *s, const struct conf_options *o, char *err, size_t n)
{
	const char *want = o->var != NULL                                ? o->var
	                   : s->var_key != NULL && s->var_key[0] != '\0' ? s->var_key
	                                                                 : "var";
	size_t room = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 - strlen(LONGEST_SOCKET);
	char copy[PATH_MAX], copy2[PATH_MAX], whole[PATH_MAX + NAME_MAX + 2];

	snprintf(copy, sizeof(copy), "%s", want);
	snprintf(copy2, sizeof(copy2), "%s", want);
	if (realpath(want, whole) == NULL) {
		char parent[PATH_MAX];

		if (errno != ENOENT || realpath(dirname(copy), parent) == NULL) {
			snprintf(err, n, "directory %s: %s", want, strerror(errno));
			return false;
		}
		snprintf(whole, sizeof(whole), "%s/%s", parent[1] == '\0' ? "" : parent,
		    basename(copy2));
	}
	if (strlen(whole) > room) {
		snprintf(err, n,
		    "directory %s is too long: its sockets would exceed 107 bytes; at most %zu "
		    "characters, "
		    "choose a shorter --var",
		    whole, room);
		return false;
	}
	snprintf(s->var, sizeof(s->var), "%s", whole);
	return true;
}

static bool
check_user(struct conf *s, char *err, size_t n)
{
	struct passwd *pw;

	s->uid = geteuid();
	s->gid = getegid();
	if (s->user[0] != '\0') {
		if ((pw = getpwnam(s->user)) == NULL) {
			snprintf(err, n, "user: there is no user \"%s\" on this system", s->user);
			return false;
		}
		if (s->uid != 0 && s->uid != pw->pw_uid) {
			snprintf(err, n,
			    "user: only root can run the fleet as \"%s\"; leave `user` empty",
			    s->user);
			return false;
		}
		s->drop = s->uid == 0 && pw->pw_uid != 0;
		s->uid = pw->pw_uid;
		s->gid = pw->pw_gid;
	}
	return true;
}

static bool
check_log(struct conf *s, char *err, size_t n)
{
	enum log_level level;

	s->log_stderr = strcmp(s->log_to, "stderr") == 0;
	if (!s->log_stderr && strcmp(s->log_to, "files") != 0) {
		snprintf(err, n, "log_to: \"%s\" is none of files, stderr", s->log_to);
		return false;
	}
	if (log_level_from_name(s->log_level, &level))
		return log_file_check(s->log_file_bytes, s->log_budget, err, n);
	snprintf(err, n, "log_level: \"%s\" is none of debug, info, warn, error", s->log_level);
	return false;
}

static bool
check_executables(struct conf *s, char *err, size_t n)
{
	char self[PATH_MAX], name[64];
	ssize_t len;

	if (s->exe_dir[0] != '\0') {
		snprintf(self, sizeof(self), "%s", s->exe_dir);
	} else {
		len = readlink("/proc/self/exe", self, sizeof(self) - 1);
		self[len > 0 ? len : 0] = '\0';
		dirname(self);
	}
	if (strlen(self) + 32 > sizeof(s->exe)) {
		snprintf(err, n, "directory of executables %s: too long", self);
		return false;
	}
	memcpy(s->exe, self, strlen(self) + 1);
	for (int i = 0; i < FLEET_SLOTS; i++) {
		snprintf(name, sizeof(name), "metafed-%s", fleet_table[i].name);
		if (!fleet_table[i].store && fleet_table[i].standby == 0 &&
		    !executable(s->exe, name, err, n))
			return false;
	}
	return true;
}

static bool
check_stores(struct conf *s, char *err, size_t n)
{
	struct str rest = str_of(s->stores), name;

	while (rest.n > 0) {
		int slot = -1;

		str_cut(rest, ',', &name, &rest);
		name = str_trim(name);
		for (int i = 0; i < FLEET_SLOTS; i++) {
			if (fleet_table[i].store && str_eq(name, fleet_table[i].name))
				slot = i;
		}
		if (slot < 0) {
			snprintf(err, n,
			    "stores: \"%.*s\" is none of postgres, redis-docs, redis-cache",
			    (int)name.n, name.p);
			return false;
		}
		if (!check_store(s, slot, err, n))
			return false;
		s->stores_of_ours |= SLOT_BIT(slot);
	}
	return true;
}

static bool
check_store(const struct conf *s, int slot, char *err, size_t n)
{
	const char *data = slot == SLOT_POSTGRES ? conf_path(s, "pg/PG_VERSION")
	                                         : conf_path(s, "%s", fleet_table[slot].name);

	if (access(data, F_OK) != 0) {
		snprintf(err, n, "%s: %s; scripts/run initialises the private stores", data,
		    strerror(errno));
		return false;
	}
	if (slot != SLOT_POSTGRES)
		return executable("", s->redis_server, err, n);
	if (s->uid == 0) {
		snprintf(err, n,
		    "stores: PostgreSQL refuses to run as root; set `user` to an unprivileged one");
		return false;
	}
	return executable(s->pg_bin, "postgres", err, n);
}

static bool
executable(const char *dir, const char *name, char *err, size_t n)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s%s", dir, dir[0] == '\0' ? "" : "/", name);
	if (access(path, X_OK) == 0)
		return true;
	snprintf(err, n, "%s: %s; build or install it first", path, strerror(errno));
	return false;
}

/* conf: what guard and supervisor are told. Read once, by the guard, before it forks anything: part
 * [guard] of the configuration file, METAFED_GUARD_<KEY>, --set. The supervisor inherits the
 * finished struct and parses nothing. */
#ifndef META_CONF_H
#define META_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include "base/config.h"
#include "meta/restart.h"

/* longest path that we make: VAR is short, sockets must fit into 107 bytes */
#define CONF_PATH      256
#define CONF_SETS_MOST 64

struct conf_options {       /* of the command line */
	const char *config; /* NULL: METAFED_CONFIG, else VAR/metafed.conf when there is one */
	const char *var;    /* NULL: key `var`, else "var" */
	char *const *sets;  /* NULL-ended */
};

struct conf {
	struct arena *texts; /* of the keys */
	char *const *sets;   /* of the command line, which must live on; at most CONF_SETS_MOST */
	const char *var_key, *listen, *stores, *pg_bin, *redis_server, *user, *exe_dir, *log_level;
	bool behind_proxy, tls;
	int64_t ready_limit_us, kill_after_us, start_limit_us;
	int64_t restart_base_us, restart_cap_us, restart_healthy_us, restart_window_us, restart_max;
	/* derived */
	char var[CONF_PATH];    /* absolute */
	char config[CONF_PATH]; /* absolute; "" when there is none */
	char exe[CONF_PATH];    /* directory of the nodes' executables */
	uid_t uid;              /* whom the fleet runs as */
	gid_t gid;
	bool drop;               /* started by root for another user */
	uint32_t stores_of_ours; /* SLOT_BIT of each private server */
};

extern const struct config_key conf_keys[]; /* of part [guard] */

/* False: err says what is wrong and what to do; nothing was created, nothing is left to free. */
bool conf_load(struct conf *s, const struct conf_options *o, char *err, size_t err_size)
    __attribute__((warn_unused_result));
bool conf_find_var(struct conf *s, const struct conf_options *o, char *err, size_t err_size)
    __attribute__((warn_unused_result)); /* only var: enough to stop a fleet */
void conf_free(struct conf *s);
/* Warns of each key that stands otherwise in the file by now: it counts from the next start on. */
void conf_say_changed(const struct conf *s);
void conf_print(const struct conf *s, FILE *f);
struct restart_policy conf_policy(const struct conf *s);

bool conf_has(const struct conf *s, int slot); /* a node, or a server that is ours */

/* VAR/what, in a ring of buffers: good until the eighth call after it. */
const char *
conf_path(const struct conf *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

/* conf: what guard and supervisor are told. Read once, by the guard, before it forks anything: part
 * [guard] of the configuration file, METAFED_GUARD_<KEY>, --set; and of each node's part how it is
 * supervised (node/supervise.h). The supervisor inherits the finished struct and parses nothing. */
#ifndef META_CONF_H
#define META_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include "base/config.h"
#include "meta/fleet.h"
#include "meta/restart.h"
#include "node/supervise.h"

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
	const char *var_key, *listen, *stores, *pg_bin, *redis_server, *user, *exe_dir, *log_level,
	    *log_to;
	bool behind_proxy, tls;
	int64_t start_limit_us, standbys, log_file_bytes, log_budget;
	struct supervise all;             /* of whom nothing else is said */
	struct supervise of[FLEET_SLOTS]; /* a private server's is `all` */
	/* derived */
	char var[CONF_PATH];    /* absolute */
	char config[CONF_PATH]; /* absolute; "" when there is none */
	char exe[CONF_PATH];    /* directory of the nodes' executables */
	uid_t uid;              /* whom the fleet runs as */
	gid_t gid;
	bool log_stderr;             /* log_to */
	bool drop;                   /* started by root for another user */
	uint32_t stores_of_ours;     /* SLOT_BIT of each private server */
	uint32_t after[FLEET_SLOTS]; /* SLOT_BITs of whom it starts after, directly or not */
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
struct restart_policy conf_policy(const struct conf *s, int slot);

bool conf_has(const struct conf *s, int slot); /* a node, or a server that is ours */

/* VAR/what, in a ring of buffers: good until the eighth call after it. */
const char *
conf_path(const struct conf *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

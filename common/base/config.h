/* config: one key table per node; file < environment < command line.
 *
 * A file is lines "key = value", '#' starts a comment line, "[sql]" begins the part that only node
 * sql reads; keys before the first part are for all. A key that no table of the node knows is an
 * error with file and line (what is said of one before the first part, which another node may own,
 * is the caller's: `foreign`), and so is a part of a name that is none (`part`). Environment:
 * METAFED_<NODE>_<KEY>, then METAFED_<KEY>. Command line: --set key=value. A relative path of type
 * CONFIG_PATH is taken relative to the file's directory.
 *
 * "include FILE" reads FILE in that place, "include? FILE" also where there is none; relative to the
 * file that says it. A key may be set once in each part, whichever file it stands in. */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/arena.h"

enum config_type {
	CONFIG_STR,      /* const char *, never NULL */
	CONFIG_PATH,     /* const char *, absolute or "" */
	CONFIG_INT,      /* int64_t, within min..max */
	CONFIG_DURATION, /* int64_t microseconds, within min..max; "250ms", "5s" */
	CONFIG_BYTES,    /* int64_t; "64k", "1m" */
	CONFIG_BOOL,     /* bool */
	CONFIG_NUM,      /* double, within min..max */
};

struct config_key {
	/* NULL ends a table. "sql/pool": `pool` of the part [sql], whoever reads it, so that stand-ins
	 * are set where the one is that they stand in for; such keys stand at the end of a table. */
	const char *name;
	enum config_type type;
	size_t offset;    /* into the node's config struct */
	const char *def;  /* as text, checked like any other; NULL: what the struct has already */
	int64_t min, max; /* CONFIG_DURATION in us; both 0: no bound */
	bool secret;      /* --print-config shows "***" */
	bool restart;     /* a reload can't change it: said as a warning */
	const char *help;
};

enum config_from { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_COMMAND_LINE };

struct config_source {
	const char *file;  /* NULL: none */
	const char *node;  /* "sql" */
	char *const *sets; /* "key=value" of the command line, NULL-ended; may be NULL */
	char *const *env;  /* environ */
	/* What is wrong with a common key that no table has; it returns NULL: nothing, it is
	 * another's. NULL: "no such key". */
	const char *(*foreign)(void *ctx, struct arena *a, const char *key);
	void *ctx;
	/* Names of the parts that a file may have; it returns NULL behind the last. NULL: any. */
	const char *(*part)(size_t i);
	/* Becomes where each value came from (enum config_from), in the order of the tables; lives as
	 * long as the texts. NULL: nobody wants to know. */
	uint8_t **from;
};

/* Fills *out from defaults and sources; texts live in `a`. On
 * failure returns false and writes one message "FILE:LINE: key: what is wrong" to err; *out is then
 * worthless. n tables in `tables`. */
bool config_load(struct arena *a, const struct config_key *const *tables, void *const *outs,
    size_t n_tables, const struct config_source *src, char *err, size_t err_size)
    __attribute__((warn_unused_result));

/* Do two values of a key, each at its place in a struct, say different things? */
bool config_differs(const struct config_key *k, const void *a, const void *b);
size_t config_size(const struct config_key *k); /* of the value in the struct */

/* Which name was meant? Offered one by one, `best` ends as the nearest, or NULL when none is near. */
struct config_near {
	const char *best;
	size_t distance;
};
void config_near(struct config_near *n, const char *meant, const char *offered);

/* "METAFED_SQL_PG" of node "sql" and key "pg", "METAFED_PG" when node is NULL; cut when too long. */
#define CONFIG_ENV_PREFIX "METAFED_"
void config_env_name(char *out, size_t size, const char *node, const char *key);

const char *
config_from_name(enum config_from f); /* "default", "file", "environment", "command line" */
/* The value at its place in a struct, as a file would have it; secrets are not looked at here. */
const char *config_text(struct arena *a, const struct config_key *k, const void *at);

/* As it is now, in file syntax with the help as comments; secrets hidden. */
void
config_print(FILE *f, const struct config_key *const *tables, void *const *outs, size_t n_tables);

#endif

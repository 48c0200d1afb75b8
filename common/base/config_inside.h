/* config_inside: what the files of config share. Nobody else includes this.
 *
 * config.c builds the values from all sources, config_file.c reads the files, config_name.c knows
 * names. */
#ifndef BASE_CONFIG_INSIDE_H
#define BASE_CONFIG_INSIDE_H

#include "base/config.h"
#include "base/str.h"

#define CONFIG_KEYS_MAX 512 /* of all tables of one node */

struct loader {
	struct arena *a;
	const struct config_key *const *tables;
	void *const *outs;
	size_t n_tables;
	const struct config_source *src;
	char *err;
	size_t err_size;
	/* "FILE:LINE" where each key stood: common part, own part; NULL: not there */
	const char *at[2][CONFIG_KEYS_MAX];
	size_t bytes; /* of all files so far */
	enum config_from stage;
	uint8_t from[CONFIG_KEYS_MAX];
};

struct slot { /* a key that was found */
	const struct config_key *key;
	char *out; /* its place in the struct */
	size_t table;
	size_t index; /* over all tables */
};

/* --- config.c --- */
bool config_find(const struct loader *l, struct str name, struct slot *out);
/* base_dir: what a relative path is relative to; NULL: the working directory */
bool config_set(struct loader *l, const struct slot *s, struct str value, const char *where,
    const char *base_dir);
bool config_complain(struct loader *l, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))); /* false */
/* no such key, and which one may be meant; false */
bool config_unknown(struct loader *l, const char *where, struct str name);

/* --- config_file.c --- */
bool config_read_file(struct loader *l);

#endif

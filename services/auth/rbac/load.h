/* load: how the policy comes from the store into memory, and stays as it is there. */
#ifndef RBAC_LOAD_H
#define RBAC_LOAD_H

#include "auth/rbac/rbac.h"

/* Where in the log of changes: its last row that was taken, and the cursor before that. A log whose row
 * there is another one is another log: after a restore, or thrown away. */
struct log_place {
	char before[1000], last[20], last_at[40];
};

struct image {
	struct rules *rules;
	json_t *roles; /* {name: row}: a change of one role builds them all anew */
	size_t role_bytes;
	struct log_place at;
};

#define ROLES_MAX   20000
#define ROLES_BYTES (30u << 20)

void rbac_load(struct rbac *r); /* begins to read; goes on by itself */
void rbac_load_stop(struct rbac *r);
/* Somebody decides by what was read a while ago: look for changes now. */
void rbac_load_soon(struct rbac *r);
/* then: when a reading that began after this has ended; ok: what was stored before is in force. Never
 * when c ends before. */
void rbac_reload(struct rbac *r, struct call *c, void (*then)(void *ctx, bool ok), void *ctx);

/* A row as it is stored, of the models group and grant; texts are borrowed from it, lists in a. False:
 * it is none. */
bool grant_of_row(struct arena *a, const json_t *row, struct grant_def *d);
const char *const *texts_of_json(struct arena *a, const json_t *list, size_t *n);

/* image.c */
struct image *image_new(void);
void image_free(struct image **m);
/* row NULL: it is gone. */
void image_put(struct image *m, const char *model, const char *id, json_t *row);
/* After roles were put: they come into force. False: err says which is too much. */
bool image_build(struct image *m, char *err, size_t err_size);
/* Would they, with these roles ({id: row, or null: it goes}) in place of what is there? Who writes roles
 * is refused, or he could keep every later change of policy from coming into force. */
bool image_fits(const struct image *m, const json_t *changed, char *err, size_t err_size);

#endif

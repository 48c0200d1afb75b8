/* load: what load.c and changes.c share: one reading, page by page. */
#ifndef RBAC_LOAD_INT_H
#define RBAC_LOAD_INT_H

#include "auth/rbac/load.h"

typedef void page_fn(struct reading *g, const json_t *page);

struct reading {
	struct rbac *r;
	struct image *into;           /* the one in force, or a fresh one */
	struct log_place at, read_to; /* read_to: rows that changed before it have been read */
	bool fresh, seeded, gap, roles_changed, more;
	unsigned rounds;
	struct call *call; /* the page under way */
	struct rpc *rpc;
	void (*take)(struct reading *g, const json_t *page);
	void (*next)(struct reading *g);
	const char *model;
	char cursor[1000], page_cursor[1000];
	json_t *changed; /* {model: {id: null, then the row, or false: it is gone}} */
	char *ids;       /* of the rows to read; NULL: all */
	size_t asked, bytes;
	uint64_t number; /* of the last change that was seen */
	char why[200];   /* the roles are refused; "": they are not */
	int64_t began;
};

extern const char *const reading_models[]; /* role, group, grant, NULL */

/* A page of g->model from g->cursor, of all rows or of those of g->ids. */
void reading_ask(struct reading *g, page_fn *take, void (*next)(struct reading *));
void reading_all(struct reading *g);                         /* everything, into a fresh image */
void reading_log_end(struct reading *g, const json_t *page); /* a page of the log: its last row */
void reading_in_force(struct reading *g);                    /* ends it */
/* changes.c: what the log names since g->at, again until nothing comes; then it is in force. */
void reading_changes(struct reading *g);

#endif

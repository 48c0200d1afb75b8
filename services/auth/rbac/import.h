/* import: what the files of an import share. */
#ifndef RBAC_IMPORT_H
#define RBAC_IMPORT_H

#include "auth/rbac/document.h"
#include "auth/rbac/load.h"
#include "auth/rbac/write.h"
#include "base/json.h"

struct alter { /* of one row */
	const char *model, *id;
	json_t *now;  /* as it is stored; NULL: it is not there */
	json_t *then; /* as it will be, as of a document; NULL: it goes */
	uint64_t version;
};

struct import {
	struct rbac *r;
	struct call *c;
	const Mf__StoreOp *q;
	bool dry_run, replace;
	struct document doc;
	json_t *stored;   /* {"role": {id: row}, ...}: those that the document names, or all */
	json_t *after[2]; /* names of roles and groups that there will be */
	size_t n, cap;
	struct alter *alters;
	size_t unchanged;
	struct rpc *rpc;
	size_t model; /* of document_models: being read */
	char *cursor, *ids;
	size_t ids_at;
	/* what is in force when the rows were read, and still must be when a dry run changes it */
	const struct image *image;
	char last[20];
	struct effect *effect;
	size_t part, n_parts;
	Mf__StoreOp **parts;
};

/* Ends the call with a violation at a line of the document. */
void import_refuse(struct import *x, enum status status, const char *reason, size_t line,
    const char *field, const char *what);

/* import_judge.c: what is to be altered, all of it permitted. False: the call was failed. */
bool import_judge(struct import *x);

/* apply.c: the transactions, in an order in which nothing is permitted in between that is permitted
 * neither before nor after. False: the call was failed. */
bool import_parts(struct import *x);

/* False: what is in force is not what was read; the call was failed. */
bool import_still(struct import *x);

/* effect.c: who gains and loses what, for a dry run; ends in import_answer. */
void import_effect(struct import *x);
void effect_write(struct import *x, struct jw *w);
void import_answer(struct import *x);

#endif

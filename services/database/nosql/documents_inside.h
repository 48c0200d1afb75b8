/* documents_inside: what the files of documents share, and what a document staged by a transaction needs of
 * them: the change that an operation makes, the entries of a document (collection.h), and how both get into
 * Redis (document_scripts.h: taken() and enter(), with change_args()'s texts as ARGV). */
#ifndef NOSQL_DOCUMENTS_INSIDE_H
#define NOSQL_DOCUMENTS_INSIDE_H

#include "base/json.h"
#include "bus/call.h"
#include "database/nosql/collection.h"
#include "database/nosql/document_scripts.h"
#include "proto/database.pb-c.h"
#include "store/redis.h"

#define CAS_TRIES     16 /* of an update without if_version that loses against others */
#define STALE_TRIES   8  /* of an operation whose collection is declared anew again and again */
#define DOCUMENT_MOST (1u << 20) /* bytes of JSON */
#define WRITE_ARGS    (9 + 3 * INDEXES_MOST)

struct document { /* as kept: "<version>:<JSON>" */
	uint64_t version;
	const char *json;
	size_t n;
};
bool document_parse(const char *p, size_t n, struct document *d);
void document_show(struct jw *w, const char *id, size_t id_n, const struct document *d);

/* --- what an operation makes of a document; pure --- */
struct change {
	uint64_t version;
	const char *raw; /* as kept */
	size_t n;
	int64_t ttl_ms; /* from now; -1: as it is */
	size_t n_entries;
	struct index_entry *entries;
};
/* CREATE (have NULL), UPDATE. False: *f; nothing but a NOT_FOUND, a VERSION_CONFLICT or what is wrong with the
 * operation itself. */
bool change_make(struct arena *a, const struct collection *k, const Mf__StoreOp *q,
    const struct document *have, struct change *out, struct failure *f)
    __attribute__((warn_unused_result));

struct args { /* of a script; the texts are not copied */
	int n;
	size_t room;
	const char **v;
	size_t *lens;
};
void args_start(struct args *x, struct arena *a, size_t room);
void args_add(struct args *x, const char *p, size_t n);
void args_text(struct args *x, const char *s);
void args_json(struct args *x, struct arena *a, const json_t *v); /* NULL: "" */
void args_entries(struct args *x, const struct index_entry *e, size_t n);

bool script_says(const struct redis_reply *r, const char *word); /* the first of an array */

/* --- collections.c: what is known of declarations --- */
/* Held until the call ends. What was never seen is taken for undeclared: a script says if it is not. */
struct collection *collections_get(struct call *c, const char *name);
/* What a script said with 'stale'; the same as collections_get then. NULL: *f. */
struct collection *
collections_learn(struct call *c, const char *name, const char *kept, size_t n, struct failure *f);
const char *collection_prefix(struct arena *a, const char *name); /* "mf:{doc.NAME}:" */
/* A document of it has an end: it will be thrown away some time after. */
void collections_ends(const char *name, int64_t in_ms);
bool collection_name_ok(const char *name);
void collections_init(struct redis *r, struct loop *l);
void collections_fini(void);
void collections_read(struct call *c, const Mf__StoreOp *q);
void collections_write(struct call *c, const Mf__StoreOp *q);

/* Of {'taken', ...}: what the call fails with. */
void documents_refuse_taken(
    struct call *c, const char *model, const struct collection *k, const struct redis_reply *r);

/* --- query.c --- */
void query_run(struct call *c, struct redis *r, const Mf__StoreOp *q);

#endif

/* collection: what was declared of a collection of documents: a schema, indexes, a life. Pure: compiled from
 * its definition, counted, never changed; a new definition is a new struct.
 *
 *	{"schema": {...}, "ttl_ms": 60000,
 *	 "indexes": [{"name": "by_state", "fields": ["/state", "/created"], "unique": false}]}
 *
 * As kept, an index also has its slot (the name of its keys, never used twice), its state, and, of one that
 * failed, why. A collection that was never declared has the epoch "0" and none of all this. */
#ifndef NOSQL_COLLECTION_H
#define NOSQL_COLLECTION_H

#include "base/schema.h"
#include "database/nosql/value.h"

#define INDEXES_MOST    16
#define INDEX_FIELDS    4
#define INDEX_KEY_MOST  (INDEX_FIELDS * KEY_VALUE_MOST)
#define SLOT_LEN        9  /* 8 hex digits and NUL */
#define EPOCH_LEN       17 /* 16 hex digits and NUL */
#define COLLECTION_NAME 58 /* bytes; the model "doc.NAME" has 64 at most */
#define DOCUMENT_ID     128

enum index_state { INDEX_BUILDING, INDEX_READY, INDEX_FAILED };

struct index {
	const char *name, *slot, *why;
	bool unique;
	enum index_state state;
	size_t n;
	struct pointer fields[INDEX_FIELDS];
};

struct collection {
	unsigned refs;
	const char *name; /* without "doc." */
	const char *epoch;
	uint64_t version; /* of the declaration */
	bool declared, dropping;
	int64_t ttl_ms;              /* 0: for ever */
	const struct schema *schema; /* NULL: anything */
	size_t n_indexes;
	struct index indexes[INDEXES_MOST];
	json_t *definition; /* as kept */
	struct schemas schemas;
	struct arena *arena; /* of all the above */
};

/* What stands in indexes for one document. */
struct index_entry {
	const char *slot;
	bool unique; /* nobody else may have this key */
	const char *key;
	size_t n;
};

/* NULL: *f says what is wrong with it. As kept: {"epoch", "version", "dropping", "schema", ...}. */
struct collection *collection_compile(const char *name, const json_t *kept, struct failure *f)
    __attribute__((warn_unused_result));
struct collection *collection_hold(struct collection *k);
void collection_release(struct collection **k);

/* A declaration as a client gives it, over the definition that is there (NULL: none): members that it has
 * not stay; null takes one away. The new one as kept, a new reference; NULL: *f. An index that is the same
 * stays as it is, a new one gets a slot and is `state`. */
json_t *collection_declare(struct arena *a, const json_t *had, const json_t *given,
    enum index_state state, struct failure *f) __attribute__((warn_unused_result));
/* Do both declare the same? States do not count. */
bool collection_same(const json_t *a, const json_t *b);
/* The same, on its way out. A new reference. */
json_t *collection_marked(const json_t *kept);
/* Every change of what is kept has one of its own. */
void collection_set_epoch(json_t *kept);
/* There is nothing to build from. */
void collection_all_ready(json_t *kept);
/* The index of that slot is another now; why may be NULL. */
void collection_set_state(json_t *kept, const char *slot, enum index_state, const char *why);
/* For clients: without what is ours alone. A new reference. */
json_t *collection_shown(const json_t *kept);

/* The entries of a document, in a: one for each index that has not failed. */
size_t collection_entries(
    struct arena *a, const struct collection *k, const json_t *doc, struct index_entry **out);
/* Does it fit the schema? False: *f has what does not. */
bool collection_accepts(
    struct arena *a, const struct collection *k, const json_t *doc, struct failure *f);

#endif

/* text: the statements, made from the models table once and then by combination of filters; each
 * distinct text exists once and lives as long as the process, as pg.h wants it. */
#ifndef SQL_TEXT_H
#define SQL_TEXT_H

#include "database/sql/filter.h"

/* SELECT of all fields in order, by id: $1, and $2 the namespace where the model has one. */
const char *text_read(const struct model *m);
/* As text_read, from what was recorded under operation id $1 for the row $2; nulls: it was a
 * delete. */
const char *text_recorded(const struct model *m);
/* For pg_insert: $i is the array of field i; returns the ids that were not there, nor deleted
 * lately. */
const char *text_insert(const struct model *m);
/* One row: $i is field i; the same answer. */
const char *text_insert_absent(const struct model *m);
/* One row that must not be there (a unique violation) nor be deleted lately (MF411): $1 operation
 * id or null, $i+1 field i. */
const char *text_insert_strict(const struct model *m);
/* $1 operation id or null, $2 id, $3 version or 0, $4 strict, $5 patch, last the namespace. Answers
 * one row, first column done, repeat, conflict or missing, then (done) the fields. Strict: what is
 * not done ends the transaction (MF410, MF409, MF404). */
const char *text_update(const struct model *m);
/* The same without $5, answers outcome and version. */
const char *text_delete(const struct model *m);
/* A transaction: $1 operation id, $2 hash of what it does. The first one takes the operation id for
 * it, a unique violation when that is taken; the second one answers a row when it was this one. */
extern const char text_transaction[], text_transaction_same[];
/* $1 an epoch: raises MF412 when the mode of the stores has a newer one. Sees it at any isolation. */
extern const char text_fence[];
/* $1 the fencing number of a leader: raises MF413 when a later one has taken over. As above. */
extern const char text_fence_leader[];
/* Params in order: namespace, the fields' conditions, the labels' NAMEs as one array, object and text
 * of each NAME=VALUE, the ids, bounds of times, after, limit + 1. Texts are few: labels in one array, NAME=VALUEs filled up to
 * 1, 2, 4, 8 or 16 by repeating the last. */
const char *text_query(struct arena *a, const struct filter *f); /* a rare one's is of the arena */
/* Rows are answered until those that may be large (text_counts) have that many bytes in all, and the
 * two after: whoever takes as many finds one that he leaves, and knows that there are more. */
#define PAGE_BYTES (2u << 20)
bool text_counts(const struct field *f); /* its bytes, as they are answered, are counted */
/* text[] as PostgreSQL reads it. */
const char *text_array(struct arena *a, const char *const *values, size_t n);
#define QUERY_PARAMS_MOST (3 * FILTERS_MOST + SORTS_MOST)
size_t text_query_params(struct arena *a, const struct filter *f, const char *params[], size_t cap);

#endif

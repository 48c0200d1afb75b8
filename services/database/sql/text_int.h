/* text_int: what the makers of statements share; nobody else includes it. */
#ifndef SQL_TEXT_INT_H
#define SQL_TEXT_INT_H

#include "base/str.h"
#include "database/sql/text.h"

const char *text_intern(struct buf *b); /* frees b; the same text is the same pointer, for ever */
const char *text_type(const struct field *f); /* as PostgreSQL calls it */
/* Of a model that is searched: what its index is over, letter by letter. */
#define SEARCHED_WORDS "to_tsvector('metafed',title||' '||coalesce(description,''))"
void text_add_columns(struct buf *b, const struct model *m, const char *alias);

#endif

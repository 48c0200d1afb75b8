/* stage_members: what a transaction makes of the documents of its collection. No I/O. */
#ifndef DATABASE_NOSQL_STAGE_MEMBERS_H
#define DATABASE_NOSQL_STAGE_MEMBERS_H

#include "database/nosql/documents_inside.h"

struct stage_doc { /* one document, however many members change it */
	const char *id;
	struct str before; /* as kept; p NULL: not there */
	bool there, touched;
	bool anew;           /* was deleted on the way: what is there is another one */
	struct change after; /* there */
};

/* The documents of q's members, each once. False: the call has failed. */
bool stage_docs(struct call *c, const Mf__StoreOp *q, struct stage_doc **docs, size_t *n);
/* From `before` to `after`, member by member, and what each answers. False: the call has failed. */
bool stage_members(struct call *c, const Mf__StoreOp *q, const struct collection *k,
    struct stage_doc *docs, size_t n, Mf__StoreResult *out);
/* The call fails for what is wrong with its member i. */
void stage_fail(struct call *c, size_t i, const struct failure *f);

#endif

/* collections_inside: what the files of declarations share. */
#ifndef NOSQL_COLLECTIONS_INSIDE_H
#define NOSQL_COLLECTIONS_INSIDE_H

#include "base/json.h"
#include "database/nosql/documents_inside.h"

#define REGISTRY "mf:{collections}:names"

/* Not held: good until the next turn. NULL: never met. */
struct collection *collections_known(const char *name);
void collections_forget(const char *name);
/* {"id", "version", "data"}. */
void collection_reply(struct call *c, const struct collection *k, bool repeated);

/* --- collection_ops.c --- */
void collections_show(struct call *c, struct redis *r, const Mf__StoreOp *q);
void collections_list(struct call *c, struct redis *r, const Mf__StoreOp *q);
void collections_drop(struct call *c, struct redis *r, const Mf__StoreOp *q);

/* --- upkeep.c: what is done without being asked for, in slices: indexes are built, documents whose time is
 * over go, a drop that was cut short goes on. Costs nothing while there is nothing of it. --- */
void upkeep_documents_init(struct redis *r, struct loop *l);
void upkeep_documents_fini(void);
void upkeep_documents_again(void);            /* as at the start: by the registry */
void upkeep_documents_look(const char *name); /* there may be something to build, or to drop */
size_t
upkeep_documents_built(const char *name); /* documents so far, of the build that is under way */
/* Documents that were said to end so far. Its name was taken out of the registry: it goes in again if there were
 * more of them than those that went with it. */
uint64_t upkeep_documents_ends(const char *name);
void upkeep_documents_unlisted(const char *name, uint64_t ends);

#endif

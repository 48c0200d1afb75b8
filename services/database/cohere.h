/* cohere: what cohere.c (keys, reads, fills) and forget.c (drops) share; nobody else includes it. */
#ifndef DATABASE_COHERE_H
#define DATABASE_COHERE_H

#include "database/inside.h"

void forget_open(void);
/* Of the epoch of now. */
char *cohere_key(struct op *o, const Mf__StoreOp *q, uint32_t salt, const char *id);
const char *cohere_namespace(const Mf__StoreOp *q); /* never empty */
/* False: too long to be kept. */
bool cohere_tag(const Mf__StoreOp *q, char out[SLOT_TAG_MOST]);
/* The way there, short and once; what came of it is said to cohere_said. */
struct rpc *cohere_rpc(struct op *o);
void cohere_said(bool well);

#endif

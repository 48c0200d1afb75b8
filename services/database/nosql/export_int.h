/* export_int: what the files of export share.
 *
 *   export.c    a backup: the cut, and its pieces
 *   import.c    a restore: gathering, the mark, the switch
 */
#ifndef DATABASE_NOSQL_EXPORT_INT_H
#define DATABASE_NOSQL_EXPORT_INT_H

#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "bus/call.h"
#include "database/nosql/export.h"

#define EXPORT_PIECE (512u << 10)
#define EXPORT_IDLE  (300 * SEC) /* what nobody asks for goes */

extern struct export_opts export_opts;

/* A record: lengths of key and value, when it expires (ms since 1970; 0: never), key, value as
 * DUMP gives it. In the order of bytes of this machine, as the header of the file says. */
struct record {
	uint32_t key_n;
	uint32_t value_n;
	uint64_t expires_ms;
};

/* Keys that mean nothing elsewhere: those of the mode of the stores and its journal. */
bool export_skips(const char *key, size_t n);
/* then(c, ctx) when r is up; UNAVAILABLE after a second. */
void
export_when_up(struct call *c, struct redis *r, void (*then)(struct call *c, void *ctx), void *ctx);
void export_command(
    struct redis *r, struct call *c, redis_done_fn *done, void *ctx, const char *const *words);
void export_reply(struct call *c, const char *json, bool repeated);

void import_docs_read(struct call *c, const Mf__StoreOp *q);
void import_docs_write(struct call *c, const Mf__StoreOp *q);
void import_docs_close(void);

#endif

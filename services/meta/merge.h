/* merge: from what each domain did to one TaskResponse. Pure; everything made lives in the arena.
 *
 * Partial: some domain worked, another failed by a fault (not by a refusal), and auth did not stop
 * it. A refusal of auth is a clean failure, never partial, and carries no data.
 *
 * The trace has three levels whatever happened: meta; one hop per domain, however often it was
 * called; every try of an agent. */
#ifndef META_MERGE_H
#define META_MERGE_H

#include <stdbool.h>
#include "base/arena.h"
#include "base/status.h"
#include "proto/database.pb-c.h"
#include "proto/meta.pb-c.h"

#define MERGE_DOMAINS 5 /* by enum Mf__Domain; 0 is none */

enum part_state {
	PART_NONE, /* not asked for */
	PART_WORKED,
	PART_FAILED,
	/* not begun, because something that it needs failed */
	PART_STOPPED,
};

struct part {
	enum part_state state;
	const struct failure *why; /* FAILED */
};

struct merge_in {
	const char *task_id;
	struct part parts[MERGE_DOMAINS];
	const Mf__StoreResult *stored;      /* NULL: none */
	ProtobufCBinaryData own, formatted; /* of meta or auth; of api; len 0: none */
	const Mf__Principal *who;           /* NULL: not known */
	bool want_trace;
	size_t n_hops; /* of all rpcs below */
	const Mf__Hop *const *hops;
	const char *node; /* our own hop */
	uint32_t attempt;
	bool retried; /* rpc_repeated() of what went to a store */
	int64_t took_us;
};

void merge_parts(struct arena *a, const struct merge_in *in, Mf__TaskResponse *out);
/* Does it contradict itself? NULL: no; else what is wrong, which is a fault of ours. */
const char *merge_unsound(const Mf__TaskResponse *r);

/* Of a domain; else it refused, and is well. */
bool merge_is_fault(const struct failure *f);
Mf__Problem *merge_problem(struct arena *a, const struct failure *f);
/* bulk_create, transaction */
ProtobufCBinaryData merge_items(struct arena *a, const Mf__StoreResult *r, bool retried);

#endif

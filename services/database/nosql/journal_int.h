/* journal_int: what the files of the journal share; nobody else includes it.
 *
 *   journal.c         the service: mode, reading on, trimming
 *   journal_write.c   an operation becomes entries
 *   journal_state.c   what an object is after a change
 *   journal_scripts.c what Redis runs */
#ifndef DATABASE_NOSQL_JOURNAL_INT_H
#define DATABASE_NOSQL_JOURNAL_INT_H

#include "base/status.h"
#include "base/str.h"
#include "bus/call.h"
#include "database/nosql/journal.h"
#include "database/sql/intake.h"

#define JOURNAL_KEYS 4
extern const char *const journal_keys[JOURNAL_KEYS]; /* mode, log, o, ops */
extern const char script_mode[], script_append[], script_look[], script_get[], script_after[],
    script_trim[];

struct redis *journal_redis(void);
const struct journal_limits *journal_limits(void);
/* argv: n arguments behind the four keys. */
void journal_run(struct call *c, const char *script, size_t n, const char *const *argv,
    const size_t *lens, redis_done_fn *done, void *ctx);
/* True: it failed, and so did the call; OUTCOME_UNKNOWN where it may have run. */
bool journal_failed(struct call *c, const struct redis_reply *r);

/* --- an object as it is kept: "VERSION:NAMESPACE:JSON", without JSON when it was deleted --- */
struct state {
	bool known;
	uint64_t version;
	struct str ns, json; /* json.n 0: deleted */
};
bool state_parse(struct str text, struct state *out) __attribute__((warn_unused_result));
const char *state_text(struct arena *a, const struct state *s, size_t *n);

/* --- one change of one object --- */
struct change {
	Mf__StoreOp__Kind kind; /* CREATE, UPDATE, DELETE */
	const Mf__StoreOp *op;
	const char *id, *ns, *operation; /* NULL: none */
	const char *patch;               /* UPDATE */
	struct row row;                  /* CREATE: from the start; else when it is known */
	const Mf__StoreItem *base;       /* NULL: not known to the caller either */
	uint64_t expected;               /* version in the journal before it; 0: it was not there */
	bool again;                      /* an earlier change of the same entry made its object */
	uint64_t ids_from_ms;            /* CREATE: its id was made since */
	struct state after;
};
/* From what was asked. False: complained. */
bool change_read(struct arena *a, struct change *x, const json_t *data, const char *at,
    const char *now, struct complaints *e) __attribute__((warn_unused_result));
/* From what was before: x->after. False: why. */
bool change_apply(struct arena *a, struct change *x, const struct state *before, const char *now,
    struct failure *why) __attribute__((warn_unused_result));

void journal_write(
    Mf__Journal_Service *s, const Mf__JournalWrite *q, Mf__StoreResult_Closure reply, void *ctx);

#endif

/* docbed: the service mf.Nosql on a real private Redis, called over loop-back. One server for all tests of a
 * program; tests make their own collections. */
#ifndef HARNESS_DOCBED_H
#define HARNESS_DOCBED_H

#include <jansson.h>
#include "bus/bus.h"
#include "proto/nosql.pb-c.h"
#include "store/redis.h"
#include "harness/stores.h"
#include "harness/test.h"

struct docbed {
	struct stores *stores;
	struct loop *loop;
	struct bus *bus;
	struct target *target;
	struct redis *redis;
};
extern struct docbed docbed;

int docbed_start(void **state);           /* group: server, loop, bus */
int docbed_start_at(const char *address); /* the same, with a Redis that is there */
int docbed_stop(void **state);
void docbed_reopen(void); /* as a process that was started again */

struct said { /* what became of a call; good until 64 others */
	bool ended;
	enum status status;
	char reason[40], message[300], field[120];
	uint64_t version, rows;
	bool repeated;
	size_t n_items;
	struct {
		uint32_t code; /* 0: fine */
		char reason[40];
		uint64_t version;
		bool repeated;
	} items[100];
	char text[1 << 16]; /* the object, or the page */
	json_t *json;
	struct call *call;
	struct rpc *rpc;
	bool dead; /* nobody asks it any more */
};

struct ask {
	Mf__StoreOp__Kind kind;
	const char *model, *id, *data, *where, *sort, *cursor, *operation, *filter;
	const char *fields[8];
	uint32_t limit, ttl_ms, patience_ms; /* 0: ten seconds */
	uint64_t if_version;
	bool explain;
	const struct ask *members; /* of a BULK */
	size_t n_members;
};
#define DOC_ASK(k, ...) (&(const struct ask){ .kind = MF__STORE_OP__KIND__##k, __VA_ARGS__ })
struct said *doc_start(const struct ask *q);
struct said *doc_wait(struct said *x);
struct said *doc_ask(const struct ask *q);
struct said *doc_done(const struct ask *q); /* fails the test when it does */

/* In the name of a transaction, as `database` does. */
void doc_stage(const char *model, const char *transaction, const struct ask *member);
void doc_settle(const char *model, const char *transaction, bool commit);

const char *doc_name(void); /* a collection of its own, "doc.tN": one of 64 static ones */
const char *doc_text(const struct said *x, const char *member); /* of x->json, compact; one of 8 */
void doc_declare(const char *model, const char *definition);
void doc_until_built(const char *model); /* no index of it is building */
/* A command, its words apart by blanks; an integer, or the length of an array or a text. */
int64_t doc_redis(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void doc_pass(int64_t us);

#endif

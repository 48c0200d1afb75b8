/* sqlbed: the service mf.Sql on a real private PostgreSQL, called over loop-back. One server for
 * all tests of a program; tests make their own ids. */
#ifndef HARNESS_SQLBED_H
#define HARNESS_SQLBED_H

#include <jansson.h>
#include <stdio.h>
#include "bus/bus.h"
#include "database/sql/sql.h"
#include "harness/stores.h"
#include "harness/test.h"

struct sqlbed {
	struct stores *stores;
	struct loop *loop;
	struct work_pool *work;
	struct bus *bus;
	struct target *target;
	struct sql_config config;
};
extern struct sqlbed sqlbed;

int sqlbed_start(void **state); /* group: server, loop, bus, schema */
int sqlbed_stop(void **state);
void
bed_open_anew(void); /* as a process that was started again; the schema is ours when it returns */

struct done { /* of one call */
	bool ended;
	enum status status;                       /* ST_OK: result is there */
	char reason[40], field[80], message[200]; /* field: of the first violation */
	uint32_t retry_ms;
	Mf__StoreResult *result;
	json_t *json; /* result->data, parsed; NULL: none */
	int64_t took_us, began_us;
	struct call *call;
};
void done_free(struct done *d);
const char *done_str(const struct done *d, const char *name); /* of json; "(none)" */
void done_assert_json(const struct done *d, const char *name, const char *expected);

/* A StoreOp from its fields; what is not named is absent, the model is "task". */
#define OP(...)                                                                                    \
	(op_complete(&(Mf__StoreOp){                                                               \
	    .base = PROTOBUF_C_MESSAGE_INIT(&mf__store_op__descriptor), __VA_ARGS__ }))
const Mf__StoreOp *op_complete(Mf__StoreOp *op);
#define READ_ONE    .kind = MF__STORE_OP__KIND__READ_ONE
#define QUERY       .kind = MF__STORE_OP__KIND__QUERY_MANY
#define CREATE      .kind = MF__STORE_OP__KIND__CREATE
#define UPDATE      .kind = MF__STORE_OP__KIND__UPDATE
#define DELETE      .kind = MF__STORE_OP__KIND__DELETE
#define BULK        .kind = MF__STORE_OP__KIND__BULK_CREATE
#define TRANSACTION .kind = MF__STORE_OP__KIND__TRANSACTION
#define S(s)        ((char *)(uintptr_t)(s))
#define DATA(s)                                                                                    \
	{                                                                                          \
		strlen(s), (uint8_t *)(uintptr_t)(s)                                               \
	}

void op_start(struct done *d, const Mf__StoreOp *op,
    int64_t limit_us); /* Read or Write by its kind; no retry by the bus */
void op_start_fenced(struct done *d, const Mf__StoreOp *op, int64_t limit_us, uint64_t fence);
void op_wait(struct done *d);
struct done op_run(const Mf__StoreOp *op);         /* start and wait, 5 s */
void bed_create(const char *id, const char *data); /* a task; must succeed */
const char *new_id(void);                          /* one of 64 static ones */
void bed_until(bool (*what)(void *ctx), void *ctx,
    int64_t limit_us); /* fails the test when it does not come true */
void bed_pass(int64_t us);
uint64_t
bed_count(const char *statement); /* a number, if it has one, through a connection of its own */
/* A session of its own that begins a transaction with these statements and has done them; goes on by
 * fprintf, ends by bed_psql_commit. */
FILE *bed_psql(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void bed_psql_commit(FILE *f);

#endif

/* pgbed: a struct pg_pool on a real private PostgreSQL. One server for all tests of a program. */
#ifndef HARNESS_PGBED_H
#define HARNESS_PGBED_H

#include "bus/bus.h"
#include "harness/stores.h"
#include "harness/test.h"
#include "store/pg.h"

struct pgbed {
	struct stores *stores;
	struct loop *loop;
	struct work_pool *work;
	struct bus *bus;
	/* two short connections, statements of at most 500 ms; or the one a test has of its own */
	struct pg_pool *pool;
	struct pg_pool *kept; /* the group's meanwhile */
};
extern struct pgbed pgbed;

int pgbed_start(void **state);
int pgbed_stop(void **state);
void pgbed_own_pool(unsigned short_conns, int64_t statement_timeout_us); /* all of them up */
void pgbed_all_up(unsigned short_conns); /* of the pool of one's own, again */
void pgbed_end_own_pool(void);

struct got { /* of one operation; value: of the first row's last column */
	unsigned times;
	bool ok, unknown;
	enum status status;
	char value[64], sqlstate[8], constraint[40], error[80];
	int rows;
	int64_t at_us;
};
void got_done(const struct pg_reply *r, void *ctx); /* ctx: struct got */
void got_wait(struct got *g, size_t n);             /* all of them, 10 s */

void pgbed_script(const char *text);
void pgbed_ask(const char *statement, struct got *g); /* and wait */
void pgbed_read(struct got *g);                       /* "SELECT 7", not waited for */
void pgbed_pass(int64_t us);

#endif

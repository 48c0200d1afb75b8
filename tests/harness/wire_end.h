/* wire_end: one end of the wire as the tests of it need it: hears everything, counts it, answers or
 * holds calls.
 *
 * A test starts with end_setup: a loop, a private directory and a configuration over ipc in it.
 * Ends that a failing test left open are closed by end_teardown. */
#ifndef HARNESS_WIRE_END_H
#define HARNESS_WIRE_END_H

#include "bus/wire.h"
#include "harness/test.h"

#define HELD 8192

/* One end: what it heard. A call is its id as 8 bytes and anything after; `auto_answer` echoes
 * it. */
struct end {
	struct wire *w;
	unsigned ups, downs, answers, calls, cancels, gones, drainings, unfits, hints, events;
	uint64_t hint_value, last_answer, last_cancel, event_seq;
	char event_node[64], peer[64];
	size_t event_bytes, events_in_batch;
	bool auto_answer, slow_first;
	int64_t slowest_us;
	struct visitor *visitor;
	uint64_t held[HELD];
	unsigned n_held;
	struct timer slow;
};

extern struct loop *end_loop;
extern const char *end_dir;
extern struct node_config end_config;
extern char end_err[256];

struct wire *end_new(struct end *e, const char *name, const struct node_config *c);
void end_free(struct end *e);
void end_serve(struct end *e, const char *name); /* a new one that listens */
/* runs the loop until it has that value */
bool end_wait(unsigned *counter, unsigned value, int64_t limit_us);
void end_pass(int64_t us); /* runs the loop for so long */
struct lane *end_connect(struct end *e, const char *node);
/* 200 bytes that begin with the id */
enum status end_call(struct lane *l, uint64_t id);
void end_answer(struct end *e, uint64_t id); /* to the newest visitor */

int end_setup(void **state);
int end_teardown(void **state);
#define W(f) cmocka_unit_test_setup_teardown(f, end_setup, end_teardown)

#endif

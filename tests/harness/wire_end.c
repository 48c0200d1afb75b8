/* wire_end: see wire_end.h. */
#include "harness/wire_end.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "base/time.h"
#include "proto/bus.pb-c.h"

struct loop *end_loop;
const char *end_dir;
struct node_config end_config;
char end_err[256];
static int64_t sent_at[HELD];
static struct wire *open_wires[8]; /* what a test that failed has left */

static void
on_up(void *ctx, struct lane *l)
{
	struct end *e = ctx;

	assert_true(lane_is_up(l));
	e->ups++;
}

static void
on_down(void *ctx, struct lane *l)
{
	struct end *e = ctx;

	assert_int_equal(lane_call(l, 1, "x", 1), ST_UNAVAILABLE);
	e->downs++;
}

static void
on_answer(void *ctx, struct lane *l, uint64_t id, const void *p, size_t n)
{
	struct end *e = ctx;
	int64_t us = time_now_us() - sent_at[id % HELD];
	uint64_t echoed;

	(void)l;
	assert_true(n >= sizeof(echoed));
	memcpy(&echoed, p, sizeof(echoed));
	assert_true(echoed == id);
	if (us > e->slowest_us && id != 1)
		e->slowest_us = us;
	e->last_answer = id;
	e->answers++;
}

static void
on_draining(void *ctx, struct lane *l)
{
	(void)l;
	((struct end *)ctx)->drainings++;
}

static void
on_unfit(void *ctx, struct lane *l, bool unfit)
{
	assert_true(unfit == lane_is_unfit(l));
	((struct end *)ctx)->unfits++;
}

static void
on_hint(void *ctx, struct lane *l, uint64_t epoch, uint64_t value)
{
	struct end *e = ctx;

	(void)l;
	assert_true(epoch == 11);
	e->hints++;
	e->hint_value = value;
}

void
end_answer(struct end *e, uint64_t id)
{
	visitor_answer(e->visitor, id, &id, sizeof(id));
}

static void
on_slow(struct timer *t)
{
	end_answer(container_of(t, struct end, slow), 1);
}

static void
on_call(void *ctx, struct visitor *v, const void *p, size_t n)
{
	struct end *e = ctx;
	uint64_t id = 0;

	memcpy(&id, p, n < sizeof(id) ? n : sizeof(id));
	e->calls++;
	e->visitor = v;
	snprintf(e->peer, sizeof(e->peer), "%s", visitor_name(v));
	if (e->slow_first && id == 1) {
		timer_init(&e->slow, end_loop, on_slow);
		timer_in(&e->slow, 100 * MS);
	} else if (e->auto_answer) {
		visitor_answer(v, id, p, n);
	} else if (e->n_held < HELD) {
		e->held[e->n_held++] = id;
	}
}

static void
on_cancel(void *ctx, struct visitor *v, uint64_t id)
{
	struct end *e = ctx;

	(void)v;
	e->cancels++;
	e->last_cancel = id;
}

static void
on_gone(void *ctx, struct visitor *v)
{
	struct end *e = ctx;

	e->gones++;
	if (e->visitor == v)
		e->visitor = NULL;
}

static void
on_event(void *ctx, const char *node, const void *p, size_t n)
{
	struct end *e = ctx;
	Mf__EventBatch *b = mf__event_batch__unpack(NULL, n, p);

	snprintf(e->event_node, sizeof(e->event_node), "%s", node);
	e->event_bytes = n;
	e->events++;
	if (b == NULL)
		return;
	e->event_seq = b->last_seq;
	e->events_in_batch = b->n_events;
	mf__event_batch__free_unpacked(b, NULL);
}

static const struct wire_events events = { on_up, on_down, on_answer, on_draining, on_unfit,
	on_hint, on_call, on_cancel, on_gone, on_event };

struct wire *
end_new(struct end *e, const char *name, const struct node_config *c)
{
	*e = (struct end){ .auto_answer = true };
	e->w = wire_new(end_loop,
	    &(struct wire_opts){
		.name = name, .generation = 7, .config = c, .events = &events, .ctx = e },
	    end_err, sizeof(end_err));
	for (size_t i = 0; i < sizeof(open_wires) / sizeof(open_wires[0]); i++) {
		if (open_wires[i] == NULL) {
			open_wires[i] = e->w;
			break;
		}
	}
	return e->w;
}

void
end_free(struct end *e)
{
	for (size_t i = 0; i < sizeof(open_wires) / sizeof(open_wires[0]); i++)
		if (open_wires[i] == e->w)
			open_wires[i] = NULL;
	wire_free(&e->w);
}

void
end_serve(struct end *e, const char *name)
{
	assert_non_null(end_new(e, name, &end_config));
	assert_true(wire_listen(e->w, end_err, sizeof(end_err)));
}

static bool
reached(void *ctx)
{
	unsigned *const *p = ctx;

	return *p[0] >= (unsigned)(uintptr_t)p[1];
}

bool
end_wait(unsigned *counter, unsigned value, int64_t limit_us)
{
	unsigned *pair[2] = { counter, (unsigned *)(uintptr_t)value };

	loop_run_until(end_loop, reached, pair, limit_us);
	return *counter >= value;
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

void
end_pass(int64_t us)
{
	loop_run_until(end_loop, never, NULL, us);
}

struct lane *
end_connect(struct end *e, const char *node)
{
	struct lane *l = wire_lane(e->w, node);

	assert_true(end_wait(&e->ups, e->ups + 1, 5 * SEC));
	return l;
}

enum status
end_call(struct lane *l, uint64_t id)
{
	uint8_t envelope[200] = { 0 };

	memcpy(envelope, &id, sizeof(id));
	sent_at[id % HELD] = time_now_us();
	return lane_call(l, id, envelope, sizeof(envelope));
}

int
end_setup(void **state)
{
	static char bus[PATH_MAX];

	test_log_mark(state);
	end_dir = test_dir();
	snprintf(bus, sizeof(bus), "%s/bus", end_dir);
	end_config = (struct node_config){ .var = end_dir,
		.bus_dir = bus,
		.bus_listen = "",
		.bus_peers = "",
		.bus_key_file = "",
		.bus_trust_file = "",
		.faults = "" };
	end_loop = loop_new();
	return 0;
}

int
end_teardown(void **state)
{
	for (size_t i = 0; i < sizeof(open_wires) / sizeof(open_wires[0]); i++)
		wire_free(&open_wires[i]);
	loop_free(&end_loop);
	return test_log_check(state);
}

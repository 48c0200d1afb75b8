/* bus_bench_frames: the bus as it is, without protobuf and policy: wire.h through the loop. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/time.h"
#include "bus/wire.h"
#include "harness/bus_bench.h"

#define PASSED 4096 /* calls under way to the next process */

struct frames {
	struct loop *loop;
	struct wire *wire;
	struct lane *lane;
	bool up;
	/* serving */
	bool passes;
	struct {
		struct visitor *v;
		uint64_t id;
	} passed[PASSED];
	uint64_t next_pass;
	/* calling */
	uint64_t next_id;
	int64_t sent_us[PASSED], until_us;
	unsigned out;
	bool slow;
	uint64_t slow_id;
	struct bench_result *r;
};

struct late {
	struct timer timer;
	struct visitor *v;
	uint64_t id;
};

static const uint8_t envelope[BUS_BENCH_BYTES];

static void
call_next(struct frames *f)
{
	uint8_t e[BUS_BENCH_BYTES] = { 0 };
	uint64_t id = ++f->next_id;

	memcpy(e, &id, sizeof(id));
	if (f->slow && f->slow_id == 0) {
		f->slow_id = id;
		e[8] = 's';
	}
	f->sent_us[id % PASSED] = time_now_us();
	must(lane_call(f->lane, id, e, sizeof(e)) == ST_OK);
	f->out++;
}

static void
on_answer(void *ctx, struct lane *l, uint64_t id, const void *p, size_t n)
{
	struct frames *f = ctx;
	int64_t now;

	(void)l;
	if (f->passes) {
		visitor_answer(f->passed[id % PASSED].v, f->passed[id % PASSED].id, p, n);
		return;
	}
	now = time_now_us();
	f->out--;
	if (id == f->slow_id)
		f->slow_id = 0;
	else
		hist_add(&f->r->latency, now - f->sent_us[id % PASSED]);
	f->r->calls++;
	if (now < f->until_us)
		call_next(f);
}

static void
on_late(struct timer *t)
{
	struct late *late = container_of(t, struct late, timer);

	visitor_answer(late->v, late->id, envelope, sizeof(envelope));
	free(late);
}

static void
on_call(void *ctx, struct visitor *v, const void *p, size_t n)
{
	struct frames *f = ctx;
	uint64_t id;

	memcpy(&id, p, sizeof(id));
	if (((const uint8_t *)p)[8] == 's') {
		struct late *late = calloc(1, sizeof(*late));

		must(late != NULL);
		late->v = v;
		late->id = id;
		timer_init(&late->timer, f->loop, on_late);
		timer_in(&late->timer, 100 * MS);
	} else if (!f->passes) {
		visitor_answer(v, id, p, n);
	} else {
		uint8_t e[BUS_BENCH_BYTES];
		uint64_t mine = ++f->next_pass;

		memcpy(e, p, sizeof(e));
		memcpy(e, &mine, sizeof(mine));
		f->passed[mine % PASSED].v = v;
		f->passed[mine % PASSED].id = id;
		must(lane_call(f->lane, mine, e, sizeof(e)) == ST_OK);
	}
}

static void
on_up(void *ctx, struct lane *l)
{
	(void)l;
	((struct frames *)ctx)->up = true;
}

static void
on_lane(void *ctx, struct lane *l)
{
	(void)ctx, (void)l;
}

static void
on_hint(void *ctx, struct lane *l, uint64_t epoch, uint64_t value)
{
	(void)ctx, (void)l, (void)epoch, (void)value;
}

static void
on_unfit(void *ctx, struct lane *l, bool unfit)
{
	(void)ctx, (void)l, (void)unfit;
}

static void
on_cancel(void *ctx, struct visitor *v, uint64_t id)
{
	(void)ctx, (void)v, (void)id;
}

static void
on_gone(void *ctx, struct visitor *v)
{
	(void)ctx, (void)v;
}

static void
on_event(void *ctx, const char *node, const void *p, size_t n)
{
	(void)ctx, (void)node, (void)p, (void)n;
}

static const struct wire_events events = { on_up, on_lane, on_answer, on_lane, on_unfit, on_hint,
	on_call, on_cancel, on_gone, on_event };

static bool
is_up(void *ctx)
{
	return ((struct frames *)ctx)->up;
}

static bool
is_over(void *ctx)
{
	return ((struct frames *)ctx)->out == 0;
}

static struct frames *
frames_new(const char *dir, const char *name)
{
	struct node_config c = { .var = dir,
		.bus_dir = dir,
		.bus_listen = "",
		.bus_peers = "",
		.bus_key_file = "",
		.bus_trust_file = "",
		.faults = "" };
	struct frames *f = calloc(1, sizeof(*f));
	char err[256];

	must(f != NULL);
	f->loop = loop_new();
	f->wire = wire_new(f->loop,
	    &(struct wire_opts){
		.name = name, .generation = 1, .config = &c, .events = &events, .ctx = f },
	    err, sizeof(err));
	if (f->wire == NULL)
		fatal("%s", err);
	return f;
}

static void
frames_serve(const char *dir, const char *name, const char *next)
{
	struct frames *f = frames_new(dir, name);
	char err[256];

	f->passes = next != NULL;
	if (f->passes) {
		f->lane = wire_lane(f->wire, next);
		loop_run_until(f->loop, is_up, f, 5 * SEC);
	}
	if (!wire_listen(f->wire, err, sizeof(err)))
		fatal("%s", err);
	loop_run(f->loop);
}

static void *
frames_open(const char *dir, const char *name)
{
	struct frames *f = frames_new(dir, "bench");

	f->lane = wire_lane(f->wire, name);
	loop_run_until(f->loop, is_up, f, 5 * SEC);
	must(f->up);
	return f;
}

static void
frames_run(void *end, unsigned in_flight, int64_t us, bool slow, struct bench_result *r)
{
	struct frames *f = end;
	int64_t start = time_now_us();

	f->r = r;
	f->slow = slow;
	f->until_us = start + us;
	for (unsigned i = 0; i < in_flight; i++)
		call_next(f);
	loop_run_until(f->loop, is_over, f, us + 5 * SEC);
	must(f->out == 0);
	r->took_us = time_now_us() - start;
}

const struct bus_way way_frames = { "packed frames through the loop", "frames", frames_serve,
	frames_open, frames_run };

/* span: what a request pays for its trace: nanoseconds for each of the five calls that it is made of, over
 * loop-back, by how many of them are sampled. Every try is recorded in all of them; who is sampled tells of
 * it and is kept. In this process, one thread; the ways take turns, the best of their rounds counts.
 *
 *	span [REQUESTS] */
#include <stdio.h>
#include <stdlib.h>
#include "harness/busbed.h"

#define LEVELS    5
#define IN_FLIGHT 64
#define ROUNDS    10

static const char *const names[LEVELS] = { "rest", "meta", "database", "sql", "cache" };
static struct fake fakes[LEVELS];
static struct target *top;
static unsigned left, out;

static void request(void);

static void
on_answer(const Mf__StoreResult *m, void *ctx)
{
	if (m != NULL)
		call_reply(ctx, &m->base);
	else
		call_fail(ctx, ST_INTERNAL, "it was to answer");
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c, (void)end, (void)ctx;
	if (left > 0)
		request();
	else
		out--;
}

static void
request(void)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct call *c = call_root(bed.bus,
	    &(const struct call_opts){ .limit_us = 2 * SEC, .entry = true, .done = on_end });
	struct rpc *r = rpc_new(c, top, NULL);

	left--;
	mf__sql__read(&r->service, &op, on_answer, c);
}

static bool
is_over(void *ctx)
{
	(void)ctx;
	return out == 0;
}

static void
on_traces(void *ctx, const Mf__TraceBatch *m)
{
	(void)ctx, (void)m;
}

static int64_t
round_of(unsigned n, double sample)
{
	int64_t begin;

	bus_set_tracing(bed.bus, &(const struct trace_opts){ 250 * MS, sample, 1e9 });
	left = n;
	out = IN_FLIGHT;
	begin = time_now_us();
	for (int i = 0; i < IN_FLIGHT; i++)
		request();
	loop_run_until(bed.loop, is_over, NULL, 60 * SEC);
	return time_now_us() - begin;
}

int
main(int argc, char **argv)
{
	static const double samples[] = { 0, 0.01, 1 };
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 10000;
	int64_t best[3] = { INT64_MAX, INT64_MAX, INT64_MAX }, took;
	void *state = NULL;

	must(n >= IN_FLIGHT && bed_start(&state) == 0);
	bus_hear_traces(bed.bus, on_traces, NULL);
	for (int i = 0; i < LEVELS; i++)
		fake_join(&fakes[i], names[i]);
	for (int i = LEVELS - 2; i >= 0; i--) {
		fakes[i].manner = ASKS;
		fakes[i].below = bed_target(NULL, MEMBERS(names[i + 1]));
	}
	top = bed_target(NULL, MEMBERS(names[0]));
	for (int r = 0; r < ROUNDS; r++)
		for (int i = 0; i < 3; i++) {
			took = round_of(n, samples[i]);
			best[i] = took < best[i] ? took : best[i];
		}
	for (int i = 0; i < 3; i++)
		printf("sampled %4.0f %%   %6.0f ns a call   %+5.1f %%\n", 100 * samples[i],
		    (double)best[i] * 1e3 / n / LEVELS,
		    100 * ((double)best[i] / (double)best[0] - 1));
	return 0;
}

/* load: see load.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "cli/reliability/judge.h"
#include "cli/reliability/load.h"

#define SCRATCH_CAP (4u << 20)
#define SEED_TIMES  UINT64_C(0x9e3779b97f4a7c15) /* another sequence than anything else's */

struct driver {
	struct load *l;
	struct loop *loop;
	uv_poll_t clock;
	int clock_fd; /* the loop's own timers have a millisecond of slack, which would be latency */
	struct rng times;
	struct arena *scratch;
	uint32_t next, busy;
	int64_t due_us; /* of the next one */
	bool closed;
};

struct sent { /* one request under way */
	struct driver *d;
	struct scenario s;
	struct call *root;
	struct rpc *rpc;
	int64_t due_us;
};

static void clock_start(struct driver *);
static void clock_set(struct driver *);
static void on_clock(uv_poll_t *, int, int);
static void on_closed(uv_handle_t *);
static bool is_over(void *);
static bool is_closed(void *);
static void send_next(struct driver *);
static void on_answer(const Mf__TaskResponse *, void *);
static void on_end(struct call *, const struct call_end *, void *);

void
load_run(struct load *l)
{
	struct driver d = { .l = l, .loop = bus_loop(l->bus), .scratch = arena_new(SCRATCH_CAP) };

	rng_seed(&d.times, l->seed ^ SEED_TIMES);
	l->out->asked = true;
	l->began_us = d.due_us = time_now_us();
	clock_start(&d);
	while (!is_over(&d))
		loop_run_until(d.loop, is_over, &d, 3600 * SEC);
	l->out->took_us = time_now_us() - l->began_us;
	uv_poll_stop(&d.clock);
	uv_close((uv_handle_t *)&d.clock, on_closed);
	while (!d.closed)
		loop_run_until(d.loop, is_closed, &d, SEC);
	close(d.clock_fd);
	arena_free(&d.scratch);
}

static void
clock_start(struct driver *d)
{
	d->clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	must(d->clock_fd >= 0);
	must(uv_poll_init(loop_uv(d->loop), &d->clock, d->clock_fd) == 0);
	d->clock.data = d;
	must(uv_poll_start(&d->clock, UV_READABLE, on_clock) == 0);
	clock_set(d);
}

static void
clock_set(struct driver *d)
{
	const struct itimerspec at = { .it_value = { d->due_us / SEC, d->due_us % SEC * 1000 } };

	must(timerfd_settime(d->clock_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
}

/* All that is due by now, however many those are. */
static void
on_clock(uv_poll_t *p, int status, int events)
{
	struct driver *d = p->data;
	uint64_t ticks;

	(void)status, (void)events;
	if (read(d->clock_fd, &ticks, sizeof(ticks)) < 0 && errno == EAGAIN)
		return;
	while (d->next < d->l->n && !d->l->stop && d->due_us <= time_now_us())
		send_next(d);
	if (d->next < d->l->n && !d->l->stop)
		clock_set(d);
	else
		loop_stop(d->loop);
}

static void
on_closed(uv_handle_t *h)
{
	struct driver *d = h->data;

	d->closed = true;
	loop_stop(d->loop);
}

static bool
is_over(void *ctx)
{
	const struct driver *d = ctx;

	return d->busy == 0 && (d->next == d->l->n || d->l->stop);
}

static bool
is_closed(void *ctx)
{
	return ((const struct driver *)ctx)->closed;
}

/* Arrivals of a Poisson process: exponential gaps. */
static void
send_next(struct driver *d)
{
	struct load *l = d->l;
	struct sent *s = mem_zalloc(sizeof(*s));
	Mf__TaskRequest q;
	char operation[UUID_LEN], id[32];

	s->d = d;
	s->s = scenario_at(l->seed, d->next++, l->set);
	s->due_us = d->due_us;
	d->due_us += (int64_t)(-log1p(-rng_unit(&d->times)) / l->per_s * (double)SEC);
	d->busy++;
	arena_reset(d->scratch);
	scenario_request(d->scratch, &s->s, &l->ask, &q);
	q.deadline_ms = l->deadline_ms;
	if (l->single && l->draws != NULL) {
		snprintf(id, sizeof(id), "draw/%x", l->draws[s->s.number]);
		q.task_id = id;
	}
	uuid7(operation);
	s->root = call_root(l->bus, &(const struct call_opts){ .limit_us = l->deadline_ms * MS,
					.operation_id = operation,
					.want_hops = l->want_hops,
					.done = on_end,
					.ctx = s });
	s->rpc = rpc_new(s->root, l->target, &(const struct rpc_opts){ .once = l->single });
	mf__meta__execute(&s->rpc->service, &q, on_answer, s);
}

static void
on_answer(const Mf__TaskResponse *m, void *ctx)
{
	struct sent *s = ctx;

	if (m == NULL)
		call_fail_with(s->root, rpc_failure(s->rpc));
	else
		call_reply(s->root, &m->base);
}

static void
on_end(struct call *root, const struct call_end *end, void *ctx)
{
	struct sent *s = ctx;
	struct driver *d = s->d;
	struct load *l = d->l;
	struct record *r = result_record(l->out);
	int64_t now = time_now_us();

	(void)root;
	r->scenario = s->s.number;
	r->kind = s->s.kind; /* measure_all named them in this order */
	r->domains = s->s.domains;
	r->start_us = s->due_us - l->began_us;
	r->latency_us = (uint32_t)(now - s->due_us);
	if (l->single)
		judge_single(r, &s->s, l->draws != NULL ? l->draws[s->s.number] : 0, end);
	else
		judge_federation(r, &s->s, end,
		    &(const struct judging){ .out = l->out,
			.causes = l->causes,
			.n_causes = l->n_causes,
			.due_us = s->due_us,
			.draws = l->draws != NULL ? &l->draws[s->s.number] : NULL });
	if (l->answered != NULL)
		l->answered(l->ctx, &s->s, r);
	d->busy--;
	free(s);
	if (is_over(d))
		loop_stop(d->loop);
}

/* bus_bench_nng: plain nng req/rep: contexts, asynchronous operations, one message per call. The
 * same steps either on nng's own threads, as fast as it can be written, or handed over to the loop
 * and back, as a node would have to do it. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/time.h"
#include "harness/bus_bench.h"
#include "node/loop.h"

enum step { TAKE, ASK, ASKED, ANSWERED };

struct nng_end {
	struct loop *loop; /* NULL: on nng's threads */
	nng_socket in, out;
	bool passes, calls;
	_Atomic int64_t until_us;
	atomic_uint active;
	sem_t over;
	struct slot *slots; /* BUS_BENCH_MOST */
};

struct slot {
	struct loop_msg msg;
	struct nng_end *e;
	nng_ctx in, out;
	nng_aio *aio;
	enum step step;
	int64_t sent_us;
	uint64_t calls;
	struct hist latency;
};

static void slot_step(struct slot *s);

static void
on_loop(struct loop_msg *m)
{
	slot_step((struct slot *)m);
}

static void
on_aio(void *arg)
{
	struct slot *s = arg;

	if (s->e->loop != NULL)
		loop_post(s->e->loop, &s->msg);
	else
		slot_step(s);
}

static void
ask(struct slot *s)
{
	nng_msg *m;

	must(nng_msg_alloc(&m, BUS_BENCH_BYTES) == 0);
	s->sent_us = time_now_us();
	nng_aio_set_msg(s->aio, m);
	s->step = ASK;
	nng_ctx_send(s->out, s->aio);
}

static void
slot_step(struct slot *s)
{
	if (nng_aio_result(s->aio) != 0)
		fatal("nng: %s", nng_strerror(nng_aio_result(s->aio)));
	switch (s->step) {
	case TAKE: /* a request is here: pass it on, or answer */
		s->step = s->e->passes ? ASK : ANSWERED;
		nng_ctx_send(s->e->passes ? s->out : s->in, s->aio);
		return;
	case ASK:
		s->step = ASKED;
		nng_ctx_recv(s->out, s->aio);
		return;
	case ASKED:
		if (!s->e->calls) {
			s->step = ANSWERED;
			nng_ctx_send(s->in, s->aio);
			return;
		}
		nng_msg_free(nng_aio_get_msg(s->aio));
		hist_add(&s->latency, time_now_us() - s->sent_us);
		s->calls++;
		if (time_now_us() < atomic_load(&s->e->until_us))
			ask(s);
		else if (atomic_fetch_sub(&s->e->active, 1) == 1)
			sem_post(&s->e->over);
		return;
	case ANSWERED:
		s->step = TAKE;
		nng_ctx_recv(s->in, s->aio);
		return;
	}
}

static struct nng_end *
end_new(const char *dir, const char *name, const char *next, bool looped)
{
	struct nng_end *e = calloc(1, sizeof(*e));
	char url[256];

	must(e != NULL && sem_init(&e->over, 0, 0) == 0);
	if (looped)
		e->loop = loop_new();
	if (name != NULL) {
		snprintf(url, sizeof(url), "ipc://%s/%s.sock", dir, name);
		must(nng_rep0_open(&e->in) == 0 && nng_listen(e->in, url, NULL, 0) == 0);
	}
	if (next != NULL) {
		snprintf(url, sizeof(url), "ipc://%s/%s.sock", dir, next);
		must(nng_req0_open(&e->out) == 0);
		must(nng_socket_set_ms(e->out, NNG_OPT_RECONNMINT, 10) == 0);
		must(nng_dial(e->out, url, NULL, NNG_FLAG_NONBLOCK) == 0);
	}
	e->passes = name != NULL && next != NULL;
	e->calls = name == NULL;
	e->slots = calloc(BUS_BENCH_MOST, sizeof(*e->slots));
	must(e->slots != NULL);
	for (struct slot *s = e->slots; s < e->slots + BUS_BENCH_MOST; s++) {
		s->e = e;
		s->msg.fn = on_loop;
		must(nng_aio_alloc(&s->aio, on_aio, s) == 0);
		must(name == NULL || nng_ctx_open(&s->in, e->in) == 0);
		must(next == NULL || nng_ctx_open(&s->out, e->out) == 0);
	}
	return e;
}

static void
nng_serve(const char *dir, const char *name, const char *next, bool looped)
{
	struct nng_end *e = end_new(dir, name, next, looped);

	for (struct slot *s = e->slots; s < e->slots + BUS_BENCH_MOST; s++) {
		s->step = TAKE;
		nng_ctx_recv(s->in, s->aio);
	}
	if (looped)
		loop_run(e->loop);
	sem_wait(&e->over);
}

static bool
is_over(void *ctx)
{
	return atomic_load(&((struct nng_end *)ctx)->active) == 0;
}

static void
nng_run(void *end, unsigned in_flight, int64_t us, bool slow, struct bench_result *r)
{
	struct nng_end *e = end;
	struct slot *mine = e->slots;
	int64_t start = time_now_us();

	(void)slow;
	atomic_store(&e->until_us, start + us);
	atomic_store(&e->active, in_flight);
	for (unsigned i = 0; i < in_flight; i++) {
		mine[i].calls = 0;
		memset(&mine[i].latency, 0, sizeof(mine[i].latency));
		ask(&mine[i]);
	}
	if (e->loop != NULL)
		loop_run_until(e->loop, is_over, e, us + 5 * SEC);
	sem_wait(&e->over);
	r->took_us = time_now_us() - start;
	for (unsigned i = 0; i < in_flight; i++) {
		r->calls += mine[i].calls;
		hist_merge(&r->latency, &mine[i].latency);
	}
}

static void
bare_serve(const char *dir, const char *name, const char *next)
{
	nng_serve(dir, name, next, false);
}

static void
looped_serve(const char *dir, const char *name, const char *next)
{
	nng_serve(dir, name, next, true);
}

static void *
bare_open(const char *dir, const char *name)
{
	return end_new(dir, NULL, name, false);
}

static void *
looped_open(const char *dir, const char *name)
{
	return end_new(dir, NULL, name, true);
}

const struct bus_way way_bare = { "plain nng req/rep, bare", "bare", bare_serve, bare_open,
	nng_run };
const struct bus_way way_looped = { "plain nng req/rep through the loop", "looped", looped_serve,
	looped_open, nng_run };

/* beat: where a container runtime starts the nodes there is no descriptor 3; the same record goes
 * to meta over the bus, where there are several to the one that leads: who stands by beats, too. A beat
 * that fails is only missing: meta counts those. The answer may ask the node to exit; its runtime
 * starts it again. */
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/time.h"
#include "bus/bus.h"
#include "node/inside.h"
#include "proto/meta.pb-c.h"

#define MEMBERS_MOST 4

static void on_beat(struct timer *t);
static void on_answer(const Mf__BeatAnswer *m, void *ctx);
static void on_end(struct call *c, const struct call_end *end, void *ctx);

void
beat_start(struct node *n)
{
	const char *others[MEMBERS_MOST] = { NULL };
	size_t k = 0;

	for (const char *const *m = fleet_meta(); *m != NULL; m++)
		if (strcmp(*m, n->name) != 0)
			others[k++] = *m;
	if (n->supervised || !n->now->common.heartbeat || k == 0)
		return;
	n->meta = target_new(n->bus,
	    &(const struct target_def){ .service = &mf__meta__descriptor, .members = others });
	target_set_watch(n->meta, fleet_meta_watch_us());
	timer_init(&n->beat, n->loop, on_beat);
	timer_in(&n->beat, 0);
}

void
beat_say(struct node *n)
{
	if (n->meta != NULL)
		timer_in(&n->beat, 0);
}

static void
on_beat(struct timer *t)
{
	struct node *n = container_of(t, struct node, beat);
	Mf__Beat beat = MF__BEAT__INIT;
	struct call *c;
	struct rpc *r;

	timer_in(t, CONTRACT_BEAT_US);
	if (n->beat_out)
		return;
	n->beat_out = true;
	c = call_root(
	    n->bus, &(const struct call_opts){ .limit_us = SEC, .done = on_end, .ctx = n });
	r = rpc_new(c, n->meta, &(const struct rpc_opts){ .once = true, .quiet = true });
	beat.node =
	    (char *)(uintptr_t)n->name; /* protobuf-c's fields have no const; packed, not changed */
	beat.generation = n->generation;
	beat.state = (uint32_t)n->state;
	n->beat_state = n->state;
	beat.load = bus_in_flight(n->bus);
	beat.instance = (char *)(uintptr_t)n->now->common.instance;
	beat.pid = (uint32_t)getpid();
	mf__meta__heartbeat(&r->service, &beat, on_answer, c);
}

static void
on_answer(const Mf__BeatAnswer *m, void *ctx)
{
	static const Mf__Empty empty = MF__EMPTY__INIT;
	struct call *c = ctx;

	if (m == NULL)
		call_fail(c, ST_UNAVAILABLE, "no answer to the beat");
	else
		call_reply(c, m->exit ? &m->base : &empty.base);
}

/* The reply of the root is the answer only when it asks us to go. */
static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct node *n = ctx;

	(void)c;
	n->beat_out = false;
	if (n->state != n->beat_state)
		beat_say(n);
	if (end->failure != NULL) {
		log_debug("beat_failed", L_STR("error", end->failure->message));
	} else if (end->reply->descriptor == &mf__beat_answer__descriptor) {
		log_warn("asked_to_exit");
		node_drain(n);
	}
}

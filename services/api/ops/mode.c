/* mode: what the fleet takes on at the moment, as meta says it: by an event at each change, and asked
 * for by who may have missed one (at the first contact, and when meta is another process). So what
 * would be refused is refused here, at once and without a hop.
 *
 * Who has no contact with meta refuses nothing: what he knows may be old. */
#include <string.h>

#include "api/ops/ops.h"
#include "base/id.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "meta/essential.h"

#define ASK_US (1 * SEC)

static void on_mode(void *, const char *, const Mf__Event *);
static void on_lost(void *, const char *);
static void on_asked(const Mf__FleetMode *, void *);
static void on_ask_end(struct call *, const struct call_end *, void *);
static void take(const Mf__FleetMode *);
static const struct failure *refuse(struct call *, const char *, const char *);

static struct {
	struct bus *bus;
	struct target *meta;
	struct call *asking; /* NULL: nobody is asked at the moment */
	uint64_t number;     /* of what is known; grows */
	bool essential, throttled;
	uint32_t least_priority, retry_ms;
	struct rng rng;
	struct metric *refused;
} mode;

void
ops_mode_init(struct bus *b, struct target *meta)
{
	mode.bus = b;
	mode.meta = meta;
	mode.asking = NULL;
	mode.refused = metric_simple(METRIC_COUNTER, "metafed_api_refused_by_mode_total",
	    "Requests that were not sent to meta, as the mode of the fleet refuses them.");
	rng_seed(&mode.rng, id_random_u64());
	take(NULL);
	for (const char *const *m = fleet_meta(); *m != NULL; m++) /* who leads speaks */
		bus_subscribe(b, *m, "fleet.mode", on_mode, on_lost, NULL);
}

const struct failure *
ops_mode_refuses(struct call *c, const Mf__TaskRequest *q)
{
	enum service_need need;

	if (!mode.essential && mode.least_priority == PRIORITIES - 1)
		return NULL;
	need = essential_need(q);
	if (need == NEED_ALWAYS || !target_ready(mode.meta))
		return NULL;
	if (mode.essential && need != NEED_ESSENTIAL)
		return refuse(c, "ESSENTIAL_ONLY",
		    "only essential services go on: reads, verification, the fleet's state");
	if (essential_priority(q) > mode.least_priority)
		return refuse(c, mode.throttled ? "THROTTLED" : "SHED",
		    "more important requests go first at the moment");
	return NULL;
}

static const struct failure *
refuse(struct call *c, const char *reason, const char *message)
{
	struct failure *f = ARENA_NEW(call_arena(c), struct failure);

	metric_inc(mode.refused);
	*f = (struct failure){ .status = ST_RESOURCE_EXHAUSTED,
		.reason = reason,
		.message = message,
		.retry_ms = mode.retry_ms + rng_below(&mode.rng, mode.retry_ms / 2 + 1) };
	return f;
}

static void
on_mode(void *ctx, const char *node, const Mf__Event *e)
{
	Mf__FleetMode *m = mf__fleet_mode__unpack(NULL, e->payload.len, e->payload.data);

	(void)ctx, (void)node;
	if (m == NULL)
		return;
	if (m->number > mode.number)
		take(m);
	mf__fleet_mode__free_unpacked(m, NULL);
}

/* Of the time before nothing counts any more. */
static void
on_lost(void *ctx, const char *node)
{
	Mf__Empty empty = MF__EMPTY__INIT;
	struct rpc *r;

	(void)ctx, (void)node;
	take(NULL);
	if (mode.asking != NULL)
		call_cancel(mode.asking);
	mode.asking = call_root(
	    mode.bus, &(const struct call_opts){ .limit_us = ASK_US, .done = on_ask_end });
	r = rpc_new(mode.asking, mode.meta, NULL);
	mf__meta__mode(&r->service, &empty, on_asked, mode.asking);
}

static void
on_asked(const Mf__FleetMode *m, void *ctx)
{
	static const Mf__Empty empty = MF__EMPTY__INIT;

	if (m != NULL && m->number > mode.number)
		take(m);
	call_reply(ctx, m != NULL ? &m->base : &empty.base);
}

static void
on_ask_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)end, (void)ctx;
	if (mode.asking == c)
		mode.asking = NULL;
}

/* NULL: nothing is known, so nothing is refused. */
static void
take(const Mf__FleetMode *m)
{
	static const Mf__FleetMode none = MF__FLEET_MODE__INIT;

	if (m != NULL)
		log_info("fleet_mode", L_STR("mode", m->mode), L_INT("number", m->number),
		    L_INT("least_priority", m->least_priority));
	else
		m = &none;
	mode.number = m->number;
	mode.essential = strcmp(m->mode, "essential") == 0;
	mode.throttled = strcmp(m->mode, "throttled") == 0;
	mode.retry_ms = m->retry_ms;
	mode.least_priority = m->least_priority >= 1 && m->least_priority < PRIORITIES
	                          ? m->least_priority
	                          : PRIORITIES - 1;
}

/* entry: the way past a method's limit: who goes, who stands in the line, who is sent away. What is
 * decided is waitlist.c's; rpc.c goes on from there, and calls entry_fill() wherever room may have
 * come free. */
#include "bus/inside.h"

static void refuse(struct rpc_call *r);

void
entry_ask(struct rpc_call *r)
{
	struct rpc_call *instead;

	switch (waitlist_ask(r->method->waitlist, r, r->start_us, &instead)) {
	case WAITLIST_GO:
		rpc_go(r);
		return;
	case WAITLIST_REFUSE:
		refuse(r);
		return;
	case WAITLIST_WAIT:
		r->state = RPC_QUEUED;
		if (r->deadline_us < r->call->deadline_us)
			timer_at(&r->timer, r->deadline_us);
		if (instead != NULL)
			refuse(instead);
		return;
	}
}

void
entry_fill(struct waitlist *h, int64_t now_us)
{
	struct rpc_call *r;
	bool late;

	while ((r = waitlist_next(h, now_us, &late)) != NULL) {
		timer_stop(&r->timer);
		if (late)
			refuse(r);
		else
			rpc_go(r);
	}
}

static void
refuse(struct rpc_call *r)
{
	struct waitlist *h = r->method->waitlist;

	timer_stop(&r->timer);
	metric_inc(h->refused);
	rpc_fail(r, ST_RESOURCE_EXHAUSTED, "LIMIT", waitlist_retry_ms(h),
	    "more calls wait for this service than it can answer in time");
}

/* lead: what an orchestrator does with a request while it leads, stands by, or does not know. The other
 * end of the question is a fake; who leads by the real one: tests/node/sql_lead.c. */
#include <string.h>
#include <time.h>
#include "base/log.h"
#include "base/time.h"
#include "bus/inside.h"
#include "harness/test.h"
#include "meta/lead.h"
#include "meta/meta.h"
#include "proto/sql.pb-c.h"

#define LEASE (200 * MS)

static struct {
	struct loop *loop;
	struct meta meta;
	/* what is answered */
	bool leads, fails, hangs;
	uint64_t number;
	uint32_t heard_ms;
	unsigned asked, resigned;
	uint64_t seen;
} bed;

struct request {
	struct call *c;
	bool went, ended;
	uint64_t fence;
	char reason[32];
};

static void
fake_ask(Mf__Leader_Service *s, const Mf__LeadAsk *q, Mf__LeadAnswer_Closure reply, void *ctx)
{
	Mf__LeadAnswer m = MF__LEAD_ANSWER__INIT;

	(void)s, (void)reply;
	bed.asked++;
	bed.resigned += q->resign;
	bed.seen = q->seen;
	assert_string_equal(q->candidate, "meta-2");
	if (bed.hangs)
		return;
	if (bed.fails) {
		call_fail_because(ctx, ST_UNAVAILABLE, "STORE_DOWN", 0, "away");
		return;
	}
	m.leads = bed.leads;
	m.number = bed.number;
	m.leader = (char *)(uintptr_t)(bed.leads ? "meta-2" : "meta");
	m.heard_ms = bed.heard_ms;
	call_reply(ctx, &m.base);
}

static Mf__Leader_Service service = MF__LEADER__INIT(fake_);

static int
start(void **state)
{
	static const struct serve serves[] = { { &service.base, PRIMARY }, { NULL, 0 } };
	char err[100];

	(void)state;
	memset(&bed, 0, sizeof(bed));
	bed.loop = bed.meta.loop = loop_new();
	bed.meta.bus = bus_new(bed.loop,
	    &(const struct bus_opts){ .name = "meta-2", .generation = 1 }, err, sizeof(err));
	assert_non_null(bed.meta.bus);
	bus_loopback(bed.meta.bus, "database", serves);
	bed.number = 7;
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	lead_free(&bed.meta.lead);
	bus_free(&bed.meta.bus);
	loop_free(&bed.loop);
	return 0;
}

static void
open_as(bool leads, uint32_t heard_ms)
{
	bed.leads = leads;
	bed.heard_ms = heard_ms;
	bed.meta.lead = lead_new(&bed.meta, LEASE);
}

static void
go(struct call *c, const void *q)
{
	struct request *r = (struct request *)(uintptr_t)q;

	r->went = true;
	r->fence = call_fence(c);
	call_fail(c, ST_CANCELLED, "done");
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct request *r = ctx;

	(void)c;
	r->ended = true;
	snprintf(r->reason, sizeof(r->reason), "%s", end->failure->reason);
}

static void
comes(struct request *r, uint32_t attempt)
{
	*r = (struct request){ .ended = false };
	r->c = call_root(bed.meta.bus,
	    &(const struct call_opts){ .limit_us = 10 * SEC, .done = on_end, .ctx = r });
	r->c->attempt = attempt;
	lead_call(bed.meta.lead, r->c, go, r);
}

static bool
has_ended(void *ctx)
{
	return ((struct request *)ctx)->ended;
}

static bool
has_asked(void *ctx)
{
	return bed.asked >= *(unsigned *)ctx;
}

static void
until(bool (*what)(void *), void *ctx)
{
	loop_run_until(bed.loop, what, ctx, 10 * SEC);
	assert_true(what(ctx));
}

static void
until_asked_more(unsigned more)
{
	unsigned n = bed.asked + more;

	until(has_asked, &n);
}

static void
where_nobody_stands_by_a_request_goes_on_and_carries_nothing(void **unused)
{
	struct request r;

	(void)unused;
	comes(&r, 1);
	assert_true(r.went);
	assert_int_equal(r.fence, 0);
	assert_true(lead_is(NULL));
	assert_int_equal(bed.asked, 0);
	until(has_ended, &r);
}

static void
a_request_that_comes_before_the_first_answer_waits_for_it(void **unused)
{
	struct request r;

	(void)unused;
	open_as(true, 0);
	comes(&r, 1);
	assert_false(r.went);
	until(has_ended, &r);
	assert_true(r.went);
	assert_int_equal(r.fence, 7);
}

static void
one_that_stands_by_refuses_a_first_try_at_once(void **unused)
{
	struct request r;

	(void)unused;
	open_as(false, 10);
	until_asked_more(2);
	comes(&r, 1);
	until(has_ended, &r);
	assert_false(r.went);
	assert_string_equal(r.reason, "NOT_LEADING");
}

/* The leader that the last answer knew may be the one that the caller has just lost. */
static void
a_later_try_waits_for_a_younger_sign_of_the_leader(void **unused)
{
	struct request r;

	(void)unused;
	open_as(false, 100);
	until_asked_more(2);
	comes(&r, 2);
	until_asked_more(1);
	assert_false(r.ended);
	bed.heard_ms = 0;
	until(has_ended, &r);
	assert_false(r.went);
	assert_string_equal(r.reason, "NOT_LEADING");
}

static void
a_later_try_is_executed_by_who_takes_over_meanwhile(void **unused)
{
	struct request r;

	(void)unused;
	open_as(false, 100);
	until_asked_more(2);
	comes(&r, 2);
	assert_false(r.went);
	bed.leads = true;
	bed.number = 8;
	until(has_ended, &r);
	assert_true(r.went);
	assert_int_equal(r.fence, 8);
}

static void
a_leader_goes_on_while_nobody_can_be_asked(void **unused)
{
	struct request r;

	(void)unused;
	open_as(true, 0);
	until_asked_more(2);
	bed.fails = true;
	until_asked_more(6); /* more than a lease */
	comes(&r, 1);
	until(has_ended, &r);
	assert_true(r.went);
	assert_int_equal(r.fence, 7);
}

/* As after a stop signal: the time went by, and no question was asked. */
static void
a_leader_that_was_held_up_asks_before_it_does_anything(void **unused)
{
	struct timespec pause = { 0, LEASE * 1000 };
	struct request r;
	unsigned before;

	(void)unused;
	open_as(true, 0);
	until_asked_more(2);
	before = bed.asked;
	nanosleep(&pause, NULL);
	bed.leads = false;
	bed.number = 9;
	comes(&r, 1);
	assert_false(r.went);
	until(has_ended, &r);
	assert_true(bed.asked > before);
	assert_false(r.went);
	assert_string_equal(r.reason, "NOT_LEADING");
	assert_false(lead_is(bed.meta.lead));
}

static void
who_is_told_that_its_number_is_old_asks_at_once(void **unused)
{
	static const struct failure fenced = { .status = ST_ABORTED, .reason = "FENCED" },
				    other = { .status = ST_ABORTED, .reason = "VERSION_CONFLICT" };
	struct request r;

	(void)unused;
	open_as(true, 0);
	until_asked_more(2);
	assert_false(lead_fenced(bed.meta.lead, NULL));
	assert_false(lead_fenced(bed.meta.lead, &other));
	assert_false(lead_fenced(NULL, &fenced));
	bed.leads = false;
	assert_true(lead_fenced(bed.meta.lead, &fenced));
	comes(&r, 1);
	assert_false(r.went);
	until(has_ended, &r);
	assert_string_equal(r.reason, "NOT_LEADING");
}

static void
what_was_begun_under_another_number_may_have_failed_for_that(void **unused)
{
	(void)unused;
	assert_false(lead_overtaken(NULL, 0)); /* nobody stands by */
	open_as(true, 0);
	until_asked_more(2);
	assert_false(lead_overtaken(bed.meta.lead, 7));
	bed.number = 9;
	until_asked_more(2);
	assert_true(lead_overtaken(bed.meta.lead, 7));
	assert_false(lead_overtaken(bed.meta.lead, 9));
	bed.leads = false;
	until_asked_more(2);
	assert_true(lead_overtaken(bed.meta.lead, 9));
}

static void
who_resigns_says_so_and_leads_no_more(void **unused)
{
	struct request r;

	(void)unused;
	open_as(true, 0);
	until_asked_more(2);
	lead_resign(bed.meta.lead);
	assert_false(lead_is(bed.meta.lead));
	until_asked_more(1);
	assert_int_equal(bed.resigned, 1);
	comes(&r, 2);
	until(has_ended, &r);
	assert_string_equal(r.reason, "NOT_LEADING");
}

static void
the_highest_number_that_was_seen_is_told(void **unused)
{
	(void)unused;
	open_as(false, 10);
	bed.number = 41;
	until_asked_more(3);
	assert_int_equal(bed.seen, 41);
}

#define L(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		L(where_nobody_stands_by_a_request_goes_on_and_carries_nothing),
		L(a_request_that_comes_before_the_first_answer_waits_for_it),
		L(one_that_stands_by_refuses_a_first_try_at_once),
		L(a_later_try_waits_for_a_younger_sign_of_the_leader),
		L(a_later_try_is_executed_by_who_takes_over_meanwhile),
		L(a_leader_goes_on_while_nobody_can_be_asked),
		L(a_leader_that_was_held_up_asks_before_it_does_anything),
		L(who_is_told_that_its_number_is_old_asks_at_once),
		L(what_was_begun_under_another_number_may_have_failed_for_that),
		L(who_resigns_says_so_and_leads_no_more),
		L(the_highest_number_that_was_seen_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* commit_faults: transactions over PostgreSQL and documents whose `database` goes in the middle, whose
 * answers are lost, or whose leader was replaced: all or nothing, whatever is lost on the way. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/time.h"
#include "bus/inside.h"
#include "database/inside.h"
#include "harness/txbed.h"

#define BULK_MEMBERS .kind = MF__STORE_OP__KIND__BULK

/* --- staged, and left --- */

/* A transaction that was staged and then left by a `database` that is gone. */
static const char *
left_staged(const char *doc, const char *made)
{
	const char *t = new_id();

	put_doc(doc, "{\"n\":1}");
	assert_int_equal(tx_stage(OP(TRANSACTION, .operation_id = S(new_id()), .transaction = S(t),
				      MEMBERS(M(UPDATE, DOC(doc), .data = DATA("{\"n\":2}")),
					  M(CREATE, DOC(made), .data = DATA("{}")))))
			     ->status,
	    ST_OK);
	return t;
}

static void
a_reader_sees_the_old_state_until_it_is_decided_and_the_new_one_from_then_on(void **unused)
{
	const char *doc = new_id(), *made = new_id(), *t = left_staged(doc, made);

	(void)unused;
	/* the janitor would give it up */
	txbed.manner = LOSES_ALL;
	assert_string_equal(doc_read("doc.n", doc), "UNDECIDED");
	assert_string_equal(doc_read("doc.n", made), "UNDECIDED");
	tx_decide(t, true);
	txbed.manner = PASSES;
	assert_string_equal(doc_read("doc.n", doc), "2:{\"n\":2}");
	assert_string_equal(doc_read("doc.n", made), "1:{}");
	assert_nothing_staged();
}

static void
a_list_shows_what_was_decided(void **unused)
{
	const char *doc = new_id(), *made = new_id();
	struct tx_said *x;

	(void)unused;
	txbed.manner = LOSES_ALL;
	tx_decide(left_staged(doc, made), true);
	x = tx_ask(OP(QUERY, .model = S("doc.n"), .limit = 1000));
	assert_string_equal(x->reason, "UNDECIDED");
	txbed.manner = PASSES;
	x = tx_done(OP(QUERY, .model = S("doc.n"), .limit = 1000));
	assert_non_null(strstr((char *)x->m->data.data, made));
	assert_int_equal(x->m->n_staged, 0);
	assert_nothing_staged();
}

/* So many documents that Redis looks at them in three goes; each names what is staged. */
static void
a_list_of_many_slices_shows_what_was_decided(void **unused)
{
	const char *doc = new_id(), *made = new_id();
	struct tx_said *x;
	char data[4000];
	size_t n;

	(void)unused;
	for (int k = 0; k < 6; k++) {
		n = 0;
		for (int i = 0; i < 100; i++)
			n += (size_t)snprintf(data + n, sizeof(data) - n, "%s{\"id\":\"many%d\"}",
			    i == 0 ? "[" : ",", k * 100 + i);
		snprintf(data + n, sizeof(data) - n, "]");
		tx_done(
		    OP(BULK, .model = S("doc.n"), .data = DATA(data), .operation_id = S(new_id())));
	}
	txbed.manner = LOSES_ALL;
	tx_decide(left_staged(doc, made), true);
	txbed.manner = PASSES;
	x = tx_done(OP(QUERY, .model = S("doc.n"), .where = DATA("{\"/n\":2}"), .limit = 1000));
	assert_non_null(strstr((char *)x->m->data.data, doc));
	assert_int_equal(x->m->n_staged, 0);
	assert_nothing_staged();
}

static void
what_was_given_up_is_shown_as_it_was(void **unused)
{
	const char *doc = new_id(), *made = new_id();

	(void)unused;
	txbed.manner = LOSES_ALL; /* else it may be given up before we say so */
	tx_decide(left_staged(doc, made), false);
	txbed.manner = PASSES;
	assert_string_equal(doc_read("doc.n", doc), "1:{\"n\":1}");
	assert_string_equal(doc_read("doc.n", made), "NOT_FOUND");
	await_nothing_staged();
}

static void
while_postgresql_is_away_only_the_staged_document_is_not_read(void **unused)
{
	const char *doc = new_id(), *other = new_id(), *made = new_id();

	(void)unused;
	put_doc(other, "{\"n\":5}");
	txbed.manner = IS_DOWN;
	left_staged(doc, made);
	assert_string_equal(doc_read("doc.n", doc), "UNDECIDED");
	assert_string_equal(doc_read("doc.n", other), "1:{\"n\":5}");
	assert_int_equal(
	    tx_ask(OP(READ_ONE, DOC(doc), .consistency = S("eventual")))->status, ST_OK);
	assert_string_equal(
	    tx_ask(OP(UPDATE, DOC(doc), .data = DATA("{}"), .operation_id = S(new_id())))->reason,
	    "UNDECIDED");
	txbed.manner = PASSES;
	await_nothing_staged();
	assert_string_equal(doc_read("doc.n", doc), "1:{\"n\":1}");
}

static void
a_writer_gives_an_orphan_up_and_its_late_commit_fails(void **unused)
{
	const char *doc = new_id(), *made = new_id(), *task = new_id(), *t;
	struct done d;

	(void)unused;
	t = left_staged(doc, made);
	tx_done(OP(UPDATE, DOC(doc), .data = DATA("{\"k\":1}"), .operation_id = S(new_id())));
	assert_string_equal(doc_read("doc.n", doc), "2:{\"n\":1,\"k\":1}");
	d = op_run(OP(TRANSACTION, .operation_id = S(new_id()), .transaction = S(t),
	    MEMBERS(M(CREATE, .id = S(task), .data = DATA("{\"title\":\"late\"}")))));
	assert_int_equal(d.status, ST_ABORTED);
	assert_string_equal(d.reason, "GIVEN_UP");
	assert_string_equal(title_of(task), "NOT_FOUND");
	assert_nothing_staged();
}

static void
a_member_of_a_bulk_waits_for_the_decision_too(void **unused)
{
	const char *doc = new_id(), *made = new_id();
	struct tx_said *x;

	(void)unused;
	left_staged(doc, made);
	x = tx_done(OP(BULK_MEMBERS, .operation_id = S(new_id()),
	    MEMBERS(M(UPDATE, DOC(doc), .data = DATA("{\"b\":1}"), .operation_id = S(new_id())),
		M(CREATE, .id = S(new_id()), .data = DATA("{\"title\":\"x\"}")))));
	assert_null(x->m->items[0]->problem);
	assert_string_equal(doc_read("doc.n", doc), "2:{\"n\":1,\"b\":1}");
}

static void
an_orphan_is_resolved_when_database_starts(void **unused)
{
	const char *doc = new_id(), *made = new_id(), *lost = new_id();

	(void)unused;
	txbed.manner = LOSES_ALL;
	tx_decide(left_staged(doc, made), true);
	left_staged(lost, new_id());
	txbed.manner = PASSES;
	txbed_reopen();
	await_nothing_staged();
	assert_string_equal(doc_read("doc.n", doc), "2:{\"n\":2}");
	assert_string_equal(doc_read("doc.n", lost), "1:{\"n\":1}");
}

static bool
is_lost(void *ctx)
{
	(void)ctx;
	return txbed.lost_settle == NULL;
}

static bool
has_looked(void *ctx)
{
	(void)ctx;
	return txbed.looks > 0;
}

/* The janitor may look while the commit still works on the rest: what is its own it leaves to it. */
static void
a_part_that_could_not_be_settled_is_settled_soon_after_its_commit(void **unused)
{
	struct tx_said *x;
	int64_t ended;

	(void)unused;
	txbed.looks = 0;
	txbed_reopen();
	bed_until(has_looked, NULL, 5 * SEC);
	bed_pass(100 * MS);
	txbed.lost_settle = "doc.m"; /* the first */
	txbed.held_settle = "doc.n";
	x = tx_start(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(CREATE, DOC(new_id()), .data = DATA("{}")),
		M(CREATE, .model = S("doc.m"), .id = S(new_id()), .data = DATA("{}")))));
	bed_until(is_lost, NULL, 5 * SEC);
	bed_pass(300 * MS);
	assert_false(x->ended);
	txbed.held_settle = NULL;
	tx_wait(x);
	assert_int_equal(x->status, ST_OK);
	for (ended = time_now_us(); redis_number("EXISTS", "mf:{doc.m}:tx") != 0; bed_pass(5 * MS))
		assert_true(time_now_us() - ended < 2 * SEC);
}

static void
decisions_of_the_day_before_are_thrown_away(void **unused)
{
	int64_t began = time_now_us();

	(void)unused;
	bed_count("INSERT INTO decisions SELECT gen_random_uuid(),true,now()-interval '25 hours'"
		  " FROM generate_series(1,1500)");
	tx_decide(new_id(), false);
	txbed_reopen();
	while (bed_count("SELECT count(*) FROM decisions WHERE at<now()-interval '1 day'") > 0) {
		assert_true(time_now_us() - began < 20 * SEC);
		bed_pass(20 * MS);
	}
	assert_true(bed_count("SELECT count(*) FROM decisions") > 0);
}

/* --- answers that are lost --- */

static void
a_commit_whose_answer_was_lost_is_found(void **unused)
{
	const char *task = new_id(), *doc = new_id();
	struct tx_said *x;

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	txbed.manner = LOSES_COMMITS;
	x = tx_done(tx_both(new_id(), task, doc, "{\"n\":2}"));
	assert_false(x->m->repeated);
	assert_string_equal(doc_read("doc.n", doc), "2:{\"n\":2}");
	assert_string_equal(title_of(task), "of both");
	assert_nothing_staged();
}

/* No try of it is answered, though the first one was done: that is no refusal. */
static void
a_commit_none_of_whose_answers_arrives_is_no_refusal(void **unused)
{
	const char *task = new_id(), *doc = new_id(), *made = new_id();

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	txbed.manner = LOSES_WRITES;
	tx_done(tx_both(new_id(), task, doc, "{\"n\":2}"));
	assert_int_equal(txbed.manner, PASSES);
	assert_string_equal(doc_read("doc.n", doc), "2:{\"n\":2}");
	assert_string_equal(title_of(task), "of both");
	txbed.manner = LOSES_WRITES; /* documents alone: PostgreSQL has nothing but the decision */
	tx_done(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(UPDATE, DOC(doc), .data = DATA("{\"n\":3}")),
		M(CREATE, .model = S("doc.m"), .id = S(made), .data = DATA("{\"n\":3}")))));
	assert_int_equal(txbed.manner, PASSES);
	assert_string_equal(doc_read("doc.n", doc), "3:{\"n\":3}");
	assert_string_equal(doc_read("doc.m", made), "1:{\"n\":3}");
	assert_nothing_staged();
}

static void
an_outcome_that_nobody_can_tell_is_told_by_the_repetition(void **unused)
{
	const char *operation = new_id(), *task = new_id(), *doc = new_id();
	const Mf__StoreOp *op = tx_both(operation, task, doc, "{\"n\":2}");
	struct tx_said *x;

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	txbed.manner = LOSES_ALL;
	x = tx_ask(op);
	assert_int_equal(x->status, ST_UNAVAILABLE);
	assert_string_equal(x->reason, "OUTCOME_UNKNOWN");
	txbed.manner = PASSES;
	x = tx_done(op);
	assert_int_equal(x->m->items[1]->version, 2);
	assert_string_equal(doc_read("doc.n", doc), "2:{\"n\":2}");
	assert_string_equal(title_of(task), "of both");
	await_nothing_staged();
}

static void
a_client_that_goes_away_leaves_nothing_half_done(void **unused)
{
	const char *task = new_id(), *doc = new_id();
	struct tx_said *x;

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	x = tx_start(tx_both(new_id(), task, doc, "{\"n\":2}"));
	while (redis_number("EXISTS", "mf:{doc.n}:tx") == 0 && !x->ended)
		;
	call_cancel(x->call);
	await_nothing_staged();
	assert_string_equal(title_of(task),
	    strcmp(doc_read("doc.n", doc), "2:{\"n\":2}") == 0 ? "of both" : "NOT_FOUND");
}

/* --- who leads --- */

/* PostgreSQL is the one who knows; `database` was told of nothing. */
static void
a_leader_that_was_replaced_commits_nothing_over_both_stores(void **unused)
{
	const char *doc = new_id(), *task = new_id();
	uint64_t was = bed_count("SELECT setval('leader_number',20)");
	struct tx_said *x;

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	txbed.fence = was - 1;
	x = tx_ask(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(UPDATE, DOC(doc), .data = DATA("{\"n\":2}")),
		M(CREATE, .id = S(task), .data = DATA("{\"title\":\"x\"}")))));
	txbed.fence = 0;
	assert_int_equal(x->status, ST_ABORTED);
	assert_string_equal(x->reason, "FENCED");
	assert_string_equal(doc_read("doc.n", doc), "1:{\"n\":1}");
	assert_string_equal(title_of(task), "NOT_FOUND");
	assert_nothing_staged();
}

static void
what_was_decided_is_published_whoever_leads_by_then(void **unused)
{
	const char *doc = new_id(), *task = new_id();
	struct tx_said *x;

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	txbed.fence = 30;
	txbed.manner = SEES_A_TAKEOVER;
	x = tx_ask(OP(TRANSACTION, .operation_id = S(new_id()),
	    MEMBERS(M(UPDATE, DOC(doc), .data = DATA("{\"n\":2}")),
		M(CREATE, .id = S(task), .data = DATA("{\"title\":\"x\"}")))));
	txbed.fence = 0;
	assert_int_equal(x->status, ST_OK);
	assert_nothing_staged();
	assert_string_equal(doc_read("doc.n", doc), "2:{\"n\":2}");
	assert_string_equal(title_of(task), "x");
}

/* Its client is told of no member that came too late: whoever leads then does the whole, and finds what was
 * done by its ids. */
static void
a_bulk_that_is_overtaken_midway_is_done_once_by_the_next_leader(void **unused)
{
	const char *doc = new_id(), *task = new_id();
	const Mf__StoreOp *bulk = OP(BULK_MEMBERS, .operation_id = S(new_id()),
	    MEMBERS(M(UPDATE, DOC(doc), .data = DATA("{\"b\":1}"), .operation_id = S(new_id())),
		M(CREATE, .id = S(task), .data = DATA("{\"title\":\"x\"}"))));
	struct tx_said *x;

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	txbed.fence = 40;
	bed_count("SELECT setval('leader_number',41)");
	x = tx_ask(bulk);
	assert_int_equal(x->status, ST_ABORTED);
	assert_string_equal(x->reason, "FENCED");
	assert_string_equal(doc_read("doc.n", doc), "2:{\"n\":1,\"b\":1}");
	assert_string_equal(title_of(task), "NOT_FOUND");
	txbed.fence = 41;
	x = tx_done(bulk);
	txbed.fence = 0;
	assert_null(x->m->items[0]->problem);
	assert_true(x->m->items[0]->repeated);
	assert_null(x->m->items[1]->problem);
	assert_false(x->m->items[1]->repeated);
	assert_string_equal(doc_read("doc.n", doc), "2:{\"n\":1,\"b\":1}");
	assert_string_equal(title_of(task), "x");
}

static void
on_lead(const Mf__LeadAnswer *m, void *ctx)
{
	assert_non_null(m);
	assert_true(m->leads);
	*(uint64_t *)ctx = m->number;
}

static bool
leads(void *number)
{
	return *(uint64_t *)number != 0;
}

/* meta asks, as it does every quarter of its lease. */
static uint64_t
asks_who_leads(void)
{
	static const char *const members[] = { "itself", NULL };
	struct target *t = target_new(txbed.bus,
	    &(const struct target_def){ &mf__leader__descriptor, members, { .failures = 9 } });
	struct call *c = call_root(txbed.bus, &(const struct call_opts){ .limit_us = 5 * SEC });
	struct rpc *r = rpc_new(c, t, NULL);
	Mf__LeadAsk q = MF__LEAD_ASK__INIT;
	uint64_t number = 0;

	q.candidate = S("meta");
	q.generation = 1;
	q.lease_ms = 60000;
	mf__leader__ask(&r->service, &q, on_lead, &number);
	bed_until(leads, &number, 5 * SEC);
	call_cancel(c);
	return number;
}

/* What is written to Redis is refused by this number alone: PostgreSQL sees nothing of it. */
static void
a_database_that_was_started_again_lets_nobody_write_who_was_replaced(void **unused)
{
	const char *doc = new_id(), *dir = stores_dir(sqlbed.stores);
	uint64_t was = bed_count("SELECT setval('leader_number',60)"), now;
	struct tx_said *x;
	char kept[300];

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	txbed.bus->fence = 0;
	lead_open(txbed.bus, dir);
	x = tx_start(OP(UPDATE, DOC(doc), .data = DATA("{\"n\":0}"), .operation_id = S(new_id())));
	tx_wait(x);
	assert_int_equal(x->status, ST_OK); /* in nobody's name */
	txbed.fence = was;
	x = tx_start(OP(UPDATE, DOC(doc), .data = DATA("{\"n\":2}"), .operation_id = S(new_id())));
	bed_pass(100 * MS);
	assert_false(x->ended);
	now = asks_who_leads();
	assert_true(now > was);
	tx_wait(x);
	assert_string_equal(x->reason, "FENCED");
	txbed.fence = now;
	tx_done(OP(UPDATE, DOC(doc), .data = DATA("{\"n\":3}"), .operation_id = S(new_id())));

	/* the next one knows it */
	txbed.bus->fence = 0;
	lead_open(txbed.bus, dir);
	txbed.fence = was;
	x = tx_ask(OP(UPDATE, DOC(doc), .data = DATA("{\"n\":4}"), .operation_id = S(new_id())));
	txbed.fence = 0;
	assert_string_equal(x->reason, "FENCED");
	assert_string_equal(doc_read("doc.n", doc), "3:{\"n\":3}");

	/* and tells it to a PostgreSQL that does not */
	bed_count("UPDATE leader SET number = 3; SELECT setval('leader_number',3)");
	assert_true(asks_who_leads() > now);
	snprintf(kept, sizeof(kept), "%s/database.leader", dir);
	assert_int_equal(unlink(kept), 0);
	lead_open(txbed.bus, NULL);
}

/* Nobody asks who leads: it is told before its time is over, and comes to nothing later. */
static void
a_write_that_waits_for_a_leader_in_vain_is_told_so_and_never_done(void **unused)
{
	const char *doc = new_id(), *dir = stores_dir(sqlbed.stores);
	uint64_t number = bed_count("SELECT setval('leader_number',70)");
	const Mf__StoreOp *write =
	    OP(UPDATE, DOC(doc), .data = DATA("{\"n\":2}"), .operation_id = S(new_id()));
	struct tx_said *x, *gone;
	char kept[300];

	(void)unused;
	put_doc(doc, "{\"n\":1}");
	txbed.bus->fence = 0;
	lead_open(txbed.bus, dir);
	txbed.fence = number;
	x = tx_start_within(
	    write, 3400 * MS);  /* 3 s of it, then there is no time for another try */
	gone = tx_start(write); /* its client goes away */
	bed_pass(50 * MS);
	call_cancel(gone->call);
	tx_wait(x);
	txbed.fence = 0;
	assert_int_equal(x->status, ST_UNAVAILABLE);
	assert_string_equal(x->reason, "LEADER_UNKNOWN");
	assert_true(asks_who_leads() > number);
	bed_pass(50 * MS);
	assert_string_equal(doc_read("doc.n", doc), "1:{\"n\":1}");
	snprintf(kept, sizeof(kept), "%s/database.leader", dir);
	assert_int_equal(unlink(kept), 0);
	lead_open(txbed.bus, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TX(a_reader_sees_the_old_state_until_it_is_decided_and_the_new_one_from_then_on),
		TX(a_list_shows_what_was_decided),
		TX(a_list_of_many_slices_shows_what_was_decided),
		TX(what_was_given_up_is_shown_as_it_was),
		TX(while_postgresql_is_away_only_the_staged_document_is_not_read),
		TX(a_writer_gives_an_orphan_up_and_its_late_commit_fails),
		TX(a_member_of_a_bulk_waits_for_the_decision_too),
		TX(an_orphan_is_resolved_when_database_starts),
		TX(a_part_that_could_not_be_settled_is_settled_soon_after_its_commit),
		TX(decisions_of_the_day_before_are_thrown_away),
		TX(a_commit_whose_answer_was_lost_is_found),
		TX(a_commit_none_of_whose_answers_arrives_is_no_refusal),
		TX(an_outcome_that_nobody_can_tell_is_told_by_the_repetition),
		TX(a_client_that_goes_away_leaves_nothing_half_done),
		TX(a_leader_that_was_replaced_commits_nothing_over_both_stores),
		TX(what_was_decided_is_published_whoever_leads_by_then),
		TX(a_bulk_that_is_overtaken_midway_is_done_once_by_the_next_leader),
		TX(a_database_that_was_started_again_lets_nobody_write_who_was_replaced),
		TX(a_write_that_waits_for_a_leader_in_vain_is_told_so_and_never_done),
	};

	return cmocka_run_group_tests_name(test_program_name(), tests, txbed_start, txbed_stop);
}

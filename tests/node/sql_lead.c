/* sql_lead: who leads, on a real PostgreSQL: the lock, its lease, the number, and the fence that it is
 * for. */
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/time.h"
#include "bus/inside.h"
#include "database/sql/lead.h"
#include "harness/sqlbed.h"

#define APPEND .kind = MF__STORE_OP__KIND__APPEND, .model = S("blob")

#define LEASE_MS 600
#define LEASE    (LEASE_MS * MS)

static struct target *leader;

struct said {
	bool ended, ok, leads;
	enum status status;
	uint64_t number;
	uint32_t heard_ms;
	char who[LEAD_NAME];
	struct rpc *rpc;
};

static void
on_said(const Mf__LeadAnswer *m, void *ctx)
{
	struct said *s = ctx;

	s->ended = true;
	s->ok = m != NULL;
	s->status = m != NULL ? ST_OK : rpc_failure(s->rpc)->status;
	if (m == NULL)
		return;
	s->leads = m->leads;
	s->number = m->number;
	s->heard_ms = m->heard_ms;
	snprintf(s->who, sizeof(s->who), "%s", m->leader);
}

static bool
has_said(void *ctx)
{
	return ((struct said *)ctx)->ended;
}

static struct said
ask_with(const char *name, uint64_t generation, uint64_t seen, bool resign)
{
	Mf__LeadAsk q = MF__LEAD_ASK__INIT;
	struct said s = { .ended = false };
	struct call *c = call_root(sqlbed.bus, &(const struct call_opts){ .limit_us = 10 * SEC });

	s.rpc = rpc_new(c, leader, &(const struct rpc_opts){ .once = true });
	q.candidate = S(name);
	q.generation = generation;
	q.seen = seen;
	q.lease_ms = LEASE_MS;
	q.resign = resign;
	mf__leader__ask(&s.rpc->service, &q, on_said, &s);
	bed_until(has_said, &s, 10 * SEC);
	call_cancel(c);
	return s;
}

static struct said
asks(const char *name, uint64_t generation)
{
	return ask_with(name, generation, 0, false);
}

/* It asks as it would, until it leads; others are silent. */
static struct said
takes_over(const char *name, uint64_t generation)
{
	int64_t limit = time_now_us() + 10 * SEC;
	struct said s;

	while (!(s = asks(name, generation)).leads) {
		assert_true(time_now_us() < limit);
		bed_pass(LEASE / 8);
	}
	return s;
}

static int
start(void **state)
{
	static const char *const members[] = { "sql", NULL };

	if (sqlbed_start(state) != 0)
		return -1;
	leader = target_new(sqlbed.bus, &(const struct target_def){ &mf__leader__descriptor,
					    members, { .failures = 1000000 } });
	return 0;
}

/* --- the policy --- */

static const struct lead_seat held = { .held = true,
	.holder = "meta",
	.generation = 7,
	.lease_us = 900,
	.heard_us = 1000,
	.asked_us = 1000 };

static void
the_holder_is_confirmed_and_others_are_refused_while_it_is_heard(void **unused)
{
	struct lead_seat s = held;

	(void)unused;
	assert_int_equal(lead_turn(&s, "meta-2", 1, 900, 1100), LEAD_REFUSED);
	assert_int_equal(lead_turn(&s, "meta", 7, 900, 1200), LEAD_CONFIRM);
	assert_int_equal(lead_turn(&s, "meta", 8, 900, 1300), LEAD_TRY);
	assert_int_equal(lead_turn(&s, "meta", 6, 900, 1300), LEAD_REFUSED);
}

static void
who_has_asked_all_along_takes_over_when_the_lease_is_over(void **unused)
{
	struct lead_seat s = held;

	(void)unused;
	for (int64_t now = 1200; now < 1900; now += 200)
		assert_int_equal(lead_turn(&s, "meta-2", 1, 900, now), LEAD_REFUSED);
	assert_int_equal(lead_turn(&s, "meta-2", 1, 900, 1900), LEAD_TAKE);
}

static void
after_a_silence_of_all_the_holder_has_the_first_word(void **unused)
{
	struct lead_seat s = held;

	(void)unused;
	assert_int_equal(lead_turn(&s, "meta-2", 1, 900, 5000), LEAD_REFUSED);
	assert_int_equal(lead_turn(&s, "meta-2", 1, 900, 5200), LEAD_REFUSED);
	assert_int_equal(lead_turn(&s, "meta", 7, 900, 5250), LEAD_CONFIRM);
	assert_int_equal(lead_turn(&s, "meta-2", 1, 900, 5300), LEAD_REFUSED);
	assert_int_equal(lead_turn(&s, "meta-2", 1, 900, 5599), LEAD_REFUSED);
	assert_int_equal(lead_turn(&s, "meta-2", 1, 900, 5600), LEAD_TAKE);
}

/* --- over the server --- */

static void
the_first_that_asks_leads_and_keeps_its_number(void **unused)
{
	struct said s = asks("meta", 10);
	uint64_t number = s.number;

	(void)unused;
	assert_true(s.leads);
	assert_true(number > 0);
	for (int i = 0; i < 5; i++) {
		s = asks("meta", 10);
		assert_true(s.leads);
		assert_int_equal(s.number, number);
	}
	s = asks("meta-2", 1);
	assert_false(s.leads);
	assert_string_equal(s.who, "meta");
	assert_int_equal(s.number, number);
	assert_true(s.heard_ms < LEASE_MS);
}

static void
a_renewal_writes_nothing(void **unused)
{
	uint64_t written;

	(void)unused;
	takes_over("meta", 11);
	bed_pass(100 * MS);
	written = bed_count("SELECT pg_current_wal_insert_lsn()-'0/0'");
	for (int i = 0; i < 20; i++)
		assert_true(asks("meta", 11).leads);
	/* a checkpoint or a vacuum of the server's own may come between: not as much as 20 commits */
	assert_true(bed_count("SELECT pg_current_wal_insert_lsn()-'0/0'") - written < 1000);
}

static void
a_silent_leader_is_replaced_and_its_old_life_is_refused(void **unused)
{
	struct said was = takes_over("meta", 12), s;
	int64_t began = time_now_us();

	(void)unused;
	s = takes_over("meta-2", 1);
	assert_true(s.number > was.number);
	assert_true(time_now_us() - began >= LEASE * 9 / 10);
	s = asks("meta", 12);
	assert_false(s.leads);
	assert_string_equal(s.who, "meta-2");
}

static void
the_next_life_of_the_leader_leads_at_once_with_a_new_number(void **unused)
{
	struct said was = takes_over("meta", 13), s = asks("meta", 14);

	(void)unused;
	assert_true(s.leads);
	assert_int_equal(s.number, was.number + 1);
	s = asks("meta", 13);
	assert_false(s.leads);
	assert_true(asks("meta", 14).leads);
}

static void
who_resigns_makes_room_at_once(void **unused)
{
	struct said was = takes_over("meta", 15), s;

	(void)unused;
	assert_false(ask_with("meta", 15, was.number, true).leads);
	s = takes_over("meta-3", 1);
	assert_int_equal(s.number, was.number + 1);
}

static void
a_leader_whose_session_was_ended_keeps_its_number(void **unused)
{
	struct said was = takes_over("meta", 16), s;

	(void)unused;
	bed_count("SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype='advisory'"
		  " AND granted AND objid=(7738135562846292 & 4294967295)::oid");
	s = takes_over("meta", 16);
	assert_int_equal(s.number, was.number);
	bed_open_anew(); /* another process of sql */
	s = takes_over("meta", 16);
	assert_int_equal(s.number, was.number);
}

static void
while_another_session_has_the_lock_nobody_takes_over(void **unused)
{
	struct said was, s;
	FILE *f;

	(void)unused;
	was = takes_over("meta", 17);
	bed_open_anew();
	f = bed_psql("SELECT pg_advisory_lock(7738135562846292),pg_current_xact_id();");
	for (int i = 0; i < 8; i++) {
		s = asks("meta-2", 1);
		assert_false(s.leads);
		assert_string_equal(s.who, "meta");
		bed_pass(LEASE / 4);
	}
	s = asks("meta", 17); /* nobody has: it goes on */
	assert_true(s.leads);
	assert_int_equal(s.number, was.number);
	bed_psql_commit(f);
	s = takes_over("meta-2", 1);
	assert_int_equal(s.number, was.number + 1);
}

static void
a_number_that_the_candidate_has_seen_is_not_given_again(void **unused)
{
	struct said was = takes_over("meta", 18), s = ask_with("meta", 18, was.number + 5, false);

	(void)unused;
	assert_true(s.leads);
	assert_int_equal(s.number, was.number + 6);
}

static void
a_malformed_candidate_is_refused(void **unused)
{
	(void)unused;
	assert_int_equal(asks("meta'--", 1).status, ST_INVALID_ARGUMENT);
	assert_int_equal(asks("", 1).status, ST_INVALID_ARGUMENT);
	assert_int_equal(asks("a-name-of-24-characters-", 1).status, ST_INVALID_ARGUMENT);
}

/* --- the fence --- */

/* An update in the name of a leader. */
static struct done
update_as(uint64_t number, const char *id, const char *title)
{
	struct done d = { .ended = false };
	char data[64];

	snprintf(data, sizeof(data), "{\"title\":\"%s\"}", title);
	op_start_fenced(&d,
	    OP(UPDATE, .id = S(id), .operation_id = S(new_id()), .data = DATA(data)), 5 * SEC,
	    number);
	op_wait(&d);
	return d;
}

static void
assert_title(const char *id, const char *title)
{
	struct done d = op_run(OP(READ_ONE, .id = S(id)));

	assert_string_equal(done_str(&d, "title"), title);
	done_free(&d);
}

static void
a_write_of_a_leader_that_was_replaced_changes_nothing(void **unused)
{
	const char *id = new_id();
	struct said was = takes_over("meta", 19);
	struct done d;
	uint64_t now;

	(void)unused;
	bed_create(id, "{\"title\":\"first\"}");
	d = update_as(was.number, id, "of the leader");
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	now = takes_over("meta-2", 1).number;
	/* as another process that was told of nothing: the database decides */
	sqlbed.bus->fence = 0;
	d = update_as(was.number, id, "too late");
	assert_int_equal(d.status, ST_ABORTED);
	assert_string_equal(d.reason, "FENCED");
	done_free(&d);
	assert_title(id, "of the leader");
	d = update_as(now, id, "of the next");
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	assert_title(id, "of the next");
}

/* One commit for both: the old leader's does not take the new one's with it. */
static void
in_a_group_only_the_old_leaders_write_is_refused(void **unused)
{
	const char *a = new_id(), *b = new_id();
	struct done old = { .ended = false }, new = { .ended = false };
	uint64_t was = takes_over("meta", 20).number, now = takes_over("meta-2", 1).number;

	(void)unused;
	bed_create(a, "{\"title\":\"a\"}");
	bed_create(b, "{\"title\":\"b\"}");
	sqlbed.bus->fence = 0;
	op_start_fenced(&old,
	    OP(UPDATE, .id = S(a), .operation_id = S(new_id()), .data = DATA("{\"title\":\"x\"}")),
	    5 * SEC, was);
	op_start_fenced(&new,
	    OP(UPDATE, .id = S(b), .operation_id = S(new_id()), .data = DATA("{\"title\":\"y\"}")),
	    5 * SEC, now);
	op_wait(&old);
	op_wait(&new);
	assert_string_equal(old.reason, "FENCED");
	assert_int_equal(new.status, ST_OK);
	done_free(&old);
	done_free(&new);
	assert_title(a, "a");
	assert_title(b, "y");
}

static void
a_member_that_has_seen_a_number_refuses_a_lower_one_before_any_work(void **unused)
{
	const char *id = new_id();
	uint64_t was = takes_over("meta", 21).number;
	struct done d;

	(void)unused;
	bed_create(id, "{\"title\":\"a\"}");
	bus_raise_fence(sqlbed.bus, was + 1);
	d = update_as(was, id, "b");
	assert_string_equal(d.reason, "FENCED");
	done_free(&d);
	d = update_as(0, id, "c"); /* not fenced at all */
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	sqlbed.bus->fence = 0;
}

/* A piece of a blob is written when it has been digested: as fenced as it arrived. */
static void
a_piece_of_a_blob_of_a_leader_that_was_replaced_is_refused(void **unused)
{
	static uint8_t piece[4] = "abc";
	const char *id = new_id();
	struct said was = takes_over("meta", 22);
	struct done d = op_run(OP(CREATE, .model = S("blob"), .id = S(id),
	    .data = DATA("{\"length\":6,\"media_type\":\"image/png\"}")));
	uint64_t now;

	(void)unused;
	assert_int_equal(d.status, ST_OK);
	done_free(&d);
	now = takes_over("meta-2", 1).number;
	for (uint64_t by = was.number; by <= now; by += now - was.number) {
		sqlbed.bus->fence = 0;
		op_start_fenced(&d, OP(APPEND, .id = S(id), .raw = { 3, piece }), 5 * SEC, by);
		op_wait(&d);
		assert_int_equal(d.status, by == now ? ST_OK : ST_ABORTED);
		assert_string_equal(d.reason, by == now ? "" : "FENCED");
		done_free(&d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_holder_is_confirmed_and_others_are_refused_while_it_is_heard),
		T(who_has_asked_all_along_takes_over_when_the_lease_is_over),
		T(after_a_silence_of_all_the_holder_has_the_first_word),
		T(the_first_that_asks_leads_and_keeps_its_number),
		T(a_renewal_writes_nothing),
		T(a_silent_leader_is_replaced_and_its_old_life_is_refused),
		T(the_next_life_of_the_leader_leads_at_once_with_a_new_number),
		T(who_resigns_makes_room_at_once),
		T(a_leader_whose_session_was_ended_keeps_its_number),
		T(while_another_session_has_the_lock_nobody_takes_over),
		T(a_number_that_the_candidate_has_seen_is_not_given_again),
		T(a_malformed_candidate_is_refused),
		T(a_write_of_a_leader_that_was_replaced_changes_nothing),
		T(in_a_group_only_the_old_leaders_write_is_refused),
		T(a_member_that_has_seen_a_number_refuses_a_lower_one_before_any_work),
		T(a_piece_of_a_blob_of_a_leader_that_was_replaced_is_refused),
	};

	return cmocka_run_group_tests(tests, start, sqlbed_stop);
}

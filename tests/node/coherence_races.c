/* coherence_races: lists, absences, sessions, writes of unknown outcome, readers that share one read; with
 * what gets lost or comes late in between. */
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/time.h"
#include "harness/cohbed.h"

/* A namespace of its own for each test: nobody else's writes disturb its lists. */
static const char *
new_ns(void)
{
	static char names[32][16];
	static unsigned n;
	char *name = names[n++ % 32];

	snprintf(name, sizeof(names[0]), "ns%u", n);
	return name;
}

/* A list that has come from the cache. On a busy machine a try may take longer than the cache is given. */
static void
fill_list(const char *ns)
{
	for (unsigned tries = 0; tries < 20; tries++) {
		quiet();
		answer(LIST(ns));
		if (answer(LIST(ns)).age_us > 0)
			return;
	}
	fail_msg("no list of %s came from the cache", ns);
}

/* --- what it costs --- */

static void
plain_writes_cost_the_cache_nothing(void **unused)
{
	const char *ns = new_ns(), *id = new_id();
	unsigned before = cohbed.gets + cohbed.sets + cohbed.drops + cohbed.tags;

	(void)unused;
	put_in(ns, id, "one", true);
	put_in(ns, id, "two", false);
	answer(OP(READ_ONE, .namespace_ = S(ns), .id = S(id)));
	answer(STRONG_LIST(ns));
	answer(OP(DELETE, .namespace_ = S(ns), .id = S(id)));
	assert_int_equal(cohbed.gets + cohbed.sets + cohbed.drops + cohbed.tags, before);
}

static void
only_the_first_write_after_a_list_was_kept_drops_it(void **unused)
{
	const char *ns = new_ns();
	unsigned before;

	(void)unused;
	put_in(ns, new_id(), "a", true);
	fill_list(ns);
	before = cohbed.tags;
	put_in(ns, new_id(), "b", true);
	assert_int_equal(cohbed.tags, before + 1);
	put_in(ns, new_id(), "c", true);
	put_in(new_ns(), new_id(), "d", true);
	assert_int_equal(cohbed.tags, before + 1);
}

/* --- lists --- */

static void
a_list_shows_every_acknowledged_write(void **unused)
{
	const char *ns = new_ns(), *id = new_id(), *other = new_id();
	char bulk[200];

	(void)unused;
	put_in(ns, id, "one", true);
	fill_list(ns);
	put_in(ns, other, "more", true);
	assert_int_equal(answer(LIST(ns)).items, 2);
	fill_list(ns);
	put_in(ns, other, "changed", false);
	assert_true(answer(LIST(ns)).age_us == 0);
	fill_list(ns);
	answer(OP(DELETE, .namespace_ = S(ns), .id = S(other)));
	assert_int_equal(answer(LIST(ns)).items, 1);
	fill_list(ns);
	snprintf(bulk, sizeof(bulk),
	    "[{\"id\":\"%s\",\"title\":\"x\"},{\"id\":\"%s\",\"title\":\"y\"}]", new_id(),
	    new_id());
	answer(
	    OP(.kind = MF__STORE_OP__KIND__BULK_CREATE, .namespace_ = S(ns), .data = DATA(bulk)));
	assert_int_equal(answer(LIST(ns)).items, 3);
}

static void
a_list_shows_what_a_transaction_did(void **unused)
{
	const char *ns = new_ns(), *id = new_id();
	Mf__StoreOp *make = (Mf__StoreOp *)(uintptr_t)OP(
	    CREATE, .namespace_ = S(ns), .id = S(new_id()), .data = DATA("{\"title\":\"in one\"}"));
	Mf__StoreOp *change = (Mf__StoreOp *)(uintptr_t)OP(
	    UPDATE, .namespace_ = S(ns), .id = S(id), .data = DATA("{\"title\":\"two\"}"));

	(void)unused;
	put_in(ns, id, "one", true);
	fill_list(ns);
	answer(OP(READ_ONE, .namespace_ = S(ns), .id = S(id), .consistency = S("eventual")));
	answer(OP(.kind = MF__STORE_OP__KIND__TRANSACTION, .model = S(""), .namespace_ = S(ns),
	    .n_members = 2, .members = (Mf__StoreOp *[]){ make, change }));
	assert_int_equal(answer(LIST(ns)).items, 2);
	assert_string_equal(
	    answer(OP(READ_ONE, .namespace_ = S(ns), .id = S(id), .consistency = S("eventual")))
		.title,
	    "two");
}

static void
lists_of_different_questions_are_kept_apart(void **unused)
{
	const char *ns = new_ns();

	(void)unused;
	put_in(ns, new_id(), "a", true);
	put_in(ns, new_id(), "b", true);
	fill_list(ns);
	assert_int_equal(
	    answer(OP(QUERY, .namespace_ = S(ns), .consistency = S("eventual"), .limit = 1)).items,
	    1);
	assert_int_equal(answer(LIST(ns)).items, 2);
}

static void
a_fill_that_comes_late_does_not_bring_an_old_list_back(void **unused)
{
	const char *ns = new_ns();

	(void)unused;
	put_in(ns, new_id(), "a", true);
	quiet();
	cohbed.late_sets = true;
	assert_int_equal(answer(LIST(ns)).items, 1);
	put_in(ns, new_id(), "b", true);
	cohbed_send_late();
	quiet();
	assert_int_equal(answer(LIST(ns)).items, 2);
}

static void
a_slow_list_does_not_put_the_old_one_back(void **unused)
{
	const char *ns = new_ns();
	struct asked slow;

	(void)unused;
	put_in(ns, new_id(), "a", true);
	quiet();
	cohbed.hold_reads = true;
	asked_start(&slow, LIST(ns));
	bed_until(cohbed_holds, NULL, 5 * SEC);
	put_in(ns, new_id(), "b", true);
	cohbed.hold_reads = false;
	asked_wait(&slow);
	assert_int_equal(slow.items, 1);
	asked_free(&slow);
	quiet();
	assert_int_equal(answer(LIST(ns)).items, 2);
}

static void
a_tag_drop_that_gets_lost_gives_the_whole_cache_up(void **unused)
{
	const char *ns = new_ns();

	(void)unused;
	put_in(ns, new_id(), "a", true);
	fill_list(ns);
	cohbed.lose_drops = true;
	put_in(ns, new_id(), "b", true);
	quiet();
	assert_int_equal(answer(LIST(ns)).items, 2);
}

/* --- absences --- */

static void
that_there_is_none_is_kept_until_it_is_created(void **unused)
{
	const char *id = new_id(), *many = new_id();
	unsigned reads;
	char bulk[100];

	(void)unused;
	assert_int_equal(outcome(EVENTUAL(id)).status, ST_NOT_FOUND);
	assert_int_equal(outcome(EVENTUAL(many)).status, ST_NOT_FOUND);
	reads = cohbed.reads;
	assert_int_equal(outcome(EVENTUAL(id)).status, ST_NOT_FOUND);
	assert_int_equal(cohbed.reads, reads);
	put(id, "now", true);
	assert_string_equal(answer(EVENTUAL(id)).title, "now");
	snprintf(bulk, sizeof(bulk), "[{\"id\":\"%s\",\"title\":\"too\"}]", many);
	answer(OP(.kind = MF__STORE_OP__KIND__BULK_CREATE, .data = DATA(bulk)));
	assert_string_equal(answer(EVENTUAL(many)).title, "too");
}

static void
a_slow_read_of_what_is_not_there_does_not_hide_what_is_created_meanwhile(void **unused)
{
	const char *id = new_id();
	struct asked slow;

	(void)unused;
	cohbed.hold_reads = true;
	asked_start(&slow, EVENTUAL(id));
	bed_until(cohbed_holds, NULL, 5 * SEC);
	put(id, "there", true);
	cohbed.hold_reads = false;
	asked_wait(&slow);
	assert_int_equal(slow.status, ST_NOT_FOUND);
	assert_string_equal(answer(EVENTUAL(id)).title, "there");
}

/* --- writes of unknown outcome --- */

static void
a_write_whose_answer_got_lost_is_not_hidden_by_the_cache(void **unused)
{
	const char *ns = new_ns(), *id = new_id();

	(void)unused;
	put_in(ns, id, "old", true);
	fill_list(ns);
	answer(OP(READ_ONE, .namespace_ = S(ns), .id = S(id), .consistency = S("eventual")));
	cohbed.lose_writes = true;
	assert_int_equal(outcome(OP(UPDATE, .namespace_ = S(ns), .id = S(id),
				     .data = DATA("{\"title\":\"new\"}")))
			     .status,
	    ST_INTERNAL);
	assert_string_equal(
	    answer(OP(READ_ONE, .namespace_ = S(ns), .id = S(id), .consistency = S("eventual")))
		.title,
	    "new");
	assert_string_equal(answer(LIST(ns)).title, "new");
}

static void
a_write_whose_caller_left_is_not_hidden_by_the_cache(void **unused)
{
	const char *id = new_id();
	struct asked w;

	(void)unused;
	put(id, "old", true);
	answer(EVENTUAL(id));
	cohbed.hold_writes = true;
	asked_start(&w, OP(UPDATE, .id = S(id), .data = DATA("{\"title\":\"new\"}")));
	bed_until(cohbed_holds, NULL, 5 * SEC);
	asked_cancel(&w);
	assert_string_equal(answer(EVENTUAL(id)).title, "new");
}

/* --- readers that share --- */

#define READERS 20

static void
readers_of_one_moment_are_one_read(void **unused)
{
	const char *id = new_id();
	struct asked q[READERS];
	unsigned reads;

	(void)unused;
	put(id, "one", true);
	reads = cohbed.reads;
	for (size_t i = 0; i < READERS; i++)
		asked_start(&q[i], EVENTUAL(id));
	for (size_t i = 0; i < READERS; i++) {
		asked_wait(&q[i]);
		assert_string_equal(q[i].title, "one");
		asked_free(&q[i]);
	}
	assert_int_equal(cohbed.reads, reads + 1);
}

static bool
holds_one(void *ctx)
{
	return cohbed_holds(NULL) && cohbed.reads > *(unsigned *)ctx;
}

static void
who_leaves_takes_nobody_along_and_a_failure_reaches_all(void **unused)
{
	const char *id = new_id();
	struct asked q[3];
	unsigned reads = cohbed.reads;

	(void)unused;
	put(id, "one", true);
	cohbed.hold_reads = true;
	for (size_t i = 0; i < 3; i++)
		asked_start(&q[i], EVENTUAL(id));
	bed_until(holds_one, &reads, 5 * SEC);
	asked_cancel(&q[0]); /* whoever began it */
	cohbed.hold_reads = false;
	asked_wait(&q[1]);
	asked_wait(&q[2]);
	assert_string_equal(q[2].title, "one");
	asked_free(&q[1]);
	asked_free(&q[2]);

	put(id, "two", false);
	cohbed.hold_reads = cohbed.fail_reads = true;
	reads = cohbed.reads;
	for (size_t i = 0; i < 3; i++)
		asked_start(&q[i], EVENTUAL(id));
	bed_until(holds_one, &reads, 5 * SEC);
	cohbed.hold_reads = false;
	for (size_t i = 0; i < 3; i++) {
		asked_wait(&q[i]);
		assert_int_equal(q[i].status, ST_INTERNAL);
	}
	assert_int_equal(cohbed.reads, reads + 1);
}

static void
nobody_joins_a_read_that_began_before_an_acknowledged_write(void **unused)
{
	const char *id = new_id();
	struct asked early, late;
	unsigned reads = cohbed.reads;

	(void)unused;
	put(id, "old", true);
	cohbed.hold_reads = true;
	asked_start(&early, EVENTUAL(id));
	bed_until(holds_one, &reads, 5 * SEC);
	put(id, "new", false);
	asked_start(&late, EVENTUAL(id));
	reads = cohbed.reads;
	bed_until(holds_one, &reads, 5 * SEC);
	cohbed.hold_reads = false;
	asked_wait(&early);
	asked_wait(&late);
	assert_string_equal(late.title, "new");
	asked_free(&early);
	asked_free(&late);
}

static void
an_entry_past_its_soft_life_answers_while_one_refreshes_it(void **unused)
{
	const char *id = new_id();
	struct asked q[READERS];
	unsigned reads;

	(void)unused;
	cohbed.config.cache_ttl_us = 4 * SEC; /* soft after one */
	put(id, "one", true);
	answer(EVENTUAL(id));
	bed_pass(1100 * MS);
	reads = cohbed.reads;
	cohbed.hold_reads = true;
	for (size_t i = 0; i < READERS; i++)
		asked_start(&q[i], EVENTUAL(id));
	for (size_t i = 0; i < READERS; i++) {
		asked_wait(&q[i]); /* though sql says nothing yet */
		assert_true(q[i].age_us > 1000 * MS);
		asked_free(&q[i]);
	}
	bed_until(holds_one, &reads, 5 * SEC);
	assert_int_equal(cohbed.reads, reads + 1);
	cohbed.hold_reads = false;
	for (int i = 0; i < 100 && answer(EVENTUAL(id)).age_us > 1000 * MS; i++)
		bed_pass(5 * MS);
	assert_true(answer(EVENTUAL(id)).age_us < 1000 * MS);
	assert_int_equal(cohbed.reads, reads + 1);
}

/* --- sessions --- */

static void
a_session_does_not_see_entries_from_before_it(void **unused)
{
	const char *id = new_id(), *other = new_id();
	struct asked w, q;
	unsigned reads;

	(void)unused;
	put(id, "one", true);
	answer(EVENTUAL(id));
	w = answer(OP(CREATE, .id = S(other), .data = DATA("{\"title\":\"mine\"}")));
	assert_true(strlen(w.session) != 0);
	assert_true(answer(EVENTUAL(id)).age_us > 0);
	reads = cohbed.reads;
	q = answer(OP(READ_ONE, .id = S(id), .consistency = S("eventual"), .session = w.session));
	assert_int_equal(cohbed.reads, reads + 1);
	assert_int_equal(q.age_us, 0);
	/* what it has read itself it may have from the cache, and so on */
	for (int i = 0; i < 3; i++) {
		struct asked next = answer(
		    OP(READ_ONE, .id = S(id), .consistency = S("eventual"), .session = q.session));

		assert_true(strlen(next.session) != 0);
		assert_true(next.age_us > 0);
		q = next;
	}
	assert_int_equal(cohbed.reads, reads + 1);
}

static void
a_session_of_another_process_gets_nothing_from_this_cache(void **unused)
{
	const char *id = new_id();
	unsigned reads;
	struct asked q;

	(void)unused;
	put(id, "one", true);
	answer(EVENTUAL(id));
	reads = cohbed.reads;
	q = answer(OP(READ_ONE, .id = S(id), .consistency = S("eventual"),
	    .session = S("0000000000000001.0000000000000001.")));
	assert_int_equal(cohbed.reads, reads + 1);
	assert_int_equal(q.age_us, 0);
	assert_int_equal(
	    outcome(OP(READ_ONE, .id = S(id), .session = S("what?"))).status, ST_INVALID_ARGUMENT);
}

/* --- a cache that hangs --- */

static void
a_cache_that_hangs_is_soon_left_alone(void **unused)
{
	const char *id = new_id();
	unsigned gets;

	(void)unused;
	put(id, "one", true);
	stores_pause_redis(sqlbed.stores, "cache", true);
	gets = cohbed.gets;
	for (int i = 0; i < 100; i++)
		assert_string_equal(answer(EVENTUAL(id)).title, "one");
	/* two that wait, then one in a quarter of a second */
	assert_in_range(cohbed.gets - gets, 1, 10);
	put(id, "two", false);
	assert_string_equal(answer(EVENTUAL(id)).title, "two");
}

/* --- plans --- */

static void
an_explained_operation_is_not_run(void **unused)
{
	const char *id = new_id(), *ns = new_ns();
	struct asked q;

	(void)unused;
	asked_start(&q, OP(CREATE, .id = S(id), .data = DATA("{\"title\":\"x\"}"), .explain = 1));
	asked_wait(&q);
	assert_int_equal(q.status, ST_OK);
	assert_string_equal(json_string_value(json_object_get(q.json, "store")), "postgresql");
	assert_true(json_is_object(json_object_get(q.json, "statement")));
	asked_free(&q);
	assert_int_equal(outcome(OP(READ_ONE, .id = S(id))).status, ST_NOT_FOUND);

	asked_start(&q,
	    OP(QUERY, .namespace_ = S(ns), .consistency = S("eventual"), .limit = 5, .explain = 1));
	asked_wait(&q);
	assert_true(json_is_true(json_object_get(json_object_get(q.json, "cache"), "used")));
	assert_int_equal(
	    json_integer_value(json_object_get(json_object_get(q.json, "pushed_down"), "limit")),
	    5);
	asked_free(&q);
}

/* --- many at once --- */

#define IDS     4
#define STEPS   1500
#define PENDING 12

struct racer {
	struct asked q;
	bool busy, write;
	size_t id;
	int number; /* write: what it puts; read: the newest that was acknowledged when it began */
};

static int
number_of(const struct asked *q)
{
	return atoi(q->title);
}

/* Readers that may take from the cache, and writers, with answers held back at random: nobody reads
 * what is older than what had been acknowledged when he asked. */
static void
race(uint64_t seed)
{
	static struct racer racers[PENDING];
	const char *ids[IDS];
	int acknowledged[IDS] = { 0 }, next[IDS] = { 0 };
	bool writing[IDS] = { false };
	struct rng r;
	char data[40];

	rng_seed(&r, seed);
	memset(racers, 0, sizeof(racers));
	for (size_t i = 0; i < IDS; i++)
		put(ids[i] = new_id(), "0", true);
	for (int step = 0; step < STEPS; step++) {
		struct racer *x = &racers[rng_below(&r, PENDING)];

		if (rng_below(&r, 10) == 0)
			cohbed.hold_reads = !cohbed.hold_reads;
		if (rng_below(&r, 10) == 0)
			cohbed.hold_writes = !cohbed.hold_writes;
		if (rng_below(&r, 40) == 0)
			cohbed.lose_drops = !cohbed.lose_drops;
		cohbed_step();
		if (x->busy && !x->q.ended) {
			bed_pass(rng_below(&r, 2) * MS);
			continue;
		}
		if (x->busy) {
			if (x->q.status != ST_OK)
				fail_msg("seed %llu: status %d", (unsigned long long)seed,
				    (int)x->q.status);
			if (x->write) {
				acknowledged[x->id] = x->number;
				writing[x->id] = false;
			} else if (number_of(&x->q) < x->number) {
				fail_msg("seed %llu step %d: read %d after %d was acknowledged",
				    (unsigned long long)seed, step, number_of(&x->q), x->number);
			}
			asked_free(&x->q);
			x->busy = false;
		}
		x->id = rng_below(&r, IDS);
		x->write = rng_below(&r, 4) == 0 && !writing[x->id];
		x->busy = true;
		if (x->write) {
			writing[x->id] = true;
			x->number = ++next[x->id];
			snprintf(data, sizeof(data), "{\"title\":\"%d\"}", x->number);
			asked_start(&x->q, OP(UPDATE, .id = S(ids[x->id]), .data = DATA(data)));
		} else {
			x->number = acknowledged[x->id];
			asked_start(&x->q, EVENTUAL(ids[x->id]));
		}
	}
	cohbed.hold_reads = cohbed.hold_writes = cohbed.lose_drops = false;
	for (size_t i = 0; i < PENDING; i++) {
		if (!racers[i].busy)
			continue;
		asked_wait(&racers[i].q);
		asked_free(&racers[i].q);
	}
}

static void
no_reader_sees_what_is_older_than_what_was_acknowledged(void **unused)
{
	const char *given = getenv("METAFED_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : id_random_u64() % 1000000;

	(void)unused;
	print_message("METAFED_SEED=%llu\n", (unsigned long long)seed);
	race(seed);
}

#define R(f) cmocka_unit_test_teardown(f, cohbed_resume)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		R(plain_writes_cost_the_cache_nothing),
		R(only_the_first_write_after_a_list_was_kept_drops_it),
		R(a_list_shows_every_acknowledged_write),
		R(a_list_shows_what_a_transaction_did),
		R(lists_of_different_questions_are_kept_apart),
		R(a_fill_that_comes_late_does_not_bring_an_old_list_back),
		R(a_slow_list_does_not_put_the_old_one_back),
		R(a_tag_drop_that_gets_lost_gives_the_whole_cache_up),
		R(that_there_is_none_is_kept_until_it_is_created),
		R(a_slow_read_of_what_is_not_there_does_not_hide_what_is_created_meanwhile),
		R(a_write_whose_answer_got_lost_is_not_hidden_by_the_cache),
		R(a_write_whose_caller_left_is_not_hidden_by_the_cache),
		R(readers_of_one_moment_are_one_read),
		R(who_leaves_takes_nobody_along_and_a_failure_reaches_all),
		R(nobody_joins_a_read_that_began_before_an_acknowledged_write),
		R(an_entry_past_its_soft_life_answers_while_one_refreshes_it),
		R(a_session_does_not_see_entries_from_before_it),
		R(a_session_of_another_process_gets_nothing_from_this_cache),
		R(a_cache_that_hangs_is_soon_left_alone),
		R(an_explained_operation_is_not_run),
		R(no_reader_sees_what_is_older_than_what_was_acknowledged),
	};

	return cmocka_run_group_tests(tests, cohbed_start, cohbed_stop);
}

/* documents_order: what becomes of collections and documents when an answer comes late, or to nobody: the server
 * stalls for less than the second after which it counts as gone. */
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/id.h"
#include "base/step.h"
#include "base/time.h"
#include "database/nosql/export.h"
#include "harness/docbed.h"

#define REFUSED(x, st, why)                                                                        \
	do {                                                                                       \
		const struct said *x_ = (x);                                                       \
		if (x_->status != (st) || strcmp(x_->reason, (why)) != 0)                          \
			fail_msg("%s %s: %s", status_name(x_->status), x_->reason, x_->message);   \
	} while (0)

static struct said *
create(const char *model, const char *id, const char *data)
{
	return doc_ask(DOC_ASK(CREATE, .model = model, .id = id, .data = data));
}

static void
stall(bool stop)
{
	stores_pause_redis(docbed.stores, "docs", stop);
}

/* It is done, but whoever asked for it is not told. */
static void
ask_and_never_hear(const struct ask *q)
{
	struct said *x;

	stall(true);
	x = doc_start(q);
	doc_pass(450 * MS);
	stall(false);
	assert_int_equal(doc_wait(x)->status, ST_DEADLINE_EXCEEDED);
	doc_pass(50 * MS);
}

/* The process, the next time that it gets there. */
static void
sleep_at(const char *step, int64_t us)
{
	pid_t parent = getpid(), child;

	test_expect_log(LOG_WARN, 1);
	assert_true(step_arm(step, STEP_STOP, 1));
	if ((child = fork()) == 0) {
		if (fork() == 0) {
			usleep((useconds_t)us);
			kill(parent, SIGCONT);
		}
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void
what_was_dropped_unheard_can_be_declared_again(void **unused)
{
	const char *m = doc_name();
	const struct ask declare = { .kind = MF__STORE_OP__KIND__CREATE,
		.model = "collection",
		.id = m + 4,
		.data = "{\"indexes\":[{\"name\":\"n\",\"fields\":[\"/n\"],\"unique\":true}]}" };

	(void)unused;
	doc_done(&declare);
	ask_and_never_hear(DOC_ASK(DELETE, .model = "collection", .id = m + 4, .patience_ms = 300));
	assert_int_equal(doc_redis("EXISTS mf:{%s}:def", m), 0);
	assert_false(doc_done(&declare)->repeated);
	assert_int_equal(doc_redis("EXISTS mf:{%s}:def", m), 1);
	create(m, "a", "{\"n\":1}");
	REFUSED(create(m, "b", "{\"n\":1}"), ST_ALREADY_EXISTS, "UNIQUE");
}

static void
nothing_is_refused_for_a_drop_that_is_over(void **unused)
{
	const char *m = doc_name();

	(void)unused;
	for (int i = 0; i < 3; i++) {
		doc_redis("HSET mf:{%s}:def epoch aaaaaaaaaaaaaaaa kept "
			  "{\"epoch\":\"aaaaaaaaaaaaaaaa\",\"version\":1,\"dropping\":true,"
			  "\"indexes\":[]}",
		    m);
		doc_done(DOC_ASK(READ_ONE, .model = "collection", .id = m + 4));
		REFUSED(create(m, "a", "{}"), ST_FAILED_PRECONDITION, "COLLECTION_DROPPED");
		doc_redis("DEL mf:{%s}:def", m); /* as by the last slice, which nobody heard of */
		if (i == 0)
			assert_int_equal(create(m, "a", "{}")->status, ST_OK);
		else if (i == 1)
			doc_stage(m, "tx", DOC_ASK(UPDATE, .model = m, .id = "a", .data = "{}"));
		else
			doc_declare(m, "{}");
		doc_settle(m, "tx", true);
	}
}

static void
an_index_that_was_declared_unheard_is_built(void **unused)
{
	const char *m = doc_name();
	struct ask declare = { .kind = MF__STORE_OP__KIND__CREATE,
		.model = "collection",
		.id = m + 4,
		.data = "{\"indexes\":[{\"name\":\"n\",\"fields\":[\"/n\"]}]}",
		.patience_ms = 300 };

	(void)unused;
	create(m, "a", "{\"n\":1}");
	sleep_at("nosql.declare.registered", 400 * MS); /* then the script is sent */
	assert_int_equal(doc_ask(&declare)->status, ST_DEADLINE_EXCEEDED);
	declare.patience_ms = 0;
	assert_true(doc_done(&declare)->repeated);
	doc_until_built(m);
}

static void
a_drop_that_was_begun_unheard_goes_on(void **unused)
{
	const char *m = doc_name();

	(void)unused;
	doc_declare(m, "{}");
	create(m, "a", "{}");
	doc_pass(50 * MS); /* in which upkeep has looked at it */
	ask_and_never_hear(DOC_ASK(
	    DELETE, .model = "collection", .id = m + 4, .filter = "drop", .patience_ms = 300));
	for (int64_t began = time_now_us(); doc_redis("EXISTS mf:{%s}:def", m) == 1;
	     doc_pass(20 * MS))
		assert_true(time_now_us() - began < 5 * SEC);
	assert_int_equal(doc_redis("EXISTS mf:{%s}:ids", m), 0);
}

static void
many_documents(const char *m, int n)
{
	doc_redis("EVAL %s 0 mf:{%s}: %d",
	    "for\ti=1,ARGV[2]\tdo\tredis.call('SET',ARGV[1]..'d:'..i,'1:{}')redis.call('ZADD',"
	    "ARGV[1]..'ids',0,i)end",
	    m, n);
}

/* Upkeep has a part in it: whose slice is the last is luck. */
static void
a_drop_of_many_documents_says_that_they_are_gone(void **unused)
{
	(void)unused;
	for (int n = 150; n < 1000; n += 100) {
		const char *m = doc_name();

		doc_declare(m, "{}");
		many_documents(m, n);
		doc_done(DOC_ASK(DELETE, .model = "collection", .id = m + 4, .filter = "drop"));
		assert_int_equal(doc_redis("EXISTS mf:{%s}:ids", m), 0);
	}
}

static void
what_is_declared_behind_a_drop_is_listed(void **unused)
{
	const char *m = doc_name();
	struct said *drop, *declare;

	(void)unused;
	doc_declare(m, "{}");
	stall(true);
	drop = doc_start(DOC_ASK(DELETE, .model = "collection", .id = m + 4));
	declare = doc_start(
	    DOC_ASK(CREATE, .model = "collection", .id = m + 4, .data = "{\"ttl_ms\":1000}"));
	doc_pass(50 * MS);
	stall(false);
	assert_int_equal(doc_wait(drop)->status, ST_OK);
	assert_int_equal(doc_wait(declare)->status, ST_OK);
	doc_pass(50 * MS);
	assert_int_equal(doc_redis("ZRANK mf:{collections}:names %s", m + 4) >= 0, 1);
}

/* Thrown away, not only no longer shown. */
static void
await_swept(const char *model, const char *id)
{
	int64_t began = time_now_us();

	while (doc_redis("EXISTS mf:{%s}:d:%s", model, id) == 1) {
		assert_true(time_now_us() - began < 5 * SEC);
		doc_pass(20 * MS);
	}
}

static void
what_ends_in_a_collection_that_was_dropped_is_listed_anew(void **unused)
{
	const char *m = doc_name();

	(void)unused;
	doc_declare(m, "{}");
	doc_done(DOC_ASK(CREATE, .model = m, .id = "a", .data = "{}", .ttl_ms = 300));
	doc_done(DOC_ASK(DELETE, .model = "collection", .id = m + 4, .filter = "drop"));
	doc_done(DOC_ASK(CREATE, .model = m, .id = "b", .data = "{}", .ttl_ms = 300));
	docbed_reopen();
	await_swept(m, "b");
}

static void
what_ends_while_its_collection_is_dropped_stays_listed(void **unused)
{
	const char *m = doc_name();
	struct said *drop, *made;

	(void)unused;
	doc_declare(m, "{}");
	doc_pass(50 * MS);
	stall(true);
	drop = doc_start(DOC_ASK(DELETE, .model = "collection", .id = m + 4));
	made = doc_start(DOC_ASK(CREATE, .model = m, .id = "a", .data = "{}", .ttl_ms = 300));
	doc_pass(50 * MS);
	stall(false);
	assert_int_equal(doc_wait(drop)->status, ST_OK);
	assert_int_equal(doc_wait(made)->status, ST_OK);
	docbed_reopen();
	await_swept(m, "a");
}

static void
a_store_that_was_away_is_told_again_of_what_ends(void **unused)
{
	const char *m = doc_name();
	struct said *x;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	stall(true);
	x = doc_start(DOC_ASK(READ_ONE, .model = m, .id = "a"));
	doc_pass(1300 * MS);
	REFUSED(doc_ask(DOC_ASK(CREATE, .model = m, .id = "a", .data = "{}", .ttl_ms = 60000)),
	    ST_UNAVAILABLE, "STORE_DOWN");
	stall(false);
	doc_wait(x);
	doc_done(DOC_ASK(CREATE, .model = m, .id = "b", .data = "{}", .ttl_ms = 60000));
	assert_true(doc_redis("ZRANK mf:{collections}:names %s", m + 4) >= 0);
}

static void
what_can_not_be_built_holds_up_nobody(void **unused)
{
	const char *bad = doc_name(), *m = doc_name(), *good = doc_name();
	const char *index = "{\"indexes\":[{\"name\":\"n\",\"fields\":[\"/n\"]}]}";

	(void)unused;
	doc_redis("LPUSH mf:{%s}:d:x 1", bad);
	doc_redis("ZADD mf:{%s}:ids 0 x", bad);
	doc_declare(bad, index);
	doc_pass(50 * MS);
	doc_done(DOC_ASK(CREATE, .model = m, .id = "a", .data = "{}", .ttl_ms = 50));
	await_swept(m, "a");
	create(good, "a", "{}");
	doc_declare(good, index);
	doc_until_built(good);
	doc_redis("DEL mf:{%s}:d:x", bad); /* and when it can, it is */
	doc_until_built(bad);
}

static void
what_was_built_is_not_built_again_because_something_is_staged(void **unused)
{
	static const char slices[] =
	    "return(tonumber(string.match(redis.call('INFO','commandstats'),"
	    "'cmdstat_zrangebylex:calls=(%d+)')or(0)))";
	const char *m = doc_name();

	(void)unused;
	many_documents(m, 2000);
	doc_declare(m, "{\"indexes\":[{\"name\":\"n\",\"fields\":[\"/n\"]}]}");
	doc_stage(m, "tx", DOC_ASK(CREATE, .model = m, .id = "a", .data = "{}"));
	for (int64_t before = -1, now; before != (now = doc_redis("EVAL %s 0", slices));
	     before = now)
		doc_pass(500 * MS); /* until it is through */
	doc_redis("CONFIG RESETSTAT");
	doc_pass(2500 * MS);
	assert_int_equal(doc_redis("EVAL %s 0", slices), 0);
	doc_settle(m, "tx", true);
	doc_until_built(m);
	assert_int_equal(doc_redis("EVAL %s 0", slices), 0);
}

/* As after a restart of the server: scripts are sent again, and come behind what was sent after them. */
static void
what_is_written_behind_those_who_sweep_is_swept_too(void **unused)
{
	(void)unused;
	for (int staged = 0; staged < 2; staged++) {
		const char *m = doc_name(), *other = doc_name();
		const struct ask member = { .kind = MF__STORE_OP__KIND__CREATE,
			.model = m,
			.id = "a",
			.data = "{}",
			.ttl_ms = 30 };
		struct said *x;

		doc_done(DOC_ASK(CREATE, .model = other, .id = "a", .data = "{}", .ttl_ms = 200));
		create(m, "x", "{}");
		doc_redis("SCRIPT FLUSH");
		await_swept(other, "a");
		if (staged)
			sleep_at("nosql.stage.sent", 400 * MS);
		else
			stall(true);
		x = doc_start(staged ? DOC_ASK(TRANSACTION, .model = m, .operation = "o",
					   .members = &member, .n_members = 1)
				     : &member);
		doc_pass(300 * MS);
		if (!staged)
			stall(false);
		assert_int_equal(doc_wait(x)->status, ST_OK);
		await_swept(m, "a");
	}
}

static struct redis *
connect_again(void *ctx)
{
	(void)ctx;
	return redis_new(docbed.loop,
	    &(const struct redis_opts){ .address = stores_redis(docbed.stores, "docs") });
}

static void
with_backups(void)
{
	export_docs_init(&(const struct export_opts){ .loop = docbed.loop,
	    .server = docbed.redis,
	    .connect = connect_again,
	    .dir = test_dir(),
	    .hold_us = 2 * SEC });
}

/* Its hold runs out, as nobody copies. */
static void
begin_backup(char id[UUID_LEN])
{
	uuid7(id);
	doc_done(DOC_ASK(CREATE, .model = "backup", .id = id));
}

static void
a_backup_fails_nothing_for_what_is_swept(void **unused)
{
	const char *m = doc_name();
	struct said *read, *write;
	char id[UUID_LEN];

	(void)unused;
	with_backups();
	doc_done(DOC_ASK(CREATE, .model = m, .id = "a", .data = "{}", .ttl_ms = 300));
	create(m, "b", "{}");
	begin_backup(id);
	read = doc_start(DOC_ASK(READ_ONE, .model = m, .id = "b"));
	write = doc_start(DOC_ASK(UPDATE, .model = m, .id = "b", .data = "{\"n\":1}"));
	doc_pass(1500 * MS);
	assert_false(read->ended);
	assert_true(redis_up(docbed.redis));
	assert_int_equal(doc_wait(read)->status, ST_OK);
	assert_int_equal(doc_wait(write)->status, ST_OK);
	await_swept(m, "a");
	export_docs_fini();
}

static void
what_a_backup_holds_goes_on_when_the_server_does(void **unused)
{
	const char *m = doc_name();
	struct said *read, *write;
	int64_t began = time_now_us();
	char id[UUID_LEN];

	(void)unused;
	test_expect_log(LOG_WARN, 1); /* it is silent */
	with_backups();
	create(m, "b", "{}");
	begin_backup(id);
	redis_command(docbed.redis, NULL, 3, (const char *const[]){ "SET", "probe", "1" },
	    (const size_t[]){ 3, 5, 1 }, NULL, NULL);
	read = doc_start(DOC_ASK(READ_ONE, .model = m, .id = "b"));
	write = doc_start(DOC_ASK(UPDATE, .model = m, .id = "b", .data = "{\"n\":1}"));
	assert_int_equal(doc_wait(read)->status, ST_OK);
	assert_int_equal(doc_wait(write)->status, ST_OK);
	assert_true(time_now_us() - began < 2800 * MS); /* the server's own end is at 3 s */
	begin_backup(id);
	doc_done(DOC_ASK(DELETE, .model = "backup", .id = id));
	began = time_now_us();
	begin_backup(id); /* at once, and it holds */
	write = doc_start(DOC_ASK(UPDATE, .model = m, .id = "b", .data = "{\"n\":2}"));
	doc_pass(200 * MS);
	assert_false(write->ended);
	doc_done(DOC_ASK(DELETE, .model = "backup", .id = id));
	assert_int_equal(doc_wait(write)->status, ST_OK);
	assert_true(time_now_us() - began < 1 * SEC);
	export_docs_fini();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_dropped_unheard_can_be_declared_again),
		T(nothing_is_refused_for_a_drop_that_is_over),
		T(an_index_that_was_declared_unheard_is_built),
		T(a_drop_that_was_begun_unheard_goes_on),
		T(a_drop_of_many_documents_says_that_they_are_gone),
		T(what_is_declared_behind_a_drop_is_listed),
		T(what_ends_in_a_collection_that_was_dropped_is_listed_anew),
		T(what_ends_while_its_collection_is_dropped_stays_listed),
		T(a_store_that_was_away_is_told_again_of_what_ends),
		T(what_can_not_be_built_holds_up_nobody),
		T(what_was_built_is_not_built_again_because_something_is_staged),
		T(what_is_written_behind_those_who_sweep_is_swept_too),
		T(a_backup_fails_nothing_for_what_is_swept),
		T(what_a_backup_holds_goes_on_when_the_server_does),
	};

	return cmocka_run_group_tests_name("documents_order", tests, docbed_start, docbed_stop);
}

/* library: libmetafed as programs use it (metafed/client.h): from several threads, with a loop of their
 * own, cancelled, freed and closed in each state. The fleet is one process that serves mf.Meta. */
#include "harness/test.h"

#include <metafed/client.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/time.h"
#include "bus/bus.h"
#include "proto/meta.pb-c.h"
#include "proto/api.pb-c.h"
#include "proto/node.pb-c.h"

#define AT_ONCE      8
#define MESSAGE_MOST (4u << 20) /* of the bus */

static char place[128];
static _Thread_local char why[256];
static pid_t fleet;

/* --- the fleet: Execute answers what task_id says, with what it was asked for in `result` --- */

static void
meta_execute(
    Mf__Meta_Service *s, const Mf__TaskRequest *q, Mf__TaskResponse_Closure reply, void *ctx)
{
	Mf__TaskResponse r = MF__TASK_RESPONSE__INIT;
	const char *token = q->auth != NULL ? q->auth->credential : "";
	static uint8_t huge[MESSAGE_MOST];
	static char result[128];

	(void)s, (void)reply;
	if (strcmp(q->task_id, "silent") == 0)
		return; /* until its deadline, or until it is cancelled */
	if (strcmp(q->task_id, "refused") == 0) {
		call_fail_because(ctx, ST_RESOURCE_EXHAUSTED, "LIMIT", 250, "too many");
		return;
	}
	if (q->auth != NULL && strcmp(q->auth->operation, "login") == 0)
		snprintf(result, sizeof(result), "{\"access_token\":\"t-1\"}");
	else
		snprintf(result, sizeof(result), "%s %u %s", token, q->deadline_ms,
		    call_operation_id(ctx));
	r.task_id = q->task_id;
	r.success = true;
	r.result.data = (uint8_t *)result;
	r.result.len = strlen(result);
	if (strcmp(q->task_id, "huge") == 0)
		r.result = (ProtobufCBinaryData){ sizeof(huge), huge };
	else if (strcmp(q->task_id, "large") == 0)
		r.result = (ProtobufCBinaryData){ sizeof(huge) - 4096, huge };
	call_reply(ctx, &r.base);
}

static void serve(const char *dir) __attribute__((noreturn));
static void
serve(const char *dir)
{
	/* what else it has is not asked for */
	static Mf__Meta_Service service = { .base = MF__META__BASE_INIT, .execute = meta_execute };
	const struct serve serves[] = { { &service.base, PRIMARY }, { NULL, 0 } };
	struct node_config c = { .bus_dir = dir,
		.bus_listen = "",
		.bus_peers = "",
		.bus_key_file = "",
		.bus_trust_file = "",
		.faults = "",
		.var = place };
	struct loop *l = loop_new();
	struct bus *b;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	b = bus_new(l,
	    &(const struct bus_opts){
		.name = "meta", .generation = 1, .config = &c, .serves = serves },
	    why, sizeof(why));
	if (b == NULL || !bus_listen(b, why, sizeof(why)))
		fatal("%s", why);
	loop_run(l);
	_exit(0);
}

static int
begin(void **state)
{
	char dir[160];

	(void)state;
	snprintf(place, sizeof(place), "%s/v", test_dir());
	snprintf(dir, sizeof(dir), "%s/run", place);
	mkdir(place, 0700);
	mkdir(dir, 0700);
	strcat(dir, "/bus");
	mkdir(dir, 0700);
	if ((fleet = fork()) == 0)
		serve(dir);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	kill(fleet, SIGKILL);
	waitpid(fleet, NULL, 0);
	return 0;
}

/* --- programs --- */

static bool
start(struct metafed_call *k, const char *task_id, metafed_done_fn *done, void *ctx)
{
	Mf__TaskRequest q = MF__TASK_REQUEST__INIT;
	char id[32];

	snprintf(id, sizeof(id), "%s", task_id);
	q.task_id = id;
	return metafed_call_start(k, &mf__meta__descriptor, "Execute", &q.base, done, ctx);
}

static enum metafed_code
run(struct metafed_call *k, const char *task_id)
{
	assert_true(start(k, task_id, NULL, NULL));
	return metafed_call_wait(k);
}

/* With its connection made: on a busy machine that may take longer than a call is held for it. */
static struct metafed_client *
open_client(unsigned flags)
{
	struct metafed_client *c = metafed_open(place, flags, why, sizeof(why));
	enum metafed_code code = METAFED_UNAVAILABLE;

	assert_non_null(c);
	for (int tries = 0; tries < 20 && code == METAFED_UNAVAILABLE; tries++) {
		struct metafed_call *k = metafed_call_new(c);

		code = run(k, "first");
		metafed_call_free(k);
	}
	assert_int_equal(code, METAFED_OK);
	metafed_dispatch(c);
	return c;
}

static const char *
result(struct metafed_call *k)
{
	const Mf__TaskResponse *r = (const Mf__TaskResponse *)metafed_call_reply(k);
	static char text[160];

	assert_non_null(r);
	snprintf(text, sizeof(text), "%.*s", (int)r->result.len, (const char *)r->result.data);
	return text;
}

static void
a_call_brings_its_metadata_there_and_its_reply_back(void **state)
{
	struct metafed_client *c = open_client(0);
	struct metafed_call *k = metafed_call_new(c), *other = metafed_call_new(c);

	(void)state;
	metafed_set_token(c, "of-the-client");
	metafed_call_set_deadline(k, 4321);
	assert_true(metafed_call_set(k, "idempotency-key", "key-1"));
	assert_true(metafed_call_set(
	    k, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
	assert_int_equal(run(k, "one"), METAFED_OK);
	assert_string_equal(result(k), "of-the-client 4321 key-1");
	assert_string_equal(metafed_call_get(k, "node"), "meta");
	assert_memory_equal(
	    metafed_call_get(k, "traceparent"), "00-0af7651916cd43dd8448eb211c80319c-", 36);
	assert_null(metafed_call_get(k, "nothing"));
	assert_true(metafed_call_set(other, "authorization", "of-the-call"));
	assert_int_equal(run(other, "two"), METAFED_OK);
	assert_string_equal(result(other), "of-the-call 30000 ");
	assert_false(start(other, "three", NULL, NULL)); /* once per call */
	metafed_call_free(k);
	metafed_close(c);
	assert_string_equal(result(other), "of-the-call 30000 "); /* it is its own */
	metafed_call_free(other);
}

static void
metadata_that_is_none_is_refused(void **state)
{
	static const struct {
		const char *name, *value;
	} bad[] = { { "idempotency-key", "" }, { "traceparent", "00-0-0-01" },
		{ "traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01" },
		{ "traceparent", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01" },
		{ "node", "nobody" }, { "retry", "perhaps" }, { "x-mine", "1" } };
	struct metafed_client *c = open_client(0);
	struct metafed_call *k = metafed_call_new(c);
	char long_key[130];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(metafed_call_set(k, bad[i].name, bad[i].value));
	memset(long_key, 'x', sizeof(long_key) - 1);
	long_key[129] = '\0';
	assert_false(metafed_call_set(k, "idempotency-key", long_key));
	long_key[128] = '\0';
	assert_true(metafed_call_set(k, "idempotency-key", long_key));
	metafed_call_free(k);
	metafed_close(c);
}

static void
a_failure_says_code_reason_and_when_to_come_again(void **state)
{
	struct metafed_client *c = open_client(0);
	struct metafed_call *k = metafed_call_new(c);
	const char *field, *what;

	(void)state;
	assert_int_equal(metafed_call_code(k), METAFED_UNKNOWN); /* not started */
	assert_int_equal(metafed_call_wait(k), METAFED_FAILED_PRECONDITION);
	assert_true(metafed_call_set(k, "retry", "no"));
	assert_int_equal(run(k, "refused"), METAFED_RESOURCE_EXHAUSTED);
	assert_string_equal(metafed_call_reason(k), "LIMIT");
	assert_string_equal(metafed_call_message(k), "too many");
	assert_int_equal(metafed_call_retry_ms(k), 250);
	assert_false(metafed_call_violation(k, 0, &field, &what));
	assert_null(metafed_call_reply(k));
	assert_string_equal(metafed_code_name(metafed_call_code(k)), "RESOURCE_EXHAUSTED");
	metafed_call_free(k);
	metafed_close(c);
}

static void
what_can_not_be_sent_is_how_the_call_ends(void **state)
{
	static const Mf__Empty empty = MF__EMPTY__INIT;
	static const struct {
		const ProtobufCServiceDescriptor *service;
		const char *method, *reason;
		enum metafed_code code;
	} bad[] = { { &mf__meta__descriptor, "Nothing", "NO_METHOD", METAFED_UNIMPLEMENTED },
		{ &mf__node__descriptor, "Info", "NO_NODE", METAFED_INVALID_ARGUMENT },
		{ &mf__api__descriptor, "Perform", "NO_SERVICE", METAFED_UNIMPLEMENTED },
		{ &mf__meta__descriptor, "Execute", "WRONG_MESSAGE", METAFED_INVALID_ARGUMENT } };
	struct metafed_client *c = open_client(0);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct metafed_call *k = metafed_call_new(c);

		assert_int_equal(
		    metafed_call_run(k, bad[i].service, bad[i].method, &empty.base), bad[i].code);
		assert_string_equal(metafed_call_reason(k), bad[i].reason);
		metafed_call_free(k);
	}
	metafed_close(c);
}

static void
what_is_larger_than_a_message_is_said_and_the_next_one_goes(void **state)
{
	static uint8_t bytes[MESSAGE_MOST];
	Mf__TaskRequest q = MF__TASK_REQUEST__INIT;
	Mf__DatabaseRequirement d = MF__DATABASE_REQUIREMENT__INIT;
	struct metafed_client *c = open_client(0);
	struct metafed_call *answer = metafed_call_new(c), *request = metafed_call_new(c),
			    *large = metafed_call_new(c), *by_its_head = metafed_call_new(c);
	const Mf__TaskResponse *r;

	(void)state;
	assert_int_equal(run(answer, "huge"), METAFED_RESOURCE_EXHAUSTED);
	assert_string_equal(metafed_call_reason(answer), "TOO_LARGE");
	assert_int_equal(metafed_call_retry_ms(answer), 0); /* the same again would be no smaller */
	assert_null(metafed_call_reply(answer));
	d.data = (ProtobufCBinaryData){ sizeof(bytes), bytes };
	q.database = &d;
	assert_int_equal(metafed_call_run(request, &mf__meta__descriptor, "Execute", &q.base),
	    METAFED_RESOURCE_EXHAUSTED);
	assert_string_equal(metafed_call_reason(request), "TOO_LARGE");
	assert_int_equal(metafed_call_retry_ms(request), 0);
	d.data.len = sizeof(bytes) - 32; /* with what the bus puts before it */
	assert_int_equal(metafed_call_run(by_its_head, &mf__meta__descriptor, "Execute", &q.base),
	    METAFED_RESOURCE_EXHAUSTED);
	assert_string_equal(metafed_call_reason(by_its_head), "TOO_LARGE");
	assert_int_equal(metafed_call_retry_ms(by_its_head), 0);
	assert_int_equal(run(large, "large"), METAFED_OK);
	r = (const Mf__TaskResponse *)metafed_call_reply(large);
	assert_int_equal(r->result.len, MESSAGE_MOST - 4096);
	metafed_call_free(answer);
	metafed_call_free(request);
	metafed_call_free(by_its_head);
	metafed_call_free(large);
	metafed_close(c);
}

static void
its_deadline_ends_a_call_and_so_does_whoever_cancels_it(void **state)
{
	struct metafed_client *c = open_client(0);
	struct metafed_call *late = metafed_call_new(c), *not_wanted = metafed_call_new(c);
	int64_t began = time_now_us();

	(void)state;
	assert_true(start(not_wanted, "silent", NULL, NULL));
	metafed_call_set_deadline(late, 50);
	assert_int_equal(run(late, "silent"), METAFED_DEADLINE_EXCEEDED);
	assert_true(time_now_us() - began >= 50 * MS);
	assert_false(metafed_call_is_done(not_wanted));
	metafed_call_cancel(not_wanted);
	assert_int_equal(metafed_call_wait(not_wanted), METAFED_CANCELLED);
	metafed_call_cancel(not_wanted); /* harmless */
	metafed_call_free(not_wanted);
	metafed_call_free(late);
	metafed_close(c);
}

static void
a_log_in_keeps_its_token_for_what_follows(void **state)
{
	struct metafed_client *c = open_client(0);
	struct metafed_call *login = metafed_call_new(c), *k = metafed_call_new(c);

	(void)state;
	assert_int_equal(metafed_login(login, "ada", "secret"), METAFED_OK);
	assert_null(metafed_call_reply(login)); /* it stays inside */
	assert_int_equal(run(k, "after"), METAFED_OK);
	assert_string_equal(result(k), "t-1 30000 ");
	metafed_call_free(login);
	metafed_call_free(k);
	metafed_close(c);
}

/* --- done functions --- */

struct tally {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned done, codes[17];
	pthread_t thread; /* of the last one */
	bool frees;
};
#define TALLY                                                                                      \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER             \
	}

static void
on_done(struct metafed_call *k, void *ctx)
{
	struct tally *t = ctx;

	pthread_mutex_lock(&t->lock);
	t->done++;
	t->codes[metafed_call_code(k)]++;
	t->thread = pthread_self();
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
	if (t->frees)
		metafed_call_free(k);
}

static void
wait_for(struct tally *t, unsigned n)
{
	pthread_mutex_lock(&t->lock);
	while (t->done < n)
		pthread_cond_wait(&t->changed, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

static void
a_done_function_runs_once_on_the_librarys_thread_and_may_free_its_call(void **state)
{
	struct metafed_client *c = open_client(0);
	struct tally t = TALLY;

	(void)state;
	t.frees = true;
	for (unsigned i = 0; i < 200; i++)
		assert_true(start(metafed_call_new(c), "many", on_done, &t));
	wait_for(&t, 200);
	assert_int_equal(t.codes[METAFED_OK], 200);
	assert_false(pthread_equal(t.thread, pthread_self()));
	metafed_close(c);
	assert_int_equal(t.done, 200);
}

static void
with_a_loop_of_its_own_a_program_runs_them_itself(void **state)
{
	struct metafed_client *c = open_client(METAFED_DISPATCH);
	struct pollfd p = { .fd = metafed_fd(c), .events = POLLIN };
	struct tally t = TALLY;

	(void)state;
	t.frees = true;
	assert_int_equal(metafed_dispatch(c), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_true(start(metafed_call_new(c), "many", on_done, &t));
	while (t.done < 100) {
		assert_int_equal(poll(&p, 1, 10000), 1);
		assert_true(metafed_dispatch(c) > 0);
	}
	assert_true(pthread_equal(t.thread, pthread_self()));
	assert_int_equal(poll(&p, 1, 0), 0); /* nothing is left */
	metafed_close(c);
	assert_int_equal(t.done, 100);
}

static void
a_freed_call_tells_nobody(void **state)
{
	struct metafed_client *c = open_client(0), *d = open_client(METAFED_DISPATCH);
	struct tally t = TALLY;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct metafed_call *k = metafed_call_new(i % 2 == 0 ? c : d);

		assert_true(start(k, "silent", on_done, &t));
		metafed_call_free(k);
	}
	metafed_close(c);
	metafed_close(d);
	assert_int_equal(t.done, 0);
}

static void
closing_a_client_cancels_what_is_under_way_and_says_so(void **state)
{
	static const unsigned flags[] = { 0, METAFED_DISPATCH };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct metafed_client *c = open_client(flags[i]);
		struct metafed_call *k[AT_ONCE];
		struct tally t = TALLY;

		for (unsigned j = 0; j < AT_ONCE; j++) {
			k[j] = metafed_call_new(c);
			assert_true(start(k[j], "silent", on_done, &t));
		}
		metafed_close(c);
		assert_int_equal(t.done, AT_ONCE);
		assert_int_equal(t.codes[METAFED_CANCELLED], AT_ONCE);
		for (unsigned j = 0; j < AT_ONCE; j++)
			metafed_call_free(k[j]);
	}
}

static void
close_from_inside(struct metafed_call *k, void *ctx)
{
	struct tally *t = ctx;

	on_done(k, ctx);
	if (metafed_call_code(k) == METAFED_OK)
		metafed_close(*(struct metafed_client **)(t + 1));
}

static void
a_done_function_may_close_its_client(void **state)
{
	struct {
		struct tally t;
		struct metafed_client *c;
	} both = { .t = TALLY, .c = open_client(0) };
	struct metafed_call *slow = metafed_call_new(both.c), *k = metafed_call_new(both.c);

	(void)state;
	assert_true(start(slow, "silent", close_from_inside, &both));
	assert_true(start(k, "one", close_from_inside, &both));
	wait_for(&both.t, 2);
	assert_int_equal(metafed_call_wait(slow), METAFED_CANCELLED);
	metafed_call_free(k);
	metafed_call_free(slow);
	metafed_close(open_client(0)); /* and the library goes on */
}

static void *
program(void *ctx)
{
	struct metafed_client *own = open_client(0), *shared = ctx;

	for (unsigned i = 0; i < 40; i++) {
		struct metafed_call *k = metafed_call_new(i % 2 == 0 ? own : shared);

		metafed_set_token(shared, i % 3 == 0 ? NULL : "changing");
		assert_true(start(k, i % 5 == 0 ? "silent" : "one", NULL, NULL));
		if (i % 5 == 0)
			metafed_call_cancel(k);
		assert_int_equal(metafed_call_wait(k), i % 5 == 0 ? METAFED_CANCELLED : METAFED_OK);
		metafed_call_free(k);
	}
	metafed_close(own);
	return NULL;
}

static void
threads_share_a_client_and_have_their_own(void **state)
{
	struct metafed_client *shared = open_client(0);
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, program, shared), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	metafed_close(shared);
}

static void
a_place_without_a_fleet_is_said_in_words(void **state)
{
	(void)state;
	assert_null(metafed_open("/nonexistent/v", 0, why, sizeof(why)));
	assert_non_null(strstr(why, "no fleet there"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_call_brings_its_metadata_there_and_its_reply_back),
		T(metadata_that_is_none_is_refused),
		T(a_failure_says_code_reason_and_when_to_come_again),
		T(what_can_not_be_sent_is_how_the_call_ends),
		T(what_is_larger_than_a_message_is_said_and_the_next_one_goes),
		T(its_deadline_ends_a_call_and_so_does_whoever_cancels_it),
		T(a_log_in_keeps_its_token_for_what_follows),
		T(a_done_function_runs_once_on_the_librarys_thread_and_may_free_its_call),
		T(with_a_loop_of_its_own_a_program_runs_them_itself),
		T(a_freed_call_tells_nobody),
		T(closing_a_client_cancels_what_is_under_way_and_says_so),
		T(a_done_function_may_close_its_client),
		T(threads_share_a_client_and_have_their_own),
		T(a_place_without_a_fleet_is_said_in_words),
	};

	return cmocka_run_group_tests_name(test_program_name(), tests, begin, end);
}

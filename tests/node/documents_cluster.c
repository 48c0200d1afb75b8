/* documents_cluster: the same functions on a Redis that is a node of a cluster and owns all slots: it refuses
 * whatever touches two. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/time.h"
#include "harness/docbed.h"

static pid_t server;
static uint16_t port;

static int
start(void **state)
{
	char text[16], address[40];
	int64_t began = time_now_us();

	(void)state;
	do
		port = test_port();
	while (port > 55000 || !test_port_free(port + 10000)); /* that one is the cluster's own */
	snprintf(text, sizeof(text), "%u", port);
	snprintf(address, sizeof(address), "tcp:127.0.0.1:%u", port);
	if ((server = fork()) == 0) {
		execl("/usr/bin/redis-server", "redis-server", "--port", text, "--bind",
		    "127.0.0.1", "--dir", test_dir(), "--cluster-enabled", "yes", "--appendonly",
		    "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy",
		    "noeviction", "--loglevel", "warning", "--logfile", "/dev/null", NULL);
		_exit(127);
	}
	snprintf(text, sizeof(text), "%u", port);
	docbed_start_at(address);
	assert_int_equal(doc_redis("CLUSTER ADDSLOTSRANGE 0 16383"), 2);
	while (doc_redis("SET probe 1") != 2) { /* a moment until it knows that it is complete */
		assert_true(time_now_us() - began < 20 * SEC);
		doc_pass(20 * MS);
	}
	return 0;
}

static int
stop(void **state)
{
	int status = docbed_stop(state);

	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return status;
}

static void
every_function_keeps_to_one_slot(void **unused)
{
	const char *m = doc_name();
	const struct ask members[] = {
		{ .kind = MF__STORE_OP__KIND__CREATE, .model = m, .id = "b", .data = "{\"n\":2}" },
		{ .kind = MF__STORE_OP__KIND__CREATE, .model = m, .id = "c", .data = "{\"n\":3}" },
	};
	struct said *x;

	(void)unused;
	/* two collections are two slots, so this proves that the server looks */
	assert_int_equal(doc_redis("MGET mf:{doc.a}:d:x mf:{doc.b}:d:x"), -1);
	doc_done(DOC_ASK(CREATE, .model = m, .id = "z", .data = "{\"n\":26}"));
	doc_declare(m, "{\"indexes\":[{\"name\":\"n\",\"fields\":[\"/n\"],\"unique\":true}]}");
	doc_until_built(m);
	doc_done(DOC_ASK(CREATE, .model = m, .id = "a", .data = "{\"n\":1}", .ttl_ms = 50));
	doc_done(DOC_ASK(BULK, .model = m, .members = members, .n_members = 2));
	doc_done(DOC_ASK(UPDATE, .model = m, .id = "b", .data = "{\"$inc\":{\"/n\":10}}"));
	assert_string_equal(
	    doc_ask(DOC_ASK(UPDATE, .model = m, .id = "b", .data = "{\"n\":3}"))->reason, "UNIQUE");
	doc_done(DOC_ASK(READ_ONE, .model = m, .id = "b"));
	x = doc_done(
	    DOC_ASK(QUERY_MANY, .model = m, .where = "{\"/n\":{\"gt\":2}}", .sort = "-/n"));
	assert_int_equal(json_array_size(json_object_get(x->json, "items")), 3);
	doc_done(DOC_ASK(QUERY_MANY, .model = m, .where = "{\"/n\":1}", .explain = true));
	x = doc_done(DOC_ASK(
	    UPDATE, .model = "collection", .id = m + 4, .data = "{\"check\":{\"mend\":true}}"));
	assert_string_equal(doc_text(x, "strays"), "0");
	doc_done(DOC_ASK(DELETE, .model = m, .id = "c"));
	for (int64_t began = time_now_us(); doc_redis("EXISTS mf:{%s}:d:a", m) == 1;
	     doc_pass(20 * MS))
		assert_true(time_now_us() - began < 20 * SEC);
	doc_done(DOC_ASK(TRANSACTION, .model = m, .operation = "tx-1",
	    .members = (const struct ask[]){ { .kind = MF__STORE_OP__KIND__CREATE,
						 .model = m,
						 .id = "t",
						 .data = "{\"n\":7}" },
		{ .kind = MF__STORE_OP__KIND__DELETE, .model = m, .id = "z" } },
	    .n_members = 2));
	doc_done(DOC_ASK(QUERY_MANY, .model = "collection"));
	doc_done(DOC_ASK(DELETE, .model = "collection", .id = m + 4, .filter = "drop"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_function_keeps_to_one_slot),
	};

	return cmocka_run_group_tests_name("documents_cluster", tests, start, stop);
}

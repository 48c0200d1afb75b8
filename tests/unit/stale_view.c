/* stale_view: what an orchestrator decides, looks at files for, and then must decide once more: the world
 * went on while another process checked them. Its own executable is what it checks: "--check" takes some
 * time. */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/time.h"
#include "harness/metabed.h"
#include "meta/lead.h"
#include "meta/upgrade.h"
#include "node/contract.h"
#include "node/inside.h"

#define CHECK_US (300 * MS)

static struct {
	struct settings settings;
	struct node node;
	char var[128];
	int reports, commands; /* the supervisor's ends */
} bed;

static const char *
record(void)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/run/upgrade.json", bed.var);
	return path;
}

static int
start(void **state)
{
	int reports[2], commands[2], rc = metabed_start(state);
	char path[200];

	snprintf(bed.var, sizeof(bed.var), "%s", test_dir());
	snprintf(path, sizeof(path), "%s/run", bed.var);
	(void)mkdir(path, 0700);
	(void)unlink(record());
	snprintf(path, sizeof(path), "%s/metafed-sql", bed.var);
	assert_true(symlink("/proc/self/exe", path) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/metafed-meta", bed.var);
	setenv("METAFED_SWEEP", path, 1);
	assert_int_equal(pipe2(reports, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(commands, O_CLOEXEC | O_NONBLOCK), 0);
	meta_close(&mb.meta);
	mb.meta = meta_open(mb.bus, NULL, &mb.config, reports[0], commands[1]);
	bed.reports = reports[1];
	bed.commands = commands[0];
	bed.settings.common.var = bed.var;
	bed.node = (struct node){ .loop = mb.loop, .bus = mb.bus, .now = &bed.settings };
	mb.meta->node = &bed.node;
	return rc;
}

static int
stop(void **state)
{
	int rc = metabed_stop(state);

	work_pool_free(&bed.node.work);
	close(bed.reports);
	close(bed.commands);
	return rc;
}

static void
upgrade_sql(struct result *r)
{
	metabed_send(r, &(const struct req){
			    .meta = "upgrade", .token = "admin", .data = "{\"nodes\":[\"sql\"]}" });
	metabed_pass(CHECK_US / 3);
	assert_false(r->ended);
	assert_true(upgrader_busy(mb.meta->upgrade));
}

static void
an_upgrade_that_was_looked_at_begins(void **unused)
{
	struct result r;

	(void)unused;
	metabed_lead();
	upgrade_sql(&r);
	metabed_wait(&r);
	assert_int_equal(r.failed, ST_OK);
	assert_true(result_has(&r, "\"running\""));
	assert_int_equal(access(record(), F_OK), 0);
}

/* The one that leads by now has looked for a record already. */
static void
an_upgrade_is_not_accepted_by_who_leads_no_more(void **unused)
{
	struct result r;

	(void)unused;
	metabed_lead();
	upgrade_sql(&r);
	mb.leads = false;
	metabed_wait(&r);
	assert_int_equal(r.failed, ST_UNAVAILABLE);
	assert_string_equal(r.reason, "NOT_LEADING");
	assert_false(upgrader_busy(mb.meta->upgrade));
	assert_int_equal(access(record(), F_OK), -1);
}

static struct {
	struct work work[2];
	sem_t go;
} hold;

static void
wait_to_go(struct work *w)
{
	(void)w;
	sem_wait(&hold.go);
}

static void
on_gone(struct work *w, bool dropped)
{
	(void)w;
	assert_false(dropped);
}

static void
hold_thread(int i)
{
	hold.work[i] = (struct work){ .run = wait_to_go, .done = on_gone };
	assert_true(work_start(node_work(&bed.node), &hold.work[i]));
}

static void
what_was_saved_by_one_who_leads_no_more_is_taken_back(void **unused)
{
	struct result r;

	(void)unused;
	sem_init(&hold.go, 0, 0);
	metabed_lead();
	hold_thread(0);
	upgrade_sql(&r);
	hold_thread(1); /* the save waits behind it */
	metabed_pass(2 * CHECK_US);
	assert_false(r.ended);
	mb.leads = false;
	metabed_pass(100 * MS);
	assert_false(lead_is(mb.meta->lead));
	sem_post(&hold.go);
	sem_post(&hold.go);
	metabed_wait(&r);
	assert_int_equal(r.failed, ST_UNAVAILABLE);
	assert_string_equal(r.reason, "NOT_LEADING");
	assert_int_equal(access(record(), F_OK), -1);
	sem_destroy(&hold.go);
}

static void
report(const char *node, enum contract_state s, enum contract_due due)
{
	struct contract_report r = {
		.pid = getpid(), .generation = 4, .state = s, .due = due, .since_us = time_now_us()
	};

	snprintf(r.node, sizeof(r.node), "%s", node);
	assert_int_equal(write(bed.reports, &r, sizeof(r)), sizeof(r));
	metabed_pass(5 * MS);
}

static void
nobody_is_renewed_while_another_has_gone_since_it_was_looked_at(void **unused)
{
	struct contract_command order;

	(void)unused;
	for (int round = 0; round < 2; round++) {
		report("cache", NODE_READY, DUE_NOT);
		report("sql", NODE_READY, DUE_NOT);
		metabed_pass(2100 * MS); /* a calm fleet */
		report("sql", NODE_READY, DUE_AGE);
		metabed_pass(CHECK_US / 3);
		if (round == 0)
			report("cache", NODE_BACKOFF, DUE_NOT);
		metabed_pass(2 * CHECK_US);
		assert_int_equal(read(bed.commands, &order, sizeof(order)),
		    round == 0 ? -1 : (int)sizeof(order));
	}
	assert_int_equal(order.verb, VERB_RESTART);
	assert_string_equal(order.node, "sql");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define S(f) cmocka_unit_test_setup_teardown(f, start, stop)
		S(an_upgrade_that_was_looked_at_begins),
		S(an_upgrade_is_not_accepted_by_who_leads_no_more),
		S(what_was_saved_by_one_who_leads_no_more_is_taken_back),
		S(nobody_is_renewed_while_another_has_gone_since_it_was_looked_at),
	};

	if (argc > 1 && strcmp(argv[1], "--check") == 0) {
		usleep(CHECK_US);
		return 0;
	}
	return TEST_RUN(tests);
}

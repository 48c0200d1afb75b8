/* replicas: several processes of one name over tcp, each a bus of its own on this loop; who calls them
 * finds them by name. */
#include <stdio.h>
#include <string.h>
#include "bus/secure.h"
#include "harness/busbed.h"

#define MOST 3

static struct process {
	struct fake fake;
	struct node_config config;
	struct bus *bus;
	char listen[64];
	uint16_t port;
} processes[MOST];

static struct node_config base;
static char key_file[300], trust_file[300], own_key[300], peers[400], err[200];

static bool
is_taken(size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (processes[n].port + 1 >= processes[i].port &&
		    processes[n].port <= processes[i].port + 1)
			return true;
	return false;
}

static void
begin(const char *name)
{
	const char *names[] = { name, "database" };
	size_t made;

	base = (struct node_config){ .var = test_dir(),
		.log_level = "warn",
		.bus_dir = "",
		.bus_listen = "",
		.bus_peers = "",
		.faults = "",
		.instance = "",
		.retry_budget = 0.3 };
	assert_true(keys_generate(base.var, names, 2, &made, err, sizeof err));
	snprintf(key_file, sizeof key_file, "%s/%s.key", base.var, name);
	snprintf(own_key, sizeof own_key, "%s/database.key", base.var);
	snprintf(trust_file, sizeof trust_file, "%s/trust", base.var);
	base.bus_trust_file = trust_file;
	bed.loop = loop_new();
	memset(processes, 0, sizeof processes);
	for (size_t i = 0; i < MOST; i++) { /* each has two, one after the other */
		do
			processes[i].port = test_port();
		while (is_taken(i) || !test_port_free(processes[i].port + 1));
		snprintf(processes[i].listen, sizeof processes[i].listen, "tcp://127.0.0.1:%u",
		    processes[i].port);
	}
}

static void
serve(size_t i, const char *name, const char *instance)
{
	struct process *p = &processes[i];

	p->config = base;
	p->config.bus_key_file = key_file;
	p->config.bus_listen = p->listen;
	p->config.instance = instance;
	fake_serve(&p->fake);
	/* the port of one that just closed */
	for (int tries = 0; tries < 100; tries++) {
		p->bus = bus_new(bed.loop,
		    &(const struct bus_opts){ .name = name,
			.generation = i + 1,
			.config = &p->config,
			.serves = p->fake.serves },
		    err, sizeof err);
		assert_non_null(p->bus);
		if (bus_listen(p->bus, err, sizeof err))
			return;
		bus_free(&p->bus);
		pass(20 * MS);
	}
	fail_msg("%s", err);
}

static void
call_from(const char *where)
{
	static struct node_config own;

	own = base;
	own.bus_key_file = own_key;
	own.bus_peers = where;
	bed.bus = bus_new(bed.loop,
	    &(const struct bus_opts){ .name = "database", .generation = 7, .config = &own }, err,
	    sizeof err);
	assert_non_null(bed.bus);
}

static const char *
all_of(const char *name, size_t n)
{
	peers[0] = '\0';
	for (size_t i = 0; i < n; i++)
		snprintf(peers + strlen(peers), sizeof peers - strlen(peers), "%s%s=%s",
		    i == 0 ? "" : ",", name, processes[i].listen);
	return peers;
}

struct count {
	const char *name;
	size_t n;
};

static bool
so_many(void *ctx)
{
	const struct count *c = ctx;
	const char *instances[GROUP_MOST];

	return bus_instances(bed.bus, c->name, instances, GROUP_MOST) == c->n;
}

static void
wait_for_processes(const char *name, size_t n)
{
	loop_run_until(bed.loop, so_many, &(struct count){ name, n }, 10 * SEC);
	assert_true(so_many(&(struct count){ name, n }));
}

/* How many hops of them say that somebody was passed over for being slow. */
static unsigned
ask_often(struct target *t, unsigned times, const struct ask *q)
{
	unsigned slower = 0;

	for (unsigned i = 0; i < times; i++) {
		struct outcome o;

		ask(t, &o, q);
		wait_for(&o);
		assert_int_equal(o.status, ST_OK);
		for (size_t h = 0; h < o.n_hops; h++)
			slower += strcmp(o.hops[h].reason, "SLOWER") == 0;
	}
	return slower;
}

static struct target *
two_of_sql(void)
{
	struct target *t;

	begin("sql");
	serve(0, "sql", "sql-a");
	serve(1, "sql", "sql-b");
	call_from(all_of("sql", 2));
	t = bed_target(NULL, MEMBERS("sql"));
	wait_for_processes("sql", 2);
	return t;
}

static void
end(void)
{
	bus_free(&bed.bus);
	for (size_t i = 0; i < MOST; i++)
		bus_free(&processes[i].bus);
	pass(10 * MS);
	loop_free(&bed.loop);
}

static void
calls_are_shared_out_among_the_processes_of_a_name(void **unused)
{
	const char *instances[GROUP_MOST];
	struct target *t;

	(void)unused;
	begin("sql");
	for (size_t i = 0; i < MOST; i++)
		serve(i, "sql", i == 0 ? "sql-a" : i == 1 ? "sql-b" : "sql-c");
	call_from(all_of("sql", MOST));
	t = bed_target(NULL, MEMBERS("sql"));
	wait_for_processes("sql", MOST);
	ask_often(t, 300, NULL);
	for (size_t i = 0; i < MOST; i++)
		assert_in_range(processes[i].fake.calls, 50, 150);
	assert_int_equal(bus_instances(bed.bus, "sql", instances, GROUP_MOST), 3);
	assert_string_equal(instances[1], "sql-b");
	end();
}

/* Calls until sql-b gives way, or does not any more. */
static void
ask_until_b_gives_way(struct target *t, bool wanted)
{
	for (int64_t end = time_now_us() + 10 * SEC; t->members[1].pace.gives_way != wanted;) {
		assert_true(time_now_us() < end);
		ask_often(t, 1, NULL);
	}
}

static void
one_that_was_slow_once_keeps_its_share_and_one_that_stays_slow_has_one_call_of_sixteen(
    void **unused)
{
	struct target *t;
	unsigned before;

	(void)unused;
	t = two_of_sql();
	target_set_paced(t);
	processes[1].fake.manner = SLOW;
	processes[1].fake.delay_us = 60 * MS;
	ask_often(t, 1, &(const struct ask){ .opts = { .node = "sql-b" } });
	processes[1].fake.manner = ANSWERS;
	before = processes[1].fake.calls;
	assert_int_equal(ask_often(t, 100, NULL), 0);
	assert_in_range(processes[1].fake.calls - before, 25, 75);
	processes[1].fake.manner = SLOW;
	ask_until_b_gives_way(t, true);
	before = processes[1].fake.calls;
	ask_often(t, 32, NULL);
	assert_in_range(processes[1].fake.calls - before, 1, 2);
	processes[1].fake.manner = ANSWERS;
	ask_until_b_gives_way(t, false);
	before = processes[1].fake.calls;
	ask_often(t, 100, NULL);
	assert_in_range(processes[1].fake.calls - before, 25, 75);
	end();
}

static void
a_call_for_one_of_them_goes_to_that_one_and_by_name_to_the_first(void **unused)
{
	struct target *t;

	(void)unused;
	t = two_of_sql();
	ask_often(t, 20, &(const struct ask){ .opts = { .node = "sql-b" } });
	assert_int_equal(processes[1].fake.calls, 20);
	ask_often(t, 20, &(const struct ask){ .opts = { .node = "sql" } });
	assert_int_equal(processes[0].fake.calls, 20);
	target_set_ordered(t);
	ask_often(t, 20, NULL);
	assert_int_equal(processes[0].fake.calls, 40);
	end();
}

static void
one_that_is_gone_or_drains_gets_nothing_and_its_calls_go_to_the_other(void **unused)
{
	struct outcome held[8];
	struct target *t;
	unsigned before;

	(void)unused;
	t = two_of_sql();
	processes[0].fake.manner = HOLDS;
	for (size_t i = 0; i < 8; i++)
		ask(t, &held[i], &(const struct ask){ .limit_us = 5 * SEC });
	pass(20 * MS);
	assert_true(processes[0].fake.calls > 0);
	bus_free(&processes[0].bus);
	for (size_t i = 0; i < 8; i++) {
		wait_for(&held[i]);
		assert_int_equal(held[i].status, ST_OK);
	}
	assert_int_equal(processes[1].fake.calls, 8);
	processes[0].fake = (struct fake){ .manner = ANSWERS };
	serve(0, "sql", "sql-a");
	wait_for_processes("sql", 2);
	bus_set_draining(processes[1].bus);
	pass(20 * MS);
	before = processes[1].fake.calls;
	ask_often(t, 40, NULL);
	assert_int_equal(processes[1].fake.calls, before);
	end();
}

static void
two_addresses_of_one_process_are_one(void **unused)
{
	struct target *t;

	(void)unused;
	begin("sql");
	snprintf(
	    processes[0].listen, sizeof processes[0].listen, "tcp://0.0.0.0:%u", processes[0].port);
	serve(0, "sql", "sql-a");
	snprintf(peers, sizeof peers, "sql=tcp://127.0.0.1:%u,sql=tcp://127.0.0.2:%u",
	    processes[0].port, processes[0].port);
	call_from(peers);
	t = bed_target(NULL, MEMBERS("sql"));
	wait_for_processes("sql", 1);
	pass(100 * MS); /* both are connected by now */
	wait_for_processes("sql", 1);
	ask_often(t, 10, NULL);
	end();
}

static void
of_a_name_that_may_not_be_many_there_is_one(void **unused)
{
	(void)unused;
	begin("rbac");
	serve(0, "rbac", "");
	serve(1, "rbac", "");
	call_from(all_of("rbac", 2));
	(void)bed_target(NULL, MEMBERS("rbac"));
	wait_for_processes("rbac", 1);
	pass(50 * MS);
	wait_for_processes("rbac", 1);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(calls_are_shared_out_among_the_processes_of_a_name),
		T(one_that_was_slow_once_keeps_its_share_and_one_that_stays_slow_has_one_call_of_sixteen),
		T(a_call_for_one_of_them_goes_to_that_one_and_by_name_to_the_first),
		T(one_that_is_gone_or_drains_gets_nothing_and_its_calls_go_to_the_other),
		T(two_addresses_of_one_process_are_one),
		T(of_a_name_that_may_not_be_many_there_is_one),
	};

	return TEST_RUN(tests);
}

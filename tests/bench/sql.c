/* Creates through mf.Sql over loop-back on a private PostgreSQL: grouped and merged, grouped to 1
 * (a commit per row), and reads by key. Alternated in one run; says operations/s, CPU of PostgreSQL
 * and of this process per operation. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/id.h"
#include "base/time.h"
#include "harness/sqlbed.h"

#define IN_FLIGHT   64
#define ROUND_US    (2 * SEC)
#define FENCE_US    (300 * MS)
#define FENCE_TURNS 60

static struct bench {
	int64_t until_us;
	unsigned long done;
	unsigned in_flight;
	bool reads;
	uint64_t epoch; /* of the writes; 0: not fenced */
	char (*ids)[UUID_LEN];
	size_t n_ids, next_id;
} b;

static void issue(struct done *d);

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c;
	if (end->failure != NULL)
		fatal("%s", end->failure->message);
	b.in_flight--;
	b.done++;
	if (time_now_us() < b.until_us)
		issue(ctx);
}

static void
on_answer(const Mf__StoreResult *m, void *ctx)
{
	struct done *d = ctx;

	if (m == NULL)
		call_fail(d->call, ST_INTERNAL, "an operation failed");
	else
		call_reply(d->call, &m->base);
}

static void
issue(struct done *d)
{
	char id[UUID_LEN];
	struct rpc *r;

	d->call = call_root(sqlbed.bus,
	    &(const struct call_opts){ .limit_us = 10 * SEC, .done = on_end, .ctx = d });
	r = rpc_new(d->call, sqlbed.target, &(const struct rpc_opts){ .quiet = true });
	b.in_flight++;
	if (b.reads) {
		mf__sql__read(&r->service,
		    OP(.kind = MF__STORE_OP__KIND__READ_ONE, .id = b.ids[b.next_id++ % b.n_ids]),
		    on_answer, d);
		return;
	}
	uuid7(id);
	if (b.n_ids < 100000)
		memcpy(b.ids[b.n_ids++], id, UUID_LEN);
	mf__sql__write(&r->service,
	    OP(.kind = MF__STORE_OP__KIND__CREATE, .id = id, .mode_epoch = b.epoch,
		.actor = S("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"),
		.data = DATA("{\"title\":\"a title of some "
			     "length\",\"priority\":\"HIGH\",\"labels\":{\"team\":\"x\"},"
			     "\"payload\":{\"a\":1,\"b\":\"some payload text\"}}")),
	    on_answer, d);
}

/* Clock ticks of all processes that work in the data directory. */
static double
postgres_cpu_us(void)
{
	char path[300], cwd[128], data[128], line[512];
	unsigned long u, s, ticks = 0;
	struct dirent *e;
	DIR *d = opendir("/proc");

	snprintf(data, sizeof(data), "%s/pg/data", stores_dir(sqlbed.stores));
	while (d != NULL && (e = readdir(d)) != NULL) {
		ssize_t n;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/cwd", e->d_name);
		if ((n = readlink(path, cwd, sizeof(cwd) - 1)) < 0)
			continue;
		cwd[n] = '\0';
		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		if (strcmp(cwd, data) != 0 || (f = fopen(path, "r")) == NULL)
			continue;
		if (fgets(line, sizeof(line), f) != NULL && strrchr(line, ')') != NULL &&
		    sscanf(strrchr(line, ')') + 2,
			"%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &u, &s) == 2)
			ticks += u + s;
		fclose(f);
	}
	closedir(d);
	return (double)ticks * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static double
own_cpu_us(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static bool
idle(void *ctx)
{
	(void)ctx;
	return b.in_flight == 0;
}

static double
run(const char *name, unsigned in_flight)
{
	static struct done slots[IN_FLIGHT];
	double pg = postgres_cpu_us(), own = own_cpu_us(), s;
	int64_t t = time_now_us();

	b.done = 0;
	b.until_us = t + ROUND_US;
	for (unsigned i = 0; i < in_flight; i++)
		issue(&slots[i]);
	loop_run_until(sqlbed.loop, idle, NULL, 30 * SEC);
	s = (double)(time_now_us() - t) / 1e6;
	printf("%-34s %9.0f/s   PostgreSQL %6.1f us, sql %5.1f us each\n", name, (double)b.done / s,
	    (postgres_cpu_us() - pg) / (double)b.done, (own_cpu_us() - own) / (double)b.done);
	return (double)b.done / s;
}

/* What the fence costs a grouped create: both by turns, so short that whatever else the machine does is
 * in both. */
static void
fence(void)
{
	static struct done slots[IN_FLIGHT];
	double cpu[2] = { 0 };
	unsigned long done[2] = { 0 };

	for (int turn = 0; turn < FENCE_TURNS; turn++) {
		double pg = postgres_cpu_us();

		b.epoch = (uint64_t)turn % 2;
		b.done = 0;
		b.until_us = time_now_us() + FENCE_US;
		for (unsigned i = 0; i < IN_FLIGHT; i++)
			issue(&slots[i]);
		loop_run_until(sqlbed.loop, idle, NULL, 30 * SEC);
		cpu[turn % 2] += postgres_cpu_us() - pg;
		done[turn % 2] += b.done;
	}
	b.epoch = 0;
	printf("a create costs PostgreSQL %.1f us without the fence, %.1f us with it\n",
	    cpu[0] / (double)done[0], cpu[1] / (double)done[1]);
}

static void
reopen(int64_t most)
{
	sql_close();
	sqlbed.config.pg_group_most = most;
	if (!sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL))
		fatal("sql_open failed");
	bed_pass(200 * MS);
}

int
main(void)
{
	double grouped = 0, single = 0;

	if (sqlbed_start(NULL) != 0)
		return 1;
	log_set_level(LOG_WARN);
	b.ids = calloc(100000, sizeof(*b.ids));
	must(b.ids != NULL);
	for (int round = 0; round < 3; round++) {
		b.reads = false;
		reopen(64);
		grouped += run("create, 64 in flight, groups of 64", 64);
		reopen(1);
		single += run("create, 64 in flight, one by one", 64);
		reopen(64);
		run("create, 1 in flight", 1);
		b.reads = true;
		run("read by id, 64 in flight", 64);
		run("read by id, 1 in flight", 1);
	}
	b.reads = false;
	fence();
	printf("groups are %.1f times as fast as one by one\n", grouped / single);
	free(b.ids);
	return sqlbed_stop(NULL);
}

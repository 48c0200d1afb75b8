/* The stores beside what they are made of, 64 in flight, alternated in one run: creates through mf.Sql
 * beside libpq inserting 64 rows by unnest, reads by id beside a pipeline of libpq's, the cache's agent
 * beside pipelined hiredis, and reads through `database` with and without the cache. CPU is of all
 * there is: ours (both ends of each call), PostgreSQL's, Redis's. Rounds of half a second, three of
 * each; BENCH_SECONDS sets another length. */
#include <arpa/inet.h>
#include <dirent.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/id.h"
#include "base/time.h"
#include "database/cache/cache.h"
#include "database/database.h"
#include "database/sql/text.h"
#include "harness/sqlbed.h"

#define IN_FLIGHT 64
#define ROUNDS    3
#define IDS_MOST  20000
#define TEXT_OID  25
#define DATA_OF_TASK                                                                               \
	"{\"title\":\"a title of some length\",\"priority\":\"HIGH\",\"labels\":{\"team\":\"x\"}," \
	"\"payload\":{\"a\":1,\"b\":\"some payload text\"}}"

typedef void issue_fn(struct call *c);

struct side {
	const char *name;
	issue_fn *issue;      /* ours: one call */
	void (*direct)(void); /* theirs: IN_FLIGHT operations, blocking */
	const char *beside;   /* name of the side it is compared with; NULL: none */
	double ops, cpu_us, took_us;
};

static struct {
	struct bus *bus;
	struct target *database, *cache;
	PGconn *pg;
	redisContext *redis;
	int64_t until_us;
	unsigned long done;
	unsigned in_flight;
	issue_fn *issue;
	char (*ids)[UUID_LEN];
	size_t n_ids, next_id;
	bool prepared;
} b;

/* --- ours --- */

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c, (void)ctx;
	if (end->failure != NULL)
		fatal("%s", end->failure->message);
	b.in_flight--;
	b.done++;
	if (time_now_us() < b.until_us) {
		b.in_flight++;
		b.issue(call_root(
		    b.bus, &(const struct call_opts){ .limit_us = 10 * SEC, .done = on_end }));
	}
}

static void
on_result(const Mf__StoreResult *m, void *ctx)
{
	if (m == NULL)
		call_fail(ctx, ST_INTERNAL, "an operation failed");
	else
		call_reply(ctx, &m->base);
}

static const char *
next_id_there(void)
{
	return b.ids[b.next_id++ % b.n_ids];
}

static void
issue_create(struct call *c)
{
	struct rpc *r = rpc_new(c, sqlbed.target, &(const struct rpc_opts){ .quiet = true });
	char id[UUID_LEN];

	uuid7(id);
	if (b.n_ids < IDS_MOST)
		memcpy(b.ids[b.n_ids++], id, UUID_LEN);
	mf__sql__write(&r->service,
	    OP(.kind = MF__STORE_OP__KIND__CREATE, .id = id,
		.actor = S("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"), .data = DATA(DATA_OF_TASK)),
	    on_result, c);
}

static void
issue_read(struct call *c)
{
	struct rpc *r = rpc_new(c, sqlbed.target, &(const struct rpc_opts){ .quiet = true });

	mf__sql__read(&r->service, OP(READ_ONE, .id = S(next_id_there())), on_result, c);
}

static void
issue_database(struct call *c, const char *consistency)
{
	struct rpc *r = rpc_new(c, b.database, &(const struct rpc_opts){ .quiet = true });

	b.next_id %= 1000; /* what is read again and again */
	mf__database__read(&r->service,
	    OP(READ_ONE, .id = S(next_id_there()), .consistency = S(consistency)), on_result, c);
}

static void
issue_strong(struct call *c)
{
	issue_database(c, "strong");
}

static void
issue_eventual(struct call *c)
{
	issue_database(c, "eventual");
}

static void
on_entries(const Mf__CacheEntries *m, void *ctx)
{
	if (m == NULL || !m->entries[0]->found)
		call_fail(ctx, ST_INTERNAL, "an entry is not there");
	else
		call_reply(ctx, &m->base);
}

static void
issue_get(struct call *c)
{
	struct rpc *r = rpc_new(c, b.cache, &(const struct rpc_opts){ .quiet = true });
	Mf__CacheGet q = MF__CACHE_GET__INIT;
	char *key = S("bench");

	q.n_keys = 1;
	q.keys = &key;
	mf__cache__get(&r->service, &q, on_entries, c);
}

static void
on_done(const Mf__CacheDone *m, void *ctx)
{
	if (m == NULL)
		call_fail(ctx, ST_INTERNAL, "a set failed");
	else
		call_reply(ctx, &m->base);
}

static void
issue_set(struct call *c)
{
	struct rpc *r = rpc_new(c, b.cache, &(const struct rpc_opts){ .quiet = true });
	Mf__CacheSet q = MF__CACHE_SET__INIT;

	q.key = S("bench");
	q.value = (ProtobufCBinaryData)DATA(DATA_OF_TASK);
	q.ttl_ms = 60000;
	mf__cache__set(&r->service, &q, on_done, c);
}

/* --- theirs --- */

static void
pg_must(PGresult *r, ExecStatusType s)
{
	if (PQresultStatus(r) != s)
		fatal("libpq: %s", PQerrorMessage(b.pg));
	PQclear(r);
}

static const char *
value_of(const struct field *f, const char *id, const char *now)
{
	static const char *const given[][2] = { { "title", "a title of some length" },
		{ "priority", "2" }, { "labels", "{\"team\":\"x\"}" }, { "namespace", "default" },
		{ "payload", "{\"a\":1,\"b\":\"some payload text\"}" },
		{ "created_by", "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b" } };

	if (strcmp(f->name, "id") == 0)
		return id;
	if (f->type == FIELD_TIME)
		return now;
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		if (strcmp(given[i][0], f->name) == 0)
			return given[i][1];
	return f->def;
}

static size_t
put_int(char *to, size_t n, int32_t v)
{
	uint32_t be = htonl((uint32_t)v);

	memcpy(to + n, &be, 4);
	return n + 4;
}

/* The same statement, arrays in binary, one commit. */
static void
direct_insert(void)
{
	static char ids[IN_FLIGHT][UUID_LEN], arrays[MODEL_FIELDS_MOST][IN_FLIGHT * 100 + 20];
	const struct model *m = model_find("task");
	const char *values[MODEL_FIELDS_MOST];
	int lengths[MODEL_FIELDS_MOST], formats[MODEL_FIELDS_MOST];
	char now[TIME_RFC3339_LEN];

	if (!b.prepared) {
		pg_must(PQprepare(b.pg, "insert", text_insert(m), 0, NULL), PGRES_COMMAND_OK);
		pg_must(PQprepare(b.pg, "read", text_read(m), 0, NULL), PGRES_COMMAND_OK);
	}
	b.prepared = true;
	time_rfc3339(time_wall_us(), now);
	for (int i = 0; i < IN_FLIGHT; i++)
		uuid7(ids[i]);
	for (size_t k = 0; k < m->n_fields; k++) {
		char *a = arrays[k];
		size_t n = 0;

		n = put_int(a, put_int(a, put_int(a, n, 1), 1), TEXT_OID);
		n = put_int(a, put_int(a, n, IN_FLIGHT), 1);
		for (int i = 0; i < IN_FLIGHT; i++) {
			const char *v = value_of(&m->fields[k], ids[i], now);
			size_t len = v != NULL ? strlen(v) : 0;

			n = put_int(a, n, v != NULL ? (int32_t)len : -1);
			memcpy(a + n, v != NULL ? v : "", len);
			n += len;
		}
		values[k] = a;
		lengths[k] = (int)n;
		formats[k] = 1;
	}
	pg_must(PQexecPrepared(b.pg, "insert", (int)m->n_fields, values, lengths, formats, 0),
	    PGRES_TUPLES_OK);
	b.done += IN_FLIGHT;
}

static void
direct_read(void)
{
	PGresult *r;

	if (PQenterPipelineMode(b.pg) != 1)
		fatal("libpq: no pipeline");
	for (int i = 0; i < IN_FLIGHT; i++)
		if (PQsendQueryPrepared(b.pg, "read", 2,
			(const char *const[]){ next_id_there(), "default" }, NULL, NULL, 0) != 1)
			fatal("libpq: %s", PQerrorMessage(b.pg));
	if (PQpipelineSync(b.pg) != 1)
		fatal("libpq: %s", PQerrorMessage(b.pg));
	for (int i = 0; i < IN_FLIGHT; i++) {
		pg_must(PQgetResult(b.pg), PGRES_TUPLES_OK);
		while ((r = PQgetResult(b.pg)) != NULL)
			PQclear(r);
	}
	pg_must(PQgetResult(b.pg), PGRES_PIPELINE_SYNC);
	if (PQexitPipelineMode(b.pg) != 1)
		fatal("libpq: %s", PQerrorMessage(b.pg));
	b.done += IN_FLIGHT;
}

static void
direct_redis(const char *command)
{
	redisReply *r;

	for (int i = 0; i < IN_FLIGHT; i++)
		redisAppendCommand(b.redis, command, DATA_OF_TASK);
	for (int i = 0; i < IN_FLIGHT; i++) {
		if (redisGetReply(b.redis, (void **)&r) != REDIS_OK)
			fatal("hiredis: %s", b.redis->errstr);
		freeReplyObject(r);
	}
	b.done += IN_FLIGHT;
}

static void
direct_set(void)
{
	direct_redis("SET direct %s PX 60000");
}

static void
direct_get(void)
{
	direct_redis("GET direct");
}

/* --- CPU --- */

/* Clock ticks of all processes that work in a directory of the servers. */
static double
servers_cpu_us(void)
{
	const char *dir = stores_dir(sqlbed.stores);
	char path[300], cwd[200], line[512];
	unsigned long u, s, ticks = 0;
	struct dirent *e;
	DIR *d = opendir("/proc");

	while (d != NULL && (e = readdir(d)) != NULL) {
		ssize_t n;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/cwd", e->d_name);
		if ((n = readlink(path, cwd, sizeof(cwd) - 1)) < 0)
			continue;
		cwd[n] = '\0';
		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		if (strncmp(cwd, dir, strlen(dir)) != 0 || (f = fopen(path, "r")) == NULL)
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
all_cpu_us(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) + servers_cpu_us();
}

/* --- rounds --- */

static bool
idle(void *ctx)
{
	(void)ctx;
	return b.in_flight == 0;
}

static void
run(struct side *s, int64_t us)
{
	double cpu = all_cpu_us();
	int64_t began = time_now_us();

	b.done = 0;
	b.until_us = began + us;
	b.issue = s->issue;
	if (s->direct != NULL) {
		while (time_now_us() < b.until_us)
			s->direct();
	} else {
		for (; b.in_flight < IN_FLIGHT; b.in_flight++)
			s->issue(call_root(b.bus,
			    &(const struct call_opts){ .limit_us = 10 * SEC, .done = on_end }));
		loop_run_until(sqlbed.loop, idle, NULL, 30 * SEC);
	}
	s->ops += (double)b.done;
	s->took_us += (double)(time_now_us() - began);
	s->cpu_us += all_cpu_us() - cpu;
}

static void
show(const struct side *sides, size_t n)
{
	printf("%-46s %10s %12s %8s\n", "64 in flight", "per s", "CPU us each", "ratio");
	for (size_t i = 0; i < n; i++) {
		const struct side *s = &sides[i], *o = NULL;

		for (size_t k = 0; k < n && s->beside != NULL; k++)
			if (strcmp(sides[k].name, s->beside) == 0)
				o = &sides[k];
		printf(
		    "%-46s %10.0f %12.1f", s->name, s->ops * 1e6 / s->took_us, s->cpu_us / s->ops);
		if (o != NULL)
			printf(" %8.2f", (s->cpu_us / s->ops) / (o->cpu_us / o->ops));
		putchar('\n');
	}
}

static void
start(void)
{
	static const struct serve caches[] = { { &cache_service.base, PRIMARY }, { NULL, 0 } };
	static const struct serve databases[] = { { &database_service.base, PRIMARY },
		{ NULL, 0 } };
	static const char *const to_database[] = { "itself", NULL };
	static const char *const to_cache[] = { "cache", NULL };
	static const struct cache_config cache_config = {
		.redis = "", .password_file = "", .ttl_us = 60 * SEC, .value_max_bytes = 1 << 18
	};
	static const struct database_config config = { .cache_ttl_us = 60 * SEC,
		.tombstone_us = 15 * SEC };
	const char *address;

	if (sqlbed_start(NULL) != 0)
		fatal("no servers");
	log_set_level(LOG_WARN);
	stores_start_redis(sqlbed.stores, "cache");
	address = stores_redis(sqlbed.stores, "cache");
	b.bus = sqlbed.bus;
	bus_loopback(b.bus, "cache", caches);
	bus_loopback(b.bus, "itself", databases);
	cache_open(sqlbed.loop, address, &cache_config);
	database_open(b.bus, &config);
	b.database = target_new(
	    b.bus, &(const struct target_def){ &mf__database__descriptor, to_database, { 0 } });
	b.cache = target_new(
	    b.bus, &(const struct target_def){ &mf__cache__descriptor, to_cache, { 0 } });
	b.pg = PQconnectdb(stores_conninfo(sqlbed.stores));
	b.redis = redisConnectUnix(address + strlen("unix:"));
	if (PQstatus(b.pg) != CONNECTION_OK || b.redis == NULL || b.redis->err != 0)
		fatal("no direct connection");
	b.ids = calloc(IDS_MOST, sizeof(*b.ids));
	must(b.ids != NULL);
	bed_pass(500 * MS);
}

int
main(void)
{
	static struct side sides[] = {
		{ .name = "libpq: 64 rows by unnest", .direct = direct_insert },
		{ .name = "mf.Sql: create",
		    .issue = issue_create,
		    .beside = "libpq: 64 rows by unnest" },
		{ .name = "libpq: 64 reads in a pipeline", .direct = direct_read },
		{ .name = "mf.Sql: read by id",
		    .issue = issue_read,
		    .beside = "libpq: 64 reads in a pipeline" },
		{ .name = "mf.Database: read by id, strong",
		    .issue = issue_strong,
		    .beside = "libpq: 64 reads in a pipeline" },
		{ .name = "mf.Database: read by id, from the cache",
		    .issue = issue_eventual,
		    .beside = "mf.Database: read by id, strong" },
		{ .name = "hiredis: SET, 64 in a pipeline", .direct = direct_set },
		{ .name = "mf.Cache: set",
		    .issue = issue_set,
		    .beside = "hiredis: SET, 64 in a pipeline" },
		{ .name = "hiredis: GET, 64 in a pipeline", .direct = direct_get },
		{ .name = "mf.Cache: get",
		    .issue = issue_get,
		    .beside = "hiredis: GET, 64 in a pipeline" },
	};
	const size_t n = sizeof(sides) / sizeof(sides[0]);
	const char *seconds = getenv("BENCH_SECONDS");
	int64_t us = seconds != NULL ? (int64_t)(strtod(seconds, NULL) * 1e6) : SEC / 2;

	start();
	for (int round = 0; round <= ROUNDS; round++)
		for (size_t i = 0; i < n; i++) {
			run(&sides[i], us);
			if (round == 0) /* warm now */
				sides[i].ops = sides[i].cpu_us = sides[i].took_us = 0;
		}
	show(sides, n);
	PQfinish(b.pg);
	redisFree(b.redis);
	cache_close();
	database_close();
	free(b.ids);
	return sqlbed_stop(NULL);
}

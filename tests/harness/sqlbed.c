/* sqlbed: see sqlbed.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"
#include "harness/sqlbed.h"

struct sqlbed sqlbed;

static bool
usable(void *ctx)
{
	(void)ctx;
	return sql_state() == SQL_USABLE;
}

int
sqlbed_start(void **state)
{
	static const struct serve serves[] = { { &sql_service.base, PRIMARY },
		{ &sql_leader_service.base, PRIMARY }, { NULL, 0 } };
	static const char *const members[] = { "sql", NULL };
	char err[200];

	(void)state;
	log_init("test", 1, 2);
	sqlbed.stores = stores_new();
	stores_start_postgres(sqlbed.stores);
	sqlbed.loop = loop_new();
	sqlbed.work = work_pool_new(sqlbed.loop, 2, 16);
	sqlbed.bus = bus_new(sqlbed.loop,
	    &(const struct bus_opts){ .name = "database", .generation = 1 }, err, sizeof(err));
	if (sqlbed.bus == NULL)
		fatal("%s", err);
	bus_loopback(sqlbed.bus, "sql", serves);
	sqlbed.target = target_new(sqlbed.bus,
	    &(const struct target_def){ &mf__sql__descriptor, members, { .failures = 1000000 } });
	sqlbed.config = (struct sql_config){
		.pg = stores_conninfo(sqlbed.stores),
		.pg_password_file = "",
		.pg_short_conns = 3,
		.pg_long_conns = 2,
		.pg_statement_timeout_us = 5 * SEC,
		.pg_group_most = 64,
		.pg_group_delay_us = MS,
		.blob_max = 1 << 30,
		.blob_uploads = 64,
		.blob_upload_time_us = 86400 * SEC,
		.blob_keep_us = 30 * 86400 * SEC,
	};
	if (!sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL))
		fatal("sql_open failed");
	loop_run_until(sqlbed.loop, usable, NULL, 10 * SEC);
	return sql_state() == SQL_USABLE ? 0 : -1;
}

void
bed_open_anew(void)
{
	sql_close();
	assert_true(sql_open(sqlbed.loop, sqlbed.work, &sqlbed.config, NULL));
	bed_until(usable, NULL, 10 * SEC);
}

int
sqlbed_stop(void **state)
{
	(void)state;
	sql_close();
	bus_free(&sqlbed.bus);
	work_pool_free(&sqlbed.work);
	bed_pass(MS);
	loop_free(&sqlbed.loop);
	stores_free(&sqlbed.stores);
	return 0;
}

/* --- calls --- */

const Mf__StoreOp *
op_complete(Mf__StoreOp *op)
{
	char **const strings[] = { &op->id, &op->cursor, &op->namespace_, &op->operation_id,
		&op->consistency, &op->actor };

	if (op->model == NULL)
		op->model = S("task");
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		if (*strings[i] == NULL)
			*strings[i] = S("");
	return op;
}

static void
on_result(const Mf__StoreResult *m, void *ctx)
{
	struct done *d = ctx;
	struct json_error e;
	uint8_t *p;
	size_t n;

	if (m == NULL)
		return; /* the root's end says why */
	n = mf__store_result__get_packed_size(m);
	p = malloc(n + 1);
	mf__store_result__pack(m, p);
	d->result = mf__store_result__unpack(NULL, n, p);
	free(p);
	if (d->result->data.len > 0) {
		d->json = json_read(d->result->data.data, d->result->data.len, &e);
		if (d->json == NULL)
			fail_msg("answer is not JSON: %s", e.what);
	}
	call_reply(d->call, &m->base);
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct done *d = ctx;

	(void)c;
	d->ended = true;
	d->took_us = time_now_us() - d->began_us;
	if (end->failure == NULL)
		return;
	d->status = end->failure->status;
	d->retry_ms = end->failure->retry_ms;
	snprintf(d->reason, sizeof(d->reason), "%s", end->failure->reason);
	snprintf(d->message, sizeof(d->message), "%s", end->failure->message);
	if (end->failure->n_violations > 0)
		snprintf(d->field, sizeof(d->field), "%s", end->failure->violations[0].field);
}

/* The rpc's failure is the root's. */
struct asking {
	struct done *d;
	struct rpc *rpc;
};

static void
on_answer(const Mf__StoreResult *m, void *ctx)
{
	struct asking *x = ctx;

	if (m == NULL)
		call_fail_with(x->d->call, rpc_failure(x->rpc));
	else
		on_result(m, x->d);
}

void
op_start(struct done *d, const Mf__StoreOp *op, int64_t limit_us)
{
	op_start_fenced(d, op, limit_us, 0);
}

void
op_start_fenced(struct done *d, const Mf__StoreOp *op, int64_t limit_us, uint64_t fence)
{
	struct asking *x;

	memset(d, 0, sizeof(*d));
	d->began_us = time_now_us();
	d->call = call_root(sqlbed.bus,
	    &(const struct call_opts){ .limit_us = limit_us, .done = on_end, .ctx = d });
	call_set_fence(d->call, fence);
	x = ARENA_NEW(call_arena(d->call), struct asking);
	x->d = d;
	x->rpc = rpc_new(
	    d->call, sqlbed.target, &(const struct rpc_opts){ .limit_us = limit_us, .once = true });
	if (op->kind == MF__STORE_OP__KIND__READ_ONE || op->kind == MF__STORE_OP__KIND__QUERY_MANY)
		mf__sql__read(&x->rpc->service, op, on_answer, x);
	else
		mf__sql__write(&x->rpc->service, op, on_answer, x);
}

static bool
has_ended(void *ctx)
{
	return ((struct done *)ctx)->ended;
}

void
op_wait(struct done *d)
{
	loop_run_until(sqlbed.loop, has_ended, d, 15 * SEC);
	if (!d->ended)
		fail_msg("the call never ended");
}

struct done
op_run(const Mf__StoreOp *op)
{
	static struct done slot[8];
	static unsigned next;
	struct done *d = &slot[next++ % 8];

	op_start(d, op, 5 * SEC);
	op_wait(d);
	return *d;
}

void
done_free(struct done *d)
{
	if (d->result != NULL)
		mf__store_result__free_unpacked(d->result, NULL);
	json_decref(d->json);
	memset(d, 0, sizeof(*d));
}

const char *
done_str(const struct done *d, const char *name)
{
	const char *s = json_string_value(json_object_get(d->json, name));

	return s != NULL ? s : "(none)";
}

void
done_assert_json(const struct done *d, const char *name, const char *expected)
{
	json_t *v = json_loads(expected, JSON_DECODE_ANY, NULL);
	char *is = json_dumps(json_object_get(d->json, name), JSON_ENCODE_ANY);

	assert_non_null(v);
	if (!json_equal(json_object_get(d->json, name), v))
		fail_msg("%s is %s, not %s", name, is, expected);
	free(is);
	json_decref(v);
}

void
bed_create(const char *id, const char *data)
{
	struct done d = op_run(OP(CREATE, .id = S(id), .data = DATA(data)));

	assert_int_equal(d.status, ST_OK);
	done_free(&d);
}

const char *
new_id(void)
{
	static char ids[64][UUID_LEN];
	static unsigned next;
	char *id = ids[next++ % 64];

	uuid7(id);
	return id;
}

void
bed_until(bool (*what)(void *ctx), void *ctx, int64_t limit_us)
{
	loop_run_until(sqlbed.loop, what, ctx, limit_us);
	if (!what(ctx))
		fail_msg("it did not come true in time");
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

void
bed_pass(int64_t us)
{
	loop_run_until(sqlbed.loop, never, NULL, us);
}

uint64_t
bed_count(const char *statement)
{
	char cmd[1000], line[200];
	unsigned long long n = 0;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "psql -AtX '%s' -c \"%s\"", stores_conninfo(sqlbed.stores),
	    statement);
	if ((f = popen(cmd, "r")) == NULL)
		fail_msg("psql: %s", statement);
	while (fgets(line, sizeof(line), f) != NULL)
		n = strtoull(line, NULL, 10);
	if (pclose(f) != 0)
		fail_msg("psql: %s", statement);
	return n;
}

FILE *
bed_psql(const char *fmt, ...)
{
	char cmd[400];
	va_list ap;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "psql -qAtX '%s' >%s/out 2>&1", stores_conninfo(sqlbed.stores),
	    test_dir());
	if ((f = popen(cmd, "w")) == NULL)
		fail_msg("psql");
	fprintf(f, "BEGIN;\n");
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fputc('\n', f);
	fflush(f);
	while (bed_count("SELECT count(*) FROM pg_stat_activity WHERE state='idle in transaction'"
			 " AND backend_xid IS NOT NULL") == 0)
		bed_pass(MS);
	return f;
}

void
bed_psql_commit(FILE *f)
{
	fprintf(f, "COMMIT;\n");
	assert_int_equal(pclose(f), 0);
}

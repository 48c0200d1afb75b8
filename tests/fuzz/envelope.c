/* envelope: bytes of a peer into the server's dispatch, and bytes of a peer as the answer to a call
 * of ours. Every call must be answered or refused, none may stay behind, and what we can read must
 * read the same after writing it again. */
#include <stdlib.h>
#include <string.h>
#include "bus/inside.h"
#include "harness/unserved.h"
#include "proto/sql.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct bus *bus;
static struct peer *peer;

static void
sql_read(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	Mf__StoreResult r = MF__STORE_RESULT__INIT;

	(void)s, (void)reply;
	(void)call_principal(ctx);
	r.rows_affected = q->n_members;
	r.data = q->data;
	call_reply(ctx, &r.base);
}

static void
sql_write(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	sql_read(s, q, reply, ctx);
}

static void
sql_query(Mf__Sql_Service *s, const Mf__SqlQuery *q, Mf__SqlRows_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	call_fail(ctx, ST_INVALID_ARGUMENT, "%s", q->statement);
}

UNSERVED(sql_events, Sql, EventsAfter, EventPage)
UNSERVED(sql_keep_traces, Sql, TraceBatch, TraceKept)
UNSERVED(sql_find_traces, Sql, TraceQuery, TraceBatch)
UNSERVED(sql_migration_status, Sql, Empty, Migrations)
UNSERVED(sql_decide, Sql, DecideAsk, Decisions)
UNSERVED(sql_forget, Sql, ForgetAsk, Forgotten)
UNSERVED(sql_replay, Sql, ReplayBatch, ReplayIs)

static Mf__Sql_Service sql_service = MF__SQL__INIT(sql_);
static const struct serve serves[] = { { &sql_service.base, PRIMARY }, { NULL, PRIMARY } };

static void
start(void)
{
	char err[100];

	log_init("fuzz", 1, 2);
	log_set_level(LOG_FATAL);
	bus = bus_new(loop_new(), &(const struct bus_opts){ .name = "fuzz", .generation = 1 }, err,
	    sizeof err);
	must(bus != NULL);
	bus_loopback(bus, "sql", serves);
	peer = peer_get(bus, "sql");
}

static void
as_call(const uint8_t *p, size_t n)
{
	struct envelope e, again;
	struct out o = { 0 };

	if (envelope_read(p, n, &e)) {
		envelope_write(&o, &e);
		must(envelope_read(o.p, o.n, &again));
		must(again.call_id == e.call_id && again.payload.n == e.payload.n &&
		     again.service.n == e.service.n);
		out_free(&o);
	}
	server_call(bus, peer->served, peer->self, p, n);
	must(bus->serving == 0);
}

static unsigned answers;

static void
on_read(const Mf__StoreResult *m, void *ctx)
{
	(void)m;
	answers++;
	call_cancel(ctx);
}

static void
as_answer(const uint8_t *p, size_t n)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;
	static const char *const members[] = { "sql", NULL };
	static struct target *t;
	static struct out o;
	struct call *c;
	struct rpc *r;
	uint8_t *whole;
	uint64_t id;

	if (t == NULL)
		t = target_new(bus, &(const struct target_def){
					.service = &mf__sql__descriptor, .members = members });
	c = call_root(bus, &(const struct call_opts){ .limit_us = 1 * SEC, .want_hops = true });
	r = rpc_new(c, t, &(const struct rpc_opts){ .once = true });
	answers = 0;
	mf__sql__read(&r->service, &op, on_read, c);
	id = container_of(list_first(&peer->outs), struct rpc_call, waiting)->id;
	answer_begin(&o, id); /* what names no call is not read at all */
	whole = malloc(o.n + n);
	must(whole != NULL);
	memcpy(whole, o.p, o.n);
	memcpy(whole + o.n, p, n);
	peer_answer(peer, id, whole, o.n + n);
	free(whole);
	rpc_run_soon(bus);
	must(answers == 1 && peer->outs.n == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (bus == NULL)
		start();
	if (n == 0)
		return 0;
	if (p[0] & 1)
		as_call(p + 1, n - 1);
	else
		as_answer(p + 1, n - 1);
	do /* the loop itself is not under test */
		bus->turn.fn(&bus->turn);
	while (bus->loop_queue.n > 0);
	must(bus->calls.n == 0 && bus->dead.n == 0);
	return 0;
}

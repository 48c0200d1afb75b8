/* metabed: see metabed.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "harness/metabed.h"
#include "harness/unserved.h"
#include "meta/lead.h"
#include "proto/api.pb-c.h"
#include "proto/auth.pb-c.h"
#include "proto/database.pb-c.h"
#include "proto/jwt.pb-c.h"
#include "proto/rbac.pb-c.h"
#include "proto/rest.pb-c.h"
#include "proto/sql.pb-c.h"

struct metabed mb;

#define COPIES 64
static Mf__TaskResponse *copies[COPIES];
static size_t n_copies;
static struct target *jwt_target, *rbac_target, *sql_target, *rest_target, *meta_target;

/* True: the fake has dealt with it by failing or hanging. */
static bool
behaves(struct behaviour *b, struct call *c)
{
	b->calls++;
	if (b->fails != ST_OK)
		call_fail_because(c, b->fails, b->fails == ST_UNAVAILABLE ? "DOWN" : "REFUSED", 0,
		    "as the test wants it");
	return b->fails != ST_OK || b->hangs;
}

/* --- agents --- */

UNSERVED(rest_handle, Rest, HttpRequest, HttpResponse)

static void
note_bytes(const Mf__TraceBatch *q)
{
	size_t n = mf__trace_batch__get_packed_size(q);

	if (n > mb.traces_bytes)
		mb.traces_bytes = n;
}

static void
rest_export(Mf__Rest_Service *s, const Mf__TraceBatch *q, Mf__TraceExport_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	note_bytes(q);
	if (!mb.exports.off && !mb.exports.again)
		mb.traces_exported += (unsigned)q->n_items;
	call_reply(ctx, &mb.exports.base);
}

UNSERVED(graphql_export, Rest, TraceBatch, TraceExport)

static Mf__DatabaseRequirement *
meant(struct call *c)
{
	Mf__DatabaseRequirement *d = arena_alloc(call_arena(c), sizeof(*d));

	mf__database_requirement__init(d);
	d->operation = (char *)(uintptr_t)mb.means_operation;
	d->model = (char *)(uintptr_t) "task";
	if (mb.means_data != NULL) {
		d->data.data = (uint8_t *)arena_strdup(call_arena(c), mb.means_data);
		d->data.len = strlen(mb.means_data);
	}
	return d;
}

static void
perform(struct behaviour *b, struct call *c, const Mf__ApiWork *q)
{
	Mf__ApiOutcome out = MF__API_OUTCOME__INIT;
	Mf__MetaRequirement own = MF__META_REQUIREMENT__INIT;

	if (behaves(b, c))
		return;
	if (strcmp(q->stage, "format") == 0) {
		mb.formats++;
		out.result = q->result;
	} else {
		if (mb.means_operation != NULL)
			out.database = meant(c);
		if (mb.means_meta != NULL) {
			own.operation = (char *)(uintptr_t)mb.means_meta;
			out.meta = &own;
		}
		if (mb.means_permission != NULL)
			out.permission = (char *)(uintptr_t)mb.means_permission;
	}
	call_reply(c, &out.base);
}

static void
rest_perform(Mf__Rest_Service *s, const Mf__ApiWork *q, Mf__ApiOutcome_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	perform(&mb.rest, ctx, q);
}

#define graphql_handle rest_handle
static void
graphql_perform(Mf__Rest_Service *s, const Mf__ApiWork *q, Mf__ApiOutcome_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	perform(&mb.graphql, ctx, q);
}

static void
sql_read(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	Mf__StoreItem item = MF__STORE_ITEM__INIT, *items[] = { &item };
	char *data;

	(void)s, (void)reply;
	if (behaves(&mb.sql, ctx)) {
		if (mb.sql.fails == ST_OK)
			mb.hung[mb.n_hung++ % 8] = ctx;
		return;
	}
	data = arena_printf(call_arena(ctx), "{\"id\":\"%s\"}", q->id);
	out.data = (ProtobufCBinaryData){ strlen(data), (uint8_t *)data };
	out.version = 1;
	out.rows_affected = 1;
	out.degraded = mb.degraded;
	if (q->n_members != 0 || q->kind == MF__STORE_OP__KIND__BULK_CREATE) {
		item.data = out.data;
		out.n_items = 1;
		out.items = items;
	}
	call_reply(ctx, &out.base);
}

static void
sql_write(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	sql_read(s, q, reply, ctx);
}

UNSERVED(sql_query, Sql, SqlQuery, SqlRows)
UNSERVED(sql_events, Sql, EventsAfter, EventPage)
UNSERVED(sql_keep_traces, Sql, TraceBatch, TraceKept)
UNSERVED(sql_find_traces, Sql, TraceQuery, TraceBatch)
UNSERVED(sql_migration_status, Sql, Empty, Migrations)
UNSERVED(sql_decide, Sql, DecideAsk, Decisions)
UNSERVED(sql_forget, Sql, ForgetAsk, Forgotten)
UNSERVED(sql_replay, Sql, ReplayBatch, ReplayIs)

static void
jwt_verify(Mf__Jwt_Service *s, const Mf__TokenText *q, Mf__VerifiedToken_Closure reply, void *ctx)
{
	Mf__VerifiedToken out = MF__VERIFIED_TOKEN__INIT;

	(void)s, (void)q, (void)reply;
	if (!behaves(&mb.jwt, ctx))
		call_reply(ctx, &out.base);
}

/* What level 0 does not reach. */
UNSERVED(jwt_login, Jwt, Credentials, TokenPair)
UNSERVED(jwt_refresh, Jwt, RefreshToken, TokenPair)
UNSERVED(jwt_logout, Jwt, RefreshToken, Empty)
UNSERVED(jwt_keys, Jwt, Empty, JwkSet)
UNSERVED(jwt_revocations, Jwt, RevokedSince, RevokedList)
UNSERVED(jwt_sign, Jwt, Checkpoint, SignedCheckpoint)
UNSERVED(jwt_authenticate, Jwt, Credentials, Authenticated)
UNSERVED(jwt_read, Jwt, StoreOp, StoreResult)
UNSERVED(jwt_write, Jwt, StoreOp, StoreResult)
UNSERVED(rbac_expand, Rbac, RoleNames, PermissionList)
UNSERVED(rbac_covers, Rbac, RoleCover, RoleCoverAnswer)
UNSERVED(rbac_read, Rbac, StoreOp, StoreResult)
UNSERVED(rbac_write, Rbac, StoreOp, StoreResult)

static void
rbac_check(Mf__Rbac_Service *s, const Mf__PermissionCheck *q, Mf__PermissionAnswer_Closure reply,
    void *ctx)
{
	Mf__PermissionAnswer out = MF__PERMISSION_ANSWER__INIT;

	(void)s, (void)q, (void)reply;
	if (!behaves(&mb.rbac, ctx))
		call_reply(ctx, &out.base);
}

/* --- domains --- */

struct passing { /* one call of a domain, on its way to the agents */
	struct call *c;
	struct rpc *a, *b;
	const void *q;
	unsigned waits;
	bool failed;
};

static struct passing *
passing_new(void *ctx, const void *q)
{
	struct passing *p = ARENA_NEW(call_arena(ctx), struct passing);

	p->c = ctx;
	p->q = q;
	return p;
}

static void
pass_on(struct passing *p, const ProtobufCMessage *m)
{
	if (m == NULL)
		call_fail_with(p->c, rpc_failure(p->a));
	else
		call_reply(p->c, m);
}

static void
on_performed(const Mf__ApiOutcome *m, void *ctx)
{
	pass_on(ctx, m == NULL ? NULL : &m->base);
}

static void
api_perform(Mf__Api_Service *s, const Mf__ApiWork *q, Mf__ApiOutcome_Closure reply, void *ctx)
{
	struct passing *p = passing_new(ctx, q);

	(void)s, (void)reply;
	if (behaves(&mb.api, ctx))
		return;
	p->a = rpc_new(ctx, rest_target, NULL);
	mf__rest__perform(&p->a->service, q, on_performed, p);
}

static void
on_rows(const Mf__StoreResult *m, void *ctx)
{
	pass_on(ctx, m == NULL ? NULL : &m->base);
}

static void
database_read(
    Mf__Database_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct passing *p = passing_new(ctx, q);

	(void)s, (void)reply;
	if (behaves(&mb.database, ctx))
		return;
	snprintf(mb.id, sizeof mb.id, "%s", q->id);
	snprintf(mb.operation_id, sizeof mb.operation_id, "%s", q->operation_id);
	snprintf(mb.actor, sizeof mb.actor, "%s", q->actor);
	snprintf(mb.data, sizeof mb.data, "%.*s", (int)q->data.len, (const char *)q->data.data);
	snprintf(mb.model, sizeof mb.model, "%s", q->model);
	mb.members = (unsigned)q->n_members;
	p->a = rpc_new(ctx, sql_target, NULL);
	if (q->kind == MF__STORE_OP__KIND__READ_ONE || q->kind == MF__STORE_OP__KIND__QUERY_MANY) {
		mb.reads++;
		mf__sql__read(&p->a->service, q, on_rows, p);
	} else {
		mb.writes++;
		mf__sql__write(&p->a->service, q, on_rows, p);
	}
}

static void
database_write(
    Mf__Database_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	database_read(s, q, reply, ctx);
}

UNSERVED(database_events, Database, EventsAfter, EventPage)

static void
leader_ask(Mf__Leader_Service *s, const Mf__LeadAsk *q, Mf__LeadAnswer_Closure reply, void *ctx)
{
	Mf__LeadAnswer m = MF__LEAD_ANSWER__INIT;

	(void)s, (void)q, (void)reply;
	m.leads = mb.leads;
	m.number = mb.number + !mb.leads;
	m.leader = (char *)(uintptr_t)(mb.leads ? "meta" : "meta-2");
	call_reply(ctx, &m.base);
}

static void
database_keep_traces(
    Mf__Database_Service *s, const Mf__TraceBatch *q, Mf__TraceKept_Closure reply, void *ctx)
{
	Mf__TraceKept kept = MF__TRACE_KEPT__INIT;

	(void)s, (void)reply;
	note_bytes(q);
	if (mb.traces_wait)
		call_fail_because(ctx, ST_UNAVAILABLE, "STORE_DOWN", 0, "as the test wants it");
	if (mb.traces_wait || behaves(&mb.traces, ctx))
		return;
	kept.refused = mb.traces_refused < q->n_items ? mb.traces_refused : (uint32_t)q->n_items;
	mb.traces_stored += (unsigned)q->n_items - kept.refused;
	call_reply(ctx, &kept.base);
	if (mb.searching != NULL)
		call_reply(mb.searching, &mb.found.base);
	mb.searching = NULL;
}

static void
database_find_traces(
    Mf__Database_Service *s, const Mf__TraceQuery *q, Mf__TraceBatch_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	if (mb.find_waits)
		mb.searching = ctx;
	else if (!behaves(&mb.traces, ctx))
		call_reply(ctx, &mb.found.base);
	mb.find_waits = false;
}

static void
decide(struct passing *p)
{
	const Mf__AuthCheck *q = p->q;
	bool admin = strcmp(q->credential, "admin") == 0,
	     alice = strcmp(q->credential, "alice") == 0;
	bool bob = strcmp(q->credential, "bob") == 0, nobody = q->credential[0] == '\0';
	Mf__AuthGrant out = MF__AUTH_GRANT__INIT;
	Mf__Principal who = MF__PRINCIPAL__INIT;

	if (!admin && !alice && !bob && !nobody) {
		call_fail_because(p->c, ST_UNAUTHENTICATED, "BAD_TOKEN", 0, "no token of ours");
		return;
	}
	if (!admin && q->permission[0] != '\0' &&
	    !(alice && strncmp(q->permission, "task.", 5) == 0) &&
	    !(bob && strcmp(q->permission, "task.read") == 0)) {
		call_fail_because(p->c, nobody ? ST_UNAUTHENTICATED : ST_PERMISSION_DENIED,
		    "NO_PERMISSION", 0, "not this");
		return;
	}
	who.id = nobody ? (char *)(uintptr_t) "" : q->credential;
	who.name = who.id;
	if (!nobody)
		who.expires_at =
		    (uint64_t)(time_wall_us() +
			       (mb.token_life_us != 0 ? mb.token_life_us : 3600 * SEC));
	out.principal = &who;
	out.sequence = mb.sequence;
	out.sequence_epoch = mb.epoch;
	call_reply(p->c, &out.base);
}

static void
both(struct passing *p, struct rpc *r, bool ok)
{
	if (p->failed)
		return;
	if (!ok) {
		p->failed = true;
		call_fail_with(p->c, rpc_failure(r));
	} else if (--p->waits == 0) {
		decide(p);
	}
}

static void
on_verified(const Mf__VerifiedToken *m, void *ctx)
{
	struct passing *p = ctx;

	both(p, p->a, m != NULL);
}

static void
on_permitted(const Mf__PermissionAnswer *m, void *ctx)
{
	struct passing *p = ctx;

	both(p, p->b, m != NULL);
}

static void
auth_check(Mf__Auth_Service *s, const Mf__AuthCheck *q, Mf__AuthGrant_Closure reply, void *ctx)
{
	Mf__TokenText token = MF__TOKEN_TEXT__INIT;
	Mf__PermissionCheck check = MF__PERMISSION_CHECK__INIT;
	struct passing *p = passing_new(ctx, q);

	(void)s, (void)reply;
	if (mb.checks < 16) {
		snprintf(mb.asked[mb.checks], sizeof mb.asked[0], "%s", q->permission);
		snprintf(mb.resources[mb.checks], sizeof mb.resources[0], "%s", q->resource);
	}
	mb.checks++;
	if (behaves(&mb.auth, ctx))
		return;
	p->waits = 2;
	p->a = rpc_new(ctx, jwt_target, NULL);
	p->b = rpc_new(ctx, rbac_target, NULL);
	mf__jwt__verify(&p->a->service, &token, on_verified, p);
	mf__rbac__check(&p->b->service, &check, on_permitted, p);
}

static void
auth_login(Mf__Auth_Service *s, const Mf__Credentials *q, Mf__TokenPair_Closure reply, void *ctx)
{
	Mf__TokenPair out = MF__TOKEN_PAIR__INIT;
	Mf__Principal who = MF__PRINCIPAL__INIT;

	(void)s, (void)reply;
	if (behaves(&mb.auth, ctx))
		return;
	if (strcmp(q->password, "right") != 0) {
		call_fail_because(
		    ctx, ST_UNAUTHENTICATED, "BAD_CREDENTIALS", 0, "wrong name or password");
		return;
	}
	who.id = who.name = q->username;
	out.access_token = q->username;
	out.refresh_token = (char *)(uintptr_t) "r1";
	out.expires_in = 3600;
	out.token_type = (char *)(uintptr_t) "Bearer";
	out.principal = &who;
	call_reply(ctx, &out.base);
}

static void
auth_refresh(Mf__Auth_Service *s, const Mf__RefreshToken *q, Mf__TokenPair_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_fail(ctx, ST_UNAUTHENTICATED, "used before");
}

static void
auth_logout(Mf__Auth_Service *s, const Mf__RefreshToken *q, Mf__Empty_Closure reply, void *ctx)
{
	Mf__Empty out = MF__EMPTY__INIT;

	(void)s, (void)q, (void)reply;
	call_reply(ctx, &out.base);
}

static void
auth_read(Mf__Auth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	static char object[] = "{\"of\":\"auth\"}";
	Mf__StoreResult out = MF__STORE_RESULT__INIT;

	(void)s, (void)reply;
	if (behaves(&mb.auth, ctx))
		return;
	mb.accounts++;
	snprintf(mb.id, sizeof mb.id, "%s", q->id);
	snprintf(mb.operation_id, sizeof mb.operation_id, "%s", q->operation_id);
	snprintf(mb.model, sizeof mb.model, "%s", q->model);
	out.data = (ProtobufCBinaryData){ sizeof(object) - 1, (uint8_t *)object };
	out.version = 1;
	call_reply(ctx, &out.base);
}

static void
auth_write(Mf__Auth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	auth_read(s, q, reply, ctx);
}

static void
auth_sequence(Mf__Auth_Service *s, const Mf__Empty *q, Mf__AuthSequence_Closure reply, void *ctx)
{
	Mf__AuthSequence out = MF__AUTH_SEQUENCE__INIT;

	(void)s, (void)q, (void)reply;
	mb.sequences++;
	if (behaves(&mb.auth, ctx))
		return;
	out.sequence = mb.sequence;
	out.epoch = mb.epoch;
	call_reply(ctx, &out.base);
}

UNSERVED(auth_authenticate, Auth, Credentials, Authenticated)
UNSERVED(auth_report, Auth, Sighting, Empty)
UNSERVED(auth_count, Auth, Permitted, Empty)
UNSERVED(auth_web, Auth, WebRequest, WebAnswer)

static Mf__Rest_Service rest_service = MF__REST__INIT(rest_),
			graphql_service = MF__REST__INIT(graphql_);
static Mf__Sql_Service sql_service_ = MF__SQL__INIT(sql_);
static Mf__Jwt_Service jwt_service_ = MF__JWT__INIT(jwt_);
static Mf__Rbac_Service rbac_service_ = MF__RBAC__INIT(rbac_);
static Mf__Api_Service api_service_ = MF__API__INIT(api_);
static Mf__Database_Service database_service_ = MF__DATABASE__INIT(database_);
static Mf__Auth_Service auth_service_ = MF__AUTH__INIT(auth_);
static Mf__Leader_Service leader_service_ = MF__LEADER__INIT(leader_);

extern const struct serve meta_serves[];

static struct target *
target_of(const ProtobufCServiceDescriptor *d, const char *first, const char *second)
{
	static const char *names[16][3];
	static size_t n;
	const char **m = names[n++ % 16];

	m[0] = first;
	m[1] = second;
	m[2] = NULL;
	return target_new(mb.bus, &(const struct target_def){ .service = d, .members = m });
}

int
metabed_start(void **state)
{
	static struct serve serves[8][3];
	const struct {
		const char *name;
		ProtobufCService *s;
	} nodes[] = { { "rest", &rest_service.base }, { "graphql", &graphql_service.base },
		{ "sql", &sql_service_.base }, { "jwt", &jwt_service_.base },
		{ "rbac", &rbac_service_.base }, { "api", &api_service_.base },
		{ "database", &database_service_.base }, { "auth", &auth_service_.base } };
	char err[200];

	mb = (struct metabed){ .exports = MF__TRACE_EXPORT__INIT,
		.found = MF__TRACE_BATCH__INIT,
		.epoch = 77,
		.sequence = 1,
		.number = 7,
		.config = { .slots = 8,
		    .reserve = 2,
		    .queue = 4,
		    .grant_ttl_us = 5 * SEC,
		    .grants_most = 100,
		    .remember_most = 100,
		    .remember_bytes = 1 << 20,
		    .remember_ttl_us = 3600 * SEC } };
	mb.loop = loop_new();
	mb.bus = bus_new(
	    mb.loop, &(const struct bus_opts){ .name = "meta", .generation = 3 }, err, sizeof err);
	assert_non_null(mb.bus);
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		serves[i][0] = (struct serve){ nodes[i].s, PRIMARY };
		if (nodes[i].s == &database_service_.base)
			serves[i][1] = (struct serve){ &leader_service_.base, PRIMARY };
		bus_loopback(mb.bus, nodes[i].name, serves[i]);
	}
	bus_loopback(mb.bus, "meta", meta_serves);
	jwt_target = target_of(&mf__jwt__descriptor, "jwt", NULL);
	rbac_target = target_of(&mf__rbac__descriptor, "rbac", NULL);
	sql_target = target_of(&mf__sql__descriptor, "sql", NULL);
	rest_target = target_of(&mf__rest__descriptor, "rest", "graphql");
	meta_target = target_of(&mf__meta__descriptor, "meta", NULL);
	mb.meta = meta_open(mb.bus, NULL, &mb.config, -1, -1);
	return test_log_mark(state);
}

int
metabed_stop(void **state)
{
	assert_int_equal(bus_in_flight(mb.bus), 0);
	/* whatever happened, every slot came back */
	assert_int_equal(mb.meta->slots.all.used, 0);
	assert_int_equal(mb.meta->slots.waiting, 0);
	meta_close(&mb.meta);
	bus_free(&mb.bus);
	loop_free(&mb.loop);
	for (size_t i = 0; i < n_copies; i++)
		mf__task_response__free_unpacked(copies[i], NULL);
	n_copies = 0;
	return test_log_check(state);
}

static void
on_response(const Mf__TaskResponse *m, void *ctx)
{
	struct result *out = ctx;

	if (m == NULL)
		call_fail_with(out->root, rpc_failure(out->rpc));
	else
		call_reply(out->root, &m->base);
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct result *out = ctx;
	size_t n;
	uint8_t *packed;

	(void)c;
	out->ended = true;
	out->took_us = time_now_us() - out->took_us;
	if (end->failure != NULL) {
		out->failed = end->failure->status;
		out->retry_ms = end->failure->retry_ms;
		snprintf(out->reason, sizeof out->reason, "%s", end->failure->reason);
		snprintf(out->message, sizeof out->message, "%s", end->failure->message);
		return;
	}
	n = protobuf_c_message_get_packed_size(end->reply);
	packed = malloc(n + 1);
	protobuf_c_message_pack(end->reply, packed);
	must(n_copies < COPIES);
	out->r = copies[n_copies++] = mf__task_response__unpack(NULL, n, packed);
	free(packed);
}

static ProtobufCBinaryData
bytes(const char *s)
{
	return (ProtobufCBinaryData){ strlen(s), (uint8_t *)(uintptr_t)s };
}

static char *
text(const char *s)
{
	return (char *)(uintptr_t)(s != NULL ? s : "");
}

void
metabed_send(struct result *out, const struct req *q)
{
	Mf__TaskRequest t = MF__TASK_REQUEST__INIT;
	Mf__ApiRequirement api = MF__API_REQUIREMENT__INIT;
	Mf__DatabaseRequirement database = MF__DATABASE_REQUIREMENT__INIT;
	Mf__AuthRequirement auth = MF__AUTH_REQUIREMENT__INIT;
	Mf__MetaRequirement own = MF__META_REQUIREMENT__INIT;

	*out = (struct result){ .took_us = time_now_us() };
	t.task_id = text(q->task_id);
	t.priority = q->priority;
	t.deadline_ms = q->deadline_ms;
	t.want_trace = q->trace;
	t.explain = q->explain;
	t.remember = q->remember;
	t.depends_on = q->depends_on;
	t.n_depends_on = q->n_depends_on;
	if (q->api != NULL) {
		api.method = text(strncmp(q->api, "GET", 3) == 0 ? "GET" : "POST");
		api.endpoint = text(strchr(q->api, '/'));
		t.api = &api;
	}
	if (q->database != NULL) {
		database.operation = text(q->database);
		database.model = text(q->model != NULL ? q->model : "task");
		database.id = text(q->id);
		database.data = bytes(q->data != NULL ? q->data : "{\"title\":\"t\"}");
		t.database = &database;
	}
	if (q->token != NULL || q->auth_operation != NULL) {
		auth.credential = text(q->token);
		auth.require_permission = text(q->permission);
		auth.operation = text(q->auth_operation);
		auth.resource = text(q->resource);
		auth.data = bytes(text(q->auth_data));
		t.auth = &auth;
	}
	if (q->meta != NULL) {
		own.operation = text(q->meta);
		own.node = text(q->node);
		own.data = bytes(text(q->data));
		t.meta = &own;
	}
	out->root = call_root(mb.bus,
	    &(const struct call_opts){
		.limit_us = 5 * SEC, .done = on_end, .ctx = out, .operation_id = q->operation_id });
	out->rpc = rpc_new(out->root, meta_target, NULL);
	mf__meta__execute(&out->rpc->service, &t, on_response, out);
}

static bool
has_ended(void *ctx)
{
	return ((struct result *)ctx)->ended;
}

void
metabed_wait(struct result *out)
{
	loop_run_until(mb.loop, has_ended, out, 10 * SEC);
	assert_true(out->ended);
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

void
metabed_pass(int64_t us)
{
	loop_run_until(mb.loop, never, NULL, us);
}

static bool
leads(void *ctx)
{
	(void)ctx;
	return lead_is(mb.meta->lead);
}

void
metabed_lead(void)
{
	mb.leads = true;
	mb.meta->lead = lead_new(mb.meta, 200 * MS);
	loop_run_until(mb.loop, leads, NULL, SEC);
	assert_true(leads(NULL));
}

bool
has_name(size_t n, char **names, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

const Mf__TraceLevel *
trace_level(const Mf__TaskResponse *r, uint32_t level)
{
	assert_int_equal(r->n_execution_trace, 3);
	assert_int_equal(r->execution_trace[level]->level, level);
	return r->execution_trace[level];
}

bool
result_has(const struct result *r, const char *what)
{
	return r->r != NULL &&
	       memmem(r->r->result.data, r->r->result.len, what, strlen(what)) != NULL;
}

/* authbed: see authbed.h. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "base/id.h"
#include "base/time.h"
#include "harness/authbed.h"

struct authbed authbed;

static struct serve auth_serves[2];
static struct target *target;

/* --- members that can be down --- */

static bool
is_down(struct authbed_member *m, struct call *c)
{
	m->calls++;
	if (m->down)
		call_fail(c, ST_UNAVAILABLE, "down");
	return m->down;
}

#define MEMBER(method, In, Out)                                                                    \
	static void member_##method(                                                               \
	    Mf__Jwt_Service *s, const Mf__##In *q, Mf__##Out##_Closure reply, void *ctx)           \
	{                                                                                          \
		struct authbed_member *m = (struct authbed_member *)s;                             \
                                                                                                   \
		if (!is_down(m, ctx))                                                              \
			tokens_##method(&m->tokens.service, q, reply, ctx);                        \
	}

MEMBER(verify, TokenText, VerifiedToken)
MEMBER(login, Credentials, TokenPair)
MEMBER(refresh, RefreshToken, TokenPair)
MEMBER(logout, RefreshToken, Empty)
MEMBER(keys, Empty, JwkSet)
MEMBER(read_user, StoreOp, StoreResult)
MEMBER(write_user, StoreOp, StoreResult)

#define PERMITS(method, In, Out)                                                                   \
	static void permits_##method(                                                              \
	    Mf__Rbac_Service *s, const Mf__##In *q, Mf__##Out##_Closure reply, void *ctx)          \
	{                                                                                          \
		struct authbed_permits *p = (struct authbed_permits *)s;                           \
                                                                                                   \
		if (p->down)                                                                       \
			call_fail(ctx, ST_UNAVAILABLE, "down");                                    \
		else                                                                               \
			rbac_##method(&p->rbac.service, q, reply, ctx);                            \
	}

PERMITS(check, PermissionCheck, PermissionAnswer)
PERMITS(expand, RoleNames, PermissionList)
PERMITS(covers, RoleCover, RoleCoverAnswer)
PERMITS(read_role, StoreOp, StoreResult)
PERMITS(write_role, StoreOp, StoreResult)

/* --- the bed --- */

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

static bool
is_set(void *ctx)
{
	return *(bool *)ctx;
}

static bool
roles_known(void *ctx)
{
	(void)ctx;
	return authbed.rbac.rbac.policy != NULL;
}

static bool
seeded(void *ctx)
{
	return memdb_count(&authbed.db, "user") > 0 && authbed.jwt.tokens.revoked.known &&
	       authbed.oauth.tokens.revoked.known && roles_known(ctx);
}

void
authbed_until_seeded(void)
{
	loop_run_until(authbed.loop, seeded, NULL, 5 * SEC);
	assert_true(seeded(NULL));
}

void
authbed_pass(int64_t us)
{
	loop_run_until(authbed.loop, never, NULL, us);
}

static void
member_start(struct authbed_member *m, const char *name, const char *peer)
{
	const struct tokens_opts opts = {
		.bus = authbed.bus, .var = authbed.var, .peer = peer, .config = &authbed.jwt_config
	};
	char err[300];

	m->jwt = (Mf__Jwt_Service)MF__JWT__INIT(member_);
	m->tokens.service = (Mf__Jwt_Service)TOKENS_SERVICE;
	m->serves[0] = (struct serve){ &m->jwt.base, PRIMARY };
	bus_loopback(authbed.bus, name, m->serves);
	if (!tokens_start(&m->tokens, &opts, err, sizeof(err)))
		fail_msg("%s", err);
}

static void
permits_start(struct authbed_permits *p)
{
	p->service = (Mf__Rbac_Service)MF__RBAC__INIT(permits_);
	p->rbac.service = (Mf__Rbac_Service)RBAC_SERVICE;
	p->serves[0] = (struct serve){ &p->service.base, PRIMARY };
	bus_loopback(authbed.bus, "rbac", p->serves);
	rbac_start(&p->rbac, authbed.bus, &authbed.rbac_config, NULL, NULL);
}

static void
auth_begin(struct auth *a)
{
	static const char *const members[] = { "auth", NULL };
	const struct target_def def = { .service = &mf__auth__descriptor, .members = members };

	a->service = (Mf__Auth_Service)AUTH_SERVICE;
	auth_serves[0] = (struct serve){ &a->service.base, PRIMARY };
	bus_loopback(authbed.bus, "auth", auth_serves);
	assert_true(auth_start(a, authbed.bus, &authbed.auth_config));
	target = target_new(authbed.bus, &def);
}

static void
read_admin(void)
{
	char path[300];
	json_t *v;

	(void)snprintf(path, sizeof(path), "%s/admin.json", authbed.var);
	v = json_load_file(path, 0, NULL);
	if (v == NULL)
		return;
	(void)snprintf(authbed.admin_password, sizeof(authbed.admin_password), "%s",
	    json_string_value(json_object_get(v, "password")));
	json_decref(v);
}

static void
bed_open(bool with_database)
{
	const struct bus_opts opts = { .name = "auth", .generation = 1 };
	char err[200];

	authbed = (struct authbed){
		.loop = loop_new(),
		.var = test_dir(),
		.rbac_config = { .roles_poll_us = 10 * SEC },
		.auth_config = { .claims_max_age_us = 3600 * SEC,
		    .verify_try_us = 2 * SEC,
		    .check_try_us = 2 * SEC,
		    .login_failures = 10,
		    .login_window_us = 900 * SEC,
		    .login_delay_us = 1 * SEC,
		    .login_most = 1000 },
		.jwt_config = { .signing_dir = "",
		    .admin_file = "",
		    .signing_alg = "ES256",
		    .issuer = "metafed",
		    .audience = "metafed",
		    .access_ttl_us = 3600 * SEC,
		    .refresh_ttl_us = 30 * 86400 * SEC,
		    .refresh_repeat_us = 15 * SEC,
		    .revocation_poll_us = 10 * SEC,
		    .password_ops = 1,
		    .password_memory_bytes = 8 << 20,
		    .password_threads = 2,
		    .password_queue = 16 },
	};
	authbed.bus = bus_new(authbed.loop, &opts, err, sizeof(err));
	assert_non_null(authbed.bus);
	memdb_open(&authbed.db, authbed.bus);
	authbed.db.down = !with_database;
	permits_start(&authbed.rbac);
	loop_run_until(authbed.loop, roles_known, NULL, with_database ? 2 * SEC : 0);
	member_start(&authbed.jwt, "jwt", "oauth");
	member_start(&authbed.oauth, "oauth", "jwt");
	auth_begin(&authbed.auth);
	if (with_database) {
		authbed_until_seeded();
		read_admin();
	}
}

int
authbed_start(void **state)
{
	bed_open(true);
	return test_log_mark(state);
}

int
authbed_start_without_database(void **state)
{
	bed_open(false);
	return test_log_mark(state);
}

int
authbed_stop(void **state)
{
	bus_free(&authbed.bus);
	tokens_stop(&authbed.jwt.tokens);
	tokens_stop(&authbed.oauth.tokens);
	rbac_stop(&authbed.rbac.rbac);
	auth_stop(&authbed.auth);
	loop_free(&authbed.loop);
	memdb_close(&authbed.db);
	return test_log_check(state);
}

/* --- calls --- */

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct attempt *o = ctx;

	(void)c;
	o->done = true;
	if (end->failure == NULL)
		return;
	o->status = end->failure->status;
	o->retry_ms = end->failure->retry_ms;
	(void)snprintf(o->reason, sizeof(o->reason), "%s", end->failure->reason);
	(void)snprintf(o->message, sizeof(o->message), "%s", end->failure->message);
}

static void
finish(struct attempt *o)
{
	Mf__Empty e = MF__EMPTY__INIT;

	if (rpc_failure(o->rpc) != NULL)
		call_fail_with(o->call, rpc_failure(o->rpc));
	else
		call_reply(o->call, &e.base);
}

static void
on_pair(const Mf__TokenPair *m, void *ctx)
{
	struct attempt *o = ctx;

	if (m != NULL) {
		(void)snprintf(o->access, sizeof(o->access), "%s", m->access_token);
		(void)snprintf(o->refresh, sizeof(o->refresh), "%s", m->refresh_token);
		(void)snprintf(o->name, sizeof(o->name), "%s", m->principal->name);
		assert_int_equal(m->expires_in, 3600);
		assert_string_equal(m->token_type, "Bearer");
	}
	finish(o);
}

static void
on_grant(const Mf__AuthGrant *m, void *ctx)
{
	struct attempt *o = ctx;

	if (m != NULL) {
		(void)snprintf(o->method, sizeof(o->method), "%s", m->method);
		(void)snprintf(o->name, sizeof(o->name), "%s", m->principal->name);
		o->sequence = m->sequence;
		o->epoch = m->sequence_epoch;
	}
	finish(o);
}

static void
on_empty(const Mf__Empty *m, void *ctx)
{
	(void)m;
	finish(ctx);
}

static void
begin(struct attempt *o, const char *operation_id)
{
	memset(o, 0, sizeof(*o));
	o->took_us = time_now_us();
	o->call = call_root(authbed.bus,
	    &(struct call_opts){
		.limit_us = 20 * SEC, .done = on_end, .ctx = o, .operation_id = operation_id });
	o->rpc = rpc_new(o->call, target, NULL);
}

void
try_await(struct attempt *o)
{
	loop_run_until(authbed.loop, is_set, &o->done, 30 * SEC);
	assert_true(o->done);
	o->took_us = time_now_us() - o->took_us;
}

void
try_login_start(struct attempt *o, const char *username, const char *password, const char *address,
    const char *operation)
{
	Mf__Credentials q = MF__CREDENTIALS__INIT;
	char copy[2000];

	(void)snprintf(copy, sizeof(copy), "%s", password);
	q.username = (char *)(uintptr_t)username;
	q.password = copy;
	q.client_address = (char *)(uintptr_t)address;
	begin(o, operation);
	mf__auth__login(&o->rpc->service, &q, on_pair, o);
}

struct attempt
try_login(const char *username, const char *password)
{
	return try_login_from("192.0.2.1", username, password);
}

struct attempt
try_login_from(const char *address, const char *username, const char *password)
{
	struct attempt o;

	try_login_start(&o, username, password, address, NULL);
	try_await(&o);
	return o;
}

struct attempt
try_refresh(const char *token, const char *operation)
{
	Mf__RefreshToken q = MF__REFRESH_TOKEN__INIT;
	struct attempt o;

	q.refresh_token = (char *)(uintptr_t)token;
	begin(&o, operation);
	mf__auth__refresh(&o.rpc->service, &q, on_pair, &o);
	try_await(&o);
	return o;
}

struct attempt
try_logout(const char *token)
{
	Mf__RefreshToken q = MF__REFRESH_TOKEN__INIT;
	struct attempt o;

	q.refresh_token = (char *)(uintptr_t)token;
	begin(&o, NULL);
	mf__auth__logout(&o.rpc->service, &q, on_empty, &o);
	try_await(&o);
	return o;
}

struct attempt
try_check(const char *token, const char *permission)
{
	Mf__AuthCheck q = MF__AUTH_CHECK__INIT;
	struct attempt o;

	q.credential = (char *)(uintptr_t)token;
	q.permission = (char *)(uintptr_t)permission;
	begin(&o, NULL);
	mf__auth__check(&o.rpc->service, &q, on_grant, &o);
	try_await(&o);
	return o;
}

/* --- users and roles --- */

static void
on_account_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct account *o = ctx;
	const struct failure *f = end->failure;

	(void)c;
	o->done = true;
	if (f == NULL)
		return;
	o->status = f->status;
	(void)snprintf(o->reason, sizeof(o->reason), "%s", f->reason);
	(void)snprintf(o->message, sizeof(o->message), "%s", f->message);
	if (f->n_violations > 0)
		(void)snprintf(o->field, sizeof(o->field), "%s", f->violations[0].field);
}

static void
on_account(const Mf__StoreResult *m, void *ctx)
{
	struct account *o = ctx;
	Mf__Empty e = MF__EMPTY__INIT;

	if (m == NULL) {
		call_fail_with(o->call, rpc_failure(o->rpc));
		return;
	}
	(void)snprintf(o->text, sizeof(o->text), "%.*s", (int)m->data.len, (char *)m->data.data);
	o->version = m->version;
	o->repeated = m->repeated;
	call_reply(o->call, &e.base);
}

struct account
try_account(const struct account_ask *q)
{
	char *roles[] = { (char *)(uintptr_t)(q->as != NULL ? q->as : "admin") };
	Mf__Principal who = MF__PRINCIPAL__INIT;
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct account o = { 0 };
	char operation[UUID_LEN], data[2000];

	uuid7(operation);
	(void)snprintf(data, sizeof(data), "%s", q->data != NULL ? q->data : "");
	who.id =
	    (char *)(uintptr_t)(q->by != NULL ? q->by : "018f0000-0000-7000-8000-0000000000aa");
	who.n_roles = 1;
	who.roles = roles;
	op.kind = q->kind;
	op.model = (char *)(uintptr_t)q->model;
	op.id = (char *)(uintptr_t)(q->id != NULL ? q->id : "");
	op.data = (ProtobufCBinaryData){ strlen(data), (uint8_t *)data };
	op.if_version = q->if_version;
	op.operation_id = (char *)(uintptr_t)(q->operation != NULL ? q->operation : operation);
	o.call = call_root(authbed.bus, &(struct call_opts){ .limit_us = 20 * SEC,
					    .done = on_account_end,
					    .ctx = &o,
					    .operation_id = op.operation_id,
					    .principal = &who });
	o.rpc = rpc_new(o.call, target, NULL);
	if (q->kind == MF__STORE_OP__KIND__READ_ONE || q->kind == MF__STORE_OP__KIND__QUERY_MANY)
		mf__auth__read(&o.rpc->service, &op, on_account, &o);
	else
		mf__auth__write(&o.rpc->service, &op, on_account, &o);
	loop_run_until(authbed.loop, is_set, &o.done, 30 * SEC);
	assert_true(o.done);
	return o;
}

/* --- what is stored --- */

void
add_user(const char *name, const char *password, const char *role)
{
	char hash[crypto_pwhash_STRBYTES], id[UUID_LEN];

	assert_int_equal(crypto_pwhash_str(hash, password, strlen(password), 1, 8 << 20), 0);
	uuid7(id);
	memdb_put(&authbed.db, "user", id,
	    json_pack("{s:s,s:s,s:[s],s:b}", "username", name, "password_hash", hash, "roles", role,
		"disabled", 0));
}

json_t *
user_named(const char *name)
{
	const char *id;
	json_t *row;

	json_object_foreach(json_object_get(authbed.db.rows, "user"), id,
	    row) if (strcmp(json_string_value(json_object_get(row, "username")), name) ==
		     0) return row;
	return NULL;
}

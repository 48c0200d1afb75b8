/* auth: the whole domain in one process, over loop-back: auth, jwt, oauth in its place, rbac, and a
 * database in memory. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "auth/auth.h"
#include "auth/jwt/claims.h"
#include "auth/jwt/jwt.h"
#include "auth/rbac/rbac.h"
#include "base/id.h"
#include "base/time.h"
#include "harness/jwk.h"
#include "harness/memdb.h"
#include "harness/test.h"

struct member {              /* an agent that can be down */
	Mf__Jwt_Service jwt; /* first */
	struct tokens tokens;
	struct serve serves[2];
	bool down;
	unsigned calls;
};

struct permits {
	Mf__Rbac_Service service; /* first */
	struct rbac rbac;
	struct serve serves[2];
	bool down;
};

struct out {
	bool done;
	enum status status;
	char reason[40], message[200], method[16], name[80], refresh[64];
	char access[JWS_TOKEN_MAX + 1];
	uint32_t retry_ms;
	uint64_t sequence, epoch;
	struct call *call;
	struct rpc *rpc;
	int64_t took_us;
};

static struct loop *loop;
static struct bus *bus;
static struct memdb db;
static struct member jwt, oauth;
static struct permits rbac;
static struct auth auth;
static struct serve auth_serves[2];
static struct target *target;
static const char *var;
static char admin_password[64];
static struct auth_config auth_config;
static struct jwt_config jwt_config;
static const struct rbac_config rbac_config = { .roles_poll_us = 10 * SEC };

/* --- members that can be down --- */

static bool
is_down(struct member *m, struct call *c)
{
	m->calls++;
	if (m->down)
		call_fail(c, ST_UNAVAILABLE, "down");
	return m->down;
}

static void
member_verify(
    Mf__Jwt_Service *s, const Mf__TokenText *q, Mf__VerifiedToken_Closure reply, void *ctx)
{
	struct member *m = (struct member *)s;

	if (!is_down(m, ctx))
		tokens_verify(&m->tokens.service, q, reply, ctx);
}

static void
member_login(Mf__Jwt_Service *s, const Mf__Credentials *q, Mf__TokenPair_Closure reply, void *ctx)
{
	struct member *m = (struct member *)s;

	if (!is_down(m, ctx))
		tokens_login(&m->tokens.service, q, reply, ctx);
}

static void
member_refresh(
    Mf__Jwt_Service *s, const Mf__RefreshToken *q, Mf__TokenPair_Closure reply, void *ctx)
{
	struct member *m = (struct member *)s;

	if (!is_down(m, ctx))
		tokens_refresh(&m->tokens.service, q, reply, ctx);
}

static void
member_logout(Mf__Jwt_Service *s, const Mf__RefreshToken *q, Mf__Empty_Closure reply, void *ctx)
{
	struct member *m = (struct member *)s;

	if (!is_down(m, ctx))
		tokens_logout(&m->tokens.service, q, reply, ctx);
}

static void
member_keys(Mf__Jwt_Service *s, const Mf__Empty *q, Mf__JwkSet_Closure reply, void *ctx)
{
	struct member *m = (struct member *)s;

	if (!is_down(m, ctx))
		tokens_keys(&m->tokens.service, q, reply, ctx);
}

static void
permits_check(Mf__Rbac_Service *s, const Mf__PermissionCheck *q, Mf__PermissionAnswer_Closure reply,
    void *ctx)
{
	struct permits *p = (struct permits *)s;

	if (p->down)
		call_fail(ctx, ST_UNAVAILABLE, "down");
	else
		rbac_check(&p->rbac.service, q, reply, ctx);
}

static void
permits_expand(
    Mf__Rbac_Service *s, const Mf__RoleNames *q, Mf__PermissionList_Closure reply, void *ctx)
{
	struct permits *p = (struct permits *)s;

	if (p->down)
		call_fail(ctx, ST_UNAVAILABLE, "down");
	else
		rbac_expand(&p->rbac.service, q, reply, ctx);
}

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
static void
pass(int64_t us)
{
	loop_run_until(loop, never, NULL, us);
}
static bool
roles_known(void *ctx)
{
	(void)ctx;
	return rbac.rbac.policy != NULL;
}

static bool
seeded(void *ctx)
{
	(void)ctx;
	return memdb_count(&db, "user") > 0 && jwt.tokens.revoked.known &&
	       oauth.tokens.revoked.known && rbac.rbac.policy != NULL;
}

static void
member_start(struct member *m, const char *name, const char *peer)
{
	char err[300];

	memset(m, 0, sizeof(*m));
	m->jwt = (Mf__Jwt_Service)MF__JWT__INIT(member_);
	m->tokens.service = (Mf__Jwt_Service)TOKENS_SERVICE;
	m->serves[0] = (struct serve){ &m->jwt.base, PRIMARY };
	bus_loopback(bus, name, m->serves);
	if (!tokens_start(&m->tokens,
		&(struct tokens_opts){
		    .bus = bus, .var = var, .peer = peer, .config = &jwt_config },
		err, sizeof(err)))
		fail_msg("%s", err);
}

static void
read_admin(void)
{
	char path[300];
	json_t *v;

	(void)snprintf(path, sizeof(path), "%s/admin.json", var);
	v = json_load_file(path, 0, NULL);
	if (v == NULL)
		return;
	(void)snprintf(admin_password, sizeof(admin_password), "%s",
	    json_string_value(json_object_get(v, "password")));
	json_decref(v);
}

static void
open_bed(bool with_database)
{
	static const char *const members[] = { "auth", NULL };
	char err[200];

	loop = loop_new();
	bus = bus_new(
	    loop, &(const struct bus_opts){ .name = "auth", .generation = 1 }, err, sizeof(err));
	assert_non_null(bus);
	memdb_open(&db, bus);
	db.down = !with_database;
	jwt_config = (struct jwt_config){ .signing_dir = "",
		.admin_file = "",
		.signing_alg = "ES256",
		.issuer = "metafed",
		.audience = "metafed",
		.access_ttl_us = 3600 * SEC,
		.refresh_ttl_us = 30 * 86400 * SEC,
		.revocation_poll_us = 10 * SEC,
		.password_ops = 1,
		.password_memory_bytes = 8 << 20,
		.password_threads = 2,
		.password_queue = 16 };
	auth_config = (struct auth_config){ .claims_max_age_us = 3600 * SEC,
		.verify_try_us = 2 * SEC,
		.check_try_us = 2 * SEC,
		.login_failures = 10,
		.login_window_us = 60 * SEC };
	var = test_dir();
	memset(&rbac, 0, sizeof(rbac));
	rbac.service = (Mf__Rbac_Service)MF__RBAC__INIT(permits_);
	rbac.rbac.service = (Mf__Rbac_Service)RBAC_SERVICE;
	rbac.serves[0] = (struct serve){ &rbac.service.base, PRIMARY };
	bus_loopback(bus, "rbac", rbac.serves);
	rbac_start(&rbac.rbac, bus, &rbac_config, NULL, NULL);
	loop_run_until(loop, roles_known, NULL, with_database ? 2 * SEC : 0);
	member_start(&jwt, "jwt", "oauth");
	member_start(&oauth, "oauth", "jwt");
	memset(&auth, 0, sizeof(auth));
	auth.service = (Mf__Auth_Service)AUTH_SERVICE;
	auth_serves[0] = (struct serve){ &auth.service.base, PRIMARY };
	bus_loopback(bus, "auth", auth_serves);
	assert_true(auth_start(&auth, bus, &auth_config));
	target = target_new(bus,
	    &(const struct target_def){ .service = &mf__auth__descriptor, .members = members });
	if (with_database) {
		loop_run_until(loop, seeded, NULL, 5 * SEC);
		assert_true(seeded(NULL));
		read_admin();
	}
}

static int
start(void **state)
{
	open_bed(true);
	return test_log_mark(state);
}

static int
start_without_database(void **state)
{
	open_bed(false);
	return test_log_mark(state);
}

static int
stop(void **state)
{
	bus_free(&bus);
	tokens_stop(&jwt.tokens);
	tokens_stop(&oauth.tokens);
	rbac_stop(&rbac.rbac);
	auth_stop(&auth);
	loop_free(&loop);
	memdb_close(&db);
	return test_log_check(state);
}
#define BED(f)  cmocka_unit_test_setup_teardown(f, start, stop)
#define BARE(f) cmocka_unit_test_setup_teardown(f, start_without_database, stop)

/* --- calls --- */

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct out *o = ctx;

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
finish(struct out *o)
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
	struct out *o = ctx;

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
	struct out *o = ctx;

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
begin(struct out *o, const char *operation_id)
{
	memset(o, 0, sizeof(*o));
	o->took_us = time_now_us();
	o->call = call_root(bus,
	    &(struct call_opts){
		.limit_us = 20 * SEC, .done = on_end, .ctx = o, .operation_id = operation_id });
	o->rpc = rpc_new(o->call, target, NULL);
}

static void
await(struct out *o)
{
	loop_run_until(loop, is_set, &o->done, 30 * SEC);
	assert_true(o->done);
	o->took_us = time_now_us() - o->took_us;
}

static void
login_start(struct out *o, const char *username, const char *password, const char *address,
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

static struct out
login(const char *username, const char *password)
{
	struct out o;

	login_start(&o, username, password, "192.0.2.1", NULL);
	await(&o);
	return o;
}

static struct out
refresh(const char *token, const char *operation)
{
	Mf__RefreshToken q = MF__REFRESH_TOKEN__INIT;
	struct out o;

	q.refresh_token = (char *)(uintptr_t)token;
	begin(&o, operation);
	mf__auth__refresh(&o.rpc->service, &q, on_pair, &o);
	await(&o);
	return o;
}

static struct out
logout(const char *token)
{
	Mf__RefreshToken q = MF__REFRESH_TOKEN__INIT;
	struct out o;

	q.refresh_token = (char *)(uintptr_t)token;
	begin(&o, NULL);
	mf__auth__logout(&o.rpc->service, &q, on_empty, &o);
	await(&o);
	return o;
}

static struct out
check(const char *token, const char *permission)
{
	Mf__AuthCheck q = MF__AUTH_CHECK__INIT;
	struct out o;

	q.credential = (char *)(uintptr_t)token;
	q.permission = (char *)(uintptr_t)permission;
	begin(&o, NULL);
	mf__auth__check(&o.rpc->service, &q, on_grant, &o);
	await(&o);
	return o;
}

#define REFUSED(o, st, why)                                                                        \
	do {                                                                                       \
		struct out o_ = (o);                                                               \
		assert_int_equal(o_.status, (st));                                                 \
		assert_string_equal(o_.reason, (why));                                             \
	} while (0)

static void
add_user(const char *name, const char *password, const char *role)
{
	char hash[crypto_pwhash_STRBYTES], id[UUID_LEN];

	assert_int_equal(crypto_pwhash_str(hash, password, strlen(password), 1, 8 << 20), 0);
	uuid7(id);
	memdb_put(&db, "user", id,
	    json_pack("{s:s,s:s,s:[s],s:b}", "username", name, "password_hash", hash, "roles", role,
		"disabled", 0));
}

static json_t *
user_named(const char *name)
{
	const char *id;
	json_t *row;

	json_object_foreach(json_object_get(db.rows, "user"), id,
	    row) if (strcmp(json_string_value(json_object_get(row, "username")), name) ==
		     0) return row;
	return NULL;
}

/* --- the first administrator --- */

static void
the_first_start_leaves_a_password_that_logs_in_as_admin(void **unused)
{
	struct out o = login("admin", admin_password);
	char path[300];
	struct stat st;

	(void)unused;
	assert_true(strlen(admin_password) >= 24);
	(void)snprintf(path, sizeof(path), "%s/admin.json", var);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.name, "admin");
	assert_int_equal(memdb_count(&db, "user"), 1); /* jwt and oauth both tried */
	o = check(o.access, "user.delete");
	assert_int_equal(o.status, ST_OK);
	assert_string_equal(o.method, "rbac");
	assert_string_equal(o.name, "admin");
}

static void
seeding_waits_for_the_database_and_keeps_the_password_of_the_file(void **unused)
{
	char path[300];
	FILE *f;

	(void)unused;
	(void)snprintf(path, sizeof(path), "%s/admin.json", var);
	pass(100 * MS);
	assert_int_not_equal(access(path, F_OK), 0);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs("{\"username\":\"admin\",\"password\":\"chosen before the account was\"}",
			f) > 0);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
	db.down = false;
	loop_run_until(loop, seeded, NULL, 5 * SEC);
	assert_int_equal(login("admin", "chosen before the account was").status, ST_OK);
}

static void
where_there_is_a_user_no_administrator_is_made(void **unused)
{
	char path[300];

	(void)unused;
	add_user("root", "root's password", "admin");
	db.down = false;
	loop_run_until(loop, seeded, NULL, 5 * SEC);
	pass(600 * MS);
	(void)snprintf(path, sizeof(path), "%s/admin.json", var);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(memdb_count(&db, "user"), 1);
}

/* --- log-in --- */

static void
a_wrong_password_an_unknown_and_a_disabled_user_get_the_same_answer(void **unused)
{
	struct out wrong, unknown, disabled, odd;

	(void)unused;
	add_user("off", "right", "user");
	json_object_set_new(user_named("off"), "disabled", json_true());
	wrong = login("admin", "wrong");
	unknown = login("nobody", "wrong");
	disabled = login("off", "right");
	odd = login("no such\nname", "wrong");
	REFUSED(wrong, ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	REFUSED(unknown, ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	REFUSED(disabled, ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	REFUSED(odd, ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	assert_string_equal(wrong.message, unknown.message);
	assert_string_equal(wrong.message, disabled.message);
	assert_string_equal(wrong.message, odd.message);
}

static int64_t
cpu_us(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return t.tv_sec * SEC + t.tv_nsec / 1000;
}

/* In processor time, best of five each: an unknown name must cost what hashing costs, not what a
 * failed lookup costs. */
static void
an_unknown_name_costs_the_time_of_a_wrong_password(void **unused)
{
	int64_t known = INT64_MAX, unknown = INT64_MAX;

	(void)unused;
	for (int i = 0; i < 5; i++) {
		int64_t t0 = cpu_us(), t1, t2;

		(void)login("admin", "wrong");
		t1 = cpu_us();
		(void)login("nobody", "wrong");
		t2 = cpu_us();
		known = t1 - t0 < known ? t1 - t0 : known;
		unknown = t2 - t1 < unknown ? t2 - t1 : unknown;
	}
	print_message("known %lld us, unknown %lld us\n", (long long)known, (long long)unknown);
	assert_true(unknown * 2 > known);
	assert_true(known * 2 > unknown);
}

static void
the_eleventh_failure_of_an_account_from_an_address_is_told_to_wait(void **unused)
{
	struct out o;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	for (int i = 0; i < 10; i++)
		REFUSED(login("admin", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	o = login("admin", admin_password);
	REFUSED(o, ST_RESOURCE_EXHAUSTED, "LOGIN_LIMIT");
	assert_true(o.retry_ms > 0 && o.retry_ms <= 6001);
	login_start(&o, "admin", admin_password, "198.51.100.7", NULL);
	await(&o);
	assert_int_equal(o.status, ST_OK); /* its owner is elsewhere and gets in */
}

static void
too_long_or_no_password_is_an_argument_not_a_guess(void **unused)
{
	char longest[PASSWORD_MAX + 2];

	(void)unused;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(login("admin", longest).status, ST_INVALID_ARGUMENT);
	assert_int_equal(login("admin", "").status, ST_INVALID_ARGUMENT);
	longest[PASSWORD_MAX] = '\0';
	REFUSED(login("admin", longest), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
}

static void
a_full_password_queue_refuses_at_once_and_verifying_does_not_wait_behind_it(void **unused)
{
	static struct out many[100];
	unsigned full = 0, in = 0;
	struct out o = login("admin", admin_password), seen;

	(void)unused;
	for (int i = 0; i < 100; i++) {
		char address[20];

		(void)snprintf(address, sizeof(address), "203.0.113.%d", i);
		login_start(&many[i], "admin", admin_password, address, NULL);
	}
	seen = check(o.access, "task.read");
	assert_int_equal(seen.status, ST_OK);
	for (int i = 0; i < 100; i++)
		in += !many[i].done;
	assert_true(in > 0); /* it overtook them */
	for (int i = 0; i < 100; i++) {
		await(&many[i]);
		full += many[i].status == ST_RESOURCE_EXHAUSTED;
		assert_true(many[i].status == ST_OK || many[i].status == ST_RESOURCE_EXHAUSTED);
	}
	assert_true(full > 0 && full < 100);
}

static void
without_the_database_a_log_in_is_unavailable_never_wrong(void **unused)
{
	struct out o;

	(void)unused;
	db.down = true;
	o = login("admin", admin_password);
	assert_int_equal(o.status, ST_UNAVAILABLE);
	print_message("after %lld ms\n", (long long)(o.took_us / MS));
	assert_true(o.took_us < 2 * SEC); /* tries below tries do not multiply */
	assert_int_equal(login("admin", "wrong").status, ST_UNAVAILABLE);
	db.down = false;
	assert_int_equal(login("admin", admin_password).status, ST_OK);
}

static void
without_rbac_a_log_in_is_unavailable_because_its_permissions_are_not_known(void **unused)
{
	(void)unused;
	rbac.down = true;
	REFUSED(login("admin", admin_password), ST_UNAVAILABLE, "ROLES_UNAVAILABLE");
}

static void
the_same_operation_id_logs_in_to_the_same_session(void **unused)
{
	struct out one, two, three;

	(void)unused;
	login_start(&one, "admin", admin_password, "", "op-1");
	await(&one);
	login_start(&two, "admin", admin_password, "", "op-1");
	await(&two);
	assert_int_equal(one.status, ST_OK);
	assert_string_equal(one.refresh, two.refresh);
	assert_int_equal(memdb_count(&db, "refresh_token"), 1);
	assert_int_equal(logout(one.refresh).status, ST_OK);
	login_start(&three, "admin", admin_password, "", "op-1");
	await(&three);
	assert_string_not_equal(one.refresh, three.refresh); /* that one has been ended */
	assert_int_equal(refresh(three.refresh, NULL).status, ST_OK);
}

/* --- refresh --- */

static void
a_refresh_gives_a_new_pair_and_uses_the_old_token_up(void **unused)
{
	struct out one = login("admin", admin_password), two = refresh(one.refresh, NULL), three;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	assert_int_equal(two.status, ST_OK);
	assert_string_not_equal(one.refresh, two.refresh);
	assert_int_equal(check(two.access, "task.read").status, ST_OK);
	three = refresh(one.refresh, NULL);
	REFUSED(three, ST_UNAUTHENTICATED, "REFRESH_REUSED");
}

static void
a_reused_token_ends_the_whole_session_and_no_other(void **unused)
{
	struct out one = login("admin", admin_password), other = login("admin", admin_password);
	struct out two = refresh(one.refresh, NULL);
	uint64_t before = auth.sequence;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	REFUSED(refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "REFRESH_REUSED");
	assert_true(auth.sequence > before);
	REFUSED(refresh(two.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(check(two.access, "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(check(one.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(check(other.access, "task.read").status, ST_OK);
	assert_int_equal(refresh(other.refresh, NULL).status, ST_OK);
}

static void
a_refresh_whose_answer_was_lost_is_repeated_and_gives_the_same_pair(void **unused)
{
	struct out one = login("admin", admin_password), two, again;

	(void)unused;
	db.lose_answers = 1;
	two = refresh(one.refresh, "op-7"); /* the bus tries again below */
	assert_int_equal(two.status, ST_OK);
	again = refresh(one.refresh, "op-7"); /* and so does somebody further out */
	assert_int_equal(again.status, ST_OK);
	assert_string_equal(two.refresh, again.refresh);
	assert_int_equal(memdb_count(&db, "refresh_token"), 2);
	assert_int_equal(refresh(two.refresh, "op-8").status, ST_OK);
}

static void
a_repeat_on_the_stand_in_gives_the_same_pair(void **unused)
{
	struct out one = login("admin", admin_password), two = refresh(one.refresh, "op-7"), again;

	(void)unused;
	jwt.down = true;
	again = refresh(one.refresh, "op-7");
	assert_int_equal(again.status, ST_OK);
	assert_string_equal(two.refresh, again.refresh);
}

static void
refresh_meanwhile(struct memdb *m)
{
	const char *id;
	json_t *row;

	(void)m;
	/* Somebody else's transaction commits just before ours. */
	json_object_foreach(json_object_get(db.rows, "refresh_token"), id,
	    row) if (json_is_false(json_object_get(row, "revoked")))
	{
		json_object_set_new(row, "used_at", json_string("2026-01-01T00:00:00Z"));
		json_object_set_new(row, "revoked", json_true());
		json_object_set_new(row, "version", json_integer(2));
	}
}

static void
of_two_refreshes_at_once_the_slower_one_is_reuse(void **unused)
{
	struct out one = login("admin", admin_password);

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	db.before_write = refresh_meanwhile;
	REFUSED(refresh(one.refresh, "slower"), ST_UNAUTHENTICATED, "REFRESH_REUSED");
	REFUSED(check(one.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
a_disabled_user_and_rubbish_cannot_refresh(void **unused)
{
	struct out one = login("admin", admin_password);

	(void)unused;
	REFUSED(refresh("rubbish", NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(refresh("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL), ST_UNAUTHENTICATED,
	    "TOKEN_INVALID");
	REFUSED(refresh(one.access, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	json_object_set_new(user_named("admin"), "disabled", json_true());
	REFUSED(refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
without_rbac_a_refresh_is_unavailable_and_the_token_is_not_used_up(void **unused)
{
	struct out one = login("admin", admin_password);

	(void)unused;
	rbac.down = true;
	assert_int_equal(refresh(one.refresh, NULL).status, ST_UNAVAILABLE);
	rbac.down = false;
	assert_int_equal(refresh(one.refresh, NULL).status, ST_OK);
}

static void
after_a_log_out_neither_token_counts_and_the_sequence_has_moved(void **unused)
{
	struct out one = login("admin", admin_password), seen = check(one.access, "task.read");

	(void)unused;
	assert_int_equal(seen.status, ST_OK);
	assert_true(seen.epoch == auth.epoch && seen.sequence == auth.sequence);
	assert_int_equal(logout(one.refresh).status, ST_OK);
	assert_true(auth.sequence > seen.sequence);
	REFUSED(check(one.access, "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	REFUSED(refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(logout(one.refresh).status, ST_OK); /* again: fine */
	assert_int_equal(logout("rubbish").status, ST_OK);
}

static void
a_log_out_that_could_not_be_stored_says_so_and_can_be_repeated(void **unused)
{
	struct out one = login("admin", admin_password);

	(void)unused;
	db.down = true;
	assert_int_equal(logout(one.refresh).status, ST_UNAVAILABLE);
	db.down = false;
	assert_int_equal(logout(one.refresh).status, ST_OK);
	REFUSED(check(one.access, ""), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

/* --- stand-ins --- */

static void
while_jwt_is_down_oauth_logs_in_refreshes_and_verifies(void **unused)
{
	struct out o;

	(void)unused;
	jwt.down = true;
	o = login("admin", admin_password);
	assert_int_equal(o.status, ST_OK);
	o = refresh(o.refresh, NULL);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(check(o.access, "task.read").status, ST_OK);
	assert_true(oauth.calls >= 3);
	jwt.down = false;
	assert_int_equal(check(o.access, "task.read").status, ST_OK); /* the same keys */
}

static void
a_refused_credential_is_not_tried_on_another_agent(void **unused)
{
	(void)unused;
	oauth.calls = 0;
	REFUSED(login("admin", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	REFUSED(check("a.b.c", "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(oauth.calls, 0);
}

static void
with_both_down_nothing_is_verified(void **unused)
{
	struct out o = login("admin", admin_password);

	(void)unused;
	log_set_level(LOG_ERROR); /* breakers open, more or fewer of them */
	jwt.down = oauth.down = true;
	assert_int_equal(check(o.access, "task.read").status, ST_UNAVAILABLE);
	assert_int_equal(check(o.access, "").status, ST_UNAVAILABLE);
	log_set_level(LOG_INFO);
}

static void
until_the_revocations_were_read_nothing_is_verified(void **unused)
{
	struct out o;

	(void)unused;
	o = login("admin", admin_password);
	jwt.tokens.revoked.known = oauth.tokens.revoked.known = false;
	REFUSED(check(o.access, "task.read"), ST_UNAVAILABLE, "REVOCATIONS_UNKNOWN");
	REFUSED(check("a.b.c", "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void
while_rbac_is_down_the_claims_decide_as_long_as_they_are_young(void **unused)
{
	struct out o;

	(void)unused;
	add_user("vera", "vera's password", "viewer");
	o = login("vera", "vera's password");
	rbac.down = true;
	o.done = false;
	assert_string_equal(check(o.access, "task.read").method, "claims");
	REFUSED(check(o.access, "task.create"), ST_PERMISSION_DENIED, "PERMISSION");
	auth_config.claims_max_age_us = 0;
	assert_int_equal(check(o.access, "task.read").status, ST_UNAVAILABLE);
	assert_int_equal(check(o.access, "task.create").status, ST_UNAVAILABLE);
	rbac.down = false;
	assert_string_equal(check(o.access, "task.read").method, "rbac");
}

static void
while_rbac_knows_better_the_claims_do_not_count(void **unused)
{
	struct out o;

	(void)unused;
	add_user("vera", "vera's password", "user");
	o = login("vera", "vera's password");
	assert_int_equal(check(o.access, "task.create").status, ST_OK);
	memdb_put(
	    &db, "role", "user", json_pack("{s:[s],s:[]}", "permissions", "task.read", "inherits"));
	timer_in(&rbac.rbac.poll_timer, 0);
	pass(50 * MS);
	REFUSED(check(o.access, "task.create"), ST_PERMISSION_DENIED, "PERMISSION");
}

/* --- checks --- */

static void
no_credential_reaches_only_what_the_role_anonymous_permits(void **unused)
{
	(void)unused;
	REFUSED(check("", "task.read"), ST_UNAUTHENTICATED, "NO_CREDENTIAL");
	REFUSED(check("", ""), ST_UNAUTHENTICATED, "NO_CREDENTIAL");
	memdb_put(&db, "role", "anonymous",
	    json_pack("{s:[s],s:[]}", "permissions", "fleet.read", "inherits"));
	timer_in(&rbac.rbac.poll_timer, 0);
	pass(50 * MS);
	assert_int_equal(check("", "fleet.read").status, ST_OK);
	REFUSED(check("", "task.read"), ST_UNAUTHENTICATED, "NO_CREDENTIAL");
	rbac.down = true;
	assert_int_equal(check("", "fleet.read").status, ST_UNAVAILABLE);
}

static void
a_missing_permission_is_named_and_nothing_else(void **unused)
{
	struct out o;

	(void)unused;
	add_user("vera", "vera's password", "viewer");
	o = login("vera", "vera's password");
	assert_int_equal(check(o.access, "").status, ST_OK);
	assert_int_equal(check(o.access, "task.read").status, ST_OK);
	o = check(o.access, "user.delete");
	REFUSED(o, ST_PERMISSION_DENIED, "PERMISSION");
	assert_string_equal(o.message, "this needs the permission user.delete");
}

/* A token that our own key signed, with something wrong inside. */
static const char *
forged(struct arena *a, const char *type, const char *issuer, const char *audience, int64_t from_s,
    int64_t to_s)
{
	int64_t now = time_wall_us() / SEC;
	char *payload = arena_printf(a,
	    "{\"iss\":\"%s\",\"aud\":\"%s\",\"sub\":\"018f0000-0000-7000-8000-000000000001\","
	    "\"name\":\"eve\",\"jti\":\"j\",\"sid\":\"018f0000-0000-7000-8000-000000000002\","
	    "\"roles\":[\"admin\"],"
	    "\"perms\":[\"*\"],\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld}",
	    issuer, audience, (long long)(now + from_s), (long long)(now + from_s),
	    (long long)(now + to_s));

	return jws_sign(a, keyring_signer(jwt.tokens.keys), type, payload, strlen(payload));
}

static void
every_wrong_token_gets_one_of_two_reasons(void **unused)
{
	struct arena *a = arena_new(1 << 20);
	struct jws_key *foreign = jws_key_generate(JWS_ES256);
	const char *good = forged(a, CLAIMS_TYPE, "metafed", "metafed", -5, 60);
	const char *bad[] = {
		forged(a, "JWT", "metafed", "metafed", -5, 60),
		forged(a, "id_token", "metafed", "metafed", -5, 60),
		forged(a, CLAIMS_TYPE, "evil", "metafed", -5, 60),
		forged(a, CLAIMS_TYPE, "metafed", "other", -5, 60),
		forged(a, CLAIMS_TYPE, "metafed", "metafed", 300, 600), /* not yet */
		jws_sign(a, foreign, CLAIMS_TYPE, "{}", 2),             /* unknown kid */
		jwk_token(a, "{\"alg\":\"none\",\"typ\":\"at+jwt\"}", "{}", ""),
		jwk_token(a, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", "{}", "AAAA"),
		arena_printf(a, "%sA", good),
		arena_printf(a, " %s", good),
		"x",
		"..",
		"Bearer",
		"\xff\xfe",
	};
	char *huge = arena_alloc(a, 100000);
	struct out o;

	(void)unused;
	o = check(good, "task.read");
	assert_int_equal(o.status, ST_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct out b = check(bad[i], "task.read");

		if (b.status != ST_UNAUTHENTICATED || strcmp(b.reason, "TOKEN_INVALID") != 0)
			fail_msg("token %zu: %s %s", i, status_name(b.status), b.reason);
		if (i > 0)
			assert_string_equal(b.message, o.message);
		o = b;
	}
	REFUSED(check(forged(a, CLAIMS_TYPE, "metafed", "metafed", -600, -1), "task.read"),
	    ST_UNAUTHENTICATED, "TOKEN_EXPIRED");
	memset(huge, 'A', 99999);
	huge[99999] = '\0';
	REFUSED(check(huge, "task.read"), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	jws_key_free(&foreign);
	arena_free(&a);
}

/* The peer makes a key (another algorithm was configured there); we meet its id and look. */
static void
an_unknown_key_id_makes_us_look_at_the_directory(void **unused)
{
	struct jwt_config other = jwt_config;
	struct out o;

	(void)unused;
	other.signing_alg = "EdDSA";
	tokens_reload(&oauth.tokens, &other);
	jwt.down = true;
	o = login("admin", admin_password);
	assert_int_equal(o.status, ST_OK);
	jwt.down = false;
	oauth.down = true;
	assert_int_equal(keyring_size(jwt.tokens.keys), 1);
	assert_int_equal(check(o.access, "task.read").status, ST_OK);
	assert_int_equal(keyring_size(jwt.tokens.keys), 2);
	oauth.down = false;
	tokens_reload(&oauth.tokens, &jwt_config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(the_first_start_leaves_a_password_that_logs_in_as_admin),
		BARE(seeding_waits_for_the_database_and_keeps_the_password_of_the_file),
		BARE(where_there_is_a_user_no_administrator_is_made),
		BED(a_wrong_password_an_unknown_and_a_disabled_user_get_the_same_answer),
		BED(an_unknown_name_costs_the_time_of_a_wrong_password),
		BED(the_eleventh_failure_of_an_account_from_an_address_is_told_to_wait),
		BED(too_long_or_no_password_is_an_argument_not_a_guess),
		BED(a_full_password_queue_refuses_at_once_and_verifying_does_not_wait_behind_it),
		BED(without_the_database_a_log_in_is_unavailable_never_wrong),
		BED(without_rbac_a_log_in_is_unavailable_because_its_permissions_are_not_known),
		BED(the_same_operation_id_logs_in_to_the_same_session),
		BED(a_refresh_gives_a_new_pair_and_uses_the_old_token_up),
		BED(a_reused_token_ends_the_whole_session_and_no_other),
		BED(a_refresh_whose_answer_was_lost_is_repeated_and_gives_the_same_pair),
		BED(a_repeat_on_the_stand_in_gives_the_same_pair),
		BED(of_two_refreshes_at_once_the_slower_one_is_reuse),
		BED(a_disabled_user_and_rubbish_cannot_refresh),
		BED(without_rbac_a_refresh_is_unavailable_and_the_token_is_not_used_up),
		BED(after_a_log_out_neither_token_counts_and_the_sequence_has_moved),
		BED(a_log_out_that_could_not_be_stored_says_so_and_can_be_repeated),
		BED(while_jwt_is_down_oauth_logs_in_refreshes_and_verifies),
		BED(a_refused_credential_is_not_tried_on_another_agent),
		BED(with_both_down_nothing_is_verified),
		BED(until_the_revocations_were_read_nothing_is_verified),
		BED(while_rbac_is_down_the_claims_decide_as_long_as_they_are_young),
		BED(while_rbac_knows_better_the_claims_do_not_count),
		BED(no_credential_reaches_only_what_the_role_anonymous_permits),
		BED(a_missing_permission_is_named_and_nothing_else),
		BED(every_wrong_token_gets_one_of_two_reasons),
		BED(an_unknown_key_id_makes_us_look_at_the_directory),
	};

	return TEST_RUN(tests);
}

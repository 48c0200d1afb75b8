/* authbed: see authbed.h. The calls to it: authbed_login.c, authbed_accounts.c, authbed_web.c. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/time.h"
#include "harness/authbed.h"

struct authbed authbed;
const struct auth_config authbed_auth_config = { .claims_max_age_us = 3600 * SEC,
	.verify_try_us = 2 * SEC,
	.check_try_us = 2 * SEC,
	.login_failures = 10,
	.login_window_us = 900 * SEC,
	.login_delay_us = 1 * SEC,
	.login_most = 1000,
	.login_turn_us = 60 * SEC,
	.risk_factor = 50,
	.risk_refuse = 85,
	.risk_lock = 95,
	.risk_failover = 70,
	.geo_file = "",
	.audit_checkpoint = 1000,
	.audit_checkpoint_after_us = 60 * SEC,
	.audit_keep_us = 0 };
const struct jwt_config authbed_jwt_config = { .signing_dir = "",
	.seal_key = "",
	.admin_file = "",
	.signing_alg = "ES256",
	.key_rotation_us = 30 * 86400 * SEC,
	.key_publish_ahead_us = 3600 * SEC,
	.issuer = "metafed",
	.audience = "metafed",
	.access_ttl_us = 3600 * SEC,
	.refresh_ttl_us = 30 * 86400 * SEC,
	.refresh_repeat_us = 15 * SEC,
	.revocation_poll_us = 10 * SEC,
	.password_min = 10,
	.password_ops = 1,
	.password_memory_bytes = 8 << 20,
	.password_threads = 2,
	.password_queue = 16 };

static struct serve auth_serves[2];

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

static void
member_verify(
    Mf__Jwt_Service *s, const Mf__TokenText *q, Mf__VerifiedToken_Closure reply, void *ctx)
{
	struct authbed_member *m = (struct authbed_member *)s;

	if (m->verifies_nothing)
		call_fail(ctx, ST_UNAVAILABLE, "down");
	else if (!is_down(m, ctx))
		tokens_verify(&m->tokens.service, q, reply, ctx);
}

MEMBER(login, Credentials, TokenPair)
MEMBER(refresh, RefreshToken, TokenPair)
MEMBER(logout, RefreshToken, Empty)
MEMBER(keys, Empty, JwkSet)
MEMBER(revocations, RevokedSince, RevokedList)
MEMBER(sign, Checkpoint, SignedCheckpoint)
MEMBER(authenticate, Credentials, Authenticated)
MEMBER(read, StoreOp, StoreResult)
MEMBER(write, StoreOp, StoreResult)

#define WEB_MEMBER(method, In, Out)                                                                \
	static void web_member_##method(                                                           \
	    Mf__Oauth_Service *s, const Mf__##In *q, Mf__##Out##_Closure reply, void *ctx)         \
	{                                                                                          \
		struct authbed_member *m = container_of(s, struct authbed_member, web);            \
                                                                                                   \
		if (!is_down(m, ctx))                                                              \
			oauth_##method(&m->oauth.service, q, reply, ctx);                          \
	}

WEB_MEMBER(verify, TokenText, VerifiedToken)
WEB_MEMBER(web, WebRequest, WebAnswer)
WEB_MEMBER(read, StoreOp, StoreResult)
WEB_MEMBER(write, StoreOp, StoreResult)

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
PERMITS(covers, RoleCover, RoleCoverAnswer)
PERMITS(read, StoreOp, StoreResult)
PERMITS(write, StoreOp, StoreResult)

static void
permits_expand(
    Mf__Rbac_Service *s, const Mf__RoleNames *q, Mf__PermissionList_Closure reply, void *ctx)
{
	struct authbed_permits *p = (struct authbed_permits *)s;
	void (*before)(void) = p->before_expand;

	p->before_expand = NULL;
	if (before != NULL)
		before();
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

static bool
roles_known(void *ctx)
{
	(void)ctx;
	return authbed.rbac.rbac.rules != NULL;
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
authbed_await(bool *done)
{
	loop_run_until(authbed.loop, is_set, done, 30 * SEC);
	assert_true(*done);
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
	m->web = (Mf__Oauth_Service)MF__OAUTH__INIT(web_member_);
	m->oauth.service = (Mf__Oauth_Service)OAUTH_SERVICE;
	m->oauth.tokens = &m->tokens;
	m->serves[0] = (struct serve){ &m->jwt.base, PRIMARY };
	m->serves[1] = (struct serve){ &m->web.base, PRIMARY };
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
	assert_true(auth_start(a, authbed.bus, &authbed.auth_config, authbed.var));
	authbed.target = target_new(authbed.bus, &def);
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
		.auth_config = authbed_auth_config,
		.oauth_config = { .code_ttl_us = 60 * SEC,
		    .pushed_ttl_us = 90 * SEC,
		    .device_ttl_us = 600 * SEC,
		    .device_interval_us = 5 * SEC,
		    .client_failures = 20,
		    .open_requests = 20,
		    .browser_ttl_us = 12 * 3600 * SEC,
		    .browser_idle_us = 2 * 3600 * SEC },
		.jwt_config = authbed_jwt_config,
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
	assert_true(oauth_start(&authbed.jwt.oauth, authbed.bus, &authbed.oauth_config));
	assert_true(oauth_start(&authbed.oauth.oauth, authbed.bus, &authbed.oauth_config));
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
	oauth_stop(&authbed.jwt.oauth);
	oauth_stop(&authbed.oauth.oauth);
	tokens_stop(&authbed.jwt.tokens);
	tokens_stop(&authbed.oauth.tokens);
	rbac_stop(&authbed.rbac.rbac);
	auth_stop(&authbed.auth);
	loop_free(&authbed.loop);
	memdb_close(&authbed.db);
	return test_log_check(state);
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

/* grant: see grant.h. */
#include <string.h>
#include "auth/jwt/claims.h"
#include "auth/jwt/grant.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/rbac.pb-c.h"

struct expand {
	struct grant *g;
	void (*then)(struct grant *g);
};

static void on_permissions(const Mf__PermissionList *m, void *ctx);

struct grant *
grant_new(struct tokens *t, struct call *c, void *owner)
{
	struct grant *g = ARENA_NEW(call_arena(c), struct grant);
	char id[UUID_LEN];

	g->t = t;
	g->c = c;
	g->owner = owner;
	g->operation_id = call_operation_id(c);
	if (g->operation_id[0] == '\0') {
		uuid7(id);
		g->operation_id = arena_strdup(call_arena(c), id);
	}
	return g;
}

void
grant_expand(struct grant *g, void (*then)(struct grant *g))
{
	struct expand *x = ARENA_NEW(call_arena(g->c), struct expand);
	Mf__RoleNames q = MF__ROLE_NAMES__INIT;

	x->g = g;
	x->then = then;
	q.n_roles = g->user.n_roles;
	q.roles = g->user.roles;
	g->rpc = rpc_new(g->c, g->t->rbac, NULL);
	mf__rbac__expand(&g->rpc->service, &q, on_permissions, x);
}

static void
on_permissions(const Mf__PermissionList *m, void *ctx)
{
	struct expand *x = ctx;
	struct grant *g = x->g;

	if (m == NULL && !status_is_fault(rpc_failure(g->rpc)->status)) {
		call_fail_with(g->c, rpc_failure(g->rpc)); /* too many of them */
		return;
	}
	if (m == NULL) {
		call_fail_because(g->c, ST_UNAVAILABLE, "ROLES_UNAVAILABLE", STORE_RETRY_MS,
		    "what the account may do can't be read now");
		return;
	}
	g->n_permissions = m->n_permissions;
	g->permissions = m->permissions;
	x->then(g);
}

void
grant_reply(struct grant *g)
{
	const struct jwt_config *config = g->t->config;
	const struct claims_expect expect = { config->issuer, config->audience };
	struct arena *a = call_arena(g->c);
	int64_t now_s = time_wall_us() / SEC;
	Mf__TokenPair m = MF__TOKEN_PAIR__INIT;
	struct claims claims;
	Mf__Principal *p = &claims.principal;
	char id[UUID_LEN], refresh[SESSION_TOKEN_LEN + 1], *payload;
	size_t n;

	uuid7(id);
	mf__principal__init(p);
	p->id = (char *)(uintptr_t)g->user.id;
	p->name = (char *)(uintptr_t)g->user.username;
	p->n_roles = g->user.n_roles;
	p->roles = g->user.roles;
	p->n_permissions = g->n_permissions;
	p->permissions = g->permissions;
	p->snapshot_at = (uint64_t)(now_s * SEC);
	p->expires_at = p->snapshot_at + (uint64_t)config->access_ttl_us;
	p->token_id = id;
	claims.session = g->token.id;
	claims.user_version = g->user.version;
	payload = claims_write(a, &claims, &expect, &n);
	m.access_token = jws_sign(a, keyring_signer(g->t->keys), CLAIMS_TYPE, payload, n);
	if (m.access_token == NULL) {
		call_fail(g->c, ST_INTERNAL, "the signing key can't sign");
		return;
	}
	if (strlen(m.access_token) > JWS_TOKEN_MAX) {
		call_fail_because(g->c, ST_FAILED_PRECONDITION, "TOO_MANY_PERMISSIONS", 0,
		    "the account has more roles and permissions than a token can carry");
		return;
	}
	session_token_write(keyring_secret(g->t->keys), &g->token, refresh);
	m.refresh_token = refresh;
	m.expires_in = (uint32_t)(config->access_ttl_us / SEC);
	m.token_type = (char *)(uintptr_t) "Bearer";
	m.principal = p;
	call_reply(g->c, &m.base);
}

int64_t
grant_refresh_expiry(const struct grant *g)
{
	return time_wall_us() + g->t->config->refresh_ttl_us;
}

void
grant_refuse_token(struct call *c)
{
	call_fail_because(
	    c, ST_UNAUTHENTICATED, "TOKEN_INVALID", 0, "the refresh token is not valid");
}

void
grant_refuse_login(struct call *c)
{
	call_fail_because(
	    c, ST_UNAUTHENTICATED, "BAD_CREDENTIALS", 0, "username or password is wrong");
}

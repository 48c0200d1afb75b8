/* grant: see grant.h. */
#include <string.h>
#include "auth/jwt/claims.h"
#include "auth/jwt/grant.h"
#include "auth/permission.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/rbac.pb-c.h"

const struct failure grant_bad_token = {
	.status = ST_UNAUTHENTICATED,
	.reason = "TOKEN_INVALID",
	.message = "the refresh token is not valid",
};

static void on_permissions(const Mf__PermissionList *m, void *ctx);
static void limit(struct grant *g, size_t n, char **permissions);
static void add_once(struct grant_list *l, char *s);
static void describe(struct grant *g, Mf__Principal *p, struct claims *claims);
static uint32_t left_s(const struct grant *g);

struct grant *
grant_new(struct tokens *t, struct call *c, void *owner)
{
	struct grant *g = ARENA_NEW(call_arena(c), struct grant);
	char id[UUID_LEN];

	g->t = t;
	g->c = c;
	g->owner = owner;
	g->session.kind = SESSION_KIND_API;
	g->operation_id = call_operation_id(c);
	if (g->operation_id[0] == '\0') {
		uuid7(id);
		g->operation_id = arena_strdup(call_arena(c), id);
	}
	return g;
}

void
grant_expand(struct grant *g, grant_fn *then)
{
	Mf__RoleNames q = MF__ROLE_NAMES__INIT;

	g->then = then;
	q.n_roles = g->user.n_roles;
	q.roles = g->user.roles;
	q.n_groups = g->user.n_groups;
	q.groups = g->user.groups;
	q.user_id = (char *)(uintptr_t)g->user.id;
	g->asked_us = time_wall_us();
	g->rpc = rpc_new(g->c, g->t->rbac, NULL);
	mf__rbac__expand(&g->rpc->service, &q, on_permissions, g);
}

static void
on_permissions(const Mf__PermissionList *m, void *ctx)
{
	struct grant *g = ctx;

	if (m == NULL && !status_is_fault(rpc_failure(g->rpc)->status)) {
		grant_fail(g, rpc_failure(g->rpc)); /* too many of them */
	} else if (m == NULL) {
		grant_fail(g, &(const struct failure){ .status = ST_UNAVAILABLE,
				  .reason = "ROLES_UNAVAILABLE",
				  .retry_ms = STORE_RETRY_MS,
				  .message = "what the account may do can't be read now" });
	} else {
		limit(g, m->n_permissions, m->permissions);
		g->then(g);
	}
}

/* Of a limited token: what the roles permit and the scopes allow. Both are patterns; of two that meet
 * the narrower one is what is left. */
static void
limit(struct grant *g, size_t n, char **permissions)
{
	struct grant_list *out = &g->permissions;

	*out = (struct grant_list){ n, permissions };
	if (!g->session.limited)
		return;
	out->items = ARENA_ARRAY(call_arena(g->c), char *, n * g->scopes.n + 1);
	out->n = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t s = 0; s < g->scopes.n; s++) {
			if (permission_covers(permissions[i], g->scopes.items[s]))
				add_once(out, g->scopes.items[s]);
			else if (permission_covers(g->scopes.items[s], permissions[i]))
				add_once(out, permissions[i]);
		}
}

static void
add_once(struct grant_list *l, char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i], s) == 0)
			return;
	l->items[l->n++] = s;
}

bool
grant_pair(struct grant *g, Mf__TokenPair *m)
{
	const struct jwt_config *config = g->t->config;
	const struct claims_expect expect = { config->issuer, config->audience,
		config->access_ttl_us };
	struct arena *a = call_arena(g->c);
	struct claims claims = { .principal = MF__PRINCIPAL__INIT };
	char *payload;
	size_t n;

	m->principal = ARENA_NEW(a, Mf__Principal);
	mf__principal__init(m->principal);
	describe(g, m->principal, &claims);
	claims.principal = *m->principal;
	payload = claims_write(a, &claims, &expect, &n);
	m->access_token = jws_sign(a, tokens_signer(g->t), CLAIMS_TYPE, payload, n);
	if (m->access_token == NULL || strlen(m->access_token) > JWS_TOKEN_MAX) {
		const struct failure no_key = {
			.status = ST_INTERNAL, .reason = "", .message = "the signing key can't sign"
		};
		const struct failure too_long = { .status = ST_FAILED_PRECONDITION,
			.reason = "TOO_MANY_PERMISSIONS",
			.message =
			    "the account has more roles and permissions than a token can carry" };

		grant_fail(g, m->access_token == NULL ? &no_key : &too_long);
		return false;
	}
	if (!g->sessionless) {
		m->refresh_token = arena_alloc(a, SESSION_TOKEN_LEN + 1);
		session_token_write(keyring_secret(g->t->keys), &g->token, m->refresh_token);
	}
	m->expires_in = left_s(g);
	m->token_type = arena_strdup(a, claims.proof_key != NULL ? "DPoP" : "Bearer");
	return true;
}

static void
describe(struct grant *g, Mf__Principal *p, struct claims *claims)
{
	const struct session_facts *s = &g->session;
	struct arena *a = call_arena(g->c);
	char id[UUID_LEN];

	uuid7(id);
	p->id = arena_strdup(a, g->user.id);
	p->name = arena_strdup(a, g->user.username);
	p->n_roles = g->user.n_roles;
	p->roles = g->user.roles;
	p->n_groups = g->user.n_groups;
	p->groups = g->user.groups;
	p->n_permissions = g->permissions.n;
	p->permissions = g->permissions.items;
	p->snapshot_at = (uint64_t)(g->asked_us / SEC * SEC);
	p->expires_at = p->snapshot_at + (uint64_t)g->t->config->access_ttl_us;
	p->token_id = arena_strdup(a, id);
	p->n_scopes = g->scopes.n;
	p->scopes = g->scopes.items;
	p->limited = s->limited;
	if (s->client_id != NULL)
		p->client_id = arena_strdup(a, s->client_id);
	p->session_id = arena_strdup(a, g->sessionless ? "" : g->token.id);
	p->service = g->user.service;
	p->authenticated_at = (uint64_t)s->authenticated_at_us;
	p->n_methods = s->n_methods;
	p->methods = s->methods;
	claims->session = p->session_id;
	claims->user_version = g->user.version;
	claims->proof_key = s->proof_key;
	claims->issuer = g->issuer;
	claims->audience = s->audience;
}

/* It lives from when rbac was asked, and the session was written since. */
static uint32_t
left_s(const struct grant *g)
{
	int64_t took_us = time_wall_us() - g->asked_us, ttl_us = g->t->config->access_ttl_us;

	if (took_us < 0)
		took_us = 0;
	return took_us >= ttl_us ? 0 : (uint32_t)(ttl_us / SEC - took_us / SEC);
}

void
grant_reply(struct grant *g)
{
	Mf__TokenPair m = MF__TOKEN_PAIR__INIT;

	if (grant_pair(g, &m))
		call_reply(g->c, &m.base);
}

int64_t
grant_refresh_expiry(const struct grant *g)
{
	return time_wall_us() + g->t->config->refresh_ttl_us;
}

void
grant_fail(struct grant *g, const struct failure *f)
{
	if (g->failed != NULL)
		g->failed(g, f);
	else
		call_fail_with(g->c, f);
}

void
grant_store_failed(struct grant *g)
{
	const struct failure f = store_failure(rpc_failure(g->rpc));

	grant_fail(g, &f);
}

void
grant_refuse_token(struct call *c)
{
	call_fail_with(c, &grant_bad_token);
}

void
grant_refuse_login(struct call *c)
{
	call_fail_because(
	    c, ST_UNAUTHENTICATED, "BAD_CREDENTIALS", 0, "username or password is wrong");
}

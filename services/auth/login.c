/* login: Login, Refresh, Logout. The work is jwt's (or oauth's in its place); here is the bound on
 * failures, and the sequence that tells everybody who keeps grants that something was revoked. */
#include <sodium.h>
#include <string.h>
#include "auth/auth.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/jwt.pb-c.h"

enum scope { PAIR, ACCOUNT, ADDRESS, SCOPES };

struct login {
	struct auth *a;
	struct call *c;
	struct rpc *rpc;
	uint8_t keys[SCOPES][16];
	struct limiter_rule rules[SCOPES];
};

static void scopes_fill(struct login *l, const char *username, const char *address);
static void scope_key(
    const struct auth *a, enum scope s, const char *username, const char *address, uint8_t out[16]);
static int64_t scopes_wait(const struct login *l);
static void on_login(const Mf__TokenPair *m, void *ctx);
static void on_refreshed(const Mf__TokenPair *m, void *ctx);
static void on_logged_out(const Mf__Empty *m, void *ctx);
static struct login *begin(Mf__Auth_Service *s, struct call *c);
static void count(struct auth *a, const char *outcome);

void
auth_login(Mf__Auth_Service *s, const Mf__Credentials *q, Mf__TokenPair_Closure reply, void *ctx)
{
	struct login *l = begin(s, ctx);
	int64_t wait;

	(void)reply;
	scopes_fill(l, q->username, q->client_address);
	wait = scopes_wait(l);
	if (wait > 0) {
		sodium_memzero(q->password, strlen(q->password));
		count(l->a, "limited");
		log_warn("login_limited", L_STR("address", q->client_address),
		    L_INT("retry_ms", wait / MS + 1));
		call_fail_because(l->c, ST_RESOURCE_EXHAUSTED, "LOGIN_LIMIT",
		    (uint32_t)(wait / MS + 1), "too many failed log-ins");
		return;
	}
	l->rpc = rpc_new(l->c, l->a->jwt, NULL);
	mf__jwt__login(&l->rpc->service, q, on_login, l);
	sodium_memzero(q->password, strlen(q->password)); /* it was packed */
}

static void
on_login(const Mf__TokenPair *m, void *ctx)
{
	struct login *l = ctx;
	const struct failure *f;

	if (m != NULL) {
		limiter_forget(l->a->limiter, l->keys[PAIR]);
		count(l->a, "ok");
		call_reply(l->c, &m->base);
		return;
	}
	f = rpc_failure(l->rpc);
	if (f->status == ST_UNAUTHENTICATED)
		for (int i = 0; i < SCOPES; i++)
			limiter_failed(
			    l->a->limiter, l->keys[i], &l->rules[i], loop_now(l->a->loop));
	count(l->a, f->status == ST_UNAUTHENTICATED ? "refused" : "failed");
	auth_pass_on(l->c, f);
}

void
auth_refresh(Mf__Auth_Service *s, const Mf__RefreshToken *q, Mf__TokenPair_Closure reply, void *ctx)
{
	struct login *l = begin(s, ctx);

	(void)reply;
	l->rpc = rpc_new(l->c, l->a->jwt, NULL);
	mf__jwt__refresh(&l->rpc->service, q, on_refreshed, l);
}

static void
on_refreshed(const Mf__TokenPair *m, void *ctx)
{
	struct login *l = ctx;
	const struct failure *f;

	if (m != NULL) {
		call_reply(l->c, &m->base);
		return;
	}
	f = rpc_failure(l->rpc);
	if (strcmp(f->reason, "REFRESH_REUSED") == 0)
		auth_bump(l->a, "reuse");
	auth_pass_on(l->c, f);
}

void
auth_logout(Mf__Auth_Service *s, const Mf__RefreshToken *q, Mf__Empty_Closure reply, void *ctx)
{
	struct login *l = begin(s, ctx);

	(void)reply;
	l->rpc = rpc_new(l->c, l->a->jwt, NULL);
	mf__jwt__logout(&l->rpc->service, q, on_logged_out, l);
}

static void
on_logged_out(const Mf__Empty *m, void *ctx)
{
	struct login *l = ctx;

	auth_bump(l->a, "logout"); /* also when its outcome is not known */
	if (m != NULL)
		call_reply(l->c, &m->base);
	else
		auth_pass_on(l->c, rpc_failure(l->rpc));
}

static struct login *
begin(Mf__Auth_Service *s, struct call *c)
{
	struct login *l = ARENA_NEW(call_arena(c), struct login);

	l->a = container_of(s, struct auth, service);
	l->c = c;
	return l;
}

static void
scopes_fill(struct login *l, const char *username, const char *address)
{
	const struct auth_config *config = l->a->config;

	for (int i = 0; i < SCOPES; i++) {
		scope_key(l->a, (enum scope)i, username, address, l->keys[i]);
		l->rules[i].most = (uint32_t)config->login_failures * (i == PAIR ? 1 : 10);
		l->rules[i].window_us = config->login_window_us;
	}
}

static void
scope_key(
    const struct auth *a, enum scope s, const char *username, const char *address, uint8_t out[16])
{
	uint8_t tag = (uint8_t)s;
	crypto_generichash_state h;

	(void)crypto_generichash_init(&h, a->limiter_key, sizeof(a->limiter_key), 16);
	(void)crypto_generichash_update(&h, &tag, 1);
	if (s != ADDRESS)
		(void)crypto_generichash_update(
		    &h, (const uint8_t *)username, strlen(username) + 1);
	if (s != ACCOUNT)
		(void)crypto_generichash_update(&h, (const uint8_t *)address, strlen(address) + 1);
	(void)crypto_generichash_final(&h, out, 16);
}

static int64_t
scopes_wait(const struct login *l)
{
	int64_t longest = 0;

	for (int i = 0; i < SCOPES; i++) {
		int64_t wait =
		    limiter_wait(l->a->limiter, l->keys[i], &l->rules[i], loop_now(l->a->loop));

		if (wait > longest)
			longest = wait;
	}
	return longest;
}

static void
count(struct auth *a, const char *outcome)
{
	metric_inc(metric_get(a->logins, &outcome));
}

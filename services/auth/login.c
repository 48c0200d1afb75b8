/* login: Login, Refresh, Logout. The work is jwt's (or oauth's in its place); here is the bound on
 * failures and on log-ins at once, and the sequence that tells everybody who keeps grants that
 * something was revoked. */
#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/auth.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/jwt.pb-c.h"

#define BUSY_RETRY_MS 1000 /* what a full queue of passwords takes, about */

enum scope { PAIR, ACCOUNT, ADDRESS, SCOPES };

struct login {
	struct auth *a;
	struct call *c;
	struct rpc *rpc;
	uint8_t keys[SCOPES][16];
	struct limiter_rule rules[SCOPES];
	struct call_dep dep; /* a log-in that was begun is settled, however it ends */
};

static void scopes_fill(struct login *l, const char *username, const char *address);
static void network_of(const char *address, char out[INET6_ADDRSTRLEN]);
static void scope_key(
    const struct auth *a, enum scope s, const char *username, const char *network, uint8_t out[16]);
static int64_t scopes_wait(const struct login *l);
static bool is_full(const struct login *l);
static void settle(struct login *l, enum limiter_end how);
static void on_gone(struct call_dep *d);
static void on_login(const Mf__TokenPair *m, void *ctx);
static void on_refreshed(const Mf__TokenPair *m, void *ctx);
static void on_logged_out(const Mf__Empty *m, void *ctx);
static struct login *begin(Mf__Auth_Service *s, struct call *c);
static void refuse(struct login *l, const Mf__Credentials *q, const char *reason, uint32_t retry_ms,
    const char *message);
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
		refuse(l, q, "LOGIN_LIMIT", (uint32_t)(wait / MS + 1), "too many failed log-ins");
		return;
	}
	if (is_full(l)) {
		refuse(l, q, "LOGIN_BUSY", BUSY_RETRY_MS, "too many log-ins at once");
		return;
	}
	for (int i = 0; i < SCOPES; i++)
		limiter_begin(l->a->limiter, l->keys[i]);
	l->a->logins_begun++;
	l->dep.cancel = on_gone;
	call_attach(l->c, &l->dep);
	l->rpc = rpc_new(l->c, l->a->jwt, NULL);
	mf__jwt__login(&l->rpc->service, q, on_login, l);
	sodium_memzero(q->password, strlen(q->password)); /* it was packed */
}

static void
on_login(const Mf__TokenPair *m, void *ctx)
{
	struct login *l = ctx;
	const struct failure *f = rpc_failure(l->rpc);

	if (m != NULL) {
		settle(l, LIMITER_RIGHT);
		limiter_know(l->a->limiter, l->keys[PAIR]);
		count(l->a, "ok");
		call_reply(l->c, &m->base);
		return;
	}
	settle(l, f->status == ST_UNAUTHENTICATED ? LIMITER_FAILED : LIMITER_UNDECIDED);
	count(l->a, f->status == ST_UNAUTHENTICATED ? "refused" : "failed");
	auth_pass_on(l->c, f);
}

/* Who goes away before the answer has made us hash a password all the same: a failure, or it would
 * cost nothing. Who was made to wait beyond the deadline is not to blame. */
static void
on_gone(struct call_dep *d)
{
	struct login *l = container_of(d, struct login, dep);

	settle(l, call_left(l->c) > 0 ? LIMITER_FAILED : LIMITER_UNDECIDED);
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
	char network[INET6_ADDRSTRLEN];

	network_of(address, network);
	for (int i = 0; i < SCOPES; i++) {
		scope_key(l->a, (enum scope)i, username, network, l->keys[i]);
		l->rules[i] = (struct limiter_rule){
			.most = (uint32_t)config->login_failures * (i == PAIR ? 1 : 10),
			.window_us = config->login_window_us,
			.delay_us = config->login_delay_us,
		};
	}
}

/* Who has one IPv6 address has a whole /64 of them. */
static void
network_of(const char *address, char out[INET6_ADDRSTRLEN])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	struct in6_addr a;

	(void)snprintf(out, INET6_ADDRSTRLEN, "%s", address);
	if (inet_pton(AF_INET6, address, &a) != 1)
		return;
	if (memcmp(&a, mapped, sizeof(mapped)) == 0) {
		(void)inet_ntop(AF_INET, a.s6_addr + sizeof(mapped), out, INET6_ADDRSTRLEN);
		return;
	}
	memset(a.s6_addr + 8, 0, 8);
	(void)inet_ntop(AF_INET6, &a, out, INET6_ADDRSTRLEN);
}

static void
scope_key(
    const struct auth *a, enum scope s, const char *username, const char *network, uint8_t out[16])
{
	uint8_t tag = (uint8_t)s;
	crypto_generichash_state h;

	(void)crypto_generichash_init(&h, a->limiter_key, sizeof(a->limiter_key), 16);
	(void)crypto_generichash_update(&h, &tag, 1);
	if (s != ADDRESS)
		(void)crypto_generichash_update(
		    &h, (const uint8_t *)username, strlen(username) + 1);
	if (s != ACCOUNT)
		(void)crypto_generichash_update(&h, (const uint8_t *)network, strlen(network) + 1);
	(void)crypto_generichash_final(&h, out, 16);
}

/* A pair that was right before answers for itself alone. */
static int64_t
scopes_wait(const struct login *l)
{
	int last = limiter_knows(l->a->limiter, l->keys[PAIR]) ? PAIR : ADDRESS;
	int64_t longest = 0;

	for (int i = PAIR; i <= last; i++) {
		int64_t wait =
		    limiter_wait(l->a->limiter, l->keys[i], &l->rules[i], loop_now(l->a->loop));

		if (wait > longest)
			longest = wait;
	}
	return longest;
}

/* Passwords are hashed some dozens a second: what waits is bounded here, before anything was read
 * or hashed, and one address can't take all of it. */
static bool
is_full(const struct login *l)
{
	uint32_t most = (uint32_t)l->a->config->login_most;

	return l->a->logins_begun >= most ||
	       limiter_trying(l->a->limiter, l->keys[ADDRESS]) >= most / 2;
}

/* Being right pays for the pair alone: else one account of his own would let somebody guess at all
 * others. */
static void
settle(struct login *l, enum limiter_end how)
{
	int64_t now_us = loop_now(l->a->loop);

	call_detach(l->c, &l->dep);
	l->a->logins_begun--;
	for (int i = 0; i < SCOPES; i++)
		limiter_end(l->a->limiter, l->keys[i], &l->rules[i],
		    how == LIMITER_RIGHT && i != PAIR ? LIMITER_UNDECIDED : how, now_us);
}

static void
refuse(struct login *l, const Mf__Credentials *q, const char *reason, uint32_t retry_ms,
    const char *message)
{
	sodium_memzero(q->password, strlen(q->password));
	count(l->a, "limited");
	log_warn("login_limited", L_STR("why", reason), L_STR("address", q->client_address),
	    L_INT("retry_ms", retry_ms));
	call_fail_because(l->c, ST_RESOURCE_EXHAUSTED, reason, retry_ms, "%s", message);
}

static void
count(struct auth *a, const char *outcome)
{
	metric_inc(metric_get(a->logins, &outcome));
}

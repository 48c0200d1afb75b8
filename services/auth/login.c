/* login: Login and Authenticate. The work is jwt's (or oauth's in its place); here are the bound on
 * failures and on log-ins at once, how suspicious it is, and what follows from that.
 *
 * Nobody is locked out by what others do. Who was right from this network before answers for that
 * pair of account and network alone. Who brings a second factor is let through: it is demanded of
 * him then, and the answer is yes or the one refusal, so that nobody learns a password that way.
 * Anybody else waits for a turn of his own, of the pair, which comes however much others fail; judged
 * in his turn, others' failures do not count. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/login_int.h"
#include "auth/network.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/jwt.pb-c.h"

#define BUSY_RETRY_MS 1000 /* what a full queue of passwords takes, about */

static void start(Mf__Auth_Service *s, const Mf__Credentials *q, struct call *c, bool browser);
static bool pass_limits(struct login *l);
static bool pass_others(struct login *l);
static bool is_full(const struct login *l);
static void on_gone(struct call_dep *d);
static void judge(struct login *l);
static bool is_due_to_others(const struct login *l);
static void ask_jwt(struct login *l);
static void on_pair(const Mf__TokenPair *m, void *ctx);
static void on_authenticated(const Mf__Authenticated *m, void *ctx);

void
auth_login(Mf__Auth_Service *s, const Mf__Credentials *q, Mf__TokenPair_Closure reply, void *ctx)
{
	(void)reply;
	start(s, q, ctx, false);
}

/* A browser's log-in makes no session here: who could call this could try passwords as oauth does,
 * so nobody else may. */
void
auth_authenticate(
    Mf__Auth_Service *s, const Mf__Credentials *q, Mf__Authenticated_Closure reply, void *ctx)
{
	(void)reply;
	if (auth_peer_is_agent(ctx))
		start(s, q, ctx, true);
	else
		call_fail(ctx, ST_PERMISSION_DENIED, "the agents of log-in pages alone ask this");
}

static void
start(Mf__Auth_Service *s, const Mf__Credentials *q, struct call *c, bool browser)
{
	struct login *l = ARENA_NEW(call_arena(c), struct login);

	l->a = container_of(s, struct auth, service);
	l->c = c;
	l->q = q;
	l->browser = browser;
	l->brought = q->otp[0] != '\0';
	network_of(q->client_address, l->network);
	for (int i = 0; i < SCOPES; i++) {
		login_key(l->a, (uint8_t)i, i != ADDRESS ? q->username : "",
		    i != ACCOUNT ? l->network : "", l->keys[i]);
		l->rules[i] = (struct limiter_rule){
			.most = (uint32_t)l->a->config->login_failures * (i == PAIR ? 1 : 10),
			.window_us = l->a->config->login_window_us,
			.delay_us = l->a->config->login_delay_us,
		};
	}
	if (!pass_limits(l))
		return;
	for (int i = 0; i < SCOPES; i++)
		limiter_begin(l->a->limiter, l->keys[i]);
	l->a->logins_begun++;
	l->dep.cancel = on_gone;
	call_attach(l->c, &l->dep);
	login_look(l, judge);
}

static bool
pass_limits(struct login *l)
{
	int64_t wait =
	    limiter_wait(l->a->limiter, l->keys[PAIR], &l->rules[PAIR], loop_now(l->a->loop));

	if (wait > 0) {
		login_refuse(l, "limited", ST_RESOURCE_EXHAUSTED, "LOGIN_LIMIT",
		    (uint32_t)(wait / MS + 1), "too many failed log-ins");
		return false;
	}
	l->pair_known = limiter_knows(l->a->limiter, l->keys[PAIR]);
	if (!l->pair_known && !pass_others(l))
		return false;
	if (is_full(l)) {
		login_refuse(l, "limited", ST_RESOURCE_EXHAUSTED, "LOGIN_BUSY", BUSY_RETRY_MS,
		    "too many log-ins at once");
		return false;
	}
	return true;
}

/* Others have failed too often: at this account, or from this network. */
static bool
pass_others(struct login *l)
{
	const struct auth_config *config = l->a->config;
	int64_t now = loop_now(l->a->loop), wait = 0, turn;
	uint8_t key[16];

	for (int i = ACCOUNT; i <= ADDRESS; i++) {
		int64_t w = limiter_wait(l->a->limiter, l->keys[i], &l->rules[i], now);

		wait = w > wait ? w : wait;
	}
	if (wait == 0)
		return true;
	if (l->brought && limiter_trying(l->a->limiter, l->keys[ADDRESS]) == 0) {
		l->masked = true;
		return true;
	}
	login_key(l->a, KEY_TURN, l->q->username, l->network, key);
	turn = recall_turn(l->a->recall, key, config->login_turn_us, config->login_window_us, now);
	l->turn = turn == 0;
	if (l->turn)
		return true;
	login_refuse(l, "limited", ST_RESOURCE_EXHAUSTED, "LOGIN_LIMIT",
	    (uint32_t)((turn < wait ? turn : wait) / MS + 1), "too many failed log-ins");
	return false;
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

/* Who goes away before the answer has made us hash a password all the same: a failure, or it would
 * cost nothing. Who was made to wait beyond the deadline is not to blame. */
static void
on_gone(struct call_dep *d)
{
	struct login *l = container_of(d, struct login, dep);

	sodium_memzero(l->q->password, strlen(l->q->password));
	login_settle(l, call_left(l->c) > 0 ? LIMITER_FAILED : LIMITER_UNDECIDED);
}

/* What is known of the account is there. */
static void
judge(struct login *l)
{
	const struct auth_config *config = l->a->config;
	const struct risk_limits limits = { (uint32_t)config->risk_factor,
		(uint32_t)config->risk_refuse, (uint32_t)config->risk_lock };
	int64_t now = loop_now(l->a->loop);
	uint8_t key[16];

	if (!l->pair_known && !l->turn)
		for (int i = ACCOUNT; i <= ADDRESS; i++)
			l->seen.seen[i == ACCOUNT ? RISK_ACCOUNT_FAILURES : RISK_ADDRESS_FAILURES] =
			    recall_value(l->a->recall, l->keys[i], RECALL_FAILURES,
				config->login_window_us, now);
	l->risk = risk_of(&l->seen);
	if (l->risk.score >= limits.factor && is_due_to_others(l)) {
		login_key(l->a, KEY_TURN, l->q->username, l->network, key);
		if (recall_turn(l->a->recall, key, config->login_turn_us, config->login_window_us,
			now) == 0) {
			l->turn = true;
			judge(l);
			return;
		}
	}
	l->judged = true;
	l->policy = risk_judge(&limits, l->risk.score, l->brought);
	if (l->policy < RISK_REFUSE) {
		ask_jwt(l);
		return;
	}
	/* locked is the pair, and longer with each try; never the account */
	login_settle(l, l->policy == RISK_LOCK ? LIMITER_FAILED : LIMITER_UNDECIDED);
	login_refuse(l, "refused", ST_PERMISSION_DENIED, "LOGIN_RISK", 0,
	    "this log-in looks suspicious: use a place where it worked before, or a second factor");
}

/* Without what others did he would be allowed. */
static bool
is_due_to_others(const struct login *l)
{
	return !l->turn && l->risk.score - l->risk.points[RISK_ACCOUNT_FAILURES] -
	                           l->risk.points[RISK_ADDRESS_FAILURES] <
	                       (uint32_t)l->a->config->risk_factor;
}

/* Above a stated score only the agent whose work it is may do it: a stand-in has seen less. */
static void
ask_jwt(struct login *l)
{
	bool risky = l->risk.score > (uint32_t)l->a->config->risk_failover;
	Mf__Credentials q = *l->q;

	q.demand_factor = l->policy == RISK_FACTOR || l->masked;
	l->rpc = rpc_new(l->c, l->a->jwt, &(const struct rpc_opts){ .node = risky ? "jwt" : NULL });
	if (l->browser)
		mf__jwt__authenticate(&l->rpc->service, &q, on_authenticated, l);
	else
		mf__jwt__login(&l->rpc->service, &q, on_pair, l);
	sodium_memzero(l->q->password, strlen(l->q->password)); /* it was packed */
}

static void
on_pair(const Mf__TokenPair *m, void *ctx)
{
	struct login *l = ctx;

	if (m != NULL)
		login_right(l, &m->base, m->principal != NULL ? m->principal->id : "", true);
	else
		login_wrong(l, rpc_failure(l->rpc));
}

static void
on_authenticated(const Mf__Authenticated *m, void *ctx)
{
	struct login *l = ctx;

	if (m != NULL)
		login_right(l, &m->base, m->user_id, m->user_id[0] != '\0');
	else
		login_wrong(l, rpc_failure(l->rpc));
}

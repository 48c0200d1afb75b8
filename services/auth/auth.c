/* auth: the node's state, its sequence of revocations, and what all methods share.
 *
 * The sequence begins anew, under a random epoch, with every process: whoever kept grants under
 * another epoch drops them. */
#include <sodium.h>
#include <stddef.h>
#include <string.h>
#include "auth/auth.h"
#include "base/id.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/jwt.pb-c.h"
#include "proto/rbac.pb-c.h"

#define LIMITER_KEYS  32768 /* some 100 bytes each, three for a failure */
#define LIMITER_KNOWN 16384

/* spec/1: of a domain towards each agent 3 failures, 50 ms; the bus stretches the ms for methods
 * whose work is longer. */
#define AGENT_BREAKER                                                                              \
	{                                                                                          \
		.failures = 3, .limit_us = 50 * MS                                                 \
	}

#define KEY(name, type, field, def, min, max, help)                                                \
	{                                                                                          \
		name, type, offsetof(struct auth_config, field), def, min, max, false, false, help \
	}

const struct config_key auth_keys[] = {
	KEY("claims_max_age", CONFIG_DURATION, claims_max_age_us, "1h", 0, 86400 * SEC,
	    "without rbac, the permissions in a token serve until they are older than this; 0: "
	    "never"),
	KEY("verify_try", CONFIG_DURATION, verify_try_us, "200ms", 5 * MS, 10 * SEC,
	    "one try of a verification; then the stand-in is asked"),
	KEY("check_try", CONFIG_DURATION, check_try_us, "100ms", 5 * MS, 10 * SEC,
	    "one try of a permission check; then the claims decide"),
	KEY("login_failures", CONFIG_INT, login_failures, "10", 1, 1000000,
	    "failed log-ins per account and address in login_window; account alone and address "
	    "alone: ten times that"),
	KEY("login_window", CONFIG_DURATION, login_window_us, "15m", 1 * SEC, 86400 * SEC,
	    "see login_failures: so long it takes until that many are forgotten"),
	KEY("login_delay", CONFIG_DURATION, login_delay_us, "1s", 1 * MS, 3600 * SEC,
	    "beyond login_failures: until the next try; each failure doubles it"),
	KEY("login_most", CONFIG_INT, login_most, "64", 2, 10000,
	    "log-ins under way at once, half of that from one address; beyond: "
	    "RESOURCE_EXHAUSTED"),
	{ .name = NULL },
};

static void on_event(void *ctx, const char *node, const Mf__Event *e);
static void on_lost(void *ctx, const char *node);

bool
auth_start(struct auth *a, struct bus *b, const struct auth_config *config)
{
	static const char *const jwt[] = { "jwt", "oauth", NULL };
	static const char *const rbac[] = { "rbac", NULL };
	static const char *const decided[] = { "outcome", "method", NULL };
	static const char *const outcome[] = { "outcome", NULL };

	if (sodium_init() < 0) {
		log_error("not_started", L_STR("why", "libsodium can't be initialised"));
		return false;
	}
	a->bus = b;
	a->loop = bus_loop(b);
	a->config = config;
	a->jwt = target_new(
	    b, &(const struct target_def){
		   .service = &mf__jwt__descriptor, .members = jwt, .breaker = AGENT_BREAKER });
	a->rbac = target_new(
	    b, &(const struct target_def){
		   .service = &mf__rbac__descriptor, .members = rbac, .breaker = AGENT_BREAKER });
	a->limiter = limiter_new(LIMITER_KEYS, LIMITER_KNOWN);
	id_random(a->limiter_key, sizeof(a->limiter_key));
	a->decisions = metric_family(METRIC_COUNTER, "metafed_auth_decisions_total",
	    "Checks by outcome and by what decided", decided);
	a->logins = metric_family(
	    METRIC_COUNTER, "metafed_auth_logins_total", "Log-ins by outcome", outcome);
	a->epoch = id_random_u64() | 1;
	a->sequence = 0;
	auth_bump(a, "start");
	bus_subscribe(b, "rbac", "auth.policy", on_event, on_lost, a);
	bus_subscribe(b, "jwt", "auth.revoked", on_event, on_lost, a);
	bus_subscribe(b, "oauth", "auth.revoked", on_event, on_lost, a);
	return true;
}

void
auth_stop(struct auth *a)
{
	limiter_free(&a->limiter);
	sodium_memzero(a->limiter_key, sizeof(a->limiter_key));
}

void
auth_bump(struct auth *a, const char *why)
{
	a->sequence++;
	bus_set_hint(a->bus, a->epoch, a->sequence);
	log_debug("sequence", L_INT("sequence", a->sequence), L_STR("why", why));
}

void
auth_sequence(Mf__Auth_Service *s, const Mf__Empty *q, Mf__AuthSequence_Closure reply, void *ctx)
{
	struct auth *a = container_of(s, struct auth, service);
	Mf__AuthSequence m = MF__AUTH_SEQUENCE__INIT;

	(void)q, (void)reply;
	m.epoch = a->epoch;
	m.sequence = a->sequence;
	call_reply(ctx, &m.base);
}

void
auth_pass_on(struct call *c, const struct failure *f)
{
	if (!status_is_fault(f->status) || f->status == ST_UNAVAILABLE)
		call_fail_with(c, f);
	else
		call_fail_because(c, ST_UNAVAILABLE, "AUTH_UNAVAILABLE", 500,
		    "no agent could decide: %s", status_name(f->status));
}

static void
on_event(void *ctx, const char *node, const Mf__Event *e)
{
	(void)node;
	auth_bump(ctx, e->topic);
}

/* An agent came back or we missed something: what it may have said counts as said. */
static void
on_lost(void *ctx, const char *node)
{
	auth_bump(ctx, node);
}

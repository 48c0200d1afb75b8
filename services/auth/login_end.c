/* login_end: how a log-in ends: what is owed, what is remembered, what the audit log says. An answer
 * that lets somebody in leaves when its record is durable; a refusal waits for its record, a second at
 * most. */
#include <sodium.h>
#include <string.h>
#include "auth/login_int.h"
#include "base/log.h"
#include "base/time.h"

static void count(struct auth *a, const char *outcome);
static void event_fill(struct login *l, struct audit_event *e, char *reasons, size_t size);
static void on_right_recorded(bool durable, void *ctx);
static void on_wrong_recorded(bool durable, void *ctx);
static bool is_failure(const struct failure *f);

/* Being right pays for the pair alone: else one account of his own would let somebody guess at all
 * others. */
void
login_settle(struct login *l, enum limiter_end how)
{
	int64_t now_us = loop_now(l->a->loop);

	call_detach(l->c, &l->dep);
	l->a->logins_begun--;
	for (int i = 0; i < SCOPES; i++) {
		bool alone = how == LIMITER_RIGHT || l->policy == RISK_LOCK;

		limiter_end(l->a->limiter, l->keys[i], &l->rules[i],
		    alone && i != PAIR ? LIMITER_UNDECIDED : how, now_us);
		if (how == LIMITER_FAILED && i != PAIR && l->policy != RISK_LOCK)
			recall_add(l->a->recall, l->keys[i], RECALL_FAILURES,
			    l->a->config->login_window_us, now_us);
	}
}

/* complete: he is authenticated; else a second step is to come, and nothing is known of him yet. */
void
login_right(struct login *l, const ProtobufCMessage *m, const char *user_id, bool complete)
{
	struct audit_event e;
	char reasons[300];

	login_settle(l, complete ? LIMITER_RIGHT : LIMITER_UNDECIDED);
	if (complete)
		login_remember(l);
	event_fill(l, &e, reasons, sizeof(reasons));
	e.outcome = complete ? "ok" : "continued";
	e.actor = complete ? user_id : NULL;
	l->answer = m;
	l->lets_in = complete;
	count(l->a, e.outcome);
	audit_await(
	    l->a->audit, l->c, &e, complete ? AUDIT_MUST : AUDIT_REFUSAL, on_right_recorded, l);
}

static void
on_right_recorded(bool durable, void *ctx)
{
	struct login *l = ctx;

	if (durable || !l->lets_in)
		call_reply(l->c, l->answer);
	else
		call_fail_because(l->c, ST_UNAVAILABLE, "AUDIT_UNAVAILABLE", 500,
		    "the log-in can't be recorded now");
}

void
login_wrong(struct login *l, const struct failure *f)
{
	bool refused = f->status == ST_UNAUTHENTICATED || f->status == ST_PERMISSION_DENIED;
	bool failure = is_failure(f) || (l->masked && refused);
	struct audit_event e;
	char reasons[300];

	login_settle(l, failure ? LIMITER_FAILED : LIMITER_UNDECIDED);
	event_fill(l, &e, reasons, sizeof(reasons));
	e.outcome = refused ? "refused" : "failed";
	e.cause = f->reason[0] != '\0' ? f->reason : status_name(f->status);
	count(l->a, failure ? "refused" : refused ? "continued" : "failed");
	l->failure = *f;
	if (l->masked && refused)
		l->failure = (struct failure){ .status = ST_UNAUTHENTICATED,
			.reason = "BAD_CREDENTIALS",
			.message = "wrong name or password" };
	audit_await(l->a->audit, l->c, &e, AUDIT_REFUSAL, on_wrong_recorded, l);
}

static void
on_wrong_recorded(bool durable, void *ctx)
{
	struct login *l = ctx;

	(void)durable;
	auth_pass_on(l->c, &l->failure);
}

/* To be asked for the second factor is no failure: the password was right. */
static bool
is_failure(const struct failure *f)
{
	return f->status == ST_UNAUTHENTICATED && strcmp(f->reason, "SECOND_FACTOR") != 0 &&
	       strcmp(f->reason, "TICKET_INVALID") != 0;
}

void
login_refuse(struct login *l, const char *outcome, enum status st, const char *reason,
    uint32_t retry_ms, const char *message)
{
	struct audit_event e;
	char reasons[300];

	sodium_memzero(l->q->password, strlen(l->q->password));
	count(l->a, outcome);
	log_warn("login_limited", L_STR("why", reason), L_STR("address", l->q->client_address),
	    L_INT("retry_ms", retry_ms));
	event_fill(l, &e, reasons, sizeof(reasons));
	e.outcome = outcome;
	e.cause = reason;
	if (audit_count_spare(l->a->counts))
		audit_note(l->a->audit, &e);
	else
		(void)audit_count_add(
		    l->a->counts, "login", outcome, l->q->client_address, reason, 1);
	call_fail_because(l->c, st, reason, retry_ms, "%s", message);
}

/* A name that nobody has is not recorded: people type passwords into the wrong field. */
static void
event_fill(struct login *l, struct audit_event *e, char *reasons, size_t size)
{
	risk_reasons(&l->risk, reasons, size);
	*e = (struct audit_event){ .kind = "login",
		.method = l->browser ? "page" : "password",
		.subject = l->user_id,
		.name = l->user_id != NULL ? l->q->username : NULL,
		.detail = l->judged && l->user_id == NULL ? "no such account" : NULL,
		.address = l->q->client_address,
		.user_agent = l->q->user_agent,
		.agent = l->judged && l->policy < RISK_REFUSE ? rpc_node(l->rpc) : "auth",
		.operation_id = call_operation_id(l->c),
		.policy = l->judged ? risk_policy_name(l->policy) : "limit",
		.reasons = reasons,
		.risk = l->judged ? l->risk.score + 1u : 0 };
}

static void
count(struct auth *a, const char *outcome)
{
	metric_inc(metric_get(a->logins, &outcome));
}

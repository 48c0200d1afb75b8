/* report: what others saw and decided: sightings of agents (risk, and the audit log), and meta's counts
 * of what it permitted from what it keeps. */
#include <string.h>
#include "auth/login_int.h"
#include "base/log.h"
#include "base/time.h"

#define DAY_US      (86400 * SEC)
#define SAME_US     (600 * SEC) /* the same of the same client again: a repetition */
#define COUNTS_MOST 10000       /* of one report */

struct report {
	struct call *c;
};

static const struct {
	const char *kind;
	bool counts; /* as reuse */
	bool fine;   /* nobody has to look */
} kinds[] = {
	{ "refresh_reuse", true, false },
	{ "code_reuse", true, false },
	{ "consent", false, true },
	{ "client_registered", false, true },
	{ "identity_linked", false, true },
	{ "outside_user_made", false, true },
	{ "outside_refused", false, false },
};

static void count_reuse(struct auth *a, const Mf__Sighting *q);
static void on_recorded(bool durable, void *ctx);

void
auth_report(Mf__Auth_Service *s, const Mf__Sighting *q, Mf__Empty_Closure reply, void *ctx)
{
	struct auth *a = container_of(s, struct auth, service);
	struct report *r = ARENA_NEW(call_arena(ctx), struct report);
	struct audit_event e = { .kind = "sighting",
		.outcome = "seen",
		.cause = q->kind,
		.subject = q->user_id,
		.address = q->client_address,
		.client_id = q->client_id,
		.operation_id = call_operation_id(ctx),
		.agent = call_peer(ctx),
		.detail = q->detail };
	const char *kind = "other";
	bool fine = false;

	(void)reply;
	if (!auth_peer_is_agent(ctx)) {
		call_fail(ctx, ST_PERMISSION_DENIED, "agents alone report what they saw");
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].kind, q->kind) != 0)
			continue;
		kind = kinds[i].kind;
		fine = kinds[i].fine;
		if (kinds[i].counts && q->user_id[0] != '\0')
			count_reuse(a, q);
	}
	metric_inc(metric_get(a->sightings, &kind));
	if (fine)
		log_info("sighted", L_STR("kind", q->kind), L_STR("user", q->user_id),
		    L_STR("client", q->client_id));
	else
		log_warn("sighted", L_STR("kind", q->kind), L_STR("user", q->user_id),
		    L_STR("client", q->client_id), L_STR("address", q->client_address),
		    L_STR("detail", q->detail));
	r->c = ctx;
	audit_await(a->audit, ctx, &e, AUDIT_REFUSAL, on_recorded, r);
}

/* Once, however often it is sent: a report that comes again after a lost answer, and a client that sends
 * one code many times, must not keep out a person who has no second factor. */
static void
count_reuse(struct auth *a, const Mf__Sighting *q)
{
	int64_t now = loop_now(a->loop);
	uint8_t same[16], key[16];

	login_key(a, KEY_SEEN, q->user_id, q->client_id, same);
	if (recall_value(a->recall, same, RECALL_REUSE, SAME_US, now) > 0)
		return;
	recall_add(a->recall, same, RECALL_REUSE, SAME_US, now);
	login_key(a, KEY_REUSE, q->user_id, "", key);
	recall_add(a->recall, key, RECALL_REUSE, DAY_US, now);
}

static void
on_recorded(bool durable, void *ctx)
{
	struct report *r = ctx;
	Mf__Empty m = MF__EMPTY__INIT;

	(void)durable;
	call_reply(r->c, &m.base);
}

/* A report that comes again after a lost answer counts once. */
void
auth_count(Mf__Auth_Service *s, const Mf__Permitted *q, Mf__Empty_Closure reply, void *ctx)
{
	struct auth *a = container_of(s, struct auth, service);
	Mf__Empty m = MF__EMPTY__INIT;
	const char *peer = call_peer(ctx);

	(void)reply;
	if (!fleet_is_meta(peer) && strcmp(peer, bus_name(call_bus(ctx))) != 0) {
		call_fail(ctx, ST_PERMISSION_DENIED, "meta alone says what it permitted");
		return;
	}
	if (!uuid_ok(q->batch) || q->n_counts > COUNTS_MOST) {
		call_fail(ctx, ST_INVALID_ARGUMENT, "batch: must be a UUID, with at most %d counts",
		    COUNTS_MOST);
		return;
	}
	if (!audit_count_again(a->counts, q->batch))
		for (size_t i = 0; i < q->n_counts; i++)
			(void)audit_count_add(a->counts, "decisions", "ok", q->counts[i]->principal,
			    q->counts[i]->permission, q->counts[i]->count);
	call_reply(ctx, &m.base);
}

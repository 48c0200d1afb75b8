/* gate: grants that are kept, else auth's answer. Called by execute.
 *
 * A kept grant costs no hop while auth's counter was confirmed within half a second: by a hint in
 * any frame of auth, by the answer to any check, or by one Auth.Sequence poll that everybody who
 * needs it waits for together. While requests come, the poll is made before the confirmation is too
 * old, so that nobody has to wait. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "meta/gate.h"
#include "meta/meta.h"
#include "meta/uses.h"
#include "proto/auth.pb-c.h"

#define POLL_LIMIT_US (400 * MS) /* as Auth.Sequence in proto/auth.proto */
/* a confirmation of this age is renewed beside the request that met it */
#define POLL_AHEAD_US (GRANTS_FRESH_US / 2)

struct gate {
	struct meta *meta;
	struct grants *grants;
	struct uses *uses;      /* of what they permitted */
	struct waiters waiters; /* for the poll */
	struct call *poll;      /* NULL: none is under way */
	int64_t polled_at;      /* when the question left */
	struct rpc *poll_rpc;
	struct metric *hits, *misses, *polls;
};

struct gate_question {
	struct gate_ask *ask;
	const char *permission;
	struct grant_key anywhere, here; /* keys of grants that would do */
	int64_t asked_at;
	struct rpc *rpc;
};

static void look(void *);
static bool all_kept(struct gate_ask *, enum grant_verdict *);
static enum grant_verdict find(struct gate_ask *, const struct grant_key *);
static void ask_auth(struct gate_ask *);
static void on_grant(const Mf__AuthGrant *, void *);
static void finish(struct gate_ask *, const struct failure *);
static void take_hint(struct gate *);
static void poll_start(struct gate *);
static void on_sequence(const Mf__AuthSequence *, void *);
static void on_poll_end(struct call *, const struct call_end *, void *);

struct gate *
gate_new(struct meta *m)
{
	struct gate *g = mem_zalloc(sizeof(*g));
	static const char *const names[] = { "result", NULL };
	struct metric_family *f = metric_family(METRIC_COUNTER, "metafed_meta_grants_total",
	    "Permissions asked for, by where the answer came from.", names);

	g->meta = m;
	g->grants = grants_new(&(struct grants_policy){
	    .ttl_us = m->config.grant_ttl_us, .most = (uint32_t)m->config.grants_most });
	waiters_init(&g->waiters);
	g->uses = uses_new(m->bus, m->auth);
	g->hits = metric_get(f, (const char *const[]){ "kept" });
	g->misses = metric_get(f, (const char *const[]){ "asked" });
	g->polls = metric_simple(METRIC_COUNTER, "metafed_meta_grant_polls_total",
	    "Times that auth was asked for its counter of revocations alone.");
	return g;
}

void
gate_free(struct gate **g)
{
	if (*g == NULL)
		return;
	if ((*g)->poll != NULL)
		call_cancel((*g)->poll);
	uses_free(&(*g)->uses);
	grants_free(&(*g)->grants);
	free(*g);
	*g = NULL;
}

void
gate_reload(struct gate *g)
{
	grants_set_policy(
	    g->grants, &(struct grants_policy){ .ttl_us = g->meta->config.grant_ttl_us,
			   .most = (uint32_t)g->meta->config.grants_most });
}

uint32_t
gate_kept(const struct gate *g)
{
	return grants_count(g->grants);
}

void
gate_pass(struct gate *g, struct gate_ask *a)
{
	size_t n = a->permits.n != 0 ? a->permits.n : 1;

	a->gate = g;
	a->questions = ARENA_ARRAY(call_arena(a->c), struct gate_question, n);
	for (size_t i = 0; i < n; i++) {
		struct gate_question *q = &a->questions[i];

		q->ask = a;
		q->permission = a->permits.n != 0 ? a->permits.names[i] : "";
		grants_key(g->grants, a->credential, q->permission, a->ns, NULL, &q->anywhere);
		grants_key(g->grants, a->credential, q->permission, a->ns, a->resource, &q->here);
	}
	if (a->ask_auth || a->proof != NULL) /* a proof counts once, and only auth knows it */
		ask_auth(a);
	else
		look(a);
}

static void
look(void *ctx)
{
	struct gate_ask *a = ctx;
	struct gate *g = a->gate;
	enum grant_verdict v;

	take_hint(g);
	if (all_kept(a, &v)) {
		metric_inc(g->hits);
		uses_add(g->uses, a->who->id, &a->permits);
		if (loop_now(g->meta->loop) - grants_confirmed_at(g->grants) >= POLL_AHEAD_US)
			poll_start(g);
		finish(a, NULL);
	} else if (v == GRANT_UNCONFIRMED && !a->retried) {
		a->retried = true;
		waiters_add(&g->waiters, a->c, look, a);
		poll_start(g);
	} else {
		ask_auth(a);
	}
}

static bool
all_kept(struct gate_ask *a, enum grant_verdict *v)
{
	size_t n = a->permits.n != 0 ? a->permits.n : 1;

	for (size_t i = 0; i < n; i++) {
		*v = find(a, &a->questions[i].anywhere);
		if (*v == GRANT_NONE)
			*v = find(a, &a->questions[i].here);
		if (*v != GRANT_GOOD)
			return false;
	}
	return true;
}

static enum grant_verdict
find(struct gate_ask *a, const struct grant_key *k)
{
	struct gate *g = a->gate;

	return grants_find(
	    g->grants, k, loop_now(g->meta->loop), time_wall_us(), call_arena(a->c), &a->who);
}

/* All permissions side by side; the first refusal decides. */
static void
ask_auth(struct gate_ask *a)
{
	size_t n = a->permits.n != 0 ? a->permits.n : 1;
	struct gate *g = a->gate;
	int64_t now = loop_now(g->meta->loop);
	const struct failure *refused;

	metric_inc(g->misses);
	if (now >= a->deadline) {
		static const struct failure late = { .status = ST_DEADLINE_EXCEEDED,
			.message = "no time is left to ask for the permission",
			.reason = "" };

		finish(a, &late);
		return;
	}
	if (a->may_ask != NULL && (refused = a->may_ask(a->ctx)) != NULL) {
		finish(a, refused);
		return;
	}
	a->unanswered = (uint32_t)n;
	for (size_t i = 0; i < n; i++) {
		struct gate_question *q = &a->questions[i];
		Mf__AuthCheck check = MF__AUTH_CHECK__INIT;

		check.credential = (char *)a->credential;
		check.permission = (char *)q->permission;
		check.resource = (char *)a->resource;
		check.namespace_ = (char *)a->ns;
		check.proof = a->proof;
		check.client_address = (char *)a->client_address;
		q->asked_at = now;
		q->rpc = rpc_new(a->c, g->meta->auth,
		    &(const struct rpc_opts){
			.limit_us = a->deadline - now, .priority = a->priority });
		mf__auth__check(&q->rpc->service, &check, on_grant, q);
	}
}

static void
on_grant(const Mf__AuthGrant *m, void *ctx)
{
	struct gate_question *q = ctx;
	struct gate_ask *a = q->ask;
	struct gate *g = a->gate;

	if (m == NULL) {
		for (size_t i = 0; i < (a->permits.n != 0 ? a->permits.n : 1); i++)
			if (&a->questions[i] != q)
				rpc_cancel(a->questions[i].rpc);
		finish(a, rpc_failure(q->rpc));
		return;
	}
	grants_keep(g->grants, m->everywhere ? &q->anywhere : &q->here, m, q->asked_at,
	    loop_now(g->meta->loop));
	a->who = m->principal;
	if (--a->unanswered == 0)
		finish(a, NULL);
}

static void
finish(struct gate_ask *a, const struct failure *f)
{
	static const Mf__Principal anonymous = MF__PRINCIPAL__INIT;

	a->failure = f;
	if (f != NULL)
		a->who = NULL;
	else if (a->who == NULL)
		a->who = &anonymous;
	a->done(a->ctx);
}

static void
take_hint(struct gate *g)
{
	uint64_t epoch, value;
	int64_t at;

	if (bus_peer_hint(g->meta->bus, "auth", &epoch, &value, &at))
		grants_confirm(g->grants, epoch, value, at);
}

static void
poll_start(struct gate *g)
{
	Mf__Empty empty = MF__EMPTY__INIT;

	if (g->poll != NULL)
		return;
	metric_inc(g->polls);
	g->polled_at = loop_now(g->meta->loop);
	g->poll = call_root(g->meta->bus,
	    &(const struct call_opts){ .limit_us = POLL_LIMIT_US, .done = on_poll_end, .ctx = g });
	g->poll_rpc = rpc_new(g->poll, g->meta->auth, NULL);
	mf__auth__sequence(&g->poll_rpc->service, &empty, on_sequence, g);
}

static void
on_sequence(const Mf__AuthSequence *m, void *ctx)
{
	struct gate *g = ctx;

	if (m == NULL) {
		call_fail_with(g->poll, rpc_failure(g->poll_rpc));
		return;
	}
	grants_confirm(g->grants, m->epoch, m->sequence, g->polled_at);
	call_reply(g->poll, &m->base);
}

/* However it ended: who waited looks again, and without a confirmation asks auth in full. */
static void
on_poll_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct gate *g = ctx;

	(void)c, (void)end;
	g->poll = NULL;
	waiters_wake(&g->waiters);
}

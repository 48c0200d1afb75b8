/* confirm: see confirm.h. A confirmation counts from when the question left, not from when the answer
 * came. */
#include <stdlib.h>
#include <string.h>
#include "auth/jwt/confirm.h"
#include "base/id.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define NOTES    1024             /* of our own, for a peer that comes back after a while */
#define AHEAD_US (CONFIRM_US / 2) /* asked anew from then on, so that nobody has to wait */
#define PEER_US  (50 * MS)        /* then the store is asked: auth waits for 200 ms */

struct waiting { /* in the arena of its call */
	struct link link;
	struct call_dep dep;
	struct confirm *x;
	struct call *c;
	int64_t since_us; /* a confirmation must be from then or later */
	confirm_fn *then;
	void *ctx;
};

struct confirm {
	struct tokens *t;
	const char *peer;
	struct target *target;
	struct list waiting;
	struct call *asking; /* NULL: nobody is asked */
	struct rpc *rpc;
	bool reading;     /* the store is */
	int64_t asked_us; /* when it began */
	int64_t confirmed_us;
	uint64_t peer_epoch, peer_last; /* all of the peer's that we have */
	uint64_t next_epoch, next_last; /* ... when the store has been read */
	uint64_t epoch, last;           /* our own */
	struct revocation notes[NOTES];
};

static void ask(struct confirm *x);
static void on_list(const Mf__RevokedList *m, void *ctx);
static bool take(struct confirm *x, const Mf__RevokedList *m);
static void on_asked(struct call *c, const struct call_end *end, void *ctx);
static void read_store(struct confirm *x);
static void decided(struct confirm *x, bool known);
static void forget(struct call_dep *d);

void
confirm_start(struct tokens *t, const char *peer)
{
	struct confirm *x = mem_zalloc(sizeof(*x));
	const char *const members[] = { peer, NULL };

	x->t = t;
	x->peer = peer;
	x->epoch = id_random_u64() | 1;
	list_init(&x->waiting);
	x->target = target_new(t->bus, &(const struct target_def){ .service = &mf__jwt__descriptor,
					   .members = members,
					   .breaker = { .failures = 2, .limit_us = PEER_US } });
	t->confirm = x;
	bus_set_hint(t->bus, x->epoch, x->last);
}

void
confirm_stop(struct tokens *t)
{
	if (t->confirm == NULL)
		return;
	if (t->confirm->asking != NULL)
		call_cancel(t->confirm->asking);
	free(t->confirm);
	t->confirm = NULL;
}

void
confirm_note(struct tokens *t, const struct revocation *v)
{
	struct confirm *x = t->confirm;

	x->notes[++x->last % NOTES] = *v;
	bus_set_hint(t->bus, x->epoch, x->last);
}

/* --- what the peer asks --- */

void
tokens_revocations(
    Mf__Jwt_Service *s, const Mf__RevokedSince *q, Mf__RevokedList_Closure reply, void *ctx)
{
	struct confirm *x = container_of(s, struct tokens, service)->confirm;
	Mf__RevokedList m = MF__REVOKED_LIST__INIT;
	struct arena *a = call_arena(ctx);

	(void)reply;
	m.epoch = x->epoch;
	m.last = x->last;
	m.complete = q->epoch == x->epoch && q->after <= x->last && x->last - q->after <= NOTES;
	m.revoked = ARENA_ARRAY(a, Mf__Revoked *, NOTES);
	for (uint64_t n = q->after + 1; m.complete && n <= x->last; n++) {
		const struct revocation *v = &x->notes[n % NOTES];
		Mf__Revoked *e = ARENA_NEW(a, Mf__Revoked);

		mf__revoked__init(e);
		e->id = arena_strdup(a, v->id);
		e->expires_at = (uint64_t)v->expires_us;
		e->below = v->below == REVOKED_ALL ? 0 : v->below;
		m.revoked[m.n_revoked++] = e;
	}
	call_reply(ctx, &m.base);
}

/* --- asking --- */

void
confirm_again(struct tokens *t)
{
	ask(t->confirm);
}

void
confirm_revocations(
    struct tokens *t, struct call *c, int64_t max_age_us, confirm_fn *then, void *ctx)
{
	struct confirm *x = t->confirm;
	int64_t age = time_now_us() - x->confirmed_us;
	struct waiting *w;

	if (x->confirmed_us != 0 && age < max_age_us) {
		if (age >= AHEAD_US)
			ask(x);
		then(c, true, ctx);
		return;
	}
	w = ARENA_NEW(call_arena(c), struct waiting);
	*w = (struct waiting){ .x = x,
		.c = c,
		.since_us = time_now_us() - max_age_us,
		.then = then,
		.ctx = ctx,
		.dep.cancel = forget };
	list_add(&x->waiting, &w->link);
	call_attach(c, &w->dep);
	ask(x);
}

static void
ask(struct confirm *x)
{
	Mf__RevokedSince q = MF__REVOKED_SINCE__INIT;

	if (x->asking != NULL || x->reading)
		return;
	x->asked_us = time_now_us();
	x->asking = call_root(
	    x->t->bus, &(struct call_opts){ .limit_us = PEER_US, .done = on_asked, .ctx = x });
	x->rpc = rpc_new(x->asking, x->target,
	    &(const struct rpc_opts){ .once = true, .node = x->peer, .quiet = true });
	q.epoch = x->peer_epoch;
	q.after = x->peer_last;
	mf__jwt__revocations(&x->rpc->service, &q, on_list, x);
}

static void
on_list(const Mf__RevokedList *m, void *ctx)
{
	struct confirm *x = ctx;

	if (m != NULL)
		call_reply(x->asking, &m->base);
	else
		call_fail_with(x->asking, rpc_failure(x->rpc));
}

static void
on_asked(struct call *c, const struct call_end *end, void *ctx)
{
	struct confirm *x = ctx;

	(void)c;
	x->asking = NULL;
	if (end->failure != NULL && end->failure->status == ST_CANCELLED)
		return; /* the node is ending */
	if (end->reply != NULL && take(x, (const Mf__RevokedList *)end->reply))
		decided(x, true);
	else
		read_store(x);
}

/* False: it does not tell all that we have not got. */
static bool
take(struct confirm *x, const Mf__RevokedList *m)
{
	x->next_epoch = m->epoch;
	x->next_last = m->last;
	if (!m->complete || m->epoch != x->peer_epoch)
		return false;
	for (size_t i = 0; i < m->n_revoked; i++)
		revoked_event(x->t, m->revoked[i]);
	x->peer_last = m->last;
	return true;
}

/* Whatever was answered with success is stored; so what is read from now on has it. */
static void
read_store(struct confirm *x)
{
	x->reading = true;
	x->asked_us = time_now_us();
	revoked_read(x->t);
}

void
confirm_read(struct tokens *t, bool ok)
{
	struct confirm *x = t->confirm;

	x->reading = false;
	if (ok && x->next_epoch != 0) {
		x->peer_epoch = x->next_epoch;
		x->peer_last = x->next_last;
	}
	decided(x, ok);
}

/* Who came when the question had left already, and wants to know what is later, has it asked again.
 * Counted, not until empty: those wait at the end of the list. */
static void
decided(struct confirm *x, bool known)
{
	struct link *k;

	x->next_epoch = 0;
	if (known)
		x->confirmed_us = x->asked_us;
	for (size_t n = x->waiting.n; n > 0 && (k = list_pop(&x->waiting)) != NULL; n--) {
		struct waiting *w = container_of(k, struct waiting, link);

		if (known && w->since_us > x->confirmed_us) {
			list_add(&x->waiting, &w->link);
			continue;
		}
		call_detach(w->c, &w->dep);
		w->then(w->c, known, w->ctx);
	}
	if (x->waiting.n > 0)
		ask(x);
}

static void
forget(struct call_dep *d)
{
	struct waiting *w = container_of(d, struct waiting, dep);

	list_del(&w->x->waiting, &w->link);
}

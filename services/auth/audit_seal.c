/* audit_seal: checkpoints. A checkpoint is a record that says, signed by jwt, which hash the record
 * before it has; nothing is appended between the signing and it. As every record hangs on all before
 * it, the last checkpoint whose key is trusted speaks for the whole log up to it: those of keys that
 * were retired need no more than that. */
#include <inttypes.h>
#include <string.h>
#include "auth/audit_int.h"
#include "auth/auth.h"
#include "base/json.h"
#include "base/log.h"
#include "base/time.h"

#define SIGN_LIMIT_US (2 * SEC)
#define SIGN_AGAIN_US (5 * SEC)    /* jwt could not */
#define SIGN_ANEW_US  (3600 * SEC) /* who verifies gets one of a key that jwt has now */

struct audit_sealer { /* who waits, in the arena of its call */
	struct link link;
	struct call_dep dep;
	struct audit *a;
	struct call *c;
	bool durable;
	audit_then_fn *then;
	void *ctx;
};

static void on_timer(struct timer *t);
static void on_signed(const Mf__SignedCheckpoint *m, void *ctx);
static struct audit_entry *checkpoint(struct audit *a, const Mf__SignedCheckpoint *m);
static void on_sealer_gone(struct call_dep *d);
static void on_told(struct call *c, void *ctx);

void
audit_seal_start(struct audit *a)
{
	timer_init(&a->seal_timer, a->loop, on_timer);
}

/* After a batch without one. */
void
audit_seal_due(struct audit *a)
{
	if (a->sealed == 0)
		a->sealed =
		    a->number - 1; /* of a process before us, perhaps: within a minute again */
	if (a->number - a->sealed >= (uint64_t)(*a->o.config)->audit_checkpoint)
		a->seal_wanted = true;
	else if (a->number > a->sealed && a->seal_timer.at_us == 0)
		timer_in(&a->seal_timer, (*a->o.config)->audit_checkpoint_after_us);
}

static void
on_timer(struct timer *t)
{
	struct audit *a = container_of(t, struct audit, seal_timer);

	a->seal_wanted = true;
	audit_work(a);
}

void
audit_sign(struct audit *a)
{
	Mf__Checkpoint q = MF__CHECKPOINT__INIT;
	struct call *c;
	struct jw w;

	if (a->number == 0) { /* nothing to sign */
		a->seal_wanted = false;
		audit_sealers_tell(a, true);
		timer_in(&a->soon, 0);
		return;
	}
	a->busy = BUSY_SIGNING;
	/* again in each: what was signed long ago is of a key that nobody trusts any more */
	a->signs = a->begins > a->begun ? a->begins : a->begun;
	c = audit_call(a);
	jw_start(&w, call_arena(c), 256);
	jw_object(&w, NULL);
	if (a->signs != 0)
		jw_int(&w, "begins", (int64_t)a->signs);
	jw_str(&w, "hash", a->hash);
	jw_int(&w, "number", (int64_t)a->number);
	jw_int(&w, "time", time_wall_us() / SEC);
	jw_close(&w, '}');
	q.payload.data = (uint8_t *)jw_text(&w, &q.payload.len);
	a->rpc = rpc_new(c, a->o.jwt, &(const struct rpc_opts){ .limit_us = SIGN_LIMIT_US });
	mf__jwt__sign(&a->rpc->service, &q, on_signed, a);
}

static void
on_signed(const Mf__SignedCheckpoint *m, void *ctx)
{
	struct audit *a = ctx;
	struct audit_entry *e = m != NULL ? checkpoint(a, m) : NULL;

	if (e == NULL)
		log_info("audit_not_signed",
		    L_STR("why", m == NULL ? rpc_failure(a->rpc)->message : "no checkpoint"));
	audit_call_end(a);
	if (e != NULL) {
		a->seal_ready = true;
		audit_enter(a, e, true);
	} else {
		a->seal_wanted = false;
		timer_in(&a->seal_timer, SIGN_AGAIN_US);
		audit_sealers_tell(a, false);
	}
	audit_work(a);
}

static struct audit_entry *
checkpoint(struct audit *a, const Mf__SignedCheckpoint *m)
{
	struct audit_event e = { .kind = a->signs != a->begun ? "begins" : "checkpoint",
		.outcome = "ok",
		.agent = rpc_node(a->rpc),
		.begins = a->signs,
		.jws = m->token };
	struct arena *t = call_arena(a->call);
	struct json_error error;
	json_t *key = json_read(m->key.data, m->key.len, &error);
	char id[UUID_LEN], *canonical, *text;

	if (key == NULL)
		return NULL;
	canonical = audit_canonical(key);
	json_decref(key);
	e.key = canonical;
	uuid7(id);
	text = audit_event_text(t, &e, id, time_wall_us());
	free(canonical);
	return audit_entry_new(text, strlen(text));
}

/* It is in the log. */
void
audit_sealed(struct audit *a, uint64_t number)
{
	a->sealed = number;
	a->sealed_at_us = loop_now(a->loop);
	a->begun = a->signs;
	a->seal_wanted = a->begins > a->begun; /* asked for while this one was signed */
	if (!a->seal_wanted)
		a->begins = 0;
	timer_stop(&a->seal_timer);
	metric_inc(a->checkpoints);
	audit_head_save(a);
	if (!a->seal_wanted)
		audit_keep_soon(a);
	audit_sealers_tell(a, true);
}

/* --- whoever wants all of it signed --- */

void
audit_seal(struct audit *a, struct call *c, audit_then_fn *then, void *ctx)
{
	struct audit_sealer *s = ARENA_NEW(call_arena(c), struct audit_sealer);

	*s = (struct audit_sealer){
		.a = a, .c = c, .then = then, .ctx = ctx, .dep.cancel = on_sealer_gone
	};
	if (a->away ||
	    (a->tail_known && a->queue.n == 0 && a->sealed == a->number && a->sealed_at_us != 0 &&
		loop_now(a->loop) - a->sealed_at_us < SIGN_ANEW_US)) {
		s->durable = !a->away;
		(void)call_after(c, 0, on_told, s);
		return;
	}
	list_add(&a->sealers, &s->link);
	call_attach(c, &s->dep);
	a->seal_wanted = true;
	audit_work(a);
}

void
audit_sealers_tell(struct audit *a, bool durable)
{
	struct link *k;

	while ((k = list_pop(&a->sealers)) != NULL) {
		struct audit_sealer *s = container_of(k, struct audit_sealer, link);

		call_detach(s->c, &s->dep);
		s->durable = durable;
		(void)call_after(s->c, 0, on_told, s);
	}
}

static void
on_sealer_gone(struct call_dep *d)
{
	struct audit_sealer *s = container_of(d, struct audit_sealer, dep);

	list_del(&s->a->sealers, &s->link);
}

static void
on_told(struct call *c, void *ctx)
{
	struct audit_sealer *s = ctx;

	(void)c;
	s->then(s->durable, s->ctx);
}

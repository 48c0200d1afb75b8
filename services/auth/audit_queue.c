/* audit_queue: what is not in the log yet, oldest first, and whoever waits until it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/audit_int.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define PATIENCE_US      (1 * SEC) /* of a refusal, for its record */
#define MUST_PATIENCE_US (3 * SEC)

static void on_patience(struct call *c, void *ctx);
static void on_gone(struct call_dep *d);
static void give_up(struct audit_waiter *w);
static void finish_soon(struct audit_waiter *w, bool durable);
static void on_finish(struct call *c, void *ctx);

static struct audit_entry *
take(struct audit *a, const struct audit_event *e)
{
	struct arena *m;
	struct audit_entry *x;
	char id[UUID_LEN], *text;

	if (a->queue.n >= AUDIT_QUEUE || a->bytes >= AUDIT_QUEUE_BYTES) {
		a->lost++;
		metric_inc(a->lost_total);
		return NULL;
	}
	uuid7(id);
	m = arena_new(1u << 20);
	text = audit_event_text(m, e, id, time_wall_us());
	x = audit_entry_new(text, strlen(text));
	arena_free(&m);
	must(x != NULL);
	audit_enter(a, x, false);
	if (a->away)
		audit_spool_some(a);
	return x;
}

void
audit_note(struct audit *a, const struct audit_event *e)
{
	(void)take(a, e);
}

void
audit_await(struct audit *a, struct call *c, const struct audit_event *e, enum audit_need need,
    audit_then_fn *then, void *ctx)
{
	struct audit_waiter *w = ARENA_NEW(call_arena(c), struct audit_waiter);

	*w = (struct audit_waiter){
		.c = c, .audit = a, .need = need, .then = then, .ctx = ctx, .dep.cancel = on_gone
	};
	w->entry = take(a, e);
	if (w->entry == NULL) {
		finish_soon(w, false);
		return;
	}
	w->entry->waiter = w;
	call_attach(c, &w->dep);
	w->patience = call_after(
	    c, need == AUDIT_MUST && !a->away ? MUST_PATIENCE_US : PATIENCE_US, on_patience, w);
	if (a->busy == BUSY_WAITING)
		timer_in(&a->soon, 0); /* perhaps it is back */
}

/* NULL: it is no event. */
struct audit_entry *
audit_entry_new(const char *text, size_t n)
{
	struct audit_entry *e = mem_zalloc(sizeof(*e) + n + 1);
	struct json_error error;
	json_t *v = json_read(text, n, &error);
	const struct {
		const char *name;
		char *to;
		size_t size;
	} parts[] = { { "id", e->id, sizeof(e->id) }, { "kind", e->kind, sizeof(e->kind) },
		{ "outcome", e->outcome, sizeof(e->outcome) },
		{ "actor", e->actor, sizeof(e->actor) },
		{ "subject", e->subject, sizeof(e->subject) },
		{ "address", e->address, sizeof(e->address) } };

	memcpy(e->text, text, n);
	e->n = n;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const char *s = json_string_value(json_object_get(v, parts[i].name));

		(void)snprintf(parts[i].to, parts[i].size, "%s", s != NULL ? s : "");
	}
	json_decref(v);
	if (e->kind[0] != '\0' && e->outcome[0] != '\0' && uuid_ok(e->id))
		return e;
	free(e);
	return NULL;
}

void
audit_enter(struct audit *a, struct audit_entry *e, bool first)
{
	if (first)
		list_add_first(&a->queue, &e->link);
	else
		list_add(&a->queue, &e->link);
	a->bytes += e->n;
	metric_set(a->queued, (double)a->queue.n);
	if (a->busy == BUSY_NOT)
		timer_in(&a->soon, 0);
}

void
audit_leave(struct audit *a, struct audit_entry *e, bool durable)
{
	list_del(&a->queue, &e->link);
	a->bytes -= e->n;
	metric_set(a->queued, (double)a->queue.n);
	if (e->waiter != NULL)
		finish_soon(e->waiter, durable);
	free(e);
}

/* --- whoever waits --- */

void
audit_told(struct audit_entry *e)
{
	if (e->waiter != NULL && e->waiter->need == AUDIT_REFUSAL)
		finish_soon(e->waiter, true);
}

static void
on_patience(struct call *c, void *ctx)
{
	struct audit_waiter *w = ctx;

	(void)c;
	w->patience = NULL;
	audit_refuse(w);
}

void
audit_refuse(struct audit_waiter *w)
{
	call_detach(w->c, &w->dep);
	give_up(w);
	finish_soon(w, false);
}

static void
on_gone(struct call_dep *d)
{
	give_up(container_of(d, struct audit_waiter, dep));
}

/* What was not sent yet, and may not have happened now, is not said. */
static void
give_up(struct audit_waiter *w)
{
	struct audit_entry *e = w->entry;

	if (e == NULL)
		return;
	e->waiter = NULL;
	w->entry = NULL;
	if (w->need == AUDIT_MUST && !e->in_flight && !e->spooled)
		audit_leave(w->audit, e, false);
}

static void
finish_soon(struct audit_waiter *w, bool durable)
{
	if (w->entry != NULL) {
		w->entry->waiter = NULL;
		w->entry = NULL;
		call_detach(w->c, &w->dep);
	}
	if (w->patience != NULL)
		call_timer_stop(w->patience);
	w->patience = NULL;
	w->durable = durable;
	w->soon = call_after(w->c, 0, on_finish, w);
}

static void
on_finish(struct call *c, void *ctx)
{
	struct audit_waiter *w = ctx;

	(void)c;
	w->then(w->durable, w->ctx);
}

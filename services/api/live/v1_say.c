/* v1_say: what we say in metafed.v1, a function per message. */
#include <string.h>

#include "api/live/mind.h"
#include "api/live/v1.h"
#include "api/ops/ops.h"

static struct jw *begin(struct turn *, const char *, const char *);
static void end(struct turn *, struct jw *);

void
v1_hello(struct turn *t)
{
	struct jw *w = begin(t, "hello", "");

	jw_str(w, "protocol", "metafed.v1");
	jw_str(w, "session", t->q->session_id);
	jw_int(w, "subscriptions_most", SUBSCRIPTIONS_MOST);
	end(t, w);
}

void
v1_authenticated(struct turn *t, const char *id)
{
	const Mf__Principal *p = t->state->principal;
	struct jw *w = begin(t, "authenticated", id);

	jw_object(w, "principal");
	jw_str(w, "id", p->id);
	jw_str(w, "name", p->name);
	jw_array(w, "roles");
	for (size_t i = 0; i < p->n_roles; i++)
		jw_str(w, NULL, p->roles[i]);
	jw_close(w, ']');
	jw_close(w, '}');
	if (p->expires_at != 0)
		jw_time(w, "expires_at", (int64_t)p->expires_at);
	end(t, w);
}

void
v1_error(struct turn *t, const char *id, const struct failure *f)
{
	struct jw *w = begin(t, "error", id);
	char trace[33];

	trace_id_of(call_traceparent(t->c), trace);
	problem_write(w, "error", 0, f, trace, false);
	end(t, w);
}

void
v1_note(struct turn *t, const char *type, const char *id, const char *position)
{
	struct jw *w = begin(t, type, id);

	if (position != NULL)
		jw_str(w, "position", position);
	end(t, w);
}

void
v1_reauthenticate(struct turn *t, int64_t expires_at_us)
{
	struct jw *w = begin(t, "reauthenticate", "");

	jw_time(w, "expires_at", expires_at_us);
	end(t, w);
}

bool
v1_subscription_note(struct turn *t, const Mf__LiveSubscription *s, enum note what)
{
	static const char *const types[] = {
		[NOTE_SUBSCRIBED] = "subscribed",
		[NOTE_GAP] = "gap",
		[NOTE_LAGGING] = "lagging",
		[NOTE_CAUGHT_UP] = "caught_up",
	};

	v1_note(t, types[what], s->id, s->position);
	return true;
}

bool
v1_render(struct turn *t, const Mf__LiveSubscription *s, size_t n,
    const struct source_event *const *e, ProtobufCBinaryData *out, void (*done)(void *ctx),
    void *ctx)
{
	for (size_t i = 0; i < n; i++) {
		struct jw *w = begin(t, "event", "");

		jw_str(w, "subscription", s->id);
		jw_str(w, "position", e[i]->position);
		jw_str(w, "event", e[i]->kind);
		jw_time(w, "at", e[i]->at_us);
		jw_raw(w, "data", e[i]->data, e[i]->data_n);
		jw_close(w, '}');
		out[i].data = (uint8_t *)jw_text(w, &out[i].len);
	}
	done(ctx);
	return true;
}

void
v1_goodbye(struct turn *t, int code, const char *reason, const char *text)
{
	struct jw *w;

	if (turn_closing(t))
		return;
	w = begin(t, "goodbye", "");
	jw_str(w, "reason", reason);
	jw_str(w, "detail", text);
	end(t, w);
	turn_close(t, code, text);
}

static struct jw *
begin(struct turn *t, const char *type, const char *id)
{
	struct jw *w = ARENA_NEW(t->a, struct jw);

	jw_start(w, t->a, 256);
	jw_object(w, NULL);
	jw_str(w, "type", type);
	if (id[0] != '\0')
		jw_str(w, "id", id);
	return w;
}

static void
end(struct turn *t, struct jw *w)
{
	jw_close(w, '}');
	turn_say(t, w);
}

/* gw_say: what we say in graphql-transport-ws. */
#include "api/live/gw.h"
#include "base/log.h"

static void begin(struct jw *, struct arena *, const char *, const char *, size_t);
static ProtobufCBinaryData end(struct jw *);

ProtobufCBinaryData
gw_next(struct arena *a, const char *id, const char *json, size_t n)
{
	struct jw w;

	begin(&w, a, "next", id, n);
	jw_raw(&w, "payload", json, n);
	return end(&w);
}

/* Of a request that was not executed the errors alone are told, and it ends with them. */
ProtobufCBinaryData
gw_errors(struct arena *a, const char *id, const char *json, size_t n)
{
	struct json_error e;
	json_t *v = json_read(json, n, &e);
	struct jw w;

	must(json_is_array(json_object_get(v, "errors")));
	begin(&w, a, "error", id, n);
	jw_json(&w, "payload", json_object_get(v, "errors"));
	json_decref(v);
	return end(&w);
}

ProtobufCBinaryData
gw_plain(struct arena *a, const char *type, const char *id)
{
	struct jw w;

	begin(&w, a, type, id, 0);
	return end(&w);
}

void
gw_say(struct turn *t, const char *type, const json_t *payload)
{
	struct jw w;

	begin(&w, t->a, type, "", 0);
	if (payload != NULL)
		jw_json(&w, "payload", payload);
	turn_say_text(t, end(&w));
}

void
gw_error(struct turn *t, const char *id, const struct failure *f)
{
	size_t n;
	const char *json = graphql_failure(t->c, f, &n);

	turn_say_text(t, gw_errors(t->a, id, json, n));
}

/* The protocol has no word for a gap: who was promised every event is told that this can't be kept. */
bool
gw_note(struct turn *t, const Mf__LiveSubscription *s, enum note what)
{
	static const struct failure lost = { .status = ST_OUT_OF_RANGE,
		.reason = "EVENTS_LOST",
		.message = "Events behind this position are not kept any more: read what there is "
			   "anew, then subscribe from now on." };

	if (what != NOTE_GAP)
		return true;
	gw_error(t, s->id, &lost);
	return false;
}

/* A ping may carry anything: who looks at it can open another connection in time. */
void
gw_expires(struct turn *t, int64_t at_us)
{
	struct jw w;

	begin(&w, t->a, "ping", "", 0);
	jw_object(&w, "payload");
	jw_time(&w, "credentialExpiresAt", at_us);
	jw_close(&w, '}');
	turn_say_text(t, end(&w));
}

void
gw_goodbye(struct turn *t, int code, const char *reason, const char *text)
{
	(void)reason;
	turn_close(t, code, text);
}

static void
begin(struct jw *w, struct arena *a, const char *type, const char *id, size_t n)
{
	jw_start(w, a, n + GW_ID_MOST + 64); /* an id may need escapes: then it grows */
	jw_object(w, NULL);
	if (id[0] != '\0')
		jw_str(w, "id", id);
	jw_str(w, "type", type);
}

static ProtobufCBinaryData
end(struct jw *w)
{
	ProtobufCBinaryData out;

	jw_close(w, '}');
	out.data = (uint8_t *)jw_text(w, &out.len);
	return out;
}

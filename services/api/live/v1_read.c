/* v1_read: see v1_read.h. A table says which members each type has; what nobody knows is refused, so
 * that a misspelt one is not silently absent. */
#include "api/live/v1_read.h"

#include <string.h>

#include "api/live/selection.h"

#define FILTER_MOST   2048 /* bytes: it stands in the session's state */
#define TOKEN_MOST    8192
#define ENDPOINT_MOST 2048
#define VALUE_MOST    512

struct reading {
	struct arena *a;
	const json_t *v;
	struct v1_message *m;
	struct failure *f;
};

static void read_object(struct reading *);
static const struct words *words_of(const json_t *, enum v1_type *);
static void read_auth(struct reading *);
static void read_submit(struct reading *);
static void read_request(struct reading *, const json_t *);
static void read_api(struct reading *, const json_t *);
static void read_headers(struct reading *, const json_t *);
static void read_subscribe(struct reading *);
static void read_filter(struct reading *, const json_t *);
static void read_window(struct reading *, const json_t *);
static void read_ack(struct reading *);
static const char *take_id(struct reading *, bool);
static const char *take(struct reading *, const json_t *, const char *, size_t, bool);
static ProtobufCBinaryData text_of(struct arena *, const json_t *);
static bool known(const char *const *, const char *);

static const struct words {
	const char *type;
	bool id; /* is needed */
	void (*read)(struct reading *);
	const char *members[8];
} table[V1_TYPES] = {
	[V1_AUTH] = { "auth", false, read_auth, { "type", "id", "token", NULL } },
	[V1_SUBMIT] = { "submit", true, read_submit, { "type", "id", "request", "api", NULL } },
	[V1_SUBSCRIBE] = { "subscribe", true, read_subscribe,
	    { "type", "id", "topic", "filter", "after", "window", NULL } },
	[V1_UNSUBSCRIBE] = { "unsubscribe", true, NULL, { "type", "id", NULL } },
	[V1_ACK] = { "ack", true, read_ack, { "type", "id", "position", NULL } },
	[V1_CANCEL] = { "cancel", true, NULL, { "type", "id", NULL } },
	[V1_PING] = { "ping", false, NULL, { "type", "id", NULL } },
};

bool
v1_read(struct arena *a, const void *text, size_t n, struct v1_message *m, struct failure *f)
{
	struct reading r = { .a = a, .m = m, .f = f };
	struct json_error e;
	json_t *v = json_read(text, n, &e);

	*m = (struct v1_message){ .type = V1_TYPES, .id = "" };
	*f = (struct failure){ .status = ST_OK, .message = "", .reason = "" };
	if (v == NULL) {
		*f = (struct failure){ .status = ST_INVALID_ARGUMENT,
			.reason = "BAD_JSON",
			.message = arena_printf(a, "the message is no JSON: line %d, column %d: %s",
			    e.line, e.column, e.what) };
		return false;
	}
	r.v = v;
	read_object(&r);
	json_decref(v);
	return f->status == ST_OK;
}

static void
read_object(struct reading *r)
{
	const struct words *w;
	const char *name;
	json_t *unused;

	if (!json_is_object(r->v)) {
		failure_violation(r->a, r->f, "", "must be a JSON object");
		return;
	}
	r->m->id = take_id(r, false);
	if ((w = words_of(json_object_get(r->v, "type"), &r->m->type)) == NULL) {
		failure_violation(r->a, r->f, "/type",
		    "must be auth, submit, subscribe, unsubscribe, ack, cancel or ping");
		return;
	}
	json_object_foreach((json_t *)r->v, name, unused)
	{
		(void)unused;
		if (!known(w->members, name)) {
			failure_violation(r->a, r->f, "", "has a member that no %s has", w->type);
			return;
		}
	}
	if (w->id)
		(void)take_id(r, true);
	if (w->read != NULL)
		w->read(r);
}

static const struct words *
words_of(const json_t *type, enum v1_type *out)
{
	for (int i = 0; i < V1_TYPES; i++)
		if (json_is_string(type) && strcmp(json_string_value(type), table[i].type) == 0) {
			*out = (enum v1_type)i;
			return &table[i];
		}
	return NULL;
}

static void
read_auth(struct reading *r)
{
	r->m->token = take(r, r->v, "token", TOKEN_MOST, true);
}

/* Either a whole TaskRequest, or the form of one alone: any operation of /v1. */
static void
read_submit(struct reading *r)
{
	const json_t *request = json_object_get(r->v, "request"),
		     *api = json_object_get(r->v, "api");

	r->m->work = ARENA_NEW(r->a, Mf__LiveWork);
	mf__live_work__init(r->m->work);
	r->m->work->id = (char *)r->m->id;
	if ((request == NULL) == (api == NULL))
		failure_violation(r->a, r->f, "", "must have one of request and api");
	else if (request != NULL)
		read_request(r, request);
	else if (!json_is_object(api))
		failure_violation(r->a, r->f, "/api", "must be an object");
	else
		read_api(r, api);
}

/* What is in it is the business of whom it goes to, as over HTTP. */
static void
read_request(struct reading *r, const json_t *request)
{
	r->m->work->method = (char *)"POST";
	r->m->work->path = (char *)"/v1/requests";
	r->m->work->body = text_of(r->a, request);
}

static void
read_api(struct reading *r, const json_t *api)
{
	static const char *const members[] = { "method", "endpoint", "data", "headers", NULL };
	struct str path, query;
	Mf__LiveWork *w = r->m->work;
	const json_t *data = json_object_get(api, "data");
	const char *name, *endpoint;
	json_t *unused;

	json_object_foreach((json_t *)api, name, unused)
	{
		(void)unused;
		if (!known(members, name)) {
			failure_violation(r->a, r->f, "/api",
			    "has a member that is none of method, endpoint, data, headers");
			return;
		}
	}
	w->method = (char *)take(r, api, "method", 16, true);
	endpoint = take(r, api, "endpoint", ENDPOINT_MOST, true);
	if (r->f->status != ST_OK)
		return;
	if (endpoint[0] != '/') {
		failure_violation(r->a, r->f, "/api/endpoint", "must begin with /, without /v1");
		return;
	}
	str_cut(str_of(endpoint), '?', &path, &query);
	w->path = arena_printf(r->a, "/v1%.*s", (int)path.n, path.p);
	w->query = arena_strndup(r->a, query.n == 0 ? "" : query.p, query.n);
	if (data != NULL)
		w->body = text_of(r->a, data);
	read_headers(r, json_object_get(api, "headers"));
}

/* Those that mean something to an operation; the credential is the session's. */
static void
read_headers(struct reading *r, const json_t *headers)
{
	static const char *const allowed[] = { "if-match", "if-none-match", "idempotency-key",
		"prefer", NULL };
	Mf__LiveWork *w = r->m->work;
	const char *name;
	json_t *v;

	if (headers != NULL && !json_is_object(headers)) {
		failure_violation(r->a, r->f, "/api/headers", "must be an object");
		return;
	}
	w->headers = ARENA_ARRAY(r->a, Mf__KeyValue *, json_object_size(headers) + 1);
	json_object_foreach((json_t *)headers, name, v)
	{
		Mf__KeyValue *kv = ARENA_NEW(r->a, Mf__KeyValue);

		if (!known(allowed, name) || !json_is_string(v) ||
		    json_string_length(v) > VALUE_MOST) {
			failure_violation(r->a, r->f, "/api/headers",
			    "may have if-match, if-none-match, idempotency-key and prefer, strings "
			    "of at most %d bytes",
			    VALUE_MOST);
			return;
		}
		mf__key_value__init(kv);
		kv->key = arena_strdup(r->a, name);
		kv->value = arena_strdup(r->a, json_string_value(v));
		w->headers[w->n_headers++] = kv;
	}
}

static void
read_subscribe(struct reading *r)
{
	Mf__LiveSubscription *s = ARENA_NEW(r->a, Mf__LiveSubscription);
	const char *topic = take(r, r->v, "topic", VALUE_MOST, true),
		   *after = take(r, r->v, "after", VALUE_MOST, false);

	mf__live_subscription__init(s);
	r->m->subscribe = s;
	s->id = (char *)r->m->id;
	if (r->f->status != ST_OK)
		return;
	if ((r->m->source = source_find(topic)) == NULL) {
		failure_violation(r->a, r->f, "/topic", "must be tasks or fleet");
		return;
	}
	s->topic = (char *)r->m->source->topic;
	if (after[0] != '\0' && !r->m->source->position_ok(str_of(after)))
		failure_violation(r->a, r->f, "/after", "must be a position that an event had");
	s->position = (char *)after;
	read_filter(r, json_object_get(r->v, "filter"));
	read_window(r, json_object_get(r->v, "window"));
}

static void
read_filter(struct reading *r, const json_t *filter)
{
	Mf__LiveSubscription *s = r->m->subscribe;

	if (filter == NULL || selection_read(r->a, r->m->source, filter, r->f) == NULL)
		return;
	s->filter = text_of(r->a, filter);
	if (s->filter.len > FILTER_MOST)
		failure_violation(r->a, r->f, "/filter", "must have at most %d bytes", FILTER_MOST);
}

static void
read_window(struct reading *r, const json_t *window)
{
	if (window == NULL)
		return;
	if (!json_is_integer(window) || json_integer_value(window) < 1 ||
	    json_integer_value(window) > V1_WINDOW_MOST)
		failure_violation(r->a, r->f, "/window", "must be 1 to %d", V1_WINDOW_MOST);
	else
		r->m->subscribe->window = (uint32_t)json_integer_value(window);
}

static void
read_ack(struct reading *r)
{
	r->m->position = take(r, r->v, "position", VALUE_MOST, true);
}

/* Printable: it comes back in answers and stands in logs of others. */
static const char *
take_id(struct reading *r, bool needed)
{
	const json_t *id = json_object_get(r->v, "id");
	const char *s = json_is_string(id) ? json_string_value(id) : "";
	size_t n = json_is_string(id) ? json_string_length(id) : 0;

	if (id == NULL && !needed)
		return "";
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			n = 0;
	if (n != 0 && n <= V1_ID_MOST)
		return arena_strdup(r->a, s);
	if (r->f->status == ST_OK)
		failure_violation(
		    r->a, r->f, "/id", "must be a string of 1 to %d bytes", V1_ID_MOST);
	return "";
}

static const char *
take(struct reading *r, const json_t *v, const char *name, size_t most, bool needed)
{
	const json_t *s = json_object_get(v, name);

	if (s == NULL && !needed)
		return "";
	if (json_is_string(s) && json_string_length(s) != 0 && json_string_length(s) <= most)
		return arena_strdup(r->a, json_string_value(s));
	failure_violation(r->a, r->f, arena_printf(r->a, "%s/%s", v == r->v ? "" : "/api", name),
	    "must be a string of 1 to %zu bytes", most);
	return "";
}

static ProtobufCBinaryData
text_of(struct arena *a, const json_t *v)
{
	ProtobufCBinaryData out;
	struct jw w;

	jw_start(&w, a, 256);
	jw_json(&w, NULL, v);
	out.data = (uint8_t *)jw_text(&w, &out.len);
	return out;
}

static bool
known(const char *const *names, const char *name)
{
	for (; *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

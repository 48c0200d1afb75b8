/* v1_work: a submit is an operation of /v1, done by the code that does it for HTTP, and answered with
 * the same representation and the same errors. */
#include <string.h>

#include "api/live/v1.h"
#include "api/ops/ops.h"
#include "api/rest/rest.h"

struct submit {
	struct call *c;
	const Mf__LiveWork *w;
	Mf__HttpRequest q;
};

static void add_header(struct arena *, Mf__HttpRequest *, const char *, const char *);
static void on_answer(const Mf__HttpResponse *, void *);
static void write_headers(struct jw *, const Mf__HttpResponse *);
static void write_body(struct jw *, const char *, const Mf__HttpResponse *);
static const char *header_of(const Mf__HttpResponse *, const char *);

void
v1_work(struct call *c, const Mf__LiveWork *w, const char *operation_id)
{
	struct arena *a = call_arena(c);
	struct submit *x = ARENA_NEW(a, struct submit);

	*x = (struct submit){ .c = c, .w = w, .q = MF__HTTP_REQUEST__INIT };
	x->q.method = w->method;
	x->q.path = w->path;
	x->q.query = w->query;
	x->q.body = w->body;
	x->q.client_address = w->client_address;
	x->q.operation_id = (char *)operation_id;
	x->q.headers = ARENA_ARRAY(a, Mf__KeyValue *, w->n_headers + 2);
	for (size_t i = 0; i < w->n_headers; i++)
		x->q.headers[x->q.n_headers++] = w->headers[i];
	add_header(a, &x->q, "authorization", arena_printf(a, "Bearer %s", w->credential));
	add_header(a, &x->q, "content-type",
	    strcmp(w->method, "PATCH") == 0 ? "application/merge-patch+json" : "application/json");
	rest_answer_to(c, &x->q, on_answer, x);
}

static void
add_header(struct arena *a, Mf__HttpRequest *q, const char *name, const char *value)
{
	Mf__KeyValue *kv = ARENA_NEW(a, Mf__KeyValue);

	mf__key_value__init(kv);
	kv->key = (char *)name;
	kv->value = (char *)value;
	q->headers[q->n_headers++] = kv;
}

static void
on_answer(const Mf__HttpResponse *m, void *ctx)
{
	struct submit *x = ctx;
	Mf__SessionResult out = MF__SESSION_RESULT__INIT;
	ProtobufCBinaryData message;
	bool failed = m->status >= 400;
	struct jw w;

	jw_start(&w, call_arena(x->c), m->body.len + 256);
	jw_object(&w, NULL);
	jw_str(&w, "type", failed ? "error" : "result");
	jw_str(&w, "id", x->w->id);
	if (!failed)
		jw_int(&w, "status", m->status);
	write_headers(&w, m);
	write_body(&w, failed ? "error" : "data", m);
	jw_close(&w, '}');
	message.data = (uint8_t *)jw_text(&w, &message.len);
	out.n_messages = 1;
	out.messages = &message;
	call_reply(x->c, &out.base);
}

/* What the connection has said once is not said with each answer. */
static void
write_headers(struct jw *w, const Mf__HttpResponse *m)
{
	bool any = false;

	for (size_t i = 0; i < m->n_headers; i++) {
		if (strcmp(m->headers[i]->key, "Content-Type") == 0)
			continue;
		if (!any)
			jw_object(w, "headers");
		any = true;
		jw_str(w, m->headers[i]->key, m->headers[i]->value);
	}
	if (any)
		jw_close(w, '}');
}

static void
write_body(struct jw *w, const char *key, const Mf__HttpResponse *m)
{
	const char *type = header_of(m, "Content-Type");

	if (m->body.len == 0)
		return;
	if (str_starts(type, "application/json") || str_starts(type, "application/problem+json"))
		jw_raw(w, key, m->body.data, m->body.len);
	else
		jw_strn(w, key, (const char *)m->body.data, m->body.len);
}

static const char *
header_of(const Mf__HttpResponse *m, const char *name)
{
	for (size_t i = 0; i < m->n_headers; i++)
		if (strcmp(m->headers[i]->key, name) == 0)
			return m->headers[i]->value;
	return "";
}

/* otlp: see otlp.h. One tree of messages, written as protobuf or as JSON. Names of attributes are those
 * of OpenTelemetry's semantic conventions. */
#include "api/rest/otlp.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/status.h"
#include "proto/otlp.pb-c.h"

#define NODES_MOST      32 /* resources; a fleet has fewer */
#define ATTRIBUTES_MOST 10
#define KIND_SERVER     2
#define STATUS_ERROR    2
#define FLAG_SAMPLED    1u
#define FLAGS_REMOTE    0x300u /* it is known where the parent is: elsewhere */

struct writing {
	struct arena *a;
	size_t n_nodes, spans, room; /* room: spans at most, in all */
	const char *nodes[NODES_MOST];
	Mf__Otlp__ResourceSpans *of[NODES_MOST];
};

static size_t count_spans(const Mf__TraceBatch *q);
static void add_trace(struct writing *w, const Mf__Trace *m);
static Mf__Otlp__Span *add_span(struct writing *w, const char *node, const uint8_t trace[16]);
static Mf__Otlp__ScopeSpans *scope_of(struct writing *w, const char *node);
static ProtobufCBinaryData id_of(struct arena *a, uint64_t id);
static void attribute_text(
    struct arena *a, size_t *n, Mf__Otlp__Attribute ***list, const char *key, const char *value);
static void span_text(struct writing *w, Mf__Otlp__Span *s, const char *key, const char *value);
static void span_number(struct writing *w, Mf__Otlp__Span *s, const char *key, int64_t value);
static void failed(struct writing *w, Mf__Otlp__Span *s, uint32_t code, const char *reason);
static void write_json(struct arena *a, const Mf__Otlp__ExportRequest *m, struct str *out);

void
otlp_write(struct arena *a, enum otlp_form form, const Mf__TraceBatch *q, struct otlp_body *out)
{
	struct writing w = { .a = a, .room = count_spans(q) };
	Mf__Otlp__ExportRequest m = MF__OTLP__EXPORT_REQUEST__INIT;
	uint8_t *p;

	for (size_t i = 0; i < q->n_items; i++) {
		const Mf__Trace *t =
		    mf__trace__unpack(arena_allocator(a), q->items[i].len, q->items[i].data);

		if (t != NULL)
			add_trace(&w, t);
	}
	m.n_resource_spans = w.n_nodes;
	m.resource_spans = w.of;
	out->spans = w.spans;
	if (form == OTLP_JSON) {
		write_json(a, &m, &out->bytes);
		return;
	}
	p = arena_alloc(a, mf__otlp__export_request__get_packed_size(&m) + 1);
	out->bytes = (struct str){ (const char *)p, mf__otlp__export_request__pack(&m, p) };
}

void
otlp_read_answer(
    struct arena *a, enum otlp_form form, struct str body, uint32_t *rejected, const char **why)
{
	int64_t n = 0;

	*why = "";
	if (form == OTLP_JSON) {
		struct json_error e;
		json_t *v = json_read(body.p, body.n, &e);
		const json_t *said = json_object_get(v, "partialSuccess"),
			     *spans = json_object_get(said, "rejectedSpans");
		const char *message = json_string_value(json_object_get(said, "errorMessage"));
		uint64_t digits = 0;

		n = json_integer_value(spans);
		if (json_is_string(spans) &&
		    str_u64(str_of(json_string_value(spans)), UINT32_MAX, &digits))
			n = (int64_t)digits;
		if (message != NULL)
			*why = arena_strdup(a, message);
		json_decref(v);
	} else {
		const Mf__Otlp__ExportResponse *m = mf__otlp__export_response__unpack(
		    arena_allocator(a), body.n, (const uint8_t *)body.p);

		if (m != NULL && m->partial_success != NULL) {
			n = m->partial_success->rejected_spans;
			*why = m->partial_success->error_message;
		}
	}
	*rejected = n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static size_t
count_spans(const Mf__TraceBatch *q)
{
	size_t bytes = 0;

	for (size_t i = 0; i < q->n_items; i++)
		bytes += q->items[i].len;
	return q->n_items + bytes / 2; /* no hop is smaller than that */
}

static void
add_trace(struct writing *w, const Mf__Trace *m)
{
	static const char *const whys[] = { NULL, "error", "slow", "asked", "sampled" };
	uint64_t at = m->at * 1000;
	Mf__Otlp__Span *s;
	uint8_t trace[16];
	const char *dot;

	if (!str_unhex(str_of(m->trace_id), trace, sizeof(trace)))
		return;
	if ((s = add_span(w, m->entry, trace)) == NULL)
		return;
	s->span_id = id_of(w->a, m->span_id);
	s->parent_span_id = id_of(w->a, m->parent_id);
	s->name = m->name;
	s->start_time_unix_nano = at;
	s->end_time_unix_nano = at + m->duration_us * 1000;
	span_text(w, s, "http.request.method", m->http_method);
	span_text(w, s, "http.route", m->route);
	if (m->http_status != 0)
		span_number(w, s, "http.response.status_code", m->http_status);
	if ((size_t)m->why < sizeof(whys) / sizeof(whys[0]))
		span_text(w, s, "metafed.why", whys[m->why]);
	if (m->failed)
		failed(w, s, m->code, m->reason);
	for (size_t i = 0; i < m->n_hops; i++) {
		const Mf__Hop *h = m->hops[i];

		if ((s = add_span(w, h->node, trace)) == NULL)
			return;
		s->span_id = id_of(w->a, h->span_id);
		s->parent_span_id = id_of(w->a, h->parent_id);
		s->name = h->method;
		s->start_time_unix_nano = at + h->start_us * 1000;
		s->end_time_unix_nano = s->start_time_unix_nano + h->duration_us * 1000;
		dot = strchr(h->method, '.');
		span_text(w, s, "rpc.system", "metafed");
		if (dot != NULL) {
			span_text(w, s, "rpc.service",
			    arena_strndup(w->a, h->method, (size_t)(dot - h->method)));
			span_text(w, s, "rpc.method", dot + 1);
		}
		span_text(w, s, "server.address", h->node);
		span_number(w, s, "metafed.attempt", h->attempt);
		if (status_is_fault((enum status)h->code) || h->code == ST_RESOURCE_EXHAUSTED)
			failed(w, s, h->code, h->reason);
	}
}

/* NULL: there is no room, which does not happen. */
static Mf__Otlp__Span *
add_span(struct writing *w, const char *node, const uint8_t trace[16])
{
	Mf__Otlp__ScopeSpans *l = scope_of(w, node);
	Mf__Otlp__Span *s;

	if (l == NULL || w->spans == w->room)
		return NULL;
	s = ARENA_NEW(w->a, Mf__Otlp__Span);
	mf__otlp__span__init(s);
	s->trace_id = (ProtobufCBinaryData){ 16, arena_dup(w->a, trace, 16) };
	s->kind = KIND_SERVER;
	s->flags = FLAG_SAMPLED | FLAGS_REMOTE;
	s->attributes = ARENA_ARRAY(w->a, Mf__Otlp__Attribute *, ATTRIBUTES_MOST);
	if ((l->n_spans & (l->n_spans - 1)) == 0) { /* a power of two: it is full */
		Mf__Otlp__Span **more =
		    ARENA_ARRAY(w->a, Mf__Otlp__Span *, l->n_spans == 0 ? 1 : 2 * l->n_spans);

		if (l->n_spans > 0)
			memcpy(more, l->spans, l->n_spans * sizeof(*more));
		l->spans = more;
	}
	l->spans[l->n_spans++] = s;
	w->spans++;
	return s;
}

static Mf__Otlp__ScopeSpans *
scope_of(struct writing *w, const char *node)
{
	Mf__Otlp__ResourceSpans *r;
	Mf__Otlp__ScopeSpans *s;
	size_t i = 0;

	while (i < w->n_nodes && strcmp(w->nodes[i], node) != 0)
		i++;
	if (i < w->n_nodes)
		return w->of[i]->scope_spans[0];
	if (i == NODES_MOST)
		return NULL;
	r = ARENA_NEW(w->a, Mf__Otlp__ResourceSpans);
	mf__otlp__resource_spans__init(r);
	r->resource = ARENA_NEW(w->a, Mf__Otlp__Resource);
	mf__otlp__resource__init(r->resource);
	r->resource->attributes = ARENA_ARRAY(w->a, Mf__Otlp__Attribute *, ATTRIBUTES_MOST);
	attribute_text(
	    w->a, &r->resource->n_attributes, &r->resource->attributes, "service.name", node);
	attribute_text(w->a, &r->resource->n_attributes, &r->resource->attributes,
	    "service.namespace", "metafed");
	attribute_text(w->a, &r->resource->n_attributes, &r->resource->attributes,
	    "service.version", METAFED_VERSION);
	s = ARENA_NEW(w->a, Mf__Otlp__ScopeSpans);
	mf__otlp__scope_spans__init(s);
	s->scope = ARENA_NEW(w->a, Mf__Otlp__Scope);
	mf__otlp__scope__init(s->scope);
	s->scope->name = (char *)(uintptr_t) "metafed";
	s->scope->version = (char *)(uintptr_t)METAFED_VERSION;
	r->scope_spans = ARENA_ARRAY(w->a, Mf__Otlp__ScopeSpans *, 1);
	r->scope_spans[r->n_scope_spans++] = s;
	w->nodes[w->n_nodes] = node;
	w->of[w->n_nodes++] = r;
	return s;
}

/* 0: none. */
static ProtobufCBinaryData
id_of(struct arena *a, uint64_t id)
{
	ProtobufCBinaryData b = { id == 0 ? 0 : 8, arena_alloc(a, 8) };

	for (int i = 7; i >= 0; i--, id >>= 8)
		b.data[i] = (uint8_t)id;
	return b;
}

static Mf__Otlp__Value *
attribute(struct arena *a, size_t *n, Mf__Otlp__Attribute ***list, const char *key)
{
	Mf__Otlp__Attribute *t = ARENA_NEW(a, Mf__Otlp__Attribute);

	must(*n < ATTRIBUTES_MOST);
	mf__otlp__attribute__init(t);
	t->key = (char *)(uintptr_t)key;
	t->value = ARENA_NEW(a, Mf__Otlp__Value);
	mf__otlp__value__init(t->value);
	(*list)[(*n)++] = t;
	return t->value;
}

static void
attribute_text(
    struct arena *a, size_t *n, Mf__Otlp__Attribute ***list, const char *key, const char *value)
{
	Mf__Otlp__Value *v = attribute(a, n, list, key);

	v->value_case = MF__OTLP__VALUE__VALUE_STRING_VALUE;
	v->string_value = (char *)(uintptr_t)value;
}

/* Nothing where there is none. */
static void
span_text(struct writing *w, Mf__Otlp__Span *s, const char *key, const char *value)
{
	if (value != NULL && value[0] != '\0')
		attribute_text(w->a, &s->n_attributes, &s->attributes, key, value);
}

static void
span_number(struct writing *w, Mf__Otlp__Span *s, const char *key, int64_t value)
{
	Mf__Otlp__Value *v = attribute(w->a, &s->n_attributes, &s->attributes, key);

	v->value_case = MF__OTLP__VALUE__VALUE_INT_VALUE;
	v->int_value = value;
}

static void
failed(struct writing *w, Mf__Otlp__Span *s, uint32_t code, const char *reason)
{
	const char *status = status_name((enum status)code);

	span_text(w, s, "error.type", reason[0] != '\0' ? reason : status);
	s->status = ARENA_NEW(w->a, Mf__Otlp__Status);
	mf__otlp__status__init(s->status);
	s->status->code = STATUS_ERROR;
	s->status->message = (char *)(uintptr_t)status;
}

/* --- JSON: ids as hex digits, 64-bit numbers as texts --- */

static void
write_attributes(struct jw *w, size_t n, Mf__Otlp__Attribute *const *list)
{
	char digits[24];

	jw_array(w, "attributes");
	for (size_t i = 0; i < n; i++) {
		const Mf__Otlp__Value *v = list[i]->value;

		jw_object(w, NULL);
		jw_str(w, "key", list[i]->key);
		jw_object(w, "value");
		snprintf(digits, sizeof(digits), "%lld", (long long)v->int_value);
		if (v->value_case == MF__OTLP__VALUE__VALUE_INT_VALUE)
			jw_str(w, "intValue", digits);
		else
			jw_str(w, "stringValue", v->string_value);
		jw_close(w, '}');
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
write_id(struct jw *w, const char *key, const ProtobufCBinaryData *id)
{
	char hex[33];

	must(id->len <= 16);
	jw_strn(w, key, hex, str_hex(id->data, id->len, hex));
}

static void
write_nanos(struct jw *w, const char *key, uint64_t v)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v);
	jw_str(w, key, digits);
}

static void
write_span(struct jw *w, const Mf__Otlp__Span *s)
{
	jw_object(w, NULL);
	write_id(w, "traceId", &s->trace_id);
	write_id(w, "spanId", &s->span_id);
	write_id(w, "parentSpanId", &s->parent_span_id);
	jw_int(w, "flags", s->flags);
	jw_str(w, "name", s->name);
	jw_int(w, "kind", s->kind);
	write_nanos(w, "startTimeUnixNano", s->start_time_unix_nano);
	write_nanos(w, "endTimeUnixNano", s->end_time_unix_nano);
	write_attributes(w, s->n_attributes, s->attributes);
	if (s->status != NULL) {
		jw_object(w, "status");
		jw_int(w, "code", s->status->code);
		jw_str(w, "message", s->status->message);
		jw_close(w, '}');
	}
	jw_close(w, '}');
}

static void
write_json(struct arena *a, const Mf__Otlp__ExportRequest *m, struct str *out)
{
	struct jw w;
	size_t n;

	jw_start(&w, a, 4096);
	jw_object(&w, NULL);
	jw_array(&w, "resourceSpans");
	for (size_t i = 0; i < m->n_resource_spans; i++) {
		const Mf__Otlp__ResourceSpans *r = m->resource_spans[i];
		const Mf__Otlp__ScopeSpans *s = r->scope_spans[0];

		jw_object(&w, NULL);
		jw_object(&w, "resource");
		write_attributes(&w, r->resource->n_attributes, r->resource->attributes);
		jw_close(&w, '}');
		jw_array(&w, "scopeSpans");
		jw_object(&w, NULL);
		jw_object(&w, "scope");
		jw_str(&w, "name", s->scope->name);
		jw_str(&w, "version", s->scope->version);
		jw_close(&w, '}');
		jw_array(&w, "spans");
		for (size_t k = 0; k < s->n_spans; k++)
			write_span(&w, s->spans[k]);
		jw_close(&w, ']');
		jw_close(&w, '}');
		jw_close(&w, ']');
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	out->p = jw_text(&w, &n);
	out->n = n;
}

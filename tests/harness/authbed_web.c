/* authbed_web: requests to the authorization server, as the edge brings them. */
#include <stdio.h>
#include <string.h>
#include "base/id.h"
#include "base/time.h"
#include "harness/authbed.h"

static void
on_web_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct web_got *o = ctx;

	(void)c;
	o->done = true;
	if (end->failure != NULL)
		o->status = end->failure->status;
}

static void
on_web(const Mf__WebAnswer *m, void *ctx)
{
	struct web_got *o = ctx;
	Mf__Empty e = MF__EMPTY__INIT;
	size_t n = 0;

	if (m == NULL) {
		call_fail_with(o->call, rpc_failure(o->rpc));
		return;
	}
	o->http = m->status;
	assert_true(m->body.len < sizeof(o->body));
	if (m->body.len > 0)
		memcpy(o->body, m->body.data, m->body.len);
	for (size_t i = 0; i < m->n_headers; i++) {
		const char *name = m->headers[i]->key, *value = m->headers[i]->value;

		n += (size_t)snprintf(
		    o->headers + n, sizeof(o->headers) - n, "%s: %s\n", name, value);
		assert_true(n < sizeof(o->headers));
		if (strcmp(name, "content-type") == 0)
			(void)snprintf(o->type, sizeof(o->type), "%s", value);
		if (strcmp(name, "location") == 0)
			(void)snprintf(o->location, sizeof(o->location), "%s", value);
	}
	call_reply(o->call, &e.base);
}

static void
web_header_of(Mf__WebRequest *q, Mf__KeyValue *all, const char *name, const char *value)
{
	if (value == NULL)
		return;
	mf__key_value__init(&all[q->n_headers]);
	all[q->n_headers].key = (char *)(uintptr_t)name;
	all[q->n_headers].value = (char *)(uintptr_t)value;
	q->headers[q->n_headers] = &all[q->n_headers];
	q->n_headers++;
}

struct web_got
try_web(const struct web_ask *ask)
{
	const char *type = ask->body == NULL ? NULL : "application/x-www-form-urlencoded";
	Mf__WebRequest q = MF__WEB_REQUEST__INIT;
	Mf__KeyValue all[8], *headers[8];
	struct web_got o = { 0 };
	char operation[UUID_LEN], body[70000];

	uuid7(operation);
	(void)snprintf(body, sizeof(body), "%s", ask->body != NULL ? ask->body : "");
	q.method = (char *)(uintptr_t)(ask->method != NULL ? ask->method
				       : ask->body != NULL ? "POST"
							   : "GET");
	q.path = (char *)(uintptr_t)ask->path;
	q.query = (char *)(uintptr_t)(ask->query != NULL ? ask->query : "");
	q.body = (ProtobufCBinaryData){ strlen(body), (uint8_t *)body };
	q.client_address = (char *)(uintptr_t)(ask->address != NULL ? ask->address : "192.0.2.1");
	q.origin = (char *)(uintptr_t)(ask->origin != NULL ? ask->origin : WEB_ORIGIN);
	q.headers = headers;
	web_header_of(&q, all, "content-type", ask->type != NULL ? ask->type : type);
	web_header_of(&q, all, "authorization", ask->authorization);
	web_header_of(&q, all, "cookie", ask->cookie);
	web_header_of(&q, all, "dpop", ask->dpop);
	web_header_of(&q, all, "accept", ask->accept);
	o.call = call_root(
	    authbed.bus, &(struct call_opts){ .limit_us = 20 * SEC,
			     .done = on_web_end,
			     .ctx = &o,
			     .operation_id = ask->operation != NULL ? ask->operation : operation });
	o.rpc = rpc_new(o.call, authbed.target, NULL);
	mf__auth__web(&o.rpc->service, &q, on_web, &o);
	authbed_await(&o.done);
	return o;
}

const char *
web_got_text(const struct web_got *g, const char *member)
{
	static char out[4][8000];
	static unsigned at;
	json_t *v = json_loads(g->body, JSON_REJECT_DUPLICATES, NULL);
	const char *s = json_string_value(json_object_get(v, member));
	char *p = out[at++ % 4];

	(void)snprintf(p, sizeof(out[0]), "%s", s != NULL ? s : "");
	json_decref(v);
	return p;
}

const char *
web_got_param(const struct web_got *g, const char *name)
{
	static char out[4][2000];
	static unsigned at;
	struct arena *a = arena_new(1 << 20);
	const char *query = strchr(g->location, '?');
	struct str rest = str_of(query != NULL ? query + 1 : ""), pair, key, value;
	char *p = out[at++ % 4];
	size_t n;

	p[0] = '\0';
	while (rest.n > 0) {
		(void)str_cut(rest, '&', &pair, &rest);
		(void)str_cut(pair, '=', &key, &value);
		if (str_eq(key, name))
			(void)snprintf(
			    p, sizeof(out[0]), "%s", str_percent_decode(a, value, true, &n));
	}
	arena_free(&a);
	return p;
}

/* pending: calls under way, on the engine's thread: from the request's bytes to a call of the bus, and
 * from its end to an outcome that any thread may read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "client/engine.h"
#include "client/library.h"
#include "proto/meta.pb-c.h"
#include "proto/node.pb-c.h"
#include "proto/rest.pb-c.h"

#define CONNECT_US (500 * MS) /* as long as a call is held for a node that is away */
#define LOOK_US    (5 * MS)

static void begin(struct metafed_call *k);
static void send_out(struct call *root, void *ctx);
static struct target *target_of(const struct metafed_call *k);
static void complete(struct metafed_call *k, ProtobufCMessage *m);
static void complete_execute(const struct metafed_call *k, Mf__TaskRequest *q);
static void complete_http(const struct metafed_call *k, Mf__HttpRequest *q);
static void on_reply(const ProtobufCMessage *m, void *ctx);
static void on_end(struct call *root, const struct call_end *end, void *ctx);
static void fail(struct metafed_call *k, const struct failure *f);
static void take_token(struct metafed_call *k, const Mf__TaskResponse *r);
static void finish(struct metafed_call *k);

void
pending_start(struct loop_msg *m)
{
	struct metafed_call *k = container_of(m, struct metafed_call, start);

	if (k->refused != NULL)
		fail(k, &(const struct failure){ .status = (enum status)k->refused_code,
			    .reason = k->refused,
			    .message = k->refused_why });
	else if (atomic_load(&k->cancelled) || k->client->bus == NULL)
		fail(k, &(const struct failure){ .status = ST_CANCELLED,
			    .reason = "CANCELLED",
			    .message = "cancelled by its caller" });
	else {
		begin(k);
		return; /* it may have ended in there, and be gone */
	}
	finish(k);
}

void
pending_cancel(struct loop_msg *m)
{
	struct metafed_call *k = container_of(m, struct metafed_call, cancel);

	if (k->root != NULL)
		call_cancel(k->root);
	pending_let_go(k);
}

void
pending_tell(struct metafed_call *k)
{
	bool tell;

	pthread_mutex_lock(&k->lock);
	tell = k->done != NULL && !k->freed;
	k->telling = tell;
	k->teller = pthread_self();
	pthread_mutex_unlock(&k->lock);
	if (tell)
		k->done(k, k->ctx);
	pthread_mutex_lock(&k->lock);
	k->telling = false;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	pending_let_go(k);
}

void
pending_let_go(struct metafed_call *k)
{
	if (atomic_fetch_sub(&k->holders, 1) == 1)
		calls_forget(k);
}

static void
begin(struct metafed_call *k)
{
	const ProtobufCMethodDescriptor *method = &k->service->methods[k->method];
	int64_t left = k->deadline_ms * MS - (time_now_us() - k->start_us);
	char id[UUID_LEN];
	ProtobufCMessage *m;

	if (k->idempotency_key == NULL && k->service == &mf__rest__descriptor) {
		uuid7(id);
		k->idempotency_key = library_strdup(id);
	}
	k->root =
	    call_root(k->client->bus, &(const struct call_opts){ .limit_us = left > 0 ? left : 1,
					  .traceparent = k->traceparent,
					  .operation_id = k->idempotency_key,
					  .done = on_end,
					  .ctx = k });
	list_add(&k->client->running, &k->link);
	free(k->traceparent);
	k->traceparent = library_strdup(call_traceparent(k->root));
	m = protobuf_c_message_unpack(
	    method->input, arena_allocator(call_arena(k->root)), k->request_n, k->request);
	explicit_bzero(k->request, k->request_n);
	if (m == NULL) { /* larger than the memory of a call, too */
		call_fail_because(k->root, ST_RESOURCE_EXHAUSTED, "TOO_LARGE", 0,
		    "the request is larger than a message may be");
		return;
	}
	complete(k, m);
	k->message_out = m;
	send_out(k->root, k);
}

/* One try is for a connection that is there: a new client gets the time to make it. */
static void
send_out(struct call *root, void *ctx)
{
	struct metafed_call *k = ctx;

	if (k->no_retry && !target_ready(target_of(k)) &&
	    time_now_us() - k->start_us < CONNECT_US) {
		call_after(root, LOOK_US, send_out, k);
		return;
	}
	k->rpc = rpc_new(k->root, target_of(k),
	    &(const struct rpc_opts){ .node = k->service != &mf__node__descriptor ? k->node : NULL,
		.once = k->no_retry });
	k->rpc->service.invoke(&k->rpc->service, k->method, k->message_out, on_reply, k);
}

static struct target *
target_of(const struct metafed_call *k)
{
	if (k->service == &mf__node__descriptor)
		return bus_node_target(k->client->bus, k->node);
	return k->service == &mf__rest__descriptor ? k->client->rest : k->client->meta;
}

/* With what the client knows and the request does not say. */
static void
complete(struct metafed_call *k, ProtobufCMessage *m)
{
	if (m->descriptor == &mf__task_request__descriptor)
		complete_execute(k, (Mf__TaskRequest *)m);
	else if (m->descriptor == &mf__http_request__descriptor)
		complete_http(k, (Mf__HttpRequest *)m);
}

static void
complete_execute(const struct metafed_call *k, Mf__TaskRequest *q)
{
	struct arena *a = call_arena(k->root);
	const char *token = library_token(k, a);

	if (q->deadline_ms == 0)
		q->deadline_ms = k->deadline_ms;
	if (token == NULL ||
	    (q->auth != NULL && (q->auth->credential[0] != '\0' || q->auth->operation[0] != '\0')))
		return;
	if (q->auth == NULL) {
		q->auth = ARENA_NEW(a, Mf__AuthRequirement);
		mf__auth_requirement__init(q->auth);
	}
	q->auth->credential = (char *)(uintptr_t)token;
}

static void
complete_http(const struct metafed_call *k, Mf__HttpRequest *q)
{
	struct arena *a = call_arena(k->root);
	const char *token = library_token(k, a);
	Mf__KeyValue **with, *header;

	if (q->operation_id[0] == '\0')
		q->operation_id = arena_strdup(a, k->idempotency_key);
	for (size_t i = 0; i < q->n_headers; i++)
		if (strcmp(q->headers[i]->key, "authorization") == 0)
			return;
	if (token == NULL)
		return;
	with = ARENA_ARRAY(a, Mf__KeyValue *, q->n_headers + 1);
	if (q->n_headers > 0)
		memcpy(with, q->headers, q->n_headers * sizeof(*with));
	header = with[q->n_headers++] = ARENA_NEW(a, Mf__KeyValue);
	mf__key_value__init(header);
	header->key = arena_strdup(a, "authorization");
	header->value = arena_printf(a, "Bearer %s", token);
	q->headers = with;
}

static void
on_reply(const ProtobufCMessage *m, void *ctx)
{
	struct metafed_call *k = ctx;

	if (m == NULL)
		call_fail_with(k->root, rpc_failure(k->rpc));
	else
		call_reply(k->root, m);
}

static void
on_end(struct call *root, const struct call_end *end, void *ctx)
{
	struct metafed_call *k = ctx;
	struct outcome *o = &k->outcome;

	(void)root;
	list_del(&k->client->running, &k->link);
	if (k->rpc != NULL)
		o->node = library_strdup(rpc_node(k->rpc));
	if (end->reply == NULL) {
		fail(k, end->failure);
	} else if (k->login) {
		take_token(k, (const Mf__TaskResponse *)end->reply);
	} else {
		o->reply_n = protobuf_c_message_get_packed_size(end->reply);
		o->reply = mem_grow(NULL, o->reply_n + 1, 1);
		protobuf_c_message_pack(end->reply, o->reply);
	}
	k->root = NULL;
	finish(k);
}

static void
fail(struct metafed_call *k, const struct failure *f)
{
	struct outcome *o = &k->outcome;

	o->code = (enum metafed_code)f->status;
	o->message = library_strdup(f->message);
	o->reason = library_strdup(f->reason);
	o->retry_ms = f->retry_ms;
	if (f->n_violations == 0)
		return;
	o->violations = mem_grow(NULL, f->n_violations, sizeof(*o->violations));
	for (; o->n_violations < f->n_violations; o->n_violations++) {
		o->violations[o->n_violations].field =
		    library_strdup(f->violations[o->n_violations].field);
		o->violations[o->n_violations].what =
		    library_strdup(f->violations[o->n_violations].what);
	}
}

/* The tokens stay here: the answer of a log-in is nobody's else. */
static void
take_token(struct metafed_call *k, const Mf__TaskResponse *r)
{
	const Mf__Problem *p = r->problem;
	const char *token;
	json_t *v;

	if (!r->success) {
		fail(k, &(const struct failure){
			    .status = p != NULL ? (enum status)p->code : ST_UNKNOWN,
			    .message = p != NULL ? p->message : "refused",
			    .reason = p != NULL ? p->reason : "",
			    .retry_ms = p != NULL ? p->retry_delay_ms : 0 });
		return;
	}
	v = json_loadb((const char *)r->result.data, r->result.len, 0, NULL);
	token = json_string_value(json_object_get(v, "access_token"));
	if (token != NULL)
		library_set_token(k->client, token);
	else
		fail(k, &(const struct failure){ .status = ST_INTERNAL,
			    .reason = "BAD_ANSWER",
			    .message = "the answer has no access token" });
	json_decref(v);
}

/* From here on everybody may read the outcome. */
static void
finish(struct metafed_call *k)
{
	struct metafed_client *c = k->client;
	const uint64_t one = 1;

	pthread_mutex_lock(&k->lock);
	k->state = CALL_DONE;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	if (c->event_fd < 0 || k->done == NULL) {
		pending_tell(k);
		return;
	}
	pthread_mutex_lock(&c->lock);
	list_add(&c->ended, &k->link);
	(void)!write(c->event_fd, &one, sizeof(one));
	pthread_mutex_unlock(&c->lock);
}

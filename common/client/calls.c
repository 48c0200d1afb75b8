/* calls: what a program does with its calls, on any thread of its own. See metafed/client.h. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "client/engine.h"
#include "client/library.h"
#include "proto/meta.pb-c.h"
#include "proto/node.pb-c.h"
#include "proto/rest.pb-c.h"

#define DEADLINE_MS     30000
#define KEY_MOST        128
#define TRACEPARENT_LEN 55

/* What everybody may ask of a fleet. */
static const ProtobufCServiceDescriptor *const public_services[] = { &mf__meta__descriptor,
	&mf__rest__descriptor, &mf__node__descriptor };

static void choose(struct metafed_call *k, const ProtobufCServiceDescriptor *service,
    const char *method, const ProtobufCMessage *request);
static void
refuse(struct metafed_call *k, enum metafed_code code, const char *reason, const char *why);
static const ProtobufCServiceDescriptor *find_service(const char *name);
static uint32_t deadline_of(const ProtobufCMessage *m);
static bool replace(char **field, const char *value, bool good);
static bool is_traceparent(const char *s);
static const struct outcome *ended(const struct metafed_call *k);

struct metafed_call *
metafed_call_new(struct metafed_client *c)
{
	struct metafed_call *k = mem_zalloc(sizeof(*k));

	k->client = c;
	atomic_init(&k->holders, 1);
	atomic_init(&k->cancelled, false);
	k->start.fn = pending_start;
	k->cancel.fn = pending_cancel;
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->changed, NULL);
	return k;
}

void
metafed_call_free(struct metafed_call *k)
{
	bool running;

	if (k == NULL)
		return;
	pthread_mutex_lock(&k->lock);
	k->freed = true;
	running = k->state == CALL_STARTED;
	while (k->telling && !pthread_equal(k->teller, pthread_self()))
		pthread_cond_wait(&k->changed, &k->lock);
	pthread_mutex_unlock(&k->lock);
	if (running)
		metafed_call_cancel(k);
	pending_let_go(k);
}

void
metafed_call_set_deadline(struct metafed_call *k, uint32_t ms)
{
	k->deadline_ms = ms;
}

bool
metafed_call_set(struct metafed_call *k, const char *name, const char *value)
{
	if (strcmp(name, "idempotency-key") == 0)
		return replace(
		    &k->idempotency_key, value, value[0] != '\0' && strlen(value) <= KEY_MOST);
	if (strcmp(name, "traceparent") == 0)
		return replace(&k->traceparent, value, is_traceparent(value));
	if (strcmp(name, "authorization") == 0)
		return replace(&k->authorization, value, true);
	if (strcmp(name, "node") == 0)
		return replace(&k->node, value, fleet_name_find(value) != NULL);
	if (strcmp(name, "retry") == 0) {
		k->no_retry = strcmp(value, "no") == 0;
		return k->no_retry || strcmp(value, "yes") == 0;
	}
	return false;
}

bool
metafed_call_start(struct metafed_call *k, const ProtobufCServiceDescriptor *service,
    const char *method, const ProtobufCMessage *request, metafed_done_fn *done, void *ctx)
{
	bool first;

	if (atomic_load(&k->client->closing))
		return false;
	pthread_mutex_lock(&k->lock);
	first = k->state == CALL_NEW;
	if (first)
		k->state = CALL_STARTED;
	pthread_mutex_unlock(&k->lock);
	if (!first)
		return false;
	k->start_us = time_now_us();
	k->done = done;
	k->ctx = ctx;
	choose(k, service, method, request);
	if (k->deadline_ms == 0)
		k->deadline_ms = deadline_of(request);
	if (k->deadline_ms == 0)
		k->deadline_ms = DEADLINE_MS;
	k->request = mem_grow(NULL, protobuf_c_message_get_packed_size(request) + 1, 1);
	k->request_n = protobuf_c_message_pack(request, k->request);
	atomic_fetch_add(&k->holders, 1); /* the engine's */
	loop_post(k->client->loop, &k->start);
	return true;
}

enum metafed_code
metafed_call_wait(struct metafed_call *k)
{
	bool never;

	pthread_mutex_lock(&k->lock);
	never = k->state == CALL_NEW || (k->state == CALL_STARTED && engine_is_here());
	while (!never && k->state != CALL_DONE)
		pthread_cond_wait(&k->changed, &k->lock);
	pthread_mutex_unlock(&k->lock);
	return never ? METAFED_FAILED_PRECONDITION : k->outcome.code;
}

enum metafed_code
metafed_call_run(struct metafed_call *k, const ProtobufCServiceDescriptor *service,
    const char *method, const ProtobufCMessage *request)
{
	if (!metafed_call_start(k, service, method, request, NULL, NULL))
		return METAFED_FAILED_PRECONDITION;
	return metafed_call_wait(k);
}

void
metafed_call_cancel(struct metafed_call *k)
{
	bool running;

	pthread_mutex_lock(&k->lock);
	running = k->state == CALL_STARTED;
	pthread_mutex_unlock(&k->lock);
	if (!running || atomic_exchange(&k->cancelled, true))
		return;
	atomic_fetch_add(&k->holders, 1); /* the message's */
	loop_post(k->client->loop, &k->cancel);
}

bool
metafed_call_is_done(const struct metafed_call *k)
{
	return ended(k) != NULL;
}

enum metafed_code
metafed_call_code(const struct metafed_call *k)
{
	const struct outcome *o = ended(k);

	return o != NULL ? o->code : METAFED_UNKNOWN;
}

const ProtobufCMessage *
metafed_call_reply(struct metafed_call *k)
{
	const struct outcome *o = ended(k);

	if (o == NULL || o->reply == NULL)
		return NULL;
	pthread_mutex_lock(&k->lock);
	if (k->message == NULL)
		k->message = protobuf_c_message_unpack(k->output, NULL, o->reply_n, o->reply);
	pthread_mutex_unlock(&k->lock);
	return k->message;
}

const char *
metafed_call_message(const struct metafed_call *k)
{
	const struct outcome *o = ended(k);

	return o != NULL && o->message != NULL ? o->message : "";
}

const char *
metafed_call_reason(const struct metafed_call *k)
{
	const struct outcome *o = ended(k);

	return o != NULL && o->reason != NULL ? o->reason : "";
}

uint32_t
metafed_call_retry_ms(const struct metafed_call *k)
{
	const struct outcome *o = ended(k);

	return o != NULL ? o->retry_ms : 0;
}

bool
metafed_call_violation(
    const struct metafed_call *k, size_t i, const char **field, const char **what)
{
	const struct outcome *o = ended(k);

	if (o == NULL || i >= o->n_violations)
		return false;
	*field = o->violations[i].field;
	*what = o->violations[i].what;
	return true;
}

const char *
metafed_call_get(const struct metafed_call *k, const char *name)
{
	const struct outcome *o = ended(k);

	if (strcmp(name, "node") == 0)
		return o != NULL && o->node != NULL ? o->node : "";
	if (strcmp(name, "traceparent") == 0)
		return o != NULL && k->traceparent != NULL ? k->traceparent : "";
	return NULL;
}

enum metafed_code
metafed_login(struct metafed_call *k, const char *username, const char *password)
{
	Mf__AuthRequirement auth = MF__AUTH_REQUIREMENT__INIT;
	Mf__TaskRequest q = MF__TASK_REQUEST__INIT;
	json_t *v = json_pack("{s:s, s:s}", "username", username, "password", password);
	char *body = v == NULL ? NULL : json_dumps(v, JSON_COMPACT);
	enum metafed_code code;

	json_decref(v);
	if (body == NULL) {
		refuse(k, METAFED_INVALID_ARGUMENT, "NOT_UTF8", "name or password is not UTF-8");
	} else {
		auth.data.data = (uint8_t *)body;
		auth.data.len = strlen(body);
	}
	auth.operation = (char *)(uintptr_t) "login";
	q.auth = &auth;
	k->login = true;
	code = metafed_call_run(k, &mf__meta__descriptor, "Execute", &q.base);
	library_wipe(&body);
	return code;
}

void
calls_forget(struct metafed_call *k)
{
	struct outcome *o = &k->outcome;
	char *texts[] = { k->idempotency_key, k->traceparent, k->node, o->message, o->reason,
		o->node };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	for (size_t i = 0; i < o->n_violations; i++) {
		free(o->violations[i].field);
		free(o->violations[i].what);
	}
	free(o->violations);
	library_wipe(&k->authorization);
	if (k->request != NULL)
		explicit_bzero(k->request, k->request_n);
	free(k->request);
	free(o->reply);
	if (k->message != NULL)
		protobuf_c_message_free_unpacked(k->message, NULL);
	pthread_cond_destroy(&k->changed);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

/* Where it goes, in our own descriptors; the reply is unpacked by the caller's. */
static void
choose(struct metafed_call *k, const ProtobufCServiceDescriptor *service, const char *method,
    const ProtobufCMessage *request)
{
	const ProtobufCServiceDescriptor *ours = find_service(service->name);
	const ProtobufCMethodDescriptor *theirs =
	    protobuf_c_service_descriptor_get_method_by_name(service, method);
	const ProtobufCMethodDescriptor *m = NULL;

	if (ours == NULL) {
		refuse(k, METAFED_UNIMPLEMENTED, "NO_SERVICE",
		    "the service is none that a fleet has for everybody");
		return;
	}
	m = protobuf_c_service_descriptor_get_method_by_name(ours, method);
	if (m == NULL || theirs == NULL) {
		refuse(k, METAFED_UNIMPLEMENTED, "NO_METHOD", "the service has no such method");
		return;
	}
	k->service = ours;
	k->method = (unsigned)(m - ours->methods);
	k->output = theirs->output;
	if (strcmp(request->descriptor->name, m->input->name) != 0)
		refuse(k, METAFED_INVALID_ARGUMENT, "WRONG_MESSAGE",
		    "the method takes another message");
	else if (ours == &mf__node__descriptor && k->node == NULL)
		refuse(k, METAFED_INVALID_ARGUMENT, "NO_NODE", "no node is named");
}

static void
refuse(struct metafed_call *k, enum metafed_code code, const char *reason, const char *why)
{
	k->refused_code = code;
	k->refused = reason;
	k->refused_why = why;
}

static const ProtobufCServiceDescriptor *
find_service(const char *name)
{
	for (size_t i = 0; i < sizeof(public_services) / sizeof(public_services[0]); i++)
		if (strcmp(public_services[i]->name, name) == 0)
			return public_services[i];
	return NULL;
}

/* A request that names one itself (TaskRequest.deadline_ms); 0: it does not. */
static uint32_t
deadline_of(const ProtobufCMessage *m)
{
	const ProtobufCFieldDescriptor *f =
	    protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "deadline_ms");
	uint32_t ms = 0;

	if (f != NULL && f->type == PROTOBUF_C_TYPE_UINT32 && f->label != PROTOBUF_C_LABEL_REPEATED)
		memcpy(&ms, (const char *)m + f->offset, sizeof(ms));
	return ms;
}

static bool
replace(char **field, const char *value, bool good)
{
	if (!good)
		return false;
	library_wipe(field);
	*field = library_strdup(value);
	return true;
}

/* Version 00, and neither id is all zeros. */
static bool
is_traceparent(const char *s)
{
	static const char form[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";

	if (strlen(s) != TRACEPARENT_LEN)
		return false;
	for (size_t i = 0; i < TRACEPARENT_LEN; i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)s[i]) || isupper((unsigned char)s[i])
				   : s[i] != form[i])
			return false;
	return strspn(s + 3, "0") < 32 && strspn(s + 36, "0") < 16;
}

static const struct outcome *
ended(const struct metafed_call *k)
{
	struct metafed_call *w = (struct metafed_call *)(uintptr_t)k; /* its lock */
	bool is;

	pthread_mutex_lock(&w->lock);
	is = w->state == CALL_DONE;
	pthread_mutex_unlock(&w->lock);
	return is ? &k->outcome : NULL;
}

/* client: a bus of its own, one target (Meta) and the API agents, run until the answer is there.
 * See client.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/log.h"
#include "base/time.h"
#include "client/inside.h"
#include "proto/rest.pb-c.h"

#define DEADLINE_US   (30 * SEC) /* of a request that names none: TaskRequest.deadline_ms */
#define META_WATCH_US (250 * MS) /* then it is looked whether who leads lives */
#define ARENA_CAP     (64u << 20)
#define TEXTS_CAP     (4u << 20)

struct client {
	struct loop *loop;
	struct bus *bus;
	struct target *meta, *rest;
	struct node_config config;
	struct arena *texts;   /* of config */
	struct arena *results; /* of the last call */
	char *token;
};

struct wait { /* one blocking call */
	struct client *c;
	struct call *root;
	struct rpc *rpc;
	const ProtobufCMessage *reply; /* copied into results */
	struct failure failure;
	bool done;
};

struct slot { /* one request of client_execute_many */
	struct many *many;
	size_t index;
	struct call *root;
	struct rpc *rpc;
};

struct many {
	struct client *c;
	unsigned busy;
	bool exhausted;
	size_t next_index;
	client_next_fn *next;
	client_done_fn *done;
	void *ctx;
};

static struct wait *wait_start(struct client *, struct wait *, int64_t, const char *);
static void wait_finish(struct wait *);
static bool wait_is_done(void *);
static void on_message(struct wait *, const ProtobufCMessage *);
static void on_response(const Mf__TaskResponse *, void *);
static void on_http(const Mf__HttpResponse *, void *);
static void on_end(struct call *, const struct call_end *, void *);
static const ProtobufCMessage *copy_message(struct arena *, const ProtobufCMessage *);
static void copy_failure(struct arena *, struct failure *, const struct failure *);
static void with_token(const struct client *, Mf__TaskRequest *, Mf__AuthRequirement *);
static const Mf__TokenPair *token_call(struct client *, const char *, char *, struct failure *);
static bool many_start_one(struct many *);
static bool many_is_done(void *);
static void on_many(const Mf__TaskResponse *, void *);
static void on_many_end(struct call *, const struct call_end *, void *);

struct client *
client_open(const char *var_dir, char *err, size_t err_size)
{
	return client_open_with(&(const struct client_opts){ .var = var_dir }, err, err_size);
}

struct client *
client_open_with(const struct client_opts *o, char *err, size_t err_size)
{
	struct client *c = calloc(1, sizeof(*c));
	char name[32];

	must(c != NULL);
	c->texts = arena_new(TEXTS_CAP);
	c->results = arena_new(ARENA_CAP);
	c->token = strdup("");
	must(c->token != NULL);
	c->loop = loop_new();
	snprintf(name, sizeof(name), "client-%ld", (long)getpid());
	if (client_configure(c->texts, o, &c->config, err, err_size))
		c->bus = bus_new(c->loop,
		    &(const struct bus_opts){ .name = name,
			.generation = (uint64_t)time_wall_us(),
			.config = &c->config },
		    err, err_size);
	if (c->bus == NULL) {
		client_close(&c);
		return NULL;
	}
	c->meta = target_new(c->bus, &(const struct target_def){ &mf__meta__descriptor,
					 client_meta_members(&c->config), { .failures = 5 } });
	target_set_watch(c->meta, META_WATCH_US);
	c->rest = target_new(c->bus, &(const struct target_def){ &mf__rest__descriptor,
					 client_rest_members, { .failures = 5 } });
	return c;
}

const char *
client_where(const struct client *c)
{
	return c->config.bus_peers[0] != '\0' ? c->config.bus_peers : c->config.var;
}

void
client_close(struct client **cp)
{
	struct client *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	if (c->bus != NULL)
		bus_free(&c->bus);
	loop_free(&c->loop);
	arena_free(&c->results);
	explicit_bzero(c->token, strlen(c->token));
	free(c->token);
	arena_free(&c->texts);
	free(c);
}

void
client_set_token(struct client *c, const char *access_token)
{
	explicit_bzero(c->token, strlen(c->token));
	free(c->token);
	c->token = strdup(access_token);
	must(c->token != NULL);
}

const char *
client_token(const struct client *c)
{
	return c->token;
}

const Mf__TokenPair *
client_login(struct client *c, const char *username, const char *password, struct failure *f)
{
	json_t *v = json_pack("{s:s, s:s}", "username", username, "password", password);
	char *body = v == NULL ? NULL : json_dumps(v, JSON_COMPACT);

	json_decref(v);
	return token_call(c, "login", body, f);
}

const Mf__TokenPair *
client_refresh(struct client *c, const char *refresh_token, struct failure *f)
{
	json_t *v = json_pack("{s:s}", "refresh_token", refresh_token);
	char *body = v == NULL ? NULL : json_dumps(v, JSON_COMPACT);

	json_decref(v);
	return token_call(c, "refresh", body, f);
}

const Mf__TaskResponse *
client_execute(struct client *c, const Mf__TaskRequest *q, struct failure *f)
{
	Mf__AuthRequirement auth = MF__AUTH_REQUIREMENT__INIT;
	Mf__TaskRequest with = *q;
	struct wait w;

	with_token(c, &with, &auth);
	wait_start(c, &w, with.deadline_ms != 0 ? with.deadline_ms * MS : DEADLINE_US, "");
	w.rpc = rpc_new(w.root, c->meta, NULL);
	mf__meta__execute(&w.rpc->service, &with, on_response, &w);
	wait_finish(&w);
	*f = w.failure;
	return (const Mf__TaskResponse *)w.reply;
}

const Mf__HttpResponse *
client_http(struct client *c, Mf__HttpRequest *q, struct failure *f)
{
	char id[UUID_LEN];
	struct wait w;

	if (q->operation_id == NULL || q->operation_id[0] == '\0') {
		uuid7(id);
		q->operation_id = id;
	}
	wait_start(c, &w, DEADLINE_US, q->operation_id);
	w.rpc = rpc_new(w.root, c->rest, NULL);
	mf__rest__handle(&w.rpc->service, q, on_http, &w);
	wait_finish(&w);
	*f = w.failure;
	return (const Mf__HttpResponse *)w.reply;
}

void
client_execute_many(
    struct client *c, unsigned window, client_next_fn *next, client_done_fn *done, void *ctx)
{
	struct many m = { .c = c, .next = next, .done = done, .ctx = ctx };

	arena_reset(c->results);
	while (m.busy < window && many_start_one(&m))
		;
	while (!many_is_done(&m))
		loop_run_until(c->loop, many_is_done, &m, 3600 * SEC);
}

struct bus *
client_bus(struct client *c)
{
	return c->bus;
}

struct loop *
client_loop(struct client *c)
{
	return c->loop;
}

struct target *
client_meta(struct client *c)
{
	return c->meta;
}

/* --- one call, waited for --- */

static struct wait *
wait_start(struct client *c, struct wait *w, int64_t limit_us, const char *operation_id)
{
	arena_reset(c->results);
	*w = (struct wait){ .c = c };
	w->root =
	    call_root(c->bus, &(const struct call_opts){ .limit_us = limit_us,
				  .operation_id = operation_id[0] != '\0' ? operation_id : NULL,
				  .done = on_end,
				  .ctx = w });
	return w;
}

static void
wait_finish(struct wait *w)
{
	while (!w->done)
		loop_run_until(w->c->loop, wait_is_done, w, DEADLINE_US);
}

static bool
wait_is_done(void *ctx)
{
	return ((const struct wait *)ctx)->done;
}

static void
on_response(const Mf__TaskResponse *m, void *ctx)
{
	on_message(ctx, m == NULL ? NULL : &m->base);
}

static void
on_http(const Mf__HttpResponse *m, void *ctx)
{
	on_message(ctx, m == NULL ? NULL : &m->base);
}

static void
on_message(struct wait *w, const ProtobufCMessage *m)
{
	if (m == NULL)
		call_fail_with(w->root, rpc_failure(w->rpc));
	else
		call_reply(w->root, m);
}

static void
on_end(struct call *root, const struct call_end *end, void *ctx)
{
	struct wait *w = ctx;

	(void)root;
	if (end->reply != NULL)
		w->reply = copy_message(w->c->results, end->reply);
	else
		copy_failure(w->c->results, &w->failure, end->failure);
	w->done = true;
	loop_stop(w->c->loop);
}

static const ProtobufCMessage *
copy_message(struct arena *a, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = arena_alloc(a, n + 1);
	const ProtobufCMessage *copy;

	protobuf_c_message_pack(m, bytes);
	copy = protobuf_c_message_unpack(m->descriptor, arena_allocator(a), n, bytes);
	must(copy != NULL);
	return copy;
}

static void
copy_failure(struct arena *a, struct failure *to, const struct failure *from)
{
	*to = *from;
	to->message = arena_strdup(a, from->message);
	to->reason = arena_strdup(a, from->reason);
	/* fields are of answers, which carry them in their problem */
	to->n_violations = 0;
	to->violations = NULL;
}

/* A request without a credential gets ours; `auth` is the room for it. */
static void
with_token(const struct client *c, Mf__TaskRequest *q, Mf__AuthRequirement *auth)
{
	if (c->token[0] == '\0' ||
	    (q->auth != NULL && (q->auth->credential[0] != '\0' || q->auth->operation[0] != '\0')))
		return;
	if (q->auth != NULL)
		*auth = *q->auth;
	auth->credential = c->token;
	q->auth = auth;
}

static const Mf__TokenPair *
token_call(struct client *c, const char *operation, char *body, struct failure *f)
{
	Mf__AuthRequirement auth = MF__AUTH_REQUIREMENT__INIT;
	Mf__TaskRequest q = MF__TASK_REQUEST__INIT;
	const Mf__TaskResponse *r;
	Mf__TokenPair *pair;
	json_t *v;

	must(body != NULL);
	auth.operation = (char *)(uintptr_t)operation;
	auth.data.data = (uint8_t *)body;
	auth.data.len = strlen(body);
	q.auth = &auth;
	r = client_execute(c, &q, f);
	explicit_bzero(body, strlen(body));
	free(body);
	if (r == NULL)
		return NULL;
	if (!r->success) {
		f->status = r->problem != NULL ? (enum status)r->problem->code : ST_UNKNOWN;
		f->message = r->problem != NULL ? r->problem->message : "refused";
		f->reason = r->problem != NULL ? r->problem->reason : "";
		return NULL;
	}
	v = json_loadb((const char *)r->result.data, r->result.len, 0, NULL);
	pair = ARENA_NEW(c->results, Mf__TokenPair);
	mf__token_pair__init(pair);
	pair->access_token =
	    arena_strdup(c->results, json_string_value(json_object_get(v, "access_token")) ?: "");
	pair->refresh_token =
	    arena_strdup(c->results, json_string_value(json_object_get(v, "refresh_token")) ?: "");
	pair->expires_in = (uint32_t)json_integer_value(json_object_get(v, "expires_in"));
	pair->token_type = arena_strdup(c->results, "Bearer");
	json_decref(v);
	client_set_token(c, pair->access_token);
	return pair;
}

/* --- many calls at once --- */

static bool
many_start_one(struct many *m)
{
	Mf__AuthRequirement auth = MF__AUTH_REQUIREMENT__INIT;
	Mf__TaskRequest q = MF__TASK_REQUEST__INIT;
	struct slot *s;

	if (m->exhausted || !m->next(m->ctx, m->next_index, &q)) {
		m->exhausted = true;
		return false;
	}
	s = calloc(1, sizeof(*s));
	must(s != NULL);
	s->many = m;
	s->index = m->next_index++;
	m->busy++;
	with_token(m->c, &q, &auth);
	s->root = call_root(
	    m->c->bus, &(const struct call_opts){
			   .limit_us = q.deadline_ms != 0 ? q.deadline_ms * MS : DEADLINE_US,
			   .done = on_many_end,
			   .ctx = s });
	s->rpc = rpc_new(s->root, m->c->meta, NULL);
	mf__meta__execute(&s->rpc->service, &q, on_many, s);
	return true;
}

static bool
many_is_done(void *ctx)
{
	const struct many *m = ctx;

	return m->exhausted && m->busy == 0;
}

static void
on_many(const Mf__TaskResponse *r, void *ctx)
{
	struct slot *s = ctx;

	if (r == NULL)
		call_fail_with(s->root, rpc_failure(s->rpc));
	else
		call_reply(s->root, &r->base);
}

static void
on_many_end(struct call *root, const struct call_end *end, void *ctx)
{
	struct slot *s = ctx;
	struct many *m = s->many;

	(void)root;
	m->done(m->ctx, s->index, (const Mf__TaskResponse *)end->reply, end->failure);
	free(s);
	m->busy--;
	many_start_one(m);
	if (many_is_done(m))
		loop_stop(m->c->loop);
}

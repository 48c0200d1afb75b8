/* redis: commands on the one pipelined connection to a Redis server. A command lives as a struct
 * command from redis_command to its reply or to the loss of the connection; its caller may end
 * earlier, then only the callback is dropped. */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/str.h"
#include "store/redis_int.h"

#define REPLY_CAP (64u << 20) /* one reply as a tree of views; the bytes stay hiredis' */
#define MAX_DEPTH 8

struct command {
	struct call_dep dep; /* attached to `call` while somebody waits */
	struct redis *r;
	struct call *call;
	redis_done_fn *done; /* NULL: nobody waits any more */
	void *ctx;
	struct timer refusal; /* of a command that could not be sent */
	/* EVAL text and arguments kept for a NOSCRIPT answer; NULL: no script */
	char *script;
	const char **argv;
	size_t *lens;
	int argc;
};

static struct command *command_new(struct redis *r, struct call *c, redis_done_fn *done, void *ctx);
static void command_cancel(struct call_dep *d);
static void command_free(struct command *m);
static bool command_send(struct command *m, int argc, const char **argv, const size_t *lens);
static void fail_later(struct command *m);
static void on_reply(redisAsyncContext *ac, void *reply, void *data);
static void give(struct command *m, const struct redis_reply *reply);
static struct redis_reply *view(struct arena *a, const redisReply *p, int depth);
static enum status error_status(const char *e);

struct redis *
redis_new(struct loop *l, const struct redis_opts *o)
{
	static const char *const by_address[] = { "address", NULL };
	struct redis *r = calloc(1, sizeof(*r));

	must(r != NULL);
	r->loop = l;
	r->address = strdup(o->address);
	r->password = o->password != NULL && o->password[0] != '\0' ? strdup(o->password) : NULL;
	r->require_durable = o->require_durable;
	r->arena = arena_new(REPLY_CAP);
	r->up = metric_get(metric_family(METRIC_GAUGE, "metafed_redis_up",
			       "1: the Redis server there answers.", by_address),
	    &o->address);
	redis_loop_init(r);
	redis_conn_init(r);
	return r;
}

void
redis_free(struct redis **rp)
{
	struct redis *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	redis_conn_free(r);
	redis_loop_free(r);
	arena_free(&r->arena);
	free(r->address);
	if (r->password != NULL)
		explicit_bzero(r->password, strlen(r->password));
	free(r->password);
	free(r);
}

bool
redis_up(const struct redis *r)
{
	return r->state == UP;
}

void
redis_command(struct redis *r, struct call *c, int argc, const char *const *argv,
    const size_t *lens, redis_done_fn *done, void *ctx)
{
	struct command *m = command_new(r, c, done, ctx);

	if (r->state != UP || !command_send(m, argc, (const char **)(uintptr_t)argv, lens))
		fail_later(m);
}

/* The SHA-1 is Redis' name of a script, no security hangs on it. */
void
redis_script(struct redis *r, struct call *c, const char *text, int n_keys, int argc,
    const char *const *argv, const size_t *lens, redis_done_fn *done, void *ctx)
{
	struct command *m = command_new(r, c, done, ctx);
	uint8_t digest[SHA_DIGEST_LENGTH];
	char sha[2 * SHA_DIGEST_LENGTH + 1], keys[16];
	size_t total = 0;
	char *p;

	if (r->state != UP) {
		fail_later(m);
		return;
	}
	SHA1((const unsigned char *)text, strlen(text), digest);
	str_hex(digest, sizeof(digest), sha);
	snprintf(keys, sizeof(keys), "%d", n_keys);
	for (int i = 0; i < argc; i++)
		total += lens[i] + 1;
	m->argc = argc + 3;
	m->argv = calloc((size_t)m->argc, sizeof(*m->argv));
	m->lens = calloc((size_t)m->argc, sizeof(*m->lens));
	p = m->script = malloc(total + sizeof(keys));
	must(m->argv != NULL && m->lens != NULL && p != NULL);
	memcpy(p, keys, sizeof(keys));
	m->argv[2] = p;
	m->lens[2] = strlen(keys);
	p += sizeof(keys);
	for (int i = 0; i < argc; i++) {
		memcpy(p, argv[i], lens[i]);
		m->argv[i + 3] = p;
		m->lens[i + 3] = lens[i];
		p += lens[i];
	}
	m->argv[0] = "EVALSHA";
	m->lens[0] = 7;
	m->argv[1] = sha;
	m->lens[1] = sizeof(sha) - 1;
	if (!command_send(m, m->argc, m->argv, m->lens)) {
		fail_later(m);
		return;
	}
	m->argv[0] = "EVAL";
	m->lens[0] = 4;
	m->argv[1] = text;
	m->lens[1] = strlen(text);
}

bool
redis_fail_call(struct call *c, const struct redis_reply *r)
{
	if (r->type != REDIS_FAILED)
		return false;
	call_fail_because(c, r->status, r->status == ST_UNAVAILABLE ? "STORE_DOWN" : "", 1000,
	    "redis: %.*s", (int)r->n, r->s);
	return true;
}

/* --- a command --- */

static struct command *
command_new(struct redis *r, struct call *c, redis_done_fn *done, void *ctx)
{
	struct command *m = calloc(1, sizeof(*m));

	must(m != NULL);
	m->r = r;
	m->call = c;
	m->done = done;
	m->ctx = ctx;
	m->dep.cancel = command_cancel;
	if (c != NULL)
		call_attach(c, &m->dep);
	return m;
}

static void
command_cancel(struct call_dep *d)
{
	struct command *m = container_of(d, struct command, dep);

	m->call = NULL;
	m->done = NULL;
}

static void
command_free(struct command *m)
{
	free(m->script);
	free(m->argv);
	free(m->lens);
	free(m);
}

static bool
command_send(struct command *m, int argc, const char **argv, const size_t *lens)
{
	struct redis *r = m->r;

	if (redisAsyncCommandArgv(r->conn->ac, on_reply, m, argc, argv, lens) != REDIS_OK)
		return false;
	redis_owes(r);
	return true;
}

static void
on_refusal(struct timer *t)
{
	give(container_of(t, struct command, refusal),
	    &(struct redis_reply){
		.type = REDIS_FAILED, .status = ST_UNAVAILABLE, .s = "redis is down", .n = 13 });
}

/* Never from inside redis_command: the caller is still at its call. */
static void
fail_later(struct command *m)
{
	timer_init(&m->refusal, m->r->loop, on_refusal);
	timer_in(&m->refusal, 0);
}

/* The connection went: it may have run. */
static void
give_lost(struct command *m)
{
	give(m, &(struct redis_reply){ .type = REDIS_FAILED,
		    .status = ST_UNAVAILABLE,
		    .unknown = true,
		    .s = "redis connection lost",
		    .n = 21 });
}

static void
on_reply(redisAsyncContext *ac, void *reply, void *data)
{
	struct command *m = data;
	struct conn *k = ac->data;
	const redisReply *p = reply;
	struct redis *r = k->r; /* NULL: given up */

	if (p == NULL || r == NULL) {
		give_lost(m);
		return;
	}
	if (r->owed > 0)
		r->owed--;
	if (m->script != NULL && p->type == REDIS_REPLY_ERROR && str_starts(p->str, "NOSCRIPT") &&
	    command_send(m, m->argc, m->argv, m->lens))
		return;
	if (m->done == NULL) {
		command_free(m);
		return;
	}
	give(m, view(r->arena, p, 0));
	if (k->r != NULL) /* it may have been closed in there */
		arena_reset(r->arena);
}

static void
give(struct command *m, const struct redis_reply *reply)
{
	redis_done_fn *done = m->done;

	if (m->call != NULL)
		call_detach(m->call, &m->dep);
	if (done != NULL)
		done(reply, m->ctx);
	command_free(m);
}

static struct redis_reply *
view(struct arena *a, const redisReply *p, int depth)
{
	struct redis_reply *v = ARENA_NEW(a, struct redis_reply);

	v->s = p->str != NULL ? p->str : "";
	v->n = p->str != NULL ? (size_t)p->len : 0;
	switch (p->type) {
	case REDIS_REPLY_STRING:
		v->type = REDIS_STRING;
		break;
	case REDIS_REPLY_STATUS:
		v->type = REDIS_STATUS;
		break;
	case REDIS_REPLY_INTEGER:
		v->type = REDIS_INTEGER;
		v->i = p->integer;
		break;
	case REDIS_REPLY_ARRAY: {
		struct redis_reply **items = ARENA_ARRAY(a, struct redis_reply *, p->elements + 1);

		v->type = REDIS_ARRAY;
		v->n_items = depth < MAX_DEPTH ? p->elements : 0;
		for (size_t i = 0; i < v->n_items; i++)
			items[i] = view(a, p->element[i], depth + 1);
		v->items = (const struct redis_reply *const *)items;
		break;
	}
	case REDIS_REPLY_ERROR:
		v->type = REDIS_FAILED;
		v->status = error_status(v->s);
		break;
	default:
		v->type = REDIS_NIL;
	}
	return v;
}

/* The first word of a Redis error says what kind it is. */
static enum status
error_status(const char *e)
{
	static const struct {
		const char *word;
		enum status status;
	} table[] = {
		{ "LOADING", ST_UNAVAILABLE },
		{ "BUSY", ST_UNAVAILABLE },
		{ "MISCONF", ST_UNAVAILABLE },
		{ "READONLY", ST_UNAVAILABLE },
		{ "MASTERDOWN", ST_UNAVAILABLE },
		{ "TRYAGAIN", ST_UNAVAILABLE },
		{ "CLUSTERDOWN", ST_UNAVAILABLE },
		{ "OOM", ST_RESOURCE_EXHAUSTED },
		{ "NOAUTH", ST_FAILED_PRECONDITION },
		{ "WRONGTYPE", ST_FAILED_PRECONDITION },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (str_starts(e, table[i].word))
			return table[i].status;
	return ST_INTERNAL;
}

/* redis: one pipelined connection to a Redis server, on the loop.
 *
 * The connection is in one state (enum redis_state) and changes it in redis_enter. A command lives
 * as a struct command from redis_command to its reply or to the loss of the connection; its caller
 * may end earlier, then only the callback is dropped. What a turn issues leaves in one write:
 * hiredis' wish to write is served at the end of the turn. A server that owes an answer for HUNG_US
 * without sending anything is given up like one that hung up. */
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "store/redis.h"

#define BACKOFF_MIN_US (50 * MS)
#define BACKOFF_MAX_US (1 * SEC)
#define HUNG_US        (3 * SEC)
#define REPLY_CAP      (64u << 20) /* one reply as a tree of views; the bytes stay hiredis' */
#define MAX_DEPTH      8

enum redis_state { DOWN, RESOLVING, CONNECTING, CHECKING, UP };

struct command {
	struct call_dep dep; /* attached to `call` while somebody waits */
	struct redis *r;
	struct call *call;
	redis_done_fn *done; /* NULL: nobody waits any more */
	void *ctx;
	/* EVAL text and arguments kept for a NOSCRIPT answer; NULL: no script */
	char *script;
	const char **argv;
	size_t *lens;
	int argc;
};

/* outlives hiredis' context until libuv has closed the poll */
struct conn {
	uv_poll_t poll;
	struct redis *r; /* NULL: given up */
	redisAsyncContext *ac;
	int events;
	bool want_write;
};

struct redis {
	struct loop *loop;
	char *address, *password;
	bool require_durable;
	enum redis_state state;
	struct conn *conn;
	struct timer timer; /* DOWN: try again; else: watch over the answers owed */
	struct loop_turn turn;
	int64_t backoff_us, heard_us;
	unsigned owed;
	struct arena *arena; /* of the reply being given out */
	void (*on_up)(void *ctx);
	void *on_up_ctx;
	bool complained;
	uv_getaddrinfo_t *resolve;
};

static void redis_enter(struct redis *, enum redis_state);
static void start_connecting(struct redis *);
static void connect_unix(struct redis *, const char *);
static void resolve(struct redis *, const char *);
static void on_resolved(uv_getaddrinfo_t *, int, struct addrinfo *);
static void attach(struct redis *, redisAsyncContext *);
static void on_connect(const redisAsyncContext *, int);
static void on_checked(redisAsyncContext *, void *, void *);
static bool setting_is(struct redis *, const redisReply *, const char *, const char *);
static void lost(struct redis *);
static void on_timer(struct timer *);
static void on_turn(struct loop_turn *);
static void want_read(void *);
static void unwant_read(void *);
static void want_write(void *);
static void unwant_write(void *);
static void cleanup(void *);
static void poll_again(struct conn *);
static void on_poll(uv_poll_t *, int, int);
static void on_closed(uv_handle_t *);
static struct command *command_new(struct redis *, struct call *, redis_done_fn *, void *);
static void command_cancel(struct call_dep *);
static void command_free(struct command *);
static bool command_send(struct command *, int, const char **, const size_t *);
static void fail_later(struct redis *, struct command *);
static void on_reply(redisAsyncContext *, void *, void *);
static void give(struct command *, const struct redis_reply *);
static struct redis_reply *view(struct arena *, const redisReply *, int);
static enum status error_status(const char *);

struct redis *
redis_new(struct loop *l, const struct redis_opts *o)
{
	struct redis *r = calloc(1, sizeof(*r));

	must(r != NULL);
	r->loop = l;
	r->address = strdup(o->address);
	r->password = o->password != NULL && o->password[0] != '\0' ? strdup(o->password) : NULL;
	r->require_durable = o->require_durable;
	r->arena = arena_new(REPLY_CAP);
	r->backoff_us = BACKOFF_MIN_US;
	r->turn.fn = on_turn;
	timer_init(&r->timer, l, on_timer);
	loop_turn_add(l, &r->turn);
	start_connecting(r);
	return r;
}

void
redis_free(struct redis **rp)
{
	struct redis *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	r->on_up = NULL;
	if (r->resolve != NULL)
		r->resolve->data = NULL;
	if (r->conn != NULL) {
		r->conn->r = NULL;
		redisAsyncFree(r->conn->ac);
	}
	timer_stop(&r->timer);
	loop_turn_del(r->loop, &r->turn);
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
redis_on_up(struct redis *r, void (*fn)(void *ctx), void *ctx)
{
	r->on_up = fn;
	r->on_up_ctx = ctx;
}

void
redis_command(struct redis *r, struct call *c, int argc, const char *const *argv,
    const size_t *lens, redis_done_fn *done, void *ctx)
{
	struct command *m = command_new(r, c, done, ctx);

	if (r->state != UP || !command_send(m, argc, (const char **)(uintptr_t)argv, lens))
		fail_later(r, m);
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
		fail_later(r, m);
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
		fail_later(r, m);
		return;
	}
	m->argv[0] = "EVAL";
	m->lens[0] = 4;
	m->argv[1] = text;
	m->lens[1] = strlen(text);
}

/* --- life of the connection --- */

static void
redis_enter(struct redis *r, enum redis_state s)
{
	r->state = s;
	if (s == DOWN) {
		timer_in(&r->timer, r->backoff_us);
		r->backoff_us =
		    r->backoff_us * 2 > BACKOFF_MAX_US ? BACKOFF_MAX_US : r->backoff_us * 2;
		return;
	}
	r->heard_us = loop_now(r->loop);
	timer_in(&r->timer, HUNG_US);
	if (s != UP)
		return;
	r->backoff_us = BACKOFF_MIN_US;
	r->complained = false;
	log_info("redis_up", L_STR("address", r->address));
	if (r->on_up != NULL)
		r->on_up(r->on_up_ctx);
}

static void
start_connecting(struct redis *r)
{
	redis_enter(r, CONNECTING);
	if (str_starts(r->address, "unix:"))
		connect_unix(r, r->address + 5);
	else if (str_starts(r->address, "tcp:"))
		resolve(r, r->address + 4);
	else
		fatal("redis address '%s' is neither unix:PATH nor tcp:HOST:PORT", r->address);
}

static void
connect_unix(struct redis *r, const char *path)
{
	attach(r, redisAsyncConnectUnix(path));
}

/* hiredis resolves names with a blocking call: names are resolved here, hiredis gets a number. */
static void
resolve(struct redis *r, const char *host_port)
{
	const char *colon = strrchr(host_port, ':');
	char host[256];

	if (colon == NULL || (size_t)(colon - host_port) >= sizeof(host))
		fatal("redis address '%s' is not tcp:HOST:PORT", r->address);
	memcpy(host, host_port, (size_t)(colon - host_port));
	host[colon - host_port] = '\0';
	redis_enter(r, RESOLVING);
	r->resolve = calloc(1, sizeof(*r->resolve));
	must(r->resolve != NULL);
	r->resolve->data = r;
	if (uv_getaddrinfo(loop_uv(r->loop), r->resolve, on_resolved, host, colon + 1,
		&(struct addrinfo){ .ai_socktype = SOCK_STREAM }) != 0) {
		free(r->resolve);
		r->resolve = NULL;
		redis_enter(r, DOWN);
	}
}

static void
on_resolved(uv_getaddrinfo_t *q, int error, struct addrinfo *found)
{
	struct redis *r = q->data;
	char ip[INET6_ADDRSTRLEN], port[8];

	free(q);
	if (r != NULL) {
		r->resolve = NULL;
		if (error != 0 || getnameinfo(found->ai_addr, found->ai_addrlen, ip, sizeof(ip),
				      port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
			redis_enter(r, DOWN);
		} else {
			redis_enter(r, CONNECTING);
			attach(r, redisAsyncConnect(ip, atoi(port)));
		}
	}
	uv_freeaddrinfo(found);
}

static void
attach(struct redis *r, redisAsyncContext *ac)
{
	struct conn *k;

	must(ac != NULL);
	if (ac->err != 0) {
		redisAsyncFree(ac);
		redis_enter(r, DOWN);
		return;
	}
	k = calloc(1, sizeof(*k));
	must(k != NULL);
	k->r = r;
	k->ac = ac;
	r->conn = k;
	ac->data = k;
	ac->ev.data = k;
	ac->ev.addRead = want_read;
	ac->ev.delRead = unwant_read;
	ac->ev.addWrite = want_write;
	ac->ev.delWrite = unwant_write;
	ac->ev.cleanup = cleanup;
	must(uv_poll_init(loop_uv(r->loop), &k->poll, ac->c.fd) == 0);
	redisAsyncSetConnectCallback(ac, on_connect);
	k->events = UV_READABLE | UV_WRITABLE; /* writable tells that the connection stands */
	poll_again(k);
}

static void
on_connect(const redisAsyncContext *ac, int status)
{
	struct conn *k = ac->data;
	struct redis *r = k->r;

	if (r == NULL)
		return;
	if (status != REDIS_OK) {
		lost(r);
		return;
	}
	redis_enter(r, CHECKING);
	if (r->password != NULL)
		redisAsyncCommand(k->ac, NULL, NULL, "AUTH %s", r->password);
	redisAsyncCommand(k->ac, on_checked, r->require_durable ? NULL : r, "PING");
	if (r->require_durable) {
		redisAsyncCommand(
		    k->ac, on_checked, (void *)(uintptr_t) "appendonly", "CONFIG GET appendonly");
		redisAsyncCommand(
		    k->ac, on_checked, (void *)(uintptr_t) "appendfsync", "CONFIG GET appendfsync");
		redisAsyncCommand(k->ac, on_checked, (void *)(uintptr_t) "maxmemory-policy",
		    "CONFIG GET maxmemory-policy");
	}
}

/* The server answers (it may still be loading its data) and, where asked for, keeps what it
 * acknowledges. */
static void
on_checked(redisAsyncContext *ac, void *reply, void *what)
{
	struct conn *k = ac->data;
	struct redis *r = k->r;
	const redisReply *p = reply;
	bool last =
	    r != NULL && (what == r || (what != NULL && strcmp(what, "maxmemory-policy") == 0));

	if (r == NULL || p == NULL || r->state != CHECKING)
		return;
	if (p->type == REDIS_REPLY_ERROR) {
		if (!r->complained && !str_starts(p->str, "LOADING"))
			log_error(
			    "redis_refused", L_STR("address", r->address), L_STR("answer", p->str));
		r->complained = true;
	} else if (what == NULL || what == r ||
		   (strcmp(what, "appendonly") == 0 && setting_is(r, p, what, "yes")) ||
		   (strcmp(what, "appendfsync") == 0 && setting_is(r, p, what, "always")) ||
		   (strcmp(what, "maxmemory-policy") == 0 &&
		       setting_is(r, p, what, "noeviction"))) {
		if (last)
			redis_enter(r, UP);
		return;
	}
	redis_enter(r, DOWN);
	k->r = NULL;
	r->conn = NULL;
	r->owed = 0;
	redisAsyncDisconnect(ac);
}

static bool
setting_is(struct redis *r, const redisReply *p, const char *key, const char *want)
{
	const char *is =
	    p->type == REDIS_REPLY_ARRAY && p->elements == 2 ? p->element[1]->str : "?";

	if (strcmp(is, want) == 0)
		return true;
	if (!r->complained)
		log_error("redis_not_durable", L_STR("address", r->address), L_STR("setting", key),
		    L_STR("is", is), L_STR("must_be", want));
	r->complained = true;
	return false;
}

static void
lost(struct redis *r)
{
	if (r->state == UP)
		log_warn("redis_lost", L_STR("address", r->address));
	r->conn->r = NULL;
	r->conn = NULL;
	r->owed = 0;
	redis_enter(r, DOWN);
}

static void
on_timer(struct timer *t)
{
	struct redis *r = container_of(t, struct redis, timer);
	int64_t quiet = loop_now(r->loop) - r->heard_us;

	if (r->state == DOWN) {
		start_connecting(r);
	} else if (r->state == RESOLVING || (r->state == UP && r->owed == 0)) {
		return; /* armed again with the next command */
	} else if (quiet < HUNG_US) {
		timer_in(t, HUNG_US - quiet);
	} else {
		struct conn *k = r->conn;

		log_warn("redis_hangs", L_STR("address", r->address), L_INT("owed", r->owed));
		lost(r);
		redisAsyncFree(k->ac);
	}
}

/* --- hiredis on libuv --- */

static void
on_turn(struct loop_turn *t)
{
	struct redis *r = container_of(t, struct redis, turn);
	struct conn *k = r->conn;

	if (k == NULL || !k->want_write || r->state < CHECKING)
		return;
	k->want_write = false;
	redisAsyncHandleWrite(k->ac);
	if (r->conn == k && k->want_write && (k->events & UV_WRITABLE) == 0) {
		k->events |= UV_WRITABLE; /* the socket is full: go on when it drains */
		poll_again(k);
	}
}

static void
want_read(void *data)
{
	struct conn *k = data;

	if ((k->events & UV_READABLE) == 0) {
		k->events |= UV_READABLE;
		poll_again(k);
	}
}

static void
unwant_read(void *data)
{
	/* never: the loss of an idle connection must be seen */
	(void)data;
}

static void
want_write(void *data)
{
	struct conn *k = data;

	k->want_write = true;
	if (k->r != NULL)
		loop_turn_soon(k->r->loop);
}

static void
unwant_write(void *data)
{
	struct conn *k = data;

	k->want_write = false;
	if ((k->events & UV_WRITABLE) != 0) {
		k->events &= ~UV_WRITABLE;
		poll_again(k);
	}
}

/* hiredis comes here first when a connection breaks, before it tells anybody else. */
static void
cleanup(void *data)
{
	struct conn *k = data;

	if (k->r != NULL)
		lost(k->r);
	uv_close((uv_handle_t *)&k->poll, on_closed);
}

static void
on_closed(uv_handle_t *h)
{
	free(container_of(h, struct conn, poll));
}

static void
poll_again(struct conn *k)
{
	must(uv_poll_start(&k->poll, k->events, on_poll) == 0);
}

static void
on_poll(uv_poll_t *h, int error, int events)
{
	struct conn *k = container_of(h, struct conn, poll);
	redisAsyncContext *ac = k->ac;

	if (k->r != NULL)
		k->r->heard_us = loop_now(k->r->loop);
	if (error != 0)
		events = UV_READABLE | UV_WRITABLE;
	if (events & UV_WRITABLE)
		redisAsyncHandleWrite(ac);
	/* The write may have freed the context; the conn itself lives until libuv has closed the
	 * poll. */
	if ((events & UV_READABLE) && !uv_is_closing((uv_handle_t *)h))
		redisAsyncHandleRead(ac);
}

/* --- commands --- */

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
	if (r->owed++ == 0) {
		r->heard_us = loop_now(r->loop);
		timer_in(&r->timer, HUNG_US);
	}
	return true;
}

struct refusal {
	struct timer timer;
	struct command *m;
};

static void
on_refusal(struct timer *t)
{
	struct refusal *f = container_of(t, struct refusal, timer);

	give(f->m,
	    &(struct redis_reply){
		.type = REDIS_FAILED, .status = ST_UNAVAILABLE, .s = "redis is down", .n = 13 });
	free(f);
}

/* Never from inside redis_command: the caller is still at its call. */
static void
fail_later(struct redis *r, struct command *m)
{
	struct refusal *f = calloc(1, sizeof(*f));

	must(f != NULL);
	f->m = m;
	timer_init(&f->timer, r->loop, on_refusal);
	timer_in(&f->timer, 0);
}

static void
on_reply(redisAsyncContext *ac, void *reply, void *data)
{
	struct command *m = data;
	struct conn *k = ac->data;
	const redisReply *p = reply;
	struct redis *r;

	if (p == NULL) { /* the connection went: it may have run */
		give(m, &(struct redis_reply){ .type = REDIS_FAILED,
			    .status = ST_UNAVAILABLE,
			    .unknown = true,
			    .s = "redis connection lost",
			    .n = 21 });
		return;
	}
	if (k->r != NULL && k->r->owed > 0)
		k->r->owed--;
	if (m->script != NULL && p->type == REDIS_REPLY_ERROR && str_starts(p->str, "NOSCRIPT") &&
	    k->r != NULL) {
		if (command_send(m, m->argc, m->argv, m->lens))
			return;
	}
	if ((r = k->r) == NULL) {
		give(m, &(struct redis_reply){ .type = REDIS_FAILED,
			    .status = ST_UNAVAILABLE,
			    .unknown = true,
			    .s = "redis connection lost",
			    .n = 21 });
		return;
	}
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

/* redis_conn: life of the connection. Resolving, connecting, checking what the server is, up; after a
 * loss again with back-off. A server that owes an answer and sends nothing for SILENT_US is silent:
 * new commands are refused as if it were down, and as soon as it sends anything it is up again. Silent
 * for HUNG_US it is given up like one that hung up. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "store/redis_int.h"

#define BACKOFF_MIN_US (50 * MS)
#define BACKOFF_MAX_US (250 * MS) /* a server that recovers is asked often: each wait is outage */
#define SILENT_US      (1 * SEC)
#define HUNG_US        (3 * SEC)
#define SLEPT_US       (500 * MS) /* a timer this late says that we did not run ourselves */

static void redis_enter(struct redis *r, enum redis_state s);
static void start_connecting(struct redis *r);
static void connect_unix(struct redis *r, const char *path);
static void resolve(struct redis *r, const char *host_port);
static void on_resolved(uv_getaddrinfo_t *q, int error, struct addrinfo *found);
static void attach(struct redis *r, redisAsyncContext *ac);
static void on_connect(const redisAsyncContext *ac, int status);
static void on_checked(redisAsyncContext *ac, void *reply, void *what);
static bool setting_is(struct redis *r, const redisReply *p, const char *key, const char *want);
static void on_timer(struct timer *t);
static void watch(struct redis *r, int64_t us);

void
redis_conn_init(struct redis *r)
{
	r->backoff_us = BACKOFF_MIN_US;
	timer_init(&r->timer, r->loop, on_timer);
	start_connecting(r);
}

void
redis_conn_free(struct redis *r)
{
	if (r->resolve != NULL) {
		r->resolve->data = NULL;
		(void)uv_cancel((uv_req_t *)r->resolve);
	}
	if (r->conn != NULL) {
		r->conn->r = NULL;
		redisAsyncFree(r->conn->ac);
	}
	timer_stop(&r->timer);
}

void
redis_owes(struct redis *r)
{
	if (r->owed++ > 0)
		return;
	r->heard_us = loop_now(r->loop);
	watch(r, SILENT_US);
}

void
redis_heard(struct redis *r)
{
	r->heard_us = loop_now(r->loop);
	if (r->state == SILENT)
		redis_enter(r, UP);
}

static void
redis_enter(struct redis *r, enum redis_state s)
{
	r->state = s;
	metric_set(r->up, s == UP);
	if (s == SILENT) {
		log_warn("redis_silent", L_STR("address", r->address), L_INT("owed", r->owed));
		return;
	}
	if (s == DOWN) {
		timer_in(&r->timer, r->backoff_us);
		r->backoff_us =
		    r->backoff_us * 2 > BACKOFF_MAX_US ? BACKOFF_MAX_US : r->backoff_us * 2;
		return;
	}
	r->heard_us = loop_now(r->loop);
	watch(r, s == UP ? SILENT_US : HUNG_US);
	if (s != UP)
		return;
	r->backoff_us = BACKOFF_MIN_US;
	r->complained = false;
	log_info("redis_up", L_STR("address", r->address));
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
	must(ac != NULL);
	if (ac->err != 0) {
		redisAsyncFree(ac);
		redis_enter(r, DOWN);
		return;
	}
	redis_watch(r, ac);
	redisAsyncSetConnectCallback(ac, on_connect);
}

static void
on_connect(const redisAsyncContext *ac, int status)
{
	struct conn *k = ac->data;
	struct redis *r = k->r;

	if (r == NULL)
		return;
	if (status != REDIS_OK) {
		redis_lost(r);
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

void
redis_lost(struct redis *r)
{
	if (r->state == UP || r->state == SILENT)
		log_warn("redis_lost", L_STR("address", r->address));
	r->conn->r = NULL;
	r->conn = NULL;
	r->owed = 0;
	redis_enter(r, DOWN);
}

static void
watch(struct redis *r, int64_t us)
{
	r->due_us = loop_now(r->loop) + us;
	timer_in(&r->timer, us);
}

static void
on_timer(struct timer *t)
{
	struct redis *r = container_of(t, struct redis, timer);
	int64_t now = loop_now(r->loop), quiet = now - r->heard_us;
	int64_t most = r->state == UP ? SILENT_US : HUNG_US;

	if (r->state == DOWN) {
		start_connecting(r);
	} else if (r->state == RESOLVING || (r->state == UP && r->owed == 0)) {
		return; /* armed again with the next command */
	} else if (now - r->due_us > SLEPT_US) {
		watch(r, SLEPT_US); /* answers may lie there that were not read yet */
	} else if (quiet < most) {
		watch(r, most - quiet);
	} else if (r->state == UP) {
		redis_enter(r, SILENT);
		watch(r, HUNG_US - quiet);
	} else {
		struct conn *k = r->conn;

		log_warn("redis_hangs", L_STR("address", r->address), L_INT("owed", r->owed));
		redis_lost(r);
		redisAsyncFree(k->ac);
	}
}

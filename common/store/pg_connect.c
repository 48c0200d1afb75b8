/* pg_connect: log-in, back-off, loss. A connection changes its state in conn_set alone; one log-in
 * is in flight at a time. After a failed one the next waits 50 to 250 ms; when then no connection
 * is left, the pool is down: what waits fails. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/log.h"
#include "store/pg_int.h"

#define PG_KEYS 12

struct login { /* PQconnectStart outside the loop: it resolves host names */
	struct work work;
	struct pg_conn *conn; /* NULL: nobody wants it any more */
	PGconn *pg;
	const char *keys[PG_KEYS], *values[PG_KEYS]; /* copies: the pool may go meanwhile */
};

static void login_start(struct pg_conn *k);
static void login_params(const struct pg_pool *p, const char **keys, const char **values);
static void login_in_pool(struct pg_conn *k);
static void login_step(struct pg_conn *k);
static void probe_done(struct pg_conn *k);
static void login_setup(struct pg_conn *k);
static void on_notice(void *, const PGresult *);
static void login_done(struct pg_conn *k);
static void login_failed(struct pg_pool *p, const char *why);
static void on_poll(uv_poll_t *h, int status, int events);
static void conn_unpoll(struct pg_conn *k);

void
conn_set(struct pg_conn *k, enum conn_state s)
{
	k->pool->in_state[k->kind][k->state]--;
	k->state = s;
	k->pool->in_state[k->kind][s]++;
	k->since_us = time_now_us();
}

/* Short connections are always wanted, long ones when somebody waits for one. */
void
conn_login_next(struct pg_pool *p)
{
	size_t free_longs = 0;

	if (p->login != NULL || p->retry.at_us != 0)
		return;
	for (unsigned i = 0; i < p->n_short; i++)
		if (p->conns[i].state == CONN_CLOSED) {
			login_start(&p->conns[i]);
			return;
		}
	for (unsigned i = p->n_short; i < p->n_short + p->n_long; i++)
		free_longs += p->conns[i].state == CONN_UP && p->conns[i].op == NULL;
	for (unsigned i = p->n_short; i < p->n_short + p->n_long && p->longs.n > free_longs; i++)
		if (p->conns[i].state == CONN_CLOSED) {
			login_start(&p->conns[i]);
			return;
		}
}

void
conn_probe(struct pg_pool *p)
{
	struct pg_conn *k = &p->conns[p->n_conns - 1];

	must(p->login == NULL && k->state == CONN_CLOSED);
	login_start(k);
}

void
conn_retry(struct timer *t)
{
	conn_login_next(container_of(t, struct pg_pool, retry));
}

static void
login_start(struct pg_conn *k)
{
	const char *keys[PG_KEYS], *values[PG_KEYS];

	k->pool->login = k;
	k->pool->login_us = time_now_us();
	pg_soon(k->pool); /* the tick watches over it */
	if (!k->pool->unix_socket && k->pool->work != NULL) {
		login_in_pool(k);
		return;
	}
	login_params(k->pool, keys, values);
	k->pg = PQconnectStartParams(keys, values, 1);
	conn_set(k, CONN_CONNECTING);
	login_step(k);
}

static void
login_params(const struct pg_pool *p, const char **keys, const char **values)
{
	size_t n = 0;

	keys[n] = "tcp_user_timeout", values[n++] = "10000";
	keys[n] = "keepalives_idle", values[n++] = "20"; /* a dead one is found before it is used */
	keys[n] = "keepalives_interval", values[n++] = "5";
	keys[n] = "keepalives_count", values[n++] = "3";
	/* of several hosts the primary, also after another one was promoted */
	keys[n] = "target_session_attrs", values[n++] = p->standby ? "any" : "read-write";
	keys[n] = "client_encoding", values[n++] = "UTF8";
	keys[n] = "dbname",
	values[n++] = p->conninfo; /* a whole conninfo: overrides what stands before it */
	keys[n] = "application_name", values[n++] = p->application;
	if (p->password != NULL)
		keys[n] = "password", values[n++] = p->password;
	keys[n] = values[n] = NULL;
}

static void
login_run(struct work *w)
{
	struct login *x = container_of(w, struct login, work);

	x->pg = PQconnectStartParams(x->keys, x->values, 1);
}

static void
login_free(struct login *x)
{
	for (size_t i = 0; x->keys[i] != NULL; i++) {
		char *copy = (char *)(uintptr_t)x->values[i];

		sodium_memzero(copy, strlen(copy)); /* one of them may be the password */
		free(copy);
	}
	free(x);
}

static void
login_ran(struct work *w, bool dropped)
{
	struct login *x = container_of(w, struct login, work);
	struct pg_conn *k = x->conn;

	if (k == NULL) {
		PQfinish(x->pg);
	} else {
		k->starting = NULL;
		k->pg = x->pg;
		if (dropped) {
			conn_lost(k, "the work pool ended");
		} else {
			conn_set(k, CONN_CONNECTING);
			login_step(k);
		}
	}
	login_free(x);
}

static void
login_in_pool(struct pg_conn *k)
{
	struct login *x = calloc(1, sizeof(*x));

	must(x != NULL);
	x->conn = k;
	login_params(k->pool, x->keys, x->values);
	for (size_t i = 0; x->keys[i] != NULL; i++) {
		x->values[i] = strdup(x->values[i]);
		must(x->values[i] != NULL);
	}
	x->work.run = login_run;
	x->work.done = login_ran;
	conn_set(k, CONN_STARTING);
	k->starting = x;
	if (work_start(k->pool->work, &x->work))
		return;
	k->starting = NULL;
	login_free(x);
	conn_lost(k, "the work pool is full");
}

/* libpq may have closed one socket and opened another: the watch is made anew around each step. */
static void
login_step(struct pg_conn *k)
{
	PostgresPollingStatusType st = PGRES_POLLING_WRITING;

	if (k->pg == NULL || PQstatus(k->pg) == CONNECTION_BAD) {
		conn_lost(k, k->pg != NULL ? PQerrorMessage(k->pg) : "out of memory");
		return;
	}
	if (k->poll != NULL) {
		conn_unpoll(k);
		st = PQconnectPoll(k->pg);
	}
	if (st == PGRES_POLLING_OK && k->kind == CONN_PROBE)
		probe_done(k);
	else if (st == PGRES_POLLING_OK)
		login_setup(k);
	else if (st == PGRES_POLLING_FAILED || PQsocket(k->pg) < 0)
		conn_lost(k, PQerrorMessage(k->pg));
	else
		conn_poll(k, st == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE);
}

static void
probe_done(struct pg_conn *k)
{
	struct pg_pool *p = k->pool;

	conn_close(k);
	p->login = NULL;
	p->probed_us = time_now_us();
	conn_login_next(p);
}

static void
login_setup(struct pg_conn *k)
{
	conn_set(k, CONN_SETUP);
	(void)PQsetNoticeReceiver(k->pg, on_notice, NULL);
	if (PQsetnonblocking(k->pg, 1) != 0 ||
	    PQsendQuery(k->pg, k->kind == CONN_LONG ? conn_setup_long : k->pool->setup) != 1) {
		conn_lost(k, PQerrorMessage(k->pg));
		return;
	}
	conn_flush(k);
}

/* What nobody asked for: that a server ends, a hint. libpq would print it. */
static void
on_notice(void *unused, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	(void)unused;
	log_info("pg_notice", L_STR("sqlstate", state), L_STR("message", message));
}

/* The answers to the settings, and what the server says of itself; then none. */
static void
read_setup(struct pg_conn *k)
{
	struct pg_pool *p = k->pool;
	const char *why = NULL;
	unsigned shares = p->shares;
	PGresult *r;

	while (PQisBusy(k->pg) == 0) {
		if ((r = PQgetResult(k->pg)) == NULL) {
			p->refused[0] = '\0';
			login_done(k);
			return;
		}
		if (PQresultStatus(r) == PGRES_TUPLES_OK && (why = conn_judge(k, r)) != NULL)
			snprintf(p->refused, sizeof(p->refused), "PostgreSQL is refused: %s", why);
		else if (PQresultStatus(r) != PGRES_COMMAND_OK &&
			 PQresultStatus(r) != PGRES_TUPLES_OK)
			why = PQerrorMessage(k->pg);
		PQclear(r);
		if (why == NULL)
			continue;
		conn_lost(k, why);
		for (unsigned i = 0; p->shares != shares && i < p->n_conns; i++)
			if (p->conns[i].state == CONN_UP)
				conn_lost(&p->conns[i], p->refused);
		return;
	}
}

static void
login_done(struct pg_conn *k)
{
	struct pg_pool *p = k->pool;
	bool first = !pg_pool_up(p) && k->kind == CONN_SHORT;

	if (k->kind == CONN_SHORT && PQenterPipelineMode(k->pg) != 1) {
		conn_lost(k, PQerrorMessage(k->pg));
		return;
	}
	k->ended_one = true;
	k->limit_ms = 0;
	conn_set(k, CONN_UP);
	conn_life_begin(k);
	metric_inc(p->m_logins[1]);
	p->logins += k->kind == CONN_SHORT;
	p->login = NULL;
	p->backoff_us = PG_BACKOFF_MIN;
	if (first) {
		if (p->down)
			log_info("store_up", L_STR("store", p->name));
		p->down = false;
		for (struct pg_listener *s = p->listeners; s != NULL; s = s->next)
			s->fn(s->ctx);
	}
	conn_login_next(p);
	pg_soon(p);
}

/* With no connection left a server that restarts gets PG_RESTART_US: who waits in a queue till then
 * never hears of it. */
static void
login_failed(struct pg_pool *p, const char *why)
{
	int64_t now = time_now_us();

	p->login = NULL;
	p->probed_us = now;
	metric_inc(p->m_logins[0]);
	if (pg_pool_up(p))
		log_warn("store_login_failed", L_STR("store", p->name), L_STR("why", why));
	else if (p->down || now >= p->patience_us)
		pool_down(p, why);
}

void
pool_down(struct pg_pool *p, const char *why)
{
	if (!p->down)
		log_warn("store_down", L_STR("store", p->name), L_STR("why", why));
	p->down = true;
	pg_fail_queues(p);
}

/* --- loss --- */

/* Who is served meanwhile, by the connections there are or by the primary, can wait longer for one more: the server
 * may have none left to give (too many clients). */
static void
login_back_off(struct pg_pool *p)
{
	int64_t most = pg_pool_up(p) || p->standby ? PG_BACKOFF_MORE : PG_BACKOFF_MAX;

	if (p->backoff_us > most)
		p->backoff_us = most;
	timer_in(&p->retry, p->backoff_us / 2 + rng_below(p->rng, (uint32_t)(p->backoff_us / 2)));
	p->backoff_us *= 2;
}

void
conn_lost(struct pg_conn *k, const char *why)
{
	struct pg_pool *p = k->pool;
	bool was_login = p->login == k;
	char text[256];

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(why, "\n"),
	    why); /* lives in what is closed now */
	if (!was_login) {
		metric_inc(p->m_lost);
		log_warn("store_connection_lost", L_STR("store", p->name), L_STR("why", text),
		    L_INT("batches", k->batches.n));
	}
	conn_close(k);
	if (!was_login && k->kind == CONN_SHORT && p->in_state[CONN_SHORT][CONN_UP] == 0)
		p->patience_us = time_now_us() + PG_RESTART_US;
	if (was_login)
		login_failed(p, text);
	conn_drop_batches(k);
	conn_drop_long(k);
	if (was_login) {
		login_back_off(p);
	} else if (p->retry.at_us == 0) {
		timer_in(&p->retry, MS); /* not from inside: who lost it is still working on it */
	}
	pg_soon(p);
}

void
conn_close(struct pg_conn *k)
{
	conn_unpoll(k);
	if (k->starting != NULL)
		k->starting->conn = NULL;
	k->starting = NULL;
	PQfinish(k->pg);
	k->pg = NULL;
	if (k->state != CONN_CLOSED)
		conn_set(k, CONN_CLOSED);
	k->silent = k->retiring = k->setting = false;
	k->ends_us = 0;
	pg_prepare_forget(k);
}

/* --- the watch on its socket --- */

static void
on_closed(uv_handle_t *h)
{
	free(h);
}

static void
conn_unpoll(struct pg_conn *k)
{
	if (k->poll == NULL)
		return;
	uv_poll_stop(k->poll);
	uv_close((uv_handle_t *)k->poll, on_closed);
	k->poll = NULL;
	k->poll_events = 0;
}

void
conn_poll(struct pg_conn *k, int events)
{
	if (k->poll == NULL) {
		k->poll = calloc(1, sizeof(*k->poll));
		must(k->poll != NULL);
		must(uv_poll_init(loop_uv(k->pool->loop), k->poll, PQsocket(k->pg)) == 0);
		k->poll->data = k;
	}
	if (events == k->poll_events)
		return;
	k->poll_events = events;
	must(uv_poll_start(k->poll, events, on_poll) == 0);
}

void
conn_flush(struct pg_conn *k)
{
	int left = PQflush(k->pg);

	if (left < 0)
		conn_lost(k, PQerrorMessage(k->pg));
	else
		conn_poll(k, left > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

static void
on_poll(uv_poll_t *h, int status, int events)
{
	struct pg_conn *k = h->data;

	if (k->state == CONN_CONNECTING) {
		login_step(k);
		return;
	}
	if (status < 0 || ((events & UV_READABLE) != 0 && PQconsumeInput(k->pg) != 1)) {
		conn_lost(k, status < 0 ? uv_strerror(status) : PQerrorMessage(k->pg));
		return;
	}
	if ((events & UV_READABLE) != 0) /* room in the socket's buffer is no sign of life */
		conn_heard(k);
	if (k->state == CONN_SETUP)
		read_setup(k);
	else if (k->kind == CONN_LONG)
		conn_read_long(k);
	else
		conn_read_short(k);
	if (k->pg != NULL && (events & UV_WRITABLE) != 0)
		conn_flush(k);
}

/* pg_session: see pg_session.h. libpq in non-blocking mode, and poll with a limit: a server that
 * hangs holds up a thread of the work pool no longer than that. */
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "store/pg_int.h"
#include "store/pg_session.h"

struct pg_session {
	PGconn *pg;
	PGresult *result;
	char *conninfo, *application, *password; /* the pool may go meanwhile */
	int64_t limit_us;
	char error[300], sqlstate[6];
};

static bool fail(struct pg_session *s, const char *why);
static bool fail_result(struct pg_session *s, const PGresult *r);
static bool wait_for(struct pg_session *s, short events);
static bool flush(struct pg_session *s);
static PGresult *next_result(struct pg_session *s, bool *ok);
static bool end_of_copy(struct pg_session *s, uint64_t *rows);

struct pg_session *
pg_session_new(const struct pg_pool *p, int64_t limit_us)
{
	struct pg_session *s = calloc(1, sizeof(*s));

	must(s != NULL);
	s->conninfo = strdup(p->conninfo);
	s->application = strdup(p->application);
	must(s->conninfo != NULL && s->application != NULL);
	if (p->password != NULL) {
		s->password = sodium_malloc(strlen(p->password) + 1);
		must(s->password != NULL);
		strcpy(s->password, p->password);
	}
	s->limit_us = limit_us;
	return s;
}

void
pg_session_free(struct pg_session **sp)
{
	struct pg_session *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	PQclear(s->result);
	if (s->pg != NULL)
		PQfinish(s->pg);
	sodium_free(s->password);
	free(s->conninfo);
	free(s->application);
	free(s);
}

const char *
pg_session_error(const struct pg_session *s)
{
	return s->error;
}

const char *
pg_session_sqlstate(const struct pg_session *s)
{
	return s->sqlstate;
}

/* What a role or a database has set for others is not for this: a copy takes as long as it takes, and
 * what is committed is on disk. */
bool
pg_session_open(struct pg_session *s)
{
	static const char setup[] =
	    "SET client_min_messages=warning; SET statement_timeout=0;"
	    " SET idle_in_transaction_session_timeout='10min'; SELECT " PG_DURABLE;
	const char *keys[] = { "connect_timeout", "tcp_user_timeout", "target_session_attrs",
		"client_encoding", "dbname", "application_name",
		s->password != NULL ? "password" : NULL, NULL };
	const char *values[] = { "5", "10000", "read-write", "UTF8", s->conninfo, s->application,
		s->password, NULL };

	s->pg = PQconnectdbParams(keys, values, 1);
	if (s->pg == NULL || PQstatus(s->pg) != CONNECTION_OK)
		return fail(s, s->pg != NULL ? PQerrorMessage(s->pg) : "out of memory");
	if (PQsetnonblocking(s->pg, 1) != 0)
		return fail(s, PQerrorMessage(s->pg));
	return pg_session_run(s, setup);
}

bool
pg_session_run(struct pg_session *s, const char *text)
{
	bool ok = true;
	PGresult *r;

	if (s->pg == NULL || PQsendQuery(s->pg, text) != 1 || !flush(s))
		return fail(s, PQerrorMessage(s->pg));
	PQclear(s->result);
	s->result = NULL;
	while ((r = next_result(s, &ok)) != NULL) {
		ExecStatusType st = PQresultStatus(r);

		if (st == PGRES_FATAL_ERROR)
			ok = fail_result(s, r);
		PQclear(s->result);
		s->result = r;
		if (st == PGRES_COPY_OUT || st == PGRES_COPY_IN)
			break;
	}
	return ok;
}

int
pg_session_rows(const struct pg_session *s)
{
	return PQntuples(s->result);
}

const char *
pg_session_value(const struct pg_session *s, int row, int column)
{
	return PQgetvalue(s->result, row, column);
}

bool
pg_session_take(struct pg_session *s, struct buf *b, size_t most, uint64_t *rows)
{
	char *p;
	int n;

	*rows = UINT64_MAX;
	while (b->n < most) {
		n = PQgetCopyData(s->pg, &p, 1);
		if (n > 0) {
			buf_add(b, p, (size_t)n);
			PQfreemem(p);
		} else if (n == 0) {
			if (!wait_for(s, POLLIN) || PQconsumeInput(s->pg) != 1)
				return fail(s, PQerrorMessage(s->pg));
		} else if (n == -1) {
			return end_of_copy(s, rows);
		} else {
			return fail(s, PQerrorMessage(s->pg));
		}
	}
	return true;
}

bool
pg_session_give(struct pg_session *s, const void *p, size_t n, uint64_t *rows)
{
	int rc;

	for (;;) {
		rc = n > 0 ? PQputCopyData(s->pg, p, (int)n) : PQputCopyEnd(s->pg, NULL);
		if (rc == 1)
			break;
		if (rc < 0 || !wait_for(s, POLLOUT))
			return fail(s, PQerrorMessage(s->pg));
	}
	return flush(s) && (n > 0 || end_of_copy(s, rows));
}

/* "COPY 123" */
static bool
end_of_copy(struct pg_session *s, uint64_t *rows)
{
	bool ok = true;
	PGresult *r;

	*rows = 0;
	while ((r = next_result(s, &ok)) != NULL) {
		if (PQresultStatus(r) == PGRES_FATAL_ERROR)
			ok = fail_result(s, r);
		else
			*rows = strtoull(PQcmdTuples(r), NULL, 10);
		PQclear(r);
	}
	return ok;
}

static PGresult *
next_result(struct pg_session *s, bool *ok)
{
	while (PQisBusy(s->pg) != 0)
		if (!wait_for(s, POLLIN) || PQconsumeInput(s->pg) != 1) {
			*ok = fail(s, PQerrorMessage(s->pg));
			return NULL;
		}
	return PQgetResult(s->pg);
}

static bool
flush(struct pg_session *s)
{
	int rc;

	while ((rc = PQflush(s->pg)) == 1)
		if (!wait_for(s, POLLIN | POLLOUT) || PQconsumeInput(s->pg) != 1)
			return fail(s, PQerrorMessage(s->pg));
	return rc == 0 || fail(s, PQerrorMessage(s->pg));
}

static bool
wait_for(struct pg_session *s, short events)
{
	struct pollfd p = { .fd = PQsocket(s->pg), .events = events };
	int rc;

	do
		rc = poll(&p, 1, (int)(s->limit_us / MS));
	while (rc < 0 && errno == EINTR);
	return rc > 0 || fail(s, "PostgreSQL does not answer");
}

static bool
fail_result(struct pg_session *s, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	if (s->error[0] == '\0')
		snprintf(s->sqlstate, sizeof(s->sqlstate), "%s", state != NULL ? state : "");
	return fail(s, PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
}

/* The first word counts. */
static bool
fail(struct pg_session *s, const char *why)
{
	if (s->error[0] == '\0')
		snprintf(s->error, sizeof(s->error), "%s",
		    why != NULL && why[0] != '\0' ? why : "the connection was lost");
	s->error[strcspn(s->error, "\n")] = '\0';
	return false;
}

/* pg_reply: a result as its caller sees it, and what a SQLSTATE means to the fleet. Policy, no
 * state. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "store/pg_int.h"

/* clang-format off */
/* The longest matching prefix decides. */
static const struct {
	const char *prefix;
	enum status status;
} states[] = {
	{ "08",		ST_UNAVAILABLE },		/* connection exception */
	{ "0A",		ST_UNIMPLEMENTED },
	{ "21",		ST_INTERNAL },
	{ "22",		ST_INVALID_ARGUMENT },		/* data exception */
	{ "23",		ST_FAILED_PRECONDITION },
	{ "23502",	ST_INVALID_ARGUMENT },		/* not null */
	{ "23505",	ST_ALREADY_EXISTS },		/* unique */
	{ "23514",	ST_INVALID_ARGUMENT },		/* check */
	{ "25006",	ST_UNAVAILABLE },		/* read only: we talk to a replica */
	{ "28",		ST_UNAVAILABLE },		/* log-in refused */
	{ "3D",		ST_UNAVAILABLE },		/* no such database */
	{ "40",		ST_ABORTED },			/* serialisation, deadlock */
	{ "53",		ST_RESOURCE_EXHAUSTED },
	/* disk full: nothing that the client sends slower helps */
	{ "53100",	ST_UNAVAILABLE },
	{ "54",		ST_INVALID_ARGUMENT },		/* program limit exceeded: too large */
	{ "55P03",	ST_ABORTED },			/* lock not available */
	/* operator intervention: shutdown, crash, starting up */
	{ "57",		ST_UNAVAILABLE },
	{ "57014",	ST_DEADLINE_EXCEEDED },		/* cancelled, statement_timeout */
	{ "57P05",	ST_UNAVAILABLE },
	{ "58030",	ST_UNAVAILABLE },		/* input/output error */
	{ "MF404",	ST_NOT_FOUND },			/* mf_refuse() of our schema */
	{ "MF409",	ST_ABORTED },
	{ "MF410",	ST_ALREADY_EXISTS },
	{ "MF411",	ST_ALREADY_EXISTS },
	{ "MF412",	ST_ABORTED },			/* an older mode's: see migration 0008 */
	{ "MF413",	ST_ABORTED },			/* of a meta that leads no more: see migration 0014 */
	{ "XX001",	ST_DATA_LOSS },
	{ "XX002",	ST_DATA_LOSS },
};
/* clang-format on */

enum status
pg_status_of(const char *sqlstate)
{
	enum status s = ST_INTERNAL;
	size_t best = 0;

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		size_t n = strlen(states[i].prefix);

		if (n > best && strncmp(states[i].prefix, sqlstate, n) == 0) {
			best = n;
			s = states[i].status;
		}
	}
	return s;
}

bool
pg_ok(const struct pg_reply *r)
{
	return r->ok;
}

enum status
pg_status(const struct pg_reply *r)
{
	if (r->ok)
		return ST_OK;
	return r->result != NULL ? pg_status_of(pg_sqlstate(r)) : r->status;
}

static const char *
error_field(const struct pg_reply *r, int field)
{
	const char *s = r->result != NULL ? PQresultErrorField(r->result, field) : NULL;

	return s != NULL ? s : "";
}

const char *
pg_sqlstate(const struct pg_reply *r)
{
	return error_field(r, PG_DIAG_SQLSTATE);
}

const char *
pg_error(const struct pg_reply *r)
{
	return r->result != NULL ? error_field(r, PG_DIAG_MESSAGE_PRIMARY) : r->error;
}

const char *
pg_constraint(const struct pg_reply *r)
{
	return error_field(r, PG_DIAG_CONSTRAINT_NAME);
}

bool
pg_unknown(const struct pg_reply *r)
{
	return r->unknown;
}

int
pg_rows(const struct pg_reply *r)
{
	return r->ok ? r->n_rows : 0;
}

int
pg_columns(const struct pg_reply *r)
{
	return r->ok ? PQnfields(r->result) : 0;
}

const char *
pg_column(const struct pg_reply *r, int column)
{
	const char *s = PQfname(r->result, column);

	return s != NULL ? s : "";
}

const char *
pg_value(const struct pg_reply *r, int row, int column)
{
	return PQgetvalue(r->result, r->row + row, column);
}

size_t
pg_length(const struct pg_reply *r, int row, int column)
{
	return (size_t)PQgetlength(r->result, r->row + row, column);
}

bool
pg_null(const struct pg_reply *r, int row, int column)
{
	return PQgetisnull(r->result, r->row + row, column) != 0;
}

uint64_t
pg_affected(const struct pg_reply *r)
{
	const PGresult *last = r->end != NULL ? r->end : r->result;

	if (!r->ok)
		return 0;
	return strtoull(PQcmdTuples((PGresult *)(uintptr_t)last), NULL, 10);
}

const struct pg_reply *
pg_reply_at(const struct pg_reply *r, size_t statement)
{
	static struct pg_reply one; /* of the loop thread; valid until the next */
	const PGresult *res;

	must(r->op != NULL && statement < r->op->n);
	res = r->op->stmts[statement].result;
	must(res != NULL);
	one = (struct pg_reply){ .result = res, .n_rows = PQntuples(res), .ok = true, .error = "" };
	return &one;
}

size_t
pg_failed_at(const struct pg_reply *r)
{
	return r->failed_at;
}

const char *
pg_mark(const struct pg_reply *r)
{
	return r->mark != NULL ? r->mark : "";
}

void
pg_fail_call(struct call *c, const struct pg_reply *r)
{
	enum status s = pg_status(r);

	if (r->unknown)
		call_fail_because(c, ST_UNAVAILABLE, "OUTCOME_UNKNOWN", 1000,
		    "the connection to PostgreSQL broke during the commit");
	else if (s == ST_UNAVAILABLE)
		call_fail_because(c, s, "STORE_DOWN", 1000, "%s",
		    r->result == NULL ? r->error : "PostgreSQL is not available");
	else if (r->too_large)
		call_fail_because(c, s, "TOO_LARGE", 0, "%s: ask for less", pg_error(r));
	else if (s == ST_RESOURCE_EXHAUSTED)
		call_fail_because(c, s, "STORE_BUSY", 200, "%s", pg_error(r));
	else
		call_fail(c, s, "%s", pg_error(r));
}

/* pg_prepared: which statements a connection has prepared. At most PG_PREPARED_MOST of them: the
 * one that was used longest ago goes (DEALLOCATE) when another is wanted, so that callers with many
 * texts cost time, not the server's memory.
 *
 * `there` is what will be when all that was sent is done. A batch that fails may have been aborted
 * before its PREPARE or DEALLOCATE: then the batches sent behind it fail with 26000 or 42P05, which
 * puts `there` right, and run again. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "store/pg_int.h"

static struct pg_prepared *entry(struct pg_conn *k, unsigned index);
static void set_there(struct pg_conn *k, unsigned index, bool there);
static bool make_room(struct pg_conn *k, struct pg_batch *b, uint32_t op);

bool
pg_prepare(struct pg_conn *k, struct pg_batch *b, uint32_t op, struct pg_text *t, char name[16])
{
	struct pg_prepared *p = entry(k, t->index);

	p->used = ++k->uses;
	snprintf(name, 16, "s%u", t->index);
	if (p->there)
		return true;
	if (k->n_there >= PG_PREPARED_MOST && !make_room(k, b, op))
		return false;
	if (PQsendPrepare(k->pg, name, t->text, 0, NULL) != 1)
		return false;
	*pg_step_add(b) = (struct pg_step){ .prepare = t, .op = op };
	set_there(k, t->index, true);
	return true;
}

static struct pg_prepared *
entry(struct pg_conn *k, unsigned index)
{
	if (index >= k->n_prepared) {
		unsigned n = (index + 32) & ~31u;

		k->prepared = realloc(k->prepared, n * sizeof(*k->prepared));
		must(k->prepared != NULL);
		memset(k->prepared + k->n_prepared, 0, (n - k->n_prepared) * sizeof(*k->prepared));
		k->n_prepared = n;
	}
	return &k->prepared[index];
}

static bool
make_room(struct pg_conn *k, struct pg_batch *b, uint32_t op)
{
	unsigned oldest = 0;
	char text[32];

	for (unsigned i = 0; i < k->n_prepared; i++)
		if (k->prepared[i].there &&
		    (!k->prepared[oldest].there || k->prepared[i].used < k->prepared[oldest].used))
			oldest = i;
	snprintf(text, sizeof(text), "DEALLOCATE s%u", oldest);
	if (PQsendQueryParams(k->pg, text, 0, NULL, NULL, NULL, NULL, 0) != 1)
		return false;
	*pg_step_add(b) = (struct pg_step){ .drop = true, .dropped = oldest, .op = op };
	set_there(k, oldest, false);
	return true;
}

static void
set_there(struct pg_conn *k, unsigned index, bool there)
{
	struct pg_prepared *p = entry(k, index);

	if (p->there != there)
		k->n_there += there ? 1 : -1u;
	p->there = there;
}

void
pg_prepare_failed(
    struct pg_conn *k, const struct pg_step *s, const struct pg_text *used, const PGresult *r)
{
	const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE); /* NULL: aborted */
	bool missing = sqlstate != NULL && strcmp(sqlstate, "26000") == 0;

	if (s->prepare != NULL)
		set_there(k, s->prepare->index, sqlstate != NULL && strcmp(sqlstate, "42P05") == 0);
	else if (s->drop && !missing)
		set_there(k, s->dropped, true);
	else if (!s->drop && missing)
		set_there(k, used->index, false);
}

void
pg_prepare_forget(struct pg_conn *k)
{
	free(k->prepared);
	k->prepared = NULL;
	k->n_prepared = k->n_there = 0;
}

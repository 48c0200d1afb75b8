/* text: see text.h; the statements of one object. Only names of the models table and numbers of
 * parameters are ever put into a text. */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "base/log.h"
#include "base/str.h"
#include "database/sql/text_int.h"

enum {
	TEXT_READ,
	TEXT_RECORDED,
	TEXT_INSERT,
	TEXT_INSERT_ABSENT,
	TEXT_INSERT_STRICT,
	TEXT_UPDATE,
	TEXT_DELETE,
	TEXTS
};

struct interned {
	UT_hash_handle hh;
	char text[];
};

static struct interned *all;
static const char *fixed[MODELS_MOST][TEXTS]; /* by model */

static const char *
of(const struct model *m, int kind, void (*make)(struct buf *b, const struct model *m));
static void make_read(struct buf *b, const struct model *m);
static void make_recorded(struct buf *b, const struct model *m);
static void make_insert(struct buf *b, const struct model *m);
static bool is_once(const struct model *m);
static void add_not_deleted(struct buf *b, const struct model *m, const char *id);
static void make_insert_absent(struct buf *b, const struct model *m);
static void make_insert_strict(struct buf *b, const struct model *m);
static void make_update(struct buf *b, const struct model *m);
static void make_delete(struct buf *b, const struct model *m);

const char text_transaction[] =
    "INSERT INTO operations (op_id,model,row_id) VALUES ($1,'transaction',$2)";
const char text_fence[] = "SELECT mf_refuse('MF412') FROM mode_epoch WHERE last_value>$1::bigint";
const char text_fence_leader[] =
    "SELECT mf_refuse('MF413') FROM leader_number WHERE last_value>$1::bigint";
const char text_transaction_same[] =
    "SELECT 1 FROM operations WHERE op_id=$1 AND model='transaction' AND row_id=$2";

const char *
text_read(const struct model *m)
{
	return of(m, TEXT_READ, make_read);
}

const char *
text_recorded(const struct model *m)
{
	return of(m, TEXT_RECORDED, make_recorded);
}

const char *
text_insert(const struct model *m)
{
	return of(m, TEXT_INSERT, make_insert);
}

const char *
text_insert_absent(const struct model *m)
{
	return of(m, TEXT_INSERT_ABSENT, make_insert_absent);
}

const char *
text_insert_strict(const struct model *m)
{
	return of(m, TEXT_INSERT_STRICT, make_insert_strict);
}

const char *
text_update(const struct model *m)
{
	return of(m, TEXT_UPDATE, make_update);
}

const char *
text_delete(const struct model *m)
{
	return of(m, TEXT_DELETE, make_delete);
}

static const char *
of(const struct model *m, int kind, void (*make)(struct buf *b, const struct model *m))
{
	const char **at = &fixed[m - sql_models][kind];
	struct buf b = { 0 };

	if (*at == NULL) {
		make(&b, m);
		*at = text_intern(&b);
	}
	return *at;
}

const char *
text_intern(struct buf *b)
{
	struct interned *t;

	HASH_FIND(hh, all, b->p, b->n, t);
	if (t == NULL) {
		t = calloc(1, sizeof(*t) + b->n + 1);
		must(t != NULL);
		memcpy(t->text, b->p, b->n);
		HASH_ADD_KEYPTR(hh, all, t->text, b->n, t);
	}
	buf_free(b);
	return t->text;
}

/* --- pieces --- */

const char *
text_type(const struct field *f)
{
	switch (f->type) {
	case FIELD_UUID:
		return "uuid";
	case FIELD_PRIORITY:
		return "smallint";
	case FIELD_LABELS:
	case FIELD_STRINGS:
		return "jsonb";
	case FIELD_JSON:
		return "json";
	case FIELD_BOOL:
		return "boolean";
	case FIELD_INT:
		return "bigint";
	case FIELD_TIME:
		return "timestamptz";
	case FIELD_NAME:
	case FIELD_TEXT:
	case FIELD_STATE:
		break;
	}
	return "text";
}

void
text_add_columns(struct buf *b, const struct model *m, const char *alias)
{
	for (size_t i = 0; i < m->n_fields; i++)
		buf_printf(b, "%s%s%s", i > 0 ? "," : "", alias, m->fields[i].name);
}

static void
make_read(struct buf *b, const struct model *m)
{
	buf_puts(b, "SELECT ");
	text_add_columns(b, m, "");
	buf_printf(b, " FROM %s WHERE id=$1::%s", m->table, text_type(m->id));
	if (m->namespaced)
		buf_puts(b, " AND namespace=$2");
}

static void
make_recorded(struct buf *b, const struct model *m)
{
	buf_puts(b, "SELECT ");
	text_add_columns(b, m, "r.");
	buf_printf(b,
	    " FROM operations o, jsonb_populate_record(NULL::%s,o.result) r WHERE o.op_id=$1"
	    " AND o.model='%s' AND o.row_id=$2",
	    m->table, m->name);
}

static void
add_insert_head(struct buf *b, const struct model *m)
{
	buf_printf(b, "INSERT INTO %s (", m->table);
	text_add_columns(b, m, "");
	buf_puts(b, ")");
}

/* The first array comes by a subquery so that the planner can't see how many rows there are: else
 * its plan for just these would look cheaper than the one it keeps, and it would plan each time. */
static void
make_insert(struct buf *b, const struct model *m)
{
	add_insert_head(b, m);
	buf_puts(b, " SELECT ");
	for (size_t i = 0; i < m->n_fields; i++)
		buf_printf(b, "%sc%zu::%s", i > 0 ? "," : "", i, text_type(&m->fields[i]));
	buf_puts(b, " FROM unnest((SELECT $1::text[])");
	for (size_t i = 1; i < m->n_fields; i++)
		buf_printf(b, ",$%zu::text[]", i + 1);
	buf_puts(b, ") AS v(");
	for (size_t i = 0; i < m->n_fields; i++)
		buf_printf(b, "%sc%zu", i > 0 ? "," : "", i);
	buf_puts(b, ")");
	add_not_deleted(b, m, "c0");
	buf_puts(b, " ON CONFLICT (id) DO NOTHING RETURNING id");
}

/* An id of a model that clients create is one row's for ever: a create that is repeated after its
 * row was deleted finds the id in `deleted`. Ids of the others are names, or derived from what they
 * stand for, and may come again. */
static bool
is_once(const struct model *m)
{
	return !m->internal;
}

/* As a scalar, not EXISTS: that would become a join, planned for a table that was empty then. */
static void
add_not_deleted(struct buf *b, const struct model *m, const char *id)
{
	if (is_once(m))
		buf_printf(b,
		    " WHERE (SELECT true FROM deleted WHERE row_id=%s::uuid AND model='%s') IS "
		    "NULL",
		    id, m->name);
}

/* What `eff` did, under operation id $1 if there is one. */
static void
add_record(struct buf *b, const struct model *m, const char *row_id, const char *result)
{
	buf_printf(b,
	    "rec AS (INSERT INTO operations (op_id,model,row_id,result)"
	    " SELECT $1::text,'%s',%s,%s FROM eff WHERE $1::text IS NOT NULL) ",
	    m->name, row_id, result);
}

static void
add_values(struct buf *b, const struct model *m, size_t first)
{
	char id[16];

	buf_puts(b, " SELECT ");
	for (size_t i = 0; i < m->n_fields; i++)
		buf_printf(b, "%s$%zu::%s", i > 0 ? "," : "", first + i, text_type(&m->fields[i]));
	snprintf(id, sizeof(id), "$%zu", first);
	add_not_deleted(b, m, id);
}

static void
make_insert_absent(struct buf *b, const struct model *m)
{
	add_insert_head(b, m);
	add_values(b, m, 1);
	buf_puts(b, " ON CONFLICT (id) DO NOTHING RETURNING id");
}

static void
make_insert_strict(struct buf *b, const struct model *m)
{
	buf_puts(b, "WITH eff AS (");
	add_insert_head(b, m);
	add_values(b, m, 2);
	buf_puts(b, " RETURNING *),");
	add_record(b, m, "id::text", "to_jsonb(eff)");
	buf_puts(b, "SELECT 'done' FROM eff UNION ALL SELECT mf_refuse('MF411')::text"
		    " WHERE NOT EXISTS (SELECT FROM eff)");
}

/* --- update and delete --- */

static void
add_assignment(struct buf *b, const struct field *f, const char *type)
{
	const char *n = f->name;

	if (f->type == FIELD_JSON) /* a reference to a blob is no object to merge with another */
		buf_printf(b,
		    "%s=CASE WHEN NOT $5::jsonb ? '%s' THEN t.%s WHEN $5::jsonb->'%s'='null' THEN "
		    "NULL ELSE mf_merge_patch(CASE WHEN $5::jsonb->'%s' ? '$blob' OR"
		    " t.%s::jsonb ? '$blob' THEN NULL ELSE t.%s::jsonb END,$5::jsonb->'%s')::%s "
		    "END,",
		    n, n, n, n, n, n, n, n, type);
	else if (f->type == FIELD_LABELS)
		buf_printf(b,
		    "%s=CASE WHEN NOT $5::jsonb ? '%s' THEN t.%s WHEN $5::jsonb->'%s'='null' THEN "
		    "%s%s%s::%s"
		    " ELSE mf_merge_patch(t.%s::jsonb,$5::jsonb->'%s')::%s END,",
		    n, n, n, n, f->def != NULL ? "'" : "", f->def != NULL ? f->def : "NULL",
		    f->def != NULL ? "'" : "", type, n, n, type);
	else if (f->type == FIELD_STRINGS)
		buf_printf(b,
		    "%s=CASE WHEN NOT $5::jsonb ? '%s' THEN t.%s WHEN $5::jsonb->'%s'='null' THEN "
		    "'%s'"
		    " ELSE $5::jsonb->'%s' END,",
		    n, n, n, n, f->def, n);
	else
		buf_printf(b,
		    "%s=CASE WHEN $5::jsonb ? '%s' THEN ($5::jsonb->>'%s')::%s ELSE t.%s END,", n,
		    n, n, type, n);
}

/* `which`: the row, if nobody did this operation before. */
static void
add_where(struct buf *b, const struct model *m, int ns)
{
	buf_printf(b, " WHERE t.id=$2::%s", text_type(m->id));
	if (m->namespaced)
		buf_printf(b, " AND t.namespace=$%d", ns);
}

static void
add_effect_tail(struct buf *b, const struct model *m, const char *result)
{
	buf_puts(b, " AND ($3::bigint=0 OR t.version=$3::bigint) AND NOT EXISTS (SELECT FROM op) "
		    "RETURNING t.*),");
	add_record(b, m, "$2", result);
}

/* What became of it when no row was touched. */
static void
add_otherwise(struct buf *b, const struct model *m, int ns)
{
	buf_printf(b,
	    " FROM (SELECT CASE WHEN EXISTS (SELECT FROM op) THEN"
	    " CASE WHEN $4::boolean THEN mf_refuse('MF410')::text ELSE 'repeat' END"
	    " WHEN $3::bigint<>0 AND EXISTS (SELECT FROM %s t",
	    m->table);
	add_where(b, m, ns);
	buf_puts(b,
	    ") THEN CASE WHEN $4::boolean THEN mf_refuse('MF409')::text ELSE 'conflict' END"
	    " WHEN $4::boolean THEN mf_refuse('MF404')::text ELSE 'missing' END AS outcome) x"
	    " WHERE NOT EXISTS (SELECT FROM eff)");
}

static void
make_update(struct buf *b, const struct model *m)
{
	buf_puts(b, "WITH op AS (SELECT FROM operations WHERE op_id=$1::text),");
	buf_printf(b, "eff AS (UPDATE %s t SET ", m->table);
	for (size_t i = 1; i < m->n_fields; i++)
		if ((m->fields[i].flags & FIELD_PATCHED) != 0)
			add_assignment(b, &m->fields[i], text_type(&m->fields[i]));
	buf_puts(b, "version=t.version+1,updated_at=clock_timestamp()");
	add_where(b, m, 6);
	add_effect_tail(b, m, "to_jsonb(eff)");
	buf_puts(b, "SELECT 'done',");
	text_add_columns(b, m, "");
	buf_puts(b, " FROM eff UNION ALL SELECT x.outcome");
	for (size_t i = 0; i < m->n_fields; i++)
		buf_printf(b, ",NULL::%s", text_type(&m->fields[i]));
	add_otherwise(b, m, 6);
}

static void
make_delete(struct buf *b, const struct model *m)
{
	buf_puts(b, "WITH op AS (SELECT FROM operations WHERE op_id=$1::text),");
	buf_printf(b, "eff AS (DELETE FROM %s t", m->table);
	add_where(b, m, 5);
	add_effect_tail(b, m, "NULL");
	if (is_once(m))
		buf_printf(b,
		    ",del AS (INSERT INTO deleted (row_id,model) SELECT id,'%s' FROM eff"
		    " ON CONFLICT (row_id,model) DO UPDATE SET at=now()) ",
		    m->name);
	buf_puts(b, "SELECT 'done',version FROM eff UNION ALL SELECT x.outcome,NULL::bigint");
	add_otherwise(b, m, 5);
}

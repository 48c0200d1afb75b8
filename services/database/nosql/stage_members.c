/* stage_members: see stage_members.h. Members are strict, as in a transaction of sql: one that can't be
 * done ends it all. */
#include "database/nosql/stage_members.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"

#define MEMBERS_MOST 100

static const char *member_wrong(const Mf__StoreOp *, const char *);
static struct stage_doc *doc_find(struct stage_doc *, size_t, const char *);
static bool member_do(struct arena *, const Mf__StoreOp *, const struct collection *,
    struct stage_doc *, Mf__StoreItem *, struct failure *);
static bool take(struct arena *, const Mf__StoreOp *, const struct collection *,
    const struct document *, struct stage_doc *, struct failure *);
static void show(struct arena *, const struct stage_doc *, Mf__StoreItem *);

bool
stage_docs(struct call *c, const Mf__StoreOp *q, struct stage_doc **docs, size_t *n)
{
	const char *wrong;

	if (q->n_members == 0 || q->n_members > MEMBERS_MOST) {
		call_fail(c, ST_INVALID_ARGUMENT, "members: must be 1 to %d", MEMBERS_MOST);
		return false;
	}
	*docs = ARENA_ARRAY(call_arena(c), struct stage_doc, q->n_members);
	*n = 0;
	for (size_t i = 0; i < q->n_members; i++) {
		const Mf__StoreOp *m = q->members[i];

		if ((wrong = member_wrong(m, q->members[0]->model)) != NULL) {
			call_fail(c, ST_INVALID_ARGUMENT, "/%zu/%s", i, wrong);
			return false;
		}
		if (doc_find(*docs, *n, m->id) == NULL)
			(*docs)[(*n)++] = (struct stage_doc){ .id = m->id };
	}
	return true;
}

static const char *
member_wrong(const Mf__StoreOp *m, const char *model)
{
	if (!str_starts(m->model, "doc.") || !collection_name_ok(m->model + strlen("doc.")))
		return "model: must be doc.NAME";
	if (strcmp(m->model, model) != 0)
		return "model: is another collection than that of the others";
	if (!str_token_ok(str_of(m->id)) || strlen(m->id) > DOCUMENT_ID)
		return "id: must be a token of 1 to 128 characters";
	if (m->kind != MF__STORE_OP__KIND__CREATE && m->kind != MF__STORE_OP__KIND__UPDATE &&
	    m->kind != MF__STORE_OP__KIND__DELETE)
		return "operation: must be create, update or delete";
	return NULL;
}

static struct stage_doc *
doc_find(struct stage_doc *docs, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(docs[i].id, id) == 0)
			return &docs[i];
	return NULL;
}

bool
stage_members(struct call *c, const Mf__StoreOp *q, const struct collection *k,
    struct stage_doc *docs, size_t n, Mf__StoreResult *out)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct arena *a = call_arena(c);

	mf__store_result__init(out);
	out->items = ARENA_ARRAY(a, Mf__StoreItem *, q->n_members);
	for (size_t i = 0; i < n; i++) {
		docs[i].there = docs[i].before.p != NULL;
		docs[i].touched = docs[i].anew = false;
		docs[i].after =
		    (struct change){ .raw = docs[i].before.p, .n = docs[i].before.n, .ttl_ms = -1 };
	}
	for (size_t i = 0; i < q->n_members; i++) {
		struct stage_doc *d = doc_find(docs, n, q->members[i]->id);
		Mf__StoreItem *item = ARENA_NEW(a, Mf__StoreItem);

		must(d != NULL); /* stage_docs made them of these members */
		mf__store_item__init(item);
		out->items[out->n_items++] = item;
		if (!member_do(a, q->members[i], k, d, item, &f)) {
			stage_fail(c, i, &f);
			return false;
		}
		out->rows_affected += !item->repeated;
	}
	return true;
}

static bool
refuse(struct arena *a, struct failure *f, enum status s, const char *reason, const Mf__StoreOp *m,
    const char *what)
{
	*f = (struct failure){ .status = s,
		.reason = reason,
		.message = arena_printf(a, "%s %s %s", m->model, m->id, what) };
	return false;
}

static bool
member_do(struct arena *a, const Mf__StoreOp *m, const struct collection *k, struct stage_doc *d,
    Mf__StoreItem *item, struct failure *f)
{
	bool create = m->kind == MF__STORE_OP__KIND__CREATE;
	struct document have = { 0 };

	if (d->there && !document_parse(d->after.raw, d->after.n, &have))
		return refuse(a, f, ST_DATA_LOSS, "", m, "is kept in a form that is not ours");
	if (create && d->there && !m->if_absent)
		return refuse(a, f, ST_ALREADY_EXISTS, "ALREADY_EXISTS", m, "exists already");
	if (!create && !d->there)
		return refuse(a, f, ST_NOT_FOUND, "", m, "does not exist");
	if (create && d->there) {
		item->repeated = true;
	} else if (m->kind == MF__STORE_OP__KIND__DELETE) {
		if (m->if_version != 0 && m->if_version != have.version)
			return refuse(a, f, ST_ABORTED, "VERSION_CONFLICT", m,
			    arena_printf(a, "has version %" PRIu64 ", not %" PRIu64, have.version,
				m->if_version));
		item->version = have.version;
		d->there = false;
		d->touched = d->anew = true;
		return true;
	} else if (!take(a, m, k, create ? NULL : &have, d, f)) {
		return false;
	}
	show(a, d, item);
	return true;
}

/* A life that an earlier member gave stays, unless this one gives another. */
static bool
take(struct arena *a, const Mf__StoreOp *m, const struct collection *k, const struct document *have,
    struct stage_doc *d, struct failure *f)
{
	int64_t ttl_ms = d->after.ttl_ms;

	if (!change_make(a, k, m, have, &d->after, f))
		return false;
	if (d->after.ttl_ms < 0 && have != NULL)
		d->after.ttl_ms = ttl_ms;
	d->there = d->touched = true;
	return true;
}

static void
show(struct arena *a, const struct stage_doc *d, Mf__StoreItem *item)
{
	struct document doc = { 0 };
	struct jw w;

	(void)document_parse(d->after.raw, d->after.n, &doc);
	jw_start(&w, a, doc.n + 128);
	document_show(&w, d->id, strlen(d->id), &doc);
	item->data.data = (uint8_t *)jw_text(&w, &item->data.len);
	item->version = doc.version;
}

void
stage_fail(struct call *c, size_t i, const struct failure *f)
{
	struct arena *a = call_arena(c);
	struct violation *v = ARENA_ARRAY(a, struct violation, f->n_violations + 1);
	struct failure out = *f;

	for (size_t k = 0; k < f->n_violations; k++) {
		const char *field = f->violations[k].field;

		v[k] = f->violations[k];
		v[k].field = arena_printf(a, "/%zu%s%s", i, field[0] == '/' ? "" : "/", field);
	}
	out.message = arena_printf(a, "/%zu: %s", i, f->message);
	out.violations = v;
	call_fail_with(c, &out);
}

/* commit_parts: see commit.h. Pure. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "database/commit.h"

#define HASH_BYTES 16

static bool is_document(const Mf__StoreOp *);
static void part_add(struct arena *, struct commit_part *, const Mf__StoreOp *, size_t);
static ProtobufCBinaryData hash_of(struct arena *, const Mf__StoreOp *);
static void join_part(const struct commit_part *, Mf__StoreResult *);
static const char *whole_place(struct arena *, const struct commit_part *, const char *);

static bool
is_document(const Mf__StoreOp *m)
{
	return str_starts(m->model, "doc.");
}

enum commit_kind
commit_kind(const Mf__StoreOp *q)
{
	size_t documents = 0;
	bool one = true;

	for (size_t i = 0; i < q->n_members; i++) {
		documents += is_document(q->members[i]);
		one = one && strcmp(q->members[i]->model, q->members[0]->model) == 0;
	}
	if (q->kind != MF__STORE_OP__KIND__TRANSACTION || documents == 0)
		return COMMIT_SQL;
	return one ? COMMIT_COLLECTION : COMMIT_BOTH;
}

static int
by_collection(const void *x, const void *y)
{
	return strcmp(
	    ((const struct commit_part *)x)->op.model, ((const struct commit_part *)y)->op.model);
}

void
commit_split(struct arena *a, const Mf__StoreOp *q, const char *operation, const char *transaction,
    struct commit_parts *out)
{
	Mf__StoreOp part = MF__STORE_OP__INIT;
	size_t k;

	part.kind = MF__STORE_OP__KIND__TRANSACTION;
	part.namespace_ = q->namespace_;
	part.actor = q->actor;
	part.trace_id = q->trace_id;
	part.mode_epoch = q->mode_epoch;
	part.operation_id = (char *)(uintptr_t)operation;
	part.transaction = (char *)(uintptr_t)transaction;
	part.data = hash_of(a, q);
	*out = (struct commit_parts){ .sql.op = part };
	out->sql.op.isolation = q->isolation;
	out->docs = ARENA_ARRAY(a, struct commit_part, q->n_members);
	for (size_t i = 0; i < q->n_members; i++) {
		if (!is_document(q->members[i])) {
			part_add(a, &out->sql, q, i);
			continue;
		}
		for (k = 0; k < out->n; k++)
			if (strcmp(out->docs[k].op.model, q->members[i]->model) == 0)
				break;
		if (k == out->n) {
			out->docs[out->n].op = part;
			out->docs[out->n++].op.model = q->members[i]->model;
		}
		part_add(a, &out->docs[k], q, i);
	}
	qsort(out->docs, out->n, sizeof(*out->docs), by_collection);
}

static void
part_add(struct arena *a, struct commit_part *p, const Mf__StoreOp *q, size_t i)
{
	if (p->op.members == NULL) {
		p->op.members = ARENA_ARRAY(a, Mf__StoreOp *, q->n_members);
		p->at = ARENA_ARRAY(a, size_t, q->n_members);
	}
	((size_t *)(uintptr_t)p->at)[p->op.n_members] = i;
	p->op.members[p->op.n_members++] = q->members[i];
}

/* Of all members: the same operation id with other members is another transaction. */
static ProtobufCBinaryData
hash_of(struct arena *a, const Mf__StoreOp *q)
{
	ProtobufCBinaryData out = { HASH_BYTES, arena_alloc(a, HASH_BYTES) };
	crypto_generichash_state h;

	crypto_generichash_init(&h, NULL, 0, HASH_BYTES);
	for (size_t i = 0; i < q->n_members; i++) {
		Mf__StoreOp m = *q->members[i];
		uint8_t *p;
		size_t n;

		m.mode_epoch = 0; /* of when, not of what */
		m.trace_id = (char *)(uintptr_t) "";
		n = mf__store_op__get_packed_size(&m);
		p = arena_alloc(a, n + 1);
		mf__store_op__pack(&m, p);
		crypto_generichash_update(&h, (const uint8_t *)&n, sizeof(n));
		crypto_generichash_update(&h, p, n);
	}
	crypto_generichash_final(&h, out.data, HASH_BYTES);
	return out;
}

void
commit_join(
    struct arena *a, const Mf__StoreOp *q, const struct commit_parts *p, Mf__StoreResult *out)
{
	mf__store_result__init(out);
	out->n_items = q->n_members;
	out->items = ARENA_ARRAY(a, Mf__StoreItem *, q->n_members);
	join_part(&p->sql, out);
	if (p->sql.result != NULL)
		out->session = p->sql.result->session;
	for (size_t i = 0; i < p->n; i++)
		join_part(&p->docs[i], out);
	for (size_t i = 0; i < out->n_items; i++)
		if (out->items[i] == NULL) { /* recorded once, and not any more */
			out->items[i] = ARENA_NEW(a, Mf__StoreItem);
			mf__store_item__init(out->items[i]);
			out->items[i]->repeated = true;
		}
}

static void
join_part(const struct commit_part *p, Mf__StoreResult *out)
{
	if (p->result == NULL)
		return;
	out->rows_affected += p->result->rows_affected;
	out->repeated = out->repeated || p->result->repeated;
	for (size_t i = 0; i < p->op.n_members && i < p->result->n_items; i++)
		out->items[p->at[i]] = p->result->items[i];
}

struct failure *
commit_refusal(struct arena *a, const struct commit_part *p, const struct failure *f)
{
	struct failure *out = ARENA_NEW(a, struct failure);
	struct violation *v = ARENA_ARRAY(a, struct violation, f->n_violations + 1);

	*out = *f;
	out->reason = arena_strdup(a, f->reason);
	out->message = whole_place(a, p, f->message);
	for (size_t i = 0; i < f->n_violations; i++) {
		v[i].field = whole_place(a, p, f->violations[i].field);
		v[i].what = arena_strdup(a, f->violations[i].what);
	}
	out->violations = v;
	return out;
}

/* "/1/data: ..." of a part: its second member stands elsewhere in the whole. */
static const char *
whole_place(struct arena *a, const struct commit_part *p, const char *text)
{
	char *end;
	unsigned long i;

	if (text[0] != '/' || text[1] < '0' || text[1] > '9')
		return arena_strdup(a, text);
	i = strtoul(text + 1, &end, 10);
	if (i >= p->op.n_members)
		return arena_strdup(a, text);
	return arena_printf(a, "/%zu%s", p->at[i], end);
}

/* commit: how a transaction is divided between the stores, and its answers put together again. */
#include <string.h>
#include "database/commit.h"
#include "harness/test.h"

TEST_ARENA(a, 1u << 20)

static Mf__StoreOp *
op(Mf__StoreOp__Kind kind, const char *model, const char *id)
{
	Mf__StoreOp *m = ARENA_NEW(a, Mf__StoreOp);

	mf__store_op__init(m);
	m->kind = kind;
	m->model = arena_strdup(a, model);
	m->id = arena_strdup(a, id);
	return m;
}

/* A transaction that updates one object of each model. */
static Mf__StoreOp *
whole(size_t n, const char *const *models)
{
	Mf__StoreOp *q = op(MF__STORE_OP__KIND__TRANSACTION, "task", "");

	q->members = ARENA_ARRAY(a, Mf__StoreOp *, n);
	for (size_t i = 0; i < n; i++)
		q->members[q->n_members++] =
		    op(MF__STORE_OP__KIND__UPDATE, models[i], arena_printf(a, "i%zu", i));
	return q;
}
#define WHOLE(...)                                                                                 \
	whole(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *),                            \
	    (const char *const[]){ __VA_ARGS__ })

static void
only_what_needs_it_takes_two_phases(void **unused)
{
	(void)unused;
	assert_int_equal(commit_kind(WHOLE("task", "user")), COMMIT_SQL);
	assert_int_equal(commit_kind(WHOLE("doc.a", "doc.a")), COMMIT_COLLECTION);
	assert_int_equal(commit_kind(WHOLE("doc.a", "doc.b")), COMMIT_BOTH);
	assert_int_equal(commit_kind(WHOLE("task", "doc.a")), COMMIT_BOTH);
	assert_int_equal(commit_kind(op(MF__STORE_OP__KIND__UPDATE, "doc.a", "i")), COMMIT_SQL);
}

static void
collections_are_staged_in_the_order_of_their_names(void **unused)
{
	struct commit_parts p;

	(void)unused;
	commit_split(a, WHOLE("doc.b", "task", "doc.a", "doc.b", "task"), "o", "t", &p);
	assert_int_equal(p.n, 2);
	assert_string_equal(p.docs[0].op.model, "doc.a");
	assert_string_equal(p.docs[1].op.model, "doc.b");
	assert_int_equal(p.docs[1].op.n_members, 2);
	assert_int_equal(p.docs[1].at[1], 3);
	assert_int_equal(p.sql.op.n_members, 2);
	assert_int_equal(p.sql.at[0], 1);
	assert_string_equal(p.sql.op.transaction, "t");
	assert_string_equal(p.docs[0].op.operation_id, "o");
}

static void
the_hash_is_of_what_is_asked_for_and_not_of_when(void **unused)
{
	Mf__StoreOp *q = WHOLE("task", "doc.a");
	struct commit_parts one, two, other;

	(void)unused;
	commit_split(a, q, "o", "t", &one);
	q->members[1]->mode_epoch = 7;
	commit_split(a, q, "o", "u", &two);
	q->members[1]->if_version = 7;
	commit_split(a, q, "o", "t", &other);
	assert_memory_equal(one.sql.op.data.data, two.docs[0].op.data.data, one.sql.op.data.len);
	assert_memory_not_equal(one.sql.op.data.data, other.sql.op.data.data, one.sql.op.data.len);
}

static Mf__StoreResult *
versions(size_t n, const uint64_t *v)
{
	Mf__StoreResult *r = ARENA_NEW(a, Mf__StoreResult);

	mf__store_result__init(r);
	r->items = ARENA_ARRAY(a, Mf__StoreItem *, n);
	for (size_t i = 0; i < n; i++) {
		r->items[r->n_items++] = ARENA_NEW(a, Mf__StoreItem);
		mf__store_item__init(r->items[i]);
		r->items[i]->version = v[i];
	}
	r->rows_affected = n;
	return r;
}

static void
answers_come_in_the_order_of_the_members(void **unused)
{
	Mf__StoreOp *q = WHOLE("doc.b", "task", "doc.a", "doc.b", "task");
	struct commit_parts p;
	Mf__StoreResult r;

	(void)unused;
	commit_split(a, q, "o", "t", &p);
	p.sql.result = versions(2, (const uint64_t[]){ 12, 15 });
	p.docs[1].result = versions(2, (const uint64_t[]){ 11, 14 });
	commit_join(a, q, &p, &r);
	assert_int_equal(r.n_items, 5);
	assert_int_equal(r.items[0]->version, 11);
	assert_int_equal(r.items[1]->version, 12);
	assert_int_equal(r.items[3]->version, 14);
	assert_int_equal(r.items[4]->version, 15);
	assert_int_equal(r.items[2]->version, 0);
	assert_true(r.items[2]->repeated); /* nobody knows it any more */
	assert_int_equal(r.rows_affected, 4);
}

static void
a_refusal_names_the_member_by_its_place_in_the_whole(void **unused)
{
	const struct violation v[] = { { "/1/title", "is too long" }, { "model", "is none" },
		{ "/9/title", "of no member" } };
	const struct failure f = { .status = ST_INVALID_ARGUMENT,
		.reason = "VALIDATION",
		.message = "/0: no",
		.n_violations = 3,
		.violations = v };
	struct commit_parts p;
	struct failure *out;

	(void)unused;
	commit_split(a, WHOLE("doc.b", "task", "doc.a", "task"), "o", "t", &p);
	out = commit_refusal(a, &p.sql, &f);
	assert_string_equal(out->message, "/1: no");
	assert_string_equal(out->violations[0].field, "/3/title");
	assert_string_equal(out->violations[1].field, "model");
	assert_string_equal(out->violations[2].field, "/9/title");
	assert_int_equal(out->status, ST_INVALID_ARGUMENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TA(only_what_needs_it_takes_two_phases),
		TA(collections_are_staged_in_the_order_of_their_names),
		TA(the_hash_is_of_what_is_asked_for_and_not_of_when),
		TA(answers_come_in_the_order_of_the_members),
		TA(a_refusal_names_the_member_by_its_place_in_the_whole),
	};

	return TEST_RUN(tests);
}

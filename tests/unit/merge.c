/* merge: what is made of the store's answer. */
#include <string.h>
#include "base/json.h"
#include "harness/test.h"
#include "meta/merge.h"

static Mf__Problem *
problem(struct arena *a, const char *reason)
{
	return merge_problem(
	    a, &(const struct failure){
		   .status = ST_ALREADY_EXISTS, .message = "it is there", .reason = reason });
}

static bool
there(struct arena *a, const ProtobufCBinaryData *text, const char *what)
{
	return strstr(arena_strndup(a, (const char *)text->data, text->len), what) != NULL;
}

static const Mf__TaskResponse *
merged(struct arena *a, const char *reason, bool retried)
{
	const struct failure why = {
		.status = ST_ALREADY_EXISTS, .message = "it is there", .reason = reason
	};
	struct merge_in in = { .task_id = "t", .retried = retried };
	Mf__TaskResponse *out = ARENA_NEW(a, Mf__TaskResponse);

	in.parts[MF__DOMAIN__DOMAIN_DATABASE] =
	    (struct part){ PART_FAILED, arena_dup(a, &why, sizeof(why)) };
	merge_parts(a, &in, out);
	assert_null(merge_unsound(out));
	return out;
}

static void
an_id_that_an_earlier_try_may_have_taken_is_an_unknown_outcome(void **unused)
{
	struct arena *a = arena_new(1 << 16);
	const Mf__TaskResponse *r = merged(a, "ID_TAKEN", false);

	(void)unused;
	assert_int_equal(r->status, ST_ALREADY_EXISTS);
	assert_string_equal(r->problem->reason, "ID_TAKEN");
	r = merged(a, "ID_TAKEN", true);
	assert_int_equal(r->status, ST_UNAVAILABLE);
	assert_int_equal(r->problem->code, ST_UNAVAILABLE);
	assert_string_equal(r->problem->reason, "OUTCOME_UNKNOWN");
	assert_true(r->problem->retry_delay_ms > 0);
	r = merged(a, "UNIQUE", true); /* what is taken is not its id */
	assert_int_equal(r->status, ST_ALREADY_EXISTS);
	arena_free(&a);
}

static void
of_a_member_of_a_bulk_too(void **unused)
{
	struct arena *a = arena_new(1 << 16);
	Mf__StoreItem item = MF__STORE_ITEM__INIT, *items[] = { &item };
	Mf__StoreResult r = MF__STORE_RESULT__INIT;
	ProtobufCBinaryData text;

	(void)unused;
	item.problem = problem(a, "ID_TAKEN");
	r.items = items;
	r.n_items = 1;
	text = merge_items(a, &r, false);
	assert_true(there(a, &text, "ID_TAKEN"));
	text = merge_items(a, &r, true);
	assert_false(there(a, &text, "ID_TAKEN"));
	assert_true(there(a, &text, "OUTCOME_UNKNOWN"));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_id_that_an_earlier_try_may_have_taken_is_an_unknown_outcome),
		T(of_a_member_of_a_bulk_too),
	};

	return TEST_RUN(tests);
}

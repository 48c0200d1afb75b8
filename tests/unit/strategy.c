/* strategy and permits: which steps a request becomes, in which order, and what it is allowed to
 * ask for. */
#include <stdio.h>
#include <string.h>

#include "harness/test.h"
#include "meta/permits.h"
#include "meta/strategy.h"

static Mf__ApiRequirement api = MF__API_REQUIREMENT__INIT;
static Mf__DatabaseRequirement database = MF__DATABASE_REQUIREMENT__INIT;
static Mf__AuthRequirement auth = MF__AUTH_REQUIREMENT__INIT;
static Mf__MetaRequirement own = MF__META_REQUIREMENT__INIT;
static Mf__Dependency edges[4], *pointers[4];
static char err[160];

#define API      MF__DOMAIN__DOMAIN_API
#define DATABASE MF__DOMAIN__DOMAIN_DATABASE
#define AUTH     MF__DOMAIN__DOMAIN_AUTH
#define META     MF__DOMAIN__DOMAIN_META

static Mf__TaskRequest
request(bool a, bool d, bool u, bool m)
{
	Mf__TaskRequest q = MF__TASK_REQUEST__INIT;

	mf__auth_requirement__init(&auth);
	database.data.len = 0;
	q.api = a ? &api : NULL;
	q.database = d ? &database : NULL;
	q.auth = u ? &auth : NULL;
	q.meta = m ? &own : NULL;
	q.depends_on = pointers;
	err[0] = '\0';
	return q;
}

static void
depend(Mf__TaskRequest *q, Mf__Domain d, Mf__Domain on)
{
	Mf__Dependency *e = &edges[q->n_depends_on];

	mf__dependency__init(e);
	e->domain = d;
	e->on = on;
	pointers[q->n_depends_on++] = e;
}

static bool
before(const struct plan *p, enum step first, enum step then)
{
	return p->stage[first] != 0 && p->stage[first] < p->stage[then];
}

static void
auth_and_the_form_go_side_by_side_then_the_store_then_the_format(void **unused)
{
	Mf__TaskRequest q = request(true, true, true, false);
	struct plan p;

	(void)unused;
	assert_true(strategy_plan(&q, &p, err, sizeof err));
	assert_int_equal(p.stage[STEP_FORM], 1);
	assert_int_equal(p.stage[STEP_GATE], 1);
	assert_int_equal(p.stage[STEP_STORE], 2);
	assert_int_equal(p.stage[STEP_FORMAT], 3);
	assert_int_equal(p.stages, 3);
	assert_int_equal(p.stage[STEP_OWN], 0);
}

static void
every_effect_needs_the_gate_whatever_is_required(void **unused)
{
	(void)unused;
	for (int bits = 1; bits < 16; bits++) {
		Mf__TaskRequest q = request(bits & 1, bits & 2, bits & 4, bits & 8);
		struct plan p;

		assert_true(strategy_plan(&q, &p, err, sizeof err));
		for (int s = STEP_STORE; s <= STEP_OWN; s++)
			if ((p.steps & STEP_BIT(s)) != 0)
				assert_true((p.needs[s] & STEP_BIT(STEP_GATE)) != 0 &&
					    before(&p, STEP_GATE, s));
	}
}

static void
database_and_meta_go_side_by_side_unless_told_otherwise(void **unused)
{
	Mf__TaskRequest q = request(false, true, true, true);
	struct plan p;

	(void)unused;
	assert_true(strategy_plan(&q, &p, err, sizeof err));
	assert_int_equal(p.stage[STEP_STORE], p.stage[STEP_OWN]);
	depend(&q, META, DATABASE);
	assert_true(strategy_plan(&q, &p, err, sizeof err));
	assert_true(before(&p, STEP_STORE, STEP_OWN));
}

static void
an_effect_after_the_form_leaves_nothing_to_format(void **unused)
{
	Mf__TaskRequest q = request(true, true, true, false);
	struct plan p;

	(void)unused;
	depend(&q, DATABASE, API);
	assert_true(strategy_plan(&q, &p, err, sizeof err));
	assert_true(before(&p, STEP_FORM, STEP_STORE));
	assert_int_equal(p.steps & STEP_BIT(STEP_FORMAT), 0);
}

static void
a_form_alone_is_read_before_the_gate_which_needs_its_permission(void **unused)
{
	Mf__TaskRequest q = request(true, false, true, false);
	struct plan p;

	(void)unused;
	assert_true(strategy_plan(&q, &p, err, sizeof err));
	assert_true(p.api_alone);
	assert_true(before(&p, STEP_FORM, STEP_GATE) && before(&p, STEP_GATE, STEP_STORE));
	assert_true(before(&p, STEP_STORE, STEP_FORMAT));
}

static void
a_cycle_is_refused_by_its_name(void **unused)
{
	Mf__TaskRequest q = request(true, true, true, true);
	struct plan p;

	(void)unused;
	depend(&q, API, DATABASE);
	depend(&q, DATABASE, META);
	depend(&q, META, API);
	assert_false(strategy_plan(&q, &p, err, sizeof err));
	assert_string_equal(err, "depends_on: cycle: api -> database -> meta -> api");
	q = request(true, true, true, false);
	depend(&q, API, API);
	assert_false(strategy_plan(&q, &p, err, sizeof err));
	assert_string_equal(err, "depends_on: cycle: api -> api");
}

static void
no_dependency_moves_an_effect_before_the_gate(void **unused)
{
	Mf__TaskRequest q = request(true, true, true, false);
	struct plan p;

	(void)unused;
	depend(&q, AUTH, DATABASE);
	assert_false(strategy_plan(&q, &p, err, sizeof err));
	assert_string_equal(err, "depends_on: cycle: database -> auth -> database");
	q = request(true, true, true, false);
	depend(&q, AUTH, API);
	depend(&q, API, DATABASE);
	assert_false(strategy_plan(&q, &p, err, sizeof err));
}

static void
a_dependency_names_domains_that_are_required(void **unused)
{
	Mf__TaskRequest q = request(false, true, true, false);
	struct plan p;

	(void)unused;
	depend(&q, DATABASE, API);
	assert_false(strategy_plan(&q, &p, err, sizeof err));
	assert_non_null(strstr(err, "api is not required"));
	q = request(false, true, true, false);
	depend(&q, (Mf__Domain)77, AUTH);
	assert_false(strategy_plan(&q, &p, err, sizeof err));
	q = request(false, false, false, false);
	assert_false(strategy_plan(&q, &p, err, sizeof err));
}

static void
the_score_follows_its_formula_and_heavy_requests_take_more_slots(void **unused)
{
	Mf__TaskRequest q = request(false, true, true, false);
	struct plan p;

	(void)unused;
	assert_true(strategy_plan(&q, &p, err, sizeof err));
	assert_int_equal(p.score, 10 * 2 + 5 * 2 + 0 + 8 * 1);
	assert_int_equal(p.units, 1);
	database.data.len = 1 << 20;
	assert_true(strategy_plan(&q, &p, err, sizeof err));
	assert_int_equal(p.score, 38 + 256);
	assert_int_equal(p.units, 2);
	database.data.len = 64 << 20;
	assert_true(strategy_plan(&q, &p, err, sizeof err));
	assert_int_equal(p.units, 8);
}

static void
priority_is_medium_when_absent_or_unknown(void **unused)
{
	Mf__TaskRequest q = request(false, true, false, false);

	(void)unused;
	assert_int_equal(strategy_priority(&q), 3);
	q.priority = MF__PRIORITY__CRITICAL;
	assert_int_equal(strategy_priority(&q), 1);
	q.priority = (Mf__Priority)9;
	assert_int_equal(strategy_priority(&q), 3);
}

static void
each_operation_has_its_permission_and_unknown_ones_none(void **unused)
{
	Mf__StoreOp__Kind k;

	(void)unused;
	assert_null(permits_kind("query", &k));
	assert_string_equal(permits_store(k, "task"), "task.read");
	assert_null(permits_kind("bulk_create", &k));
	assert_string_equal(permits_store(k, "task"), "task.create");
	assert_null(permits_kind("delete", &k));
	assert_string_equal(permits_store(k, "task"), "task.delete");
	assert_non_null(permits_kind("drop", &k));
	assert_non_null(permits_kind("", &k));
	assert_true(permits_model("task"));
	assert_true(permits_model("user") && permits_of_auth("user"));
	assert_false(permits_of_auth("task"));
	assert_string_equal(permits_store(k, "session"), "session.delete");
	assert_false(permits_model("revocation") || permits_model("auth_state"));
	assert_false(permits_model(""));
	assert_string_equal(permits_own("restart"), "node.restart");
	assert_string_equal(permits_own("health"), "");
	assert_null(permits_own("shutdown"));
}

static void
permissions_are_asked_once_each_and_never_dropped(void **unused)
{
	struct permits p = { 0 };
	char names[PERMITS_MOST + 1][8];

	(void)unused;
	assert_true(
	    permits_add(&p, "task.read") && permits_add(&p, "task.read") && permits_add(&p, ""));
	assert_int_equal(p.n, 1);
	for (size_t i = 0; i < PERMITS_MOST + 1; i++) {
		snprintf(names[i], sizeof names[i], "p%zu", i);
		assert_int_equal(permits_add(&p, names[i]), i < PERMITS_MOST - 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(auth_and_the_form_go_side_by_side_then_the_store_then_the_format),
		T(every_effect_needs_the_gate_whatever_is_required),
		T(database_and_meta_go_side_by_side_unless_told_otherwise),
		T(an_effect_after_the_form_leaves_nothing_to_format),
		T(a_form_alone_is_read_before_the_gate_which_needs_its_permission),
		T(a_cycle_is_refused_by_its_name),
		T(no_dependency_moves_an_effect_before_the_gate),
		T(a_dependency_names_domains_that_are_required),
		T(the_score_follows_its_formula_and_heavy_requests_take_more_slots),
		T(priority_is_medium_when_absent_or_unknown),
		T(each_operation_has_its_permission_and_unknown_ones_none),
		T(permissions_are_asked_once_each_and_never_dropped),
	};

	return TEST_RUN(tests);
}

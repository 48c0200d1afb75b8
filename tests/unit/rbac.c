/* rbac: what roles permit, and the node around it over a loop-back bus. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/permission.h"
#include "auth/rbac/rbac.h"
#include "base/time.h"
#include "harness/memdb.h"
#include "harness/test.h"

#define N(x) (sizeof(x) / sizeof((x)[0]))

static struct policy *
built(const struct role_def *roles, size_t n)
{
	char err[200];
	struct policy *p = policy_build(roles, n, err, sizeof(err));

	if (p == NULL)
		fail_msg("%s", err);
	return p;
}

static bool
may(const struct policy *p, const char *role, const char *permission)
{
	char *roles[] = { (char *)(uintptr_t)role };

	return policy_decide(p, 1, roles, permission).allowed;
}

/* --- policy --- */

static void
a_pattern_covers_itself_or_what_its_star_stands_for(void **unused)
{
	(void)unused;
	assert_true(permission_covers("task.read", "task.read"));
	assert_false(permission_covers("task.read", "task.reader"));
	assert_false(permission_covers("task.read", "task"));
	assert_true(permission_covers("task.*", "task.read"));
	assert_true(permission_covers("task.*", "task.a.b"));
	assert_false(permission_covers("task.*", "task"));
	assert_false(permission_covers("task.*", "task."));
	assert_false(permission_covers("task.*", "tasks.read"));
	assert_false(permission_covers("task*", "task.read"));
	assert_true(permission_covers("*.read", "task.read"));
	assert_true(permission_covers("*.read", "task.a.read"));
	assert_false(permission_covers("*.read", "read"));
	assert_false(permission_covers("*.read", ".read"));
	assert_false(permission_covers("*.read", "task.reread"));
	assert_true(permission_covers("*", "anything"));
	assert_false(permission_covers("*", ""));
	assert_false(permission_covers("", ""));
	assert_false(permission_covers("", "task.read"));
}

static void
the_default_roles_permit_what_the_readme_says_and_nothing_else(void **unused)
{
	struct policy *p = built(policy_defaults, policy_n_defaults);

	(void)unused;
	assert_true(may(p, "admin", "user.delete"));
	assert_true(may(p, "operator", "node.restart"));
	assert_true(may(p, "operator", "task.delete"));
	assert_false(may(p, "operator", "user.create"));
	assert_true(may(p, "user", "task.create"));
	assert_false(may(p, "user", "node.restart"));
	assert_true(may(p, "viewer", "task.read"));
	assert_false(may(p, "viewer", "task.create"));
	assert_false(may(p, "anonymous", "task.read"));
	assert_false(may(p, "", "task.read"));
	policy_free(&p);
}

static void
a_role_gets_what_it_inherits_however_far_and_a_cycle_does_no_harm(void **unused)
{
	static const char *const a[] = { "a.read" }, *const b[] = { "b.read" },
				 *const c[] = { "c.read" };
	static const char *const to_a[] = { "a" }, *const to_b[] = { "b" },
				 *const to_c[] = { "c", "c", "none" },
				 *const to_self[] = { "self" };
	static const struct role_def defs[] = {
		{ "a", 1, a, 1, to_b },
		{ "b", 1, b, 3, to_c },
		{ "c", 1, c, 1, to_a },
		{ "self", 0, NULL, 1, to_self },
	};
	struct policy *p = built(defs, N(defs));

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		assert_true(may(p, defs[i].name, "a.read"));
		assert_true(may(p, defs[i].name, "b.read"));
		assert_true(may(p, defs[i].name, "c.read"));
		assert_false(may(p, defs[i].name, "d.read"));
	}
	assert_false(may(p, "self", "a.read"));
	policy_free(&p);
}

static void
inheriting_gives_nothing_to_the_one_that_is_inherited_from(void **unused)
{
	static const char *const low[] = { "task.read" }, *const high[] = { "task.delete" },
				 *const to_low[] = { "low" };
	static const struct role_def defs[] = {
		{ "low", 1, low, 0, NULL },
		{ "high", 1, high, 1, to_low },
	};
	struct policy *p = built(defs, N(defs));

	(void)unused;
	assert_true(may(p, "high", "task.read"));
	assert_false(may(p, "low", "task.delete"));
	policy_free(&p);
}

static void
an_expansion_is_sorted_and_names_each_pattern_once(void **unused)
{
	struct policy *p = built(policy_defaults, policy_n_defaults);
	char *roles[] = { (char *)(uintptr_t) "operator", (char *)(uintptr_t) "viewer",
		(char *)(uintptr_t) "nobody" };
	struct arena *a = arena_new(65536);
	char **out;
	size_t n, read = 0;

	(void)unused;
	assert_true(policy_expand(p, a, 3, roles, &out, &n));
	for (size_t i = 0; i < n; i++) {
		assert_true(i == 0 || strcmp(out[i - 1], out[i]) < 0);
		read += strcmp(out[i], "fleet.read") == 0; /* both roles have it */
	}
	assert_int_equal(read, 1);
	assert_true(n > 5);
	arena_free(&a);
	policy_free(&p);
}

static void
the_deciding_rule_is_named(void **unused)
{
	struct policy *p = built(policy_defaults, policy_n_defaults);
	char *roles[] = { (char *)(uintptr_t) "viewer", (char *)(uintptr_t) "user" };
	struct decision d = policy_decide(p, 2, roles, "task.update");

	(void)unused;
	assert_true(d.allowed);
	assert_string_equal(d.role, "user");
	assert_string_equal(d.pattern, "task.*");
	policy_free(&p);
}

static void
two_policies_are_the_same_when_they_decide_the_same(void **unused)
{
	static const char *const one[] = { "a", "b" }, *const two[] = { "b", "a", "a" },
				 *const other[] = { "a" };
	static const struct role_def d1 = { "r", 2, one, 0, NULL }, d2 = { "r", 3, two, 0, NULL },
				     d3 = { "r", 1, other, 0, NULL };
	struct policy *p1 = built(&d1, 1), *p2 = built(&d2, 1), *p3 = built(&d3, 1);

	(void)unused;
	assert_true(policy_same(p1, p2));
	assert_false(policy_same(p1, p3));
	assert_false(policy_same(p1, NULL));
	policy_free(&p1);
	policy_free(&p2);
	policy_free(&p3);
}

/* 2,000 roles in a chain, the last with a thousand permissions: two million inherited ones. And a
 * chain of 20,000 without any: deep, but small, unless somebody counts the visits. */
static void
what_roles_inherit_is_bounded_and_the_role_that_is_too_much_is_named(void **unused)
{
	static char names[20000][8], texts[1000][12];
	static const char *to[20000][1], *patterns[1000];
	struct role_def *defs = calloc(20000, sizeof(*defs));
	char err[200] = "";

	(void)unused;
	for (size_t i = 0; i < 1000; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "m.v%zu", i);
		patterns[i] = texts[i];
	}
	for (size_t i = 0; i < 20000; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "r%zu", i);
		to[i][0] = i + 1 < 20000 ? names[i] : "none";
		if (i > 0)
			to[i - 1][0] = names[i];
		defs[i] = (struct role_def){ .name = names[i], .n_inherits = 1, .inherits = to[i] };
	}
	assert_null(policy_build(defs, 20000, err, sizeof(err)));
	assert_non_null(strstr(err, "role r"));
	defs[4999].n_permissions = 1000;
	defs[4999].permissions = patterns;
	assert_null(policy_build(defs, 5000, err, sizeof(err)));
	assert_non_null(strstr(err, "inherit"));
	free(defs);
}

static void
more_permissions_than_a_token_can_carry_are_no_expansion(void **unused)
{
	static char texts[POLICY_EXPAND_MAX + 1][16];
	static const char *patterns[POLICY_EXPAND_MAX + 1];
	struct role_def d = { .name = "r", .permissions = patterns };
	char *roles[] = { (char *)(uintptr_t) "r", (char *)(uintptr_t) "r" }, **out;
	struct arena *a = arena_new(1 << 20);
	size_t n;

	(void)unused;
	for (size_t i = 0; i <= POLICY_EXPAND_MAX; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "m.v%zu", i);
		patterns[i] = texts[i];
	}
	for (d.n_permissions = POLICY_EXPAND_MAX; d.n_permissions <= POLICY_EXPAND_MAX + 1;
	     d.n_permissions++) {
		struct policy *p = built(&d, 1);

		assert_int_equal(
		    policy_expand(p, a, 2, roles, &out, &n), d.n_permissions == POLICY_EXPAND_MAX);
		policy_free(&p);
	}
	arena_free(&a);
}

/* Bound: 50 us. 10,000 roles; the asked one is last of the principal's eight and has 100 patterns.
 */
static void
a_decision_among_ten_thousand_roles_takes_well_under_50_us(void **unused)
{
	static char names[10000][12], texts[100][24];
	static const char *patterns[100];
	struct role_def *defs = calloc(10000, sizeof(*defs));
	char *roles[8];
	int64_t t, best = INT64_MAX;
	struct policy *p;

	(void)unused;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "model%d.read", i);
		patterns[i] = texts[i];
	}
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "role%d", i);
		defs[i] = (struct role_def){
			.name = names[i], .n_permissions = 100, .permissions = patterns
		};
	}
	p = built(defs, 10000);
	for (int i = 0; i < 8; i++)
		roles[i] = names[1000 * i + 7];
	for (int batch = 0; batch < 20; batch++) { /* the best: others use this machine too */
		t = time_now_us();
		for (int i = 0; i < 50; i++)
			assert_false(policy_decide(p, 8, roles, "task.delete").allowed);
		t = time_now_us() - t;
		best = t < best ? t : best;
	}
	print_message("%.2f us per refusal\n", (double)best / 50);
	assert_true(best / 50 < 50);
	policy_free(&p);
	free(defs);
}

/* --- the node --- */

static struct loop *loop;
static struct bus *bus;
static struct memdb db;
static struct rbac rbac;
static struct target *target;
static bool ready;
static const struct rbac_config config = { .roles_poll_us = 100 * MS };

struct answer {
	bool done, allowed;
	enum status status;
	char reason[40], rule[80];
	size_t n;
	struct rpc *rpc;
};

static void
on_ready(void *ctx)
{
	(void)ctx;
	ready = true;
}

static int
node_start(void **state)
{
	static const char *const members[] = { "rbac", NULL };
	static struct serve serves[] = { { NULL, PRIMARY }, { NULL, 0 } };
	char err[200];

	loop = loop_new();
	bus = bus_new(
	    loop, &(const struct bus_opts){ .name = "rbac", .generation = 1 }, err, sizeof(err));
	assert_non_null(bus);
	memdb_open(&db, bus);
	memset(&rbac, 0, sizeof(rbac));
	rbac.service = (Mf__Rbac_Service)RBAC_SERVICE;
	serves[0].service = &rbac.service.base;
	bus_loopback(bus, "rbac", serves);
	target = target_new(bus,
	    &(const struct target_def){ .service = &mf__rbac__descriptor, .members = members });
	ready = false;
	return test_log_mark(state);
}

static int
node_stop(void **state)
{
	bus_free(&bus);
	rbac_stop(&rbac);
	loop_free(&loop);
	memdb_close(&db);
	return test_log_check(state);
}
#define NODE(f) cmocka_unit_test_setup_teardown(f, node_start, node_stop)

static bool
is_set(void *ctx)
{
	return *(bool *)ctx;
}
static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct answer *a = ctx;

	(void)c;
	a->done = true;
	a->status = end->failure == NULL ? ST_OK : end->failure->status;
	(void)snprintf(
	    a->reason, sizeof(a->reason), "%s", end->failure == NULL ? "" : end->failure->reason);
}

static void
on_answer(const Mf__PermissionAnswer *m, void *ctx)
{
	struct call *c = ctx;
	struct answer *a = (struct answer *)(uintptr_t)strtoull(call_operation_id(c), NULL, 16);
	Mf__Empty e = MF__EMPTY__INIT;

	if (m == NULL) {
		call_fail_with(c, rpc_failure(a->rpc));
		return;
	}
	a->allowed = m->allowed;
	(void)snprintf(a->rule, sizeof(a->rule), "%s", m->rule);
	call_reply(c, &e.base);
}

static struct answer
check(const char *role, const char *permission)
{
	struct answer a = { 0 };
	Mf__Principal who = MF__PRINCIPAL__INIT;
	Mf__PermissionCheck q = MF__PERMISSION_CHECK__INIT;
	char *roles[] = { (char *)(uintptr_t)role }, tag[32];
	struct call *c;

	(void)snprintf(tag, sizeof(tag), "%llx", (unsigned long long)(uintptr_t)&a);
	c = call_root(
	    bus, &(struct call_opts){
		     .limit_us = 300 * MS, .done = on_end, .ctx = &a, .operation_id = tag });
	who.n_roles = 1;
	who.roles = roles;
	q.principal = &who;
	q.permission = (char *)(uintptr_t)permission;
	a.rpc = rpc_new(c, target, &(const struct rpc_opts){ .once = true });
	mf__rbac__check(&a.rpc->service, &q, on_answer, c);
	loop_run_until(loop, is_set, &a.done, 2 * SEC);
	assert_true(a.done);
	return a;
}

static void
the_first_start_stores_the_default_roles_and_uses_them(void **unused)
{
	struct answer a;

	(void)unused;
	rbac_start(&rbac, bus, &config, on_ready, NULL);
	loop_run_until(loop, is_set, &ready, 2 * SEC);
	assert_true(ready);
	assert_int_equal(memdb_count(&db, "role"), 4);
	a = check("user", "task.create");
	assert_int_equal(a.status, ST_OK);
	assert_true(a.allowed);
	assert_string_equal(a.rule, "user: task.*");
	a = check("viewer", "task.create");
	assert_int_equal(a.status, ST_OK);
	assert_false(a.allowed);
}

static void
without_a_database_there_is_no_decision_until_the_roles_were_read(void **unused)
{
	struct answer a;

	(void)unused;
	db.down = true;
	rbac_start(&rbac, bus, &config, on_ready, NULL);
	a = check("admin", "task.read");
	assert_int_equal(a.status, ST_UNAVAILABLE);
	assert_string_equal(a.reason, "ROLES_UNKNOWN");
	loop_run_until(loop, is_set, &ready, 3 * SEC);
	assert_true(ready); /* READY all the same after a second: its answer is clear */
	a = check("admin", "task.read");
	assert_int_equal(a.status, ST_UNAVAILABLE);
	db.down = false;
	while (rbac.rules == NULL)
		loop_run_until(loop, never, NULL, 50 * MS);
	assert_true(check("admin", "task.read").allowed);
}

static void
a_changed_role_counts_after_the_next_reading_and_a_failed_reading_changes_nothing(void **unused)
{
	(void)unused;
	rbac_start(&rbac, bus, &config, on_ready, NULL);
	loop_run_until(loop, is_set, &ready, 2 * SEC);
	assert_true(check("viewer", "task.read").allowed);
	memdb_put(&db, "role", "viewer",
	    json_pack("{s:[s],s:[]}", "permissions", "fleet.read", "inherits"));
	for (int i = 0; i < 100 && check("viewer", "task.read").allowed; i++)
		loop_run_until(loop, never, NULL, 50 * MS);
	assert_false(check("viewer", "task.read").allowed);
	assert_true(check("viewer", "fleet.read").allowed);
	log_set_level(LOG_ERROR); /* it warns while the store is down, some times */
	db.down = true;
	loop_run_until(loop, never, NULL, 300 * MS);
	assert_true(check("viewer", "fleet.read").allowed);
	log_set_level(LOG_INFO);
}

/* Eighty roles of a megabyte each: more than the memory of the call that reads them. */
static void
giant_roles_are_refused_with_an_error_and_the_old_policy_stays(void **unused)
{
	char name[16], text[1000];
	json_t *role;

	(void)unused;
	db.page = 2;
	rbac_start(&rbac, bus, &config, on_ready, NULL);
	loop_run_until(loop, is_set, &ready, 2 * SEC);
	for (int i = 0; i < 80; i++) {
		role = json_pack("{s:[],s:[]}", "permissions", "inherits");
		for (int k = 0; k < 1000; k++) {
			(void)snprintf(text, sizeof(text), "m%d.%0990d", i, k);
			json_array_append_new(
			    json_object_get(role, "permissions"), json_string(text));
		}
		(void)snprintf(name, sizeof(name), "giant%d", i);
		memdb_put(&db, "role", name, role);
	}
	test_expect_log(LOG_ERROR, 1); /* however often it is read */
	for (int i = 0; i < 50 && !rbac.refused; i++)
		loop_run_until(loop, never, NULL, 100 * MS);
	assert_true(rbac.refused);
	loop_run_until(loop, never, NULL, 500 * MS);
	assert_true(check("viewer", "task.read").allowed);
	assert_false(check("giant1", "m1.read").allowed);
	for (int i = 0; i < 80; i++) {
		(void)snprintf(name, sizeof(name), "giant%d", i);
		json_object_del(json_object_get(db.rows, "role"), name);
	}
	for (int i = 0; i < 50 && rbac.refused; i++)
		loop_run_until(loop, never, NULL, 100 * MS);
	assert_false(rbac.refused);
	assert_true(check("viewer", "task.read").allowed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_pattern_covers_itself_or_what_its_star_stands_for),
		T(the_default_roles_permit_what_the_readme_says_and_nothing_else),
		T(a_role_gets_what_it_inherits_however_far_and_a_cycle_does_no_harm),
		T(inheriting_gives_nothing_to_the_one_that_is_inherited_from),
		T(an_expansion_is_sorted_and_names_each_pattern_once),
		T(the_deciding_rule_is_named),
		T(two_policies_are_the_same_when_they_decide_the_same),
		T(what_roles_inherit_is_bounded_and_the_role_that_is_too_much_is_named),
		T(more_permissions_than_a_token_can_carry_are_no_expansion),
		T(a_decision_among_ten_thousand_roles_takes_well_under_50_us),
		NODE(the_first_start_stores_the_default_roles_and_uses_them),
		NODE(without_a_database_there_is_no_decision_until_the_roles_were_read),
		NODE(
		    a_changed_role_counts_after_the_next_reading_and_a_failed_reading_changes_nothing),
		NODE(giant_roles_are_refused_with_an_error_and_the_old_policy_stays),
	};

	return TEST_RUN(tests);
}

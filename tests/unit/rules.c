/* rules: decisions against an evaluator that is written anew here, as plainly as can be, over random
 * policies; and that a policy which was changed row by row decides as one that was built at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/load.h"
#include "base/id.h"
#include "base/time.h"
#include "harness/test.h"

#define N(x) (sizeof(x) / sizeof((x)[0]))
#define NOW  INT64_C(1795000000000000) /* 2026-11-18T11:06:40Z, a Wednesday */

static const char *const patterns[] = { "*", "task.*", "task.read", "*.read", "doc.*", "doc.read",
	"doc.update", "user.read", "*.delete", "node.restart", "task.delete", "doc.a.read" };
static const char *const permissions[] = { "task.read", "task.delete", "doc.read", "doc.update",
	"user.read", "user.delete", "node.restart", "doc.a.read" };
static const char *const role_names[] = { "r0", "r1", "r2", "r3", "r4", "r5", "admin" };
static const char *const group_names[] = { "g0", "g1", "g2" };
static const char *const users[] = { "018f0000-0000-7000-8000-000000000001",
	"018f0000-0000-7000-8000-000000000002", "018f0000-0000-7000-8000-000000000003" };
static const char *const spaces[] = { "default", "blue", "red" };
static const char *const resources[] = { "task", "task/1", "task/2", "task/*", "doc.x", "doc.x/1",
	"doc.x/*", "doc.y/1" };
static const char *const asked[] = { "", "task", "task/1", "task/2", "task/3", "doc.x", "doc.x/1",
	"doc.x/2", "doc.y/1", "user/1" };
static const char *const addresses[] = { "", "10.1.2.3", "192.0.2.7", "2001:db8::1" };
static const char *const conditions[] = { "{\"address\":{\"in\":[\"10.0.0.0/8\"]}}",
	"{\"time\":{\"days\":[\"wed\"],\"from\":\"12:00\",\"until\":\"13:00\",\"zone\":\"Europe/"
	"Berlin\"}}",
	"{\"time\":{\"not_after\":\"2026-01-01T00:00:00Z\"}}",
	"{\"principal\":{\"methods\":[\"otp\"]}}", "{\"nonsense\":1}" };

/* The policy as rows of the store: {"role": {id: row}, ...}. */
static json_t *store;
static struct image *image;
static struct rng rng;

/* --- the plain evaluator: no table, no index, strings compared one by one --- */

static bool
plain_covers(const char *pattern, const char *permission)
{
	char head[100];

	if (strcmp(pattern, "*") == 0 || strcmp(pattern, permission) == 0)
		return true;
	if (strncmp(pattern, "*.", 2) == 0)
		return strcmp(strrchr(permission, '.'), pattern + 1) == 0;
	for (size_t i = 1; permission[i + 1] != '\0'; i++)
		if (permission[i] == '.') {
			(void)snprintf(head, sizeof(head), "%.*s.*", (int)i, permission);
			if (strcmp(head, pattern) == 0)
				return true;
		}
	return false;
}

static bool
list_has(const json_t *list, const char *text)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_string_value(json_array_get(list, i)), text) == 0)
			return true;
	return false;
}

static const json_t *
row_of(const char *model, const char *id)
{
	return json_object_get(json_object_get(store, model), id);
}

static void
plain_hold(json_t *held, const char *role)
{
	const json_t *inherits = json_object_get(row_of("role", role), "inherits");

	if (row_of("role", role) == NULL || list_has(held, role))
		return;
	json_array_append_new(held, json_string(role));
	for (size_t i = 0; i < json_array_size(inherits); i++)
		plain_hold(held, json_string_value(json_array_get(inherits, i)));
}

static bool
plain_list_covers(const json_t *list, const char *permission)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (plain_covers(json_string_value(json_array_get(list, i)), permission))
			return true;
	return false;
}

static const char *
field(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name));
}

static bool
plain_scope(const json_t *grant, const struct question *q, bool deny)
{
	const char *ns = field(grant, "namespace"), *r = field(grant, "resource"),
		   *p = q->permission;
	const char *have = q->resource, *slash = strchr(have, '/');
	char model[50];

	if (ns != NULL && ((strncmp(p, "task.", 5) != 0 && strncmp(p, "doc.", 4) != 0) ||
			      strcmp(ns, q->ns[0] == '\0' ? "default" : q->ns) != 0))
		return false;
	if (r == NULL)
		return true;
	if (have[0] == '\0') /* not told: a deny of what it could be */
		return deny && strncmp(r, p, strcspn(p, ".")) == 0;
	if (strcmp(r, have) == 0)
		return true;
	if (slash == NULL)
		return false;
	(void)snprintf(model, sizeof(model), "%.*s", (int)(slash - have), have);
	if (strcmp(r, model) == 0)
		return true;
	(void)snprintf(model, sizeof(model), "%.*s/*", (int)(slash - have), have);
	return strcmp(r, model) == 0;
}

/* 1 yes, 0 no, -1 not known; each of the five written out. */
static int
plain_condition(const json_t *grant, const struct question *q)
{
	const json_t *c = json_object_get(grant, "conditions");

	if (c == NULL)
		return 1;
	if (json_object_get(c, "address") != NULL)
		return q->at.address[0] == '\0' ? -1 : strncmp(q->at.address, "10.", 3) == 0;
	if (json_object_get(json_object_get(c, "time"), "days") != NULL)
		return 1; /* 12:06 in Berlin */
	if (json_object_get(c, "time") != NULL)
		return 0;
	if (json_object_get(c, "principal") != NULL)
		return q->who->n_methods > 0 && strcmp(q->who->methods[0], "otp") == 0;
	return -1;
}

static bool
plain_subject(const json_t *grant, const struct question *q, const json_t *held, bool deny)
{
	const char *kind = field(grant, "subject_kind"), *name = field(grant, "subject");

	if (strcmp(kind, "everyone") == 0)
		return deny || q->who->id[0] != '\0';
	if (strcmp(kind, "user") == 0)
		return strcmp(name, q->who->id) == 0;
	if (strcmp(kind, "role") == 0)
		return list_has(held, name);
	for (size_t i = 0; i < q->who->n_groups; i++)
		if (strcmp(name, q->who->groups[i]) == 0 && row_of("group", name) != NULL)
			return true;
	return false;
}

/* Everything again until nothing is added: roles that grants give may be those that others name. */
static bool
plain_decide(const struct question *q)
{
	json_t *held = json_array(), *row;
	bool allowed = false, denied = false, admin = false;
	const char *id;
	size_t before;

	for (size_t i = 0; i < q->who->n_roles; i++) {
		plain_hold(held, q->who->roles[i]);
		admin = admin || strcmp(q->who->roles[i], "admin") == 0;
	}
	for (size_t i = 0; i < q->who->n_groups; i++) {
		const json_t *roles = json_object_get(row_of("group", q->who->groups[i]), "roles");

		for (size_t k = 0; k < json_array_size(roles); k++)
			plain_hold(held, json_string_value(json_array_get(roles, k)));
		admin = admin || list_has(roles, "admin");
	}
	do {
		before = json_array_size(held);
		json_object_foreach(json_object_get(store, "grant"), id, row)
		{
			bool deny = strcmp(field(row, "effect"), "deny") == 0;
			const json_t *roles = json_object_get(row, "roles");
			int holds = plain_condition(row, q);

			if (!plain_subject(row, q, held, deny) || !plain_scope(row, q, deny) ||
			    (deny ? holds == 0 : holds != 1) ||
			    json_object_get(row, "expires_at") != NULL)
				continue;
			if (plain_list_covers(json_object_get(row, "permissions"), q->permission)) {
				allowed = allowed || !deny;
				denied = denied || deny;
			}
			for (size_t k = 0; !deny && k < json_array_size(roles); k++)
				plain_hold(held, json_string_value(json_array_get(roles, k)));
		}
	} while (json_array_size(held) > before);
	for (size_t i = 0; i < json_array_size(held); i++)
		if (plain_list_covers(
			json_object_get(row_of("role", json_string_value(json_array_get(held, i))),
			    "permissions"),
			q->permission))
			allowed = true;
	json_decref(held);
	if (q->who->limited) {
		bool within = false;

		for (size_t i = 0; i < q->who->n_scopes; i++)
			within = within || plain_covers(q->who->scopes[i], q->permission);
		if (!within)
			return false;
	}
	return denied ? admin : allowed;
}

/* --- random policies --- */

#define ANY(list) list[rng_below(&rng, N(list))]

static json_t *
some(const char *const *from, size_t n, uint32_t most)
{
	json_t *list = json_array();

	for (uint32_t i = rng_below(&rng, most + 1); i > 0; i--) {
		const char *s = from[rng_below(&rng, (uint32_t)n)];

		if (!list_has(list, s))
			json_array_append_new(list, json_string(s));
	}
	return list;
}

static void
put(const char *model, const char *id, json_t *row)
{
	json_t *rows = json_object_get(store, model);
	char err[200];

	if (rows == NULL) {
		rows = json_object();
		json_object_set_new(store, model, rows);
	}
	if (row == NULL)
		json_object_del(rows, id);
	else
		json_object_set_new(row, "id", json_string(id));
	image_put(image, model, id, row);
	if (row != NULL)
		json_object_set_new(rows, id, row);
	if (strcmp(model, "role") == 0)
		assert_true(image_build(image, err, sizeof(err)));
}

static json_t *
random_grant(void)
{
	static const char *const kinds[] = { "user", "group", "role", "everyone" };
	const char *kind = ANY(kinds);
	bool deny = rng_below(&rng, 3) == 0;
	json_t *row = json_pack("{s:s,s:s,s:s,s:o}", "effect", deny ? "deny" : "allow",
	    "subject_kind", kind, "subject",
	    strcmp(kind, "user") == 0    ? ANY(users)
	    : strcmp(kind, "group") == 0 ? ANY(group_names)
	    : strcmp(kind, "role") == 0  ? ANY(role_names)
					 : "*",
	    "permissions", some(patterns, N(patterns), 2));

	if (!deny && rng_below(&rng, 4) == 0)
		json_object_set_new(row, "roles", some(role_names, N(role_names) - 1, 1));
	if (rng_below(&rng, 3) == 0)
		json_object_set_new(row, "namespace", json_string(ANY(spaces)));
	if (rng_below(&rng, 2) == 0)
		json_object_set_new(row, "resource", json_string(ANY(resources)));
	if (rng_below(&rng, 4) == 0)
		json_object_set_new(row, "conditions", json_loads(ANY(conditions), 0, NULL));
	if (rng_below(&rng, 10) == 0)
		json_object_set_new(row, "expires_at", json_string("2026-01-01T00:00:00Z"));
	return row;
}

static void
change_something(void)
{
	char id[UUID_LEN];

	switch (rng_below(&rng, 8)) {
	case 0:
		put("role", role_names[rng_below(&rng, N(role_names) - 1)],
		    rng_below(&rng, 6) == 0
			? NULL
			: json_pack("{s:o,s:o}", "permissions",
			      some(patterns + 1, N(patterns) - 1, 2), "inherits",
			      some(role_names, N(role_names) - 1, 2)));
		break;
	case 1:
		put("group", ANY(group_names),
		    rng_below(&rng, 6) == 0
			? NULL
			: json_pack("{s:o}", "roles", some(role_names, N(role_names), 1)));
		break;
	default:
		(void)snprintf(id, sizeof(id), "018f0000-0000-7000-8000-0000000001%02x",
		    (unsigned)rng_below(&rng, 40));
		put("grant", id, rng_below(&rng, 4) == 0 ? NULL : random_grant());
	}
}

struct asking { /* somebody, with room for what he has */
	Mf__Principal who;
	char *roles[3], *groups[3], *scopes[2], *methods[1];
	struct question q;
};

static char **
pick(char **into, size_t *n, const char *const *from, size_t have, uint32_t most)
{
	*n = rng_below(&rng, most + 1);
	for (size_t i = 0; i < *n; i++)
		into[i] = (char *)(uintptr_t)from[rng_below(&rng, (uint32_t)have)];
	return into;
}

static void
ask_anything(struct asking *a)
{
	Mf__Principal *who = &a->who;

	mf__principal__init(who);
	who->id = (char *)(uintptr_t)(rng_below(&rng, 8) == 0 ? "" : ANY(users));
	who->roles = pick(a->roles, &who->n_roles, role_names,
	    rng_below(&rng, 10) == 0 ? N(role_names) : N(role_names) - 1, 3);
	who->groups = pick(a->groups, &who->n_groups, group_names, N(group_names), 3);
	who->limited = rng_below(&rng, 6) == 0;
	who->scopes = pick(a->scopes, &who->n_scopes, patterns, N(patterns), 2);
	a->methods[0] = (char *)(uintptr_t)(rng_below(&rng, 2) == 0 ? "otp" : "pwd");
	who->methods = a->methods;
	who->n_methods = 1;
	a->q = (struct question){ .who = who,
		.permission = ANY(permissions),
		.resource = ANY(asked),
		.ns = rng_below(&rng, 4) == 0 ? "" : ANY(spaces),
		.at = { NOW, ANY(addresses), who } };
}

static void
begin(uint64_t seed)
{
	rng_seed(&rng, seed);
	store = json_object();
	image = image_new();
	put("role", "admin", json_pack("{s:[s]}", "permissions", "*"));
}

static void
end(void)
{
	image_free(&image);
	json_decref(store);
}

static void
differs(uint64_t seed, const struct asking *a, const char *than)
{
	char *text = json_dumps(store, JSON_INDENT(1));

	print_message("%s\n", text);
	free(text);
	fail_msg("seed %llu: user %s asks for %s on '%s' in '%s' from '%s': other than %s",
	    (unsigned long long)seed, a->who.id, a->q.permission, a->q.resource, a->q.ns,
	    a->q.at.address, than);
}

static uint64_t
first_seed(void)
{
	const char *s = getenv("SEED");

	return s == NULL ? id_random_u64() >> 32 : strtoull(s, NULL, 10);
}

/* --- tests --- */

static void
a_decision_is_that_of_the_plain_evaluator(void **unused)
{
	uint64_t seed = first_seed();
	unsigned yes = 0, no = 0;

	(void)unused;
	log_set_level(LOG_ERROR); /* conditions that can't be read are warned of */
	print_message("SEED=%llu\n", (unsigned long long)seed);
	for (unsigned round = 0; round < 300; round++, seed++) {
		begin(seed);
		for (int i = 0; i < 30; i++)
			change_something();
		for (int i = 0; i < 60; i++) {
			struct asking a;

			change_something();
			ask_anything(&a);
			if (rules_decide(image->rules, &a.q, NULL).allowed != plain_decide(&a.q))
				differs(seed, &a, "the plain evaluator");
			yes += plain_decide(&a.q);
			no += !plain_decide(&a.q);
		}
		end();
	}
	log_set_level(LOG_INFO);
	assert_true(yes > 1000 && no > 1000); /* it is about something */
}

static void
rows_one_by_one_decide_as_all_at_once_and_leave_nothing_behind(void **unused)
{
	uint64_t seed = first_seed();

	(void)unused;
	log_set_level(LOG_ERROR);
	for (unsigned round = 0; round < 60; round++, seed++) {
		struct image *changed, *fresh = image_new();
		const char *model, *id;
		json_t *rows, *row;
		char err[200];

		begin(seed);
		for (int i = 0; i < 200; i++)
			change_something();
		json_object_foreach(store, model, rows) json_object_foreach(rows, id, row)
		    image_put(fresh, model, id, row);
		assert_true(image_build(fresh, err, sizeof(err)));
		assert_int_equal(rules_grants(image->rules), rules_grants(fresh->rules));
		assert_int_equal(rules_groups(image->rules), rules_groups(fresh->rules));
		for (int i = 0; i < 100; i++) {
			struct asking a;
			struct verdict one, two;

			ask_anything(&a);
			one = rules_decide(image->rules, &a.q, NULL);
			two = rules_decide(fresh->rules, &a.q, NULL);
			if (one.allowed != two.allowed || one.everywhere != two.everywhere)
				differs(seed, &a, "when built at once");
		}
		changed = image;
		image = fresh;
		image_free(&changed);
		end();
	}
	log_set_level(LOG_INFO);
}

/* What is kept because it holds "everywhere" must hold for whatever is asked next in the namespace. */
static void
what_holds_everywhere_holds_for_every_resource(void **unused)
{
	uint64_t seed = first_seed();
	unsigned seen = 0;

	(void)unused;
	log_set_level(LOG_ERROR);
	for (unsigned round = 0; round < 200; round++, seed++) {
		/* the first: who is given a role for one resource is denied there what it is denied */
		begin(round == 0 ? UINT64_C(2777827954) : seed);
		for (int i = 0; i < 40; i++)
			change_something();
		for (int i = 0; i < 40; i++) {
			struct asking a;

			ask_anything(&a);
			if (!rules_decide(image->rules, &a.q, NULL).everywhere)
				continue;
			seen++;
			for (size_t k = 0; k < N(asked); k++) {
				a.q.resource = asked[k];
				if (!plain_decide(&a.q))
					differs(seed, &a, "everywhere");
			}
		}
		end();
	}
	log_set_level(LOG_INFO);
	assert_true(seen > 200);
}

/* The permissions in a token decide when rbac is away: nothing that is denied anywhere, in whatever
 * circumstances, and nothing that is not allowed everywhere. */
static void
a_snapshot_permits_nothing_that_any_decision_refuses(void **unused)
{
	uint64_t seed = first_seed();
	unsigned seen = 0;

	(void)unused;
	log_set_level(LOG_ERROR);
	for (unsigned round = 0; round < 200; round++, seed++) {
		begin(seed);
		for (int i = 0; i < 30; i++)
			change_something();
		for (int i = 0; i < 10; i++) {
			struct asking a;
			struct rights *rights;

			ask_anything(&a);
			a.who.limited = false;
			rights = rules_rights(image->rules, &a.who, NULL, NULL);
			for (size_t p = 0; p < N(permissions); p++) {
				if (!rights_hold(rights, permissions[p]))
					continue;
				seen++;
				a.q.permission = permissions[p];
				for (size_t k = 0; k < N(asked); k++)
					for (size_t n = 0; n < N(addresses); n++) {
						a.q.resource = asked[k];
						a.q.at.address = addresses[n];
						if (!plain_decide(&a.q))
							differs(seed, &a, "the snapshot");
					}
			}
			rights_free(&rights);
		}
		end();
	}
	log_set_level(LOG_INFO);
	assert_true(seen > 200);
}

static void
a_condition_makes_a_decision_one_for_this_time_only(void **unused)
{
	struct asking a;

	(void)unused;
	begin(1);
	ask_anything(&a);
	a.who.id = (char *)(uintptr_t)users[0];
	a.who.n_roles = a.who.n_groups = 0;
	a.who.limited = false;
	a.q.permission = "task.read";
	a.q.at.address = "10.0.0.1";
	put("grant", "018f0000-0000-7000-8000-000000000101",
	    json_pack("{s:s,s:s,s:s,s:[s]}", "effect", "allow", "subject_kind", "user", "subject",
		users[0], "permissions", "task.read"));
	assert_true(rules_decide(image->rules, &a.q, NULL).allowed);
	assert_false(rules_decide(image->rules, &a.q, NULL).once);
	put("grant", "018f0000-0000-7000-8000-000000000102",
	    json_pack("{s:s,s:s,s:s,s:[s],s:o}", "effect", "deny", "subject_kind", "everyone",
		"subject", "*", "permissions", "*.read", "conditions",
		json_pack("{s:{s:[s]}}", "address", "not_in", "10.0.0.0/8")));
	assert_true(rules_decide(image->rules, &a.q, NULL).allowed);
	assert_true(rules_decide(image->rules, &a.q, NULL).once);
	a.q.at.address = "11.0.0.1";
	assert_false(rules_decide(image->rules, &a.q, NULL).allowed);
	a.q.at.address = "";
	assert_false(rules_decide(image->rules, &a.q, NULL).allowed);
	end();
}

/* --- conditions --- */

static enum truth
holds(const char *json, const char *at, const char *address)
{
	struct condition_error e;
	json_t *v = json_loads(json, 0, NULL);
	struct conditions *c = conditions_read(v, &e);
	struct circumstances of = { .address = address };
	enum truth t;

	assert_non_null(v);
	if (c == NULL)
		fail_msg("%s: %s %s", json, e.field, e.what);
	assert_true(time_parse_rfc3339(str_of(at), &of.now_us));
	t = conditions_hold(c, &of);
	conditions_free(&c);
	json_decref(v);
	return t;
}

static void
hours_are_those_of_the_zone_in_summer_and_in_winter(void **unused)
{
	const char *office = "{\"time\":{\"days\":[\"mon\",\"tue\"],\"from\":\"08:00\",\"until\":"
			     "\"18:00\",\"zone\":\"Europe/Berlin\"}}";
	const char *night = "{\"time\":{\"days\":[\"fri\"],\"from\":\"22:00\",\"until\":\"06:00\","
			    "\"zone\":\"+02:00\"}}";

	(void)unused;
	assert_int_equal(holds(office, "2026-07-20T06:00:00Z", ""), TRUTH_YES); /* 08:00 */
	assert_int_equal(holds(office, "2026-07-20T05:59:59Z", ""), TRUTH_NO);
	assert_int_equal(holds(office, "2026-01-19T06:00:00Z", ""), TRUTH_NO); /* 07:00 */
	assert_int_equal(holds(office, "2026-01-19T07:00:00Z", ""), TRUTH_YES);
	assert_int_equal(holds(office, "2026-01-19T17:00:00Z", ""), TRUTH_NO); /* 18:00 */
	assert_int_equal(holds(office, "2026-01-21T10:00:00Z", ""), TRUTH_NO); /* Wednesday */
	assert_int_equal(holds(night, "2026-11-20T20:00:00Z", ""), TRUTH_YES); /* Friday, 22:00 */
	assert_int_equal(holds(night, "2026-11-21T03:59:59Z", ""), TRUTH_YES); /* the same night */
	assert_int_equal(holds(night, "2026-11-21T04:00:00Z", ""), TRUTH_NO);
	assert_int_equal(holds(night, "2026-11-21T20:00:00Z", ""), TRUTH_NO); /* Saturday */
	assert_int_equal(holds(night, "2026-11-19T23:00:00Z", ""), TRUTH_NO); /* Thursday's night */
}

static void
an_address_is_in_a_network_whatever_its_form(void **unused)
{
	const char *c = "{\"address\":{\"in\":[\"10.0.0.0/8\",\"2001:db8::/33\",\"192.0.2.1\"],"
			"\"not_in\":[\"10.9.0.0/16\"]}}";
	const char *now = "2026-11-21T00:00:00Z";

	(void)unused;
	assert_int_equal(holds(c, now, "10.1.2.3"), TRUTH_YES);
	assert_int_equal(holds(c, now, "::ffff:10.1.2.3"), TRUTH_YES);
	assert_int_equal(holds(c, now, "10.9.2.3"), TRUTH_NO);
	assert_int_equal(holds(c, now, "11.1.2.3"), TRUTH_NO);
	assert_int_equal(holds(c, now, "192.0.2.1"), TRUTH_YES);
	assert_int_equal(holds(c, now, "192.0.2.2"), TRUTH_NO);
	assert_int_equal(holds(c, now, "2001:db8:7fff::1"), TRUTH_YES);
	assert_int_equal(holds(c, now, "2001:db8:8000::1"), TRUTH_NO);
	assert_int_equal(holds(c, now, ""), TRUTH_UNKNOWN);
	assert_int_equal(holds(c, now, "key:worker"), TRUTH_UNKNOWN);
}

static void
what_is_wrong_with_conditions_is_named(void **unused)
{
	static const struct {
		const char *json, *field;
	} bad[] = {
		{ "{}", "" },
		{ "[]", "" },
		{ "{\"when\":1}", "/when" },
		{ "{\"time\":{}}", "/time" },
		{ "{\"time\":{\"zone\":\"Mars/Olympus\",\"days\":[\"mon\"]}}", "/time/zone" },
		{ "{\"time\":{\"zone\":\"../../etc/passwd\",\"days\":[\"mon\"]}}", "/time/zone" },
		{ "{\"time\":{\"zone\":\"UTC\"}}", "/time" },
		{ "{\"time\":{\"days\":[\"monday\"]}}", "/time/days" },
		{ "{\"time\":{\"from\":\"08:00\"}}", "/time" },
		{ "{\"time\":{\"from\":\"8:00\",\"until\":\"09:00\"}}", "/time/from" },
		{ "{\"time\":{\"from\":\"08:00\",\"until\":\"24:01\"}}", "/time/until" },
		{ "{\"time\":{\"not_before\":\"tomorrow\"}}", "/time/not_before" },
		{ "{\"address\":{\"in\":[]}}", "/address/in" },
		{ "{\"address\":{\"in\":[\"10.0.0.0/8\",\"10.0.0.1/8\"]}}", "/address/in/1" },
		{ "{\"address\":{\"in\":[\"10.0.0.0/33\"]}}", "/address/in/0" },
		{ "{\"principal\":{\"service\":\"yes\"}}", "/principal/service" },
		{ "{\"principal\":{\"authenticated_within\":0}}",
		    "/principal/authenticated_within" },
		{ "{\"principal\":{\"methods\":[]}}", "/principal/methods" },
	};

	(void)unused;
	for (size_t i = 0; i < N(bad); i++) {
		struct condition_error e;
		json_t *v = json_loads(bad[i].json, 0, NULL);

		assert_null(conditions_read(v, &e));
		if (strncmp(e.field, bad[i].field, strlen(bad[i].field)) != 0 || e.what[0] == '\0')
			fail_msg("%s: %s %s", bad[i].json, e.field, e.what);
		json_decref(v);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_decision_is_that_of_the_plain_evaluator),
		T(rows_one_by_one_decide_as_all_at_once_and_leave_nothing_behind),
		T(what_holds_everywhere_holds_for_every_resource),
		T(a_snapshot_permits_nothing_that_any_decision_refuses),
		T(a_condition_makes_a_decision_one_for_this_time_only),
		T(hours_are_those_of_the_zone_in_summer_and_in_winter),
		T(an_address_is_in_a_network_whatever_its_form),
		T(what_is_wrong_with_conditions_is_named),
	};

	return TEST_RUN(tests);
}

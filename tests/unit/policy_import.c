/* policy_import: the whole policy as YAML: read, written, judged, tried, and half-way; and groups and
 * grants as administrators write them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/document.h"
#include "auth/rbac/load.h"
#include "auth/rbac/rules_int.h"
#include "base/id.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "harness/authbed.h"

#define CREATE  MF__STORE_OP__KIND__CREATE
#define UPDATE  MF__STORE_OP__KIND__UPDATE
#define DELETE_ MF__STORE_OP__KIND__DELETE
#define READ    MF__STORE_OP__KIND__READ_ONE
#define ADA     "018f0000-0000-7000-8000-0000000000ad"
#define GRANT   "018f0000-0000-7000-8000-000000000001"

static struct account
write_as(
    const char *as, Mf__StoreOp__Kind kind, const char *model, const char *id, const char *data)
{
	return try_account(&(struct account_ask){
	    .as = as, .kind = kind, .model = model, .id = id, .data = data });
}

static struct account
import_as(const char *as, const char *yaml, const char *more)
{
	json_t *body = json_pack("{s:s}", "yaml", yaml);
	struct account o;
	char *text = json_dumps(body, JSON_COMPACT), data[4000];

	(void)snprintf(data, sizeof(data), "%.*s%s}", (int)strlen(text) - 1, text, more);
	o = write_as(as, UPDATE, "policy", "policy", data);
	free(text);
	json_decref(body);
	return o;
}

static bool
may(const char *role, const char *permission, const char *resource)
{
	char *roles[] = { (char *)(uintptr_t)role }, *groups[] = { (char *)(uintptr_t) "staff" };
	Mf__Principal who = MF__PRINCIPAL__INIT;
	struct question q = { .who = &who,
		.permission = permission,
		.resource = resource,
		.ns = "",
		.at = { time_wall_us(), "", &who } };

	who.id = (char *)(uintptr_t)ADA;
	who.n_roles = who.n_groups = 1;
	who.roles = roles;
	who.groups = groups;
	return rules_decide(authbed.rbac.rbac.rules, &q, NULL).allowed;
}

#define GOOD(call)                                                                                 \
	do {                                                                                       \
		struct account ok_ = (call);                                                       \
		if (ok_.status != ST_OK)                                                           \
			fail_msg("%s: %s %s", #call, ok_.reason, ok_.message);                     \
	} while (0)
#define DENIED(call, s, why, in)                                                                   \
	do {                                                                                       \
		struct account no_ = (call);                                                       \
		if (no_.status != (s) || strcmp(no_.reason, why) != 0 ||                           \
		    strstr(no_.message, in) == NULL)                                               \
			fail_msg("%s: %d %s %s", #call, no_.status, no_.reason, no_.message);      \
	} while (0)

/* --- single writes --- */

static void
a_grant_is_in_force_when_its_write_is_answered_and_gone_when_its_deletion_is(void **unused)
{
	(void)unused;
	assert_false(may("viewer", "task.delete", "task/1"));
	GOOD(write_as(NULL, CREATE, "grant", GRANT,
	    "{\"id\":\"" GRANT
	    "\",\"effect\":\"allow\",\"subject_kind\":\"user\",\"subject\":\"" ADA
	    "\",\"permissions\":[\"task.delete\"],\"resource\":\"task/*\"}"));
	assert_true(may("viewer", "task.delete", "task/1"));
	assert_false(may("viewer", "task.delete", "task"));
	GOOD(write_as(NULL, UPDATE, "grant", GRANT, "{\"resource\":\"task/2\"}"));
	assert_false(may("viewer", "task.delete", "task/1"));
	assert_true(may("viewer", "task.delete", "task/2"));
	GOOD(write_as(NULL, DELETE_, "grant", GRANT, NULL));
	assert_false(may("viewer", "task.delete", "task/2"));
}

static void
a_group_gives_its_roles_and_what_is_granted_to_it(void **unused)
{
	(void)unused;
	GOOD(write_as(
	    NULL, CREATE, "group", "staff", "{\"id\":\"staff\",\"roles\":[\"operator\"]}"));
	assert_true(may("viewer", "node.restart", ""));
	GOOD(write_as(NULL, CREATE, "grant", GRANT,
	    "{\"id\":\"" GRANT "\",\"effect\":\"deny\",\"subject_kind\":\"group\",\"subject\":"
	    "\"staff\",\"permissions\":[\"node.*\"]}"));
	assert_false(may("viewer", "node.restart", ""));
	assert_true(may("admin", "node.restart", "")); /* nothing is denied to him */
	GOOD(write_as(NULL, DELETE_, "group", "staff", NULL));
	assert_false(may("viewer", "fault.inject", ""));
}

static void
what_a_grant_says_is_judged_field_by_field(void **unused)
{
	static const struct {
		const char *data, *in;
	} bad[] = {
		{ "{\"subject_kind\":\"user\",\"subject\":\"ada\",\"permissions\":[\"a.b\"]}",
		    "/subject: must be the id" },
		{ "{\"subject_kind\":\"team\",\"subject\":\"x\",\"permissions\":[\"a.b\"]}",
		    "/subject_kind" },
		{ "{\"subject_kind\":\"group\",\"subject\":\"none\",\"permissions\":[\"a.b\"]}",
		    "/subject: is no group" },
		{ "{\"subject_kind\":\"everyone\",\"subject\":\"*\"}", "/permissions" },
		{ "{\"subject_kind\":\"everyone\",\"subject\":\"x\",\"permissions\":[\"a.b\"]}",
		    "/subject" },
		{ "{\"subject_kind\":\"everyone\",\"subject\":\"*\",\"permissions\":[\"a.*.b\"]}",
		    "/permissions/0" },
		{ "{\"effect\":\"maybe\",\"subject_kind\":\"everyone\",\"subject\":\"*\","
		  "\"permissions\":[\"a.b\"]}",
		    "/effect" },
		{ "{\"effect\":\"deny\",\"subject_kind\":\"everyone\",\"subject\":\"*\",\"roles\":["
		  "\"user\"]}",
		    "/roles" },
		{ "{\"subject_kind\":\"everyone\",\"subject\":\"*\",\"permissions\":[\"a.b\"],"
		  "\"resource\":\"task/*/x\"}",
		    "/resource" },
		{ "{\"subject_kind\":\"everyone\",\"subject\":\"*\",\"permissions\":[\"a.b\"],"
		  "\"conditions\":{\"time\":{\"zone\":\"Nowhere\"}}}",
		    "/conditions/time/zone" },
		{ "{\"subject_kind\":\"everyone\",\"subject\":\"*\",\"permissions\":[\"a.b\"],"
		  "\"expires_at\":\"soon\"}",
		    "/expires_at" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		DENIED(write_as(NULL, CREATE, "grant", GRANT, bad[i].data), ST_INVALID_ARGUMENT,
		    "VALIDATION", bad[i].in);
	DENIED(write_as(NULL, CREATE, "grant", GRANT,
		   "{\"effect\":\"deny\",\"subject_kind\":\"role\",\"subject\":\"admin\","
		   "\"permissions\":[\"*\"]}"),
	    ST_FAILED_PRECONDITION, "ROLE_FIXED", "admin");
}

static void
a_cycle_is_refused_and_named(void **unused)
{
	(void)unused;
	GOOD(write_as(NULL, CREATE, "role", "a", "{\"id\":\"a\",\"inherits\":[]}"));
	GOOD(write_as(NULL, CREATE, "role", "b", "{\"id\":\"b\",\"inherits\":[\"a\"]}"));
	GOOD(write_as(NULL, CREATE, "role", "c", "{\"id\":\"c\",\"inherits\":[\"b\"]}"));
	DENIED(write_as(NULL, UPDATE, "role", "a", "{\"inherits\":[\"viewer\",\"c\"]}"),
	    ST_INVALID_ARGUMENT, "ROLE_CYCLE", "a, c, b, a");
	DENIED(write_as(NULL, UPDATE, "role", "a", "{\"inherits\":[\"a\"]}"), ST_INVALID_ARGUMENT,
	    "ROLE_CYCLE", "a, a");
}

static void
nobody_gives_by_a_grant_or_a_group_what_he_has_not(void **unused)
{
	(void)unused;
	DENIED(write_as("user", CREATE, "grant", GRANT,
		   "{\"subject_kind\":\"user\",\"subject\":\"" ADA
		   "\",\"permissions\":[\"user.read\"]}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN", "grant");
	DENIED(write_as("user", CREATE, "grant", GRANT,
		   "{\"subject_kind\":\"user\",\"subject\":\"" ADA "\",\"roles\":[\"operator\"]}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN", "operator");
	DENIED(write_as("user", CREATE, "group", "staff", "{\"roles\":[\"admin\"]}"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN", "admin");
	GOOD(write_as("user", CREATE, "grant", GRANT,
	    "{\"effect\":\"deny\",\"subject_kind\":\"user\",\"subject\":\"" ADA
	    "\",\"permissions\":[\"task.read\"]}"));
	DENIED(write_as("viewer", DELETE_, "grant", GRANT, NULL) /* of his own he could */, ST_OK,
	    "", "");
	GOOD(write_as(NULL, CREATE, "grant", GRANT,
	    "{\"effect\":\"deny\",\"subject_kind\":\"user\",\"subject\":\"" ADA
	    "\",\"permissions\":[\"user.*\"]}"));
	DENIED(write_as("user", DELETE_, "grant", GRANT, NULL), ST_PERMISSION_DENIED, "BEYOND_OWN",
	    "grant");
}

/* --- what is in force --- */

#define DENY                                                                                       \
	"{\"effect\":\"deny\",\"subject_kind\":\"everyone\",\"subject\":\"*\","                    \
	"\"permissions\":[\"task.read\"]}"

static json_t *
deny_row(void)
{
	return json_loads(DENY, 0, NULL);
}

static bool
is_read(void *ctx)
{
	(void)ctx;
	return authbed.rbac.rbac.reading == NULL && authbed.rbac.rbac.poll_timer.at_us != 0 &&
	       authbed.rbac.rbac.poll_timer.at_us > loop_now(authbed.loop);
}

static void
read_now(void)
{
	timer_in(&authbed.rbac.rbac.poll_timer, 0);
	loop_run_until(authbed.loop, is_read, NULL, 20 * SEC);
	assert_true(is_read(NULL));
}

static void
the_fixed_role_permits_nothing_where_it_is_gone(void **unused)
{
	(void)unused;
	GOOD(write_as(NULL, CREATE, "grant", GRANT, DENY));
	assert_true(may("admin", "task.read", ""));
	json_object_del(json_object_get(authbed.db.rows, "role"), "admin");
	read_now();
	assert_false(may("admin", "task.read", ""));
	assert_false(may("admin", "task.update", ""));
}

/* As after a reading of everything: the policy in force is another one, and the old is gone. Somebody
 * changed the grant, too, so that it is read and judged again. */
static void
another_policy_is_in_force(struct memdb *db)
{
	struct rbac *r = &authbed.rbac.rbac;
	struct rules *copy = malloc(sizeof(*copy));

	assert_non_null(copy);
	*copy = *r->rules;
	free(r->rules);
	r->rules = r->image->rules = copy;
	json_object_set_new(memdb_row(db, "grant", GRANT), "version", json_integer(7));
}

static void
a_grant_that_changed_meanwhile_is_judged_by_what_is_in_force_then(void **unused)
{
	(void)unused;
	GOOD(write_as(NULL, CREATE, "grant", GRANT, DENY));
	authbed.db.before_write = another_policy_is_in_force;
	GOOD(write_as(NULL, UPDATE, "grant", GRANT, "{\"permissions\":[\"task.update\"]}"));
	assert_true(may("viewer", "task.read", ""));
}

/* A row of the log that was thrown away before it was read. */
static void
a_hole_in_the_log_of_changes_is_noticed(void **unused)
{
	json_t *seen;
	char number[24];

	(void)unused;
	memdb_put(&authbed.db, "grant", GRANT, deny_row());
	seen = json_object_get(authbed.db.seen, "grant");
	json_object_set_new(seen, GRANT, json_deep_copy(memdb_row(&authbed.db, "grant", GRANT)));
	read_now();
	assert_true(may("viewer", "task.read", "")); /* nobody said that it changed */
	(void)snprintf(
	    number, sizeof(number), "%016zu", memdb_count(&authbed.db, "policy_change") + 2);
	memdb_put(&authbed.db, "policy_change", number,
	    json_pack("{s:s,s:s}", "model", "group", "subject", "staff"));
	read_now();
	assert_false(may("viewer", "task.read", ""));
}

static void
where_roles_are_refused_grants_stay_as_they_were_too(void **unused)
{
	char name[20], above[20];

	(void)unused;
	memdb_put(&authbed.db, "grant", GRANT, deny_row());
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof(name), "r%d", i);
		(void)snprintf(above, sizeof(above), "r%d", i + 1);
		memdb_put(&authbed.db, "role", name, json_pack("{s:[s]}", "inherits", above));
	}
	test_expect_log(LOG_ERROR, 1);
	read_now();
	assert_true(authbed.rbac.rbac.refused);
	assert_true(may("viewer", "task.read", ""));
}

static struct account
make_last(int permissions)
{
	struct buf b = { 0 };
	struct account o;

	buf_puts(&b, "{\"permissions\":[");
	for (int i = 0; i < permissions; i++)
		buf_printf(&b, "%s\"p%d.read\"", i > 0 ? "," : "", i);
	buf_puts(&b, "]}");
	o = write_as(NULL, CREATE, "role", "r1900", b.p);
	buf_free(&b);
	return o;
}

/* Else who may make roles could keep every later change of policy from coming into force. */
static void
a_role_that_would_make_all_of_them_too_large_is_not_stored(void **unused)
{
	char name[20], above[20];
	struct buf yaml = { 0 };

	(void)unused;
	for (int i = 0; i < 1900; i++) {
		(void)snprintf(name, sizeof(name), "r%d", i);
		(void)snprintf(above, sizeof(above), "r%d", i + 1);
		memdb_put(&authbed.db, "role", name, json_pack("{s:[s]}", "inherits", above));
	}
	read_now();
	assert_false(authbed.rbac.rbac.refused);
	DENIED(make_last(300), ST_RESOURCE_EXHAUSTED, "ROLES_TOO_LARGE", "permissions");
	buf_puts(&yaml, "policy: 1\nroles:\n- id: r1900\n  permissions: [");
	for (int i = 0; i < 250; i++)
		buf_printf(&yaml, "%sp%d.read", i > 0 ? ", " : "", i);
	buf_puts(&yaml, "]\n");
	DENIED(
	    import_as(NULL, yaml.p, ""), ST_RESOURCE_EXHAUSTED, "ROLES_TOO_LARGE", "permissions");
	buf_free(&yaml);
	assert_int_equal(memdb_count(&authbed.db, "role"), 1904);
	GOOD(make_last(1));
	assert_true(may("r0", "p0.read", ""));
}

/* --- the whole --- */

static const char policy[] =
    "policy: 1\n"
    "roles:\n"
    "  - id: editor\n"
    "    permissions: [task.read, 'task.update']\n"
    "    inherits: [viewer]\n"
    "groups:\n"
    "  - {id: staff, description: \"ours: all\", roles: [editor]}\n"
    "grants:\n"
    "  - subject_kind: group\n"
    "    subject: staff\n"
    "    permissions:\n"
    "      - task.delete\n"
    "    resource: task/*\n"
    "    conditions: {principal: {service: false, authenticated_within: 300}}\n"
    "    expires_at: 2100-01-01T00:00:00Z\n";

static void
a_policy_is_imported_once_and_the_same_again_changes_nothing(void **unused)
{
	struct account o = import_as(NULL, policy, "");

	(void)unused;
	assert_int_equal(o.status, ST_OK);
	assert_non_null(
	    strstr(o.text, "\"created\":3,\"updated\":0,\"deleted\":0,\"unchanged\":0"));
	assert_true(may("none", "task.update", "task/1"));
	o = import_as(NULL, policy, "");
	assert_non_null(
	    strstr(o.text, "\"created\":0,\"updated\":0,\"deleted\":0,\"unchanged\":3"));
}

static void
what_is_exported_imports_as_no_change_and_exports_as_the_same_text(void **unused)
{
	struct account o, again;
	char *yaml;
	json_t *v;

	(void)unused;
	GOOD(import_as(NULL, policy, ""));
	o = try_account(&(struct account_ask){ .kind = READ, .model = "policy", .id = "policy" });
	assert_int_equal(o.status, ST_OK);
	v = json_loads(o.text, 0, NULL);
	assert_non_null(v);
	yaml = strdup(json_string_value(json_object_get(v, "yaml")));
	json_decref(v);
	again = import_as(NULL, yaml, ",\"mode\":\"replace\"");
	if (again.status != ST_OK ||
	    strstr(again.text, "\"created\":0,\"updated\":0,\"deleted\":0") == NULL)
		fail_msg("%s\n%s %s", yaml, again.message, again.text);
	again =
	    try_account(&(struct account_ask){ .kind = READ, .model = "policy", .id = "policy" });
	assert_string_equal(again.text, o.text);
	free(yaml);
}

static void
replacing_deletes_what_the_text_does_not_name_but_the_fixed_role(void **unused)
{
	(void)unused;
	GOOD(import_as(NULL, policy, ""));
	GOOD(import_as(NULL, "policy: 1\nroles:\n- {id: viewer, permissions: [fleet.read]}\n",
	    ",\"mode\":\"replace\""));
	assert_int_equal(memdb_count(&authbed.db, "role"), 2);
	assert_int_equal(memdb_count(&authbed.db, "group"), 0);
	assert_int_equal(memdb_count(&authbed.db, "grant"), 0);
	assert_true(may("admin", "user.delete", ""));
	assert_false(may("viewer", "task.read", ""));
	assert_true(may("viewer", "fleet.read", ""));
}

static void
what_is_wrong_with_a_policy_is_told_with_its_line(void **unused)
{
	static const struct {
		const char *yaml, *in;
	} bad[] = {
		{ "policy: 2\n", "line 1: policy: must be 1" },
		{ "policy: 1\nrules: []\n", "line 2: rules" },
		{ "policy: 1\nroles:\n- id: a\n  permissions: [a.b]\n  power: 1\n", "line 5" },
		{ "policy: 1\nroles:\n- id: a\n  permissions:\n  - a.b\n  - a.*.c\n", "line 6" },
		{ "policy: 1\nroles:\n- id: a\n- id: a\n", "line 4" },
		{ "policy: 1\nroles:\n- id: a\n  inherits: [b]\n- id: b\n  inherits: [a]\n",
		    "line 4" },
		{ "policy: 1\ngroups:\n- id: g\n  roles: [nobody]\n", "line 4" },
		{ "policy: 1\ngrants:\n- subject_kind: everyone\n  subject: '*'\n  permissions: "
		  "[a.b]\n"
		  "  conditions: {time: {zone: Mars}}\n",
		    "line 6" },
		{ "policy: 1\nroles: &x []\n", "line 2: anchors" },
		{ "policy: 1\nroles: [\n", "line 3" },
		{ "policy: 1\npolicy: 1\n", "line 2: a key comes twice" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct account o = import_as(NULL, bad[i].yaml, "");

		if (o.status != ST_INVALID_ARGUMENT || strstr(o.message, bad[i].in) == NULL)
			fail_msg("%s: %d %s", bad[i].yaml, o.status, o.message);
	}
	assert_int_equal(memdb_count(&authbed.db, "role"), 4);
}

static void
nobody_imports_what_he_may_not_give(void **unused)
{
	(void)unused;
	DENIED(import_as("user", policy, "") /* task.* he has, to be a viewer's all, too */, ST_OK,
	    "", "");
	DENIED(import_as("user", "policy: 1\nroles:\n- id: r\n  permissions: [user.read]\n", ""),
	    ST_PERMISSION_DENIED, "BEYOND_OWN", "line 3");
	DENIED(import_as("user", "policy: 1\nroles: []\n", ",\"mode\":\"replace\""),
	    ST_PERMISSION_DENIED, "BEYOND_OWN", "operator");
	DENIED(import_as(NULL, "policy: 1\nroles:\n- id: admin\n  permissions: [task.read]\n", ""),
	    ST_FAILED_PRECONDITION, "ROLE_FIXED", "admin");
}

static void
a_dry_run_tells_who_gains_and_loses_what_and_changes_nothing(void **unused)
{
	struct account o;

	(void)unused;
	add_user("vera", "correct horse battery", "viewer");
	GOOD(write_as(NULL, CREATE, "grant", GRANT,
	    "{\"effect\":\"allow\",\"subject_kind\":\"everyone\",\"subject\":\"*\","
	    "\"permissions\":[\"user.read\"]}"));
	o = import_as(NULL,
	    "policy: 1\nroles:\n- id: viewer\n  permissions: [task.read, task.create]\n"
	    "grants:\n- {id: " GRANT
	    ", subject_kind: everyone, subject: '*', permissions: [user.read], effect: deny}\n",
	    ",\"dry_run\":true");
	assert_int_equal(o.status, ST_OK);
	if (strstr(o.text,
		"{\"id\":\"viewer\",\"gains\":[\"task.create\"],\"loses\":[\"blob.read\"") ==
		NULL ||
	    strstr(o.text, "\"username\":\"vera\",\"gains\":[\"task.create\"]") == NULL ||
	    strstr(o.text, "\"user.read\",\"deny user.read\"") == NULL)
		fail_msg("%s", o.text);
	assert_false(may("viewer", "task.create", ""));
	assert_true(may("viewer", "user.read", ""));
	assert_true(may("viewer", "doc.read", ""));
}

/* More than a transaction holds, and the store goes away after the first of them. */
static void
a_large_import_that_was_cut_off_is_completed_by_the_same_again(void **unused)
{
	char *yaml = calloc(1, 100000), *data;
	json_t *body;
	struct account o;
	size_t at;

	(void)unused;
	at = (size_t)sprintf(yaml, "policy: 1\nroles:\n");
	for (int i = 0; i < 250; i++)
		at += (size_t)sprintf(yaml + at, "- {id: r%d, permissions: [a%d.read]}\n", i, i);
	body = json_pack("{s:s}", "yaml", yaml);
	data = json_dumps(body, 0);
	log_set_level(LOG_ERROR); /* who looks while the store is down may warn of it */
	authbed.db.dies_writing = true;
	o = try_account(&(struct account_ask){
	    .kind = UPDATE, .model = "policy", .id = "policy", .data = data });
	assert_int_equal(o.status, ST_UNAVAILABLE);
	authbed.db.down = false;
	assert_true(memdb_count(&authbed.db, "role") < 254);
	o = try_account(&(struct account_ask){
	    .kind = UPDATE, .model = "policy", .id = "policy", .data = data });
	log_set_level(LOG_INFO); /* not before: what was asked while it was down may end only now */
	if (o.status != ST_OK)
		fail_msg("%s %s", o.reason, o.message);
	assert_int_equal(memdb_count(&authbed.db, "role"), 254);
	assert_true(may("r249", "a249.read", ""));
	free(data);
	free(yaml);
	json_decref(body);
}

static void
a_decision_is_explained_with_its_rule_and_its_roles(void **unused)
{
	(void)unused;
	GOOD(import_as(NULL, policy, ""));
	add_user("vera", "correct horse battery", "editor");
	GOOD(write_as(NULL, CREATE, "grant", GRANT,
	    "{\"effect\":\"deny\",\"subject_kind\":\"role\",\"subject\":\"viewer\",\"permissions\":"
	    "["
	    "\"task.update\"]}"));
	{
		struct account o = try_account(&(struct account_ask){ .kind = READ,
		    .model = "decision",
		    .filter = "user",
		    .value = "vera",
		    .filters = { { "permission", "task.update" } } });

		assert_int_equal(o.status, ST_OK);
		if (strstr(o.text, "\"allowed\":false") == NULL ||
		    strstr(o.text, "\"rule\":{\"kind\":\"grant\",\"id\":\"" GRANT "\"") == NULL ||
		    strstr(o.text, "\"path\":[\"editor\",\"viewer\"]") == NULL)
			fail_msg("%s", o.text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(a_grant_is_in_force_when_its_write_is_answered_and_gone_when_its_deletion_is),
		BED(a_group_gives_its_roles_and_what_is_granted_to_it),
		BED(what_a_grant_says_is_judged_field_by_field),
		BED(a_cycle_is_refused_and_named),
		BED(nobody_gives_by_a_grant_or_a_group_what_he_has_not),
		BED(the_fixed_role_permits_nothing_where_it_is_gone),
		BED(a_grant_that_changed_meanwhile_is_judged_by_what_is_in_force_then),
		BED(a_hole_in_the_log_of_changes_is_noticed),
		BED(where_roles_are_refused_grants_stay_as_they_were_too),
		BED(a_role_that_would_make_all_of_them_too_large_is_not_stored),
		BED(a_policy_is_imported_once_and_the_same_again_changes_nothing),
		BED(what_is_exported_imports_as_no_change_and_exports_as_the_same_text),
		BED(replacing_deletes_what_the_text_does_not_name_but_the_fixed_role),
		BED(what_is_wrong_with_a_policy_is_told_with_its_line),
		BED(nobody_imports_what_he_may_not_give),
		BED(a_dry_run_tells_who_gains_and_loses_what_and_changes_nothing),
		BED(a_large_import_that_was_cut_off_is_completed_by_the_same_again),
		BED(a_decision_is_explained_with_its_rule_and_its_roles),
	};

	return TEST_RUN(tests);
}

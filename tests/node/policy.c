/* policy: rbac over a real PostgreSQL: how fast a large policy is in force, and that whatever changes it
 * there, by whomever, is seen: single rows, many at once, deletes, a table that is emptied, a log that
 * begins anew. GRANTS=1000000 for the size that is promised. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/load.h"
#include "base/time.h"
#include "harness/unserved.h"
#include "harness/sqlbed.h"
#include "proto/database.pb-c.h"

#define ROLES 10000
#define VERA  "018f0000-0000-7000-8000-0000000000ad"

static const struct rbac_config config = { .roles_poll_us = 100 * MS };
static struct rbac rbac;

/* --- mf.Database, as far as rbac asks it: what sql says --- */

struct pass {
	struct call *c;
	struct rpc *rpc;
};

static void
on_passed(const Mf__StoreResult *m, void *ctx)
{
	struct pass *p = ctx;

	if (m == NULL)
		call_fail_with(p->c, rpc_failure(p->rpc));
	else
		call_reply(p->c, &m->base);
}

static void
shim_read(Mf__Database_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct pass *p = ARENA_NEW(call_arena(ctx), struct pass);

	(void)s, (void)reply;
	p->c = ctx;
	p->rpc = rpc_new(ctx, sqlbed.target, NULL);
	mf__sql__read(&p->rpc->service, q, on_passed, p);
}

static void
shim_write(Mf__Database_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct pass *p = ARENA_NEW(call_arena(ctx), struct pass);

	(void)s, (void)reply;
	p->c = ctx;
	p->rpc = rpc_new(ctx, sqlbed.target, NULL);
	mf__sql__write(&p->rpc->service, q, on_passed, p);
}

static void
shim_events(
    Mf__Database_Service *s, const Mf__EventsAfter *q, Mf__EventPage_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_fail(ctx, ST_UNIMPLEMENTED, "nobody asks");
}

UNSERVED(shim_keep_traces, Database, TraceBatch, TraceKept)
UNSERVED(shim_find_traces, Database, TraceQuery, TraceBatch)

static Mf__Database_Service database = MF__DATABASE__INIT(shim_);

/* --- the bed --- */

static int
start(void **state)
{
	static struct serve serves[2];

	if (sqlbed_start(state) != 0)
		return -1;
	serves[0] = (struct serve){ &database.base, PRIMARY };
	bus_loopback(sqlbed.bus, "database", serves);
	return 0;
}

static void
sql(const char *text)
{
	bed_psql_commit(bed_psql("%s", text));
}

static bool
is_known(void *unused)
{
	(void)unused;
	return rbac.rules != NULL;
}

static void
rbac_begin(void)
{
	rbac = (struct rbac){ .service = RBAC_SERVICE };
	rbac_start(&rbac, sqlbed.bus, &config, NULL, NULL);
	bed_until(is_known, NULL, 300 * SEC);
}

static bool
may(const char *permission)
{
	Mf__Principal who = MF__PRINCIPAL__INIT;
	struct question q = { .who = &who,
		.permission = permission,
		.resource = "",
		.ns = "",
		.at = { time_wall_us(), "", &who } };

	who.id = (char *)(uintptr_t)VERA;
	return rules_decide(rbac.rules, &q, NULL).allowed;
}

static bool
is_allowed(void *permission)
{
	return may(permission);
}

static bool
is_refused(void *permission)
{
	return !may(permission);
}

static void
soon(bool allowed, const char *permission)
{
	bed_until(allowed ? is_allowed : is_refused, (void *)(uintptr_t)permission, 10 * SEC);
}

#define GRANT(id, permission)                                                                      \
	"INSERT INTO grants (id,effect,subject_kind,subject,permissions,created_at,updated_at) "   \
	"VALUES ('018f0000-0000-7000-8000-00000000000" id "','allow','user','" VERA                \
	"','[\"" permission "\"]',now(),now());"

static void
what_others_store_is_seen_row_by_row(void **unused)
{
	(void)unused;
	rbac_begin();
	assert_false(may("a.read"));
	sql(GRANT("1", "a.read") GRANT("2", "b.read"));
	soon(true, "a.read");
	assert_true(may("b.read")); /* of one transaction: at the same moment */
	sql("UPDATE grants SET permissions='[\"c.read\"]' WHERE id='018f0000-0000-7000-8000-"
	    "000000000001';");
	soon(true, "c.read");
	assert_false(may("a.read"));
	sql("DELETE FROM grants WHERE id='018f0000-0000-7000-8000-000000000002';");
	soon(false, "b.read");
	sql("UPDATE roles SET permissions='[\"d.read\"]' WHERE id='viewer';"
	    "UPDATE grants SET permissions='[]', roles='[\"viewer\"]';");
	soon(true, "d.read");
	sql("TRUNCATE grants;");
	soon(false, "d.read");
	rbac_stop(&rbac);
}

static void
many_rows_at_once_and_a_log_that_begins_anew_are_read_anew(void **unused)
{
	(void)unused;
	rbac_begin();
	sql("INSERT INTO grants (id,effect,subject_kind,subject,permissions,created_at,updated_at) "
	    "SELECT gen_random_uuid(),'allow','user','" VERA "','[\"e.read\"]',now(),now() FROM "
	    "generate_series(1,1500);");
	soon(true, "e.read");
	assert_int_equal(rules_grants(rbac.rules), 1500);
	assert_int_equal(bed_count("SELECT count(*) FROM policy_changes WHERE subject='*' AND "
				   "model='grant'"),
	    2); /* and that of the table that was emptied */
	/* as from a backup: the log has fewer numbers, then the same ones with another meaning */
	sql("TRUNCATE grants; DELETE FROM policy_changes; UPDATE policy_clock SET n=0;");
	soon(false, "e.read");
	sql(GRANT("3", "f.read"));
	soon(true, "f.read");
	sql("DELETE FROM grants;");
	soon(false, "f.read");
	rbac_stop(&rbac);
}

static void
a_large_policy_is_in_force_soon_and_a_change_of_it_at_once(void **unused)
{
	const char *size = getenv("GRANTS");
	unsigned grants = size == NULL ? 100000 : (unsigned)strtoul(size, NULL, 10);
	int64_t began;

	(void)unused;
	bed_psql_commit(bed_psql(
	    "INSERT INTO roles (id,permissions,inherits,created_at,updated_at) SELECT 'r'||i, "
	    "jsonb_build_array('m'||i%%500||'.read','m'||i%%700||'.*'), CASE WHEN i>3 THEN "
	    "jsonb_build_array('r'||i/3) ELSE '[]' END, now(), now() FROM generate_series(1,%d) i;"
	    "INSERT INTO grants "
	    "(id,effect,subject_kind,subject,permissions,resource,created_at,updated_at) SELECT "
	    "('018f0000-0000-7000-9000-'||lpad(to_hex(i),12,'0'))::uuid, CASE WHEN i%%10=0 THEN "
	    "'deny' ELSE 'allow' END,'user','018f0000-0000-7000-8000-'||lpad(to_hex(i/10),12,'0'),"
	    "jsonb_build_array('m'||i%%500||'.read'),'task/'||i,now(),now() FROM "
	    "generate_series(1,%u) i;",
	    ROLES, grants));
	began = time_now_us();
	rbac_begin();
	print_message("%u roles and %u grants: in force after %.2f s\n", ROLES, grants,
	    (double)(time_now_us() - began) / 1e6);
	assert_int_equal(rules_grants(rbac.rules), grants);
	assert_int_equal(policy_roles(rules_roles(rbac.rules)), ROLES + 4);
	sql(GRANT("4", "g.read"));
	began = time_now_us();
	soon(true, "g.read");
	assert_true(time_now_us() - began < 2 * SEC); /* not everything anew */
	rbac_stop(&rbac);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_others_store_is_seen_row_by_row),
		T(many_rows_at_once_and_a_log_that_begins_anew_are_read_anew),
		T(a_large_policy_is_in_force_soon_and_a_change_of_it_at_once),
	};

	return cmocka_run_group_tests(tests, start, sqlbed_stop);
}

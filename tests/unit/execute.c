/* execute: what one TaskRequest does to the domains, and what comes back. The three scenarios of
 * the specification are here under their names. */
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/time.h"
#include "harness/metabed.h"
#include "meta/orchestrator.h"

static void
complete_task_workflow(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .api = "POST /tasks", .database = "create", .id = "id-1", .token = "alice",
	    .permission = "task.create", .task_id = "t-1", .priority = MF__PRIORITY__HIGH,
	    .deadline_ms = 30000, .trace = true);
	assert_int_equal(r.failed, ST_OK);
	assert_true(r.r->success);
	assert_false(r.r->partial_success);
	assert_string_equal(r.r->task_id, "t-1");
	assert_true(result_has(&r, "\"id\":\"id-1\""));
	assert_true(r.took_us < SEC);
	assert_int_equal(r.r->n_successful_domains, 3);
	assert_int_equal(trace_level(r.r, 0)->n_hops, 1);
	assert_string_equal(trace_level(r.r, 0)->hops[0]->node, "meta");
	assert_int_equal(trace_level(r.r, 1)->n_hops, 3);
	assert_true(trace_level(r.r, 2)->n_hops >= 3);
	assert_true(has_name(r.r->n_agents_used, r.r->agents_used, "jwt"));
	assert_true(has_name(r.r->n_agents_used, r.r->agents_used, "rbac"));
	assert_true(has_name(r.r->n_agents_used, r.r->agents_used, "sql"));
	assert_string_equal(mb.actor, "alice");
	assert_int_equal(mb.formats, 1);
}

static void
agent_failure(void **unused)
{
	struct result r;

	(void)unused;
	mb.rest.fails = ST_UNAVAILABLE;
	mb.means_meta = "health";
	RUN(&r, .api = "GET /health", .priority = MF__PRIORITY__MEDIUM, .trace = true);
	assert_true(r.r->success);
	assert_false(has_name(r.r->n_agents_used, r.r->agents_used, "rest"));
	assert_true(has_name(r.r->n_agents_used, r.r->agents_used, "graphql"));
	assert_true(has_name(r.r->n_failed_agents, r.r->failed_agents, "rest"));
	assert_true(result_has(&r, "\"status\":\"ok\""));
	assert_int_equal(mb.checks, 0); /* health is for anybody */
}

static void
cascade_prevention(void **unused)
{
	struct result r;

	(void)unused;
	mb.database.fails = ST_UNAVAILABLE;
	RUN(&r, .api = "POST /tasks", .database = "create", .id = "id-1", .token = "alice",
	    .permission = "task.create", .trace = true, .deadline_ms = 1500);
	assert_false(r.r->success);
	assert_true(r.r->partial_success);
	assert_true(r.r->cascade_prevented);
	assert_int_equal(r.r->n_successful_domains, 2);
	assert_true(has_name(2, r.r->successful_domains, "api"));
	assert_true(has_name(2, r.r->successful_domains, "auth"));
	assert_int_equal(r.r->n_failed_domains, 1);
	assert_string_equal(r.r->failed_domains[0], "database");
	assert_int_equal(r.r->status, ST_UNAVAILABLE);
	assert_int_equal(trace_level(r.r, 1)->n_hops, 3);
	assert_int_equal(mb.formats, 0);
}

static void
to_be_let_in_alone_is_no_partial_success(void **unused)
{
	struct result r;

	(void)unused;
	mb.database.fails = ST_UNAVAILABLE;
	RUN(&r, .database = "create", .id = "id-1", .token = "alice", .permission = "task.create",
	    .deadline_ms = 1500);
	assert_false(r.r->success);
	assert_false(r.r->partial_success);
	assert_int_equal(r.r->status, ST_UNAVAILABLE);
	assert_true(has_name(r.r->n_successful_domains, r.r->successful_domains, "auth"));
	assert_string_equal(r.r->failed_domains[0], "database");
}

static void
without_auth_nothing_is_executed(void **unused)
{
	struct result r;

	(void)unused;
	mb.auth.fails = ST_UNAVAILABLE;
	RUN(&r, .api = "POST /tasks", .database = "create", .id = "x", .token = "alice",
	    .permission = "task.create", .deadline_ms = 1500);
	assert_false(r.r->success);
	assert_false(r.r->partial_success);
	assert_int_equal(r.r->status, ST_UNAVAILABLE);
	assert_int_equal(r.r->result.len, 0);
	assert_int_equal(mb.writes, 0);
}

static void
a_hung_auth_lets_nobody_in_and_is_said_before_the_deadline(void **unused)
{
	struct result r;

	(void)unused;
	mb.auth.hangs = true;
	RUN(&r, .database = "read", .id = "x", .token = "alice", .deadline_ms = 200);
	assert_int_equal(r.failed, ST_OK);
	assert_int_equal(r.r->status, ST_DEADLINE_EXCEEDED);
	assert_true(r.took_us < 260 * MS);
	assert_int_equal(mb.reads, 0);
}

static void
a_refusal_is_a_clean_failure_and_stops_what_depends_on_it(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .api = "POST /tasks", .database = "create", .id = "x", .token = "bob",
	    .permission = "task.create");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
	assert_false(r.r->partial_success);
	assert_int_equal(r.r->result.len, 0);
	assert_int_equal(mb.writes, 0);
	RUN(&r, .database = "read", .id = "x", .token = "mallory");
	assert_int_equal(r.r->status, ST_UNAUTHENTICATED);
	assert_int_equal(mb.reads, 0);
}

static void
a_request_without_auth_is_anonymous_and_is_asked_for_all_the_same(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .database = "create", .id = "x");
	assert_int_equal(r.r->status, ST_UNAUTHENTICATED);
	assert_string_equal(mb.asked[0], "task.create");
	assert_int_equal(mb.writes, 0);
}

static void
a_weaker_permission_does_not_open_a_stronger_operation(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .database = "delete", .id = "x", .token = "bob", .permission = "task.read");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
	assert_int_equal(mb.writes, 0);
	RUN(&r, .database = "read", .id = "x", .token = "alice", .permission = "fleet.read");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED); /* both are needed */
	assert_int_equal(mb.reads, 0);
}

static void
what_is_auth_s_own_can_not_be_named(void **unused)
{
	static const char *const models[] = { "revocation", "auth_state", "idempotency", "" };
	struct result r;

	(void)unused;
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		RUN(&r, .database = "query", .model = models[i], .token = "admin");
		assert_int_equal(r.failed, ST_INVALID_ARGUMENT);
	}
	RUN(&r, .database = "transaction", .token = "admin",
	    .data = "[{\"operation\":\"update\",\"model\":\"user\",\"id\":\"u\",\"data\":{}}]");
	assert_int_equal(r.failed, ST_INVALID_ARGUMENT);
	assert_int_equal(mb.reads + mb.writes, 0);
}

/* With permissions of their own, one at a time, and never in the database domain. */
static void
users_and_roles_are_read_and_written_by_auth(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .database = "query", .model = "user", .token = "admin");
	assert_true(r.r->success);
	assert_true(result_has(&r, "\"of\":\"auth\""));
	assert_string_equal(mb.asked[0], "user.read");
	RUN(&r, .database = "update", .model = "role", .id = "viewer", .data = "{}",
	    .token = "admin");
	assert_true(r.r->success);
	assert_string_equal(mb.asked[1], "role.update");
	assert_string_not_equal(mb.operation_id, "");
	assert_int_equal(mb.accounts, 2);
	RUN(&r, .database = "delete", .model = "user", .id = "x", .token = "alice");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
	RUN(&r, .database = "bulk_create", .model = "user", .data = "[{}]", .token = "admin");
	assert_int_equal(r.failed, ST_INVALID_ARGUMENT);
	assert_int_equal(mb.accounts, 2);
	assert_int_equal(mb.reads + mb.writes, 0);
}

static void
a_permission_for_one_thing_does_not_reach_another(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .database = "read", .id = "mine", .resource = "task/mine", .token = "alice");
	assert_true(r.r->success);
	assert_string_equal(mb.resources[0], "task/mine");
	RUN(&r, .database = "read", .id = "yours", .resource = "task/mine", .token = "alice");
	assert_int_equal(r.failed, ST_INVALID_ARGUMENT);
	assert_int_equal(mb.reads, 1);
}

static void
a_transaction_asks_for_the_permission_of_each_member(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .database = "transaction", .token = "bob",
	    .data = "[{\"operation\":\"create\",\"model\":\"task\",\"data\":{}},"
		    "{\"operation\":\"delete\",\"model\":\"task\",\"id\":\"x\"}]");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
	assert_int_equal(mb.writes, 0);
	RUN(&r, .database = "transaction", .token = "alice",
	    .data = "[{\"operation\":\"create\",\"model\":\"task\",\"data\":{}},"
		    "{\"operation\":\"delete\",\"model\":\"task\",\"id\":\"x\"}]");
	assert_true(r.r->success);
	assert_int_equal(mb.members, 2);
	assert_true(result_has(&r, "\"items\":[{\"data\""));
}

static void
a_form_alone_is_translated_checked_and_then_run(void **unused)
{
	struct result r;

	(void)unused;
	mb.means_operation = "create";
	mb.means_permission = "task.create";
	RUN(&r, .api = "POST /tasks", .token = "bob");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
	assert_int_equal(mb.writes, 0);
	RUN(&r, .api = "POST /tasks");
	assert_int_equal(r.r->status, ST_UNAUTHENTICATED);
	assert_int_equal(mb.writes, 0);
	RUN(&r, .api = "POST /tasks", .token = "alice");
	assert_true(r.r->success);
	assert_int_equal(mb.writes, 1);
	/* an agent that forgets the permission opens nothing */
	mb.means_permission = "";
	RUN(&r, .api = "POST /tasks", .token = "bob");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
}

static void
a_form_that_is_refused_stops_the_effect(void **unused)
{
	struct result r;

	(void)unused;
	mb.rest.fails = ST_INVALID_ARGUMENT;
	RUN(&r, .api = "POST /tasks", .database = "create", .id = "x", .token = "alice");
	assert_int_equal(r.r->status, ST_INVALID_ARGUMENT);
	assert_false(r.r->partial_success);
	assert_int_equal(mb.writes, 0);
}

static void
without_an_api_agent_the_work_is_done_and_the_answer_is_partial(void **unused)
{
	struct result r;

	(void)unused;
	mb.api.fails = ST_UNAVAILABLE;
	RUN(&r, .api = "POST /tasks", .database = "create", .id = "x", .token = "alice",
	    .deadline_ms = 2000);
	assert_true(r.r->partial_success);
	assert_int_equal(mb.writes, 1);
	assert_true(result_has(&r, "\"id\":\"x\""));
	assert_string_equal(r.r->failed_domains[0], "api");
}

static void
a_cycle_is_refused_by_name_and_nothing_runs(void **unused)
{
	Mf__Dependency a = MF__DEPENDENCY__INIT, b = MF__DEPENDENCY__INIT, *d[] = { &a, &b };
	struct result r;

	(void)unused;
	a.domain = b.on = MF__DOMAIN__DOMAIN_DATABASE;
	a.on = b.domain = MF__DOMAIN__DOMAIN_API;
	RUN(&r, .api = "POST /tasks", .database = "create", .token = "alice", .depends_on = d,
	    .n_depends_on = 2);
	assert_int_equal(r.failed, ST_INVALID_ARGUMENT);
	assert_non_null(strstr(r.message, "api -> database -> api"));
	assert_int_equal(mb.checks + mb.writes, 0);
}

static void
a_kept_permission_costs_no_hop(void **unused)
{
	struct result r;

	(void)unused;
	for (int i = 0; i < 5; i++) {
		RUN(&r, .database = "read", .id = "x", .token = "alice", .permission = "task.read");
		assert_true(r.r->success);
	}
	assert_int_equal(mb.checks, 1);
	assert_int_equal(mb.reads, 5);
	assert_string_equal(r.r->principal->id, "alice");
	RUN(&r, .database = "read", .id = "x", .token = "alice", .trace = true);
	/* a trace shows who was asked, so they are asked */
	assert_int_equal(mb.checks, 2);
}

static void
a_revocation_is_seen_within_half_a_second(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .database = "read", .id = "x", .token = "alice");
	mb.sequence++;
	/* the confirmation is too old now: everybody waits for one poll */
	metabed_pass(520 * MS);
	RUN(&r, .database = "read", .id = "x", .token = "alice");
	assert_true(r.r->success);
	assert_int_equal(mb.sequences, 1);
	assert_int_equal(mb.checks, 2);
}

static void
all_that_wait_share_one_poll(void **unused)
{
	struct result r[6];

	(void)unused;
	RUN(&r[0], .database = "read", .id = "x", .token = "alice");
	metabed_pass(520 * MS);
	for (int i = 0; i < 6; i++)
		metabed_send(
		    &r[i], &(const struct req){ .database = "read", .id = "x", .token = "alice" });
	for (int i = 0; i < 6; i++) {
		metabed_wait(&r[i]);
		assert_true(r[i].r->success);
	}
	assert_int_equal(mb.sequences, 1);
	assert_int_equal(mb.checks, 1);
}

static void
a_kept_permission_does_not_serve_while_auth_is_silent(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .database = "read", .id = "x", .token = "alice");
	mb.auth.hangs = true;
	metabed_pass(520 * MS);
	RUN(&r, .database = "read", .id = "x", .token = "alice", .deadline_ms = 700);
	assert_int_equal(r.r->status, ST_DEADLINE_EXCEEDED);
	assert_int_equal(mb.reads, 1);
}

static void
a_token_that_expires_meanwhile_is_asked_for_again(void **unused)
{
	struct result r;

	(void)unused;
	mb.token_life_us = 100 * MS;
	RUN(&r, .database = "read", .id = "x", .token = "alice");
	metabed_pass(120 * MS);
	RUN(&r, .database = "read", .id = "x", .token = "alice");
	assert_int_equal(mb.checks, 2);
}

static void
the_same_task_again_returns_the_first_result(void **unused)
{
	struct result a, b, c;

	(void)unused;
	RUN(&a, .database = "create", .token = "alice", .task_id = "t", .remember = true);
	RUN(&b, .database = "create", .token = "alice", .task_id = "t", .remember = true);
	assert_true(a.r->success && b.r->success);
	assert_int_equal(a.r->result.len, b.r->result.len);
	assert_memory_equal(a.r->result.data, b.r->result.data, a.r->result.len);
	assert_int_equal(mb.writes, 1);
	RUN(&c, .database = "create", .token = "admin", .task_id = "t", .remember = true);
	/* somebody else's task of the same name is another task */
	assert_int_equal(mb.writes, 2);
	RUN(&c, .database = "create", .token = "bob", .task_id = "t", .remember = true);
	assert_int_equal(c.r->status, ST_PERMISSION_DENIED);
}

static void
a_duplicate_in_flight_waits_for_the_first(void **unused)
{
	struct result a, b;

	(void)unused;
	metabed_send(
	    &a, &(const struct req){
		    .database = "create", .token = "alice", .task_id = "t", .remember = true });
	metabed_send(
	    &b, &(const struct req){
		    .database = "create", .token = "alice", .task_id = "t", .remember = true });
	metabed_wait(&a);
	metabed_wait(&b);
	assert_true(a.r->success && b.r->success);
	assert_int_equal(mb.writes, 1);
}

static void
who_waits_for_a_first_that_is_cancelled_becomes_the_first(void **unused)
{
	struct result a, b;

	(void)unused;
	mb.sql.hangs = true;
	metabed_send(
	    &a, &(const struct req){
		    .database = "create", .token = "alice", .task_id = "t", .remember = true });
	metabed_send(
	    &b, &(const struct req){
		    .database = "create", .token = "alice", .task_id = "t", .remember = true });
	metabed_pass(50 * MS);
	assert_int_equal(mb.writes, 1);
	mb.sql.hangs = false;
	call_cancel(a.root);
	metabed_wait(&b);
	assert_true(b.r->success);
	assert_int_equal(mb.writes, 2);
}

static void
a_repeat_is_the_same_effect_even_when_nothing_is_remembered(void **unused)
{
	struct result r;
	char first[64];

	(void)unused;
	mb.database.fails = ST_UNAVAILABLE;
	RUN(&r, .database = "create", .token = "alice", .task_id = "t", .remember = true,
	    .deadline_ms = 300, .operation_id = "edge-1", .id = "edge-1");
	assert_false(r.r->success);
	mb.database.fails = ST_OK;
	RUN(&r, .database = "create", .token = "alice", .task_id = "t", .remember = true,
	    .operation_id = "edge-2", .id = "edge-2");
	assert_true(r.r->success); /* "try again" was no result */
	snprintf(first, sizeof first, "%s", mb.id);
	assert_true(uuid_ok(first));
	meta_close(&mb.meta); /* as after a crash of meta */
	mb.meta = meta_open(mb.bus, NULL, &mb.config, -1, -1);
	RUN(&r, .database = "create", .token = "alice", .task_id = "t", .remember = true,
	    .operation_id = "edge-3", .id = "edge-3");
	assert_string_equal(mb.id, first);
	assert_string_equal(mb.operation_id, first);
}

/* The form alone names nothing: who it is for is known only behind the gate. */
static void
a_repeat_of_a_form_alone_makes_the_same_objects_even_after_a_crash(void **unused)
{
	struct result r;
	char one[64], many[512];

	(void)unused;
	for (int round = 0; round < 2; round++) {
		const char *edge = round == 0 ? "edge-1" : "edge-2";

		mb.means_permission = "task.create";
		mb.means_operation = "create";
		mb.means_data = "{\"title\":\"x\"}";
		RUN(&r, .api = "POST /tasks", .token = "alice", .task_id = "t", .remember = true,
		    .operation_id = edge);
		assert_true(r.r->success);
		if (round == 0)
			snprintf(one, sizeof one, "%s", mb.id);
		assert_true(uuid_ok(mb.id));
		assert_string_equal(mb.id, one);
		mb.means_operation = "bulk_create";
		mb.means_data = "[{\"title\":\"a\"},7,{\"title\":\"b\",\"id\":\"own\"},{}]";
		RUN(&r, .api = "POST /tasks:bulk", .token = "alice", .task_id = "many",
		    .remember = true, .operation_id = edge);
		assert_true(r.r->success);
		if (round == 0)
			snprintf(many, sizeof many, "%s", mb.data);
		assert_string_equal(mb.data, many);
		assert_non_null(strstr(mb.data, "{\"title\":\"a\",\"id\":\""));
		assert_non_null(strstr(mb.data, ",7,{\"title\":\"b\",\"id\":\"own\"},{\"id\":\""));
		meta_close(&mb.meta); /* as after a crash of meta */
		mb.meta = meta_open(mb.bus, NULL, &mb.config, -1, -1);
	}
	RUN(&r, .api = "POST /tasks:bulk", .token = "admin", .task_id = "many", .remember = true);
	assert_string_not_equal(mb.data, many); /* another person's task of that name */
}

static void
the_edge_gives_the_operation_its_id(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .database = "update", .id = "x", .token = "alice", .operation_id = "edge-7");
	assert_string_equal(mb.operation_id, "edge-7");
	RUN(&r, .database = "delete", .id = "x", .token = "alice");
	assert_true(uuid_ok(mb.operation_id));
}

static void
its_own_deadline_ends_a_request_with_what_is_known(void **unused)
{
	struct result r;

	(void)unused;
	mb.sql.hangs = true;
	RUN(&r, .database = "create", .id = "x", .token = "alice", .deadline_ms = 150,
	    .trace = true);
	assert_int_equal(r.failed, ST_OK);
	assert_true(r.took_us < 220 * MS);
	assert_int_equal(r.r->status, ST_DEADLINE_EXCEEDED);
	assert_true(has_name(r.r->n_successful_domains, r.r->successful_domains, "auth"));
	assert_true(has_name(r.r->n_failed_domains, r.r->failed_domains, "database"));
}

static void
slots_are_bounded_the_queue_too_and_critical_has_its_reserve(void **unused)
{
	struct result r[12], critical, extra;

	(void)unused;
	mb.sql.hangs = true; /* 6 ordinary slots, 4 places to wait */
	for (int i = 0; i < 10; i++)
		metabed_send(&r[i], &(const struct req){ .database = "read",
					.id = "x",
					.token = "alice",
					.priority = MF__PRIORITY__LOW });
	metabed_pass(20 * MS);
	assert_int_equal(mb.reads, 6);
	RUN(&extra, .database = "read", .id = "x", .token = "alice", .priority = MF__PRIORITY__LOW);
	assert_int_equal(extra.failed, ST_RESOURCE_EXHAUSTED);
	assert_true(extra.retry_ms >= 50);
	metabed_send(&critical, &(const struct req){ .database = "read",
				    .id = "x",
				    .token = "alice",
				    .priority = MF__PRIORITY__CRITICAL });
	metabed_send(&extra,
	    &(const struct req){
		.database = "read", .id = "x", .token = "alice", .priority = MF__PRIORITY__HIGH });
	metabed_pass(20 * MS);
	/* CRITICAL runs; HIGH waits, and the youngest LOW was refused */
	assert_int_equal(mb.reads, 7);
	assert_true(r[9].ended);
	assert_int_equal(r[9].failed, ST_RESOURCE_EXHAUSTED);
	mb.sql.hangs = false;
	for (int i = 0; i < 6; i++)
		call_cancel(r[i].root);
	metabed_wait(&extra);
	assert_true(extra.r->success);
	for (int i = 6; i < 9; i++) {
		metabed_wait(&r[i]);
		assert_true(r[i].r->success);
	}
	call_cancel(critical.root);
	metabed_pass(10 * MS);
}

/* 8 slots, 2 of them reserved: what waits for the stores may have 3 of the 6, and 2 places to wait. */
static void
stores_that_hang_take_only_their_share_and_who_lacks_them_is_told_at_once(void **unused)
{
	struct result r[5], over, form, other;

	(void)unused;
	mb.config.share = 50;
	meta_reload(mb.meta, &mb.config);
	mb.sql.hangs = true;
	for (int i = 0; i < 5; i++)
		metabed_send(&r[i], &(const struct req){ .database = "read",
					.id = "x",
					.token = "alice",
					.deadline_ms = i == 4 ? 150 : 0 });
	metabed_pass(20 * MS);
	assert_int_equal(mb.reads, 3);
	RUN(&over, .database = "read", .id = "x", .token = "alice");
	assert_int_equal(over.failed, ST_OK);
	assert_int_equal(over.r->status, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(over.r->problem->reason, "BULKHEAD");
	assert_true(over.r->problem->retry_delay_ms >= 50);
	assert_true(has_name(over.r->n_failed_domains, over.r->failed_domains, "database"));
	assert_true(has_name(over.r->n_successful_domains, over.r->successful_domains, "auth"));
	mb.means_operation = "read";
	RUN(&form, .api = "GET /tasks/x", .token = "alice");
	assert_string_equal(form.r->problem->reason, "BULKHEAD");
	RUN(&other, .token = "alice");
	assert_true(other.r->success);
	RUN(&over, .database = "read", .id = "x", .token = "nobody");
	assert_int_equal(over.r->status, ST_UNAUTHENTICATED);
	/* who waited until its time was over lacks the same */
	metabed_wait(&r[4]);
	assert_int_equal(r[4].failed, ST_OK);
	assert_int_equal(r[4].r->status, ST_DEADLINE_EXCEEDED);
	assert_true(has_name(r[4].r->n_failed_domains, r[4].r->failed_domains, "database"));
	mb.sql.hangs = false;
	for (int i = 0; i < 3; i++)
		call_cancel(r[i].root);
	metabed_wait(&r[3]);
	assert_true(r[3].r->success);
	RUN(&form, .api = "GET /tasks/x", .token = "alice");
	assert_true(form.r->success);
}

static void
log_in_answers_as_oauth_does_and_never_runs_beside_an_effect(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .auth_operation = "login",
	    .auth_data = "{\"username\":\"alice\",\"password\":\"right\"}");
	assert_true(r.r->success);
	assert_true(result_has(&r, "\"access_token\":\"alice\""));
	assert_true(result_has(&r, "\"expires_in\":3600"));
	assert_true(result_has(&r, "\"token_type\":\"Bearer\""));
	assert_string_equal(r.r->principal->id, "alice");
	RUN(&r, .auth_operation = "login",
	    .auth_data = "{\"username\":\"alice\",\"password\":\"wrong\"}");
	assert_int_equal(r.r->status, ST_UNAUTHENTICATED);
	RUN(&r, .auth_operation = "login", .auth_data = "{\"username\":\"alice\"}");
	assert_int_equal(r.r->status, ST_INVALID_ARGUMENT);
	RUN(&r, .auth_operation = "login", .auth_data = "{}", .database = "create");
	assert_int_equal(r.failed, ST_INVALID_ARGUMENT);
}

static void
the_fleet_is_for_those_who_may_see_it_and_lists_the_thirteen(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .meta = "fleet", .token = "alice");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
	RUN(&r, .meta = "fleet", .token = "admin");
	assert_true(r.r->success);
	for (size_t i = 0; i < 13; i++) {
		char name[40];

		snprintf(name, sizeof name, "\"name\":\"%s\"", fleet_names[i].name);
		assert_true(result_has(&r, name));
	}
	assert_true(result_has(&r, "\"mode\":\"normal\""));
}

static void
a_restart_is_answered_when_another_process_is_ready(void **unused)
{
	Mf__Beat b = MF__BEAT__INIT;
	struct result r;

	(void)unused;
	b.node = (char *)(uintptr_t) "sql";
	b.generation = 5;
	b.state = NODE_READY;
	b.pid = 100;
	assert_false(fleet_state_beat(mb.meta->fleet, &b));
	metabed_send(&r, &(const struct req){ .meta = "restart", .node = "sql", .token = "admin" });
	metabed_pass(20 * MS);
	assert_true(fleet_state_beat(mb.meta->fleet, &b)); /* it is told to go */
	assert_false(r.ended);
	b.generation = 6;
	b.state = NODE_STARTING;
	assert_false(fleet_state_beat(mb.meta->fleet, &b));
	metabed_pass(5 * MS);
	assert_false(r.ended);
	b.state = NODE_READY;
	assert_false(fleet_state_beat(mb.meta->fleet, &b));
	metabed_wait(&r);
	assert_true(r.r->success);
	assert_true(result_has(&r, "\"generation\":6"));
	RUN(&r, .meta = "restart", .node = "nobody", .token = "admin");
	assert_int_equal(r.r->status, ST_NOT_FOUND);
	RUN(&r, .meta = "restart", .node = "sql", .token = "alice");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
}

static void
faults_need_their_permission(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .meta = "faults", .node = "meta", .token = "alice", .data = "{\"spec\":\"\"}");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
	/* somebody should know that faults are injected */
	test_expect_log(LOG_WARN, 1);
	RUN(&r, .meta = "faults", .node = "meta", .token = "admin", .data = "{\"spec\":\"\"}");
	assert_true(r.r->success);
}

static void
faults_are_for_a_time_that_somebody_meant(void **unused)
{
	static const char *const wrong[] = { "{\"spec\":\"*: drop=1\",\"for_ms\":-1}",
		"{\"spec\":\"*: drop=1\",\"for_ms\":4294967296}",
		"{\"spec\":\"*: drop=1\",\"for_ms\":\"1\"}",
		"{\"spec\":\"*: drop=1\",\"seed\":-1}" };
	struct result r;

	(void)unused;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		RUN(&r, .meta = "faults", .node = "meta", .token = "admin", .data = wrong[i]);
		assert_int_equal(r.r->status, ST_INVALID_ARGUMENT);
	}
}

static void
verify_says_who_it_is(void **unused)
{
	struct result r;

	(void)unused;
	RUN(&r, .token = "bob", .auth_operation = "verify");
	assert_true(r.r->success);
	assert_true(result_has(&r, "\"id\":\"bob\""));
	RUN(&r, .token = "mallory", .auth_operation = "verify");
	assert_int_equal(r.r->status, ST_UNAUTHENTICATED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		METABED(complete_task_workflow),
		METABED(agent_failure),
		METABED(cascade_prevention),
		METABED(to_be_let_in_alone_is_no_partial_success),
		METABED(without_auth_nothing_is_executed),
		METABED(a_hung_auth_lets_nobody_in_and_is_said_before_the_deadline),
		METABED(a_refusal_is_a_clean_failure_and_stops_what_depends_on_it),
		METABED(a_request_without_auth_is_anonymous_and_is_asked_for_all_the_same),
		METABED(a_weaker_permission_does_not_open_a_stronger_operation),
		METABED(what_is_auth_s_own_can_not_be_named),
		METABED(users_and_roles_are_read_and_written_by_auth),
		METABED(a_permission_for_one_thing_does_not_reach_another),
		METABED(a_transaction_asks_for_the_permission_of_each_member),
		METABED(a_form_alone_is_translated_checked_and_then_run),
		METABED(a_form_that_is_refused_stops_the_effect),
		METABED(without_an_api_agent_the_work_is_done_and_the_answer_is_partial),
		METABED(a_cycle_is_refused_by_name_and_nothing_runs),
		METABED(a_kept_permission_costs_no_hop),
		METABED(a_revocation_is_seen_within_half_a_second),
		METABED(all_that_wait_share_one_poll),
		METABED(a_kept_permission_does_not_serve_while_auth_is_silent),
		METABED(a_token_that_expires_meanwhile_is_asked_for_again),
		METABED(the_same_task_again_returns_the_first_result),
		METABED(a_duplicate_in_flight_waits_for_the_first),
		METABED(who_waits_for_a_first_that_is_cancelled_becomes_the_first),
		METABED(a_repeat_is_the_same_effect_even_when_nothing_is_remembered),
		METABED(a_repeat_of_a_form_alone_makes_the_same_objects_even_after_a_crash),
		METABED(the_edge_gives_the_operation_its_id),
		METABED(its_own_deadline_ends_a_request_with_what_is_known),
		METABED(slots_are_bounded_the_queue_too_and_critical_has_its_reserve),
		METABED(stores_that_hang_take_only_their_share_and_who_lacks_them_is_told_at_once),
		METABED(log_in_answers_as_oauth_does_and_never_runs_beside_an_effect),
		METABED(the_fleet_is_for_those_who_may_see_it_and_lists_the_thirteen),
		METABED(a_restart_is_answered_when_another_process_is_ready),
		METABED(faults_need_their_permission),
		METABED(faults_are_for_a_time_that_somebody_meant),
		METABED(verify_says_who_it_is),
	};

	return TEST_RUN(tests);
}

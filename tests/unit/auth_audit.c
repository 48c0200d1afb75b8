/* auth: the audit log: what is in it, and what becomes of it when answers are lost, others write, the
 * store is away, and the process is killed. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "auth/audit_chain.h"
#include "auth/audit_int.h"
#include "base/json.h"
#include "base/time.h"
#include "bus/inside.h"
#include "harness/authbed.h"

static json_t *
rows(void)
{
	return json_object_get(authbed.db.rows, "audit");
}

static const json_t *
event_of(const json_t *row)
{
	return json_object_get(json_object_get(row, "record"), "event");
}

static const char *
said(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(event_of(row), name)) ?: "";
}

static size_t
count(const char *kind, const char *outcome)
{
	const char *id;
	json_t *row;
	size_t n = 0;

	json_object_foreach(rows(), id, row) n +=
	    strcmp(said(row, "kind"), kind) == 0 && strcmp(said(row, "outcome"), outcome) == 0;
	return n;
}

struct wanted {
	const char *kind, *outcome;
	size_t n;
};

static bool
is_there(void *ctx)
{
	const struct wanted *w = ctx;

	return count(w->kind, w->outcome) >= w->n;
}

/* Of what comes by the clock, there may be more on a slow machine. */
static void
until_some(const char *kind, const char *outcome)
{
	struct wanted w = { kind, outcome, 1 };

	loop_run_until(authbed.loop, is_there, &w, 10 * SEC);
	assert_true(count(kind, outcome) > 0);
}

static void
until_recorded(const char *kind, const char *outcome, size_t n)
{
	struct wanted w = { kind, outcome, n };

	loop_run_until(authbed.loop, is_there, &w, 10 * SEC);
	assert_int_equal(count(kind, outcome), n);
}

static const char *
problem(void)
{
	static char what[300];
	struct arena *a = arena_new(1 << 20);
	size_t n;
	char *jwks = keyring_jwks(authbed.jwt.tokens.keys, a, &n);
	json_t *keys = json_loadb(jwks, n, 0, NULL), *row;
	struct audit_chain c;
	const char *id;

	assert_true(audit_chain_start(&c, keys));
	json_object_foreach(rows(), id, row) if (!audit_chain_take(&c, row)) break;
	(void)audit_chain_end(&c);
	(void)snprintf(what, sizeof(what), "%s", c.what);
	audit_chain_free(&c);
	json_decref(keys);
	arena_free(&a);
	return what;
}

static void
a_log_in_and_a_refusal_are_in_the_log_when_they_are_answered(void **unused)
{
	(void)unused;
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	assert_int_equal(count("login", "ok"), 1);
	REFUSED(try_login("admin", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	assert_int_equal(count("login", "refused"), 1);
	assert_string_equal(problem(), "");
}

static void
a_name_that_nobody_has_is_not_recorded(void **unused)
{
	char *text;

	(void)unused;
	REFUSED(try_login("my-password", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	text = json_dumps(rows(), 0);
	assert_null(strstr(text, "my-password"));
	assert_non_null(strstr(text, "no such account"));
	free(text);
}

static void
a_write_is_in_the_log_before_it_is_made_and_again_with_its_outcome(void **unused)
{
	char *text;

	(void)unused;
	assert_int_equal(ACCOUNT(CREATE, .model = "role", .id = "auditor",
			     .data = "{\"permissions\":[\"audit.read\"]}")
			     .status,
	    ST_OK);
	assert_int_equal(count("write", "begun"), 1);
	assert_int_equal(count("write", "ok"), 1);
	authbed.db.log_down = true;
	REFUSED(ACCOUNT(CREATE, .model = "role", .id = "other", .data = "{}"), ST_UNAVAILABLE,
	    "AUDIT_UNAVAILABLE");
	assert_null(memdb_row(&authbed.db, "role", "other"));
	authbed.db.log_down = false;
	text = json_dumps(rows(), 0);
	assert_null(strstr(text, "permissions")); /* what was written may hold secrets */
	free(text);
}

static void
a_record_whose_answer_was_lost_is_there_once(void **unused)
{
	(void)unused;
	authbed.db.log_loses = 2;
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	authbed.db.log_loses = 20; /* beyond the bus's own tries */
	REFUSED(try_login("admin", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	authbed.db.log_loses = 0;
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	until_recorded("login", "refused", 1);
	until_recorded("login", "ok", 2);
	assert_string_equal(problem(), "");
}

/* As another process of ours would append. */
static void
append_as_another(void)
{
	struct arena *a = arena_new(1 << 20);
	const struct audit_event e = { .kind = "login", .outcome = "other" };
	char id[UUID_LEN], number[AUDIT_NUMBER_LEN], hash[AUDIT_HASH_LEN], *text;
	size_t n = json_object_size(rows());
	json_t *last;

	audit_number_id(n, number);
	last = json_object_get(rows(), number);
	uuid7(id);
	text = audit_record_text(a, audit_event_text(a, &e, id, time_wall_us()), n + 1,
	    json_string_value(json_object_get(last, "hash")));
	audit_record_hash(text, strlen(text), hash);
	audit_number_id(n + 1, number);
	memdb_put(&authbed.db, "audit", number,
	    json_pack("{s:s,s:s,s:o,s:s}", "kind", "login", "outcome", "other", "record",
		json_loads(text, 0, NULL), "hash", hash));
	arena_free(&a);
}

static void
of_two_writers_each_goes_on_behind_the_other(void **unused)
{
	(void)unused;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
		append_as_another();
	}
	REFUSED(try_login("admin", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	assert_int_equal(count("login", "ok"), 3);
	assert_int_equal(count("login", "other"), 3);
	assert_int_equal(count("login", "refused"), 1);
	assert_string_equal(problem(), "");
}

static bool
is_idle(void *ctx)
{
	(void)ctx;
	return audit_is_idle(authbed.auth.audit);
}

static bool
is_sent(void *n)
{
	return authbed.db.log_writes > *(unsigned *)n;
}

/* As after a pause of this machine: both times are over at once, and the rpc does not say so. */
static void
a_batch_that_its_own_call_ended_is_sent_again(void **unused)
{
	struct attempt o;
	unsigned before;

	(void)unused;
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	loop_run_until(authbed.loop, is_idle, NULL, 5 * SEC);
	before = authbed.db.log_writes;
	authbed.db.log_hangs = true;
	try_login_start(&o, "admin", "wrong", "192.0.2.1", NULL);
	loop_run_until(authbed.loop, is_sent, &before, 5 * SEC);
	assert_non_null(authbed.auth.audit->call);
	call_fail(authbed.auth.audit->call, ST_DEADLINE_EXCEEDED, "the deadline has passed");
	authbed.db.log_hangs = false;
	try_await(&o);
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	until_recorded("login", "refused", 1);
	until_recorded("login", "ok", 2);
	assert_string_equal(problem(), "");
}

static off_t
spool_size(void)
{
	char path[300];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/audit.spool", authbed.var);
	return stat(path, &st) == 0 ? st.st_size : -1;
}

static bool
is_spooled(void *ctx)
{
	(void)ctx;
	return spool_size() > 0;
}

static bool
is_empty(void *ctx)
{
	(void)ctx;
	return spool_size() == 0;
}

static void
while_the_log_is_away_nobody_gets_in_and_refusals_wait_in_a_file(void **unused)
{
	(void)unused;
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	authbed.db.log_down = true;
	REFUSED(try_login("admin", authbed.admin_password), ST_UNAVAILABLE, "AUDIT_UNAVAILABLE");
	for (int i = 0; i < 3; i++)
		REFUSED(try_login("admin", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	loop_run_until(authbed.loop, is_spooled, NULL, 5 * SEC);
	assert_true(spool_size() > 0);
	authbed.db.log_down = false;
	until_recorded("login", "refused", 3);
	loop_run_until(authbed.loop, is_empty, NULL, 5 * SEC);
	assert_int_equal(spool_size(), 0);
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	assert_string_equal(problem(), "");
}

static void
start_anew(void)
{
	audit_count_close(&authbed.auth.counts);
	audit_close(&authbed.auth.audit);
	authbed.auth.audit = audit_open(&(const struct audit_opts){ .bus = authbed.bus,
	    .database = authbed.auth.database,
	    .jwt = authbed.auth.jwt,
	    .var = authbed.var,
	    .config = &authbed.auth.config });
	authbed.auth.counts = audit_count_open(authbed.loop, authbed.auth.audit);
}

/* Killed with everything in the file; and killed again between the append and the emptying of it. */
static void
what_was_in_the_file_when_we_were_killed_is_appended_once(void **unused)
{
	char path[300], spool[20000];
	size_t n;
	FILE *f;

	(void)unused;
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	authbed.db.log_down = true;
	for (int i = 0; i < 3; i++)
		REFUSED(try_login("admin", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	loop_run_until(authbed.loop, is_spooled, NULL, 5 * SEC);
	authbed_pass(50 * MS);
	(void)snprintf(path, sizeof(path), "%s/audit.spool", authbed.var);
	f = fopen(path, "r");
	n = fread(spool, 1, sizeof(spool), f);
	(void)fclose(f);
	assert_true(n > 0 && n < sizeof(spool));
	start_anew();
	authbed.db.log_down = false;
	until_recorded("login", "refused", 3);
	loop_run_until(authbed.loop, is_empty, NULL, 5 * SEC);
	f = fopen(path, "w");
	(void)fwrite(spool, 1, n, f);
	(void)fputs("{\"half of a li", f); /* the last write was not complete */
	(void)fclose(f);
	start_anew();
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	loop_run_until(authbed.loop, is_empty, NULL, 5 * SEC);
	assert_int_equal(spool_size(), 0);
	assert_int_equal(count("login", "refused"), 3);
	assert_string_equal(problem(), "");
}

/* Killed while it was written, in the middle of a line; what is written next begins a line of its own. */
static void
half_a_line_in_the_file_costs_no_other(void **unused)
{
	char path[300];
	FILE *f;

	(void)unused;
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	(void)snprintf(path, sizeof(path), "%s/audit.spool", authbed.var);
	f = fopen(path, "a");
	(void)fputs("{\"half of a li", f);
	(void)fclose(f);
	start_anew();
	assert_int_equal(spool_size(), 0);
	authbed.db.log_down = true;
	REFUSED(try_login("admin", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	loop_run_until(authbed.loop, is_spooled, NULL, 5 * SEC);
	authbed_pass(50 * MS);
	start_anew();
	authbed.db.log_down = false;
	until_recorded("login", "refused", 1);
}

static bool
is_drained(void *ctx)
{
	(void)ctx;
	return auth_drained(&authbed.auth);
}

static void
what_was_counted_is_in_the_log_when_we_stop(void **unused)
{
	struct attempt o;

	(void)unused;
	o = try_login("admin", authbed.admin_password);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
	loop_run_until(authbed.loop, is_drained, NULL, 5 * SEC);
	start_anew();
	assert_int_equal(count("decisions", "ok"), 1);
	assert_string_equal(problem(), "");
}

static void
a_queue_that_is_full_loses_no_count(void **unused)
{
	char token[4000]; /* so that it is full by bytes, which is sooner */
	const struct audit_event e = { .kind = "check", .outcome = "refused", .jws = token };
	size_t lost = 0;
	const char *id;
	json_t *row;

	(void)unused;
	memset(token, 'x', sizeof(token) - 1);
	token[sizeof(token) - 1] = '\0';
	authbed.db.log_down = true;
	for (int i = 0; i < 3000; i++)
		audit_note(authbed.auth.audit, &e);
	authbed.db.log_down = false;
	loop_run_until(authbed.loop, is_idle, NULL, 30 * SEC);
	assert_int_equal(count("lost", "failed"), 1);
	json_object_foreach(rows(), id, row) if (strcmp(said(row, "kind"), "lost") == 0) lost +=
	    (size_t)json_integer_value(json_object_get(event_of(row), "count"));
	assert_true(lost > 0);
	assert_int_equal(lost + count("check", "refused"), 3000);
	assert_string_equal(problem(), "");
}

static void
checkpoints_are_signed_and_what_is_older_than_its_time_goes_up_to_one(void **unused)
{
	const char *id = NULL, *each;
	json_t *row;
	const json_t *last;

	(void)unused;
	authbed.auth_config.audit_checkpoint = 5;
	authbed.auth_config.audit_checkpoint_after_us = 50 * MS;
	for (int i = 0; i < 6; i++)
		REFUSED(try_login_from("198.51.100.1", "nobody", "wrong"), ST_UNAUTHENTICATED,
		    "BAD_CREDENTIALS");
	until_some("checkpoint", "ok");
	assert_string_equal(problem(), "");
	authbed.auth_config.audit_keep_us = 300 * MS;
	authbed_pass(400 * MS);
	REFUSED(try_login("nobody", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	until_some("begins", "ok");
	authbed_pass(500 * MS);
	json_object_foreach(rows(), id, row) break;
	assert_string_not_equal(id, "0000000000000001");
	assert_string_equal(said(json_object_get(rows(), id), "kind"), "checkpoint");
	assert_string_equal(problem(), "");
	/* each checkpoint behind it says so again, also of a process that begins later: keys retire */
	start_anew();
	authbed.auth_config.audit_keep_us = 0;
	for (int i = 0; i < 5; i++)
		REFUSED(try_login_from("198.51.100.2", "nobody", "wrong"), ST_UNAUTHENTICATED,
		    "BAD_CREDENTIALS");
	authbed_pass(100 * MS);
	last = NULL;
	json_object_foreach(rows(), each, row) if (strcmp(said(row, "kind"), "checkpoint") == 0)
	    last = row;
	assert_true(json_integer_value(json_object_get(event_of(last), "begins")) > 1);
	json_object_del(rows(), id); /* one more than was permitted */
	assert_non_null(strstr(problem(), "which no signed record permits"));
}

static struct call *
looking(void)
{
	LIST_EACH(&authbed.bus->calls, k) {
		struct call *c = container_of(k, struct call, link);

		if (c->kind == CALL_ROOT && c->ctx == authbed.auth.audit->keep)
			return c;
	}
	return NULL;
}

static bool
is_looking(void *ctx)
{
	(void)ctx;
	return looking() != NULL;
}

static void
a_look_for_what_is_old_that_its_own_call_ended_is_made_again(void **unused)
{
	(void)unused;
	authbed.auth_config.audit_checkpoint = 5;
	authbed.auth_config.audit_checkpoint_after_us = 50 * MS;
	authbed.auth_config.audit_keep_us = 500 * MS;
	for (int i = 0; i < 6; i++)
		REFUSED(try_login_from("198.51.100.1", "nobody", "wrong"), ST_UNAUTHENTICATED,
		    "BAD_CREDENTIALS");
	until_some("checkpoint", "ok");
	authbed.db.hangs = true;
	authbed_pass(200 * MS); /* there is no checkpoint to come that it would begin with */
	loop_run_until(authbed.loop, is_looking, NULL, 5 * SEC);
	assert_non_null(looking());
	call_fail(looking(), ST_DEADLINE_EXCEEDED, "the deadline has passed");
	authbed.db.hangs = false;
	until_some("begins", "ok");
}

static void
what_the_database_dates_back_is_kept_as_its_record_says_its_time(void **unused)
{
	const char *id;
	json_t *row;
	size_t n;

	(void)unused;
	authbed.auth_config.audit_checkpoint = 4;
	authbed.auth_config.audit_keep_us = 3600 * SEC;
	for (int i = 0; i < 8; i++)
		assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	loop_run_until(authbed.loop, is_idle, NULL, 5 * SEC);
	assert_true(count("checkpoint", "ok") > 0);
	json_object_foreach(rows(), id, row)
	    json_object_set_new(row, "created_at", json_string("2001-01-01T00:00:00.000000Z"));
	n = json_object_size(rows());
	test_expect_log(LOG_WARN, 1);
	audit_reload(authbed.auth.audit); /* looks now */
	authbed_pass(300 * MS);
	assert_int_equal(count("begins", "ok"), 0);
	assert_int_equal(json_object_size(rows()), n);
}

/* As who can write the database, and has no key of ours. */
static void
append_a_permission_of_another_key(void)
{
	struct arena *a = arena_new(1 << 20);
	struct jws_key *key = jws_key_generate(JWS_ES256);
	char id[UUID_LEN], number[AUDIT_NUMBER_LEN], hash[AUDIT_HASH_LEN], *text, *payload;
	size_t n = json_object_size(rows());
	struct audit_event e = { .kind = "begins", .outcome = "ok", .begins = n };
	json_t *jwk;
	char *canonical;
	struct jw w;

	jw_start(&w, a, 256);
	jws_key_jwk(key, &w);
	jwk = json_loads(jw_text(&w, NULL), 0, NULL);
	e.key = canonical = audit_canonical(jwk);
	json_decref(jwk);
	audit_number_id(n, number);
	payload = arena_printf(a, "{\"begins\":%zu,\"hash\":\"%s\",\"number\":%zu}", n,
	    json_string_value(json_object_get(json_object_get(rows(), number), "hash")), n);
	e.jws = jws_sign(a, key, "audit-checkpoint+jwt", payload, strlen(payload));
	uuid7(id);
	text = audit_record_text(a, audit_event_text(a, &e, id, time_wall_us()), n + 1,
	    json_string_value(json_object_get(json_object_get(rows(), number), "hash")));
	audit_record_hash(text, strlen(text), hash);
	audit_number_id(n + 1, number);
	memdb_put(&authbed.db, "audit", number,
	    json_pack("{s:s,s:s,s:o,s:s}", "kind", "begins", "outcome", "ok", "record",
		json_loads(text, 0, NULL), "hash", hash));
	free(canonical);
	jws_key_free(&key);
	arena_free(&a);
}

static void
a_beginning_that_a_strange_key_permits_is_none_though_ours_signs_what_is_behind_it(void **unused)
{
	char number[AUDIT_NUMBER_LEN];
	size_t before;

	(void)unused;
	authbed.auth_config.audit_checkpoint = 4;
	for (int i = 0; i < 6; i++)
		assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	loop_run_until(authbed.loop, is_idle, NULL, 5 * SEC);
	before = count("checkpoint", "ok");
	assert_true(before > 0);
	append_a_permission_of_another_key();
	for (int i = 0; i < 6; i++)
		assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	loop_run_until(authbed.loop, is_idle, NULL, 5 * SEC);
	assert_true(count("checkpoint", "ok") > before);
	assert_string_equal(problem(), "");
	audit_number_id(1, number);
	json_object_del(rows(), number);
	assert_non_null(strstr(problem(), "which no signed record permits"));
}

static void
without_signatures_nothing_waits_and_later_there_is_one(void **unused)
{
	(void)unused;
	authbed.auth_config.audit_checkpoint = 2;
	for (int i = 0; i < 3; i++)
		assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	authbed.jwt.down = true; /* oauth signs in its place */
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	until_recorded("login", "ok", 4);
	assert_true(count("checkpoint", "ok") >= 1);
	assert_string_equal(problem(), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(a_log_in_and_a_refusal_are_in_the_log_when_they_are_answered),
		BED(a_name_that_nobody_has_is_not_recorded),
		BED(a_write_is_in_the_log_before_it_is_made_and_again_with_its_outcome),
		BED(a_record_whose_answer_was_lost_is_there_once),
		BED(a_batch_that_its_own_call_ended_is_sent_again),
		BED(of_two_writers_each_goes_on_behind_the_other),
		BED(while_the_log_is_away_nobody_gets_in_and_refusals_wait_in_a_file),
		BED(what_was_in_the_file_when_we_were_killed_is_appended_once),
		BED(half_a_line_in_the_file_costs_no_other),
		BED(what_was_counted_is_in_the_log_when_we_stop),
		BED(a_queue_that_is_full_loses_no_count),
		BED(checkpoints_are_signed_and_what_is_older_than_its_time_goes_up_to_one),
		BED(a_look_for_what_is_old_that_its_own_call_ended_is_made_again),
		BED(what_the_database_dates_back_is_kept_as_its_record_says_its_time),
		BED(a_beginning_that_a_strange_key_permits_is_none_though_ours_signs_what_is_behind_it),
		BED(without_signatures_nothing_waits_and_later_there_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

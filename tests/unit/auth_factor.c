/* auth: the second factor: enrolled, asked for at log-in, used once, recovered, reset. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/jwt/factor.h"
#include "auth/jwt/ticket.h"
#include "base/time.h"
#include "harness/authbed.h"

#define PASSWORD "what she alone knows"
#define FACTOR   "018f0000-0000-7000-8000-0000000000f1"
#define OTHER    "018f0000-0000-7000-8000-0000000000f2"
#define OPER     "018f0000-0000-7000-8000-0000000000c1"

static struct target *jwt; /* asked directly, as auth does */

static int
start(void **state)
{
	static const char *const members[] = { "jwt", "oauth", NULL };
	int failed = authbed_start(state);

	jwt = target_new(authbed.bus,
	    &(const struct target_def){ .service = &mf__jwt__descriptor, .members = members });
	return failed;
}
#define START(f) cmocka_unit_test_setup_teardown(f, start, authbed_stop)

struct enrolled {
	char session[JWS_TOKEN_MAX + 1];
	uint8_t secret[TOTP_SECRET];
	char recovery[RECOVERY_CODES][RECOVERY_LEN];
	int64_t step; /* the present one, at first */
};

static void
unbase32(const char *text, uint8_t out[TOTP_SECRET])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint64_t bits = 0;
	size_t have = 0, n = 0;

	for (; *text != '\0'; text++) {
		bits = bits << 5 | (uint64_t)(strchr(alphabet, *text) - alphabet);
		have += 5;
		if (have >= 8)
			out[n++] = (uint8_t)(bits >> (have -= 8));
	}
	assert_int_equal(n, TOTP_SECRET);
}

static const char *
code(const struct enrolled *e, int step)
{
	static char text[4][8];
	static unsigned at;
	char *out = text[at++ % 4];

	(void)snprintf(
	    out, 8, "%06u", totp_hotp(e->secret, TOTP_SECRET, (uint64_t)(e->step + step)));
	return out;
}

static void
take_shown(struct enrolled *e, const char *text)
{
	json_t *v = json_loads(text, 0, NULL);
	const char *secret = json_string_value(json_object_get(v, "secret"));

	assert_non_null(secret);
	unbase32(secret, e->secret);
	for (size_t i = 0; i < RECOVERY_CODES; i++)
		(void)snprintf(e->recovery[i], RECOVERY_LEN, "%s",
		    json_string_value(json_array_get(json_object_get(v, "recovery_codes"), i)));
	json_decref(v);
}

static struct account
begin_factor(const char *session, const char *id)
{
	return ACCOUNT(CREATE, .model = "my.factor", .id = id, .token = session,
	    .data = "{\"kind\":\"totp\"}");
}

static struct account
confirm(const char *session, const char *id, const char *with, const char *operation)
{
	char data[60];

	(void)snprintf(data, sizeof(data), "{\"code\":\"%s\"}", with);
	return ACCOUNT(UPDATE, .model = "my.factor", .id = id, .token = session, .data = data,
	    .operation = operation);
}

static void
begin_vera(struct enrolled *e)
{
	struct account o;

	add_user("vera", PASSWORD, "viewer");
	(void)snprintf(e->session, sizeof(e->session), "%s", try_login("vera", PASSWORD).access);
	o = begin_factor(e->session, FACTOR);
	assert_int_equal(o.status, ST_OK);
	e->step = time_wall_us() / TOTP_STEP_US;
	take_shown(e, o.text);
}

/* The codes of the steps behind the present one are hers to use. */
static void
enrol_vera(struct enrolled *e)
{
	begin_vera(e);
	assert_int_equal(confirm(e->session, FACTOR, code(e, 0), NULL).status, ST_OK);
	json_object_set_new(memdb_row(&authbed.db, "factor", FACTOR), "last_step", json_integer(0));
}

static struct attempt
login(const char *otp, const char *operation)
{
	return try_login_with("vera", PASSWORD, otp, operation);
}

/* --- enrolling --- */

static void
a_factor_is_shown_once_and_counts_when_it_was_confirmed(void **unused)
{
	struct enrolled e;
	struct account o;

	(void)unused;
	begin_vera(&e);
	assert_int_equal(login("", NULL).status, ST_OK); /* not confirmed yet */
	o = ACCOUNT(READ_ONE, .model = "my.factor", .id = FACTOR, .token = e.session);
	assert_non_null(strstr(o.text, "\"confirmed\":false"));
	assert_null(strstr(o.text, "secret"));
	assert_null(strstr(o.text, "recovery_codes"));
	o = confirm(e.session, FACTOR, "000000", NULL);
	assert_int_equal(o.status, ST_INVALID_ARGUMENT);
	assert_string_equal(o.field, "/code");
	o = confirm(e.session, FACTOR, code(&e, 0), NULL);
	assert_int_equal(o.status, ST_OK);
	assert_non_null(strstr(o.text, "\"recovery_left\":10"));
	assert_null(strstr(o.text, "secret"));
	REFUSED(login("", NULL), ST_UNAUTHENTICATED, "SECOND_FACTOR");
	REFUSED(login(code(&e, 0), NULL), ST_UNAUTHENTICATED, "BAD_OTP"); /* it confirmed */
	assert_int_equal(login(code(&e, 1), NULL).status, ST_OK);
}

static void
what_is_stored_is_sealed_and_hashed(void **unused)
{
	struct enrolled e;
	char *row, base32[TOTP_TEXT_LEN];

	(void)unused;
	begin_vera(&e);
	row = json_dumps(memdb_row(&authbed.db, "factor", FACTOR), 0);
	totp_base32(e.secret, sizeof(e.secret), base32);
	assert_null(strstr(row, base32));
	for (size_t i = 0; i < RECOVERY_CODES; i++)
		assert_null(strstr(row, e.recovery[i]));
	assert_non_null(strstr(row, "\"secret\": \"v1."));
	free(row);
}

static void
a_create_that_is_repeated_shows_the_same_and_another_one_replaces_it_until_it_is_confirmed(
    void **unused)
{
	struct enrolled e, again, other;

	(void)unused;
	begin_vera(&e);
	take_shown(&again, begin_factor(e.session, FACTOR).text);
	assert_memory_equal(again.secret, e.secret, TOTP_SECRET);
	assert_memory_equal(again.recovery, e.recovery, sizeof(e.recovery));
	take_shown(&other, begin_factor(e.session, OTHER).text);
	assert_memory_not_equal(other.secret, e.secret, TOTP_SECRET);
	other.step = e.step;
	assert_int_equal(memdb_count(&authbed.db, "factor"), 1);
	REFUSED(confirm(e.session, FACTOR, code(&e, 0), NULL), ST_NOT_FOUND, "");
	assert_int_equal(confirm(e.session, OTHER, code(&other, 0), NULL).status, ST_OK);
	REFUSED(begin_factor(e.session, FACTOR), ST_ALREADY_EXISTS, "FACTOR_EXISTS");
	REFUSED(begin_factor(e.session, OTHER), ST_ALREADY_EXISTS, "SHOWN_BEFORE");
}

static void
a_confirmation_whose_answer_was_lost_is_one_and_a_second_one_is_refused(void **unused)
{
	struct enrolled e;

	(void)unused;
	begin_vera(&e);
	authbed.db.lose_answers = 1;
	assert_int_equal(confirm(e.session, FACTOR, code(&e, 0), OPER).status, ST_OK);
	authbed.jwt.down = true; /* and once more, at the stand-in */
	assert_int_equal(confirm(e.session, FACTOR, code(&e, 0), OPER).status, ST_OK);
	REFUSED(confirm(e.session, FACTOR, code(&e, 1), NULL), ST_FAILED_PRECONDITION,
	    "FACTOR_CONFIRMED");
}

static void
a_log_in_of_an_hour_ago_needs_the_password_once_more(void **unused)
{
	struct attempt o;
	struct account a;

	(void)unused;
	add_user("vera", PASSWORD, "viewer");
	o = try_login("vera", PASSWORD);
	a = ACCOUNT(CREATE, .model = "my.factor", .id = FACTOR, .token = o.access, .aged = true,
	    .data = "{\"kind\":\"totp\"}");
	assert_int_equal(a.status, ST_INVALID_ARGUMENT);
	assert_string_equal(a.field, "/password");
	for (int i = 0; i < 5; i++) {
		a = ACCOUNT(CREATE, .model = "my.factor", .id = FACTOR, .token = o.access,
		    .aged = true, .data = "{\"kind\":\"totp\",\"password\":\"a guess\"}");
		assert_string_equal(a.field, "/password");
		assert_null(strstr(a.message, "guess"));
	}
	a = ACCOUNT(CREATE, .model = "my.factor", .id = FACTOR, .token = o.access, .aged = true,
	    .data = "{\"kind\":\"totp\",\"password\":\"" PASSWORD "\"}");
	REFUSED(a, ST_RESOURCE_EXHAUSTED, "PROOF_LIMIT");
	o = try_login("vera", PASSWORD); /* the guesses of one session are not another's */
	a = ACCOUNT(CREATE, .model = "my.factor", .id = FACTOR, .token = o.access, .aged = true,
	    .data = "{\"kind\":\"totp\",\"password\":\"" PASSWORD "\"}");
	assert_int_equal(a.status, ST_OK);
}

/* --- logging in --- */

static void
the_right_otp_makes_a_session_of_two_factors(void **unused)
{
	struct enrolled e;
	struct attempt o;
	Mf__Principal *p;

	(void)unused;
	enrol_vera(&e);
	o = login(code(&e, 1), NULL);
	assert_int_equal(o.status, ST_OK);
	p = principal_of(o.access);
	assert_int_equal(p->n_methods, 3);
	assert_string_equal(p->methods[0], "pwd");
	assert_string_equal(p->methods[1], "otp");
	assert_string_equal(p->methods[2], "mfa");
	assert_true((int64_t)p->authenticated_at > time_wall_us() - 60 * SEC);
	mf__principal__free_unpacked(p, NULL);
}

static void
without_the_right_password_the_second_factor_is_not_spoken_of(void **unused)
{
	struct enrolled e;

	(void)unused;
	enrol_vera(&e);
	REFUSED(
	    try_login_with("vera", "a wrong one", "", NULL), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	REFUSED(try_login_with("vera", "a wrong one", code(&e, 1), NULL), ST_UNAUTHENTICATED,
	    "BAD_CREDENTIALS");
	REFUSED(try_login_with("nobody", PASSWORD, code(&e, 1), NULL), ST_UNAUTHENTICATED,
	    "BAD_CREDENTIALS");
	REFUSED(login("000000", NULL), ST_UNAUTHENTICATED, "BAD_OTP");
	REFUSED(login("rubbish", NULL), ST_UNAUTHENTICATED, "BAD_OTP");
	assert_int_equal(login(code(&e, 1), NULL).status, ST_OK); /* nothing used it up */
}

/* All are under way before one has read the row. */
static unsigned
race(const char *otp)
{
	static struct attempt all[6];
	unsigned won = 0;

	for (size_t i = 0; i < 6; i++)
		try_login_with_start(&all[i], "vera", PASSWORD, otp, NULL);
	for (size_t i = 0; i < 6; i++) {
		try_await(&all[i]);
		if (all[i].status == ST_OK)
			won++;
		else
			REFUSED(all[i], ST_UNAUTHENTICATED, "BAD_OTP");
	}
	return won;
}

static void
of_many_log_ins_with_one_code_one_wins(void **unused)
{
	struct enrolled e;

	(void)unused;
	enrol_vera(&e);
	assert_int_equal(race(code(&e, 1)), 1);
	REFUSED(login(code(&e, 1), NULL), ST_UNAUTHENTICATED, "BAD_OTP");
	REFUSED(login(code(&e, 0), NULL), ST_UNAUTHENTICATED, "BAD_OTP"); /* older than it */
}

static int64_t used_step;

static void
somebody_uses_it(struct memdb *db)
{
	json_t *row = memdb_row(db, "factor", FACTOR);

	json_object_set_new(row, "last_step", json_integer(used_step));
	json_object_set_new(
	    row, "version", json_integer(json_integer_value(json_object_get(row, "version")) + 1));
}

/* Between our read of the row and our write. */
static void
who_finds_another_version_judges_anew(void **unused)
{
	struct enrolled e;

	(void)unused;
	enrol_vera(&e);
	used_step = e.step - 1;
	authbed.db.before_write = somebody_uses_it;
	assert_int_equal(login(code(&e, 0), NULL).status, ST_OK);
	used_step = e.step + 1;
	authbed.db.before_write = somebody_uses_it;
	REFUSED(login(code(&e, 1), NULL), ST_UNAUTHENTICATED, "BAD_OTP");
}

static void
of_many_log_ins_with_one_recovery_code_one_wins(void **unused)
{
	struct enrolled e;

	(void)unused;
	enrol_vera(&e);
	assert_int_equal(race(e.recovery[3]), 1);
	assert_int_equal(
	    json_array_size(json_object_get(memdb_row(&authbed.db, "factor", FACTOR), "recovery")),
	    RECOVERY_CODES - 1);
	for (size_t i = 0; i < RECOVERY_CODES; i++)
		if (i != 3)
			assert_int_equal(login(e.recovery[i], NULL).status, ST_OK);
	REFUSED(login(e.recovery[3], NULL), ST_UNAUTHENTICATED, "BAD_OTP");
	assert_int_equal(login(code(&e, 1), NULL).status, ST_OK);
}

static void
a_log_in_whose_answers_were_lost_is_the_same_one_at_the_stand_in(void **unused)
{
	struct enrolled e;
	struct attempt first, again;

	(void)unused;
	enrol_vera(&e);
	authbed.db.lose_answers = 1; /* of using the code up */
	first = login(code(&e, 1), OPER);
	assert_int_equal(first.status, ST_OK);
	authbed.jwt.down = true;
	again = login(code(&e, 1), OPER);
	assert_int_equal(again.status, ST_OK);
	assert_string_equal(again.refresh, first.refresh);
	REFUSED(login(code(&e, 1), NULL), ST_UNAUTHENTICATED, "BAD_OTP");
}

static void
a_recovery_code_whose_answer_was_lost_is_used_once_and_answered_again(void **unused)
{
	struct enrolled e;

	(void)unused;
	enrol_vera(&e);
	authbed.db.lose_answers = 1;
	assert_int_equal(login(e.recovery[0], OPER).status, ST_OK);
	authbed.jwt.down = true;
	assert_int_equal(login(e.recovery[0], OPER).status, ST_OK);
	REFUSED(login(e.recovery[0], NULL), ST_UNAUTHENTICATED, "BAD_OTP");
}

static void
nothing_is_decided_without_the_store_or_the_sealing_key(void **unused)
{
	struct enrolled e;

	(void)unused;
	enrol_vera(&e);
	json_object_set_new(memdb_row(&authbed.db, "factor", FACTOR), "secret",
	    json_string("v1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
	test_expect_log(LOG_ERROR, 2); /* jwt tried, and oauth in its place */
	REFUSED(login(code(&e, 1), NULL), ST_UNAVAILABLE, "FACTOR_UNREADABLE");
	assert_int_equal(login(e.recovery[0], NULL).status, ST_OK);
}

/* --- in two steps, and demanded --- */

static Mf__Authenticated *proven;

static void
on_authenticated(const Mf__Authenticated *m, void *ctx)
{
	struct attempt *o = ctx;
	Mf__Empty done = MF__EMPTY__INIT;

	if (m != NULL) {
		size_t n = mf__authenticated__get_packed_size(m);
		uint8_t *p = malloc(n);

		mf__authenticated__pack(m, p);
		proven = mf__authenticated__unpack(NULL, n, p);
		free(p);
		call_reply(o->call, &done.base);
	} else {
		call_fail_with(o->call, rpc_failure(o->rpc));
	}
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct attempt *o = ctx;

	(void)c;
	o->done = true;
	if (end->failure != NULL) {
		o->status = end->failure->status;
		(void)snprintf(o->reason, sizeof(o->reason), "%s", end->failure->reason);
	}
}

/* Asked of jwt itself, as auth does. */
static struct attempt
authenticate(const Mf__Credentials *q, const char *operation)
{
	char password[200], otp[40];
	Mf__Credentials copy = *q;
	struct attempt o = { 0 };

	if (proven != NULL)
		mf__authenticated__free_unpacked(proven, NULL);
	proven = NULL;
	(void)snprintf(password, sizeof(password), "%s", q->password);
	(void)snprintf(otp, sizeof(otp), "%s", q->otp);
	copy.password = password;
	copy.otp = otp;
	o.call = call_root(authbed.bus,
	    &(struct call_opts){
		.limit_us = 20 * SEC, .done = on_end, .ctx = &o, .operation_id = operation });
	o.rpc = rpc_new(o.call, jwt, NULL);
	mf__jwt__authenticate(&o.rpc->service, &copy, on_authenticated, &o);
	try_await(&o);
	return o;
}

static Mf__Credentials
of_vera(void)
{
	Mf__Credentials q = MF__CREDENTIALS__INIT;

	q.username = (char *)(uintptr_t) "vera";
	q.password = (char *)(uintptr_t)PASSWORD;
	return q;
}

static void
authenticate_proves_who_he_is_and_makes_no_session(void **unused)
{
	Mf__Credentials q = of_vera();

	(void)unused;
	add_user("vera", PASSWORD, "viewer");
	assert_int_equal(authenticate(&q, NULL).status, ST_OK);
	assert_string_equal(proven->username, "vera");
	assert_int_equal(proven->user_version, 1);
	assert_int_equal(proven->n_methods, 1);
	assert_string_equal(proven->methods[0], "pwd");
	assert_string_equal(proven->ticket, "");
	assert_int_equal(memdb_count(&authbed.db, "session"), 0);
	q.password = (char *)(uintptr_t) "a wrong one";
	REFUSED(authenticate(&q, NULL), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
}

static void
in_two_steps_the_first_gives_a_ticket_and_the_second_takes_it(void **unused)
{
	Mf__Credentials q = of_vera(), second = MF__CREDENTIALS__INIT;
	struct enrolled e;
	char ticket[1000];

	(void)unused;
	enrol_vera(&e);
	REFUSED(authenticate(&q, NULL), ST_UNAUTHENTICATED, "SECOND_FACTOR");
	q.stepwise = true;
	assert_int_equal(authenticate(&q, NULL).status, ST_OK);
	assert_string_equal(proven->user_id, "");
	assert_int_equal(proven->n_methods, 0);
	(void)snprintf(ticket, sizeof(ticket), "%s", proven->ticket);
	second.username = q.username;
	second.ticket = ticket;
	second.otp = (char *)(uintptr_t) "000000";
	REFUSED(authenticate(&second, NULL), ST_UNAUTHENTICATED, "BAD_OTP");
	second.otp = (char *)(uintptr_t)code(&e, 1);
	assert_int_equal(authenticate(&second, NULL).status, ST_OK);
	assert_int_equal(proven->n_methods, 3);
	assert_string_not_equal(proven->user_id, "");
	second.username = (char *)(uintptr_t) "admin"; /* another's ticket */
	REFUSED(authenticate(&second, NULL), ST_UNAUTHENTICATED, "TICKET_INVALID");
	second.username = (char *)(uintptr_t) "no such name";
	REFUSED(authenticate(&second, NULL), ST_UNAUTHENTICATED, "TICKET_INVALID");
	second.username = q.username;
	ticket[strlen(ticket) - 3] ^= 1;
	REFUSED(authenticate(&second, NULL), ST_UNAUTHENTICATED, "TICKET_INVALID");
}

static void
a_ticket_of_an_account_that_was_changed_since_is_none(void **unused)
{
	Mf__Credentials q = of_vera(), second = MF__CREDENTIALS__INIT;
	struct enrolled e;
	char ticket[1000];

	(void)unused;
	enrol_vera(&e);
	q.stepwise = true;
	assert_int_equal(authenticate(&q, NULL).status, ST_OK);
	(void)snprintf(ticket, sizeof(ticket), "%s", proven->ticket);
	assert_int_equal(ACCOUNT(UPDATE, .model = "user",
			     .id = json_string_value(json_object_get(user_named("vera"), "id")),
			     .data = "{\"password\":\"another that she knows\"}")
			     .status,
	    ST_OK);
	second.username = q.username;
	second.ticket = ticket;
	second.otp = (char *)(uintptr_t)code(&e, 1);
	REFUSED(authenticate(&second, NULL), ST_UNAUTHENTICATED, "TICKET_INVALID");
}

static void
where_a_factor_is_demanded_who_has_none_is_refused(void **unused)
{
	Mf__Credentials q = of_vera();

	(void)unused;
	add_user("vera", PASSWORD, "viewer");
	q.demand_factor = true;
	REFUSED(authenticate(&q, NULL), ST_PERMISSION_DENIED, "FACTOR_UNAVAILABLE");
	q.password = (char *)(uintptr_t) "a wrong one";
	REFUSED(authenticate(&q, NULL), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* In turns; medians within a factor of three. The words tell the two apart, the time does not help to
 * guess either. */
static void
a_wrong_otp_costs_what_a_wrong_password_costs(void **unused)
{
	static int64_t took[2][31];
	struct enrolled e;

	(void)unused;
	log_set_level(LOG_ERROR);
	authbed.auth_config.login_failures = 100000;
	enrol_vera(&e);
	for (size_t i = 0; i < 31; i++) {
		took[0][i] = try_login_with("vera", "a wrong one", "000000", NULL).took_us;
		took[1][i] = login("000000", NULL).took_us;
	}
	for (size_t k = 0; k < 2; k++)
		qsort(took[k], 31, sizeof(took[k][0]), compare);
	assert_true(took[0][15] < 3 * took[1][15]);
	assert_true(took[1][15] < 3 * took[0][15]);
	log_set_level(LOG_INFO);
}

/* --- the end of it --- */

static void
it_is_removed_by_the_password_or_a_code_and_not_without(void **unused)
{
	struct enrolled e;
	struct account o;
	char data[60];

	(void)unused;
	enrol_vera(&e);
	o = ACCOUNT(DELETE, .model = "my.factor", .id = FACTOR, .token = e.session);
	assert_string_equal(o.field, "/password");
	o = ACCOUNT(DELETE, .model = "my.factor", .id = FACTOR, .token = e.session,
	    .data = "{\"password\":\"a wrong one\"}");
	assert_string_equal(o.field, "/password");
	o = ACCOUNT(DELETE, .model = "my.factor", .id = FACTOR, .token = e.session,
	    .data = "{\"code\":\"000000\"}");
	assert_string_equal(o.field, "/code");
	(void)snprintf(data, sizeof(data), "{\"code\":\"%s\"}", e.recovery[1]);
	authbed.db.lose_answers = 1;
	o = ACCOUNT(DELETE, .model = "my.factor", .id = FACTOR, .token = e.session, .data = data,
	    .operation = OPER);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(memdb_count(&authbed.db, "factor"), 0);
	o = ACCOUNT(DELETE, .model = "my.factor", .id = FACTOR, .token = e.session, .data = data,
	    .operation = OPER);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(login("", NULL).status, ST_OK);
}

static void
somebody_confirms_it(struct memdb *db)
{
	json_t *row = memdb_row(db, "factor", FACTOR);

	json_object_set_new(row, "confirmed", json_true());
	json_object_set_new(row, "version", json_integer(2));
}

static void
one_that_is_being_confirmed_is_not_removed_without_a_proof(void **unused)
{
	struct enrolled e;

	(void)unused;
	begin_vera(&e);
	authbed.db.before_write = somebody_confirms_it;
	REFUSED(ACCOUNT(DELETE, .model = "my.factor", .id = FACTOR, .token = e.session), ST_ABORTED,
	    "VERSION_CONFLICT");
	assert_int_equal(memdb_count(&authbed.db, "factor"), 1);
}

static void
an_administrator_sees_and_resets_it_but_never_one_beyond_his_own(void **unused)
{
	struct enrolled e;
	struct account o;

	(void)unused;
	memdb_put(&authbed.db, "role", "clerk",
	    json_pack("{s:[s],s:[]}", "permissions", "factor.*", "inherits"));
	enrol_vera(&e);
	o = ACCOUNT(QUERY_MANY, .model = "factor");
	assert_non_null(strstr(o.text, FACTOR));
	assert_null(strstr(o.text, "secret"));
	assert_null(strstr(o.text, "v1."));
	REFUSED(ACCOUNT(UPDATE, .model = "factor", .id = FACTOR, .data = "{}"), ST_INVALID_ARGUMENT,
	    "VALIDATION");
	REFUSED(ACCOUNT(DELETE, .model = "factor", .id = FACTOR, .as = "nothing"),
	    ST_PERMISSION_DENIED, "BEYOND_OWN");
	assert_int_equal(ACCOUNT(DELETE, .model = "factor", .id = FACTOR).status, ST_OK);
	assert_int_equal(login("", NULL).status, ST_OK);
}

static void
another_s_factor_is_as_good_as_none(void **unused)
{
	struct enrolled e;
	struct attempt other;

	(void)unused;
	enrol_vera(&e);
	add_user("otto", PASSWORD, "viewer");
	other = try_login("otto", PASSWORD);
	REFUSED(ACCOUNT(READ_ONE, .model = "my.factor", .id = FACTOR, .token = other.access),
	    ST_NOT_FOUND, "");
	REFUSED(ACCOUNT(DELETE, .model = "my.factor", .id = FACTOR, .token = other.access,
		    .data = "{\"password\":\"" PASSWORD "\"}"),
	    ST_NOT_FOUND, "");
	REFUSED(confirm(other.access, FACTOR, code(&e, 1), NULL), ST_NOT_FOUND, "");
	assert_null(
	    strstr(ACCOUNT(QUERY_MANY, .model = "my.factor", .token = other.access).text, FACTOR));
	assert_int_equal(memdb_count(&authbed.db, "factor"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		START(a_factor_is_shown_once_and_counts_when_it_was_confirmed),
		START(what_is_stored_is_sealed_and_hashed),
		START(
		    a_create_that_is_repeated_shows_the_same_and_another_one_replaces_it_until_it_is_confirmed),
		START(a_confirmation_whose_answer_was_lost_is_one_and_a_second_one_is_refused),
		START(a_log_in_of_an_hour_ago_needs_the_password_once_more),
		START(the_right_otp_makes_a_session_of_two_factors),
		START(without_the_right_password_the_second_factor_is_not_spoken_of),
		START(of_many_log_ins_with_one_code_one_wins),
		START(who_finds_another_version_judges_anew),
		START(of_many_log_ins_with_one_recovery_code_one_wins),
		START(a_log_in_whose_answers_were_lost_is_the_same_one_at_the_stand_in),
		START(a_recovery_code_whose_answer_was_lost_is_used_once_and_answered_again),
		START(nothing_is_decided_without_the_store_or_the_sealing_key),
		START(authenticate_proves_who_he_is_and_makes_no_session),
		START(in_two_steps_the_first_gives_a_ticket_and_the_second_takes_it),
		START(a_ticket_of_an_account_that_was_changed_since_is_none),
		START(where_a_factor_is_demanded_who_has_none_is_refused),
		START(a_wrong_otp_costs_what_a_wrong_password_costs),
		START(it_is_removed_by_the_password_or_a_code_and_not_without),
		START(one_that_is_being_confirmed_is_not_removed_without_a_proof),
		START(an_administrator_sees_and_resets_it_but_never_one_beyond_his_own),
		START(another_s_factor_is_as_good_as_none),
	};

	return TEST_RUN(tests);
}

/* keyring, keyfile, rotation, seal: the signing keys on disk, sealed, taken over from older versions,
 * made and retired on schedule by two who don't talk to each other. */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "auth/jwt/keyfile.h"
#include "auth/jwt/keyring.h"
#include "auth/jwt/once.h"
#include "base/time.h"
#include "harness/jwk.h"
#include "harness/test.h"

#define DAY  (86400 * SEC)
#define HOUR (3600 * SEC)

static const struct rotation monthly = { 30 * DAY, HOUR };

static struct arena *a;
static struct seal *seal;
static const char *dir;
static char err[400];

static int
start(void **state)
{
	assert_true(sodium_init() >= 0);
	a = arena_new(1 << 20);
	dir = arena_printf(a, "%s/signing", test_dir());
	seal = seal_load(arena_printf(a, "%s/seal.key", test_dir()), err, sizeof(err));
	assert_non_null(seal);
	return test_log_mark(state);
}

static int
stop(void **state)
{
	assert_int_equal(system(arena_printf(a, "rm -rf %s", dir)), 0);
	seal_free(&seal);
	arena_free(&a);
	return test_log_check(state);
}
#define K(f) cmocka_unit_test_setup_teardown(f, start, stop)

static struct keyring *
open_with(enum jws_alg alg, struct rotation rotation)
{
	return keyring_open(
	    &(const struct keyring_opts){
		.dir = dir, .seal = seal, .alg = alg, .rotation = rotation },
	    err, sizeof(err));
}

static struct keyring *
open_ring(enum jws_alg alg)
{
	struct keyring *r = open_with(alg, monthly);

	if (r == NULL)
		fail_msg("%s", err);
	return r;
}

static char *
file_text(const char *name)
{
	size_t n;
	char *secret = once_read(arena_printf(a, "%s/%s", dir, name), 65536, &n, err, sizeof(err));
	char *out = secret == NULL ? NULL : arena_strndup(a, secret, n);

	sodium_free(secret);
	return out;
}

static bool
is_there(const char *name)
{
	return access(arena_printf(a, "%s/%s", dir, name), F_OK) == 0;
}

/* A key as an older version left it, made so long ago. */
static char *
put_plain(const char *name, enum jws_alg alg, int64_t age_us)
{
	struct jws_key *k = jws_key_generate(alg);
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = (time_t)((time_wall_us() - age_us) / SEC) } };
	char pem[JWS_PEM_MAX], *id = arena_strdup(a, jws_key_id(k));
	const char *path = arena_printf(a, "%s/%s", dir, name);
	size_t n = jws_key_pem(k, pem, sizeof(pem));

	assert_true(once_dir(dir, err, sizeof(err)));
	assert_int_equal(once_write(path, pem, n, err, sizeof(err)), ONCE_MADE);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	jws_key_free(&k);
	return id;
}

/* The same of a sealed one. */
static char *
put_sealed(const char *name, enum jws_alg alg, int64_t age_us)
{
	struct keyfile k = { jws_key_generate(alg), time_wall_us() - age_us };
	char *id = arena_strdup(a, jws_key_id(k.key));

	assert_true(once_dir(dir, err, sizeof(err)));
	assert_int_equal(
	    keyfile_write(arena_printf(a, "%s/%s", dir, name), seal, &k, err, sizeof(err)),
	    ONCE_MADE);
	jws_key_free(&k.key);
	return id;
}

/* --- the seal --- */

static void
what_is_sealed_opens_for_its_purpose_and_name_alone_and_never_when_changed(void **unused)
{
	char *text = seal_text(a, seal, "one", "name", "secret", 6), *open;
	char *again = seal_text(a, seal, "one", "name", "secret", 6);
	size_t n;

	(void)unused;
	assert_string_not_equal(text, again); /* a nonce of its own */
	open = seal_open(seal, "one", "name", text, &n);
	assert_int_equal(n, 6);
	assert_string_equal(open, "secret");
	sodium_free(open);
	assert_null(seal_open(seal, "two", "name", text, &n));
	assert_null(seal_open(seal, "one", "other", text, &n));
	assert_null(seal_open(seal, "one", "name", "", &n));
	assert_null(seal_open(seal, "one", "name", "v1.", &n));
	assert_null(seal_open(seal, "one", "name", text + 3, &n));
	for (size_t i = 0; text[i] != '\0'; i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		assert_null(seal_open(seal, "one", "name", text, &n));
		text[i] = was;
	}
	text = seal_text(a, seal, "one", "name", "", 0);
	open = seal_open(seal, "one", "name", text, &n);
	assert_int_equal(n, 0);
	sodium_free(open);
}

static void
a_sealing_key_is_made_once_and_one_that_others_can_read_is_refused(void **unused)
{
	const char *path = arena_printf(a, "%s/other.key", test_dir());
	struct seal *one = seal_load(path, err, sizeof(err));
	struct seal *two = seal_load(path, err, sizeof(err));
	char *text = seal_text(a, one, "p", "n", "x", 1), *open;
	struct stat st;
	size_t n;

	(void)unused;
	open = seal_open(two, "p", "n", text, &n);
	assert_non_null(open);
	sodium_free(open);
	assert_null(seal_open(seal, "p", "n", text, &n)); /* another key */
	seal_free(&one);
	seal_free(&two);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(chmod(path, 0640), 0);
	assert_null(seal_load(path, err, sizeof(err)));
	assert_non_null(strstr(err, "0600"));
	assert_int_equal(unlink(path), 0);
	/* as openssl rand -hex 32 writes it */
	assert_int_equal(
	    once_write(path, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
		65, err, sizeof(err)),
	    ONCE_MADE);
	one = seal_load(path, err, sizeof(err));
	assert_non_null(one);
	seal_free(&one);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(once_write(path, "short", 5, err, sizeof(err)), ONCE_MADE);
	assert_null(seal_load(path, err, sizeof(err)));
	assert_non_null(strstr(err, "hex digits"));
	assert_int_equal(unlink(path), 0);
}

/* --- the directory --- */

static void
two_who_open_the_same_directory_have_the_same_keys_and_secret(void **unused)
{
	struct keyring *one = open_ring(JWS_ES256), *two = open_ring(JWS_ES256);
	struct stat st;

	(void)unused;
	assert_string_equal(jws_key_id(keyring_signer(one)), jws_key_id(keyring_signer(two)));
	assert_memory_equal(keyring_secret(one), keyring_secret(two), KEYRING_SECRET);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(arena_printf(a, "%s/es256-1.key", dir), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	keyring_close(&one);
	keyring_close(&two);
}

static void
no_secret_lies_in_the_open(void **unused)
{
	struct keyring *r = open_ring(JWS_ES256);
	char hex[2 * KEYRING_SECRET + 1];

	(void)unused;
	assert_true(str_starts(file_text("es256-1.key"), "v1."));
	assert_true(str_starts(file_text("refresh.secret"), "v1."));
	(void)str_hex(keyring_secret(r), KEYRING_SECRET, hex);
	assert_null(strstr(file_text("refresh.secret"), hex));
	keyring_close(&r);
}

static void
of_two_that_make_a_file_one_wins_and_nothing_is_left_over(void **unused)
{
	const char *path = arena_printf(a, "%s/f", dir);
	char *text;
	size_t n;

	(void)unused;
	assert_true(once_dir(dir, err, sizeof(err)));
	assert_int_equal(once_write(path, "first", 5, err, sizeof(err)), ONCE_MADE);
	assert_int_equal(once_write(path, "second", 6, err, sizeof(err)), ONCE_THERE);
	text = once_read(path, 100, &n, err, sizeof(err));
	assert_string_equal(text, "first");
	sodium_free(text);
	assert_int_equal(once_replace(path, "third", 5, err, sizeof(err)), ONCE_MADE);
	text = once_read(path, 100, &n, err, sizeof(err));
	assert_string_equal(text, "third");
	sodium_free(text);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0); /* no temporary file stayed */
	assert_int_equal(once_write(path, "x", 1, err, sizeof(err)), ONCE_FAILED);
	assert_string_not_equal(err, "");
}

static void
what_a_killed_maker_left_is_removed_and_what_is_being_made_is_not(void **unused)
{
	const struct timespec old[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = (time_t)(time_wall_us() / SEC) - 120 } };
	const char *left = arena_printf(a, "%s/es256-2.key.0123.new", dir);
	struct keyring *r;

	(void)unused;
	assert_true(once_dir(dir, err, sizeof(err)));
	assert_int_equal(once_write(left, "x", 1, err, sizeof(err)), ONCE_MADE);
	r = open_ring(JWS_ES256);
	keyring_close(&r);
	assert_true(is_there("es256-2.key.0123.new"));
	assert_int_equal(utimensat(AT_FDCWD, left, old, 0), 0);
	r = open_ring(JWS_ES256);
	assert_false(is_there("es256-2.key.0123.new"));
	assert_int_equal(keyring_size(r), 1);
	keyring_close(&r);
}

static void
keys_that_others_can_read_are_refused(void **unused)
{
	struct keyring *r = open_ring(JWS_ES256);

	(void)unused;
	keyring_close(&r);
	assert_int_equal(chmod(arena_printf(a, "%s/es256-1.key", dir), 0644), 0);
	assert_null(open_with(JWS_ES256, monthly));
	assert_non_null(strstr(err, "0600"));
	assert_int_equal(chmod(arena_printf(a, "%s/es256-1.key", dir), 0600), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_null(open_with(JWS_ES256, monthly));
	assert_non_null(strstr(err, "0700"));
	assert_int_equal(chmod(dir, 0700), 0);
}

static void
a_key_that_was_renamed_or_sealed_by_another_does_not_open(void **unused)
{
	struct keyring *r = open_ring(JWS_ES256);
	struct seal *ours = seal;

	(void)unused;
	keyring_close(&r);
	assert_int_equal(
	    rename(arena_printf(a, "%s/es256-1.key", dir), arena_printf(a, "%s/es256-2.key", dir)),
	    0);
	assert_null(open_with(JWS_ES256, monthly));
	assert_non_null(strstr(err, "sealing key"));
	assert_int_equal(
	    rename(arena_printf(a, "%s/es256-2.key", dir), arena_printf(a, "%s/es256-1.key", dir)),
	    0);
	seal = seal_load(arena_printf(a, "%s/another.key", test_dir()), err, sizeof(err));
	assert_null(open_with(JWS_ES256, monthly));
	assert_non_null(strstr(err, "sealing key"));
	seal_free(&seal);
	seal = ours;
	r = open_ring(JWS_ES256);
	keyring_close(&r);
}

static void
a_change_of_algorithm_adds_a_key_and_the_old_one_still_verifies(void **unused)
{
	static const enum jws_alg algs[] = { JWS_EDDSA, JWS_RS256 };
	struct keyring *old = open_ring(JWS_ES256), *new;
	char *token = jws_sign(a, keyring_signer(old), "t", "{}", 2);
	struct jws t;

	(void)unused;
	keyring_close(&old);
	for (size_t i = 0; i < 2; i++) {
		new = open_ring(algs[i]);
		assert_int_equal(keyring_size(new), i + 2);
		assert_int_equal(jws_key_alg(keyring_signer(new)), algs[i]);
		assert_true(jws_parse(a, str_of(token), &t));
		assert_true(jws_verify(&t, keyring_find(new, t.key_id)));
		keyring_close(&new);
	}
}

static void
a_directory_that_was_changed_is_seen_to_be(void **unused)
{
	const struct timespec before[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = (time_t)(time_wall_us() / SEC) - 10 } };
	struct keyring *r = open_ring(JWS_ES256), *other;

	(void)unused;
	assert_true(keyring_changed(r)); /* it was made just now: nobody can know */
	keyring_close(&r);
	assert_int_equal(utimensat(AT_FDCWD, dir, before, 0), 0);
	r = open_ring(JWS_ES256);
	assert_false(keyring_changed(r));
	other = open_ring(JWS_EDDSA);
	assert_true(keyring_changed(r));
	keyring_close(&other);
	keyring_close(&r);
}

static void
the_key_set_shows_public_parts_only(void **unused)
{
	struct keyring *r = open_ring(JWS_ES256);
	size_t n;
	json_t *v = json_loads(keyring_jwks(r, a, &n), 0, NULL);
	json_t *jwk = json_array_get(json_object_get(v, "keys"), 0);
	struct jws_key *k = jws_key_from_jwk(jwk, err, sizeof(err));
	struct jws t;

	(void)unused;
	assert_non_null(k); /* which it refuses to be with a private part */
	assert_string_equal(
	    json_string_value(json_object_get(jwk, "kid")), jws_key_id(keyring_signer(r)));
	assert_string_equal(json_string_value(json_object_get(jwk, "alg")), "ES256");
	assert_true(jws_parse(a, str_of(jws_sign(a, keyring_signer(r), "t", "{}", 2)), &t));
	assert_true(jws_verify(&t, k));
	jws_key_free(&k);
	json_decref(v);
	keyring_close(&r);
}

/* --- from an older version --- */

static void
plain_keys_and_the_plain_secret_are_taken_over_sealed(void **unused)
{
	static const char hex[] = "00112233445566778899aabbccddeeff"
				  "00112233445566778899aabbccddeeff";
	char *first = put_plain("es256-1.pem", JWS_ES256, 2 * DAY);
	char *second = put_plain("es256-2.pem", JWS_ES256, DAY);
	uint8_t secret[KEYRING_SECRET];
	struct keyring *r;

	(void)unused;
	assert_true(str_unhex(str_of(hex), secret, sizeof(secret)));
	assert_int_equal(
	    once_write(arena_printf(a, "%s/refresh.secret", dir), hex, 64, err, sizeof(err)),
	    ONCE_MADE);
	for (int twice = 0; twice < 2; twice++) {
		r = open_ring(JWS_ES256);
		assert_int_equal(keyring_size(r), 2);
		assert_string_equal(jws_key_id(keyring_signer(r)), second);
		assert_non_null(keyring_find(r, first));
		assert_memory_equal(keyring_secret(r), secret, sizeof(secret));
		keyring_close(&r);
		assert_false(is_there("es256-1.pem") || is_there("es256-2.pem"));
		assert_true(str_starts(file_text("es256-1.key"), "v1."));
		assert_true(str_starts(file_text("refresh.secret"), "v1."));
	}
}

/* Killed between the two: both are there. The next one goes on. */
static void
a_take_over_that_was_cut_short_is_finished(void **unused)
{
	char *id = put_plain("es256-1.pem", JWS_ES256, DAY), *pem = file_text("es256-1.pem");
	struct keyring *r = open_ring(JWS_ES256);

	(void)unused;
	keyring_close(&r);
	assert_int_equal(
	    once_write(arena_printf(a, "%s/es256-1.pem", dir), pem, strlen(pem), err, sizeof(err)),
	    ONCE_MADE);
	r = open_ring(JWS_ES256);
	assert_int_equal(keyring_size(r), 1);
	assert_string_equal(jws_key_id(keyring_signer(r)), id);
	assert_false(is_there("es256-1.pem"));
	keyring_close(&r);
}

static void
another_key_under_the_name_of_a_sealed_one_is_never_lost(void **unused)
{
	struct keyring *r = open_ring(JWS_ES256);

	(void)unused;
	keyring_close(&r);
	(void)put_plain("es256-1.pem", JWS_ES256, 0);
	assert_null(open_with(JWS_ES256, monthly));
	assert_non_null(strstr(err, "another key"));
	assert_true(is_there("es256-1.pem") && is_there("es256-1.key"));
}

static void
a_public_key_that_somebody_put_there_verifies_and_stays_as_it_is(void **unused)
{
	struct jws_key *k = jws_key_generate(JWS_ES256);
	char pem[JWS_PEM_MAX];
	struct keyring *r;
	size_t n = jws_key_public_pem(k, pem, sizeof(pem));

	(void)unused;
	assert_true(once_dir(dir, err, sizeof(err)));
	assert_int_equal(
	    once_write(arena_printf(a, "%s/theirs.pem", dir), pem, n, err, sizeof(err)), ONCE_MADE);
	r = open_ring(JWS_ES256);
	assert_non_null(keyring_find(r, jws_key_id(k)));
	assert_string_not_equal(jws_key_id(keyring_signer(r)), jws_key_id(k));
	assert_true(is_there("theirs.pem"));
	keyring_close(&r);
	jws_key_free(&k);
}

/* --- the schedule --- */

static enum rotation_state
state_of(struct keyring *r, const char *id, int64_t *retires_us)
{
	struct keyring_fact f;

	for (size_t i = 0; keyring_fact(r, i, &f); i++)
		if (strcmp(jws_key_id(f.key), id) == 0) {
			if (retires_us != NULL)
				*retires_us = f.at.retires_us;
			return f.at.state;
		}
	fail_msg("there is no key %s", id);
	return KEY_NEXT;
}

static void
a_key_is_made_ahead_of_its_time_and_signs_when_it_has_come(void **unused)
{
	struct rotation_key k[3] = {
		{ .alg = JWS_ES256, .can_sign = true, .made_us = 1000 * DAY }
	};
	int64_t t = k[0].made_us;

	(void)unused;
	rotation_judge(&monthly, k, 1, JWS_ES256, t);
	assert_int_equal(k[0].state, KEY_SIGNING); /* the first one at once */
	assert_false(rotation_makes(&monthly, k, 1, JWS_ES256, t + 30 * DAY - HOUR - 1));
	assert_true(rotation_makes(&monthly, k, 1, JWS_ES256, t + 30 * DAY - HOUR));
	assert_true(rotation_due(&monthly, k, 1, JWS_ES256, t) == t + 30 * DAY - HOUR);

	k[1] = (struct rotation_key){
		.alg = JWS_ES256, .can_sign = true, .made_us = t + 30 * DAY - HOUR
	};
	t = k[1].made_us;
	rotation_judge(&monthly, k, 2, JWS_ES256, t);
	assert_int_equal(k[0].state, KEY_SIGNING);
	assert_int_equal(k[1].state, KEY_NEXT);
	assert_false(rotation_makes(&monthly, k, 2, JWS_ES256, t));
	assert_true(rotation_due(&monthly, k, 2, JWS_ES256, t) == t + HOUR);
	rotation_judge(&monthly, k, 2, JWS_ES256, t + HOUR);
	assert_int_equal(k[0].state, KEY_VERIFYING);
	assert_int_equal(k[1].state, KEY_SIGNING);
	assert_true(k[0].retires_us == t + HOUR + ROTATION_LIFE_US);
	assert_true(k[1].retires_us == ROTATION_NEVER);
	assert_false(rotation_drops(&k[0], k[0].retires_us - 1));
	assert_true(rotation_drops(&k[0], k[0].retires_us));
}

static void
without_a_rotation_nothing_is_due_and_one_by_hand_has_its_overlap(void **unused)
{
	static const struct rotation never = { 0, HOUR };
	struct rotation_key k[2] = { { .alg = JWS_ES256, .can_sign = true, .made_us = DAY },
		{ .alg = JWS_ES256, .can_sign = true, .made_us = 900 * DAY } };

	(void)unused;
	rotation_judge(&never, k, 1, JWS_ES256, 899 * DAY);
	assert_false(rotation_makes(&never, k, 1, JWS_ES256, 899 * DAY));
	assert_true(rotation_due(&never, k, 1, JWS_ES256, 899 * DAY) == ROTATION_NEVER);
	rotation_judge(&never, k, 2, JWS_ES256, 900 * DAY);
	assert_int_equal(k[0].state, KEY_SIGNING);
	assert_int_equal(k[1].state, KEY_NEXT);
}

/* At any time, whatever the keys: exactly one of the configured algorithm signs, and what signed less
 * than a token's life ago is still there. */
static void
there_is_always_exactly_one_that_signs_through_years_of_rotation(void **unused)
{
	static const struct rotation fast = { 2 * HOUR,
		5 * HOUR }; /* ahead of more than it may be */
	struct rotation_key k[64];
	size_t n = 1;
	int64_t signed_us[64] = { 0 };

	(void)unused;
	k[0] = (struct rotation_key){ .alg = JWS_ES256, .can_sign = true, .made_us = 0 };
	for (int64_t now = 0; now < 400 * HOUR; now += HOUR / 4) {
		size_t signing = 0;

		rotation_judge(&fast, k, n, JWS_ES256, now);
		for (size_t i = 0; i < n; i++) {
			if (k[i].state == KEY_SIGNING) {
				signing++;
				signed_us[i] = now;
			}
			if (rotation_drops(&k[i], now)) {
				assert_true(now - signed_us[i] >= ROTATION_LIFE_US - HOUR / 4);
				memmove(&k[i], &k[i + 1], (n - i - 1) * sizeof(k[0]));
				memmove(&signed_us[i], &signed_us[i + 1],
				    (n - i - 1) * sizeof(signed_us[0]));
				n--;
				i--;
			}
		}
		assert_int_equal(signing, 1);
		if (rotation_makes(&fast, k, n, JWS_ES256, now)) {
			k[n] = (struct rotation_key){
				.alg = JWS_ES256, .can_sign = true, .made_us = now
			};
			signed_us[n++] = 0;
		}
		assert_true(n < KEYRING_MOST);
	}
}

static void
of_two_who_make_the_next_key_at_once_one_does(void **unused)
{
	struct keyring *one, *two;
	struct jws_key *k1 = jws_key_generate(JWS_ES256), *k2 = jws_key_generate(JWS_ES256);
	char *old = put_sealed("es256-7.key", JWS_ES256, 40 * DAY);

	(void)unused;
	one = open_ring(JWS_ES256);
	two = open_ring(JWS_ES256);
	assert_true(keyring_makes(one) && keyring_makes(two));
	assert_int_equal(keyring_add(one, k1, err, sizeof(err)), ONCE_MADE);
	assert_true(is_there("es256-8.key"));
	assert_int_equal(keyring_add(two, k2, err, sizeof(err)), ONCE_THERE);
	assert_false(is_there("es256-9.key"));
	keyring_close(&one);
	one = open_ring(JWS_ES256);
	assert_false(keyring_makes(one));
	assert_true(keyring_has_next(one));
	assert_int_equal(keyring_size(one), 2);
	assert_int_equal(state_of(one, old, NULL), KEY_SIGNING);
	assert_int_equal(state_of(one, jws_key_id(k1), NULL), KEY_NEXT);
	keyring_close(&one);
	keyring_close(&two);
	jws_key_free(&k1);
	jws_key_free(&k2);
}

static void
a_key_of_a_clock_that_was_ahead_holds_no_rotation_up(void **unused)
{
	char *signing = put_sealed("es256-1.key", JWS_ES256, 31 * DAY);
	char *ahead = put_sealed("es256-2.key", JWS_ES256, -40 * DAY);
	struct jws_key *k = jws_key_generate(JWS_ES256);
	struct keyring *r = open_ring(JWS_ES256);
	struct keyring_fact f;

	(void)unused;
	assert_int_equal(state_of(r, signing, NULL), KEY_SIGNING);
	assert_true(keyring_makes(r));
	assert_false(keyring_has_next(r));
	assert_int_equal(keyring_add(r, k, err, sizeof(err)), ONCE_MADE);
	keyring_close(&r);
	r = open_ring(JWS_ES256);
	assert_false(keyring_makes(r));
	assert_true(keyring_has_next(r));
	assert_true(keyring_newest(r, &f));
	assert_string_equal(jws_key_id(f.key), jws_key_id(k));
	assert_int_equal(f.at.state, KEY_NEXT);
	assert_true(f.at.signs_us < time_wall_us() + 2 * HOUR);
	assert_int_equal(state_of(r, signing, NULL), KEY_SIGNING);
	assert_int_equal(state_of(r, ahead, NULL), KEY_NEXT);
	keyring_close(&r);
	jws_key_free(&k);
}

static void
a_key_whose_last_token_has_expired_goes_and_the_newest_never_does(void **unused)
{
	char *gone = put_sealed("es256-1.key", JWS_ES256, 100 * DAY);
	char *verifying = put_sealed("es256-2.key", JWS_ES256, 50 * DAY);
	char *signing = put_sealed("es256-3.key", JWS_ES256, 3 * HOUR);
	char *other = put_sealed("eddsa-1.key", JWS_EDDSA, 900 * DAY);
	struct keyring *r = open_ring(JWS_ES256);
	int64_t retires;

	(void)unused;
	assert_null(keyring_find(r, gone));
	assert_false(is_there("es256-1.key"));
	assert_int_equal(state_of(r, verifying, &retires), KEY_VERIFYING);
	assert_true(retires > time_wall_us() + 20 * HOUR && retires < time_wall_us() + 24 * HOUR);
	assert_int_equal(state_of(r, signing, &retires), KEY_SIGNING);
	assert_true(retires == ROTATION_NEVER);
	assert_int_equal(state_of(r, other, &retires), KEY_VERIFYING);
	assert_true(retires == ROTATION_NEVER);
	assert_string_equal(jws_key_id(keyring_signer(r)), signing);
	keyring_close(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		K(what_is_sealed_opens_for_its_purpose_and_name_alone_and_never_when_changed),
		K(a_sealing_key_is_made_once_and_one_that_others_can_read_is_refused),
		K(two_who_open_the_same_directory_have_the_same_keys_and_secret),
		K(no_secret_lies_in_the_open),
		K(of_two_that_make_a_file_one_wins_and_nothing_is_left_over),
		K(what_a_killed_maker_left_is_removed_and_what_is_being_made_is_not),
		K(keys_that_others_can_read_are_refused),
		K(a_key_that_was_renamed_or_sealed_by_another_does_not_open),
		K(a_change_of_algorithm_adds_a_key_and_the_old_one_still_verifies),
		K(a_directory_that_was_changed_is_seen_to_be),
		K(the_key_set_shows_public_parts_only),
		K(plain_keys_and_the_plain_secret_are_taken_over_sealed),
		K(a_take_over_that_was_cut_short_is_finished),
		K(another_key_under_the_name_of_a_sealed_one_is_never_lost),
		K(a_public_key_that_somebody_put_there_verifies_and_stays_as_it_is),
		K(a_key_is_made_ahead_of_its_time_and_signs_when_it_has_come),
		K(without_a_rotation_nothing_is_due_and_one_by_hand_has_its_overlap),
		K(there_is_always_exactly_one_that_signs_through_years_of_rotation),
		K(of_two_who_make_the_next_key_at_once_one_does),
		K(a_key_of_a_clock_that_was_ahead_holds_no_rotation_up),
		K(a_key_whose_last_token_has_expired_goes_and_the_newest_never_does),
	};

	return TEST_RUN(tests);
}

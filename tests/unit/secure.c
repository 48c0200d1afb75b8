/* secure: key files, the hello that proves both ends, sealed frames. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "bus/frame.h"
#include "bus/secure.h"
#include "harness/test.h"

static const uint8_t ad[FRAME_PREFIX] = { 0, FRAME_SEALED };
static char err[256];

static const char *
in_dir(const char *dir, const char *file)
{
	static char path[4][PATH_MAX];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, PATH_MAX, "%s/%s", dir, file);
	return p;
}

static const char *
keys_of(const char *first, const char *second)
{
	const char *names[] = { first, second };
	const char *dir = test_dir();
	size_t made;

	assert_true(keys_generate(dir, names, 2, &made, err, sizeof(err)));
	assert_int_equal(made, 2);
	return dir;
}

static struct secure_id *
load(const char *dir, const char *key)
{
	struct secure_id *id =
	    secure_load(in_dir(dir, key), in_dir(dir, "trust"), err, sizeof(err));

	assert_non_null(id);
	return id;
}

static Mf__Hello
hello_of(const char *node, uint64_t epoch)
{
	Mf__Hello h = MF__HELLO__INIT;

	h.version = 1;
	h.node = (char *)node;
	h.generation = 3;
	h.epoch = epoch;
	return h;
}

static void
keys_are_made_once_and_kept_by_the_next_run(void **unused)
{
	const char *names[] = { "api", "sql", "cache" };
	const char *dir = keys_of("api", "sql");
	struct secure_id *id;
	struct stat st;
	size_t made;

	(void)unused;
	assert_int_equal(stat(in_dir(dir, "api.key"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(keys_generate(dir, names, 3, &made, err, sizeof(err)));
	assert_int_equal(made, 1);
	id = load(dir, "cache.key");
	assert_string_equal(secure_name(id), "cache");
	secure_unload(&id);
	names[0] = "../api";
	assert_false(keys_generate(dir, names, 1, &made, err, sizeof(err)));
}

static void
a_key_file_that_is_missing_open_to_others_or_malformed_is_refused(void **unused)
{
	const char *dir = keys_of("api", "sql");
	const char *trust = in_dir(dir, "trust");

	(void)unused;
	assert_null(secure_load(in_dir(dir, "none.key"), trust, err, sizeof(err)));
	assert_non_null(strstr(err, "none.key"));
	assert_int_equal(chmod(in_dir(dir, "api.key"), 0644), 0);
	assert_null(secure_load(in_dir(dir, "api.key"), trust, err, sizeof(err)));
	assert_non_null(strstr(err, "chmod 600"));
	assert_null(secure_load(trust, trust, err, sizeof(err)));
	assert_null(secure_load(in_dir(dir, "sql.key"), in_dir(dir, "sql.key"), err, sizeof(err)));
	assert_null(secure_load(in_dir(dir, "sql.key"), dir, err, sizeof(err)));
}

static void
a_name_or_a_key_that_is_in_the_trust_file_twice_is_refused(void **unused)
{
	const char *dir = keys_of("api", "sql");
	char text[1024] = "", doubled[2100];
	FILE *f = fopen(in_dir(dir, "trust"), "re");

	(void)unused;
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	snprintf(doubled, sizeof(doubled), "%s%s", text, text);
	assert_null(
	    secure_load(in_dir(dir, "api.key"), test_file("doubled", doubled), err, sizeof(err)));
	assert_non_null(strstr(err, "twice"));
}

struct pair {
	struct secure_id *a, *b;
	struct secure_link *from_a, *at_b;
};

static void
pair_up(struct pair *p)
{
	const char *dir = keys_of("api", "sql");
	Mf__Hello hello = hello_of("api", 1), welcome = hello_of("sql", 2);
	struct secure_dial *d;

	p->a = load(dir, "api.key");
	p->b = load(dir, "sql.key");
	d = secure_start(p->a, "sql", &hello, err, sizeof(err));
	assert_non_null(d);
	p->at_b = secure_accept(p->b, &hello, &welcome, err, sizeof(err));
	assert_non_null(p->at_b);
	p->from_a = secure_finish(d, &welcome, err, sizeof(err));
	assert_non_null(p->from_a);
	secure_dial_free(&d);
}

static void
pair_free(struct pair *p)
{
	secure_close(&p->from_a);
	secure_close(&p->at_b);
	secure_unload(&p->a);
	secure_unload(&p->b);
}

static void
what_one_end_seals_the_other_opens_and_nobody_twice(void **unused)
{
	uint8_t one[5 + SECURE_SEAL_EXTRA], copy[sizeof(one)];
	const uint8_t *plain;
	struct pair p;
	size_t n;

	(void)unused;
	pair_up(&p);
	for (int i = 0; i < 3; i++) {
		secure_seal(p.from_a, ad, "hello", 5, one);
		memcpy(copy, one, sizeof(one));
		assert_null(memmem(one, sizeof(one), "hello", 5));
		/* reflected */
		assert_false(secure_open(p.from_a, ad, copy, sizeof(copy), &plain, &n));
		memcpy(copy, one, sizeof(one));
		assert_true(secure_open(p.at_b, ad, copy, sizeof(copy), &plain, &n));
		assert_true(n == 5 && memcmp(plain, "hello", 5) == 0);
		memcpy(copy, one, sizeof(one));
		/* replayed */
		assert_false(secure_open(p.at_b, ad, copy, sizeof(copy), &plain, &n));
	}
	secure_seal(p.at_b, ad, "", 0, one);
	assert_true(secure_open(p.from_a, ad, one, SECURE_SEAL_EXTRA, &plain, &n));
	assert_int_equal(n, 0);
	pair_free(&p);
}

static void
a_frame_with_any_bit_changed_left_out_or_out_of_order_does_not_open(void **unused)
{
	uint8_t one[5 + SECURE_SEAL_EXTRA], two[sizeof(one)], copy[sizeof(one)],
	    other[FRAME_PREFIX] = { 0, FRAME_DATA };
	const uint8_t *plain;
	struct pair p;
	size_t n;

	(void)unused;
	pair_up(&p);
	secure_seal(p.from_a, ad, "hello", 5, one);
	secure_seal(p.from_a, ad, "world", 5, two);
	for (size_t bit = 0; bit < 8 * sizeof(one); bit++) {
		memcpy(copy, one, sizeof(one));
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(secure_open(p.at_b, ad, copy, sizeof(copy), &plain, &n));
	}
	for (size_t cut = 0; cut < sizeof(one); cut++) {
		memcpy(copy, one, sizeof(one));
		assert_false(secure_open(p.at_b, ad, copy, cut, &plain, &n));
	}
	memcpy(copy, one, sizeof(one));
	assert_false(secure_open(p.at_b, other, copy, sizeof(copy), &plain, &n));
	memcpy(copy, two, sizeof(two));
	assert_false(secure_open(p.at_b, ad, copy, sizeof(copy), &plain, &n));
	assert_true(secure_open(p.at_b, ad, one, sizeof(one), &plain, &n));
	pair_free(&p);
}

static void
who_is_not_trusted_or_claims_another_name_gets_no_welcome(void **unused)
{
	const char *ours = keys_of("api", "sql"), *theirs = keys_of("api", "sql");
	struct secure_id *a = load(theirs, "api.key"), *b = load(ours, "sql.key"),
			 *real = load(ours, "api.key");
	Mf__Hello hello = hello_of("api", 1), welcome = hello_of("sql", 2);
	struct secure_dial *d = secure_start(a, "sql", &hello, err, sizeof(err));

	(void)unused;
	/* a key of another fleet */
	assert_null(secure_accept(b, &hello, &welcome, err, sizeof(err)));
	assert_non_null(strstr(err, "api"));
	secure_dial_free(&d);
	d = secure_start(real, "sql", &hello, err, sizeof(err));
	hello.node = (char *)"sql";
	assert_null(secure_accept(b, &hello, &welcome, err, sizeof(err)));
	hello.node = (char *)"nobody";
	assert_null(secure_accept(b, &hello, &welcome, err, sizeof(err)));
	hello.node = (char *)"api";
	/* covered by the proof */
	hello.generation++;
	assert_null(secure_accept(b, &hello, &welcome, err, sizeof(err)));
	hello.generation--;
	hello.proof.len--;
	assert_null(secure_accept(b, &hello, &welcome, err, sizeof(err)));
	secure_dial_free(&d);
	assert_null(secure_start(real, "nobody", &hello, err, sizeof(err)));
	secure_unload(&a);
	secure_unload(&b);
	secure_unload(&real);
}

/* Whoever has recorded a hello can send it again; the welcome has a new key, so the recorded frames
 * do not open. */
static void
a_recorded_hello_leads_to_other_keys(void **unused)
{
	const char *dir = keys_of("api", "sql");
	struct secure_id *a = load(dir, "api.key"), *b = load(dir, "sql.key");
	Mf__Hello hello = hello_of("api", 1), welcome = hello_of("sql", 2),
		  again = hello_of("sql", 2);
	struct secure_dial *d = secure_start(a, "sql", &hello, err, sizeof(err));
	struct secure_link *first = secure_accept(b, &hello, &welcome, err, sizeof(err));
	struct secure_link *second = secure_accept(b, &hello, &again, err, sizeof(err));
	struct secure_link *from_a = secure_finish(d, &welcome, err, sizeof(err));
	uint8_t one[5 + SECURE_SEAL_EXTRA];
	const uint8_t *plain;
	size_t n;

	(void)unused;
	assert_true(first != NULL && second != NULL && from_a != NULL);
	secure_seal(from_a, ad, "hello", 5, one);
	assert_false(secure_open(second, ad, one, sizeof(one), &plain, &n));
	secure_dial_free(&d);
	secure_close(&first);
	secure_close(&second);
	secure_close(&from_a);
	secure_unload(&a);
	secure_unload(&b);
}

static void
a_bell_opens_only_with_its_key(void **unused)
{
	uint8_t key[SECURE_KEY], other[SECURE_KEY], out[3 + SECURE_BELL_EXTRA], copy[sizeof(out)];
	const uint8_t *plain;
	size_t n;

	(void)unused;
	secure_bell_key(key);
	secure_bell_key(other);
	secure_bell_seal(key, "abc", 3, out);
	memcpy(copy, out, sizeof(out));
	assert_false(secure_bell_open(other, copy, sizeof(copy), &plain, &n));
	for (size_t cut = 0; cut < sizeof(out); cut++) {
		memcpy(copy, out, sizeof(out));
		assert_false(secure_bell_open(key, copy, cut, &plain, &n));
	}
	assert_true(secure_bell_open(key, out, sizeof(out), &plain, &n));
	assert_true(n == 3 && memcmp(plain, "abc", 3) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(keys_are_made_once_and_kept_by_the_next_run),
		T(a_key_file_that_is_missing_open_to_others_or_malformed_is_refused),
		T(a_name_or_a_key_that_is_in_the_trust_file_twice_is_refused),
		T(what_one_end_seals_the_other_opens_and_nobody_twice),
		T(a_frame_with_any_bit_changed_left_out_or_out_of_order_does_not_open),
		T(who_is_not_trusted_or_claims_another_name_gets_no_welcome),
		T(a_recorded_hello_leads_to_other_keys),
		T(a_bell_opens_only_with_its_key),
	};

	return TEST_RUN(tests);
}

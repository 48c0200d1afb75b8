/* archive: the file of a backup comes back as it was written, or not at all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/archive.h"
#include "harness/test.h"

static const uint8_t key[ARCHIVE_KEY] = "0123456789abcdef0123456789abcde";
static const uint8_t other_key[ARCHIVE_KEY] = "x123456789abcdef0123456789abcde";
static char why[300];

static const char *
path(void)
{
	static char text[300];

	if (text[0] == '\0') /* each call makes another */
		snprintf(text, sizeof(text), "%s/archive", test_dir());
	return text;
}

static void
write_one(const uint8_t *k)
{
	struct archive *a = archive_create(path(), k, why, sizeof(why));

	assert_non_null(a);
	assert_true(archive_put(a, 'H', "", "{}", 2));
	assert_true(archive_put(a, 'D', "sql/tasks", "a\0b", 3));
	assert_true(archive_put(a, 'S', "sql/tasks", "{\"rows\":1}", 10));
	assert_true(archive_commit(a));
	archive_close(&a);
}

/* NULL: whole. Else what is wrong. */
static const char *
read_one(FILE *f, const uint8_t *k)
{
	struct archive *a = archive_read(f, k, why, sizeof(why));
	struct frame x;

	if (a == NULL)
		return why;
	do
		if (!archive_next(a, &x)) {
			snprintf(why, sizeof(why), "%s", archive_why(a));
			archive_close(&a);
			return why;
		}
	while (x.type != 'E');
	assert_false(archive_next(a, &x));
	archive_close(&a);
	return NULL;
}

static size_t
load(char *bytes, size_t cap)
{
	FILE *f = fopen(path(), "r");
	size_t n;

	assert_non_null(f);
	n = fread(bytes, 1, cap, f);
	fclose(f);
	return n;
}

static void
what_is_written_is_read_in_the_clear_and_encrypted(void **unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++) {
		const uint8_t *k = i == 0 ? NULL : key;
		struct archive *a;
		struct frame x;

		write_one(k);
		a = archive_open(path(), k, why, sizeof(why));
		assert_non_null(a);
		assert_true(archive_next(a, &x));
		assert_int_equal(x.type, 'H');
		assert_true(archive_next(a, &x));
		assert_string_equal(x.name, "sql/tasks");
		assert_int_equal(x.n, 3);
		assert_memory_equal(x.data, "a\0b", 3);
		assert_true(archive_next(a, &x));
		assert_int_equal(x.type, 'S');
		assert_true(archive_next(a, &x));
		assert_int_equal(x.type, 'E');
		archive_close(&a);
	}
}

static void
each_changed_byte_and_each_cut_is_found(void **unused)
{
	char bytes[1000];
	size_t n;

	(void)unused;
	for (int i = 0; i < 2; i++) {
		const uint8_t *k = i == 0 ? NULL : key;

		write_one(k);
		n = load(bytes, sizeof(bytes));
		for (size_t at = 0; at < n; at++) {
			bytes[at] ^= 1;
			assert_non_null(read_one(fmemopen(bytes, n, "r"), k));
			bytes[at] ^= 1;
		}
		for (size_t cut = 1; cut < n; cut++)
			assert_non_null(read_one(fmemopen(bytes, cut, "r"), k));
		assert_null(read_one(fmemopen(bytes, n, "r"), k));
		assert_non_null(read_one(fmemopen(bytes, n + 1, "r"), k));
	}
}

static void
another_key_or_none_opens_nothing(void **unused)
{
	(void)unused;
	write_one(key);
	assert_non_null(strstr(read_one(fopen(path(), "r"), other_key), "this key"));
	assert_non_null(strstr(read_one(fopen(path(), "r"), NULL), "--key-file"));
	write_one(NULL);
	assert_non_null(strstr(read_one(fopen(path(), "r"), key), "not encrypted"));
}

static void
a_file_that_was_not_committed_is_not_there(void **unused)
{
	struct archive *a;
	struct stat st;

	(void)unused;
	write_one(NULL);
	assert_int_equal(stat(path(), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	unlink(path());
	a = archive_create(path(), NULL, why, sizeof(why));
	assert_true(archive_put(a, 'H', "", "{}", 2));
	archive_close(&a);
	assert_int_not_equal(access(path(), F_OK), 0);
}

static void
two_do_not_write_one_file(void **unused)
{
	struct archive *a = archive_create(path(), NULL, why, sizeof(why));

	(void)unused;
	assert_non_null(a);
	assert_true(archive_put(a, 'H', "", "{}", 2));
	assert_null(archive_create(path(), NULL, why, sizeof(why)));
	assert_non_null(strstr(why, "another backup"));
	assert_true(archive_commit(a));
	archive_close(&a);
	assert_null(read_one(fopen(path(), "r"), NULL));
	write_one(NULL); /* and then the next */
	unlink(path());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_written_is_read_in_the_clear_and_encrypted),
		T(each_changed_byte_and_each_cut_is_found),
		T(another_key_or_none_opens_nothing),
		T(a_file_that_was_not_committed_is_not_there),
		T(two_do_not_write_one_file),
	};

	return TEST_RUN(tests);
}

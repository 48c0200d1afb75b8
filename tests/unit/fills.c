/* fills: what was filled and what was written since; and the text of an entry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "database/cache/entry.h"
#include "database/fills.h"

static int
fresh(void **unused)
{
	(void)unused;
	fills_open();
	return 0;
}

static void
a_read_sees_that_its_key_was_written(void **unused)
{
	struct key_slot *k = fills_key("task", "default", "1");
	struct fill_watch w;

	(void)unused;
	fills_watch(&w, k, NULL);
	assert_true(fills_allowed(&w, 10));
	k->writes++;
	assert_false(fills_allowed(&w, 10));
	fills_watch(&w, k, NULL);
	fills_bulk();
	assert_false(fills_allowed(&w, 10));
	fills_watch(&w, k, NULL);
	k->shut_until_us = 20;
	assert_false(fills_allowed(&w, 19));
	assert_true(fills_allowed(&w, 20));
}

static void
a_tag_that_may_have_entries_keeps_its_slot(void **unused)
{
	struct tag_slot *taken[400];
	char name[24];
	size_t n = 0;

	(void)unused;
	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "task/%d", i);
		taken[i] = fills_tag_take(name, 10);
		if (taken[i] == NULL)
			continue;
		n++;
		taken[i]->fills++;
		taken[i]->filled_until_us = 100;
	}
	assert_true(n > 100 && n <= 256);
	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "task/%d", i);
		assert_ptr_equal(fills_tag(name), taken[i]);
	}
	assert_non_null(fills_tag_take("task/later", 100)); /* when their life is over */
}

static void
a_read_sees_that_its_tag_lost_its_slot(void **unused)
{
	struct fill_watch w;
	char name[24];
	uint32_t salt;

	(void)unused;
	fills_watch(&w, NULL, fills_tag_take("task/a", 10));
	salt = fills_salt(&w);
	for (int i = 0; i < 4000; i++) { /* nothing is filled under any of them */
		snprintf(name, sizeof(name), "task/%d", i);
		assert_non_null(fills_tag_take(name, 10));
	}
	assert_false(fills_unwritten(&w));
	assert_int_not_equal(fills_salt(&w), salt);
}

static void
a_name_that_is_too_long_has_no_tag(void **unused)
{
	char name[SLOT_TAG_MOST + 1];

	(void)unused;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_null(fills_tag_take(name, 1));
	name[SLOT_TAG_MOST - 1] = '\0';
	assert_non_null(fills_tag_take(name, 1));
}

static void
what_was_given_up_needs_no_drop(void **unused)
{
	struct tag_slot *t = fills_tag_take("task/a", 1);
	struct key_slot *k = fills_key("task", "a", "1");

	(void)unused;
	t->fills = 3;
	k->filled_until_us = 50;
	fills_absent(k, 40);
	assert_true(fills_any_absent(39));
	assert_false(fills_any_absent(40));
	fills_emptied();
	assert_int_equal(t->dropped, 3);
	assert_int_equal(k->filled_until_us, 0);
	assert_int_equal(k->absent_until_us, 0);
	assert_false(fills_any_absent(1));
}

static void
an_entry_comes_back_as_it_was_kept(void **unused)
{
	struct arena *a = arena_new(1 << 16);
	Mf__CacheTag one = MF__CACHE_TAG__INIT, two = MF__CACHE_TAG__INIT;
	Mf__CacheSet q = MF__CACHE_SET__INIT;
	struct entry e;
	size_t n;
	char *p;

	(void)unused;
	one.name = (char *)"task/a";
	one.generation = UINT64_MAX;
	two.name = (char *)"task/b";
	two.generation = 7;
	q.version = 42;
	q.stamp = UINT64_C(1) << 63;
	q.tags = (Mf__CacheTag *[]){ &one, &two };
	q.n_tags = 2;
	q.value.data = (uint8_t *)(uintptr_t) "a:b\0c";
	q.value.len = 5;
	p = entry_text(a, &q, 99, &n);
	assert_true(entry_parse(p, n, &e));
	assert_int_equal(e.kind, ENTRY_VALUE);
	assert_true(e.version == 42 && e.stored_at == 99 && e.stamp == q.stamp && e.n == 5);
	assert_memory_equal(e.value, "a:b\0c", 5);
	for (size_t cut = 0; cut < n - 5; cut++)
		assert_false(entry_parse(p, cut, &e) && e.n != 0);

	assert_true(entry_parse(p, n, &e));
	struct entry_tag now[] = { { entry_tag_hash("task/b"), 7 },
		{ entry_tag_hash("task/a"), UINT64_MAX } };
	assert_true(entry_current(&e, now, 2));
	assert_false(entry_current(&e, now, 1)); /* not asked for: not known */
	now[0].generation = 8;
	assert_false(entry_current(&e, now, 2));

	q.absent = true;
	q.n_tags = 0;
	q.value.len = 0;
	p = entry_text(a, &q, 99, &n);
	assert_true(entry_parse(p, n, &e));
	assert_int_equal(e.kind, ENTRY_ABSENT);
	assert_true(entry_current(&e, NULL, 0));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_read_sees_that_its_key_was_written, fresh),
		cmocka_unit_test_setup(a_tag_that_may_have_entries_keeps_its_slot, fresh),
		cmocka_unit_test_setup(a_read_sees_that_its_tag_lost_its_slot, fresh),
		cmocka_unit_test_setup(a_name_that_is_too_long_has_no_tag, fresh),
		cmocka_unit_test_setup(what_was_given_up_needs_no_drop, fresh),
		cmocka_unit_test(an_entry_comes_back_as_it_was_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test: what every cmocka test of this project starts with. Names of tests are sentences.
 *
 * T(f) puts a test into a group so that a warn or error line in the log that the test did not
 * announce with test_expect_log() fails it. Runs of loops and clocks: see the headers they belong
 * to. */
#ifndef HARNESS_TEST_H
#define HARNESS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/arena.h"
#include "base/log.h"

#define T(f) cmocka_unit_test_setup_teardown(f, test_log_mark, test_log_check)
/* TEST_ARENA(a, most) makes an arena `a` for each test of a file that is put into the group by TA(f). */
#define TEST_ARENA(a, most)                                                                        \
	static struct arena *a;                                                                    \
                                                                                                   \
	static int arena_begin(void **state)                                                       \
	{                                                                                          \
		a = arena_new(most);                                                               \
		return test_log_mark(state);                                                       \
	}                                                                                          \
                                                                                                   \
	static int arena_end(void **state)                                                         \
	{                                                                                          \
		arena_free(&a);                                                                    \
		return test_log_check(state);                                                      \
	}
#define TA(f)           cmocka_unit_test_setup_teardown(f, arena_begin, arena_end)
#define TEST_RUN(tests) cmocka_run_group_tests_name(test_program_name(), (tests), NULL, NULL)

void test_expect_log(
    enum log_level level, unsigned lines); /* exactly so many more, until the test ends */

/* A private directory, gone with everything in it when the program ends. The path is static per
 * call, absolute. */
const char *test_dir(void);
/* Writes a file into it; returns its path. */
const char *test_file(const char *name, const char *content);
/* A port of 127.0.0.1 that is free, and below those that the kernel takes for connections. */
uint16_t test_port(void);
bool test_port_free(uint16_t port); /* now */

int test_log_mark(void **state);
int test_log_check(void **state);
const char *test_program_name(void);

#endif

/* guard_conf: what guard and supervisor are told, and what is refused before anything is started.
 */
#include "harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "meta/conf.h"
#include "meta/fleet.h"
#include "meta/public.h"

static char err[512];

/* A directory with thirteen executables, as --set exe_dir. */
static char *
exe_dir(void)
{
	static char set[300];
	char path[400];
	const char *dir = test_dir();

	for (int i = 0; i < FLEET_SLOTS; i++) {
		snprintf(path, sizeof(path), "%s/metafed-%s", dir, fleet_table[i].name);
		assert_int_equal(symlink("/bin/true", path), 0);
	}
	snprintf(set, sizeof(set), "exe_dir=%s", dir);
	return set;
}

static bool
load(struct conf *s, const char *file, char *set)
{
	char *sets[] = { exe_dir(), set, NULL };
	struct conf_options o = { .config = file, .var = test_dir(), .sets = sets };

	return conf_load(s, &o, err, sizeof(err));
}

static void
http_beyond_loopback_is_refused_unless_a_proxy_is_in_front(void **state)
{
	(void)state;
	assert_true(public_check("127.0.0.1:8080", false, err, sizeof(err)));
	assert_true(public_check("127.8.9.1:0", false, err, sizeof(err)));
	assert_true(public_check("[::1]:8080", false, err, sizeof(err)));
	assert_true(public_check("localhost:8080", false, err, sizeof(err)));
	assert_false(public_check("0.0.0.0:8080", false, err, sizeof(err)));
	assert_non_null(strstr(err, "behind_proxy"));
	assert_false(public_check("[::]:8080", false, err, sizeof(err)));
	assert_false(public_check("192.0.2.1:80", false, err, sizeof(err)));
	assert_true(public_check("0.0.0.0:8080", true, err, sizeof(err)));
}

static void
what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = { "", ":", ":80", "127.0.0.1",
		"127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "127.0.0.1:80 ", "127.0.0.256:80",
		"::1:80", "[::1]", "[::1:80", "example.org:80", "[fe80::1%eth0]:80",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(public_check(bad[i], true, err, sizeof(err)));
}

static void
a_part_of_its_own_is_read_and_the_parts_of_others_are_not(void **state)
{
	struct conf s;
	const char *file = test_file("m.conf",
	    "drain = 3s\n[sql]\npg = x\n[guard]\nlisten = 127.0.0.1:99\nkill_after = 9s\n");

	(void)state;
	assert_true(load(&s, file, NULL));
	assert_string_equal(s.listen, "127.0.0.1:99");
	assert_int_equal(s.all.kill_after_us, 9000000);
	assert_string_equal(s.config, file);
	assert_false(conf_has(&s, SLOT_POSTGRES));
	assert_true(conf_has(&s, SLOT_SQL));
	conf_free(&s);
}

static void
what_it_does_not_understand_is_an_error_that_says_where(void **state)
{
	struct conf s;

	(void)state;
	assert_false(load(&s, test_file("m.conf", "[guard]\nlistne = 127.0.0.1:99\n"), NULL));
	assert_non_null(strstr(err, "m.conf:2"));
	assert_false(load(&s, NULL, (char[]){ "stores=mysql" }));
	assert_non_null(strstr(err, "mysql"));
	assert_false(load(&s, NULL, (char[]){ "log_level=loud" }));
	assert_false(load(&s, NULL, (char[]){ "restart_max=33" }));
	assert_false(load(&s, NULL, (char[]){ "user=nobody-of-this-name" }));
}

static void
stores_that_were_not_initialised_are_refused_with_what_to_do(void **state)
{
	struct conf s;

	(void)state;
	assert_false(load(&s, NULL, (char[]){ "stores=postgres" }));
	assert_non_null(strstr(err, "scripts/run"));
}

static void
a_directory_whose_sockets_would_not_fit_is_refused_clearly(void **state)
{
	struct conf s;
	char deep[300];
	char *sets[] = { exe_dir(), NULL };
	struct conf_options o = { .var = deep, .sets = sets };
	int n = snprintf(deep, sizeof(deep), "%s/", test_dir());

	(void)state;
	memset(deep + n, 'x', (size_t)(77 - n));
	deep[77] = '\0';
	assert_true(conf_load(&s, &o, err, sizeof(err)));
	conf_free(&s);
	strcat(deep, "x");
	assert_false(conf_load(&s, &o, err, sizeof(err)));
	assert_non_null(strstr(err, "107"));
}

static void
a_missing_executable_is_said_before_anything_starts(void **state)
{
	struct conf s;
	char set[300], *sets[] = { set, NULL };
	struct conf_options o = { .var = test_dir(), .sets = sets };

	(void)state;
	snprintf(set, sizeof(set), "exe_dir=%s", test_dir());
	assert_false(conf_load(&s, &o, err, sizeof(err)));
	assert_non_null(strstr(err, "metafed-"));
}

static void
a_node_is_supervised_as_its_part_says_else_as_all_are(void **state)
{
	struct conf s;
	struct restart_policy p;
	const char *file = test_file("m.conf",
	    "kill_after = 4s\n[sql]\npg = x\nrestart_max = 3\nrestart = transient\nmemory_max = "
	    "64m\n"
	    "after = nosql , cache\n[guard]\nrestart_max = 7\n[cache]\nafter = jwt\n");

	(void)state;
	assert_true(load(&s, file, (char[]){ "recycle_after=1h" }));
	p = conf_policy(&s, SLOT_SQL);
	assert_int_equal(p.max, 3);
	assert_int_equal(p.kind, RESTART_TRANSIENT);
	assert_int_equal(conf_policy(&s, SLOT_JWT).max, 7);
	assert_int_equal(conf_policy(&s, SLOT_JWT).kind, RESTART_PERMANENT);
	assert_int_equal(conf_policy(&s, SLOT_POSTGRES).max, 7);
	assert_int_equal(s.of[SLOT_SQL].memory_max, 64 << 20);
	assert_int_equal(s.of[SLOT_JWT].kill_after_us, 4000000);
	assert_int_equal(s.of[SLOT_SQL].recycle_after_us, INT64_C(3600000000));
	assert_true((s.after[SLOT_SQL] & SLOT_BIT(SLOT_NOSQL)) != 0);
	assert_true((s.after[SLOT_SQL] & SLOT_BIT(SLOT_JWT)) != 0); /* through cache */
	assert_true((s.after[SLOT_SQL] & SLOT_BIT(SLOT_META)) != 0);
	assert_true((s.after[SLOT_JWT] & SLOT_BIT(SLOT_CACHE)) == 0);
	conf_free(&s);
}

static void
what_is_wrong_with_a_supervision_is_said_with_its_part(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "[sql]\nrestart_max = 0\n", "m.conf:2" },
		{ "[sql]\nrestart = always\n", "[sql] restart: \"always\": must be permanent" },
		{ "[jwt]\nstrategy = all\n", "[jwt] strategy" },
		{ "[jwt]\nafter = jwt\n", "[jwt] after" },
		{ "[jwt]\nafter = redis\n", "\"redis\" is no other node" },
		{ "[jwt]\nafter = rbac\n[rbac]\nafter = jwt\n", "would start after itself" },
		{ "[jwt]\ncores = yes\n", "would hold keys" },
		{ "[guard]\ncores = yes\n", "for each node by itself" },
		{ "[sql]\nmemory_max = 512\n", "[sql] memory_max: must be 1m or more" },
		{ "[api]\nmemory_max = 1m\nrecycle_rss = 1m\n", "[api] recycle_rss" },
	};
	struct conf s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(load(&s, test_file("m.conf", bad[i].text), NULL));
		if (strstr(err, bad[i].says) == NULL)
			fail_msg("%s", err);
	}
}

static void
what_is_printed_of_a_node_is_what_differs(void **state)
{
	struct conf s;
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	(void)state;
	assert_true(load(&s, test_file("m.conf", "[sql]\nrestart_max = 3\n"), NULL));
	conf_print(&s, f);
	fclose(f);
	assert_non_null(strstr(text, "\nrestart_max = 10\n"));
	assert_non_null(strstr(text, "[sql]\n"));
	assert_non_null(strstr(text, "\nrestart_max = 3\n"));
	assert_null(strstr(text, "[jwt]"));
	free(text);
	conf_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_node_is_supervised_as_its_part_says_else_as_all_are),
		T(what_is_wrong_with_a_supervision_is_said_with_its_part),
		T(what_is_printed_of_a_node_is_what_differs),
		T(http_beyond_loopback_is_refused_unless_a_proxy_is_in_front),
		T(what_is_no_address_is_refused),
		T(a_part_of_its_own_is_read_and_the_parts_of_others_are_not),
		T(what_it_does_not_understand_is_an_error_that_says_where),
		T(stores_that_were_not_initialised_are_refused_with_what_to_do),
		T(a_directory_whose_sockets_would_not_fit_is_refused_clearly),
		T(a_missing_executable_is_said_before_anything_starts),
	};

	unsetenv("METAFED_CONFIG");
	return TEST_RUN(tests);
}

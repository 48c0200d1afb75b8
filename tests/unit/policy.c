/* policy: what a peer may call, and whether he is believed, by his authenticated name. */
#include "harness/test.h"

#include "bus/inside.h"

static struct bus bus;

static int
open_network(void **state)
{
	(void)state;
	bus = (struct bus){ .closed_network = false };
	return 0;
}

static bool
allows(const char *peer, const char *service, const char *method, bool with_principal)
{
	const struct served_method m = { .service = service, .method = method };

	return policy_allows(&bus, peer, &m, with_principal);
}

static void
a_stranger_gets_the_front_door_and_nothing_behind_it(void **state)
{
	(void)state;
	assert_true(allows("stranger", "mf.Meta", "Execute", false));
	assert_true(allows("stranger", "mf.Rest", "Handle", false));
	assert_true(allows("stranger", "mf.Meta", "Fleet", false));
	assert_false(allows("stranger", "mf.Rest", "Perform", false));
	assert_false(allows("stranger", "mf.Database", "Read", false));
	assert_false(allows("stranger", "mf.Auth", "Login", false));
	assert_false(allows("stranger", "mf.Node", "SetFaults", false));
	assert_false(allows("", "mf.Database", "Read", false));
	assert_true(allows("meta", "mf.Database", "Read", true));
}

static void
only_the_fleet_says_who_somebody_is(void **state)
{
	(void)state;
	assert_false(allows("stranger", "mf.Rest", "Handle", true));
	assert_false(allows("stranger", "mf.Meta", "Execute", true));
	assert_true(allows("rest", "mf.Meta", "Execute", true));
}

static void
only_the_fleet_says_where_a_client_is(void **state)
{
	struct caller k = { .name = "stranger" };
	struct call c = { .bus = &bus, .caller = &k, .arena = arena_new(1 << 16) };

	(void)state;
	assert_string_equal(call_client_address(&c, "203.0.113.7"), "key:stranger");
	assert_string_equal(call_client_address(&c, ""), "key:stranger");
	k.name = "api";
	assert_string_equal(call_client_address(&c, "203.0.113.7"), "203.0.113.7");
	k.name = "stranger";
	bus.closed_network =
	    true; /* the private directory has let him in: he is the fleet's user */
	assert_string_equal(call_client_address(&c, "203.0.113.7"), "203.0.113.7");
	bus.closed_network = false;
	c.caller = NULL; /* our own */
	assert_string_equal(call_client_address(&c, "203.0.113.7"), "203.0.113.7");
	arena_free(&c.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    a_stranger_gets_the_front_door_and_nothing_behind_it, open_network),
		cmocka_unit_test_setup(only_the_fleet_says_who_somebody_is, open_network),
		cmocka_unit_test_setup(only_the_fleet_says_where_a_client_is, open_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

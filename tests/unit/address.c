/* address: whose a connection and a request are. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "api/address.h"
#include "harness/test.h"

static struct address
addr(const char *text)
{
	struct address a;

	if (!address_parse(str_of(text), &a))
		fail_msg("%s is no address", text);
	return a;
}

static const char *
text_of(struct address a)
{
	static char out[ADDRESS_TEXT];

	address_write(&a, out);
	return out;
}

static const char *
from(const char *peer, const char *forwarded_for, const char *trusted)
{
	struct address p = addr(peer);
	struct networks ns;

	assert_true(networks_parse(&ns, trusted));
	return text_of(forwarded_by(&p, str_of(forwarded_for), &ns));
}

static void
an_address_reads_as_it_is_written(void **unused)
{
	static const char *const same[] = { "192.0.2.7", "2001:db8::1", "::1", "fe80::1",
		"255.255.255.255" };
	static const char *const none[] = { "", "1.2.3", "1.2.3.4:80", "[::1]", "1.2.3.4 ", "host",
		"01.2.3.4", "::g", "1.2.3.4,5.6.7.8", "fe80::1%eth0",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222" };
	struct address a;

	(void)unused;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_string_equal(text_of(addr(same[i])), same[i]);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (address_parse(str_of(none[i]), &a))
			fail_msg("%s was taken", none[i]);
	assert_string_equal(text_of(addr("::ffff:10.0.0.1")), "10.0.0.1");
}

static void
a_unix_socket_has_no_address_and_is_local(void **unused)
{
	struct sockaddr sa = { .sa_family = AF_UNIX };
	struct address a = address_of(&sa, sizeof(sa));

	(void)unused;
	assert_true(address_local(&a));
	assert_string_equal(text_of(a), "");
	a = address_of(NULL, 0);
	assert_true(address_local(&a));
}

static void
an_ipv4_client_is_the_same_over_a_socket_of_either_family(void **unused)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct address a, b;

	(void)unused;
	inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &v6.sin6_addr);
	a = address_of((struct sockaddr *)&v4, sizeof(v4));
	b = address_of((struct sockaddr *)&v6, sizeof(v6));
	assert_true(address_same(&a, &b));
}

static void
loopback_is_local_and_nothing_else_is(void **unused)
{
	static const struct {
		const char *text;
		bool local;
	} all[] = { { "127.0.0.1", true }, { "127.255.0.9", true }, { "::1", true },
		{ "128.0.0.1", false }, { "10.0.0.1", false }, { "::2", false }, { "::100", false },
		{ "fe80::1", false } };

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct address a = addr(all[i].text);

		if (address_local(&a) != all[i].local)
			fail_msg("%s", all[i].text);
	}
}

static void
all_addresses_of_a_64_are_one_client_and_each_ipv4_address_is_its_own(void **unused)
{
	struct address a = addr("2001:db8:1:2:3:4:5:6"), b = addr("2001:db8:1:2:ffff::"),
		       c = addr("2001:db8:1:3::"), v4 = addr("192.0.2.1");

	(void)unused;
	assert_string_equal(text_of(address_client(&a)), "2001:db8:1:2::");
	assert_string_equal(text_of(address_client(&b)), "2001:db8:1:2::");
	assert_string_equal(text_of(address_client(&c)), "2001:db8:1:3::");
	assert_string_equal(text_of(address_client(&v4)), "192.0.2.1");
}

static void
a_network_holds_what_its_prefix_says(void **unused)
{
	static const struct {
		const char *networks, *address;
		bool in;
	} all[] = {
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "192.0.2.128/25", "192.0.2.129", true },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.7", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.8", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "fd00::/8, 10.0.0.1", "fd12::3", true },
		{ "fd00::/8, 10.0.0.1", "10.0.0.1", true },
		{ "fd00::/8, 10.0.0.1", "10.0.0.2", false },
		{ "local", "127.0.0.1", true },
		{ "local", "::1", true },
		{ "local", "10.0.0.1", false },
		{ "", "10.0.0.1", false },
	};
	static const char *const wrong[] = { "10.0.0.0/33", "10.0.0.1/8", "x", ",", "10.0.0.0/",
		"::/129", "10.0.0.0/-1", "1.2.3.4/+8", "locale" };
	struct networks ns;

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct address a = addr(all[i].address);

		assert_true(networks_parse(&ns, all[i].networks));
		if (networks_have(&ns, &a) != all[i].in)
			fail_msg("%s, %s", all[i].networks, all[i].address);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (networks_parse(&ns, wrong[i]))
			fail_msg("\"%s\" was taken", wrong[i]);
}

static void
the_one_proxy_is_believed_in_its_own_word_only(void **unused)
{
	static const char one[] = "192.0.2.1";

	(void)unused;
	assert_string_equal(from(one, "198.51.100.1, 203.0.113.9", one), "203.0.113.9");
	assert_string_equal(from(one, "2001:db8::7", one), "2001:db8::7");
	assert_string_equal(from(one, "203.0.113.9, evil", one), one);
	assert_string_equal(from(one, "203.0.113.9,", one), one);
	assert_string_equal(from(one, "", one), one);
	assert_string_equal(from("192.0.2.2", "203.0.113.9", one), "192.0.2.2");
}

static void
a_chain_of_proxies_is_believed_back_to_the_first_who_is_none(void **unused)
{
	(void)unused;
	assert_string_equal(
	    from("10.0.0.1", "198.51.100.66, 203.0.113.9, 10.0.0.2", "10.0.0.0/8"), "203.0.113.9");
	assert_string_equal(from("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.0/8"), "10.0.0.3");
	assert_string_equal(
	    from("10.0.0.1", "203.0.113.9, junk, 10.0.0.2", "10.0.0.0/8"), "10.0.0.2");
	assert_string_equal(from("192.0.2.1", "203.0.113.9", "10.0.0.0/8"), "192.0.2.1");
	assert_string_equal(from("127.0.0.1", "203.0.113.9", "local"), "203.0.113.9");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_address_reads_as_it_is_written),
		T(a_unix_socket_has_no_address_and_is_local),
		T(an_ipv4_client_is_the_same_over_a_socket_of_either_family),
		T(loopback_is_local_and_nothing_else_is),
		T(all_addresses_of_a_64_are_one_client_and_each_ipv4_address_is_its_own),
		T(a_network_holds_what_its_prefix_says),
		T(the_one_proxy_is_believed_in_its_own_word_only),
		T(a_chain_of_proxies_is_believed_back_to_the_first_who_is_none),
	};

	return TEST_RUN(tests);
}

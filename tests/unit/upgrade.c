/* upgrade: in which order, from what to what, when to stop; and what an executable says of itself. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/json.h"
#include "harness/test.h"
#include "meta/handover.h"
#include "meta/holdings.h"
#include "meta/upgrade_plan.h"
#include "node/build.h"

/* --- the order --- */

static int
place(const char *node)
{
	for (unsigned i = 0; upgrade_order(i) != NULL; i++)
		if (strcmp(upgrade_order(i), node) == 0)
			return (int)i;
	return -1;
}

static void
each_process_has_its_turn_once_agents_first_the_keepers_last(void **state)
{
	static const char *const agents[] = { "sql", "nosql", "cache", "jwt", "oauth", "rbac",
		"rest", "graphql", "websocket" };
	unsigned n = 0;

	(void)state;
	while (upgrade_order(n) != NULL)
		n++;
	assert_int_equal(n, UPGRADE_STEPS - 2); /* nobody stands by */
	for (int i = 0; i < 9; i++) {
		assert_in_range(place(agents[i]), 0, 8);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(place(agents[i]), place(agents[k]));
	}
	assert_in_range(place("database"), 9, 10);
	assert_in_range(place("auth"), 9, 10);
	assert_int_equal(place("api"), 11);
	assert_int_equal(place("meta"), 12);
	assert_int_equal(place("guard"), 13);
	assert_int_equal(place("supervisor"), 14);
	assert_null(upgrade_order(1000));
}

static void
who_stands_by_has_a_turn_too_and_who_leads_is_the_last_of_them(void **state)
{
	static const char *const names[] = { "api", "meta-2", "meta-3", "meta", "guard" };
	struct upgrade u = { .n = 5 };

	(void)state;
	setenv("METAFED_STANDBYS", "2", 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(place(names[i]), 11 + i);
	assert_int_equal(place("supervisor"), UPGRADE_STEPS - 1);
	setenv("METAFED_STANDBYS", "1", 1);
	assert_int_equal(place("meta-2"), 12);
	assert_int_equal(place("meta-3"), -1);
	assert_int_equal(place("meta"), 13);
	unsetenv("METAFED_STANDBYS");

	for (unsigned i = 0; i < 5; i++)
		snprintf(u.steps[i].node, sizeof(u.steps[i].node), "%s", names[i]);
	upgrade_put_last(&u, "meta");
	assert_string_equal(u.steps[3].node, "meta");
	upgrade_put_last(&u, "meta-2");
	assert_string_equal(u.steps[0].node, "api");
	assert_string_equal(u.steps[1].node, "meta-3");
	assert_string_equal(u.steps[2].node, "meta");
	assert_string_equal(u.steps[3].node, "meta-2");
	assert_string_equal(u.steps[4].node, "guard");
	u.n = 4; /* of some nodes alone */
	upgrade_put_last(&u, "meta-3");
	assert_string_equal(u.steps[3].node, "meta-3");
}

static void
guard_and_supervisor_are_the_executable_of_meta(void **state)
{
	(void)state;
	assert_string_equal(upgrade_executable("guard"), "meta");
	assert_string_equal(upgrade_executable("supervisor"), "meta");
	assert_string_equal(upgrade_executable("sql"), "sql");
}

/* --- who fits --- */

static void
who_speaks_another_bus_or_contract_is_refused_with_what_to_do(void **state)
{
	const struct image now = { .says = true, .bus = 1, .contract = 1 };
	struct image to = now;

	(void)state;
	assert_null(upgrade_fits(&now, &to));
	to.bus = 2;
	assert_non_null(strstr(upgrade_fits(&now, &to), "stop the fleet"));
	to = now;
	to.contract = 2;
	assert_non_null(strstr(upgrade_fits(&now, &to), "stop the fleet"));
	to = now;
	to.says = false;
	assert_non_null(upgrade_fits(&now, &to));
}

static void
a_few_failures_prove_nothing_and_what_failed_before_is_no_ones_fault(void **state)
{
	(void)state;
	assert_false(upgrade_worse(0, 1000, 5, 10));
	assert_true(upgrade_worse(0, 1000, 6, 100));
	assert_false(upgrade_worse(0, 1000, 9, 1000)); /* under 1 % */
	assert_false(upgrade_worse(100, 1000, 180, 1000));
	assert_true(upgrade_worse(100, 1000, 220, 1000));
	assert_false(upgrade_worse(0, 0, 0, 0));
}

/* --- the record --- */

static struct upgrade
some(void)
{
	struct upgrade u = { .id = "0199f0c0-1234-7abc-8def-0123456789ab",
		.state = UPGRADE_RUNNING,
		.started_us = INT64_C(1763700000000000),
		.n = 3 };
	static const char *const nodes[] = { "sql", "nosql", "meta" };

	for (int i = 0; i < 3; i++) {
		struct upgrade_step *s = &u.steps[i];

		snprintf(s->node, sizeof(s->node), "%s", nodes[i]);
		s->from = (struct image){ "aabbccddeeff", "1.0.0", true, 1, 1 };
		s->to = (struct image){ "112233445566", "1.0.1", true, 1, 1 };
		s->took_ms = -1;
	}
	u.steps[0].state = UP_DONE;
	u.steps[0].took_ms = 120;
	u.steps[1].state = UP_RUNNING;
	u.steps[1].generation = 7;
	u.steps[1].began_us = INT64_C(1763700001000000);
	return u;
}

static bool
reread(const struct upgrade *u, struct upgrade *out)
{
	json_t *v = upgrade_to_json(u, true);
	char *text = json_dumps(v, 0);
	bool good = upgrade_from_json(out, str_of(text));

	free(text);
	json_decref(v);
	return good;
}

static void
an_upgrade_is_the_same_after_it_was_written_and_read(void **state)
{
	struct upgrade u = some(), v;

	(void)state;
	assert_true(reread(&u, &v));
	assert_memory_equal(&u, &v, sizeof(u));
	assert_ptr_equal(upgrade_next(&v), &v.steps[1]);
}

static void
a_damaged_record_is_refused_at_each_length(void **state)
{
	struct upgrade u = some(), v;
	json_t *j = upgrade_to_json(&u, true);
	char *text = json_dumps(j, 0);

	(void)state;
	for (size_t n = 0; n < strlen(text); n++)
		assert_false(upgrade_from_json(&v, (struct str){ text, n }));
	assert_false(upgrade_from_json(&v, str_of("{\"state\":\"running\"}")));
	assert_false(upgrade_from_json(&v, str_of("{\"state\":\"what\",\"steps\":[]}")));
	assert_false(upgrade_from_json(
	    &v, str_of("{\"state\":\"running\",\"steps\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}")));
	free(text);
	json_decref(j);
}

static void
a_failure_says_what_is_new_what_is_not_and_what_to_do(void **state)
{
	struct upgrade u = some();

	(void)state;
	upgrade_fail(&u, &u.steps[1], "it does not start: \xff");
	assert_int_equal(u.state, UPGRADE_FAILED);
	assert_int_equal(u.steps[1].state, UP_FAILED);
	assert_int_equal(u.steps[2].state, UP_WAITING);
	assert_non_null(strstr(u.error, "nosql: it does not start"));
	assert_non_null(strstr(u.error, "New by now: sql; as before: nosql, meta."));
	assert_non_null(strstr(u.error, "`metafed upgrade` again"));
	assert_true(reread(&u, &u)); /* other programs' bytes are no reason to lose the record */
}

/* --- executables --- */

struct file {
	uint8_t bytes[1024];
	size_t n;
};

static void
add_note(struct file *f, const char *name, uint32_t type, const void *d, uint32_t n)
{
	const Elf64_Nhdr h = { (uint32_t)strlen(name) + 1, n, type };

	memcpy(f->bytes + f->n, &h, sizeof(h));
	memcpy(f->bytes + f->n + sizeof(h), name, h.n_namesz);
	f->n += sizeof(h) + (h.n_namesz + 3) / 4 * 4;
	memcpy(f->bytes + f->n, d, n);
	f->n += (n + 3) / 4 * 4;
}

static struct file
elf(bool with_id)
{
	static const uint8_t id[20] = { 0x9f, 0x86, 0xd0, 0x81, 1, 2, 3 };
	static const uint8_t ours[] = { 1, 0, 0, 0, 2, 0, 0, 0, '1', '.', '2', '.', '3', 0 };
	Elf64_Ehdr e = { .e_phoff = sizeof(e), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2 };
	Elf64_Phdr p[2] = { { .p_type = PT_LOAD },
		{ .p_type = PT_NOTE, .p_offset = sizeof(e) + sizeof(p), .p_align = 4 } };
	struct file f = { .n = sizeof(e) + sizeof(p) };

	memcpy(e.e_ident, ELFMAG, SELFMAG);
	e.e_ident[EI_CLASS] = ELFCLASS64;
	e.e_ident[EI_DATA] = ELFDATA2LSB;
	add_note(&f, "other", 3, "abcd", 4);
	if (with_id)
		add_note(&f, "GNU", NT_GNU_BUILD_ID, id, sizeof(id));
	add_note(&f, BUILD_NOTE_NAME, BUILD_NOTE_TYPE, ours, sizeof(ours));
	p[1].p_filesz = f.n - p[1].p_offset;
	memcpy(f.bytes, &e, sizeof(e));
	memcpy(f.bytes + sizeof(e), p, sizeof(p));
	return f;
}

static void
what_an_executable_says_is_read_from_its_notes(void **state)
{
	struct file f = elf(true);
	char name[IMAGE_NAME];
	struct image i;

	(void)state;
	assert_true(image_parse(f.bytes, f.n, &i));
	assert_string_equal(i.id, "9f86d08101020300000000000000000000000000");
	assert_string_equal(i.version, "1.2.3");
	assert_true(i.says);
	assert_int_equal(i.bus, 1);
	assert_int_equal(i.contract, 2);
	image_name(&i, name);
	assert_string_equal(name, "1.2.3+9f86d081");
}

static void
without_a_build_id_there_is_none(void **state)
{
	struct file f = elf(false);
	struct image i;

	(void)state;
	assert_true(image_parse(f.bytes, f.n, &i));
	assert_string_equal(i.id, "");
	assert_true(i.says);
}

static void
a_file_that_is_cut_short_or_lies_about_itself_is_read_within_its_bounds(void **state)
{
	struct file whole = elf(true);
	struct image i;

	(void)state;
	for (size_t n = 0; n < whole.n; n++) {
		uint8_t *cut = malloc(n + 1); /* so that a sanitizer sees a step too far */

		memcpy(cut, whole.bytes, n);
		if (image_parse(cut, n, &i))
			assert_string_equal(i.id, ""); /* the segment is not all there */
		free(cut);
	}
	for (size_t at = sizeof(Elf64_Ehdr); at + 4 <= whole.n; at++) {
		struct file f = whole;

		memset(f.bytes + at, 0xff, 4);
		(void)!image_parse(f.bytes, f.n, &i);
		assert_true(strlen(i.id) < IMAGE_ID && strlen(i.version) < IMAGE_VERSION);
	}
}

static void
what_is_no_program_of_this_machine_is_none(void **state)
{
	struct file f = elf(true);
	struct image i;

	(void)state;
	assert_false(image_parse((const uint8_t *)"#!/bin/sh\n", 10, &i));
	f.bytes[EI_DATA] = ELFDATA2MSB;
	assert_false(image_parse(f.bytes, f.n, &i));
	f.bytes[EI_DATA] = ELFDATA2LSB;
	f.bytes[EI_CLASS] = ELFCLASS32;
	assert_false(image_parse(f.bytes, f.n, &i));
}

static void
a_file_without_a_build_id_is_known_by_what_it_is(void **state)
{
	char path[] = "/tmp/metafed-test-imageXXXXXX";
	struct file f = elf(false);
	struct image a, b;
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, f.bytes, f.n), f.n);
	assert_true(image_of_file(path, &a));
	assert_true(image_of_file(path, &b));
	assert_int_equal(a.id[0], '~');
	assert_true(image_same(&a, &b));
	assert_int_equal(write(fd, "x", 1), 1);
	assert_true(image_of_file(path, &b));
	assert_false(image_same(&a, &b));
	close(fd);
	unlink(path);
}

/* --- what a guard leaves --- */

static int
memory_of(const void *p, size_t n)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(write(fd, p, n), n);
	return fd;
}

static void
what_no_guard_left_is_refused_and_changes_nothing(void **state)
{
	static struct handover o;
	struct holdings h;
	char err[256], bytes[4096] = "MFGUARD";
	int fd;

	(void)state;
	fd = memory_of("", 0);
	assert_false(handover_read(fd, &o, &h, err, sizeof(err)));
	close(fd);
	bytes[8] = 99; /* the format */
	fd = memory_of(bytes, sizeof(bytes));
	assert_false(handover_read(fd, &o, &h, err, sizeof(err)));
	assert_non_null(strstr(err, "format 99"));
	close(fd);
	bytes[8] = HANDOVER_FORMAT;
	bytes[12] = 5; /* slots, of which there are fewer bytes than that */
	fd = memory_of(bytes, 100);
	assert_false(handover_read(fd, &o, &h, err, sizeof(err)));
	close(fd);
	fd = memory_of(bytes, sizeof(bytes)); /* descriptor 0 is no lock */
	assert_false(handover_read(fd, &o, &h, err, sizeof(err)));
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_process_has_its_turn_once_agents_first_the_keepers_last),
		cmocka_unit_test(who_stands_by_has_a_turn_too_and_who_leads_is_the_last_of_them),
		cmocka_unit_test(guard_and_supervisor_are_the_executable_of_meta),
		cmocka_unit_test(who_speaks_another_bus_or_contract_is_refused_with_what_to_do),
		cmocka_unit_test(
		    a_few_failures_prove_nothing_and_what_failed_before_is_no_ones_fault),
		cmocka_unit_test(an_upgrade_is_the_same_after_it_was_written_and_read),
		cmocka_unit_test(a_damaged_record_is_refused_at_each_length),
		cmocka_unit_test(a_failure_says_what_is_new_what_is_not_and_what_to_do),
		cmocka_unit_test(what_an_executable_says_is_read_from_its_notes),
		cmocka_unit_test(without_a_build_id_there_is_none),
		cmocka_unit_test(
		    a_file_that_is_cut_short_or_lies_about_itself_is_read_within_its_bounds),
		cmocka_unit_test(what_is_no_program_of_this_machine_is_none),
		cmocka_unit_test(a_file_without_a_build_id_is_known_by_what_it_is),
		cmocka_unit_test(what_no_guard_left_is_refused_and_changes_nothing),
	};

	return TEST_RUN(tests);
}

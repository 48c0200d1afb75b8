/* rbac: decisions at 10,000 roles and 1,000,000 grants: what one takes, what a change takes, and what
 * the policy needs in memory. In this process, without the bus: the decision itself.
 *
 *	rbac [GRANTS] */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/load.h"
#include "base/hist.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/time.h"
#include "harness/bench.h"

#define ROLES     10000
#define GROUPS    1000
#define USERS     100000
#define QUESTIONS 300000

static struct image *image;
static struct rng rng;

static void
user_id(char out[UUID_LEN], unsigned n)
{
	(void)snprintf(out, UUID_LEN, "018f0000-0000-7000-8000-%012x", n);
}

static void
make_roles(void)
{
	char name[32], parent[32], one[32], err[200];

	for (unsigned i = 0; i < ROLES; i++) {
		json_t *row = json_pack("{s:[],s:[]}", "permissions", "inherits");

		(void)snprintf(name, sizeof(name), "role%u", i);
		for (unsigned k = 0; k < 4; k++) {
			(void)snprintf(one, sizeof(one), "m%u.v%u", rng_below(&rng, 500), k);
			json_array_append_new(
			    json_object_get(row, "permissions"), json_string(one));
		}
		if (i > 0) {
			(void)snprintf(parent, sizeof(parent), "role%u", i / 3);
			json_array_append_new(
			    json_object_get(row, "inherits"), json_string(parent));
		}
		image_put(image, "role", name, row);
		json_decref(row);
	}
	for (unsigned i = 0; i < GROUPS; i++) {
		(void)snprintf(name, sizeof(name), "group%u", i);
		(void)snprintf(one, sizeof(one), "role%u", rng_below(&rng, ROLES));
		rules_put_group(image->rules, name, 1, (const char *const[]){ one });
	}
	if (!image_build(image, err, sizeof(err)))
		exit(1);
}

static void
put_grant(unsigned n)
{
	char id[UUID_LEN], subject[UUID_LEN], what[32], resource[48], ns[16];
	const char *permissions[] = { what };
	struct grant_def d = { .id = id,
		.subject = subject,
		.deny = n % 10 == 0,
		.n_permissions = 1,
		.permissions = permissions };

	(void)snprintf(id, sizeof(id), "018f0000-0000-7000-9000-%012x", n);
	(void)snprintf(what, sizeof(what), n % 3 == 0 ? "m%u.*" : "m%u.v1", n % 500);
	(void)snprintf(resource, sizeof(resource), "task/%u", n % 200000);
	(void)snprintf(ns, sizeof(ns), "ns%u", n % 50);
	switch (n % 4) {
	case 0:
		d.kind = SUBJECT_GROUP;
		(void)snprintf(subject, sizeof(subject), "group%u", n / 4 % GROUPS);
		d.resource = resource;
		break;
	case 1:
		d.kind = SUBJECT_ROLE;
		(void)snprintf(subject, sizeof(subject), "role%u", n / 4 % ROLES);
		d.ns = ns;
		d.resource = resource;
		break;
	default:
		user_id(subject, n / 2 % USERS);
		d.resource = n % 8 < 4 ? resource : NULL;
		d.ns = n % 16 < 8 ? ns : NULL;
	}
	(void)rules_put_grant(image->rules, &d);
}

static void
ask(struct bench_result *r)
{
	char id[UUID_LEN], role[2][32], group[3][32], what[32], resource[48], ns[16];
	char *roles[] = { role[0], role[1] }, *groups[] = { group[0], group[1], group[2] };
	Mf__Principal who = MF__PRINCIPAL__INIT;
	struct question q = { .who = &who, .permission = what, .resource = resource, .ns = ns };
	unsigned allowed = 0;

	who.id = id;
	who.n_roles = 2;
	who.roles = roles;
	who.n_groups = 3;
	who.groups = groups;
	q.at = (struct circumstances){ time_wall_us(), "192.0.2.1", &who };
	for (unsigned i = 0; i < QUESTIONS; i++) {
		int64_t began;

		user_id(id, rng_below(&rng, USERS));
		for (int k = 0; k < 2; k++)
			(void)snprintf(role[k], 32, "role%u", rng_below(&rng, ROLES));
		for (int k = 0; k < 3; k++)
			(void)snprintf(group[k], 32, "group%u", rng_below(&rng, GROUPS));
		(void)snprintf(
		    what, sizeof(what), "m%u.v%u", rng_below(&rng, 500), rng_below(&rng, 4));
		(void)snprintf(resource, sizeof(resource), "task/%u", rng_below(&rng, 200000));
		(void)snprintf(ns, sizeof(ns), "ns%u", rng_below(&rng, 50));
		began = time_now_us();
		for (int k = 0; k < 8; k++) /* a clock of 1 us is too coarse for one */
			allowed += rules_decide(image->rules, &q, NULL).allowed;
		hist_add(&r->latency, (time_now_us() - began) * 1000 / 8);
		r->took_us += time_now_us() - began;
		r->calls += 8;
	}
	if (allowed == 0)
		printf("nothing is allowed\n");
}

int
main(int argc, char **argv)
{
	unsigned grants = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000000;
	struct bench_result r = { .calls = 0 };
	size_t before, after;
	int64_t began;
	char err[200];

	rng_seed(&rng, 1);
	image = image_new();
	began = time_now_us();
	make_roles();
	printf(
	    "%u roles, %u groups: %.1f ms\n", ROLES, GROUPS, (double)(time_now_us() - began) / 1e3);
	before = mallinfo2().uordblks;
	began = time_now_us();
	for (unsigned n = 0; n < grants; n++)
		put_grant(n);
	after = mallinfo2().uordblks;
	printf("%u grants: %.0f ms, %.0f bytes each\n", grants,
	    (double)(time_now_us() - began) / 1e3, (double)(after - before) / grants);
	ask(&r);
	printf("decisions: %.0f/s of one core, p50 %.2f us, p99 %.2f us, worst %.1f us\n",
	    (double)r.calls * 1e6 / (double)r.took_us, (double)hist_quantile(&r.latency, 0.5) / 1e3,
	    (double)hist_quantile(&r.latency, 0.99) / 1e3,
	    (double)hist_quantile(&r.latency, 1) / 1e3);
	began = time_now_us();
	for (unsigned n = 0; n < 10000; n++)
		put_grant(rng_below(&rng, grants));
	printf("a changed grant: %.2f us\n", (double)(time_now_us() - began) / 1e4);
	began = time_now_us();
	if (!image_build(image, err, sizeof(err)))
		return 1;
	printf("a changed role: %.1f ms\n", (double)(time_now_us() - began) / 1e3);
	image_free(&image);
	return 0;
}

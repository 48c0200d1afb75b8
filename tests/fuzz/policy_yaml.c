/* policy_yaml: any bytes as a policy's YAML, any JSON as conditions, any bytes as a zone's file. What is
 * read is written again, and what was written reads as the same. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/conditions.h"
#include "auth/rbac/document.h"
#include "auth/rbac/zone.h"
#include "base/json.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
as_policy(const char *p, size_t n)
{
	struct document d, again;
	struct yaml_error e;
	struct buf one = { 0 }, two = { 0 };

	if (!document_read(p, n, &d, &e)) {
		must(e.what[0] != '\0');
		return;
	}
	document_write(&one, d.rows);
	must(document_read(one.p, one.n, &again, &e));
	document_write(&two, again.rows);
	must(one.n == two.n && memcmp(one.p, two.p, one.n) == 0);
	buf_free(&one);
	buf_free(&two);
	document_free(&d);
	document_free(&again);
}

static void
as_conditions(const void *p, size_t n)
{
	struct circumstances of = { .now_us = INT64_C(1795000000000000), .address = "10.1.2.3" };
	struct condition_error why;
	struct json_error e;
	json_t *v = json_read(p, n, &e);
	struct conditions *c = v == NULL ? NULL : conditions_read(v, &why);

	must(v == NULL || c != NULL || why.what[0] != '\0');
	if (c != NULL)
		must(conditions_hold(c, &of) <= TRUTH_UNKNOWN);
	conditions_free(&c);
	json_decref(v);
}

static void
as_zone(const uint8_t *p, size_t n)
{
	struct zone *z = zone_parse(p, n);
	int32_t offset;

	if (z == NULL)
		return;
	(void)zone_offset(z, INT64_MIN, &offset);
	(void)zone_offset(z, 1795000000, &offset);
	(void)zone_offset(z, INT64_MAX, &offset);
	zone_free(&z);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	must(sodium_init() >= 0);
	if (n == 0)
		return 0;
	if (p[0] == 'T')
		as_zone(p, n);
	else if (p[0] == '{')
		as_conditions(p, n);
	else
		as_policy((const char *)p, n);
	return 0;
}

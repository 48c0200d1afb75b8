/* report_read: a document that somebody gives us. What the reports and the comparison rely on is
 * checked here; the rest is read by doc.h, which takes nothing for granted. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/reliability/doc.h"
#include "cli/reliability/report.h"
#include "cli/reliability/report_int.h"

#define ROWS_MOST 20000 /* of any list in it */

struct complaint {
	char *text;
	size_t size;
};

static bool check(const json_t *, struct complaint *);
static bool check_system(const json_t *, const char *, struct complaint *);
static bool check_lists(const json_t *, const char *, struct complaint *);
static bool complain(struct complaint *, const char *, const char *);

json_t *
report_read(const void *p, size_t n, char *err, size_t err_size)
{
	struct complaint c = { err, err_size };
	struct json_error e;
	json_t *doc = json_read(p, n, &e);

	if (doc == NULL) {
		snprintf(err, err_size, "line %d: %s", e.line, e.what);
		return NULL;
	}
	if (!check(doc, &c)) {
		json_decref(doc);
		return NULL;
	}
	return doc;
}

static bool
check(const json_t *doc, struct complaint *c)
{
	if (strcmp(doc_str(doc, "format"), REPORT_FORMAT) != 0)
		return complain(c, "format", "this is no report of metafed reliability");
	if (doc_num(doc, "version") != REPORT_VERSION)
		return complain(c, "version", "of another version of metafed");
	if (!json_is_integer(doc_at(doc, "seed")))
		return complain(c, "seed", "must be an integer");
	if (!(doc_num(doc, "scenarios") >= 0))
		return complain(c, "scenarios", "must be a count");
	if (!json_is_object(doc_at(doc, "federation")))
		return complain(c, "federation", "is missing");
	return check_system(doc_at(doc, "federation"), "federation", c) &&
	       check_system(doc_at(doc, "baseline"), "baseline", c) && check_lists(doc, "", c);
}

/* null: it was not asked. */
static bool
check_system(const json_t *s, const char *name, struct complaint *c)
{
	static const char *const counts[] = { "requests", "success", "partial", "failed",
		"cascades" };
	double lo, hi, all;

	if (s == NULL || json_is_null(s))
		return true;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		const json_t *v = json_object_get(s, counts[i]);

		if (!json_is_integer(v) || json_integer_value(v) < 0 ||
		    json_integer_value(v) > INT32_MAX)
			return complain(c, name, "its counts are none");
	}
	all = doc_num(s, "success") + doc_num(s, "partial") + doc_num(s, "failed");
	if (all != doc_num(s, "requests") || doc_num(s, "cascades") > all)
		return complain(c, name, "its counts don't add up");
	if (all > 0 && (!doc_interval(s, "ci99", &lo, &hi) || lo < 0 || hi > 1))
		return complain(c, name, "ci99 is no interval of a rate");
	return true;
}

/* No list is so long that a page of it could not be shown. Depth is bounded by json_read. */
static bool
check_lists(const json_t *v, const char *key, struct complaint *c)
{
	const char *k;
	json_t *one;
	size_t i;

	if (json_array_size(v) > ROWS_MOST || json_object_size(v) > ROWS_MOST)
		return complain(c, key, "too long a list");
	json_array_foreach(v, i, one) if (!check_lists(one, key, c)) return false;
	json_object_foreach(
	    (json_t *)(uintptr_t)v, k, one) if (!check_lists(one, k, c)) return false;
	return true;
}

static bool
complain(struct complaint *c, const char *where, const char *what)
{
	snprintf(c->text, c->size, "%.60s: %s", where, what);
	return false;
}

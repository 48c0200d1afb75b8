/* deprecation: see deprecation.h. */
#include <time.h>

#include "api/rest/deprecation.h"
#include "base/time.h"

static bool day_read(struct arena *, const json_t *, int64_t *);
static const char *http_date(struct arena *, int64_t);
static const char *links(struct arena *, const json_t *);

const struct deprecation *
deprecation_read(struct arena *a, const json_t *operation, const char **wrong)
{
	const json_t *sunset = json_object_get(operation, "x-sunset");
	struct deprecation *d;
	int64_t since, end;

	*wrong = NULL;
	if (!json_is_true(json_object_get(operation, "deprecated")))
		return NULL;
	if (!day_read(a, json_object_get(operation, "x-deprecated-since"), &since))
		*wrong = "is deprecated, and x-deprecated-since is no day";
	else if (sunset != NULL && !day_read(a, sunset, &end))
		*wrong = "x-sunset is no day";
	else if (sunset != NULL && end < since)
		*wrong = "x-sunset is before x-deprecated-since";
	if (*wrong != NULL)
		return NULL;
	d = ARENA_NEW(a, struct deprecation);
	d->since = arena_printf(a, "@%lld", (long long)since);
	d->sunset = sunset == NULL ? NULL : http_date(a, end);
	d->links = links(a, operation);
	return d;
}

/* "2026-06-01": when it begins, in seconds since 1970. */
static bool
day_read(struct arena *a, const json_t *v, int64_t *out)
{
	if (!json_is_string(v) || json_string_length(v) != 10 ||
	    !time_parse_rfc3339(str_of(arena_printf(a, "%sT00:00:00Z", json_string_value(v))), out))
		return false;
	*out /= SEC;
	return true;
}

/* IMF-fixdate, whatever the locale. */
static const char *
http_date(struct arena *a, int64_t s)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)s;
	struct tm tm;

	gmtime_r(&t, &tm);
	return arena_printf(a, "%s, %02d %s %d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
	    months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static const char *
links(struct arena *a, const json_t *operation)
{
	const char *read =
	    json_string_value(json_object_get(json_object_get(operation, "externalDocs"), "url"));
	const char *next = json_string_value(json_object_get(operation, "x-successor"));
	const char *about = arena_printf(
	    a, "<%s>; rel=\"deprecation\"; type=\"text/html\"", read != NULL ? read : "/docs");

	return next == NULL ? about
	                    : arena_printf(a, "%s, <%s>; rel=\"successor-version\"", about, next);
}

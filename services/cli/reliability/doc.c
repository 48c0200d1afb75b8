/* doc: see doc.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/reliability/doc.h"
#include "cli/reliability/result.h"

const json_t *
doc_at(const json_t *doc, const char *path)
{
	while (doc != NULL && *path != '\0') {
		size_t n = strcspn(path, ".");
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)n, path);
		doc = json_object_get(doc, key);
		path += n + (path[n] == '.');
	}
	return doc;
}

double
doc_num(const json_t *doc, const char *path)
{
	const json_t *v = doc_at(doc, path);
	double n = json_is_number(v) ? json_number_value(v) : NAN;

	return isfinite(n) ? n : NAN;
}

const char *
doc_str(const json_t *doc, const char *path)
{
	const char *s = json_string_value(doc_at(doc, path));

	return s != NULL ? s : "";
}

const json_t *
doc_list(const json_t *doc, const char *path)
{
	const json_t *v = doc_at(doc, path);

	return json_is_array(v) ? v : NULL;
}

bool
doc_interval(const json_t *doc, const char *path, double *lo, double *hi)
{
	const json_t *v = doc_list(doc, path);

	*lo = doc_item(v, 0);
	*hi = doc_item(v, 1);
	return json_array_size(v) == 2 && *lo <= *hi;
}

double
doc_item(const json_t *list, size_t i)
{
	return doc_num(json_array_get(list, i), "");
}

/* Near none and near all the digits that matter come later. */
const char *
doc_share(char out[DOC_TEXT], double share)
{
	double rest = fmin(fabs(share), fabs(1 - share)) * 100;
	double digits = rest > 0 ? ceil(-log10(rest)) + 1 : 2;

	if (isnan(share))
		return "–";
	snprintf(out, DOC_TEXT, "%.*f %%",
	    digits < 2   ? 2
	    : digits > 9 ? 9
			 : (int)digits,
	    share * 100);
	return out;
}

const char *
doc_ms(char out[DOC_TEXT], double ms)
{
	double size = fabs(ms);

	if (isnan(ms))
		return "–";
	if (size >= 9999.5)
		snprintf(out, DOC_TEXT, "%.4g s", ms / 1e3);
	else
		snprintf(out, DOC_TEXT, "%.*f ms",
		    size >= 100  ? 0
		    : size >= 10 ? 1
		    : size >= 1  ? 2
				 : 3,
		    ms);
	return out;
}

const char *
doc_p(char out[DOC_TEXT], double p)
{
	if (isnan(p))
		return "–";
	if (p < 1e-12)
		return "< 1e-12";
	snprintf(out, DOC_TEXT, "%.2g", p);
	return out;
}

const char *
doc_recovery(unsigned of)
{
	return of == RECOVERY_BASELINE ? "single process" : recovery_names[of];
}

const char *
doc_count(char out[DOC_TEXT], double n)
{
	return doc_plain(out, n, 0);
}

const char *
doc_plain(char out[DOC_TEXT], double v, int digits)
{
	if (isnan(v))
		return "–";
	if (fabs(v) >= 1e15)
		snprintf(out, DOC_TEXT, "%.3g", v);
	else
		snprintf(out, DOC_TEXT, "%.*f", digits, v);
	return out;
}

const char *
doc_range(char out[DOC_TEXT], const json_t *doc, const char *path)
{
	char a[DOC_TEXT], b[DOC_TEXT];
	double lo, hi;

	if (!doc_interval(doc, path, &lo, &hi))
		return "–";
	snprintf(out, DOC_TEXT, "%.28s to %.28s", doc_share(a, lo), doc_share(b, hi));
	return out;
}

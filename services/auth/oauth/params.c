/* params: application/x-www-form-urlencoded, as queries and bodies have it (web.h). Pure. */
#include <string.h>
#include "auth/oauth/web.h"

static const char *read_one(struct arena *a, struct str pair, struct web_params *out);

const char *
web_params_read(struct arena *a, struct str text, struct web_params *out)
{
	const char *wrong = NULL;
	struct str pair;

	out->n = 0;
	while (text.n > 0 && wrong == NULL) {
		(void)str_cut(text, '&', &pair, &text);
		if (pair.n > 0)
			wrong = read_one(a, pair, out);
	}
	return wrong;
}

static const char *
read_one(struct arena *a, struct str pair, struct web_params *out)
{
	struct web_param *p = &out->all[out->n];
	size_t n_name, n_value;
	struct str name, value;

	if (out->n == WEB_PARAMS_MOST)
		return "there are too many parameters";
	if (pair.n > WEB_BODY_MAX)
		return "a parameter is too long";
	(void)str_cut(pair, '=', &name, &value);
	p->name = str_percent_decode(a, name, true, &n_name);
	p->value = str_percent_decode(a, value, true, &n_value);
	if (p->name == NULL || p->value == NULL)
		return "a parameter is not percent-encoded as it should be";
	if (!str_utf8_ok(p->name, n_name) || !str_utf8_ok(p->value, n_value))
		return "a parameter is not UTF-8";
	if (n_value > WEB_VALUE_MAX)
		return "a parameter is too long";
	for (size_t i = 0; i < out->n; i++)
		if (strcmp(out->all[i].name, p->name) == 0)
			return "a parameter is there more than once";
	out->n++;
	return NULL;
}

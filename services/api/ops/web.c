/* web: see web.h. */
#include "api/ops/web.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"

static const char *error_of(int);
static char *description(struct arena *, const char *);
static char *escaped(struct arena *, const char *);

#define READ  "GET, HEAD, OPTIONS"
#define WRITE "POST, OPTIONS"
#define BOTH  "GET, HEAD, POST, OPTIONS"

/* The first that fits. */
static const struct web_path paths[] = {
	{ "/oauth/token", WRITE, WEB_ORIGINS },
	{ "/oauth/par", WRITE, WEB_ORIGINS },
	{ "/oauth/device_authorization", WRITE, WEB_ORIGINS },
	{ "/oauth/introspect", WRITE, WEB_ORIGINS },
	{ "/oauth/revoke", WRITE, WEB_ORIGINS },
	{ "/oauth/userinfo", BOTH, WEB_ORIGINS },
	{ "/oauth/register", WRITE, WEB_OWN },
	{ "/oauth/register/", "GET, HEAD, PUT, DELETE, OPTIONS", WEB_OWN },
	{ "/oauth/jwks", READ, WEB_ANYBODY },
	{ "/oauth/pages.css", READ, WEB_OWN },
	{ "/oauth/", BOTH, WEB_OWN },
	{ "/.well-known/oauth-authorization-server", READ, WEB_ANYBODY },
	{ "/.well-known/openid-configuration", READ, WEB_ANYBODY },
	{ "/.well-known/jwks.json", READ, WEB_ANYBODY },
};

const struct web_path *
web_path(const char *path)
{
	if (path[0] != '/' || (path[1] != 'o' && path[1] != '.')) /* most are not */
		return NULL;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *p = paths[i].path;
		size_t n = strlen(p);

		if (p[n - 1] == '/' ? strncmp(p, path, n) == 0 : strcmp(p, path) == 0)
			return &paths[i];
	}
	return NULL;
}

bool
web_method(const struct web_path *p, const char *method)
{
	struct str rest = str_of(p->methods), one;

	while (rest.n != 0) {
		str_cut(rest, ',', &one, &rest);
		if (str_eq(str_trim(one), method))
			return true;
	}
	return false;
}

char *
web_failure(struct arena *a, const char *accept, int http, const struct failure *f,
    const char **type, size_t *n)
{
	struct jw w;

	if (strstr(accept, "text/html") != NULL) {
		char *page = arena_printf(a,
		    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		    "<title>%s</title></head>\n<body><main><h1>%s</h1><p>%s.</p></main></body>"
		    "</html>\n",
		    http >= 500 ? "Not available" : "Not possible",
		    http >= 500 ? "This page is not available now" : "This request is not possible",
		    escaped(a, f->message));

		*type = "text/html; charset=utf-8";
		*n = strlen(page);
		return page;
	}
	jw_start(&w, a, 256);
	jw_object(&w, NULL);
	jw_str(&w, "error", error_of(http));
	jw_str(&w, "error_description", description(a, f->message));
	jw_close(&w, '}');
	*type = "application/json";
	return jw_text(&w, n);
}

/* RFC 6749, 4.1.2.1 and 5.2 */
static const char *
error_of(int http)
{
	return http == 503 || http == 504 || http == 429 ? "temporarily_unavailable"
	       : http >= 500                             ? "server_error"
	                                                 : "invalid_request";
}

/* %x20-21 / %x23-5B / %x5D-7E */
static char *
description(struct arena *a, const char *message)
{
	char *s = arena_strdup(a, message);

	for (char *p = s; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\')
			*p = '\'';
	return s;
}

static char *
escaped(struct arena *a, const char *s)
{
	char *out = arena_alloc(a, 6 * strlen(s) + 1), *to = out;

	for (; *s != '\0'; s++) {
		const char *as = *s == '&'   ? "&amp;"
		                 : *s == '<' ? "&lt;"
		                 : *s == '>' ? "&gt;"
		                 : *s == '"' ? "&quot;"
		                             : NULL;

		if (as != NULL)
			to = stpcpy(to, as);
		else
			*to++ = *s;
	}
	*to = '\0';
	return out;
}

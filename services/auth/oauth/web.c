/* web: see web.h. Here a request comes in: its parts are judged, its route is found. */
#include "auth/oauth/web.h"
#include <sodium.h>
#include <string.h>
#include <strings.h>
#include "auth/jwt/issue.h"
#include "auth/oauth/pages.h"
#include "base/log.h"

#define FORM_TYPE "application/x-www-form-urlencoded"

static const struct route *find_route(struct web *w, bool *path_known);
static bool route_matches(const struct route *r, const char *path, const char **rest);
static const char *read_parts(struct web *w);
static const char *param(const struct web_params *p, const char *name);

void
web_serve(struct oauth *o, struct call *c, const Mf__WebRequest *q)
{
	struct web *w = ARENA_NEW(call_arena(c), struct web);
	const struct route *r;
	bool path_known = false;
	const char *wrong;
	char id[UUID_LEN];

	w->o = o;
	w->c = c;
	w->a = call_arena(c);
	w->q = q;
	w->base = q->origin;
	w->issuer = tokens_issuer(o->tokens, q->origin);
	w->operation_id = call_operation_id(c);
	if (w->operation_id[0] == '\0') {
		uuid7(id);
		w->operation_id = arena_strdup(w->a, id);
	}
	r = find_route(w, &path_known);
	w->is_page = r != NULL ? r->kind == ROUTE_PAGE : web_wants_html(w);
	if (r == NULL)
		web_error(w, path_known ? 405 : 404, "invalid_request",
		    path_known ? "this method is not for this address" : "there is nothing here");
	else if ((wrong = read_parts(w)) == NULL)
		r->handle(w);
	else
		web_error(w, 400, "invalid_request", wrong);
}

static const struct route *
find_route(struct web *w, bool *path_known)
{
	const struct route *found = NULL;
	struct buf allow = { 0 };

	for (const struct route *r = oauth_routes; r->method != NULL && found == NULL; r++) {
		const char *rest;

		if (!route_matches(r, w->q->path, &rest))
			continue;
		*path_known = true;
		w->rest = rest;
		buf_printf(&allow, "%s%s", allow.n > 0 ? ", " : "", r->method);
		if (strcmp(w->q->method, r->method) == 0)
			found = r;
	}
	if (found == NULL && *path_known)
		web_add(w, "allow", "%.*s", (int)allow.n, allow.p);
	buf_free(&allow);
	return found;
}

static bool
route_matches(const struct route *r, const char *path, const char **rest)
{
	size_t n = strlen(r->path);

	*rest = "";
	if (r->path[n - 1] != '/')
		return strcmp(r->path, path) == 0;
	*rest = path + n;
	return strncmp(r->path, path, n) == 0 && **rest != '\0' && strchr(*rest, '/') == NULL;
}

static const char *
read_parts(struct web *w)
{
	const Mf__WebRequest *q = w->q;
	const char *wrong = web_params_read(w->a, str_of(q->query), &w->query);

	if (wrong == NULL && q->body.len > WEB_BODY_MAX)
		wrong = "the body is too long";
	if (wrong == NULL && web_has_form(w)) {
		wrong = web_params_read(
		    w->a, (struct str){ (const char *)q->body.data, q->body.len }, &w->form);
		sodium_memzero(q->body.data, q->body.len); /* may hold a password or a secret */
	}
	return wrong;
}

/* --- what came --- */

const char *
web_query(const struct web *w, const char *name)
{
	return param(&w->query, name);
}

const char *
web_form(const struct web *w, const char *name)
{
	return param(&w->form, name);
}

static const char *
param(const struct web_params *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->all[i].name, name) == 0)
			return p->all[i].value[0] != '\0' ? p->all[i].value : NULL;
	return NULL;
}

const char *
web_header(const struct web *w, const char *name)
{
	for (size_t i = 0; i < w->q->n_headers; i++)
		if (strcmp(w->q->headers[i]->key, name) == 0)
			return w->q->headers[i]->value;
	return NULL;
}

/* RFC 6265, 5.4: the first of that name; there may be several headers in HTTP/2's manner. */
const char *
web_cookie(const struct web *w, const char *name)
{
	for (size_t i = 0; i < w->q->n_headers; i++) {
		struct str rest = str_of(w->q->headers[i]->value), pair, key, value;

		if (strcmp(w->q->headers[i]->key, "cookie") != 0)
			continue;
		while (rest.n > 0) {
			(void)str_cut(rest, ';', &pair, &rest);
			(void)str_cut(str_trim(pair), '=', &key, &value);
			if (str_eq(key, name))
				return arena_strndup(w->a, value.p, value.n);
		}
	}
	return NULL;
}

bool
web_has_form(const struct web *w)
{
	const char *type = web_header(w, "content-type");
	struct str media, rest;

	if (type == NULL)
		return false;
	(void)str_cut(str_of(type), ';', &media, &rest);
	media = str_trim(media);
	return media.n == strlen(FORM_TYPE) && strncasecmp(media.p, FORM_TYPE, media.n) == 0;
}

bool
web_wants_html(const struct web *w)
{
	const char *accept = web_header(w, "accept");

	return accept != NULL && strstr(accept, "text/html") != NULL;
}

const char *const *
web_texts(const struct web *w, const json_t *data, const char *name, size_t *n)
{
	const json_t *list = json_object_get(data, name);
	const char **out = ARENA_ARRAY(w->a, const char *, json_array_size(list) + 1);

	*n = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s != NULL)
			out[(*n)++] = s;
	}
	return out;
}

/* ui: see ui.h. Nothing in it comes from elsewhere, runs inline, or is put into a page as markup: its
 * policy says so. The page itself is asked for each time; what it names has a hash in its name and
 * stays for good. */
#include "api/rest/ui.h"
#include <string.h>
#include "api/rest/handling.h"
#include "base/log.h"

#define HOME   "/ui"
#define ASSETS "assets/"

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

static void answer(struct handling *, const char *);
static const struct ui_file *find(const char *);
static void give(struct handling *, const struct ui_file *);

bool
ui_answer(struct handling *h)
{
	const char *rest = h->q->path + sizeof(HOME) - 1;

	if (!str_starts(h->q->path, HOME) || (*rest != '\0' && *rest != '/'))
		return false;
	if (strcmp(h->q->method, "GET") != 0 && strcmp(h->q->method, "HEAD") != 0)
		respond_no_method(h, "GET, HEAD, OPTIONS");
	else
		answer(h, *rest == '/' ? rest + 1 : rest);
	return true;
}

static void
answer(struct handling *h, const char *name)
{
	static const struct failure none = {
		.status = ST_NOT_FOUND,
		.message = "the fleet was built without the dashboard (make UI=no)",
		.reason = "NO_DASHBOARD",
	};
	static const struct failure gone = {
		.status = ST_NOT_FOUND,
		.message = "the dashboard has no such file; another version of it may have had",
		.reason = "NO_RESOURCE",
	};
	const struct ui_file *f = find(name);

	if (ui_files[0].name == NULL)
		respond_failure(h, 0, &none);
	else if (f != NULL)
		give(h, f);
	else if (str_starts(name, ASSETS))
		respond_failure(h, 0, &gone);
	else
		give(h, find("index.html"));
}

static const struct ui_file *
find(const char *name)
{
	for (const struct ui_file *f = ui_files; f->name != NULL; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

/* The edge says whether the client takes gzip, leaves alone what has a coding already, and says of the
 * rest that it varies. */
static void
give(struct handling *h, const struct ui_file *f)
{
	const char *condition = handling_header(h, "if-none-match"), *tag;
	bool zipped;

	must(f != NULL);
	zipped = f->gzip != NULL && strcmp(handling_header(h, "accept-encoding"), "gzip") == 0;
	tag = arena_printf(h->a, "%s%s", f->tag, zipped ? "z" : "");
	h->content_type = f->type;
	respond_header(h, "ETag", arena_printf(h->a, "\"%s\"", tag));
	respond_header(h, "Cache-Control",
	    str_starts(f->name, ASSETS) ? "public, max-age=31536000, immutable" : "no-cache");
	respond_header(h, "Content-Security-Policy", policy);
	respond_header(h, "Cross-Origin-Opener-Policy", "same-origin");
	if (condition[0] != '\0' && etag_if_none_match(condition, tag)) {
		respond(h, 304, NULL, 0);
		return;
	}
	if (zipped) {
		respond_header(h, "Content-Encoding", "gzip");
		respond_header(h, "Vary", "Accept-Encoding");
	}
	respond(h, 200, zipped ? f->gzip : f->bytes, zipped ? f->n_gzip : f->n);
}

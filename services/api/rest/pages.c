/* pages: see pages.h. The page loads nothing from elsewhere and runs no script but its own: its
 * policy says so. An entity tag is the hash of the bytes. */
#include <sodium.h>
#include <string.h>

#include "api/rest/handling.h"
#include "api/rest/pages.h"
#include "base/log.h"

#define TAG_BYTES 12

static const struct page {
	const char *path, *file, *type;
} pages[] = {
	{ "/openapi.json", "openapi.json", "application/json" },
	{ "/docs", "docs.html", "text/html; charset=utf-8" },
	{ "/docs/docs.js", "docs.js", "text/javascript; charset=utf-8" },
	{ "/docs/docs.css", "docs.css", "text/css; charset=utf-8" },
};

static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
			     "connect-src 'self'; base-uri 'none'; form-action 'none'; "
			     "frame-ancestors 'none'";

static void answer(struct handling *, const struct page *);
static const char *tag_of(struct arena *, const struct file *);

const struct file *
file_find(const char *name)
{
	for (const struct file *f = rest_files; f->name != NULL; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

bool
page_answer(struct handling *h)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(pages[i].path, h->q->path) == 0) {
			answer(h, &pages[i]);
			return true;
		}
	}
	return false;
}

static void
answer(struct handling *h, const struct page *p)
{
	const struct file *f = file_find(p->file);
	const char *tag, *condition = handling_header(h, "if-none-match");

	if (strcmp(h->q->method, "GET") != 0 && strcmp(h->q->method, "HEAD") != 0) {
		respond_no_method(h, "GET, HEAD, OPTIONS");
		return;
	}
	must(f != NULL);
	tag = tag_of(h->a, f);
	h->content_type = p->type;
	respond_header(h, "ETag", arena_printf(h->a, "\"%s\"", tag));
	respond_header(h, "Cache-Control", "no-cache");
	respond_header(h, "Content-Security-Policy", policy);
	if (condition[0] != '\0' && etag_if_none_match(condition, tag))
		respond(h, 304, NULL, 0);
	else
		respond(h, 200, f->bytes, f->n);
}

static const char *
tag_of(struct arena *a, const struct file *f)
{
	char *tag = arena_alloc(a, 2 * TAG_BYTES + 1);
	uint8_t hash[crypto_generichash_BYTES_MIN];

	_Static_assert(TAG_BYTES <= crypto_generichash_BYTES_MIN, "more than there is");
	crypto_generichash(hash, sizeof(hash), (const uint8_t *)f->bytes, f->n, NULL, 0);
	str_hex(hash, TAG_BYTES, tag);
	return tag;
}

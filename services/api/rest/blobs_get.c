/* blobs_get: bytes go out: all of a blob or a range of it, a piece per request. The edge asks for the next
 * piece with the same head and says how many bytes it has: the same rules lead to the same bytes,
 * because those under a digest never change. */
#include <string.h>

#include "api/rest/blobs.h"
#include "api/rest/blobs_head.h"
#include "base/str.h"

static void listed(struct blob *b, const Mf__TaskResponse *m);
static void deleted(struct blob *b, const Mf__TaskResponse *m);
static bool is_same(const struct handling *h, const char *field);
static void ask_piece(struct blob *b);
static void suffix_sized(struct blob *b, const Mf__TaskResponse *m);
static void piece_read(struct blob *b, const Mf__TaskResponse *m);
static void no_range(struct blob *b, uint64_t size);
static void say(struct blob *b, const json_t *v, uint64_t size);
static const char *number(struct arena *a, uint64_t n);

void
blobs_get(struct blob *b)
{
	struct handling *h = b->h;
	const char *condition = handling_header(h, "if-range");
	struct byte_range r;

	b->end = UINT64_MAX;
	b->ranged = strcmp(h->q->method, "GET") == 0 &&
	            (condition[0] == '\0' || is_same(h, condition)) &&
	            range_read(handling_header(h, "range"), &r);
	if (b->ranged && r.suffix) {
		blobs_ask(b, "read", h->op.id, suffix_sized);
		return;
	}
	if (b->ranged) {
		b->from = r.first;
		b->end = r.end;
	}
	ask_piece(b);
}

void
blobs_list(struct blob *b)
{
	uint64_t limit = 0;

	for (size_t i = 0; i < b->h->op.n_params; i++) {
		const struct param *p = &b->h->op.params[i];

		if (strcmp(p->name, "cursor") == 0)
			b->store.cursor = (char *)(uintptr_t)p->value;
		else if (str_u64(str_of(p->value), UINT32_MAX, &limit))
			b->store.limit = (uint32_t)limit;
	}
	blobs_ask(b, "query", "", listed);
}

static void
listed(struct blob *b, const Mf__TaskResponse *m)
{
	respond(b->h, 200, m->result.data, m->result.len);
}

void
blobs_delete(struct blob *b)
{
	blobs_ask(b, "delete", b->h->op.id, deleted);
}

static void
deleted(struct blob *b, const Mf__TaskResponse *m)
{
	(void)m;
	respond(b->h, 204, NULL, 0);
}

/* A strong comparison (RFC 9110, 13.1.5). */
static bool
is_same(const struct handling *h, const char *field)
{
	return strcmp(field, arena_printf(h->a, "\"%s\"", h->op.id)) == 0;
}

static void
ask_piece(struct blob *b)
{
	struct handling *h = b->h;
	uint64_t left = b->end - b->from - b->at;

	if (b->at > b->end - b->from || b->from > (uint64_t)INT64_MAX - b->at)
		left = 0;
	if (strcmp(h->q->method, "HEAD") != 0)
		b->store.limit = left < BLOB_PIECE ? (uint32_t)left : BLOB_PIECE;
	b->store.offset = left == 0 ? 0 : b->from + b->at;
	blobs_ask(b, "read", h->op.id, piece_read);
}

static void
suffix_sized(struct blob *b, const Mf__TaskResponse *m)
{
	const json_t *v = blobs_result(b, m);
	uint64_t size = (uint64_t)json_integer_value(json_object_get(v, "size"));
	struct byte_range r;

	if (v == NULL)
		return;
	if (!range_read(handling_header(b->h, "range"), &r) ||
	    !range_of(&r, size, &b->from, &b->end))
		no_range(b, size);
	else
		ask_piece(b);
}

static void
piece_read(struct blob *b, const Mf__TaskResponse *m)
{
	struct handling *h = b->h;
	const json_t *v = blobs_result(b, m);
	const char *if_none_match = handling_header(h, "if-none-match");
	uint64_t size = (uint64_t)json_integer_value(json_object_get(v, "size"));

	if (v == NULL)
		return;
	if (if_none_match[0] != '\0' && etag_if_none_match(if_none_match, h->op.id)) {
		respond_header(h, "ETag", arena_printf(h->a, "\"%s\"", h->op.id));
		respond(h, 304, NULL, 0);
		return;
	}
	if (b->ranged && b->from >= size) {
		no_range(b, size);
		return;
	}
	if (b->end > size)
		b->end = size;
	say(b, v, size);
	h->out.length = b->end - b->from;
	if (m->raw.len == 0)
		respond_header(h, "Content-Type", h->content_type);
	respond(h, b->ranged ? 206 : 200, m->raw.data, m->raw.len);
}

static void
no_range(struct blob *b, uint64_t size)
{
	respond_header(
	    b->h, "Content-Range", arena_printf(b->h->a, "bytes */%llu", (unsigned long long)size));
	blobs_refuse(b, 416, ST_OUT_OF_RANGE, "NO_SUCH_RANGE", "the blob has no bytes there");
}

/* What somebody stored is never shown as a page of ours: attachment, and nosniff, which the edge
 * says. */
static void
say(struct blob *b, const json_t *v, uint64_t size)
{
	struct handling *h = b->h;
	const char *type = json_string_value(json_object_get(v, "media_type")),
		   *digest = digest_text(h->a, h->op.id + strlen("sha256:"));

	h->content_type = type != NULL && type[0] != '\0' ? type : "application/octet-stream";
	respond_header(h, "ETag", arena_printf(h->a, "\"%s\"", h->op.id));
	respond_header(h, "Accept-Ranges", "bytes");
	respond_header(h, "Content-Disposition", "attachment");
	respond_header(h, "Cache-Control", "private, no-cache");
	respond_header(h, "Repr-Digest", digest);
	if (b->ranged)
		respond_header(h, "Content-Range",
		    arena_printf(h->a, "bytes %s-%s/%s", number(h->a, b->from),
			number(h->a, b->end - 1), number(h->a, size)));
	else
		respond_header(h, "Content-Digest", digest);
}

static const char *
number(struct arena *a, uint64_t n)
{
	return arena_printf(a, "%llu", (unsigned long long)n);
}

/* blobs_put: bytes come in: a whole blob in one body, or an upload in as many bodies as it takes. Either
 * way it is an upload inside; the first piece begins it, each one says where it belongs, and any of
 * them may come twice. */
#include <string.h>
#include <time.h>

#include "api/rest/blobs.h"
#include "api/rest/blobs_head.h"
#include "base/str.h"
#include "base/time.h"

#define TUS_VERSION "1.0.0"

static bool expected_of(struct blob *b, const char **out);
static void ask_create(struct blob *b, const uint64_t *length, const char *type,
    const char *metadata, const char *expected, blobs_next_fn *next);
static void put_begun(struct blob *b, const Mf__TaskResponse *m);
static void put_append(struct blob *b);
static void put_appended(struct blob *b, const Mf__TaskResponse *m);
static void put_done(struct blob *b, const Mf__TaskResponse *m);
static bool tus_spoken(struct blob *b);
static bool is_offset_type(const char *type);
static void created(struct blob *b, const Mf__TaskResponse *m);
static void create_append(struct blob *b);
static void create_end(struct blob *b, const Mf__TaskResponse *m);
static void state_read(struct blob *b, const Mf__TaskResponse *m);
static bool checksum_holds(struct blob *b);
static void look_first(struct blob *b, const Mf__TaskResponse *m);
static void piece_appended(struct blob *b, const Mf__TaskResponse *m);
static void given_up(struct blob *b, const Mf__TaskResponse *m);
static bool say_state(struct blob *b, const Mf__TaskResponse *m, uint64_t *offset);
static const char *http_date(struct arena *a, const char *rfc3339);
static const char *number(struct arena *a, uint64_t n);

/* --- POST /blobs, PUT /blobs/ID --- */

void
blobs_put(struct blob *b)
{
	struct handling *h = b->h;
	const Mf__BodyPiece *piece = h->q->piece;
	const uint64_t length = piece != NULL ? piece->length : b->body.len;
	const char *expected, *type = handling_header(h, "content-type");

	b->upload = h->op.operation_id;
	b->offset = b->at;
	if (!expected_of(b, &expected))
		return;
	if (b->at == 0)
		ask_create(b, piece == NULL || piece->known ? &length : NULL,
		    type[0] != '\0' ? type : NULL, NULL, expected, put_begun);
	else
		put_append(b);
}

/* By the name it is put under, and by what the header says of it: the body has no coding, so both
 * fields of RFC 9530 speak of the same bytes. False: answered. */
static bool
expected_of(struct blob *b, const char **out)
{
	static const char *const fields[] = { "content-digest", "repr-digest" };
	struct handling *h = b->h;
	uint8_t sum[SHA256_BYTES];

	*out = h->op.id[0] != '\0' ? h->op.id : NULL;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *field = handling_header(h, fields[i]);
		enum digest_found found =
		    field[0] == '\0' ? DIGEST_NONE : digest_read(h->a, field, sum);
		char name[7 + 2 * SHA256_BYTES + 1] = "sha256:";

		if (found == DIGEST_NONE)
			continue;
		if (found == DIGEST_SHA256)
			str_hex(sum, sizeof(sum), name + 7);
		if (found == DIGEST_BAD) {
			blobs_refuse(b, 400, ST_INVALID_ARGUMENT, "BAD_REQUEST",
			    "a digest must be as RFC 9530 has it: sha-256=:BASE64:");
			return false;
		}
		if (*out != NULL && strcmp(*out, name) != 0) {
			blobs_refuse(b, 422, ST_INVALID_ARGUMENT, "DIGEST_MISMATCH",
			    "two different digests are announced");
			return false;
		}
		*out = arena_strdup(h->a, name);
	}
	return true;
}

static void
ask_create(struct blob *b, const uint64_t *length, const char *type, const char *metadata,
    const char *expected, blobs_next_fn *next)
{
	struct jw w;

	jw_start(&w, b->h->a, 256);
	jw_object(&w, NULL);
	if (length != NULL)
		jw_int(&w, "length", (int64_t)(*length < INT64_MAX ? *length : INT64_MAX));
	if (type != NULL)
		jw_str(&w, "media_type", type);
	if (metadata != NULL)
		jw_str(&w, "metadata", metadata);
	if (expected != NULL)
		jw_str(&w, "sha256", expected);
	jw_close(&w, '}');
	b->store.data.data = (uint8_t *)jw_text(&w, &b->store.data.len);
	blobs_ask(b, "create", b->upload, next);
}

static void
put_begun(struct blob *b, const Mf__TaskResponse *m)
{
	(void)m;
	put_append(b);
}

static void
put_append(struct blob *b)
{
	if (b->body.len != 0)
		blobs_append(b, put_appended);
	else if (b->last)
		blobs_finish(b, put_done);
	else
		blobs_go_on(b);
}

/* The piece that makes it complete answers the blob. */
static void
put_appended(struct blob *b, const Mf__TaskResponse *m)
{
	const json_t *v;

	if (!b->last)
		blobs_go_on(b);
	else if ((v = blobs_result(b, m)) == NULL)
		return;
	else if (json_object_get(v, "id") != NULL)
		put_done(b, m);
	else
		blobs_finish(b, put_done);
}

static void
put_done(struct blob *b, const Mf__TaskResponse *m)
{
	struct handling *h = b->h;
	const json_t *v = blobs_result(b, m);
	const char *id = json_string_value(json_object_get(v, "id"));

	if (v == NULL)
		return;
	if (id == NULL) {
		blobs_refuse(b, 0, ST_INTERNAL, "", "the blob has no id");
		return;
	}
	if (m->degraded)
		respond_header(h, "Metafed-Degraded", "true");
	respond_header(h, "Location", arena_printf(h->a, "/v1/blobs/%s", id));
	respond_header(h, "ETag", arena_printf(h->a, "\"%s\"", id));
	respond(h, 201, m->result.data, m->result.len);
}

/* --- tus --- */

/* False: answered. */
static bool
tus_spoken(struct blob *b)
{
	const char *version = handling_header(b->h, "tus-resumable");

	if (b->h->op.route->kind == OP_UPLOAD_STATE && version[0] == '\0') {
		respond_header(b->h, "Tus-Resumable", TUS_VERSION);
		return true; /* whoever looks at it as at any resource */
	}
	respond_header(b->h, "Tus-Resumable", TUS_VERSION);
	if (strcmp(version, TUS_VERSION) == 0)
		return true;
	respond_header(b->h, "Tus-Version", TUS_VERSION);
	blobs_refuse(
	    b, 412, ST_FAILED_PRECONDITION, "TUS_VERSION", "Tus-Resumable must be " TUS_VERSION);
	return false;
}

static bool
is_offset_type(const char *type)
{
	return strcmp(type, "application/offset+octet-stream") == 0;
}

void
upload_create(struct blob *b)
{
	struct handling *h = b->h;
	const char *metadata = handling_header(h, "upload-metadata"),
		   *length = handling_header(h, "upload-length"), *type;
	bool body = b->body.len != 0 || !b->last;
	uint64_t n;

	if (!tus_spoken(b))
		return;
	b->upload = h->op.operation_id;
	b->offset = b->at;
	if (!bytes_read(length, &n)) {
		blobs_refuse(b, 400, ST_INVALID_ARGUMENT, "BAD_REQUEST",
		    "Upload-Length must be a whole number of bytes");
		return;
	}
	if (!metadata_ok(metadata)) {
		blobs_refuse(b, 400, ST_INVALID_ARGUMENT, "BAD_REQUEST",
		    "Upload-Metadata must be pairs of a key and base64, separated by commas");
		return;
	}
	if (body && !is_offset_type(handling_header(h, "content-type"))) {
		blobs_refuse(b, 415, ST_INVALID_ARGUMENT, "BAD_MEDIA_TYPE",
		    "the body must be application/offset+octet-stream");
		return;
	}
	if (!checksum_holds(b))
		return;
	type = metadata_of(h->a, metadata, "filetype");
	if (b->at == 0)
		ask_create(b, &n, type, metadata[0] != '\0' ? metadata : NULL, NULL, created);
	else
		create_append(b);
}

static void
created(struct blob *b, const Mf__TaskResponse *m)
{
	uint64_t n;

	(void)m;
	if (bytes_read(handling_header(b->h, "upload-length"), &n) && n == 0)
		blobs_finish(b, create_end); /* complete as it is */
	else
		create_append(b);
}

static void
create_append(struct blob *b)
{
	if (b->body.len != 0)
		blobs_append(b, create_end);
	else if (b->last)
		blobs_ask(b, "read", b->upload, create_end);
	else
		blobs_go_on(b);
}

static void
create_end(struct blob *b, const Mf__TaskResponse *m)
{
	struct handling *h = b->h;
	uint64_t offset = 0;

	if (!b->last) {
		blobs_go_on(b);
		return;
	}
	if (!say_state(b, m, &offset))
		return;
	respond_header(h, "Location", arena_printf(h->a, "/v1/blobs/uploads/%s", b->upload));
	respond_header(h, "Upload-Offset", number(h->a, offset));
	respond(h, 201, NULL, 0);
}

void
upload_state(struct blob *b)
{
	if (tus_spoken(b))
		blobs_ask(b, "read", b->h->op.id, state_read);
}

static void
state_read(struct blob *b, const Mf__TaskResponse *m)
{
	struct handling *h = b->h;
	const json_t *v = blobs_result(b, m), *length;
	const char *metadata = json_string_value(json_object_get(v, "metadata"));
	uint64_t offset;

	if (v == NULL || !say_state(b, m, &offset))
		return;
	length = json_object_get(v, "length");
	respond_header(h, "Upload-Offset", number(h->a, offset));
	if (json_is_integer(length))
		respond_header(
		    h, "Upload-Length", number(h->a, (uint64_t)json_integer_value(length)));
	else
		respond_header(h, "Upload-Defer-Length", "1");
	if (metadata != NULL)
		respond_header(h, "Upload-Metadata", metadata);
	respond_header(h, "Cache-Control", "no-store");
	respond(h, 200, m->result.data, m->result.len);
}

void
upload_piece(struct blob *b)
{
	struct handling *h = b->h;
	uint64_t offset;

	if (!tus_spoken(b))
		return;
	if (!is_offset_type(handling_header(h, "content-type"))) {
		blobs_refuse(b, 415, ST_INVALID_ARGUMENT, "BAD_MEDIA_TYPE",
		    "the body must be application/offset+octet-stream");
		return;
	}
	if (!bytes_read(handling_header(h, "upload-offset"), &offset) ||
	    offset > (uint64_t)INT64_MAX - b->at) {
		blobs_refuse(b, 400, ST_INVALID_ARGUMENT, "BAD_REQUEST",
		    "Upload-Offset must be a whole number of bytes");
		return;
	}
	b->upload = h->op.id;
	b->offset = offset + b->at;
	if (!checksum_holds(b))
		return;
	if (b->body.len != 0)
		blobs_append(b, piece_appended);
	else
		blobs_ask(b, "read", b->upload, look_first);
}

/* Of all of a body, which then has to come as one piece. False: answered. */
static bool
checksum_holds(struct blob *b)
{
	const char *field = handling_header(b->h, "upload-checksum");
	struct checksum sum;

	if (field[0] == '\0')
		return true;
	if (!checksum_read(field, &sum)) {
		blobs_refuse(b, 400, ST_INVALID_ARGUMENT, "BAD_REQUEST",
		    "Upload-Checksum must be sha1 or sha256, a blank, and base64");
		return false;
	}
	if (b->at != 0 || !b->last) {
		blobs_refuse(b, 413, ST_INVALID_ARGUMENT, "TOO_LARGE",
		    "a body with a checksum has at most 1 MiB");
		return false;
	}
	if (checksum_fits(&sum, b->body.data, b->body.len))
		return true;
	blobs_refuse(b, 460, ST_INVALID_ARGUMENT, "CHECKSUM_MISMATCH",
	    "the bytes that came have another checksum");
	return false;
}

/* Before a large body, and instead of an empty one. */
static void
look_first(struct blob *b, const Mf__TaskResponse *m)
{
	uint64_t offset = 0;

	if (!say_state(b, m, &offset))
		return;
	if (offset != b->offset) {
		blobs_refuse(b, 409, ST_ABORTED, "OFFSET",
		    arena_printf(
			b->h->a, "the next byte is that at %llu", (unsigned long long)offset));
	} else if (!b->last) {
		blobs_go_on(b);
	} else {
		respond_header(b->h, "Upload-Offset", number(b->h->a, offset));
		respond(b->h, 204, NULL, 0);
	}
}

static void
piece_appended(struct blob *b, const Mf__TaskResponse *m)
{
	uint64_t offset = 0;

	if (!b->last) {
		blobs_go_on(b);
	} else if (say_state(b, m, &offset)) {
		respond_header(b->h, "Upload-Offset", number(b->h->a, offset));
		respond(b->h, 204, NULL, 0);
	}
}

void
upload_give_up(struct blob *b)
{
	if (tus_spoken(b))
		blobs_ask(b, "delete", b->h->op.id, given_up);
}

static void
given_up(struct blob *b, const Mf__TaskResponse *m)
{
	(void)m;
	respond(b->h, 204, NULL, 0);
}

/* What became of it: the blob, or how far it is and until when it is kept. False: answered. */
static bool
say_state(struct blob *b, const Mf__TaskResponse *m, uint64_t *offset)
{
	struct handling *h = b->h;
	const json_t *v = blobs_result(b, m);
	const char *id = json_string_value(json_object_get(v, "id")),
		   *blob = json_string_value(json_object_get(v, "blob")),
		   *expires = json_string_value(json_object_get(v, "expires_at"));

	if (v == NULL)
		return false;
	*offset = (uint64_t)json_integer_value(json_object_get(v, id != NULL ? "size" : "offset"));
	if (id != NULL || blob != NULL)
		respond_header(h, "Metafed-Blob", id != NULL ? id : blob);
	else if (expires != NULL)
		respond_header(h, "Upload-Expires", http_date(h->a, expires));
	return true;
}

/* RFC 9110, 5.6.7 */
static const char *
http_date(struct arena *a, const char *rfc3339)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" },
				 *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t us = 0;
	struct tm t;
	time_t s;

	if (!time_parse_rfc3339(str_of(rfc3339), &us))
		return "";
	s = (time_t)(us / SEC);
	gmtime_r(&s, &t);
	return arena_printf(a, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday,
	    months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static const char *
number(struct arena *a, uint64_t n)
{
	return arena_printf(a, "%llu", (unsigned long long)n);
}

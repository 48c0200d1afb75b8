/* blobs_head: see blobs_head.h. */
#include "api/rest/blobs_head.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "base/sf.h"

#define BYTES_MOST INT64_MAX
#define PADDED     sodium_base64_VARIANT_ORIGINAL
#define NO_PADDING sodium_base64_VARIANT_ORIGINAL_NO_PADDING /* as sf.h gives it */
#define VALUE_MOST 1024 /* bytes of one value of Upload-Metadata */

static bool base64(struct str text, int variant, uint8_t *out, size_t cap, size_t *n);
static bool key_ok(struct str key);
static bool next_pair(struct str *rest, struct str *key, struct str *value);

bool
range_read(const char *field, struct byte_range *out)
{
	struct str s = str_of(field), unit, first, end;

	*out = (struct byte_range){ .end = UINT64_MAX };
	if (!str_cut(s, '=', &unit, &s) || !str_eq(unit, "bytes") ||
	    !str_cut(str_trim(s), '-', &first, &end))
		return false;
	if (first.n == 0) {
		out->suffix = true;
		return str_u64(end, BYTES_MOST, &out->first);
	}
	if (!str_u64(first, BYTES_MOST, &out->first))
		return false;
	if (end.n == 0)
		return true;
	return str_u64(end, BYTES_MOST, &out->end) && out->end++ >= out->first;
}

bool
range_of(const struct byte_range *r, uint64_t size, uint64_t *first, uint64_t *end)
{
	if (r->suffix) {
		*first = r->first < size ? size - r->first : 0;
		*end = size;
		return r->first != 0 && size != 0;
	}
	*first = r->first;
	*end = r->end < size ? r->end : size;
	return r->first < size;
}

/* Members are separated at the top level; within base64, tokens and numbers stands no comma. A string
 * may have one: then what follows it is no member, and the field is BAD. */
enum digest_found
digest_read(struct arena *a, const char *field, uint8_t out[SHA256_BYTES])
{
	enum digest_found found = DIGEST_NONE;
	struct str rest = str_of(field), member, key, value;
	struct sf_item item;
	bool more = true;
	size_t n;

	while (more) {
		more = str_cut(rest, ',', &member, &rest);
		if (!str_cut(str_trim(member), '=', &key, &value) || key.n == 0 ||
		    !sf_item_read(a, value, &item) || item.value.type != SF_BYTES)
			return DIGEST_BAD;
		if (!str_eq(key, "sha-256"))
			continue;
		if (!base64(item.value.text, NO_PADDING, out, SHA256_BYTES, &n) ||
		    n != SHA256_BYTES)
			return DIGEST_BAD;
		found = DIGEST_SHA256;
	}
	return found;
}

bool
metadata_ok(const char *field)
{
	struct str rest = str_of(field), key, value, other, before;
	uint8_t room[VALUE_MOST];
	size_t n;

	while (rest.n != 0) {
		before = (struct str){ field, (size_t)(rest.p - field) };
		before.n -= before.n != 0; /* the comma between */
		if (!next_pair(&rest, &key, &value) || !key_ok(key) ||
		    !base64(value, PADDED, room, sizeof(room), &n))
			return false;
		while (before.n != 0)
			if (!next_pair(&before, &other, &value) ||
			    (other.n == key.n && memcmp(other.p, key.p, key.n) == 0))
				return false;
	}
	return true;
}

const char *
metadata_of(struct arena *a, const char *field, const char *key)
{
	struct str rest = str_of(field), name, value;
	uint8_t room[VALUE_MOST];
	size_t n;

	while (rest.n != 0 && next_pair(&rest, &name, &value)) {
		if (!str_eq(name, key))
			continue;
		if (!base64(value, PADDED, room, sizeof(room), &n) || n == 0 ||
		    !str_utf8_ok(room, n))
			return NULL;
		for (size_t i = 0; i < n; i++)
			if (room[i] < 0x20 || room[i] == 0x7f)
				return NULL;
		return arena_strndup(a, (const char *)room, n);
	}
	return NULL;
}

bool
checksum_read(const char *field, struct checksum *out)
{
	struct str name, value;
	size_t n, want;

	if (!str_cut(str_of(field), ' ', &name, &value))
		return false;
	if (str_eq(name, "sha1"))
		out->kind = SUM_SHA1;
	else if (str_eq(name, "sha256"))
		out->kind = SUM_SHA256;
	else
		return false;
	want = out->kind == SUM_SHA1 ? 20 : SHA256_BYTES;
	return base64(value, PADDED, out->sum, sizeof(out->sum), &n) && n == want;
}

bool
checksum_fits(const struct checksum *c, const void *p, size_t n)
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return EVP_Digest(p, n, sum, &len, c->kind == SUM_SHA1 ? EVP_sha1() : EVP_sha256(), NULL) ==
	           1 &&
	       memcmp(sum, c->sum, len) == 0;
}

bool
bytes_read(const char *field, uint64_t *out)
{
	return str_u64(str_of(field), BYTES_MOST, out);
}

const char *
digest_text(struct arena *a, const char *digits)
{
	char text[sodium_base64_ENCODED_LEN(SHA256_BYTES, sodium_base64_VARIANT_ORIGINAL)];
	uint8_t sum[SHA256_BYTES];

	if (!str_unhex(str_of(digits), sum, sizeof(sum)))
		return "";
	sodium_bin2base64(text, sizeof(text), sum, sizeof(sum), sodium_base64_VARIANT_ORIGINAL);
	return arena_printf(a, "sha-256=:%s:", text);
}

/* Empty is nothing. */
static bool
base64(struct str text, int variant, uint8_t *out, size_t cap, size_t *n)
{
	*n = 0;
	return text.n == 0 ||
	       sodium_base642bin(out, cap, text.p, text.n, NULL, n, NULL, variant) == 0;
}

static bool
key_ok(struct str key)
{
	for (size_t i = 0; i < key.n; i++)
		if (key.p[i] <= ' ' || key.p[i] >= 0x7f)
			return false;
	return key.n != 0;
}

static bool
next_pair(struct str *rest, struct str *key, struct str *value)
{
	struct str pair;

	if (str_cut(*rest, ',', &pair, rest) && rest->n == 0)
		return false; /* a comma at the end */
	pair = str_trim(pair);
	if (!str_cut(pair, ' ', key, value))
		*value = (struct str){ "", 0 };
	return true;
}

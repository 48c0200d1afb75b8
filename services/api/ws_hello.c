/* ws_hello: see ws_hello.h. */
#include "api/ws_hello.h"

#include <openssl/sha.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "api/cors.h"
#include "base/log.h"

#define KEY_BYTES  16
#define ORIGIN_MAX 512

static bool is(struct str, const char *);
static bool list_has(struct str, const char *);
static void choose(struct ws_hello *, struct str);
static bool key_ok(struct str);
static bool origin_ok(const struct ws_hello *, const struct http_head *, const struct origins *);

void
ws_hello_start(struct ws_hello *h, const char *const *speaks)
{
	*h = (struct ws_hello){ .speaks = speaks };
}

/* Several lines of a list are one list. */
void
ws_hello_field(struct ws_hello *h, struct str name, struct str value)
{
	value = str_trim(value);
	if (is(name, "connection")) {
		h->connection = h->connection || list_has(value, "upgrade");
	} else if (is(name, "upgrade")) {
		h->upgrade = h->upgrade || list_has(value, "websocket");
	} else if (is(name, "sec-websocket-key")) {
		h->keys++;
		h->key = value;
	} else if (is(name, "sec-websocket-version")) {
		h->versions++;
		h->version = value;
	} else if (is(name, "sec-websocket-protocol")) {
		h->offers = true;
		choose(h, value);
	} else if (is(name, "origin")) {
		h->origins++;
		h->origin = value;
	}
}

const struct http_refusal *
ws_hello_check(
    struct ws_hello *h, const struct http_head *head, const char *version, const struct origins *o)
{
	static const struct http_refusal
	    method = { 405, "METHOD_NOT_ALLOWED", "a WebSocket is opened with GET" },
	    no_upgrade = { 426, "UPGRADE_REQUIRED", "this resource is a WebSocket" },
	    old_http = { 400, "BAD_HANDSHAKE", "a WebSocket is opened over HTTP/1.1" },
	    no_connection = { 400, "BAD_HANDSHAKE", "Connection must name Upgrade" },
	    body = { 400, "BAD_HANDSHAKE", "an opening handshake has no body" },
	    bad_version = { 426, "BAD_WEBSOCKET_VERSION", "Sec-WebSocket-Version must be 13" },
	    bad_key = { 400, "BAD_HANDSHAKE",
		    "Sec-WebSocket-Key must be 16 bytes in base64, once" },
	    bad_origin = { 403, "ORIGIN_REFUSED", "pages of this origin may not connect" },
	    no_protocol = { 400, "NO_SUBPROTOCOL",
		    "none of the offered subprotocols is spoken here" };

	if (head->method != M_GET)
		return &method;
	if (!h->upgrade)
		return &no_upgrade;
	if (strcmp(version, "HTTP/1.0") == 0)
		return &old_http;
	if (!h->connection)
		return &no_connection;
	if (head->chunked || head->content_length != 0)
		return &body;
	if (h->versions != 1 || !str_eq(h->version, "13"))
		return &bad_version;
	if (h->keys != 1 || !key_ok(h->key))
		return &bad_key;
	if (!origin_ok(h, head, o))
		return &bad_origin;
	if (h->protocol == NULL)
		h->protocol = h->otherwise;
	if (h->offers && h->protocol == NULL)
		return &no_protocol;
	if (h->protocol == NULL)
		h->protocol = h->speaks[0];
	return NULL;
}

void
ws_hello_accept(struct str key, char out[WS_ACCEPT_LEN])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char both[24 + sizeof(guid)];
	unsigned char digest[SHA_DIGEST_LENGTH];

	must(key.n == 24);
	memcpy(both, key.p, key.n);
	memcpy(both + key.n, guid, sizeof(guid));
	SHA1((const unsigned char *)both, sizeof(both) - 1, digest);
	sodium_bin2base64(
	    out, WS_ACCEPT_LEN, digest, sizeof(digest), sodium_base64_VARIANT_ORIGINAL);
}

static bool
is(struct str s, const char *name)
{
	return strlen(name) == s.n && strncasecmp(name, s.p, s.n) == 0;
}

static bool
list_has(struct str list, const char *name)
{
	struct str one;

	while (list.n != 0) {
		str_cut(list, ',', &one, &list);
		if (is(str_trim(one), name))
			return true;
	}
	return false;
}

/* Subprotocols are compared as they are: their names are case-sensitive. */
static void
choose(struct ws_hello *h, struct str list)
{
	struct str one;

	while (h->protocol == NULL && list.n != 0) {
		str_cut(list, ',', &one, &list);
		one = str_trim(one);
		for (size_t i = 0; h->protocol == NULL && h->speaks[i] != NULL; i++)
			if (str_eq(one, h->speaks[i]))
				h->protocol = h->speaks[i];
	}
}

static bool
key_ok(struct str key)
{
	uint8_t bytes[KEY_BYTES + 2];
	size_t n;

	return key.n == 24 &&
	       sodium_base642bin(bytes, sizeof(bytes), key.p, key.n, NULL, &n, NULL,
		   sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       n == KEY_BYTES;
}

/* Who is no browser sends none. A page of our own host, or one that cors_origins names. A token is
 * needed besides: the browser has none to add by itself. */
static bool
origin_ok(const struct ws_hello *h, const struct http_head *head, const struct origins *o)
{
	struct str origin = h->origin, host = head->fields[F_HOST];
	char room[ORIGIN_MAX];
	size_t scheme;

	if (h->origins == 0)
		return true;
	if (h->origins > 1)
		return false;
	if (origins_allow(o, origin, room, sizeof(room)) != NULL)
		return true;
	scheme = origin.n > 7 && strncasecmp(origin.p, "http://", 7) == 0    ? 7
	         : origin.n > 8 && strncasecmp(origin.p, "https://", 8) == 0 ? 8
	                                                                     : 0;
	return scheme != 0 && host.n != 0 && origin.n - scheme == host.n &&
	       strncasecmp(origin.p + scheme, host.p, host.n) == 0;
}

/* outside: any bytes as what an outside OpenID provider answers: a discovery document, a key set, an ID
 * token, userinfo, an address. The first byte says which. No ID token that the fuzzer makes may count:
 * the keys were made in this process. */
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include "node/http_client.h"
#include "auth/oauth/outside_meta.h"
#include "base/json.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define ISSUER "https://provider.example"

static struct outside_keys keys;
static struct arena *arena;

static void
start(void)
{
	static const enum jws_alg algs[] = { JWS_ES256, JWS_EDDSA };
	const char *text;
	struct jw w;
	size_t n;

	must(sodium_init() >= 0);
	arena = arena_new(8 << 20);
	jw_start(&w, arena, 1000);
	jw_object(&w, NULL);
	jw_array(&w, "keys");
	for (size_t i = 0; i < 2; i++) {
		struct jws_key *k = jws_key_generate(algs[i]);

		jws_key_jwk(k, &w);
		jws_key_free(&k);
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	text = jw_text(&w, &n);
	must(outside_keys_read(text, n, &keys) == NULL && keys.n == 2);
}

/* Whatever it says: no endpoint of it is asked but by https. */
static void
as_document(const uint8_t *p, size_t n)
{
	struct outside_meta m;

	if (outside_meta_read(arena, p, n, ISSUER, &m) != NULL)
		return;
	must(strcmp(m.issuer, ISSUER) == 0 && m.algs != 0);
	must(http_client_url_ok(m.token_endpoint, false, NULL));
	must(http_client_url_ok(m.jwks_uri, false, NULL));
	must(m.userinfo_endpoint == NULL || http_client_url_ok(m.userinfo_endpoint, false, NULL));
}

static void
as_keys(const uint8_t *p, size_t n)
{
	struct outside_keys k;

	if (outside_keys_read(p, n, &k) == NULL) {
		must(k.n <= OUTSIDE_KEYS_MOST);
		(void)outside_keys_find(&k, "", JWS_ES256);
		outside_keys_clear(&k);
	}
}

static void
as_token(const uint8_t *p, size_t n)
{
	const struct outside_expect e = {
		.issuer = ISSUER,
		.client_id = "us",
		.nonce = "n",
		.algs = 1U << JWS_ES256 | 1U << JWS_EDDSA | 1U << JWS_RS256,
		.access_token = "at",
		.now_us = INT64_C(1900000000000000),
	};
	struct outside_claims c;

	must(outside_token_read(arena, arena_strndup(arena, (const char *)p, n), &keys, &e, &c) !=
	     NULL);
}

static void
as_userinfo(const uint8_t *p, size_t n)
{
	struct outside_claims c = { .subject = "alice" };

	(void)!outside_userinfo_read(arena, p, n, &c);
	must(strcmp(c.subject, "alice") == 0);
}

/* The loopback is asked by http only where that is allowed. */
static void
as_address(const uint8_t *p, size_t n)
{
	const char *url = arena_strndup(arena, (const char *)p, n);
	bool loopback;

	if (http_client_url_ok(url, true, &loopback))
		must(http_client_url_ok(url, false, NULL) != loopback);
	else
		must(!loopback && !http_client_url_ok(url, false, NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void (*const as[])(
	    const uint8_t *, size_t) = { as_document, as_keys, as_token, as_userinfo, as_address };

	if (arena == NULL)
		start();
	if (n > 0)
		as[data[0] % (sizeof(as) / sizeof(as[0]))](data + 1, n - 1);
	arena_reset(arena);
	return 0;
}

/* dpop, jws: any bytes as a proof, as the JWK of a proof, and as a URL. No proof that the fuzzer makes
 * may count, unless it signs; a URL that was normalised stays what it is. */
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include "auth/jwt/dpop.h"
#include "base/json.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct arena *arena;
static struct dpop *seen;

static void
start(void)
{
	must(sodium_init() >= 0);
	arena = arena_new(1 << 20);
	seen = dpop_new();
}

static void
as_proof(const char *text)
{
	const struct dpop_request q = {
		.proof = text, .method = "GET", .url = "https://a/", .access_token = "token"
	};
	char jkt[JWS_KEY_ID_LEN + 1];

	must(dpop_check(seen, arena, &q, INT64_C(1900000000000000), jkt) != NULL);
}

static void
as_jwk(const uint8_t *p, size_t n)
{
	struct json_error e;
	json_t *v = json_read(p, n, &e);
	char err[200];
	struct jws_key *k = v == NULL ? NULL : jws_key_from_jwk(v, err, sizeof(err));

	must(k == NULL || !jws_key_can_sign(k));
	jws_key_free(&k);
	json_decref(v);
}

static void
as_foreign(const uint8_t *p, size_t n)
{
	struct jws t;

	if (jws_parse_foreign(arena, (struct str){ (const char *)p, n }, &t))
		must(t.alg != JWS_ALG_NONE && t.jwk == NULL);
}

static void
as_url(const char *text)
{
	char *once = dpop_url(arena, text), *twice;

	if (once == NULL)
		return;
	twice = dpop_url(arena, once);
	must(twice != NULL && strlen(once) <= strlen(text) + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text;

	if (arena == NULL)
		start();
	text = arena_strndup(arena, (const char *)data, n);
	as_proof(text);
	as_jwk(data, n);
	as_foreign(data, n);
	as_url(text);
	arena_reset(arena);
	return 0;
}

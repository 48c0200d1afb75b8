/* jws: any bytes as a token: parsed, and if they parse, verified and read as claims. Nothing that
 * the fuzzer makes may verify: the key was made in this process. Also any bytes as a PEM file. */
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include "auth/jwt/claims.h"
#include "auth/jwt/jws.h"
#include "auth/jwt/session.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct jws_key *es, *ed;
static struct arena *arena;

static void
start(void)
{
	must(sodium_init() >= 0);
	es = jws_key_generate(JWS_ES256);
	ed = jws_key_generate(JWS_EDDSA);
	arena = arena_new(1 << 20);
}

static void
as_claims(const uint8_t *p, size_t n)
{
	static const struct claims_expect expect = { "metafed", "metafed", 0 };
	struct claims c;

	(void)!claims_read(arena, p, n, &expect, INT64_C(1900000000000000), &c);
}

static void
as_pem(const uint8_t *p, size_t n)
{
	char err[200];
	struct jws_key *k = jws_key_from_pem((const char *)p, n, err, sizeof(err));

	jws_key_free(&k);
}

static void
as_refresh_token(const uint8_t *p, size_t n)
{
	char *text = arena_strndup(arena, (const char *)p, n);
	static const uint8_t secret[32] = "the fuzzer does not know its MAC";
	struct session_token t;

	must(!session_token_read(secret, text, &t));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct jws t;

	if (arena == NULL)
		start();
	if (jws_parse(arena, (struct str){ (const char *)data, n }, &t)) {
		must(!jws_verify(&t, es) && !jws_verify(&t, ed));
		as_claims(t.payload, t.n_payload);
	}
	as_claims(data, n);
	if (memmem(data, n, "-----BEGIN", 10) != NULL)
		as_pem(data, n);
	as_refresh_token(data, n);
	arena_reset(arena);
	return 0;
}

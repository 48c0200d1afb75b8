/* jws: microseconds per verification and signature, beside libjwt, alternated in one run.
 *
 *   build/bin/bench/jws [rounds]
 *
 * ours: the token taken apart, its header read, the signature verified with a kept key, the claims
 * read. libjwt: jwt_decode with the public key as PEM, which it parses each time; its claims are
 * then parsed but not checked. */
#include <jwt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/jwt/claims.h"
#include "auth/jwt/jws.h"
#include "base/log.h"
#include "base/time.h"

#define BATCH 500

static const char payload[] = "{\"iss\":\"metafed\",\"aud\":\"metafed\",\"sub\":\"018f0000-0000-"
			      "7000-8000-000000000001\",\"name\":\"ada\","
			      "\"iat\":1899999000,\"nbf\":1899999000,\"exp\":1900003600,\"jti\":"
			      "\"018f0000-0000-7000-8000-000000000003\",\"ver\":1,"
			      "\"sid\":\"018f0000-0000-7000-8000-000000000002\",\"roles\":["
			      "\"user\"],\"perms\":[\"fleet.read\",\"task.*\"]}";

static double
verify_ours(struct arena *a, const struct jws_key *k, const char *token)
{
	static const struct claims_expect expect = { "metafed", "metafed", 0 };
	int64_t t = time_now_us();

	for (int i = 0; i < BATCH; i++) {
		struct claims c;
		struct jws j;

		must(jws_parse(a, str_of(token), &j) && jws_verify(&j, k));
		must(claims_read(a, j.payload, j.n_payload, &expect, INT64_C(1900000000) * SEC,
			 &c) == TOKEN_OK);
		arena_reset(a);
	}
	return (double)(time_now_us() - t) / BATCH;
}

static double
sign_ours(struct arena *a, const struct jws_key *k)
{
	int64_t t = time_now_us();

	for (int i = 0; i < BATCH; i++) {
		must(jws_sign(a, k, CLAIMS_TYPE, payload, sizeof(payload) - 1) != NULL);
		arena_reset(a);
	}
	return (double)(time_now_us() - t) / BATCH;
}

static double
verify_libjwt(const char *token, char *pem)
{
	int64_t t = time_now_us();

	for (int i = 0; i < BATCH; i++) {
		jwt_t *j = NULL;

		must(jwt_decode(&j, token, (unsigned char *)pem, (int)strlen(pem)) == 0);
		jwt_free(j);
	}
	return (double)(time_now_us() - t) / BATCH;
}

static double
sign_libjwt(char *pem)
{
	int64_t t = time_now_us();

	for (int i = 0; i < BATCH; i++) {
		jwt_t *j = NULL;
		char *token;

		must(jwt_new(&j) == 0 && jwt_add_grants_json(j, payload) == 0);
		must(jwt_set_alg(j, JWT_ALG_ES256, (unsigned char *)pem, (int)strlen(pem)) == 0);
		token = jwt_encode_str(j);
		must(token != NULL);
		free(token);
		jwt_free(j);
	}
	return (double)(time_now_us() - t) / BATCH;
}

static double
best(double a, double b)
{
	return a == 0 || b < a ? b : a;
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 5;
	double r[6] = { 0 };
	char public[JWS_PEM_MAX], private[JWS_PEM_MAX], *es_token, *ed_token, *jwt_token;
	struct arena *keep = arena_new(1 << 16), *a = arena_new(1 << 16);
	struct jws_key *es, *ed;

	must(sodium_init() >= 0);
	es = jws_key_generate(JWS_ES256);
	ed = jws_key_generate(JWS_EDDSA);
	public[jws_key_public_pem(es, public, sizeof(public) - 1)] = '\0';
	private[jws_key_pem(es, private, sizeof(private) - 1)] = '\0';
	es_token = jws_sign(keep, es, CLAIMS_TYPE, payload, sizeof(payload) - 1);
	ed_token = jws_sign(keep, ed, CLAIMS_TYPE, payload, sizeof(payload) - 1);
	jwt_token = jws_sign(keep, es, "JWT", payload, sizeof(payload) - 1);
	for (int i = 0; i < rounds; i++) {
		r[0] = best(r[0], verify_ours(a, es, es_token));
		r[1] = best(r[1], verify_libjwt(jwt_token, public));
		r[2] = best(r[2], verify_ours(a, ed, ed_token));
		r[3] = best(r[3], sign_ours(a, es));
		r[4] = best(r[4], sign_libjwt(private));
		r[5] = best(r[5], sign_ours(a, ed));
	}
	printf("%-28s %8s %8s %8s\n", "us, best of rounds", "ours", "libjwt", "ratio");
	printf("%-28s %8.1f %8.1f %8.1f\n", "verify ES256, with claims", r[0], r[1], r[1] / r[0]);
	printf("%-28s %8.1f %8s\n", "verify EdDSA, with claims", r[2], "-");
	printf("%-28s %8.1f %8.1f %8.1f\n", "sign ES256", r[3], r[4], r[4] / r[3]);
	printf("%-28s %8.1f %8s\n", "sign EdDSA", r[5], "-");
	jws_key_free(&es);
	jws_key_free(&ed);
	arena_free(&a);
	arena_free(&keep);
	return 0;
}

/* jwk: see jwk.h. */
#include <string.h>
#include "harness/jwk.h"
#include "harness/test.h"

struct jws_key *
jwk_public(const json_t *jwk)
{
	static const char *const private[] = { "d", "p", "q", "dp", "dq", "qi" };
	json_t *public = json_deep_copy(jwk);
	char err[200];
	struct jws_key *k;

	for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++)
		(void)json_object_del(public, private[i]);
	k = jws_key_from_jwk(public, err, sizeof(err));
	json_decref(public);
	return k;
}

char *
jwk_token(struct arena *a, const char *header, const char *payload, const char *signature)
{
	char *h = arena_alloc(a, str_b64url_len(strlen(header)) + 1);
	char *p = arena_alloc(a, str_b64url_len(strlen(payload)) + 1);

	(void)str_b64url(header, strlen(header), h);
	(void)str_b64url(payload, strlen(payload), p);
	return arena_printf(a, "%s.%s.%s", h, p, signature);
}

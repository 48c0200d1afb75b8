/* client_auth: see client_auth.h. */
#include "auth/oauth/client_auth.h"
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "auth/jwt/dpop.h"
#include "auth/limiter.h"
#include "auth/network.h"
#include "auth/oauth/assertion.h"
#include "auth/oauth/own_client.h"
#include "auth/oauth/strangers.h"
#include "base/log.h"

#define BASIC_MAX    2048
#define LIMITER_KEYS 4096
#define WINDOW       (900 * SEC)

struct proving {
	struct web *w;
	const char *method; /* that the request uses */
	const char *id, *assertion;
	char *secret;
	struct client_proof proof;
	client_prove_fn *then;
	void *ctx;
};

static const char *read_credentials(struct web *w, struct proving *x);
static const char *read_basic(struct web *w, const char *header, struct proving *x);
static void on_client(struct web *w, const struct client *m, const struct failure *f, void *ctx);
static bool knows_secret(const struct proving *x, const struct client *m);
static void on_assertion(struct web *w, bool ok, void *ctx);
static void refuse(struct web *w, const struct proving *x);
static void prove_key(struct web *w, struct proving *x);
static void limiter_key(const struct web *w, const char *id, uint8_t key[16]);
static struct limiter_rule limiter_rule(const struct web *w);

void
client_prove(struct web *w, client_prove_fn *then, void *ctx)
{
	struct proving *x = ARENA_NEW(w->a, struct proving);
	const struct limiter_rule rule = limiter_rule(w);
	const char *wrong;
	uint8_t key[16];
	int64_t wait;

	x->w = w;
	x->then = then;
	x->ctx = ctx;
	if (!web_has_form(w) || w->query.n > 0) {
		web_oauth_error(w, 400, "invalid_request",
		    "parameters belong into a body of application/x-www-form-urlencoded");
		return;
	}
	wrong = read_credentials(w, x);
	if (wrong != NULL) {
		web_oauth_error(w, 400, "invalid_request", wrong);
		return;
	}
	if (x->id == NULL) {
		web_oauth_error(w, 401, "invalid_client", "the request does not name its client");
		return;
	}
	limiter_key(w, x->id, key);
	/* All know its id and it has no secret: who fails as it locks nobody out. */
	wait = own_client_is(x->id)
	           ? 0
	           : limiter_wait(w->o->clients, key, &rule, loop_now(w->o->tokens->loop));
	if (wait > 0) {
		web_add(w, "retry-after", "%lld", (long long)wait / SEC + 1);
		web_oauth_error(w, 429, "temporarily_unavailable",
		    "the client failed to authenticate too often; try again later");
		return;
	}
	client_read(w, x->id, on_client, x);
}

/* NULL: one method and no more. */
static const char *
read_credentials(struct web *w, struct proving *x)
{
	const char *header = web_header(w, "authorization"), *wrong = NULL;
	const char *secret = web_form(w, "client_secret");
	const char *assertion = web_form(w, "client_assertion");
	const char *type = web_form(w, "client_assertion_type");
	unsigned n = (header != NULL) + (secret != NULL) + (assertion != NULL);

	x->id = web_form(w, "client_id");
	x->method = "none";
	if (n > 1)
		return "a client authenticates in one way, not in two";
	if ((assertion != NULL) != (type != NULL) ||
	    (type != NULL && strcmp(type, ASSERTION_TYPE) != 0))
		return "client_assertion_type must be that of JWT, beside client_assertion";
	if (header != NULL)
		wrong = read_basic(w, header, x);
	if (secret != NULL) {
		x->method = "client_secret_post";
		x->secret = (char *)(uintptr_t)secret; /* wiped where it is */
	}
	if (assertion != NULL) {
		const char *named = assertion_client(w->a, assertion);

		x->method = "private_key_jwt";
		x->assertion = assertion;
		if (x->id != NULL && named != NULL && strcmp(x->id, named) != 0)
			return "client_id is not the assertion's";
		x->id = x->id != NULL ? x->id : named;
	}
	return wrong;
}

/* RFC 6749, 2.3.1: both are form-encoded, then joined, then base64. */
static const char *
read_basic(struct web *w, const char *header, struct proving *x)
{
	static const char wrong[] = "Authorization must be Basic, with client id and secret";
	uint8_t *b = arena_alloc(w->a, BASIC_MAX);
	struct str id, secret;
	const char *end, *named = x->id;
	size_t n;

	x->method = "client_secret_basic";
	if (strncasecmp(header, "Basic ", 6) != 0 ||
	    sodium_base642bin(b, BASIC_MAX, header + 6, strlen(header + 6), " ", &n, &end,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    *end != '\0' || !str_cut((struct str){ (const char *)b, n }, ':', &id, &secret))
		return wrong;
	x->id = str_percent_decode(w->a, id, true, &n);
	x->secret = str_percent_decode(w->a, secret, true, &n);
	if (x->id == NULL || x->secret == NULL)
		return wrong;
	return named == NULL || strcmp(named, x->id) == 0 ? NULL : "client_id is another client's";
}

static void
on_client(struct web *w, const struct client *m, const struct failure *f, void *ctx)
{
	struct proving *x = ctx;

	if (m == NULL && f->status != ST_NOT_FOUND) {
		web_failed(w, f);
		return;
	}
	x->proof.client = m;
	if (x->assertion != NULL && m != NULL && strcmp(m->auth_method, x->method) == 0) {
		assertion_check(w, m, x->assertion, on_assertion, x);
		return;
	}
	x->proof.confidential = knows_secret(x, m);
	if (m == NULL || m->disabled || strcmp(m->auth_method, x->method) != 0 ||
	    (x->secret != NULL && !x->proof.confidential))
		refuse(w, x);
	else
		prove_key(w, x);
}

/* Of an unknown client the same is computed. */
static bool
knows_secret(const struct proving *x, const struct client *m)
{
	bool ok;

	if (x->secret == NULL)
		return false;
	ok = client_secret_ok(m != NULL ? m->secret_hash : NULL, x->secret);
	sodium_memzero(x->secret, strlen(x->secret));
	return ok;
}

static void
on_assertion(struct web *w, bool ok, void *ctx)
{
	struct proving *x = ctx;

	x->proof.confidential = ok;
	if (!ok || x->proof.client->disabled)
		refuse(w, x);
	else
		prove_key(w, x);
}

static void
refuse(struct web *w, const struct proving *x)
{
	const struct limiter_rule rule = limiter_rule(w);
	uint8_t key[16];

	limiter_key(w, x->id, key);
	limiter_begin(w->o->clients, key);
	limiter_end(w->o->clients, key, &rule, LIMITER_FAILED, loop_now(w->o->tokens->loop));
	/* what is no client's id may be a secret in the wrong field */
	stranger_seen(w, "client_refused", x->proof.client != NULL ? x->id : NULL, x->method);
	web_oauth_error(w, 401, "invalid_client", "the client is not known, or did not prove it");
}

static void
prove_key(struct web *w, struct proving *x)
{
	const char *proof = web_header(w, "dpop"), *wrong;
	struct tokens *t = w->o->tokens;
	char jkt[JWS_KEY_ID_LEN + 1];

	if (proof == NULL) {
		x->then(w, &x->proof, x->ctx);
		return;
	}
	wrong = dpop_check(t->proofs, w->a,
	    &(const struct dpop_request){ .proof = proof,
		.method = w->q->method,
		.url = arena_printf(w->a, "%s%s", w->base, w->q->path),
		.operation = w->operation_id },
	    time_wall_us(), jkt);
	if (wrong == dpop_busy) {
		web_failed(
		    w, &(const struct failure){
			   .status = ST_UNAVAILABLE, .message = wrong, .reason = "PROOFS_BUSY" });
	} else if (wrong != NULL) {
		if (wrong == dpop_replayed)
			stranger_seen(w, "proof_replayed", x->proof.client->id, NULL);
		web_oauth_error(w, 400, "invalid_dpop_proof", wrong);
	} else {
		x->proof.proof_key = arena_strdup(w->a, jkt);
		x->then(w, &x->proof, x->ctx);
	}
}

/* --- secrets: they have 256 bits, so their hash needs neither salt nor cost --- */

void
client_secret_hash(const char *secret, char out[CLIENT_SECRET_HASH_MAX])
{
	uint8_t b[crypto_hash_sha256_BYTES];

	(void)crypto_hash_sha256(b, (const uint8_t *)secret, strlen(secret));
	(void)snprintf(out, CLIENT_SECRET_HASH_MAX, "s1.");
	(void)str_b64url(b, sizeof(b), out + 3);
	sodium_memzero(b, sizeof(b));
}

bool
client_secret_ok(const char *hash, const char *secret)
{
	char stored[CLIENT_SECRET_HASH_MAX] = { 0 }, given[CLIENT_SECRET_HASH_MAX] = { 0 };
	bool ok;

	client_secret_hash(secret, given);
	(void)snprintf(stored, sizeof(stored), "%s", hash != NULL ? hash : "");
	ok = sodium_memcmp(stored, given, sizeof(given)) == 0;
	sodium_memzero(given, sizeof(given));
	return ok && hash != NULL;
}

/* --- the bound --- */

struct limiter *
client_limiter_new(void)
{
	return limiter_new(LIMITER_KEYS, 2);
}

static void
limiter_key(const struct web *w, const char *id, uint8_t key[16])
{
	crypto_generichash_state s;
	char network[NETWORK_LEN];

	network_of(w->q->client_address, network);
	(void)crypto_generichash_init(&s, keyring_secret(w->o->tokens->keys), KEYRING_SECRET, 16);
	(void)crypto_generichash_update(&s, (const uint8_t *)id, strlen(id) + 1);
	(void)crypto_generichash_update(&s, (const uint8_t *)network, strlen(network) + 1);
	(void)crypto_generichash_final(&s, key, 16);
}

static struct limiter_rule
limiter_rule(const struct web *w)
{
	return (struct limiter_rule){ .most = (uint32_t)w->o->config->client_failures,
		.window_us = WINDOW,
		.delay_us = 1 * SEC };
}

/* tokens: the node's state from start to end, its configuration, and the two methods that need no
 * store: Verify, Keys. */
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/api_key.h"
#include "auth/jwt/api_keys.h"
#include "auth/jwt/claims.h"
#include "auth/jwt/confirm.h"
#include "auth/jwt/issue.h"
#include "auth/jwt/jwt.h"
#include "auth/jwt/tries.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/auth.pb-c.h"
#include "proto/database.pb-c.h"
#include "proto/rbac.pb-c.h"

/* for the revocations; after that we are READY and say UNAVAILABLE until they are read */
#define READY_WAIT (1 * SEC)
/* wrong passwords and codes in a session that wants to change what it logs in with */
#define PROOF_BURST    5
#define PROOF_EVERY_US (60 * SEC)
#define KEY(name, type, field, def, min, max, restart, help)                                       \
	{                                                                                          \
		name, type, offsetof(struct jwt_config, field), def, min, max, false, restart,     \
		    help                                                                           \
	}

struct check { /* of a token; in the call's arena */
	struct tokens *t;
	const Mf__TokenText *q;
	struct claims claims;
};

const struct config_key jwt_keys[] = {
	KEY("signing_dir", CONFIG_PATH, signing_dir, "", 0, 0, true,
	    "signing keys and the refresh secret, shared by jwt and oauth; empty: "
	    "VAR/secrets/signing"),
	KEY("seal_key", CONFIG_PATH, seal_key, "", 0, 0, true,
	    "the key that signing keys and other secrets are encrypted with, shared by jwt and "
	    "oauth; "
	    "empty: seal.key in the directory above signing_dir"),
	KEY("admin_file", CONFIG_PATH, admin_file, "", 0, 0, true,
	    "where the first start leaves the administrator's password; empty: VAR/admin.json"),
	KEY("signing_alg", CONFIG_STR, signing_alg, "ES256", 0, 0, false,
	    "of new access tokens: ES256, RS256 or EdDSA"),
	KEY("key_rotation", CONFIG_DURATION, key_rotation_us, "30d", 0, 3660 * 86400 * SEC, false,
	    "a signing key signs for so long; 0: until somebody makes another"),
	KEY("key_publish_ahead", CONFIG_DURATION, key_publish_ahead_us, "1h", 0, 7 * 86400 * SEC,
	    false,
	    "a new signing key is in the JWKS for so long before it signs: longer than others keep "
	    "that"),
	KEY("issuer", CONFIG_STR, issuer, "metafed", 0, 0, false, "iss of access tokens"),
	KEY("audience", CONFIG_STR, audience, "metafed", 0, 0, false, "aud of access tokens"),
	KEY("access_ttl", CONFIG_DURATION, access_ttl_us, "1h", 10 * SEC, 86400 * SEC, false,
	    "life of an access token"),
	KEY("refresh_ttl", CONFIG_DURATION, refresh_ttl_us, "30d", 60 * SEC, 366 * 86400 * SEC,
	    false, "life of a refresh token; each refresh makes a new one"),
	KEY("refresh_repeat", CONFIG_DURATION, refresh_repeat_us, "15s", 0, 120 * SEC, false,
	    "the same refresh again within this gives the same successor: after a lost answer; "
	    "later it ends the session"),
	KEY("revocation_poll", CONFIG_DURATION, revocation_poll_us, "5s", 100 * MS, 60 * SEC, false,
	    "revocations are read this often, besides the events that announce them"),
	KEY("password_min", CONFIG_INT, password_min, "10", 8, 64, false,
	    "characters of a new password, at least"),
	KEY("password_ops", CONFIG_INT, password_ops, "2", 1, 100, false, "Argon2id: passes"),
	KEY("password_memory", CONFIG_BYTES, password_memory_bytes, "64m", 8 << 20,
	    INT64_C(4) << 30, false, "Argon2id: memory of one hash"),
	KEY("password_threads", CONFIG_INT, password_threads, "2", 1, 64, true,
	    "passwords hashed side by side"),
	KEY("password_queue", CONFIG_INT, password_queue, "64", 1, 10000, true,
	    "passwords waiting; beyond: RESOURCE_EXHAUSTED"),
	{ .name = NULL },
};

static void ready_now(struct timer *timer);
static enum token_verdict
judge(struct tokens *t, struct arena *a, const char *token, struct claims *out);
static bool is_api_key(const Mf__TokenText *q);
static void on_confirmed(struct call *c, bool known, void *ctx);
static bool is_revoked(const struct tokens *t, const struct claims *c);
static bool
proof_fits(struct tokens *t, struct call *c, const Mf__TokenText *q, const struct claims *claims);

bool
jwt_check(const void *config, char *err, size_t err_size)
{
	const struct jwt_config *c = config;

	if (jws_alg_from_name(str_of(c->signing_alg)) == JWS_ALG_NONE) {
		(void)snprintf(err, err_size, "signing_alg: must be ES256, RS256 or EdDSA");
		return false;
	}
	if (c->key_rotation_us != 0 && c->key_rotation_us < 3600 * SEC) {
		(void)snprintf(err, err_size,
		    "key_rotation: must be 0 or at least 1h: a key stays for a day after its end, "
		    "and there is room for %d",
		    KEYRING_MOST);
		return false;
	}
	if (c->issuer[0] == '\0' || c->audience[0] == '\0') {
		(void)snprintf(err, err_size, "issuer, audience: must not be empty");
		return false;
	}
	return true;
}

static struct tokens *shown; /* in the metrics; NULL: none */

static void show_keys(struct tokens *t);
static void on_collect(void *ctx);

bool
tokens_start(struct tokens *t, const struct tokens_opts *o, char *err, size_t err_size)
{
	static const char *const database[] = { "database", NULL };
	static const char *const rbac[] = { "rbac", NULL };
	static const char *const auth[] = { "auth", NULL };
	static const char *const labels[] = { "outcome", NULL };

	if (sodium_init() < 0) {
		(void)snprintf(err, err_size, "libsodium can't be initialised");
		return false;
	}
	t->bus = o->bus;
	t->loop = bus_loop(o->bus);
	t->var = o->var;
	t->ready = o->ready;
	t->ready_ctx = o->ctx;
	t->config = o->config;
	if (!tokens_keys_open(t, err, err_size))
		return false;
	t->proofs = dpop_new();
	t->passwords = (struct passwords){
		.pool = work_pool_new(t->loop, (unsigned)t->config->password_threads,
		    (unsigned)t->config->password_queue),
		.ops = (uint64_t)t->config->password_ops,
		.memory_bytes = (uint64_t)t->config->password_memory_bytes,
	};
	t->known_keys = known_keys_new();
	t->key_tries = tries_new(API_KEY_MISSES, API_KEY_MISS_EVERY_US);
	t->password_tries = tries_new(PROOF_BURST, PROOF_EVERY_US);
	t->database = target_new(t->bus,
	    &(const struct target_def){
		.service = &mf__database__descriptor, .members = database, .breaker.failures = 5 });
	t->rbac = target_new(
	    t->bus, &(const struct target_def){
			.service = &mf__rbac__descriptor, .members = rbac, .breaker.failures = 3 });
	t->auth = target_new(
	    t->bus, &(const struct target_def){
			.service = &mf__auth__descriptor, .members = auth, .breaker.failures = 3 });
	t->verifications = metric_family(METRIC_COUNTER, "metafed_token_verifications_total",
	    "Access tokens that were verified, by outcome.", labels);
	timer_init(&t->ready_timer, t->loop, ready_now);
	timer_in(&t->ready_timer, READY_WAIT);
	revoked_start(t, o->peer);
	tokens_seed(t);
	rotate_start(t);
	show_keys(t);
	return true;
}

void
tokens_reload(struct tokens *t, const struct jwt_config *config)
{
	tokens_keys_reload(t, config);
	t->config = config;
	rotate_again(t);
	t->passwords.ops = (uint64_t)config->password_ops;
	t->passwords.memory_bytes = (uint64_t)config->password_memory_bytes;
}

void
tokens_stop(struct tokens *t)
{
	shown = shown == t ? NULL : shown;
	timer_stop(&t->revoked_timer);
	timer_stop(&t->ready_timer);
	timer_stop(&t->seed_timer);
	timer_stop(&t->rotate_timer);
	work_pool_free(&t->passwords.pool);
	confirm_stop(t);
	revoked_clear(&t->revoked);
	keyring_close(&t->keys);
	seal_free(&t->seal);
	dpop_free(&t->proofs);
	known_keys_free(&t->known_keys);
	tries_free(&t->key_tries);
	tries_free(&t->password_tries);
}

void
tokens_verify(
    Mf__Jwt_Service *s, const Mf__TokenText *q, Mf__VerifiedToken_Closure reply, void *ctx)
{
	(void)reply;
	tokens_check(container_of(s, struct tokens, service), ctx, q);
}

/* What is no token of ours needs no look at revocations. */
void
tokens_check(struct tokens *t, struct call *c, const Mf__TokenText *q)
{
	int64_t age = q->max_age_us;
	enum token_verdict v = TOKEN_OK;
	struct check *k;

	k = ARENA_NEW(call_arena(c), struct check);
	k->t = t;
	k->q = q;
	if (!is_api_key(q))
		v = judge(t, call_arena(c), q->token, &k->claims);
	if (v == TOKEN_OK)
		confirm_revocations(
		    t, c, age == 0 || age > CONFIRM_US ? CONFIRM_US : age, on_confirmed, k);
	else
		tokens_refuse(t, c, v == TOKEN_EXPIRED);
}

static bool
is_api_key(const Mf__TokenText *q)
{
	return str_starts(q->token, API_KEY_PREFIX);
}

static void
on_confirmed(struct call *c, bool known, void *ctx)
{
	struct check *k = ctx;
	struct tokens *t = k->t;
	Mf__VerifiedToken m = MF__VERIFIED_TOKEN__INIT;

	if (!known || !t->revoked.known) {
		tokens_count(t, "unknown");
		call_fail_because(c, ST_UNAVAILABLE, "REVOCATIONS_UNKNOWN", CONFIRM_RETRY_MS,
		    "what has been revoked can't be known now");
	} else if (is_api_key(k->q)) {
		api_keys_verify(t, c, k->q);
	} else if (is_revoked(t, &k->claims)) {
		tokens_refuse(t, c, false);
	} else if (proof_fits(t, c, k->q, &k->claims)) {
		tokens_count(t, "valid");
		m.once = k->q->proof != NULL;
		m.principal = &k->claims.principal;
		call_reply(c, &m.base);
	}
}

static bool
is_revoked(const struct tokens *t, const struct claims *c)
{
	return (c->session[0] != '\0' && revoked_has(&t->revoked, c->session, 0)) ||
	       revoked_has(&t->revoked, c->principal.id, c->user_version);
}

enum token_verdict
tokens_look(struct tokens *t, struct arena *a, const char *access_token, struct claims *out)
{
	enum token_verdict v = judge(t, a, access_token, out);

	if (v != TOKEN_OK)
		return v;
	if (!t->revoked.known)
		return TOKEN_UNDECIDED;
	return is_revoked(t, out) ? TOKEN_INVALID : TOKEN_OK;
}

const char *
tokens_issuer(const struct tokens *t, const char *origin)
{
	const char *name = t->config->issuer;

	return origin == NULL || origin[0] == '\0' || claims_is_url(name) ? name : origin;
}

static enum token_verdict
judge(struct tokens *t, struct arena *a, const char *token, struct claims *out)
{
	const struct claims_expect expect = { t->config->issuer, t->config->audience,
		t->config->access_ttl_us };
	const struct jws_key *k;
	struct jws parsed;

	if (!jws_parse(a, str_of(token), &parsed) || strcmp(parsed.type, CLAIMS_TYPE) != 0)
		return TOKEN_INVALID;
	k = tokens_key(t, parsed.key_id);
	if (k == NULL || !jws_verify(&parsed, k))
		return TOKEN_INVALID;
	return claims_read(a, parsed.payload, parsed.n_payload, &expect, time_wall_us(), out);
}

/* A token that is bound to a key counts with a proof made by that key, and as Bearer not at all; one
 * that is not has none beside it. False: refused. */
static bool
proof_fits(struct tokens *t, struct call *c, const Mf__TokenText *q, const struct claims *claims)
{
	struct dpop_request proof;
	char key[JWS_KEY_ID_LEN + 1];
	const char *why;

	if ((claims->proof_key != NULL) != (q->proof != NULL)) {
		tokens_refuse(t, c, false);
		return false;
	}
	if (q->proof == NULL)
		return true;
	proof = (struct dpop_request){ .proof = q->proof->proof,
		.method = q->proof->method,
		.url = q->proof->url,
		.access_token = q->token,
		.operation = call_operation_id(c) };
	why = dpop_check(t->proofs, call_arena(c), &proof, time_wall_us(), key);
	if (why == NULL && strcmp(key, claims->proof_key) != 0)
		why = "jwk: is not the key that the token is bound to";
	if (why == NULL)
		return true;
	tokens_count(t, why == dpop_busy ? "unknown" : "proof");
	if (why == dpop_busy)
		call_fail_because(c, ST_UNAVAILABLE, "PROOFS_BUSY", 1000, "proof: %s", why);
	else
		call_fail_because(c, ST_UNAUTHENTICATED,
		    why == dpop_replayed ? "PROOF_REPLAYED" : "PROOF_INVALID", 0, "proof: %s", why);
	return false;
}

/* One answer for everything that is wrong with a token: outsiders learn nothing from the
 * difference. */
void
tokens_refuse(struct tokens *t, struct call *c, bool expired)
{
	if (expired) {
		tokens_count(t, "expired");
		call_fail_because(
		    c, ST_UNAUTHENTICATED, "TOKEN_EXPIRED", 0, "the access token has expired");
	} else {
		tokens_count(t, "invalid");
		call_fail_because(
		    c, ST_UNAUTHENTICATED, "TOKEN_INVALID", 0, "the access token is not valid");
	}
}

void
tokens_count(struct tokens *t, const char *outcome)
{
	metric_inc(metric_get(t->verifications, &outcome));
}

static void
ready_now(struct timer *timer)
{
	struct tokens *t = container_of(timer, struct tokens, ready_timer);
	void (*ready)(void *ctx) = t->ready;

	t->ready = NULL;
	if (ready != NULL)
		ready(t->ready_ctx);
}

/* --- what can be seen of the signing keys --- */

static void
show_keys(struct tokens *t)
{
	static bool collecting;

	shown = t;
	if (!collecting)
		metric_on_collect(on_collect, NULL);
	collecting = true;
}

static void
on_collect(void *ctx)
{
	struct keyring_fact key;
	int64_t now = time_wall_us(), late;

	(void)ctx;
	if (shown == NULL)
		return;
	late = now - keyring_due(shown->keys);
	metric_set(metric_simple(METRIC_GAUGE, "metafed_signing_key_late_seconds",
		       "For how long the next step of the signing keys' rotation is overdue."),
	    late < 0 ? 0 : (double)late / (double)SEC);
	for (size_t i = 0; keyring_fact(shown->keys, i, &key); i++)
		if (key.at.state == KEY_SIGNING)
			metric_set(metric_simple(METRIC_GAUGE, "metafed_signing_key_age_seconds",
				       "Age of the key that signs now."),
			    (double)(now - key.at.made_us) / (double)SEC);
}

/* tokens: the node's state from start to end, its configuration, and the two methods that need no
 * store: Verify, Keys. */
#include <limits.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/claims.h"
#include "auth/jwt/jwt.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/database.pb-c.h"
#include "proto/rbac.pb-c.h"

/* for the revocations; after that we are READY and say UNAVAILABLE until they are read */
#define READY_WAIT (1 * SEC)
#define KEYS_LOOK                                                                                  \
	(1 * SEC) /* an unknown key id makes us look at the directory at most this often */

#define KEY(name, type, field, def, min, max, restart, help)                                       \
	{                                                                                          \
		name, type, offsetof(struct jwt_config, field), def, min, max, false, restart,     \
		    help                                                                           \
	}

const struct config_key jwt_keys[] = {
	KEY("signing_dir", CONFIG_PATH, signing_dir, "", 0, 0, true,
	    "signing keys and the refresh secret, shared by jwt and oauth; empty: "
	    "VAR/secrets/signing"),
	KEY("admin_file", CONFIG_PATH, admin_file, "", 0, 0, true,
	    "where the first start leaves the administrator's password; empty: VAR/admin.json"),
	KEY("signing_alg", CONFIG_STR, signing_alg, "ES256", 0, 0, false,
	    "of new access tokens: ES256 or EdDSA"),
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
	KEY("password_ops", CONFIG_INT, password_ops, "2", 1, 100, false, "Argon2id: passes"),
	KEY("password_memory", CONFIG_BYTES, password_memory_bytes, "64m", 8 << 20,
	    INT64_C(4) << 30, false, "Argon2id: memory of one hash"),
	KEY("password_threads", CONFIG_INT, password_threads, "2", 1, 64, true,
	    "passwords hashed side by side"),
	KEY("password_queue", CONFIG_INT, password_queue, "64", 1, 10000, true,
	    "passwords waiting; beyond: RESOURCE_EXHAUSTED"),
	{ .name = NULL },
};

static bool
keys_open(struct tokens *t, const struct jwt_config *config, char *err, size_t err_size);
static void keys_look(struct tokens *t);
static void ready_now(struct timer *timer);
static const struct jws_key *find_key(struct tokens *t, const char *key_id);
static enum token_verdict
judge(struct tokens *t, struct arena *a, const char *token, struct claims *out);
static void refuse(struct tokens *t, struct call *c, enum token_verdict v);
static void count(struct tokens *t, const char *outcome);

bool
jwt_check(const void *config, char *err, size_t err_size)
{
	const struct jwt_config *c = config;
	enum jws_alg alg = jws_alg_from_name(str_of(c->signing_alg));

	if (alg != JWS_ES256 && alg != JWS_EDDSA) {
		(void)snprintf(err, err_size, "signing_alg: must be ES256 or EdDSA");
		return false;
	}
	if (c->issuer[0] == '\0' || c->audience[0] == '\0') {
		(void)snprintf(err, err_size, "issuer, audience: must not be empty");
		return false;
	}
	return true;
}

bool
tokens_start(struct tokens *t, const struct tokens_opts *o, char *err, size_t err_size)
{
	static const char *const database[] = { "database", NULL };
	static const char *const rbac[] = { "rbac", NULL };
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
	if (!keys_open(t, o->config, err, err_size))
		return false;
	t->config = o->config;
	t->passwords = (struct passwords){
		.pool = work_pool_new(t->loop, (unsigned)t->config->password_threads,
		    (unsigned)t->config->password_queue),
		.ops = (uint64_t)t->config->password_ops,
		.memory_bytes = (uint64_t)t->config->password_memory_bytes,
	};
	t->database = target_new(t->bus,
	    &(const struct target_def){
		.service = &mf__database__descriptor, .members = database, .breaker.failures = 5 });
	t->rbac = target_new(
	    t->bus, &(const struct target_def){
			.service = &mf__rbac__descriptor, .members = rbac, .breaker.failures = 3 });
	t->verifications = metric_family(METRIC_COUNTER, "metafed_token_verifications_total",
	    "Access tokens that were verified, by outcome", labels);
	timer_init(&t->ready_timer, t->loop, ready_now);
	timer_in(&t->ready_timer, READY_WAIT);
	revoked_start(t, o->peer);
	tokens_seed(t);
	return true;
}

void
tokens_reload(struct tokens *t, const struct jwt_config *config)
{
	char err[PATH_MAX + 200];

	if (!keys_open(t, config, err, sizeof(err)))
		log_error("signing_keys_not_read", L_STR("why", err));
	t->config = config;
	t->passwords.ops = (uint64_t)config->password_ops;
	t->passwords.memory_bytes = (uint64_t)config->password_memory_bytes;
}

void
tokens_stop(struct tokens *t)
{
	timer_stop(&t->revoked_timer);
	timer_stop(&t->ready_timer);
	timer_stop(&t->seed_timer);
	work_pool_free(&t->passwords.pool);
	revoked_clear(&t->revoked);
	keyring_close(&t->keys);
}

void
tokens_verify(
    Mf__Jwt_Service *s, const Mf__TokenText *q, Mf__VerifiedToken_Closure reply, void *ctx)
{
	(void)reply;
	tokens_check(container_of(s, struct tokens, service), ctx, q->token);
}

void
tokens_keys(Mf__Jwt_Service *s, const Mf__Empty *q, Mf__JwkSet_Closure reply, void *ctx)
{
	struct tokens *t = container_of(s, struct tokens, service);
	Mf__JwkSet m = MF__JWK_SET__INIT;
	struct call *c = ctx;

	(void)q, (void)reply;
	m.data.data = (uint8_t *)keyring_jwks(t->keys, call_arena(c), &m.data.len);
	call_reply(c, &m.base);
}

void
tokens_check(struct tokens *t, struct call *c, const char *token)
{
	Mf__VerifiedToken m = MF__VERIFIED_TOKEN__INIT;
	enum token_verdict v;
	struct claims claims;

	v = judge(t, call_arena(c), token, &claims);
	if (v != TOKEN_OK) {
		refuse(t, c, v);
		return;
	}
	if (!t->revoked.known) {
		count(t, "unknown");
		call_fail_because(c, ST_UNAVAILABLE, "REVOCATIONS_UNKNOWN", 200,
		    "the list of revoked sessions has not been read yet");
		return;
	}
	if (revoked_has(&t->revoked, claims.session, 0) ||
	    revoked_has(&t->revoked, claims.principal.id, claims.user_version)) {
		refuse(t, c, TOKEN_INVALID);
		return;
	}
	count(t, "valid");
	m.principal = &claims.principal;
	call_reply(c, &m.base);
}

static enum token_verdict
judge(struct tokens *t, struct arena *a, const char *token, struct claims *out)
{
	const struct claims_expect expect = { t->config->issuer, t->config->audience };
	const struct jws_key *k;
	struct jws parsed;

	if (!jws_parse(a, str_of(token), &parsed) || strcmp(parsed.type, CLAIMS_TYPE) != 0)
		return TOKEN_INVALID;
	k = find_key(t, parsed.key_id);
	if (k == NULL || !jws_verify(&parsed, k))
		return TOKEN_INVALID;
	return claims_read(a, parsed.payload, parsed.n_payload, &expect, time_wall_us(), out);
}

/* One answer for everything that is wrong with a token: outsiders learn nothing from the
 * difference. */
static void
refuse(struct tokens *t, struct call *c, enum token_verdict v)
{
	if (v == TOKEN_EXPIRED) {
		count(t, "expired");
		call_fail_because(
		    c, ST_UNAUTHENTICATED, "TOKEN_EXPIRED", 0, "the access token has expired");
	} else {
		count(t, "invalid");
		call_fail_because(
		    c, ST_UNAUTHENTICATED, "TOKEN_INVALID", 0, "the access token is not valid");
	}
}

static void
count(struct tokens *t, const char *outcome)
{
	metric_inc(metric_get(t->verifications, &outcome));
}

static const struct jws_key *
find_key(struct tokens *t, const char *key_id)
{
	const struct jws_key *k = keyring_find(t->keys, key_id);

	if (k != NULL || key_id[0] == '\0')
		return k;
	keys_look(t);
	return keyring_find(t->keys, key_id);
}

/* The peer may have made a key since. */
static void
keys_look(struct tokens *t)
{
	int64_t now = loop_now(t->loop);
	char err[PATH_MAX + 200];

	if (t->keys_looked_us != 0 && now - t->keys_looked_us < KEYS_LOOK)
		return;
	t->keys_looked_us = now;
	if (keyring_changed(t->keys) && !keys_open(t, t->config, err, sizeof(err)))
		log_error("signing_keys_not_read", L_STR("why", err));
}

static bool
keys_open(struct tokens *t, const struct jwt_config *config, char *err, size_t err_size)
{
	struct keyring *fresh;
	char dir[PATH_MAX];

	if (config->signing_dir[0] != '\0')
		(void)snprintf(dir, sizeof(dir), "%s", config->signing_dir);
	else
		(void)snprintf(dir, sizeof(dir), "%s/secrets/signing", t->var);
	fresh = keyring_open(dir, jws_alg_from_name(str_of(config->signing_alg)), err, err_size);
	if (fresh == NULL)
		return false;
	keyring_close(&t->keys);
	t->keys = fresh;
	log_info("signing_keys_read", L_INT("keys", keyring_size(fresh)),
	    L_STR("signer", jws_key_id(keyring_signer(fresh))));
	return true;
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

/* jwt: passwords, tokens, signing keys. One `struct tokens` is all state of the node; oauth has one
 * too and serves the same vtable as stand-in. Nothing here fails open: what can't be decided is
 * UNAVAILABLE. */
#ifndef JWT_JWT_H
#define JWT_JWT_H

#include <stdbool.h>
#include <stdint.h>
#include "auth/jwt/dpop.h"
#include "auth/jwt/keyring.h"
#include "auth/jwt/password.h"
#include "auth/jwt/revoked.h"
#include "auth/jwt/seal.h"
#include "base/config.h"
#include "base/metrics.h"
#include "bus/bus.h"
#include "proto/jwt.pb-c.h"

struct jwt_config {
	const char *signing_dir; /* "" -> VAR/secrets/signing */
	const char *seal_key;    /* "" -> seal.key above signing_dir */
	const char *admin_file;  /* "" -> VAR/admin.json */
	const char *signing_alg;
	int64_t key_rotation_us;
	int64_t key_publish_ahead_us;
	const char *issuer;
	const char *audience;
	int64_t access_ttl_us;
	int64_t refresh_ttl_us;
	int64_t refresh_repeat_us;
	int64_t revocation_poll_us;
	int64_t password_min;
	int64_t password_ops;
	int64_t password_memory_bytes;
	int64_t password_threads;
	int64_t password_queue;
};
extern const struct config_key jwt_keys[];
bool jwt_check(const void *config, char *err, size_t err_size);

struct tokens {
	Mf__Jwt_Service service; /* first: handlers find the rest by it */
	const struct jwt_config *config;
	const char *var;
	struct bus *bus;
	struct loop *loop;
	struct target *database, *rbac, *auth;
	struct seal *seal;
	struct dpop *proofs; /* that were seen */
	struct keyring *keys;
	int64_t keys_looked_us;
	struct timer rotate_timer;
	bool rotating; /* a key is being made */
	struct passwords passwords;
	struct known_keys *known_keys;            /* API keys that were verified (api_keys.h) */
	struct tries *key_tries, *password_tries; /* unknown keys; wrong passwords in a session */
	struct revoked revoked;
	struct confirm *confirm;
	struct timer revoked_timer, ready_timer, seed_timer;
	void (*ready)(void *ctx); /* NULL once it was called */
	void *ready_ctx;
	struct metric_family *verifications;
};

struct tokens_opts {
	struct bus *bus;
	const char *var;  /* absolute; outlives the tokens, like config */
	const char *peer; /* "oauth" for jwt, and the other way round: its revocations count */
	const struct jwt_config *config;
	/* Keys are loaded and the revocations are known, or after 1 s without them. */
	void (*ready)(void *ctx);
	void *ctx;
};

/* False: err says what to do. t->service must have been initialised with TOKENS_SERVICE. */
bool tokens_start(struct tokens *t, const struct tokens_opts *o, char *err, size_t err_size)
    __attribute__((warn_unused_result));
void
tokens_reload(struct tokens *t, const struct jwt_config *config); /* also reads the keys anew */
void tokens_stop(struct tokens *t);

#define TOKENS_SERVICE MF__JWT__INIT(tokens_)
void tokens_verify(
    Mf__Jwt_Service *s, const Mf__TokenText *q, Mf__VerifiedToken_Closure reply, void *ctx);
void
tokens_login(Mf__Jwt_Service *s, const Mf__Credentials *q, Mf__TokenPair_Closure reply, void *ctx);
void tokens_refresh(
    Mf__Jwt_Service *s, const Mf__RefreshToken *q, Mf__TokenPair_Closure reply, void *ctx);
void
tokens_logout(Mf__Jwt_Service *s, const Mf__RefreshToken *q, Mf__Empty_Closure reply, void *ctx);
void tokens_keys(Mf__Jwt_Service *s, const Mf__Empty *q, Mf__JwkSet_Closure reply, void *ctx);
void tokens_revocations(
    Mf__Jwt_Service *s, const Mf__RevokedSince *q, Mf__RevokedList_Closure reply, void *ctx);
/* auth's checkpoints of the audit log; asked by nobody else (checkpoint.c) */
void tokens_sign(
    Mf__Jwt_Service *s, const Mf__Checkpoint *q, Mf__SignedCheckpoint_Closure reply, void *ctx);
void tokens_authenticate(
    Mf__Jwt_Service *s, const Mf__Credentials *q, Mf__Authenticated_Closure reply, void *ctx);
void
tokens_read(Mf__Jwt_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx);
void
tokens_write(Mf__Jwt_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx);

/* The keyring (tokens_keys.c). Keys are good until control goes back to the loop. */
bool tokens_keys_open(struct tokens *t, char *err, size_t err_size)
    __attribute__((warn_unused_result)); /* at start */
void tokens_keys_reload(struct tokens *t, const struct jwt_config *config);
bool tokens_keys_read(struct tokens *t); /* anew; false: the old ones stay */
const struct jws_key *tokens_key(struct tokens *t, const char *key_id); /* NULL: none has it */
const struct jws_key *tokens_signer(struct tokens *t);

/* Rotation of the signing keys (rotate.c). */
void rotate_start(struct tokens *t);
void rotate_again(struct tokens *t); /* keys or configuration have changed */
/* False: it can't be done now. ok: keyring_newest(t->keys) is the next key. */
typedef void rotate_done_fn(struct call *c, bool ok, void *ctx);
bool rotate_now(struct tokens *t, struct call *c, rotate_done_fn *done, void *ctx)
    __attribute__((warn_unused_result));

/* Of one model each; models.c is the table. They end the call. */
void users_read(struct tokens *t, struct call *c, const Mf__StoreOp *q);
void users_write(struct tokens *t, struct call *c, const Mf__StoreOp *q);
void my_password_write(struct tokens *t, struct call *c, const Mf__StoreOp *q);
void factors_read(struct tokens *t, struct call *c, const Mf__StoreOp *q);
void factors_write(struct tokens *t, struct call *c, const Mf__StoreOp *q);
void session_list_read(struct tokens *t, struct call *c, const Mf__StoreOp *q);
void session_list_write(struct tokens *t, struct call *c, const Mf__StoreOp *q);
void api_keys_read(struct tokens *t, struct call *c, const Mf__StoreOp *q);
void api_keys_write(struct tokens *t, struct call *c, const Mf__StoreOp *q);
void signing_keys_read(struct tokens *t, struct call *c, const Mf__StoreOp *q);
void signing_keys_write(struct tokens *t, struct call *c, const Mf__StoreOp *q);

/* Verify, for oauth's own service too */
void tokens_check(struct tokens *t, struct call *c, const Mf__TokenText *q);
void tokens_seed(
    struct tokens *t); /* begins to make the first admin; goes on by itself until it is there */

#endif

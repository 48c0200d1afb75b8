/* jwt: passwords, tokens, signing keys. One `struct tokens` is all state of the node; oauth has one
 * too and serves the same vtable as stand-in. Nothing here fails open: what can't be decided is
 * UNAVAILABLE. */
#ifndef JWT_JWT_H
#define JWT_JWT_H

#include <stdbool.h>
#include <stdint.h>
#include "auth/jwt/keyring.h"
#include "auth/jwt/password.h"
#include "auth/jwt/revoked.h"
#include "base/config.h"
#include "base/metrics.h"
#include "bus/bus.h"
#include "proto/jwt.pb-c.h"

struct jwt_config {
	const char *signing_dir; /* "" -> VAR/secrets/signing */
	const char *admin_file;  /* "" -> VAR/admin.json */
	const char *signing_alg;
	const char *issuer;
	const char *audience;
	int64_t access_ttl_us;
	int64_t refresh_ttl_us;
	int64_t refresh_repeat_us;
	int64_t revocation_poll_us;
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
	struct target *database, *rbac;
	struct keyring *keys;
	int64_t keys_looked_us;
	struct passwords passwords;
	struct revoked revoked;
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
void tokens_read_user(
    Mf__Jwt_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx);
void tokens_write_user(
    Mf__Jwt_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx);

void tokens_check(
    struct tokens *t, struct call *c, const char *token); /* Verify, for oauth's own service too */
void tokens_seed(
    struct tokens *t); /* begins to make the first admin; goes on by itself until it is there */

#endif

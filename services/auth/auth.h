/* auth: the orchestrator of identity and permission. It stores nothing; jwt knows tokens, rbac
 * knows roles. */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include <stdbool.h>
#include <stdint.h>
#include "auth/limiter.h"
#include "base/config.h"
#include "base/metrics.h"
#include "bus/bus.h"
#include "proto/auth.pb-c.h"

struct auth_config {
	int64_t claims_max_age_us;
	int64_t verify_try_us;
	int64_t check_try_us;
	int64_t login_failures;
	int64_t login_window_us;
	int64_t login_delay_us;
	int64_t login_most;
};
extern const struct config_key auth_keys[];

struct auth {
	Mf__Auth_Service service; /* first: handlers find the rest by it */
	const struct auth_config *config;
	struct bus *bus;
	struct loop *loop;
	struct target *jwt, *rbac;
	struct limiter *limiter;
	uint32_t logins_begun;   /* and not ended */
	uint8_t limiter_key[32]; /* what is remembered of names and addresses is a keyed hash */
	uint64_t epoch,
	    sequence; /* of revocations and changes of policy; also the hint in every frame */
	struct metric_family *decisions, *logins;
};

#define AUTH_SERVICE MF__AUTH__INIT(auth_)
void
auth_check(Mf__Auth_Service *s, const Mf__AuthCheck *q, Mf__AuthGrant_Closure reply, void *ctx);
void
auth_login(Mf__Auth_Service *s, const Mf__Credentials *q, Mf__TokenPair_Closure reply, void *ctx);
void auth_refresh(
    Mf__Auth_Service *s, const Mf__RefreshToken *q, Mf__TokenPair_Closure reply, void *ctx);
void
auth_logout(Mf__Auth_Service *s, const Mf__RefreshToken *q, Mf__Empty_Closure reply, void *ctx);
void
auth_sequence(Mf__Auth_Service *s, const Mf__Empty *q, Mf__AuthSequence_Closure reply, void *ctx);

void auth_read(Mf__Auth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx);
void
auth_write(Mf__Auth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx);

bool auth_start(struct auth *a, struct bus *b, const struct auth_config *config);
void auth_stop(struct auth *a);
/* Something that was granted may not be granted any more: whoever keeps grants must ask again. */
void auth_bump(struct auth *a, const char *why);
/* A failure of an agent, as our caller gets it: a refusal as it is, a fault as UNAVAILABLE. Ends
 * the call. */
void auth_pass_on(struct call *c, const struct failure *f);

#endif

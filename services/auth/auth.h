/* auth: the orchestrator of identity and permission: limits, risk and the audit log. jwt knows
 * tokens, rbac knows roles. */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include <stdbool.h>
#include <stdint.h>
#include "auth/audit.h"
#include "auth/audit_count.h"
#include "auth/limiter.h"
#include "auth/risk.h"
#include "auth/recall.h"
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
	int64_t login_turn_us;
	int64_t risk_factor, risk_refuse, risk_lock, risk_failover;
	const char *geo_file;
	int64_t audit_checkpoint;
	int64_t audit_checkpoint_after_us;
	int64_t audit_keep_us;
};
extern const struct config_key auth_keys[];
bool auth_config_check(const void *config, char *err, size_t err_size);

struct auth {
	Mf__Auth_Service service; /* first: handlers find the rest by it */
	const struct auth_config *config;
	struct bus *bus;
	struct loop *loop;
	struct target *jwt, *rbac, *oauth, *database;
	struct limiter *limiter;
	struct recall *recall;
	struct geo *geo; /* NULL: nothing is known of places */
	struct audit *audit;
	struct audit_count *counts;
	struct work_pool *work;  /* reads geo_file */
	uint32_t logins_begun;   /* and not ended */
	uint8_t limiter_key[32]; /* what is remembered of names and addresses is a keyed hash */
	uint64_t epoch,
	    sequence;      /* of revocations and changes of policy; also the hint in every frame */
	int64_t bumped_us; /* monotonic: when the sequence moved last */
	/* wall clock: when roles, groups or grants changed last, as far as this process knows; at
	 * first when it started */
	int64_t policy_us;
	struct { /* how much each token agent has revoked, as it says in every frame */
		uint64_t epoch, count;
	} heard[2];
	struct metric_family *decisions, *logins, *sightings;
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

void auth_authenticate(
    Mf__Auth_Service *s, const Mf__Credentials *q, Mf__Authenticated_Closure reply, void *ctx);
void auth_report(Mf__Auth_Service *s, const Mf__Sighting *q, Mf__Empty_Closure reply, void *ctx);
void auth_count(Mf__Auth_Service *s, const Mf__Permitted *q, Mf__Empty_Closure reply, void *ctx);
void auth_web(Mf__Auth_Service *s, const Mf__WebRequest *q, Mf__WebAnswer_Closure reply, void *ctx);

void auth_read(Mf__Auth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx);
void
auth_write(Mf__Auth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx);

/* var: absolute; the audit log keeps its spool and its end there. */
bool auth_start(struct auth *a, struct bus *b, const struct auth_config *config, const char *var);
void auth_reload(struct auth *a, const struct auth_config *config);
void audit_read(struct auth *a, struct call *c, const Mf__StoreOp *q); /* the model audit */
/* Nothing of the audit log waits, nor of what is counted for it: that goes there first. */
bool auth_drained(struct auth *a);
void auth_stop(struct auth *a);
/* Something that was granted may not be granted any more: whoever keeps grants must ask again. */
void auth_bump(struct auth *a, const char *why);
/* Bumps when an agent has revoked something since, whether or not its event has come: before what it
 * answered goes on. */
void auth_heard(struct auth *a);
/* So old may be at most what an agent knows of the other's revocations: from after the last bump. */
uint32_t auth_max_age_us(const struct auth *a);
/* A failure of an agent, as our caller gets it: a refusal as it is, a fault as UNAVAILABLE. Ends
 * the call. */
void auth_pass_on(struct call *c, const struct failure *f);
/* Does jwt or oauth ask, who speak for log-in pages and for what they have seen? The bus knows. */
bool auth_peer_is_agent(struct call *c);

#endif

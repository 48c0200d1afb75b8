/* rbac: decides permissions from memory. Roles, groups and grants are read from the database domain at
 * start, then what the log of changes names; a reading that fails leaves what is known in force, and
 * nothing known means UNAVAILABLE, never yes. */
#ifndef RBAC_RBAC_H
#define RBAC_RBAC_H

#include "auth/rbac/rules.h"
#include "base/config.h"
#include "base/metrics.h"
#include "bus/bus.h"
#include "proto/rbac.pb-c.h"

struct rbac_config {
	int64_t roles_poll_us;
};
extern const struct config_key rbac_keys[];

struct image; /* of what is stored: load.h */
struct reading;

struct rbac {
	Mf__Rbac_Service service; /* first: handlers find the rest by it */
	const struct rbac_config *config;
	struct bus *bus;
	struct loop *loop;
	struct target *database;
	struct image *image;     /* NULL: never read */
	struct rules *rules;     /* the image's, in force; NULL: never read */
	struct reading *reading; /* under way; NULL: none */
	bool refused;            /* the roles are too large: said once */
	int64_t read_at;         /* monotonic: when the last reading that succeeded began */
	struct timer poll_timer, ready_timer;
	void (*ready)(void *ctx); /* NULL once it was called */
	void *ready_ctx;
	struct list waiters; /* for the end of a reading */
	struct metric *roles, *grants;
};

#define RBAC_SERVICE MF__RBAC__INIT(rbac_)
void rbac_check(Mf__Rbac_Service *s, const Mf__PermissionCheck *q,
    Mf__PermissionAnswer_Closure reply, void *ctx);
void rbac_expand(
    Mf__Rbac_Service *s, const Mf__RoleNames *q, Mf__PermissionList_Closure reply, void *ctx);
void rbac_covers(
    Mf__Rbac_Service *s, const Mf__RoleCover *q, Mf__RoleCoverAnswer_Closure reply, void *ctx);
void rbac_read(Mf__Rbac_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx);
void
rbac_write(Mf__Rbac_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx);

/* ready comes when the policy is read, or after 1 s without it. */
void rbac_start(struct rbac *r, struct bus *b, const struct rbac_config *config,
    void (*ready)(void *ctx), void *ctx);
void rbac_stop(struct rbac *r);
bool rbac_known(const struct rbac *r, struct call *c); /* false: the call was failed */

#endif

/* audit: the append-only log of what the auth domain decided, in the model `audit` of the database
 * domain. Records are numbered from 1; each has the hash of the one before (audit_event.h).
 *
 * What waits goes into the store in one transaction of up to 90 records, whose ids are the next
 * numbers: of two writers one is refused and reads the end of the log again. While the store is
 * away, what waits is also in a bounded file, VAR/audit.spool, and is appended in order later. Every
 * 1000 records, and a minute after something new, a checkpoint: the hash of the last record, signed
 * by jwt. The end of the log as it was then is kept in VAR/audit.head, outside the database: a log
 * that lost its end never goes on as if nothing had been there.
 *
 * Everything here is of the loop thread; files are written by a thread of its own. */
#ifndef AUTH_AUDIT_H
#define AUTH_AUDIT_H

#include "auth/audit_event.h"
#include "bus/bus.h"

struct audit;
struct auth_config;

struct audit_opts {
	struct bus *bus;
	struct target *database, *jwt;
	const char *var;                         /* absolute */
	const struct auth_config *const *config; /* as it is now */
};

struct audit *audit_open(const struct audit_opts *o);
void audit_close(struct audit **a);

void audit_reload(struct audit *a); /* the configuration has changed */

/* Without waiting. Never fails: what there is no room for is counted, and the log says so later. */
void audit_note(struct audit *a, const struct audit_event *e);

enum audit_need {
	/* in the log, or what it is about may not happen; false also when the store is away */
	AUDIT_MUST,
	/* in the log or in the spool, or a second has passed: nobody is kept from refusing */
	AUDIT_REFUSAL,
};
/* then: exactly once unless the call ends before; never from inside. */
typedef void audit_then_fn(bool durable, void *ctx);
void audit_await(struct audit *a, struct call *c, const struct audit_event *e, enum audit_need need,
    audit_then_fn *then, void *ctx);

/* Everything that was appended is signed, and by a key that jwt has now. then(false): it can't be
 * at present. */
void audit_seal(struct audit *a, struct call *c, audit_then_fn *then, void *ctx);
bool audit_is_idle(const struct audit *a); /* nothing waits */
/* The end of the log as far as it is known; false: not yet. */
bool audit_head(const struct audit *a, uint64_t *number, const char **hash);

#endif

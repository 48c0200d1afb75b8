/* audit_event: one thing that happened, as the audit log has it, and the arithmetic of its chain. Pure.
 *
 * A record is a JSON object in its canonical form (RFC 8785: members in order, no blanks; there are
 * only texts without control characters, whole numbers and objects of those):
 *
 *	{"event":{...},"number":17,"previous":"<hash of record 16>"}
 *
 * and its hash is SHA-256 of these bytes, in hex. Record 1 has 64 zeros for `previous`. */
#ifndef AUTH_AUDIT_EVENT_H
#define AUTH_AUDIT_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/id.h"

#define AUDIT_HASH_LEN   65 /* hex and NUL */
#define AUDIT_NUMBER_LEN 17 /* 16 digits and NUL: the id of the row */

/* What is NULL, "" or 0 is left out; texts are cut where they are too long for the log. */
struct audit_event {
	const char *kind;    /* "login", "refresh", "logout", "write", "check", "sighting", ... */
	const char *outcome; /* "ok", "refused", "limited", "failed", "begun", "counted" */
	const char *cause;   /* a reason: "BAD_CREDENTIALS" */
	const char *actor;   /* id of who acted, where it is known */
	const char *subject; /* id of whom it is about */
	const char *name;    /* of the account, where there is one */
	const char *address; /* of the client */
	const char *user_agent;
	const char *agent; /* the process that decided: "jwt", "rbac" */
	const char *method;
	const char *model, *object, *operation, *operation_id;
	const char *permission, *resource;
	const char *client_id, *session;
	const char *policy;    /* that was applied: "allow", "factor", "refuse", "lock" */
	const char *reasons;   /* of the score: "new_network 15, account_failures 8" */
	const char *detail;    /* for people */
	const char *counts;    /* canonical JSON: permission -> times */
	const char *jws, *key; /* of a checkpoint: compact JWS; its public key, canonical JSON */
	uint64_t count;
	uint64_t begins; /* of a checkpoint that permits to drop: the first number that is kept */
	uint64_t risk;   /* score + 1; 0: not judged */
};

/* Canonical JSON. id: of the event, a UUID. */
char *audit_event_text(
    struct arena *a, const struct audit_event *e, const char id[UUID_LEN], int64_t at_us);
char *audit_record_text(struct arena *a, const char *event, uint64_t number, const char *previous);
void audit_record_hash(const char *text, size_t n, char out[AUDIT_HASH_LEN]);
/* The canonical form of what was parsed, for hashing it again. NULL: it has none. The caller frees
 * it. */
char *audit_canonical(const json_t *v);
void audit_number_id(uint64_t number, char out[AUDIT_NUMBER_LEN]);
bool audit_id_number(const char *id, uint64_t *out);

#endif

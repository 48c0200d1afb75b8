/* check: may this role, group or grant be stored, by him? The shape of each field that decides, that
 * what is named is there, no cycle, nothing beyond one's own. What is not looked at here (lengths,
 * numbers, unknown fields) is the store's to judge. Used for single writes and for imports. */
#ifndef RBAC_CHECK_H
#define RBAC_CHECK_H

#include "auth/rbac/rules.h"
#include "base/status.h"

struct checking {
	struct rules *rules;
	const Mf__Principal *who;
	struct arena *a;
	const json_t *roles,
	    *groups; /* of an import: objects whose names will be there too; NULL: none */
	/* of what is wrong */
	enum status status;
	const char *reason, *message;
	const char *field; /* JSON Pointer; NULL: none in particular */
};

/* The object as it will be; id: its name. False: k says why. */
bool check_role(struct checking *k, const char *id, const json_t *object);
bool check_group(struct checking *k, const char *id, const json_t *object);
bool check_grant(struct checking *k, const char *id, const json_t *object);
/* What is there now: may he change or delete it? row: the stored grant. */
bool check_role_now(struct checking *k, const char *id);
bool check_group_now(struct checking *k, const char *id);
bool check_grant_now(struct checking *k, const json_t *row);
/* All of them together; false. */
bool roles_too_large(struct checking *k, const char *why);
/* A cycle that the role closes when it inherits these: "a, b, a"; NULL: none. */
const char *role_cycle(struct checking *k, const char *id, const json_t *inherits);

#endif

/* rules: everything that decides, in memory: roles (policy.h), groups, grants. Changed row by row; a
 * decision looks at what is granted to the principal, his groups and his roles, each found by hash
 * under the scope that is asked for, so it costs the same with ten grants and with a million.
 *
 * Memory of a grant: some 100 bytes, and what nobody else shares of its subject, its scope and its
 * list of permissions (each distinct one is stored once). */
#ifndef RBAC_RULES_H
#define RBAC_RULES_H

#include <jansson.h>
#include "auth/rbac/conditions.h"
#include "auth/rbac/policy.h"
#include "proto/common.pb-c.h"

#define ROLE_FIXED "admin" /* can't be changed, and nothing is denied to who has it */

enum subject_kind { SUBJECT_USER, SUBJECT_GROUP, SUBJECT_ROLE, SUBJECT_EVERYONE };
bool subject_kind_read(const char *s, enum subject_kind *out);
extern const char *const subject_kinds[];

struct grant_def { /* as stored */
	const char *id;
	bool deny;
	enum subject_kind kind;
	const char *subject; /* of everyone: "*" */
	size_t n_permissions, n_roles;
	const char *const *permissions, *const *roles;
	const char *ns, *resource;       /* NULL: any */
	const struct json_t *conditions; /* NULL: none */
	int64_t expires_us;              /* 0: never */
};

struct rules;
struct grant;

struct rules *rules_new(void);
void rules_free(struct rules **s);
/* Takes the roles; grants to roles and groups stay. */
void rules_set_roles(struct rules *s, struct policy **roles);
const struct policy *rules_roles(const struct rules *s); /* NULL: never set */
void rules_put_group(struct rules *s, const char *name, size_t n, const char *const *roles);
bool rules_drop_group(struct rules *s, const char *name);
bool rules_has_group(const struct rules *s, const char *name);
/* In the place of one of the same id. Conditions that can't be read: an allow never counts, a deny
 * always; false then. */
bool rules_put_grant(struct rules *s, const struct grant_def *d);
bool rules_drop_grant(struct rules *s, const char *id);
size_t rules_grants(const struct rules *s);
size_t rules_groups(const struct rules *s);
bool rules_role_denied(const struct rules *s); /* something is denied to some role */
/* Of one subject in one scope. */
size_t rules_crowd(const struct rules *s, const struct grant_def *d);

struct question {
	const Mf__Principal *who;
	const char *permission, *resource; /* resource: as in PermissionCheck */
	const char *ns;                    /* "": "default" */
	struct circumstances at;
};

struct considered { /* one rule that was looked at, for people */
	const char *kind, *id, *text, *effect, *why;
	bool matches;
};
struct held_role {
	const struct role *role,
	    *of;          /* of: the one whose closure it is in, itself for a direct one */
	const char *from; /* "account", "group NAME", "grant ID" */
	size_t place;     /* in of->above */
};
struct trace { /* filled where wanted; at most TRACE_MOST of each */
	struct arena *a;
	size_t n, n_roles;
	struct considered *items;
	struct held_role *roles;
};
#define TRACE_MOST 1000

struct verdict {
	bool allowed, once, everywhere;
	const char *kind; /* of what decided: "role", "grant", "scope", "fixed", "none" */
	const struct role *role;
	const char *pattern;
	const struct grant *grant;
};
struct verdict rules_decide(struct rules *s, const struct question *q, struct trace *t);
/* "deny task.* to group contractors in namespace x", in a. */
const char *verdict_text(const struct verdict *v, struct arena *a);
const char *grant_text(const struct grant *g, struct arena *a);
void grant_id(const struct grant *g, char out[37]);

/* What somebody may do whatever the circumstances, there where a scope (NULL: everywhere) lets him:
 * without what any deny could hit. For claims in tokens, and for who gives something away. */
struct rights;
struct rights *
rules_rights(struct rules *s, const Mf__Principal *who, const char *ns, const char *resource);
bool rights_hold(const struct rights *r, const char *pattern);
void rights_free(struct rights **r);
/* Sorted, each once, in a; false: more than a token can carry. */
bool rights_list(const struct rights *r, struct arena *a, char ***out, size_t *n)
    __attribute__((warn_unused_result));

/* All that is granted and denied to somebody in whatever circumstances, one by one, for people. */
struct line {
	bool deny;
	const char *pattern, *ns, *resource; /* NULL: any */
	const char *when;                    /* conditions as JSON; NULL: none */
	bool ends;
};
typedef void line_fn(void *ctx, const struct line *l); /* texts are lent */
void rules_lines(struct rules *s, const Mf__Principal *who, line_fn *each, void *ctx);

/* May `who` give it, take it away, or change it? He has all that it permits and denies himself. What is
 * granted to a role or group of which only the name is left counts: it comes back with the next one. */
bool rules_may_give_role(struct rules *s, const Mf__Principal *who, const char *role);
bool rules_may_give_group(struct rules *s, const Mf__Principal *who, const char *group);
bool rules_may_give_grant(struct rules *s, const Mf__Principal *who, const struct grant_def *d);
/* What is granted to the account itself; its roles and groups are asked for by the others. */
bool rules_may_act_for_user(struct rules *s, const Mf__Principal *who, const char *user_id);

#endif

/* policy: roles, what they permit, whom they inherit from. Pure. A policy is built whole, with
 * every role expanded, and never changes: a decision is a hash lookup per role and a walk over its
 * patterns, well under 50 us. */
#ifndef RBAC_POLICY_H
#define RBAC_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>
#include "base/arena.h"

struct role_def { /* as stored */
	const char *name;
	size_t n_permissions;
	const char *const *permissions;
	size_t n_inherits;
	const char *const
	    *inherits; /* of a role that is not there nothing is inherited; cycles are harmless */
};

/* Bounds of one policy. Beyond them it is not built: who wants more has made a mistake, and a
 * policy that was cut would be another one than what is stored. */
#define POLICY_BYTES_MAX  (64u << 20) /* of names and texts, each stored once */
#define POLICY_STEPS_MAX  4000000u    /* roles visited and permissions met while expanding */
#define POLICY_EXPAND_MAX 1000        /* distinct permissions of one principal */

struct policy;
struct subject;

struct role { /* of a policy; only mark and subject change, and they are those of who decides */
	const char *name;
	const struct role_def *def; /* only while the policy is built */
	const char **own;
	size_t walked;
	size_t n, cap;
	const char **patterns; /* own and inherited, sorted, each once */
	size_t n_above;
	struct role **above; /* itself, then what it inherits, nearest first */
	uint32_t *via;       /* of each above[i], the place of the one that inherits it */
	uint64_t mark;
	struct subject *subject; /* what is granted to it; NULL: nothing */
	UT_hash_handle hh;
};

/* Copies; two of one name: the first counts. NULL: err says which role is too much. */
struct policy *policy_build(const struct role_def *roles, size_t n, char *err, size_t err_size)
    __attribute__((warn_unused_result));
void policy_free(struct policy **p);
bool
policy_same(const struct policy *a, const struct policy *b); /* the same decisions in every case */
size_t policy_roles(const struct policy *p);

struct decision {
	bool allowed;
	const char *role,
	    *pattern; /* that decided; NULL when nothing did. Valid as long as the policy */
};
struct decision
policy_decide(const struct policy *p, size_t n_roles, char *const *roles, const char *permission);

/* All patterns that the roles give, sorted, each once. False: there are more than a token can
 * carry. */
bool policy_expand(const struct policy *p, struct arena *a, size_t n_roles, char *const *roles,
    char ***out, size_t *n) __attribute__((warn_unused_result));

bool policy_has(const struct policy *p, const char *role);
struct role *policy_role(const struct policy *p, const char *name); /* NULL: there is none */
struct role *policy_each(const struct policy *p, const struct role *after); /* NULL: the first */
/* The first of these patterns that covers it; NULL: none. */
const char *permission_among(const char *const *sorted, size_t n, const char *permission);
/* Who has the roles of `holder` may do all that `role` permits. */
bool policy_covers(const struct policy *p, size_t n_holder, char *const *holder, const char *role);

extern const struct role_def policy_defaults[]; /* what the first start stores */
extern const size_t policy_n_defaults;

#endif

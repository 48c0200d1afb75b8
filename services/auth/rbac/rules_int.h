/* rules: what its files share. */
#ifndef RBAC_RULES_INT_H
#define RBAC_RULES_INT_H

#include "auth/rbac/rules.h"
#include "auth/rbac/table.h"

/* Grants are kept apart by what a decision wants of them. */
enum sort { SORT_ALLOW, SORT_DENY, SORT_GIVES, SORTS }; /* gives: allows with roles */

struct text {
	struct node node; /* first, as in all that follows */
	uint32_t refs;
	char s[];
};

struct what { /* a distinct list of permissions and roles */
	struct node node;
	uint32_t refs, n_permissions, n_roles, bytes;
	const char **permissions, **roles; /* sorted; into the same memory */
};

struct when { /* distinct conditions */
	struct node node;
	uint32_t refs;
	struct conditions *conditions; /* NULL: they can't be read */
	char json[];
};

struct scope { /* the grants of one sort to one subject for one namespace and resource */
	struct node node;
	struct subject *subject;
	struct text *ns, *resource;
	struct scope *next, **link; /* of its subject and sort */
	struct grant *grants;
	uint32_t n;
	enum sort sort;
};

struct subject {
	struct node node;
	enum subject_kind kind;
	uint32_t n[SORTS]; /* scopes */
	struct scope *scopes[SORTS];
	uint32_t on_resources; /* scopes, of denies and of roles given, that name one */
	uint32_t grants, weighed;
	char name[];
};

struct grant {
	struct node node;
	uint8_t id[16];
	struct grant *next; /* in its scope */
	struct scope *scope;
	struct what *what;
	struct when *when; /* NULL: always */
	int64_t expires_us;
};

struct group {
	struct node node;
	size_t n;
	char **roles;
	char name[];
};

struct rules {
	struct policy *roles;
	struct table texts, whats, whens, scopes, subjects, grants, groups;
	size_t role_denies; /* scopes */
	uint64_t mark;      /* of the walk under way; wide enough never to come round */
	uint32_t weighing;
	struct role **queue; /* room for all roles */
};

/* rules_shared.c: who takes one drops it when he goes. */
struct text *text_take(struct rules *s, const char *text); /* of NULL: NULL */
void text_drop(struct rules *s, struct text **t);
struct text *text_find(const struct rules *s, const char *text);
struct what *what_take(struct rules *s, const struct grant_def *d);
void what_drop(struct rules *s, struct what *w);
struct when *when_take(struct rules *s, const json_t *conditions); /* of none: NULL */
void when_drop(struct rules *s, struct when **w);
void when_free(struct node *k);

struct subject *subject_find(const struct rules *s, enum subject_kind kind, const char *name);
struct scope *scope_find(const struct rules *s, const struct subject *u, enum sort sort,
    const struct text *ns, const struct text *resource);
struct group *group_find(const struct rules *s, const char *name);
bool has_fixed(const struct rules *s, const Mf__Principal *who);

#endif

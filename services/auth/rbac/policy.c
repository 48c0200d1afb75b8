/* policy: see policy.h. */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "auth/permission.h"
#include "auth/rbac/policy.h"
#include "base/mem.h"

struct role {
	const char *name;
	const struct role_def *def; /* only while the policy is built */
	size_t walked;              /* number of the last expansion that came by */
	size_t n, cap;
	const char **patterns; /* own and inherited, sorted, each once; texts in the arena */
	UT_hash_handle hh;
};

struct policy {
	struct arena *a;
	struct role *by_name;
};

#define LIST(...)                                                                                  \
	.permissions = (const char *const[]){ __VA_ARGS__ },                                       \
	.n_permissions = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)

const struct role_def policy_defaults[] = {
	{ .name = "admin", LIST("*") },
	{ .name = "operator", LIST("fleet.read", "node.restart", "fault.inject", "task.*") },
	{ .name = "user", LIST("task.*", "fleet.read") },
	{ .name = "viewer", LIST("task.read", "fleet.read") },
};
const size_t policy_n_defaults = sizeof(policy_defaults) / sizeof(policy_defaults[0]);

#define POLICY_BYTES_MAX (256u << 20)

static struct role *role_find(const struct policy *p, const char *name);
static void role_gather(struct policy *p, size_t expansion, struct role *into, struct role *from);
static void role_add(struct role *r, const char *pattern);
static size_t sort_unique(const char **items, size_t n);
static int by_text(const void *a, const void *b);

struct policy *
policy_build(const struct role_def *roles, size_t n)
{
	struct policy *p = mem_zalloc(sizeof(*p));
	size_t expansion = 0;
	struct role *r;

	p->a = arena_new(POLICY_BYTES_MAX);
	for (size_t i = 0; i < n; i++) {
		if (role_find(p, roles[i].name) != NULL)
			continue;
		r = ARENA_NEW(p->a, struct role);
		r->name = arena_strdup(p->a, roles[i].name);
		r->def = &roles[i];
		HASH_ADD_KEYPTR(hh, p->by_name, r->name, strlen(r->name), r);
	}
	for (r = p->by_name; r != NULL; r = r->hh.next) {
		role_gather(p, ++expansion, r, r);
		r->n = sort_unique(r->patterns, r->n);
	}
	for (r = p->by_name; r != NULL; r = r->hh.next) {
		for (size_t i = 0; i < r->n; i++)
			r->patterns[i] = arena_strdup(p->a, r->patterns[i]);
		r->def = NULL;
	}
	return p;
}

void
policy_free(struct policy **pp)
{
	struct policy *p = *pp;
	struct role *r, *next;

	*pp = NULL;
	if (p == NULL)
		return;
	HASH_ITER(hh, p->by_name, r, next) {
		HASH_DEL(p->by_name, r);
		free(r->patterns);
	}
	arena_free(&p->a);
	free(p);
}

bool
policy_same(const struct policy *a, const struct policy *b)
{
	if (a == NULL || b == NULL || policy_roles(a) != policy_roles(b))
		return false;
	for (const struct role *r = a->by_name; r != NULL; r = r->hh.next) {
		const struct role *other = role_find(b, r->name);

		if (other == NULL || other->n != r->n)
			return false;
		for (size_t i = 0; i < r->n; i++)
			if (strcmp(r->patterns[i], other->patterns[i]) != 0)
				return false;
	}
	return true;
}

size_t
policy_roles(const struct policy *p)
{
	return HASH_COUNT(p->by_name);
}

struct decision
policy_decide(const struct policy *p, size_t n_roles, char *const *roles, const char *permission)
{
	for (size_t i = 0; i < n_roles; i++) {
		const struct role *r = role_find(p, roles[i]);

		for (size_t k = 0; r != NULL && k < r->n; k++)
			if (permission_covers(r->patterns[k], permission))
				return (struct decision){ true, r->name, r->patterns[k] };
	}
	return (struct decision){ false, NULL, NULL };
}

size_t
policy_expand(
    const struct policy *p, struct arena *a, size_t n_roles, char *const *roles, char ***out)
{
	size_t n = 0, at = 0;
	const char **all;

	for (size_t i = 0; i < n_roles; i++) {
		const struct role *r = role_find(p, roles[i]);

		n += r == NULL ? 0 : r->n;
	}
	all = ARENA_ARRAY(a, const char *, n + 1);
	for (size_t i = 0; i < n_roles; i++) {
		const struct role *r = role_find(p, roles[i]);

		for (size_t k = 0; r != NULL && k < r->n; k++)
			all[at++] = r->patterns[k];
	}
	n = sort_unique(all, at);
	*out = ARENA_ARRAY(a, char *, n + 1);
	for (size_t i = 0; i < n; i++)
		(*out)[i] = arena_strdup(a, all[i]);
	return n;
}

static struct role *
role_find(const struct policy *p, const char *name)
{
	struct role *r;

	HASH_FIND_STR(p->by_name, name, r);
	return r;
}

/* Each role is walked once per expansion: a cycle ends where it began. */
static void
role_gather(struct policy *p, size_t expansion, struct role *into, struct role *from)
{
	if (from->walked == expansion)
		return;
	from->walked = expansion;
	for (size_t i = 0; i < from->def->n_permissions; i++)
		role_add(into, from->def->permissions[i]);
	for (size_t i = 0; i < from->def->n_inherits; i++) {
		struct role *next = role_find(p, from->def->inherits[i]);

		if (next != NULL)
			role_gather(p, expansion, into, next);
	}
}

static void
role_add(struct role *r, const char *pattern)
{
	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 8 : 2 * r->cap;
		r->patterns = mem_grow(r->patterns, r->cap, sizeof(*r->patterns));
	}
	r->patterns[r->n++] = pattern;
}

static size_t
sort_unique(const char **items, size_t n)
{
	size_t kept = 0;

	if (n > 1)
		qsort(items, n, sizeof(*items), by_text);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || strcmp(items[kept - 1], items[i]) != 0)
			items[kept++] = items[i];
	return kept;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* policy: see policy.h. Texts are copied once, into the policy's arena; the expanded lists of all
 * roles point to them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "auth/permission.h"
#include "auth/rbac/policy.h"
#include "base/mem.h"

struct policy {
	struct arena *a;
	struct role *by_name;
};

struct walk { /* over what all roles inherit */
	size_t expansion, steps;
	struct role **queue;
	uint32_t *via;
};

#define LIST(...)                                                                                  \
	.permissions = (const char *const[]){ __VA_ARGS__ },                                       \
	.n_permissions = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)

const struct role_def policy_defaults[] = {
	{ .name = "admin", LIST("*") },
	{ .name = "operator",
	    LIST("fleet.read", "settings.read", "trace.read", "node.restart", "fault.inject",
		"crash.read", "task.*", "doc.*", "collection.*", "stream.*", "blob.*",
		"store.explain", "session.read", "audit.read") },
	{ .name = "user",
	    LIST("task.*", "doc.*", "stream.*", "blob.*", "fleet.read", "trace.read") },
	{ .name = "viewer",
	    LIST("task.read", "doc.read", "stream.read", "blob.read", "fleet.read", "trace.read") },
};
const size_t policy_n_defaults = sizeof(policy_defaults) / sizeof(policy_defaults[0]);

/* Lists of more than this are not even sorted to see how many are distinct. */
#define EXPAND_RAW_MAX (64 * POLICY_EXPAND_MAX)

/* So many patterns are looked at one by one; more of them are found by halving. */
#define FEW 6

struct role *
policy_role(const struct policy *p, const char *name)
{
	struct role *r;

	HASH_FIND_STR(p->by_name, name, r);
	return r;
}

struct role *
policy_each(const struct policy *p, const struct role *after)
{
	return after == NULL ? p->by_name : after->hh.next;
}

bool
policy_has(const struct policy *p, const char *role)
{
	return policy_role(p, role) != NULL;
}

/* A pattern covers another as it covers a permission: "task.*" stands for itself and for "task.a.*",
 * and only "*" for "*". More than a token can carry is covered by nothing else than "*". */
bool
policy_covers(const struct policy *p, size_t n_holder, char *const *holder, const char *role)
{
	const struct role *r = policy_role(p, role);

	if (r == NULL || policy_decide(p, n_holder, holder, "*").allowed)
		return true;
	if (r->n > POLICY_EXPAND_MAX)
		return false;
	for (size_t i = 0; i < r->n; i++)
		if (!policy_decide(p, n_holder, holder, r->patterns[i]).allowed)
			return false;
	return true;
}

static const char *among(const char *const *sorted, size_t n, const char *text);
static bool
take_roles(struct policy *p, const struct role_def *roles, size_t n, char *err, size_t err_size);
static size_t role_bytes(const struct role_def *d);
static bool expand_roles(struct policy *p, char *err, size_t err_size);
static bool role_gather(struct policy *p, struct walk *w, struct role *into);
static void role_add(struct role *r, const char *pattern);
static size_t sort_unique(const char **items, size_t n);
static int by_text(const void *a, const void *b);

struct policy *
policy_build(const struct role_def *roles, size_t n, char *err, size_t err_size)
{
	struct policy *p = mem_zalloc(sizeof(*p));

	p->a = arena_new(POLICY_BYTES_MAX);
	if (!take_roles(p, roles, n, err, err_size) || !expand_roles(p, err, err_size))
		policy_free(&p);
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
		free(r->above);
		free(r->via);
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
		const struct role *other = policy_role(b, r->name);

		if (other == NULL || other->n != r->n || other->n_above != r->n_above)
			return false;
		for (size_t i = 0; i < r->n_above; i++)
			if (strcmp(r->above[i]->name, other->above[i]->name) != 0)
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
		const struct role *r = policy_role(p, roles[i]);

		const char *pattern =
		    r == NULL ? NULL : permission_among(r->patterns, r->n, permission);

		if (pattern != NULL)
			return (struct decision){ true, r->name, pattern };
	}
	return (struct decision){ false, NULL, NULL };
}

const char *
permission_among(const char *const *sorted, size_t n, const char *permission)
{
	char text[PERMISSION_LEN_MAX + 3];
	const char *dot = strrchr(permission, '.');
	size_t len = strlen(permission);
	const char *found;

	if (n <= FEW || len > PERMISSION_LEN_MAX) {
		for (size_t i = 0; i < n; i++)
			if (permission_covers(sorted[i], permission))
				return sorted[i];
		return NULL;
	}
	found = among(sorted, n, "*");
	if (found == NULL)
		found = among(sorted, n, permission);
	if (found == NULL && dot != NULL) {
		(void)snprintf(text, sizeof(text), "*%s", dot);
		found = among(sorted, n, text);
	}
	for (size_t i = 1; found == NULL && i + 1 < len; i++)
		if (permission[i] == '.') {
			(void)snprintf(text, sizeof(text), "%.*s*", (int)i + 1, permission);
			found = among(sorted, n, text);
		}
	return found;
}

static const char *
among(const char *const *sorted, size_t n, const char *text)
{
	const char *const *found = bsearch(&text, sorted, n, sizeof(*sorted), by_text);

	return found == NULL ? NULL : *found;
}

bool
policy_expand(const struct policy *p, struct arena *a, size_t n_roles, char *const *roles,
    char ***out, size_t *n)
{
	size_t raw = 0, at = 0;
	const char **all;

	for (size_t i = 0; i < n_roles; i++) {
		const struct role *r = policy_role(p, roles[i]);

		raw += r == NULL ? 0 : r->n;
	}
	if (raw > EXPAND_RAW_MAX)
		return false;
	all = ARENA_ARRAY(a, const char *, raw + 1);
	for (size_t i = 0; i < n_roles; i++) {
		const struct role *r = policy_role(p, roles[i]);

		for (size_t k = 0; r != NULL && k < r->n; k++)
			all[at++] = r->patterns[k];
	}
	*n = sort_unique(all, at);
	if (*n > POLICY_EXPAND_MAX)
		return false;
	*out = ARENA_ARRAY(a, char *, *n + 1);
	for (size_t i = 0; i < *n; i++)
		(*out)[i] = arena_strdup(a, all[i]);
	return true;
}

static bool
take_roles(struct policy *p, const struct role_def *roles, size_t n, char *err, size_t err_size)
{
	for (size_t i = 0; i < n; i++) {
		const struct role_def *d = &roles[i];
		struct role *r;

		if (policy_role(p, d->name) != NULL)
			continue;
		if (arena_left(p->a) < role_bytes(d)) {
			(void)snprintf(err, err_size,
			    "role %.64s: all roles together have more than %u MiB", d->name,
			    POLICY_BYTES_MAX >> 20);
			return false;
		}
		r = ARENA_NEW(p->a, struct role);
		r->name = arena_strdup(p->a, d->name);
		r->def = d;
		r->own = ARENA_ARRAY(p->a, const char *, d->n_permissions);
		for (size_t k = 0; k < d->n_permissions; k++)
			r->own[k] = arena_strdup(p->a, d->permissions[k]);
		HASH_ADD_KEYPTR(hh, p->by_name, r->name, strlen(r->name), r);
	}
	return true;
}

/* What take_roles takes from the arena for it, at most: each piece is rounded up to 16. */
static size_t
role_bytes(const struct role_def *d)
{
	size_t n =
	    sizeof(struct role) + strlen(d->name) + d->n_permissions * sizeof(char *) + 4 * 16;

	for (size_t i = 0; i < d->n_permissions; i++)
		n += strlen(d->permissions[i]) + 16;
	return n;
}

static bool
expand_roles(struct policy *p, char *err, size_t err_size)
{
	struct walk k = { .queue = mem_zalloc((policy_roles(p) + 1) * sizeof(struct role *)),
		.via = mem_zalloc((policy_roles(p) + 1) * sizeof(uint32_t)) };
	struct role *r;

	for (r = p->by_name; r != NULL; r = r->hh.next) {
		if (!role_gather(p, &k, r)) {
			(void)snprintf(err, err_size,
			    "role %.64s: what the roles inherit adds up to more than %u "
			    "permissions",
			    r->name, POLICY_STEPS_MAX);
			break;
		}
		r->n = sort_unique(r->patterns, r->n);
	}
	free(k.queue);
	free(k.via);
	if (r != NULL)
		return false;
	for (r = p->by_name; r != NULL; r = r->hh.next)
		r->def = NULL;
	return true;
}

/* Each role is walked once per expansion: a cycle ends where it began. No recursion: a chain may be
 * as long as there are roles. */
static bool
role_gather(struct policy *p, struct walk *w, struct role *into)
{
	size_t n = 0;

	into->walked = ++w->expansion;
	w->queue[n++] = into;
	for (size_t i = 0; i < n; i++) {
		const struct role *from = w->queue[i];

		w->steps += 1 + from->def->n_permissions + from->def->n_inherits;
		if (w->steps > POLICY_STEPS_MAX)
			return false;
		for (size_t k = 0; k < from->def->n_permissions; k++)
			role_add(into, from->own[k]);
		for (size_t k = 0; k < from->def->n_inherits; k++) {
			struct role *next = policy_role(p, from->def->inherits[k]);

			if (next == NULL || next->walked == w->expansion)
				continue;
			next->walked = w->expansion;
			w->via[n] = (uint32_t)i;
			w->queue[n++] = next;
		}
	}
	into->n_above = n;
	into->above = mem_zalloc(n * sizeof(*into->above));
	into->via = mem_zalloc(n * sizeof(*into->via));
	memcpy(into->above, w->queue, n * sizeof(*into->above));
	memcpy(into->via, w->via, n * sizeof(*into->via));
	return true;
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

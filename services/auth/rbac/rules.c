/* rules: how groups and grants are kept. Deciding by them is decide.c, what somebody may give away
 * rights.c, what many grants share rules_shared.c.
 *
 * A grant hangs in its scope, a scope at its subject; what nobody uses any more goes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/rules_int.h"
#include "base/id.h"
#include "base/mem.h"

const char *const subject_kinds[] = { "user", "group", "role", "everyone", NULL };

struct subject_key {
	enum subject_kind kind;
	const char *name;
};
struct scope_key {
	const struct subject *subject;
	const struct text *ns, *resource;
	enum sort sort;
};

static struct subject *subject_take(struct rules *s, enum subject_kind kind, const char *name);
static void subject_drop(struct rules *s, struct subject *u);
static struct scope *scope_take(struct rules *s, const struct grant_def *d, enum sort sort);
static void scope_drop(struct rules *s, struct scope *sc);
static struct grant *grant_find(const struct rules *s, const uint8_t id[16]);
static void grant_remove(struct rules *s, struct grant *g);
static void attach_subjects(struct rules *s);
static uint32_t scope_hash(const struct scope_key *k);
static table_is_fn is_subject, is_scope, is_grant, is_group;
static void free_node(struct node *k);
static void free_group(struct node *k);

bool
subject_kind_read(const char *s, enum subject_kind *out)
{
	for (unsigned i = 0; subject_kinds[i] != NULL; i++)
		if (s != NULL && strcmp(s, subject_kinds[i]) == 0) {
			*out = (enum subject_kind)i;
			return true;
		}
	return false;
}

struct rules *
rules_new(void)
{
	return mem_zalloc(sizeof(struct rules));
}

void
rules_free(struct rules **sp)
{
	struct rules *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	policy_free(&s->roles);
	table_free(&s->grants, free_node);
	table_free(&s->scopes, free_node);
	table_free(&s->subjects, free_node);
	table_free(&s->whats, free_node);
	table_free(&s->texts, free_node);
	table_free(&s->whens, when_free);
	table_free(&s->groups, free_group);
	free(s->queue);
	free(s);
}

void
rules_set_roles(struct rules *s, struct policy **roles)
{
	policy_free(&s->roles);
	s->roles = *roles;
	*roles = NULL;
	free(s->queue);
	s->queue = mem_zalloc((policy_roles(s->roles) + 1) * sizeof(struct role *));
	s->mark = 0;
	attach_subjects(s);
}

const struct policy *
rules_roles(const struct rules *s)
{
	return s->roles;
}

size_t
rules_grants(const struct rules *s)
{
	return s->grants.n;
}

size_t
rules_groups(const struct rules *s)
{
	return s->groups.n;
}

/* --- groups --- */

void
rules_put_group(struct rules *s, const char *name, size_t n, const char *const *roles)
{
	size_t len = strlen(name) + 1;
	struct group *g = mem_zalloc(sizeof(*g) + len);

	(void)rules_drop_group(s, name);
	memcpy(g->name, name, len);
	g->roles = mem_zalloc((n + 1) * sizeof(char *));
	for (g->n = 0; g->n < n; g->n++) {
		size_t m = strlen(roles[g->n]) + 1;

		g->roles[g->n] = mem_zalloc(m);
		memcpy(g->roles[g->n], roles[g->n], m);
	}
	table_add(&s->groups, &g->node, table_hash(name, len, 0));
}

bool
rules_drop_group(struct rules *s, const char *name)
{
	struct group *g = group_find(s, name);

	if (g == NULL)
		return false;
	table_remove(&s->groups, &g->node);
	free_group(&g->node);
	return true;
}

bool
rules_has_group(const struct rules *s, const char *name)
{
	return group_find(s, name) != NULL;
}

struct group *
group_find(const struct rules *s, const char *name)
{
	return (struct group *)table_find(
	    &s->groups, table_hash(name, strlen(name) + 1, 0), is_group, name);
}

/* --- grants --- */

bool
rules_put_grant(struct rules *s, const struct grant_def *d)
{
	struct grant *g = mem_zalloc(sizeof(*g));
	uint8_t id[16];

	uuid_pack(d->id, id);
	memcpy(g->id, id, sizeof(id));
	g->what = what_take(s, d);
	g->when = when_take(s, d->conditions);
	g->expires_us = d->expires_us;
	g->scope = scope_take(s, d, d->deny ? SORT_DENY : d->n_roles > 0 ? SORT_GIVES : SORT_ALLOW);
	grant_remove(s, grant_find(s, id));
	g->next = g->scope->grants;
	g->scope->grants = g;
	table_add(&s->grants, &g->node, table_hash(id, sizeof(id), 0));
	return g->when == NULL || g->when->conditions != NULL;
}

bool
rules_drop_grant(struct rules *s, const char *id)
{
	uint8_t raw[16];
	struct grant *g;

	uuid_pack(id, raw);
	g = grant_find(s, raw);
	grant_remove(s, g);
	return g != NULL;
}

bool
rules_role_denied(const struct rules *s)
{
	return s->role_denies > 0;
}

size_t
rules_crowd(const struct rules *s, const struct grant_def *d)
{
	const struct subject *u = subject_find(s, d->kind, d->subject);
	const struct text *ns = d->ns == NULL ? NULL : text_find(s, d->ns),
			  *resource = d->resource == NULL ? NULL : text_find(s, d->resource);
	size_t n = 0;

	if (u == NULL || (d->ns != NULL && ns == NULL) || (d->resource != NULL && resource == NULL))
		return 0;
	for (unsigned sort = 0; sort < SORTS; sort++) {
		const struct scope *sc = scope_find(s, u, (enum sort)sort, ns, resource);

		n += sc == NULL ? 0 : sc->n;
	}
	return n;
}

void
grant_id(const struct grant *g, char out[37])
{
	const uint8_t *b = g->id;

	(void)snprintf(out, UUID_LEN,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
	    b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
	    b[15]);
}

static struct grant *
grant_find(const struct rules *s, const uint8_t id[16])
{
	return (struct grant *)table_find(&s->grants, table_hash(id, 16, 0), is_grant, id);
}

static void
grant_remove(struct rules *s, struct grant *g)
{
	struct grant **at;

	if (g == NULL)
		return;
	table_remove(&s->grants, &g->node);
	for (at = &g->scope->grants; *at != g;)
		at = &(*at)->next;
	*at = g->next;
	what_drop(s, g->what);
	when_drop(s, &g->when);
	scope_drop(s, g->scope);
	free(g);
}

/* --- scopes and subjects --- */

static struct scope *
scope_take(struct rules *s, const struct grant_def *d, enum sort sort)
{
	struct subject *u = subject_take(s, d->kind, d->subject);
	struct text *ns = text_take(s, d->ns), *resource = text_take(s, d->resource);
	struct scope *sc = scope_find(s, u, sort, ns, resource);
	const struct scope_key key = { u, ns, resource, sort };

	if (sc != NULL) {
		text_drop(s, &ns);
		text_drop(s, &resource);
	} else {
		sc = mem_zalloc(sizeof(*sc));
		*sc = (struct scope){ .subject = u,
			.ns = ns,
			.resource = resource,
			.next = u->scopes[sort],
			.link = &u->scopes[sort],
			.sort = sort };
		if (sc->next != NULL)
			sc->next->link = &sc->next;
		u->scopes[sort] = sc;
		u->n[sort]++;
		u->on_resources += sort != SORT_ALLOW && resource != NULL;
		s->role_denies += sort == SORT_DENY && u->kind == SUBJECT_ROLE;
		table_add(&s->scopes, &sc->node, scope_hash(&key));
	}
	sc->n++;
	return sc;
}

static void
scope_drop(struct rules *s, struct scope *sc)
{
	struct subject *u = sc->subject;

	if (--sc->n == 0) {
		*sc->link = sc->next;
		if (sc->next != NULL)
			sc->next->link = sc->link;
		u->n[sc->sort]--;
		u->on_resources -= sc->sort != SORT_ALLOW && sc->resource != NULL;
		s->role_denies -= sc->sort == SORT_DENY && u->kind == SUBJECT_ROLE;
		table_remove(&s->scopes, &sc->node);
		text_drop(s, &sc->ns);
		text_drop(s, &sc->resource);
		free(sc);
	}
	subject_drop(s, u);
}

struct scope *
scope_find(const struct rules *s, const struct subject *u, enum sort sort, const struct text *ns,
    const struct text *resource)
{
	const struct scope_key key = { u, ns, resource, sort };

	return (struct scope *)table_find(&s->scopes, scope_hash(&key), is_scope, &key);
}

static uint32_t
scope_hash(const struct scope_key *k)
{
	const uintptr_t words[4] = { (uintptr_t)k->subject, (uintptr_t)k->ns,
		(uintptr_t)k->resource, (uintptr_t)k->sort };
	uint64_t h = 0;

	for (size_t i = 0; i < 4; i++)
		h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) + (h >> 29);
	return (uint32_t)(h >> 32);
}

static struct subject *
subject_take(struct rules *s, enum subject_kind kind, const char *name)
{
	struct subject *u = subject_find(s, kind, name);
	size_t n = strlen(name) + 1;

	if (u == NULL) {
		struct role *r = NULL;

		u = mem_zalloc(sizeof(*u) + n);
		u->kind = kind;
		memcpy(u->name, name, n);
		table_add(&s->subjects, &u->node, table_hash(name, n, kind));
		if (kind == SUBJECT_ROLE && s->roles != NULL)
			r = policy_role(s->roles, name);
		if (r != NULL)
			r->subject = u;
	}
	u->grants++;
	return u;
}

static void
subject_drop(struct rules *s, struct subject *u)
{
	struct role *r = NULL;

	if (--u->grants > 0)
		return;
	if (u->kind == SUBJECT_ROLE && s->roles != NULL)
		r = policy_role(s->roles, u->name);
	if (r != NULL)
		r->subject = NULL;
	table_remove(&s->subjects, &u->node);
	free(u);
}

struct subject *
subject_find(const struct rules *s, enum subject_kind kind, const char *name)
{
	const struct subject_key key = { kind, name };

	return (struct subject *)table_find(
	    &s->subjects, table_hash(name, strlen(name) + 1, kind), is_subject, &key);
}

static void
attach_subjects(struct rules *s)
{
	for (const struct role *r = policy_each(s->roles, NULL); r != NULL;
	     r = policy_each(s->roles, r))
		policy_role(s->roles, r->name)->subject = subject_find(s, SUBJECT_ROLE, r->name);
}

/* --- nodes --- */

static bool
is_subject(const struct node *k, const void *key)
{
	const struct subject *u = (const struct subject *)k;
	const struct subject_key *q = key;

	return u->kind == q->kind && strcmp(u->name, q->name) == 0;
}

static bool
is_scope(const struct node *k, const void *key)
{
	const struct scope *sc = (const struct scope *)k;
	const struct scope_key *q = key;

	return sc->subject == q->subject && sc->ns == q->ns && sc->resource == q->resource &&
	       sc->sort == q->sort;
}

static bool
is_grant(const struct node *k, const void *key)
{
	return memcmp(((const struct grant *)k)->id, key, 16) == 0;
}

static bool
is_group(const struct node *k, const void *key)
{
	return strcmp(((const struct group *)k)->name, key) == 0;
}

static void
free_node(struct node *k)
{
	free(k);
}

static void
free_group(struct node *k)
{
	struct group *g = (struct group *)k;

	for (size_t i = 0; i < g->n; i++)
		free(g->roles[i]);
	free(g->roles);
	free(g);
}

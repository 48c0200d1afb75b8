/* rights: what somebody may do whatever the circumstances: for the permissions in a token, and for who
 * gives something away. Two sets: what is sure (roles and grants without conditions or end, that hold
 * for the whole scope) and what could be denied (any deny that could ever hit him there). */
#include <stdlib.h>
#include <string.h>
#include "auth/permission.h"
#include "auth/rbac/rules_int.h"
#include "auth/scope.h"
#include "base/mem.h"
#include "base/time.h"

/* Who gives what more is granted to needs everything. */
#define WEIGHED_MOST 10000

struct list {
	const char **items;
	size_t n, cap;
};
struct rights {
	struct rules *s;
	const Mf__Principal *who;
	bool fixed;
	struct list allows, denies;
	const char *ns, *resource;
	int64_t now_us;
	line_fn *each; /* all lines are told; NULL: they are gathered */
	void *ctx;
	bool sure; /* of the walk under way */
	size_t n_queue;
};

static void walk(struct rights *r, bool sure);
static void take_subject(struct rights *r, const struct subject *u);
static void take_scope(struct rights *r, const struct scope *sc);
static bool within(const struct rights *r, const struct scope *sc);
static bool touches(const struct rights *r, const struct scope *sc);
static void take_role(struct rights *r, const char *name, const struct grant *by);
static void tell(struct rights *r, bool deny, const char *pattern, const struct grant *g);
static void list_add(struct list *l, const char *item);
struct weigh { /* what is granted to somebody, and to the roles that this gives, and so on */
	struct rules *s;
	const Mf__Principal *who;
	size_t n, cap, grants;
	const struct subject **subjects; /* each once */
};

static void weigh_begin(struct weigh *w, struct rules *s, const Mf__Principal *who);
static void weigh_subject(struct weigh *w, struct subject *u);
static void weigh_role(struct weigh *w, const char *name);
static bool weigh_end(struct weigh *w, const struct rights *all);
static bool holds_scope(struct weigh *w, const struct scope *sc);
static bool holds_what(const struct rights *r, size_t n_permissions, const char *const *permissions,
    size_t n_roles, const char *const *roles);
static bool may_give_role(
    struct rules *s, const Mf__Principal *who, const struct rights *all, const char *role);
static int by_text(const void *a, const void *b);

struct rights *
rules_rights(struct rules *s, const Mf__Principal *who, const char *ns, const char *resource)
{
	struct rights *r = mem_zalloc(sizeof(*r));

	r->s = s;
	r->who = who;
	r->ns = ns;
	r->resource = resource;
	r->now_us = time_wall_us();
	r->fixed = has_fixed(s, who);
	walk(r, true);
	if (!r->fixed)
		walk(r, false);
	return r;
}

void
rights_free(struct rights **rp)
{
	struct rights *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	free(r->allows.items);
	free(r->denies.items);
	free(r);
}

bool
rights_hold(const struct rights *r, const char *pattern)
{
	bool allowed = false;

	if (!scope_permits(r->who, pattern))
		return false;
	for (size_t i = 0; i < r->denies.n; i++)
		if (permission_overlap(r->denies.items[i], pattern))
			return false;
	for (size_t i = 0; i < r->allows.n && !allowed; i++)
		allowed = permission_covers(r->allows.items[i], pattern);
	return allowed;
}

bool
rights_list(const struct rights *r, struct arena *a, char ***out, size_t *n)
{
	const char **kept = mem_zalloc((r->allows.n + 1) * sizeof(char *));
	size_t m = 0;

	*n = 0;
	for (size_t i = 0; i < r->allows.n; i++) {
		bool denied = false;

		for (size_t k = 0; k < r->denies.n && !denied; k++)
			denied = permission_overlap(r->denies.items[k], r->allows.items[i]);
		if (!denied)
			kept[m++] = r->allows.items[i];
	}
	qsort(kept, m, sizeof(char *), by_text);
	*out = ARENA_ARRAY(a, char *, POLICY_EXPAND_MAX + 1);
	for (size_t i = 0; i < m && *n <= POLICY_EXPAND_MAX; i++) {
		if (i > 0 && strcmp(kept[i], kept[i - 1]) == 0)
			continue;
		if (*n < POLICY_EXPAND_MAX)
			(*out)[*n] = arena_strdup(a, kept[i]);
		(*n)++;
	}
	free(kept);
	return *n <= POLICY_EXPAND_MAX;
}

void
rules_lines(struct rules *s, const Mf__Principal *who, line_fn *each, void *ctx)
{
	struct rights r = {
		.s = s, .who = who, .now_us = time_wall_us(), .each = each, .ctx = ctx
	};

	walk(&r, false);
}

static void
walk(struct rights *r, bool sure)
{
	struct rules *s = r->s;

	r->sure = sure;
	r->n_queue = 0;
	s->mark++;
	for (size_t i = 0; i < r->who->n_roles; i++)
		take_role(r, r->who->roles[i], NULL);
	if (!sure || r->who->id[0] != '\0')
		take_subject(r, subject_find(s, SUBJECT_EVERYONE, "*"));
	if (r->who->id[0] != '\0')
		take_subject(r, subject_find(s, SUBJECT_USER, r->who->id));
	for (size_t i = 0; i < r->who->n_groups; i++) {
		const struct group *g = group_find(s, r->who->groups[i]);

		for (size_t k = 0; g != NULL && k < g->n; k++)
			take_role(r, g->roles[k], NULL);
		if (g != NULL)
			take_subject(r, subject_find(s, SUBJECT_GROUP, g->name));
	}
	for (size_t i = 0; i < r->n_queue; i++)
		take_subject(r, s->queue[i]->subject);
}

static void
tell(struct rights *r, bool deny, const char *pattern, const struct grant *g)
{
	const struct line l = { .deny = deny,
		.pattern = pattern,
		.ns = g == NULL || g->scope->ns == NULL ? NULL : g->scope->ns->s,
		.resource = g == NULL || g->scope->resource == NULL ? NULL : g->scope->resource->s,
		.when = g == NULL || g->when == NULL ? NULL : g->when->json,
		.ends = g != NULL && g->expires_us != 0 };

	r->each(r->ctx, &l);
}

/* by: the grant that gives it; NULL: it is his. */
static void
take_role(struct rights *r, const char *name, const struct grant *by)
{
	struct role *role = r->s->roles == NULL ? NULL : policy_role(r->s->roles, name);

	if (role == NULL)
		return;
	for (size_t i = 0; r->sure && i < role->n; i++)
		list_add(&r->allows, role->patterns[i]);
	for (size_t i = 0; r->each != NULL && i < role->n; i++)
		tell(r, false, role->patterns[i], by);
	for (size_t i = 0; i < role->n_above; i++)
		if (role->above[i]->mark != r->s->mark) {
			role->above[i]->mark = r->s->mark;
			r->s->queue[r->n_queue++] = role->above[i];
		}
}

static void
take_subject(struct rights *r, const struct subject *u)
{
	if (u == NULL)
		return;
	for (unsigned sort = 0; sort < SORTS; sort++) {
		if (r->each == NULL && (sort == SORT_DENY) == r->sure && sort != SORT_GIVES)
			continue;
		for (const struct scope *sc = u->scopes[sort]; sc != NULL; sc = sc->next)
			if (r->sure ? within(r, sc) : touches(r, sc))
				take_scope(r, sc);
	}
}

static void
take_scope(struct rights *r, const struct scope *sc)
{
	for (const struct grant *g = sc->grants; g != NULL; g = g->next) {
		const struct what *w = g->what;

		if (r->sure ? g->when != NULL || g->expires_us != 0
			    : g->expires_us != 0 && g->expires_us <= r->now_us)
			continue;
		for (size_t i = 0; i < w->n_permissions; i++)
			if (r->each != NULL)
				tell(r, sc->sort == SORT_DENY, w->permissions[i], g);
			else if (r->sure)
				list_add(&r->allows, w->permissions[i]);
			else if (sc->sort == SORT_DENY)
				list_add(&r->denies, w->permissions[i]);
		for (size_t i = 0; i < w->n_roles && sc->sort == SORT_GIVES; i++)
			take_role(r, w->roles[i], g);
	}
}

/* Does the scope of a grant hold all of ours? All tasks hold "task/17". */
static bool
within(const struct rights *r, const struct scope *sc)
{
	const char *have = sc->resource == NULL ? NULL : sc->resource->s, *want = r->resource;
	size_t n;

	if (sc->ns != NULL && (r->ns == NULL || strcmp(sc->ns->s, r->ns) != 0))
		return false;
	if (have == NULL || (want != NULL && strcmp(have, want) == 0))
		return true;
	if (want == NULL || strchr(want, '/') == NULL)
		return false;
	n = strcspn(want, "/");
	return strncmp(have, want, n) == 0 && (have[n] == '\0' || strcmp(have + n, "/*") == 0);
}

/* Could a deny of that scope hit something in ours? */
static bool
touches(const struct rights *r, const struct scope *sc)
{
	const char *have = sc->resource == NULL ? NULL : sc->resource->s;
	size_t n;

	if (sc->ns != NULL && r->ns != NULL && strcmp(sc->ns->s, r->ns) != 0)
		return false;
	if (have == NULL || r->resource == NULL)
		return true;
	n = strcspn(have, "/");
	return strncmp(have, r->resource, n) == 0 && strcspn(r->resource, "/") == n;
}

static void
list_add(struct list *l, const char *item)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 32 : 2 * l->cap;
		l->items = mem_grow(l->items, l->cap, sizeof(*l->items));
	}
	l->items[l->n++] = item;
}

/* --- giving --- */

bool
rules_may_give_role(struct rules *s, const Mf__Principal *who, const char *role)
{
	struct rights *all = rules_rights(s, who, NULL, NULL);
	bool ok = may_give_role(s, who, all, role);

	rights_free(&all);
	return ok;
}

bool
rules_may_give_group(struct rules *s, const Mf__Principal *who, const char *group)
{
	struct rights *all = rules_rights(s, who, NULL, NULL);
	const struct group *g = group_find(s, group);
	struct weigh w;
	bool ok;

	weigh_begin(&w, s, who);
	weigh_subject(&w, subject_find(s, SUBJECT_GROUP, group));
	ok = weigh_end(&w, all);
	for (size_t i = 0; ok && g != NULL && i < g->n; i++)
		ok = may_give_role(s, who, all, g->roles[i]);
	rights_free(&all);
	return ok;
}

bool
rules_may_act_for_user(struct rules *s, const Mf__Principal *who, const char *user_id)
{
	struct rights *all = rules_rights(s, who, NULL, NULL);
	struct weigh w;
	bool ok;

	weigh_begin(&w, s, who);
	weigh_subject(&w, subject_find(s, SUBJECT_USER, user_id));
	ok = weigh_end(&w, all);
	rights_free(&all);
	return ok;
}

bool
rules_may_give_grant(struct rules *s, const Mf__Principal *who, const struct grant_def *d)
{
	struct rights *r = rules_rights(s, who, d->ns, d->resource);
	bool ok = holds_what(r, d->n_permissions, d->permissions, d->n_roles, d->roles);

	for (size_t i = 0; ok && i < d->n_roles; i++)
		ok = may_give_role(s, who, r, d->roles[i]);
	rights_free(&r);
	return ok;
}

/* What the role permits, and what is granted to it and to those it inherits from. */
static bool
may_give_role(struct rules *s, const Mf__Principal *who, const struct rights *all, const char *name)
{
	struct weigh w;

	if (!holds_what(all, 0, NULL, 1, &name))
		return false;
	weigh_begin(&w, s, who);
	weigh_role(&w, name);
	return weigh_end(&w, all);
}

static void
weigh_begin(struct weigh *w, struct rules *s, const Mf__Principal *who)
{
	*w = (struct weigh){ .s = s, .who = who };
	s->weighing++;
}

static void
weigh_subject(struct weigh *w, struct subject *u)
{
	if (u == NULL || u->weighed == w->s->weighing)
		return;
	u->weighed = w->s->weighing;
	if (w->n == w->cap) {
		w->cap = w->cap == 0 ? 8 : 2 * w->cap;
		w->subjects = mem_grow(w->subjects, w->cap, sizeof(*w->subjects));
	}
	w->subjects[w->n++] = u;
	w->grants += u->grants;
}

/* Of a name that is no role what is granted to it, all the same. */
static void
weigh_role(struct weigh *w, const char *name)
{
	const struct role *r = w->s->roles == NULL ? NULL : policy_role(w->s->roles, name);

	if (r == NULL)
		weigh_subject(w, subject_find(w->s, SUBJECT_ROLE, name));
	for (size_t i = 0; r != NULL && i < r->n_above; i++)
		weigh_subject(w, r->above[i]->subject);
}

static bool
weigh_end(struct weigh *w, const struct rights *all)
{
	bool ok = true;

	if (w->n > 0 && !rights_hold(all, "*")) /* subjects grow while they are looked at */
		for (size_t i = 0; ok && i < w->n; i++) {
			ok = w->grants <= WEIGHED_MOST;
			for (unsigned sort = 0; sort < SORTS; sort++)
				for (const struct scope *sc = w->subjects[i]->scopes[sort];
				     ok && sc != NULL; sc = sc->next)
					ok = holds_scope(w, sc);
		}
	free(w->subjects);
	return ok;
}

static bool
holds_scope(struct weigh *w, const struct scope *sc)
{
	struct rights *there = rules_rights(w->s, w->who, sc->ns == NULL ? NULL : sc->ns->s,
	    sc->resource == NULL ? NULL : sc->resource->s);
	bool ok = true;

	for (const struct grant *g = sc->grants; ok && g != NULL; g = g->next) {
		const struct what *what = g->what;

		ok = holds_what(
		    there, what->n_permissions, what->permissions, what->n_roles, what->roles);
		for (size_t i = 0; ok && i < what->n_roles; i++)
			weigh_role(w, what->roles[i]);
	}
	rights_free(&there);
	return ok;
}

static bool
holds_what(const struct rights *r, size_t n_permissions, const char *const *permissions,
    size_t n_roles, const char *const *roles)
{
	for (size_t i = 0; i < n_permissions; i++)
		if (!rights_hold(r, permissions[i]))
			return false;
	for (size_t i = 0; i < n_roles; i++) {
		const struct role *role =
		    r->s->roles == NULL ? NULL : policy_role(r->s->roles, roles[i]);

		if (role != NULL && role->n > POLICY_EXPAND_MAX && !rights_hold(r, "*"))
			return false;
		for (size_t k = 0; role != NULL && k < role->n; k++)
			if (!rights_hold(r, role->patterns[k]))
				return false;
	}
	return true;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

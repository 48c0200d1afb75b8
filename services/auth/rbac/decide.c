/* decide: one decision. Everybody, the user, his groups and his roles (with all that they inherit,
 * and those that grants give him) are looked at, each once; a deny ends it, an allow is remembered.
 * Nothing is allocated unless an explanation is wanted. */
#include <stdio.h>
#include <string.h>
#include "auth/permission.h"
#include "auth/rbac/rules_int.h"
#include "auth/scope.h"
#include "base/id.h"
#include "base/time.h"

/* So many scopes of a subject are looked at one by one; more of them are found by hash. */
#define FEW_SCOPES 8
/* What ends sooner than this is not kept by anybody. */
#define EXPIRES_SOON (60 * SEC)

struct walk {
	struct rules *s;
	const struct question *q;
	struct trace *t;
	struct verdict allow; /* the first that allows */
	const struct grant *deny;
	bool once, on_resources; /* some deny names a resource */
	size_t n_queue;          /* roles whose grants are still to be looked at */
	bool told;               /* resource: what it is done to is known */
	size_t n_ns, n_resources;
	const struct text *ns[2], *resources[4]; /* that grants may name; NULL: none is named */
};

static bool in_namespaces(const char *permission);
static void scopes_wanted(struct walk *w);
static void look_at_subject(struct walk *w, struct subject *u);
static void look_at_sort(struct walk *w, struct subject *u, enum sort sort);
static void look_at_scope(struct walk *w, struct scope *sc);
static void look_at_grant(struct walk *w, struct grant *g);
static enum truth grant_counts(struct walk *w, const struct grant *g);
static void allow(struct walk *w, const struct verdict *v, bool everywhere);
static bool scope_matches(const struct walk *w, const struct scope *sc);
static bool could_be(const char *resource, const char *permission);
static void add_role(struct walk *w, const char *name, const char *kind, const void *from);
static struct verdict conclude(struct walk *w);
static void note_grant(struct walk *w, const struct grant *g, enum truth t, bool permission);
static void note_role(struct walk *w, struct role *r, const char *kind, const void *from);
static void note_pattern(struct walk *w, const struct role *r, const char *pattern);
static void note(struct walk *w, const struct considered *k);

struct verdict
rules_decide(struct rules *s, const struct question *q, struct trace *t)
{
	struct walk w = { .s = s, .q = q, .t = t };
	const Mf__Principal *who = q->who;
	bool anonymous = who->id[0] == '\0';

	if (!scope_permits(who, q->permission))
		return (struct verdict){ .kind = "scope" };
	scopes_wanted(&w);
	s->mark++;
	for (size_t i = 0; i < who->n_roles; i++)
		add_role(&w, who->roles[i], "account", NULL);
	look_at_subject(&w, subject_find(s, SUBJECT_EVERYONE, "*"));
	if (!anonymous)
		look_at_subject(&w, subject_find(s, SUBJECT_USER, who->id));
	for (size_t i = 0; i < who->n_groups; i++) {
		const struct group *g = group_find(s, who->groups[i]);

		if (g == NULL)
			continue;
		for (size_t k = 0; k < g->n; k++)
			add_role(&w, g->roles[k], "group", g->name);
		look_at_subject(&w, subject_find(s, SUBJECT_GROUP, g->name));
	}
	for (size_t i = 0; i < w.n_queue && (w.deny == NULL || t != NULL); i++)
		if (s->queue[i]->subject != NULL)
			look_at_subject(&w, s->queue[i]->subject);
	return conclude(&w);
}

/* Nothing is denied to who has the fixed role by his account or a group: whatever is granted, somebody
 * is left who can mend it. It permits what it permits: where the role itself is gone, nothing is fixed. */
static struct verdict
conclude(struct walk *w)
{
	struct verdict v = w->allow;

	if (w->deny != NULL && v.allowed && has_fixed(w->s, w->q->who)) {
		v.kind = "fixed";
	} else if (w->deny != NULL) {
		v = (struct verdict){ .kind = "grant", .grant = w->deny };
	} else if (!v.allowed) {
		v.kind = "none";
	} else {
		v.everywhere = v.everywhere && !w->on_resources;
	}
	v.once = w->once;
	return v;
}

bool
has_fixed(const struct rules *s, const Mf__Principal *who)
{
	if (s->roles == NULL || !policy_has(s->roles, ROLE_FIXED))
		return false;
	for (size_t i = 0; i < who->n_roles; i++)
		if (strcmp(who->roles[i], ROLE_FIXED) == 0)
			return true;
	for (size_t i = 0; i < who->n_groups; i++) {
		const struct group *g = group_find(s, who->groups[i]);

		for (size_t k = 0; g != NULL && k < g->n; k++)
			if (strcmp(g->roles[k], ROLE_FIXED) == 0)
				return true;
	}
	return false;
}

/* --- scopes --- */

/* A text that no grant names has no struct text: then only grants that name nothing count. */
static void
scopes_wanted(struct walk *w)
{
	const char *r = w->q->resource, *slash = strchr(r, '/');
	const char *ns = w->q->ns[0] != '\0' ? w->q->ns : "default";
	char text[400];
	const struct text *t;

	w->n_ns = w->n_resources = 1;
	t = in_namespaces(w->q->permission) ? text_find(w->s, ns) : NULL;
	if (t != NULL)
		w->ns[w->n_ns++] = t;
	w->told = r[0] != '\0';
	if (w->told && (t = text_find(w->s, r)) != NULL)
		w->resources[w->n_resources++] = t;
	if (slash == NULL || (size_t)(slash - r) > sizeof(text) - 3)
		return;
	for (int star = 0; star < 2; star++) {
		(void)snprintf(text, sizeof(text), "%.*s%s", (int)(slash - r), r, star ? "/*" : "");
		if ((t = text_find(w->s, text)) != NULL)
			w->resources[w->n_resources++] = t;
	}
}

/* Users, roles, nodes and the like are in no namespace: what is granted in one says nothing of them. */
static bool
in_namespaces(const char *permission)
{
	static const char *const models[] = { "task.", "doc.", "collection.", "stream.", "blob." };

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (strncmp(permission, models[i], strlen(models[i])) == 0)
			return true;
	return false;
}

static void
look_at_subject(struct walk *w, struct subject *u)
{
	if (u == NULL)
		return;
	w->on_resources = w->on_resources || u->on_resources > 0;
	if (u->kind == SUBJECT_EVERYONE && w->q->who->id[0] == '\0') {
		look_at_sort(w, u, SORT_DENY); /* nobody in particular is allowed nothing by it */
		return;
	}
	for (unsigned sort = 0; sort < SORTS; sort++)
		if (u->n[sort] > 0)
			look_at_sort(w, u, (enum sort)sort);
}

static void
look_at_sort(struct walk *w, struct subject *u, enum sort sort)
{
	if (u->n[sort] <= FEW_SCOPES || (sort == SORT_DENY && !w->told && u->on_resources > 0)) {
		for (struct scope *sc = u->scopes[sort]; sc != NULL; sc = sc->next)
			if (scope_matches(w, sc))
				look_at_scope(w, sc);
		return;
	}
	for (size_t i = 0; i < w->n_ns; i++)
		for (size_t k = 0; k < w->n_resources; k++) {
			struct scope *sc = scope_find(w->s, u, sort, w->ns[i], w->resources[k]);

			if (sc != NULL)
				look_at_scope(w, sc);
		}
}

static bool
scope_matches(const struct walk *w, const struct scope *sc)
{
	bool ns = sc->ns == NULL || (w->n_ns == 2 && w->ns[1] == sc->ns);

	if (!ns)
		return false;
	for (size_t i = 0; i < w->n_resources; i++)
		if (sc->resource == w->resources[i])
			return true;
	return !w->told && sc->sort == SORT_DENY && could_be(sc->resource->s, w->q->permission);
}

/* "doc.orders/17" may be what doc.update is done to, and not what task.update is. */
static bool
could_be(const char *resource, const char *permission)
{
	size_t n = strcspn(resource, "./");

	if (n == 8 && strncmp(resource, "consumer", n) == 0)
		return strncmp(permission, "stream.", 7) == 0;
	return strncmp(resource, permission, n) == 0 && permission[n] == '.';
}

/* --- grants --- */

static void
look_at_scope(struct walk *w, struct scope *sc)
{
	for (struct grant *g = sc->grants; g != NULL; g = g->next)
		if (w->deny == NULL || w->t != NULL)
			look_at_grant(w, g);
}

static void
look_at_grant(struct walk *w, struct grant *g)
{
	const struct what *what = g->what;
	const char *pattern =
	    permission_among(what->permissions, what->n_permissions, w->q->permission);
	enum sort sort = g->scope->sort;
	enum truth t;

	if (pattern == NULL && what->n_roles == 0) {
		note_grant(w, g, TRUTH_NO, false);
		return;
	}
	t = grant_counts(w, g);
	note_grant(w, g, t, true);
	if (sort == SORT_DENY) {
		if (t != TRUTH_NO && w->deny == NULL)
			w->deny = g;
		return;
	}
	if (t != TRUTH_YES)
		return;
	if (pattern != NULL)
		allow(w, &(struct verdict){ .kind = "grant", .grant = g, .pattern = pattern },
		    g->scope->resource == NULL);
	/* what is granted to these roles he has for this resource only */
	w->on_resources = w->on_resources || (what->n_roles > 0 && g->scope->resource != NULL);
	for (size_t i = 0; i < what->n_roles; i++)
		add_role(w, what->roles[i], "grant", g);
}

static enum truth
grant_counts(struct walk *w, const struct grant *g)
{
	int64_t now = w->q->at.now_us;

	if (g->expires_us != 0 && now >= g->expires_us)
		return TRUTH_NO;
	if (g->when != NULL || (g->expires_us != 0 && g->expires_us - now < EXPIRES_SOON))
		w->once = true;
	if (g->when == NULL)
		return TRUTH_YES;
	return g->when->conditions == NULL ? TRUTH_UNKNOWN
	                                   : conditions_hold(g->when->conditions, &w->q->at);
}

/* One that holds for whatever resource is remembered rather than one that does not. */
static void
allow(struct walk *w, const struct verdict *v, bool everywhere)
{
	if (w->allow.allowed && (w->allow.everywhere || !everywhere))
		return;
	w->allow = *v;
	w->allow.allowed = true;
	w->allow.everywhere = everywhere;
}

/* --- roles --- */

/* A role that a grant of one resource gives permits there alone: it was looked up for this very
 * question, so it permits here. What it permits is looked at once, with what it inherits; so are the
 * grants to each of them. */
static void
add_role(struct walk *w, const char *name, const char *kind, const void *from)
{
	struct role *r = w->s->roles == NULL ? NULL : policy_role(w->s->roles, name);
	const struct grant *g = strcmp(kind, "grant") == 0 ? from : NULL;
	const char *pattern;

	if (r == NULL)
		return;
	note_role(w, r, kind, from);
	pattern = permission_among(r->patterns, r->n, w->q->permission);
	note_pattern(w, r, pattern);
	if (pattern != NULL)
		allow(w,
		    &(struct verdict){ .kind = "role", .role = r, .pattern = pattern, .grant = g },
		    g == NULL || g->scope->resource == NULL);
	for (size_t i = 0; i < r->n_above; i++) {
		struct role *above = r->above[i];

		if (above->mark == w->s->mark)
			continue;
		above->mark = w->s->mark;
		w->s->queue[w->n_queue++] = above;
	}
}

/* --- for people --- */

static void
note(struct walk *w, const struct considered *k)
{
	struct trace *t = w->t;

	if (t->n == TRACE_MOST)
		return;
	if (t->items == NULL)
		t->items = ARENA_ARRAY(t->a, struct considered, TRACE_MOST);
	t->items[t->n++] = *k;
}

static void
note_pattern(struct walk *w, const struct role *r, const char *pattern)
{
	if (w->t != NULL)
		note(w, &(struct considered){ .kind = "role",
			    .id = r->name,
			    .text = pattern != NULL ? pattern : "",
			    .effect = "allow",
			    .matches = pattern != NULL,
			    .why = pattern != NULL ? "permits it" : "does not permit it" });
}

static void
note_grant(struct walk *w, const struct grant *g, enum truth t, bool permission)
{
	bool deny = g->scope->sort == SORT_DENY;
	char id[UUID_LEN];

	if (w->t == NULL)
		return;
	grant_id(g, id);
	note(w, &(struct considered){ .kind = "grant",
		    .id = arena_strdup(w->t->a, id),
		    .text = grant_text(g, w->t->a),
		    .effect = deny ? "deny" : "allow",
		    .matches = permission && (t == TRUTH_YES || (deny && t == TRUTH_UNKNOWN)),
		    .why = !permission ? "is of other permissions"
	                   : g->expires_us != 0 && w->q->at.now_us >= g->expires_us ? "has expired"
	                   : t == TRUTH_NO      ? "its conditions do not hold"
	                   : t == TRUTH_UNKNOWN ? "whether its conditions hold is not known"
	                                        : "matches" });
}

static void
note_role(struct walk *w, struct role *r, const char *kind, const void *from)
{
	struct trace *t = w->t;
	const char *text = kind;
	char id[UUID_LEN];

	if (t == NULL)
		return;
	if (t->roles == NULL)
		t->roles = ARENA_ARRAY(t->a, struct held_role, TRACE_MOST);
	if (strcmp(kind, "group") == 0) {
		text = arena_printf(t->a, "group %s", (const char *)from);
	} else if (strcmp(kind, "grant") == 0) {
		grant_id(from, id);
		text = arena_printf(t->a, "grant %s", id);
	}
	for (size_t i = 0; i < r->n_above && t->n_roles < TRACE_MOST; i++)
		if (r->above[i]->mark != w->s->mark)
			t->roles[t->n_roles++] = (struct held_role){ r->above[i], r, text, i };
}

const char *
grant_text(const struct grant *g, struct arena *a)
{
	const struct scope *sc = g->scope;
	const struct subject *u = sc->subject;
	const struct what *w = g->what;
	const char *what = w->n_permissions > 0 ? w->permissions[0] : "";
	const char *role = w->n_roles > 0 ? w->roles[0] : "";

	return arena_printf(a, "%s %s%s%s%s%s to %s%s%s%s%s%s%s%s",
	    sc->sort == SORT_DENY ? "deny" : "allow", what,
	    w->n_permissions > 1 ? " and others" : "",
	    w->n_roles > 0 && w->n_permissions > 0 ? ", " : "", w->n_roles > 0 ? "role " : "", role,
	    subject_kinds[u->kind], u->kind == SUBJECT_EVERYONE ? "" : " ",
	    u->kind == SUBJECT_EVERYONE ? "" : u->name, sc->ns != NULL ? " in namespace " : "",
	    sc->ns != NULL ? sc->ns->s : "", sc->resource != NULL ? " on " : "",
	    sc->resource != NULL ? sc->resource->s : "",
	    g->when != NULL ? " under conditions" : "");
}

const char *
verdict_text(const struct verdict *v, struct arena *a)
{
	char id[UUID_LEN];

	if (strcmp(v->kind, "scope") == 0)
		return arena_strdup(a, "the credential is limited to other scopes");
	if (strcmp(v->kind, "fixed") == 0)
		return arena_strdup(a, "nothing is denied to the role " ROLE_FIXED);
	if (strcmp(v->kind, "role") == 0)
		return arena_printf(a, "%s: %s", v->role->name, v->pattern);
	if (strcmp(v->kind, "grant") == 0) {
		grant_id(v->grant, id);
		return arena_printf(a, "%s: %s", id, grant_text(v->grant, a));
	}
	return arena_strdup(a, "no role of the principal permits it, and no grant");
}

/* effect: what a change of policy would do: who gains and who loses what, per role and per user. The
 * changes are made in memory and taken back within one turn of the loop, page of users by page: nobody
 * is decided upon in between, nothing is written. */
#include <stdlib.h>
#include <string.h>
#include "auth/permission.h"
#include "auth/rbac/import.h"
#include "auth/store_failed.h"
#include "base/json.h"

#define USERS_MOST 10000 /* looked at */
#define SHOWN_MOST 200   /* users and roles that are listed, */
#define TEXTS_MOST 50    /* with so many texts each */
#define LINES_MOST 3000  /* of one user */
#define PAGE       500

struct lines {
	struct arena *a;
	size_t n;
	struct line *items;
};

struct told { /* of one role or user */
	const char *id, *name;
	size_t n_gains, n_loses;
	const char *gains[TEXTS_MOST], *loses[TEXTS_MOST];
};

struct effect {
	size_t examined, gaining, losing, n_users, n_roles;
	bool complete;
	struct told *users, *roles;
	const char *cursor;
};

struct person {
	Mf__Principal who;
	struct lines before, after;
};

static bool alter_all(struct import *x, bool back);
static void compare_roles(struct import *x);
static bool changes_roles(const struct import *x);
static void keep_role(json_t *before, const struct role *r);
static void read_users(struct import *x);
static void on_users(const Mf__StoreResult *m, void *ctx);
static void person_read(struct person *p, struct arena *a, const json_t *row);
static void take_line(void *ctx, const struct line *l);
static void compare_person(struct import *x, const struct person *p);
static void missing(struct import *x, const struct lines *have, const struct lines *in, bool deny,
    const char **texts, size_t *n);
static bool holds_line(const struct lines *in, const struct line *l);
static bool same_or_any(const char *have, const char *want);
static const char *line_text(struct arena *a, const struct line *l);
static void write_told(struct jw *w, const char *list, const struct told *t, size_t n);

void
import_effect(struct import *x)
{
	struct arena *a = call_arena(x->c);

	x->effect = ARENA_NEW(a, struct effect);
	x->effect->users = ARENA_ARRAY(a, struct told, SHOWN_MOST);
	x->effect->roles = ARENA_ARRAY(a, struct told, SHOWN_MOST);
	x->effect->cursor = "";
	compare_roles(x);
	if (x->n == 0) {
		x->effect->complete = true;
		import_answer(x);
	} else {
		read_users(x);
	}
}

/* False: the roles as they would be are too many. */
static bool
alter_all(struct import *x, bool back)
{
	char err[200];

	for (size_t i = 0; i < x->n; i++) {
		const struct alter *a = &x->alters[i];
		json_t *row = back ? a->now : a->then;

		if (row != NULL && strcmp(a->model, "grant") == 0 &&
		    json_object_get(row, "id") == NULL)
			json_object_set_new(row, "id", json_string(a->id));
		image_put(x->r->image, a->model, a->id, row);
	}
	return !changes_roles(x) || image_build(x->r->image, err, sizeof(err));
}

/* --- roles --- */

static void
compare_roles(struct import *x)
{
	const struct policy *p = rules_roles(x->r->rules);
	struct effect *e = x->effect;
	json_t *before, *list;
	const char *name;

	if (!changes_roles(x))
		return;
	before = json_object();
	call_own_json(x->c, before);
	for (const struct role *r = policy_each(p, NULL); r != NULL; r = policy_each(p, r))
		keep_role(before, r);
	if (alter_all(x, false)) {
		p = rules_roles(x->r->rules);
		for (const struct role *r = policy_each(p, NULL); r != NULL; r = policy_each(p, r))
			if (json_object_get(before, r->name) == NULL)
				json_object_set_new(before, r->name, json_array());
		json_object_foreach(before, name, list)
		{
			const struct role *r = policy_role(p, name);
			struct told t = { .id = arena_strdup(call_arena(x->c), name) };
			size_t n = json_array_size(list);
			const char **was = ARENA_ARRAY(call_arena(x->c), const char *, n + 1);

			for (size_t i = 0; i < n; i++)
				was[i] = json_string_value(json_array_get(list, i));
			for (size_t i = 0; r != NULL && i < r->n && t.n_gains < TEXTS_MOST; i++)
				if (permission_among(was, n, r->patterns[i]) == NULL)
					t.gains[t.n_gains++] =
					    arena_strdup(call_arena(x->c), r->patterns[i]);
			for (size_t i = 0; i < n && t.n_loses < TEXTS_MOST; i++)
				if (r == NULL ||
				    permission_among(r->patterns, r->n, was[i]) == NULL)
					t.loses[t.n_loses++] = was[i];
			if (t.n_gains + t.n_loses > 0 && e->n_roles < SHOWN_MOST)
				e->roles[e->n_roles++] = t;
		}
	}
	(void)alter_all(x, true);
}

/* Any role may change what others inherit, so then all are compared. */
static bool
changes_roles(const struct import *x)
{
	for (size_t i = 0; i < x->n; i++)
		if (strcmp(x->alters[i].model, "role") == 0)
			return true;
	return false;
}

static void
keep_role(json_t *before, const struct role *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++)
		json_array_append_new(list, json_string(r->patterns[i]));
	json_object_set_new(before, r->name, list);
}

/* --- users --- */

static void
read_users(struct import *x)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;

	op.kind = MF__STORE_OP__KIND__QUERY_MANY;
	op.model = (char *)(uintptr_t) "user";
	op.limit = PAGE;
	op.cursor = (char *)(uintptr_t)x->effect->cursor;
	x->rpc = rpc_new(x->c, x->r->database, NULL);
	mf__database__read(&x->rpc->service, &op, on_users, x);
}

static void
on_users(const Mf__StoreResult *m, void *ctx)
{
	struct import *x = ctx;
	struct effect *e = x->effect;
	struct json_error err;
	struct arena *a;
	struct person *people;
	const json_t *items;
	json_t *page;
	size_t n;

	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	if (!import_still(x))
		return;
	page = json_read(m->data.data, m->data.len, &err);
	items = json_object_get(page, "items");
	n = json_array_size(items);
	a = arena_new(256u << 20);
	people = ARENA_ARRAY(a, struct person, n + 1);
	for (size_t i = 0; i < n; i++) {
		person_read(&people[i], a, json_array_get(items, i));
		rules_lines(x->r->rules, &people[i].who, take_line, &people[i].before);
	}
	if (alter_all(x, false))
		for (size_t i = 0; i < n; i++)
			rules_lines(x->r->rules, &people[i].who, take_line, &people[i].after);
	(void)alter_all(x, true);
	for (size_t i = 0; i < n; i++)
		compare_person(x, &people[i]);
	arena_free(&a);
	e->examined += n;
	e->cursor = json_string_value(json_object_get(page, "next_cursor"));
	e->complete = e->cursor == NULL;
	e->cursor = e->cursor == NULL ? "" : arena_strdup(call_arena(x->c), e->cursor);
	json_decref(page);
	if (e->complete || e->examined >= USERS_MOST)
		import_answer(x);
	else
		read_users(x);
}

static void
person_read(struct person *p, struct arena *a, const json_t *row)
{
	const char *id = json_string_value(json_object_get(row, "id"));
	const char *name = json_string_value(json_object_get(row, "username"));

	mf__principal__init(&p->who);
	p->who.id = arena_strdup(a, id == NULL ? "" : id);
	p->who.name = arena_strdup(a, name == NULL ? "" : name);
	/* lent by the page, which outlives it */
	p->who.roles =
	    (char **)(uintptr_t)texts_of_json(a, json_object_get(row, "roles"), &p->who.n_roles);
	p->who.groups =
	    (char **)(uintptr_t)texts_of_json(a, json_object_get(row, "groups"), &p->who.n_groups);
	p->before.a = p->after.a = a;
}

static void
take_line(void *ctx, const struct line *l)
{
	struct lines *in = ctx;
	struct line *mine;

	if (in->n == LINES_MOST)
		return;
	if (in->n == 0 || (in->n >= 16 && (in->n & (in->n - 1)) == 0)) {
		struct line *more = ARENA_ARRAY(in->a, struct line, in->n == 0 ? 16 : 2 * in->n);

		if (in->n > 0)
			memcpy(more, in->items, in->n * sizeof(*more));
		in->items = more;
	}
	mine = &in->items[in->n++];
	*mine = *l;
	mine->pattern = arena_strdup(in->a, l->pattern);
	mine->ns = l->ns == NULL ? NULL : arena_strdup(in->a, l->ns);
	mine->resource = l->resource == NULL ? NULL : arena_strdup(in->a, l->resource);
	mine->when = l->when == NULL ? NULL : arena_strdup(in->a, l->when);
}

/* What is allowed then and was not, and what is not denied any more, is gained. */
static void
compare_person(struct import *x, const struct person *p)
{
	struct effect *e = x->effect;
	struct told t = { .n_gains = 0 };

	missing(x, &p->after, &p->before, false, t.gains, &t.n_gains);
	missing(x, &p->before, &p->after, true, t.gains, &t.n_gains);
	missing(x, &p->before, &p->after, false, t.loses, &t.n_loses);
	missing(x, &p->after, &p->before, true, t.loses, &t.n_loses);
	e->gaining += t.n_gains > 0;
	e->losing += t.n_loses > 0;
	if (t.n_gains + t.n_loses == 0 || e->n_users == SHOWN_MOST)
		return;
	t.id = arena_strdup(call_arena(x->c), p->who.id);
	t.name = arena_strdup(call_arena(x->c), p->who.name);
	e->users[e->n_users++] = t;
}

static void
missing(struct import *x, const struct lines *have, const struct lines *in, bool deny,
    const char **texts, size_t *n)
{
	for (size_t i = 0; i < have->n && *n < TEXTS_MOST; i++) {
		const struct lines told = { .items = have->items, .n = i };

		if (have->items[i].deny == deny && !holds_line(in, &have->items[i]) &&
		    !holds_line(&told, &have->items[i]))
			texts[(*n)++] = line_text(call_arena(x->c), &have->items[i]);
	}
}

static bool
holds_line(const struct lines *in, const struct line *l)
{
	for (size_t i = 0; i < in->n; i++) {
		const struct line *k = &in->items[i];

		if (k->deny == l->deny && permission_covers(k->pattern, l->pattern) &&
		    same_or_any(k->ns, l->ns) && same_or_any(k->resource, l->resource) &&
		    same_or_any(k->when, l->when) && (!k->ends || l->ends))
			return true;
	}
	return false;
}

static bool
same_or_any(const char *have, const char *want)
{
	return have == NULL || (want != NULL && strcmp(have, want) == 0);
}

static const char *
line_text(struct arena *a, const struct line *l)
{
	return arena_printf(a, "%s%s%s%s%s%s%s%s", l->deny ? "deny " : "", l->pattern,
	    l->ns != NULL ? " in namespace " : "", l->ns != NULL ? l->ns : "",
	    l->resource != NULL ? " on " : "", l->resource != NULL ? l->resource : "",
	    l->when != NULL ? " under conditions" : "", l->ends ? " for a time" : "");
}

/* --- answer --- */

void
effect_write(struct import *x, struct jw *w)
{
	const struct effect *e = x->effect;

	write_told(w, "roles", e->roles, e->n_roles);
	jw_object(w, "users");
	jw_int(w, "examined", (int64_t)e->examined);
	jw_int(w, "gaining", (int64_t)e->gaining);
	jw_int(w, "losing", (int64_t)e->losing);
	jw_bool(w, "complete", e->complete);
	write_told(w, "items", e->users, e->n_users);
	jw_close(w, '}');
}

static void
write_told(struct jw *w, const char *list, const struct told *t, size_t n)
{
	jw_array(w, list);
	for (size_t i = 0; i < n; i++) {
		jw_object(w, NULL);
		jw_str(w, "id", t[i].id);
		if (t[i].name != NULL)
			jw_str(w, "username", t[i].name);
		jw_array(w, "gains");
		for (size_t k = 0; k < t[i].n_gains; k++)
			jw_str(w, NULL, t[i].gains[k]);
		jw_close(w, ']');
		jw_array(w, "loses");
		for (size_t k = 0; k < t[i].n_loses; k++)
			jw_str(w, NULL, t[i].loses[k]);
		jw_close(w, ']');
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

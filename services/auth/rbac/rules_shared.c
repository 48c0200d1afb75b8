/* rules_shared: what many grants share, each distinct one stored once and counted: texts of scopes, lists
 * of permissions and roles, conditions. What nobody uses any more goes. */
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/rules_int.h"
#include "base/mem.h"

struct what_key { /* the lists, each text with its NUL, one behind the other */
	const char *p;
	size_t n;
	uint32_t n_permissions, n_roles;
};

static table_is_fn is_text, is_what, is_when;
static int by_text(const void *a, const void *b);

struct text *
text_take(struct rules *s, const char *text)
{
	struct text *t = text == NULL ? NULL : text_find(s, text);
	size_t n;

	if (text == NULL)
		return NULL;
	if (t == NULL) {
		n = strlen(text) + 1;
		t = mem_zalloc(sizeof(*t) + n);
		memcpy(t->s, text, n);
		table_add(&s->texts, &t->node, table_hash(text, n, 0));
	}
	t->refs++;
	return t;
}

void
text_drop(struct rules *s, struct text **tp)
{
	struct text *t = *tp;

	*tp = NULL;
	if (t == NULL || --t->refs > 0)
		return;
	table_remove(&s->texts, &t->node);
	free(t);
}

struct text *
text_find(const struct rules *s, const char *text)
{
	return (struct text *)table_find(
	    &s->texts, table_hash(text, strlen(text) + 1, 0), is_text, text);
}

struct what *
what_take(struct rules *s, const struct grant_def *d)
{
	size_t n = d->n_permissions + d->n_roles, bytes = 0, at = 0;
	const char **sorted = mem_zalloc((n + 1) * sizeof(char *));
	struct what_key key = { NULL, 0, (uint32_t)d->n_permissions, (uint32_t)d->n_roles };
	struct what *w, *known;
	uint32_t hash;
	char *flat;

	if (d->n_permissions > 0)
		memcpy(sorted, d->permissions, d->n_permissions * sizeof(char *));
	if (d->n_roles > 0)
		memcpy(sorted + d->n_permissions, d->roles, d->n_roles * sizeof(char *));
	qsort(sorted, d->n_permissions, sizeof(char *), by_text);
	for (size_t i = 0; i < n; i++)
		bytes += strlen(sorted[i]) + 1;
	w = mem_zalloc(sizeof(*w) + n * sizeof(char *) + bytes + 1);
	w->permissions = (const char **)(w + 1);
	w->roles = w->permissions + d->n_permissions;
	flat = (char *)(w->permissions + n);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(sorted[i]) + 1;

		w->permissions[i] = memcpy(flat + at, sorted[i], len);
		at += len;
	}
	free(sorted);
	w->n_permissions = key.n_permissions;
	w->n_roles = key.n_roles;
	w->bytes = (uint32_t)bytes;
	key.p = flat;
	key.n = bytes;
	hash = table_hash(flat, bytes, key.n_roles);
	known = (struct what *)table_find(&s->whats, hash, is_what, &key);
	if (known != NULL) {
		free(w);
		w = known;
	} else {
		table_add(&s->whats, &w->node, hash);
	}
	w->refs++;
	return w;
}

void
what_drop(struct rules *s, struct what *w)
{
	if (--w->refs > 0)
		return;
	table_remove(&s->whats, &w->node);
	free(w);
}

struct when *
when_take(struct rules *s, const json_t *conditions)
{
	struct condition_error e;
	struct when *w;
	char *json;
	size_t n;

	if (conditions == NULL || json_is_null(conditions))
		return NULL;
	json = json_dumps(conditions, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	n = json == NULL ? 0 : strlen(json) + 1;
	w = n == 0 ? NULL
	           : (struct when *)table_find(&s->whens, table_hash(json, n, 0), is_when, json);
	if (w == NULL) {
		w = mem_zalloc(sizeof(*w) + n + 1);
		if (n > 0)
			memcpy(w->json, json, n);
		w->conditions = conditions_read(conditions, &e);
		table_add(&s->whens, &w->node, table_hash(w->json, n, 0));
	}
	free(json);
	w->refs++;
	return w;
}

void
when_drop(struct rules *s, struct when **wp)
{
	struct when *w = *wp;

	*wp = NULL;
	if (w == NULL || --w->refs > 0)
		return;
	table_remove(&s->whens, &w->node);
	when_free(&w->node);
}

static bool
is_text(const struct node *k, const void *key)
{
	return strcmp(((const struct text *)k)->s, key) == 0;
}

static bool
is_what(const struct node *k, const void *key)
{
	const struct what *w = (const struct what *)k;
	const struct what_key *q = key;

	return w->n_permissions == q->n_permissions && w->n_roles == q->n_roles &&
	       w->bytes == q->n &&
	       memcmp((const char *)(w->permissions + w->n_permissions + w->n_roles), q->p, q->n) ==
	           0;
}

static bool
is_when(const struct node *k, const void *key)
{
	return strcmp(((const struct when *)k)->json, key) == 0;
}

void
when_free(struct node *k)
{
	struct when *w = (struct when *)k;

	conditions_free(&w->conditions);
	free(w);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

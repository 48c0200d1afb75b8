/* explain: the model decision: what would be decided, by which rule, and what else was looked at. The
 * user is read from the store; how he logs in is not known, so conditions are judged as of a log-in by
 * password at that time, without a second factor and without a client. */
#include <string.h>
#include "auth/permission.h"
#include "auth/rbac/write.h"
#include "auth/store_failed.h"
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"

struct explain {
	struct rbac *r;
	struct call *c;
	bool page; /* a query: the answer is a list of one */
	const char *user, *permission, *resource, *ns, *address, *at;
	int64_t at_us;
	struct rpc *rpc;
};

static bool filters_ok(struct explain *x, const Mf__StoreOp *q);
static bool wrong(struct explain *x, const char *field, const char *what);
static void on_user(const Mf__StoreResult *m, void *ctx);
static void user_read(struct explain *x, const json_t *row, Mf__Principal *who);
static char **texts_read(struct arena *a, const json_t *list, size_t *n);
static void answer(struct explain *x, const Mf__Principal *who);
static void write_rule(struct jw *w, struct arena *a, const struct verdict *v);
static void write_considered(struct jw *w, const struct trace *t);
static void write_roles(struct jw *w, const struct trace *t);
static void write_path(struct jw *w, const struct held_role *h);

void
decision_read(struct rbac *r, struct call *c, const Mf__StoreOp *q)
{
	struct explain *x = ARENA_NEW(call_arena(c), struct explain);
	Mf__StoreOp op = MF__STORE_OP__INIT;
	Mf__KeyValue name = MF__KEY_VALUE__INIT, *filters[1] = { &name };

	*x = (struct explain){ .r = r, .c = c, .resource = "", .ns = "", .address = "" };
	x->page = q->kind == MF__STORE_OP__KIND__QUERY_MANY;
	if (!rbac_known(r, c) || !filters_ok(x, q))
		return;
	op.kind = MF__STORE_OP__KIND__READ_ONE;
	op.model = (char *)(uintptr_t) "user";
	if (uuid_ok(x->user)) {
		op.id = (char *)(uintptr_t)x->user;
	} else {
		name.key = (char *)(uintptr_t) "username";
		name.value = (char *)(uintptr_t)x->user;
		op.n_filters = 1;
		op.filters = filters;
	}
	x->rpc = rpc_new(c, r->database, NULL);
	mf__database__read(&x->rpc->service, &op, on_user, x);
}

static bool
filters_ok(struct explain *x, const Mf__StoreOp *q)
{
	const struct {
		const char *name, **at;
	} known[] = { { "user", &x->user }, { "permission", &x->permission },
		{ "resource", &x->resource }, { "namespace", &x->ns }, { "address", &x->address },
		{ "at", &x->at } };

	for (size_t i = 0; i < q->n_filters; i++) {
		size_t k = 0;

		while (k < sizeof(known) / sizeof(known[0]) &&
		       strcmp(known[k].name, q->filters[i]->key) != 0)
			k++;
		if (k == sizeof(known) / sizeof(known[0]))
			return wrong(x, q->filters[i]->key,
			    "must be user, permission, resource, namespace, address or at");
		*known[k].at = q->filters[i]->value;
	}
	x->at_us = time_wall_us();
	if (x->user == NULL || x->user[0] == '\0')
		return wrong(x, "user", "is needed: an id or a name");
	if (x->permission == NULL || !permission_pattern_ok(x->permission) ||
	    strchr(x->permission, '*') != NULL)
		return wrong(x, "permission", "is needed, like task.read");
	return x->at == NULL || time_parse_rfc3339(str_of(x->at), &x->at_us) ||
	       wrong(x, "at", "must be a time like 2026-11-21T08:00:00Z");
}

static bool
wrong(struct explain *x, const char *field, const char *what)
{
	const struct checking k = { .a = call_arena(x->c),
		.status = ST_INVALID_ARGUMENT,
		.reason = "VALIDATION",
		.field = field,
		.message = what };

	check_failed(x->c, &k);
	return false;
}

static void
on_user(const Mf__StoreResult *m, void *ctx)
{
	struct explain *x = ctx;
	Mf__Principal who = MF__PRINCIPAL__INIT;
	struct json_error e;
	json_t *row;

	if (m == NULL && rpc_failure(x->rpc)->status == ST_NOT_FOUND) {
		call_fail(x->c, ST_NOT_FOUND, "there is no such user");
		return;
	}
	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	row = json_read(m->data.data, m->data.len, &e);
	call_own_json(x->c, row);
	user_read(x, row, &who);
	answer(x, &who);
}

static void
user_read(struct explain *x, const json_t *row, Mf__Principal *who)
{
	static char *by_password[] = { (char *)(uintptr_t) "pwd" };
	const char *id = json_string_value(json_object_get(row, "id"));
	const char *name = json_string_value(json_object_get(row, "username"));
	const char *kind = json_string_value(json_object_get(row, "kind"));
	struct arena *a = call_arena(x->c);

	who->id = arena_strdup(a, id == NULL ? "" : id);
	who->name = arena_strdup(a, name == NULL ? "" : name);
	who->service = kind != NULL && strcmp(kind, "service") == 0;
	who->roles = texts_read(a, json_object_get(row, "roles"), &who->n_roles);
	who->groups = texts_read(a, json_object_get(row, "groups"), &who->n_groups);
	who->authenticated_at = (uint64_t)x->at_us;
	who->n_methods = 1;
	who->methods = by_password;
}

static char **
texts_read(struct arena *a, const json_t *list, size_t *n)
{
	char **texts = ARENA_ARRAY(a, char *, json_array_size(list) + 1);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s != NULL)
			texts[(*n)++] = arena_strdup(a, s);
	}
	return texts;
}

static void
answer(struct explain *x, const Mf__Principal *who)
{
	struct arena *a = call_arena(x->c);
	struct trace t = { .a = a };
	const struct question q = { .who = who,
		.permission = x->permission,
		.resource = x->resource,
		.ns = x->ns,
		.at = { x->at_us, x->address, who } };
	struct verdict v = rules_decide(x->r->rules, &q, &t);
	Mf__StoreResult m = MF__STORE_RESULT__INIT;
	struct jw w;

	jw_start(&w, a, 4096);
	if (x->page) {
		jw_object(&w, NULL);
		jw_array(&w, "items");
	}
	jw_object(&w, NULL);
	jw_str(&w, "id", "decision");
	jw_object(&w, "user");
	jw_str(&w, "id", who->id);
	jw_str(&w, "username", who->name);
	jw_close(&w, '}');
	jw_str(&w, "permission", x->permission);
	jw_bool(&w, "allowed", v.allowed);
	jw_bool(&w, "once", v.once);
	write_rule(&w, a, &v);
	write_considered(&w, &t);
	write_roles(&w, &t);
	jw_close(&w, '}');
	if (x->page) {
		jw_close(&w, ']');
		jw_null(&w, "next_cursor");
		jw_close(&w, '}');
	}
	m.data.data = (uint8_t *)jw_text(&w, &m.data.len);
	m.version = 1;
	call_reply(x->c, &m.base);
}

static void
write_rule(struct jw *w, struct arena *a, const struct verdict *v)
{
	char id[UUID_LEN] = "";

	if (strcmp(v->kind, "grant") == 0)
		grant_id(v->grant, id);
	jw_object(w, "rule");
	jw_str(w, "kind", v->kind);
	jw_str(w, "id",
	    id[0] != '\0'                   ? id
	    : strcmp(v->kind, "role") == 0  ? v->role->name
	    : strcmp(v->kind, "fixed") == 0 ? ROLE_FIXED
					    : NULL);
	jw_str(w, "text", id[0] != '\0' ? grant_text(v->grant, a) : verdict_text(v, a));
	jw_close(w, '}');
}

static void
write_considered(struct jw *w, const struct trace *t)
{
	jw_array(w, "considered");
	for (size_t i = 0; i < t->n; i++) {
		const struct considered *k = &t->items[i];

		jw_object(w, NULL);
		jw_str(w, "kind", k->kind);
		jw_str(w, "id", k->id);
		jw_str(w, "text", k->text);
		jw_str(w, "effect", k->effect);
		jw_bool(w, "matches", k->matches);
		jw_str(w, "why", k->why);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
write_roles(struct jw *w, const struct trace *t)
{
	jw_array(w, "roles");
	for (size_t i = 0; i < t->n_roles; i++) {
		const struct held_role *h = &t->roles[i];

		jw_object(w, NULL);
		jw_str(w, "id", h->role->name);
		jw_array(w, "path");
		write_path(w, h);
		jw_close(w, ']');
		jw_str(w, "from", h->from);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

/* From the role that he has down to the one that it inherits: the places are kept upwards. */
static void
write_path(struct jw *w, const struct held_role *h)
{
	size_t places[TRACE_MOST], n = 0, at = h->place;

	while (n < TRACE_MOST - 1 && at != 0) {
		places[n++] = at;
		at = h->of->via[at];
	}
	places[n++] = 0;
	while (n > 0)
		jw_str(w, NULL, h->of->above[places[--n]]->name);
}

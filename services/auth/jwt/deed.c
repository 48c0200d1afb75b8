/* deed: see deed.h. */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/deed.h"

struct paging {
	struct deed *k;
	deed_row_fn *each;
};

static void wipe(struct call_dep *d);
static void on_user(const Mf__StoreResult *m, void *ctx);
static void on_cover_user(const Mf__StoreResult *m, void *ctx);
static void on_cover(const Mf__RoleCoverAnswer *m, void *ctx);
static void read_list(struct deed *k, const char *model, deed_row_fn *each);
static void read_one(struct deed *k, const char *model, deed_row_fn *each);
static void on_list(const Mf__StoreResult *m, void *ctx);
static void on_one(const Mf__StoreResult *m, void *ctx);
static bool is_log_in(const Mf__Principal *who);

struct deed *
deed_new(struct tokens *t, struct call *c, const Mf__StoreOp *q, enum deed_need need, void *owner)
{
	struct deed *k = ARENA_NEW(call_arena(c), struct deed);
	char id[UUID_LEN];

	*k = (struct deed){ .t = t, .c = c, .q = q, .who = call_principal(c), .owner = owner };
	k->own = str_starts(q->model, "my.");
	uuid7(id);
	k->operation_id =
	    q->operation_id[0] != '\0' ? q->operation_id : arena_strdup(call_arena(c), id);
	return deed_needs(c, k->who, need) ? k : NULL;
}

bool
deed_needs(struct call *c, const Mf__Principal *who, enum deed_need need)
{
	if (who == NULL || who->id[0] == '\0') {
		call_fail_because(
		    c, ST_UNAUTHENTICATED, "NO_CREDENTIAL", 0, "this needs a credential");
		return false;
	}
	if (need >= DEED_UNLIMITED && who->limited) {
		call_fail_because(c, ST_PERMISSION_DENIED, "LIMITED_CREDENTIAL", 0,
		    "this needs a log-in of one's own, not a credential of limited scopes");
		return false;
	}
	if (need >= DEED_SESSION && !is_log_in(who)) {
		call_fail_because(c, ST_PERMISSION_DENIED, "SESSION_NEEDED", 0,
		    "this needs a log-in of one's own, not an API key or a client");
		return false;
	}
	return true;
}

static bool
is_log_in(const Mf__Principal *who)
{
	return who->session_id[0] != '\0' &&
	       (who->client_id[0] == '\0' || strcmp(who->client_id, OWN_CLIENT) == 0);
}

bool
deed_is_program(const Mf__Principal *who)
{
	return who != NULL && who->token_id[0] != '\0' && who->session_id[0] == '\0';
}

bool
deed_body(struct deed *k, const char *const *fields)
{
	struct json_error e;
	const char *key;
	json_t *v, *one;

	v = k->q->data.len == 0 ? json_object() : json_read(k->q->data.data, k->q->data.len, &e);
	sodium_memzero(k->q->data.data, k->q->data.len);
	if (v != NULL)
		call_own_json(k->c, v);
	if (!json_is_object(v)) {
		deed_refuse(k->c, "", "must be an object");
		return false;
	}
	k->body = v;
	k->dep.cancel = wipe;
	call_attach(k->c, &k->dep);
	json_object_foreach(v, key, one)
	{
		size_t i = 0;

		while (fields[i] != NULL && strcmp(fields[i], key) != 0)
			i++;
		if (fields[i] != NULL)
			continue;
		deed_refuse(
		    k->c, arena_printf(call_arena(k->c), "/%.100s", key), "there is no such field");
		return false;
	}
	return true;
}

/* Passwords and codes are in it. */
static void
wipe(struct call_dep *d)
{
	const struct deed *k = container_of(d, struct deed, dep);
	const char *key;
	json_t *one;

	json_object_foreach((json_t *)(uintptr_t)k->body, key, one) if (json_is_string(one))
	    sodium_memzero((char *)(uintptr_t)json_string_value(one), json_string_length(one));
}

const char *
deed_text(const struct deed *k, const char *field)
{
	return json_string_value(json_object_get(k->body, field));
}

void
deed_refuse(struct call *c, const char *field, const char *what)
{
	const struct violation v = { field, what };

	call_fail_with(c, &(const struct failure){ .status = ST_INVALID_ARGUMENT,
			      .message = arena_printf(call_arena(c), "%s: %s",
				  field[0] == '\0' ? "the body" : field, what),
			      .reason = "VALIDATION",
			      .n_violations = 1,
			      .violations = &v });
}

void
deed_nowhere(struct deed *k)
{
	call_fail(k->c, ST_NOT_FOUND, "there is no such %s", k->q->model + (k->own ? 3 : 0));
}

/* --- may he? --- */

void
deed_user(struct deed *k, const char *user_id, void (*then)(struct deed *k))
{
	k->then = then;
	k->rpc = rpc_new(k->c, k->t->database, NULL);
	mf__database__read(
	    &k->rpc->service, op_read(call_arena(k->c), "user", user_id), on_user, k);
}

static bool
take_user(struct deed *k, const Mf__StoreResult *m)
{
	if (m == NULL && rpc_failure(k->rpc)->status == ST_NOT_FOUND)
		call_fail(k->c, ST_NOT_FOUND, "there is no such user");
	else if (m == NULL)
		store_failed(k->c, rpc_failure(k->rpc));
	else if (!user_row_read(call_arena(k->c), &m->data, &k->user))
		call_fail(k->c, ST_DATA_LOSS, "the stored user is none");
	else
		return true;
	return false;
}

static void
on_user(const Mf__StoreResult *m, void *ctx)
{
	struct deed *k = ctx;

	if (take_user(k, m))
		k->then(k);
}

void
deed_cover(struct deed *k, const char *user_id, void (*then)(struct deed *k))
{
	k->then = then;
	k->rpc = rpc_new(k->c, k->t->database, NULL);
	mf__database__read(
	    &k->rpc->service, op_read(call_arena(k->c), "user", user_id), on_cover_user, k);
}

static void
on_cover_user(const Mf__StoreResult *m, void *ctx)
{
	struct deed *k = ctx;
	Mf__RoleCover q = MF__ROLE_COVER__INIT;

	if (!take_user(k, m))
		return;
	if (strcmp(k->user.id, k->who->id) == 0) {
		k->then(k);
		return;
	}
	q.n_holder = k->who->n_roles;
	q.holder = k->who->roles;
	q.n_roles = k->user.n_roles;
	q.roles = k->user.roles;
	q.n_groups = k->user.n_groups;
	q.groups = k->user.groups;
	q.user_id = (char *)(uintptr_t)k->user.id;
	k->rpc = rpc_new(k->c, k->t->rbac, NULL);
	mf__rbac__covers(&k->rpc->service, &q, on_cover, k);
}

static void
on_cover(const Mf__RoleCoverAnswer *m, void *ctx)
{
	struct deed *k = ctx;

	if (deed_covered(k->c, m))
		k->then(k);
}

bool
deed_covered(struct call *c, const Mf__RoleCoverAnswer *r)
{
	if (r == NULL)
		call_fail_because(c, ST_UNAVAILABLE, "ROLES_UNAVAILABLE", STORE_RETRY_MS,
		    "what the roles permit can't be read now");
	else if (r->n_beyond > 0)
		call_fail_because(c, ST_PERMISSION_DENIED, "BEYOND_OWN", 0,
		    "the role %.64s goes beyond what you may do yourself", r->beyond[0]);
	else if (r->n_beyond_groups > 0)
		call_fail_because(c, ST_PERMISSION_DENIED, "BEYOND_OWN", 0,
		    "the group %.64s goes beyond what you may do yourself", r->beyond_groups[0]);
	else if (r->beyond_user)
		call_fail_because(c, ST_PERMISSION_DENIED, "BEYOND_OWN", 0,
		    "what is granted to the account goes beyond what you may do yourself");
	else
		return true;
	return false;
}

/* --- answers --- */

void
deed_reply(struct deed *k, struct jw *w)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;

	m.data.data = (uint8_t *)jw_text(w, &m.data.len);
	m.rows_affected = 1;
	call_reply(k->c, &m.base);
}

void
deed_reply_done(struct deed *k, bool repeated)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;

	m.rows_affected = 1;
	m.repeated = repeated;
	call_reply(k->c, &m.base);
}

void
deed_read(
    struct tokens *t, struct call *c, const Mf__StoreOp *q, const char *model, deed_row_fn *each)
{
	struct deed *k =
	    deed_new(t, c, q, str_starts(q->model, "my.") ? DEED_UNLIMITED : DEED_ANY, NULL);

	if (k == NULL)
		return;
	if (q->kind == MF__STORE_OP__KIND__QUERY_MANY)
		read_list(k, model, each);
	else
		read_one(k, model, each);
}

static void
read_list(struct deed *k, const char *model, deed_row_fn *each)
{
	struct paging *l = ARENA_NEW(call_arena(k->c), struct paging);
	Mf__StoreOp *op = op_query(call_arena(k->c), model, NULL, NULL);

	for (size_t i = 0; k->own && i < k->q->n_filters; i++)
		if (strcmp(k->q->filters[i]->key, "user_id") == 0) {
			deed_refuse(k->c, "/filters/user_id", "it is always you");
			return;
		}
	*l = (struct paging){ k, each };
	op->n_filters = k->q->n_filters;
	op->filters = k->q->filters;
	op->limit = k->q->limit;
	op->cursor = k->q->cursor;
	op->sort = k->q->sort;
	if (k->own)
		op_filter(call_arena(k->c), op, "user_id", k->who->id);
	k->rpc = rpc_new(k->c, k->t->database, NULL);
	mf__database__read(&k->rpc->service, op, on_list, l);
}

static void
on_list(const Mf__StoreResult *m, void *ctx)
{
	struct paging *l = ctx;
	struct deed *k = l->k;
	struct json_error e;
	const json_t *next, *items;
	json_t *v;
	struct jw w;

	if (m == NULL) {
		store_failed(k->c, rpc_failure(k->rpc));
		return;
	}
	v = json_read(m->data.data, m->data.len, &e);
	if (v != NULL)
		call_own_json(k->c, v);
	items = json_object_get(v, "items");
	next = json_object_get(v, "next_cursor");
	if (!json_is_array(items)) {
		call_fail(k->c, ST_DATA_LOSS, "the answer is no page");
		return;
	}
	jw_start(&w, call_arena(k->c), m->data.len + 64);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (size_t i = 0; i < json_array_size(items); i++)
		(void)l->each(k, json_array_get(items, i), &w);
	jw_close(&w, ']');
	jw_str(&w, "next_cursor", json_string_value(next));
	jw_close(&w, '}');
	deed_reply(k, &w);
}

static void
read_one(struct deed *k, const char *model, deed_row_fn *each)
{
	struct paging *l = ARENA_NEW(call_arena(k->c), struct paging);

	*l = (struct paging){ k, each };
	k->rpc = rpc_new(k->c, k->t->database, NULL);
	mf__database__read(&k->rpc->service, op_read(call_arena(k->c), model, k->q->id), on_one, l);
}

/* Another's is as good as none. */
static void
on_one(const Mf__StoreResult *m, void *ctx)
{
	struct paging *l = ctx;
	struct deed *k = l->k;
	struct json_error e;
	const char *user;
	json_t *v;
	struct jw w;

	if (m == NULL && rpc_failure(k->rpc)->status == ST_NOT_FOUND) {
		deed_nowhere(k);
		return;
	}
	if (m == NULL) {
		store_failed(k->c, rpc_failure(k->rpc));
		return;
	}
	v = json_read(m->data.data, m->data.len, &e);
	if (v != NULL)
		call_own_json(k->c, v);
	user = json_string_value(json_object_get(v, "user_id"));
	jw_start(&w, call_arena(k->c), m->data.len + 64);
	if (user == NULL || (k->own && strcmp(user, k->who->id) != 0) || !l->each(k, v, &w)) {
		deed_nowhere(k);
		return;
	}
	deed_reply(k, &w);
}

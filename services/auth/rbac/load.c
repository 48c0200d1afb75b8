/* load: reads the roles, page by page, builds the new policy completely, then swaps. An empty model
 * means a first start: the default roles are stored, all or nothing, and read like any others. A
 * change is announced ("auth.policy").
 *
 * Roles that are too many or too large for memory are refused as a whole, with an error that names
 * the role, and what was in force stays in force. */
#include <string.h>
#include "auth/rbac/rbac.h"
#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/database.pb-c.h"

#define LOAD_LIMIT (5 * SEC)
#define LOAD_RETRY (200 * MS) /* until they were read once */
#define PAGE       1000
#define ROLES_MAX  20000
#define TOO_LARGE  "ROLES_TOO_LARGE"
/* What the roles leave of the call's arena: room for their table (it grows to 2 MiB), for one more
 * page, and for what the call itself needs. */
#define ROLES_LEAVE (24u << 20)

struct load {
	struct rbac *r;
	struct call *c;
	struct rpc *rpc;
	Mf__StoreOp op;
	size_t n, cap;
	struct role_def *roles; /* with all they point to in the call's arena */
	const char *too_much;   /* why the roles are refused; NULL: they are not */
	bool seeded;
};

struct waiter { /* for a reading */
	struct link link;
	struct call_dep dep;
	struct rbac *r;
	struct call *c;
	bool begun; /* the reading that it waits for */
	void (*then)(void *ctx);
	void *ctx;
};

static void load_begin(struct timer *timer);
static void load_page(struct load *l);
static void on_page(const Mf__StoreResult *m, void *ctx);
static bool take_role(void *ctx, const json_t *item);
static size_t role_bytes(const json_t *item, const char *name);
static size_t take_texts(struct arena *a, const json_t *v, const char *const **out);
static void seed(struct load *l);
static Mf__StoreOp *seed_role(struct arena *a, const struct role_def *d);
static void on_seeded(const Mf__StoreResult *m, void *ctx);
static void put_in_force(struct load *l);
static void refuse(struct load *l, const char *why);
static void load_end(struct call *c, const struct call_end *end, void *ctx);
static void waiters_begin(struct rbac *r);
static void waiters_end(struct rbac *r);
static void on_waiter_gone(struct call_dep *d);

void
rbac_load(struct rbac *r)
{
	timer_init(&r->poll_timer, r->loop, load_begin);
	timer_in(&r->poll_timer, 0);
}

void
rbac_reload(struct rbac *r, struct call *c, void (*then)(void *ctx), void *ctx)
{
	struct waiter *w = ARENA_NEW(call_arena(c), struct waiter);

	w->r = r;
	w->c = c;
	w->then = then;
	w->ctx = ctx;
	w->dep.cancel = on_waiter_gone;
	call_attach(c, &w->dep);
	list_add(&r->waiters, &w->link);
	if (r->poll_timer.at_us != 0) /* else a reading is under way: the next one then */
		timer_in(&r->poll_timer, 0);
}

static void
load_begin(struct timer *timer)
{
	struct rbac *r = container_of(timer, struct rbac, poll_timer);
	struct call *c = call_root(
	    r->bus, &(struct call_opts){ .limit_us = LOAD_LIMIT, .done = load_end, .ctx = r });
	struct load *l = ARENA_NEW(call_arena(c), struct load);

	l->r = r;
	l->c = c;
	mf__store_op__init(&l->op);
	l->op.kind = MF__STORE_OP__KIND__QUERY_MANY;
	l->op.model = arena_strdup(call_arena(c), "role");
	l->op.limit = PAGE;
	waiters_begin(r);
	load_page(l);
}

static void
load_page(struct load *l)
{
	l->rpc = rpc_new(l->c, l->r->database, NULL);
	mf__database__read(&l->rpc->service, &l->op, on_page, l);
}

static void
on_page(const Mf__StoreResult *m, void *ctx)
{
	struct load *l = ctx;
	const char *next;

	if (m == NULL) {
		call_fail_with(l->c, rpc_failure(l->rpc));
	} else if (!json_page(call_arena(l->c), m->data.data, m->data.len, take_role, l, &next)) {
		if (l->too_much != NULL)
			refuse(l, l->too_much);
		else
			call_fail(l->c, ST_DATA_LOSS, "roles: the answer is no page");
	} else if (next != NULL) {
		l->op.cursor = (char *)(uintptr_t)next;
		load_page(l);
	} else if (l->n == 0 && !l->seeded) {
		seed(l);
	} else {
		put_in_force(l);
	}
}

static bool
take_role(void *ctx, const json_t *item)
{
	struct load *l = ctx;
	const char *name = json_string_value(json_object_get(item, "id"));
	struct arena *a = call_arena(l->c);
	struct role_def *d;

	if (name == NULL)
		return true;
	if (l->n == ROLES_MAX)
		l->too_much = arena_printf(a, "there are more than %d roles", ROLES_MAX);
	else if (arena_left(a) < role_bytes(item, name) + ROLES_LEAVE)
		l->too_much = arena_printf(
		    a, "role %.64s: all roles together have too many permissions", name);
	if (l->too_much != NULL)
		return false;
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
		struct role_def *more = ARENA_ARRAY(a, struct role_def, cap);

		if (l->n > 0)
			memcpy(more, l->roles, l->n * sizeof(*more));
		l->roles = more;
		l->cap = cap;
	}
	d = &l->roles[l->n++];
	d->name = arena_strdup(a, name);
	d->n_permissions = take_texts(a, json_object_get(item, "permissions"), &d->permissions);
	d->n_inherits = take_texts(a, json_object_get(item, "inherits"), &d->inherits);
	return true;
}

/* What take_role takes from the arena, at most. */
static size_t
role_bytes(const json_t *item, const char *name)
{
	static const char *const lists[] = { "permissions", "inherits" };
	size_t n = strlen(name) + 4 * 16;

	for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++) {
		const json_t *v = json_object_get(item, lists[k]);

		for (size_t i = 0; i < json_array_size(v); i++)
			n += json_string_length(json_array_get(v, i)) + 17 + sizeof(char *);
	}
	return n;
}

static size_t
take_texts(struct arena *a, const json_t *v, const char *const **out)
{
	const char **texts = ARENA_ARRAY(a, const char *, json_array_size(v) + 1);
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(v); i++) {
		const char *s = json_string_value(json_array_get(v, i));

		if (s != NULL)
			texts[n++] = arena_strdup(a, s);
	}
	*out = texts;
	return n;
}

static void
seed(struct load *l)
{
	struct arena *a = call_arena(l->c);
	Mf__StoreOp op = MF__STORE_OP__INIT;
	Mf__StoreOp **members = ARENA_ARRAY(a, Mf__StoreOp *, policy_n_defaults);

	for (size_t i = 0; i < policy_n_defaults; i++)
		members[i] = seed_role(a, &policy_defaults[i]);
	op.kind = MF__STORE_OP__KIND__TRANSACTION;
	op.n_members = policy_n_defaults;
	op.members = members;
	l->rpc = rpc_new(l->c, l->r->database, NULL);
	mf__database__write(&l->rpc->service, &op, on_seeded, l);
}

static Mf__StoreOp *
seed_role(struct arena *a, const struct role_def *d)
{
	Mf__StoreOp *op = ARENA_NEW(a, Mf__StoreOp);
	struct jw w;

	mf__store_op__init(op);
	op->kind = MF__STORE_OP__KIND__CREATE;
	op->if_absent = true; /* another process may seed at the same time */
	op->model = arena_strdup(a, "role");
	op->id = arena_strdup(a, d->name);
	jw_start(&w, a, 200);
	jw_object(&w, NULL);
	jw_str(&w, "id", d->name);
	jw_array(&w, "permissions");
	for (size_t i = 0; i < d->n_permissions; i++)
		jw_str(&w, NULL, d->permissions[i]);
	jw_close(&w, ']');
	jw_close(&w, '}');
	op->data.data = (uint8_t *)jw_text(&w, &op->data.len);
	return op;
}

static void
on_seeded(const Mf__StoreResult *m, void *ctx)
{
	struct load *l = ctx;

	if (m == NULL) {
		call_fail_with(l->c, rpc_failure(l->rpc));
		return;
	}
	log_info("default_roles_stored", L_INT("roles", policy_n_defaults));
	l->seeded = true;
	l->op.cursor = (char *)(uintptr_t) "";
	load_page(l);
}

static void
put_in_force(struct load *l)
{
	struct rbac *r = l->r;
	Mf__Empty done = MF__EMPTY__INIT;
	struct policy *fresh;
	char err[200];

	fresh = policy_build(l->roles, l->n, err, sizeof(err));
	if (fresh == NULL) {
		refuse(l, err);
		return;
	}
	r->refused = false;
	if (policy_same(fresh, r->policy)) {
		policy_free(&fresh);
	} else {
		bool first = r->policy == NULL;

		policy_free(&r->policy);
		r->policy = fresh;
		metric_set(r->roles, (double)policy_roles(fresh));
		log_info(
		    first ? "roles_read" : "roles_changed", L_INT("roles", policy_roles(fresh)));
		if (!first)
			bus_publish(r->bus, "auth.policy", &done.base);
	}
	if (r->ready != NULL)
		timer_in(&r->ready_timer, 0);
	call_reply(l->c, &done.base);
}

/* Said once: the next readings, which find the same, don't repeat it. */
static void
refuse(struct load *l, const char *why)
{
	if (!l->r->refused)
		log_error("roles_refused", L_STR("why", why),
		    L_STR("in_force", l->r->policy != NULL ? "the roles as they were" : "none"));
	l->r->refused = true;
	call_fail_because(l->c, ST_RESOURCE_EXHAUSTED, TOO_LARGE, 0, "%s", why);
}

static void
load_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct rbac *r = ctx;

	(void)c;
	if (end->failure != NULL && end->failure->status == ST_CANCELLED)
		return; /* the node is ending */
	if (end->failure != NULL && r->policy != NULL &&
	    strcmp(end->failure->reason, TOO_LARGE) != 0)
		log_warn("roles_not_read", L_STR("status", status_name(end->failure->status)),
		    L_STR("why", end->failure->message));
	timer_in(&r->poll_timer,
	    r->policy != NULL || r->refused ? r->config->roles_poll_us : LOAD_RETRY);
	waiters_end(r);
}

static void
waiters_begin(struct rbac *r)
{
	LIST_EACH(&r->waiters, k)
		container_of(k, struct waiter, link)->begun = true;
}

/* Those that came during this reading wait for the next one, which begins at once. */
static void
waiters_end(struct rbac *r)
{
	struct link *k;

	while ((k = list_first(&r->waiters)) != NULL) { /* in the order they came */
		struct waiter *w = container_of(k, struct waiter, link);

		if (!w->begun) {
			timer_in(&r->poll_timer, 0);
			return;
		}
		list_del(&r->waiters, k);
		call_detach(w->c, &w->dep);
		w->then(w->ctx);
	}
}

static void
on_waiter_gone(struct call_dep *d)
{
	struct waiter *w = container_of(d, struct waiter, dep);

	list_del(&w->r->waiters, &w->link);
}

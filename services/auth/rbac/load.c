/* load: reads roles, groups and grants, page by page, into an image beside the one in force, and swaps
 * when it is complete; from then on only what the log of changes names (changes.c). An empty model of
 * roles means a first start: the default roles are stored, all or nothing, and read like any others.
 *
 * What is read while others write belongs to different moments. So the log is looked at again after
 * the rows, until nothing has come meanwhile, and only then all of it comes into force, in one turn of
 * the loop: what decides is always the store as it was at one moment.
 *
 * Each page is a call of its own, so that a million rows need the memory of a thousand. Roles that are
 * too many or too large are refused as a whole, with an error that names the role, and what was in
 * force stays in force. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/load_int.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/step.h"
#include "base/time.h"
#include "proto/database.pb-c.h"

#define PAGE_LIMIT (5 * SEC)
#define LOAD_RETRY (200 * MS) /* until it was read once */
#define LOOK_AGAIN (500 * MS) /* for changes, while decisions are asked for */
#define PAGE       1000

struct waiter { /* for a reading */
	struct link link;
	struct call_dep dep;
	struct rbac *r;
	struct call *c;
	bool begun; /* the reading that it waits for */
	void (*then)(void *ctx, bool ok);
	void *ctx;
};

const char *const reading_models[] = { "role", "group", "grant", NULL };

static void reading_begin(struct timer *timer);
static void on_page(const Mf__StoreResult *m, void *ctx);
static void on_page_end(struct call *c, const struct call_end *end, void *ctx);
static page_fn take_rows;
static void log_end_next(struct reading *g);
static bool take_row(void *ctx, const json_t *item);
static void rows_next(struct reading *g);
static void seed(struct reading *g);
static Mf__StoreOp *seed_role(struct arena *a, const struct role_def *d);
static void on_seeded(const Mf__StoreResult *m, void *ctx);
static void seeded(struct reading *g);
static size_t apply_changes(struct reading *g, const char *model);
static void announce(struct reading *g, bool first, size_t n);
static void refuse(struct reading *g, const char *why);
static void reading_end(struct reading *g, bool ok);
static void waiters_end(struct rbac *r, bool ok);
static void on_waiter_gone(struct call_dep *d);

void
rbac_load(struct rbac *r)
{
	timer_init(&r->poll_timer, r->loop, reading_begin);
	timer_in(&r->poll_timer, 0);
}

void
rbac_load_stop(struct rbac *r)
{
	struct reading *g = r->reading;

	timer_stop(&r->poll_timer);
	r->reading = NULL;
	if (g != NULL) {
		if (g->fresh)
			image_free(&g->into);
		json_decref(g->changed);
		free(g->ids);
		free(g);
	}
	image_free(&r->image);
	r->rules = NULL;
}

void
rbac_load_soon(struct rbac *r)
{
	if (r->reading == NULL && loop_now(r->loop) - r->read_at > LOOK_AGAIN &&
	    (r->poll_timer.at_us == 0 || r->poll_timer.at_us > loop_now(r->loop)))
		timer_in(&r->poll_timer, 0);
}

void
rbac_reload(struct rbac *r, struct call *c, void (*then)(void *ctx, bool ok), void *ctx)
{
	struct waiter *w = ARENA_NEW(call_arena(c), struct waiter);

	w->r = r;
	w->c = c;
	w->then = then;
	w->ctx = ctx;
	w->dep.cancel = on_waiter_gone;
	call_attach(c, &w->dep);
	list_add(&r->waiters, &w->link);
	if (r->reading == NULL) /* else the next one, which begins at its end */
		timer_in(&r->poll_timer, 0);
}

static void
reading_begin(struct timer *timer)
{
	struct rbac *r = container_of(timer, struct rbac, poll_timer);
	struct reading *g = mem_zalloc(sizeof(*g));

	g->r = r;
	g->changed = json_object();
	g->began = loop_now(r->loop);
	r->reading = g;
	LIST_EACH(&r->waiters, k)
		container_of(k, struct waiter, link)->begun = true;
	if (r->image == NULL) {
		reading_all(g);
	} else {
		g->into = r->image;
		g->at = r->image->at;
		reading_changes(g);
	}
}

/* --- pages --- */

void
reading_ask(struct reading *g, page_fn *take, void (*next)(struct reading *))
{
	Mf__StoreOp op = MF__STORE_OP__INIT;
	Mf__KeyValue filter = MF__KEY_VALUE__INIT, *filters[1] = { &filter };

	g->take = take;
	g->next = next;
	(void)snprintf(g->page_cursor, sizeof(g->page_cursor), "%s", g->cursor);
	g->call = call_root(g->r->bus,
	    &(struct call_opts){ .limit_us = PAGE_LIMIT, .done = on_page_end, .ctx = g });
	op.kind = MF__STORE_OP__KIND__QUERY_MANY;
	op.model = (char *)(uintptr_t)g->model;
	op.limit = PAGE;
	op.cursor = g->page_cursor;
	op.cursors = strcmp(g->model, "policy_change") == 0;
	if (g->ids != NULL) {
		filter.key = (char *)(uintptr_t) "id";
		filter.value = g->ids;
		op.n_filters = 1;
		op.filters = filters;
	}
	g->rpc = rpc_new(g->call, g->r->database, NULL);
	mf__database__read(&g->rpc->service, &op, on_page, g);
}

static void
on_page(const Mf__StoreResult *m, void *ctx)
{
	struct reading *g = ctx;
	Mf__Empty done = MF__EMPTY__INIT;
	struct json_error e;
	const char *next;
	json_t *page;

	if (m == NULL) {
		call_fail_with(g->call, rpc_failure(g->rpc));
		return;
	}
	page = json_read(m->data.data, m->data.len, &e);
	next = json_string_value(json_object_get(page, "next_cursor"));
	if (!json_is_array(json_object_get(page, "items")) ||
	    (next != NULL && strlen(next) >= sizeof(g->cursor))) {
		json_decref(page);
		call_fail(g->call, ST_DATA_LOSS, "%s: the answer is no page", g->model);
		return;
	}
	g->bytes += strcmp(g->model, "role") == 0 ? m->data.len : 0;
	(void)snprintf(g->cursor, sizeof(g->cursor), "%s", next == NULL ? "" : next);
	g->take(g, page);
	json_decref(page);
	call_reply(g->call, &done.base);
}

static void
on_page_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct reading *g = ctx;

	(void)c;
	if (end->failure != NULL && end->failure->status == ST_CANCELLED)
		return; /* the node is ending */
	g->call = NULL;
	if (g->why[0] != '\0') {
		refuse(g, g->why);
	} else if (end->failure == NULL) {
		g->next(g);
	} else {
		if (g->r->image != NULL)
			log_warn("roles_not_read",
			    L_STR("status", status_name(end->failure->status)),
			    L_STR("why", end->failure->message));
		reading_end(g, false);
	}
}

/* --- everything --- */

void
reading_all(struct reading *g)
{
	if (!g->fresh) {
		g->fresh = true;
		g->into = image_new();
	}
	json_object_clear(g->changed);
	g->at = (struct log_place){ .before = "" };
	g->rounds = 0;
	g->asked = g->bytes = 0;
	g->gap = false;
	g->cursor[0] = '\0';
	g->model = "policy_change";
	free(g->ids);
	g->ids = NULL;
	reading_ask(g, reading_log_end, log_end_next);
}

/* Where the log ends, before the first row is read. */
void
reading_log_end(struct reading *g, const json_t *page)
{
	struct log_place *at = &g->at;
	const json_t *items = json_object_get(page, "items");
	const json_t *cursors = json_object_get(page, "cursors");
	size_t n = json_array_size(items);

	if (n > 0) {
		const json_t *last = json_array_get(items, n - 1);
		const char *before =
		    n > 1 ? json_string_value(json_array_get(cursors, n - 2)) : g->page_cursor;
		const char *id = json_string_value(json_object_get(last, "id"));
		const char *when = json_string_value(json_object_get(last, "created_at"));

		(void)snprintf(at->before, sizeof(at->before), "%s", before ? before : "");
		(void)snprintf(at->last, sizeof(at->last), "%s", id ? id : "");
		(void)snprintf(at->last_at, sizeof(at->last_at), "%s", when ? when : "");
	}
}

static void
log_end_next(struct reading *g)
{
	if (g->cursor[0] == '\0')
		g->model = reading_models[0];
	if (strcmp(g->model, "policy_change") == 0)
		reading_ask(g, reading_log_end, log_end_next);
	else
		reading_ask(g, take_rows, rows_next);
}

static void
take_rows(struct reading *g, const json_t *page)
{
	const json_t *items = json_object_get(page, "items");

	for (size_t i = 0; i < json_array_size(items) && g->why[0] == '\0'; i++)
		(void)take_row(g, json_array_get(items, i));
}

static bool
take_row(void *ctx, const json_t *item)
{
	struct reading *g = ctx;
	const char *id = json_string_value(json_object_get(item, "id"));

	if (id == NULL)
		return true;
	image_put(g->into, g->model, id, (json_t *)(uintptr_t)item);
	if (json_object_size(g->into->roles) > ROLES_MAX)
		(void)snprintf(g->why, sizeof(g->why), "there are more than %d roles", ROLES_MAX);
	else if (g->into->role_bytes > ROLES_BYTES)
		(void)snprintf(g->why, sizeof(g->why),
		    "role %.64s: all roles together have too many permissions", id);
	return g->why[0] == '\0';
}

static void
rows_next(struct reading *g)
{
	size_t k = 0;

	if (g->cursor[0] != '\0') {
		reading_ask(g, take_rows, rows_next);
		return;
	}
	while (reading_models[k + 1] != NULL && reading_models[k] != g->model)
		k++;
	if (k == 0 && json_object_size(g->into->roles) == 0 && !g->seeded) {
		seed(g);
	} else if (reading_models[k + 1] != NULL) {
		g->model = reading_models[k + 1];
		reading_ask(g, take_rows, rows_next);
	} else {
		g->roles_changed = true;
		g->bytes = 0;
		reading_changes(g);
	}
}

static void
seed(struct reading *g)
{
	struct arena *a;
	Mf__StoreOp op = MF__STORE_OP__INIT;

	g->call = call_root(g->r->bus,
	    &(struct call_opts){ .limit_us = PAGE_LIMIT, .done = on_page_end, .ctx = g });
	a = call_arena(g->call);
	g->next = seeded;
	op.kind = MF__STORE_OP__KIND__TRANSACTION;
	op.n_members = policy_n_defaults;
	op.members = ARENA_ARRAY(a, Mf__StoreOp *, policy_n_defaults);
	for (size_t i = 0; i < policy_n_defaults; i++)
		op.members[i] = seed_role(a, &policy_defaults[i]);
	g->rpc = rpc_new(g->call, g->r->database, NULL);
	mf__database__write(&g->rpc->service, &op, on_seeded, g);
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
	struct reading *g = ctx;
	Mf__Empty done = MF__EMPTY__INIT;

	if (m == NULL)
		call_fail_with(g->call, rpc_failure(g->rpc));
	else
		call_reply(g->call, &done.base);
}

static void
seeded(struct reading *g)
{
	log_info("default_roles_stored", L_INT("roles", policy_n_defaults));
	g->seeded = true;
	reading_all(g);
}

/* --- in force --- */

/* Roles come first: where they are refused, groups and grants stay as they were, too. */
void
reading_in_force(struct reading *g)
{
	struct rbac *r = g->r;
	bool first = r->image == NULL;
	size_t n = apply_changes(g, reading_models[0]);
	char err[200];

	if (g->roles_changed && !image_build(g->into, err, sizeof(err))) {
		refuse(g, err);
		return;
	}
	for (size_t k = 1; reading_models[k] != NULL; k++)
		n += apply_changes(g, reading_models[k]);
	if (g->roles_changed)
		r->refused = false;
	g->into->at = g->at;
	if (g->fresh) {
		image_free(&r->image);
		r->image = g->into;
		r->rules = g->into->rules;
		g->fresh = false;
		n++;
	}
	if (n > 0)
		announce(g, first, n);
	reading_end(g, true);
}

static size_t
apply_changes(struct reading *g, const char *model)
{
	json_t *row;
	const char *id;
	size_t n = 0;

	json_object_foreach(json_object_get(g->changed, model), id, row)
	{
		if (json_is_null(row))
			continue;
		image_put(g->into, model, id, json_is_object(row) ? row : NULL);
		n++;
	}
	return n;
}

static void
announce(struct reading *g, bool first, size_t n)
{
	struct rbac *r = g->r;
	Mf__Empty done = MF__EMPTY__INIT;

	metric_set(r->roles, (double)policy_roles(rules_roles(r->rules)));
	metric_set(r->grants, (double)rules_grants(r->rules));
	log_info(first ? "roles_read" : "roles_changed",
	    L_INT("roles", policy_roles(rules_roles(r->rules))),
	    L_INT("groups", rules_groups(r->rules)), L_INT("grants", rules_grants(r->rules)),
	    L_INT("changes", n), L_INT("took_us", time_now_us() - g->began));
	if (!first)
		bus_publish(r->bus, "auth.policy", &done.base);
}

/* Said once: the next readings, which find the same, don't repeat it. */
static void
refuse(struct reading *g, const char *why)
{
	if (!g->r->refused)
		log_error("roles_refused", L_STR("why", why),
		    L_STR("in_force", g->r->rules != NULL ? "the roles as they were" : "none"));
	g->r->refused = true;
	reading_end(g, false);
}

static void
reading_end(struct reading *g, bool ok)
{
	struct rbac *r = g->r;
	bool again;

	if (g->fresh)
		image_free(&g->into);
	if (ok)
		r->read_at = g->began;
	again = ok && g->more;
	json_decref(g->changed);
	free(g->ids);
	free(g);
	r->reading = NULL;
	if (r->rules != NULL && r->ready != NULL)
		timer_in(&r->ready_timer, 0);
	timer_in(&r->poll_timer, again                            ? 0
				 : r->rules != NULL || r->refused ? r->config->roles_poll_us
								  : LOAD_RETRY);
	waiters_end(r, ok);
}

/* Those that came during this reading wait for the next one, which begins at once. */
static void
waiters_end(struct rbac *r, bool ok)
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
		w->then(w->ctx, ok);
	}
}

static void
on_waiter_gone(struct call_dep *d)
{
	struct waiter *w = container_of(d, struct waiter, dep);

	list_del(&w->r->waiters, &w->link);
}

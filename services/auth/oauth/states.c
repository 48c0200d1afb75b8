/* states: see states.h. */
#include "auth/oauth/states.h"
#include <string.h>
#include "auth/jwt/rows.h"
#include "base/log.h"

#define TAKEN_BY "taken_by" /* in the data: an operation */

struct ask {
	struct web *w;
	struct rpc *rpc;
	const char *kind;
	struct state before; /* of a change */
	state_fn *then;
	void *ctx;
};

static const struct failure gone = { .status = ST_NOT_FOUND, .message = "gone", .reason = "" };
static const struct failure broken = {
	.status = ST_DATA_LOSS, .message = "the stored state is none", .reason = ""
};

static struct ask *begin(struct web *w, const char *kind, state_fn *then, void *ctx);
static void on_row(const Mf__StoreResult *m, void *ctx);
static void on_page(const Mf__StoreResult *m, void *ctx);
static bool newest(void *ctx, const json_t *item);
static bool row_of(struct ask *x, const json_t *v, struct state *out);
static void end(struct ask *x, const json_t *row);
static Mf__StoreOp *op_new(struct web *w, Mf__StoreOp__Kind kind, const char *id);

void
state_create(struct web *w, const char *kind, const char *id, const char *subject, struct jw *data,
    int64_t ttl_us, state_fn *then, void *ctx)
{
	struct ask *x = begin(w, kind, then, ctx);
	Mf__StoreOp *op = op_new(w, MF__STORE_OP__KIND__CREATE, id);
	const char *text;
	struct jw j;
	size_t n;

	text = jw_text(data, &n);
	jw_start(&j, w->a, n + 200);
	jw_object(&j, NULL);
	jw_str(&j, "id", id);
	jw_str(&j, "kind", kind);
	if (subject != NULL)
		jw_str(&j, "subject", subject);
	jw_raw(&j, "data", text, n);
	jw_time(&j, "expires_at", time_wall_us() + ttl_us);
	jw_close(&j, '}');
	op->data.data = (uint8_t *)jw_text(&j, &op->data.len);
	mf__database__write(&x->rpc->service, op, on_row, x);
}

void
state_read(struct web *w, const char *kind, const char *id, state_fn *then, void *ctx)
{
	struct ask *x = begin(w, kind, then, ctx);

	mf__database__read(&x->rpc->service, op_read(w->a, "auth_state", id), on_row, x);
}

void
state_find(struct web *w, const char *kind, const char *subject, state_fn *then, void *ctx)
{
	struct ask *x = begin(w, kind, then, ctx);
	Mf__StoreOp *op = op_query(w->a, "auth_state", "subject", subject);

	op_filter(w->a, op, "kind", kind);
	mf__database__read(&x->rpc->service, op, on_page, x);
}

/* The operation is keyed by the row's version too: what one request changes twice are two changes. */
void
state_change(struct web *w, const struct state *s, struct jw *data, int64_t ttl_us, state_fn *then,
    void *ctx)
{
	struct ask *x = begin(w, s->kind, then, ctx);
	Mf__StoreOp *op = op_new(w, MF__STORE_OP__KIND__UPDATE, s->id);
	struct jw j;

	x->before = *s;
	op->if_version = s->version;
	op->operation_id = arena_printf(
	    w->a, "state:%s:%llu:%s", s->id, (unsigned long long)s->version, w->operation_id);
	jw_start(&j, w->a, 200);
	jw_object(&j, NULL);
	jw_time(&j, "expires_at", ttl_us != 0 ? time_wall_us() + ttl_us : s->expires_us);
	if (data != NULL) {
		struct json_error e;
		size_t n;
		const char *text = jw_text(data, &n);
		json_t *patch = json_read(text, n, &e), *all = json_deep_copy(s->data);

		must(patch != NULL);
		json_object_update(all, patch);
		jw_json(&j, "data", all);
		json_decref(patch);
		json_decref(all);
	}
	jw_close(&j, '}');
	op->data.data = (uint8_t *)jw_text(&j, &op->data.len);
	mf__database__write(&x->rpc->service, op, on_row, x);
}

void
state_take(struct web *w, const struct state *s, state_fn *then, void *ctx)
{
	struct jw j;

	if (state_is_taken_here(w, s)) {
		then(w, s, NULL, ctx);
		return;
	}
	jw_start(&j, w->a, 100);
	jw_object(&j, NULL);
	jw_str(&j, TAKEN_BY, w->operation_id);
	jw_close(&j, '}');
	state_change(w, s, &j, 0, then, ctx);
}

static const char *
taker_of(const struct state *s)
{
	return json_string_value(json_object_get(s->data, TAKEN_BY));
}

bool
state_is_taken(const struct state *s)
{
	return taker_of(s) != NULL;
}

bool
state_is_taken_here(const struct web *w, const struct state *s)
{
	return state_is_taken(s) && strcmp(taker_of(s), w->operation_id) == 0;
}

static struct ask *
begin(struct web *w, const char *kind, state_fn *then, void *ctx)
{
	struct ask *x = ARENA_NEW(w->a, struct ask);

	x->w = w;
	x->kind = kind;
	x->then = then;
	x->ctx = ctx;
	x->rpc = rpc_new(w->c, w->o->tokens->database, NULL);
	return x;
}

static void
on_row(const Mf__StoreResult *m, void *ctx)
{
	struct ask *x = ctx;
	struct json_error e;
	json_t *v;

	if (m == NULL) {
		x->then(x->w, NULL, rpc_failure(x->rpc), x->ctx);
		return;
	}
	v = json_read(m->data.data, m->data.len, &e);
	if (v != NULL)
		call_own_json(x->w->c, v);
	end(x, v);
}

struct pick {
	struct ask *x;
	struct state best;
};

static void
on_page(const Mf__StoreResult *m, void *ctx)
{
	struct ask *x = ctx;
	struct pick p = { .x = x };
	const char *next;

	if (m == NULL)
		x->then(x->w, NULL, rpc_failure(x->rpc), x->ctx);
	else if (!json_page(x->w->a, m->data.data, m->data.len, newest, &p, &next))
		x->then(x->w, NULL, &broken, x->ctx);
	else if (p.best.id == NULL)
		x->then(x->w, NULL, &gone, x->ctx);
	else
		state_read(x->w, x->kind, p.best.id, x->then, x->ctx);
}

static bool
newest(void *ctx, const json_t *item)
{
	struct pick *p = ctx;
	struct state s;

	if (row_of(p->x, item, &s) && s.expires_us > time_wall_us() &&
	    s.expires_us > p->best.expires_us)
		p->best = s;
	return true;
}

static void
end(struct ask *x, const json_t *row)
{
	struct state s;

	if (!row_of(x, row, &s))
		x->then(x->w, NULL, &broken, x->ctx);
	else if (strcmp(s.kind, x->kind) != 0 || s.expires_us <= time_wall_us())
		x->then(x->w, NULL, &gone, x->ctx);
	else
		x->then(x->w, &s, NULL, x->ctx);
}

static bool
row_of(struct ask *x, const json_t *v, struct state *out)
{
	const char *id = json_string_value(json_object_get(v, "id"));
	const char *kind = json_string_value(json_object_get(v, "kind"));
	const char *subject = json_string_value(json_object_get(v, "subject"));
	const char *expires = json_string_value(json_object_get(v, "expires_at"));

	if (id == NULL || kind == NULL || expires == NULL ||
	    !time_parse_rfc3339(str_of(expires), &out->expires_us))
		return false;
	out->id = arena_strdup(x->w->a, id);
	out->kind = arena_strdup(x->w->a, kind);
	out->subject = arena_strdup(x->w->a, subject != NULL ? subject : "");
	out->data = json_object_get(v, "data");
	out->version = (uint64_t)json_integer_value(json_object_get(v, "version"));
	return json_is_object(out->data);
}

static Mf__StoreOp *
op_new(struct web *w, Mf__StoreOp__Kind kind, const char *id)
{
	Mf__StoreOp *op = op_read(w->a, "auth_state", id);

	op->kind = kind;
	return op;
}

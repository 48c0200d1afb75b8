/* session_list: the models my.session and session: where somebody is logged in, and the end of it.
 * Deleting one ends it, as a log-out does. Deleting "*" is logging out everywhere: one's own account,
 * or for an administrator the one that {"user_id"} in data names. Then the account gets a new version,
 * so that every access token of it is refused at once, and each session's row is ended. */
#include <string.h>
#include "auth/jwt/deed.h"
#include "auth/jwt/users_int.h"
#include "base/time.h"

#define ALL "*"

static void end_all(struct deed *k);
static void on_row(const Mf__StoreResult *m, void *ctx);
static void end_one(struct deed *k);
static void on_ended(struct call *c, void *ctx);
static bool write_session(const struct deed *k, const json_t *row, struct jw *w);

void
session_list_read(struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	deed_read(t, c, q, "session", write_session);
}

void
session_list_write(struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	struct deed *k =
	    deed_new(t, c, q, str_starts(q->model, "my.") ? DEED_SESSION : DEED_ANY, NULL);

	if (k == NULL)
		return;
	if (q->kind != MF__STORE_OP__KIND__DELETE) {
		call_fail_because(c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    "operation: a session begins with a log-in; it can be read and deleted");
		return;
	}
	if (strcmp(q->id, ALL) == 0) {
		end_all(k);
		return;
	}
	k->rpc = rpc_new(c, t->database, NULL);
	mf__database__read(&k->rpc->service, op_read(call_arena(c), "session", q->id), on_row, k);
}

/* A change of the account that changes nothing but its version: he may who may change it. */
static void
end_all(struct deed *k)
{
	struct account *x = ARENA_NEW(call_arena(k->c), struct account);
	static const char *const own_fields[] = { NULL }, *const fields[] = { "user_id", NULL };
	json_t *body = json_object();
	const char *user;
	Mf__StoreOp *op;

	call_own_json(k->c, body);
	if (!deed_body(k, k->own ? own_fields : fields))
		return;
	user = k->own ? k->who->id : deed_text(k, "user_id");
	if (user == NULL || !uuid_ok(user)) {
		deed_refuse(k->c, "/user_id", "must say whose");
		return;
	}
	op = op_read(call_arena(k->c), "user", user); /* a copy: the body is wiped */
	op->kind = MF__STORE_OP__KIND__UPDATE;
	op->operation_id = (char *)(uintptr_t)k->operation_id;
	users_begin(x, k->t, k->c, op);
	x->body = body;
	x->ends_sessions = x->silent = true;
	users_judge(x);
}

static void
on_row(const Mf__StoreResult *m, void *ctx)
{
	struct deed *k = ctx;
	struct session_row row;

	if (m == NULL && rpc_failure(k->rpc)->status == ST_NOT_FOUND)
		deed_nowhere(k);
	else if (m == NULL)
		store_failed(k->c, rpc_failure(k->rpc));
	else if (!session_row_read(&m->data, &row))
		call_fail(k->c, ST_DATA_LOSS, "the stored session is none");
	else if (k->own && strcmp(row.user_id, k->who->id) != 0)
		deed_nowhere(k);
	else if (k->own)
		end_one(k);
	else
		deed_cover(k, arena_strdup(call_arena(k->c), row.user_id), end_one);
}

static void
end_one(struct deed *k)
{
	revoke_session(k->t, k->c, k->q->id, on_ended, k);
}

static void
on_ended(struct call *c, void *ctx)
{
	(void)c;
	deed_reply_done(ctx, false);
}

/* One that has ended stays in the store for a day, and is none here. */
static bool
write_session(const struct deed *k, const json_t *row, struct jw *w)
{
	static const struct {
		const char *name, *as;
	} shown[] = {
		{ "id", "id" },
		{ "user_id", "user_id" },
		{ "kind", "kind" },
		{ "client_id", "client_id" },
		{ "client_address", "client_address" },
		{ "user_agent", "user_agent" },
		{ "methods", "methods" },
		{ "limited", "limited" },
		{ "scopes", "scopes" },
		{ "authenticated_at", "authenticated_at" },
		{ "created_at", "created_at" },
		{ "updated_at", "refreshed_at" },
		{ "expires_at", "expires_at" },
	};
	struct session_row s;

	if (!session_row_of(row, &s) || s.expires_us <= time_wall_us())
		return false;
	jw_object(w, NULL);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (json_object_get(row, shown[i].name) != NULL)
			jw_json(w, shown[i].as, json_object_get(row, shown[i].name));
	jw_bool(w, "current", strcmp(s.id, k->who->session_id) == 0);
	jw_close(w, '}');
	return true;
}

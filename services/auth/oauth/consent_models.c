/* consent_models: what users allowed clients (models consent and my.consent). They are made by the
 * consent page alone; here they are read and taken back, and what was given on their account ends. */
#include <string.h>
#include "auth/judged.h"
#include "auth/jwt/rows.h"
#include "auth/oauth/client_models.h"
#include "auth/oauth/client_sessions.h"
#include "auth/store_failed.h"

struct consent_work {
	struct oauth *o;
	struct call *c;
	const Mf__StoreOp *q;
	struct rpc *rpc;
	const char *owner;         /* only of this user; NULL: of all */
	const char *user, *client; /* of the row that is deleted; NULL: it is gone */
	Mf__StoreOp *op;
	Mf__StoreResult answer;
};

static struct consent_work *begin(struct oauth *o, struct call *c, const Mf__StoreOp *q, bool mine);
static void read_it(struct consent_work *x);
static void on_done(const Mf__StoreResult *m, void *ctx);
static void delete_it(struct consent_work *x);
static void on_row(const Mf__StoreResult *m, void *ctx);
static void on_ended(struct call *c, void *ctx);
static void on_deleted(const Mf__StoreResult *m, void *ctx);
static void on_all_ended(struct call *c, void *ctx);
static const char *text(struct consent_work *x, const ProtobufCBinaryData *data, const char *name);
static void not_found(struct consent_work *x);

void
consent_model_read(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	read_it(begin(o, c, q, false));
}

void
my_consent_read(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	struct consent_work *x = begin(o, c, q, true);

	if (x != NULL)
		read_it(x);
}

void
consent_model_write(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	delete_it(begin(o, c, q, false));
}

void
my_consent_write(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	struct consent_work *x = begin(o, c, q, true);

	if (x != NULL)
		delete_it(x);
}

static struct consent_work *
begin(struct oauth *o, struct call *c, const Mf__StoreOp *q, bool mine)
{
	struct consent_work *x = ARENA_NEW(call_arena(c), struct consent_work);
	const Mf__Principal *p = call_principal(c);

	x->o = o;
	x->c = c;
	x->q = q;
	x->op = arena_dup(call_arena(c), q, sizeof(*q));
	x->op->model = (char *)(uintptr_t) "consent";
	if (!mine)
		return x;
	if (p == NULL || p->id[0] == '\0') {
		call_fail_because(
		    c, ST_UNAUTHENTICATED, "NO_CREDENTIAL", 0, "one's own things need a log-in");
		return NULL;
	}
	x->owner = p->id;
	if (q->kind == MF__STORE_OP__KIND__QUERY_MANY)
		op_filter(call_arena(c), x->op, "user_id", x->owner);
	return x;
}

static void
read_it(struct consent_work *x)
{
	x->rpc = rpc_new(x->c, x->o->tokens->database, NULL);
	mf__database__read(&x->rpc->service, x->op, on_done, x);
}

static void
on_done(const Mf__StoreResult *m, void *ctx)
{
	struct consent_work *x = ctx;
	const char *user;

	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	if (x->owner != NULL && x->q->kind == MF__STORE_OP__KIND__READ_ONE) {
		user = text(x, &m->data, "user_id");
		if (user == NULL || strcmp(user, x->owner) != 0) {
			not_found(x);
			return;
		}
	}
	call_reply(x->c, &m->base);
}

static void
delete_it(struct consent_work *x)
{
	if (x->q->kind != MF__STORE_OP__KIND__DELETE) {
		call_fail_because(x->c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    "consents are given on the consent page; here they can be deleted");
		return;
	}
	x->rpc = rpc_new(x->c, x->o->tokens->database, NULL);
	mf__database__read(
	    &x->rpc->service, op_read(call_arena(x->c), "consent", x->q->id), on_row, x);
}

/* The sessions end first: who repeats after a crash finds the row still there, and goes on. And once more
 * when the row is gone: what a code gave that rested on it, and was looked at just before (token.c). */
static void
on_row(const Mf__StoreResult *m, void *ctx)
{
	struct consent_work *x = ctx;

	if (m == NULL && rpc_failure(x->rpc)->status != ST_NOT_FOUND) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	if (m == NULL) { /* deleted: by this very operation? the store knows */
		x->op->if_version = NO_VERSION;
		on_ended(x->c, x);
		return;
	}
	x->user = text(x, &m->data, "user_id");
	x->client = text(x, &m->data, "client_id");
	if (x->user == NULL || x->client == NULL ||
	    (x->owner != NULL && strcmp(x->user, x->owner) != 0))
		not_found(x);
	else
		client_sessions_end(x->o, x->c, x->client, x->user, on_ended, x);
}

static void
on_ended(struct call *c, void *ctx)
{
	struct consent_work *x = ctx;

	x->rpc = rpc_new(c, x->o->tokens->database, NULL);
	mf__database__write(&x->rpc->service, x->op, on_deleted, x);
}

static void
on_deleted(const Mf__StoreResult *m, void *ctx)
{
	struct consent_work *x = ctx;

	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	x->answer = *m;
	if (x->client != NULL)
		client_sessions_end(x->o, x->c, x->client, x->user, on_all_ended, x);
	else
		on_all_ended(x->c, x);
}

static void
on_all_ended(struct call *c, void *ctx)
{
	struct consent_work *x = ctx;

	call_reply(c, &x->answer.base);
}

static const char *
text(struct consent_work *x, const ProtobufCBinaryData *data, const char *name)
{
	struct json_error e;
	json_t *v = json_read(data->data, data->len, &e);
	const char *s = json_string_value(json_object_get(v, name));
	const char *out = s == NULL ? NULL : arena_strdup(call_arena(x->c), s);

	json_decref(v);
	return out;
}

static void
not_found(struct consent_work *x)
{
	call_fail(x->c, ST_NOT_FOUND, "there is no such consent");
}

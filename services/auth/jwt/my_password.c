/* my_password: the model my.password: one's own password is changed by who knows it. Every other
 * session of his is ended; this one goes on, with a refresh, as its access token is of the account
 * that was. The change itself is that of any account (users.c, users_effect.c). */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/proof.h"
#include "auth/jwt/users_int.h"

static void on_user(struct deed *k);
static void on_right(struct deed *k);
static void on_wrong(struct deed *k);
static void forget(struct call_dep *d);

void
my_password_write(struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	static const char *const fields[] = { "current", "password", NULL };
	struct account *x = ARENA_NEW(call_arena(c), struct account);
	struct deed *k = deed_new(t, c, q, DEED_SESSION, x);
	Mf__StoreOp *op;

	if (k == NULL)
		return;
	if (q->kind != MF__STORE_OP__KIND__UPDATE) {
		call_fail_because(
		    c, ST_INVALID_ARGUMENT, "VALIDATION", 0, "operation: a password is updated");
		return;
	}
	if (!deed_body(k, fields))
		return;
	if (deed_text(k, "password") == NULL) {
		deed_refuse(c, "/password", "must be the new password");
		return;
	}
	op = op_read(call_arena(c), "user", k->who->id);
	op->kind = MF__STORE_OP__KIND__UPDATE;
	op->operation_id = (char *)(uintptr_t)k->operation_id;
	users_begin(x, t, c, op);
	x->body = k->body;
	x->keep = k->who->session_id;
	x->ends_sessions = x->silent = true;
	x->owner = k;
	deed_user(k, k->who->id, on_user);
}

static void
on_user(struct deed *k)
{
	if (k->user.service)
		call_fail_because(k->c, ST_FAILED_PRECONDITION, "SERVICE_ACCOUNT", 0,
		    "a service account has no password");
	else
		proof_password(k, "/current", on_right, on_wrong);
}

/* Only what was right a moment ago may be replaced. */
static void
on_right(struct deed *k)
{
	struct account *x = k->owner;
	json_t *body = json_object();

	x->password = arena_strdup(call_arena(k->c), deed_text(k, "password"));
	x->dep.cancel = forget;
	call_attach(k->c, &x->dep);
	call_own_json(k->c, body);
	x->body = body; /* nothing else of the account changes */
	((Mf__StoreOp *)(uintptr_t)x->q)->if_version = k->user.version;
	users_judge(x);
}

static void
forget(struct call_dep *d)
{
	struct account *x = container_of(d, struct account, dep);

	sodium_memzero(x->password, strlen(x->password));
}

/* It is, too, where this very operation has changed it and its answer was lost. */
static void
on_wrong(struct deed *k)
{
	struct account *x = k->owner;

	x->wrong = true;
	x->user = k->user;
	users_look_back(x);
}

void
my_password_wrong(struct account *x)
{
	proof_failed(x->owner, "/current", "is not your password");
}

/* accounts: the models of the auth domain, each kept by an agent: jwt has what a password or a token
 * hangs on, rbac what decides, oauth what clients and outside providers are. Here the sequence moves
 * before a write is answered, so that nothing that was granted before counts any more once somebody
 * knows that it was changed.
 *
 * A write is in the audit log before it is made, and again with its outcome: whoever is killed in
 * between leaves what was begun to be seen, and nothing is changed while the log can't be written. */
#include <sodium.h>
#include <stddef.h>
#include <string.h>
#include "auth/auth.h"
#include "base/step.h"
#include "base/time.h"
#include "proto/jwt.pb-c.h"
#include "proto/oauth.pb-c.h"
#include "proto/rbac.pb-c.h"

struct account {
	struct auth *a;
	struct call *c;
	struct rpc *rpc;
	const Mf__StoreOp *q;
	const struct home *h;
	const Mf__StoreResult *answer; /* NULL: failure */
};

static struct account *begin(Mf__Auth_Service *s, struct call *c);
static const struct home *home_of(struct call *c, const Mf__StoreOp *q);
static void on_read(const Mf__StoreResult *m, void *ctx);
static void on_begun(bool durable, void *ctx);
static void on_written(const Mf__StoreResult *m, void *ctx);
static void on_recorded(bool durable, void *ctx);
static struct audit_event event_of(const struct account *x);

/* The agents' Read and Write have one shape. */
typedef void
store_fn(ProtobufCService *, const Mf__StoreOp *, Mf__StoreResult_Closure closure, void *ctx);

/* Which agent keeps what. A name that ends with a dot stands for all that begin so. */
static const struct home {
	const char *model;
	size_t target; /* in struct auth */
	store_fn *read, *write;
} homes[] = {
#define JWT   offsetof(struct auth, jwt), mf__jwt__read, mf__jwt__write
#define RBAC  offsetof(struct auth, rbac), mf__rbac__read, mf__rbac__write
#define OAUTH offsetof(struct auth, oauth), mf__oauth__read, mf__oauth__write
	{ "user", JWT },
	{ "session", JWT },
	{ "api_key", JWT },
	{ "factor", JWT },
	{ "signing_key", JWT },
	{ "my.consent", OAUTH },
	{ "my.identity", OAUTH },
	{ "my.", JWT },
	{ "role", RBAC },
	{ "group", RBAC },
	{ "grant", RBAC },
	{ "policy", RBAC },
	{ "decision", RBAC },
	{ "client", OAUTH },
	{ "consent", OAUTH },
	{ "provider", OAUTH },
	{ "identity", OAUTH },
};

void
auth_read(Mf__Auth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct account *x = begin(s, ctx);
	const struct home *h;

	(void)reply;
	if (!q->explain && strcmp(q->model, "audit") == 0) {
		audit_read(x->a, x->c, q);
		return;
	}
	if ((h = home_of(x->c, q)) == NULL)
		return;
	x->rpc = rpc_new(x->c, *(struct target **)((char *)x->a + h->target), NULL);
	h->read(&x->rpc->service, q, on_read, x);
}

void
auth_write(Mf__Auth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct account *x = begin(s, ctx);
	struct audit_event e;

	(void)reply;
	x->h = home_of(x->c, q);
	if (x->h == NULL)
		return;
	x->q = q;
	e = event_of(x);
	e.outcome = "begun";
	audit_await(x->a->audit, x->c, &e, AUDIT_MUST, on_begun, x);
}

static void
on_begun(bool durable, void *ctx)
{
	struct account *x = ctx;

	if (durable) {
		STEP("auth.write.begun");
		x->rpc = rpc_new(x->c, *(struct target **)((char *)x->a + x->h->target), NULL);
		x->h->write(&x->rpc->service, x->q, on_written, x);
	} else {
		call_fail_because(x->c, ST_UNAVAILABLE, "AUDIT_UNAVAILABLE", 500,
		    "the change can't be recorded now");
	}
	sodium_memzero(x->q->data.data, x->q->data.len); /* it was packed; may hold a password */
}

/* NULL: the call was refused. There are plans of what is one operation on a store: reads of users and
 * roles. All else is more than that, and must not be done because a plan was asked for. */
static const struct home *
home_of(struct call *c, const Mf__StoreOp *q)
{
	bool read =
	    q->kind == MF__STORE_OP__KIND__READ_ONE || q->kind == MF__STORE_OP__KIND__QUERY_MANY;

	if (q->explain &&
	    (!read || (strcmp(q->model, "user") != 0 && strcmp(q->model, "role") != 0))) {
		call_fail_because(c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    "explain: there is no plan of this operation on %s", q->model);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++) {
		size_t n = strlen(homes[i].model);

		if (homes[i].model[n - 1] == '.' ? strncmp(homes[i].model, q->model, n) == 0
						 : strcmp(homes[i].model, q->model) == 0)
			return &homes[i];
	}
	call_fail(c, ST_INVALID_ARGUMENT, "model: is none of the auth domain");
	return NULL;
}

static struct account *
begin(Mf__Auth_Service *s, struct call *c)
{
	struct account *x = ARENA_NEW(call_arena(c), struct account);

	x->a = container_of(s, struct auth, service);
	x->c = c;
	return x;
}

static void
on_read(const Mf__StoreResult *m, void *ctx)
{
	struct account *x = ctx;

	if (m != NULL)
		call_reply(x->c, &m->base);
	else
		auth_pass_on(x->c, rpc_failure(x->rpc));
}

/* The sequence moves also when the outcome is not known. */
static void
on_written(const Mf__StoreResult *m, void *ctx)
{
	struct account *x = ctx;
	const struct failure *f = m == NULL ? rpc_failure(x->rpc) : NULL;
	struct audit_event e = event_of(x);

	STEP("auth.write.done");
	if (f == NULL || status_is_fault(f->status)) {
		if (x->h->target == offsetof(struct auth, rbac))
			x->a->policy_us = time_wall_us();
		auth_bump(x->a, "account");
	}
	x->answer = m;
	e.agent = rpc_node(x->rpc);
	e.outcome = "ok";
	if (m != NULL && m->repeated)
		e.cause = "REPEATED";
	if (f != NULL) {
		e.outcome = status_is_fault(f->status) ? "failed" : "refused";
		e.cause = f->reason[0] != '\0' ? f->reason : status_name(f->status);
	}
	audit_await(x->a->audit, x->c, &e, AUDIT_REFUSAL, on_recorded, x);
}

static void
on_recorded(bool durable, void *ctx)
{
	struct account *x = ctx;

	(void)durable; /* that it was begun is */
	on_read(x->answer, x);
}

/* Who, what, on what; never the data, which may hold secrets. */
static struct audit_event
event_of(const struct account *x)
{
	static const char *const verbs[] = { [MF__STORE_OP__KIND__READ_ONE] = "read",
		[MF__STORE_OP__KIND__QUERY_MANY] = "query",
		[MF__STORE_OP__KIND__CREATE] = "create",
		[MF__STORE_OP__KIND__UPDATE] = "update",
		[MF__STORE_OP__KIND__DELETE] = "delete",
		[MF__STORE_OP__KIND__BULK_CREATE] = "bulk_create",
		[MF__STORE_OP__KIND__TRANSACTION] = "transaction",
		[MF__STORE_OP__KIND__BULK] = "bulk",
		[MF__STORE_OP__KIND__APPEND] = "append",
		[MF__STORE_OP__KIND__TRIM] = "trim" };
	const Mf__Principal *p = call_principal(x->c);
	size_t kind = (size_t)x->q->kind;
	bool is_user = strcmp(x->q->model, "user") == 0;

	return (struct audit_event){ .kind = "write",
		.agent = "auth",
		.actor = p != NULL ? p->id : NULL,
		.name = p != NULL ? p->name : NULL,
		.client_id = p != NULL ? p->client_id : NULL,
		.session = p != NULL ? p->session_id : NULL,
		.model = x->q->model,
		.object = x->q->id,
		.subject = is_user && uuid_ok(x->q->id) ? x->q->id : NULL,
		.operation = kind < sizeof(verbs) / sizeof(verbs[0]) ? verbs[kind] : "other",
		.operation_id = x->q->operation_id };
}

/* admit: see admit.h. */
#include "api/live/admit.h"

#include "api/ops/ops.h"
#include "base/id.h"
#include "base/time.h"

#define ADMIT_MS 1000 /* a turn is quick, or tried again */

struct admission {
	struct turn *t;
	struct rpc *rpc;
	admit_fn *fn;
	void *ctx;
	char task_id[UUID_LEN];
	Mf__TaskRequest q;
	Mf__AuthRequirement auth;
};

static void on_checked(const Mf__TaskResponse *, void *);

void
admit(struct turn *t, const char *credential, const char *permission, admit_fn *fn, void *ctx)
{
	struct admission *x = ARENA_NEW(t->a, struct admission);

	x->t = t;
	x->fn = fn;
	x->ctx = ctx;
	uuid7(x->task_id);
	mf__task_request__init(&x->q);
	mf__auth_requirement__init(&x->auth);
	x->q.task_id = x->task_id;
	x->q.deadline_ms = ADMIT_MS;
	x->q.auth = &x->auth;
	x->auth.credential = (char *)credential;
	x->auth.require_permission = (char *)permission;
	x->auth.client_address = t->state->client_address;
	x->rpc = ops_execute(t->c, &x->q, on_checked, x);
}

bool
admit_refused(const struct failure *f)
{
	return f->status == ST_UNAUTHENTICATED || f->status == ST_PERMISSION_DENIED;
}

/* An empty credential may be let in as anonymous; a session is somebody's. */
static void
on_checked(const Mf__TaskResponse *m, void *ctx)
{
	static const struct failure nobody = { .status = ST_UNAUTHENTICATED,
		.reason = "NO_CREDENTIAL",
		.message = "a session needs a credential" };
	struct admission *x = ctx;
	struct failure f;

	if (m == NULL) {
		x->fn(x->t, NULL, rpc_failure(x->rpc), x->ctx);
	} else if (!m->success) {
		if (m->problem != NULL)
			problem_from(x->t->a, m->problem, &f);
		else
			f = (struct failure){ .status = ST_UNKNOWN, .message = "", .reason = "" };
		x->fn(x->t, NULL, &f, x->ctx);
	} else if (m->principal == NULL || m->principal->id[0] == '\0') {
		x->fn(x->t, NULL, &nobody, x->ctx);
	} else {
		x->fn(x->t, m->principal, NULL, x->ctx);
	}
}

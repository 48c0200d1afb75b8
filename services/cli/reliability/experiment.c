/* experiment: see experiment.h. Asked for over the bus, as everything that is measured: an order to
 * `meta` with our credential, gated there as over HTTP. */
#include "cli/reliability/experiment.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "cli/reliability/live.h"
#include "cli/reliability/measure.h"

#define ASK_US   (5 * SEC)
#define AGAIN_US (100 * MS)

static void ask(struct experiment *, const char *, const char *);
static void on_answer(const Mf__TaskResponse *, void *);
static void on_end(struct call *, const struct call_end *, void *);
static void began(struct experiment *, enum status, const char *);
static void ended(struct experiment *, enum status);
static void forget(struct experiment *);

void
experiment_begin(struct measure *m, struct experiment *x)
{
	char order[320];
	int n;

	x->m = m;
	x->from_us = x->until_us = 0;
	x->why[0] = '\0';
	uuid7(x->id);
	x->noted = undo_note(live_undo(m->live), x->id);
	if (x->noted == NULL) {
		x->state = EXPERIMENT_REFUSED;
		snprintf(x->why, sizeof(x->why), "too many are not known to be over");
		return;
	}
	n = snprintf(order, sizeof(order), "{\"action\":\"%s\",\"target\":\"%s\",\"for_ms\":%u",
	    x->action, x->target, x->for_ms);
	if (x->probability > 0)
		n += snprintf(order + n, sizeof(order) - (size_t)n,
		    ",\"probability\":%.6f,\"seed\":%llu", x->probability,
		    (unsigned long long)(m->o->seed & INT64_MAX));
	if (x->delay_ms > 0)
		n +=
		    snprintf(order + n, sizeof(order) - (size_t)n, ",\"delay_ms\":%u", x->delay_ms);
	snprintf(order + n, sizeof(order) - (size_t)n, "}");
	x->state = EXPERIMENT_ASKED;
	ask(x, "chaos", order);
}

void
experiment_end(struct experiment *x)
{
	if (x->state != EXPERIMENT_RUNS || x->root != NULL)
		return;
	if (time_now_us() > x->from_us + x->for_ms * MS + SEC) {
		ended(x, ST_OK); /* by its own clock */
		return;
	}
	x->state = EXPERIMENT_ENDING;
	ask(x, "chaos_end", "");
}

void
experiment_end_all(struct measure *m, struct experiment *x, size_t n)
{
	bool open;

	do {
		open = false;
		for (size_t i = 0; i < n; i++) {
			experiment_end(&x[i]);
			open |= experiment_is_open(&x[i]);
		}
		if (open)
			measure_pause(m, AGAIN_US);
	} while (open);
}

bool
experiment_is_open(const struct experiment *x)
{
	return x->root != NULL || x->state == EXPERIMENT_ASKED || x->state == EXPERIMENT_RUNS ||
	       x->state == EXPERIMENT_ENDING;
}

/* The operation's id is the experiment's: the same after a lost answer. */
static void
ask(struct experiment *x, const char *operation, const char *order)
{
	bool begins = order[0] != '\0';
	char end_id[UUID_LEN];
	Mf__TaskRequest q = MF__TASK_REQUEST__INIT;
	Mf__MetaRequirement meta = MF__META_REQUIREMENT__INIT;
	Mf__AuthRequirement auth = MF__AUTH_REQUIREMENT__INIT;

	uuid7(end_id);
	meta.operation = (char *)(uintptr_t)operation;
	if (!begins)
		meta.node = x->id;
	meta.data = (ProtobufCBinaryData){ strlen(order), (uint8_t *)(uintptr_t)order };
	auth.credential = x->m->token;
	q.meta = &meta;
	q.auth = &auth;
	q.priority = MF__PRIORITY__CRITICAL; /* an end must get through to a fleet that is hurt */
	q.deadline_ms = (uint32_t)(ASK_US / MS);
	x->root = call_root(client_bus(x->m->client), &(const struct call_opts){ .limit_us = ASK_US,
							  .operation_id = begins ? x->id : end_id,
							  .done = on_end,
							  .ctx = x });
	x->rpc = rpc_new(x->root, x->m->meta, NULL);
	mf__meta__execute(&x->rpc->service, &q, on_answer, x);
}

static void
on_answer(const Mf__TaskResponse *r, void *ctx)
{
	struct experiment *x = ctx;

	if (r == NULL)
		call_fail_with(x->root, rpc_failure(x->rpc));
	else
		call_reply(x->root, &r->base);
}

static void
on_end(struct call *root, const struct call_end *end, void *ctx)
{
	struct experiment *x = ctx;
	const Mf__TaskResponse *r = (const Mf__TaskResponse *)end->reply;
	enum status s = r == NULL ? end->failure->status : (enum status)r->status;
	const char *message = r == NULL            ? end->failure->message
	                      : r->problem != NULL ? r->problem->message
	                                           : "";

	(void)root;
	x->root = NULL;
	if (x->state == EXPERIMENT_ASKED)
		began(x, s, message);
	else
		ended(x, s);
}

/* Of one without an answer nobody knows whether it runs: its id stays noted. */
static void
began(struct experiment *x, enum status s, const char *message)
{
	if (s == ST_OK) {
		x->state = EXPERIMENT_RUNS;
		x->from_us = time_now_us();
		return;
	}
	x->state = EXPERIMENT_REFUSED;
	snprintf(x->why, sizeof(x->why), "%s", message);
	if (!status_is_fault(s))
		forget(x);
}

/* Not found: another `meta` has come, or it is long over. */
static void
ended(struct experiment *x, enum status s)
{
	if (s != ST_OK && s != ST_NOT_FOUND) {
		x->state = EXPERIMENT_RUNS;
		return;
	}
	x->state = EXPERIMENT_ENDED;
	x->until_us = time_now_us();
	forget(x);
}

static void
forget(struct experiment *x)
{
	if (x->noted != NULL)
		x->noted[0] = '\0';
	x->noted = NULL;
}

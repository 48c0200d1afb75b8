/* retry: see retry.h. Called by rpc.c for each failed try. */
#include <string.h>
#include "base/time.h"
#include "bus/retry.h"

static void rest(struct retry_budget *b, int64_t now_us);
static bool may_repeat(const struct retry_case *c);
static int64_t backoff(const struct retry_case *c, double unit);

void
retry_budget_init(struct retry_budget *b, int64_t now_us)
{
	*b = (struct retry_budget){ .tokens = RETRY_QUIET, .calm = RETRY_CALM, .at_us = now_us };
}

void
retry_budget_first(struct retry_budget *b, double share, bool retried)
{
	if (!retried || retry_budget_calm(b))
		b->tokens = b->tokens + share < RETRY_TOKENS_MAX ? b->tokens + share : b->tokens;
	else if (b->tokens - 1 >= -RETRY_QUIET)
		b->tokens -= 1;
}

void
retry_budget_ended(struct retry_budget *b, bool failed, int64_t now_us)
{
	rest(b, now_us);
	b->calm += failed ? -1 : RETRY_WELL;
	if (b->calm > RETRY_CALM)
		b->calm = RETRY_CALM;
	else if (b->calm < 0)
		b->calm = 0;
}

bool
retry_budget_calm(const struct retry_budget *b)
{
	return b->calm > RETRY_CALM / 2;
}

bool
retry_budget_take(struct retry_budget *b, int64_t now_us)
{
	rest(b, now_us);
	if (b->tokens < 1)
		return false;
	b->tokens -= 1;
	return true;
}

bool
retry_next(const struct retry_case *c, struct retry_budget *b, int64_t now_us, double unit,
    int64_t *delay_us)
{
	uint32_t most = c->tries_most > 0 ? c->tries_most : RETRY_TRIES;
	int64_t delay;

	if (c->never_left && c->left_us > 0) {
		*delay_us = 0; /* no work was caused: it costs neither a try nor a token */
		return true;
	}
	if (c->tries >= most || !may_repeat(c))
		return false;
	if ((c->retried || c->spent) && !retry_budget_calm(b))
		return false;
	delay = backoff(c, unit);
	if (delay >= c->left_us || !retry_budget_take(b, now_us))
		return false;
	*delay_us = delay;
	return true;
}

/* What comes back by itself. */
static void
rest(struct retry_budget *b, int64_t now_us)
{
	double more = (double)(now_us - b->at_us) / (double)SEC * RETRY_QUIET_RATE;

	if (more <= 0)
		return;
	b->at_us = now_us;
	if (b->tokens < RETRY_QUIET)
		b->tokens = b->tokens + more < RETRY_QUIET ? b->tokens + more : RETRY_QUIET;
	b->calm = b->calm + more < RETRY_CALM ? b->calm + more : RETRY_CALM;
}

static bool
may_repeat(const struct retry_case *c)
{
	if (c->class == METHOD_UNSAFE)
		return false;
	if (c->lost || c->late || c->garbled)
		return true;
	if (c->status != ST_UNAVAILABLE)
		return false;
	/* The member is fine, what it needs is not, and it has waited for that already. */
	if (strcmp(c->reason, "NO_MEMBER") == 0 || strcmp(c->reason, "BREAKER_OPEN") == 0)
		return false;
	return c->other || c->pushback_ms <= RETRY_PUSHBACK_MS;
}

static int64_t
backoff(const struct retry_case *c, double unit)
{
	int64_t most = RETRY_BASE_US;

	if (c->lost || c->late || c->other)
		return 0; /* another member, or this one's next life: waiting there is HOLD's affair
		           */
	for (uint32_t i = 1; i < c->tries && most < RETRY_CAP_US; i++)
		most *= 2;
	if (most > RETRY_CAP_US)
		most = RETRY_CAP_US;
	if (c->pushback_ms > 0) /* honoured in full, the jitter comes on top */
		return (int64_t)c->pushback_ms * MS +
		       (int64_t)(unit * (double)c->pushback_ms * 250.0);
	return (int64_t)(unit * (double)most);
}

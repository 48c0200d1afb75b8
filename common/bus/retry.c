/* retry: see retry.h. Called by rpc.c for each failed try. */
#include <string.h>
#include "base/time.h"
#include "bus/retry.h"

static bool may_repeat(const struct retry_case *c);
static int64_t backoff(const struct retry_case *c, double unit);

void
retry_budget_init(struct retry_budget *b, int64_t now_us)
{
	b->tokens = RETRY_QUIET;
	b->at_us = now_us;
}

void
retry_budget_first(struct retry_budget *b, double share)
{
	if (b->tokens + share <= RETRY_TOKENS_MAX)
		b->tokens += share;
}

bool
retry_budget_take(struct retry_budget *b, int64_t now_us)
{
	double more = (double)(now_us - b->at_us) / (double)SEC * RETRY_QUIET_RATE;

	if (now_us > b->at_us) {
		b->at_us = now_us;
		if (b->tokens < RETRY_QUIET)
			b->tokens = b->tokens + more < RETRY_QUIET ? b->tokens + more : RETRY_QUIET;
	}
	if (b->tokens < 1)
		return false;
	b->tokens -= 1;
	return true;
}

bool
retry_next(const struct retry_case *c, struct retry_budget *b, int64_t now_us, double unit,
    int64_t *delay_us)
{
	int64_t delay;

	if (c->never_left && c->left_us > 0) {
		*delay_us = 0; /* no work was caused: it costs neither a try nor a token */
		return true;
	}
	if (c->tries >= RETRY_TRIES || !may_repeat(c))
		return false;
	delay = backoff(c, unit);
	if (delay >= c->left_us || !retry_budget_take(b, now_us))
		return false;
	*delay_us = delay;
	return true;
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

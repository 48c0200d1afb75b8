/* risk: see risk.h. The weights, and why:
 *
 *	account_failures	somebody guesses; but its owner can't help it, so it stays small
 *	address_failures	who fails at many accounts from one network is no typist
 *	reuse			two people have had one token: one of them is not its owner
 *	new_network, new_agent	a stolen password is used elsewhere than where its owner is; people do
 *				move, so it is no reason for more than a second factor by itself
 *	speed			nobody travels faster than a plane; networks of companies and mobile
 *				networks come out far away, so it is no proof either */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "auth/risk.h"

const struct risk_weight risk_weights[RISK_SIGNS] = {
	/*                             name               points  most  from */
	[RISK_ACCOUNT_FAILURES] = { "account_failures", 0.5, 20, 3 },
	[RISK_ADDRESS_FAILURES] = { "address_failures", 1, 35, 5 },
	[RISK_REUSE] = { "reuse", 40, 60, 0.05 },
	[RISK_NEW_NETWORK] = { "new_network", 15, 15, 1 },
	[RISK_NEW_AGENT] = { "new_agent", 10, 10, 1 },
	[RISK_SPEED] = { "speed", 0.03, 30, 900 },
};

struct risk
risk_of(const struct risk_input *in)
{
	struct risk r = { 0 };

	for (int i = 0; i < RISK_SIGNS; i++) {
		const struct risk_weight *w = &risk_weights[i];
		double points = in->seen[i] >= w->from ? in->seen[i] * w->points : 0;

		r.points[i] = (uint32_t)lround(points < w->most ? points : w->most);
		r.score += r.points[i];
	}
	if (r.score > 100)
		r.score = 100;
	return r;
}

void
risk_reasons(const struct risk *r, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (int i = 0; i < RISK_SIGNS && n < size; i++)
		if (r->points[i] > 0)
			n += (size_t)snprintf(out + n, size - n, "%s%s %u", n > 0 ? ", " : "",
			    risk_weights[i].name, r->points[i]);
}

const char *
risk_policy_name(enum risk_policy p)
{
	static const char *const names[] = { "allow", "factor", "refuse", "lock" };

	return names[p];
}

enum risk_policy
risk_judge(const struct risk_limits *l, uint32_t score, bool factor_brought)
{
	if (score < l->factor)
		return RISK_ALLOW;
	if (score < l->refuse || factor_brought)
		return RISK_FACTOR;
	return score < l->lock ? RISK_REFUSE : RISK_LOCK;
}

double
risk_decayed(double value, int64_t age_us, int64_t life_us)
{
	if (age_us <= 0)
		return value;
	return age_us >= life_us ? 0 : value * (1.0 - (double)age_us / (double)life_us);
}

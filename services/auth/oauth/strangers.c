/* strangers: see strangers.h. */
#include "auth/oauth/strangers.h"
#include "auth/jwt/tries.h"
#include "auth/network.h"
#include "auth/oauth/flow.h"

#define TOLD_MOST  60 /* reports of one network at once, then one each */
#define TOLD_EVERY (15 * SEC)

struct tries *
strangers_new(const struct oauth_config *config)
{
	return tries_new((unsigned)config->open_requests, FLOW_LIFE / config->open_requests);
}

struct tries *
strangers_told_new(void)
{
	return tries_new(TOLD_MOST, TOLD_EVERY);
}

bool
stranger_begins(struct web *w)
{
	int64_t now_us = loop_now(w->o->tokens->loop), wait_us;
	char network[NETWORK_LEN];

	network_of(w->q->client_address, network);
	wait_us = tries_wait(w->o->strangers, network, now_us);
	if (wait_us == 0) {
		tries_failed(w->o->strangers, network, now_us); /* how it ends nobody tells */
		return true;
	}
	web_add(w, "retry-after", "%lld", (long long)wait_us / SEC + 1);
	web_error(w, 429, "temporarily_unavailable",
	    "too much was begun from your network and not finished; try again later");
	return false;
}

void
stranger_seen(struct web *w, const char *kind, const char *client_id, const char *detail)
{
	int64_t now_us = loop_now(w->o->tokens->loop);
	char network[NETWORK_LEN];

	network_of(w->q->client_address, network);
	if (tries_wait(w->o->told, network, now_us) > 0)
		return;
	tries_failed(w->o->told, network, now_us);
	web_report(w, kind, NULL, client_id, detail);
}

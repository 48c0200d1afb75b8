/* essential: which requests go on when only essential services do. Pure; meta asks it, and its
 * callers, who then spare themselves the way. */
#ifndef META_ESSENTIAL_H
#define META_ESSENTIAL_H

#include <stdbool.h>
#include <string.h>
#include "proto/meta.pb-c.h"

#define PRIORITIES 5 /* 1 CRITICAL .. 4 LOW; 0 is none */

/* ORDINARY: refused when only essential services go on. ESSENTIAL: reads, and who somebody is;
 * shed by priority like any. ALWAYS: what shows the fleet, and what brings it back; it costs no
 * domain anything and is never refused. */
enum service_need { NEED_ORDINARY, NEED_ESSENTIAL, NEED_ALWAYS };

static inline bool
essential_is_one_of(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

static inline enum service_need
essential_need(const Mf__TaskRequest *q)
{
	static const char *const own[] = { "fleet", "calls", "settings", "health", "errors",
		"figures", "crashes", "crash", "upgrade_state", "chaos_list", "restart", "faults",
		"chaos_end", "traces", "trace", NULL };
	static const char *const reads[] = { "read", "query", NULL },
				 *const gets[] = { "GET", "HEAD", NULL },
				 *const checks[] = { "", "check", "verify", NULL };
	bool essential = true;

	if (q->explain)
		return NEED_ESSENTIAL;
	if (q->meta != NULL)
		return essential_is_one_of(q->meta->operation, own) ? NEED_ALWAYS : NEED_ORDINARY;
	if (q->auth != NULL && strcmp(q->auth->operation, "web") == 0)
		essential = q->auth->web != NULL && essential_is_one_of(q->auth->web->method, gets);
	else if (q->auth != NULL)
		essential = essential_is_one_of(q->auth->operation, checks);
	if (q->database != NULL)
		essential = essential && essential_is_one_of(q->database->operation, reads);
	else if (q->api != NULL)
		essential = essential && essential_is_one_of(q->api->method, gets);
	return essential ? NEED_ESSENTIAL : NEED_ORDINARY;
}

static inline uint32_t
essential_priority(const Mf__TaskRequest *q)
{
	return q->priority >= MF__PRIORITY__CRITICAL && q->priority <= MF__PRIORITY__LOW
	           ? (uint32_t)q->priority
	           : (uint32_t)MF__PRIORITY__MEDIUM;
}

#endif

/* metafed/methods.h: the methods that a fleet has for everybody, typed. Each starts the call, waits for
 * its end and returns its code; *reply is NULL, or lives as long as the call. Asynchronously:
 * metafed_call_start() with the same descriptor and name.
 *
 * A request that could be judged is METAFED_OK here, whatever the judgement was: TaskResponse.status
 * and HttpResponse.status say it. */
#ifndef METAFED_METHODS_H
#define METAFED_METHODS_H

#include <metafed/client.h>
#include <metafed/proto/meta.pb-c.h>
#include <metafed/proto/node.pb-c.h>
#include <metafed/proto/rest.pb-c.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One TaskRequest: all that can be done with a fleet. Without a deadline of the call,
 * request.deadline_ms is the call's. */
static inline enum metafed_code
metafed_execute(struct metafed_call *k, const Mf__TaskRequest *q, const Mf__TaskResponse **reply)
{
	enum metafed_code code = metafed_call_run(k, &mf__meta__descriptor, "Execute", &q->base);

	*reply = (const Mf__TaskResponse *)metafed_call_reply(k);
	return code;
}

/* The request that an HTTP client would send, given to an API agent: path "/v1/tasks". */
static inline enum metafed_code
metafed_http(struct metafed_call *k, const Mf__HttpRequest *q, const Mf__HttpResponse **reply)
{
	enum metafed_code code = metafed_call_run(k, &mf__rest__descriptor, "Handle", &q->base);

	*reply = (const Mf__HttpResponse *)metafed_call_reply(k);
	return code;
}

/* The processes of the fleet. */
static inline enum metafed_code
metafed_fleet(struct metafed_call *k, const Mf__FleetState **reply)
{
	const Mf__Empty q = MF__EMPTY__INIT;
	enum metafed_code code = metafed_call_run(k, &mf__meta__descriptor, "Fleet", &q.base);

	*reply = (const Mf__FleetState *)metafed_call_reply(k);
	return code;
}

/* One node, named by metafed_call_set(k, "node", NAME). */
static inline enum metafed_code
metafed_node_info(struct metafed_call *k, const Mf__NodeInfo **reply)
{
	const Mf__Empty q = MF__EMPTY__INIT;
	enum metafed_code code = metafed_call_run(k, &mf__node__descriptor, "Info", &q.base);

	*reply = (const Mf__NodeInfo *)metafed_call_reply(k);
	return code;
}

#ifdef __cplusplus
}
#endif
#endif

/* unserved: a method that a fake service has only because the service has it.
 *
 *	UNSERVED(sql_events, Sql, EventsAfter, EventPage)	rpc Events (EventsAfter) returns (EventPage) */
#ifndef HARNESS_UNSERVED_H
#define HARNESS_UNSERVED_H

#include "bus/call.h"

#define UNSERVED(function, service, question, answer)                                              \
	static void function(Mf__##service##_Service *s, const Mf__##question *q,                  \
	    Mf__##answer##_Closure reply, void *ctx)                                               \
	{                                                                                          \
		(void)s, (void)q, (void)reply;                                                     \
		call_fail(ctx, ST_UNIMPLEMENTED, "not here");                                      \
	}

#endif

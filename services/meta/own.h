/* own: the operations that level 0 answers itself. Their permissions are in permits.c and have been
 * checked when this is called. own.c has the table and the small ones; those with a part of their own
 * are in its file. */
#ifndef META_OWN_H
#define META_OWN_H

#include <jansson.h>

#include "base/status.h"
#include "bus/call.h"
#include "proto/meta.pb-c.h"

struct meta;

struct own_ask { /* the caller's, in the arena of the call */
	struct call *c;
	const Mf__MetaRequirement *q;
	int64_t deadline;           /* monotonic */
	ProtobufCBinaryData result; /* the answer: JSON, or failure */
	const struct failure *failure;
	/* exactly once unless the call ends before; may come from inside own_start */
	void (*done)(void *ctx);
	void *ctx;
	/* own's */
	struct meta *meta;
	struct rpc *rpc;
	const char *experiment; /* chaos: its id */
	bool ends;              /* ... and that its faults shall */
	uint64_t generation;    /* restart: of the process that shall go */
	int64_t since;
};

/* NULL: fine; else what is wrong with it, naming the field. */
const char *own_check(const Mf__MetaRequirement *q);
void own_start(struct meta *m, struct own_ask *o);

/* --- the operations of other files: each ends with own_finish or own_fail, once --- */
void own_calls(struct own_ask *o);         /* fleet_json.c */
void own_settings(struct own_ask *o);      /* settings.c */
void own_errors(struct own_ask *o);        /* patterns.c */
void own_figures(struct own_ask *o);       /* figures.c */
void own_crashes(struct own_ask *o);       /* crashes.c */
void own_crash(struct own_ask *o);         /* crashes.c */
void own_upgrade(struct own_ask *o);       /* upgrade.c */
void own_upgrade_state(struct own_ask *o); /* upgrade.c */
void own_chaos(struct own_ask *o);         /* chaos.c */
void own_chaos_list(struct own_ask *o);    /* chaos.c */
void own_chaos_end(struct own_ask *o);     /* chaos.c */
void own_traces(struct own_ask *o);        /* traces_find.c */
void own_trace(struct own_ask *o);         /* traces_find.c */

/* --- for those --- */
/* The JSON arguments; NULL, for which every json_ function has an answer, when they are none. From a
 * query string all values are texts. */
json_t *own_arguments(struct own_ask *o);
void own_finish(struct own_ask *o);                 /* result is set */
void own_finish_json(struct own_ask *o, json_t *v); /* takes v over */
void own_fail(struct own_ask *o, enum status s, const char *reason, const char *message);

#endif

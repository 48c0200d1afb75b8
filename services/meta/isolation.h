/* isolation: cascade.h with a clock, a bus and timers. It sees what happens to the domains, tells
 * everybody at each change (topic "fleet.mode", Meta.Mode), and refuses what the mode refuses and what
 * an isolated domain would have to do.
 *
 * While nothing is wrong it costs a comparison per request and domain, and a look four times a second
 * as long as requests come; idle it does nothing. */
#ifndef META_ISOLATION_H
#define META_ISOLATION_H

#include "base/status.h"
#include "meta/strategy.h"
#include "proto/meta.pb-c.h"

struct isolation;
struct meta;
struct op;

struct isolation *isolation_new(struct meta *m);
void isolation_free(struct isolation **i);

/* --- of a request --- */
/* NULL: it may go on; else why not: nothing was done for it. */
const struct failure *isolation_admit(struct op *o);
/* May this step call d? NULL: yes, and isolation_back follows, or the end of the request. */
const struct failure *isolation_pass(struct op *o, enum step s, Mf__Domain d);
/* f NULL: it went well. Harmless when the step did not call. */
void isolation_back(struct op *o, enum step s, const struct failure *f);
/* It is over: `r` NULL: nobody reads an answer. */
void isolation_end(struct op *o, const Mf__TaskResponse *r);
/* It was refused for lack of a slot: load is what makes requests slow. */
void isolation_full(struct isolation *i);
void isolation_unsound(struct isolation *i, bool unsound); /* a result of ours */

/* --- what it is --- */
/* Something may have changed: a process, a connection. i NULL: not yet made. */
void isolation_look(struct isolation *i);
const char *isolation_mode(const struct isolation *i); /* "normal", ... */
void isolation_announce(struct isolation *i);          /* this one leads from now on */
/* Names into isolated, at most three; they stay. */
void isolation_tell(const struct isolation *i, Mf__FleetMode *out, char *isolated[4]);

#endif

/* chaos: experiments: harm on purpose, within limits, which ends by itself. What each action does:
 *
 *	kill		SIGKILL; where the process is not this machine's: it aborts at its next call
 *	stop		SIGSTOP, then SIGCONT; the supervisor kills who is silent for 3 s
 *	delay, drop, error	at every call that the target serves, with a probability (bus/fault.h)
 *	partition	target and peer don't talk to each other
 *	store_down	a private store is ended, and started at the end
 *	disk_full	the file system of VAR is filled, where it is one of its own, mounted nowhere else
 *	clock_step	the target's wall clock
 *
 * An end that this process does not live to see comes all the same: a filled disk is free when the
 * file's only holder has gone, a stopped node is killed, faults end at the nodes. These, and a store that
 * is down, are written down in run/chaos: the next orchestrator starts the store, and has the others in
 * its list again. */
#ifndef META_CHAOS_H
#define META_CHAOS_H

struct chaos;
struct meta;

struct chaos *chaos_new(struct meta *m);
void chaos_take(
    struct chaos *x); /* with standbys: we lead; what the one before left is ours. NULL: no-op */
void chaos_free(struct chaos **x); /* ends all but what the next one takes over */

#endif

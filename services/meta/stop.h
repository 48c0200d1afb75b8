/* stop: who of a fleet is there, and ending it, whoever of it is left: with its guard, without, or
 * only nodes and stores. */
#ifndef META_STOP_H
#define META_STOP_H

struct conf;

/* 0: nothing of the fleet runs any more (or nothing ran: said); 1: somebody could not be ended:
 * said. Waits. */
int fleet_stop(const struct conf *s);

/* Whoever of the table still runs goes, rank by rank, first asked, then killed. How many there
 * were. Waits. */
unsigned fleet_sweep(const struct conf *s);

/* For a node that leaves because guard and supervisor did not come back: when it was the last, the
 * private servers end. 0, when they have, or at once where somebody else is left. */
int fleet_sweep_abandoned(const struct conf *s);

/* Prints who runs, by run files; 0 when somebody keeps the fleet (guard or supervisor), else 1. */
int fleet_status(const struct conf *s);

#endif

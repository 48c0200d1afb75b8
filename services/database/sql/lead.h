/* lead: which of several orchestrators leads (service mf.Leader). Only sql and its stand-in can reach
 * PostgreSQL, so the candidates ask here.
 *
 * Who leads is who holds a session advisory lock. The session is ours, one per process, kept for
 * one candidate; PostgreSQL itself ends it when it was silent for the lease (idle_session_timeout), so the
 * lock goes also when this process is stopped, and at once when it dies. Each take-over draws a new
 * fencing number (migration 0014): the only thing that is ever written. A renewal is one read.
 *
 *   asks                                      and gets
 *   the holder, its session stands            confirmed: a read over that session
 *   the holder, its session is gone           the lock anew, the same number if nobody came between
 *   the holder's next life (generation)       the lead at once, a new number: its last life is over
 *   the holder's last life                    refused
 *   another, the holder was heard in a lease  refused, from memory: no query
 *   another, the holder is silent             the lead, a new number, when it has asked for `grace`
 *   another, the lock is held elsewhere       refused: the session of another process stands
 *   the holder by the row, likewise           confirmed: nobody has taken over
 *   anybody, PostgreSQL is away               UNAVAILABLE: nobody can take over meanwhile
 *   the holder, it resigns                    the lock is free, the next one that asks has it at once
 *
 * `grace` is what keeps the lead where it is when all have been silent at once (this process or
 * `database` was stopped or began anew, PostgreSQL was away): the holder asks within it.
 *
 * That a confirmed leader still leads when it acts nobody can promise it: it may be stopped between.
 * So its calls carry the number, and PostgreSQL refuses those of a lower one right before the
 * commit (text_fence_leader). What the new leader does to the same rows waits for those that got
 * through before: they hold them until then. */
#ifndef SQL_LEAD_H
#define SQL_LEAD_H

#include <stdbool.h>
#include <stdint.h>

#define LEAD_NAME 24

/* What this process knows. Times are of time_now_us, 0: never. */
struct lead_seat {
	bool held;              /* our session has the lock, as far as we know */
	char holder[LEAD_NAME]; /* who led when we last knew; "": not known */
	uint64_t generation, number;
	int64_t lease_us;
	int64_t heard_us;     /* the holder was confirmed */
	int64_t asked_us;     /* anybody asked */
	int64_t contested_us; /* since when others ask and the holder does not */
	bool resigned;
};

enum lead_turn {
	LEAD_REFUSED, /* from what is known */
	LEAD_CONFIRM, /* by a read over the session */
	LEAD_TRY,     /* by the lock; takes over only from itself */
	LEAD_TAKE,    /* the same, from anybody */
};

/* Policy, no I/O. The seat is told that `name` asks at `now`, and says what comes of it. */
enum lead_turn lead_turn(
    struct lead_seat *s, const char *name, uint64_t generation, int64_t lease_us, int64_t now);

#endif

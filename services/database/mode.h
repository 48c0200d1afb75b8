/* mode: is PostgreSQL there? One durable record with an epoch, beside the journal in the durable Redis,
 * changed by compare and set; this process owns it. What is here is what it said last.
 *
 *   NORMAL     writes go to sql, with the epoch: sql refuses those of an older one than it knows
 *   DEGRADED   PostgreSQL is away: writes of tasks go to the journal, reads of tasks come from it or
 *              from the cache
 *   REPLAYING  it is back: the journal is applied, writes of tasks still go there
 *   UNKNOWN    nobody said yet (journal.c, replay.c)
 *
 * A hint, a small file, lets a process start while nosql is away: it says NORMAL only while the record
 * surely does, so a start in NORMAL is safe. */
#ifndef DATABASE_MODE_H
#define DATABASE_MODE_H

#include "base/id.h"
#include "database/inside.h"
#include "proto/journal.pb-c.h"

enum mode { MODE_UNKNOWN, MODE_NORMAL, MODE_DEGRADED, MODE_REPLAYING };

struct mode_record {
	enum mode mode;
	uint64_t epoch; /* 0: not known, which fences nothing */
	uint64_t since_us;
	char journal[UUID_LEN];
};

extern struct target *db_journal;
const struct mode_record *mode_now(void);

/* var NULL: no hint, and normal until somebody says otherwise (tests). */
void mode_open(struct bus *b, const char *var);
void mode_close(void); /* the bus goes next */

/* PostgreSQL does not answer: journal from now on, if that can be had. */
void mode_degrade(void);
/* Compare and set from what is known; then(true): it is so now. */
void mode_change(enum mode to, void (*then)(bool done));
/* Somebody knows better: read the record. */
void mode_ask(void);
void mode_raise(uint64_t epoch); /* sql knows a newer one than the record has */

/* o waits until the mode is known, or another one, or the hold is over; then it is done anew. f: what
 * it fails with when nothing changed; NULL: MODE_UNKNOWN. */
void mode_wait(struct op *o, const struct failure *f);
void mode_release(void); /* all who wait are done anew */
/* o has failed with o->failure. True: that was the mode's fault, and o goes on. */
bool mode_failed(struct op *o);

/* --- journal.c --- */
void mode_write(struct op *o);
bool mode_read(struct op *o); /* false: as in normal mode */
/* Something can be done for it without PostgreSQL. */
bool mode_helps(const struct op *o);
void mode_hold(bool on); /* writes wait: the last batch is under way */

/* --- replay.c --- */
void replay_open(struct bus *b);
void replay_close(void);
void replay_mode(void); /* the mode has changed */
void replay_counts(const Mf__ModeIs *m);
void replay_learn(void);  /* what epoch sql knows, then mode_raise */
bool replay_fenced(void); /* no write of an older epoch can land in PostgreSQL any more */

#endif

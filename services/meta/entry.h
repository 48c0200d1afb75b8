/* entry: one process of the fleet in the supervisor's eyes. All changes of state go through
 * entry_event. */
#ifndef META_ENTRY_H
#define META_ENTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/id.h"
#include "meta/fleet.h"
#include "meta/lifecycle.h"
#include "meta/records.h"
#include "meta/restart.h"
#include "node/contract.h"

struct supervisor;

struct entry {
	struct supervisor *sup;
	const struct fleet_entry *def;
	int slot;
	enum contract_state state;
	bool wanted;  /* shall it run? */
	bool planned; /* its exit is asked for: start again at once, and don't count it */
	bool hup; /* a reload came while it was STARTING, which SIGHUP may end: when it is READY */
	/* The executable that ran before a renewal, until the new one has proved itself; -1: none */
	int image;
	bool went_back; /* the new one did not: it runs from `image` until somebody restarts it */
	pid_t pid;      /* 0: none */
	int pidfd;
	uint64_t generation;
	uint16_t load;
	uint32_t exits;
	enum contract_end blame; /* why we killed it; END_NONE: we did not */
	enum contract_end end;   /* how it ended the last time */
	uint8_t end_code;
	uint64_t end_generation;
	enum contract_due due; /* to be renewed, by whom can look whether it is a good moment */
	struct restart_state restart;
	/* CLOCK_MONOTONIC; 0: not */
	int64_t since_us; /* when the state was entered */
	int64_t born_us;  /* start of the process */
	int64_t ready_us; /* when it became READY */
	int64_t beat_us;  /* its last sign of life */
	int64_t late_us;  /* time limit of the state */
	int64_t due_us;   /* BACKOFF: the start; STARTING: the next look */
	int64_t look_us;  /* READY: the next look at what it takes */
};

/* What entries need of the supervisor. */
struct entry_host {
	const struct conf *settings;
	const struct holdings *holdings;
	struct rng rng;
	int64_t now;       /* of this turn */
	int64_t settle_us; /* from then on nobody waits for what he starts after */
};
struct entry_host *entry_host(struct supervisor *s);
struct entry *entry_at(struct supervisor *s, int slot);
void supervisor_tell(struct supervisor *s, const struct entry *e);     /* something of it changed */
void supervisor_watch(struct supervisor *s, struct entry *e);          /* its pidfd is there */
void supervisor_unwatch(struct supervisor *s, struct entry *e);        /* and will be closed */
void supervisor_spawning(struct supervisor *s, const struct entry *e); /* right before its fork */

void entry_init(struct entry *e, struct supervisor *s, int slot, const struct super_note *memo);
void entry_find(struct entry *e, const struct super_note *memo); /* is it there already? */
void entry_event(struct entry *e, enum lifecycle_event ev);
void entry_renew(struct entry *e);        /* a planned restart from another executable */
void entry_forget_image(struct entry *e); /* from now on the one in its place counts */
void
entry_status(struct entry *e, const struct contract_status *r); /* a record of its status pipe */
void entry_exited(struct entry *e, bool known, int status); /* status as of waitpid, when known */
void entry_tick(struct entry *e);                           /* whatever the time demands */
int64_t entry_next(const struct entry *e); /* when it will demand something; INT64_MAX: never */
void entry_hurry(struct entry *e);         /* no more waiting: kill */

#endif

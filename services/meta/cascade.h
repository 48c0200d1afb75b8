/* cascade: how bad a failure is, which domains are called, and how much the fleet takes on, as
 * arithmetic: no clock, no bus, no randomness of its own. isolation.c has those.
 *
 * Severity = table[who failed, and how many][how], in cascade.c and in README.md. In every class
 * what is affected is isolated: a member by the breaker of who calls it, a domain here. HIGH sheds
 * the least important requests besides, CRITICAL throttles the fleet.
 *
 * A domain is
 *	FIT		called;
 *	ISOLATED	not called: contact lost for longer than a restart takes, given up by its
 *			supervisor, without a single agent, or silent with calls out. A probe with jitter,
 *			later and later, looks whether it is back;
 *	PARTLY		a share of calls goes: 10, 25, 50 % and then all, as they succeed. So it comes
 *			back from ISOLATED; and as it is the last member of itself, mere errors never
 *			isolate it but bring it here: more than half of at least 20 calls in 10 s failed,
 *			and as many in a row as its breaker has; more than a third, if it says that it is
 *			unfit. CRITICAL ones and one at a time always go.
 * So a steady error rate, however long, changes nothing.
 *
 * The mode rises at once and falls one step at a time, after a calm that doubles when it rises
 * again soon after. What is refused grows and falls by quarters of a priority, least important
 * first. */
#ifndef META_CASCADE_H
#define META_CASCADE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "base/time.h"
#include "meta/essential.h"
#include "meta/throttle.h"

#define CASCADE_DOMAINS         4          /* by enum Mf__Domain: api, database, auth; 0 is none */
#define CASCADE_GRACE_US        (1 * SEC)  /* without contact: longer than a call is held */
#define CASCADE_FIRST_US        (10 * SEC) /* who was never there is starting */
#define CASCADE_QUIET_US        (500 * MS) /* with calls out, and no answer: does it live? */
#define CASCADE_MISSED          3          /* probes without an answer: it does not */
#define CASCADE_PROBE_US        (500 * MS) /* of an isolated one, with 50 % jitter; doubles ... */
#define CASCADE_PROBE_DOUBLINGS 4          /* ... so often */
#define CASCADE_STAGE_US        (200 * MS) /* least time with one share of calls */
#define CASCADE_IDLE_US         (10 * SEC) /* PARTLY and nobody came: nothing speaks against it */
#define CASCADE_FIT_US          (30 * SEC) /* FIT for so long: what was before is forgotten */
#define CASCADE_CALM_US         (1 * SEC)  /* before the mode falls; doubles ... */
#define CASCADE_CALM_DOUBLINGS  4          /* ... so often, when it rises again ... */
#define CASCADE_FLAP_US         (30 * SEC) /* ... within this time */
#define CASCADE_FALL_US         (500 * MS) /* a quarter of a priority is let in again */

enum severity { SEVERITY_NONE, SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_CRITICAL };

/* How: it answers, but fails; what it answers can't be true; it is not there. */
enum trouble { TROUBLE_NONE, TROUBLE_ERRORS, TROUBLE_BROKEN, TROUBLE_GONE };
#define TROUBLES 4

enum cascade_state { CASCADE_FIT, CASCADE_PARTLY, CASCADE_ISOLATED };

enum fleet_mode { MODE_NORMAL, MODE_SHEDDING, MODE_THROTTLED, MODE_ESSENTIAL };
#define FLEET_MODES 4

/* What impairs meta itself. */
enum impairment {
	IMPAIRED_LAG = 1,     /* its loop does not turn in time */
	IMPAIRED_MEMORY = 2,  /* it has more memory than it may */
	IMPAIRED_UNSOUND = 4, /* results that contradict themselves, in a row */
	IMPAIRED_BLIND = 8, /* neither auth nor database: it can decide nothing and keep nothing */
};

struct cascade_slice {
	uint32_t calls, faults, broken;
};
#define CASCADE_SLICES 10 /* of a second each */

struct cascade_domain {
	enum cascade_state state;
	enum trouble trouble; /* why it is not FIT */
	const char *why;      /* the same in words */
	/* what is known of it */
	bool known, contact, given_up, unfit;
	bool hung;        /* ISOLATED because it gave no sign of life */
	int64_t lost_us;  /* since when there is no contact */
	int64_t empty_us; /* since when it has no agent; 0: it has */
	uint32_t agents, gone;
	uint32_t suspect; /* final failures in a row that make it suspect */
	/* its calls */
	uint32_t out, run, missed;
	int64_t quiet_us; /* its last answer, or when the first call went out */
	int64_t slice;
	struct cascade_slice slices[CASCADE_SLICES];
	/* PARTLY */
	unsigned stage;
	uint32_t good, bad;
	int64_t stage_us; /* since when; ISOLATED: since it is */
	double credit;
	/* ISOLATED: the next probe */
	int64_t probe_us;
	unsigned doublings;
	int64_t fit_us;
};

struct cascade {
	struct cascade_domain domains[CASCADE_DOMAINS];
	struct throttle throttle;
	bool observe;      /* errors and slow answers change nothing (breakers = observe) */
	unsigned impaired; /* enum impairment */
	enum severity severity;
	enum fleet_mode mode;
	double refused; /* priorities: 1.5 is all LOW and half of MEDIUM */
	double floor;   /* of it, by severity; falls slowly */
	double credit[PRIORITIES];
	int64_t busy_us;  /* when the mode was last wanted */
	int64_t fell_us;  /* when it last fell; 0: never */
	int64_t floor_us; /* when the floor last fell, or was set */
	unsigned flaps;
	/* as cascade_look last said */
	unsigned said_isolated;
	enum fleet_mode said_mode;
	uint32_t said_least;
};

/* --- severity --- */
enum trouble cascade_trouble(enum status s); /* NONE: it is a refusal, no failure */
/* level 2: `affected` of `of` agents of one domain; 1: of domains; 0: meta itself, 1 of 1 */
enum severity cascade_severity(unsigned level, enum trouble t, uint32_t affected, uint32_t of);
const char *severity_name(enum severity s);
const char *fleet_mode_name(enum fleet_mode m);

void cascade_init(struct cascade *c, int64_t now_us);

/* --- what is seen of a domain --- */
void cascade_contact(struct cascade_domain *d, bool contact, int64_t now_us);
void cascade_agents(struct cascade_domain *d, uint32_t agents, uint32_t gone, int64_t now_us);
/* May a call go? True: cascade_answered or cascade_left follows, once. */
bool cascade_pass(struct cascade_domain *d, bool critical, int64_t now_us);
void cascade_answered(struct cascade *c, struct cascade_domain *d, enum trouble t, int64_t now_us);
void cascade_left(struct cascade_domain *d); /* nobody waits for its answer any more */
/* Shall somebody look whether it lives? */
bool cascade_wants_probe(const struct cascade_domain *d, int64_t now_us);
/* unit in [0, 1) is jitter */
void cascade_probed(struct cascade_domain *d, bool lives, int64_t now_us, double unit);

/* --- the fleet --- */
/* A few times a second while something goes on, and when something was seen. Full: all slots are in
 * use. True: mode, isolated domains or what callers refuse is not what it was when this was last
 * true. */
bool cascade_look(struct cascade *c, bool full, int64_t now_us, double unit);
/* Nothing is wrong, and nothing was wrong of late: nobody has to look. */
bool cascade_calm(const struct cascade *c);
unsigned cascade_isolated(const struct cascade *c);       /* bits by Mf__Domain */
uint32_t cascade_least_priority(const struct cascade *c); /* callers refuse those below it */
uint32_t cascade_retry_ms(const struct cascade *c);

enum cascade_verdict { CASCADE_GO, CASCADE_SHED, CASCADE_THROTTLED, CASCADE_ESSENTIAL };
enum cascade_verdict cascade_admit(struct cascade *c, uint32_t priority, enum service_need need);

#endif

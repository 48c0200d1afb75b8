/* cascade: see cascade.h. Called by isolation.c with the time and the jitter of the moment.
 *
 * Invariants: a FIT domain is always called, an ISOLATED one never; state changes only through
 * turn(), mode only in set_mode(). */
#include <string.h>

#include "base/log.h"
#include "meta/cascade.h"

#define OVER_CALLS 20
#define OVER_SHARE 0.5
#define WORD_SHARE 0.33 /* of who says so itself */
#define SLICE_US   (1 * SEC)

static const double stages[] = { 0.1, 0.25, 0.5 };
#define N_STAGES (sizeof(stages) / sizeof(stages[0]))

static void turn(struct cascade_domain *, enum cascade_state, enum trouble, const char *, int64_t);
static void isolate(struct cascade_domain *, const char *, int64_t, double);
static const char *why_isolate(const struct cascade_domain *, int64_t);
static void probe_later(struct cascade_domain *, int64_t, double);
static void look_domain(struct cascade_domain *, bool, int64_t, double);
static void look_stage(struct cascade_domain *, int64_t);
static void count(struct cascade_domain *, enum trouble, int64_t);
static bool is_over(const struct cascade_domain *, double, enum trouble *);
static bool is_starting(const struct cascade_domain *);
static struct cascade_slice sum(const struct cascade_domain *);
static enum severity severity_now(const struct cascade *);
static void set_floor(struct cascade *, int64_t);
static void set_mode(struct cascade *, int64_t);

/* Rows: who failed. Columns: errors, broken, gone. */
static const enum severity table[][TROUBLES] = {
	{ 0, SEVERITY_LOW, SEVERITY_LOW, SEVERITY_LOW },            /* an agent of several */
	{ 0, SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_MEDIUM },      /* all agents but one */
	{ 0, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_HIGH },       /* all agents, or a domain */
	{ 0, SEVERITY_HIGH, SEVERITY_CRITICAL, SEVERITY_CRITICAL }, /* two domains */
	{ 0, SEVERITY_CRITICAL, SEVERITY_CRITICAL, SEVERITY_CRITICAL }, /* all domains */
	{ 0, SEVERITY_HIGH, SEVERITY_CRITICAL, SEVERITY_CRITICAL },     /* meta */
};

enum trouble
cascade_trouble(enum status s)
{
	if (!status_is_fault(s))
		return TROUBLE_NONE;
	return s == ST_INTERNAL || s == ST_DATA_LOSS ? TROUBLE_BROKEN : TROUBLE_ERRORS;
}

enum severity
cascade_severity(unsigned level, enum trouble t, uint32_t affected, uint32_t of)
{
	size_t row;

	if (affected == 0)
		return SEVERITY_NONE;
	if (level == 0)
		row = 5;
	else if (level == 1)
		row = affected >= of ? 4 : affected > 1 ? 3 : 2;
	else
		row = affected >= of ? 2 : affected + 1 == of ? 1 : 0;
	return table[row][t];
}

const char *
severity_name(enum severity s)
{
	static const char *const names[] = { "none", "LOW", "MEDIUM", "HIGH", "CRITICAL" };

	return names[s];
}

const char *
fleet_mode_name(enum fleet_mode m)
{
	static const char *const names[] = { "normal", "shedding", "throttled", "essential" };

	return names[m];
}

void
cascade_init(struct cascade *c, int64_t now_us)
{
	static const uint32_t suspect[CASCADE_DOMAINS] = { 0, 5, 3,
		2 }; /* spec 1: api, database, auth */

	*c = (struct cascade){ .mode = MODE_NORMAL, .said_least = PRIORITIES - 1 };
	for (int d = 1; d < CASCADE_DOMAINS; d++)
		c->domains[d] =
		    (struct cascade_domain){ .suspect = suspect[d], .lost_us = now_us, .why = "" };
}

/* --- domains --- */

void
cascade_contact(struct cascade_domain *d, bool contact, int64_t now_us)
{
	if (contact == d->contact)
		return;
	d->contact = contact;
	if (!contact) {
		d->lost_us = now_us;
		return;
	}
	if (!d->known && d->state == CASCADE_ISOLATED) /* it comes, it does not come back */
		turn(d, CASCADE_FIT, TROUBLE_NONE, "", now_us);
	/* Not one that comes and goes. But another process in the place of one that hung need not pay
	 * for the probes that were sent to that one. */
	if (d->state == CASCADE_ISOLATED && (d->doublings <= 1 || d->hung))
		d->probe_us = now_us;
	d->hung = false;
	d->known = true;
	d->missed = 0;
	d->quiet_us = now_us;
}

void
cascade_agents(struct cascade_domain *d, uint32_t agents, uint32_t gone, int64_t now_us)
{
	bool empty = agents != 0 && gone == agents;

	d->agents = agents;
	d->gone = gone;
	if (!empty)
		d->empty_us = 0;
	else if (d->empty_us == 0)
		d->empty_us = now_us;
}

bool
cascade_pass(struct cascade_domain *d, bool critical, int64_t now_us)
{
	if (d->state == CASCADE_ISOLATED)
		return false;
	if (d->state == CASCADE_PARTLY && !critical && d->out != 0) {
		d->credit += stages[d->stage];
		if (d->credit < 1)
			return false;
		d->credit -= 1;
	}
	if (d->out++ == 0)
		d->quiet_us = now_us;
	return true;
}

void
cascade_answered(struct cascade *c, struct cascade_domain *d, enum trouble t, int64_t now_us)
{
	enum trouble as;

	cascade_left(d);
	d->quiet_us = now_us;
	count(d, t, now_us);
	d->run = t == TROUBLE_NONE ? 0 : d->run + 1;
	if (d->state == CASCADE_PARTLY) {
		d->good += t == TROUBLE_NONE;
		d->bad += t != TROUBLE_NONE;
		return;
	}
	if (d->state != CASCADE_FIT || d->run < d->suspect || c->observe)
		return;
	if (is_over(d, OVER_SHARE, &as))
		turn(d, CASCADE_PARTLY, as, "most of its answers are failures", now_us);
}

void
cascade_left(struct cascade_domain *d)
{
	must(d->out > 0);
	d->out--;
}

bool
cascade_wants_probe(const struct cascade_domain *d, int64_t now_us)
{
	if (!d->contact)
		return false;
	if (d->state == CASCADE_ISOLATED)
		return now_us >= d->probe_us;
	if (d->missed != 0)
		return true;
	if (d->state == CASCADE_PARTLY && d->trouble == TROUBLE_GONE)
		return d->good == 0;
	return d->out != 0 && now_us - d->quiet_us >= CASCADE_QUIET_US;
}

void
cascade_probed(struct cascade_domain *d, bool lives, int64_t now_us, double unit)
{
	if (lives)
		d->quiet_us = now_us;
	if (lives || d->state == CASCADE_ISOLATED)
		d->missed = 0;
	else
		d->missed++;
	if (d->state == CASCADE_PARTLY && d->trouble == TROUBLE_GONE && lives)
		d->good++;
	if (d->state != CASCADE_ISOLATED)
		return;
	if (lives && why_isolate(d, now_us) == NULL)
		turn(d, CASCADE_PARTLY, d->trouble, d->why, now_us);
	else
		probe_later(d, now_us, unit);
}

static void
turn(
    struct cascade_domain *d, enum cascade_state s, enum trouble t, const char *why, int64_t now_us)
{
	d->state = s;
	d->trouble = t;
	d->why = why;
	d->stage = 0;
	d->stage_us = now_us;
	d->good = d->bad = 0;
	d->credit = 0;
	if (s != CASCADE_FIT)
		return;
	d->fit_us = now_us;
	d->run = 0;
	memset(d->slices, 0, sizeof(d->slices));
}

/* NULL: it may be called. */
static const char *
why_isolate(const struct cascade_domain *d, int64_t now_us)
{
	int64_t grace = !d->known                 ? CASCADE_FIRST_US
	                : d->state == CASCADE_FIT ? CASCADE_GRACE_US
	                                          : 0;

	if (!d->contact && d->given_up)
		return "its supervisor has given it up";
	if (!d->contact && now_us - d->lost_us >= grace)
		return "there is no contact";
	if (d->missed >= CASCADE_MISSED)
		return "it gives no sign of life";
	if (d->empty_us != 0 && now_us - d->empty_us >= CASCADE_GRACE_US)
		return "none of its agents is there";
	return NULL;
}

static void
isolate(struct cascade_domain *d, const char *why, int64_t now_us, double unit)
{
	if (d->fit_us != 0 && d->state == CASCADE_FIT && now_us - d->fit_us >= CASCADE_FIT_US)
		d->doublings = 0;
	turn(d, CASCADE_ISOLATED, TROUBLE_GONE, why, now_us);
	d->hung = d->contact && d->missed >= CASCADE_MISSED;
	d->missed = 0;
	probe_later(d, now_us, unit);
}

static void
probe_later(struct cascade_domain *d, int64_t now_us, double unit)
{
	int64_t span = CASCADE_PROBE_US << d->doublings;

	d->probe_us = now_us + span + (int64_t)((unit - 0.5) * (double)span); /* 50 to 150 % */
	if (d->doublings < CASCADE_PROBE_DOUBLINGS)
		d->doublings++;
}

/* That it says it is unfit (it is slow, too, when the machine is) does not do alone. */
static void
look_domain(struct cascade_domain *d, bool observe, int64_t now_us, double unit)
{
	const char *why = d->state == CASCADE_ISOLATED ? NULL : why_isolate(d, now_us);
	enum trouble as;

	if (why != NULL)
		isolate(d, why, now_us, unit);
	else if (d->state == CASCADE_PARTLY)
		look_stage(d, now_us);
	else if (d->state == CASCADE_FIT && d->unfit && !observe && is_over(d, WORD_SHARE, &as))
		turn(d, CASCADE_PARTLY, as, "it says that it is unfit", now_us);
}

/* Half of what went must have succeeded; then more goes. Who fails again begins anew, after a single
 * failure only when nobody came any more to show that it was one. */
static void
look_stage(struct cascade_domain *d, int64_t now_us)
{
	int64_t age = now_us - d->stage_us;
	bool well = d->good != 0 && d->bad <= d->good;

	if (d->bad > d->good && age >= (d->bad >= 2 ? CASCADE_STAGE_US : CASCADE_IDLE_US)) {
		turn(d, CASCADE_PARTLY, d->trouble, d->why, now_us);
		return;
	}
	if (age < CASCADE_STAGE_US || (!well && age < CASCADE_IDLE_US))
		return;
	if (d->stage + 1 == N_STAGES) {
		turn(d, CASCADE_FIT, TROUBLE_NONE, "", now_us);
		return;
	}
	d->stage++;
	d->stage_us = now_us;
	d->good = d->bad = 0;
}

static void
count(struct cascade_domain *d, enum trouble t, int64_t now_us)
{
	int64_t slice = now_us / SLICE_US, passed = slice - d->slice;
	struct cascade_slice *s;

	if (passed > CASCADE_SLICES || passed < 0)
		passed = CASCADE_SLICES;
	for (int64_t i = 0; i < passed; i++)
		d->slices[(size_t)(slice - i) % CASCADE_SLICES] = (struct cascade_slice){ 0 };
	d->slice = slice;
	s = &d->slices[(size_t)slice % CASCADE_SLICES];
	s->calls++;
	s->faults += t != TROUBLE_NONE;
	s->broken += t == TROUBLE_BROKEN;
}

/* More than this share of the last 10 s failed. */
static bool
is_over(const struct cascade_domain *d, double share, enum trouble *as)
{
	struct cascade_slice all = sum(d);

	*as = all.broken * 2 > all.faults ? TROUBLE_BROKEN : TROUBLE_ERRORS;
	return all.calls >= OVER_CALLS && (double)all.faults > share * (double)all.calls;
}

static struct cascade_slice
sum(const struct cascade_domain *d)
{
	struct cascade_slice all = { 0 };

	for (size_t i = 0; i < CASCADE_SLICES; i++) {
		all.calls += d->slices[i].calls;
		all.faults += d->slices[i].faults;
		all.broken += d->slices[i].broken;
	}
	return all;
}

/* Never there, and not given up. After 10 s its calls fail at once, but that is no failure that others
 * have to pay for, least of all for as long as a mode takes to fall: a fleet may start slowly. */
static bool
is_starting(const struct cascade_domain *d)
{
	return !d->known && !d->given_up;
}

/* --- the fleet --- */

bool
cascade_look(struct cascade *c, bool full, int64_t now_us, double unit)
{
	const unsigned blind = 1u << MF__DOMAIN__DOMAIN_AUTH | 1u << MF__DOMAIN__DOMAIN_DATABASE;
	unsigned isolated, starting = 0;
	uint32_t least;

	for (int d = 1; d < CASCADE_DOMAINS; d++) {
		look_domain(&c->domains[d], c->observe, now_us, unit);
		if (is_starting(&c->domains[d]))
			starting |= 1u << d;
	}
	isolated = cascade_isolated(c);
	c->impaired &= ~(unsigned)IMPAIRED_BLIND;
	if ((isolated & ~starting & blind) == blind)
		c->impaired |= IMPAIRED_BLIND;
	if (!c->observe)
		throttle_look(&c->throttle, full, now_us);
	c->severity = severity_now(c);
	set_floor(c, now_us);
	set_mode(c, now_us);
	/* what is essential goes on whatever is lost, but not beyond what there is room for */
	c->refused = c->mode == MODE_ESSENTIAL || c->throttle.refused > c->floor
	                 ? c->throttle.refused
	                 : c->floor;
	least = cascade_least_priority(c);
	if (isolated == c->said_isolated && c->mode == c->said_mode && least == c->said_least)
		return false;
	c->said_isolated = isolated;
	c->said_mode = c->mode;
	c->said_least = least;
	return true;
}

bool
cascade_calm(const struct cascade *c)
{
	for (int d = 1; d < CASCADE_DOMAINS; d++) {
		const struct cascade_domain *x = &c->domains[d];

		if (x->state != CASCADE_FIT || !x->contact || x->empty_us != 0 || x->missed != 0 ||
		    x->out != 0)
			return false;
	}
	return c->mode == MODE_NORMAL && c->impaired == 0 && c->throttle.over_us == 0;
}

unsigned
cascade_isolated(const struct cascade *c)
{
	unsigned bits = 0;

	for (int d = 1; d < CASCADE_DOMAINS; d++)
		if (c->domains[d].state == CASCADE_ISOLATED)
			bits |= 1u << d;
	return bits;
}

uint32_t
cascade_least_priority(const struct cascade *c)
{
	return PRIORITIES - 1 - (uint32_t)c->refused;
}

uint32_t
cascade_retry_ms(const struct cascade *c)
{
	static const uint32_t ms[FLEET_MODES] = { 1000, 1000, 2000, 3000 };

	return ms[c->mode];
}

enum cascade_verdict
cascade_admit(struct cascade *c, uint32_t priority, enum service_need need)
{
	double share;

	if (c->mode == MODE_NORMAL || need == NEED_ALWAYS)
		return CASCADE_GO;
	if (c->mode == MODE_ESSENTIAL && need != NEED_ESSENTIAL)
		return CASCADE_ESSENTIAL;
	share = c->refused - (double)(PRIORITIES - 1 - priority);
	if (share <= 0)
		return CASCADE_GO;
	c->credit[priority] += share;
	if (c->credit[priority] < 1)
		return CASCADE_GO;
	c->credit[priority] = share < 1 ? c->credit[priority] - 1 : 0;
	return c->mode == MODE_SHEDDING ? CASCADE_SHED : CASCADE_THROTTLED;
}

/* The worst of all that is wrong now. A domain that comes back weighs as one that errs. */
static enum severity
severity_now(const struct cascade *c)
{
	enum severity worst = SEVERITY_NONE, one;
	uint32_t affected[TROUBLES] = { 0 }, sick = 0;
	enum trouble as = TROUBLE_NONE;

	for (int i = 1; i < CASCADE_DOMAINS; i++) {
		const struct cascade_domain *d = &c->domains[i];

		one = cascade_severity(2, TROUBLE_GONE, d->gone, d->agents);
		/* without a single one it is isolated a moment later, and that is counted */
		if (one > worst && d->gone < d->agents)
			worst = one;
		if (d->state != CASCADE_FIT && !is_starting(d))
			affected[d->state == CASCADE_PARTLY && d->trouble == TROUBLE_GONE
				     ? TROUBLE_ERRORS
				     : d->trouble]++;
	}
	for (unsigned t = TROUBLE_ERRORS; t < TROUBLES; t++) {
		sick += affected[t];
		if (affected[t] != 0)
			as = (enum trouble)t;
	}
	one = cascade_severity(1, as, sick, CASCADE_DOMAINS - 1);
	if (one > worst)
		worst = one;
	if (c->impaired != 0)
		worst = SEVERITY_CRITICAL;
	return worst;
}

/* Rises at once by what is wrong, falls by a quarter of a priority at a time. */
static void
set_floor(struct cascade *c, int64_t now_us)
{
	double least = c->severity == SEVERITY_CRITICAL ? 1.5
	               : c->severity == SEVERITY_HIGH   ? 1.0
	                                                : 0;

	if (c->floor <= least) {
		c->floor = least;
		c->floor_us = now_us;
	} else if (now_us - c->floor_us >= CASCADE_FALL_US) {
		c->floor = c->floor - THROTTLE_STEP > least ? c->floor - THROTTLE_STEP : least;
		c->floor_us = now_us;
	}
}

static void
set_mode(struct cascade *c, int64_t now_us)
{
	enum fleet_mode wanted = MODE_NORMAL;

	if (c->impaired != 0)
		wanted = MODE_ESSENTIAL;
	else if (c->severity == SEVERITY_CRITICAL || c->throttle.refused > 0 || c->floor > 1)
		wanted = MODE_THROTTLED;
	else if (c->floor > 0)
		wanted = MODE_SHEDDING;
	if (wanted >= c->mode) {
		bool again = c->fell_us != 0 && now_us - c->fell_us <= CASCADE_FLAP_US;

		if (wanted > c->mode && again && c->flaps < CASCADE_CALM_DOUBLINGS)
			c->flaps++;
		else if (c->mode == MODE_NORMAL && !again)
			c->flaps = 0;
		c->mode = wanted;
		c->busy_us = now_us;
	} else if (now_us - c->busy_us >= CASCADE_CALM_US << c->flaps) {
		c->mode--;
		c->busy_us = c->fell_us = now_us;
	}
}

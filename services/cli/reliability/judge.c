/* judge: see judge.h.
 *
 * A hop is one try, as its caller saw it. An injected fault is known by its reason: FAULT_INJECTED, or
 * BAD_ANSWER where the answer was damaged. But an orchestrator passes on why its agents failed, so a
 * try that failed is the node's own only where no try below it failed meanwhile. */
#include <string.h>

#include "base/time.h"
#include "cli/reliability/judge.h"
#include "proto/meta.pb-c.h"

static void read_hops(struct record *, const struct call_end *, const struct judging *);
static bool draws(enum member);
static bool is_own(const struct call_end *, const Mf__Hop *);
static bool is_below(const struct member_info *, const Mf__Hop *);
static bool is_injected(const Mf__Hop *);
static void read_answer(struct record *, const struct call_end *);
static void take_cause(struct record *, const struct scenario *, const struct judging *);
static void meet_cause(struct record *, const struct scenario *, const struct cause *);
static void keep_failed(struct record *, const struct call_end *);
static uint16_t members_of(enum domain);
static bool is_cascade(const struct record *, const struct call_end *);
static bool unaccounted(const struct record *, enum domain);
static enum domain domain_find(const char *);

void
judge_federation(
    struct record *r, const struct scenario *s, const struct call_end *end, const struct judging *j)
{
	read_hops(r, end, j);
	read_answer(r, end);
	take_cause(r, s, j);
	keep_failed(r, end);
	if (is_cascade(r, end))
		r->flags |= RECORD_CASCADE;
	j->out->faults += (uint64_t)__builtin_popcount(r->faults);
	if ((r->flags & RECORD_COMMON) != 0)
		j->out->faults_common++;
}

/* No trace here: what was drawn is known, and who failed without a draw was taken down by another. */
void
judge_single(struct record *r, const struct scenario *s, uint8_t draw, const struct call_end *end)
{
	read_answer(r, end);
	r->tries = 1;
	for (enum domain d = 0; d < DOMAINS; d++)
		if ((draw & DRAW_FAULT(d)) != 0 && scenario_agent(s, d) != NULL)
			r->faults |= MEMBER_BIT(member_find(scenario_agent(s, d)));
	if (r->outcome == OUTCOME_SUCCESS)
		return;
	r->failed = r->faults;
	if (r->faults == 0)
		r->flags |= RECORD_CASCADE;
	else if ((draw & DRAW_CRASH) != 0)
		r->flags |= RECORD_CRASH;
}

static void
read_hops(struct record *r, const struct call_end *end, const struct judging *j)
{
	const char *first[DOMAINS] = { NULL };

	for (size_t i = 0; i < end->n_hops; i++) {
		const Mf__Hop *h = end->hops[i];
		enum member m = member_find(h->node);
		const struct member_info *of = &member_table[m < MEMBERS ? m : 0];
		bool fault, own;

		if (m == MEMBERS || h->attempt == 0)
			continue; /* it was passed over: no try */
		fault = status_is_fault((enum status)h->code);
		own = fault && is_own(end, h);
		r->tries++;
		if (draws(m)) {
			j->out->hops[m].tries++;
			j->out->hops[m].own += own;
			j->out->hops[m].below += fault && !own;
		}
		if (own && is_injected(h))
			r->faults |= MEMBER_BIT(m);
		if (own)
			r->failed |= MEMBER_BIT(m); /* in the end, only where its domain failed */
		if (of->level != LEVEL_AGENT)
			continue;
		if (first[of->domain] == NULL) {
			first[of->domain] = of->name;
			if (j->draws != NULL)
				*j->draws |=
				    (uint8_t)(DRAW_KNOWN(of->domain) |
					      (own && is_injected(h) ? DRAW_FAULT(of->domain) : 0));
		} else if (!fault && strcmp(first[of->domain], of->name) != 0 &&
			   strcmp(h->method, "Rbac.Check") != 0) {
			r->flags |= RECORD_FAILOVER;
		}
	}
}

/* The rates are of those into which faults are injected: inject.c. */
static bool
draws(enum member m)
{
	return m != MEMBER_RBAC && m != MEMBER_CACHE;
}

static bool
is_own(const struct call_end *end, const Mf__Hop *h)
{
	const struct member_info *of = &member_table[member_find(h->node)];

	for (size_t i = 0; i < end->n_hops; i++) {
		const Mf__Hop *b = end->hops[i];

		if (b != h && b->start_us >= h->start_us &&
		    b->start_us <= h->start_us + h->duration_us && is_below(of, b) &&
		    status_is_fault((enum status)b->code))
			return false;
	}
	return true;
}

static bool
is_below(const struct member_info *of, const Mf__Hop *h)
{
	enum member m = member_find(h->node);

	if (m == MEMBERS || member_table[m].level <= of->level)
		return false;
	return of->level == LEVEL_META || member_table[m].domain == of->domain;
}

static bool
is_injected(const Mf__Hop *h)
{
	return strcmp(h->reason, "FAULT_INJECTED") == 0 || strcmp(h->reason, "BAD_ANSWER") == 0;
}

static void
read_answer(struct record *r, const struct call_end *end)
{
	const Mf__TaskResponse *m = (const Mf__TaskResponse *)end->reply;
	enum status s = m != NULL ? (enum status)m->status : end->failure->status;
	uint32_t retry_ms = m == NULL            ? end->failure->retry_ms
	                    : m->problem != NULL ? m->problem->retry_delay_ms
	                                         : 0;

	r->outcome = m == NULL            ? OUTCOME_FAILED
	             : m->success         ? OUTCOME_SUCCESS
	             : m->partial_success ? OUTCOME_PARTIAL
	                                  : OUTCOME_FAILED;
	r->status = (uint8_t)s;
	if (m != NULL && m->degraded)
		r->flags |= RECORD_DEGRADED;
	if (s == ST_RESOURCE_EXHAUSTED && retry_ms != 0)
		r->flags |= RECORD_SHED;
	if (s == ST_DEADLINE_EXCEEDED)
		r->flags |= RECORD_LATE;
}

/* While a store is down, or a level slow, whoever needs it has met that fault, however it went; and
 * who fails shortly after it has failed because of it. */
static void
take_cause(struct record *r, const struct scenario *s, const struct judging *j)
{
	int64_t end_us = j->due_us + (int64_t)r->latency_us;

	for (size_t i = 0; i < j->n_causes; i++) {
		const struct cause *c = &j->causes[i];
		int64_t until = c->until_us == 0 ? INT64_MAX : c->until_us;

		if (c->until_us != 0 && r->outcome != OUTCOME_SUCCESS)
			until += CAUSE_AFTER_US;
		if (c->from_us != 0 && end_us >= c->from_us && j->due_us <= until)
			meet_cause(r, s, c);
	}
}

static void
meet_cause(struct record *r, const struct scenario *s, const struct cause *c)
{
	for (enum member m = 0; m < MEMBERS; m++) {
		const struct member_info *of = &member_table[m];
		const char *agent = of->level == LEVEL_AGENT ? scenario_agent(s, of->domain) : NULL;

		if ((c->members & MEMBER_BIT(m)) == 0)
			continue;
		if (of->level == LEVEL_META ||
		    (of->level == LEVEL_DOMAIN && (s->domains & 1u << of->domain) != 0) ||
		    (agent != NULL && strcmp(agent, of->name) == 0)) {
			r->faults |= MEMBER_BIT(m);
			r->flags |= RECORD_COMMON;
		}
	}
}

/* Of the members that failed, those in the domains that failed in the end; where none of them did, the
 * orchestrator that said so. */
static void
keep_failed(struct record *r, const struct call_end *end)
{
	const Mf__TaskResponse *m = (const Mf__TaskResponse *)end->reply;
	uint16_t failed = 0;

	if (r->outcome == OUTCOME_SUCCESS) {
		r->failed = 0;
		return;
	}
	for (size_t i = 0; m != NULL && i < m->n_failed_domains; i++) {
		enum domain d = domain_find(m->failed_domains[i]);
		uint16_t own = d == DOMAIN_NONE ? 0 : (uint16_t)(members_of(d) & r->failed);

		failed |= own != 0 ? own : MEMBER_BIT(member_find(m->failed_domains[i]));
	}
	r->failed = failed != 0 ? failed : MEMBER_BIT(MEMBER_META);
}

/* A request that fails in a domain, or on a level, in which no fault was injected into it. */
static bool
is_cascade(const struct record *r, const struct call_end *end)
{
	const Mf__TaskResponse *m = (const Mf__TaskResponse *)end->reply;

	if (r->outcome == OUTCOME_SUCCESS)
		return false;
	if (m == NULL || m->n_failed_domains == 0)
		return (r->faults & MEMBER_BIT(MEMBER_META)) == 0;
	for (size_t i = 0; i < m->n_failed_domains; i++)
		if (unaccounted(r, domain_find(m->failed_domains[i])))
			return true;
	return false;
}

static bool
unaccounted(const struct record *r, enum domain d)
{
	uint16_t members = d == DOMAIN_NONE ? MEMBER_BIT(MEMBER_META) : members_of(d);

	return (r->faults & members) == 0;
}

static uint16_t
members_of(enum domain d)
{
	uint16_t set = 0;

	for (enum member m = 0; m < MEMBERS; m++)
		if (member_table[m].domain == d)
			set |= MEMBER_BIT(m);
	return set;
}

static enum domain
domain_find(const char *name)
{
	enum domain d = 0;

	while (d < DOMAINS && strcmp(domain_names[d], name) != 0)
		d++;
	return d;
}

/* strategy: domains, dependencies, stages, and the score of a request. Called by execute once per
 * request.
 *
 * Invariant: in every plan that comes out, STORE and OWN need GATE, and no step needs itself
 * through others. */
#include <stdio.h>
#include <string.h>

#include "meta/essential.h"
#include "meta/strategy.h"

#define DOMAINS  5 /* 0 is none */
#define D_BIT(d) (1u << (d))

static uint32_t domains_of(const Mf__TaskRequest *);
static bool take_dependencies(const Mf__TaskRequest *, uint32_t, uint32_t *, char *, size_t);
static bool find_cycle(const uint32_t *, char *, size_t);
static bool walk(const uint32_t *, uint32_t *, size_t, uint32_t *, uint32_t *);
static void name_cycle(const uint32_t *, size_t, char *, size_t);
static bool reaches(const uint32_t *, uint32_t, uint32_t);
static void order_steps(const Mf__TaskRequest *, const uint32_t *, struct plan *);
static void count_stages(struct plan *);
static void weigh(const Mf__TaskRequest *, uint32_t, struct plan *);

bool
strategy_plan(const Mf__TaskRequest *q, struct plan *p, char *err, size_t err_size)
{
	uint32_t domains = domains_of(q), need[DOMAINS] = { 0 };

	*p = (struct plan){ .api_alone = q->api != NULL && q->database == NULL && q->meta == NULL };
	if (domains == 0) {
		snprintf(err, err_size, "requirements: there are none");
		return false;
	}
	if (q->auth != NULL && strategy_signs(q->auth)) {
		if (domains != D_BIT(MF__DOMAIN__DOMAIN_AUTH) || q->n_depends_on != 0) {
			snprintf(
			    err, err_size, "auth: operation %s stands alone", q->auth->operation);
			return false;
		}
		p->steps = STEP_BIT(STEP_SIGN);
	} else {
		if (!take_dependencies(q, domains, need, err, err_size) ||
		    find_cycle(need, err, err_size))
			return false;
		order_steps(q, need, p);
	}
	count_stages(p);
	weigh(q, domains, p);
	return true;
}

uint32_t
strategy_priority(const Mf__TaskRequest *q)
{
	return essential_priority(q);
}

const char *
strategy_priority_name(uint32_t p)
{
	static const char *const names[] = { "", "CRITICAL", "HIGH", "MEDIUM", "LOW" };

	return p < sizeof(names) / sizeof(names[0]) ? names[p] : "";
}

bool
strategy_signs(const Mf__AuthRequirement *a)
{
	return strcmp(a->operation, "login") == 0 || strcmp(a->operation, "refresh") == 0 ||
	       strcmp(a->operation, "logout") == 0 || strcmp(a->operation, "web") == 0;
}

Mf__Domain
strategy_domain(enum step s)
{
	static const Mf__Domain of[STEPS] = {
		[STEP_FORM] = MF__DOMAIN__DOMAIN_API,
		[STEP_GATE] = MF__DOMAIN__DOMAIN_AUTH,
		[STEP_STORE] = MF__DOMAIN__DOMAIN_DATABASE,
		[STEP_OWN] = MF__DOMAIN__DOMAIN_META,
		[STEP_SIGN] = MF__DOMAIN__DOMAIN_AUTH,
		[STEP_FORMAT] = MF__DOMAIN__DOMAIN_API,
	};

	return of[s];
}

const char *
strategy_step_name(enum step s)
{
	static const char *const names[STEPS] = {
		[STEP_FORM] = "FORM",
		[STEP_GATE] = "GATE",
		[STEP_STORE] = "STORE",
		[STEP_OWN] = "OWN",
		[STEP_SIGN] = "SIGN",
		[STEP_FORMAT] = "FORMAT",
	};

	return names[s];
}

const char *
strategy_domain_name(Mf__Domain d)
{
	static const char *const names[DOMAINS] = { "none", "api", "database", "auth", "meta" };

	return (uint32_t)d < DOMAINS ? names[d] : "?";
}

static uint32_t
domains_of(const Mf__TaskRequest *q)
{
	return (q->api != NULL ? D_BIT(MF__DOMAIN__DOMAIN_API) : 0) |
	       (q->database != NULL ? D_BIT(MF__DOMAIN__DOMAIN_DATABASE) : 0) |
	       (q->auth != NULL ? D_BIT(MF__DOMAIN__DOMAIN_AUTH) : 0) |
	       (q->meta != NULL ? D_BIT(MF__DOMAIN__DOMAIN_META) : 0);
}

/* What the request says, and the rule that effects come after the gate. */
static bool
take_dependencies(
    const Mf__TaskRequest *q, uint32_t domains, uint32_t *need, char *err, size_t err_size)
{
	for (size_t i = 0; i < q->n_depends_on; i++) {
		uint32_t d = (uint32_t)q->depends_on[i]->domain,
			 on = (uint32_t)q->depends_on[i]->on;

		if (d == 0 || d >= DOMAINS || on == 0 || on >= DOMAINS) {
			snprintf(err, err_size, "depends_on[%zu]: is no pair of domains", i);
			return false;
		}
		if ((domains & D_BIT(d)) == 0 || (domains & D_BIT(on)) == 0) {
			snprintf(err, err_size,
			    "depends_on[%zu]: %s is not required by this request", i,
			    strategy_domain_name((Mf__Domain)((domains & D_BIT(d)) == 0 ? d : on)));
			return false;
		}
		need[d] |= D_BIT(on);
	}
	if (q->database != NULL)
		need[MF__DOMAIN__DOMAIN_DATABASE] |= D_BIT(MF__DOMAIN__DOMAIN_AUTH);
	if (q->meta != NULL)
		need[MF__DOMAIN__DOMAIN_META] |= D_BIT(MF__DOMAIN__DOMAIN_AUTH);
	return true;
}

static bool
find_cycle(const uint32_t *need, char *err, size_t err_size)
{
	uint32_t path[DOMAINS + 1], on_path = 0, finished = 0;

	for (uint32_t d = 1; d < DOMAINS; d++) {
		path[0] = d;
		if ((finished & D_BIT(d)) == 0 && walk(need, path, 1, &on_path, &finished)) {
			size_t n = 0;

			while (path[n] != 0)
				n++;
			name_cycle(path, n, err, err_size);
			return true;
		}
	}
	return false;
}

/* Depth first; on a cycle `path` ends with its first domain again and then a 0. At most DOMAINS
 * deep. */
static bool
walk(const uint32_t *need, uint32_t *path, size_t n, uint32_t *on_path, uint32_t *finished)
{
	uint32_t d = path[n - 1];

	*on_path |= D_BIT(d);
	for (uint32_t next = 1; next < DOMAINS; next++) {
		if ((need[d] & D_BIT(next)) == 0 || (*finished & D_BIT(next)) != 0)
			continue;
		path[n] = next;
		if ((*on_path & D_BIT(next)) != 0) {
			if (n + 1 < DOMAINS + 1)
				path[n + 1] = 0;
			return true;
		}
		if (walk(need, path, n + 1, on_path, finished))
			return true;
	}
	*on_path &= ~D_BIT(d);
	*finished |= D_BIT(d);
	return false;
}

static void
name_cycle(const uint32_t *path, size_t n, char *err, size_t err_size)
{
	size_t at = 0, used;

	while (path[at] != path[n - 1])
		at++;
	used = (size_t)snprintf(
	    err, err_size, "depends_on: cycle: %s", strategy_domain_name((Mf__Domain)path[at]));
	for (size_t i = at + 1; i < n && used < err_size; i++)
		used += (size_t)snprintf(err + used, err_size - used, " -> %s",
		    strategy_domain_name((Mf__Domain)path[i]));
}

static bool
reaches(const uint32_t *need, uint32_t from, uint32_t to)
{
	if ((need[from] & D_BIT(to)) != 0)
		return true;
	for (uint32_t d = 1; d < DOMAINS; d++)
		if ((need[from] & D_BIT(d)) != 0 && reaches(need, d, to))
			return true;
	return false;
}

/* FORM is always early: it has no effect, and what is malformed shall not cost a write. So `api`
 * after something orders its FORMAT, something after `api` orders FORM; an effect that is told to
 * come after `api` leaves nothing to format. */
static void
order_steps(const Mf__TaskRequest *q, const uint32_t *need, struct plan *p)
{
	bool api = q->api != NULL, store = q->database != NULL || p->api_alone,
	     own = q->meta != NULL || p->api_alone;
	bool api_first = reaches(need, MF__DOMAIN__DOMAIN_DATABASE, MF__DOMAIN__DOMAIN_API) ||
	                 reaches(need, MF__DOMAIN__DOMAIN_META, MF__DOMAIN__DOMAIN_API);
	uint32_t before_effect = STEP_BIT(STEP_GATE) | STEP_BIT(STEP_FORM);

	p->steps = STEP_BIT(STEP_GATE) | (api ? STEP_BIT(STEP_FORM) : 0) |
	           (store ? STEP_BIT(STEP_STORE) : 0) | (own ? STEP_BIT(STEP_OWN) : 0) |
	           (api && !api_first ? STEP_BIT(STEP_FORMAT) : 0);
	if (p->api_alone || reaches(need, MF__DOMAIN__DOMAIN_AUTH, MF__DOMAIN__DOMAIN_API))
		p->needs[STEP_GATE] = STEP_BIT(STEP_FORM);
	p->needs[STEP_STORE] = before_effect;
	p->needs[STEP_OWN] = before_effect;
	if (reaches(need, MF__DOMAIN__DOMAIN_DATABASE, MF__DOMAIN__DOMAIN_META))
		p->needs[STEP_STORE] |= STEP_BIT(STEP_OWN);
	if (reaches(need, MF__DOMAIN__DOMAIN_META, MF__DOMAIN__DOMAIN_DATABASE))
		p->needs[STEP_OWN] |= STEP_BIT(STEP_STORE);
	p->needs[STEP_FORMAT] = before_effect | STEP_BIT(STEP_STORE) | STEP_BIT(STEP_OWN);
	for (int s = 0; s < STEPS; s++)
		p->needs[s] = (p->steps & STEP_BIT(s)) != 0 ? p->needs[s] & p->steps : 0;
}

/* The stage of a step is one more than the latest of those it needs: there are few steps, so repeat
 * until nothing moves. */
static void
count_stages(struct plan *p)
{
	for (int round = 0; round < STEPS; round++)
		for (int s = 0; s < STEPS; s++) {
			uint32_t latest = 0;

			if ((p->steps & STEP_BIT(s)) == 0)
				continue;
			for (int n = 0; n < STEPS; n++)
				if ((p->needs[s] & STEP_BIT(n)) != 0 && p->stage[n] > latest)
					latest = p->stage[n];
			p->stage[s] = latest + 1;
			if (p->stage[s] > p->stages)
				p->stages = p->stage[s];
		}
}

static void
weigh(const Mf__TaskRequest *q, uint32_t domains, struct plan *p)
{
	size_t bytes = (q->database != NULL ? q->database->data.len : 0) +
	               (q->api != NULL ? q->api->data.len : 0) +
	               (q->meta != NULL ? q->meta->data.len : 0);
	uint32_t n_domains = (uint32_t)__builtin_popcount(domains),
		 n_steps = (uint32_t)__builtin_popcount(p->steps);

	p->of_domains = 10 * n_domains;
	p->of_operations = 5 * n_steps;
	p->of_payload = (uint32_t)(bytes / 4096);
	p->of_stages = 8 * (p->stages - 1);
	p->score = p->of_domains + p->of_operations + p->of_payload + p->of_stages;
	p->units = p->score < 200 ? 1 : p->score >= 800 ? 8 : p->score / 100;
}

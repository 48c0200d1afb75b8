/* simulate: see simulate.h. Every try draws, also where it could not matter any more: what one
 * level meets does not depend on how the others went. */
#include "base/id.h"
#include "cli/reliability/simulate.h"

struct draw {
	struct rng rng;
	struct simulated *out;
	double share;
};

static bool hit(struct draw *, double);
static bool level_works(struct draw *, double, uint32_t);
static bool request_works(struct draw *, const struct simulate_opts *);
static bool meta_works(struct draw *, const struct simulate_opts *, uint32_t, uint32_t);
static bool domain_works(struct draw *, const struct simulate_opts *, bool, bool, bool);
static bool domain_works_once(struct draw *, const struct simulate_opts *, bool);
static bool both_work(struct draw *, const struct simulate_opts *, uint32_t);

struct simulated
simulate_shape(double e, uint32_t depth, uint32_t breadth, const struct common_cause *c, uint64_t n,
    uint64_t seed)
{
	struct simulated out = { .n = n };
	struct draw d = { .out = &out, .share = c != NULL ? c->share : 0 };

	rng_seed(&d.rng, seed);
	for (uint64_t i = 0; i < n; i++) {
		bool ok = true;

		for (uint32_t l = 0; l < depth; l++)
			ok &= level_works(&d, e, breadth);
		out.ok += ok;
	}
	return out;
}

struct simulated
simulate_federation(const struct simulate_opts *o, uint64_t n, uint64_t seed)
{
	struct simulated out = { .n = n };
	struct draw d = { .out = &out, .share = o->common.share };

	rng_seed(&d.rng, seed);
	for (uint64_t i = 0; i < n; i++)
		out.ok += request_works(&d, o);
	return out;
}

static bool
hit(struct draw *d, double chance)
{
	bool is = rng_unit(&d->rng) < chance;

	d->out->faults += is;
	return is;
}

/* Some of n tries works; the common part of their faults is drawn once. */
static bool
level_works(struct draw *d, double e, uint32_t n)
{
	double common = d->share * e, alone = (e - common) / (1 - common);
	bool works = false, together = hit(d, common);

	d->out->faults_common += together;
	for (uint32_t i = 0; i < n; i++)
		works |= !hit(d, alone);
	return works && !together;
}

static bool
request_works(struct draw *d, const struct simulate_opts *o)
{
	uint32_t down = DOMAINS, slow = LEVELS;

	if (hit(d, o->common.store_down)) {
		d->out->faults_common++;
		down = rng_below(&d->rng, DOMAINS);
	}
	if (hit(d, o->common.level_slow)) {
		d->out->faults_common++;
		slow = rng_below(&d->rng, LEVELS);
	}
	return meta_works(d, o, down, slow);
}

static bool
meta_works(struct draw *d, const struct simulate_opts *o, uint32_t down, uint32_t slow)
{
	bool works =
	    slow != LEVEL_META && (o->nested || level_works(d, o->rates.meta, o->tries.meta));

	for (uint32_t try = 0; try < (o->nested ? o->tries.meta : 1); try++) {
		bool now = !o->nested || level_works(d, o->rates.meta, 1);

		for (uint32_t i = 0; i < o->domains; i++)
			now &= domain_works(
			    d, o, i == down, slow == LEVEL_DOMAIN, slow == LEVEL_AGENT);
		if (now)
			return works;
	}
	return false;
}

static bool
domain_works(
    struct draw *d, const struct simulate_opts *o, bool down, bool slow_itself, bool slow_below)
{
	bool works = !down && !slow_itself && !slow_below, some = false;

	if (!o->nested)
		return both_work(d, o, o->tries.domain) && works;
	for (uint32_t try = 0; try < o->tries.domain; try++)
		some |= domain_works_once(d, o, works);
	return some;
}

static bool
domain_works_once(struct draw *d, const struct simulate_opts *o, bool can)
{
	return both_work(d, o, 1) && can;
}

/* The agent draws even where the orchestrator has failed. */
static bool
both_work(struct draw *d, const struct simulate_opts *o, uint32_t tries)
{
	bool domain = level_works(d, o->rates.domain, tries);
	bool agent = level_works(d, o->rates.agent, o->tries.agent);

	return domain && agent;
}

/* theory: see theory.h. Failure chances are kept, not reliabilities, where they are small. */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "cli/reliability/theory.h"

const struct theory_shape theory_shapes[THEORY_SHAPES] = {
	{ 1, 1 },
	{ 1, 3 },
	{ 1, 9 },
	{ 2, 3 },
	{ 3, 3 },
	{ 3, 5 },
};

double
theory_stage(double e, uint32_t k)
{
	return 1 - pow(e, k);
}

double
theory_domain(const struct rates *e, const struct tries *k)
{
	return theory_stage(e->domain, k->domain) * theory_stage(e->agent, k->agent);
}

double
theory_request(const struct rates *e, const struct tries *k, uint32_t domains)
{
	return theory_stage(e->meta, k->meta) * pow(theory_domain(e, k), domains);
}

double
theory_nested(const struct rates *e, const struct tries *k, uint32_t domains)
{
	double agents = theory_stage(e->agent, k->agent);
	double domain = theory_stage(1 - (1 - e->domain) * agents, k->domain);

	return theory_stage(1 - (1 - e->meta) * pow(domain, domains), k->meta);
}

double
theory_baseline(double e_agent, uint32_t domains)
{
	return pow(1 - e_agent, domains);
}

double
theory_depth_breadth(double e, uint32_t depth, uint32_t breadth)
{
	return pow(theory_stage(e, breadth), depth);
}

/* The beta-factor model of reliability engineering: NUREG/CR-4780. The independent part is so
 * chosen that one member alone fails as often as before. */
double
theory_common_cause(double e, double share, uint32_t depth, uint32_t breadth)
{
	double common = share * e, alone = (e - common) / (1 - common);

	return pow((1 - common) * theory_stage(alone, breadth), depth);
}

/* Levels don't depend on each other but through the money: best[l][m] is what l levels reach with
 * m, so that every composition is considered and none is tried twice. */
struct theory_plan
theory_best(const struct theory_level *levels, uint32_t n, uint32_t budget)
{
	static _Thread_local double best[THEORY_LEVELS_MOST + 1][THEORY_BUDGET_MOST + 1];
	static _Thread_local uint32_t choice[THEORY_LEVELS_MOST + 1][THEORY_BUDGET_MOST + 1];
	struct theory_plan plan = { .reliability = 0 };

	must(n >= 1 && n <= THEORY_LEVELS_MOST && budget <= THEORY_BUDGET_MOST);
	memset(best, 0, sizeof(best));
	memset(choice, 0, sizeof(choice));
	best[0][0] = 1;
	for (uint32_t l = 0; l < n; l++) {
		uint32_t cost = levels[l].cost;

		must(cost >= 1);
		for (uint32_t m = cost; m <= budget; m++)
			for (uint32_t k = 1; k * cost <= m; k++) {
				double with =
				    best[l][m - k * cost] * theory_stage(levels[l].error, k);

				if (with > best[l + 1][m]) {
					best[l + 1][m] = with;
					choice[l + 1][m] = k;
				}
			}
	}
	for (uint32_t m = 0; m <= budget; m++)
		if (best[n][m] > plan.reliability) {
			plan.reliability = best[n][m];
			plan.cost = m;
		}
	if (plan.reliability == 0)
		return plan;
	for (uint32_t l = n, m = plan.cost; l > 0; l--) {
		plan.members[l - 1] = choice[l][m];
		plan.processes += choice[l][m];
		m -= choice[l][m] * levels[l - 1].cost;
	}
	return plan;
}

struct theory_plan
theory_best_federation(const struct rates *e, const struct theory_costs *c, uint32_t budget)
{
	struct theory_level levels[THEORY_STAGES] = { { e->meta, c->meta } };

	for (int i = 1; i < THEORY_STAGES; i++)
		levels[i] = i <= DOMAINS ? (struct theory_level){ e->domain, c->domain }
		                         : (struct theory_level){ e->agent, c->agent };
	return theory_best(levels, THEORY_STAGES, budget);
}

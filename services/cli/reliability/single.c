/* single: the baseline's process as the measurement keeps it: started, and started again at once when
 * it has died of a fault. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/time.h"
#include "cli/reliability/measure.h"

#define LOOK_US        MS /* at the process: so late is its death seen at most */
#define READY_LIMIT_US (20 * SEC)
#define SEED_DRAWS     UINT64_C(0xd1b54a32d192ed03)

struct probe {
	struct loop *loop;
	bool up;
	struct target *target;
};

static bool spawn(struct measure *);
static void on_look(struct timer *);
static bool is_up(void *);

bool
single_start(struct measure *m)
{
	int64_t until = time_now_us() + READY_LIMIT_US;

	if (m->baseline_wanted)
		return true;
	m->baseline_wanted = true;
	timer_init(&m->baseline_timer, client_loop(m->client), on_look);
	if (!spawn(m))
		return false;
	timer_in(&m->baseline_timer, LOOK_US);
	while (!target_ready(m->single) && time_now_us() < until)
		loop_run_until(client_loop(m->client), is_up, m, 50 * MS);
	if (!target_ready(m->single))
		snprintf(m->err, sizeof(m->err), "the baseline does not start: %s",
		    private_fleet_last_words(m->fleet, "baseline"));
	return target_ready(m->single);
}

void
single_stop(struct measure *m)
{
	int status;

	if (!m->baseline_wanted)
		return;
	m->baseline_wanted = false;
	timer_stop(&m->baseline_timer);
	if (m->baseline <= 0)
		return;
	kill(m->baseline, SIGKILL);
	while (waitpid(m->baseline, &status, 0) < 0 && errno == EINTR)
		;
	m->baseline = 0;
}

void
single_draws(const struct measure *m, uint8_t *draws, uint32_t n, enum scenario_set set)
{
	struct rng g;

	for (uint32_t i = 0; i < n; i++) {
		struct scenario s = scenario_at(m->o->seed, i, set);

		rng_seed(&g, (m->o->seed ^ SEED_DRAWS) + i);
		for (enum domain d = 0; d < DOMAINS; d++) {
			bool fails = rng_unit(&g) < m->o->rates.agent;

			if ((s.domains & 1u << d) == 0)
				draws[i] &= (uint8_t)~DRAW_FAULT(d);
			else if ((draws[i] & DRAW_KNOWN(d)) == 0 && fails)
				draws[i] |= DRAW_FAULT(d);
		}
		if ((draws[i] & DRAW_FAULTS) != 0 && rng_unit(&g) < m->o->neighbour_share)
			draws[i] |= DRAW_CRASH;
	}
}

static bool
spawn(struct measure *m)
{
	char *args[] = { (char *)"reliability", (char *)"baseline",
		(char *)(uintptr_t)private_fleet_var(m->fleet), m->jwks, NULL };

	m->baseline = private_fleet_spawn(m->fleet, args);
	m->baseline_starts += m->baseline > 0;
	if (m->baseline < 0)
		snprintf(m->err, sizeof(m->err), "baseline: %s", strerror(errno));
	return m->baseline > 0;
}

static void
on_look(struct timer *t)
{
	struct measure *m = container_of(t, struct measure, baseline_timer);
	int status;

	if (m->baseline > 0 && waitpid(m->baseline, &status, WNOHANG) == m->baseline) {
		m->baseline = 0;
		m->baseline_died_us = time_now_us();
	}
	if (m->baseline <= 0) /* also when there was no process to be had a moment ago */
		(void)spawn(m);
	timer_in(t, LOOK_US);
}

static bool
is_up(void *ctx)
{
	return target_ready(((const struct measure *)ctx)->single);
}

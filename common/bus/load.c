/* load: what this node says of itself to whoever looks at the fleet: what goes over its calls to each
 * member, what it serves, and what that costs, of the last ten seconds; how it is configured. Each try of a call counts where it went, as the
 * census has it; what an operator asks (mf.Node) does not. Nothing is done while nothing happens. */
#include <stdlib.h>
#include <time.h>

#include "bus/inside.h"

static void look_at_cpu(struct load *l, int64_t now_us);
static int64_t cpu_us(void);
static Mf__CallLoad *load_of(struct arena *a, const struct recent *r, int64_t now_us);

void
load_ended(const struct rpc_call *r, int64_t now_us)
{
	const struct failure *f = &r->failure;

	if (r->target->control || r->opts.quiet || f->status == ST_CANCELLED)
		return;
	recent_count(
	    &r->member->recent, now_us, now_us - r->try_us, census_is_fault(f->status, f->reason));
}

void
bus_count_served(struct bus *b, int64_t took_us, bool fault)
{
	int64_t now = time_now_us();

	look_at_cpu(&b->load, now);
	recent_count(&b->load.served, now, took_us, fault);
}

void
load_free(struct bus *b)
{
	free(b->load.served);
	b->load.served = NULL;
}

/* Targets of one service to one member (api: whole requests, and forms) are two entries. */
void
load_tell(struct bus *b, struct arena *a, Mf__NodeInfo *info)
{
	int64_t now = time_now_us();
	size_t most = 0;

	look_at_cpu(&b->load, now);
	info->cpu_percent = recent_cpu_percent(&b->load.cpu, now, cpu_us());
	info->log_level = (char *)(uintptr_t)log_level_name(log_level());
	if (b->node != NULL)
		info->restart_window_us = (uint64_t)node_restart_window(b->node);
	info->served = load_of(a, b->load.served, now);
	LIST_EACH(&b->targets, k)
		most += container_of(k, struct target, link)->n_members;
	info->calls = ARENA_ARRAY(a, Mf__CallLoad *, most + 1);
	LIST_EACH(&b->targets, k) {
		struct target *t = container_of(k, struct target, link);

		for (size_t i = 0; i < t->n_members && !t->control; i++) {
			const struct member *m = &t->members[i];
			Mf__CallLoad *one = load_of(a, m->recent, now);

			one->target = (char *)(uintptr_t)t->service->name;
			one->node = m->peer->name;
			one->breaker =
			    (char *)(uintptr_t)(m->peer->up ? breaker_state_name(target_shown(m))
							    : "open");
			info->calls[info->n_calls++] = one;
		}
	}
}

void
load_settings(const struct node *n, struct arena *a, Mf__SettingList *out)
{
	struct node_setting *from;
	size_t most = n != NULL ? node_settings(n, a, &from) : 0;

	out->items = ARENA_ARRAY(a, Mf__Setting *, most + 1);
	for (; out->n_items < most; out->n_items++) {
		const struct node_setting *f = &from[out->n_items];
		Mf__Setting *s = out->items[out->n_items] = ARENA_NEW(a, Mf__Setting);

		mf__setting__init(s);
		s->key = (char *)(uintptr_t)f->key->name;
		s->secret = f->value == NULL;
		if (!s->secret) {
			s->value = (char *)(uintptr_t)f->value;
			s->default_value =
			    (char *)(uintptr_t)(f->key->def != NULL ? f->key->def : "");
		}
		s->source = (char *)(uintptr_t)config_from_name(f->from);
		s->help = (char *)(uintptr_t)(f->key->help != NULL ? f->key->help : "");
		s->needs_restart = f->key->restart;
	}
}

static void
look_at_cpu(struct load *l, int64_t now_us)
{
	if (recent_cpu_due(&l->cpu, now_us))
		recent_cpu_add(&l->cpu, now_us, cpu_us());
}

static int64_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * SEC + t.tv_nsec / 1000;
}

static Mf__CallLoad *
load_of(struct arena *a, const struct recent *r, int64_t now_us)
{
	Mf__CallLoad *one = ARENA_NEW(a, Mf__CallLoad);
	struct recent_sum s;

	mf__call_load__init(one);
	recent_sum(r, now_us, &s);
	one->calls = s.calls;
	one->faults = s.faults;
	one->window_us = (uint64_t)s.window_us;
	one->p50_us = (uint64_t)s.p50_us;
	one->p99_us = (uint64_t)s.p99_us;
	return one;
}

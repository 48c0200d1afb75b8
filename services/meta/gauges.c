/* gauges: see gauges.h. A process has its series from the first report or heartbeat of it on, and as
 * long as its row is there: with several of one name rows come and go. Only the table of who leads is
 * kept up (metafed_meta_leads). */
#include "meta/gauges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/mem.h"
#include "meta/fleet_state.h"
#include "meta/gate.h"
#include "meta/meta.h"
#include "node/node.h"

enum { VAR, LOG, DIRECTORIES };

struct gauges {
	struct meta *meta;
	struct metric_family *state, *restarts, *exits;
	struct process {
		char name[sizeof(((struct fleet_row *)NULL)->name)]; /* "": free */
		bool here;
		struct metric *state, *restarts, *exits;
	} processes[FLEET_ROWS_MOST];
	struct metric *slots_used, *slots_most, *slots_waiting, *queue_most, *grants_kept;
	struct metric *disk_free[DIRECTORIES], *disk_size[DIRECTORIES];
};

static void show_processes(struct gauges *);
static struct process *process_of(struct gauges *, const char *);
static void forget(struct gauges *, struct process *);
static void show_disks(struct gauges *);

struct gauges *
gauges_new(struct meta *m)
{
	static const char *const by_directory[] = { "directory", NULL };
	static const char *const by_process[] = { "process", NULL };
	static const char *const directories[DIRECTORIES] = { "var", "log" };
	struct gauges *g = mem_zalloc(sizeof(*g));
	struct metric_family *free_bytes = metric_family(METRIC_GAUGE, "metafed_disk_free_bytes",
	    "Room that is left where VAR is, and where its logs are.", by_directory);
	struct metric_family *size = metric_family(
	    METRIC_GAUGE, "metafed_disk_size_bytes", "Size of these file systems.", by_directory);

	g->meta = m;
	g->state = metric_family(METRIC_GAUGE, "metafed_process_state",
	    "Of a supervised process: 0 stopped, 1 starting, 2 ready, 3 draining, 4 stopping, 5 "
	    "waits to be started again, 6 given up.",
	    by_process);
	g->restarts = metric_family(METRIC_GAUGE, "metafed_process_restarts",
	    "Restarts that count against its limit: those of its window.", by_process);
	g->exits = metric_family(METRIC_COUNTER, "metafed_process_exits_total",
	    "Times that it ended, for whatever reason.", by_process);
	g->slots_used =
	    metric_simple(METRIC_GAUGE, "metafed_meta_slots_used", "Concurrency slots in use.");
	g->slots_most =
	    metric_simple(METRIC_GAUGE, "metafed_meta_slots", "Concurrency slots that there are.");
	g->slots_waiting = metric_simple(
	    METRIC_GAUGE, "metafed_meta_slots_waiting", "Requests that wait for a slot.");
	g->queue_most = metric_simple(
	    METRIC_GAUGE, "metafed_meta_queue", "Requests that may wait for a slot at once.");
	g->grants_kept = metric_simple(
	    METRIC_GAUGE, "metafed_meta_grants_kept", "Verified permissions that are kept.");
	for (int i = 0; i < DIRECTORIES; i++) {
		g->disk_free[i] = metric_get(free_bytes, &directories[i]);
		g->disk_size[i] = metric_get(size, &directories[i]);
	}
	return g;
}

void
gauges_free(struct gauges **g)
{
	for (size_t i = 0; *g != NULL && i < FLEET_ROWS_MOST; i++)
		forget(*g, &(*g)->processes[i]);
	free(*g);
	*g = NULL;
}

void
gauges_show(struct gauges *g)
{
	struct meta *m = g->meta;

	metric_set(g->slots_used, m->slots.all.used);
	metric_set(g->slots_most, (double)m->config.slots);
	metric_set(g->slots_waiting, m->slots.waiting);
	metric_set(g->queue_most, (double)m->config.queue);
	metric_set(g->grants_kept, gate_kept(m->gate));
	show_processes(g);
	if (m->node != NULL)
		show_disks(g);
}

static void
show_processes(struct gauges *g)
{
	struct fleet_row *rows;
	size_t n = fleet_state_rows(g->meta->fleet, &rows);

	for (size_t i = 0; i < FLEET_ROWS_MOST; i++)
		g->processes[i].here = false;
	for (size_t i = 0; i < n; i++) {
		const struct fleet_row *r = &rows[i];
		struct process *p = r->reported || r->beat_us != 0 ? process_of(g, r->name) : NULL;

		if (p == NULL)
			continue;
		p->here = true;
		metric_set(p->state, r->state);
		metric_set(p->restarts, r->restarts);
		/* Without a supervisor a restart is the end that is seen. */
		metric_set(p->exits, r->reported ? r->exits : r->restarts);
	}
	for (size_t i = 0; i < FLEET_ROWS_MOST; i++)
		if (!g->processes[i].here)
			forget(g, &g->processes[i]);
}

/* NULL: there is no room until others are forgotten. */
static struct process *
process_of(struct gauges *g, const char *name)
{
	struct process *p = NULL;

	for (size_t i = 0; i < FLEET_ROWS_MOST; i++) {
		if (strcmp(g->processes[i].name, name) == 0)
			return &g->processes[i];
		if (p == NULL && g->processes[i].name[0] == '\0')
			p = &g->processes[i];
	}
	if (p == NULL)
		return NULL;
	strcpy(p->name, name);
	p->state = metric_get(g->state, &name);
	p->restarts = metric_get(g->restarts, &name);
	p->exits = metric_get(g->exits, &name);
	return p;
}

static void
forget(struct gauges *g, struct process *p)
{
	if (p->name[0] == '\0')
		return;
	metric_drop(g->state, p->state);
	metric_drop(g->restarts, p->restarts);
	metric_drop(g->exits, p->exits);
	p->name[0] = '\0';
}

static void
show_disks(struct gauges *g)
{
	static const char *const below[DIRECTORIES] = { "", "/log" };

	for (int i = 0; i < DIRECTORIES; i++) {
		char path[4096];
		struct statvfs v;

		snprintf(path, sizeof(path), "%s%s", node_var(g->meta->node), below[i]);
		if (statvfs(path, &v) != 0)
			continue;
		metric_set(g->disk_free[i], (double)v.f_bavail * (double)v.f_frsize);
		metric_set(g->disk_size[i], (double)v.f_blocks * (double)v.f_frsize);
	}
}

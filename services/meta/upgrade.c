/* upgrade: what people ask of an upgrade, and its record. The steps are upgrade_way.c's. Called by own. */
#include "meta/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "meta/lead.h"
#include "meta/own.h"
#include "meta/upgrade_inside.h"
#include "node/node.h"

#define RECORD_MOST (64 << 10)

struct asked { /* one request for an upgrade, until it is planned */
	struct upgrader *g;
	struct own_ask *o; /* NULL: nobody waits any more */
	struct call_dep dep;
	struct upgrade u;
	bool dry;
	uint64_t number; /* of the lead, under which it was asked for */
};

static void load(struct upgrader *g);
static const char *record_path(const struct upgrader *g);
static const char *take_nodes(struct arena *a, const json_t *nodes, struct upgrade *u);
static bool takes(const json_t *nodes, const char *name);
static void on_asker_gone(struct call_dep *d);
static void on_planned(struct upgrade_job *j);
static bool is_overtaken(const struct asked *a);
static void conclude(struct asked *a);
static void answer(struct own_ask *o, const struct upgrade *u);
static void on_accepted(struct upgrade_job *j);
static void on_dropped(struct upgrade_job *j);
static void give_up(struct asked *a);
static struct upgrade_job *write_job(struct upgrader *g, enum upgrade_work kind,
    const struct upgrade *u, void (*done)(struct upgrade_job *), void *ctx);
static void on_saved(struct upgrade_job *j);

struct upgrader *
upgrader_new(struct meta *m)
{
	struct upgrader *g = mem_zalloc(sizeof(*g));

	g->m = m;
	g->settle_us = m->config.upgrade_settle_us;
	timer_init(&g->timer, m->loop, upgrade_way_on_timer);
	return g;
}

void
upgrader_free(struct upgrader **gp)
{
	if (*gp == NULL)
		return;
	timer_stop(&(*gp)->timer);
	free(*gp);
	*gp = NULL;
}

void
upgrader_take(struct upgrader *g)
{
	if (g != NULL && g->m->node != NULL && fleet_state_local(g->m->fleet) && g->phase == IDLE &&
	    !g->working && !g->planning)
		load(g);
}

bool
upgrader_busy(const struct upgrader *g)
{
	return g->u.state == UPGRADE_RUNNING || g->planning || g->working;
}

/* --- the record --- */

/* One that can't be read is said, and in nobody's way. */
static void
load(struct upgrader *g)
{
	static char text[RECORD_MOST];
	int fd = open(record_path(g), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return;
	n = fd < 0 ? -1 : pread(fd, text, sizeof(text), 0);
	if (fd >= 0)
		close(fd);
	if (n < 0 || !upgrade_from_json(&g->u, (struct str){ text, (size_t)n })) {
		log_error("upgrade_record", L_STR("path", record_path(g)),
		    L_STR("error", n < 0 ? strerror(errno) : "it is damaged"),
		    L_STR("then",
			"an upgrade that was under way is over; say metafed upgrade again"));
		g->u = (struct upgrade){ .state = UPGRADE_FAILED, .ended_us = time_wall_us() };
		snprintf(g->u.error, sizeof(g->u.error),
		    "interrupted, and its record can't be read: say `metafed upgrade` again");
		return;
	}
	if (g->u.state == UPGRADE_RUNNING) {
		log_info("upgrade_resumed", L_STR("id", g->u.id));
		upgrade_way_resume(g);
	}
}

static const char *
record_path(const struct upgrader *g)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/run/upgrade.json", node_var(g->m->node));
	return path;
}

/* --- what people ask --- */

void
own_upgrade_state(struct own_ask *o)
{
	const struct upgrader *g = o->meta->upgrade;
	struct upgrade u = g->u;

	if (g->working && (u.state == UPGRADE_DONE || u.state == UPGRADE_FAILED)) {
		/* not before it is on disk: then the next one may come */
		u.state = UPGRADE_RUNNING;
		u.ended_us = 0;
		u.error[0] = '\0';
	}
	answer(o, &u);
}

void
own_upgrade(struct own_ask *o)
{
	struct upgrader *g = o->meta->upgrade;
	const char *id = call_operation_id(o->c), *wrong;
	struct upgrade_job *j;
	struct asked *a;
	json_t *v = own_arguments(o);

	if (g->m->node == NULL || !fleet_state_local(g->m->fleet)) {
		own_fail(o, ST_FAILED_PRECONDITION, "NO_SUPERVISOR",
		    "no supervisor starts these nodes: have whoever starts them (the container "
		    "runtime) roll the new image out");
		return;
	}
	if (id[0] != '\0' && strcmp(id, g->u.id) == 0) { /* the same request once more */
		answer(o, &g->u);
		return;
	}
	if (upgrader_busy(g)) {
		own_fail(o, ST_ABORTED, "UPGRADE_RUNNING", "an upgrade is under way already");
		return;
	}
	a = mem_zalloc(sizeof(*a));
	*a = (struct asked){
		.g = g, .o = o, .dep.cancel = on_asker_gone, .number = lead_number(g->m->lead)
	};
	a->dry = json_is_true(json_object_get(v, "dry_run"));
	if ((wrong = take_nodes(call_arena(o->c), json_object_get(v, "nodes"), &a->u)) != NULL) {
		free(a);
		own_fail(o, ST_INVALID_ARGUMENT, "VALIDATION", wrong);
		return;
	}
	upgrade_put_last(&a->u, bus_name(g->m->bus));
	if (uuid_ok(id))
		snprintf(a->u.id, sizeof(a->u.id), "%s", id);
	else
		uuid7(a->u.id);
	g->planning = true;
	call_attach(o->c, &a->dep);
	j = upgrader_job(g, UPGRADE_PLAN, on_planned, a);
	j->u = a->u;
	for (unsigned i = 0; i < a->u.n; i++) {
		struct fleet_row *r = upgrader_row(g, a->u.steps[i].node);

		j->pids[i] = r != NULL ? r->pid : 0;
	}
	upgrade_job_start(node_work(g->m->node), j);
}

/* NULL: fine. */
static const char *
take_nodes(struct arena *a, const json_t *nodes, struct upgrade *u)
{
	const char *name;
	const json_t *v;
	size_t i;

	if (nodes != NULL && !json_is_array(nodes))
		return "meta/data/nodes: must be an array of names";
	json_array_foreach(nodes, i, v)
	{
		bool known = false;

		for (unsigned k = 0; (name = upgrade_order(k)) != NULL; k++)
			known |= json_is_string(v) && strcmp(json_string_value(v), name) == 0;
		if (!known)
			return arena_printf(a,
			    "meta/data/nodes: %s is nobody who runs an executable of metafed",
			    json_string_value(v) != NULL ? json_string_value(v) : "one");
	}
	for (unsigned k = 0; (name = upgrade_order(k)) != NULL; k++)
		if (takes(nodes, name))
			snprintf(u->steps[u->n++].node, sizeof(u->steps[0].node), "%s", name);
	return NULL;
}

static bool
takes(const json_t *nodes, const char *name)
{
	const json_t *v;
	size_t i;

	if (json_array_size(nodes) == 0)
		return true;
	json_array_foreach(nodes, i, v)
	{
		const char *want = json_string_value(v);

		if (strcmp(want, name) == 0 || (upgrader_apart(want) && upgrader_apart(name)))
			return true;
	}
	return false;
}

static void
on_asker_gone(struct call_dep *d)
{
	container_of(d, struct asked, dep)->o = NULL;
}

static void
on_planned(struct upgrade_job *j)
{
	struct asked *a = j->ctx;
	struct upgrader *g = a->g;
	struct upgrade_step *bad = NULL;
	unsigned waiting = 0;
	char why[UPGRADE_ERROR];

	if (is_overtaken(a)) {
		give_up(a);
		return;
	}
	a->u = j->u;
	a->u.started_us = time_wall_us();
	for (unsigned i = 0; i < a->u.n; i++) {
		struct upgrade_step *s = &a->u.steps[i];

		waiting += s->state == UP_WAITING;
		if (bad == NULL && s->error[0] != '\0')
			bad = s;
	}
	a->u.state = waiting > 0 ? UPGRADE_RUNNING : UPGRADE_DONE;
	if (a->u.state == UPGRADE_DONE)
		a->u.ended_us = a->u.started_us;
	if (!j->good) {
		snprintf(why, sizeof(why), "%s", bad != NULL ? bad->error : j->wrong);
		upgrade_fail(&a->u, bad, why);
	}
	if (a->dry)
		a->u.state = UPGRADE_PLANNED;
	if (a->o == NULL) { /* nobody would learn of it */
		g->planning = false;
		free(a);
	} else if (a->dry || a->u.state == UPGRADE_DONE) {
		conclude(a);
	} else {
		upgrade_job_start(
		    node_work(g->m->node), write_job(g, UPGRADE_SAVE, &a->u, on_accepted, a));
	}
}

/* Whoever leads now, or has meanwhile, has looked for a record when it took the lead: nobody would do
 * this one, or much later. */
static bool
is_overtaken(const struct asked *a)
{
	return lead_overtaken(a->g->m->lead, a->number);
}

/* On disk: it begins, whoever may still listen. */
static void
on_accepted(struct upgrade_job *j)
{
	struct asked *a = j->ctx;
	struct upgrader *g = a->g;

	if (is_overtaken(a)) {
		upgrade_job_start(
		    node_work(g->m->node), write_job(g, UPGRADE_DROP, &a->u, on_dropped, a));
		return;
	}
	if (!j->good && a->u.state == UPGRADE_RUNNING)
		upgrade_fail(&a->u, NULL, j->wrong);
	g->u = a->u;
	if (g->u.state == UPGRADE_RUNNING)
		upgrade_way_start(g);
	else
		log_warn("upgrade_refused", L_STR("why", g->u.error));
	conclude(a);
}

static void
on_dropped(struct upgrade_job *j)
{
	if (!j->good)
		log_error("upgrade_record", L_STR("error", j->wrong));
	give_up(j->ctx);
}

/* Asked again it is done by who leads now; the record of another one may be ours to go on with. */
static void
give_up(struct asked *a)
{
	struct upgrader *g = a->g;

	g->planning = false;
	if (a->o != NULL) {
		call_detach(a->o->c, &a->dep);
		own_fail(a->o, ST_UNAVAILABLE, "NOT_LEADING",
		    "another orchestrator leads since this was asked for");
	}
	free(a);
	if (lead_is(g->m->lead))
		upgrader_take(g);
}

static void
conclude(struct asked *a)
{
	a->g->planning = false;
	if (a->o != NULL) {
		call_detach(a->o->c, &a->dep);
		answer(a->o, &a->u);
	}
	free(a);
}

static void
answer(struct own_ask *o, const struct upgrade *u)
{
	own_finish_json(o, upgrade_to_json(u, false));
}

/* --- jobs --- */

struct upgrade_job *
upgrader_job(
    struct upgrader *g, enum upgrade_work kind, void (*done)(struct upgrade_job *), void *ctx)
{
	struct upgrade_job *j = mem_zalloc(sizeof(*j));

	j->kind = kind;
	j->done = done;
	j->ctx = ctx;
	snprintf(j->path, sizeof(j->path), "%s", record_path(g));
	return j;
}

static struct upgrade_job *
write_job(struct upgrader *g, enum upgrade_work kind, const struct upgrade *u,
    void (*done)(struct upgrade_job *), void *ctx)
{
	struct upgrade_job *j = upgrader_job(g, kind, done, ctx);
	json_t *v = upgrade_to_json(u, true);

	j->text = json_dumps(v, JSON_INDENT(2));
	must(j->text != NULL);
	json_decref(v);
	return j;
}

void
upgrader_save(struct upgrader *g, void (*then)(struct upgrader *))
{
	g->saved = then;
	g->working = true;
	upgrade_job_start(node_work(g->m->node), write_job(g, UPGRADE_SAVE, &g->u, on_saved, g));
}

/* What can't be kept can't be gone on with after a crash: better to stop here. */
static void
on_saved(struct upgrade_job *j)
{
	struct upgrader *g = j->ctx;

	g->working = false;
	if (!j->good)
		log_error("upgrade_record", L_STR("error", j->wrong));
	if (!j->good && g->u.state == UPGRADE_RUNNING) {
		upgrade_fail(&g->u, upgrade_next(&g->u), j->wrong);
		upgrade_way_stop(g);
		return;
	}
	g->saved(g);
}

bool
upgrader_apart(const char *node)
{
	return strcmp(upgrade_executable(node), node) != 0;
}

struct fleet_row *
upgrader_row(const struct upgrader *g, const char *node)
{
	return fleet_state_find(g->m->fleet, node);
}

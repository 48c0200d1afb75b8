/* fleet_state: one row per process, and one function through which a row changes (set_state), which
 * announces it. Called by orchestrator (reports, heartbeats), own (orders) and fleet_view. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "meta/crashes.h"
#include "meta/fleet_state.h"
#include "meta/gather.h"
#include "meta/isolation.h"
#include "meta/lead.h"
#include "meta/meta.h"
#include "meta/recycle.h"

#define CHECK_US (CONTRACT_BEAT_US) /* how often missed beats are looked for */
/* a process that failed is shown so long where others of its name do its work */
#define FORGET_US (60 * SEC)
/* the answer is on its way by then, also through two more nodes */
#define LATER_US (50 * MS)
/* between looks whether a new supervisor writes to us */
#define ADOPTED_US (200 * MS)

struct fleet_state {
	struct meta *meta;
	struct fleet_row rows[FLEET_ROWS_MOST];
	size_t n;
	struct waiters changes;
	int64_t changed_us;
	int commands_fd, reports_fd; /* -1: none */
	uv_poll_t *poll;
	uint8_t partial[sizeof(struct contract_report)];
	size_t partial_n;
	struct timer check; /* container mode: armed by the first beat */
	int64_t checked_us; /* when it last ran, or was armed */
	struct timer later;
	struct timer adopted; /* reports ended: does somebody write them again? */
};

static struct fleet_row *row_add(struct fleet_state *, const char *);
static struct fleet_row *row_of(struct fleet_state *, const Mf__Beat *);
static struct fleet_row *row_of_instance(struct fleet_state *, const Mf__Beat *);
static bool row_silent(struct fleet_state *, struct fleet_row *, int64_t);
static bool row_leave(struct fleet_state *, struct fleet_row *);
static void set_state(struct fleet_state *, struct fleet_row *, enum contract_state, uint64_t);
static void watch_reports(struct fleet_state *);
static void on_readable(uv_poll_t *, int, int);
static void watch_rows(struct fleet_state *);
static void look_at_rows(struct fleet_state *);
static void row_ended(struct fleet_state *, struct fleet_row *);
static void forget_pidfd(struct fleet_row *);
static void take_bytes(struct fleet_state *, const uint8_t *, size_t);
static void leave_to_others(struct fleet_row *);
static void on_check(struct timer *);
static void on_restart_later(struct timer *);
static void on_adopted(struct timer *);
static void on_closed(uv_handle_t *);

struct fleet_state *
fleet_state_new(struct meta *m, int reports_fd, int commands_fd)
{
	struct fleet_state *f = mem_zalloc(sizeof(*f));

	f->meta = m;
	f->reports_fd = reports_fd;
	f->commands_fd = commands_fd;
	waiters_init(&f->changes);
	timer_init(&f->check, m->loop, on_check);
	timer_init(&f->later, m->loop, on_restart_later);
	timer_init(&f->adopted, m->loop, on_adopted);
	for (size_t i = 0; i < sizeof(fleet_names) / sizeof(fleet_names[0]); i++)
		row_add(f, fleet_names[i].name);
	if (reports_fd != -1)
		watch_reports(f);
	else
		for (const char *const *n = fleet_meta() + 1; *n != NULL; n++)
			row_add(f, *n);
	return f;
}

void
fleet_state_free(struct fleet_state **fp)
{
	struct fleet_state *f = *fp;

	if (f == NULL)
		return;
	timer_stop(&f->check);
	timer_stop(&f->later);
	timer_stop(&f->adopted);
	if (f->poll != NULL)
		uv_close((uv_handle_t *)f->poll, on_closed);
	for (size_t i = 0; i < f->n; i++) {
		forget_pidfd(&f->rows[i]);
		free(f->rows[i].info);
	}
	free(f);
	*fp = NULL;
}

size_t
fleet_state_rows(struct fleet_state *f, struct fleet_row **rows)
{
	*rows = f->rows;
	return f->n;
}

struct fleet_row *
fleet_state_find(struct fleet_state *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->rows[i].name, name) == 0)
			return &f->rows[i];
	return NULL;
}

const char *
fleet_row_instance(struct call *c, const struct fleet_row *r)
{
	const struct fleet_name *known = fleet_name_find(r->node);

	return known != NULL && known->many && r->instance[0] != '\0'
	           ? arena_strdup(call_arena(c), r->instance)
	           : NULL;
}

struct waiters *
fleet_state_changes(struct fleet_state *f)
{
	return &f->changes;
}

int64_t
fleet_state_changed_us(const struct fleet_state *f)
{
	return f->changed_us;
}

bool
fleet_state_local(const struct fleet_state *f)
{
	return f->reports_fd != -1;
}

enum status
fleet_state_restart(struct fleet_state *f, const char *node, const char **why)
{
	struct fleet_row *r = fleet_state_find(f, node);

	*why = "";
	if (f->commands_fd != -1)
		return fleet_state_order(f, node, VERB_RESTART, why);
	if (r == NULL || r->beat_us == 0) {
		*why = "nobody supervises that node: there is neither a supervisor nor a heartbeat "
		       "of it";
		return ST_FAILED_PRECONDITION;
	}
	r->shall_exit = true;
	return ST_OK;
}

enum status
fleet_state_order(
    struct fleet_state *f, const char *process, enum contract_verb verb, const char **why)
{
	struct contract_command order = { .verb = verb };
	ssize_t n;

	*why = "";
	if (f->commands_fd == -1) {
		*why = "there is no supervisor here";
		return ST_FAILED_PRECONDITION;
	}
	strncpy(order.node, process, sizeof(order.node) - 1);
	do
		n = write(f->commands_fd, &order, sizeof(order));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(order))
		return ST_OK;
	*why = "the supervisor does not take orders at the moment";
	return ST_UNAVAILABLE;
}

void
fleet_state_restart_later(struct fleet_state *f, struct fleet_row *r)
{
	r->restart_due = true;
	timer_in(&f->later, LATER_US);
}

/* A node that was given up and is heard again was hung: what it holds is old, it starts anew. */
bool
fleet_state_beat(struct fleet_state *f, const Mf__Beat *b)
{
	int64_t now = loop_now(f->meta->loop);
	struct fleet_row *r;

	if (b->state >= NODE_STATES || (r = row_of(f, b)) == NULL)
		return false;
	if (b->generation != r->generation) {
		if (r->generation != 0)
			r->restarts++;
		r->since_us = now;
		r->shall_exit = false;
	} else if (r->state == NODE_FAILED) {
		r->shall_exit = true;
	}
	r->pid = (int32_t)b->pid;
	r->load = (uint16_t)(b->load > UINT16_MAX ? UINT16_MAX : b->load);
	r->beat_us = now;
	if (b->state != NODE_FAILED)
		r->reason[0] = '\0';
	if (!r->shall_exit || b->generation != r->generation)
		set_state(f, r, (enum contract_state)b->state, b->generation);
	if (f->check.at_us == 0) {
		f->checked_us = now;
		timer_in(&f->check, CHECK_US);
	}
	return r->shall_exit;
}

void
fleet_state_report(struct fleet_state *f, const struct contract_report *p)
{
	char name[sizeof(p->node) + 1] = "";
	struct fleet_row *r;

	memcpy(name, p->node, sizeof(p->node));
	r = fleet_state_find(f, name);
	if (r == NULL)
		r = row_add(f, name);
	if (r == NULL || p->state >= NODE_STATES)
		return;
	crashes_see(f->meta, r, p);
	r->pid = p->pid;
	r->restarts = p->restarts;
	r->load = p->load;
	r->due = (enum contract_due)p->due;
	r->since_us = p->since_us;
	if (r->state != (enum contract_state)p->state || r->generation != p->generation)
		reason_of(r->reason, f->meta->node != NULL ? node_var(f->meta->node) : NULL, p);
	set_state(f, r, (enum contract_state)p->state, p->generation);
	if (r->due != DUE_NOT)
		recycle_consider(f->meta->recycle, r);
}

static struct fleet_row *
row_add(struct fleet_state *f, const char *name)
{
	const struct fleet_name *known = fleet_name_find(name);
	struct fleet_row *r;

	if (f->n == FLEET_ROWS_MOST || name[0] == '\0' || strlen(name) >= sizeof(r->name))
		return NULL;
	r = &f->rows[f->n++];
	memcpy(r->name, name, strlen(name) + 1);
	r->pidfd = -1;
	r->node = known != NULL ? known->name : "";
	r->level = known != NULL ? known->level : -1;
	r->domain = known != NULL                                                   ? known->domain
	            : strcmp(name, "guard") == 0 || strcmp(name, "supervisor") == 0 ? "meta"
	                                                                            : "store";
	return r;
}

static struct fleet_row *
row_of(struct fleet_state *f, const Mf__Beat *b)
{
	const struct fleet_name *known = fleet_name_find(b->node);
	struct fleet_row *r = fleet_state_find(f, b->node);

	if (known == NULL || r == NULL || strlen(b->instance) >= sizeof(r->instance))
		return NULL;
	if (known->many && b->instance[0] != '\0' && r->instance[0] != '\0' &&
	    strcmp(r->instance, b->instance) != 0)
		return row_of_instance(f, b);
	strcpy(r->instance, b->instance);
	return r;
}

/* NULL: there are too many, or another process has this name. */
static struct fleet_row *
row_of_instance(struct fleet_state *f, const Mf__Beat *b)
{
	const struct fleet_name *known = fleet_name_find(b->node);
	struct fleet_row *r = fleet_state_find(f, b->instance);

	if (r != NULL)
		return strcmp(r->node, known->name) == 0 && strcmp(r->instance, b->instance) == 0
		           ? r
		           : NULL;
	r = fleet_name_find(b->instance) != NULL ? NULL : row_add(f, b->instance);
	if (r == NULL)
		return NULL;
	r->node = known->name;
	r->level = known->level;
	r->domain = known->domain;
	strcpy(r->instance, b->instance);
	return r;
}

static void
set_state(struct fleet_state *f, struct fleet_row *r, enum contract_state s, uint64_t generation)
{
	Mf__FleetNode n = MF__FLEET_NODE__INIT;

	if (r->state == s && r->generation == generation)
		return;
	gather_process(f->meta, r, s, generation);
	if (s == NODE_FAILED)
		log_warn(
		    "node_isolated", L_STR("name", r->name), L_INT("its_generation", generation));
	else
		log_debug(
		    "node_state", L_STR("name", r->name), L_STR("state", contract_state_name(s)));
	f->changed_us = loop_now(f->meta->loop);
	r->state = s;
	r->generation = generation;
	n.name = r->name;
	n.level = r->level < 0 ? 0 : (uint32_t)r->level;
	n.domain = (char *)r->domain;
	n.pid = (uint32_t)r->pid;
	n.state = (char *)contract_state_name(s);
	n.generation = generation;
	n.restarts = r->restarts;
	n.reason = r->reason;
	bus_publish(f->meta->bus, "fleet.node", &n.base);
	waiters_wake(&f->changes);
	isolation_look(f->meta->isolation);
}

static void
watch_reports(struct fleet_state *f)
{
	int flags = fcntl(f->reports_fd, F_GETFL);

	if (flags == -1 || fcntl(f->reports_fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    (f->commands_fd != -1 &&
		(fcntl(f->commands_fd, F_SETFL, O_NONBLOCK | O_WRONLY) == -1))) {
		log_error("no_reports", L_STR("why", strerror(errno)));
		f->reports_fd = f->commands_fd = -1;
		return;
	}
	f->poll = mem_zalloc(sizeof(*f->poll));
	must(uv_poll_init(loop_uv(f->meta->loop), f->poll, f->reports_fd) == 0);
	f->poll->data = f;
	must(uv_poll_start(f->poll, UV_READABLE, on_readable) == 0);
}

static void
on_readable(uv_poll_t *h, int status, int events)
{
	struct fleet_state *f = h->data;
	uint8_t bytes[64 * sizeof(struct contract_report)];
	ssize_t n = read(f->reports_fd, bytes, sizeof(bytes));

	(void)events;
	if (n > 0) {
		take_bytes(f, bytes, (size_t)n);
	} else if (n == 0 || status < 0 || (errno != EAGAIN && errno != EINTR)) {
		/* Guard and supervisor are gone; what was known stays. The next ones reopen the
		 * pipe: an end of file is not for ever, but a poll would spin on it. */
		log_warn("reports_ended", L_STR("why", n == 0 ? "end of file" : strerror(errno)));
		uv_poll_stop(f->poll);
		watch_rows(f);
		timer_in(&f->adopted, ADOPTED_US);
	}
}

/* Guard and supervisor had the other end; whoever else is gone by now has ended, too. */
static void
watch_rows(struct fleet_state *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct fleet_row *r = &f->rows[i];

		if (strcmp(r->name, "guard") == 0 || strcmp(r->name, "supervisor") == 0)
			row_ended(f, r);
		else if (r->pid > 0 && (r->pidfd = pidfd_open(r->pid, 0)) < 0 && errno == ESRCH)
			row_ended(f, r);
	}
}

static void
look_at_rows(struct fleet_state *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct pollfd p = { .fd = f->rows[i].pidfd, .events = POLLIN };

		if (p.fd >= 0 && poll(&p, 1, 0) == 1)
			row_ended(f, &f->rows[i]);
	}
}

static void
row_ended(struct fleet_state *f, struct fleet_row *r)
{
	forget_pidfd(r);
	r->pid = 0;
	set_state(f, r, NODE_STOPPED, r->generation);
}

static void
forget_pidfd(struct fleet_row *r)
{
	if (r->pidfd >= 0)
		close(r->pidfd);
	r->pidfd = -1;
}

static void
on_adopted(struct timer *t)
{
	struct fleet_state *f = container_of(t, struct fleet_state, adopted);
	struct pollfd p = { .fd = f->reports_fd, .events = POLLIN };

	if (poll(&p, 1, 0) >= 0 && (p.revents & POLLHUP) != 0 && (p.revents & POLLIN) == 0) {
		look_at_rows(f);
		timer_in(t, ADOPTED_US);
		return;
	}
	for (size_t i = 0; i < f->n; i++)
		forget_pidfd(&f->rows[i]);
	must(uv_poll_start(f->poll, UV_READABLE, on_readable) == 0);
}

/* Records are written whole, but nobody promises that they are read whole. */
static void
take_bytes(struct fleet_state *f, const uint8_t *p, size_t n)
{
	struct contract_report r;

	while (n > 0) {
		size_t k = sizeof(r) - f->partial_n < n ? sizeof(r) - f->partial_n : n;

		memcpy(f->partial + f->partial_n, p, k);
		f->partial_n += k;
		p += k;
		n -= k;
		if (f->partial_n == sizeof(r)) {
			memcpy(&r, f->partial, sizeof(r));
			f->partial_n = 0;
			fleet_state_report(f, &r);
		}
	}
}

/* When this very process was stopped or starved, the beats of that time wait unread; while it does not
 * lead, they go elsewhere: it blames nobody, everybody gets the whole time again. Otherwise one pause
 * of ours, or a second turn as the leader, would restart the fleet. */
static void
on_check(struct timer *t)
{
	struct fleet_state *f = container_of(t, struct fleet_state, check);
	int64_t now = loop_now(f->meta->loop);
	bool leads = lead_is(f->meta->lead), deaf = !leads || now - f->checked_us > 2 * CHECK_US;

	f->checked_us = now;
	for (size_t i = 0; i < f->n; i++) {
		struct fleet_row *r = &f->rows[i];

		if (!leads)
			leave_to_others(r);
		if (deaf && r->beat_us != 0)
			r->beat_us = now;
		if (leads && row_silent(f, r, now))
			i--;
	}
	timer_in(t, CHECK_US);
}

/* True: the row has gone, another one may be in its place. */
static bool
row_silent(struct fleet_state *f, struct fleet_row *r, int64_t now)
{
	int64_t silent_us = r->beat_us != 0 ? now - r->beat_us : 0;

	if (silent_us <= CONTRACT_HUNG_US)
		return false;
	if ((r->state == NODE_DRAINING || silent_us > FORGET_US) && row_leave(f, r))
		return true;
	if (r->state != NODE_FAILED) {
		snprintf(r->reason, sizeof(r->reason), "no heartbeat for %d s",
		    CONTRACT_HUNG_US / 1000000);
		set_state(f, r, NODE_FAILED, r->generation);
	}
	return false;
}

/* Its work is others' of its name. One of them takes the row of that name, should it be this one. */
static bool
row_leave(struct fleet_state *f, struct fleet_row *r)
{
	struct fleet_row *o = NULL;

	for (size_t i = 0; i < f->n; i++)
		if (&f->rows[i] != r && f->rows[i].node == r->node &&
		    f->rows[i].state == NODE_READY)
			o = &f->rows[i];
	if (o == NULL)
		return false;
	set_state(f, r, NODE_STOPPED, r->generation);
	if (strcmp(r->name, r->node) == 0) {
		struct fleet_row gone = *r;

		*r = *o;
		memcpy(r->name, gone.name, sizeof(r->name));
		r->state = NODE_STOPPED;
		set_state(f, r, NODE_READY, r->generation);
		*o = gone;
		r = o;
	}
	forget_pidfd(r);
	free(r->info);
	*r = f->rows[--f->n];
	f->rows[f->n] = (struct fleet_row){ .pidfd = -1 };
	return true;
}

/* Whoever leads judges it: what was thought of it here is nothing to restart it for later. */
static void
leave_to_others(struct fleet_row *r)
{
	r->shall_exit = false;
	if (r->state == NODE_FAILED) {
		r->state = NODE_STOPPED;
		r->generation = 0;
	}
}

/* In a container we go ourselves, and the runtime starts us again. */
static void
on_restart_later(struct timer *t)
{
	struct fleet_state *f = container_of(t, struct fleet_state, later);
	const char *why;

	for (size_t i = 0; i < f->n; i++) {
		struct fleet_row *r = &f->rows[i];
		bool self = strcmp(r->name, bus_name(f->meta->bus)) == 0;

		if (!r->restart_due)
			continue;
		r->restart_due = false;
		if (self && f->commands_fd == -1 && f->meta->node != NULL)
			node_drain(f->meta->node);
		else if (fleet_state_restart(f, r->name, &why) != ST_OK)
			log_warn("restart_refused", L_STR("name", r->name), L_STR("why", why));
	}
}

static void
on_closed(uv_handle_t *h)
{
	free(h);
}

/* bus: puts the halves together. Owns all peers, targets, callers and calls of this process's bus;
 * routes what the wire brings to peers (answers) and to the server (calls); cleans up at the end of
 * each turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bus/inside.h"

#define RETRY_SHARE 0.3 /* of first tries, where no configuration says otherwise */
#define OUT_KEEP    (1u << 20)

static struct list buses; /* of this process, for the gauges */

static void on_up(void *ctx, struct lane *l);
static void on_down(void *ctx, struct lane *l);
static void on_answer(void *ctx, struct lane *l, uint64_t call_id, const void *answer, size_t n);
static void on_draining(void *ctx, struct lane *l);
static void on_unfit(void *ctx, struct lane *l, bool unfit);
static void on_hint(void *ctx, struct lane *l, uint64_t epoch, uint64_t value);
static void on_call(void *ctx, struct visitor *v, const void *envelope, size_t n);
static void on_cancel(void *ctx, struct visitor *v, uint64_t call_id);
static void on_gone(void *ctx, struct visitor *v);
static void on_event(void *ctx, const char *place, const void *batch, size_t n);
static void on_turn(struct loop_turn *t);
static void on_faults_over(struct timer *t);
static void cut_or_mend(struct peer *p);
static void use_faults(struct bus *b, struct fault_set *f);
static void end_all(struct bus *b);
static void collect(void *unused);
static void register_gauges(struct bus *b);

static const struct wire_events wire_events = {
	.up = on_up,
	.down = on_down,
	.answer = on_answer,
	.draining = on_draining,
	.unfit = on_unfit,
	.hint = on_hint,
	.call = on_call,
	.cancel = on_cancel,
	.gone = on_gone,
	.event = on_event,
};

struct bus *
bus_new(struct loop *l, const struct bus_opts *o, char *err, size_t err_size)
{
	struct bus *b = calloc(1, sizeof *b);

	if (b == NULL)
		panic("out of memory");
	b->loop = l;
	snprintf(b->name, sizeof b->name, "%s", o->name);
	b->generation = o->generation;
	b->config = o->config;
	b->start_us = time_now_us();
	b->closed_network = o->config == NULL || o->config->bus_listen[0] == '\0';
	b->retry_share = o->config != NULL ? o->config->retry_budget : RETRY_SHARE;
	b->retry_tries = RETRY_TRIES;
	if (o->config != NULL && o->config->retry_tries > 0)
		b->retry_tries = (uint32_t)o->config->retry_tries;
	b->observe = o->config != NULL && o->config->breakers != NULL &&
	             strcmp(o->config->breakers, "observe") == 0;
	rng_seed(&b->rng, id_random_u64());
	b->tracing = (struct trace_opts){ 250 * MS, 0.01, 50 };
	struct list *const lists[] = { &b->peers, &b->groups, &b->targets, &b->callers, &b->calls,
		&b->dead, &b->soon, &b->loop_queue };
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		list_init(lists[i]);
	b->served = served_new(o->serves);
	b->events = events_new(b);
	b->turn.fn = on_turn;
	loop_turn_add(
	    l, &b->turn); /* before the wire's: what we make in a turn leaves in the same */
	timer_init(&b->fault_timer, l, on_faults_over);
	timer_init(&b->fit_timer, l, server_on_fit_timer);
	register_gauges(b);
	if (o->config == NULL)
		return b;
	if (o->config->faults[0] != '\0' &&
	    !bus_set_faults(
		b, o->config->faults, (uint64_t)o->config->faults_seed, 0, err, err_size)) {
		bus_free(&b);
		return NULL;
	}
	b->wire = wire_new(l,
	    &(struct wire_opts){ .name = b->name,
		.generation = b->generation,
		.config = o->config,
		.events = &wire_events,
		.ctx = b },
	    err, err_size);
	if (b->wire == NULL)
		bus_free(&b);
	return b;
}

bool
bus_listen(struct bus *b, char *err, size_t err_size)
{
	return b->wire == NULL || wire_listen(b->wire, err, err_size);
}

void
bus_set_draining(struct bus *b)
{
	if (b->wire != NULL)
		wire_set_draining(b->wire);
}

void
bus_set_unfit(struct bus *b, bool unfit)
{
	if (b->unfit == unfit)
		return;
	b->unfit = unfit;
	metric_set(metric_simple(METRIC_GAUGE, "metafed_bus_unfit",
		       "1: this node says of itself that it is the last choice."),
	    unfit);
	if (unfit)
		log_warn("unfit");
	else
		log_info("fit_again");
	if (b->wire != NULL)
		wire_set_unfit(b->wire, unfit);
}

void
bus_watch_breakers(struct bus *b, breaker_visit_fn *fn, void *ctx)
{
	b->breakers_changed = fn;
	b->breakers_ctx = ctx;
}

uint32_t
bus_in_flight(const struct bus *b)
{
	return b->serving;
}

void
bus_free(struct bus **bus)
{
	struct bus *b = *bus;
	struct link *k;

	if (b == NULL)
		return;
	end_all(b);
	if (b->wire != NULL)
		wire_free(&b->wire);
	while ((k = list_first(&b->callers)) != NULL)
		caller_gone(b, container_of(k, struct caller, link));
	end_all(b);
	call_free_dead(b);
	while ((k = list_pop(&b->targets)) != NULL)
		target_free(container_of(k, struct target, link));
	groups_free(b);
	while ((k = list_first(&b->peers)) != NULL) {
		list_del(&b->peers, k);
		peer_free(container_of(k, struct peer, link));
	}
	timer_stop(&b->fault_timer);
	timer_stop(&b->fit_timer);
	loop_turn_del(b->loop, &b->turn);
	census_free(&b->census);
	load_free(b);
	spans_free(&b->spans);
	events_free(&b->events);
	served_free(&b->served);
	fault_free(&b->faults);
	out_free(&b->out);
	list_del(&buses, &b->link);
	free(b);
	*bus = NULL;
}

struct loop *
bus_loop(struct bus *b)
{
	return b->loop;
}

const char *
bus_name(const struct bus *b)
{
	return b->name;
}

void
bus_set_info(struct bus *b, struct node *n)
{
	b->node = n;
}

void
bus_set_capabilities(struct bus *b, const char *const *capabilities)
{
	b->capabilities = capabilities;
}

void
bus_set_hint(struct bus *b, uint64_t epoch, uint64_t value)
{
	if (b->wire != NULL)
		wire_set_hint(b->wire, epoch, value);
}

void
bus_raise_fence(struct bus *b, uint64_t number)
{
	if (number > b->fence)
		b->fence = number;
}

bool
bus_peer_hint(struct bus *b, const char *node, uint64_t *epoch, uint64_t *value, int64_t *at_us)
{
	LIST_EACH(&b->peers, k) {
		const struct peer *p = container_of(k, struct peer, link);

		if (strcmp(p->name, node) != 0 || p->hint_us == 0)
			continue;
		*epoch = p->hint_epoch;
		*value = p->hint_value;
		*at_us = p->hint_us;
		return true;
	}
	return false;
}

bool
bus_set_faults(
    struct bus *b, const char *spec, uint64_t seed, int64_t for_us, char *err, size_t err_size)
{
	struct fault_set *f = fault_parse(spec, seed, err, err_size);

	if (f == NULL)
		return false;
	use_faults(b, f);
	timer_stop(&b->fault_timer);
	if (for_us > 0 && spec[0] != '\0')
		timer_in(&b->fault_timer, for_us);
	log_info("faults_set", L_STR("spec", spec), L_INT("seed", seed));
	return true;
}

static void
on_up(void *ctx, struct lane *l)
{
	struct peer *p = lane_owner(l);

	(void)ctx;
	if (p != NULL && !fault_cuts(p->bus->faults, p->name))
		peer_up(p);
}

static void
on_down(void *ctx, struct lane *l)
{
	struct peer *p = lane_owner(l);

	(void)ctx;
	if (p != NULL && p->up)
		peer_down(p);
	else if (p != NULL)
		p->twin = false;
}

static void
on_answer(void *ctx, struct lane *l, uint64_t call_id, const void *answer, size_t n)
{
	struct peer *p = lane_owner(l);

	(void)ctx;
	if (p != NULL && p->up)
		peer_answer(p, call_id, answer, n);
}

static void
on_draining(void *ctx, struct lane *l)
{
	struct peer *p = lane_owner(l);

	(void)ctx;
	if (p == NULL)
		return;
	p->draining = true;
	log_info("peer_draining", L_STR("peer", p->name));
}

static void
on_unfit(void *ctx, struct lane *l, bool unfit)
{
	struct peer *p = lane_owner(l);

	(void)ctx;
	if (p != NULL && p->up)
		peer_unfit(p, unfit);
}

static void
on_hint(void *ctx, struct lane *l, uint64_t epoch, uint64_t value)
{
	struct peer *p = lane_owner(l);

	(void)ctx;
	if (p == NULL || !p->up)
		return;
	p->hint_epoch = epoch;
	p->hint_value = value;
	p->hint_us = time_now_us();
}

static void
on_call(void *ctx, struct visitor *v, const void *envelope, size_t n)
{
	struct bus *b = ctx;
	struct caller *k = visitor_owner(v);

	if (k == NULL) {
		k = caller_new(b, v, NULL);
		visitor_set_owner(v, k);
	}
	if (fault_cuts(b->faults, k->name))
		return;
	server_call(b, b->served, k, envelope, n);
}

static void
on_cancel(void *ctx, struct visitor *v, uint64_t call_id)
{
	(void)ctx;
	if (visitor_owner(v) != NULL)
		server_cancel(visitor_owner(v), call_id);
}

static void
on_gone(void *ctx, struct visitor *v)
{
	if (visitor_owner(v) == NULL)
		return;
	caller_gone(ctx, visitor_owner(v));
	visitor_set_owner(v, NULL);
}

static void
on_event(void *ctx, const char *place, const void *batch, size_t n)
{
	struct bus *b = ctx;

	if (!fault_cuts(b->faults, peer_get(b, place)->name))
		events_receive(b, place, batch, n);
}

static void
on_turn(struct loop_turn *t)
{
	struct bus *b = container_of(t, struct bus, turn);

	rpc_run_soon(b);
	peer_loop_run(b);
	target_run_wakes(b);
	call_free_dead(b);
	out_trim(&b->out, OUT_KEEP);
}

static void
on_faults_over(struct timer *t)
{
	struct bus *b = container_of(t, struct bus, fault_timer);

	use_faults(b, NULL);
	log_info("faults_over");
}

static void
use_faults(struct bus *b, struct fault_set *f)
{
	struct fault_set *old = b->faults;

	b->faults = f;
	served_set_faults(b->served, f);
	LIST_EACH(&b->peers, k) {
		struct peer *p = container_of(k, struct peer, link);

		if (p->served != NULL)
			served_set_faults(p->served, f);
	}
	fault_arm_steps(f);
	time_wall_step(fault_clock_us(f));
	LIST_EACH(&b->peers, k)
		cut_or_mend(container_of(k, struct peer, link));
	fault_free(&old);
}

/* Who is cut off is gone for us, whatever its connection says. */
static void
cut_or_mend(struct peer *p)
{
	bool cut = fault_cuts(p->bus->faults, p->name);

	if (cut && p->up)
		peer_down(p);
	else if (!cut && !p->up && p->lane != NULL && lane_is_up(p->lane))
		peer_up(p);
}

/* Roots hear CANCELLED, callers nothing. */
static void
end_all(struct bus *b)
{
	struct link *k;

	while ((k = list_first(&b->calls)) != NULL) {
		struct call *c = container_of(k, struct call, link);

		if (c->kind == CALL_ROOT)
			call_cancel(c);
		else
			call_drop(c);
	}
}

static void
register_gauges(struct bus *b)
{
	if (buses.head.next == NULL) {
		list_init(&buses);
		metric_on_collect(collect, NULL);
	}
	list_add(&buses, &b->link);
}

/* The wire counts for itself: its numbers are copied when somebody looks. */
static void
collect(void *unused)
{
	double serving = 0, out = 0;
	struct wire_stats sum = { 0 };

	(void)unused;
	LIST_EACH(&buses, k) {
		const struct bus *b = container_of(k, struct bus, link);
		const struct wire_stats *s = b->wire != NULL ? wire_stats(b->wire) : NULL;

		serving += b->serving;
		LIST_EACH(&b->peers, p)
			out += (double)container_of(p, struct peer, link)->outs.n;
		LIST_EACH(&b->targets, t)
			target_show(container_of(t, struct target, link));
		if (s == NULL)
			continue;
		sum.frames_out += s->frames_out, sum.frames_in += s->frames_in;
		sum.calls_out += s->calls_out, sum.calls_in += s->calls_in;
		sum.bytes_out += s->bytes_out, sum.bytes_in += s->bytes_in;
		sum.dropped_epoch += s->dropped_epoch, sum.dropped_bad += s->dropped_bad;
		sum.refused_peers += s->refused_peers;
	}
	const struct {
		enum metric_kind kind;
		const char *name, *help;
		double value;
	} rows[] = {
		{ METRIC_GAUGE, "metafed_bus_in_flight", "Calls being served.", serving },
		{ METRIC_GAUGE, "metafed_bus_out", "Calls that are out on a peer.", out },
		{ METRIC_COUNTER, "metafed_bus_frames_sent_total", "Frames sent.",
		    (double)sum.frames_out },
		{ METRIC_COUNTER, "metafed_bus_frames_received_total", "Frames received.",
		    (double)sum.frames_in },
		{ METRIC_COUNTER, "metafed_bus_sent_bytes_total", "Bytes sent.",
		    (double)sum.bytes_out },
		{ METRIC_COUNTER, "metafed_bus_received_bytes_total", "Bytes received.",
		    (double)sum.bytes_in },
		{ METRIC_COUNTER, "metafed_bus_frames_refused_total",
		    "Frames of another epoch, or malformed.",
		    (double)(sum.dropped_epoch + sum.dropped_bad) },
		{ METRIC_COUNTER, "metafed_bus_peers_refused_total", "Connections refused.",
		    (double)sum.refused_peers },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		metric_set(metric_simple(rows[i].kind, rows[i].name, rows[i].help), rows[i].value);
}

/* recycle: see recycle.h. Called by fleet_state. */
#include "meta/recycle.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "meta/isolation.h"
#include "meta/lead.h"
#include "meta/meta.h"
#include "meta/precheck.h"
#include "meta/upgrade.h"
#include "node/node.h"

#define CHECK_LIMIT (10 * SEC)
#define CALM        (2 * SEC)  /* since the last change of anybody's state */
#define REFUSED     (60 * SEC) /* one that would not start again is not looked at for so long */

struct recycle {
	struct meta *meta;
	struct call *check; /* NULL: nobody's turn */
	char node[24];
	const char *why;
	int64_t again_us; /* not before */
};

static bool good_moment(const struct meta *m);
static void on_checked(void *ctx, const char *wrong);
static void on_check_ended(struct call *c, const struct call_end *end, void *ctx);

struct recycle *
recycle_new(struct meta *m)
{
	struct recycle *r = mem_zalloc(sizeof(*r));

	r->meta = m;
	return r;
}

void
recycle_free(struct recycle **rp)
{
	struct recycle *r = *rp;

	*rp = NULL;
	if (r != NULL && r->check != NULL)
		call_cancel(r->check);
	free(r);
}

void
recycle_consider(struct recycle *r, const struct fleet_row *row)
{
	struct meta *m = r->meta;

	if (row->due == DUE_NOT || row->level < 0 || m->node == NULL || r->check != NULL ||
	    !lead_is(m->lead) || loop_now(m->loop) < r->again_us || !good_moment(m))
		return;
	memcpy(r->node, row->name, sizeof(r->node));
	r->why = contract_due_name(row->due);
	r->check = call_root(m->bus,
	    &(const struct call_opts){ .limit_us = CHECK_LIMIT, .done = on_check_ended, .ctx = r });
	precheck_node(node_work(m->node), r->check, r->node, on_checked, r);
}

/* With everybody READY nobody of its domain is on his way down, or up. Who has never been there is not
 * waited for: a private server that this fleet has not. */
static bool
good_moment(const struct meta *m)
{
	struct fleet_row *rows;
	size_t n = fleet_state_rows(m->fleet, &rows);

	for (size_t i = 0; i < n; i++)
		if (rows[i].generation != 0 && rows[i].state != NODE_READY)
			return false;
	return !upgrader_busy(m->upgrade) && strcmp(isolation_mode(m->isolation), "normal") == 0 &&
	       loop_now(m->loop) - fleet_state_changed_us(m->fleet) >= CALM;
}

static void
on_checked(void *ctx, const char *wrong)
{
	static const Mf__Empty empty = MF__EMPTY__INIT;
	struct recycle *r = ctx;
	const char *why = wrong;

	if (wrong == NULL && (!lead_is(r->meta->lead) || !good_moment(r->meta))) {
		r->again_us = loop_now(r->meta->loop) + CALM; /* the moment has passed */
	} else if (wrong == NULL && fleet_state_restart(r->meta->fleet, r->node, &why) == ST_OK) {
		log_info("recycled", L_STR("name", r->node), L_STR("why", r->why));
		r->again_us = loop_now(r->meta->loop) + CALM; /* until its state says it */
	} else {
		log_warn("recycle_refused", L_STR("name", r->node), L_STR("why", why));
		r->again_us = loop_now(r->meta->loop) + REFUSED;
	}
	call_reply(r->check, &empty.base);
}

static void
on_check_ended(struct call *c, const struct call_end *end, void *ctx)
{
	struct recycle *r = ctx;

	(void)c;
	r->check = NULL;
	if (end->failure != NULL)
		r->again_us = loop_now(r->meta->loop) + REFUSED;
}

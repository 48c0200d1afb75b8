/* scrape: /metrics. All thirteen are asked side by side; who does not answer within a second is
 * down for this page. */
#include "api/api.h"
#include "base/time.h"

#define NODES        (sizeof(fleet_names) / sizeof(fleet_names[0]))
#define ONE_LIMIT_US (1 * SEC)

struct asked {
	struct scraping *s;
	struct rpc *rpc;
};

struct scraping { /* in its call's arena */
	struct call *c;
	size_t left;
	struct asked asked[NODES];
	const char *names[NODES];
	const Mf__Metrics *metrics[NODES];
};

static void on_metrics(const Mf__Metrics *, void *);
static void on_end(struct call *, const struct call_end *, void *);

static struct target *nodes[NODES];
static struct scraping *current; /* what on_end reads, within call_reply */

void
scrape_init(struct bus *b)
{
	for (size_t i = 0; i < NODES; i++)
		nodes[i] = bus_node_target(b, fleet_names[i].name);
}

void
scrape(struct exchange *x)
{
	struct call *c =
	    call_root(node_bus(edge_node(exchange_edge(x))), &(const struct call_opts){
								 .limit_us = 2 * ONE_LIMIT_US,
								 .done = on_end,
								 .ctx = x,
							     });
	struct scraping *s = ARENA_NEW(call_arena(c), struct scraping);
	Mf__Empty empty = MF__EMPTY__INIT;

	exchange_wait(x, c);
	s->c = c;
	s->left = NODES;
	for (size_t i = 0; i < NODES; i++) {
		struct asked *a = &s->asked[i];

		s->names[i] = fleet_names[i].name;
		*a = (struct asked){ .s = s,
			.rpc = rpc_new(c, nodes[i],
			    &(const struct rpc_opts){
				.limit_us = ONE_LIMIT_US,
				.once = true,
				.quiet = true,
			    }) };
		mf__node__get_metrics(&a->rpc->service, &empty, on_metrics, a);
	}
}

static void
on_metrics(const Mf__Metrics *m, void *ctx)
{
	Mf__Empty empty = MF__EMPTY__INIT;
	struct asked *a = ctx;
	struct scraping *s = a->s;

	s->metrics[a - s->asked] = m;
	if (--s->left != 0)
		return;
	current = s;
	call_reply(s->c, &empty.base);
	current = NULL;
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	static const struct http_header text = { "Content-Type",
		"text/plain; version=0.0.4; charset=utf-8" };
	struct exchange *x = ctx;
	struct buf page = { NULL, 0, 0 };

	(void)c;
	if (end->failure != NULL) {
		exchange_refuse(x, 503, end->failure);
		return;
	}
	exposition_write(&page, NODES, current->names, current->metrics);
	exchange_answer(x, 200, 1, &text, page.p, page.n);
	buf_free(&page);
}

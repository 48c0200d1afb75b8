/* agent: see agent.h. */
#include "api/live/agent.h"

#include <string.h>

#include "api/live/source.h"
#include "api/live/turn.h"

static const struct protocol *protocol_of(struct call *, const char *);

static const struct protocol *const protocols[] = { &protocol_v1, &protocol_gw, &protocol_sse,
	&protocol_none };

void
agent_init(struct bus *b)
{
	sources_init(b);
}

void
agent_turn(struct call *c, const Mf__SessionTurn *q)
{
	const struct protocol *p = protocol_of(c, q->protocol);
	struct turn *t = p == NULL ? NULL : turn_begin(c, p, q);

	if (t != NULL)
		p->turn(t);
}

void
agent_work(struct call *c, const Mf__SessionWork *q)
{
	const struct protocol *p = protocol_of(c, q->protocol);
	const Mf__LiveWork *w;

	if (p == NULL)
		return;
	w = mf__live_work__unpack(arena_allocator(call_arena(c)), q->work.len, q->work.data);
	if (w == NULL)
		call_fail(c, ST_INTERNAL, "work: is none of ours");
	else
		p->work(c, w, q->operation_id);
}

static const struct protocol *
protocol_of(struct call *c, const char *name)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(protocols[i]->name, name) == 0)
			return protocols[i];
	call_fail(c, ST_UNIMPLEMENTED, "protocol: is not spoken here");
	return NULL;
}

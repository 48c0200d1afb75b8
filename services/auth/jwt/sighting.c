/* sighting: see sighting.h. A root of its own: what was seen is told also when its request ends
 * before. */
#include "auth/jwt/sighting.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/auth.pb-c.h"

#define LIMIT_US (2 * SEC)

static char *text(const char *s);
static void on_told(const Mf__Empty *m, void *ctx);

void
sight(struct tokens *t, struct call *c, const struct sighting *s)
{
	struct call *own = call_root(t->bus, &(struct call_opts){ .limit_us = LIMIT_US,
						 .traceparent = call_traceparent(c),
						 .operation_id = s->operation_id });
	struct rpc *rpc = rpc_new(own, t->auth, NULL);
	Mf__Sighting m = MF__SIGHTING__INIT;

	m.kind = text(s->kind);
	m.user_id = text(s->user_id);
	m.client_id = text(s->client_id);
	m.client_address = text(s->client_address);
	m.detail = text(s->detail);
	mf__auth__report(&rpc->service, &m, on_told, own);
}

static char *
text(const char *s)
{
	return (char *)(uintptr_t)(s != NULL ? s : "");
}

static void
on_told(const Mf__Empty *m, void *ctx)
{
	Mf__Empty done = MF__EMPTY__INIT;

	if (m == NULL)
		log_warn("report_lost");
	call_reply(ctx, &done.base);
}

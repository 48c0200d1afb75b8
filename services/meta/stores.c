/* stores: see stores.h. The higher epoch is the newer word. */
#include <string.h>

#include "meta/meta.h"
#include "meta/stores.h"
#include "proto/journal.pb-c.h"

static void on_mode(void *, const char *, const Mf__Event *);

static uint64_t said_epoch, said; /* by the newest event */

void
stores_watch(struct meta *m)
{
	said_epoch = said = 0;
	bus_subscribe(m->bus, "database", "mode", on_mode, NULL, m);
}

static void
on_mode(void *ctx, const char *node, const Mf__Event *e)
{
	Mf__ModeIs *is = mf__mode_is__unpack(NULL, e->payload.len, e->payload.data);

	(void)ctx, (void)node;
	if (is == NULL)
		return;
	said_epoch = is->epoch;
	said = (uint64_t)is->mode + 1;
	mf__mode_is__free_unpacked(is, NULL);
}

/* 0: not known; else Mf__StoreMode + 1, as the hint has it. */
static uint64_t
newest(const struct meta *m)
{
	uint64_t epoch, value;
	int64_t at;

	if (bus_peer_hint(m->bus, "database", &epoch, &value, &at) && epoch >= said_epoch)
		return value;
	return said;
}

const char *
stores_mode(const struct meta *m)
{
	static const char *const names[] = { "unknown", "normal", "degraded", "replaying" };
	uint64_t v = newest(m);

	return names[v < sizeof(names) / sizeof(names[0]) ? v : 0];
}

bool
stores_degraded(const struct meta *m)
{
	return newest(m) > (uint64_t)MF__STORE_MODE__MODE_NORMAL + 1;
}

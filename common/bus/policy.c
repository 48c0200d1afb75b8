/* policy: what a peer may call, by its authenticated name. Over ipc the private directory and the
 * uid have decided: all peers are the fleet's own. Over tcp the thirteen may call anything, speak for
 * a principal and say where a client is; workers, the command line and plain clients get the front
 * door (Meta.Execute and Rest.Handle, where their credential decides) and questions about the
 * fleet. */
#include <string.h>
#include "bus/inside.h"

static const struct {
	const char *service, *method;
} front_door[] = {
	{ "mf.Meta", "Execute" },
	{ "mf.Meta", "Fleet" },
	{ "mf.Node", "Info" },
	{ "mf.Rest", "Handle" },
};

static bool is_of_the_fleet(const struct bus *b, const char *peer);

bool
policy_allows(
    const struct bus *b, const char *peer, const struct served_method *m, bool with_principal)
{
	if (is_of_the_fleet(b, peer))
		return true;
	if (with_principal)
		return false; /* only the fleet says who somebody is */
	for (size_t i = 0; i < sizeof front_door / sizeof *front_door; i++)
		if (strcmp(m->service, front_door[i].service) == 0 &&
		    strcmp(m->method, front_door[i].method) == 0)
			return true;
	return false;
}

/* Limits and the audit go by that address: who could choose his own would have no limit. */
const char *
call_client_address(struct call *c, const char *claimed)
{
	if (c->caller == NULL || is_of_the_fleet(c->bus, c->caller->name))
		return claimed;
	return arena_printf(c->arena, "key:%s", c->caller->name);
}

static bool
is_of_the_fleet(const struct bus *b, const char *peer)
{
	return b->closed_network || fleet_name_find(peer) != NULL;
}

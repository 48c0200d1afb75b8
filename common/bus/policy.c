/* policy: what a peer may call, by its authenticated name. Over ipc the private directory and the
 * uid have decided: all peers are the fleet's own. Over tcp the thirteen may call anything and
 * speak for a principal; workers, the command line and plain clients get the front door
 * (Meta.Execute, which checks their credential) and questions about the fleet. */
#include <string.h>
#include "bus/inside.h"

static const struct {
	const char *service, *method;
} front_door[] = {
	{ "mf.Meta", "Execute" },
	{ "mf.Meta", "Fleet" },
	{ "mf.Node", "Info" },
};

bool
policy_allows(
    const struct bus *b, const char *peer, const struct served_method *m, bool with_principal)
{
	if (b->closed_network || fleet_name_find(peer) != NULL)
		return true;
	if (with_principal)
		return false; /* only the fleet says who somebody is */
	for (size_t i = 0; i < sizeof front_door / sizeof *front_door; i++)
		if (strcmp(m->service, front_door[i].service) == 0 &&
		    strcmp(m->method, front_door[i].method) == 0)
			return true;
	return false;
}

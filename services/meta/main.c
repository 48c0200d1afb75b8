/* meta: one executable, three processes. The guard is what you start; it forks the supervisor; the
 * supervisor starts this executable again as the orchestrator (the node "meta"). A container runs
 * the orchestrator alone. */
#include <string.h>
#include "meta/command.h"
#include "meta/orchestrator.h"
#include "node/node.h"

int
main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "--role=orchestrator") != 0)
		return meta_command(argc, argv);
	argv[1] = argv[0];
	return node_main(argc - 1, argv + 1, &meta_service);
}

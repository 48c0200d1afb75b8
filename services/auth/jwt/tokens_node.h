/* tokens_node: the node around a struct tokens: start, reload, end. jwt is one declaration of it,
 * oauth, which stands in for jwt, another. */
#ifndef JWT_TOKENS_NODE_H
#define JWT_TOKENS_NODE_H

#include "auth/jwt/jwt.h"
#include "node/node.h"

struct tokens_node {
	const char *name;
	const char *peer;      /* the other of the two: its revocations count here too */
	struct tokens *tokens; /* initialised with TOKENS_SERVICE */
	const struct serve *serves;
	const char *const *capabilities;
};

int tokens_node_main(int argc, char **argv, const struct tokens_node *d);

#endif

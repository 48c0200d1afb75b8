/* oauth_node: the node around a struct tokens and a struct oauth: start, reload, end. jwt and oauth are
 * two declarations of it: each serves what it is named for, and stands in for the other. */
#ifndef OAUTH_OAUTH_NODE_H
#define OAUTH_OAUTH_NODE_H

#include "auth/oauth/oauth.h"
#include "node/node.h"

struct oauth_node {
	const char *name;
	const char *peer;      /* the other of the two: its revocations count here too */
	struct tokens *tokens; /* initialised with TOKENS_SERVICE */
	struct oauth *oauth;   /* initialised with OAUTH_SERVICE and tokens */
	const struct serve *serves;
	const char *const *capabilities;
};

int oauth_node_main(int argc, char **argv, const struct oauth_node *d);

#endif

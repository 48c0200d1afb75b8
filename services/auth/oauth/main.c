/* oauth: the authorization server; stands in for jwt (same code, libsvc-jwt.a). */
#include "auth/oauth/oauth_node.h"

static struct tokens tokens = { .service = TOKENS_SERVICE };
static struct oauth oauth = { .service = OAUTH_SERVICE, .tokens = &tokens };

static const struct serve serves[] = {
	{ &oauth.service.base, PRIMARY },
	{ &tokens.service.base, STANDIN },
	{ NULL, 0 },
};
static const char *const capabilities[] = { "verify", "web", "clients", NULL };

int
main(int argc, char **argv)
{
	return oauth_node_main(argc, argv,
	    &(const struct oauth_node){
		.name = "oauth",
		.peer = "jwt",
		.tokens = &tokens,
		.oauth = &oauth,
		.serves = serves,
		.capabilities = capabilities,
	    });
}

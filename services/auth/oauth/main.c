/* oauth: verifies tokens; stands in for jwt (same code, libsvc-jwt.a). */
#include "auth/jwt/tokens_node.h"
#include "auth/oauth/oauth.h"

static struct tokens tokens = { .service = TOKENS_SERVICE };
static struct oauth oauth = { .service = OAUTH_SERVICE, .tokens = &tokens };

static const struct serve serves[] = {
	{ &oauth.service.base, PRIMARY },
	{ &tokens.service.base, STANDIN },
	{ NULL, 0 },
};
static const char *const capabilities[] = { "verify", NULL };

int
main(int argc, char **argv)
{
	return tokens_node_main(argc, argv,
	    &(const struct tokens_node){
		.name = "oauth",
		.peer = "jwt",
		.tokens = &tokens,
		.serves = serves,
		.capabilities = capabilities,
	    });
}

/* jwt: passwords, access and refresh tokens, signing keys; stands in for oauth (same code,
 * libsvc-oauth.a). */
#include "auth/oauth/oauth_node.h"

static struct tokens tokens = { .service = TOKENS_SERVICE };
static struct oauth oauth = { .service = OAUTH_SERVICE, .tokens = &tokens };

static const struct serve serves[] = {
	{ &tokens.service.base, PRIMARY },
	{ &oauth.service.base, STANDIN },
	{ NULL, 0 },
};
static const char *const capabilities[] = { "login", "refresh", "logout", "verify", "keys", NULL };

int
main(int argc, char **argv)
{
	return oauth_node_main(argc, argv,
	    &(const struct oauth_node){
		.name = "jwt",
		.peer = "oauth",
		.tokens = &tokens,
		.oauth = &oauth,
		.serves = serves,
		.capabilities = capabilities,
	    });
}

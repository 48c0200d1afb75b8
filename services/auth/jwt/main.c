/* jwt: passwords, access and refresh tokens, signing keys. */
#include "auth/jwt/tokens_node.h"

static struct tokens tokens = { .service = TOKENS_SERVICE };

static const struct serve serves[] = {
	{ &tokens.service.base, PRIMARY },
	{ NULL, 0 },
};
static const char *const capabilities[] = { "login", "refresh", "logout", "verify", "keys", NULL };

int
main(int argc, char **argv)
{
	return tokens_node_main(argc, argv,
	    &(const struct tokens_node){
		.name = "jwt",
		.peer = "oauth",
		.tokens = &tokens,
		.serves = serves,
		.capabilities = capabilities,
	    });
}

/* oauth: verifies tokens; stands in for jwt (same code, libsvc-jwt.a). */
#include "auth/oauth/oauth.h"
#include "base/log.h"

static struct tokens tokens = { .service = TOKENS_SERVICE };
static struct oauth oauth = { .service = OAUTH_SERVICE, .tokens = &tokens };

static const struct serve serves[] = {
	{ &oauth.service.base, PRIMARY },
	{ &tokens.service.base, STANDIN },
	{ NULL, 0 },
};
static const char *const capabilities[] = { "verify", NULL };

static void
ready(void *ctx)
{
	node_ready(ctx);
}

static bool
init(struct node *n)
{
	char err[512];

	if (tokens_start(&tokens,
		&(struct tokens_opts){ .bus = node_bus(n),
		    .var = node_var(n),
		    .peer = "jwt",
		    .config = node_config(n),
		    .ready = ready,
		    .ctx = n },
		err, sizeof(err)))
		return true;
	log_error("not_started", L_STR("why", err));
	return false;
}

static void
reload(struct node *n, const void *old_config, const void *new_config)
{
	(void)n, (void)old_config;
	tokens_reload(&tokens, new_config);
}

static void
fini(struct node *n)
{
	(void)n;
	tokens_stop(&tokens);
}

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "oauth",
		.keys = jwt_keys,
		.config_size = sizeof(struct jwt_config),
		.serves = serves,
		.capabilities = capabilities,
		.check = jwt_check,
		.init = init,
		.reload = reload,
		.fini = fini,
	    });
}

/* metafed: the command line of a fleet. Options of all commands stand before or behind the
 * command's name. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"

const char *argp_program_version = "metafed " METAFED_VERSION;

static const struct {
	const char *name;
	int (*run)(struct cli *cli, int argc, char **argv);
} commands[] = {
	{ "login", cli_login },
	{ "task", cli_task },
	{ "request", cli_request },
	{ "fleet", cli_fleet },
	{ "restart", cli_restart },
	{ "logs", cli_logs },
	{ "keys", cli_keys },
	{ "completion", cli_completion },
};

/* No short ones: those of the commands would be taken for them. */
enum { OPT_VAR = 256, OPT_URL, OPT_TOKEN_FILE, OPT_JSON };

static const struct argp_option options[] = {
	{ "var", OPT_VAR, "DIR", 0,
	    "run-time directory of a local fleet, reached over its bus as DIR/metafed.conf says "
	    "(default: the fleet of $METAFED_CONFIG, else $METAFED_VAR, else var)",
	    0 },
	{ "url", OPT_URL, "URL", 0, "speak HTTP to this address instead (default: $METAFED_URL)",
	    0 },
	{ "token-file", OPT_TOKEN_FILE, "FILE", 0,
	    "where log-ins are kept (default: $METAFED_TOKEN_FILE, else ~/.config/metafed/token)",
	    0 },
	{ "json", OPT_JSON, NULL, 0, "print JSON, as the fleet answers it", 0 },
	{ 0 },
};

/* Lines up to 78 characters: argp wraps longer ones. */
static const char doc[] =
    "The command line of a metafed fleet.\v"
    "Commands:\n"
    "  login USER [--password-stdin]    log in and keep the tokens\n"
    "  task add TITLE [--type T] [--priority P] [--label K=V] [--payload JSON]\n"
    "                 [--description TEXT]\n"
    "  task get ID\n"
    "  task list [--state S] [--priority P] [--type T] [--label K[=V]]\n"
    "            [--limit N] [--cursor C] [--all]\n"
    "  task update ID KEY=VALUE... [--if-version N]    VALUE is JSON, or a text\n"
    "  task rm ID [--if-version N]\n"
    "  task import FILE.csv [--map FIELD=COLUMN,...] [--dry-run]\n"
    "  request FILE                     send a TaskRequest (JSON; - is stdin)\n"
    "  fleet                            the nodes and how they are\n"
    "  restart NODE                     planned restart; no request fails\n"
    "  logs [-f] [-n LINES] [NODE]      logs of a local fleet (--var)\n"
    "  keys init DIR NAME...            keys for a bus over tcp\n"
    "  completion bash                  shell completion, to be sourced\n"
    "\n"
    "P is CRITICAL, HIGH, MEDIUM or LOW, or 1 to 4.\n"
    "\n"
    "Exit codes: 0 done, 1 refused, 2 usage, 3 not logged in or not permitted,\n"
    "4 not found, 5 conflict, 6 unavailable, 7 done in part.";

static error_t parse_option(int, char *, struct argp_state *);
static bool asks_for_help(int, char **);
static int help_of(const char *, const char *);
static bool check_url(const char *);
static bool is_common(const char *);

/* argp would take a command's own options for ours: common ones are sorted to the front first. */
static void
sort_common_first(int argc, char **argv, int *n_common)
{
	char **sorted = calloc((size_t)argc + 1, sizeof(*sorted));
	int n = 1;

	must(sorted != NULL);
	sorted[0] = argv[0];
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 1; i < argc; i++) {
			bool common = is_common(argv[i]);
			bool value = common && strchr(argv[i], '=') == NULL && i + 1 < argc &&
			             strcmp(argv[i], "--json") != 0 &&
			             strcmp(argv[i], "--help") != 0 &&
			             strcmp(argv[i], "--version") != 0;

			if (common == (pass == 0)) {
				sorted[n++] = argv[i];
				if (value)
					sorted[n++] = argv[i + 1];
			}
			if (value)
				i++;
		}
		if (pass == 0)
			*n_common = n;
	}
	memcpy(argv, sorted, (size_t)argc * sizeof(*argv));
	free(sorted);
}

int
main(int argc, char **argv)
{
	static const struct argp argp = { options, parse_option, "COMMAND [ARGUMENT...]", doc, NULL,
		NULL, NULL };
	const char *home = getenv("HOME");
	struct cli cli = { .var = getenv("METAFED_VAR") ?: "var",
		.url = getenv("METAFED_URL"),
		.token_file = getenv("METAFED_TOKEN_FILE"),
		.access_token = (char[]){ "" } };
	int n_common, status = CLI_USAGE;

	log_init("cli", 0, 2);
	log_set_level(LOG_ERROR);
	cli.arena = arena_new(256u << 20);
	if (cli.token_file == NULL)
		cli.token_file =
		    arena_printf(cli.arena, "%s/.config/metafed/token", home != NULL ? home : "");
	sort_common_first(argc, argv, &n_common);
	if (n_common < argc && asks_for_help(n_common, argv))
		return help_of(argv[n_common], argv[n_common + 1]);
	argp_err_exit_status = CLI_USAGE;
	argp_parse(&argp, n_common, argv, ARGP_NO_ARGS, NULL, &cli);
	argc -= n_common;
	argv += n_common;
	if (argc == 0) {
		cli_error("a command is needed; metafed --help lists them");
		return CLI_USAGE;
	}
	if (cli.url != NULL && !check_url(cli.url))
		return CLI_USAGE;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, argv[0]) == 0) {
			status = commands[i].run(&cli, argc, argv);
			way_close(&cli);
			arena_free(&cli.arena);
			return status;
		}
	cli_error("%s: no such command; metafed --help lists them", argv[0]);
	return CLI_USAGE;
}

static bool
is_common(const char *arg)
{
	static const char *const names[] = { "--var", "--url", "--token-file", "--json", "--help",
		"--version" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]);

		if (strncmp(arg, names[i], n) == 0 && (arg[n] == '\0' || arg[n] == '='))
			return true;
	}
	return false;
}

static bool
asks_for_help(int n_common, char **argv)
{
	for (int i = 1; i < n_common; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

/* What the help of all says of one command: its line, "  NAME ...", with those indented below it. */
static int
help_of(const char *command, const char *verb)
{
	const char *line = strchr(doc, '\v') + 1, *end;
	char *exact = NULL, *any = NULL;
	bool shown = false, in = false;

	if (asprintf(&exact, "  %s %s ", command, verb != NULL ? verb : "") < 0 ||
	    asprintf(&any, "  %s ", command) < 0)
		abort();
	for (int pass = 0; pass < 2 && !shown; pass++) {
		const char *want = pass == 0 && verb != NULL ? exact : any;

		for (const char *p = line; *p != '\0'; p = end + (*end != '\0')) {
			end = p + strcspn(p, "\n");
			bool begins = strncmp(p, want, strlen(want)) == 0;

			in = begins || (in && strncmp(p, "        ", 8) == 0);
			if (in)
				printf("%s%s%.*s\n",
				    shown ? "       " : "Usage: ", begins ? "metafed " : "        ",
				    (int)(end - p) - 2, p + 2);
			shown |= in;
		}
	}
	free(exact);
	free(any);
	if (shown) {
		puts("\nmetafed --help says more: options, priorities, exit codes.");
		return CLI_OK;
	}
	cli_error("%s: no such command; metafed --help lists them", command);
	return CLI_USAGE;
}

static bool
check_url(const char *url)
{
	if (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0)
		return true;
	cli_error("--url %s: must begin with http:// or https://; is http://%s meant?", url, url);
	return false;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
	struct cli *cli = state->input;

	switch (key) {
	case OPT_VAR:
		cli->var = arg;
		cli->var_given = true;
		cli->url = NULL;
		return 0;
	case OPT_URL:
		cli->url = arg;
		return 0;
	case OPT_TOKEN_FILE:
		cli->token_file = arg;
		return 0;
	case OPT_JSON:
		cli->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

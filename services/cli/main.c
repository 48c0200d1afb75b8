/* metafed: the command line of a fleet. Options of all commands stand before or behind the
 * command's name. */
#include <argp.h>
#include <errno.h>
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
	{ "logout", cli_logout },
	{ "whoami", cli_whoami },
	{ "password", cli_password },
	{ "user", cli_account },
	{ "role", cli_account },
	{ "group", cli_account },
	{ "grant", cli_account },
	{ "session", cli_account },
	{ "api-key", cli_account },
	{ "factor", cli_account },
	{ "client", cli_account },
	{ "consent", cli_account },
	{ "provider", cli_account },
	{ "identity", cli_account },
	{ "policy", cli_policy },
	{ "key", cli_key },
	{ "task", cli_task },
	{ "doc", cli_doc },
	{ "collection", cli_collection },
	{ "stream", cli_stream },
	{ "blob", cli_blob },
	{ "backup", cli_backup },
	{ "restore", cli_restore },
	{ "request", cli_request },
	{ "database", cli_database },
	{ "audit", cli_audit },
	{ "fleet", cli_fleet },
	{ "settings", cli_settings },
	{ "top", cli_top },
	{ "restart", cli_restart },
	{ "upgrade", cli_upgrade },
	{ "errors", cli_errors },
	{ "crashes", cli_crashes },
	{ "trace", cli_trace },
	{ "reliability", cli_reliability },
	{ "chaos", cli_chaos },
	{ "explain", cli_explain },
	{ "logs", cli_logs },
	{ "log-level", cli_log_level },
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
    "  login USER [--password-stdin]    log in and keep the tokens; the code of a\n"
    "                 second factor is asked for, or stands on the second line\n"
    "  logout                           end that session and forget its tokens\n"
    "  whoami                           whose the credential is, and what it is for\n"
    "  password [--password-stdin]      one's own; both are asked for\n"
    "  user list|show|add|update|rm     [ID, or NAME of a new one] [KEY=VALUE...]\n"
    "                 [--if-version N] [--limit N] [--cursor C] [--all]; VALUE is\n"
    "                 JSON, a text, @FILE, or - : asked for without echo\n"
    "  role list|show|add|update|rm     as user; so are those below\n"
    "  group list|show|add|update|rm\n"
    "  grant list|show|add|update|rm    what somebody may, or may not, and where\n"
    "  session list|show|rm             [--mine, but for show]\n"
    "  api-key list|show|add|rm         [--mine, but for show]\n"
    "  factor list|show|add|update|rm   [--mine, but for show];\n"
    "                 update ID code=C confirms it\n"
    "  client list|show|add|update|rm   programs that act for users (OAuth)\n"
    "  consent list|show|rm             [--mine, but for show]\n"
    "  provider list|show|add|update|rm\n"
    "  identity list|show|rm            [--mine, but for show]\n"
    "  policy export                    roles, groups and grants as YAML\n"
    "  policy import FILE [--dry-run] [--replace]\n"
    "  policy explain USER PERMISSION [resource=R] [namespace=N] [address=A] [at=T]\n"
    "  key list | key rotate [ALG]      what access tokens are signed with\n"
    "  task add TITLE [--type T] [--priority P] [--label K=V] [--payload JSON]\n"
    "                 [--description TEXT]\n"
    "  task get ID [--consistency strong|bounded|eventual] [--max-age MS]\n"
    "  task list [--state S] [--priority P] [--type T] [--label K[=V]]\n"
    "            [--q WORDS] [--payload POINTER=VALUE] [--sort FIELD,-FIELD]\n"
    "            [--limit N] [--cursor C] [--all] [--consistency C] [--max-age MS]\n"
    "  task update ID KEY=VALUE... [--if-version N]    VALUE is JSON, or a text\n"
    "  task rm ID [--if-version N]\n"
    "  task count [FILTER]              FILTER: the options of task apply\n"
    "  task apply update KEY=VALUE...|delete [--state S] [--priority P] [--type T]\n"
    "             [--label K[=V]] [--q WORDS] [--payload POINTER=VALUE]\n"
    "             [--created-by ID] [--created-after T] [--created-before T]\n"
    "             [--updated-after T] [--updated-before T]\n"
    "             [--dry-run | --expected N | --yes]   all that match, after a look\n"
    "  task history ID [--limit N] [--cursor C]\n"
    "  task import FILE.csv [--map FIELD=COLUMN,...] [--dry-run]\n"
    "  doc add COLLECTION [ID] JSON [--ttl MS]         JSON may be @FILE or -\n"
    "  doc get COLLECTION ID [--field POINTER]...\n"
    "  doc find COLLECTION [WHERE] [--sort POINTER,-POINTER] [--field POINTER]...\n"
    "           [--limit N] [--cursor C] [--all] [--explain]\n"
    "  doc update COLLECTION ID JSON [--if-version N] [--ttl MS]\n"
    "  doc rm COLLECTION ID [--if-version N]\n"
    "  collection add NAME JSON         schema, indexes, ttl_ms\n"
    "  collection list\n"
    "  collection show NAME\n"
    "  collection update NAME JSON [--if-version N]\n"
    "  collection check NAME [--mend]   its indexes\n"
    "  collection rm NAME [--drop]      --drop: with its documents\n"
    "  stream append SUBJECT JSON... [--if-last N]     - reads events from lines\n"
    "  stream read SUBJECT [--after N] [--before N] [--since TIME] [--until TIME]\n"
    "              [--consumer NAME] [--reverse] [--limit N] [--all]\n"
    "  stream follow SUBJECT [--after N | --consumer NAME] [--until-end]\n"
    "  stream trim SUBJECT [--before N] [--keep N] [--until TIME] [--force]\n"
    "  stream keep SUBJECT [--max-length N|none] [--max-age-ms N|none]\n"
    "              [--force yes|no]\n"
    "  stream show|rm SUBJECT [--force]\n"
    "  stream consumer SUBJECT add NAME [first|last|N]\n"
    "  stream consumer SUBJECT move NAME N [--reset]\n"
    "  stream consumer SUBJECT list|rm [NAME]\n"
    "  blob put FILE|- [--type TYPE] [--resume UPLOAD]   a large value; its id\n"
    "  blob get ID [-o FILE]\n"
    "  blob list\n"
    "  blob rm ID\n"
    "  backup FILE [--key-file KEY] [--verify]   everything, of one moment\n"
    "  backup --cancel ID               one whose client has gone\n"
    "  restore FILE [--key-file KEY] [--replace]\n"
    "  restore --cancel ID\n"
    "  request FILE                     send a TaskRequest (JSON; - is stdin)\n"
    "  database migrations [--dry-run]  what the schema has, and what is to come\n"
    "  audit verify [FILE] [--keys FILE] [--head NUMBER:HASH]   is the log whole?\n"
    "  audit search [--kind K] [--outcome O] [--actor ID] [--subject ID]\n"
    "               [--address A] [--since TIME] [--until TIME] [--limit N] [--all]\n"
    "               [--oldest-first]\n"
    "  audit export [-o FILE] [--since TIME] [--until TIME]   a record a line\n"
    "  fleet                            the nodes and how they are\n"
    "  fleet calls                      what goes between them\n"
    "  settings [NODE] [--changed]      how each node is configured\n"
    "  top [--once]                     the fleet on one screen; ? shows its keys\n"
    "  restart NODE                     planned restart; no request fails\n"
    "  upgrade [NODE...] [--dry-run]    from the executables that are there by now\n"
    "  explain request FILE             what a TaskRequest would do, and when\n"
    "  errors [--node N] [--status S] [--window 1m|1h|24h] [--limit N]\n"
    "  crashes [ID | [--node N] [--limit N]]\n"
    "                                   why processes ended, with what they left\n"
    "  trace list [--status error|ok] [--min-ms N] [--max-ms N] [--node N]\n"
    "             [--method M] [--route R] [--since TIME] [--until TIME]\n"
    "             [--limit N] [--cursor C]\n"
    "                 requests that failed, were slow, were to be kept, or drawn\n"
    "  trace show ID                    the way that one took, as a waterfall\n"
    "  chaos ACTION TARGET --for MS [--peer NODE] [--probability P] [--delay MS]\n"
    "        [--step MS] [--seed N] [--dry-run | --yes]   harm on purpose; ACTION:\n"
    "        kill, stop, delay, drop, error, partition, store_down, disk_full,\n"
    "        clock_step\n"
    "  chaos list\n"
    "  chaos end ID\n"
    "  reliability show [--window 1m|1h|24h]\n"
    "  reliability run [--scenarios N] [--seed S] [--rates AGENT,ORCHESTRATOR,META]\n"
    "                 [--tries K] [--load PER_S] [--parts P,P] [--html FILE]\n"
    "                 measures, on a private fleet beside this one, in minutes\n"
    "  reliability run --live [--scenarios N] [--seed S] [--load PER_S]\n"
    "                 [--html FILE] [--rates AGENT,ORCHESTRATOR,META] [--parts P,P]\n"
    "                 measures the running fleet; only --rates and --parts harm it\n"
    "  reliability report FILE [--html FILE]    a stored one (JSON; - is stdin)\n"
    "  reliability compare A B          two stored ones\n"
    "  logs [-f] [-n LINES] [--node NODE] [--level LEVEL] [--trace ID]\n"
    "       [--event NAME] [--field KEY=VALUE] [--since TIME] [--until TIME]\n"
    "       [NODE...]\n"
    "                 of a local fleet (--var), merged; TIME: RFC 3339, or 10m ago\n"
    "  log-level NODE LEVEL [--for DURATION]    what a node logs\n"
    "  keys init DIR NAME...            keys for a bus over tcp\n"
    "  completion bash                  shell completion, to be sourced\n"
    "  help [COMMAND [VERB]]            this, or how one is used\n"
    "\n"
    "P is CRITICAL, HIGH, MEDIUM or LOW, or 1 to 4.\n"
    "\n"
    "Exit codes: 0 done, 1 refused, 2 usage, 3 not logged in or not permitted,\n"
    "4 not found, 5 conflict, 6 unavailable, 7 done in part.";

static error_t parse_option(int, char *, struct argp_state *);
static const struct argp argp = { options, parse_option, "COMMAND [ARGUMENT...]", doc, NULL, NULL,
	NULL };

static int help(int, char **);
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
	if (strcmp(argv[0], "help") == 0)
		return help(argc, argv);
	if (argv[0][0] == '-') {
		cli_error("%s: is no option of all commands; metafed --help lists them", argv[0]);
		return CLI_USAGE;
	}
	if (cli.url != NULL && !check_url(cli.url))
		return CLI_USAGE;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, argv[0]) == 0) {
			if (commands[i].run != cli_account) /* for getopt's messages */
				argv[0] = arena_printf(cli.arena, "metafed %s", argv[0]);
			status = commands[i].run(&cli, argc, argv);
			if ((fflush(stdout) != 0 || ferror(stdout)) && status == CLI_OK) {
				cli_error("standard output: %s", strerror(errno));
				status = CLI_REFUSED;
			}
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

static int
help(int argc, char **argv)
{
	char name[] = "metafed", asked[] = "--help", *all[] = { name, asked, NULL };

	if (argc > 1)
		return help_of(argv[1], argc > 2 ? argv[2] : NULL);
	argp_parse(&argp, 2, all, 0, NULL, NULL); /* and ends with it */
	return CLI_OK;
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

/* account: who may do what, one command per collection of the API, all alike: list, show, add, update,
 * rm. With --mine it is one's own of it (/v1/me). Then what is no collection: whoami, password, policy,
 * and the keys that tokens are signed with. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define FILE_MAX (1u << 20)

static const struct kind {
	const char *command, *path, *mine; /* NULL: nobody has any of his own */
	const char *name;                  /* the member that a bare NAME is; NULL: none */
	struct column columns[8];
} kinds[] = {
	{ "user", "/v1/users", NULL, "username",
	    { { "ID", "id", 38, CELL_PLAIN }, { "NAME", "username", 20, CELL_PLAIN },
		{ "KIND", "kind", 8, CELL_PLAIN }, { "ROLES", "roles", 0, CELL_PLAIN }, { 0 } } },
	{ "role", "/v1/roles", NULL, "id",
	    { { "ROLE", "id", 20, CELL_PLAIN }, { "INHERITS", "inherits", 20, CELL_PLAIN },
		{ "PERMISSIONS", "permissions", 0, CELL_PLAIN }, { 0 } } },
	{ "group", "/v1/groups", NULL, "id",
	    { { "GROUP", "id", 20, CELL_PLAIN }, { "ROLES", "roles", 24, CELL_PLAIN },
		{ "DESCRIPTION", "description", 0, CELL_PLAIN }, { 0 } } },
	{ "grant", "/v1/grants", NULL, NULL,
	    { { "ID", "id", 38, CELL_PLAIN }, { "EFFECT", "effect", 7, CELL_PLAIN },
		{ "SUBJECT", "subject", 20, CELL_PLAIN },
		{ "PERMISSIONS", "permissions", 0, CELL_PLAIN }, { 0 } } },
	{ "session", "/v1/sessions", "/v1/me/sessions", NULL,
	    { { "ID", "id", 38, CELL_PLAIN }, { "CURRENT", "current", 9, CELL_PLAIN },
		{ "USED", "refreshed_at", 19, CELL_TIME }, { "ENDS", "expires_at", 19, CELL_TIME },
		{ "USER", "user_id", 38, CELL_PLAIN },
		{ "ADDRESS", "client_address", 16, CELL_PLAIN },
		{ "PROGRAM", "user_agent", 0, CELL_PLAIN }, { 0 } } },
	{ "api-key", "/v1/api-keys", "/v1/me/api-keys", "name",
	    { { "ID", "id", 38, CELL_PLAIN }, { "NAME", "name", 20, CELL_PLAIN },
		{ "SCOPES", "scopes", 20, CELL_PLAIN }, { "ENDS", "expires_at", 0, CELL_PLAIN },
		{ 0 } } },
	{ "factor", "/v1/factors", "/v1/me/factors", NULL,
	    { { "ID", "id", 38, CELL_PLAIN }, { "KIND", "kind", 6, CELL_PLAIN },
		{ "CONFIRMED", "confirmed", 0, CELL_PLAIN }, { 0 } } },
	{ "client", "/v1/clients", NULL, "name",
	    { { "ID", "id", 38, CELL_PLAIN }, { "NAME", "name", 20, CELL_PLAIN },
		{ "GRANTS", "grant_types", 0, CELL_PLAIN }, { 0 } } },
	{ "consent", "/v1/consents", "/v1/me/consents", NULL,
	    { { "ID", "id", 38, CELL_PLAIN }, { "CLIENT", "client_id", 38, CELL_PLAIN },
		{ "SCOPES", "scopes", 0, CELL_PLAIN }, { 0 } } },
	{ "provider", "/v1/providers", NULL, "id",
	    { { "PROVIDER", "id", 20, CELL_PLAIN }, { "NAME", "name", 20, CELL_PLAIN },
		{ "ISSUER", "issuer", 0, CELL_PLAIN }, { 0 } } },
	{ "identity", "/v1/identities", "/v1/me/identities", NULL,
	    { { "ID", "id", 38, CELL_PLAIN }, { "PROVIDER", "provider", 16, CELL_PLAIN },
		{ "SUBJECT", "subject", 0, CELL_PLAIN }, { 0 } } },
};

struct wish { /* what the words behind the verb say */
	const char *id;
	const char *version, *limit, *cursor;
	bool mine, all;
	json_t *members; /* KEY=VALUE */
};

static const struct kind *kind_of(const char *);
static bool read_wish(struct cli *, int, char **, struct wish *);
static bool take_member(struct cli *, struct wish *, char *);
static char *value_of(struct cli *, const char *, const char *);
static char *read_file(struct cli *, const char *);
static int list(struct cli *, const struct kind *, const char *, struct wish *);
static int
change(struct cli *, const char *method, const char *path, const json_t *, const char *version);
static int show(struct cli *, const char *);
static const char *item_path(struct cli *, const char *, const char *, const char *);
static int usage(const struct kind *);
static void show_object(const json_t *);

/* COMMAND list|show|add|update|rm ... */
int
cli_account(struct cli *cli, int argc, char **argv)
{
	const struct kind *k = kind_of(argv[0]);
	const char *verb = argc > 1 ? argv[1] : "", *base, *one;
	struct wish w = { .members = json_object() };
	int status = CLI_USAGE;

	if (argc < 2 || !read_wish(cli, argc - 1, argv + 1, &w))
		return usage(k);
	base = w.mine || k->path == NULL ? k->mine : k->path;
	one = base == NULL || w.id == NULL ? NULL : item_path(cli, base, w.id, "");
	if (base == NULL)
		cli_error("%s: nobody has any of his own", argv[0]);
	else if (strcmp(verb, "list") == 0 && w.id == NULL)
		status = list(cli, k, base, &w);
	else if (strcmp(verb, "show") == 0 && one != NULL && !w.mine)
		status = show(cli, one);
	else if (strcmp(verb, "add") == 0 && (w.id == NULL || k->name != NULL)) {
		if (w.id != NULL)
			json_object_set_new(w.members, k->name, json_string(w.id));
		status = change(cli, "POST", base, w.members, NULL);
	} else if (strcmp(verb, "update") == 0 && one != NULL)
		status = change(cli, "PATCH", one, w.members, w.version);
	else if (strcmp(verb, "rm") == 0 && one != NULL && json_object_size(w.members) != 0)
		status = change(
		    cli, "POST", item_path(cli, base, w.id, ":remove"), w.members, w.version);
	else if (strcmp(verb, "rm") == 0 && one != NULL)
		status = change(cli, "DELETE", one, NULL, w.version);
	else
		status = usage(k);
	json_decref(w.members);
	return status;
}

int
cli_whoami(struct cli *cli, int argc, char **argv)
{
	(void)argv;
	if (argc != 1) {
		cli_error("usage: metafed whoami");
		return CLI_USAGE;
	}
	return show(cli, "/v1/me");
}

/* password: both are asked for, or stand on the lines of standard input. */
int
cli_password(struct cli *cli, int argc, char **argv)
{
	json_t *body;
	int status;

	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--password-stdin") != 0)) {
		cli_error("usage: metafed password [--password-stdin]");
		return CLI_USAGE;
	}
	body = json_object();
	json_object_set_new(body, "current", json_string(cli_ask(cli, "Password: ", argc == 2)));
	json_object_set_new(
	    body, "password", json_string(cli_ask(cli, "New password: ", argc == 2)));
	status = change(cli, "POST", "/v1/me/password", body, NULL);
	json_decref(body);
	return status;
}

/* policy export; import FILE [--dry-run] [--replace]; explain USER PERMISSION [KEY=VALUE...] */
int
cli_policy(struct cli *cli, int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	char *params = arena_strdup(cli->arena, ""), *text;
	json_t *body;
	int status;

	if (strcmp(verb, "export") == 0 && argc == 2) {
		const struct answer *a =
		    cli_send(cli, &(const struct query){ .method = "GET", .path = "/v1/policy" });

		if (a->status == 200 && !cli->json)
			cli_put_text(json_string_value(json_object_get(a->json, "yaml")) ?: "");
		return cli_result(cli, a);
	}
	if (strcmp(verb, "import") == 0 && argc >= 3) {
		if ((text = read_file(cli, argv[2])) == NULL)
			return CLI_USAGE;
		body = json_pack("{s:s}", "yaml", text);
		for (int i = 3; i < argc; i++)
			if (strcmp(argv[i], "--dry-run") == 0)
				json_object_set_new(body, "dry_run", json_true());
			else if (strcmp(argv[i], "--replace") == 0)
				json_object_set_new(body, "mode", json_string("replace"));
			else
				return usage(NULL);
		status = change(cli, "PUT", "/v1/policy", body, NULL);
		json_decref(body);
		return status;
	}
	if (strcmp(verb, "explain") != 0 || argc < 4)
		return usage(NULL);
	cli_encode(cli->arena, &params, "user", argv[2]);
	cli_encode(cli->arena, &params, "permission", argv[3]);
	for (int i = 4; i < argc; i++) {
		char *eq = strchr(argv[i], '=');

		if (eq == NULL)
			return usage(NULL);
		*eq = '\0';
		cli_encode(cli->arena, &params, argv[i], eq + 1);
	}
	const struct answer *a = cli_send(cli,
	    &(const struct query){ .method = "GET", .path = "/v1/decisions", .params = params });

	if (a->status == 200 && !cli->json)
		show_object(json_array_get(json_object_get(a->json, "items"), 0));
	return cli_result(cli, a);
}

/* key list; key rotate [ALG] */
int
cli_key(struct cli *cli, int argc, char **argv)
{
	static const struct kind keys = { "key", "/v1/signing-keys", NULL, NULL,
		{ { "KEY", "id", 46, CELL_PLAIN }, { "ALG", "alg", 7, CELL_PLAIN },
		    { "STATE", "state", 0, CELL_PLAIN }, { 0 } } };
	struct wish w = { .all = true };
	json_t *body;
	int status;

	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return list(cli, &keys, keys.path, &w);
	if (argc < 2 || argc > 3 || strcmp(argv[1], "rotate") != 0) {
		cli_error("usage: metafed key list | metafed key rotate [ES256|EdDSA|RS256]");
		return CLI_USAGE;
	}
	body = argc == 3 ? json_pack("{s:s}", "alg", argv[2]) : json_object();
	status = change(cli, "POST", keys.path, body, NULL);
	json_decref(body);
	return status;
}

static const struct kind *
kind_of(const char *command)
{
	const struct kind *k = kinds;

	while (strcmp(k->command, command) != 0)
		k++;
	return k;
}

/* [ID] KEY=VALUE... and options. */
static bool
read_wish(struct cli *cli, int argc, char **argv, struct wish *w)
{
	static const struct option longs[] = { { "if-version", 1, NULL, 'v' },
		{ "limit", 1, NULL, 'l' }, { "cursor", 1, NULL, 'c' }, { "all", 0, NULL, 'a' },
		{ "mine", 0, NULL, 'm' }, { 0 } };

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		switch (o) {
		case 'v':
			w->version = optarg;
			break;
		case 'l':
			w->limit = optarg;
			break;
		case 'c':
			w->cursor = optarg;
			break;
		case 'a':
			w->all = true;
			break;
		case 'm':
			w->mine = true;
			break;
		default:
			return false;
		}
	for (int i = optind; i < argc; i++)
		if (strchr(argv[i], '=') != NULL) {
			if (!take_member(cli, w, argv[i]))
				return false;
		} else if (w->id == NULL && json_object_size(w->members) == 0) {
			w->id = argv[i];
		} else {
			return false;
		}
	return true;
}

/* VALUE is JSON, or a text; "-" is asked for without echo, "@FILE" stands in a file: no secret has to
 * be in a list of processes. No member is a number: 123456 is a code, a password, a name. */
static bool
take_member(struct cli *cli, struct wish *w, char *word)
{
	char *eq = strchr(word, '='), *text;
	json_t *v;

	if (eq == NULL || eq == word)
		return false;
	*eq = '\0';
	if ((text = value_of(cli, word, eq + 1)) != NULL) {
		v = json_string(text);
	} else if (eq[1] == '@') {
		return false;
	} else if ((v = json_loads(eq + 1, JSON_DECODE_ANY, NULL)) == NULL || json_is_number(v)) {
		json_decref(v);
		v = json_string(eq + 1);
	}
	return json_object_set_new(w->members, word, v) == 0;
}

/* NULL: it is what it is. */
static char *
value_of(struct cli *cli, const char *name, const char *value)
{
	if (strcmp(value, "-") == 0)
		return cli_ask(cli, arena_printf(cli->arena, "%s: ", name), false);
	if (value[0] == '@')
		return read_file(cli, value + 1);
	return NULL;
}

static char *
read_file(struct cli *cli, const char *file)
{
	FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	char *text;
	size_t n;

	if (f == NULL) {
		cli_error("%s: %s", file, strerror(errno));
		return NULL;
	}
	text = arena_alloc(cli->arena, FILE_MAX + 1);
	n = fread(text, 1, FILE_MAX + 1, f);
	if (f != stdin)
		fclose(f);
	if (n > FILE_MAX) {
		cli_error("%s: longer than %u bytes", file, FILE_MAX);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

/* With --all every page, else one. */
static int
list(struct cli *cli, const struct kind *k, const char *path, struct wish *w)
{
	const struct answer *a;
	const char *key, *next;
	bool titles = true;
	json_t *v;

	do {
		char *params = arena_strdup(cli->arena, "");

		if (w->limit != NULL)
			cli_encode(cli->arena, &params, "limit", w->limit);
		if (w->cursor != NULL)
			cli_encode(cli->arena, &params, "cursor", w->cursor);
		json_object_foreach(w->members, key, v)
		{
			char *text = json_is_string(v) ? strdup(json_string_value(v))
			                               : json_dumps(v, JSON_ENCODE_ANY);

			cli_encode(cli->arena, &params, key, text != NULL ? text : "");
			free(text);
		}
		a = cli_send(
		    cli, &(const struct query){ .method = "GET", .path = path, .params = params });
		if (a->status != 200 || cli->json)
			return cli_result(cli, a);
		cli_table(json_object_get(a->json, "items"), k->columns, titles);
		titles = false;
		next = json_string_value(json_object_get(a->json, "next_cursor"));
		w->cursor = next != NULL ? arena_strdup(cli->arena, next) : NULL;
	} while (w->all && w->cursor != NULL);
	fflush(stdout);
	if (w->cursor != NULL)
		fprintf(stderr, "more: --cursor %s\n", w->cursor);
	return CLI_OK;
}

static int
show(struct cli *cli, const char *path)
{
	const struct answer *a =
	    cli_send(cli, &(const struct query){ .method = "GET", .path = path });

	if (a->status == 200 && !cli->json)
		show_object(a->json);
	return cli_result(cli, a);
}

static int
change(
    struct cli *cli, const char *method, const char *path, const json_t *body, const char *version)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	const struct answer *a;
	int status;

	if (path == NULL || (body != NULL && text == NULL)) {
		cli_error(path == NULL ? "this is no id" : "arguments must be UTF-8");
		return CLI_USAGE;
	}
	a = cli_send(cli,
	    &(const struct query){ .method = method,
		.path = path,
		.body = text,
		.n = text != NULL ? strlen(text) : 0,
		.if_match = version != NULL ? arena_printf(cli->arena, "\"%s\"", version) : NULL,
		.content_type =
		    strcmp(method, "PATCH") == 0 ? "application/merge-patch+json" : NULL });
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	if (!cli->json && a->problem == NULL && json_is_object(a->json))
		show_object(a->json);
	else if (!cli->json && a->problem == NULL)
		puts("Done.");
	status = cli_result(cli, a);
	free(text);
	return status;
}

/* NULL: the id would change the path. */
static const char *
item_path(struct cli *cli, const char *base, const char *id, const char *tail)
{
	if (id[0] == '\0' || strpbrk(id, "/?#% :") != NULL)
		return NULL;
	return arena_printf(cli->arena, "%s/%s%s", base, id, tail);
}

static void
show_object(const json_t *v)
{
	const char *key;
	json_t *one;

	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		char *text = json_is_string(one) ? strdup(json_string_value(one))
		                                 : json_dumps(one, JSON_ENCODE_ANY | JSON_COMPACT);

		printf("%-16s ", key);
		cli_put(stdout, text != NULL ? text : "");
		putchar('\n');
		free(text);
	}
}

static int
usage(const struct kind *k)
{
	if (k == NULL)
		cli_error("usage: metafed policy export | import FILE [--dry-run] [--replace] | "
			  "explain USER PERMISSION [KEY=VALUE...]");
	else
		cli_error("usage: metafed %s list|show|add|update|rm [ID] [KEY=VALUE...]%s",
		    k->command, k->mine != NULL ? " [--mine, but for show]" : "");
	return CLI_USAGE;
}

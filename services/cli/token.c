/* token: who we are. A token file (0600) keeps {"access_token", "refresh_token"} per way; an access
 * token that was refused is renewed once with the refresh token. Whoever can read VAR/admin.json (or
 * $METAFED_ADMIN_FILE) acts as that user of the fleet whose bus he reaches. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"

static const char *way_name(struct cli *);
static json_t *tokens_load(struct cli *);
static void tokens_save(struct cli *, const json_t *);
static bool tokens_take(struct cli *, const struct answer *);
static bool renew(struct cli *);
static bool login_as(struct cli *, const char *, const char *, const struct answer **);
static bool login_local(struct cli *);
static char *ask_password(struct cli *, bool);

const struct answer *
cli_send(struct cli *cli, const struct query *q)
{
	const struct answer *a;

	if (cli->access_token[0] == '\0') {
		json_t *kept = tokens_load(cli);
		const char *token = json_string_value(
		    json_object_get(json_object_get(kept, way_name(cli)), "access_token"));

		if (token != NULL)
			cli->access_token = arena_strdup(cli->arena, token);
		json_decref(kept);
		if (cli->access_token[0] == '\0')
			login_local(cli);
	}
	a = way_send(cli, q);
	if (a->status != 401)
		return a;
	if (!renew(cli) && !login_local(cli))
		return a;
	return way_send(cli, q);
}

/* login USER [--password-stdin] */
int
cli_login(struct cli *cli, int argc, char **argv)
{
	const struct answer *a;
	char *password;
	bool piped = argc == 3 && strcmp(argv[2], "--password-stdin") == 0;

	if (argc != 2 && !piped) {
		cli_error("usage: metafed login USER [--password-stdin]");
		return CLI_USAGE;
	}
	password = ask_password(cli, piped);
	if (!login_as(cli, argv[1], password, &a)) {
		explicit_bzero(password, strlen(password));
		if (a->status == 401 && !cli->json) {
			cli_error("%s", a->problem);
			return CLI_AUTH;
		}
		return cli_result(cli, a);
	}
	explicit_bzero(password, strlen(password));
	if (cli->json) {
		json_t *said =
		    json_pack("{s:s, s:s}", "user", argv[1], "token_file", cli->token_file);

		json_dumpf(said, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(said);
	} else {
		printf("Logged in as %s.\n", argv[1]);
	}
	return CLI_OK;
}

static const char *
way_name(struct cli *cli)
{
	char *path;

	if (cli->url != NULL)
		return cli->url;
	path = realpath(cli->var, NULL);
	if (path == NULL)
		return cli->var;
	cli->var = arena_strdup(cli->arena, path);
	free(path);
	return cli->var;
}

static json_t *
tokens_load(struct cli *cli)
{
	struct stat st;
	json_t *v = NULL;
	int fd = open(cli->token_file, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 077) == 0)
		v = json_loadfd(fd, 0, NULL);
	if (fd >= 0)
		close(fd);
	if (!json_is_object(v)) {
		json_decref(v);
		v = json_object();
	}
	return v;
}

static void
tokens_save(struct cli *cli, const json_t *tokens)
{
	char *dir = arena_strdup(cli->arena, cli->token_file), *slash = strrchr(dir, '/');
	char *temp = arena_printf(cli->arena, "%s.%ld", cli->token_file, (long)getpid());
	int fd;

	if (slash != NULL && slash != dir) {
		*slash = '\0';
		for (char *p = dir + 1; (p = strchr(p, '/')) != NULL; *p++ = '/') {
			*p = '\0';
			mkdir(dir, 0700);
		}
		mkdir(dir, 0700);
	}
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || json_dumpfd(tokens, fd, JSON_INDENT(1)) != 0 || close(fd) != 0 ||
	    rename(temp, cli->token_file) != 0)
		cli_error("%s: %s: the log-in is not kept", cli->token_file, strerror(errno));
}

static bool
tokens_take(struct cli *cli, const struct answer *a)
{
	const char *access = json_string_value(json_object_get(a->json, "access_token"));
	const char *refresh = json_string_value(json_object_get(a->json, "refresh_token"));
	json_t *all, *mine;

	if (a->status != 200 || access == NULL)
		return false;
	cli->access_token = arena_strdup(cli->arena, access);
	mine = json_pack(
	    "{s:s, s:s}", "access_token", access, "refresh_token", refresh != NULL ? refresh : "");
	all = tokens_load(cli);
	json_object_set_new(all, way_name(cli), mine);
	tokens_save(cli, all);
	json_decref(all);
	return true;
}

static bool
renew(struct cli *cli)
{
	json_t *kept = tokens_load(cli);
	const char *token = json_string_value(
	    json_object_get(json_object_get(kept, way_name(cli)), "refresh_token"));
	json_t *body =
	    token != NULL && token[0] != '\0' ? json_pack("{s:s}", "refresh_token", token) : NULL;
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	bool ok = false;

	json_decref(kept);
	json_decref(body);
	cli->access_token = arena_strdup(cli->arena, "");
	if (text != NULL)
		ok = tokens_take(cli, way_send(cli, &(const struct query){ .method = "POST",
							.path = "/v1/auth/refresh",
							.body = text,
							.n = strlen(text) }));
	free(text);
	return ok;
}

static bool
login_as(struct cli *cli, const char *user, const char *password, const struct answer **a)
{
	json_t *body = json_pack("{s:s, s:s}", "username", user, "password", password);
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	if (text == NULL) {
		cli_error("user and password must be UTF-8");
		exit(CLI_USAGE);
	}
	cli->access_token = arena_strdup(cli->arena, "");
	*a = way_send(
	    cli, &(const struct query){
		     .method = "POST", .path = "/v1/auth/login", .body = text, .n = strlen(text) });
	explicit_bzero(text, strlen(text));
	free(text);
	return tokens_take(cli, *a);
}

static bool
login_local(struct cli *cli)
{
	const struct answer *a;
	const char *user, *password;
	json_t *admin;
	bool ok;

	if (cli->url != NULL)
		return false;
	admin = json_load_file(
	    getenv("METAFED_ADMIN_FILE") ?: arena_printf(cli->arena, "%s/admin.json", cli->var), 0,
	    NULL);
	user = json_string_value(json_object_get(admin, "username"));
	password = json_string_value(json_object_get(admin, "password"));
	ok = user != NULL && password != NULL && login_as(cli, user, password, &a);
	json_decref(admin);
	return ok;
}

static char *
ask_password(struct cli *cli, bool piped)
{
	struct termios old, quiet;
	bool tty = !piped && isatty(0) && tcgetattr(0, &old) == 0;
	char line[1026] = "";

	if (tty) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		fputs("Password: ", stderr);
		tcsetattr(0, TCSAFLUSH, &quiet);
	}
	if (fgets(line, sizeof(line), stdin) == NULL)
		line[0] = '\0';
	if (tty) {
		tcsetattr(0, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	line[strcspn(line, "\r\n")] = '\0';
	char *copy = arena_strdup(cli->arena, line);
	explicit_bzero(line, sizeof(line));
	return copy;
}

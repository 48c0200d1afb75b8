/* token: who we are. A token file (0600) keeps {"access_token", "refresh_token"} per way; an access
 * token that was refused is renewed once with the refresh token. Whoever can read VAR/admin.json (or
 * $METAFED_ADMIN_FILE) acts as that user of the fleet whose bus he reaches, unless he logged in as
 * another: when that log-in has ended, nobody goes on as administrator without having said so. */
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
static bool tokens_save(struct cli *, const json_t *);
static bool tokens_take(struct cli *, const struct answer *, const char *user);
static bool renew(struct cli *);
static bool
login_as(struct cli *, const char *, const char *, const char *, const struct answer **);
static bool login_local(struct cli *);
static const char *reason_of(const struct answer *);

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

/* login USER [--password-stdin]: who has a second factor is asked for its code, too, on the next line. */
int
cli_login(struct cli *cli, int argc, char **argv)
{
	const struct answer *a;
	char *password, *code;
	bool done, piped = argc == 3 && strcmp(argv[2], "--password-stdin") == 0;

	if (argc != 2 && !piped) {
		cli_error("usage: metafed login USER [--password-stdin]");
		return CLI_USAGE;
	}
	password = cli_ask(cli, "Password: ", piped);
	done = login_as(cli, argv[1], password, NULL, &a);
	if (!done && strcmp(reason_of(a), "SECOND_FACTOR") == 0 &&
	    (code = cli_ask(cli, "Code: ", piped))[0] != '\0')
		done = login_as(cli, argv[1], password, code, &a);
	if (!done) {
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

/* logout: the tokens are forgotten when their session has ended; one that had ended before is as good. */
int
cli_logout(struct cli *cli, int argc, char **argv)
{
	json_t *kept, *mine, *body;
	const struct answer *a;
	char *text;
	bool done;

	(void)argv;
	if (argc != 1) {
		cli_error("usage: metafed logout");
		return CLI_USAGE;
	}
	kept = tokens_load(cli);
	mine = json_object_get(kept, way_name(cli));
	body = json_pack(
	    "{s:s*}", "refresh_token", json_string_value(json_object_get(mine, "refresh_token")));
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	if (mine == NULL || text == NULL) {
		cli_error("nobody is logged in here");
		free(text);
		json_decref(kept);
		return CLI_AUTH;
	}
	a = way_send(cli,
	    &(const struct query){
		.method = "POST", .path = "/v1/auth/logout", .body = text, .n = strlen(text) });
	explicit_bzero(text, strlen(text));
	free(text);
	done = a->status == 204 || a->status == 401;
	if (done) {
		json_object_del(kept, way_name(cli));
		done = tokens_save(cli, kept);
	}
	json_decref(kept);
	if (!done)
		return a->problem != NULL ? cli_result(cli, a) : CLI_REFUSED;
	if (!cli->json)
		puts("Logged out.");
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

static bool
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
	    rename(temp, cli->token_file) != 0) {
		cli_error("%s: %s: not written", cli->token_file, strerror(errno));
		return false;
	}
	return true;
}

/* user: NULL keeps who it was. */
static bool
tokens_take(struct cli *cli, const struct answer *a, const char *user)
{
	const char *access = json_string_value(json_object_get(a->json, "access_token"));
	const char *refresh = json_string_value(json_object_get(a->json, "refresh_token"));
	json_t *all, *mine, *before;

	if (a->status != 200 || access == NULL)
		return false;
	cli->access_token = arena_strdup(cli->arena, access);
	mine = json_pack(
	    "{s:s, s:s}", "access_token", access, "refresh_token", refresh != NULL ? refresh : "");
	all = tokens_load(cli);
	before = json_object_get(json_object_get(all, way_name(cli)), "user");
	json_object_set_new(mine, "user", user != NULL ? json_string(user) : json_incref(before));
	json_object_set_new(all, way_name(cli), mine);
	(void)tokens_save(cli, all); /* what was asked for goes on all the same */
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
		ok = tokens_take(cli,
		    way_send(cli, &(const struct query){ .method = "POST",
				      .path = "/v1/auth/refresh",
				      .body = text,
				      .n = strlen(text) }),
		    NULL);
	free(text);
	return ok;
}

static bool
login_as(struct cli *cli, const char *user, const char *password, const char *otp,
    const struct answer **a)
{
	json_t *body =
	    json_pack("{s:s, s:s, s:s*}", "username", user, "password", password, "otp", otp);
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
	return tokens_take(cli, *a, user);
}

static const char *
reason_of(const struct answer *a)
{
	return json_string_value(json_object_get(a->json, "reason")) ?: "";
}

static bool
login_local(struct cli *cli)
{
	const struct answer *a;
	const char *user, *password;
	json_t *admin, *kept, *mine;
	bool ok;

	if (cli->url != NULL)
		return false;
	admin = json_load_file(
	    getenv("METAFED_ADMIN_FILE") ?: arena_printf(cli->arena, "%s/admin.json", cli->var), 0,
	    NULL);
	user = json_string_value(json_object_get(admin, "username"));
	password = json_string_value(json_object_get(admin, "password"));
	kept = tokens_load(cli);
	mine = json_object_get(kept, way_name(cli));
	ok = user != NULL && password != NULL &&
	     (mine == NULL ||
		 json_equal(json_object_get(mine, "user"), json_object_get(admin, "username"))) &&
	     login_as(cli, user, password, NULL, &a);
	json_decref(kept);
	json_decref(admin);
	return ok;
}

char *
cli_ask(struct cli *cli, const char *prompt, bool piped)
{
	struct termios old, quiet;
	bool tty = !piped && isatty(0) && tcgetattr(0, &old) == 0;
	char line[1026] = "";

	if (tty) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		fputs(prompt, stderr);
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

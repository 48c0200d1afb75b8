/* cli: the `metafed` command. Each command makes HTTP-shaped requests and prints their answers;
 * over the bus (--var) they go to an API agent by the client library, over HTTP (--url) by libcurl:
 * the same code above. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "base/arena.h"

/* Exit codes, for scripts. */
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1, /* the fleet refused the request: it is wrong */
	CLI_USAGE = 2,   /* the command line is wrong */
	CLI_AUTH = 3,    /* not logged in, or not permitted */
	CLI_NOT_FOUND = 4,
	CLI_CONFLICT = 5,    /* exists already, or changed meanwhile */
	CLI_UNAVAILABLE = 6, /* no fleet, or none that can answer now */
	CLI_PARTIAL = 7,     /* some of it worked */
};

struct way; /* to the fleet; transport.c */

struct cli {
	const char *var, *url; /* url NULL: the bus of var, or as METAFED_CONFIG says */
	bool var_given;        /* then nothing else decides */
	const char *token_file;
	bool json;
	struct arena *arena; /* of this run */
	struct way *way;     /* made on first use */
	char *access_token;  /* "" until known */
};

/* --- transport.c --- */
struct answer {     /* valid until the next request */
	int status; /* HTTP status; 0: never got there */
	const char *body;
	size_t n;
	json_t *json;         /* of the body; NULL when it is none. Borrowed */
	const char *etag;     /* "" when absent */
	const char *location; /* "" when absent */
	bool degraded;        /* PostgreSQL is away: journalled, or as it was last known */
	const char *problem;  /* one line for people when status is not 2xx */
};
struct query {
	const char *method, *path;  /* "/v1/tasks" */
	const char *params;         /* "limit=5&state=QUEUED", encoded; may be NULL */
	const char *content_type;   /* NULL: application/json when there is a body */
	const char *if_match;       /* NULL: none */
	const char *const *headers; /* others: name, value, ..., NULL; may be NULL; at most 4 */
	const char *body;           /* NULL: none */
	size_t n;
};
/* as it is, without a token of its own making */
const struct answer *way_send(struct cli *cli, const struct query *q);
void way_close(struct cli *cli);

/* --- token.c: who we are --- */
/* with our token, renewed when it ran out */
const struct answer *cli_send(struct cli *cli, const struct query *q);
int cli_login(struct cli *cli, int argc, char **argv);
int cli_logout(struct cli *cli, int argc, char **argv);
/* A line that nobody sees: from the terminal without echo, else from standard input. */
char *cli_ask(struct cli *cli, const char *prompt, bool piped);

/* --- store.c --- */
/* One operation of the stores; takes `database` (a DatabaseRequirement as JSON) over. Its result,
 * valid until the next request; NULL: it failed, was told, and *status is the exit code. */
const json_t *cli_store(struct cli *cli, json_t *database, int *status);
struct refusal {
	const char *why, *reason; /* for people; for machines: "" when there is none */
};
/* The same, untold: *r says it. */
const json_t *cli_store_try(struct cli *cli, json_t *database, int *status, struct refusal *r);

/* --- output.c --- */
/* prints the body (--json) or the problem; the exit code */
int cli_result(struct cli *cli, const struct answer *a);
int cli_exit_of(const struct answer *a);
/* says on standard error that PostgreSQL is away */
void cli_note_degraded(void);
/* appends name=value, encoded */
void cli_encode(struct arena *a, char **params, const char *name, const char *value);
/* What somebody stored is no order to a terminal: control characters become blanks, in JSON escapes. */
void cli_put(FILE *f, const char *s);
void cli_put_text(const char *s);                 /* of several lines, on standard output */
void cli_put_json(const json_t *v, size_t flags); /* on standard output */
void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
struct column {
	const char *title, *key; /* key of the object; NULL ends the table */
	int width;               /* 0: the rest of the line */
	enum { CELL_PLAIN, CELL_BYTES, CELL_SECONDS, CELL_TIME } as;
};
void cli_table(const json_t *items, const struct column *columns, bool titles);

/* --- request.c --- */
/* The text of FILE (-: standard input), in the arena; NULL: was told. */
char *cli_read_request(struct cli *cli, const char *file, size_t *n);

/* --- commands --- */
int cli_task(struct cli *cli, int argc, char **argv);
int cli_account(struct cli *cli, int argc, char **argv); /* user, role, ... */
int cli_whoami(struct cli *cli, int argc, char **argv);
int cli_password(struct cli *cli, int argc, char **argv);
int cli_policy(struct cli *cli, int argc, char **argv);
int cli_key(struct cli *cli, int argc, char **argv);
int cli_task_import(struct cli *cli, int argc, char **argv);
int cli_backup(struct cli *cli, int argc, char **argv);
int cli_restore(struct cli *cli, int argc, char **argv);
int cli_doc(struct cli *cli, int argc, char **argv);
int cli_collection(struct cli *cli, int argc, char **argv);
int cli_blob(struct cli *cli, int argc, char **argv);
int cli_stream(struct cli *cli, int argc, char **argv);
int cli_request(struct cli *cli, int argc, char **argv);
int cli_database(struct cli *cli, int argc, char **argv);
int cli_audit(struct cli *cli, int argc, char **argv);
int cli_fleet(struct cli *cli, int argc, char **argv);
int cli_fleet_calls(struct cli *cli, int argc, char **argv);
int cli_settings(struct cli *cli, int argc, char **argv);
int cli_task_apply(struct cli *cli, int argc, char **argv);
int cli_task_count(struct cli *cli, int argc, char **argv);
int cli_task_history(struct cli *cli, int argc, char **argv);
int cli_top(struct cli *cli, int argc, char **argv); /* top/ */
int cli_restart(struct cli *cli, int argc, char **argv);
int cli_errors(struct cli *cli, int argc, char **argv);
int cli_trace(struct cli *cli, int argc, char **argv);
int cli_crashes(struct cli *cli, int argc, char **argv);
int cli_upgrade(struct cli *cli, int argc, char **argv);
int cli_chaos(struct cli *cli, int argc, char **argv);
int cli_explain(struct cli *cli, int argc, char **argv);
int cli_reliability(struct cli *cli, int argc, char **argv); /* reliability/ */
int cli_logs(struct cli *cli, int argc, char **argv);
int cli_log_level(struct cli *cli, int argc, char **argv);
int cli_keys(struct cli *cli, int argc, char **argv);
int cli_completion(struct cli *cli, int argc, char **argv);

#endif

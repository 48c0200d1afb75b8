/* backup, restore: everything of a fleet into one file, and from it. What comes and goes are pieces;
 * each can be asked for, or brought, again when an answer was lost. */
#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/id.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/archive.h"
#include "cli/cli.h"

#define PATIENCE_US (60 * SEC) /* a node that was killed is back before that */
#define AGAIN_US    200000
#define PRODUCT     "metafed"

struct job {
	struct cli *cli;
	const char *file, *model;
	char id[UUID_LEN];
	struct archive *archive;
	uint8_t key_bytes[ARCHIVE_KEY];
	const uint8_t *key; /* NULL: none */
	json_t *sections;   /* name -> {"bytes", "rows"} */
	int status;
	json_t *result; /* of the last request */
};

static int backup_make(struct job *);
static bool take_store(struct job *, const char *);
static bool take_piece(struct job *, const json_t *);
static bool put_header(struct job *);
static int backup_verify(struct job *);
static bool check_file(struct job *, json_t **);
static bool check_frame(struct job *, const struct frame *, json_t **);
static int restore_make(struct job *, bool);
static bool send_frames(struct job *);
static bool send_piece(struct job *, const char *, const char *, json_int_t, const struct frame *);
static bool ask(struct job *, const char *, json_t *, const char *);
static int cancel(struct job *);
static int broken(struct job *);
static void job_end(struct job *);
static bool take_key(struct job *, const char *);
static int summary(struct job *, const char *);
static void count(struct job *, const char *, const char *, json_int_t);
static void on_signal(int);

static volatile sig_atomic_t stopped;

int
cli_backup(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "key-file", 1, NULL, 'k' },
		{ "verify", 0, NULL, 'v' }, { "cancel", 0, NULL, 'c' }, { 0 } };
	struct job j = { .cli = cli, .model = "backup" };
	const char *key = NULL;
	int mode = 'b', status;

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		if (o == 'k')
			key = optarg;
		else if (o == 'v' || o == 'c')
			mode = o;
		else
			return CLI_USAGE;
	if (argc - optind != 1) {
		cli_error("usage: metafed backup FILE [--key-file KEY] [--verify]; "
			  "metafed backup --cancel ID");
		return CLI_USAGE;
	}
	j.file = argv[optind];
	j.sections = json_object();
	if (mode == 'c')
		status = cancel(&j);
	else if (!take_key(&j, key))
		status = CLI_USAGE;
	else
		status = mode == 'v' ? backup_verify(&j) : backup_make(&j);
	job_end(&j);
	return status;
}

static int
backup_make(struct job *j)
{
	char why[300];
	bool ok;

	if (j->key == NULL)
		fprintf(stderr,
		    "metafed: %s will hold password hashes in the clear; "
		    "--key-file encrypts\n",
		    j->file);
	j->archive = archive_create(j->file, j->key, why, sizeof(why));
	if (j->archive == NULL) {
		cli_error("%s", why);
		return CLI_REFUSED;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	uuid7(j->id);
	if (!ask(j, "create", json_object(), NULL))
		return broken(j);
	ok = put_header(j) && take_store(j, "sql") && take_store(j, "nosql");
	if (!ok)
		return broken(j);
	if (!ask(j, "delete", NULL, NULL))
		return broken(j);
	if (!archive_commit(j->archive)) {
		cli_error("%s: %s", j->file, archive_why(j->archive));
		return CLI_REFUSED;
	}
	return summary(j, "backed up");
}

/* The stores' own words on what they are go along. */
static bool
put_header(struct job *j)
{
	char at[TIME_RFC3339_LEN];
	json_t *h;
	char *text;
	bool ok;

	time_rfc3339(time_wall_us(), at);
	h = json_pack("{s:s, s:s, s:s, s:s, s:O, s:O}", "product", PRODUCT, "version",
	    METAFED_VERSION, "byte_order",
	    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "little" : "big", "at", at, "sql",
	    json_object_get(j->result, "sql"), "nosql", json_object_get(j->result, "nosql"));
	text = h != NULL ? json_dumps(h, JSON_COMPACT) : NULL;
	json_decref(h);
	if (text == NULL) {
		cli_error("the fleet does not say what its stores are");
		j->status = CLI_REFUSED;
		return false;
	}
	ok = archive_put(j->archive, 'H', "", text, strlen(text));
	free(text);
	return ok;
}

static bool
take_store(struct job *j, const char *store)
{
	const char *next = arena_printf(j->cli->arena, "%s:0", store);
	char cursor[64];

	do {
		snprintf(cursor, sizeof(cursor), "%s", next);
		if (!ask(j, "read", NULL, cursor) || !take_piece(j, j->result))
			return false;
		next = json_string_value(json_object_get(j->result, "next"));
	} while (next != NULL);
	return true;
}

static bool
take_piece(struct job *j, const json_t *piece)
{
	const json_t *data = json_object_get(piece, "data"), *rows = json_object_get(piece, "rows");
	const char *section = json_string_value(json_object_get(piece, "section"));
	size_t n = json_string_length(data);
	uint8_t *bytes = malloc(n + 1);
	char text[64];
	bool ok;

	if (bytes == NULL)
		abort();
	ok = section != NULL && strlen(section) < 256 &&
	     str_unb64url((struct str){ json_string_value(data) ?: "", n }, bytes, n + 1, &n) &&
	     n <= ARCHIVE_DATA_MAX;
	if (!ok) {
		cli_error("a piece that the fleet sent is none");
		j->status = CLI_REFUSED;
	}
	ok = ok && (n == 0 || archive_put(j->archive, 'D', section, bytes, n));
	free(bytes);
	if (!ok)
		return false;
	count(j, section, "bytes", (json_int_t)n);
	if (!json_is_integer(rows))
		return true;
	count(j, section, "rows", json_integer_value(rows));
	snprintf(text, sizeof(text), "{\"rows\":%lld}", (long long)json_integer_value(rows));
	return archive_put(j->archive, 'S', section, text, strlen(text));
}

/* --- verify --- */

static int
backup_verify(struct job *j)
{
	json_t *header = NULL;
	bool ok = check_file(j, &header);

	if (!ok)
		return CLI_REFUSED;
	if (!j->cli->json)
		printf("made %s by %s %s, %s, %s\n",
		    json_string_value(json_object_get(header, "at")) ?: "?",
		    json_string_value(json_object_get(header, "product")) ?: "?",
		    json_string_value(json_object_get(header, "version")) ?: "?",
		    json_string_value(json_object_get(json_object_get(header, "sql"), "server"))
			?: "?",
		    json_string_value(json_object_get(json_object_get(header, "nosql"), "server"))
			?: "?");
	json_decref(header);
	return summary(j, "is whole");
}

/* All of it, before anything of it is used. */
static bool
check_file(struct job *j, json_t **header)
{
	char why[300];
	struct frame f;

	j->archive = archive_open(j->file, j->key, why, sizeof(why));
	if (j->archive == NULL) {
		cli_error("%s: %s", j->file, why);
		return false;
	}
	do {
		if (!archive_next(j->archive, &f)) {
			cli_error("%s: %s", j->file, archive_why(j->archive));
			return false;
		}
		if (!check_frame(j, &f, header))
			return false;
	} while (f.type != 'E');
	archive_close(&j->archive);
	return true;
}

static bool
check_frame(struct job *j, const struct frame *f, json_t **header)
{
	json_t *v = f->type == 'D' ? NULL : json_loadb(f->data, f->n, 0, NULL);

	if (f->type == 'D') {
		count(j, f->name, "bytes", (json_int_t)f->n);
	} else if (f->type == 'S') {
		count(j, f->name, "rows", json_integer_value(json_object_get(v, "rows")));
	} else if (f->type == 'H') {
		const char *product = json_string_value(json_object_get(v, "product")),
			   *order = json_string_value(json_object_get(v, "byte_order"));

		if (product == NULL || strcmp(product, PRODUCT) != 0 || order == NULL ||
		    strcmp(order, __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "little" : "big") !=
			0) {
			cli_error("%s: was made by another product, or on another kind of machine",
			    j->file);
			json_decref(v);
			return false;
		}
		*header = json_incref(v);
	}
	json_decref(v);
	return true;
}

/* --- restore --- */

int
cli_restore(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "key-file", 1, NULL, 'k' },
		{ "replace", 0, NULL, 'r' }, { "cancel", 0, NULL, 'c' }, { 0 } };
	struct job j = { .cli = cli, .model = "restore" };
	bool replace = false, cancels = false;
	const char *key = NULL;
	int status;

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		if (o == 'k')
			key = optarg;
		else if (o == 'r')
			replace = true;
		else if (o == 'c')
			cancels = true;
		else
			return CLI_USAGE;
	if (argc - optind != 1) {
		cli_error("usage: metafed restore FILE [--key-file KEY] [--replace]; "
			  "metafed restore --cancel ID");
		return CLI_USAGE;
	}
	j.file = argv[optind];
	j.sections = json_object();
	if (cancels)
		status = cancel(&j);
	else
		status = take_key(&j, key) ? restore_make(&j, replace) : CLI_USAGE;
	job_end(&j);
	return status;
}

static int
restore_make(struct job *j, bool replace)
{
	json_t *header = NULL;
	json_int_t keys;
	char why[300];

	if (!check_file(j, &header))
		return CLI_REFUSED;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	uuid7(j->id);
	keys = json_integer_value(json_object_get(json_object_get(j->sections, "nosql"), "rows"));
	if (!ask(j, "create",
		json_pack("{s:O, s:b}", "migrations",
		    json_object_get(json_object_get(header, "sql"), "migrations"), "replace",
		    replace),
		NULL)) {
		json_decref(header);
		return j->status;
	}
	json_decref(header);
	j->archive = archive_open(j->file, j->key, why, sizeof(why));
	if (j->archive == NULL) {
		cli_error("%s: %s", j->file, why);
		return broken(j);
	}
	if (!send_frames(j) || !ask(j, "update", json_pack("{s:I}", "keys", keys), NULL))
		return broken(j);
	return summary(j, "restored");
}

static bool
send_frames(struct job *j)
{
	json_int_t sql = 0, nosql = 0;
	struct frame f;
	bool of_sql;

	for (;;) {
		if (!archive_next(j->archive, &f)) {
			cli_error("%s: %s", j->file, archive_why(j->archive));
			j->status = CLI_REFUSED;
			return false;
		}
		if (f.type == 'E')
			return true;
		of_sql = strncmp(f.name, "sql/", 4) == 0;
		if (f.type == 'H' || (f.type == 'S' && !of_sql))
			continue;
		if (!send_piece(j, of_sql ? "sql" : "nosql", f.name, of_sql ? sql++ : nosql++, &f))
			return false;
	}
}

static bool
send_piece(
    struct job *j, const char *store, const char *section, json_int_t piece, const struct frame *f)
{
	json_t *data =
	    json_pack("{s:s, s:s, s:I}", "store", store, "section", section, "piece", piece);
	json_t *end = f->type == 'S' ? json_loadb(f->data, f->n, 0, NULL) : NULL;
	char *b64 = malloc(str_b64url_len(f->n) + 1);

	if (b64 == NULL || data == NULL)
		abort();
	b64[0] = '\0';
	if (f->type == 'D')
		str_b64url(f->data, f->n, b64);
	json_object_set_new(data, "data", json_string(b64));
	free(b64);
	if (end != NULL)
		json_object_set(data, "rows", json_object_get(end, "rows"));
	json_decref(end);
	return ask(j, "append", data, NULL);
}

/* --- common --- */

/* Again and again while the fleet is not available: each step can be repeated. */
static bool
ask(struct job *j, const char *operation, json_t *data, const char *cursor)
{
	json_t *q = json_pack("{s:s, s:s, s:s, s:o*, s:s*}", "operation", operation, "model",
	    j->model, "id", j->id, "data", data, "cursor", cursor);
	int64_t until = time_now_us() + PATIENCE_US;
	struct refusal refused = { "", "" };
	const json_t *r;

	if (q == NULL)
		abort();
	do {
		r = cli_store_try(j->cli, json_incref(q), &j->status, &refused);
		if (r == NULL && j->status == CLI_UNAVAILABLE && !stopped)
			usleep(AGAIN_US);
	} while (r == NULL && j->status == CLI_UNAVAILABLE && !stopped && time_now_us() < until);
	json_decref(q);
	if (stopped && strcmp(operation, "delete") != 0 && strcmp(operation, "update") != 0) {
		cli_error("interrupted");
		j->status = CLI_REFUSED;
		return false;
	}
	if (r == NULL) {
		cli_error("%s%s", refused.why,
		    strcmp(j->model, "restore") == 0 && strcmp(refused.reason, "NOT_EMPTY") == 0
			? ": say --replace"
			: "");
		return false;
	}
	json_decref(j->result);
	j->result = json_incref((json_t *)(uintptr_t)r);
	return true;
}

static int
cancel(struct job *j)
{
	if (!uuid_ok(j->file)) {
		cli_error("%s: is no id", j->file);
		return CLI_USAGE;
	}
	snprintf(j->id, sizeof(j->id), "%s", j->file);
	return ask(j, "delete", NULL, NULL) ? CLI_OK : j->status;
}

/* What was begun is ended; the first failure is what counts. */
static int
broken(struct job *j)
{
	int status = j->status != CLI_OK ? j->status : CLI_REFUSED;
	struct refusal refused;
	int unused;

	if (j->archive != NULL && archive_why(j->archive)[0] != '\0' && j->status == CLI_OK)
		cli_error("%s: %s", j->file, archive_why(j->archive));
	if (status != CLI_UNAVAILABLE)
		(void)cli_store_try(j->cli,
		    json_pack(
			"{s:s, s:s, s:s}", "operation", "delete", "model", j->model, "id", j->id),
		    &unused, &refused);
	else if (strcmp(j->model, "restore") == 0)
		cli_error("how it ended is not known: restore again when the fleet is back");
	return status;
}

static void
job_end(struct job *j)
{
	sodium_memzero(j->key_bytes, sizeof(j->key_bytes));
	archive_close(&j->archive);
	json_decref(j->sections);
	json_decref(j->result);
}

static bool
take_key(struct job *j, const char *path)
{
	char why[300];

	if (path == NULL)
		return true;
	if (!archive_key(path, j->key_bytes, why, sizeof(why))) {
		cli_error("%s", why);
		return false;
	}
	j->key = j->key_bytes;
	return true;
}

static void
count(struct job *j, const char *section, const char *what, json_int_t n)
{
	json_t *s = json_object_get(j->sections, section);

	if (s == NULL) {
		s = json_object();
		json_object_set_new(j->sections, section, s);
	}
	json_object_set_new(
	    s, what, json_integer(json_integer_value(json_object_get(s, what)) + n));
}

static int
summary(struct job *j, const char *did)
{
	const char *name;
	json_t *s;

	if (j->cli->json) {
		json_t *v = json_pack("{s:s, s:O}", "file", j->file, "sections", j->sections);

		cli_put_json(v, JSON_COMPACT);
		putchar('\n');
		json_decref(v);
		return CLI_OK;
	}
	json_object_foreach(j->sections, name, s) printf("%-28s %10lld rows %12lld bytes\n", name,
	    (long long)json_integer_value(json_object_get(s, "rows")),
	    (long long)json_integer_value(json_object_get(s, "bytes")));
	printf("%s: %s\n", j->file, did);
	return CLI_OK;
}

static void
on_signal(int n)
{
	(void)n;
	stopped = 1;
}

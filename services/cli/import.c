/* import: a CSV file becomes tasks. Repeating it makes nothing twice: a row's task id is made from
 * its key (or, without a key column, from the row itself), so that the fleet finds it there
 * already. A bad row is reported with its line; the rest goes in. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/csv.h"

#define BATCH       100          /* rows per request */
#define BATCH_BYTES (512u << 10) /* below the fleet's limit of a body */
#define REPORT_MOST 20           /* bad rows that are shown one by one */

enum role { PAYLOAD, KEY, TITLE, DESCRIPTION, PRIORITY, TYPE, LABEL, IGNORED };

struct import {
	struct cli *cli;
	const char *file;
	enum role roles[CSV_FIELDS_MOST];
	struct str names[CSV_FIELDS_MOST];
	size_t n_columns;
	bool keyed, dry;
	json_t *batch; /* tasks that wait to be sent */
	size_t lines[BATCH], n_batch, bytes;
	size_t created, there, bad, seen, total_bytes;
	int failure; /* exit code of a request that failed as a whole */
};

static bool map_columns(struct import *, const struct csv_record *, const char *);
static bool map_named(struct import *, const char *);
static enum role role_of(struct str);
static void add_row(struct import *, const struct csv_record *);
static json_t *text_value(struct str);
static void row_id(const struct import *, const struct csv_record *, char[37]);
static bool flush(struct import *);
static void settle(struct import *, const json_t *);
static const char *field_of(const char *);
static void report(struct import *, size_t, const char *, const char *);
static void progress(const struct import *, size_t, bool);
static int finish(struct import *);

/* import FILE.csv [--map FIELD=COLUMN,...] [--dry-run] */
int
cli_task_import(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "map", 1, NULL, 'm' }, { "dry-run", 0, NULL, 'd' },
		{ 0 } };
	static struct csv_record r;
	struct import im = { .cli = cli, .batch = json_array() };
	struct arena *row_arena = arena_new(64u << 20);
	const char *map = NULL, *text;
	struct stat st;
	struct csv c;
	int fd;

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		if (o == 'm')
			map = optarg;
		else if (o == 'd')
			im.dry = true;
		else
			return CLI_USAGE;
	if (optind != argc - 1) {
		cli_error(
		    "usage: metafed task import FILE.csv [--map FIELD=COLUMN,...] [--dry-run]");
		return CLI_USAGE;
	}
	im.file = argv[optind];
	if ((fd = open(im.file, O_RDONLY | O_CLOEXEC)) < 0 || fstat(fd, &st) != 0 ||
	    !S_ISREG(st.st_mode)) {
		cli_error("%s: %s", im.file, fd < 0 ? strerror(errno) : "is not a regular file");
		return CLI_USAGE;
	}
	text = st.st_size == 0 ? "" : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (text == MAP_FAILED) {
		cli_error("%s: %s", im.file, strerror(errno));
		return CLI_USAGE;
	}
	im.total_bytes = (size_t)st.st_size;
	csv_start(&c, text, im.total_bytes);
	if (!csv_next(&c, cli->arena, &r) || !map_columns(&im, &r, map))
		return CLI_REFUSED;
	while (im.failure == 0 && csv_next(&c, row_arena, &r)) {
		im.seen++;
		add_row(&im, &r);
		arena_reset(row_arena);
		progress(&im, (size_t)(c.p - text), false);
	}
	flush(&im);
	progress(&im, im.total_bytes, true);
	arena_free(&row_arena);
	json_decref(im.batch);
	return finish(&im);
}

/* The first record names the columns; --map says what the rest can't be guessed from. */
static bool
map_columns(struct import *im, const struct csv_record *head, const char *map)
{
	bool titled = false;

	if (head->wrong != NULL) {
		cli_error("%s:%zu: the header %s", im->file, head->line, head->wrong);
		return false;
	}
	im->n_columns = head->n;
	for (size_t i = 0; i < head->n; i++) {
		im->names[i] = (struct str){ arena_strndup(im->cli->arena, head->fields[i].p,
						 head->fields[i].n),
			head->fields[i].n };
		im->roles[i] = role_of(im->names[i]);
	}
	if (map != NULL && !map_named(im, map))
		return false;
	for (size_t i = 0; i < head->n; i++) {
		titled = titled || im->roles[i] == TITLE;
		im->keyed = im->keyed || im->roles[i] == KEY;
	}
	if (!titled)
		cli_error("%s: no column is the title; say which: --map title=COLUMN", im->file);
	return titled;
}

static bool
map_named(struct import *im, const char *map)
{
	static const char *const fields[] = { [PAYLOAD] = "payload",
		[KEY] = "key",
		[TITLE] = "title",
		[DESCRIPTION] = "description",
		[PRIORITY] = "priority",
		[TYPE] = "type",
		[LABEL] = "label",
		[IGNORED] = "ignore" };
	struct str rest = str_of(map), one, field, column;

	while (rest.n > 0) {
		size_t at = 0, role = 0;

		str_cut(rest, ',', &one, &rest);
		if (!str_cut(one, '=', &field, &column)) {
			cli_error("--map %.*s: is not FIELD=COLUMN", (int)one.n, one.p);
			return false;
		}
		while (role <= IGNORED && !str_eq(field, fields[role]))
			role++;
		while (at < im->n_columns && (im->names[at].n != column.n ||
						 memcmp(im->names[at].p, column.p, column.n) != 0))
			at++;
		if (role > IGNORED || at == im->n_columns) {
			cli_error("--map %.*s: %s", (int)one.n, one.p,
			    role > IGNORED ? "field must be key, title, description, priority, "
					     "type, label, payload or ignore"
					   : "no such column");
			return false;
		}
		for (size_t i = 0; i < im->n_columns; i++) /* what was guessed makes room */
			if (im->roles[i] == (enum role)role && role != LABEL && role != PAYLOAD &&
			    role != IGNORED)
				im->roles[i] = PAYLOAD;
		im->roles[at] = (enum role)role;
	}
	return true;
}

static enum role
role_of(struct str name)
{
	static const struct {
		const char *name;
		enum role role;
	} known[] = {
		{ "key", KEY },
		{ "issuekey", KEY },
		{ "issue key", KEY },
		{ "id", KEY },
		{ "title", TITLE },
		{ "summary", TITLE },
		{ "name", TITLE },
		{ "description", DESCRIPTION },
		{ "body", DESCRIPTION },
		{ "priority", PRIORITY },
		{ "type", TYPE },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (name.n == strlen(known[i].name) &&
		    strncasecmp(name.p, known[i].name, name.n) == 0)
			return known[i].role;
	return PAYLOAD;
}

static void
add_row(struct import *im, const struct csv_record *r)
{
	static const char *const names[] = {
		[TITLE] = "title", [DESCRIPTION] = "description", [TYPE] = "type"
	};
	json_t *task, *labels, *payload;
	size_t bytes = 256;
	char id[37];

	if (r->wrong != NULL || r->n != im->n_columns) {
		report(im, r->line,
		    r->wrong != NULL ? r->wrong : "has another number of fields than the header",
		    NULL);
		return;
	}
	for (size_t i = 0; i < r->n; i++) {
		if (!str_utf8_ok(r->fields[i].p, r->fields[i].n)) {
			report(im, r->line, "is not UTF-8", im->names[i].p);
			return;
		}
		bytes += r->fields[i].n * 2 + im->names[i].n;
	}
	if (im->n_batch == BATCH || (im->n_batch > 0 && im->bytes + bytes > BATCH_BYTES))
		if (!flush(im))
			return;
	task = json_object();
	labels = json_object();
	payload = json_object();
	row_id(im, r, id);
	json_object_set_new(task, "id", json_string(id));
	for (size_t i = 0; i < r->n; i++) {
		struct str v = r->fields[i];
		uint64_t number;

		if (im->roles[i] == IGNORED || (v.n == 0 && im->roles[i] != TITLE))
			continue;
		if (im->roles[i] == PAYLOAD || im->roles[i] == KEY)
			json_object_set_new(payload, im->names[i].p, text_value(v));
		else if (im->roles[i] == LABEL)
			json_object_set_new(labels, im->names[i].p, text_value(v));
		else if (im->roles[i] == PRIORITY)
			json_object_set_new(task, "priority",
			    str_u64(v, 4, &number) ? json_integer((json_int_t)number)
						   : text_value(v));
		else
			json_object_set_new(task, names[im->roles[i]], text_value(v));
	}
	json_object_set_new(task, "labels", labels);
	json_object_set_new(task, "payload", payload);
	json_array_append_new(im->batch, task);
	im->lines[im->n_batch++] = r->line;
	im->bytes += bytes;
}

static json_t *
text_value(struct str v)
{
	return json_stringn(v.p, v.n);
}

/* A UUID of version 8 (RFC 9562, 5.8): BLAKE2b of the key, or of all fields with their lengths. */
static void
row_id(const struct import *im, const struct csv_record *r, char id[37])
{
	static const unsigned char purpose[] = "metafed task import";
	crypto_generichash_state h;
	uint8_t d[16];
	char hex[33];

	crypto_generichash_init(&h, purpose, sizeof(purpose), sizeof(d));
	for (size_t i = 0; i < r->n; i++)
		if (!im->keyed || im->roles[i] == KEY) {
			crypto_generichash_update(
			    &h, (const uint8_t *)&r->fields[i].n, sizeof(r->fields[i].n));
			crypto_generichash_update(
			    &h, (const uint8_t *)r->fields[i].p, r->fields[i].n);
		}
	crypto_generichash_final(&h, d, sizeof(d));
	d[6] = (uint8_t)(0x80 | (d[6] & 0x0f));
	d[8] = (uint8_t)(0x80 | (d[8] & 0x3f));
	str_hex(d, 16, hex);
	snprintf(id, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* Sends what waits. False: the request as a whole failed, the import ends. */
static bool
flush(struct import *im)
{
	const struct answer *a;
	json_t *body;
	char *text;

	if (im->n_batch == 0 || im->failure != 0)
		return im->failure == 0;
	body = json_pack("{s:O}", "tasks", im->batch);
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	if (im->dry) {
		im->created += im->n_batch;
	} else {
		a = cli_send(im->cli, &(const struct query){ .method = "POST",
					  .path = "/v1/tasks:bulk",
					  .body = text,
					  .n = strlen(text) });
		if (a->status == 200)
			settle(im, json_object_get(a->json, "items"));
		else
			im->failure = cli_result(im->cli, a);
	}
	free(text);
	json_array_clear(im->batch);
	im->n_batch = im->bytes = 0;
	return im->failure == 0;
}

static void
settle(struct import *im, const json_t *items)
{
	for (size_t i = 0; i < im->n_batch; i++) {
		const json_t *item = json_array_get(items, i),
			     *error = json_object_get(item, "error"), *first;
		json_int_t status = json_integer_value(json_object_get(item, "status"));

		if (status == 201) {
			im->created++;
		} else if (status == 200 || status == 409) {
			im->there++;
		} else {
			first = json_array_get(json_object_get(error, "errors"), 0);
			report(im, im->lines[i], json_string_value(json_object_get(first, "detail")) ?:
			    json_string_value(json_object_get(error, "detail")) ?: "was refused",
			    field_of(json_string_value(json_object_get(first, "pointer"))));
		}
	}
}

/* "#/tasks/17/priority", the place in the batch, is the row's "priority". */
static const char *
field_of(const char *pointer)
{
	int n = 0;

	return pointer != NULL && sscanf(pointer, "#/tasks/%*u/%n", &n) == 0 && n > 0 &&
	               pointer[n] != '\0'
	           ? pointer + n
	           : NULL;
}

static void
report(struct import *im, size_t line, const char *what, const char *field)
{
	im->bad++;
	if (im->bad <= REPORT_MOST)
		fprintf(stderr, "%s%s:%zu: %s%s%s\n", isatty(2) ? "\r\033[K" : "", im->file, line,
		    field != NULL ? field : "", field != NULL ? ": " : "", what);
	else if (im->bad == REPORT_MOST + 1)
		fprintf(stderr, "%s: further bad rows are only counted\n", im->file);
}

static void
progress(const struct import *im, size_t at, bool last)
{
	static const char full[] = "########################################";
	static size_t shown;
	size_t part = im->total_bytes == 0 ? 100 : at * 100 / im->total_bytes;

	if (!isatty(2) || im->cli->json || (part == shown && !last))
		return;
	shown = part;
	fprintf(stderr, "\r\033[K[%-40.*s] %3zu%%  %zu rows%s", (int)(part * 40 / 100), full, part,
	    im->seen, last ? "\n" : "");
}

static int
finish(struct import *im)
{
	if (im->cli->json)
		printf(
		    "{\"rows\":%zu,\"created\":%zu,\"present\":%zu,\"bad\":%zu,\"complete\":%s}\n",
		    im->seen, im->created, im->there, im->bad, im->failure == 0 ? "true" : "false");
	else
		printf("%zu rows: %zu %s, %zu there already, %zu bad%s\n", im->seen, im->created,
		    im->dry ? "would be created" : "created", im->there, im->bad,
		    im->failure == 0 ? "" : "; stopped, run it again to go on");
	if (im->failure != 0)
		return im->failure;
	return im->bad > 0 ? CLI_PARTIAL : CLI_OK;
}

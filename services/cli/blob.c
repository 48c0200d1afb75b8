/* blob: large values by the SHA-256 of their bytes. A file goes up as a resumable upload (tus) and comes
 * down as ranges, a piece per request: what breaks in between is asked for again, from where it was. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli.h"

#define PIECE       (256u << 10)
#define PATIENCE_S  60 /* without any progress */
#define PAUSE_MS    300
#define UPLOADS     "/v1/blobs/uploads"
#define NAME_DIGITS 64

static int put(struct cli *, int, char **);
static int get(struct cli *, int, char **);
static int list(struct cli *, int, char **);
static int delete (struct cli *, int, char **);
static void on_break(struct cli *, const char *, const char *);
static void broken_off(int);
static FILE *source_open(const char *, uint64_t *);
static int begin(struct cli *, uint64_t, const char *, char **);
static int send_pieces(struct cli *, FILE *, uint64_t, const char *, char **);
static const struct answer *send_piece(struct cli *, const char *, uint64_t, const char *, size_t);
static const struct answer *look(struct cli *, const char *, uint64_t *, char **);
static bool passes(const struct answer *, time_t *);
static FILE *target_open(struct cli *, const char *, char **, uint64_t *);
static int fetch(struct cli *, const char *, FILE *, uint64_t, crypto_hash_sha256_state *);
static int compare(const char *, crypto_hash_sha256_state *);
static bool is_id(const char *);
static void progress(uint64_t, uint64_t, bool);

static char *how_on; /* of the upload under way: a signal says it */

static const struct {
	const char *name;
	int (*run)(struct cli *, int, char **);
} verbs[] = { { "put", put }, { "get", get }, { "list", list }, { "rm", delete },
	{ "delete", delete } };

/* blob put FILE|- [--type TYPE] [--resume UPLOAD] | get ID [-o FILE] | list | rm ID */
int
cli_blob(struct cli *cli, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(cli, argc - 1, argv + 1);
	cli_error("usage: metafed blob put FILE | get ID [-o FILE] | list | rm ID");
	return CLI_USAGE;
}

/* --- up --- */

static int
put(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "type", required_argument, NULL, 't' },
		{ "resume", required_argument, NULL, 'r' }, { 0 } };
	const char *type = NULL;
	char *upload = NULL, *blob = NULL;
	uint64_t length;
	int status = CLI_OK;
	FILE *f;

	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
		if (o == 't')
			type = optarg;
		else if (o == 'r')
			upload = optarg;
		else
			return CLI_USAGE;
	if (argc - optind != 1) {
		cli_error("usage: metafed blob put FILE|- [--type TYPE] [--resume UPLOAD]");
		return CLI_USAGE;
	}
	if ((f = source_open(argv[optind], &length)) == NULL)
		return CLI_REFUSED;
	if (upload == NULL)
		status = begin(cli, length, type, &upload);
	if (status == CLI_OK) {
		on_break(cli, argv[optind], upload);
		status = send_pieces(cli, f, length, upload, &blob);
	}
	fclose(f);
	if (status == CLI_OK && cli->json)
		printf("{\"id\":\"%s\",\"size\":%" PRIu64 "}\n", blob, length);
	else if (status == CLI_OK)
		printf("%s\n", blob);
	else if (upload != NULL && status == CLI_UNAVAILABLE)
		fputs(how_on, stderr);
	return status;
}

/* Whoever breaks an upload off is told how it goes on, too. */
static void
on_break(struct cli *cli, const char *file, const char *upload)
{
	if (strcmp(file, "-") == 0)
		how_on = arena_printf(cli->arena,
		    "metafed: with the same bytes the upload can go on: --resume %s\n", upload);
	else
		how_on = arena_printf(cli->arena,
		    "metafed: the upload can go on: metafed blob put %s --resume %s\n", file,
		    upload);
	signal(SIGINT, broken_off);
	signal(SIGTERM, broken_off);
}

static void
broken_off(int number)
{
	ssize_t unused = write(STDERR_FILENO, how_on, strlen(how_on));

	(void)unused;
	signal(number, SIG_DFL);
	raise(number);
}

/* What has no length is kept in a file without a name first: an upload says its length. */
static FILE *
source_open(const char *path, uint64_t *length)
{
	FILE *f = strcmp(path, "-") == 0 ? tmpfile() : fopen(path, "rb");
	char piece[16384];
	struct stat st;
	size_t n;

	if (f != NULL && strcmp(path, "-") == 0) {
		while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0)
			if (fwrite(piece, 1, n, f) != n)
				break;
		if (ferror(stdin) || ferror(f) || fflush(f) != 0) {
			fclose(f);
			f = NULL;
		}
	}
	if (f == NULL || fstat(fileno(f), &st) < 0) {
		cli_error("%s: %s", path, strerror(errno));
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		cli_error("%s: is no file; - reads what comes in", path);
		fclose(f);
		return NULL;
	}
	*length = (uint64_t)st.st_size;
	return f;
}

static int
begin(struct cli *cli, uint64_t length, const char *type, char **upload)
{
	char *b64 = NULL;
	const struct answer *a;

	if (type != NULL) {
		size_t n = sodium_base64_ENCODED_LEN(strlen(type), sodium_base64_VARIANT_ORIGINAL);

		b64 = arena_alloc(cli->arena, n);
		sodium_bin2base64(
		    b64, n, (const uint8_t *)type, strlen(type), sodium_base64_VARIANT_ORIGINAL);
	}
	a = cli_send(cli,
	    &(const struct query){ .method = "POST",
		.path = UPLOADS,
		.headers = (const char *const[]){ "Tus-Resumable", "1.0.0", "Upload-Length",
		    arena_printf(cli->arena, "%" PRIu64, length),
		    b64 != NULL ? "Upload-Metadata" : NULL,
		    b64 != NULL ? arena_printf(cli->arena, "filetype %s", b64) : NULL, NULL } });
	if (a->status != 201)
		return cli_result(cli, a);
	if (!str_starts(a->location, UPLOADS "/")) {
		cli_error("the fleet does not say where the upload is");
		return CLI_REFUSED;
	}
	*upload = arena_strdup(cli->arena, a->location + strlen(UPLOADS "/"));
	return CLI_OK;
}

static int
send_pieces(struct cli *cli, FILE *f, uint64_t length, const char *upload, char **blob)
{
	const char *path = arena_printf(cli->arena, UPLOADS "/%s", upload);
	char *piece = arena_alloc(cli->arena, PIECE);
	bool known = false; /* how far it is */
	time_t patience = 0;
	uint64_t at = 0;

	while (*blob == NULL) {
		const struct answer *a;
		size_t n;

		if (!known || at == length) {
			a = look(cli, path, &at, blob);
			if (!(known = a->status == 200) && !passes(a, &patience))
				return cli_result(cli, a);
			continue;
		}
		progress(at, length, false);
		if (fseeko(f, (off_t)at, SEEK_SET) != 0 || (n = fread(piece, 1, PIECE, f)) == 0) {
			cli_error("the file ends before the upload does: it has changed");
			return CLI_REFUSED;
		}
		a = send_piece(cli, path, at, piece, n);
		if (a->status == 204) {
			patience = 0;
			at += n;
		} else {
			known = false;
			if (a->status != 409 && !passes(a, &patience))
				return cli_result(cli, a);
		}
	}
	progress(length, length, true);
	return CLI_OK;
}

static const struct answer *
send_piece(struct cli *cli, const char *path, uint64_t at, const char *piece, size_t n)
{
	char offset[24];

	snprintf(offset, sizeof(offset), "%" PRIu64, at);
	return cli_send(cli, &(const struct query){ .method = "PATCH",
				 .path = path,
				 .content_type = "application/offset+octet-stream",
				 .headers = (const char *const[]){ "Tus-Resumable", "1.0.0",
				     "Upload-Offset", offset, NULL },
				 .body = piece,
				 .n = n });
}

/* How far the upload is; *blob: what it has become. */
static const struct answer *
look(struct cli *cli, const char *path, uint64_t *at, char **blob)
{
	const struct answer *a =
	    cli_send(cli, &(const struct query){ .method = "GET", .path = path });
	const char *id = json_string_value(json_object_get(a->json, "blob"));

	if (a->status == 200)
		*at = (uint64_t)json_integer_value(json_object_get(a->json, "offset"));
	if (a->status == 200 && id != NULL)
		*blob = arena_strdup(cli->arena, id);
	return a;
}

/* Nobody there, or not now: worth another try, for a while. */
static bool
passes(const struct answer *a, time_t *patience)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	time_t now = time(NULL);

	if (cli_exit_of(a) != CLI_UNAVAILABLE)
		return false;
	if (*patience == 0)
		*patience = now + PATIENCE_S;
	nanosleep(&pause, NULL);
	return now < *patience;
}

/* --- down --- */

static int
get(struct cli *cli, int argc, char **argv)
{
	const char *out = NULL;
	crypto_hash_sha256_state sum;
	char *part = NULL, piece[16384];
	uint64_t at = 0;
	int status;
	size_t n;
	FILE *f;

	for (int o; (o = getopt(argc, argv, "o:")) != -1;)
		if (o == 'o')
			out = optarg;
		else
			return CLI_USAGE;
	if (argc - optind != 1 || !is_id(argv[optind])) {
		cli_error("usage: metafed blob get sha256:HEX [-o FILE]");
		return CLI_USAGE;
	}
	if ((f = target_open(cli, out, &part, &at)) == NULL)
		return CLI_REFUSED;
	crypto_hash_sha256_init(&sum);
	for (uint64_t left = at; left > 0; left -= n) {
		n = fread(piece, 1, left < sizeof(piece) ? (size_t)left : sizeof(piece), f);
		if (n == 0)
			break;
		crypto_hash_sha256_update(&sum, (const uint8_t *)piece, n);
	}
	if (at != 0)
		fseeko(f, (off_t)at, SEEK_SET);
	status = fetch(cli, argv[optind], f, at, &sum);
	if (status == CLI_OK && (status = compare(argv[optind], &sum)) != CLI_OK && part != NULL)
		unlink(part);
	if (fflush(f) != 0 || (part != NULL && (fsync(fileno(f)) != 0 || fclose(f) != 0)) ||
	    (part != NULL && status == CLI_OK && rename(part, out) != 0)) {
		cli_error("%s: %s", out != NULL ? out : "output", strerror(errno));
		return CLI_REFUSED;
	}
	return status;
}

/* The beginning that an earlier get left in FILE.part is kept: its bytes count for the digest too. */
static FILE *
target_open(struct cli *cli, const char *out, char **part, uint64_t *at)
{
	struct stat st;
	FILE *f;
	int fd;

	if (out == NULL)
		return stdout;
	*part = arena_printf(cli->arena, "%s.part", out);
	fd = open(*part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	f = fd >= 0 ? fdopen(fd, "r+b") : NULL;
	if (f == NULL || fstat(fd, &st) < 0) {
		cli_error("%s: %s", *part, strerror(errno));
		return NULL;
	}
	*at = (uint64_t)st.st_size;
	return f;
}

static int
fetch(struct cli *cli, const char *id, FILE *f, uint64_t at, crypto_hash_sha256_state *sum)
{
	const char *path = arena_printf(cli->arena, "/v1/blobs/%s", id);
	time_t patience = 0;
	char range[64];

	for (;;) {
		const struct answer *a;

		snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, at, at + PIECE - 1);
		a = cli_send(cli, &(const struct query){ .method = "GET",
				      .path = path,
				      .headers = (const char *const[]){ "Range", range, NULL } });
		if (a->status == 416) {
			progress(at, at, true);
			return CLI_OK;
		}
		if (a->status != 206) {
			if (passes(a, &patience))
				continue;
			return cli_result(cli, a);
		}
		if (fwrite(a->body, 1, a->n, f) != a->n) {
			cli_error("output: %s", strerror(errno));
			return CLI_REFUSED;
		}
		crypto_hash_sha256_update(sum, (const uint8_t *)a->body, a->n);
		patience = 0;
		at += a->n;
		progress(at, 0, false);
	}
}

static int
compare(const char *id, crypto_hash_sha256_state *sum)
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	char hex[2 * sizeof(digest) + 1];

	crypto_hash_sha256_final(sum, digest);
	str_hex(digest, sizeof(digest), hex);
	if (strcmp(hex, id + strlen("sha256:")) == 0)
		return CLI_OK;
	cli_error("the bytes that came have another digest: sha256:%s", hex);
	return CLI_REFUSED;
}

/* --- the others --- */

static int
list(struct cli *cli, int argc, char **argv)
{
	static const struct column columns[] = { { "ID", "id", 72, CELL_PLAIN },
		{ "SIZE", "size", 10, CELL_BYTES }, { "CREATED", "created_at", 28, CELL_PLAIN },
		{ "TYPE", "media_type", 0, CELL_PLAIN }, { .title = NULL } };
	char *cursor = NULL, *params;
	bool titles = true;

	(void)argv;
	if (argc != 1) {
		cli_error("usage: metafed blob list");
		return CLI_USAGE;
	}
	do {
		const struct answer *a;
		const char *next;

		params = arena_strdup(cli->arena, "limit=200");
		if (cursor != NULL)
			cli_encode(cli->arena, &params, "cursor", cursor);
		a = cli_send(cli, &(const struct query){
				      .method = "GET", .path = "/v1/blobs", .params = params });
		if (a->status != 200 || cli->json) {
			int status = cli_result(cli, a);

			if (status != CLI_OK)
				return status;
		} else {
			cli_table(json_object_get(a->json, "items"), columns, titles);
		}
		titles = false;
		next = json_string_value(json_object_get(a->json, "next_cursor"));
		cursor = next != NULL ? arena_strdup(cli->arena, next) : NULL;
	} while (cursor != NULL);
	return CLI_OK;
}

static int delete (struct cli *cli, int argc, char **argv)
{
	int status;

	if (argc != 2 || !is_id(argv[1])) {
		cli_error("usage: metafed blob rm sha256:HEX");
		return CLI_USAGE;
	}
	status = cli_result(
	    cli, cli_send(cli, &(const struct query){ .method = "DELETE",
				   .path = arena_printf(cli->arena, "/v1/blobs/%s", argv[1]) }));
	if (status == CLI_OK && !cli->json)
		printf("Deleted %s.\n", argv[1]);
	return status;
}

static bool
is_id(const char *id)
{
	return str_starts(id, "sha256:") && strlen(id) == strlen("sha256:") + NAME_DIGITS &&
	       strspn(id + strlen("sha256:"), "0123456789abcdef") == NAME_DIGITS;
}

/* On a terminal, now and then. of 0: nobody knows. */
static void
progress(uint64_t at, uint64_t of, bool end)
{
	static time_t said;
	time_t now = time(NULL);

	if (!isatty(STDERR_FILENO) || (now == said && !end) || (said == 0 && end))
		return;
	said = now;
	if (of != 0)
		fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " MiB  ", at >> 20, of >> 20);
	else
		fprintf(stderr, "\r%" PRIu64 " MiB  ", at >> 20);
	if (end)
		fputc('\n', stderr);
}

/* logs: the log files of a local fleet, merged by time; -f follows. Lines are JSON, one fact each;
 * what is no JSON (the stores) is shown as it is, behind the name of its file. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

#define FILES_MOST    64
#define LINES_DEFAULT 50
#define POLL_MS       200

struct source {
	char *name, *path;
	FILE *f;
	ino_t inode;
};

struct line {
	const char *time; /* RFC 3339 sorts as text; "" when there is none */
	size_t order;
	const struct source *from;
	char *text;
};

static size_t open_sources(struct cli *, const char *, struct source *);
static size_t open_source(const char *, const char *, struct source *);
static size_t read_lines(struct cli *, struct source *, struct line **, size_t);
static void show(struct cli *, struct line *, size_t, size_t);
static void show_one(struct cli *, const struct line *);
static int by_time(const void *, const void *);
static void reopen_if_rotated(struct source *);

/* logs [-f] [-n LINES] [NODE] */
int
cli_logs(struct cli *cli, int argc, char **argv)
{
	static struct source sources[FILES_MOST];
	struct line *lines = NULL;
	size_t n_sources, n = 0, most = LINES_DEFAULT;
	bool follow = false;

	for (int o; (o = getopt(argc, argv, "fn:")) != -1;)
		if (o == 'f')
			follow = true;
		else if (o == 'n')
			most = strtoul(optarg, NULL, 10);
		else
			return CLI_USAGE;
	if (argc - optind > 1) {
		cli_error("usage: metafed logs [-f] [-n LINES] [NODE]");
		return CLI_USAGE;
	}
	if (cli->url != NULL) {
		cli_error("logs are files of a local fleet: say --var DIR, not --url");
		return CLI_USAGE;
	}
	n_sources = open_sources(cli, argv[optind], sources);
	if (n_sources == 0) {
		cli_error("%s/log: no log%s%s", cli->var, argv[optind] != NULL ? " of " : "s there",
		    argv[optind] != NULL ? argv[optind] : "");
		return CLI_NOT_FOUND;
	}
	for (size_t i = 0; i < n_sources; i++)
		n = read_lines(cli, &sources[i], &lines, n);
	show(cli, lines, n, most);
	free(lines);
	while (follow) {
		lines = NULL;
		n = 0;
		arena_reset(cli->arena);
		for (size_t i = 0; i < n_sources; i++) {
			n = read_lines(cli, &sources[i], &lines, n);
			reopen_if_rotated(&sources[i]);
		}
		show(cli, lines, n, n);
		free(lines);
		if (ferror(stdout))
			break;
		nanosleep(&(const struct timespec){ 0, POLL_MS * 1000000L }, NULL);
	}
	return CLI_OK;
}

static size_t
open_sources(struct cli *cli, const char *node, struct source *sources)
{
	char *dir = arena_printf(cli->arena, "%s/log", cli->var);
	DIR *d = opendir(dir);
	size_t n = 0;
	struct dirent *e;

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL && n < FILES_MOST) {
		size_t len = strlen(e->d_name);

		if (len < 5 || strcmp(e->d_name + len - 4, ".log") != 0)
			continue;
		if (node != NULL &&
		    (strlen(node) != len - 4 || strncmp(node, e->d_name, len - 4) != 0))
			continue;
		n += open_source(dir, e->d_name, &sources[n]);
	}
	closedir(d);
	return n;
}

/* One more, or none: a file may go while we look. */
static size_t
open_source(const char *dir, const char *file, struct source *s)
{
	struct stat st;
	char *path;
	FILE *f;

	if (asprintf(&path, "%s/%s", dir, file) < 0)
		return 0;
	if ((f = fopen(path, "re")) == NULL) {
		free(path);
		return 0;
	}
	*s = (struct source){ .path = path,
		.name = strndup(file, strlen(file) - 4),
		.f = f,
		.inode = fstat(fileno(f), &st) == 0 ? st.st_ino : 0 };
	return 1;
}

/* Whole lines only: half a line waits for its end. */
static size_t
read_lines(struct cli *cli, struct source *s, struct line **lines, size_t n)
{
	char *text = NULL;
	size_t cap = 0;
	ssize_t len;
	long at;

	clearerr(s->f);
	while (at = ftell(s->f), (len = getline(&text, &cap, s->f)) > 0) {
		const char *time;

		if (text[len - 1] != '\n') {
			fseek(s->f, at, SEEK_SET);
			break;
		}
		text[len - 1] = '\0';
		if ((n & (n - 1)) == 0 || n == 0)
			*lines = realloc(*lines, (n == 0 ? 1 : n * 2) * sizeof(**lines));
		if (*lines == NULL)
			abort();
		time = strncmp(text, "{\"time\":\"", 9) == 0 && len > 37 ? text + 9 : NULL;
		(*lines)[n] = (struct line){ .from = s,
			.order = n,
			.text = arena_strdup(cli->arena, text),
			.time = time != NULL ? arena_strndup(cli->arena, time, 27) : "" };
		n++;
	}
	free(text);
	return n;
}

static void
show(struct cli *cli, struct line *lines, size_t n, size_t most)
{
	for (size_t i = 1; i < n; i++) /* a line without a time stays behind the one before it */
		if (lines[i].time[0] == '\0' && lines[i].from == lines[i - 1].from)
			lines[i].time = lines[i - 1].time;
	if (n > 1)
		qsort(lines, n, sizeof(*lines), by_time);
	for (size_t i = n > most ? n - most : 0; i < n; i++)
		show_one(cli, &lines[i]);
	fflush(stdout);
}

static void
show_one(struct cli *cli, const struct line *l)
{
	json_t *v = cli->json ? NULL : json_loads(l->text, 0, NULL), *field;
	const char *key;
	char *text;

	if (v == NULL) {
		if (cli->json && l->text[0] != '{')
			return;
		printf(
		    cli->json ? "%s%s\n" : "%-10s %s\n", cli->json ? "" : l->from->name, l->text);
		return;
	}
	printf("%.23s %-5s %-10s %s", json_string_value(json_object_get(v, "time")) ?: "",
	    json_string_value(json_object_get(v, "level")) ?: "",
	    json_string_value(json_object_get(v, "node")) ?: l->from->name,
	    json_string_value(json_object_get(v, "event")) ?: "");
	json_object_foreach(v, key, field)
	{
		if (strcmp(key, "time") == 0 || strcmp(key, "level") == 0 ||
		    strcmp(key, "node") == 0 || strcmp(key, "event") == 0)
			continue;
		text = json_dumps(field, JSON_ENCODE_ANY | JSON_COMPACT);
		printf(" %s=%s", key, text != NULL ? text : "");
		free(text);
	}
	putchar('\n');
	json_decref(v);
}

static int
by_time(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int c = strcmp(x->time, y->time);

	return c != 0 ? c : x->order < y->order ? -1 : 1;
}

static void
reopen_if_rotated(struct source *s)
{
	struct stat st;
	FILE *f;

	if (stat(s->path, &st) != 0 || st.st_ino == s->inode || (f = fopen(s->path, "re")) == NULL)
		return;
	fclose(s->f);
	s->f = f;
	s->inode = st.st_ino;
}

/* logs: the log files of a local fleet, merged by time; -f follows. Lines of one process keep their order,
 * whatever its clock did. Memory: a block of each file, and the lines of -n.
 *
 * Not over HTTP: a node can read its own file, not the others'; one that could read all of them, and gave
 * them away, would be the best place to break into. Where there are no files (containers), or for
 * many hosts, logs are shipped (deploy/logging). */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/logs.h"

#define LINES_DEFAULT 50
#define BATCH_US      (50 * MS) /* of a file that grows: not each line alone */
#define LOOK_MS       1000      /* at the directory, where nothing tells of changes */

struct logs {
	struct cli *cli;
	const char *dir;
	struct logs_filter filter;
	struct logs_source sources[LOGS_SOURCES];
	size_t n;
	uint64_t most; /* the last so many; UINT64_MAX: all */
	bool follow, colour;
};
struct kept { /* a line of -n */
	const char *name;
	char *text;
	size_t n;
};

static bool is_link(const char *path);
static bool all_there(const struct logs *l);
static bool take_options(struct logs *l, int argc, char **argv);
static bool take_option(struct logs *l, int o, const char *value);
static bool take_name(struct logs *l, const char *value);
static bool take_field(struct logs *l, const char *value);
static bool take_time(char out[LOGS_TIME + 1], const char *value);
static void show_all(struct logs *l);
static void show_last(struct logs *l);
static struct logs_source *earliest(struct logs *l);
static struct logs_source *latest(struct logs *l);
static void show(const struct logs *l, const char *name, struct str line);
static void follow(struct logs *l);
static void await_change(int watch);

static const char usage[] = "usage: metafed logs [-f] [-n LINES] [--node NODE]... [--level LEVEL] "
			    "[--trace ID] [--event NAME] [--field KEY=VALUE]... [--since TIME] "
			    "[--until TIME] [NODE...]";

int
cli_logs(struct cli *cli, int argc, char **argv)
{
	static struct logs l;
	int status = CLI_OK;

	l = (struct logs){ .cli = cli,
		.dir = arena_printf(cli->arena, "%s/log", cli->var),
		.filter = { .level = LOG_DEBUG },
		.most = UINT64_MAX };
	if (!take_options(&l, argc, argv))
		return CLI_USAGE;
	if (cli->url != NULL) {
		cli_error(
		    "logs are files of a local fleet: say --var DIR, not --url; of containers, "
		    "their engine has them");
		return CLI_USAGE;
	}
	if (is_link(l.dir)) {
		cli_error("%s: is a symbolic link, which no fleet follows: name its own --var DIR",
		    l.dir);
		return CLI_NOT_FOUND;
	}
	l.colour = !cli->json && isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
	l.n = logs_open(l.dir, &l.filter, l.sources, 0);
	if (!all_there(&l))
		status = CLI_NOT_FOUND;
	if (status == CLI_OK) {
		if (l.most == UINT64_MAX)
			show_all(&l);
		else
			show_last(&l);
		if (l.follow)
			follow(&l);
	}
	for (size_t i = 0; i < l.n; i++)
		logs_close(&l.sources[i]);
	return status;
}

static bool
is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* Is there a log of each name that was asked for? */
static bool
all_there(const struct logs *l)
{
	for (size_t i = 0; i < l->filter.n_names; i++) {
		bool there = false;

		for (size_t k = 0; k < l->n; k++) {
			const char *name = l->sources[k].name;

			there |= name != NULL && strcmp(name, l->filter.names[i]) == 0;
		}
		if (!there) {
			cli_error("%s: no log of %s", l->dir, l->filter.names[i]);
			return false;
		}
	}
	if (l->n == 0)
		cli_error("%s: no logs there", l->dir);
	return l->n > 0;
}

static bool
take_options(struct logs *l, int argc, char **argv)
{
	static const struct option options[] = { { "node", required_argument, NULL, 'N' },
		{ "level", required_argument, NULL, 'l' },
		{ "trace", required_argument, NULL, 't' },
		{ "event", required_argument, NULL, 'e' },
		{ "field", required_argument, NULL, 'F' },
		{ "since", required_argument, NULL, 's' },
		{ "until", required_argument, NULL, 'u' }, { "follow", no_argument, NULL, 'f' },
		{ "lines", required_argument, NULL, 'n' }, { NULL, 0, NULL, 0 } };

	for (int o; (o = getopt_long(argc, argv, "fn:", options, NULL)) != -1;) {
		if (o == '?') {
			cli_error("%s", usage);
			return false;
		}
		if (!take_option(l, o, optarg))
			return false;
	}
	for (; optind < argc; optind++)
		if (!take_name(l, argv[optind]))
			return false;
	if (l->most == UINT64_MAX && l->filter.since[0] == '\0' && l->filter.until[0] == '\0')
		l->most = LINES_DEFAULT;
	return true;
}

static bool
take_option(struct logs *l, int o, const char *value)
{
	switch (o) {
	case 'f':
		l->follow = true;
		return true;
	case 'n':
		if (str_u64(str_of(value), UINT32_MAX, &l->most))
			return true;
		cli_error("-n %s: is no number of lines", value);
		return false;
	case 'N':
		return take_name(l, value);
	case 'l':
		if (strcmp(value, "fatal") == 0)
			l->filter.level = LOG_FATAL;
		else if (!log_level_from_name(value, &l->filter.level)) {
			cli_error("--level %s: is none of debug, info, warn, error, fatal", value);
			return false;
		}
		return true;
	case 't':
		l->filter.trace = value;
		return true;
	case 'e':
		l->filter.event = value;
		return true;
	case 'F':
		return take_field(l, value);
	default:
		return take_time(o == 's' ? l->filter.since : l->filter.until, value);
	}
}

static bool
take_name(struct logs *l, const char *value)
{
	if (l->filter.n_names == LOGS_NAMES) {
		cli_error("--node: at most %d", LOGS_NAMES);
		return false;
	}
	l->filter.names[l->filter.n_names++] = value;
	return true;
}

static bool
take_field(struct logs *l, const char *value)
{
	const char *is = strchr(value, '=');

	if (is == NULL || is == value || l->filter.n_fields == LOGS_FIELDS) {
		cli_error("--field %s: must be KEY=VALUE, at most %d of them", value, LOGS_FIELDS);
		return false;
	}
	l->filter.fields[l->filter.n_fields].key = (struct str){ value, (size_t)(is - value) };
	l->filter.fields[l->filter.n_fields++].value = is + 1;
	return true;
}

/* As the lines have it. "10m": so long ago. */
static bool
take_time(char out[LOGS_TIME + 1], const char *value)
{
	int64_t t;

	if (value[0] != '\0' && strspn(value, "0123456789") < strlen(value) &&
	    time_parse_duration(str_of(value), &t))
		t = time_wall_us() - t;
	else if (!time_parse_rfc3339(str_of(value), &t)) {
		cli_error(
		    "%s: is no time; 2026-11-21T01:02:03Z is one, and 10m: so long ago", value);
		return false;
	}
	time_rfc3339(t, out);
	return true;
}

static void
show_all(struct logs *l)
{
	struct logs_source *s;

	for (size_t i = 0; i < l->n; i++)
		logs_start(&l->sources[i], &l->filter, false);
	while ((s = earliest(l)) != NULL && !ferror(stdout)) {
		show(l, s->name, s->line);
		logs_next(s, &l->filter);
	}
}

/* From the end: what is found first is shown last. Then each source is where following begins. */
static void
show_last(struct logs *l)
{
	struct kept *kept = NULL;
	struct logs_source *s;
	uint64_t n = 0;

	for (size_t i = 0; i < l->n && l->most > 0; i++)
		logs_start(&l->sources[i], &l->filter, true);
	while (n < l->most && (s = latest(l)) != NULL) {
		kept = mem_grow(kept, n + 1, sizeof(*kept));
		kept[n] = (struct kept){ s->name, mem_zalloc(s->line.n + 1), s->line.n };
		memcpy(kept[n].text, s->line.p, s->line.n);
		n++;
		logs_next(s, &l->filter);
	}
	for (uint64_t i = n; i > 0; i--) {
		show(l, kept[i - 1].name, (struct str){ kept[i - 1].text, kept[i - 1].n });
		free(kept[i - 1].text);
	}
	free(kept);
	for (size_t i = 0; i < l->n && l->follow; i++)
		logs_end(&l->sources[i]);
}

static struct logs_source *
earliest(struct logs *l)
{
	struct logs_source *first = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (l->sources[i].has &&
		    (first == NULL || strcmp(l->sources[i].time, first->time) < 0))
			first = &l->sources[i];
	return first;
}

static struct logs_source *
latest(struct logs *l)
{
	struct logs_source *last = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (l->sources[i].has &&
		    (last == NULL || strcmp(l->sources[i].time, last->time) >= 0))
			last = &l->sources[i];
	return last;
}

static void
show(const struct logs *l, const char *name, struct str line)
{
	if (!l->cli->json) {
		logs_show(stdout, name, line, l->colour);
	} else if (line.n > 0 && line.p[0] == '{') {
		fwrite(line.p, 1, line.n, stdout);
		putchar('\n');
	}
}

static void
follow(struct logs *l)
{
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	l->filter.since[0] = '\0'; /* had begun already */
	inotify_add_watch(watch, l->dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
	for (;;) {
		struct logs_source *s;

		l->n = logs_open(l->dir, &l->filter, l->sources, l->n);
		for (size_t i = 0; i < l->n; i++) {
			logs_look_again(l->dir, &l->sources[i]);
			logs_next(&l->sources[i], &l->filter);
		}
		while ((s = earliest(l)) != NULL) {
			show(l, s->name, s->line);
			logs_next(s, &l->filter);
		}
		if (fflush(stdout) != 0 || ferror(stdout))
			break;
		await_change(watch);
	}
	close(watch);
}

static void
await_change(int watch)
{
	struct pollfd p = { .fd = watch, .events = POLLIN };
	char events[4096];

	if (poll(&p, 1, LOOK_MS) <= 0)
		return;
	usleep(BATCH_US);
	while (read(watch, events, sizeof(events)) > 0)
		;
}

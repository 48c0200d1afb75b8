/* test: expectations about the log, and private directories. One process runs one group, one thread
 * drives it. */
#include "harness/test.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/id.h"

#define DIRS_MAX   64
#define PORT_FIRST 20000
#define PORTS      12000
#define PORTS_OWN  60 /* of one process: tests that run beside it have others */

static uint64_t mark[LOG_FATAL + 1];
static unsigned expected[LOG_FATAL + 1];
static char dirs[DIRS_MAX][PATH_MAX];
static size_t n_dirs;
static pid_t owner;

static void remove_dirs(void);
static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at);

void
test_expect_log(enum log_level level, unsigned lines)
{
	expected[level] += lines;
}

const char *
test_dir(void)
{
	const char *base = getenv("TMPDIR");

	must(n_dirs < DIRS_MAX);
	snprintf(
	    dirs[n_dirs], sizeof(dirs[0]), "%s/metafed-test-XXXXXX", base == NULL ? "/tmp" : base);
	if (mkdtemp(dirs[n_dirs]) == NULL)
		fatal("%s: %s", dirs[n_dirs], strerror(errno));
	if (n_dirs == 0) {
		owner = getpid();
		atexit(remove_dirs);
	}
	return dirs[n_dirs++];
}

const char *
test_file(const char *name, const char *content)
{
	static char path[8][PATH_MAX];
	static unsigned next;
	char *p = path[next++ % 8];
	FILE *f;

	if (snprintf(p, PATH_MAX, "%s/%s", n_dirs == 0 ? test_dir() : dirs[0], name) >= PATH_MAX)
		fatal("%s: path too long", name);
	f = fopen(p, "we");
	if (f == NULL || fputs(content, f) < 0 || fclose(f) != 0)
		fatal("%s: %s", p, strerror(errno));
	return p;
}

bool
test_port_free(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return yes;
}

uint16_t
test_port(void)
{
	unsigned first = PORT_FIRST + (unsigned)getpid() % (PORTS / PORTS_OWN) * PORTS_OWN;

	for (int tries = 0; tries < 1000; tries++) {
		uint16_t port = (uint16_t)(first + id_random_u64() % PORTS_OWN / 2 * 2);

		if (test_port_free(port) && test_port_free(port + 1))
			return port;
	}
	fatal("no port is free");
}

int
test_log_mark(void **state)
{
	(void)state;
	for (int i = LOG_DEBUG; i <= LOG_FATAL; i++) {
		mark[i] = log_count((enum log_level)i);
		expected[i] = 0;
	}
	return 0;
}

int
test_log_check(void **state)
{
	(void)state;
	for (int i = LOG_WARN; i <= LOG_ERROR; i++) {
		uint64_t lines = log_count((enum log_level)i) - mark[i];

		if (lines != expected[i]) {
			fprintf(stderr, "%llu %s lines in the log, expected %u\n",
			    (unsigned long long)lines, i == LOG_WARN ? "warn" : "error",
			    expected[i]);
			return -1;
		}
	}
	return 0;
}

const char *
test_program_name(void)
{
	return program_invocation_short_name;
}

/* A forked child that exits must not take the parent's directories along. */
static void
remove_dirs(void)
{
	if (getpid() != owner)
		return;
	for (size_t i = 0; i < n_dirs; i++)
		nftw(dirs[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

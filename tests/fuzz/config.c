/* config: any file is taken, or refused with its name; what was taken is within its bounds and
 * prints as a file that loads as the same. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "base/time.h"

struct all {
	const char *name, *path;
	int64_t count, wait_us, size_bytes;
	bool on;
	double share;
};

static const struct config_key keys[] = {
	{ .name = "name", .type = CONFIG_STR, .offset = offsetof(struct all, name) },
	{ .name = "path", .type = CONFIG_PATH, .offset = offsetof(struct all, path) },
	{ .name = "count",
	    .type = CONFIG_INT,
	    .offset = offsetof(struct all, count),
	    .def = "3",
	    .min = 1,
	    .max = 10 },
	{ .name = "wait",
	    .type = CONFIG_DURATION,
	    .offset = offsetof(struct all, wait_us),
	    .def = "5s",
	    .max = 60 * SEC },
	{ .name = "size",
	    .type = CONFIG_BYTES,
	    .offset = offsetof(struct all, size_bytes),
	    .def = "64k" },
	{ .name = "on", .type = CONFIG_BOOL, .offset = offsetof(struct all, on), .def = "no" },
	{ .name = "share",
	    .type = CONFIG_NUM,
	    .offset = offsetof(struct all, share),
	    .def = "0.5",
	    .max = 1 },
	{ .name = NULL },
};
static const struct config_key *const tables[] = { keys };
static const char *file;

static void remove_file(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One file per process, written anew each time and gone with the process: /dev/shm is memory. */
static const char *
file_with(const void *text, size_t n)
{
	static char path[] = "/dev/shm/metafed-fuzz-XXXXXX";
	static int fd = -1;

	if (fd < 0) {
		fd = mkstemp(path);
		must(fd >= 0);
		atexit(remove_file);
		file = path;
	}
	must(ftruncate(fd, 0) == 0 && pwrite(fd, text, n, 0) == (ssize_t)n);
	return path;
}

static bool
load(struct arena *a, const void *text, size_t n, struct all *out, char *err, size_t err_size)
{
	void *const outs[] = { out };
	const struct config_source source = { .file = file_with(text, n), .node = "sql" };

	return config_load(a, tables, outs, 1, &source, err, err_size);
}

static void
remove_file(void)
{
	unlink(file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(16 << 20);
	struct all one = { 0 }, two = { 0 };
	void *const outs[] = { &one };
	char err[256] = "", *text;
	size_t n;
	FILE *f;

	if (!load(a, data, size, &one, err, sizeof(err))) {
		must(err[0] == '/'); /* this file, or one that it includes */
	} else {
		must(one.count >= 1 && one.count <= 10 && one.wait_us >= 0 &&
		     one.wait_us <= 60 * SEC);
		must(one.share >= 0 && one.share <= 1 && one.size_bytes >= 0);
		must(one.path[0] == '\0' || one.path[0] == '/');
		f = open_memstream(&text, &n);
		must(f != NULL);
		config_print(f, tables, outs, 1);
		fclose(f);
		must(load(a, text, n, &two, err, sizeof(err)));
		free(text);
		must(strcmp(one.name, two.name) == 0 && strcmp(one.path, two.path) == 0 &&
		     one.count == two.count);
		must(one.wait_us == two.wait_us && one.size_bytes == two.size_bytes &&
		     one.on == two.on);
	}
	arena_free(&a);
	return 0;
}

/* logs: whatever stands in a file of logs, `metafed logs` reads its lines forward and backward alike, finds a place in it, matches and shows
 * each; and what it logs itself of such a text is one line of JSON, in UTF-8. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/logs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static FILE *nowhere;
static int out = -1;

static void
read_file(const uint8_t *data, size_t size)
{
	const struct logs_filter f = { .level = LOG_WARN,
		.trace = "4bf92f3577b34da6a3ce929d0e0e4736",
		.n_fields = 1,
		.fields = { { { "a", 1 }, "1" } } };
	struct log_reader r;
	struct str line;
	uint64_t at, next = 0, lines = 0, bytes = 0;
	char path[] = "/dev/shm/fuzz-logs-XXXXXX", time[LOGS_TIME + 1]; /* no link: none is read */
	int fd = mkostemp(path, O_CLOEXEC);

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	must(log_reader_open(&r, path));
	unlink(path);
	for (at = r.begin; log_line_at(&r, at, &line, &next); at = next, lines++) {
		must(next > at && line.n <= next - at);
		bytes += line.n;
		logs_match(&f, line);
		logs_show(nowhere, "sql", line, true);
		if (log_line_time(line, time))
			must(strlen(time) == LOGS_TIME);
	}
	must(size < 60000 || lines > 0);
	for (; at > r.begin && log_line_before(&r, at, &line, &next); at = next, lines--) {
		must(next < at);
		bytes -= line.n;
	}
	must(size > 60000 ||
	     (lines == 0 && bytes == 0)); /* longer ones are cut from where one reads */
	at = log_reader_find(&r, "2026-11-22T07:00:00.000000Z");
	must(at >= r.begin && at <= r.size);
	log_reader_close(&r);
	close(fd);
}

static void
write_line(const uint8_t *data, size_t size)
{
	char *text = mem_zalloc(size + 1), line[8192];
	struct json_error e;
	ssize_t n;
	json_t *v;

	memcpy(text, data, size);
	log_write(LOG_INFO, NULL, "fuzzed",
	    (const struct log_field[]){
		L_STR("text", text), L_STR("again", text), { .key = NULL } });
	n = pread(out, line, sizeof(line), 0);
	must(n > 0 && n <= 4096 && line[n - 1] == '\n' &&
	     memchr(line, '\n', (size_t)n) == line + n - 1);
	v = json_read(line, (size_t)n - 1, &e);
	must(v != NULL && json_is_string(json_object_get(v, "text")));
	json_decref(v);
	must(ftruncate(out, 0) == 0);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (nowhere == NULL) {
		nowhere = fopen("/dev/null", "we");
		out = memfd_create("line", MFD_CLOEXEC);
		must(nowhere != NULL && out >= 0 && fcntl(out, F_SETFL, O_APPEND) == 0);
		log_init("fuzz", 1, out);
	}
	read_file(data, size);
	write_line(data, size);
	return 0;
}

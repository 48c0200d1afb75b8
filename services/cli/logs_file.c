/* logs_file: see logs.h. */
#include "cli/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"

/* root reads what the user of the fleet may have put there: no link, no pipe that has no end */
#define LOG_OPEN (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
#define BLOCK    (256u << 10)
#define LINE_TOP (64u << 10) /* a longer one (a server's, with a statement) is shown in parts */

static int unpacked(const char *path);
static bool load(struct log_reader *r, uint64_t from, uint64_t to);
static bool is_time(const char *s);
static bool stamp(struct str line, const char *format, size_t skip, char time[LOGS_TIME + 1]);

bool
log_reader_open(struct log_reader *r, const char *path)
{
	size_t n = strlen(path);
	bool packed = n > 3 && strcmp(path + n - 3, ".gz") == 0;
	struct stat st;
	off_t data;

	*r = (struct log_reader){ .fd = packed ? unpacked(path) : open(path, LOG_OPEN) };
	if (r->fd < 0)
		return false;
	if (fstat(r->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(r->fd);
		errno = EINVAL;
		return false;
	}
	r->block = mem_zalloc(BLOCK);
	log_reader_grown(r);
	data = lseek(r->fd, 0, SEEK_DATA);
	if (data > 0) { /* and the rest of a line that lies half in the hole */
		struct str rest;

		r->begin = (uint64_t)data;
		if (!log_line_at(r, (uint64_t)data, &rest, &r->begin))
			r->begin = r->size;
	}
	return true;
}

void
log_reader_close(struct log_reader *r)
{
	if (r->block != NULL)
		close(r->fd);
	free(r->block);
	r->block = NULL;
}

void
log_reader_grown(struct log_reader *r)
{
	struct stat st;

	if (fstat(r->fd, &st) < 0)
		return;
	if ((uint64_t)st.st_size < r->size)
		r->n = 0; /* cut: what we have of it is of before */
	r->size = (uint64_t)st.st_size;
}

bool
log_line_at(struct log_reader *r, uint64_t at, struct str *line, uint64_t *next)
{
	const char *p, *end;
	size_t n;

	for (uint64_t to = at + 1; at < r->size; to = r->size) {
		if (!load(r, at, to))
			return false;
		p = r->block + (at - r->at);
		n = r->n - (size_t)(at - r->at);
		end = memchr(p, '\n', n);
		if (end != NULL || n >= LINE_TOP) {
			n = end == NULL || (size_t)(end - p) > LINE_TOP ? LINE_TOP
			                                                : (size_t)(end - p);
			*line = (struct str){ p, n };
			*next = at + n + (end == p + n);
			return true;
		}
		if (to == r->size) /* was all there is */
			return false;
	}
	return false;
}

bool
log_line_before(struct log_reader *r, uint64_t end, struct str *line, uint64_t *at)
{
	uint64_t from = end > LINE_TOP ? end - LINE_TOP : 0;
	const char *p, *begin;
	size_t n;

	if (from < r->begin)
		from = r->begin;
	if (end <= from || !load(r, from, end))
		return false;
	p = r->block + (from - r->at);
	n = (size_t)(end - from);
	if (p[n - 1] == '\n')
		n--;
	begin = memrchr(p, '\n', n);
	begin = begin == NULL ? p : begin + 1;
	*line = (struct str){ begin, (size_t)(p + n - begin) };
	*at = from + (uint64_t)(begin - p);
	return true;
}

uint64_t
log_reader_find(struct log_reader *r, const char *time)
{
	/* What ends before `low` is earlier, what begins at `high` or behind is not. */
	uint64_t low = r->begin, high = r->size;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2, at = low, next;
		char found[LOGS_TIME + 1] = "";
		struct str line;

		if (middle > low && log_line_before(r, middle, &line, &at) && at < low)
			at = low;
		for (next = at; next < high && found[0] == '\0';)
			if (!log_line_at(r, next, &line, &next) || log_line_time(line, found))
				break;
		if (found[0] == '\0' || strcmp(found, time) >= 0)
			high = at;
		else
			low = next;
	}
	return low;
}

bool
log_line_time(struct str line, char time[LOGS_TIME + 1])
{
	time[0] = '\0';
	if (line.n > 37 && memcmp(line.p, "{\"time\":\"", 9) == 0 && is_time(line.p + 9)) {
		memcpy(time, line.p + 9, LOGS_TIME);
		time[LOGS_TIME] = '\0';
		return true;
	}
	if (line.n < 24 || line.p[0] < '0' || line.p[0] > '9')
		return false;
	if (line.p[4] == '-' && line.p[19] == '.') /* PostgreSQL */
		return stamp(line, "%Y-%m-%d %H:%M:%S", 0, time);
	for (size_t i = 1; i < 12; i++) /* Redis: 1234:M 22 Nov 2026 07:12:34.123 */
		if (line.p[i] == ':')
			return stamp(line, "%d %b %Y %H:%M:%S", i + 3, time);
	return false;
}

static bool
is_time(const char *s)
{
	static const char shape[] = "0000-00-00T00:00:00.000000Z\"";

	for (size_t i = 0; shape[i] != '\0'; i++)
		if (shape[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != shape[i])
			return false;
	return true;
}

static bool
stamp(struct str line, const char *format, size_t skip, char time[LOGS_TIME + 1])
{
	char text[64], *rest;
	struct tm tm = { .tm_isdst = -1 };
	time_t t;
	unsigned ms;
	int n = 0;

	if (skip >= line.n)
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)(line.n - skip < 48 ? line.n - skip : 48),
	    line.p + skip);
	rest = strptime(text, format, &tm);
	if (rest == NULL || sscanf(rest, ".%3u%n", &ms, &n) != 1 || n != 4)
		return false;
	rest += n;
	t = strncmp(rest, " UTC", 4) == 0 || strncmp(rest, " GMT", 4) == 0 ? timegm(&tm)
	                                                                   : mktime(&tm);
	if (t == -1 || gmtime_r(&t, &tm) == NULL ||
	    strftime(time, LOGS_TIME + 1, "%Y-%m-%dT%H:%M:%S", &tm) != 19)
		return false;
	snprintf(time + 19, LOGS_TIME + 1 - 19, ".%03u000Z", ms % 1000);
	return true;
}

/* What is read forward is behind it, what is read backward before it: both stay in the block mostly. */
static bool
load(struct log_reader *r, uint64_t from, uint64_t to)
{
	uint64_t begin = from;
	ssize_t got;

	if (to > from + LINE_TOP)
		to = from + LINE_TOP;
	if (to > r->size)
		to = r->size;
	if (r->n > 0 && from >= r->at && to <= r->at + r->n)
		return from < to;
	if (r->n > 0 && from < r->at) /* backward */
		begin = to > BLOCK ? to - BLOCK : 0;
	r->n = 0;
	r->at = begin;
	while (r->n < BLOCK && begin + r->n < r->size) {
		got = pread(r->fd, r->block + r->n, BLOCK - r->n, (off_t)(begin + r->n));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		r->n += (size_t)got;
	}
	return from < to && to <= r->at + r->n;
}

/* It can't be read backward as it is. What is no file (a link to a device) might never end. */
static int
unpacked(const char *path)
{
	const char *dir = getenv("TMPDIR") ?: "/tmp";
	int from = open(path, LOG_OPEN);
	struct stat st;
	bool is_file = from >= 0 && fstat(from, &st) == 0 && S_ISREG(st.st_mode);
	int fd = is_file ? open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;
	gzFile in = fd < 0 ? NULL : gzdopen(from, "rb");
	char *part = mem_zalloc(BLOCK);
	bool good = in != NULL;
	int n = 0;

	while (good && (n = gzread(in, part, BLOCK)) > 0)
		good = write(fd, part, (size_t)n) == n;
	if (in != NULL)
		gzclose(in);
	else if (from >= 0)
		close(from);
	free(part);
	if ((!good || n < 0) && fd >= 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

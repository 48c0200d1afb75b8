/* log_file: see log_file.h. Numbers, not times, name the old files: a wall clock may step. */
#include "base/log_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#define NAME_MOST  64
#define FILES_MOST 4096 /* of one look; more of them wait for the next */
#define BLOCK      512  /* of st_blocks */

struct old_file {
	char name[NAME_MOST];
	uint64_t bytes;
	struct timespec written; /* last */
};
struct look { /* at the directory */
	struct old_file *old;
	size_t n;
	uint64_t old_bytes, live_bytes; /* live: as much as the files of now may still get */
	uint64_t last;                  /* number of the youngest old file of `name` */
};

static struct { /* of this process */
	char var[LOG_FILE_PATH], name[32];
	uint64_t size, file_bytes, budget;
	bool kept;
} own;

static bool join(char out[LOG_FILE_PATH], const char *var, const char *name, const char *end);
static size_t read_tail(int dir, const char *file, char *out, size_t size);
static void mend(int fd);
static bool is_same(int fd, const char *path);
static bool take_over_level(const char *path);
static bool
turn(const char *var, const char *name, uint64_t file_bytes, uint64_t budget, int *fresh);
static void look(struct look *l, int dir, const char *name, uint64_t file_bytes);
static void
look_at(struct look *l, int dir, const char *file, const char *name, uint64_t file_bytes);
static void drop_oldest(struct look *l, int dir, uint64_t budget);
static int by_age(const void *a, const void *b);

int
log_file_open(const char *var, const char *name)
{
	char path[LOG_FILE_PATH];
	int fd;

	if (!join(path, var, name, ".log"))
		return -1;
	fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd >= 0)
		mend(fd);
	return fd;
}

void
log_file_use(int fd, const char *var, const char *name, int64_t file_bytes, int64_t budget)
{
	char path[LOG_FILE_PATH], level[LOG_FILE_PATH];
	struct stat st;

	own.kept = false;
	if (file_bytes <= 0 || strlen(name) >= sizeof(own.name) || !join(path, var, name, ".log") ||
	    !join(level, var, name, ".level") || !is_same(fd, path) || fstat(fd, &st) < 0)
		return;
	snprintf(own.var, sizeof(own.var), "%s", var);
	snprintf(own.name, sizeof(own.name), "%s", name);
	own.size = (uint64_t)st.st_size;
	own.file_bytes = (uint64_t)file_bytes;
	own.budget = (uint64_t)budget;
	own.kept = true;
	if (!take_over_level(level))
		unlink(level);
}

bool
log_file_check(int64_t file_bytes, int64_t budget, char *err, size_t n)
{
	if (budget / LOG_FILES_LEAST >= file_bytes)
		return true;
	snprintf(err, n,
	    "log_budget: must be at least %d times log_file_bytes: each process has a file under "
	    "way",
	    LOG_FILES_LEAST);
	return false;
}

void
log_file_trim(const char *path, int64_t keep)
{
	int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (keep > 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_blocks * BLOCK > 2 * keep && st.st_size > keep &&
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, st.st_size - keep) < 0 &&
	    errno == EOPNOTSUPP)
		(void)!ftruncate(fd, 0); /* who appends goes on from there */
	close(fd);
}

void
log_file_turn_idle(const char *var, const char *name, int64_t file_bytes, int64_t budget)
{
	char path[LOG_FILE_PATH];
	struct stat st;
	int fresh;

	if (file_bytes > 0 && join(path, var, name, ".log") && lstat(path, &st) == 0 &&
	    S_ISREG(st.st_mode) && st.st_size >= file_bytes &&
	    turn(var, name, (uint64_t)file_bytes, (uint64_t)budget, &fresh))
		close(fresh);
}

size_t
log_file_tail(const char *var, const char *name, char *out, size_t size)
{
	char path[LOG_FILE_PATH], file[NAME_MOST];
	struct look l;
	size_t n, more = 0;
	int dir;

	if (!join(path, var, "", "") || strlen(name) + 12 >= sizeof(file) ||
	    (dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return 0;
	snprintf(file, sizeof(file), "%.48s.log", name);
	n = read_tail(dir, file, out, size);
	if (n < size) {
		look(&l, dir, name, 0);
		free(l.old);
		snprintf(file, sizeof(file), "%.48s.log.%06" PRIu64, name, l.last);
		memmove(out + size - n, out, n);
		more = l.last == 0 ? 0 : read_tail(dir, file, out, size - n);
		memmove(out + more, out + size - n, n);
	}
	close(dir);
	return n + more;
}

bool
log_file_full(size_t more)
{
	return own.kept && own.size > 0 && own.size + more > own.file_bytes;
}

void
log_file_grew(size_t bytes)
{
	own.size += bytes;
}

/* What goes to standard output and error of its own accord (a library's words) goes along. */
void
log_file_turn(int fd)
{
	struct stat old, st;
	int fresh;

	if (fstat(fd, &old) < 0 || !turn(own.var, own.name, own.file_bytes, own.budget, &fresh)) {
		own.size /= 2; /* the next try is not at the next line */
		return;
	}
	for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++)
		if (i != fd && fstat(i, &st) == 0 && st.st_dev == old.st_dev &&
		    st.st_ino == old.st_ino)
			dup2(fresh, i);
	dup3(fresh, fd, fd > STDERR_FILENO ? O_CLOEXEC : 0);
	close(fresh);
	own.size = 0;
}

void
log_file_keep_level(const char *level, int64_t until_wall_us)
{
	char path[LOG_FILE_PATH], fresh[LOG_FILE_PATH], text[64];
	int fd, n;

	if (!own.kept || !join(path, own.var, own.name, ".level") ||
	    !join(fresh, own.var, own.name, ".level.new"))
		return;
	if (level == NULL) {
		unlink(path);
		return;
	}
	n = snprintf(text, sizeof(text), "%s %" PRId64 "\n", level, until_wall_us);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return;
	if (write(fd, text, (size_t)n) == n)
		rename(fresh, path);
	close(fd);
}

static bool
join(char out[LOG_FILE_PATH], const char *var, const char *name, const char *end)
{
	if (snprintf(out, LOG_FILE_PATH, "%s/log/%s%s", var, name, end) < LOG_FILE_PATH)
		return true;
	errno = ENAMETOOLONG;
	return false;
}

static size_t
read_tail(int dir, const char *file, char *out, size_t size)
{
	int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = pread(fd, out, size, st.st_size > (off_t)size ? st.st_size - (off_t)size : 0);
	if (fd >= 0)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

static void
mend(int fd)
{
	struct stat st;
	char last;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n')
		(void)!write(fd, "\n", 1);
}

static bool
is_same(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && S_ISREG(b.st_mode) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* False: there is none any more. */
static bool
take_over_level(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[64] = "";
	struct str name, until;
	enum log_level level;
	int64_t wall, left;

	if (fd < 0)
		return false;
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	text[strcspn(text, "\n")] = '\0';
	if (!str_cut(str_of(text), ' ', &name, &until) || !str_i64(until, 0, INT64_MAX, &wall))
		return false;
	text[name.n] = '\0';
	left = wall - time_wall_us();
	if (!log_level_from_name(text, &level) || left <= 0)
		return false;
	log_set_level_for(level, left);
	return true;
}

/* The next file is there before the old one is renamed: where that fails nothing has changed. *fresh: the
 * caller's. */
static bool
turn(const char *var, const char *name, uint64_t file_bytes, uint64_t budget, int *fresh)
{
	char now[NAME_MOST], next[NAME_MOST], old[NAME_MOST];
	char path[LOG_FILE_PATH];
	struct look l;
	bool done = false;
	int at;

	*fresh = -1;
	if (!join(path, var, "", "") || (at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return false;
	look(&l, at, name, file_bytes);
	snprintf(now, sizeof(now), "%s.log", name);
	snprintf(next, sizeof(next), "%s.log.next", name);
	snprintf(old, sizeof(old), "%s.log.%06" PRIu64, name, l.last + 1);
	*fresh =
	    openat(at, next, O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (*fresh >= 0 && renameat(at, now, at, old) == 0) {
		done = renameat(at, next, at, now) == 0;
		if (!done)
			renameat(at, old, at, now);
	}
	if (!done && *fresh >= 0) {
		close(*fresh);
		*fresh = -1;
	}
	if (done) {
		look_at(&l, at, old, name, file_bytes);
		drop_oldest(&l, at, budget);
	}
	free(l.old);
	close(at);
	return done;
}

static void
look(struct look *l, int dir, const char *name, uint64_t file_bytes)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	*l = (struct look){ .old = mem_zalloc(FILES_MOST * sizeof(*l->old)) };
	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL)
		look_at(l, dir, e->d_name, name, file_bytes);
	closedir(d);
}

/* NAME.log is live; NAME.log.000001 is old, and NAME.log.000001.gz when somebody has compressed it. */
static void
look_at(struct look *l, int dir, const char *file, const char *name, uint64_t file_bytes)
{
	const char *dot = strstr(file, ".log");
	struct old_file *o;
	struct stat st;
	uint64_t number = 0, bytes;

	if (dot == NULL || strlen(file) >= NAME_MOST ||
	    fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	bytes = (uint64_t)st.st_blocks * BLOCK;
	if (dot[4] == '\0') {
		l->live_bytes += bytes > file_bytes ? bytes : file_bytes;
		return;
	}
	if (dot[4] != '.' || dot[5] < '0' || dot[5] > '9')
		return;
	number = strtoull(dot + 5, NULL, 10);
	if (strlen(name) == (size_t)(dot - file) && strncmp(file, name, strlen(name)) == 0 &&
	    number > l->last && number < UINT64_MAX)
		l->last = number;
	if (l->n == FILES_MOST)
		return;
	o = &l->old[l->n++];
	memcpy(o->name, file, strlen(file) + 1);
	o->bytes = bytes;
	o->written = st.st_mtim;
	l->old_bytes += bytes;
}

static void
drop_oldest(struct look *l, int dir, uint64_t budget)
{
	qsort(l->old, l->n, sizeof(*l->old), by_age);
	for (size_t i = 0; i < l->n && l->old_bytes + l->live_bytes > budget; i++) {
		unlinkat(dir, l->old[i].name, 0);
		l->old_bytes -= l->old[i].bytes;
	}
}

static int
by_age(const void *a, const void *b)
{
	const struct old_file *x = a, *y = b;

	if (x->written.tv_sec != y->written.tv_sec)
		return x->written.tv_sec < y->written.tv_sec ? -1 : 1;
	if (x->written.tv_nsec != y->written.tv_nsec)
		return x->written.tv_nsec < y->written.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* limit: see limit.h. Memory is what is resident, looked at every few seconds: the limits that the kernel
 * has for a process count address space, of which threads and allocators take much and use little. Who
 * needs it to the byte has the cgroup of a container or a systemd unit beside it. */
#include "meta/limit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/time.h"

#define FILES_FULL 10         /* renewed when fewer than one in so many is free */
#define YOUNG      (60 * SEC) /* renewed for what it takes only when it has had time to take it */

static int64_t resident(pid_t pid);
static int64_t open_files(pid_t pid);
static rlim_t limit_or(int64_t wanted, rlim_t most);

bool
limit_look(pid_t pid, struct limit_use *u)
{
	u->rss = resident(pid);
	u->files = open_files(pid);
	return u->rss > 0;
}

bool
limit_exceeded(const struct supervise *s, const struct limit_use *u)
{
	return s->memory_max != 0 && u->rss > s->memory_max;
}

enum contract_due
limit_due(const struct supervise *s, const struct limit_use *u, uint64_t id)
{
	int64_t later =
	    s->recycle_after_us / 10 * (int64_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 56) / 256;

	if (u->age_us >= YOUNG && s->recycle_rss != 0 && u->rss > s->recycle_rss)
		return DUE_MEMORY;
	if (u->age_us >= YOUNG && s->files_max != 0 &&
	    u->files > s->files_max - s->files_max / FILES_FULL)
		return DUE_FILES;
	if (s->recycle_after_us != 0 && u->age_us >= s->recycle_after_us + later)
		return DUE_AGE;
	return DUE_NOT;
}

void
limit_impose(const struct supervise *s)
{
	struct rlimit r;

	if (s->files_max != 0 && getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max = limit_or(s->files_max, r.rlim_max);
		setrlimit(RLIMIT_NOFILE, &r);
	}
	if (getrlimit(RLIMIT_RSS, &r) == 0) {
		r.rlim_max = limit_or(s->memory_max, r.rlim_max);
		r.rlim_cur = limit_or(s->recycle_rss, r.rlim_max);
		setrlimit(RLIMIT_RSS, &r);
	}
}

/* Second field of statm; 0: it is gone. */
static int64_t
resident(pid_t pid)
{
	char path[64], text[128];
	long long pages = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return sscanf(text, "%*s %lld", &pages) == 1 ? pages * sysconf(_SC_PAGESIZE) : 0;
}

/* The size of the directory, since Linux 6.2; before that it is 0 and they are counted. */
static int64_t
open_files(pid_t pid)
{
	char path[64];
	struct stat st;
	int64_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if (stat(path, &st) == 0 && st.st_size > 0)
		return st.st_size;
	if ((d = opendir(path)) == NULL)
		return 0;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n > 2 ? n - 2 : 0;
}

static rlim_t
limit_or(int64_t wanted, rlim_t most)
{
	return wanted == 0 || (most != RLIM_INFINITY && (rlim_t)wanted > most) ? most
	                                                                       : (rlim_t)wanted;
}

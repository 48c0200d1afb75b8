/* runfile: see runfile.h. The lock is flock(2): it belongs to the open file and so survives fork
 * and exec, and closing another descriptor of the same file does not drop it (a POSIX record lock
 * would be dropped). */
#include "meta/runfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/time.h"

#define STARTING_LIMIT (1 * SEC) /* between fork and exec; measured: 1 ms */
#define LOOKS          3         /* of a probe: who dies under its eyes is dead at the second */
#define DYING_MS       5
#define PROBES_PASS    100 /* of a claim, 50 us each */

static const char magic[8] = "MFRUN1\n";

static int open_run(const char *path, int flags, uid_t *owner);
static bool lock(int fd);
static bool read_run(int fd, struct contract_run *run);
static bool identify(const struct contract_run *run, int *pidfd);
static bool is_of(pid_t pid, uid_t owner);
static void await_end(pid_t pid);
static bool holds(pid_t pid, const struct stat *file);
static bool has_lock(pid_t pid, const char *number);

/* Between a refused lock and a look at who has it, he may die or be replaced: then it is asked
 * again. */
enum run_probe
runfile_probe(const char *path, struct contract_run *run, int *pidfd)
{
	enum run_probe found = RUN_BUSY;
	uid_t owner;
	int fd = open_run(path, O_RDWR, &owner);

	*pidfd = -1;
	memset(run, 0, sizeof(*run));
	if (fd < 0)
		return errno == ENOENT                      ? RUN_FREE
		       : errno == ELOOP || errno == ENOTDIR ? RUN_STRANGE
		                                            : RUN_BUSY;
	for (int tries = 0; tries < LOOKS && found == RUN_BUSY; tries++) {
		bool locked = flock(fd, LOCK_SH | LOCK_NB) < 0, named = read_run(fd, run);

		if (!locked)
			found = RUN_FREE;
		else if (!named || run->pid <= 0)
			break; /* being started */
		else if (identify(run, pidfd))
			found = is_of(run->pid, owner) ? RUN_ALIVE : RUN_STRANGE;
		else
			await_end(run->pid);
	}
	close(fd);
	if (found == RUN_STRANGE) {
		close(*pidfd);
		*pidfd = -1;
	}
	return found;
}

enum run_probe
runfile_probe_settled(const char *path, struct contract_run *run, int *pidfd)
{
	int64_t limit = time_now_us() + STARTING_LIMIT;
	enum run_probe found;

	while (((found = runfile_probe(path, run, pidfd)) == RUN_BUSY || found == RUN_STRANGE) &&
	       time_now_us() < limit)
		usleep(2000);
	return found;
}

int
runfile_claim(const char *path, uint64_t *generation)
{
	struct contract_run run;
	uid_t owner;
	int fd = open_run(path, O_RDWR | O_CREAT, &owner), saved;

	if (fd < 0)
		return -1;
	if (lock(fd)) {
		*generation = read_run(fd, &run) ? run.generation + 1 : 1;
		run = (struct contract_run){ .generation = *generation };
		memcpy(run.magic, magic, sizeof(magic));
		if (pwrite(fd, &run, sizeof(run), 0) == (ssize_t)sizeof(run))
			return fd;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

bool
runfile_enter(int fd, uint64_t generation)
{
	struct contract_run run = { .pid = getpid(), .generation = generation };

	memcpy(run.magic, magic, sizeof(magic));
	run.start_ticks = proc_start_ticks(run.pid, NULL);
	return run.start_ticks != 0 && pwrite(fd, &run, sizeof(run), 0) == (ssize_t)sizeof(run);
}

unsigned
runfile_signal_holders(const char *path, int sig)
{
	uid_t owner;
	int fd = open_run(path, O_PATH, &owner);
	struct stat file;
	struct dirent *e;
	unsigned n = 0;
	bool there;
	DIR *d;

	if (fd < 0)
		return 0;
	there = fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
	close(fd);
	if (!there || (d = opendir("/proc")) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		int pidfd;

		if (pid <= 1 || pid == getpid() || (pidfd = pidfd_open(pid, 0)) < 0)
			continue;
		/* looked at after the pidfd was opened: it is the one who gets the signal */
		if (holds(pid, &file) && is_of(pid, owner)) {
			n++;
			pidfd_send_signal(pidfd, sig, NULL, 0);
		}
		close(pidfd);
	}
	closedir(d);
	return n;
}

uint64_t
proc_start_ticks(pid_t pid, bool *stopped)
{
	char path[64], text[1024], state = '\0', *p;
	unsigned long long ticks = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	if ((p = strrchr(text, ')')) == NULL || /* the name before it may hold anything */
	    sscanf(p + 1,
		" %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
		&state, &ticks) != 2)
		return 0;
	if (stopped != NULL)
		*stopped = state == 'T';
	return state == 'Z' || state == 'X' ? 0 : ticks;
}

/* The kernel counts from boot including suspension, CLOCK_MONOTONIC without it. */
int64_t
proc_start_us(uint64_t ticks)
{
	struct timespec boot, mono;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	return (int64_t)(ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK)) -
	       ((boot.tv_sec - mono.tv_sec) * 1000000 + (boot.tv_nsec - mono.tv_nsec) / 1000);
}

/* In its directory, whose owner says whose processes it may name. The user of the fleet may put
 * anything into either place. */
static int
open_run(const char *path, int flags, uid_t *owner)
{
	const char *name = strrchr(path, '/') + 1;
	char parent[PATH_MAX];
	struct stat st = { 0 };
	int dir, fd, saved;

	/* without the slash, which would follow a link */
	snprintf(parent, sizeof(parent), "%.*s", (int)(name - 1 - path), path);
	if ((dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return -1;
	fd = fstat(dir, &st) == 0 ? openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	*owner = st.st_uid;
	saved = errno;
	close(dir);
	errno = saved;
	return fd;
}

/* A probe has the file locked for some microseconds, shared: whoever claims it waits for that, but not
 * for a claim. */
static bool
lock(int fd)
{
	for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
		if (errno != EWOULDBLOCK || tries == PROBES_PASS ||
		    flock(fd, LOCK_SH | LOCK_NB) < 0)
			return false;
		flock(fd, LOCK_UN);
		usleep(50);
	}
	return true;
}

static bool
read_run(int fd, struct contract_run *run)
{
	return pread(fd, run, sizeof(*run), 0) == (ssize_t)sizeof(*run) &&
	       memcmp(run->magic, magic, sizeof(magic)) == 0;
}

static bool
identify(const struct contract_run *run, int *pidfd)
{
	if (run->pid <= 0 || (*pidfd = pidfd_open(run->pid, 0)) < 0)
		return false;
	if (run->start_ticks != 0 && proc_start_ticks(run->pid, NULL) == run->start_ticks)
		return true;
	close(*pidfd);
	*pidfd = -1;
	return false;
}

/* May we act on it? For all but root the kernel decides. The real user id is what it decides by, too.
 * Asked after the pidfd was opened: if the pid was used again in between, the signal goes nowhere. */
static bool
is_of(pid_t pid, uid_t owner)
{
	char path[64], line[128];
	unsigned uid = 0;
	bool found = false;
	FILE *f;

	if (geteuid() != 0)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if ((f = fopen(path, "re")) == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line, "Uid: %u", &uid) == 1;
	fclose(f);
	return found && uid == owner;
}

/* A zombie's other threads may hold its lock for a moment longer; its pidfd tells when all are gone. */
static void
await_end(pid_t pid)
{
	struct pollfd p = { .fd = pidfd_open(pid, 0), .events = POLLIN };

	if (p.fd < 0)
		return;
	if (proc_start_ticks(pid, NULL) == 0)
		poll(&p, 1, DYING_MS);
	close(p.fd);
}

/* Has it locked through an open file of its own or inherited; a probe (a shared lock) does not count. */
static bool
holds(pid_t pid, const struct stat *file)
{
	char path[64];
	struct dirent *e;
	struct stat st;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if ((d = opendir(path)) == NULL)
		return false;
	while (!found && (e = readdir(d)) != NULL)
		found = fstatat(dirfd(d), e->d_name, &st, 0) == 0 && st.st_dev == file->st_dev &&
		        st.st_ino == file->st_ino && has_lock(pid, e->d_name);
	closedir(d);
	return found;
}

static bool
has_lock(pid_t pid, const char *number)
{
	char path[64], line[128];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.10s", (int)pid, number);
	if ((f = fopen(path, "re")) == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = strncmp(line, "lock:", 5) == 0 && strstr(line, "FLOCK") != NULL &&
		        strstr(line, "WRITE") != NULL;
	fclose(f);
	return found;
}

/* begin: see begin.h.
 *
 * The lock comes before all that could disturb a running fleet. The socket comes before the
 * privileges go (a port below 1024) and after the take-over (its address is in use). The pipes come
 * after: who makes a pipe owns it, and a later guard of the same user must be able to open it
 * again. */
#include "meta/begin.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/log_file.h"
#include "base/time.h"
#include "meta/holdings.h"
#include "meta/public.h"
#include "meta/runfile.h"
#include "meta/conf.h"
#include "meta/takeover.h"

#define LOCK_PATIENCE (1 * SEC) /* a guard that is just ending, or a --stop that looks */
/* No guard has it, but a process that one left behind between its fork and its exec. */
#define BUSY_PATIENCE (10 * SEC)

static void directories(const struct conf *s);
static int
own_dir(const struct conf *s, int parent, const char *name, const char *path, mode_t mode);
static int lock(const struct conf *s, uint64_t *generation);
static void public_socket(const struct conf *s, struct takeover *t, int given);
static int make_listener(const struct conf *s, struct takeover *t, int given);
static void put_listener(int fd);
static void say_differences(const struct conf *s, const struct takeover *t);
static void say_where(const struct conf *s);

int
guard_begin(
    const struct conf *s, struct holdings *h, bool detached, int given, uint64_t *generation)
{
	struct takeover t;
	int lock_fd;

	umask(027);
	directories(s);
	lock_fd = lock(s, generation);
	public_socket(s, &t, given);
	say_where(s);
	if (access(s->var, W_OK | X_OK) < 0)
		fatal("directory %s: %s for the user of the fleet; give it to that user", s->var,
		    strerror(errno));
	guard_open_log(s, *generation, detached);
	say_differences(s, &t);
	holdings_fill(h, s);
	log_info(
	    "guarding", L_INT("pid", getpid()), L_STR("var", s->var), L_INT("found", h->found));
	return lock_fd;
}

/* Step by step from VAR's own descriptor, no link is followed below it: when root starts the fleet,
 * whoever owns VAR must not be able to aim these changes at another directory in between. VAR itself
 * may be a link. */
static void
directories(const struct conf *s)
{
	bool made = mkdir(s->var, 0755) == 0;
	int var = open(s->var, O_RDONLY | O_DIRECTORY | O_CLOEXEC), run;

	if (var < 0 || (made && s->drop && fchown(var, s->uid, s->gid) < 0))
		fatal("directory %s: %s", s->var, strerror(errno));
	run = own_dir(s, var, "run", conf_path(s, "run"), 0700);
	close(own_dir(s, run, "bus", conf_path(s, "run/bus"), 0700));
	close(own_dir(s, run, "stores", conf_path(s, "run/stores"), 0700));
	close(own_dir(s, var, "log", conf_path(s, "log"), 0750));
	close(own_dir(s, var, "crash", conf_path(s, "crash"), 0700));
	close(run);
	close(var);
}

/* Made where it is missing, and the fleet's alone; its descriptor. */
static int
own_dir(const struct conf *s, int parent, const char *name, const char *path, mode_t mode)
{
	struct stat st;
	int fd;

	if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		fatal("directory %s: %s", path, strerror(errno));
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		fatal("%s is not a directory", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		fatal("directory %s: %s", path, strerror(errno));
	if (st.st_uid != s->uid && (geteuid() != 0 || fchown(fd, s->uid, s->gid) < 0))
		fatal("directory %s belongs to another user; remove it when nothing runs there",
		    path);
	if (fchmod(fd, mode) < 0)
		fatal("directory %s: %s", path, strerror(errno));
	return fd;
}

/* The lock ends with this process: a supervisor that has lost its guard must not keep a new one
 * out. */
static int
lock(const struct conf *s, uint64_t *generation)
{
	const char *path = conf_path(s, "run/guard.run");
	int64_t began = time_now_us(), waited;
	struct contract_run run;
	int fd, pidfd;

	while ((fd = runfile_claim(path, generation)) < 0) {
		if (errno != EWOULDBLOCK)
			fatal("%s: %s", path, strerror(errno));
		waited = time_now_us() - began;
		if (waited >= LOCK_PATIENCE && runfile_probe(path, &run, &pidfd) == RUN_ALIVE)
			fatal("a fleet runs in %s already (guard: pid %d); scripts/stop or "
			      "metafed-meta --stop ends it",
			    s->var, (int)run.pid);
		if (waited >= BUSY_PATIENCE)
			fatal("%s is locked by another process; try again", path);
		usleep(10000);
	}
	fd = held_high(fd);
	if (s->drop && fchown(fd, s->uid, s->gid) < 0)
		fatal("%s: %s", path, strerror(errno));
	if (!runfile_enter(fd, *generation))
		fatal("%s: %s", path, strerror(errno));
	return fd;
}

static void
public_socket(const struct conf *s, struct takeover *t, int given)
{
	int fd = -1;

	takeover_run(t, s);
	if (t->listener < 0 && !t->denied)
		fd = make_listener(s, t, given);
	if (s->drop)
		guard_drop_privileges(s);
	if (t->listener < 0 && t->denied)
		takeover_fetch_again(t, s);
	if (t->listener < 0 && t->denied) {
		takeover_evict(t, s);
		fd = make_listener(s, t, given);
	}
	if (given >= 0 && !t->given)
		close(given); /* nobody is sent away from the one that `api` listens on */
	put_listener(t->listener >= 0 ? t->listener : fd);
}

/* What is handed down is held to what `listen` is held to. */
static int
make_listener(const struct conf *s, struct takeover *t, int given)
{
	char err[256] = "", name[64];
	int fd = given;

	if (given < 0)
		fd = public_open(s->listen, err, sizeof(err));
	else if (!public_name(given, name, sizeof(name)) ||
		 !public_check(name, s->tls || s->behind_proxy, err, sizeof(err)))
		fd = -1;
	if (fd < 0)
		fatal("%s", err);
	t->given = given >= 0;
	return fd;
}

/* The guard never execs, so the kernel would keep it closed to its own user (not "dumpable"), and
 * with it a later guard's way to these descriptors. It holds no secret. */
void
guard_drop_privileges(const struct conf *s)
{
	struct passwd *pw = getpwuid(s->uid);

	if (pw == NULL || initgroups(pw->pw_name, s->gid) < 0 || setgid(s->gid) < 0 ||
	    setuid(s->uid) < 0)
		fatal("user %s: %s", s->user, strerror(errno));
	if (setuid(0) == 0)
		fatal("user %s: the way back to root is open", s->user);
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		fatal("user %s: %s", s->user, strerror(errno));
	setenv("HOME", pw->pw_dir, 1);
	setenv("USER", pw->pw_name, 1);
	setenv("LOGNAME", pw->pw_name, 1);
}

static void
put_listener(int fd)
{
	if (dup3(fd, HELD_LISTENER, O_CLOEXEC) < 0)
		fatal("descriptors: %s", strerror(errno));
	close(fd);
}

/* What of the take-over did not go as the operator may expect. */
static void
say_differences(const struct conf *s, const struct takeover *t)
{
	const char *colon = strrchr(s->listen, ':');
	char have[64];

	if (t->evicted != 0)
		log_warn("listener_not_fetched", L_STR("error", strerror(t->error)),
		    L_INT("api", t->evicted),
		    L_STR("then",
			"api is started anew, connections that waited in its backlog are lost"));
	if (!t->given && public_name(HELD_LISTENER, have, sizeof(have)) &&
	    strcmp(have, s->listen) != 0 && strcmp(colon, ":0") != 0 &&
	    strncmp(s->listen, "localhost:", 10) != 0)
		log_warn("listen_unchanged", L_STR("is", have), L_STR("configured", s->listen),
		    L_STR("then", "the running fleet keeps its address until it is stopped"));
}

/* run/listen: where we really listen, for scripts (the port may have been 0). */
static void
say_where(const struct conf *s)
{
	const char *path = conf_path(s, "run/listen"), *temporary = conf_path(s, "run/listen.new");
	char name[64];
	FILE *f = fopen(temporary, "we");

	if (f == NULL || !public_name(HELD_LISTENER, name, sizeof(name)) ||
	    fprintf(f, "%s\n", name) < 0 || fclose(f) != 0 || rename(temporary, path) < 0)
		fatal("%s: %s", path, strerror(errno));
}

void
guard_open_log(const struct conf *s, uint64_t generation, bool detached)
{
	enum log_level level = LOG_INFO;
	int fd = s->log_stderr ? STDERR_FILENO : log_file_open(s->var, "guard");

	if (fd < 0)
		fatal("%s: %s", conf_path(s, "log/guard.log"), strerror(errno));
	if (fd != STDERR_FILENO)
		fd = held_high(fd);
	log_init("guard", generation, fd);
	log_file_use(fd, s->var, "guard", s->log_file_bytes, s->log_budget);
	if (s->log_level != NULL) /* else only VAR was asked for */
		log_level_from_name(s->log_level, &level);
	log_set_level(level);
	if (detached)
		dup2(fd, STDERR_FILENO);
}

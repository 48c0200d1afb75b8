/* upgrade_job: see upgrade_job.h. */
#include "meta/upgrade_job.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "meta/precheck.h"

static void run(struct work *w);
static void on_done(struct work *w, bool dropped);
static void plan(struct upgrade_job *j);
static void plan_step(struct upgrade_step *s, pid_t pid);
static void check(struct upgrade_job *j);
static bool check_file(struct upgrade_step *s);
static void save(struct upgrade_job *j);
static void drop(struct upgrade_job *j);
static bool put(int fd, const char *text);
static bool sync_dir(const char *path);

void
upgrade_job_start(struct work_pool *p, struct upgrade_job *j)
{
	j->work.run = run;
	j->work.done = on_done;
	if (!work_start(p, &j->work))
		on_done(&j->work, true);
}

static void
run(struct work *w)
{
	struct upgrade_job *j = container_of(w, struct upgrade_job, work);

	switch (j->kind) {
	case UPGRADE_PLAN:
		plan(j);
		break;
	case UPGRADE_LOOK:
		j->good = image_of_process(j->pids[0], &j->now);
		if (!j->good)
			snprintf(j->wrong, sizeof(j->wrong), "its executable can't be seen: %s",
			    strerror(errno));
		break;
	case UPGRADE_CHECK:
		check(j);
		break;
	case UPGRADE_SAVE:
		save(j);
		break;
	case UPGRADE_DROP:
		drop(j);
		break;
	}
}

static void
on_done(struct work *w, bool dropped)
{
	struct upgrade_job *j = container_of(w, struct upgrade_job, work);

	if (dropped) {
		j->good = false;
		snprintf(j->wrong, sizeof(j->wrong),
		    "there is no room for the work of an upgrade; try again");
	}
	j->done(j);
	free(j->text);
	free(j);
}

/* Good: nothing stands against it. Else the steps say what. */
static void
plan(struct upgrade_job *j)
{
	j->good = true;
	for (unsigned i = 0; i < j->u.n; i++) {
		plan_step(&j->u.steps[i], j->pids[i]);
		j->good = j->good && j->u.steps[i].error[0] == '\0';
	}
}

static void
plan_step(struct upgrade_step *s, pid_t pid)
{
	char path[PATH_MAX];

	s->took_ms = -1;
	if (pid > 0 && !image_of_process(pid, &s->from)) {
		snprintf(
		    s->error, sizeof(s->error), "what it runs can't be seen: %s", strerror(errno));
		return;
	}
	image_path(upgrade_executable(s->node), path);
	if (!image_of_file(path, &s->to)) {
		snprintf(s->error, sizeof(s->error), "its executable is of no use: %s",
		    errno == ENOEXEC ? "it is no program of this machine" : strerror(errno));
		return;
	}
	s->state = pid > 0 && image_same(&s->from, &s->to) ? UP_UNCHANGED : UP_WAITING;
	if (s->state == UP_WAITING)
		check_file(s);
}

/* Once more, right before its turn: the file is what was planned, and it would start. */
static void
check(struct upgrade_job *j)
{
	struct upgrade_step *s = &j->u.steps[0];
	char path[PATH_MAX];
	struct image now;

	image_path(upgrade_executable(s->node), path);
	s->error[0] = '\0';
	if (!image_of_file(path, &now) || !image_same(&now, &s->to))
		snprintf(s->error, sizeof(s->error),
		    "its executable was replaced once more since the upgrade began");
	else
		check_file(s);
	snprintf(j->wrong, sizeof(j->wrong), "%s", s->error);
	j->good = j->wrong[0] == '\0';
}

static bool
check_file(struct upgrade_step *s)
{
	struct image own;
	const char *wrong;
	char said[512];

	if (!image_of_process(getpid(), &own))
		snprintf(s->error, sizeof(s->error), "our own executable can't be seen: %s",
		    strerror(errno));
	else if ((wrong = upgrade_fits(&own, &s->to)) != NULL)
		snprintf(s->error, sizeof(s->error), "%s", wrong);
	else if (!precheck_run(upgrade_executable(s->node), said, sizeof(said)))
		snprintf(s->error, sizeof(s->error), "would not start: %s", said);
	return s->error[0] == '\0';
}

/* Whole or not at all, whenever the machine stops. */
static void
save(struct upgrade_job *j)
{
	char fresh[PATH_MAX + 8];
	int fd;

	snprintf(fresh, sizeof(fresh), "%s.new", j->path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	j->good = fd >= 0 && put(fd, j->text) && rename(fresh, j->path) == 0 && sync_dir(j->path);
	if (!j->good)
		snprintf(j->wrong, sizeof(j->wrong), "%.256s can't be written: %s", j->path,
		    strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void
drop(struct upgrade_job *j)
{
	size_t n = strlen(j->text);
	char *now = mem_zalloc(n + 1);
	int fd = open(j->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool same =
	    fd >= 0 && pread(fd, now, n + 1, 0) == (ssize_t)n && memcmp(now, j->text, n) == 0;

	if (fd >= 0)
		close(fd);
	free(now);
	j->good = !same || (unlink(j->path) == 0 && sync_dir(j->path));
	if (!j->good)
		snprintf(j->wrong, sizeof(j->wrong), "%.256s can't be removed: %s", j->path,
		    strerror(errno));
}

static bool
put(int fd, const char *text)
{
	size_t n = strlen(text), at = 0;
	ssize_t k = 0;

	while (at < n && ((k = write(fd, text + at, n - at)) > 0 || (k < 0 && errno == EINTR)))
		at += k > 0 ? (size_t)k : 0;
	return at == n && fsync(fd) == 0;
}

static bool
sync_dir(const char *path)
{
	char copy[PATH_MAX];
	bool good;
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	good = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return good;
}

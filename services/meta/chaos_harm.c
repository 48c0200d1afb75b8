/* chaos_harm: signals, orders to the supervisor, a file that takes all the room there is. */
#include "meta/chaos_harm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "meta/meta.h"
#include "node/node.h"

#define PATH_SIZE 300

struct doing {
	struct harm *h;
	struct meta *m;
	const struct chaos_order *o;
	char *said;
	size_t said_size;
	const char **why;
};
typedef enum status begin_fn(const struct doing *d);

static begin_fn begin_kill, begin_stop, begin_store_down, begin_disk_full;
static enum status has_own_room(const struct meta *, const char **);
static bool is_only_mount(uint64_t, bool *);
static enum status fill(const struct doing *, const char *);

void
harm_init(struct harm *h)
{
	*h = (struct harm){ -1, -1 };
}

const char *
harm_faults(const struct meta *m, const struct chaos_order *o, struct arena *a)
{
	switch (o->action) {
	case CHAOS_KILL:
		return fleet_state_local(m->fleet) ? NULL : "*: crash=1";
	case CHAOS_DELAY:
		return arena_printf(a, "*: delay=%u:%.9g", o->delay_ms, o->probability);
	case CHAOS_DROP:
		return arena_printf(a, "*: drop=%.9g", o->probability);
	case CHAOS_ERROR:
		return arena_printf(a, "*: error=%.9g", o->probability);
	case CHAOS_PARTITION:
		return arena_printf(a, "cut=%s", o->peer);
	case CHAOS_CLOCK_STEP:
		return arena_printf(a, "clock=%d", o->step_ms);
	case CHAOS_STOP:
	case CHAOS_STORE_DOWN:
	case CHAOS_DISK_FULL:
	case CHAOS_ACTIONS:
		break;
	}
	return NULL;
}

enum status
harm_can(const struct meta *m, const struct chaos_order *o, const char **why)
{
	return o->action == CHAOS_DISK_FULL ? has_own_room(m, why) : ST_OK;
}

enum status
harm_begin(struct harm *h, struct meta *m, const struct chaos_order *o, char *said,
    size_t said_size, const char **why)
{
	static begin_fn *const begins[CHAOS_ACTIONS] = {
		[CHAOS_KILL] = begin_kill,
		[CHAOS_STOP] = begin_stop,
		[CHAOS_STORE_DOWN] = begin_store_down,
		[CHAOS_DISK_FULL] = begin_disk_full,
	};
	const struct doing d = { h, m, o, said, said_size, why };

	must(begins[o->action] != NULL);
	return begins[o->action](&d);
}

void
harm_end(struct harm *h, struct meta *m, const struct chaos_order *o)
{
	const char *why;

	if (h->pidfd >= 0) {
		(void)pidfd_send_signal(h->pidfd, SIGCONT, NULL, 0);
		close(h->pidfd);
	}
	if (h->ballast >= 0)
		close(h->ballast);
	harm_init(h);
	if (o->action == CHAOS_STORE_DOWN &&
	    fleet_state_order(m->fleet, o->target, VERB_START, &why) != ST_OK)
		log_error("chaos_store", L_STR("target", o->target), L_STR("why", why));
}

void
harm_path(const struct meta *m, const char *below, char *out, size_t out_size)
{
	snprintf(out, out_size, "%s/%s", m->node != NULL ? node_var(m->node) : ".", below);
}

static enum status
begin_kill(const struct doing *d)
{
	const struct fleet_row *r = fleet_state_find(d->m->fleet, d->o->target);

	snprintf(d->said, d->said_size, "%s, pid %d, is killed", r->name, r->pid);
	return fleet_state_order(d->m->fleet, r->name, VERB_KILL, d->why);
}

static enum status
begin_stop(const struct doing *d)
{
	const struct fleet_row *r = fleet_state_find(d->m->fleet, d->o->target);
	int fd = r->pid > 0 ? pidfd_open(r->pid, 0) : -1;

	if (fd < 0 || pidfd_send_signal(fd, SIGSTOP, NULL, 0) < 0) {
		if (fd >= 0)
			close(fd);
		*d->why = "the process can't be signalled";
		return ST_UNAVAILABLE;
	}
	d->h->pidfd = fd;
	snprintf(d->said, d->said_size, "%s, pid %d, is stopped", r->name, r->pid);
	return ST_OK;
}

static enum status
begin_store_down(const struct doing *d)
{
	snprintf(d->said, d->said_size, "%s is ended", d->o->target);
	return fleet_state_order(d->m->fleet, d->o->target, VERB_STOP, d->why);
}

static enum status
begin_disk_full(const struct doing *d)
{
	char var[PATH_SIZE];
	enum status s = has_own_room(d->m, d->why);

	harm_path(d->m, "", var, sizeof(var));
	return s == ST_OK ? fill(d, var) : s;
}

/* Only where nobody else's room is taken. */
static enum status
has_own_room(const struct meta *m, const char **why)
{
	char var[PATH_SIZE];
	struct statx at;
	bool own = false;

	harm_path(m, "", var, sizeof(var));
	if (statx(AT_FDCWD, var, 0, STATX_MNT_ID, &at) < 0 ||
	    ((at.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 &&
		!is_only_mount(at.stx_mnt_id, &own))) {
		*why = "VAR can't be looked at";
		return ST_UNAVAILABLE;
	}
	if (!own) {
		*why = "VAR lies on a file system that others use, and a full one would stop "
		       "others than this fleet: give VAR a file system of its own, mounted there "
		       "alone";
		return ST_FAILED_PRECONDITION;
	}
	return ST_OK;
}

/* A whole file system and nowhere else: a directory of another one that is bound to this place, as the
 * volumes of containers are, is a part of somebody's disk. False: nobody knows. */
static bool
is_only_mount(uint64_t id, bool *only)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, device[32], its[32] = "", root[8];
	unsigned long long n;
	unsigned mounts = 0;
	size_t size = 0;

	if (f == NULL)
		return false;
	for (int pass = 0; pass < 2; pass++, rewind(f))
		while (getline(&line, &size, f) > 0)
			if (sscanf(line, "%llu %*u %31s %7s", &n, device, root) != 3)
				continue;
			else if (pass == 0 && n == id && strcmp(root, "/") == 0)
				memcpy(its, device, sizeof(its));
			else if (pass == 1)
				mounts += strcmp(device, its) == 0;
	free(line);
	fclose(f);
	*only = mounts == 1;
	return true;
}

/* The file has no name: when we are gone, so is it. That the last blocks can't be had is what is
 * wanted. */
static enum status
fill(const struct doing *d, const char *var)
{
	struct statvfs fs;
	int fd = open(var, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), error;
	off_t room;

	if (fd < 0 || fstatvfs(fd, &fs) < 0) {
		if (fd >= 0)
			close(fd);
		*d->why = "no file can be made in VAR";
		return ST_UNAVAILABLE;
	}
	room = (off_t)(fs.f_bavail * fs.f_frsize);
	/* not posix_fallocate: where there is no such call it writes to each block, for minutes */
	do
		error = fallocate(fd, 0, 0, room) == 0 ? 0 : errno;
	while (error == EINTR);
	if (error != 0 && error != ENOSPC) {
		close(fd);
		*d->why = "the file system of VAR gives no room at once";
		return ST_UNIMPLEMENTED;
	}
	d->h->ballast = fd;
	snprintf(d->said, d->said_size, "%lld MiB of %s are taken", (long long)(room >> 20), var);
	return ST_OK;
}

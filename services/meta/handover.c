/* handover: see handover.h. Nothing of it is believed: each descriptor must be there and of its kind. */
#include "meta/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "meta/holdings.h"
#include "meta/public.h"

#define SLOTS_MOST 64
#define SEALS      (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static const char magic[8] = "MFGUARD";

struct handover_head {
	char magic[8];
	uint32_t format;
	uint32_t slots;     /* so many follow */
	uint32_t note_size; /* of each slot, and of what the supervisor writes */
	int32_t lock, notes_r, words_w;
	int32_t supervisor;
	uint32_t stopping, hurry, found;
	uint64_t supervisor_generation, guard_generation;
};

struct handover_slot { /* then note_size bytes */
	char name[24];
	int32_t status_r, status_w, life_r, life_w; /* -1: none */
	int32_t commands_r, commands_w, reports_r, reports_w;
	uint64_t blind_generation;
};

typedef void each_fn(int fd, mode_t kind, void *ctx);

static bool write_all(int fd, const void *p, size_t n);
static bool write_slot(int fd, const struct handover *o, const struct holdings *h, int slot);
static void each_fd(const struct handover *o, const struct holdings *h, each_fn *fn, void *ctx);
static void set_cloexec(int fd, mode_t kind, void *over_exec);
static bool read_at(int fd, void *p, size_t n, off_t *at);
static bool
read_slots(int fd, const struct handover_head *d, struct handover *o, struct holdings *h, off_t at);
static void look(int fd, mode_t kind, void *wrong);

int
handover_write(const struct handover *o, const struct holdings *h)
{
	struct handover_head d = { .format = HANDOVER_FORMAT,
		.slots = FLEET_SLOTS,
		.note_size = sizeof(struct super_note),
		.lock = o->lock,
		.notes_r = o->notes_r,
		.words_w = o->words_w,
		.supervisor = o->supervisor,
		.stopping = o->stopping,
		.hurry = o->hurry,
		.found = h->found,
		.supervisor_generation = o->supervisor_generation,
		.guard_generation = o->guard_generation };
	int fd = memfd_create("metafed-guard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	bool good;

	if (fd < 0)
		return -1;
	fd = held_high(fd);
	memcpy(d.magic, magic, sizeof(magic));
	good = write_all(fd, &d, sizeof(d));
	for (int i = 0; i < FLEET_SLOTS && good; i++)
		good = write_slot(fd, o, h, i);
	if (good && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	close(fd);
	return -1;
}

void
handover_keep(int fd, const struct handover *o, const struct holdings *h, bool over_exec)
{
	set_cloexec(fd, 0, &over_exec);
	each_fd(o, h, set_cloexec, &over_exec);
}

bool
handover_read(int fd, struct handover *o, struct holdings *h, char *err, size_t n)
{
	struct handover_head d;
	int wrong = -1;
	off_t at = 0;

	*o = (struct handover){ .lock = -1 };
	memset(h, 0, sizeof(*h));
	for (int i = 0; i < FLEET_SLOTS; i++)
		h->slot[i] = (struct holding){ -1, -1, -1, -1, -1, -1, -1, -1, 0 };
	if (!read_at(fd, &d, sizeof(d), &at) || memcmp(d.magic, magic, sizeof(magic)) != 0) {
		snprintf(err, n, "descriptor %d is nothing that a guard left", fd);
		return false;
	}
	if (d.format != HANDOVER_FORMAT || d.slots > SLOTS_MOST || d.note_size > PIPE_BUF) {
		snprintf(err, n,
		    "the guard leaves its things in format %u, this one takes %d: stop the fleet "
		    "and start it again",
		    d.format, HANDOVER_FORMAT);
		return false;
	}
	o->lock = d.lock;
	o->notes_r = d.notes_r;
	o->words_w = d.words_w;
	o->supervisor = d.supervisor;
	o->supervisor_generation = d.supervisor_generation;
	o->guard_generation = d.guard_generation;
	o->stopping = d.stopping != 0;
	o->hurry = d.hurry != 0;
	o->notes_differ = d.note_size != sizeof(struct super_note);
	h->found = d.found;
	if (!read_slots(fd, &d, o, h, at)) {
		snprintf(err, n, "what the guard left is cut short");
		return false;
	}
	each_fd(o, h, look, &wrong);
	if (wrong < 0)
		return true;
	snprintf(err, n, "descriptor %d, which the guard left, is not what it should be", wrong);
	return false;
}

static bool
write_all(int fd, const void *p, size_t n)
{
	return write(fd, p, n) == (ssize_t)n; /* memory: whole, or there is none left */
}

static bool
write_slot(int fd, const struct handover *o, const struct holdings *h, int slot)
{
	const struct holding *k = &h->slot[slot];
	struct handover_slot s = { .status_r = k->status_r,
		.status_w = k->status_w,
		.life_r = k->life_r,
		.life_w = k->life_w,
		.commands_r = k->commands_r,
		.commands_w = k->commands_w,
		.reports_r = k->reports_r,
		.reports_w = k->reports_w,
		.blind_generation = k->blind_generation };

	snprintf(s.name, sizeof(s.name), "%s", fleet_table[slot].name);
	return write_all(fd, &s, sizeof(s)) && write_all(fd, &o->memo[slot], sizeof(o->memo[slot]));
}

static void
each_fd(const struct handover *o, const struct holdings *h, each_fn *fn, void *ctx)
{
	const int pipes[] = { o->notes_r, o->words_w };

	fn(o->lock, S_IFREG, ctx);
	fn(HELD_LISTENER, S_IFSOCK, ctx);
	for (size_t i = 0; i < sizeof(pipes) / sizeof(pipes[0]); i++)
		fn(pipes[i], S_IFIFO, ctx);
	for (int i = 0; i < FLEET_SLOTS; i++) {
		const struct holding *k = &h->slot[i];
		const int all[] = { k->status_r, k->status_w, k->life_r, k->life_w, k->commands_r,
			k->commands_w, k->reports_r, k->reports_w };

		for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++)
			if (all[j] >= 0)
				fn(all[j], S_IFIFO, ctx);
	}
}

static void
set_cloexec(int fd, mode_t kind, void *over_exec)
{
	(void)kind;
	fcntl(fd, F_SETFD, *(const bool *)over_exec ? 0 : FD_CLOEXEC);
}

static bool
read_at(int fd, void *p, size_t n, off_t *at)
{
	ssize_t got = pread(fd, p, n, *at);

	*at += (off_t)n;
	return got == (ssize_t)n;
}

static bool
read_slots(int fd, const struct handover_head *d, struct handover *o, struct holdings *h, off_t at)
{
	for (uint32_t i = 0; i < d->slots; i++) {
		struct handover_slot s;
		struct super_note note;
		int slot;

		if (!read_at(fd, &s, sizeof(s), &at))
			return false;
		s.name[sizeof(s.name) - 1] = '\0';
		slot = fleet_find(s.name);
		if (o->notes_differ)
			at += d->note_size;
		else if (!read_at(fd, &note, sizeof(note), &at))
			return false;
		else if (slot >= 0)
			o->memo[slot] = note;
		if (slot >= 0)
			h->slot[slot] = (struct holding){ s.status_r, s.status_w, s.life_r,
				s.life_w, s.commands_r, s.commands_w, s.reports_r, s.reports_w,
				s.blind_generation };
	}
	return true;
}

static void
look(int fd, mode_t kind, void *wrong)
{
	char name[64];
	struct stat st;

	if (fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != kind ||
	    (kind == S_IFSOCK ? !public_name(fd, name, sizeof(name)) : fd < HELD_LOWEST))
		*(int *)wrong = fd;
}

/* renew: see renew.h. */
#include "meta/renew.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"

struct kept {
	int fd;
	const struct handover *o;
	const struct holdings *h;
};

static char *const *arguments(const struct conf *s, int fd, bool check);
static bool is_asked(const struct renew *r, const char *exe);
static void keep(void *kept);
static void say(const char *why);

void
renew_init(struct renew *r, const struct conf *s)
{
	*r = (struct renew){ .settings = s, .check = CHECKER_NONE };
}

void
renew_ask(struct renew *r, const struct handover *o, const struct holdings *h, int64_t now)
{
	struct kept k = { handover_write(o, h), o, h };
	const char *why = strerror(errno);
	char *const *args = arguments(r->settings, k.fd, true);

	if (k.fd >= 0 && stat(args[0], &r->asked) < 0)
		say(strerror(errno));
	else if (k.fd < 0 || !checker_start(&r->check, args, keep, &k, now, &why))
		say(why);
	if (k.fd >= 0)
		close(k.fd);
}

bool
renew_ended(struct renew *r, int status)
{
	bool good = checker_ended(&r->check, status);

	if (!good)
		checker_each(&r->check, say);
	return good;
}

void
renew_now(const struct renew *r, const struct handover *o, const struct holdings *h)
{
	int fd = handover_write(o, h);
	char *const *args = arguments(r->settings, fd, false);

	if (fd < 0) {
		say(strerror(errno));
		return;
	}
	if (!is_asked(r, args[0])) {
		say("the executable was replaced while it was checked");
		close(fd);
		return;
	}
	log_info("renewing", L_STR("executable", args[0]));
	handover_keep(fd, o, h, true);
	log_hand_over();
	execv(args[0], args);
	log_take_over();
	say(strerror(errno));
	handover_keep(fd, o, h, false);
	close(fd);
}

static char *const *
arguments(const struct conf *s, int fd, bool check)
{
	static char number[24];
	const char *const more[] = { "--resume", number, check ? "--check" : NULL, NULL };

	snprintf(number, sizeof(number), "%d", fd);
	return guard_arguments(s, more);
}

static bool
is_asked(const struct renew *r, const char *exe)
{
	const struct stat *was = &r->asked;
	struct stat st;

	return stat(exe, &st) == 0 && st.st_dev == was->st_dev && st.st_ino == was->st_ino &&
	       st.st_size == was->st_size && st.st_mtim.tv_sec == was->st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == was->st_mtim.tv_nsec;
}

static void
keep(void *kept)
{
	const struct kept *k = kept;

	handover_keep(k->fd, k->o, k->h, true);
}

static void
say(const char *why)
{
	log_write(LOG_ERROR, NULL, "renewal_refused",
	    (const struct log_field[]){ L_STR("error", why),
		L_STR("then", "guard and supervisor go on as they are"), { .key = NULL } });
}

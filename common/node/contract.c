/* contract: the node's side of contract.h: status records out on 3, the life line on 4, the
 * listener on 5.
 *
 * Nothing here may hold the node up: descriptor 3 does not block (O_NONBLOCK belongs to the open
 * file; guard and supervisor only read), a record that does not go is skipped, the next one comes
 * in half a second. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "node/inside.h"

#define LIFE_TICK_US (200 * MS) /* how often an orphan looks for a new supervisor */

static bool flag(const char *name);
static const char *one_of_meta(const char *name);
static bool life_has_ended(void);
static void on_beat(struct timer *t);
static void on_life(uv_poll_t *h, int status, int events);
static void on_life_tick(struct timer *t);

void
contract_take(struct node *n)
{
	const char *generation = getenv("METAFED_GENERATION"), *name = getenv("METAFED_NODE");
	int yes = 0;
	socklen_t size = sizeof(yes);

	n->supervised = flag("METAFED_SUPERVISED");
	n->listener = -1;
	if (n->supervised) {
		for (int fd = CONTRACT_STATUS; fd <= CONTRACT_REPORTS; fd++)
			fcntl(fd, F_SETFD,
			    FD_CLOEXEC); /* one that is not there says EBADF: as it should be */
	}
	signal(SIGPIPE, SIG_IGN);
	if (flag("METAFED_LISTENER")) {
		if (getsockopt(CONTRACT_LISTENER, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) < 0 ||
		    !yes)
			fatal("METAFED_LISTENER is set, but descriptor 5 is no listening socket");
		fcntl(CONTRACT_LISTENER, F_SETFD, FD_CLOEXEC);
		n->listener = CONTRACT_LISTENER;
	}
	n->generation = (uint64_t)time_wall_us(); /* later starts have larger numbers */
	if (generation != NULL && !str_u64(str_of(generation), UINT64_MAX, &n->generation))
		fatal("METAFED_GENERATION: \"%s\" is no number", generation);
	if (name != NULL && fleet_is_meta(name) && fleet_is_meta(n->def->name))
		n->name = one_of_meta(name);
	if (!n->supervised)
		return;
	if (name != NULL && strcmp(name, n->name) != 0)
		fatal("started as %s, but this is %s", name, n->def->name);
	if (fcntl(CONTRACT_STATUS, F_GETFD) < 0 || fcntl(CONTRACT_LIFE, F_GETFD) < 0)
		fatal("METAFED_SUPERVISED is set, but the descriptors of the supervisor are not "
		      "open");
}

void
contract_start(struct node *n)
{
	if (!n->supervised)
		return;
	fcntl(CONTRACT_STATUS, F_SETFL, fcntl(CONTRACT_STATUS, F_GETFL) | O_NONBLOCK);
	fcntl(CONTRACT_LIFE, F_SETFL, fcntl(CONTRACT_LIFE, F_GETFL) | O_NONBLOCK);
	timer_init(&n->beat, n->loop, on_beat);
	timer_init(&n->life_tick, n->loop, on_life_tick);
	if (uv_poll_init(loop_uv(n->loop), &n->life, CONTRACT_LIFE) != 0)
		fatal("descriptor 4 can't be watched: is it a pipe?");
	uv_poll_start(&n->life, UV_READABLE | UV_DISCONNECT, on_life);
	on_beat(&n->beat);
}

void
contract_say(struct node *n)
{
	uint32_t load = n->bus == NULL ? 0 : bus_in_flight(n->bus);
	const struct contract_status s = { .generation = (uint32_t)n->generation,
		.state = (uint8_t)n->state,
		.load = (uint16_t)(load < UINT16_MAX ? load : UINT16_MAX),
		.at_us = time_now_us() };

	if (n->supervised && write(CONTRACT_STATUS, &s, sizeof(s)) < 0 && errno != EAGAIN &&
	    errno != EPIPE)
		log_debug("status_skipped", L_STR("error", strerror(errno)));
}

/* Our descriptors close at the exec, the lock of the run file with them. A guard that came while we
 * drained holds the life line again: then nobody is to be swept away. */
void
contract_leave(const struct node *n)
{
	const char *sweep = getenv("METAFED_SWEEP"), *var = n->first->common.var;

	if (!n->abandoned || sweep == NULL || !life_has_ended())
		return;
	unsetenv("METAFED_SUPERVISED");
	unsetenv("METAFED_NODE");
	execl(sweep, sweep, "--var", var, "--sweep", (char *)NULL);
	log_error("sweep", L_STR("program", sweep), L_STR("error", strerror(errno)));
}

/* It would lead one day, and nobody would call it. */
static const char *
one_of_meta(const char *name)
{
	for (const char *const *m = fleet_meta(); *m != NULL; m++)
		if (strcmp(*m, name) == 0)
			return *m;
	fatal("METAFED_NODE is %s, but as METAFED_STANDBYS says, there is none", name);
}

static bool
flag(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && strcmp(v, "1") == 0;
}

static void
on_beat(struct timer *t)
{
	struct node *n = container_of(t, struct node, beat);

	contract_say(n);
	timer_in(t, CONTRACT_BEAT_US);
}

/* Nobody writes on the life line: that it is readable means that the last writer has gone. */
static void
on_life(uv_poll_t *h, int status, int events)
{
	struct node *n = container_of(h, struct node, life);
	char drop[64];

	(void)events;
	if (status >= 0 && read(CONTRACT_LIFE, drop, sizeof(drop)) > 0)
		return;
	if (!life_has_ended())
		return;
	uv_poll_stop(h); /* it would report its end for ever */
	n->orphan_since_us = loop_now(n->loop);
	log_warn("supervisor_lost", L_INT("grace_ms", n->now->common.life_grace_us / MS));
	timer_in(&n->life_tick, LIFE_TICK_US);
}

/* A new supervisor opens the same pipe for writing through /proc: then its end is taken back. */
static void
on_life_tick(struct timer *t)
{
	struct node *n = container_of(t, struct node, life_tick);

	if (!life_has_ended()) {
		log_info("supervisor_back",
		    L_INT("after_ms", (loop_now(n->loop) - n->orphan_since_us) / MS));
		n->orphan_since_us = 0;
		uv_poll_start(&n->life, UV_READABLE | UV_DISCONNECT, on_life);
		contract_say(n);
	} else if (loop_now(n->loop) - n->orphan_since_us >= n->now->common.life_grace_us) {
		n->abandoned = true;
		node_drain(n);
	} else {
		timer_in(t, LIFE_TICK_US);
	}
}

static bool
life_has_ended(void)
{
	struct pollfd p = { .fd = CONTRACT_LIFE, .events = POLLIN };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

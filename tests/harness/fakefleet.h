/* fakefleet: a fleet of fakenodes (fakenode.h) below a directory of its own, under a real guard and
 * supervisor. For node tests.
 *
 * The test executable is all of them: fake_main() turns it into the guard when it is called
 * metafed-meta, or into the node that its environment names. A guard in the foreground dies with
 * the test (PDEATHSIG), and with it the whole fleet; a test that is asked to end stops its fleet
 * first. */
#ifndef HARNESS_FAKEFLEET_H
#define HARNESS_FAKEFLEET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/time.h"
#include "meta/fleet.h"

#define FAKE_LIMIT (15 * SEC)
#define UNTIL(cond)                                                                                \
	for (int64_t until_ = time_now_us() + FAKE_LIMIT; !(cond); fake_pause(2))                  \
	assert_true(time_now_us() < until_)

struct fleet {
	char var[200];
	pid_t guard;               /* of fake_start */
	const char *user, *stores; /* keys of the guard, NULL: not given */
	uid_t run_as;              /* whoever starts it; 0: we */
};

/* First thing in main. Returns only in the test itself. */
void fake_main(int argc, char **argv);

int fake_setup(void **state); /* of cmocka: *state is a struct fleet, nothing runs */
/* Whatever a test did: nobody is left, nobody ran twice, everybody had exactly his descriptors;
 * else -1. */
int fake_teardown(void **state);

void fake_give(struct fleet *f, uid_t uid, gid_t gid);  /* the directory, before the start */
void fake_start(struct fleet *f);                       /* a guard in the foreground */
void fake_up(struct fleet *f, pid_t pids[FLEET_SLOTS]); /* and waits until all are READY */
pid_t fake_run(const struct fleet *f, const char *option,
    int err);                            /* metafed-meta; err: its standard error, or -1 */
int fake_ended(pid_t pid);               /* waits; exit status, or 128 + signal */
void fake_kill_keepers(struct fleet *f); /* guard and supervisor, SIGKILL */
void fake_pause(int ms);                 /* also reaps what comes to us as orphans */

const char *fake_path(const struct fleet *f, const char *dir, const char *name);
void fake_put(const struct fleet *f, const char *name, const char *text); /* VAR/fake/NAME */
unsigned
fake_history(const struct fleet *f, const char *text);   /* how many of its lines hold the text */
pid_t fake_pid(const struct fleet *f, const char *name); /* by run file; 0: does not run */
int fake_table(const struct fleet *f, const char *name,
    const char *state); /* pid as meta was told; -1: other state */
int fake_restarts(const struct fleet *f, const char *name);
bool fake_ready(const struct fleet *f, const char *name);
bool
fake_replaced(const struct fleet *f, const char *name, pid_t old); /* READY, and not this one */
bool fake_all_ready(const struct fleet *f);
void fake_pids(const struct fleet *f, pid_t pids[FLEET_SLOTS]);

/* The fleet's public address: its port, a connection that is never refused, and whose answer there is
 * to it; that closes the connection. */
uint16_t fake_port(const struct fleet *f);
int fake_dial(uint16_t port);
pid_t fake_answer(int fd);

#endif

/* private_fleet: a whole fleet of its own for a measurement: the thirteen executables that lie beside
 * ours, with private stores, in a new directory below TMPDIR. Nothing listens beyond loopback.
 *
 * Everything that is started dies with the process that started it, however that ends: the guard is
 * its child and gets SIGTERM from the kernel. Started by root it runs as an unprivileged user. */
#ifndef RELIABILITY_PRIVATE_FLEET_H
#define RELIABILITY_PRIVATE_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct private_fleet;

/* Makes the directory and the stores, starts nothing. NULL: err says why. Takes a second or two. */
struct private_fleet *private_fleet_new(const char *dir, char *err, size_t err_size);
void private_fleet_free(struct private_fleet **f); /* ends what runs; the directory stays */
/* A new directory in TMPDIR, whose name is short enough for sockets. False: err says why. */
bool private_fleet_dir(char *out, size_t size, char *err, size_t err_size);
/* Ends whatever still runs there, waits for the orphans that the caller has got (he has no other
 * children), then removes it. */
void private_fleet_remove(const char *dir);

/* With these lines of configuration: those of all nodes first, then "[NODE]" and what only it gets.
 * Returns when the guard runs, not when the nodes are READY. */
bool private_fleet_start(struct private_fleet *f, const char *settings, char *err, size_t err_size);
void private_fleet_stop(struct private_fleet *f); /* returns when everybody is gone */
bool private_fleet_runs(struct private_fleet *f); /* the guard lives */

const char *private_fleet_var(const struct private_fleet *f);
const char *private_fleet_config(const struct private_fleet *f);          /* its file */
pid_t private_fleet_pid(const struct private_fleet *f, const char *name); /* 0: nobody lives */
/* A child of ours with the fleet's user, killed when we are: our own executable with these
 * arguments (NULL-ended, without argv[0]). -1: errno says why. */
pid_t private_fleet_spawn(const struct private_fleet *f, char *const *args);
/* The last line of log/NAME.log, "" when there is none: mostly the reason. Valid until the next call. */
const char *private_fleet_last_words(const struct private_fleet *f, const char *name);
/* Everything that a store of this name has as processes gets the signal; how many there were. */
unsigned private_fleet_signal_store(const struct private_fleet *f, const char *store, int sig);

#endif

/* stores: private PostgreSQL and Redis servers for a test, on unix sockets in a directory of their
 * own. As PostgreSQL refuses to run as root, it runs as user postgres then. Nothing of it is left
 * behind: the servers end with the test process (they get SIGKILL when it dies), the directory goes
 * with stores_free. */
#ifndef HARNESS_STORES_H
#define HARNESS_STORES_H

#include <stdbool.h>
#include <sys/types.h>

struct stores;

struct stores *stores_new(void);     /* makes the directory; no server yet */
void stores_free(struct stores **s); /* stops all */
const char *stores_dir(const struct stores *s);

/* initdb at the first start (its result is kept for further tests of this machine), user and
 * database "metafed". Returns when it takes connections. fsync as in real life. */
void stores_start_postgres(struct stores *s);
void stores_stop_postgres(struct stores *s); /* as an operator would: fast shutdown */
void stores_kill_postgres(
    struct stores *s); /* kill -9 of the postmaster; returns when its back ends are gone */
void stores_crash_postgres(
    struct stores *s); /* kill -9 of all its processes at once, stopped ones too */
void
stores_pause_postgres(struct stores *s, bool stopped); /* SIGSTOP, SIGCONT to all its processes */
const char *stores_conninfo(const struct stores *s);   /* "host=... dbname=metafed user=metafed" */

/* A stand-by of it, made by pg_basebackup, that streams from it; i is 0 or 1. */
void stores_start_standby(struct stores *s, unsigned i);
void stores_stop_standby(struct stores *s, unsigned i);
void stores_promote_standby(struct stores *s, unsigned i);      /* returns when it takes writes */
const char *stores_standby(const struct stores *s, unsigned i); /* conninfo */

/* name: "docs" (append-only, fsync always, no eviction) or "cache" (volatile). */
void stores_start_redis(struct stores *s, const char *name);
void stores_kill_redis(struct stores *s, const char *name);
void stores_pause_redis(struct stores *s, const char *name, bool stopped);
const char *stores_redis(const struct stores *s, const char *name); /* "unix:/.../docs.sock" */

#endif

/* apibed: the real metafed-api with rest and graphql behind it, for node tests that talk to it as
 * bytes (rawhttp.h). Meta is a child of the test:
 *
 *   GET /v1/tasks            an empty page at once, or after as many milliseconds as `limit` says;
 *                            with label=bytes=N a page of about N bytes
 *   Authorization: Bearer X  "NAME.ROLE" was verified as NAME with that role; "bad" is refused with
 *                            401, "NAME.forbidden" with 403
 *   POST /v1/auth/login      whoever it is, root with the role admin has logged in
 *   /v1/blobs                each has APIBED_BLOB_SIZE bytes, all 0; what is brought is forgotten
 *   everything else          done at once, version 1 */
#ifndef HARNESS_APIBED_H
#define HARNESS_APIBED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "harness/rawhttp.h"
#include "harness/test.h"

#define APIBED_CONNECTIONS 64
#define APIBED_TASK        "0199f0c0-1234-7abc-8def-0123456789ab"
#define APIBED_BLOB        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define APIBED_BLOB_SIZE   (8 << 20)
#define APIBED_LARGE       "0199f0c0-1234-7abc-8def-00000000babe" /* a task of 5 kB */

struct apibed {
	char dir[200]; /* its `var` */
	pid_t api, rest, graphql, meta;
	struct apibed_seen { /* shared with meta */
		unsigned calls, cancelled, creates;
	} * seen;
};
extern struct apibed apibed;

/* Group set-up and tear-down. Small limits: head 400 ms, body 500 ms, idle and send 2 s, 64
 * connections, bodies of 64 KiB. */
int apibed_start(void **state);
int apibed_stop(void **state);

/* Another metafed-api in place of the running one: the same port and keys, then these ("key=value",
 * NULL-ended). Ready when it returns. */
void apibed_restart(const char *const *more);
#define APIBED_RESTART(...) apibed_restart((const char *const[]){ __VA_ARGS__, NULL })
pid_t apibed_node(const char *name, const char *const *sets, int log_fd);
void apibed_end(pid_t *pid); /* SIGKILL, waits */
bool apibed_within(int64_t limit_us, bool (*fn)(void));

#endif

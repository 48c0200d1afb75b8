/* upgrade_plan: an upgrade as data: who, in which order, from what to what, how far. Pure: files and
 * processes are upgrade.c's. The same JSON is what people get and what VAR/run/upgrade.json holds, so
 * that the next orchestrator goes on. */
#ifndef META_UPGRADE_PLAN_H
#define META_UPGRADE_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/id.h"
#include "base/str.h"
#include "meta/image.h"

#define UPGRADE_STEPS 17 /* the thirteen, two that stand by, guard and supervisor */
#define UPGRADE_ERROR 1024

enum upgrade_state { UPGRADE_NONE, UPGRADE_PLANNED, UPGRADE_RUNNING, UPGRADE_DONE, UPGRADE_FAILED };
enum step_state { UP_WAITING, UP_RUNNING, UP_DONE, UP_FAILED, UP_UNCHANGED };

struct upgrade_step {
	char node[24];
	enum step_state state;
	struct image from, to; /* id "": not known (it does not run) */
	uint64_t generation;   /* of the process that has to go */
	int64_t began_us;      /* wall clock; 0: it has not */
	int64_t took_ms;       /* -1: not yet */
	char error[UPGRADE_ERROR];
};

struct upgrade {
	char id[UUID_LEN];
	enum upgrade_state state;
	int64_t started_us, ended_us; /* wall clock; 0: not */
	char error[UPGRADE_ERROR];    /* FAILED: why, and what to do */
	unsigned n;
	struct upgrade_step steps[UPGRADE_STEPS];
};

/* The i-th to go, each when the one before serves again: agents, domains, `api`, who stands by for
 * `meta`, `meta`, then guard and supervisor, which go together. NULL behind the last. */
const char *upgrade_order(unsigned i);
const char *upgrade_executable(const char *node); /* "meta" for guard and supervisor */
/* The last of the orchestrators: who leads hands over once. */
void upgrade_put_last(struct upgrade *u, const char *leader);

/* NULL: a node of `to` can be among those of `now`; else why not. */
const char *upgrade_fits(const struct image *now, const struct image *to);
/* Did more go wrong than before? failed of all, in two times of observation. */
bool upgrade_worse(uint64_t failed_before, uint64_t all_before, uint64_t failed, uint64_t all);

/* Ends it: error is the reason; the rest, what is new and what to do, is added. */
void upgrade_fail(struct upgrade *u, struct upgrade_step *s, const char *error);
struct upgrade_step *upgrade_next(struct upgrade *u); /* to do now; NULL: none is left */

/* whole: also what only the next orchestrator needs. */
json_t *upgrade_to_json(const struct upgrade *u, bool whole);
bool upgrade_from_json(struct upgrade *u, struct str text) __attribute__((warn_unused_result));

#endif

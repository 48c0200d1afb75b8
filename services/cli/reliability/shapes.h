/* shapes: depth x breadth with real processes: D levels in series, B members of our own executable
 * on each, over the fleet's bus, with its breakers, retries and stand-ins. Faults are the bus's own,
 * seeded.
 *
 * A member that drew a fault answers UNAVAILABLE, and its caller goes on to the next member of the
 * level. What all members of a level failed is ABORTED: no level above tries it again, so that the
 * levels are in series as the closed form has them. Members end with their parent, at a time limit,
 * and when they are told, whichever comes first. */
#ifndef RELIABILITY_SHAPES_H
#define RELIABILITY_SHAPES_H

#include <stdbool.h>
#include <stdint.h>
#include "cli/reliability/result.h"

struct shapes_opts {
	uint64_t seed;
	double error;       /* of one try on one member; 0.12 */
	uint32_t simulated; /* requests of each simulation */
	uint32_t calls;     /* of each real fleet; 0: no real ones */
	const char *dir;    /* for sockets, of at most 70 bytes; NULL: a new one in TMPDIR */
	const char *exe;    /* serves `reliability member ...`; NULL: this executable */
};

/* Adds the shapes of the spec (1x1, 1x3, 1x9, 2x3, 3x3, 3x5) to r: closed form, simulated, and real
 * where the machine allows; a real one that could not be made says why. Blocks; a few seconds. */
void shapes_measure(struct result *r, const struct shapes_opts *o);
/* One of them, real. */
void shapes_run_real(struct result *r, struct shape *s, const struct shapes_opts *o);

/* --- member.c: what the processes and their first caller share --- */
struct node_config;
struct bus;
struct loop;
struct target;
#define MEMBER_NAME  16
#define MEMBERS_MOST 10 /* of one level: as many tries as a hop may make */
/* "s2m7": level 2, member 7 */
void member_name(char out[MEMBER_NAME], uint32_t level, uint32_t index);
void member_config(
    struct node_config *c, const char *dir, const char *faults, uint64_t seed, uint32_t breadth);
/* The members of a level, all of them connected; NULL: not within a few seconds. Their names live in
 * a, which outlives the bus. */
struct target *member_level(struct arena *a, struct bus *b, uint32_t level, uint32_t breadth);

#endif

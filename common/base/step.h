/* step: named places on the way of an effect, at which a fault test ends or stops the process: so that
 * "killed between the commit and the answer" is a place and not a matter of luck.
 *
 *	STEP("sql.commit.done");
 *
 * Costs a load and a branch unless armed. Armed by the fault language (bus/fault.h): "@NAME: kill",
 * "@NAME: stop", at the N-th time it is reached "@NAME: kill=N". A step acts once: what is continued
 * after a stop goes on. Names are NODE.FLOW.WHAT_HAS_BEEN_DONE; `steps` lists all there are in a
 * program, so that a test can go through them and none is forgotten. Single-threaded: the loop's. */
#ifndef BASE_STEP_H
#define BASE_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum step_action { STEP_NONE, STEP_KILL, STEP_STOP };

struct step_place { /* one place; lives as long as the program */
	const char *name;
	enum step_action action;
	uint32_t left; /* acts when this reaches 0 */
};

#define STEP(text)                                                                                 \
	do {                                                                                       \
		static struct step_place step_here                                                 \
		    __attribute__((used, section("mf_steps"))) = { .name = (text) };               \
		if (__builtin_expect(step_here.action != STEP_NONE, 0))                            \
			step_reached(&step_here);                                                  \
	} while (0)

void step_reached(struct step_place *s);
bool step_known(const char *name); /* is there one in this program? */
/* False: there is no such step in this program. nth from 1. */
bool step_arm(const char *name, enum step_action action, uint32_t nth)
    __attribute__((warn_unused_result));
void step_disarm_all(void);
/* All there are in this program, in no order; one has the name "": it is no place. A name may come
 * more than once. */
size_t steps(const struct step_place **out);

#endif

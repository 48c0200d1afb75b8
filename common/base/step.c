/* step: see step.h. The linker gathers all places in one section. */
#include "base/step.h"

#include <signal.h>
#include <string.h>
#include "base/log.h"

/* there is always one, so that the section exists */
static struct step_place none __attribute__((used, section("mf_steps"))) = { .name = "" };

extern struct step_place __start_mf_steps[], __stop_mf_steps[];

void
step_reached(struct step_place *s)
{
	enum step_action action = s->action;

	if (--s->left > 0)
		return;
	s->action = STEP_NONE;
	log_warn("step_reached", L_STR("step", s->name),
	    L_STR("action", action == STEP_KILL ? "kill" : "stop"));
	raise(action == STEP_KILL ? SIGKILL : SIGSTOP);
}

/* By numbers: to the compiler the two ends are different objects, of which one is never reached from
 * the other. */
static size_t
count(void)
{
	return ((uintptr_t)__stop_mf_steps - (uintptr_t)__start_mf_steps) /
	       sizeof(struct step_place);
}

static bool
is_called(const struct step_place *s, const char *name)
{
	return s->name[0] != '\0' && strcmp(s->name, name) == 0;
}

bool
step_known(const char *name)
{
	for (size_t i = 0, n = count(); i < n; i++)
		if (is_called(&__start_mf_steps[i], name))
			return true;
	return false;
}

bool
step_arm(const char *name, enum step_action action, uint32_t nth)
{
	bool found = false;

	for (size_t i = 0, n = count(); i < n; i++) {
		struct step_place *s = &__start_mf_steps[i];

		if (!is_called(s, name))
			continue;
		s->action = action;
		s->left = nth;
		found = true;
	}
	return found;
}

void
step_disarm_all(void)
{
	for (size_t i = 0, n = count(); i < n; i++)
		__start_mf_steps[i].action = STEP_NONE;
}

size_t
steps(const struct step_place **out)
{
	*out = __start_mf_steps;
	return count();
}

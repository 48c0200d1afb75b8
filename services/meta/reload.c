/* reload: see reload.h. */
#include "meta/reload.h"

#include "base/log.h"

static void say(const char *what);

void
reload_init(struct reload *r, const struct conf *s)
{
	*r = (struct reload){ .settings = s, .check = CHECKER_NONE };
}

bool
reload_ask(struct reload *r, int64_t now)
{
	static const char *const only[] = { "--check", NULL };
	const char *why;

	if (r->settings->config[0] == '\0')
		return true;
	r->again = r->check.pid != 0;
	if (!r->again &&
	    !checker_start(&r->check, guard_arguments(r->settings, only), NULL, NULL, now, &why))
		say(why);
	return false;
}

bool
reload_ended(struct reload *r, int status, int64_t now)
{
	bool good = checker_ended(&r->check, status);

	if (r->again)
		return reload_ask(r, now);
	if (good)
		conf_say_changed(r->settings);
	else
		checker_each(&r->check, say); /* "EXECUTABLE: FILE:LINE: [PART]: KEY: what" */
	return good;
}

/* Without the rate limit of a call site: thirteen nodes may have a word each. */
static void
say(const char *what)
{
	log_write(LOG_ERROR, NULL, "reload_refused",
	    (const struct log_field[]){
		L_STR("error", what), L_STR("then", "nothing was changed"), { .key = NULL } });
}

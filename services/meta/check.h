/* check: the configuration as a whole, for everybody who reads it. Each executable knows its own keys
 * and what they may be: it is asked. */
#ifndef META_CHECK_H
#define META_CHECK_H

#include <stdbool.h>

struct conf;

/* False: what is wrong stands on standard error. Waits for thirteen short processes, twice. */
bool check_configuration(const struct conf *s) __attribute__((warn_unused_result));

/* For each variable METAFED_... that sets nothing; meant: what may have been, NULL: no idea. Starts
 * processes only when there is one that guard and common keys do not explain. */
typedef void check_say_fn(const char *name, const char *meant);
void check_variables(const struct conf *s, check_say_fn *say);

#endif

/* leave: a build for coverage counts in memory and writes its counters at exit(), which is not
 * passed here. */
#include "base/leave.h"

#include <unistd.h>
#ifdef METAFED_COVER
#include <gcov.h>
#endif

void
leave_now(int status)
{
#ifdef METAFED_COVER
	__gcov_dump();
#endif
	_exit(status);
}

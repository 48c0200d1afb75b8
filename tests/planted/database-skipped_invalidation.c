/* planted: a write is acknowledged while the cache still shows what was before it. */
#include "database/inside.h"

void __wrap_cohere_drop(struct op *o);

void
__wrap_cohere_drop(struct op *o)
{
	db_answer(o);
}

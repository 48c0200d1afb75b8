/* mem: calloc and reallocarray that end the process instead of answering NULL. What they give is
 * freed with free(). */
#include "base/mem.h"

#include <stdlib.h>
#include "base/log.h"

void *
mem_zalloc(size_t n)
{
	void *p = calloc(1, n);

	if (p == NULL)
		fatal("out of memory (%zu bytes wanted)", n);
	return p;
}

void *
mem_grow(void *p, size_t n, size_t size)
{
	void *bigger = reallocarray(p, n, size);

	if (bigger == NULL)
		fatal("out of memory (%zu x %zu bytes wanted)", n, size);
	return bigger;
}

/* mem: memory that outlives requests. Never NULL: a process without memory says so and ends. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_zalloc(size_t n) __attribute__((alloc_size(1), returns_nonnull)); /* cleared */
void *mem_grow(void *p, size_t n, size_t size) __attribute__((alloc_size(2, 3), returns_nonnull));

#endif

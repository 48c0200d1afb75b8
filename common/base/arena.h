/* arena: memory with one lifetime. A request's memory is its arena; freeing it frees everything.
 *
 * Not thread-safe: an arena belongs to the loop thread, or to one work-pool job at a time.
 * Allocation never returns NULL: going beyond the cap is a bug (panic), except through
 * arena_allocator(), which answers NULL so that unpacking a hostile message fails cleanly. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <protobuf-c/protobuf-c.h>

struct arena;

struct arena *arena_new(size_t cap_bytes);
/* nulls *a; keeps blocks in a small process-wide pool */
void arena_free(struct arena **a);
void arena_reset(struct arena *a); /* forgets everything, keeps the first block */

/* 16-byte aligned, not cleared */
void *arena_alloc(struct arena *a, size_t n) __attribute__((malloc, alloc_size(2)));
void *arena_zalloc(struct arena *a, size_t n) __attribute__((malloc, alloc_size(2)));
void *arena_dup(struct arena *a, const void *p, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n); /* always NUL-ended */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *
arena_vprintf(struct arena *a, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
size_t arena_used(const struct arena *a);
size_t arena_left(const struct arena *a);

/* As protobuf-c wants it: alloc may answer NULL (cap reached), free does nothing. Lives as long as
 * the arena. */
ProtobufCAllocator *arena_allocator(struct arena *a);

#define ARENA_NEW(a, type)      ((type *)arena_zalloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (n)))

#endif

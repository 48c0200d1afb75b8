/* arena: blocks of memory with one lifetime.
 *
 * The arena's own struct sits at the start of its first block, so that a small request costs one
 * block from the pool and no malloc. Further blocks double, up to a limit. Blocks of the first size
 * go back to a process-wide pool. Invariant: used counts what was handed out, rounded to ALIGN; it
 * never passes cap. Under AddressSanitizer nothing is pooled and what is not handed out is
 * poisoned. */
#include "base/arena.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POOL_MAX       0
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POOL_MAX       128 /* x 8 KiB: what 128 requests in flight need again at once */
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ALIGN      16
#define FIRST_SIZE (8192 - ALIGN) /* with malloc's own header two pages */
#define GROW_MAX   (256 * 1024)

struct block {
	struct block *next;
	size_t size; /* of data */
	_Alignas(ALIGN) char data[];
};

struct arena {
	struct block *first; /* holds this struct */
	struct block *last;  /* where allocations come from; blocks are linked first -> last */
	size_t at;           /* offset of the free rest in last->data */
	size_t used, cap;
	ProtobufCAllocator allocator;
};

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *pool;
static int pool_n;

static struct block *block_new(size_t data_size);
static void block_free(struct block *b);
static void *arena_try(struct arena *a, size_t n);
static void *pb_alloc(void *ctx, size_t n);
static void pb_free(void *ctx, void *p);

static size_t
round_up(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

struct arena *
arena_new(size_t cap_bytes)
{
	struct block *b = block_new(FIRST_SIZE - sizeof(struct block));
	struct arena *a = (struct arena *)(void *)b->data;

	UNPOISON(a, sizeof(*a));
	*a = (struct arena){ .first = b,
		.last = b,
		.at = round_up(sizeof(*a)),
		.cap = cap_bytes,
		.allocator = { .alloc = pb_alloc, .free = pb_free, .allocator_data = a } };
	return a;
}

void
arena_free(struct arena **ap)
{
	struct arena *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	for (struct block *b = a->first, *next; b != NULL; b = next) {
		next = b->next;
		block_free(b);
	}
}

void
arena_reset(struct arena *a)
{
	for (struct block *b = a->first->next, *next; b != NULL; b = next) {
		next = b->next;
		block_free(b);
	}
	a->first->next = NULL;
	a->last = a->first;
	a->at = round_up(sizeof(*a));
	a->used = 0;
	POISON(a->first->data + a->at, a->first->size - a->at);
}

void *
arena_alloc(struct arena *a, size_t n)
{
	void *p = arena_try(a, n);

	if (p == NULL)
		panic("arena: %zu bytes wanted, %zu of %zu used", n, a->used, a->cap);
	return p;
}

void *
arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

void *
arena_dup(struct arena *a, const void *p, size_t n)
{
	void *q = arena_alloc(a, n);

	return n == 0 ? q : memcpy(q, p, n);
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_dup(a, s, strlen(s) + 1);
}

char *
arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);

	if (n > 0)
		memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}

char *
arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char shorter[256], *p; /* most texts are: then they are made once, not twice */
	int n;

	must(fmt != NULL);
	va_copy(again, ap);
	n = vsnprintf(shorter, sizeof(shorter), fmt, again);
	va_end(again);
	must(n >= 0);
	if ((size_t)n < sizeof(shorter))
		return arena_dup(a, shorter, (size_t)n + 1);
	p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	return p;
}

size_t
arena_used(const struct arena *a)
{
	return a->used;
}

size_t
arena_left(const struct arena *a)
{
	return a->cap - a->used;
}

ProtobufCAllocator *
arena_allocator(struct arena *a)
{
	return &a->allocator;
}

/* NULL: the cap would be passed. Nothing of zero bytes: its address must be its own, too. */
static void *
arena_try(struct arena *a, size_t n)
{
	size_t want, size;
	struct block *b;
	void *p;

	if (n > a->cap - a->used || n > SIZE_MAX / 2)
		return NULL;
	want = round_up(n == 0 ? 1 : n);
	if (want > a->cap - a->used)
		return NULL;
	if (want > a->last->size - a->at) {
		size = a->last->size * 2 < GROW_MAX ? a->last->size * 2 : GROW_MAX;
		b = block_new(want > size ? want : size);
		a->last->next = b;
		a->last = b;
		a->at = 0;
	}
	p = a->last->data + a->at;
	a->at += want;
	a->used += want;
	UNPOISON(p, n);
	return p;
}

static struct block *
block_new(size_t data_size)
{
	struct block *b = NULL;

	if (data_size == FIRST_SIZE - sizeof(*b)) {
		pthread_mutex_lock(&pool_lock);
		if ((b = pool) != NULL) {
			pool = b->next;
			pool_n--;
		}
		pthread_mutex_unlock(&pool_lock);
	}
	if (b == NULL && (b = malloc(sizeof(*b) + data_size)) == NULL)
		fatal("out of memory (%zu bytes wanted)", data_size);
	b->next = NULL;
	b->size = data_size;
	POISON(b->data, data_size);
	return b;
}

static void
block_free(struct block *b)
{
	bool kept = false;

	if (b->size == FIRST_SIZE - sizeof(*b)) {
		pthread_mutex_lock(&pool_lock);
		if (pool_n < POOL_MAX) {
			b->next = pool;
			pool = b;
			pool_n++;
			kept = true;
		}
		pthread_mutex_unlock(&pool_lock);
	}
	if (!kept) {
		UNPOISON(b->data, b->size);
		free(b);
	}
}

static void *
pb_alloc(void *ctx, size_t n)
{
	return arena_try(ctx, n);
}

static void
pb_free(void *ctx, void *p)
{
	(void)ctx, (void)p;
}

/* id: random bytes and RFC 9562 UUIDs, version 7, monotonic within a process. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_LEN 37 /* 36 characters and NUL, lower case */

/* from the kernel; dies when there is none */
void id_random(void *p, size_t n);
uint64_t id_random_u64(void);
void uuid7(char out[UUID_LEN]);
bool uuid_ok(const char *s);                    /* 8-4-4-4-12 lower-case hex */
void uuid_pack(const char *s, uint8_t out[16]); /* of one that is ok */

/* A small seeded generator (xoshiro256**) for jitter, sampling and faults: repeatable, not for
 * secrets. */
struct rng {
	uint64_t s[4];
};
void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
double rng_unit(struct rng *r);                /* [0, 1) */
uint32_t rng_below(struct rng *r, uint32_t n); /* [0, n), n > 0, unbiased */

#endif

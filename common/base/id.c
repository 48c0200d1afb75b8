/* id: randomness from the kernel, UUIDs of version 7, and a repeatable generator.
 *
 * A UUID's first 60 free bits are milliseconds and a fraction of 12 bits (RFC 9562, method 3),
 * raised by one when the clock did not move or went back: what this process makes sorts in the
 * order in which it was made. */
#include "base/id.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

static void take_random(uint8_t *out, size_t n);
static void watch_forks(void);
static void forget_spare(void);
static uint64_t next_stamp(void);
static uint64_t rotl(uint64_t x, int k);

static _Thread_local uint8_t spare[512];
static _Thread_local size_t spare_n;

void
id_random(void *p, size_t n)
{
	uint8_t *at = p;
	ssize_t got;

	while (n > 0) {
		got = getrandom(at, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			fatal("the kernel gives no random bytes: %s", strerror(errno));
		at += got;
		n -= (size_t)got;
	}
}

uint64_t
id_random_u64(void)
{
	uint64_t v;

	id_random(&v, sizeof(v));
	return v;
}

void
uuid7(char out[UUID_LEN])
{
	static const char hex[] = "0123456789abcdef";
	uint64_t stamp = next_stamp();
	uint8_t b[16];
	size_t at = 0;

	take_random(b + 8, 8);
	for (int i = 0; i < 6; i++)
		b[i] = (uint8_t)(stamp >> (52 - 8 * i));
	b[6] = (uint8_t)(0x70 | (stamp >> 8 & 0x0f));
	b[7] = (uint8_t)stamp;
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		out[at++] = hex[b[i] >> 4];
		out[at++] = hex[b[i] & 15];
	}
	out[at] = '\0';
}

bool
uuid_ok(const char *s)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-'
			 : !((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	}
	return s[36] == '\0';
}

void
uuid_pack(const char *s, uint8_t out[16])
{
	char plain[32];
	size_t n = 0;

	for (; *s != '\0' && n < sizeof(plain); s++)
		if (*s != '-')
			plain[n++] = *s;
	must(str_unhex((struct str){ plain, n }, out, 16));
}

void
rng_seed(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) { /* splitmix64, as xoshiro's authors advise */
		uint64_t z = seed += 0x9e3779b97f4a7c15;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
		r->s[i] = z ^ (z >> 31);
	}
}

uint64_t
rng_next(struct rng *r)
{
	uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

double
rng_unit(struct rng *r)
{
	return (double)(rng_next(r) >> 11) * 0x1p-53;
}

uint32_t
rng_below(struct rng *r, uint32_t n)
{
	uint32_t threshold =
	    -n % n; /* 2^32 mod n: below it the low residues would come too often */
	uint64_t m;

	do {
		m = (rng_next(r) >> 32) * n;
	} while ((uint32_t)m < threshold);
	return (uint32_t)(m >> 32);
}

/* For what is no secret: the kernel is asked for many at a time. A child of fork forgets them, else
 * it would make what its parent makes. */
static void
take_random(uint8_t *out, size_t n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, watch_forks);
	if (spare_n < n) {
		id_random(spare, sizeof(spare));
		spare_n = sizeof(spare);
	}
	spare_n -= n;
	memcpy(out, spare + spare_n, n);
}

static void
watch_forks(void)
{
	must(pthread_atfork(NULL, NULL, forget_spare) == 0);
}

static void
forget_spare(void)
{
	spare_n = 0;
}

static uint64_t
next_stamp(void)
{
	static _Atomic uint64_t last;
	uint64_t us = (uint64_t)time_wall_us();
	uint64_t now = us / 1000 << 12 | us % 1000 * 4096 / 1000;
	uint64_t seen = atomic_load(&last), next;

	do {
		next = now > seen ? now : seen + 1;
	} while (!atomic_compare_exchange_weak(&last, &seen, next));
	return next;
}

static uint64_t
rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

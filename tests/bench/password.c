/* password: what one Argon2id verification takes, alone: two threads that do nothing else, at the
 * default cost of jwt. The limit of log-ins; logins.mjs measures them beside it. Prints JSON. */
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/time.h"

#define THREADS 2
#define OPS     2           /* password_ops */
#define MEMORY  (64u << 20) /* password_memory */

static char hash[crypto_pwhash_STRBYTES];
static const char password[] = "correct horse battery staple";

static void *
verify(void *ctx)
{
	unsigned *n = ctx;

	while ((*n)-- > 0)
		if (crypto_pwhash_str_verify(hash, password, strlen(password)) != 0)
			abort();
	return NULL;
}

int
main(int argc, char **argv)
{
	unsigned each = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 40, left[THREADS];
	pthread_t threads[THREADS];
	struct timespec cpu;
	int64_t began;

	if (sodium_init() < 0 || crypto_pwhash_str_alg(hash, password, strlen(password), OPS,
				     MEMORY, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return 1;
	began = time_now_us();
	for (int i = 0; i < THREADS; i++) {
		left[i] = each;
		if (pthread_create(&threads[i], NULL, verify, &left[i]) != 0)
			return 1;
	}
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	printf("{\"per_second\":%.1f,\"cpu_us\":%.0f}\n",
	    THREADS * (double)each * 1e6 / (double)(time_now_us() - began),
	    ((double)cpu.tv_sec * 1e6 + (double)cpu.tv_nsec / 1e3) / (THREADS * (double)each + 1));
	return 0;
}

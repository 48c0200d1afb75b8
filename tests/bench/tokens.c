/* tokens: Jwt.Verify as auth calls it, over loop-back on the bed of auth: request packed, token taken
 * apart and verified, claims read, revocations confirmed, principal packed. 64 calls at once.
 *
 *   build/bin/bench/tokens            rates of our own, for make bench
 *   build/bin/bench/tokens --pipe     for tests/bench/tokens.mjs: writes {"token":..., "jwks":...}, then for
 *                                     each line "N" of its input one {"us":..., "cpu_us":...} of N
 *                                     verifications */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "base/time.h"
#include "harness/authbed.h"

#define AT_ONCE 64
#define LIMIT   (60 * SEC)

static struct target *jwt;
static struct attempt login;
static size_t left, out;

static void next(void);

static void
on_verified(const Mf__VerifiedToken *m, void *ctx)
{
	must(m != NULL && m->principal != NULL);
	call_cancel(ctx);
	out--;
	next();
}

static void
next(void)
{
	Mf__TokenText q = MF__TOKEN_TEXT__INIT;
	struct call *c;
	struct rpc *r;

	if (left == 0)
		return;
	left--;
	out++;
	c = call_root(authbed.bus, &(const struct call_opts){ .limit_us = LIMIT });
	r = rpc_new(c, jwt, NULL);
	q.token = login.access;
	mf__jwt__verify(&r->service, &q, on_verified, c);
}

static bool
all_done(void *ctx)
{
	(void)ctx;
	return left == 0 && out == 0;
}

static int64_t
cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * SEC + u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec;
}

static void
verify(size_t n, int64_t *us, int64_t *cpu)
{
	int64_t began = time_now_us(), cpu_began = cpu_us();

	left = n;
	for (int i = 0; i < AT_ONCE; i++)
		next();
	loop_run_until(authbed.loop, all_done, NULL, LIMIT);
	must(all_done(NULL));
	*us = time_now_us() - began;
	*cpu = cpu_us() - cpu_began;
}

static void
serve_pipe(void)
{
	struct arena *a = arena_new(1 << 16);
	char line[32];
	int64_t us, cpu;
	size_t n;

	(void)printf("{\"token\":\"%s\",\"jwks\":%s}\n", login.access,
	    keyring_jwks(authbed.jwt.tokens.keys, a, &n));
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		verify((size_t)strtoul(line, NULL, 10), &us, &cpu);
		(void)printf("{\"us\":%lld,\"cpu_us\":%lld}\n", (long long)us, (long long)cpu);
		(void)fflush(stdout);
	}
	arena_free(&a);
}

int
main(int argc, char **argv)
{
	static const char *const members[] = { "jwt", NULL };
	const size_t n = 5000;
	int64_t us, cpu;
	void *state = NULL;

	log_set_level(LOG_ERROR);
	if (authbed_start(&state) != 0)
		return 1;
	jwt = target_new(authbed.bus,
	    &(const struct target_def){ .service = &mf__jwt__descriptor, .members = members });
	login = try_login("admin", authbed.admin_password);
	must(login.status == ST_OK);
	if (argc > 1 && strcmp(argv[1], "--pipe") == 0) {
		serve_pipe();
	} else {
		verify(n, &us, &cpu);
		(void)printf("Jwt.Verify, ES256   %6.0f/s   %5.1f us CPU each\n",
		    (double)n * (double)SEC / (double)us, (double)cpu / (double)n);
	}
	return authbed_stop(&state);
}

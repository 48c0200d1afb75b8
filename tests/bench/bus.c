/* The bus, measured: packed frames through the loop, beside plain nng req/rep (one message per
 * call; bare, and through the same loop) and a raw unix socket, with the same envelope of 200
 * bytes, over one hop and over a chain of three processes.
 *
 * All ways are up at the same time and take turns in short rounds, so that what else the machine
 * does hits all alike: read the ratios. CPU is of all processes of a way. `bus --strict` exits with
 * 1 when a ratio that we promise was missed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "base/time.h"
#include "harness/bus_bench.h"
#include "harness/test.h"

#define ROUND_US (400 * MS)
#define WARM_US  (50 * MS)
#define CHAIN    3
#define ROUNDS   3

enum way { FRAMES, BARE, LOOPED, EPOLL, WAYS };

static const struct bus_way *const ways[WAYS] = { &way_frames, &way_bare, &way_looped, &way_epoll };
static const char *const chain[CHAIN + 1] = { "n1", "n2", "n3", NULL };
static const unsigned loads[] = { 1, 16, 64 };
#define LOADS (sizeof(loads) / sizeof(loads[0]))

/* A caller is a process of its own, so that no way shares nng's threads with another. It is told
 * what to do over a socket. */
struct order {
	int hops; /* 0: calls the last process of the chain; 1: the first */
	unsigned in_flight;
	bool slow;
	int64_t us;
};

static pid_t pids[WAYS][CHAIN + 1]; /* the caller is the last one */
static int callers[WAYS];
static struct bench_result results[2][LOADS][WAYS];
static struct bench_result calm, disturbed;
static bool missed;

static void
start(enum way w)
{
	char *call[] = { (char *)"bus", (char *)"--call", (char *)ways[w]->key, (char *)test_dir(),
		NULL };
	int pair[2];

	for (int i = CHAIN - 1; i >= 0; i--) {
		char *argv[] = { (char *)"bus", (char *)"--serve", (char *)ways[w]->key, call[3],
			(char *)chain[i], (char *)chain[i + 1], NULL };

		pids[w][i] = bench_spawn(argv, -1);
	}
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	pids[w][CHAIN] = bench_spawn(call, pair[1]);
	callers[w] = pair[0];
	close(pair[1]);
}

static int64_t
cpu_of(enum way w)
{
	int64_t us = 0;

	for (int i = 0; i <= CHAIN; i++)
		us += bench_cpu_us(pids[w][i]);
	return us;
}

static void
measure(enum way w, int hops, unsigned in_flight, int64_t us, bool slow, struct bench_result *into)
{
	struct order o = { hops, in_flight, slow, us };
	int64_t cpu = cpu_of(w);
	struct bench_result r;

	must(write(callers[w], &o, sizeof(o)) == sizeof(o));
	must(recv(callers[w], &r, sizeof(r), MSG_WAITALL) == sizeof(r));
	r.cpu_us = cpu_of(w) - cpu;
	if (into != NULL)
		bench_add(into, &r);
}

static void
ratio(const char *what, double is, double promised, bool at_least)
{
	bool good = at_least ? is >= promised : is <= promised;

	printf("  %-66s %5.2f   (%s %.2f) %s\n", what, is, at_least ? "at least" : "at most",
	    promised, good ? "ok" : "MISSED");
	missed |= !good;
}

static void
tables(void)
{
	for (int hops = 0; hops < 2; hops++)
		for (size_t l = 0; l < LOADS; l++) {
			printf(
			    "%s, %u in flight\n", hops == 0 ? "one hop" : "three hops", loads[l]);
			for (enum way w = 0; w < WAYS; w++)
				bench_line(ways[w]->name, &results[hops][l][w]);
		}
}

static double
median_us(const struct bench_result *r)
{
	/* in steps of 6 %; a mean would measure the neighbours */
	return (double)hist_quantile(&r->latency, 0.5);
}

static void
promises(void)
{
	const struct bench_result(*one)[WAYS] = results[0], (*three)[WAYS] = results[1];

	printf("what we promise\n");
	ratio("64 in flight, three hops: calls/s, frames : plain nng",
	    bench_rate(&three[2][FRAMES]) / bench_rate(&three[2][BARE]), 3, true);
	ratio("1 in flight, one hop: latency, frames : plain nng through the loop",
	    median_us(&one[0][FRAMES]) / median_us(&one[0][LOOPED]), 1, false);
	ratio("1 in flight, three hops: the same",
	    median_us(&three[0][FRAMES]) / median_us(&three[0][LOOPED]), 1, false);
	ratio("1 in flight, one hop: latency, frames : bare nng",
	    median_us(&one[0][FRAMES]) / median_us(&one[0][BARE]), 1.3, false);
	ratio("1 in flight, three hops: the same",
	    median_us(&three[0][FRAMES]) / median_us(&three[0][BARE]), 1.3, false);
	ratio("one call of 100 ms among 63: latency of these, with : without it",
	    median_us(&disturbed) / median_us(&calm), 1.2, false);
	printf("beside it\n");
	printf("  64 in flight: frames : plain nng %.1f (one hop); frames : raw unix socket %.2f "
	       "(one hop) %.2f (three)\n",
	    bench_rate(&one[2][FRAMES]) / bench_rate(&one[2][BARE]),
	    bench_rate(&one[2][FRAMES]) / bench_rate(&one[2][EPOLL]),
	    bench_rate(&three[2][FRAMES]) / bench_rate(&three[2][EPOLL]));
	printf("  64 in flight: CPU per call, plain nng : frames %.1f (one hop) %.1f (three)\n",
	    bench_cpu_per_call(&one[2][BARE]) / bench_cpu_per_call(&one[2][FRAMES]),
	    bench_cpu_per_call(&three[2][BARE]) / bench_cpu_per_call(&three[2][FRAMES]));
}

/* Standard input and output are the socket on which the orders come. */
static int
call(const char *key, const char *dir)
{
	const struct bus_way *way = NULL;
	struct bench_result r;
	struct order o;
	void *ends[2];

	for (enum way w = 0; w < WAYS; w++)
		if (strcmp(ways[w]->key, key) == 0)
			way = ways[w];
	must(way != NULL);
	ends[0] = way->open(dir, chain[CHAIN - 1]);
	ends[1] = way->open(dir, chain[0]);
	while (read(0, &o, sizeof(o)) == sizeof(o)) {
		memset(&r, 0, sizeof(r));
		way->run(ends[o.hops], o.in_flight, o.us, o.slow, &r);
		must(write(1, &r, sizeof(r)) == sizeof(r));
	}
	return 0;
}

static int
serve(const char *key, const char *dir, const char *name, const char *next)
{
	for (enum way w = 0; w < WAYS; w++)
		if (strcmp(ways[w]->key, key) == 0)
			ways[w]->serve(dir, name, next);
	return 1;
}

static void
run_all(int rounds)
{
	for (enum way w = 0; w < WAYS; w++)
		for (int hops = 0; hops < 2; hops++)
			measure(w, hops, 16, WARM_US, false, NULL);
	for (int round = 0; round < rounds; round++) {
		for (int hops = 0; hops < 2; hops++)
			for (size_t l = 0; l < LOADS; l++)
				for (enum way w = 0; w < WAYS; w++)
					measure(w, hops, loads[l], ROUND_US, false,
					    &results[hops][l][w]);
		for (int i = 0; i < 4; i++) {
			measure(FRAMES, 0, 63, ROUND_US / 2, false, &calm);
			measure(FRAMES, 0, 64, ROUND_US / 2, true, &disturbed);
		}
	}
}

int
main(int argc, char **argv)
{
	bool strict = argc == 2 && strcmp(argv[1], "--strict") == 0;

	if (argc >= 5 && strcmp(argv[1], "--serve") == 0)
		return serve(argv[2], argv[3], argv[4], argc == 6 ? argv[5] : NULL);
	if (argc == 4 && strcmp(argv[1], "--call") == 0)
		return call(argv[2], argv[3]);
	for (enum way w = 0; w < WAYS; w++)
		start(w);
	run_all(ROUNDS);
	tables();
	promises();
	for (enum way w = 0; w < WAYS; w++)
		for (int i = 0; i <= CHAIN; i++)
			bench_kill(pids[w][i]);
	fflush(stdout);
	return strict && missed;
}

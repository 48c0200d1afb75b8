/* bench: see bench.h. */
#include "harness/bench.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"

pid_t
bench_spawn(char *const argv[], int in_out)
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(1);
	if (in_out >= 0 && (dup2(in_out, 0) < 0 || dup2(in_out, 1) < 0))
		_exit(1);
	execv("/proc/self/exe", argv);
	_exit(1);
}

int64_t
bench_cpu_us(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
		fatal("a process that was measured is gone");
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void
bench_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

double
bench_rate(const struct bench_result *r)
{
	return (double)r->calls * 1e6 / (double)r->took_us;
}

double
bench_cpu_per_call(const struct bench_result *r)
{
	return (double)r->cpu_us / (double)r->calls;
}

void
bench_line(const char *name, const struct bench_result *r)
{
	printf("  %-34s %9.0f/s   p50 %6lld us   p99 %6lld us   CPU/call %7.2f us\n", name,
	    bench_rate(r), (long long)hist_quantile(&r->latency, 0.5),
	    (long long)hist_quantile(&r->latency, 0.99), bench_cpu_per_call(r));
}

void
bench_add(struct bench_result *into, const struct bench_result *r)
{
	into->calls += r->calls;
	into->took_us += r->took_us;
	into->cpu_us += r->cpu_us;
	hist_merge(&into->latency, &r->latency);
}

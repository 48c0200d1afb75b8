/* process: what Prometheus expects to know of any process, filled when somebody looks. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "node/inside.h"

static struct metric *cpu, *resident, *lines[LOG_FATAL];

static void
collect(void *ctx)
{
	long total, pages = 0;
	struct rusage u;
	FILE *f = fopen("/proc/self/statm", "re");

	(void)ctx;
	if (f != NULL) {
		if (fscanf(f, "%ld %ld", &total, &pages) == 2)
			metric_set(resident, (double)pages * (double)sysconf(_SC_PAGESIZE));
		fclose(f);
	}
	if (getrusage(RUSAGE_SELF, &u) == 0)
		metric_set(cpu, (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
				    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
	for (int i = LOG_DEBUG; i < LOG_FATAL; i++)
		metric_set(lines[i], (double)log_count((enum log_level)i));
}

void
process_metrics(void)
{
	static const char *const level[] = { "level", NULL }, *const names[] = { "debug", "info",
		"warn", "error" };
	struct metric_family *f =
	    metric_family(METRIC_COUNTER, "log_lines_total", "Log lines written.", level);

	for (int i = LOG_DEBUG; i < LOG_FATAL; i++)
		lines[i] = metric_get(f, &names[i]);
	cpu =
	    metric_simple(METRIC_COUNTER, "process_cpu_seconds_total", "User and system CPU time.");
	resident = metric_simple(METRIC_GAUGE, "process_resident_memory_bytes", "Resident memory.");
	metric_set(metric_simple(METRIC_GAUGE, "process_start_time_seconds", "Start, since 1970."),
	    (double)time_wall_us() / 1e6);
	metric_on_collect(collect, NULL);
}

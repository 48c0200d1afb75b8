/* process: what Prometheus expects to know of any process, filled when somebody looks. */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "node/build.h"
#include "node/inside.h"

static struct metric *cpu, *resident, *size, *open_fds, *max_fds, *memory_max;
static struct metric *lines[LOG_FATAL], *lines_held_back, *lines_lost, *log_size;

static void collect(void *ctx);
static double fds(void);

void
process_metrics(void)
{
	static const char *const level[] = { "level", NULL }, *const names[] = { "debug", "info",
		"warn", "error" };
	static const char *const what[] = { "version", "bus", NULL };
	struct metric_family *f =
	    metric_family(METRIC_COUNTER, "metafed_log_lines_total", "Log lines written.", level);
	char bus[12];

	for (int i = LOG_DEBUG; i < LOG_FATAL; i++)
		lines[i] = metric_get(f, &names[i]);
	lines_held_back = metric_simple(METRIC_COUNTER, "metafed_log_lines_held_back_total",
	    "Log lines that their place in the code had too many of.");
	lines_lost = metric_simple(METRIC_COUNTER, "metafed_log_lines_lost_total",
	    "Log lines that the disk or the reader did not take.");
	log_size =
	    metric_simple(METRIC_COUNTER, "metafed_log_bytes_total", "Bytes of log lines written.");
	cpu =
	    metric_simple(METRIC_COUNTER, "process_cpu_seconds_total", "User and system CPU time.");
	resident = metric_simple(METRIC_GAUGE, "process_resident_memory_bytes", "Resident memory.");
	size = metric_simple(METRIC_GAUGE, "process_virtual_memory_bytes", "Address space.");
	open_fds = metric_simple(METRIC_GAUGE, "process_open_fds", "Open file descriptors.");
	max_fds = metric_simple(
	    METRIC_GAUGE, "process_max_fds", "File descriptors that may be open at once.");
	memory_max = metric_simple(METRIC_GAUGE, "metafed_memory_max_bytes",
	    "Resident memory at which the supervisor ends the node (memory_max); 0: none.");
	metric_set(metric_simple(METRIC_GAUGE, "process_start_time_seconds", "Start, since 1970."),
	    (double)time_wall_us() / 1e6);
	snprintf(bus, sizeof(bus), "%u", build_own.bus);
	metric_set(metric_get(metric_family(METRIC_GAUGE, "metafed_build_info",
				  "1: of this version, speaking this version of the bus.", what),
		       (const char *const[]){ build_own.version, bus }),
	    1);
	metric_on_collect(collect, NULL);
}

static void
collect(void *ctx)
{
	long total, pages = 0;
	struct rlimit limit;
	struct rusage u;
	FILE *f = fopen("/proc/self/statm", "re");

	(void)ctx;
	if (f != NULL) {
		if (fscanf(f, "%ld %ld", &total, &pages) == 2) {
			metric_set(resident, (double)pages * (double)sysconf(_SC_PAGESIZE));
			metric_set(size, (double)total * (double)sysconf(_SC_PAGESIZE));
		}
		fclose(f);
	}
	if (getrusage(RUSAGE_SELF, &u) == 0)
		metric_set(cpu, (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
				    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metric_set(max_fds, (double)limit.rlim_cur);
	metric_set(open_fds, fds());
	/* Linux ignores this limit: the supervisor says by it what it watches over. */
	if (getrlimit(RLIMIT_RSS, &limit) == 0)
		metric_set(
		    memory_max, limit.rlim_max == RLIM_INFINITY ? 0 : (double)limit.rlim_max);
	for (int i = LOG_DEBUG; i < LOG_FATAL; i++)
		metric_set(lines[i], (double)log_count((enum log_level)i));
	metric_set(log_size, (double)log_bytes());
	metric_set(lines_held_back, (double)log_held_back());
	metric_set(lines_lost, (double)log_lost());
}

/* Since Linux 6.2 the directory's size says it; with thousands of connections it is long to read. */
static double
fds(void)
{
	struct stat st;
	double n = 0;
	DIR *d;

	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (double)st.st_size;
	if ((d = opendir("/proc/self/fd")) == NULL)
		return 0;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 3; /* ".", "..", and d */
}

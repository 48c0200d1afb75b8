/* crash: what a process leaves behind when it ends badly: one struct crash_file in shared memory, mapped
 * from its start on. The kernel keeps it however the process ends: the calls that it served last are
 * there after SIGKILL, too; what only the dying process can tell (signal, backtrace) its handler adds,
 * with nothing but stores and a few system calls that are safe there. Who supervises makes a record of
 * it (meta/evidence.h).
 *
 * In memory, not below VAR: a page of a file on a disk that is being written back makes whoever stores
 * into it wait for the disk.
 *
 * Never memory, registers, arguments or payloads: they hold secrets. For the same reason there is no
 * core file unless `cores` says so. The process stays open to its own user (PR_SET_DUMPABLE): a new
 * guard reopens its pipes through /proc.
 *
 * Without a directory (a container) the same is written to standard error, as text. */
#ifndef NODE_CRASH_H
#define NODE_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRASH_MAGIC   "MFCRSH1"
#define CRASH_PATH    512
#define CRASH_CALLS   64
#define CRASH_METHODS 256 /* of one node; the last stands for all beyond */
#define CRASH_FRAMES  48

struct crash_call {
	int64_t at_us;   /* CLOCK_MONOTONIC */
	int64_t took_us; /* CRASH_RUNNING, CRASH_LEFT */
	uint64_t id;
	uint32_t number; /* of the ring's n_calls */
	uint16_t method; /* into methods */
	char peer[18];
};
#define CRASH_RUNNING INT64_C(-1)
#define CRASH_LEFT    INT64_C(-2) /* its caller gave it up, or is gone */

enum crash_stage { CRASH_ALIVE = 0, CRASH_BEGUN = 1, CRASH_TOLD = 2 };

struct crash_frame {
	uint64_t address;
	char text[120]; /* "metafed-sql(sql_execute+0x41) [0x1f341]" */
};

struct crash_file {
	char magic[8];
	char node[24];
	uint64_t generation;
	int32_t pid;
	uint32_t stage;      /* enum crash_stage */
	int64_t born_at_us;  /* since 1970 */
	int64_t ended_at_us; /* since 1970 */
	int64_t ended_us;    /* CLOCK_MONOTONIC, as the calls */
	int32_t signal, code, sender;
	uint32_t n_frames;
	uint64_t address; /* of the fault; not a signal that somebody sent */
	char thread[16];
	uint32_t n_methods, n_calls; /* calls ever, the ring has the last */
	struct crash_frame frames[CRASH_FRAMES];
	struct crash_call calls[CRASH_CALLS];
	char methods[CRASH_METHODS][48];
};

struct crash_opts {
	const char *var; /* NULL: no file */
	const char *node;
	uint64_t generation;
	bool cores;
};
/* Where these files lie, and what their names begin with: PREFIX NODE "-" GENERATION ".raw". */
void crash_place(const char *var, char dir[CRASH_PATH], char prefix[32]);
void crash_path(const char *var, const char *node, uint64_t generation, char path[CRASH_PATH]);

/* Once, before there are threads. Installs no handler where a sanitizer has its own. */
void crash_start(const struct crash_opts *o);
void crash_end(void); /* it ends well: nothing is left behind */

/* --- the bus: what is being served. The loop's only --- */
uint16_t crash_method(const char *service, const char *method);
uint32_t crash_call(uint16_t method, uint64_t id, const char *peer, int64_t now_us);
void crash_call_over(uint32_t number, int64_t took_us);

/* The function that holds address `at` of a loaded file: its name and the offset into it. Safe in a
 * signal handler. False: not known. */
bool crash_symbol(const char *file, uint64_t at, char *name, size_t size, uint64_t *offset);

#endif

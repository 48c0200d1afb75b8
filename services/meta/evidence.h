/* evidence: records of processes that ended badly, VAR/crash/NODE-GENERATION.json. Made of what the
 * process left (node/crash.h), of what its supervisor saw, and of the end of its log; renamed into its
 * place when it is on disk. The newest 100 are kept, as far as they fit into 16 MiB.
 *
 * Reads and writes files: for a thread of the work pool. */
#ifndef META_EVIDENCE_H
#define META_EVIDENCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVIDENCE_MOST   100
#define EVIDENCE_BYTES  (16 << 20)
#define EVIDENCE_CORES  3 /* they are large */
#define EVIDENCE_ID_MAX 64

struct crash_file;

struct evidence_end { /* how a process ended, as its supervisor saw it */
	char node[24];
	uint64_t generation;   /* of the one that ended; 0: nothing is known */
	uint64_t running;      /* of the one that runs now, or will: all before it are over */
	uint8_t end, end_code; /* enum contract_end */
	int32_t pid;           /* 0: not known */
	int64_t ran_us;        /* 0: not known */
	bool seen;             /* just now; not: by an orchestrator before us, perhaps */
};

/* Makes records of what the processes of this node before `running` left, and takes away what is none.
 * *id: of the record of `generation`, "" when there is none new. */
void evidence_settle(const char *var, const struct evidence_end *e, char id[EVIDENCE_ID_MAX]);

/* {"items": [...]}, the last first, without backtraces and the like. node NULL: of all. */
json_t *evidence_list(const char *var, const char *node, size_t limit);
json_t *evidence_read(const char *var, const char *id); /* NULL: there is none */

/* What such a file says, whatever its bytes are; adds to `record`. */
void evidence_tell(json_t *record, const struct crash_file *f);
/* The last lines that this process wrote, of the end of a log. */
json_t *evidence_log(const char *text, size_t n, uint64_t generation);

#endif

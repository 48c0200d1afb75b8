/* contract: all that a supervisor and a node know of each other. The one header of it.
 *
 * Descriptors that a supervised node inherits (METAFED_SUPERVISED=1 in its environment):
 *   3  status: the node writes struct contract_status, never more than PIPE_BUF at once, so records never mix
 *   4  life line: reads EOF when guard AND supervisor are gone; the node serves on for its grace time, then drains
 *   5  listener: the public socket, bound and listening (only where METAFED_LISTENER=1)
 *   6  run file: run/NAME.run, flocked; the lock lives as long as the process (FD_CLOEXEC keeps it from grandchildren)
 *   7  commands: orchestrator only (METAFED_NODE=meta): it writes struct contract_command to the supervisor
 *   8  reports: orchestrator only: it reads struct contract_report from the supervisor
 * All pipe ends are O_NONBLOCK. EOF on 4 may end: a new guard opens the same pipes again through
 * /proc/PID/fd/3, 4, 7, 8 and fetches 5 with pidfd_getfd; a node that keeps these descriptors open
 * and in place is adopted as it is. First thing in main: FD_CLOEXEC on all of them, SIGPIPE
 * ignored. EPIPE and EAGAIN on 3 mean "skip this beat".
 *
 * A node that drains because nobody came back becomes METAFED_SWEEP (absolute path, called with
 * --var and --sweep): the last one to leave ends the private servers.
 *
 * Environment: METAFED_NODE, METAFED_GENERATION (decimal), METAFED_CONFIG (absolute path),
 * METAFED_VAR, METAFED_SWEEP. All records are of fixed size, host byte order, one machine. A record of another
 * generation is dropped. */
#ifndef NODE_CONTRACT_H
#define NODE_CONTRACT_H

#include <stdint.h>

/* Of all of this. Nodes of a new build run under the supervisor of the old one until it is replaced,
 * too: where this differs, a fleet can't be upgraded node by node. */
#define CONTRACT_VERSION 1

enum contract_fd {
	CONTRACT_STATUS = 3,
	CONTRACT_LIFE = 4,
	CONTRACT_LISTENER = 5,
	CONTRACT_RUN = 6,
	CONTRACT_COMMANDS = 7,
	CONTRACT_REPORTS = 8
};

/* Life cycle of a node as the supervisor keeps it, and what a node says of itself (STARTING, READY,
 * DRAINING). */
enum contract_state {
	NODE_STOPPED = 0,
	NODE_STARTING = 1,
	NODE_READY = 2,
	NODE_DRAINING = 3,
	NODE_STOPPING = 4,
	NODE_BACKOFF = 5,
	NODE_FAILED = 6,
	NODE_STATES = 7,
};
const char *contract_state_name(uint32_t s); /* "READY"; "?" for what is none */

/* a node writes its status this often, and at each change */
#define CONTRACT_BEAT_US 500000
#define CONTRACT_HUNG_US 3000000 /* no beat for so long: killed and started again */

struct contract_status {
	uint32_t generation; /* low 32 bits */
	uint8_t state;       /* enum contract_state */
	uint8_t reserved;
	uint16_t load; /* calls in flight, saturating */
	int64_t at_us; /* CLOCK_MONOTONIC */
};
_Static_assert(sizeof(struct contract_status) == 16, "16-byte records");

/* What the run file holds: written by the child between fork and exec. */
struct contract_run {
	char magic[8]; /* "MFRUN1\n" and NUL */
	int32_t pid;
	uint32_t reserved;
	uint64_t generation;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: beats pid reuse */
};

enum contract_verb {
	VERB_RESTART = 1,
	VERB_STOP = 2,
	VERB_START = 3,
	VERB_KILL = 4,
	VERB_STOP_FLEET = 5,
	/* As RESTART, from the executable that stands in its place by now; when that one dies before
	   it has proved itself, the one of before runs again. Of "guard": guard and supervisor */
	VERB_RENEW = 6
};

struct contract_command { /* orchestrator -> supervisor */
	uint32_t verb;
	uint32_t reserved;
	char node[24]; /* NUL-padded name of the fleet table */
};
_Static_assert(sizeof(struct contract_command) == 32, "32-byte records");

/* How a process ended the last time. */
enum contract_end {
	END_NONE = 0,    /* it has not, or it was asked to */
	END_EXIT = 1,    /* code: its status */
	END_SIGNAL = 2,  /* code: the signal */
	END_HUNG = 3,    /* killed by the supervisor: no beat */
	END_LATE = 4,    /* killed by the supervisor: over a time limit */
	END_UNKNOWN = 5, /* nobody's child: only its end was seen */
	END_MEMORY = 6,  /* killed by the supervisor: over memory_max */
};

/* Why a process should be renewed, when there is a good moment. */
enum contract_due { DUE_NOT = 0, DUE_AGE = 1, DUE_MEMORY = 2, DUE_FILES = 3 };

const char *contract_end_name(uint32_t end); /* "signal", "hung"; "?" for what is none */
const char *contract_due_name(uint32_t due);

/* Supervisor -> orchestrator: the whole table when a new orchestrator starts, then each change, and
 * each entry once a second. */
struct contract_report {
	char node[20]; /* "sql", "postgres", "guard", "supervisor"; NUL-ended */
	uint8_t end;   /* enum contract_end */
	uint8_t end_code;
	uint8_t end_back; /* how far before `generation` that was the one that ended, at most 255 */
	uint8_t due;      /* enum contract_due */
	int32_t pid;      /* 0: none */
	uint32_t restarts; /* within the window of its policy */
	uint64_t generation;
	uint8_t state;  /* enum contract_state */
	uint8_t wanted; /* NODE_READY or NODE_STOPPED */
	uint16_t load;
	uint32_t exits;   /* ever */
	int64_t since_us; /* CLOCK_MONOTONIC of the start */
	int64_t next_us;  /* BACKOFF: when it starts again */
};
_Static_assert(sizeof(struct contract_report) == 64, "64-byte records");

#endif

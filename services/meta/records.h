/* records: what guard and supervisor tell each other, over two pipes, in records of fixed size.
 *
 * The guard understands nothing of it but beats, "stopping" and who is READY or FAILED; it keeps
 * the last note of each slot and gives them to the next supervisor, which goes on where the last
 * one was. */
#ifndef META_RECORDS_H
#define META_RECORDS_H

#include <limits.h>
#include <stdint.h>
#include "meta/fleet.h"
#include "meta/restart.h"

enum note_kind { NOTE_BEAT = 1, NOTE_SLOT = 2, NOTE_STOPPING = 3, NOTE_RENEW = 4 };

struct super_note { /* supervisor -> guard */
	uint32_t kind;
	int32_t supervisor; /* its pid: notes of a dead one are dropped */
	int32_t slot;
	int32_t pid;
	uint8_t state; /* enum contract_state */
	uint8_t wanted, planned;
	uint8_t end, end_code; /* enum contract_end */
	uint8_t hup;           /* it is told of a reload when it is READY */
	uint32_t exits;
	uint64_t generation, end_generation; /* the latter: of the one that ended last */
	int64_t ready_us;                    /* when it became READY, 0: it is not */
	int64_t due_us;                      /* BACKOFF: when it starts again */
	struct restart_state restart;
};
_Static_assert(sizeof(struct super_note) <= PIPE_BUF, "written at once or not at all");

enum word_kind { WORD_EXITED = 1, WORD_STOP = 2, WORD_HURRY = 3, WORD_RELOAD = 4 };

struct guard_word { /* guard -> supervisor */
	uint32_t kind;
	int32_t pid, status; /* EXITED: of a process whose parent was a dead supervisor; status as
	                        of waitpid */
	uint32_t reserved;
};

#define SUPER_BEAT_US INT64_C(500000)
#define SUPER_HUNG_US INT64_C(3000000) /* no beat for so long: killed */

#endif

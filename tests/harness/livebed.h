/* livebed: sessions turn by turn, as api would ask for them, with level 0, the log of tasks and the
 * fleet's events on loop-back. The state goes from turn to turn through the test's hands. */
#ifndef HARNESS_LIVEBED_H
#define HARNESS_LIVEBED_H

#include "api/live/agent.h"
#include "base/time.h"
#include "harness/test.h"

#define TASK "0199f0c0-1234-7abc-8def-0123456789ab"
#define LOG  600 /* events at most */

struct livebed {
	struct loop *loop;
	struct bus *bus;
	struct target *agent;
	/* level 0 */
	bool meta_down, revoked, forbidden, hangs; /* hangs: reads are not answered */
	unsigned stand_by; /* so many of those who are asked say that they don't lead */
	unsigned checks;
	char permission[40], credential[40], operation[40], data[200], id[64];
	uint64_t expires_at;
	/* the log of tasks: event i has position "i" and is of task "task-i" */
	bool log_down;
	unsigned n_events, first, reads;
	const char *task; /* of all of them; NULL: task-i */
	/* the session */
	const char *protocol;
	uint8_t state[64 << 10];
	size_t state_n;
	int64_t age_us, idle_us;
	uint32_t room;
	const char *authorization; /* of the handshake */
	const char *query, *last;  /* of a stream: its query, Last-Event-ID */
	bool bell, leaving;
	const char *running;
	/* of the last turn */
	char said[256 << 10]; /* a line per message */
	char listens[100], close_reason[128], dropped[40];
	unsigned messages, works;
	int close_code, refused; /* refused: HTTP's status */
	unsigned handshake;      /* what came of its credential */
	bool more, done;
	int64_t wake_us;
	enum status failed;
	Mf__SessionWork work; /* the first one */
	uint8_t work_bytes[4096];
};
extern struct livebed live;

int livebed_start(void **state);
int livebed_stop(void **state);
#define LIVE(f) cmocka_unit_test_setup_teardown(f, livebed_start, livebed_stop)

/* One turn with these messages. */
void livebed_turn(size_t n, const char *const *messages);
#define TURN(...)                                                                                  \
	livebed_turn(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *),                     \
	    (const char *const[]){ __VA_ARGS__ })
void livebed_ring(void); /* one with the bell */
void livebed_work(void); /* the first job of the last turn */
void livebed_assert_said(const char *text);
#define assert_said(text) livebed_assert_said(text)
unsigned livebed_count(const char *text); /* how often the last turn, or job, said it */
void livebed_publish(const char *name, const char *state); /* of a node */

#endif

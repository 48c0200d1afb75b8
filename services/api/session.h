/* session: one session, between live.c (all of them) and session.c. See live.h. */
#ifndef API_SESSION_H
#define API_SESSION_H

#include "api/line.h"
#include "api/live.h"
#include "api/tally.h"
#include "api/ws.h"
#include "base/id.h"
#include "base/metrics.h"

#define SESSION_WHOSE 3 /* principal, session, token */
#define LIVE_TOPICS   2 /* bits of session.listens */
#define TURN_MOST                                                                                  \
	(256u << 10) /* bytes of messages in one turn, or one message; as much is undone */

struct session_bytes {
	uint8_t *p;
	size_t n;
};

/* What the agents have to do for the client (session_job.c): so many at a time, the others wait. */
struct jobs {
	struct list waiting, running;
	struct list undone; /* nobody did them: the next turn hears of it */
};

struct session {
	struct link link;  /* live.all */
	struct link waits; /* live.waiting: wants a turn, and too many are under way */
	struct live *live;
	struct line line;
	const char *protocol;
	char id[UUID_LEN];
	struct address from;
	struct tally_entry *seat;
	char client[ADDRESS_TEXT];
	struct session_bytes state, opening; /* the handshake, packed, until the first step */
	struct list inbox;                   /* what the client said */
	size_t inbox_bytes;
	struct jobs jobs;
	struct session_turn {
		struct call *call; /* NULL: none is under way */
		struct rpc *rpc;
		size_t messages, undone; /* of those lists, from the front */
		bool bell, leaving, doubt;
		uint64_t serial; /* of live when it began */
		int64_t began_us;
	} turn;
	uint32_t listens;              /* bits of topics */
	bool bell;                     /* deliver */
	bool doubt;                    /* its credential may have been revoked */
	int64_t doubt_us;              /* and is asked for again then; 0: not */
	uint64_t whose[SESSION_WHOSE]; /* hashes of the ids that a revocation may name */
	bool more;  /* the last step could not say all: deliver when there is room */
	bool known; /* who it is was verified */
	bool over;
	int64_t begun_us, said_us;
	int64_t wake_us, retry_us,
	    held_us;        /* a turn then; none before; no message before. 0: not set */
	unsigned failures;  /* of turns, in a row */
	int64_t failing_us; /* since then; 0: the last one was fine */
	struct timer timer;
	struct charge charge;   /* of the last message */
	uint8_t credential[16]; /* of the handshake, as quota knows it */
	bool has_credential;
};

/* --- session.c --- */
void session_open(struct live *l, const struct live_opening *o);
void session_consider(struct session *s); /* something may have changed: is it time for a turn? */
/* What was revoked is this id, NULL: nobody knows. */
void session_revoked(struct session *s, const char *id);
void session_say(struct session *s, size_t n, const ProtobufCBinaryData *messages);
void session_close(struct session *s, int code, const char *reason); /* frees it */

/* --- session_job.c --- */
void jobs_init(struct jobs *j);
bool jobs_none(const struct jobs *j);
void jobs_add(struct session *s, const Mf__SessionJob *job);
void jobs_drop(struct jobs *j, const char *id); /* the client does not want it any more */
void jobs_start(struct session *s);             /* as many as there may be */
/* What a turn hears of them; the undone ones that it heard of go with jobs_told. */
void jobs_tell(const struct jobs *j, struct arena *a, Mf__SessionTurn *q);
void jobs_told(struct jobs *j, size_t undone);
void jobs_free(struct jobs *j); /* cancels them */

/* --- live.c: what all share --- */
struct live {
	struct live_opts o;
	struct loop *loop;
	struct target *agents;
	struct ws_limits limits;
	struct ws_hub *hub;
	struct list all, waiting;
	struct tally clients;
	size_t most;    /* sessions */
	unsigned turns; /* under way */
	bool draining;
	uint64_t serial;             /* of bus events heard */
	uint64_t heard[LIVE_TOPICS]; /* serial of the last one of that topic */
	uint32_t ringing;            /* topics, until the timer */
	uint32_t echoing;            /* topics that rang of late */
	size_t echoes;
	struct timer bell, echo;
	int64_t revoked_us; /* when somebody was last revoked, whoever he is */
	struct metric *open, *messages_in, *messages_out, *bytes_in, *bytes_out, *turn_seconds,
	    *turn_failures;
};
/* At a time: a bell for ten thousand is not ten thousand calls at once. */
#define LIVE_TURNS_MOST 256
void live_turn_over(struct live *l); /* the next one may begin */
uint32_t live_topics(size_t n, char *const *names);
bool live_heard(const struct live *l, uint32_t topics, uint64_t since);

#endif

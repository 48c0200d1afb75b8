/* line: one connection's full-duplex stream of frames, whichever side dialled. The part that a lane
 * and a visitor share: epochs, window, receipts, the queue of frames that wait for the window,
 * sealing. */
#ifndef BUS_LINE_H
#define BUS_LINE_H

#include "base/list.h"
#include "base/time.h"
#include "bus/frame.h"
#include "bus/secure.h"
#include "bus/sp.h"
#include "bus/wire.h"
#include "node/loop.h"

#define LINE_WINDOW 4u /* counted frames that may be out unacknowledged */
/* bytes that wait for the window: a call beyond is refused, an answer ends the link */
#define LINE_QUEUE_MAX (32u << 20)
/* a peer that owes a receipt or a WELCOME for so long is given up */
#define LINE_SILENT_US (3 * SEC)

struct line;

struct line_ops {
	void (*head)(struct line *l, const struct frame_head *h);
	void (*record)(struct line *l, const struct frame_record *r);
	/* LINE_SILENT_US are over: hang up. NULL: it may take its time */
	void (*silent)(struct line *l);
};

/* What the lines of a wire share. */
struct lines {
	struct loop *loop;
	struct list dirty;   /* something may leave at the end of the turn */
	struct list owing;   /* the peer waits for a receipt */
	struct list waiting; /* we wait for the peer */
	struct timer owe, watch;
	int64_t watch_due;
	struct wire_stats stats;
	bool draining, hinted, unfit;
	uint64_t hint_epoch, hint_value;
};

struct line {
	struct lines *all;
	const struct line_ops *ops;
	struct sp_conn *conn;          /* NULL: none */
	bool up;                       /* hello done */
	bool speak;                    /* an empty frame shall leave though no receipt is owed */
	uint8_t header[SP_HEADER_MAX]; /* request ids that go before what we send */
	size_t header_n;
	uint64_t mine, theirs; /* epochs */
	/* counted frames, mod 2^32; acked: what the peer says it got */
	uint32_t sent, acked;
	uint32_t received, told; /* told: what we last said */
	struct list queue;       /* of struct frame_out, oldest first */
	size_t queued;           /* bytes in it */
	struct frame_out *spare;
	struct secure_link *secure; /* NULL: ipc */
	struct link dirty, owing, waiting;
	int64_t owing_since, waiting_since;
};

void lines_init(struct lines *a, struct loop *l);
void lines_flush(struct lines *a);
void lines_stop(struct lines *a);

void line_init(struct line *l, struct lines *all, const struct line_ops *ops);
/* a new connection: a new epoch, waits for hello */
void line_start(struct line *l, struct sp_conn *conn);
void line_set_header(struct line *l, const void *p, size_t n);
/* hello done; takes s */
void line_set_up(struct line *l, uint64_t theirs, struct secure_link *s);
/* the connection is gone: what waits is dropped */
void line_stop(struct line *l);
void line_free(struct line *l);
void line_add(struct line *l, const struct frame_record *r);
bool line_is_full(const struct line *l, size_t n);
/* say at the end of the turn how things are, with or without records */
void line_speak(struct line *l);
void line_raw(struct line *l, const void *p, size_t n); /* one message as it is, now: hello */
/* A DATA or SEALED message of this connection; may decrypt in place. False: it is not what a peer of ours
 * sends: hang up. */
bool line_take(struct line *l, uint8_t *body, size_t n) __attribute__((warn_unused_result));

#endif

/* library: what the files of libmetafed share (metafed/client.h is its face). Nobody else includes
 * this.
 *
 * What the engine's thread owns and what its users may touch is said at each field; between the two
 * there is a message on the loop, or the lock of the call or client. */
#ifndef CLIENT_LIBRARY_H
#define CLIENT_LIBRARY_H

#include <metafed/client.h>
#include <pthread.h>
#include <stdatomic.h>
#include "base/list.h"
#include "bus/bus.h"
#include "client/inside.h"
#include "node/node.h"

struct metafed_client {
	/* from its opening on, for good */
	unsigned flags;
	struct loop *loop;
	struct arena *texts; /* of config */
	struct node_config config;
	int event_fd;          /* METAFED_DISPATCH, else -1 */
	struct loop_msg close; /* on the engine's own thread: later */
	atomic_bool closing;   /* nothing is started any more */
	/* the engine's */
	struct bus *bus;
	struct target *meta, *rest;
	struct list running; /* calls that have a root */
	/* under lock */
	pthread_mutex_t lock;
	char *token;       /* NULL: none */
	struct list ended; /* METAFED_DISPATCH: calls whose done function has not run yet */
};

enum call_state { CALL_NEW, CALL_STARTED, CALL_DONE };

struct outcome { /* strings are malloc'ed */
	enum metafed_code code;
	char *message, *reason;
	uint32_t retry_ms;
	size_t n_violations;
	struct {
		char *field, *what;
	} * violations;
	uint8_t *reply; /* packed; NULL: failed */
	size_t reply_n;
	char *node;
};

struct metafed_call {
	struct metafed_client *client;
	atomic_uint holders; /* its user, and the engine while it is under way */
	/* set before the start, read by both afterwards */
	uint32_t deadline_ms; /* 0: not set */
	char *idempotency_key, *traceparent, *authorization, *node;
	bool no_retry, login;
	const ProtobufCServiceDescriptor *service; /* ours, not the caller's */
	unsigned method;
	const ProtobufCMessageDescriptor *output; /* the caller's */
	uint8_t *request;
	size_t request_n;
	int64_t start_us;
	metafed_done_fn *done;
	void *ctx;
	/* the engine's */
	struct loop_msg start, cancel;
	struct link link; /* client's running, then ended */
	struct call *root;
	struct rpc *rpc;
	ProtobufCMessage *message_out; /* the request, in the root's arena */
	atomic_bool cancelled;
	const char *refused,
	    *refused_why; /* the reason, static, for which it is not sent; NULL: none */
	enum metafed_code refused_code;
	/* under lock; the outcome is anybody's once the state is CALL_DONE */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum call_state state;
	bool freed;   /* by its user: nothing is told any more */
	bool telling; /* its done function runs, on thread `teller` */
	pthread_t teller;
	struct outcome outcome;
	ProtobufCMessage
	    *message; /* the reply as the caller's descriptor has it, when first asked for */
};

/* --- pending.c, on the engine's thread --- */
void pending_start(struct loop_msg *m);
void pending_cancel(struct loop_msg *m);
/* --- and on whichever thread the done functions run, or lets go last --- */
void pending_tell(struct metafed_call *k); /* unless it was freed meanwhile; then lets go of it */
void pending_let_go(struct metafed_call *k);

/* --- calls.c --- */
void calls_forget(struct metafed_call *k); /* its memory */

/* --- library.c --- */
void library_set_token(struct metafed_client *c, const char *token);
/* Of the client or the call; in `a`. NULL: none. */
const char *library_token(const struct metafed_call *k, struct arena *a);
char *library_strdup(const char *s); /* NULL stays NULL */
void library_wipe(char **s);

#endif

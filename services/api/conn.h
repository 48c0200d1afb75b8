/* conn: the clients' connections: which state each is in and for how long, who is cut because he
 * takes too long, who makes room when there are too many, and how many one address may have.
 *
 * Every connection is in the list of its state, the longest in it first; it changes state only
 * through conn_enter. Time limits are absolute: libmicrohttpd knows inactivity only, which a slow
 * sender never shows. */
#ifndef API_CONN_H
#define API_CONN_H

#include <microhttpd.h>
#include "api/address.h"
#include "node/loop.h"

struct api_config;
struct api_settings;
struct conn;
struct conns;
struct exchange;

enum conn_state {
	CONN_HEAD, /* new: has not brought a whole head yet */
	CONN_IDLE, /* was answered; may bring another request */
	CONN_BODY,
	CONN_WAIT,   /* suspended: an agent works, exchange x waits */
	CONN_STREAM, /* the answer is a stream of events, who looks after it (stream.h) */
	CONN_SEND,
	CONN_UPGRADED, /* a session's, who looks after it (ws.h) */
	CONN_ENDING,   /* shut: as soon as libmicrohttpd sees it, it is closed */
	CONN_STATES,
};

struct conns_opts {
	struct loop *loop;
	const struct api_settings *(*settings)(void *ctx); /* as they are now */
	void (*run)(void *ctx);                            /* libmicrohttpd has something to see */
	void *ctx;
	int listener; /* where others wait when there is no room; stays the caller's */
};

struct conns *conns_new(const struct conns_opts *o);
size_t conns_count(const struct conns *cs);
size_t conns_in(const struct conns *cs, enum conn_state s);
/* No new ones: idle ones get a little longer to bring the request that may be on its way, then
 * their read side is shut; what has arrived is still served. */
void conns_drain(struct conns *cs);
/* Nobody reads the answers any more: cancels what they wait for. False: nobody was suspended. */
bool conns_abandon(struct conns *cs);
void conns_free(struct conns **cs); /* drained, and none left */

/* Callbacks of libmicrohttpd, with the conns as context. */
enum MHD_Result conns_admit(void *cs, const struct sockaddr *peer, socklen_t n);
void conns_notify(
    void *cs, struct MHD_Connection *m, void **own, enum MHD_ConnectionNotificationCode what);

const char *conn_address(const struct conn *k);
const struct address *conn_peer(const struct conn *k);
void conn_enter(struct conn *k, enum conn_state s, struct exchange *x);
bool conn_left(const struct conn *k); /* the client has closed its side, or all of it */
void conn_cut(struct conn *k);        /* nothing more is said to it */
void conn_unread(struct conn *k);     /* its end shall not destroy the answer: see linger.h */

/* When a connection in this state, entered at `since`, is cut; 0: never. Pure. */
int64_t conn_limit(const struct api_config *c, enum conn_state s, int64_t since_us);
/* Until when a connection that has brought no head yet is not asked to make room. Pure. */
int64_t conn_spared(const struct api_config *c, int64_t since_us);

#endif

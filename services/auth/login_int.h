/* login_int: one log-in on its way, of login.c (limits, the flow), login_look.c (what is known of the
 * account and its clients) and login_end.c (outcomes, what is recorded). */
#ifndef AUTH_LOGIN_INT_H
#define AUTH_LOGIN_INT_H

#include "auth/auth.h"
#include "auth/geo.h"

enum scope { PAIR, ACCOUNT, ADDRESS, SCOPES };

struct login {
	struct auth *a;
	struct call *c;
	struct rpc *rpc;
	const Mf__Credentials *q;
	bool browser; /* Authenticate: no session begins */
	uint8_t keys[SCOPES][16];
	struct limiter_rule rules[SCOPES];
	struct call_dep dep; /* a log-in that was begun is settled, however it ends */
	char network[64];
	bool pair_known;     /* was right from there before */
	bool brought;        /* a second factor */
	bool turn;           /* others' failures do not count: he waited */
	bool masked;         /* an answer says no more than yes or no */
	bool judged;         /* the score is there */
	bool lets_in;        /* the answer does */
	const char *user_id; /* NULL: there is no such account */
	struct risk_input seen;
	struct risk risk;
	enum risk_policy policy;
	/* the answer, until it is recorded */
	const ProtobufCMessage *answer;
	struct failure failure;
	void (*then)(struct login *l);
};

/* login_look.c: reads the account, and its sessions where the client is not remembered; then(l).
 * Ends the call where the store does not answer. */
void login_look(struct login *l, void (*then)(struct login *l));
/* He was right: this client is his. */
void login_remember(struct login *l);
void login_key(const struct auth *a, uint8_t tag, const char *x, const char *y, uint8_t out[16]);
enum {
	KEY_TURN = SCOPES,
	KEY_NETWORK,
	KEY_AGENT,
	KEY_REUSE,
	KEY_SEEN
}; /* tags behind the scopes */

/* login_end.c */
void login_settle(struct login *l, enum limiter_end how);
void login_right(struct login *l, const ProtobufCMessage *m, const char *user_id, bool complete);
void login_wrong(struct login *l, const struct failure *f);
/* Before anything was read or hashed, or without its outcome. */
void login_refuse(struct login *l, const char *outcome, enum status st, const char *reason,
    uint32_t retry_ms, const char *message);

#endif

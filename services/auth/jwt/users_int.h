/* users_int: what users.c and users_effect.c share; nobody else includes it. */
#ifndef JWT_USERS_INT_H
#define JWT_USERS_INT_H

#include "auth/jwt/jwt.h"
#include "auth/jwt/rows.h"

struct account {
	struct tokens *t;
	struct call *c;
	const Mf__StoreOp *q;
	struct rpc *rpc;
	const Mf__Principal *who; /* who asks */
	const json_t *body;       /* NULL: a delete */
	char *password;           /* in the body; wiped by forget. NULL: none was given */
	struct call_dep dep;
	const char *hash; /* NULL: stays; "": none */
	struct user_row user;
	bool ends_sessions;
	const char *keep; /* the session that goes on all the same; NULL: none */
	bool silent;      /* the answer has no account in it */
	bool wrong;       /* his present password was wrong (my_password.c) */
	void *owner;
	bool stale; /* it has another version than the caller wants */
	unsigned round;
	const char *operation_id;
	char revocation_row[UUID_LEN];
	struct revocation revocation;
	Mf__StoreResult answer;
};

/* users.c: reads the account and asks whether he may, then users_effect; again when it has changed. */
void users_judge(struct account *x);
void users_answer(struct account *x, const Mf__StoreResult *m); /* m NULL: the call fails */
void users_begin(struct account *x, struct tokens *t, struct call *c, const Mf__StoreOp *q);
bool users_fields(struct account *x);            /* users_fields.c; false: the call was failed */
bool users_gives_login(const struct account *x); /* the body has what somebody logs in by */
/* users_effect.c */
void users_effect(struct account *x);
/* my_password.c: it was wrong, and no retry */
void my_password_wrong(struct account *x);
void users_look_back(struct account *x); /* was it this very operation that changed the account? */

#endif

/* deed: one operation on a model of jwt, for administrators (session, api_key, factor) or on one's own
 * (my.session and so on), and what they have in common: who asks and by which credential, the body,
 * and whether he may act on somebody's account. Lives in the call's arena. */
#ifndef JWT_DEED_H
#define JWT_DEED_H

#include "auth/jwt/jwt.h"
#include "auth/jwt/rows.h"
#include "auth/store_failed.h"
#include "base/json.h"
#include "proto/rbac.pb-c.h"

struct deed {
	struct tokens *t;
	struct call *c;
	const Mf__StoreOp *q;
	struct rpc *rpc;
	const Mf__Principal *who;
	bool own;           /* my.*: on himself alone */
	const json_t *body; /* of deed_body; wiped with the call where it may hold a secret */
	const char *operation_id;
	struct user_row user; /* of deed_user, deed_cover */
	void (*then)(struct deed *k);
	struct call_dep dep;
	void *owner;
};

/* The dashboard's client (auth/oauth/own_client.h): what it does is done by who sits before it, signed
 * in on our own pages. */
#define OWN_CLIENT "metafed-ui"

/* What a credential must be. A key or a client that acts for somebody can't make itself more than it
 * is: what would outlive it or go beyond its scopes needs a log-in of one's own. */
enum deed_need {
	DEED_ANY,
	DEED_UNLIMITED, /* not of limited scopes */
	DEED_SESSION,   /* nor an API key, nor a client's but the dashboard's */
};

/* NULL: the call was failed. */
struct deed *
deed_new(struct tokens *t, struct call *c, const Mf__StoreOp *q, enum deed_need need, void *owner);
/* An API key, or a client in its own name: nobody who logged in. */
bool deed_is_program(const Mf__Principal *who);
/* False: the credential is less than that, and the call was failed. */
bool deed_needs(struct call *c, const Mf__Principal *who, enum deed_need need);
/* The object in data, which is wiped; `fields` (NULL-ended) are those that there may be. An empty body
 * is {}. False: the call was failed. */
bool deed_body(struct deed *k, const char *const *fields);
const char *deed_text(const struct deed *k, const char *field);        /* NULL: none, or no text */
void deed_refuse(struct call *c, const char *field, const char *what); /* VALIDATION */
void deed_nowhere(struct deed *k);                                     /* NOT_FOUND */

/* k->user is read, then `then`. Of who is not there: NOT_FOUND. */
void deed_user(struct deed *k, const char *user_id, void (*then)(struct deed *k));
/* The same, and who asks may do himself what the account may; or it is his own. Else BEYOND_OWN. */
void deed_cover(struct deed *k, const char *user_id, void (*then)(struct deed *k));
/* r NULL: a failure of rbac; else what is beyond or unknown ends the call. True: go on. */
bool deed_covered(struct call *c, const Mf__RoleCoverAnswer *r);

void deed_reply(struct deed *k, struct jw *w); /* an object; version 0: none is said */
void deed_reply_done(struct deed *k, bool repeated);
/* A page of rows as `each` writes them; one that it does not write is left out. */
typedef bool deed_row_fn(const struct deed *k, const json_t *row, struct jw *w);
/* Read: a page as q asks for it, or the one row of q's id; of my.* one's own alone. */
void deed_read(
    struct tokens *t, struct call *c, const Mf__StoreOp *q, const char *model, deed_row_fn *each);

#endif

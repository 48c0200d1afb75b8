/* authbed: the whole auth domain in one process, over loop-back: auth, jwt, oauth in its place,
 * rbac, and a database in memory. Agents can be down; calls are made as a client's would arrive. */
#ifndef HARNESS_AUTHBED_H
#define HARNESS_AUTHBED_H

#include "auth/auth.h"
#include "auth/jwt/jwt.h"
#include "auth/oauth/oauth.h"
#include "auth/rbac/rbac.h"
#include "harness/memdb.h"
#include "harness/test.h"

struct authbed_member {      /* a token agent that can be down */
	Mf__Jwt_Service jwt; /* first */
	Mf__Oauth_Service web;
	struct tokens tokens;
	struct oauth oauth;
	struct serve serves[3];
	bool down;
	bool verifies_nothing; /* is down for Verify alone */
	unsigned calls;
};

struct authbed_permits {
	Mf__Rbac_Service service; /* first */
	struct rbac rbac;
	struct serve serves[2];
	bool down;
	void (*before_expand)(
	    void); /* once, when set: something between the question and its answer */
};

struct authbed {
	struct loop *loop;
	struct bus *bus;
	struct target *target; /* auth, as the edge calls it */
	struct memdb db;
	struct authbed_member jwt, oauth;
	struct authbed_permits rbac;
	struct auth auth;
	struct auth_config auth_config;
	struct jwt_config jwt_config;
	struct oauth_config oauth_config;
	struct rbac_config rbac_config;
	const char *var;
	char admin_password[64];
};
extern struct authbed authbed;
/* What it begins with. */
extern const struct auth_config authbed_auth_config;
extern const struct jwt_config authbed_jwt_config;

int authbed_start(void **state);
int authbed_start_without_database(void **state);
int authbed_stop(void **state);
#define BED(f)  cmocka_unit_test_setup_teardown(f, authbed_start, authbed_stop)
#define BARE(f) cmocka_unit_test_setup_teardown(f, authbed_start_without_database, authbed_stop)

/* There is a user, and all agents have read what they need. */
void authbed_until_seeded(void);
void authbed_pass(int64_t us);
void authbed_await(bool *done);

struct attempt { /* of one call to auth */
	bool done;
	enum status status;
	char reason[40], message[200], method[16], name[80], refresh[80];
	char access[JWS_TOKEN_MAX + 1];
	uint32_t retry_ms;
	uint64_t sequence, epoch;
	Mf__Principal *principal;
	struct call *call;
	struct rpc *rpc;
	int64_t took_us;
};
/* operation: idempotency key, may be NULL. */
void try_login_start(struct attempt *o, const char *username, const char *password,
    const char *address, const char *operation);
void try_await(struct attempt *o);
struct attempt try_login(const char *username, const char *password);
/* With a second factor. */
void try_login_with_start(struct attempt *o, const char *username, const char *password,
    const char *otp, const char *operation);
struct attempt
try_login_with(const char *username, const char *password, const char *otp, const char *operation);
struct attempt try_login_as(Mf__Credentials *q); /* whatever a client says of itself */
struct attempt try_login_from(const char *address, const char *username, const char *password);
struct attempt try_refresh(const char *token, const char *operation);
struct attempt try_logout(const char *token);
struct attempt try_check(const char *token, const char *permission);
struct attempt try_report(const Mf__Sighting *q);

/* An operation on users or roles, by somebody with the role `as` (NULL: admin) and the id `by` (NULL: a
 * stranger's). */
struct account_ask {
	Mf__StoreOp__Kind kind;
	const char *model, *id, *data, *operation, *as, *by;
	uint64_t if_version;
	/* Who this credential says he is, in place of as and by; aged: he logged in an hour ago. */
	const char *token;
	bool aged;
	const char *filter, *value; /* of a query */
#define ASK_FILTERS 4
	const char *filters[ASK_FILTERS - 1][2]; /* more of them */
};
struct account { /* what became of it */
	bool done;
	enum status status;
	char reason[40], field[40], message[200];
	char text[4000]; /* the object, or the page */
	uint64_t version;
	bool repeated;
	struct call *call;
	struct rpc *rpc;
};
#define ACCOUNT(k, ...)                                                                            \
	try_account(&(const struct account_ask){ .kind = MF__STORE_OP__KIND__##k, __VA_ARGS__ })
struct account try_account(const struct account_ask *q);

/* A request to the authorization server, through auth, as the edge brings it. */
#define WEB_ORIGIN "https://metafed.test"
struct web_ask {
	const char *path;
	const char *method;       /* NULL: GET, or POST where there is a body */
	const char *query, *body; /* body: a form, unless type says otherwise */
	const char *type, *authorization, *cookie, *dpop, *accept, *address;
	const char *operation; /* NULL: a new one */
	const char *origin;    /* NULL: WEB_ORIGIN */
};
struct web_got {
	bool done;
	enum status status; /* of the call */
	unsigned http;
	char type[80], location[2000], body[8000];
	char headers[4000]; /* "name: value\n", all of them */
	struct call *call;
	struct rpc *rpc;
};
#define WEB(...) try_web(&(const struct web_ask){ __VA_ARGS__ })
struct web_got try_web(const struct web_ask *q);
/* A string member of the JSON in the body, or a parameter of the location's query, decoded; "": none. */
const char *web_got_text(const struct web_got *g, const char *member);
const char *web_got_param(const struct web_got *g, const char *name);

/* What a credential says; free with mf__principal__free_unpacked. NULL: it was refused. */
Mf__Principal *principal_of(const char *token);

#define REFUSED(o, st, why)                                                                        \
	do {                                                                                       \
		__auto_type o_ = (o);                                                              \
		assert_int_equal(o_.status, (st));                                                 \
		assert_string_equal(o_.reason, (why));                                             \
	} while (0)

void add_user(const char *name, const char *password, const char *role);
json_t *user_named(const char *name); /* the stored row; NULL: none */

#endif

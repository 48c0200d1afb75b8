/* authbed: the whole auth domain in one process, over loop-back: auth, jwt, oauth in its place,
 * rbac, and a database in memory. Agents can be down; calls are made as a client's would arrive. */
#ifndef HARNESS_AUTHBED_H
#define HARNESS_AUTHBED_H

#include "auth/auth.h"
#include "auth/jwt/jwt.h"
#include "auth/rbac/rbac.h"
#include "harness/memdb.h"
#include "harness/test.h"

struct authbed_member {      /* a token agent that can be down */
	Mf__Jwt_Service jwt; /* first */
	struct tokens tokens;
	struct serve serves[2];
	bool down;
	unsigned calls;
};

struct authbed_permits {
	Mf__Rbac_Service service; /* first */
	struct rbac rbac;
	struct serve serves[2];
	bool down;
};

struct authbed {
	struct loop *loop;
	struct bus *bus;
	struct memdb db;
	struct authbed_member jwt, oauth;
	struct authbed_permits rbac;
	struct auth auth;
	struct auth_config auth_config;
	struct jwt_config jwt_config;
	struct rbac_config rbac_config;
	const char *var;
	char admin_password[64];
};
extern struct authbed authbed;

int authbed_start(void **state);
int authbed_start_without_database(void **state);
int authbed_stop(void **state);
#define BED(f)  cmocka_unit_test_setup_teardown(f, authbed_start, authbed_stop)
#define BARE(f) cmocka_unit_test_setup_teardown(f, authbed_start_without_database, authbed_stop)

/* There is a user, and all agents have read what they need. */
void authbed_until_seeded(void);
void authbed_pass(int64_t us);

struct attempt { /* of one call to auth */
	bool done;
	enum status status;
	char reason[40], message[200], method[16], name[80], refresh[80];
	char access[JWS_TOKEN_MAX + 1];
	uint32_t retry_ms;
	uint64_t sequence, epoch;
	struct call *call;
	struct rpc *rpc;
	int64_t took_us;
};
/* operation: idempotency key, may be NULL. */
void try_login_start(struct attempt *o, const char *username, const char *password,
    const char *address, const char *operation);
void try_await(struct attempt *o);
struct attempt try_login(const char *username, const char *password);
struct attempt try_login_from(const char *address, const char *username, const char *password);
struct attempt try_refresh(const char *token, const char *operation);
struct attempt try_logout(const char *token);
struct attempt try_check(const char *token, const char *permission);

/* An operation on users or roles, by somebody with the role `as` (NULL: admin) and the id `by` (NULL: a
 * stranger's). */
struct account_ask {
	Mf__StoreOp__Kind kind;
	const char *model, *id, *data, *operation, *as, *by;
	uint64_t if_version;
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

#define REFUSED(o, st, why)                                                                        \
	do {                                                                                       \
		__auto_type o_ = (o);                                                              \
		assert_int_equal(o_.status, (st));                                                 \
		assert_string_equal(o_.reason, (why));                                             \
	} while (0)

void add_user(const char *name, const char *password, const char *role);
json_t *user_named(const char *name); /* the stored row; NULL: none */

#endif

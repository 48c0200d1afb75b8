/* rows: what jwt reads from and writes to the database domain, as typed values. Loose JSON stays in
 * rows.c. */
#ifndef JWT_ROWS_H
#define JWT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/jwt/revoked.h"
#include "auth/jwt/session.h"
#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"
#include "proto/database.pb-c.h"

#define ROWS_LIST_MAX 100 /* of roles, groups, scopes, methods */

#define SESSION_KIND_API     "api" /* a log-in with a password, given to us directly */
#define SESSION_KIND_BROWSER "browser"
#define SESSION_KIND_CLIENT  "client"

struct user_row {
	const char *id;
	const char *username;
	const char *password_hash; /* NULL: can't log in by password */
	size_t n_roles;
	char **roles;
	size_t n_groups;
	char **groups;
	bool service; /* a service account, not a person */
	bool disabled;
	uint64_t version;
};

/* A row of the model session: what its tokens say of it. */
struct session_facts {
	const char *id, *user_id;
	const char *kind;                 /* "api", "browser", "client" */
	const char *client_id, *audience; /* NULL: none; the configured one */
	const char *proof_key;            /* NULL: its tokens are bound to no key */
	const char *client_address, *user_agent;
	size_t n_scopes, n_methods;
	char **scopes, **methods;
	bool limited;
	int64_t authenticated_at_us, created_us, changed_us, expires_us;
	uint64_t version;
};

/* False: the stored object is not what the model promises. */
bool user_row_read(struct arena *a, const ProtobufCBinaryData *data, struct user_row *out);
bool session_row_read(const ProtobufCBinaryData *data, struct session_row *out);
bool
session_facts_read(struct arena *a, const ProtobufCBinaryData *data, struct session_facts *out);
bool session_row_of(const json_t *item, struct session_row *out);
bool revocation_row_of(const json_t *item, struct revocation *out);

/* `data`, an object or a page of them, without password hashes: what may leave the auth domain. */
ProtobufCBinaryData user_public(struct arena *a, const ProtobufCBinaryData *data);

/* Operations. They point into `a` and to what they are given. */
Mf__StoreOp *op_user_by_name(struct arena *a, const char *username);
Mf__StoreOp *op_read(struct arena *a, const char *model, const char *id);
Mf__StoreOp *op_query(
    struct arena *a, const char *model, const char *field, const char *value); /* field NULL: all */
void op_filter(struct arena *a, Mf__StoreOp *op, const char *field, const char *value);
Mf__StoreOp *op_session_create(struct arena *a, const struct session_facts *f);
/* Keyed by the token and the operation `by`: what another one did with the token is no repeat. */
Mf__StoreOp *op_session_refresh(
    struct arena *a, const struct session_token *used, const char *by, int64_t expires_us);
/* The end, unconditional; `by`: what it belongs to. */
Mf__StoreOp *op_session_end(struct arena *a, const char *id, const char *by);
/* id: of the row; the same again is the same revocation. */
Mf__StoreOp *op_revoke(struct arena *a, const char *id, const struct revocation *v);
Mf__StoreOp *op_user_create(
    struct arena *a, const char *id, const char *username, const char *hash, const char *role);
Mf__StoreOp *op_user_hash(struct arena *a, const struct user_row *u, const char *hash);
/* What an administrator wrote: `body` without its password; hash NULL: none was given, "": it goes. */
ProtobufCBinaryData user_data(struct arena *a, const json_t *body, const char *hash);
Mf__StoreOp *op_transaction(struct arena *a, const char *operation_id, size_t most);
void op_add(Mf__StoreOp *transaction, Mf__StoreOp *member);

/* What became of a transaction: m NULL, or a member that failed. */
enum status op_outcome(const Mf__StoreResult *m, const struct failure *f);

#endif

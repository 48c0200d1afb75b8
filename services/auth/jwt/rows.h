/* rows: what jwt reads from and writes to the database domain, as typed values. Loose JSON stays in
 * rows.c. */
#ifndef JWT_ROWS_H
#define JWT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/jwt/session.h"
#include "base/arena.h"
#include "base/json.h"
#include "proto/database.pb-c.h"

#define ROWS_ROLES_MAX 64

struct user_row {
	const char *id;
	const char *username;
	const char *password_hash; /* NULL: can't log in by password */
	size_t n_roles;
	char **roles;
	bool disabled;
};

/* False: the stored object is not what the model promises. */
bool user_row_read(struct arena *a, const ProtobufCBinaryData *data, struct user_row *out);
bool session_row_read(const ProtobufCBinaryData *data, struct session_row *out);

typedef void rows_each_fn(void *ctx, const json_t *item);
/* Every item of a QUERY_MANY; *next is the cursor for the page after, NULL at the end. */
bool rows_each(struct arena *a, const ProtobufCBinaryData *data, rows_each_fn *each, void *ctx,
    const char **next);
bool session_row_of(const json_t *item, struct session_row *out);

/* Operations. They point into `a` and to what they are given. */
Mf__StoreOp *op_user_by_name(struct arena *a, const char *username);
Mf__StoreOp *op_read(struct arena *a, const char *model, const char *id);
Mf__StoreOp *op_query(
    struct arena *a, const char *model, const char *field, const char *value); /* field NULL: all */
void op_filter(struct arena *a, Mf__StoreOp *op, const char *field, const char *value);
Mf__StoreOp *op_token_create(struct arena *a, const struct session_token *t, const char *family,
    const char *user_id, int64_t expires_us);
Mf__StoreOp *op_token_end(struct arena *a, const char *row, uint64_t if_version, int64_t used_us,
    const char *operation_id); /* used_us 0: ended, not used */
Mf__StoreOp *op_revoke(struct arena *a, const char *family, int64_t expires_us);
Mf__StoreOp *op_user_create(
    struct arena *a, const char *id, const char *username, const char *hash, const char *role);
Mf__StoreOp *op_transaction(struct arena *a, const char *operation_id, size_t most);
void op_add(Mf__StoreOp *transaction, Mf__StoreOp *member);

/* The first member that failed; NULL: none. */
const Mf__Problem *result_problem(const Mf__StoreResult *m);

#endif

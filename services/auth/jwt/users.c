/* users: the model user for administrators, step by step: what is asked for, and whether he may; the
 * effect is in users_effect.c. Called by auth; the permission (user.create and the like) was asked
 * for at the gate. jwt does it because a password is hashed nowhere else, and because what changes
 * an account must end what was granted to it.
 *
 *	create	   may he give these roles? -> hash the password -> create
 *	change	   read the account -> may he? -> hash -> ONE transaction: the account on condition of
 *	(delete)   its version, and the revocation of all access tokens of that version and before
 *		   -> memory, events -> (disabled, deleted, another password) every session is ended
 *
 * Nobody gives what he does not have, and nobody changes whom he could not have made: else user.update
 * would be the permission to become administrator. Nobody disables, deletes or re-roles himself: so
 * somebody who may mend things is left. */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/deed.h"
#include "auth/jwt/password_rules.h"
#include "auth/jwt/users_int.h"

static void on_read(const Mf__StoreResult *m, void *ctx);
static bool take_body(struct account *x);
static bool take_password(struct account *x);
static void forget(struct call_dep *d);
static void on_account(const Mf__StoreResult *m, void *ctx);
static bool is_own(const struct account *x);
static void ask_cover(struct account *x);
static void on_cover(const Mf__RoleCoverAnswer *m, void *ctx);
static bool
all_known(struct account *x, const char *field, size_t n, char *const *unknown, const char *what);
static void make_hash(struct account *x);
static void on_hashed(struct call *c, bool ok, const char *hash, void *ctx);

/* --- reading --- */

void
users_read(struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	struct account *x = ARENA_NEW(call_arena(c), struct account);

	users_begin(x, t, c, q);
	x->rpc = rpc_new(x->c, x->t->database, NULL);
	mf__database__read(&x->rpc->service, q, on_read, x);
}

static void
on_read(const Mf__StoreResult *m, void *ctx)
{
	users_answer(ctx, m);
}

void
users_answer(struct account *x, const Mf__StoreResult *m)
{
	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	x->answer = *m;
	x->answer.data = user_public(call_arena(x->c), &m->data);
	call_reply(x->c, &x->answer.base);
}

void
users_begin(struct account *x, struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	char id[UUID_LEN];

	x->t = t;
	x->c = c;
	x->q = q;
	x->who = call_principal(c);
	uuid7(id);
	x->operation_id =
	    q->operation_id[0] != '\0' ? q->operation_id : arena_strdup(call_arena(c), id);
	session_uuid("change of a user", x->operation_id, x->revocation_row);
	mf__store_result__init(&x->answer);
}

/* --- writing: what is asked for --- */

void
users_write(struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	struct account *x = ARENA_NEW(call_arena(c), struct account);

	users_begin(x, t, c, q);
	switch (q->kind) {
	case MF__STORE_OP__KIND__CREATE:
		if (take_body(x))
			ask_cover(x);
		break;
	case MF__STORE_OP__KIND__UPDATE:
		if (take_body(x))
			users_judge(x);
		break;
	case MF__STORE_OP__KIND__DELETE:
		x->ends_sessions = true;
		users_judge(x);
		break;
	case MF__STORE_OP__KIND__READ_ONE:
	case MF__STORE_OP__KIND__QUERY_MANY:
	case MF__STORE_OP__KIND__BULK_CREATE:
	case MF__STORE_OP__KIND__TRANSACTION:
	case MF__STORE_OP__KIND__BULK:
	case MF__STORE_OP__KIND__APPEND:
	case MF__STORE_OP__KIND__TRIM:
	case _MF__STORE_OP__KIND_IS_INT_SIZE:
		call_fail_because(x->c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    "users are created, updated and deleted one at a time");
		break;
	}
}

/* What is not looked at here is the store's to judge: names, kinds, lengths. */
static bool
take_body(struct account *x)
{
	struct json_error e;
	json_t *v = json_read(x->q->data.data, x->q->data.len, &e);

	sodium_memzero(x->q->data.data, x->q->data.len);
	if (v != NULL)
		call_own_json(x->c, v);
	x->body = v;
	if (!json_is_object(v)) {
		deed_refuse(x->c, "", "must be an object");
		return false;
	}
	if (json_object_get(v, "password_hash") != NULL) {
		deed_refuse(x->c, "/password_hash", "there is no such field");
		return false;
	}
	x->ends_sessions = json_is_true(json_object_get(v, "disabled"));
	return users_fields(x) && take_password(x);
}

static bool
take_password(struct account *x)
{
	const json_t *v = json_object_get(x->body, "password");

	if (v == NULL)
		return true;
	x->ends_sessions = true;
	if (json_is_null(v)) {
		x->hash = "";
		return true;
	}
	if (!json_is_string(v)) {
		deed_refuse(x->c, "/password", "must be a string, or null");
		return false;
	}
	x->password = (char *)(uintptr_t)json_string_value(v);
	x->dep.cancel = forget;
	call_attach(x->c, &x->dep);
	return true;
}

static void
forget(struct call_dep *d)
{
	struct account *x = container_of(d, struct account, dep);

	sodium_memzero(x->password, strlen(x->password));
}

void
users_judge(struct account *x)
{
	x->rpc = rpc_new(x->c, x->t->database, NULL);
	mf__database__read(
	    &x->rpc->service, op_read(call_arena(x->c), "user", x->q->id), on_account, x);
}

static void
on_account(const Mf__StoreResult *m, void *ctx)
{
	struct account *x = ctx;

	if (m == NULL && rpc_failure(x->rpc)->status == ST_NOT_FOUND && x->body == NULL) {
		users_look_back(x); /* deleted: by this very operation? */
		return;
	}
	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	if (!user_row_read(call_arena(x->c), &m->data, &x->user)) {
		call_fail(x->c, ST_DATA_LOSS, "the stored user is none");
		return;
	}
	/* Whether he may is judged on this version, so no other may be written. */
	x->stale = x->q->if_version != 0 && x->q->if_version != x->user.version;
	if (x->stale)
		users_look_back(x); /* changed meanwhile: by this very operation? */
	else if (!is_own(x))
		ask_cover(x);
	else if (x->body == NULL || json_object_get(x->body, "roles") != NULL ||
		 json_object_get(x->body, "groups") != NULL ||
		 json_object_get(x->body, "disabled") != NULL)
		call_fail_because(x->c, ST_FAILED_PRECONDITION, "OWN_ACCOUNT", 0,
		    "nobody deletes or disables himself or changes his own roles or groups");
	else if (users_gives_login(x) && deed_is_program(x->who))
		(void)deed_needs(x->c, x->who, DEED_SESSION);
	else
		make_hash(x);
}

static bool
is_own(const struct account *x)
{
	return x->who != NULL && strcmp(x->who->id, x->user.id) == 0;
}

/* --- may he? --- */

/* Of `field` in the body, and what he has of it already. */
static size_t
given_and_had(struct account *x, const char *field, size_t n_had, char **had, char ***out)
{
	const json_t *given = json_object_get(x->body, field);
	size_t n = 0;

	*out = ARENA_ARRAY(call_arena(x->c), char *, n_had + json_array_size(given) + 1);
	for (size_t i = 0; i < json_array_size(given); i++) {
		const char *s = json_string_value(json_array_get(given, i));

		if (s != NULL)
			(*out)[n++] = (char *)(uintptr_t)s;
	}
	for (size_t i = 0; i < n_had; i++)
		(*out)[n++] = had[i];
	return n;
}

static void
ask_cover(struct account *x)
{
	Mf__RoleCover q = MF__ROLE_COVER__INIT;

	q.n_roles = given_and_had(x, "roles", x->user.n_roles, x->user.roles, &q.roles);
	q.n_groups = given_and_had(x, "groups", x->user.n_groups, x->user.groups, &q.groups);
	q.user_id = x->q->id; /* of one that is made, too: grants outlive an account */
	if (x->who != NULL) {
		q.n_holder = x->who->n_roles;
		q.holder = x->who->roles;
	}
	x->rpc = rpc_new(x->c, x->t->rbac, NULL);
	mf__rbac__covers(&x->rpc->service, &q, on_cover, x);
}

static void
on_cover(const Mf__RoleCoverAnswer *m, void *ctx)
{
	struct account *x = ctx;

	if (deed_covered(x->c, m) &&
	    all_known(x, "roles", m->n_unknown, m->unknown, "is no role") &&
	    all_known(x, "groups", m->n_unknown_groups, m->unknown_groups, "is no group"))
		make_hash(x);
}

/* A role or group that the account has and that is gone gives nothing: only new ones must be there. */
static bool
all_known(struct account *x, const char *field, size_t n, char *const *unknown, const char *what)
{
	const json_t *given = json_object_get(x->body, field);

	for (size_t i = 0; i < json_array_size(given); i++)
		for (size_t k = 0; k < n; k++) {
			const char *s = json_string_value(json_array_get(given, i));

			if (s == NULL || strcmp(s, unknown[k]) != 0)
				continue;
			deed_refuse(
			    x->c, arena_printf(call_arena(x->c), "/%s/%zu", field, i), what);
			return false;
		}
	return true;
}

static void
make_hash(struct account *x)
{
	const char *name = json_string_value(json_object_get(x->body, "username")), *wrong;
	char text[60];
	bool ok;

	if (x->password != NULL && x->user.service) {
		deed_refuse(x->c, "/password", "a service account has none");
		return;
	}

	if (x->password == NULL || x->hash != NULL) {
		users_effect(x);
		return;
	}
	wrong = password_refused(x->password, (size_t)x->t->config->password_min,
	    name != NULL ? name : x->user.username, text, sizeof(text));
	if (wrong != NULL) {
		deed_refuse(x->c, "/password", wrong);
		return;
	}
	ok = password_hash(&x->t->passwords, x->c, x->password, on_hashed, x);
	forget(&x->dep);
	if (!ok)
		call_fail_because(x->c, ST_RESOURCE_EXHAUSTED, "LOGIN_QUEUE_FULL", 1000,
		    "too many passwords to be hashed at once");
}

static void
on_hashed(struct call *c, bool ok, const char *hash, void *ctx)
{
	struct account *x = ctx;

	if (!ok) {
		call_fail(c, ST_RESOURCE_EXHAUSTED, "no memory to hash a password");
		return;
	}
	x->hash = arena_strdup(call_arena(c), hash);
	users_effect(x);
}

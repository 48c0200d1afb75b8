/* client_models: clients for administrators. The permission was asked for at the gate; here he can't go
 * beyond what he may himself:
 *
 * - a client with a service account may do what that account may, so who writes it must have all that
 *   the account's roles and groups permit, and no limited credential;
 * - a trusted client gets codes of everybody who is signed in without asking, so who writes it may do
 *   everything.
 *
 * A secret is made here, told once in the answer to the write that made it (and to its repeats), and
 * stored as a hash. "rotate_secret": true in an update makes another. */
#include "auth/oauth/client_models.h"
#include <sodium.h>
#include <string.h>
#include "auth/judged.h"
#include "auth/jwt/rows.h"
#include "auth/oauth/client_auth.h"
#include "auth/oauth/client_rules.h"
#include "auth/oauth/client_sessions.h"
#include "auth/store_failed.h"
#include "base/id.h"
#include "base/step.h"
#include "proto/rbac.pb-c.h"

#define SECRET_BYTES 32

struct writing {
	struct oauth *o;
	struct call *c;
	const Mf__StoreOp *q;
	const Mf__Principal *who;
	struct rpc *rpc;
	json_t *body; /* the call's; NULL: a delete */
	bool rotate;
	struct client before, after; /* before.id NULL: a create */
	struct user_row account;
	const char *account_id; /* whose permissions the client has or gets; "": nobody's */
	/* that this write makes, or made when it was tried before; NULL: none */
	char *secret;
	Mf__StoreOp op;
	Mf__StoreResult answer;
};

static struct writing *begin(struct oauth *o, struct call *c, const Mf__StoreOp *q);
static void on_read(const Mf__StoreResult *m, void *ctx);
static void reply_public(struct writing *x, const Mf__StoreResult *m);
static void make_public(json_t *v);
static bool take_body(struct writing *x);
static bool no_such_field(struct writing *x);
static void read_before(struct writing *x);
static void on_before(const Mf__StoreResult *m, void *ctx);
static bool judge(struct writing *x, json_t *all);
static void ask_account(struct writing *x);
static void on_account(const Mf__StoreResult *m, void *ctx);
static void ask_cover(struct writing *x);
static void on_cover(const Mf__RoleCoverAnswer *m, void *ctx);
static void write_it(struct writing *x);
static ProtobufCBinaryData data_of(struct writing *x);
static void on_written(const Mf__StoreResult *m, void *ctx);
static void on_sessions_ended(struct call *c, void *ctx);
static void refuse_field(struct writing *x, const char *field, const char *what);
static void beyond(struct writing *x, const char *what);

void
client_model_read(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	struct writing *x = begin(o, c, q);

	x->rpc = rpc_new(c, o->tokens->database, NULL);
	mf__database__read(&x->rpc->service, q, on_read, x);
}

static void
on_read(const Mf__StoreResult *m, void *ctx)
{
	struct writing *x = ctx;

	if (m == NULL)
		store_failed(x->c, rpc_failure(x->rpc));
	else
		reply_public(x, m);
}

/* Without hashes; with the secret where this write made the one that is stored now. */
static void
reply_public(struct writing *x, const Mf__StoreResult *m)
{
	struct json_error e;
	json_t *v = json_read(m->data.data, m->data.len, &e), *item;
	const char *hash = json_string_value(json_object_get(v, "secret_hash"));
	struct jw j;
	size_t i;

	x->answer = *m;
	if (v != NULL) {
		call_own_json(x->c, v);
		if (x->secret != NULL && hash != NULL && client_secret_ok(hash, x->secret))
			json_object_set_new(v, "client_secret", json_string(x->secret));
		make_public(v);
		json_array_foreach(json_object_get(v, "items"), i, item) make_public(item);
		jw_start(&j, call_arena(x->c), m->data.len + 100);
		jw_json(&j, NULL, v);
		x->answer.data.data = (uint8_t *)jw_text(&j, &x->answer.data.len);
	}
	call_reply(x->c, &x->answer.base);
}

static void
make_public(json_t *v)
{
	(void)json_object_del(v, "secret_hash");
	(void)json_object_del(v, "registration_hash");
}

void
client_model_write(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	struct writing *x = begin(o, c, q);

	switch (q->kind) {
	case MF__STORE_OP__KIND__CREATE:
		if (take_body(x) && judge(x, x->body))
			ask_account(x);
		break;
	case MF__STORE_OP__KIND__UPDATE:
		if (take_body(x))
			read_before(x);
		break;
	case MF__STORE_OP__KIND__DELETE:
		read_before(x);
		break;
	case MF__STORE_OP__KIND__READ_ONE:
	case MF__STORE_OP__KIND__QUERY_MANY:
	case MF__STORE_OP__KIND__BULK_CREATE:
	case MF__STORE_OP__KIND__TRANSACTION:
	case MF__STORE_OP__KIND__BULK:
	case MF__STORE_OP__KIND__APPEND:
	case MF__STORE_OP__KIND__TRIM:
	case _MF__STORE_OP__KIND_IS_INT_SIZE:
		call_fail_because(c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    "clients are created, updated and deleted one at a time");
		break;
	}
}

static struct writing *
begin(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	struct writing *x = ARENA_NEW(call_arena(c), struct writing);
	char id[UUID_LEN];

	x->o = o;
	x->c = c;
	x->q = q;
	x->who = call_principal(c);
	x->account_id = "";
	x->op = *q;
	if (q->operation_id[0] == '\0') {
		uuid7(id);
		x->op.operation_id = arena_strdup(call_arena(c), id);
	}
	mf__store_result__init(&x->answer);
	return x;
}

static bool
take_body(struct writing *x)
{
	const json_t *rotate;
	struct json_error e;

	x->body = json_read(x->q->data.data, x->q->data.len, &e);
	if (x->body != NULL)
		call_own_json(x->c, x->body);
	if (!json_is_object(x->body)) {
		refuse_field(x, "", "must be an object");
		return false;
	}
	rotate = json_object_get(x->body, "rotate_secret");
	if (rotate != NULL && !json_is_boolean(rotate)) {
		refuse_field(x, "/rotate_secret", "must be true or false");
		return false;
	}
	x->rotate = json_is_true(rotate);
	(void)json_object_del(x->body, "rotate_secret");
	return no_such_field(x);
}

static bool
no_such_field(struct writing *x)
{
	static const char *const own[] = { "secret_hash", "registration_hash" };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (json_object_get(x->body, own[i]) != NULL) {
			refuse_field(x, arena_printf(call_arena(x->c), "/%s", own[i]),
			    "there is no such field");
			return false;
		}
	return true;
}

static void
read_before(struct writing *x)
{
	x->rpc = rpc_new(x->c, x->o->tokens->database, NULL);
	mf__database__read(
	    &x->rpc->service, op_read(call_arena(x->c), "client", x->q->id), on_before, x);
}

static void
on_before(const Mf__StoreResult *m, void *ctx)
{
	struct writing *x = ctx;
	struct json_error e;
	json_t *v;

	if (m == NULL && (rpc_failure(x->rpc)->status != ST_NOT_FOUND || x->body != NULL)) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	if (m == NULL) { /* deleted: by this very operation? the store knows */
		x->op.if_version = NO_VERSION;
		write_it(x);
		return;
	}
	v = json_read(m->data.data, m->data.len, &e);
	if (v != NULL)
		call_own_json(x->c, v);
	if (!client_of(call_arena(x->c), v, &x->before)) {
		call_fail(x->c, ST_DATA_LOSS, "the stored client is none");
		return;
	}
	x->op.if_version = judged_version(x->q->if_version, x->before.version);
	if (x->body != NULL) {
		const char *key;
		json_t *item;

		json_object_foreach(x->body, key, item) json_object_set(v, key, item);
		if (!judge(x, v))
			return;
	}
	ask_account(x);
}

static bool
judge(struct writing *x, json_t *all)
{
	const char *field, *wrong;

	if (json_object_get(all, "id") == NULL)
		(void)json_object_set_new(all, "id", json_string(x->q->id));
	if (!client_of(call_arena(x->c), all, &x->after)) {
		refuse_field(x, "/name", "is missing");
		return false;
	}
	wrong = client_wrong(&x->after, &field);
	if (wrong == NULL)
		return true;
	refuse_field(x, arena_printf(call_arena(x->c), "/%s", field), wrong);
	return false;
}

/* --- may he? --- */

static void
ask_account(struct writing *x)
{
	if (x->after.user_id != NULL)
		x->account_id = x->after.user_id;
	else if (x->before.user_id != NULL)
		x->account_id = x->before.user_id;
	if (x->account_id[0] == '\0') {
		ask_cover(x);
		return;
	}
	x->rpc = rpc_new(x->c, x->o->tokens->database, NULL);
	mf__database__read(
	    &x->rpc->service, op_read(call_arena(x->c), "user", x->account_id), on_account, x);
}

/* An account that is gone permits nothing; it can be taken from the client, not given to it. */
static void
on_account(const Mf__StoreResult *m, void *ctx)
{
	struct writing *x = ctx;
	bool is_service;

	if (m == NULL && rpc_failure(x->rpc)->status != ST_NOT_FOUND) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	is_service = m != NULL && user_row_read(call_arena(x->c), &m->data, &x->account) &&
	             x->account.service;
	if (!is_service && x->after.user_id != NULL)
		refuse_field(x, "/user_id", "is no service account");
	else
		ask_cover(x);
}

static void
ask_cover(struct writing *x)
{
	bool trusted = x->before.trusted || x->after.trusted;
	Mf__RoleCover q = MF__ROLE_COVER__INIT;

	if (!trusted && x->account_id[0] == '\0') {
		write_it(x);
		return;
	}
	if (x->who == NULL || x->who->limited) {
		beyond(x, "a credential that is limited to scopes");
		return;
	}
	q.n_holder = x->who->n_roles;
	q.holder = x->who->roles;
	q.roles = ARENA_ARRAY(call_arena(x->c), char *, x->account.n_roles + 1);
	for (size_t i = 0; i < x->account.n_roles; i++)
		q.roles[q.n_roles++] = x->account.roles[i];
	if (trusted)
		q.roles[q.n_roles++] = (char *)(uintptr_t) "admin";
	q.n_groups = x->account.n_groups;
	q.groups = x->account.groups;
	q.user_id = (char *)(uintptr_t)x->account_id;
	x->rpc = rpc_new(x->c, x->o->tokens->rbac, NULL);
	mf__rbac__covers(&x->rpc->service, &q, on_cover, x);
}

static void
on_cover(const Mf__RoleCoverAnswer *m, void *ctx)
{
	struct writing *x = ctx;

	if (m == NULL)
		call_fail_because(x->c, ST_UNAVAILABLE, "ROLES_UNAVAILABLE", STORE_RETRY_MS,
		    "what the roles permit can't be read now");
	else if (m->n_beyond > 0)
		beyond(x, m->beyond[0]);
	else if (m->n_beyond_groups > 0)
		beyond(x, m->beyond_groups[0]);
	else if (m->beyond_user)
		beyond(x, "what is granted to the account");
	else
		write_it(x);
}

static void
beyond(struct writing *x, const char *what)
{
	call_fail_because(x->c, ST_PERMISSION_DENIED, "BEYOND_OWN", 0,
	    "what the client may do goes beyond what you may do yourself: %.64s", what);
}

/* --- the effect --- */

static void
write_it(struct writing *x)
{
	const struct client *m = &x->after;
	bool makes =
	    x->body != NULL && client_has_secret(m) && (x->rotate || m->secret_hash == NULL);

	if (makes)
		x->secret =
		    client_secret_make(x->o, call_arena(x->c), x->op.operation_id, x->q->id);
	if (x->rotate && !makes) {
		refuse_field(x, "/rotate_secret", "the client has none");
		return;
	}
	if (x->body != NULL)
		x->op.data = data_of(x);
	x->rpc = rpc_new(x->c, x->o->tokens->database, NULL);
	mf__database__write(&x->rpc->service, &x->op, on_written, x);
}

static ProtobufCBinaryData
data_of(struct writing *x)
{
	char hash[CLIENT_SECRET_HASH_MAX];
	ProtobufCBinaryData out;
	struct jw j;

	if (x->secret != NULL && (x->rotate || x->after.secret_hash == NULL)) {
		client_secret_hash(x->secret, hash);
		(void)json_object_set_new(x->body, "secret_hash", json_string(hash));
	} else if (x->after.secret_hash != NULL && !client_has_secret(&x->after)) {
		(void)json_object_set_new(x->body, "secret_hash", json_null());
	}
	jw_start(&j, call_arena(x->c), 1024);
	jw_json(&j, NULL, x->body);
	out.data = (uint8_t *)jw_text(&j, &out.len);
	return out;
}

/* A repeat of a rotation finds the hash of its own secret stored; reply_public compares. */
static void
on_written(const Mf__StoreResult *m, void *ctx)
{
	struct writing *x = ctx;

	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	STEP("oauth.client.written");
	x->answer = *m;
	if (x->body == NULL || x->after.disabled)
		client_sessions_end(x->o, x->c, x->q->id, NULL, on_sessions_ended, x);
	else
		reply_public(x, m);
}

static void
on_sessions_ended(struct call *c, void *ctx)
{
	struct writing *x = ctx;
	const Mf__StoreResult m = x->answer;

	(void)c;
	reply_public(x, &m);
}

char *
client_secret_make(
    const struct oauth *o, struct arena *a, const char *operation_id, const char *client_id)
{
	char *out = arena_alloc(a, str_b64url_len(SECRET_BYTES) + 1);
	const char *parts[] = { "client secret", operation_id, client_id };
	crypto_generichash_state s;
	uint8_t b[SECRET_BYTES];

	(void)crypto_generichash_init(
	    &s, keyring_secret(o->tokens->keys), KEYRING_SECRET, sizeof(b));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		(void)crypto_generichash_update(
		    &s, (const uint8_t *)parts[i], strlen(parts[i]) + 1);
	(void)crypto_generichash_final(&s, b, sizeof(b));
	(void)str_b64url(b, sizeof(b), out);
	sodium_memzero(b, sizeof(b));
	sodium_memzero(&s, sizeof(s));
	return out;
}

static void
refuse_field(struct writing *x, const char *field, const char *what)
{
	const struct violation v = { field, what };

	call_fail_with(x->c, &(const struct failure){ .status = ST_INVALID_ARGUMENT,
				 .message = arena_printf(call_arena(x->c), "%s: %s",
				     field[0] == '\0' ? "the client" : field, what),
				 .reason = "VALIDATION",
				 .n_violations = 1,
				 .violations = &v });
}

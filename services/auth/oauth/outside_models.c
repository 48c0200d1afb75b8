/* outside_models: see outside_models.h. The permission was asked for at the gate; for my.identity who he
 * is suffices.
 *
 * Whoever says who vouches for our users could become any of them. So a provider is written only by
 * somebody who may do everything (the role admin, or what covers it), whatever his permissions say. */
#include "auth/oauth/outside_models.h"

#include <sodium.h>
#include <string.h>
#include "auth/judged.h"
#include "auth/jwt/rows.h"
#include "node/http_client.h"
#include "auth/store_failed.h"
#include "base/log.h"
#include "proto/rbac.pb-c.h"

#define SECRET_MAX 500 /* bytes, before it is sealed */

struct model_work { /* one operation on a model */
	struct oauth *o;
	struct call *c;
	const Mf__StoreOp *q;
	struct rpc *rpc;
	const Mf__Principal *who;
	json_t *body; /* the call's */
	Mf__StoreOp op;
	Mf__StoreResult answer;
};

static struct model_work *begin(struct oauth *o, struct call *c, const Mf__StoreOp *q);
static void read_store(struct model_work *x);
static void write_store(struct model_work *x);
static void on_done(const Mf__StoreResult *m, void *ctx);
static bool take_body(struct model_work *x);
static bool check_body(struct model_work *x);
static void seal_secret(struct model_work *x);
static void ask_cover(struct model_work *x);
static void on_cover(const Mf__RoleCoverAnswer *m, void *ctx);
static void on_own(const Mf__StoreResult *m, void *ctx);
static void refuse_field(struct model_work *x, const char *field, const char *what);
static const char *const *strings(struct arena *a, const json_t *v, const char *name, size_t *n);

/* --- provider --- */

bool
provider_of(struct arena *a, const json_t *v, struct provider *out)
{
	const char *id = json_string_value(json_object_get(v, "id"));
	const char *name = json_string_value(json_object_get(v, "name"));
	const char *issuer = json_string_value(json_object_get(v, "issuer"));
	const char *client = json_string_value(json_object_get(v, "client_id"));
	const char *secret = json_string_value(json_object_get(v, "client_secret"));

	if (id == NULL || name == NULL || issuer == NULL || client == NULL)
		return false;
	*out = (struct provider){
		.id = arena_strdup(a, id),
		.name = arena_strdup(a, name),
		.issuer = arena_strdup(a, issuer),
		.client_id = arena_strdup(a, client),
		.sealed_secret = secret == NULL ? NULL : arena_strdup(a, secret),
		.create_users = json_is_true(json_object_get(v, "create_users")),
		.trust_email = json_is_true(json_object_get(v, "trust_email")),
		.disabled = !json_is_false(json_object_get(v, "disabled")),
		.version = (uint64_t)json_integer_value(json_object_get(v, "version")),
	};
	out->scopes = strings(a, v, "scopes", &out->n_scopes);
	out->roles = strings(a, v, "roles", &out->n_roles);
	return true;
}

static const char *const *
strings(struct arena *a, const json_t *v, const char *name, size_t *n)
{
	const json_t *list = json_object_get(v, name);
	const char **out = ARENA_ARRAY(a, const char *, json_array_size(list) + 1);

	*n = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s != NULL)
			out[(*n)++] = arena_strdup(a, s);
	}
	return out;
}

char *
provider_secret(const struct oauth *o, const struct provider *p)
{
	size_t n;

	return p->sealed_secret == NULL
	           ? NULL
	           : seal_open(o->tokens->seal, "provider", p->id, p->sealed_secret, &n);
}

void
provider_read(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	read_store(begin(o, c, q));
}

void
provider_write(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	struct model_work *x = begin(o, c, q);

	switch (q->kind) {
	case MF__STORE_OP__KIND__CREATE:
	case MF__STORE_OP__KIND__UPDATE:
		if (take_body(x) && check_body(x)) {
			seal_secret(x);
			ask_cover(x);
		}
		break;
	case MF__STORE_OP__KIND__DELETE:
		ask_cover(x);
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
		    "providers are created, updated and deleted one at a time");
		break;
	}
}

/* --- what was asked for --- */

static bool
take_body(struct model_work *x)
{
	struct json_error e;

	x->body = json_read(x->q->data.data, x->q->data.len, &e);
	sodium_memzero(x->q->data.data, x->q->data.len);
	if (x->body != NULL)
		call_own_json(x->c, x->body);
	if (json_is_object(x->body))
		return true;
	refuse_field(x, "", "must be an object");
	return false;
}

/* What is not looked at here is the store's to judge: names, kinds, lengths. */
static bool
check_body(struct model_work *x)
{
	const json_t *issuer = json_object_get(x->body, "issuer");
	const json_t *secret = json_object_get(x->body, "client_secret");
	const char *s = json_string_value(issuer);

	if (s != NULL && (!http_client_url_ok(s, true, NULL) || strchr(s, '?') != NULL)) {
		refuse_field(
		    x, "/issuer", "must be a https URL without query (http only of the loopback)");
		return false;
	}
	if (secret != NULL && !json_is_null(secret) &&
	    (json_string_length(secret) == 0 || json_string_length(secret) > SECRET_MAX)) {
		refuse_field(x, "/client_secret", "must be a string of 1 to 500 bytes");
		return false;
	}
	return true;
}

static void
seal_secret(struct model_work *x)
{
	json_t *secret = json_object_get(x->body, "client_secret");
	char *plain = (char *)(uintptr_t)json_string_value(secret);
	char *sealed;

	if (plain == NULL)
		return;
	sealed = seal_text(
	    call_arena(x->c), x->o->tokens->seal, "provider", x->q->id, plain, strlen(plain));
	sodium_memzero(plain, strlen(plain));
	(void)json_object_set_new(x->body, "client_secret", json_string(sealed));
}

/* --- may he? --- */

static void
ask_cover(struct model_work *x)
{
	const json_t *given = json_object_get(x->body, "roles");
	Mf__RoleCover q = MF__ROLE_COVER__INIT;

	q.roles = ARENA_ARRAY(call_arena(x->c), char *, json_array_size(given) + 1);
	q.roles[q.n_roles++] = (char *)(uintptr_t) "admin";
	for (size_t i = 0; i < json_array_size(given); i++) {
		const char *s = json_string_value(json_array_get(given, i));

		if (s != NULL)
			q.roles[q.n_roles++] = (char *)(uintptr_t)s;
	}
	if (x->who != NULL) {
		q.n_holder = x->who->n_roles;
		q.holder = x->who->roles;
	}
	x->rpc = rpc_new(x->c, x->o->tokens->rbac, NULL);
	mf__rbac__covers(&x->rpc->service, &q, on_cover, x);
}

static void
on_cover(const Mf__RoleCoverAnswer *m, void *ctx)
{
	struct model_work *x = ctx;

	if (m == NULL) {
		call_fail_because(x->c, ST_UNAVAILABLE, "ROLES_UNAVAILABLE", STORE_RETRY_MS,
		    "what the roles permit can't be read now");
	} else if (m->n_beyond > 0) {
		call_fail_because(x->c, ST_PERMISSION_DENIED, "BEYOND_OWN", 0,
		    "only who may do everything says who vouches for users");
	} else if (m->n_unknown > 0) {
		refuse_field(
		    x, "/roles", arena_printf(call_arena(x->c), "%.64s is no role", m->unknown[0]));
	} else {
		log_info("provider_written", L_STR("provider", x->q->id),
		    L_STR("by", x->who == NULL ? NULL : x->who->id));
		write_store(x);
	}
}

static void
refuse_field(struct model_work *x, const char *field, const char *what)
{
	const struct violation v = { field, what };

	call_fail_with(x->c, &(const struct failure){ .status = ST_INVALID_ARGUMENT,
				 .message = arena_printf(call_arena(x->c), "%s: %s",
				     field[0] == '\0' ? "the provider" : field, what),
				 .reason = "VALIDATION",
				 .n_violations = 1,
				 .violations = &v });
}

/* --- identities --- */

void
identity_account(const struct provider *p, const char *subject, char out[IDENTITY_ACCOUNT_LEN + 1])
{
	const char *parts[] = { "identity", p->id, p->issuer, subject };
	uint8_t hash[crypto_generichash_BYTES];
	crypto_generichash_state h;

	/* With their terminating NUL: no two lists of parts are the same bytes. */
	(void)crypto_generichash_init(&h, NULL, 0, sizeof(hash));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		(void)crypto_generichash_update(
		    &h, (const uint8_t *)parts[i], strlen(parts[i]) + 1);
	(void)crypto_generichash_final(&h, hash, sizeof(hash));
	(void)str_b64url(hash, sizeof(hash), out);
}

void
identity_read(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	read_store(begin(o, c, q));
}

/* They begin with a log-in at the provider, nowhere else. */
void
identity_write(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	if (q->kind == MF__STORE_OP__KIND__DELETE)
		write_store(begin(o, c, q));
	else
		call_fail_because(c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    "an identity is made by logging in at its provider; here it can be deleted");
}

/* A client that acts for him has no business with how he logs in. */
static bool
is_himself(struct model_work *x)
{
	if (x->who != NULL && x->who->id[0] != '\0' && !x->who->limited)
		return true;
	call_fail_because(
	    x->c, ST_PERMISSION_DENIED, "PERMISSION", 0, "this needs a log-in of one's own");
	return false;
}

void
my_identity_read(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	struct model_work *x = begin(o, c, q);
	struct arena *a = call_arena(c);

	if (!is_himself(x))
		return;
	x->op.model = (char *)(uintptr_t) "identity";
	if (q->kind == MF__STORE_OP__KIND__QUERY_MANY) {
		x->op.filters = NULL;
		x->op.n_filters = 0;
		for (size_t i = 0; i < q->n_filters; i++)
			if (strcmp(q->filters[i]->key, "user_id") != 0)
				op_filter(a, &x->op, q->filters[i]->key, q->filters[i]->value);
		op_filter(a, &x->op, "user_id", x->who->id);
		read_store(x);
		return;
	}
	x->rpc = rpc_new(c, o->tokens->database, NULL);
	mf__database__read(&x->rpc->service, &x->op, on_own, x);
}

void
my_identity_write(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	struct model_work *x = begin(o, c, q);

	if (!is_himself(x))
		return;
	if (q->kind != MF__STORE_OP__KIND__DELETE) {
		identity_write(o, c, q);
		return;
	}
	x->op.model = (char *)(uintptr_t) "identity";
	x->rpc = rpc_new(c, o->tokens->database, NULL);
	mf__database__read(&x->rpc->service, op_read(call_arena(c), "identity", q->id), on_own, x);
}

/* What is another's is not there for him. Of a delete: what is gone already was perhaps taken away by
 * this very operation, which the store knows. */
static void
on_own(const Mf__StoreResult *m, void *ctx)
{
	struct model_work *x = ctx;
	bool is_delete = x->op.kind == MF__STORE_OP__KIND__DELETE, own;
	struct json_error e;
	const char *user;
	json_t *v;

	if (m == NULL) {
		x->op.if_version = NO_VERSION; /* whose it is was not looked at */
		if (is_delete && rpc_failure(x->rpc)->status == ST_NOT_FOUND)
			write_store(x);
		else
			store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	v = json_read(m->data.data, m->data.len, &e);
	user = json_string_value(json_object_get(v, "user_id"));
	own = user != NULL && strcmp(user, x->who->id) == 0;
	json_decref(v);
	if (!own)
		call_fail(x->c, ST_NOT_FOUND, "there is no such identity");
	else if (is_delete)
		write_store(x);
	else
		on_done(m, x);
}

/* --- the store --- */

static struct model_work *
begin(struct oauth *o, struct call *c, const Mf__StoreOp *q)
{
	struct model_work *x = ARENA_NEW(call_arena(c), struct model_work);

	x->o = o;
	x->c = c;
	x->q = q;
	x->op = *q;
	x->who = call_principal(c);
	mf__store_result__init(&x->answer);
	return x;
}

static void
read_store(struct model_work *x)
{
	x->rpc = rpc_new(x->c, x->o->tokens->database, NULL);
	mf__database__read(&x->rpc->service, &x->op, on_done, x);
}

static void
write_store(struct model_work *x)
{
	struct jw w;

	if (x->body != NULL) {
		jw_start(&w, call_arena(x->c), x->q->data.len + SECRET_MAX);
		jw_json(&w, NULL, x->body);
		x->op.data.data = (uint8_t *)jw_text(&w, &x->op.data.len);
	}
	x->rpc = rpc_new(x->c, x->o->tokens->database, NULL);
	mf__database__write(&x->rpc->service, &x->op, on_done, x);
}

/* A secret goes in and never comes out, not even sealed; what an identity is found by is our own. */
static void
strip(json_t *row)
{
	(void)json_object_del(row, "client_secret");
	(void)json_object_del(row, "account");
}

static ProtobufCBinaryData
as_shown(struct model_work *x, const ProtobufCBinaryData *data)
{
	struct json_error e;
	json_t *v = json_read(data->data, data->len, &e), *items = json_object_get(v, "items");
	ProtobufCBinaryData out = { 0, NULL };
	struct jw w;

	strip(v);
	for (size_t i = 0; i < json_array_size(items); i++)
		strip(json_array_get(items, i));
	if (v != NULL) {
		jw_start(&w, call_arena(x->c), data->len + 64);
		jw_json(&w, NULL, v);
		out.data = (uint8_t *)jw_text(&w, &out.len);
	}
	json_decref(v);
	return out;
}

static void
on_done(const Mf__StoreResult *m, void *ctx)
{
	struct model_work *x = ctx;

	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	x->answer = *m;
	x->answer.data = as_shown(x, &m->data);
	call_reply(x->c, &x->answer.base);
}

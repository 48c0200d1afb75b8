/* register: clients that register themselves (RFC 7591) and manage what they registered (RFC 7592).
 *
 * Who may: whoever has a credential with the permission client.create, asked of auth as at any gate. Such
 * a client has no service account and is never trusted, so it can do nothing that no user allowed it.
 * Its registration access token and secret are told once and stored as hashes. */
#include <string.h>
#include <strings.h>
#include "auth/jwt/rows.h"
#include "auth/oauth/client_auth.h"
#include "auth/oauth/client_models.h"
#include "auth/oauth/client_rules.h"
#include "auth/oauth/client_sessions.h"
#include "auth/oauth/endpoints.h"
#include "auth/oauth/register_json.h"
#include "proto/auth.pb-c.h"

struct registering {
	struct web *w;
	struct rpc *rpc;
	char id[UUID_LEN];
	const char *actor;
	const char *token, *secret; /* told in the answer; NULL: not */
	struct client before;
	unsigned status;
};

static const char *bearer(const struct web *w, bool *is_proved);
static void on_checked(const Mf__AuthGrant *m, void *ctx);
static json_t *read_body(struct registering *x);
static void create(struct registering *x);
static void on_written(const Mf__StoreResult *m, void *ctx);
static void tell(struct registering *x, const struct client *m);
static void
find(struct web *w, void (*then)(struct registering *x), void (*absent)(struct registering *x));
static void on_found(struct web *w, const struct client *m, const struct failure *f, void *ctx);
static void tell_found(struct registering *x);
static bool may_change(struct registering *x);
static void update_found(struct registering *x);
static void update_it(struct registering *x);
static void delete_found(struct registering *x);
static void delete_it(struct registering *x);
static void on_deleted(const Mf__StoreResult *m, void *ctx);
static void on_ended(struct call *c, void *ctx);
static void refuse_token(struct web *w);

struct finding {
	struct registering *x;
	void (*then)(struct registering *x);
	void (*absent)(struct registering *x); /* NULL: refused */
};

/* --- RFC 7591 --- */

void
register_client(struct web *w)
{
	struct registering *x = ARENA_NEW(w->a, struct registering);
	Mf__AuthCheck q = MF__AUTH_CHECK__INIT;
	Mf__Proof proof = MF__PROOF__INIT;
	bool proved;
	const char *token = bearer(w, &proved);

	x->w = w;
	x->status = 201;
	if (token == NULL) {
		refuse_token(w);
		return;
	}
	q.credential = (char *)(uintptr_t)token;
	q.permission = (char *)(uintptr_t) "client.create";
	q.client_address = w->q->client_address;
	if (proved) {
		proof.proof = (char *)(uintptr_t)web_header(w, "dpop");
		proof.method = w->q->method;
		proof.url = arena_printf(w->a, "%s%s", w->base, w->q->path);
		q.proof = &proof;
	}
	x->rpc = rpc_new(w->c, w->o->auth, NULL);
	mf__auth__check(&x->rpc->service, &q, on_checked, x);
}

/* Only of the header: a token in a query or body counts for nothing (RFC 9700, 4.3.2). */
static const char *
bearer(const struct web *w, bool *is_proved)
{
	const char *header = web_header(w, "authorization");

	*is_proved = header != NULL && strncasecmp(header, "DPoP ", 5) == 0;
	if (*is_proved)
		return web_header(w, "dpop") == NULL ? NULL : header + 5;
	return header != NULL && strncasecmp(header, "Bearer ", 7) == 0 ? header + 7 : NULL;
}

static void
on_checked(const Mf__AuthGrant *m, void *ctx)
{
	struct registering *x = ctx;
	const struct failure *f = rpc_failure(x->rpc);

	if (m != NULL) {
		x->actor = m->principal->id;
		create(x);
	} else if (f->status == ST_UNAUTHENTICATED) {
		refuse_token(x->w);
	} else if (f->status == ST_PERMISSION_DENIED) {
		web_oauth_error(
		    x->w, 403, "insufficient_scope", "the permission client.create is needed");
	} else {
		web_failed(x->w, f);
	}
}

static json_t *
read_body(struct registering *x)
{
	struct register_error e;
	struct json_error what;
	json_t *v = json_read(x->w->q->body.data, x->w->q->body.len, &what), *out;

	if (v != NULL)
		call_own_json(x->w->c, v);
	out = register_read(x->w->a, v, x->id, &e);
	if (out == NULL)
		web_oauth_error(x->w, 400, e.error, e.description);
	else
		call_own_json(x->w->c, out);
	return out;
}

static void
create(struct registering *x)
{
	struct web *w = x->w;
	char hash[CLIENT_SECRET_HASH_MAX];
	Mf__StoreOp *op;
	json_t *v;
	struct jw j;

	web_secret_id(w, "client", "", x->id);
	v = read_body(x);
	if (v == NULL)
		return;
	x->token = web_secret_text(w, "registration", x->id);
	client_secret_hash(x->token, hash);
	(void)json_object_set_new(v, "registration_hash", json_string(hash));
	if (str_starts(json_string_value(json_object_get(v, "auth_method")), "client_secret_")) {
		x->secret = client_secret_make(w->o, w->a, w->operation_id, x->id);
		client_secret_hash(x->secret, hash);
		(void)json_object_set_new(v, "secret_hash", json_string(hash));
	}
	op = op_read(w->a, "client", x->id);
	op->kind = MF__STORE_OP__KIND__CREATE;
	op->actor = (char *)(uintptr_t)x->actor;
	op->operation_id = (char *)(uintptr_t)w->operation_id;
	jw_start(&j, w->a, 1024);
	jw_json(&j, NULL, v);
	op->data.data = (uint8_t *)jw_text(&j, &op->data.len);
	x->rpc = rpc_new(w->c, w->o->tokens->database, NULL);
	mf__database__write(&x->rpc->service, op, on_written, x);
}

static void
on_written(const Mf__StoreResult *m, void *ctx)
{
	struct registering *x = ctx;
	struct json_error e;
	struct client stored;
	json_t *v;

	if (m == NULL) {
		web_failed(x->w, rpc_failure(x->rpc));
		return;
	}
	v = json_read(m->data.data, m->data.len, &e);
	if (v != NULL)
		call_own_json(x->w->c, v);
	if (!client_of(x->w->a, v, &stored)) {
		web_failed(x->w, &(const struct failure){ .status = ST_DATA_LOSS,
				     .message = "the stored client is none",
				     .reason = "" });
		return;
	}
	if (x->status == 201)
		web_report(x->w, "client_registered", x->actor, x->id, NULL);
	tell(x, &stored);
}

static void
tell(struct registering *x, const struct client *m)
{
	struct web *w = x->w;
	struct jw j;

	jw_start(&j, w->a, 2048);
	jw_object(&j, NULL);
	register_write(w->a, &j, m);
	if (x->secret != NULL && client_secret_ok(m->secret_hash, x->secret)) {
		jw_str(&j, "client_secret", x->secret);
		jw_int(&j, "client_secret_expires_at", 0);
	}
	jw_str(&j, "registration_access_token", x->token);
	jw_str(&j, "registration_client_uri",
	    arena_printf(w->a, "%s/oauth/register/%s", w->base, m->id));
	jw_close(&j, '}');
	web_json(w, x->status, &j);
}

/* --- RFC 7592 --- */

void
register_show(struct web *w)
{
	find(w, tell_found, NULL);
}

void
register_update(struct web *w)
{
	find(w, update_found, NULL);
}

void
register_delete(struct web *w)
{
	find(w, delete_found, delete_it);
}

static void
find(struct web *w, void (*then)(struct registering *x), void (*absent)(struct registering *x))
{
	struct finding *x = ARENA_NEW(w->a, struct finding);
	bool proved;

	x->x = ARENA_NEW(w->a, struct registering);
	x->x->w = w;
	x->x->status = 200;
	x->x->token = bearer(w, &proved);
	x->then = then;
	x->absent = absent;
	if (x->x->token == NULL || proved || !uuid_ok(w->rest))
		refuse_token(w);
	else
		client_read(w, w->rest, on_found, x);
}

/* A client that is not there answers as one with another token (RFC 7592, 2.1). */
static void
on_found(struct web *w, const struct client *m, const struct failure *f, void *ctx)
{
	struct finding *x = ctx;

	if (m == NULL && f->status != ST_NOT_FOUND) {
		web_failed(w, f);
		return;
	}
	memcpy(x->x->id, w->rest, UUID_LEN);
	if (m == NULL && x->absent != NULL) {
		x->absent(x->x);
		return;
	}
	if (!client_secret_ok(m != NULL ? m->registration_hash : NULL, x->x->token) || m == NULL ||
	    m->disabled) {
		refuse_token(w);
		return;
	}
	x->x->before = *m;
	x->then(x->x);
}

static void
tell_found(struct registering *x)
{
	tell(x, &x->before);
}

/* What an administrator has given more than a registration can is not its registrar's any more: he could
 * have everybody's codes sent to him. False: answered. */
static bool
may_change(struct registering *x)
{
	if (!x->before.trusted && x->before.user_id == NULL)
		return true;
	web_oauth_error(x->w, 403, "access_denied", "the client is in an administrator's hands");
	return false;
}

static void
update_found(struct registering *x)
{
	if (may_change(x))
		update_it(x);
}

/* All of the metadata anew: what is left out has its default again. */
static void
update_it(struct registering *x)
{
	struct web *w = x->w;
	json_t *v = read_body(x);
	char hash[CLIENT_SECRET_HASH_MAX];
	const char *method;
	Mf__StoreOp *op;
	struct jw j;

	if (v == NULL)
		return;
	method = json_string_value(json_object_get(v, "auth_method"));
	(void)json_object_del(v, "id");
	if (str_starts(method, "client_secret_")) {
		x->secret = client_secret_make(w->o, w->a, w->operation_id, x->id);
		client_secret_hash(x->secret, hash);
		if (x->before.secret_hash == NULL)
			(void)json_object_set_new(v, "secret_hash", json_string(hash));
	} else {
		(void)json_object_set_new(v, "secret_hash", json_null());
	}
	op = op_read(w->a, "client", x->id);
	op->kind = MF__STORE_OP__KIND__UPDATE;
	op->if_version = x->before.version;
	op->operation_id = arena_printf(w->a, "register:%s:%s", x->id, w->operation_id);
	jw_start(&j, w->a, 1024);
	jw_json(&j, NULL, v);
	op->data.data = (uint8_t *)jw_text(&j, &op->data.len);
	x->rpc = rpc_new(w->c, w->o->tokens->database, NULL);
	mf__database__write(&x->rpc->service, op, on_written, x);
}

static void
delete_found(struct registering *x)
{
	if (may_change(x))
		delete_it(x);
}

/* Also of a client that is not there: deleted by this very operation? The store knows. */
static void
delete_it(struct registering *x)
{
	Mf__StoreOp *op = op_read(x->w->a, "client", x->id);

	op->kind = MF__STORE_OP__KIND__DELETE;
	op->operation_id = arena_printf(x->w->a, "unregister:%s:%s", x->id, x->w->operation_id);
	x->rpc = rpc_new(x->w->c, x->w->o->tokens->database, NULL);
	mf__database__write(&x->rpc->service, op, on_deleted, x);
}

static void
on_deleted(const Mf__StoreResult *m, void *ctx)
{
	struct registering *x = ctx;

	if (m == NULL && rpc_failure(x->rpc)->status == ST_NOT_FOUND)
		refuse_token(x->w);
	else if (m == NULL)
		web_failed(x->w, rpc_failure(x->rpc));
	else
		client_sessions_end(x->w->o, x->w->c, x->id, NULL, on_ended, x);
}

static void
on_ended(struct call *c, void *ctx)
{
	struct registering *x = ctx;

	(void)c;
	web_empty(x->w, 204);
}

static void
refuse_token(struct web *w)
{
	struct jw j;

	jw_start(&j, w->a, 200);
	jw_object(&j, NULL);
	jw_str(&j, "error", "invalid_token");
	jw_str(&j, "error_description", "a bearer token that may do this is needed");
	jw_close(&j, '}');
	web_add(w, "www-authenticate", "Bearer realm=\"oauth\", error=\"invalid_token\"");
	web_json(w, 401, &j);
}

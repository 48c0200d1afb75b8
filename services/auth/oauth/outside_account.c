/* outside_account: see outside_account.h. A user and his identity are made in one transaction; an account
 * at a provider has one identity (identity.account is unique), so of two who come at once one is made
 * and both are him. */
#include "auth/oauth/outside_account.h"

#include <stdio.h>
#include <string.h>
#include "auth/jwt/rows.h"
#include "auth/jwt/session.h"
#include "auth/oauth/pages.h"
#include "auth/oauth/strangers.h"
#include "base/log.h"
#include "base/step.h"

#define NAMES_TRIED  5
#define NAME_LONGEST 40 /* of a user that is made; what makes it unique comes behind it */

struct seek {
	struct web *w;
	struct rpc *rpc;
	const struct provider *p;
	const struct outside_claims *claims;
	char account[IDENTITY_ACCOUNT_LEN + 1];
	outside_user_fn *then;
	void *ctx;
	struct outside_user user;
	const char *identity; /* the id of its row */
	unsigned n_by_email;  /* users with the address */
	unsigned names;       /* tried */
};

static struct seek *begin(
    struct web *w, const struct provider *p, const char *subject, outside_user_fn *then, void *ctx);
static void look(struct seek *x, Mf__StoreResult_Closure then);
static void on_identity(const Mf__StoreResult *m, void *ctx);
static void on_user(const Mf__StoreResult *m, void *ctx);
static void on_orphan_gone(const Mf__StoreResult *m, void *ctx);
static bool may_log_in(struct seek *x, const struct user_row *u);
static void on_by_email(const Mf__StoreResult *m, void *ctx);
static void make_user(struct seek *x);
static void on_made(const Mf__StoreResult *m, void *ctx);
static void on_made_meanwhile(const Mf__StoreResult *m, void *ctx);
static void store_identity(struct seek *x);
static void on_stored(const Mf__StoreResult *m, void *ctx);
static void on_whose(const Mf__StoreResult *m, void *ctx);
static Mf__StoreOp *identity_op(struct seek *x);
static const char *new_name(struct seek *x);

/* --- known --- */

void
outside_user_known(
    struct web *w, const struct provider *p, const char *subject, outside_user_fn *then, void *ctx)
{
	look(begin(w, p, subject, then, ctx), on_identity);
}

static struct seek *
begin(
    struct web *w, const struct provider *p, const char *subject, outside_user_fn *then, void *ctx)
{
	struct seek *x = ARENA_NEW(w->a, struct seek);

	x->w = w;
	x->p = p;
	x->then = then;
	x->ctx = ctx;
	identity_account(p, subject, x->account);
	return x;
}

static void
look(struct seek *x, Mf__StoreResult_Closure then)
{
	Mf__StoreOp *op = op_read(x->w->a, "identity", "");

	op_filter(x->w->a, op, "account", x->account);
	x->rpc = rpc_new(x->w->c, x->w->o->tokens->database, NULL);
	mf__database__read(&x->rpc->service, op, then, x);
}

static bool
is_absent(const struct seek *x, const Mf__StoreResult *m)
{
	return m == NULL && rpc_failure(x->rpc)->status == ST_NOT_FOUND;
}

/* False: it is no identity. */
static bool
read_identity(struct seek *x, const Mf__StoreResult *m, const char **user_id)
{
	struct json_error e;
	json_t *v = json_read(m->data.data, m->data.len, &e);
	const char *id = json_string_value(json_object_get(v, "id"));
	const char *user = json_string_value(json_object_get(v, "user_id"));
	bool ok = id != NULL && user != NULL;

	if (ok) {
		x->identity = arena_strdup(x->w->a, id);
		*user_id = arena_strdup(x->w->a, user);
	}
	json_decref(v);
	return ok;
}

static void
on_identity(const Mf__StoreResult *m, void *ctx)
{
	struct seek *x = ctx;
	const char *user_id = NULL;

	if (is_absent(x, m)) {
		x->then(x->w, NULL, x->ctx);
	} else if (m == NULL) {
		web_failed(x->w, rpc_failure(x->rpc));
	} else if (!read_identity(x, m, &user_id)) {
		web_failed(x->w, &(const struct failure){ .status = ST_DATA_LOSS,
				     .message = "the stored identity is none",
				     .reason = "" });
	} else {
		x->rpc = rpc_new(x->w->c, x->w->o->tokens->database, NULL);
		mf__database__read(&x->rpc->service, op_read(x->w->a, "user", user_id), on_user, x);
	}
}

static void
on_user(const Mf__StoreResult *m, void *ctx)
{
	struct seek *x = ctx;
	struct user_row u;

	if (is_absent(x, m)) { /* he was deleted: what is left of him would be in a new one's way */
		Mf__StoreOp *op = op_read(x->w->a, "identity", x->identity);

		op->kind = MF__STORE_OP__KIND__DELETE;
		op->operation_id =
		    arena_printf(x->w->a, "orphan:%s:%s", x->identity, x->w->operation_id);
		x->rpc = rpc_new(x->w->c, x->w->o->tokens->database, NULL);
		mf__database__write(&x->rpc->service, op, on_orphan_gone, x);
	} else if (m == NULL) {
		web_failed(x->w, rpc_failure(x->rpc));
	} else if (!user_row_read(x->w->a, &m->data, &u)) {
		web_failed(x->w, &(const struct failure){ .status = ST_DATA_LOSS,
				     .message = "the stored user is none",
				     .reason = "" });
	} else if (may_log_in(x, &u)) {
		x->then(x->w, &x->user, x->ctx);
	}
}

static void
on_orphan_gone(const Mf__StoreResult *m, void *ctx)
{
	struct seek *x = ctx;

	if (m == NULL && !is_absent(x, m))
		web_failed(x->w, rpc_failure(x->rpc));
	else
		x->then(x->w, NULL, x->ctx);
}

static bool
may_log_in(struct seek *x, const struct user_row *u)
{
	if (u->disabled || u->service) {
		web_report(x->w, "outside_refused", u->id, NULL, "the account is disabled");
		page_error(x->w, 403, "This account can't be used",
		    "The account that belongs to this log-in is disabled. Ask an administrator.");
		return false;
	}
	x->user = (struct outside_user){ u->id, u->username, u->version };
	return true;
}

/* --- unknown: by his e-mail address --- */

void
outside_user_make(struct web *w, const struct provider *p, const struct outside_claims *claims,
    outside_user_fn *then, void *ctx)
{
	struct seek *x = begin(w, p, claims->subject, then, ctx);

	x->claims = claims;
	if (!p->trust_email || claims->email == NULL || !claims->email_verified) {
		make_user(x);
		return;
	}
	x->rpc = rpc_new(w->c, w->o->tokens->database, NULL);
	mf__database__read(
	    &x->rpc->service, op_query(w->a, "user", "email", claims->email), on_by_email, x);
}

static bool
take_by_email(void *ctx, const json_t *item)
{
	const char *kind = json_string_value(json_object_get(item, "kind"));
	struct seek *x = ctx;

	if (!json_is_true(json_object_get(item, "email_verified")) ||
	    !json_is_false(json_object_get(item, "disabled")) ||
	    (kind != NULL && strcmp(kind, "person") != 0))
		return true;
	x->n_by_email++;
	x->user.id = arena_printf(x->w->a, "%s", json_string_value(json_object_get(item, "id")));
	x->user.username =
	    arena_printf(x->w->a, "%s", json_string_value(json_object_get(item, "username")));
	x->user.version = (uint64_t)json_integer_value(json_object_get(item, "version"));
	return true;
}

static void
on_by_email(const Mf__StoreResult *m, void *ctx)
{
	struct seek *x = ctx;
	const char *next;

	if (m == NULL) {
		web_failed(x->w, rpc_failure(x->rpc));
	} else if (!json_page(x->w->a, m->data.data, m->data.len, take_by_email, x, &next)) {
		web_failed(x->w, &(const struct failure){ .status = ST_DATA_LOSS,
				     .message = "the stored users are no page",
				     .reason = "" });
	} else if (x->n_by_email == 1) {
		store_identity(x);
	} else if (x->n_by_email > 1) {
		page_error(x->w, 403, "This log-in belongs to nobody",
		    "More than one account has your e-mail address. Ask an administrator.");
	} else {
		make_user(x);
	}
}

/* --- unknown: a new user --- */

static Mf__StoreOp *
user_op(struct seek *x)
{
	const struct outside_claims *say = x->claims;
	Mf__StoreOp *op = op_read(x->w->a, "user", x->user.id);
	struct jw w;

	jw_start(&w, x->w->a, 600);
	jw_object(&w, NULL);
	jw_str(&w, "id", x->user.id);
	jw_str(&w, "username", x->user.username);
	jw_array(&w, "roles");
	for (size_t i = 0; i < x->p->n_roles; i++)
		jw_str(&w, NULL, x->p->roles[i]);
	jw_close(&w, ']');
	if (say->name != NULL)
		jw_str(&w, "display_name", say->name);
	if (say->email != NULL) {
		jw_str(&w, "email", say->email);
		jw_bool(&w, "email_verified", x->p->trust_email && say->email_verified);
	}
	jw_close(&w, '}');
	op->kind = MF__STORE_OP__KIND__CREATE;
	op->data.data = (uint8_t *)jw_text(&w, &op->data.len);
	return op;
}

static void
make_user(struct seek *x)
{
	struct arena *a = x->w->a;
	char id[UUID_LEN];
	Mf__StoreOp *op;
	const char *key;

	if (!x->p->create_users) {
		stranger_seen(x->w, "outside_refused", NULL, "nobody here has this identity");
		page_error(x->w, 403, "This log-in belongs to nobody here",
		    "Log in with your name and password and link the other account to yours, or "
		    "ask "
		    "an administrator for an account.");
		return;
	}
	key = arena_printf(a, "made:%s:%s:%u", x->account, x->w->operation_id, x->names);
	session_uuid("user of a provider", key, id);
	x->user = (struct outside_user){ .id = arena_strdup(a, id), .version = 1 };
	x->user.username = new_name(x);
	op = op_transaction(a, key, 2);
	op_add(op, user_op(x));
	op_add(op, identity_op(x));
	x->rpc = rpc_new(x->w->c, x->w->o->tokens->database, NULL);
	mf__database__write(&x->rpc->service, op, on_made, x);
}

static void
on_made(const Mf__StoreResult *m, void *ctx)
{
	struct seek *x = ctx;

	if (m != NULL) {
		STEP("oauth.outside.user_made");
		log_info("user_created", L_STR("user_id", x->user.id), L_STR("by", x->p->id));
		web_report(x->w, "outside_user_made", x->user.id, NULL, x->p->id);
		x->then(x->w, &x->user, x->ctx);
	} else if (rpc_failure(x->rpc)->status == ST_ALREADY_EXISTS) {
		look(x, on_made_meanwhile); /* the name is taken, or he came twice */
	} else {
		web_failed(x->w, rpc_failure(x->rpc));
	}
}

static void
on_made_meanwhile(const Mf__StoreResult *m, void *ctx)
{
	struct seek *x = ctx;

	if (is_absent(x, m) && ++x->names < NAMES_TRIED)
		make_user(x);
	else if (is_absent(x, m))
		web_failed(
		    x->w, &(const struct failure){
			      .status = ST_ABORTED, .message = "no name is free", .reason = "" });
	else
		on_identity(m, x);
}

/* What he is called there, as far as it makes a name here; the first that is free. */
static const char *
new_name(struct seek *x)
{
	const char *from = x->claims->username != NULL ? x->claims->username
	                   : x->claims->email != NULL  ? x->claims->email
	                                               : x->claims->name;
	char name[NAME_LONGEST + 1];
	size_t n = 0;

	for (; from != NULL && *from != '\0' && *from != '@' && n < NAME_LONGEST; from++) {
		char c = *from >= 'A' && *from <= 'Z' ? (char)(*from + 32) : *from;

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_')
			name[n++] = c;
		else if (n > 0 && name[n - 1] != '-')
			name[n++] = '-';
	}
	while (n > 0 && name[n - 1] == '-')
		n--;
	name[n] = '\0';
	if (x->names == 0 && n > 0)
		return arena_strdup(x->w->a, name);
	return arena_printf(x->w->a, "%s-%.8s", n > 0 ? name : "user", x->user.id + 28);
}

/* --- an identity --- */

void
outside_user_link(struct web *w, const struct provider *p, const struct outside_claims *claims,
    const struct outside_user *u, outside_user_fn *then, void *ctx)
{
	struct seek *x = begin(w, p, claims->subject, then, ctx);

	x->claims = claims;
	x->user = *u;
	store_identity(x);
}

static Mf__StoreOp *
identity_op(struct seek *x)
{
	char id[UUID_LEN];
	Mf__StoreOp *op;
	struct jw w;

	session_uuid("identity",
	    arena_printf(x->w->a, "%s:%s:%s", x->account, x->user.id, x->w->operation_id), id);
	op = op_read(x->w->a, "identity", id);
	jw_start(&w, x->w->a, 400);
	jw_object(&w, NULL);
	jw_str(&w, "id", id);
	jw_str(&w, "user_id", x->user.id);
	jw_str(&w, "provider", x->p->id);
	jw_str(&w, "subject", x->claims->subject);
	jw_str(&w, "account", x->account);
	if (x->claims->email != NULL)
		jw_str(&w, "email", x->claims->email);
	jw_close(&w, '}');
	op->kind = MF__STORE_OP__KIND__CREATE;
	op->data.data = (uint8_t *)jw_text(&w, &op->data.len);
	return op;
}

static void
store_identity(struct seek *x)
{
	x->rpc = rpc_new(x->w->c, x->w->o->tokens->database, NULL);
	mf__database__write(&x->rpc->service, identity_op(x), on_stored, x);
}

static void
on_stored(const Mf__StoreResult *m, void *ctx)
{
	struct seek *x = ctx;

	if (m != NULL) {
		STEP("oauth.outside.identity_stored");
		web_report(x->w, "identity_linked", x->user.id, NULL, x->p->id);
		x->then(x->w, &x->user, x->ctx);
	} else if (rpc_failure(x->rpc)->status == ST_ALREADY_EXISTS) {
		look(x, on_whose);
	} else {
		web_failed(x->w, rpc_failure(x->rpc));
	}
}

/* It is somebody's already: his, then all is well. */
static void
on_whose(const Mf__StoreResult *m, void *ctx)
{
	struct seek *x = ctx;
	const char *user_id = NULL;

	if (m == NULL)
		web_failed(x->w, rpc_failure(x->rpc));
	else if (read_identity(x, m, &user_id) && strcmp(user_id, x->user.id) == 0)
		x->then(x->w, &x->user, x->ctx);
	else
		page_error(x->w, 409, "This account is another's",
		    "The account at the other provider is linked to somebody else here.");
}

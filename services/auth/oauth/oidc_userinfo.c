/* oidc_userinfo: what a client may know of who logged in (OpenID Connect Core, 5.3). Auth.Check judges the
 * token, like any other credential: a proof of possession, a revocation, an account that was disabled
 * count here as everywhere. Errors are RFC 6750's and RFC 9449's. */
#include <string.h>
#include <strings.h>
#include "auth/jwt/rows.h"
#include "auth/oauth/oidc.h"
#include "proto/auth.pb-c.h"

struct asking {
	struct web *w;
	struct rpc *rpc;
	bool proved; /* it came as DPoP */
	bool profile, email;
};

static void on_grant(const Mf__AuthGrant *m, void *ctx);
static void on_user(const Mf__StoreResult *m, void *ctx);
static void refuse(struct asking *x, unsigned status, const char *error, const char *description);
static void answer(struct asking *x, const json_t *user);

/* After the scheme, or NULL. */
static const char *
credential(const char *header, const char *scheme)
{
	size_t n = strlen(scheme);

	if (header == NULL || strncasecmp(header, scheme, n) != 0 || header[n] != ' ')
		return NULL;
	return header + n + strspn(header + n, " ");
}

void
oidc_userinfo(struct web *w)
{
	struct asking *x = ARENA_NEW(w->a, struct asking);
	const char *header = web_header(w, "authorization"), *proof = web_header(w, "dpop");
	const char *bearer = credential(header, "Bearer"), *dpop = credential(header, "DPoP");
	Mf__AuthCheck q = MF__AUTH_CHECK__INIT;
	Mf__Proof p = MF__PROOF__INIT;

	x->w = w;
	x->proved = dpop != NULL;
	if (bearer == NULL && dpop == NULL) {
		refuse(x, 401, NULL, NULL);
		return;
	}
	q.credential = (char *)(uintptr_t)(dpop != NULL ? dpop : bearer);
	q.client_address = w->q->client_address;
	if (dpop != NULL) {
		p.proof = (char *)(uintptr_t)(proof != NULL ? proof : "");
		p.method = w->q->method;
		p.url = arena_printf(w->a, "%s%s", w->base, w->q->path);
		q.proof = &p;
	}
	x->rpc = rpc_new(w->c, w->o->auth, NULL);
	mf__auth__check(&x->rpc->service, &q, on_grant, x);
}

static bool
has_scope(const Mf__Principal *p, const char *scope)
{
	for (size_t i = 0; i < p->n_scopes; i++)
		if (strcmp(p->scopes[i], scope) == 0)
			return true;
	return false;
}

static void
on_grant(const Mf__AuthGrant *m, void *ctx)
{
	struct asking *x = ctx;
	const struct failure *f;

	if (m == NULL) {
		f = rpc_failure(x->rpc);
		if (f->status == ST_UNAUTHENTICATED || f->status == ST_PERMISSION_DENIED)
			refuse(x, 401,
			    strncmp(f->reason, "PROOF_", 6) == 0 ? "invalid_dpop_proof"
								 : "invalid_token",
			    "the access token does not count");
		else
			web_failed(x->w, f);
		return;
	}
	if (!has_scope(m->principal, "openid")) {
		refuse(x, 403, "insufficient_scope", "the access token lacks the scope openid");
		return;
	}
	x->profile = has_scope(m->principal, "profile");
	x->email = has_scope(m->principal, "email");
	x->rpc = rpc_new(x->w->c, x->w->o->tokens->database, NULL);
	mf__database__read(
	    &x->rpc->service, op_read(x->w->a, "user", m->principal->id), on_user, x);
}

static void
on_user(const Mf__StoreResult *m, void *ctx)
{
	struct asking *x = ctx;
	struct json_error e;
	json_t *v;

	if (m == NULL && rpc_failure(x->rpc)->status != ST_NOT_FOUND) {
		web_failed(x->w, rpc_failure(x->rpc));
		return;
	}
	v = m == NULL ? NULL : json_read(m->data.data, m->data.len, &e);
	if (v != NULL && json_is_false(json_object_get(v, "disabled")))
		answer(x, v);
	else
		refuse(x, 401, "invalid_token", "the access token does not count");
	json_decref(v);
}

static void
answer(struct asking *x, const json_t *user)
{
	const char *name = json_string_value(json_object_get(user, "display_name"));
	const char *email = json_string_value(json_object_get(user, "email"));
	const char *updated = json_string_value(json_object_get(user, "updated_at"));
	int64_t us;
	struct jw j;

	jw_start(&j, x->w->a, 500);
	jw_object(&j, NULL);
	jw_str(&j, "sub", json_string_value(json_object_get(user, "id")));
	if (x->profile) {
		jw_str(
		    &j, "preferred_username", json_string_value(json_object_get(user, "username")));
		if (name != NULL)
			jw_str(&j, "name", name);
		if (updated != NULL && time_parse_rfc3339(str_of(updated), &us))
			jw_int(&j, "updated_at", us / SEC);
	}
	if (x->email && email != NULL) {
		jw_str(&j, "email", email);
		jw_bool(
		    &j, "email_verified", json_is_true(json_object_get(user, "email_verified")));
	}
	jw_close(&j, '}');
	web_json(x->w, 200, &j);
}

/* Without a credential nothing is said of an error (RFC 6750, 3.1). */
static void
refuse(struct asking *x, unsigned status, const char *error, const char *description)
{
	struct jw j;

	if (error == NULL || !x->proved)
		web_add(x->w, "www-authenticate", "Bearer realm=\"oauth\"%s%s%s%s",
		    error != NULL ? ", error=\"" : "", error != NULL ? error : "",
		    error != NULL ? "\"" : "", status == 403 ? ", scope=\"openid\"" : "");
	if (error == NULL || x->proved)
		web_add(x->w, "www-authenticate", "DPoP algs=\"ES256 EdDSA RS256\"%s%s%s",
		    error != NULL ? ", error=\"" : "", error != NULL ? error : "",
		    error != NULL ? "\"" : "");
	if (error == NULL) {
		web_empty(x->w, status);
		return;
	}
	jw_start(&j, x->w->a, 200);
	jw_object(&j, NULL);
	jw_str(&j, "error", error);
	jw_str(&j, "error_description", description);
	jw_close(&j, '}');
	web_json(x->w, status, &j);
}

/* clients: see clients.h. */
#include "auth/oauth/clients.h"
#include <string.h>
#include "auth/jwt/rows.h"
#include "auth/oauth/own_client.h"
#include "auth/oauth/redirects.h"
#include "auth/permission.h"

struct ask {
	struct web *w;
	struct rpc *rpc;
	client_fn *then;
	void *ctx;
};

static const struct failure none = { .status = ST_NOT_FOUND, .message = "no client", .reason = "" };
static const struct failure broken = {
	.status = ST_DATA_LOSS, .message = "the stored client is none", .reason = ""
};

static void on_row(const Mf__StoreResult *m, void *ctx);
static const char *text_of(struct arena *a, const json_t *v, const char *name);
static const char *const *texts_of(struct arena *a, const json_t *v, const char *name, size_t *n);

void
client_read(struct web *w, const char *id, client_fn *then, void *ctx)
{
	struct ask *x;

	if (!str_token_ok(str_of(id)) || strlen(id) > CLIENT_ID_MAX) {
		then(w, NULL, &none, ctx); /* nobody can have that id */
		return;
	}
	if (own_client_is(id)) {
		then(w, own_client(w), NULL, ctx);
		return;
	}
	x = ARENA_NEW(w->a, struct ask);
	x->w = w;
	x->then = then;
	x->ctx = ctx;
	x->rpc = rpc_new(w->c, w->o->tokens->database, NULL);
	mf__database__read(&x->rpc->service, op_read(w->a, "client", id), on_row, x);
}

static void
on_row(const Mf__StoreResult *m, void *ctx)
{
	struct ask *x = ctx;
	struct client *out = ARENA_NEW(x->w->a, struct client);
	struct json_error e;
	json_t *v;

	if (m == NULL) {
		x->then(x->w, NULL, rpc_failure(x->rpc), x->ctx);
		return;
	}
	v = json_read(m->data.data, m->data.len, &e);
	if (v != NULL)
		call_own_json(x->w->c, v);
	if (client_of(x->w->a, v, out))
		x->then(x->w, out, NULL, x->ctx);
	else
		x->then(x->w, NULL, &broken, x->ctx);
}

bool
client_of(struct arena *a, const json_t *v, struct client *out)
{
	const json_t *jwks = json_object_get(v, "jwks"), *meta = json_object_get(v, "metadata");
	const char *created = json_string_value(json_object_get(v, "created_at"));

	memset(out, 0, sizeof(*out));
	out->id = text_of(a, v, "id");
	out->name = text_of(a, v, "name");
	out->auth_method = text_of(a, v, "auth_method");
	out->secret_hash = text_of(a, v, "secret_hash");
	out->registration_hash = text_of(a, v, "registration_hash");
	out->user_id = text_of(a, v, "user_id");
	out->redirect_uris = texts_of(a, v, "redirect_uris", &out->n_redirect_uris);
	out->logout_uris = texts_of(a, v, "logout_uris", &out->n_logout_uris);
	out->grant_types = texts_of(a, v, "grant_types", &out->n_grant_types);
	out->scopes = texts_of(a, v, "scopes", &out->n_scopes);
	out->proof_required = json_is_true(json_object_get(v, "proof_required"));
	out->pushed_required = json_is_true(json_object_get(v, "pushed_required"));
	out->trusted = json_is_true(json_object_get(v, "trusted"));
	out->disabled = json_is_true(json_object_get(v, "disabled"));
	out->jwks = json_is_object(jwks) ? jwks : NULL;
	out->metadata = json_is_object(meta) ? meta : NULL;
	out->version = (uint64_t)json_integer_value(json_object_get(v, "version"));
	if (created == NULL || !time_parse_rfc3339(str_of(created), &out->created_us))
		out->created_us = 0;
	if (out->auth_method == NULL)
		out->auth_method = "none";
	return out->id != NULL && out->name != NULL;
}

static const char *
text_of(struct arena *a, const json_t *v, const char *name)
{
	const char *s = json_string_value(json_object_get(v, name));

	return s == NULL ? NULL : arena_strdup(a, s);
}

static const char *const *
texts_of(struct arena *a, const json_t *v, const char *name, size_t *n)
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

bool
client_has_grant(const struct client *m, const char *grant_type)
{
	for (size_t i = 0; i < m->n_grant_types; i++)
		if (strcmp(m->grant_types[i], grant_type) == 0)
			return true;
	return false;
}

/* A pattern may be asked for where all that it covers may be: "task.*" by who has "task.*" or "*". */
bool
client_may_ask(const struct client *m, const char *scope)
{
	for (size_t i = 0; i < m->n_scopes; i++)
		if (strcmp(m->scopes[i], scope) == 0 ||
		    (!scope_is_openid(scope) && permission_covers(m->scopes[i], scope)))
			return true;
	return false;
}

bool
scope_is_openid(const char *scope)
{
	static const char *const names[] = { "openid", "profile", "email", "offline_access" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], scope) == 0)
			return true;
	return false;
}

bool
client_redirects_to(const struct client *m, const char *uri)
{
	for (size_t i = 0; i < m->n_redirect_uris; i++)
		if (m->own ? strcmp(m->redirect_uris[i], uri) == 0
			   : redirect_matches(m->redirect_uris[i], uri))
			return true;
	return false;
}

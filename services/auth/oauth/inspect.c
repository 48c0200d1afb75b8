/* inspect: what is this token (RFC 7662), and its end (RFC 7009).
 *
 * A client sees tokens that were given to it; of others' only who may ask for the scope
 * token.introspect (a resource server), and did not register itself with it. Everybody else is told that the token is not active, whatever it
 * is. A client ends what it was given: an access token and its refresh token are one session, and go
 * together. */
#include <string.h>
#include "auth/jwt/confirm.h"
#include "auth/jwt/issue.h"
#include "auth/jwt/revoked.h"
#include "auth/jwt/rows.h"
#include "auth/oauth/client_auth.h"
#include "auth/oauth/endpoints.h"

#define TOKEN_MAX   8192
#define SEES_ALL    "token.introspect"
#define KIND_CLIENT "client"

struct looking {
	struct web *w;
	const struct client *client;
	const char *token;
};

static void on_asker(struct web *w, const struct client_proof *who, void *ctx);
static void on_confirmed(struct call *c, bool known, void *ctx);
static void undecided(struct web *w);
static bool may_see(const struct client *m, const char *client_id);
static void say_access(struct web *w, const struct claims *t);
static void on_session(const struct session_facts *m, const struct failure *f, void *ctx);
static void say_session(struct web *w, const struct session_facts *s);
static void say_nothing(struct web *w);
static void write_scopes(struct web *w, struct jw *j, size_t n, char *const *scopes);
static void write_key(struct jw *j, const char *proof_key);
static void on_revoker(struct web *w, const struct client_proof *who, void *ctx);
static void on_revoked_session(const struct session_facts *m, const struct failure *f, void *ctx);
static void revoke_it(struct web *w, const struct client *m, const char *of, const char *session);
static void on_revoked(struct call *c, void *ctx);

void
introspect(struct web *w)
{
	client_prove(w, on_asker, NULL);
}

static void
on_asker(struct web *w, const struct client_proof *who, void *ctx)
{
	const char *token = web_form(w, "token");
	struct looking *x = ARENA_NEW(w->a, struct looking);

	(void)ctx;
	if (!who->confidential) {
		web_oauth_error(w, 401, "invalid_client", "only who authenticates may ask");
		return;
	}
	if (token == NULL || strlen(token) > TOKEN_MAX) {
		web_oauth_error(w, 400, "invalid_request", "token is missing");
		return;
	}
	x->w = w;
	x->client = who->client;
	x->token = token;
	confirm_revocations(w->o->tokens, w->c, CONFIRM_US, on_confirmed, x);
}

/* What the other agent has revoked is known to us, or can't be known now. */
static void
on_confirmed(struct call *c, bool known, void *ctx)
{
	struct looking *x = ctx;
	struct web *w = x->w;
	struct claims claims;

	(void)c;
	switch (known ? tokens_look(w->o->tokens, w->a, x->token, &claims) : TOKEN_UNDECIDED) {
	case TOKEN_OK:
		if (may_see(x->client, claims.principal.client_id))
			say_access(w, &claims);
		else
			say_nothing(w);
		break;
	case TOKEN_UNDECIDED:
		undecided(w);
		break;
	case TOKEN_INVALID:
	case TOKEN_EXPIRED:
		tokens_look_session(w->o->tokens, w->c, x->token, on_session, x);
		break;
	}
}

static void
undecided(struct web *w)
{
	web_failed(w, &(const struct failure){ .status = ST_UNAVAILABLE,
			  .message = "what has been revoked can't be known now",
			  .reason = "REVOCATIONS_UNKNOWN" });
}

static bool
may_see(const struct client *m, const char *client_id)
{
	return (client_id != NULL && strcmp(m->id, client_id) == 0) ||
	       (m->registration_hash == NULL && client_may_ask(m, SEES_ALL));
}

static void
say_access(struct web *w, const struct claims *t)
{
	const Mf__Principal *p = &t->principal;
	struct jw j;

	jw_start(&j, w->a, 1024);
	jw_object(&j, NULL);
	jw_bool(&j, "active", true);
	jw_str(&j, "token_type", t->proof_key != NULL ? "DPoP" : "Bearer");
	jw_str(&j, "sub", p->id);
	jw_str(&j, "username", p->name);
	if (p->client_id[0] != '\0')
		jw_str(&j, "client_id", p->client_id);
	if (p->limited)
		write_scopes(w, &j, p->n_scopes, p->scopes);
	jw_int(&j, "iat", (int64_t)p->snapshot_at / SEC);
	jw_int(&j, "exp", (int64_t)p->expires_at / SEC);
	jw_str(&j, "jti", p->token_id);
	if (t->issuer != NULL)
		jw_str(&j, "iss", t->issuer);
	if (t->audience != NULL)
		jw_str(&j, "aud", t->audience);
	write_key(&j, t->proof_key);
	jw_close(&j, '}');
	web_json(w, 200, &j);
}

static void
on_session(const struct session_facts *m, const struct failure *f, void *ctx)
{
	const struct looking *x = ctx;

	if (m == NULL && f->status != ST_UNAUTHENTICATED)
		web_failed(x->w, f);
	else if (m == NULL || strcmp(m->kind, KIND_CLIENT) != 0 ||
		 !may_see(x->client, m->client_id))
		say_nothing(x->w);
	else
		say_session(x->w, m);
}

static void
say_session(struct web *w, const struct session_facts *s)
{
	struct jw j;

	jw_start(&j, w->a, 512);
	jw_object(&j, NULL);
	jw_bool(&j, "active", true);
	jw_str(&j, "sub", s->user_id);
	jw_str(&j, "client_id", s->client_id);
	write_scopes(w, &j, s->n_scopes, s->scopes);
	jw_int(&j, "iat", s->changed_us / SEC);
	jw_int(&j, "exp", s->expires_us / SEC);
	jw_str(&j, "iss", w->issuer);
	write_key(&j, s->proof_key);
	jw_close(&j, '}');
	web_json(w, 200, &j);
}

static void
say_nothing(struct web *w)
{
	struct jw j;

	jw_start(&j, w->a, 32);
	jw_object(&j, NULL);
	jw_bool(&j, "active", false);
	jw_close(&j, '}');
	web_json(w, 200, &j);
}

static void
write_scopes(struct web *w, struct jw *j, size_t n, char *const *scopes)
{
	const char *all = "";

	for (size_t i = 0; i < n; i++)
		all = arena_printf(w->a, "%s%s%s", all, i > 0 ? " " : "", scopes[i]);
	jw_str(j, "scope", all);
}

static void
write_key(struct jw *j, const char *proof_key)
{
	if (proof_key == NULL)
		return;
	jw_object(j, "cnf");
	jw_str(j, "jkt", proof_key);
	jw_close(j, '}');
}

/* --- RFC 7009 --- */

void
revoke_token(struct web *w)
{
	client_prove(w, on_revoker, NULL);
}

static void
on_revoker(struct web *w, const struct client_proof *who, void *ctx)
{
	const char *token = web_form(w, "token");
	struct looking *x = ARENA_NEW(w->a, struct looking);
	struct claims claims;

	(void)ctx;
	if (token == NULL || strlen(token) > TOKEN_MAX) {
		web_oauth_error(w, 400, "invalid_request", "token is missing");
		return;
	}
	x->w = w;
	x->client = who->client;
	switch (tokens_look(w->o->tokens, w->a, token, &claims)) {
	case TOKEN_OK:
		revoke_it(w, who->client, claims.principal.client_id, claims.session);
		break;
	case TOKEN_UNDECIDED:
		undecided(w);
		break;
	case TOKEN_INVALID:
	case TOKEN_EXPIRED:
		tokens_look_session(w->o->tokens, w->c, token, on_revoked_session, x);
		break;
	}
}

/* What is no token any more, or never was, has nothing to end: 200 (2.2). */
static void
on_revoked_session(const struct session_facts *m, const struct failure *f, void *ctx)
{
	const struct looking *x = ctx;

	if (m == NULL && f->status != ST_UNAUTHENTICATED)
		web_failed(x->w, f);
	else if (m == NULL || strcmp(m->kind, KIND_CLIENT) != 0)
		web_empty(x->w, 200);
	else
		revoke_it(x->w, x->client, m->client_id, m->id);
}

static void
revoke_it(struct web *w, const struct client *m, const char *of, const char *session)
{
	if (of == NULL || strcmp(of, m->id) != 0)
		web_oauth_error(w, 400, "unauthorized_client", "the token was not given to you");
	else if (session[0] == '\0')
		web_oauth_error(w, 400, "unsupported_token_type",
		    "tokens of client credentials end by themselves");
	else
		revoke_session(w->o->tokens, w->c, session, on_revoked, w);
}

static void
on_revoked(struct call *c, void *ctx)
{
	(void)c;
	web_empty(ctx, 200);
}

/* token_answer: see token_answer.h. */
#include "auth/oauth/token_answer.h"
#include <string.h>
#include "auth/jwt/revoked.h"
#include "auth/jwt/session.h"
#include "auth/oauth/consents.h"
#include "base/step.h"

static void on_issued(const struct issued *m, const struct failure *f, void *ctx);
static void on_refreshed(const struct issued *m, const struct failure *f, void *ctx);
static void refused(struct web *w, const struct failure *f);
static void on_consent(struct web *w, bool stands, void *ctx);
static void on_not_allowed(struct call *c, void *ctx);
static void take(struct web *w, struct token_grant *g);
static void on_taken(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static void withdraw(struct web *w, struct token_grant *g);
static void give(struct web *w, struct token_grant *g);
static void on_id_token(struct web *w, const char *id_token, void *ctx);
static void answer(struct web *w, const struct token_grant *g);
static void on_withdrawn(struct call *c, void *ctx);
static void on_given_revoked(struct call *c, void *ctx);

struct issuing {
	struct web *w;
	struct token_grant *g;
};

void
token_issue(struct web *w, struct token_grant *g)
{
	struct issuing *x = ARENA_NEW(w->a, struct issuing);
	const struct client *m = g->who->client;
	const struct granted *r = &g->granted;
	bool refreshes = client_has_grant(m, "refresh_token");
	const struct issue i = {
		.user_id = r->user_id,
		.user_version = g->user_version,
		.kind = "client",
		.client_id = m->id,
		.n_scopes = r->n_scopes,
		.scopes = r->scopes,
		.limited = !m->own,
		.audience = g->audience,
		.issuer = w->issuer,
		.proof_key = g->who->proof_key,
		.client_address = w->q->client_address,
		.user_agent = web_header(w, "user-agent"),
		.n_methods = r->n_methods,
		.methods = r->methods,
		.authenticated_at_us = r->authenticated_at_us,
		.refreshable = !g->sessionless,
		.ttl_us = refreshes ? 0 : w->o->tokens->config->access_ttl_us,
		.operation_id = g->operation,
	};

	x->w = w;
	x->g = g;
	tokens_issue(w->o->tokens, w->c, &i, on_issued, x);
}

static void
on_issued(const struct issued *m, const struct failure *f, void *ctx)
{
	struct issuing *x = ctx;
	struct token_grant *g = x->g;

	if (m == NULL) {
		refused(x->w, f);
		return;
	}
	STEP("oauth.token.issued");
	g->pair = m->pair;
	g->granted.session_id = arena_strdup(x->w->a, m->session_id);
	g->granted.access_token = g->pair.access_token;
	if (g->consent_us != 0)
		consent_stands(
		    x->w, g->granted.user_id, g->granted.client_id, g->consent_us, on_consent, g);
	else
		take(x->w, g);
}

static void
on_consent(struct web *w, bool stands, void *ctx)
{
	struct token_grant *g = ctx;

	if (stands)
		take(w, g);
	else
		revoke_session(w->o->tokens, w->c, g->granted.session_id, on_not_allowed, w);
}

static void
on_not_allowed(struct call *c, void *ctx)
{
	(void)c;
	web_oauth_error(ctx, 400, "invalid_grant", "the user has taken back what he allowed");
}

static void
take(struct web *w, struct token_grant *g)
{
	if (g->once != NULL)
		state_take(w, g->once, on_taken, g);
	else
		give(w, g);
}

static void
on_taken(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct token_grant *g = ctx;

	if (s != NULL) {
		STEP("oauth.token.taken");
		give(w, g);
	} else if (f->status == ST_ABORTED || f->status == ST_NOT_FOUND) {
		withdraw(w, g);
	} else {
		web_failed(w, f);
	}
}

void
token_refresh(struct web *w, const struct client_proof *who, const char *refresh_token,
    size_t n_scopes, const char *const *scopes)
{
	struct issuing *x = ARENA_NEW(w->a, struct issuing);
	const struct issue_refresh i = {
		.refresh_token = refresh_token,
		.client_id = who->client->id,
		.proof_key = who->proof_key,
		.n_scopes = n_scopes,
		.scopes = scopes,
		.client_address = w->q->client_address,
		.user_agent = web_header(w, "user-agent"),
		.issuer = w->issuer,
	};

	x->w = w;
	x->g = ARENA_NEW(w->a, struct token_grant);
	x->g->who = who;
	tokens_issue_refresh(w->o->tokens, w->c, &i, on_refreshed, x);
}

static void
on_refreshed(const struct issued *m, const struct failure *f, void *ctx)
{
	struct issuing *x = ctx;
	struct token_grant *g = x->g;
	const Mf__Principal *p;

	if (m == NULL) {
		refused(x->w, f);
		return;
	}
	p = m->pair.principal;
	g->pair = m->pair;
	g->granted = (struct granted){
		.client_id = g->who->client->id,
		.user_id = p->id,
		.session_id = arena_strdup(x->w->a, m->session_id),
		.n_scopes = p->n_scopes,
		.scopes = (const char *const *)p->scopes,
		.n_methods = p->n_methods,
		.methods = (const char *const *)p->methods,
		.authenticated_at_us = m->authenticated_at_us,
		.access_token = m->pair.access_token,
	};
	give(x->w, g);
}

/* What is wrong with the grant is the client's to mend; everything else is ours. */
static void
refused(struct web *w, const struct failure *f)
{
	if (f->status == ST_UNAUTHENTICATED || f->status == ST_FAILED_PRECONDITION)
		web_oauth_error(
		    w, 400, "invalid_grant", "the grant does not count, or not any more");
	else if (f->status == ST_PERMISSION_DENIED || f->status == ST_INVALID_ARGUMENT)
		web_oauth_error(w, 400, "invalid_scope", "more than was granted");
	else
		web_failed(w, f);
}

static void
give(struct web *w, struct token_grant *g)
{
	for (size_t i = 0; i < g->granted.n_scopes && !g->sessionless; i++)
		if (strcmp(g->granted.scopes[i], "openid") == 0) {
			id_token_make(w, &g->granted, on_id_token, g);
			return;
		}
	answer(w, g);
}

static void
on_id_token(struct web *w, const char *id_token, void *ctx)
{
	struct token_grant *g = ctx;

	g->pair.id_token = (char *)(uintptr_t)id_token;
	answer(w, g);
}

static void
answer(struct web *w, const struct token_grant *g)
{
	const Mf__TokenPair *p = &g->pair;
	struct buf scope = { 0 };
	struct jw j;

	for (size_t i = 0; i < g->granted.n_scopes; i++)
		buf_printf(&scope, "%s%s", i > 0 ? " " : "", g->granted.scopes[i]);
	jw_start(&j, w->a, 4096);
	jw_object(&j, NULL);
	jw_str(&j, "access_token", p->access_token);
	jw_str(&j, "token_type", g->who->proof_key != NULL ? "DPoP" : "Bearer");
	jw_int(&j, "expires_in", p->expires_in);
	jw_strn(&j, "scope", scope.n > 0 ? scope.p : "", scope.n);
	if (!g->sessionless && client_has_grant(g->who->client, "refresh_token"))
		jw_str(&j, "refresh_token", p->refresh_token);
	if (p->id_token != NULL && p->id_token[0] != '\0')
		jw_str(&j, "id_token", p->id_token);
	jw_close(&j, '}');
	buf_free(&scope);
	web_json(w, 200, &j);
}

/* --- taking back --- */

struct withdrawing {
	struct web *w;
	const char *user_id, *operation;
};

/* Usually they are one session. Where the one before was refreshed already, ours began as another. */
static void
withdraw(struct web *w, struct token_grant *g)
{
	struct withdrawing *x = ARENA_NEW(w->a, struct withdrawing);

	x->w = w;
	x->user_id = g->granted.user_id;
	x->operation = g->operation;
	web_report(w, "code_reuse", x->user_id, g->who->client->id, NULL);
	revoke_session(w->o->tokens, w->c, g->granted.session_id, on_withdrawn, x);
}

static void
on_withdrawn(struct call *c, void *ctx)
{
	struct withdrawing *x = ctx;
	char id[UUID_LEN];

	session_id(keyring_secret(x->w->o->tokens->keys), x->operation, x->user_id, id);
	revoke_session(x->w->o->tokens, c, id, on_given_revoked, x->w);
}

void
token_revoke_given(struct web *w, const char *client_id, const char *user_id, const char *operation)
{
	char id[UUID_LEN];

	web_report(w, "code_reuse", user_id, client_id, NULL);
	session_id(keyring_secret(w->o->tokens->keys), operation, user_id, id);
	revoke_session(w->o->tokens, w->c, id, on_given_revoked, w);
}

static void
on_given_revoked(struct call *c, void *ctx)
{
	(void)c;
	web_oauth_error(
	    ctx, 400, "invalid_grant", "it was used before: what it gave has been taken back");
}

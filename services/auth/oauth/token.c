/* token: /oauth/token (RFC 6749, 3.2): which grant, and is it good? What it is good for is in
 * token_answer.c; the device grant in device.c.
 *
 * A code: judged -> session begun under a name that is made of the code -> does the consent that it
 * rests on still stand? -> code taken -> answered. A crash between any two leaves a code that is good for
 * the same session, and no other; the same operation again is answered again; any other that finds the
 * code taken ends the session. Whoever takes a consent back ends the sessions that he finds afterwards:
 * either he found this one, or it is found here that the consent is gone. */
#include <sodium.h>
#include <string.h>
#include "auth/oauth/client_auth.h"
#include "auth/oauth/codes.h"
#include "auth/oauth/device.h"
#include "auth/oauth/endpoints.h"
#include "auth/oauth/request.h"
#include "auth/oauth/token_answer.h"

#define REFRESH_MAX  1000
#define VERIFIER_MIN 43
#define VERIFIER_MAX 128

typedef void grant_fn(struct web *w, const struct client_proof *who);

static grant_fn by_code, by_refresh, by_credentials;
static void on_client(struct web *w, const struct client_proof *who, void *ctx);
static void on_code(struct web *w, const struct code *m, const struct failure *f, void *ctx);
static const char *
code_wrong(const struct web *w, const struct client_proof *who, const struct code *m);
static bool verifier_ok(const char *verifier, const char *challenge);
static void give_code(struct web *w, const struct client_proof *who, const struct code *m);

static const struct {
	const char *type;
	grant_fn *give;
} grants[] = {
	{ "authorization_code", by_code },
	{ "refresh_token", by_refresh },
	{ "client_credentials", by_credentials },
	{ "urn:ietf:params:oauth:grant-type:device_code", device_grant },
};

void
token(struct web *w)
{
	client_prove(w, on_client, NULL);
}

static void
on_client(struct web *w, const struct client_proof *who, void *ctx)
{
	const char *type = web_form(w, "grant_type");
	const char *resource = web_form(w, "resource");

	(void)ctx;
	if (type == NULL) {
		web_oauth_error(w, 400, "invalid_request", "grant_type is missing");
		return;
	}
	if (who->client->proof_required && who->proof_key == NULL) {
		web_oauth_error(
		    w, 400, "invalid_dpop_proof", "the client has to send a DPoP proof");
		return;
	}
	if (resource != NULL && !request_resource_ok(w, resource)) {
		web_oauth_error(w, 400, "invalid_target", "tokens are not given for this resource");
		return;
	}
	for (size_t i = 0; i < sizeof(grants) / sizeof(grants[0]); i++) {
		if (strcmp(grants[i].type, type) != 0)
			continue;
		if (client_has_grant(who->client, type))
			grants[i].give(w, who);
		else
			web_oauth_error(w, 400, "unauthorized_client",
			    "the client has not registered this grant_type");
		return;
	}
	web_oauth_error(w, 400, "unsupported_grant_type", "there is no such grant_type");
}

/* --- authorization_code --- */

static void
by_code(struct web *w, const struct client_proof *who)
{
	const char *code = web_form(w, "code");

	if (code == NULL)
		web_oauth_error(w, 400, "invalid_request", "code is missing");
	else
		code_read(w, code, on_code, arena_dup(w->a, who, sizeof(*who)));
}

static void
on_code(struct web *w, const struct code *m, const struct failure *f, void *ctx)
{
	const struct client_proof *who = ctx;
	const char *wrong;

	if (m == NULL && f->status != ST_NOT_FOUND) {
		web_failed(w, f);
		return;
	}
	wrong = m == NULL ? "the code is none" : code_wrong(w, who, m);
	if (wrong != NULL) {
		web_oauth_error(w, 400, "invalid_grant", wrong);
		return;
	}
	if (!m->used && m->expired)
		web_oauth_error(w, 400, "invalid_grant", "the code has expired");
	else if (m->used && !state_is_taken_here(w, m->state))
		token_revoke_given(w, who->client->id, m->user_id, code_operation(w, m));
	else
		give_code(w, who, m);
}

/* Who can't say what the code was made for learns nothing of its state, and ends nobody's session. */
static const char *
code_wrong(const struct web *w, const struct client_proof *who, const struct code *m)
{
	const char *uri = web_form(w, "redirect_uri"), *verifier = web_form(w, "code_verifier");

	if (strcmp(m->client_id, who->client->id) != 0)
		return "the code is none";
	if (uri != NULL && strcmp(uri, m->redirect_uri) != 0)
		return "redirect_uri is not the one that the code was sent to";
	if (verifier == NULL || !verifier_ok(verifier, m->code_challenge))
		return "code_verifier does not fit the challenge";
	if (m->proof_key != NULL &&
	    (who->proof_key == NULL || strcmp(m->proof_key, who->proof_key) != 0))
		return "the code is bound to another key";
	return NULL;
}

/* RFC 7636, 4.1 and 4.6. */
static bool
verifier_ok(const char *verifier, const char *challenge)
{
	uint8_t b[crypto_hash_sha256_BYTES];
	char text[64] = { 0 };
	size_t n = strlen(verifier);

	if (n < VERIFIER_MIN || n > VERIFIER_MAX || strlen(challenge) != str_b64url_len(sizeof(b)))
		return false;
	(void)crypto_hash_sha256(b, (const uint8_t *)verifier, n);
	(void)str_b64url(b, sizeof(b), text);
	return sodium_memcmp(text, challenge, strlen(challenge)) == 0;
}

static void
give_code(struct web *w, const struct client_proof *who, const struct code *m)
{
	struct token_grant *g = ARENA_NEW(w->a, struct token_grant);

	g->who = who;
	g->granted = (struct granted){
		.client_id = who->client->id,
		.user_id = m->user_id,
		.nonce = m->nonce,
		.acr = m->acr,
		.browser_session = m->browser_session,
		.code = web_form(w, "code"),
		.n_scopes = m->n_scopes,
		.scopes = m->scopes,
		.n_methods = m->n_methods,
		.methods = m->methods,
		.authenticated_at_us = m->authenticated_at_us,
	};
	g->user_version = m->user_version;
	g->audience = m->audience;
	g->consent_us = m->consent_us;
	g->operation = code_operation(w, m);
	g->once = m->state;
	token_issue(w, g);
}

/* --- refresh_token --- */

static void
by_refresh(struct web *w, const struct client_proof *who)
{
	const char *text = web_form(w, "refresh_token"), *scope = web_form(w, "scope");
	const char *const *scopes = NULL;
	size_t n = 0;

	if (text == NULL || strlen(text) > REFRESH_MAX)
		web_oauth_error(w, 400, "invalid_request", "refresh_token is missing");
	else if (scope != NULL && !request_scopes(w, who->client, scope, &n, &scopes))
		web_oauth_error(w, 400, "invalid_scope", "more than the client may ask for");
	else
		token_refresh(w, arena_dup(w->a, who, sizeof(*who)), text, n, scopes);
}

/* --- client_credentials: the client's own service account --- */

static void
by_credentials(struct web *w, const struct client_proof *who)
{
	struct token_grant *g = ARENA_NEW(w->a, struct token_grant);
	const char *const *scopes;
	size_t n;

	if (!who->confidential || who->client->user_id == NULL) {
		web_oauth_error(w, 400, "unauthorized_client",
		    "the client does not authenticate, or has no service account");
		return;
	}
	if (!request_scopes(w, who->client, web_form(w, "scope"), &n, &scopes)) {
		web_oauth_error(w, 400, "invalid_scope", "more than the client may ask for");
		return;
	}
	g->who = arena_dup(w->a, who, sizeof(*who));
	g->granted = (struct granted){ .client_id = who->client->id,
		.user_id = who->client->user_id,
		.n_scopes = n,
		.scopes = scopes };
	g->sessionless = true;
	token_issue(w, g);
}

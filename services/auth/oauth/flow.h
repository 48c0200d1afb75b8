/* flow: an authorization request on its way through the pages.
 *
 *	/oauth/authorize (authorize.c) judges the request and stores it as a flow; from there
 *	flow_resume: who is it?  nobody, too long ago, prompt=login   -> 303 /oauth/login?flow=ID
 *		     may the client?  consent is needed		       -> consent_ask (pages)
 *		     else				               -> flow_grant: code, back to the client
 *	pages: after a log-in flow_load, flow_resume; after a consent flow_load, flow_grant or
 *	flow_refuse.
 *
 * A flow's id is a secret between us and one browser: it stands in URLs of pages, which send no
 * referrer to others, and it is bound to the browser's mark (browser.h). It lives for 15 minutes and
 * ends with its code or refusal: a second use of it finds none. */
#ifndef OAUTH_FLOW_H
#define OAUTH_FLOW_H

#include "auth/oauth/clients.h"
#include "auth/oauth/states.h"

#define FLOW_KIND "flow"
#define FLOW_LIFE (15 * 60 * SEC)

enum flow_prompt { PROMPT_NONE = 1, PROMPT_LOGIN = 2, PROMPT_CONSENT = 4, PROMPT_SELECT = 8 };

struct flow {
	const char *id;
	const struct state *state;   /* NULL: not stored yet */
	const struct client *client; /* read anew with each load: a disabled one has no flow */
	const char *redirect_uri, *response_mode; /* "query" */
	size_t n_scopes;
	const char *const *scopes;  /* asked for, each allowed to the client */
	const char *client_state;   /* "state" of the client; NULL: none */
	const char *nonce;          /* OpenID Connect; NULL: none */
	const char *code_challenge; /* S256 */
	const char *acr_values, *login_hint, *ui_locales; /* NULL: none */
	const char *proof_key;                            /* dpop_jkt; NULL: none */
	const char *audience;                             /* resource (RFC 8707); NULL: none */
	unsigned prompt;                                  /* enum flow_prompt, or-ed */
	int64_t max_age_s;                                /* -1: not said */
	int64_t created_us;
};

/* Whom a browser's session belongs to: from its cookie (browser_find), or of this very log-in. */
struct browser {
	const char *session_id; /* of the session of kind browser; NULL: none was begun */
	const char *user_id, *username;
	uint64_t user_version; /* 0: whichever */
	size_t n_methods;
	const char *const *methods;
	int64_t authenticated_at_us;
};

/* f NULL: it is not there any more, or never was: an error page was answered already. */
typedef void flow_fn(struct web *w, const struct flow *f, void *ctx);
void flow_load(struct web *w, const char *id, flow_fn *then, void *ctx);
/* who NULL: nobody. */
void flow_resume(struct web *w, const struct flow *f, const struct browser *who);
/* Did he log in late enough for what the request asks (prompt, max_age)? */
bool flow_is_fresh(const struct flow *f, const struct browser *who);
/* The user said yes: to these of the flow's scopes. Remembers the consent, then code and redirect. */
void flow_grant(struct web *w, const struct flow *f, const struct browser *who, size_t n_scopes,
    const char *const *scopes);
/* Back to the client with an error of RFC 6749, 4.1.2.1 ("access_denied"); ends the flow. */
void flow_refuse(struct web *w, const struct flow *f, const char *error, const char *description);
/* Where the forms of a page of this flow end, for its form-action: "https:" or "http://127.0.0.1:4711",
 * or the scheme of a native app ("com.example.app:"). */
const char *flow_origin(struct web *w, const struct flow *f);

/* --- of authorize.c and consents.c --- */
/* The parameters of a flow as the store has them, and back. */
struct jw flow_write(struct web *w, const struct flow *f);
bool flow_read(struct web *w, const json_t *data, struct flow *out);
/* 303 to the client with an error, whether or not there is a flow yet. state NULL: none. */
void flow_send_error(struct web *w, const char *redirect_uri, const char *client_state,
    const char *error, const char *description);

#endif

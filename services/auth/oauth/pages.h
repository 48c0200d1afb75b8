/* pages: what people see: log-in, second factor, consent, devices, log-out, errors. Plain HTML, no
 * script; every form is a POST with a token (browser.h). */
#ifndef OAUTH_PAGES_H
#define OAUTH_PAGES_H

#include "auth/oauth/flow.h"

/* Whose browser is this? who NULL: nobody's. When that can't be decided the request was answered. */
typedef void browser_fn(struct web *w, const struct browser *who, void *ctx);
void browser_find(struct web *w, browser_fn *then, void *ctx);
/* The page that asks the user; it ends with flow_grant or flow_refuse. */
void consent_ask(struct web *w, const struct flow *f, const struct browser *who);
/* An error for people. title and text are plain text. */
void page_error(struct web *w, unsigned status, const char *title, const char *text);

struct message {
	const char *title, *text;
	const char *detail; /* NULL: none */
	const char *again,
	    *again_text; /* a path of ours to go on with, and its words; NULL: none */
	bool good;       /* no error */
};
void page_message(struct web *w, unsigned status, const struct message *m);

/* Somebody has proved who he is to this browser, which is signed in with this answer and goes on with
 * what it came for: the flow, the device's user code, or (both NULL) nothing. */
struct browser_proof;
void page_signed_in(
    struct web *w, const struct browser_proof *p, const char *flow_id, const char *user_code);
/* The same, but the second factor is still to come: `ticket` is Authenticated.ticket for that name. */
void page_second_factor(struct web *w, const char *username, const char *ticket,
    const char *flow_id, const char *user_code);

/* Routes. */
web_fn page_login, page_login_sent, page_factor, page_factor_sent, page_consent, page_consent_sent,
    page_device, page_device_sent, page_logout, page_logout_sent, page_no_redirect, page_file;

/* --- for the pages themselves --- */
struct view;
/* The document that a template makes of v: title "Sign in". */
void page_show(
    struct web *w, unsigned status, const char *file, struct view *v, const char *form_action);
/* What scopes permit, in words: rows `scope` of a row `scopes`. */
void page_scopes(struct view *v, size_t n, const char *const *scopes);
void page_client(struct view *v, const struct client *c);
/* Tells auth what he answered to whom. */
void page_report(struct web *w, const struct browser *who, const struct client *c, bool allowed,
    size_t n, const char *const *scopes);
/* What a form is about, and where its way begins. Either may be NULL. */
const char *page_about(const char *flow_id, const char *user_code);
const char *page_login_path(struct arena *a, const char *flow_id, const char *user_code);
/* Why Auth.Authenticate said no, for the person who tried; NULL: it could not decide. `wrong` is the
 * text for credentials that are wrong. */
const char *
page_refusal(struct web *w, const struct failure *f, const char *wrong, unsigned *status);

#endif

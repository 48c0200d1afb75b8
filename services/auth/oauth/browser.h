/* browser: which browser is this, and who is signed in with it? Two cookies, both for us alone
 * (__Host-, Secure, HttpOnly, SameSite=Lax, Path=/; on http, in development, without Secure and so
 * without the prefix), both gone when the browser is closed:
 *
 *	mf_mark     random, from the first page on. Flows and forms are bound to it: what was begun in
 *	            one browser can't be finished in another.
 *	mf_session  of who is signed in (cookie.h): the token of a session of kind browser. Each log-in
 *	            begins a new one: what a browser held before it signs nobody in.
 *
 * Neither is rotated per request. A session ends after browser_ttl, when it was not seen for
 * browser_idle, with a log-out (here or everywhere) and with each change of the account. */
#ifndef OAUTH_BROWSER_H
#define OAUTH_BROWSER_H

#include "auth/oauth/html.h"
#include "auth/oauth/pages.h"
#include "proto/auth.pb-c.h"

/* Of the browser, for rows: a hash of its mark, 43 characters. A browser without a mark gets one with
 * this answer. */
const char *browser_mark(struct web *w);

/* Who has just proved himself, as Auth.Authenticate said it. */
struct browser_proof {
	const char *user_id, *username;
	uint64_t user_version;
	size_t n_methods;
	const char *const *methods;
	int64_t at_us;
};
struct browser_proof browser_proof_of(const Mf__Authenticated *m); /* lives as long as m */
/* Begins his session; then(who) with its id. When that failed the request was answered, and `then` is
 * not called. The session that the browser had before is ended. */
void browser_sign_in(struct web *w, const struct browser_proof *p, browser_fn *then, void *ctx);
/* Ends the session everywhere and takes the cookie away; then it is nobody's browser. When it could not
 * be ended the request was answered, and `then` is not called. */
void browser_sign_out(struct web *w, browser_fn *then, void *ctx);

/* The token of a form of `page` about `about` (a flow; "": nothing), as `csrf` in v. */
void browser_form(struct web *w, struct view *v, const char *page, const char *about);
/* Was it sent by that form, in this browser, from here? False: answered with 403 and a way to begin
 * again at `again`. */
bool browser_sent(struct web *w, const char *page, const char *about, const char *again)
    __attribute__((warn_unused_result));

#endif

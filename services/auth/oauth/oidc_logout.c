/* oidc_logout: a client sends the browser here to log out (RP-Initiated Logout 1.0). Who is signed in is
 * asked, unless the client's ID token is of this very log-in; then the browser goes on to where the
 * client has registered. Without a client it is the page for people (pages_logout.c). */
#include <string.h>
#include "auth/oauth/browser.h"
#include "auth/oauth/clients.h"
#include "auth/oauth/oidc.h"
#include "auth/oauth/redirects.h"

struct leaving {
	struct web *w;
	struct oidc_hint hint; /* user_id NULL: none */
	const struct client *client;
	const char *url, *state; /* as they were asked for; NULL: none */
	bool said_yes;           /* the page was sent */
};

static void judge(struct leaving *x);
static void on_client(struct web *w, const struct client *m, const struct failure *f, void *ctx);
static void on_browser(struct web *w, const struct browser *who, void *ctx);
static bool is_of_this_login(const struct leaving *x, const struct browser *who);
static void ask(struct leaving *x, const struct browser *who);
static void on_signed_out(struct web *w, const struct browser *who, void *ctx);

static const char *const members[] = { "id_token_hint", "client_id", "post_logout_redirect_uri",
	"state", "logout_hint" };
#define MEMBERS (sizeof(members) / sizeof(members[0]))

static const char *
param(struct web *w, const char *name)
{
	const char *s = web_form(w, name);

	return s != NULL ? s : web_query(w, name);
}

static struct leaving *
begin(struct web *w)
{
	struct leaving *x = ARENA_NEW(w->a, struct leaving);

	x->w = w;
	x->url = param(w, "post_logout_redirect_uri");
	x->state = param(w, "state");
	return x;
}

void
oidc_logout(struct web *w)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (web_query(w, members[i]) != NULL) {
			judge(begin(w));
			return;
		}
	page_logout(w);
}

/* A form of another site comes without our cookies (SameSite): the browser comes again, with GET. */
static void
come_again(struct web *w)
{
	const char *url = "/oauth/logout";

	for (size_t i = 0; i < MEMBERS; i++)
		if (web_form(w, members[i]) != NULL)
			url = arena_printf(w->a, "%s%c%s=%s", url,
			    strchr(url, '?') != NULL ? '&' : '?', members[i],
			    web_percent(w->a, web_form(w, members[i])));
	web_redirect(w, url);
}

void
oidc_logout_sent(struct web *w)
{
	const char *client = web_form(w, "client_id");
	struct leaving *x;

	if (web_form(w, "csrf") == NULL &&
	    (client != NULL || web_form(w, "id_token_hint") != NULL)) {
		come_again(w);
	} else if (client == NULL) {
		page_logout_sent(w);
	} else if (browser_sent(w, "leave", client, "/oauth/logout")) {
		x = begin(w);
		x->said_yes = true;
		judge(x);
	}
}

/* --- what may it ask for? --- */

static void
refuse(struct web *w, const char *text)
{
	page_error(w, 400, "This log-out can't be understood", text);
}

static void
judge(struct leaving *x)
{
	const char *hint = param(x->w, "id_token_hint"), *client = param(x->w, "client_id");

	if (hint != NULL && !oidc_hint_read(x->w, hint, &x->hint)) {
		refuse(x->w, "It comes with an ID token that is none of ours.");
		return;
	}
	if (hint != NULL && client != NULL && strcmp(client, x->hint.client_id) != 0) {
		refuse(x->w, "It comes with another application's ID token.");
		return;
	}
	client = hint != NULL ? x->hint.client_id : client;
	if (client != NULL)
		client_read(x->w, client, on_client, x);
	else if (x->url != NULL)
		refuse(x->w, "It does not say which application it comes from.");
	else
		page_logout(x->w);
}

static bool
is_registered(const struct client *m, const char *url)
{
	for (size_t i = 0; i < m->n_logout_uris; i++)
		if (strcmp(m->logout_uris[i], url) == 0)
			return true;
	return false;
}

static void
on_client(struct web *w, const struct client *m, const struct failure *f, void *ctx)
{
	struct leaving *x = ctx;

	if (m == NULL && f->status != ST_NOT_FOUND) {
		web_failed(w, f);
	} else if (m == NULL || m->disabled || (x->url != NULL && !is_registered(m, x->url))) {
		refuse(w, "The application, or the address to go on to, is not registered here.");
	} else {
		x->client = m;
		browser_find(w, on_browser, x);
	}
}

/* --- who is signed in? --- */

static void
on_browser(struct web *w, const struct browser *who, void *ctx)
{
	struct leaving *x = ctx;

	if (who == NULL)
		on_signed_out(w, NULL, x);
	else if (x->said_yes || is_of_this_login(x, who))
		browser_sign_out(w, on_signed_out, x);
	else
		ask(x, who);
}

static bool
is_of_this_login(const struct leaving *x, const struct browser *who)
{
	return x->hint.session_id != NULL && who->session_id != NULL &&
	       strcmp(x->hint.session_id, who->session_id) == 0 &&
	       strcmp(x->hint.user_id, who->user_id) == 0;
}

static void
ask(struct leaving *x, const struct browser *who)
{
	struct view *v = view_new(x->w->a);

	view_set(v, "title", "Sign out?");
	view_set(v, "user", who->username);
	view_set(v, "client_id", x->client->id);
	view_set(v, "url", x->url);
	view_set(v, "state", x->state);
	page_client(v, x->client);
	browser_form(x->w, v, "leave", x->client->id);
	page_show(
	    x->w, 200, "leave.html", v, x->url != NULL ? redirect_origin(x->w->a, x->url) : NULL);
}

static void
on_signed_out(struct web *w, const struct browser *who, void *ctx)
{
	const struct leaving *x = ctx;

	(void)who;
	if (x->url == NULL)
		web_redirect(w, "/oauth/logout");
	else if (x->state == NULL)
		web_redirect(w, x->url);
	else
		web_redirect(
		    w, arena_printf(w->a, "%s%cstate=%s", x->url,
			   strchr(x->url, '?') != NULL ? '&' : '?', web_percent(w->a, x->state)));
}

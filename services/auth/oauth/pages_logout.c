/* pages_logout: who is signed in with this browser, and the end of that. Log-out that a client asks for
 * (OpenID Connect, RP-initiated) begins elsewhere and ends with browser_sign_out, too. */
#include "auth/oauth/browser.h"

static void on_shown(struct web *w, const struct browser *who, void *ctx);
static void on_signed_out(struct web *w, const struct browser *who, void *ctx);

void
page_logout(struct web *w)
{
	browser_find(w, on_shown, NULL);
}

static void
on_shown(struct web *w, const struct browser *who, void *ctx)
{
	struct view *v;

	(void)ctx;
	if (who == NULL) {
		page_message(w, 200,
		    &(const struct message){ .title = "You are signed out",
			.text = "Nobody is signed in with this browser.",
			.again = "/oauth/login",
			.again_text = "Sign in" });
		return;
	}
	v = view_new(w->a);
	view_set(v, "title", "You are signed in");
	view_set(v, "user", who->username);
	browser_form(w, v, "logout", "");
	page_show(w, 200, "logout.html", v, NULL);
}

/* With a flow: "use another account". */
void
page_logout_sent(struct web *w)
{
	const char *flow_id = web_form(w, "flow");

	if (browser_sent(w, "logout", flow_id != NULL ? flow_id : "", "/oauth/logout"))
		browser_sign_out(w, on_signed_out, (void *)(uintptr_t)flow_id);
}

static void
on_signed_out(struct web *w, const struct browser *who, void *ctx)
{
	const char *flow_id = ctx;

	(void)who;
	web_redirect(w, flow_id != NULL ? page_login_path(w->a, flow_id, NULL) : "/oauth/logout");
}

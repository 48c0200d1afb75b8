/* pages_consent: may this client act for you? Asked when flow_resume says so; the answer is a form of
 * the same browser and log-in. Who allows must have logged in late enough for what the client asks. */
#include <string.h>
#include "auth/oauth/browser.h"

struct consent {
	const char *flow_id;
	const struct browser *who;
};

static void consent_find(struct web *w, const char *flow_id, flow_fn *then);
static void on_browser(struct web *w, const struct browser *who, void *ctx);
static void on_shown(struct web *w, const struct flow *f, void *ctx);
static void on_sent(struct web *w, const struct flow *f, void *ctx);
static const char *host_of(struct arena *a, const char *uri);

struct finding {
	struct consent consent; /* first */
	flow_fn *then;
};

/* By a page of its own address, so that it can be loaded again. */
void
consent_ask(struct web *w, const struct flow *f, const struct browser *who)
{
	(void)who;
	web_redirect(w, arena_printf(w->a, "/oauth/consent?flow=%s", f->id));
}

void
page_consent(struct web *w)
{
	consent_find(w, web_query(w, "flow"), on_shown);
}

void
page_consent_sent(struct web *w)
{
	const char *id = web_form(w, "flow");

	if (browser_sent(w, "consent", id != NULL ? id : "", page_login_path(w->a, id, NULL)))
		consent_find(w, id, on_sent);
}

/* Who it is, then what for. */
static void
consent_find(struct web *w, const char *flow_id, flow_fn *then)
{
	struct finding *x = ARENA_NEW(w->a, struct finding);

	x->consent.flow_id = flow_id != NULL ? flow_id : "";
	x->then = then;
	browser_find(w, on_browser, x);
}

static void
on_browser(struct web *w, const struct browser *who, void *ctx)
{
	struct finding *x = ctx;

	x->consent.who = who;
	flow_load(w, x->consent.flow_id, x->then, x);
}

static void
on_shown(struct web *w, const struct flow *f, void *ctx)
{
	const struct consent *x = ctx;
	struct view *v;

	if (f == NULL)
		return;
	if (x->who == NULL || !flow_is_fresh(f, x->who)) {
		flow_resume(w, f, x->who);
		return;
	}
	v = view_new(w->a);
	view_set(v, "title", "Allow access?");
	view_set(v, "flow", f->id);
	view_set(v, "user", x->who->username);
	view_set(v, "host", host_of(w->a, f->redirect_uri));
	page_client(v, f->client);
	page_scopes(v, f->n_scopes, f->scopes);
	browser_form(w, v, "logout", f->id);
	view_move(v, "csrf", "csrf_logout");
	browser_form(w, v, "consent", f->id);
	page_show(w, 200, "consent.html", v, flow_origin(w, f));
}

static void
on_sent(struct web *w, const struct flow *f, void *ctx)
{
	const struct consent *x = ctx;
	const char *answer = web_form(w, "answer");
	bool allow = answer != NULL && strcmp(answer, "allow") == 0;

	if (f == NULL)
		return;
	if (x->who == NULL || !flow_is_fresh(f, x->who)) {
		flow_resume(w, f, x->who);
		return;
	}
	page_report(w, x->who, f->client, allow, f->n_scopes, f->scopes);
	if (allow)
		flow_grant(w, f, x->who, f->n_scopes, f->scopes);
	else
		flow_refuse(w, f, "access_denied", "the user said no");
}

/* Where the browser goes: the host, or what stands for it in a native app's URI. */
static const char *
host_of(struct arena *a, const char *uri)
{
	const char *host = strstr(uri, "://");

	if (host == NULL)
		return arena_printf(a, "the application %.*s", (int)strcspn(uri, ":"), uri);
	host += strlen("://");
	return arena_strndup(a, host, strcspn(host, "/?#"));
}

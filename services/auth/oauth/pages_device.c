/* pages_device: the user's side of the device flow (RFC 8628, 3.3). Only who is signed in can try codes.
 * A link that brings the code along (verification_uri_complete) still ends at a question that shows the
 * code and the client: somebody else may have sent the link (5.4). */
#include <string.h>
#include "auth/oauth/browser.h"
#include "auth/oauth/device.h"

struct asking {
	const char *typed;
	const struct browser *who;
	const struct device *device;
	bool allow;
	bool sent; /* by the form of the question */
};

static void find(struct web *w, const char *typed, bool sent);
static void show_entry(struct web *w, unsigned status, const char *typed, const char *problem);
static void on_browser(struct web *w, const struct browser *who, void *ctx);
static void on_device(struct web *w, const struct device *m, void *ctx);
static void show_question(struct web *w, const struct device *m, const struct asking *x);
static void decide(struct web *w, const struct device *m, struct asking *x);
static void on_decided(struct web *w, bool done, void *ctx);

void
page_device(struct web *w)
{
	const char *typed = web_query(w, "user_code");

	if (typed != NULL)
		find(w, typed, false);
	else
		show_entry(w, 200, NULL, NULL);
}

void
page_device_sent(struct web *w)
{
	const char *code = web_form(w, "code");

	if (browser_sent(w, "device", page_about(NULL, code), "/oauth/device"))
		find(w, page_about(NULL, code), true);
}

static void
find(struct web *w, const char *typed, bool sent)
{
	struct asking *x = ARENA_NEW(w->a, struct asking);
	const char *answer = web_form(w, "answer");

	x->typed = typed;
	x->sent = sent;
	x->allow = answer != NULL && strcmp(answer, "allow") == 0;
	browser_find(w, on_browser, x);
}

static void
show_entry(struct web *w, unsigned status, const char *typed, const char *problem)
{
	struct view *v = view_new(w->a);

	view_set(v, "title", "Connect a device");
	view_set(v, "user_code", typed);
	view_set(v, "problem", problem);
	page_show(w, status, "device.html", v, NULL);
}

static void
on_browser(struct web *w, const struct browser *who, void *ctx)
{
	struct asking *x = ctx;

	x->who = who;
	if (who == NULL)
		web_redirect(w, page_login_path(w->a, NULL, x->typed));
	else
		device_find(w, x->typed, on_device, x);
}

static void
on_device(struct web *w, const struct device *m, void *ctx)
{
	struct asking *x = ctx;

	if (m == NULL)
		show_entry(w, 422, x->typed, "This code is wrong, was used, or has expired.");
	else if (x->sent)
		decide(w, m, x);
	else
		show_question(w, m, x);
}

static void
show_question(struct web *w, const struct device *m, const struct asking *x)
{
	struct view *v = view_new(w->a);

	view_set(v, "title", "Connect this device?");
	view_set(v, "user", x->who->username);
	view_set(v, "code", m->user_code);
	page_client(v, m->client);
	page_scopes(v, m->n_scopes, m->scopes);
	browser_form(w, v, "device", m->user_code);
	page_show(w, 200, "device_confirm.html", v, NULL);
}

static void
decide(struct web *w, const struct device *m, struct asking *x)
{
	x->device = m;
	device_decide(w, m, x->allow ? x->who : NULL, on_decided, x);
}

static void
on_decided(struct web *w, bool done, void *ctx)
{
	const struct asking *x = ctx;
	static const struct message late = { .title = "It was too late",
		.text =
		    "The code was answered before, or it has expired. Begin again on the device." };
	static const struct message yes = { .title = "The device is connected",
		.text = "Go on there. You can close this page." };
	static const struct message no = { .title = "The device was refused",
		.text = "It has no access to your account." };

	if (done)
		page_report(
		    w, x->who, x->device->client, x->allow, x->device->n_scopes, x->device->scopes);
	page_message(w, done ? 200 : 409, !done ? &late : x->allow ? &yes : &no);
}

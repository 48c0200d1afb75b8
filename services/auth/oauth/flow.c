/* flow: see flow.h. */
#include "auth/oauth/flow.h"
#include <stdio.h>
#include <string.h>
#include "auth/oauth/browser.h"
#include "auth/oauth/codes.h"
#include "auth/oauth/consents.h"
#include "auth/oauth/pages.h"
#include "auth/oauth/redirects.h"
#include "auth/oauth/strangers.h"
#include "base/step.h"

struct loading {
	struct flow flow;
	flow_fn *then;
	void *ctx;
};

struct step { /* from who it is to the code */
	const struct flow *f;
	const struct browser *who;
	size_t n_scopes;
	const char *const *scopes;
	const char *url;
	void (*stored)(struct web *w, const struct flow *f, const struct browser *who);
};

static void on_state(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static void on_client(struct web *w, const struct client *m, const struct failure *f, void *ctx);
static void flow_gone(struct web *w, struct loading *x);
static void flow_elsewhere(struct web *w, struct loading *x);
static void store(struct web *w, struct step *x);
static void on_stored(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static void ask_login(struct web *w, const struct flow *f, const struct browser *who);
static bool may_remember(const struct flow *f);
static void on_known(struct web *w, bool known, void *ctx);
static void on_remembered(struct web *w, int64_t since_us, void *ctx);
static void on_code(struct web *w, const char *code, void *ctx);
static void finish(struct web *w, struct step *x);
static void on_taken(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static struct step *step_new(struct web *w, const struct flow *f);
static bool is_asked_for(const struct flow *f, const char *scope);

/* --- the flow as it is stored --- */

struct jw
flow_write(struct web *w, const struct flow *f)
{
	struct jw j;

	jw_start(&j, w->a, 1024);
	jw_object(&j, NULL);
	jw_str(&j, "client_id", f->client->id);
	jw_str(&j, "redirect_uri", f->redirect_uri);
	jw_array(&j, "scopes");
	for (size_t i = 0; i < f->n_scopes; i++)
		jw_str(&j, NULL, f->scopes[i]);
	jw_close(&j, ']');
	jw_str(&j, "state", f->client_state);
	jw_str(&j, "nonce", f->nonce);
	jw_str(&j, "code_challenge", f->code_challenge);
	jw_str(&j, "acr_values", f->acr_values);
	jw_str(&j, "login_hint", f->login_hint);
	jw_str(&j, "ui_locales", f->ui_locales);
	jw_str(&j, "proof_key", f->proof_key);
	jw_str(&j, "audience", f->audience);
	jw_int(&j, "prompt", f->prompt);
	jw_int(&j, "max_age", f->max_age_s);
	jw_int(&j, "created", f->created_us);
	jw_close(&j, '}');
	return j;
}

bool
flow_read(struct web *w, const json_t *data, struct flow *out)
{
#define TEXT(name) json_string_value(json_object_get(data, name))
	out->redirect_uri = TEXT("redirect_uri");
	out->response_mode = "query";
	out->scopes = web_texts(w, data, "scopes", &out->n_scopes);
	out->client_state = TEXT("state");
	out->nonce = TEXT("nonce");
	out->code_challenge = TEXT("code_challenge");
	out->acr_values = TEXT("acr_values");
	out->login_hint = TEXT("login_hint");
	out->ui_locales = TEXT("ui_locales");
	out->proof_key = TEXT("proof_key");
	out->audience = TEXT("audience");
	out->prompt = (unsigned)json_integer_value(json_object_get(data, "prompt"));
	out->max_age_s = json_integer_value(json_object_get(data, "max_age"));
	out->created_us = json_integer_value(json_object_get(data, "created"));
	return out->redirect_uri != NULL && out->code_challenge != NULL &&
	       TEXT("client_id") != NULL;
#undef TEXT
}

void
flow_load(struct web *w, const char *id, flow_fn *then, void *ctx)
{
	struct loading *x = ARENA_NEW(w->a, struct loading);

	x->then = then;
	x->ctx = ctx;
	if (id == NULL || !uuid_ok(id))
		flow_gone(w, x);
	else
		state_read(w, FLOW_KIND, id, on_state, x);
}

/* A version above 1: it ended with a code or an error. Of who repeats that he is told the same again. */
static void
on_state(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct loading *x = ctx;
	const char *client_id;

	if (s == NULL && f->status != ST_NOT_FOUND) {
		web_failed(w, f);
		return;
	}
	if (s == NULL || (s->version != 1 && !state_is_taken_here(w, s)) ||
	    !flow_read(w, s->data, &x->flow)) {
		flow_gone(w, x);
		return;
	}
	if (strcmp(s->subject, browser_mark(w)) != 0) {
		flow_elsewhere(w, x);
		return;
	}
	x->flow.id = s->id;
	x->flow.state = arena_dup(w->a, s, sizeof(*s));
	client_id = json_string_value(json_object_get(s->data, "client_id"));
	client_read(w, client_id, on_client, x);
}

static void
on_client(struct web *w, const struct client *m, const struct failure *f, void *ctx)
{
	struct loading *x = ctx;

	if (m == NULL && f->status != ST_NOT_FOUND) {
		web_failed(w, f);
		return;
	}
	if (m == NULL || m->disabled || !client_redirects_to(m, x->flow.redirect_uri)) {
		flow_gone(w, x);
		return;
	}
	x->flow.client = m;
	x->then(w, &x->flow, x->ctx);
}

static void
flow_gone(struct web *w, struct loading *x)
{
	page_error(w, 400, "This log-in is over",
	    "It took too long, or it was finished before. Go back to where you came from and begin "
	    "again.");
	x->then(w, NULL, x->ctx);
}

/* Its id got here in a link: who follows it would log in to what somebody else began. */
static void
flow_elsewhere(struct web *w, struct loading *x)
{
	page_error(w, 403, "This log-in was begun in another browser",
	    "Go back to where you came from and begin again. Cookies of this site have to be "
	    "allowed.");
	x->then(w, NULL, x->ctx);
}

/* --- who is it, and may the client? --- */

void
flow_resume(struct web *w, const struct flow *f, const struct browser *who)
{
	struct step *x = step_new(w, f);

	if (who != NULL)
		x->who = arena_dup(w->a, who, sizeof(*who));
	if (who == NULL || !flow_is_fresh(f, who)) {
		if (f->prompt & PROMPT_NONE) {
			flow_refuse(w, f, "login_required", "the user has to log in");
			return;
		}
		x->stored = ask_login;
		store(w, x);
	} else if (f->client->trusted) {
		flow_grant(w, f, who, f->n_scopes, f->scopes);
	} else if ((f->prompt & PROMPT_CONSENT) || !may_remember(f)) {
		on_known(w, false, x);
	} else {
		consent_known(w, who->user_id, f->client, f->n_scopes, f->scopes, on_known, x);
	}
}

/* A log-in of this very flow is always fresh: max_age=0 asks for one, and gets one. */
bool
flow_is_fresh(const struct flow *f, const struct browser *who)
{
	if (who->authenticated_at_us >= f->created_us)
		return true;
	if (f->prompt & (PROMPT_LOGIN | PROMPT_SELECT))
		return false;
	return f->max_age_s < 0 || time_wall_us() - who->authenticated_at_us <= f->max_age_s * SEC;
}

/* RFC 8252, 8.6: whoever runs on the user's machine can call himself by the id of a public client
 * there, so each time the user is asked. */
static bool
may_remember(const struct flow *f)
{
	return strcmp(f->client->auth_method, "none") != 0 ||
	       str_starts(f->redirect_uri, "https://");
}

static void
on_known(struct web *w, bool known, void *ctx)
{
	struct step *x = ctx;

	if (known) {
		flow_grant(w, x->f, x->who, x->f->n_scopes, x->f->scopes);
	} else if (x->f->prompt & PROMPT_NONE) {
		flow_refuse(w, x->f, "consent_required", "the user has to be asked");
	} else {
		x->stored = consent_ask;
		store(w, x);
	}
}

/* Only what has to wait for the user is stored. */
static void
store(struct web *w, struct step *x)
{
	char id[UUID_LEN];
	struct jw j;

	if (x->f->state != NULL) {
		x->stored(w, x->f, x->who);
		return;
	}
	if (x->who == NULL && !stranger_begins(w))
		return;
	web_secret_id(w, FLOW_KIND, x->f->client->id, id);
	j = flow_write(w, x->f);
	state_create(w, FLOW_KIND, id, browser_mark(w), &j, FLOW_LIFE, on_stored, x);
}

static void
on_stored(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct step *x = ctx;
	struct flow *stored;

	if (s == NULL) {
		web_failed(w, f);
		return;
	}
	stored = arena_dup(w->a, x->f, sizeof(*x->f));
	stored->id = s->id;
	stored->state = arena_dup(w->a, s, sizeof(*s));
	x->stored(w, stored, x->who);
}

static void
ask_login(struct web *w, const struct flow *f, const struct browser *who)
{
	(void)who;
	web_redirect(w, arena_printf(w->a, "/oauth/login?flow=%s", f->id));
}

/* --- the end --- */

void
flow_grant(struct web *w, const struct flow *f, const struct browser *who, size_t n_scopes,
    const char *const *scopes)
{
	struct step *x = step_new(w, f);
	const char **list = ARENA_ARRAY(w->a, const char *, n_scopes + 1);

	for (size_t i = 0; i < n_scopes; i++)
		if (is_asked_for(f, scopes[i]))
			list[x->n_scopes++] = arena_strdup(w->a, scopes[i]);
	x->scopes = list;
	x->who = arena_dup(w->a, who, sizeof(*who));
	if (f->client->trusted || !may_remember(f))
		on_remembered(w, 0, x);
	else
		consent_remember(
		    w, who->user_id, f->client, x->n_scopes, x->scopes, on_remembered, x);
}

static bool
is_asked_for(const struct flow *f, const char *scope)
{
	for (size_t i = 0; i < f->n_scopes; i++)
		if (strcmp(f->scopes[i], scope) == 0)
			return true;
	return false;
}

static void
on_remembered(struct web *w, int64_t since_us, void *ctx)
{
	struct step *x = ctx;

	code_create(w, x->f, x->who, x->n_scopes, x->scopes, since_us, on_code, x);
}

static void
on_code(struct web *w, const char *code, void *ctx)
{
	struct step *x = ctx;
	const struct flow *f = x->f;

	STEP("oauth.flow.code_made");
	x->url = arena_printf(w->a, "%s%ccode=%s%s%s&iss=%s", f->redirect_uri,
	    strchr(f->redirect_uri, '?') != NULL ? '&' : '?', code,
	    f->client_state != NULL ? "&state=" : "",
	    f->client_state != NULL ? web_percent(w->a, f->client_state) : "",
	    web_percent(w->a, w->issuer));
	finish(w, x);
}

void
flow_refuse(struct web *w, const struct flow *f, const char *error, const char *description)
{
	struct step *x = step_new(w, f);

	x->url = arena_printf(w->a, "%s%cerror=%s%s%s%s%s&iss=%s", f->redirect_uri,
	    strchr(f->redirect_uri, '?') != NULL ? '&' : '?', error,
	    description != NULL ? "&error_description=" : "",
	    description != NULL ? web_percent(w->a, description) : "",
	    f->client_state != NULL ? "&state=" : "",
	    f->client_state != NULL ? web_percent(w->a, f->client_state) : "",
	    web_percent(w->a, w->issuer));
	finish(w, x);
}

void
flow_send_error(struct web *w, const char *redirect_uri, const char *client_state,
    const char *error, const char *description)
{
	const struct flow f = { .redirect_uri = redirect_uri, .client_state = client_state };

	flow_refuse(w, &f, error, description);
}

/* The code is there, the flow goes: of two who finish the same flow one gets a code. */
static void
finish(struct web *w, struct step *x)
{
	if (x->f->state == NULL)
		web_redirect(w, x->url);
	else
		state_take(w, x->f->state, on_taken, x);
}

static void
on_taken(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct step *x = ctx;

	if (s != NULL) {
		STEP("oauth.flow.ended");
		web_redirect(w, x->url);
	} else if (f->status == ST_ABORTED || f->status == ST_NOT_FOUND) {
		page_error(w, 400, "This log-in is over", "It was finished before.");
	} else {
		web_failed(w, f);
	}
}

static struct step *
step_new(struct web *w, const struct flow *f)
{
	struct step *x = ARENA_NEW(w->a, struct step);

	x->f = arena_dup(w->a, f, sizeof(*f));
	return x;
}

/* A browser holds the redirects behind a form to form-action, too: ours to the client, and those that the
 * client's page answers, to wherever. It knows no IPv6 there. */
const char *
flow_origin(struct web *w, const struct flow *f)
{
	const char *uri = f->redirect_uri;

	if (str_starts(uri, "https://"))
		return "https:";
	if (str_starts(uri, "http://["))
		return "http:";
	if (redirect_is_private(uri))
		return arena_printf(w->a, "%.*s:", (int)strcspn(uri, ":"), uri);
	return redirect_origin(w->a, uri);
}

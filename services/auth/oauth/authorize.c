/* authorize: /oauth/authorize (RFC 6749, 4.1.1) and /oauth/par (RFC 9126).
 *
 * A client or redirect URI that is not known ends in a page of ours; everything else goes back to the
 * client as an error with state and iss. A pushed request was judged when it was pushed; its
 * request_uri is a secret of the client's, good once. */
#include <string.h>
#include "auth/oauth/endpoints.h"
#include "auth/oauth/client_auth.h"
#include "auth/oauth/pages.h"
#include "auth/oauth/request.h"
#include "auth/oauth/strangers.h"

#define PUSHED_KIND   "pushed"
#define PUSHED_PREFIX "urn:ietf:params:oauth:request_uri:"

struct asking { /* of the browser */
	const struct web_params *p;
	const char *client_id, *pushed; /* pushed NULL: all of it is here */
	const struct client *client;
	struct flow flow;
};

static void on_client(struct web *w, const struct client *m, const struct failure *f, void *ctx);
static void judge(struct web *w, struct asking *x);
static void read_pushed(struct web *w, struct asking *x);
static void on_pushed(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static void
on_pushed_taken(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static void page_used(struct web *w);
static void on_browser(struct web *w, const struct browser *who, void *ctx);
static void on_pusher(struct web *w, const struct client_proof *who, void *ctx);
static void on_stored(struct web *w, const struct state *s, const struct failure *f, void *ctx);

void
authorize(struct web *w)
{
	struct asking *x = ARENA_NEW(w->a, struct asking);
	const char *pushed;

	x->p = strcmp(w->q->method, "POST") == 0 ? &w->form : &w->query;
	x->client_id = request_param(x->p, "client_id");
	pushed = request_param(x->p, "request_uri");
	if (pushed != NULL && str_starts(pushed, PUSHED_PREFIX))
		x->pushed = pushed + strlen(PUSHED_PREFIX);
	if (x->client_id == NULL)
		page_error(w, 400, "This application is not known",
		    "The request does not say which application it comes from.");
	else
		client_read(w, x->client_id, on_client, x);
}

static void
on_client(struct web *w, const struct client *m, const struct failure *f, void *ctx)
{
	struct asking *x = ctx;

	if (m == NULL && f->status != ST_NOT_FOUND) {
		web_failed(w, f);
		return;
	}
	if (m == NULL || m->disabled) {
		page_error(w, 400, "This application is not known",
		    "The application that sent you here is not registered.");
		return;
	}
	x->client = m;
	if (x->pushed != NULL)
		read_pushed(w, x);
	else
		judge(w, x);
}

static void
judge(struct web *w, struct asking *x)
{
	struct request_error e;
	bool ok = request_judge(w, x->p, x->client, &x->flow, &e);

	if (!ok && e.at_home)
		page_error(w, 400, "This application asks for something that it may not",
		    "The address that it wants you to be sent to is not registered.");
	else if (!ok)
		flow_send_error(
		    w, x->flow.redirect_uri, x->flow.client_state, e.error, e.description);
	else if (x->client->pushed_required)
		flow_send_error(w, x->flow.redirect_uri, x->flow.client_state, "invalid_request",
		    "the client has to push its requests");
	else
		browser_find(w, on_browser, x);
}

static void
read_pushed(struct web *w, struct asking *x)
{
	char id[UUID_LEN];

	web_hash_id(PUSHED_KIND, x->pushed, id);
	state_read(w, PUSHED_KIND, id, on_pushed, x);
}

static void
on_pushed(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct asking *x = ctx;
	const char *owner;

	if (s == NULL && f->status != ST_NOT_FOUND) {
		web_failed(w, f);
		return;
	}
	owner = s == NULL ? NULL : json_string_value(json_object_get(s->data, "client_id"));
	if (owner == NULL || strcmp(owner, x->client->id) != 0 ||
	    !flow_read(w, s->data, &x->flow) ||
	    !client_redirects_to(x->client, x->flow.redirect_uri))
		page_error(w, 400, "This log-in is over",
		    "The request is too old, or it is none. Go back to where you came from and "
		    "begin again.");
	else if (s->version != 1 && !state_is_taken_here(w, s))
		page_used(w);
	else
		state_take(w, s, on_pushed_taken, x);
}

static void
on_pushed_taken(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct asking *x = ctx;

	x->flow.client = x->client;
	if (s != NULL)
		browser_find(w, on_browser, x);
	else if (f->status == ST_ABORTED || f->status == ST_NOT_FOUND)
		page_used(w);
	else
		web_failed(w, f);
}

static void
page_used(struct web *w)
{
	page_error(w, 400, "This log-in is over",
	    "The request was used before. Go back to where you came from and begin again.");
}

static void
on_browser(struct web *w, const struct browser *who, void *ctx)
{
	struct asking *x = ctx;

	flow_resume(w, &x->flow, who);
}

/* --- RFC 9126 --- */

void
push_request(struct web *w)
{
	client_prove(w, on_pusher, NULL);
}

static void
on_pusher(struct web *w, const struct client_proof *who, void *ctx)
{
	struct flow *f = ARENA_NEW(w->a, struct flow);
	struct request_error e;
	char id[UUID_LEN];
	char *uri;
	struct jw j;

	(void)ctx;
	if (!request_judge(w, &w->form, who->client, f, &e)) {
		web_oauth_error(w, 400, e.error, e.description);
		return;
	}
	if (who->proof_key != NULL && f->proof_key != NULL &&
	    strcmp(who->proof_key, f->proof_key) != 0) {
		web_oauth_error(w, 400, "invalid_dpop_proof", "dpop_jkt names another key");
		return;
	}
	if (!who->confidential && !stranger_begins(w))
		return;
	if (who->proof_key != NULL)
		f->proof_key = who->proof_key;
	uri = web_secret_text(w, PUSHED_KIND, who->client->id);
	web_hash_id(PUSHED_KIND, uri, id);
	j = flow_write(w, f);
	state_create(w, PUSHED_KIND, id, NULL, &j, w->o->config->pushed_ttl_us, on_stored, uri);
}

static void
on_stored(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	const char *uri = ctx;
	struct jw j;

	if (s == NULL) {
		web_failed(w, f);
		return;
	}
	jw_start(&j, w->a, 200);
	jw_object(&j, NULL);
	jw_str(&j, "request_uri", arena_printf(w->a, PUSHED_PREFIX "%s", uri));
	jw_int(&j, "expires_in", w->o->config->pushed_ttl_us / SEC);
	jw_close(&j, '}');
	web_json(w, 201, &j);
}

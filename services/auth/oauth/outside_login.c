/* outside_login: see outside_login.h. */
#include "auth/oauth/outside_login.h"

#include <sodium.h>
#include <string.h>
#include "auth/jwt/rows.h"
#include "auth/jwt/ticket.h"
#include "auth/oauth/browser.h"
#include "auth/oauth/outside_int.h"
#include "auth/oauth/redirects.h"
#include "auth/oauth/strangers.h"
#include "base/log.h"
#include "base/step.h"
#include "proto/auth.pb-c.h"

#define STATE_PURPOSE "outside log-in"
#define STATE_LIFE_US (600 * SEC)
#define LINK_FRESH_US (600 * SEC) /* who links has proved himself so recently */

static struct outside_login *begin(struct web *w);
static void read_provider(struct outside_login *x, Mf__StoreResult_Closure then);
static bool take_provider(struct outside_login *x, const Mf__StoreResult *m);
static void on_provider_to_begin(const Mf__StoreResult *m, void *ctx);
static void on_known_to_begin(
    const struct outside_meta *m, const struct outside_keys *keys, const char *why, void *ctx);
static void on_browser_to_link(struct web *w, const struct browser *who, void *ctx);
static bool may_link(struct outside_login *x, const struct browser *who);
static void on_known_to_ask(
    const struct outside_meta *m, const struct outside_keys *keys, const char *why, void *ctx);
static void go(struct outside_login *x, const struct outside_meta *m);
static const char *state_write(struct outside_login *x);
static bool state_take_back(struct outside_login *x, const char *text);
static void on_provider_to_return(const Mf__StoreResult *m, void *ctx);
static void on_user(struct web *w, const struct outside_user *u, void *ctx);
static void on_linker(struct web *w, const struct browser *who, void *ctx);
static void on_linked(struct web *w, const struct outside_user *u, void *ctx);
static void authenticate(struct outside_login *x, const struct outside_user *u);
static void on_late(struct call *c, void *ctx);

struct asking { /* Auth.Authenticate */
	struct outside_login *x;
	struct rpc *rpc;
	struct outside_user user;
};
static void on_authenticated(const Mf__Authenticated *m, void *ctx);

/* --- to the provider --- */

/* It goes into the state, so into an address. */
static const char *
short_query(struct web *w, const char *name)
{
	const char *s = web_query(w, name);

	return s == NULL || strlen(s) > 64 ? NULL : s;
}

void
outside_begin(struct web *w)
{
	struct outside_login *x = begin(w);

	x->flow = short_query(w, "flow");
	x->user_code = short_query(w, "code");
	if (web_query(w, "link") != NULL)
		browser_find(w, on_browser_to_link, x);
	else
		read_provider(x, on_provider_to_begin);
}

static struct outside_login *
begin(struct web *w)
{
	struct outside_login *x = ARENA_NEW(w->a, struct outside_login);
	int64_t left = call_left(w->c);

	x->w = w;
	if (left > OUTSIDE_LATE_US)
		(void)call_after(w->c, left - OUTSIDE_LATE_US, on_late, x);
	return x;
}

struct reading {
	struct outside_login *x;
	struct rpc *rpc;
	Mf__StoreResult_Closure then;
};

static void
on_provider(const Mf__StoreResult *m, void *ctx)
{
	struct reading *r = ctx;

	if (m == NULL && rpc_failure(r->rpc)->status != ST_NOT_FOUND)
		web_failed(r->x->w, rpc_failure(r->rpc));
	else if (m == NULL || !take_provider(r->x, m) || r->x->p.disabled)
		page_error(r->x->w, 404, "There is no such provider",
		    "Log-ins by it are not possible, or not any more.");
	else
		r->then(m, r->x);
}

static void
read_provider(struct outside_login *x, Mf__StoreResult_Closure then)
{
	struct reading *r = ARENA_NEW(x->w->a, struct reading);

	*r = (struct reading){ .x = x, .then = then };
	r->rpc = rpc_new(x->w->c, x->w->o->tokens->database, NULL);
	mf__database__read(
	    &r->rpc->service, op_read(x->w->a, "provider", x->w->rest), on_provider, r);
}

static bool
take_provider(struct outside_login *x, const Mf__StoreResult *m)
{
	struct json_error e;
	json_t *v = json_read(m->data.data, m->data.len, &e);
	bool ok = v != NULL && provider_of(x->w->a, v, &x->p);

	json_decref(v);
	return ok;
}

static void
on_provider_to_begin(const Mf__StoreResult *m, void *ctx)
{
	struct outside_login *x = ctx;

	(void)m;
	outside_know(x->w->o->outside, x->w->c, x->p.issuer,
	    x->link != NULL && strcmp(x->w->q->method, "POST") != 0 ? on_known_to_ask
								    : on_known_to_begin,
	    x);
}

static void
on_known_to_begin(
    const struct outside_meta *m, const struct outside_keys *keys, const char *why, void *ctx)
{
	(void)keys;
	if (m == NULL)
		outside_unavailable(ctx, why);
	else
		go(ctx, m);
}

/* --- to link: asked for by who is signed in here, and said yes to --- */

void
outside_link(struct web *w)
{
	struct outside_login *x = begin(w);

	if (browser_sent(w, "link", w->rest,
		arena_printf(w->a, "/oauth/outside/%s?link=1", web_percent(w->a, w->rest))))
		browser_find(w, on_browser_to_link, x);
}

static void
on_browser_to_link(struct web *w, const struct browser *who, void *ctx)
{
	struct outside_login *x = ctx;

	(void)w;
	if (may_link(x, who)) {
		x->link = arena_strdup(x->w->a, who->user_id);
		read_provider(x, on_provider_to_begin);
	}
}

static bool
may_link(struct outside_login *x, const struct browser *who)
{
	if (who != NULL && time_wall_us() - who->authenticated_at_us <= LINK_FRESH_US)
		return true;
	page_message(x->w, 403,
	    &(const struct message){ .title = "Sign in first",
		.text = "To link an account, sign in here and come back within ten minutes.",
		.again = "/oauth/login",
		.again_text = "Sign in" });
	return false;
}

/* A page and not a link: whoever is signed in over there would otherwise get into this account by a
 * click on a stranger's page. */
static void
on_known_to_ask(
    const struct outside_meta *m, const struct outside_keys *keys, const char *why, void *ctx)
{
	struct outside_login *x = ctx;
	struct view *v = view_new(x->w->a);

	(void)keys;
	if (m == NULL) {
		outside_unavailable(x, why);
		return;
	}
	view_set(v, "title", "Link an account");
	view_set(v, "provider", x->p.name);
	view_set(v, "id", web_percent(x->w->a, x->p.id));
	browser_form(x->w, v, "link", x->w->rest);
	page_show(x->w, 200, "link.html", v, redirect_origin(x->w->a, m->authorization_endpoint));
}

static void
go(struct outside_login *x, const struct outside_meta *m)
{
	struct arena *a = x->w->a;
	const char *challenge, *scope = "openid";
	uint8_t hash[crypto_hash_sha256_BYTES];
	char text[64];

	for (size_t i = 0; i < x->p.n_scopes; i++)
		if (strcmp(x->p.scopes[i], "openid") != 0)
			scope = arena_printf(a, "%s %s", scope, x->p.scopes[i]);
	x->nonce = web_secret_text(x->w, "outside nonce", x->p.id);
	x->verifier = web_secret_text(x->w, "outside verifier", x->p.id);
	(void)crypto_hash_sha256(hash, (const uint8_t *)x->verifier, strlen(x->verifier));
	(void)str_b64url(hash, sizeof(hash), text);
	challenge = arena_strdup(a, text);
	web_redirect(x->w,
	    arena_printf(a,
		"%s%cresponse_type=code&client_id=%s&redirect_uri=%s&scope=%s&state=%s&nonce=%s"
		"&code_challenge=%s&code_challenge_method=S256%s",
		m->authorization_endpoint,
		strchr(m->authorization_endpoint, '?') != NULL ? '&' : '?',
		web_percent(a, x->p.client_id), web_percent(a, outside_redirect_uri(x)),
		web_percent(a, scope), state_write(x), x->nonce, challenge,
		x->link != NULL ? "&prompt=login" : ""));
}

const char *
outside_redirect_uri(const struct outside_login *x)
{
	return arena_printf(x->w->a, "%s/oauth/callback/%s", x->w->base, x->p.id);
}

/* --- the state --- */

static const char *
state_write(struct outside_login *x)
{
	struct jw j;
	const char *text;
	size_t n;

	jw_start(&j, x->w->a, 500);
	jw_object(&j, NULL);
	jw_str(&j, "provider", x->p.id);
	jw_str(&j, "issuer", x->p.issuer);
	jw_str(&j, "nonce", x->nonce);
	jw_str(&j, "verifier", x->verifier);
	jw_str(&j, "flow", x->flow);
	jw_str(&j, "code", x->user_code);
	jw_str(&j, "link", x->link);
	jw_int(&j, "until", time_wall_us() + STATE_LIFE_US);
	jw_close(&j, '}');
	text = jw_text(&j, &n);
	return seal_text(
	    x->w->a, x->w->o->tokens->seal, STATE_PURPOSE, browser_mark(x->w), text, n);
}

static const char *
member(struct outside_login *x, const json_t *v, const char *name)
{
	const char *s = json_string_value(json_object_get(v, name));

	return s == NULL ? NULL : arena_strdup(x->w->a, s);
}

/* False: none that this browser was given, for this provider as it is now, in the last minutes. */
static bool
state_take_back(struct outside_login *x, const char *text)
{
	struct json_error e;
	size_t n;
	char *p = seal_open(x->w->o->tokens->seal, STATE_PURPOSE, browser_mark(x->w), text, &n);
	json_t *v = p == NULL ? NULL : json_read(p, n, &e);
	const char *provider = json_string_value(json_object_get(v, "provider"));
	const char *issuer = json_string_value(json_object_get(v, "issuer"));
	bool ok = provider != NULL && strcmp(provider, x->p.id) == 0 && issuer != NULL &&
	          strcmp(issuer, x->p.issuer) == 0 &&
	          json_integer_value(json_object_get(v, "until")) > time_wall_us();

	x->nonce = member(x, v, "nonce");
	x->verifier = member(x, v, "verifier");
	x->flow = member(x, v, "flow");
	x->user_code = member(x, v, "code");
	x->link = member(x, v, "link");
	json_decref(v);
	if (p != NULL)
		sodium_free(p);
	return ok && x->nonce != NULL && x->verifier != NULL;
}

/* --- and back --- */

void
outside_return(struct web *w)
{
	read_provider(begin(w), on_provider_to_return);
}

static void
on_provider_to_return(const Mf__StoreResult *m, void *ctx)
{
	struct outside_login *x = ctx;
	const char *state = web_query(x->w, "state");

	(void)m;
	if (state == NULL || !state_take_back(x, state)) {
		page_error(x->w, 400, "This log-in is over",
		    "It took too long, or it was begun in another browser. Go back to where you "
		    "came "
		    "from and begin again.");
		return;
	}
	x->code = web_query(x->w, "code");
	if (web_query(x->w, "error") != NULL || x->code == NULL)
		outside_refused(x, "it did not log you in");
	else
		outside_exchange(x);
}

void
outside_proved(struct outside_login *x)
{
	if (x->link != NULL)
		browser_find(x->w, on_linker, x);
	else
		outside_user_known(x->w, &x->p, x->claims.subject, on_user, x);
}

static void
on_user(struct web *w, const struct outside_user *u, void *ctx)
{
	(void)w;
	if (u == NULL)
		outside_describe(ctx);
	else
		authenticate(ctx, u);
}

void
outside_described(struct outside_login *x)
{
	outside_user_make(x->w, &x->p, &x->claims, on_user, x);
}

/* Still the one who asked for it. */
static void
on_linker(struct web *w, const struct browser *who, void *ctx)
{
	struct outside_login *x = ctx;

	if (who == NULL || strcmp(who->user_id, x->link) != 0) {
		page_error(w, 403, "Nothing was linked",
		    "Somebody else is signed in here now, or nobody.");
		return;
	}
	outside_user_link(w, &x->p, &x->claims,
	    &(const struct outside_user){
		arena_strdup(w->a, who->user_id), arena_strdup(w->a, who->username), 0 },
	    on_linked, x);
}

static void
on_linked(struct web *w, const struct outside_user *u, void *ctx)
{
	const struct outside_login *x = ctx;

	page_message(w, 200,
	    &(const struct message){ .title = "Linked",
		.text =
		    arena_printf(w->a, "From now on %s logs %s in here.", x->p.name, u->username),
		.good = true });
}

/* --- he is who he is: now as after a password --- */

static void
authenticate(struct outside_login *x, const struct outside_user *u)
{
	struct asking *k = ARENA_NEW(x->w->a, struct asking);
	Mf__Credentials q = MF__CREDENTIALS__INIT;
	const struct ticket ticket = { .user_id = u->id,
		.user_version = u->version,
		.method = "fed",
		.at_us = time_wall_us() };
	const char *agent = web_header(x->w, "user-agent");

	STEP("oauth.outside.proved");
	k->x = x;
	k->user = *u;
	q.username = (char *)(uintptr_t)u->username;
	q.ticket = ticket_write(x->w->a, x->w->o->tokens->seal, u->username, &ticket);
	q.stepwise = true;
	q.client_address = x->w->q->client_address;
	q.user_agent = (char *)(uintptr_t)(agent != NULL ? agent : "");
	k->rpc = rpc_new(x->w->c, x->w->o->auth, NULL);
	mf__auth__authenticate(&k->rpc->service, &q, on_authenticated, k);
}

static void
on_authenticated(const Mf__Authenticated *m, void *ctx)
{
	struct asking *k = ctx;
	struct web *w = k->x->w;
	struct browser_proof proof;
	const struct failure *f;
	const char *problem;
	unsigned status;

	if (m == NULL) {
		f = rpc_failure(k->rpc);
		problem = page_refusal(w, f, "This sign-in was refused. Begin again.", &status);
		if (problem != NULL)
			page_error(w, status, "You can't sign in now", problem);
		else
			web_failed(w, f);
		return;
	}
	if (m->ticket[0] != '\0') {
		page_second_factor(w, k->user.username, arena_strdup(w->a, m->ticket), k->x->flow,
		    k->x->user_code);
		return;
	}
	proof = browser_proof_of(m);
	page_signed_in(w, &proof, k->x->flow, k->x->user_code);
}

/* --- when it does not work --- */

static const char *
again(const struct outside_login *x)
{
	struct arena *a = x->w->a;

	return arena_printf(a, "/oauth/outside/%s?%s=%s",
	    web_percent(a, x->p.id != NULL ? x->p.id : x->w->rest),
	    x->link != NULL   ? "link"
	    : x->flow != NULL ? "flow"
			      : "code",
	    x->link != NULL        ? "1"
	    : x->flow != NULL      ? web_percent(a, x->flow)
	    : x->user_code != NULL ? web_percent(a, x->user_code)
				   : "");
}

void
outside_unavailable(struct outside_login *x, const char *why)
{
	log_warn("outside_provider", L_STR("provider", x->p.id), L_STR("why", why));
	web_add(x->w, "retry-after", "5");
	page_message(x->w, 503,
	    &(const struct message){ .title = "The other provider does not answer",
		.text = "You can't be logged in by it now. Try again in a moment.",
		.detail = x->p.name,
		.again = again(x),
		.again_text = "Try again" });
}

void
outside_refused(struct outside_login *x, const char *why)
{
	log_warn("outside_refused", L_STR("provider", x->p.id), L_STR("why", why));
	stranger_seen(x->w, "outside_refused", NULL, arena_printf(x->w->a, "%s: %s", x->p.id, why));
	page_message(x->w, 403,
	    &(const struct message){ .title = "You were not logged in",
		.text = "What the other provider answered does not count here.",
		.detail = arena_printf(x->w->a, "%s: %s.", x->p.name, why),
		.again = again(x),
		.again_text = "Try again" });
}

static void
on_late(struct call *c, void *ctx)
{
	(void)c;
	outside_unavailable(ctx, "it took too long");
}

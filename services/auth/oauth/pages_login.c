/* pages_login: who are you? Name and password, or an outside provider (outside_*.c). Then the browser is
 * signed in and goes on with what it came for.
 *
 * The password is given to auth once and wiped. Where a second factor is needed, auth answers a ticket,
 * and pages_factor.c goes on from there. */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/rows.h"
#include "auth/oauth/browser.h"
#include "base/log.h"

struct login {
	struct web *w;
	const char *flow_id, *user_code; /* what for; NULL: nothing */
	const struct flow *flow;         /* NULL: none, or not loaded */
	const char *username;            /* "" before it was typed */
	const char *problem;             /* NULL: none */
	unsigned status;
	struct rpc *rpc;
};

struct signing { /* signed in: what for */
	const char *flow_id, *user_code;
	const struct browser *who;
};

static struct login *login_new(struct web *w, const char *flow_id, const char *user_code);
static void on_flow_shown(struct web *w, const struct flow *f, void *ctx);
static void login_show(struct login *x);
static void on_providers(const Mf__StoreResult *m, void *ctx);
static bool add_provider(void *ctx, const json_t *item);
static void login_show_with(struct login *x, struct view *v);
static void on_flow_sent(struct web *w, const struct flow *f, void *ctx);
static void authenticate(struct login *x);
static void on_authenticated(const Mf__Authenticated *m, void *ctx);
static void login_wrong(struct login *x, unsigned status, const char *problem);
static void wipe(const char *secret);
static void on_signed_in(struct web *w, const struct browser *who, void *ctx);
static void on_flow_signed_in(struct web *w, const struct flow *f, void *ctx);

void
page_login(struct web *w)
{
	struct login *x = login_new(w, web_query(w, "flow"), web_query(w, "code"));

	if (x->flow_id != NULL)
		flow_load(w, x->flow_id, on_flow_shown, x);
	else
		login_show(x);
}

static struct login *
login_new(struct web *w, const char *flow_id, const char *user_code)
{
	struct login *x = ARENA_NEW(w->a, struct login);

	x->w = w;
	x->flow_id = flow_id;
	x->user_code = flow_id == NULL ? user_code : NULL;
	x->username = "";
	x->status = 200;
	return x;
}

static void
on_flow_shown(struct web *w, const struct flow *f, void *ctx)
{
	struct login *x = ctx;

	(void)w;
	if (f == NULL)
		return;
	x->flow = f;
	if (f->login_hint != NULL)
		x->username = f->login_hint;
	login_show(x);
}

static void
login_show(struct login *x)
{
	struct web *w = x->w;

	x->rpc = rpc_new(w->c, w->o->tokens->database, NULL);
	mf__database__read(
	    &x->rpc->service, op_query(w->a, "provider", NULL, NULL), on_providers, x);
}

/* When they can't be read there is still the password. */
static void
on_providers(const Mf__StoreResult *m, void *ctx)
{
	struct login *x = ctx;
	struct view *v = view_new(x->w->a);
	const char *next;

	if (m == NULL || !json_page(x->w->a, m->data.data, m->data.len, add_provider, v, &next))
		log_info("providers_unknown", L_STR("path", x->w->q->path));
	view_set(v, "providers", view_has(v, "provider") ? "1" : NULL);
	login_show_with(x, v);
}

static bool
add_provider(void *ctx, const json_t *item)
{
	const char *id = json_string_value(json_object_get(item, "id"));
	const char *name = json_string_value(json_object_get(item, "name"));
	struct view *v = ctx, *row;

	if (id == NULL || name == NULL || json_is_true(json_object_get(item, "disabled")))
		return true;
	row = view_add(v, "provider");
	view_set(row, "id", web_percent(view_arena(v), id));
	view_set(row, "name", arena_strdup(view_arena(v), name));
	return true;
}

static void
login_show_with(struct login *x, struct view *v)
{
	struct web *w = x->w;

	view_set(v, "title", "Sign in");
	view_set(v, "problem", x->problem);
	view_set(v, "username", x->username);
	view_set(v, "flow", x->flow_id);
	view_set(v, "code", x->user_code);
	if (x->flow_id != NULL || x->user_code != NULL)
		view_setf(v, "for", "%s=%s", x->flow_id != NULL ? "flow" : "code",
		    web_percent(w->a, page_about(x->flow_id, x->user_code)));
	if (x->flow != NULL)
		page_client(v, x->flow->client);
	browser_form(w, v, "login", page_about(x->flow_id, x->user_code));
	page_show(w, x->status, "login.html", v, x->flow != NULL ? flow_origin(w, x->flow) : NULL);
}

void
page_login_sent(struct web *w)
{
	struct login *x = login_new(w, web_form(w, "flow"), web_form(w, "code"));
	const char *username = web_form(w, "username");

	if (!browser_sent(w, "login", page_about(x->flow_id, x->user_code),
		page_login_path(w->a, x->flow_id, x->user_code))) {
		wipe(web_form(w, "password"));
		return;
	}
	if (username != NULL)
		x->username = username;
	if (x->flow_id != NULL)
		flow_load(w, x->flow_id, on_flow_sent, x);
	else
		authenticate(x);
}

static void
on_flow_sent(struct web *w, const struct flow *f, void *ctx)
{
	struct login *x = ctx;

	if (f == NULL) {
		wipe(web_form(w, "password"));
		return;
	}
	x->flow = f;
	authenticate(x);
}

static void
authenticate(struct login *x)
{
	struct web *w = x->w;
	const char *password = web_form(w, "password"), *agent = web_header(w, "user-agent");
	Mf__Credentials q = MF__CREDENTIALS__INIT;

	if (x->username[0] == '\0' || password == NULL) {
		login_wrong(x, 422, "Enter your user name and your password.");
		return;
	}
	q.username = (char *)(uintptr_t)x->username;
	q.password = (char *)(uintptr_t)password;
	q.client_address = w->q->client_address;
	q.user_agent = (char *)(uintptr_t)(agent != NULL ? agent : "");
	q.stepwise = true;
	x->rpc = rpc_new(w->c, w->o->auth, NULL);
	mf__auth__authenticate(&x->rpc->service, &q, on_authenticated, x);
	wipe(password); /* it was packed */
	sodium_memzero(w->q->body.data, w->q->body.len);
}

static void
wipe(const char *secret)
{
	if (secret != NULL)
		sodium_memzero((char *)(uintptr_t)secret, strlen(secret));
}

static void
on_authenticated(const Mf__Authenticated *m, void *ctx)
{
	struct login *x = ctx;
	const struct failure *f;
	struct browser_proof p;
	unsigned status;
	const char *problem;

	if (m == NULL) {
		f = rpc_failure(x->rpc);
		problem = page_refusal(x->w, f, "The user name or the password is wrong.", &status);
		if (problem != NULL)
			login_wrong(x, status, problem);
		else
			web_failed(x->w, f);
	} else if (m->ticket[0] != '\0') {
		page_second_factor(x->w, x->username, m->ticket, x->flow_id, x->user_code);
	} else {
		p = browser_proof_of(m);
		page_signed_in(x->w, &p, x->flow_id, x->user_code);
	}
}

static void
login_wrong(struct login *x, unsigned status, const char *problem)
{
	x->status = status;
	x->problem = problem;
	login_show(x);
}

/* --- signed in --- */

void
page_signed_in(
    struct web *w, const struct browser_proof *p, const char *flow_id, const char *user_code)
{
	struct signing *x = ARENA_NEW(w->a, struct signing);

	x->flow_id = flow_id;
	x->user_code = user_code;
	browser_sign_in(w, p, on_signed_in, x);
}

static void
on_signed_in(struct web *w, const struct browser *who, void *ctx)
{
	struct signing *x = ctx;

	x->who = who;
	if (x->flow_id != NULL)
		flow_load(w, x->flow_id, on_flow_signed_in, x);
	else if (x->user_code != NULL)
		web_redirect(w, arena_printf(w->a, "/oauth/device?user_code=%s",
				    web_percent(w->a, x->user_code)));
	else
		web_redirect(w, "/oauth/logout");
}

static void
on_flow_signed_in(struct web *w, const struct flow *f, void *ctx)
{
	struct signing *x = ctx;

	if (f != NULL)
		flow_resume(w, f, x->who);
}

/* --- for the other pages --- */

const char *
page_about(const char *flow_id, const char *user_code)
{
	return flow_id != NULL ? flow_id : user_code != NULL ? user_code : "";
}

const char *
page_login_path(struct arena *a, const char *flow_id, const char *user_code)
{
	if (flow_id != NULL)
		return arena_printf(a, "/oauth/login?flow=%s", web_percent(a, flow_id));
	if (user_code != NULL)
		return arena_printf(a, "/oauth/login?code=%s", web_percent(a, user_code));
	return "/oauth/login";
}

/* One text for whatever was wrong, so that nobody learns which names there are. */
const char *
page_refusal(struct web *w, const struct failure *f, const char *wrong, unsigned *status)
{
	uint32_t wait_s = (f->retry_ms + 999) / 1000;

	switch ((int)f->status) {
	case ST_UNAUTHENTICATED:
	case ST_INVALID_ARGUMENT:
		*status = 422;
		return wrong;
	case ST_RESOURCE_EXHAUSTED:
		*status = 429;
		web_add(w, "retry-after", "%u", wait_s > 0 ? wait_s : 1);
		return wait_s > 90
		           ? arena_printf(w->a, "Too many tries. Wait %u minutes, then try again.",
				 (wait_s + 59) / 60)
		           : arena_printf(w->a, "Too many tries. Wait %u seconds, then try again.",
				 wait_s > 0 ? wait_s : 1);
	case ST_PERMISSION_DENIED:
	case ST_FAILED_PRECONDITION:
		*status = 403;
		return strcmp(f->reason, "FACTOR_UNAVAILABLE") == 0
		           ? "This sign-in needs a second factor, and the account has none. Ask an "
		             "administrator."
		           : "This sign-in was refused. Try again later, or ask an administrator.";
	default:
		return NULL;
	}
}

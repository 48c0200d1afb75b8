/* pages_factor: the second factor, after the password was right or an outside provider vouched. What
 * stands between the two pages is a state (states.h) with the ticket of the first step: it is bound to
 * the browser's mark and to the name, lives for five minutes and allows five tries, each counted before
 * it is judged, so that a burst is no more than five in a row. It is used up by the try that was right;
 * a repeat of that very request finds what it proved and goes on. */
#include <sodium.h>
#include <string.h>
#include "auth/oauth/browser.h"
#include "base/step.h"

#define KIND       "login"
#define LIFE       (5 * 60 * SEC)
#define TRIES_MOST 5

struct factor {
	struct web *w;
	const char *id;
	struct state state;
	const char *username, *ticket, *flow_id, *user_code; /* the last two may be NULL */
	const char *counted, *proved; /* operations that did so last; "": none */
	int64_t tries;
	struct browser_proof proof; /* with `proved` */
	unsigned status;            /* of the page that is shown */
	const char *problem;
	struct rpc *rpc;
};

static void on_stored(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static void factor_find(struct web *w, const char *id, state_fn *then);
static bool factor_read(struct factor *x, const struct state *s, const struct failure *f);
static void read_proof(struct factor *x, const json_t *v);
static void on_shown(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static void on_sent(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static void count_try(struct factor *x);
static void on_counted(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static void on_authenticated(const Mf__Authenticated *m, void *ctx);
static void refused(struct factor *x, const struct failure *f);
static void use_up(struct factor *x, const Mf__Authenticated *m);
static void on_used_up(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static void show(struct factor *x, unsigned status, const char *problem);
static void on_flow(struct web *w, const struct flow *f, void *ctx);
static void show_for(struct factor *x, const struct flow *f);
static void gone(struct factor *x);
static void wipe_otp(struct web *w);

void
page_second_factor(struct web *w, const char *username, const char *ticket, const char *flow_id,
    const char *user_code)
{
	char id[UUID_LEN];
	struct jw j;

	web_secret_id(w, KIND, username, id);
	jw_start(&j, w->a, 1024);
	jw_object(&j, NULL);
	jw_str(&j, "username", username);
	jw_str(&j, "ticket", ticket);
	jw_str(&j, "flow", flow_id);
	jw_str(&j, "code", user_code);
	jw_close(&j, '}');
	state_create(w, KIND, id, browser_mark(w), &j, LIFE, on_stored, NULL);
}

static void
on_stored(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	(void)ctx;
	if (s == NULL) {
		web_failed(w, f);
		return;
	}
	STEP("oauth.factor.ticket_kept");
	web_redirect(w, arena_printf(w->a, "/oauth/factor?login=%s", s->id));
}

/* --- the page --- */

void
page_factor(struct web *w)
{
	factor_find(w, web_query(w, "login"), on_shown);
}

static void
factor_find(struct web *w, const char *id, state_fn *then)
{
	struct factor *x = ARENA_NEW(w->a, struct factor);

	x->w = w;
	if (id != NULL && uuid_ok(id)) {
		x->id = id;
		state_read(w, KIND, id, then, x);
	} else {
		gone(x);
	}
}

/* False: answered. */
static bool
factor_read(struct factor *x, const struct state *s, const struct failure *f)
{
	struct arena *a = x->w->a;
	const char *flow, *code, *counted, *proved;

	if (s == NULL && f->status != ST_NOT_FOUND) {
		web_failed(x->w, f);
		return false;
	}
	if (s == NULL || strcmp(s->subject, browser_mark(x->w)) != 0) {
		gone(x);
		return false;
	}
#define TEXT(name) json_string_value(json_object_get(s->data, name))
	x->state = *s;
	x->username = TEXT("username");
	x->ticket = TEXT("ticket");
	flow = TEXT("flow");
	code = TEXT("code");
	counted = TEXT("counted");
	proved = TEXT("proved");
#undef TEXT
	x->flow_id = flow != NULL ? arena_strdup(a, flow) : NULL;
	x->user_code = code != NULL ? arena_strdup(a, code) : NULL;
	x->counted = counted != NULL ? counted : "";
	x->proved = proved != NULL ? proved : "";
	x->tries = json_integer_value(json_object_get(s->data, "tries"));
	if (x->username == NULL || x->ticket == NULL) {
		gone(x);
		return false;
	}
	if (proved != NULL)
		read_proof(x, json_object_get(s->data, "proof"));
	return true;
}

static void
read_proof(struct factor *x, const json_t *v)
{
	const json_t *list = json_object_get(v, "methods");
	const char **methods = ARENA_ARRAY(x->w->a, const char *, json_array_size(list) + 1);

	for (size_t i = 0; i < json_array_size(list); i++)
		methods[i] = json_string_value(json_array_get(list, i));
	x->proof = (struct browser_proof){
		.user_id = json_string_value(json_object_get(v, "user")),
		.username = x->username,
		.user_version = (uint64_t)json_integer_value(json_object_get(v, "version")),
		.n_methods = json_array_size(list),
		.methods = methods,
		.at_us = json_integer_value(json_object_get(v, "at")),
	};
}

static void
on_shown(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct factor *x = ctx;

	(void)w;
	if (!factor_read(x, s, f))
		return;
	if (x->proved[0] != '\0' || x->tries >= TRIES_MOST)
		gone(x);
	else
		show(x, 200, NULL);
}

static void
show(struct factor *x, unsigned status, const char *problem)
{
	x->status = status;
	x->problem = problem;
	if (x->flow_id != NULL)
		flow_load(x->w, x->flow_id, on_flow, x);
	else
		show_for(x, NULL);
}

static void
on_flow(struct web *w, const struct flow *f, void *ctx)
{
	(void)w;
	if (f != NULL)
		show_for(ctx, f);
}

static void
show_for(struct factor *x, const struct flow *f)
{
	struct web *w = x->w;
	struct view *v = view_new(w->a);
	const char *recovery = web_query(w, "recovery");

	if (recovery == NULL)
		recovery = web_form(w, "recovery");
	view_set(v, "title", "Second factor");
	view_set(v, "problem", x->problem);
	view_set(v, "login", x->id);
	view_set(v, "recovery", recovery != NULL ? "1" : NULL);
	browser_form(w, v, "factor", x->id);
	page_show(w, x->status, "factor.html", v, f != NULL ? flow_origin(w, f) : NULL);
}

static void
gone(struct factor *x)
{
	page_message(x->w, 400,
	    &(const struct message){
		.title = "This sign-in is over",
		.text = "It took too long, there were too many wrong codes, or it was begun in "
			"another browser.",
		.again = page_login_path(x->w->a, x->flow_id, x->user_code),
		.again_text = "Begin again",
	    });
}

/* --- a code was sent --- */

void
page_factor_sent(struct web *w)
{
	const char *id = web_form(w, "login");
	const char *again =
	    id == NULL ? "/oauth/login"
		       : arena_printf(w->a, "/oauth/factor?login=%s", web_percent(w->a, id));

	if (browser_sent(w, "factor", id != NULL ? id : "", again))
		factor_find(w, id, on_sent);
	else
		wipe_otp(w);
}

static void
on_sent(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct factor *x = ctx;
	bool again;

	if (!factor_read(x, s, f)) {
		wipe_otp(w);
		return;
	}
	again = strcmp(x->proved, w->operation_id) == 0 && x->proof.user_id != NULL;
	if (again)
		page_signed_in(w, &x->proof, x->flow_id, x->user_code);
	else if (x->proved[0] != '\0' || x->tries >= TRIES_MOST)
		gone(x);
	else if (web_form(w, "otp") == NULL)
		show(x, 422, "Enter the code.");
	else if (strcmp(x->counted, w->operation_id) == 0)
		on_counted(w, s, NULL, x);
	else
		count_try(x);
}

static void
count_try(struct factor *x)
{
	struct jw j;

	jw_start(&j, x->w->a, 200);
	jw_object(&j, NULL);
	jw_int(&j, "tries", x->tries + 1);
	jw_str(&j, "counted", x->w->operation_id);
	jw_close(&j, '}');
	state_change(x->w, &x->state, &j, 0, on_counted, x);
}

static void
on_counted(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct factor *x = ctx;
	const char *otp = web_form(w, "otp"), *agent = web_header(w, "user-agent");
	Mf__Credentials q = MF__CREDENTIALS__INIT;

	if (s == NULL && f->status == ST_ABORTED) {
		show(x, 422, "Another code was sent at the same moment. Try again.");
		return;
	}
	if (!factor_read(x, s, f))
		return;
	STEP("oauth.factor.counted");
	q.username = (char *)(uintptr_t)x->username;
	q.ticket = (char *)(uintptr_t)x->ticket;
	q.otp = (char *)(uintptr_t)otp;
	q.client_address = w->q->client_address;
	q.user_agent = (char *)(uintptr_t)(agent != NULL ? agent : "");
	q.stepwise = true;
	x->rpc = rpc_new(w->c, w->o->auth, NULL);
	mf__auth__authenticate(&x->rpc->service, &q, on_authenticated, x);
	wipe_otp(w); /* it was packed */
}

static void
wipe_otp(struct web *w)
{
	const char *otp = web_form(w, "otp");

	if (otp != NULL)
		sodium_memzero((char *)(uintptr_t)otp, strlen(otp));
	sodium_memzero(w->q->body.data, w->q->body.len);
}

static void
on_authenticated(const Mf__Authenticated *m, void *ctx)
{
	struct factor *x = ctx;

	if (m == NULL)
		refused(x, rpc_failure(x->rpc));
	else if (m->user_id[0] == '\0')
		web_failed(x->w, &(const struct failure){ .status = ST_INTERNAL,
				     .message = "nobody was authenticated",
				     .reason = "" });
	else
		use_up(x, m);
}

static void
refused(struct factor *x, const struct failure *f)
{
	unsigned status;
	const char *problem = page_refusal(x->w, f, "This code is wrong.", &status);

	if (strcmp(f->reason, "TICKET_INVALID") == 0 ||
	    (f->status == ST_UNAUTHENTICATED && x->tries >= TRIES_MOST))
		gone(x);
	else if (problem != NULL)
		show(x, status, problem);
	else
		web_failed(x->w, f);
}

static void
use_up(struct factor *x, const Mf__Authenticated *m)
{
	struct jw j;

	STEP("oauth.factor.proved");
	x->proof = browser_proof_of(m);
	jw_start(&j, x->w->a, 500);
	jw_object(&j, NULL);
	jw_str(&j, "proved", x->w->operation_id);
	jw_object(&j, "proof");
	jw_str(&j, "user", m->user_id);
	jw_int(&j, "version", (int64_t)m->user_version);
	jw_array(&j, "methods");
	for (size_t i = 0; i < m->n_methods; i++)
		jw_str(&j, NULL, m->methods[i]);
	jw_close(&j, ']');
	jw_int(&j, "at", (int64_t)m->at);
	jw_close(&j, '}');
	jw_close(&j, '}');
	state_change(x->w, &x->state, &j, 0, on_used_up, x);
}

static void
on_used_up(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct factor *x = ctx;

	if (s == NULL && f->status != ST_ABORTED) {
		web_failed(w, f);
		return;
	}
	if (s == NULL) {
		gone(x);
		return;
	}
	STEP("oauth.factor.used_up");
	page_signed_in(w, &x->proof, x->flow_id, x->user_code);
}

/* browser: see browser.h. */
#include "auth/oauth/browser.h"
#include <sodium.h>
#include <string.h>
#include "auth/jwt/issue.h"
#include "auth/jwt/rows.h"
#include "auth/oauth/cookie.h"
#include "auth/oauth/csrf.h"
#include "base/log.h"
#include "base/step.h"

#define MARK_LEN     43             /* base64url of 32 bytes */
#define SEEN         (5 * 60 * SEC) /* the stamp of a cookie is renewed when it is older than this */
#define LOGOUT_LIMIT (5 * SEC)

enum which { MARK, SESSION };

struct finding {
	struct web *w;
	struct rpc *rpc;
	struct cookie cookie;
	struct browser who;
	browser_fn *then;
	void *ctx;
};

static const char *name_of(const struct web *w, enum which which);
static void set(struct web *w, enum which which, const char *value);
static const char *mark_of(struct web *w);
static bool is_mark(const char *text);
static void key_of(const struct web *w, uint8_t key[STAMP_KEY]);
static bool session_of(struct web *w, struct cookie *out);
static void seen(struct web *w, const struct cookie *c);
static struct finding *finding_new(struct web *w, browser_fn *then, void *ctx);
static void on_session(const struct session_facts *m, const struct failure *f, void *ctx);
static void on_user(const Mf__StoreResult *m, void *ctx);
static void nobody(struct finding *x);
static void on_issued(const struct issued *m, const struct failure *f, void *ctx);
static void end_former(struct web *w);
static void on_former_ended(const Mf__Empty *m, void *ctx);
static void on_ended(const Mf__Empty *m, void *ctx);
static struct csrf binding(struct web *w, const char *page, const char *about);

/* --- cookies --- */

static bool
is_https(const struct web *w)
{
	return str_starts(w->base, "https:");
}

static const char *
name_of(const struct web *w, enum which which)
{
	static const char *const names[] = { "__Host-mf_mark", "__Host-mf_session" };

	return names[which] + (is_https(w) ? 0 : strlen("__Host-"));
}

/* value "": it goes. Once per answer: the last word counts. */
static void
set(struct web *w, enum which which, const char *value)
{
	const char *name = name_of(w, which);
	size_t n = strlen(name), kept = 0;

	for (size_t i = 0; i < w->n_headers; i++) {
		const Mf__KeyValue *h = w->headers[i];

		if (strcmp(h->key, "set-cookie") != 0 || strncmp(h->value, name, n) != 0 ||
		    h->value[n] != '=')
			w->headers[kept++] = w->headers[i];
	}
	w->n_headers = kept;
	web_add(w, "set-cookie", "%s=%s; Path=/; HttpOnly; SameSite=Lax%s%s", name, value,
	    is_https(w) ? "; Secure" : "", value[0] == '\0' ? "; Max-Age=0" : "");
}

static const char *
mark_of(struct web *w)
{
	const char *mark = web_cookie(w, name_of(w, MARK));

	if (mark != NULL && is_mark(mark))
		return mark;
	mark = web_secret_text(w, "mark", "");
	set(w, MARK, mark);
	return mark;
}

static bool
is_mark(const char *text)
{
	uint8_t b[32];
	size_t n;

	return strlen(text) == MARK_LEN && str_unb64url(str_of(text), b, sizeof(b), &n) &&
	       n == sizeof(b);
}

const char *
browser_mark(struct web *w)
{
	const char *mark = mark_of(w);
	char *out = arena_alloc(w->a, MARK_LEN + 1);
	uint8_t hash[32];

	(void)crypto_generichash(hash, sizeof(hash), (const uint8_t *)mark, MARK_LEN,
	    (const uint8_t *)"mark of a browser", strlen("mark of a browser"));
	(void)str_b64url(hash, sizeof(hash), out);
	return out;
}

static void
key_of(const struct web *w, uint8_t key[STAMP_KEY])
{
	static const char use[] = "oauth: forms and cookies";

	(void)crypto_generichash(key, STAMP_KEY, (const uint8_t *)use, sizeof(use),
	    keyring_secret(w->o->tokens->keys), KEYRING_SECRET);
}

/* --- whose is it? --- */

void
browser_find(struct web *w, browser_fn *then, void *ctx)
{
	struct finding *x = finding_new(w, then, ctx);

	if (session_of(w, &x->cookie))
		tokens_look_session(w->o->tokens, w->c, x->cookie.token, on_session, x);
	else if (web_cookie(w, name_of(w, SESSION)) != NULL)
		nobody(x);
	else
		then(w, NULL, ctx);
}

/* False: there is none, or it was not seen for too long. */
static bool
session_of(struct web *w, struct cookie *out)
{
	const char *text = web_cookie(w, name_of(w, SESSION));
	uint8_t key[STAMP_KEY];
	bool ok;

	key_of(w, key);
	ok = text != NULL && cookie_read(key, text, out) &&
	     time_wall_us() - out->seen_us <= w->o->config->browser_idle_us;
	sodium_memzero(key, sizeof(key));
	return ok;
}

static void
on_session(const struct session_facts *m, const struct failure *f, void *ctx)
{
	struct finding *x = ctx;
	struct web *w = x->w;

	if (m == NULL && f->status != ST_UNAUTHENTICATED) {
		web_failed(w, f);
		return;
	}
	if (m == NULL || strcmp(m->kind, SESSION_KIND_BROWSER) != 0) {
		nobody(x);
		return;
	}
	x->who = (struct browser){
		.session_id = m->id,
		.user_id = m->user_id,
		.n_methods = m->n_methods,
		.methods = (const char *const *)m->methods,
		.authenticated_at_us = m->authenticated_at_us,
	};
	x->rpc = rpc_new(w->c, w->o->tokens->database, NULL);
	mf__database__read(&x->rpc->service, op_read(w->a, "user", m->user_id), on_user, x);
}

static void
on_user(const Mf__StoreResult *m, void *ctx)
{
	struct finding *x = ctx;
	struct user_row u;

	if (m == NULL && rpc_failure(x->rpc)->status != ST_NOT_FOUND) {
		web_failed(x->w, rpc_failure(x->rpc));
		return;
	}
	if (m == NULL || !user_row_read(x->w->a, &m->data, &u) || u.disabled) {
		nobody(x);
		return;
	}
	x->who.username = u.username;
	x->who.user_version = u.version;
	if (time_wall_us() - x->cookie.seen_us > SEEN)
		seen(x->w, &x->cookie);
	x->then(x->w, &x->who, x->ctx);
}

static void
nobody(struct finding *x)
{
	set(x->w, SESSION, "");
	x->then(x->w, NULL, x->ctx);
}

static void
seen(struct web *w, const struct cookie *c)
{
	struct cookie now = *c;
	char text[COOKIE_LEN + 1];
	uint8_t key[STAMP_KEY];

	now.seen_us = time_wall_us();
	key_of(w, key);
	cookie_write(key, &now, text);
	sodium_memzero(key, sizeof(key));
	set(w, SESSION, text);
}

static struct finding *
finding_new(struct web *w, browser_fn *then, void *ctx)
{
	struct finding *x = ARENA_NEW(w->a, struct finding);

	x->w = w;
	x->then = then;
	x->ctx = ctx;
	return x;
}

/* --- log-in and log-out --- */

struct browser_proof
browser_proof_of(const Mf__Authenticated *m)
{
	return (struct browser_proof){
		.user_id = m->user_id,
		.username = m->username,
		.user_version = m->user_version,
		.n_methods = m->n_methods,
		.methods = (const char *const *)m->methods,
		.at_us = (int64_t)m->at,
	};
}

void
browser_sign_in(struct web *w, const struct browser_proof *p, browser_fn *then, void *ctx)
{
	struct finding *x = finding_new(w, then, ctx);
	const char *agent = web_header(w, "user-agent");

	x->who = (struct browser){
		.user_id = p->user_id,
		.username = p->username,
		.user_version = p->user_version,
		.n_methods = p->n_methods,
		.methods = p->methods,
		.authenticated_at_us = p->at_us,
	};
	tokens_issue(w->o->tokens, w->c,
	    &(const struct issue){
		.user_id = p->user_id,
		.user_version = p->user_version,
		.kind = SESSION_KIND_BROWSER,
		.client_address = w->q->client_address,
		.user_agent = agent,
		.n_methods = p->n_methods,
		.methods = p->methods,
		.authenticated_at_us = p->at_us,
		.refreshable = true,
		.ttl_us = w->o->config->browser_ttl_us,
		.operation_id = w->operation_id,
	    },
	    on_issued, x);
}

static void
on_issued(const struct issued *m, const struct failure *f, void *ctx)
{
	struct finding *x = ctx;
	struct cookie c;

	if (m == NULL && status_is_fault(f->status)) {
		web_failed(x->w, f);
		return;
	}
	if (m == NULL) {
		page_error(x->w, 403, "You were not signed in",
		    "Your account was changed meanwhile. Begin again.");
		return;
	}
	STEP("oauth.browser.begun");
	must(strlen(m->pair.refresh_token) == SESSION_TOKEN_LEN);
	memcpy(c.token, m->pair.refresh_token, sizeof(c.token));
	end_former(x->w);
	seen(x->w, &c);
	x->who.session_id = m->session_id;
	x->then(x->w, &x->who, x->ctx);
}

/* Nobody waits for it: if it is not ended, it expires. A repeat of the operation has the former cookie
 * too, as its answer was lost. */
static void
end_former(struct web *w)
{
	Mf__RefreshToken q = MF__REFRESH_TOKEN__INIT;
	struct cookie c;
	struct call *root;
	struct rpc *rpc;

	if (!session_of(w, &c))
		return;
	root = call_root(w->o->bus, &(struct call_opts){ .limit_us = LOGOUT_LIMIT,
					.traceparent = call_traceparent(w->c),
					.operation_id = w->operation_id });
	rpc = rpc_new(root, w->o->auth, NULL);
	q.refresh_token = c.token;
	q.client_address = w->q->client_address;
	mf__auth__logout(&rpc->service, &q, on_former_ended, root);
}

static void
on_former_ended(const Mf__Empty *m, void *ctx)
{
	Mf__Empty done = MF__EMPTY__INIT;

	if (m == NULL)
		log_info("former_session_not_ended");
	call_reply(ctx, &done.base);
}

void
browser_sign_out(struct web *w, browser_fn *then, void *ctx)
{
	struct finding *x = finding_new(w, then, ctx);
	Mf__RefreshToken q = MF__REFRESH_TOKEN__INIT;

	if (!session_of(w, &x->cookie)) {
		nobody(x);
		return;
	}
	q.refresh_token = x->cookie.token;
	q.client_address = w->q->client_address;
	x->rpc = rpc_new(w->c, w->o->auth, NULL);
	mf__auth__logout(&x->rpc->service, &q, on_ended, x);
}

/* A session that is none any more is as good as ended. */
static void
on_ended(const Mf__Empty *m, void *ctx)
{
	struct finding *x = ctx;

	if (m == NULL && rpc_failure(x->rpc)->status != ST_UNAUTHENTICATED)
		web_failed(x->w, rpc_failure(x->rpc));
	else
		nobody(x);
}

/* --- forms --- */

static struct csrf
binding(struct web *w, const char *page, const char *about)
{
	struct cookie *c = ARENA_NEW(w->a, struct cookie);

	return (struct csrf){
		.browser = mark_of(w),
		.session = session_of(w, c) ? c->token : "",
		.page = page,
		.about = about,
	};
}

void
browser_form(struct web *w, struct view *v, const char *page, const char *about)
{
	const struct csrf b = binding(w, page, about);
	char text[STAMP_LEN + 1];
	uint8_t key[STAMP_KEY];

	key_of(w, key);
	csrf_write(key, &b, time_wall_us(), text);
	sodium_memzero(key, sizeof(key));
	view_setf(v, "csrf", "%s", text);
}

bool
browser_sent(struct web *w, const char *page, const char *about, const char *again)
{
	const struct csrf b = binding(w, page, about);
	uint8_t key[STAMP_KEY];
	bool ok;

	key_of(w, key);
	ok = csrf_from_here(web_header(w, "sec-fetch-site"), web_header(w, "origin"), w->base) &&
	     csrf_check(key, &b, web_form(w, "csrf"), time_wall_us());
	sodium_memzero(key, sizeof(key));
	if (ok)
		return true;
	log_info("form_refused", L_STR("page", page), L_STR("address", w->q->client_address));
	page_message(w, 403,
	    &(const struct message){
		.title = "This form can't be used any more",
		.text =
		    "It was open for too long, or it does not come from this browser. Cookies of "
		    "this site have to be allowed.",
		.again = again,
		.again_text = "Begin again",
	    });
	return false;
}

/* outside_code: the code of an outside provider becomes an ID token, and the ID token is judged (Core
 * 3.1.3). Each answer has its bound in bytes and time; nothing of an answer is shown or logged but
 * what is wrong with it. */
#include <sodium.h>
#include <string.h>
#include "auth/oauth/outside_int.h"
#include "base/log.h"

#define TOKENS_MAX 65536 /* bytes of a token endpoint's or userinfo's answer */

static void on_known_for_code(
    const struct outside_meta *m, const struct outside_keys *keys, const char *why, void *ctx);
static const char *client_form(struct outside_login *x, const struct outside_meta *m,
    const char *secret, const char **authorization);
static void ask(struct outside_login *x, const char *url, const char *form,
    const char *authorization, http_done_fn *done);
static void on_gone(struct call_dep *d);
static void on_tokens(const struct http_got *m, const char *why, void *ctx);
static bool read_tokens(struct outside_login *x, const struct http_got *m);
static void on_known_for_token(
    const struct outside_meta *m, const struct outside_keys *keys, const char *why, void *ctx);
static void on_known_for_userinfo(
    const struct outside_meta *m, const struct outside_keys *keys, const char *why, void *ctx);
static void on_userinfo(const struct http_got *m, const char *why, void *ctx);

void
outside_exchange(struct outside_login *x)
{
	outside_know(x->w->o->outside, x->w->c, x->p.issuer, on_known_for_code, x);
}

static void
on_known_for_code(
    const struct outside_meta *m, const struct outside_keys *keys, const char *why, void *ctx)
{
	struct outside_login *x = ctx;
	const char *form, *authorization = NULL, *iss = web_query(x->w, "iss");
	char *secret;

	(void)keys;
	if (m == NULL) {
		outside_unavailable(x, why);
		return;
	}
	/* RFC 9207: the answer says whose it is, so a code of one provider goes to no other. */
	if (iss != NULL ? strcmp(iss, x->p.issuer) != 0 : m->says_issuer) {
		outside_refused(x, "its answer came from another provider");
		return;
	}
	secret = provider_secret(x->w->o, &x->p);
	if (secret == NULL && x->p.sealed_secret != NULL) {
		outside_unavailable(x, "its client secret can't be opened; set it anew");
		return;
	}
	form = client_form(x, m, secret, &authorization);
	if (secret != NULL)
		sodium_free(secret);
	ask(x, m->token_endpoint, form, authorization, on_tokens);
}

/* RFC 6749, 2.3.1: name and secret are form-encoded before they are joined. */
static const char *
basic(struct arena *a, const char *id, const char *secret)
{
	const char *joined = arena_printf(a, "%s:%s", web_percent(a, id), web_percent(a, secret));
	size_t n = sodium_base64_ENCODED_LEN(strlen(joined), sodium_base64_VARIANT_ORIGINAL);
	char *text = arena_alloc(a, n);

	(void)sodium_bin2base64(
	    text, n, (const uint8_t *)joined, strlen(joined), sodium_base64_VARIANT_ORIGINAL);
	return arena_printf(a, "Basic %s", text);
}

static const char *
client_form(struct outside_login *x, const struct outside_meta *m, const char *secret,
    const char **authorization)
{
	struct arena *a = x->w->a;
	const char *id = web_percent(a, x->p.client_id);
	const char *form = arena_printf(a,
	    "grant_type=authorization_code&code=%s&redirect_uri=%s&code_verifier=%s",
	    web_percent(a, x->code), web_percent(a, outside_redirect_uri(x)), x->verifier);

	if (secret == NULL)
		return arena_printf(a, "%s&client_id=%s", form, id);
	if (!m->basic && m->post)
		return arena_printf(
		    a, "%s&client_id=%s&client_secret=%s", form, id, web_percent(a, secret));
	*authorization = basic(a, x->p.client_id, secret);
	return form;
}

static void
ask(struct outside_login *x, const char *url, const char *form, const char *authorization,
    http_done_fn *done)
{
	x->dep.cancel = on_gone;
	call_attach(x->w->c, &x->dep);
	x->fetch = http_client_start(outside_http(x->w->o->outside),
	    &(const struct http_get){ .url = url,
		.form = form,
		.authorization = authorization,
		.most = TOKENS_MAX,
		.limit_us = OUTSIDE_FETCH_LIMIT_US },
	    done, x);
}

static void
on_gone(struct call_dep *d)
{
	http_client_cancel(&container_of(d, struct outside_login, dep)->fetch);
}

static void
answered(struct outside_login *x)
{
	x->fetch = NULL;
	call_detach(x->w->c, &x->dep);
}

static void
on_tokens(const struct http_got *m, const char *why, void *ctx)
{
	struct outside_login *x = ctx;

	answered(x);
	if (m == NULL)
		outside_unavailable(x, why);
	else if (m->status >= 400 && m->status < 500 && m->status != 429)
		outside_refused(x, "it did not take the code");
	else if (m->status != 200)
		outside_unavailable(x, "its token endpoint answered with another status than 200");
	else if (!read_tokens(x, m))
		outside_refused(x, "it gave no ID token");
	else
		outside_know(x->w->o->outside, x->w->c, x->p.issuer, on_known_for_token, x);
}

static bool
read_tokens(struct outside_login *x, const struct http_got *m)
{
	struct json_error e;
	json_t *v = json_read(m->body, m->n, &e);
	const char *id = json_string_value(json_object_get(v, "id_token"));
	const char *access = json_string_value(json_object_get(v, "access_token"));

	x->id_token = id == NULL ? NULL : arena_strdup(x->w->a, id);
	x->access_token = access == NULL ? NULL : arena_strdup(x->w->a, access);
	json_decref(v);
	return x->id_token != NULL;
}

static void
on_known_for_token(
    const struct outside_meta *m, const struct outside_keys *keys, const char *why, void *ctx)
{
	struct outside_login *x = ctx;

	if (m == NULL) {
		outside_unavailable(x, why);
		return;
	}
	why = outside_token_read(x->w->a, x->id_token, keys,
	    &(const struct outside_expect){ .issuer = x->p.issuer,
		.client_id = x->p.client_id,
		.nonce = x->nonce,
		.algs = m->algs,
		.access_token = x->access_token,
		.now_us = time_wall_us() },
	    &x->claims);
	if (why == NULL) {
		outside_proved(x);
	} else if (why == outside_unknown_key && !x->fetched_again) {
		x->fetched_again = true; /* the provider may have changed its keys */
		outside_know_again(x->w->o->outside, x->w->c, x->p.issuer, on_known_for_token, x);
	} else {
		outside_refused(x, why);
	}
}

/* --- more of him --- */

void
outside_describe(struct outside_login *x)
{
	outside_know(x->w->o->outside, x->w->c, x->p.issuer, on_known_for_userinfo, x);
}

static void
on_known_for_userinfo(
    const struct outside_meta *m, const struct outside_keys *keys, const char *why, void *ctx)
{
	struct outside_login *x = ctx;

	(void)keys;
	if (m == NULL)
		outside_unavailable(x, why);
	else if (m->userinfo_endpoint == NULL || x->access_token == NULL ||
		 (x->claims.email != NULL && x->claims.username != NULL))
		outside_described(x);
	else
		ask(x, m->userinfo_endpoint, NULL,
		    arena_printf(x->w->a, "Bearer %s", x->access_token), on_userinfo);
}

static void
on_userinfo(const struct http_got *m, const char *why, void *ctx)
{
	struct outside_login *x = ctx;

	answered(x);
	if (m == NULL || m->status != 200) {
		outside_unavailable(
		    x, m == NULL ? why : "its userinfo answered with another status than 200");
		return;
	}
	why = outside_userinfo_read(x->w->a, m->body, m->n, &x->claims);
	if (why == NULL)
		outside_described(x);
	else
		outside_refused(x, why);
}

/* request: see request.h. */
#include "auth/oauth/request.h"
#include <string.h>
#include "auth/permission.h"

#define STATE_MAX 2000
#define NONCE_MAX 500
#define HINT_MAX  320
#define HASH_LEN  43

typedef bool judge_fn(struct web *w, const struct web_params *p, struct flow *f);

static bool find_redirect(const struct web_params *p, const struct client *m, struct flow *f);
static judge_fn no_object, has_type, has_mode, has_challenge, has_nonce, has_prompt, has_max_age,
    has_scopes, has_resource, has_proof_key, has_hints;
static bool is_short(const char *text, size_t most);

/* In this order; the first that says no is the answer. */
static const struct {
	judge_fn *judge;
	const char *error, *description;
} rules[] = {
	{ no_object, "request_not_supported", "request objects are not supported" },
	{ has_type, "unsupported_response_type", "response_type must be code" },
	{ has_mode, "invalid_request", "response_mode must be query" },
	{ has_challenge, "invalid_request",
	    "code_challenge with code_challenge_method=S256 is required" },
	{ has_nonce, "invalid_request", "nonce is too long" },
	{ has_prompt, "invalid_request", "prompt is none that is known, or none with another" },
	{ has_max_age, "invalid_request", "max_age must be a number of seconds" },
	{ has_scopes, "invalid_scope", "scope is malformed, or more than the client may ask for" },
	{ has_resource, "invalid_target", "resource is none that tokens are given for" },
	{ has_proof_key, "invalid_request", "dpop_jkt must be the thumbprint of a key" },
	{ has_hints, "invalid_request", "login_hint, acr_values or ui_locales is too long" },
};

const char *
request_param(const struct web_params *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->all[i].name, name) == 0)
			return p->all[i].value[0] != '\0' ? p->all[i].value : NULL;
	return NULL;
}

bool
request_judge(struct web *w, const struct web_params *p, const struct client *m, struct flow *out,
    struct request_error *e)
{
	*out = (struct flow){
		.client = m, .response_mode = "query", .max_age_s = -1, .created_us = time_wall_us()
	};
	if (!find_redirect(p, m, out)) {
		*e = (struct request_error){ "invalid_request",
			"redirect_uri is not one that the client has registered", true };
		return false;
	}
	out->client_state = request_param(p, "state");
	if (!is_short(out->client_state, STATE_MAX)) {
		out->client_state = NULL;
		*e = (struct request_error){ "invalid_request", "state is too long", false };
		return false;
	}
	if (!client_has_grant(m, "authorization_code")) {
		*e = (struct request_error){ "unauthorized_client",
			"the client may not use authorization codes", false };
		return false;
	}
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!rules[i].judge(w, p, out)) {
			*e = (struct request_error){ rules[i].error, rules[i].description, false };
			return false;
		}
	return true;
}

/* It may be left out where there is only one, and that one is not of many ports. */
static bool
find_redirect(const struct web_params *p, const struct client *m, struct flow *f)
{
	f->redirect_uri = request_param(p, "redirect_uri");
	if (f->redirect_uri == NULL && m->n_redirect_uris == 1)
		f->redirect_uri = m->redirect_uris[0];
	return f->redirect_uri != NULL && client_redirects_to(m, f->redirect_uri);
}

static bool
no_object(struct web *w, const struct web_params *p, struct flow *f)
{
	(void)w, (void)f;
	return request_param(p, "request") == NULL && request_param(p, "request_uri") == NULL;
}

static bool
has_type(struct web *w, const struct web_params *p, struct flow *f)
{
	const char *s = request_param(p, "response_type");

	(void)w, (void)f;
	return s != NULL && strcmp(s, "code") == 0;
}

static bool
has_mode(struct web *w, const struct web_params *p, struct flow *f)
{
	const char *s = request_param(p, "response_mode");

	(void)w, (void)f;
	return s == NULL || strcmp(s, "query") == 0;
}

/* Without a method it would be plain (RFC 7636, 4.3), which is no proof. */
static bool
has_challenge(struct web *w, const struct web_params *p, struct flow *f)
{
	const char *method = request_param(p, "code_challenge_method");

	(void)w;
	f->code_challenge = request_param(p, "code_challenge");
	return f->code_challenge != NULL && method != NULL && strcmp(method, "S256") == 0 &&
	       request_hash_ok(f->code_challenge);
}

static bool
has_nonce(struct web *w, const struct web_params *p, struct flow *f)
{
	(void)w;
	f->nonce = request_param(p, "nonce");
	return is_short(f->nonce, NONCE_MAX);
}

static bool
has_prompt(struct web *w, const struct web_params *p, struct flow *f)
{
	static const struct {
		const char *name;
		enum flow_prompt bit;
	} known[] = {
		{ "none", PROMPT_NONE },
		{ "login", PROMPT_LOGIN },
		{ "consent", PROMPT_CONSENT },
		{ "select_account", PROMPT_SELECT },
	};
	const char *s = request_param(p, "prompt");
	struct str rest = str_of(s != NULL ? s : ""), word;

	(void)w;
	while (rest.n > 0) {
		unsigned bit = 0;

		(void)str_cut(rest, ' ', &word, &rest);
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (str_eq(word, known[i].name))
				bit = known[i].bit;
		if (bit == 0)
			return false;
		f->prompt |= bit;
	}
	return (f->prompt & PROMPT_NONE) == 0 || f->prompt == PROMPT_NONE;
}

static bool
has_max_age(struct web *w, const struct web_params *p, struct flow *f)
{
	const char *s = request_param(p, "max_age");
	uint64_t v;

	(void)w;
	if (s == NULL)
		return true;
	if (!str_u64(str_of(s), INT32_MAX, &v))
		return false;
	f->max_age_s = (int64_t)v;
	return true;
}

static bool
has_scopes(struct web *w, const struct web_params *p, struct flow *f)
{
	return request_scopes(w, f->client, request_param(p, "scope"), &f->n_scopes, &f->scopes);
}

bool
request_scopes(
    struct web *w, const struct client *m, const char *text, size_t *n, const char *const **out)
{
	const char **list = ARENA_ARRAY(w->a, const char *, REQUEST_SCOPES_MOST);
	struct str rest = str_of(text != NULL ? text : ""), word;

	*n = 0;
	*out = list;
	if (text == NULL) {
		*n = m->n_scopes;
		*out = m->scopes;
		return true;
	}
	while (rest.n > 0) {
		char *s;
		bool there = false;

		(void)str_cut(rest, ' ', &word, &rest);
		s = arena_strndup(w->a, word.p, word.n);
		if (*n == REQUEST_SCOPES_MOST || !permission_pattern_ok(s) || !client_may_ask(m, s))
			return false;
		for (size_t i = 0; i < *n; i++)
			there |= strcmp(list[i], s) == 0;
		if (!there)
			list[(*n)++] = s;
	}
	return true;
}

static bool
has_resource(struct web *w, const struct web_params *p, struct flow *f)
{
	const char *s = request_param(p, "resource");

	(void)f;
	return s == NULL || request_resource_ok(w, s);
}

/* What was asked for under our own name is what tokens are for anyway: f->audience stays NULL. */
bool
request_resource_ok(const struct web *w, const char *resource)
{
	size_t n = strlen(w->base);

	return strcmp(resource, w->issuer) == 0 ||
	       strcmp(resource, w->o->tokens->config->audience) == 0 ||
	       (strncmp(resource, w->base, n) == 0 && (resource[n] == '\0' || resource[n] == '/') &&
		   strchr(resource, '#') == NULL);
}

static bool
has_proof_key(struct web *w, const struct web_params *p, struct flow *f)
{
	(void)w;
	f->proof_key = request_param(p, "dpop_jkt");
	return f->proof_key == NULL || request_hash_ok(f->proof_key);
}

static bool
has_hints(struct web *w, const struct web_params *p, struct flow *f)
{
	(void)w;
	f->login_hint = request_param(p, "login_hint");
	f->acr_values = request_param(p, "acr_values");
	f->ui_locales = request_param(p, "ui_locales");
	return is_short(f->login_hint, HINT_MAX) && is_short(f->acr_values, HINT_MAX) &&
	       is_short(f->ui_locales, HINT_MAX);
}

bool
request_hash_ok(const char *text)
{
	uint8_t b[32];
	size_t n;

	return strlen(text) == HASH_LEN && str_unb64url(str_of(text), b, sizeof(b), &n) &&
	       n == sizeof(b);
}

static bool
is_short(const char *text, size_t most)
{
	return text == NULL || strlen(text) <= most;
}

/* codes: see codes.h. */
#include "auth/oauth/codes.h"
#include <string.h>

#define CODE_MAX 200

struct making {
	const char *code;
	code_made_fn *then;
	void *ctx;
};

struct reading {
	code_fn *then;
	void *ctx;
};

static const struct failure none = { .status = ST_NOT_FOUND, .message = "no code", .reason = "" };
static const struct failure broken = {
	.status = ST_DATA_LOSS, .message = "the stored code is none", .reason = ""
};

static void on_created(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static void on_read(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static bool code_of(struct web *w, const struct state *s, struct code *out);
static void write_texts(struct jw *j, const char *key, size_t n, const char *const *all);

void
code_create(struct web *w, const struct flow *f, const struct browser *who, size_t n_scopes,
    const char *const *scopes, int64_t consent_us, code_made_fn *then, void *ctx)
{
	struct making *x = ARENA_NEW(w->a, struct making);
	char id[UUID_LEN];
	struct jw j;

	x->code = web_secret_text(w, CODE_KIND, f->id != NULL ? f->id : "");
	x->then = then;
	x->ctx = ctx;
	jw_start(&j, w->a, 1024);
	jw_object(&j, NULL);
	jw_int(&j, "until", time_wall_us() + w->o->config->code_ttl_us);
	jw_str(&j, "client_id", f->client->id);
	jw_str(&j, "redirect_uri", f->redirect_uri);
	jw_str(&j, "code_challenge", f->code_challenge);
	jw_str(&j, "nonce", f->nonce);
	jw_str(&j, "acr", f->acr_values);
	jw_str(&j, "proof_key", f->proof_key);
	jw_str(&j, "audience", f->audience);
	write_texts(&j, "scopes", n_scopes, scopes);
	jw_str(&j, "user_id", who->user_id);
	jw_int(&j, "user_version", (int64_t)who->user_version);
	write_texts(&j, "methods", who->n_methods, who->methods);
	jw_int(&j, "authenticated_at", who->authenticated_at_us);
	jw_str(&j, "browser", who->session_id);
	jw_int(&j, "consent", consent_us);
	jw_close(&j, '}');
	web_hash_id(CODE_KIND, x->code, id);
	state_create(w, CODE_KIND, id, NULL, &j, CODE_ROW_LIFE, on_created, x);
}

static void
write_texts(struct jw *j, const char *key, size_t n, const char *const *all)
{
	jw_array(j, key);
	for (size_t i = 0; i < n; i++)
		jw_str(j, NULL, all[i]);
	jw_close(j, ']');
}

static void
on_created(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct making *x = ctx;

	if (s == NULL)
		web_failed(w, f);
	else
		x->then(w, x->code, x->ctx);
}

void
code_read(struct web *w, const char *code, code_fn *then, void *ctx)
{
	struct reading *x = ARENA_NEW(w->a, struct reading);
	char id[UUID_LEN];

	x->then = then;
	x->ctx = ctx;
	if (strlen(code) > CODE_MAX) {
		then(w, NULL, &none, ctx);
		return;
	}
	web_hash_id(CODE_KIND, code, id);
	state_read(w, CODE_KIND, id, on_read, x);
}

static void
on_read(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct code *m = ARENA_NEW(w->a, struct code);
	struct reading *x = ctx;

	if (s == NULL)
		x->then(w, NULL, f, x->ctx);
	else if (!code_of(w, s, m))
		x->then(w, NULL, &broken, x->ctx);
	else
		x->then(w, m, NULL, x->ctx);
}

static bool
code_of(struct web *w, const struct state *s, struct code *out)
{
	const json_t *v = s->data;

#define TEXT(name) json_string_value(json_object_get(v, name))
	out->state = arena_dup(w->a, s, sizeof(*s));
	out->used = s->version != 1;
	out->expired = json_integer_value(json_object_get(v, "until")) <= time_wall_us();
	out->client_id = TEXT("client_id");
	out->redirect_uri = TEXT("redirect_uri");
	out->code_challenge = TEXT("code_challenge");
	out->nonce = TEXT("nonce");
	out->acr = TEXT("acr");
	out->proof_key = TEXT("proof_key");
	out->audience = TEXT("audience");
	out->user_id = TEXT("user_id");
	out->browser_session = TEXT("browser");
	out->scopes = web_texts(w, v, "scopes", &out->n_scopes);
	out->methods = web_texts(w, v, "methods", &out->n_methods);
	out->user_version = (uint64_t)json_integer_value(json_object_get(v, "user_version"));
	out->consent_us = json_integer_value(json_object_get(v, "consent"));
	out->authenticated_at_us = json_integer_value(json_object_get(v, "authenticated_at"));
	return out->client_id != NULL && out->redirect_uri != NULL && out->code_challenge != NULL &&
	       out->user_id != NULL;
#undef TEXT
}

const char *
code_operation(struct web *w, const struct code *m)
{
	return arena_printf(w->a, "code:%s", m->state->id);
}

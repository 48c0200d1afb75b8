/* sign: four calls of auth, three with JSON around them. Called by execute. */
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "meta/meta.h"
#include "meta/sign.h"
#include "proto/auth.pb-c.h"

static void write_texts(struct jw *, const char *, size_t, char *const *);
static const char *text(const json_t *, const char *);
static void on_pair(const Mf__TokenPair *, void *);
static void on_logout(const Mf__Empty *, void *);
static void on_web(const Mf__WebAnswer *, void *);
static void refuse(struct sign_ask *, const char *);

void
sign_start(struct meta *m, struct sign_ask *s)
{
	struct json_error e;
	json_t *v;
	bool login = strcmp(s->q->operation, "login") == 0;

	s->rpc = rpc_new(s->c, m->auth,
	    &(const struct rpc_opts){
		.limit_us = s->deadline - loop_now(m->loop), .priority = s->priority });
	if (strcmp(s->q->operation, "web") == 0) {
		if (s->q->web == NULL)
			refuse(s, "auth/web: must be there");
		else
			mf__auth__web(&s->rpc->service, s->q->web, on_web, s);
		return;
	}
	v = json_read(s->q->data.data, s->q->data.len, &e);
	if (v != NULL)
		call_own_json(s->c, v);
	if (login ? text(v, "username")[0] == '\0' || text(v, "password")[0] == '\0'
		  : text(v, "refresh_token")[0] == '\0') {
		refuse(s, login ? "auth/data: must be an object with username and password"
				: "auth/data: must be an object with refresh_token");
		return;
	}
	if (login) {
		Mf__Credentials q = MF__CREDENTIALS__INIT;

		q.username = (char *)text(v, "username");
		q.password = (char *)text(v, "password");
		q.client_address = s->q->client_address;
		q.user_agent = s->q->user_agent;
		q.otp = (char *)text(v, "otp");
		mf__auth__login(&s->rpc->service, &q, on_pair, s);
	} else {
		Mf__RefreshToken q = MF__REFRESH_TOKEN__INIT;

		q.refresh_token = (char *)text(v, "refresh_token");
		q.client_address = s->q->client_address;
		q.user_agent = s->q->user_agent;
		if (strcmp(s->q->operation, "refresh") == 0)
			mf__auth__refresh(&s->rpc->service, &q, on_pair, s);
		else
			mf__auth__logout(&s->rpc->service, &q, on_logout, s);
	}
}

ProtobufCBinaryData
sign_principal(struct arena *a, const Mf__Principal *p)
{
	ProtobufCBinaryData out;
	struct jw w;

	jw_start(&w, a, 512);
	jw_object(&w, NULL);
	jw_str(&w, "id", p->id);
	jw_str(&w, "name", p->name);
	write_texts(&w, "roles", p->n_roles, p->roles);
	write_texts(&w, "permissions", p->n_permissions, p->permissions);
	jw_str(&w, "kind", p->service ? "service" : "person");
	write_texts(&w, "groups", p->n_groups, p->groups);
	jw_bool(&w, "limited", p->limited);
	write_texts(&w, "scopes", p->n_scopes, p->scopes);
	write_texts(&w, "methods", p->n_methods, p->methods);
	if (p->client_id[0] != '\0')
		jw_str(&w, "client_id", p->client_id);
	if (p->session_id[0] != '\0')
		jw_str(&w, "session_id", p->session_id);
	if (p->authenticated_at != 0)
		jw_time(&w, "authenticated_at", (int64_t)p->authenticated_at);
	if (p->expires_at != 0)
		jw_time(&w, "expires_at", (int64_t)p->expires_at);
	jw_close(&w, '}');
	out.data = (uint8_t *)jw_text(&w, &out.len);
	return out;
}

static void
write_texts(struct jw *w, const char *key, size_t n, char *const *texts)
{
	jw_array(w, key);
	for (size_t i = 0; i < n; i++)
		jw_str(w, NULL, texts[i]);
	jw_close(w, ']');
}

static const char *
text(const json_t *v, const char *key)
{
	const json_t *s = json_object_get(v, key);

	return json_is_string(s) ? json_string_value(s) : "";
}

static void
on_pair(const Mf__TokenPair *m, void *ctx)
{
	struct sign_ask *s = ctx;
	struct jw w;

	if (m == NULL) {
		s->failure = rpc_failure(s->rpc);
		s->done(s->ctx);
		return;
	}
	jw_start(&w, call_arena(s->c), 2048);
	jw_object(&w, NULL);
	jw_str(&w, "access_token", m->access_token);
	jw_str(&w, "refresh_token", m->refresh_token);
	jw_int(&w, "expires_in", m->expires_in);
	jw_str(&w, "token_type", m->token_type);
	jw_close(&w, '}');
	s->result.data = (uint8_t *)jw_text(&w, &s->result.len);
	s->who = m->principal;
	s->done(s->ctx);
}

static void
on_logout(const Mf__Empty *m, void *ctx)
{
	struct sign_ask *s = ctx;

	if (m == NULL)
		s->failure = rpc_failure(s->rpc);
	s->done(s->ctx);
}

static void
on_web(const Mf__WebAnswer *m, void *ctx)
{
	struct sign_ask *s = ctx;

	if (m == NULL)
		s->failure = rpc_failure(s->rpc);
	s->web = (Mf__WebAnswer *)(uintptr_t)m;
	s->done(s->ctx);
}

static void
refuse(struct sign_ask *s, const char *message)
{
	struct failure *f = ARENA_NEW(call_arena(s->c), struct failure);

	*f = (struct failure){
		.status = ST_INVALID_ARGUMENT, .message = message, .reason = "VALIDATION"
	};
	s->failure = f;
	s->done(s->ctx);
}

/* device_grant: a device asks whether the user has decided (RFC 8628, 3.4 and 3.5). What he said yes to
 * is given as a code is (token.c): begun under a name that is made of the device code, then taken. */
#include <stdlib.h>
#include <string.h>
#include "auth/oauth/device_int.h"
#include "auth/oauth/token_answer.h"
#include "base/mem.h"

#define DEVICES   1024 /* whose last question is remembered; a power of two */
#define SLOW_DOWN (5 * SEC)

struct device_pace {
	struct asked {
		char id[UUID_LEN];
		int64_t at_us, interval_us;
	} all[DEVICES];
};

static void on_state(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static bool too_soon(struct web *w, const char *id);
static void judge(struct web *w, const struct client_proof *who, const struct state *s);
static void give(struct web *w, const struct client_proof *who, const struct state *s);

struct device_pace *
device_pace_new(void)
{
	return mem_zalloc(sizeof(struct device_pace));
}

void
device_pace_free(struct device_pace **p)
{
	free(*p);
	*p = NULL;
}

void
device_grant(struct web *w, const struct client_proof *who)
{
	const char *code = web_form(w, "device_code");
	char id[UUID_LEN];

	if (code == NULL) {
		web_oauth_error(w, 400, "invalid_request", "device_code is missing");
		return;
	}
	web_hash_id(DEVICE_KIND, code, id);
	if (too_soon(w, id))
		web_oauth_error(w, 400, "slow_down", "the device asks too often");
	else
		state_read(w, DEVICE_KIND, id, on_state, arena_dup(w->a, who, sizeof(*who)));
}

/* A repeat of the bus is no new question. */
static bool
too_soon(struct web *w, const char *id)
{
	struct asked *p;
	int64_t now = loop_now(w->o->tokens->loop);
	uint8_t b[16];
	bool soon;

	uuid_pack(id, b);
	p = &w->o->devices->all[(b[0] << 8 | b[1]) % DEVICES];
	if (strcmp(p->id, id) != 0) {
		memcpy(p->id, id, UUID_LEN);
		p->interval_us = w->o->config->device_interval_us;
		p->at_us = now;
		return false;
	}
	soon = call_attempt(w->c) <= 1 && now - p->at_us < p->interval_us - SEC / 2;
	if (soon)
		p->interval_us += SLOW_DOWN;
	p->at_us = now;
	return soon;
}

static void
on_state(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	const struct client_proof *who = ctx;
	const char *client_id;

	if (s == NULL && f->status != ST_NOT_FOUND) {
		web_failed(w, f);
		return;
	}
	client_id = s == NULL ? NULL : json_string_value(json_object_get(s->data, "client_id"));
	if (client_id == NULL || strcmp(client_id, who->client->id) != 0)
		web_oauth_error(w, 400, "invalid_grant", "the device code is none");
	else
		judge(w, who, s);
}

static void
judge(struct web *w, const struct client_proof *who, const struct state *s)
{
	const char *decision = json_string_value(json_object_get(s->data, "decision"));
	const char *user_id = json_string_value(json_object_get(s->data, "user_id"));

	if (state_is_taken(s) && !state_is_taken_here(w, s))
		token_revoke_given(
		    w, who->client->id, user_id, arena_printf(w->a, "device:%s", s->id));
	else if (!state_is_taken(s) &&
		 json_integer_value(json_object_get(s->data, "until")) <= time_wall_us())
		web_oauth_error(w, 400, "expired_token", "the device code has expired");
	else if (decision == NULL)
		web_oauth_error(w, 400, "authorization_pending", "the user has not decided yet");
	else if (strcmp(decision, "approved") != 0 || user_id == NULL)
		web_oauth_error(w, 400, "access_denied", "the user said no");
	else
		give(w, who, s);
}

static void
give(struct web *w, const struct client_proof *who, const struct state *s)
{
	struct token_grant *g = ARENA_NEW(w->a, struct token_grant);
	const json_t *v = s->data;

	g->who = who;
	g->granted.client_id = who->client->id;
	g->granted.user_id = json_string_value(json_object_get(v, "user_id"));
	g->granted.scopes = web_texts(w, v, "scopes", &g->granted.n_scopes);
	g->granted.methods = web_texts(w, v, "methods", &g->granted.n_methods);
	g->granted.authenticated_at_us = json_integer_value(json_object_get(v, "authenticated_at"));
	g->user_version = (uint64_t)json_integer_value(json_object_get(v, "user_version"));
	g->operation = arena_printf(w->a, "device:%s", s->id);
	g->once = arena_dup(w->a, s, sizeof(*s));
	token_issue(w, g);
}

/* device: see device.h. */
#include "auth/oauth/device.h"
#include <sodium.h>
#include <string.h>
#include "auth/limiter.h"
#include "auth/oauth/device_int.h"
#include "auth/oauth/endpoints.h"
#include "auth/oauth/pages.h"
#include "auth/network.h"
#include "auth/oauth/request.h"
#include "auth/oauth/strangers.h"
#include "base/log.h"

#define LETTERS    "BCDFGHJKLMNPQRSTVWXZ"
#define CODE_LEN   8
#define TRIES_MOST 10
#define TRIES_TIME (900 * SEC)

struct finding {
	struct device m;
	device_fn *then;
	void *ctx;
};

struct deciding {
	device_done_fn *then;
	void *ctx;
};

static void on_asker(struct web *w, const struct client_proof *who, void *ctx);
static void user_code_of(const char *secret, char out[CODE_LEN + 2]);
static void on_stored(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static char *normal(struct arena *a, const char *typed);
static void try_key(const struct web *w, uint8_t key[16]);
static void on_found(struct web *w, const struct state *s, const struct failure *f, void *ctx);
static void on_client(struct web *w, const struct client *m, const struct failure *f, void *ctx);
static void nothing(struct web *w, struct finding *x);
static void on_decided(struct web *w, const struct state *s, const struct failure *f, void *ctx);

static const struct limiter_rule tries = { TRIES_MOST, TRIES_TIME, 1 * SEC };

/* --- what the device begins (RFC 8628, 3.1) --- */

struct beginning {
	const char *device_code;
	char user_code[CODE_LEN + 2];
};

void
device_authorization(struct web *w)
{
	client_prove(w, on_asker, NULL);
}

static void
on_asker(struct web *w, const struct client_proof *who, void *ctx)
{
	struct beginning *x = ARENA_NEW(w->a, struct beginning);
	const char *const *scopes;
	char id[UUID_LEN], subject[UUID_LEN];
	struct jw j;
	size_t n;

	(void)ctx;
	if (!client_has_grant(who->client, DEVICE_GRANT)) {
		web_oauth_error(w, 400, "unauthorized_client", "the client is not for devices");
		return;
	}
	if (!request_scopes(w, who->client, web_form(w, "scope"), &n, &scopes)) {
		web_oauth_error(w, 400, "invalid_scope", "more than the client may ask for");
		return;
	}
	if (!who->confidential && !stranger_begins(w))
		return;
	x->device_code = web_secret_text(w, DEVICE_KIND, who->client->id);
	user_code_of(web_secret_text(w, "user code", who->client->id), x->user_code);
	jw_start(&j, w->a, 400);
	jw_object(&j, NULL);
	jw_str(&j, "client_id", who->client->id);
	jw_int(&j, "until", time_wall_us() + w->o->config->device_ttl_us);
	jw_array(&j, "scopes");
	for (size_t i = 0; i < n; i++)
		jw_str(&j, NULL, scopes[i]);
	jw_close(&j, ']');
	jw_close(&j, '}');
	web_hash_id(DEVICE_KIND, x->device_code, id);
	web_hash_id("user code", x->user_code, subject);
	state_create(w, DEVICE_KIND, id, subject, &j,
	    w->o->config->device_ttl_us + DEVICE_ROW_BEYOND, on_stored, x);
}

/* "BCDF-GHJK": no vowels, so no words. Bytes from 240 on would make some letters likelier. */
static void
user_code_of(const char *secret, char out[CODE_LEN + 2])
{
	uint8_t b[32];
	size_t n, at = 0;

	must(str_unb64url(str_of(secret), b, sizeof(b), &n));
	for (size_t i = 0; at < CODE_LEN + 1; i++) {
		if (i == n) { /* hardly ever */
			(void)crypto_hash_sha256(b, b, n);
			i = 0;
		}
		if (at == CODE_LEN / 2)
			out[at++] = '-';
		if (b[i] < 240)
			out[at++] = LETTERS[b[i] % 20];
	}
	out[at] = '\0';
}

static void
on_stored(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	const struct beginning *x = ctx;
	struct jw j;

	if (s == NULL) {
		web_failed(w, f);
		return;
	}
	jw_start(&j, w->a, 400);
	jw_object(&j, NULL);
	jw_str(&j, "device_code", x->device_code);
	jw_str(&j, "user_code", x->user_code);
	jw_str(&j, "verification_uri", arena_printf(w->a, "%s/oauth/device", w->base));
	jw_str(&j, "verification_uri_complete",
	    arena_printf(w->a, "%s/oauth/device?user_code=%s", w->base, x->user_code));
	jw_int(&j, "expires_in", w->o->config->device_ttl_us / SEC);
	jw_int(&j, "interval", w->o->config->device_interval_us / SEC);
	jw_close(&j, '}');
	web_json(w, 200, &j);
}

/* --- what the user does (of pages) --- */

void
device_find(struct web *w, const char *user_code, device_fn *then, void *ctx)
{
	struct finding *x = ARENA_NEW(w->a, struct finding);
	char subject[UUID_LEN];
	uint8_t key[16];

	x->then = then;
	x->ctx = ctx;
	x->m.user_code = normal(w->a, user_code);
	try_key(w, key);
	if (limiter_wait(w->o->clients, key, &tries, loop_now(w->o->tokens->loop)) > 0) {
		page_error(w, 429, "Too many codes were wrong", "Wait a while, then try again.");
		return;
	}
	if (x->m.user_code == NULL) {
		nothing(w, x);
		return;
	}
	web_hash_id("user code", x->m.user_code, subject);
	state_find(w, DEVICE_KIND, subject, on_found, x);
}

/* NULL: it can't be one. */
static char *
normal(struct arena *a, const char *typed)
{
	char *out = arena_zalloc(a, CODE_LEN + 2);
	size_t n = 0;

	for (; *typed != '\0'; typed++) {
		char c = *typed >= 'a' && *typed <= 'z' ? (char)(*typed - 'a' + 'A') : *typed;

		if (c == '-' || c == ' ')
			continue;
		if (strchr(LETTERS, c) == NULL || n > CODE_LEN)
			return NULL;
		if (n == CODE_LEN / 2)
			out[n++] = '-';
		out[n++] = c;
	}
	return n == CODE_LEN + 1 ? out : NULL;
}

static void
try_key(const struct web *w, uint8_t key[16])
{
	char network[NETWORK_LEN];

	network_of(w->q->client_address, network);
	(void)crypto_generichash(key, 16, (const uint8_t *)network, strlen(network),
	    keyring_secret(w->o->tokens->keys), KEYRING_SECRET);
}

static void
on_found(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct finding *x = ctx;
	const char *by =
	    s == NULL ? NULL : json_string_value(json_object_get(s->data, DEVICE_DECIDED_BY));

	x->m.decided = by != NULL && strcmp(by, w->operation_id) == 0;
	if (s == NULL && f->status != ST_NOT_FOUND) {
		web_failed(w, f);
	} else if (s == NULL || (s->version != 1 && !x->m.decided) ||
		   json_integer_value(json_object_get(s->data, "until")) <= time_wall_us()) {
		nothing(w, x);
	} else {
		x->m.state = arena_dup(w->a, s, sizeof(*s));
		x->m.scopes = web_texts(w, s->data, "scopes", &x->m.n_scopes);
		client_read(
		    w, json_string_value(json_object_get(s->data, "client_id")), on_client, x);
	}
}

static void
nothing(struct web *w, struct finding *x)
{
	uint8_t key[16];

	try_key(w, key);
	limiter_begin(w->o->clients, key);
	limiter_end(w->o->clients, key, &tries, LIMITER_FAILED, loop_now(w->o->tokens->loop));
	x->then(w, NULL, x->ctx);
}

static void
on_client(struct web *w, const struct client *m, const struct failure *f, void *ctx)
{
	struct finding *x = ctx;

	if (m == NULL && f->status != ST_NOT_FOUND) {
		web_failed(w, f);
		return;
	}
	x->m.client = m;
	x->then(w, m == NULL || m->disabled ? NULL : &x->m, x->ctx);
}

void
device_decide(struct web *w, const struct device *m, const struct browser *who,
    device_done_fn *then, void *ctx)
{
	struct deciding *x = ARENA_NEW(w->a, struct deciding);
	struct jw j;

	if (m->decided) {
		then(w, true, ctx);
		return;
	}
	x->then = then;
	x->ctx = ctx;
	jw_start(&j, w->a, 400);
	jw_object(&j, NULL);
	jw_str(&j, "decision", who != NULL ? "approved" : "denied");
	jw_str(&j, DEVICE_DECIDED_BY, w->operation_id);
	if (who != NULL) {
		jw_str(&j, "user_id", who->user_id);
		jw_int(&j, "user_version", (int64_t)who->user_version);
		jw_int(&j, "authenticated_at", who->authenticated_at_us);
		jw_array(&j, "methods");
		for (size_t i = 0; i < who->n_methods; i++)
			jw_str(&j, NULL, who->methods[i]);
		jw_close(&j, ']');
	}
	jw_close(&j, '}');
	state_change(w, m->state, &j, 0, on_decided, x);
}

static void
on_decided(struct web *w, const struct state *s, const struct failure *f, void *ctx)
{
	struct deciding *x = ctx;

	if (s == NULL && f->status != ST_ABORTED && f->status != ST_NOT_FOUND)
		web_failed(w, f);
	else
		x->then(w, s != NULL, x->ctx);
}

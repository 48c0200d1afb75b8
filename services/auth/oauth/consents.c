/* consents: see consents.h. */
#include "auth/oauth/consents.h"
#include <sodium.h>
#include <string.h>
#include "auth/jwt/rows.h"
#include "auth/jwt/session.h"

#define ROUNDS_MOST   3
#define REDIRECTS_LEN 43 /* base64url of 32 bytes */

struct consent {
	struct web *w;
	struct rpc *rpc;
	const char *user_id;
	const struct client *client;
	size_t n_scopes;
	const char *const *scopes;
	char id[UUID_LEN], redirects[REDIRECTS_LEN + 1];
	unsigned round;
	consent_known_fn *known; /* one of these three */
	consent_done_fn *done;
	consent_stands_fn *stands;
	int64_t since_us;
	void *ctx;
};

static struct consent *begin(struct web *w, const char *user_id, const struct client *m,
    size_t n_scopes, const char *const *scopes, void *ctx);
static void redirects_of(const struct client *m, char out[REDIRECTS_LEN + 1]);
static void look(struct consent *x);
static void on_row(const Mf__StoreResult *m, void *ctx);
static const json_t *allowed_by(const json_t *row, const struct consent *x);
static bool covers(const json_t *allowed, const struct consent *x);
static bool has(const json_t *allowed, const char *scope);
static void write_it(struct consent *x, const json_t *row);
static void on_written(const Mf__StoreResult *m, void *ctx);
static int64_t since_of(const json_t *row);
static int64_t since_of_data(const ProtobufCBinaryData *data);
static void on_still(const Mf__StoreResult *m, void *ctx);

void
consent_id(const char *user_id, const char *client_id, char out[UUID_LEN])
{
	char both[UUID_LEN + CLIENT_ID_MAX + 2];

	(void)snprintf(both, sizeof(both), "%s %s", user_id, client_id);
	session_uuid("consent", both, out);
}

void
consent_known(struct web *w, const char *user_id, const struct client *m, size_t n_scopes,
    const char *const *scopes, consent_known_fn *then, void *ctx)
{
	struct consent *x = begin(w, user_id, m, n_scopes, scopes, ctx);

	x->known = then;
	look(x);
}

void
consent_remember(struct web *w, const char *user_id, const struct client *m, size_t n_scopes,
    const char *const *scopes, consent_done_fn *then, void *ctx)
{
	struct consent *x = begin(w, user_id, m, n_scopes, scopes, ctx);

	x->done = then;
	look(x);
}

static struct consent *
begin(struct web *w, const char *user_id, const struct client *m, size_t n_scopes,
    const char *const *scopes, void *ctx)
{
	struct consent *x = ARENA_NEW(w->a, struct consent);

	x->w = w;
	x->user_id = user_id;
	x->client = m;
	x->n_scopes = n_scopes;
	x->scopes = scopes;
	x->ctx = ctx;
	consent_id(user_id, m->id, x->id);
	redirects_of(m, x->redirects);
	return x;
}

/* Each with its NUL, so that no two lists are the same bytes. */
static void
redirects_of(const struct client *m, char out[REDIRECTS_LEN + 1])
{
	crypto_generichash_state h;
	uint8_t hash[32];

	(void)crypto_generichash_init(&h, NULL, 0, sizeof(hash));
	for (size_t i = 0; i < m->n_redirect_uris; i++)
		(void)crypto_generichash_update(
		    &h, (const uint8_t *)m->redirect_uris[i], strlen(m->redirect_uris[i]) + 1);
	(void)crypto_generichash_final(&h, hash, sizeof(hash));
	(void)str_b64url(hash, sizeof(hash), out);
}

static void
look(struct consent *x)
{
	x->rpc = rpc_new(x->w->c, x->w->o->tokens->database, NULL);
	mf__database__read(&x->rpc->service, op_read(x->w->a, "consent", x->id), on_row, x);
}

static void
on_row(const Mf__StoreResult *m, void *ctx)
{
	struct consent *x = ctx;
	struct json_error e;
	json_t *row = NULL;

	if (m == NULL && rpc_failure(x->rpc)->status != ST_NOT_FOUND) {
		web_failed(x->w, rpc_failure(x->rpc));
		return;
	}
	if (m != NULL && (row = json_read(m->data.data, m->data.len, &e)) != NULL)
		call_own_json(x->w->c, row);
	if (x->known != NULL)
		x->known(x->w, covers(allowed_by(row, x), x), x->ctx);
	else if (covers(allowed_by(row, x), x))
		x->done(x->w, since_of(row), x->ctx);
	else
		write_it(x, row);
}

/* NULL: nothing, or what was allowed to an earlier client of that id, or before its codes went elsewhere. */
static const json_t *
allowed_by(const json_t *row, const struct consent *x)
{
	const char *at = json_string_value(json_object_get(row, "updated_at"));
	const char *redirects = json_string_value(json_object_get(row, "redirects"));
	int64_t at_us;

	if (at == NULL || !time_parse_rfc3339(str_of(at), &at_us) ||
	    at_us < x->client->created_us || redirects == NULL ||
	    strcmp(redirects, x->redirects) != 0)
		return NULL;
	return json_object_get(row, "scopes");
}

static bool
covers(const json_t *allowed, const struct consent *x)
{
	if (allowed == NULL)
		return false;
	for (size_t i = 0; i < x->n_scopes; i++)
		if (!has(allowed, x->scopes[i]))
			return false;
	return true;
}

static bool
has(const json_t *allowed, const char *scope)
{
	for (size_t i = 0; i < json_array_size(allowed); i++) {
		const char *s = json_string_value(json_array_get(allowed, i));

		if (s != NULL && strcmp(s, scope) == 0)
			return true;
	}
	return false;
}

/* row NULL: there is none yet; else what it has and what is new. */
static void
write_it(struct consent *x, const json_t *row)
{
	const json_t *allowed = allowed_by(row, x);
	Mf__StoreOp *op = op_read(x->w->a, "consent", x->id);
	struct jw j;

	jw_start(&j, x->w->a, 300);
	jw_object(&j, NULL);
	if (row == NULL) {
		op->kind = MF__STORE_OP__KIND__CREATE;
		jw_str(&j, "id", x->id);
		jw_str(&j, "user_id", x->user_id);
		jw_str(&j, "client_id", x->client->id);
	} else {
		op->kind = MF__STORE_OP__KIND__UPDATE;
		op->if_version = (uint64_t)json_integer_value(json_object_get(row, "version"));
		op->operation_id = arena_printf(x->w->a, "consent:%s:%llu:%s", x->id,
		    (unsigned long long)op->if_version, x->w->operation_id);
	}
	jw_array(&j, "scopes");
	for (size_t i = 0; i < json_array_size(allowed); i++)
		jw_json(&j, NULL, json_array_get(allowed, i));
	for (size_t i = 0; i < x->n_scopes; i++)
		if (!has(allowed, x->scopes[i]))
			jw_str(&j, NULL, x->scopes[i]);
	jw_close(&j, ']');
	jw_str(&j, "redirects", x->redirects);
	jw_close(&j, '}');
	op->data.data = (uint8_t *)jw_text(&j, &op->data.len);
	x->rpc = rpc_new(x->w->c, x->w->o->tokens->database, NULL);
	mf__database__write(&x->rpc->service, op, on_written, x);
}

/* Of a create that found a row, and of two changes at once, the slower one looks again. */
static void
on_written(const Mf__StoreResult *m, void *ctx)
{
	struct consent *x = ctx;
	const struct failure *f = rpc_failure(x->rpc);

	if (m != NULL && !m->repeated)
		x->done(x->w, since_of_data(&m->data), x->ctx);
	else if ((m != NULL || f->status == ST_ABORTED || f->status == ST_NOT_FOUND) &&
		 ++x->round < ROUNDS_MOST)
		look(x);
	else if (m != NULL)
		x->done(x->w, since_of_data(&m->data), x->ctx);
	else
		web_failed(x->w, f);
}

/* --- is it still there? --- */

void
consent_stands(struct web *w, const char *user_id, const char *client_id, int64_t since_us,
    consent_stands_fn *then, void *ctx)
{
	struct consent *x = ARENA_NEW(w->a, struct consent);

	x->w = w;
	x->stands = then;
	x->since_us = since_us;
	x->ctx = ctx;
	consent_id(user_id, client_id, x->id);
	x->rpc = rpc_new(w->c, w->o->tokens->database, NULL);
	mf__database__read(&x->rpc->service, op_read(w->a, "consent", x->id), on_still, x);
}

static void
on_still(const Mf__StoreResult *m, void *ctx)
{
	struct consent *x = ctx;

	if (m == NULL && rpc_failure(x->rpc)->status != ST_NOT_FOUND)
		web_failed(x->w, rpc_failure(x->rpc));
	else
		x->stands(x->w, m != NULL && since_of_data(&m->data) == x->since_us, x->ctx);
}

/* What is allowed beside it changes the row; who takes it back and allows it anew makes another. */
static int64_t
since_of(const json_t *row)
{
	const char *created = json_string_value(json_object_get(row, "created_at"));
	int64_t us;

	return created != NULL && time_parse_rfc3339(str_of(created), &us) ? us : 0;
}

static int64_t
since_of_data(const ProtobufCBinaryData *data)
{
	struct json_error e;
	json_t *row = json_read(data->data, data->len, &e);
	int64_t us = since_of(row);

	json_decref(row);
	return us;
}

/* api_keys: the models my.api_key and api_key.
 *
 *	create	{name, scopes?, expires_at?}; for administrators also user_id, of a service account.
 *		The key is in the answer, this once. Repeated within two minutes, after a lost answer,
 *		it shows the same: the secret is made of the id, of what is random in the row, and of
 *		a secret of the fleet
 *	delete	the row goes, then the revocation is stored and announced: no copy of the row that
 *		somebody still has in memory counts
 *
 * What would outlive a log-in is made with a log-in: no key makes keys, and no client. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/api_key.h"
#include "auth/jwt/deed.h"
#include "auth/permission.h"
#include "base/log.h"
#include "base/step.h"
#include "base/time.h"

#define SHOWN_AGAIN  (120 * SEC)
#define KEY_NAME_MAX 200
#define SCOPES_MAX   100

struct making {
	struct deed *k;
	struct api_key key;
	uint8_t salt[API_KEY_SALT];
	char stored[API_KEY_STORED_LEN];
	struct revocation revocation;
};

static void create(struct deed *k);
static bool check_body(struct deed *k);
static bool check_scopes(struct deed *k);
static void on_owner(struct deed *k);
static void store(struct deed *k);
static void make_secret(struct making *m);
static void on_stored(const Mf__StoreResult *m, void *ctx);
static bool take_stored(struct making *x, const json_t *row);
static bool is_fresh(const json_t *row);
static void on_row(const Mf__StoreResult *m, void *ctx);
static void remove_row(struct deed *k);
static void on_removed(const Mf__StoreResult *m, void *ctx);
static void on_revoked(const Mf__StoreResult *m, void *ctx);
static void write_fields(const json_t *row, struct jw *w);
static bool write_public(const struct deed *k, const json_t *row, struct jw *w);

void
api_keys_read(struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	deed_read(t, c, q, "api_key", write_public);
}

void
api_keys_write(struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	bool own = str_starts(q->model, "my."), make = q->kind == MF__STORE_OP__KIND__CREATE;
	struct deed *k = deed_new(t, c, q, own || make ? DEED_SESSION : DEED_ANY, NULL);

	if (k == NULL)
		return;
	if (make && deed_needs(c, k->who, DEED_UNLIMITED)) {
		create(k);
	} else if (q->kind == MF__STORE_OP__KIND__DELETE) {
		k->rpc = rpc_new(c, t->database, NULL);
		mf__database__read(
		    &k->rpc->service, op_read(call_arena(c), "api_key", q->id), on_row, k);
	} else if (!make) {
		call_fail_because(c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    "operation: an API key is created, read and deleted one at a time");
	}
}

/* --- create --- */

static void
create(struct deed *k)
{
	static const char *const own[] = { "name", "scopes", "expires_at", NULL };
	static const char *const all[] = { "name", "scopes", "expires_at", "user_id", NULL };
	const char *user;

	if (!deed_body(k, k->own ? own : all) || !check_body(k))
		return;
	user = k->own ? k->who->id : deed_text(k, "user_id");
	if (user == NULL || !uuid_ok(user))
		deed_refuse(k->c, "/user_id", "must be a UUID in lower case");
	else
		deed_cover(k, user, on_owner);
}

static bool
check_body(struct deed *k)
{
	const char *name = deed_text(k, "name"), *expires = deed_text(k, "expires_at");
	int64_t at = 0;

	if (name == NULL || name[0] == '\0' || str_characters(str_of(name)) > KEY_NAME_MAX)
		deed_refuse(k->c, "/name", "must have 1 to 200 characters");
	else if (json_object_get(k->body, "expires_at") != NULL &&
		 (expires == NULL || !time_parse_rfc3339(str_of(expires), &at) ||
		     at <= time_wall_us()))
		deed_refuse(k->c, "/expires_at", "must be a time to come, as RFC 3339 writes it");
	else if (!uuid_ok(k->q->id))
		deed_refuse(k->c, "/id", "must be a UUID in lower case");
	else
		return check_scopes(k);
	return false;
}

static bool
check_scopes(struct deed *k)
{
	const json_t *scopes = json_object_get(k->body, "scopes");

	if (scopes == NULL)
		return true;
	if (!json_is_array(scopes) || json_array_size(scopes) > SCOPES_MAX) {
		deed_refuse(k->c, "/scopes", "must be an array of at most 100 permissions");
		return false;
	}
	for (size_t i = 0; i < json_array_size(scopes); i++) {
		const char *s = json_string_value(json_array_get(scopes, i));

		if (s != NULL && permission_pattern_ok(s))
			continue;
		deed_refuse(k->c, arena_printf(call_arena(k->c), "/scopes/%zu", i),
		    "must be a permission (\"task.read\", \"task.*\")");
		return false;
	}
	return true;
}

static void
on_owner(struct deed *k)
{
	if (!k->user.service && strcmp(k->user.id, k->who->id) != 0)
		deed_refuse(k->c, "/user_id", "must be a service account's, or your own");
	else if (k->user.disabled)
		call_fail_because(
		    k->c, ST_FAILED_PRECONDITION, "DISABLED", 0, "the account is disabled");
	else
		store(k);
}

static void
store(struct deed *k)
{
	struct arena *a = call_arena(k->c);
	struct making *x = ARENA_NEW(a, struct making);
	Mf__StoreOp *op = op_read(a, "api_key", k->q->id);
	const json_t *scopes = json_object_get(k->body, "scopes");
	struct jw w;

	x->k = k;
	id_random(x->salt, sizeof(x->salt));
	make_secret(x);
	jw_start(&w, a, 400);
	jw_object(&w, NULL);
	jw_str(&w, "id", k->q->id);
	jw_str(&w, "user_id", k->user.id);
	jw_str(&w, "name", deed_text(k, "name"));
	jw_str(&w, "secret_hash", x->stored);
	jw_bool(&w, "limited", scopes != NULL);
	if (scopes != NULL)
		jw_json(&w, "scopes", scopes);
	if (deed_text(k, "expires_at") != NULL)
		jw_str(&w, "expires_at", deed_text(k, "expires_at"));
	jw_close(&w, '}');
	op->kind = MF__STORE_OP__KIND__CREATE;
	op->data.data = (uint8_t *)jw_text(&w, &op->data.len);
	k->rpc = rpc_new(k->c, k->t->database, NULL);
	mf__database__write(&k->rpc->service, op, on_stored, x);
}

static void
make_secret(struct making *x)
{
	static const char label[] = "api key secret";
	crypto_generichash_state s;

	memcpy(x->key.id, x->k->q->id, UUID_LEN);
	(void)crypto_generichash_init(&s, keyring_secret(x->k->t->keys), 32, API_KEY_SECRET);
	(void)crypto_generichash_update(&s, (const uint8_t *)label, sizeof(label));
	(void)crypto_generichash_update(&s, (const uint8_t *)x->key.id, UUID_LEN);
	(void)crypto_generichash_update(&s, (const uint8_t *)x->k->user.id, UUID_LEN);
	(void)crypto_generichash_update(&s, x->salt, sizeof(x->salt));
	(void)crypto_generichash_final(&s, x->key.secret, API_KEY_SECRET);
	sodium_memzero(&s, sizeof(s));
	api_key_hash(&x->key, x->stored);
	(void)str_b64url(x->salt, sizeof(x->salt), x->stored + API_KEY_HASH_LEN - 1);
}

static void
on_stored(const Mf__StoreResult *m, void *ctx)
{
	struct making *x = ctx;
	struct deed *k = x->k;
	char text[API_KEY_LEN];
	struct json_error e;
	json_t *v;
	struct jw w;

	if (m == NULL) {
		sodium_memzero(&x->key, sizeof(x->key));
		store_failed(k->c, rpc_failure(k->rpc));
		return;
	}
	v = json_read(m->data.data, m->data.len, &e);
	if (v != NULL)
		call_own_json(k->c, v);
	if (m->repeated && !(is_fresh(v) && take_stored(x, v))) {
		sodium_memzero(&x->key, sizeof(x->key));
		call_fail_because(k->c, ST_ALREADY_EXISTS, "SHOWN_BEFORE", 0,
		    "there is a key of this id, and it is shown once");
		return;
	}
	STEP("jwt.account.key_stored");
	api_key_write(&x->key, text);
	jw_start(&w, call_arena(k->c), m->data.len + 200);
	jw_object(&w, NULL);
	write_fields(v, &w);
	jw_str(&w, "key", text);
	jw_close(&w, '}');
	if (!m->repeated)
		log_info("api_key_made", L_STR("key", x->key.id), L_STR("user_id", k->user.id),
		    L_STR("by", k->who->id));
	deed_reply(k, &w);
	sodium_memzero(w.p, w.n);
	sodium_memzero(text, sizeof(text));
	sodium_memzero(&x->key, sizeof(x->key));
}

/* The row's own key: of two calls with one id, both show the one that was stored. False: it is another
 * owner's, or of another fleet. */
static bool
take_stored(struct making *x, const json_t *row)
{
	const char *stored = json_string_value(json_object_get(row, "secret_hash"));
	size_t n;

	if (stored == NULL || strlen(stored) != API_KEY_STORED_LEN - 1 ||
	    !str_unb64url(str_of(stored + API_KEY_HASH_LEN - 1), x->salt, sizeof(x->salt), &n) ||
	    n != sizeof(x->salt))
		return false;
	make_secret(x);
	return strcmp(stored, x->stored) == 0;
}

static bool
is_fresh(const json_t *row)
{
	const char *created = json_string_value(json_object_get(row, "created_at"));
	int64_t at;

	return created != NULL && time_parse_rfc3339(str_of(created), &at) &&
	       time_wall_us() - at < SHOWN_AGAIN &&
	       !json_is_string(json_object_get(row, "used_at"));
}

/* --- delete --- */

static void
on_row(const Mf__StoreResult *m, void *ctx)
{
	struct deed *k = ctx;
	struct json_error e;
	const char *user;
	json_t *v;

	if (m == NULL && rpc_failure(k->rpc)->status == ST_NOT_FOUND) {
		remove_row(k); /* by this very operation? the store knows */
		return;
	}
	if (m == NULL) {
		store_failed(k->c, rpc_failure(k->rpc));
		return;
	}
	v = json_read(m->data.data, m->data.len, &e);
	if (v != NULL)
		call_own_json(k->c, v);
	user = json_string_value(json_object_get(v, "user_id"));
	if (user == NULL)
		call_fail(k->c, ST_DATA_LOSS, "the stored key is none");
	else if (k->own && strcmp(user, k->who->id) != 0)
		deed_nowhere(k);
	else if (k->own)
		remove_row(k);
	else
		deed_cover(k, user, remove_row);
}

static void
remove_row(struct deed *k)
{
	Mf__StoreOp *op = op_read(call_arena(k->c), "api_key", k->q->id);

	op->kind = MF__STORE_OP__KIND__DELETE;
	op->operation_id = (char *)(uintptr_t)k->operation_id;
	k->rpc = rpc_new(k->c, k->t->database, NULL);
	mf__database__write(&k->rpc->service, op, on_removed, k);
}

static void
on_removed(const Mf__StoreResult *m, void *ctx)
{
	struct deed *k = ctx;
	struct making *x = ARENA_NEW(call_arena(k->c), struct making);
	char row[UUID_LEN];

	if (m == NULL && rpc_failure(k->rpc)->status == ST_NOT_FOUND) {
		deed_nowhere(k);
		return;
	}
	if (m == NULL) {
		store_failed(k->c, rpc_failure(k->rpc));
		return;
	}
	STEP("jwt.account.key_removed");
	x->k = k;
	x->revocation =
	    (struct revocation){ .below = REVOKED_ALL, .expires_us = revoke_expiry(k->t) };
	(void)snprintf(x->revocation.id, sizeof(x->revocation.id), "%s", k->q->id);
	session_uuid("revoked api key", k->q->id, row);
	k->rpc = rpc_new(k->c, k->t->database, NULL);
	mf__database__write(
	    &k->rpc->service, op_revoke(call_arena(k->c), row, &x->revocation), on_revoked, x);
}

static void
on_revoked(const Mf__StoreResult *m, void *ctx)
{
	struct making *x = ctx;
	struct deed *k = x->k;

	if (m == NULL) {
		store_failed(k->c, rpc_failure(k->rpc));
		return;
	}
	revoke_announce(k->t, &x->revocation);
	log_info("api_key_removed", L_STR("key", k->q->id), L_STR("by", k->who->id));
	deed_reply_done(k, m->repeated);
}

/* --- what may be read of it --- */

static void
write_fields(const json_t *row, struct jw *w)
{
	static const char *const shown[] = { "id", "user_id", "name", "scopes", "limited",
		"expires_at", "used_at", "created_at", "updated_at", "version" };

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (json_object_get(row, shown[i]) != NULL)
			jw_json(w, shown[i], json_object_get(row, shown[i]));
}

static bool
write_public(const struct deed *k, const json_t *row, struct jw *w)
{
	(void)k;
	jw_object(w, NULL);
	write_fields(row, w);
	jw_close(w, '}');
	return true;
}

/* signing_keys: the model signing_key for administrators: the public side of each key and where it
 * stands; to create one is to rotate now. */
#include <string.h>
#include "auth/jwt/jwt.h"
#include "base/json.h"

static void write_fact(struct jw *w, const char *key, const struct keyring_fact *f);
static void write_time(struct jw *w, const char *name, int64_t us);
static void read_all(struct tokens *t, struct call *c);
static bool check_alg(struct tokens *t, struct call *c, const Mf__StoreOp *q);
static void on_rotated(struct call *c, bool ok, void *ctx);

void
signing_keys_read(struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;
	struct keyring_fact f;
	struct jw w;

	(void)tokens_keys_read(t);
	if (q->kind == MF__STORE_OP__KIND__QUERY_MANY) {
		read_all(t, c);
		return;
	}
	for (size_t i = 0; keyring_fact(t->keys, i, &f); i++) {
		if (strcmp(jws_key_id(f.key), q->id) != 0)
			continue;
		jw_start(&w, call_arena(c), 300);
		write_fact(&w, NULL, &f);
		m.data.data = (uint8_t *)jw_text(&w, &m.data.len);
		m.version = 1;
		m.rows_affected = 1;
		call_reply(c, &m.base);
		return;
	}
	call_fail(c, ST_NOT_FOUND, "there is no such signing key");
}

/* There are so few that they are one page. */
static void
read_all(struct tokens *t, struct call *c)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;
	struct keyring_fact f;
	struct jw w;

	jw_start(&w, call_arena(c), 1000);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (size_t i = 0; keyring_fact(t->keys, i, &f); i++)
		write_fact(&w, NULL, &f);
	jw_close(&w, ']');
	jw_null(&w, "next_cursor");
	jw_close(&w, '}');
	m.data.data = (uint8_t *)jw_text(&w, &m.data.len);
	call_reply(c, &m.base);
}

static void
write_fact(struct jw *w, const char *key, const struct keyring_fact *f)
{
	jw_object(w, key);
	jw_str(w, "id", jws_key_id(f->key));
	jw_str(w, "alg", jws_alg_name(jws_key_alg(f->key)));
	jw_str(w, "state", rotation_state_name(f->at.state));
	write_time(w, "created_at", f->at.made_us);
	write_time(w, "signs_at", f->at.can_sign ? f->at.signs_us : ROTATION_NEVER);
	write_time(w, "retires_at", f->at.retires_us);
	jw_int(w, "version", 1);
	jw_close(w, '}');
}

static void
write_time(struct jw *w, const char *name, int64_t us)
{
	if (us == ROTATION_NEVER)
		jw_null(w, name);
	else
		jw_time(w, name, us);
}

/* The same again, while the new key does not sign yet, makes no other one. */
void
signing_keys_write(struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	if (q->kind != MF__STORE_OP__KIND__CREATE)
		call_fail_because(c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    "operation: signing keys are made, and retire by themselves");
	else if (check_alg(t, c, q) && !rotate_now(t, c, on_rotated, t))
		call_fail_because(
		    c, ST_UNAVAILABLE, "ROTATION_BUSY", 1000, "a signing key can't be made now");
}

/* Every new key is of the algorithm that is configured: who asks for another is told so, not shown a
 * key that he did not ask for. */
static bool
check_alg(struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	enum jws_alg configured = jws_alg_from_name(str_of(t->config->signing_alg));
	struct json_error e;
	const json_t *alg;
	json_t *v;

	if (q->data.len == 0)
		return true;
	if ((v = json_read(q->data.data, q->data.len, &e)) != NULL)
		call_own_json(c, v);
	alg = json_object_get(v, "alg");
	if (!json_is_object(v)) {
		call_fail_because(
		    c, ST_INVALID_ARGUMENT, "VALIDATION", 0, "data: must be an object");
	} else if (alg != NULL &&
		   (!json_is_string(alg) ||
		       jws_alg_from_name(str_of(json_string_value(alg))) != configured)) {
		call_fail_because(c, ST_FAILED_PRECONDITION, "SIGNING_ALG", 0,
		    "new keys are %s, as signing_alg is configured", jws_alg_name(configured));
	} else {
		return true;
	}
	return false;
}

static void
on_rotated(struct call *c, bool ok, void *ctx)
{
	struct tokens *t = ctx;
	Mf__StoreResult m = MF__STORE_RESULT__INIT;
	struct keyring_fact f;
	struct jw w;

	if (!ok || !keyring_newest(t->keys, &f)) {
		call_fail_because(
		    c, ST_UNAVAILABLE, "ROTATION_BUSY", 1000, "a signing key can't be made now");
		return;
	}
	jw_start(&w, call_arena(c), 300);
	write_fact(&w, NULL, &f);
	m.data.data = (uint8_t *)jw_text(&w, &m.data.len);
	m.version = 1;
	m.rows_affected = 1;
	call_reply(c, &m.base);
}

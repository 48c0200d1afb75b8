/* factors: the models my.factor (one's own second factor, begun, confirmed, removed) and factor (for
 * administrators: seen and reset, never read).
 *
 *	create	   the password, when the log-in is older than five minutes -> a secret and recovery
 *		   codes, shown this once; it counts for nothing until it is
 *	update	   confirmed by a code: from then on every log-in needs one
 *	delete	   by the password or a code; by an administrator who may do what the account may
 *
 * A create that is repeated within two minutes, after a lost answer, shows the same again: the secret is
 * in the row, and recovery codes are made of it and a secret of the fleet. */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/factor.h"
#include "auth/jwt/proof.h"
#include "auth/jwt/seal.h"
#include "auth/judged.h"
#include "base/log.h"
#include "base/step.h"
#include "base/time.h"

#define SHOWN_AGAIN (120 * SEC)

struct enrol {
	struct deed *k;
	struct factor_row row; /* the one that there is */
};

static void create(struct deed *k);
static void on_person(struct deed *k);
static void look_for_other(struct deed *k);
static void on_other(const Mf__StoreResult *m, void *ctx);
static bool take_row(void *ctx, const json_t *item);
static void on_made_way(const Mf__StoreResult *m, void *ctx);
static void store(struct enrol *x);
static void on_stored(const Mf__StoreResult *m, void *ctx);
static void show(struct enrol *x);
static void recovery_code(const struct tokens *t, const char *id, const uint8_t secret[TOTP_SECRET],
    unsigned i, uint8_t out[RECOVERY_BYTES]);
static char *uri_of(struct deed *k, const char *secret);
static void read_own(struct deed *k, void (*then)(struct enrol *x));
static void confirm(struct enrol *x);
static void on_confirmed(const Mf__StoreResult *m, void *ctx);
static void remove_own(struct enrol *x);
static void prove_password(struct deed *k);
static void remove_row(struct deed *k);
static void remove_version(struct deed *k, uint64_t version);
static void on_removed(const Mf__StoreResult *m, void *ctx);
static void on_admin_row(const Mf__StoreResult *m, void *ctx);
static bool write_public(const struct deed *k, const json_t *row, struct jw *w);

void
factors_read(struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	deed_read(t, c, q, "factor", write_public);
}

void
factors_write(struct tokens *t, struct call *c, const Mf__StoreOp *q)
{
	static const char *const create_fields[] = { "kind", "password", NULL };
	static const char *const confirm_fields[] = { "code", NULL };
	static const char *const delete_fields[] = { "password", "code", NULL };
	bool own = str_starts(q->model, "my.");
	struct deed *k = deed_new(t, c, q, own ? DEED_SESSION : DEED_ANY, NULL);

	if (k == NULL)
		return;
	if (own && q->kind == MF__STORE_OP__KIND__CREATE) {
		if (deed_body(k, create_fields))
			create(k);
	} else if (own && q->kind == MF__STORE_OP__KIND__UPDATE) {
		if (deed_body(k, confirm_fields))
			read_own(k, confirm);
	} else if (own && q->kind == MF__STORE_OP__KIND__DELETE) {
		if (deed_body(k, delete_fields))
			read_own(k, remove_own);
	} else if (q->kind == MF__STORE_OP__KIND__DELETE) {
		k->rpc = rpc_new(c, t->database, NULL);
		mf__database__read(
		    &k->rpc->service, op_read(call_arena(c), "factor", q->id), on_admin_row, k);
	} else {
		call_fail_because(c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    own ? "operation: a factor is created, updated and deleted one at a time"
			: "operation: an administrator can only read and delete factors");
	}
}

/* --- create --- */

static void
create(struct deed *k)
{
	const char *kind = deed_text(k, "kind");

	if (kind == NULL || strcmp(kind, FACTOR_TOTP) != 0)
		deed_refuse(k->c, "/kind", "must be totp");
	else if (!uuid_ok(k->q->id))
		deed_refuse(k->c, "/id", "must be a UUID in lower case");
	else
		deed_user(k, k->who->id, on_person);
}

static void
on_person(struct deed *k)
{
	if (k->user.service)
		call_fail_because(k->c, ST_FAILED_PRECONDITION, "SERVICE_ACCOUNT", 0,
		    "a service account has no second factor");
	else if (proof_is_recent(k))
		look_for_other(k);
	else
		proof_password(k, "/password", look_for_other, NULL);
}

static void
look_for_other(struct deed *k)
{
	struct enrol *x = ARENA_NEW(call_arena(k->c), struct enrol);
	Mf__StoreOp *op = op_query(call_arena(k->c), "factor", "user_id", k->who->id);

	x->k = k;
	op_filter(call_arena(k->c), op, "kind", FACTOR_TOTP);
	k->rpc = rpc_new(k->c, k->t->database, NULL);
	mf__database__read(&k->rpc->service, op, on_other, x);
}

static void
on_other(const Mf__StoreResult *m, void *ctx)
{
	struct enrol *x = ctx;
	struct deed *k = x->k;
	const char *next;
	Mf__StoreOp *op;

	if (!store_page(k->c, k->rpc, m, "factor", take_row, x, &next))
		return;
	if (x->row.id == NULL || strcmp(x->row.id, k->q->id) == 0) {
		store(x);
	} else if (x->row.confirmed) {
		call_fail_because(k->c, ST_ALREADY_EXISTS, "FACTOR_EXISTS", 0,
		    "there is a second factor: it has to be deleted first");
	} else {
		op = op_read(call_arena(k->c), "factor", x->row.id);
		op->kind = MF__STORE_OP__KIND__DELETE;
		op->if_version = x->row.version;
		op->operation_id =
		    arena_printf(call_arena(k->c), "%s/%s", k->operation_id, x->row.id);
		k->rpc = rpc_new(k->c, k->t->database, NULL);
		mf__database__write(&k->rpc->service, op, on_made_way, x);
	}
}

static bool
take_row(void *ctx, const json_t *item)
{
	struct enrol *x = ctx;

	return factor_row_of(call_arena(x->k->c), item, &x->row);
}

static void
on_made_way(const Mf__StoreResult *m, void *ctx)
{
	struct enrol *x = ctx;
	struct deed *k = x->k;
	const struct failure *f = rpc_failure(k->rpc);

	if (m != NULL || f->status == ST_NOT_FOUND)
		store(x);
	else if (f->status == ST_ABORTED)
		call_fail_because(k->c, ST_ABORTED, "FACTOR_EXISTS", 0,
		    "the other factor was confirmed meanwhile");
	else
		store_failed(k->c, f);
}

static void
store(struct enrol *x)
{
	struct deed *k = x->k;
	struct arena *a = call_arena(k->c);
	Mf__StoreOp *op = op_read(a, "factor", k->q->id);
	uint8_t secret[TOTP_SECRET], code[RECOVERY_BYTES];
	char hash[RECOVERY_HASH_LEN];
	struct jw w;

	id_random(secret, sizeof(secret));
	jw_start(&w, a, 1000);
	jw_object(&w, NULL);
	jw_str(&w, "id", k->q->id);
	jw_str(&w, "user_id", k->who->id);
	jw_str(&w, "kind", FACTOR_TOTP);
	jw_str(
	    &w, "secret", seal_text(a, k->t->seal, FACTOR_SEAL, k->q->id, secret, sizeof(secret)));
	jw_array(&w, "recovery");
	for (unsigned i = 0; i < RECOVERY_CODES; i++) {
		recovery_code(k->t, k->q->id, secret, i, code);
		totp_recovery_hash(k->q->id, code, hash);
		jw_str(&w, NULL, hash);
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(code, sizeof(code));
	op->kind = MF__STORE_OP__KIND__CREATE;
	op->data.data = (uint8_t *)jw_text(&w, &op->data.len);
	k->rpc = rpc_new(k->c, k->t->database, NULL);
	mf__database__write(&k->rpc->service, op, on_stored, x);
}

static void
on_stored(const Mf__StoreResult *m, void *ctx)
{
	struct enrol *x = ctx;
	struct deed *k = x->k;
	struct factor_row *f = &x->row;

	if (m == NULL && rpc_failure(k->rpc)->status == ST_ALREADY_EXISTS) {
		call_fail_because(k->c, ST_ALREADY_EXISTS, "FACTOR_EXISTS", 0,
		    "another second factor was begun meanwhile");
	} else if (m == NULL) {
		store_failed(k->c, rpc_failure(k->rpc));
	} else if (!factor_row_read(call_arena(k->c), &m->data, f)) {
		call_fail(k->c, ST_DATA_LOSS, "the stored factor is none");
	} else if (m->repeated && (strcmp(f->user_id, k->who->id) != 0 || f->confirmed ||
				      time_wall_us() - f->created_us > SHOWN_AGAIN)) {
		call_fail_because(k->c, ST_ALREADY_EXISTS, "SHOWN_BEFORE", 0,
		    "this factor was shown before, and is shown once");
	} else {
		STEP("jwt.account.factor_stored");
		show(x);
	}
}

/* The row's own secret: of two calls with one id, both show the one that was stored. */
static void
show(struct enrol *x)
{
	struct deed *k = x->k;
	uint8_t secret[TOTP_SECRET], code[RECOVERY_BYTES];
	char base32[TOTP_TEXT_LEN], text[RECOVERY_LEN];
	struct jw w;

	if (!factor_secret(k->t, &x->row, secret)) {
		call_fail_because(k->c, ST_UNAVAILABLE, "FACTOR_UNREADABLE", STORE_RETRY_MS,
		    "the second factor can't be read");
		return;
	}
	totp_base32(secret, sizeof(secret), base32);
	jw_start(&w, call_arena(k->c), 1000);
	jw_object(&w, NULL);
	jw_str(&w, "id", x->row.id);
	jw_str(&w, "kind", FACTOR_TOTP);
	jw_bool(&w, "confirmed", false);
	jw_str(&w, "secret", base32);
	jw_str(&w, "uri", uri_of(k, base32));
	jw_array(&w, "recovery_codes");
	for (unsigned i = 0; i < RECOVERY_CODES; i++) {
		recovery_code(k->t, x->row.id, secret, i, code);
		totp_recovery_text(code, text);
		jw_str(&w, NULL, text);
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	log_info("factor_begun", L_STR("user_id", k->who->id), L_STR("factor", x->row.id));
	deed_reply(k, &w);
	sodium_memzero(w.p, w.n);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(base32, sizeof(base32));
	sodium_memzero(code, sizeof(code));
	sodium_memzero(text, sizeof(text));
}

static void
recovery_code(const struct tokens *t, const char *id, const uint8_t secret[TOTP_SECRET], unsigned i,
    uint8_t out[RECOVERY_BYTES])
{
	static const char label[] = "recovery codes";
	crypto_generichash_state s;
	uint8_t h[32], number = (uint8_t)i;

	(void)crypto_generichash_init(&s, keyring_secret(t->keys), 32, sizeof(h));
	(void)crypto_generichash_update(&s, (const uint8_t *)label, sizeof(label));
	(void)crypto_generichash_update(&s, (const uint8_t *)id, UUID_LEN);
	(void)crypto_generichash_update(&s, secret, TOTP_SECRET);
	(void)crypto_generichash_update(&s, &number, 1);
	(void)crypto_generichash_final(&s, h, sizeof(h));
	memcpy(out, h, RECOVERY_BYTES);
	sodium_memzero(h, sizeof(h));
	sodium_memzero(&s, sizeof(s));
}

static const char *
percent(struct arena *a, const char *s)
{
	char *out = arena_alloc(a, 3 * strlen(s) + 1), *p = out;

	for (; *s != '\0'; s++)
		if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		    (*s >= '0' && *s <= '9') || strchr("-._~", *s) != NULL) {
			*p++ = *s;
		} else {
			*p++ = '%';
			*p++ = "0123456789ABCDEF"[(uint8_t)*s >> 4];
			*p++ = "0123456789ABCDEF"[(uint8_t)*s & 15];
		}
	*p = '\0';
	return out;
}

/* What authenticator programs read from a picture. They know no more than these defaults. */
static char *
uri_of(struct deed *k, const char *secret)
{
	struct arena *a = call_arena(k->c);
	const char *issuer = percent(a, k->t->config->issuer);

	return arena_printf(a,
	    "otpauth://totp/%s:%s?secret=%s&issuer=%s&algorithm=SHA1&digits=6&period=30", issuer,
	    percent(a, k->user.username), secret, issuer);
}

/* --- update, delete --- */

struct reading {
	struct enrol x; /* first */
	void (*then)(struct enrol *x);
};

static void
on_own_row(const Mf__StoreResult *m, void *ctx)
{
	struct reading *r = ctx;
	struct deed *k = r->x.k;

	if (m == NULL && rpc_failure(k->rpc)->status == ST_NOT_FOUND) {
		if (k->q->kind == MF__STORE_OP__KIND__DELETE)
			remove_row(k); /* by this very operation? the store knows */
		else
			deed_nowhere(k);
	} else if (m == NULL) {
		store_failed(k->c, rpc_failure(k->rpc));
	} else if (!factor_row_read(call_arena(k->c), &m->data, &r->x.row)) {
		call_fail(k->c, ST_DATA_LOSS, "the stored factor is none");
	} else if (strcmp(r->x.row.user_id, k->who->id) != 0) {
		deed_nowhere(k);
	} else {
		r->then(&r->x);
	}
}

static void
read_own(struct deed *k, void (*then)(struct enrol *x))
{
	struct reading *r = ARENA_NEW(call_arena(k->c), struct reading);

	r->x.k = k;
	r->then = then;
	k->rpc = rpc_new(k->c, k->t->database, NULL);
	mf__database__read(
	    &k->rpc->service, op_read(call_arena(k->c), "factor", k->q->id), on_own_row, r);
}

/* The code's step counts as used. Of a factor that is confirmed the store is asked whether it was by
 * this very operation. */
static void
confirm(struct enrol *x)
{
	struct deed *k = x->k;
	struct arena *a = call_arena(k->c);
	const char *code = deed_text(k, "code");
	Mf__StoreOp *op = op_read(a, "factor", x->row.id);
	uint8_t secret[TOTP_SECRET];
	struct totp_typed typed;
	int64_t step = 0;
	struct jw w;

	if (!proof_may_try(k))
		return;
	if (!factor_secret(k->t, &x->row, secret)) {
		call_fail_because(k->c, ST_UNAVAILABLE, "FACTOR_UNREADABLE", STORE_RETRY_MS,
		    "the second factor can't be read");
		return;
	}
	totp_type(code == NULL ? "" : code, &typed);
	if (typed.kind == TOTP_CODE)
		step = totp_step(secret, typed.code, time_wall_us());
	sodium_memzero(secret, sizeof(secret));
	if (step == 0 && !x->row.confirmed) {
		proof_failed(k, "/code", "is not what the program shows now");
		return;
	}
	jw_start(&w, a, 80);
	jw_object(&w, NULL);
	jw_bool(&w, "confirmed", true);
	jw_int(&w, "last_step", step);
	jw_close(&w, '}');
	op->kind = MF__STORE_OP__KIND__UPDATE;
	op->data.data = (uint8_t *)jw_text(&w, &op->data.len);
	op->if_version = x->row.confirmed ? NO_VERSION : x->row.version;
	op->operation_id = arena_printf(a, "confirm:%s", k->operation_id);
	k->rpc = rpc_new(k->c, k->t->database, NULL);
	mf__database__write(&k->rpc->service, op, on_confirmed, x);
}

static void
on_confirmed(const Mf__StoreResult *m, void *ctx)
{
	struct enrol *x = ctx;
	struct deed *k = x->k;
	struct json_error e;
	struct jw w;
	json_t *row;

	if (m == NULL && rpc_failure(k->rpc)->status == ST_ABORTED) {
		call_fail_because(k->c, ST_FAILED_PRECONDITION, "FACTOR_CONFIRMED", 0,
		    "the factor was confirmed before");
		return;
	}
	if (m == NULL) {
		store_failed(k->c, rpc_failure(k->rpc));
		return;
	}
	log_info("factor_confirmed", L_STR("user_id", k->who->id), L_STR("factor", x->row.id));
	row = json_read(m->data.data, m->data.len, &e);
	if (row != NULL)
		call_own_json(k->c, row);
	jw_start(&w, call_arena(k->c), 400);
	(void)write_public(k, row, &w);
	deed_reply(k, &w);
}

/* One that was never confirmed protects nothing; one that is being confirmed meanwhile stays. */
static void
remove_own(struct enrol *x)
{
	struct deed *k = x->k;

	if (!x->row.confirmed)
		remove_version(k, x->row.version);
	else if (deed_text(k, "code") != NULL)
		proof_code(k, "/code", remove_row);
	else if (deed_text(k, "password") != NULL)
		deed_user(k, k->who->id, prove_password);
	else
		deed_refuse(k->c, "/password", "or /code is needed: your password, or a code");
}

static void
prove_password(struct deed *k)
{
	proof_password(k, "/password", remove_row, NULL);
}

static void
remove_row(struct deed *k)
{
	remove_version(k, 0);
}

/* version 0: whichever it is. */
static void
remove_version(struct deed *k, uint64_t version)
{
	Mf__StoreOp *op = op_read(call_arena(k->c), "factor", k->q->id);

	op->kind = MF__STORE_OP__KIND__DELETE;
	op->if_version = version;
	op->operation_id = (char *)(uintptr_t)k->operation_id;
	k->rpc = rpc_new(k->c, k->t->database, NULL);
	mf__database__write(&k->rpc->service, op, on_removed, k);
}

static void
on_removed(const Mf__StoreResult *m, void *ctx)
{
	struct deed *k = ctx;

	if (m == NULL && rpc_failure(k->rpc)->status == ST_NOT_FOUND) {
		deed_nowhere(k);
		return;
	}
	if (m == NULL) {
		store_failed(k->c, rpc_failure(k->rpc));
		return;
	}
	log_info("factor_removed", L_STR("factor", k->q->id), L_STR("by", k->who->id));
	deed_reply_done(k, m->repeated);
}

static void
on_admin_row(const Mf__StoreResult *m, void *ctx)
{
	struct deed *k = ctx;
	struct factor_row row;

	if (m == NULL && rpc_failure(k->rpc)->status == ST_NOT_FOUND)
		remove_row(k); /* by this very operation? the store knows */
	else if (m == NULL)
		store_failed(k->c, rpc_failure(k->rpc));
	else if (!factor_row_read(call_arena(k->c), &m->data, &row))
		call_fail(k->c, ST_DATA_LOSS, "the stored factor is none");
	else
		deed_cover(k, row.user_id, remove_row);
}

/* --- what may be read of it --- */

static bool
write_public(const struct deed *k, const json_t *row, struct jw *w)
{
	static const char *const shown[] = { "id", "user_id", "kind", "created_at", "updated_at",
		"version" };

	(void)k;
	jw_object(w, NULL);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (json_object_get(row, shown[i]) != NULL)
			jw_json(w, shown[i], json_object_get(row, shown[i]));
	jw_bool(w, "confirmed", json_is_true(json_object_get(row, "confirmed")));
	jw_int(w, "recovery_left", (int64_t)json_array_size(json_object_get(row, "recovery")));
	jw_close(w, '}');
	return true;
}

/* factor: see factor.h. */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/factor.h"
#include "auth/jwt/rows.h"
#include "auth/jwt/seal.h"
#include "auth/judged.h"
#include "auth/store_failed.h"
#include "base/log.h"
#include "base/step.h"
#include "base/time.h"

#define ROUNDS_MOST 5

struct step {
	struct tokens *t;
	struct call *c;
	struct rpc *rpc;
	const char *user_id, *operation_id;
	bool empty;
	struct totp_typed typed;
	struct call_dep dep; /* wipes it */
	struct factor_row factor;
	bool fresh; /* by the row that was read it has not been used yet */
	unsigned round;
	second_done_fn *done;
	void *ctx;
};

static void forget(struct call_dep *d);
static void read_factor(struct step *s);
static void on_factors(const Mf__StoreResult *m, void *ctx);
static bool take_factor(void *ctx, const json_t *item);
static void try_code(struct step *s);
static void try_recovery(struct step *s);
static void use_up(struct step *s, struct jw *w, const char *what);
static void on_used(const Mf__StoreResult *m, void *ctx);

bool
factor_row_of(struct arena *a, const json_t *item, struct factor_row *out)
{
	const char *id = json_string_value(json_object_get(item, "id"));
	const char *user = json_string_value(json_object_get(item, "user_id"));
	const char *kind = json_string_value(json_object_get(item, "kind"));
	const char *secret = json_string_value(json_object_get(item, "secret"));
	const char *created = json_string_value(json_object_get(item, "created_at"));
	const json_t *recovery = json_object_get(item, "recovery");

	memset(out, 0, sizeof(*out));
	if (id == NULL || !uuid_ok(id) || user == NULL || !uuid_ok(user) || kind == NULL ||
	    secret == NULL || created == NULL ||
	    !time_parse_rfc3339(str_of(created), &out->created_us))
		return false;
	out->id = arena_strdup(a, id);
	out->user_id = arena_strdup(a, user);
	out->kind = arena_strdup(a, kind);
	out->secret = arena_strdup(a, secret);
	out->confirmed = json_is_true(json_object_get(item, "confirmed"));
	out->last_step = json_integer_value(json_object_get(item, "last_step"));
	out->version = (uint64_t)json_integer_value(json_object_get(item, "version"));
	for (size_t i = 0; i < json_array_size(recovery) && i < RECOVERY_CODES; i++) {
		const char *h = json_string_value(json_array_get(recovery, i));

		if (h != NULL && strlen(h) == RECOVERY_HASH_LEN - 1)
			out->recovery[out->n_recovery++] = arena_strdup(a, h);
	}
	return out->version != 0;
}

bool
factor_row_read(struct arena *a, const ProtobufCBinaryData *data, struct factor_row *out)
{
	struct json_error e;
	json_t *v = json_read(data->data, data->len, &e);
	bool ok = v != NULL && factor_row_of(a, v, out);

	json_decref(v);
	return ok;
}

bool
factor_secret(const struct tokens *t, const struct factor_row *f, uint8_t out[TOTP_SECRET])
{
	size_t n = 0;
	char *p = seal_open(t->seal, FACTOR_SEAL, f->id, f->secret, &n);
	bool ok = p != NULL && n == TOTP_SECRET;

	if (ok)
		memcpy(out, p, TOTP_SECRET);
	else
		log_error("factor_not_opened", L_STR("factor", f->id),
		    L_STR("why", "its secret was sealed with another key"));
	sodium_free(p);
	return ok;
}

void
second_check(struct tokens *t, struct call *c, const char *user_id, char *otp,
    const char *operation_id, second_done_fn *done, void *ctx)
{
	struct step *s = ARENA_NEW(call_arena(c), struct step);

	*s = (struct step){ .t = t,
		.c = c,
		.user_id = user_id,
		.operation_id = operation_id,
		.empty = otp[0] == '\0',
		.dep.cancel = forget,
		.done = done,
		.ctx = ctx };
	totp_type(otp, &s->typed);
	sodium_memzero(otp, strlen(otp));
	call_attach(c, &s->dep);
	read_factor(s);
}

static void
forget(struct call_dep *d)
{
	struct step *s = container_of(d, struct step, dep);

	sodium_memzero(&s->typed, sizeof(s->typed));
}

static void
read_factor(struct step *s)
{
	struct arena *a = call_arena(s->c);
	Mf__StoreOp *op = op_query(a, "factor", "user_id", s->user_id);

	op_filter(a, op, "confirmed", "true");
	s->factor.id = NULL;
	s->rpc = rpc_new(s->c, s->t->database, NULL);
	mf__database__read(&s->rpc->service, op, on_factors, s);
}

static void
on_factors(const Mf__StoreResult *m, void *ctx)
{
	struct step *s = ctx;
	const char *next;

	if (!store_page(s->c, s->rpc, m, "factor", take_factor, s, &next))
		return;
	if (s->factor.id == NULL)
		s->done(SECOND_NONE, s->ctx);
	else if (s->empty)
		s->done(SECOND_EMPTY, s->ctx);
	else if (s->typed.kind == TOTP_CODE)
		try_code(s);
	else if (s->typed.kind == TOTP_RECOVERY)
		try_recovery(s);
	else
		s->done(SECOND_WRONG, s->ctx);
}

/* There is one of a kind (UNIQUE), and one kind. */
static bool
take_factor(void *ctx, const json_t *item)
{
	struct step *s = ctx;

	return factor_row_of(call_arena(s->c), item, &s->factor);
}

static void
try_code(struct step *s)
{
	uint8_t secret[TOTP_SECRET];
	struct jw w;
	int64_t step;

	if (!factor_secret(s->t, &s->factor, secret)) {
		call_fail_because(s->c, ST_UNAVAILABLE, "FACTOR_UNREADABLE", STORE_RETRY_MS,
		    "the second factor can't be read");
		return;
	}
	step = totp_step(secret, s->typed.code, time_wall_us());
	sodium_memzero(secret, sizeof(secret));
	if (step == 0) {
		s->done(SECOND_WRONG, s->ctx);
		return;
	}
	s->fresh = step > s->factor.last_step;
	jw_start(&w, call_arena(s->c), 60);
	jw_object(&w, NULL);
	jw_int(&w, "last_step", step);
	use_up(s, &w, arena_printf(call_arena(s->c), "otp:%lld", (long long)step));
}

static void
try_recovery(struct step *s)
{
	char hash[RECOVERY_HASH_LEN];
	struct jw w;

	totp_recovery_hash(s->factor.id, s->typed.recovery, hash);
	s->fresh = false;
	jw_start(&w, call_arena(s->c), 600);
	jw_object(&w, NULL);
	jw_array(&w, "recovery");
	for (size_t i = 0; i < s->factor.n_recovery; i++)
		if (sodium_memcmp(s->factor.recovery[i], hash, sizeof(hash)) == 0)
			s->fresh = true;
		else
			jw_str(&w, NULL, s->factor.recovery[i]);
	jw_close(&w, ']');
	use_up(s, &w, hash);
}

/* One update on condition of the version. By the row a code may be used up already: then only the
 * operation that used it is told yes again. */
static void
use_up(struct step *s, struct jw *w, const char *what)
{
	struct arena *a = call_arena(s->c);
	Mf__StoreOp *op = op_read(a, "factor", s->factor.id);

	jw_close(w, '}');
	op->kind = MF__STORE_OP__KIND__UPDATE;
	op->data.data = (uint8_t *)jw_text(w, &op->data.len);
	op->if_version = s->fresh ? s->factor.version : NO_VERSION;
	op->operation_id = arena_printf(a, "%s:%s:%s", s->factor.id, what, s->operation_id);
	s->rpc = rpc_new(s->c, s->t->database, NULL);
	mf__database__write(&s->rpc->service, op, on_used, s);
}

static void
on_used(const Mf__StoreResult *m, void *ctx)
{
	struct step *s = ctx;
	const struct failure *f = rpc_failure(s->rpc);

	if (m != NULL) {
		STEP("jwt.account.code_used");
		s->done(SECOND_RIGHT, s->ctx);
	} else if (f->status == ST_ABORTED && !s->fresh) {
		s->done(SECOND_WRONG, s->ctx);
	} else if (f->status != ST_ABORTED && f->status != ST_NOT_FOUND) {
		store_failed(s->c, f);
	} else if (++s->round < ROUNDS_MOST) {
		read_factor(s); /* somebody was faster: what is it now? */
	} else {
		call_fail_because(s->c, ST_UNAVAILABLE, "FACTOR_CONTENDED", STORE_RETRY_MS,
		    "the second factor is busy");
	}
}

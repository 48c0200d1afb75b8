/* proof: see proof.h. */
#include <string.h>
#include "auth/jwt/factor.h"
#include "auth/jwt/proof.h"
#include "auth/jwt/tries.h"
#include "base/log.h"
#include "base/time.h"

#define RECENT (5 * 60 * SEC)

struct proof {
	struct deed *k;
	const char *field;
	void (*right)(struct deed *k), (*wrong)(struct deed *k);
};

static void on_verified(struct call *c, bool ok, const char *hash, void *ctx);
static void on_second(enum second v, void *ctx);

bool
proof_is_recent(const struct deed *k)
{
	return time_wall_us() - (int64_t)k->who->authenticated_at < RECENT;
}

bool
proof_may_try(struct deed *k)
{
	int64_t wait = tries_wait(k->t->password_tries, k->who->session_id, loop_now(k->t->loop));

	if (wait > 0)
		call_fail_because(k->c, ST_RESOURCE_EXHAUSTED, "PROOF_LIMIT",
		    (uint32_t)(wait / MS + 1), "too many wrong passwords or codes");
	return wait == 0;
}

void
proof_failed(struct deed *k, const char *field, const char *what)
{
	tries_failed(k->t->password_tries, k->who->session_id, loop_now(k->t->loop));
	log_info("proof_failed", L_STR("user_id", k->who->id), L_STR("session", k->who->session_id),
	    L_STR("model", k->q->model));
	deed_refuse(k->c, field, what);
}

static struct proof *
proof_new(struct deed *k, const char *field, void (*right)(struct deed *k))
{
	struct proof *p = ARENA_NEW(call_arena(k->c), struct proof);

	*p = (struct proof){ .k = k, .field = field, .right = right };
	return p;
}

void
proof_password(
    struct deed *k, const char *field, void (*right)(struct deed *k), void (*wrong)(struct deed *k))
{
	struct proof *p = proof_new(k, field, right);
	const char *password = deed_text(k, field + 1);

	p->wrong = wrong;
	if (password == NULL || password[0] == '\0' || strlen(password) > PASSWORD_MAX)
		deed_refuse(k->c, field, "must be your password");
	else if (proof_may_try(k) && !password_verify(&k->t->passwords, k->c, password,
					 k->user.password_hash, on_verified, p))
		call_fail_because(k->c, ST_RESOURCE_EXHAUSTED, "LOGIN_QUEUE_FULL", 1000,
		    "too many passwords at once");
}

static void
on_verified(struct call *c, bool ok, const char *hash, void *ctx)
{
	struct proof *p = ctx;

	(void)c, (void)hash;
	if (ok)
		p->right(p->k);
	else if (p->wrong != NULL)
		p->wrong(p->k);
	else
		proof_failed(p->k, p->field, "is not your password");
}

void
proof_code(struct deed *k, const char *field, void (*right)(struct deed *k))
{
	struct proof *p = proof_new(k, field, right);
	const char *code = deed_text(k, field + 1);

	if (code == NULL || code[0] == '\0')
		deed_refuse(k->c, field, "must be a code of your second factor");
	else if (proof_may_try(k))
		second_check(
		    k->t, k->c, k->who->id, (char *)(uintptr_t)code, k->operation_id, on_second, p);
}

static void
on_second(enum second v, void *ctx)
{
	struct proof *p = ctx;

	if (v == SECOND_RIGHT)
		p->right(p->k);
	else
		proof_failed(p->k, p->field, "is wrong, or was used before");
}

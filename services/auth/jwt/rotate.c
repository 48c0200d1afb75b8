/* rotate: does what the schedule of the signing keys (rotation.h) says, when it says so: one timer for
 * the next thing that is due, and a look at the directory now and then, where the other agent or an
 * operator may have changed something. Nothing is stored but the files, so whoever is killed at any
 * place has left a set that works, and whoever comes next goes on from it.
 *
 * Making an RSA key takes a while, so keys are made on the pool. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "auth/jwt/jwt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/step.h"
#include "base/time.h"

/* Of a change that no timer and no token told us; much shorter than a key stays after its end. */
#define LOOK_US  (3600 * SEC)
#define RETRY_US (10 * SEC) /* after a failure; and never sooner than this after having acted */

struct making {
	struct work work;
	struct tokens *t;
	enum jws_alg alg;
	struct jws_key *key; /* NULL: not made */
	struct call_dep dep;
	struct call *call; /* that waits for it; NULL: none, or it has ended */
	rotate_done_fn *done;
	void *ctx;
};

static void on_due(struct timer *timer);
static void arm(struct tokens *t, int64_t least_us);
static bool make(struct tokens *t, struct call *c, rotate_done_fn *done, void *ctx);
static void make_run(struct work *w);
static void make_done(struct work *w, bool dropped);
static enum once add(struct making *m);
static void orphan(struct call_dep *d);

void
rotate_start(struct tokens *t)
{
	timer_init(&t->rotate_timer, t->loop, on_due);
	arm(t, 0);
}

void
rotate_again(struct tokens *t)
{
	if (!t->rotating)
		arm(t, 0);
}

static void
arm(struct tokens *t, int64_t least_us)
{
	int64_t due = keyring_due(t->keys), in;

	in = due == ROTATION_NEVER ? LOOK_US : due - time_wall_us();
	if (in > LOOK_US)
		in = LOOK_US;
	timer_in(&t->rotate_timer, in < least_us ? least_us : in);
}

static void
on_due(struct timer *timer)
{
	struct tokens *t = container_of(timer, struct tokens, rotate_timer);

	if (t->rotating)
		return;
	if (!tokens_keys_read(t)) /* also removes what has retired */
		arm(t, RETRY_US);
	else if (!keyring_makes(t->keys))
		arm(t, 100 * MS);
	else if (!make(t, NULL, NULL, NULL))
		arm(t, RETRY_US);
}

/* One that is published already and does not sign yet is the answer, too. */
bool
rotate_now(struct tokens *t, struct call *c, rotate_done_fn *done, void *ctx)
{
	if (!tokens_keys_read(t))
		return false;
	if (keyring_has_next(t->keys)) {
		done(c, true, ctx);
		return true;
	}
	return make(t, c, done, ctx);
}

static bool
make(struct tokens *t, struct call *c, rotate_done_fn *done, void *ctx)
{
	struct making *m = mem_zalloc(sizeof(*m));

	m->work.run = make_run;
	m->work.done = make_done;
	m->t = t;
	m->alg = jws_alg_from_name(str_of(t->config->signing_alg));
	m->call = c;
	m->done = done;
	m->ctx = ctx;
	m->dep.cancel = orphan;
	if (!work_start(t->passwords.pool, &m->work)) {
		free(m);
		return false;
	}
	t->rotating = true;
	if (c != NULL)
		call_attach(c, &m->dep);
	return true;
}

static void
make_run(struct work *w)
{
	struct making *m = container_of(w, struct making, work);

	m->key = jws_key_generate(m->alg);
}

static void
make_done(struct work *w, bool dropped)
{
	struct making *m = container_of(w, struct making, work);
	struct tokens *t = m->t;
	enum once made;

	t->rotating = false;
	made = dropped ? ONCE_FAILED : add(m);
	jws_key_free(&m->key);
	if (m->call != NULL) {
		call_detach(m->call, &m->dep);
		m->done(m->call, made != ONCE_FAILED, m->ctx);
	}
	free(m);
	if (!dropped)
		arm(t, made == ONCE_FAILED ? RETRY_US : 0);
}

/* What was made meanwhile by somebody else is as good. */
static enum once
add(struct making *m)
{
	struct tokens *t = m->t;
	enum once made;
	char err[PATH_MAX + 200];

	if (!tokens_keys_read(t))
		return ONCE_FAILED;
	if (keyring_has_next(t->keys))
		return ONCE_THERE;
	made = keyring_add(t->keys, m->key, err, sizeof(err));
	if (made == ONCE_FAILED) {
		log_error("signing_key_not_made", L_STR("why", err));
		return made;
	}
	STEP("jwt.rotate.key_made");
	return tokens_keys_read(t) ? made : ONCE_FAILED;
}

static void
orphan(struct call_dep *d)
{
	container_of(d, struct making, dep)->call = NULL;
}

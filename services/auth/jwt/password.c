/* password: see password.h. A job is in memory of its own, not in the call's arena: the call may
 * end while a thread works. */
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include "auth/jwt/password.h"
#include "base/log.h"

struct job { /* sodium_malloc: locked, wiped by sodium_free */
	struct work work;
	struct call_dep dep;
	struct call *call; /* NULL: it has ended */
	atomic_bool gone;  /* the same, for the thread: what nobody waits for is not begun */
	password_done_fn *done;
	void *ctx;
	uint64_t ops, memory_bytes;
	bool verify, ok, fresh; /* fresh: hash is a new one */
	char hash[crypto_pwhash_STRBYTES];
	char password[PASSWORD_MAX + 1];
};
_Static_assert(PASSWORD_HASH_MAX >= crypto_pwhash_STRBYTES, "room for a hash");

static struct job *job_new(
    struct passwords *p, struct call *c, const char *password, password_done_fn *done, void *ctx);
static bool job_start(struct passwords *p, struct job *j);
static void job_run(struct work *w);
static bool is_dated(const struct job *j);
static bool make_hash(struct job *j, size_t n);
static void job_done(struct work *w, bool dropped);
static void job_orphan(struct call_dep *d);

bool
password_verify(struct passwords *p, struct call *c, const char *password, const char *hash,
    password_done_fn *done, void *ctx)
{
	struct job *j = job_new(p, c, password, done, ctx);

	j->verify = true;
	if (hash != NULL && strlen(hash) < sizeof(j->hash))
		memcpy(j->hash, hash, strlen(hash) + 1);
	return job_start(p, j);
}

bool
password_hash(
    struct passwords *p, struct call *c, const char *password, password_done_fn *done, void *ctx)
{
	return job_start(p, job_new(p, c, password, done, ctx));
}

static struct job *
job_new(
    struct passwords *p, struct call *c, const char *password, password_done_fn *done, void *ctx)
{
	struct job *j = sodium_malloc(sizeof(*j));
	size_t n = strlen(password);

	must(j != NULL && n <= PASSWORD_MAX);
	memset(j, 0, sizeof(*j));
	j->work.run = job_run;
	j->work.done = job_done;
	j->dep.cancel = job_orphan;
	j->call = c;
	j->done = done;
	j->ctx = ctx;
	j->ops = p->ops;
	j->memory_bytes = p->memory_bytes;
	memcpy(j->password, password, n + 1);
	return j;
}

static bool
job_start(struct passwords *p, struct job *j)
{
	if (!work_start(p->pool, &j->work)) {
		sodium_free(j);
		return false;
	}
	call_attach(j->call, &j->dep);
	return true;
}

static void
job_run(struct work *w)
{
	struct job *j = container_of(w, struct job, work);
	size_t n = strlen(j->password);

	if (atomic_load_explicit(&j->gone, memory_order_relaxed))
		return;
	if (j->verify && j->hash[0] != '\0') {
		j->ok = crypto_pwhash_str_verify(j->hash, j->password, n) == 0;
		if (j->ok && is_dated(j))
			j->fresh = make_hash(j, n);
		return;
	}
	j->ok = j->fresh = make_hash(j, n);
	if (j->verify)
		j->ok = j->fresh = false; /* nobody's password: only the time was wanted */
}

/* libsodium compares the cost of whichever algorithm it is. */
static bool
is_dated(const struct job *j)
{
	return strncmp(j->hash, crypto_pwhash_argon2id_STRPREFIX,
		   sizeof(crypto_pwhash_argon2id_STRPREFIX) - 1) != 0 ||
	       crypto_pwhash_str_needs_rehash(j->hash, j->ops, (size_t)j->memory_bytes) != 0;
}

static bool
make_hash(struct job *j, size_t n)
{
	return crypto_pwhash_str_alg(j->hash, j->password, n, j->ops, (size_t)j->memory_bytes,
		   crypto_pwhash_ALG_ARGON2ID13) == 0;
}

static void
job_done(struct work *w, bool dropped)
{
	struct job *j = container_of(w, struct job, work);
	struct call *c = j->call;
	char hash[crypto_pwhash_STRBYTES];
	bool ok = j->ok && !dropped, fresh = j->fresh;
	password_done_fn *done = j->done;
	void *ctx = j->ctx;

	memcpy(hash, j->hash, sizeof(hash));
	if (c != NULL)
		call_detach(c, &j->dep);
	sodium_free(j);
	if (c != NULL)
		done(c, ok, fresh ? hash : NULL, ctx);
}

static void
job_orphan(struct call_dep *d)
{
	struct job *j = container_of(d, struct job, dep);

	j->call = NULL;
	atomic_store_explicit(&j->gone, true, memory_order_relaxed);
}

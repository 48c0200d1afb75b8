/* seed: the first administrator. jwt and oauth both try at start, until it is there; they may race:
 *
 *   1. there is any user -> done (an administrator that was renamed or removed is not made again)
 *   2. the password file exists -> its password; else a new one goes into it, complete and
 *      durable, by link(2): one wins
 *   3. the user is created under a fixed id: one wins, with the hash of the same password
 *
 * So the file is there before the account, a crash between the two changes nothing, and a file is
 * never replaced. */
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/jwt.h"
#include "auth/jwt/once.h"
#include "auth/jwt/password_rules.h"
#include "auth/jwt/rows.h"
#include "base/log.h"
#include "base/time.h"

#define SEED_LIMIT     (20 * SEC)
#define SEED_RETRY     (250 * MS)
#define ADMIN_NAME     "admin"
#define ADMIN_FILE_MAX 4096
#define PASSWORD_BYTES 21 /* 28 characters, 168 bits */

struct seed {
	struct tokens *t;
	struct call *c;
	struct rpc *rpc;
	char *password; /* sodium_malloc; released by seed_end */
	struct call_dep dep;
};

static void seed_begin(struct timer *timer);
static void on_users(const Mf__StoreResult *m, void *ctx);
static bool count_user(void *ctx, const json_t *item);
static bool take_password(struct seed *s, char *err, size_t err_size);
static char *read_password(const char *path, size_t min, char *err, size_t err_size);
static void admin_path(const struct tokens *t, char *out, size_t cap);
static bool make_password_file(const char *path, char *err, size_t err_size);
static void on_hashed(struct call *c, bool ok, const char *hash, void *ctx);
static void on_created(const Mf__StoreResult *m, void *ctx);
static void seed_done(struct seed *s);
static void forget_password(struct call_dep *d);
static void seed_end(struct call *c, const struct call_end *end, void *ctx);

void
tokens_seed(struct tokens *t)
{
	timer_init(&t->seed_timer, t->loop, seed_begin);
	timer_in(&t->seed_timer, 0);
}

static void
seed_begin(struct timer *timer)
{
	struct tokens *t = container_of(timer, struct tokens, seed_timer);
	struct call *c = call_root(
	    t->bus, &(struct call_opts){ .limit_us = SEED_LIMIT, .done = seed_end, .ctx = t });
	struct seed *s = ARENA_NEW(call_arena(c), struct seed);
	Mf__StoreOp *q;

	s->t = t;
	s->c = c;
	s->dep.cancel = forget_password;
	s->rpc = rpc_new(c, t->database, NULL);
	q = op_query(call_arena(c), "user", NULL, NULL);
	q->limit = 1;
	mf__database__read(&s->rpc->service, q, on_users, s);
}

static void
on_users(const Mf__StoreResult *m, void *ctx)
{
	struct seed *s = ctx;
	char err[PATH_MAX + 200];
	const char *next;
	size_t users = 0;

	if (m == NULL) {
		call_fail_with(s->c, rpc_failure(s->rpc));
		return;
	}
	if (!json_page(call_arena(s->c), m->data.data, m->data.len, count_user, &users, &next)) {
		call_fail(s->c, ST_DATA_LOSS, "users: the answer is no page");
		return;
	}
	if (users > 0) {
		seed_done(s);
		return;
	}
	if (!take_password(s, err, sizeof(err))) {
		log_error("admin_not_made", L_STR("why", err));
		call_fail(s->c, ST_FAILED_PRECONDITION, "%s", err);
		return;
	}
	call_attach(s->c, &s->dep);
	if (!password_hash(&s->t->passwords, s->c, s->password, on_hashed, s))
		call_fail(s->c, ST_RESOURCE_EXHAUSTED, "too many log-ins at once");
}

static bool
count_user(void *ctx, const json_t *item)
{
	size_t *n = ctx;

	(void)item;
	(*n)++;
	return true;
}

static bool
take_password(struct seed *s, char *err, size_t err_size)
{
	size_t min = (size_t)s->t->config->password_min;
	char path[PATH_MAX];

	admin_path(s->t, path, sizeof(path));
	s->password = read_password(path, min, err, err_size);
	if (s->password == NULL && err[0] == '\0' && make_password_file(path, err, err_size))
		s->password = read_password(path, min, err, err_size);
	return s->password != NULL;
}

/* NULL with err "": there is no file. */
static char *
read_password(const char *path, size_t min, char *err, size_t err_size)
{
	struct json_error e;
	char *text, *out = NULL, words[60];
	const char *password, *wrong;
	json_t *v;
	size_t n;

	text = once_read(path, ADMIN_FILE_MAX, &n, err, err_size);
	if (text == NULL)
		return NULL;
	v = json_read(text, n, &e);
	sodium_free(text);
	password = json_string_value(json_object_get(v, "password"));
	if (password == NULL || password[0] == '\0' || strlen(password) > PASSWORD_MAX) {
		(void)snprintf(
		    err, err_size, "%s: holds no password: remove it, a new one is made", path);
	} else if ((wrong = password_refused(password, min, NULL, words, sizeof(words))) != NULL) {
		(void)snprintf(err, err_size, "%s: the password %s: choose another", path, wrong);
	} else {
		must((out = sodium_malloc(strlen(password) + 1)) != NULL);
		memcpy(out, password, strlen(password) + 1);
	}
	json_decref(v);
	return out;
}

static void
admin_path(const struct tokens *t, char *out, size_t cap)
{
	if (t->config->admin_file[0] != '\0')
		(void)snprintf(out, cap, "%s", t->config->admin_file);
	else
		(void)snprintf(out, cap, "%s/admin.json", t->var);
}

static bool
make_password_file(const char *path, char *err, size_t err_size)
{
	uint8_t random[PASSWORD_BYTES];
	char password[2 * PASSWORD_BYTES], text[2 * PASSWORD_BYTES + 60];
	enum once made;
	int n;

	id_random(random, sizeof(random));
	(void)str_b64url(random, sizeof(random), password);
	n = snprintf(text, sizeof(text), "{\"username\":\"" ADMIN_NAME "\",\"password\":\"%s\"}\n",
	    password);
	made = once_write(path, text, (size_t)n, err, err_size);
	sodium_memzero(random, sizeof(random));
	sodium_memzero(password, sizeof(password));
	sodium_memzero(text, sizeof(text));
	if (made == ONCE_MADE)
		log_info("admin_password_made", L_STR("file", path));
	return made != ONCE_FAILED;
}

static void
on_hashed(struct call *c, bool ok, const char *hash, void *ctx)
{
	struct seed *s = ctx;
	char id[UUID_LEN];

	if (!ok) {
		call_fail(c, ST_RESOURCE_EXHAUSTED, "no memory to hash a password");
		return;
	}
	session_uuid("user", ADMIN_NAME, id);
	s->rpc = rpc_new(c, s->t->database, NULL);
	mf__database__write(&s->rpc->service,
	    op_user_create(call_arena(c), id, ADMIN_NAME, hash, "admin"), on_created, s);
}

static void
on_created(const Mf__StoreResult *m, void *ctx)
{
	struct seed *s = ctx;

	if (m == NULL && rpc_failure(s->rpc)->status != ST_ALREADY_EXISTS) {
		call_fail_with(s->c, rpc_failure(s->rpc));
		return;
	}
	if (m != NULL && !m->repeated)
		log_info("admin_made", L_STR("user", ADMIN_NAME));
	seed_done(s);
}

static void
seed_done(struct seed *s)
{
	Mf__Empty done = MF__EMPTY__INIT;

	call_reply(s->c, &done.base);
}

static void
forget_password(struct call_dep *d)
{
	struct seed *s = container_of(d, struct seed, dep);

	sodium_free(s->password);
	s->password = NULL;
}

static void
seed_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct tokens *t = ctx;

	(void)c;
	if (end->failure != NULL && end->failure->status == ST_CANCELLED)
		return; /* the node is ending */
	if (end->failure != NULL)
		timer_in(&t->seed_timer, SEED_RETRY);
}

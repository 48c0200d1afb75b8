/* api_keys_verify: an API key as a credential. See api_keys.h.
 *
 *	remembered and not older than seconds -> its hash, its end, what was revoked: no wait
 *	else one read of its row, of its owner, and what he may -> the same, and it is remembered
 *
 * A key that nobody has costs one read, and an address a few of them a second. What the owner may is
 * read for rbac's absence alone: without it the key verifies, and only rbac can say what it may. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "auth/jwt/api_key.h"
#include "auth/jwt/api_keys.h"
#include "auth/jwt/confirm.h"
#include "auth/jwt/rows.h"
#include "auth/jwt/tries.h"
#include "auth/store_failed.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "proto/rbac.pb-c.h"

#define REMEMBERED_US (5 * SEC)
#define KNOWN_MOST    4096
#define USED_EVERY_US (INT64_C(3600) * SEC)

struct known_key { /* a row and its owner, as they were */
	uint8_t id[16];
	char hash[API_KEY_HASH_LEN];
	int64_t read_us;    /* monotonic */
	int64_t expires_us; /* wall clock; 0: never */
	int64_t used_us;    /* as it is stored, wall clock */
	uint64_t user_version;
	char user_id[UUID_LEN];
	size_t n_principal;
	uint8_t *principal; /* packed */
	UT_hash_handle hh;  /* in order of reading */
};

struct known_keys {
	struct known_key *by_id;
};

struct verify {
	struct tokens *t;
	struct call *c;
	struct rpc *rpc;
	struct api_key key;
	struct call_dep dep; /* wipes it */
	const char *address;
	char hash[API_KEY_HASH_LEN];
	const json_t *row;
	struct user_row user;
	Mf__Principal principal;
	int64_t expires_us, used_us;
	int64_t asked_us; /* when rbac was asked what the owner may */
};

static void forget(struct call_dep *d);
static struct known_key *find(struct known_keys *k, const char *id);
static void drop(struct known_keys *k, struct known_key *e);
static bool is_current(const struct tokens *t, const struct known_key *e);
static void answer(struct verify *v, const struct known_key *e);
static void miss(struct verify *v);
static void on_row(const Mf__StoreResult *m, void *ctx);
static bool take_row(struct verify *v);
static void on_owner(const Mf__StoreResult *m, void *ctx);
static void on_permissions(const Mf__PermissionList *m, void *ctx);
static char **texts(struct arena *a, const json_t *list, size_t *n);
static struct known_key *remember(struct verify *v);
static void say_used(struct tokens *t, struct known_key *e, const char *id);

struct known_keys *
known_keys_new(void)
{
	return mem_zalloc(sizeof(struct known_keys));
}

void
known_keys_free(struct known_keys **k)
{
	while (*k != NULL && (*k)->by_id != NULL)
		drop(*k, (*k)->by_id);
	free(*k);
	*k = NULL;
}

void
api_keys_verify(struct tokens *t, struct call *c, const Mf__TokenText *q)
{
	struct verify *v = ARENA_NEW(call_arena(c), struct verify);
	struct known_key *e;

	*v = (struct verify){ .t = t, .c = c, .address = q->client_address, .dep.cancel = forget };
	call_attach(c, &v->dep);
	if (!t->revoked.known) {
		tokens_count(t, "unknown");
		call_fail_because(c, ST_UNAVAILABLE, "REVOCATIONS_UNKNOWN", CONFIRM_RETRY_MS,
		    "the list of what was revoked has not been read yet");
		return;
	}
	/* A key is bound to nothing: who shows a proof means something else. */
	if (q->proof != NULL || !api_key_read(q->token, &v->key) ||
	    revoked_has(&t->revoked, v->key.id, 0)) {
		tokens_refuse(t, c, false);
		return;
	}
	api_key_hash(&v->key, v->hash);
	e = find(t->known_keys, v->key.id);
	if (e != NULL && is_current(t, e)) {
		answer(v, e);
		return;
	}
	if (tries_wait(t->key_tries, v->address, loop_now(t->loop)) > 0) {
		tokens_count(t, "limited");
		call_fail_because(c, ST_RESOURCE_EXHAUSTED, "KEY_LIMIT", 1000,
		    "too many unknown API keys from this address");
		return;
	}
	v->rpc = rpc_new(c, t->database, NULL);
	mf__database__read(
	    &v->rpc->service, op_read(call_arena(c), "api_key", v->key.id), on_row, v);
}

static void
forget(struct call_dep *d)
{
	struct verify *v = container_of(d, struct verify, dep);

	sodium_memzero(&v->key, sizeof(v->key));
}

/* --- what is remembered --- */

static struct known_key *
find(struct known_keys *k, const char *id)
{
	struct known_key *e;
	uint8_t b[16];

	uuid_pack(id, b);
	HASH_FIND(hh, k->by_id, b, sizeof(b), e);
	return e;
}

static void
drop(struct known_keys *k, struct known_key *e)
{
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow HASH_DEL */
	HASH_DEL(k->by_id, e);
	free(e->principal);
	free(e);
}

static bool
is_current(const struct tokens *t, const struct known_key *e)
{
	return loop_now(t->loop) - e->read_us < REMEMBERED_US &&
	       !revoked_has(&t->revoked, e->user_id, e->user_version);
}

static void
answer(struct verify *v, const struct known_key *e)
{
	Mf__VerifiedToken m = MF__VERIFIED_TOKEN__INIT;

	if (sodium_memcmp(e->hash, v->hash, sizeof(v->hash)) != 0) {
		miss(v);
		return;
	}
	if (e->expires_us != 0 && e->expires_us <= time_wall_us()) {
		tokens_refuse(v->t, v->c, true);
		return;
	}
	m.principal =
	    mf__principal__unpack(arena_allocator(call_arena(v->c)), e->n_principal, e->principal);
	if (m.principal == NULL) {
		call_fail(v->c, ST_RESOURCE_EXHAUSTED, "no room for what the key may");
		return;
	}
	if (m.principal->expires_at == 0) /* whoever keeps this asks again some day */
		m.principal->expires_at = (uint64_t)(time_wall_us() + v->t->config->access_ttl_us);
	tokens_count(v->t, "valid_key");
	call_reply(v->c, &m.base);
}

static void
miss(struct verify *v)
{
	tries_failed(v->t->key_tries, v->address, loop_now(v->t->loop));
	tokens_refuse(v->t, v->c, false);
}

/* --- what is read --- */

static void
on_row(const Mf__StoreResult *m, void *ctx)
{
	struct verify *v = ctx;
	struct json_error e;
	const char *hash, *user;
	json_t *row;

	if (m == NULL && rpc_failure(v->rpc)->status == ST_NOT_FOUND) {
		miss(v);
		return;
	}
	if (m == NULL) {
		store_failed(v->c, rpc_failure(v->rpc));
		return;
	}
	row = json_read(m->data.data, m->data.len, &e);
	if (row != NULL)
		call_own_json(v->c, row);
	v->row = row;
	hash = json_string_value(json_object_get(row, "secret_hash"));
	user = json_string_value(json_object_get(row, "user_id"));
	if (hash == NULL || user == NULL || strlen(hash) != API_KEY_STORED_LEN - 1) {
		call_fail(v->c, ST_DATA_LOSS, "the stored key is none");
	} else if (sodium_memcmp(hash, v->hash, sizeof(v->hash) - 1) != 0) {
		miss(v);
	} else if (!take_row(v)) {
		tokens_refuse(v->t, v->c, true);
	} else {
		v->rpc = rpc_new(v->c, v->t->database, NULL);
		mf__database__read(
		    &v->rpc->service, op_read(call_arena(v->c), "user", user), on_owner, v);
	}
}

/* False: it has expired. */
static bool
take_row(struct verify *v)
{
	struct arena *a = call_arena(v->c);
	const char *expires = json_string_value(json_object_get(v->row, "expires_at"));
	const char *used = json_string_value(json_object_get(v->row, "used_at"));
	Mf__Principal *p = &v->principal;

	mf__principal__init(p);
	if (expires != NULL && (!time_parse_rfc3339(str_of(expires), &v->expires_us) ||
				   v->expires_us <= time_wall_us()))
		return false;
	if (used != NULL)
		(void)time_parse_rfc3339(str_of(used), &v->used_us);
	p->token_id = arena_strdup(a, v->key.id);
	p->expires_at = (uint64_t)v->expires_us;
	p->limited = !json_is_false(json_object_get(v->row, "limited"));
	p->scopes = texts(a, json_object_get(v->row, "scopes"), &p->n_scopes);
	return true;
}

static void
on_owner(const Mf__StoreResult *m, void *ctx)
{
	struct verify *v = ctx;
	Mf__RoleNames q = MF__ROLE_NAMES__INIT;
	Mf__Principal *p = &v->principal;

	if (m == NULL && rpc_failure(v->rpc)->status != ST_NOT_FOUND) {
		store_failed(v->c, rpc_failure(v->rpc));
		return;
	}
	if (m == NULL || !user_row_read(call_arena(v->c), &m->data, &v->user) || v->user.disabled) {
		tokens_refuse(v->t, v->c, false);
		return;
	}
	p->id = (char *)(uintptr_t)v->user.id;
	p->name = (char *)(uintptr_t)v->user.username;
	p->service = v->user.service;
	p->n_roles = q.n_roles = v->user.n_roles;
	p->roles = q.roles = v->user.roles;
	p->n_groups = q.n_groups = v->user.n_groups;
	p->groups = q.groups = v->user.groups;
	q.user_id = p->id;
	v->asked_us = time_wall_us();
	v->rpc = rpc_new(v->c, v->t->rbac, NULL);
	mf__rbac__expand(&v->rpc->service, &q, on_permissions, v);
}

/* What was revoked while we read counts: the key may have been deleted, and the account changed. */
static void
on_permissions(const Mf__PermissionList *m, void *ctx)
{
	struct verify *v = ctx;
	struct known_key *e;

	if (m != NULL) {
		v->principal.n_permissions = m->n_permissions;
		v->principal.permissions = m->permissions;
		v->principal.snapshot_at = (uint64_t)v->asked_us;
	}
	if (revoked_has(&v->t->revoked, v->key.id, 0)) {
		tokens_refuse(v->t, v->c, false);
		return;
	}
	if (revoked_has(&v->t->revoked, v->user.id, v->user.version)) {
		call_fail_because(v->c, ST_UNAVAILABLE, "ACCOUNT_CHANGED", 100,
		    "the account was changed meanwhile");
		return;
	}
	e = remember(v);
	say_used(v->t, e, v->key.id);
	answer(v, e);
}

static char **
texts(struct arena *a, const json_t *list, size_t *n)
{
	char **out = ARENA_ARRAY(a, char *, json_array_size(list) + 1);

	*n = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s != NULL)
			out[(*n)++] = arena_strdup(a, s);
	}
	return out;
}

/* The one that was read first makes way. */
static struct known_key *
remember(struct verify *v)
{
	struct known_keys *all = v->t->known_keys;
	struct known_key *e = find(all, v->key.id);
	int64_t used = v->used_us;

	if (e != NULL) {
		used = e->used_us > used ? e->used_us : used;
		drop(all, e);
	}
	if (HASH_COUNT(all->by_id) >= KNOWN_MOST)
		drop(all, all->by_id);
	e = mem_zalloc(sizeof(*e));
	uuid_pack(v->key.id, e->id);
	memcpy(e->hash, v->hash, sizeof(e->hash));
	memcpy(e->user_id, v->user.id, sizeof(e->user_id));
	e->user_version = v->user.version;
	e->read_us = loop_now(v->t->loop);
	e->expires_us = v->expires_us;
	e->used_us = used;
	e->n_principal = mf__principal__get_packed_size(&v->principal);
	e->principal = mem_zalloc(e->n_principal + 1);
	(void)mf__principal__pack(&v->principal, e->principal);
	HASH_ADD(hh, all->by_id, id, sizeof(e->id), e);
	return e;
}

static void
on_said(const Mf__StoreResult *m, void *ctx)
{
	Mf__Empty done = MF__EMPTY__INIT;

	(void)m; /* if it was not: the next hour's is */
	call_reply(ctx, &done.base);
}

/* Once an hour at most, by whoever sees it first; nobody waits for it. */
static void
say_used(struct tokens *t, struct known_key *e, const char *id)
{
	int64_t now = time_wall_us();
	struct call *c;
	struct rpc *r;
	Mf__StoreOp *op;
	struct jw w;

	if (now - e->used_us < USED_EVERY_US)
		return;
	e->used_us = now;
	c = call_root(t->bus, &(struct call_opts){ .limit_us = 5 * SEC });
	op = op_read(call_arena(c), "api_key", id);
	jw_start(&w, call_arena(c), 80);
	jw_object(&w, NULL);
	jw_time(&w, "used_at", now);
	jw_close(&w, '}');
	op->kind = MF__STORE_OP__KIND__UPDATE;
	op->data.data = (uint8_t *)jw_text(&w, &op->data.len);
	op->operation_id =
	    arena_printf(call_arena(c), "used:%s:%lld", id, (long long)(now / USED_EVERY_US));
	r = rpc_new(c, t->database, NULL);
	mf__database__write(&r->service, op, on_said, c);
}

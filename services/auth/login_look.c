/* login_look: whose account it is, and whether he was here before. What is remembered answers for the
 * clients of late; the stored sessions, which outlive us, for the others. A name that nobody has
 * takes the same two questions. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/login_int.h"
#include "auth/network.h"
#include "auth/store_failed.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/database.pb-c.h"

#define SESSIONS_MOST 50 /* the latest; who has more was here with one of them */
#define NAME_MOST     64
#define HOUR_LEAST    (1.0 / 60) /* two log-ins of one minute are no journey */

static const char nobody[] = "00000000-0000-0000-0000-000000000000";

struct looked { /* the page of sessions */
	struct login *l;
	bool network, agent, placed;
	int64_t at_us; /* of the latest with an address */
	struct geo_place place;
};

static Mf__StoreOp *
op_of(struct login *l, Mf__StoreOp__Kind kind, const char *model, const char *field, const char *v);
static void on_user(const Mf__StoreResult *m, void *ctx);
static void look_at_sessions(struct login *l);
static void on_sessions(const Mf__StoreResult *m, void *ctx);
static bool look_at_one(void *ctx, const json_t *item);
static void failed(struct login *l);

void
login_look(struct login *l, void (*then)(struct login *l))
{
	const char *name = l->q->username;
	bool can_be = str_token_ok(str_of(name)) && strlen(name) <= NAME_MOST;

	l->then = then;
	l->rpc = rpc_new(l->c, l->a->database, NULL);
	mf__database__read(&l->rpc->service,
	    op_of(l, MF__STORE_OP__KIND__READ_ONE, "user", can_be ? "username" : NULL, name),
	    on_user, l);
}

/* field NULL: nobody's, by id. */
static Mf__StoreOp *
op_of(struct login *l, Mf__StoreOp__Kind kind, const char *model, const char *field, const char *v)
{
	struct arena *m = call_arena(l->c);
	Mf__StoreOp *op = ARENA_NEW(m, Mf__StoreOp);
	Mf__KeyValue *f = ARENA_NEW(m, Mf__KeyValue);

	mf__store_op__init(op);
	op->kind = kind;
	op->model = (char *)(uintptr_t)model;
	if (field == NULL) {
		op->id = (char *)(uintptr_t)nobody;
		return op;
	}
	mf__key_value__init(f);
	f->key = (char *)(uintptr_t)field;
	f->value = (char *)(uintptr_t)v;
	op->filters = ARENA_ARRAY(m, Mf__KeyValue *, 1);
	op->filters[op->n_filters++] = f;
	return op;
}

static void
on_user(const Mf__StoreResult *m, void *ctx)
{
	struct login *l = ctx;
	struct json_error e;
	json_t *v;

	if (m == NULL && rpc_failure(l->rpc)->status != ST_NOT_FOUND) {
		failed(l);
		return;
	}
	if (m != NULL && (v = json_read(m->data.data, m->data.len, &e)) != NULL) {
		call_own_json(l->c, v);
		l->user_id = json_string_value(json_object_get(v, "id"));
	}
	look_at_sessions(l);
}

static void
look_at_sessions(struct login *l)
{
	uint8_t network[16], agent[16], reuse[16];
	Mf__StoreOp *op;

	login_key(l->a, KEY_NETWORK, l->q->username, l->network, network);
	login_key(l->a, KEY_AGENT, l->q->username, l->q->user_agent, agent);
	login_key(l->a, KEY_REUSE, l->user_id != NULL ? l->user_id : nobody, "", reuse);
	l->seen.seen[RISK_REUSE] =
	    recall_value(l->a->recall, reuse, RECALL_REUSE, 86400 * SEC, loop_now(l->a->loop));
	l->seen.seen[RISK_NEW_NETWORK] =
	    l->pair_known || recall_client_is(l->a->recall, network) ? 0 : 1;
	l->seen.seen[RISK_NEW_AGENT] = recall_client_is(l->a->recall, agent) ? 0 : 1;
	if (l->seen.seen[RISK_NEW_NETWORK] + l->seen.seen[RISK_NEW_AGENT] == 0) {
		l->then(l);
		return;
	}
	op = op_of(l, MF__STORE_OP__KIND__QUERY_MANY, "session", "user_id",
	    l->user_id != NULL ? l->user_id : nobody);
	op->sort = (char *)(uintptr_t) "-updated_at";
	op->limit = SESSIONS_MOST;
	l->rpc = rpc_new(l->c, l->a->database, NULL);
	mf__database__read(&l->rpc->service, op, on_sessions, l);
}

static void
on_sessions(const Mf__StoreResult *m, void *ctx)
{
	struct login *l = ctx;
	struct looked k = { .l = l };
	struct geo_place here;
	const char *next;

	if (m == NULL ||
	    !json_page(call_arena(l->c), m->data.data, m->data.len, look_at_one, &k, &next)) {
		failed(l);
		return;
	}
	if (k.network)
		l->seen.seen[RISK_NEW_NETWORK] = 0;
	if (k.agent)
		l->seen.seen[RISK_NEW_AGENT] = 0;
	if (!k.network && !l->pair_known && k.placed &&
	    geo_find(l->a->geo, l->q->client_address, &here)) {
		double hours = (double)(time_wall_us() - k.at_us) / (3600.0 * SEC);

		l->seen.seen[RISK_SPEED] =
		    geo_km(k.place, here) / (hours > HOUR_LEAST ? hours : HOUR_LEAST);
	}
	l->then(l);
}

static bool
look_at_one(void *ctx, const json_t *item)
{
	struct looked *k = ctx;
	const char *address = json_string_value(json_object_get(item, "client_address"));
	const char *agent = json_string_value(json_object_get(item, "user_agent"));
	const char *at = json_string_value(json_object_get(item, "updated_at"));
	char network[64];
	int64_t at_us;

	k->agent |= agent != NULL && strcmp(agent, k->l->q->user_agent) == 0;
	if (address == NULL)
		return true;
	network_of(address, network);
	k->network |= strcmp(network, k->l->network) == 0;
	if (at != NULL && time_parse_rfc3339(str_of(at), &at_us) && at_us > k->at_us &&
	    geo_find(k->l->a->geo, address, &k->place)) {
		k->at_us = at_us;
		k->placed = true;
	}
	return true;
}

static void
failed(struct login *l)
{
	const struct failure *f = rpc_failure(l->rpc);
	static const struct failure odd = { .status = ST_UNAVAILABLE, .message = "", .reason = "" };

	sodium_memzero(l->q->password, strlen(l->q->password));
	login_settle(l, LIMITER_UNDECIDED);
	store_failed(l->c, f != NULL && status_is_fault(f->status) ? f : &odd);
}

void
login_remember(struct login *l)
{
	uint8_t key[16];
	int64_t now = loop_now(l->a->loop);

	limiter_know(l->a->limiter, l->keys[PAIR]);
	login_key(l->a, KEY_NETWORK, l->q->username, l->network, key);
	recall_client(l->a->recall, key, now);
	login_key(l->a, KEY_AGENT, l->q->username, l->q->user_agent, key);
	recall_client(l->a->recall, key, now);
}

void
login_key(const struct auth *a, uint8_t tag, const char *x, const char *y, uint8_t out[16])
{
	crypto_generichash_state h;

	(void)crypto_generichash_init(&h, a->limiter_key, sizeof(a->limiter_key), 16);
	(void)crypto_generichash_update(&h, &tag, 1);
	(void)crypto_generichash_update(&h, (const uint8_t *)x, strlen(x) + 1);
	(void)crypto_generichash_update(&h, (const uint8_t *)y, strlen(y) + 1);
	(void)crypto_generichash_final(&h, out, 16);
}

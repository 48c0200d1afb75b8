/* collections: what is known of declarations, and the operations on the model "collection".
 *
 * Truth is the hash P def in Redis; here is a copy of each that was met. Every script that depends on one
 * compares the epoch, which changes with each declaration, so an old copy harms nothing; nothing is answered on
 * the strength of one alone. A name that was never met is taken for undeclared, which has epoch "0".
 *
 * The registry, mf:{collections}:names, holds the names of all that were declared or have documents that
 * end: it is written first, so it never lacks one. It is of another hash slot than they are, therefore never
 * in one script with them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/failure.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/step.h"
#include "base/time.h"
#include "database/nosql/collections_inside.h"
#include "database/nosql/stage.h"
#include "database/nosql/sweep.h"

#define KNOWN_MOST 512

struct known {
	struct known *next;
	struct collection *k;
};

struct holding { /* a reference that ends with its call */
	struct call_dep dep;
	struct collection *k;
};

struct declaring {
	struct call *c;
	const Mf__StoreOp *q;
	json_t *given;
	struct collection *had;
	unsigned tries;
};

static struct collection *hold_for(struct call *, struct collection *);
static void known_put(struct collection *);
static void start_declare(struct declaring *);
static void enlist(const char *, struct call *, redis_done_fn *, void *);
static void on_registered(const struct redis_reply *, void *);
static void decide(struct declaring *);
static json_t *may_declare(struct declaring *, struct failure *, bool *);
static void send_declare(struct declaring *, json_t *);
static void add_gone_slots(struct args *, const struct collection *, const json_t *);
static void on_declared(const struct redis_reply *, void *);

static struct known *known;
static size_t n_known;
static struct collection *undeclared;
static struct redis *server;

void
collections_init(struct redis *r, struct loop *l)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };

	server = r;
	undeclared = collection_compile("", NULL, &f);
	must(undeclared != NULL);
	upkeep_documents_init(r, l);
}

void
collections_forget(const char *name)
{
	for (struct known **at = &known, *n; (n = *at) != NULL; at = &n->next)
		if (strcmp(n->k->name, name) == 0) {
			*at = n->next;
			collection_release(&n->k);
			free(n);
			n_known--;
			return;
		}
}

void
collections_fini(void)
{
	struct known *next;

	upkeep_documents_fini();
	for (struct known *n = known; n != NULL; n = next) {
		next = n->next;
		collection_release(&n->k);
		free(n);
	}
	known = NULL;
	n_known = 0;
	collection_release(&undeclared);
}

bool
collection_name_ok(const char *name)
{
	return str_token_ok(str_of(name)) && strlen(name) <= COLLECTION_NAME &&
	       strpbrk(name, "{}") == NULL;
}

const char *
collection_prefix(struct arena *a, const char *name)
{
	return arena_printf(a, "mf:{doc.%s}:", name);
}

struct collection *
collections_known(const char *name)
{
	for (struct known **at = &known; *at != NULL; at = &(*at)->next)
		if (strcmp((*at)->k->name, name) == 0) {
			struct known *n = *at; /* to the front: the last one is forgotten first */

			*at = n->next;
			n->next = known;
			known = n;
			return n->k;
		}
	return NULL;
}

struct collection *
collections_get(struct call *c, const char *name)
{
	struct collection *k = collections_known(name);

	if (k != NULL && k->dropping) { /* it may be gone by now, and declared anew */
		collections_forget(name);
		k = NULL;
	}
	return k != NULL ? hold_for(c, k) : undeclared;
}

struct collection *
collections_learn(struct call *c, const char *name, const char *kept, size_t n, struct failure *f)
{
	struct json_error e;
	json_t *v = n == 0 ? NULL : json_read(kept, n, &e);
	struct collection *k = collection_compile(name, v, f);

	json_decref(v);
	if (k == NULL) {
		f->status = ST_DATA_LOSS;
		return NULL;
	}
	known_put(k);
	return c != NULL ? hold_for(c, k) : k;
}

static void
known_put(struct collection *k)
{
	struct known *n = NULL;

	for (struct known **at = &known; *at != NULL;) {
		bool last = (*at)->next == NULL && n_known >= KNOWN_MOST;

		n = *at;
		if (!last && strcmp(n->k->name, k->name) != 0) {
			at = &n->next;
			continue;
		}
		*at = n->next;
		collection_release(&n->k);
		free(n);
		n_known--;
	}
	n = mem_zalloc(sizeof(*n));
	*n = (struct known){ known, k };
	known = n;
	n_known++;
}

static void
let_go(struct call_dep *d)
{
	struct holding *h = container_of(d, struct holding, dep);

	collection_release(&h->k);
}

static struct collection *
hold_for(struct call *c, struct collection *k)
{
	struct holding *h = ARENA_NEW(call_arena(c), struct holding);

	h->dep.cancel = let_go;
	h->k = collection_hold(k);
	call_attach(c, &h->dep);
	return k;
}

void
collections_read(struct call *c, const Mf__StoreOp *q)
{
	if (q->kind == MF__STORE_OP__KIND__QUERY_MANY)
		collections_list(c, server, q);
	else if (!collection_name_ok(q->id))
		call_fail(c, ST_NOT_FOUND, "collection %s is not declared", q->id);
	else
		collections_show(c, server, q);
}

/* --- create, update --- */

void
collections_write(struct call *c, const Mf__StoreOp *q)
{
	struct declaring *o = ARENA_NEW(call_arena(c), struct declaring);
	struct json_error e;

	if (!collection_name_ok(q->id)) {
		call_fail(c, ST_INVALID_ARGUMENT,
		    "id: the name of a collection is a token of 1 to %d characters",
		    COLLECTION_NAME);
		return;
	}
	if (q->kind == MF__STORE_OP__KIND__DELETE) {
		collections_drop(c, server, q);
		return;
	}
	o->c = c;
	o->q = q;
	o->given = json_read(q->data.data, q->data.len, &e);
	if (o->given != NULL)
		call_own_json(c, o->given);
	if (!json_is_object(o->given))
		call_fail(
		    c, ST_INVALID_ARGUMENT, "data: must be an object with schema, indexes, ttl_ms");
	else if (q->kind == MF__STORE_OP__KIND__UPDATE &&
		 json_object_get(o->given, "check") != NULL)
		sweep_check(c, server, q->id, json_object_get(o->given, "check"));
	else if (q->kind == MF__STORE_OP__KIND__CREATE || q->kind == MF__STORE_OP__KIND__UPDATE)
		start_declare(o);
	else
		call_fail(c, ST_UNIMPLEMENTED,
		    "kind: collections know create, read, update, delete and query");
}

static void
start_declare(struct declaring *o)
{
	enlist(o->q->id, o->c, on_registered, o);
}

static void
enlist(const char *name, struct call *c, redis_done_fn *done, void *ctx)
{
	const char *argv[] = { "ZADD", REGISTRY, "0", name };

	redis_command(server, c, 4, argv, (const size_t[]){ 4, strlen(REGISTRY), 1, strlen(name) },
	    done, ctx);
}

static void
on_registered(const struct redis_reply *r, void *ctx)
{
	struct declaring *o = ctx;

	if (redis_fail_call(o->c, r))
		return;
	STEP("nosql.declare.registered");
	o->had = collections_get(o->c, o->q->id);
	decide(o);
}

/* What is known here may be gone, or another one: before it ends anything, it is asked for. */
static void
decide(struct declaring *o)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	bool same = false;
	json_t *wanted = may_declare(o, &f, &same);

	if (wanted != NULL && !same)
		send_declare(o, wanted);
	else if (o->tries == 0)
		send_declare(o, NULL);
	else if (same)
		collection_reply(o->c, o->had, true);
	else
		call_fail_with(o->c, &f);
}

static json_t *
refuse(struct failure *f, enum status status, const char *reason, const char *message)
{
	*f = (struct failure){ .status = status, .reason = reason, .message = message };
	return NULL;
}

/* NULL: *f. Same: it is declared so already. */
static json_t *
may_declare(struct declaring *o, struct failure *f, bool *same)
{
	bool create = o->q->kind == MF__STORE_OP__KIND__CREATE;
	struct arena *a = call_arena(o->c);
	json_t *wanted;

	if (o->had->dropping)
		return refuse(f, ST_FAILED_PRECONDITION, "COLLECTION_DROPPED",
		    "the collection is being dropped");
	if (!create && !o->had->declared)
		return refuse(f, ST_NOT_FOUND, "",
		    arena_printf(a, "collection %s is not declared", o->q->id));
	wanted =
	    collection_declare(a, create ? NULL : o->had->definition, o->given, INDEX_BUILDING, f);
	if (wanted == NULL)
		return NULL;
	call_own_json(o->c, wanted);
	*same = o->had->declared && collection_same(wanted, o->had->definition);
	if (*same)
		return wanted;
	if (create && o->had->declared)
		return refuse(f, ST_ALREADY_EXISTS, "ID_TAKEN",
		    arena_printf(a, "collection %s is declared otherwise", o->q->id));
	if (o->q->if_version != 0 && o->q->if_version != o->had->version)
		return refuse(f, ST_ABORTED, "VERSION_CONFLICT",
		    arena_printf(a, "version is %" PRIu64 ", not %" PRIu64, o->had->version,
			o->q->if_version));
	return wanted;
}

/* wanted NULL: only ask. */
static void
send_declare(struct declaring *o, json_t *wanted)
{
	struct arena *a = call_arena(o->c);
	const char *prefix = collection_prefix(a, o->q->id);
	struct args x;

	args_start(&x, a, 6 + INDEXES_MOST);
	args_text(&x, arena_printf(a, "%sdef", prefix));
	args_text(&x, prefix);
	args_text(&x, wanted != NULL ? o->had->epoch : "?");
	args_text(&x, wanted != NULL ? json_string_value(json_object_get(wanted, "epoch")) : "");
	args_json(&x, a, wanted);
	if (wanted != NULL) {
		collection_all_ready(wanted);
		args_json(&x, a, wanted);
		add_gone_slots(&x, o->had, wanted);
		upkeep_documents_look(o->q->id); /* behind the script, whoever hears of it */
	}
	redis_script(server, o->c, collection_declare_script, 1, x.n, x.v, x.lens, on_declared, o);
	if (wanted != NULL) /* a drop that was before it takes the name out after the first time */
		enlist(o->q->id, NULL, NULL, NULL);
}

static void
add_gone_slots(struct args *x, const struct collection *had, const json_t *now)
{
	const json_t *one;
	size_t i;

	for (size_t k = 0; k < had->n_indexes; k++) {
		bool stays = false;

		json_array_foreach(json_object_get(now, "indexes"), i, one) stays |=
		    strcmp(had->indexes[k].slot, json_string_value(json_object_get(one, "slot"))) ==
		    0;
		if (!stays)
			args_text(x, had->indexes[k].slot);
	}
}

static void
on_declared(const struct redis_reply *r, void *ctx)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct declaring *o = ctx;
	struct collection *k;

	if (redis_fail_call(o->c, r) || stage_refused(o->c, r))
		return;
	k = collections_learn(o->c, o->q->id, r->items[1]->s, r->items[1]->n, &f);
	if (k == NULL) {
		call_fail_with(o->c, &f);
	} else if (script_says(r, "ok")) {
		STEP("nosql.declare.durable");
		upkeep_documents_look(k->name);
		collection_reply(o->c, k, false);
	} else if (o->tries++ == STALE_TRIES) {
		call_fail_because(o->c, ST_ABORTED, "COLLECTION_CHANGED", 10,
		    "the collection is declared anew all the time");
	} else { /* somebody declared it, or it was not met here yet */
		o->had = k;
		decide(o);
	}
}

/* upkeep: what is done to documents without being asked for; see collections_inside.h. One chore at a time,
 * that which has been due longest: what can't be done is due again later, and holds up nobody. It costs nothing while there is nothing to do: the timer stands at the end of the first document that has one,
 * and what is declared here is looked at because of that. What another process left is found in the
 * registry at the start. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/step.h"
#include "base/time.h"
#include "database/nosql/collections_inside.h"
#include "database/nosql/cut.h"
#include "database/nosql/sweep.h"

#define AGAIN_US                                                                                   \
	(1 * SEC) /* after a failure, and between two rounds over one collection at least */
#define SLICE       100
#define SLICE_TEXT  "100"
#define SLICE_PAUSE (5 * MS)
#define WRITE_US                                                                                   \
	(100 * MS) /* in which a write that was sent is done; reads know the time themselves */
#define CUT_US                                                                                     \
	(20 * MS) /* a write would be mute as long as the cut is taken: the server counts as gone */
#define HELD_US (100 * MS) /* until what is staged may be settled */

struct chore {
	struct chore *next;
	char *name;
	int64_t look_us; /* INT64_MAX: nothing to look for */
	int64_t due_us;  /* INT64_MAX: nothing ends */
	size_t built;
	struct found *found;  /* NULL: none */
	uint64_t ends;        /* documents that were said to end */
	bool listed;          /* the registry has it */
	unsigned asked, vain; /* to list it, unanswered; the first so many count for nothing */
};

struct found { /* by a build, to be kept when nothing is staged */
	char *text, *epoch, *next;
	size_t n;
	char slots[INDEXES_MOST][SLOT_LEN]; /* those that go */
};

static struct {
	struct redis *r;
	struct loop *loop;
	struct timer timer;
	struct chore *chores;
	struct chore *busy;
	struct arena *a; /* of the arguments of one script */
	bool registry;   /* it was read */
} upkeep;

static struct chore *chore_of(const char *, bool);
static void list(struct chore *);
static void on_listed(const struct redis_reply *, void *);
static void unlist(struct chore *);
static int64_t due_at(const struct chore *);
static void turn_in(int64_t);
static void on_turn(struct timer *);
static void on_registry(const struct redis_reply *, void *);
static void run(const char *, const char *, int, const char *const *, redis_done_fn *);
static void look(struct chore *);
static void look_in(struct chore *, int64_t);
static void on_look(const struct redis_reply *, void *);
static void on_slice(const struct sweep_counts *);
static void on_built(enum sweep_end, const struct collection *, const char *const *);
static void found_free(struct chore *);
static void set_state(const struct found *);
static void on_state_set(const struct redis_reply *, void *);
static void drop(const struct collection *);
static void on_dropped(const struct redis_reply *, void *);
static void expire(struct chore *);
static void on_expired(const struct redis_reply *, void *);
static void chore_done(void);

void
upkeep_documents_init(struct redis *r, struct loop *l)
{
	upkeep.r = r;
	upkeep.loop = l;
	upkeep.a = arena_new(16u << 20);
	timer_init(&upkeep.timer, l, on_turn);
	turn_in(100 * MS);
}

void
upkeep_documents_fini(void)
{
	struct chore *next;

	if (upkeep.a == NULL)
		return;
	sweep_stop();
	timer_stop(&upkeep.timer);
	for (struct chore *k = upkeep.chores; k != NULL; k = next) {
		next = k->next;
		found_free(k);
		free(k->name);
		free(k);
	}
	arena_free(&upkeep.a);
	memset(&upkeep, 0, sizeof(upkeep));
}

void
upkeep_documents_again(void)
{
	if (upkeep.a == NULL)
		return;
	upkeep.registry = false;
	for (struct chore *k = upkeep.chores; k != NULL; k = k->next)
		unlist(k);
	turn_in(0);
}

void
upkeep_documents_look(const char *name)
{
	look_in(chore_of(name, true), 0);
	turn_in(0);
}

size_t
upkeep_documents_built(const char *name)
{
	const struct chore *k = chore_of(name, false);

	return k != NULL ? k->built : 0;
}

/* Sent before the document itself, on the same connection: so the registry never lacks it. */
void
collections_ends(const char *name, int64_t in_ms)
{
	struct chore *k = chore_of(name, true);
	int64_t at = time_now_us() + in_ms * MS + WRITE_US;

	k->ends++;
	if (!k->listed)
		list(k);
	if (at >= k->due_us)
		return;
	k->due_us = at;
	turn_in(0);
}

static void
list(struct chore *k)
{
	const char *argv[] = { "ZADD", REGISTRY, "0", k->name };

	k->asked++;
	redis_command(upkeep.r, NULL, 4, argv,
	    (const size_t[]){ 4, strlen(REGISTRY), 1, strlen(k->name) }, on_listed, k);
}

static void
on_listed(const struct redis_reply *r, void *ctx)
{
	struct chore *k = ctx;

	k->asked--;
	if (k->vain > 0)
		k->vain--;
	else if (r->type != REDIS_FAILED)
		k->listed = true;
}

static void
unlist(struct chore *k)
{
	k->listed = false;
	k->vain = k->asked;
}

uint64_t
upkeep_documents_ends(const char *name)
{
	const struct chore *k = chore_of(name, false);

	return k != NULL ? k->ends : 0;
}

void
upkeep_documents_unlisted(const char *name, uint64_t ends)
{
	struct chore *k = chore_of(name, false);

	if (k == NULL)
		return;
	unlist(k);
	if (k->ends != ends)
		list(k);
}

static struct chore *
chore_of(const char *name, bool make)
{
	struct chore *k = upkeep.chores;

	while (k != NULL && strcmp(k->name, name) != 0)
		k = k->next;
	if (k != NULL || !make)
		return k;
	k = mem_zalloc(sizeof(*k));
	k->name = strdup(name);
	must(k->name != NULL);
	k->look_us = k->due_us = INT64_MAX;
	k->next = upkeep.chores;
	upkeep.chores = k;
	return k;
}

static void
turn_in(int64_t us)
{
	if (upkeep.busy == NULL)
		timer_in(&upkeep.timer, us);
}

static int64_t
due_at(const struct chore *k)
{
	return k->look_us < k->due_us ? k->look_us : k->due_us;
}

static void
on_turn(struct timer *t)
{
	const char *argv[] = { "ZRANGEBYLEX", REGISTRY, "-", "+" };
	struct chore *first = NULL;

	(void)t;
	if (upkeep.busy != NULL)
		return;
	if (cut_holding()) {
		turn_in(CUT_US);
		return;
	}
	if (!upkeep.registry) {
		redis_command(upkeep.r, NULL, 4, argv,
		    (const size_t[]){ 11, strlen(REGISTRY), 1, 1 }, on_registry, NULL);
		return;
	}
	for (struct chore *k = upkeep.chores; k != NULL; k = k->next)
		if (due_at(k) != INT64_MAX && (first == NULL || due_at(k) < due_at(first)))
			first = k;
	if (first == NULL)
		return;
	if (due_at(first) > time_now_us()) {
		turn_in(due_at(first) - time_now_us());
		return;
	}
	upkeep.busy = first;
	if (first->look_us <= first->due_us)
		look(first);
	else
		expire(first);
}

static void
on_registry(const struct redis_reply *r, void *ctx)
{
	(void)ctx;
	upkeep.registry = r->type == REDIS_ARRAY;
	for (size_t i = 0; i < r->n_items; i++)
		look_in(chore_of(r->items[i]->s, true), 0);
	turn_in(upkeep.registry ? 0 : AGAIN_US);
}

/* key: what is behind the collection's prefix. argv: behind the prefix, NULL-ended. */
static void
run(const char *script, const char *key, int n_keys, const char *const *argv, redis_done_fn *done)
{
	const char *prefix;
	struct args x;

	arena_reset(upkeep.a);
	prefix = collection_prefix(upkeep.a, upkeep.busy->name);
	args_start(&x, upkeep.a, 32);
	args_text(&x, arena_printf(upkeep.a, "%s%s", prefix, key));
	if (n_keys == 2)
		args_text(&x, arena_printf(upkeep.a, "%sop::", prefix));
	args_text(&x, prefix);
	for (; *argv != NULL; argv++)
		args_text(&x, *argv);
	redis_script(upkeep.r, NULL, script, n_keys, x.n, x.v, x.lens, done, NULL);
}

static void
chore_done(void)
{
	upkeep.busy = NULL;
	turn_in(0);
}

static void
look_in(struct chore *k, int64_t us)
{
	int64_t at = time_now_us() + us;

	if (at < k->look_us)
		k->look_us = at;
}

/* --- what is there to do? --- */

static void
look(struct chore *k)
{
	k->look_us = INT64_MAX;
	if (k->found != NULL)
		set_state(k->found);
	else
		run(collection_read_script, "def", 1, (const char *const[]){ NULL }, on_look);
}

static void
on_look(const struct redis_reply *r, void *ctx)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct collection *k = NULL;
	bool build = false;

	(void)ctx;
	if (r->type == REDIS_FAILED) {
		look_in(upkeep.busy, AGAIN_US);
		chore_done();
		return;
	}
	if (r->items[0]->type == REDIS_STRING)
		k = collections_learn(NULL, upkeep.busy->name, r->items[0]->s, r->items[0]->n, &f);
	else /* it went, and nobody was told */
		collections_forget(upkeep.busy->name);
	for (size_t i = 0; k != NULL && i < k->n_indexes; i++)
		build |= k->indexes[i].state == INDEX_BUILDING;
	upkeep.busy->built = 0;
	if (k != NULL && k->dropping)
		drop(k);
	else if (build)
		sweep_build(&(const struct build){ upkeep.r, upkeep.loop, k, on_slice, on_built });
	else
		expire(upkeep.busy);
}

/* --- indexes --- */

static void
on_slice(const struct sweep_counts *n)
{
	upkeep.busy->built = n->documents;
}

static void
on_built(enum sweep_end end, const struct collection *k, const char *const *why)
{
	struct found *x;
	json_t *kept;

	if (end != SWEEP_DONE) {
		look_in(upkeep.busy, end == SWEEP_FAILED ? AGAIN_US : 0);
		chore_done();
		return;
	}
	STEP("nosql.index.built");
	x = upkeep.busy->found = mem_zalloc(sizeof(*x));
	kept = json_deep_copy(k->definition);
	collection_set_epoch(kept);
	for (size_t i = 0; i < k->n_indexes; i++) {
		if (k->indexes[i].state != INDEX_BUILDING)
			continue;
		collection_set_state(
		    kept, k->indexes[i].slot, why[i] != NULL ? INDEX_FAILED : INDEX_READY, why[i]);
		if (why[i] != NULL)
			snprintf(x->slots[x->n++], SLOT_LEN, "%s", k->indexes[i].slot);
		log_info("index_built", L_STR("collection", k->name),
		    L_STR("index", k->indexes[i].name), L_STR("why", why[i] != NULL ? why[i] : ""));
	}
	x->text = json_dumps(kept, JSON_COMPACT);
	x->epoch = strdup(k->epoch);
	x->next = strdup(json_string_value(json_object_get(kept, "epoch")));
	must(x->text != NULL && x->epoch != NULL && x->next != NULL);
	json_decref(kept);
	set_state(x);
}

static void
set_state(const struct found *x)
{
	const char *argv[5 + INDEXES_MOST] = { x->epoch, x->next, x->text, x->text };

	for (size_t i = 0; i < x->n; i++)
		argv[4 + i] = x->slots[i];
	run(collection_declare_script, "def", 1, argv, on_state_set);
}

/* Writers keep what was built, until it is declared anew: it stays found while it can't be kept. */
static void
on_state_set(const struct redis_reply *r, void *ctx)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	bool ok = script_says(r, "ok");

	(void)ctx;
	if (!ok && !script_says(r, "stale")) { /* staged documents are there */
		look_in(upkeep.busy, r->type == REDIS_FAILED ? AGAIN_US : HELD_US);
		chore_done();
		return;
	}
	found_free(upkeep.busy);
	if (ok && collections_learn(NULL, upkeep.busy->name, r->items[1]->s, r->items[1]->n, &f) !=
		      NULL) {
		expire(upkeep.busy);
		return;
	}
	look_in(upkeep.busy, ok ? AGAIN_US : 0);
	chore_done();
}

static void
found_free(struct chore *k)
{
	if (k->found == NULL)
		return;
	free(k->found->text);
	free(k->found->epoch);
	free(k->found->next);
	free(k->found);
	k->found = NULL;
}

/* --- a drop that was cut short --- */

static void
drop(const struct collection *k)
{
	const char *argv[4 + INDEXES_MOST] = { k->epoch, SLICE_TEXT, "0" };

	for (size_t i = 0; i < k->n_indexes; i++)
		argv[3 + i] = k->indexes[i].slot;
	run(collection_drop_script, "def", 2, argv, on_dropped);
}

static void
on_dropped(const struct redis_reply *r, void *ctx)
{
	(void)ctx;
	if (script_says(r, "ok") && r->items[1]->i == 0) {
		collections_forget(upkeep.busy->name);
		chore_done();
		return;
	}
	look_in(upkeep.busy, r->type == REDIS_FAILED ? AGAIN_US : SLICE_PAUSE);
	chore_done();
}

/* --- documents whose time is over --- */

/* What is said to end while this is on its way may be written behind it. */
static void
expire(struct chore *k)
{
	if (k->due_us <= time_now_us())
		k->due_us = INT64_MAX;
	run(collection_expire_script, "ttl", 1, (const char *const[]){ SLICE_TEXT, NULL },
	    on_expired);
}

static void
on_expired(const struct redis_reply *r, void *ctx)
{
	struct chore *k = upkeep.busy;
	int64_t in_us = INT64_MAX, left;
	uint64_t at_ms;

	(void)ctx;
	if (r->type == REDIS_FAILED) {
		in_us = AGAIN_US;
	} else {
		if (r->items[0]->i > 0)
			STEP("nosql.expire.durable");
		if (r->items[0]->i == SLICE) {
			in_us = SLICE_PAUSE;
		} else if (r->items[1]->type == REDIS_STRING &&
			   str_u64((struct str){ r->items[1]->s, r->items[1]->n }, INT64_MAX / MS,
			       &at_ms)) {
			left = (int64_t)at_ms * MS - time_wall_us();
			in_us = left > AGAIN_US ? left : AGAIN_US;
		}
		/* the life of what is staged has not begun */
		if (r->items[2]->i > 0 && in_us > AGAIN_US)
			in_us = AGAIN_US;
	}
	if (in_us != INT64_MAX && time_now_us() + in_us < k->due_us)
		k->due_us = time_now_us() + in_us;
	chore_done();
}

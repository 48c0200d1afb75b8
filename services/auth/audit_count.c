/* audit_count: see audit_count.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "auth/audit_count.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/time.h"

#define WINDOW_US  (10 * SEC)
#define MOST       4096 /* different counts in a window */
#define ALONE_MOST 100  /* records of refusals a second */
#define BATCHES    16   /* reports of others that are remembered */
#define WHAT_MOST  200  /* of a permission */

struct key {
	char kind[16], outcome[16], who[UUID_LEN + 28];
	char what[WHAT_MOST + 1];
};

struct count {
	struct key key;
	uint64_t n;
	UT_hash_handle hh;
};

struct audit_count {
	struct loop *loop;
	struct audit *log;
	struct count *counts;
	struct timer timer;
	int64_t second;
	unsigned alone, batch;
	char batches[BATCHES][UUID_LEN];
};

static void on_timer(struct timer *t);
static int by_key(const struct count *x, const struct count *y);
static void say(struct audit_count *c, const struct count *first, size_t n);

struct audit_count *
audit_count_open(struct loop *l, struct audit *log)
{
	struct audit_count *c = mem_zalloc(sizeof(*c));

	c->loop = l;
	c->log = log;
	timer_init(&c->timer, l, on_timer);
	return c;
}

void
audit_count_close(struct audit_count **cp)
{
	struct audit_count *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	audit_count_flush(c);
	free(c);
}

/* One record for each principal: what he was permitted, and how often. */
void
audit_count_flush(struct audit_count *c)
{
	struct count *x, *first, *next;
	size_t n;

	timer_stop(&c->timer);
	HASH_SORT(c->counts, by_key);
	for (first = c->counts; first != NULL; first = x) {
		n = 0;
		for (x = first; x != NULL && strcmp(x->key.who, first->key.who) == 0 &&
				strcmp(x->key.kind, first->key.kind) == 0 &&
				strcmp(x->key.outcome, first->key.outcome) == 0 && n < 64;
		     x = x->hh.next)
			n++;
		say(c, first, n);
	}
	first = c->counts;
	HASH_CLEAR(hh, c->counts);
	c->counts = NULL;
	for (x = first; x != NULL; x = next) {
		next = x->hh.next;
		free(x);
	}
}

bool
audit_count_add(struct audit_count *c, const char *kind, const char *outcome, const char *who,
    const char *what, uint64_t n)
{
	struct key key = { 0 };
	struct count *x;

	(void)snprintf(key.kind, sizeof(key.kind), "%s", kind);
	(void)snprintf(key.outcome, sizeof(key.outcome), "%s", outcome);
	(void)snprintf(key.who, sizeof(key.who), "%s", who);
	(void)snprintf(key.what, sizeof(key.what), "%s", what);
	HASH_FIND(hh, c->counts, &key, sizeof(key), x);
	if (x == NULL && HASH_COUNT(c->counts) >= MOST) {
		memset(key.who, 0, sizeof(key.who));
		memset(key.what, 0, sizeof(key.what));
		HASH_FIND(hh, c->counts, &key, sizeof(key), x);
	}
	if (x != NULL) {
		x->n += n;
		return false;
	}
	x = mem_zalloc(sizeof(*x));
	x->key = key;
	x->n = n;
	HASH_ADD(hh, c->counts, key, sizeof(x->key), x);
	if (c->timer.at_us == 0)
		timer_in(&c->timer, WINDOW_US);
	return true;
}

bool
audit_count_spare(struct audit_count *c)
{
	int64_t second = loop_now(c->loop) / SEC;

	if (second != c->second) {
		c->second = second;
		c->alone = 0;
	}
	return c->alone++ < ALONE_MOST;
}

bool
audit_count_again(struct audit_count *c, const char *batch)
{
	for (size_t i = 0; i < BATCHES; i++)
		if (strcmp(c->batches[i], batch) == 0)
			return true;
	(void)snprintf(c->batches[c->batch++ % BATCHES], UUID_LEN, "%s", batch);
	return false;
}

static void
on_timer(struct timer *t)
{
	audit_count_flush(container_of(t, struct audit_count, timer));
}

static int
by_key(const struct count *x, const struct count *y)
{
	int d = strcmp(x->key.who, y->key.who);

	if (d == 0)
		d = strcmp(x->key.kind, y->key.kind);
	if (d == 0)
		d = strcmp(x->key.outcome, y->key.outcome);
	return d != 0 ? d : strcmp(x->key.what, y->key.what);
}

static void
say(struct audit_count *c, const struct count *first, size_t n)
{
	const struct count *x = first;
	json_t *counts = json_object();
	bool is_id = uuid_ok(first->key.who);
	struct audit_event e = { .kind = first->key.kind, .outcome = first->key.outcome };
	char *text;

	for (size_t i = 0; i < n; i++, x = x->hh.next) {
		const char *what = x->key.what[0] != '\0' ? x->key.what : "-";

		e.count += x->n;
		json_object_set_new(counts, what, json_integer((json_int_t)x->n));
	}
	text = audit_canonical(counts);
	json_decref(counts);
	e.counts = text;
	if (is_id)
		e.actor = first->key.who;
	else
		e.address = first->key.who;
	audit_note(c->log, &e);
	free(text);
}

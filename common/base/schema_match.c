/* schema_match: see schema_pattern.h. Between two characters there is a set of steps at which a match may stand; each step
 * is in it once, so the work per character is bounded by the number of steps. */
#include <string.h>

#include "base/schema_pattern.h"

/* Room for the longest pattern: that the compiler clears it would be most of the work for a short one. */
#define UNCLEARED __attribute__((uninitialized))

struct set {
	size_t n;
	uint16_t steps[SCHEMA_PATTERN_STEPS];
};

struct run {
	const struct schema_pattern *p;
	struct str text;
	size_t at, work;
	bool matched;
	uint32_t round;                       /* steps with this mark are in the set */
	uint32_t marks[SCHEMA_PATTERN_STEPS]; /* cleared as far as the pattern has steps */
	uint16_t todo[SCHEMA_PATTERN_STEPS + 1];
};

static void go(struct run *, size_t);
static void enter(struct run *, struct set *, size_t);
static bool eats(const struct schema_pattern *, const struct schema_step *, uint32_t);

bool
schema_pattern_matches(const struct schema_pattern *p, struct str text, size_t *work)
{
	struct run r UNCLEARED;

	r.p = p;
	r.text = text;
	r.at = r.work = 0;
	r.matched = false;
	r.round = 1;
	memset(r.marks, 0, p->n * sizeof(r.marks[0]));
	go(&r, *work);
	*work -= r.work < *work ? r.work : *work;
	return r.matched && *work != 0;
}

static void
go(struct run *r, size_t most)
{
	bool anchored = r->p->steps[0].op == SCHEMA_OP_BEGIN;
	struct set sets[2] UNCLEARED, *now = &sets[0], *next = &sets[1], *was;

	now->n = 0;
	for (;;) {
		size_t n;
		uint32_t c;

		if (r->at == 0 || !anchored)
			enter(r, now, 0);
		if (r->matched || r->at == r->text.n || r->work > most || (anchored && now->n == 0))
			return;
		c = schema_pattern_char(r->text.p + r->at, r->text.n - r->at, &n);
		r->at += n;
		r->round++;
		next->n = 0;
		for (size_t i = 0; i < now->n; i++)
			if (eats(r->p, &r->p->steps[now->steps[i]], c))
				enter(r, next, now->steps[i] + 1u);
		r->work += now->n;
		was = now;
		now = next;
		next = was;
	}
}

static bool
is_word(struct str text, size_t at)
{
	unsigned char c = at < text.n ? (unsigned char)text.p[at] : 0;

	return (c >= '0' && c <= '9') || c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* An assertion: whether it holds where the run is. */
static bool
holds(const struct run *r, int op)
{
	bool edge;

	if (op == SCHEMA_OP_BEGIN)
		return r->at == 0;
	if (op == SCHEMA_OP_END)
		return r->at == r->text.n;
	edge = (r->at > 0 && is_word(r->text, r->at - 1)) != is_word(r->text, r->at);
	return edge == (op == SCHEMA_OP_WORD);
}

static void
todo_add(struct run *r, size_t *n, size_t step)
{
	if (r->marks[step] == r->round)
		return;
	r->marks[step] = r->round;
	r->todo[(*n)++] = (uint16_t)step;
}

/* Into the set, with all steps that follow without a character. */
static void
enter(struct run *r, struct set *set, size_t step)
{
	size_t n = 0;

	for (todo_add(r, &n, step); n > 0;) {
		size_t at = r->todo[--n];
		const struct schema_step *s = &r->p->steps[at];

		r->work++;
		switch (s->op) {
		case SCHEMA_OP_MATCH:
			r->matched = true;
			return;
		case SCHEMA_OP_SPLIT:
			todo_add(r, &n, s->x);
			todo_add(r, &n, at + 1);
			break;
		case SCHEMA_OP_JUMP:
			todo_add(r, &n, s->x);
			break;
		case SCHEMA_OP_CHAR:
		case SCHEMA_OP_CLASS:
			set->steps[set->n++] = (uint16_t)at;
			break;
		default:
			if (holds(r, s->op))
				todo_add(r, &n, at + 1);
		}
	}
}

static bool
eats(const struct schema_pattern *p, const struct schema_step *s, uint32_t c)
{
	const struct schema_class *k;

	if (s->op == SCHEMA_OP_CHAR)
		return s->x == c;
	k = p->classes[s->x];
	if (c < 128)
		return ((k->ascii[c / 32] >> c % 32 & 1) != 0) != k->negated;
	for (size_t i = 0; i < k->n; i++)
		if (c >= k->ranges[i][0] && c <= k->ranges[i][1])
			return !k->negated;
	return k->negated;
}

uint32_t
schema_pattern_char(const char *text, size_t left, size_t *n)
{
	static const unsigned char bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	const unsigned char *p = (const unsigned char *)text;
	size_t most = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4, i = 1;
	uint32_t c = p[0] & bits[most];

	/* what is cut short is read no further: a header may hold any bytes */
	for (; i < most && i < left && (p[i] & 0xc0) == 0x80; i++)
		c = c << 6 | (p[i] & 0x3fu);
	*n = i;
	return c;
}

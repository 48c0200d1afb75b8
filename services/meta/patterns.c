/* patterns: see patterns.h. Called by gather.c (facts) and errors.c (who asks). */
#include "meta/patterns.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

/* without one it is away; with so many in a minute it is back */
#define AWAY_US (600 * SEC)
#define BACK    5
/* seconds: beyond, the clock that they are of was set back */
#define LATE 60

static void set_text(char *, size_t, const char *);
static bool is_control(const char *, size_t);
static uint64_t fingerprint_of(const struct pattern *);
static struct pattern *find(struct patterns *, uint64_t);
static struct pattern *take_place(struct patterns *, const struct pattern *);
static void count(struct pattern *, uint64_t, int64_t);
static void pair(struct patterns *, struct pattern *, int64_t);
static void add_companion(struct pattern *, uint64_t);
static void turn(struct pattern *, int64_t);
static bool passes(const struct pattern *, const struct pattern_filter *);
static int by_frequency(const void *, const void *);

struct patterns *
patterns_new(void)
{
	return mem_zalloc(sizeof(struct patterns));
}

void
patterns_free(struct patterns **p)
{
	free(*p);
	*p = NULL;
}

const struct pattern *
patterns_add(struct patterns *p, const struct pattern_fact *f, int64_t at, int64_t now)
{
	struct pattern one = { .status = f->status, .first_us = at }, *x;
	bool fresh, back;

	set_text(one.node, sizeof(one.node), f->node);
	set_text(one.method, sizeof(one.method), f->method);
	set_text(one.cause, sizeof(one.cause), f->cause);
	one.fingerprint = fingerprint_of(&one);
	x = find(p, one.fingerprint);
	fresh = x == NULL;
	if (fresh)
		x = take_place(p, &one);
	x->away |= !fresh && at - x->last_us > AWAY_US;
	if (at > x->last_us)
		x->last_us = at;
	set_text(x->message, sizeof(x->message), f->message);
	count(x, f->count, now);
	pair(p, x, f->second);
	back = x->away && pattern_within(x, WINDOW_1M) >= BACK;
	x->away &= !back;
	return fresh || back ? x : NULL;
}

size_t
patterns_list(struct patterns *p, const struct pattern_filter *f, int64_t now,
    const struct pattern **out, size_t most)
{
	const struct pattern *all[PATTERNS_MOST];
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		turn(&p->all[i], now);
		if (passes(&p->all[i], f))
			all[n++] = &p->all[i];
	}
	if (n == 0)
		return 0;
	qsort(all, n, sizeof(all[0]), by_frequency);
	if (n > most)
		n = most;
	memcpy(out, all, n * sizeof(all[0]));
	return n;
}

uint64_t
pattern_within(const struct pattern *p, enum window w)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < windows[w].n; i++)
		sum += p->counts[windows[w].first + i];
	return sum;
}

double
pattern_share(const struct patterns *p, const struct pattern *of, const struct companion *c)
{
	bool known = false;

	for (size_t i = 0; i < p->n; i++)
		known |= p->keys[i] == c->fingerprint;
	return known && of->seconds != 0 ? (double)c->seconds / (double)of->seconds : 0;
}

/* What a node said goes to terminals and logs of others: control characters become blanks, and what is
 * no UTF-8 a question mark. Cut between characters. */
static void
set_text(char *out, size_t size, const char *s)
{
	size_t left = strlen(s), at = 0, n;

	for (; left > 0; s += n, left -= n) {
		size_t valid = str_utf8_char(s, left);

		n = valid != 0 ? valid : 1;
		if (at + n >= size)
			break;
		if (valid == 0 || is_control(s, n))
			out[at++] = valid == 0 ? '?' : ' ';
		else
			at = (size_t)((char *)mempcpy(out + at, s, n) - out);
	}
	out[at] = '\0';
}

/* C0, DEL, and C1 as UTF-8 has them */
static bool
is_control(const char *s, size_t n)
{
	const unsigned char *c = (const unsigned char *)s;

	return n == 1 ? c[0] < ' ' || c[0] == 0x7f : n == 2 && c[0] == 0xc2 && c[1] < 0xa0;
}

/* SipHash-2-4 under a key that everybody knows: a name, no secret. 0 is nobody's. */
static uint64_t
fingerprint_of(const struct pattern *p)
{
	static const uint8_t key[crypto_shorthash_KEYBYTES] = "metafed pattern";
	char text[sizeof(p->node) + sizeof(p->method) + sizeof(p->cause) + 8];
	char *at = text;
	uint64_t h;

	at = stpcpy(at, p->node) + 1;
	at = stpcpy(at, p->method) + 1;
	at = stpcpy(at, p->cause) + 1;
	*at++ = (char)p->status;
	_Static_assert(crypto_shorthash_BYTES == sizeof(h), "64 bits");
	crypto_shorthash((uint8_t *)&h, (const uint8_t *)text, (size_t)(at - text), key);
	return h != 0 ? h : 1;
}

static struct pattern *
find(struct patterns *p, uint64_t key)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->keys[i] == key)
			return &p->all[i];
	return NULL;
}

static struct pattern *
take_place(struct patterns *p, const struct pattern *one)
{
	size_t place = 0;

	if (p->n < PATTERNS_MOST) {
		place = p->n++;
	} else {
		for (size_t i = 1; i < p->n; i++)
			if (p->all[i].last_us < p->all[place].last_us)
				place = i;
		p->evicted++;
	}
	p->keys[place] = one->fingerprint;
	p->all[place] = *one;
	return &p->all[place];
}

static void
count(struct pattern *x, uint64_t n, int64_t now)
{
	x->count += n;
	for (int w = 0; w < WINDOWS; w++) {
		uint32_t *slice =
		    slices_now(&x->slices, x->counts, sizeof(x->counts[0]), (enum window)w, now);

		*slice = n < UINT32_MAX - *slice ? *slice + (uint32_t)n : UINT32_MAX;
	}
}

/* Once for each second in which it came: with all others that came in it so far. */
static void
pair(struct patterns *p, struct pattern *x, int64_t second)
{
	size_t of = (size_t)(second & 1);

	if (x->newest[of] >= second && x->newest[of] - second < LATE)
		return; /* again, or too late */
	x->newest[of] = second;
	x->seconds++;
	for (size_t i = 0; i < p->n; i++) {
		struct pattern *y = &p->all[i];

		if (y == x || y->newest[of] != second)
			continue;
		add_companion(x, y->fingerprint);
		add_companion(y, x->fingerprint);
	}
}

/* Without room the rarest one leaves. */
static void
add_companion(struct pattern *x, uint64_t fingerprint)
{
	struct companion *rarest = &x->with[0];

	for (size_t i = 0; i < COMPANIONS_MOST; i++) {
		struct companion *c = &x->with[i];

		if (c->fingerprint == fingerprint) {
			c->seconds++;
			return;
		}
		if (c->seconds < rarest->seconds)
			rarest = c;
	}
	*rarest = (struct companion){ fingerprint, 1 };
}

static void
turn(struct pattern *x, int64_t now)
{
	for (int w = 0; w < WINDOWS; w++)
		slices_now(&x->slices, x->counts, sizeof(x->counts[0]), (enum window)w, now);
}

static bool
passes(const struct pattern *x, const struct pattern_filter *f)
{
	return (f->node == NULL || strcmp(f->node, x->node) == 0) &&
	       (f->status == NULL || strcmp(f->status, status_name(x->status)) == 0) &&
	       (f->window == WINDOWS || pattern_within(x, f->window) != 0);
}

static int
by_frequency(const void *va, const void *vb)
{
	const struct pattern *a = *(const struct pattern *const *)va;
	const struct pattern *b = *(const struct pattern *const *)vb;

	for (int w = 0; w < WINDOWS; w++) {
		uint64_t na = pattern_within(a, (enum window)w);
		uint64_t nb = pattern_within(b, (enum window)w);

		if (na != nb)
			return na < nb ? 1 : -1;
	}
	return (a->last_us < b->last_us) - (a->last_us > b->last_us);
}

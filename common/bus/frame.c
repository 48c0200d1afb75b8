/* frame: encoding and bounds-checked reading of frames.
 *
 * The reader takes bytes of anybody: every length is compared with what is left before it is used,
 * and frame_open walks the whole frame once, so that its users act on all of it or on nothing.
 * Called by line.c, fuzzed by tests/fuzz/frame.c. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "bus/frame.h"
#include "bus/wire.h"

#define FRAME_FIRST 4096u        /* most frames are smaller */
#define FRAME_KEEP  (512u << 10) /* a buffer beyond this is given back */
#define RECORD_MAX  (1 + 8 + 4)  /* what a record adds to its bytes, at most */

static void frame_reserve(struct frame_out *f, size_t more);
static bool take(struct frame_in *in, size_t n, const uint8_t **p);
static bool take_record(struct frame_in *in, struct frame_record *r);
static bool name_ok(const char *s);

struct frame_out *
frame_new(void)
{
	struct frame_out *f = calloc(1, sizeof(*f));

	must(f != NULL);
	frame_reserve(f, FRAME_FIRST - FRAME_HEAD_MAX);
	return f;
}

void
frame_free(struct frame_out **f)
{
	if (*f == NULL)
		return;
	free((*f)->p);
	free(*f);
	*f = NULL;
}

void
frame_clear(struct frame_out *f)
{
	f->n = 0;
	f->records = 0;
	if (f->cap > FRAME_KEEP) {
		free(f->p);
		f->p = NULL;
		f->cap = 0;
		frame_reserve(f, FRAME_FIRST - FRAME_HEAD_MAX);
	}
}

bool
frame_has_room(const struct frame_out *f, size_t n)
{
	return f->records == 0 ||
	       (f->records < WIRE_CALLS_MAX && f->n + n + RECORD_MAX <= WIRE_FRAME_MAX);
}

void
frame_add(struct frame_out *f, const struct frame_record *r)
{
	uint8_t *p;

	frame_reserve(f, r->n + RECORD_MAX);
	p = f->p + FRAME_HEAD_MAX + f->n;
	*p++ = (uint8_t)r->kind;
	if (r->kind == RECORD_ANSWER || r->kind == RECORD_CANCEL) {
		frame_put64(p, r->id);
		p += 8;
	}
	if (r->kind == RECORD_ANSWER || r->kind == RECORD_CALL) {
		for (int i = 0; i < 4; i++)
			*p++ = (uint8_t)(r->n >> (8 * i));
	}
	if (r->kind != RECORD_CANCEL && r->n > 0) {
		memcpy(p, r->p, r->n);
		p += r->n;
	}
	f->n = (size_t)(p - f->p) - FRAME_HEAD_MAX;
	f->records++;
}

const uint8_t *
frame_close(struct frame_out *f, const struct frame_head *h, size_t *n)
{
	size_t head = FRAME_HEAD_MAX - ((h->flags & FRAME_HINT) != 0 ? 0 : 16);
	uint8_t *p = f->p + FRAME_HEAD_MAX - head;

	frame_put64(p, h->to);
	frame_put64(p + 8, h->from);
	for (int i = 0; i < 4; i++)
		p[16 + i] = (uint8_t)(h->received >> (8 * i));
	p[20] = (uint8_t)h->flags;
	p[21] = (uint8_t)(h->flags >> 8);
	if ((h->flags & FRAME_HINT) != 0) {
		frame_put64(p + 22, h->hint_epoch);
		frame_put64(p + 30, h->hint_value);
	}
	*n = head + f->n;
	return p;
}

enum frame_kind
frame_kind_of(const void *p, size_t n)
{
	const uint8_t *b = p;

	if (n == 0)
		return FRAME_BAD;
	if (b[0] != 0)
		return FRAME_PLAIN;
	if (n < FRAME_PREFIX || b[1] < FRAME_HELLO || b[1] > FRAME_BELL)
		return FRAME_BAD;
	return (enum frame_kind)b[1];
}

bool
frame_open(struct frame_in *in, const void *p, size_t n, struct frame_head *h)
{
	struct frame_in walk = { p, n };
	struct frame_record r;
	const uint8_t *b;

	memset(h, 0, sizeof(*h));
	if (!take(&walk, FRAME_HEAD_MAX - 16, &b))
		return false;
	h->to = frame_get64(b);
	h->from = frame_get64(b + 8);
	h->received = b[16] | (uint32_t)b[17] << 8 | (uint32_t)b[18] << 16 | (uint32_t)b[19] << 24;
	h->flags = (uint16_t)(b[20] | b[21] << 8);
	if ((h->flags & ~(FRAME_DRAINING | FRAME_HINT | FRAME_UNFIT)) != 0)
		return false;
	if ((h->flags & FRAME_HINT) != 0) {
		if (!take(&walk, 16, &b))
			return false;
		h->hint_epoch = frame_get64(b);
		h->hint_value = frame_get64(b + 8);
	}
	*in = walk;
	for (unsigned i = 0; walk.n > 0; i++)
		if (i == WIRE_CALLS_MAX || !take_record(&walk, &r))
			return false;
	return true;
}

bool
frame_next(struct frame_in *in, struct frame_record *r)
{
	return in->n > 0 && take_record(in, r);
}

size_t
frame_hello(uint8_t out[FRAME_HELLO_MAX], enum frame_kind kind, uint64_t to, const Mf__Hello *h)
{
	must(mf__hello__get_packed_size(h) + FRAME_PREFIX + 8 <= FRAME_HELLO_MAX);
	out[0] = 0;
	out[1] = (uint8_t)kind;
	frame_put64(out + FRAME_PREFIX, to);
	return FRAME_PREFIX + 8 + mf__hello__pack(h, out + FRAME_PREFIX + 8);
}

Mf__Hello *
frame_read_hello(const void *p, size_t n, uint64_t *to)
{
	const uint8_t *b = p;
	Mf__Hello *h;

	if (n < FRAME_PREFIX + 8 || n > FRAME_HELLO_MAX)
		return NULL;
	*to = frame_get64(b + FRAME_PREFIX);
	h = mf__hello__unpack(NULL, n - FRAME_PREFIX - 8, b + FRAME_PREFIX + 8);
	if (h != NULL && (!name_ok(h->node) || (h->instance[0] != '\0' && !name_ok(h->instance)))) {
		mf__hello__free_unpacked(h, NULL);
		h = NULL;
	}
	return h;
}

void
frame_put64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

uint64_t
frame_get64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void
frame_reserve(struct frame_out *f, size_t more)
{
	size_t need = FRAME_HEAD_MAX + f->n + more, cap = f->cap == 0 ? FRAME_FIRST : f->cap;

	if (need <= f->cap)
		return;
	while (cap < need)
		cap *= 2;
	f->p = realloc(f->p, cap);
	must(f->p != NULL);
	f->cap = cap;
}

static bool
take(struct frame_in *in, size_t n, const uint8_t **p)
{
	if (n > in->n)
		return false;
	*p = in->p;
	in->p += n;
	in->n -= n;
	return true;
}

static bool
take_record(struct frame_in *in, struct frame_record *r)
{
	const uint8_t *b;

	if (!take(in, 1, &b))
		return false;
	*r = (struct frame_record){ .kind = (enum record_kind) * b };
	if (*b < RECORD_CALL || *b > RECORD_BELL_KEY)
		return false;
	if (r->kind == RECORD_ANSWER || r->kind == RECORD_CANCEL) {
		if (!take(in, 8, &b))
			return false;
		r->id = frame_get64(b);
	}
	if (r->kind == RECORD_BELL_KEY) {
		r->n = FRAME_KEY_BYTES;
	} else if (r->kind != RECORD_CANCEL) {
		if (!take(in, 4, &b))
			return false;
		r->n = b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
	}
	return r->n <= WIRE_CALL_MAX && take(in, r->n, &r->p);
}

static bool
name_ok(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n < 64 && s[n] == '\0';
}

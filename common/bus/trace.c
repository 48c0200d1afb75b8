/* trace: W3C trace context, version 00. A call that comes without a valid one starts a trace; each
 * call out gets a span of its own below the span that we were called with. Span ids are random but
 * no secret: the bus's generator makes them. */
#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "bus/inside.h"

static bool traceparent_ok(struct str t);
static bool hex_not_zero(const char *p, size_t n);
static void put_hex(char *out, uint64_t v);

void
trace_start(struct call *c, struct str t)
{
	if (traceparent_ok(t)) {
		memcpy(c->traceparent, t.p, TRACEPARENT_LEN - 1);
	} else {
		memcpy(c->traceparent, "00-", 3);
		put_hex(c->traceparent + 3, rng_next(&c->bus->rng));
		put_hex(c->traceparent + 19, rng_next(&c->bus->rng) | 1);
		c->traceparent[35] = '-';
		put_hex(c->traceparent + 36, rng_next(&c->bus->rng) | 1);
		memcpy(c->traceparent + 52, "-01", 4);
	}
	memcpy(c->trace_id, c->traceparent + 3, 32);
}

void
trace_child(struct call *c, char out[TRACEPARENT_LEN])
{
	memcpy(out, c->traceparent, TRACEPARENT_LEN);
	put_hex(out + 36, rng_next(&c->bus->rng) | 1);
}

struct call *
call_enter(struct call *c)
{
	struct call *before = c->bus->current;

	c->bus->current = c;
	log_set_trace(c->trace_id);
	return before;
}

void
call_leave(struct bus *b, struct call *before)
{
	b->current = before;
	log_set_trace(before != NULL ? before->trace_id : NULL);
}

static bool
traceparent_ok(struct str t)
{
	return t.n == TRACEPARENT_LEN - 1 && memcmp(t.p, "00-", 3) == 0 &&
	       hex_not_zero(t.p + 3, 32) && t.p[35] == '-' && hex_not_zero(t.p + 36, 16) &&
	       t.p[52] == '-' && memchr("0123456789abcdef", t.p[53], 16) != NULL &&
	       memchr("0123456789abcdef", t.p[54], 16) != NULL;
}

static bool
hex_not_zero(const char *p, size_t n)
{
	bool some = false;

	for (size_t i = 0; i < n; i++) {
		if (memchr("0123456789abcdef", p[i], 16) == NULL)
			return false;
		some |= p[i] != '0';
	}
	return some;
}

static void
put_hex(char *out, uint64_t v)
{
	for (int i = 15; i >= 0; i--, v >>= 4)
		out[i] = "0123456789abcdef"[v & 15];
}

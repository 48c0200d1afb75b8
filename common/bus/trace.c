/* trace: W3C trace context, version 00. Where a request enters the fleet its trace begins, or goes on
 * below the client's span, and it is decided whether all hops tell of it (flag 01). Each call out gets a
 * span of its own below the span that we were called with. Span ids are random but no secret: the
 * bus's generator makes them. */
#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "bus/inside.h"

#define TRACE_AT 3 /* in "00-TRACE-SPAN-FLAGS" */
#define SPAN_AT  36
#define FLAGS_AT 53

#define NO_DIGIT 0x10 /* and whatever is or'ed with it */
#define NONE8    16, 16, 16, 16, 16, 16, 16, 16
#define NONE32   NONE8, NONE8, NONE8, NONE8
#define NONE48   NONE32, NONE8, NONE8

/* Lower-case hex digits by their character. */
static const uint8_t digits[256] = { NONE48, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 16, 16, 16, 16, 16,
	NONE32, 16, 10, 11, 12, 13, 14, 15, 16, NONE8, NONE8, NONE8, NONE32, NONE32, NONE32,
	NONE32 };

static bool traceparent_ok(struct str t);
static bool hex_not_zero(const char *p, size_t n);
static void put_hex(char *out, uint64_t v);
static uint64_t get_hex(const char *p);
static bool flag_01(const char *traceparent);
static void set_sampled(struct call *c, bool sampled);
static void begin(struct call *c);

void
trace_start(struct call *c, struct str t)
{
	if (traceparent_ok(t))
		memcpy(c->traceparent, t.p, TRACEPARENT_LEN - 1);
	else
		begin(c);
	memcpy(c->trace_id, c->traceparent + TRACE_AT, 32);
	c->sampled = flag_01(c->traceparent);
}

/* Whether he wants it kept a client says over HTTP; on the bus the flag 00 is only what libraries send. */
void
trace_enter(struct call *c, struct str t, bool heeded)
{
	bool joined = traceparent_ok(t), wanted = joined && flag_01(t.p);

	c->entry = true;
	if (joined) {
		memcpy(c->traceparent, t.p, TRACEPARENT_LEN - 1);
		c->above = get_hex(t.p + SPAN_AT);
	} else {
		begin(c);
	}
	memcpy(c->trace_id, c->traceparent + TRACE_AT, 32);
	c->span = rng_next(&c->bus->rng) | 1;
	put_hex(c->traceparent + SPAN_AT, c->span);
	c->asked = wanted && heeded && spans_heed(c->bus);
	set_sampled(c, c->asked || ((!joined || wanted || c->kind == CALL_SERVED) &&
				       trace_sampled(c->trace_id, c->bus->tracing.sample)));
}

uint64_t
trace_child(struct call *c, char out[TRACEPARENT_LEN])
{
	uint64_t span = rng_next(&c->bus->rng) | 1;

	memcpy(out, c->traceparent, TRACEPARENT_LEN);
	put_hex(out + SPAN_AT, span);
	return span;
}

uint64_t
trace_span(struct call *c)
{
	if (c->span == 0)
		c->span = get_hex(c->traceparent + SPAN_AT);
	return c->span;
}

bool
trace_sampled(const char *trace_id, double share)
{
	const uint64_t all = UINT64_C(1) << 56;
	uint64_t low = get_hex(trace_id + 16) & (all - 1);

	return share >= 1 || (share > 0 && low >= (uint64_t)((1 - share) * (double)all));
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

static void
begin(struct call *c)
{
	memcpy(c->traceparent, "00-", TRACE_AT);
	put_hex(c->traceparent + TRACE_AT, rng_next(&c->bus->rng));
	put_hex(c->traceparent + TRACE_AT + 16, rng_next(&c->bus->rng) | 1);
	c->traceparent[SPAN_AT - 1] = '-';
	put_hex(c->traceparent + SPAN_AT, rng_next(&c->bus->rng) | 1);
	memcpy(c->traceparent + FLAGS_AT - 1, "-00", 4);
}

static void
set_sampled(struct call *c, bool sampled)
{
	c->sampled = sampled;
	c->traceparent[FLAGS_AT] = '0';
	c->traceparent[FLAGS_AT + 1] = sampled ? '1' : '0';
}

static bool
traceparent_ok(struct str t)
{
	return t.n == TRACEPARENT_LEN - 1 && memcmp(t.p, "00-", TRACE_AT) == 0 &&
	       hex_not_zero(t.p + TRACE_AT, 32) && t.p[SPAN_AT - 1] == '-' &&
	       hex_not_zero(t.p + SPAN_AT, 16) && t.p[FLAGS_AT - 1] == '-' &&
	       (digits[(uint8_t)t.p[FLAGS_AT]] | digits[(uint8_t)t.p[FLAGS_AT + 1]]) < NO_DIGIT;
}

/* Of each call: without a branch. */
static bool
hex_not_zero(const char *p, size_t n)
{
	uint8_t all = 0;

	for (size_t i = 0; i < n; i++)
		all |= digits[(uint8_t)p[i]];
	return all != 0 && all < NO_DIGIT;
}

static void
put_hex(char *out, uint64_t v)
{
	for (int i = 15; i >= 0; i--, v >>= 4)
		out[i] = "0123456789abcdef"[v & 15];
}

/* "sampled": the lowest bit. */
static bool
flag_01(const char *traceparent)
{
	return (digits[(uint8_t)traceparent[FLAGS_AT + 1]] & 1) != 0;
}

/* 16 lower-case digits that were looked at. */
static uint64_t
get_hex(const char *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 16; i++)
		v = v << 4 | digits[(uint8_t)p[i]];
	return v;
}

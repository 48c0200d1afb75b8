/* codec: see codec.h. Reads what peers and plain clients sent: every length is checked against what
 * is there. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "bus/codec.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types */

struct field {
	uint32_t number, type;
	uint64_t value;   /* VARINT */
	struct str bytes; /* BYTES */
};

static bool next_field(struct str *in, struct field *f);
static bool get_varint(struct str *in, uint64_t *v);
static void set_envelope(struct envelope *e, const struct field *f);
static uint8_t *put_varint(uint8_t *p, uint64_t v);
static uint8_t *put_number(uint8_t *p, unsigned field, uint64_t v);
static uint8_t *put_bytes(uint8_t *p, unsigned field, struct str s);
static void add_message(struct out *o, unsigned field, const ProtobufCMessage *m);
static bool nests_deep(const ProtobufCMessageDescriptor *d, unsigned depth);

uint8_t *
out_room(struct out *o, size_t more)
{
	size_t want = o->n + more;
	void *p;

	if (want > o->cap) {
		want = want < 4096 ? 4096 : want + want / 2;
		p = realloc(o->p, want);
		if (p == NULL)
			panic("out of memory: %zu bytes", want);
		o->p = p;
		o->cap = want;
	}
	return o->p + o->n;
}

void
out_number(struct out *o, unsigned field, uint64_t v)
{
	o->n = (size_t)(put_number(out_room(o, 11), field, v) - o->p);
}

void
out_bytes(struct out *o, unsigned field, struct str s)
{
	uint8_t *p = out_room(o, s.n + 11);

	*p++ = (uint8_t)(field << 3 | BYTES);
	p = put_varint(p, s.n);
	memcpy(p, s.p, s.n);
	o->n = (size_t)(p - o->p) + s.n;
}

void
out_trim(struct out *o, size_t most)
{
	if (o->cap > most)
		out_free(o);
}

void
out_free(struct out *o)
{
	free(o->p);
	memset(o, 0, sizeof *o);
}

bool
envelope_read(const void *p, size_t n, struct envelope *e)
{
	struct str in = { p, n };
	struct field f;

	memset(e, 0, sizeof *e);
	while (in.n > 0) {
		if (!next_field(&in, &f))
			return false;
		set_envelope(e, &f);
	}
	return true;
}

void
envelope_write(struct out *o, const struct envelope *e)
{
	size_t texts = e->service.n + e->method.n + e->traceparent.n + e->idempotency_key.n +
	               e->principal.n + e->payload.n;
	uint8_t *p;

	o->n = 0;
	p = out_room(o,
	    texts + 6 * 11 + 6 * 11); /* no tag and length, no tag and number takes more than 11 */
	p = put_number(p, 1, e->version);
	p = put_bytes(p, 2, e->service);
	p = put_bytes(p, 3, e->method);
	p = put_number(p, 4, e->call_id);
	p = put_number(p, 5, e->time_left_us);
	p = put_number(p, 6, e->attempt);
	p = put_bytes(p, 7, e->traceparent);
	p = put_bytes(p, 8, e->principal);
	p = put_bytes(p, 9, e->idempotency_key);
	p = put_bytes(p, 10, e->payload);
	p = put_number(p, 11, e->want_hops);
	p = put_number(p, 12, e->fence);
	o->n = (size_t)(p - o->p);
	out_number(o, 13, e->retried);
}

bool
answer_read(const void *p, size_t n, struct answer *a)
{
	struct str in = { p, n };
	struct field f;

	memset(a, 0, sizeof *a);
	a->rest = in;
	while (in.n > 0) {
		if (!next_field(&in, &f))
			return false;
		if (f.number == 1 && f.type == VARINT)
			a->call_id = f.value;
		else if (f.number == 2 && f.type == BYTES)
			a->payload = f.bytes;
		else if (f.number == 3 && f.type == BYTES) {
			a->failed = true;
			a->problem = f.bytes;
		} else if (f.number == 5 && f.type == VARINT) {
			a->waited_us = f.value;
		} else if (f.number == 6 && f.type == VARINT) {
			a->spent = f.value != 0;
		} else if (f.number == 7 && f.type == VARINT) {
			a->repeated = f.value != 0;
		} else if (f.number == 8 && f.type == VARINT) {
			a->trace_asked = f.value != 0;
		} else if (f.number == 4 && f.type == BYTES) {
			a->has_hops = true;
		}
	}
	return true;
}

bool
answer_hop(struct str *rest, struct str *hop)
{
	struct field f;

	while (rest->n > 0 && next_field(rest, &f))
		if (f.number == 4 && f.type == BYTES) {
			*hop = f.bytes;
			return true;
		}
	return false;
}

void
answer_begin(struct out *o, uint64_t call_id)
{
	o->n = 0;
	out_number(o, 1, call_id);
}

void
answer_waited(struct out *o, uint64_t us)
{
	out_number(o, 5, us);
}

void
answer_spent(struct out *o, bool spent)
{
	out_number(o, 6, spent);
}

void
answer_repeated(struct out *o, bool repeated)
{
	out_number(o, 7, repeated);
}

void
answer_trace_asked(struct out *o, bool asked)
{
	out_number(o, 8, asked);
}

void
answer_payload(struct out *o, const ProtobufCMessage *m)
{
	add_message(o, 2, m);
}

void
answer_problem(struct out *o, const ProtobufCMessage *m)
{
	add_message(o, 3, m);
}

void
answer_add_hop(struct out *o, const ProtobufCMessage *m)
{
	add_message(o, 4, m);
}

bool
codec_recursive(const ProtobufCMessageDescriptor *d)
{
	return nests_deep(d, 0);
}

bool
codec_depth_ok(const ProtobufCMessageDescriptor *d, const void *p, size_t n, unsigned most)
{
	struct str in = { p, n };
	const ProtobufCFieldDescriptor *fd;
	struct field f;

	while (in.n > 0) {
		if (!next_field(&in, &f))
			return false;
		if (f.type != BYTES)
			continue;
		fd = protobuf_c_message_descriptor_get_field(d, f.number);
		if (fd == NULL || fd->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (most == 0 || !codec_depth_ok(fd->descriptor, f.bytes.p, f.bytes.n, most - 1))
			return false;
	}
	return true;
}

static bool
next_field(struct str *in, struct field *f)
{
	uint64_t tag, n;

	if (!get_varint(in, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
		return false;
	f->number = (uint32_t)(tag >> 3);
	f->type = (uint32_t)(tag & 7);
	f->value = 0;
	f->bytes = (struct str){ "", 0 };
	if (f->type == VARINT)
		return get_varint(in, &f->value);
	if (f->type == BYTES) {
		if (!get_varint(in, &n))
			return false;
	} else if (f->type == FIXED64 || f->type == FIXED32) {
		n = f->type == FIXED64 ? 8 : 4;
	} else {
		return false; /* groups are not of proto3 */
	}
	if (n > in->n)
		return false;
	f->bytes = (struct str){ in->p, n };
	in->p += n;
	in->n -= n;
	return true;
}

static bool
get_varint(struct str *in, uint64_t *v)
{
	uint64_t x = 0;
	uint8_t c;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (in->n == 0)
			return false;
		c = (uint8_t)*in->p++;
		in->n--;
		if (shift < 64)
			x |= (uint64_t)(c & 0x7f) << shift;
		if ((c & 0x80) == 0) {
			*v = x;
			return true;
		}
	}
	return false;
}

static void
set_envelope(struct envelope *e, const struct field *f)
{
	bool bytes = f->type == BYTES;

	if (f->type == VARINT)
		switch (f->number) {
		case 1:
			e->version = (uint32_t)f->value;
			break;
		case 4:
			e->call_id = f->value;
			break;
		case 5:
			e->time_left_us = f->value;
			break;
		case 6:
			e->attempt = (uint32_t)f->value;
			break;
		case 13:
			e->retried = f->value != 0;
			break;
		case 11:
			e->want_hops = f->value != 0;
			break;
		case 12:
			e->fence = f->value;
			break;
		default:
			break;
		}
	else if (bytes)
		switch (f->number) {
		case 2:
			e->service = f->bytes;
			break;
		case 3:
			e->method = f->bytes;
			break;
		case 7:
			e->traceparent = f->bytes;
			break;
		case 8:
			e->principal = f->bytes;
			break;
		case 9:
			e->idempotency_key = f->bytes;
			break;
		case 10:
			e->payload = f->bytes;
			break;
		default:
			break;
		}
}

static uint8_t *
put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *
put_number(uint8_t *p, unsigned field, uint64_t v)
{
	if (v == 0)
		return p;
	*p++ = (uint8_t)(field << 3 | VARINT);
	return put_varint(p, v);
}

static uint8_t *
put_bytes(uint8_t *p, unsigned field, struct str s)
{
	if (s.n == 0)
		return p;
	*p++ = (uint8_t)(field << 3 | BYTES);
	p = put_varint(p, s.n);
	memcpy(p, s.p, s.n);
	return p + s.n;
}

static void
add_message(struct out *o, unsigned field, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = out_room(o, n + 11);

	*p++ = (uint8_t)(field << 3 | BYTES);
	p = put_varint(p, n);
	p += protobuf_c_message_pack(m, p);
	o->n = (size_t)(p - o->p);
}

/* Our messages nest four levels or without end. */
static bool
nests_deep(const ProtobufCMessageDescriptor *d, unsigned depth)
{
	if (depth > CODEC_DEPTH_MAX)
		return true;
	for (unsigned i = 0; i < d->n_fields; i++)
		if (d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE &&
		    nests_deep(d->fields[i].descriptor, depth + 1))
			return true;
	return false;
}

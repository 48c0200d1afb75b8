/* frame: the bytes of one message between two members of the fleet. Pure: no socket, no clock.
 *
 *	0x00 kind ...				first byte 0x00: no protobuf begins so, anything else is a plain Envelope
 *	HELLO, WELCOME: u64 to, packed Hello	`to`: epoch of the one that is answered (0 in a HELLO)
 *	DATA: head, records
 *	SEALED: u64 counter, sealed (head, records)		secure.h
 *	BELL: sealed packed EventBatch without events		secure.h
 *	head: u64 to, u64 from, u32 received, u16 flags, if FRAME_HINT: u64 epoch, u64 value
 *	record: u8 kind, CALL: u32 n, bytes; ANSWER: u64 id, u32 n, bytes; CANCEL: u64 id; BELL_KEY: 32 bytes
 *
 * All numbers little-endian. A frame with records is counted by its receiver, an empty one is not.
 * A frame that is wrong anywhere is wrong as a whole: nothing of it is used. */
#ifndef BUS_FRAME_H
#define BUS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/list.h"
#include "proto/bus.pb-c.h"

enum frame_kind {
	FRAME_PLAIN = -1,
	FRAME_BAD = 0,
	FRAME_HELLO = 1,
	FRAME_WELCOME = 2,
	FRAME_DATA = 3,
	FRAME_SEALED = 4,
	FRAME_BELL = 5
};
enum record_kind { RECORD_CALL = 1, RECORD_ANSWER = 2, RECORD_CANCEL = 3, RECORD_BELL_KEY = 4 };

#define FRAME_DRAINING 0x0001u /* the sender takes no new work */
#define FRAME_HINT     0x0002u /* a hint follows the head */
#define FRAME_UNFIT    0x0004u /* the sender says of itself that it is the last choice */

#define FRAME_PREFIX    2 /* 0x00, kind */
#define FRAME_HEAD_MAX  (8 + 8 + 4 + 2 + 16)
#define FRAME_HELLO_MAX 1024 /* a longer hello is none */
#define FRAME_KEY_BYTES 32

struct frame_head {
	uint64_t to, from; /* epochs */
	uint32_t received; /* counted frames that the sender has got, mod 2^32 */
	uint16_t flags;
	uint64_t hint_epoch, hint_value;
};

struct frame_record {
	enum record_kind kind;
	uint64_t id;      /* ANSWER, CANCEL */
	const uint8_t *p; /* CALL, ANSWER, BELL_KEY */
	size_t n;
};

/* --- building: records go in, then close writes the head before them --- */
struct frame_out {
	struct link link; /* the owner's */
	uint8_t *p;       /* FRAME_HEAD_MAX bytes of room, then the records */
	size_t n, cap;    /* bytes of records; bytes allocated */
	uint32_t records;
};
struct frame_out *frame_new(void);
void frame_free(struct frame_out **f);
void frame_clear(struct frame_out *f); /* keeps the memory, unless it is a lot */
/* for a record of n bytes; an empty one has, always */
bool frame_has_room(const struct frame_out *f, size_t n);
void frame_add(struct frame_out *f, const struct frame_record *r);
/* head and records; may be repeated */
const uint8_t *frame_close(struct frame_out *f, const struct frame_head *h, size_t *n);

/* --- reading --- */
struct frame_in {
	const uint8_t *p;
	size_t n;
};
enum frame_kind frame_kind_of(const void *p, size_t n); /* of a whole message */
/* What follows the prefix (DATA) or was sealed. False: wrong somewhere. True: frame_next can't
 * fail. */
bool frame_open(struct frame_in *in, const void *p, size_t n, struct frame_head *h)
    __attribute__((warn_unused_result));
bool frame_next(struct frame_in *in, struct frame_record *r); /* false: that was all */

/* --- hello --- */
size_t
frame_hello(uint8_t out[FRAME_HELLO_MAX], enum frame_kind kind, uint64_t to, const Mf__Hello *h);
/* NULL: none. Free with mf__hello__free_unpacked(h, NULL). The name is checked: 1 to 63 of a-z 0-9
 * '-'; so is the instance, unless it is empty. */
Mf__Hello *
frame_read_hello(const void *p, size_t n, uint64_t *to) __attribute__((warn_unused_result));

void frame_put64(uint8_t *p, uint64_t v);
uint64_t frame_get64(const uint8_t *p);

#endif

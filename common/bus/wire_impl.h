/* wire_impl: what lane.c, visitor.c, bell.c and wire.c share; nobody else includes this. */
#ifndef BUS_WIRE_IMPL_H
#define BUS_WIRE_IMPL_H

#include <uthash.h>
#include "bus/idset.h"
#include "bus/line.h"
#include "bus/port.h"
#include "bus/secure.h"
#include "bus/version.h"
#include "bus/wire.h"

#define WIRE_VERSION ((uint32_t)BUS_VERSION)
#define WIRE_NAME    64
#define WIRE_PLACE   (WIRE_NAME + 8)
/* links and plain requests at a time: beyond, a caller is refused */
#define WIRE_VISITORS 1024u
/* bytes of one message; of a tcp peer that has not shown its key yet */
#define WIRE_BODY_MAX     (WIRE_CALL_MAX + (64u << 10))
#define WIRE_STRANGER_MAX 4096u

struct wire {
	struct loop *loop;
	struct loop_turn turn;
	struct wire_events events;
	void *ctx;
	char name[WIRE_NAME], instance[WIRE_NAME];
	uint64_t generation;
	char dir[WIRE_URL];   /* of ipc sockets */
	char *listen, *peers; /* "" or tcp */
	struct secure_id *id; /* NULL: ipc only */
	struct lines lines;
	struct lane *lanes; /* hash by place */
	/* serving side */
	struct sp *door;
	struct list members;         /* visitors with a hello */
	struct list plain, answered; /* requests of plain clients; answered: end with the turn */
	/* pub/sub */
	struct port bell;
	struct list ears;
	uint8_t bell_key[SECURE_KEY];
};

enum wire_place { PLACE_CALLS, PLACE_BELL };
/* false: not known */
bool wire_url_of(const struct wire *w, const char *node, enum wire_place place, char out[WIRE_URL]);
bool wire_url_listen(
    const struct wire *w, enum wire_place place, char out[WIRE_URL], char *err, size_t err_size);
bool wire_is_tcp(const char *url);
bool
wire_bell_url(char url[WIRE_URL]); /* of the address of the calls; false: there is no such port */
void wire_hello(const struct wire *w, uint64_t epoch, Mf__Hello *h); /* all but the keys */
void wire_refused(struct wire *w, const char *why);                  /* counts and logs */

void lane_free_all(struct wire *w);

bool visitor_listen(struct wire *w, char *err, size_t err_size);
void visitor_speak_all(struct wire *w);
/* end of turn: plain requests that were answered are gone */
void visitor_sweep(struct wire *w);
void visitor_free_all(struct wire *w);

bool bell_listen(struct wire *w, char *err, size_t err_size);
void bell_set_key(struct wire *w, const char *place, const uint8_t key[SECURE_KEY]);
void bell_free_all(struct wire *w);

#endif

/* wire_impl: what lane.c, visitor.c, bell.c and wire.c share; nobody else includes this. */
#ifndef BUS_WIRE_IMPL_H
#define BUS_WIRE_IMPL_H

#include <uthash.h>
#include "bus/idset.h"
#include "bus/line.h"
#include "bus/secure.h"
#include "bus/wire.h"

#define WIRE_VERSION 1u
#define WIRE_NAME    64
#define WIRE_URL     256
/* links and plain requests at a time: beyond, a pipe is hung up */
#define WIRE_VISITORS 1024u
/* pipes whose end we remember: what still comes from them is dropped */
#define WIRE_DEAD 64u

struct wire {
	struct loop *loop;
	struct loop_turn turn;
	struct wire_events events;
	void *ctx;
	char name[WIRE_NAME];
	uint64_t generation;
	char dir[WIRE_URL];   /* of ipc sockets */
	char *listen, *peers; /* "" or tcp */
	struct secure_id *id; /* NULL: ipc only */
	struct lines lines;
	struct lane *lanes; /* hash by node */
	/* serving side */
	struct port door;            /* raw rep */
	struct visitor *visitors;    /* hash by pipe */
	struct list plain, answered; /* requests of plain clients; answered: end with the turn */
	uint32_t dead[WIRE_DEAD];
	unsigned next_dead;
	/* pub/sub */
	struct port bell;
	struct list ears;
	uint8_t bell_key[SECURE_KEY];
	int64_t spoke_us; /* when a message last left: see wire_free */
};

enum wire_place { PLACE_CALLS, PLACE_BELL };
/* false: not known */
bool wire_url_of(const struct wire *w, const char *node, enum wire_place place, char out[WIRE_URL]);
bool wire_url_listen(
    const struct wire *w, enum wire_place place, char out[WIRE_URL], char *err, size_t err_size);
bool wire_is_tcp(const char *url);
void wire_hello(const struct wire *w, uint64_t epoch, Mf__Hello *h); /* all but the keys */
void wire_pipe_refused(struct wire *w, const char *why);             /* counts and logs */

void lane_free_all(struct wire *w);

bool visitor_listen(struct wire *w, char *err, size_t err_size);
void visitor_speak_all(struct wire *w);
/* end of turn: plain requests that were answered are gone */
void visitor_sweep(struct wire *w);
void visitor_free_all(struct wire *w);

bool bell_listen(struct wire *w, char *err, size_t err_size);
void bell_set_key(struct wire *w, const char *node, const uint8_t key[SECURE_KEY]);
void bell_free_all(struct wire *w);

#endif

/* fleet: the table of processes. Adding one is one row (and its folder).
 *
 * A slot is an index into the table; guard, supervisor and their records speak of slots. */
#ifndef META_FLEET_H
#define META_FLEET_H

#include <stdbool.h>
#include <stdint.h>

enum fleet_slot {
	SLOT_POSTGRES,
	SLOT_REDIS_DOCS,
	SLOT_REDIS_CACHE,
	SLOT_META_2, /* where orchestrators stand by */
	SLOT_META_3,
	SLOT_META,
	SLOT_API,
	SLOT_DATABASE,
	SLOT_AUTH,
	SLOT_REST,
	SLOT_GRAPHQL,
	SLOT_WEBSOCKET,
	SLOT_SQL,
	SLOT_NOSQL,
	SLOT_CACHE,
	SLOT_JWT,
	SLOT_OAUTH,
	SLOT_RBAC,
	FLEET_SLOTS,
};

enum fleet_ready {
	READY_STATUS,     /* its status record says so */
	READY_POSTMASTER, /* postmaster.pid says "ready" and the socket accepts */
	READY_SOCKET,     /* the socket accepts */
};

struct fleet_entry {
	const char *name;    /* of the run file, the log, the executable metafed-NAME ... */
	const char *program; /* ... or metafed-PROGRAM; NULL: NAME */
	bool store;          /* a private server: own executable, no contract but the run file */
	enum fleet_ready ready;
	uint32_t after;     /* slots (bits) that shall have settled before its first start */
	unsigned stop_rank; /* 0 stops first: the way of a request, from the edge inwards */
	bool listener;      /* gets the public socket */
	bool orders;        /* gets pipes of commands and reports, its own */
	unsigned standby;   /* there when so many orchestrators stand by; 0: always */
	int term_signal, kill_signal;
	int64_t ready_limit_us, kill_after_us; /* 0: as configured */
};

extern const struct fleet_entry fleet_table[FLEET_SLOTS];

#define FLEET_STOP_RANKS 6
#define SLOT_BIT(slot)   (UINT32_C(1) << (slot))

int fleet_find(const char *name);   /* -1: none */
const char *fleet_socket(int slot); /* of a store, relative to VAR */

#endif

/* engine: the one thread of libmetafed, with the loop on which the buses of all clients of this process
 * live. It runs while a client is open. Nothing of a bus is touched by another thread. */
#ifndef CLIENT_ENGINE_H
#define CLIENT_ENGINE_H

#include <stdbool.h>
#include "node/loop.h"

/* Starts the thread if it does not run. NULL: it can't be had, errno says why. */
struct loop *engine_use(void);
/* The last one ends it, and waits for that; on the thread itself it goes on until another last one. */
void engine_leave(void);
bool engine_is_here(void); /* is this its thread? */
/* Runs fn there and waits until it has run; on the thread itself at once. */
void engine_run(void (*fn)(void *ctx), void *ctx);

#endif

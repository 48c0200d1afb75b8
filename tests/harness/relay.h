/* relay: a tcp proxy in a thread of its own between one client and one server, which remembers what
 * the client sent and can change a byte of it on the way. For tests of what a network may do to a
 * link. */
#ifndef HARNESS_RELAY_H
#define HARNESS_RELAY_H

#include <stddef.h>
#include <stdint.h>

struct relay;

struct relay *relay_start(uint16_t port, uint16_t to); /* listens on 127.0.0.1:port */
/* flips a bit in the first frame of the next piece that the client sends */
void relay_spoil(struct relay *r);
/* all of the newest connection so far */
size_t relay_recorded(struct relay *r, const uint8_t **p);
void relay_stop(struct relay **r);

#endif

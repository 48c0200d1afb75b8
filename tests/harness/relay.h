/* relay: a tcp proxy in a thread of its own between one client and one server, which remembers what the client sent and can
 * change a byte of it on the way. For tests of what a network may do to a link. */
#ifndef HARNESS_RELAY_H
#define HARNESS_RELAY_H

#include <stddef.h>
#include <stdint.h>

struct relay;

uint16_t relay_free_port(void);			/* the first of two free ports in a row on 127.0.0.1 */
struct relay *relay_start(uint16_t port, uint16_t to);	/* listens on 127.0.0.1:port */
void relay_spoil(struct relay *r);		/* flips a bit in the first frame of the next piece that the client sends */
size_t relay_recorded(struct relay *r, const uint8_t **p);	/* all of the newest connection so far */
void relay_stop(struct relay **r);

#endif

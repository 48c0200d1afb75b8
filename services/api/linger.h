/* linger: the end of a connection whose client may still be sending. To close it at once would
 * reset it, and a reset destroys the answer that is on its way (RFC 9112, 9.6): so what still comes
 * is read past, for a short time and up to a limit. */
#ifndef API_LINGER_H
#define API_LINGER_H

#include "node/loop.h"

/* fd stays the caller's, who closes it. Nothing happens when too many linger already. */
void linger(struct loop *l, int fd);

#endif

/* upload: a body of any size, handed to an agent in pieces as it arrives. At most one piece is in
 * memory; while an agent has it the connection is not read from. A piece that nobody took is sent
 * again for a while: it says where it belongs, so it may come twice. */
#ifndef API_UPLOAD_H
#define API_UPLOAD_H

#include "api/exchange.h"

#define UPLOAD_PIECE      (256u << 10)
#define UPLOAD_PIECE_MOST (1u << 20) /* of a body with a checksum over all of it */

struct upload;

/* Resources below these take bytes, whatever their Content-Type. */
bool upload_is_bytes(struct str path);
bool upload_wanted(const struct http_head *h);
/* The head is fine. Of a large body an agent is asked first whether it may come at all. */
void upload_begin(struct exchange *x);
/* How many were taken. */
size_t upload_take(struct upload *u, const char *p, size_t n, bool *fine);
void upload_end(struct upload *u); /* there is no more */
void upload_answer(struct upload *u, const Mf__HttpResponse *m, const struct failure *f);
bool upload_resumed(struct upload *u); /* libmicrohttpd shows the head once more: true, once */
void upload_over(struct upload *u);    /* with its exchange */
void upload_client_left(struct upload *u, bool for_good);

#endif

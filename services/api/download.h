/* download: the body of an answer that is too large to be in memory, fetched from an agent piece by
 * piece as the client takes it. libmicrohttpd holds the connection suspended while a piece is on its
 * way. Whatever agent is there gives the next one. */
#ifndef API_DOWNLOAD_H
#define API_DOWNLOAD_H

#include "api/exchange.h"

struct download;

/* m->body is the beginning of m->length bytes. */
void download_answer(struct exchange *x, const Mf__HttpResponse *m, size_t n_headers,
    const struct http_header *headers);
void download_piece(struct download *d, const Mf__HttpResponse *m, const struct failure *f);
void download_client_left(struct download *d, bool for_good);
bool download_asleep(const struct download *d);  /* the connection is suspended */
size_t download_bytes(const struct download *d); /* that were sent */
void download_over(struct download *d);          /* with its exchange */

#endif

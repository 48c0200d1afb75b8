/* stream: GET /v1/events: the answer to it is a session's (live.h): server-sent events, for as long as
 * the client listens. libmicrohttpd sends it, in chunks; while there is nothing to say its connection
 * is suspended. */
#ifndef API_STREAM_H
#define API_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct exchange;
struct stream;

bool stream_wanted(const struct exchange *x); /* its resource is one */
void stream_open(struct exchange *x);
bool stream_is_open(const struct stream *s); /* its head was said, its end not yet */
void stream_client_left(struct stream *s);
size_t stream_bytes(const struct stream *s); /* so far */
void stream_over(struct stream *s);          /* the exchange is, and so is the stream */

#endif

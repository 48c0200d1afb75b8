/* rawhttp: an HTTP client of bytes, for requests that no library would send. Blocking, each wait
 * with a limit. */
#ifndef HARNESS_RAWHTTP_H
#define HARNESS_RAWHTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern uint16_t raw_port; /* of 127.0.0.1: whom all of these talk to */

int raw_dial(void);                         /* -1: refused */
int raw_dial_from(const char *own_address); /* "127.0.0.7" */
void raw_say(int fd, const char *text);
void raw_say_n(int fd, const char *p, size_t n);
/* Until the other side closes, or nothing came for limit_ms, or `ends` answers are complete (0:
 * never). */
size_t raw_hear(int fd, char *out, size_t size, int limit_ms, unsigned ends);
int raw_status(const char *text); /* of the first answer; 0: it is none */
/* One request on a connection of its own; the answer's status, 0: closed without one, -1: refused.
 */
int raw_ask(const char *request, char *out, size_t size);
/* The other side closes within limit_ms, whatever it says before. */
bool raw_closes(int fd, int limit_ms);
/* The value of a header of the first answer, copied; "": it has none. */
const char *raw_header(const char *answer, const char *name, char *out, size_t size);

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST(path, type, length, body)                                                             \
	"POST " path " HTTP/1.1\r\nHost: h\r\nContent-Type: " type "\r\nContent-Length: " length   \
	"\r\n\r\n" body

#endif

/* web: requests to the authorization server's paths go through to level 0 as they are, and its answer
 * comes back as it is. */
#ifndef REST_WEB_H
#define REST_WEB_H

#include <stdbool.h>

struct handling;

/* True: the path is one of theirs, and the request is answered, now or later. */
bool web_answer(struct handling *h);

#endif

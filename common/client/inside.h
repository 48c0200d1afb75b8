/* inside: what the files of the client share. Nobody else includes this. */
#ifndef CLIENT_INSIDE_H
#define CLIENT_INSIDE_H

#include "base/arena.h"
#include "client/client.h"

/* Where the fleet is and with which key we speak to it: from its configuration. Texts live in `a`.
 * False: err says why. */
bool client_configure(struct arena *a, const struct client_opts *o, struct node_config *out,
    char *err, size_t err_size) __attribute__((warn_unused_result));

/* Who may be mf.Meta there; NULL-ended, good until the next question. */
const char *const *client_meta_members(const struct node_config *c);
extern const char *const client_rest_members[]; /* who may be mf.Rest */

#endif

/* client: a program's way into the fleet over the bus. Blocking, single-threaded, small: the
 * command line and what else is in this tree. Programs of others, with threads or a loop of their own:
 * metafed/client.h.
 *
 *	struct client *c = client_open("var", err, sizeof err);
 *	client_login(c, "admin", "secret", &f);
 *	const Mf__TaskResponse *r = client_execute(c, &request, &f);
 *
 * Results live until the next call on the same client, or client_close. */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "bus/bus.h"
#include "proto/auth.pb-c.h"
#include "proto/meta.pb-c.h"
#include "proto/rest.pb-c.h"

struct client;

struct client_opts {
	const char *var; /* run-time directory; NULL: as configured, METAFED_VAR, else "var" */
	/* the fleet's configuration: bus_dir, or bus_peers with bus_key_file and bus_trust_file;
	 * NULL: VAR/metafed.conf where there is one, without `var` METAFED_CONFIG before it */
	const char *config;
};

/* Over unix sockets below VAR/run/bus, or over tcp where bus_peers says so; then the key decides
 * what we may call. NULL: err says why. */
struct client *client_open(const char *var_dir, char *err, size_t err_size);
struct client *client_open_with(const struct client_opts *o, char *err, size_t err_size);
const char *client_where(const struct client *c); /* VAR, or bus_peers */
void client_close(struct client **c);

/* sent with each request that has none */
void client_set_token(struct client *c, const char *access_token);
const char *client_token(const struct client *c); /* "" when there is none */

/* Log in; keeps the access token for the following requests. NULL: *f says why. */
const Mf__TokenPair *
client_login(struct client *c, const char *username, const char *password, struct failure *f);
const Mf__TokenPair *client_refresh(struct client *c, const char *refresh_token, struct failure *f);

/* One TaskRequest. NULL: the call itself failed, *f says why; an answer that is not a success has
 * `problem`. */
const Mf__TaskResponse *
client_execute(struct client *c, const Mf__TaskRequest *q, struct failure *f);

/* Many at once, at most `window` in flight, answers in the order in which they come. next() fills
 * *q (whose memory it keeps until done) and returns false at the end; done gets the answer or the
 * failure. */
typedef bool client_next_fn(void *ctx, size_t index, Mf__TaskRequest *q);
typedef void
client_done_fn(void *ctx, size_t index, const Mf__TaskResponse *r, const struct failure *f);
void client_execute_many(
    struct client *c, unsigned window, client_next_fn *next, client_done_fn *done, void *ctx);

/* The same request that an HTTP client would send, given to an API agent. Without an operation id
 * it gets one. The bearer token goes in as header "authorization". NULL: the call itself failed. */
const Mf__HttpResponse *client_http(struct client *c, Mf__HttpRequest *q, struct failure *f);

/* Any other method of any service: the typed stub on this service, then client_wait. Example:
 * services/cli. */
struct bus *client_bus(struct client *c);
struct loop *client_loop(struct client *c);
/* mf.Meta: who leads, wherever orchestrators stand by */
struct target *client_meta(struct client *c);

#endif

/* quota: which buckets a request takes from, and what the answer says about it.
 *
 * A request whose credential is known (known.h) takes from its principal's bucket, by the limit of
 * the principal's roles; any other from its address's (IPv6: the /64's), by the default: what is not
 * verified earns nothing. */
#ifndef API_QUOTA_H
#define API_QUOTA_H

#include "api/address.h"
#include "api/known.h"
#include "api/limits.h"
#include "proto/common.pb-c.h"

struct charge {   /* of one request */
	size_t n; /* limits that hold for it */
	const struct named_limit *limits[2];
	struct taking takings[2];
	uint8_t credential[16];
	bool has_credential;
	bool ask;              /* whose it is: the answer shall say */
	char name[KNOWN_NAME]; /* of a known principal; else "" */
};

struct quota;
struct quota *quota_new(size_t buckets, size_t credentials, int64_t idle_us);
void quota_free(struct quota **l);
void quota_reload(struct quota *l, int64_t idle_us); /* the limits are others now */

/* False: too many; nothing was taken. credential: the value of Authorization, p NULL: none. */
bool quota_charge(struct quota *l, const struct limits *by, const struct address *client,
    struct str credential, enum http_method method, const char *path, int64_t now_us,
    struct charge *out);
/* A charge of nothing yet, for quota_learn to be told whose that credential is. */
void quota_name(const struct quota *l, struct str credential, struct charge *out);
/* The answer to that request: who it was verified to be (NULL: not said), and its status. The charge
 * learns the name. */
void quota_learn(struct quota *l, const struct limits *by, struct charge *c, const Mf__Principal *p,
    int http, int64_t now_us);

#define CHARGE_TEXT 512
/* RateLimit-Policy and RateLimit; false: no limit holds. */
bool charge_write(const struct charge *c, char policy[CHARGE_TEXT], char state[CHARGE_TEXT]);
int64_t charge_wait_us(const struct charge *c); /* until it would be allowed */

#endif

/* limits: how many requests who may make, as the configuration says it. Pure.
 *
 * "1000/100" is a token bucket of 1000 that gets 100 a second; "off" is no limit. A principal has
 * the most generous of what its roles have; a role that is not named has the default, and so has
 * whoever has no role, or is not known. Routes have limits of their own, besides; no limit of a route
 * holds for a role that is off. */
#ifndef API_LIMITS_H
#define API_LIMITS_H

#include "api/bucket.h"
#include "api/http_check.h"

#define LIMITS_MOST 32
#define LIMIT_NAME  96
struct named_limit {                  /* capacity 0: off */
	char name[LIMIT_NAME];        /* "default", "viewer", "POST /v1/auth/login" */
	char policy[LIMIT_NAME + 48]; /* an item of RateLimit-Policy */
	struct limit limit;
};

struct route_limit {
	enum http_method method; /* M_METHODS: any */
	struct str path;         /* in limit.name; without the '*' at its end */
	bool below;              /* there was one */
	struct named_limit limit;
};

struct limits {
	struct named_limit all;
	size_t n_roles, n_routes;
	struct named_limit roles[LIMITS_MOST];
	struct route_limit routes[LIMITS_MOST];
};

/* all: "1000/100"; roles: "admin=off, viewer=200/20"; routes: "POST /v1/auth/login=20/0.2, * /v1/x*=5/1".
 * False: err names the entry that is none. What `out` holds points into itself: it stays where it is.
 */
bool limits_parse(struct limits *out, const char *all, const char *roles, const char *routes,
    char *err, size_t err_size);
const struct named_limit *limits_of_roles(const struct limits *l, size_t n, char *const *roles);
/* The first that fits; NULL: none. */
const struct named_limit *
limits_of_route(const struct limits *l, enum http_method method, const char *path);

/* An item of RateLimit: "default";r=999;t=1 */
#define LIMIT_ITEM (LIMIT_NAME + 48)
void limit_write(const struct named_limit *l, const struct taking *t, char out[LIMIT_ITEM]);
uint32_t limit_seconds(int64_t more_us); /* rounded up */

#endif

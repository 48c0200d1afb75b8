/* limits: see limits.h. The fields are those of draft-ietf-httpapi-ratelimit-headers-10. */
#include "api/limits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CAPACITY_MOST 1000000000
#define REFILL_LEAST  0.0001 /* a token in less than three hours */
#define REFILL_MOST   1e8
#define WINDOW_MOST   (30 * 86400.0) /* seconds from empty to full */

typedef bool entry_fn(struct limits *, struct str name, struct str value);

static bool each_entry(struct limits *, const char *, const char *, entry_fn *, char *, size_t);
static bool role_entry(struct limits *, struct str, struct str);
static bool route_entry(struct limits *, struct str, struct str);
static bool limit_parse(struct named_limit *, struct str, struct str);
static bool more_generous(const struct limit *, const struct limit *);

bool
limits_parse(struct limits *out, const char *all, const char *roles, const char *routes, char *err,
    size_t err_size)
{
	out->n_roles = out->n_routes = 0;
	if (!limit_parse(&out->all, STR("default"), str_trim(str_of(all)))) {
		snprintf(err, err_size, "limit: \"%s\" is not CAPACITY/REFILL or off", all);
		return false;
	}
	return each_entry(out, "limit_roles", roles, role_entry, err, err_size) &&
	       each_entry(out, "limit_routes", routes, route_entry, err, err_size);
}

const struct named_limit *
limits_of_roles(const struct limits *l, size_t n, char *const *roles)
{
	const struct named_limit *best = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct named_limit *one = &l->all;

		for (size_t k = 0; k < l->n_roles; k++)
			if (strcmp(l->roles[k].name, roles[i]) == 0)
				one = &l->roles[k];
		if (best == NULL || more_generous(&one->limit, &best->limit))
			best = one;
	}
	return best == NULL ? &l->all : best;
}

const struct named_limit *
limits_of_route(const struct limits *l, enum http_method method, const char *path)
{
	if (method == M_HEAD) /* what answers it is GET */
		method = M_GET;
	for (size_t i = 0; i < l->n_routes; i++) {
		const struct route_limit *r = &l->routes[i];

		if ((r->method == M_METHODS || r->method == method) &&
		    strncmp(path, r->path.p, r->path.n) == 0 &&
		    (r->below || path[r->path.n] == '\0'))
			return &r->limit;
	}
	return NULL;
}

void
limit_write(const struct named_limit *l, const struct taking *t, char out[LIMIT_ITEM])
{
	snprintf(out, LIMIT_ITEM, "\"%s\";r=%u;t=%u", l->name, t->left, limit_seconds(t->more_us));
}

uint32_t
limit_seconds(int64_t more_us)
{
	return (uint32_t)((more_us + 999999) / 1000000);
}

static bool
each_entry(
    struct limits *l, const char *key, const char *text, entry_fn *fn, char *err, size_t err_size)
{
	struct str rest = str_trim(str_of(text)), one, name = { NULL, 0 }, value;

	while (rest.n != 0) {
		size_t at;

		str_cut(rest, ',', &one, &rest);
		one = str_trim(one);
		for (at = one.n; at != 0 && one.p[at - 1] != '=';
		     at--) /* the last: paths may have some */
			continue;
		if (at != 0) {
			name = str_trim((struct str){ one.p, at - 1 });
			value = str_trim((struct str){ one.p + at, one.n - at });
		}
		if (at == 0 || !fn(l, name, value)) {
			snprintf(err, err_size, "%s: \"%.*s\" is not %s=CAPACITY/REFILL or =off",
			    key, (int)one.n, one.p, fn == role_entry ? "ROLE" : "METHOD PATH");
			return false;
		}
	}
	return true;
}

static bool
role_entry(struct limits *l, struct str name, struct str value)
{
	return l->n_roles < LIMITS_MOST && limit_parse(&l->roles[l->n_roles++], name, value);
}

/* "METHOD /path", "* /path*". A limit that is off says nothing: leave it away. */
static bool
route_entry(struct limits *l, struct str name, struct str value)
{
	struct route_limit *r = &l->routes[l->n_routes];
	struct str method, path;

	if (l->n_routes == LIMITS_MOST || !str_cut(name, ' ', &method, &path) ||
	    !limit_parse(&r->limit, name, value) || r->limit.limit.capacity == 0)
		return false;
	r->method = M_METHODS;
	for (int i = 0; i < M_METHODS; i++)
		if (str_eq(method, http_method_names[i]))
			r->method = (enum http_method)i;
	r->path = (struct str){ r->limit.name + method.n + 1, path.n };
	r->below = path.n != 0 && path.p[path.n - 1] == '*';
	r->path.n -= r->below;
	l->n_routes++;
	return path.n != 0 && path.p[0] == '/' && (r->method != M_METHODS || str_eq(method, "*"));
}

/* The name goes into a string of a structured field. */
static bool
limit_parse(struct named_limit *l, struct str name, struct str value)
{
	struct str capacity, refill;
	uint64_t n;
	double rate;

	if (name.n == 0 || name.n >= sizeof(l->name))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < 0x20 || name.p[i] > 0x7e || name.p[i] == '"' || name.p[i] == '\\')
			return false;
	memcpy(l->name, name.p, name.n);
	l->name[name.n] = '\0';
	l->limit = (struct limit){ 0, 0 };
	l->policy[0] = '\0';
	if (str_eq(value, "off"))
		return true;
	if (!str_cut(value, '/', &capacity, &refill) || !str_u64(capacity, CAPACITY_MOST, &n) ||
	    n == 0 || !str_double(refill, &rate) || rate < REFILL_LEAST || rate > REFILL_MOST ||
	    (double)n / rate > WINDOW_MOST)
		return false;
	l->limit = (struct limit){ (uint32_t)n, llround(1e9 / rate) };
	snprintf(l->policy, sizeof(l->policy), "\"%s\";q=%u;w=%.0f", l->name, l->limit.capacity,
	    fmax(1, ceil((double)n / rate)));
	return true;
}

/* off > faster > larger */
static bool
more_generous(const struct limit *a, const struct limit *b)
{
	if (a->capacity == 0 || b->capacity == 0)
		return a->capacity == 0 && b->capacity != 0;
	return a->token_ns != b->token_ns ? a->token_ns < b->token_ns : a->capacity > b->capacity;
}

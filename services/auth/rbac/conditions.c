/* conditions: see conditions.h. Each member of the JSON is a row of a table: its name, its reader, so
 * that what is unknown is refused by name. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/conditions.h"
#include "auth/rbac/zone.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#define LIST_MAX 100
#define DAY_S    86400

struct network {
	uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;
};

struct texts {
	bool given;
	size_t n;
	char **items;
};

struct conditions {
	int64_t not_before_us, not_after_us; /* INT64_MIN, INT64_MAX: none */
	unsigned days;                       /* bit 0: Monday; 0: any */
	int from_s, until_s;                 /* of the day; -1: none */
	const struct zone *zone;
	bool in_given, not_in_given;
	size_t n_in, n_not_in;
	struct network *in, *not_in;
	int service;      /* -1: whichever */
	int64_t within_s; /* -1: whenever */
	struct texts clients, methods, groups;
};

struct reading {
	struct conditions *c;
	struct condition_error *e;
	char path[40];
};

typedef bool read_fn(struct reading *r, const json_t *v);
struct member {
	const char *name;
	read_fn *read;
};

static read_fn read_time, read_address, read_principal, read_not_before, read_not_after, read_days,
    read_from, read_until, read_zone, read_in, read_not_in, read_service, read_clients,
    read_methods, read_within, read_groups;
static const struct member top[] = {
	{ "time", read_time },
	{ "address", read_address },
	{ "principal", read_principal },
	{ NULL, NULL },
};
static const struct member time_members[] = {
	{ "not_before", read_not_before },
	{ "not_after", read_not_after },
	{ "days", read_days },
	{ "from", read_from },
	{ "until", read_until },
	{ "zone", read_zone },
	{ NULL, NULL },
};
static const struct member address_members[] = {
	{ "in", read_in },
	{ "not_in", read_not_in },
	{ NULL, NULL },
};
static const struct member principal_members[] = {
	{ "service", read_service },
	{ "clients", read_clients },
	{ "methods", read_methods },
	{ "authenticated_within", read_within },
	{ "groups", read_groups },
	{ NULL, NULL },
};
static const char *const day_names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

static bool read_members(struct reading *r, const json_t *v, const struct member *members);
static bool wrong(struct reading *r, const char *what);
static bool read_moment(struct reading *r, const json_t *v, int64_t *us);
static bool read_clock(struct reading *r, const json_t *v, int *s);
static bool read_networks(struct reading *r, const json_t *v, struct network **out, size_t *n);
static bool network_read(const char *s, struct network *w);
static bool address_read(const char *s, uint8_t out[16], bool *v4);
static bool read_texts(struct reading *r, const json_t *v, struct texts *out);
static enum truth time_holds(const struct conditions *c, int64_t now_us);
static enum truth address_holds(const struct conditions *c, const char *address);
static enum truth principal_holds(const struct conditions *c, const struct circumstances *of);
static bool in_networks(const uint8_t ip[16], const struct network *w, size_t n);
static bool any_of(const struct texts *t, size_t n, char *const *have);
static void texts_free(struct texts *t);

struct conditions *
conditions_read(const json_t *v, struct condition_error *e)
{
	struct conditions *c = mem_zalloc(sizeof(*c));
	struct reading r = { .c = c, .e = e };

	*e = (struct condition_error){ .field = "" };
	*c = (struct conditions){ .not_before_us = INT64_MIN,
		.not_after_us = INT64_MAX,
		.from_s = -1,
		.until_s = -1,
		.service = -1,
		.within_s = -1 };
	if (!read_members(&r, v, top))
		conditions_free(&c);
	return c;
}

void
conditions_free(struct conditions **cp)
{
	struct conditions *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	free(c->in);
	free(c->not_in);
	texts_free(&c->clients);
	texts_free(&c->methods);
	texts_free(&c->groups);
	free(c);
}

/* One that does not hold decides, whatever is not known of the others. */
enum truth
conditions_hold(const struct conditions *c, const struct circumstances *of)
{
	enum truth all = TRUTH_YES;
	enum truth parts[] = { time_holds(c, of->now_us), address_holds(c, of->address),
		principal_holds(c, of) };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i] == TRUTH_NO)
			return TRUTH_NO;
		if (parts[i] == TRUTH_UNKNOWN)
			all = TRUTH_UNKNOWN;
	}
	return all;
}

/* --- reading --- */

static bool
read_members(struct reading *r, const json_t *v, const struct member *members)
{
	size_t path = strlen(r->path);
	const char *name;
	json_t *value;

	if (!json_is_object(v))
		return wrong(r, "must be an object");
	if (json_object_size(v) == 0)
		return wrong(r, "is empty: nothing is a condition");
	json_object_foreach((json_t *)(uintptr_t)v, name, value)
	{
		const struct member *m = members;

		(void)snprintf(r->path + path, sizeof(r->path) - path, "/%.24s", name);
		while (m->name != NULL && strcmp(m->name, name) != 0)
			m++;
		if (m->name == NULL)
			return wrong(r, "is no condition");
		if (!m->read(r, value))
			return false;
		r->path[path] = '\0';
	}
	return true;
}

static bool
wrong(struct reading *r, const char *what)
{
	(void)snprintf(r->e->field, sizeof(r->e->field), "%s", r->path);
	(void)snprintf(r->e->what, sizeof(r->e->what), "%s", what);
	return false;
}

static bool
read_time(struct reading *r, const json_t *v)
{
	struct conditions *c = r->c;

	if (!read_members(r, v, time_members))
		return false;
	(void)snprintf(r->path, sizeof(r->path), "/time");
	if ((c->from_s >= 0) != (c->until_s >= 0))
		return wrong(r, "from and until come together");
	if (c->from_s >= 0 && c->from_s == c->until_s)
		return wrong(r, "from and until are the same");
	if (c->not_before_us >= c->not_after_us)
		return wrong(r, "not_after must be later than not_before");
	if (c->zone != NULL && c->from_s < 0 && c->days == 0)
		return wrong(r, "zone means nothing without days or hours");
	if (c->zone == NULL)
		c->zone = zone_find("UTC");
	return true;
}

static bool
read_address(struct reading *r, const json_t *v)
{
	return read_members(r, v, address_members);
}

static bool
read_principal(struct reading *r, const json_t *v)
{
	return read_members(r, v, principal_members);
}

static bool
read_not_before(struct reading *r, const json_t *v)
{
	return read_moment(r, v, &r->c->not_before_us);
}

static bool
read_not_after(struct reading *r, const json_t *v)
{
	return read_moment(r, v, &r->c->not_after_us);
}

static bool
read_moment(struct reading *r, const json_t *v, int64_t *us)
{
	return (json_is_string(v) && time_parse_rfc3339(str_of(json_string_value(v)), us)) ||
	       wrong(r, "must be a time like 2026-11-21T08:00:00Z");
}

static bool
read_days(struct reading *r, const json_t *v)
{
	if (!json_is_array(v) || json_array_size(v) == 0)
		return wrong(r, "must be a list of mon tue wed thu fri sat sun");
	for (size_t i = 0; i < json_array_size(v); i++) {
		const char *s = json_string_value(json_array_get(v, i));
		unsigned day = 0;

		while (day < 7 && (s == NULL || strcmp(day_names[day], s) != 0))
			day++;
		if (day == 7)
			return wrong(r, "must be a list of mon tue wed thu fri sat sun");
		r->c->days |= 1u << day;
	}
	return true;
}

static bool
read_from(struct reading *r, const json_t *v)
{
	return read_clock(r, v, &r->c->from_s);
}

static bool
read_until(struct reading *r, const json_t *v)
{
	return read_clock(r, v, &r->c->until_s);
}

/* "24:00" is the end of the day. */
static bool
read_clock(struct reading *r, const json_t *v, int *out)
{
	const char *s = json_string_value(v);
	int h, m;

	if (s == NULL || strlen(s) != 5 || s[2] != ':' || strspn(s, "0123456789") != 2 ||
	    strspn(s + 3, "0123456789") != 2)
		return wrong(r, "must be hours and minutes like 08:30");
	h = (s[0] - '0') * 10 + s[1] - '0';
	m = (s[3] - '0') * 10 + s[4] - '0';
	*out = h * 3600 + m * 60;
	return (m < 60 && *out <= DAY_S) || wrong(r, "must be hours and minutes like 08:30");
}

static bool
read_zone(struct reading *r, const json_t *v)
{
	const char *s = json_string_value(v);
	int32_t offset;

	r->c->zone = s == NULL ? NULL : zone_find(s);
	if (r->c->zone == NULL)
		return wrong(r, "is no zone that this machine knows, like Europe/Berlin or +02:00");
	return zone_offset(r->c->zone, time_wall_us() / SEC, &offset) ||
	       wrong(r, "what this machine knows of the zone has ended");
}

static bool
read_in(struct reading *r, const json_t *v)
{
	r->c->in_given = true;
	return read_networks(r, v, &r->c->in, &r->c->n_in);
}

static bool
read_not_in(struct reading *r, const json_t *v)
{
	r->c->not_in_given = true;
	return read_networks(r, v, &r->c->not_in, &r->c->n_not_in);
}

static bool
read_networks(struct reading *r, const json_t *v, struct network **out, size_t *n)
{
	size_t path = strlen(r->path);

	if (!json_is_array(v) || json_array_size(v) == 0 || json_array_size(v) > LIST_MAX)
		return wrong(r, "must be a list of 1 to 100 networks");
	*out = mem_zalloc(json_array_size(v) * sizeof(**out));
	for (*n = 0; *n < json_array_size(v); (*n)++) {
		const char *s = json_string_value(json_array_get(v, *n));

		(void)snprintf(r->path + path, sizeof(r->path) - path, "/%zu", *n);
		if (s == NULL || !network_read(s, &(*out)[*n]))
			return wrong(r, "must be a network like 10.0.0.0/8 or 2001:db8::/32, "
					"without bits beyond its length");
	}
	r->path[path] = '\0';
	return true;
}

static bool
network_read(const char *s, struct network *w)
{
	struct str head, tail;
	uint64_t bits;
	char text[INET6_ADDRSTRLEN];
	bool v4;

	if (!str_cut(str_of(s), '/', &head, &tail)) {
		head = str_of(s);
		tail = (struct str){ NULL, 0 };
	} else if (tail.n == 0) {
		return false;
	}
	if (head.n >= sizeof(text))
		return false;
	memcpy(text, head.p, head.n);
	text[head.n] = '\0';
	if (!address_read(text, w->bytes, &v4))
		return false;
	bits = v4 ? 32 : 128;
	if (tail.n > 0 && !str_u64(tail, bits, &bits))
		return false;
	w->bits = (unsigned)bits + (v4 ? 96 : 0);
	for (unsigned i = w->bits; i < 128; i++)
		if ((w->bytes[i / 8] & (0x80 >> i % 8)) != 0)
			return false;
	return true;
}

/* IPv4 in its IPv6 form is IPv4. */
static bool
address_read(const char *s, uint8_t out[16], bool *v4)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(out, mapped, sizeof(mapped));
	*v4 = inet_pton(AF_INET, s, out + 12) == 1;
	return *v4 || inet_pton(AF_INET6, s, out) == 1;
}

static bool
read_service(struct reading *r, const json_t *v)
{
	r->c->service = json_is_true(v);
	return json_is_boolean(v) || wrong(r, "must be true or false");
}

static bool
read_clients(struct reading *r, const json_t *v)
{
	return read_texts(r, v, &r->c->clients);
}

static bool
read_methods(struct reading *r, const json_t *v)
{
	return read_texts(r, v, &r->c->methods);
}

static bool
read_groups(struct reading *r, const json_t *v)
{
	return read_texts(r, v, &r->c->groups);
}

static bool
read_texts(struct reading *r, const json_t *v, struct texts *out)
{
	if (!json_is_array(v) || json_array_size(v) == 0 || json_array_size(v) > LIST_MAX)
		return wrong(r, "must be a list of 1 to 100 names");
	out->given = true;
	out->items = mem_zalloc(json_array_size(v) * sizeof(char *));
	for (size_t i = 0; i < json_array_size(v); i++) {
		const char *s = json_string_value(json_array_get(v, i));

		if (s == NULL || s[0] == '\0')
			return wrong(r, "must be a list of 1 to 100 names");
		out->items[out->n] = strdup(s);
		if (out->items[out->n] == NULL)
			abort();
		out->n++;
	}
	return true;
}

static bool
read_within(struct reading *r, const json_t *v)
{
	r->c->within_s = json_integer_value(v);
	return (json_is_integer(v) && r->c->within_s >= 1 && r->c->within_s <= 366 * DAY_S) ||
	       wrong(r, "must be a number of seconds, 1 to 31622400");
}

/* --- holding --- */

/* From 22:00 until 06:00 goes over midnight: what is after midnight belongs to the day before. */
static enum truth
time_holds(const struct conditions *c, int64_t now_us)
{
	int64_t now_s = now_us / SEC, day;
	int32_t offset;
	int clock;

	if (now_us < c->not_before_us || now_us >= c->not_after_us)
		return TRUTH_NO;
	if (c->days == 0 && c->from_s < 0)
		return TRUTH_YES;
	if (!zone_offset(c->zone, now_s, &offset))
		return TRUTH_UNKNOWN;
	now_s += offset;
	day = now_s / DAY_S;
	clock = (int)(now_s % DAY_S);
	if (c->from_s >= 0 && c->from_s < c->until_s && (clock < c->from_s || clock >= c->until_s))
		return TRUTH_NO;
	if (c->from_s > c->until_s && clock < c->from_s) {
		if (clock >= c->until_s)
			return TRUTH_NO;
		day--;
	}
	/* 1970-01-01 was a Thursday */
	return c->days == 0 || (c->days & 1u << (day + 3) % 7) != 0 ? TRUTH_YES : TRUTH_NO;
}

static enum truth
address_holds(const struct conditions *c, const char *address)
{
	uint8_t ip[16];
	bool v4;

	if (!c->in_given && !c->not_in_given)
		return TRUTH_YES;
	if (address == NULL || !address_read(address, ip, &v4))
		return TRUTH_UNKNOWN;
	if (c->in_given && !in_networks(ip, c->in, c->n_in))
		return TRUTH_NO;
	return in_networks(ip, c->not_in, c->n_not_in) ? TRUTH_NO : TRUTH_YES;
}

static bool
in_networks(const uint8_t ip[16], const struct network *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned whole = w[i].bits / 8, rest = w[i].bits % 8;

		if (memcmp(ip, w[i].bytes, whole) == 0 &&
		    (rest == 0 || (ip[whole] ^ w[i].bytes[whole]) >> (8 - rest) == 0))
			return true;
	}
	return false;
}

/* When he authenticated is not known of an API key: it did not happen within any time. */
static enum truth
principal_holds(const struct conditions *c, const struct circumstances *of)
{
	const Mf__Principal *who = of->who;
	int64_t ago;

	if (c->service < 0 && c->within_s < 0 && !c->clients.given && !c->methods.given &&
	    !c->groups.given)
		return TRUTH_YES;
	if (who == NULL)
		return TRUTH_UNKNOWN;
	if (c->service >= 0 && (c->service == 1) != (who->service != 0))
		return TRUTH_NO;
	if (c->clients.given && !any_of(&c->clients, 1, &who->client_id))
		return TRUTH_NO;
	if (c->methods.given && !any_of(&c->methods, who->n_methods, who->methods))
		return TRUTH_NO;
	if (c->groups.given && !any_of(&c->groups, who->n_groups, who->groups))
		return TRUTH_NO;
	ago = of->now_us - (int64_t)who->authenticated_at;
	return c->within_s < 0 || (who->authenticated_at != 0 && ago <= c->within_s * SEC)
	           ? TRUTH_YES
	           : TRUTH_NO;
}

static bool
any_of(const struct texts *t, size_t n, char *const *have)
{
	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < n; k++)
			if (strcmp(t->items[i], have[k]) == 0)
				return true;
	return false;
}

static void
texts_free(struct texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->items[i]);
	free(t->items);
}

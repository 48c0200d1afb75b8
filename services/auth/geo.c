/* geo: see geo.h. Networks as ranges of 128-bit addresses (IPv4 mapped into IPv6), sorted by their
 * beginning; of those that hold an address the innermost counts: databases that overlap list the
 * wider first. */
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>
#include "auth/geo.h"
#include "base/mem.h"
#include "base/str.h"

#define EARTH_KM  6371.0
#define LOOK_BACK 32 /* ranges that begin before an address and may hold it */

struct range {
	uint8_t first[16], last[16];
	struct geo_place place;
};

struct geo {
	struct range *ranges;
	size_t n, cap;
};

struct columns {
	int network, latitude, longitude;
};

static bool read_names(struct str line, struct columns *c);
static bool read_line(struct str line, const struct columns *c, struct range *out);
static bool read_network(struct str s, struct range *out);
static bool read_address(const char *s, uint8_t out[16]);
static int by_first(const void *x, const void *y);

struct geo *
geo_parse(const char *p, size_t n, char *err, size_t err_size)
{
	struct columns c = { 0, 1, 2 };
	struct geo *g = mem_zalloc(sizeof(*g));
	struct str rest = { p, n }, line;
	bool more = n > 0;

	err[0] = '\0';
	for (size_t at = 1; more; at++) {
		more = str_cut(rest, '\n', &line, &rest);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0 || (at == 1 && read_names(line, &c)))
			continue;
		if (g->n == g->cap) {
			g->cap = g->cap == 0 ? 1024 : 2 * g->cap;
			g->ranges = mem_grow(g->ranges, g->cap, sizeof(*g->ranges));
		}
		if (g->n >= GEO_MOST || !read_line(line, &c, &g->ranges[g->n])) {
			(void)snprintf(err, err_size, "line %zu: %s", at,
			    g->n >= GEO_MOST ? "too many networks"
					     : "must have a network, a latitude and a longitude");
			geo_free(&g);
			return NULL;
		}
		/* the free databases have networks whose place they don't know */
		g->n += !isnan(g->ranges[g->n].place.latitude);
	}
	if (g->n > 0)
		qsort(g->ranges, g->n, sizeof(*g->ranges), by_first);
	return g;
}

struct geo *
geo_load(const char *path, char *err, size_t err_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct geo *g = NULL;
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0) {
		(void)snprintf(err, err_size, "%s: can't be read, or is empty", path);
		if (fd >= 0)
			(void)close(fd);
		return NULL;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	(void)close(fd);
	if (p == MAP_FAILED) {
		(void)snprintf(err, err_size, "%s: can't be mapped", path);
		return NULL;
	}
	g = geo_parse(p, (size_t)st.st_size, err, err_size);
	(void)munmap(p, (size_t)st.st_size);
	return g;
}

void
geo_free(struct geo **gp)
{
	struct geo *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	free(g->ranges);
	free(g);
}

size_t
geo_count(const struct geo *g)
{
	return g->n;
}

bool
geo_find(const struct geo *g, const char *address, struct geo_place *out)
{
	uint8_t at[16];
	size_t low = 0, high;

	if (g == NULL || !read_address(address, at))
		return false;
	for (high = g->n; low < high;) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(g->ranges[mid].first, at, 16) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t i = 0; i < LOOK_BACK && low > i; i++) {
		const struct range *r = &g->ranges[low - 1 - i];

		if (memcmp(r->last, at, 16) >= 0) {
			*out = r->place;
			return true;
		}
	}
	return false;
}

double
geo_km(struct geo_place a, struct geo_place b)
{
	const double rad = M_PI / 180.0;
	double lat = (b.latitude - a.latitude) * rad / 2;
	double lon = (b.longitude - a.longitude) * rad / 2;
	double h = sin(lat) * sin(lat) +
	           cos(a.latitude * rad) * cos(b.latitude * rad) * sin(lon) * sin(lon);

	return 2 * EARTH_KM * asin(sqrt(h < 1 ? h : 1));
}

/* False: it is no line of names. */
static bool
read_names(struct str line, struct columns *c)
{
	struct columns found = { -1, -1, -1 };
	struct str rest = line, one;
	bool more = true;

	for (int i = 0; more; i++) {
		more = str_cut(rest, ',', &one, &rest);
		if (str_eq(one, "network"))
			found.network = i;
		else if (str_eq(one, "latitude") || str_eq(one, "lat"))
			found.latitude = i;
		else if (str_eq(one, "longitude") || str_eq(one, "lon"))
			found.longitude = i;
	}
	if (found.network < 0 || found.latitude < 0 || found.longitude < 0)
		return false;
	*c = found;
	return true;
}

static bool
read_line(struct str line, const struct columns *c, struct range *out)
{
	struct str rest = line, one;
	double lat = NAN, lon = NAN;
	bool more = true, network = false;

	for (int i = 0; more; i++) {
		more = str_cut(rest, ',', &one, &rest);
		if (i == c->network && !(network = read_network(one, out)))
			return false;
		if (i == c->latitude && one.n > 0 && (!str_double(one, &lat) || fabs(lat) > 90))
			return false;
		if (i == c->longitude && one.n > 0 && (!str_double(one, &lon) || fabs(lon) > 180))
			return false;
	}
	out->place = (struct geo_place){ (float)lat, (float)lon };
	if (isnan(lon))
		out->place.latitude = NAN;
	return network;
}

static bool
read_network(struct str s, struct range *out)
{
	struct str address, bits;
	char text[64];
	uint64_t n;
	bool is_v4;

	if (!str_cut(s, '/', &address, &bits) || address.n >= sizeof(text) ||
	    !str_u64(bits, 128, &n))
		return false;
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	is_v4 = strchr(text, ':') == NULL;
	if (!read_address(text, out->first) || (is_v4 && n > 32))
		return false;
	n += is_v4 ? 96 : 0;
	memcpy(out->last, out->first, 16);
	for (size_t i = n; i < 128; i++) {
		uint8_t bit = (uint8_t)(0x80 >> (i % 8));

		out->first[i / 8] &= (uint8_t)~bit;
		out->last[i / 8] |= bit;
	}
	return true;
}

static bool
read_address(const char *s, uint8_t out[16])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	if (inet_pton(AF_INET6, s, out) == 1)
		return true;
	memcpy(out, mapped, sizeof(mapped));
	return inet_pton(AF_INET, s, out + 12) == 1;
}

/* The wider first. */
static int
by_first(const void *x, const void *y)
{
	const struct range *a = x, *b = y;
	int d = memcmp(a->first, b->first, 16);

	return d != 0 ? d : memcmp(b->last, a->last, 16);
}

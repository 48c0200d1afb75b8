/* geo: where networks are, from a file as the free databases have them (CSV: network, latitude,
 * longitude, and others in between, named in the first line; without such a line exactly those
 * three). Without a file, or without the network in it, nothing is known and nothing is said. */
#ifndef AUTH_GEO_H
#define AUTH_GEO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GEO_MOST 6000000 /* networks; the free databases have some 4 million */

struct geo;
struct geo_place {
	float latitude, longitude;
};

/* Of a text of n bytes. NULL: err says what is wrong, with its line. */
struct geo *
geo_parse(const char *p, size_t n, char *err, size_t err_size) __attribute__((warn_unused_result));
/* Blocks for as long as the file takes. */
struct geo *
geo_load(const char *path, char *err, size_t err_size) __attribute__((warn_unused_result));
void geo_free(struct geo **g);
size_t geo_count(const struct geo *g);
/* g may be NULL. */
bool geo_find(const struct geo *g, const char *address, struct geo_place *out);
double geo_km(struct geo_place a, struct geo_place b); /* along the surface (haversine) */

#endif

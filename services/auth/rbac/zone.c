/* zone: see zone.h. Of a TZif file the second block is read, that of 64-bit times. The footer (a
 * POSIX rule) is not: Debian's files have their transitions until 2037; a zone whose footer has no
 * daylight saving goes on with its last offset for good. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "auth/rbac/zone.h"
#include "base/mem.h"

#define ZONE_DIR "/usr/share/zoneinfo/"
#define FILE_MAX 65536
#define HEAD_LEN 44
/* There are some 600 names, each also below posix/ and right/, and 1800 offsets: all of them fit, so
 * that nobody who writes conditions uses them up. */
#define ZONES_MAX     4096
#define NAME_MAX_LEN  64
#define OFFSET_MOST_S (26 * 3600)

struct zone {
	char name[NAME_MAX_LEN + 1];
	size_t n; /* of transitions */
	int64_t *at;
	int32_t *offset; /* from then on */
	int32_t first;   /* before all of them */
	bool ends;       /* after the last one nothing is known */
};

struct counts { /* of a block, RFC 8536 3.1 */
	uint32_t isut, isstd, leap, time, type, chars;
};

static struct zone *known[ZONES_MAX];
static size_t n_known;

static bool fixed_offset(const char *name, int32_t *offset);
static bool name_ok(const char *name);
static uint8_t *file_read(const char *name, size_t *n);
static bool head_read(const uint8_t *p, size_t n, struct counts *k);
static size_t block_len(const struct counts *k, size_t time_size);
static bool block_read(struct zone *z, const uint8_t *p, const struct counts *k);
static bool footer_is_plain(const uint8_t *p, size_t n);
static uint32_t be32(const uint8_t *p);

const struct zone *
zone_find(const char *name)
{
	struct zone *z = NULL;
	int32_t offset;

	for (size_t i = 0; i < n_known; i++)
		if (strcmp(known[i]->name, name) == 0)
			return known[i];
	if (n_known == ZONES_MAX || strlen(name) > NAME_MAX_LEN)
		return NULL;
	if (fixed_offset(name, &offset)) {
		z = mem_zalloc(sizeof(*z));
		z->first = offset;
	} else if (name_ok(name)) {
		size_t n;
		uint8_t *p = file_read(name, &n);

		z = p == NULL ? NULL : zone_parse(p, n);
		free(p);
	}
	if (z == NULL)
		return NULL;
	(void)snprintf(z->name, sizeof(z->name), "%s", name);
	known[n_known++] = z;
	return z;
}

bool
zone_offset(const struct zone *z, int64_t unix_s, int32_t *offset)
{
	size_t low = 0, high = z->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (z->at[mid] <= unix_s)
			low = mid + 1;
		else
			high = mid;
	}
	*offset = low == 0 ? z->first : z->offset[low - 1];
	return low < z->n || !z->ends;
}

struct zone *
zone_parse(const uint8_t *p, size_t n)
{
	struct counts k;
	struct zone *z;
	size_t skip, len;

	if (!head_read(p, n, &k) || p[4] < '2')
		return NULL;
	skip = HEAD_LEN + block_len(&k, 4);
	if (skip > n || !head_read(p + skip, n - skip, &k))
		return NULL;
	p += skip + HEAD_LEN;
	n -= skip + HEAD_LEN;
	len = block_len(&k, 8);
	if (len > n)
		return NULL;
	z = mem_zalloc(sizeof(*z));
	if (!block_read(z, p, &k))
		zone_free(&z);
	else
		z->ends = !footer_is_plain(p + len, n - len);
	return z;
}

void
zone_free(struct zone **zp)
{
	struct zone *z = *zp;

	*zp = NULL;
	if (z == NULL)
		return;
	free(z->at);
	free(z->offset);
	free(z);
}

static bool
fixed_offset(const char *s, int32_t *offset)
{
	int h, m;

	*offset = 0;
	if (strcmp(s, "UTC") == 0)
		return true;
	if ((s[0] != '+' && s[0] != '-') || strlen(s) != 6 || s[3] != ':')
		return false;
	for (int i = 1; i < 6; i++)
		if (i != 3 && (s[i] < '0' || s[i] > '9'))
			return false;
	h = (s[1] - '0') * 10 + s[2] - '0';
	m = (s[4] - '0') * 10 + s[5] - '0';
	*offset = (s[0] == '-' ? -1 : 1) * (h * 3600 + m * 60);
	return h <= 14 && m < 60;
}

/* Words of letters, digits, '_', '-', '+' with slashes between them: no way out of the folder. */
static bool
name_ok(const char *s)
{
	size_t word = 0;

	for (; *s != '\0'; s++) {
		if (*s == '/' && word > 0)
			word = 0;
		else if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			 (*s >= '0' && *s <= '9') || *s == '_' || *s == '-' || *s == '+')
			word++;
		else
			return false;
	}
	return word > 0;
}

static uint8_t *
file_read(const char *name, size_t *n)
{
	char path[sizeof(ZONE_DIR) + NAME_MAX_LEN];
	uint8_t *p;
	ssize_t got;
	int fd;

	(void)snprintf(path, sizeof(path), ZONE_DIR "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	p = mem_zalloc(FILE_MAX);
	*n = 0;
	while (*n < FILE_MAX &&
	       ((got = read(fd, p + *n, FILE_MAX - *n)) > 0 || (got < 0 && errno == EINTR)))
		*n += got > 0 ? (size_t)got : 0;
	(void)close(fd);
	return p;
}

static bool
head_read(const uint8_t *p, size_t n, struct counts *k)
{
	if (n < HEAD_LEN || memcmp(p, "TZif", 4) != 0)
		return false;
	k->isut = be32(p + 20);
	k->isstd = be32(p + 24);
	k->leap = be32(p + 28);
	k->time = be32(p + 32);
	k->type = be32(p + 36);
	k->chars = be32(p + 40);
	return k->isut <= 256 && k->isstd <= 256 && k->leap <= 1000 && k->time <= 4000 &&
	       k->type >= 1 && k->type <= 256 && k->chars <= 4096;
}

static size_t
block_len(const struct counts *k, size_t time_size)
{
	return k->time * (time_size + 1) + k->type * 6 + k->chars + k->leap * (time_size + 4) +
	       k->isstd + k->isut;
}

static bool
block_read(struct zone *z, const uint8_t *p, const struct counts *k)
{
	const uint8_t *index = p + (size_t)k->time * 8, *types = index + k->time;

	z->n = k->time;
	z->at = mem_zalloc(z->n * sizeof(*z->at) + 1);
	z->offset = mem_zalloc(z->n * sizeof(*z->offset) + 1);
	z->first = (int32_t)be32(types);
	for (size_t i = 0; i < k->type; i++) {
		int32_t offset = (int32_t)be32(types + 6 * i);

		if (offset < -OFFSET_MOST_S || offset > OFFSET_MOST_S)
			return false;
	}
	for (size_t i = 0; i < z->n; i++) {
		uint64_t at = (uint64_t)be32(p + 8 * i) << 32 | be32(p + 8 * i + 4);

		z->at[i] = (int64_t)at;
		if (index[i] >= k->type || (i > 0 && z->at[i] <= z->at[i - 1]))
			return false;
		z->offset[i] = (int32_t)be32(types + (size_t)6 * index[i]);
	}
	return true;
}

/* "\nCET-1\n" is, "\nCET-1CEST,M3.5.0,M10.5.0/3\n" is not. */
static bool
footer_is_plain(const uint8_t *p, size_t n)
{
	return n >= 3 && p[0] == '\n' && memchr(p + 1, '\n', n - 1) != NULL &&
	       memchr(p, ',', n) == NULL;
}

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

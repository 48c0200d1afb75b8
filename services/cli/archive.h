/* archive: the file of a backup. Pure but for the file.
 *
 *	"MFBACKUP", version (u32), flags (u32: 1 encrypted), then 24 bytes of secretstream's header
 *	where it is encrypted; then blocks, each its length (u32) and its bytes. A block is a frame:
 *	type, length of the name (u8), name, data; encrypted by libsodium's secretstream, 17 bytes
 *	longer. Numbers are little-endian.
 *
 * Frames: one 'H' with the header (JSON), then 'D' with data of the section it names and 'S' at the end
 * of each (JSON), then one 'E' (JSON) with the BLAKE2b-256 of all before it. Nothing follows. A file
 * without its 'E' was cut off; it counts for nothing. */
#ifndef CLI_ARCHIVE_H
#define CLI_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARCHIVE_VERSION  1u
#define ARCHIVE_KEY      32
#define ARCHIVE_DATA_MAX (1u << 20) /* of one frame */

struct archive;

/* The key of a key file: at least 32 bytes, kept secret. False: why says so. */
bool archive_key(const char *path, uint8_t key[ARCHIVE_KEY], char *why, size_t why_size);

/* --- writing: into FILE.partial, mode 0600, by one at a time; FILE only when it is complete and on disk --- */
struct archive *archive_create(const char *path, const uint8_t *key, char *why, size_t why_size);
/* n at most ARCHIVE_DATA_MAX, name at most 255. False: the disk is full, or the like. */
bool archive_put(struct archive *a, char type, const char *name, const void *data, size_t n);
bool archive_commit(struct archive *a); /* writes the 'E' */
const char *archive_why(const struct archive *a);
void archive_close(struct archive **a); /* without commit: nothing is left */

/* --- reading --- */
struct frame { /* until the next */
	char type;
	char name[256];
	const char *data;
	size_t n;
};
struct archive *archive_open(const char *path, const uint8_t *key, char *why, size_t why_size);
struct archive *archive_read(FILE *f, const uint8_t *key, char *why, size_t why_size);
/* False: what is wrong, by archive_why. An 'E' is given when all before it is as it was written, and
 * nothing follows. */
bool archive_next(struct archive *a, struct frame *out);

#endif

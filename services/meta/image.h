/* image: which executable a process runs, and which one a file is. Two are the same when they carry the
 * same build id (a note that the linker writes: the same code gives the same id); without one, when they
 * are the same unchanged file. What an executable says of itself (node/build.h) is read the same way:
 * nothing is run, no symbol is looked up. */
#ifndef META_IMAGE_H
#define META_IMAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define IMAGE_HEAD    (64u << 10) /* so much of a file is looked at */
#define IMAGE_ID      65          /* hex digits and NUL */
#define IMAGE_VERSION 32
#define IMAGE_NAME    (IMAGE_VERSION + 10) /* "1.0.0+9f86d081" */

struct image {
	char id[IMAGE_ID];           /* hex; begins with "~" when the file has no build id */
	char version[IMAGE_VERSION]; /* "" when it does not say */
	bool says;                   /* it has a note of ours: the next two are true */
	uint32_t bus, contract;
};

/* False, errno: it can't be read, or is no executable of this machine. Blocks on the disk. */
bool image_of_file(const char *path, struct image *out) __attribute__((warn_unused_result));
/* The file that the process runs, though another one may stand in its place by now. */
bool image_of_process(pid_t pid, struct image *out) __attribute__((warn_unused_result));
bool image_same(const struct image *a, const struct image *b);
void image_name(const struct image *i, char out[IMAGE_NAME]); /* for people */

/* Pure: the first bytes of a file. False: they are no ELF file of 64 bits and our byte order. Without
 * a build id, id is "". */
bool image_parse(const uint8_t *p, size_t n, struct image *out) __attribute__((warn_unused_result));

/* The executable that the supervisor would start now as NODE. */
void image_path(const char *node, char out[PATH_MAX]);

#endif

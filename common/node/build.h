/* build: what an executable says of itself, in a note of its ELF file, so that it can be asked without
 * being run: its version, and what it speaks with its neighbours. services/meta/image.c reads it.
 *
 * Note "metafed", type 1: two 32-bit numbers (bus, contract), then the version as text with its NUL. */
#ifndef NODE_BUILD_H
#define NODE_BUILD_H

#include <stdint.h>

#define BUILD_NOTE_NAME "metafed"
#define BUILD_NOTE_TYPE 1

struct build {
	uint32_t bus;      /* BUS_VERSION */
	uint32_t contract; /* CONTRACT_VERSION */
	const char *version;
};
extern const struct build build_own; /* of this executable */

#endif

/* dict: names to pointers, in an arena. Up to eight entries stand in a row and are compared; beyond
 * that they are hashed with a key of this process (SipHash), so that a client can't choose names
 * that collide. Keys are views: what they view must live as long as the map. */
#ifndef GQL_DICT_H
#define GQL_DICT_H

#include "base/arena.h"
#include "base/str.h"

struct dict_slot {
	struct str key;
	void *value; /* NULL: a free slot, or an entry not filled yet */
};

struct dict {
	struct arena *a;
	struct dict_slot *slots;
	uint32_t cap, n;
};

void dict_init(struct dict *m, struct arena *a);
/* The place of the key's value: NULL there when it is new. Valid until the next dict_at. */
void **dict_at(struct dict *m, struct str key);
void *dict_get(const struct dict *m, struct str key); /* NULL: not there */

#endif

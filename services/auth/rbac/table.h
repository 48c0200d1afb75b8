/* table: a hash table of nodes that are the first member of what is kept. Chained, so that a node
 * never moves; doubled when it is full. Nothing is owned. */
#ifndef RBAC_TABLE_H
#define RBAC_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node {
	struct node *in_slot;
	uint32_t hash;
};
struct table {
	struct node **slots;
	size_t n, mask;
};

uint32_t table_hash(const void *p, size_t n, uint32_t seed);
typedef bool table_is_fn(const struct node *k, const void *key);
struct node *table_find(const struct table *t, uint32_t hash, table_is_fn *is, const void *key);
void table_add(struct table *t, struct node *k, uint32_t hash);
void table_remove(struct table *t, struct node *k);
void table_free(struct table *t, void (*each)(struct node *k)); /* each may free; NULL: nothing */

#endif

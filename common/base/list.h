/* list: intrusive doubly-linked list with a counted head. An object is in one list per link. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
	struct link *prev, *next; /* NULL: in no list */
};

struct list {
	struct link head;
	size_t n;
};

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void
list_init(struct list *l)
{
	l->head.prev = l->head.next = &l->head;
	l->n = 0;
}

static inline bool
link_is_in(const struct link *k)
{
	return k->next != NULL;
}

static inline void
list_add(struct list *l, struct link *k) /* at the end */
{
	k->prev = l->head.prev;
	k->next = &l->head;
	l->head.prev->next = k;
	l->head.prev = k;
	l->n++;
}

static inline void
list_add_first(struct list *l, struct link *k)
{
	k->next = l->head.next;
	k->prev = &l->head;
	l->head.next->prev = k;
	l->head.next = k;
	l->n++;
}

static inline void
list_del(struct list *l, struct link *k)
{
	k->prev->next = k->next;
	k->next->prev = k->prev;
#ifndef __clang_analyzer__ /* it takes what the list holds next for `k` again */
	k->prev = k->next = NULL;
#endif
	l->n--;
}

static inline struct link *
list_first(const struct list *l)
{
	return l->n == 0 ? NULL : l->head.next;
}

static inline struct link *
list_pop(struct list *l)
{
	struct link *k = list_first(l);

	if (k != NULL)
		list_del(l, k);
	return k;
}

/* `k` may be deleted inside the loop. */
#define LIST_EACH(l, k)                                                                            \
	for (struct link *k = (l)->head.next, *k##_next = k->next; k != &(l)->head;                \
	     k = k##_next, k##_next = k->next)

#endif

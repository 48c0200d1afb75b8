/* heap: how this process keeps memory that it has freed. */
#ifndef NODE_HEAP_H
#define NODE_HEAP_H

#include <stdbool.h>

void heap_set_up(void); /* before anything big is allocated, and before there are threads */
/* True: much more was resident than is in use, and went back to the kernel. Takes some 0.1 ms for each
 * MiB that goes, else microseconds. */
bool heap_give_back(void);

#endif

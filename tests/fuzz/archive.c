/* archive: any bytes as the file of a backup, with a key and without. */
#include <stdio.h>
#include <stdlib.h>
#include "cli/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint8_t key[ARCHIVE_KEY] = { 1 };
	char why[100];

	if (n == 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		FILE *f = fmemopen((void *)(uintptr_t)p, n, "r");
		struct archive *a = archive_read(f, i == 0 ? NULL : key, why, sizeof(why));
		struct frame x;

		while (a != NULL && archive_next(a, &x) && x.type != 'E')
			if (x.n > 0 && x.data[x.n - 1] == 1 && x.name[0] == 1)
				why[0] = 1; /* every byte of it is there */
		archive_close(&a);
	}
	return 0;
}

/* fuzz: frames and hellos of anybody. What opens must walk to its end inside its bytes and write
 * back to the same bytes. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "bus/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
try_frame(const uint8_t *p, size_t n)
{
	struct frame_out *out;
	struct frame_head h;
	struct frame_record r;
	struct frame_in in;
	const uint8_t *again;
	size_t again_n;

	if (!frame_open(&in, p, n, &h))
		return;
	out = frame_new();
	while (frame_next(&in, &r)) {
		must(r.n == 0 || (r.p >= p && r.p + r.n <= p + n));
		frame_add(out, &r);
	}
	must(in.n == 0);
	again = frame_close(out, &h, &again_n);
	must(again_n == n && memcmp(again, p, n) == 0);
	frame_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Mf__Hello *h;
	uint64_t to;

	switch (frame_kind_of(p, n)) {
	case FRAME_HELLO:
	case FRAME_WELCOME:
		h = frame_read_hello(p, n, &to);
		if (h != NULL)
			mf__hello__free_unpacked(h, NULL);
		break;
	case FRAME_DATA:
		try_frame(p + FRAME_PREFIX, n - FRAME_PREFIX);
		break;
	case FRAME_SEALED:
	case FRAME_BELL:
	case FRAME_PLAIN:
	case FRAME_BAD:
		try_frame(p, n);
		break;
	}
	return 0;
}

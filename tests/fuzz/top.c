/* top: any bytes as a text on the screen, and as the answer of a fleet on every tab: no control character
 * gets into the grid, nothing is written beyond it. */
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/top/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check(struct grid *g)
{
	struct buf b = { 0 };

	grid_text(g, false, &b);
	for (size_t i = 0; i < b.n; i++) {
		unsigned char c = (unsigned char)b.p[i],
			      before = i > 0 ? (unsigned char)b.p[i - 1] : 0;

		must(c == '\n' || (c >= ' ' && c != 0x7f));
		must(!(before == 0xc2 && c >= 0x80 && c <= 0x9f));
	}
	buf_free(&b);
	grid_free(&g);
}

static void
as_text(const uint8_t *data, size_t n)
{
	char *text = strndup((const char *)data, n);
	struct grid *g = grid_new(3, 1 + (int)(n % 40));

	must(text != NULL);
	must(grid_width(text) >= 0);
	(void)grid_put(g, 0, 0, g->cols, LOOK_PLAIN, text);
	grid_field(g, 1, (int)(n % 7), -20, LOOK_BAD, text);
	grid_field(g, 2, 0, 9, LOOK_DIM, text);
	check(g);
	free(text);
}

static void
as_answer(const uint8_t *data, size_t n)
{
	json_t *v = json_loadb((const char *)data, n, 0, NULL);
	struct snapshot s = { 0 };
	struct state st = { .sort = (int)(n % 12) - 1, .where = "var", .detail = n % 2 == 0 };

	if (v == NULL)
		return;
	for (int i = 0; i < TOPICS; i++)
		s.of[i] = (struct topic_answer){ .v = v, .at_us = SEC };
	for (int i = 0; i < TABS; i++) {
		st.tab = (enum tab)i;
		check(screen_draw(&s, &st, 24, 80, 2 * SEC));
	}
	json_decref(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	as_text(data, n);
	as_answer(data, n);
	return 0;
}

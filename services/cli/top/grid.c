/* grid: see grid.h. Widths are those of Unicode's East Asian wide ranges, as terminals have them; marks
 * that stand above others are left out. No locale is asked. */
#include "cli/top/grid.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct range {
	uint32_t from, to;
};

static uint32_t next_char(const char **p);
static int width_of(uint32_t c);
static bool is_in(uint32_t c, const struct range *r, size_t n);
static void add_char(struct buf *out, uint32_t c, bool ascii);

struct grid *
grid_new(int rows, int cols)
{
	struct grid *g = mem_zalloc(sizeof(*g));

	g->rows = rows < 1 ? 1 : rows;
	g->cols = cols < 1 ? 1 : cols;
	g->cells = mem_zalloc((size_t)g->rows * (size_t)g->cols * sizeof(struct cell));
	for (int i = 0; i < g->rows * g->cols; i++)
		g->cells[i].c = ' ';
	return g;
}

void
grid_free(struct grid **g)
{
	if (*g != NULL)
		free((*g)->cells);
	free(*g);
	*g = NULL;
}

int
grid_put(struct grid *g, int row, int col, int width, enum look look, const char *text)
{
	int end = col + width < g->cols ? col + width : g->cols;

	if (row < 0 || row >= g->rows || col < 0)
		return col;
	while (*text != '\0') {
		uint32_t c = next_char(&text);
		int w = width_of(c);

		if (w == 0)
			continue;
		if (col + w > end)
			break;
		g->cells[row * g->cols + col] = (struct cell){ c, (uint8_t)look };
		if (w == 2)
			g->cells[row * g->cols + col + 1] = (struct cell){ 0, (uint8_t)look };
		col += w;
	}
	return col;
}

void
grid_field(struct grid *g, int row, int col, int width, enum look look, const char *text)
{
	int room = width < 0 ? -width : width, blank = room - grid_width(text);
	int at = col;

	if (row < 0 || row >= g->rows || col < 0)
		return;
	for (; width < 0 && blank > 0; blank--)
		at = grid_put(g, row, at, 1, look, " ");
	at = grid_put(g, row, at, col + room - at, look, text);
	while (at < col + room && at < g->cols)
		at = grid_put(g, row, at, 1, look, " ");
}

void
grid_fill(struct grid *g, int row, enum look look)
{
	for (int i = 0; i < g->cols && row >= 0 && row < g->rows; i++)
		g->cells[row * g->cols + i].look = (uint8_t)look;
}

int
grid_width(const char *text)
{
	int n = 0;

	while (*text != '\0')
		n += width_of(next_char(&text));
	return n;
}

void
grid_text(const struct grid *g, bool ascii, struct buf *out)
{
	for (int row = 0; row < g->rows; row++) {
		const struct cell *line = g->cells + row * g->cols;
		int n = g->cols;

		while (n > 0 && line[n - 1].c == ' ')
			n--;
		for (int i = 0; i < n; i++)
			if (line[i].c != 0)
				add_char(out, line[i].c, ascii);
		buf_add(out, "\n", 1);
	}
}

/* The next code point of UTF-8; what is none is U+FFFD, a byte at a time. */
static uint32_t
next_char(const char **p)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)*p;
	int n = s[0] < 0x80   ? 1
	        : s[0] < 0xc0 ? 0
	        : s[0] < 0xe0 ? 2
	        : s[0] < 0xf0 ? 3
	        : s[0] < 0xf8 ? 4
	                      : 0;
	uint32_t c = n == 1 ? s[0] : n == 0 ? 0 : s[0] & (0x7fu >> n);

	for (int i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			n = 0;
			break;
		}
		c = c << 6 | (s[i] & 0x3fu);
	}
	if (n == 0 || c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
		*p += 1;
		return 0xfffd;
	}
	*p += n;
	/* Control characters (C0, DEL, C1), and those that turn the order of others round. */
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069))
		return ' ';
	return c;
}

static int
width_of(uint32_t c)
{
	static const struct range none[] = { { 0x300, 0x36f }, { 0x200b, 0x200f },
		{ 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xe0000, 0xe0fff } };
	static const struct range wide[] = { { 0x1100, 0x115f }, { 0x2e80, 0xa4cf },
		{ 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f }, { 0xff00, 0xff60 },
		{ 0xffe0, 0xffe6 }, { 0x1f300, 0x1faff }, { 0x20000, 0x3fffd } };

	if (is_in(c, none, sizeof(none) / sizeof(none[0])))
		return 0;
	return is_in(c, wide, sizeof(wide) / sizeof(wide[0])) ? 2 : 1;
}

static bool
is_in(uint32_t c, const struct range *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= r[i].from && c <= r[i].to)
			return true;
	return false;
}

static void
add_char(struct buf *out, uint32_t c, bool ascii)
{
	char u[4];

	if (ascii && c >= 0x80)
		c = '?';
	if (c < 0x80) {
		u[0] = (char)c;
		buf_add(out, u, 1);
		return;
	}
	if (c < 0x800) {
		u[0] = (char)(0xc0 | c >> 6);
		u[1] = (char)(0x80 | (c & 0x3f));
		buf_add(out, u, 2);
	} else if (c < 0x10000) {
		u[0] = (char)(0xe0 | c >> 12);
		u[1] = (char)(0x80 | (c >> 6 & 0x3f));
		u[2] = (char)(0x80 | (c & 0x3f));
		buf_add(out, u, 3);
	} else {
		u[0] = (char)(0xf0 | c >> 18);
		u[1] = (char)(0x80 | (c >> 12 & 0x3f));
		u[2] = (char)(0x80 | (c >> 6 & 0x3f));
		u[3] = (char)(0x80 | (c & 0x3f));
		buf_add(out, u, 4);
	}
}

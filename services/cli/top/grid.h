/* grid: a screen as characters and how they look, without a terminal. What stands in it is safe to show:
 * control characters, and those that turn the order of others round, become blanks. */
#ifndef TOP_GRID_H
#define TOP_GRID_H

#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

enum look { LOOK_PLAIN, LOOK_DIM, LOOK_BOLD, LOOK_WARN, LOOK_BAD, LOOK_TITLE, LOOK_SELECTED };

struct cell {
	uint32_t c; /* code point; 0: the second half of a wide one */
	uint8_t look;
};

struct grid {
	int rows, cols;
	struct cell *cells;
};

struct grid *grid_new(int rows, int cols); /* blank */
void grid_free(struct grid **g);
/* From (row, col) at most `width` cells; returns where the next one would be. Beyond the grid: nothing. */
int grid_put(struct grid *g, int row, int col, int width, enum look look, const char *text);
/* ... in a field of `width`, the rest blank; negative: to the right. */
void grid_field(struct grid *g, int row, int col, int width, enum look look, const char *text);
void grid_fill(struct grid *g, int row, enum look look); /* the look of a whole row */
int grid_width(const char *text);                        /* cells that it takes */
/* Lines without blanks at their ends; `ascii`: what is not becomes a question mark. */
void grid_text(const struct grid *g, bool ascii, struct buf *out);

#endif

/* plot: SVG for people: a title and a description for those who don't see it, classes for colours
 * (the page has light and dark ones), marks that differ in form as well. Points beyond an axis are
 * put on its end; what is NAN is left out. */
#ifndef RELIABILITY_PLOT_H
#define RELIABILITY_PLOT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

struct axis {
	double lo, hi;   /* values; log: both above 0 */
	double from, to; /* where these are, in user units */
	bool log;
};

struct plot {
	struct buf *out;
	double width, height;
	struct axis x, y;
	unsigned id; /* of the page's plots: for references */
};

enum mark { MARK_DOT, MARK_DIAMOND, MARK_SQUARE, MARK_CROSS };
enum anchor { ANCHOR_START, ANCHOR_MIDDLE, ANCHOR_END };
typedef const char *plot_text_fn(char out[64], double v); /* doc_ms and the like */

/* Text of anybody, as HTML or SVG text and inside quotes; control characters become blanks. */
void plot_escape(struct buf *out, const char *text);

/* hi that is not above lo becomes so: what a stranger wrote must not divide by nothing */
struct axis plot_axis(double lo, double hi, double from, double to, bool logarithmic);

void plot_open(struct plot *p, const char *title, const char *description);
void plot_close(struct plot *p);
double plot_at(const struct axis *a, double v);
void plot_text(struct plot *p, double x, double y, enum anchor a, const char *text);
void plot_line(struct plot *p, const char *class, double x1, double y1, double x2, double y2);
void plot_mark(struct plot *p, enum mark m, const char *class, double x, double y);
/* a value with its interval, on the x axis, at height y */
void plot_interval(
    struct plot *p, enum mark m, const char *class, double value, double lo, double hi, double y);
/* Lines across the plot with their values: below it, or at its left. */
void plot_grid_x(struct plot *p, plot_text_fn *text);
void plot_grid_y(struct plot *p, plot_text_fn *text);
void plot_title_x(struct plot *p, const char *text);

struct legend {
	const char *text, *class;
	enum mark mark;
	bool line; /* a line instead of a mark */
};
/* In one row, at the top; ended by text NULL. */
void plot_legend(struct plot *p, const struct legend *l);

/* begin, points, end */
void plot_path_begin(struct plot *p, const char *class);
void plot_path_point(struct plot *p, double x, double y, bool first);
void plot_path_end(struct plot *p);

#endif

/* plot: see plot.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/reliability/plot.h"

#define TICKS     5     /* about so many on a linear axis */
#define LEAST     1e-12 /* of what a log axis begins with */
#define MOST      1e12
#define LABEL     20  /* below the plot */
#define CHARACTER 7.0 /* width of one, on average */

static double step_of(double, double);
static const char *const anchors[] = { "start", "middle", "end" };

void
plot_escape(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '&')
			buf_puts(out, "&amp;");
		else if (c == '<')
			buf_puts(out, "&lt;");
		else if (c == '>')
			buf_puts(out, "&gt;");
		else if (c == '"')
			buf_puts(out, "&quot;");
		else if (c == '\'')
			buf_puts(out, "&#39;");
		else if (c < ' ' || c == 0x7f)
			buf_add(out, " ", 1);
		else
			buf_add(out, text, 1);
	}
}

struct axis
plot_axis(double lo, double hi, double from, double to, bool logarithmic)
{
	lo = logarithmic ? fmax(lo, LEAST) : fmax(lo, -MOST);
	hi = fmin(hi, MOST);
	if (!(hi > lo))
		hi = logarithmic ? lo * 10 : lo + 1;
	return (struct axis){ lo, hi, from, to, logarithmic };
}

void
plot_open(struct plot *p, const char *title, const char *description)
{
	buf_printf(p->out,
	    "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-labelledby=\"t%u d%u\">"
	    "<title id=\"t%u\">",
	    p->width, p->height, p->id, p->id, p->id);
	plot_escape(p->out, title);
	buf_printf(p->out, "</title><desc id=\"d%u\">", p->id);
	plot_escape(p->out, description);
	buf_puts(p->out, "</desc>\n");
}

void
plot_close(struct plot *p)
{
	buf_puts(p->out, "</svg>\n");
}

double
plot_at(const struct axis *a, double v)
{
	double share;

	if (isnan(v))
		return NAN;
	if (a->log)
		share = log(fmax(v, a->lo) / a->lo) / log(a->hi / a->lo);
	else
		share = (v - a->lo) / (a->hi - a->lo);
	return a->from + fmin(fmax(share, 0), 1) * (a->to - a->from);
}

void
plot_text(struct plot *p, double x, double y, enum anchor a, const char *text)
{
	buf_printf(p->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchors[a]);
	plot_escape(p->out, text);
	buf_puts(p->out, "</text>\n");
}

void
plot_line(struct plot *p, const char *class, double x1, double y1, double x2, double y2)
{
	buf_printf(p->out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
	    class, x1, y1, x2, y2);
}

void
plot_mark(struct plot *p, enum mark m, const char *class, double x, double y)
{
	static const char *const forms[] = {
		[MARK_DOT] = "M-4.5 0a4.5 4.5 0 1 1 9 0a4.5 4.5 0 1 1-9 0z",
		[MARK_DIAMOND] = "M0-6 5 0 0 6-5 0z",
		[MARK_SQUARE] = "M-4-4h8v8h-8z",
		[MARK_CROSS] = "M-4-4 4 4M-4 4 4-4",
	};

	if (!isnan(x) && !isnan(y))
		buf_printf(p->out,
		    "<path class=\"%s%s\" transform=\"translate(%.1f %.1f)\" d=\"%s\"/>\n", class,
		    m == MARK_CROSS ? " open" : "", x, y, forms[m]);
}

void
plot_interval(
    struct plot *p, enum mark m, const char *class, double value, double lo, double hi, double y)
{
	double from = plot_at(&p->x, lo), to = plot_at(&p->x, hi);

	if (!isnan(from) && !isnan(to)) {
		char open[64];

		snprintf(open, sizeof(open), "%s open", class);
		plot_line(p, open, from, y, to, y);
		plot_line(p, open, from, y - 4, from, y + 4);
		plot_line(p, open, to, y - 4, to, y + 4);
	}
	plot_mark(p, m, class, plot_at(&p->x, value), y);
}

void
plot_grid_x(struct plot *p, plot_text_fn *text)
{
	double step = step_of(p->x.lo, p->x.hi);
	char out[64];

	for (int i = 0; i < 40; i++) {
		double v =
		    p->x.log ? p->x.lo * pow(10, i) : (ceil(p->x.lo / step - 1e-9) + i) * step;

		if (v > p->x.hi * (1 + 1e-9))
			break;
		plot_line(p, "grid", plot_at(&p->x, v), p->y.to, plot_at(&p->x, v), p->y.from);
		plot_text(p, plot_at(&p->x, v), p->y.from + LABEL, ANCHOR_MIDDLE, text(out, v));
	}
}

void
plot_grid_y(struct plot *p, plot_text_fn *text)
{
	double step = step_of(p->y.lo, p->y.hi);
	char out[64];

	for (int i = 0; i < 40; i++) {
		double v = (ceil(p->y.lo / step - 1e-9) + i) * step;

		if (v > p->y.hi * (1 + 1e-9))
			break;
		plot_line(p, "grid", p->x.from, plot_at(&p->y, v), p->x.to, plot_at(&p->y, v));
		plot_text(p, p->x.from - 6, plot_at(&p->y, v) + 4, ANCHOR_END, text(out, v));
	}
}

void
plot_title_x(struct plot *p, const char *text)
{
	plot_text(p, p->x.to, p->y.from + 2 * LABEL - 2, ANCHOR_END, text);
}

void
plot_legend(struct plot *p, const struct legend *l)
{
	double x = 8;

	for (; l->text != NULL; l++) {
		if (l->line)
			plot_line(p, l->class, x - 4, 14, x + 14, 14);
		else
			plot_mark(p, l->mark, l->class, x + 5, 14);
		plot_text(p, x + 18, 18, ANCHOR_START, l->text);
		x += 38 + CHARACTER * (double)strlen(l->text);
	}
}

void
plot_path_begin(struct plot *p, const char *class)
{
	buf_printf(p->out, "<path class=\"%s\" d=\"", class);
}

void
plot_path_point(struct plot *p, double x, double y, bool first)
{
	if (!isnan(x) && !isnan(y))
		buf_printf(p->out, "%c%.1f %.1f", first ? 'M' : 'L', x, y);
}

void
plot_path_end(struct plot *p)
{
	buf_puts(p->out, "\"/>\n");
}

/* 1, 2 or 5 times a power of ten. */
static double
step_of(double lo, double hi)
{
	double rough = (hi - lo) / TICKS, power = pow(10, floor(log10(rough)));

	return power * (rough / power < 1.5      ? 1
			   : rough / power < 3.5 ? 2
			   : rough / power < 7.5 ? 5
						 : 10);
}

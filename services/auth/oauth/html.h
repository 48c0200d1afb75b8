/* html: pages from templates. A template is an HTML file with names in it, whatever a name stands for
 * is escaped, and there is no way to write it unescaped: so what a client, a user or a request calls
 * itself can't become markup, in text or in a quoted attribute.
 *
 *	{{name}}               the text, escaped; nothing when there is none
 *	{{#name}}...{{/name}}  once when there is such a text, else once for each row of that name
 *	{{^name}}...{{/name}}  when there is neither
 *	{{>file}}              the template file.html, with the same names
 *
 * A name that a row does not have is looked for in the view around it. Sections of one name don't
 * nest. Attributes must be quoted, and a URL begins with a path of our own: the templates see to it,
 * and a test looks at them. */
#ifndef OAUTH_HTML_H
#define OAUTH_HTML_H

#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"

struct view;

struct view *view_new(struct arena *a);
struct arena *view_arena(const struct view *v);
/* text NULL or "": there is none. It must live as long as the view. */
void view_set(struct view *v, const char *name, const char *text);
void view_setf(struct view *v, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* What `from` stood for is what `to` stands for from now on. */
void view_move(struct view *v, const char *from, const char *to);
struct view *view_add(struct view *v, const char *name); /* one more row */
bool view_has(const struct view *v, const char *name);   /* a text or a row */

/* The page that `file` ("login.html") and what it includes make of v, in v's arena, NUL-ended. */
char *html_page(const struct view *v, const char *file, size_t *n);
/* The text as it stands in a page: & < > " ' as references; what is not UTF-8, controls, and the
 * characters that turn the direction of writing around, as U+FFFD. */
char *html_escape(struct arena *a, const char *text, size_t n, size_t *n_out);

struct file {
	const char *name; /* "pages.css" */
	const char *bytes;
	size_t n;
};
extern const struct file oauth_files[];         /* NULL-ended; embedded at build time */
const struct file *html_file(const char *name); /* NULL: none */

#endif

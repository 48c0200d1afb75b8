/* html: see html.h. Templates are ours and trusted to be well-formed (a test reads all of them); what
 * is put into them is not. */
#include <stdint.h>
#include <string.h>

#include "auth/oauth/html.h"
#include "base/log.h"
#include "base/str.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

struct item {
	struct item *next;
	const char *name;
	const char *text;  /* NULL: a row */
	struct view *rows; /* of that name, in order */
};

struct view {
	struct arena *a;
	const struct view *outer;
	struct view *next; /* row of the same name */
	struct item *items;
};

struct out {
	struct arena *a;
	char *p;
	size_t n, cap;
};

enum tag { TAG_TEXT, TAG_SECTION, TAG_INVERTED, TAG_FILE };

static struct item *item_of(struct view *v, const char *name);
static const struct item *find(const struct view *v, struct str name);
static void render(struct out *o, struct str t, const struct view *v);
static void
render_tag(struct out *o, enum tag tag, struct str name, struct str inner, const struct view *v);
static struct str cut_section(struct str *t, struct str name);
static void add(struct out *o, const void *p, size_t n);
static void add_escaped(struct out *o, const char *p, size_t n);
static size_t reference(const char *p, size_t n, const char **with);

struct view *
view_new(struct arena *a)
{
	struct view *v = ARENA_NEW(a, struct view);

	v->a = a;
	return v;
}

struct arena *
view_arena(const struct view *v)
{
	return v->a;
}

void
view_set(struct view *v, const char *name, const char *text)
{
	if (text != NULL && text[0] != '\0')
		item_of(v, name)->text = text;
}

void
view_setf(struct view *v, const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	view_set(v, name, arena_vprintf(v->a, fmt, ap));
	va_end(ap);
}

struct view *
view_add(struct view *v, const char *name)
{
	struct item *i = item_of(v, name);
	struct view **end = &i->rows, *row = view_new(v->a);

	while (*end != NULL)
		end = &(*end)->next;
	*end = row;
	row->outer = v;
	return row;
}

void
view_move(struct view *v, const char *from, const char *to)
{
	struct item *i = item_of(v, from);

	item_of(v, to)->text = i->text;
	i->text = NULL;
}

bool
view_has(const struct view *v, const char *name)
{
	const struct item *i = find(v, str_of(name));

	return i != NULL && (i->text != NULL || i->rows != NULL);
}

char *
html_page(const struct view *v, const char *file, size_t *n)
{
	const struct file *f = html_file(file);
	struct out o = { .a = v->a };

	must(f != NULL);
	render(&o, (struct str){ f->bytes, f->n }, v);
	add(&o, "", 1);
	*n = o.n - 1;
	return o.p;
}

char *
html_escape(struct arena *a, const char *text, size_t n, size_t *n_out)
{
	struct out o = { .a = a };

	add_escaped(&o, text, n);
	add(&o, "", 1);
	*n_out = o.n - 1;
	return o.p;
}

const struct file *
html_file(const char *name)
{
	for (const struct file *f = oauth_files; f->name != NULL; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static struct item *
item_of(struct view *v, const char *name)
{
	struct item *i = v->items;

	while (i != NULL && strcmp(i->name, name) != 0)
		i = i->next;
	if (i == NULL) {
		i = ARENA_NEW(v->a, struct item);
		i->name = name;
		i->next = v->items;
		v->items = i;
	}
	return i;
}

static const struct item *
find(const struct view *v, struct str name)
{
	for (; v != NULL; v = v->outer)
		for (const struct item *i = v->items; i != NULL; i = i->next)
			if (str_eq(name, i->name))
				return i;
	return NULL;
}

static void
render(struct out *o, struct str t, const struct view *v)
{
	static const char marks[] = "#^>";
	const char *begin, *end, *mark;

	while ((begin = memmem(t.p, t.n, "{{", 2)) != NULL) {
		struct str name = { begin + 2, t.n - (size_t)(begin + 2 - t.p) }, inner = STR("");
		enum tag tag = TAG_TEXT;

		add(o, t.p, (size_t)(begin - t.p));
		end = memmem(name.p, name.n, "}}", 2);
		must(end != NULL);
		t = (struct str){ end + 2, name.n - (size_t)(end + 2 - name.p) };
		name.n = (size_t)(end - name.p);
		must(name.n > 0);
		mark = memchr(marks, name.p[0], sizeof(marks) - 1);
		if (mark != NULL) {
			tag = (enum tag)(TAG_SECTION + (mark - marks));
			name = (struct str){ name.p + 1, name.n - 1 };
		}
		if (tag == TAG_SECTION || tag == TAG_INVERTED)
			inner = cut_section(&t, name);
		render_tag(o, tag, name, inner, v);
	}
	add(o, t.p, t.n);
}

static void
render_tag(struct out *o, enum tag tag, struct str name, struct str inner, const struct view *v)
{
	const struct item *i = find(v, name);
	const struct file *f;

	switch (tag) {
	case TAG_TEXT:
		if (i != NULL && i->text != NULL)
			add_escaped(o, i->text, strlen(i->text));
		break;
	case TAG_SECTION:
		if (i != NULL && i->text != NULL)
			render(o, inner, v);
		for (const struct view *row = i == NULL ? NULL : i->rows; row != NULL;
		     row = row->next)
			render(o, inner, row);
		break;
	case TAG_INVERTED:
		if (i == NULL || (i->text == NULL && i->rows == NULL))
			render(o, inner, v);
		break;
	case TAG_FILE:
		f = html_file(arena_printf(o->a, "%.*s.html", (int)name.n, name.p));
		must(f != NULL);
		render(o, (struct str){ f->bytes, f->n }, v);
		break;
	}
}

/* What stands between here and the end of the section; *t goes on behind it. */
static struct str
cut_section(struct str *t, struct str name)
{
	const char *p = t->p, *limit = t->p + t->n;

	while ((p = memmem(p, (size_t)(limit - p), "{{/", 3)) != NULL) {
		struct str inner = { t->p, (size_t)(p - t->p) };

		p += 3;
		if ((size_t)(limit - p) >= name.n + 2 && memcmp(p, name.p, name.n) == 0 &&
		    memcmp(p + name.n, "}}", 2) == 0) {
			p += name.n + 2;
			*t = (struct str){ p, (size_t)(limit - p) };
			return inner;
		}
	}
	panic("a section of a template has no end: %.*s", (int)name.n, name.p);
}

static void
add(struct out *o, const void *p, size_t n)
{
	if (o->cap - o->n < n) {
		char *old = o->p;

		o->cap = 2 * (o->n + n) + 1024;
		o->p = arena_alloc(o->a, o->cap);
		if (o->n > 0)
			memcpy(o->p, old, o->n);
	}
	if (n > 0)
		memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void
add_escaped(struct out *o, const char *p, size_t n)
{
	const char *with;

	while (n > 0) {
		size_t k = reference(p, n, &with);

		if (with != NULL)
			add(o, with, strlen(with));
		else
			add(o, p, k);
		p += k;
		n -= k;
	}
}

/* The bytes of the next character, and what stands for it; NULL: itself. */
static size_t
reference(const char *p, size_t n, const char **with)
{
	static const char *const plain[128] = {
		['&'] = "&amp;",
		['<'] = "&lt;",
		['>'] = "&gt;",
		['"'] = "&#34;",
		['\''] = "&#39;",
	};
	/* Marks, embeddings, overrides and isolates of direction, line and paragraph separators. */
	static const struct {
		const char *from, *to;
	} turns[] = {
		{ "\xd8\x9c", "\xd8\x9c" },         /* U+061C */
		{ "\xe2\x80\x8e", "\xe2\x80\x8f" }, /* U+200E, F */
		{ "\xe2\x80\xa8", "\xe2\x80\xae" }, /* U+2028 to 202E */
		{ "\xe2\x81\xa6", "\xe2\x81\xa9" }, /* U+2066 to 2069 */
	};
	uint8_t c = (uint8_t)*p;
	size_t k = str_utf8_char(p, n);

	*with = NULL;
	if (k == 1) {
		*with = (c < ' ' && c != '\t' && c != '\n') || c == 0x7f ? REPLACEMENT : plain[c];
		return 1;
	}
	if (k == 0 || (c == 0xc2 && (uint8_t)p[1] < 0xa0)) { /* C1 controls */
		*with = REPLACEMENT;
		return k == 0 ? 1 : k;
	}
	for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++)
		if (k == strlen(turns[i].from) && memcmp(p, turns[i].from, k) >= 0 &&
		    memcmp(p, turns[i].to, k) <= 0)
			*with = REPLACEMENT;
	return k;
}

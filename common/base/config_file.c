/* config_file: reads a configuration file and what it includes, line by line.
 *
 * An included file begins in the part in which its line stands; a part that it opens itself ends
 * with it. Parts of other nodes are read past, but for what they include: that may hold ours. */
#include "base/config_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_MAX (1 << 20) /* of all files together */
#define DEPTH_MAX 8

struct file {
	struct loader *l;
	const char *path;
	char dir[PATH_MAX]; /* what a path in it is relative to */
	struct str part;    /* empty: the common one */
	int line, depth;
};

static bool read_file(struct file *f, const char *where, bool optional);
static char *slurp(struct loader *l, int fd, const char *where, size_t *n);
static bool read_line(struct file *f, struct str line);
static bool read_part(struct file *f, struct str line, const char *where);
static bool part_exists(struct file *f, const char *where);
static bool is_include(struct str line, struct str *name, bool *optional);
static bool read_include(struct file *f, struct str name, bool optional, const char *where);
static bool is_shared(const struct file *f, struct str line);
static bool find_shared(const struct file *f, struct str name, struct slot *s);
static bool read_key(struct file *f, struct str line, const char *where);

bool
config_read_file(struct loader *l)
{
	struct file f = { .l = l, .path = l->src->file };

	return f.path == NULL || read_file(&f, f.path, false);
}

static bool
read_file(struct file *f, const char *where, bool optional)
{
	char resolved[PATH_MAX];
	struct str rest, line;
	int fd;

	/* what is no file must not hold us up: its kind is looked at when it is open */
	if (realpath(f->path, resolved) == NULL ||
	    (fd = open(resolved, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0)
		return (optional && errno == ENOENT) ||
		       config_complain(f->l, where, "%s", strerror(errno));
	snprintf(f->dir, sizeof(f->dir), "%s", dirname(resolved));
	if ((rest.p = slurp(f->l, fd, where, &rest.n)) == NULL)
		return false;
	while (rest.n > 0) {
		str_cut(rest, '\n', &line, &rest);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		f->line++;
		if (!read_line(f, str_trim(line)))
			return false;
	}
	return true;
}

/* The text lives in the arena: it is at most as large as the file. Closes fd. */
static char *
slurp(struct loader *l, int fd, const char *where, size_t *n)
{
	FILE *f = fdopen(fd, "r");
	const char *wrong = NULL;
	char *text = NULL;
	struct stat st;

	if (f == NULL || fstat(fd, &st) < 0) {
		wrong = strerror(errno);
	} else if (!S_ISREG(st.st_mode)) {
		wrong = "not a regular file";
	} else if (st.st_size > BYTES_MAX - (off_t)l->bytes) {
		wrong = "larger than 1 MiB, with all that is included";
	} else {
		l->bytes += (size_t)st.st_size;
		text = arena_alloc(l->a, (size_t)st.st_size + 1);
		*n = fread(text, 1, (size_t)st.st_size, f);
		if (!str_utf8_ok(text, *n) || memchr(text, '\0', *n) != NULL)
			wrong = "not UTF-8 text";
	}
	if (f != NULL)
		fclose(f);
	else
		close(fd);
	if (wrong == NULL)
		return text;
	config_complain(l, where, "%s", wrong);
	return NULL;
}

static bool
read_line(struct file *f, struct str line)
{
	const char *node = f->l->src->node;
	char where[PATH_MAX + 80];
	struct str name;
	bool optional;

	if (line.n == 0 || line.p[0] == '#')
		return true;
	snprintf(where, sizeof(where), "%s:%d", f->path, f->line);
	if (line.p[0] == '[')
		return read_part(f, line, where);
	if (is_include(line, &name, &optional))
		return read_include(f, name, optional, where);
	if (f->part.n > 0 && (node == NULL || !str_eq(f->part, node)) && !is_shared(f, line))
		return true;
	if (f->part.n > 0)
		snprintf(where, sizeof(where), "%s:%d: [%.*s]", f->path, f->line, (int)f->part.n,
		    f->part.p);
	return read_key(f, line, where);
}

static bool
read_part(struct file *f, struct str line, const char *where)
{
	f->part = str_trim((struct str){ line.p + 1, line.n - (line.n > 1 ? 2 : 1) });
	if (line.p[line.n - 1] != ']' || !str_token_ok(f->part))
		return config_complain(f->l, where, "a part is written [name]");
	return part_exists(f, where);
}

static bool
part_exists(struct file *f, const char *where)
{
	const char *(*part)(size_t) = f->l->src->part, *name, *names = "";

	for (size_t i = 0; part != NULL && (name = part(i)) != NULL; i++) {
		if (str_eq(f->part, name))
			return true;
		names = arena_printf(f->l->a, "%s %s", names, name);
	}
	return part == NULL || config_complain(f->l, where, "[%.*s]: no such part; there are%s",
				   (int)f->part.n, f->part.p, names);
}

/* "include FILE"; "include? FILE" may be missing. */
static bool
is_include(struct str line, struct str *name, bool *optional)
{
	struct str word = { line.p, 0 };

	while (word.n < line.n && line.p[word.n] != ' ' && line.p[word.n] != '\t')
		word.n++;
	*name = str_trim((struct str){ line.p + word.n, line.n - word.n });
	*optional = str_eq(word, "include?");
	return (*optional || str_eq(word, "include")) && name->n > 0 && name->p[0] != '=';
}

static bool
read_include(struct file *f, struct str name, bool optional, const char *where)
{
	struct file in = { .l = f->l, .part = f->part, .depth = f->depth + 1 };

	if (in.depth > DEPTH_MAX)
		return config_complain(f->l, where, "include: more than %d files deep", DEPTH_MAX);
	in.path = name.p[0] == '/' ? arena_strndup(f->l->a, name.p, name.n)
	                           : arena_printf(f->l->a, "%s/%.*s", f->dir, (int)name.n, name.p);
	return read_file(&in, arena_printf(f->l->a, "%s: include %s", where, in.path), optional);
}

/* Of a part that is another's: a key that we read as well? */
static bool
is_shared(const struct file *f, struct str line)
{
	struct str name, value;
	struct slot s;

	str_cut(line, '=', &name, &value);
	return find_shared(f, str_trim(name), &s);
}

static bool
find_shared(const struct file *f, struct str name, struct slot *s)
{
	const char *whole =
	    arena_printf(f->l->a, "%.*s/%.*s", (int)f->part.n, f->part.p, (int)name.n, name.p);

	return f->part.n > 0 && config_find(f->l, str_of(whole), s);
}

/* A key of the own part wins over the same key of the common part, whichever of them stands first.
 */
static bool
read_key(struct file *f, struct str line, const char *where)
{
	struct loader *l = f->l;
	bool own = f->part.n > 0;
	struct str name, value;
	const char *wrong;
	struct slot s;

	if (!str_cut(line, '=', &name, &value))
		return config_complain(l, where, "expected key = value");
	name = str_trim(name);
	if (!find_shared(f, name, &s) && !config_find(l, name, &s)) {
		if (own || l->src->foreign == NULL)
			return config_unknown(l, where, name);
		wrong = l->src->foreign(l->src->ctx, l->a, arena_strndup(l->a, name.p, name.n));
		return wrong == NULL ||
		       config_complain(l, where, "%.*s: %s", (int)name.n, name.p, wrong);
	}
	if (l->at[own][s.index] != NULL)
		return config_complain(
		    l, where, "%s: already set in %s", s.key->name, l->at[own][s.index]);
	l->at[own][s.index] = arena_strdup(l->a, where);
	return (!own && l->at[1][s.index] != NULL) ||
	       config_set(l, &s, str_trim(value), where, f->dir);
}

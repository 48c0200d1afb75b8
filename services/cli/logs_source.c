/* logs_source: see logs.h. Files of one name are in the order of their numbers, which their writer gave
 * (base/log_file.h); others (of logrotate, say) by when they were last written. A file is opened when it
 * is reached; a symbolic link is left out. */
#include "cli/logs.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/time.h"
#include "cli/cli.h"

#define SLACK SEC /* lines of threads are out of order by less; so may a file's last write be */

struct found { /* a file of that name */
	char *path;
	uint64_t number; /* 0: none of ours */
	int64_t written_us;
	bool live;
};

static size_t files_of(const char *dir, const char *name, bool say, struct found **files);
static bool is_file_of(const char *file, const char *name, struct found *out);
static int64_t written_us(const struct stat *st);
static int by_order(const void *, const void *);
static bool wanted(const struct logs_filter *f, const char *name, size_t n);
static bool is_known(const struct logs_source *s, size_t n, const char *name, size_t name_n);
static bool enter(struct logs_source *s, size_t at);
static bool leave(struct logs_source *s, const struct logs_filter *f);
static uint64_t whole_end(struct log_reader *r);
static void place(struct logs_source *s, const struct logs_filter *f);
static void time_of(struct logs_source *s);
static const char *shifted(const char *time, int64_t us, char out[TIME_RFC3339_LEN]);
static bool ends_before(const char *path, const char *since);

size_t
logs_open(const char *dir, const struct logs_filter *f, struct logs_source *s, size_t n)
{
	DIR *d = opendir(dir);
	size_t name_n, known = n;
	struct dirent *e;

	if (d == NULL)
		return n;
	while ((e = readdir(d)) != NULL && n < LOGS_SOURCES) {
		name_n = strlen(e->d_name);
		if (name_n < 5 || strcmp(e->d_name + name_n - 4, ".log") != 0 ||
		    !wanted(f, e->d_name, name_n - 4) || is_known(s, known, e->d_name, name_n - 4))
			continue;
		s[n] = (struct logs_source){ .name = strndup(e->d_name, name_n - 4) };
		if (s[n].name == NULL)
			abort();
		logs_look_again(dir, &s[n++]); /* opens the last; where to begin is said next */
	}
	closedir(d);
	return n;
}

void
logs_close(struct logs_source *s)
{
	if (s->open)
		log_reader_close(&s->reader);
	for (size_t i = 0; i < s->n_paths; i++)
		free(s->paths[i]);
	free(s->paths);
	free(s->name);
	*s = (struct logs_source){ .name = NULL };
}

/* The file that is open may have got another name meanwhile, and others may have come behind it. */
void
logs_look_again(const char *dir, struct logs_source *s)
{
	struct found *files;
	size_t n = files_of(dir, s->name, !s->looked, &files), at = n;
	struct stat st;

	s->looked = true;
	for (size_t i = 0; s->open && i < n; i++)
		if (stat(files[i].path, &st) == 0 && st.st_ino == s->inode)
			at = i;
	if (at == n) { /* compressed, or dropped: what was written later comes after it */
		at = SIZE_MAX;
		if (s->open && fstat(s->reader.fd, &st) == 0)
			for (size_t i = 0; i < n && files[i].written_us <= written_us(&st); i++)
				at = i;
	}
	for (size_t i = 0; i < s->n_paths; i++)
		free(s->paths[i]);
	s->paths = mem_grow(s->paths, n + 1, sizeof(*s->paths));
	s->n_paths = n;
	s->at_path = at;
	for (size_t i = 0; i < n; i++)
		s->paths[i] = files[i].path;
	free(files);
	if (!s->open && n > 0 && enter(s, n - 1))
		s->pos = s->reader.begin;
	if (s->open)
		log_reader_grown(&s->reader);
}

void
logs_start(struct logs_source *s, const struct logs_filter *f, bool backward)
{
	s->backward = backward;
	s->has = false;
	if (s->n_paths == 0)
		return;
	s->at_path = backward ? s->n_paths - 1 : 0;
	while (!backward && f->since[0] != '\0' && s->at_path + 1 < s->n_paths &&
	       ends_before(s->paths[s->at_path], f->since))
		s->at_path++;
	while (!enter(s, s->at_path))
		if (backward ? s->at_path-- == 0 : ++s->at_path == s->n_paths)
			return;
	if (backward) {
		s->end_inode = s->inode;
		s->end = s->pos;
	}
	place(s, f);
	logs_next(s, f);
}

void
logs_next(struct logs_source *s, const struct logs_filter *f)
{
	char late[TIME_RFC3339_LEN], early[TIME_RFC3339_LEN];
	uint64_t next;

	s->has = false;
	while (s->open) {
		if (s->backward ? !log_line_before(&s->reader, s->pos, &s->line, &next)
				: !log_line_at(&s->reader, s->pos, &s->line, &next)) {
			if (!leave(s, f))
				return;
			continue;
		}
		s->pos = next;
		if (!logs_match(f, s->line)) {
			if (s->line.n > 37 &&
			    s->line.p[0] == '{') /* nothing more is in the range? */
				log_line_time(s->line, s->time);
			else
				continue;
		} else {
			time_of(s);
			s->has = (f->since[0] == '\0' || strcmp(s->time, f->since) >= 0) &&
			         (f->until[0] == '\0' || strcmp(s->time, f->until) < 0);
		}
		if (s->has)
			return;
		if (s->backward ? f->since[0] != '\0' &&
				      strcmp(s->time, shifted(f->since, -SLACK, early)) < 0
				: f->until[0] != '\0' &&
				      strcmp(s->time, shifted(f->until, SLACK, late)) > 0)
			return;
	}
}

void
logs_end(struct logs_source *s)
{
	s->backward = false;
	s->has = false;
	for (size_t i = s->n_paths; s->end_inode != 0 && i > 0; i--)
		if (enter(s, i - 1) && s->inode == s->end_inode) {
			s->pos = s->end;
			return;
		}
	if (s->n_paths > 0 && enter(s, s->n_paths - 1))
		s->pos = whole_end(&s->reader);
}

/* Half a line waits for its end. */
static uint64_t
whole_end(struct log_reader *r)
{
	struct str line;
	uint64_t at;

	if (log_line_before(r, r->size, &line, &at) && at + line.n == r->size)
		return at;
	return r->size;
}

static size_t
files_of(const char *dir, const char *name, bool say, struct found **files)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	struct stat st;
	size_t n = 0;

	*files = NULL;
	while (d != NULL && (e = readdir(d)) != NULL) {
		struct found f = { .number = 0 };

		if (!is_file_of(e->d_name, name, &f))
			continue;
		if (asprintf(&f.path, "%s/%s", dir, e->d_name) < 0)
			abort();
		if (lstat(f.path, &st) < 0 || S_ISLNK(st.st_mode)) {
			if (say && S_ISLNK(st.st_mode))
				cli_error("%s: left out: is a symbolic link", f.path);
			free(f.path);
			continue;
		}
		f.written_us = written_us(&st);
		*files = mem_grow(*files, n + 1, sizeof(**files));
		(*files)[n++] = f;
	}
	if (d != NULL)
		closedir(d);
	if (n > 1)
		qsort(*files, n, sizeof(**files), by_order);
	return n;
}

static int64_t
written_us(const struct stat *st)
{
	return st->st_mtim.tv_sec * SEC + st->st_mtim.tv_nsec / 1000;
}

/* NAME.log, NAME.log.000001, NAME.log.1, NAME.log.20261122, any of them with .gz. */
static bool
is_file_of(const char *file, const char *name, struct found *out)
{
	size_t n = strlen(name), digits;
	const char *rest;

	if (strncmp(file, name, n) != 0 || strncmp(file + n, ".log", 4) != 0)
		return false;
	rest = file + n + 4;
	out->live = rest[0] == '\0';
	if (out->live)
		return true;
	if (*rest++ != '.')
		return false;
	digits = strspn(rest, "0123456789-");
	if (digits == 0 || (rest[digits] != '\0' && strcmp(rest + digits, ".gz") != 0))
		return false;
	if (digits >= 6 && rest[0] == '0')
		out->number = strtoull(rest, NULL, 10);
	return true;
}

static int
by_order(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->live != y->live)
		return x->live ? 1 : -1;
	if (x->number != 0 && y->number != 0 && x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->written_us < y->written_us ? -1 : x->written_us > y->written_us;
}

static bool
wanted(const struct logs_filter *f, const char *name, size_t n)
{
	for (size_t i = 0; i < f->n_names; i++)
		if (strlen(f->names[i]) == n && strncmp(f->names[i], name, n) == 0)
			return true;
	return f->n_names == 0;
}

static bool
is_known(const struct logs_source *s, size_t n, const char *name, size_t name_n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(s[i].name) == name_n && strncmp(s[i].name, name, name_n) == 0)
			return true;
	return false;
}

static bool
enter(struct logs_source *s, size_t at)
{
	struct stat st;

	if (s->open)
		log_reader_close(&s->reader);
	s->at_path = at;
	s->open = log_reader_open(&s->reader, s->paths[at]);
	if (!s->open)
		return false;
	s->inode = fstat(s->reader.fd, &st) == 0 ? st.st_ino : 0;
	s->pos = s->reader.begin;
	if (s->backward)
		s->pos = at + 1 == s->n_paths ? whole_end(&s->reader) : s->reader.size;
	return true;
}

/* To the next file; one that has gone meanwhile is passed over. False: this was the last, it stays open:
 * more may come. */
static bool
leave(struct logs_source *s, const struct logs_filter *f)
{
	size_t at = s->at_path;

	while (s->backward ? at > 0 : at + 1 < s->n_paths) {
		at = s->backward ? at - 1 : at + 1;
		if (enter(s, at)) {
			place(s, f);
			return true;
		}
	}
	return false;
}

static void
place(struct logs_source *s, const struct logs_filter *f)
{
	char t[TIME_RFC3339_LEN];

	if (s->backward && f->until[0] != '\0')
		s->pos = log_reader_find(&s->reader, shifted(f->until, SLACK, t));
	if (!s->backward && f->since[0] != '\0')
		s->pos = log_reader_find(&s->reader, shifted(f->since, -SLACK, t));
}

/* A line without one is of the time of the line before it. Reading that moves the block: the line is
 * read again. */
static void
time_of(struct logs_source *s)
{
	char last[LOGS_TIME + 1];
	uint64_t begin, at;
	struct str line;

	if (!s->backward)
		memcpy(last, s->time, sizeof(last));
	if (log_line_time(s->line, s->time))
		return;
	if (!s->backward) {
		memcpy(s->time, last, sizeof(last));
		return;
	}
	begin = at = s->pos;
	while (log_line_before(&s->reader, at, &line, &at) && !log_line_time(line, s->time))
		;
	log_line_at(&s->reader, begin, &s->line, &at);
}

static const char *
shifted(const char *time, int64_t us, char out[TIME_RFC3339_LEN])
{
	int64_t t;

	if (!time_parse_rfc3339(str_of(time), &t))
		return time;
	time_rfc3339(t + us, out);
	return out;
}

static bool
ends_before(const char *path, const char *since)
{
	struct stat st;
	int64_t t;

	return stat(path, &st) == 0 && time_parse_rfc3339(str_of(since), &t) &&
	       st.st_mtim.tv_sec * SEC + SEC < t - SLACK;
}

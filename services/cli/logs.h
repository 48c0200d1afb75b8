/* logs: what the files of `metafed logs` share. Lines are read from files in blocks, forward or backward,
 * never a whole file; a place in time is found by halving. */
#ifndef CLI_LOGS_H
#define CLI_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include "base/log.h"
#include "base/str.h"

#define LOGS_TIME    27 /* "2026-11-21T01:02:03.123456Z", which sorts as text */
#define LOGS_SOURCES 64
#define LOGS_NAMES   32
#define LOGS_FIELDS  8

/* --- logs_file.c: the lines of one file --- */
struct log_reader {
	int fd;
	uint64_t begin, size; /* begin: behind a hole, where the oldest were given back */
	char *block;
	uint64_t at; /* of the block */
	size_t n;
};
/* A compressed one is unpacked into a nameless file; no link is followed. False: it can't be read
 * (errno). */
bool log_reader_open(struct log_reader *r, const char *path) __attribute__((warn_unused_result));
void log_reader_close(struct log_reader *r);
void log_reader_grown(struct log_reader *r); /* it may be longer by now */
/* The line at `at`, without its end; *next: behind it. Valid until the next call. False: no whole one. */
bool log_line_at(struct log_reader *r, uint64_t at, struct str *line, uint64_t *next);
/* The line that ends before `end`; *at: where it begins. */
bool log_line_before(struct log_reader *r, uint64_t end, struct str *line, uint64_t *at);
/* The first place whose line is of `time` or later; the file is in order of time, nearly. */
uint64_t log_reader_find(struct log_reader *r, const char *time);
/* Its own time; false: it has none (a server's second line, a stack). */
bool log_line_time(struct str line, char time[LOGS_TIME + 1]);

/* --- logs_source.c: all files of one name, in their order; lines of a range that match --- */
struct logs_filter {
	const char *names[LOGS_NAMES]; /* of files; none: all */
	size_t n_names;
	enum log_level level;      /* at least */
	const char *trace, *event; /* NULL: any */
	struct {
		struct str key;
		const char *value;
	} fields[LOGS_FIELDS];
	size_t n_fields;
	char since[LOGS_TIME + 1], until[LOGS_TIME + 1]; /* "": open */
};

struct logs_source {
	char *name;   /* "sql" */
	char **paths; /* oldest first; the last is the one of now */
	size_t n_paths, at_path;
	ino_t inode;     /* of the file that is open */
	ino_t end_inode; /* where reading backward began */
	uint64_t end;
	bool open, backward;
	bool looked; /* what is left out was said */
	struct log_reader reader;
	uint64_t pos;
	/* The line that is next, when there is one */
	bool has;
	struct str line;
	char time[LOGS_TIME + 1];
};
/* All of them in DIR that the filter names, behind the n that are there already; the number of all. */
size_t logs_open(const char *dir, const struct logs_filter *f, struct logs_source *s, size_t n);
void logs_close(struct logs_source *s);
/* Before the first line of the range, or behind its last: then logs_next goes back. */
void logs_start(struct logs_source *s, const struct logs_filter *f, bool backward);
void logs_next(struct logs_source *s, const struct logs_filter *f);
/* Where reading backward began, else behind all there is now: what logs_next finds came later, in files
 * that came later too. */
void logs_end(struct logs_source *s);
void logs_look_again(const char *dir, struct logs_source *s);

/* --- logs_match.c --- */
bool logs_match(const struct logs_filter *f, struct str line);
void logs_show(FILE *out, const char *name, struct str line, bool colour);

#endif

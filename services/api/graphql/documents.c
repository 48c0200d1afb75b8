/* documents: GraphQL documents that clients name instead of sending them ("persisted documents").
 * Their id is "sha256:" and the hash of their text. Those of a directory (NAME.graphql, also known as
 * NAME) are trusted: read at start and at SIGHUP, parsed and validated once. If that is configured,
 * documents that clients send with their hash are kept as well, the last thousand; they are as good
 * as any text of a client's, so `only` does not take them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "api/graphql/engine/dict.h"
#include "api/graphql/serving.h"
#include "base/log.h"
#include "base/mem.h"

#define DOCUMENT_BYTES (32u << 20) /* of memory, while it is validated */
#define SENT_MOST      1000
#define SENT_BYTES     (16u << 20) /* of memory of all those */

struct document {
	struct arena *a; /* of this and its tree */
	struct gql_doc *doc;
	char id[8 + 65]; /* "sha256:" and the hash */
	size_t bytes;
	unsigned holders;  /* the list or set that it is in counts as one */
	UT_hash_handle hh; /* of those that were sent: by id, and the oldest first */
};

struct set { /* of the directory */
	struct arena *a;
	struct dict by_id;
	struct document **list;
	size_t n;
};

static bool load_dir(struct set *, const struct documents_opts *, char *, size_t);
static bool load_file(struct set *, const struct documents_opts *, const char *, char *, size_t);
static struct document *document_new(const char *, const struct gql_limits *, char *, size_t);
static char *read_file(const char *, size_t, char *, size_t);
static void set_free(struct set **);
static void make_id(const char *, char[8 + 65]);
static bool is_hash(const char *);
static void forget_sent(size_t, size_t);

static struct documents_opts opts;
static struct set *configured;
static struct document *sent;
static size_t sent_bytes;

bool
documents_load(const struct documents_opts *o, char *err, size_t err_size)
{
	struct set *s = mem_zalloc(sizeof(*s));

	s->a = arena_new(8u << 20);
	dict_init(&s->by_id, s->a);
	if (o->dir[0] != '\0' && !load_dir(s, o, err, err_size)) {
		set_free(&s);
		return false;
	}
	forget_sent(0, 0);
	set_free(&configured);
	configured = s;
	opts = *o;
	log_info("documents", L_INT("configured", s->n), L_BOOL("only", o->only),
	    L_BOOL("register", o->take));
	return true;
}

static bool
load_dir(struct set *s, const struct documents_opts *o, char *err, size_t err_size)
{
	DIR *d = opendir(o->dir);
	struct dirent *f;
	bool fine = true;
	size_t room = 0;

	if (d == NULL) {
		snprintf(err, err_size, "%s: %s", o->dir, strerror(errno));
		return false;
	}
	while (fine && (f = readdir(d)) != NULL) {
		size_t n = strlen(f->d_name);

		if (n <= 8 || f->d_name[0] == '.' || strcmp(f->d_name + n - 8, ".graphql") != 0)
			continue;
		if (s->n == room) {
			room = room == 0 ? 64 : 2 * room;
			s->list = mem_grow(s->list, room, sizeof(struct document *));
		}
		fine = load_file(s, o, f->d_name, err, err_size);
	}
	closedir(d);
	return fine;
}

static bool
load_file(
    struct set *s, const struct documents_opts *o, const char *file, char *err, size_t err_size)
{
	const char *path = arena_printf(s->a, "%s/%s", o->dir, file);
	char *text = read_file(path, o->limits->bytes, err, err_size), why[300];
	struct document *d;

	if (text == NULL)
		return false;
	d = document_new(text, o->limits, why, sizeof(why));
	free(text);
	if (d == NULL) {
		snprintf(err, err_size, "%s: %s", path, why);
		return false;
	}
	s->list[s->n++] = d;
	*dict_at(&s->by_id, str_of(d->id)) = d;
	*dict_at(&s->by_id, str_of(arena_strndup(s->a, file, strlen(file) - 8))) = d;
	return true;
}

/* On the heap; NULL: err says why. */
static char *
read_file(const char *path, size_t most, char *err, size_t err_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = mem_zalloc(most + 2);
	ssize_t n = fd < 0 ? -1 : read(fd, text, most + 1);

	if (n < 0)
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
	else if ((size_t)n > most)
		snprintf(err, err_size, "%s: has more than %zu bytes", path, most);
	else if (strlen(text) != (size_t)n)
		snprintf(err, err_size, "%s: is no text", path);
	if (fd >= 0)
		close(fd);
	if (n >= 0 && (size_t)n <= most && strlen(text) == (size_t)n)
		return text;
	free(text);
	return NULL;
}

/* Parsed and validated; what that needed besides the tree is given back. */
static struct document *
document_new(const char *text, const struct gql_limits *l, char *err, size_t err_size)
{
	struct arena *a = arena_new(DOCUMENT_BYTES), *scratch = arena_new(DOCUMENT_BYTES);
	struct document *d = ARENA_NEW(a, struct document);
	struct gql_errors e;

	d->a = a;
	d->holders = 1;
	make_id(text, d->id);
	gql_errors_init(&e, scratch);
	d->doc = gql_parse(a, str_of(arena_strdup(a, text)), l, &e);
	if (d->doc == NULL || !gql_validate(graphql_schema(), d->doc, l, scratch, &e)) {
		snprintf(err, err_size, "%s", e.first->message);
		arena_free(&a);
		d = NULL;
	} else {
		d->bytes = arena_used(a);
	}
	arena_free(&scratch);
	return d;
}

static void
set_free(struct set **ps)
{
	struct set *s = *ps;

	*ps = NULL;
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++) {
		const struct document *d = s->list[i];

		document_release(&d);
	}
	free(s->list);
	arena_free(&s->a);
	free(s);
}

bool
documents_only(void)
{
	return opts.only;
}

const struct document *
documents_find(const char *id)
{
	struct document *d = configured == NULL ? NULL : dict_get(&configured->by_id, str_of(id));

	if (d == NULL && !opts.only) {
		HASH_FIND_STR(sent, id, d);
		if (d != NULL) { /* it is young again */
			HASH_DEL(sent, d);
			HASH_ADD_STR(sent, id, d);
		}
	}
	if (d != NULL)
		d->holders++;
	return d;
}

void
document_release(const struct document **pd)
{
	struct document *d = (struct document *)(uintptr_t)*pd;
	struct arena *a;

	*pd = NULL;
	if (d == NULL || --d->holders != 0)
		return;
	a = d->a;
	arena_free(&a);
}

const struct gql_doc *
document_doc(const struct document *d)
{
	return d->doc;
}

void
documents_keep(const char *id, const char *text)
{
	struct document *d = NULL;
	char err[300];

	if (!opts.take || !is_hash(id))
		return;
	HASH_FIND_STR(sent, id, d);
	if (d != NULL || (d = document_new(text, opts.limits, err, sizeof(err))) == NULL)
		return;
	HASH_ADD_STR(sent, id, d);
	sent_bytes += d->bytes;
	forget_sent(SENT_MOST, SENT_BYTES);
}

/* The oldest, until no more are left than this. */
static void
forget_sent(size_t most, size_t most_bytes)
{
	struct document *d = NULL, *next = NULL;

	HASH_ITER(hh, sent, d, next) {
		const struct document *gone = d;

		if (HASH_COUNT(sent) <= most && sent_bytes <= most_bytes)
			return;
		HASH_DEL(sent, d);
		sent_bytes -= d->bytes;
		document_release(&gone);
	}
}

bool
document_id_ok(const char *id, const char *text)
{
	char want[8 + 65];

	make_id(text, want);
	return strcmp(id, want) == 0;
}

static void
make_id(const char *text, char id[8 + 65])
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const uint8_t *)text, strlen(text));
	memcpy(id, "sha256:", 7);
	str_hex(hash, sizeof(hash), id + 7);
}

static bool
is_hash(const char *id)
{
	return strlen(id) == 7 + 64 && str_starts(id, "sha256:");
}

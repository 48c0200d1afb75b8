/* evidence: see evidence.h. */
#include "meta/evidence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/log_file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "meta/reason.h"
#include "node/contract.h"
#include "node/crash.h"

#define PATH      512
#define LINES     32
#define TEXT_MOST 1000
#define TAIL      (64 << 10)
#define RECORD    (512 << 10) /* the largest that is read */

struct found { /* one record */
	char id[EVIDENCE_ID_MAX];
	int64_t at_ns;
	int64_t bytes;
};

struct raws { /* of one node, found in the directory */
	uint64_t generation[64];
	size_t n;
};

static void find_raws(const char *var, const struct evidence_end *e, struct raws *out);
static bool settle_one(
    const char *var, const struct evidence_end *e, uint64_t generation, char id[EVIDENCE_ID_MAX]);
static bool ended_badly(const struct evidence_end *e);
static bool read_raw(const char *path, struct crash_file *f);
static json_t *record_of(const char *var, const char *id, const struct evidence_end *e,
    uint64_t generation, const struct crash_file *f);
static void tell_frames(json_t *record, const struct crash_file *f);
static void tell_calls(json_t *record, const struct crash_file *f);
static void tell_log(json_t *record, const char *var, const char *node, uint64_t generation);
static void take_core(json_t *record, const char *var, const char *id, int32_t pid);
static bool keep(const char *var, const char *id, json_t *record);
static void prune(const char *var);
static void drop(const char *var, const char *id);
static size_t find_records(const char *var, struct found **out);
static int newest_first(const void *a, const void *b);
static bool is_id(const char *name, size_t n);
static bool is_record(const json_t *v, const char *id);
static void add_time(json_t *record, const char *key, int64_t wall_us);
static void add_text(json_t *list, const char *p, size_t n);
static char *slurp(const char *path, size_t most, size_t *n);

void
evidence_settle(const char *var, const struct evidence_end *e, char id[EVIDENCE_ID_MAX])
{
	char one[EVIDENCE_ID_MAX];
	bool made = false;
	struct raws raws;

	id[0] = '\0';
	find_raws(var, e, &raws);
	for (size_t i = 0; i < raws.n; i++) {
		if (settle_one(var, e, raws.generation[i], one))
			made = true;
		if (raws.generation[i] == e->generation)
			memcpy(id, one, sizeof(one));
	}
	if (!made && e->seen && ended_badly(e) && id[0] == '\0') { /* it never came to a file */
		made = settle_one(var, e, e->generation, one);
		memcpy(id, one, sizeof(one));
	}
	if (made)
		prune(var);
}

json_t *
evidence_list(const char *var, const char *node, size_t limit)
{
	static const char *const details[] = { "backtrace", "log", "calls" };
	json_t *items = json_array(), *one;
	struct found *all;
	size_t n = find_records(var, &all);

	for (size_t i = 0; i < n && json_array_size(items) < limit; i++) {
		if ((one = evidence_read(var, all[i].id)) == NULL)
			continue;
		if (node != NULL &&
		    strcmp(json_string_value(json_object_get(one, "node")), node) != 0) {
			json_decref(one);
			continue;
		}
		for (size_t k = 0; k < sizeof(details) / sizeof(details[0]); k++)
			json_object_del(one, details[k]);
		json_array_append_new(items, one);
	}
	free(all);
	return json_pack("{s:o}", "items", items);
}

json_t *
evidence_read(const char *var, const char *id)
{
	char path[PATH];
	struct json_error e;
	json_t *v;
	size_t n;
	char *p;

	if (!is_id(id, strlen(id)))
		return NULL;
	snprintf(path, sizeof(path), "%s/crash/%s.json", var, id);
	p = slurp(path, RECORD, &n);
	v = p == NULL ? NULL : json_read(p, n, &e);
	free(p);
	if (v == NULL || is_record(v, id))
		return v;
	json_decref(v); /* somebody else put it there */
	return NULL;
}

/* What is promised to whoever asks. */
static bool
is_record(const json_t *v, const char *id)
{
	static const char *const texts[] = { "node", "at", "how" };
	bool good = strcmp(json_string_value(json_object_get(v, "id")) ?: "", id) == 0 &&
	            json_is_integer(json_object_get(v, "generation")) &&
	            json_is_integer(json_object_get(v, "pid"));

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		good = good && json_is_string(json_object_get(v, texts[i]));
	return good;
}

/* Files of this node that belong to processes which are over. */
static void
find_raws(const char *var, const struct evidence_end *e, struct raws *out)
{
	char path[CRASH_PATH], prefix[32], begin[64];
	struct dirent *d;
	size_t n_begin;
	DIR *dir;

	out->n = 0;
	crash_place(var, path, prefix);
	n_begin = (size_t)snprintf(begin, sizeof(begin), "%s%s-", prefix, e->node);
	if ((dir = opendir(path)) == NULL)
		return;
	while ((d = readdir(dir)) != NULL && out->n < sizeof(out->generation) / sizeof(uint64_t)) {
		size_t n = strlen(d->d_name);
		uint64_t generation;

		if (n < n_begin + 5 || strncmp(d->d_name, begin, n_begin) != 0 ||
		    strcmp(d->d_name + n - 4, ".raw") != 0)
			continue;
		if (str_u64((struct str){ d->d_name + n_begin, n - n_begin - 4 }, UINT64_MAX,
			&generation) &&
		    generation < e->running)
			out->generation[out->n++] = generation;
	}
	closedir(dir);
}

/* True: there is a new record. One that is there already was made of all that was left, by another
 * orchestrator, and stays. */
static bool
settle_one(
    const char *var, const struct evidence_end *e, uint64_t generation, char id[EVIDENCE_ID_MAX])
{
	bool known = generation == e->generation, left, made = false;
	struct crash_file *f = mem_zalloc(sizeof(*f));
	char path[CRASH_PATH], record[PATH];

	crash_path(var, e->node, generation, path);
	snprintf(id, EVIDENCE_ID_MAX, "%s-%" PRIu64, e->node, generation);
	left = read_raw(path, f);
	snprintf(record, sizeof(record), "%s/crash/%s.json", var, id);
	if (!left && access(record, F_OK) == 0)
		known = false;
	if ((known && ended_badly(e)) || (left && f->stage != CRASH_ALIVE))
		made = keep(var, id, record_of(var, id, known ? e : NULL, generation, f));
	if (made || !known || !ended_badly(e))
		unlink(path);
	if (!made)
		id[0] = '\0';
	free(f);
	return made;
}

static bool
ended_badly(const struct evidence_end *e)
{
	return e->generation != 0 && e->end != END_NONE &&
	       !(e->end == END_EXIT && e->end_code == 0);
}

/* False: none that serves, or not ours; then it is empty. */
static bool
read_raw(const char *path, struct crash_file *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
		n = pread(fd, f, sizeof(*f), 0);
	if (fd >= 0)
		close(fd);
	if (n == (ssize_t)sizeof(*f) && memcmp(f->magic, CRASH_MAGIC, sizeof(f->magic)) == 0)
		return true;
	memset(f, 0, sizeof(*f));
	return false;
}

/* e NULL: nobody has seen its end. */
static json_t *
record_of(const char *var, const char *id, const struct evidence_end *e, uint64_t generation,
    const struct crash_file *f)
{
	const char *dash = strrchr(id, '-');
	char how[REASON_MAX], node[EVIDENCE_ID_MAX];
	json_t *v = json_object();
	int32_t pid = f->pid != 0 ? f->pid : e == NULL ? 0 : e->pid;
	int64_t at = f->ended_at_us != 0 ? f->ended_at_us : time_wall_us();

	snprintf(node, sizeof(node), "%.*s", (int)(dash - id), id);
	if (e != NULL)
		reason_end(how, e->end, e->end_code);
	else
		reason_end(how, END_SIGNAL, (uint8_t)f->signal);
	json_object_set_new(v, "id", json_string(id));
	json_object_set_new(v, "node", json_string(node));
	json_object_set_new(v, "generation", json_integer((json_int_t)generation));
	json_object_set_new(v, "pid", json_integer(pid));
	add_time(v, "at", at);
	json_object_set_new(v, "how", json_string(how));
	if (f->born_at_us != 0 && at > f->born_at_us)
		json_object_set_new(v, "uptime", json_real((double)(at - f->born_at_us) / 1e6));
	else
		json_object_set_new(v, "uptime",
		    e != NULL && e->ran_us > 0 ? json_real((double)e->ran_us / 1e6) : json_null());
	evidence_tell(v, f);
	tell_log(v, var, node, generation);
	take_core(v, var, id, pid);
	return v;
}

void
evidence_tell(json_t *record, const struct crash_file *f)
{
	char text[40];

	if (f->stage != CRASH_ALIVE) {
		json_object_set_new(record, "signal", json_integer(f->signal));
		snprintf(text, sizeof(text), "%.*s", (int)strnlen(f->thread, sizeof(f->thread)),
		    f->thread);
		if (str_utf8_ok(text, strlen(text)))
			json_object_set_new(record, "thread", json_string(text));
	}
	if (f->stage != CRASH_ALIVE && f->address != 0) {
		snprintf(text, sizeof(text), "0x%" PRIx64, f->address);
		json_object_set_new(record, "address", json_string(text));
	}
	if (f->stage != CRASH_ALIVE && f->sender != 0)
		json_object_set_new(record, "sender", json_integer(f->sender));
	tell_frames(record, f);
	tell_calls(record, f);
}

static void
tell_frames(json_t *record, const struct crash_file *f)
{
	json_t *frames = json_array();
	uint32_t n = f->n_frames < CRASH_FRAMES ? f->n_frames : CRASH_FRAMES;

	for (uint32_t i = 0; i < n; i++) {
		const struct crash_frame *k = &f->frames[i];
		char address[24];

		if (k->text[0] != '\0') {
			add_text(frames, k->text, strnlen(k->text, sizeof(k->text)));
			continue;
		}
		snprintf(address, sizeof(address), "0x%" PRIx64, k->address);
		add_text(frames, address, strlen(address));
	}
	json_object_set_new(record, "backtrace", frames);
}

/* "Sql.Execute from database, call 41, 12.3 ms before the end, running" */
static void
tell_calls(json_t *record, const struct crash_file *f)
{
	json_t *calls = json_array();
	uint32_t n = f->n_calls < CRASH_CALLS ? f->n_calls : CRASH_CALLS;

	for (uint32_t i = f->n_calls - n; i != f->n_calls; i++) {
		const struct crash_call *c = &f->calls[i % CRASH_CALLS];
		const char *method = f->methods[c->method % CRASH_METHODS];
		int k;
		char text[200];

		if (c->number != i)
			continue; /* torn */
		k = snprintf(text, sizeof(text), "%.*s from %.*s, call %" PRIu64,
		    (int)strnlen(method, sizeof(f->methods[0])), method,
		    (int)strnlen(c->peer, sizeof(c->peer)), c->peer, c->id);
		if (f->ended_us > c->at_us && c->at_us > 0)
			k += snprintf(text + k, sizeof(text) - (size_t)k,
			    ", %.1f ms before the end", (double)(f->ended_us - c->at_us) / 1e3);
		if (c->took_us >= 0)
			k += snprintf(text + k, sizeof(text) - (size_t)k, ", took %.1f ms",
			    (double)c->took_us / 1e3);
		else
			k += snprintf(text + k, sizeof(text) - (size_t)k, ", %s",
			    c->took_us == CRASH_LEFT ? "given up" : "running");
		add_text(calls, text, (size_t)k < sizeof(text) ? (size_t)k : sizeof(text) - 1);
	}
	json_object_set_new(record, "calls", calls);
}

static void
tell_log(json_t *record, const char *var, const char *node, uint64_t generation)
{
	char *text = mem_zalloc(TAIL);
	size_t n = log_file_tail(var, node, text, TAIL);

	json_object_set_new(record, "log", evidence_log(text, n, generation));
	free(text);
}

/* The next one may have written already. A line that is no JSON has no generation: it is of the process
 * that wrote before it, and of this one when nobody did. */
json_t *
evidence_log(const char *text, size_t n, uint64_t generation)
{
	struct str rest = { text, n }, line;
	json_t *lines = json_array();
	bool mine = true;
	char own[48];
	int n_own = snprintf(own, sizeof(own), "\"generation\":%" PRIu64 ",", generation);

	while (rest.n > 0) {
		str_cut(rest, '\n', &line, &rest);
		if (line.n == 0)
			continue;
		if (line.p[0] == '{')
			mine = memmem(line.p, line.n, own, (size_t)n_own) != NULL;
		if (!mine)
			continue;
		add_text(lines, line.p, line.n);
		if (json_array_size(lines) > LINES)
			json_array_remove(lines, 0);
	}
	return lines;
}

/* Where the kernel puts it when core_pattern is "core": the directory that the nodes work in. */
static void
take_core(json_t *record, const char *var, const char *id, int32_t pid)
{
	char from[PATH], to[PATH];
	bool taken = false;

	snprintf(to, sizeof(to), "%s/crash/%s.core", var, id);
	snprintf(from, sizeof(from), "%s/core.%d", var, (int)pid);
	if (pid != 0)
		taken = rename(from, to) == 0;
	if (!taken) {
		snprintf(from, sizeof(from), "%s/core", var);
		taken = rename(from, to) == 0;
	}
	json_object_set_new(record, "core", taken ? json_string(to) : json_null());
}

/* Takes the record over. */
static bool
keep(const char *var, const char *id, json_t *record)
{
	char *text = json_dumps(record, JSON_COMPACT), path[PATH], fresh[PATH];
	size_t n = text == NULL ? 0 : strlen(text);
	bool kept = false;
	int fd, dir;

	json_decref(record);
	snprintf(path, sizeof(path), "%s/crash", var);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		log_warn("crash_not_kept", L_STR("id", id), L_STR("error", strerror(errno)));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/crash/%s.json", var, id);
	snprintf(fresh, sizeof(fresh), "%s/crash/%s.new", var, id);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		kept = n > 0 && write(fd, text, n) == (ssize_t)n && fdatasync(fd) == 0 &&
		       rename(fresh, path) == 0 && (dir < 0 || fsync(dir) == 0);
		close(fd);
	}
	if (!kept)
		log_warn("crash_not_kept", L_STR("id", id), L_STR("error", strerror(errno)));
	if (dir >= 0)
		close(dir);
	free(text);
	return kept;
}

static void
prune(const char *var)
{
	struct found *all;
	size_t n = find_records(var, &all), cores = 0;
	int64_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		char core[PATH];

		bytes += all[i].bytes;
		snprintf(core, sizeof(core), "%s/crash/%s.core", var, all[i].id);
		if (i >= EVIDENCE_MOST || bytes > EVIDENCE_BYTES)
			drop(var, all[i].id);
		else if (access(core, F_OK) == 0 && ++cores > EVIDENCE_CORES)
			unlink(core);
	}
	free(all);
}

static void
drop(const char *var, const char *id)
{
	static const char *const ends[] = { "json", "core" };
	char path[PATH];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(path, sizeof(path), "%s/crash/%s.%s", var, id, ends[i]);
		unlink(path);
	}
}

/* The newest first; *out is the caller's to free. */
static size_t
find_records(const char *var, struct found **out)
{
	struct found *all = NULL;
	size_t n = 0, cap = 0;
	struct dirent *d;
	char path[PATH];
	DIR *dir;

	*out = NULL;
	snprintf(path, sizeof(path), "%s/crash", var);
	if ((dir = opendir(path)) == NULL)
		return 0;
	while ((d = readdir(dir)) != NULL) {
		size_t len = strlen(d->d_name);
		struct stat st;

		if (len < 6 || strcmp(d->d_name + len - 5, ".json") != 0 ||
		    !is_id(d->d_name, len - 5) ||
		    fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (n == cap)
			all = mem_grow(all, cap = cap == 0 ? 128 : 2 * cap, sizeof(*all));
		all[n] = (struct found){ .at_ns = st.st_mtim.tv_sec * INT64_C(1000000000) +
			                          st.st_mtim.tv_nsec,
			.bytes = st.st_size };
		snprintf(all[n++].id, sizeof(all->id), "%.*s", (int)(len - 5), d->d_name);
	}
	closedir(dir);
	if (n > 0)
		qsort(all, n, sizeof(*all), newest_first);
	*out = all;
	return n;
}

static int
newest_first(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->at_ns != y->at_ns ? (x->at_ns < y->at_ns ? 1 : -1) : strcmp(y->id, x->id);
}

/* NODE-GENERATION: nothing that would lead out of the directory. */
static bool
is_id(const char *name, size_t n)
{
	if (n == 0 || n >= EVIDENCE_ID_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	for (size_t i = 0; i < n; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-", name[i]) == NULL)
			return false;
	return true;
}

static void
add_time(json_t *record, const char *key, int64_t wall_us)
{
	char text[TIME_RFC3339_LEN];

	time_rfc3339(wall_us, text);
	json_object_set_new(record, key, json_string(text));
}

/* Cut, and what is no text is shown as such. */
static void
add_text(json_t *list, const char *p, size_t n)
{
	char line[TEXT_MOST];
	json_t *v;

	n = n < sizeof(line) ? n : sizeof(line) - 1;
	memcpy(line, p, n);
	for (size_t i = 0; i < n; i++)
		if (line[i] == '\0')
			line[i] = '?';
	v = json_stringn(line, n);
	for (size_t i = 0; v == NULL && i < n; i++)
		if ((line[i] & 0x80) != 0)
			line[i] = '?';
	json_array_append_new(list, v != NULL ? v : json_stringn(line, n));
}

/* NULL: it is not there, or too large. */
static char *
slurp(const char *path, size_t most, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char *p = NULL;
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size <= most) {
		p = mem_zalloc((size_t)st.st_size + 1);
		got = pread(fd, p, (size_t)st.st_size, 0);
		*n = got > 0 ? (size_t)got : 0;
	}
	close(fd);
	return p;
}

/* chaos_note: see chaos_note.h. A JSON array; what an experiment shall do stands there as it was asked
 * for, and is read by the same rules. */
#include "meta/chaos_note.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/log.h"

#define NOTE_MOST  (32 << 10)
#define ARENA_MOST (64 << 10)

static json_t *to_json(const struct chaos_noted *);
static json_t *order_to_json(const struct chaos_order *);
static bool from_json(const json_t *, struct chaos_noted *);
static bool put(const char *path, const char *text);

bool
chaos_note_write(const char *path, const struct chaos_noted *of, size_t n)
{
	json_t *all;
	bool good = true;
	char *text;

	if (n == 0)
		return unlink(path) == 0 || errno == ENOENT;
	all = json_array();
	for (size_t i = 0; i < n; i++)
		good = json_array_append_new(all, to_json(&of[i])) == 0 && good;
	text = json_dumps(all, JSON_COMPACT);
	good = good && text != NULL && put(path, text);
	if (!good)
		log_error("chaos_note", L_STR("why", strerror(errno)));
	free(text);
	json_decref(all);
	return good;
}

bool
chaos_note_read(const char *path, struct chaos_noted *out, size_t most, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[NOTE_MOST];
	struct json_error e;
	ssize_t got;
	json_t *all, *one;
	size_t i;
	bool good;

	*n = 0;
	if (fd < 0)
		return errno == ENOENT;
	got = read(fd, text, sizeof(text));
	close(fd);
	all = got > 0 ? json_read(text, (size_t)got, &e) : NULL;
	good = json_is_array(all) && json_array_size(all) <= most;
	json_array_foreach(all, i, one)
	{
		good = good && from_json(one, &out[*n]);
		*n += good;
	}
	json_decref(all);
	return good;
}

static json_t *
to_json(const struct chaos_noted *w)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:o}", "id", w->id, "by", w->by, "began",
	    (json_int_t)w->began, "ends", (json_int_t)w->ends, "generation",
	    (json_int_t)w->generation, "order", order_to_json(&w->order));
}

/* What is for other actions must not stand there. */
static json_t *
order_to_json(const struct chaos_order *o)
{
	json_t *v = json_pack("{s:s, s:s, s:I}", "action", chaos_action_name(o->action), "target",
	    o->target, "for_ms", (json_int_t)o->for_ms);

	if (o->peer[0] != '\0')
		json_object_set_new(v, "peer", json_string(o->peer));
	if (o->action == CHAOS_DELAY)
		json_object_set_new(v, "delay_ms", json_integer(o->delay_ms));
	if (o->action == CHAOS_CLOCK_STEP)
		json_object_set_new(v, "step_ms", json_integer(o->step_ms));
	if (o->action == CHAOS_DELAY || o->action == CHAOS_DROP || o->action == CHAOS_ERROR) {
		json_object_set_new(v, "probability", json_real(o->probability));
		json_object_set_new(v, "seed", json_integer((json_int_t)o->seed));
	}
	return v;
}

static bool
from_json(const json_t *v, struct chaos_noted *w)
{
	const char *id = json_string_value(json_object_get(v, "id")),
		   *by = json_string_value(json_object_get(v, "by"));
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct arena *a = arena_new(ARENA_MOST);
	bool good = id != NULL && by != NULL && strlen(id) < sizeof(w->id) &&
	            chaos_read(a, json_object_get(v, "order"), &w->order, &f);

	arena_free(&a);
	if (!good)
		return false;
	snprintf(w->id, sizeof(w->id), "%s", id);
	snprintf(w->by, sizeof(w->by), "%s", by);
	w->began = json_integer_value(json_object_get(v, "began"));
	w->ends = json_integer_value(json_object_get(v, "ends"));
	w->generation = (uint64_t)json_integer_value(json_object_get(v, "generation"));
	return true;
}

static bool
put(const char *path, const char *text)
{
	char fresh[512];
	bool good;
	FILE *f;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	if ((f = fopen(fresh, "we")) == NULL)
		return false;
	good = fputs(text, f) >= 0 && fflush(f) == 0 && fsync(fileno(f)) == 0;
	return fclose(f) == 0 && good && rename(fresh, path) == 0;
}

/* upgrade_plan: see upgrade_plan.h. */
#include "meta/upgrade_plan.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "node/build.h"
#include "node/node.h"

#define FAILED_FEW 5 /* so many prove nothing: somebody's deadline was short */

static const char *const states[] = { "none", "planned", "running", "done", "failed" };
static const char *const step_states[] = { "waiting", "running", "done", "failed", "unchanged" };

static void name_steps(const struct upgrade *u, bool renewed, char *out, size_t n);
static json_t *step_to_json(const struct upgrade_step *s, bool whole);
static json_t *image_to_json(const struct image *i);
static bool step_from_json(struct upgrade_step *s, const json_t *v);
static bool image_from_json(struct image *i, const json_t *v);
static json_t *time_to_json(int64_t wall_us);
static int64_t time_from_json(const json_t *v);
static json_t *text_or_null(const char *s);
static void take_text(char *out, size_t n, const json_t *v);
static int find(const char *const *names, size_t n, const json_t *v);

const char *
upgrade_order(unsigned i)
{
	static const char *const apart[] = { "meta", "guard", "supervisor" };

	for (int level = 2; level >= 1; level--)
		for (size_t k = 0; k < sizeof(fleet_names) / sizeof(fleet_names[0]); k++)
			if (fleet_names[k].level == level &&
			    strcmp(fleet_names[k].name, "api") != 0 && i-- == 0)
				return fleet_names[k].name;
	if (i-- == 0)
		return "api";
	for (const char *const *m = fleet_meta() + 1; *m != NULL; m++)
		if (i-- == 0)
			return *m;
	return i < sizeof(apart) / sizeof(apart[0]) ? apart[i] : NULL;
}

const char *
upgrade_executable(const char *node)
{
	return strcmp(node, "guard") == 0 || strcmp(node, "supervisor") == 0 ? "meta" : node;
}

void
upgrade_put_last(struct upgrade *u, const char *leader)
{
	for (unsigned i = 0; i + 1 < u->n; i++) {
		const struct upgrade_step s = u->steps[i];

		if (strcmp(s.node, leader) != 0 || !fleet_is_meta(u->steps[i + 1].node))
			continue;
		u->steps[i] = u->steps[i + 1];
		u->steps[i + 1] = s;
	}
}

const char *
upgrade_fits(const struct image *now, const struct image *to)
{
	if (!to->says)
		return "it does not say what it speaks with the others: it is of no build that can "
		       "be "
		       "upgraded to";
	if (now->says && now->bus != to->bus)
		return "it speaks another version of the bus than the fleet: stop the fleet and "
		       "start it "
		       "again from the new executables";
	if (now->says && now->contract != to->contract)
		return "it keeps another contract with the supervisor: stop the fleet and start it "
		       "again "
		       "from the new executables";
	return NULL;
}

bool
upgrade_worse(uint64_t failed_before, uint64_t all_before, uint64_t failed, uint64_t all)
{
	double before = all_before == 0 ? 0 : (double)failed_before / (double)all_before;

	return failed > FAILED_FEW && (double)failed > (2 * before + 0.01) * (double)all;
}

void
upgrade_fail(struct upgrade *u, struct upgrade_step *s, const char *error)
{
	char renewed[256], left[256];

	name_steps(u, true, renewed, sizeof(renewed));
	u->state = UPGRADE_FAILED;
	u->ended_us = time_wall_us();
	if (s != NULL) {
		s->state = UP_FAILED;
		s->took_ms = s->began_us == 0 ? -1 : (u->ended_us - s->began_us) / MS;
		snprintf(s->error, sizeof(s->error), "%s", error);
	}
	name_steps(u, false, left, sizeof(left));
	snprintf(u->error, sizeof(u->error),
	    "%s%s%.200s. New by now: %s; as before: %s. Nothing is taken back by itself: put the "
	    "old "
	    "files, or better ones, in place and say `metafed upgrade` again.",
	    s != NULL ? s->node : "", s != NULL ? ": " : "", error, renewed, left);
}

struct upgrade_step *
upgrade_next(struct upgrade *u)
{
	for (unsigned i = 0; i < u->n; i++)
		if (u->steps[i].state == UP_RUNNING || u->steps[i].state == UP_WAITING)
			return &u->steps[i];
	return NULL;
}

json_t *
upgrade_to_json(const struct upgrade *u, bool whole)
{
	json_t *steps = json_array();

	for (unsigned i = 0; i < u->n; i++)
		json_array_append_new(steps, step_to_json(&u->steps[i], whole));
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "id", text_or_null(u->id), "state",
	    states[u->state], "started_at", time_to_json(u->started_us), "ended_at",
	    time_to_json(u->ended_us), "error", text_or_null(u->error), "steps", steps);
}

bool
upgrade_from_json(struct upgrade *u, struct str text)
{
	struct json_error e;
	json_t *v = json_read(text.p, text.n, &e), *steps = json_object_get(v, "steps"), *step;
	int state = find(states, sizeof(states) / sizeof(states[0]), json_object_get(v, "state"));
	bool good = state >= 0 && json_is_array(steps) && json_array_size(steps) <= UPGRADE_STEPS;
	size_t i;

	*u = (struct upgrade){ .state = good ? (enum upgrade_state)state : UPGRADE_NONE };
	take_text(u->id, sizeof(u->id), json_object_get(v, "id"));
	take_text(u->error, sizeof(u->error), json_object_get(v, "error"));
	u->started_us = time_from_json(json_object_get(v, "started_at"));
	u->ended_us = time_from_json(json_object_get(v, "ended_at"));
	json_array_foreach(steps, i, step)
	{
		good = good && step_from_json(&u->steps[i], step);
		if (good)
			u->n = (unsigned)i + 1;
	}
	json_decref(v);
	return good;
}

static void
name_steps(const struct upgrade *u, bool renewed, char *out, size_t n)
{
	size_t at = 0;

	snprintf(out, n, "none");
	for (unsigned i = 0; i < u->n; i++) {
		const struct upgrade_step *s = &u->steps[i];

		if (renewed ? s->state != UP_DONE : s->state == UP_DONE || s->state == UP_UNCHANGED)
			continue;
		at += (size_t)snprintf(out + at, n - at, "%s%s", at > 0 ? ", " : "", s->node);
		if (at >= n)
			return;
	}
}

static json_t *
step_to_json(const struct upgrade_step *s, bool whole)
{
	char from[IMAGE_NAME] = "", to[IMAGE_NAME] = "";
	json_t *v;

	if (s->from.id[0] != '\0')
		image_name(&s->from, from);
	if (s->to.id[0] != '\0')
		image_name(&s->to, to);
	v = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "node", s->node, "state",
	    step_states[s->state], "from", text_or_null(from), "to", text_or_null(to), "took_ms",
	    s->took_ms < 0 ? json_null() : json_integer(s->took_ms), "error",
	    text_or_null(s->error));
	if (whole) {
		json_object_set_new(v, "from_image", image_to_json(&s->from));
		json_object_set_new(v, "to_image", image_to_json(&s->to));
		json_object_set_new(v, "generation", json_integer((json_int_t)s->generation));
		json_object_set_new(v, "began_at", time_to_json(s->began_us));
	}
	return v;
}

static json_t *
image_to_json(const struct image *i)
{
	return json_pack("{s:s, s:s, s:b, s:I, s:I}", "id", i->id, "version", i->version, "says",
	    i->says, "bus", (json_int_t)i->bus, "contract", (json_int_t)i->contract);
}

static bool
step_from_json(struct upgrade_step *s, const json_t *v)
{
	const json_t *took = json_object_get(v, "took_ms");
	int state = find(
	    step_states, sizeof(step_states) / sizeof(step_states[0]), json_object_get(v, "state"));

	if (state < 0 || !image_from_json(&s->from, json_object_get(v, "from_image")) ||
	    !image_from_json(&s->to, json_object_get(v, "to_image")))
		return false;
	s->state = (enum step_state)state;
	take_text(s->node, sizeof(s->node), json_object_get(v, "node"));
	take_text(s->error, sizeof(s->error), json_object_get(v, "error"));
	s->generation = (uint64_t)json_integer_value(json_object_get(v, "generation"));
	s->began_us = time_from_json(json_object_get(v, "began_at"));
	s->took_ms = json_is_integer(took) ? json_integer_value(took) : -1;
	return s->node[0] != '\0';
}

static bool
image_from_json(struct image *i, const json_t *v)
{
	*i = (struct image){ .says = json_is_true(json_object_get(v, "says")),
		.bus = (uint32_t)json_integer_value(json_object_get(v, "bus")),
		.contract = (uint32_t)json_integer_value(json_object_get(v, "contract")) };
	take_text(i->id, sizeof(i->id), json_object_get(v, "id"));
	take_text(i->version, sizeof(i->version), json_object_get(v, "version"));
	return json_is_object(v);
}

static json_t *
time_to_json(int64_t wall_us)
{
	char text[TIME_RFC3339_LEN];

	if (wall_us == 0)
		return json_null();
	time_rfc3339(wall_us, text);
	return json_string(text);
}

static int64_t
time_from_json(const json_t *v)
{
	int64_t us = 0;

	return json_is_string(v) && time_parse_rfc3339(str_of(json_string_value(v)), &us) ? us : 0;
}

/* Other programs' words may be cut in the middle of a character. */
static json_t *
text_or_null(const char *s)
{
	char ascii[UPGRADE_ERROR];

	if (s[0] == '\0')
		return json_null();
	if (str_utf8_ok(s, strlen(s)))
		return json_string(s);
	snprintf(ascii, sizeof(ascii), "%s", s);
	for (char *p = ascii; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return json_string(ascii);
}

static void
take_text(char *out, size_t n, const json_t *v)
{
	snprintf(out, n, "%s", json_is_string(v) ? json_string_value(v) : "");
}

static int
find(const char *const *names, size_t n, const json_t *v)
{
	const char *s = json_string_value(v);

	for (size_t i = 0; s != NULL && i < n; i++)
		if (strcmp(s, names[i]) == 0)
			return (int)i;
	return -1;
}

/* bulk: many creates in one request. Each member stands on its own: a bad one has its own answer
 * and hinders nobody.
 *
 * Invariant: the id of a member depends on the request's operation id and its place alone, so that
 * the same request, answered by a stand-in after the first agent died, makes nothing twice. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "api/ops/ops.h"
#include "base/id.h"

static const json_t *member_id(const json_t *);
static bool id_is_bad(const json_t *);
static void end_line(struct jw *);
static const json_t *tasks_of(const struct op *);
static const char *place_of(struct arena *, const struct op *, size_t, const char *);
static void
answer_member(struct jw *, const struct op *, const Mf__TaskResponse *, size_t, const json_t *);
static struct failure problem_of_member(struct arena *, const struct op *, size_t, const json_t *);
static struct failure placed(struct arena *, const struct op *, size_t, const struct failure *);
static const struct failure *refusal_of(const struct op *, size_t);

void
bulk_id(const char *operation_id, uint32_t i, char out[37])
{
	uint8_t seed[20] = { 0 }, u[32];
	char hex[33];

	if (uuid_ok(operation_id))
		uuid_pack(operation_id, seed);
	else
		crypto_generichash(
		    seed, 16, (const uint8_t *)operation_id, strlen(operation_id), NULL, 0);
	memcpy(seed + 16,
	    (uint8_t[]){ (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i },
	    4);
	crypto_generichash(u, 16, seed, sizeof(seed), NULL, 0);
	memcpy(u, seed, 6); /* the time stays: ids of one request sort together */
	u[6] = (uint8_t)(0x70 | (u[6] & 0x0f));
	u[8] = (uint8_t)(0x80 | (u[8] & 0x3f));
	str_hex(u, 16, hex);
	snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

bool
bulk_data(struct arena *a, const struct op *o, ProtobufCBinaryData *out, struct failure *f)
{
	const json_t *tasks = tasks_of(o);
	size_t n = json_array_size(tasks);
	struct jw w;

	if (!json_is_array(tasks) || n == 0 || n > BULK_MOST ||
	    (json_is_object(o->body) && json_object_size(o->body) != 1)) {
		failure_violation(a, f, json_is_object(o->body) ? "/tasks" : "",
		    "must be an array of 1 to %d tasks, and all of the body", BULK_MOST);
		return false;
	}
	jw_start(&w, a, n * 256);
	jw_array(&w, NULL);
	for (size_t i = 0; i < n; i++) {
		const json_t *t = json_array_get(tasks, i), *chosen = member_id(t);
		char id[37];
		const char *key;
		json_t *v;

		jw_object(&w, NULL);
		if (chosen != NULL && !id_is_bad(t)) {
			jw_str(&w, "id", json_string_value(chosen));
		} else if (o->operation_id[0] != '\0') {
			bulk_id(o->operation_id, (uint32_t)i, id);
			jw_str(&w, "id", id);
		}
		/* What is none travels on under a name of no field, so that the store refuses it
		 * in its place. */
		if (!json_is_object(t) || id_is_bad(t) || refusal_of(o, i) != NULL)
			jw_null(&w, "/");
		else
			json_object_foreach((json_t *)t, key, v) if (strcmp(key, "id") != 0)
			    jw_json(&w, key, v);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	out->data = (uint8_t *)jw_text(&w, &out->len);
	return true;
}

char *
bulk_answer(
    struct arena *a, const struct op *o, const Mf__TaskResponse *m, const json_t *result, size_t *n)
{
	const json_t *tasks = tasks_of(o), *items = json_object_get(result, "items");
	struct jw w;

	if (!json_is_array(items) || json_array_size(items) != json_array_size(tasks))
		return NULL;
	jw_start(&w, a, json_array_size(items) * 512);
	if (!o->lines) {
		jw_object(&w, NULL);
		jw_array(&w, "items");
	}
	for (size_t i = 0; i < json_array_size(items); i++) {
		answer_member(&w, o, m, i, json_array_get(items, i));
		if (o->lines)
			end_line(&w);
	}
	if (!o->lines) {
		jw_close(&w, ']');
		jw_close(&w, '}');
	}
	return jw_text(&w, n);
}

static void
end_line(struct jw *w)
{
	jw_close(w, '\n');
	w->comma = false;
}

static const json_t *
tasks_of(const struct op *o)
{
	return json_is_array(o->body) ? o->body : json_object_get(o->body, "tasks");
}

/* The place of a member, or of something in it, in the body as the client wrote it: a line is a
 * document of its own. */
static const char *
place_of(struct arena *a, const struct op *o, size_t i, const char *within)
{
	if (o->lines)
		return within;
	return arena_printf(a, "%s/%zu%s", json_is_array(o->body) ? "" : "/tasks", i, within);
}

static void
answer_member(
    struct jw *w, const struct op *o, const Mf__TaskResponse *m, size_t i, const json_t *item)
{
	const json_t *data = json_object_get(item, "data"), *task = json_array_get(tasks_of(o), i);
	struct failure f = { .status = ST_OK };
	bool there = false;

	if (refusal_of(o, i) != NULL)
		f = placed(w->a, o, i, refusal_of(o, i));
	else if (!json_is_object(task))
		failure_violation(w->a, &f, place_of(w->a, o, i, ""), "must be a JSON object");
	else if (id_is_bad(task))
		failure_violation(
		    w->a, &f, place_of(w->a, o, i, "/id"), "must be a UUID in lower case");
	else if (!json_is_object(data))
		f = problem_of_member(w->a, o, i, json_object_get(item, "problem"));
	else
		there = json_is_true(json_object_get(item, "repeated")) && member_id(task) != NULL;
	if (there && !ops_same(task, data))
		f = *ops_taken(m);
	jw_object(w, NULL);
	if (f.status != ST_OK) {
		jw_int(w, "status", problem_http(&f));
		problem_write(w, "error", 0, &f, "", false);
	} else {
		jw_int(w, "status", there ? 200 : 201);
		jw_json(w, "task", data);
	}
	jw_close(w, '}');
}

/* The store got the array alone: "/3/title" is the title of member 3. */
static struct failure
problem_of_member(struct arena *a, const struct op *o, size_t i, const json_t *problem)
{
	struct failure f;
	struct violation *v;

	problem_from_json(a, problem, &f);
	v = (struct violation *)(uintptr_t)f.violations;
	for (size_t k = 0; k < f.n_violations; k++) {
		const char *within = strchr(v[k].field + (v[k].field[0] == '/'), '/');

		v[k].field = within == NULL ? "" : within;
	}
	return placed(a, o, i, &f);
}

/* What is said of a member by itself, as the client is told. */
static struct failure
placed(struct arena *a, const struct op *o, size_t i, const struct failure *of)
{
	struct violation *v = ARENA_ARRAY(a, struct violation, of->n_violations + 1);
	struct failure f = *of;

	for (size_t k = 0; k < of->n_violations; k++)
		v[k] = (struct violation){ place_of(a, o, i, of->violations[k].field),
			of->violations[k].what };
	f.violations = v;
	return f;
}

static const struct failure *
refusal_of(const struct op *o, size_t i)
{
	return o->refused == NULL ? NULL : o->refused[i];
}

static const json_t *
member_id(const json_t *t)
{
	return json_object_get(t, "id");
}

static bool
id_is_bad(const json_t *t)
{
	const json_t *id = member_id(t);

	return id != NULL && (!json_is_string(id) || !uuid_ok(json_string_value(id)));
}

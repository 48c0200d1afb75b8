/* intake: the way from a requirement to the store. Called by execute, before the gate; pure but for
 * the call's arena. */
#include <string.h>

#include "base/json.h"
#include "meta/intake.h"
#include "meta/remember.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static const char *
take_members(struct call *, const Mf__DatabaseRequirement *, Mf__StoreOp *, struct permits *);
static char *member_id(struct arena *, const char *, size_t);
static const char *take_member(struct arena *, const json_t *, Mf__StoreOp *, struct permits *);
static const char *member_fields(struct arena *, const json_t *, Mf__StoreOp *);
static const char *in_vain(const Mf__StoreOp *);
static const char *ask(const Mf__StoreOp *, struct permits *, bool alone);
static char *text(const json_t *, const char *);

const char *
intake_store(struct call *c, const Mf__DatabaseRequirement *q, Mf__StoreOp *out, struct permits *p)
{
	const char *wrong = permits_kind(q->operation, &out->kind);

	if (wrong != NULL)
		return wrong;
	out->model = q->model;
	out->id = q->id;
	out->data = q->data;
	out->if_version = q->if_version;
	out->n_filters = q->n_filters;
	out->filters = q->filters;
	out->limit = q->limit;
	out->cursor = q->cursor;
	out->cursors = q->cursors;
	out->sort = q->sort;
	out->namespace_ = q->namespace_;
	out->consistency = q->consistency;
	out->max_age_ms = q->max_age_ms;
	out->where = q->where;
	out->n_fields = q->n_fields;
	out->fields = q->fields;
	out->session = q->session;
	out->explain = q->explain;
	out->isolation = q->isolation;
	out->ttl_ms = q->ttl_ms;
	out->raw = q->raw;
	out->offset = q->offset;
	out->want = q->want;
	if (q->explain && !permits_add(p, PERMIT_EXPLAIN))
		return "operation: needs too many permissions at once";
	if ((wrong = in_vain(out)) != NULL)
		return wrong;
	if (out->kind == MF__STORE_OP__KIND__TRANSACTION || out->kind == MF__STORE_OP__KIND__BULK)
		return take_members(c, q, out, p);
	return ask(out, p, out->kind != MF__STORE_OP__KIND__BULK_CREATE);
}

void
intake_sign(
    struct arena *a, Mf__StoreOp *op, const struct intake_mark *by, const char *operation_id)
{
	op->actor = (char *)(uintptr_t)by->actor;
	op->trace_id = (char *)(uintptr_t)by->trace_id;
	op->operation_id = (char *)operation_id;
	if (op->kind == MF__STORE_OP__KIND__CREATE && op->id[0] == '\0')
		op->id = (char *)operation_id;
	for (size_t i = 0; i < op->n_members; i++)
		intake_sign(a, op->members[i], by, member_id(a, operation_id, i));
}

/* What is no array, or has members that are no objects, the store refuses. */
void
intake_name_members(struct call *c, Mf__StoreOp *op, const char *operation_id)
{
	struct arena *a = call_arena(c);
	struct json_error e;
	json_t *v = json_read(op->data.data, op->data.len, &e), *one;
	bool named = false;
	struct jw w;
	size_t i;

	if (v == NULL)
		return;
	call_own_json(c, v);
	json_array_foreach(v, i, one)
	{
		if (!json_is_object(one) || json_object_get(one, "id") != NULL)
			continue;
		named =
		    json_object_set_new(one, "id", json_string(member_id(a, operation_id, i))) == 0;
	}
	if (!named)
		return;
	jw_start(&w, a, op->data.len + json_array_size(v) * 64);
	jw_json(&w, NULL, v);
	op->data.data = (uint8_t *)jw_text(&w, &op->data.len);
}

static char *
member_id(struct arena *a, const char *operation_id, size_t i)
{
	char *id = arena_alloc(a, UUID_LEN);
	struct remember_key k;

	remember_key(operation_id, "", arena_printf(a, "%zu", i), &k);
	remember_operation(&k, id);
	return id;
}

static const char *
take_members(struct call *c, const Mf__DatabaseRequirement *q, Mf__StoreOp *out, struct permits *p)
{
	struct arena *a = call_arena(c);
	struct json_error e;
	json_t *v = json_read(q->data.data, q->data.len, &e);
	const char *wrong;

	if (v != NULL)
		call_own_json(c, v);
	if (!json_is_array(v) || json_array_size(v) == 0 ||
	    json_array_size(v) > INTAKE_MEMBERS_MOST)
		return "database/data: must be an array of 1 to 100 operations";
	out->data = (ProtobufCBinaryData){ 0, NULL };
	out->members = ARENA_ARRAY(a, Mf__StoreOp *, json_array_size(v));
	for (size_t i = 0; i < json_array_size(v); i++) {
		Mf__StoreOp *m = arena_alloc(a, sizeof(*m));

		mf__store_op__init(m);
		m->namespace_ = q->namespace_;
		wrong = take_member(a, json_array_get(v, i), m, p);
		if (wrong != NULL)
			return arena_printf(a, "database/data/%zu/%s", i, wrong);
		out->members[out->n_members++] = m;
	}
	return NULL;
}

static const char *
take_member(struct arena *a, const json_t *v, Mf__StoreOp *m, struct permits *p)
{
	const char *wrong = permits_kind(text(v, "operation"), &m->kind);

	if (wrong != NULL)
		return wrong;
	if (m->kind != MF__STORE_OP__KIND__CREATE && m->kind != MF__STORE_OP__KIND__UPDATE &&
	    m->kind != MF__STORE_OP__KIND__DELETE)
		return "operation: must be create, update or delete inside a transaction or bulk";
	if ((wrong = member_fields(a, v, m)) != NULL || (wrong = in_vain(m)) != NULL)
		return wrong;
	return ask(m, p, false);
}

static const char *
member_fields(struct arena *a, const json_t *v, Mf__StoreOp *m)
{
	static const char *const known[] = { "operation", "model", "id", "data", "if_version",
		"ttl_ms" };
	const json_t *one, *version = json_object_get(v, "if_version"),
			   *ttl = json_object_get(v, "ttl_ms");
	const char *key;
	struct jw w;

	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		size_t i = 0;

		while (i < COUNT(known) && strcmp(known[i], key) != 0)
			i++;
		if (i == COUNT(known))
			return arena_printf(a, "%.64s: there is no such field of a member", key);
	}
	m->model = text(v, "model");
	m->id = text(v, "id");
	if (version != NULL && json_integer_value(version) <= 0)
		return "if_version: must be a whole number above 0";
	m->if_version = (uint64_t)json_integer_value(version);
	if (ttl != NULL && (json_integer_value(ttl) <= 0 || json_integer_value(ttl) > UINT32_MAX))
		return "ttl_ms: must be an integer from 1 to 4294967295";
	m->ttl_ms = (uint32_t)json_integer_value(ttl);
	if ((one = json_object_get(v, "data")) != NULL) {
		jw_start(&w, a, 256);
		jw_json(&w, NULL, one);
		m->data.data = (uint8_t *)jw_text(&w, &m->data.len);
	}
	return NULL;
}

/* A condition or a life that the store would pass over: who named it must not be told that all was
 * done. Streams, collections and blobs look at their own filters. */
static const char *
in_vain(const Mf__StoreOp *m)
{
	bool doc = strncmp(m->model, "doc.", 4) == 0;
	bool list = m->kind == MF__STORE_OP__KIND__QUERY_MANY;
	bool put = m->kind == MF__STORE_OP__KIND__CREATE || m->kind == MF__STORE_OP__KIND__UPDATE ||
	           m->kind == MF__STORE_OP__KIND__BULK_CREATE;
	bool many =
	    m->kind == MF__STORE_OP__KIND__TRANSACTION || m->kind == MF__STORE_OP__KIND__BULK;

	if (m->where.len > 0 && !(doc && list))
		return "where: is of lists of documents only";
	if (m->ttl_ms != 0 && !(doc && put))
		return "ttl_ms: is of creates and updates of documents only";
	if (m->want[0] != '\0' && !(list && strcmp(m->model, "task") == 0))
		return "want: is of lists of tasks only";
	if (m->n_filters > 0 && !list &&
	    (doc || many || strcmp(m->model, "task") == 0 || permits_of_auth(m->model)))
		return "filters: are of lists only";
	return NULL;
}

static const char *
ask(const Mf__StoreOp *m, struct permits *p, bool alone)
{
	if (!permits_model(m->model))
		return "model: is none that a request may name";
	if (!alone && permits_of_auth(m->model))
		return "model: users and roles are written one at a time";
	return permits_add(p, permits_store(m->kind, m->model))
	           ? NULL
	           : "operation: needs too many permissions at once";
}

static char *
text(const json_t *v, const char *key)
{
	const json_t *s = json_object_get(v, key);

	return (char *)(json_is_string(s) ? json_string_value(s) : "");
}

/* journal_state: what an object is after a change, by the rules of sql (intake, render, replay), so
 * that what is answered is what PostgreSQL will hold. No I/O. */
#include <inttypes.h>
#include <string.h>

#include "base/id.h"
#include "database/nosql/journal_int.h"
#include "database/sql/render.h"
#include "database/sql/replay.h"

static bool base_of(struct arena *, struct change *, const struct state *, struct row *, uint64_t *,
    struct failure *);
static bool no(struct failure *, enum status, const char *, uint32_t, const char *);

bool
state_parse(struct str text, struct state *out)
{
	struct str version, rest;

	*out = (struct state){ .known = true };
	return str_cut(text, ':', &version, &rest) && str_u64(version, UINT64_MAX, &out->version) &&
	       str_cut(rest, ':', &out->ns, &out->json);
}

const char *
state_text(struct arena *a, const struct state *s, size_t *n)
{
	char head[32];
	size_t h = (size_t)snprintf(head, sizeof(head), "%" PRIu64 ":", s->version);
	char *text = arena_alloc(a, h + s->ns.n + 1 + s->json.n), *p = text;

	memcpy(p, head, h);
	memcpy(p + h, s->ns.p, s->ns.n);
	p[h + s->ns.n] = ':';
	if (s->json.n > 0)
		memcpy(p + h + s->ns.n + 1, s->json.p, s->json.n);
	*n = h + s->ns.n + 1 + s->json.n;
	return text;
}

bool
change_read(struct arena *a, struct change *x, const json_t *data, const char *at, const char *now,
    struct complaints *e)
{
	const struct model *m = model_find("task");
	char *patch;

	if (x->kind == MF__STORE_OP__KIND__CREATE) {
		if (!intake_create(a, m, data,
			&(const struct intake_op){ .id = x->id,
			    .namespace = x->ns,
			    .actor = x->op->actor,
			    .now = now,
			    .trace_id = x->op->trace_id },
			at, &x->row, e))
			return false;
		x->id = x->row.values[0];
		return intake_namespace(&x->ns, e);
	}
	e->at = at;
	if (!intake_id(m, x->id, e) || !intake_namespace(&x->ns, e))
		return false;
	e->at = NULL;
	if (x->kind == MF__STORE_OP__KIND__DELETE)
		return true;
	if (!intake_patch(a, m, data, x->id, at, &patch, e))
		return false;
	x->patch = patch;
	return true;
}

static void
set_after(struct arena *a, struct change *x, uint64_t version)
{
	x->after = (struct state){ .known = true, .version = version, .ns = str_of(x->ns) };
	if (x->kind != MF__STORE_OP__KIND__DELETE) {
		struct jw w;

		jw_start(&w, a, render_most(&x->row));
		render_row(&w, &x->row);
		x->after.json.p = jw_text(&w, &x->after.json.n);
	}
}

/* When a UUIDv7 was made; 0: it is of another version. */
static uint64_t
id_ms(const char *id)
{
	uint8_t b[16];
	uint64_t ms = 0;

	uuid_pack(id, b);
	for (int i = 0; i < 6; i++)
		ms = ms << 8 | b[i];
	return b[6] >> 4 == 7 ? ms : 0;
}

bool
change_apply(struct arena *a, struct change *x, const struct state *before, const char *now,
    struct failure *why)
{
	uint64_t version;

	if (x->kind == MF__STORE_OP__KIND__CREATE) {
		if (before->known)
			return no(why, ST_ALREADY_EXISTS, "ID_TAKEN", 0,
			    "the id is taken, or was until its object was deleted");
		if (id_ms(x->id) < x->ids_from_ms)
			return no(why, ST_FAILED_PRECONDITION, "BASE_UNKNOWN", 1000,
			    "PostgreSQL is not available, and whether the id is taken is not known "
			    "without it");
		set_after(a, x, 1);
		return true;
	}
	if (!base_of(a, x, before, &x->row, &version, why))
		return false;
	if (x->op->if_version != 0 && x->op->if_version != version)
		return no(why, ST_ABORTED, "VERSION_CONFLICT", 0, "the task has another version");
	if (x->kind == MF__STORE_OP__KIND__UPDATE)
		replay_patch(a, &x->row, x->patch, now);
	set_after(a, x, version + 1);
	return true;
}

/* What it is made from: what the journal left, else what the caller knew. */
static bool
base_of(struct arena *a, struct change *x, const struct state *before, struct row *out,
    uint64_t *version, struct failure *why)
{
	const struct model *m = model_find("task");
	struct str json = before->json;

	*version = before->version;
	if (!before->known && x->base != NULL && x->base->version != 0) {
		json = (struct str){ (const char *)x->base->data.data, x->base->data.len };
		*version = x->base->version;
	} else if (!before->known && x->base != NULL && x->base->problem != NULL) {
		return no(why, ST_NOT_FOUND, "", 0, "there is no such task");
	} else if (!before->known) {
		return no(why, ST_FAILED_PRECONDITION, "BASE_UNKNOWN", 1000,
		    "PostgreSQL is not available, and what the task is now is not known without "
		    "it");
	}
	if (json.n == 0 || (before->known && !str_eq(before->ns, x->ns)))
		return no(why, ST_NOT_FOUND, "", 0, "there is no such task");
	if (!replay_row(a, m, json.p, json.n, out) || strcmp(out->values[0], x->id) != 0 ||
	    row_version(out) != *version)
		return no(why, ST_FAILED_PRECONDITION, "BASE_UNKNOWN", 1000,
		    "PostgreSQL is not available, and the task can't be read without it");
	if (strcmp(out->values[model_field(m, "namespace") - m->fields], x->ns) != 0)
		return no(why, ST_NOT_FOUND, "", 0, "there is no such task");
	return true;
}

static bool
no(struct failure *why, enum status s, const char *reason, uint32_t retry_ms, const char *message)
{
	*why = (struct failure){
		.status = s, .reason = reason, .retry_ms = retry_ms, .message = message
	};
	return false;
}

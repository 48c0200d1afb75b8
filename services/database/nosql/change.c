/* change: what an operation makes of a document, and how it is kept. Pure. The new document is computed here and
 * not in Redis: its cjson reads every number as a double (from 2^53 on integers lose digits), writes 14 digits
 * of a real, and makes {} of []. Redis compares and sets. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/failure.h"
#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "database/nosql/documents_inside.h"
#include "database/nosql/update_ops.h"

static json_t *
read_object(struct arena *a, const void *p, size_t n, const char *what, struct failure *f);
static bool finish(
    struct arena *, const struct collection *, const json_t *, struct change *, struct failure *);

bool
document_parse(const char *p, size_t n, struct document *d)
{
	struct str version, json;

	if (!str_cut((struct str){ p, n }, ':', &version, &json) ||
	    !str_u64(version, INT64_MAX, &d->version))
		return false;
	d->json = json.p;
	d->n = json.n;
	return true;
}

void
document_show(struct jw *w, const char *id, size_t id_n, const struct document *d)
{
	jw_object(w, NULL);
	jw_strn(w, "id", id, id_n);
	jw_int(w, "version", (int64_t)d->version);
	jw_raw(w, "data", d->json, d->n);
	jw_close(w, '}');
}

bool
change_make(struct arena *a, const struct collection *k, const Mf__StoreOp *q,
    const struct document *have, struct change *out, struct failure *f)
{
	bool create = q->kind == MF__STORE_OP__KIND__CREATE, ok = false;
	json_t *given = read_object(a, q->data.data, q->data.len, "data", f), *doc = NULL;

	*out = (struct change){ .version = create ? 1 : have->version + 1 };
	if (given == NULL)
		return false;
	if (!create && q->if_version != 0 && q->if_version != have->version) {
		*f = (struct failure){ .status = ST_ABORTED,
			.reason = "VERSION_CONFLICT",
			.message = arena_printf(a, "version is %" PRIu64 ", not %" PRIu64,
			    have->version, q->if_version) };
	} else if (create) {
		ok = finish(a, k, given, out, f);
	} else if ((doc = read_object(a, have->json, have->n, "document", f)) == NULL) {
		f->status = ST_DATA_LOSS;
	} else {
		ok = update_apply(a, given, doc, time_wall_us(), f) && finish(a, k, doc, out, f);
	}
	out->ttl_ms = q->ttl_ms != 0 ? q->ttl_ms : k->ttl_ms != 0 ? k->ttl_ms : -1;
	json_decref(given);
	json_decref(doc);
	return ok;
}

static json_t *
read_object(struct arena *a, const void *p, size_t n, const char *what, struct failure *f)
{
	struct json_error e;
	json_t *v = json_read(p, n, &e);

	if (json_is_object(v))
		return v;
	failure_violation(
	    a, f, what, "%s", v == NULL ? arena_strdup(a, e.what) : "is not an object");
	json_decref(v);
	return NULL;
}

static bool
finish(struct arena *a, const struct collection *k, const json_t *doc, struct change *out,
    struct failure *f)
{
	struct jw w;
	char *head = arena_printf(a, "%" PRIu64 ":", out->version);

	if (!collection_accepts(a, k, doc, f))
		return false;
	jw_start(&w, a, 512);
	jw_raw(&w, NULL, head, strlen(head));
	w.comma = false;
	jw_json(&w, NULL, doc);
	out->raw = jw_text(&w, &out->n);
	out->n_entries = collection_entries(a, k, doc, &out->entries);
	if (out->n <= DOCUMENT_MOST)
		return true;
	failure_violation(a, f, "data", "would be larger than %u bytes", DOCUMENT_MOST);
	return false;
}

void
args_start(struct args *x, struct arena *a, size_t room)
{
	*x = (struct args){ .room = room,
		.v = ARENA_ARRAY(a, const char *, room),
		.lens = ARENA_ARRAY(a, size_t, room) };
}

void
args_add(struct args *x, const char *p, size_t n)
{
	must((size_t)x->n < x->room);
	x->v[x->n] = p;
	x->lens[x->n++] = n;
}

void
args_text(struct args *x, const char *s)
{
	args_add(x, s, strlen(s));
}

void
args_json(struct args *x, struct arena *a, const json_t *v)
{
	struct jw w;

	jw_start(&w, a, 256);
	if (v != NULL)
		jw_json(&w, NULL, v);
	args_text(x, jw_text(&w, NULL));
}

bool
script_says(const struct redis_reply *r, const char *word)
{
	return r->n_items > 0 && str_eq((struct str){ r->items[0]->s, r->items[0]->n }, word);
}

void
args_entries(struct args *x, const struct index_entry *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		args_text(x, e[i].slot);
		args_text(x, e[i].unique ? "1" : "0");
		args_add(x, e[i].key, e[i].n);
	}
}

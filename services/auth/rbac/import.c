/* import: the model policy: a whole policy as YAML, read and written. The document is judged completely
 * before anything is written; what is written are the differences to what is stored, so the same
 * document again changes nothing, and one that was cut off half-way is completed. Nobody imports what he
 * may not give. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/import.h"
#include "auth/store_failed.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#define ROWS_MOST   20000 /* of a policy that is exported, or replaced, as one text */
#define YAML_MOST   (4u << 20)
#define IDS_AT_ONCE 400
#define PAGE        1000

static bool body_read(struct import *x, struct str *yaml);
static bool mode_read(struct import *x, const json_t *body);
static void begin(struct import *x);
static void on_current(void *ctx, bool ok);
static void read_rows(struct import *x);
static bool next_ids(struct import *x);
static void on_rows(const Mf__StoreResult *m, void *ctx);
static bool take_row(void *ctx, const json_t *item);
static void exported(struct import *x);
static void judge(struct import *x);
static void on_still(void *ctx, bool ok);
static void send_part(struct import *x);
static void on_part(const Mf__StoreResult *m, void *ctx);
static void on_in_force(void *ctx, bool ok);
static struct import *import_new(struct rbac *r, struct call *c, const Mf__StoreOp *q);
static bool few_enough(struct import *x);

void
policy_read(struct rbac *r, struct call *c, const Mf__StoreOp *q)
{
	struct import *x = import_new(r, c, q);

	if (!rbac_known(r, c))
		return;
	if (few_enough(x))
		begin(x);
}

void
policy_write(struct rbac *r, struct call *c, const Mf__StoreOp *q)
{
	struct import *x = import_new(r, c, q);
	struct yaml_error e;
	struct str yaml;

	if (q->kind != MF__STORE_OP__KIND__UPDATE) {
		call_fail_because(c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    "the policy is read and updated, nothing else");
		return;
	}
	if (!body_read(x, &yaml))
		return;
	if (!document_read(yaml.p, yaml.n, &x->doc, &e)) {
		import_refuse(x, ST_INVALID_ARGUMENT, "VALIDATION", e.line, "", e.what);
		return;
	}
	call_own_json(c, x->doc.rows);
	call_own_json(c, x->doc.lines);
	if (!x->replace || few_enough(x))
		begin(x);
}

static struct import *
import_new(struct rbac *r, struct call *c, const Mf__StoreOp *q)
{
	struct import *x = ARENA_NEW(call_arena(c), struct import);

	x->r = r;
	x->c = c;
	x->q = q;
	x->stored = json_pack("{s:{},s:{},s:{}}", "role", "group", "grant");
	call_own_json(c, x->stored);
	return x;
}

static bool
few_enough(struct import *x)
{
	if (rules_grants(x->r->rules) + rules_groups(x->r->rules) <= ROWS_MOST)
		return true;
	call_fail_because(x->c, ST_FAILED_PRECONDITION, "POLICY_TOO_LARGE", 0,
	    "the policy has more than %d groups and grants: read them as lists, import by merging",
	    ROWS_MOST);
	return false;
}

static bool
body_read(struct import *x, struct str *yaml)
{
	struct json_error e;
	json_t *body = json_read(x->q->data.data, x->q->data.len, &e);
	const json_t *text = json_object_get(body, "yaml");

	if (body != NULL)
		call_own_json(x->c, body);
	*yaml = (struct str){ json_string_value(text), json_string_length(text) };
	if (yaml->p == NULL || yaml->n > YAML_MOST) {
		import_refuse(x, ST_INVALID_ARGUMENT, "VALIDATION", 0, "/yaml",
		    "must be a text of at most 4 MiB");
		return false;
	}
	return mode_read(x, body);
}

static bool
mode_read(struct import *x, const json_t *body)
{
	const json_t *mode = json_object_get(body, "mode"), *dry = json_object_get(body, "dry_run");
	const char *s = json_string_value(mode), *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)body, name, v) if (strcmp(name, "yaml") != 0 &&
								    strcmp(name, "mode") != 0 &&
								    strcmp(name, "dry_run") != 0)
	{
		import_refuse(x, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    arena_printf(call_arena(x->c), "/%.40s", name), "is not known");
		return false;
	}
	x->dry_run = json_is_true(dry);
	x->replace = s != NULL && strcmp(s, "replace") == 0;
	if (mode != NULL && !x->replace && (s == NULL || strcmp(s, "merge") != 0))
		import_refuse(
		    x, ST_INVALID_ARGUMENT, "VALIDATION", 0, "/mode", "must be merge or replace");
	else if (dry != NULL && !json_is_boolean(dry))
		import_refuse(
		    x, ST_INVALID_ARGUMENT, "VALIDATION", 0, "/dry_run", "must be true or false");
	else
		return true;
	return false;
}

void
import_refuse(struct import *x, enum status status, const char *reason, size_t line,
    const char *field, const char *what)
{
	struct arena *a = call_arena(x->c);
	struct violation v = { .field = line > 0 || field[0] == '\0' ? "/yaml" : field };

	v.what = line == 0
	             ? what
	             : arena_printf(a, "line %zu: %s%s%s", line,
			   field[0] == '/' ? field + 1 : field, field[0] != '\0' ? ": " : "", what);
	call_fail_with(x->c, &(const struct failure){ .status = status,
				 .reason = reason,
				 .message = arena_printf(a, "%s: %s", v.field, v.what),
				 .n_violations = 1,
				 .violations = &v });
}

/* --- what is stored --- */

/* What decides must be what is stored: rights are those of now. */
static void
begin(struct import *x)
{
	rbac_reload(x->r, x->c, on_current, x);
}

static void
on_current(void *ctx, bool ok)
{
	struct import *x = ctx;

	if (!ok) {
		call_fail_because(x->c, ST_UNAVAILABLE, "NOT_IN_FORCE", STORE_RETRY_MS,
		    "the policy can't be read now");
		return;
	}
	x->image = x->r->image;
	(void)snprintf(x->last, sizeof(x->last), "%s", x->image->at.last);
	x->cursor = arena_strdup(call_arena(x->c), "");
	read_rows(x);
}

bool
import_still(struct import *x)
{
	if (x->image == x->r->image && strcmp(x->last, x->image->at.last) == 0)
		return true;
	call_fail_because(x->c, ST_ABORTED, "VERSION_CONFLICT", 0,
	    "the policy was changed meanwhile: import again");
	return false;
}

static void
read_rows(struct import *x)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;
	Mf__KeyValue filter = MF__KEY_VALUE__INIT, *filters[1] = { &filter };
	bool all = x->doc.rows == NULL || x->replace;

	while (!all && x->cursor[0] == '\0' && document_models[x->model] != NULL && !next_ids(x)) {
		x->model++;
		x->ids_at = 0;
	}
	if (document_models[x->model] == NULL) {
		if (x->doc.rows == NULL)
			exported(x);
		else
			judge(x);
		return;
	}
	op.kind = MF__STORE_OP__KIND__QUERY_MANY;
	op.model = (char *)(uintptr_t)document_models[x->model];
	op.limit = PAGE;
	op.cursor = x->cursor;
	if (!all) {
		filter.key = (char *)(uintptr_t) "id";
		filter.value = x->ids;
		op.n_filters = 1;
		op.filters = filters;
	}
	x->rpc = rpc_new(x->c, x->r->database, NULL);
	mf__database__read(&x->rpc->service, &op, on_rows, x);
}

/* Of the document's rows of this model, the next ones. */
static bool
next_ids(struct import *x)
{
	struct buf b = { 0 };
	size_t i = 0, n = 0;
	const char *id;
	json_t *row;

	json_object_foreach(json_object_get(x->doc.rows, document_models[x->model]), id, row)
	{
		if (i++ < x->ids_at || n == IDS_AT_ONCE)
			continue;
		buf_printf(&b, "%s%s", n++ > 0 ? "," : "", id);
	}
	x->ids_at += n;
	x->ids = n == 0 ? NULL : arena_strdup(call_arena(x->c), b.p);
	buf_free(&b);
	return n > 0;
}

static void
on_rows(const Mf__StoreResult *m, void *ctx)
{
	struct import *x = ctx;
	const char *next;

	if (!store_page(x->c, x->rpc, m, document_models[x->model], take_row, x, &next))
		return;
	x->cursor = next == NULL ? arena_strdup(call_arena(x->c), "") : (char *)(uintptr_t)next;
	if (next == NULL && (x->doc.rows == NULL || x->replace))
		x->model++;
	read_rows(x);
}

static bool
take_row(void *ctx, const json_t *item)
{
	struct import *x = ctx;
	const char *id = json_string_value(json_object_get(item, "id"));

	if (id != NULL)
		json_object_set(json_object_get(x->stored, document_models[x->model]), id,
		    (json_t *)(uintptr_t)item);
	return true;
}

static void
exported(struct import *x)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;
	struct buf b = { 0 };
	struct jw w;

	document_write(&b, x->stored);
	jw_start(&w, call_arena(x->c), b.n + b.n / 8 + 200);
	jw_object(&w, NULL);
	jw_str(&w, "id", "policy");
	jw_strn(&w, "yaml", b.p, b.n);
	for (size_t i = 0; document_models[i] != NULL; i++)
		jw_int(&w, arena_printf(call_arena(x->c), "%ss", document_models[i]),
		    (int64_t)json_object_size(json_object_get(x->stored, document_models[i])));
	jw_close(&w, '}');
	buf_free(&b);
	m.data.data = (uint8_t *)jw_text(&w, &m.data.len);
	m.version = 1;
	call_reply(x->c, &m.base);
}

/* --- writing --- */

static void
judge(struct import *x)
{
	if (!import_judge(x))
		return;
	if (x->dry_run)
		rbac_reload(x->r, x->c, on_still, x);
	else if (import_parts(x))
		send_part(x);
}

static void
on_still(void *ctx, bool ok)
{
	struct import *x = ctx;

	if (!ok)
		call_fail_because(x->c, ST_UNAVAILABLE, "NOT_IN_FORCE", STORE_RETRY_MS,
		    "the policy can't be read now");
	else if (import_still(x))
		import_effect(x);
}

static void
send_part(struct import *x)
{
	if (x->part == x->n_parts) {
		rbac_reload(x->r, x->c, on_in_force, x);
		return;
	}
	x->rpc = rpc_new(x->c, x->r->database, NULL);
	mf__database__write(&x->rpc->service, x->parts[x->part], on_part, x);
}

static void
on_part(const Mf__StoreResult *m, void *ctx)
{
	struct import *x = ctx;
	const struct failure *f;

	if (m == NULL) {
		f = rpc_failure(x->rpc);
		if (f->status == ST_ABORTED || f->status == ST_NOT_FOUND ||
		    f->status == ST_ALREADY_EXISTS)
			call_fail_because(x->c, ST_ABORTED, "VERSION_CONFLICT", 0,
			    "the policy was changed meanwhile: import again");
		else
			store_failed(x->c, f);
		return;
	}
	x->part++;
	send_part(x);
}

static void
on_in_force(void *ctx, bool ok)
{
	struct import *x = ctx;

	if (!ok) {
		call_fail_because(x->c, ST_UNAVAILABLE, "NOT_IN_FORCE", STORE_RETRY_MS,
		    "it is stored, and not in force yet: ask again");
		return;
	}
	log_info("policy_imported", L_INT("changes", x->n), L_INT("parts", x->n_parts),
	    L_STR("by", acting(x->c)->id));
	import_answer(x);
}

void
import_answer(struct import *x)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;
	size_t created = 0, deleted = 0;
	struct jw w;

	for (size_t i = 0; i < x->n; i++) {
		created += x->alters[i].now == NULL;
		deleted += x->alters[i].then == NULL;
	}
	jw_start(&w, call_arena(x->c), 4096);
	jw_object(&w, NULL);
	jw_str(&w, "id", "policy");
	jw_bool(&w, "dry_run", x->dry_run);
	jw_str(&w, "mode", x->replace ? "replace" : "merge");
	jw_int(&w, "created", (int64_t)created);
	jw_int(&w, "updated", (int64_t)(x->n - created - deleted));
	jw_int(&w, "deleted", (int64_t)deleted);
	jw_int(&w, "unchanged", (int64_t)x->unchanged);
	jw_array(&w, "changes");
	for (size_t i = 0; i < x->n && i < 1000; i++) {
		const struct alter *a = &x->alters[i];

		jw_object(&w, NULL);
		jw_str(&w, "change",
		    a->now == NULL    ? "create"
		    : a->then == NULL ? "delete"
				      : "update");
		jw_str(&w, "model", a->model);
		jw_str(&w, "id", a->id);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	if (x->effect != NULL)
		effect_write(x, &w);
	jw_close(&w, '}');
	m.data.data = (uint8_t *)jw_text(&w, &m.data.len);
	m.version = 1;
	call_reply(x->c, &m.base);
}

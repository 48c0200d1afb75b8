/* spill: see spill.h. Only data of a size that matters is looked at. */
#include "database/sql/spill.h"

#include <sodium.h>
#include <string.h>

#include "base/id.h"
#include "base/json.h"
#include "base/step.h"
#include "base/str.h"
#include "database/sql/blob.h"

#define LIMIT_LEAST 10000 /* of fields that may be large at all */

static const char text_put[] =
    "SELECT mf_blob_put($1::text,$2::text,$3::uuid,$4::bytea,'application/json',$5::text)";

static size_t size_of(const json_t *v, const struct field *f, struct arena *a, const char **text);
static json_t *
to_blob(struct arena *a, const Mf__StoreOp *from, const char *text, size_t n, struct spilled *s);

void
spill(struct call *c, const struct model *m, const Mf__StoreOp *from, bool patch, json_t *data,
    struct warnings *warnings, struct spilled *out)
{
	struct arena *a = call_arena(c);

	for (size_t i = 0; i < m->n_fields && from->data.len > LIMIT_LEAST / 2; i++) {
		const struct field *f = &m->fields[i];
		const json_t *v = json_object_get(data, f->name);
		const char *text = NULL;
		size_t n = f->max < LIMIT_LEAST || m->internal ? 0 : size_of(v, f, a, &text);

		if (n <= (size_t)f->max / 2)
			continue;
		if (warnings->n < WARNINGS_MOST)
			warnings->list[warnings->n++] = arena_printf(
			    a, "\"%s\";size=%zu;limit=%lld", f->name, n, (long long)f->max);
		if (n > (size_t)f->max && f->type == FIELD_JSON && out->put.text == NULL &&
		    !(patch && json_is_object(v)))
			(void)json_object_set_new(data, f->name, to_blob(a, from, text, n, out));
	}
}

/* As the field's limit counts it. */
static size_t
size_of(const json_t *v, const struct field *f, struct arena *a, const char **text)
{
	struct jw w;
	size_t n;

	if (f->type == FIELD_TEXT)
		return json_is_string(v) ? str_characters((struct str){
					       json_string_value(v), json_string_length(v) })
		                         : 0;
	if (f->type != FIELD_JSON || v == NULL)
		return 0;
	jw_start(&w, a, 1024);
	jw_json(&w, NULL, v);
	*text = jw_text(&w, &n);
	return n;
}

/* What refers to it. A namespace that is none is intake's to refuse. */
static json_t *
to_blob(struct arena *a, const Mf__StoreOp *from, const char *text, size_t n, struct spilled *s)
{
	char *digits = arena_alloc(a, BLOB_DIGEST + 1), *id = arena_alloc(a, UUID_LEN),
	     *hex = arena_alloc(a, 2 * n + 3);
	uint8_t sum[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(sum, (const uint8_t *)text, n);
	str_hex(sum, sizeof(sum), digits);
	memcpy(hex, "\\x", 3);
	str_hex(text, n, hex + 2);
	uuid7(id);
	s->params[0] = *from->namespace_ != '\0' ? from->namespace_ : "default";
	s->params[1] = digits;
	s->params[2] = id;
	s->params[3] = hex;
	s->params[4] = *from->actor != '\0' ? from->actor : NULL;
	s->put = (struct pg_statement){ text_put, 5, s->params };
	return json_pack("{s:{s:o,s:I}}", "$blob", "id", json_sprintf(BLOB_PREFIX "%s", digits),
	    "size", (json_int_t)n);
}

/* With a blob it touches several rows: it is a group of its own. */
void
spill_write(struct call *c, const struct spilled *s, const char *key,
    const struct pg_statement *statement, pg_done_fn *done, void *ctx)
{
	if (s->put.text == NULL) {
		pg_write(sql_pool(), c, key, 1, statement, done, ctx);
		return;
	}
	STEP("sql.spill.put");
	pg_write(
	    sql_pool(), c, NULL, 2, (const struct pg_statement[]){ s->put, *statement }, done, ctx);
	STEP("sql.spill.sent");
}

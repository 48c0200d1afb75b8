/* rows: see rows.h. Field names are those of services/database/sql/README.md. */
#include <string.h>
#include "auth/jwt/claims.h"
#include "auth/jwt/rows.h"
#include "base/time.h"

static bool copy_uuid(char out[UUID_LEN], const json_t *item, const char *name);
static bool row_time(const json_t *item, const char *name, int64_t *out);
static char **row_list(struct arena *a, const json_t *item, const char *name, size_t *n);
static const char *row_text(struct arena *a, const json_t *item, const char *name);
static void write_list(struct jw *w, const char *name, size_t n, char *const *items);
static Mf__StoreOp *session_change(struct arena *a, const char *id, int64_t expires_us);
static Mf__StoreOp *
op_new(struct arena *a, Mf__StoreOp__Kind kind, const char *model, const char *id);
static void op_data(Mf__StoreOp *op, struct jw *w);

bool
user_row_read(struct arena *a, const ProtobufCBinaryData *data, struct user_row *out)
{
	struct json_error e;
	json_t *v = json_read(data->data, data->len, &e);
	const char *id = json_string_value(json_object_get(v, "id"));
	const char *name = json_string_value(json_object_get(v, "username"));
	const char *hash = json_string_value(json_object_get(v, "password_hash"));
	const char *kind = json_string_value(json_object_get(v, "kind"));
	bool ok = id != NULL && uuid_ok(id) && name != NULL;

	if (ok) {
		out->id = arena_strdup(a, id);
		out->username = arena_strdup(a, name);
		out->password_hash = hash == NULL ? NULL : arena_strdup(a, hash);
		out->roles = row_list(a, v, "roles", &out->n_roles);
		out->groups = row_list(a, v, "groups", &out->n_groups);
		out->service = kind != NULL && strcmp(kind, "service") == 0;
		out->version = (uint64_t)json_integer_value(json_object_get(v, "version"));
		out->disabled = !json_is_false(json_object_get(v, "disabled"));
	}
	json_decref(v);
	return ok;
}

ProtobufCBinaryData
user_public(struct arena *a, const ProtobufCBinaryData *data)
{
	struct json_error e;
	json_t *v = json_read(data->data, data->len, &e), *items = json_object_get(v, "items");
	ProtobufCBinaryData out = { 0, NULL };
	struct jw w;

	json_object_del(v, "password_hash");
	for (size_t i = 0; i < json_array_size(items); i++)
		json_object_del(json_array_get(items, i), "password_hash");
	if (v != NULL) {
		jw_start(&w, a, data->len + 64);
		jw_json(&w, NULL, v);
		out.data = (uint8_t *)jw_text(&w, &out.len);
	}
	json_decref(v);
	return out;
}

bool
session_row_read(const ProtobufCBinaryData *data, struct session_row *out)
{
	struct json_error e;
	json_t *v = json_read(data->data, data->len, &e);
	bool ok = session_row_of(v, out);

	json_decref(v);
	return ok;
}

bool
session_row_of(const json_t *item, struct session_row *out)
{
	memset(out, 0, sizeof(*out));
	out->version = (uint64_t)json_integer_value(json_object_get(item, "version"));
	return out->version != 0 && copy_uuid(out->id, item, "id") &&
	       copy_uuid(out->user_id, item, "user_id") &&
	       row_time(item, "expires_at", &out->expires_us) &&
	       row_time(item, "updated_at", &out->changed_us);
}

bool
session_facts_read(struct arena *a, const ProtobufCBinaryData *data, struct session_facts *out)
{
	struct json_error e;
	json_t *v = json_read(data->data, data->len, &e);
	struct session_row row;
	bool ok = session_row_of(v, &row) && row_time(v, "created_at", &out->created_us);

	if (ok) {
		out->id = arena_strdup(a, row.id);
		out->user_id = arena_strdup(a, row.user_id);
		out->version = row.version;
		out->changed_us = row.changed_us;
		out->expires_us = row.expires_us;
		out->kind = row_text(a, v, "kind");
		if (out->kind == NULL)
			out->kind = SESSION_KIND_API; /* of before there were others */
		out->client_id = row_text(a, v, "client_id");
		out->audience = row_text(a, v, "audience");
		out->proof_key = row_text(a, v, "proof_key");
		out->client_address = row_text(a, v, "client_address");
		out->user_agent = row_text(a, v, "user_agent");
		out->scopes = row_list(a, v, "scopes", &out->n_scopes);
		out->methods = row_list(a, v, "methods", &out->n_methods);
		out->limited = json_is_true(json_object_get(v, "limited"));
		out->authenticated_at_us = 0;
		(void)row_time(v, "authenticated_at", &out->authenticated_at_us);
	}
	json_decref(v);
	return ok;
}

/* A session is named by its id, a user by "ID:VERSION". One without an end counts until it is
 * deleted. */
bool
revocation_row_of(const json_t *item, struct revocation *out)
{
	const char *kind = json_string_value(json_object_get(item, "kind"));
	const char *value = json_string_value(json_object_get(item, "value"));
	struct str id, version;

	if (kind == NULL || value == NULL)
		return false;
	(void)str_cut(str_of(value), ':', &id, &version);
	if (id.n != UUID_LEN - 1)
		return false;
	memcpy(out->id, id.p, id.n);
	out->id[id.n] = '\0';
	if (!row_time(item, "expires_at", &out->expires_us))
		out->expires_us = INT64_MAX;
	if (strcmp(kind, "session") == 0)
		out->below = REVOKED_ALL;
	else if (strcmp(kind, "user") != 0 || !str_u64(version, INT64_MAX, &out->below))
		return false;
	return uuid_ok(out->id);
}

Mf__StoreOp *
op_user_by_name(struct arena *a, const char *username)
{
	Mf__StoreOp *op = op_new(a, MF__STORE_OP__KIND__READ_ONE, "user", "");

	op_filter(a, op, "username", username);
	return op;
}

Mf__StoreOp *
op_read(struct arena *a, const char *model, const char *id)
{
	return op_new(a, MF__STORE_OP__KIND__READ_ONE, model, id);
}

Mf__StoreOp *
op_query(struct arena *a, const char *model, const char *field, const char *value)
{
	Mf__StoreOp *op = op_new(a, MF__STORE_OP__KIND__QUERY_MANY, model, "");

	op->limit = 1000;
	if (field != NULL)
		op_filter(a, op, field, value);
	return op;
}

void
op_filter(struct arena *a, Mf__StoreOp *op, const char *field, const char *value)
{
	Mf__KeyValue **all = ARENA_ARRAY(a, Mf__KeyValue *, op->n_filters + 1);
	Mf__KeyValue *kv = ARENA_NEW(a, Mf__KeyValue);

	mf__key_value__init(kv);
	kv->key = arena_strdup(a, field);
	kv->value = arena_strdup(a, value);
	for (size_t i = 0; i < op->n_filters; i++)
		all[i] = op->filters[i];
	all[op->n_filters++] = kv;
	op->filters = all;
}

Mf__StoreOp *
op_session_create(struct arena *a, const struct session_facts *f)
{
	Mf__StoreOp *op = op_new(a, MF__STORE_OP__KIND__CREATE, "session", f->id);
	const struct {
		const char *name, *value;
	} texts[] = {
		{ "id", f->id },
		{ "user_id", f->user_id },
		{ "kind", f->kind },
		{ "client_id", f->client_id },
		{ "audience", f->audience },
		{ "proof_key", f->proof_key },
		{ "client_address", f->client_address },
		{ "user_agent", f->user_agent },
	};
	struct jw w;

	jw_start(&w, a, 400);
	jw_object(&w, NULL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].value != NULL && texts[i].value[0] != '\0')
			jw_str(&w, texts[i].name, texts[i].value);
	write_list(&w, "scopes", f->n_scopes, f->scopes);
	write_list(&w, "methods", f->n_methods, f->methods);
	jw_bool(&w, "limited", f->limited);
	if (f->authenticated_at_us != 0)
		jw_time(&w, "authenticated_at", f->authenticated_at_us);
	jw_time(&w, "expires_at", f->expires_us);
	jw_close(&w, '}');
	op_data(op, &w);
	return op;
}

/* The operation is the token's, not the call's: however often it is tried, by whomever, the row
 * changes once. */
Mf__StoreOp *
op_session_refresh(
    struct arena *a, const struct session_token *used, const char *by, int64_t expires_us)
{
	Mf__StoreOp *op = session_change(a, used->id, expires_us);

	op->if_version = used->number;
	op->operation_id =
	    arena_printf(a, "refresh:%s:%llu:%s", used->id, (unsigned long long)used->number, by);
	return op;
}

/* In the past by more than clocks differ. */
Mf__StoreOp *
op_session_end(struct arena *a, const char *id, const char *by)
{
	Mf__StoreOp *op = session_change(a, id, time_wall_us() - CLAIMS_LEEWAY_US);

	op->operation_id = arena_printf(a, "%s/%s", by, id);
	return op;
}

Mf__StoreOp *
op_revoke(struct arena *a, const char *id, const struct revocation *v)
{
	Mf__StoreOp *op = op_new(a, MF__STORE_OP__KIND__CREATE, "revocation", id);
	bool session = v->below == REVOKED_ALL;
	struct jw w;

	op->if_absent = true;
	jw_start(&w, a, 200);
	jw_object(&w, NULL);
	jw_str(&w, "id", id);
	jw_str(&w, "kind", session ? "session" : "user");
	jw_str(&w, "value",
	    session ? v->id : arena_printf(a, "%s:%llu", v->id, (unsigned long long)v->below));
	jw_time(&w, "expires_at", v->expires_us);
	jw_close(&w, '}');
	op_data(op, &w);
	return op;
}

Mf__StoreOp *
op_user_create(
    struct arena *a, const char *id, const char *username, const char *hash, const char *role)
{
	Mf__StoreOp *op = op_new(a, MF__STORE_OP__KIND__CREATE, "user", id);
	struct jw w;

	jw_start(&w, a, 300);
	jw_object(&w, NULL);
	jw_str(&w, "id", id);
	jw_str(&w, "username", username);
	jw_str(&w, "password_hash", hash);
	jw_array(&w, "roles");
	jw_str(&w, NULL, role);
	jw_close(&w, ']');
	jw_close(&w, '}');
	op_data(op, &w);
	return op;
}

/* Another hash of the same password; somebody may have been faster. */
Mf__StoreOp *
op_user_hash(struct arena *a, const struct user_row *u, const char *hash)
{
	Mf__StoreOp *op = op_new(a, MF__STORE_OP__KIND__UPDATE, "user", u->id);
	struct jw w;

	jw_start(&w, a, 200);
	jw_object(&w, NULL);
	jw_str(&w, "password_hash", hash);
	jw_close(&w, '}');
	op_data(op, &w);
	op->if_version = u->version;
	op->operation_id = arena_printf(a, "rehash:%s:%llu", u->id, (unsigned long long)u->version);
	return op;
}

ProtobufCBinaryData
user_data(struct arena *a, const json_t *body, const char *hash)
{
	ProtobufCBinaryData out;
	const char *key;
	json_t *v;
	struct jw w;

	jw_start(&w, a, 512);
	jw_object(&w, NULL);
	json_object_foreach((json_t *)(uintptr_t)body, key, v)
	{
		if (strcmp(key, "password") != 0)
			jw_json(&w, key, v);
	}
	if (hash != NULL)
		jw_str(&w, "password_hash", hash[0] == '\0' ? NULL : hash);
	jw_close(&w, '}');
	out.data = (uint8_t *)jw_text(&w, &out.len);
	return out;
}

Mf__StoreOp *
op_transaction(struct arena *a, const char *operation_id, size_t most)
{
	Mf__StoreOp *op = op_new(a, MF__STORE_OP__KIND__TRANSACTION, "", "");

	op->operation_id = arena_strdup(a, operation_id);
	op->members = ARENA_ARRAY(a, Mf__StoreOp *, most);
	return op;
}

void
op_add(Mf__StoreOp *transaction, Mf__StoreOp *member)
{
	transaction->members[transaction->n_members++] = member;
}

enum status
op_outcome(const Mf__StoreResult *m, const struct failure *f)
{
	if (m == NULL)
		return f->status;
	for (size_t i = 0; i < m->n_items; i++)
		if (m->items[i]->problem != NULL)
			return (enum status)m->items[i]->problem->code;
	return ST_OK;
}

static bool
copy_uuid(char out[UUID_LEN], const json_t *item, const char *name)
{
	const char *s = json_string_value(json_object_get(item, name));

	if (s == NULL || !uuid_ok(s))
		return false;
	memcpy(out, s, UUID_LEN);
	return true;
}

static bool
row_time(const json_t *item, const char *name, int64_t *out)
{
	const char *s = json_string_value(json_object_get(item, name));

	return s != NULL && time_parse_rfc3339(str_of(s), out);
}

static const char *
row_text(struct arena *a, const json_t *item, const char *name)
{
	const char *s = json_string_value(json_object_get(item, name));

	return s == NULL ? NULL : arena_strdup(a, s);
}

static char **
row_list(struct arena *a, const json_t *item, const char *name, size_t *n)
{
	const json_t *v = json_object_get(item, name);
	size_t most = json_array_size(v);
	char **out;

	if (most > ROWS_LIST_MAX)
		most = ROWS_LIST_MAX;
	out = ARENA_ARRAY(a, char *, most + 1);
	*n = 0;
	for (size_t i = 0; i < most; i++) {
		const char *s = json_string_value(json_array_get(v, i));

		if (s != NULL)
			out[(*n)++] = arena_strdup(a, s);
	}
	return out;
}

static void
write_list(struct jw *w, const char *name, size_t n, char *const *items)
{
	jw_array(w, name);
	for (size_t i = 0; i < n; i++)
		jw_str(w, NULL, items[i]);
	jw_close(w, ']');
}

static Mf__StoreOp *
session_change(struct arena *a, const char *id, int64_t expires_us)
{
	Mf__StoreOp *op = op_new(a, MF__STORE_OP__KIND__UPDATE, "session", id);
	struct jw w;

	jw_start(&w, a, 80);
	jw_object(&w, NULL);
	jw_time(&w, "expires_at", expires_us);
	jw_close(&w, '}');
	op_data(op, &w);
	return op;
}

static Mf__StoreOp *
op_new(struct arena *a, Mf__StoreOp__Kind kind, const char *model, const char *id)
{
	Mf__StoreOp *op = ARENA_NEW(a, Mf__StoreOp);

	mf__store_op__init(op);
	op->kind = kind;
	op->model = arena_strdup(a, model);
	op->id = arena_strdup(a, id);
	return op;
}

static void
op_data(Mf__StoreOp *op, struct jw *w)
{
	op->data.data = (uint8_t *)jw_text(w, &op->data.len);
}

/* build: a struct op becomes the one TaskRequest that meta executes. A builder per kind; what is
 * wrong with the shape of a request is collected as violations, so that a client learns of all of
 * it at once. */
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "api/ops/ops.h"
#include "base/id.h"

#define NAME_MOST 64

struct building {
	struct arena *a;
	const struct op *o;
	Mf__TaskRequest *q;
	struct failure *f;
};

static void build_auth(struct building *, const char *permission);
static Mf__DatabaseRequirement *build_database(struct building *, const char *operation);
static void build_create(struct building *);
static void build_update(struct building *);
static void build_one(struct building *, const char *operation);
static void build_list(struct building *);
static bool is_among(const char *const *, const char *);
static void build_bulk(struct building *);
static void build_account(struct building *, const char *operation, const char *const *fields);
static void build_meta(struct building *, const char *operation);
static void build_meta_with(struct building *, const char *operation);
static void set_id(struct building *, Mf__DatabaseRequirement *);
static bool id_ok(const struct collection *, const char *);
static ProtobufCBinaryData body_text(const struct building *);
static bool body_is_object(struct building *);
static void no_params(struct building *);

Mf__TaskRequest *
ops_build(struct arena *a, const struct op *o, struct failure *f)
{
	static const char *const login[] = { "username", "password", NULL };
	static const char *const refresh[] = { "refresh_token", NULL };
	struct building b = { .a = a, .o = o, .f = f };

	*f = (struct failure){ .status = ST_OK, .message = "", .reason = "" };
	if (o->route->kind == OP_REQUEST)
		return raw_request(a, o, f);
	b.q = arena_alloc(a, sizeof(*b.q));
	mf__task_request__init(b.q);
	b.q->task_id = (char *)o->operation_id;
	if (o->route->kind != OP_HEALTH)
		build_auth(&b, o->route->permission);
	switch (o->route->kind) {
	case OP_CREATE:
		build_create(&b);
		break;
	case OP_BULK:
		build_bulk(&b);
		break;
	case OP_LIST:
		build_list(&b);
		break;
	case OP_READ:
		build_one(&b, "read");
		break;
	case OP_UPDATE:
		build_update(&b);
		break;
	case OP_DELETE:
		build_one(&b, "delete");
		break;
	case OP_LOGIN:
		build_account(&b, "login", login);
		break;
	case OP_REFRESH:
		build_account(&b, "refresh", refresh);
		break;
	case OP_LOGOUT:
		build_account(&b, "logout", refresh);
		break;
	case OP_FLEET:
		build_meta(&b, "fleet");
		break;
	case OP_RESTART:
		build_meta(&b, "restart");
		break;
	case OP_FAULTS:
		build_meta_with(&b, "faults");
		break;
	case OP_LOG_LEVEL:
		build_meta_with(&b, "log_level");
		break;
	case OP_HEALTH:
		build_meta(&b, "health");
		break;
	case OP_REQUEST:
	case OP_EVENTS:
		break;
	}
	if (o->route->kind != OP_LIST)
		no_params(&b);
	return f->status == ST_OK ? b.q : NULL;
}

void
ops_violation(struct arena *a, struct failure *f, const char *field, const char *fmt, ...)
{
	struct violation *v = (struct violation *)(uintptr_t)f->violations;
	va_list ap;

	if (f->n_violations == VIOLATIONS_MOST)
		return;
	if (f->n_violations == 0)
		f->violations = v = ARENA_ARRAY(a, struct violation, VIOLATIONS_MOST);
	va_start(ap, fmt);
	v[f->n_violations] =
	    (struct violation){ .field = field, .what = arena_vprintf(a, fmt, ap) };
	va_end(ap);
	if (f->n_violations++ == 0) {
		f->status = ST_INVALID_ARGUMENT;
		f->reason = "VALIDATION";
		f->message = arena_printf(
		    a, "%s%s%s", field, field[0] == '\0' ? "the body " : ": ", v->what);
	}
}

const char *
ops_pointer(struct arena *a, const char *at, const char *key)
{
	char out[128];
	size_t n = 0;

	for (; *key != '\0' && n + 3 < sizeof(out); key++) {
		if (*key == '~' || *key == '/') {
			out[n++] = '~';
			out[n++] = *key == '~' ? '0' : '1';
		} else {
			out[n++] = *key;
		}
	}
	out[n] = '\0';
	return arena_printf(a, "%s/%s", at, out);
}

/* The same verb for one and for many: who may create a task may create ten. A transaction has none
 * of its own: meta asks for those of its members. */
const char *
ops_permission(const char *operation, const char *model, struct arena *a)
{
	static const char *const verbs[][2] = {
		{ "create", "create" },
		{ "bulk_create", "create" },
		{ "read", "read" },
		{ "query", "read" },
		{ "update", "update" },
		{ "delete", "delete" },
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i][0], operation) == 0)
			return arena_printf(a, "%s.%s", model, verbs[i][1]);
	return "";
}

static void
build_auth(struct building *b, const char *permission)
{
	Mf__AuthRequirement *r = arena_alloc(b->a, sizeof(*r));

	mf__auth_requirement__init(r);
	r->require_permission = (char *)permission;
	r->credential = (char *)b->o->credential;
	r->client_address = (char *)b->o->client_address;
	b->q->auth = r;
}

static Mf__DatabaseRequirement *
build_database(struct building *b, const char *operation)
{
	Mf__DatabaseRequirement *r = arena_alloc(b->a, sizeof(*r));

	mf__database_requirement__init(r);
	r->operation = (char *)operation;
	r->model = (char *)b->o->route->of->model;
	b->q->database = r;
	return r;
}

/* The id is the operation's, unless the client gave one: then a repeat of the request is recognised
 * as such. */
static void
build_create(struct building *b)
{
	Mf__DatabaseRequirement *r = build_database(b, "create");
	const struct collection *of = b->o->route->of;
	const json_t *id;
	struct jw w;
	const char *key;
	json_t *v;

	r->id = (char *)b->o->operation_id;
	if (!body_is_object(b))
		return;
	id = json_object_get(b->o->body, "id");
	if (id == NULL && !of->named) {
		r->data = body_text(b);
		return;
	}
	if (!of->named && !of->chosen)
		ops_violation(b->a, b->f, "/id", "is set by the server");
	else if (id == NULL)
		ops_violation(b->a, b->f, "/id", "is required: its name");
	else if (!json_is_string(id) || !id_ok(of, json_string_value(id)))
		ops_violation(b->a, b->f, "/id",
		    of->named ? "must be a name of 1 to 64 letters, digits and !#$%%&'*+-.^_`|~"
			      : "must be a UUID in lower case");
	if (b->f->status != ST_OK)
		return;
	r->id = (char *)json_string_value(id);
	jw_start(&w, b->a, b->o->text.n);
	jw_object(&w, NULL);
	json_object_foreach((json_t *)b->o->body, key, v) if (strcmp(key, "id") != 0)
	    jw_json(&w, key, v);
	jw_close(&w, '}');
	r->data.data = (uint8_t *)jw_text(&w, &r->data.len);
}

static void
build_update(struct building *b)
{
	Mf__DatabaseRequirement *r = build_database(b, "update");

	set_id(b, r);
	r->if_version = b->o->if_version;
	if (body_is_object(b))
		r->data = body_text(b);
}

static void
build_one(struct building *b, const char *operation)
{
	Mf__DatabaseRequirement *r = build_database(b, operation);

	set_id(b, r);
	r->if_version = b->o->if_version;
}

static void
build_list(struct building *b)
{
	Mf__DatabaseRequirement *r = build_database(b, "query");
	uint64_t limit;

	r->filters = ARENA_ARRAY(b->a, Mf__KeyValue *, b->o->n_params + 1);
	for (size_t i = 0; i < b->o->n_params; i++) { /* QUERY_MOST at most */
		const struct param *p = &b->o->params[i];

		if (strcmp(p->name, "limit") == 0) {
			if (!str_u64(str_of(p->value), 1000, &limit) || limit == 0)
				ops_violation(b->a, b->f, "limit", "must be 1 to 1000");
			else
				r->limit = (uint32_t)limit;
			continue;
		}
		if (strcmp(p->name, "cursor") == 0) {
			r->cursor = (char *)p->value;
			continue;
		}
		if (strcmp(p->name, "sort") == 0) {
			r->sort = (char *)p->value;
			if (p->value[0] == '\0')
				ops_violation(b->a, b->f, "sort", "names no field");
			continue;
		}
		if (strcmp(p->name, "fields") == 0)
			continue; /* of the answer, not of the question */
		if (!is_among(b->o->route->of->filters, p->name) &&
		    !is_among(filters_of_all, p->name)) {
			ops_violation(b->a, b->f, p->name, "is no parameter of this list");
			continue;
		}
		r->filters[r->n_filters] = arena_alloc(b->a, sizeof(Mf__KeyValue));
		mf__key_value__init(r->filters[r->n_filters]);
		r->filters[r->n_filters]->key = (char *)p->name;
		r->filters[r->n_filters++]->value = (char *)p->value;
	}
}

static bool
is_among(const char *const *list, const char *name)
{
	while (*list != NULL && strcmp(*list, name) != 0)
		list++;
	return *list != NULL;
}

static void
build_bulk(struct building *b)
{
	Mf__DatabaseRequirement *r = build_database(b, "bulk_create");

	if (json_is_array(b->o->body) || body_is_object(b))
		(void)bulk_data(b->a, b->o, &r->data, b->f);
}

/* login, refresh, logout: a body of these strings and nothing else. Values are secrets: no message
 * repeats one. */
static void
build_account(struct building *b, const char *operation, const char *const *fields)
{
	size_t n = 0;

	if (!body_is_object(b))
		return;
	for (; fields[n] != NULL; n++) {
		const json_t *v = json_object_get(b->o->body, fields[n]);
		const char *pointer = arena_printf(b->a, "/%s", fields[n]);

		if (v == NULL)
			ops_violation(b->a, b->f, pointer, "is required");
		else if (!json_is_string(v) || json_string_length(v) == 0 ||
			 json_string_length(v) > 4096)
			ops_violation(b->a, b->f, pointer, "must be a string of 1 to 4096 bytes");
	}
	if (b->f->status == ST_OK && json_object_size(b->o->body) != n)
		ops_violation(b->a, b->f, "", "has a field that nobody knows");
	b->q->auth->operation = (char *)operation;
	b->q->auth->data = body_text(b);
}

static void
build_meta(struct building *b, const char *operation)
{
	Mf__MetaRequirement *r = arena_alloc(b->a, sizeof(*r));

	mf__meta_requirement__init(r);
	r->operation = (char *)operation;
	r->node = (char *)b->o->id;
	b->q->meta = r;
}

/* An operation with arguments: the body as it came, meta knows what must be in it. */
static void
build_meta_with(struct building *b, const char *operation)
{
	build_meta(b, operation);
	if (!body_is_object(b))
		return;
	b->q->meta->data = body_text(b);
}

/* What is no id names nothing. */
static void
set_id(struct building *b, Mf__DatabaseRequirement *r)
{
	const struct collection *of = b->o->route->of;
	char *id = arena_strdup(b->a, b->o->id);

	for (char *p = id; !of->named && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	r->id = id;
	if (!id_ok(of, id)) {
		b->f->status = ST_NOT_FOUND;
		b->f->message = arena_printf(b->a, "no %s has this id", of->model);
	}
}

static bool
id_ok(const struct collection *of, const char *id)
{
	return of->named ? strlen(id) <= NAME_MOST && str_token_ok(str_of(id)) : uuid_ok(id);
}

static ProtobufCBinaryData
body_text(const struct building *b)
{
	struct jw w;
	size_t n;
	char *p;

	if (b->o->text.n != 0)
		return (ProtobufCBinaryData){ b->o->text.n, (uint8_t *)b->o->text.p };
	jw_start(&w, b->a, 256);
	jw_json(&w, NULL, b->o->body);
	p = jw_text(&w, &n);
	return (ProtobufCBinaryData){ n, (uint8_t *)p };
}

static bool
body_is_object(struct building *b)
{
	if (b->f->status != ST_OK)
		return false;
	if (b->o->body == NULL || !json_is_object(b->o->body)) {
		ops_violation(b->a, b->f, "", "must be a JSON object");
		return false;
	}
	return true;
}

static void
no_params(struct building *b)
{
	for (size_t i = 0; i < b->o->n_params && b->f->status == ST_OK; i++)
		if (b->o->route->kind != OP_READ || strcmp(b->o->params[i].name, "fields") != 0)
			ops_violation(b->a, b->f, b->o->params[i].name, "is no parameter here");
}

/* build: a struct op becomes the one TaskRequest that meta executes. A builder per kind; what is
 * wrong with the shape of a request is collected as violations, so that a client learns of all of
 * it at once. */
#include <ctype.h>
#include <string.h>

#include "api/ops/ops.h"
#include "base/id.h"

#define NAME_MOST       64
#define MAX_AGE_MOST_MS 86400000

struct building {
	struct arena *a;
	const struct op *o;
	Mf__TaskRequest *q;
	struct failure *f;
};

struct secret { /* a field of a log-in */
	const char *name;
	bool required;
};

static bool takes_params(enum op_kind);
static void build_auth(struct building *, const char *permission);
static Mf__DatabaseRequirement *build_database(struct building *, const char *operation);
static void build_create(struct building *);
static void build_update(struct building *);
static void build_one(struct building *, const char *operation);
static void build_list(struct building *);
static void build_history(struct building *);
static void set_session(struct building *, Mf__DatabaseRequirement *);
static bool take_age(struct building *, Mf__DatabaseRequirement *, const struct param *);
static bool says_age(const struct route *, const char *);
static bool is_among(const char *const *, const char *);
static void build_blob(struct building *, const char *operation);
static void build_bulk(struct building *);
static void build_account(struct building *, const char *operation, const struct secret *fields);
static void build_meta(struct building *, const char *operation);
static void build_meta_with(struct building *, const char *operation);
static void build_own(struct building *);
static void set_id(struct building *, Mf__DatabaseRequirement *);
static bool id_ok(const struct collection *, const char *);
static ProtobufCBinaryData body_text(const struct building *);
static bool body_is_object(struct building *);
static void no_params(struct building *);

Mf__TaskRequest *
ops_build(struct arena *a, const struct op *o, struct failure *f)
{
	static const struct secret login[] = { { "username", true }, { "password", true },
		{ "otp", false }, { NULL, false } };
	static const struct secret refresh[] = { { "refresh_token", true }, { NULL, false } };
	struct building b = { .a = a, .o = o, .f = f };

	*f = (struct failure){ .status = ST_OK, .message = "", .reason = "" };
	if (o->route->kind == OP_REQUEST || o->route->kind == OP_STRATEGY) {
		if ((b.q = raw_request(a, o, f)) != NULL)
			b.q->explain = o->route->kind == OP_STRATEGY;
		return b.q;
	}
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
	case OP_COUNT:
	case OP_APPLY:
		build_list(&b);
		b.q->database->want = (char *)(uintptr_t) "count";
		break;
	case OP_HISTORY:
		build_history(&b);
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
	case OP_OWN:
		build_own(&b);
		break;
	case OP_HEALTH:
		build_meta(&b, "health");
		break;
	case OP_BLOB_GET:
		build_blob(&b, "read");
		break;
	case OP_BLOB_LIST:
		build_blob(&b, "query");
		break;
	case OP_BLOB_DELETE:
		build_blob(&b, "delete");
		break;
	case OP_ME:
		b.q->auth->operation = (char *)(uintptr_t) "verify";
		break;
	case OP_REQUEST:
	case OP_STRATEGY:
	case OP_EVENTS:
	case OP_BLOB_PUT:
	case OP_UPLOAD_CREATE:
	case OP_UPLOAD_STATE:
	case OP_UPLOAD_PIECE:
	case OP_UPLOAD_DELETE:
		break;
	}
	if (!takes_params(o->route->kind))
		no_params(&b);
	return f->status == ST_OK ? b.q : NULL;
}

/* The same verb for one and for many: who may create a task may create ten. A transaction has none
 * of its own: meta asks for those of its members. "doc.NAME" is of the family "doc"; families that
 * name their permissions otherwise stand in the table. Meta holds the same line. */
const char *
ops_permission(const char *operation, const char *model, struct arena *a)
{
	enum { CREATE, READ, UPDATE, DELETE };
	static const struct {
		const char *operation;
		int verb;
	} verbs[] = {
		{ "create", CREATE },
		{ "bulk_create", CREATE },
		{ "append", CREATE },
		{ "read", READ },
		{ "query", READ },
		{ "update", UPDATE },
		{ "delete", DELETE },
		{ "trim", DELETE },
	};
	static const char *const plain[] = { "create", "read", "update", "delete" };
	static const struct {
		const char *family, *permissions[4];
	} others[] = {
		{ "stream", { "stream.append", "stream.read", "stream.append", "stream.trim" } },
		{ "consumer",
		    { "stream.consume", "stream.read", "stream.consume", "stream.consume" } },
		{ "blob", { "blob.create", "blob.read", "blob.create", "blob.delete" } },
		{ "my", { "", "", "", "" } },
		{ "policy", { "policy.write", "policy.read", "policy.write", "policy.write" } },
		{ "decision", { "policy.read", "policy.read", "policy.read", "policy.read" } },
		{ "session",
		    { "session.delete", "session.read", "session.delete", "session.delete" } },
		{ "factor", { "factor.delete", "factor.read", "factor.delete", "factor.delete" } },
		{ "signing_key", { "signing_key.rotate", "signing_key.read", "signing_key.rotate",
				     "signing_key.rotate" } },
		{ "consent",
		    { "consent.delete", "consent.read", "consent.delete", "consent.delete" } },
		{ "identity",
		    { "identity.create", "identity.read", "identity.delete", "identity.delete" } },
		{ "audit", { "audit.read", "audit.read", "audit.read", "audit.read" } },
		{ "backup", { "store.backup", "store.backup", "store.backup", "store.backup" } },
		{ "restore",
		    { "store.restore", "store.restore", "store.restore", "store.restore" } },
		{ "migration",
		    { "store.migrate", "store.migrate", "store.migrate", "store.migrate" } },
	};
	struct str family, rest;
	int verb = -1;

	str_cut(str_of(model), '.', &family, &rest);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].operation, operation) == 0)
			verb = verbs[i].verb;
	if (verb < 0)
		return "";
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (str_eq(family, others[i].family))
			return others[i].permissions[verb];
	return arena_printf(a, "%.*s.%s", (int)family.n, family.p, plain[verb]);
}

bool
ops_tells_secret(const char *model)
{
	static const char *const models[] = { "api_key", "client", "factor", "provider" };

	if (str_starts(model, "my."))
		return true;
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (strcmp(models[i], model) == 0)
			return true;
	return false;
}

static bool
takes_params(enum op_kind k)
{
	return k == OP_LIST || k == OP_COUNT || k == OP_HISTORY || k == OP_APPLY ||
	       k == OP_BLOB_LIST || k == OP_OWN;
}

static void
build_auth(struct building *b, const char *permission)
{
	Mf__AuthRequirement *r = arena_alloc(b->a, sizeof(*r));

	mf__auth_requirement__init(r);
	r->require_permission = (char *)permission;
	r->credential = (char *)b->o->credential;
	r->client_address = (char *)b->o->client_address;
	if (b->o->user_agent != NULL)
		r->user_agent = (char *)(uintptr_t)b->o->user_agent;
	ops_prove(r, b->o->proof);
	b->q->auth = r;
}

static Mf__DatabaseRequirement *
build_database(struct building *b, const char *operation)
{
	Mf__DatabaseRequirement *r = arena_alloc(b->a, sizeof(*r));

	mf__database_requirement__init(r);
	r->operation = (char *)operation;
	r->model = b->o->route->of == NULL ? (char *)"blob" : (char *)b->o->route->of->model;
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
	if (id == NULL && (!of->named || of->chosen)) {
		r->data = body_text(b);
		return;
	}
	if (!of->named && !of->chosen)
		failure_violation(b->a, b->f, "/id", "is set by the server");
	else if (id == NULL)
		failure_violation(b->a, b->f, "/id", "is required: its name");
	else if (!json_is_string(id) || !id_ok(of, json_string_value(id)))
		failure_violation(b->a, b->f, "/id",
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
	if (b->o->route->kind != OP_READ) {
		if (b->o->body != NULL && body_is_object(b))
			r->data = body_text(b); /* that he may */
		return;
	}
	set_session(b, r);
	for (size_t i = 0; i < b->o->n_params; i++)
		(void)take_age(b, r, &b->o->params[i]);
}

static void
build_list(struct building *b)
{
	Mf__DatabaseRequirement *r = build_database(b, "query");
	uint64_t limit;

	set_session(b, r);
	r->filters = ARENA_ARRAY(b->a, Mf__KeyValue *, b->o->n_params + 1);
	for (size_t i = 0; i < b->o->n_params; i++) { /* QUERY_MOST at most */
		const struct param *p = &b->o->params[i];

		if (strcmp(p->name, "limit") == 0) {
			if (!str_u64(str_of(p->value), 1000, &limit) || limit == 0)
				failure_violation(b->a, b->f, "limit", "must be 1 to 1000");
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
				failure_violation(b->a, b->f, "sort", "names no field");
			continue;
		}
		if (strcmp(p->name, "fields") == 0)
			continue; /* of the answer, not of the question */
		if (take_age(b, r, p))
			continue;
		if (!is_among(b->o->route->of->filters, p->name) &&
		    !is_among(filters_of_all, p->name)) {
			failure_violation(b->a, b->f, p->name, "is no parameter of this list");
			continue;
		}
		r->filters[r->n_filters] = arena_alloc(b->a, sizeof(Mf__KeyValue));
		mf__key_value__init(r->filters[r->n_filters]);
		r->filters[r->n_filters]->key = (char *)p->name;
		r->filters[r->n_filters++]->value = (char *)p->value;
	}
}

static void
build_history(struct building *b)
{
	Mf__DatabaseRequirement *r = build_database(b, "query");
	uint64_t limit;

	set_id(b, r);
	r->want = (char *)(uintptr_t) "history";
	for (size_t i = 0; i < b->o->n_params; i++) {
		const struct param *p = &b->o->params[i];

		if (strcmp(p->name, "cursor") == 0)
			r->cursor = (char *)(uintptr_t)p->value;
		else if (strcmp(p->name, "limit") == 0 && str_u64(str_of(p->value), 1000, &limit) &&
			 limit > 0)
			r->limit = (uint32_t)limit;
		else
			failure_violation(b->a, b->f, p->name,
			    strcmp(p->name, "limit") == 0 ? "must be 1 to 1000"
							  : "is no parameter here");
	}
}

/* What is known of blobs; their bytes are rest's. The document of the API has seen the parameters. */
static void
build_blob(struct building *b, const char *operation)
{
	Mf__DatabaseRequirement *r = build_database(b, operation);
	uint64_t limit;

	r->id = (char *)(uintptr_t)b->o->id;
	for (size_t i = 0; i < b->o->n_params; i++) {
		const struct param *p = &b->o->params[i];

		if (strcmp(p->name, "cursor") == 0)
			r->cursor = (char *)(uintptr_t)p->value;
		else if (str_u64(str_of(p->value), UINT32_MAX, &limit))
			r->limit = (uint32_t)limit;
	}
}

/* What it must not be older than. */
static void
set_session(struct building *b, Mf__DatabaseRequirement *r)
{
	if (b->o->session != NULL)
		r->session = (char *)(uintptr_t)b->o->session;
}

/* How old it may be. False: p says something else. */
static bool
take_age(struct building *b, Mf__DatabaseRequirement *r, const struct param *p)
{
	uint64_t ms;

	if (!says_age(b->o->route, p->name))
		return false;
	if (strcmp(p->name, "consistency") == 0)
		r->consistency = (char *)(uintptr_t)p->value;
	else if (str_u64(str_of(p->value), MAX_AGE_MOST_MS, &ms) && ms > 0)
		r->max_age_ms = (uint32_t)ms;
	else
		failure_violation(b->a, b->f, p->name, "must be 1 to 86400000");
	return true;
}

static bool
says_age(const struct route *r, const char *name)
{
	return r->of != NULL && r->of->may_be_old &&
	       (strcmp(name, "consistency") == 0 || strcmp(name, "max_age_ms") == 0);
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
build_account(struct building *b, const char *operation, const struct secret *fields)
{
	size_t n = 0;

	if (!body_is_object(b))
		return;
	for (; fields->name != NULL; fields++) {
		const json_t *v = json_object_get(b->o->body, fields->name);
		const char *pointer = arena_printf(b->a, "/%s", fields->name);

		n += v != NULL;
		if (v == NULL && fields->required)
			failure_violation(b->a, b->f, pointer, "is required");
		else if (v != NULL && (!json_is_string(v) || json_string_length(v) == 0 ||
					  json_string_length(v) > 4096))
			failure_violation(
			    b->a, b->f, pointer, "must be a string of 1 to 4096 bytes");
	}
	if (b->f->status == ST_OK && json_object_size(b->o->body) != n)
		failure_violation(b->a, b->f, "", "has a field that nobody knows");
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

/* Arguments are the body of a POST, else the query, all values texts. */
static void
build_own(struct building *b)
{
	struct jw w;

	if (b->o->route->method[0] == 'P') {
		build_meta_with(b, b->o->route->own);
		no_params(b);
		return;
	}
	build_meta(b, b->o->route->own);
	jw_start(&w, b->a, 128);
	jw_object(&w, NULL);
	for (size_t i = 0; i < b->o->n_params; i++)
		jw_str(&w, b->o->params[i].name, b->o->params[i].value);
	jw_close(&w, '}');
	b->q->meta->data.data = (uint8_t *)jw_text(&w, &b->q->meta->data.len);
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
		failure_violation(b->a, b->f, "", "must be a JSON object");
		return false;
	}
	return true;
}

static void
no_params(struct building *b)
{
	for (size_t i = 0; i < b->o->n_params && b->f->status == ST_OK; i++)
		if (b->o->route->kind != OP_READ ||
		    (strcmp(b->o->params[i].name, "fields") != 0 &&
			!says_age(b->o->route, b->o->params[i].name)))
			failure_violation(b->a, b->f, b->o->params[i].name, "is no parameter here");
}

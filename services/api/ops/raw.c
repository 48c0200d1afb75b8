/* raw: a TaskRequest as JSON. What a client leaves out is the message's default; what nobody knows
 * is refused, so that a misspelt requirement is not silently absent. Who acts is decided by the
 * credential alone: user_context is read past. */
#include <string.h>

#include "api/ops/ops.h"

#define FILTERS_MOST      32
#define FIELDS_MOST       32
#define DEPENDENCIES_MOST 16

struct raw {
	struct arena *a;
	struct failure *f;
};

struct permissions {
	const char **list;
	size_t n, most;
};

static void permissions_of_form(struct arena *, const Mf__ApiRequirement *, struct permissions *);
static void
permissions_of_members(struct arena *, const Mf__DatabaseRequirement *, struct permissions *);
static void permissions_of_own(const Mf__MetaRequirement *, struct permissions *);
static void permissions_add(struct permissions *, const char *);
static void read_requirements(struct raw *, const struct op *, const json_t *, Mf__TaskRequest *);
static Mf__ApiRequirement *read_api(struct raw *, const json_t *);
static Mf__DatabaseRequirement *read_database(struct raw *, const json_t *, const char *);
static void read_fields(struct raw *, const json_t *, Mf__DatabaseRequirement *);
static void read_filters(struct raw *, const json_t *, Mf__DatabaseRequirement *);
static Mf__MetaRequirement *read_meta(struct raw *, const json_t *);
static void read_auth(struct raw *, const struct op *, const json_t *, Mf__TaskRequest *);
static void read_depends_on(struct raw *, const json_t *, Mf__TaskRequest *);
static void add_dependency(struct raw *, Mf__TaskRequest *, const char *, const json_t *);
static Mf__Priority read_priority(struct raw *, const json_t *);
static char *take_str(struct raw *, const json_t *, const char *, const char *, size_t);
static uint64_t take_uint(struct raw *, const json_t *, const char *, const char *, uint64_t);
static ProtobufCBinaryData take_json(struct raw *, const json_t *, const char *);
static void only(struct raw *, const json_t *, const char *, const char *const *);

Mf__TaskRequest *
raw_request(struct arena *a, const struct op *o, struct failure *f)
{
	static const char *const known[] = { "task_id", "priority", "requirements", "depends_on",
		"deadline_ms", "user_context", NULL };
	Mf__TaskRequest *q = arena_alloc(a, sizeof(*q));
	struct raw r = { a, f };
	const json_t *body = o->body;

	mf__task_request__init(q);
	if (!json_is_object(body)) {
		failure_violation(a, f, "", "must be a JSON object");
		return NULL;
	}
	only(&r, body, "", known);
	q->task_id = take_str(&r, body, "", "task_id", 128);
	if (q->task_id[0] == '\0')
		failure_violation(a, f, "/task_id", "is required: 1 to 128 bytes");
	q->priority = read_priority(&r, json_object_get(body, "priority"));
	q->deadline_ms = (uint32_t)take_uint(&r, body, "", "deadline_ms", 3600000);
	q->remember = q->want_trace = true;
	read_requirements(&r, o, json_object_get(body, "requirements"), q);
	read_depends_on(&r, json_object_get(body, "depends_on"), q);
	return f->status == ST_OK ? q : NULL;
}

size_t
raw_permissions(struct arena *a, const Mf__TaskRequest *q, const char **out, size_t most)
{
	struct permissions p = { .list = out, .most = most };
	const Mf__DatabaseRequirement *d = q->database;

	if (q->auth != NULL)
		permissions_add(&p, q->auth->require_permission);
	if (q->api != NULL && d == NULL)
		permissions_of_form(a, q->api, &p);
	if (d != NULL && strcmp(d->operation, "transaction") == 0)
		permissions_of_members(a, d, &p);
	else if (d != NULL)
		permissions_add(&p, ops_permission(d->operation, d->model, a));
	if (q->meta != NULL)
		permissions_of_own(q->meta, &p);
	return p.n;
}

static void
permissions_of_form(struct arena *a, const Mf__ApiRequirement *api, struct permissions *p)
{
	struct str path, query;
	struct route_match m;

	str_cut(str_of(api->endpoint), '?', &path, &query);
	m = route_find(a, api->method, arena_strndup(a, path.p, path.n));
	if (m.route != NULL)
		permissions_add(p, m.route->permission);
}

static void
permissions_of_members(struct arena *a, const Mf__DatabaseRequirement *d, struct permissions *p)
{
	struct json_error e;
	json_t *members = json_read(d->data.data, d->data.len, &e), *one;
	size_t i;

	json_array_foreach(members, i, one)
	{
		const char *operation = json_string_value(json_object_get(one, "operation")),
			   *model = json_string_value(json_object_get(one, "model"));

		if (operation != NULL && model != NULL)
			permissions_add(p, ops_permission(operation, model, a));
	}
	json_decref(members);
}

static void
permissions_of_own(const Mf__MetaRequirement *m, struct permissions *p)
{
	static const struct {
		const char *operation;
		enum op_kind kind;
	} own[] = { { "fleet", OP_FLEET }, { "restart", OP_RESTART }, { "faults", OP_FAULTS },
		{ "log_level", OP_LOG_LEVEL } };
	const struct route *r;

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(own[i].operation, m->operation) == 0)
			permissions_add(p, route_of(own[i].kind)->permission);
	for (size_t i = 0; (r = route_at(i)) != NULL; i++)
		if (r->kind == OP_OWN && strcmp(r->own, m->operation) == 0)
			permissions_add(p, r->permission);
}

static void
permissions_add(struct permissions *p, const char *name)
{
	size_t i = 0;

	while (i < p->n && strcmp(p->list[i], name) != 0)
		i++;
	if (name[0] == '\0' || i < p->n)
		return;
	if (p->n < p->most)
		p->list[p->n++] = name;
	else
		p->list[p->most - 1] = "too.many"; /* nobody's */
}

static void
read_requirements(struct raw *r, const struct op *o, const json_t *v, Mf__TaskRequest *q)
{
	static const char *const known[] = { "api", "database", "auth", "meta", NULL };
	const char *const *k = known;

	if (!json_is_object(v)) {
		failure_violation(
		    r->a, r->f, "/requirements", "must be an object with at least one requirement");
		return;
	}
	for (; *k != NULL; k++)
		if (json_object_get(v, *k) != NULL && !json_is_object(json_object_get(v, *k)))
			failure_violation(r->a, r->f, failure_pointer(r->a, "/requirements", *k),
			    "must be an object");
	only(r, v, "/requirements", known);
	if (json_object_size(v) == 0)
		failure_violation(r->a, r->f, "/requirements", "must name at least one domain");
	if (r->f->status != ST_OK)
		return;
	if (json_object_get(v, "api") != NULL)
		q->api = read_api(r, json_object_get(v, "api"));
	if (json_object_get(v, "database") != NULL)
		q->database = read_database(r, json_object_get(v, "database"), o->operation_id);
	if (json_object_get(v, "meta") != NULL)
		q->meta = read_meta(r, json_object_get(v, "meta"));
	read_auth(r, o, json_object_get(v, "auth"), q);
}

static Mf__ApiRequirement *
read_api(struct raw *r, const json_t *v)
{
	static const char *const known[] = { "method", "endpoint", "data", "format", NULL };
	Mf__ApiRequirement *m = arena_alloc(r->a, sizeof(*m));

	mf__api_requirement__init(m);
	only(r, v, "/requirements/api", known);
	m->method = take_str(r, v, "/requirements/api", "method", 16);
	m->endpoint = take_str(r, v, "/requirements/api", "endpoint", 2048);
	m->format = take_str(r, v, "/requirements/api", "format", 32);
	m->data = take_json(r, v, "data");
	return m;
}

/* The id of a create is the request's own unless it says one: as over /v1/tasks. */
static Mf__DatabaseRequirement *
read_database(struct raw *r, const json_t *v, const char *operation_id)
{
	static const char *const known[] = { "operation", "model", "id", "data", "if_version",
		"filters", "limit", "cursor", "sort", "consistency", "max_age_ms", "namespace",
		"where", "fields", "session", "explain", "isolation", "ttl_ms", NULL };
	static const char at[] = "/requirements/database";
	Mf__DatabaseRequirement *m = arena_alloc(r->a, sizeof(*m));

	mf__database_requirement__init(m);
	only(r, v, at, known);
	m->operation = take_str(r, v, at, "operation", 32);
	m->model = take_str(r, v, at, "model", 64);
	m->id = take_str(r, v, at, "id", 128);
	m->cursor = take_str(r, v, at, "cursor", 4096);
	m->sort = take_str(r, v, at, "sort", 200);
	m->consistency = take_str(r, v, at, "consistency", 16);
	m->namespace_ = take_str(r, v, at, "namespace", 64);
	m->if_version = take_uint(r, v, at, "if_version", INT64_MAX);
	m->limit = (uint32_t)take_uint(r, v, at, "limit", 1000);
	m->max_age_ms = (uint32_t)take_uint(r, v, at, "max_age_ms", UINT32_MAX);
	m->session = take_str(r, v, at, "session", 100);
	m->isolation = take_str(r, v, at, "isolation", 16);
	m->explain = json_is_true(json_object_get(v, "explain"));
	m->ttl_ms = (uint32_t)take_uint(r, v, at, "ttl_ms", UINT32_MAX);
	m->data = take_json(r, v, "data");
	m->where = take_json(r, v, "where");
	read_fields(r, json_object_get(v, "fields"), m);
	read_filters(r, json_object_get(v, "filters"), m);
	if (m->operation[0] == '\0')
		failure_violation(r->a, r->f, "/requirements/database/operation", "is required");
	if (m->id[0] == '\0' && strcmp(m->operation, "create") == 0)
		m->id = (char *)operation_id;
	return m;
}

/* ["/title","/labels/team"] */
static void
read_fields(struct raw *r, const json_t *v, Mf__DatabaseRequirement *m)
{
	const json_t *one;
	size_t i;

	if (v != NULL && (!json_is_array(v) || json_array_size(v) > FIELDS_MOST)) {
		failure_violation(r->a, r->f, "/requirements/database/fields",
		    "must be an array of at most %d strings", FIELDS_MOST);
		return;
	}
	m->fields = ARENA_ARRAY(r->a, char *, json_array_size(v) + 1);
	json_array_foreach(v, i, one)
	{
		if (json_is_string(one))
			m->fields[m->n_fields++] = (char *)json_string_value(one);
		else
			failure_violation(r->a, r->f,
			    arena_printf(r->a, "/requirements/database/fields/%zu", i),
			    "must be a string");
	}
}

/* {"state":"QUEUED","label":["a","b=c"]} */
static void
read_filters(struct raw *r, const json_t *v, Mf__DatabaseRequirement *m)
{
	const char *key;
	json_t *one;
	size_t n = 0;

	if (v != NULL && !json_is_object(v))
		failure_violation(
		    r->a, r->f, "/requirements/database/filters", "must be an object");
	json_object_foreach((json_t *)v, key, one) n +=
	    json_is_array(one) ? json_array_size(one) : 1;
	if (n > FILTERS_MOST) {
		failure_violation(r->a, r->f, "/requirements/database/filters",
		    "has more than %d values", FILTERS_MOST);
		return;
	}
	m->filters = ARENA_ARRAY(r->a, Mf__KeyValue *, n + 1);
	json_object_foreach((json_t *)v, key, one)
	{
		size_t most = json_is_array(one) ? json_array_size(one) : 1;

		for (size_t i = 0; i < most; i++) {
			const json_t *s = json_is_array(one) ? json_array_get(one, i) : one;
			Mf__KeyValue *kv = arena_alloc(r->a, sizeof(*kv));

			mf__key_value__init(kv);
			kv->key = (char *)key;
			if (json_is_string(s))
				kv->value = (char *)json_string_value(s);
			else if (json_is_integer(s))
				kv->value =
				    arena_printf(r->a, "%lld", (long long)json_integer_value(s));
			else
				failure_violation(r->a, r->f,
				    failure_pointer(r->a, "/requirements/database/filters", key),
				    "must be a string, a whole number or an array of them");
			m->filters[m->n_filters++] = kv;
		}
	}
}

static Mf__MetaRequirement *
read_meta(struct raw *r, const json_t *v)
{
	static const char *const known[] = { "operation", "node", "data", NULL };
	Mf__MetaRequirement *m = arena_alloc(r->a, sizeof(*m));

	mf__meta_requirement__init(m);
	only(r, v, "/requirements/meta", known);
	m->operation = take_str(r, v, "/requirements/meta", "operation", 32);
	m->node = take_str(r, v, "/requirements/meta", "node", 32);
	m->data = take_json(r, v, "data");
	return m;
}

/* The credential is the Authorization header's, never the body's. A permission that is not the
 * operation's own is refused here, so that a request can't ask for less than it does; meta holds
 * the same line for everybody else. */
static void
read_auth(struct raw *r, const struct op *o, const json_t *v, Mf__TaskRequest *q)
{
	static const char *const known[] = { "require_permission", "resource", NULL };
	static const char at[] = "/requirements/auth";
	const char *needs = q->database == NULL
	                        ? ""
	                        : ops_permission(q->database->operation, q->database->model, r->a);
	Mf__AuthRequirement *m;

	if (v == NULL && o->credential[0] == '\0')
		return; /* anonymous */
	m = arena_alloc(r->a, sizeof(*m));
	mf__auth_requirement__init(m);
	if (v != NULL) {
		only(r, v, at, known);
		m->require_permission = take_str(r, v, at, "require_permission", 128);
		m->resource = take_str(r, v, at, "resource", 256);
	}
	m->credential = (char *)o->credential;
	m->client_address = (char *)o->client_address;
	ops_prove(m, o->proof);
	if (m->require_permission[0] == '\0')
		m->require_permission = (char *)needs;
	else if (needs[0] != '\0' && strcmp(needs, m->require_permission) != 0)
		failure_violation(r->a, r->f, "/requirements/auth/require_permission",
		    "the operation asks for %s", needs);
	q->auth = m;
}

/* [{"domain":"api","on":"database"}], or {"api":["database"]}. */
static void
read_depends_on(struct raw *r, const json_t *v, Mf__TaskRequest *q)
{
	size_t n = json_is_array(v) ? json_array_size(v) : 0, i;
	const char *key;
	json_t *one;

	if (v == NULL || json_is_null(v))
		return;
	json_object_foreach((json_t *)v, key, one) n +=
	    json_is_array(one) ? json_array_size(one) : 1;
	if (n > DEPENDENCIES_MOST || (!json_is_array(v) && !json_is_object(v))) {
		failure_violation(r->a, r->f, "/depends_on",
		    "must be an array of at most %d {domain, on}", DEPENDENCIES_MOST);
		return;
	}
	q->depends_on = ARENA_ARRAY(r->a, Mf__Dependency *, n + 1);
	json_array_foreach(v, i, one) add_dependency(
	    r, q, json_string_value(json_object_get(one, "domain")), json_object_get(one, "on"));
	json_object_foreach((json_t *)v, key, one)
	{
		if (json_is_array(one))
			for (i = 0; i < json_array_size(one); i++)
				add_dependency(r, q, key, json_array_get(one, i));
		else
			add_dependency(r, q, key, one);
	}
}

static void
add_dependency(struct raw *r, Mf__TaskRequest *q, const char *domain, const json_t *on)
{
	static const char *const names[] = { "", "api", "database", "auth", "meta" };
	Mf__Dependency *d = arena_alloc(r->a, sizeof(*d));

	mf__dependency__init(d);
	for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
		if (domain != NULL && strcmp(names[i], domain) == 0)
			d->domain = (Mf__Domain)i;
		if (json_is_string(on) && strcmp(names[i], json_string_value(on)) == 0)
			d->on = (Mf__Domain)i;
	}
	if (d->domain == MF__DOMAIN__DOMAIN_NONE || d->on == MF__DOMAIN__DOMAIN_NONE)
		failure_violation(r->a, r->f,
		    failure_pointer(r->a, "/depends_on", domain == NULL ? "" : domain),
		    "names a domain that is none of api, database, auth, meta");
	q->depends_on[q->n_depends_on++] = d;
}

static Mf__Priority
read_priority(struct raw *r, const json_t *v)
{
	static const char *const names[] = { "", "CRITICAL", "HIGH", "MEDIUM", "LOW" };

	if (v == NULL || json_is_null(v))
		return MF__PRIORITY__PRIORITY_NONE;
	for (int i = 1; i <= 4; i++)
		if ((json_is_integer(v) && json_integer_value(v) == i) ||
		    (json_is_string(v) && strcmp(json_string_value(v), names[i]) == 0))
			return (Mf__Priority)i;
	failure_violation(r->a, r->f, "/priority", "must be CRITICAL, HIGH, MEDIUM, LOW or 1 to 4");
	return MF__PRIORITY__PRIORITY_NONE;
}

static char *
take_str(struct raw *r, const json_t *v, const char *at, const char *key, size_t most)
{
	const json_t *s = json_object_get(v, key);

	if (s == NULL || json_is_null(s))
		return (char *)"";
	if (!json_is_string(s) || json_string_length(s) > most) {
		failure_violation(r->a, r->f, failure_pointer(r->a, at, key),
		    "must be a string of at most %zu bytes", most);
		return (char *)"?"; /* said once: not missing as well */
	}
	return (char *)json_string_value(s);
}

static uint64_t
take_uint(struct raw *r, const json_t *v, const char *at, const char *key, uint64_t most)
{
	const json_t *i = json_object_get(v, key);

	if (i == NULL || json_is_null(i))
		return 0;
	if (json_is_integer(i) && json_integer_value(i) >= 0 &&
	    (uint64_t)json_integer_value(i) <= most)
		return (uint64_t)json_integer_value(i);
	failure_violation(r->a, r->f, failure_pointer(r->a, at, key),
	    "must be a whole number of 0 to %llu", (unsigned long long)most);
	return 0;
}

static ProtobufCBinaryData
take_json(struct raw *r, const json_t *v, const char *key)
{
	const json_t *data = json_object_get(v, key);
	struct jw w;
	size_t n;
	char *p;

	if (data == NULL)
		return (ProtobufCBinaryData){ 0, NULL };
	jw_start(&w, r->a, 256);
	jw_json(&w, NULL, data);
	p = jw_text(&w, &n);
	return (ProtobufCBinaryData){ n, (uint8_t *)p };
}

static void
only(struct raw *r, const json_t *v, const char *at, const char *const *known)
{
	const char *key;
	json_t *unused;

	json_object_foreach((json_t *)v, key, unused)
	{
		size_t i = 0;

		(void)unused;
		while (known[i] != NULL && strcmp(known[i], key) != 0)
			i++;
		if (known[i] == NULL) {
			failure_violation(
			    r->a, r->f, failure_pointer(r->a, at, key), "is no field of a request");
			return; /* one is enough: there may be any number */
		}
	}
}

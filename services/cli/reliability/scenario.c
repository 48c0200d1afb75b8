/* scenario: see scenario.h. A new kind is a row. */
#include <string.h>

#include "base/log.h"
#include "cli/reliability/scenario.h"

#define API      (1u << DOMAIN_API)
#define DATABASE (1u << DOMAIN_DATABASE)
#define AUTH     (1u << DOMAIN_AUTH)
#define WHOLE    (API | DATABASE | AUTH)

enum on { ON_NOTHING, ON_NEW, ON_SHARED, ON_DOOMED };

static const struct kind {
	const char *name;
	uint8_t domains;
	bool whole;                    /* each domain once: in SCENARIOS_WHOLE too */
	const char *method, *endpoint; /* api; %s: the id */
	const char *operation, *model; /* database; NULL: none */
	enum on on;
	bool writes_data, verify;
} kinds[] = {
	{ "create task", WHOLE, true, "POST", "/tasks", "create", "task", ON_NEW, true, false },
	{ "read task", WHOLE, true, "GET", "/tasks/%s", "read", "task", ON_SHARED, false, false },
	{ "update task", WHOLE, true, "PATCH", "/tasks/%s", "update", "task", ON_SHARED, true,
	    false },
	{ "list tasks", WHOLE, true, "GET", "/tasks?limit=5", "query", "task", ON_NOTHING, false,
	    false },
	{ "delete task", WHOLE, true, "DELETE", "/tasks/%s", "delete", "task", ON_DOOMED, false,
	    false },
	{ "transaction", WHOLE, true, "POST", "/requests", "transaction", "", ON_NEW, true, false },
	{ "create document", WHOLE, true, "POST", "/requests", "create", SCENARIO_COLLECTION,
	    ON_NEW, true, false },
	{ "read document", WHOLE, true, "POST", "/requests", "read", SCENARIO_COLLECTION, ON_SHARED,
	    false, false },
	{ "update document", WHOLE, true, "POST", "/requests", "update", SCENARIO_COLLECTION,
	    ON_SHARED, true, false },
	{ "delete document", WHOLE, true, "POST", "/requests", "delete", SCENARIO_COLLECTION,
	    ON_DOOMED, false, false },
	{ "create task, no form", DATABASE | AUTH, false, NULL, NULL, "create", "task", ON_NEW,
	    true, false },
	{ "read task by its form alone", WHOLE, false, "GET", "/tasks/%s", NULL, NULL, ON_SHARED,
	    false, false },
	{ "verification only", AUTH, false, NULL, NULL, NULL, NULL, ON_NOTHING, false, true },
	{ "health, anonymous", API, false, "GET", "/health", NULL, NULL, ON_NOTHING, false, false },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static size_t count(enum scenario_set set);
static bool is_in(const struct kind *, enum scenario_set);
static const char *id_of(struct arena *, const struct scenario *, const struct pool *);
static Mf__DatabaseRequirement *
database_of(struct arena *, const struct scenario *, const char *id);
static Mf__ApiRequirement *api_of(struct arena *, const struct kind *, const char *id);
static Mf__AuthRequirement *
auth_of(struct arena *, const struct kind *, const struct scenario_ask *);
static void after_the_form(struct arena *, Mf__TaskRequest *);
static ProtobufCBinaryData text(char *s);
static bool is_document(const struct kind *);

size_t
scenario_kinds(void)
{
	return KINDS;
}

const char *
scenario_name(size_t kind)
{
	return kind < KINDS ? kinds[kind].name : "?";
}

/* Spread evenly: each run of `count` numbers has each kind once, and begins where the seed says. */
struct scenario
scenario_at(uint64_t seed, uint32_t number, enum scenario_set set)
{
	size_t n = count(set), nth = (number + seed) % n, k = 0;

	for (;; k++)
		if (is_in(&kinds[k], set) && nth-- == 0)
			break;
	return (struct scenario){ .number = number,
		.serial = (uint32_t)(number / n),
		.kind = (uint16_t)k,
		.domains = kinds[k].domains,
		.priority = (uint8_t)(MF__PRIORITY__CRITICAL + (number / n + seed) % 4) };
}

size_t
scenario_deletes(uint32_t n, enum scenario_set set)
{
	return n / count(set) + 1;
}

void
scenario_request(
    struct arena *a, const struct scenario *s, const struct scenario_ask *ask, Mf__TaskRequest *q)
{
	const struct kind *k = &kinds[s->kind];
	const char *id = id_of(a, s, ask->pool);

	mf__task_request__init(q);
	q->priority = ask->last ? MF__PRIORITY__LOW : (Mf__Priority)s->priority;
	if (k->method != NULL)
		q->api = api_of(a, k, id);
	if (k->operation != NULL)
		q->database = database_of(a, s, id);
	if (k->operation != NULL && ask->space != NULL)
		q->database->namespace_ = (char *)(uintptr_t)ask->space;
	if ((k->domains & AUTH) != 0)
		q->auth = auth_of(a, k, ask);
	if (q->api != NULL && q->database != NULL)
		after_the_form(a, q);
}

const char *
scenario_agent(const struct scenario *s, enum domain d)
{
	const struct kind *k = &kinds[s->kind];

	if ((k->domains & (1u << d)) == 0)
		return NULL;
	return d == DOMAIN_API    ? "rest"
	       : d == DOMAIN_AUTH ? "jwt"
	       : is_document(k)   ? "nosql"
	                          : "sql";
}

static size_t
count(enum scenario_set set)
{
	size_t n = 0;

	for (size_t k = 0; k < KINDS; k++)
		n += is_in(&kinds[k], set);
	return n;
}

static bool
is_in(const struct kind *k, enum scenario_set set)
{
	if (set == SCENARIOS_SPACED)
		return k->operation != NULL || k->on == ON_NOTHING;
	return set == SCENARIOS_ALL || k->whole;
}

static const char *
id_of(struct arena *a, const struct scenario *s, const struct pool *p)
{
	const struct kind *k = &kinds[s->kind];
	bool document = is_document(k);
	char *id;

	switch (k->on) {
	case ON_SHARED:
		return document ? p->documents[s->serial % POOL_SHARED]
		                : p->tasks[s->serial % POOL_SHARED];
	case ON_DOOMED:
		must(s->serial < p->n_doomed);
		return document ? p->doomed_documents[s->serial] : p->doomed_tasks[s->serial];
	case ON_NEW:
		id = arena_alloc(a, UUID_LEN);
		uuid7(id);
		return id;
	case ON_NOTHING:
		break;
	}
	return "";
}

static Mf__DatabaseRequirement *
database_of(struct arena *a, const struct scenario *s, const char *id)
{
	const struct kind *k = &kinds[s->kind];
	Mf__DatabaseRequirement *d = arena_alloc(a, sizeof(*d));
	char second[UUID_LEN];

	mf__database_requirement__init(d);
	d->operation = (char *)(uintptr_t)k->operation;
	d->model = (char *)(uintptr_t)k->model;
	if (strcmp(k->operation, "transaction") == 0) {
		uuid7(second);
		d->data = text(arena_printf(a,
		    "[{\"operation\":\"create\",\"model\":\"task\",\"id\":\"%s\",\"data\":"
		    "{\"title\":\"first of %u\"}},{\"operation\":\"create\",\"model\":\"task\","
		    "\"id\":\"%s\",\"data\":{\"title\":\"second of %u\"}}]",
		    id, s->number, second, s->number));
		return d;
	}
	d->id = (char *)(uintptr_t)id;
	if (strcmp(k->operation, "query") == 0)
		d->limit = 5;
	if (k->writes_data)
		d->data = text(arena_printf(a, "{\"title\":\"scenario %u\"}", s->number));
	return d;
}

static Mf__ApiRequirement *
api_of(struct arena *a, const struct kind *k, const char *id)
{
	Mf__ApiRequirement *r = arena_alloc(a, sizeof(*r));
	const char *at = strstr(k->endpoint, "%s");

	mf__api_requirement__init(r);
	r->method = (char *)(uintptr_t)k->method;
	r->endpoint = at == NULL
	                  ? (char *)(uintptr_t)k->endpoint
	                  : arena_printf(a, "%.*s%s", (int)(at - k->endpoint), k->endpoint, id);
	if (k->writes_data)
		r->data = text(arena_strdup(a, "{\"title\":\"as its form says\"}"));
	return r;
}

static Mf__AuthRequirement *
auth_of(struct arena *a, const struct kind *k, const struct scenario_ask *ask)
{
	Mf__AuthRequirement *r = arena_alloc(a, sizeof(*r));

	mf__auth_requirement__init(r);
	r->credential = (char *)(uintptr_t)ask->token;
	if (k->verify || ask->ask_auth)
		r->operation = (char *)"verify";
	return r;
}

/* The effect after the form: then there is nothing to format, and api is asked once. */
static void
after_the_form(struct arena *a, Mf__TaskRequest *q)
{
	Mf__Dependency *d = arena_alloc(a, sizeof(*d));

	mf__dependency__init(d);
	d->domain = MF__DOMAIN__DOMAIN_DATABASE;
	d->on = MF__DOMAIN__DOMAIN_API;
	q->depends_on = ARENA_ARRAY(a, Mf__Dependency *, 1);
	q->depends_on[q->n_depends_on++] = d;
}

static ProtobufCBinaryData
text(char *s)
{
	return (ProtobufCBinaryData){ strlen(s), (uint8_t *)s };
}

static bool
is_document(const struct kind *k)
{
	return k->model != NULL && strcmp(k->model, SCENARIO_COLLECTION) == 0;
}

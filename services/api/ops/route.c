/* route: which operation a method and a path mean. One table, in which a resource's rows stand
 * together; the stand-ins and meta's translate stage (Rest.Perform) read the same one. A new
 * collection is a COLLECTION here; any other resource its rows here and a case in build.c. */
#include <string.h>

#include "api/ops/ops.h"

const char *const filters_of_all[] = { "created_after", "created_before", "updated_after",
	"updated_before", NULL };

static const struct collection tasks = {
	.model = "task",
	.path = "/tasks",
	.chosen = true,
	.filters =
	    (const char *const[]){ "state", "priority", "type", "label", "created_by", NULL },
	.fields = (const char *const[]){ "id", "namespace", "title", "description", "type",
	    "priority", "state", "labels", "payload", "created_by", "version", "created_at",
	    "updated_at", NULL },
};
static const struct collection users = {
	.model = "user",
	.path = "/users",
	.filters = (const char *const[]){ "username", "disabled", NULL },
	.fields = (const char *const[]){ "id", "username", "roles", "disabled", "version",
	    "created_at", "updated_at", NULL },
};
static const struct collection roles = {
	.model = "role",
	.path = "/roles",
	.named = true,
	.filters = (const char *const[]){ NULL },
	.fields = (const char *const[]){ "id", "permissions", "inherits", "version", "created_at",
	    "updated_at", NULL },
};

/* clang-format off */
#define COLLECTION(c, path, model)									\
	{ "POST", path, OP_CREATE, model ".create", &(c), 201 },					\
	{ "GET", path, OP_LIST, model ".read", &(c), 200 },							\
	{ "GET", path "/ID", OP_READ, model ".read", &(c), 200 },						\
	{ "PATCH", path "/ID", OP_UPDATE, model ".update", &(c), 200 },					\
	{ "DELETE", path "/ID", OP_DELETE, model ".delete", &(c), 204 }
/* clang-format on */

static const struct route routes[] = {
	{ "POST", "/auth/login", OP_LOGIN, "", NULL, 200 },
	{ "POST", "/auth/refresh", OP_REFRESH, "", NULL, 200 },
	{ "POST", "/auth/logout", OP_LOGOUT, "", NULL, 204 },
	COLLECTION(tasks, "/tasks", "task"),
	{ "POST", "/tasks:bulk", OP_BULK, "task.create", &tasks, 200 },
	COLLECTION(users, "/users", "user"),
	COLLECTION(roles, "/roles", "role"),
	{ "POST", "/requests", OP_REQUEST, "", NULL, 200 },
	{ "GET", "/fleet", OP_FLEET, "fleet.read", NULL, 200 },
	{ "POST", "/fleet/ID:restart", OP_RESTART, "node.restart", NULL, 202 },
	{ "POST", "/fleet/ID:faults", OP_FAULTS, "fault.inject", NULL, 200 },
	{ "POST", "/fleet/ID:log-level", OP_LOG_LEVEL, "node.log_level", NULL, 200 },
	{ "GET", "/health", OP_HEALTH, "", NULL, 200 },
	{ "GET", "/events", OP_EVENTS, "", NULL, 200 },
};
#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))

static bool path_matches(const char *, const char *, struct str *);
static const char *allow_of(struct arena *, const char *);

struct route_match
route_find(struct arena *a, const char *method, const char *path)
{
	struct route_match m = { .id = "" };
	struct str id;

	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < N_ROUTES; i++) {
		if (!path_matches(routes[i].pattern, path, &id))
			continue;
		if (m.allow == NULL) {
			m.id = id.n == 0 ? "" : arena_strndup(a, id.p, id.n);
			m.allow = routes[i].pattern; /* that there is one; the text only when it is
			                                asked for */
		}
		if (strcmp(routes[i].method, method) == 0) {
			m.route = &routes[i];
			return m;
		}
	}
	if (m.allow != NULL)
		m.allow = allow_of(a, m.allow);
	return m;
}

const struct route *
route_of(enum op_kind k)
{
	for (size_t i = 0; i < N_ROUTES; i++)
		if (routes[i].kind == k)
			return &routes[i];
	return NULL;
}

const struct route *
route_at(size_t i)
{
	return i < N_ROUTES ? &routes[i] : NULL;
}

/* "/fleet/ID:restart" and "/fleet/sql:restart". The id is one segment, not empty, without what
 * follows it. */
static bool
path_matches(const char *pattern, const char *path, struct str *id)
{
	const char *at = strstr(pattern, "ID");
	size_t head, tail, n = strlen(path);

	*id = STR("");
	if (at == NULL)
		return strcmp(pattern, path) == 0;
	head = (size_t)(at - pattern);
	tail = strlen(at + 2);
	if (n <= head + tail || strncmp(pattern, path, head) != 0 ||
	    strcmp(path + n - tail, at + 2) != 0)
		return false;
	*id = (struct str){ path + head, n - head - tail };
	return memchr(id->p, '/', id->n) == NULL &&
	       (tail != 0 || memchr(id->p, ':', id->n) == NULL);
}

static const char *
allow_of(struct arena *a, const char *pattern)
{
	const char *text = "";

	for (size_t i = 0; i < N_ROUTES; i++) {
		if (strcmp(routes[i].pattern, pattern) != 0)
			continue;
		text = arena_printf(a, "%s%s, ", text, routes[i].method);
		if (strcmp(routes[i].method, "GET") == 0)
			text = arena_printf(a, "%sHEAD, ", text);
	}
	return arena_printf(a, "%sOPTIONS", text);
}

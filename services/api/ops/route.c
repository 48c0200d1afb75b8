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
	.may_be_old = true,
	.filters = (const char *const[]){ "state", "priority", "type", "label", "created_by", "q",
	    "payload", NULL },
	.fields = (const char *const[]){ "id", "namespace", "title", "description", "type",
	    "priority", "state", "labels", "payload", "created_by", "trace_id", "version",
	    "created_at", "updated_at", NULL },
};
static const struct collection users = {
	.model = "user",
	.path = "/users",
	.filters = (const char *const[]){ "username", "disabled", NULL },
	.fields =
	    (const char *const[]){ "id", "username", "roles", "disabled", "kind", "display_name",
		"email", "email_verified", "groups", "version", "created_at", "updated_at", NULL },
};
static const struct collection roles = {
	.model = "role",
	.path = "/roles",
	.named = true,
	.filters = (const char *const[]){ NULL },
	.fields = (const char *const[]){ "id", "permissions", "inherits", "version", "created_at",
	    "updated_at", NULL },
};
static const struct collection groups = {
	.model = "group",
	.path = "/groups",
	.named = true,
	.filters = (const char *const[]){ NULL },
	.fields = (const char *const[]){ "id", "description", "roles", "version", "created_at",
	    "updated_at", NULL },
};
static const struct collection grants = {
	.model = "grant",
	.path = "/grants",
	.filters = (const char *const[]){ "effect", "subject_kind", "subject", NULL },
	.fields = (const char *const[]){ "id", "effect", "subject_kind", "subject", "permissions",
	    "roles", "namespace", "resource", "conditions", "description", "expires_at", "version",
	    "created_at", "updated_at", NULL },
};
static const struct collection clients = {
	.model = "client",
	.path = "/clients",
	.named = true,
	.chosen = true,
	.filters = (const char *const[]){ "disabled", NULL },
	.fields = (const char *const[]){ "id", "name", "auth_method", "redirect_uris",
	    "logout_uris", "grant_types", "scopes", "user_id", "jwks", "proof_required",
	    "pushed_required", "trusted", "disabled", "metadata", "created_by", "version",
	    "created_at", "updated_at", NULL },
};
static const struct collection sessions = {
	.model = "session",
	.path = "/sessions",
	.filters = (const char *const[]){ "user_id", NULL },
	.fields = (const char *const[]){ "id", "user_id", "kind", "client_id", "client_address",
	    "user_agent", "methods", "limited", "scopes", "authenticated_at", "created_at",
	    "refreshed_at", "expires_at", "current", NULL },
};
static const struct collection api_keys = {
	.model = "api_key",
	.path = "/api-keys",
	.filters = (const char *const[]){ "user_id", NULL },
	.fields = (const char *const[]){ "id", "user_id", "name", "scopes", "limited", "expires_at",
	    "used_at", "version", "created_at", "updated_at", NULL },
};
static const struct collection factors = {
	.model = "factor",
	.path = "/factors",
	.filters = (const char *const[]){ "user_id", NULL },
	.fields = (const char *const[]){ "id", "user_id", "kind", "confirmed", "recovery_left",
	    "version", "created_at", "updated_at", NULL },
};
static const struct collection consents = {
	.model = "consent",
	.path = "/consents",
	.filters = (const char *const[]){ "user_id", "client_id", NULL },
	.fields = (const char *const[]){ "id", "user_id", "client_id", "scopes", "version",
	    "created_at", "updated_at", NULL },
};
static const struct collection providers = {
	.model = "provider",
	.path = "/providers",
	.named = true,
	.filters = (const char *const[]){ NULL },
	.fields =
	    (const char *const[]){ "id", "name", "issuer", "client_id", "scopes", "create_users",
		"roles", "trust_email", "disabled", "version", "created_at", "updated_at", NULL },
};
static const struct collection identities = {
	.model = "identity",
	.path = "/identities",
	.filters = (const char *const[]){ "user_id", "provider", NULL },
	.fields = (const char *const[]){ "id", "user_id", "provider", "subject", "email", "version",
	    "created_at", "updated_at", NULL },
};
static const struct collection audit = {
	.model = "audit",
	.path = "/audit",
	.filters = (const char *const[]){ "kind", "outcome", "actor", NULL },
	.fields = (const char *const[]){ "id", "kind", "outcome", "actor", "subject", "address",
	    "record", "hash", "created_at", NULL },
};
static const struct collection signing_keys = {
	.model = "signing_key",
	.path = "/signing-keys",
	.named = true,
	.chosen = true,
	.filters = (const char *const[]){ NULL },
	.fields = (const char *const[]){ "id", "alg", "state", "created_at", "signs_at",
	    "retires_at", "version", NULL },
};
static const struct collection decisions = {
	.model = "decision",
	.path = "/decisions",
	.filters = (const char *const[]){ "user", "permission", "resource", "namespace", "address",
	    "at", NULL },
	.fields = (const char *const[]){ "id", "user", "permission", "allowed", "once", "rule",
	    "considered", "roles", NULL },
};
static const struct collection my_sessions = {
	.model = "my.session",
	.path = "/me/sessions",
	.filters = (const char *const[]){ NULL },
	.fields = (const char *const[]){ "id", "user_id", "kind", "client_id", "client_address",
	    "user_agent", "methods", "limited", "scopes", "authenticated_at", "created_at",
	    "refreshed_at", "expires_at", "current", NULL },
};
static const struct collection my_api_keys = {
	.model = "my.api_key",
	.path = "/me/api-keys",
	.filters = (const char *const[]){ NULL },
	.fields = (const char *const[]){ "id", "user_id", "name", "scopes", "limited", "expires_at",
	    "used_at", "version", "created_at", "updated_at", NULL },
};
static const struct collection my_factors = {
	.model = "my.factor",
	.path = "/me/factors",
	.filters = (const char *const[]){ NULL },
	.fields = (const char *const[]){ "id", "kind", "confirmed", "recovery_left", "version",
	    "created_at", "updated_at", NULL },
};
static const struct collection my_consents = {
	.model = "my.consent",
	.path = "/me/consents",
	.filters = (const char *const[]){ NULL },
	.fields = (const char *const[]){ "id", "client_id", "scopes", "version", "created_at",
	    "updated_at", NULL },
};
static const struct collection my_identities = {
	.model = "my.identity",
	.path = "/me/identities",
	.filters = (const char *const[]){ NULL },
	.fields = (const char *const[]){ "id", "user_id", "provider", "subject", "email", "version",
	    "created_at", "updated_at", NULL },
};
static const struct collection policy = {
	.model = "policy",
	.only = "policy",
	.path = "/policy",
	.named = true,
	.filters = (const char *const[]){ NULL },
	.fields = (const char *const[]){ "id", "yaml", "roles", "groups", "grants", NULL },
};
static const struct collection my_password = {
	.model = "my.password",
	.only = "password",
	.path = "/me/password",
	.named = true,
	.filters = (const char *const[]){ NULL },
	.fields = (const char *const[]){ NULL },
};

/* clang-format off */
#define COLLECTION(c, path, model)									\
	{ "POST", path, OP_CREATE, model ".create", &(c), 201, NULL },					\
	{ "GET", path, OP_LIST, model ".read", &(c), 200, NULL },							\
	{ "GET", path "/ID", OP_READ, model ".read", &(c), 200, NULL },						\
	{ "PATCH", path "/ID", OP_UPDATE, model ".update", &(c), 200, NULL },					\
	{ "DELETE", path "/ID", OP_DELETE, model ".delete", &(c), 204, NULL }
/* Those that come about in another way. */
#define OVERSEEN(c, path, model)									\
	{ "GET", path, OP_LIST, model ".read", &(c), 200, NULL },							\
	{ "GET", path "/ID", OP_READ, model ".read", &(c), 200, NULL },						\
	{ "DELETE", path "/ID", OP_DELETE, model ".delete", &(c), 204, NULL }
/* Of who asks. */
#define OWN(c, path)											\
	{ "GET", path, OP_LIST, "", &(c), 200, NULL },								\
	{ "DELETE", path "/ID", OP_DELETE, "", &(c), 204, NULL }
/* clang-format on */

static const struct route routes[] = {
	{ "POST", "/auth/login", OP_LOGIN, "", NULL, 200, NULL },
	{ "POST", "/auth/refresh", OP_REFRESH, "", NULL, 200, NULL },
	{ "POST", "/auth/logout", OP_LOGOUT, "", NULL, 204, NULL },
	COLLECTION(tasks, "/tasks", "task"),
	{ "POST", "/tasks:bulk", OP_BULK, "task.create", &tasks, 200, NULL },
	/* with task.update or task.delete, by the action */
	{ "POST", "/tasks:apply", OP_APPLY, "task.read", &tasks, 200, NULL },
	{ "GET", "/tasks:count", OP_COUNT, "task.read", &tasks, 200, NULL },
	{ "GET", "/tasks/ID/history", OP_HISTORY, "task.read", &tasks, 200, NULL },
	COLLECTION(users, "/users", "user"),
	COLLECTION(roles, "/roles", "role"),
	COLLECTION(groups, "/groups", "group"),
	COLLECTION(grants, "/grants", "grant"),
	COLLECTION(clients, "/clients", "client"),
	OVERSEEN(sessions, "/sessions", "session"),
	{ "POST", "/api-keys", OP_CREATE, "api_key.create", &api_keys, 201, NULL },
	OVERSEEN(api_keys, "/api-keys", "api_key"),
	OVERSEEN(factors, "/factors", "factor"),
	OVERSEEN(consents, "/consents", "consent"),
	COLLECTION(providers, "/providers", "provider"),
	OVERSEEN(identities, "/identities", "identity"),
	{ "GET", "/audit", OP_LIST, "audit.read", &audit, 200, NULL },
	{ "GET", "/signing-keys", OP_LIST, "signing_key.read", &signing_keys, 200, NULL },
	{ "POST", "/signing-keys", OP_CREATE, "signing_key.rotate", &signing_keys, 201, NULL },
	{ "GET", "/policy", OP_READ, "policy.read", &policy, 200, NULL },
	{ "PUT", "/policy", OP_UPDATE, "policy.write", &policy, 200, NULL },
	{ "GET", "/decisions", OP_LIST, "policy.read", &decisions, 200, NULL },
	{ "GET", "/me", OP_ME, "", NULL, 200, NULL },
	{ "POST", "/me/password", OP_UPDATE, "", &my_password, 204, NULL },
	OWN(my_sessions, "/me/sessions"),
	{ "POST", "/me/api-keys", OP_CREATE, "", &my_api_keys, 201, NULL },
	OWN(my_api_keys, "/me/api-keys"),
	{ "POST", "/me/factors", OP_CREATE, "", &my_factors, 201, NULL },
	{ "GET", "/me/factors", OP_LIST, "", &my_factors, 200, NULL },
	{ "PATCH", "/me/factors/ID", OP_UPDATE, "", &my_factors, 200, NULL },
	{ "POST", "/me/factors/ID:remove", OP_DELETE, "", &my_factors, 204, NULL },
	OWN(my_consents, "/me/consents"),
	OWN(my_identities, "/me/identities"),
	{ "POST", "/blobs/uploads", OP_UPLOAD_CREATE, "blob.create", NULL, 201, NULL },
	{ "GET", "/blobs/uploads/ID", OP_UPLOAD_STATE, "blob.read", NULL, 200, NULL },
	{ "PATCH", "/blobs/uploads/ID", OP_UPLOAD_PIECE, "blob.create", NULL, 204, NULL },
	{ "DELETE", "/blobs/uploads/ID", OP_UPLOAD_DELETE, "blob.delete", NULL, 204, NULL },
	{ "POST", "/blobs", OP_BLOB_PUT, "blob.create", NULL, 201, NULL },
	{ "GET", "/blobs", OP_BLOB_LIST, "blob.read", NULL, 200, NULL },
	{ "PUT", "/blobs/ID", OP_BLOB_PUT, "blob.create", NULL, 201, NULL },
	{ "GET", "/blobs/ID", OP_BLOB_GET, "blob.read", NULL, 200, NULL },
	{ "DELETE", "/blobs/ID", OP_BLOB_DELETE, "blob.delete", NULL, 204, NULL },
	{ "POST", "/requests", OP_REQUEST, "", NULL, 200, NULL },
	{ "GET", "/fleet", OP_FLEET, "fleet.read", NULL, 200, NULL },
	{ "GET", "/fleet/calls", OP_OWN, "fleet.read", NULL, 200, "calls" },
	{ "GET", "/settings", OP_OWN, "settings.read", NULL, 200, "settings" },
	{ "POST", "/fleet/ID:restart", OP_RESTART, "node.restart", NULL, 202, NULL },
	{ "POST", "/fleet/ID:faults", OP_FAULTS, "fault.inject", NULL, 200, NULL },
	{ "POST", "/fleet/ID:log-level", OP_LOG_LEVEL, "node.log_level", NULL, 200, NULL },
	{ "POST", "/requests:explain", OP_STRATEGY, "fleet.read", NULL, 200, NULL },
	{ "GET", "/errors", OP_OWN, "fleet.read", NULL, 200, "errors" },
	{ "GET", "/reliability", OP_OWN, "fleet.read", NULL, 200, "figures" },
	{ "GET", "/crashes", OP_OWN, "crash.read", NULL, 200, "crashes" },
	{ "GET", "/crashes/ID", OP_OWN, "crash.read", NULL, 200, "crash" },
	{ "GET", "/traces", OP_OWN, "trace.read", NULL, 200, "traces" },
	{ "GET", "/traces/ID", OP_OWN, "trace.read", NULL, 200, "trace" },
	{ "POST", "/upgrade", OP_OWN, "node.restart", NULL, 202, "upgrade" },
	{ "GET", "/upgrade", OP_OWN, "fleet.read", NULL, 200, "upgrade_state" },
	{ "POST", "/chaos", OP_OWN, "fault.inject", NULL, 201, "chaos" },
	{ "GET", "/chaos", OP_OWN, "fault.inject", NULL, 200, "chaos_list" },
	{ "DELETE", "/chaos/ID", OP_OWN, "fault.inject", NULL, 204, "chaos_end" },
	{ "GET", "/health", OP_HEALTH, "", NULL, 200, NULL },
	{ "GET", "/events", OP_EVENTS, "", NULL, 200, NULL },
};
#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))

static bool path_matches(const char *, const char *, struct str *);
static const char *only_of(const struct collection *);
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
			m.id = id.n != 0 ? arena_strndup(a, id.p, id.n) : only_of(routes[i].of);
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
	       (tail != 0 || memchr(id->p, ':', id->n) == NULL || str_starts(id->p, "sha256:"));
}

static const char *
only_of(const struct collection *of)
{
	return of != NULL && of->only != NULL ? of->only : "";
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

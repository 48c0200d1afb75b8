/* models: the table. It is the reference for every caller of Database.Read and Write; README.md
 * says it in prose. `namespace`, `created_by` and `trace_id` are set from the operation. */
#include <string.h>
#include "database/sql/models.h"

/* clang-format off */
#define G	FIELD_GIVEN
#define P	FIELD_PATCHED
#define R	FIELD_REQUIRED
#define F	FIELD_FILTER
#define U	FIELD_UNIQUE
#define S	FIELD_SORT
#define KEPT	{ "version", FIELD_INT, R, "1", 0, 0 },			\
		{ "created_at", FIELD_TIME, R | S, NULL, 0, 0 },		\
		{ "updated_at", FIELD_TIME, R | S, NULL, 0, 0 }

const char *const task_states[] = {
	"SCHEDULED", "QUEUED", "RUNNING", "RETRYING", "COMPLETED", "FAILED", "CANCELLED", NULL,
};
const char *const task_priorities[] = { NULL, "CRITICAL", "HIGH", "MEDIUM", "LOW" };

static const struct field task_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "namespace",		FIELD_NAME,	R,			"default",	1, 64 },
	{ "title",		FIELD_TEXT,	G | P | R,		NULL,		1, 1000 },
	{ "description",	FIELD_TEXT,	G | P,			NULL,		0, 100000 },
	{ "type",		FIELD_NAME,	G | P | R | F | S,		"manual",	1, 100 },
	{ "priority",		FIELD_PRIORITY,	G | P | R | F | S,		"3",		1, 4 },
	{ "state",		FIELD_STATE,	G | P | R | F | S,		"QUEUED",	0, 0 },
	{ "labels",		FIELD_LABELS,	G | P | R | F,		"{}",		0, 100 },
	{ "payload",		FIELD_JSON,	G | P | F,		NULL,		0, 262144 },
	{ "created_by",		FIELD_TEXT,	F,			NULL,		0, 200 },
	{ "trace_id",		FIELD_TEXT,	0,			NULL,		32, 32 },
	KEPT,
};

static const struct field user_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "username",		FIELD_NAME,	G | P | R | F | U | S,	NULL,		1, 64 },
	{ "password_hash",	FIELD_TEXT,	G | P,			NULL,		1, 1000 },
	{ "roles",		FIELD_STRINGS,	G | P | R,		"[]",		0, 64 },
	{ "disabled",		FIELD_BOOL,	G | P | R | F,		"false",	0, 0 },
	{ "kind",		FIELD_NAME,	G | R | F,		"person",	1, 16 },
	{ "display_name",	FIELD_TEXT,	G | P,			NULL,		1, 200 },
	{ "email",		FIELD_TEXT,	G | P | F,		NULL,		3, 320 },
	{ "email_verified",	FIELD_BOOL,	G | P | R,		"false",	0, 0 },
	{ "groups",		FIELD_STRINGS,	G | P | R,		"[]",		0, 64 },
	KEPT,
};

static const struct field session_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "user_id",		FIELD_UUID,	G | R | F,		NULL,		0, 0 },
	{ "expires_at",		FIELD_TIME,	G | P | R,		NULL,		0, 0 },
	{ "kind",		FIELD_NAME,	G | R | F,		"api",		1, 16 },
	{ "client_id",		FIELD_TEXT,	G | F,			NULL,		1, 200 },
	{ "scopes",		FIELD_STRINGS,	G | P | R,		"[]",		0, 100 },
	{ "limited",		FIELD_BOOL,	G | R,			"false",	0, 0 },
	{ "audience",		FIELD_TEXT,	G,			NULL,		1, 500 },
	{ "client_address",	FIELD_TEXT,	G | P,			NULL,		1, 64 },
	{ "user_agent",		FIELD_TEXT,	G | P,			NULL,		1, 300 },
	{ "methods",		FIELD_STRINGS,	G | P | R,		"[]",		0, 8 },
	{ "authenticated_at",	FIELD_TIME,	G | P,			NULL,		0, 0 },
	{ "proof_key",		FIELD_TEXT,	G,			NULL,		43, 43 },
	KEPT,
};

static const struct field api_key_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "user_id",		FIELD_UUID,	G | R | F,		NULL,		0, 0 },
	{ "name",		FIELD_TEXT,	G | P | R,		NULL,		1, 200 },
	{ "secret_hash",	FIELD_TEXT,	G | R,			NULL,		1, 200 },
	{ "scopes",		FIELD_STRINGS,	G | P | R,		"[]",		0, 100 },
	{ "limited",		FIELD_BOOL,	G | P | R,		"false",	0, 0 },
	{ "expires_at",		FIELD_TIME,	G | P,			NULL,		0, 0 },
	{ "used_at",		FIELD_TIME,	P,			NULL,		0, 0 },
	KEPT,
};

static const struct field factor_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "user_id",		FIELD_UUID,	G | R | F,		NULL,		0, 0 },
	{ "kind",		FIELD_NAME,	G | R | F,		"totp",		1, 16 },
	{ "secret",		FIELD_TEXT,	G | R,			NULL,		1, 500 },
	{ "confirmed",		FIELD_BOOL,	P | R | F,		"false",	0, 0 },
	{ "last_step",		FIELD_INT,	P | R,			"0",		0, INT64_MAX },
	{ "recovery",		FIELD_STRINGS,	G | P | R,		"[]",		0, 32 },
	KEPT,
};

static const struct field group_fields[] = {
	{ "id",			FIELD_NAME,	G | R | U,		NULL,		1, 64 },
	{ "description",	FIELD_TEXT,	G | P,			NULL,		1, 1000 },
	{ "roles",		FIELD_STRINGS,	G | P | R,		"[]",		0, 64 },
	KEPT,
};

static const struct field grant_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "effect",		FIELD_NAME,	G | P | R | F,		"allow",	1, 8 },
	{ "subject_kind",	FIELD_NAME,	G | R | F,		NULL,		1, 16 },
	{ "subject",		FIELD_TEXT,	G | R | F,		NULL,		1, 64 },
	{ "permissions",	FIELD_STRINGS,	G | P | R,		"[]",		0, 1000 },
	{ "roles",		FIELD_STRINGS,	G | P | R,		"[]",		0, 64 },
	{ "namespace",		FIELD_NAME,	G | P | F,		NULL,		1, 64 },
	{ "resource",		FIELD_TEXT,	G | P | F,		NULL,		1, 300 },
	{ "conditions",		FIELD_JSON,	G | P,			NULL,		0, 8192 },
	{ "description",	FIELD_TEXT,	G | P,			NULL,		1, 1000 },
	{ "expires_at",		FIELD_TIME,	G | P,			NULL,		0, 0 },
	KEPT,
};

static const struct field client_fields[] = {
	{ "id",			FIELD_NAME,	G | R | U,		NULL,		1, 64 },
	{ "name",		FIELD_TEXT,	G | P | R,		NULL,		1, 200 },
	{ "secret_hash",	FIELD_TEXT,	G | P,			NULL,		1, 200 },
	{ "auth_method",	FIELD_NAME,	G | P | R,		"none",		1, 32 },
	{ "redirect_uris",	FIELD_STRINGS,	G | P | R,		"[]",		0, 32 },
	{ "logout_uris",	FIELD_STRINGS,	G | P | R,		"[]",		0, 32 },
	{ "grant_types",	FIELD_STRINGS,	G | P | R,		"[]",		0, 8 },
	{ "scopes",		FIELD_STRINGS,	G | P | R,		"[]",		0, 100 },
	{ "user_id",		FIELD_UUID,	G | P | F,		NULL,		0, 0 },
	{ "jwks",		FIELD_JSON,	G | P,			NULL,		0, 16384 },
	{ "proof_required",	FIELD_BOOL,	G | P | R,		"false",	0, 0 },
	{ "pushed_required",	FIELD_BOOL,	G | P | R,		"false",	0, 0 },
	{ "trusted",		FIELD_BOOL,	G | P | R,		"false",	0, 0 },
	{ "disabled",		FIELD_BOOL,	G | P | R | F,		"false",	0, 0 },
	{ "registration_hash",	FIELD_TEXT,	G | P,			NULL,		1, 200 },
	{ "metadata",		FIELD_JSON,	G | P,			NULL,		0, 16384 },
	{ "created_by",		FIELD_TEXT,	F,			NULL,		0, 200 },
	KEPT,
};

static const struct field consent_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "user_id",		FIELD_UUID,	G | R | F,		NULL,		0, 0 },
	{ "client_id",		FIELD_TEXT,	G | R | F,		NULL,		1, 64 },
	{ "scopes",		FIELD_STRINGS,	G | P | R,		"[]",		0, 100 },
	{ "redirects",		FIELD_TEXT,	G | P,			NULL,		1, 64 },
	KEPT,
};

static const struct field provider_fields[] = {
	{ "id",			FIELD_NAME,	G | R | U,		NULL,		1, 64 },
	{ "name",		FIELD_TEXT,	G | P | R,		NULL,		1, 200 },
	{ "issuer",		FIELD_TEXT,	G | P | R,		NULL,		1, 500 },
	{ "client_id",		FIELD_TEXT,	G | P | R,		NULL,		1, 200 },
	{ "client_secret",	FIELD_TEXT,	G | P,			NULL,		1, 1000 },
	{ "scopes",		FIELD_STRINGS,	G | P | R,		"[]",		0, 32 },
	{ "create_users",	FIELD_BOOL,	G | P | R,		"false",	0, 0 },
	{ "roles",		FIELD_STRINGS,	G | P | R,		"[]",		0, 64 },
	{ "trust_email",	FIELD_BOOL,	G | P | R,		"false",	0, 0 },
	{ "disabled",		FIELD_BOOL,	G | P | R,		"false",	0, 0 },
	KEPT,
};

static const struct field identity_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "user_id",		FIELD_UUID,	G | R | F,		NULL,		0, 0 },
	{ "provider",		FIELD_NAME,	G | R | F,		NULL,		1, 64 },
	{ "subject",		FIELD_TEXT,	G | R,			NULL,		1, 255 },
	{ "account",		FIELD_TEXT,	G | R | F | U,		NULL,		43, 43 },
	{ "email",		FIELD_TEXT,	G | P,			NULL,		1, 320 },
	KEPT,
};

static const struct field auth_state_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "kind",		FIELD_NAME,	G | R | F,		NULL,		1, 32 },
	{ "subject",		FIELD_TEXT,	G | P | F,		NULL,		1, 200 },
	{ "data",		FIELD_JSON,	G | P,			NULL,		0, 65536 },
	{ "expires_at",		FIELD_TIME,	G | P | R,		NULL,		0, 0 },
	KEPT,
};

static const struct field audit_fields[] = {
	{ "id",			FIELD_NAME,	G | R | U | S,		NULL,		16, 16 },
	{ "kind",		FIELD_NAME,	G | R | F,		NULL,		1, 64 },
	{ "outcome",		FIELD_NAME,	G | R | F,		NULL,		1, 32 },
	{ "actor",		FIELD_TEXT,	G | F,			NULL,		1, 200 },
	{ "subject",		FIELD_TEXT,	G | F,			NULL,		1, 200 },
	{ "address",		FIELD_TEXT,	G | F,			NULL,		1, 64 },
	{ "record",		FIELD_JSON,	G | R,			NULL,		0, 65536 },
	{ "hash",		FIELD_TEXT,	G | R,			NULL,		64, 64 },
	KEPT,
};

static const struct field role_fields[] = {
	{ "id",			FIELD_NAME,	G | R | U,		NULL,		1, 64 },
	{ "permissions",	FIELD_STRINGS,	G | P | R,		"[]",		0, 1000 },
	{ "inherits",		FIELD_STRINGS,	G | P | R,		"[]",		0, 64 },
	KEPT,
};

/* Written by triggers alone: which row of role, group or grant changed, in the order of the commits. Its ids are 16 digits without a gap. */
static const struct field policy_change_fields[] = {
	{ "id",			FIELD_NAME,	R | U,			NULL,		16, 16 },
	{ "model",		FIELD_NAME,	R,			NULL,		1, 16 },
	{ "subject",		FIELD_TEXT,	R,			NULL,		1, 64 },
	KEPT,
};

static const struct field revocation_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "kind",		FIELD_NAME,	G | R | F,		NULL,		1, 64 },
	{ "value",		FIELD_TEXT,	G | P | R | F,		NULL,		1, 500 },
	{ "expires_at",		FIELD_TIME,	G | P,			NULL,		0, 0 },
	KEPT,
};

/* What an API agent keeps of requests with an Idempotency-Key; thrown away a day after its creation. */
static const struct field idempotency_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "fingerprint",	FIELD_TEXT,	G | R,			NULL,		64, 64 },
	{ "operation_id",	FIELD_UUID,	G | R,			NULL,		0, 0 },
	{ "claimed_until",	FIELD_INT,	G | P | R,		NULL,		0, INT64_MAX },
	{ "response",		FIELD_JSON,	P,			NULL,		0, 900000 },
	KEPT,
};

#define MODEL(n, t, ns, by, in, q, f) \
	{ .name = (n), .table = (t), .namespaced = (ns), .authored = (by), .internal = (in),	\
	  .searched = (q), .id = (f), .n_fields = sizeof(f) / sizeof((f)[0]), .fields = (f) }

const struct model sql_models[] = {
	MODEL("task", "tasks", true, true, false, true, task_fields),
	MODEL("user", "users", false, false, true, false, user_fields),
	MODEL("session", "sessions", false, false, true, false, session_fields),
	MODEL("role", "roles", false, false, true, false, role_fields),
	MODEL("revocation", "revocations", false, false, true, false, revocation_fields),
	MODEL("api_key", "api_keys", false, false, true, false, api_key_fields),
	MODEL("factor", "factors", false, false, true, false, factor_fields),
	MODEL("group", "groups", false, false, true, false, group_fields),
	MODEL("grant", "grants", false, false, true, false, grant_fields),
	MODEL("policy_change", "policy_changes", false, false, true, false, policy_change_fields),
	MODEL("client", "clients", false, true, true, false, client_fields),
	MODEL("consent", "consents", false, false, true, false, consent_fields),
	MODEL("provider", "providers", false, false, true, false, provider_fields),
	MODEL("identity", "identities", false, false, true, false, identity_fields),
	MODEL("auth_state", "auth_states", false, false, true, false, auth_state_fields),
	MODEL("audit", "audit", false, false, true, false, audit_fields),
	MODEL("idempotency", "idempotency", false, false, true, false, idempotency_fields),
};
const size_t sql_n_models = sizeof(sql_models) / sizeof(sql_models[0]);
_Static_assert(sizeof(sql_models) / sizeof(sql_models[0]) <= MODELS_MOST, "more models");
/* clang-format on */

const struct model *
model_find(const char *name)
{
	for (size_t i = 0; i < sql_n_models; i++)
		if (strcmp(sql_models[i].name, name) == 0)
			return &sql_models[i];
	return NULL;
}

const struct field *
model_field(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->n_fields; i++)
		if (strcmp(m->fields[i].name, name) == 0)
			return &m->fields[i];
	return NULL;
}

/* PostgreSQL names them TABLE_pkey and TABLE_COLUMN_key. */
const char *
model_unique(const struct model *m, const char *constraint)
{
	size_t n = strlen(m->table);

	if (strncmp(constraint, m->table, n) != 0 || constraint[n] != '_')
		return "fields";
	constraint += n + 1;
	if (strcmp(constraint, "pkey") == 0)
		return m->id->name;
	for (size_t i = 0; i < m->n_fields; i++) {
		n = strlen(m->fields[i].name);
		if (strncmp(constraint, m->fields[i].name, n) == 0 &&
		    strcmp(constraint + n, "_key") == 0)
			return m->fields[i].name;
	}
	return "fields";
}
